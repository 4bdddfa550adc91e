//! Reads tapes one after the other on each thread, measures each, and forgets its prices.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::Serialize;

use super::super::tapes::{LeftOut, Wanted, wanted};
use crate::domain::MINUTE_MS;
use crate::replay::calibration::{Plan, Tally};
use crate::replay::in_parallel;
use crate::sim::tape::{self, TapeError};

/// What the report says of the tapes.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Tapes {
    /// Tapes with at least one forecast.
    pub(super) measured: usize,
    /// Those among them whose name says calm.
    pub(super) calm: usize,
    /// Measured tapes by the length of their bars in milliseconds.
    pub(super) by_bar_ms: BTreeMap<i64, usize>,
    /// Tapes that hold no warm-up with a whole horizon after it.
    pub(super) without_forecast: Vec<String>,
    /// Tapes of bars longer than a minute, which were not asked for.
    pub(super) longer_bars: Vec<String>,
    /// Tapes whose event belongs to the other half.
    pub(super) other_half: usize,
    /// Files of a folder that were not measured.
    pub(super) left_out: Vec<LeftOut>,
}

enum Read {
    Tape(Tally),
    Longer(String),
    Other(LeftOut),
}

/// Measures all tapes on `threads` threads; the tallies are in the order of the files.
///
/// # Errors
/// The first file, in order, that is missing or broken; a folder without tapes.
pub(super) fn measure(
    named: &[PathBuf],
    plan: &Plan,
    all_bars: bool,
    threads: usize,
) -> anyhow::Result<(Vec<Tally>, Tapes)> {
    let (wanted, left_out) = wanted(named)?;
    let mut tapes = Tapes {
        left_out,
        ..Tapes::default()
    };
    let progress = Progress::new(wanted.len());
    let never = AtomicBool::new(false);
    let results = in_parallel(wanted.len(), threads, &never, |index| {
        let result = read(wanted.get(index)?, plan, all_bars);
        progress.step();
        Some(result)
    });
    progress.clear();
    let mut tallies = Vec::new();
    for result in results {
        match result? {
            Read::Tape(tally) if tally.count() == 0 => tapes.without_forecast.push(tally.name),
            Read::Tape(tally) => tallies.push(tally),
            Read::Longer(name) => tapes.longer_bars.push(name),
            Read::Other(left_out) => tapes.left_out.push(left_out),
        }
    }
    count(&tallies, &mut tapes);
    Ok((tallies, tapes))
}

/// Keeps every second event in the order of their names, from the first (`odd`) or the second.
pub(super) fn halve(tallies: &mut Vec<Tally>, tapes: &mut Tapes, odd: bool) {
    let all = tallies.len();
    let events: BTreeSet<&str> = tallies.iter().map(|tally| tally.event.as_str()).collect();
    let kept = events.into_iter().enumerate();
    let kept: BTreeSet<String> = kept
        .filter(|(place, _)| (place % 2 == 0) == odd)
        .map(|(_, event)| event.to_owned())
        .collect();
    tallies.retain(|tally| kept.contains(&tally.event));
    tapes.other_half = all - tallies.len();
    count(tallies, tapes);
}

fn count(tallies: &[Tally], tapes: &mut Tapes) {
    tapes.measured = tallies.len();
    tapes.calm = tallies.iter().filter(|tally| tally.calm).count();
    tapes.by_bar_ms.clear();
    for tally in tallies {
        *tapes.by_bar_ms.entry(tally.bar_ms).or_default() += 1;
    }
}

fn read(wanted: &Wanted, plan: &Plan, all_bars: bool) -> Result<Read, TapeError> {
    match tape::load(&wanted.file) {
        Ok(tape) if tape.bar_ms > MINUTE_MS && !all_bars => Ok(Read::Longer(tape.name)),
        Ok(tape) => Ok(Read::Tape(Tally::of(&tape, plan))),
        Err(TapeError::Columns { .. }) if wanted.found => {
            Ok(Read::Other(LeftOut::no_bars(&wanted.file)))
        }
        Err(error) => Err(error),
    }
}

/// A line on a terminal that counts tapes; silent elsewhere.
struct Progress {
    all: usize,
    done: AtomicUsize,
    shown: bool,
}

impl Progress {
    fn new(all: usize) -> Self {
        Self {
            all,
            done: AtomicUsize::new(0),
            shown: std::io::stderr().is_terminal(),
        }
    }

    fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.show(&format!("\r{done} of {} tapes", self.all));
    }

    fn clear(&self) {
        self.show("\r\x1b[K");
    }

    /// Progress that nobody takes is no loss.
    fn show(&self, text: &str) {
        if self.shown {
            let mut out = std::io::stderr().lock();
            drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
        }
    }
}
