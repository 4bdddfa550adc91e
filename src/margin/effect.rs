//! The exact state after an action.
//!
//! Each function returns the scope afterwards and what flowed out of it into the free balance of the
//! account (negative: what it drew from there). A cross scope takes everything itself.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::leg::Leg;
use super::rules::{FundingFrom, LeverageChange, PartialClose};
use super::scope::ScopeMargin;
use crate::domain::{
    ContractKind, Leverage, MarginMode, Money, PositionKey, Price, Quantity, Rate, Side, Symbol,
    TierTable,
};

/// A scope after an action.
#[derive(Debug, Clone, PartialEq)]
pub struct After {
    pub scope: ScopeMargin,
    /// What an isolated scope gave to the free balance; negative: what it took.
    pub freed: Money,
}

/// A partial close to be computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reduction {
    /// At most the size of the position, in contracts.
    pub quantity: Quantity,
    /// Expected average price.
    pub price: Price,
    /// Taker fee as a fraction of the value closed.
    pub fee: Rate,
}

/// A fill to be computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fill {
    /// Direction of the trade: `Long` buys.
    pub side: Side,
    /// In contracts.
    pub quantity: Quantity,
    pub price: Price,
    /// Fee as a fraction of the value traded.
    pub fee: Rate,
}

impl ScopeMargin {
    /// The scope after `amount` was added to its wallet (removed when negative).
    #[must_use]
    pub fn after_add(&self, amount: Money) -> Self {
        let mut after = self.clone();
        after.wallet += amount;
        after
    }

    /// After a partial close of `key`. A cross wallet takes the result itself.
    #[must_use]
    pub fn after_reduce(&self, key: &PositionKey, cut: Reduction) -> After {
        let mut after = self.clone();
        let freed = after.reduce(key, cut);
        after.legs.retain(|leg| leg.quantity.is_positive());
        after.count_families();
        After {
            scope: after,
            freed,
        }
    }

    /// After a partial close whose freed margin is put back. A cross scope keeps it anyway. `freed`
    /// is what a loss larger than the released margin drew from the free balance.
    #[must_use]
    pub fn after_recycle(&self, key: &PositionKey, cut: Reduction) -> After {
        let mut after = self.after_reduce(key, cut);
        if after.freed.is_positive() && !after.scope.legs.is_empty() {
            after.scope.wallet += after.freed;
            after.freed = Money::ZERO;
        }
        after
    }

    /// After a fill in the slot of `key`: grows, shrinks or turns the position there. A fill that
    /// grows an isolated position takes its initial margin from the free balance; without a known
    /// leverage it takes none, which errs on the side of danger. `None` when the slot is empty.
    #[must_use]
    pub fn after_fill(&self, key: &PositionKey, fill: Fill) -> Option<After> {
        let held = self.leg(key)?;
        if fill.side == held.side {
            return Some(self.after_growth(key, fill));
        }
        let closed = fill.quantity.min(held.quantity);
        let cut = Reduction {
            quantity: closed,
            price: fill.price,
            fee: fill.fee,
        };
        let rest = fill.quantity - closed;
        if !rest.is_positive() {
            return Some(self.after_reduce(key, cut));
        }
        let turned = Leg {
            side: fill.side,
            quantity: Quantity::ZERO,
            entry: fill.price,
            ..held.clone()
        };
        let mut after = self.after_reduce(key, cut);
        after.scope.legs.push(turned);
        let grown = after.scope.after_growth(
            key,
            Fill {
                quantity: rest,
                ..fill
            },
        );
        Some(After {
            freed: after.freed + grown.freed,
            scope: grown.scope,
        })
    }

    /// After one funding time of `symbol`: a positive `rate` is paid by longs, on the value at
    /// `price`. `free` is the free balance, from which some venues take it first.
    #[must_use]
    pub fn after_funding(&self, symbol: &Symbol, rate: Rate, price: Price, free: Money) -> After {
        let mut after = self.clone();
        let mut drawn = Money::ZERO;
        for leg in self.legs_of(symbol) {
            let by_long = leg.notional(price) * rate;
            let due = match leg.side {
                Side::Long => by_long,
                Side::Short => -by_long,
            };
            let from_free = match (self.rules.funding_from, self.mode) {
                (FundingFrom::Wallet, _) | (_, MarginMode::Cross) => Money::ZERO,
                (FundingFrom::FreeBalanceFirst, MarginMode::Isolated) => {
                    due.min((free - drawn).max(Money::ZERO))
                }
            };
            drawn += from_free;
            after.settle(leg, -(due - from_free));
        }
        After {
            scope: after,
            freed: -drawn,
        }
    }

    /// After the venue gave `symbol` another tier table.
    #[must_use]
    pub fn after_tiers(&self, symbol: &Symbol, tiers: &Arc<TierTable>) -> Self {
        let mut after = self.clone();
        for leg in &mut after.legs {
            if leg.key.symbol == *symbol {
                leg.tiers = Arc::clone(tiers);
            }
        }
        after
    }

    /// After the leverage of `key` was changed.
    #[must_use]
    pub fn after_leverage(&self, key: &PositionKey, leverage: Leverage) -> After {
        let mut after = self.clone();
        let mut freed = Money::ZERO;
        for leg in after.legs.iter_mut().filter(|leg| leg.key == *key) {
            leg.leverage = Some(leverage);
        }
        let books_anew = self.rules.leverage_change == LeverageChange::BooksAnew;
        if let (true, MarginMode::Isolated, Some(leg)) = (books_anew, self.mode, after.leg(key))
            && let Some(margin) = after.leg_initial_margin(leg)
        {
            freed = after.wallet - margin;
            after.wallet = margin;
        }
        After {
            scope: after,
            freed,
        }
    }

    /// Takes `cut` out of the position; returns what went to the free balance.
    fn reduce(&mut self, key: &PositionKey, cut: Reduction) -> Money {
        let Some(leg) = self.legs.iter_mut().find(|leg| leg.key == *key) else {
            return Money::ZERO;
        };
        let quantity = cut.quantity.min(leg.quantity).max(Quantity::ZERO);
        let share = quantity.ratio(leg.quantity).unwrap_or(Rate::ONE);
        let closes = quantity == leg.quantity;
        let fee = leg.value_of(quantity, cut.price) * cut.fee;
        let result = leg.result_of(quantity, cut.price) - fee;
        leg.quantity -= quantity;
        match (self.mode, self.rules.partial_close) {
            (MarginMode::Isolated, PartialClose::ReleasesProRata) => {
                let released = self.wallet * share;
                self.wallet -= released;
                released + result
            }
            (MarginMode::Isolated, PartialClose::KeepsMargin) if closes => {
                std::mem::take(&mut self.wallet) + result
            }
            (MarginMode::Isolated, PartialClose::KeepsMargin) => {
                self.wallet += result;
                Money::ZERO
            }
            (MarginMode::Cross, _) => {
                let leg = self.legs.iter().find(|leg| leg.key == *key).cloned();
                if let Some(leg) = leg {
                    self.settle(&leg, result);
                }
                Money::ZERO
            }
        }
    }

    fn after_growth(&self, key: &PositionKey, fill: Fill) -> After {
        let mut after = self.clone();
        let mut freed = Money::ZERO;
        let Some(leg) = after.legs.iter_mut().find(|leg| leg.key == *key) else {
            return After {
                scope: after,
                freed,
            };
        };
        let booked = self.leg(key).map_or(Money::ZERO, |held| self.booked(held));
        leg.entry = average(leg, fill);
        leg.quantity += fill.quantity;
        let fee = leg.value_of(fill.quantity, fill.price) * fill.fee;
        let leg = leg.clone();
        match self.mode {
            MarginMode::Isolated => {
                let margin = after.booked(&leg) - booked;
                after.wallet += margin;
                freed = -margin;
                if self.rules.fee_from_wallet {
                    after.wallet -= fee;
                } else {
                    freed -= fee;
                }
            }
            MarginMode::Cross => after.settle(&leg, -fee),
        }
        after.count_families();
        After {
            scope: after,
            freed,
        }
    }

    /// Margin that the venue books for `leg` at opening: initial margin on the entry value, and the
    /// close fee where one is set aside.
    fn booked(&self, leg: &Leg) -> Money {
        let margin = leg.initial_margin(leg.entry).unwrap_or(Money::ZERO);
        match self.rules.close_fee {
            super::CloseFee::None | super::CloseFee::AtMark => margin,
            super::CloseFee::AtBankruptcy => margin + self.booked_fee(leg),
        }
    }

    /// Books `amount` in the asset of `leg`.
    fn settle(&mut self, leg: &Leg, amount: Money) {
        let place = self.place(leg);
        match place.and_then(|place| self.collateral.get_mut(place)) {
            Some(asset) => asset.amount += amount,
            None => self.wallet += amount,
        }
    }
}

/// Average entry price after a fill: by base units (linear) or by value in coin (inverse).
fn average(leg: &Leg, fill: Fill) -> Price {
    let (held, more) = (leg.quantity.get(), fill.quantity.get());
    let all = held.saturating_add(more);
    let weighted = match leg.contract {
        ContractKind::Linear => {
            let paid = held * leg.entry.get() + more * fill.price.get();
            paid.checked_div(all)
        }
        ContractKind::Inverse => {
            let coins = held
                .checked_div(leg.entry.get())
                .zip(more.checked_div(fill.price.get()))
                .map(|(held, more)| held.saturating_add(more));
            coins.and_then(|coins| all.checked_div(coins))
        }
    };
    weighted.map_or(fill.price, |price: Decimal| Price::of(price))
}
