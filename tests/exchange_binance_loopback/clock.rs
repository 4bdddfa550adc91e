//! The agent when the venue's clock turns out to be another than it was.

use std::cell::RefCell;
use std::rc::Rc;

use plimsoll::agent::{self, Channels, Setup};
use plimsoll::guard::policy::Policy;
use plimsoll::journal::Journal;
use plimsoll::telegram::Notice;
use tokio::sync::{mpsc, watch};

use crate::account::{BALANCES, KEY_CHECK, MONEY, venue};
use crate::venue::{Reply, START, Venue};

const HOUR_MS: i64 = 3_600_000;
const TIME: &str = "GET /fapi/v1/time";
const KEY: &str = r#"{"ipRestrict":true,"enableReading":true,"enableWithdrawals":false,"enableInternalTransfer":false,"enableFutures":true,"permitsUniversalTransfer":false,"enablePortfolioMarginTrading":false}"#;
const RULES: &str = r#"{"symbols":[]}"#;

async fn until(mut met: impl FnMut() -> bool) {
    for _ in 0..400 {
        if met() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("never came true");
}

/// A machine whose clock stood still without its own counters noticing: only a refused timestamp
/// tells, and the guard must hear of it before it takes a picture stamped an hour later.
#[tokio::test]
async fn a_correction_of_the_venues_clock_reaches_the_guard_as_a_jump_of_time() {
    let venue: Venue = venue().await;
    venue.on(KEY_CHECK, &[Reply::ok(KEY)]);
    venue.on("GET /fapi/v1/exchangeInfo", &[Reply::ok(RULES)]);
    let clock = venue.clock.clone();
    let setup = Setup {
        port: venue.adapter(),
        clock: clock.clone(),
        policy: Policy::default(),
        journal: Journal::in_memory().expect("journal"),
        allow_wallet_transfer: false,
        version: "test".to_owned(),
    };
    let (_requests, receiver) = mpsc::channel(1);
    let (stop, stopped) = watch::channel(false);
    let told: Rc<RefCell<Vec<String>>> = Rc::default();
    let heard = Rc::clone(&told);
    let channels = Channels {
        requests: receiver,
        stop: stopped,
        listener: Box::new(move |notice| {
            if let Notice::Report(report) = notice {
                heard
                    .borrow_mut()
                    .push(format!("{} {}", report.at.as_millis(), report.text));
            }
        }),
    };
    let tasks = tokio::task::LocalSet::new();
    tasks
        .run_until(async {
            let running = tokio::task::spawn_local(agent::run(setup, channels));
            until(|| !told.borrow().is_empty()).await;
            until(|| venue.seen(BALANCES).len() >= 2 && clock.is_quiet(0)).await;
            let later = format!(r#"{{"serverTime":{}}}"#, START + HOUR_MS);
            venue.on(TIME, &[Reply::ok(&later)]);
            venue.on(BALANCES, &[Reply::code(-1021), Reply::ok(MONEY)]);
            clock.advance_to(clock.now().plus_ms(31_000));
            until(|| told.borrow().iter().any(|text| text.contains("jumped"))).await;
            stop.send_replace(true);
            running.await.expect("joined").expect("stopped");
        })
        .await;
    let told = told.borrow();
    let jump = told
        .iter()
        .find(|text| text.contains("jumped"))
        .expect("told");
    let (at, text) = jump.split_once(' ').expect("time and text");
    let at: i64 = at.parse().expect("milliseconds");
    assert!(text.contains("3569 s") || text.contains("3600 s"), "{text}");
    assert!(
        at >= START + HOUR_MS - 32_000,
        "in the venue's new time: {at}"
    );
}
