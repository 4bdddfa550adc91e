//! The things that are ever sent, and looking up what became of them.
//!
//! Purpose: an intent leaves at most once, and every answer becomes an outcome that says whether it
//! was executed. Inputs: intents. It must never plan, and never send what could raise exposure.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use rust_decimal::Decimal;

use super::cancel;
use super::decode::slot_word;
use super::errors::{OVERLOAD_PAUSE_MS, Play};
use super::map::{self, MarginRow, Stage};
use super::rest::{Call, Failure, Rest, SignedRequest};
use super::sign::Query;
use super::transfer;
use crate::domain::{MarginMode, Money, PositionMode, PositionSide, Side, Symbol, Timestamp};
use crate::guard::intent::{
    CANCELS_MAX, Intent, IntentId, IntentKind, Outcome, Reaction, Resolution,
};
use crate::net::http::Method;
use crate::net::limiter::{Cost, Lane};

pub(super) const ORDER_PATH: &str = "/fapi/v1/order";
const MARGIN_PATH: &str = "/fapi/v1/positionMargin";
const MARGIN_HISTORY_PATH: &str = "/fapi/v1/positionMargin/history";
/// How far before the sending of an intent its row in the history may be stamped.
const HISTORY_SLACK_MS: i64 = 1_000;
/// Margin changes remembered as belonging to an intent.
const CREDITS_MAX: usize = 64;
/// Smallest unit of a settlement asset: eight decimals.
const AMOUNT_STEP: Decimal = Decimal::from_parts(1, 0, 0, false, 8);

/// Into the position or out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    In,
    Out,
}

impl Move {
    fn of(intent: &Intent) -> Self {
        match intent.kind {
            IntentKind::AddMargin { .. }
            | IntentKind::Reduce { .. }
            | IntentKind::CancelOrders { .. }
            | IntentKind::MoveIn { .. } => Self::In,
            IntentKind::TakeBack { .. } => Self::Out,
        }
    }

    /// The venue's number for it.
    fn code(self) -> u8 {
        match self {
            Self::In => 1,
            Self::Out => 2,
        }
    }
}

/// Builds the request of an intent, of several cancels the first, without any I/O.
pub(super) fn request(rest: &Rest, intent: &Intent, timestamp: Timestamp) -> SignedRequest {
    let (path, query) = match &intent.kind {
        IntentKind::CancelOrders { orders, .. } => {
            return cancel::request(rest, orders.first(), timestamp);
        }
        IntentKind::MoveIn { amount, from } => {
            let (amount, from) = (*amount, *from);
            let order = transfer::Order { amount, from };
            return transfer::request(rest, intent, order, timestamp);
        }
        IntentKind::AddMargin { amount } => (MARGIN_PATH, margin_query(intent, *amount, Move::In)),
        IntentKind::TakeBack { amount } => (MARGIN_PATH, margin_query(intent, *amount, Move::Out)),
        IntentKind::Reduce {
            quantity, bound, ..
        } => {
            let side = match intent.side {
                Side::Long => "SELL",
                Side::Short => "BUY",
            };
            let query = Query::new()
                .with("symbol", intent.key.symbol.as_str())
                .with_plain("side", side);
            let query = match intent.position_mode {
                PositionMode::OneWay => query.with_plain("reduceOnly", "true"),
                PositionMode::Hedge => {
                    query.with_plain("positionSide", slot_word(intent.key.position_side))
                }
            };
            let query = match bound {
                None => query.with_plain("type", "MARKET"),
                Some(price) => query
                    .with_plain("type", "LIMIT")
                    .with_plain("timeInForce", "IOC")
                    .with_plain("price", price),
            };
            let query = query
                .with_plain("quantity", quantity)
                .with("newClientOrderId", intent.id.as_str())
                .with_plain("newOrderRespType", "RESULT");
            (ORDER_PATH, query)
        }
    };
    let window = rest.settings.receive_window_ms;
    rest.seal(Method::Post, path, query, window, timestamp)
}

fn margin_query(intent: &Intent, amount: Money, way: Move) -> Query {
    let query = Query::new()
        .with("symbol", intent.key.symbol.as_str())
        .with_plain("amount", amount.floor_to(AMOUNT_STEP))
        .with_plain("type", way.code());
    match intent.position_mode {
        PositionMode::OneWay => query,
        PositionMode::Hedge => {
            query.with_plain("positionSide", slot_word(intent.key.position_side))
        }
    }
}

/// Why an intent must not leave at all: it contradicts itself, so it might open a position.
fn contradiction(intent: &Intent) -> Option<&'static str> {
    let slot_fits = match (intent.position_mode, intent.key.position_side) {
        (PositionMode::OneWay, slot) => slot == PositionSide::Both,
        (PositionMode::Hedge, PositionSide::Both) => false,
        (PositionMode::Hedge, PositionSide::Long) => intent.side == Side::Long,
        (PositionMode::Hedge, PositionSide::Short) => intent.side == Side::Short,
    };
    if !slot_fits {
        return Some("the position side does not fit the position mode");
    }
    match &intent.kind {
        IntentKind::AddMargin { .. } | IntentKind::TakeBack { .. }
            if intent.margin_mode != MarginMode::Isolated =>
        {
            Some("margin can only be moved in an isolated position")
        }
        IntentKind::AddMargin { amount }
        | IntentKind::TakeBack { amount }
        | IntentKind::MoveIn { amount, .. }
            if !amount.floor_to(AMOUNT_STEP).is_positive() =>
        {
            Some("the amount is not above zero")
        }
        IntentKind::Reduce { quantity, .. } if !quantity.is_positive() => {
            Some("the quantity is not above zero")
        }
        IntentKind::CancelOrders { orders, .. } if !(1..=CANCELS_MAX).contains(&orders.len()) => {
            Some("it cancels no order, or too many")
        }
        IntentKind::AddMargin { .. }
        | IntentKind::Reduce { .. }
        | IntentKind::TakeBack { .. }
        | IntentKind::CancelOrders { .. }
        | IntentKind::MoveIn { .. } => None,
    }
}

/// Sends an intent, at most once with effect.
pub(super) async fn send(rest: &Rest, credits: &Credits, intent: &Intent) -> Outcome {
    if let Some(reason) = contradiction(intent) {
        return Outcome::Rejected {
            reaction: Reaction::Resync,
            code: None,
            message: format!("not sent: {reason}"),
        };
    }
    rest.note_act();
    let (path, cost) = match &intent.kind {
        IntentKind::CancelOrders { orders, .. } => return cancel::send(rest, orders).await,
        IntentKind::MoveIn { amount, from } => {
            let (amount, from) = (*amount, *from);
            let order = transfer::Order { amount, from };
            return transfer::send(rest, &credits.transfers, intent, order).await;
        }
        IntentKind::AddMargin { .. } | IntentKind::TakeBack { .. } => {
            (MARGIN_PATH, Cost::weight(1))
        }
        IntentKind::Reduce { .. } => (ORDER_PATH, Cost::order()),
    };
    let call = Call {
        method: Method::Post,
        cost,
        ..Call::get(path, 0, Lane::Protective)
    };
    let began = rest.venue_now();
    let answer = rest
        .resyncing(call, || request(rest, intent, rest.stamp()))
        .await;
    rest.note_act();
    match (answer, &intent.kind) {
        (Err(failure), _) => refused(rest, failure),
        (Ok(body), IntentKind::AddMargin { amount } | IntentKind::TakeBack { amount }) => {
            match map::margin_moved(&body) {
                Ok(true) => {
                    credits.note(intent, *amount, began, rest.venue_now());
                    Outcome::Done { fill: None }
                }
                Ok(false) | Err(_) => Outcome::Unknown {
                    message: "the answer is not the exchange's word that margin was moved"
                        .to_owned(),
                },
            }
        }
        (
            Ok(body),
            IntentKind::Reduce { .. } | IntentKind::CancelOrders { .. } | IntentKind::MoveIn { .. },
        ) => order_outcome(&body, intent),
    }
}

fn order_outcome(body: &str, intent: &Intent) -> Outcome {
    let unknown = |message: String| Outcome::Unknown { message };
    match map::order(body) {
        Err(error) => unknown(format!("the answer cannot be read: {}", error.0)),
        Ok(order)
            if order
                .client_id
                .as_deref()
                .is_some_and(|id| id != intent.id.as_str()) =>
        {
            unknown("the answer speaks of another order".to_owned())
        }
        Ok(order) => match order.stage {
            Stage::Final => Outcome::Done {
                fill: Some(order.fill),
            },
            Stage::Working => unknown("the order was taken but is not final yet".to_owned()),
        },
    }
}

pub(super) fn refused(rest: &Rest, failure: Failure) -> Outcome {
    let rejected = |reaction, code, message| Outcome::Rejected {
        reaction,
        code,
        message,
    };
    match failure {
        Failure::Held { until, .. } => Outcome::Throttled { until },
        Failure::NotExecuted { message } => rejected(Reaction::RetryLater, None, message),
        Failure::Unclear { message } => Outcome::Unknown { message },
        Failure::Refused {
            code,
            message,
            play,
        } => match play {
            Play::LookUp => Outcome::Unknown { message },
            Play::Overloaded | Play::OverWeight | Play::OverOrders => Outcome::Throttled {
                until: rest.venue_now().plus_ms(OVERLOAD_PAUSE_MS),
            },
            // Refused twice in a row: the clock is beyond what one measurement can mend.
            Play::ClockSkew => rejected(Reaction::RetryLater, Some(code), message),
            Play::Unauthorised => rejected(Reaction::Powerless, Some(code), message),
            Play::NewListenKey | Play::NoSuchOrder | Play::NoChange => {
                rejected(Reaction::Resync, Some(code), message)
            }
            Play::Refused(reaction) => rejected(reaction, Some(code), message),
        },
    }
}

/// Asks what became of an intent that was sent at `sent_at`, venue time.
pub(super) async fn resolve(
    rest: &Rest,
    credits: &Credits,
    intent: &Intent,
    sent_at: Timestamp,
) -> Resolution {
    rest.note_act();
    match &intent.kind {
        IntentKind::Reduce { .. } => resolve_order(rest, intent).await,
        IntentKind::CancelOrders { orders, .. } => cancel::resolve(rest, orders).await,
        IntentKind::MoveIn { amount, from } => {
            let (amount, from) = (*amount, *from);
            let order = transfer::Order { amount, from };
            transfer::resolve(rest, &credits.transfers, intent, order, sent_at).await
        }
        IntentKind::AddMargin { amount } | IntentKind::TakeBack { amount } => {
            resolve_margin(rest, credits, intent, *amount, sent_at).await
        }
    }
}

async fn resolve_order(rest: &Rest, intent: &Intent) -> Resolution {
    let query = Query::new()
        .with("symbol", intent.key.symbol.as_str())
        .with("origClientOrderId", intent.id.as_str());
    let call = Call::get(ORDER_PATH, 1, Lane::Protective);
    let body = match rest.signed(call, query).await {
        Ok(body) => body,
        Err(Failure::Refused {
            play: Play::NoSuchOrder,
            ..
        }) => return Resolution::NotFound,
        Err(failure) => return unreachable(rest, failure),
    };
    match map::order(&body) {
        Err(error) => Resolution::Unreachable {
            message: format!("the answer cannot be read: {}", error.0),
        },
        Ok(order)
            if order
                .client_id
                .as_deref()
                .is_some_and(|id| id != intent.id.as_str()) =>
        {
            Resolution::Unreachable {
                message: "the answer speaks of another order".to_owned(),
            }
        }
        Ok(order) => match order.stage {
            Stage::Working => Resolution::Working,
            Stage::Final if order.fill.quantity.is_positive() => Resolution::Executed {
                fill: Some(order.fill),
            },
            Stage::Final => Resolution::NotExecuted,
        },
    }
}

async fn resolve_margin(
    rest: &Rest,
    credits: &Credits,
    intent: &Intent,
    amount: Money,
    sent_at: Timestamp,
) -> Resolution {
    let since = sent_at.plus_ms(-HISTORY_SLACK_MS);
    let query = Query::new()
        .with("symbol", intent.key.symbol.as_str())
        .with_plain("type", Move::of(intent).code())
        .with_plain("startTime", since.as_millis());
    let call = Call::get(MARGIN_HISTORY_PATH, 1, Lane::Protective);
    let body = match rest.signed(call, query).await {
        Ok(body) => body,
        Err(failure) => return unreachable(rest, failure),
    };
    match map::margin_moves(&body, Move::of(intent).code()) {
        Err(error) => Resolution::Unreachable {
            message: format!("the answer cannot be read: {}", error.0),
        },
        Ok(rows) => {
            if credits.claim(intent, amount, since, rows) {
                Resolution::Executed { fill: None }
            } else {
                Resolution::NotFound
            }
        }
    }
}

pub(super) fn unreachable(rest: &Rest, failure: Failure) -> Resolution {
    let host = rest.host_name(super::rest::Host::Futures);
    Resolution::Unreachable {
        message: failure.into_error(host).to_string(),
    }
}

/// Which row of the margin history belongs to which intent. Margin requests carry no identity, so
/// a row that one intent has used can prove nothing about another.
#[derive(Default)]
pub(super) struct Credits {
    rows: Mutex<VecDeque<Credit>>,
    transfers: transfer::Claims,
}

struct Credit {
    intent: IntentId,
    symbol: Symbol,
    slot: PositionSide,
    way: Move,
    amount: Money,
    /// Venue times between which its row must be stamped.
    window: (Timestamp, Timestamp),
    /// Stamp of its row once seen.
    row: Option<Timestamp>,
}

impl Credits {
    /// An acknowledged addition: its row will appear in the history and is taken.
    fn note(&self, intent: &Intent, amount: Money, began: Timestamp, ended: Timestamp) {
        let window = (
            began.plus_ms(-HISTORY_SLACK_MS),
            ended.plus_ms(HISTORY_SLACK_MS),
        );
        self.push(Credit::of(intent, amount, window, None));
    }

    /// Finds a row for `intent` that no other intent owns, and keeps it for this one.
    fn claim(
        &self,
        intent: &Intent,
        amount: Money,
        since: Timestamp,
        mut rows: Vec<MarginRow>,
    ) -> bool {
        let wanted = Credit::of(intent, amount, (since, Timestamp::MAX), None);
        rows.retain(|row| wanted.fits(row));
        rows.sort_by_key(|row| row.at);
        let mut credits = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        for credit in credits.iter_mut().filter(|c| c.intent != intent.id) {
            let owned = rows.iter().position(|row| match credit.row {
                Some(at) => row.at == at && credit.fits(row),
                None => credit.fits(row),
            });
            if let Some(place) = owned {
                credit.row = Some(rows.remove(place).at);
            }
        }
        let known = credits.iter().any(|credit| credit.intent == intent.id);
        drop(credits);
        if let (Some(row), false) = (rows.first(), known) {
            let (at, window) = (row.at, wanted.window);
            self.push(Credit::of(intent, amount, window, Some(at)));
        }
        known || !rows.is_empty()
    }

    fn push(&self, credit: Credit) {
        let mut credits = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if credits.len() >= CREDITS_MAX {
            credits.pop_front();
        }
        credits.push_back(credit);
    }
}

impl Credit {
    fn of(
        intent: &Intent,
        amount: Money,
        window: (Timestamp, Timestamp),
        row: Option<Timestamp>,
    ) -> Self {
        Self {
            intent: intent.id.clone(),
            symbol: intent.key.symbol.clone(),
            slot: intent.key.position_side,
            way: Move::of(intent),
            amount: amount.floor_to(AMOUNT_STEP),
            window,
            row,
        }
    }

    fn fits(&self, row: &MarginRow) -> bool {
        row.symbol == self.symbol
            && row.direction == self.way.code()
            && row.amount == self.amount
            && row.position_side.is_none_or(|slot| slot == self.slot)
            && (self.window.0..=self.window.1).contains(&row.at)
    }
}
