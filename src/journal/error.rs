//! Why the journal cannot do what was asked.

use std::path::PathBuf;

use super::table::SCHEMA;

/// Why the journal cannot do what was asked; the variant says what the caller must do.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Nothing was ever recorded here: say where it was looked for.
    #[error("there is no journal at {}", .path.display())]
    Missing { path: PathBuf },
    /// Written by a newer program: do not touch it.
    #[error(
        "the journal {} has schema {found}, this plimsoll knows {SCHEMA}; install the newer version again, or set another data_dir",
        .path.display()
    )]
    NewerSchema { path: PathBuf, found: i64 },
    /// Others could read or replace the journal: the owner must close the directory.
    #[error(
        "the directory {} is open to other users (mode {mode:03o}); run: chmod 700 {0}, or set another data_dir",
        .path.display()
    )]
    Exposed { path: PathBuf, mode: u32 },
    /// The file is damaged or not reachable: fix it, or [`set_aside`](super::Journal::set_aside) and start a new one.
    #[error("cannot use the journal {}: {message}", .path.display())]
    Unusable { path: PathBuf, message: String },
    /// The disk refuses. Nothing is lost yet unless `lost` says so; raise an alarm and go on: the
    /// journal keeps records in memory and tries again. Returned once when it starts and once when
    /// the first record had to be given up.
    #[error(
        "the journal cannot write to disk ({message}); {waiting} record(s) kept in memory, {lost} given up; free disk space or fix the disk, guarding goes on"
    )]
    Degraded {
        message: String,
        waiting: usize,
        lost: u64,
    },
    /// A record has no stored form; a fault of this program.
    #[error("a journal record cannot be encoded: {message}")]
    Encode { message: String },
    /// Reading failed altogether; what was read before is void.
    #[error("cannot read the journal: {message}")]
    Read { message: String },
}
