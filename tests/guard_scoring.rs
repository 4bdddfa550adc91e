//! The guard's own forecasts: written down on time, held against the marks that follow, never counted
//! where nobody looked.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of a test stop at the first surprise and look at two kinds of records only"
)]

#[path = "support/guard_world.rs"]
mod world;

use std::collections::BTreeSet;

use plimsoll::domain::{HOUR_MS, MINUTE_MS, MarginMode, Side, Timestamp};
use plimsoll::forecast::{SCORED_HORIZONS_MS, UNSEEN_MOST_MS, Verdict};
use plimsoll::guard::action::Action;
use plimsoll::guard::event::Mode;
use plimsoll::guard::journal::{Chance, Entry, Recovered};
use plimsoll::guard::policy::Policy;
use plimsoll::journal::Journal;
use rust_decimal::dec;
use world::*;

const EVERY_MS: i64 = 31 * MINUTE_MS;

fn watching() -> Policy {
    Policy {
        mode: Mode::Watch,
        ..policy()
    }
}

/// A position watched for `ms`, with marks each second that wander a little.
fn watched(ms: i64) -> World {
    let mut world = World::calm(watching());
    world.wander("BTCUSDT", dec!(100000), dec!(25), ms);
    world
}

/// When, and with which chances, forecasts were written down.
fn forecasts(world: &World) -> Vec<(Timestamp, Vec<Chance>)> {
    let records = world.records().into_iter();
    records
        .filter_map(|entry| match entry {
            Entry::Forecast {
                made_at, chances, ..
            } => Some((made_at, chances)),
            _ => None,
        })
        .collect()
}

/// Horizon and verdict of the forecast made at `made_at`.
fn verdicts(world: &World, made: Timestamp) -> Vec<(i64, Verdict)> {
    let records = world.records().into_iter();
    records
        .filter_map(|entry| match entry {
            Entry::Scored {
                made_at,
                horizon_ms,
                verdict,
                ..
            } if made_at == made => Some((horizon_ms, verdict)),
            _ => None,
        })
        .collect()
}

#[test]
fn after_an_hour_of_marks_a_forecast_per_horizon_is_written_down_every_31_minutes() {
    let world = watched(3 * HOUR_MS);
    let made = forecasts(&world);
    assert!((3..=4).contains(&made.len()), "{}", made.len());
    for (made_at, chances) in &made {
        assert!(
            made_at.as_millis().rem_euclid(EVERY_MS) < 2_000,
            "{made_at}"
        );
        assert!(made_at.since(at(0)) >= HOUR_MS);
        let horizons: Vec<i64> = chances.iter().map(|chance| chance.horizon_ms).collect();
        assert_eq!(horizons, SCORED_HORIZONS_MS);
        let rising = chances.windows(2).all(|two| two[0].chance <= two[1].chance);
        assert!(rising, "{chances:?}");
    }
    let first = world.records().into_iter().find_map(|entry| match entry {
        Entry::Forecast {
            key,
            falls_hurt,
            line,
            ..
        } => Some((key, falls_hurt, line)),
        _ => None,
    });
    let line = world.shown(&key("BTCUSDT")).liquidation_price;
    assert_eq!(first, Some((key("BTCUSDT"), true, line.expect("a line"))));
}

#[test]
fn a_horizon_that_passes_without_a_touch_is_untouched() {
    let world = watched(3 * HOUR_MS);
    let (first, _) = forecasts(&world)[0];
    assert_eq!(
        verdicts(&world, first),
        [
            (15 * MINUTE_MS, Verdict::Untouched),
            (HOUR_MS, Verdict::Untouched)
        ]
    );
}

#[test]
fn a_touch_resolves_every_horizon_that_is_still_open() {
    let mut world = watched(100 * MINUTE_MS);
    let (first, _) = forecasts(&world)[0];
    assert_eq!(
        verdicts(&world, first),
        [(15 * MINUTE_MS, Verdict::Untouched)],
        "{first}"
    );
    world.mark("BTCUSDT", dec!(95381.6));
    assert_eq!(verdicts(&world, first).len(), 1, "just above the line");
    world.mark("BTCUSDT", dec!(95381));
    let touched = verdicts(&world, first);
    assert_eq!(
        touched[1..],
        [
            (HOUR_MS, Verdict::Touched),
            (4 * HOUR_MS, Verdict::Touched),
            (24 * HOUR_MS, Verdict::Touched)
        ]
    );
    world.mark("BTCUSDT", dec!(95000));
    assert_eq!(verdicts(&world, first), touched, "once is enough");
}

#[test]
fn a_gap_in_the_marks_voids_what_it_hides() {
    let mut world = watched(100 * MINUTE_MS);
    let (first, _) = forecasts(&world)[0];
    world.idle(UNSEEN_MOST_MS + 1_000);
    world.mark("BTCUSDT", dec!(95000));
    let voided = &verdicts(&world, first)[1..];
    assert_eq!(voided.len(), 3);
    assert!(voided.iter().all(|(_, verdict)| *verdict == Verdict::Void));
}

#[test]
fn each_position_is_asked_for_and_a_gap_of_one_symbol_voids_no_other() {
    let mut other = position(
        key("ETHUSDT"),
        Side::Short,
        dec!(0.5),
        MarginMode::Isolated,
        dec!(2500),
    );
    other.entry_price = price(dec!(100000));
    let mut world = World::new(watching(), vec![isolated_long(), other], dec!(10000));
    world.start(Recovered::default());
    for round in 0..100 * 60 {
        let step = if round % 2 == 0 { dec!(25) } else { dec!(-25) };
        world.mark("BTCUSDT", dec!(100000) + step);
        world.mark("ETHUSDT", dec!(100000) - step);
        world.idle(1_000);
    }
    let records = world.records().into_iter();
    let sides: BTreeSet<(String, bool)> = records
        .filter_map(|entry| match entry {
            Entry::Forecast {
                key, falls_hurt, ..
            } => Some((key.to_string(), falls_hurt)),
            _ => None,
        })
        .collect();
    let expected = [("BTCUSDT", true), ("ETHUSDT", false)];
    assert_eq!(
        sides,
        expected.map(|(key, falls)| (key.to_owned(), falls)).into()
    );
    for _ in 0..UNSEEN_MOST_MS / 1_000 + 5 {
        world.mark("BTCUSDT", dec!(100000));
        world.idle(1_000);
    }
    world.mark("ETHUSDT", dec!(100000));
    let voided: BTreeSet<String> = world
        .records()
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Scored {
                key,
                verdict: Verdict::Void,
                ..
            } => Some(key.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(voided, ["ETHUSDT".to_owned()].into());
}

#[test]
fn a_missed_time_is_left_out() {
    let mut world = watched(100 * MINUTE_MS);
    let count = forecasts(&world).len();
    let next = EVERY_MS - world.now.as_millis().rem_euclid(EVERY_MS);
    world.idle(next + 2 * MINUTE_MS);
    world.wander("BTCUSDT", dec!(100000), dec!(25), 20 * MINUTE_MS);
    assert_eq!(forecasts(&world).len(), count);
    world.wander("BTCUSDT", dec!(100000), dec!(25), 12 * MINUTE_MS);
    assert_eq!(forecasts(&world).len(), count + 1);
}

/// What a journal that took all records says.
fn recovered(world: &World) -> Recovered {
    let mut journal = Journal::in_memory().expect("journal");
    for entry in world.records() {
        journal.append(world.now, &entry).expect("appended");
    }
    journal.recover(world.now).expect("recovered")
}

#[test]
fn a_restart_voids_what_was_open_and_says_so_once() {
    let mut world = watched(100 * MINUTE_MS);
    let (first, chances) = forecasts(&world)[0].clone();
    let known = recovered(&world);
    let open = known.forecasts.iter().find(|open| open.made_at == first);
    assert_eq!(open.expect("open").chances, chances[1..]);
    world.restart(known);
    let voided = &verdicts(&world, first)[1..];
    assert_eq!(voided.len(), 3);
    assert!(voided.iter().all(|(_, verdict)| *verdict == Verdict::Void));
    assert_eq!(recovered(&world).forecasts, []);
    world.mark("BTCUSDT", dec!(95000));
    assert_eq!(verdicts(&world, first).len(), 4);
}

#[test]
fn scoring_sends_nothing_and_tells_nobody() {
    let world = watched(3 * HOUR_MS);
    assert_eq!(world.sends(), []);
    let reports = world
        .log
        .iter()
        .filter(|action| matches!(action, Action::Report(_)));
    let mut texts = reports.map(|action| format!("{action:?}"));
    assert!(!texts.any(|text| text.contains("forecast")));
}
