//! The life of one intent after it was planned: asked, sent, looked up, verified.

use serde::{Deserialize, Serialize};

use super::desk::{Desk, SizeChange};
use super::intent::{FillReport, Intent, IntentKind};
use super::policy::Policy;
use crate::domain::{MarginMode, Money, Position, PositionKey, Quantity, Rate, Timestamp};
use rust_decimal::Decimal;

/// Re-reads of the account before an acknowledged act counts as not seen.
pub(super) const MAX_REREADS: u32 = 6;
/// Re-reads after which a picture that other things have changed too, or a deep danger, ends the wait.
pub(super) const BLURRED_REREADS: u32 = 2;
/// Look-ups of an unknown outcome before the trader is told that it stays unknown.
pub(super) const MAX_LOOKUPS: u32 = 40;
/// First gap between re-reads or look-ups; doubles up to the longest one.
const FIRST_GAP_MS: i64 = 300;
const LONGEST_GAP_MS: i64 = 5_000;
/// Extra time after the receive window before "not found" means "was never executed".
const WINDOW_SLACK_MS: i64 = 2_000;
/// A sent intent without any answer for this long counts as unknown: the driver owes an outcome.
const ANSWER_LOST_MS: i64 = 30_000;
/// A look-up without any answer for this long counts as failed.
const LOOKUP_LOST_MS: i64 = 15_000;
/// Funding or fees may take this share of an addition between sending and re-reading.
const TOLERATED_SHARE: Decimal = Decimal::from_parts(2, 0, 0, false, 2);
/// However high funding is, at least the rest of an addition must be seen.
const MOST_TOLERATED: Decimal = Decimal::from_parts(5, 0, 0, false, 1);
/// A second half later than this after its plan was made is no longer the same rescue.
pub(super) const RECYCLE_WITHIN_MS: i64 = 10 * 60_000;

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
        /// After this instant the venue can no longer execute it.
        closes_at: Timestamp,
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
    /// Private order events have told that it is final.
    pub(super) ended: bool,
    /// When it was booked on the budgets.
    pub(super) charged_at: Timestamp,
    /// What other acts of ours have moved in the cross wallet since `intent.before`.
    pub(super) shift: Money,
    /// The first picture after the receive window has made its look-up earlier.
    pub(super) hurried: bool,
}

/// What a re-read says about an acknowledged act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sighting {
    Seen,
    NotYet,
}

/// What the account says about an act whose outcome the venue does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trace {
    /// Its effect is there.
    Own,
    /// Its effect is there, but the venue may have done that by itself.
    Doubtful,
    Nothing,
}

impl Flight {
    pub(super) fn new(intent: Intent, stage: Stage, reaches: bool) -> Self {
        Self {
            intent,
            stage,
            reaches,
            told: None,
            ended: false,
            charged_at: Timestamp::ZERO,
            shift: Money::ZERO,
            hurried: false,
        }
    }

    /// Is the position still the one that the intent was made for?
    pub(super) fn matches(&self, desk: &Desk) -> bool {
        let intent = &self.intent;
        desk.positions.get(&intent.key).is_some_and(|held| {
            let position = &held.position;
            let same = position.side == intent.side
                && position.margin_mode == intent.margin_mode
                && position.quantity == intent.before.quantity;
            // A change of margin is verified against the wallet it started from.
            let moves = matches!(
                intent.kind,
                IntentKind::AddMargin { .. } | IntentKind::TakeBack { .. }
            );
            same && (!moves || position.isolated_wallet == intent.before.isolated_wallet)
        })
    }

    /// Can `change` be the work of this intent?
    pub(super) fn explains(&self, change: &SizeChange) -> bool {
        let IntentKind::Reduce { quantity, .. } = &self.intent.kind else {
            return false;
        };
        let before = self.intent.before.quantity;
        self.is_out()
            && self.intent.key == change.key
            && !change.flipped
            && change.after < change.before
            && change.after >= before - *quantity
    }

    /// Did it do all that was asked? Without a fill report nothing is known to the contrary.
    pub(super) fn is_complete(&self, fill: Option<FillReport>) -> bool {
        match (&self.intent.kind, fill) {
            (IntentKind::Reduce { quantity, .. }, Some(fill)) => fill.quantity >= *quantity,
            (
                IntentKind::Reduce { .. }
                | IntentKind::AddMargin { .. }
                | IntentKind::TakeBack { .. }
                | IntentKind::CancelOrders { .. }
                | IntentKind::MoveIn { .. },
                _,
            ) => true,
        }
    }

    /// Is this an addition to the margin of `key` that may be executed by now?
    pub(super) fn adds_to(&self, key: &PositionKey) -> bool {
        self.is_out()
            && self.intent.key == *key
            && matches!(self.intent.kind, IntentKind::AddMargin { .. })
    }

    /// Free balance of `asset` that this intent is going to take.
    pub(super) fn takes(&self, asset: &str) -> Money {
        match &self.intent.kind {
            IntentKind::AddMargin { amount } if self.intent.margin_asset == asset => *amount,
            IntentKind::AddMargin { .. }
            | IntentKind::Reduce { .. }
            | IntentKind::TakeBack { .. }
            | IntentKind::CancelOrders { .. }
            | IntentKind::MoveIn { .. } => Money::ZERO,
        }
    }

    /// What it brings in from the owner's other wallets.
    pub(super) fn moves_in(&self, asset: &str) -> Money {
        match &self.intent.kind {
            IntentKind::MoveIn { amount, .. } if self.intent.margin_asset == asset => *amount,
            IntentKind::MoveIn { .. }
            | IntentKind::AddMargin { .. }
            | IntentKind::Reduce { .. }
            | IntentKind::TakeBack { .. }
            | IntentKind::CancelOrders { .. } => Money::ZERO,
        }
    }

    pub(super) fn is_out(&self) -> bool {
        !matches!(self.stage, Stage::Asking { .. })
    }

    /// The clock was set back to `now`: no wait may be longer than it was meant.
    pub(super) fn clamp_waits(&mut self, now: Timestamp, policy: &Policy) {
        match &mut self.stage {
            Stage::Asking { deadline, .. } => *deadline = now.plus_ms(policy.ask_ms).min(*deadline),
            Stage::Sent { at } => *at = now.min(*at),
            Stage::Looking {
                closes_at, next_at, ..
            } => {
                *closes_at = window_end(now, policy).min(*closes_at);
                *next_at = now.plus_ms(LONGEST_GAP_MS).min(*next_at);
            }
            Stage::Verifying {
                acked_at, next_at, ..
            } => {
                *acked_at = now.min(*acked_at);
                *next_at = now.plus_ms(LONGEST_GAP_MS).min(*next_at);
            }
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
    pub(super) fn wake_at(&self) -> Timestamp {
        match &self.stage {
            Stage::Asking { deadline, .. } => *deadline,
            Stage::Sent { at } => at.plus_ms(ANSWER_LOST_MS),
            Stage::Looking {
                next_at, waiting, ..
            } => {
                let lost = if *waiting { LOOKUP_LOST_MS } else { 0 };
                next_at.plus_ms(lost)
            }
            Stage::Verifying { next_at, .. } => *next_at,
        }
    }

    /// What the account as known now says about an act that the venue does not know.
    pub(super) fn trace(&self, desk: &Desk) -> Trace {
        let held = desk.positions.get(&self.intent.key);
        match self.sighting(desk) {
            Sighting::NotYet => Trace::Nothing,
            // Anybody may have moved money in.
            Sighting::Seen if matches!(self.intent.kind, IntentKind::MoveIn { .. }) => {
                Trace::Doubtful
            }
            Sighting::Seen if held.is_some_and(|held| held.position.auto_add_margin) => {
                Trace::Doubtful
            }
            Sighting::Seen => Trace::Own,
        }
    }

    fn cross_wallet(&self, desk: &Desk) -> Money {
        let balance = desk.balances.get(&self.intent.margin_asset);
        balance.map_or(Money::ZERO, |balance| balance.cross_wallet)
    }

    /// Does the account look exactly as if this had never been sent?
    pub(super) fn untouched(&self, desk: &Desk) -> bool {
        let before = &self.intent.before;
        desk.positions.get(&self.intent.key).is_some_and(|held| {
            let wallet = held.position.isolated_wallet;
            let unmoved = match &self.intent.kind {
                IntentKind::TakeBack { .. } => wallet >= before.isolated_wallet,
                // What is read are the orders themselves.
                IntentKind::CancelOrders { orders, .. } => {
                    return desk.open_orders.is_some() && !desk.are_gone(orders);
                }
                // Other acts, results and funding move the same wallet: it proves nothing.
                IntentKind::MoveIn { .. } => return false,
                IntentKind::AddMargin { .. } | IntentKind::Reduce { .. } => {
                    wallet <= before.isolated_wallet
                }
            };
            held.position.side == self.intent.side
                && held.position.quantity == before.quantity
                && unmoved
        })
    }

    /// Why no further picture will show an acknowledged act better than this one, after `tries`
    /// re-reads; `None` while it is worth waiting.
    pub(super) fn blurred(&self, desk: &Desk, tries: u32) -> Option<&'static str> {
        const OTHERS: &str = "something else has changed the position meanwhile";
        let before = self.intent.before.quantity;
        let held = desk.positions.get(&self.intent.key);
        let now = held.map_or(Quantity::ZERO, |held| held.position.quantity);
        let waited = tries >= BLURRED_REREADS;
        match &self.intent.kind {
            // Smaller by less than what was filled: the picture may be in the middle of it.
            IntentKind::Reduce { .. } => {
                (now > before || (now < before && waited)).then_some(OTHERS)
            }
            IntentKind::AddMargin { .. } | IntentKind::TakeBack { .. } => {
                (now != before).then_some(OTHERS)
            }
            IntentKind::CancelOrders { .. } => desk
                .open_orders
                .is_none()
                .then_some("the resting orders cannot be read"),
            IntentKind::MoveIn { .. } => {
                waited.then_some("the wallet, which other things move too, does not show it")
            }
        }
    }

    /// Takes note of what the verified act `other` of ours did to the wallet that this one is compared
    /// with, unless that was in `before` already.
    pub(super) fn notice(&mut self, other: &Intent, effect: Money) {
        let own = &self.intent;
        if own.margin_asset != other.margin_asset || own.id == other.id {
            return;
        }
        let base = own.before.cross_wallet + self.shift;
        let since = base - other.before.cross_wallet;
        let known = own.planned_at >= other.planned_at && (since - effect).abs() < since.abs();
        if !known {
            self.shift += effect;
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
                let slack = tolerated(*amount, position, desk);
                let whole = before.isolated_wallet + *amount - slack;
                // What was closed since has taken its share of the wallet along.
                let left = position.quantity.ratio(before.quantity);
                let left = left.unwrap_or(Rate::ONE).min(Rate::ONE);
                let acknowledged = matches!(self.stage, Stage::Verifying { .. });
                let least = if acknowledged { whole * left } else { whole };
                position.isolated_wallet >= least
            }),
            (IntentKind::TakeBack { amount }, _) => held.is_some_and(|position| {
                let slack = tolerated(*amount, position, desk);
                position.isolated_wallet <= before.isolated_wallet - *amount + slack
            }),
            (IntentKind::CancelOrders { orders, .. }, _) => desk.are_gone(orders),
            // Results and funding of other positions move the same wallet.
            (IntentKind::MoveIn { amount, .. }, _) => {
                let least = *amount * Rate::of(MOST_TOLERATED);
                self.cross_wallet(desk) >= before.cross_wallet + self.shift + least
            }
            (IntentKind::Reduce { .. }, Stage::Verifying { .. })
                if held.is_some_and(|position| position.side != self.intent.side) =>
            {
                true
            }
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

/// What one funding and rounding may have taken from an addition before it is seen.
fn tolerated(amount: Money, position: &Position, desk: &Desk) -> Money {
    let feed = desk.feeds.get(&position.key.symbol);
    let funding = feed
        .and_then(|feed| feed.funding_rate)
        .unwrap_or(Rate::ZERO);
    let notional = desk.mark(position) * position.quantity;
    let slack = amount * Rate::of(TOLERATED_SHARE) + notional * funding.abs();
    slack.min(amount * Rate::of(MOST_TOLERATED))
}

/// Gap before try number `tries`.
pub(super) fn gap_ms(tries: u32) -> i64 {
    FIRST_GAP_MS
        .saturating_mul(1 << tries.min(10))
        .min(LONGEST_GAP_MS)
}

/// After this instant a request that left at the latest at `sent_at` can no longer be executed by the venue.
pub(super) fn window_end(sent_at: Timestamp, policy: &Policy) -> Timestamp {
    let window = policy.receive_window_ms.saturating_add(WINDOW_SLACK_MS);
    sent_at.plus_ms(window)
}

/// What a verified trim has really freed: the share of the margin balance that belonged to the closed
/// part, minus fee. Nothing once it is too late for a second half of the same rescue. Without a fill
/// report the account itself says how much was closed.
pub(super) fn freed_by(
    intent: &Intent,
    fill: Option<&FillReport>,
    desk: &Desk,
    policy: &Policy,
    now: Timestamp,
) -> Money {
    let late = now.since(intent.planned_at) > RECYCLE_WITHIN_MS;
    let isolated = intent.margin_mode == MarginMode::Isolated;
    if late || !isolated {
        return Money::ZERO;
    }
    proceeds(intent, fill, desk, policy).max(Money::ZERO)
}

/// What an act has done to the free wallet by itself, as far as that is known.
pub(super) fn wallet_effect(
    intent: &Intent,
    fill: Option<&FillReport>,
    desk: &Desk,
    policy: &Policy,
) -> Money {
    match intent.kind {
        IntentKind::AddMargin { amount } => -amount,
        IntentKind::TakeBack { amount } | IntentKind::MoveIn { amount, .. } => amount,
        IntentKind::CancelOrders { .. } => Money::ZERO,
        IntentKind::Reduce { .. } => proceeds(intent, fill, desk, policy),
    }
}

/// Result of a reduction, minus fee, with the margin that the closed part has released.
fn proceeds(intent: &Intent, fill: Option<&FillReport>, desk: &Desk, policy: &Policy) -> Money {
    let Some(held) = desk.positions.get(&intent.key) else {
        return Money::ZERO;
    };
    let position = &held.position;
    let asked = match intent.kind {
        IntentKind::Reduce { quantity, .. } => quantity,
        IntentKind::AddMargin { .. }
        | IntentKind::TakeBack { .. }
        | IntentKind::CancelOrders { .. }
        | IntentKind::MoveIn { .. } => Quantity::ZERO,
    };
    let mut fill = fill.copied().unwrap_or_default();
    if !fill.quantity.is_positive() {
        fill.quantity = intent.before.quantity - position.quantity;
    }
    fill.quantity = fill.quantity.min(asked);
    if position.side != intent.side || !fill.quantity.is_positive() {
        return Money::ZERO;
    }
    // Whatever else left the position's wallet meanwhile is not ours to put back.
    let share = fill.quantity.ratio(intent.before.quantity);
    let most = intent.before.isolated_wallet * share.unwrap_or(Rate::ZERO);
    let released = (intent.before.isolated_wallet - position.isolated_wallet).min(most);
    let at = fill.average_price.unwrap_or_else(|| desk.mark(position));
    let mut part = position.clone();
    part.quantity = fill.quantity;
    let fee = fill
        .fee
        .unwrap_or_else(|| (at * fill.quantity) * desk.fee(&intent.key.symbol, policy));
    released + part.unrealized(at) - fee
}
