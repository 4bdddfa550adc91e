//! One record as it is stored, and how damage to it is recognised.

use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};

use crate::domain::Timestamp;
use crate::guard::intent::IntentId;
use crate::guard::journal::Entry;

/// Bytes of SHA-256 kept per row: enough against accidents, which is all it is for.
const CHECKSUM_BYTES: usize = 8;
/// Word in the `kind` column of a row that stands for records which were never written.
const KIND_LOST: &str = "lost";

/// One row as read back.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEntry {
    /// Row number, from 1, rising with the order of writing.
    pub id: u64,
    /// When it was recorded; for a damaged row the time of the last good row before it.
    pub at: Timestamp,
    /// The record, or why it cannot be trusted.
    pub entry: Result<Entry, Corrupt>,
}

/// Why a stored row, or a run of rows, cannot be trusted. The reader keeps the rest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// The content does not match its checksum.
    #[error("the stored record does not match its checksum")]
    Checksum,
    /// The checksum fits, but this program does not know such a record.
    #[error("this version does not know the record: {message}")]
    Unknown { message: String },
    /// Rows that were written are gone.
    #[error("{count} record(s) are missing from the file")]
    Missing { count: u64 },
    /// The disk refused writing for so long that records had to be given up.
    #[error("{count} record(s) were never written because the disk refused them")]
    NotWritten { count: u64 },
}

/// A record ready to be inserted.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) at: Timestamp,
    pub(super) kind: String,
    pub(super) intent: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) payload: String,
}

impl Row {
    pub(super) fn encode(at: Timestamp, entry: &Entry) -> Result<Self, serde_json::Error> {
        let (kind, intent, scope) = label(entry);
        Ok(Self {
            at,
            kind: kind.to_owned(),
            intent: intent.map(|id| id.as_str().to_owned()),
            scope,
            payload: serde_json::to_string(entry)?,
        })
    }

    /// A row that stands for `count` records which could not be written.
    pub(super) fn lost(at: Timestamp, count: u64) -> Self {
        Self {
            at,
            kind: KIND_LOST.to_owned(),
            intent: None,
            scope: None,
            payload: count.to_string(),
        }
    }

    /// Over the row number and every column, each with its length, so that nothing can move.
    pub(super) fn checksum(&self, id: i64) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(id.to_le_bytes());
        hash.update(self.at.as_millis().to_le_bytes());
        for text in [
            Some(self.kind.as_str()),
            self.intent.as_deref(),
            self.scope.as_deref(),
            Some(self.payload.as_str()),
        ] {
            match text {
                Some(text) => {
                    hash.update([1]);
                    hash.update((text.len() as u64).to_le_bytes());
                    hash.update(text.as_bytes());
                }
                None => hash.update([0]),
            }
        }
        hash.finalize()
            .iter()
            .copied()
            .take(CHECKSUM_BYTES)
            .collect()
    }

    /// Columns `at_ms, kind, intent, scope, payload, checksum` of row `id`, judged.
    pub(super) fn decode(
        id: i64,
        columns: [ValueRef<'_>; 6],
    ) -> (Timestamp, Result<Entry, Corrupt>) {
        let [at, kind, intent, scope, payload, checksum] = columns;
        let ValueRef::Integer(at) = at else {
            return (Timestamp::ZERO, Err(Corrupt::Checksum));
        };
        let at = Timestamp::from_millis(at);
        let row = (|| {
            Some(Self {
                at,
                kind: text(kind)??,
                intent: text(intent)?,
                scope: text(scope)?,
                payload: text(payload)??,
            })
        })();
        match (row, checksum) {
            (Some(row), ValueRef::Blob(sum)) if row.checksum(id) == sum => (at, row.into_entry()),
            (
                _,
                ValueRef::Blob(_)
                | ValueRef::Null
                | ValueRef::Integer(_)
                | ValueRef::Real(_)
                | ValueRef::Text(_),
            ) => (at, Err(Corrupt::Checksum)),
        }
    }

    fn into_entry(self) -> Result<Entry, Corrupt> {
        if self.kind == KIND_LOST {
            let count = self.payload.parse().unwrap_or(1);
            return Err(Corrupt::NotWritten { count });
        }
        serde_json::from_str(&self.payload).map_err(|error| Corrupt::Unknown {
            message: format!("kind {}, {error}", self.kind),
        })
    }
}

/// Outer `None`: not a text where one belongs. Inner `None`: SQL NULL.
fn text(value: ValueRef<'_>) -> Option<Option<String>> {
    match value {
        ValueRef::Null => Some(None),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok().map(|t| Some(t.to_owned())),
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => None,
    }
}

fn label(entry: &Entry) -> (&'static str, Option<&IntentId>, Option<String>) {
    match entry {
        Entry::Intent { intent } => ("intent", Some(&intent.id), Some(intent.scope.to_string())),
        Entry::Asked { intent, .. } => ("asked", Some(intent), None),
        Entry::Sent { intent } => ("sent", Some(intent), None),
        Entry::Outcome { intent, .. } => ("outcome", Some(intent), None),
        Entry::Resolved { intent, .. } => ("resolved", Some(intent), None),
        Entry::Ended { intent, .. } => ("ended", Some(intent), None),
        Entry::PlanEnded { .. } => ("plan-ended", None, None),
        Entry::Level { scope, .. } => ("level", None, Some(scope.to_string())),
        Entry::Blind { .. } => ("blind", None, None),
        Entry::Sighted { .. } => ("sighted", None, None),
        Entry::Loan { .. } => ("loan", None, None),
        Entry::Mode { .. } => ("mode", None, None),
        Entry::Paused { .. } => ("paused", None, None),
        Entry::Foreign { .. } => ("foreign", None, None),
        Entry::Forecast { key, .. } => ("forecast", None, Some(key.to_string())),
        Entry::Scored { key, .. } => ("scored", None, Some(key.to_string())),
        Entry::Started { .. } => ("started", None, None),
        Entry::Stopped { .. } => ("stopped", None, None),
    }
}

/// The intent a record belongs to, if any.
pub(super) fn intent_of(entry: &Entry) -> Option<&IntentId> {
    label(entry).1
}
