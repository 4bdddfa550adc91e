//! `plimsoll check` through the real program: it passes what `run` can use, and nothing else.
#![allow(clippy::expect_used, reason = "a test program: it fails by panicking")]

#[path = "support/venue.rs"]
mod venue;

use std::net::TcpListener;

use venue::{Home, ISOLATED, Venue};

#[test]
fn what_run_can_use_passes() {
    let venue = Venue::with(ISOLATED);
    let told = Home::at(&venue.urls()).ask(&["check"]);
    assert_eq!(
        (told.code, told.reason().as_str()),
        (Some(0), ""),
        "{told:?}"
    );
    for words in [
        "ok    data directory",
        "ok    the three streams answer",
        "ok    would guard BTCUSDT long",
    ] {
        assert!(told.out.contains(words), "{words}: {}", told.out);
    }
    assert!(venue.acts().is_empty());
}

#[test]
fn a_position_outside_of_symbols_is_only_watched_and_an_unlisted_symbol_is_named() {
    let venue = Venue::with(ISOLATED);
    let mut home = Home::at(&venue.urls());
    home.set("", "symbols = [\"DOGE\"]");
    let told = home.ask(&["check"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    for words in [
        "warn  would only watch BTCUSDT long",
        "not in symbols",
        "warn  symbols names DOGE, but the exchange lists no such contract",
    ] {
        assert!(told.out.contains(words), "{words}: {}", told.out);
    }
    assert!(!told.out.contains("would guard"), "{}", told.out);
    home.set("", "symbols = [\"BTCUSDT\"]");
    let told = home.ask(&["check"]);
    assert!(
        told.out.contains("ok    would guard BTCUSDT long"),
        "{told:?}"
    );
    assert!(!told.out.contains("symbols names"), "{told:?}");
}

#[test]
fn a_data_directory_that_run_could_not_use_does_not_pass() {
    let venue = Venue::with(ISOLATED);
    let home = Home::at(&venue.urls());
    std::fs::write(home.data_dir(), "a file").expect("written");
    let told = home.ask(&["check"]);
    assert_eq!(told.code, Some(73), "{told:?}");
    assert!(told.reason().contains("data"), "{told:?}");
}

#[test]
fn a_stream_that_is_away_does_not_pass() {
    let venue = Venue::with(ISOLATED);
    let gone = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = gone.local_addr().expect("address");
    drop(gone);
    let mut home = Home::at(&venue.urls());
    home.set(
        "exchange.urls",
        &format!("ws_market = \"ws://{address}/market\""),
    );
    let told = home.ask(&["check"]);
    assert_eq!(told.code, Some(69), "{told:?}");
    for words in ["ws_market", &address.to_string()] {
        assert!(told.reason().contains(words), "{words}: {told:?}");
    }
}

#[test]
fn simulated_orders_with_real_streams_do_not_pass() {
    let venue = Venue::with(ISOLATED);
    let mut home = Home::new();
    home.set(
        "exchange.urls",
        &format!("rest = \"{}\"", venue.urls().rest),
    );
    let told = home.ask(&["check"]);
    assert_eq!(told.code, Some(78), "{told:?}");
    assert!(
        told.reason().contains("while rest is this machine"),
        "{told:?}"
    );
}
