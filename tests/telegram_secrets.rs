//! The bot token is part of every request address; nothing that leaves may hold it.

#[path = "support/bot_api.rs"]
mod bot_api;
#[path = "support/desk.rs"]
mod desk;

use std::io::Write;
use std::sync::{Arc, Mutex};

use bot_api::TRADER;
use desk::{Desk, TOKEN, report};
use plimsoll::domain::Timestamp;
use plimsoll::guard::action::{ReportKind, Severity};
use plimsoll::net::clock::Clock;
use plimsoll::telegram::{self, Settings, TelegramError};
use secrecy::SecretString;
use tokio::sync::mpsc;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut all = self.0.lock().map_err(|_| std::io::ErrorKind::Other)?;
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn settings(token: &str, address: String, folder: &tempfile::TempDir) -> Settings {
    Settings {
        token: SecretString::from(token),
        api_url: Some(address),
        pairing_file: folder.path().join("telegram.json"),
        version: String::new(),
    }
}

#[tokio::test]
async fn the_token_is_in_no_log_line_error_or_message_whatever_fails() {
    let log = Sink::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();

    let desk = Desk::paired().await;
    desk.tell(report(
        ReportKind::NotKnown,
        Severity::Alarm,
        1,
        "no answer",
    ))
    .await;
    desk.until("it arrives", |desk| desk.texts().len() == 1)
        .await;
    desk.api.cut(true);
    desk.tell(report(
        ReportKind::NotKnown,
        Severity::Alarm,
        2,
        "no answer",
    ))
    .await;
    desk.until("the outage is told", |desk| {
        desk.shown().contains("cannot be reached")
    })
    .await;
    desk.api.cut(false);
    desk.api.revoke();
    desk.until("the refusal is told", |desk| {
        desk.api.refused().iter().any(|call| call.status == 401)
    })
    .await;
    let shown = desk.shown();
    let file = std::fs::read_to_string(&desk.pairing_file).expect("pairing file");
    let sent = format!(
        "{:?} {:?}",
        desk.api.chat(TRADER),
        desk.api.calls("sendMessage")
    );
    assert_eq!(desk.end().await, Ok(()));

    let logged = String::from_utf8_lossy(&log.0.lock().expect("log")).into_owned();
    assert!(
        logged.contains("telegram"),
        "the log was recorded: {logged}"
    );
    for (what, text) in [
        ("log", logged),
        ("terminal", shown),
        ("file", file),
        ("chat", sent),
    ] {
        assert!(!text.contains("canary"), "{what}: {text}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_worded_without_the_address() {
    let folder = tempfile::tempdir().expect("tempdir");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let address = format!("http://{}", nobody.local_addr().expect("address"));
    drop(nobody);
    let clock = Clock::manual(Timestamp::from_millis(desk::START_MS));
    let (hang_up, notices) = mpsc::channel(1);
    let (requests, _asked) = mpsc::channel(1);
    let shown = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&shown);
    let task = tokio::spawn(telegram::run(
        settings(TOKEN, address, &folder),
        clock.clone(),
        notices,
        requests,
        move |line| lines.lock().expect("lines").push(line),
    ));
    for _ in 0..1_000 {
        clock.advance_to(clock.now().plus_ms(100));
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        if !shown.lock().expect("lines").is_empty() {
            break;
        }
    }
    drop(hang_up);
    assert_eq!(task.await.expect("no panic"), Ok(()));
    let text = shown.lock().expect("lines").join("\n");
    assert!(text.contains("no connection"), "{text}");
    assert!(!text.contains("canary") && !text.contains("/bot"), "{text}");
}

#[tokio::test]
async fn a_malformed_token_or_an_open_address_ends_at_once_without_showing_it() {
    let folder = tempfile::tempdir().expect("tempdir");
    for (token, address) in [
        ("canary", "https://api.telegram.org"),
        (TOKEN, "http://example.org"),
    ] {
        let settings = settings(token, address.to_owned(), &folder);
        assert!(!format!("{settings:?}").contains("canary"));
        let (_hang_up, notices) = mpsc::channel(1);
        let (requests, _asked) = mpsc::channel(1);
        let clock = Clock::manual(Timestamp::from_millis(desk::START_MS));
        let ended = telegram::run(settings, clock, notices, requests, |_| {}).await;
        assert!(
            matches!(ended, Err(TelegramError::Settings(_))),
            "{ended:?}"
        );
        assert!(!format!("{ended:?}").contains("canary"));
    }
}
