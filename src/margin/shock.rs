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
use super::line::Straight;
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
/// Pieces that are looked at for a root; two are usual.
const ROOT_STEPS: u32 = 16;
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
        Reach {
            down: self.reach_down(shock),
            up: self.reach_up(shock),
        }
    }

    /// Wallet with which `shock` would lead to liquidation at the size `share` (negative: a fall).
    #[must_use]
    pub fn wallet_for_shock(&self, shock: &Shock, share: Rate) -> Money {
        self.after_shock(shock, share).balanced_wallet()
    }

    /// The fall in [`ScopeMargin::reach`].
    #[must_use]
    pub fn reach_down(&self, shock: &Shock) -> Option<Rate> {
        let path = Path { scope: self, shock };
        let share = path.end(LEAST_FACTOR - Decimal::ONE, || {
            let steps = 1..STEPS_DOWN;
            let down = steps.map(|step| -(Decimal::from(step) / Decimal::from(STEPS_DOWN)));
            path.first_change(down.chain([LEAST_FACTOR - Decimal::ONE]))
        });
        share.map(|share| Rate::of(-share))
    }

    /// The rise in [`ScopeMargin::reach`].
    #[must_use]
    pub fn reach_up(&self, shock: &Shock) -> Option<Rate> {
        let path = Path { scope: self, shock };
        let share = path.end(HIGHEST_RISE, || {
            let growth = Decimal::from(17) / Decimal::from(16);
            let up = (0..STEPS_UP).scan(Decimal::ONE, move |factor, _| {
                *factor = factor.saturating_mul(growth);
                Some(*factor - Decimal::ONE)
            });
            path.first_change(up)
        });
        share.map(Rate::of)
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
    /// Where the path ends on the way to the share `far`. Health is concave along it with linear
    /// contracts, without pooled collateral and alive now: then it crosses zero once in each direction,
    /// or never. Everything else is `searched`.
    fn end(&self, far: Decimal, searched: impl FnOnce() -> Option<Decimal>) -> Option<Decimal> {
        let mut contracts = self.scope.legs.iter().map(|leg| leg.contract);
        let linear = contracts.all(|contract| contract == ContractKind::Linear);
        if !linear || self.scope.is_pooled() {
            return searched();
        }
        if let Some(root) = self.root(far) {
            return Some(root);
        }
        let now = self.health(Decimal::ZERO);
        if !self.scope.outlives(now) {
            return searched();
        }
        self.crossing(now, far)
    }

    /// Where health is zero, by its straight pieces: Newton's steps on a concave function come from the
    /// dead side and end on the piece that holds the root. `None` where that is not sure to be the only
    /// end, or where it is not there: some leg gains on the way, or a price is at its least.
    fn root(&self, far: Decimal) -> Option<Decimal> {
        let falls = far.is_sign_negative();
        let beta = |leg: &Leg| self.shock.beta(&leg.key.symbol);
        let legs: Vec<(&Leg, Decimal)> =
            self.scope.legs.iter().map(|leg| (leg, beta(leg))).collect();
        let hurt = |(leg, beta): &(&Leg, Decimal)| leg.rises() == falls && !beta.is_sign_negative();
        let mut piece = self.piece(&legs, Decimal::ZERO)?;
        if piece.offset <= Decimal::ZERO || !legs.iter().all(hurt) {
            return None;
        }
        for _ in 0..ROOT_STEPS {
            let root = (-piece.offset).checked_div(piece.slope)?;
            if root.is_sign_negative() != falls || root.abs() > far.abs() {
                return None;
            }
            let next = self.piece(&legs, root)?;
            if next == piece {
                return Some(root);
            }
            piece = next;
        }
        None
    }

    /// Health as a function of the share, around `share`. `None` where a price is at its least.
    fn piece(&self, legs: &[(&Leg, Decimal)], share: Decimal) -> Option<Straight> {
        let scope = self.scope;
        let mut health = Straight {
            slope: Decimal::ZERO,
            offset: scope.wallet.get() - scope.reserved.get() - scope.other_maintenance.get(),
        };
        for (leg, beta) in legs {
            let factor = Decimal::ONE + beta.saturating_mul(share);
            if factor <= LEAST_FACTOR {
                return None;
            }
            let mark = leg.mark.get();
            let own = scope.straight_of(leg, mark.saturating_mul(factor));
            let at_mark = own.slope.saturating_mul(mark);
            health.slope = health.slope.saturating_add(at_mark.saturating_mul(*beta));
            health.offset = health
                .offset
                .saturating_add(at_mark.saturating_add(own.offset));
        }
        Some(health)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        MarginMode, Money, PositionKey, PositionSide, Quantity, Side, Tier, TierTable,
    };

    /// Longs or shorts in some symbols at a price of 100, bought with `wallet`.
    fn crowd(side: Side, sizes: &[i64], wallet: i64) -> ScopeMargin {
        let rate = |permille: i64| Decimal::new(permille, 3);
        let tiers = vec![
            Tier::of(0, Some(10_000), rate(4), Decimal::ZERO, 100),
            Tier::of(10_000, Some(60_000), rate(10), Decimal::from(60), 50),
            Tier::of(60_000, None, rate(50), Decimal::from(2_460), 10),
        ];
        let tiers = Arc::new(TierTable::new(tiers).expect("a table"));
        let price = Price::of(Decimal::ONE_HUNDRED);
        let legs = sizes.iter().enumerate().map(|(index, size)| {
            let key = PositionKey {
                symbol: Symbol::new(&format!("S{index}")),
                position_side: PositionSide::Both,
            };
            let quantity = Quantity::of(Decimal::new(*size, 1));
            Leg::linear(key, side, quantity, price, price, Arc::clone(&tiers))
        });
        let wallet = Money::of(Decimal::from(wallet));
        ScopeMargin::binance_usdm(MarginMode::Cross, wallet, legs.collect())
    }

    proptest! {
        /// By its pieces and by false position the end is the same, as near as the latter goes.
        #[test]
        fn both_ways_to_an_end_agree(
            long in any::<bool>(),
            sizes in prop::collection::vec(1_i64..9_000, 1..5),
            wallet in 500_i64..200_000,
            betas in prop::collection::vec(0_i64..300, 5),
        ) {
            let scope = crowd(if long { Side::Long } else { Side::Short }, &sizes, wallet);
            let mut shock = Shock::of(&scope.legs[0].key.symbol);
            for (leg, beta) in scope.legs.iter().zip(betas).skip(1) {
                shock.betas.insert(leg.key.symbol.clone(), Rate::of(Decimal::new(beta, 2)));
            }
            let path = Path { scope: &scope, shock: &shock };
            let far = if long { LEAST_FACTOR - Decimal::ONE } else { HIGHEST_RISE };
            let now = path.health(Decimal::ZERO);
            prop_assume!(now > Decimal::ZERO);
            let found = path.crossing(now, far);
            if let Some(root) = path.root(far) {
                let found = found.expect("an end");
                let apart = (found - root).abs() / found.abs();
                prop_assert!(apart < Decimal::new(2, 12), "{root} {found}");
            }
            // There is none on the way on which every leg gains.
            prop_assert_eq!(path.root(if long { HIGHEST_RISE } else { LEAST_FACTOR - Decimal::ONE }), None);
        }
    }
}
