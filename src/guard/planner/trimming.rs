//! Trims: how much of which position, and the exact state after each.

use rust_decimal::Decimal;

use super::exit::{Exit, Sieve};
use super::{Candidate, LEAST_ADD, LEAST_GAIN, MONEY_STEP, Situation};
use crate::domain::{Instrument, MarginMode, Money, PositionMode, Price, Quantity, Rate, Side};
use crate::forecast::schedule::{Want, want};
use crate::forecast::{exceeds, rate_up};
use crate::guard::intent::IntentKind;
use crate::guard::watch::{line_together, line_under, more_dangerous};
use crate::margin::{After, Leg, Reduction, ScopeMargin};

/// Halvings when a trim size is searched: to a 256th of the largest.
const SEARCH_STEPS: u32 = 8;
/// Bounded orders stop this share before the venue's own bound.
const INSIDE_BOUND: Decimal = Decimal::from_parts(9, 0, 0, false, 1);
/// Bound used when the venue states none.
const FALLBACK_BOUND: Decimal = Decimal::from_parts(3, 0, 0, false, 2);

/// The state that a trim leads to.
pub(super) struct Cut {
    order: Reduction,
    recycle: bool,
    after: ScopeMargin,
    line_after: Option<Price>,
    distance_after: f64,
}

impl Situation<'_> {
    /// For each position that may be trimmed the size that does what the danger asks for: the nearest
    /// one gives up a share or restores a distance, the others do as much for the same line.
    pub(super) fn trims(&self) -> Vec<Candidate> {
        let mut trims: Vec<Candidate> = Vec::new();
        let Some(nearest) = self.leg(self.key) else {
            return trims;
        };
        let want = want(
            self.danger.distance,
            self.danger.needed,
            self.policy.triggers.restore_factor,
            self.maintenance_rate(),
        );
        let (aim, first) = match want {
            Want::Distance(target) => (Some(target), self.sized(nearest, target)),
            Want::Share(share) => self.shared(nearest, rate_up(share)),
        };
        // Where a share would cost more than it brings, a whole rescue.
        let (aim, first) = match aim {
            Some(aim) if exceeds(aim, self.danger.distance, LEAST_GAIN) => (Some(aim), first),
            Some(_) | None => {
                let target = self.restored_distance();
                (Some(target), self.sized(nearest, target))
            }
        };
        let may = |leg: &Leg| self.actions_left(&leg.key) > 1 && self.may_touch(&leg.key);
        trims.extend(first.filter(|_| may(nearest)));
        if let Some(aim) = aim {
            let others = self.margin.legs.iter().filter(|leg| leg.key != *self.key);
            trims.extend(
                others
                    .filter(|leg| may(leg))
                    .filter_map(|leg| self.sized(leg, aim)),
            );
        }
        // In the band of small shares a position is not given up because less of it cannot be traded.
        let whole = |trim: &Candidate| match &trim.kind {
            IntentKind::Reduce { quantity, .. } => self
                .leg(&trim.key)
                .is_some_and(|leg| *quantity >= leg.quantity),
            IntentKind::AddMargin { .. }
            | IntentKind::TakeBack { .. }
            | IntentKind::CancelOrders { .. }
            | IntentKind::MoveIn { .. } => false,
        };
        if !self.danger.is_deep() {
            trims.retain(|trim| !whole(trim));
        }
        for trim in &mut trims {
            let as_wanted = aim.is_none_or(|aim| !exceeds(aim, trim.distance_after, LEAST_GAIN));
            trim.reaches = as_wanted;
        }
        trims
    }

    /// What giving up `share` of the endangered positions would lead to, and the trim of the nearest
    /// one that leads there too: its own share where it is alone.
    fn shared(&self, nearest: &Leg, share: Rate) -> (Option<f64>, Option<Candidate>) {
        let along: Vec<&Leg> = self.hurt_along(nearest);
        if along.is_empty() {
            let first = self.capped(nearest, nearest.quantity * share);
            return (first.as_ref().map(|trim| trim.distance_after), first);
        }
        let mut after = self.margin.clone();
        for leg in along.into_iter().chain([nearest]) {
            if let Some(exit) = self.exit(leg) {
                let order = exit.order(leg.quantity * share);
                after = after.after_reduce(&leg.key, order).scope;
            }
        }
        let aim = self.distance_of(self.key, self.line_after(&after));
        (Some(aim), self.sized(nearest, aim))
    }

    /// The other positions that the same crash hurts.
    fn hurt_along(&self, nearest: &Leg) -> Vec<&Leg> {
        let hurt =
            |leg: &&Leg| leg.key != nearest.key && (leg.side == Side::Long) == self.falls_hurt;
        self.margin.legs.iter().filter(hurt).collect()
    }

    /// Most of `leg` that one action may close, in whole lots.
    pub(super) fn cap(&self, leg: &Leg) -> Option<Quantity> {
        let instrument = self.desk.rules.get(&leg.key.symbol)?.instrument.as_ref()?;
        let cap = leg.quantity * self.budgets().trim_per_action;
        Some(cap.floor_to(instrument.market_lot.step))
    }

    /// A trim by `quantity`, or by as much as one action may. Where the filters force more than that,
    /// only closing is left.
    pub(super) fn capped(&self, leg: &Leg, quantity: Quantity) -> Option<Candidate> {
        let exit = self.exit(leg)?;
        let cut = self.capped_cut(&exit, quantity)?;
        Some(self.described(&exit, cut))
    }

    fn capped_cut(&self, exit: &Exit<'_>, quantity: Quantity) -> Option<Cut> {
        let cap = self.cap(exit.leg)?;
        let most = cap.min(exit.instrument.limit_lot.max);
        let quantity = quantity.ceil_to(exit.instrument.market_lot.step).min(most);
        let cut = self.cut(exit, quantity)?;
        (cut.order.quantity <= cap).then_some(cut)
    }

    /// The smallest trim of `leg` that brings the nearest line to the distance `aim`, or the largest
    /// allowed one.
    pub(super) fn sized(&self, leg: &Leg, aim: f64) -> Option<Candidate> {
        let exit = self.exit(leg)?;
        let step = exit.instrument.market_lot.step;
        let (mut low, mut high) = (Quantity::ZERO, self.cap(leg)?);
        // With the only position its line is gone, and whatever is aimed at is reached.
        let alone = self.margin.legs.len() == 1 && high == leg.quantity && aim < 1.0;
        if !alone || high > exit.instrument.limit_lot.max {
            let largest = self.capped_cut(&exit, high)?;
            if largest.distance_after < aim {
                return Some(self.described(&exit, largest));
            }
        }
        let sieve = Sieve::of(self, &exit, aim);
        let reaches = |quantity: Quantity| {
            let cut = self.cut(&exit, quantity);
            cut.is_some_and(|cut| cut.distance_after >= aim)
        };
        let is_enough = |quantity: Quantity| {
            let sure = sieve.as_ref().and_then(|sieve| sieve.verdict(quantity));
            sure.unwrap_or_else(|| reaches(quantity))
        };
        for _ in 0..SEARCH_STEPS {
            let middle = ((low + high) * Rate::of(Decimal::new(5, 1))).ceil_to(step);
            if middle >= high {
                break;
            }
            if is_enough(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        let cut = self.capped_cut(&exit, high)?;
        Some(self.described(&exit, cut))
    }

    /// Close of the nearest position: all of it, or what one action may close.
    pub(super) fn close(&self) -> Option<Candidate> {
        let leg = self.leg(self.key)?;
        let exit = self.exit(leg)?;
        if self.budgets().trim_per_action < Rate::ONE {
            let cut = self.capped_cut(&exit, leg.quantity)?;
            return Some(self.described(&exit, cut));
        }
        let most = leg.quantity.min(exit.instrument.limit_lot.max);
        let cut = self.cut(&exit, most)?;
        let mut close = self.described(&exit, cut);
        // Too large for one order: the rest follows at once.
        close.reaches = most == leg.quantity;
        Some(close)
    }

    /// Exact state after closing about `quantity`.
    fn cut(&self, exit: &Exit<'_>, quantity: Quantity) -> Option<Cut> {
        let leg = exit.leg;
        let quantity = self.fitting(leg, exit.instrument, quantity)?;
        let order = exit.order(quantity);
        let After { scope, freed } = self.margin.after_reduce(&leg.key, order);
        let freed = freed.floor_to(MONEY_STEP);
        let closes = quantity >= leg.quantity;
        let recycle = self.mode() == MarginMode::Isolated && !closes && freed >= LEAST_ADD;
        let after = if recycle {
            scope.after_add(freed)
        } else {
            scope
        };
        let line_after = self.line_after(&after);
        let distance_after = if after.legs.is_empty() {
            1.0
        } else {
            self.distance_of(self.key, line_after)
        };
        Some(Cut {
            order,
            recycle,
            after,
            line_after,
            distance_after,
        })
    }

    /// A cut as something to be chosen: in words, and priced.
    fn described(&self, exit: &Exit<'_>, cut: Cut) -> Candidate {
        let leg = exit.leg;
        let Reduction {
            quantity,
            price,
            fee,
        } = cut.order;
        let closes = quantity >= leg.quantity;
        let gap = match leg.side {
            Side::Long => leg.mark - price,
            Side::Short => price - leg.mark,
        };
        let cost = (gap * quantity + (price * quantity) * fee).ceil_to(MONEY_STEP);
        let verb = match (closes, cut.recycle) {
            (true, _) => "close",
            (false, true) => "trim and recycle",
            (false, false) => "trim",
        };
        let part = quantity
            .ratio(leg.quantity)
            .unwrap_or(Rate::ONE)
            .as_pct()
            .round_dp(1);
        Candidate {
            label: format!("{verb} {quantity} ({part} %) of {}", leg.key),
            key: leg.key.clone(),
            kind: IntentKind::Reduce {
                quantity,
                bound: self.bound(leg, exit.instrument, quantity),
                recycle: cut.recycle,
            },
            line_after: cut.line_after,
            distance_after: cut.distance_after,
            reaches: true,
            cost,
            price: self.price(&cut.after, cut.distance_after, cost),
            new_money: Money::ZERO,
        }
    }

    /// Line of the nearest position in the state `after`, with its other symbols moving along.
    pub(super) fn line_after(&self, after: &ScopeMargin) -> Option<Price> {
        let symbol = &self.key.symbol;
        let alone = after.liquidation_price(symbol);
        let Some(leg) = after.legs.iter().find(|leg| leg.key == *self.key) else {
            return alone;
        };
        // No line because no price would make it healthy: it stands on its line.
        let alone = alone.or_else(|| (!after.is_healthy()).then_some(leg.mark));
        if after.is_all_in(symbol) {
            return alone;
        }
        let falls = self.falls_hurt;
        let together = match self.crash {
            Some(crash) => line_under(after, crash, leg.mark, falls),
            None => line_together(after, &self.desk.joint, symbol, leg.mark, falls),
        };
        more_dangerous(alone, together, falls)
    }

    /// A size that passes the filters: whole steps, at least the minimum, no dust left behind.
    pub(super) fn fitting(
        &self,
        leg: &Leg,
        instrument: &Instrument,
        wanted: Quantity,
    ) -> Option<Quantity> {
        let lot = instrument.market_lot;
        let quantity = wanted.floor_to(lot.step).max(lot.min).min(leg.quantity);
        // Whether a closing order in hedge mode is exempt from the minimum is not known: respect it.
        let least = match self.desk.position_mode {
            PositionMode::OneWay => Quantity::ZERO,
            PositionMode::Hedge => instrument.min_notional.at(leg.mark)?.ceil_to(lot.step),
        };
        let quantity = quantity.max(least).min(leg.quantity);
        // What is left must be closable: below the smallest lot nothing is; below the minimum value a
        // reduce-only order is, which hedge mode does not know.
        let rest = leg.quantity - quantity;
        let dust = rest < lot.min
            || self.desk.position_mode == PositionMode::Hedge
                && leg.notional(leg.mark) * rest.ratio(leg.quantity)? < instrument.min_notional;
        let quantity = if dust && rest.is_positive() && leg.quantity <= instrument.limit_lot.max {
            leg.quantity
        } else {
            quantity
        };
        quantity.is_positive().then_some(quantity)
    }

    /// Limit of an immediate-or-cancel order, when a market order will not do.
    pub(super) fn bound(
        &self,
        leg: &Leg,
        instrument: &Instrument,
        quantity: Quantity,
    ) -> Option<Price> {
        let too_large = quantity > instrument.market_lot.max;
        if !too_large && !self.bound_price {
            return None;
        }
        let venue = match leg.side {
            Side::Long => instrument
                .price_floor_factor
                .map(|factor| Rate::ONE - factor),
            Side::Short => instrument.price_cap_factor.map(|factor| factor - Rate::ONE),
        };
        let widest = [venue, instrument.market_take_bound]
            .into_iter()
            .flatten()
            .min();
        let reach = widest.unwrap_or(Rate::of(FALLBACK_BOUND)) * Rate::of(INSIDE_BOUND);
        Some(match leg.side {
            Side::Long => (leg.mark * (Rate::ONE - reach)).ceil_to(instrument.tick),
            Side::Short => (leg.mark * (Rate::ONE + reach)).floor_to(instrument.tick),
        })
    }
}
