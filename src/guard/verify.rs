//! Acknowledged acts: whether a picture of the account shows them, and what follows from that.
//!
//! An act that a picture shows is verified. One that no picture will ever show clearly, because
//! something else has moved the same numbers, ends as not verified and holds nothing up.

use super::Guard;
use super::action::{Action, ReportKind, Severity};
use super::event::Mode;
use super::explain;
use super::flight::{
    BLURRED_REREADS, Flight, MAX_REREADS, Sighting, Stage, freed_by, wallet_effect,
};
use super::intent::{Ending, FillReport, Intent, IntentId, IntentKind, Scope};
use super::journal::Entry;
use super::lifecycle::{LEAST_RECYCLE, MONEY_STEP, SHORT_PAUSE_MS};
use super::planner::Plan;
use super::watch::{Danger, Watch};
use crate::domain::{Money, Timestamp};

/// How long an acknowledged act is still looked for.
enum Patience {
    /// The next picture may show it.
    Waits,
    /// No picture will show it clearly: why.
    Blurred(&'static str),
    /// It should have been seen by now.
    Ends(&'static str),
}

impl Guard {
    /// A picture that began at `taken_at` has arrived: do acknowledged acts show in it?
    pub(super) fn verify_flights(&mut self, taken_at: Timestamp, now: Timestamp) {
        self.follow_doubts(taken_at, now);
        let mut scopes: Vec<Scope> = self.flights.keys().cloned().collect();
        // Transfers last: by then it is known what other acts of ours did to the same wallet.
        let moves_in = |scope: &Scope| {
            let flight = self.flights.get(scope);
            flight.is_some_and(|flight| flight.intent.moves_in())
        };
        scopes.sort_by_key(moves_in);
        for scope in scopes {
            if let Some(flight) = self.flights.get_mut(&scope) {
                hurry_look_up(flight, taken_at, now);
                self.verify(&scope, taken_at, now);
            }
        }
    }

    fn verify(&mut self, scope: &Scope, taken_at: Timestamp, now: Timestamp) {
        let deep = self.is_deep(scope);
        let Some(flight) = self.flights.get(scope) else {
            return;
        };
        let Stage::Verifying {
            acked_at,
            fill,
            tries,
            ..
        } = flight.stage
        else {
            return;
        };
        if taken_at < acked_at {
            return;
        }
        let id = flight.intent.id.clone();
        if flight.sighting(&self.desk) == Sighting::Seen {
            self.verified(&id, fill, now);
            return;
        }
        let patience = match flight.blurred(&self.desk, tries) {
            Some(why) => Patience::Blurred(why),
            None if tries > MAX_REREADS => {
                Patience::Ends("acknowledged, but the account does not show it")
            }
            None if deep && tries >= BLURRED_REREADS => Patience::Ends(
                "acknowledged, but the account does not show it yet, and the danger does not wait",
            ),
            None => Patience::Waits,
        };
        match patience {
            Patience::Waits => {}
            Patience::Blurred(why) => self.blurred(&id, fill, why, now),
            Patience::Ends(why) => {
                self.give_up(&id, fill, why, now);
            }
        }
    }

    /// Is the price of this scope too near for any pause?
    fn is_deep(&mut self, scope: &Scope) -> bool {
        let found = self.watches.iter_mut().find(|(known, _)| known == scope);
        let Some((_, watch)) = found else {
            return false;
        };
        watch.refresh_lines(scope, &self.desk, &self.policy);
        let worst = watch.worst(&self.desk, &self.gauge, &self.policy);
        worst.is_some_and(|(_, danger)| danger.is_deep())
    }

    /// The exchange has acknowledged it, but its effect cannot be told from that of something else: no
    /// alarm, no claim that it was seen, and no pause.
    fn blurred(&mut self, id: &IntentId, fill: Option<FillReport>, why: &str, now: Timestamp) {
        let Some(flight) = self.take_flight(id) else {
            return;
        };
        let intent = flight.intent;
        self.record_end(&intent, Ending::Unverified { fill });
        self.out
            .push_back(Action::Record(Entry::PlanEnded { plan: intent.plan }));
        self.noticed(&intent, fill.as_ref());
        self.moved(&intent);
        if let Some(pace) = self.pace_of(&intent) {
            pace.failed(false, now);
        }
        if let Some(watch) = self.watch_mut(&intent.scope) {
            watch.stale = true;
            if intent.is_rescue() {
                watch.began = None;
                watch.rest_until = now.plus_ms(SHORT_PAUSE_MS);
            }
        }
        let text = explain::blurred(&intent, fill.as_ref(), why);
        let severity = Severity::Warning;
        self.tell(&intent, ReportKind::NotKnown, severity, text, now);
    }

    /// Other acts that are compared with the same wallet take this one into account.
    fn noticed(&mut self, intent: &Intent, fill: Option<&FillReport>) {
        let effect = wallet_effect(intent, fill, &self.desk, &self.policy);
        for flight in self.flights.values_mut().chain(&mut self.backlog) {
            flight.notice(intent, effect);
        }
        self.doubts_notice(intent, fill);
    }

    fn verified(&mut self, id: &IntentId, fill: Option<FillReport>, now: Timestamp) {
        let Some(flight) = self.take_flight(id) else {
            return;
        };
        let reaches = flight.reaches && flight.is_complete(fill);
        let intent = flight.intent;
        self.record_end(&intent, Ending::Verified { fill });
        // What comes into a cross wallet is the rescue itself.
        let frees = intent.only_frees() && matches!(intent.scope, Scope::Isolated(_));
        let mut line = None;
        if let Some((_, watch)) = self
            .watches
            .iter_mut()
            .find(|(known, _)| *known == intent.scope)
        {
            watch.stale = true;
            watch.refresh_lines(&intent.scope, &self.desk, &self.policy);
            line = watch
                .lines
                .iter()
                .find(|line| line.key == intent.key)
                .and_then(|line| line.nearest);
            if intent.is_rescue() && !frees {
                rest_after(watch, reaches, self.policy.cooldown_ms, now);
            }
        }
        self.noticed(&intent, fill.as_ref());
        self.moved(&intent);
        self.lend(&intent, now);
        self.returned(&intent, now);
        let balance = self.desk.balances.get(&intent.margin_asset);
        let text = if frees {
            explain::freed(&intent, balance.copied())
        } else {
            explain::verified(&intent, fill.as_ref(), line)
        };
        self.tell(&intent, ReportKind::Verified, Severity::Warning, text, now);
        self.second_half(&intent, fill.as_ref(), reaches, now);
        if !intent.is_rescue() || frees {
            return;
        }
        if !self.flights.contains_key(&intent.scope) {
            self.note_duration(&intent, now);
        } else if let Some(watch) = self.watch_mut(&intent.scope) {
            // Only a whole rescue is worth a pause.
            watch.cooldown_until = now;
        }
    }

    /// The rescue that `intent` ends has been verified: how long did all of it take?
    fn note_duration(&mut self, intent: &Intent, now: Timestamp) {
        let watch = self.watch_mut(&intent.scope);
        let began = watch.and_then(|watch| watch.began.take());
        if let Some((plan, began_at)) = began
            && plan == intent.plan
        {
            self.note_need(Some(now.since(began_at)));
        }
    }

    pub(super) fn note_need(&mut self, took_ms: Option<i64>) {
        self.needs.note(took_ms);
        self.gauge.set_time_needed(self.needs.time_needed_ms());
    }

    /// Puts back what a recycling trim freed, or ends its plan and says why nothing is put back.
    pub(super) fn second_half(
        &mut self,
        intent: &Intent,
        fill: Option<&FillReport>,
        reaches: bool,
        now: Timestamp,
    ) {
        match self.to_put_back(intent, fill, now) {
            Ok(amount) if self.recycle(intent, amount, reaches, now) => {
                self.barren.remove(&intent.scope);
                return;
            }
            Ok(_) | Err(None) => {}
            Err(Some(why)) => {
                if self.free_beside(intent) < LEAST_RECYCLE {
                    let watches = &self.watches;
                    self.barren
                        .retain(|scope| watches.iter().any(|(known, _)| known == scope));
                    self.barren.insert(intent.scope.clone());
                }
                let text = explain::not_put_back(intent, &why);
                self.tell(intent, ReportKind::NotDone, Severity::Warning, text, now);
            }
        }
        self.out
            .push_back(Action::Record(Entry::PlanEnded { plan: intent.plan }));
    }

    /// How much of what a trim freed can be put back; otherwise why not, where that is worth a word.
    fn to_put_back(
        &self,
        intent: &Intent,
        fill: Option<&FillReport>,
        now: Timestamp,
    ) -> Result<Money, Option<String>> {
        let recycles = matches!(intent.kind, IntentKind::Reduce { recycle: true, .. });
        if !recycles || !self.desk.positions.contains_key(&intent.key) {
            return Err(None);
        }
        if self.paused || self.mode <= Mode::Watch {
            return Err(Some(
                "nothing is sent while paused or in watch mode".to_owned(),
            ));
        }
        if self.flights.contains_key(&intent.scope) {
            return Err(Some("another act on it is under way".to_owned()));
        }
        let freed = freed_by(intent, fill, &self.desk, &self.policy, now).floor_to(MONEY_STEP);
        if freed < LEAST_RECYCLE {
            return Err(Some("the trim has freed nothing".to_owned()));
        }
        let free = self.free_beside(intent);
        let amount = freed.min(free).floor_to(MONEY_STEP);
        if amount < LEAST_RECYCLE {
            let (freed, free) = (explain::money(freed), explain::money(free.max(Money::ZERO)));
            return Err(Some(format!(
                "the trim has freed {freed}, but {free} can be spent: something else has taken it"
            )));
        }
        Ok(amount)
    }

    /// The plan without a trim that was just seen to move no line, because what it frees cannot be put
    /// back while the wallet is short. In deep danger less is at stake after it all the same.
    pub(super) fn without_barren(&self, mut plan: Plan, scope: &Scope, danger: &Danger) -> Plan {
        let Some(chosen) = &plan.chosen else {
            return plan;
        };
        let recycles = matches!(chosen.kind, IntentKind::Reduce { recycle: true, .. });
        let held = self.desk.positions.get(&chosen.key);
        let balance = held.and_then(|held| self.desk.balances.get(&held.position.margin_asset));
        let free = balance.map_or(Money::ZERO, |balance| balance.available);
        let short = free - self.policy.budgets.keep_available < LEAST_RECYCLE;
        if recycles && short && !danger.is_deep() && self.barren.contains(scope) {
            // It was told when it was seen; what is left is to wait, and not for long.
            plan.chosen = None;
            plan.holds = true;
        }
        plan
    }

    /// What is available now less what is to be kept and what other acts on their way will take.
    pub(super) fn free_beside(&self, intent: &Intent) -> Money {
        let asset = &intent.margin_asset;
        let balance = self.desk.balances.get(asset);
        let available = balance.map_or(Money::ZERO, |balance| balance.available);
        let under_way = self.flights.values().chain(&self.backlog);
        let promised: Money = under_way
            .filter(|flight| flight.sighting(&self.desk) == Sighting::NotYet)
            .map(|flight| flight.takes(asset))
            .sum();
        available - self.policy.budgets.keep_available - promised
    }
}

/// With the first picture after the receive window the next look-up can decide: it need not wait for
/// its turn. Only with the first, or pictures and look-ups would chase each other.
fn hurry_look_up(flight: &mut Flight, taken_at: Timestamp, now: Timestamp) {
    if let Stage::Looking {
        closes_at, next_at, ..
    } = &mut flight.stage
        && taken_at >= *closes_at
        && !flight.hurried
    {
        flight.hurried = true;
        *next_at = now.min(*next_at);
    }
}

/// The pauses that follow a rescue that was seen.
fn rest_after(watch: &mut Watch, reaches: bool, cooldown_ms: i64, now: Timestamp) {
    watch.refusals = 0;
    watch.helpless = None;
    watch.addition_lost = false;
    if !reaches {
        // The trim that came first has not been enough.
        watch.add_failed_until = now;
    }
    watch.rest_until = now.plus_ms(SHORT_PAUSE_MS);
    let pause = if reaches { cooldown_ms } else { SHORT_PAUSE_MS };
    watch.cooldown_until = now.plus_ms(pause);
}
