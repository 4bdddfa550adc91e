//! The simulated exchange: recorded and synthetic price history, contract rules and tiers.
//!
//! Purpose: a judge for the guard that shares none of its arithmetic. Inputs: tapes, scenarios,
//! market tables. It must never know the guard, a margin rule of ours or a venue adapter.

pub mod market;
pub mod scenario;
pub mod tape;

use crate::domain::{Instrument, Price, Symbol, TierTable, Timestamp};

/// A mark price path on an even grid of instants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tape {
    /// The scenario's name or the file's name without its endings.
    pub name: String,
    /// Whose mark price this is.
    pub symbol: Symbol,
    /// Instant of the first mark.
    pub start: Timestamp,
    /// Milliseconds from one mark to the next, above zero.
    pub step_ms: i64,
    /// The marks; number `i` holds from `start + i * step_ms`. Never empty.
    pub marks: Vec<Price>,
    /// What a reader must know about where the prices come from, one sentence each.
    pub notes: Vec<String>,
}

impl Tape {
    /// Instant of the last mark.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        let steps = i64::try_from(self.marks.len().saturating_sub(1)).unwrap_or(i64::MAX);
        self.start.plus_ms(steps.saturating_mul(self.step_ms))
    }

    /// The mark that holds at `at`: the first before the start, the last after the end.
    #[must_use]
    pub fn mark_at(&self, at: Timestamp) -> Option<Price> {
        let step = at.since(self.start).max(0) / self.step_ms.max(1);
        let index = usize::try_from(step).unwrap_or(usize::MAX);
        self.marks.get(index).or(self.marks.last()).copied()
    }
}

/// One contract and its risk tiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Market {
    pub instrument: Instrument,
    pub tiers: TierTable,
    /// True when the figures are typical ones and not those of this contract.
    pub generic: bool,
}
