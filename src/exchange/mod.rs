//! The port between the agent and a venue, and one folder per venue behind it.
//!
//! Purpose: a venue's wire format dies here; everything that leaves is a guard event or an outcome.
//! This module must never decide anything about positions.

pub mod binance;
pub mod capture;

use serde::Serialize;

use crate::domain::{Symbol, Timestamp};
use crate::guard::event::{Event, Link};
use crate::guard::intent::{Intent, Outcome, Resolution};
use crate::net::clock::Busy;

/// What a key is allowed to do, as far as the venue tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KeyPermissions {
    pub reading: bool,
    pub futures: bool,
    pub withdrawals: bool,
    /// Transfers between the owner's wallets of this venue.
    pub wallet_transfer: bool,
    /// The kind of transfer that moving money into the futures wallet needs.
    #[serde(skip)]
    pub universal_transfer: bool,
    pub ip_restricted: bool,
    pub portfolio_margin: bool,
}

/// Why a read or a set-up step failed; the variant says what the caller must do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// Key, signature, permission or IP is refused: stop and tell the trader.
    #[error("the exchange refuses this key: {message} (code {code})")]
    Unauthorised { code: i64, message: String },
    /// Over the limit or banned: send nothing to this host before `until`, venue time.
    #[error("the exchange limits requests until {until}: {message}")]
    Throttled { until: Timestamp, message: String },
    /// No answer, or none in time: try again with back-off.
    #[error("no usable answer from {host}: {message}")]
    Unreachable { host: String, message: String },
    /// The venue refused this request: do not repeat it unchanged.
    #[error("the exchange refused: {message} (code {code})")]
    Refused { code: i64, message: String },
    /// The answer could not be read: keep the old picture, raise an alarm.
    #[error("cannot read the answer of {endpoint}: {message}")]
    Unreadable { endpoint: String, message: String },
    /// This kind of account is not supported: refuse to start.
    #[error("{0}")]
    Unsupported(String),
}

/// One thing that arrived on a stream. `busy` keeps virtual time from overtaking a change of a
/// link that is still on its way to the guard; text frames are counted instead
/// ([`Clock::frame_consumed`](crate::net::clock::Clock::frame_consumed), called by the agent once
/// per frame after it was handled).
pub enum Incoming {
    Frame {
        link: Link,
        text: String,
    },
    Up {
        link: Link,
        busy: Busy,
    },
    Down {
        link: Link,
        message: String,
        busy: Busy,
    },
}

/// What every venue adapter offers the agent. All requests take their time from the clock that the
/// adapter was made with. The agent holds `Clock::busy` around each call; tasks that an adapter
/// spawns (connecting, keep-alive) hold their own while they wait for the venue.
#[allow(
    async_fn_in_trait,
    reason = "one thread: nobody needs the futures to be Send"
)]
pub trait Port {
    /// Measures the offset of the venue's clock; in milliseconds, venue minus ours.
    async fn sync_clock(&self) -> Result<i64, ExchangeError>;
    /// The offset that was measured last, whatever asked for it: a refused timestamp measures too.
    fn clock_offset_ms(&self) -> i64;
    /// What the key may do.
    async fn permissions(&self) -> Result<KeyPermissions, ExchangeError>;
    /// Balances and positions: one `Event::Account`, its taken-at stamped in venue time.
    async fn account(&self) -> Result<Vec<Event>, ExchangeError>;
    /// Trading rules, tiers and fees of `symbols`.
    async fn rules(&self, symbols: &[Symbol]) -> Result<Vec<Event>, ExchangeError>;
    /// Mark prices of `symbols` over the last day, one `Event::History` each.
    async fn history(&self, symbols: &[Symbol]) -> Result<Vec<Event>, ExchangeError>;
    /// Sends an intent once. Never repeats a request whose outcome is unknown. Times in the outcome
    /// are venue time.
    async fn send(&self, intent: &Intent) -> Outcome;
    /// Looks an intent up that was sent at `sent_at`, venue time.
    async fn resolve(&self, intent: &Intent, sent_at: Timestamp) -> Resolution;
    /// Follows `symbols` on the market streams, in addition to what is followed already, and keeps
    /// the private stream open.
    fn follow(&self, symbols: &[Symbol]);
    /// The next thing that arrived; completes never when nothing is followed.
    async fn next(&self) -> Incoming;
    /// Turns a frame into events, appended to `out`.
    ///
    /// # Errors
    /// [`ExchangeError::Unreadable`] when the frame is not of the venue's language; it is dropped.
    fn decode(&self, link: Link, text: &str, out: &mut Vec<Event>) -> Result<(), ExchangeError>;
    /// Closes streams and releases what the venue holds open for us.
    async fn close(&self);
}
