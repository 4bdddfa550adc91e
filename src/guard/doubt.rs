//! Reductions that may still take something away although their flight has ended: the exchange has not
//! said what became of them, or it has and no picture shows it yet.
//!
//! What they may take is not planned with, so that nothing is sold twice. A doubt ends with the final
//! word of the exchange, or when the position shows it.

use super::Guard;
use super::action::{Action, ReportKind, Severity};
use super::event::Refresh;
use super::explain;
use super::intent::{Ending, FillReport, Intent, IntentId, IntentKind, Outcome, Resolution};
use super::planner::Plan;
use crate::domain::{PositionKey, Quantity, Timestamp};

/// Doubts that are kept; each needs minutes of silence of the exchange to come about.
const KEPT_MAX: usize = 64;
/// Gap between two questions about one order.
const ASK_GAP_MS: i64 = 30_000;
/// What is final shows in every picture that begins so much later.
const SHOWN_AFTER_MS: i64 = 10_000;

/// One such reduction.
#[derive(Debug, Clone)]
pub(super) struct Doubt {
    intent: Intent,
    sent_at: Timestamp,
    /// Most that it may still take.
    quantity: Quantity,
    /// What there would be without it.
    base: Quantity,
    /// When its final word was known.
    final_at: Option<Timestamp>,
    asked_at: Timestamp,
}

impl Doubt {
    /// A reduction whose outcome is unknown, or known as final with `fill`.
    pub(super) fn new(
        intent: &Intent,
        sent_at: Timestamp,
        ended: Option<FillReport>,
        is_final: bool,
        now: Timestamp,
    ) -> Option<Self> {
        let IntentKind::Reduce { quantity, .. } = intent.kind else {
            return None;
        };
        let filled = ended.map(|fill| fill.quantity);
        let filled = filled.filter(|filled| filled.is_positive());
        Some(Self {
            quantity: filled.map_or(quantity, |filled| filled.min(quantity)),
            base: intent.before.quantity,
            final_at: is_final.then_some(now),
            asked_at: now,
            sent_at,
            intent: intent.clone(),
        })
    }

    fn is_shown(&self, held: Option<Quantity>, taken_at: Timestamp) -> bool {
        let late = self
            .final_at
            .is_some_and(|at| taken_at >= at.plus_ms(SHOWN_AFTER_MS));
        late || held.is_none_or(|held| held <= self.base - self.quantity)
    }
}

impl Guard {
    /// Keeps a doubt, unless the position shows already what it is about. Is it kept?
    pub(super) fn doubt(&mut self, doubt: Option<Doubt>) -> bool {
        let Some(doubt) = doubt else {
            return false;
        };
        let held = self.held_for(&doubt.intent);
        if doubt.is_shown(held, Timestamp::ZERO) {
            return false;
        }
        if self.doubts.len() >= KEPT_MAX {
            self.doubts.remove(0);
        }
        self.doubts.push(doubt);
        true
    }

    fn held_for(&self, intent: &Intent) -> Option<Quantity> {
        let held = self.desk.positions.get(&intent.key)?;
        (held.position.side == intent.side).then_some(held.position.quantity)
    }

    /// What may still be taken from a position by orders that have no flight any more.
    fn doubted(&self, key: &PositionKey) -> Quantity {
        let of_key = self
            .doubts
            .iter()
            .filter(|doubt| doubt.intent.key == *key)
            .map(|doubt| doubt.quantity);
        of_key.sum()
    }

    /// The plan without what may be sold already. Where nothing else is left it says why.
    pub(super) fn without_doubted(&self, mut plan: Plan) -> Plan {
        let Some(chosen) = &mut plan.chosen else {
            return plan;
        };
        let IntentKind::Reduce { quantity, .. } = &mut chosen.kind else {
            return plan;
        };
        let doubted = self.doubted(&chosen.key);
        let held = self.desk.positions.get(&chosen.key);
        let held = held.map_or(Quantity::ZERO, |held| held.position.quantity);
        let free = held - doubted;
        if doubted.is_zero() || *quantity <= free {
            return plan;
        }
        let remark =
            format!("an earlier reduction of {doubted} may still be filled; it is not sold twice");
        let rules = self.desk.rules.get(&chosen.key.symbol);
        let least = rules
            .and_then(|rules| rules.instrument.as_ref())
            .map_or(Quantity::ZERO, |instrument| instrument.market_lot.min);
        if free.is_positive() && free >= least {
            *quantity = free;
            chosen.reaches = false;
            chosen.label = format!("reduce by the {free} that are surely left");
        } else {
            plan.chosen = None;
            plan.holds = false;
        }
        plan.remarks.push(remark);
        plan
    }

    /// Another reduction of ours was carried out: without the doubtful one there would be less too.
    pub(super) fn doubts_notice(&mut self, intent: &Intent, fill: Option<&FillReport>) {
        let IntentKind::Reduce { quantity, .. } = intent.kind else {
            return;
        };
        let filled = fill.map_or(quantity, |fill| fill.quantity);
        for doubt in &mut self.doubts {
            if doubt.intent.key == intent.key && doubt.intent.id != intent.id {
                doubt.base -= filled;
            }
        }
    }

    /// A picture that began at `taken_at` has arrived.
    pub(super) fn follow_doubts(&mut self, taken_at: Timestamp, now: Timestamp) {
        if self.doubts.is_empty() {
            return;
        }
        let (mut kept, mut shown) = (Vec::new(), Vec::new());
        for mut doubt in std::mem::take(&mut self.doubts) {
            if doubt.is_shown(self.held_for(&doubt.intent), taken_at) {
                shown.push(doubt);
                continue;
            }
            if doubt.final_at.is_none() && now.since(doubt.asked_at) >= ASK_GAP_MS {
                doubt.asked_at = now;
                self.out.push_back(Action::Resolve {
                    intent: doubt.intent.clone(),
                    sent_at: doubt.sent_at,
                });
            }
            kept.push(doubt);
        }
        self.doubts = kept;
        for doubt in shown.iter().filter(|doubt| doubt.final_at.is_none()) {
            let text = format!(
                "The account now looks as it would after this: {}.",
                explain::deed(&doubt.intent)
            );
            self.end_doubt(doubt, Ending::Unverified { fill: None }, text, now);
        }
    }

    /// The exchange has said after all what became of an order without a flight.
    pub(super) fn doubt_resolved(
        &mut self,
        id: &IntentId,
        resolution: &Resolution,
        now: Timestamp,
    ) {
        let place = self
            .doubts
            .iter()
            .position(|doubt| doubt.intent.id == *id && doubt.final_at.is_none());
        let Some(place) = place else {
            return;
        };
        let doubt = match resolution {
            Resolution::Working | Resolution::Unreachable { .. } => return,
            Resolution::Executed { .. } | Resolution::NotExecuted | Resolution::NotFound => {
                self.doubts.remove(place)
            }
        };
        self.record_resolution(id, resolution.clone());
        let deed = explain::deed(&doubt.intent);
        if let Resolution::Executed { fill } = resolution {
            let mut known = doubt.clone();
            let most = doubt.quantity;
            let filled = fill.map_or(most, |fill| fill.quantity);
            (known.quantity, known.final_at) = (filled.min(most), Some(now));
            self.doubt(Some(known));
            self.sight.want(Refresh::Account, now);
            let text = format!("Known now: the exchange has carried this out: {deed}.");
            self.end_doubt(&doubt, Ending::Unverified { fill: *fill }, text, now);
        } else {
            let message = "the exchange did not execute it".to_owned();
            let text = format!("Known now: the exchange has not carried this out: {deed}.");
            self.end_doubt(&doubt, Ending::NotExecuted { message }, text, now);
        }
    }

    /// An answer that came when nobody waited for it any more.
    pub(super) fn doubt_answered(&mut self, id: &IntentId, outcome: &Outcome, now: Timestamp) {
        match outcome {
            Outcome::Done { fill } => {
                self.doubt_resolved(id, &Resolution::Executed { fill: *fill }, now);
            }
            Outcome::Rejected { .. } => self.doubt_resolved(id, &Resolution::NotExecuted, now),
            Outcome::Throttled { .. } | Outcome::Unknown { .. } => {}
        }
    }

    fn end_doubt(&mut self, doubt: &Doubt, ending: Ending, text: String, now: Timestamp) {
        self.record_end(&doubt.intent, ending);
        let severity = Severity::Warning;
        self.tell(&doubt.intent, ReportKind::NotKnown, severity, text, now);
    }

    /// The clock was set back.
    pub(super) fn clamp_doubts(&mut self, now: Timestamp) {
        for doubt in &mut self.doubts {
            doubt.asked_at = doubt.asked_at.min(now);
            doubt.final_at = doubt.final_at.map(|at| at.min(now));
        }
    }
}
