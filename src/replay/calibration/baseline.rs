//! Two forecasts that a better one must beat.

use super::course::{Course, Reach, grid};
use crate::domain::{DAY_MS, MINUTE_MS, Side};

/// Distance between the starts of the windows that are counted.
const START_EVERY_MS: i64 = 15 * MINUTE_MS;
/// Windows that began longer ago are not counted.
const MEMORY_MS: i64 = 7 * DAY_MS;
/// Added to the touched windows and to the untouched ones, in windows that do not overlap.
const SMOOTHING: f64 = 0.5;
/// Half-life of the Gaussian variance in minutes.
const HALF_LIFE_MIN: f64 = 60.0;
/// Below this the variance of a minute is taken as this: a price that stands still will move again.
const VARIANCE_LEAST: f64 = 1e-12;
/// The series of the error function serves below this, the continued fraction above it.
const SERIES_UNTIL: f64 = 2.5;
/// Terms of either; both are exact to better than ten digits with as many.
const TERMS: u32 = 60;

/// How far past windows of one horizon went.
pub(super) struct Empirical {
    horizon_ms: i64,
    /// Start of each window, rising.
    windows: Vec<(i64, Reach)>,
}

impl Empirical {
    pub(super) fn of(course: &Course, horizon_ms: i64) -> Self {
        let starts = grid(course.start(), course.end(), START_EVERY_MS);
        let windows = starts.filter_map(|at| Some((at, course.reach(at, horizon_ms)?)));
        Self {
            horizon_ms,
            windows: windows.collect(),
        }
    }

    /// Share of the windows complete at `at` that went as far as each of `asked`, smoothed towards
    /// one half. Windows that overlap tell the same story many times: they count as many as fit
    /// side by side.
    pub(super) fn chances(&self, at: i64, asked: &[(Side, f64)]) -> Vec<f64> {
        let first = self
            .windows
            .partition_point(|(start, _)| *start < at - MEMORY_MS);
        let last = self
            .windows
            .partition_point(|(start, _)| *start <= at - self.horizon_ms);
        let known = self.windows.get(first..last).unwrap_or_default();
        let weight = (START_EVERY_MS as f64 / self.horizon_ms as f64).min(1.0);
        let share = |(side, distance): &(Side, f64)| {
            let touched = known
                .iter()
                .filter(|(_, reach)| reach.touches(*side, *distance));
            let (touched, all) = (touched.count() as f64, known.len() as f64);
            (weight * touched + SMOOTHING) / (weight * all + 2.0 * SMOOTHING)
        };
        asked.iter().map(share).collect()
    }
}

impl Reach {
    /// Does a position on `side` whose line is `distance` away lose?
    pub(super) fn touches(self, side: Side, distance: f64) -> bool {
        match side {
            Side::Long => self.down >= distance,
            Side::Short => self.up >= distance,
        }
    }
}

/// A normal distribution whose variance follows squared close-to-close returns.
#[derive(Debug, Clone, Default)]
pub(super) struct Gaussian {
    before: Option<f64>,
    sum: f64,
    weight: f64,
}

impl Gaussian {
    /// Takes the logarithm of a close, `minutes` after the one before.
    pub(super) fn take(&mut self, close: f64, minutes: f64) {
        if let Some(before) = self.before {
            let keep = (-minutes / HALF_LIFE_MIN).exp2();
            let variance = (close - before).powi(2) / minutes;
            self.sum = keep * self.sum + (1.0 - keep) * variance;
            self.weight = keep * self.weight + (1.0 - keep);
        }
        self.before = Some(close);
    }

    /// Twice the chance of being beyond `distance` at the end of `minutes`.
    pub(super) fn chance(&self, distance: f64, minutes: f64) -> f64 {
        let variance = if self.weight > 0.0 {
            (self.sum / self.weight).max(VARIANCE_LEAST)
        } else {
            VARIANCE_LEAST
        };
        complement(distance / (2.0 * variance * minutes).sqrt())
    }
}

/// The complementary error function for `x >= 0`: 1 minus its power series, or its continued
/// fraction (Abramowitz and Stegun, 7.1.6 and 7.1.14).
fn complement(x: f64) -> f64 {
    let root = std::f64::consts::PI.sqrt();
    if x < SERIES_UNTIL {
        let (mut term, mut sum) = (x, x);
        for n in 1..TERMS {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        return (1.0 - 2.0 / root * (-x * x).exp() * sum).clamp(0.0, 1.0);
    }
    let mut fraction = x;
    for n in (1..TERMS).rev() {
        fraction = x + 0.5 * f64::from(n) / fraction;
    }
    (-x * x).exp() / (root * fraction)
}

#[cfg(test)]
mod tests {
    use super::super::course::LogBar;
    use super::*;
    use crate::forecast::Range;

    const FLAT: Range = Range {
        low: 1.0,
        high: 1.0,
        close: 1.0,
    };

    /// Abramowitz and Stegun, table 7.1.
    #[test]
    fn the_error_function_is_that_of_the_tables() {
        for (x, erf) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_8),
            (1.0, 0.842_700_792_9),
            (2.0, 0.995_322_265_0),
        ] {
            assert!((complement(x) - (1.0 - erf)).abs() < 1e-9, "{x}");
        }
        let seam = complement(SERIES_UNTIL - 1e-9) / complement(SERIES_UNTIL);
        assert!((seam - 1.0).abs() < 1e-6, "{seam}");
        // erfc(3) = 2.209 049 7e-5.
        assert!((complement(3.0) / 2.209_049_7e-5 - 1.0).abs() < 1e-7);
    }

    #[test]
    fn the_gaussian_knows_the_variance_of_its_returns() {
        let mut gaussian = Gaussian::default();
        for minute in 0..500 {
            gaussian.take(if minute % 2 == 0 { 0.0 } else { 0.001 }, 1.0);
        }
        // 1.96 standard deviations away: 5 % twice over one side.
        let chance = gaussian.chance(1.959_964 * 0.001 * 2.0, 4.0);
        assert!((chance - 0.05).abs() < 1e-6, "{chance}");
    }

    #[test]
    fn the_empirical_share_counts_windows_that_are_over_and_leans_to_one_half() {
        // Ten hours in which each second hour falls by 2 % in its first minute.
        let bars = (0..600).map(|minute| LogBar {
            low: if minute % 120 == 0 { -0.02 } else { 0.0 },
            ..LogBar::of(minute * MINUTE_MS, FLAT)
        });
        let course = Course {
            bar_ms: MINUTE_MS,
            bars: bars.collect(),
        };
        let empirical = Empirical::of(&course, 15 * MINUTE_MS);
        let long = |at: i64, distance: f64| {
            let asked = [(Side::Long, distance)];
            empirical.chances(at * MINUTE_MS, &asked)[0]
        };
        assert_eq!(long(15, 0.01), 0.5, "no window is over yet");
        // Starts 15, 30, … 465; those at 120, 240 and 360 see a fall.
        assert!((long(480, 0.01) - 3.5 / 32.0).abs() < 1e-12);
        assert!((long(480, 0.03) - 0.5 / 32.0).abs() < 1e-12);
        let short = empirical.chances(480 * MINUTE_MS, &[(Side::Short, 0.01)]);
        assert!((short[0] - 0.5 / 32.0).abs() < 1e-12);
    }

    #[test]
    fn windows_that_overlap_count_as_many_as_fit_side_by_side() {
        let bars = (0..600).map(|minute| LogBar {
            low: -0.02,
            ..LogBar::of(minute * MINUTE_MS, FLAT)
        });
        let course = Course {
            bar_ms: MINUTE_MS,
            bars: bars.collect(),
        };
        // Starts 15, 30, … 480 of two hours each: 32 windows, four side by side.
        let empirical = Empirical::of(&course, 120 * MINUTE_MS);
        let chance = empirical.chances(600 * MINUTE_MS, &[(Side::Long, 0.01)]);
        assert!((chance[0] - 4.5 / 5.0).abs() < 1e-12, "{chance:?}");
    }
}
