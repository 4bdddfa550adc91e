//! One agent per account and data directory, held by an operating-system file lock that ends with
//! the process however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::place;

/// Longest readable account tag used in a file name; longer ones are cut, the hash tells them apart.
const TAG_CHARS_MAX: usize = 24;
/// More than any process id in decimal.
const PID_BYTES_MAX: u64 = 20;

/// Held while an agent guards an account; released on drop and on any end of the process.
#[derive(Debug)]
pub struct InstanceLock {
    /// Open for as long as the lock is held.
    _file: File,
    path: PathBuf,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another agent guards this account from this directory: do not start.
    #[error(
        "another plimsoll{} already guards this account from {}; stop it first, or give this one its own data_dir and account",
        .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(),
        .path.display()
    )]
    Held { path: PathBuf, pid: Option<u32> },
    /// The lock file cannot be made: fix the directory.
    #[error("cannot lock {}: {message}; make the directory writable or set another data_dir", .path.display())]
    Unusable { path: PathBuf, message: String },
}

impl InstanceLock {
    /// Takes the lock of `account_tag` (any text that names the account, never a secret) in `dir`.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process has it, [`LockError::Unusable`] when the file cannot
    /// be created or locked.
    pub fn acquire(dir: &Path, account_tag: &str) -> Result<Self, LockError> {
        let path = dir.join(file_name(account_tag));
        let unusable = |message: String| LockError::Unusable {
            path: path.clone(),
            message,
        };
        place::private_dir(dir).map_err(|error| unusable(error.to_string()))?;
        if std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.file_type().is_symlink()) {
            return Err(unusable("it is a symbolic link".to_owned()));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options
            .open(&path)
            .map_err(|error| unusable(error.to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = read_pid(&mut file);
                return Err(LockError::Held { path, pid });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error.to_string())),
        }
        // The id only helps the message of the next one; the lock itself does not depend on it.
        let _told = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| write!(file, "{}", std::process::id()));
        Ok(Self { _file: file, path })
    }

    /// Where the lock lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn file_name(account_tag: &str) -> String {
    let readable: String = account_tag
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .take(TAG_CHARS_MAX)
        .collect();
    let hash: String = Sha256::digest(account_tag.as_bytes())
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("agent-{readable}-{hash}.lock")
}
