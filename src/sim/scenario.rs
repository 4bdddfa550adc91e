//! Built-in price stories: synthetic mark price paths of one shape per name, varied by a seed.
//!
//! Purpose: a demo and tests without any file. Inputs: a name and a seed; the same pair gives the
//! same tape on every machine, because shapes use only additions, multiplications, divisions and
//! square roots, which IEEE 754 defines to the last bit. It must never know positions or orders.
#![allow(
    clippy::float_arithmetic,
    reason = "shapes are drawn in f64 and rounded to ticks; no ledger reads them before that"
)]

use rust_decimal::{Decimal, dec};

use super::Tape;
use crate::domain::{Price, SECOND_MS, Side, Symbol, Timestamp};

/// First instant of every scenario: 2026-01-05T00:00:00Z, a Monday.
pub const START: Timestamp = Timestamp::from_civil(2026, 1, 5, 0);
/// Milliseconds between marks.
pub const STEP_MS: i64 = 5 * SECOND_MS;
/// First mark of every scenario in ticks: 60,000 USDT.
const START_TICKS: f64 = 600_000.0;
/// Tick of BTCUSDT (Binance exchangeInfo, 2026-10).
const TICK: Decimal = dec!(0.1);
const SYMBOL: &str = "BTCUSDT";

const MINUTE: usize = 12;
const HOUR: usize = 60 * MINUTE;
/// Standard deviation of one five-second step in a quiet market: 1.2 % a day.
const QUIET_STEP: f64 = 0.000_091;
/// Names nearer than this to a wrong one are suggested (Jaro-Winkler, 0 to 1).
const SUGGEST_MIN: f64 = 0.75;

/// A built-in scenario in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScenarioInfo {
    pub name: &'static str,
    /// The side it is dangerous for; a calm one names the side the demo holds.
    pub side: Side,
    pub sentence: &'static str,
}

/// A scenario drawn with one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    pub tape: Tape,
    /// The side it is dangerous for.
    pub side: Side,
}

/// Why there is no such scenario; the caller corrects the name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    #[error("there is no scenario `{name}`; {suggestion}choose one of {valid}")]
    Unknown {
        name: String,
        /// Empty, or a did-you-mean clause.
        suggestion: String,
        valid: String,
    },
}

type Draw = fn(&mut Dice) -> Path;

const BUILT_IN: [(ScenarioInfo, Draw); 4] = [
    (
        ScenarioInfo {
            name: "flash-crash",
            side: Side::Long,
            sentence: "a quiet hour, then 12 to 14 % down in ragged waves within twenty minutes, \
                       then most of it regained; four hours",
        },
        flash_crash,
    ),
    (
        ScenarioInfo {
            name: "grind",
            side: Side::Long,
            sentence: "12 % down over ten hours, each bounce sold; twelve hours",
        },
        grind,
    ),
    (
        ScenarioInfo {
            name: "squeeze",
            side: Side::Short,
            sentence: "14 % up within an hour against a short, then part of it given back; \
                       four hours",
        },
        squeeze,
    ),
    (
        ScenarioInfo {
            name: "calm",
            side: Side::Long,
            sentence: "an ordinary day that never strays 1.2 % from its start; nothing should \
                       happen at leverage 20 or less",
        },
        calm,
    ),
];

const INFOS: [ScenarioInfo; 4] = {
    let [(a, _), (b, _), (c, _), (d, _)] = BUILT_IN;
    [a, b, c, d]
};

/// All built-in scenarios in the order they should be shown.
#[must_use]
pub fn names() -> &'static [ScenarioInfo] {
    &INFOS
}

/// Draws a scenario; equal seeds give equal tapes.
///
/// # Errors
/// [`ScenarioError::Unknown`] with the valid names and, where one is near, a suggestion.
pub fn by_name(name: &str, seed: u64) -> Result<Scenario, ScenarioError> {
    let (info, draw) = BUILT_IN
        .iter()
        .find(|(info, _)| info.name == name)
        .ok_or_else(|| unknown(name))?;
    let path = draw(&mut Dice(seed));
    Ok(Scenario {
        tape: Tape {
            name: info.name.to_owned(),
            symbol: Symbol::new(SYMBOL),
            start: START,
            step_ms: STEP_MS,
            marks: path.0.into_iter().map(to_price).collect(),
            notes: vec![format!(
                "synthetic scenario {}, drawn with seed {seed}",
                info.name
            )],
        },
        side: info.side,
    })
}

fn unknown(name: &str) -> ScenarioError {
    let nearest = INFOS
        .iter()
        .map(|info| {
            let likeness = strsim::jaro_winkler(&name.to_lowercase(), info.name);
            (likeness, info.name)
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness >= SUGGEST_MIN);
    let valid: Vec<&str> = INFOS.iter().map(|info| info.name).collect();
    ScenarioError::Unknown {
        name: name.chars().take(40).collect(),
        suggestion: nearest
            .map(|(_, near)| format!("did you mean `{near}`? If not, "))
            .unwrap_or_default(),
        valid: valid.join(", "),
    }
}

/// Seventy-five quiet minutes, five or six growing waves down with bounces, a fast recovery that
/// slows, then a nervous sideways market.
fn flash_crash(dice: &mut Dice) -> Path {
    let depth = dice.between(0.121, 0.139);
    let regained = dice.between(0.68, 0.80);
    let waves = Waves {
        steps: 20 * MINUTE,
        count: 5 + dice.below(2),
        growth: 0.35,
        bounce: (0.15, 0.38),
    };
    let mut path = Path::quiet(75 * MINUTE, 0.004, dice);
    path.then(Path::waves(&waves, -depth, dice).rough(0.0007, dice));
    path.then(Path::recovery(90 * MINUTE, depth * regained).rough(0.0005, dice));
    path.then(Path::quiet(55 * MINUTE, 0.008, dice));
    path.reaching(-depth)
}

/// A quiet hour, ten hours of selling with eight to twelve bounces, an exhausted last hour.
fn grind(dice: &mut Dice) -> Path {
    let depth = dice.between(0.116, 0.124);
    let waves = Waves {
        steps: 10 * HOUR,
        count: 9 + dice.below(5),
        growth: 0.0,
        bounce: (0.30, 0.55),
    };
    let regained = dice.between(0.08, 0.20);
    let mut path = Path::quiet(HOUR, 0.004, dice);
    path.then(Path::waves(&waves, -depth, dice).rough(0.0002, dice));
    path.then(Path::recovery(HOUR, depth * regained).rough(0.0002, dice));
    path.reaching(-depth)
}

/// Seventy-five quiet minutes, an hour of ever faster rises, then 35 to 55 % of it given back.
fn squeeze(dice: &mut Dice) -> Path {
    let height = dice.between(0.137, 0.145);
    let given_back = dice.between(0.35, 0.55);
    let waves = Waves {
        steps: HOUR,
        count: 6 + dice.below(3),
        growth: 0.22,
        bounce: (0.15, 0.35),
    };
    let mut path = Path::quiet(75 * MINUTE, 0.004, dice);
    path.then(Path::waves(&waves, height, dice).rough(0.0005, dice));
    path.then(Path::recovery(60 * MINUTE, -height * given_back).rough(0.0005, dice));
    path.then(Path::quiet(45 * MINUTE, 0.008, dice));
    path.reaching(height)
}

/// A day that wanders with 1.2 % daily volatility around its start and is bounded to 1.1 %.
fn calm(dice: &mut Dice) -> Path {
    Path::quiet(24 * HOUR, 0.011, dice)
}

/// A price path as fractions of its first price: 0, then one value per step.
struct Path(Vec<f64>);

/// How a directed move is broken into waves.
struct Waves {
    steps: usize,
    count: usize,
    /// By how much each wave outgrows the one before, as a fraction.
    growth: f64,
    /// Least and largest share of a wave that the bounce after it takes back; below 0.6, so that
    /// each wave goes farther than the one before.
    bounce: (f64, f64),
}

impl Path {
    /// A mean-reverting market of ordinary volatility that stays within `bound` of its start.
    fn quiet(steps: usize, bound: f64, dice: &mut Dice) -> Self {
        // Reversion at which the stationary deviation is a third of the bound.
        let ratio = QUIET_STEP * 3.0 / bound;
        let pull = ratio * ratio / 2.0;
        let mut values = vec![0.0];
        let (mut wander, mut mood) = (0.0, 0.0);
        for _ in 0..steps {
            // Volatility itself comes and goes over about an hour.
            mood += 0.05 * dice.normal() - 0.002 * mood;
            wander += QUIET_STEP * (1.0 + 0.25 * bounded(mood, 2.0)) * dice.fat() - pull * wander;
            values.push(bounded(wander, bound));
        }
        Self(values)
    }

    /// A move from 0 to `size` in waves of uneven height and length, each but the last followed
    /// by a bounce.
    fn waves(waves: &Waves, size: f64, dice: &mut Dice) -> Self {
        let mut corners = vec![(0.0, 0.0)];
        let (mut at, mut level, mut height) = (0.0, 0.0, 1.0);
        for wave in 0..waves.count {
            let leg = height * dice.between(0.75, 1.25);
            at += dice.between(0.7, 1.3);
            level += leg;
            corners.push((at, level));
            if wave + 1 < waves.count {
                at += dice.between(0.35, 0.75);
                level -= leg * dice.between(waves.bounce.0, waves.bounce.1);
                corners.push((at, level));
            }
            height *= 1.0 + waves.growth;
        }
        let values = (0..=waves.steps).map(|step| {
            let now = at * step as f64 / waves.steps as f64;
            size * eased(&corners, now) / level
        });
        Self(values.collect())
    }

    /// A move to `size` that is half done after a seventh of its time.
    fn recovery(steps: usize, size: f64) -> Self {
        let values = (0..=steps).map(|step| {
            let part = step as f64 / steps as f64;
            size * part * 1.2 / (part + 0.2)
        });
        Self(values.collect())
    }

    /// Adds noise of `step` per step that fades back to the path.
    fn rough(mut self, step: f64, dice: &mut Dice) -> Self {
        let mut noise = 0.0;
        for value in self.0.iter_mut().skip(1) {
            noise = noise * 0.93 + step * dice.fat();
            *value += noise;
        }
        self
    }

    /// Scales the path so that its extreme on the side of `extreme` is exactly that.
    fn reaching(mut self, extreme: f64) -> Self {
        let toward = extreme.signum();
        let own = self
            .0
            .iter()
            .map(|value| value * toward)
            .fold(0.0, f64::max);
        if own > 0.0 {
            let factor = extreme.abs() / own;
            self.0.iter_mut().for_each(|value| *value *= factor);
        }
        self
    }

    /// Continues this path with another that starts where this one ends.
    fn then(&mut self, next: Self) {
        let end = self.0.last().copied().unwrap_or_default();
        self.0
            .extend(next.0.into_iter().skip(1).map(|value| end + value));
    }
}

/// A value squeezed smoothly into `-bound..bound`.
fn bounded(value: f64, bound: f64) -> f64 {
    let ratio = value / bound;
    value / (1.0 + ratio * ratio).sqrt()
}

/// The level at `now` between corners `(time, level)`, leaving and reaching each a little slower.
fn eased(corners: &[(f64, f64)], now: f64) -> f64 {
    let mut from = (0.0, 0.0);
    for corner in corners {
        if now <= corner.0 {
            let length = corner.0 - from.0;
            let part = if length > 0.0 {
                (now - from.0) / length
            } else {
                1.0
            };
            let smooth = part * part * (3.0 - 2.0 * part);
            return from.1 + (corner.1 - from.1) * (part + smooth) / 2.0;
        }
        from = *corner;
    }
    from.1
}

fn to_price(value: f64) -> Price {
    // Values lie within a few tenths of 0, so the tick count is far inside i64 and above zero.
    let ticks = (START_TICKS * (1.0 + value)).round() as i64;
    Price::of(Decimal::from(ticks.max(1)) * TICK)
}

/// A stream of numbers from a seed. Source: SplitMix64, G. Steele, D. Lea, C. Flood, "Fast
/// Splittable Pseudorandom Number Generators", OOPSLA 2014.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..1`, on the 53 bits that f64 holds exactly.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// Nearly normal with deviation 1: the sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// Like [`Dice::normal`], but one step in fifty is three times as large.
    fn fat(&mut self) -> f64 {
        let jump = self.below(50) == 0;
        self.normal() * if jump { 3.0 } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: std::ops::Range<u64> = 0..40;

    /// Fractions of the first mark.
    fn shape(name: &str, seed: u64) -> Vec<f64> {
        let marks = by_name(name, seed).expect("built in").tape.marks;
        let first = marks[0];
        marks
            .iter()
            .map(|mark| {
                let rate = mark.ratio(first).expect("positive").get() - Decimal::ONE;
                f64::try_from(rate).expect("small")
            })
            .collect()
    }

    fn low(shape: &[f64]) -> (usize, f64) {
        let pairs = shape.iter().copied().enumerate();
        pairs.min_by(|a, b| a.1.total_cmp(&b.1)).expect("not empty")
    }

    fn high(shape: &[f64]) -> (usize, f64) {
        let pairs = shape.iter().copied().enumerate();
        pairs.max_by(|a, b| a.1.total_cmp(&b.1)).expect("not empty")
    }

    /// Deviation of the changes over one minute.
    fn minute_deviation(shape: &[f64]) -> f64 {
        let moves: Vec<f64> = shape
            .windows(MINUTE + 1)
            .map(|w| w[MINUTE] - w[0])
            .collect();
        (moves.iter().map(|m| m * m).sum::<f64>() / moves.len() as f64).sqrt()
    }

    #[test]
    fn a_flash_crash_falls_twelve_to_fourteen_percent_in_twenty_minutes_and_regains_most() {
        for seed in SEEDS {
            let shape = shape("flash-crash", seed);
            assert_eq!(shape.len(), 4 * HOUR + 1);
            let (at, depth) = low(&shape);
            assert!((-0.14..=-0.12).contains(&depth), "seed {seed}: {depth}");
            let calm = &shape[..75 * MINUTE];
            assert!(low(calm).1 > -0.006 && high(calm).1 < 0.006, "seed {seed}");
            let began = shape[..at].iter().rposition(|v| *v > -0.008).expect("calm");
            assert!(
                at - began <= 23 * MINUTE,
                "seed {seed}: {} steps",
                at - began
            );
            let bounces = shape[began..at]
                .windows(MINUTE + 1)
                .filter(|w| w[MINUTE] > w[0] + 0.003)
                .count();
            assert!(bounces > 0, "seed {seed}: the fall has no bounce");
            let end = shape[shape.len() - 1];
            assert!(end > depth * 0.5 && end < 0.0, "seed {seed}: ends at {end}");
        }
    }

    #[test]
    fn a_grind_loses_twelve_percent_over_ten_hours_with_bounces() {
        for seed in SEEDS {
            let shape = shape("grind", seed);
            assert_eq!(shape.len(), 12 * HOUR + 1);
            let (at, depth) = low(&shape);
            assert!((-0.125..=-0.115).contains(&depth), "seed {seed}: {depth}");
            assert!(at > 10 * HOUR, "seed {seed}: lowest at step {at}");
            let worst_hour = shape.windows(HOUR).map(|w| w[HOUR - 1] - w[0]);
            assert!(worst_hour.fold(0.0, f64::min) > -0.05, "seed {seed}");
            let best_hour = shape[HOUR..at].windows(HOUR).map(|w| high(w).1 - w[0]);
            assert!(best_hour.fold(0.0, f64::max) > 0.008, "seed {seed}");
        }
    }

    #[test]
    fn a_squeeze_rises_fourteen_percent_within_an_hour_and_falls_back_in_part() {
        for seed in SEEDS {
            let drawn = by_name("squeeze", seed).expect("built in");
            assert_eq!(drawn.side, Side::Short);
            let shape = shape("squeeze", seed);
            assert_eq!(shape.len(), 4 * HOUR + 1);
            let (at, height) = high(&shape);
            assert!((0.136..=0.146).contains(&height), "seed {seed}: {height}");
            let began = shape[..at].iter().rposition(|v| *v < 0.006).expect("calm");
            assert!(at - began <= HOUR + 3 * MINUTE, "seed {seed}");
            let end = shape[shape.len() - 1];
            assert!(
                end > 0.35 * height && end < 0.75 * height,
                "seed {seed}: {end}"
            );
        }
    }

    #[test]
    fn a_calm_day_stays_within_one_point_two_percent_yet_moves() {
        for seed in SEEDS {
            let shape = shape("calm", seed);
            assert_eq!(shape.len(), 24 * HOUR + 1);
            let (lowest, highest) = (low(&shape).1, high(&shape).1);
            assert!(lowest > -0.012 && highest < 0.012, "seed {seed}");
            assert!(highest - lowest > 0.004, "seed {seed}: {lowest}..{highest}");
            // A 1.2 % day has minutes of 0.03 %.
            let minute = minute_deviation(&shape);
            assert!((0.0002..0.0006).contains(&minute), "seed {seed}: {minute}");
        }
    }

    #[test]
    fn marks_are_ticks_around_sixty_thousand_on_a_five_second_grid() {
        for info in names() {
            let Scenario { tape, side } = by_name(info.name, 7).expect("built in");
            assert_eq!(side, info.side);
            assert_eq!(tape.name, info.name);
            assert_eq!(tape.start.to_string(), "2026-01-05T00:00:00Z");
            assert_eq!(tape.step_ms, 5_000);
            assert_eq!(tape.marks[0].to_string(), "60000");
            assert!(tape.marks.iter().all(|mark| mark.floor_to(TICK) == *mark));
            let jump = tape.marks.windows(2).map(|pair| {
                let rate = (pair[1] - pair[0]).abs().ratio(pair[0]).expect("positive");
                f64::try_from(rate.get()).expect("small")
            });
            assert!(jump.fold(0.0, f64::max) < 0.012, "{}", info.name);
        }
    }

    #[test]
    fn equal_seeds_give_equal_tapes_and_others_do_not() {
        for info in names() {
            assert_eq!(by_name(info.name, 3), by_name(info.name, 3));
            assert_ne!(by_name(info.name, 3), by_name(info.name, 4));
        }
    }

    #[test]
    fn seed_zero_is_the_same_tape_on_every_machine() {
        for (name, lowest, highest, last) in [
            ("flash-crash", "51786", "60042.9", "57743.5"),
            ("grind", "52616", "60043", "53297"),
            ("squeeze", "59830.7", "68644", "64941.7"),
            ("calm", "59622.3", "60366.2", "59949.9"),
        ] {
            let marks = by_name(name, 0).expect("built in").tape.marks;
            let found = [marks.iter().min(), marks.iter().max(), marks.last()];
            let found = found.map(|mark| mark.expect("not empty").to_string());
            assert_eq!(found, [lowest, highest, last], "{name}");
        }
    }

    #[test]
    fn the_dice_are_splitmix64() {
        // First outputs for seed 1234567, published with the reference implementation.
        let mut dice = Dice(1_234_567);
        assert_eq!(dice.next(), 6_457_827_717_110_365_317);
        assert_eq!(dice.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_and_all_valid_ones() {
        let message = |name| by_name(name, 0).expect_err("unknown").to_string();
        assert_eq!(
            message("flashcrash"),
            "there is no scenario `flashcrash`; did you mean `flash-crash`? If not, \
             choose one of flash-crash, grind, squeeze, calm"
        );
        assert_eq!(
            message("zzz"),
            "there is no scenario `zzz`; choose one of flash-crash, grind, squeeze, calm"
        );
    }
}
