//! The baselines and the figures of the benchmark against tapes small enough to be computed by hand,
//! and the shortcuts against the long way.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    reason = "a test program: it fails by panicking; expected figures are computed"
)]

#[path = "support/tapes.rs"]
mod tapes;

use plimsoll::domain::{HOUR_MS, MINUTE_MS, Side};
use plimsoll::replay::{
    Fate, Outcome, Path, Played, Policy, Report, Settings, Stepping, Trial, Watcher, episodes,
    fate, outcome, play, trials,
};
use tapes::{fall, first, one_bar, path, rise, tape_of, walk};

#[track_caller]
fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

fn settings(side: Side, leverage: u32) -> Settings {
    Settings {
        sides: vec![side],
        leverages: vec![leverage],
        ..one_bar()
    }
}

/// The first episode under `policy`.
fn played(path: &Path, policy: Policy, settings: &Settings) -> Outcome {
    let episode = first(path, settings);
    outcome(path, &episode, policy, settings, Stepping::Sparing)
}

#[test]
fn an_unprotected_position_is_liquidated_at_the_line_and_loses_the_margin_left() {
    // Ten times: the line stands at 0.9 / 0.996 = 0.90361. At 90.2 the balance is 0.1 - 0.098.
    let tape = path("fall", "BTCUSDT", &[fall(90.2)]);
    let set = settings(Side::Long, 10);
    let end = played(&tape, Policy::Nothing, &set);
    assert!(end.liquidated && end.kept == 0.0 && end.actions == 0);
    near(end.friction, 0.002);
    near(end.wealth, 0.5);
    // At 90.4 it stands above the line.
    let tape = path("fall", "BTCUSDT", &[fall(90.4)]);
    let end = played(&tape, Policy::Nothing, &set);
    assert!(!end.liquidated);
    near(end.kept, 1.0);
    near(end.wealth, (0.1 - 0.096 + 0.1) / 0.2);
}

#[test]
fn a_short_is_liquidated_by_a_rise() {
    // The line stands at 1.1 / 1.004 = 1.09562.
    let tape = path("rise", "ETHUSDT", &[rise(109.7)]);
    let end = played(&tape, Policy::Nothing, &settings(Side::Short, 10));
    assert!(end.liquidated);
    near(end.friction, 0.003);
    let tape = path("rise", "ETHUSDT", &[rise(109.5)]);
    assert!(!played(&tape, Policy::Nothing, &settings(Side::Short, 10)).liquidated);
}

#[test]
fn the_maintenance_rate_depends_on_the_coin() {
    // With 1 % the line stands at 0.9 / 0.99 = 0.90909.
    for (symbol, liquidated) in [
        ("BTCUSDT", false),
        ("ETHUSDC", false),
        ("FILUSDT", true),
        ("BTCDOMUSDT", true),
    ] {
        let tape = path("fall", symbol, &[fall(90.7)]);
        let end = played(&tape, Policy::Nothing, &settings(Side::Long, 10));
        assert_eq!(end.liquidated, liquidated, "{symbol}");
    }
}

#[test]
fn auto_margin_adds_the_initial_margin_at_the_line_until_the_reserve_is_empty() {
    let tape = path("fall", "BTCUSDT", &[fall(90.2)]);
    let set = settings(Side::Long, 10);
    let end = played(&tape, Policy::AutoMargin, &set);
    assert!(!end.liquidated);
    assert_eq!((end.kept, end.actions, end.friction), (1.0, 1, 0.0));
    near(end.new_money, 1.0);
    near(end.wealth, 0.102 / 0.2);
    // The line is now 0.8 / 0.996 = 0.80321: a fall to 80.2 passes it.
    let tape = path("fall", "BTCUSDT", &[fall(80.2)]);
    let end = played(&tape, Policy::AutoMargin, &set);
    assert!(end.liquidated);
    near(end.friction, 0.002);
    near(end.wealth, 0.0);
}

#[test]
fn stop_buffer_closes_everything_shortly_before_the_line() {
    // Trigger at 0.90361 + 0.05 · 0.09639 = 0.90843; closed one step later at the same price.
    let tape = path("fall", "BTCUSDT", &[fall(90.8)]);
    let end = played(&tape, Policy::StopBuffer, &settings(Side::Long, 10));
    assert!(!end.liquidated);
    assert_eq!((end.kept, end.actions), (0.0, 1));
    near(end.friction, 0.908 * 0.001);
    near(end.wealth, (0.2 - 0.092 - 0.000_908) / 0.2);
    let tape = path("fall", "BTCUSDT", &[fall(90.9)]);
    assert_eq!(
        played(&tape, Policy::StopBuffer, &settings(Side::Long, 10)).actions,
        0
    );
}

#[test]
fn ratio_trim_goes_from_one_half_to_three_tenths() {
    // At 91.6 balance 0.016, maintenance 0.00916; the trim costs 0.1 % of what is traded.
    let tape = path("fall", "FILUSDT", &[fall(91.6)]);
    let end = played(&tape, Policy::RatioTrim, &settings(Side::Long, 10));
    let part = 1.0 - end.kept;
    near(
        part,
        (0.009_16 - 0.3 * 0.016) / (0.009_16 - 0.3 * 0.000_916),
    );
    near(end.friction, part * 0.000_916);
    let ratio = (1.0 - part) * 0.009_16 / (0.016 - part * 0.000_916);
    near(ratio, 0.3);
    assert_eq!((end.actions, end.new_money), (1, 0.0));
}

#[test]
fn trim_2pct_trims_once_per_step_and_leaves_the_line_where_it_was() {
    // Within 2 % of 0.90361 from 0.92206 on: decided at steps 8 to 11, in effect at 9 to 12.
    let tape = path("fall", "BTCUSDT", &[fall(92.0)]);
    let end = played(&tape, Policy::TrimTwoPercent, &settings(Side::Long, 10));
    assert_eq!(end.actions, 4);
    near(end.kept, 0.98_f64.powi(4));
    near(end.friction, 0.92 * 0.001 * (1.0 - 0.98_f64.powi(4)));
    // A plain trim frees margin but saves nothing: what is left is liquidated at the same price.
    let tape = path("fall", "BTCUSDT", &[fall(92.0), [92.0, 92.0, 90.2, 90.2]]);
    let longer = Settings {
        length_ms: 2 * MINUTE_MS,
        ..settings(Side::Long, 10)
    };
    let end = played(&tape, Policy::TrimTwoPercent, &longer);
    assert!(end.liquidated && end.kept == 0.0);
}

/// Closes that go up and down by the same factor: their volatility is known exactly.
fn zigzag() -> Vec<[f64; 4]> {
    let mut bars = Vec::new();
    for _ in 0..40 {
        bars.push([100.0, 101.0, 100.0, 101.0]);
        bars.push([101.0, 101.0, 100.0, 100.0]);
    }
    bars
}

#[test]
fn naive_adds_first_and_trims_and_recycles_what_the_reserve_does_not_reach() {
    let sigma = 1.01_f64.ln();
    let distance = 1.3 * 3.0 * sigma * 15.0_f64.sqrt();
    let need = distance + 0.004 * (1.0 - distance);
    let tape = path("zigzag", "BTCUSDT", &zigzag());
    let warm = |leverage| Settings {
        warm_up_ms: 20 * MINUTE_MS,
        ..settings(Side::Long, leverage)
    };
    let end = played(&tape, Policy::Naive, &warm(10));
    assert_eq!((end.kept, end.actions), (1.0, 1));
    near(end.new_money, (need - 0.1) / 0.1);
    // Twenty times: the whole reserve, and the rest by a trim.
    let end = played(&tape, Policy::Naive, &warm(20));
    let cost = 0.001 + 0.1 * sigma;
    let part = (need - 0.1) / (need - cost);
    assert_eq!((end.new_money, end.actions), (1.0, 2));
    near(end.kept, 1.0 - part);
    near(end.friction, part * cost);
}

#[test]
fn a_longer_delay_takes_effect_later() {
    let tape = path("fall", "BTCUSDT", &[fall(92.0)]);
    for (delay_ms, passes) in [
        (0, 5),
        (1, 4),
        (5_000, 4),
        (5_001, 2),
        (10_000, 2),
        (30_000, 0),
    ] {
        let set = Settings {
            delay_ms,
            ..settings(Side::Long, 10)
        };
        let end = played(&tape, Policy::TrimTwoPercent, &set);
        assert_eq!(end.actions, passes, "{delay_ms} ms");
    }
}

#[test]
fn between_two_steps_the_price_is_on_the_straight_line() {
    // The trigger at 90.843 is passed at 90.6; sold a second later at 90.6 + 0.2 · 0.75, on the way
    // up to 93.6 in four steps.
    let tape = path("fall", "BTCUSDT", &[[100.0, 100.0, 90.6, 93.6]]);
    let set = Settings {
        delay_ms: 1_000,
        ..settings(Side::Long, 10)
    };
    let end = played(&tape, Policy::StopBuffer, &set);
    assert_eq!((end.kept, end.actions), (0.0, 1));
    near(end.friction, 0.907_5 * 0.001);
    // At once: at the price it was decided at.
    let set = Settings { delay_ms: 0, ..set };
    near(
        played(&tape, Policy::StopBuffer, &set).friction,
        0.906 * 0.001,
    );
}

#[test]
fn what_comes_after_the_line_was_crossed_comes_too_late() {
    // Decided at 90.5 at step 8. From step 16 on, 40 s later, it falls by 1 a step: the line at
    // 90.361 is crossed 0.7 s after it.
    let bars = [[100.0, 100.0, 90.5, 90.5], [90.5, 90.5, 86.5, 86.5]];
    let tape = path("fall", "BTCUSDT", &bars);
    for (delay_ms, liquidated) in [
        (5_000, false),
        (40_500, false),
        (41_000, true),
        (45_000, true),
    ] {
        let set = Settings {
            delay_ms,
            length_ms: 2 * MINUTE_MS,
            ..settings(Side::Long, 10)
        };
        let end = played(&tape, Policy::StopBuffer, &set);
        assert_eq!(end.liquidated, liquidated, "{delay_ms} ms");
    }
}

#[test]
fn the_fate_of_an_episode_knows_what_could_have_been_kept() {
    // Fifty times: 0.04 of money for a move of 0.1 and 0.004 of maintenance.
    let tape = path("fall", "BTCUSDT", &[fall(90.0)]);
    let set = settings(Side::Long, 50);
    let known = fate(&tape, &first(&tape, &set), &set);
    assert!(known.at_risk);
    near(known.best, 0.04 / 0.104);
    near(known.days, 60.0 / 86_400.0);
    // For the short it is the other way round.
    let set = settings(Side::Short, 50);
    let known = fate(&tape, &first(&tape, &set), &set);
    assert!(!known.at_risk);
    near(known.best, 1.0);
}

#[test]
fn entries_follow_the_grid_and_the_end_of_the_tape_cuts_the_last_ones() {
    let flat = vec![[100.0; 4]; 60 * 50];
    let tape = path("flat", "BTCUSDT", &flat);
    let found = episodes(&tape, &Settings::default());
    // 50 h: entries at 24, 28, 32 and 36 h, two sides, three leverages.
    assert_eq!(found.len(), 4 * 6);
    let hours: Vec<i64> = found
        .iter()
        .step_by(6)
        .map(|episode| episode.entered_at(&tape).since(tape.start) / HOUR_MS)
        .collect();
    assert_eq!(hours, [24, 28, 32, 36]);
    let set = Settings::default();
    let days = |index: usize| fate(&tape, &found[index], &set).days;
    near(days(0), 1.0);
    near(days(18), 14.0 / 24.0);
    let short = path("short", "BTCUSDT", &vec![[100.0; 4]; 60 * 36 - 1]);
    assert!(episodes(&short, &set).is_empty());
}

#[test]
fn figures_are_means_over_episodes_at_risk_and_needless_acts_over_the_others() {
    let tapes = [
        path("stress", "BTCUSDT", &[fall(90.0)]),
        path("calm-day", "BTCUSDT", &[fall(99.0)]),
    ];
    let set = settings(Side::Long, 10);
    let at = |tape: usize, at_risk: bool, best: f64, outcome: Outcome| Played {
        trial: Trial {
            path: tape,
            episode: first(&tapes[tape], &set),
        },
        fate: Fate {
            at_risk,
            best,
            days: 0.5,
        },
        outcomes: vec![Some(outcome)],
    };
    let end = |kept: f64, friction: f64, actions: u32| Outcome {
        liquidated: kept == 0.0,
        kept,
        friction,
        new_money: 0.5,
        actions,
        wealth: 0.8,
    };
    let report = Report::of(
        &tapes,
        &[Policy::Naive],
        &[
            at(0, true, 0.5, end(0.4, 0.001, 3)),
            at(0, true, 1.0, end(0.0, 0.003, 9)),
            at(0, false, 1.0, end(0.8, 0.1, 2)),
            at(1, false, 1.0, end(1.0, 0.0, 1)),
        ],
    );
    let [row] = report.rows.as_slice() else {
        panic!("one row: {report:?}");
    };
    assert_eq!((row.policy, row.preset, row.leverage), ("naive", None, 10));
    assert_eq!(
        (
            row.figures.episodes,
            row.figures.at_risk,
            row.figures.made_worse
        ),
        (4, 2, 0)
    );
    near(row.figures.saved.expect("saved"), 0.5);
    near(row.figures.kept.expect("kept"), 0.2);
    near(row.figures.kept_efficiency.expect("efficiency"), 0.4);
    near(row.figures.friction_bps.expect("friction"), 20.0);
    near(row.figures.needless_per_day.expect("needless"), 3.0);
    near(row.needless_per_day_calm.expect("needless"), 2.0);
    near(row.figures.needless_trimmed.expect("trimmed"), 0.1);
    near(row.needless_trimmed_calm.expect("trimmed"), 0.0);
    near(row.figures.worst.expect("worst"), 0.0);
    let case = row.worst_case.as_ref().expect("a case");
    assert!(case.liquidated && case.tape == "stress");
    near(case.friction_bps, 30.0);
}

/// Two wandering tapes of three days; alt and major.
fn wandering() -> Vec<Path> {
    vec![
        path("one", "BTCUSDT", &walk(1, 3 * 1_440)),
        path("two", "FILUSDT", &walk(2, 3 * 1_440)),
    ]
}

#[test]
fn passing_over_quiet_bars_changes_nothing() {
    let paths = wandering();
    let set = Settings::default();
    let all = trials(&paths, &set);
    assert!(all.len() >= 100, "{}", all.len());
    let (mut compared, mut acted, mut lost) = (0, 0, 0);
    for delay_ms in [5_000, 25_000] {
        let set = Settings {
            delay_ms,
            ..set.clone()
        };
        for trial in &all {
            let path = &paths[trial.path];
            for policy in Policy::ALL
                .into_iter()
                .filter(|policy| policy.preset().is_none())
            {
                let [sparing, full] = [Stepping::Sparing, Stepping::Full]
                    .map(|stepping| outcome(path, &trial.episode, policy, &set, stepping));
                assert_eq!(sparing, full, "{policy:?} {trial:?}");
                acted += usize::from(full.actions > 0);
                lost += usize::from(full.liquidated);
            }
            compared += 1;
        }
    }
    assert!(
        compared >= 200 && acted > 300 && lost > 100,
        "{compared} {acted} {lost}"
    );
}

#[test]
fn figures_are_the_same_for_any_number_of_threads() {
    let paths = wandering();
    let set = Settings::default();
    let all = trials(&paths, &set);
    let run = |threads: usize| {
        let watcher = Watcher::default();
        let played = play(&paths, &all, &Policy::ALL, &set, 6, threads, &watcher);
        assert_eq!(played.len(), all.len());
        Report::of(&paths, &Policy::ALL, &played)
    };
    let one = run(1);
    assert_eq!(one.rows.len(), 9 * 3);
    for threads in [2, 7] {
        assert_eq!(run(threads), one, "{threads} threads");
    }
}

#[test]
fn tapes_of_other_bar_lengths_get_rows_of_their_own() {
    let minute = path("minute", "BTCUSDT", &walk(3, 2 * 1_440));
    let five = tape_of("five", "BTCUSDT", 5 * MINUTE_MS, &walk(4, 2 * 288));
    let paths = [minute, Path::of(&five).expect("a path")];
    let set = Settings {
        leverages: vec![20],
        ..Settings::default()
    };
    let watcher = Watcher::default();
    let all = trials(&paths, &set);
    let policies = [Policy::Nothing];
    let played = play(&paths, &all, &policies, &set, 0, 2, &watcher);
    let report = Report::of(&paths, &policies, &played);
    let bars: Vec<i64> = report.rows.iter().map(|row| row.bar_ms).collect();
    assert_eq!(bars, [MINUTE_MS, 5 * MINUTE_MS]);
    let episodes: Vec<usize> = report.rows.iter().map(|row| row.figures.episodes).collect();
    assert_eq!(episodes, [8, 8]);
}
