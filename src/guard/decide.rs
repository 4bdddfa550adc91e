//! From danger to a decision: levels, the question whether to act, and the start of an intent.

use super::Guard;
use super::action::{Action, ReportKind, Severity};
use super::event::{Mode, Question};
use super::explain;
use super::flight::{Flight, Stage};
use super::intent::{Before, Intent, IntentId, IntentKind, Scope};
use super::journal::{Entry, Spent, spent_key};
use super::level::Level;
use super::lifecycle::SHORT_PAUSE_MS;
use super::planner::{Candidate, Plan, Situation};
use super::policy::Silence;
use super::watch::{Danger, Line, Watch, crash, level_for, reach};
use crate::domain::{Money, PositionKey, PositionSide, Price, Timestamp};
use crate::forecast::{Touch, breach, time_left_ms};
use crate::margin::{ScopeMargin, Shock};

/// Watch mode tells what it would do at most this often per scope.
const TELL_AGAIN_MS: i64 = 10 * 60_000;
/// A scope that cannot be helped is planned again after this pause.
const HELPLESS_PAUSE_MS: i64 = 5_000;
/// A question stays open at least this long.
const LEAST_ASK_MS: i64 = 5_000;

impl Guard {
    pub(super) fn assess_all(&mut self, now: Timestamp) {
        for index in 0..self.watches.len() {
            self.assess(index, now);
        }
    }

    /// Measures one scope, moves its level, and decides when the act line is crossed.
    pub(super) fn assess(&mut self, index: usize, now: Timestamp) {
        let Some((scope, watch)) = self.watches.get_mut(index) else {
            return;
        };
        watch.refresh_lines(scope, &self.desk, &self.policy);
        if watch.can_add.is_none() {
            let can_add = self.can_add(index, now);
            if let Some((_, watch)) = self.watches.get_mut(index) {
                watch.can_add = Some(can_add);
            }
        }
        let Some((scope, watch)) = self.watches.get_mut(index) else {
            return;
        };
        let level_of = |watch: &Watch, worst: Option<(usize, Danger)>| {
            worst.map_or(Level::Calm, |(_, danger)| {
                level_for(danger.nearness(), watch.level)
            })
        };
        let mut worst = watch.worst(&self.desk, &self.gauge, &self.policy);
        let mut measured = level_of(watch, worst);
        if measured > Level::Calm && watch.drifted {
            watch.stale = true;
            watch.refresh_lines(scope, &self.desk, &self.policy);
            worst = watch.worst(&self.desk, &self.gauge, &self.policy);
            measured = level_of(watch, worst);
        }
        if measured < Level::Acting {
            watch.helpless = None;
        }
        if measured == Level::Calm {
            watch.bound_price = false;
            watch.refusals = 0;
            watch.declined = None;
        }
        let helpless = measured == Level::Acting && watch.helpless.is_some();
        let level = if helpless { Level::Distress } else { measured };
        let level = watch.settled(level, now);
        let cause = (level != watch.level).then(|| self.change_level(index, level, worst, now));
        self.put_back_now(index, now);
        self.returns(index, level, now);
        if level >= Level::Acting
            && let Some((line, danger)) = worst
        {
            self.decide(index, line, danger, cause, now);
        }
    }

    /// Moves the level and says why; returns that cause.
    fn change_level(
        &mut self,
        index: usize,
        to: Level,
        worst: Option<(usize, Danger)>,
        now: Timestamp,
    ) -> String {
        let cause = self.cause(index, worst);
        let Some((scope, watch)) = self.watches.get_mut(index) else {
            return cause;
        };
        let from = std::mem::replace(&mut watch.level, to);
        watch.cause.clone_from(&cause);
        let scope = scope.clone();
        let entry = Entry::Level {
            scope: scope.clone(),
            from,
            to,
            cause: cause.clone(),
        };
        self.out.push_back(Action::Record(entry));
        let severity = match to {
            Level::Calm | Level::Watch => Severity::Info,
            Level::ActSoon | Level::Acting => Severity::Warning,
            Level::Distress => Severity::Alarm,
        };
        if to > from || to == Level::Calm {
            let text = format!("{to} (was {from}): {cause}.");
            self.report(now, ReportKind::Level, severity, Some(scope), None, text);
        }
        cause
    }

    pub(super) fn cause(&self, index: usize, worst: Option<(usize, Danger)>) -> String {
        let Some((_, watch)) = self.watches.get(index) else {
            return String::new();
        };
        let line = worst.map_or(0, |(line, _)| line);
        let Some(line) = watch.lines.get(line) else {
            return "no position".to_owned();
        };
        let Some(held) = self.desk.positions.get(&line.key) else {
            return String::new();
        };
        let mark = self.desk.mark(&held.position);
        let danger = worst.map(|(_, danger)| danger);
        let chance = danger.as_ref().and_then(|danger| self.chance(line, danger));
        explain::standing(line, mark, danger.as_ref(), chance, &self.policy)
    }

    /// Chance, 0..1, of touching `line` within the horizon; `None` without a forecast.
    pub(super) fn chance(&self, line: &Line, danger: &Danger) -> Option<f64> {
        let feed = self.desk.feeds.get(&line.key.symbol)?;
        let horizon = self.policy.triggers.horizon_ms;
        breach(&feed.bars, danger.distance, line.falls_hurt, horizon)
    }

    /// The act line of a scope is crossed: plan and start, or say why not. `standing`: what was said of
    /// this very danger just now, if anything was.
    fn decide(
        &mut self,
        index: usize,
        line: usize,
        danger: Danger,
        standing: Option<String>,
        now: Timestamp,
    ) {
        let Some((scope, watch)) = self.watches.get(index) else {
            return;
        };
        let Some(key) = watch.lines.get(line).map(|line| line.key.clone()) else {
            return;
        };
        let scope = scope.clone();
        self.hurry_question(&scope, &key, danger, now);
        let Some((_, watch)) = self.watches.get(index) else {
            return;
        };
        // Inside the hysteresis band the level stays, but the act line is not crossed.
        if !self.recovered
            || self.flights.contains_key(&scope)
            || danger.nearness() > 1.0
            || !watch.is_free(&danger, now)
            || !self.sees_scope(&scope)
            || !self.touches(&scope)
        {
            return;
        }
        let told = watch.told_at;
        let passive = self.paused || self.mode == Mode::Watch;
        if passive && told.is_some_and(|at| now.since(at) < TELL_AGAIN_MS) {
            return;
        }
        let standing = standing.unwrap_or_else(|| self.cause(index, Some((line, danger))));
        let plan = self
            .plan_for(&scope, &key, danger, now)
            .unwrap_or_else(|| Plan::impossible("the balance behind it is not known"));
        let plan = self.without_doubted(plan);
        let plan = self.without_barren(plan, &scope, &danger);
        if let Some(chosen) = &plan.chosen
            && self.is_busy(&chosen.key)
        {
            return;
        }
        if plan.holds {
            if let Some((_, watch)) = self.watches.get_mut(index) {
                watch.rest_until = now.plus_ms(SHORT_PAUSE_MS);
            }
            return;
        }
        match (&plan.chosen, passive) {
            (None, _) => self.helpless(index, &scope, &plan, &standing, now),
            (Some(chosen), true) => {
                let why = if self.paused { "paused" } else { "watch mode" };
                let choice = explain::choice(chosen, &plan);
                let text = format!("Would act ({why}): {standing}. Cheapest rescue: {choice}.");
                if let Some((_, watch)) = self.watches.get_mut(index) {
                    watch.told_at = Some(now);
                }
                self.report(
                    now,
                    ReportKind::WouldDo,
                    Severity::Alarm,
                    Some(scope),
                    None,
                    text,
                );
            }
            (Some(chosen), false) => {
                if let Some((_, watch)) = self.watches.get_mut(index) {
                    watch.helpless = None;
                }
                let reason = format!("{standing}. {}", explain::choice(chosen, &plan));
                let chosen = chosen.clone();
                self.start(scope, &chosen, reason, danger, now);
            }
        }
    }

    /// Is any position of the scope one that may be acted on?
    fn touches(&self, scope: &Scope) -> bool {
        let mut members = self.desk.members(scope);
        members.any(|held| self.policy.may_touch(&held.position.key.symbol))
    }

    /// Is an intent on this position under way, in whatever scope it was when that was made?
    fn is_busy(&self, key: &PositionKey) -> bool {
        let mut under_way = self.flights.values().chain(&self.backlog);
        under_way.any(|flight| flight.intent.key == *key)
    }

    /// Could margin be added to the scope now, enough to matter?
    pub(super) fn can_add(&self, index: usize, now: Timestamp) -> bool {
        let Some((scope, watch)) = self.watches.get(index) else {
            return false;
        };
        // Into a cross wallet money comes from outside only, and only where that is allowed.
        let from_outside = self.policy.allowance.move_in_per_day.is_positive();
        if matches!(scope, Scope::Cross(_)) && !from_outside {
            return false;
        }
        let Some(line) = watch.lines.first() else {
            return false;
        };
        let Some(feed) = self.desk.feeds.get(&line.key.symbol) else {
            return false;
        };
        let reach = reach(feed, true, &self.gauge, &self.policy, line.falls_hurt);
        let danger = Danger {
            distance: 0.0,
            needed: reach.needed,
            act_distance: reach.act,
            floor_crossed: false,
        };
        let can = self.in_situation(scope, line, danger, None, now, |situation| {
            situation.can_add()
        });
        can == Some(true)
    }

    fn plan_for(
        &self,
        scope: &Scope,
        key: &PositionKey,
        danger: Danger,
        now: Timestamp,
    ) -> Option<Plan> {
        let (_, watch) = self.watches.iter().find(|(known, _)| known == scope)?;
        let line = watch.lines.iter().find(|line| line.key == *key)?;
        self.in_situation(scope, line, danger, None, now, |situation| situation.plan())
    }

    /// Gathers what a decision on `line` looks at; with `moved` as if its mark were there.
    pub(super) fn in_situation<T>(
        &self,
        scope: &Scope,
        line: &Line,
        danger: Danger,
        moved: Option<Price>,
        now: Timestamp,
        decide: impl FnOnce(&Situation<'_>) -> T,
    ) -> Option<T> {
        let key = &line.key;
        let mut margin = self.desk.margin(scope)?;
        margin.rules.partial_close = self.policy.partial_close;
        if let Some(mark) = moved {
            margin = margin.at_mark(&key.symbol, mark);
        }
        let (_, watch) = self.watches.iter().find(|(known, _)| known == scope)?;
        let spent = margin
            .legs
            .iter()
            .map(|leg| (leg.key.clone(), self.spent_today(&leg.key, now)))
            .collect();
        // Where the venue's line is the nearer one, plan as if the wallet were as small as that line
        // says: an effect on the own line alone would not be one.
        if line.alone != line.own
            && let Some(alone) = line.alone
        {
            let implied = margin.wallet_for_line(&key.symbol, alone);
            margin.wallet = margin.wallet.min(implied);
        }
        let asset = self.desk.positions.get(key)?.position.margin_asset.clone();
        let under_way = self.flights.values().chain(&self.backlog);
        let promised = under_way.clone().map(|flight| flight.takes(&asset)).sum();
        let moving = |asking: bool| -> Money {
            let moving = under_way.clone().filter(|flight| flight.is_out() != asking);
            moving.map(|flight| flight.moves_in(&asset)).sum()
        };
        let (asked, sent) = (moving(true), moving(false));
        let cross_seen = self.sees_scope(&Scope::Cross(asset));
        let feed = self.desk.feeds.get(&key.symbol);
        let sigmas = feed.and_then(|feed| feed.bars.sigmas());
        let touch = sigmas.map(Touch::of);
        let crash = self.crash_of(&margin, line);
        let situation = Situation {
            scope,
            margin: &margin,
            desk: &self.desk,
            policy: &self.policy,
            gauge: &self.gauge,
            touch: touch.as_ref(),
            danger,
            key,
            falls_hurt: line.falls_hurt,
            crash: crash.as_ref(),
            spent: &spent,
            promised,
            cross_seen,
            bound_price: watch.bound_price,
            imagined: moved.is_some(),
            add_refused: watch.add_refused_until > now,
            add_failed: watch.add_failed_until > now,
            may_cancel: self.cancels.allows(now),
            may_move: self.moves.allows(now),
            moved_in: self.moved_in_today(now) + asked,
            moving: asked + sent,
        };
        Some(decide(&situation))
    }

    /// How the other symbols of `margin` move along with that of `line`, where no trim changes that: one
    /// that leaves the smaller of two legs in one symbol turns its direction.
    fn crash_of(&self, margin: &ScopeMargin, line: &Line) -> Option<Shock> {
        let symbol = &line.key.symbol;
        let mut sides = margin.legs.iter().map(|leg| leg.key.position_side);
        let one_way = sides.all(|side| side == PositionSide::Both);
        (one_way && !margin.is_all_in(symbol))
            .then(|| crash(margin, &self.desk.joint, symbol, line.falls_hurt))
    }

    fn helpless(
        &mut self,
        index: usize,
        scope: &Scope,
        plan: &Plan,
        standing: &str,
        now: Timestamp,
    ) {
        let reason = match plan.remarks.as_slice() {
            [] => "no allowed action would help".to_owned(),
            remarks => remarks.join("; "),
        };
        let Some((_, watch)) = self.watches.get_mut(index) else {
            return;
        };
        watch.rest_until = now.plus_ms(HELPLESS_PAUSE_MS);
        // The numbers in the reason change all the time: a change alone is not news.
        let known = watch.helpless.replace(reason.clone());
        let lately = now.since(watch.helpless_told_at) < TELL_AGAIN_MS;
        if known.as_ref() == Some(&reason) || (known.is_some() && lately) {
            return;
        }
        watch.helpless_told_at = now;
        let text = format!("CANNOT PROTECT {scope}: {standing}. {reason}. Act by hand.");
        let scope = Some(scope.clone());
        self.report(
            now,
            ReportKind::Powerless,
            Severity::Alarm,
            scope,
            None,
            text,
        );
    }

    /// Makes the intent of a chosen candidate, and sends it or asks first.
    fn start(
        &mut self,
        scope: Scope,
        chosen: &Candidate,
        reason: String,
        danger: Danger,
        now: Timestamp,
    ) {
        self.plan = self.plan.saturating_add(1);
        let plan = self.plan;
        let Some(intent) = self.intent(scope, chosen, plan, reason, now) else {
            return;
        };
        self.out.push_back(Action::Record(Entry::Intent {
            intent: intent.clone(),
        }));
        if self.mode == Mode::Auto {
            self.launch(intent, chosen.reaches, now);
        } else {
            self.ask(intent, chosen.reaches, danger, now);
        }
    }

    pub(super) fn intent(
        &mut self,
        scope: Scope,
        chosen: &Candidate,
        plan: u64,
        reason: String,
        now: Timestamp,
    ) -> Option<Intent> {
        let position = &self.desk.positions.get(&chosen.key)?.position;
        let asset = position.margin_asset.clone();
        // An id is never used twice: without a new one nothing can be sent.
        self.sequence = self.sequence.checked_add(1)?;
        Some(Intent {
            id: IntentId::new(&self.policy.instance, self.sequence),
            plan,
            scope,
            key: chosen.key.clone(),
            side: position.side,
            margin_mode: position.margin_mode,
            position_mode: self.desk.position_mode,
            before: Before {
                quantity: position.quantity,
                isolated_wallet: position.isolated_wallet,
                cross_wallet: self
                    .desk
                    .balances
                    .get(&asset)
                    .map_or(Money::ZERO, |balance| balance.cross_wallet),
            },
            margin_asset: asset,
            kind: chosen.kind.clone(),
            recycled: false,
            cost: chosen.cost,
            reason,
            planned_at: now,
        })
    }

    /// The second half of trim-and-recycle: puts back what the first half freed.
    pub(super) fn recycle(
        &mut self,
        first: &Intent,
        amount: Money,
        reaches: bool,
        now: Timestamp,
    ) -> bool {
        let chosen = Candidate {
            label: String::new(),
            key: first.key.clone(),
            kind: IntentKind::AddMargin { amount },
            line_after: None,
            distance_after: 0.0,
            reaches: true,
            cost: Money::ZERO,
            price: Money::ZERO,
            new_money: Money::ZERO,
        };
        let freed = explain::money(amount);
        let reason = format!(
            "Second half of plan {}: put back the {freed} that {} freed",
            first.plan, first.id
        );
        let scope = first.scope.clone();
        let Some(mut intent) = self.intent(scope, &chosen, first.plan, reason, now) else {
            return false;
        };
        intent.recycled = true;
        self.out.push_back(Action::Record(Entry::Intent {
            intent: intent.clone(),
        }));
        self.launch(intent, reaches, now);
        true
    }

    fn ask(&mut self, intent: Intent, reaches: bool, danger: Danger, now: Timestamp) {
        let silence_acts = self.policy.silence == Silence::Act;
        let deadline = now.plus_ms(self.patience(&intent.key, danger));
        let question = Question {
            intent: intent.clone(),
            deadline,
            silence_acts,
        };
        let record = Entry::Asked {
            intent: intent.id.clone(),
            deadline,
        };
        self.out.push_back(Action::Record(record));
        self.out.push_back(Action::Ask(question));
        let stage = Stage::Asking {
            deadline,
            silence_acts,
        };
        self.flights
            .insert(intent.scope.clone(), Flight::new(intent, stage, reaches));
    }

    /// A question whose silence acts waits no longer than the danger of now allows.
    fn hurry_question(&mut self, scope: &Scope, key: &PositionKey, danger: Danger, now: Timestamp) {
        let latest = now.plus_ms(self.patience(key, danger));
        let Some(flight) = self.flights.get_mut(scope) else {
            return;
        };
        let Stage::Asking {
            deadline,
            silence_acts: true,
        } = &mut flight.stage
        else {
            return;
        };
        if latest.plus_ms(LEAST_ASK_MS) > *deadline {
            return;
        }
        *deadline = latest;
        let intent = flight.intent.id.clone();
        let record = Entry::Asked {
            intent,
            deadline: latest,
        };
        self.out.push_back(Action::Record(record));
    }

    /// How long the trader may take: half of the time left.
    fn patience(&self, key: &PositionKey, danger: Danger) -> i64 {
        let feed = self.desk.feeds.get(&key.symbol);
        let left = feed.and_then(|feed| time_left_ms(&feed.bars, danger.distance));
        let half = left.map_or(self.policy.ask_ms, |left| left / 2);
        half.clamp(LEAST_ASK_MS, self.policy.ask_ms.max(LEAST_ASK_MS))
    }

    /// Hands an intent to the driver: recorded as sent, then sent, then said.
    pub(super) fn launch(&mut self, intent: Intent, reaches: bool, now: Timestamp) {
        self.charge(&intent, now);
        self.out.push_back(Action::Record(Entry::Sent {
            intent: intent.id.clone(),
        }));
        self.out.push_back(Action::Send(intent.clone()));
        let text = format!("Sent: {}. {}.", explain::deed(&intent), intent.reason);
        let scope = Some(intent.scope.clone());
        let told = Some(intent.clone());
        self.report(now, ReportKind::Sent, Severity::Warning, scope, told, text);
        if let Some(watch) = self.watch_mut(&intent.scope)
            && watch.began.is_none_or(|(plan, _)| plan != intent.plan)
        {
            watch.began = Some((intent.plan, now));
        }
        let mut flight = Flight::new(intent, Stage::Sent { at: now }, reaches);
        flight.charged_at = now;
        self.flights.insert(flight.intent.scope.clone(), flight);
    }

    /// Books an intent on the budgets of its position. A second half spends what the first freed.
    fn charge(&mut self, intent: &Intent, now: Timestamp) {
        if intent.recycled || !intent.is_rescue() {
            self.repay(intent, now);
            return;
        }
        let mut spent = self.spent_today(&intent.key, now);
        spent.actions = spent.actions.saturating_add(1);
        if let IntentKind::AddMargin { amount } = intent.kind {
            spent.added += amount;
            spent.top_ups = spent.top_ups.saturating_add(1);
        }
        if let IntentKind::MoveIn { amount, .. } = intent.kind {
            spent.moved_in += amount;
        }
        self.spent.insert(spent_key(&intent.key), spent);
    }

    /// Takes what surely was not executed off the budgets of the day on which it was booked.
    pub(super) fn refund(&mut self, flight: &Flight, now: Timestamp) {
        let intent = &flight.intent;
        if !intent.is_rescue() {
            self.unrepay(intent, now);
            return;
        }
        let mut spent = self.spent_today(&intent.key, now);
        if intent.recycled || flight.charged_at.day_start() != spent.day {
            return;
        }
        spent.actions = spent.actions.saturating_sub(1);
        if let IntentKind::AddMargin { amount } = intent.kind {
            spent.added = (spent.added - amount).max(Money::ZERO);
            spent.top_ups = spent.top_ups.saturating_sub(1);
        }
        if let IntentKind::MoveIn { amount, .. } = intent.kind {
            spent.moved_in = (spent.moved_in - amount).max(Money::ZERO);
        }
        self.spent.insert(spent_key(&intent.key), spent);
    }

    fn spent_today(&self, key: &PositionKey, now: Timestamp) -> Spent {
        let today = now.day_start();
        let fresh = Spent {
            day: today,
            ..Spent::default()
        };
        let known = self.spent.get(&spent_key(key)).copied();
        known.filter(|spent| spent.day == today).unwrap_or(fresh)
    }
}
