//! What is traded and within which limits.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Money, Quantity, Rate, Timestamp};

/// The venue's own name of an instrument; cheap to clone. May hold non-ASCII letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Symbol(Arc<str>);

impl Symbol {
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Symbol {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl Borrow<str> for Symbol {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// How profit is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContractKind {
    /// Quantity in base units, profit in quote currency.
    Linear,
    /// Quantity in contracts of fixed quote value, profit in base coin.
    Inverse,
}

/// Whether orders are possible now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstrumentStatus {
    Trading,
    /// Any other state, in the venue's word.
    Closed(String),
}

/// Size limits of one order type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotLimits {
    pub min: Quantity,
    pub max: Quantity,
    /// Sizes are `min + n * step`.
    pub step: Decimal,
}

/// One tradable contract with the filters that orders must pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    pub symbol: Symbol,
    pub contract: ContractKind,
    /// False for dated contracts.
    pub perpetual: bool,
    pub margin_asset: String,
    pub status: InstrumentStatus,
    /// Prices are multiples of this.
    pub tick: Decimal,
    pub limit_lot: LotLimits,
    pub market_lot: LotLimits,
    /// Smallest notional of an order that is not reduce-only.
    pub min_notional: Money,
    /// A buy may not be priced above mark times this factor.
    pub price_cap_factor: Option<Rate>,
    /// A sell may not be priced below mark times this factor.
    pub price_floor_factor: Option<Rate>,
    /// Farthest distance from mark at which a market order may trade, as a fraction.
    pub market_take_bound: Option<Rate>,
    /// Fee on liquidated notional, as a fraction.
    pub liquidation_fee: Rate,
    /// Delivery or delisting time where one is set.
    pub delivery_at: Option<Timestamp>,
}
