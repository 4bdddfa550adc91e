//! Which rescue: every candidate with its exact after-state, its price, and why it was not taken.

pub(super) mod freeing;

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::desk::Desk;
use super::intent::{IntentKind, Scope};
use super::journal::Spent;
use super::policy::{Budgets, Policy};
use super::watch::{Danger, line_together, more_dangerous, reach};
use crate::domain::{
    Instrument, MarginMode, Money, PositionKey, PositionMode, Price, Quantity, Rate, Side,
};
use crate::forecast::schedule::{FARTHEST, Want, restored, want};
use crate::forecast::{Gauge, Touch, beyond, distance, exceeds, rate_up, scaled, share, touched};
use crate::margin::{After, Leg, Reduction, ScopeMargin};

/// Margin is moved in steps of this much of the settlement asset.
const MONEY_STEP: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
/// Smaller additions are not worth a request.
const LEAST_ADD: Money = Money::of(Decimal::ONE);
/// An addition below this share of the notional, a tenth of a percent, would not be felt.
const LEAST_ADD_SHARE: Rate = Rate::of(Decimal::from_parts(1, 0, 0, false, 3));
/// An addition aims at this many times the distance needed: it costs nothing, and two small ones are
/// later than one.
const ADD_FACTOR: f64 = 6.0;
/// An action must widen the distance by at least this share of mark to count as better.
const LEAST_GAIN: f64 = 0.000_05;
/// … and by at least this share of the distance needed.
const LEAST_GAIN_SHARE: f64 = 0.025;
/// Halvings when a trim size is searched: to a 256th of the largest.
const SEARCH_STEPS: u32 = 8;
/// The unseen book is taken to go on for at most this many times the seen one.
const DEEPEST: Rate = Rate::of(Decimal::TEN);
/// When the price comes near again, about this share of what is left is trimmed.
const AGAIN_SHARE: Rate = Rate::of(Decimal::from_parts(2, 0, 0, false, 1));
/// Bounded orders stop this share before the venue's own bound.
const INSIDE_BOUND: Decimal = Decimal::from_parts(9, 0, 0, false, 1);
/// Bound used when the venue states none.
const FALLBACK_BOUND: Decimal = Decimal::from_parts(3, 0, 0, false, 2);
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
    /// Leads out of the reach in which rescues start?
    pub(super) reaches: bool,
    /// Fees and slippage.
    pub(super) cost: Money,
    /// Round-trip cost, the chance-weighted loss in a liquidation, and the chance-weighted cost of
    /// having to act again.
    pub(super) price: Money,
    /// New money put at risk.
    pub(super) new_money: Money,
}

/// The state that a trim leads to.
struct Cut {
    order: Reduction,
    recycle: bool,
    after: ScopeMargin,
    line_after: Option<Price>,
    distance_after: f64,
}

/// What the planner found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) chosen: Option<Candidate>,
    pub(super) others: Vec<Candidate>,
    /// Why nothing, or why something was left out.
    pub(super) remarks: Vec<String>,
    pub(super) target_distance: f64,
    /// Chance-weighted loss of doing nothing.
    pub(super) waiting: Money,
}

impl Plan {
    /// No plan could be made at all.
    pub(super) fn impossible(why: &str) -> Self {
        Self {
            chosen: None,
            others: Vec::new(),
            remarks: vec![why.to_owned()],
            target_distance: 0.0,
            waiting: Money::ZERO,
        }
    }
}

/// Everything a decision looks at.
#[derive(Clone, Copy)]
pub(super) struct Situation<'a> {
    pub(super) scope: &'a Scope,
    pub(super) margin: &'a ScopeMargin,
    pub(super) desk: &'a Desk,
    pub(super) policy: &'a Policy,
    pub(super) gauge: &'a Gauge,
    /// Forecast of the nearest position's symbol.
    pub(super) touch: Option<&'a Touch>,
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
    /// The mark is not the present one: the present book says nothing.
    pub(super) imagined: bool,
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
        let target = self.restored_distance();
        let mut plan = Plan {
            chosen: None,
            others: Vec::new(),
            remarks: Vec::new(),
            target_distance: target,
            waiting: self.price(self.margin, self.danger.distance, Money::ZERO),
        };
        let left = self.actions_left(self.key);
        if left == 0 {
            let spent = self.spent(self.key).actions;
            plan.remarks
                .push(format!("all {spent} actions of this UTC day are used"));
        }
        if left == 1 {
            plan.remarks.push("last action of this UTC day".to_owned());
        }
        let mut additions: Vec<Candidate> = Vec::new();
        if left > 1 {
            match self.add() {
                Ok(candidate) => additions.push(candidate),
                Err(remark) => plan.remarks.push(remark),
            }
        }
        additions.extend(self.free_first());
        additions.extend(self.bring_in());
        let mut trims = self.trims();
        plan.remarks.extend(self.auto_add_remark());
        if !self.may_touch(self.key) {
            let remark = format!("{} is not among the symbols to act on", self.key);
            plan.remarks.push(remark);
        }
        let least = scaled(self.danger.needed, LEAST_GAIN_SHARE).max(LEAST_GAIN);
        let better =
            |candidate: &Candidate| exceeds(candidate.distance_after, self.danger.distance, least);
        additions.retain(better);
        trims.retain(better);
        plan.chosen = self.choose(self.addition_of(&additions), &trims);
        plan.others = additions.into_iter().chain(trims).collect();
        if plan.chosen.is_none()
            && left > 0
            && self.may_touch(self.key)
            && let Some(close) = self.close()
        {
            plan.others.push(close.clone());
            plan.chosen = Some(close);
        }
        if let Some(chosen) = &plan.chosen {
            plan.others.retain(|other| other != chosen);
        }
        plan
    }

    /// The addition to make: what is free now, unless only more than that leads out of reach and the
    /// danger is not so deep that every second counts.
    fn addition_of<'c>(&self, additions: &'c [Candidate]) -> Option<&'c Candidate> {
        let enough = additions.iter().find(|add| add.reaches);
        let first = additions.first();
        if self.danger.is_deep() {
            first
        } else {
            enough.or(first)
        }
    }

    /// New margin first, because it keeps the position; then the cheapest trim that does what is
    /// wanted; then whatever widens the distance most.
    fn choose(&self, adding: Option<&Candidate>, trims: &[Candidate]) -> Option<Candidate> {
        let widest = trims
            .iter()
            .max_by(|a, b| a.distance_after.total_cmp(&b.distance_after));
        if let Some(add) = adding {
            return Some(self.mix(add).unwrap_or_else(|| add.clone()));
        }
        let wanted = trims.iter().filter(|trim| trim.reaches);
        let cheapest = wanted.min_by_key(|trim| trim.price);
        cheapest.or(widest).cloned()
    }

    fn add(&self) -> Result<Candidate, String> {
        let room = self.addition_room()?;
        let key = self.key;
        let leg = self.leg(key).ok_or("position gone")?;
        let line = wished_line(leg.mark, self.added_distance(), self.falls_hurt(key))
            .ok_or("no line to aim at")?;
        let wanted = self.margin.wallet_for_line(&key.symbol, line) - self.margin.wallet;
        let amount = wanted.ceil_to(MONEY_STEP).min(room).floor_to(MONEY_STEP);
        if amount < LEAST_ADD {
            return Err("more margin would not widen the distance".to_owned());
        }
        let after = self.margin.after_add(amount);
        let line_after = after.liquidation_price(&key.symbol);
        let distance_after = self.distance_of(key, line_after);
        Ok(Candidate {
            label: format!("add {amount} {}", self.asset(key)),
            key: key.clone(),
            kind: IntentKind::AddMargin { amount },
            line_after,
            distance_after,
            reaches: self.leads_out(distance_after),
            cost: Money::ZERO,
            price: self.price(&after, distance_after, Money::ZERO),
            new_money: amount,
        })
    }

    /// An addition that does not lead out of reach, and the trim that will follow it.
    fn mix(&self, add: &Candidate) -> Option<Candidate> {
        let adds = matches!(add.kind, IntentKind::AddMargin { .. });
        if add.reaches || !adds {
            return None;
        }
        let margin = self.margin.after_add(add.new_money);
        let added = Situation {
            margin: &margin,
            danger: Danger {
                distance: add.distance_after,
                ..self.danger
            },
            ..*self
        };
        let trims = added.trims();
        let trim = trims.into_iter().min_by_key(|trim| trim.price)?;
        Some(Candidate {
            label: format!("{}, then {}", add.label, trim.label),
            line_after: trim.line_after,
            distance_after: trim.distance_after,
            cost: trim.cost,
            price: trim.price,
            ..add.clone()
        })
    }

    /// Distance that a full rescue restores.
    fn restored_distance(&self) -> f64 {
        let factor = self.policy.triggers.restore_factor;
        restored(self.danger.needed, factor, self.maintenance_rate())
    }

    /// Distance that additions aim at.
    fn added_distance(&self) -> f64 {
        scaled(self.danger.needed, ADD_FACTOR).min(FARTHEST)
    }

    /// Could money be put in now, enough to be felt?
    pub(super) fn can_add(&self) -> bool {
        self.addition_room().is_ok() || self.free_first().or_else(|| self.bring_in()).is_some()
    }

    /// How much may be added now.
    ///
    /// # Errors
    /// Why nothing that matters can be added, in words for people.
    pub(super) fn addition_room(&self) -> Result<Money, String> {
        let Scope::Isolated(key) = self.scope else {
            return Err(
                "margin cannot be added to a cross position from inside the account".into(),
            );
        };
        if self.add_refused {
            return Err("the exchange has just refused an addition for lack of balance".into());
        }
        let top_ups = self.spent(key).top_ups;
        if top_ups >= self.budgets().top_ups_per_position_day {
            return Err(format!(
                "{top_ups} top-ups today: no good money after bad, only trims follow"
            ));
        }
        if self.actions_left(key) <= 1 {
            return Err("the last action of this UTC day is kept for a trim".to_owned());
        }
        let leg = self.leg(key).ok_or("position gone")?;
        let (room, limit) = self.add_room(key);
        let least = LEAST_ADD.max(leg.notional(leg.mark) * LEAST_ADD_SHARE);
        if room < least {
            return Err(format!("no margin can be added: {limit}"));
        }
        Ok(room.floor_to(MONEY_STEP))
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
        let falls = scope.falls_hurt(&leg.key.symbol)?;
        let reach = reach(feed, false, self.gauge, self.policy, falls);
        let rate = rate_of(scope, leg);
        let target = restored(reach.needed, self.policy.triggers.restore_factor, rate);
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

    /// For each position that may be trimmed the size that does what the danger asks for: the nearest
    /// one gives up a share or restores a distance, the others do as much for the same line.
    fn trims(&self) -> Vec<Candidate> {
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
            Want::Share(share) => {
                let quantity = nearest.quantity * rate_up(share);
                let first = self.capped(nearest, quantity);
                (first.as_ref().map(|trim| trim.distance_after), first)
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
        for trim in &mut trims {
            let as_wanted = aim.is_none_or(|aim| !exceeds(aim, trim.distance_after, LEAST_GAIN));
            trim.reaches = as_wanted;
        }
        trims
    }

    /// Most of `leg` that one action may close, in whole lots.
    fn cap(&self, leg: &Leg) -> Option<Quantity> {
        let instrument = self.desk.rules.get(&leg.key.symbol)?.instrument.as_ref()?;
        let cap = leg.quantity * self.budgets().trim_per_action;
        Some(cap.floor_to(instrument.market_lot.step))
    }

    /// A trim by `quantity`, or by as much as one action may. Where the filters force more than that,
    /// only closing is left.
    fn capped(&self, leg: &Leg, quantity: Quantity) -> Option<Candidate> {
        let instrument = self.desk.rules.get(&leg.key.symbol)?.instrument.as_ref()?;
        let cap = self.cap(leg)?;
        let most = cap.min(instrument.limit_lot.max);
        let quantity = quantity.ceil_to(instrument.market_lot.step).min(most);
        let trim = self.reduce(leg, instrument, quantity)?;
        let within = match trim.kind {
            IntentKind::Reduce { quantity, .. } => quantity <= cap,
            IntentKind::AddMargin { .. }
            | IntentKind::TakeBack { .. }
            | IntentKind::CancelOrders { .. }
            | IntentKind::MoveIn { .. } => false,
        };
        within.then_some(trim)
    }

    /// The smallest trim of `leg` that brings the nearest line to the distance `aim`, or the largest
    /// allowed one.
    fn sized(&self, leg: &Leg, aim: f64) -> Option<Candidate> {
        let instrument = self.desk.rules.get(&leg.key.symbol)?.instrument.as_ref()?;
        let step = instrument.market_lot.step;
        let (mut low, mut high) = (Quantity::ZERO, self.cap(leg)?);
        let largest = self.capped(leg, high)?;
        if largest.distance_after < aim {
            return Some(largest);
        }
        for _ in 0..SEARCH_STEPS {
            let middle = ((low + high) * Rate::of(Decimal::new(5, 1))).ceil_to(step);
            if middle >= high {
                break;
            }
            match self.cut(leg, instrument, middle) {
                Some(cut) if cut.distance_after >= aim => high = middle,
                Some(_) | None => low = middle,
            }
        }
        self.capped(leg, high)
    }

    /// Close of the nearest position, entirely.
    fn close(&self) -> Option<Candidate> {
        let leg = self.leg(self.key)?;
        let instrument = self.desk.rules.get(&leg.key.symbol)?.instrument.as_ref()?;
        let most = leg.quantity.min(instrument.limit_lot.max);
        let mut close = self.reduce(leg, instrument, most)?;
        // Too large for one order: the rest follows at once.
        close.reaches = most == leg.quantity;
        Some(close)
    }

    /// Exact state after reducing `leg` by about `quantity`.
    fn cut(&self, leg: &Leg, instrument: &Instrument, quantity: Quantity) -> Option<Cut> {
        let quantity = self.fitting(leg, instrument, quantity)?;
        let order = Reduction {
            quantity,
            price: self.expected_price(leg, quantity),
            fee: self.desk.fee(&leg.key.symbol, self.policy),
        };
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

    /// State and price of reducing `leg` by about `quantity`.
    fn reduce(&self, leg: &Leg, instrument: &Instrument, quantity: Quantity) -> Option<Candidate> {
        let cut = self.cut(leg, instrument, quantity)?;
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
        Some(Candidate {
            label: format!("{verb} {quantity} ({part} %) of {}", leg.key),
            key: leg.key.clone(),
            kind: IntentKind::Reduce {
                quantity,
                bound: self.bound(leg, instrument, quantity),
                recycle: cut.recycle,
            },
            line_after: cut.line_after,
            distance_after: cut.distance_after,
            reaches: true,
            cost,
            price: self.price(&cut.after, cut.distance_after, cost),
            new_money: Money::ZERO,
        })
    }

    /// Line of the nearest position in the state `after`, with its other symbols moving along.
    fn line_after(&self, after: &ScopeMargin) -> Option<Price> {
        let symbol = &self.key.symbol;
        let alone = after.liquidation_price(symbol);
        let Some(leg) = after.legs.iter().find(|leg| leg.key == *self.key) else {
            return alone;
        };
        if after.legs.iter().all(|other| other.key.symbol == *symbol) {
            return alone;
        }
        let falls = self.falls_hurt;
        let together = line_together(after, &self.desk.joint, symbol, leg.mark, falls);
        more_dangerous(alone, together, falls)
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

    /// Average price of walking the book. Beyond what is seen of it the price goes on as steeply as
    /// within, and by the fallback slippage at least; without a book that alone is expected.
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
            (age <= self.policy.freshness.mark_ms && !self.imagined)
                .then(|| book.close(leg.side, quantity))?
        });
        let Some(fill) = fill.filter(|fill| fill.quantity.is_positive()) else {
            return leg.mark * factor;
        };
        let beyond = quantity - fill.quantity;
        let depth = (fill.worst - leg.mark).abs();
        let times = beyond.ratio(fill.quantity).unwrap_or(Rate::ZERO);
        let deeper = depth * times.min(DEEPEST) * Rate::of(Decimal::new(5, 1));
        let steep = match leg.side {
            Side::Long => fill.worst - deeper,
            Side::Short => fill.worst + deeper,
        };
        let flat = fill.worst * factor;
        let further = match leg.side {
            Side::Long => steep.min(flat).max(Price::ZERO),
            Side::Short => steep.max(flat),
        };
        let notional = fill.notional + further * beyond;
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

    /// Is `distance` out of the reach in which rescues start?
    fn leads_out(&self, distance: f64) -> bool {
        exceeds(distance, self.danger.act_distance, 0.0)
    }

    fn maintenance_rate(&self) -> f64 {
        let leg = self.leg(self.key);
        leg.map_or(0.0, |leg| rate_of(self.margin, leg))
    }

    /// What it costs to do something for `cost` and be in the state `after` then: the way back, what a
    /// liquidation would take by its chance within the horizon, and the next trim by the chance of
    /// having to act again. Without a forecast both chances count as certain.
    fn price(&self, after: &ScopeMargin, distance: f64, cost: Money) -> Money {
        let horizon = self.policy.triggers.horizon_ms;
        let falls = self.falls_hurt(self.key);
        let chance = |distance: f64| {
            let touch = self.touch?;
            Some(rate_up(touched(touch, distance, falls, horizon)))
        };
        let touched = chance(distance).unwrap_or(Rate::ONE);
        let border = self.danger.act_distance;
        let again = chance(beyond(distance, border)).unwrap_or(Rate::ONE);
        let next: Money = after
            .legs
            .iter()
            .map(|leg| {
                let fee = self.desk.fee(&leg.key.symbol, self.policy);
                let part = leg.notional(leg.mark) * AGAIN_SHARE;
                part * (fee + self.policy.fallback_slippage)
            })
            .sum();
        let price = cost * ROUND_TRIP
            + self.lost_if_liquidated(after) * touched
            + next * ROUND_TRIP * again;
        price.ceil_to(MONEY_STEP)
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

/// Maintenance rate of `leg` at its mark.
fn rate_of(scope: &ScopeMargin, leg: &Leg) -> f64 {
    let maintenance = scope.leg_maintenance(leg, leg.mark);
    let rate = maintenance.ratio(leg.notional(leg.mark));
    rate.map_or(0.0, share)
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
