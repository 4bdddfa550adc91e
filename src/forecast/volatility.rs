//! Volatility at two half-lives from irregularly spaced prices.

use crate::domain::{Price, Timestamp};
use rust_decimal::prelude::ToPrimitive;

/// Half-life that follows a crash within minutes.
const FAST_HALF_LIFE_MS: f64 = 5.0 * 60_000.0;
/// Half-life that remembers the last hours.
const SLOW_HALF_LIFE_MS: f64 = 4.0 * 3_600_000.0;
/// Below this much observed time there is no forecast.
const WARM_UP_MS: i64 = 5 * 60_000;
/// Below this many returns there is no forecast.
const WARM_UP_RETURNS: u32 = 20;
/// A gap longer than this says nothing about the variance per unit of time inside it.
const LONGEST_GAP_MS: i64 = 10 * 60_000;

/// Exponentially weighted variance of log returns per millisecond, fast and slow. The larger one
/// counts: danger rises quickly and is forgotten slowly.
#[derive(Debug, Clone, Default)]
pub struct Volatility {
    last: Option<(Timestamp, f64)>,
    fast: f64,
    slow: f64,
    seen_ms: i64,
    returns: u32,
}

impl Volatility {
    /// Takes one price. Older or equal times are ignored; a long gap restarts the return.
    pub fn update(&mut self, price: Price, at: Timestamp) {
        let Some(log) = price
            .get()
            .to_f64()
            .map(f64::ln)
            .filter(|log| log.is_finite())
        else {
            return;
        };
        if let Some((before, last)) = self.last {
            let gap = at.since(before);
            if gap <= 0 {
                return;
            }
            if gap <= LONGEST_GAP_MS {
                self.take((log - last).powi(2), gap);
            }
        }
        self.last = Some((at, log));
    }

    #[allow(clippy::cast_precision_loss)]
    fn take(&mut self, squared: f64, gap: i64) {
        let span = gap as f64;
        let rate = squared / span;
        for (variance, half_life) in [
            (&mut self.fast, FAST_HALF_LIFE_MS),
            (&mut self.slow, SLOW_HALF_LIFE_MS),
        ] {
            // Until a half-life has been seen the plain mean is better than a decayed zero.
            let seen = self.seen_ms as f64;
            let decay = (1.0 - (-span / half_life).exp2()).max(span / (seen + span));
            *variance += decay * (rate - *variance);
        }
        self.seen_ms = self.seen_ms.saturating_add(gap);
        self.returns = self.returns.saturating_add(1);
    }

    /// Standard deviation of the log return over `horizon_ms`; `None` while warming up.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn sigma(&self, horizon_ms: i64) -> Option<f64> {
        let warm = self.seen_ms >= WARM_UP_MS && self.returns >= WARM_UP_RETURNS;
        let sigma = (self.fast.max(self.slow) * horizon_ms.max(0) as f64).sqrt();
        (warm && sigma.is_finite()).then_some(sigma)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(volatility: &mut Volatility, start: i64, step_ms: i64, prices: &[f64]) {
        for (index, price) in prices.iter().enumerate() {
            let at = Timestamp::from_millis(start + step_ms * index as i64);
            let price: Price = format!("{price:.6}").parse().expect("price");
            volatility.update(price, at);
        }
    }

    fn zigzag(size: f64, count: usize) -> Vec<f64> {
        (0..count)
            .map(|i| {
                if i % 2 == 0 {
                    100.0
                } else {
                    100.0 * size.exp()
                }
            })
            .collect()
    }

    #[test]
    fn recovers_a_known_volatility_at_any_sampling() {
        for step_ms in [1_000, 5_000, 30_000] {
            let mut volatility = Volatility::default();
            feed(&mut volatility, 0, step_ms, &zigzag(0.001, 2_000));
            let sigma = volatility.sigma(step_ms).expect("warm");
            assert!((sigma - 0.001).abs() < 1e-5, "{step_ms}: {sigma}");
        }
    }

    #[test]
    fn has_no_opinion_before_it_is_warm() {
        let mut volatility = Volatility::default();
        feed(&mut volatility, 0, 5_000, &zigzag(0.001, 30));
        assert_eq!(volatility.sigma(60_000), None);
    }

    #[test]
    fn rises_fast_and_forgets_slowly() {
        let mut volatility = Volatility::default();
        feed(&mut volatility, 0, 5_000, &zigzag(0.0002, 2_000));
        let calm = volatility.sigma(900_000).expect("warm");
        feed(&mut volatility, 20_000_000, 5_000, &zigzag(0.002, 60));
        let storm = volatility.sigma(900_000).expect("warm");
        assert!(storm > 5.0 * calm, "{calm} {storm}");
        feed(&mut volatility, 30_000_000, 5_000, &zigzag(0.0002, 360));
        let after = volatility.sigma(900_000).expect("warm");
        assert!(after < storm && after > calm, "{calm} {storm} {after}");
    }
}
