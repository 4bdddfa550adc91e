//! The way out of one position: what closing any part of it would bring, and which parts are enough.

use rust_decimal::Decimal;

use super::{LEAST_ADD, MONEY_STEP, Situation};
use crate::domain::{Instrument, Ladder, MarginMode, Money, Price, Quantity, Rate, Side};
use crate::forecast::rate_up;
use crate::margin::{Leg, PartialClose, Reduction, Shock, Trial};

/// The unseen book is taken to go on for at most this many times the seen one.
const DEEPEST: Rate = Rate::of(Decimal::TEN);
/// With higher fees every size is looked at.
const DEAREST: Rate = Rate::of(Decimal::from_parts(5, 0, 0, false, 2));
/// A verdict on a trim is sure where the health differs from zero by more than this share of the value
/// of all positions: ten times what rounding the distance aimed at to eight places may change …
const UNSURE: Rate = Rate::of(Decimal::from_parts(1, 0, 0, false, 7));
/// … and, where freed margin is put back in whole steps, by more than two of these.
const UNSURE_STEPS: Rate = Rate::of(Decimal::TWO);

/// What all trims of one leg have in common.
pub(super) struct Exit<'a> {
    pub(super) leg: &'a Leg,
    pub(super) instrument: &'a Instrument,
    pub(super) fee: Rate,
    /// The book that they would walk, if a fresh one is known.
    ladder: Option<Ladder>,
    slip: Rate,
}

impl<'a> Situation<'a> {
    /// `None` where the trading rules of `leg` are not known.
    pub(super) fn exit(&self, leg: &'a Leg) -> Option<Exit<'a>> {
        let instrument = self.desk.rules.get(&leg.key.symbol)?.instrument.as_ref()?;
        let feed = self.desk.feeds.get(&leg.key.symbol);
        let ladder = feed.and_then(|feed| {
            let book = feed.book.as_ref()?;
            let age = feed.mark_at.since(book.at);
            let fresh = age <= self.policy.freshness.mark_ms && !self.imagined;
            fresh.then(|| book.ladder(leg.side, leg.quantity))
        });
        Some(Exit {
            leg,
            instrument,
            fee: self.desk.fee(&leg.key.symbol, self.policy),
            ladder,
            slip: self.policy.fallback_slippage,
        })
    }
}

impl Exit<'_> {
    /// The reduction by `quantity` that is expected.
    pub(super) fn order(&self, quantity: Quantity) -> Reduction {
        Reduction {
            quantity,
            price: self.price(quantity),
            fee: self.fee,
        }
    }

    /// Average price of walking the book; without one the fallback slippage is expected.
    pub(super) fn price(&self, quantity: Quantity) -> Price {
        let mark = self.leg.mark;
        let Some(notional) = self.walked(quantity) else {
            return mark * self.slipped();
        };
        let average = notional.per(quantity).unwrap_or(mark);
        match self.leg.side {
            Side::Long => average.min(mark),
            Side::Short => average.max(mark),
        }
    }

    /// What the book takes for `quantity`. Beyond what is seen of it the price goes on as steeply as
    /// within, and by the fallback slippage at least. `None` without a book.
    fn walked(&self, quantity: Quantity) -> Option<Money> {
        let fill = self.ladder.as_ref()?.fill(quantity)?;
        if !fill.quantity.is_positive() {
            return None;
        }
        let beyond = quantity - fill.quantity;
        if beyond.is_zero() {
            return Some(fill.notional);
        }
        let depth = (fill.worst - self.leg.mark).abs();
        let times = beyond.ratio(fill.quantity).unwrap_or(Rate::ZERO);
        let deeper = depth * times.min(DEEPEST) * Rate::of(Decimal::new(5, 1));
        let steep = match self.leg.side {
            Side::Long => fill.worst - deeper,
            Side::Short => fill.worst + deeper,
        };
        let flat = fill.worst * self.slipped();
        let further = match self.leg.side {
            Side::Long => steep.min(flat).max(Price::ZERO),
            Side::Short => steep.max(flat),
        };
        Some(fill.notional + further * beyond)
    }

    fn slipped(&self) -> Rate {
        match self.leg.side {
            Side::Long => Rate::ONE - self.slip,
            Side::Short => Rate::ONE + self.slip,
        }
    }

    /// What closing `quantity` realises, fees taken off: the same as by [`Exit::price`], without a
    /// division.
    fn result(&self, quantity: Quantity) -> Money {
        let at_mark = self.leg.mark * quantity;
        let got = match (self.walked(quantity), self.leg.side) {
            (None, _) => at_mark * self.slipped(),
            (Some(notional), Side::Long) => notional.min(at_mark),
            (Some(notional), Side::Short) => notional.max(at_mark),
        };
        let spent = self.leg.entry * quantity;
        let profit = match self.leg.side {
            Side::Long => got - spent,
            Side::Short => spent - got,
        };
        profit - got * self.fee
    }
}

/// Tells of most trims whether they bring the nearest line to the distance aimed at or beyond, without
/// the exact state after each: by the sign of the health at the price aimed at. Of the others it says
/// nothing. The size that is found is described by its exact state in any case.
pub(super) struct Sieve<'a> {
    exit: &'a Exit<'a>,
    trial: Trial,
    /// Margin per contract, where a trim releases it and only what is worth it is put back.
    released: Option<Rate>,
    /// Equity minus demand now, and the profit per contract in it.
    health: Money,
    gain: Price,
    unsure: Money,
    /// A trim of this size passes every filter, and a rest of it is no dust to any.
    smallest: Quantity,
}

impl<'a> Sieve<'a> {
    /// `None` where each trim must be looked at.
    pub(super) fn of(situation: &Situation<'_>, exit: &'a Exit<'a>, aim: f64) -> Option<Self> {
        let (margin, leg) = (situation.margin, exit.leg);
        let part = rate_up(aim);
        let base_units = leg.contract_size == Decimal::ONE;
        if !base_units || !part.is_positive() || part >= Rate::ONE {
            return None;
        }
        // What is dead already, or comes alive by a rebate, has other rules for its line.
        let health = margin.equity() - margin.demand();
        if !health.is_positive() || exit.fee.is_negative() || exit.fee > DEAREST {
            return None;
        }
        let share = if situation.falls_hurt { -part } else { part };
        let symbol = &situation.key.symbol;
        let shock = match situation.crash {
            Some(crash) => crash,
            None if margin.is_all_in(symbol) => &Shock::of(symbol),
            None => return None,
        };
        let trial = margin.trial(&leg.key, shock, share)?;
        let value: Money = margin.legs.iter().map(|leg| leg.notional(leg.mark)).sum();
        let releases = margin.rules.partial_close == PartialClose::ReleasesProRata;
        let (released, steps) = match situation.mode() {
            MarginMode::Cross => (None, Money::ZERO),
            MarginMode::Isolated if releases => {
                let part = margin.wallet.get().checked_div(leg.quantity.get())?;
                let steps = Money::of(MONEY_STEP) * UNSURE_STEPS;
                (Some(Rate::of(part)), steps)
            }
            MarginMode::Isolated => (None, Money::ZERO),
        };
        let lot = exit.instrument.market_lot;
        let least_value = exit.instrument.min_notional.at(leg.mark)?;
        let smallest = (least_value * Rate::of(Decimal::TWO)).max(lot.min) + Quantity::of(lot.step);
        Some(Self {
            exit,
            trial,
            released,
            health,
            gain: match leg.side {
                Side::Long => leg.mark - leg.entry,
                Side::Short => leg.entry - leg.mark,
            },
            unsure: value * UNSURE + steps,
            smallest,
        })
    }

    /// Is a trim by `quantity`, a whole number of lots, enough? `None`: look at it.
    pub(super) fn verdict(&self, quantity: Quantity) -> Option<bool> {
        let rest = self.exit.leg.quantity - quantity;
        if quantity < self.smallest || rest < self.smallest {
            return None;
        }
        let result = self.exit.result(quantity);
        // What a trim costs must not itself be the end: a dead scope has other rules for its line.
        if self.health + result - self.gain * quantity < self.unsure {
            return None;
        }
        if let Some(released) = self.released {
            let freed = Money::of(quantity.get().saturating_mul(released.get())) + result;
            if freed < LEAST_ADD + self.unsure {
                return None;
            }
        }
        let health = self.trial.health(quantity, result);
        (health.abs() > self.unsure).then(|| health.is_positive())
    }
}
