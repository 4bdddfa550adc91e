//! One request from its bytes to its answer: limits, checks, routing, and the frames that follow.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::auth::{self, Security};
use super::errors::ApiError;
use super::faults::Faults;
use super::frames::{self, Ids, MarkFacts};
use super::hub::{Hub, Stream};
use super::limits::Limits;
use super::params::{Params, Request};
use super::routes;
use super::server::RequestRecord;
use super::wire::Digits;
use crate::domain::{Book, HOUR_MS, Symbol, Timestamp};
use crate::sim::{AccountId, Exchange, Notice, PrivateNotice};

/// Requests remembered for tests; older ones are dropped.
const RECORDS_MAX: usize = 10_000;
/// A listen key lives this long after it was made or kept alive.
pub(super) const LISTEN_KEY_MS: i64 = HOUR_MS;

/// The answer to a request.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// A user stream that was opened.
pub(super) struct ListenKey {
    pub(super) account: AccountId,
    pub(super) expires: Timestamp,
}

/// Everything behind the face's one lock.
pub(super) struct State {
    pub(super) exchange: Exchange,
    pub(super) hub: Hub,
    pub(super) faults: Faults,
    pub(super) limits: Limits,
    pub(super) listen_keys: BTreeMap<String, ListenKey>,
    pub(super) records: VecDeque<RequestRecord>,
    pub(super) keys_made: u64,
    /// Book and update id of the last depth frame per symbol somebody follows.
    baselines: BTreeMap<Symbol, (Book, u64)>,
}

/// One request being answered.
pub(super) struct Call<'a> {
    pub(super) state: &'a mut State,
    pub(super) params: &'a Params,
    /// Absent on open endpoints only.
    pub(super) account: Option<AccountId>,
    pub(super) now: Timestamp,
}

impl Call<'_> {
    /// The account that asks.
    pub(super) fn account(&self) -> Result<AccountId, ApiError> {
        self.account.ok_or_else(ApiError::not_permitted)
    }

    /// The symbol that must be named and known.
    pub(super) fn symbol(&self) -> Result<Symbol, ApiError> {
        let symbol = Symbol::new(self.params.required("symbol")?);
        self.known(symbol)
    }

    /// The symbol where one is named; it must be known.
    pub(super) fn symbol_if_any(&self) -> Result<Option<Symbol>, ApiError> {
        let named = self.params.get("symbol").map(Symbol::new);
        named.map(|symbol| self.known(symbol)).transpose()
    }

    pub(super) fn digits(&self, symbol: &Symbol) -> Digits {
        Digits::of(self.state.exchange.market(symbol))
    }

    fn known(&self, symbol: Symbol) -> Result<Symbol, ApiError> {
        if self.state.exchange.market(&symbol).is_some() {
            Ok(symbol)
        } else {
            Err(ApiError::invalid_symbol())
        }
    }
}

impl State {
    pub(super) fn new(exchange: Exchange, weight_max: u32) -> Self {
        Self {
            exchange,
            hub: Hub::default(),
            faults: Faults::default(),
            limits: Limits::new(weight_max),
            listen_keys: BTreeMap::new(),
            records: VecDeque::new(),
            keys_made: 0,
            baselines: BTreeMap::new(),
        }
    }

    /// Plays the model until `at`, one tape step at a time, sending frames as it goes.
    pub(super) fn advance_to(&mut self, at: Timestamp) {
        self.publish_notices();
        while let Some(due) = self.exchange.next_tick().filter(|due| *due <= at) {
            self.exchange.advance_to(due);
            self.publish_notices();
        }
        self.exchange.advance_to(at);
        self.publish_notices();
        self.expire_listen_keys(false);
    }

    pub(super) fn record(&mut self, request: &Request) {
        if self.records.len() >= RECORDS_MAX {
            self.records.pop_front();
        }
        self.records.push_back(RequestRecord {
            method: request.method.clone(),
            path: request.path.clone(),
            at: self.exchange.now(),
            query: request.public_query(),
        });
    }

    /// Answers a request; private frames are queued before this returns.
    pub(super) fn answer(&mut self, request: &Request) -> Reply {
        let params = request.params();
        let mut headers = Vec::new();
        let outcome = self.serve(request, &params, &mut headers);
        self.publish_notices();
        match outcome {
            Ok(body) => Reply {
                status: 200,
                body: body.to_string(),
                headers,
            },
            Err(error) => {
                if error.status == 429 {
                    let seconds = Limits::retry_after(self.exchange.now());
                    headers.push(("Retry-After", seconds.to_string()));
                }
                Reply {
                    status: error.status,
                    body: error.body(),
                    headers,
                }
            }
        }
    }

    fn serve(
        &mut self,
        request: &Request,
        params: &Params,
        headers: &mut Vec<(&'static str, String)>,
    ) -> Result<Value, ApiError> {
        let now = self.exchange.now();
        let route = routes::find(&request.method, &request.path)?;
        if !request.path.starts_with("/sapi/") {
            let used = self.limits.weigh(now, (route.weight)(params));
            headers.push(("X-MBX-USED-WEIGHT-1M", used.to_string()));
            if let Some(refusal) = self.limits.refuse(used) {
                return Err(refusal);
            }
        }
        let account = auth::check(&self.exchange, route.security, request, params, now)?;
        if let (true, Some(account)) = (route.orders > 0, account) {
            let (short, long) = self.limits.order(account, now, route.orders)?;
            headers.push(("X-MBX-ORDER-COUNT-10S", short.to_string()));
            headers.push(("X-MBX-ORDER-COUNT-1M", long.to_string()));
        }
        if route.security != Security::Open && account.is_none() {
            return Err(ApiError::not_permitted());
        }
        let mut call = Call {
            state: self,
            params,
            account,
            now,
        };
        (route.serve)(&mut call)
    }

    /// Turns queued notices into frames, in order.
    pub(super) fn publish_notices(&mut self) {
        for notice in self.exchange.take_notices() {
            match notice {
                Notice::Mark { symbol, at } => self.publish_market(&symbol, at),
                Notice::Private {
                    account,
                    at,
                    notice,
                } => {
                    let symbol = match notice.as_ref() {
                        PrivateNotice::Order { order, .. } => Some(&order.symbol),
                        PrivateNotice::Account { .. }
                        | PrivateNotice::MarginCall { .. }
                        | PrivateNotice::Leverage { .. }
                        | PrivateNotice::Algo(_) => None,
                    };
                    let market = symbol.and_then(|symbol| self.exchange.market(symbol));
                    let frame = frames::private(&notice, market, at).to_string();
                    self.hub.publish_private(account, &frame);
                }
            }
        }
    }

    fn publish_market(&mut self, symbol: &Symbol, at: Timestamp) {
        let mark = Stream::Mark(symbol.clone());
        let all = self.hub.wanted(&Stream::AllMarks);
        if (self.hub.wanted(&mark) || all)
            && let Some(payload) = self.mark_payload(symbol, at)
        {
            if all {
                self.hub.publish(&Stream::AllMarks, format!("[{payload}]"));
            }
            self.hub.publish(&mark, payload);
        }
        let ticker = Stream::BookTicker(symbol.clone());
        let diff = Stream::Diff(symbol.clone());
        let tops = self.hub.wanted_tops(symbol);
        let (wants_ticker, wants_diff) = (self.hub.wanted(&ticker), self.hub.wanted(&diff));
        if !wants_ticker && !wants_diff && tops.is_empty() {
            return;
        }
        let digits = Digits::of(self.exchange.market(symbol));
        let Some((book, id)) = self.exchange.book(symbol) else {
            return;
        };
        if wants_ticker {
            self.hub
                .publish(&ticker, frames::book_ticker(book, id, digits, at));
        }
        for levels in tops {
            let before = id.saturating_sub(1);
            let sides = frames::top(book, usize::from(levels), digits);
            let frame = frames::depth(symbol.as_str(), Ids { before, last: id }, sides, at);
            self.hub
                .publish(&Stream::Top(symbol.clone(), levels), frame);
        }
        if wants_diff {
            let (old, before) = self
                .baselines
                .insert(symbol.clone(), (book.clone(), id))
                .unwrap_or_else(|| (book.clone(), id.saturating_sub(1)));
            let sides = frames::changes(&old, book, digits);
            let frame = frames::depth(symbol.as_str(), Ids { before, last: id }, sides, at);
            self.hub.publish(&diff, frame);
        }
    }

    fn mark_payload(&self, symbol: &Symbol, at: Timestamp) -> Option<String> {
        let (mark, average) = self.exchange.mark_and_average(symbol)?;
        Some(frames::mark(&MarkFacts {
            symbol: symbol.as_str(),
            mark: mark.get(),
            average: average.get(),
            funding_rate: self.exchange.spec().funding_rate.get(),
            next_funding: self.exchange.next_funding(),
            at,
        }))
    }

    /// Remembers the book that a new follower of changes will start from.
    pub(super) fn remember_baseline(&mut self, stream: &Stream) {
        let Stream::Diff(symbol) = stream else { return };
        if self.hub.wanted(stream) && self.baselines.contains_key(symbol) {
            return;
        }
        if let Some((book, id)) = self.exchange.book(symbol) {
            self.baselines.insert(symbol.clone(), (book.clone(), id));
        }
    }

    /// Ends listen keys that are due, or all.
    pub(super) fn expire_listen_keys(&mut self, all: bool) {
        let now = self.exchange.now();
        let due: Vec<String> = self
            .listen_keys
            .iter()
            .filter(|(_, key)| all || key.expires <= now)
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            if let Some(key) = self.listen_keys.remove(&name) {
                let frame = frames::listen_key_expired(&name, now);
                self.hub.publish_private(key.account, &frame);
                self.hub.detach_key(&name);
            }
        }
    }
}
