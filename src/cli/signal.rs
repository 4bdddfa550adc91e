//! The wish to stop, as the operating system passes it on.

/// Listens from now on; the future completes at Ctrl-C or a termination signal. Where the system
/// gives no such word, never.
#[cfg(unix)]
pub(super) fn stopped() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = signal(SignalKind::terminate());
    let interrupted = signal(SignalKind::interrupt());
    async move {
        match (terminated, interrupted) {
            (Ok(mut terminated), Ok(mut interrupted)) => tokio::select! {
                biased;
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            },
            (Ok(mut one), Err(_)) | (Err(_), Ok(mut one)) => drop(one.recv().await),
            (Err(_), Err(_)) => std::future::pending().await,
        }
    }
}

/// Completes at Ctrl-C. Where the system gives no such word, never.
#[cfg(not(unix))]
pub(super) async fn stopped() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
