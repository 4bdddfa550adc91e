//! Cancelling resting orders, and looking up which of them still rest.
//!
//! Purpose: a cancel is idempotent, so what matters is only whether an order rests. Inputs: orders
//! as they were read. It must never choose orders.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::account::OPEN_ORDERS_PATH;
use super::errors::Play;
use super::map;
use super::order::{ORDER_PATH, refused, unreachable};
use super::rest::{Call, Failure, Host, Rest, SignedRequest};
use super::sign::Query;
use crate::domain::{OpenOrder, Symbol, Timestamp};
use crate::guard::intent::{Outcome, Resolution};
use crate::net::http::Method;
use crate::net::limiter::Lane;

/// The request that cancels one order, without any I/O.
pub(super) fn request(rest: &Rest, order: Option<&OpenOrder>, at: Timestamp) -> SignedRequest {
    let query = order.map_or_else(Query::new, |order| {
        Query::new()
            .with("symbol", order.symbol.as_str())
            .with("orderId", &order.id)
    });
    let window = rest.settings.receive_window_ms;
    rest.seal(Method::Delete, ORDER_PATH, query, window, at)
}

/// Cancels each order once, all at the same time. An order that is unknown is gone already.
pub(super) async fn send(rest: &Rest, orders: &[OpenOrder]) -> Outcome {
    let call = Call {
        method: Method::Delete,
        ..Call::get(ORDER_PATH, 1, Lane::Protective)
    };
    let each = orders.iter().map(|order| async move {
        let answer = rest.resyncing(call, || request(rest, Some(order), rest.stamp()));
        match answer.await {
            Ok(_)
            | Err(Failure::Refused {
                play: Play::NoSuchOrder,
                ..
            }) => None,
            Err(failure) => Some(failure),
        }
    });
    let answers = join_all(each).await;
    rest.note_act();
    let asked = answers.len();
    let mut failures: Vec<Failure> = answers.into_iter().flatten().collect();
    let failed = failures.len();
    match failures.pop() {
        None => Outcome::Done { fill: None },
        Some(failure) if asked == 1 => refused(rest, failure),
        Some(failure) => {
            let error = failure.into_error(rest.host_name(Host::Futures));
            Outcome::Unknown {
                message: format!("{failed} of {asked} orders were not cancelled: {error}"),
            }
        }
    }
}

/// Do any of these orders still rest? A cancel that arrives late does no harm.
pub(super) async fn resolve(rest: &Rest, orders: &[OpenOrder]) -> Resolution {
    let symbols: BTreeSet<&Symbol> = orders.iter().map(|order| &order.symbol).collect();
    let each = symbols.into_iter().map(|symbol| async move {
        let query = Query::new().with("symbol", symbol.as_str());
        let call = Call::get(OPEN_ORDERS_PATH, 1, Lane::Protective);
        (symbol, rest.signed(call, query).await)
    });
    for (symbol, answer) in join_all(each).await {
        let ids = match answer.map(|body| map::resting_ids(&body)) {
            Err(failure) => return unreachable(rest, failure),
            Ok(Err(error)) => {
                return Resolution::Unreachable {
                    message: format!("the answer cannot be read: {}", error.0),
                };
            }
            Ok(Ok(ids)) => ids,
        };
        let mut wanted = orders.iter().filter(|order| order.symbol == *symbol);
        if wanted.any(|order| ids.contains(&order.id)) {
            return Resolution::NotExecuted;
        }
    }
    Resolution::Executed { fill: None }
}
