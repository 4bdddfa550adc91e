//! Which tapes are played: files as named, folders with every tape in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use serde::Serialize;

use super::super::exit::UsageError;
use crate::replay::{Path, Settings, episodes, in_parallel};
use crate::sim::tape::{self, TapeError};

/// Endings of files in a folder that may be tapes.
const ENDINGS: [&str; 3] = [".csv", ".csv.gz", ".zip"];
/// Part of the name of files that hold mark prices beside a tape of trades.
const MARKS: &str = "_mark_";

/// Tapes ready to be played, and what is to be said of them.
pub(super) struct Gathered {
    pub(super) paths: Vec<Path>,
    pub(super) tapes: Tapes,
}

/// What the report says of the tapes.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Tapes {
    /// Tapes with at least one episode.
    pub(super) played: usize,
    /// Those among them whose name says calm.
    pub(super) calm: usize,
    /// Played tapes by the length of their bars in milliseconds; each length has rows of its own.
    pub(super) by_bar_ms: BTreeMap<i64, usize>,
    /// Tapes that are too short for an episode.
    pub(super) without_episode: Vec<String>,
    /// Files of a folder that were not played.
    pub(super) left_out: Vec<LeftOut>,
}

/// A file that was not played, and why.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct LeftOut {
    pub(super) file: String,
    pub(super) why: String,
}

/// A file to read; one that was found in a folder may turn out not to be a tape.
#[derive(Clone)]
struct Wanted {
    file: PathBuf,
    found: bool,
}

enum Read {
    Tape(Box<Path>),
    Other(LeftOut),
}

/// Reads all tapes on `threads` threads.
///
/// # Errors
/// The first file, in order, that is missing, broken or cannot be cut into steps; a folder without
/// tapes.
pub(super) fn gather(
    named: &[PathBuf],
    threads: usize,
    settings: &Settings,
) -> anyhow::Result<Gathered> {
    let mut tapes = Tapes::default();
    let mut wanted: Vec<Wanted> = Vec::new();
    for place in named {
        if place.is_dir() {
            wanted.extend(inside(place, &mut tapes)?);
        } else {
            wanted.push(Wanted {
                file: place.clone(),
                found: false,
            });
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    wanted.retain(|wanted| seen.insert(wanted.file.clone()));

    let never = AtomicBool::new(false);
    let read = in_parallel(wanted.len(), threads, &never, |index| {
        wanted.get(index).map(read)
    });
    let mut paths = Vec::new();
    for result in read {
        match result? {
            Read::Tape(path) if episodes(&path, settings).is_empty() => {
                tapes.without_episode.push(path.name);
            }
            Read::Tape(path) => {
                tapes.played += 1;
                tapes.calm += usize::from(path.calm);
                *tapes.by_bar_ms.entry(path.bar_ms).or_default() += 1;
                paths.push(*path);
            }
            Read::Other(left_out) => tapes.left_out.push(left_out),
        }
    }
    Ok(Gathered { paths, tapes })
}

fn read(wanted: &Wanted) -> Result<Read, TapeError> {
    match tape::load(&wanted.file).and_then(|tape| Path::of(&tape)) {
        Ok(path) => Ok(Read::Tape(Box::new(path))),
        Err(TapeError::Columns { .. }) if wanted.found => Ok(Read::Other(LeftOut {
            file: name(&wanted.file),
            why: "holds no price bars".to_owned(),
        })),
        Err(error) => Err(error),
    }
}

/// The tapes of a folder by name; its subfolders are not entered.
fn inside(folder: &FilePath, tapes: &mut Tapes) -> anyhow::Result<Vec<Wanted>> {
    let shown = folder.display();
    let mut files = Vec::new();
    let unreadable = || format!("{shown} cannot be read");
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let file = entry.with_context(unreadable)?.path();
        let ending = name(&file).to_ascii_lowercase();
        if file.is_file() && ENDINGS.iter().any(|known| ending.ends_with(known)) {
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
        why: "mark prices beside a tape of trades; name the file to play it".to_owned(),
    }));
    let wanted = |file| Wanted { file, found: true };
    Ok(files.into_iter().map(wanted).collect())
}

fn name(file: &FilePath) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
