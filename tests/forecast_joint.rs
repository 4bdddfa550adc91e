//! Betas from the day before against what the worst hours of recorded tapes did.
#![allow(
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement stops at the first surprise and shows its figures with --nocapture"
)]

#[path = "support/shared.rs"]
mod shared;

use std::collections::{BTreeMap, BTreeSet};

use plimsoll::domain::{DAY_MS, HOUR_MS, MINUTE_MS, Price, Symbol, Timestamp};
use plimsoll::forecast::{BETA_MOST, Joint};
use plimsoll::sim::tape::{LoadedTape, load};
use rust_decimal::prelude::ToPrimitive;
use shared::shared;

/// Worst hours taken of one event at most; none of them overlap.
const HOURS_MAX: usize = 5;
/// Least mean move of such an hour.
const LEAST_MOVE: f64 = 0.02;
/// A smaller move of `to` makes no ratio.
const LEAST_RATIO_MOVE: f64 = 0.003;
/// Ratios are held at or above this for their logarithm.
const LEAST_BETA: f64 = 0.05;

/// Closes by time, of one symbol of one event.
struct Course {
    symbol: Symbol,
    closes: BTreeMap<i64, f64>,
    prices: Vec<(i64, Price)>,
}

/// Two symbols over one bad hour.
struct Case {
    /// By [`WAYS`].
    betas: [f64; 3],
    to: f64,
    of: f64,
}

const WAYS: [&str; 3] = ["joint", "raw 24 h", "all 1"];

/// Error of one way to say a beta, events weighing the same.
#[derive(Debug, Default, Clone, Copy)]
struct Error {
    /// Root mean square of realised less expected move.
    move_rms: f64,
    /// Mean |ln(expected beta / realised beta)|.
    log: f64,
    /// Share whose move was more than a fifth larger than expected.
    under: f64,
}

fn course(tape: &LoadedTape) -> Course {
    let prices: Vec<(i64, Price)> = tape
        .bars
        .iter()
        .map(|bar| (bar.start.as_millis() + tape.bar_ms - 1, bar.close))
        .collect();
    let log = |price: &Price| price.get().to_f64().expect("a float").ln();
    Course {
        symbol: tape.symbol.clone(),
        closes: prices
            .iter()
            .map(|(at, price)| (at + 1, log(price)))
            .collect(),
        prices,
    }
}

/// Price tapes of this bar length by date, one per coin.
fn events(folder: &std::path::Path, ending: &str) -> BTreeMap<String, Vec<Course>> {
    let mut events: BTreeMap<String, BTreeMap<String, Course>> = BTreeMap::new();
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("folder")
        .map(|entry| entry.expect("entry").path())
        .collect();
    files.sort();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.expect("a name").to_owned();
        if !name.ends_with(ending) || name.contains("_mark") {
            continue;
        }
        let tape = load(&file).expect("tape");
        let date = name.split('_').next().expect("date").to_owned();
        let coin = tape.symbol.as_str().split("USD").next().expect("coin");
        let coins = events.entry(date).or_default();
        coins
            .entry(coin.to_owned())
            .or_insert_with(|| course(&tape));
    }
    let several = events.into_iter().filter(|(_, coins)| coins.len() > 1);
    several
        .map(|(date, coins)| (date, coins.into_values().collect()))
        .collect()
}

/// Starts of the worst hours, with a day of tape before them.
fn worst_hours(courses: &[Course], bar_ms: i64) -> Vec<i64> {
    let first = courses.iter().map(|course| course.closes.keys().next());
    let first = first.max().flatten().copied().expect("bars");
    let times: BTreeSet<i64> = courses[0].closes.keys().copied().collect();
    let mut hours: Vec<(f64, i64)> = times
        .into_iter()
        .filter(|at| (at - first) >= DAY_MS && at % bar_ms == 0)
        .filter_map(|at| {
            let moves = courses.iter().map(|course| {
                let before = course.closes.get(&at)?;
                Some(course.closes.get(&(at + HOUR_MS))? - before)
            });
            let moves: Option<Vec<f64>> = moves.collect();
            let moves = moves?;
            Some((moves.iter().sum::<f64>().abs() / moves.len() as f64, at))
        })
        .filter(|(size, _)| *size >= LEAST_MOVE)
        .collect();
    hours.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut taken: Vec<i64> = Vec::new();
    for (_, at) in hours {
        if taken.len() < HOURS_MAX && taken.iter().all(|known| (known - at).abs() >= HOUR_MS) {
            taken.push(at);
        }
    }
    taken
}

/// Regression through the origin over the day before.
fn raw(of: &Course, to: &Course, at: i64, bar_ms: i64) -> f64 {
    let step = |course: &Course, end: i64| {
        Some(course.closes.get(&end)? - course.closes.get(&(end - bar_ms))?)
    };
    let (mut both, mut square) = (0.0, 0.0);
    let mut end = at - DAY_MS + bar_ms;
    while end <= at {
        if let (Some(of), Some(to)) = (step(of, end), step(to, end)) {
            both += of * to;
            square += to * to;
        }
        end += bar_ms;
    }
    both / square
}

fn cases(courses: &[Course], at: i64, bar_ms: i64) -> Vec<Case> {
    let mut prices: Vec<(i64, &Symbol, Price)> = courses
        .iter()
        .flat_map(|course| {
            let known = course.prices.iter().filter(|(seen, _)| *seen < at);
            known.map(|(seen, price)| (*seen, &course.symbol, *price))
        })
        .collect();
    prices.sort_by_key(|(seen, _, _)| *seen);
    let mut joint = Joint::default();
    for (seen, symbol, price) in prices {
        // Five-minute bars stand for minutes: only what two symbols have in common matters.
        let squeezed = seen.div_euclid(bar_ms) * MINUTE_MS;
        joint.update(symbol, price, Timestamp::from_millis(squeezed));
    }
    let step = |course: &Course| course.closes[&(at + HOUR_MS)] - course.closes[&at];
    let mut out = Vec::new();
    for of in courses {
        for to in courses.iter().filter(|to| to.symbol != of.symbol) {
            out.push(Case {
                betas: [
                    joint.beta(&of.symbol, &to.symbol),
                    raw(of, to, at, bar_ms).clamp(0.0, BETA_MOST),
                    1.0,
                ],
                to: step(to),
                of: step(of),
            });
        }
    }
    out
}

fn errors(cases: &[Case]) -> [Error; 3] {
    let mut out = [Error::default(); 3];
    for (way, error) in out.iter_mut().enumerate() {
        let (mut square, mut log, mut ratios, mut under) = (0.0, 0.0, 0.0, 0.0);
        for case in cases {
            let expected = case.betas[way] * case.to;
            square += (case.of - expected).powi(2);
            let worse = (case.of.abs() - expected.abs()) / case.of.abs().max(LEAST_RATIO_MOVE);
            under += f64::from(u8::from(case.of * case.to > 0.0 && worse > 0.2));
            if case.to.abs() > LEAST_RATIO_MOVE {
                let realised = (case.of / case.to).max(LEAST_BETA);
                log += (case.betas[way].max(LEAST_BETA) / realised).ln().abs();
                ratios += 1.0;
            }
        }
        let count = cases.len() as f64;
        *error = Error {
            move_rms: square / count,
            log: log / f64::max(ratios, 1.0),
            under: under / count,
        };
    }
    out
}

/// Measures one bar length, prints the table, and returns the errors by way.
fn measure(folder: &std::path::Path, ending: &str, bar_ms: i64) -> [Error; 3] {
    let mut sums = [Error::default(); 3];
    let (mut count, mut hours, mut pairs) = (0.0, 0, 0);
    for courses in events(folder, ending).values() {
        let worst = worst_hours(courses, bar_ms);
        if worst.is_empty() {
            continue;
        }
        let cases: Vec<Case> = worst
            .iter()
            .flat_map(|at| cases(courses, *at, bar_ms))
            .collect();
        count += 1.0;
        hours += worst.len();
        pairs += cases.len();
        for (sum, error) in sums.iter_mut().zip(errors(&cases)) {
            sum.move_rms += error.move_rms;
            sum.log += error.log;
            sum.under += error.under;
        }
    }
    assert!(count > 10.0, "too few events: {count}");
    println!("{ending}: {count} events, {hours} hours, {pairs} pairs");
    for (way, error) in WAYS.iter().zip(&mut sums) {
        error.move_rms = (error.move_rms / count).sqrt();
        error.log /= count;
        error.under /= count;
        println!(
            "  {way:<9} move off by {:.2} % (rms), beta by a factor of {:.2}, {:.0} % moved a fifth more",
            100.0 * error.move_rms,
            error.log.exp(),
            100.0 * error.under
        );
    }
    sums
}

#[test]
fn betas_of_the_day_before_beat_raw_ones_and_one_in_the_worst_hours() {
    let Some(folder) = shared("tapes") else {
        return;
    };
    for (ending, bar_ms) in [("_1m.csv.gz", MINUTE_MS), ("_5m.csv.gz", 5 * MINUTE_MS)] {
        let [joint, raw, one] = measure(&folder, ending, bar_ms);
        assert!(joint.log < raw.log && joint.log < one.log, "{ending}");
        assert!(joint.under < raw.under, "{ending}");
        assert!(joint.move_rms < one.move_rms, "{ending}");
    }
}
