//! Plimsoll watches leveraged positions on a derivatives exchange and, before the liquidation
//! price, adds margin or trims the position, whichever is the cheaper rescue.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | the commands |
//! | [`config`] | the configuration file, its errors, where secrets come from |
//! | [`domain`] | exact numbers, time, instruments, tiers, positions, accounts, books |
//! | [`guard`] | the heart: events and time in, actions out |
//! | [`journal`] | durable record of what was decided, sent and learned |
//! | [`net`] | clock, HTTP, WebSocket, limits |
//! | [`exchange`] | the port and one folder per venue |
//!
//! Who may import whom is written in `docs/architecture.md` and held by `tests/tidy.rs`.

pub mod cli;
pub mod config;
pub mod domain;
pub mod exchange;
pub mod guard;
pub mod journal;
pub mod net;
