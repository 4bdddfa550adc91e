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

/// A side of a book with the sums of its levels from the best one on: what walking it costs, asked for
/// many sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    rungs: Vec<Rung>,
}

/// One level, and the sums of all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rung {
    level: BookLevel,
    before: Quantity,
    notional_before: Money,
}

impl Ladder {
    /// The same as [`Book::close`]. `None` for an empty side.
    #[must_use]
    pub fn fill(&self, quantity: Quantity) -> Option<Fill> {
        let deeper = self.rungs.partition_point(|rung| rung.before < quantity);
        // What asks for nothing touches the best level without taking from it.
        let rung = self.rungs.get(deeper.saturating_sub(1))?;
        let wanted = (quantity - rung.before).max(Quantity::ZERO);
        let taken = wanted.min(rung.level.quantity);
        Some(Fill {
            quantity: rung.before + taken,
            notional: rung.notional_before + rung.level.price * taken,
            worst: rung.level.price,
        })
    }
}

impl Book {
    /// The side that *closing* a position on `side` would hit, as far as `most` goes.
    #[must_use]
    pub fn ladder(&self, side: Side, most: Quantity) -> Ladder {
        let (mut before, mut notional_before) = (Quantity::ZERO, Money::ZERO);
        let mut rungs = Vec::with_capacity(self.against(side).len());
        for level in self.against(side) {
            rungs.push(Rung {
                level: *level,
                before,
                notional_before,
            });
            before += level.quantity;
            notional_before += level.price * level.quantity;
            if before >= most {
                break;
            }
        }
        Ladder { rungs }
    }

    /// Walks the side that *closing* a position on `side` would hit. `None` for an empty side.
    #[must_use]
    pub fn close(&self, side: Side, quantity: Quantity) -> Option<Fill> {
        let levels = self.against(side);
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

    /// The levels that closing a position on `side` would hit, best first.
    fn against(&self, side: Side) -> &[BookLevel] {
        match side {
            Side::Long => &self.bids,
            Side::Short => &self.asks,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn book(levels: &[(&str, &str)]) -> Book {
        let level = |(price, quantity): &(&str, &str)| BookLevel {
            price: price.parse().expect("price"),
            quantity: quantity.parse().expect("quantity"),
        };
        Book {
            symbol: Symbol::new("BTCUSDT"),
            bids: levels.iter().map(level).collect(),
            asks: levels.iter().rev().map(level).collect(),
            at: Timestamp::ZERO,
        }
    }

    #[test]
    fn a_ladder_answers_as_walking_the_book_does() {
        let books = [
            book(&[("100", "0.5"), ("99.5", "0"), ("99", "1.25"), ("90", "3")]),
            book(&[("0.1234567", "0")]),
            book(&[]),
        ];
        for book in &books {
            for side in [Side::Long, Side::Short] {
                let most: Quantity = "4".parse().expect("quantity");
                let ladder = book.ladder(side, most);
                for text in ["0", "0.3", "0.5", "0.50001", "1.75", "3.9", "4"] {
                    let quantity: Quantity = text.parse().expect("quantity");
                    assert_eq!(ladder.fill(quantity), book.close(side, quantity), "{text}");
                }
            }
        }
    }
}
