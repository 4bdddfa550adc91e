//! Where the journal lies, and that only its owner can reach it.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error::JournalError;
use super::table;
use crate::domain::Timestamp;

/// Name of the journal inside the data directory.
pub const FILE_NAME: &str = "journal.sqlite3";

/// Fills a new file beside its place and moves it there, so that a journal is either complete or
/// damaged, never "new".
pub(super) fn create(dir: &Path, path: &Path) -> Result<(), JournalError> {
    // A log without its database would be replayed into the new one.
    let log = dir.join(format!("{FILE_NAME}-wal"));
    if std::fs::metadata(&log).is_ok_and(|meta| meta.len() > 0) {
        return Err(unusable(path, &"it is gone, but its log is still there"));
    }
    let draft = dir.join(format!("{FILE_NAME}.new"));
    for left in [&draft, &dir.join(format!("{FILE_NAME}.new-journal"))] {
        match std::fs::remove_file(left) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(left, &error)),
        }
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(&draft)
        .map_err(|error| unusable(&draft, &error))?;
    let filled = Connection::open(&draft).and_then(|connection| {
        connection.pragma_update(None, "synchronous", "FULL")?;
        table::fill(&connection)?;
        connection.close().map_err(|(_, error)| error)
    });
    filled.map_err(|error| unusable(&draft, &error))?;
    std::fs::rename(&draft, path).map_err(|error| unusable(path, &error))?;
    #[cfg(unix)]
    std::fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| unusable(path, &error))?;
    Ok(())
}

/// Makes `dir` if needed and sees to it that only its owner may enter. A directory that holds other
/// things is not changed but refused.
pub(super) fn private_dir(dir: &Path) -> Result<(), JournalError> {
    let fail = |error: io::Error| unusable(dir, &error);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(fail)?;
        let mode = std::fs::metadata(dir).map_err(fail)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let ours = std::fs::read_dir(dir).map_err(fail)?.all(|item| {
                item.is_ok_and(|item| {
                    let name = item.file_name();
                    let name = name.to_string_lossy();
                    name.starts_with(FILE_NAME) || name.starts_with("agent-")
                })
            });
            if !ours {
                return Err(JournalError::Exposed {
                    path: dir.to_owned(),
                    mode,
                });
            }
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(fail)?;
        }
        Ok(())
    }
    #[cfg(not(unix))]
    std::fs::create_dir_all(dir).map_err(fail)
}

pub(super) fn private_file(path: &Path) -> Result<(), JournalError> {
    let meta = std::fs::symlink_metadata(path).map_err(|error| unusable(path, &error))?;
    if !meta.is_file() {
        return Err(unusable(path, &"it is not a plain file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if meta.permissions().mode() & 0o077 != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
                .map_err(|error| unusable(path, &error))?;
        }
    }
    Ok(())
}

/// Renames the files of a journal; returns the new name.
pub(super) fn set_aside(dir: &Path, now: Timestamp) -> Result<PathBuf, JournalError> {
    let name = format!("{FILE_NAME}.damaged-{}", now.as_millis());
    // The main file first: a log that is left behind alone still counts as damage.
    for suffix in ["", "-wal", "-shm"] {
        let from = dir.join(format!("{FILE_NAME}{suffix}"));
        match std::fs::rename(&from, dir.join(format!("{name}{suffix}"))) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(&from, &error)),
        }
    }
    Ok(dir.join(name))
}

pub(super) fn unusable(path: &Path, error: &dyn std::fmt::Display) -> JournalError {
    JournalError::Unusable {
        path: path.to_owned(),
        message: error.to_string(),
    }
}
