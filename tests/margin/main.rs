//! The margin arithmetic against worked numbers, recorded positions and the simulator's own law.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at once"
)]

mod binance;
mod bybit;
mod captures;
mod evidence;
mod hyperliquid;
mod math_page;
mod okx;
mod properties;
mod recorded;
#[path = "../support/shared.rs"]
mod shared;
mod world;
