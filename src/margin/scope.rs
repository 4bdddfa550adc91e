//! A scope: one wallet and the legs it backs.

use std::sync::Arc;

use crate::domain::{Money, PositionKey, Price, Quantity, Rate, Side, Symbol, TierTable};

/// One position inside a scope.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    pub key: PositionKey,
    pub side: Side,
    /// Absolute size in base units.
    pub quantity: Quantity,
    pub entry: Price,
    pub mark: Price,
    pub tiers: Arc<TierTable>,
}

impl Leg {
    /// Value at `price` in quote currency.
    #[must_use]
    pub fn notional(&self, price: Price) -> Money {
        price * self.quantity
    }

    /// Unrealised profit at `price`.
    #[must_use]
    pub fn profit(&self, price: Price) -> Money {
        let gain = (price - self.entry) * self.quantity;
        match self.side {
            Side::Long => gain,
            Side::Short => -gain,
        }
    }

    /// Maintenance margin at `price`.
    #[must_use]
    pub fn maintenance(&self, price: Price) -> Money {
        self.tiers.maintenance(self.notional(price))
    }
}

/// Wallet and legs that are liquidated together. Isolated: one leg and its isolated wallet. Cross:
/// all cross legs of one asset and the cross wallet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScopeMargin {
    /// Without unrealised profit.
    pub wallet: Money,
    pub legs: Vec<Leg>,
}

impl ScopeMargin {
    /// Wallet plus unrealised profit at the marks held in the legs.
    #[must_use]
    pub fn equity(&self) -> Money {
        self.wallet + self.legs.iter().map(|leg| leg.profit(leg.mark)).sum()
    }

    /// Sum of the maintenance of all legs at their marks.
    #[must_use]
    pub fn maintenance(&self) -> Money {
        self.legs.iter().map(|leg| leg.maintenance(leg.mark)).sum()
    }

    /// Above the line? Division-free: equity greater than maintenance.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.equity() > self.maintenance()
    }

    /// Maintenance over equity, 1 = liquidation. `None` when equity is not positive.
    #[must_use]
    pub fn margin_ratio(&self) -> Option<Rate> {
        let equity = self.equity();
        equity
            .is_positive()
            .then(|| self.maintenance().ratio(equity))
            .flatten()
    }

    /// The same scope with the mark of one symbol replaced.
    #[must_use]
    pub fn at_mark(&self, symbol: &Symbol, mark: Price) -> Self {
        let mut moved = self.clone();
        for leg in moved
            .legs
            .iter_mut()
            .filter(|leg| leg.key.symbol == *symbol)
        {
            leg.mark = mark;
        }
        moved
    }

    /// Net direction in `symbol`: `None` without exposure there or with a perfect hedge.
    #[must_use]
    pub fn net_side(&self, symbol: &Symbol) -> Option<Side> {
        let net: Quantity = self
            .legs
            .iter()
            .filter(|leg| leg.key.symbol == *symbol)
            .map(|leg| match leg.side {
                Side::Long => leg.quantity,
                Side::Short => -leg.quantity,
            })
            .sum();
        if net.is_positive() {
            Some(Side::Long)
        } else if net.is_negative() {
            Some(Side::Short)
        } else {
            None
        }
    }
}
