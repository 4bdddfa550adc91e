//! Unknown outcomes: what private events, the venue and the account say became of an intent.

use super::Guard;
use super::action::{ReportKind, Severity};
use super::event::{OrderStatus, OrderUpdate, Refresh};
use super::explain;
use super::flight::{Flight, MAX_LOOKUPS, Stage, Trace, gap_ms, window_end};
use super::intent::{FillReport, IntentId, Resolution};
use super::lifecycle::SHORT_PAUSE_MS;
use crate::domain::Timestamp;

/// Look-ups that failed before the account alone may decide about an unknown outcome.
const TRUSTED_LOOKUPS: u32 = 3;

impl Guard {
    /// Sent, and nobody can say whether it arrived.
    pub(super) fn unknown(
        &mut self,
        id: &IntentId,
        sent_at: Timestamp,
        message: &str,
        now: Timestamp,
    ) {
        let closes = window_end(now, &self.policy);
        let Some(flight) = self.flight_mut(id) else {
            return;
        };
        flight.stage = looking(sent_at, closes, 0, now);
        let (intent, ended, told) = (flight.intent.clone(), flight.ended, flight.told);
        let text = format!(
            "Not known: {} was sent, no answer ({message}). Asking the exchange; it is not sent again.",
            explain::deed(&intent)
        );
        self.tell(&intent, ReportKind::NotKnown, Severity::Alarm, text, now);
        if ended && let Some(told) = told {
            self.on_resolved(id, final_word(told), now);
        }
    }

    pub(super) fn on_resolved(&mut self, id: &IntentId, resolution: Resolution, now: Timestamp) {
        let Some(flight) = self.flight_mut(id) else {
            self.doubt_resolved(id, &resolution, now);
            return;
        };
        let Stage::Looking {
            sent_at,
            closes_at,
            tries,
            ..
        } = flight.stage
        else {
            return;
        };
        let flight_seen = flight.clone();
        let tries = tries.saturating_add(1);
        let mut next_at = now.plus_ms(gap_ms(tries));
        if now < closes_at {
            next_at = next_at.min(closes_at);
        }
        let again = looking(sent_at, closes_at, tries, next_at);
        let picture = self.desk.picture_at.unwrap_or(Timestamp::ZERO);
        // From here on the account shows it, or it never happened.
        let settled = now >= closes_at && picture >= closes_at;
        let trusted = resolution == Resolution::NotFound || tries >= TRUSTED_LOOKUPS;
        if settled && trusted && resolution.is_open() && flight_seen.intent.moves_in() {
            let absent = resolution == Resolution::NotFound;
            self.transfer_unknown(&flight_seen, absent, now);
            return;
        }
        match resolution {
            Resolution::Executed { fill } => {
                self.record_resolution(id, Resolution::Executed { fill });
                self.acknowledged(id, fill, now);
            }
            Resolution::NotExecuted => {
                self.record_resolution(id, Resolution::NotExecuted);
                let message = "the exchange knows it and did not execute it".to_owned();
                self.not_executed(id, message, now.plus_ms(SHORT_PAUSE_MS), now);
            }
            Resolution::NotFound => match flight_seen.trace(&self.desk) {
                Trace::Own => {
                    self.record_resolution(id, Resolution::Executed { fill: None });
                    self.acknowledged(id, None, now);
                }
                Trace::Doubtful if settled => {
                    let why = "the margin grew, but the exchange's own auto-add may have done that";
                    self.give_up(id, None, why, now);
                }
                Trace::Nothing if settled => {
                    self.record_resolution(id, Resolution::NotFound);
                    let message =
                        "the exchange does not know it and its receive window is over".to_owned();
                    self.not_executed(id, message, now, now);
                }
                Trace::Doubtful | Trace::Nothing => self.look_again(id, again, closes_at, now),
            },
            Resolution::Working => self.look_again(id, again, closes_at, now),
            Resolution::Unreachable { .. } => {
                let untouched = flight_seen.untouched(&self.desk);
                if settled && untouched && tries >= TRUSTED_LOOKUPS {
                    let message = "its receive window is over and the account shows no trace of it"
                        .to_owned();
                    self.not_executed(id, message, now, now);
                } else {
                    self.look_again(id, again, closes_at, now);
                }
            }
        }
    }

    /// A transfer of which the exchange does not say what became of it. The wallet cannot prove that it
    /// did not happen, so it stays on the budget of the day; the scope does not wait for it any longer.
    fn transfer_unknown(&mut self, flight: &Flight, absent: bool, now: Timestamp) {
        let trace = flight.trace(&self.desk);
        let why = match trace {
            Trace::Own | Trace::Doubtful => {
                "the wallet grew, but something else may have done that; it counts on the budget of the day"
            }
            Trace::Nothing => {
                "the exchange does not show it, which proves nothing; it counts on the budget of the day"
            }
        };
        self.moved(&flight.intent);
        self.moves.failed(absent && trace == Trace::Nothing, now);
        self.give_up(&flight.intent.id, None, why, now);
    }

    fn look_again(&mut self, id: &IntentId, again: Stage, closes_at: Timestamp, now: Timestamp) {
        let Some(flight) = self.flight_mut(id) else {
            return;
        };
        let tries = match again {
            Stage::Looking { tries, .. } => tries,
            Stage::Asking { .. } | Stage::Sent { .. } | Stage::Verifying { .. } => 0,
        };
        flight.stage = again;
        if tries >= MAX_LOOKUPS {
            self.give_up(id, None, "the exchange did not say what became of it", now);
        } else if now >= closes_at {
            self.sight.want(Refresh::Account, now);
        }
    }

    /// A private event about one of our orders: may resolve before any answer does.
    pub(super) fn on_own_order(&mut self, update: &OrderUpdate, now: Timestamp) {
        let id = IntentId::from_text(&update.client_id);
        let Some(flight) = self.flight_mut(&id) else {
            if update.status != OrderStatus::Working {
                let told = FillReport {
                    quantity: update.filled,
                    average_price: update.average_price,
                    fee: update.fee,
                };
                self.doubt_resolved(&id, &final_word(told), now);
            }
            return;
        };
        let before = flight.told.unwrap_or_default();
        if update.filled < before.quantity {
            return;
        }
        // A fee belongs to new fills only: the same news may come twice.
        let fee = match (before.fee, update.fee) {
            (known, _) if update.filled == before.quantity && known.is_some() => known,
            (Some(known), Some(more)) => Some(known + more),
            (one, other) => one.or(other),
        };
        let told = FillReport {
            quantity: update.filled,
            average_price: update.average_price.or(before.average_price),
            fee,
        };
        flight.told = Some(told);
        flight.ended |= update.status != OrderStatus::Working;
        let ended = flight.ended;
        let merged = match flight.stage {
            Stage::Verifying { fill, .. } => flight.complete(fill),
            Stage::Asking { .. } | Stage::Sent { .. } | Stage::Looking { .. } => None,
        };
        match &mut flight.stage {
            Stage::Verifying { fill, .. } => *fill = merged,
            Stage::Looking { .. } if ended => self.on_resolved(&id, final_word(told), now),
            // Faster than the answer. Without a fill the answer will say why.
            Stage::Sent { .. } if ended && told.quantity.is_positive() => {
                self.record_resolution(&id, final_word(told));
                self.acknowledged(&id, Some(told), now);
            }
            Stage::Asking { .. } | Stage::Sent { .. } | Stage::Looking { .. } => {}
        }
    }
}

/// What a private event has told as final.
fn final_word(told: FillReport) -> Resolution {
    if told.quantity.is_positive() {
        Resolution::Executed { fill: Some(told) }
    } else {
        Resolution::NotExecuted
    }
}

pub(super) fn looking(
    sent_at: Timestamp,
    closes_at: Timestamp,
    tries: u32,
    next_at: Timestamp,
) -> Stage {
    Stage::Looking {
        sent_at,
        closes_at,
        tries,
        next_at,
        waiting: false,
    }
}
