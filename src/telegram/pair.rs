//! Pairing: a code shown on the machine itself ties one Telegram user to this agent.
//!
//! Inputs: a path, a monotonic instant, what somebody typed. Must never know the network.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher;
use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::TelegramError;
use crate::domain::{MINUTE_MS, Timestamp};

/// No letter or digit that is easily taken for another one.
const ALPHABET: &str = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";
/// Characters of a pairing code: 31^8 possibilities.
const CODE_LENGTH: u64 = 8;
/// How long a code may be used.
const CODE_VALID_MS: i64 = 10 * MINUTE_MS;
/// Wrong tries after which a code is worthless.
const WRONG_TRIES_MAX: u32 = 5;
/// A pairing file is far smaller; more than this is not one.
const FILE_BYTES_MAX: u64 = 4_096;

/// The one user and the one private chat that are obeyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paired {
    pub(super) user_id: u64,
    pub(super) chat_id: i64,
    pub(super) paired_at: Timestamp,
}

/// A code that is shown locally and waits to be typed in a private chat.
pub(super) struct Code {
    text: String,
    made_ms: i64,
    wrong: u32,
}

/// What a try at a code was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    Right,
    Wrong {
        left: u32,
    },
    /// The last wrong try: this code opens nothing any more.
    Burned,
    /// The code was too old.
    Expired,
}

impl Code {
    /// A new code; unpredictable because the standard library keys its hasher from the system's
    /// random source.
    pub(super) fn new(now: Timestamp, monotonic_ms: i64) -> Self {
        let letters = u64::try_from(ALPHABET.len()).unwrap_or(1);
        let text = (0..CODE_LENGTH)
            .filter_map(|place| {
                let seed = (now.as_millis(), monotonic_ms, std::process::id(), place);
                let drawn = RandomState::new().hash_one(seed) % letters;
                ALPHABET.chars().nth(usize::try_from(drawn).unwrap_or(0))
            })
            .collect();
        Self {
            text,
            made_ms: monotonic_ms,
            wrong: 0,
        }
    }

    /// The letters, for the local terminal only.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Compares what somebody typed; case, spaces and dashes do not matter.
    pub(super) fn attempt(&mut self, typed: &str, monotonic_ms: i64) -> Attempt {
        if monotonic_ms.saturating_sub(self.made_ms) > CODE_VALID_MS {
            return Attempt::Expired;
        }
        let typed: String = typed
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_uppercase())
            .take(64)
            .collect();
        if self.wrong < WRONG_TRIES_MAX && typed == self.text {
            return Attempt::Right;
        }
        self.wrong = self.wrong.saturating_add(1);
        match WRONG_TRIES_MAX.saturating_sub(self.wrong) {
            0 => Attempt::Burned,
            left => Attempt::Wrong { left },
        }
    }
}

/// Reads the pairing; `None` when there is no file yet.
///
/// # Errors
/// [`TelegramError::PairingFile`] when the file is a link, open to other users or unreadable: do not
/// pair anew over it, let the owner look at it.
pub(super) fn load(path: &Path) -> Result<Option<Paired>, TelegramError> {
    let bad = |message: String| TelegramError::PairingFile {
        path: path.to_owned(),
        message,
    };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(bad(error.to_string())),
    };
    if !found.is_file() {
        return Err(bad("it is not a plain file; remove it to pair anew".into()));
    }
    refuse_open_mode(&found).map_err(bad)?;
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| bad(error.to_string()))?;
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| bad(format!("{error}; remove it to pair anew")))
}

#[cfg(unix)]
fn refuse_open_mode(found: &fs::Metadata) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(format!(
            "other users may touch it (mode {mode:03o}); run chmod 600 on it"
        ))
    }
}

#[cfg(not(unix))]
fn refuse_open_mode(_: &fs::Metadata) -> Result<(), String> {
    Ok(())
}

/// Writes the pairing so that after a crash there is either no file or a whole one, readable by its
/// owner only.
///
/// # Errors
/// [`TelegramError::PairingFile`]: nothing is paired; show the message and offer a new code.
pub(super) fn save(path: &Path, paired: &Paired) -> Result<(), TelegramError> {
    write_whole(path, paired).map_err(|error| TelegramError::PairingFile {
        path: path.to_owned(),
        message: error.to_string(),
    })
}

fn write_whole(path: &Path, paired: &Paired) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = Path::new(&draft);
    match fs::remove_file(draft) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(draft)?;
    file.write_all(serde_json::to_string(paired)?.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    drop(file);
    fs::rename(draft, path)?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> Code {
        Code::new(Timestamp::from_millis(1_700_000_000_000), 0)
    }

    fn paired() -> Paired {
        Paired {
            user_id: 7,
            chat_id: 7,
            paired_at: Timestamp::from_millis(1),
        }
    }

    #[test]
    fn a_code_has_eight_unambiguous_letters_and_is_never_the_same_twice() {
        let (one, two) = (code(), code());
        assert_eq!(one.text().chars().count(), 8);
        assert!(one.text().chars().all(|c| ALPHABET.contains(c)));
        assert_ne!(one.text(), two.text());
        for confusing in ['0', 'O', '1', 'I', 'L'] {
            assert!(!ALPHABET.contains(confusing));
        }
    }

    #[test]
    fn case_and_dashes_do_not_matter() {
        let mut code = code();
        let typed = code.text().to_lowercase();
        let (head, tail) = typed.split_at(4);
        assert_eq!(code.attempt(&format!("{head}-{tail} "), 1), Attempt::Right);
    }

    #[test]
    fn the_fifth_wrong_try_burns_the_code() {
        let mut code = code();
        for left in [4, 3, 2, 1] {
            assert_eq!(code.attempt("WRONG", 1), Attempt::Wrong { left });
        }
        assert_eq!(code.attempt("WRONG", 1), Attempt::Burned);
        let right = code.text().to_owned();
        assert_eq!(code.attempt(&right, 1), Attempt::Burned);
    }

    #[test]
    fn a_code_expires_after_ten_minutes() {
        let mut code = code();
        let right = code.text().to_owned();
        assert_eq!(code.attempt(&right, 600_001), Attempt::Expired);
        assert_eq!(code.attempt(&right, 600_000), Attempt::Right);
    }

    #[test]
    fn a_pairing_survives_the_disk_and_is_private() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join("state/telegram.json");
        assert_eq!(load(&path).expect("no file is fine"), None);
        save(&path, &paired()).expect("saved");
        assert_eq!(load(&path).expect("loaded"), Some(paired()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).expect("metadata").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pairing_file_that_others_may_touch_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join("telegram.json");
        save(&path, &paired()).expect("saved");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
        let error = load(&path).expect_err("refused").to_string();
        assert!(error.contains("chmod 600"), "{error}");
        let link = folder.path().join("link.json");
        std::os::unix::fs::symlink(&path, &link).expect("symlink");
        assert!(load(&link).is_err());
    }

    #[test]
    fn a_torn_pairing_file_is_an_error_and_not_a_new_pairing() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join("telegram.json");
        save(&path, &paired()).expect("saved");
        let text = fs::read_to_string(&path).expect("text");
        let mut file = OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .expect("open");
        file.write_all(&text.as_bytes()[..text.len() / 2])
            .expect("torn");
        assert!(load(&path).is_err());
    }
}
