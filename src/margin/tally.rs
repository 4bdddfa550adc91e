//! The health test of the tick path: a running sum that one new mark changes in one place.
//!
//! While no leg leaves its tier, health is a sum of straight pieces, one per symbol. A tick then
//! costs one product, two comparisons and no division: for an inverse contract the test is made on
//! health times the price, which has the same sign.

use rust_decimal::Decimal;

use super::scope::ScopeMargin;
use crate::domain::{ContractKind, Money, Price, Symbol};

/// What a tick said about a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Alive,
    /// Equity has reached the demand.
    Liquidated,
    /// A leg left its tier: make the tally anew.
    Outdated,
    /// The symbol is not in the scope.
    Foreign,
}

/// Health of a scope as straight pieces around its present marks.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    parts: Vec<Part>,
    /// Health of everything, at the marks last seen.
    health: Decimal,
    alive_at_zero: bool,
    /// More than one symbol: each needs its own value kept up to date.
    several: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Part {
    symbol: Symbol,
    contract: ContractKind,
    slope: Decimal,
    offset: Decimal,
    /// `slope * x + offset` at the mark last seen.
    value: Decimal,
    /// Marks between which the pieces hold, both included.
    low: Decimal,
    high: Decimal,
}

impl Tally {
    /// Prepares the sum; `None` for a pooled scope, whose health is not straight.
    #[must_use]
    pub fn of(scope: &ScopeMargin) -> Option<Self> {
        if scope.is_pooled() {
            return None;
        }
        let mut parts: Vec<Part> = Vec::new();
        for leg in &scope.legs {
            let symbol = &leg.key.symbol;
            let x = leg.coordinate(leg.mark);
            let piece = scope.straight_of(leg, x);
            let value = piece.slope.saturating_mul(x) + piece.offset;
            let (low, high) = scope.tier_bounds(leg);
            match parts.iter_mut().find(|part| part.symbol == *symbol) {
                Some(part) => {
                    part.slope += piece.slope;
                    part.offset += piece.offset;
                    part.value += value;
                    part.low = part.low.max(low);
                    part.high = part.high.min(high);
                }
                None => parts.push(Part {
                    symbol: symbol.clone(),
                    contract: leg.contract,
                    slope: piece.slope,
                    offset: piece.offset,
                    value,
                    low,
                    high,
                }),
            }
        }
        let held = scope.wallet.get() - scope.reserved.get() - scope.other_maintenance.get();
        Some(Self {
            several: parts.len() > 1,
            health: parts.iter().fold(held, |sum, part| sum + part.value),
            alive_at_zero: scope.rules.alive_at_line,
            parts,
        })
    }

    /// Takes a new mark of one symbol.
    pub fn on_mark(&mut self, symbol: &Symbol, mark: Price) -> Verdict {
        let Some(part) = self.parts.iter_mut().find(|part| part.symbol == *symbol) else {
            return Verdict::Foreign;
        };
        let mark = mark.get();
        if mark < part.low || mark > part.high {
            return Verdict::Outdated;
        }
        let others = self.health - part.value;
        let tested = match part.contract {
            ContractKind::Linear => {
                part.value = part.slope.saturating_mul(mark) + part.offset;
                self.health = others + part.value;
                self.health
            }
            ContractKind::Inverse => {
                let times_price = (others + part.offset).saturating_mul(mark) + part.slope;
                if self.several {
                    let quotient = part.slope.checked_div(mark).unwrap_or(Decimal::MAX);
                    part.value = quotient.saturating_add(part.offset);
                    self.health = others.saturating_add(part.value);
                }
                times_price
            }
        };
        let alive = tested > Decimal::ZERO || self.alive_at_zero && tested.is_zero();
        if alive {
            Verdict::Alive
        } else {
            Verdict::Liquidated
        }
    }

    /// Equity minus demand at the marks last seen; of a single inverse symbol at the mark it was
    /// made with.
    #[must_use]
    pub fn health(&self) -> Money {
        Money::of(self.health)
    }
}

impl ScopeMargin {
    /// Marks between which `leg` stays in the tier it is in, without the last one that divides badly.
    fn tier_bounds(&self, leg: &super::Leg) -> (Decimal, Decimal) {
        let everything = (Decimal::ZERO, Decimal::MAX);
        if self.rules.tier_by == super::TierBy::Contracts {
            return everything;
        }
        let tier = self.tier(leg, leg.notional(leg.mark));
        let face = leg.face();
        let price = |bound: Money| match leg.contract {
            ContractKind::Linear => bound.get().checked_div(face),
            ContractKind::Inverse => face.checked_div(bound.get()),
        };
        let floor = price(tier.floor);
        let cap = tier.cap.and_then(price);
        match leg.contract {
            ContractKind::Linear => (floor.unwrap_or(everything.0), cap.unwrap_or(everything.1)),
            ContractKind::Inverse => (cap.unwrap_or(everything.0), floor.unwrap_or(everything.1)),
        }
    }
}
