//! Where the line is: liquidation price, bankruptcy price, and the wallet a wished line needs.

use rust_decimal::Decimal;

use super::leg::Leg;
use super::rules::{CloseFee, ShownLine};
use super::scope::ScopeMargin;
use super::shock::Shock;
use crate::domain::{ContractKind, MarginMode, Money, Price, Side, Symbol};

/// Refinements after which the wallet for a wished line is exact enough: each one is a secant step.
const WALLET_STEPS: u32 = 8;

/// Where a scope is liquidated if only one symbol moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub price: Price,
    /// Is it a falling price that leads there?
    pub falls_hurt: bool,
}

/// Health over one stretch of `x`: `slope * x + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Straight {
    pub(super) slope: Decimal,
    pub(super) offset: Decimal,
}

/// Which end of the healthy range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Health rises with `x` here.
    Lower,
    Upper,
}

impl ScopeMargin {
    /// Price of `symbol` at which equity equals the demand, all other marks held, with the tier that
    /// is valid *at* that price. `None` when no price does it, or none would make the scope healthy.
    #[must_use]
    pub fn liquidation_price(&self, symbol: &Symbol) -> Option<Price> {
        self.line(symbol).map(|line| line.price)
    }

    /// The same with its direction. Health is concave in `x`, so it has at most one end on each side;
    /// with two the nearer one counts.
    #[must_use]
    pub fn line(&self, symbol: &Symbol) -> Option<Line> {
        if self.is_pooled() {
            return self.pooled_line(symbol);
        }
        let leg = self.legs_of(symbol).next()?;
        let hedged = self
            .legs_of(symbol)
            .any(|other| other.rises() != leg.rises());
        let others = self.legs.iter().filter(|leg| leg.key.symbol != *symbol);
        let held = self.health_of(others);
        let line = |end: End| {
            // Legs that all gain in one direction are healthy without end in it.
            if !hedged && leg.rises() != (end == End::Lower) {
                return None;
            }
            let (root, straight) = self.end(symbol, held, leg.coordinate(leg.mark), end)?;
            let price = match leg.contract {
                ContractKind::Linear => root,
                // Divided once more instead of inverting a rounded root.
                ContractKind::Inverse => (-straight.slope).checked_div(straight.offset)?,
            };
            Some(Line {
                price: Price::new(price).ok()?,
                falls_hurt: (end == End::Lower) == (leg.contract == ContractKind::Linear),
            })
        };
        nearer(line(End::Lower), line(End::Upper), leg.mark)
    }

    /// The liquidation price as the venue displays it, where that differs from the exact one.
    #[must_use]
    pub fn shown_line(&self, line: Line, tick: Decimal) -> Price {
        let shift = match (self.rules.shown_line, self.mode) {
            (ShownLine::Exact, _) | (ShownLine::IsolatedTickTowardMark, MarginMode::Cross) => {
                Decimal::ZERO
            }
            (ShownLine::IsolatedTickTowardMark, MarginMode::Isolated) if line.falls_hurt => tick,
            (ShownLine::IsolatedTickTowardMark, MarginMode::Isolated) => -tick,
        };
        Price::new(line.price.get() + shift).unwrap_or(line.price)
    }

    /// Does a falling price of `symbol` bring liquidation nearer? `None` without a leg there.
    #[must_use]
    pub fn falls_hurt(&self, symbol: &Symbol) -> Option<bool> {
        self.legs_of(symbol).next()?;
        let by_line = self.line(symbol).map(|line| line.falls_hurt);
        Some(by_line.unwrap_or_else(|| self.net_side(symbol) == Some(Side::Long)))
    }

    /// Price of `symbol` at which nothing is left of the equity, all other marks held; where the
    /// venue sets the close fee aside in an isolated wallet, nothing after that fee. `None` where
    /// there is none.
    #[must_use]
    pub fn bankruptcy_price(&self, symbol: &Symbol) -> Option<Price> {
        if self.is_pooled() {
            return None;
        }
        let mut straight = Straight {
            slope: Decimal::ZERO,
            offset: self.wallet.get() - self.reserved.get(),
        };
        let mut contract = None;
        for leg in &self.legs {
            if leg.key.symbol == *symbol {
                let fee = match (self.rules.close_fee, self.mode) {
                    (CloseFee::AtBankruptcy, MarginMode::Isolated) => self.taker_fee.get(),
                    (CloseFee::None | CloseFee::AtMark | CloseFee::AtBankruptcy, _) => {
                        Decimal::ZERO
                    }
                };
                straight.slope += leg.signed(leg.face()) - fee * leg.face();
                straight.offset -= leg.signed(leg.entry_value());
                contract = Some(leg.contract);
            } else {
                straight.offset += leg.profit(leg.mark).get();
            }
        }
        let price = match contract? {
            ContractKind::Linear => (-straight.offset).checked_div(straight.slope)?,
            ContractKind::Inverse => (-straight.slope).checked_div(straight.offset)?,
        };
        Price::new(price).ok()
    }

    /// Wallet with which the liquidation price of `symbol` would be `line`.
    #[must_use]
    pub fn wallet_for_line(&self, symbol: &Symbol, line: Price) -> Money {
        self.at_mark(symbol, line).balanced_wallet()
    }

    /// Wallet with which the scope would stand exactly on its line, at its present marks.
    pub(super) fn balanced_wallet(&self) -> Money {
        let mut moved = self.clone();
        // One unit more in the wallet is one unit more of health, less what its close fee takes.
        let mut gain = Decimal::ONE;
        for _ in 0..WALLET_STEPS {
            let health = moved.health();
            if health.is_zero() {
                break;
            }
            let step = -health.checked_div(gain).unwrap_or(health);
            moved.wallet += Money::of(step);
            let gained = moved.health().saturating_sub(health);
            gain = gained
                .checked_div(step)
                .filter(|gain| *gain > Decimal::ZERO)
                .unwrap_or(Decimal::ONE);
        }
        moved.wallet
    }

    /// Wallet plus profit minus demand of `legs` at their marks; not for a pool.
    pub(super) fn health_of<'a>(&self, legs: impl Iterator<Item = &'a Leg>) -> Decimal {
        let mut health = self.wallet.get() - self.reserved.get() - self.other_maintenance.get();
        for leg in legs {
            let value = leg.notional(leg.mark);
            let demand = self.demand_on(leg, value);
            health = health
                .saturating_add(leg.profit(leg.mark).get())
                .saturating_sub(value.get().saturating_mul(demand.rate))
                .saturating_add(demand.deduction);
            if self.rules.close_fee == CloseFee::AtBankruptcy {
                health = health.saturating_sub(self.fixed_fee(leg));
            }
        }
        health
    }

    /// Health around `x` if the legs of `symbol` alone depend on it.
    pub(super) fn straight(&self, symbol: &Symbol, held: Decimal, x: Decimal) -> Straight {
        let mut straight = Straight {
            slope: Decimal::ZERO,
            offset: held,
        };
        for leg in self.legs_of(symbol) {
            let own = self.straight_of(leg, x);
            straight.slope = straight.slope.saturating_add(own.slope);
            straight.offset = straight.offset.saturating_add(own.offset);
        }
        straight
    }

    /// The part of one leg in the health around `x`.
    pub(super) fn straight_of(&self, leg: &Leg, x: Decimal) -> Straight {
        let face = leg.face();
        let demand = self.demand_on(leg, Money::of(face.saturating_mul(x)));
        Straight {
            slope: leg
                .signed(face)
                .saturating_sub(face.saturating_mul(demand.rate)),
            offset: demand
                .deduction
                .saturating_sub(leg.signed(leg.entry_value()))
                .saturating_sub(self.fixed_fee(leg)),
        }
    }

    /// Where health is zero at this end of the healthy range, and its straight piece there. Newton's
    /// steps on a concave function: the first may overshoot to the unhealthy side, from where they
    /// approach the root without passing it, one tier or more at a time.
    fn end(
        &self,
        symbol: &Symbol,
        held: Decimal,
        mark: Decimal,
        end: End,
    ) -> Option<(Decimal, Straight)> {
        let right = |straight: &Straight| match end {
            End::Lower => straight.slope.is_sign_positive() && !straight.slope.is_zero(),
            End::Upper => straight.slope.is_sign_negative() && !straight.slope.is_zero(),
        };
        let mut straight = self.straight(symbol, held, mark);
        if !right(&straight) {
            let far = match end {
                End::Lower => Decimal::ZERO,
                End::Upper => self.beyond_tiers(symbol),
            };
            straight = self.straight(symbol, held, far);
        }
        // A step per tier and leg is the most there can be; rounded tables may make two pieces
        // name each other, so it is a limit and not a proof.
        let most: usize = self
            .legs_of(symbol)
            .map(|leg| leg.tiers.tiers().len())
            .sum();
        let mut root = None;
        for _ in 0..most + 2 {
            if !right(&straight) {
                return None;
            }
            let found = (-straight.offset).checked_div(straight.slope)?;
            root = Some((found, straight));
            let next = self.straight(symbol, held, found.max(Decimal::ZERO));
            if next == straight {
                break;
            }
            straight = next;
        }
        root
    }

    /// An `x` at which every leg of `symbol` is in its last tier.
    fn beyond_tiers(&self, symbol: &Symbol) -> Decimal {
        let last = self.legs_of(symbol).filter_map(|leg| {
            let floor = leg.tiers.tiers().last()?.floor.get();
            floor.checked_div(leg.face())
        });
        last.max().unwrap_or_default().saturating_add(Decimal::ONE)
    }

    /// The line of a scope whose collateral may move along.
    fn pooled_line(&self, symbol: &Symbol) -> Option<Line> {
        let mark = self.legs_of(symbol).next()?.mark;
        let reach = self.reach(&Shock::of(symbol));
        // From the wrong side of the line the search finds the way back.
        let alive = self.is_healthy();
        let line = |factor: Option<Decimal>, falls_hurt: bool| {
            Some(Line {
                price: Price::new(mark.get().saturating_mul(factor?)).ok()?,
                falls_hurt,
            })
        };
        nearer(
            line(reach.down.map(|share| Decimal::ONE - share.get()), alive),
            line(reach.up.map(|share| Decimal::ONE + share.get()), !alive),
            mark,
        )
    }
}

/// Of two ends the one that matters at `mark`: outside of both the one that was passed, between
/// them the nearer one.
fn nearer(one: Option<Line>, other: Option<Line>, mark: Price) -> Option<Line> {
    let (Some(one), Some(other)) = (one, other) else {
        return one.or(other);
    };
    let passed = |line: &Line| (mark <= line.price) == line.falls_hurt;
    if passed(&one) != passed(&other) {
        return Some(if passed(&one) { one } else { other });
    }
    let gap = |line: &Line| (line.price - mark).abs();
    Some(if gap(&one) <= gap(&other) { one } else { other })
}
