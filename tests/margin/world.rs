//! Short ways to write a leg, a table and a scope.

use std::sync::Arc;

use plimsoll::domain::{
    Leverage, MarginMode, Money, PositionKey, PositionSide, Price, Quantity, Rate, Side, Symbol,
    Tier, TierTable,
};
use plimsoll::margin::{Leg, Reduction, ScopeMargin, Venue};
use rust_decimal::Decimal;

pub(crate) use plimsoll::domain::MarginMode::{Cross, Isolated};
pub(crate) use plimsoll::domain::Side::{Long, Short};

/// One open tier that stands for the row an example is in.
pub(crate) fn flat(rate: Decimal, deduction: Decimal) -> Arc<TierTable> {
    table(&[(0, rate, deduction)])
}

/// Tiers by floor, rate and deduction; each ends where the next begins.
pub(crate) fn table(rows: &[(i64, Decimal, Decimal)]) -> Arc<TierTable> {
    let caps = rows.iter().skip(1).map(|row| Some(row.0)).chain([None]);
    let tiers = rows
        .iter()
        .zip(caps)
        .map(|((floor, rate, deduction), cap)| Tier::of(*floor, cap, *rate, *deduction, 100));
    Arc::new(TierTable::new(tiers.collect()).expect("a table"))
}

pub(crate) fn key(name: &str) -> PositionKey {
    PositionKey {
        symbol: Symbol::new(name),
        position_side: PositionSide::Both,
    }
}

/// A linear leg counted in base units whose mark is its entry.
pub(crate) fn linear(
    name: &str,
    side: Side,
    quantity: Decimal,
    entry: Decimal,
    tiers: &Arc<TierTable>,
) -> Leg {
    let entry = Price::of(entry);
    let quantity = Quantity::of(quantity);
    Leg::linear(key(name), side, quantity, entry, entry, Arc::clone(tiers))
}

/// An inverse leg of contracts of `size` quote units whose mark is its entry.
pub(crate) fn inverse(
    name: &str,
    side: Side,
    (contracts, size): (Decimal, Decimal),
    entry: Decimal,
    tiers: &Arc<TierTable>,
) -> Leg {
    Leg::inverse(size, linear(name, side, contracts, entry, tiers))
}

/// What examples say in passing.
pub(crate) trait Said: Sized {
    fn marked(self, mark: Decimal) -> Self;
    fn levered(self, leverage: i64) -> Self;
    fn sized(self, contract_size: Decimal) -> Self;
}

impl Said for Leg {
    fn marked(mut self, mark: Decimal) -> Self {
        self.mark = Price::of(mark);
        self
    }

    fn levered(mut self, leverage: i64) -> Self {
        self.leverage = Some(Leverage::of(Decimal::from(leverage)));
        self
    }

    fn sized(mut self, contract_size: Decimal) -> Self {
        self.contract_size = contract_size;
        self
    }
}

pub(crate) fn scope(
    venue: Venue,
    mode: MarginMode,
    wallet: Decimal,
    legs: Vec<Leg>,
) -> ScopeMargin {
    ScopeMargin::new(venue.rules(), mode, Money::of(wallet), legs)
}

/// The same with a taker fee that counts.
pub(crate) fn with_fee(mut scope: ScopeMargin, fee: Decimal) -> ScopeMargin {
    scope.taker_fee = Rate::of(fee);
    scope
}

pub(crate) fn line(scope: &ScopeMargin, name: &str) -> Decimal {
    let price = scope.liquidation_price(&Symbol::new(name));
    price.expect("a line").get()
}

pub(crate) fn bankruptcy(scope: &ScopeMargin, name: &str) -> Decimal {
    let price = scope.bankruptcy_price(&Symbol::new(name));
    price.expect("a bankruptcy price").get()
}

/// Panics unless both agree to the `places` printed.
#[track_caller]
pub(crate) fn agree(found: Decimal, printed: Decimal) {
    let rounded = found.round_dp(printed.scale());
    assert_eq!(rounded, printed, "found {found}");
}

pub(crate) fn cut(quantity: Decimal, price: Decimal, fee: Decimal) -> Reduction {
    Reduction {
        quantity: Quantity::of(quantity),
        price: Price::of(price),
        fee: Rate::of(fee),
    }
}
