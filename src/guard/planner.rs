//! Which rescue: every candidate with its exact after-state, its price, and why it was not taken.

mod adding;
mod exit;
pub(super) mod freeing;
mod trimming;

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::desk::Desk;
use super::intent::{IntentKind, Scope};
use super::journal::Spent;
use super::policy::{Budgets, Policy};
use super::watch::Danger;
use crate::domain::{MarginMode, Money, PositionKey, Price, Rate};
use crate::forecast::{Gauge, Touch, beyond, distance, exceeds, rate_up, scaled, share, touched};
use crate::margin::{Leg, ScopeMargin, Shock};

/// Margin is moved in steps of this much of the settlement asset.
const MONEY_STEP: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
/// Smaller additions are not worth a request.
const LEAST_ADD: Money = Money::of(Decimal::ONE);
/// An action must widen the distance by at least this share of mark to count as better.
const LEAST_GAIN: f64 = 0.000_05;
/// … a trim that does not do what is wanted, by at least this share of what a full rescue restores …
const LEAST_TRIM_SHARE: f64 = 0.05;
/// … and an addition that does not, by at least this share of the distance needed.
const LEAST_ADD_SHARE: f64 = 0.025;
/// When the price comes near again, about this share of what is left is trimmed.
const AGAIN_SHARE: Rate = Rate::of(Decimal::from_parts(2, 0, 0, false, 1));
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
    /// Closing is all that is left, and it is not yet time for that.
    pub(super) holds: bool,
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
            holds: false,
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
    /// How the other symbols of the scope move along when that line is reached in a crash; `None` where
    /// there are none, or where it depends on the trim.
    pub(super) crash: Option<&'a Shock>,
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
    /// An addition was just refused or lost: not the first choice.
    pub(super) add_failed: bool,
    /// Resting orders may be cancelled: the venue has not just refused that.
    pub(super) may_cancel: bool,
    /// Money may be moved in, and what was moved in today or is asked about.
    pub(super) may_move: bool,
    pub(super) moved_in: Money,
    /// What transfers that are asked about or under way take from the owner's other wallets.
    pub(super) moving: Money,
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
            holds: false,
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
        let gains = |candidate: &Candidate, falling_short: f64| {
            let least = if candidate.reaches {
                LEAST_GAIN
            } else {
                falling_short.max(LEAST_GAIN)
            };
            exceeds(candidate.distance_after, self.danger.distance, least)
        };
        let short_add = scaled(self.danger.needed, LEAST_ADD_SHARE);
        // Where nothing is left to wait for, whatever can be given up in one act is better than nothing.
        let short_trim = if self.danger.is_deep() {
            LEAST_GAIN
        } else {
            scaled(target, LEAST_TRIM_SHARE)
        };
        additions.retain(|add| gains(add, short_add));
        trims.retain(|trim| gains(trim, short_trim));
        plan.chosen = self.choose(self.addition_of(&additions, &trims), &trims);
        plan.others = additions.into_iter().chain(trims).collect();
        if plan.chosen.is_none()
            && left > 0
            && self.may_touch(self.key)
            && let Some(close) = self.close().filter(|close| gains(close, LEAST_GAIN))
        {
            plan.others.push(close.clone());
            // A whole position is given up only where nothing less is left to wait for.
            plan.holds = !self.danger.is_deep();
            plan.chosen = self.danger.is_deep().then_some(close);
        }
        if let Some(chosen) = &plan.chosen {
            plan.others.retain(|other| other != chosen);
        }
        plan
    }

    /// The addition to make: what is free now, unless only more than that leads out of reach and the
    /// danger is not so deep that every second counts. None where the last one came to nothing and a
    /// trim can be made, or where in deep danger a trim does at once what money from elsewhere would
    /// do in two steps.
    fn addition_of<'c>(
        &self,
        additions: &'c [Candidate],
        trims: &[Candidate],
    ) -> Option<&'c Candidate> {
        if self.add_failed && !trims.is_empty() {
            return None;
        }
        let enough = additions.iter().find(|add| add.reaches);
        let enough = enough.or(additions.first());
        if !self.danger.is_deep() {
            return enough;
        }
        let mut at_once = additions
            .iter()
            .filter(|add| matches!(add.kind, IntentKind::AddMargin { .. }));
        let rescued = trims
            .iter()
            .any(|trim| trim.reaches && self.leads_out(trim.distance_after));
        at_once.next().or(enough.filter(|_| !rescued))
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
