//! What a captured answer or stream frame of an exchange says, in words that all venues share.
//!
//! Purpose: the stable JSON face of a reading, for bug reports. Inputs: what an adapter read. Rows
//! have `null` for what the capture does not carry: nothing here is computed, estimated or taken
//! from elsewhere. It must never hold a key, a signature, a listen key or a text of the venue that
//! could contain one.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;

use super::KeyPermissions;
use crate::domain::{
    LotLimits, MarginMode, Money, PositionMode, PositionSide, Price, Quantity, Rate, Side, Symbol,
    TierTable, Timestamp,
};
use crate::guard::event::OrderOrigin;

/// A whole file as it was read; only what the file has is serialised.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Capture {
    /// What the file is: `positions`, `tiers`, `events`, `refusal`, `unused`, …
    pub kind: &'static str,
    /// Documents of the file or frames of the sequence; left out for a single answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positions: Option<Vec<Row<CapturedPosition>>>,
    /// Rows of positions with a quantity of zero, which are not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flat_rows: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balances: Option<Vec<Row<CapturedBalance>>>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "one_or_many")]
    pub account: Vec<Row<AccountFacts>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol_settings: Option<Vec<Row<SymbolFacts>>>,
    /// By symbol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tiers: Option<BTreeMap<Symbol, TierTable>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruments: Option<Vec<CapturedInstrument>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marks: Option<Vec<Row<CapturedMark>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taker_fees: Option<Vec<TakerFee>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders: Option<Vec<Row<CapturedOrder>>>,
    /// Margin that was added to isolated positions by request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin_added: Option<Vec<MarginAdded>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub books: Option<Vec<Row<CapturedBook>>>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "one_or_many")]
    pub permissions: Vec<KeyPermissions>,
    #[serde(
        rename = "server_time_ms",
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "one_or_many"
    )]
    pub server_time: Vec<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "one_or_many")]
    pub refusals: Vec<Row<Refusal>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Row<CapturedEvent>>>,
    /// What the guarding agent makes no use of, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Ignored>,
    /// What a reader should know about the numbers above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A row, with the number of its frame where the file has several; the first is 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<usize>,
    #[serde(flatten)]
    pub row: T,
}

/// An open position. Field names are those of `plimsoll status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapturedPosition {
    pub symbol: Symbol,
    pub position_side: PositionSide,
    pub side: Side,
    /// Above zero; the direction is in `side`.
    pub quantity: Quantity,
    pub entry_price: Option<Price>,
    pub mark_price: Option<Price>,
    pub margin_mode: Option<MarginMode>,
    pub leverage: Option<u32>,
    /// Isolated wallet, without unrealised profit.
    pub isolated_margin: Option<Money>,
    pub unrealized_pnl: Option<Money>,
    /// The venue's own; `None` where it states none.
    pub exchange_liquidation_price: Option<Price>,
    pub maintenance_margin: Option<Money>,
    pub margin_asset: Option<String>,
    pub auto_add_margin: Option<bool>,
    pub updated_at_ms: Option<i64>,
}

/// One settlement asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapturedBalance {
    pub asset: String,
    pub wallet: Option<Money>,
    /// Without isolated wallets and without unrealised profit.
    pub cross_wallet: Option<Money>,
    pub available: Option<Money>,
}

/// Settings and sums of the whole account; only what the capture has is serialised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AccountFacts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position_mode: Option<PositionMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_assets: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_trade: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wallet_balance: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_wallet: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin_balance: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance_margin: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_margin: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrealized_pnl: Option<Money>,
}

/// Settings of one symbol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SymbolFacts {
    pub symbol: Symbol,
    pub margin_mode: Option<MarginMode>,
    pub leverage: Option<u32>,
    pub auto_add_margin: Option<bool>,
}

/// One contract with the filters that orders must pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapturedInstrument {
    pub symbol: Symbol,
    pub perpetual: bool,
    /// In the venue's word.
    pub status: String,
    pub margin_asset: String,
    pub tick: Decimal,
    pub limit_lot: LotLimits,
    pub market_lot: LotLimits,
    pub min_notional: Money,
    pub price_cap_factor: Option<Rate>,
    pub price_floor_factor: Option<Rate>,
    pub market_take_bound: Option<Rate>,
    /// Fee on liquidated notional, as a fraction.
    pub liquidation_fee: Rate,
    pub delivery_at_ms: Option<i64>,
}

/// A mark price; no funding for dated contracts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapturedMark {
    pub symbol: Symbol,
    pub mark_price: Price,
    /// A fraction: 0.0001 is 0.01 %.
    pub funding_rate: Option<Rate>,
    pub next_funding_at_ms: Option<i64>,
    pub at_ms: i64,
}

/// Fee of orders that take, as a fraction of the notional.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TakerFee {
    pub symbol: Symbol,
    pub rate: Rate,
}

/// An order, plain or conditional.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapturedOrder {
    pub symbol: Option<Symbol>,
    pub client_id: Option<String>,
    pub order_id: Option<String>,
    /// `buy` or `sell`.
    pub side: Option<&'static str>,
    pub position_side: Option<PositionSide>,
    /// In the venue's words.
    #[serde(rename = "type")]
    pub order_type: Option<String>,
    /// In the venue's words.
    pub status: String,
    /// How the status is taken: `working` (anything unknown too), `filled`, `ended`.
    pub stage: &'static str,
    /// Who caused it, by its client id.
    pub origin: Option<OrderOrigin>,
    pub quantity: Option<Quantity>,
    pub filled: Option<Quantity>,
    pub price: Option<Price>,
    pub average_price: Option<Price>,
    pub trigger_price: Option<Price>,
    pub reduce_only: Option<bool>,
    pub close_position: Option<bool>,
    /// Whole fee in the settlement asset, where it is known.
    pub fee: Option<Money>,
    pub updated_at_ms: Option<i64>,
}

/// Margin that was added to one isolated position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MarginAdded {
    pub symbol: Symbol,
    pub position_side: Option<PositionSide>,
    pub amount: Money,
    pub at_ms: i64,
}

/// Best levels, best first; empty ones are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapturedBook {
    /// `None` where the answer does not name it.
    pub symbol: Option<Symbol>,
    pub best_bid: Option<Price>,
    pub best_ask: Option<Price>,
    /// True when a side is empty or the sides cross: nothing is decided on such a book.
    pub unusable: bool,
    /// Price and quantity.
    pub bids: Vec<(Price, Quantity)>,
    pub asks: Vec<(Price, Quantity)>,
    pub at_ms: i64,
}

/// The venue's refusal of a request. Its own words are left out: they may hold an address or a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub code: Option<i64>,
    /// What the code means; `None` for a code without a reaction of its own.
    pub meaning: Option<&'static str>,
}

/// One frame that means something to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapturedEvent {
    /// The venue's name of it.
    pub event: &'static str,
    pub symbol: Option<Symbol>,
    pub at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Positions that the frame shows as closed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flat: Vec<String>,
    /// What the agent does with it.
    pub effect: &'static str,
}

/// Something that the agent makes no use of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ignored {
    pub what: String,
    pub count: usize,
    pub why: String,
}

/// Most kinds of ignored things that are told apart, and most notes.
const KINDS_MAX: usize = 100;

impl Capture {
    /// Counts something as ignored, with others of its kind.
    pub fn ignore(&mut self, what: &str, why: &str) {
        let full = self.ignored.len() >= KINDS_MAX;
        let (what, why) = if full {
            ("others", "there are too many kinds to tell them apart")
        } else {
            (what, why)
        };
        let same = |known: &&mut Ignored| known.what == what && known.why == why;
        match self.ignored.iter_mut().find(same) {
            Some(known) => known.count = known.count.saturating_add(1),
            None => self.ignored.push(Ignored {
                what: what.to_owned(),
                count: 1,
                why: why.to_owned(),
            }),
        }
    }

    /// Adds a note once.
    pub fn note(&mut self, text: &str) {
        if self.notes.len() < KINDS_MAX && !self.notes.iter().any(|known| known == text) {
            self.notes.push(text.to_owned());
        }
    }
}

/// Files with one answer show it as such, longer ones as a list.
fn one_or_many<T: Serialize, S: serde::Serializer>(
    all: &[T],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match all {
        [one] => one.serialize(serializer),
        many => many.serialize(serializer),
    }
}
