//! A client library that was written for the real venue uses the simulated one. Needs python3 with
//! `ccxt` (`PLIMSOLL_PYTHON` names another interpreter); without it the test says so and passes,
//! unless `CI=true`.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test program: it reports what it skipped and fails by panicking"
)]

use std::io::Write;
use std::process::Command;
use std::sync::mpsc;
use std::time::{SystemTime, UNIX_EPOCH};

use plimsoll::domain::{Money, Price, Symbol, Timestamp};
use plimsoll::sim::face::{Face, FaceOptions, FaceTime};
use plimsoll::sim::{Exchange, ExchangeSpec, Tape, market};
use rust_decimal::{Decimal, dec};

/// Steps of the tape: five minutes at ten a second.
const STEPS: i64 = 3_000;

fn face() -> Face {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("clock");
    let now = Timestamp::from_millis(i64::try_from(since.as_millis()).expect("clock"));
    let symbol = Symbol::new("BTCUSDT");
    let tape = Tape {
        name: "gentle".to_owned(),
        symbol: symbol.clone(),
        start: now,
        step_ms: 100,
        marks: (0..STEPS)
            .map(|step| Price::of(dec!(40000) + Decimal::from(step % 23)))
            .collect(),
        notes: Vec::new(),
    };
    let rules = market::for_symbol(&symbol, Price::of(dec!(40000)));
    let mut exchange = Exchange::new(ExchangeSpec::new(vec![(rules, tape)], now));
    exchange.add_account("demo-key", "demo-secret".into(), Money::of(dec!(10000)));
    Face::start(exchange, FaceOptions::new(FaceTime::Wall)).expect("started")
}

fn python() -> Option<String> {
    let python = std::env::var("PLIMSOLL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let probe = Command::new(&python).args(["-c", "import ccxt"]).output();
    probe
        .is_ok_and(|out| out.status.success())
        .then_some(python)
}

#[test]
fn a_client_library_for_the_real_venue_finds_its_way() {
    let Some(python) = python() else {
        let text = "third_party: no python3 with ccxt here (set PLIMSOLL_PYTHON)";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        // Written past the test harness, which would swallow it.
        writeln!(std::io::stderr(), "SKIPPED {text}").expect("standard error");
        return;
    };
    let (tell, told) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("runtime").block_on(async move {
            let face = face();
            let line = serde_json::to_string(&face.urls()).expect("json");
            tell.send(line).expect("told");
            // Ends when the test has finished or failed.
            let _ = stopped.await;
        });
    });
    let line = told.recv().expect("addresses");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/third_party/binance_client.py"
    );
    let output = Command::new(python)
        .args([script, &line])
        .output()
        .expect("ran");
    drop(stop);
    server.join().expect("server");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success(), "{text}\n{errors}");
}
