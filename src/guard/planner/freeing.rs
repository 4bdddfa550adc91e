//! Where money for a rescue can come from apart from the free balance: margin that the trader's own
//! resting orders lock, and the trader's other wallets.
//!
//! Plain inputs, so that whoever plans can ask "short by so much: what would help?".

use rust_decimal::Decimal;

use super::{Candidate, MONEY_STEP, Situation, wished_line};
use crate::domain::{
    MINUTE_MS, Money, OpenOrder, OutsideWallet, PositionKey, PositionSide, Side, Timestamp,
};
use crate::guard::Guard;
use crate::guard::desk::Desk;
use crate::guard::intent::{CANCELS_MAX, Intent, IntentKind, Scope};
use crate::guard::policy::Policy;

/// Less than this is not worth a request.
const LEAST_FREED: Money = Money::of(Decimal::ONE);
/// One kind of freeing rests this long after it failed.
const REST_MS: i64 = MINUTE_MS;

/// When one kind of freeing may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::guard) struct Pace {
    rests_until: Timestamp,
    lost_at: Timestamp,
}

impl Pace {
    pub(in crate::guard) fn allows(self, now: Timestamp) -> bool {
        now >= self.rests_until
    }

    /// It was not executed. What was lost on the way may be repeated at once, but only one in a while;
    /// after a refusal something else must help.
    pub(in crate::guard) fn failed(&mut self, lost: bool, now: Timestamp) {
        if lost && now.since(self.lost_at) > REST_MS {
            self.lost_at = now;
        } else {
            self.rests_until = now.plus_ms(REST_MS);
        }
    }
}

impl Situation<'_> {
    /// Where an addition is short of free balance only: cancel resting orders first, priced as the
    /// addition that this makes possible.
    pub(super) fn free_first(&self) -> Option<Candidate> {
        let Scope::Isolated(key) = self.scope else {
            return None;
        };
        let (budgets, spent) = (self.budgets(), self.spent(key));
        let barred = spent.top_ups >= budgets.top_ups_per_position_day;
        if barred || !self.may_cancel || self.add_refused || self.actions_left(key) <= 2 {
            return None;
        }
        let resting = self.desk.open_orders.as_ref();
        if !self.policy.allowance.cancel_own_orders || resting.is_none_or(Vec::is_empty) {
            return None;
        }
        let leg = self.leg(key)?;
        let line = wished_line(leg.mark, self.restored_distance(), self.falls_hurt(key))?;
        let wanted = self.margin.wallet_for_line(&key.symbol, line) - self.margin.wallet;
        let wanted = wanted.ceil_to(MONEY_STEP);
        let asset = self.asset(key);
        let wallet = self.desk.balances.get(&asset)?.cross_wallet - budgets.keep_available;
        let kept = self.promised + self.kept_for_auto_add(key, &asset);
        let most = wanted
            .min(budgets.add_per_action)
            .min(budgets.add_per_position_day - spent.added)
            .min(wallet.min(self.spare_of_cross(&asset)) - kept);
        let (room, _) = self.add_room(key);
        // Both parts in whole steps, or together they would fall short of what is wanted.
        let room = room.floor_to(MONEY_STEP);
        let short = most - room;
        let (kind, frees) = cancel(self.desk, self.policy, &asset, short)?;
        let amount = (room + frees).min(most).floor_to(MONEY_STEP);
        let after = self.margin.after_add(amount);
        let line_after = after.liquidation_price(&key.symbol);
        let distance_after = self.distance_of(key, line_after);
        let count = match &kind {
            IntentKind::CancelOrders { orders, .. } => orders.len(),
            IntentKind::AddMargin { .. }
            | IntentKind::Reduce { .. }
            | IntentKind::TakeBack { .. }
            | IntentKind::MoveIn { .. } => 0,
        };
        Some(Candidate {
            label: format!(
                "cancel {count} resting of your orders, then add about {amount} {asset}"
            ),
            key: key.clone(),
            kind,
            line_after,
            distance_after,
            reaches: self.leads_out(distance_after),
            cost: Money::ZERO,
            price: self.price(&after, distance_after, Money::ZERO),
            new_money: Money::ZERO,
        })
    }

    /// Money from the owner's other wallets: a cross scope has it at once, an isolated one with the
    /// addition that follows.
    pub(super) fn bring_in(&self) -> Option<Candidate> {
        let (budgets, spent) = (self.budgets(), self.spent(self.key));
        let barred = spent.top_ups >= budgets.top_ups_per_position_day;
        if barred || !self.may_move || self.actions_left(self.key) <= 2 || !self.may_touch(self.key)
        {
            return None;
        }
        let left = self.policy.allowance.move_in_per_day - self.moved_in;
        if left < LEAST_FREED {
            return None;
        }
        let leg = self.leg(self.key)?;
        let target = self.restored_distance();
        let wanted = self.wallet_for(self.margin, leg, target, self.falls_hurt(self.key))?;
        let wanted = (wanted - self.margin.wallet).ceil_to(MONEY_STEP);
        let asset = self.asset(self.key);
        let most = wanted.min(budgets.add_per_action);
        let (most, room) = match self.scope {
            Scope::Cross(_) => (most, Money::ZERO),
            // Where the wallet is short already, what comes in is not free.
            Scope::Isolated(_) if self.spare_of_cross(&asset).is_negative() => return None,
            Scope::Isolated(key) => {
                let left = budgets.add_per_position_day - spent.added;
                (most.min(left), self.add_room(key).0.floor_to(MONEY_STEP))
            }
        };
        let short = most - room;
        let (kind, moved) = move_in(
            self.desk,
            self.policy,
            &asset,
            short,
            (self.moved_in, self.moving),
        )?;
        let amount = (room + moved).min(most).floor_to(MONEY_STEP);
        let after = self.margin.after_add(amount);
        let line_after = self.line_after(&after);
        let distance_after = self.distance_of(self.key, line_after);
        Some(Candidate {
            label: format!("move {moved} {asset} in"),
            key: self.key.clone(),
            kind,
            line_after,
            distance_after,
            reaches: self.leads_out(distance_after),
            cost: Money::ZERO,
            price: self.price(&after, distance_after, Money::ZERO),
            new_money: moved,
        })
    }
}

impl Situation<'_> {
    /// Could `kind` be planned now as it was when it was asked about?
    pub(in crate::guard) fn still_fits(&self, kind: &IntentKind) -> bool {
        match kind {
            IntentKind::AddMargin { amount } => {
                self.addition_room().is_ok_and(|room| room >= *amount)
            }
            IntentKind::MoveIn { amount, .. } => {
                let asset = self.asset(self.key);
                let moved = (self.moved_in, self.moving);
                let now = move_in(self.desk, self.policy, &asset, *amount, moved);
                now.is_some_and(|(kind_now, _)| kind_now == *kind)
            }
            IntentKind::Reduce { .. }
            | IntentKind::CancelOrders { .. }
            | IntentKind::TakeBack { .. } => true,
        }
    }
}

impl Guard {
    pub(in crate::guard) fn pace_of(&mut self, intent: &Intent) -> Option<&mut Pace> {
        match intent.kind {
            IntentKind::CancelOrders { .. } => Some(&mut self.cancels),
            IntentKind::MoveIn { .. } => Some(&mut self.moves),
            IntentKind::AddMargin { .. }
            | IntentKind::Reduce { .. }
            | IntentKind::TakeBack { .. } => None,
        }
    }

    /// What was moved in today, for all positions.
    pub(in crate::guard) fn moved_in_today(&self, now: Timestamp) -> Money {
        let today = now.day_start();
        let today = self.spent.values().filter(|spent| spent.day == today);
        today.map(|spent| spent.moved_in).sum()
    }

    /// What was moved in is no longer outside, long before that is read again.
    pub(in crate::guard) fn moved(&mut self, intent: &Intent) {
        let IntentKind::MoveIn { amount, from } = intent.kind else {
            return;
        };
        if let Some(outside) = self.desk.outside.get_mut(&intent.margin_asset) {
            let wallet = match from {
                OutsideWallet::Spot => &mut outside.spot,
                OutsideWallet::Funding => &mut outside.funding,
            };
            *wallet = (*wallet - amount).max(Money::ZERO);
        }
    }
}

/// Moving how much of `asset` in from where brings `wanted`, or most of it? Within the budget of the
/// day, of which `moved` is used, and without what is `leaving` already. The spot wallet first, unless
/// only the other has enough.
/// `None` where that is not allowed, or nothing is known to be there.
fn move_in(
    desk: &Desk,
    policy: &Policy,
    asset: &str,
    wanted: Money,
    (moved, leaving): (Money, Money),
) -> Option<(IntentKind, Money)> {
    let left = policy.allowance.move_in_per_day - moved;
    let wanted = wanted.min(left).floor_to(MONEY_STEP);
    if wanted < LEAST_FREED {
        return None;
    }
    let outside = desk.outside.get(asset)?;
    let from = if outside.spot < wanted && outside.funding > outside.spot {
        OutsideWallet::Funding
    } else {
        OutsideWallet::Spot
    };
    let there = match from {
        OutsideWallet::Spot => outside.spot,
        OutsideWallet::Funding => outside.funding,
    };
    let amount = wanted.min(there - leaving).floor_to(MONEY_STEP);
    (amount >= LEAST_FREED).then_some((IntentKind::MoveIn { amount, from }, amount))
}

/// Orders that are cancelled together, and what that frees.
#[derive(Debug, Clone, PartialEq)]
struct Lot {
    orders: Vec<OpenOrder>,
    frees: Money,
}

/// Cancelling which of the trader's resting orders frees `wanted` of `asset`, or most of it? Only
/// orders that would open or enlarge a position, in symbols that may be touched; those that lock most
/// first, so that few are cancelled. `None` where that is not allowed or frees nothing.
fn cancel(desk: &Desk, policy: &Policy, asset: &str, wanted: Money) -> Option<(IntentKind, Money)> {
    if !policy.allowance.cancel_own_orders || wanted < LEAST_FREED {
        return None;
    }
    let mut lots = lots(desk, policy, asset);
    lots.sort_by_key(|lot| -lot.frees);
    let mut orders = Vec::new();
    let mut frees = Money::ZERO;
    for lot in lots {
        if frees >= wanted {
            break;
        }
        if orders.len() + lot.orders.len() > CANCELS_MAX {
            continue;
        }
        frees += lot.frees;
        orders.extend(lot.orders);
    }
    (frees >= LEAST_FREED).then_some((IntentKind::CancelOrders { orders, frees }, frees))
}

/// Orders in the direction of a position lock their margin one by one. Where nothing is held, buys
/// and sells lock only as much as the larger side of both: they go together.
fn lots(desk: &Desk, policy: &Policy, asset: &str) -> Vec<Lot> {
    let mut lots: Vec<Lot> = Vec::new();
    let all = desk.open_orders.as_deref().unwrap_or_default();
    let own = format!("plim-{}-", policy.instance);
    let usable = all.iter().filter(|order| {
        order.margin_asset == asset
            && policy.may_touch(&order.symbol)
            && !order.client_id.starts_with(&own)
    });
    let mut flat: Vec<(&OpenOrder, Money)> = Vec::new();
    for order in usable {
        let Some(margin) = order.margin else {
            continue;
        };
        match held_side(desk, order) {
            Some(side) if side == order.side => lots.push(Lot {
                orders: vec![order.clone()],
                frees: margin,
            }),
            // It may close what is held: the trader's own protection, for all that is known.
            Some(_) => {}
            None => flat.push((order, margin)),
        }
    }
    flat.sort_by_key(|(order, _)| slot(order));
    for group in flat.chunk_by(|(a, _), (b, _)| slot(a) == slot(b)) {
        let side = |side| {
            let of_side = group.iter().filter(|(order, _)| order.side == side);
            of_side.map(|(_, margin)| *margin).sum::<Money>()
        };
        let (buys, sells) = (side(Side::Long), side(Side::Short));
        if buys.is_zero() || sells.is_zero() {
            lots.extend(group.iter().map(|(order, margin)| Lot {
                orders: vec![(*order).clone()],
                frees: *margin,
            }));
        } else {
            lots.push(Lot {
                orders: group.iter().map(|(order, _)| (*order).clone()).collect(),
                frees: buys.max(sells),
            });
        }
    }
    lots
}

fn slot(order: &OpenOrder) -> PositionKey {
    PositionKey {
        symbol: order.symbol.clone(),
        position_side: order.position_side,
    }
}

/// Direction of what is held in the slot of an order.
fn held_side(desk: &Desk, order: &OpenOrder) -> Option<Side> {
    match order.position_side {
        PositionSide::Both | PositionSide::Long | PositionSide::Short => {
            let held = desk.positions.get(&slot(order))?;
            Some(held.position.side)
        }
    }
}
