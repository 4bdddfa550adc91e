//! Requests: budgets, timestamps, signatures, and what an answer means for the caller.
//!
//! Purpose: the one way to the venue's REST hosts. Inputs: a path and a query. It must never decide
//! about positions, and no error of it shows a query, which would carry a signature.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use super::errors::{self, OVERLOAD_PAUSE_MS, Play, Verdict};
use super::map;
use super::sign::{Query, Signer};
use super::wire::ListenKey;
use super::{BinanceSettings, Credentials};
use crate::domain::Timestamp;
use crate::exchange::ExchangeError;
use crate::net::clock::Clock;
use crate::net::http::{Http, HttpError, HttpSettings, Method, Response};
use crate::net::limiter::{Cost, Grants, Lane, Limiter, Reported};

/// Weight per minute of the futures hosts, and orders per account. Source: exchangeInfo, 2026-10.
const FUTURES_GRANTS: Grants = Grants {
    weight_1m: 2_400,
    orders_10s: 300,
    orders_1m: 1_200,
    reserve_pct: 0,
};
/// Weight per minute of the wallet host.
const WALLET_WEIGHT_1M: u32 = 12_000;
/// Receive window of reads: nothing happens when one is executed late.
pub(super) const READ_WINDOW_MS: i64 = 5_000;
/// Pause after a refusal for too many orders: the shorter of both windows.
const ORDER_WINDOW_MS: i64 = 10_000;
/// Clock samples of one measurement; the one with the shortest round trip counts.
const CLOCK_SAMPLES: u32 = 3;
/// A timestamp may stay at its predecessor for at most this long after the clock was corrected.
const MONOTONE_MS_MAX: i64 = 100;
/// Longest an order or a margin change of ours counts as fresh, so that reads verify it.
const VERIFY_MS: i64 = 60_000;

/// The hosts a request can go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    Futures,
    Wallet,
}

/// A request ready to leave. Its text carries the signature and is shown by nothing.
#[derive(Clone)]
pub struct SignedRequest {
    pub method: Method,
    pub path: &'static str,
    /// Everything after the question mark, signature included.
    pub query: String,
}

/// How a request ended without a usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Never left, or refused before execution: nothing before `until`, venue time.
    Held { until: Timestamp, message: String },
    /// Surely not executed; the host was not reached or is away.
    NotExecuted { message: String },
    /// It may have been executed.
    Unclear { message: String },
    /// The venue refused.
    Refused {
        code: i64,
        message: String,
        play: Play,
    },
}

impl Failure {
    /// The same where it is known that nothing was executed.
    fn not_executed(self) -> Self {
        match self {
            Self::Unclear { message } => Self::NotExecuted { message },
            other @ (Self::Held { .. } | Self::NotExecuted { .. } | Self::Refused { .. }) => other,
        }
    }

    /// The same for somebody who only wanted to read.
    pub(super) fn into_error(self, host: &str) -> ExchangeError {
        match self {
            Self::Held { until, message } => ExchangeError::Throttled { until, message },
            Self::NotExecuted { message } | Self::Unclear { message } => {
                ExchangeError::Unreachable {
                    host: host.to_owned(),
                    message,
                }
            }
            Self::Refused {
                code,
                message,
                play: Play::Unauthorised,
            } => ExchangeError::Unauthorised { code, message },
            Self::Refused { code, message, .. } => ExchangeError::Refused { code, message },
        }
    }
}

fn held(until: Timestamp, message: &str) -> Failure {
    Failure::Held {
        until,
        message: message.to_owned(),
    }
}

/// What a request is, apart from its query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub host: Host,
    pub method: Method,
    pub path: &'static str,
    pub cost: Cost,
    pub lane: Lane,
}

impl Call {
    pub(super) const fn get(path: &'static str, weight: u32, lane: Lane) -> Self {
        Self {
            host: Host::Futures,
            method: Method::Get,
            path,
            cost: Cost::weight(weight),
            lane,
        }
    }
}

/// Shared by the adapter and the tasks it spawns.
pub(super) struct Rest {
    pub clock: Clock,
    pub settings: BinanceSettings,
    http: Http,
    signer: Signer,
    key_name: HeaderName,
    key: HeaderValue,
    futures: Mutex<Limiter>,
    wallet: Mutex<Limiter>,
    /// Venue minus ours, milliseconds.
    offset_ms: AtomicI64,
    synced: AtomicBool,
    last_stamp: AtomicI64,
    /// When an intent was last sent or looked up, by our clock.
    last_act: AtomicI64,
}

impl Rest {
    pub(super) fn new(
        settings: BinanceSettings,
        credentials: &Credentials,
        clock: Clock,
    ) -> Result<Self, ExchangeError> {
        let direct = [&settings.rest, &settings.wallet_rest]
            .iter()
            .all(|base| base.starts_with("http://"));
        let http = Http::new(HttpSettings {
            request_timeout: settings.request_timeout,
            connect_timeout: settings.connect_timeout,
            direct,
        })
        .map_err(|error| ExchangeError::Unsupported(format!("TLS cannot be used: {error}")))?;
        let mut key = HeaderValue::from_str(credentials.api_key.expose_secret()).map_err(|_| {
            ExchangeError::Unsupported(
                "the API key holds characters that no key has; copy it again".to_owned(),
            )
        })?;
        key.set_sensitive(true);
        let reserve_pct = settings.protective_reserve_pct;
        let futures = Grants {
            reserve_pct,
            ..FUTURES_GRANTS
        };
        let wallet = Grants {
            weight_1m: WALLET_WEIGHT_1M,
            ..futures
        };
        Ok(Self {
            clock,
            settings,
            http,
            signer: Signer::new(&credentials.secret),
            key_name: HeaderName::from_static("x-mbx-apikey"),
            key,
            futures: Mutex::new(Limiter::new(futures)),
            wallet: Mutex::new(Limiter::new(wallet)),
            offset_ms: AtomicI64::new(0),
            synced: AtomicBool::new(false),
            last_stamp: AtomicI64::new(0),
            last_act: AtomicI64::new(i64::MIN / 2),
        })
    }

    /// Venue time now, by the last measurement.
    pub(super) fn venue_now(&self) -> Timestamp {
        self.clock.now().plus_ms(self.offset_ms())
    }

    pub(super) fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    /// Venue time for a signature; does not run backwards over small corrections of the clock.
    pub(super) fn stamp(&self) -> Timestamp {
        let now = self.venue_now().as_millis();
        let last = self.last_stamp.load(Ordering::Relaxed);
        let stamp = if last > now && last - now <= MONOTONE_MS_MAX {
            last
        } else {
            now
        };
        self.last_stamp.store(stamp, Ordering::Relaxed);
        Timestamp::from_millis(stamp)
    }

    /// Notes that an intent is under way: reads that follow verify it and may use the reserve.
    pub(super) fn note_act(&self) {
        let now = self.clock.now().as_millis();
        self.last_act.store(now, Ordering::Relaxed);
    }

    /// The lane of a read of the account.
    pub(super) fn read_lane(&self) -> Lane {
        let last = Timestamp::from_millis(self.last_act.load(Ordering::Relaxed));
        if self.clock.now().since(last) <= VERIFY_MS {
            Lane::Protective
        } else {
            Lane::Ordinary
        }
    }

    /// Name of a host for messages.
    pub(super) fn host_name(&self, host: Host) -> &str {
        let base = self.base(host);
        base.split_once("://").map_or(base, |(_, name)| name)
    }

    fn base(&self, host: Host) -> &str {
        match host {
            Host::Futures => &self.settings.rest,
            Host::Wallet => &self.settings.wallet_rest,
        }
    }

    /// Signs; the same input gives the same bytes.
    pub(super) fn seal(
        &self,
        method: Method,
        path: &'static str,
        query: Query,
        window_ms: i64,
        timestamp: Timestamp,
    ) -> SignedRequest {
        SignedRequest {
            method,
            path,
            query: self.signer.seal(query, window_ms, timestamp.as_millis()),
        }
    }

    /// A signed read. After a refused timestamp it measures the clock and asks once more.
    pub(super) async fn signed(&self, call: Call, query: Query) -> Result<String, Failure> {
        let seal = || {
            let query = query.clone();
            let stamp = self.stamp();
            self.seal(call.method, call.path, query, READ_WINDOW_MS, stamp)
        };
        self.resyncing(call, seal).await
    }

    /// Sends what `seal` makes; after a refused timestamp, which proves that nothing was executed,
    /// once more with a new one.
    pub(super) async fn resyncing(
        &self,
        call: Call,
        seal: impl Fn() -> SignedRequest,
    ) -> Result<String, Failure> {
        match self.submit(call, &seal()).await {
            Err(Failure::Refused {
                play: Play::ClockSkew,
                ..
            }) => {
                // Whatever this fails with, the request itself was refused.
                self.measure_clock(1).await.map_err(Failure::not_executed)?;
                self.submit(call, &seal()).await
            }
            other => other,
        }
    }

    async fn submit(&self, call: Call, request: &SignedRequest) -> Result<String, Failure> {
        let base = self.base(call.host);
        let address = format!("{base}{}?{}", request.path, request.query);
        self.exchange(call, &address, true).await
    }

    /// A request without signature, with the key only when `keyed`.
    pub(super) async fn plain(
        &self,
        call: Call,
        query: &Query,
        keyed: bool,
    ) -> Result<String, Failure> {
        let base = self.base(call.host);
        let mark = if query.as_str().is_empty() { "" } else { "?" };
        let address = format!("{base}{}{mark}{}", call.path, query.as_str());
        self.exchange(call, &address, keyed).await
    }

    async fn exchange(&self, call: Call, address: &str, keyed: bool) -> Result<String, Failure> {
        let sent_at = self.venue_now();
        let admitted = self.limiter(call.host).admit(sent_at, call.lane, call.cost);
        if let Err(until) = admitted {
            return Err(held(until, "the request budget is used up"));
        }
        let header = keyed.then_some((&self.key_name, &self.key));
        match self.http.execute(call.method, address, header).await {
            Ok(response) => self.settle(call.host, sent_at, response),
            Err(HttpError::NotSent { message }) => Err(Failure::NotExecuted { message }),
            Err(HttpError::Unanswered { message }) => Err(Failure::Unclear { message }),
        }
    }

    fn settle(&self, host: Host, sent_at: Timestamp, answer: Response) -> Result<String, Failure> {
        let now = self.venue_now();
        let weight = match host {
            Host::Futures => "x-mbx-used-weight-1m",
            Host::Wallet => "x-sapi-used-ip-weight-1m",
        };
        let reported = Reported {
            weight_1m: answer.number(weight),
            orders_10s: answer.number("x-mbx-order-count-10s"),
            orders_1m: answer.number("x-mbx-order-count-1m"),
        };
        self.limiter(host).record(sent_at, now, reported);
        let verdict = errors::judge(answer.status, answer.number("retry-after"), &answer.body);
        match verdict {
            Verdict::Accepted => Ok(answer.body),
            Verdict::Unclear { code, message } => {
                let code = code.map_or(String::new(), |code| format!(" (code {code})"));
                let message = format!("{message}{code}");
                Err(Failure::Unclear { message })
            }
            Verdict::Banned { pause_ms, message } => {
                let until = now.plus_ms(pause_ms);
                // A ban is on the address we come from, whatever host told it.
                self.limiter(Host::Futures).block(until);
                self.limiter(Host::Wallet).block(until);
                Err(held(until, &message))
            }
            Verdict::OverWeight { message } => {
                let until = Limiter::next_minute(now);
                self.limiter(host).block(until);
                Err(held(until, &message))
            }
            Verdict::OverOrders { message } => {
                let until = now.plus_ms(ORDER_WINDOW_MS);
                Err(held(until, &message))
            }
            Verdict::Overloaded { message } => Err(held(now.plus_ms(OVERLOAD_PAUSE_MS), &message)),
            Verdict::Away { message } => Err(Failure::NotExecuted { message }),
            Verdict::Refused {
                code,
                message,
                play,
            } => Err(Failure::Refused {
                code,
                message,
                play,
            }),
        }
    }

    fn limiter(&self, host: Host) -> MutexGuard<'_, Limiter> {
        let limiter = match host {
            Host::Futures => &self.futures,
            Host::Wallet => &self.wallet,
        };
        limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Weight used in the current minute, as far as known.
    pub(super) fn weight_used(&self) -> u32 {
        let now = self.venue_now();
        self.limiter(Host::Futures).weight_used(now)
    }

    /// Measures the venue's clock and keeps the offset.
    pub(super) async fn sync_clock(&self) -> Result<i64, ExchangeError> {
        self.measure_clock(CLOCK_SAMPLES)
            .await
            .map_err(|failure| failure.into_error(self.host_name(Host::Futures)))
    }

    /// Measures once before the first signature, so that a start on a wrong clock works at once.
    pub(super) async fn ensure_clock(&self) -> Result<(), Failure> {
        if self.synced.load(Ordering::Relaxed) {
            Ok(())
        } else {
            self.measure_clock(1).await.map(|_| ())
        }
    }

    async fn measure_clock(&self, samples: u32) -> Result<i64, Failure> {
        let call = Call::get("/fapi/v1/time", 1, Lane::Protective);
        let mut best: Option<(i64, i64)> = None;
        for _ in 0..samples {
            let (began, ticked) = (self.clock.now(), self.clock.monotonic_ms());
            let answer = match self.plain(call, &Query::default(), false).await {
                Ok(answer) => answer,
                // One good sample is enough.
                Err(_) if best.is_some() => break,
                Err(failure) => return Err(failure),
            };
            let round_trip = self.clock.monotonic_ms() - ticked;
            let server = map::server_time(&answer).map_err(|error| Failure::NotExecuted {
                message: format!("the exchange's clock cannot be read: {}", error.0),
            })?;
            let offset = server.since(began.plus_ms(round_trip / 2));
            if best.is_none_or(|(shortest, _)| round_trip < shortest) {
                best = Some((round_trip, offset));
            }
        }
        let offset = best.map_or(0, |(_, offset)| offset);
        self.offset_ms.store(offset, Ordering::Relaxed);
        self.synced.store(true, Ordering::Relaxed);
        Ok(offset)
    }

    /// Makes a listen key, or prolongs the one that stands.
    pub(super) async fn open_listen_key(&self) -> Result<String, Failure> {
        let answer = self.listen_key(Method::Post).await?;
        let wire: ListenKey = map::parse(&answer).map_err(|error| Failure::Unclear {
            message: format!("the listen key cannot be read: {}", error.0),
        })?;
        Ok(wire.listen_key)
    }

    /// Prolongs the listen key by an hour.
    pub(super) async fn prolong_listen_key(&self) -> Result<(), Failure> {
        self.listen_key(Method::Put).await.map(|_| ())
    }

    async fn listen_key(&self, method: Method) -> Result<String, Failure> {
        let call = Call {
            method,
            ..Call::get("/fapi/v1/listenKey", 1, Lane::Protective)
        };
        self.plain(call, &Query::default(), true).await
    }
}
