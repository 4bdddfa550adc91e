//! `plimsoll accuracy` and the forecasts in `plimsoll journal`, through the real binary.
#![allow(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::path::Path;
use std::process::{Command, Output};

use plimsoll::domain::{HOUR_MS, MINUTE_MS, PositionKey, PositionSide, Symbol, Timestamp};
use plimsoll::forecast::Verdict;
use plimsoll::guard::journal::{Chance, Entry};
use plimsoll::journal::Journal;

const NOON: Timestamp = Timestamp::from_civil(2026, 11, 22, 12 * HOUR_MS);

fn key() -> PositionKey {
    PositionKey {
        symbol: Symbol::new("BTCUSDT"),
        position_side: PositionSide::Both,
    }
}

/// A journal with one forecast; its quarter of an hour has passed, its hour was not seen.
fn journal(dir: &Path) {
    let mut journal = Journal::open(dir).expect("journal");
    let (quarter, hour, day) = (15 * MINUTE_MS, HOUR_MS, 24 * HOUR_MS);
    let chance = |horizon_ms, chance| Chance { horizon_ms, chance };
    let forecast = Entry::Forecast {
        key: key(),
        falls_hurt: true,
        mark: "100000".parse().expect("price"),
        line: "95381.5".parse().expect("price"),
        made_at: NOON,
        chances: vec![
            chance(quarter, 0.0031),
            chance(hour, 0.042),
            chance(day, 0.37),
        ],
    };
    let scored = |horizon_ms, chance, verdict| Entry::Scored {
        key: key(),
        made_at: NOON,
        horizon_ms,
        chance,
        verdict,
    };
    for (minute, entry) in [
        (
            0,
            Entry::Started {
                version: "1".to_owned(),
            },
        ),
        (0, forecast),
        (15, scored(quarter, 0.0031, Verdict::Touched)),
        (60, scored(hour, 0.042, Verdict::Void)),
    ] {
        journal
            .append(NOON.plus_ms(minute * MINUTE_MS), &entry)
            .expect("appended");
    }
}

fn ask(words: &[&str], dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(words)
        .arg("--data-dir")
        .arg(dir)
        .output()
        .expect("started")
}

fn said(words: &[&str], dir: &Path) -> String {
    let told = ask(words, dir);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    assert!(told.stderr.is_empty(), "{told:?}");
    String::from_utf8(told.stdout).expect("text")
}

#[test]
fn what_was_said_is_shown_beside_what_happened() {
    let dir = tempfile::tempdir().expect("dir");
    journal(dir.path());
    let text = said(&["accuracy"], dir.path());
    for words in [
        "1 forecast scored",
        "1 still open, 1 not counted",
        "Within 15 min: 1 forecast, the line was touched 1 time.",
        "Of 1 time it said 0.1–1 % (0.31 % on average), the line was touched 1 time.",
    ] {
        assert!(text.contains(words), "{text}");
    }
    assert!(
        !text.contains("Within 1 h"),
        "nothing is scored there: {text}"
    );
    let json = said(&["accuracy", "--json"], dir.path());
    let value: serde_json::Value = serde_json::from_str(&json).expect("json");
    assert_eq!(value["scored"], 1);
}

#[test]
fn an_empty_journal_is_said_to_have_nothing_and_a_missing_one_is_named() {
    let dir = tempfile::tempdir().expect("dir");
    let missing = ask(&["accuracy"], dir.path());
    assert_eq!(missing.status.code(), Some(66));
    drop(Journal::open(dir.path()).expect("journal"));
    let text = said(&["accuracy"], dir.path());
    assert!(text.starts_with("Nothing has been scored yet"), "{text}");
}

#[test]
fn the_journal_names_the_forecasts_it_hides_and_shows_them_when_asked() {
    let dir = tempfile::tempdir().expect("dir");
    journal(dir.path());
    let text = said(&["journal"], dir.path());
    assert!(text.contains("Forecasts not shown: 1."), "{text}");
    assert!(!text.contains("0.31 % in 15 min"), "{text}");
    let text = said(&["journal", "--forecasts"], dir.path());
    let row = "0.31 % in 15 min (touched), 4.2 % in 1 h (not seen), 37 % in 24 h";
    assert!(text.contains(row), "{text}");
    assert!(text.contains("line 95381.5, mark 100000"), "{text}");
    assert!(!text.contains("not shown"), "{text}");
}
