//! A scope as one symbol sees it: the legs of all others folded into constants.
//!
//! A line holds all other marks. Their profit and their demand are therefore numbers, and the scope
//! that is left has one or two legs. Without this, an account of `n` positions would cost `n²`.

use std::collections::BTreeMap;

use super::leg::Leg;
use super::rules::CloseFee;
use super::scope::ScopeMargin;
use crate::domain::{Money, Symbol};

/// Sums over a scope and its legs by symbol.
#[derive(Debug)]
pub struct Folded<'a> {
    scope: &'a ScopeMargin,
    /// The scope without its legs.
    bare: ScopeMargin,
    legs: BTreeMap<&'a Symbol, Vec<&'a Leg>>,
    /// By place of the settlement asset among the collateral; `None`: the scope's own.
    sums: BTreeMap<Option<usize>, Sum<'a>>,
}

#[derive(Debug, Default)]
struct Sum<'a> {
    held: Held,
    legs: Vec<&'a Leg>,
}

/// Profit and demand of some legs, in their settlement asset.
#[derive(Debug, Default, Clone, Copy)]
struct Held {
    profit: Money,
    demand: Money,
}

impl<'a> Folded<'a> {
    /// Adds up `scope` once, for any number of symbols.
    #[must_use]
    pub fn of(scope: &'a ScopeMargin) -> Self {
        let bare = ScopeMargin {
            legs: Vec::new(),
            collateral: scope.collateral.clone(),
            ..*scope
        };
        let mut folded = Self {
            scope,
            bare,
            legs: BTreeMap::new(),
            sums: BTreeMap::new(),
        };
        for leg in &scope.legs {
            folded.legs.entry(&leg.key.symbol).or_default().push(leg);
            let held = folded.held(leg);
            let sum = folded.sums.entry(scope.place(leg)).or_default();
            sum.held.profit += held.profit;
            sum.held.demand += held.demand;
            sum.legs.push(leg);
        }
        folded
    }

    /// The scope with the legs of `symbol` alone; every price of `symbol` gives it the same health.
    #[must_use]
    pub fn on(&self, symbol: &Symbol) -> ScopeMargin {
        let mut alone = self.bare.clone();
        let own = self.legs.get(symbol).map(Vec::as_slice).unwrap_or_default();
        for (place, sum) in &self.sums {
            let asset = place.and_then(|place| alone.collateral.get_mut(place));
            // Where the asset itself moves with the symbol, what is settled in it is no constant.
            if asset
                .as_ref()
                .is_some_and(|asset| asset.follows.as_ref() == Some(symbol))
            {
                alone.legs.extend(sum.legs.iter().copied().cloned());
                continue;
            }
            let mut others = sum.held;
            for leg in own.iter().copied() {
                if self.scope.place(leg) == *place {
                    let held = self.held(leg);
                    others.profit -= held.profit;
                    others.demand -= held.demand;
                    alone.legs.push(leg.clone());
                }
            }
            match asset {
                None => {
                    alone.wallet += others.profit;
                    alone.other_maintenance += others.demand;
                }
                Some(asset) => {
                    let in_unit =
                        |amount: Money| Money::of(amount.get().saturating_mul(asset.price.get()));
                    alone.other_maintenance += in_unit(others.demand);
                    if self.scope.rules.discounts_profit {
                        asset.amount += others.profit;
                    } else {
                        alone.wallet += in_unit(others.profit);
                    }
                }
            }
        }
        alone
    }

    fn held(&self, leg: &Leg) -> Held {
        let mut demand = self.scope.leg_maintenance(leg, leg.mark);
        if self.scope.rules.close_fee == CloseFee::AtMark {
            demand += self.scope.leg_close_fee(leg, leg.mark);
        }
        Held {
            profit: leg.profit(leg.mark),
            demand,
        }
    }
}
