//! The tables of the journal: making them, adding rows, and walking them even when damaged.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, params};

use super::error::JournalError;
use super::row::{Corrupt, Row, StoredEntry};
use super::store::Durability;
use crate::domain::Timestamp;
use crate::guard::journal::Entry;

/// Version of the tables below.
pub(super) const SCHEMA: i64 = 1;
/// Longest wait for another process that holds the file (a reader that checkpoints): the agent's
/// only thread stands still meanwhile.
pub(super) const BUSY: Duration = Duration::from_millis(100);
/// Instance word of a journal that lives in memory only.
pub(super) const MEMORY_INSTANCE: &str = "memory00";
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

/// Visits all rows in order. Where the table cannot be walked, rows are fetched one by one.
pub(super) fn scan(
    connection: &Connection,
    visit: &mut dyn FnMut(StoredEntry),
) -> Result<(), JournalError> {
    let read = |error: rusqlite::Error| JournalError::Read {
        message: error.to_string(),
    };
    let mut walk = Walk {
        expected: 1,
        at: Timestamp::ZERO,
        visit,
    };
    // Read before the rows: what a running agent adds meanwhile must not look missing. Here and
    // below, a query that fails on a damaged page costs only its own answer.
    let written = sequence(connection).unwrap_or(0);
    let mut statement = connection
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
    let last = if broken {
        let highest = connection
            .query_row("SELECT max(id) FROM entry", [], |row| row.get(0))
            .unwrap_or(0_i64);
        written.max(highest)
    } else {
        written
    };
    let last = last.min(walk.expected.saturating_add(SALVAGE_ROWS_MAX));
    if broken {
        let mut one = connection
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

pub(super) fn fill(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    for (key, value) in [("schema", SCHEMA.to_string()), ("instance", new_instance())] {
        transaction.execute("INSERT INTO meta VALUES (?1, ?2)", [key, value.as_str()])?;
    }
    transaction.commit()
}

pub(super) fn set_up(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // The answer is the mode in force, a row that `pragma_update` would refuse.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    synchronise(connection, durability)
}

fn synchronise(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let synchronous = match durability {
        Durability::Normal => "NORMAL",
        Durability::Full => "FULL",
    };
    connection.pragma_update(None, "synchronous", synchronous)
}

/// A value beside the records, if there is one.
pub(super) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
            row.get(0)
        })
        .optional()
}

/// Sets values beside the records and waits for the disk.
pub(super) fn set_meta(
    connection: &Connection,
    values: [(&str, &str); 2],
    durability: Durability,
) -> rusqlite::Result<()> {
    synchronise(connection, Durability::Full)?;
    let transaction = connection.unchecked_transaction()?;
    for (key, value) in values {
        transaction.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [key, value])?;
    }
    transaction.commit()?;
    synchronise(connection, durability)
}

/// From the randomness that the standard library seeds its maps with, the time and the process id.
pub(super) fn new_instance() -> String {
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

pub(super) fn is_instance(word: &str) -> bool {
    word.len() == INSTANCE_CHARS
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

pub(super) fn insert_as(connection: &Connection, id: i64, row: &Row) -> rusqlite::Result<()> {
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
pub(super) fn sequence(connection: &Connection) -> rusqlite::Result<i64> {
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
pub(super) fn next_id(connection: &Connection) -> rusqlite::Result<i64> {
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
