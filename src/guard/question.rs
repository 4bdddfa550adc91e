//! Questions to the trader: yes, no, silence, and when a question is void.

use super::Guard;
use super::action::Action;
use super::event::Mode;
use super::explain;
use super::flight::Stage;
use super::intent::{Ending, Intent, IntentId, Scope};
use super::journal::Entry;
use super::level::Level;
use super::lifecycle::SHORT_PAUSE_MS;
use super::watch::danger;
use crate::domain::Timestamp;

/// After a no the same danger is not asked about again for this long.
const DECLINED_PAUSE_MS: i64 = 5 * 60_000;

impl Guard {
    /// Questions about a position that is another one by now are void.
    pub(super) fn void_questions(&mut self, now: Timestamp) {
        let void = self.flights.values().filter(|flight| {
            matches!(flight.stage, Stage::Asking { .. }) && !flight.matches(&self.desk)
        });
        let ids: Vec<IntentId> = void.map(|flight| flight.intent.id.clone()).collect();
        for id in ids {
            self.withdraw(&id, "the position has changed since the question", now);
        }
    }

    /// Yes, or silence that means yes. The plan is checked against the present before it is sent.
    pub(super) fn approve(&mut self, id: &IntentId, now: Timestamp) -> String {
        let asked = self
            .flight_mut(id)
            .filter(|flight| matches!(flight.stage, Stage::Asking { .. }));
        let Some(flight) = asked.cloned() else {
            return "This question is no longer open.".to_owned();
        };
        let intent = flight.intent.clone();
        if self.paused || self.mode == Mode::Watch {
            self.withdraw(id, "paused or in watch mode", now);
            return "Not sent: paused or in watch mode.".to_owned();
        }
        let level = self.level_of(&intent.scope);
        let same = flight.matches(&self.desk);
        let timely = if intent.is_rescue() {
            level >= Level::ActSoon
        } else {
            self.may_return(&intent)
        };
        if !same || !timely || !self.sees_scope(&intent.scope) {
            self.withdraw(id, "the situation has changed since the question", now);
            return "Not sent: the situation has changed since the question.".to_owned();
        }
        self.flights.remove(&intent.scope);
        if !self.still_fits(&intent, now) {
            // Back, so that it can be withdrawn like any other.
            self.flights.insert(intent.scope.clone(), flight);
            self.withdraw(id, "the money for it is no longer there", now);
            return "Not sent: the money for it is no longer there.".to_owned();
        }
        let text = format!("Approved: {}.", explain::deed(&intent));
        self.out.push_back(Action::Unask {
            intent: id.clone(),
            text: text.clone(),
        });
        self.launch(intent, flight.reaches, now);
        text
    }

    /// Do balances and budgets still allow what was asked about?
    fn still_fits(&self, intent: &Intent, now: Timestamp) -> bool {
        let found = self
            .watches
            .iter()
            .find(|(known, _)| *known == intent.scope);
        let line = found.and_then(|(_, watch)| {
            let line = watch.lines.iter().find(|line| line.key == intent.key)?;
            let can_add = watch.can_add == Some(true);
            let danger = danger(line, can_add, &self.desk, &self.gauge, &self.policy)?;
            Some((line, danger))
        });
        if !intent.is_rescue() {
            return true;
        }
        line.and_then(|(line, danger)| {
            self.in_situation(&intent.scope, line, danger, None, now, |situation| {
                situation.still_fits(&intent.kind)
            })
        })
        .unwrap_or(false)
    }

    /// The trader, or a silence that means hold, has said no: the same danger is not asked about
    /// again soon, a clearly greater one is.
    pub(super) fn decline(&mut self, id: &IntentId, why: &str, now: Timestamp) -> String {
        let asked = self.asked_scope(id);
        let returned = self.flight_mut(id).map(|flight| flight.intent.clone());
        if let Some(intent) = returned.filter(|intent| !intent.is_rescue()) {
            self.return_declined(&intent.key, now);
        } else if let Some(scope) = asked {
            let distance = self.distance_of(&scope);
            if let Some(watch) = self.watch_mut(&scope) {
                watch.declined = Some((now.plus_ms(DECLINED_PAUSE_MS), distance));
            }
        }
        self.withdraw(id, why, now)
    }

    fn asked_scope(&mut self, id: &IntentId) -> Option<Scope> {
        self.flight_mut(id)
            .filter(|flight| matches!(flight.stage, Stage::Asking { .. }))
            .map(|flight| flight.intent.scope.clone())
    }

    /// Takes a question back without an answer.
    pub(super) fn withdraw(&mut self, id: &IntentId, why: &str, now: Timestamp) -> String {
        if self.asked_scope(id).is_none() {
            return "This question is no longer open.".to_owned();
        }
        let Some(flight) = self.take_flight(id) else {
            return String::new();
        };
        let text = format!("Not sent: {} ({why}).", explain::deed(&flight.intent));
        self.record_end(
            &flight.intent,
            Ending::Declined {
                message: why.to_owned(),
            },
        );
        self.out.push_back(Action::Record(Entry::PlanEnded {
            plan: flight.intent.plan,
        }));
        if flight.intent.is_rescue()
            && let Some(watch) = self.watch_mut(&flight.intent.scope)
        {
            watch.rest_until = watch.rest_until.max(now.plus_ms(SHORT_PAUSE_MS));
        }
        self.out.push_back(Action::Unask {
            intent: id.clone(),
            text: text.clone(),
        });
        text
    }

    pub(super) fn withdraw_questions(&mut self, why: &str, now: Timestamp) {
        let asking = self
            .flights
            .values()
            .filter(|flight| matches!(flight.stage, Stage::Asking { .. }));
        let ids: Vec<IntentId> = asking.map(|flight| flight.intent.id.clone()).collect();
        for id in ids {
            self.withdraw(&id, why, now);
        }
    }
}
