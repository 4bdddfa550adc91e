//! The simulated exchange: a deterministic model of a derivatives venue, and faces that speak a real
//! venue's protocol on loopback.
//!
//! Purpose: serve replay, demo and end-to-end tests with one model. Inputs: tapes, requests, time
//! (always passed in). It must never know the guard, a venue adapter or the margin rules of ours:
//! its liquidation arithmetic and its JSON are written a second time on purpose, so that the judge
//! and the defendant share nothing but the nouns of `domain`.
//!
//! | file | holds |
//! |---|---|
//! | `model` | [`Exchange`]: accounts, notices, the surface callers use |
//! | `tick` | time: tape steps, funding, resting orders, liquidation sweeps |
//! | `board` | one market: its mark and its synthetic [`book`](Exchange::book) |
//! | `matching` | orders: filters, reduce-only, margin check, walking the book |
//! | `settle` | what a fill does to wallets and positions |
//! | `settings` | leverage, margin type, position mode, margin moves, transfers |
//! | `liquidation` | health and liquidation price |
//! | [`face`] | HTTP and WebSocket servers |

mod account;
mod board;
pub mod face;
mod liquidation;
mod matching;
mod model;
mod order;
mod refusal;
mod settings;
mod settle;
mod tick;

use crate::domain::{Instrument, Price, Symbol, TierTable, Timestamp};

pub use account::{
    AccountId, AccountSummary, Income, IncomeKind, KeyScopes, MarginChange, PositionView,
    SymbolConfig, Transfer, TransferKind, WalletView,
};
pub use model::{AccountReason, Exchange, ExchangeSpec, Notice, PrivateNotice, ReleaseModel};
pub use order::{
    Execution, Order, OrderKind, OrderRequest, OrderSide, OrderStatus, TimeInForce, Trade,
};
pub use refusal::Refusal;

/// Mark prices of one instrument at a fixed step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tape {
    /// What the tape shows, for people.
    pub name: String,
    pub symbol: Symbol,
    /// Time of the first mark.
    pub start: Timestamp,
    /// Milliseconds between marks, above zero.
    pub step_ms: i64,
    pub marks: Vec<Price>,
    /// Where the prices come from and what was changed.
    pub notes: Vec<String>,
}

impl Tape {
    /// Time of the last mark; the start when there are none.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        let steps = i64::try_from(self.marks.len().saturating_sub(1)).unwrap_or(i64::MAX);
        self.start.plus_ms(self.step_ms.saturating_mul(steps))
    }

    /// The mark in force at `at`; `None` before the start, the last mark after the end.
    #[must_use]
    pub fn mark_at(&self, at: Timestamp) -> Option<Price> {
        let index = usize::try_from(at.since(self.start).div_euclid(self.step_ms.max(1))).ok()?;
        self.marks.get(index).or(self.marks.last()).copied()
    }

    /// Time of the mark with this index.
    #[must_use]
    pub fn time_of(&self, index: usize) -> Timestamp {
        let steps = i64::try_from(index).unwrap_or(i64::MAX);
        self.start.plus_ms(self.step_ms.saturating_mul(steps))
    }
}

/// An instrument with the rules the simulated venue applies to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Market {
    pub instrument: Instrument,
    pub tiers: TierTable,
    /// True when the rules are typical ones, made up because those of the instrument are not known.
    pub generic: bool,
}

impl Market {
    /// Highest initial leverage of the first tier.
    #[must_use]
    pub fn max_leverage(&self) -> u32 {
        self.tiers.tiers().first().map_or(1, |t| t.max_leverage)
    }
}

#[cfg(test)]
mod tests;
