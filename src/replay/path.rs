//! A tape cut into steps: marks as whole numbers, and per bar its range and the volatility before it.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{HALF_LIFE_MIN, STEP_MS};
use crate::domain::{MINUTE_MS, Price, Rate, Side, Symbol, Timestamp};
use crate::forecast::{Gauge, MinuteBars, Quick};
use crate::guard::event::Bar;
use crate::sim::tape::{LoadedTape, TapeError, Window};

/// Steps in a minute.
pub(super) const MINUTE_STEPS: usize = (MINUTE_MS / STEP_MS) as usize;
/// A guard's own history is a day long, that of a path is longer: the two volatilities differ by far
/// less than this.
const PACE_SLACK: f64 = 1.001;
/// Largest whole number a mark may be; leaves room for sums.
const MANTISSA_MAX: i64 = i64::MAX / 8;
/// Maintenance rate of BTC and ETH, in ten-thousandths.
const MAJOR_RATE: i64 = 40;
/// Maintenance rate of every other coin, in ten-thousandths.
const OTHER_RATE: i64 = 100;

/// Marks every [`STEP_MS`], ready for many episodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// The tape's name.
    pub name: String,
    pub symbol: Symbol,
    /// A control tape: its name says calm.
    pub calm: bool,
    /// Length of the recorded bars in milliseconds.
    pub bar_ms: i64,
    /// Time of the first mark.
    pub start: Timestamp,
    /// Decimals of the whole numbers in `marks`.
    scale: u32,
    marks: Vec<i64>,
    /// Steps in a block: a bar, or a minute where bars are shorter.
    block_steps: usize,
    blocks: Vec<Block>,
    /// The minutes from the first whole one on.
    minutes: Vec<Minute>,
}

/// The marks of one minute by the clock, its end excluded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Minute {
    pub(super) bar: Bar,
    /// Largest one-minute volatility that the forecast has during it, and the largest fall and rise of
    /// five seconds; `None` while there is none.
    pace: Option<[f64; 3]>,
}

impl Minute {
    /// A distance that no step of this minute asks more than, of a position that is hurt by falls or
    /// rises; `None`: not known.
    pub(super) fn needed_at_most(&self, gauge: &Gauge, falls_hurt: bool) -> Option<f64> {
        let [sigma, fall, rise] = self.pace?;
        let adverse = if falls_hurt { fall } else { rise };
        Some(gauge.needed_at(sigma, adverse) * PACE_SLACK)
    }
}

/// A stretch of marks that has one volatility; block `n` holds marks `n * steps + 1 ..= (n + 1) * steps`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Block {
    pub(super) low: i64,
    pub(super) high: i64,
    /// Standard deviation of the one-minute log return, from closes before this block.
    pub(super) sigma: f64,
}

impl Path {
    /// Cuts a tape into steps.
    ///
    /// # Errors
    /// [`TapeError::Step`] or [`TapeError::TooShort`] when its bars do not divide into steps.
    pub fn of(tape: &LoadedTape) -> Result<Self, TapeError> {
        let window = Window {
            enter_at: Some(tape.start()),
            lead_ms: 0,
            length_ms: tape.end().since(tape.start()),
            step_ms: STEP_MS,
        };
        let played = tape.play(Side::Long, window)?;
        let (marks, scale) = whole(&played.marks);
        let block_ms = tape.bar_ms.max(MINUTE_MS);
        let block_steps = usize::try_from(block_ms / STEP_MS).unwrap_or(1).max(1);
        let blocks = blocks(&marks, block_steps, block_ms as f64 / MINUTE_MS as f64);
        let minutes = minutes(&marks, scale, played.start);
        Ok(Self {
            name: tape.name.clone(),
            symbol: tape.symbol.clone(),
            calm: tape.name.contains("calm"),
            bar_ms: tape.bar_ms,
            start: played.start,
            scale,
            marks,
            block_steps,
            blocks,
            minutes,
        })
    }

    /// Steps from the first to the last mark.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.marks.len().saturating_sub(1)
    }

    /// Maintenance rate of the single tier: 0.4 % for BTC and ETH, 1 % otherwise.
    #[must_use]
    pub fn maintenance_rate(&self) -> Rate {
        let symbol = self.symbol.as_str();
        let is_major = ["BTC", "ETH"].iter().any(|base| {
            let quote = symbol.strip_prefix(base);
            quote.is_some_and(|quote| {
                ["USD", "USDT", "USDC", "BUSD", "FDUSD", "TUSD"].contains(&quote)
            })
        });
        Rate::of(Decimal::new(
            if is_major { MAJOR_RATE } else { OTHER_RATE },
            4,
        ))
    }

    /// The mark at `step`; the last one beyond the end.
    pub(super) fn mark(&self, step: usize) -> i64 {
        let mark = self.marks.get(step).or(self.marks.last());
        mark.copied().unwrap_or(1)
    }

    /// The same, exact.
    pub(super) fn price(&self, step: usize) -> Price {
        Price::of(Decimal::new(self.mark(step), self.scale))
    }

    /// The price `after_ms` after the mark at `step`, on the straight line to the next.
    pub(super) fn price_after(&self, step: usize, after_ms: i64) -> Price {
        let (from, to) = (self.mark(step), self.mark(step + 1));
        let way = i128::from(to - from) * i128::from(after_ms) / i128::from(STEP_MS);
        let mark = from.saturating_add(i64::try_from(way).unwrap_or(0));
        Price::of(Decimal::new(mark, self.scale))
    }

    /// Decimals that prices have.
    pub(super) fn decimals(&self) -> u32 {
        self.scale
    }

    /// Time of `step`.
    pub(super) fn time(&self, step: usize) -> Timestamp {
        let steps = i64::try_from(step).unwrap_or(i64::MAX);
        self.start.plus_ms(steps.saturating_mul(STEP_MS))
    }

    /// Marks from `first` to `last`, both included.
    pub(super) fn between(&self, first: usize, last: usize) -> &[i64] {
        self.marks.get(first..=last).unwrap_or_default()
    }

    /// First step of the first whole minute.
    fn first_minute(&self) -> usize {
        first_minute(self.start)
    }

    /// The minute that begins at `step`; `None` where none begins or it is not whole.
    pub(super) fn minute_from(&self, step: usize) -> Option<&Minute> {
        let beyond = step.checked_sub(self.first_minute())?;
        let whole = beyond.is_multiple_of(MINUTE_STEPS);
        whole.then(|| self.minutes.get(beyond / MINUTE_STEPS))?
    }

    /// The whole minutes from `first` to before `end`, both steps.
    pub(super) fn minutes_between(&self, first: usize, end: usize) -> &[Minute] {
        let start = self.first_minute();
        let from = first.saturating_sub(start).div_ceil(MINUTE_STEPS);
        let to = (end.saturating_sub(start) / MINUTE_STEPS).min(self.minutes.len());
        self.minutes.get(from..to).unwrap_or_default()
    }

    pub(super) fn block_steps(&self) -> usize {
        self.block_steps
    }

    /// The block that holds the mark at `step`, which is above zero.
    pub(super) fn block(&self, step: usize) -> Block {
        let block = self.blocks.get(step.saturating_sub(1) / self.block_steps);
        block.or(self.blocks.last()).copied().unwrap_or(Block {
            low: 1,
            high: i64::MAX,
            sigma: 0.0,
        })
    }
}

/// Prices as whole numbers of one common scale.
fn whole(prices: &[Price]) -> (Vec<i64>, u32) {
    let scales = prices.iter().map(|price| price.get().normalize().scale());
    let mut scale = scales.max().unwrap_or(0);
    let highest = prices
        .iter()
        .max()
        .map_or(Decimal::ONE, |price| price.get());
    let limit = Decimal::from(MANTISSA_MAX);
    let fits = |scale: u32| {
        highest.trunc()
            < Decimal::try_from_i128_with_scale(limit.mantissa(), scale).unwrap_or_default()
    };
    while scale > 0 && !fits(scale) {
        scale -= 1;
    }
    let number = |price: &Price| {
        let mut value = price.get().round_dp(scale);
        value.rescale(scale);
        i64::try_from(value.mantissa())
            .unwrap_or(MANTISSA_MAX)
            .max(1)
    };
    (prices.iter().map(number).collect(), scale)
}

/// Ranges, and the volatility known before each block: EWMA of squared close-to-close log returns.
fn blocks(marks: &[i64], steps: usize, minutes: f64) -> Vec<Block> {
    let weight = 1.0 - (-minutes / HALF_LIFE_MIN).exp2();
    let mut variance: Option<f64> = None;
    let mut before = marks.first().copied().unwrap_or(1);
    let mut blocks = Vec::with_capacity(marks.len() / steps + 1);
    for chunk in marks.get(1..).unwrap_or_default().chunks(steps) {
        let close = chunk.last().copied().unwrap_or(before);
        blocks.push(Block {
            low: chunk.iter().min().copied().unwrap_or(close),
            high: chunk.iter().max().copied().unwrap_or(close),
            sigma: (variance.unwrap_or(0.0) / minutes).sqrt(),
        });
        let squared = (close as f64 / before as f64).ln().powi(2);
        let known = variance.unwrap_or(squared);
        variance = Some(known + weight * (squared - known));
        before = close;
    }
    blocks
}

/// Steps before the first whole minute.
fn first_minute(start: Timestamp) -> usize {
    let into = start.as_millis().rem_euclid(MINUTE_MS);
    let wait = (MINUTE_MS - into).rem_euclid(MINUTE_MS);
    usize::try_from(wait / STEP_MS).unwrap_or(0)
}

/// Whole minutes, with the pace that a forecast fed from the start of the tape has in each.
fn minutes(marks: &[i64], scale: u32, start: Timestamp) -> Vec<Minute> {
    let price = |mark: i64| Price::of(Decimal::new(mark, scale));
    let time = |step: usize| {
        let steps = i64::try_from(step).unwrap_or(i64::MAX);
        start.plus_ms(steps.saturating_mul(STEP_MS))
    };
    let (mut bars, mut quick) = (MinuteBars::default(), Quick::default());
    let first = first_minute(start);
    let whole = marks.get(first..).unwrap_or_default();
    let mut minutes = Vec::with_capacity(whole.len() / MINUTE_STEPS);
    for (index, chunk) in whole.chunks_exact(MINUTE_STEPS).enumerate() {
        let begin = first + index * MINUTE_STEPS;
        let mut pace: Option<[f64; 3]> = None;
        for (place, mark) in chunk.iter().enumerate() {
            let (mark, at) = (price(*mark), time(begin + place));
            bars.update(mark, at);
            quick.update(mark, at);
            if let Some(sigma) = bars.hour_sigma() {
                let now = [sigma, quick.moved(true), quick.moved(false)];
                let most = pace.get_or_insert(now);
                for (most, now) in most.iter_mut().zip(now) {
                    *most = most.max(now);
                }
            }
        }
        let close = chunk.last().copied().unwrap_or(1);
        minutes.push(Minute {
            bar: Bar {
                start: time(begin),
                low: price(chunk.iter().min().copied().unwrap_or(close)),
                high: price(chunk.iter().max().copied().unwrap_or(close)),
                close: price(close),
            },
            pace,
        });
    }
    minutes
}

/// A fraction as a float, for statistics.
pub(super) fn float(value: Decimal) -> f64 {
    value.to_f64().unwrap_or(0.0)
}
