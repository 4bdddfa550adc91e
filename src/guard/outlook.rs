//! What lies ahead of each position: where the guard acts, how likely that is, and what it would do.

use serde::{Deserialize, Serialize};

use super::Guard;
use super::intent::Scope;
use super::planner::{Candidate, Plan};
use super::watch::{Danger, Line, act_price, danger};
use crate::domain::{
    DAY_MS, HOUR_MS, MINUTE_MS, Money, PositionKey, Price, Quantity, Side, Timestamp,
};
use crate::forecast::{Due, breach, distance_at, due, nearing, rate_up, scaled};

/// Horizons of the odds that are shown, in milliseconds.
const HORIZONS_MS: [i64; 5] = [5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, DAY_MS];
/// The soonest touch that is told has this chance.
const SOON_CHANCE: f64 = 0.05;
/// The adverse move of a day that is told is exceeded with this chance.
const BAD_DAY_CHANCE: f64 = 0.05;

/// One position, ahead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    pub key: PositionKey,
    pub scope: Scope,
    pub side: Side,
    pub quantity: Quantity,
    pub mark_price: Price,
    /// The more dangerous of own and venue's number, with the other positions of a cross account moving
    /// along; `None`: no price liquidates it.
    pub liquidation_price: Option<Price>,
    /// From mark to that, in percent of mark.
    pub distance_pct: Option<f64>,
    /// Mark price at which a rescue starts.
    pub act_price: Option<Price>,
    /// That is where the price is now.
    pub acts_now: bool,
    /// Time from a decision to its verified effect that is reckoned with, in milliseconds.
    pub time_needed_ms: i64,
    /// Empty without a forecast.
    pub odds: Vec<Odds>,
    /// Milliseconds after which the liquidation price has been touched with a chance of 5 %; `None`:
    /// later than a day, or no forecast.
    pub one_in_twenty_ms: Option<i64>,
    /// Adverse move of a day that one day in twenty exceeds, in percent of mark.
    pub bad_day_pct: Option<f64>,
    /// What would be done: now, where it acts now, and else when the act price is reached.
    pub rescue: Option<Rescue>,
}

/// Chances, 0..1, of touching a price within a horizon.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Odds {
    pub horizon_ms: i64,
    /// Of the act price.
    pub act: f64,
    /// Of the liquidation price, if nothing is done.
    pub liquidation: f64,
}

/// A choice between rescues, with prices in the settlement asset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rescue {
    /// Mark price that it is worked out for.
    pub at: Price,
    pub chosen: Option<Choice>,
    /// The losing ones.
    pub others: Vec<Choice>,
    /// Chance-weighted loss of doing nothing.
    pub waiting: Money,
    /// Distance that a full rescue restores, in percent of mark.
    pub target_distance_pct: f64,
    /// Why something was left out, or why nothing can be done.
    pub remarks: Vec<String>,
}

/// One thing that could be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    pub label: String,
    /// Fees and slippage.
    pub cost: Money,
    /// The same there and back, with the chance-weighted loss in a liquidation and cost of acting
    /// again.
    pub price: Money,
    pub new_money: Money,
    /// `None`: no price liquidates what is left.
    pub liquidation_price: Option<Price>,
    pub distance_pct: f64,
}

impl Guard {
    /// What lies ahead of each position, in order of their keys.
    #[must_use]
    pub fn outlook(&self, now: Timestamp) -> Vec<Outlook> {
        let mut ahead = Vec::new();
        for (index, (scope, watch)) in self.watches.iter().enumerate() {
            let lines = watch.fresh_lines(scope, &self.desk, &self.policy);
            let can_add = watch.can_add.unwrap_or_else(|| self.can_add(index, now));
            ahead.extend(
                lines
                    .iter()
                    .filter_map(|line| self.ahead_of(scope, line, can_add, now)),
            );
        }
        ahead.sort_by(|one, other| one.key.cmp(&other.key));
        ahead
    }

    fn ahead_of(
        &self,
        scope: &Scope,
        line: &Line,
        can_add: bool,
        now: Timestamp,
    ) -> Option<Outlook> {
        let position = &self.desk.positions.get(&line.key)?.position;
        let mark = self.desk.mark(position);
        let danger = danger(line, can_add, &self.desk, &self.gauge, &self.policy);
        let act = danger.and_then(|danger| {
            act_price(line.nearest?, rate_up(danger.act_distance), line.falls_hurt)
        });
        let mut outlook = Outlook {
            key: line.key.clone(),
            scope: scope.clone(),
            side: position.side,
            quantity: position.quantity,
            mark_price: mark,
            liquidation_price: line.nearest,
            distance_pct: danger.map(|danger| scaled(danger.distance, 100.0)),
            act_price: act,
            acts_now: danger.is_some_and(|danger| danger.nearness() <= 1.0),
            time_needed_ms: self.needs.time_needed_ms(),
            odds: Vec::new(),
            one_in_twenty_ms: None,
            bad_day_pct: None,
            rescue: None,
        };
        if let Some(danger) = danger {
            self.forecast_into(&mut outlook, line, &danger);
            let at = if outlook.acts_now { None } else { act };
            outlook.rescue = self.rescue_at(scope, line, danger, at, now);
        }
        Some(outlook)
    }

    fn forecast_into(&self, outlook: &mut Outlook, line: &Line, danger: &Danger) {
        let Some(feed) = self.desk.feeds.get(&line.key.symbol) else {
            return;
        };
        let (bars, falls) = (&feed.bars, line.falls_hurt);
        let odds = HORIZONS_MS.iter().filter_map(|horizon_ms| {
            Some(Odds {
                horizon_ms: *horizon_ms,
                act: nearing(
                    bars,
                    danger.distance,
                    danger.act_distance,
                    falls,
                    *horizon_ms,
                )?,
                liquidation: breach(bars, danger.distance, falls, *horizon_ms)?,
            })
        });
        outlook.odds = odds.collect();
        outlook.one_in_twenty_ms = match due(bars, danger.distance, falls, SOON_CHANCE) {
            Some(Due::Soon) => HORIZONS_MS.first().copied(),
            Some(Due::In(ms)) => Some(ms),
            Some(Due::Beyond) | None => None,
        };
        outlook.bad_day_pct =
            distance_at(bars, BAD_DAY_CHANCE, falls, DAY_MS).map(|share| scaled(share, 100.0));
    }

    /// What would be done now, or with the mark moved to `at`.
    fn rescue_at(
        &self,
        scope: &Scope,
        line: &Line,
        danger: Danger,
        at: Option<Price>,
        now: Timestamp,
    ) -> Option<Rescue> {
        let danger = match at {
            Some(_) => Danger {
                distance: danger.act_distance,
                ..danger
            },
            None => danger,
        };
        let position = &self.desk.positions.get(&line.key)?.position;
        let mark = at.unwrap_or_else(|| self.desk.mark(position));
        let plan = self.in_situation(scope, line, danger, at, now, |situation| situation.plan())?;
        Some(rescue(plan, mark))
    }
}

fn rescue(plan: Plan, at: Price) -> Rescue {
    let choice = |candidate: Candidate| Choice {
        label: candidate.label,
        cost: candidate.cost,
        price: candidate.price,
        new_money: candidate.new_money,
        liquidation_price: candidate.line_after,
        distance_pct: scaled(candidate.distance_after, 100.0),
    };
    Rescue {
        at,
        chosen: plan.chosen.map(choice),
        others: plan.others.into_iter().map(choice).collect(),
        waiting: plan.waiting,
        target_distance_pct: scaled(plan.target_distance, 100.0),
        remarks: plan.remarks,
    }
}
