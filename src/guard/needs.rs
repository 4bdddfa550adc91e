//! How long a rescue takes at this venue, from those that were carried out.

use std::collections::VecDeque;

/// Rescues that are remembered.
const KEPT_MAX: usize = 100;
/// Below this many the assumed time counts where it is longer.
const ENOUGH: usize = 20;
/// Never taken to be shorter, in milliseconds.
const LEAST_MS: i64 = 500;
/// Nor longer: beyond this no distance grows any more.
const MOST_MS: i64 = 60_000;
/// Attempts that a rescue may need, at most.
const TRIES_MAX: u32 = 3;
/// So many of a hundred rescues may fail at every attempt.
const FAILING_PCT: usize = 1;

/// Durations of the last rescues from decision to verified change, and how many failed.
#[derive(Debug, Clone)]
pub(super) struct Needs {
    assumed_ms: i64,
    /// Oldest first; `None` for one that failed.
    taken: VecDeque<Option<i64>>,
}

impl Needs {
    pub(super) fn new(assumed_ms: i64) -> Self {
        Self {
            assumed_ms: assumed_ms.max(0),
            taken: VecDeque::new(),
        }
    }

    /// A rescue is over: verified after so many milliseconds, or failed.
    pub(super) fn note(&mut self, took_ms: Option<i64>) {
        if self.taken.len() >= KEPT_MAX {
            self.taken.pop_front();
        }
        self.taken.push_back(took_ms.map(|ms| ms.clamp(0, MOST_MS)));
    }

    /// Time from a decision to its verified effect, in milliseconds: the 99th percentile of what was
    /// measured, times the attempts that the share of failures makes likely.
    pub(super) fn time_needed_ms(&self) -> i64 {
        let mut times: Vec<i64> = self.taken.iter().copied().flatten().collect();
        times.sort_unstable();
        let place = (times.len() * 99).div_ceil(100).saturating_sub(1);
        let measured = times.get(place).copied();
        let once = match measured {
            Some(measured) if times.len() >= ENOUGH => measured,
            Some(measured) => measured.max(self.assumed_ms),
            None => self.assumed_ms,
        };
        once.saturating_mul(i64::from(self.tries())).max(LEAST_MS)
    }

    /// The smallest number of attempts that fail together in one of a hundred rescues at most.
    fn tries(&self) -> u32 {
        let all = self.taken.len();
        let failed = self.taken.iter().filter(|took| took.is_none()).count();
        if all < ENOUGH {
            return 1;
        }
        let rare = |tries: u32| failed.pow(tries) * 100 <= FAILING_PCT * all.pow(tries);
        (1..TRIES_MAX)
            .find(|tries| rare(*tries))
            .unwrap_or(TRIES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(times: impl IntoIterator<Item = Option<i64>>) -> i64 {
        let mut needs = Needs::new(5_000);
        for took in times {
            needs.note(took);
        }
        needs.time_needed_ms()
    }

    #[test]
    fn a_few_fast_rescues_do_not_outweigh_what_is_assumed_but_a_slow_one_does() {
        assert_eq!(after([]), 5_000);
        assert_eq!(after([Some(400); 19]), 5_000);
        assert_eq!(after([Some(400), Some(9_000)]), 9_000);
    }

    #[test]
    fn from_twenty_on_the_slowest_percent_counts_and_never_less_than_half_a_second() {
        assert_eq!(after([Some(900); 20]), 900);
        assert_eq!(after([Some(100); 20]), 500);
        let mut times = vec![Some(900); 99];
        times.push(Some(7_000));
        assert_eq!(after(times.clone()), 900);
        times.push(Some(7_000));
        assert_eq!(after(times), 7_000);
    }

    #[test]
    fn failures_make_room_for_more_attempts() {
        let share = |failed: usize| {
            let good = vec![Some(1_000); 100 - failed];
            after(good.into_iter().chain(vec![None; failed]))
        };
        assert_eq!(share(1), 1_000);
        assert_eq!(share(10), 2_000);
        assert_eq!(share(11), 3_000);
        assert_eq!(share(80), 3_000);
    }

    #[test]
    fn only_the_last_hundred_count() {
        let old = vec![Some(60_000); 50];
        assert_eq!(after(old.into_iter().chain(vec![Some(1_000); 100])), 1_000);
    }
}
