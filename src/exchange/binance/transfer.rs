//! Money from the owner's other wallets: reading them, moving some in, and looking that up.
//!
//! Purpose: a transfer leaves at most once. It carries no identity of ours, so the venue's number of
//! each transfer is kept with the intent it belongs to. Inputs: intents. It must never move anything
//! out of the futures wallet.
//! Source: developers.binance.com, wallet endpoints, read 2026-11.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use rust_decimal::Decimal;

use super::map::{self, TransferRow, TransferStage};
use super::order::{refused, unreachable};
use super::rest::{Call, Failure, Host, Rest, SignedRequest};
use super::sign::Query;
use crate::domain::{Money, OutsideBalance, OutsideWallet, Timestamp};
use crate::exchange::ExchangeError;
use crate::guard::event::Event;
use crate::guard::intent::{Intent, IntentId, Outcome, Resolution};
use crate::net::http::Method;
use crate::net::limiter::{Cost, Lane};

const TRANSFER_PATH: &str = "/sapi/v1/asset/transfer";
/// Weight of a transfer, per account.
const TRANSFER_WEIGHT: u32 = 300;
const SPOT_PATH: &str = "/sapi/v3/asset/getUserAsset";
const FUNDING_PATH: &str = "/sapi/v1/asset/get-funding-asset";
/// How far before the sending of an intent its row in the history may be stamped.
const HISTORY_SLACK_MS: i64 = 1_000;
/// Transfers remembered as belonging to an intent.
const CLAIMS_MAX: usize = 64;
/// Smallest unit of an asset: eight decimals.
const AMOUNT_STEP: Decimal = Decimal::from_parts(1, 0, 0, false, 8);

/// What a transfer is to move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub amount: Money,
    pub from: OutsideWallet,
}

impl Order {
    fn kind(self) -> &'static str {
        match self.from {
            OutsideWallet::Spot => "MAIN_UMFUTURE",
            OutsideWallet::Funding => "FUNDING_UMFUTURE",
        }
    }

    fn amount(self) -> Money {
        self.amount.floor_to(AMOUNT_STEP)
    }
}

/// The request of a transfer, without any I/O.
pub(super) fn request(rest: &Rest, intent: &Intent, order: Order, at: Timestamp) -> SignedRequest {
    let query = Query::new()
        .with_plain("type", order.kind())
        .with("asset", &intent.margin_asset)
        .with_plain("amount", order.amount());
    let window = rest.settings.receive_window_ms;
    rest.seal(Method::Post, TRANSFER_PATH, query, window, at)
}

/// Sends a transfer once.
pub(super) async fn send(rest: &Rest, claims: &Claims, intent: &Intent, order: Order) -> Outcome {
    let call = Call {
        host: Host::Wallet,
        method: Method::Post,
        cost: Cost::weight(TRANSFER_WEIGHT),
        ..Call::get(TRANSFER_PATH, 0, Lane::Protective)
    };
    let answer = rest
        .resyncing(call, || request(rest, intent, order, rest.stamp()))
        .await;
    rest.note_act();
    match answer.map(|body| map::transfer_id(&body)) {
        Ok(Ok(id)) => {
            claims.keep(&intent.id, id);
            Outcome::Done { fill: None }
        }
        Ok(Err(error)) => Outcome::Unknown {
            message: format!("the answer cannot be read: {}", error.0),
        },
        Err(failure) => refused(rest, failure),
    }
}

/// Looks a transfer up in the history.
pub(super) async fn resolve(
    rest: &Rest,
    claims: &Claims,
    intent: &Intent,
    order: Order,
    sent_at: Timestamp,
) -> Resolution {
    let since = sent_at.plus_ms(-HISTORY_SLACK_MS);
    let query = Query::new()
        .with_plain("type", order.kind())
        .with_plain("startTime", since.as_millis());
    let call = Call {
        host: Host::Wallet,
        ..Call::get(TRANSFER_PATH, 1, Lane::Protective)
    };
    let body = match rest.signed(call, query).await {
        Ok(body) => body,
        Err(failure) => return unreachable(rest, failure),
    };
    let mut rows = match map::transfers(&body) {
        Ok(rows) => rows,
        Err(error) => {
            return Resolution::Unreachable {
                message: format!("the answer cannot be read: {}", error.0),
            };
        }
    };
    rows.retain(|row| {
        row.asset == intent.margin_asset && row.amount == order.amount() && row.at >= since
    });
    rows.sort_by_key(|row| row.at);
    match claims.claim(&intent.id, &rows) {
        None => Resolution::NotFound,
        Some(TransferStage::Confirmed) => Resolution::Executed { fill: None },
        Some(TransferStage::Failed) => Resolution::NotExecuted,
        Some(TransferStage::Pending) => Resolution::Working,
    }
}

/// What is free outside, as one event. Where the venue has no such endpoint (a test network) or does
/// not allow it, nothing is told: then nothing is moved in.
pub(super) async fn outside(rest: &Rest) -> Option<Event> {
    let call = |path, weight| Call {
        host: Host::Wallet,
        method: Method::Post,
        cost: Cost::weight(weight),
        ..Call::get(path, 0, Lane::Ordinary)
    };
    let (spot, funding) = tokio::join!(
        rest.signed(call(SPOT_PATH, 5), Query::new()),
        rest.signed(call(FUNDING_PATH, 1), Query::new()),
    );
    let read = |path, answer: Result<String, Failure>| {
        let text = answer.map_err(|failure| failure.into_error(rest.host_name(Host::Wallet)))?;
        map::free_assets(&text).map_err(|error| error.at(path))
    };
    let both = read(SPOT_PATH, spot).and_then(|spot| Ok((spot, read(FUNDING_PATH, funding)?)));
    match both {
        Ok((spot, funding)) => Some(Event::Outside(merged(spot, funding))),
        Err(error) => {
            warn(&error);
            None
        }
    }
}

fn warn(error: &ExchangeError) {
    tracing::warn!(%error, "the other wallets cannot be read here: nothing will be moved in");
}

fn merged(
    spot: BTreeMap<String, Money>,
    funding: BTreeMap<String, Money>,
) -> BTreeMap<String, OutsideBalance> {
    let mut all: BTreeMap<String, OutsideBalance> = BTreeMap::new();
    for (asset, free) in spot {
        all.entry(asset).or_default().spot = free;
    }
    for (asset, free) in funding {
        all.entry(asset).or_default().funding = free;
    }
    all
}

/// Which transfer belongs to which intent, by the venue's number.
#[derive(Default)]
pub(super) struct Claims(Mutex<VecDeque<(IntentId, u64)>>);

impl Claims {
    fn keep(&self, intent: &IntentId, id: u64) {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if claims.len() >= CLAIMS_MAX {
            claims.pop_front();
        }
        claims.push_back((intent.clone(), id));
    }

    /// The stage of the first row that belongs to `intent` or to no intent yet; that one is kept.
    fn claim(&self, intent: &IntentId, rows: &[TransferRow]) -> Option<TransferStage> {
        let owner = |id: u64| {
            let claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let found = claims.iter().find(|(_, known)| *known == id);
            found.map(|(owner, _)| owner.clone())
        };
        let own = rows
            .iter()
            .find(|row| owner(row.id).as_ref() == Some(intent));
        let row = own.or_else(|| rows.iter().find(|row| owner(row.id).is_none()))?;
        if own.is_none() {
            self.keep(intent, row.id);
        }
        Some(row.stage)
    }
}
