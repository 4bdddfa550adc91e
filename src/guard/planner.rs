//! Which rescue: every candidate with its exact after-state, its price, and why it was not taken.

pub(super) mod freeing;

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::desk::Desk;
use super::intent::{IntentKind, Scope};
use super::journal::Spent;
use super::policy::{Budgets, Policy};
use super::watch::Danger;
use crate::domain::{
    Instrument, MarginMode, Money, PositionKey, PositionMode, Price, Quantity, Rate, Side,
};
use crate::forecast::{Gauge, distance, exceeds, multiple, rate_up, share};
use crate::margin::{After, Leg, Reduction, ScopeMargin};

/// Margin is moved in steps of this much of the settlement asset.
const MONEY_STEP: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
/// Smaller additions are not worth a request.
const LEAST_ADD: Money = Money::of(Decimal::ONE);
/// An action must widen the distance by at least this share of mark to count as better.
const LEAST_GAIN: f64 = 0.0005;
/// Halvings when a trim size is searched: finer than any lot step that matters.
const SEARCH_STEPS: u32 = 24;
/// Bounded orders stop this share before the venue's own bound.
const INSIDE_BOUND: Decimal = Decimal::from_parts(9, 0, 0, false, 1);
/// Bound used when the venue states none.
const FALLBACK_BOUND: Decimal = Decimal::from_parts(3, 0, 0, false, 2);
/// No rescue aims at more distance than this share of mark.
const FARTHEST_TARGET: f64 = 0.9;
/// A trim costs its fees and slippage twice: once now, once to get the position back.
const ROUND_TRIP: Rate = Rate::of(Decimal::TWO);

/// One thing that could be done, priced.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub(super) label: String,
    pub(super) key: PositionKey,
    pub(super) kind: IntentKind,
    /// Line of the position after it; `None`: no line any more.
    pub(super) line_after: Option<Price>,
    pub(super) distance_after: f64,
    /// Restores the wished distance?
    pub(super) reaches: bool,
    /// Fees and slippage.
    pub(super) cost: Money,
    /// Round-trip cost plus the chance-weighted loss in a liquidation.
    pub(super) price: Money,
    /// New money put at risk.
    pub(super) new_money: Money,
}

/// What the planner found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) chosen: Option<Candidate>,
    pub(super) others: Vec<Candidate>,
    /// Why nothing, or why something was left out.
    pub(super) remarks: Vec<String>,
    pub(super) target_distance: f64,
}

impl Plan {
    /// No plan could be made at all.
    pub(super) fn impossible(why: &str) -> Self {
        Self {
            chosen: None,
            others: Vec::new(),
            remarks: vec![why.to_owned()],
            target_distance: 0.0,
        }
    }
}

/// Everything a decision looks at.
pub(super) struct Situation<'a> {
    pub(super) scope: &'a Scope,
    pub(super) margin: &'a ScopeMargin,
    pub(super) desk: &'a Desk,
    pub(super) policy: &'a Policy,
    pub(super) gauge: &'a Gauge,
    pub(super) danger: Danger,
    /// Position whose line is nearest.
    pub(super) key: &'a PositionKey,
    /// Is it a falling price that leads to that line?
    pub(super) falls_hurt: bool,
    /// What each position of the scope has had today.
    pub(super) spent: &'a BTreeMap<PositionKey, Spent>,
    /// Free balance that acts under way are going to take, by asset.
    pub(super) promised: Money,
    /// The cross positions that share the wallet are seen well enough to take money from it.
    pub(super) cross_seen: bool,
    /// Use a bounded price because the venue refused a market order.
    pub(super) bound_price: bool,
    /// The venue has just refused an addition for lack of balance.
    pub(super) add_refused: bool,
    /// Resting orders may be cancelled: the venue has not just refused that.
    pub(super) may_cancel: bool,
    /// Money may be moved in, and what was moved in today.
    pub(super) may_move: bool,
    pub(super) moved_in: Money,
}

impl Situation<'_> {
    /// Lists, prices and chooses.
    pub(super) fn plan(&self) -> Plan {
        let target = multiple(
            self.danger.act_distance,
            self.policy.triggers.restore_factor,
        )
        .min(FARTHEST_TARGET);
        let mut plan = Plan {
            chosen: None,
            others: Vec::new(),
            remarks: Vec::new(),
            target_distance: target,
        };
        if self.actions_left(self.key) == 0 {
            let spent = self.spent(self.key).actions;
            plan.remarks
                .push(format!("all {spent} actions of this UTC day are used"));
        }
        let mut found = Vec::new();
        match self.actions_left(self.key) {
            0 => {}
            1 => plan.remarks.push("last action of this UTC day".to_owned()),
            _ => match self.add(target) {
                Ok(candidate) => found.push(candidate),
                Err(remark) => plan.remarks.push(remark),
            },
        }
        found.extend(self.free_first(target));
        found.extend(self.bring_in(target));
        found.extend(
            self.legs_by_size()
                .into_iter()
                .filter(|leg| self.actions_left(&leg.key) > 1 && self.may_touch(&leg.key))
                .filter_map(|leg| self.trim(leg, target)),
        );
        plan.remarks.extend(self.auto_add_remark());
        if !self.may_touch(self.key) {
            let remark = format!("{} is not among the symbols to act on", self.key);
            plan.remarks.push(remark);
        }
        found.retain(|candidate| {
            exceeds(candidate.distance_after, self.danger.distance, LEAST_GAIN)
        });
        plan.chosen = self.choose(&found);
        let need = self.need_distance();
        if plan
            .chosen
            .as_ref()
            .is_none_or(|best| best.distance_after <= need)
            && self.actions_left(self.key) > 0
            && self.may_touch(self.key)
            && let Some(close) = self.close(target)
        {
            found.push(close.clone());
            plan.chosen = Some(close);
        }
        plan.others = found;
        if let Some(chosen) = &plan.chosen {
            plan.others.retain(|other| other != chosen);
        }
        plan
    }

    /// The cheapest that restores the target; otherwise new margin first (it keeps the position),
    /// then whatever widens the distance most.
    fn choose(&self, found: &[Candidate]) -> Option<Candidate> {
        let reaching = found.iter().filter(|candidate| candidate.reaches);
        if let Some(best) = reaching.min_by_key(|candidate| candidate.price) {
            return Some(best.clone());
        }
        let adding = found
            .iter()
            .find(|candidate| candidate.new_money.is_positive());
        let widest = found
            .iter()
            .max_by(|a, b| a.distance_after.total_cmp(&b.distance_after));
        adding
            .filter(|add| add.distance_after > self.need_distance())
            .or(widest)
            .cloned()
    }

    fn add(&self, target: f64) -> Result<Candidate, String> {
        let Scope::Isolated(key) = self.scope else {
            return Err(
                "margin cannot be added to a cross position from inside the account".into(),
            );
        };
        if self.add_refused {
            return Err("the exchange has just refused an addition for lack of balance".into());
        }
        let budgets = self.budgets();
        let spent = self.spent(key);
        if spent.top_ups >= budgets.top_ups_per_position_day {
            let used = spent.top_ups;
            return Err(format!(
                "{used} top-ups today: no good money after bad, only trims follow"
            ));
        }
        let leg = self.leg(key).ok_or("position gone")?;
        let line =
            wished_line(leg.mark, target, self.falls_hurt(key)).ok_or("no line to aim at")?;
        let wanted = self.margin.wallet_for_line(&key.symbol, line) - self.margin.wallet;
        let wanted = wanted.ceil_to(MONEY_STEP);
        let (room, limit) = self.add_room(key);
        let amount = wanted.min(room).floor_to(MONEY_STEP);
        if amount < LEAST_ADD {
            return Err(format!("no margin can be added: {limit}"));
        }
        let after = self.margin.after_add(amount);
        let after_line = after.liquidation_price(&key.symbol);
        let distance_after = self.distance_of(key, after_line);
        let risk = self.chance(key, distance_after);
        Ok(Candidate {
            label: format!("add {amount} {}", self.asset(key)),
            key: key.clone(),
            kind: IntentKind::AddMargin { amount },
            line_after: after_line,
            distance_after,
            reaches: amount >= wanted,
            cost: Money::ZERO,
            price: (self.lost_if_liquidated(&after) * risk).ceil_to(MONEY_STEP),
            new_money: amount,
        })
    }

    /// How much may be added, and what limits it.
    fn add_room(&self, key: &PositionKey) -> (Money, String) {
        let budgets = self.budgets();
        let asset = self.asset(key);
        let balance = self.desk.balances.get(&asset).copied().unwrap_or_default();
        let free = balance.available.min(balance.cross_wallet) - budgets.keep_available;
        let kept = self.promised + self.kept_for_auto_add(key, &asset);
        let free = (free - kept).min(self.spare_of_cross(&asset) - kept);
        let limits = [
            (budgets.add_per_action, "budget per action"),
            (
                budgets.add_per_position_day - self.spent(key).added,
                "budget of this UTC day",
            ),
            (free, "free balance"),
        ];
        limits
            .into_iter()
            .min_by_key(|(room, _)| *room)
            .map_or_else(
                || (Money::ZERO, String::new()),
                |(room, name)| {
                    let room = if room.is_negative() {
                        Money::ZERO
                    } else {
                        room
                    };
                    (room, format!("{name} leaves {room} {asset}"))
                },
            )
    }

    /// Account-wide "better off": what may leave the cross wallet before the cross scope of the same
    /// asset falls below its own restore distance.
    fn spare_of_cross(&self, asset: &str) -> Money {
        let scope = Scope::Cross(asset.to_owned());
        if !self.cross_seen {
            return Money::ZERO;
        }
        let Some(cross) = self.desk.margin(&scope) else {
            let any = self.desk.members(&scope).next().is_some();
            return if any {
                Money::ZERO
            } else {
                Money::of(Decimal::MAX)
            };
        };
        let spare = |leg: &Leg| {
            self.restored_wallet(&cross, leg)
                .map_or(Money::ZERO, |wallet| cross.wallet - wallet)
        };
        cross.legs.iter().map(spare).min().unwrap_or(Money::ZERO)
    }

    /// Wallet with which `leg` of `scope` stands at its own restore distance.
    fn restored_wallet(&self, scope: &ScopeMargin, leg: &Leg) -> Option<Money> {
        let feed = self.desk.feeds.get(&leg.key.symbol)?;
        let floor = share(self.policy.triggers.floor_distance);
        let act = self.gauge.act_distance(&feed.volatility);
        let act = act.map_or(floor, |act| act.max(floor));
        let target = multiple(act, self.policy.triggers.restore_factor).min(FARTHEST_TARGET);
        let falls = scope.falls_hurt(&leg.key.symbol)?;
        let line = wished_line(leg.mark, target, falls)?;
        Some(scope.wallet_for_line(&leg.key.symbol, line))
    }

    /// What the venue itself may take from the free balance for other isolated positions with
    /// auto-add margin, up to their own restore distance: that money must not be counted twice.
    fn kept_for_auto_add(&self, key: &PositionKey, asset: &str) -> Money {
        let others = self.desk.positions.values().filter(|held| {
            let position = &held.position;
            position.auto_add_margin
                && position.margin_mode == MarginMode::Isolated
                && position.margin_asset == asset
                && position.key != *key
        });
        others
            .map(|held| {
                let scope = Scope::Isolated(held.position.key.clone());
                let margin = self.desk.margin(&scope);
                let wanted = margin.as_ref().and_then(|margin| {
                    let leg = margin.legs.first()?;
                    Some(self.restored_wallet(margin, leg)? - margin.wallet)
                });
                wanted.unwrap_or(Money::ZERO).max(Money::ZERO)
            })
            .sum()
    }

    /// The venue's own help is not counted, but the trader should know of it.
    fn auto_add_remark(&self) -> Option<String> {
        let held = self.desk.positions.get(self.key)?;
        let position = &held.position;
        (position.auto_add_margin && position.margin_mode == MarginMode::Isolated).then(|| {
            let balance = self.desk.balances.get(&position.margin_asset);
            let free = balance.map_or(Money::ZERO, |balance| balance.available);
            format!(
                "auto-add margin is on: the exchange may move up to {} {} here by itself, which is not counted on",
                crate::guard::explain::money(free),
                position.margin_asset
            )
        })
    }

    fn spent(&self, key: &PositionKey) -> Spent {
        self.spent.get(key).copied().unwrap_or_default()
    }

    fn actions_left(&self, key: &PositionKey) -> u32 {
        let most = self.budgets().actions_per_position_day;
        most.saturating_sub(self.spent(key).actions)
    }

    fn may_touch(&self, key: &PositionKey) -> bool {
        self.policy.may_touch(&key.symbol)
    }

    /// The smallest trim of `leg` that restores the target, or the largest allowed one.
    fn trim(&self, leg: &Leg, target: f64) -> Option<Candidate> {
        let instrument = self.desk.rules.get(&leg.key.symbol)?.instrument.as_ref()?;
        let step = instrument.market_lot.step;
        let cap = (leg.quantity * self.budgets().trim_per_action).floor_to(step);
        let (mut low, mut high) = (Quantity::ZERO, cap.min(instrument.limit_lot.max));
        // Where the filters force more than one action may close, only closing is left.
        let within = |candidate: &Candidate| match candidate.kind {
            IntentKind::Reduce { quantity, .. } => quantity <= cap,
            IntentKind::AddMargin { .. }
            | IntentKind::TakeBack { .. }
            | IntentKind::CancelOrders { .. }
            | IntentKind::MoveIn { .. } => false,
        };
        let mut best = self.reduce(leg, instrument, high).filter(within)?;
        if best.distance_after < target {
            best.reaches = false;
            return Some(best);
        }
        for _ in 0..SEARCH_STEPS {
            let middle = ((low + high) * Rate::of(Decimal::new(5, 1))).ceil_to(step);
            if middle >= high {
                break;
            }
            match self.reduce(leg, instrument, middle) {
                Some(candidate) if candidate.distance_after >= target => {
                    high = middle;
                    best = candidate;
                }
                Some(_) | None => low = middle,
            }
        }
        Some(best)
    }

    /// Close of the nearest position, entirely.
    fn close(&self, target: f64) -> Option<Candidate> {
        let leg = self.leg(self.key)?;
        let instrument = self.desk.rules.get(&leg.key.symbol)?.instrument.as_ref()?;
        let most = leg.quantity.min(instrument.limit_lot.max);
        let mut close = self.reduce(leg, instrument, most)?;
        // Too large for one order: the rest follows at once.
        close.reaches = most == leg.quantity || close.distance_after >= target;
        Some(close)
    }

    /// Exact state and price of reducing `leg` by about `quantity`.
    fn reduce(&self, leg: &Leg, instrument: &Instrument, quantity: Quantity) -> Option<Candidate> {
        let quantity = self.fitting(leg, instrument, quantity)?;
        let closes = quantity >= leg.quantity;
        let price = self.expected_price(leg, quantity);
        let fee = self.desk.fee(&leg.key.symbol, self.policy);
        let mode = self.mode();
        let cut = Reduction {
            quantity,
            price,
            fee,
        };
        let After { scope, freed } = self.margin.after_reduce(&leg.key, cut);
        let freed = freed.floor_to(MONEY_STEP);
        let recycle = mode == MarginMode::Isolated && !closes && freed >= LEAST_ADD;
        let after = if recycle {
            scope.after_add(freed)
        } else {
            scope
        };
        let line_after = after.liquidation_price(&self.key.symbol);
        let distance_after = if after.legs.is_empty() {
            1.0
        } else {
            self.distance_of(self.key, line_after)
        };
        let gap = match leg.side {
            Side::Long => leg.mark - price,
            Side::Short => price - leg.mark,
        };
        let cost = (gap * quantity + (price * quantity) * fee).ceil_to(MONEY_STEP);
        let verb = match (closes, recycle) {
            (true, _) => "close",
            (false, true) => "trim and recycle",
            (false, false) => "trim",
        };
        let part = quantity
            .ratio(leg.quantity)
            .unwrap_or(Rate::ONE)
            .as_pct()
            .round_dp(1);
        let at_risk = self.lost_if_liquidated(&after) * self.chance(self.key, distance_after);
        Some(Candidate {
            label: format!("{verb} {quantity} ({part} %) of {}", leg.key),
            key: leg.key.clone(),
            kind: IntentKind::Reduce {
                quantity,
                bound: self.bound(leg, instrument, quantity),
                recycle,
            },
            line_after,
            distance_after,
            reaches: true,
            cost,
            price: (cost * ROUND_TRIP + at_risk).ceil_to(MONEY_STEP),
            new_money: Money::ZERO,
        })
    }

    /// A size that passes the filters: whole steps, at least the minimum, no dust left behind.
    fn fitting(&self, leg: &Leg, instrument: &Instrument, wanted: Quantity) -> Option<Quantity> {
        let lot = instrument.market_lot;
        let quantity = wanted.floor_to(lot.step).max(lot.min).min(leg.quantity);
        // Whether a closing order in hedge mode is exempt from the minimum is not known: respect it.
        let least = match self.desk.position_mode {
            PositionMode::OneWay => Quantity::ZERO,
            PositionMode::Hedge => instrument.min_notional.at(leg.mark)?.ceil_to(lot.step),
        };
        let quantity = quantity.max(least).min(leg.quantity);
        let rest = leg.quantity - quantity;
        let dust = rest < lot.min
            || leg.notional(leg.mark) * rest.ratio(leg.quantity)? < instrument.min_notional;
        let quantity = if dust && rest.is_positive() && leg.quantity <= instrument.limit_lot.max {
            leg.quantity
        } else {
            quantity
        };
        quantity.is_positive().then_some(quantity)
    }

    /// Average price of walking the book; beyond it, and without it, the fallback slippage.
    fn expected_price(&self, leg: &Leg, quantity: Quantity) -> Price {
        let slip = self.policy.fallback_slippage;
        let factor = match leg.side {
            Side::Long => Rate::ONE - slip,
            Side::Short => Rate::ONE + slip,
        };
        let feed = self.desk.feeds.get(&leg.key.symbol);
        let fill = feed.and_then(|feed| {
            let book = feed.book.as_ref()?;
            let age = feed.mark_at.since(book.at);
            (age <= self.policy.freshness.mark_ms).then(|| book.close(leg.side, quantity))?
        });
        let Some(fill) = fill.filter(|fill| fill.quantity.is_positive()) else {
            return leg.mark * factor;
        };
        let beyond = quantity - fill.quantity;
        let notional = fill.notional + (fill.worst * factor) * beyond;
        let average = notional.per(quantity).unwrap_or(leg.mark);
        match leg.side {
            Side::Long => average.min(leg.mark),
            Side::Short => average.max(leg.mark),
        }
    }

    /// Limit of an immediate-or-cancel order, when a market order will not do.
    fn bound(&self, leg: &Leg, instrument: &Instrument, quantity: Quantity) -> Option<Price> {
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

    /// Legs that a trim may touch: the nearest one, and in a cross scope the others, largest first.
    fn legs_by_size(&self) -> Vec<&Leg> {
        let mut legs: Vec<&Leg> = self.margin.legs.iter().collect();
        legs.sort_by_key(|leg| (leg.key != *self.key, -leg.notional(leg.mark)));
        legs
    }

    fn leg(&self, key: &PositionKey) -> Option<&Leg> {
        self.margin.legs.iter().find(|leg| leg.key == *key)
    }

    fn falls_hurt(&self, key: &PositionKey) -> bool {
        if key == self.key {
            self.falls_hurt
        } else {
            self.margin.falls_hurt(&key.symbol).unwrap_or(true)
        }
    }

    fn distance_of(&self, key: &PositionKey, line: Option<Price>) -> f64 {
        match (self.leg(key), line) {
            (Some(leg), Some(line)) => distance(leg.mark, line, self.falls_hurt(key)),
            (None, _) | (_, None) => 1.0,
        }
    }

    fn need_distance(&self) -> f64 {
        let feed = self.desk.feeds.get(&self.key.symbol);
        feed.map_or(0.0, |feed| self.gauge.need_distance(&feed.volatility))
    }

    /// Chance of touching a line at `distance` before the next decision, that is within the action
    /// horizon; 1 without a forecast.
    fn chance(&self, key: &PositionKey, distance: f64) -> Rate {
        let feed = self.desk.feeds.get(&key.symbol);
        let chance = feed.and_then(|feed| self.gauge.breach(distance, &feed.volatility));
        chance.map_or(Rate::ONE, rate_up)
    }

    /// What a liquidation takes beyond the market's loss: the maintenance margin that is left and the
    /// venue's fee on the whole notional.
    fn lost_if_liquidated(&self, after: &ScopeMargin) -> Money {
        let loss = |leg: &Leg| {
            let rules = self.desk.rules.get(&leg.key.symbol);
            let instrument = rules.and_then(|rules| rules.instrument.as_ref());
            let fee = instrument.map_or(Rate::ZERO, |instrument| instrument.liquidation_fee);
            after.leg_maintenance(leg, leg.mark) + leg.notional(leg.mark) * fee
        };
        after.legs.iter().map(loss).sum()
    }

    fn mode(&self) -> MarginMode {
        match self.scope {
            Scope::Isolated(_) => MarginMode::Isolated,
            Scope::Cross(_) => MarginMode::Cross,
        }
    }

    fn asset(&self, key: &PositionKey) -> String {
        let held = self.desk.positions.get(key);
        held.map_or_else(String::new, |held| held.position.margin_asset.clone())
    }

    fn budgets(&self) -> &Budgets {
        &self.policy.budgets
    }
}

/// The line that would stand at `distance` (fraction) from `mark`.
fn wished_line(mark: Price, distance: f64, falls_hurt: bool) -> Option<Price> {
    let part = rate_up(distance);
    let factor = if falls_hurt {
        Rate::ONE - part
    } else {
        Rate::ONE + part
    };
    Price::new((mark * factor).get()).ok()
}
