//! Where money for a rescue can come from apart from the free balance: margin that the trader's own
//! resting orders lock.
//!
//! Plain inputs, so that whoever plans can ask "short by so much: what would help?".

use super::desk::Desk;
use super::intent::{CANCELS_MAX, IntentKind};
use super::policy::Policy;
use crate::domain::{Money, OpenOrder, PositionKey, PositionSide, Side};

/// Less than this is not worth a cancellation.
const LEAST_FREED: Money = Money::of(rust_decimal::Decimal::ONE);

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
