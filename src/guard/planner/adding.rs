//! Additions: how much may be put in, and what that would change.

use rust_decimal::Decimal;

use super::{Candidate, LEAST_ADD, MONEY_STEP, Situation, rate_of, wished_line};
use crate::domain::{MarginMode, Money, PositionKey, Rate};
use crate::forecast::schedule::{FARTHEST, restored};
use crate::forecast::{rate_up, scaled};
use crate::guard::explain;
use crate::guard::intent::{IntentKind, Scope};
use crate::guard::watch::{Danger, crash, reach};
use crate::margin::{Leg, ScopeMargin};

/// An addition below this share of the notional, a tenth of a percent, would not be felt.
const LEAST_ADD_SHARE: Rate = Rate::of(Decimal::from_parts(1, 0, 0, false, 3));
/// An addition aims at this many times the distance needed: it costs nothing, and two small ones are
/// later than one.
const ADD_FACTOR: f64 = 6.0;

impl Situation<'_> {
    pub(super) fn add(&self) -> Result<Candidate, String> {
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
    pub(super) fn mix(&self, add: &Candidate) -> Option<Candidate> {
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
    pub(super) fn restored_distance(&self) -> f64 {
        let factor = self.policy.triggers.restore_factor;
        restored(self.danger.needed, factor, self.maintenance_rate())
    }

    /// Distance that additions aim at.
    pub(super) fn added_distance(&self) -> f64 {
        scaled(self.danger.needed, ADD_FACTOR).min(FARTHEST)
    }

    /// Could money be put in now, enough to be felt?
    pub(in crate::guard) fn can_add(&self) -> bool {
        let somehow = || self.free_first().or_else(|| self.bring_in()).is_some();
        !self.add_failed && (self.addition_room().is_ok() || somehow())
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
    pub(super) fn add_room(&self, key: &PositionKey) -> (Money, String) {
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
    pub(super) fn spare_of_cross(&self, asset: &str) -> Money {
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
    pub(super) fn restored_wallet(&self, scope: &ScopeMargin, leg: &Leg) -> Option<Money> {
        let feed = self.desk.feeds.get(&leg.key.symbol)?;
        let falls = scope.falls_hurt(&leg.key.symbol)?;
        let reach = reach(feed, false, self.gauge, self.policy, falls);
        let rate = rate_of(scope, leg);
        let target = restored(reach.needed, self.policy.triggers.restore_factor, rate);
        self.wallet_for(scope, leg, target, falls)
    }

    /// Wallet with which the line of `leg` would be `target` (a fraction) away, also where the other
    /// symbols of `scope` move along.
    pub(super) fn wallet_for(
        &self,
        scope: &ScopeMargin,
        leg: &Leg,
        target: f64,
        falls_hurt: bool,
    ) -> Option<Money> {
        let symbol = &leg.key.symbol;
        let line = wished_line(leg.mark, target, falls_hurt)?;
        let alone = scope.wallet_for_line(symbol, line);
        if scope.legs.iter().all(|other| other.key.symbol == *symbol) {
            return Some(alone);
        }
        let along = crash(scope, &self.desk.joint, symbol, falls_hurt);
        let share = rate_up(target);
        let share = if falls_hurt { -share } else { share };
        Some(alone.max(scope.wallet_for_shock(&along, share)))
    }

    /// What the venue itself may take from the free balance for other isolated positions with
    /// auto-add margin, up to their own restore distance: that money must not be counted twice.
    pub(super) fn kept_for_auto_add(&self, key: &PositionKey, asset: &str) -> Money {
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
    pub(super) fn auto_add_remark(&self) -> Option<String> {
        let held = self.desk.positions.get(self.key)?;
        let position = &held.position;
        (position.auto_add_margin && position.margin_mode == MarginMode::Isolated).then(|| {
            let balance = self.desk.balances.get(&position.margin_asset);
            let free = balance.map_or(Money::ZERO, |balance| balance.available);
            format!(
                "auto-add margin is on: the exchange may move up to {} {} here by itself, which is not counted on",
                explain::money(free),
                position.margin_asset
            )
        })
    }
}
