//! How far a price may move and how soon it may touch a line.
//!
//! Purpose: the only floating-point room; its results may make the guard act earlier than the exact
//! floors, never later. Inputs: prices and times. Must never know money, positions or policy.
#![allow(
    clippy::float_arithmetic,
    reason = "the one room where approximate numbers are allowed"
)]

mod gauge;
mod tail;
mod volatility;

pub use gauge::{Gauge, distance, exceeds, multiple, nearness, rate_up, scaled, share};
pub use tail::{breach_probability, distance_for, time_to_breach_ms};
pub use volatility::Volatility;
