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
//! | `views` | what callers may read of an account |
//! | `tick` | time: tape steps, funding, resting orders, liquidation sweeps |
//! | `board` | one market: its mark and its synthetic [`book`](Exchange::book) |
//! | `matching` | orders: filters, reduce-only, margin check, walking the book |
//! | `settle` | what a fill does to wallets and positions |
//! | `seat` | [`Seat`]: a position put in place as it stands |
//! | `settings` | leverage, margin type, position mode, margin moves, transfers |
//! | `algo` | resting stops |
//! | [`law`] | what five venues' rules say of a position: equity, maintenance, events |
//! | `health` | what that law says of the accounts here |
//! | `liquidation` | the liquidation price shown |
//! | [`tape`] [`scenario`] [`market`] | price history, made-up histories, contract rules |
//! | [`face`] | HTTP and WebSocket servers |

mod account;
mod algo;
mod board;
pub mod face;
mod health;
pub mod law;
mod liquidation;
pub mod market;
mod matching;
mod model;
mod order;
mod refusal;
pub mod scenario;
mod seat;
mod settings;
mod settle;
pub mod tape;
mod tick;
mod views;

use crate::domain::{Instrument, Price, Symbol, TierTable, Timestamp};

pub use account::{
    AccountId, AccountSummary, Income, IncomeKind, KeyScopes, MarginChange, PositionView,
    SymbolConfig, Transfer, TransferKind, WalletView,
};
pub use algo::{AlgoKind, AlgoOrder, AlgoRequest, AlgoStatus, WorkingPrice};
pub use board::BookShape;
pub use model::{AccountReason, Exchange, ExchangeSpec, Notice, PrivateNotice, ReleaseModel};
pub use order::{
    Execution, Order, OrderKind, OrderRequest, OrderSide, OrderStatus, TimeInForce, Trade,
};
pub use refusal::Refusal;
pub use seat::Seat;

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

    /// The mark that holds at `at`: the first before the start, the last after the end; `None` for a
    /// tape without marks.
    #[must_use]
    pub fn mark_at(&self, at: Timestamp) -> Option<Price> {
        let step = at.since(self.start).max(0) / self.step_ms.max(1);
        let index = usize::try_from(step).unwrap_or(usize::MAX);
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
        self.tiers
            .tiers()
            .first()
            .map_or(1, |t| t.max_leverage.whole())
    }
}

#[cfg(test)]
mod tests;
