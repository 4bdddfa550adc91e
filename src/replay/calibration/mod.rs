//! Holds the touch forecast against what happened on price tapes, beside two simpler forecasts.
//!
//! Purpose: figures that say how far the forecast can be believed and where not. Inputs: tapes,
//! [`Plan`]. It must never know positions, policies or the screen; the figures are the same for any
//! number of threads.
//!
//! | file | holds |
//! |---|---|
//! | `course` | a tape as bars of logarithms; what a horizon reached |
//! | `baseline` | the two simpler forecasts |
//! | `tally` | [`Tally`]: one tape's forecasts held against its outcomes |
//! | `report` | [`Group`]: scores and reliability over many tapes |
//! | `resample` | bands by drawing events anew |
//!
//! `docs/calibration.md` defines each figure.

mod baseline;
mod course;
mod report;
mod resample;
mod tally;

use crate::domain::{DAY_MS, HOUR_MS, MINUTE_MS, Side};

pub use crate::forecast::{CLIP, EDGES};
pub use report::{BarrierRow, BucketRow, Gain, Group, HorizonRow, Score, report};
pub use tally::Tally;

/// Times that the events are drawn anew for a band.
pub const DRAWS: usize = 500;
/// Seed of these draws.
pub const SEED: u64 = 20_261_122;
/// A bucket is flagged only when forecast and frequency differ by more than this share.
pub const TOLERANCE: f64 = 0.2;

/// Which forecast; the order of all figures that come in threes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forecast {
    /// [`crate::forecast::Touch`].
    Model,
    /// How often the tape's own last days went as far.
    Empirical,
    /// A normal distribution, reflected at the line.
    Gaussian,
}

impl Forecast {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Model, Self::Empirical, Self::Gaussian];

    /// Its name in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Empirical => "empirical",
            Self::Gaussian => "gaussian",
        }
    }
}

/// What is asked of the forecasts, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Rising, in milliseconds.
    pub horizons_ms: Vec<i64>,
    /// The barriers are the liquidation prices at these.
    pub leverages: Vec<u32>,
    /// Forecasts are made at whole multiples of this, in milliseconds.
    pub every_ms: i64,
    /// Tape before the first forecast, in milliseconds.
    pub warm_up_ms: i64,
}

/// Minutes between forecasts unless told otherwise. Without a common divisor with an hour, so that
/// all minutes of the hour come up alike: more happens right after full hours than before them.
const EVERY_MIN: i64 = 31;

impl Default for Plan {
    fn default() -> Self {
        Self {
            horizons_ms: vec![15 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, DAY_MS],
            leverages: vec![10, 20, 50],
            every_ms: EVERY_MIN * MINUTE_MS,
            warm_up_ms: DAY_MS,
        }
    }
}

/// A line that a position would be liquidated at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Barrier {
    pub side: Side,
    pub leverage: u32,
}

impl Plan {
    /// By leverage, long before short.
    #[must_use]
    pub fn barriers(&self) -> Vec<Barrier> {
        let sides = |leverage: &u32| {
            [Side::Long, Side::Short].map(|side| Barrier {
                side,
                leverage: *leverage,
            })
        };
        self.leverages.iter().flat_map(sides).collect()
    }
}

impl Barrier {
    /// Logarithmic distance from the entry of an isolated position with margin 1/leverage to its
    /// line, entry · (1 ∓ 1/leverage) / (1 ∓ rate); `None` when it would begin beyond it.
    #[must_use]
    pub fn distance(self, rate: f64) -> Option<f64> {
        let margin = 1.0 / f64::from(self.leverage.max(1));
        let distance = match self.side {
            Side::Long => -((1.0 - margin) / (1.0 - rate)).ln(),
            Side::Short => ((1.0 + margin) / (1.0 + rate)).ln(),
        };
        (distance.is_finite() && distance > 0.0).then_some(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn barriers_lie_where_margin_is_eaten_down_to_maintenance() {
        let line = |side, leverage, rate| Barrier { side, leverage }.distance(rate);
        let long = line(Side::Long, 50, 0.01).expect("a line");
        assert!((long - -(0.98_f64 / 0.99).ln()).abs() < 1e-15);
        let short = line(Side::Short, 10, 0.004).expect("a line");
        assert!((short - (1.1_f64 / 1.004).ln()).abs() < 1e-15);
        assert_eq!(line(Side::Long, 100, 0.01), None);
        assert_eq!(line(Side::Short, 125, 0.01), None);
        assert_eq!(
            line(Side::Long, 1, 0.01),
            None,
            "its line is a price of zero"
        );
    }
}
