//! The Binance USDⓈ-M face: REST, market and private streams, wallet endpoints, on one loopback port.
//! Sources: venue documentation of the USDⓈ-M futures API as of 2026-11.
//!
//! | file | holds |
//! |---|---|
//! | `server` | [`Face`]: sockets, time, shutdown |
//! | `socket` | connections that can be broken on purpose |
//! | `gate` | one request: faults, limits, checks, routing |
//! | `auth` | API key, signature, time window |
//! | `params` | query and body |
//! | `errors` | the venue's codes |
//! | `rest_public` `rest_account` `rest_trade` `rest_algo` `rest_wallet` | endpoints |
//! | `streams` | WebSocket connections and their subscriptions |
//! | `hub` | who gets which frame |
//! | `frames` `wire` | JSON |
//! | `faults` | what tests may break |

mod auth;
mod errors;
mod faults;
mod frames;
mod gate;
mod hub;
mod limits;
mod params;
mod rest_account;
mod rest_algo;
mod rest_public;
mod rest_trade;
mod rest_wallet;
mod routes;
mod server;
mod socket;
mod streams;
mod wire;

pub use faults::{Effect, Fault};
pub use hub::StreamLink;
pub use server::{Face, FaceOptions, FaceTime, RequestRecord, Urls};
