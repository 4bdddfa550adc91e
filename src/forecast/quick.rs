//! The move of the last seconds: a fall that has begun mostly goes on for a few seconds more.

use std::collections::VecDeque;

use rust_decimal::prelude::ToPrimitive;

use crate::domain::{Price, SECOND_MS, Timestamp};

/// The time that is looked back on.
const WINDOW_MS: i64 = 5 * SECOND_MS;
/// Where prices come more rarely, the last one before still counts when it is not older.
const LOOK_BACK_MS: i64 = 10 * SECOND_MS;
/// Prices that follow faster than this are not all kept.
const LEAST_GAP_MS: i64 = 600;
/// Most prices kept; `WINDOW_MS` over `LEAST_GAP_MS` and one older.
const KEPT_MAX: usize = 10;

/// The largest fall and rise to the newest price within the last five seconds; constant memory.
#[derive(Debug, Clone, Default)]
pub struct Quick {
    /// Oldest first, without the newest.
    kept: VecDeque<(i64, f64)>,
    newest: Option<(i64, f64)>,
    fall: f64,
    rise: f64,
}

impl Quick {
    /// Takes one price. Older times are ignored, and so is a price that is no number.
    pub fn update(&mut self, price: Price, at: Timestamp) {
        let Some(price) = price.get().to_f64().filter(|price| *price > 0.0) else {
            return;
        };
        let now = at.as_millis();
        if let Some((then, before)) = self.newest {
            if now < then {
                return;
            }
            let last = self.kept.back().map(|(at, _)| *at);
            if now > then && last.is_none_or(|last| then.saturating_sub(last) >= LEAST_GAP_MS) {
                self.keep(then, before);
            }
        }
        self.newest = Some((now, price));
        self.measure(now, price);
    }

    /// Share of the newest price by which it fell (`true`) or rose within the window, zero or above.
    #[must_use]
    pub const fn moved(&self, falls: bool) -> f64 {
        if falls { self.fall } else { self.rise }
    }

    fn keep(&mut self, at: i64, price: f64) {
        if self.kept.len() >= KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back((at, price));
    }

    fn measure(&mut self, now: i64, price: f64) {
        let age = |at: i64| now.saturating_sub(at);
        // The newest of those before the window stays: it may be all there is.
        while let (Some(_), Some((next, _))) = (self.kept.front(), self.kept.get(1))
            && age(*next) > WINDOW_MS
        {
            self.kept.pop_front();
        }
        let inside = |(at, _): &&(i64, f64)| age(*at) <= WINDOW_MS;
        let (mut low, mut high) = (price, price);
        let mut any = false;
        for (_, past) in self.kept.iter().filter(inside) {
            any = true;
            low = low.min(*past);
            high = high.max(*past);
        }
        let last = self.kept.back().filter(|(at, _)| age(*at) <= LOOK_BACK_MS);
        if let (false, Some((_, past))) = (any, last) {
            low = low.min(*past);
            high = high.max(*past);
        }
        self.fall = (high - price) / price;
        self.rise = (price - low) / price;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(prices: &[(i64, f64)]) -> Quick {
        let mut quick = Quick::default();
        for (ms, price) in prices {
            let price: Price = format!("{price:.6}").parse().expect("price");
            quick.update(price, Timestamp::from_millis(*ms));
        }
        quick
    }

    fn near(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-9, "{one} {other}");
    }

    #[test]
    fn a_fall_of_the_last_five_seconds_is_measured_from_its_top() {
        let quick = fed(&[(0, 90.0), (10_000, 100.0), (12_000, 101.0), (15_000, 99.0)]);
        near(quick.moved(true), 2.0 / 99.0);
        near(quick.moved(false), 0.0);
    }

    #[test]
    fn prices_every_five_seconds_give_the_step_between_two() {
        let quick = fed(&[(0, 100.0), (5_000, 98.0), (10_000, 98.98)]);
        near(quick.moved(false), 0.98 / 98.98);
        near(quick.moved(true), 0.0);
    }

    #[test]
    fn a_price_of_ten_seconds_ago_counts_only_when_none_is_younger() {
        near(fed(&[(0, 100.0), (9_000, 99.0)]).moved(true), 1.0 / 99.0);
        near(fed(&[(0, 100.0), (10_001, 99.0)]).moved(true), 0.0);
        let later = fed(&[(0, 100.0), (6_000, 99.0), (9_000, 98.0)]);
        near(later.moved(true), 1.0 / 98.0);
    }

    #[test]
    fn a_burst_of_prices_keeps_little_and_sees_the_fall() {
        let burst: Vec<(i64, f64)> = (0..2_000)
            .map(|i| (i * 10, 100.0 - f64::from(i as i32) * 0.001))
            .collect();
        let quick = fed(&burst);
        assert!(quick.kept.len() <= KEPT_MAX);
        let moved = quick.moved(true);
        assert!(moved > 0.004_5 && moved < 0.005_2, "{moved}");
    }

    #[test]
    fn older_prices_change_nothing() {
        let quick = fed(&[(5_000, 100.0), (4_000, 50.0)]);
        near(quick.moved(true), 0.0);
        near(quick.moved(false), 0.0);
    }
}
