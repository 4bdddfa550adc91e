//! The SQLite file behind the journal: open, append, read, and keep going when the disk does not.

use std::collections::{VecDeque, hash_map::RandomState};
use std::fs::OpenOptions;
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};

use super::recover::{Damage, Recovery};
use super::row::{Corrupt, Row, StoredEntry, intent_of};
use crate::domain::Timestamp;
use crate::guard::intent::IntentId;
use crate::guard::journal::{Entry, Recovered};

/// Name of the journal inside the data directory.
pub const FILE_NAME: &str = "journal.sqlite3";
/// Records kept in memory while the disk refuses writes; beyond it the oldest are given up and
/// counted. About a day of a busy account, below 10 MB.
pub const BACKLOG_MAX: usize = 10_000;
/// Records of the backlog written in one transaction.
const BACKLOG_BATCH: usize = 256;
/// Version of the tables below.
const SCHEMA: i64 = 1;
/// Longest wait for another process that holds the file (a reader that checkpoints): the agent's
/// only thread stands still meanwhile.
const BUSY: Duration = Duration::from_millis(100);
/// Length of the instance word; four of them fit the 36 characters of a client order id.
const INSTANCE_CHARS: usize = 8;
/// Most row numbers that are tried one by one when the table cannot be read in order.
const SALVAGE_ROWS_MAX: i64 = 1_000_000;

const TABLES: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE entry (
        id       INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms    INTEGER NOT NULL,
        kind     TEXT NOT NULL,
        intent   TEXT,
        scope    TEXT,
        payload  TEXT NOT NULL,
        checksum BLOB NOT NULL
    ) STRICT;";
const INSERT: &str = "INSERT INTO entry (id, at_ms, kind, intent, scope, payload, checksum)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const SELECT: &str = "SELECT id, at_ms, kind, intent, scope, payload, checksum FROM entry";

/// How much a power loss may cost. A crash of the process alone never costs a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Records reach the operating system before an act is sent; no wait for the disk.
    #[default]
    Normal,
    /// Waits for the disk at each record: milliseconds more per act.
    Full,
}

/// Whether records reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Every record is written.
    Writing,
    /// The disk refuses; `waiting` records are in memory, `lost` were given up.
    Degraded { waiting: usize, lost: u64 },
}

/// What to read; the default is everything. Damaged rows are never filtered out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Only the newest so many.
    pub limit: Option<usize>,
    /// Only records of this intent.
    pub intent: Option<IntentId>,
}

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
    /// The file is damaged or not reachable: fix it, or [`Journal::set_aside`] and start a new one.
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

/// The append-only record. One writer at a time, which [`InstanceLock`](super::InstanceLock) holds.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    instance: String,
    next_id: i64,
    backlog: VecDeque<Row>,
    /// Records given up since the disk began to refuse.
    lost: u64,
    degraded: bool,
}

impl Journal {
    /// Opens the journal in `dir` with [`Durability::Normal`], making both where needed.
    ///
    /// # Errors
    /// All variants but `Degraded`, `Encode` and `Missing`.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        Self::open_with(dir, Durability::Normal)
    }

    /// Like [`Self::open`] with a choice of durability.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(dir: &Path, durability: Durability) -> Result<Self, JournalError> {
        private_dir(dir)?;
        let path = dir.join(FILE_NAME);
        if std::fs::symlink_metadata(&path).is_err() {
            create(dir, &path)?;
        }
        private_file(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(&path, flags)
            .and_then(|connection| {
                set_up(&connection, durability)?;
                Ok(connection)
            })
            .map_err(|error| unusable(&path, &error))
            .and_then(|connection| Self::over(connection, &path))
    }

    /// Opens an existing journal for reading beside a running agent.
    ///
    /// # Errors
    /// [`JournalError::Missing`], [`JournalError::NewerSchema`] or [`JournalError::Unusable`].
    pub fn open_read_only(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(FILE_NAME);
        if !path.exists() {
            return Err(JournalError::Missing { path });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(&path, flags)
            .and_then(|connection| {
                connection.busy_timeout(BUSY)?;
                Ok(connection)
            })
            .map_err(|error| unusable(&path, &error))
            .and_then(|connection| Self::over(connection, &path))
    }

    /// A journal that is gone with the process: for tests, replay, and guarding without a disk.
    ///
    /// # Errors
    /// [`JournalError::Unusable`] when SQLite has no memory.
    pub fn in_memory() -> Result<Self, JournalError> {
        let path = Path::new(":memory:");
        Connection::open_in_memory()
            .and_then(|connection| {
                fill(&connection)?;
                Ok(connection)
            })
            .map_err(|error| unusable(path, &error))
            .and_then(|connection| Self::over(connection, path))
    }

    /// Renames a journal that cannot be used to `journal.sqlite3.damaged-<ms>`, so that the next
    /// [`Self::open`] starts a new one. Returns the new name. Only while the instance lock is held.
    ///
    /// # Errors
    /// [`JournalError::Unusable`] when renaming fails.
    pub fn set_aside(dir: &Path, now: Timestamp) -> Result<PathBuf, JournalError> {
        let name = format!("{FILE_NAME}.damaged-{}", now.as_millis());
        // The main file last: while it has its name, the journal still counts as damaged.
        for suffix in ["-shm", "-wal", ""] {
            let from = dir.join(format!("{FILE_NAME}{suffix}"));
            match std::fs::rename(&from, dir.join(format!("{name}{suffix}"))) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unusable(&from, &error)),
            }
        }
        Ok(dir.join(name))
    }

    /// Short word that is unique to this journal: 8 of `[a-z0-9]`.
    #[must_use]
    pub fn instance(&self) -> String {
        self.instance.clone()
    }

    /// Whether records reach the disk.
    #[must_use]
    pub fn health(&self) -> Health {
        if self.degraded {
            Health::Degraded {
                waiting: self.backlog.len(),
                lost: self.lost,
            }
        } else {
            Health::Writing
        }
    }

    /// Writes one record. When the disk refuses, keeps it in memory and tries again, in order, with
    /// each later append.
    ///
    /// # Errors
    /// [`JournalError::Degraded`] once when the disk begins to refuse and once when the first record
    /// is given up: alarm and go on. [`JournalError::Encode`] for a record without a stored form.
    pub fn append(&mut self, at: Timestamp, entry: &Entry) -> Result<(), JournalError> {
        let row = Row::encode(at, entry).map_err(|error| JournalError::Encode {
            message: error.to_string(),
        })?;
        let written = if self.backlog.is_empty() {
            let written = self.insert(&row);
            if written.is_err() {
                self.backlog.push_back(row);
            }
            written
        } else {
            self.backlog.push_back(row);
            self.write_backlog()
        };
        match written {
            Ok(()) => {
                self.degraded = false;
                Ok(())
            }
            Err(error) => self.degrade(&error),
        }
    }

    /// Everything stored that passes `filter`, oldest first, damaged rows included.
    ///
    /// # Errors
    /// [`JournalError::Read`] when nothing can be read.
    pub fn entries(&self, filter: &Filter) -> Result<Vec<StoredEntry>, JournalError> {
        let limit = filter.limit.unwrap_or(usize::MAX);
        let mut kept = VecDeque::new();
        self.scan(&mut |stored| {
            let wanted = match &stored.entry {
                Ok(entry) => {
                    filter.since.is_none_or(|since| stored.at >= since)
                        && (filter.intent.is_none() || filter.intent.as_ref() == intent_of(entry))
                }
                Err(_) => true,
            };
            if wanted {
                kept.push_back(stored);
                if kept.len() > limit {
                    kept.pop_front();
                }
            }
        })?;
        Ok(kept.into())
    }

    /// What the guard must be told after a start; `now` decides which UTC day is the current one.
    ///
    /// # Errors
    /// [`JournalError::Read`] when nothing can be read.
    pub fn recover(&self, now: Timestamp) -> Result<Recovered, JournalError> {
        self.recover_with_damage(now)
            .map(|(recovered, _)| recovered)
    }

    /// Like [`Self::recover`], with what could not be read: to be told to the trader.
    ///
    /// # Errors
    /// As [`Self::recover`].
    pub fn recover_with_damage(
        &self,
        now: Timestamp,
    ) -> Result<(Recovered, Vec<Damage>), JournalError> {
        let mut recovery = Recovery::new(&self.instance);
        self.scan(&mut |stored| recovery.read(stored))?;
        Ok(recovery.finish(now))
    }

    fn over(connection: Connection, path: &Path) -> Result<Self, JournalError> {
        let meta = |key: &str| {
            connection
                .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
                    row.get::<_, String>(0)
                })
                .map_err(|error| unusable(path, &error))
        };
        let found: i64 = meta("schema")?
            .parse()
            .map_err(|_| unusable(path, &"its schema version is not a number"))?;
        if found > SCHEMA {
            return Err(JournalError::NewerSchema {
                path: path.to_owned(),
                found,
            });
        }
        let instance = meta("instance")?;
        if !is_instance(&instance) {
            return Err(unusable(path, &"its instance word is damaged"));
        }
        let next_id = next_id(&connection).map_err(|error| unusable(path, &error))?;
        Ok(Self {
            connection,
            instance,
            next_id,
            backlog: VecDeque::new(),
            lost: 0,
            degraded: false,
        })
    }

    fn insert(&mut self, row: &Row) -> rusqlite::Result<()> {
        match insert_as(&self.connection, self.next_id, row) {
            // Somebody else wrote although the lock is ours: keep both.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                self.next_id = next_id(&self.connection)?;
                insert_as(&self.connection, self.next_id, row)?;
            }
            other => other?,
        }
        self.next_id = self.next_id.saturating_add(1);
        Ok(())
    }

    /// In transactions of a bounded size, each all or nothing: a retry never writes a record twice,
    /// and a disk that fills up again costs no more than one of them.
    fn write_backlog(&mut self) -> rusqlite::Result<()> {
        while let Some(first) = self.backlog.front() {
            let mark = (self.lost > 0).then(|| Row::lost(first.at, self.lost));
            let count = self.backlog.len().min(BACKLOG_BATCH);
            let mut id = next_id(&self.connection)?;
            let transaction = self.connection.unchecked_transaction()?;
            for row in mark.iter().chain(self.backlog.iter().take(count)) {
                insert_as(&transaction, id, row)?;
                id = id.saturating_add(1);
            }
            transaction.commit()?;
            self.next_id = id;
            self.lost = 0;
            self.backlog.drain(..count);
        }
        Ok(())
    }

    fn degrade(&mut self, error: &rusqlite::Error) -> Result<(), JournalError> {
        let began = !std::mem::replace(&mut self.degraded, true);
        let mut first_loss = false;
        while self.backlog.len() > BACKLOG_MAX {
            self.backlog.pop_front();
            first_loss |= self.lost == 0;
            self.lost = self.lost.saturating_add(1);
        }
        if began || first_loss {
            return Err(JournalError::Degraded {
                message: error.to_string(),
                waiting: self.backlog.len(),
                lost: self.lost,
            });
        }
        Ok(())
    }

    /// Visits all rows in order. Where the table cannot be walked, rows are fetched one by one.
    fn scan(&self, visit: &mut dyn FnMut(StoredEntry)) -> Result<(), JournalError> {
        let read = |error: rusqlite::Error| JournalError::Read {
            message: error.to_string(),
        };
        let mut walk = Walk {
            expected: 1,
            at: Timestamp::ZERO,
            visit,
        };
        let mut statement = self
            .connection
            .prepare(&format!("{SELECT} ORDER BY id"))
            .map_err(read)?;
        let mut rows = statement.query([]).map_err(read)?;
        let broken = loop {
            match rows.next() {
                Ok(Some(row)) => walk.row(row).map_err(read)?,
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        // Each query below stands for itself: one that fails on a damaged page costs only its answer.
        let written = sequence(&self.connection).unwrap_or(0);
        let last = if broken {
            let highest = self
                .connection
                .query_row("SELECT max(id) FROM entry", [], |row| row.get(0))
                .unwrap_or(0_i64);
            written.max(highest)
        } else {
            written
        };
        let last = last.min(walk.expected.saturating_add(SALVAGE_ROWS_MAX));
        if broken {
            let mut one = self
                .connection
                .prepare(&format!("{SELECT} WHERE id = ?1"))
                .map_err(read)?;
            for id in walk.expected..=last {
                let mut found = one.query([id]).map_err(read)?;
                if let Ok(Some(row)) = found.next() {
                    walk.row(row).map_err(read)?;
                }
            }
            // Without a known end, at least the break itself must show.
            walk.missing_until(last.max(walk.expected));
        } else {
            walk.missing_until(last);
        }
        Ok(())
    }
}

impl Drop for Journal {
    /// A last try for what is still in memory; nobody is left to hear of a failure.
    fn drop(&mut self) {
        let _written = self.write_backlog();
    }
}

/// Follows row numbers and tells where some are missing.
struct Walk<'a> {
    expected: i64,
    at: Timestamp,
    visit: &'a mut dyn FnMut(StoredEntry),
}

impl Walk<'_> {
    fn row(&mut self, row: &rusqlite::Row<'_>) -> rusqlite::Result<()> {
        let id: i64 = row.get(0)?;
        if id < self.expected {
            // Out of order: a damaged number, and its true place shows as missing.
            self.tell(id, Err(Corrupt::Checksum));
            return Ok(());
        }
        self.missing_until(id.saturating_sub(1));
        let (at, entry) = Row::decode(
            id,
            [
                row.get_ref(1)?,
                row.get_ref(2)?,
                row.get_ref(3)?,
                row.get_ref(4)?,
                row.get_ref(5)?,
                row.get_ref(6)?,
            ],
        );
        if !matches!(entry, Err(Corrupt::Checksum)) {
            self.at = at;
        }
        self.tell(id, entry);
        self.expected = id.saturating_add(1);
        Ok(())
    }

    fn missing_until(&mut self, last: i64) {
        if last >= self.expected {
            let count = last.abs_diff(self.expected).saturating_add(1);
            self.tell(self.expected, Err(Corrupt::Missing { count }));
            self.expected = last.saturating_add(1);
        }
    }

    fn tell(&mut self, id: i64, entry: Result<Entry, Corrupt>) {
        (self.visit)(StoredEntry {
            id: u64::try_from(id).unwrap_or(0),
            at: self.at,
            entry,
        });
    }
}

fn insert_as(connection: &Connection, id: i64, row: &Row) -> rusqlite::Result<()> {
    connection
        .prepare_cached(INSERT)?
        .execute(params![
            id,
            row.at.as_millis(),
            row.kind,
            row.intent,
            row.scope,
            row.payload,
            row.checksum(id),
        ])
        .map(|_| ())
}

/// Highest row number ever used, as SQLite keeps it apart from the rows.
fn sequence(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .query_row(
            "SELECT seq FROM sqlite_sequence WHERE name = 'entry'",
            [],
            |row| row.get(0),
        )
        .optional()
        .map(|found| found.unwrap_or(0))
}

/// After all numbers ever used, so that rows lost from the end stay visible as missing. A sequence
/// that is absurdly far ahead is damage itself and is not followed.
fn next_id(connection: &Connection) -> rusqlite::Result<i64> {
    let highest: i64 =
        connection.query_row("SELECT coalesce(max(id), 0) FROM entry", [], |row| {
            row.get(0)
        })?;
    let sequence = sequence(connection)?;
    let trusted = sequence <= highest.saturating_add(SALVAGE_ROWS_MAX);
    let last = if trusted {
        highest.max(sequence)
    } else {
        highest
    };
    Ok(last.saturating_add(1))
}

/// Fills a new file beside its place and moves it there, so that a journal is either complete or
/// damaged, never "new".
fn create(dir: &Path, path: &Path) -> Result<(), JournalError> {
    let draft = dir.join(format!("{FILE_NAME}.new"));
    match std::fs::remove_file(&draft) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable(&draft, &error)),
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
        fill(&connection)?;
        connection.close().map_err(|(_, error)| error)
    });
    filled.map_err(|error| unusable(&draft, &error))?;
    std::fs::rename(&draft, path).map_err(|error| unusable(path, &error))
}

fn fill(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    for (key, value) in [("schema", SCHEMA.to_string()), ("instance", new_instance())] {
        transaction.execute("INSERT INTO meta VALUES (?1, ?2)", [key, value.as_str()])?;
    }
    transaction.commit()
}

fn set_up(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // The answer is the mode in force, a row that `pragma_update` would refuse.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    let synchronous = match durability {
        Durability::Normal => "NORMAL",
        Durability::Full => "FULL",
    };
    connection.pragma_update(None, "synchronous", synchronous)
}

/// From the randomness that the standard library seeds its maps with, the time and the process id.
fn new_instance() -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut number = RandomState::new().hash_one((SystemTime::now(), std::process::id()));
    let mut word = String::with_capacity(INSTANCE_CHARS);
    for _ in 0..INSTANCE_CHARS {
        let index = usize::try_from(number % LETTERS.len() as u64).unwrap_or(0);
        word.extend(LETTERS.get(index).map(|letter| char::from(*letter)));
        number /= LETTERS.len() as u64;
    }
    word
}

fn is_instance(word: &str) -> bool {
    word.len() == INSTANCE_CHARS
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
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

fn private_file(path: &Path) -> Result<(), JournalError> {
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

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> JournalError {
    JournalError::Unusable {
        path: path.to_owned(),
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> Entry {
        Entry::Foreign {
            text: text.to_owned(),
        }
    }

    fn texts(journal: &Journal) -> Vec<String> {
        let entries = journal.entries(&Filter::default()).expect("entries");
        entries
            .into_iter()
            .map(|stored| match stored.entry {
                Ok(entry) => format!("{entry:?}"),
                Err(why) => why.to_string(),
            })
            .collect()
    }

    fn refuse(journal: &Journal, refuse: bool) {
        journal
            .connection
            .pragma_update(None, "query_only", refuse)
            .expect("pragma");
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_refusing_disk_is_told_once_and_the_backlog_is_written_in_order() {
        let mut journal = Journal::in_memory().expect("journal");
        journal.append(at(1), &note("a")).expect("written");
        refuse(&journal, true);
        let first = journal.append(at(2), &note("b"));
        assert!(matches!(
            first,
            Err(JournalError::Degraded {
                waiting: 1,
                lost: 0,
                ..
            })
        ));
        journal.append(at(3), &note("c")).expect("told only once");
        assert_eq!(
            journal.health(),
            Health::Degraded {
                waiting: 2,
                lost: 0
            }
        );
        refuse(&journal, false);
        journal.append(at(4), &note("d")).expect("written");
        assert_eq!(journal.health(), Health::Writing);
        let expected: Vec<_> = ["a", "b", "c", "d"]
            .map(|t| format!("{:?}", note(t)))
            .into();
        assert_eq!(texts(&journal), expected);
        refuse(&journal, true);
        assert!(journal.append(at(5), &note("e")).is_err(), "a new trouble");
    }

    #[test]
    fn a_full_disk_keeps_records_in_memory_until_there_is_room() {
        let dir = tempfile::tempdir().expect("dir");
        let mut journal = Journal::open(dir.path()).expect("journal");
        let pages: i64 = journal
            .connection
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .expect("pages");
        let cap = |journal: &Journal, pages: i64| {
            journal
                .connection
                .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
                .expect("pragma");
        };
        cap(&journal, pages + 1);
        let long = "x".repeat(3_000);
        let told = (0..10)
            .filter(|n| journal.append(at(*n), &note(&long)).is_err())
            .count();
        assert_eq!(told, 1);
        assert!(matches!(journal.health(), Health::Degraded { lost: 0, .. }));
        cap(&journal, 1_000_000);
        journal.append(at(10), &note("room")).expect("written");
        assert_eq!(texts(&journal).len(), 11);
    }

    #[test]
    fn a_full_backlog_gives_up_the_oldest_and_leaves_a_mark() {
        let mut journal = Journal::in_memory().expect("journal");
        refuse(&journal, true);
        let mut told = 0;
        for n in 0..BACKLOG_MAX + 3 {
            told += usize::from(journal.append(at(0), &note(&n.to_string())).is_err());
        }
        assert_eq!(told, 2, "once at the start, once at the first loss");
        refuse(&journal, false);
        journal.append(at(1), &note("end")).expect("written");
        let texts = texts(&journal);
        assert_eq!(texts.len(), BACKLOG_MAX + 2);
        assert_eq!(texts[0], Corrupt::NotWritten { count: 3 }.to_string());
        assert_eq!(texts[1], format!("{:?}", note("3")));
    }

    #[test]
    fn rows_removed_from_the_middle_or_the_end_show_as_missing() {
        let mut journal = Journal::in_memory().expect("journal");
        for n in 0..10 {
            journal.append(at(n), &note("x")).expect("written");
        }
        journal
            .connection
            .execute("DELETE FROM entry WHERE id IN (4, 5, 10)", [])
            .expect("deleted");
        let holes: Vec<_> = journal
            .entries(&Filter::default())
            .expect("entries")
            .into_iter()
            .filter_map(|stored| stored.entry.err().map(|why| (stored.id, why)))
            .collect();
        assert_eq!(
            holes,
            [
                (4, Corrupt::Missing { count: 2 }),
                (10, Corrupt::Missing { count: 1 })
            ]
        );
    }

    #[test]
    fn a_second_writer_costs_no_record() {
        let dir = tempfile::tempdir().expect("dir");
        let mut one = Journal::open(dir.path()).expect("journal");
        let mut two = Journal::open(dir.path()).expect("journal");
        for n in 0..3 {
            one.append(at(n), &note("one")).expect("written");
            two.append(at(n), &note("two")).expect("written");
        }
        assert_eq!(texts(&one).len(), 6);
    }

    #[test]
    fn a_newer_schema_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().expect("dir");
        let journal = Journal::open(dir.path()).expect("journal");
        journal
            .connection
            .execute("UPDATE meta SET value = '2' WHERE key = 'schema'", [])
            .expect("updated");
        drop(journal);
        let error = Journal::open(dir.path()).expect_err("newer").to_string();
        let path = dir.path().join(FILE_NAME);
        assert_eq!(
            error,
            format!(
                "the journal {} has schema 2, this plimsoll knows 1; install the newer version again, or set another data_dir",
                path.display()
            )
        );
    }
}
