//! From volatility to the distance at which a rescue must start.

use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

use super::tail::{breach_probability, distance_for};
use super::volatility::Volatility;
use crate::domain::{Price, Rate};

/// A forecast may not demand more distance than this share of the price.
const WIDEST: f64 = 0.5;
/// Chance that the line is touched while a rescue is still under way that is accepted.
const CHANCE_WHILE_ACTING: f64 = 0.001;

/// Fixed questions to a changing volatility; quantiles are computed once.
#[derive(Debug, Clone)]
pub struct Gauge {
    horizon_ms: i64,
    need_ms: i64,
    per_sigma_horizon: f64,
    per_sigma_need: f64,
}

impl Gauge {
    /// `breach_limit` (0..1) is the accepted chance of touching the line within `horizon_ms`;
    /// `need_ms` is the time that a rescue takes, retries included.
    #[must_use]
    pub fn new(breach_limit: f64, horizon_ms: i64, need_ms: i64) -> Self {
        Self {
            horizon_ms,
            need_ms,
            per_sigma_horizon: distance_for(breach_limit, 1.0),
            per_sigma_need: distance_for(CHANCE_WHILE_ACTING, 1.0),
        }
    }

    /// Distance (fraction of the price) that the forecast demands; `None` without a forecast.
    #[must_use]
    pub fn act_distance(&self, volatility: &Volatility) -> Option<f64> {
        let horizon = volatility.sigma(self.horizon_ms)? * self.per_sigma_horizon;
        Some(horizon.max(self.need_distance(volatility)).min(WIDEST))
    }

    /// Distance that may be crossed while a rescue is under way; zero without a forecast.
    #[must_use]
    pub fn need_distance(&self, volatility: &Volatility) -> f64 {
        volatility
            .sigma(self.need_ms)
            .map_or(0.0, |sigma| sigma * self.per_sigma_need)
    }

    /// Chance, 0..1, of touching a line at `distance` within the horizon.
    #[must_use]
    pub fn breach(&self, distance: f64, volatility: &Volatility) -> Option<f64> {
        Some(breach_probability(
            distance,
            volatility.sigma(self.horizon_ms)?,
        ))
    }
}

/// Distance from `mark` to `line` as a fraction of mark; negative when the line is crossed.
#[must_use]
pub fn distance(mark: Price, line: Price, falls_hurt: bool) -> f64 {
    let (Some(mark), Some(line)) = (mark.get().to_f64(), line.get().to_f64()) else {
        return 0.0;
    };
    let gap = if falls_hurt { mark - line } else { line - mark };
    gap / mark
}

/// `distance` in units of the act distance: 1 is the act line.
#[must_use]
pub fn nearness(distance: f64, act_distance: f64) -> f64 {
    if act_distance > 0.0 {
        distance / act_distance
    } else {
        f64::INFINITY
    }
}

/// The decimal not below `value`, with eight places; for handing a forecast to exact arithmetic.
#[must_use]
pub fn rate_up(value: f64) -> Rate {
    let step = Decimal::new(1, 8);
    Decimal::from_f64(value).map_or(Rate::ZERO, |exact| Rate::of(exact).ceil_to(step))
}

/// A multiple of a distance, for the restore target.
#[must_use]
pub fn multiple(distance: f64, factor: f64) -> f64 {
    (distance * factor).min(WIDEST * factor)
}

/// A rate as a float, for comparisons inside the forecast only.
#[must_use]
pub fn share(rate: Rate) -> f64 {
    rate.get().to_f64().unwrap_or(0.0)
}

/// Is `after` above `before` by more than `least`?
#[must_use]
pub fn exceeds(after: f64, before: f64, least: f64) -> bool {
    after - before > least
}

/// A border moved by a factor, for hysteresis.
#[must_use]
pub fn scaled(border: f64, factor: f64) -> f64 {
    border * factor
}
