//! Intents as requests of the simulated exchange, and its refusals as a guard is told them.
//!
//! What a refusal means is written down a second time here, from the venue's published codes: the
//! benchmark must not share the adapter's table.

use crate::domain::{Money, PositionMode, Side};
use crate::guard::intent::{FillReport, Intent, IntentKind, Outcome, Reaction, Resolution};
use crate::sim::{
    AccountId, Exchange, Order, OrderKind, OrderRequest, OrderSide, Refusal, TimeInForce,
};

/// What is asked of the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// Into the margin of a position; negative: out of it.
    Margin(Money),
    Order(Box<OrderRequest>),
    /// Resting orders and other wallets: this account has none.
    Elsewhere,
}

/// The request of an intent; the only place that knows the kinds of intents.
pub(super) fn request(intent: &Intent) -> Request {
    match &intent.kind {
        IntentKind::AddMargin { amount } => Request::Margin(*amount),
        IntentKind::TakeBack { amount } => Request::Margin(-*amount),
        IntentKind::CancelOrders { .. } | IntentKind::MoveIn { .. } => Request::Elsewhere,
        IntentKind::Reduce {
            quantity, bound, ..
        } => {
            let side = match intent.side {
                Side::Long => OrderSide::Sell,
                Side::Short => OrderSide::Buy,
            };
            let mut order = OrderRequest::market(&intent.key.symbol, side, *quantity);
            if let Some(price) = bound {
                order.kind = OrderKind::Limit;
                order.time_in_force = TimeInForce::Ioc;
                order.price = Some(*price);
            }
            order.client_id = Some(intent.id.as_str().to_owned());
            match intent.position_mode {
                PositionMode::OneWay => order.reduce_only = Some(true),
                PositionMode::Hedge => order.position_side = Some(intent.key.position_side),
            }
            Request::Order(Box::new(order))
        }
    }
}

/// Carries out the request of `intent`; the order it made, if it was one that was taken.
pub(super) fn carry_out(
    exchange: &mut Exchange,
    account: AccountId,
    intent: &Intent,
) -> (Outcome, Option<Order>) {
    match request(intent) {
        Request::Margin(amount) => {
            let moved = exchange.move_margin(account, &intent.key, amount);
            let done = |()| Outcome::Done { fill: None };
            (moved.map_or_else(|refusal| refused(&refusal), done), None)
        }
        Request::Elsewhere => {
            let nothing = Outcome::Rejected {
                reaction: Reaction::Resync,
                code: None,
                message: "no resting order and no other wallet here".to_owned(),
            };
            (nothing, None)
        }
        Request::Order(order) => match exchange.place(account, &order) {
            Ok(order) => {
                let fill = Some(fill(&order));
                (Outcome::Done { fill }, Some(order))
            }
            Err(refusal) => (refused(&refusal), None),
        },
    }
}

/// What became of the order of `intent`.
pub(super) fn find_order(exchange: &Exchange, account: AccountId, intent: &Intent) -> Resolution {
    let id = Some(intent.id.as_str());
    match exchange.find_order(account, &intent.key.symbol, None, id) {
        None => Resolution::NotFound,
        Some(order) if order.status.is_open() => Resolution::Working,
        Some(order) if order.executed.is_positive() => Resolution::Executed {
            fill: Some(fill(&order)),
        },
        Some(_) => Resolution::NotExecuted,
    }
}

fn fill(order: &Order) -> FillReport {
    FillReport {
        quantity: order.executed,
        average_price: order.average(),
        fee: None,
    }
}

fn refused(refusal: &Refusal) -> Outcome {
    let message = refusal.to_string();
    match reaction(refusal) {
        Some(reaction) => Outcome::Rejected {
            reaction,
            code: None,
            message,
        },
        None => Outcome::Unknown { message },
    }
}

/// What a refusal asks of the guard; `None` when the request may have been executed before.
/// Source: error codes of the USDⓈ-M futures API, developers.binance.com, 2026-11.
fn reaction(refusal: &Refusal) -> Option<Reaction> {
    match refusal {
        Refusal::DuplicateClientId => None,
        Refusal::MarginInsufficient
        | Refusal::CrossInsufficient
        | Refusal::TransferInsufficient => Some(Reaction::NoBalance),
        Refusal::ReduceOnlyRejected
        | Refusal::ReduceOnlyConflict
        | Refusal::ReduceOnlyInHedge
        | Refusal::PositionSideMismatch
        | Refusal::NotIsolated
        | Refusal::IsolatedInsufficient
        | Refusal::NoPosition
        | Refusal::WouldTrigger
        | Refusal::UnknownOrder
        | Refusal::NothingToCancel
        | Refusal::ClosePositionConflict => Some(Reaction::Resync),
        Refusal::UnknownSymbol
        | Refusal::QuantityNotPositive
        | Refusal::QuantityTooSmall
        | Refusal::QuantityTooLarge
        | Refusal::Precision
        | Refusal::QuantityStep
        | Refusal::PriceMissing
        | Refusal::PriceTick
        | Refusal::PriceTooHigh { .. }
        | Refusal::PriceTooLow { .. }
        | Refusal::MinNotional { .. } => Some(Reaction::RefreshFilters),
        Refusal::MarketBound => Some(Reaction::BoundPrice),
        Refusal::NotFillable | Refusal::WouldTake => Some(Reaction::RetryLater),
        Refusal::SymbolClosed
        | Refusal::BadClientId
        | Refusal::TooManyStops
        | Refusal::TooManyOrders
        | Refusal::MaxPosition
        | Refusal::InvalidLeverage { .. }
        | Refusal::LeverageReduction
        | Refusal::SameMarginType
        | Refusal::MarginTypeOrders
        | Refusal::MarginTypePosition
        | Refusal::AmountNotPositive
        | Refusal::SamePositionMode
        | Refusal::PositionModeOrders
        | Refusal::PositionModePosition => Some(Reaction::Powerless),
    }
}
