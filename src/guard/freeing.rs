//! Where money for a rescue can come from apart from the free balance: margin that the trader's own
//! resting orders lock, and the trader's other wallets.
//!
//! Plain inputs, so that whoever plans can ask "short by so much: what would help?".

use rust_decimal::Decimal;

use super::Guard;
use super::desk::Desk;
use super::intent::{CANCELS_MAX, Intent, IntentKind};
use super::policy::Policy;
use crate::domain::{
    MINUTE_MS, Money, OpenOrder, OutsideWallet, PositionKey, PositionSide, Side, Timestamp,
};

/// Less than this is not worth a request.
const LEAST_FREED: Money = Money::of(Decimal::ONE);
/// Money is moved in steps of one hundredth.
const MONEY_STEP: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
/// One kind of freeing rests this long after it failed.
const REST_MS: i64 = MINUTE_MS;

/// When one kind of freeing may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pace {
    rests_until: Timestamp,
    lost_at: Timestamp,
}

impl Pace {
    pub(super) fn allows(self, now: Timestamp) -> bool {
        now >= self.rests_until
    }

    /// It was not executed. What was lost on the way may be repeated at once, but only one in a while;
    /// after a refusal something else must help.
    pub(super) fn failed(&mut self, lost: bool, now: Timestamp) {
        if lost && now.since(self.lost_at) > REST_MS {
            self.lost_at = now;
        } else {
            self.rests_until = now.plus_ms(REST_MS);
        }
    }
}

impl Guard {
    pub(super) fn pace_of(&mut self, intent: &Intent) -> Option<&mut Pace> {
        match intent.kind {
            IntentKind::CancelOrders { .. } => Some(&mut self.cancels),
            IntentKind::MoveIn { .. } => Some(&mut self.moves),
            IntentKind::AddMargin { .. }
            | IntentKind::Reduce { .. }
            | IntentKind::TakeBack { .. } => None,
        }
    }

    /// What was moved in today, for all positions.
    pub(super) fn moved_in_today(&self, now: Timestamp) -> Money {
        let today = now.day_start();
        let today = self.spent.values().filter(|spent| spent.day == today);
        today.map(|spent| spent.moved_in).sum()
    }

    /// What was moved in is no longer outside, long before that is read again.
    pub(super) fn moved(&mut self, intent: &Intent) {
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
/// day, of which `moved_today` is used. The spot wallet first, unless only the other has enough.
/// `None` where that is not allowed, or nothing is known to be there.
pub(super) fn move_in(
    desk: &Desk,
    policy: &Policy,
    asset: &str,
    wanted: Money,
    moved_today: Money,
) -> Option<(IntentKind, Money)> {
    let left = policy.allowance.move_in_per_day - moved_today;
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
    let amount = wanted.min(there).floor_to(MONEY_STEP);
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
pub(super) fn cancel(
    desk: &Desk,
    policy: &Policy,
    asset: &str,
    wanted: Money,
) -> Option<(IntentKind, Money)> {
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
