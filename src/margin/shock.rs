//! All symbols moved together, each by its beta: how far until the line?
//!
//! Along such a path an inverse contract and a linear one are not straight in the same variable, and
//! collateral moves too. The end is therefore searched: outward in steps, then by halving. Between
//! two steps an end and its counterpart could hide only if health were convex there, as it is for
//! inverse shorts, and even then only within one step.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::collateral::Collateral;
use super::leg::Leg;
use super::scope::ScopeMargin;
use crate::domain::{ContractKind, Money, Price, Rate, Symbol};

/// Steps down to nothing, each this share of the present price.
const STEPS_DOWN: u32 = 64;
/// Steps up: each multiplies the price by 17/16, to about 400 times it.
const STEPS_UP: u32 = 100;
/// Halvings of one step: below 1e-24 of the price.
const HALVINGS: u32 = 80;
/// The largest rise that is looked at, as far as [`STEPS_UP`] reach.
const HIGHEST_RISE: Decimal = Decimal::from_parts(428, 0, 0, false, 0);
/// Steps of the false position, at most; ten are usual.
const CLOSINGS: u32 = 200;
/// It ends where both ends are this near, as a share of the move.
const CLOSE_ENOUGH: Decimal = Decimal::from_parts(1, 0, 0, false, 12);
/// A step goes at least and at most this part of the way.
const LEAST_PART: Decimal = Decimal::from_parts(1, 0, 0, false, 6);
const MOST_PART: Decimal = Decimal::from_parts(999_999, 0, 0, false, 6);
/// The smallest factor on a price.
const LEAST_FACTOR: Decimal = Decimal::from_parts(1, 0, 0, false, 9);

/// A move of the whole market: a symbol's price changes by its beta times the move.
#[derive(Debug, Clone, PartialEq)]
pub struct Shock {
    /// Beta of symbols that are not named.
    pub default_beta: Rate,
    pub betas: BTreeMap<Symbol, Rate>,
}

/// How far a shock goes until the scope is liquidated, as a share of price at beta 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Fall, above 0; `None`: no fall does it.
    pub down: Option<Rate>,
    /// Rise, above 0; `None`: no rise within the search does it.
    pub up: Option<Rate>,
}

/// The scope along the path of a shock.
struct Path<'a> {
    scope: &'a ScopeMargin,
    shock: &'a Shock,
}

impl Shock {
    /// Every symbol by the same share.
    #[must_use]
    pub fn market() -> Self {
        Self {
            default_beta: Rate::ONE,
            betas: BTreeMap::new(),
        }
    }

    /// One symbol alone.
    #[must_use]
    pub fn of(symbol: &Symbol) -> Self {
        Self {
            default_beta: Rate::ZERO,
            betas: BTreeMap::from([(symbol.clone(), Rate::ONE)]),
        }
    }

    fn beta(&self, symbol: &Symbol) -> Decimal {
        self.betas.get(symbol).unwrap_or(&self.default_beta).get()
    }
}

impl ScopeMargin {
    /// How far `shock` goes in each direction until equity equals the demand. For a scope that is
    /// not healthy now: how far until it would be.
    #[must_use]
    pub fn reach(&self, shock: &Shock) -> Reach {
        let path = Path { scope: self, shock };
        if let Some(reach) = path.straight_reach() {
            return reach;
        }
        let down = (1..STEPS_DOWN).map(|step| -(Decimal::from(step) / Decimal::from(STEPS_DOWN)));
        let last = LEAST_FACTOR - Decimal::ONE;
        let growth = Decimal::from(17) / Decimal::from(16);
        let up = (0..STEPS_UP).scan(Decimal::ONE, move |factor, _| {
            *factor = factor.saturating_mul(growth);
            Some(*factor - Decimal::ONE)
        });
        Reach {
            down: path
                .first_change(down.chain([last]))
                .map(|share| Rate::of(-share)),
            up: path.first_change(up).map(Rate::of),
        }
    }

    /// Wallet with which `shock` would lead to liquidation at the size `share` (negative: a fall).
    #[must_use]
    pub fn wallet_for_shock(&self, shock: &Shock, share: Rate) -> Money {
        self.after_shock(shock, share).balanced_wallet()
    }

    /// The scope after `shock` of size `share` (negative: a fall).
    #[must_use]
    pub fn after_shock(&self, shock: &Shock, share: Rate) -> Self {
        let mut after = self.clone();
        for leg in &mut after.legs {
            leg.mark = moved(leg.mark, shock.beta(&leg.key.symbol), share.get());
        }
        for asset in &mut after.collateral {
            if let Some(symbol) = &asset.follows {
                asset.price = moved(asset.price, shock.beta(symbol), share.get());
            }
        }
        after
    }
}

impl Path<'_> {
    /// The same where health is concave along the path: linear contracts without pooled collateral,
    /// alive now. Then it crosses zero once in each direction, or never.
    fn straight_reach(&self) -> Option<Reach> {
        let linear = self
            .scope
            .legs
            .iter()
            .all(|leg| leg.contract == ContractKind::Linear);
        let now = self.health(Decimal::ZERO);
        if !linear || !self.scope.collateral.is_empty() || !self.scope.outlives(now) {
            return None;
        }
        let down = self.crossing(now, LEAST_FACTOR - Decimal::ONE);
        let up = self.crossing(now, HIGHEST_RISE);
        Some(Reach {
            down: down.map(|share| Rate::of(-share)),
            up: up.map(Rate::of),
        })
    }

    /// Where health falls to zero between here and the share `far`, by false position; an end that
    /// stays is given half of its weight (the "Illinois" rule), so that both ends close in.
    fn crossing(&self, now: Decimal, far: Decimal) -> Option<Decimal> {
        let (mut alive, mut dead) = (Decimal::ZERO, far);
        let (mut above, mut below) = (now, self.health(far));
        if self.scope.outlives(below) {
            return None;
        }
        let mut last = None;
        for _ in 0..CLOSINGS {
            let gap = (dead - alive).abs();
            let width = above.checked_sub(below).filter(|width| !width.is_zero())?;
            if gap <= dead.abs() * CLOSE_ENOUGH {
                break;
            }
            let part = above.checked_div(width)?.clamp(LEAST_PART, MOST_PART);
            let middle = alive + (dead - alive) * part;
            let health = self.health(middle);
            let lives = self.scope.outlives(health);
            if lives {
                (alive, above) = (middle, health);
            } else {
                (dead, below) = (middle, health);
            }
            if last == Some(lives) {
                if lives {
                    below /= Decimal::TWO;
                } else {
                    above /= Decimal::TWO;
                }
            }
            last = Some(lives);
        }
        Some(dead)
    }

    /// Where health first changes its sign on the way along `shares`.
    fn first_change(&self, shares: impl Iterator<Item = Decimal>) -> Option<Decimal> {
        let alive = self.is_alive(Decimal::ZERO);
        let mut near = Decimal::ZERO;
        for far in shares {
            if self.is_alive(far) != alive {
                return Some(self.halve(near, far, alive));
            }
            near = far;
        }
        None
    }

    fn halve(&self, mut near: Decimal, mut far: Decimal, alive: bool) -> Decimal {
        for _ in 0..HALVINGS {
            let middle = (near + far) / Decimal::TWO;
            if middle == near || middle == far {
                break;
            }
            if self.is_alive(middle) == alive {
                near = middle;
            } else {
                far = middle;
            }
        }
        // The side on which the scope is not alive.
        if alive { far } else { near }
    }

    fn is_alive(&self, share: Decimal) -> bool {
        self.scope.outlives(self.health(share))
    }

    fn health(&self, share: Decimal) -> Decimal {
        let mark = |leg: &Leg| moved(leg.mark, self.shock.beta(&leg.key.symbol), share);
        let price = |asset: &Collateral| match &asset.follows {
            Some(symbol) => moved(asset.price, self.shock.beta(symbol), share).get(),
            None => asset.price.get(),
        };
        let equity = self.scope.equity_where(mark, price);
        let demand = self.scope.demand_where(mark, price);
        equity.saturating_sub(demand)
    }
}

/// `price` after a shock; never below a sliver of it.
fn moved(price: Price, beta: Decimal, share: Decimal) -> Price {
    let factor = (Decimal::ONE + beta.saturating_mul(share)).max(LEAST_FACTOR);
    Price::of(price.get().saturating_mul(factor))
}
