//! What happens to intents after they were planned.

use super::Guard;
use super::action::{Action, ReportKind, Severity};
use super::doubt::Doubt;
use super::event::{Mode, Refresh};
use super::explain;
use super::flight::{Flight, RECYCLE_WITHIN_MS, Stage, gap_ms, window_end};
use super::intent::{
    Ending, FillReport, Intent, IntentId, IntentKind, Outcome, Reaction, Resolution, Scope,
};
use super::journal::{Entry, OpenIntent};
use super::level::Level;
use super::lookup::looking;
use super::planner::freeing::Pace;
use super::watch::Watch;
use crate::domain::{Money, Timestamp};
use rust_decimal::Decimal;

/// Pause after a refusal that nothing but the trader can mend.
const POWERLESS_PAUSE_MS: i64 = 60_000;
/// Additions rest this long after the venue said that there is no balance for them, or that it is busy.
const NO_BALANCE_PAUSE_MS: i64 = 60_000;
/// … and this long after they were refused for another reason, or lost: as long as a trim can be made.
const ADDITION_FAILED_PAUSE_MS: i64 = 5 * 60_000;
/// Pause before the next plan when the last one was known not to restore the target.
pub(super) const SHORT_PAUSE_MS: i64 = 1_000;
/// However long the venue wants to be left alone, the guard tries again after this; the network layer
/// keeps the venue's own limit.
const LONGEST_PAUSE_MS: i64 = 5 * 60_000;
/// A throttle longer than this is told as an alarm.
const LONG_THROTTLE_MS: i64 = 10_000;
/// Smallest amount that is put back after a trim.
pub(super) const LEAST_RECYCLE: Money = Money::of(Decimal::ONE);
/// Money is moved in steps of one hundredth.
pub(super) const MONEY_STEP: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

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
                    // It may have left as late as the end of the former run.
                    let closes = window_end(now, &self.policy);
                    let stage = looking(sent_at, closes, 0, now);
                    let mut flight = Flight::new(intent, stage, true);
                    flight.charged_at = sent_at;
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
            self.second_half(&intent, fill.as_ref(), true, now);
        }
    }

    pub(super) fn on_outcome(&mut self, id: &IntentId, outcome: Outcome, now: Timestamp) {
        let Some(flight) = self.flight_mut(id) else {
            self.doubt_answered(id, &outcome, now);
            return;
        };
        let at = match flight.stage {
            Stage::Sent { at } => at,
            // An answer that comes after all is worth more than a look-up.
            Stage::Looking { sent_at, .. } => sent_at,
            Stage::Asking { .. } | Stage::Verifying { .. } => return,
        };
        let looking = matches!(flight.stage, Stage::Looking { .. });
        let filled = flight.told.filter(|told| told.quantity.is_positive());
        let record = Entry::Outcome {
            intent: id.clone(),
            outcome: outcome.clone(),
        };
        self.out.push_back(Action::Record(record));
        match outcome {
            Outcome::Done { fill } => self.acknowledged(id, fill, now),
            // A refusal of something that private events have shown to be filled is no refusal.
            Outcome::Throttled { .. } | Outcome::Rejected { .. } if filled.is_some() => {
                self.acknowledged(id, filled, now);
            }
            Outcome::Unknown { message } if !looking => self.unknown(id, at, &message, now),
            Outcome::Unknown { .. } => {}
            Outcome::Throttled { until } => {
                let message = format!("the exchange limits requests until {until}");
                let until = until.min(now.plus_ms(LONGEST_PAUSE_MS));
                self.put_back_later(id, now);
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

    /// The clock was set back: no wait may be longer than it was meant.
    pub(super) fn clamp_waits(&mut self, now: Timestamp) {
        let longest = now.plus_ms(LONGEST_PAUSE_MS);
        for (_, watch) in &mut self.watches {
            watch.cooldown_until = watch.cooldown_until.min(longest);
            watch.rest_until = watch.rest_until.min(longest);
            watch.add_refused_until = watch.add_refused_until.min(longest);
            watch.add_failed_until = watch.add_failed_until.min(longest);
            watch.told_at = watch.told_at.map(|at| at.min(now));
        }
        self.cancels = Pace::default();
        self.moves = Pace::default();
        self.loans.stir_all(now);
        self.clamp_doubts(now);
        for flight in self.flights.values_mut().chain(&mut self.backlog) {
            flight.clamp_waits(now, &self.policy);
        }
    }

    pub(super) fn acknowledged(&mut self, id: &IntentId, fill: Option<FillReport>, now: Timestamp) {
        let Some(flight) = self.flight_mut(id) else {
            return;
        };
        let fill = flight.complete(fill);
        let reduces = matches!(flight.intent.kind, IntentKind::Reduce { .. });
        if reduces && fill.is_some_and(|fill| fill.quantity.is_zero()) {
            let message = "nothing was filled at the bounded price".to_owned();
            let scope = flight.intent.scope.clone();
            let pause = self.watch_mut(&scope).map_or(SHORT_PAUSE_MS, |watch| {
                watch.refusals = watch.refusals.saturating_add(1);
                gap_ms(watch.refusals).max(SHORT_PAUSE_MS)
            });
            self.not_executed(id, message, now.plus_ms(pause), now);
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
        let Some(intent) = self.flight_mut(id).map(|flight| flight.intent.clone()) else {
            return;
        };
        if !intent.is_rescue() || intent.only_frees() {
            let code = code.map_or_else(String::new, |code| format!(" (code {code})"));
            // Nothing is at risk by that alone: something else must help, at once.
            self.aside_refused(id, format!("refused: {message}{code}"), now);
            return;
        }
        let adds = matches!(intent.kind, IntentKind::AddMargin { .. });
        let scope = intent.scope;
        let mut another_way = false;
        let mut pause = SHORT_PAUSE_MS;
        if let Some(watch) = self.watch_mut(&scope) {
            watch.refusals = watch.refusals.saturating_add(1);
            pause = gap_ms(watch.refusals);
            // At once another way, unless that was the other way already.
            if adds {
                let rest = addition_rest_ms(reaction);
                another_way = watch.distrust_additions(now.plus_ms(rest), now);
            }
            match reaction {
                Reaction::NoBalance if adds => {
                    watch.add_refused_until = now.plus_ms(NO_BALANCE_PAUSE_MS);
                    pause = 0;
                }
                Reaction::BoundPrice if !watch.bound_price => {
                    watch.bound_price = true;
                    pause = 0;
                }
                Reaction::Powerless => pause = POWERLESS_PAUSE_MS,
                Reaction::NoBalance
                | Reaction::BoundPrice
                | Reaction::Resync
                | Reaction::AlreadyFlat
                | Reaction::RefreshFilters
                | Reaction::RetryLater => {}
            }
            if another_way {
                pause = 0;
            }
        }
        if reaction == Reaction::RetryLater {
            self.put_back_later(id, now);
        }
        self.sight.want(Refresh::Account, now);
        if reaction == Reaction::RefreshFilters {
            self.sight.want(Refresh::Rules, now);
        }
        let code = code.map_or_else(String::new, |code| format!(" (code {code})"));
        if reaction == Reaction::Powerless && !another_way {
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

    pub(super) fn not_executed(
        &mut self,
        id: &IntentId,
        message: String,
        resume: Timestamp,
        now: Timestamp,
    ) {
        let Some(flight) = self.take_flight(id) else {
            return;
        };
        let lost = matches!(flight.stage, Stage::Looking { .. });
        // What the venue has not refused itself stays on the budgets: a venue that answers from an old
        // picture of its own would else let them be spent twice.
        if !lost || !flight.intent.is_rescue() {
            self.refund(&flight, now);
        }
        let intent = flight.intent;
        if intent.is_rescue() && !intent.only_frees() {
            self.note_need(None);
        }
        if lost {
            self.distrust(&intent, true, now);
        }
        if let Some(pace) = self.pace_of(&intent) {
            pace.failed(lost, now);
        }
        let text = format!("Not done: {}; {message}.", explain::deed(&intent));
        self.record_end(&intent, Ending::NotExecuted { message });
        if !intent.is_rescue() {
            self.tell_not_returned(&intent, text, now);
            return;
        }
        if let Some(watch) = self.watch_mut(&intent.scope) {
            watch.rest_until = watch.rest_until.max(resume);
        }
        let severity = if resume.since(now) > LONG_THROTTLE_MS {
            Severity::Alarm
        } else {
            Severity::Warning
        };
        self.tell(&intent, ReportKind::NotDone, severity, text, now);
        let found = self
            .watches
            .iter()
            .find(|(scope, _)| *scope == intent.scope);
        let later = found.and_then(|(_, watch)| watch.put_back_later.as_ref());
        let waits = later.is_some_and(|(half, _)| half.id == intent.id);
        if !waits && (!lost || !self.put_back_again(&intent, flight.reaches, now)) {
            self.out
                .push_back(Action::Record(Entry::PlanEnded { plan: intent.plan }));
        }
    }

    /// An addition that was lost a second time, or that the account does not show: a trim comes first.
    fn distrust(&mut self, intent: &Intent, lost: bool, now: Timestamp) {
        if !intent.is_rescue() || !matches!(intent.kind, IntentKind::AddMargin { .. }) {
            return;
        }
        let Some(watch) = self.watch_mut(&intent.scope) else {
            return;
        };
        let again = std::mem::replace(&mut watch.addition_lost, lost);
        if again || !lost {
            watch.distrust_additions(now.plus_ms(ADDITION_FAILED_PAUSE_MS), now);
        }
    }

    /// A second half that was lost on the way is made anew, under a new id and once per plan: what the
    /// first half freed still lies free. One that was refused is not.
    fn put_back_again(&mut self, lost: &Intent, reaches: bool, now: Timestamp) -> bool {
        let IntentKind::AddMargin { amount } = lost.kind else {
            return false;
        };
        let amount = amount.min(self.free_beside(lost)).floor_to(MONEY_STEP);
        let allowed = lost.recycled && !self.paused && self.mode > Mode::Watch;
        let Some(watch) = self.watch_mut(&lost.scope) else {
            return false;
        };
        if !allowed || amount < LEAST_RECYCLE || watch.put_back_plan == Some(lost.plan) {
            return false;
        }
        watch.put_back_plan = Some(lost.plan);
        self.recycle(lost, amount, reaches, now)
    }

    /// The venue was too busy for an act and has surely not done it: if it is a second half, what the
    /// first freed still lies free.
    fn put_back_later(&mut self, id: &IntentId, now: Timestamp) {
        let Some(flight) = self.flight_mut(id) else {
            return;
        };
        let half = (flight.intent.clone(), flight.reaches);
        let adds = matches!(half.0.kind, IntentKind::AddMargin { .. });
        if adds
            && half.0.recycled
            && let Some(watch) = self.watch_mut(&half.0.scope)
        {
            let since = watch.put_back_since;
            let since = since.filter(|(plan, _)| *plan == half.0.plan);
            let since = since.map_or(now, |(_, at)| at);
            watch.put_back_since = Some((half.0.plan, since));
            watch.put_back_later = (now.since(since) <= RECYCLE_WITHIN_MS).then_some(half);
        }
    }

    /// Makes such a second half anew once the pause is over, as long as it is the same rescue.
    pub(super) fn put_back_now(&mut self, index: usize, now: Timestamp) {
        let Some((scope, watch)) = self.watches.get(index) else {
            return;
        };
        let waits = watch.put_back_later.is_some() && now >= watch.rest_until;
        if !waits || self.flights.contains_key(scope) || !self.sees_scope(scope) {
            return;
        }
        let later = self
            .watches
            .get_mut(index)
            .and_then(|(_, watch)| watch.put_back_later.take());
        let Some((half, reaches)) = later else {
            return;
        };
        let held = self.desk.positions.contains_key(&half.key);
        let timely = now.since(half.planned_at) <= RECYCLE_WITHIN_MS;
        if let Some((_, watch)) = self.watches.get_mut(index) {
            // Refused, not lost: it has had no try of its own yet.
            watch.put_back_plan = None;
        }
        if !held || !timely || !self.put_back_again(&half, reaches, now) {
            let why = match (held, timely, self.paused || self.mode <= Mode::Watch) {
                (false, _, _) => "the position is gone",
                (true, false, _) => "it is too late to be the same rescue",
                (true, true, true) => "nothing is sent while paused or in watch mode",
                (true, true, false) => "the money is no longer free",
            };
            let text = format!(
                "Not put back into {}: {why}. What the trim freed is not in the position.",
                half.key
            );
            self.tell(&half, ReportKind::NotDone, Severity::Warning, text, now);
            self.out
                .push_back(Action::Record(Entry::PlanEnded { plan: half.plan }));
        }
    }

    /// The truth could not be found out: say so, and go on from what the account shows.
    pub(super) fn give_up(
        &mut self,
        id: &IntentId,
        fill: Option<FillReport>,
        why: &str,
        now: Timestamp,
    ) {
        let Some(flight) = self.take_flight(id) else {
            return;
        };
        let reduces = matches!(flight.intent.kind, IntentKind::Reduce { .. });
        let open = match flight.stage {
            Stage::Looking { .. } => reduces,
            Stage::Asking { .. } | Stage::Sent { .. } | Stage::Verifying { .. } => false,
        };
        let sent_at = flight.charged_at;
        let intent = flight.intent;
        let doubted = self.doubt(Doubt::new(&intent, sent_at, fill, !open, now));
        let open = open && doubted;
        // An order that may still be filled stays open in the journal: a restart asks again.
        if !open {
            self.record_end(&intent, Ending::Unverified { fill });
        }
        self.out
            .push_back(Action::Record(Entry::PlanEnded { plan: intent.plan }));
        let pause = self.policy.cooldown_ms;
        self.distrust(&intent, false, now);
        if intent.is_rescue()
            && let Some(watch) = self.watch_mut(&intent.scope)
        {
            watch.cooldown_until = now.plus_ms(pause);
            watch.rest_until = now.plus_ms(SHORT_PAUSE_MS);
        }
        let rest = if open {
            " Until it does, that much is not sold once more."
        } else {
            ""
        };
        let text = format!(
            "Not known: {}; {why}.{rest} Going on from what the account shows; check it by hand.",
            explain::deed(&intent)
        );
        self.tell(&intent, ReportKind::NotKnown, Severity::Alarm, text, now);
        self.sight.want(Refresh::Account, now);
    }

    /// Time-driven steps of all flights.
    pub(super) fn tick_flights(&mut self, now: Timestamp) {
        // Each step removes a flight or moves its next wake into the future.
        while let Some(id) = self.due_flight(now) {
            let picture = self.desk.picture_at.unwrap_or(Timestamp::ZERO);
            let Some(flight) = self.flight_mut(&id) else {
                return;
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
                Stage::Sent { at } => {
                    let at = *at;
                    self.unknown(&id, at, "no outcome was reported", now);
                }
                Stage::Looking { waiting: true, .. } => {
                    let message = "the question was lost".to_owned();
                    self.on_resolved(&id, Resolution::Unreachable { message }, now);
                }
                Stage::Looking {
                    waiting,
                    sent_at,
                    closes_at,
                    next_at,
                    ..
                } => {
                    *waiting = true;
                    *next_at = now;
                    let (sent_at, closes_at) = (*sent_at, *closes_at);
                    let intent = flight.intent.clone();
                    self.out.push_back(Action::Resolve { intent, sent_at });
                    if now >= closes_at && picture < closes_at {
                        self.sight.want(Refresh::Account, now);
                    }
                }
                Stage::Verifying { tries, next_at, .. } => {
                    *tries = tries.saturating_add(1);
                    *next_at = now.plus_ms(gap_ms(*tries));
                    self.sight.want(Refresh::Account, now);
                }
            }
        }
    }

    fn due_flight(&self, now: Timestamp) -> Option<IntentId> {
        let mut flights = self.flights.values();
        let due = flights.find(|flight| flight.wake_at() <= now)?;
        Some(due.intent.id.clone())
    }

    pub(super) fn level_of(&self, scope: &Scope) -> Level {
        let found = self.watches.iter().find(|(known, _)| known == scope);
        found.map_or(Level::Calm, |(_, watch)| watch.level)
    }

    pub(super) fn distance_of(&self, scope: &Scope) -> f64 {
        let found = self.watches.iter().find(|(known, _)| known == scope);
        let worst = found.and_then(|(_, watch)| watch.worst(&self.desk, &self.gauge, &self.policy));
        worst.map_or(0.0, |(_, danger)| danger.distance)
    }

    pub(super) fn watch_mut(&mut self, scope: &Scope) -> Option<&mut Watch> {
        let found = self.watches.iter_mut().find(|(known, _)| known == scope);
        found.map(|(_, watch)| watch)
    }

    pub(super) fn flight_mut(&mut self, id: &IntentId) -> Option<&mut Flight> {
        self.flights
            .values_mut()
            .find(|flight| flight.intent.id == *id)
    }

    /// Removes a flight; the next one of its scope that a restart found takes its place.
    pub(super) fn take_flight(&mut self, id: &IntentId) -> Option<Flight> {
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

    pub(super) fn record_end(&mut self, intent: &Intent, ending: Ending) {
        let intent = intent.id.clone();
        self.out
            .push_back(Action::Record(Entry::Ended { intent, ending }));
    }

    pub(super) fn record_resolution(&mut self, id: &IntentId, resolution: Resolution) {
        let intent = id.clone();
        self.out
            .push_back(Action::Record(Entry::Resolved { intent, resolution }));
    }

    pub(super) fn tell(
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

/// How long trims come before additions, after one was refused.
const fn addition_rest_ms(reaction: Reaction) -> i64 {
    match reaction {
        Reaction::RetryLater | Reaction::NoBalance => NO_BALANCE_PAUSE_MS,
        Reaction::Resync
        | Reaction::AlreadyFlat
        | Reaction::RefreshFilters
        | Reaction::BoundPrice
        | Reaction::Powerless => ADDITION_FAILED_PAUSE_MS,
    }
}
