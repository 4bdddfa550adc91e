//! How far a price may move and how soon it may touch a line.
//!
//! Purpose: the only floating-point room; its results may make the guard act earlier than the exact
//! floors, never later. Inputs: prices and times. Must never know money, positions or policy.
#![allow(
    clippy::float_arithmetic,
    reason = "the one room where approximate numbers are allowed"
)]

mod bars;
mod gauge;
mod quick;
pub mod schedule;
mod touch;

pub use bars::{
    HALF_LIVES_MIN, HISTORY_FULL_MS, HISTORY_LEAST_MS, MinuteBars, PACE_LEAST_MS, Range, Sigmas,
};
pub use gauge::{
    Gauge, breach, distance, distance_at, due, exceeds, nearing, nearness, rate_up, scaled, share,
    time_left_ms,
};
pub use quick::Quick;
pub use touch::{Due, HORIZON_LEAST_MS, HORIZON_MOST_MS, Touch, log_distance};
