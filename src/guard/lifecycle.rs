//! What happens to intents after they were planned.

use super::Guard;
use super::action::{Action, ReportKind, Severity};
use super::event::{Mode, OrderStatus, OrderUpdate, Refresh};
use super::explain;
use super::flight::{
    Flight, MAX_LOOKUPS, MAX_REREADS, Sighting, Stage, freed_by, gap_ms, window_end,
};
use super::intent::{
    Ending, FillReport, Intent, IntentId, IntentKind, Outcome, Reaction, Resolution, Scope,
};
use super::journal::{Entry, OpenIntent};
use super::level::Level;
use crate::domain::{Money, Timestamp};
use rust_decimal::Decimal;

/// Pause after a refusal that nothing but the trader can mend.
const POWERLESS_PAUSE_MS: i64 = 60_000;
/// Additions rest this long after the venue said that there is no balance for them.
const NO_BALANCE_PAUSE_MS: i64 = 60_000;
/// Pause before the next plan when the last one was known not to restore the target.
const SHORT_PAUSE_MS: i64 = 1_000;
/// Smallest amount that is put back after a trim.
const LEAST_RECYCLE: Money = Money::of(Decimal::ONE);
/// Money is moved in steps of one hundredth.
const MONEY_STEP: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

impl Guard {
    /// Open intents of a former run: never sent again; asked about if they were sent.
    pub(super) fn recover_open(&mut self, open: Vec<OpenIntent>, now: Timestamp) {
        for OpenIntent { intent, sent_at } in open {
            match sent_at {
                None => {
                    let message = "was never sent before the restart".to_owned();
                    let ending = Ending::NotExecuted { message };
                    self.record_end(&intent, ending);
                    self.out
                        .push_back(Action::Record(Entry::PlanEnded { plan: intent.plan }));
                }
                Some(sent_at) => {
                    let text = format!(
                        "Not known after the restart: {}. Asking the exchange; it is not sent again.",
                        explain::deed(&intent)
                    );
                    self.tell(&intent, ReportKind::NotKnown, Severity::Warning, text, now);
                    let stage = looking(sent_at, 0, now);
                    let flight = Flight::new(intent, stage, true);
                    match self.flights.entry(flight.intent.scope.clone()) {
                        std::collections::btree_map::Entry::Vacant(free) => {
                            free.insert(flight);
                        }
                        std::collections::btree_map::Entry::Occupied(_) => {
                            self.backlog.push(flight);
                        }
                    }
                }
            }
        }
    }

    /// First halves that a restart left without their second half.
    pub(super) fn resume_unfinished(&mut self, now: Timestamp) {
        for (intent, fill) in std::mem::take(&mut self.unfinished) {
            self.second_half(&intent, fill.as_ref(), now);
        }
    }

    pub(super) fn on_outcome(&mut self, id: &IntentId, outcome: Outcome, now: Timestamp) {
        let record = Entry::Outcome {
            intent: id.clone(),
            outcome: outcome.clone(),
        };
        self.out.push_back(Action::Record(record));
        let Some(flight) = self.flight_mut(id) else {
            return;
        };
        let Stage::Sent { at } = flight.stage else {
            return;
        };
        match outcome {
            Outcome::Done { fill } => self.acknowledged(id, fill, now),
            Outcome::Unknown { message } => {
                flight.stage = looking(at, 0, now);
                let intent = flight.intent.clone();
                let text = format!(
                    "Not known: {} was sent, no answer ({message}). Asking the exchange; it is not sent again.",
                    explain::deed(&intent)
                );
                self.tell(&intent, ReportKind::NotKnown, Severity::Alarm, text, now);
            }
            Outcome::Throttled { until } => {
                let message = format!("the exchange limits requests until {until}");
                self.not_executed(id, message, until, now);
            }
            Outcome::Rejected {
                reaction,
                code,
                message,
            } => {
                self.rejected(id, reaction, code, &message, now);
            }
        }
    }

    fn acknowledged(&mut self, id: &IntentId, fill: Option<FillReport>, now: Timestamp) {
        let Some(flight) = self.flight_mut(id) else {
            return;
        };
        let fill = flight.complete(fill);
        let reduces = matches!(flight.intent.kind, IntentKind::Reduce { .. });
        if reduces && fill.is_some_and(|fill| fill.quantity.is_zero()) {
            let message = "nothing was filled at the bounded price".to_owned();
            self.not_executed(id, message, now.plus_ms(SHORT_PAUSE_MS), now);
            return;
        }
        flight.stage = Stage::Verifying {
            acked_at: now,
            fill,
            tries: 0,
            next_at: now,
        };
        self.sight.want(Refresh::Account, now);
    }

    fn rejected(
        &mut self,
        id: &IntentId,
        reaction: Reaction,
        code: Option<i64>,
        message: &str,
        now: Timestamp,
    ) {
        let Some(scope) = self
            .flight_mut(id)
            .map(|flight| flight.intent.scope.clone())
        else {
            return;
        };
        let mut pause = SHORT_PAUSE_MS;
        if let Some((_, watch)) = self.watches.iter_mut().find(|(known, _)| *known == scope) {
            watch.refusals = watch.refusals.saturating_add(1);
            pause = gap_ms(watch.refusals);
            match reaction {
                Reaction::NoBalance => {
                    watch.add_refused_until = now.plus_ms(NO_BALANCE_PAUSE_MS);
                    pause = 0;
                }
                Reaction::BoundPrice => {
                    watch.bound_price = true;
                    pause = 0;
                }
                Reaction::Powerless => pause = POWERLESS_PAUSE_MS,
                Reaction::Resync
                | Reaction::AlreadyFlat
                | Reaction::RefreshFilters
                | Reaction::RetryLater => {}
            }
        }
        self.sight.want(Refresh::Account, now);
        if reaction == Reaction::RefreshFilters {
            self.sight.want(Refresh::Rules, now);
        }
        let code = code.map_or_else(String::new, |code| format!(" (code {code})"));
        if reaction == Reaction::Powerless {
            let text = format!(
                "CANNOT PROTECT {scope}: the exchange refuses: {message}{code}. Act by hand."
            );
            let scope = Some(scope);
            self.report(
                now,
                ReportKind::Powerless,
                Severity::Alarm,
                scope,
                None,
                text,
            );
        }
        self.not_executed(
            id,
            format!("refused: {message}{code}"),
            now.plus_ms(pause),
            now,
        );
    }

    pub(super) fn on_resolved(&mut self, id: &IntentId, resolution: Resolution, now: Timestamp) {
        let Some(flight) = self.flight_mut(id) else {
            return;
        };
        let Stage::Looking { sent_at, tries, .. } = flight.stage else {
            return;
        };
        let flight_seen = flight.clone();
        let tries = tries + 1;
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
            Resolution::NotFound => {
                let closed = window_end(sent_at, &self.policy);
                let picture = self.desk.picture_at.unwrap_or(Timestamp::ZERO);
                if flight_seen.sighting(&self.desk) == Sighting::Seen {
                    self.record_resolution(id, Resolution::Executed { fill: None });
                    self.acknowledged(id, None, now);
                } else if now >= closed && picture >= closed {
                    self.record_resolution(id, Resolution::NotFound);
                    let message =
                        "the exchange does not know it and its receive window is over".to_owned();
                    self.not_executed(id, message, now, now);
                } else {
                    if now >= closed {
                        self.sight.want(Refresh::Account, now);
                    }
                    self.look_again(id, sent_at, tries, now);
                }
            }
            Resolution::Working | Resolution::Unreachable { .. } => {
                self.look_again(id, sent_at, tries, now);
            }
        }
    }

    fn look_again(&mut self, id: &IntentId, sent_at: Timestamp, tries: u32, now: Timestamp) {
        if tries >= MAX_LOOKUPS {
            self.give_up(id, None, "the exchange did not say what became of it", now);
            return;
        }
        if let Some(flight) = self.flight_mut(id) {
            flight.stage = looking(sent_at, tries, now.plus_ms(gap_ms(tries)));
        }
    }

    /// A private event about one of our orders: may resolve before any answer does.
    pub(super) fn on_own_order(&mut self, update: &OrderUpdate, now: Timestamp) {
        let id = IntentId::from_text(&update.client_id);
        let Some(flight) = self.flight_mut(&id) else {
            return;
        };
        let fee = match (flight.told.and_then(|told| told.fee), update.fee) {
            (Some(before), Some(more)) => Some(before + more),
            (one, other) => one.or(other),
        };
        let told = FillReport {
            quantity: update.filled,
            average_price: update.average_price,
            fee,
        };
        flight.told = Some(told);
        let merged = match flight.stage {
            Stage::Verifying { fill, .. } => flight.complete(fill),
            Stage::Asking { .. } | Stage::Sent { .. } | Stage::Looking { .. } => None,
        };
        match (&mut flight.stage, update.status) {
            (Stage::Verifying { fill, .. }, _) => *fill = merged,
            (Stage::Looking { .. }, OrderStatus::Filled | OrderStatus::Ended) => {
                let resolution = if told.quantity.is_positive() {
                    Resolution::Executed { fill: Some(told) }
                } else {
                    Resolution::NotExecuted
                };
                self.on_resolved(&id, resolution, now);
            }
            (Stage::Looking { .. }, OrderStatus::Working)
            | (Stage::Asking { .. } | Stage::Sent { .. }, _) => {}
        }
    }

    /// A picture that began at `taken_at` has arrived: do acknowledged acts show in it?
    pub(super) fn verify_flights(&mut self, taken_at: Timestamp, now: Timestamp) {
        let scopes: Vec<Scope> = self.flights.keys().cloned().collect();
        for scope in scopes {
            let Some(flight) = self.flights.get_mut(&scope) else {
                continue;
            };
            let sighting = flight.sighting(&self.desk);
            let Stage::Verifying {
                acked_at,
                fill,
                tries,
                next_at,
            } = &mut flight.stage
            else {
                continue;
            };
            if taken_at < *acked_at {
                continue;
            }
            let fill = *fill;
            *tries += 1;
            *next_at = now.plus_ms(gap_ms(*tries));
            let tries = *tries;
            let id = flight.intent.id.clone();
            match sighting {
                Sighting::Seen => self.verified(&id, fill, now),
                Sighting::NotYet if tries >= MAX_REREADS => {
                    self.give_up(
                        &id,
                        fill,
                        "acknowledged, but the account does not show it",
                        now,
                    );
                }
                Sighting::NotYet => {}
            }
        }
    }

    fn verified(&mut self, id: &IntentId, fill: Option<FillReport>, now: Timestamp) {
        let Some(flight) = self.take_flight(id) else {
            return;
        };
        let intent = flight.intent;
        self.record_end(&intent, Ending::Verified { fill });
        let mut line = None;
        if let Some((_, watch)) = self
            .watches
            .iter_mut()
            .find(|(known, _)| *known == intent.scope)
        {
            watch.stale = true;
            watch.refresh_lines(&intent.scope, &self.desk, &self.policy);
            watch.refusals = 0;
            watch.helpless = None;
            line = watch
                .lines
                .iter()
                .find(|line| line.key == intent.key)
                .and_then(|line| line.nearest);
            let pause = if flight.reaches {
                self.policy.cooldown_ms
            } else {
                SHORT_PAUSE_MS
            };
            watch.cooldown_until = now.plus_ms(pause);
        }
        let text = explain::verified(&intent, fill.as_ref(), line);
        self.tell(&intent, ReportKind::Verified, Severity::Warning, text, now);
        self.second_half(&intent, fill.as_ref(), now);
    }

    /// Puts back what a recycling trim freed, or ends its plan.
    fn second_half(&mut self, intent: &Intent, fill: Option<&FillReport>, now: Timestamp) {
        let recycles = matches!(intent.kind, IntentKind::Reduce { recycle: true, .. });
        let allowed =
            !self.paused && self.mode > Mode::Watch && !self.flights.contains_key(&intent.scope);
        let freed = match fill {
            Some(fill) if recycles && allowed => freed_by(intent, fill, &self.desk, &self.policy),
            Some(_) | None => Money::ZERO,
        };
        let amount = freed.floor_to(MONEY_STEP);
        if amount < LEAST_RECYCLE || !self.recycle(intent, amount, now) {
            self.out
                .push_back(Action::Record(Entry::PlanEnded { plan: intent.plan }));
        }
    }

    fn not_executed(&mut self, id: &IntentId, message: String, resume: Timestamp, now: Timestamp) {
        let Some(flight) = self.take_flight(id) else {
            return;
        };
        let intent = flight.intent;
        self.charge(&intent, now, false);
        let text = format!("Not done: {}; {message}.", explain::deed(&intent));
        self.record_end(&intent, Ending::NotExecuted { message });
        self.out
            .push_back(Action::Record(Entry::PlanEnded { plan: intent.plan }));
        if let Some((_, watch)) = self
            .watches
            .iter_mut()
            .find(|(known, _)| *known == intent.scope)
        {
            watch.cooldown_until = watch.cooldown_until.max(resume);
        }
        self.tell(&intent, ReportKind::NotDone, Severity::Warning, text, now);
    }

    /// The truth could not be found out: say so, and go on from what the account shows.
    fn give_up(&mut self, id: &IntentId, fill: Option<FillReport>, why: &str, now: Timestamp) {
        let Some(flight) = self.take_flight(id) else {
            return;
        };
        let intent = flight.intent;
        self.record_end(&intent, Ending::Unverified { fill });
        self.out
            .push_back(Action::Record(Entry::PlanEnded { plan: intent.plan }));
        if let Some((_, watch)) = self
            .watches
            .iter_mut()
            .find(|(known, _)| *known == intent.scope)
        {
            watch.cooldown_until = now.plus_ms(self.policy.cooldown_ms);
        }
        let text = format!(
            "Not known: {}; {why}. Going on from what the account shows; check it by hand.",
            explain::deed(&intent)
        );
        self.tell(&intent, ReportKind::NotKnown, Severity::Alarm, text, now);
        self.sight.want(Refresh::Account, now);
    }

    /// Time-driven steps of all flights.
    pub(super) fn tick_flights(&mut self, now: Timestamp) {
        let due: Vec<IntentId> = self
            .flights
            .values()
            .filter(|flight| flight.wake_at().is_some_and(|at| at <= now))
            .map(|flight| flight.intent.id.clone())
            .collect();
        for id in due {
            let Some(flight) = self.flight_mut(&id) else {
                continue;
            };
            match &mut flight.stage {
                Stage::Asking {
                    silence_acts: true, ..
                } => {
                    self.approve(&id, now);
                }
                Stage::Asking {
                    silence_acts: false,
                    ..
                } => {
                    self.decline(&id, "no answer in time, and silence means hold", now);
                }
                Stage::Sent { .. } => {}
                Stage::Looking {
                    waiting, sent_at, ..
                } => {
                    *waiting = true;
                    let sent_at = *sent_at;
                    let intent = flight.intent.clone();
                    self.out.push_back(Action::Resolve { intent, sent_at });
                }
                Stage::Verifying { tries, next_at, .. } => {
                    *next_at = now.plus_ms(gap_ms(*tries + 1));
                    self.sight.want(Refresh::Account, now);
                }
            }
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
        let intent = flight.intent;
        if self.paused || self.mode == Mode::Watch {
            self.decline(id, "paused or in watch mode", now);
            return "Not sent: paused or in watch mode.".to_owned();
        }
        let level = self.level_of(&intent.scope);
        let same = self.desk.positions.get(&intent.key).is_some_and(|held| {
            held.position.side == intent.side && held.position.quantity == intent.before.quantity
        });
        if !same || level < Level::ActSoon || !self.sight.sees(&intent.key.symbol) {
            self.decline(id, "the situation has changed since the question", now);
            return "Not sent: the situation has changed since the question.".to_owned();
        }
        self.flights.remove(&intent.scope);
        let text = format!("Approved: {}.", explain::deed(&intent));
        self.out.push_back(Action::Unask {
            intent: id.clone(),
            text: text.clone(),
        });
        self.launch(intent, flight.reaches, now);
        text
    }

    pub(super) fn decline(&mut self, id: &IntentId, why: &str, now: Timestamp) -> String {
        let asked = self
            .flight_mut(id)
            .filter(|flight| matches!(flight.stage, Stage::Asking { .. }));
        if asked.is_none() {
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
        if let Some((_, watch)) = self
            .watches
            .iter_mut()
            .find(|(known, _)| *known == flight.intent.scope)
        {
            watch.cooldown_until = now.plus_ms(self.policy.cooldown_ms);
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
            self.decline(&id, why, now);
        }
    }

    /// Own liquidation price against the venue's, after each picture.
    pub(super) fn tell_mismatches(&mut self, now: Timestamp) {
        let tolerance = self.policy.mismatch_tolerance;
        let mut told = Vec::new();
        for (scope, watch) in &mut self.watches {
            let apart = watch.lines.iter().find_map(|line| {
                let (own, venue) = (line.own?, line.venue?);
                let gap = (own - venue).abs().ratio(venue)?;
                (gap > tolerance).then(|| (line.key.clone(), own, venue))
            });
            if let (Some((key, own, venue)), false) = (&apart, watch.mismatch_told) {
                let text = format!(
                    "{key}: own liquidation price {} and the exchange's {} differ. The nearer one counts.",
                    explain::price(*own),
                    explain::price(*venue)
                );
                told.push((scope.clone(), text));
            }
            watch.mismatch_told = apart.is_some();
        }
        for (scope, text) in told {
            self.report(
                now,
                ReportKind::Mismatch,
                Severity::Alarm,
                Some(scope),
                None,
                text,
            );
        }
    }

    fn level_of(&self, scope: &Scope) -> Level {
        let found = self.watches.iter().find(|(known, _)| known == scope);
        found.map_or(Level::Calm, |(_, watch)| watch.level)
    }

    fn flight_mut(&mut self, id: &IntentId) -> Option<&mut Flight> {
        self.flights
            .values_mut()
            .find(|flight| flight.intent.id == *id)
    }

    /// Removes a flight; the next one of its scope that a restart found takes its place.
    fn take_flight(&mut self, id: &IntentId) -> Option<Flight> {
        let scope = self.flight_mut(id)?.intent.scope.clone();
        let flight = self.flights.remove(&scope);
        if let Some(next) = self
            .backlog
            .iter()
            .position(|other| other.intent.scope == scope)
        {
            self.flights.insert(scope, self.backlog.remove(next));
        }
        flight
    }

    fn record_end(&mut self, intent: &Intent, ending: Ending) {
        let intent = intent.id.clone();
        self.out
            .push_back(Action::Record(Entry::Ended { intent, ending }));
    }

    fn record_resolution(&mut self, id: &IntentId, resolution: Resolution) {
        let intent = id.clone();
        self.out
            .push_back(Action::Record(Entry::Resolved { intent, resolution }));
    }

    fn tell(
        &mut self,
        intent: &Intent,
        kind: ReportKind,
        severity: Severity,
        text: String,
        now: Timestamp,
    ) {
        let scope = Some(intent.scope.clone());
        self.report(now, kind, severity, scope, Some(intent.clone()), text);
    }
}

fn looking(sent_at: Timestamp, tries: u32, next_at: Timestamp) -> Stage {
    Stage::Looking {
        sent_at,
        tries,
        next_at,
        waiting: false,
    }
}
