//! Request budgets of one host: weight per minute, orders per ten seconds and per minute, and bans.
//!
//! Purpose: the venue is never asked for more than it grants, and a share of the grant is kept for
//! requests that protect. Inputs: what is about to be sent and what the venue's headers say, each
//! with the venue's time. It must never know a clock, an endpoint or a position.

use crate::domain::Timestamp;

/// Length of the weight window and of the longer order window.
const MINUTE_MS: i64 = 60_000;
/// Length of the shorter order window.
const TEN_SECONDS_MS: i64 = 10_000;

/// What a host grants. Source for Binance futures: exchangeInfo.rateLimits, 2026-10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grants {
    /// Weight per UTC minute and address.
    pub weight_1m: u32,
    /// Orders per ten seconds and account.
    pub orders_10s: u32,
    /// Orders per UTC minute and account.
    pub orders_1m: u32,
    /// Percentage of the weight that only protective requests may spend, 0..=100.
    pub reserve_pct: u32,
}

/// What one request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    pub weight: u32,
    pub orders: u32,
}

impl Cost {
    /// A read.
    #[must_use]
    pub const fn weight(weight: u32) -> Self {
        Self { weight, orders: 0 }
    }

    /// One order, free of weight.
    #[must_use]
    pub const fn order() -> Self {
        Self {
            weight: 0,
            orders: 1,
        }
    }
}

/// Which part of the budget a request may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Sending, looking up and verifying an intent: everything, the reserve included.
    Protective,
    /// Whatever can wait.
    Ordinary,
}

/// Use counts that the venue returned with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reported {
    pub weight_1m: Option<u32>,
    pub orders_10s: Option<u32>,
    pub orders_1m: Option<u32>,
}

/// Counts use in fixed windows of venue time and says when a request must wait.
#[derive(Debug, Clone)]
pub struct Limiter {
    grants: Grants,
    weight: Window,
    orders_10s: Window,
    orders_1m: Window,
    blocked_until: Timestamp,
}

impl Limiter {
    #[must_use]
    pub fn new(grants: Grants) -> Self {
        Self {
            grants,
            weight: Window::new(MINUTE_MS),
            orders_10s: Window::new(TEN_SECONDS_MS),
            orders_1m: Window::new(MINUTE_MS),
            blocked_until: Timestamp::ZERO,
        }
    }

    /// Books `cost` at venue time `now`.
    ///
    /// # Errors
    /// The venue time before which the request must not be sent; nothing is booked then.
    pub fn admit(&mut self, now: Timestamp, lane: Lane, cost: Cost) -> Result<(), Timestamp> {
        if now < self.blocked_until {
            return Err(self.blocked_until);
        }
        let reserve = match lane {
            Lane::Protective => 0,
            Lane::Ordinary => {
                let share = u64::from(self.grants.weight_1m)
                    * u64::from(self.grants.reserve_pct.min(100))
                    / 100;
                u32::try_from(share).unwrap_or(u32::MAX)
            }
        };
        let weight = self.grants.weight_1m.saturating_sub(reserve);
        self.weight.room(now, cost.weight, weight)?;
        self.orders_10s
            .room(now, cost.orders, self.grants.orders_10s)?;
        self.orders_1m
            .room(now, cost.orders, self.grants.orders_1m)?;
        self.weight.book(cost.weight);
        self.orders_10s.book(cost.orders);
        self.orders_1m.book(cost.orders);
        Ok(())
    }

    /// Takes the venue's own counts over. A count taken in an earlier window than the one of `now`
    /// is out of date and ignored; within a window counts only rise.
    pub fn record(&mut self, sent_at: Timestamp, now: Timestamp, reported: Reported) {
        self.weight.report(sent_at, now, reported.weight_1m);
        self.orders_10s.report(sent_at, now, reported.orders_10s);
        self.orders_1m.report(sent_at, now, reported.orders_1m);
    }

    /// Nothing at all may be sent before `until`. Never shortens a block.
    pub fn block(&mut self, until: Timestamp) {
        self.blocked_until = self.blocked_until.max(until);
    }

    /// End of the block, `None` when none stands at `now`.
    #[must_use]
    pub fn blocked(&self, now: Timestamp) -> Option<Timestamp> {
        (now < self.blocked_until).then_some(self.blocked_until)
    }

    /// First instant of the UTC minute after `now`.
    #[must_use]
    pub const fn next_minute(now: Timestamp) -> Timestamp {
        let ms = now.as_millis();
        Timestamp::from_millis(ms - ms.rem_euclid(MINUTE_MS) + MINUTE_MS)
    }

    /// Weight used in the minute of `now`, as far as known.
    #[must_use]
    pub fn weight_used(&mut self, now: Timestamp) -> u32 {
        self.weight.roll(now);
        self.weight.used
    }
}

#[derive(Debug, Clone)]
struct Window {
    length_ms: i64,
    index: i64,
    used: u32,
}

impl Window {
    const fn new(length_ms: i64) -> Self {
        Self {
            length_ms,
            index: i64::MIN,
            used: 0,
        }
    }

    const fn index_of(&self, at: Timestamp) -> i64 {
        at.as_millis().div_euclid(self.length_ms)
    }

    /// A clock that was corrected backwards keeps the count of the newer window, but never waits
    /// for that window to come again: what was booked far ahead counts as used now.
    fn roll(&mut self, now: Timestamp) {
        let index = self.index_of(now);
        if index > self.index {
            self.index = index;
            self.used = 0;
        } else if index.saturating_add(1) < self.index {
            self.index = index;
        }
    }

    fn room(&mut self, now: Timestamp, cost: u32, limit: u32) -> Result<(), Timestamp> {
        self.roll(now);
        if cost == 0 || self.used.saturating_add(cost) <= limit {
            Ok(())
        } else {
            let end = (self.index.saturating_add(1)).saturating_mul(self.length_ms);
            Err(Timestamp::from_millis(end))
        }
    }

    fn book(&mut self, cost: u32) {
        self.used = self.used.saturating_add(cost);
    }

    fn report(&mut self, sent_at: Timestamp, now: Timestamp, used: Option<u32>) {
        self.roll(now);
        if let Some(used) = used
            && self.index_of(sent_at) == self.index
        {
            self.used = self.used.max(used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_219_200_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(START + ms)
    }

    fn limiter() -> Limiter {
        Limiter::new(Grants {
            weight_1m: 2_400,
            orders_10s: 300,
            orders_1m: 1_200,
            reserve_pct: 30,
        })
    }

    #[test]
    fn the_reserve_is_spent_by_protective_requests_only() {
        let mut limiter = limiter();
        for _ in 0..168 {
            let cost = Cost::weight(10);
            assert_eq!(limiter.admit(at(1), Lane::Ordinary, cost), Ok(()));
        }
        let ordinary = limiter.admit(at(2), Lane::Ordinary, Cost::weight(1));
        assert_eq!(ordinary, Err(at(60_000)));
        let protective = limiter.admit(at(3), Lane::Protective, Cost::weight(720));
        assert_eq!(protective, Ok(()));
        let beyond = limiter.admit(at(4), Lane::Protective, Cost::weight(1));
        assert_eq!(beyond, Err(at(60_000)));
        assert_eq!(
            limiter.admit(at(5), Lane::Protective, Cost::order()),
            Ok(()),
            "an order costs no weight"
        );
        assert_eq!(
            limiter.admit(at(60_000), Lane::Ordinary, Cost::weight(10)),
            Ok(())
        );
    }

    #[test]
    fn headers_raise_the_count_within_their_own_minute_only() {
        let mut limiter = limiter();
        let report = |used| Reported {
            weight_1m: Some(used),
            ..Reported::default()
        };
        limiter.record(at(0), at(10), report(2_000));
        assert_eq!(limiter.weight_used(at(10)), 2_000);
        limiter.record(at(5), at(20), report(1_500));
        assert_eq!(limiter.weight_used(at(20)), 2_000, "a late, lower count");
        limiter.record(at(59_990), at(60_020), report(2_399));
        assert_eq!(limiter.weight_used(at(60_020)), 0, "a count of last minute");
    }

    #[test]
    fn order_counts_of_other_programs_hold_orders_back() {
        let mut limiter = limiter();
        let reported = Reported {
            orders_10s: Some(300),
            ..Reported::default()
        };
        limiter.record(at(100), at(150), reported);
        let held = limiter.admit(at(200), Lane::Protective, Cost::order());
        assert_eq!(held, Err(at(10_000)));
        assert_eq!(
            limiter.admit(at(10_000), Lane::Protective, Cost::order()),
            Ok(())
        );
    }

    #[test]
    fn a_block_stops_both_lanes_and_is_never_shortened() {
        let mut limiter = limiter();
        limiter.block(at(120_000));
        limiter.block(at(5_000));
        for lane in [Lane::Protective, Lane::Ordinary] {
            let held = limiter.admit(at(119_999), lane, Cost::order());
            assert_eq!(held, Err(at(120_000)));
        }
        assert_eq!(limiter.blocked(at(120_000)), None);
        let after = limiter.admit(at(120_000), Lane::Ordinary, Cost::weight(1));
        assert_eq!(after, Ok(()));
    }

    #[test]
    fn a_refused_request_books_nothing() {
        let mut limiter = limiter();
        let cost = Cost {
            weight: 1,
            orders: 301,
        };
        assert!(limiter.admit(at(0), Lane::Protective, cost).is_err());
        assert_eq!(limiter.weight_used(at(0)), 0);
    }

    #[test]
    fn a_moment_of_wrong_time_does_not_hold_requests_back_for_hours() {
        const DAY_MS: i64 = 86_400_000;
        let mut limiter = limiter();
        let cost = Cost::weight(1_600);
        assert_eq!(limiter.admit(at(DAY_MS), Lane::Ordinary, cost), Ok(()));
        let held = limiter.admit(at(0), Lane::Ordinary, cost);
        assert_eq!(held, Err(at(60_000)), "used, but in this minute");
        for minute in 1..10 {
            let admitted = limiter.admit(at(minute * 60_000), Lane::Ordinary, cost);
            assert_eq!(admitted, Ok(()), "minute {minute}");
        }
    }

    #[test]
    fn a_clock_set_back_does_not_forget_what_was_used() {
        let mut limiter = limiter();
        let cost = Cost::weight(2_400);
        assert_eq!(limiter.admit(at(60_000), Lane::Protective, cost), Ok(()));
        let back = limiter.admit(at(59_000), Lane::Protective, Cost::weight(1));
        assert_eq!(back, Err(at(120_000)));
        assert_eq!(Limiter::next_minute(at(59_999)), at(60_000));
        assert_eq!(Limiter::next_minute(at(60_000)), at(120_000));
    }
}
