//! The benchmark on all recorded one-minute tapes: the baselines stay where two independent
//! computations have put them, and the shortcuts hold on real prices too.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    reason = "a test program: it fails by panicking; figures are compared"
)]

#[path = "support/shared.rs"]
mod shared;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use plimsoll::domain::MINUTE_MS;
use plimsoll::guard::policy::Preset;
use plimsoll::replay::{
    Path, Policy, Report, Row, Settings, Stepping, Watcher, in_parallel, outcome, play, trials,
};
use plimsoll::sim::tape::load;
use shared::shared;

const THREADS: usize = 2;

/// All one-minute tapes of the index; `None` after a visible line when they are missing outside CI.
fn tapes() -> Option<Vec<Path>> {
    let folder = shared("tapes")?;
    let mut index = csv::Reader::from_path(folder.join("index.csv")).expect("an index");
    let files: Vec<PathBuf> = index
        .records()
        .map(|record| folder.join(&record.expect("row")[0]))
        .filter(|file| file.to_string_lossy().ends_with("_1m.csv.gz"))
        .collect();
    let never = AtomicBool::new(false);
    let read = |index: usize| {
        let tape = load(&files[index]).expect("a tape");
        Some(Path::of(&tape).expect("a path"))
    };
    let paths = in_parallel(files.len(), THREADS, &never, read);
    assert!(paths.len() >= 60 && paths.iter().all(|path| path.bar_ms == MINUTE_MS));
    Some(paths)
}

/// A figure of a row at 10, 20 and 50 times leverage, with how far it may be off.
struct Expected {
    policy: Policy,
    name: &'static str,
    figure: fn(&Row) -> Option<f64>,
    values: [f64; 3],
    slack: f64,
}

const fn expected(
    policy: Policy,
    name: &'static str,
    figure: fn(&Row) -> Option<f64>,
    values: [f64; 3],
    slack: f64,
) -> Expected {
    Expected {
        policy,
        name,
        figure,
        values,
        slack,
    }
}

/// Published figures; `docs/benchmark.md` says where the small differences come from.
const PUBLISHED: [Expected; 9] = [
    expected(
        Policy::Nothing,
        "friction",
        |row| row.figures.friction_bps,
        [65.0, 73.0, 79.0],
        2.5,
    ),
    expected(
        Policy::AutoMargin,
        "saved",
        |row| row.figures.saved,
        [0.65, 0.46, 0.29],
        0.015,
    ),
    expected(
        Policy::AutoMargin,
        "friction",
        |row| row.figures.friction_bps,
        [19.0, 36.0, 54.0],
        1.0,
    ),
    expected(
        Policy::StopBuffer,
        "saved",
        |row| row.figures.saved,
        [0.63, 0.55, 0.36],
        0.02,
    ),
    expected(
        Policy::StopBuffer,
        "kept",
        |row| row.figures.kept,
        [0.0, 0.0, 0.0],
        0.0,
    ),
    expected(
        Policy::Naive,
        "saved",
        |row| row.figures.saved,
        [0.998, 0.992, 0.994],
        0.001,
    ),
    expected(
        Policy::Naive,
        "efficiency",
        |row| row.figures.kept_efficiency,
        [0.525, 0.410, 0.334],
        0.004,
    ),
    expected(
        Policy::Naive,
        "friction",
        |row| row.figures.friction_bps,
        [11.4, 10.7, 10.3],
        1.2,
    ),
    expected(
        Policy::Naive,
        "needless",
        |row| row.needless_per_day_calm,
        [0.0, 0.23, 1.4],
        0.2,
    ),
];

#[test]
fn the_baselines_stand_where_independent_computations_put_them() {
    let Some(paths) = tapes() else { return };
    let settings = Settings::default();
    let policies = [
        Policy::Nothing,
        Policy::AutoMargin,
        Policy::StopBuffer,
        Policy::Naive,
    ];
    let all = trials(&paths, &settings);
    let watcher = Watcher::default();
    let played = play(&paths, &all, &policies, &settings, 0, THREADS, &watcher);
    let report = Report::of(&paths, &policies, &played);
    let mut off = Vec::new();
    for expected in &PUBLISHED {
        for (leverage, value) in [10, 20, 50].into_iter().zip(expected.values) {
            let same =
                |row: &&Row| row.policy == expected.policy.name() && row.leverage == leverage;
            let row = report.rows.iter().find(same).expect("a row");
            let found = (expected.figure)(row).expect("a figure");
            if (found - value).abs() > expected.slack {
                let name = expected.name;
                off.push(format!(
                    "{} {leverage} {name}: {found}, not {value}",
                    row.policy
                ));
            }
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}

#[test]
fn passing_over_quiet_bars_changes_nothing_on_real_prices() {
    let Some(paths) = tapes() else { return };
    let settings = Settings::default();
    let all = trials(&paths, &settings);
    let every = (all.len() / 240).max(1);
    let mut compared = 0;
    // An odd stride meets every side and leverage.
    for trial in all.iter().step_by(every | 1) {
        let path = &paths[trial.path];
        for policy in Policy::ALL
            .into_iter()
            .filter(|policy| policy.preset().is_none())
        {
            let [sparing, full] = [Stepping::Sparing, Stepping::Full]
                .map(|stepping| outcome(path, &trial.episode, policy, &settings, stepping));
            assert_eq!(sparing, full, "{policy:?} on {} {trial:?}", path.name);
        }
        compared += 1;
    }
    assert!(compared >= 200, "{compared}");
}

/// The guard's state machine sees a part of the prices only; its results are those of all of them.
#[test]
fn passing_over_quiet_minutes_changes_nothing_for_the_guard() {
    let Some(paths) = tapes() else { return };
    let settings = Settings::default();
    let all = trials(&paths, &settings);
    let every = (all.len() / 215).max(1);
    let compared: Vec<&plimsoll::replay::Trial> = all.iter().step_by(every | 1).collect();
    assert!(compared.len() >= 200, "{}", compared.len());
    let never = AtomicBool::new(false);
    let acted = in_parallel(compared.len(), 2, &never, |index| {
        let trial = compared[index];
        let path = &paths[trial.path];
        let preset = Preset::ALL[index % 3];
        let [sparing, full] = [Stepping::Sparing, Stepping::Full].map(|stepping| {
            let policy = Policy::Guard(preset);
            outcome(path, &trial.episode, policy, &settings, stepping)
        });
        assert_eq!(sparing, full, "{preset:?} on {} {trial:?}", path.name);
        Some(full.actions)
    });
    let actions: u32 = acted.iter().sum();
    assert!(actions > 300, "{actions}");
}
