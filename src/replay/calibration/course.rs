//! A tape as bars of logarithms.

use crate::domain::{MINUTE_MS, Price, Symbol};
use crate::forecast::Range;
use crate::sim::tape::LoadedTape;
use rust_decimal::prelude::ToPrimitive;

/// A price older than this is no price to forecast from.
const STALE_MS: i64 = 10 * MINUTE_MS;
/// Maintenance rate of BTC and ETH, as in the benchmark.
const MAJOR_RATE: f64 = 0.004;
/// Maintenance rate of every other coin.
const OTHER_RATE: f64 = 0.01;
const MAJORS: [&str; 2] = ["BTC", "ETH"];
const QUOTES: [&str; 6] = ["USD", "USDT", "USDC", "BUSD", "FDUSD", "TUSD"];

/// Bars in rising order; times in milliseconds.
pub(super) struct Course {
    pub(super) bar_ms: i64,
    pub(super) bars: Vec<LogBar>,
}

/// A bar, and the logarithms of its low, high and close.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogBar {
    pub(super) start: i64,
    pub(super) range: Range,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) close: f64,
}

/// How far a stretch of time went from where it began: logarithms, zero or above.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Reach {
    pub(super) down: f64,
    pub(super) up: f64,
}

impl LogBar {
    pub(super) fn of(start: i64, range: Range) -> Self {
        Self {
            start,
            range,
            low: range.low.ln(),
            high: range.high.ln(),
            close: range.close.ln(),
        }
    }
}

impl Course {
    pub(super) fn of(tape: &LoadedTape) -> Self {
        let float = |price: Price| price.get().to_f64().unwrap_or(0.0);
        let bars = tape.bars.iter().map(|bar| {
            let range = Range {
                low: float(bar.low),
                high: float(bar.high),
                close: float(bar.close),
            };
            LogBar::of(bar.start.as_millis(), range)
        });
        Self {
            bar_ms: tape.bar_ms,
            bars: bars.collect(),
        }
    }

    /// First instant of the tape.
    pub(super) fn start(&self) -> i64 {
        self.bars.first().map_or(0, |bar| bar.start)
    }

    /// Instant at which the last bar closes.
    pub(super) fn end(&self) -> i64 {
        self.bars.last().map_or(0, |bar| bar.start + self.bar_ms)
    }

    /// Bars that are complete at `at`: as many, from the first.
    pub(super) fn complete(&self, at: i64) -> usize {
        self.bars
            .partition_point(|bar| bar.start + self.bar_ms <= at)
    }

    /// Logarithm of the last close at `at`; `None` before the first and when it is too old.
    pub(super) fn close(&self, at: i64) -> Option<f64> {
        let last = self.bars.get(self.complete(at).checked_sub(1)?)?;
        let age = at - (last.start + self.bar_ms);
        (age <= STALE_MS).then_some(last.close)
    }

    /// How far the bars that begin within `horizon_ms` from `at` went from the close before; `None`
    /// when the tape does not hold all of that time.
    pub(super) fn reach(&self, at: i64, horizon_ms: i64) -> Option<Reach> {
        let from = self.close(at)?;
        let until = at.checked_add(horizon_ms)?;
        if until > self.end() {
            return None;
        }
        let first = self.bars.partition_point(|bar| bar.start < at);
        let within = self.bars.get(first..)?.iter();
        let within = within.take_while(|bar| bar.start + self.bar_ms <= until);
        Some(within.fold(Reach::default(), |reach, bar| Reach {
            down: reach.down.max(from - bar.low),
            up: reach.up.max(bar.high - from),
        }))
    }
}

/// Multiples of `every` from `from` (included) to `until` (included).
pub(super) fn grid(from: i64, until: i64, every: i64) -> impl Iterator<Item = i64> {
    let every = every.max(1);
    let first = from.div_euclid(every) + i64::from(from.rem_euclid(every) > 0);
    (first..=until.div_euclid(every)).map(move |step| step * every)
}

/// Maintenance rate of the single tier: 0.4 % for BTC and ETH, 1 % otherwise.
pub(super) fn maintenance_rate(symbol: &Symbol) -> f64 {
    let is_major = MAJORS.iter().any(|base| {
        let quote = symbol.as_str().strip_prefix(base);
        quote.is_some_and(|quote| QUOTES.contains(&quote))
    });
    if is_major { MAJOR_RATE } else { OTHER_RATE }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAT: Range = Range {
        low: 1.0,
        high: 1.0,
        close: 1.0,
    };

    fn course(starts: &[i64], lows: &[f64]) -> Course {
        let bars = starts.iter().zip(lows).map(|(minute, low)| LogBar {
            low: -low,
            high: 0.5 * low,
            ..LogBar::of(minute * MINUTE_MS, FLAT)
        });
        Course {
            bar_ms: MINUTE_MS,
            bars: bars.collect(),
        }
    }

    #[test]
    fn a_horizon_holds_the_bars_after_it_began_and_none_beyond() {
        let course = course(&[0, 1, 2, 3, 4], &[9.0, 1.0, 2.0, 3.0, 9.0]);
        let reach = |at: i64, minutes: i64| course.reach(at * MINUTE_MS, minutes * MINUTE_MS);
        let expected = |down: f64| {
            Some(Reach {
                down,
                up: 0.5 * down,
            })
        };
        assert_eq!(reach(1, 1), expected(1.0));
        assert_eq!(reach(1, 3), expected(3.0));
        assert_eq!(reach(1, 4), expected(9.0));
        assert_eq!(reach(1, 5), None, "not all on the tape");
        assert_eq!(reach(0, 1), None, "no price before the first bar");
    }

    #[test]
    fn a_gap_holds_the_close_for_ten_minutes() {
        let course = course(&[0, 30, 31], &[1.0, 2.0, 3.0]);
        assert_eq!(course.close(11 * MINUTE_MS), Some(0.0));
        assert_eq!(course.close(12 * MINUTE_MS), None);
        let reach = course.reach(5 * MINUTE_MS, 10 * MINUTE_MS);
        assert_eq!(reach, Some(Reach::default()));
    }

    #[test]
    fn the_grid_has_whole_multiples_only() {
        let times: Vec<i64> = grid(7, 21, 7).collect();
        assert_eq!(times, [7, 14, 21]);
        assert_eq!(grid(8, 20, 7).collect::<Vec<_>>(), [14]);
        assert_eq!(grid(8, 13, 7).count(), 0);
    }

    #[test]
    fn bitcoin_and_ether_have_the_low_rate_and_nothing_else_that_begins_alike() {
        for (symbol, rate) in [
            ("BTCUSDT", 0.004),
            ("ETHUSD", 0.004),
            ("BTCDOMUSDT", 0.01),
            ("FILUSDT", 0.01),
        ] {
            assert_eq!(maintenance_rate(&Symbol::new(symbol)), rate, "{symbol}");
        }
    }
}
