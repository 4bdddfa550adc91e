//! The chance that a price touches a line within a horizon, the time until then, and how far a price
//! may run against a position.
//!
//! Distance is `x = |ln(line / price)|`. At each of four horizons the volatilities of three
//! half-lives make one scale `s`, and a two-sided Student t with four degrees of freedom, mixed with a
//! rarer wider one, makes the chance. Fitted on recorded prices: see [`LAWS`] and
//! `docs/calibration.md`.

use rust_decimal::prelude::ToPrimitive;

use super::bars::Sigmas;
use crate::domain::{MINUTE_MS, Price};

/// Shortest horizon in milliseconds; a shorter one is answered as this one.
pub const HORIZON_LEAST_MS: i64 = 5 * MINUTE_MS;
/// Longest horizon in milliseconds; a longer one is answered as this one.
pub const HORIZON_MOST_MS: i64 = 1_440 * MINUTE_MS;

/// Coefficients of one horizon.
#[derive(Debug)]
struct Law {
    minutes: f64,
    /// Of the logarithm of the scale: constant, and weight of each half-life.
    c: f64,
    w: [f64; 3],
    /// Of the logit: constant and slope, each at a usual level, and what a higher level adds to it.
    a: [f64; 2],
    b: [f64; 2],
    /// Share of the wider distribution, and how much wider it is.
    pi: f64,
    k: f64,
}

/// Fitted 2026-11-22 on one-minute price tapes around crashes and on calm control tapes, 2020 to 2026.
/// The form was judged by fitting on one half of the events and scoring on the other; these values
/// are those of the fit on all events. Tapes were chosen for their crashes, so that an ordinary day is
/// rarer on them than in life: up to an hour calm ones weigh 20 times as much in `a` and `b`. Beyond it
/// that only trades calm tapes for crashes. `plimsoll calibrate` measures all of it.
static LAWS: [Law; 4] = [
    Law {
        minutes: 15.0,
        c: -0.0306,
        w: [0.7850, 0.0933, 0.1007],
        a: [-0.3343, 0.0349],
        b: [1.3843, -0.1277],
        pi: 0.0333,
        k: 4.73,
    },
    Law {
        minutes: 60.0,
        c: -0.1393,
        w: [0.6215, 0.2136, 0.1173],
        a: [-0.0026, -0.0350],
        b: [1.2714, -0.1402],
        pi: 0.0394,
        k: 4.44,
    },
    Law {
        minutes: 240.0,
        c: -0.1126,
        w: [0.4945, 0.2674, 0.1250],
        a: [0.0042, 0.0],
        b: [0.9536, 0.0],
        pi: 0.0548,
        k: 4.57,
    },
    Law {
        minutes: 1_440.0,
        c: 1.2665,
        w: [0.4309, -0.0015, 0.5728],
        a: [-1.4442, 0.0],
        b: [0.8811, 0.0],
        pi: 0.0436,
        k: 3.39,
    },
];
/// Logarithm of a usual volatility of one minute (0.068 %); centre of the fit.
const CENTRE: f64 = -7.3;
/// The level, `ln sigma_1440 - CENTRE`, is taken into what was fitted; the slope stays positive.
const LEVEL: [f64; 2] = [-1.6, 2.7];
/// Below the first horizon the scale grows with time to this power, a little faster than the reach of
/// a free random walk (one half): fitted at five minutes.
const SHORT_POWER: f64 = 0.53;
/// Farthest distance: a price grows or shrinks e^50 times.
const DISTANCE_MOST: f64 = 50.0;
/// Logits are kept within these limits, so that interpolation never meets an infinity.
const LOGIT_LIMIT: f64 = 700.0;
/// Points of the sum that stands for the integral of the expected move.
const POINTS: u32 = 400;
/// The sum reaches e^10 times below and above the scales of the horizons.
const REACH: f64 = 10.0;
/// Halvings until a root is exact to the last digits of a float.
const HALVINGS: u32 = 60;

/// When a line has been touched with a given chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Within [`HORIZON_LEAST_MS`]; the forecast does not look closer.
    Soon,
    /// After this many milliseconds.
    In(i64),
    /// Not within [`HORIZON_MOST_MS`].
    Beyond,
}

/// The forecast at one instant; the same for falls and rises.
#[derive(Debug, Clone)]
pub struct Touch {
    scales: [Scale; 4],
}

#[derive(Debug, Clone)]
struct Scale {
    law: &'static Law,
    /// Logarithm of the scale at the law's own horizon.
    log: f64,
    /// Constant and slope of the logit at the level of now.
    a: f64,
    b: f64,
}

/// Logarithmic distance from `price` to `line`; zero or below when the line is reached or crossed.
#[must_use]
pub fn log_distance(price: Price, line: Price, falls_hurt: bool) -> f64 {
    let (Some(price), Some(line)) = (price.get().to_f64(), line.get().to_f64()) else {
        return 0.0;
    };
    let rise = (line / price).ln();
    if falls_hurt { -rise } else { rise }
}

impl Touch {
    /// From the volatility of now.
    #[must_use]
    pub fn of(sigmas: Sigmas) -> Self {
        let logs = sigmas.get().map(f64::ln);
        let [_, _, day] = logs;
        let [least, most] = LEVEL;
        let level = (day - CENTRE).clamp(least, most);
        let at_level = |[usual, more]: [f64; 2]| usual + more * level;
        let scales = LAWS.each_ref().map(|law| {
            let weighted = law.w.iter().zip(logs).map(|(w, log)| w * (log - CENTRE));
            let log = law.c + CENTRE + weighted.sum::<f64>() + 0.5 * law.minutes.ln();
            Scale {
                law,
                log,
                a: at_level(law.a),
                b: at_level(law.b),
            }
        });
        Self { scales }
    }

    /// Chance, 0..1, of touching a line at the logarithmic `distance` within `horizon_ms`, which is
    /// taken into five minutes … 24 hours. A line that is reached has been touched: 1, and so for a
    /// distance that is no number.
    #[must_use]
    pub fn chance(&self, distance: f64, horizon_ms: i64) -> f64 {
        if distance.is_nan() || distance <= 0.0 {
            return 1.0;
        }
        let horizon = horizon_ms.clamp(HORIZON_LEAST_MS, HORIZON_MOST_MS);
        logistic(self.logit(distance, horizon as f64 / MINUTE_MS as f64))
    }

    /// When a line at `distance` has been touched with `chance`: the inverse of [`Touch::chance`].
    #[must_use]
    pub fn due(&self, distance: f64, chance: f64) -> Due {
        let reached = |ms: i64| self.chance(distance, ms) >= chance;
        if reached(HORIZON_LEAST_MS) {
            return Due::Soon;
        }
        if !reached(HORIZON_MOST_MS) {
            return Due::Beyond;
        }
        // Never reached at `before`, always at `after`.
        let (mut before, mut after) = (HORIZON_LEAST_MS, HORIZON_MOST_MS);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if reached(middle) {
                after = middle;
            } else {
                before = middle;
            }
        }
        Due::In(after)
    }

    /// Logarithmic distance that is touched with `chance` (0..1, ends excluded) within `horizon_ms`:
    /// a quantile of the worst adverse move.
    #[must_use]
    pub fn worst_move(&self, chance: f64, horizon_ms: i64) -> f64 {
        let (mut low, mut high) = (-DISTANCE_MOST, DISTANCE_MOST.ln());
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if self.chance(middle.exp(), horizon_ms) > chance {
                low = middle;
            } else {
                high = middle;
            }
        }
        high.exp()
    }

    /// Expected worst adverse move within `horizon_ms` as a logarithmic distance: the chance of
    /// touching, summed over all distances.
    #[must_use]
    pub fn expected_worst_move(&self, horizon_ms: i64) -> f64 {
        let logs = self.scales.each_ref().map(|scale| scale.log);
        let least = logs.iter().copied().fold(f64::INFINITY, f64::min) - REACH;
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max) + REACH;
        let most = most.min(DISTANCE_MOST.ln());
        let step = (most - least) / f64::from(POINTS);
        let height = |point: u32| {
            let distance = (least + step * f64::from(point)).exp();
            distance * self.chance(distance, horizon_ms)
        };
        // Below the first point every line is touched as good as surely.
        let ends = 0.5 * (height(0) + height(POINTS));
        least.exp() + step * (ends + (1..POINTS).map(height).sum::<f64>())
    }

    /// The logit of the chance; rises with `minutes`, falls with `distance`.
    fn logit(&self, distance: f64, minutes: f64) -> f64 {
        let mut last: Option<(f64, f64)> = None;
        for scale in &self.scales {
            let until = scale.law.minutes;
            // Below the first horizon its own law, with a scale that shrinks with time.
            let own = if last.is_none() && minutes < until {
                scale.logit(distance, minutes)
            } else {
                scale.logit(distance, until)
            };
            let Some((from, before)) = last else {
                if minutes <= until {
                    return own;
                }
                last = Some((until, own));
                continue;
            };
            // A longer horizon holds the shorter one.
            let own = own.max(before);
            if minutes <= until {
                let share = (minutes / from).ln() / (until / from).ln();
                return before + share * (own - before);
            }
            last = Some((until, own));
        }
        last.map_or(LOGIT_LIMIT, |(_, logit)| logit)
    }
}

impl Scale {
    fn logit(&self, distance: f64, minutes: f64) -> f64 {
        let Law { pi, k, .. } = self.law;
        let log = self.log + SHORT_POWER * (minutes / self.law.minutes).ln();
        let z = distance.min(DISTANCE_MOST) * (-log).exp();
        let (near, wide) = (Tails::of(z), Tails::of(z / k));
        let beyond = (1.0 - pi) * near.beyond + pi * wide.beyond;
        let within = (1.0 - pi) * near.within + pi * wide.within;
        (self.a + self.b * (beyond.ln() - within.ln())).clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
    }
}

/// Chance of |t| beyond and within `z / sqrt(2)` standard scales of Student's t with four degrees of
/// freedom: with `q = z / sqrt(4 + z^2)` it is within with `1.5 q - 0.5 q^3`. Both are computed
/// without a difference of near numbers, so that neither vanishes early.
struct Tails {
    beyond: f64,
    within: f64,
}

impl Tails {
    fn of(z: f64) -> Self {
        let root = z.hypot(2.0);
        let q = z / root;
        // 1 - q.
        let rest = 4.0 / (root * (root + z));
        Self {
            beyond: 0.5 * rest * rest * (2.0 + q),
            within: 0.5 * q * (3.0 - q * q),
        }
    }
}

fn logistic(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::HOUR_MS;

    fn usual() -> Touch {
        Touch::of(Sigmas::new([CENTRE.exp(); 3]))
    }

    /// The formula as it stands in docs/calibration.md, term by term.
    fn by_the_book(law: &Law, sigmas: [f64; 3], x: f64) -> f64 {
        let mut s = law.c - 7.3 + 0.5 * law.minutes.ln();
        for (w, sigma) in law.w.iter().zip(sigmas) {
            s += w * (sigma.ln() + 7.3);
        }
        let tail = |z: f64| {
            let q = z / (4.0 + z * z).sqrt();
            1.0 - (1.5 * q - 0.5 * q.powi(3))
        };
        let z = x * (-s).exp();
        let p0 = (1.0 - law.pi) * tail(z) + law.pi * tail(z / law.k);
        let level = (sigmas[2].ln() + 7.3).clamp(-1.6, 2.7);
        let (a, b) = (law.a[0] + law.a[1] * level, law.b[0] + law.b[1] * level);
        let logit = a + b * (p0 / (1.0 - p0)).ln();
        1.0 / (1.0 + (-logit).exp())
    }

    #[test]
    fn at_the_four_horizons_it_is_the_formula() {
        // The last two are quieter and wilder than any tape that was fitted.
        let states = [
            [0.0009, 0.0007, 0.0005],
            [0.0001, 0.00005, 0.00006],
            [0.05, 0.04, 0.03],
        ];
        for sigmas in states {
            let touch = Touch::of(Sigmas::new(sigmas));
            for x in [0.002, 0.01, 0.05, 0.1] {
                // A longer horizon holds the shorter one.
                let mut book = 0.0_f64;
                for law in &LAWS {
                    let own = touch.chance(x, law.minutes as i64 * MINUTE_MS);
                    book = book.max(by_the_book(law, sigmas, x));
                    assert!((own - book).abs() < 1e-9, "{x} {law:?}: {own} {book}");
                }
            }
        }
    }

    /// At five minutes the distance counts 3^0.53 times: the line that is touched as often within 15
    /// minutes is that much farther away.
    #[test]
    fn below_the_first_horizon_the_scale_shrinks_with_time() {
        let touch = usual();
        for x in [0.001, 0.003, 0.01] {
            let short = touch.chance(x, 5 * MINUTE_MS);
            let long = touch.chance(x * 3.0_f64.powf(0.53), 15 * MINUTE_MS);
            assert!((short / long - 1.0).abs() < 1e-9, "{x}: {short} {long}");
        }
    }

    /// Student's t with four degrees of freedom, two-sided 5 %: 2.776 445 (standard tables).
    #[test]
    fn the_tails_are_students() {
        let tails = Tails::of(2.776_445);
        assert!((tails.beyond - 0.05).abs() < 1e-7, "{}", tails.beyond);
        assert!((tails.beyond + tails.within - 1.0).abs() < 1e-15);
        assert!(Tails::of(1e12).beyond > 0.0);
    }

    #[test]
    fn between_horizons_the_logit_is_straight_in_the_logarithm_of_time() {
        let touch = usual();
        let logit = |minutes: i64| {
            let p = touch.chance(0.01, minutes * MINUTE_MS);
            (p / (1.0 - p)).ln()
        };
        let half = 0.5 * (logit(15) + logit(60));
        assert!((logit(30) - half).abs() < 1e-9, "{} {half}", logit(30));
    }

    #[test]
    fn ends_are_clamped_and_a_crossed_line_is_touched() {
        let touch = usual();
        assert_eq!(touch.chance(0.01, 0), touch.chance(0.01, HORIZON_LEAST_MS));
        assert_eq!(
            touch.chance(0.01, i64::MAX),
            touch.chance(0.01, HORIZON_MOST_MS)
        );
        for crossed in [0.0, -0.1, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(touch.chance(crossed, HOUR_MS), 1.0);
        }
        assert_eq!(touch.due(0.0, 0.5), Due::Soon);
        assert_eq!(touch.due(20.0, 0.5), Due::Beyond);
    }

    #[test]
    fn distance_is_signed_by_the_side() {
        let price = |text: &str| text.parse::<Price>().expect("price");
        let (mark, line) = (price("100"), price("95"));
        let away = (100.0_f64 / 95.0).ln();
        assert!((log_distance(mark, line, true) - away).abs() < 1e-12);
        assert!((log_distance(mark, line, false) + away).abs() < 1e-12);
    }

    /// Against a sum on a hundred times finer, plain grid.
    #[test]
    fn the_expected_move_is_the_integral_of_the_chance() {
        let touch = usual();
        for horizon in [HORIZON_LEAST_MS, HOUR_MS, HORIZON_MOST_MS] {
            let step = 1e-4;
            let sum: f64 = (0..100_000)
                .map(|i| step * touch.chance(step * (f64::from(i) + 0.5), horizon))
                .sum();
            let own = touch.expected_worst_move(horizon);
            assert!((own / sum - 1.0).abs() < 0.01, "{own} {sum}");
        }
    }

    fn sigma() -> impl Strategy<Value = f64> {
        (-14.0..0.0_f64).prop_map(f64::exp)
    }

    prop_compose! {
        fn touches()(a in sigma(), b in sigma(), c in sigma()) -> Touch {
            Touch::of(Sigmas::new([a, b, c]))
        }
    }

    fn distances() -> impl Strategy<Value = f64> {
        (-25.0..5.0_f64).prop_map(f64::exp)
    }

    proptest! {
        #[test]
        fn a_farther_line_is_never_likelier(
            touch in touches(), x in distances(), farther in 1.0..3.0_f64, h in 0..2_000_i64,
        ) {
            let (near, far) = (touch.chance(x, h * MINUTE_MS), touch.chance(x * farther, h * MINUTE_MS));
            prop_assert!((0.0..=1.0).contains(&near) && near.is_finite());
            prop_assert!(far <= near, "{far} {near}");
        }

        /// Below two thirds; a line that is as good as touched may become a little less so.
        #[test]
        fn more_volatility_at_every_half_life_makes_no_line_less_likely(
            sigma in sigma(), more in 1.0..1.5_f64, x in distances(), h in 5..2_000_i64,
        ) {
            let chance = |sigma: f64| Touch::of(Sigmas::new([sigma; 3])).chance(x, h * MINUTE_MS);
            let (less, more) = (chance(sigma), chance(sigma * more));
            prop_assert!(more >= less.min(0.66), "{less} {more}");
        }

        #[test]
        fn a_longer_horizon_is_never_less_likely(
            touch in touches(), x in distances(), h in 0..2_000_i64, more in 0..2_000_i64,
        ) {
            let short = touch.chance(x, h * MINUTE_MS);
            let long = touch.chance(x, (h + more) * MINUTE_MS);
            // The slack is that of the logarithms between two horizons.
            prop_assert!(long >= short - 1e-12, "{short} {long}");
        }

        #[test]
        fn time_due_and_chance_are_inverse(touch in touches(), x in distances(), p in 0.001..0.999_f64) {
            match touch.due(x, p) {
                Due::Soon => prop_assert!(touch.chance(x, HORIZON_LEAST_MS) >= p),
                Due::Beyond => prop_assert!(touch.chance(x, HORIZON_MOST_MS) < p),
                Due::In(ms) => {
                    prop_assert!(ms > HORIZON_LEAST_MS && ms <= HORIZON_MOST_MS);
                    prop_assert!(touch.chance(x, ms) >= p);
                    prop_assert!(touch.chance(x, ms - 1) <= p + 1e-12);
                }
            }
        }

        #[test]
        fn moves_are_finite_and_grow_with_the_horizon(
            touch in touches(), p in 0.001..0.999_f64, h in 5..1_440_i64, more in 0..1_440_i64,
        ) {
            let (short, long) = (h * MINUTE_MS, (h + more) * MINUTE_MS);
            let (few, many) = (touch.worst_move(p, short), touch.worst_move(p, long));
            prop_assert!(few.is_finite() && few > 0.0 && many >= few * (1.0 - 1e-9));
            let back = touch.chance(few, short);
            prop_assert!(few > 49.0 || (back - p).abs() < 1e-6, "{back} {p}");
            let (few, many) = (touch.expected_worst_move(short), touch.expected_worst_move(long));
            prop_assert!(few.is_finite() && few > 0.0 && many >= few * (1.0 - 1e-9));
        }

        #[test]
        fn more_volatility_at_the_shortest_half_life_is_never_less_likely(
            a in sigma(), b in sigma(), c in sigma(), more in 1.0..5.0_f64,
            x in distances(), h in 5..1_440_i64,
        ) {
            let calm = Touch::of(Sigmas::new([a, b, c])).chance(x, h * MINUTE_MS);
            let wild = Touch::of(Sigmas::new([a * more, b, c])).chance(x, h * MINUTE_MS);
            prop_assert!(wild >= calm - 1e-12);
        }
    }
}
