//! The journal as the agent uses it: open, append, read, and keep going when the disk does not.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::JournalError;
use super::place::{self, FILE_NAME, unusable};
use super::recover::{Damage, Recovery};
use super::row::{Row, StoredEntry, intent_of};
use super::table::{self, BUSY, SCHEMA, insert_as, next_id};
use crate::domain::Timestamp;
use crate::guard::intent::IntentId;
use crate::guard::journal::{Entry, Recovered};

/// Records kept in memory while the disk refuses writes; beyond it the oldest are given up and
/// counted. About a day of a busy account, below 10 MB.
pub const BACKLOG_MAX: usize = 10_000;
/// Records of the backlog written in one transaction.
const BACKLOG_BATCH: usize = 256;
/// Intent ids that are left out after a restart of the machine. SQLite waits for the disk at least
/// each 1000 pages of its log and a record takes at least one, so a power loss cannot erase more ids.
const SEQUENCE_GAP: u64 = 1_000;

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

/// The append-only record. One writer at a time, which [`InstanceLock`](super::InstanceLock) holds.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    instance: String,
    next_id: i64,
    /// No intent id up to this sequence may be given out, whatever the records say.
    sequence_floor: u64,
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
        place::private_dir(dir)?;
        let path = dir.join(FILE_NAME);
        if std::fs::symlink_metadata(&path).is_err() {
            place::create(dir, &path)?;
        }
        place::private_file(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(&path, flags)
            .and_then(|connection| {
                table::set_up(&connection, durability)?;
                Ok(connection)
            })
            .map_err(|error| unusable(&path, &error))
            .and_then(|connection| Self::over(connection, &path))
            .and_then(|mut journal| {
                if let Some(boot) = boot_id() {
                    journal.skip_lost_ids(&boot, durability)?;
                }
                Ok(journal)
            })
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

    /// A journal that is gone with the process: for tests and plays, never for a live account, whose
    /// intent ids must differ from those of the process before.
    ///
    /// # Errors
    /// [`JournalError::Unusable`] when SQLite has no memory.
    pub fn in_memory() -> Result<Self, JournalError> {
        let path = Path::new(":memory:");
        let mut journal = Connection::open_in_memory()
            .and_then(|connection| {
                table::fill(&connection)?;
                Ok(connection)
            })
            .map_err(|error| unusable(path, &error))
            .and_then(|connection| Self::over(connection, path))?;
        // It ends with the process, so its word need not differ from any other's; a fixed one makes
        // plays repeatable.
        table::MEMORY_INSTANCE.clone_into(&mut journal.instance);
        Ok(journal)
    }

    /// Renames a journal that cannot be used to `journal.sqlite3.damaged-<ms>`, so that the next
    /// [`Self::open`] starts a new one. Returns the new name. Only while the instance lock is held.
    ///
    /// # Errors
    /// [`JournalError::Unusable`] when renaming fails.
    pub fn set_aside(dir: &Path, now: Timestamp) -> Result<PathBuf, JournalError> {
        place::set_aside(dir, now)
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
        table::scan(&self.connection, &mut |stored| {
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
        table::scan(&self.connection, &mut |stored| recovery.read(stored))?;
        let (mut recovered, damage) = recovery.finish(now);
        recovered.last_sequence = recovered.last_sequence.max(self.sequence_floor);
        Ok((recovered, damage))
    }

    /// After a restart of the machine the last records, and with them ids that were sent, may be
    /// gone. An id that is used twice would find the older order when it is looked up.
    fn skip_lost_ids(&mut self, boot: &str, durability: Durability) -> Result<(), JournalError> {
        let known = table::meta(&self.connection, "boot").unwrap_or(None);
        if known.as_deref() == Some(boot) {
            return Ok(());
        }
        if known.is_some() {
            let last = self.recover(Timestamp::ZERO)?.last_sequence;
            self.sequence_floor = last.saturating_add(SEQUENCE_GAP);
        }
        let floor = self.sequence_floor.to_string();
        let values = [("boot", boot), ("sequence_floor", &floor)];
        // A disk that refuses now is told with the first record; the floor holds for this run.
        let _kept = table::set_meta(&self.connection, values, durability);
        Ok(())
    }

    fn over(connection: Connection, path: &Path) -> Result<Self, JournalError> {
        let meta =
            |key: &str| table::meta(&connection, key).map_err(|error| unusable(path, &error));
        let found: i64 = meta("schema")?
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| unusable(path, &"its schema version is not there"))?;
        if found > SCHEMA {
            return Err(JournalError::NewerSchema {
                path: path.to_owned(),
                found,
            });
        }
        let instance = meta("instance")?
            .filter(|word| table::is_instance(word))
            .ok_or_else(|| unusable(path, &"its instance word is damaged"))?;
        let sequence_floor = meta("sequence_floor")?
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let next_id = next_id(&connection).map_err(|error| unusable(path, &error))?;
        Ok(Self {
            connection,
            instance,
            next_id,
            sequence_floor,
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
}

/// Changes with each start of the machine; `None` where the system does not tell.
fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

impl Drop for Journal {
    /// A last try for what is still in memory; nobody is left to hear of a failure.
    fn drop(&mut self) {
        let _written = self.write_backlog();
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Corrupt;
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
    fn after_a_restart_of_the_machine_ids_that_may_be_lost_are_left_out() {
        let mut journal = Journal::in_memory().expect("journal");
        let mut last = |boot: &str| {
            journal
                .skip_lost_ids(boot, Durability::Normal)
                .expect("skipped");
            journal.recover(at(0)).expect("recovered").last_sequence
        };
        let seen = ["first", "first", "second", "second", "third"].map(&mut last);
        assert_eq!(seen, [0, 0, 1, 1, 2].map(|starts| starts * SEQUENCE_GAP));
        let kept = table::meta(&journal.connection, "sequence_floor").expect("read");
        assert_eq!(kept, Some((2 * SEQUENCE_GAP).to_string()));
    }

    #[test]
    fn durability_decides_whether_the_disk_is_waited_for() {
        let dir = tempfile::tempdir().expect("dir");
        // SQLite's numbers for NORMAL and FULL.
        for (durability, expected) in [(Durability::Normal, 1), (Durability::Full, 2)] {
            let journal = Journal::open_with(dir.path(), durability).expect("journal");
            let found: i64 = journal
                .connection
                .query_row("PRAGMA synchronous", [], |row| row.get(0))
                .expect("pragma");
            assert_eq!(found, expected, "{durability:?}");
        }
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
