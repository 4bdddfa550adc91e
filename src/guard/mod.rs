//! The heart: events and time in, actions out.
//!
//! `handle(event, now)`, then drain `next_action()`, then wait for the next event or `deadline()`.
//! `now` is the venue's wall clock as well as it is known. Deterministic: the same events give the
//! same actions. Knows no clock, socket, file, environment, random source or log; floats only
//! through `forecast`, whose results can only make it act earlier than the exact floors.
//!
//! Invariants: every order it emits reduces, and every order it cancels would enlarge exposure; margin
//! leaves a position only in calm, and only what the guard itself has added; an intent is emitted for
//! sending at most once, after its records; a scope has at most one intent under way; nothing is sent in `watch` mode, while
//! paused, or while an input that the decision needs is stale.

pub mod action;
pub mod allowance;
mod decide;
mod desk;
mod doubt;
pub mod event;
pub mod explain;
mod flight;
mod giveback;
pub mod intent;
pub mod journal;
pub mod level;
mod lifecycle;
mod lookup;
mod needs;
pub mod outlook;
mod planner;
pub mod policy;
mod question;
mod scoring;
mod sight;
mod verify;
mod view;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::domain::{Account, Symbol, Timestamp};
use crate::forecast::Gauge;
use action::{Action, Report, ReportKind, Severity, View};
use desk::{Changes, Desk, scope_of};
use doubt::Doubt;
use event::{AccountChange, Command, Event, Mark, Mode, OrderOrigin, OrderUpdate, Refresh};
use flight::Flight;
use giveback::Loans;
use intent::{Intent, Scope};
use journal::{Entry, Recovered, Spent};
use needs::Needs;
use planner::freeing::Pace;
use policy::Policy;
use scoring::Scoring;
use sight::{Findings, Sight};
use watch::Watch;

/// After a private change the account is read again this much later.
const REREAD_AFTER_MS: i64 = 250;

/// The guard of one account.
#[derive(Debug)]
pub struct Guard {
    policy: Policy,
    gauge: Gauge,
    needs: Needs,
    mode: Mode,
    paused: bool,
    /// `Event::Recovered` has come; before it nothing is started, lest an id be used again.
    recovered: bool,
    desk: Desk,
    /// Sorted by scope.
    watches: Vec<(Scope, Watch)>,
    flights: BTreeMap<Scope, Flight>,
    /// Further open intents of a scope that a restart found; resolved one after the other.
    backlog: Vec<Flight>,
    /// Reductions that may still take something although nobody waits for them.
    doubts: Vec<Doubt>,
    /// Isolated positions of which what a trim freed could not be put back: the cross account took it.
    barren: BTreeSet<Scope>,
    /// Executed first halves that wait for the first account picture.
    unfinished: Vec<(Intent, Option<intent::FillReport>)>,
    sight: Sight,
    /// The venue says that the account may not trade.
    barred: bool,
    spent: BTreeMap<String, Spent>,
    scoring: Scoring,
    cancels: Pace,
    moves: Pace,
    /// Margin of ours in positions.
    loans: Loans,
    sequence: u64,
    plan: u64,
    out: VecDeque<Action>,
    wake: Timestamp,
}

impl Guard {
    /// A guard that knows nothing yet; feed it `Event::Recovered` first.
    #[must_use]
    pub fn new(policy: Policy, now: Timestamp) -> Self {
        let triggers = &policy.triggers;
        let gauge = Gauge::new(triggers.preset.caution(), triggers.time_needed_ms);
        Self {
            gauge,
            needs: Needs::new(triggers.time_needed_ms),
            mode: policy.mode,
            paused: false,
            recovered: false,
            desk: Desk::default(),
            watches: Vec::new(),
            flights: BTreeMap::new(),
            backlog: Vec::new(),
            doubts: Vec::new(),
            barren: BTreeSet::new(),
            unfinished: Vec::new(),
            sight: Sight::new(now),
            barred: false,
            spent: BTreeMap::new(),
            scoring: Scoring::default(),
            cancels: Pace::default(),
            moves: Pace::default(),
            loans: Loans::new(
                policy.allowance.give_back.allowed,
                policy.allowance.give_back.after_ms,
            ),
            sequence: 0,
            plan: 0,
            out: VecDeque::new(),
            wake: now,
            policy,
        }
    }

    /// Takes one event at `now`.
    pub fn handle(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Mark(mark) => {
                let quiet = self.out.len();
                self.on_mark(&mark, now);
                // Whatever was started may want to be woken earlier than was known.
                if now < self.wake && self.out.len() == quiet {
                    return;
                }
            }
            Event::History { symbol, bars } => {
                self.desk.apply_history(&symbol, &bars);
                self.sight.arrived(Refresh::History, now, &self.policy);
            }
            Event::Book(book) => {
                self.desk.apply_book(book);
                if now < self.wake {
                    return;
                }
            }
            Event::Instruments(instruments) => {
                for instrument in instruments {
                    let rules = self
                        .desk
                        .rules
                        .entry(instrument.symbol.clone())
                        .or_default();
                    rules.instrument = Some(instrument);
                }
                self.sight.arrived(Refresh::Rules, now, &self.policy);
                self.sight.check_soon();
            }
            Event::Tiers { symbol, table } => {
                self.desk.rules.entry(symbol).or_default().tiers = Some(Arc::new(table));
                self.all_lines_stale();
                if self.desk.picture_at.is_some() {
                    self.sight.check_soon();
                }
            }
            Event::TakerFee { symbol, rate } => self.desk.set_fee(symbol.as_ref(), rate),
            Event::Outside(wallets) => self.desk.outside = wallets,
            Event::Account(account) => self.on_account(&account, now),
            Event::Change(change) => self.on_change(&change, now),
            Event::Order(update) => self.on_order(&update, now),
            Event::ConfigChanged => {
                self.sight.want(Refresh::Account, now);
                self.sight.want(Refresh::Rules, now);
            }
            Event::Link { up, .. } => {
                // Whatever a stream did not tell while it was down, a re-read will.
                if up {
                    self.sight.want(Refresh::Account, now);
                }
            }
            Event::Outcome { intent, outcome } => self.on_outcome(&intent, outcome, now),
            Event::Resolved { intent, resolution } => self.on_resolved(&intent, resolution, now),
            Event::RefreshFailed { what, message: _ } => self.sight.failed(what, now),
            Event::Recovered(recovered) => self.on_recovered(*recovered, now),
            Event::TimeJump { gap_ms } => self.on_time_jump(gap_ms, now),
            Event::Command(command) => self.on_command(command, now),
            Event::Tick => {}
        }
        self.settle(now);
    }

    /// The next thing to do, in order; `None` when drained.
    pub fn next_action(&mut self) -> Option<Action> {
        self.out.pop_front()
    }

    /// When `Event::Tick` is wanted at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        (self.wake < Timestamp::MAX).then_some(self.wake)
    }

    /// The guard as seen from outside.
    #[must_use]
    pub fn view(&self, now: Timestamp) -> View {
        view::view(self, now)
    }

    /// Is any intent under way?
    #[must_use]
    pub fn is_acting(&self) -> bool {
        !self.flights.is_empty() || !self.backlog.is_empty()
    }

    /// Symbols with an open position.
    #[must_use]
    pub fn symbols(&self) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = self
            .desk
            .positions
            .keys()
            .map(|key| key.symbol.clone())
            .collect();
        symbols.dedup();
        symbols
    }

    fn on_mark(&mut self, mark: &Mark, now: Timestamp) {
        if !self.desk.apply_mark(mark) {
            return;
        }
        if self.sight.misses_mark(&mark.symbol) {
            self.sight.check_soon();
        }
        // Nothing is decided before what has grown old since the last look is known.
        self.look(now);
        for index in 0..self.watches.len() {
            let Some((_, watch)) = self.watches.get_mut(index) else {
                return;
            };
            if watch.follows(&mark.symbol) {
                watch.on_mark(&mark.symbol, mark.price);
                self.assess(index, now);
            }
        }
        self.score_mark(mark, now);
    }

    fn on_account(&mut self, account: &Account, now: Timestamp) {
        let changes = self.desk.apply_account(account);
        self.sight.arrived(Refresh::Account, now, &self.policy);
        self.sight.check_soon();
        self.tell_trading(now);
        self.sync_watches();
        self.all_lines_stale();
        self.tell_foreign(&changes, now);
        self.void_questions(now);
        self.look(now);
        self.follow_loans(now);
        self.verify_flights(account.taken_at, now);
        self.resume_unfinished(now);
        self.assess_all(now);
        self.tell_mismatches(now);
    }

    fn on_change(&mut self, change: &AccountChange, now: Timestamp) {
        let changes = self.desk.apply_change(change);
        self.sight
            .want(Refresh::Account, now.plus_ms(REREAD_AFTER_MS));
        self.sync_watches();
        self.all_lines_stale();
        self.tell_foreign(&changes, now);
        self.void_questions(now);
        self.look(now);
        self.follow_loans(now);
        self.assess_all(now);
    }

    fn on_order(&mut self, update: &OrderUpdate, now: Timestamp) {
        self.desk.apply_order(update);
        let what = match update.origin {
            OrderOrigin::Own => {
                self.on_own_order(update, now);
                return;
            }
            OrderOrigin::Foreign => return,
            OrderOrigin::Liquidation => "The exchange is liquidating",
            OrderOrigin::AutoDeleveraging => "The exchange is auto-deleveraging",
            OrderOrigin::Settlement => "The exchange is settling",
        };
        let text = format!("{what} {}: {} filled.", update.symbol, update.filled);
        self.out
            .push_back(Action::Record(Entry::Foreign { text: text.clone() }));
        self.report(now, ReportKind::Foreign, Severity::Alarm, None, None, text);
        self.sight.want(Refresh::Account, now);
    }

    fn on_time_jump(&mut self, gap_ms: i64, now: Timestamp) {
        let seconds = gap_ms / 1_000;
        let text = format!(
            "The clock jumped by {seconds} s (sleep, pause or a changed clock): everything is read again before anything is done."
        );
        self.report(now, ReportKind::Blind, Severity::Warning, None, None, text);
        self.sight.restart(now);
        self.loans.stir_all(now);
        // What stood still took no time of a rescue.
        for (_, watch) in &mut self.watches {
            watch.began = None;
        }
        if gap_ms < 0 {
            self.desk.clamp_times(now);
            self.clamp_waits(now);
        }
        self.look(now);
    }

    fn on_command(&mut self, command: Command, now: Timestamp) {
        let text = match command {
            Command::Pause => {
                self.set_paused(true, now);
                "Paused: nothing is sent until /resume. Watching goes on.".to_owned()
            }
            Command::Resume => {
                self.set_paused(false, now);
                format!("Resumed in {} mode.", self.mode)
            }
            Command::Mode(mode) if mode > self.policy.mode => format!(
                "Refused: the configuration allows {} at most, chat can only make it safer.",
                self.policy.mode
            ),
            Command::Mode(mode) => {
                let before = std::mem::replace(&mut self.mode, mode);
                self.out.push_back(Action::Record(Entry::Mode { mode }));
                if mode < before {
                    self.withdraw_questions("The mode was changed.", now);
                }
                format!("Mode is now {mode}.")
            }
            Command::Approve(id) => self.approve(&id, now),
            Command::Decline(id) => self.decline(&id, "declined by the trader", now),
        };
        self.report(now, ReportKind::Mode, Severity::Info, None, None, text);
        self.assess_all(now);
    }

    fn set_paused(&mut self, paused: bool, now: Timestamp) {
        self.paused = paused;
        self.out.push_back(Action::Record(Entry::Paused { paused }));
        if paused {
            self.withdraw_questions("Paused.", now);
        }
    }

    fn on_recovered(&mut self, recovered: Recovered, now: Timestamp) {
        self.recovered = true;
        // Ids and plans never run backwards, whatever a journal says.
        self.sequence = self.sequence.max(recovered.last_sequence);
        self.plan = self.plan.max(recovered.last_plan);
        self.spent = recovered.spent;
        self.paused = recovered.paused;
        if let Some(mode) = recovered.mode {
            self.mode = mode.min(self.policy.mode);
        }
        self.unfinished = recovered.unfinished;
        self.void_forecasts(recovered.forecasts);
        self.restore_loans(recovered.loans, now);
        self.recover_open(recovered.open, now);
    }

    /// Time-driven work, and everything that waits for a whole picture.
    fn settle(&mut self, now: Timestamp) {
        self.look(now);
        self.tick_flights(now);
        self.assess_all(now);
        while let Some(what) = self.sight.due(now) {
            self.out.push_back(Action::Refresh(what));
        }
        self.wake = self.next_wake(now);
    }

    /// Are all prices and tiers seen that the line of `scope` depends on?
    fn sees_scope(&self, scope: &Scope) -> bool {
        let mut members = self.desk.members(scope);
        members.all(|held| self.sight.sees(&held.position.key.symbol))
    }

    /// Finds out what is missing, when that is due.
    fn look(&mut self, now: Timestamp) {
        if self.sight.check_is_due(now) {
            let findings = self.sight.check(&self.desk, &self.policy, now);
            self.tell_sight(&findings, now);
        }
    }

    fn next_wake(&self, now: Timestamp) -> Timestamp {
        let flights = self.flights.values().map(Flight::wake_at);
        let pauses = self.watches.iter();
        let pauses = pauses.filter_map(|(_, watch)| watch.wake_at(now));
        let next = flights.chain(pauses).min();
        next.unwrap_or(Timestamp::MAX).min(self.sight.wake_at())
    }

    fn sync_watches(&mut self) {
        let mut scopes: Vec<Scope> = self
            .desk
            .positions
            .values()
            .map(|held| scope_of(&held.position))
            .collect();
        scopes.sort();
        scopes.dedup();
        self.watches.retain(|(scope, _)| scopes.contains(scope));
        for scope in scopes {
            if let Err(place) = self
                .watches
                .binary_search_by(|(known, _)| known.cmp(&scope))
            {
                self.watches.insert(place, (scope, Watch::default()));
            }
        }
    }

    fn all_lines_stale(&mut self) {
        for (_, watch) in &mut self.watches {
            watch.stale = true;
        }
    }

    /// An account that may not trade can still be given margin, but not be trimmed.
    fn tell_trading(&mut self, now: Timestamp) {
        let barred = !self.desk.can_trade;
        if std::mem::replace(&mut self.barred, barred) == barred {
            return;
        }
        let (severity, text) = if barred {
            let text = "CANNOT PROTECT: the exchange says that this account may not trade.";
            (Severity::Alarm, text)
        } else {
            (Severity::Info, "The account may trade again.")
        };
        self.report(
            now,
            ReportKind::Powerless,
            severity,
            None,
            None,
            text.to_owned(),
        );
    }

    fn tell_foreign(&mut self, changes: &Changes, now: Timestamp) {
        let sizes = changes.sizes.iter().filter(|change| {
            let mut flights = self.flights.values();
            !flights.any(|flight| flight.explains(change))
        });
        let growths = changes.growths.iter().filter(|growth| {
            let mut flights = self.flights.values();
            !flights.any(|flight| flight.adds_to(&growth.key))
        });
        let texts: Vec<String> = sizes
            .map(explain::foreign)
            .chain(growths.map(explain::growth))
            .collect();
        for text in texts {
            self.out
                .push_back(Action::Record(Entry::Foreign { text: text.clone() }));
            self.report(now, ReportKind::Foreign, Severity::Info, None, None, text);
        }
    }

    fn tell_sight(&mut self, findings: &Findings, now: Timestamp) {
        for what in &findings.gone {
            let reason = what.describe(&self.desk, now);
            self.out.push_back(Action::Record(Entry::Blind {
                since: now,
                reason: reason.clone(),
            }));
            let text = if what.blocks() {
                self.loans.stir_all(now);
                format!("BLIND: {reason}. Nothing is sent on stale data; reading again.")
            } else {
                format!("Half blind: {reason}.")
            };
            self.report(now, ReportKind::Blind, Severity::Alarm, None, None, text);
        }
        for (what, since) in &findings.found {
            let blind_ms = now.since(*since);
            self.out.push_back(Action::Record(Entry::Sighted {
                since: *since,
                blind_ms,
            }));
            let seconds = blind_ms / 1_000;
            let left = self.sight.missing.len();
            let rest = match left {
                0 => String::new(),
                _ => format!("; {left} other inputs are still missing"),
            };
            let text = format!("Sight regained after {seconds} s: {}{rest}.", what.name());
            self.report(now, ReportKind::Sighted, Severity::Info, None, None, text);
        }
        if findings.unblocked {
            self.assess_all(now);
        }
    }

    fn report(
        &mut self,
        at: Timestamp,
        kind: ReportKind,
        severity: Severity,
        scope: Option<Scope>,
        intent: Option<Intent>,
        text: String,
    ) {
        self.out.push_back(Action::Report(Report {
            at,
            kind,
            severity,
            scope,
            intent,
            text,
        }));
    }
}
