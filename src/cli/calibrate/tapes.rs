//! Reads tapes one after the other on each thread, measures each, and forgets its prices.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Context;
use serde::Serialize;

use super::super::exit::UsageError;
use crate::domain::MINUTE_MS;
use crate::replay::calibration::{Plan, Tally};
use crate::replay::in_parallel;
use crate::sim::tape::{self, TapeError};

/// Endings of files in a folder that may be tapes.
const ENDINGS: [&str; 3] = [".csv", ".csv.gz", ".zip"];
/// Part of the name of files that hold mark prices beside a tape of trades.
const MARKS: &str = "_mark_";

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

/// A file that was not measured, and why.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct LeftOut {
    pub(super) file: String,
    pub(super) why: String,
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
    let mut tapes = Tapes::default();
    let mut wanted: Vec<(PathBuf, bool)> = Vec::new();
    for place in named {
        if place.is_dir() {
            let found = inside(place, &mut tapes)?;
            wanted.extend(found.into_iter().map(|file| (file, true)));
        } else {
            wanted.push((place.clone(), false));
        }
    }
    let mut seen = BTreeSet::new();
    wanted.retain(|(file, _)| seen.insert(file.clone()));

    let progress = Progress::new(wanted.len());
    let never = AtomicBool::new(false);
    let results = in_parallel(wanted.len(), threads, &never, |index| {
        let (file, found) = wanted.get(index)?;
        let result = read(file, *found, plan, all_bars);
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

fn read(file: &Path, found: bool, plan: &Plan, all_bars: bool) -> Result<Read, TapeError> {
    match tape::load(file) {
        Ok(tape) if tape.bar_ms > MINUTE_MS && !all_bars => Ok(Read::Longer(tape.name)),
        Ok(tape) => Ok(Read::Tape(Tally::of(&tape, plan))),
        Err(TapeError::Columns { .. }) if found => Ok(Read::Other(LeftOut {
            file: name(file),
            why: "holds no price bars".to_owned(),
        })),
        Err(error) => Err(error),
    }
}

/// The tapes of a folder by name; its subfolders are not entered.
fn inside(folder: &Path, tapes: &mut Tapes) -> anyhow::Result<Vec<PathBuf>> {
    let shown = folder.display();
    let unreadable = || format!("{shown} cannot be read");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let file = entry.with_context(unreadable)?.path();
        let lower = name(&file).to_ascii_lowercase();
        if file.is_file() && ENDINGS.iter().any(|ending| lower.ends_with(ending)) {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        let text = format!("{shown} holds no tape: no file ends with .csv, .csv.gz or .zip");
        return Err(UsageError::no_input(text).into());
    }
    let (marks, files): (Vec<_>, Vec<_>) = files
        .into_iter()
        .partition(|file| name(file).contains(MARKS));
    tapes.left_out.extend(marks.iter().map(|file| LeftOut {
        file: name(file),
        why: "mark prices beside a tape of trades; name the file to measure it".to_owned(),
    }));
    Ok(files)
}

fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
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
