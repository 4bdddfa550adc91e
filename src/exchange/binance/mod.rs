//! Binance USDⓈ-M futures behind the port.
//!
//! Purpose: the venue's wire format dies here. Inputs: settings, credentials, a clock. It must never
//! know another venue, a policy, a chat or the simulator.
//!
//! | file | holds |
//! |---|---|
//! | `sign` | queries and signatures |
//! | `errors` | codes and what to do about them |
//! | `wire`, `map`, `market` | JSON structs, and what they become |
//! | `decode` | stream frames to events |
//! | `rest` | budgets, clock offset, one request |
//! | `account` | reading the account and the rules |
//! | `order` | sending and looking up |
//! | `cancel` | the same for cancels of resting orders |
//! | `transfer` | money from the owner's other wallets |
//! | `stream` | the three connections |
//! | `capture` | captured files, for reports |

mod account;
mod cancel;
mod capture;
mod decode;
pub mod errors;
mod map;
mod market;
mod order;
mod rest;
mod sign;
mod stream;
mod transfer;
mod wire;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;

pub use capture::{CaptureError, Supported, read_capture, supported};
pub use decode::{Decoded, Decoder, Names, Taken, decode_file};
pub use map::{AccountSettings, MarginRow, OrderState, RiskRow, Stage, SymbolSettings};
pub use rest::SignedRequest;
pub use sign::{Query, Signer};

use self::account::Reader;
use self::order::Credits;
use self::rest::Rest;
use self::stream::Streams;
use super::{ExchangeError, Incoming, KeyPermissions, Port};
use crate::domain::{Book, Symbol, Timestamp};
use crate::guard::event::{Event, Link};
use crate::guard::intent::{Intent, IntentKind, Outcome, Resolution};
use crate::net::clock::Clock;

/// Client order ids of ours begin so.
pub const CLIENT_ID_PREFIX: &str = "plim-";
/// Longest receive window the venue takes.
const RECEIVE_WINDOW_MS_MAX: i64 = 60_000;

/// Where the venue is and how patient we are. Each address is a base without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinanceSettings {
    pub rest: String,
    /// Host of the key's permissions.
    pub wallet_rest: String,
    /// Books.
    pub ws_public: String,
    /// Marks.
    pub ws_market: String,
    /// The account's own events.
    pub ws_private: String,
    /// Orders that arrive later than this are refused by the venue; milliseconds, 1..=60000.
    pub receive_window_ms: i64,
    /// Wall-clock limit of a whole request.
    pub request_timeout: Duration,
    /// Wall-clock limit of connecting, below `request_timeout`.
    pub connect_timeout: Duration,
    /// Client order ids that begin so are ours.
    pub client_id_prefix: String,
    /// Percentage of the request weight kept for protective requests, 0..=100.
    pub protective_reserve_pct: u32,
    /// Read the resting orders with the account while an isolated position is held; weight 40.
    pub open_orders: bool,
    /// Read the spot and funding wallets with the rules.
    pub outside_wallets: bool,
}

impl Default for BinanceSettings {
    /// Production hosts. Source: official clients' constants, 2026-11.
    fn default() -> Self {
        Self {
            rest: "https://fapi.binance.com".to_owned(),
            wallet_rest: "https://api.binance.com".to_owned(),
            ws_public: "wss://fstream.binance.com/public".to_owned(),
            ws_market: "wss://fstream.binance.com/market".to_owned(),
            ws_private: "wss://fstream.binance.com/private".to_owned(),
            receive_window_ms: 3_000,
            request_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(3),
            client_id_prefix: CLIENT_ID_PREFIX.to_owned(),
            protective_reserve_pct: 30,
            open_orders: true,
            outside_wallets: false,
        }
    }
}

impl BinanceSettings {
    /// Takes trailing slashes off and refuses what is unsafe.
    fn checked(mut self) -> Result<Self, ExchangeError> {
        let bases = [
            (&mut self.rest, "https://", "http://"),
            (&mut self.wallet_rest, "https://", "http://"),
            (&mut self.ws_public, "wss://", "ws://"),
            (&mut self.ws_market, "wss://", "ws://"),
            (&mut self.ws_private, "wss://", "ws://"),
        ];
        for (base, safe, plain) in bases {
            base.truncate(base.trim_end_matches('/').len());
            let loopback = base.strip_prefix(plain).is_some_and(is_loopback);
            if !base.starts_with(safe) && !loopback {
                return Err(ExchangeError::Unsupported(format!(
                    "the exchange address `{base}` must begin with {safe} ({plain} only on this machine)"
                )));
            }
        }
        if !(1..=RECEIVE_WINDOW_MS_MAX).contains(&self.receive_window_ms) {
            return Err(ExchangeError::Unsupported(format!(
                "the receive window must be between 1 and {RECEIVE_WINDOW_MS_MAX} ms"
            )));
        }
        Ok(self)
    }
}

fn is_loopback(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    host == "localhost"
        || host == "[::1]"
        || host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}

/// An API key with its secret. Shown by nothing.
pub struct Credentials {
    pub api_key: SecretString,
    pub secret: SecretString,
}

/// The adapter. All requests take their time from the clock it was made with.
pub struct BinanceUsdm {
    rest: Arc<Rest>,
    streams: Streams,
    reader: Reader,
    credits: Credits,
    names: Mutex<Names>,
    ignored: AtomicU64,
}

impl BinanceUsdm {
    /// Prepares the adapter; opens nothing.
    ///
    /// # Errors
    /// [`ExchangeError::Unsupported`] for addresses or a key that cannot be used.
    pub fn new(
        settings: BinanceSettings,
        credentials: Credentials,
        clock: Clock,
    ) -> Result<Self, ExchangeError> {
        let rest = Arc::new(Rest::new(settings.checked()?, &credentials, clock)?);
        Ok(Self {
            streams: Streams::new(Arc::clone(&rest)),
            reader: Reader::default(),
            credits: Credits::default(),
            names: Mutex::default(),
            ignored: AtomicU64::new(0),
            rest,
        })
    }

    /// The request that [`Port::send`] sends for `intent` at venue time `timestamp`. No I/O.
    #[must_use]
    pub fn order_request(&self, intent: &Intent, timestamp: Timestamp) -> SignedRequest {
        order::request(&self.rest, intent, timestamp)
    }

    /// After a cancel the resting orders are read anew.
    fn forget_orders(&self, intent: &Intent) {
        if let IntentKind::CancelOrders { .. } = intent.kind {
            self.reader.forget_orders();
        }
    }

    /// Best levels of a book, read once.
    ///
    /// # Errors
    /// [`ExchangeError`] as for every read.
    pub async fn depth(&self, symbol: &Symbol) -> Result<Book, ExchangeError> {
        account::depth(&self.rest, symbol).await
    }

    /// Request weight used in the current minute by this address, as far as known.
    #[must_use]
    pub fn weight_used(&self) -> u32 {
        self.rest.weight_used()
    }

    /// Frames that were readable but of no use so far.
    #[must_use]
    pub fn frames_ignored(&self) -> u64 {
        self.ignored.load(Ordering::Relaxed)
    }
}

impl Port for BinanceUsdm {
    async fn sync_clock(&self) -> Result<i64, ExchangeError> {
        self.rest.sync_clock().await
    }

    fn clock_offset_ms(&self) -> i64 {
        self.rest.offset_ms()
    }

    async fn permissions(&self) -> Result<KeyPermissions, ExchangeError> {
        self.reader.permissions(&self.rest).await
    }

    async fn account(&self) -> Result<Vec<Event>, ExchangeError> {
        self.reader.account(&self.rest).await
    }

    async fn rules(&self, symbols: &[Symbol]) -> Result<Vec<Event>, ExchangeError> {
        let (events, outside) = tokio::join!(account::rules(&self.rest, symbols), async {
            match self.rest.settings.outside_wallets && !symbols.is_empty() {
                true => transfer::outside(&self.rest).await,
                false => None,
            }
        });
        let mut events = events?;
        events.extend(outside);
        Ok(events)
    }

    async fn history(&self, symbols: &[Symbol]) -> Result<Vec<Event>, ExchangeError> {
        account::history(&self.rest, symbols).await
    }

    async fn send(&self, intent: &Intent) -> Outcome {
        let outcome = order::send(&self.rest, &self.credits, intent).await;
        self.forget_orders(intent);
        outcome
    }

    async fn resolve(&self, intent: &Intent, sent_at: Timestamp) -> Resolution {
        let resolution = order::resolve(&self.rest, &self.credits, intent, sent_at).await;
        self.forget_orders(intent);
        resolution
    }

    fn follow(&self, symbols: &[Symbol]) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        symbols.iter().for_each(|symbol| names.insert(symbol));
        drop(names);
        self.streams.follow(symbols);
    }

    async fn next(&self) -> Incoming {
        self.streams.next().await
    }

    fn decode(&self, link: Link, text: &str, out: &mut Vec<Event>) -> Result<(), ExchangeError> {
        let before = out.len();
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let decoder = Decoder {
            names: &names,
            own_prefix: &self.rest.settings.client_id_prefix,
        };
        let taken = decoder.frame(text, out)?;
        drop(names);
        if taken == Taken::Ignored {
            self.ignored.fetch_add(1, Ordering::Relaxed);
            tracing::trace!(?link, "frame of no use");
        }
        let fresh = out.get(before..).unwrap_or_default();
        if fresh
            .iter()
            .any(|event| matches!(event, Event::ConfigChanged))
        {
            self.reader.forget_settings();
        }
        Ok(())
    }

    async fn close(&self) {
        self.streams.close().await;
    }
}
