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
mod joint;
mod quick;
pub mod schedule;
mod score;
mod touch;

pub use bars::{
    HALF_LIVES_MIN, HISTORY_FULL_MS, HISTORY_LEAST_MS, MinuteBars, PACE_LEAST_MS, Range, Sigmas,
};
pub use gauge::{
    Gauge, beyond, breach, distance, distance_at, due, exceeds, hundredths_of_pct, nearing,
    nearness, rate_up, scaled, share, thinness, time_left_ms, touched,
};
pub use joint::{BETA_MOST, CRASH_CORRELATION, JOINT_SYMBOLS_MAX, Joint};
pub use quick::Quick;
pub use score::{
    CLIP, EDGES, FORECASTS_OPEN_MAX, Forecast, Ledger, Means, SCORED_HORIZONS_MS, Score,
    UNSEEN_MOST_MS, Verdict, kept_chance,
};
pub use touch::{Due, HORIZON_LEAST_MS, HORIZON_MOST_MS, Touch, log_distance};
