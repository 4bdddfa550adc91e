//! The exchange may go away and come back while the program runs: it says that it is blind, sends
//! nothing meanwhile, and sees again by itself.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test program: it fails by panicking"
)]

#[path = "support/venue.rs"]
mod venue;

use plimsoll::guard::journal::Entry;
use plimsoll::sim::face::StreamLink;
use venue::{Home, ISOLATED, KEY, SECRET, Venue};

const POSITIONS: &str = "/fapi/v3/positionRisk";

fn watching(venue: &Venue) -> Home {
    let mut home = Home::at(&venue.urls());
    home.set("exchange", "request_timeout_ms = 1000");
    home.set("freshness", "mark_stale_secs = 2");
    home
}

#[test]
fn an_exchange_that_dies_and_comes_back_is_seen_again_without_help() {
    let venue = Venue::with(ISOLATED);
    let mut home = watching(&venue);
    home.set("", "mode = \"auto\"");
    let address = venue.address();
    let mut program = home.run();
    program.until("all streams stand", || venue.face().connections() == 3);
    venue.die();
    program.until_said("BLIND: the mark price of BTCUSDT");
    assert!(
        program.err().contains("ALARM"),
        "an alarm goes to standard error"
    );
    let venue = Venue::start(address, Some(ISOLATED));
    program.until_said("Sight regained");
    program.until("all streams stand again", || {
        venue.face().connections() == 3
    });
    let (status, out, err) = program.stop();
    assert_eq!(status.code(), Some(0), "{out}{err}");
    assert!(venue.acts().is_empty(), "far from the line nothing is done");
    let entries = home.journal();
    let blind = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Blind { .. }));
    let sighted = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Sighted { .. }));
    assert_eq!(blind.count(), sighted.count());
    for text in [out, err] {
        assert!(!text.contains(KEY) && !text.contains(SECRET) && !text.contains("signature="));
    }
}

#[test]
fn a_silent_market_stream_is_replaced_by_reading() {
    let venue = Venue::with(ISOLATED);
    let home = watching(&venue);
    let mut program = home.run();
    program.until("all streams stand", || venue.face().connections() == 3);
    venue.face().stall(StreamLink::Market);
    program.until_said("BLIND: the mark price of BTCUSDT");
    program.until_said("Sight regained");
    program.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_guard_without_chat_leaves_the_processor_alone() {
    let venue = Venue::with(ISOLATED);
    let home = watching(&venue);
    let mut program = home.run();
    program.until("all streams stand", || venue.face().connections() == 3);
    let began = std::time::Instant::now();
    let (used, before) = (used_ms(program.id()), venue.face().frames_sent());
    program.until("two seconds pass", || began.elapsed().as_secs() >= 2);
    let used = used_ms(program.id()) - used;
    assert!(venue.face().frames_sent() > before, "it was fed meanwhile");
    assert!(used < 400, "{used} ms of 2000");
    assert!(venue.reads(POSITIONS) < 10);
    program.stop();
}

/// Processor time of a process; the kernel counts hundredths of a second.
#[cfg(target_os = "linux")]
fn used_ms(id: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("alive");
    let (_, rest) = text.rsplit_once(')').expect("name");
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<u64>().ok());
    (ticks(11).expect("user") + ticks(12).expect("system")) * 10
}
