//! The durable, append-only record of what the guard decided, sent and learned.
//!
//! Purpose: every act is written here before it is sent, so that a process that starts after a
//! crash knows what may have happened. Inputs: [`Entry`](crate::guard::journal::Entry) records with
//! their time. This module must never know a network, a venue or a policy, and never a secret.
//!
//! | part | holds |
//! |---|---|
//! | `store` | open, append, read, keep going when the disk does not |
//! | `table` | the SQLite tables, walked even when damaged |
//! | `place` | directory and file, closed to other users |
//! | `row` | one record as stored, with its checksum |
//! | `recover` | from records to what the guard is told after a start |
//! | `lock` | one agent per account and data directory |
//!
//! Invariant: rows are numbered from 1 without gaps and each carries a checksum over all its
//! columns, so a row that is damaged, missing or was never written shows as [`Corrupt`] and is
//! never mistaken for "nothing happened".

mod error;
mod lock;
mod place;
mod recover;
mod row;
mod store;
mod table;

pub use error::JournalError;
pub use lock::{InstanceLock, LockError};
pub use place::FILE_NAME;
pub use recover::Damage;
pub use row::{Corrupt, StoredEntry};
pub use store::{BACKLOG_MAX, Durability, Filter, Health, Journal};
