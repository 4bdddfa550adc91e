//! The visible order book and what it costs to trade through it.

use serde::{Deserialize, Serialize};

use super::{Money, Price, Quantity, Side, Symbol, Timestamp};

/// One price level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookLevel {
    pub price: Price,
    pub quantity: Quantity,
}

/// The best levels of both sides, best first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    pub symbol: Symbol,
    pub bids: Vec<BookLevel>,
    pub asks: Vec<BookLevel>,
    pub at: Timestamp,
}

/// Result of walking a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// What the visible levels can take, at most the quantity asked for.
    pub quantity: Quantity,
    /// Sum of price times quantity over the levels taken.
    pub notional: Money,
    /// Price of the last level touched.
    pub worst: Price,
}

impl Book {
    /// Walks the side that *closing* a position on `side` would hit. `None` for an empty side.
    #[must_use]
    pub fn close(&self, side: Side, quantity: Quantity) -> Option<Fill> {
        let levels = match side {
            Side::Long => &self.bids,
            Side::Short => &self.asks,
        };
        let mut fill = Fill {
            quantity: Quantity::ZERO,
            notional: Money::ZERO,
            worst: levels.first()?.price,
        };
        for level in levels {
            let wanted = quantity - fill.quantity;
            if !wanted.is_positive() {
                break;
            }
            let taken = wanted.min(level.quantity);
            fill.quantity += taken;
            fill.notional += level.price * taken;
            fill.worst = level.price;
        }
        Some(fill)
    }

    /// True when a side is empty or the best bid is not below the best ask.
    #[must_use]
    pub fn is_unusable(&self) -> bool {
        match (self.bids.first(), self.asks.first()) {
            (Some(bid), Some(ask)) => bid.price >= ask.price,
            (None, _) | (_, None) => true,
        }
    }
}
