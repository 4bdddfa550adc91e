//! Request weight per UTC minute, order counts per account.
//! Source: venue page "General Info" (limits), 2026-11.

use std::collections::BTreeMap;

use super::errors::ApiError;
use crate::domain::{MINUTE_MS, Timestamp};
use crate::sim::AccountId;

/// Orders per account in ten seconds and in one minute.
pub(super) const ORDERS_10S: u32 = 300;
pub(super) const ORDERS_1M: u32 = 1_200;
const TEN_SECONDS_MS: i64 = 10_000;

/// A count that starts again with each window of the clock.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    index: i64,
    used: u32,
}

impl Window {
    fn add(&mut self, now: Timestamp, length_ms: i64, amount: u32) -> u32 {
        let index = now.as_millis().div_euclid(length_ms);
        if index != self.index {
            *self = Self { index, used: 0 };
        }
        self.used = self.used.saturating_add(amount);
        self.used
    }
}

#[derive(Debug, Default)]
pub(super) struct Limits {
    weight_max: u32,
    weight: Window,
    orders: BTreeMap<AccountId, (Window, Window)>,
}

impl Limits {
    pub(super) fn new(weight_max: u32) -> Self {
        Self {
            weight_max,
            ..Self::default()
        }
    }

    /// Weight allowed per minute.
    pub(super) const fn weight_max(&self) -> u32 {
        self.weight_max
    }

    /// Counts the weight of a request; returns the weight used in this minute.
    pub(super) fn weigh(&mut self, now: Timestamp, weight: u32) -> u32 {
        self.weight.add(now, MINUTE_MS, weight)
    }

    /// Refuses when the minute's weight is used up.
    pub(super) fn refuse(&self, used: u32) -> Option<ApiError> {
        (used > self.weight_max).then(|| {
            let text = format!(
                "Too many requests; current limit of IP is {} requests per minute.",
                self.weight_max
            );
            ApiError::new(429, -1003, &text)
        })
    }

    /// Seconds until the present minute ends.
    pub(super) fn retry_after(now: Timestamp) -> i64 {
        (MINUTE_MS - now.as_millis().rem_euclid(MINUTE_MS)).div_euclid(1_000) + 1
    }

    /// Counts orders of an account; returns both counts.
    pub(super) fn order(
        &mut self,
        account: AccountId,
        now: Timestamp,
        orders: u32,
    ) -> Result<(u32, u32), ApiError> {
        let (short, long) = self.orders.entry(account).or_default();
        let counts = (
            short.add(now, TEN_SECONDS_MS, orders),
            long.add(now, MINUTE_MS, orders),
        );
        if counts.0 > ORDERS_10S || counts.1 > ORDERS_1M {
            let text = format!(
                "Too many new orders; current limit is {ORDERS_10S} orders per TEN_SECONDS."
            );
            return Err(ApiError::new(429, -1015, &text));
        }
        Ok(counts)
    }
}
