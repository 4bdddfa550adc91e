//! The benchmark: recorded prices are played through protection policies and a simulated isolated
//! position, in virtual time.
//!
//! Purpose: say, with figures that can be compared, what a way of protecting a position would have
//! kept, and at what price. Inputs: tapes, [`Settings`], policies. It must never know a venue, the
//! network, a clock or the screen; the figures are the same for any number of threads.
//!
//! | file | holds |
//! |---|---|
//! | `path` | [`Path`]: a tape cut into steps of five seconds, with its volatility |
//! | `holding` | a position in units of its entry notional |
//! | `policy` | [`Policy`]: the baselines, each a trigger price and a deed |
//! | `episode` | [`Episode`]: one position from entry to end; how a baseline fares in it |
//! | `guarded` | the same for the real guard |
//! | `figures` | [`Figures`]: what every row says, summed up over episodes |
//! | `run` | [`play`]: all episodes, in parallel |
//! | `report` | [`Report`]: rows of figures |
//! | [`world`] | the real guard against the simulated exchange: several positions, faults, stress |
//! | `calibration` | the touch forecast held against what happened |
//!
//! The definitions of the standard episode and of each figure stand in `docs/benchmark.md`.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "statistics and the arithmetic of baselines; no money moves, and the guard itself stays exact"
)]

pub mod calibration;
mod episode;
mod figures;
mod guarded;
mod holding;
mod path;
mod policy;
mod report;
mod run;
pub mod world;

use crate::domain::{DAY_MS, HOUR_MS, SECOND_MS, Side};

pub use episode::{Episode, Fate, Outcome, Stepping, episodes, fate, outcome};
pub use figures::Figures;
pub use path::Path;
pub use policy::Policy;
pub use report::{Report, Row, WorstCase, name};
pub use run::{Played, Trial, Watcher, in_parallel, play, trials};

/// Milliseconds between two marks.
pub const STEP_MS: i64 = 5 * SECOND_MS;
/// Taker fee as a fraction of the traded notional.
pub const FEE: f64 = 0.000_5;
/// Slippage in a calm market as a fraction of the traded notional.
pub const SLIPPAGE: f64 = 0.000_5;
/// Slippage on top, in units of the one-minute volatility.
pub const SLIPPAGE_PER_SIGMA: f64 = 0.1;
/// Half-life of the volatility that policies and slippage see, in minutes.
pub const HALF_LIFE_MIN: f64 = 5.0;

/// What is fixed for all episodes of a run. The default is the standard episode.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub sides: Vec<Side>,
    /// Entry notional over initial margin, each at least 1.
    pub leverages: Vec<u32>,
    /// Time between entries, in milliseconds, at least one step.
    pub entry_every_ms: i64,
    /// Tape before the first entry, in milliseconds.
    pub warm_up_ms: i64,
    /// Length of an episode in milliseconds; the end of the tape cuts it.
    pub length_ms: i64,
    /// An episode that the tape would cut below this is not played, in milliseconds.
    pub least_ms: i64,
    /// Balance beside the position as a fraction of the initial margin; it may be added as margin.
    pub reserve: f64,
    /// From decision to effect, in milliseconds, at least zero; between two steps the price is on the
    /// straight line that joins them.
    pub delay_ms: i64,
}

impl Settings {
    /// Whole steps from a decision to its effect, and the part of a step beyond them.
    fn delay(&self) -> (usize, f64) {
        let delay = self.delay_ms.max(0);
        let steps = usize::try_from(delay / STEP_MS).unwrap_or(usize::MAX);
        (steps, (delay % STEP_MS) as f64 / STEP_MS as f64)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sides: vec![Side::Long, Side::Short],
            leverages: vec![10, 20, 50],
            entry_every_ms: 4 * HOUR_MS,
            warm_up_ms: DAY_MS,
            length_ms: DAY_MS,
            least_ms: DAY_MS / 2,
            reserve: 1.0,
            delay_ms: STEP_MS,
        }
    }
}
