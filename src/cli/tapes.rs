//! What commands that play many tapes share: which files they mean, threads, lengths of time.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::exit::UsageError;
use crate::domain::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// Most threads that may be asked for.
const THREADS_MAX: usize = 1_024;
/// Endings of files in a folder that may be tapes.
const ENDINGS: [&str; 3] = [".csv", ".csv.gz", ".zip"];
/// Part of the name of files that hold mark prices beside a tape of trades.
const MARKS: &str = "_mark_";

/// A file to read; one that was found in a folder may turn out not to be a tape.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) file: PathBuf,
    pub(super) found: bool,
}

/// A file that was not used, and why.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct LeftOut {
    pub(super) file: String,
    pub(super) why: String,
}

impl LeftOut {
    pub(super) fn no_bars(file: &Path) -> Self {
        Self {
            file: name(file),
            why: "holds no price bars".to_owned(),
        }
    }
}

/// Files as named and every tape of a folder, each once; and what of a folder is left out.
///
/// # Errors
/// A folder that cannot be read or holds no tape.
pub(super) fn wanted(named: &[PathBuf]) -> anyhow::Result<(Vec<Wanted>, Vec<LeftOut>)> {
    let mut left_out = Vec::new();
    let mut wanted: Vec<Wanted> = Vec::new();
    for place in named {
        if place.is_dir() {
            wanted.extend(inside(place, &mut left_out)?);
        } else {
            wanted.push(Wanted {
                file: place.clone(),
                found: false,
            });
        }
    }
    let mut seen = BTreeSet::new();
    wanted.retain(|wanted| seen.insert(wanted.file.clone()));
    Ok((wanted, left_out))
}

/// The tapes of a folder by name; its subfolders are not entered.
fn inside(folder: &Path, left_out: &mut Vec<LeftOut>) -> anyhow::Result<Vec<Wanted>> {
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
    left_out.extend(marks.iter().map(|file| LeftOut {
        file: name(file),
        why: "mark prices beside a tape of trades; name the file to use it".to_owned(),
    }));
    let wanted = |file| Wanted { file, found: true };
    Ok(files.into_iter().map(wanted).collect())
}

fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The number of threads asked for, else one per processor.
pub(super) fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

/// A whole number in a range, with words on what is expected.
pub(super) fn parse_whole<T: std::str::FromStr + PartialOrd>(
    text: &str,
    range: std::ops::RangeInclusive<T>,
    what: &str,
) -> Result<T, String> {
    let found = text.trim().parse().ok();
    found
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("expected {what}"))
}

/// A leverage that every contract might have.
pub(super) fn parse_leverage(text: &str) -> Result<u32, String> {
    parse_whole(text, 1..=150, "a whole number from 1 to 150, such as 20")
}

/// Threads from 1 to [`THREADS_MAX`].
pub(super) fn parse_threads(text: &str) -> Result<usize, String> {
    let what = format!("a whole number from 1 to {THREADS_MAX}");
    parse_whole(text, 1..=THREADS_MAX, &what)
}

/// A delay in milliseconds, at most ten minutes.
pub(super) fn parse_delay(text: &str) -> Result<i64, String> {
    let what = "milliseconds as a whole number from 0 to 600000, such as 5000";
    parse_whole(text, 0..=600_000, what)
}

/// Milliseconds of a text such as `30m` or `4h`; `None` when it is no such length.
pub(super) fn parse_span(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => SECOND_MS,
        "m" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}
