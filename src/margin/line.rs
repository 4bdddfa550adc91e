//! Where the line is: liquidation price, bankruptcy price, and the wallet a wished line needs.

use rust_decimal::Decimal;

use super::scope::{Leg, ScopeMargin};
use crate::domain::{Money, Price, Side, Symbol};

/// Health as a straight line over one stretch of prices: `slope * price + offset`.
struct Stretch {
    from: Decimal,
    /// `None`: open end.
    to: Option<Decimal>,
    slope: Decimal,
    offset: Decimal,
}

impl Stretch {
    /// Where health is zero inside this stretch. The tolerance covers the rounding of one division.
    fn root(&self) -> Option<Decimal> {
        let price = (-self.offset).checked_div(self.slope)?;
        let slack = price.abs().saturating_mul(Decimal::new(1, 12));
        let inside = price >= self.from.saturating_sub(slack)
            && self.to.is_none_or(|to| price <= to.saturating_add(slack));
        inside.then_some(price)
    }
}

impl ScopeMargin {
    /// Price of `symbol` at which equity equals maintenance, all other marks held, in the direction
    /// that hurts the net exposure in that symbol. Uses the tier that is valid *at* that price.
    /// `None` when no positive price does it.
    ///
    /// Health is concave in the price (maintenance rates rise with notional), so it has at most one
    /// root on each side: the rising one hurts longs, the falling one shorts.
    #[must_use]
    pub fn liquidation_price(&self, symbol: &Symbol) -> Option<Price> {
        let falls_hurt = self.falls_hurt(symbol)?;
        let held = self.health_of_others(symbol);
        let mut legs = self.legs.iter().filter(|leg| leg.key.symbol == *symbol);
        if let (Some(only), None) = (legs.next(), legs.next())
            && let Some(found) = only.walk_to_line(held)
        {
            return found;
        }
        self.stretches(symbol, held)
            .iter()
            .filter(|stretch| (stretch.slope > Decimal::ZERO) == falls_hurt)
            .find_map(Stretch::root)
            .and_then(|price| Price::new(price).ok())
    }

    /// Does a falling price of `symbol` bring liquidation nearer? `None` without a leg there.
    #[must_use]
    pub fn falls_hurt(&self, symbol: &Symbol) -> Option<bool> {
        self.legs
            .iter()
            .any(|leg| leg.key.symbol == *symbol)
            .then_some(())?;
        Some(self.net_side(symbol) == Some(Side::Long))
    }

    /// Price of `symbol` at which equity is zero, all other marks held; `None` where there is none.
    #[must_use]
    pub fn bankruptcy_price(&self, symbol: &Symbol) -> Option<Price> {
        let mut slope = Decimal::ZERO;
        let mut offset = self.wallet.get();
        for leg in &self.legs {
            if leg.key.symbol == *symbol {
                slope = slope.saturating_add(signed(leg));
                offset = offset.saturating_sub(signed(leg).saturating_mul(leg.entry.get()));
            } else {
                offset = offset.saturating_add(leg.profit(leg.mark).get());
            }
        }
        (-offset)
            .checked_div(slope)
            .and_then(|price| Price::new(price).ok())
    }

    /// Wallet with which the liquidation price of `symbol` would be `line`.
    #[must_use]
    pub fn wallet_for_line(&self, symbol: &Symbol, line: Price) -> Money {
        let moved = self.at_mark(symbol, line);
        moved.maintenance() - (moved.equity() - moved.wallet)
    }

    /// Wallet plus profit minus maintenance of every leg outside `symbol`.
    fn health_of_others(&self, symbol: &Symbol) -> Decimal {
        let others = self.legs.iter().filter(|leg| leg.key.symbol != *symbol);
        let health = others.map(|leg| leg.profit(leg.mark) - leg.maintenance(leg.mark));
        (self.wallet + health.sum()).get()
    }

    /// Cuts the price axis where a leg of `symbol` changes tier; ascending.
    fn stretches(&self, symbol: &Symbol, held: Decimal) -> Vec<Stretch> {
        let legs: Vec<&Leg> = self
            .legs
            .iter()
            .filter(|leg| leg.key.symbol == *symbol)
            .collect();
        let mut cuts: Vec<Decimal> = legs
            .iter()
            .flat_map(|leg| {
                let caps = leg.tiers.tiers().iter().filter_map(|tier| tier.cap);
                caps.filter_map(|cap| cap.get().checked_div(leg.quantity.get()))
            })
            .collect();
        cuts.sort();
        cuts.dedup();
        let mut from = Decimal::ZERO;
        let ends = cuts.into_iter().map(Some).chain(std::iter::once(None));
        ends.map(|to| {
            let inside = to.map_or(from.saturating_add(Decimal::ONE), |to| {
                from.saturating_add(to) / Decimal::TWO
            });
            let mut stretch = Stretch {
                from,
                to,
                slope: Decimal::ZERO,
                offset: held,
            };
            for leg in &legs {
                let quantity = leg.quantity.get();
                let tier = leg.tiers.at(Money::of(quantity.saturating_mul(inside)));
                let rate = tier.maintenance_rate.get();
                let slope = signed(leg).saturating_sub(quantity.saturating_mul(rate));
                let paid = signed(leg).saturating_mul(leg.entry.get());
                stretch.slope = stretch.slope.saturating_add(slope);
                stretch.offset = stretch
                    .offset
                    .saturating_add(tier.deduction.get().saturating_sub(paid));
            }
            from = to.unwrap_or(from);
            stretch
        })
        .collect()
    }
}

impl Leg {
    /// The liquidation price when this is the only leg of its symbol: starts in the tier of the mark
    /// and follows the root of its straight line into the tier where that root lies. The inner `None`
    /// means no line; the outer one that rounding at a border kept it from settling.
    fn walk_to_line(&self, held: Decimal) -> Option<Option<Price>> {
        let tiers = self.tiers.tiers();
        let (quantity, signed) = (self.quantity.get(), signed(self));
        let entry_value = signed.saturating_mul(self.entry.get());
        let notional = self.notional(self.mark);
        let mut index = tiers
            .partition_point(|tier| tier.cap.is_some_and(|cap| cap <= notional))
            .min(tiers.len() - 1);
        for _ in 0..=tiers.len() {
            let tier = tiers.get(index)?;
            let slope = signed - quantity.saturating_mul(tier.maintenance_rate.get());
            let offset = held + tier.deduction.get() - entry_value;
            let price = (-offset).checked_div(slope)?;
            let value = Money::of(price.saturating_mul(quantity));
            if value < tier.floor {
                let Some(lower) = index.checked_sub(1) else {
                    return Some(None);
                };
                index = lower;
            } else if tier.cap.is_some_and(|cap| value > cap) {
                index += 1;
            } else {
                return Some(Price::new(price).ok());
            }
        }
        None
    }
}

fn signed(leg: &Leg) -> Decimal {
    match leg.side {
        Side::Long => leg.quantity.get(),
        Side::Short => -leg.quantity.get(),
    }
}
