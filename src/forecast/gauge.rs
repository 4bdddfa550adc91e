//! From the pace of a price to the distance at which a rescue must start.
//!
//! The distance is what the price may cross while a rescue is under way. Two measures, the larger
//! counts: the volatility of the last hours, at its hundred-thousandth quantile of a five-second
//! move, and the move of the last seconds, which in a fall goes on. Both grow with the time that a
//! rescue needs. `docs/decisions/0007` tells where the numbers come from.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::bars::MinuteBars;
use super::quick::Quick;
use super::touch::{Due, Touch};
use crate::domain::{DAY_MS, MINUTE_MS, Price, Rate, SECOND_MS};

/// Units of the one-minute volatility.
const PER_SIGMA: f64 = 6.8;
/// Units of the adverse move of the last five seconds.
const PER_MOVE: f64 = 13.5;
/// Beyond this share of the price the distance grows by [`BEYOND_CAP`] of what the measures say: in a
/// crash they ask for more room than it is worth giving up a position for.
const CAP: f64 = 0.075;
const BEYOND_CAP: f64 = 0.08;
/// A forecast may not demand more distance than this share of the price.
const WIDEST: f64 = 0.5;
/// Scale of all distances by time needed: a base and a part per second, 1 at five seconds. Below three
/// and a half seconds shorter times bring nothing more: prices are not seen oftener. Above twenty
/// seconds nothing was measured.
const SCALE_BASE: f64 = 0.35;
const SCALE_PER_SECOND: f64 = 0.13;
const SCALE_LEAST: f64 = 0.8;
const SCALE_MOST: f64 = 3.0;
/// Steps of [`rate_up`] in a whole.
const STEPS_PER_ONE: f64 = 1e8;
/// A fraction in hundredths of a percent is exact to a ten-millionth below this many of them, and then
/// surely not half a one when it is nearer than this to a whole one.
const MOST_TOLD: f64 = 1e8;
const NEVER_HALF: f64 = 0.499_999;
/// The gap that the benchmark has had: 0.2 %.
const USUAL_GAP: f64 = 0.002;
/// The unseen book is taken to be so many times as deep as the seen one at most.
const UNSEEN_MOST: f64 = 10.0;
/// Standard deviations of a move that is seldom seen.
const SELDOM: f64 = 3.0;

/// How much room a rescue needs, at a caution and a time needed that change rarely.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    caution: f64,
    scale: f64,
}

impl Gauge {
    /// `caution` multiplies every distance, 1 is the balanced one; `time_needed_ms` is the time from a
    /// decision to its verified effect, retries included.
    #[must_use]
    pub fn new(caution: f64, time_needed_ms: i64) -> Self {
        let mut gauge = Self {
            caution,
            scale: 0.0,
        };
        gauge.set_time_needed(time_needed_ms);
        gauge
    }

    /// Takes a newly measured time needed.
    pub fn set_time_needed(&mut self, time_needed_ms: i64) {
        let seconds = time_needed_ms.max(0) as f64 / SECOND_MS as f64;
        let by_time = (SCALE_BASE + SCALE_PER_SECOND * seconds).clamp(SCALE_LEAST, SCALE_MOST);
        self.scale = self.caution * by_time;
    }

    /// Distance (fraction of the price) that a rescue needs, with what a thin book takes from it
    /// ([`thinness`]); `None` before the pace is known.
    #[must_use]
    pub fn needed(
        &self,
        bars: &MinuteBars,
        quick: &Quick,
        thin: f64,
        falls_hurt: bool,
    ) -> Option<f64> {
        let needed = self.needed_at(bars.hour_sigma()?, quick.moved(falls_hurt));
        Some((needed + thin).min(WIDEST))
    }

    /// The same for a one-minute volatility and an adverse move of five seconds, both fractions of the
    /// price; never falls when one of them rises.
    #[must_use]
    pub fn needed_at(&self, sigma: f64, adverse: f64) -> f64 {
        let wanted = (PER_SIGMA * sigma).max(PER_MOVE * adverse) * self.scale;
        let cap = CAP * self.scale;
        let eased = if wanted > cap {
            cap + BEYOND_CAP * (wanted - cap)
        } else {
            wanted
        };
        eased.min(WIDEST)
    }
}

/// Room that a trim loses to a thin book, as a share of the price: the gap between the best and the
/// average price of a half close, `times` that where only a part of it was seen, less what is usual.
#[must_use]
pub fn thinness(gap: f64, times: f64) -> f64 {
    (gap * times.clamp(1.0, UNSEEN_MOST) - USUAL_GAP).max(0.0)
}

/// Chance, 0..1, of touching a line at `distance` within `horizon_ms`; `None` without a forecast.
#[must_use]
pub fn breach(bars: &MinuteBars, distance: f64, falls_hurt: bool, horizon_ms: i64) -> Option<f64> {
    let touch = Touch::of(bars.sigmas()?);
    Some(touched(&touch, distance, falls_hurt, horizon_ms))
}

/// The same from a forecast at hand.
#[must_use]
pub fn touched(touch: &Touch, distance: f64, falls_hurt: bool, horizon_ms: i64) -> f64 {
    touch.chance(log_of(distance, falls_hurt), horizon_ms)
}

/// What is left of `distance` up to a border on the way.
#[must_use]
pub fn beyond(distance: f64, border: f64) -> f64 {
    distance - border
}

/// Chance, 0..1, of coming from `distance` as near as `border` within `horizon_ms`; `None` without a
/// forecast.
#[must_use]
pub fn nearing(
    bars: &MinuteBars,
    distance: f64,
    border: f64,
    falls_hurt: bool,
    horizon_ms: i64,
) -> Option<f64> {
    breach(bars, distance - border, falls_hurt, horizon_ms)
}

/// Distance (fraction of the price) that is touched with `chance` within `horizon_ms`; `None` without
/// a forecast.
#[must_use]
pub fn distance_at(
    bars: &MinuteBars,
    chance: f64,
    falls_hurt: bool,
    horizon_ms: i64,
) -> Option<f64> {
    let log = Touch::of(bars.sigmas()?).worst_move(chance, horizon_ms);
    let share = if falls_hurt {
        1.0 - (-log).exp()
    } else {
        log.exp() - 1.0
    };
    Some(share.min(WIDEST))
}

/// When a line at `distance` has been touched with `chance`; `None` without a forecast.
#[must_use]
pub fn due(bars: &MinuteBars, distance: f64, falls_hurt: bool, chance: f64) -> Option<Due> {
    let touch = Touch::of(bars.sigmas()?);
    Some(touch.due(log_of(distance, falls_hurt), chance))
}

/// Milliseconds in which the price seldom comes as far as `distance`: three standard deviations. For
/// times too short for [`due`]; `None` before the pace is known.
#[must_use]
pub fn time_left_ms(bars: &MinuteBars, distance: f64) -> Option<i64> {
    let minutes = (distance.max(0.0) / (SELDOM * bars.hour_sigma()?)).powi(2);
    Some((minutes * MINUTE_MS as f64).min(DAY_MS as f64) as i64)
}

fn log_of(distance: f64, falls_hurt: bool) -> f64 {
    if falls_hurt {
        -(1.0 - distance).max(f64::MIN_POSITIVE).ln()
    } else {
        (1.0 + distance).max(f64::MIN_POSITIVE).ln()
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

/// The decimal not below `value`, with eight places; for handing a forecast to exact arithmetic. What
/// is no number becomes zero, what is too large for a whole number of steps the largest of those.
#[must_use]
pub fn rate_up(value: f64) -> Rate {
    Rate::of(Decimal::new((value * STEPS_PER_ONE).ceil() as i64, 8))
}

/// A rate as a float, for comparisons inside the forecast only.
#[must_use]
pub fn share(rate: Rate) -> f64 {
    rate.get().to_f64().unwrap_or(0.0)
}

/// A fraction in hundredths of a percent, to the nearest; `None` too near to the middle between two for
/// a float to tell, and for what is no share of anything.
#[must_use]
pub fn hundredths_of_pct(fraction: f64) -> Option<i64> {
    let exact = fraction * 1e4;
    let nearest = exact.round();
    let told = exact.abs() < MOST_TOLD && (exact - nearest).abs() < NEVER_HALF;
    told.then_some(nearest as i64)
}

/// Is `after` above `before` by more than `least`?
#[must_use]
pub fn exceeds(after: f64, before: f64, least: f64) -> bool {
    after - before > least
}

/// A border moved by a factor.
#[must_use]
pub fn scaled(border: f64, factor: f64) -> f64 {
    border * factor
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::dec;

    #[test]
    fn a_float_becomes_the_next_decimal_above_it() {
        for (value, expected) in [
            (0.0, dec!(0)),
            (0.5, dec!(0.5)),
            (1e-9, dec!(0.00000001)),
            (-0.25, dec!(-0.25)),
            (f64::NAN, dec!(0)),
        ] {
            assert_eq!(rate_up(value).get(), expected, "{value}");
        }
        assert!(rate_up(f64::INFINITY).is_positive());
    }

    #[test]
    fn the_distance_needed_grows_with_time_caution_and_pace_and_is_capped() {
        let needed = |caution: f64, ms: i64| Gauge::new(caution, ms).needed_at(0.001, 0.0002);
        assert!((needed(1.0, 5_000) - 0.006_8).abs() < 1e-12);
        assert!(needed(1.3, 5_000) > needed(1.0, 5_000));
        assert!(needed(1.0, 9_000) > needed(1.0, 5_000));
        assert_eq!(needed(1.0, 100), needed(1.0, 3_000));
        assert_eq!(needed(1.0, 21_000), needed(1.0, 600_000));
        let gauge = Gauge::new(1.0, 5_000);
        assert!((gauge.needed_at(0.001, 0.001) - 0.013_5).abs() < 1e-12);
        let wild = gauge.needed_at(0.05, 0.0);
        assert!((wild - (0.075 + 0.08 * (0.34 - 0.075))).abs() < 1e-12);
        assert_eq!(gauge.needed_at(10.0, 0.0), WIDEST);
    }

    #[test]
    fn a_thin_book_asks_for_more_room_and_a_usual_one_for_none() {
        assert_eq!(thinness(0.002, 1.0), 0.0);
        assert!((thinness(0.005, 1.0) - 0.003).abs() < 1e-12);
        assert!((thinness(0.005, 4.0) - 0.018).abs() < 1e-12);
        assert_eq!(thinness(0.005, 1e9), thinness(0.005, 10.0));
    }
}
