//! The life of one intent after it was planned: asked, sent, looked up, verified.

use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::intent::{FillReport, Intent, IntentKind};
use super::policy::Policy;
use crate::domain::{Money, Quantity, Rate, Timestamp};
use rust_decimal::Decimal;

/// Re-reads of the account before an acknowledged act counts as not seen.
pub(super) const MAX_REREADS: u32 = 6;
/// Look-ups of an unknown outcome before the trader is told that it stays unknown.
pub(super) const MAX_LOOKUPS: u32 = 40;
/// First gap between re-reads or look-ups; doubles up to the longest one.
const FIRST_GAP_MS: i64 = 300;
const LONGEST_GAP_MS: i64 = 5_000;
/// Extra time after the receive window before "not found" means "was never executed".
const WINDOW_SLACK_MS: i64 = 2_000;
/// Funding or fees may take this share of an addition between sending and re-reading.
const TOLERATED_SHARE: Decimal = Decimal::from_parts(2, 0, 0, false, 2);

/// Where an intent stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// The trader was asked.
    Asking {
        deadline: Timestamp,
        silence_acts: bool,
    },
    /// Sent; no answer yet.
    Sent { at: Timestamp },
    /// The outcome is unknown.
    Looking {
        sent_at: Timestamp,
        tries: u32,
        next_at: Timestamp,
        waiting: bool,
    },
    /// The venue acknowledged; the account must show it.
    Verifying {
        acked_at: Timestamp,
        fill: Option<FillReport>,
        tries: u32,
        next_at: Timestamp,
    },
}

/// One intent under way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Flight {
    pub(super) intent: Intent,
    pub(super) stage: Stage,
    /// The plan restores the wished distance: a cool-down follows.
    pub(super) reaches: bool,
    /// What private order events have told so far.
    pub(super) told: Option<FillReport>,
}

/// What a re-read says about an acknowledged act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sighting {
    Seen,
    NotYet,
}

impl Flight {
    pub(super) fn new(intent: Intent, stage: Stage, reaches: bool) -> Self {
        Self {
            intent,
            stage,
            reaches,
            told: None,
        }
    }

    /// Completes what an answer left open with what private events have told.
    pub(super) fn complete(&self, fill: Option<FillReport>) -> Option<FillReport> {
        let Some(mut fill) = fill else {
            return self.told;
        };
        if let Some(told) = self.told.filter(|told| told.quantity >= fill.quantity) {
            fill.quantity = told.quantity;
            fill.average_price = fill.average_price.or(told.average_price);
            fill.fee = fill.fee.or(told.fee);
        }
        Some(fill)
    }

    /// The next instant at which this flight wants to be looked at.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        match &self.stage {
            Stage::Asking { deadline, .. } => Some(*deadline),
            Stage::Sent { .. } => None,
            Stage::Looking {
                next_at, waiting, ..
            } => (!waiting).then_some(*next_at),
            Stage::Verifying { next_at, .. } => Some(*next_at),
        }
    }

    /// Does the account as known now show what the intent was to do?
    pub(super) fn sighting(&self, desk: &Desk) -> Sighting {
        let before = &self.intent.before;
        let held = desk
            .positions
            .get(&self.intent.key)
            .map(|held| &held.position);
        let seen = match (&self.intent.kind, &self.stage) {
            (IntentKind::AddMargin { amount }, _) => held.is_some_and(|position| {
                let slack = *amount * Rate::of(TOLERATED_SHARE);
                position.isolated_wallet >= before.isolated_wallet + *amount - slack
            }),
            (IntentKind::Reduce { .. }, Stage::Verifying { fill, .. }) => {
                let now = held.map_or(Quantity::ZERO, |position| position.quantity);
                match fill
                    .map(|fill| fill.quantity)
                    .filter(|filled| filled.is_positive())
                {
                    Some(filled) => now <= before.quantity - filled,
                    None => now < before.quantity,
                }
            }
            (
                IntentKind::Reduce { .. },
                Stage::Asking { .. } | Stage::Sent { .. } | Stage::Looking { .. },
            ) => false,
        };
        if seen {
            Sighting::Seen
        } else {
            Sighting::NotYet
        }
    }
}

/// Gap before try number `tries`.
pub(super) fn gap_ms(tries: u32) -> i64 {
    FIRST_GAP_MS
        .saturating_mul(1 << tries.min(10))
        .min(LONGEST_GAP_MS)
}

/// After this instant a request sent at `sent_at` can no longer be executed by the venue.
pub(super) fn window_end(sent_at: Timestamp, policy: &Policy) -> Timestamp {
    sent_at.plus_ms(policy.receive_window_ms + WINDOW_SLACK_MS)
}

/// What a verified trim has really freed, at most: the share of the margin balance that belonged to
/// the closed part minus fee, and never more than the cross wallet gained.
pub(super) fn freed_by(intent: &Intent, fill: &FillReport, desk: &Desk, policy: &Policy) -> Money {
    let Some(held) = desk.positions.get(&intent.key) else {
        return Money::ZERO;
    };
    let position = &held.position;
    if position.side != intent.side || fill.quantity.is_zero() {
        return Money::ZERO;
    }
    let released = intent.before.isolated_wallet - position.isolated_wallet;
    let at = fill.average_price.unwrap_or_else(|| desk.mark(position));
    let mut part = position.clone();
    part.quantity = fill.quantity;
    let fee = fill
        .fee
        .unwrap_or_else(|| (at * fill.quantity) * desk.fee(&intent.key.symbol, policy));
    let formula = released + part.unrealized(at) - fee;
    let balance = desk
        .balances
        .get(&intent.margin_asset)
        .copied()
        .unwrap_or_default();
    let gained = balance.cross_wallet - intent.before.cross_wallet;
    let freed = formula
        .min(gained)
        .min(balance.available - policy.budgets.keep_available);
    if freed.is_negative() {
        Money::ZERO
    } else {
        freed
    }
}
