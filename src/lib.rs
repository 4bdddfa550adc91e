//! Plimsoll watches leveraged positions on a derivatives exchange and, before the liquidation
//! price, adds margin within the budgets or, where that is not enough, trims in the cheapest way.
//!
//! | module | holds |
//! |---|---|
//! | [`domain`] | exact numbers, time, instruments, tiers, positions, accounts, books |
//! | [`margin`] | equity, maintenance, liquidation price, state after an action |
//! | [`forecast`] | volatility, tails, breach probability |
//! | [`guard`] | the heart: events and time in, actions out |
//! | [`journal`] | durable record of what was decided, sent and learned |
//! | [`net`] | clock, HTTP, WebSocket, limits |
//! | [`exchange`] | the port and one folder per venue |
//! | [`sim`] | the simulated exchange, its tapes, scenarios and faces |
//! | [`replay`] | recorded prices through protection policies, in virtual time: the benchmark |
//! | [`telegram`] | pairing, commands, messages, buttons |
//! | [`chart`] | pictures and pages: SVG, HTML |
//! | [`config`] | schema, loading, secrets, precise errors |
//! | [`agent`] | the live driver: streams to the guard, actions to the venue |
//! | [`cli`] | the commands |
//!
//! Who may import whom is written in `docs/architecture.md` and held by `tests/tidy.rs`.

#![forbid(unsafe_code)]

pub mod agent;
pub mod chart;
pub mod cli;
pub mod config;
pub mod domain;
pub mod exchange;
pub mod forecast;
pub mod guard;
pub mod journal;
pub mod margin;
pub mod net;
pub mod replay;
pub mod sim;
pub mod telegram;
