//! Everything that can reach the guard.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::intent::{Intent, IntentId, Outcome, Resolution};
use super::journal::Recovered;
use crate::domain::{
    Account, Book, Instrument, Money, OutsideBalance, PositionSide, Price, Quantity, Rate, Side,
    Symbol, TierTable, Timestamp,
};

/// One input of the guard. Plain data; applied by `Guard::handle(event, now)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// Trading rules, as read from the venue. Replaces what was known of these symbols.
    Instruments(Vec<Instrument>),
    /// Risk tiers of one symbol.
    Tiers { symbol: Symbol, table: TierTable },
    /// Taker fee as a fraction; `None` for all symbols without a rate of their own.
    TakerFee { symbol: Option<Symbol>, rate: Rate },
    /// What is free in the owner's other wallets, by asset; replaces what was known.
    Outside(BTreeMap<String, OutsideBalance>),
    /// A whole account picture read over REST. Replaces what was known unless streams were newer.
    Account(Account),
    /// A mark price.
    Mark(Mark),
    /// Mark prices of one symbol in one-minute bars, oldest first, without the minute under way.
    History { symbol: Symbol, bars: Vec<Bar> },
    /// Best levels of a book.
    Book(Book),
    /// A private account update: only what changed.
    Change(AccountChange),
    /// A private order update, ours or not.
    Order(OrderUpdate),
    /// The venue says that settings of a symbol or the account changed: re-read.
    ConfigChanged,
    /// A stream came up or went down.
    Link {
        link: Link,
        up: bool,
        message: String,
    },
    /// How sending an intent ended.
    Outcome { intent: IntentId, outcome: Outcome },
    /// What the venue says became of an intent.
    Resolved {
        intent: IntentId,
        resolution: Resolution,
    },
    /// A read that the guard asked for failed.
    RefreshFailed { what: Refresh, message: String },
    /// What the journal knew; always the first event after a start.
    Recovered(Box<Recovered>),
    /// Wall and monotonic clock disagree by this many milliseconds: sleep, pause or a clock step.
    TimeJump { gap_ms: i64 },
    /// The trader speaks.
    Command(Command),
    /// Nothing but time has passed.
    Tick,
}

/// Mark price with the funding that is coming.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    pub symbol: Symbol,
    pub price: Price,
    /// Rate to be applied at `next_funding_at`; positive: longs pay shorts.
    pub funding_rate: Option<Rate>,
    pub next_funding_at: Option<Timestamp>,
    /// Venue time of the price.
    pub at: Timestamp,
}

/// One minute of mark prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    pub start: Timestamp,
    pub low: Price,
    pub high: Price,
    pub close: Price,
}

/// What a private account event says has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChange {
    /// Asset and its new cross wallet balance.
    pub balances: Vec<(String, Money)>,
    pub positions: Vec<PositionChange>,
    /// The venue's word for the cause.
    pub reason: String,
    pub at: Timestamp,
}

/// One position as a private event shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionChange {
    pub symbol: Symbol,
    pub position_side: PositionSide,
    /// `None` when flat.
    pub side: Option<Side>,
    pub quantity: Quantity,
    pub entry_price: Option<Price>,
    pub isolated: bool,
    pub isolated_wallet: Money,
}

/// Who caused an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderOrigin {
    /// Carries one of our client ids.
    Own,
    /// The trader or another program.
    Foreign,
    Liquidation,
    AutoDeleveraging,
    /// Settlement or delivery of the contract.
    Settlement,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderStatus {
    Working,
    Filled,
    /// Ended without filling the rest: cancelled, expired, rejected.
    Ended,
}

/// A private order update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderUpdate {
    pub client_id: String,
    pub symbol: Symbol,
    pub position_side: PositionSide,
    /// Side of the *order*: long = buy.
    pub order_side: Side,
    pub origin: OrderOrigin,
    pub status: OrderStatus,
    /// Filled so far.
    pub filled: Quantity,
    pub average_price: Option<Price>,
    pub fee: Option<Money>,
    pub at: Timestamp,
}

/// The streams an agent listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Link {
    /// Order books.
    Public,
    /// Mark prices.
    Market,
    /// The account's own events.
    Private,
}

/// What the guard may ask to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Refresh {
    /// Balances and positions with their settings.
    Account,
    /// Trading rules, tiers and fees of the symbols that are held.
    Rules,
    /// Mark prices of the last day of the symbols that are held.
    History,
}

/// How far the agent may go on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Sends nothing, ever.
    Watch,
    /// Asks before each action.
    Ask,
    /// Acts within the budgets.
    Auto,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Watch => "watch",
            Self::Ask => "ask",
            Self::Auto => "auto",
        })
    }
}

/// What the trader may say from outside. None of these can raise exposure, and none can lift the
/// mode above the one in the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    Pause,
    Resume,
    Mode(Mode),
    Approve(IntentId),
    Decline(IntentId),
}

/// A question to the trader in `ask` mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub intent: Intent,
    /// After this instant silence is the answer.
    pub deadline: Timestamp,
    /// What silence means.
    pub silence_acts: bool,
}
