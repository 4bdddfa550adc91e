//! What the exchange tells the owner of an account, as the events a live agent would get.

use crate::domain::{MarginMode, Side, Timestamp};
use crate::guard::event::{
    AccountChange, Event, OrderOrigin, OrderStatus, OrderUpdate, PositionChange,
};
use crate::sim::{
    AccountReason, Execution, Order, OrderSide, OrderStatus as Stage, PositionView, PrivateNotice,
};

/// Orders forced by the exchange have a client id that begins so.
pub(super) const FORCED: &str = "autoclose-";
/// Orders of the guard have a client id that begins so.
pub(super) const OWN: &str = "plim-";

/// The event of a notice; `None` for what a live agent has no use for.
pub(super) fn event(notice: &PrivateNotice, asset: &str, at: Timestamp) -> Option<Event> {
    match notice {
        PrivateNotice::Order { order, execution } => Some(order_event(order, execution, at)),
        PrivateNotice::Account {
            reason,
            cross_wallet,
            balance_changed,
            positions,
            ..
        } => {
            let balance = (asset.to_owned(), *cross_wallet);
            Some(Event::Change(AccountChange {
                balances: balance_changed.then_some(balance).into_iter().collect(),
                positions: positions.iter().map(position).collect(),
                reason: word(*reason).to_owned(),
                at,
            }))
        }
        PrivateNotice::Leverage { .. } => Some(Event::ConfigChanged),
        PrivateNotice::MarginCall { .. } | PrivateNotice::Algo(_) => None,
    }
}

fn order_event(order: &Order, execution: &Execution, at: Timestamp) -> Event {
    let origin = if order.client_id.starts_with(FORCED) {
        OrderOrigin::Liquidation
    } else if order.client_id.starts_with(OWN) {
        OrderOrigin::Own
    } else {
        OrderOrigin::Foreign
    };
    // A frame carries the fee of its last fill; it is told where that is the only one.
    let fee = match execution {
        Execution::Trade(trade) | Execution::Calculated(trade)
            if trade.quantity == order.executed =>
        {
            Some(trade.fee)
        }
        Execution::Trade(_)
        | Execution::Calculated(_)
        | Execution::New
        | Execution::Canceled
        | Execution::Expired => None,
    };
    Event::Order(OrderUpdate {
        client_id: order.client_id.clone(),
        symbol: order.symbol.clone(),
        position_side: order.position_side,
        order_side: match order.side {
            OrderSide::Buy => Side::Long,
            OrderSide::Sell => Side::Short,
        },
        origin,
        status: match order.status {
            Stage::New | Stage::PartiallyFilled => OrderStatus::Working,
            Stage::Filled => OrderStatus::Filled,
            Stage::Canceled | Stage::Expired => OrderStatus::Ended,
        },
        filled: order.executed,
        average_price: order.average(),
        fee,
        at,
    })
}

fn position(view: &PositionView) -> PositionChange {
    let held = view.quantity.is_positive();
    PositionChange {
        symbol: view.symbol.clone(),
        position_side: view.position_side,
        side: held.then_some(view.side),
        quantity: view.quantity,
        entry_price: held.then_some(view.entry_price),
        isolated: view.margin_mode == MarginMode::Isolated,
        isolated_wallet: view.isolated_wallet,
    }
}

const fn word(reason: AccountReason) -> &'static str {
    match reason {
        AccountReason::Order => "ORDER",
        AccountReason::Funding => "FUNDING_FEE",
        AccountReason::MarginTransfer => "MARGIN_TRANSFER",
        AccountReason::MarginTypeChange => "MARGIN_TYPE_CHANGE",
        AccountReason::AssetTransfer => "DEPOSIT",
        AccountReason::InsuranceClear => "INSURANCE_CLEAR",
    }
}
