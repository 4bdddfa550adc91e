//! How old each needed input is, and what to read again.

use std::collections::BTreeMap;

use super::desk::Desk;
use super::event::Refresh;
use super::policy::Policy;
use crate::domain::{Symbol, Timestamp};

/// A refresh without any answer for this long counts as lost.
const LOST_AFTER_MS: i64 = 15_000;
/// Gap between refreshes while something is wrong.
const RETRY_MS: i64 = 5_000;

/// A needed input that is too old or missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blindness {
    /// No account picture, or an old one.
    Account,
    /// No mark price, or an old one.
    Mark(Symbol),
    /// No tier table.
    Tiers(Symbol),
    /// All assets back all positions together; the own arithmetic does not cover that yet.
    MultiAssets,
}

impl Blindness {
    pub(super) fn describe(&self, desk: &Desk, now: Timestamp) -> String {
        let age = |at: Option<Timestamp>| match at.filter(|at| *at > Timestamp::ZERO) {
            Some(at) => format!("{} s old", now.since(at) / 1_000),
            None => "never seen".to_owned(),
        };
        match self {
            Self::Account => format!("the account picture is {}", age(desk.picture_at)),
            Self::Mark(symbol) => {
                let at = desk.feeds.get(symbol).map(|feed| feed.mark_at);
                format!("the mark price of {symbol} is {}", age(at))
            }
            Self::Tiers(symbol) => format!("the risk tiers of {symbol} are missing"),
            Self::MultiAssets => {
                "multi-assets mode: only the exchange's own liquidation prices are used".to_owned()
            }
        }
    }
}

/// One thing that is read again and again.
#[derive(Debug, Clone, Copy)]
struct Reading {
    due: Timestamp,
    asked_at: Option<Timestamp>,
}

/// Freshness of all inputs.
#[derive(Debug)]
pub(super) struct Sight {
    account: Reading,
    rules: Reading,
    /// What is missing, since when.
    pub(super) missing: BTreeMap<Blindness, Timestamp>,
    next_check: Timestamp,
}

impl Sight {
    pub(super) fn new(now: Timestamp) -> Self {
        let reading = Reading {
            due: now,
            asked_at: None,
        };
        Self {
            account: reading,
            rules: reading,
            missing: BTreeMap::new(),
            next_check: now,
        }
    }

    fn reading(&mut self, what: Refresh) -> &mut Reading {
        match what {
            Refresh::Account => &mut self.account,
            Refresh::Rules => &mut self.rules,
        }
    }

    /// Wants `what` read at `at`, or earlier if that was wanted already.
    pub(super) fn want(&mut self, what: Refresh, at: Timestamp) {
        let reading = self.reading(what);
        reading.due = reading.due.min(at);
    }

    /// An answer came.
    pub(super) fn arrived(&mut self, what: Refresh, now: Timestamp, policy: &Policy) {
        let gap = match what {
            Refresh::Account => policy.freshness.reconcile_ms,
            Refresh::Rules => policy.freshness.rules_ms,
        };
        *self.reading(what) = Reading {
            due: now.plus_ms(gap),
            asked_at: None,
        };
    }

    pub(super) fn failed(&mut self, what: Refresh, now: Timestamp) {
        *self.reading(what) = Reading {
            due: now.plus_ms(RETRY_MS),
            asked_at: None,
        };
    }

    /// What is to be asked for now, if anything; marks it as asked.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Refresh> {
        for what in [Refresh::Account, Refresh::Rules] {
            let reading = self.reading(what);
            let lost = reading
                .asked_at
                .is_some_and(|at| now.since(at) >= LOST_AFTER_MS);
            if reading.due <= now && (reading.asked_at.is_none() || lost) {
                reading.asked_at = Some(now);
                reading.due = now.plus_ms(LOST_AFTER_MS);
                return Some(what);
            }
        }
        None
    }

    pub(super) fn wake_at(&self) -> Timestamp {
        self.account.due.min(self.rules.due).min(self.next_check)
    }

    pub(super) fn check_is_due(&self, now: Timestamp) -> bool {
        self.next_check <= now
    }

    pub(super) fn check_soon(&mut self) {
        self.next_check = Timestamp::ZERO;
    }

    /// Finds what is missing and when to look again. Returns what became missing and what was found
    /// again with the instant it went missing.
    pub(super) fn check(
        &mut self,
        desk: &Desk,
        policy: &Policy,
        now: Timestamp,
    ) -> (Vec<Blindness>, Vec<(Blindness, Timestamp)>) {
        let mut ages = vec![(
            desk.picture_at,
            policy.freshness.account_ms,
            Blindness::Account,
        )];
        let mut missing = Vec::new();
        for held in desk.positions.values() {
            let symbol = &held.position.key.symbol;
            let seen = desk.feeds.get(symbol).filter(|feed| feed.mark.is_some());
            let mark_at = seen.map(|feed| feed.mark_at);
            ages.push((
                mark_at,
                policy.freshness.mark_ms,
                Blindness::Mark(symbol.clone()),
            ));
            let rules = desk.rules.get(symbol);
            if rules.and_then(|rules| rules.tiers.as_ref()).is_none() {
                missing.push(Blindness::Tiers(symbol.clone()));
            }
        }
        let mut next = now.plus_ms(policy.freshness.account_ms);
        for (at, limit, what) in ages {
            let expires = at.unwrap_or(Timestamp::ZERO).plus_ms(limit);
            if expires <= now {
                missing.push(what);
            } else {
                next = next.min(expires);
            }
        }
        if desk.multi_assets {
            missing.push(Blindness::MultiAssets);
        }
        if !missing.is_empty() {
            next = next.min(now.plus_ms(RETRY_MS));
            if missing
                .iter()
                .any(|what| !matches!(what, Blindness::MultiAssets))
            {
                self.want(Refresh::Account, now);
            }
            if missing
                .iter()
                .any(|what| matches!(what, Blindness::Tiers(_)))
            {
                self.want(Refresh::Rules, now);
            }
        }
        self.next_check = next;
        self.exchange(missing, now)
    }

    fn exchange(
        &mut self,
        missing: Vec<Blindness>,
        now: Timestamp,
    ) -> (Vec<Blindness>, Vec<(Blindness, Timestamp)>) {
        let new: Vec<Blindness> = missing
            .iter()
            .filter(|what| !self.missing.contains_key(what))
            .cloned()
            .collect();
        let mut found = Vec::new();
        self.missing.retain(|what, since| {
            let stays = missing.contains(what);
            if !stays {
                found.push((what.clone(), *since));
            }
            stays
        });
        for what in &new {
            self.missing.insert(what.clone(), now);
        }
        (new, found)
    }

    /// May the guard act on `symbol`?
    pub(super) fn sees(&self, symbol: &Symbol) -> bool {
        self.missing.keys().all(|what| match what {
            Blindness::Account => false,
            Blindness::Mark(other) | Blindness::Tiers(other) => other != symbol,
            Blindness::MultiAssets => false,
        })
    }
}
