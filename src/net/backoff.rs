//! Growing pauses between attempts, with a jitter that is a pure function of a seed and a counter.
//!
//! Purpose: many attempts must not march in step, and a run must be repeatable. It must never know
//! what is being attempted, and holds no clock.

/// Pauses that double from `base_ms` to `cap_ms`; each is drawn from the upper half of its step.
#[derive(Debug, Clone)]
pub struct Backoff {
    base_ms: i64,
    cap_ms: i64,
    seed: u64,
    attempts: u32,
    draws: u64,
}

impl Backoff {
    /// Both bounds in milliseconds; a base below 1 counts as 1, a cap below the base as the base.
    #[must_use]
    pub fn new(base_ms: i64, cap_ms: i64, seed: u64) -> Self {
        let base_ms = base_ms.max(1);
        Self {
            base_ms,
            cap_ms: cap_ms.max(base_ms),
            seed,
            attempts: 0,
            draws: 0,
        }
    }

    /// Milliseconds to wait before the next attempt, within `base_ms / 2 ..= cap_ms`.
    pub fn next_ms(&mut self) -> i64 {
        // 2^30 milliseconds are twelve days: beyond any cap, and the shift cannot overflow.
        let step = self
            .base_ms
            .saturating_mul(1_i64 << self.attempts.min(30))
            .min(self.cap_ms);
        self.attempts = self.attempts.saturating_add(1);
        self.draws = self.draws.wrapping_add(1);
        let half = step / 2;
        let spread = u64::try_from(step - half).unwrap_or(0) + 1;
        half + i64::try_from(mix(self.seed ^ self.draws) % spread).unwrap_or(0)
    }

    /// Starts again from the base after a success; the jitter goes on where it was.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// Finaliser of the SplitMix64 generator (Steele, Lea, Flood 2014): spreads neighbouring inputs.
const fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_stay_in_the_upper_half_of_their_step() {
        let mut backoff = Backoff::new(100, 1_000, 7);
        for step in [100, 200, 400, 800, 1_000, 1_000, 1_000] {
            let pause = backoff.next_ms();
            assert!((step / 2..=step).contains(&pause), "{pause} of {step}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses_and_another_seed_others() {
        let draw = |seed| {
            let mut backoff = Backoff::new(1_000, 60_000, seed);
            (0..10).map(|_| backoff.next_ms()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn a_reset_starts_from_the_base() {
        let mut backoff = Backoff::new(100, 100_000, 3);
        (0..100).for_each(|_| assert!(backoff.next_ms() <= 100_000));
        backoff.reset();
        assert!(backoff.next_ms() <= 100);
    }

    #[test]
    fn senseless_bounds_do_not_panic() {
        assert!(Backoff::new(-5, -9, 0).next_ms() <= 1);
        let mut huge = Backoff::new(i64::MAX, i64::MAX, 0);
        assert!(huge.next_ms() > 0 && huge.next_ms() > 0);
    }
}
