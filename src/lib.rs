//! Plimsoll watches leveraged positions on a derivatives exchange and, before the liquidation
//! price, adds margin or trims the position, whichever is the cheaper rescue.
//!
//! | module | holds |
//! |---|---|
//! | [`domain`] | exact numbers, time, instruments, tiers, positions, accounts, books |
//! | [`guard`] | the heart: events and time in, actions out |
//! | [`net`] | clock, HTTP, WebSocket, limits |
//! | [`exchange`] | the port and one folder per venue |
//! | [`sim`] | the simulated exchange and its HTTP and WebSocket faces |
//!
//! Who may import whom is written in `docs/architecture.md` and held by `tests/tidy.rs`.

pub mod cli;
pub mod domain;
pub mod exchange;
pub mod guard;
pub mod net;
pub mod sim;
