//! A resting order that locks margin.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Money, PositionSide, Price, Quantity, Side, Symbol};

/// A plain limit order that rests on the book and would open or enlarge a position when filled:
/// neither reduce-only, nor a stop, nor one that closes a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenOrder {
    /// The venue's own number.
    pub id: String,
    pub client_id: String,
    pub symbol: Symbol,
    pub position_side: PositionSide,
    /// Side of the order: long buys.
    pub side: Side,
    /// Not filled yet, above zero.
    pub quantity: Quantity,
    pub price: Price,
    pub margin_asset: String,
    /// Value over leverage, at most what it locks; `None` where the leverage is not known.
    pub margin: Option<Money>,
}

impl OpenOrder {
    /// The same order, perhaps filled in part since.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.symbol == other.symbol && self.id == other.id
    }
}

impl fmt::Display for OpenOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.side {
            Side::Long => "buy",
            Side::Short => "sell",
        };
        let (quantity, symbol, price) = (self.quantity, &self.symbol, self.price);
        write!(f, "{verb} {quantity} {symbol} at {price}")
    }
}
