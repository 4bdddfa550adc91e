//! The wish to stop, as the operating system passes it on.

/// Completes at Ctrl-C or a termination signal. Where the system gives no such word, never.
#[cfg(unix)]
pub(super) async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        return interrupted().await;
    };
    tokio::select! {
        biased;
        _ = terminated.recv() => {}
        () = interrupted() => {}
    }
}

/// Completes at Ctrl-C. Where the system gives no such word, never.
#[cfg(not(unix))]
pub(super) async fn stopped() {
    interrupted().await;
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
