//! Which requests go wrong. Everything follows from a seed and a number, so that a world that is
//! played again goes wrong in the same places.

use crate::domain::{MINUTE_MS, SECOND_MS, Timestamp};

/// Parts of a share.
const WHOLE: u64 = 1_000;

/// Shares of requests that go wrong, in thousandths, and silences of the mark stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Lost on the way: never executed, and no answer.
    pub lost: u32,
    /// Executed, but the answer is lost.
    pub answer_lost: u32,
    /// Refused for their number (HTTP 429): surely not executed.
    pub refused: u32,
    /// Once in each stretch of this length the mark stream is silent; 0: never. Milliseconds.
    pub silence_every_ms: i64,
    /// Length of a silence in milliseconds.
    pub silence_ms: i64,
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Delivered,
    Lost,
    AnswerLost,
    Refused,
}

impl Faults {
    pub const NONE: Self = Self {
        lost: 0,
        answer_lost: 0,
        refused: 0,
        silence_every_ms: 0,
        silence_ms: 0,
    };

    /// A bad hour of an exchange: one request in ten is lost, one in ten is executed without an
    /// answer, one in ten is refused.
    pub const API: Self = Self {
        lost: 100,
        answer_lost: 100,
        refused: 100,
        ..Self::NONE
    };

    /// The same, and every ten minutes the marks stop for twenty seconds.
    pub const ALL: Self = Self {
        silence_every_ms: 10 * MINUTE_MS,
        silence_ms: 20 * SECOND_MS,
        ..Self::API
    };

    /// The fate of the request with this number.
    #[must_use]
    pub fn fate(&self, seed: u64, number: u64) -> Fate {
        let draw = spread(seed ^ spread(number)) % WHOLE;
        let lost = u64::from(self.lost);
        let unanswered = lost + u64::from(self.answer_lost);
        let refused = unanswered + u64::from(self.refused);
        if draw < lost {
            Fate::Lost
        } else if draw < unanswered {
            Fate::AnswerLost
        } else if draw < refused {
            Fate::Refused
        } else {
            Fate::Delivered
        }
    }

    /// Is the mark stream silent at `at`?
    #[must_use]
    pub fn is_silent(&self, seed: u64, at: Timestamp) -> bool {
        if self.silence_every_ms <= 0 || self.silence_ms <= 0 {
            return false;
        }
        let stretch = at.as_millis().div_euclid(self.silence_every_ms);
        let room = (self.silence_every_ms - self.silence_ms).max(1);
        let draw = spread(seed ^ spread(stretch.unsigned_abs() ^ 0x5113)) % room.unsigned_abs();
        let begins = i64::try_from(draw).unwrap_or(0);
        let passed = at.as_millis().rem_euclid(self.silence_every_ms) - begins;
        (0..self.silence_ms).contains(&passed)
    }
}

/// Spreads every bit of a number over all of them (finaliser of splitmix64; S. Vigna, public domain).
pub(super) const fn spread(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number for a text, the same in every run.
pub(super) fn seed_of(text: &str) -> u64 {
    text.bytes()
        .fold(0x706C_696D, |seed, byte| spread(seed ^ u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept_and_a_seed_repeats_itself() {
        let fates = |seed| (0..10_000_u64).map(move |n| Faults::API.fate(seed, n));
        for wanted in [Fate::Lost, Fate::AnswerLost, Fate::Refused] {
            let count = fates(7).filter(|fate| *fate == wanted).count();
            assert!((850..1_150).contains(&count), "{wanted:?}: {count}");
        }
        assert!(fates(7).eq(fates(7)));
        assert!(!fates(7).eq(fates(8)));
        assert!((0..1_000).all(|n| Faults::NONE.fate(7, n) == Fate::Delivered));
    }

    #[test]
    fn the_marks_are_silent_once_in_each_stretch_for_as_long_as_set() {
        let stretch = Faults::ALL.silence_every_ms;
        for number in 0..50 {
            let silent = (0..stretch / 1_000)
                .map(|second| Timestamp::from_millis(number * stretch + second * 1_000))
                .filter(|at| Faults::ALL.is_silent(3, *at))
                .count();
            assert_eq!(silent, 20, "stretch {number}");
        }
        assert!(!Faults::API.is_silent(3, Timestamp::from_millis(1)));
    }
}
