//! The real guard in the benchmark: it sees, acts, is obeyed exactly once, and its books balance.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    reason = "a test program: it fails by panicking; expected figures are computed"
)]

#[path = "support/tapes.rs"]
mod tapes;

use plimsoll::domain::{HOUR_MS, Side};
use plimsoll::guard::policy::Preset;
use plimsoll::replay::{Outcome, Path, Policy, Settings, Stepping, fate, outcome};
use tapes::{first, path};

#[track_caller]
fn near(found: f64, expected: f64, slack: f64) {
    assert!(
        (found - expected).abs() < slack,
        "{found} is not {expected}"
    );
}

/// Two hours of small waves, then `minutes` of an even move to `last`, then two hours there.
fn drift(name: &str, symbol: &str, minutes: usize, last: f64) -> Path {
    let mut bars = Vec::new();
    for index in 0..120 {
        let (open, close) = if index % 2 == 0 {
            (100.0, 100.02)
        } else {
            (100.02, 100.0)
        };
        bars.push([open, 100.02, 100.0, close]);
    }
    let at = |step: usize| 100.0 + (last - 100.0) * step as f64 / minutes as f64;
    for step in 0..minutes {
        let (open, close) = (at(step), at(step + 1));
        bars.push([open, open.max(close), open.min(close), close]);
    }
    bars.extend([[last; 4]; 120]);
    path(name, symbol, &bars)
}

fn settings(side: Side, leverage: u32) -> Settings {
    Settings {
        sides: vec![side],
        leverages: vec![leverage],
        warm_up_ms: HOUR_MS,
        length_ms: 12 * HOUR_MS,
        least_ms: HOUR_MS,
        ..Settings::default()
    }
}

fn guarded(path: &Path, settings: &Settings) -> Outcome {
    let episode = first(path, settings);
    outcome(
        path,
        &episode,
        Policy::Guard(Preset::Balanced),
        settings,
        Stepping::Sparing,
    )
}

#[test]
fn a_quiet_market_is_left_alone() {
    let tape = drift("quiet", "BTCUSDT", 60, 100.1);
    let end = guarded(&tape, &settings(Side::Long, 20));
    assert_eq!((end.kept, end.friction, end.new_money), (1.0, 0.0, 0.0));
    assert_eq!((end.actions, end.liquidated), (0, false));
    near(end.wealth, 1.0 + 0.001 / 0.1, 1e-6);
}

#[test]
fn where_the_reserve_suffices_it_is_added_and_nothing_is_trimmed() {
    for (symbol, side, last) in [
        ("BTCUSDT", Side::Long, 90.2),
        ("FILUSDT", Side::Short, 109.5),
    ] {
        let tape = drift("slow", symbol, 240, last);
        let set = settings(side, 10);
        let episode = first(&tape, &set);
        assert!(fate(&tape, &episode, &set).at_risk, "{symbol}");
        let end = guarded(&tape, &set);
        assert!(!end.liquidated, "{symbol} {end:?}");
        assert_eq!((end.kept, end.friction), (1.0, 0.0), "{symbol} {end:?}");
        assert!(end.new_money > 0.0 && end.new_money <= 1.0 && end.actions >= 1);
        // No trade: what is gone is the market's doing alone.
        near(end.wealth, (0.2 - (last / 100.0 - 1.0).abs()) / 0.2, 1e-6);
    }
}

#[test]
fn beyond_the_reserve_it_trims_recycles_and_survives() {
    let tape = drift("deep", "FILUSDT", 60, 88.0);
    let set = settings(Side::Long, 20);
    let episode = first(&tape, &set);
    let known = fate(&tape, &episode, &set);
    let end = guarded(&tape, &set);
    assert!(known.at_risk && !end.liquidated, "{end:?}");
    assert!(end.new_money > 0.5 && end.new_money <= 1.0, "{end:?}");
    assert!(
        end.kept > 0.05 && end.kept < known.best,
        "{end:?} of {}",
        known.best
    );
    assert!(end.actions > 3 && end.friction > 0.0, "{end:?}");
    // Each trim realises a loss that the held position would have had, so all that friction and
    // market took is gone and nothing else: less than the whole, more than nothing.
    assert!(end.wealth > 0.0 && end.wealth < 1.0, "{end:?}");
}

#[test]
fn friction_is_what_fees_and_slippage_of_the_trims_cost() {
    // 0.1 % and a tenth of a volatility of at most 0.23 % a minute, at prices from 88 to 100.
    let tape = drift("deep", "FILUSDT", 60, 88.0);
    let end = guarded(&tape, &settings(Side::Long, 20));
    let per_traded = end.friction / (1.0 - end.kept);
    assert!((0.000_88..0.001_23).contains(&per_traded), "{per_traded}");
}

#[test]
fn a_jump_over_the_line_cannot_be_survived_and_costs_the_margin_only() {
    let mut bars = vec![[100.0, 100.02, 100.0, 100.0]; 120];
    bars.push([100.0, 100.0, 60.0, 60.0]);
    bars.extend([[60.0; 4]; 120]);
    let tape = path("jump", "BTCUSDT", &bars);
    let end = guarded(&tape, &settings(Side::Long, 50));
    assert!(end.liquidated && end.kept == 0.0, "{end:?}");
    assert!(end.wealth <= 0.5 + 1e-6, "{end:?}");
}

#[test]
fn a_slower_hand_is_never_kinder() {
    let tape = drift("crash", "FILUSDT", 12, 88.0);
    let with = |delay_ms| {
        let set = Settings {
            delay_ms,
            ..settings(Side::Long, 20)
        };
        guarded(&tape, &set)
    };
    let (quick, slow) = (with(5_000), with(600_000));
    assert!(!quick.liquidated && quick.kept > 0.0, "{quick:?}");
    assert!(slow.liquidated, "{slow:?}");
}
