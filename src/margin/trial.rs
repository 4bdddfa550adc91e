//! Many sizes of one cut, tried at one imagined set of marks.
//!
//! Whether a line comes to stand beyond some price is the sign of the health at that price. Everything
//! but the leg that is cut is a number there, so that a size costs a few products instead of the whole
//! state after it and the root of that.

use rust_decimal::Decimal;

use super::leg::Leg;
use super::rules::{CloseFee, TierBy};
use super::scope::ScopeMargin;
use super::shock::Shock;
use crate::domain::{ContractKind, Money, PositionKey, Quantity, Rate};

/// A scope at imagined marks of which one leg is going to be cut.
#[derive(Debug)]
pub struct Trial {
    /// The scope at those marks, without the leg.
    others: ScopeMargin,
    leg: Leg,
    /// Equity minus demand of the others.
    held: Decimal,
}

impl ScopeMargin {
    /// The scope as `shock` of the size `share` would leave it, ready for cuts of `key`. `None` where
    /// the health after a cut is not the sum of one part per leg and falls all the way along that
    /// shock: with other than linear contracts, several assets, fees set aside, tiers by number of
    /// contracts, or a leg that gains.
    #[must_use]
    pub fn trial(&self, key: &PositionKey, shock: &Shock, share: Rate) -> Option<Trial> {
        let falls = share.is_negative();
        let plain = |leg: &Leg| leg.contract == ContractKind::Linear && leg.rises() == falls;
        let rules = self.rules.close_fee == CloseFee::None && self.rules.tier_by == TierBy::Value;
        if !rules || self.is_pooled() || !self.legs.iter().all(plain) {
            return None;
        }
        let mut others = self.after_shock(shock, share);
        let place = others.legs.iter().position(|leg| leg.key == *key)?;
        let leg = others.legs.remove(place);
        let held = others.health();
        Some(Trial { others, leg, held })
    }
}

impl Trial {
    /// Equity minus demand at the imagined marks, once `quantity` of the leg was closed with `result`,
    /// fees taken off, and all of that stayed in the wallet.
    #[must_use]
    pub fn health(&self, quantity: Quantity, result: Money) -> Money {
        let kept = self.held.saturating_add(result.get());
        let contracts = self.leg.quantity - quantity;
        let face = contracts.get().saturating_mul(self.leg.contract_size);
        let mark = self.leg.mark.get();
        let gap = mark.saturating_sub(self.leg.entry.get());
        let profit = self.leg.signed(face.saturating_mul(gap));
        let value = face.saturating_mul(mark);
        let demand = self.others.demand_on(&self.leg, Money::of(value));
        let needed = value
            .saturating_mul(demand.rate)
            .saturating_sub(demand.deduction);
        Money::of(kept.saturating_add(profit).saturating_sub(needed))
    }
}
