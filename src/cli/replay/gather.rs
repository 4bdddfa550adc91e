//! Which tapes are played: files as named, folders with every tape in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::super::tapes::{LeftOut, Wanted, wanted};
use crate::replay::{Path, Settings, episodes, in_parallel};
use crate::sim::tape::{self, TapeError};

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
    /// Those among them that an episode was played of, which is all unless it was stopped.
    pub(super) reached_by_bar_ms: BTreeMap<i64, usize>,
    /// Tapes that are too short for an episode.
    pub(super) without_episode: Vec<String>,
    /// Files of a folder that were not played.
    pub(super) left_out: Vec<LeftOut>,
}

impl Gathered {
    /// Notes of which paths, named by their index, an episode was played.
    pub(super) fn reached(&mut self, indices: impl Iterator<Item = usize>) {
        let indices: BTreeSet<usize> = indices.collect();
        for path in indices.iter().filter_map(|index| self.paths.get(*index)) {
            *self.tapes.reached_by_bar_ms.entry(path.bar_ms).or_default() += 1;
        }
    }
}

impl Tapes {
    /// How many tapes of these bars were played, and of how many, where it was stopped before.
    pub(super) fn counted(&self, bar_ms: i64) -> String {
        let all = self.by_bar_ms.get(&bar_ms).copied().unwrap_or(0);
        let reached = self.reached_by_bar_ms.get(&bar_ms).copied().unwrap_or(0);
        let many = if all == 1 { "tape" } else { "tapes" };
        if reached == all {
            format!("{all} {many}")
        } else {
            format!("{reached} of {all} {many}")
        }
    }
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
    let (wanted, left_out) = wanted(named)?;
    let mut tapes = Tapes {
        left_out,
        ..Tapes::default()
    };
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
        Err(TapeError::Columns { .. }) if wanted.found => {
            Ok(Read::Other(LeftOut::no_bars(&wanted.file)))
        }
        Err(error) => Err(error),
    }
}
