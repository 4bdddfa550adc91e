//! How old each needed input is, and what to read again.
//!
//! A mark that gets old is asked for over REST before it counts as missing. What was never seen yet
//! (a start, a new symbol) blocks decisions at once but is told only after a grace.

use std::collections::BTreeMap;

use super::desk::Desk;
use super::event::Refresh;
use super::policy::Policy;
use crate::domain::{Symbol, Timestamp};
use crate::forecast::{HISTORY_LEAST_MS, MinuteBars};

/// A refresh without any answer for this long counts as lost.
const LOST_AFTER_MS: i64 = 15_000;
/// Gap between refreshes while something is wrong.
const RETRY_MS: i64 = 5_000;
/// Gap between two wishes for a history that is not known.
const HISTORY_RETRY_MS: i64 = 60_000;
/// What was never seen may be on its way: it is called missing aloud only after this.
const GRACE_MS: i64 = 15_000;

/// A needed input that is too old or missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blindness {
    /// No account picture, or an old one.
    Account,
    /// No mark price, or an old one.
    Mark(Symbol),
    /// Marks come only with account pictures: the price stream is silent. Blocks nothing.
    Stream(Symbol),
    /// No risk tiers or no trading rules: half of them would give half of a plan.
    Rules(Symbol),
    /// All assets back all positions together; the own arithmetic does not cover that yet.
    MultiAssets,
}

impl Blindness {
    /// Does it keep the guard from acting?
    pub(super) fn blocks(&self) -> bool {
        match self {
            Self::Account | Self::Mark(_) | Self::Rules(_) | Self::MultiAssets => true,
            Self::Stream(_) => false,
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Account => "the account picture".to_owned(),
            Self::Mark(symbol) => format!("the mark price of {symbol}"),
            Self::Stream(symbol) => format!("the price stream of {symbol}"),
            Self::Rules(symbol) => format!("the trading rules and risk tiers of {symbol}"),
            Self::MultiAssets => "single-asset mode".to_owned(),
        }
    }

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
            Self::Stream(symbol) => format!(
                "the price stream of {symbol} is silent: its mark is read with the account, seconds old"
            ),
            Self::Rules(symbol) => {
                format!("the trading rules or risk tiers of {symbol} are missing")
            }
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
    /// A read is under way since.
    asked_at: Option<Timestamp>,
    /// When the last answer came.
    answered_at: Timestamp,
    /// Wanted again after the read under way, which may be too old for it.
    again: Option<Timestamp>,
}

impl Reading {
    fn at(due: Timestamp, answered_at: Timestamp) -> Self {
        Self {
            due,
            asked_at: None,
            answered_at,
            again: None,
        }
    }

    fn wake_at(&self) -> Timestamp {
        self.asked_at
            .map_or(self.due, |asked| asked.plus_ms(LOST_AFTER_MS))
    }
}

/// Since when something is missing, and whether that was said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missing {
    pub(super) since: Timestamp,
    never_seen: bool,
    told: bool,
}

/// What a check found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// To be told as missing now.
    pub(super) gone: Vec<Blindness>,
    /// Told as missing once and now found again, with the instant they went missing.
    pub(super) found: Vec<(Blindness, Timestamp)>,
    /// Something that blocked decisions does so no longer.
    pub(super) unblocked: bool,
}

/// Freshness of all inputs.
#[derive(Debug)]
pub(super) struct Sight {
    account: Reading,
    rules: Reading,
    history: Reading,
    pub(super) missing: BTreeMap<Blindness, Missing>,
    next_check: Timestamp,
    /// Account pictures begun before this do not count: the clock or the machine stood still.
    pub(super) not_before: Timestamp,
}

impl Sight {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            account: Reading::at(now, Timestamp::ZERO),
            rules: Reading::at(now, Timestamp::ZERO),
            history: Reading::at(Timestamp::MAX, Timestamp::ZERO),
            missing: BTreeMap::new(),
            next_check: now,
            not_before: Timestamp::ZERO,
        }
    }

    fn reading(&mut self, what: Refresh) -> &mut Reading {
        match what {
            Refresh::Account => &mut self.account,
            Refresh::Rules => &mut self.rules,
            Refresh::History => &mut self.history,
        }
    }

    /// Wants `what` read at `at`, or earlier if that was wanted already. A read that is under way
    /// began too early to answer this: it is followed by another.
    pub(super) fn want(&mut self, what: Refresh, at: Timestamp) {
        let reading = self.reading(what);
        if reading.asked_at.is_some() {
            reading.again = Some(reading.again.map_or(at, |again| again.min(at)));
        } else {
            reading.due = reading.due.min(at);
        }
    }

    /// Wants `what` read while something is missing: at once, then at the retry pace. A read under
    /// way will do.
    fn need(&mut self, what: Refresh) {
        let gap = match what {
            Refresh::Account | Refresh::Rules => RETRY_MS,
            Refresh::History => HISTORY_RETRY_MS,
        };
        let reading = self.reading(what);
        if reading.asked_at.is_none() {
            reading.due = reading.due.min(reading.answered_at.plus_ms(gap));
        }
    }

    /// An answer came.
    pub(super) fn arrived(&mut self, what: Refresh, now: Timestamp, policy: &Policy) {
        let next = match what {
            Refresh::Account => now.plus_ms(policy.freshness.reconcile_ms),
            Refresh::Rules => now.plus_ms(policy.freshness.rules_ms),
            // What is known grows by itself.
            Refresh::History => Timestamp::MAX,
        };
        self.answered(what, next, now);
    }

    pub(super) fn failed(&mut self, what: Refresh, now: Timestamp) {
        let next = match what {
            Refresh::Account | Refresh::Rules => now.plus_ms(RETRY_MS),
            Refresh::History => now.plus_ms(HISTORY_RETRY_MS),
        };
        self.answered(what, next, now);
    }

    fn answered(&mut self, what: Refresh, next: Timestamp, now: Timestamp) {
        let reading = self.reading(what);
        let again = reading.again.unwrap_or(next);
        *reading = Reading::at(next.min(again), now);
    }

    /// The clock jumped: what was asked before counts as lost, and only new pictures count.
    pub(super) fn restart(&mut self, now: Timestamp) {
        self.account = Reading::at(now, Timestamp::ZERO);
        self.rules = Reading::at(now, Timestamp::ZERO);
        self.history = Reading::at(Timestamp::MAX, Timestamp::ZERO);
        self.next_check = Timestamp::ZERO;
        self.not_before = now;
    }

    /// What is to be asked for now, if anything; marks it as asked.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Refresh> {
        for what in [Refresh::Account, Refresh::Rules, Refresh::History] {
            let reading = self.reading(what);
            if reading.wake_at() <= now {
                reading.due = now;
                reading.asked_at = Some(now);
                reading.again = None;
                return Some(what);
            }
        }
        None
    }

    pub(super) fn wake_at(&self) -> Timestamp {
        let readings = self.account.wake_at().min(self.rules.wake_at());
        readings.min(self.history.wake_at()).min(self.next_check)
    }

    pub(super) fn check_is_due(&self, now: Timestamp) -> bool {
        self.next_check <= now
    }

    pub(super) fn check_soon(&mut self) {
        self.next_check = Timestamp::ZERO;
    }

    /// Finds what is missing and when to look again.
    pub(super) fn check(&mut self, desk: &Desk, policy: &Policy, now: Timestamp) -> Findings {
        let mut missing = Vec::new();
        let mut next = now.plus_ms(policy.freshness.account_ms.max(1));
        let picture = desk.picture_at.filter(|at| *at >= self.not_before);
        let expires = expiry(picture, policy.freshness.account_ms);
        if expires <= now {
            missing.push((Blindness::Account, desk.picture_at.is_none()));
        } else {
            next = next.min(expires);
        }
        for held in desk.positions.values() {
            let symbol = &held.position.key.symbol;
            next = next.min(self.check_mark(desk, policy, symbol, now, &mut missing));
            let feed = desk.feeds.get(symbol);
            let lacks = |bars: &MinuteBars| bars.history_ms() < HISTORY_LEAST_MS || bars.is_torn();
            if feed.is_none_or(|feed| lacks(&feed.bars)) {
                self.need(Refresh::History);
            }
            let rules = desk.rules.get(symbol);
            if rules.is_none_or(|rules| rules.tiers.is_none() || rules.instrument.is_none()) {
                missing.push((Blindness::Rules(symbol.clone()), true));
                self.need(Refresh::Rules);
            }
        }
        if desk.multi_assets {
            missing.push((Blindness::MultiAssets, false));
        }
        let reread = |(what, _): &(Blindness, bool)| *what != Blindness::MultiAssets;
        if missing.iter().any(reread) {
            self.need(Refresh::Account);
        }
        if !missing.is_empty() {
            next = next.min(now.plus_ms(RETRY_MS));
        }
        self.next_check = next;
        self.exchange(missing, now)
    }

    /// Age of one mark; returns when to look at it again.
    fn check_mark(
        &mut self,
        desk: &Desk,
        policy: &Policy,
        symbol: &Symbol,
        now: Timestamp,
        missing: &mut Vec<(Blindness, bool)>,
    ) -> Timestamp {
        let limit = policy.freshness.mark_ms;
        let feed = desk.feeds.get(symbol).filter(|feed| feed.mark.is_some());
        let seen = feed.map(|feed| feed.mark_at);
        let expires = expiry(seen, limit);
        if expires <= now {
            missing.push((Blindness::Mark(symbol.clone()), seen.is_none()));
            return now.plus_ms(RETRY_MS);
        }
        let streamed = feed.and_then(|feed| feed.streamed_at);
        let silent = expiry(streamed, limit);
        if silent <= now {
            missing.push((Blindness::Stream(symbol.clone()), streamed.is_none()));
        }
        // Old enough to be asked for over REST, young enough to be trusted.
        let half = expiry(seen, limit / 2);
        if half <= now {
            self.need(Refresh::Account);
            return expires;
        }
        half
    }

    fn exchange(&mut self, missing: Vec<(Blindness, bool)>, now: Timestamp) -> Findings {
        let mut findings = Findings::default();
        self.missing.retain(|what, known| {
            let stays = missing.iter().any(|(other, _)| other == what);
            if !stays {
                findings.unblocked |= what.blocks();
                if known.told {
                    findings.found.push((what.clone(), known.since));
                }
            }
            stays
        });
        for (what, never_seen) in missing {
            let known = self.missing.entry(what.clone()).or_insert(Missing {
                since: now,
                never_seen,
                told: false,
            });
            let grace = if known.never_seen { GRACE_MS } else { 0 };
            if !known.told && now.since(known.since) >= grace {
                known.told = true;
                findings.gone.push(what);
            }
        }
        findings
    }

    /// Is anything about `symbol` missing that only a new look can clear?
    pub(super) fn misses_mark(&self, symbol: &Symbol) -> bool {
        self.missing.keys().any(|what| match what {
            Blindness::Mark(other) | Blindness::Stream(other) => other == symbol,
            Blindness::Account | Blindness::Rules(_) | Blindness::MultiAssets => false,
        })
    }

    /// May the guard act on what depends on `symbol`?
    pub(super) fn sees(&self, symbol: &Symbol) -> bool {
        self.missing.keys().all(|what| match what {
            Blindness::Account | Blindness::MultiAssets => false,
            Blindness::Mark(other) | Blindness::Rules(other) => other != symbol,
            Blindness::Stream(_) => true,
        })
    }
}

fn expiry(seen: Option<Timestamp>, limit_ms: i64) -> Timestamp {
    seen.map_or(Timestamp::ZERO, |at| at.plus_ms(limit_ms))
}
