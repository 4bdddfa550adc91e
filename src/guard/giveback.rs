//! Giving back: margin that Plimsoll itself has added and that calm has made superfluous.
//!
//! What was added is kept as a loan per position, journaled whenever it changes. Whatever makes a
//! loan doubtful makes it smaller: a position that grew, flipped or was opened anew has none, a
//! trimmed one keeps its share, and any other shrinking of the wallet is taken for ours first. So the
//! trader's own margin is never touched.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::Guard;
use super::action::{Action, ReportKind, Severity};
use super::event::{Mode, Question, Refresh};
use super::explain;
use super::flight::{Flight, Stage};
use super::intent::{Intent, IntentId, IntentKind, Scope};
use super::journal::{Entry, Loan};
use super::level::Level;
use super::planner::Candidate;
use super::watch::{Line, reach};
use crate::domain::{
    MINUTE_MS, MarginMode, Money, Position, PositionKey, Price, Rate, Side, Timestamp,
};
use crate::forecast::{distance, rate_up, scaled, share};

/// Smaller amounts are not worth a request.
const LEAST_RETURN: Money = Money::of(Decimal::from_parts(5, 0, 0, false, 0));
/// Money is moved in steps of one hundredth.
const MONEY_STEP: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
/// Share of what the venue would let go that is asked for: its mark may be another one.
const OF_REMOVABLE: Rate = Rate::of(Decimal::from_parts(99, 0, 0, false, 2));
/// A position with less than this share of mark left to its line cannot be reasoned about.
const FARTHEST: f64 = 0.9;
/// A return that is not possible now is looked at again after this.
const LOOK_AGAIN_MS: i64 = MINUTE_MS;
/// Entry prices that differ by less than this share are the same, written with other digits.
const SAME_ENTRY: Rate = Rate::of(Decimal::from_parts(1, 0, 0, false, 6));

/// One loan and how long its position has been calm.
#[derive(Debug, Clone)]
struct Lent {
    loan: Loan,
    calm_since: Timestamp,
    /// Not looked at before this.
    look_at: Timestamp,
}

/// All loans. As many as there are isolated positions at most.
#[derive(Debug)]
pub(super) struct Loans {
    lent: BTreeMap<PositionKey, Lent>,
    /// Before this nothing can be due.
    due: Timestamp,
    after_ms: i64,
    allowed: bool,
}

/// What could go back now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Return {
    pub(super) amount: Money,
    pub(super) mark: Price,
    pub(super) line_before: Option<Price>,
    pub(super) line_after: Option<Price>,
    /// Shares of mark: what is left afterwards, the act distance, and where the margin was added.
    pub(super) distance_after: f64,
    pub(super) act_distance: f64,
    pub(super) rescued_at: Rate,
    /// All of ours that is in the position before.
    pub(super) lent: Money,
}

impl Loans {
    pub(super) fn new(allowed: bool, after_ms: i64) -> Self {
        Self {
            lent: BTreeMap::new(),
            due: Timestamp::MAX,
            after_ms,
            allowed,
        }
    }

    fn set_due(&mut self) {
        let after_ms = self.after_ms;
        let due = |lent: &Lent| lent.calm_since.plus_ms(after_ms).max(lent.look_at);
        let next = self.lent.values().map(due).min();
        self.due = next.filter(|_| self.allowed).unwrap_or(Timestamp::MAX);
    }

    /// The calm of this position begins anew.
    fn stir(&mut self, key: &PositionKey, now: Timestamp) {
        if let Some(lent) = self.lent.get_mut(key) {
            lent.calm_since = now;
            self.set_due();
        }
    }

    /// Nobody can say that it was calm until now.
    pub(super) fn stir_all(&mut self, now: Timestamp) {
        for lent in self.lent.values_mut() {
            lent.calm_since = now;
        }
        self.set_due();
    }

    fn is_due(&self, key: &PositionKey, now: Timestamp) -> bool {
        self.lent
            .get(key)
            .is_some_and(|lent| now >= lent.look_at && now.since(lent.calm_since) >= self.after_ms)
    }

    fn look_again(&mut self, key: &PositionKey, at: Timestamp) {
        if let Some(lent) = self.lent.get_mut(key) {
            lent.look_at = at;
            self.set_due();
        }
    }

    /// Keeps a loan, or forgets it when nothing of it is left. Returns the record.
    fn put(&mut self, loan: Loan, calm_since: Timestamp) -> Action {
        if loan.amount.is_positive() {
            let lent = Lent {
                loan: loan.clone(),
                calm_since,
                look_at: calm_since,
            };
            self.lent.insert(loan.key.clone(), lent);
        } else {
            self.lent.remove(&loan.key);
        }
        self.set_due();
        Action::Record(Entry::Loan { loan })
    }
}

impl Guard {
    /// What a journal knew. How calm it was meanwhile nobody knows.
    pub(super) fn restore_loans(&mut self, loans: Vec<Loan>, now: Timestamp) {
        for loan in loans {
            drop(self.loans.put(loan, now));
        }
    }

    /// A verified addition of new money is a loan from here on.
    pub(super) fn lend(&mut self, intent: &Intent, now: Timestamp) {
        let IntentKind::AddMargin { amount } = intent.kind else {
            return;
        };
        let Some(held) = self.desk.positions.get(&intent.key) else {
            return;
        };
        let position = &held.position;
        let isolated = position.margin_mode == MarginMode::Isolated;
        if intent.recycled || !isolated || position.side != intent.side {
            self.loans.stir(&intent.key, now);
            return;
        }
        // What was closed since it was sent has taken its share of the addition along.
        let left = position.quantity.ratio(intent.before.quantity);
        let left = left.unwrap_or(Rate::ZERO).min(Rate::ONE);
        let amount = (amount * left).floor_to(MONEY_STEP);
        // What happened to the position since the last look happened to the older loan.
        let mut before = position.clone();
        before.isolated_wallet -= amount;
        let known = self.loans.lent.get(&intent.key);
        let known = known.map(|lent| follow(&lent.loan, Some(&before)));
        let known = known.filter(|loan| loan.amount.is_positive());
        let rescued_at = self.distance_without(intent).map_or(Rate::ONE, rate_up);
        let loan = Loan {
            key: intent.key.clone(),
            side: position.side,
            quantity: position.quantity,
            entry_price: position.entry_price,
            isolated_wallet: position.isolated_wallet,
            amount: known.as_ref().map_or(Money::ZERO, |loan| loan.amount) + amount,
            rescued_at: known.map_or(rescued_at, |loan| loan.rescued_at.max(rescued_at)),
        };
        let record = self.loans.put(loan, now);
        self.out.push_back(record);
    }

    /// Distance at which the position would stand now without this addition.
    fn distance_without(&self, intent: &Intent) -> Option<f64> {
        let mut margin = self.desk.margin(&intent.scope)?;
        margin.wallet = margin.wallet.min(intent.before.isolated_wallet);
        let symbol = &intent.key.symbol;
        let line = margin.liquidation_price(symbol)?;
        let mark = margin.leg(&intent.key)?.mark;
        let away = distance(mark, line, margin.falls_hurt(symbol)?);
        Some(away.clamp(0.0, 1.0))
    }

    /// Keeps the loans in step with what the account shows.
    pub(super) fn follow_loans(&mut self, now: Timestamp) {
        if self.desk.picture_at.is_none() || self.loans.lent.is_empty() {
            return;
        }
        let keys: Vec<PositionKey> = self.loans.lent.keys().cloned().collect();
        for key in keys {
            // An act of ours under way explains what is seen; it is followed up when it has ended.
            if self.is_under_way(&key) {
                continue;
            }
            let held = self.desk.positions.get(&key).map(|held| &held.position);
            let Some(lent) = self.loans.lent.get_mut(&key) else {
                continue;
            };
            let followed = follow(&lent.loan, held);
            if followed.amount == lent.loan.amount && followed.amount.is_positive() {
                lent.loan = followed;
            } else {
                let calm_since = lent.calm_since;
                let record = self.loans.put(followed, calm_since.min(now));
                self.out.push_back(record);
            }
        }
    }

    fn is_under_way(&self, key: &PositionKey) -> bool {
        let mut flights = self.flights.values().chain(&self.backlog);
        flights.any(|flight| {
            flight.intent.key == *key && !matches!(flight.stage, Stage::Asking { .. })
        })
    }

    /// What leaves is no longer lent, before it leaves: a crash may make the loan too small only.
    pub(super) fn repay(&mut self, intent: &Intent, now: Timestamp) {
        self.shift_loan(intent, |loan, amount| loan.amount -= amount, now);
    }

    /// It surely did not leave.
    pub(super) fn unrepay(&mut self, intent: &Intent, now: Timestamp) {
        self.shift_loan(intent, |loan, amount| loan.amount += amount, now);
    }

    fn shift_loan(&mut self, intent: &Intent, shift: impl Fn(&mut Loan, Money), now: Timestamp) {
        let IntentKind::TakeBack { amount } = intent.kind else {
            return;
        };
        let Some(lent) = self.loans.lent.get_mut(&intent.key) else {
            return;
        };
        lent.calm_since = now;
        shift(&mut lent.loan, amount);
        // One that is all on its way stays known, so that it can come back.
        lent.loan.amount = lent.loan.amount.max(Money::ZERO);
        let loan = lent.loan.clone();
        self.loans.set_due();
        self.out.push_back(Action::Record(Entry::Loan { loan }));
    }

    /// The return was seen: from here the smaller wallet is the one to compare with.
    pub(super) fn returned(&mut self, intent: &Intent, now: Timestamp) {
        let IntentKind::TakeBack { amount } = intent.kind else {
            return;
        };
        let held = self.desk.positions.get(&intent.key);
        let (Some(held), Some(lent)) = (held, self.loans.lent.get(&intent.key)) else {
            return;
        };
        let mut without = held.position.clone();
        without.isolated_wallet += amount;
        let mut loan = follow(&lent.loan, Some(&without));
        loan.isolated_wallet = held.position.isolated_wallet;
        let record = self.loans.put(loan, now);
        self.out.push_back(record);
    }

    /// Called for each assessment: in calm a comparison of two timestamps.
    pub(super) fn returns(&mut self, index: usize, level: Level, now: Timestamp) {
        if level == Level::Calm && now < self.loans.due {
            return;
        }
        let Some((Scope::Isolated(key), _)) = self.watches.get(index) else {
            return;
        };
        let key = key.clone();
        if level > Level::Calm {
            self.loans.stir(&key, now);
            self.withdraw_return(&key, now);
            return;
        }
        if !self.loans.is_due(&key, now) {
            return;
        }
        self.loans.look_again(&key, now.plus_ms(LOOK_AGAIN_MS));
        let scope = Scope::Isolated(key.clone());
        let free = self.recovered
            && !self.paused
            && self.mode > Mode::Watch
            && !self.flights.contains_key(&scope)
            && !self.is_under_way(&key);
        if free && let Some(found) = self.returnable(&key) {
            self.give_back(scope, key, &found, now);
        }
    }

    /// The largest part of the loan that may go back now; `None` when none may.
    pub(super) fn returnable(&self, key: &PositionKey) -> Option<Return> {
        let scope = Scope::Isolated(key.clone());
        let position = &self.desk.positions.get(key)?.position;
        let loan = &follow(&self.loans.lent.get(key)?.loan, Some(position));
        let ours = position.margin_mode == MarginMode::Isolated
            && position.side == loan.side
            && !position.auto_add_margin
            && self.policy.may_touch(&key.symbol);
        if !ours || !self.sees_scope(&scope) {
            return None;
        }
        let (_, watch) = self.watches.iter().find(|(known, _)| *known == scope)?;
        let line = watch.lines.iter().find(|line| line.key == *key)?;
        let mut margin = self.desk.margin(&scope)?;
        let removable = margin.removable_margin()? * OF_REMOVABLE;
        // Plan with the smaller of the own wallet and the one that the venue's nearer line implies,
        // after the funding that is due.
        if line.alone != line.own
            && let Some(nearest) = line.alone
        {
            let implied = margin.wallet_for_line(&key.symbol, nearest);
            margin.wallet = margin.wallet.min(implied);
        }
        margin.wallet -= self
            .desk
            .coming_funding(&margin, self.policy.triggers.horizon_ms);
        let (wished, act_distance) = self.wished_after(loan)?;
        let mark = self.desk.mark(position);
        let wished_line = line_at(mark, wished, line)?;
        let spare = margin.wallet - margin.wallet_for_line(&key.symbol, wished_line);
        let amount = loan.amount.min(removable).min(spare).floor_to(MONEY_STEP);
        if amount < LEAST_RETURN {
            return None;
        }
        let line_after = margin.after_add(-amount).liquidation_price(&key.symbol);
        let distance_after = line_after.map_or(1.0, |after| distance(mark, after, line.falls_hurt));
        (distance_after >= wished).then_some(Return {
            amount,
            mark,
            line_before: line.nearest,
            line_after,
            distance_after,
            act_distance,
            rescued_at: loan.rescued_at,
            lent: loan.amount,
        })
    }

    /// The least distance that must stay, and the act distance. Without a forecast nothing goes back.
    fn wished_after(&self, loan: &Loan) -> Option<(f64, f64)> {
        let feed = self.desk.feeds.get(&loan.key.symbol)?;
        let falls = loan.side == Side::Long;
        self.gauge
            .needed(&feed.bars, &feed.quick, feed.thin(&self.policy), falls)?;
        let act = reach(feed, false, &self.gauge, &self.policy, falls).needed;
        let factor = self.policy.allowance.give_back.factor;
        let wished = scaled(act.max(share(loan.rescued_at)), factor);
        (wished < FARTHEST).then_some((wished, act))
    }

    fn give_back(&mut self, scope: Scope, key: PositionKey, found: &Return, now: Timestamp) {
        let after_ms = self.policy.allowance.give_back.after_ms;
        let factor = self.policy.allowance.give_back.factor;
        let reason = explain::giving_back(found, factor, after_ms);
        let candidate = Candidate {
            label: String::new(),
            key,
            kind: IntentKind::TakeBack {
                amount: found.amount,
            },
            line_after: found.line_after,
            distance_after: found.distance_after,
            reaches: true,
            cost: Money::ZERO,
            price: Money::ZERO,
            new_money: Money::ZERO,
        };
        self.plan = self.plan.saturating_add(1);
        let plan = self.plan;
        let Some(intent) = self.intent(scope, &candidate, plan, reason, now) else {
            return;
        };
        self.out.push_back(Action::Record(Entry::Intent {
            intent: intent.clone(),
        }));
        if self.mode == Mode::Auto {
            self.launch(intent, true, now);
        } else {
            self.ask_to_return(intent, now);
        }
    }

    /// Silence means no: nothing is lost by leaving the margin where it is.
    fn ask_to_return(&mut self, intent: Intent, now: Timestamp) {
        let deadline = now.plus_ms(self.policy.ask_ms);
        self.out.push_back(Action::Record(Entry::Asked {
            intent: intent.id.clone(),
            deadline,
        }));
        self.out.push_back(Action::Ask(Question {
            intent: intent.clone(),
            deadline,
            silence_acts: false,
        }));
        let stage = Stage::Asking {
            deadline,
            silence_acts: false,
        };
        let scope = intent.scope.clone();
        self.flights.insert(scope, Flight::new(intent, stage, true));
    }

    /// Is what was asked still allowed in full?
    pub(super) fn may_return(&self, intent: &Intent) -> bool {
        let IntentKind::TakeBack { amount } = intent.kind else {
            return false;
        };
        let calm = self.level_of(&intent.scope) == Level::Calm;
        calm && self
            .returnable(&intent.key)
            .is_some_and(|found| found.amount >= amount)
    }

    /// A question about a return must not stand in the way of a rescue.
    fn withdraw_return(&mut self, key: &PositionKey, now: Timestamp) {
        let asking = self.flights.values().find(|flight| {
            let returns = matches!(flight.intent.kind, IntentKind::TakeBack { .. });
            returns && flight.intent.key == *key && matches!(flight.stage, Stage::Asking { .. })
        });
        if let Some(id) = asking.map(|flight| flight.intent.id.clone()) {
            self.withdraw(&id, "it is no longer calm", now);
        }
    }

    /// The trader does not want it now: the clock starts again.
    pub(super) fn return_declined(&mut self, key: &PositionKey, now: Timestamp) {
        self.loans.stir(key, now);
    }

    /// The venue refused what is no rescue by itself: no alarm, and no pause for rescues.
    pub(super) fn aside_refused(&mut self, id: &IntentId, message: String, now: Timestamp) {
        self.sight.want(Refresh::Account, now);
        self.not_executed(id, message, now, now);
    }

    /// Words for a return that did not happen; a rescue of the same scope is not held back.
    pub(super) fn tell_not_returned(&mut self, intent: &Intent, text: String, now: Timestamp) {
        self.tell(intent, ReportKind::NotDone, Severity::Info, text, now);
        self.out
            .push_back(Action::Record(Entry::PlanEnded { plan: intent.plan }));
    }
}

/// What is left of a loan in the position as it is now.
fn follow(loan: &Loan, held: Option<&Position>) -> Loan {
    let mut after = loan.clone();
    let Some(position) = held.filter(|held| is_same(loan, held)) else {
        after.amount = Money::ZERO;
        return after;
    };
    let share = position.quantity.ratio(loan.quantity);
    let share = share.unwrap_or(Rate::ZERO).min(Rate::ONE);
    let kept = (loan.amount * share).floor_to(MONEY_STEP);
    let lost = loan.isolated_wallet * share - position.isolated_wallet;
    after.amount = (kept - lost.max(Money::ZERO)).max(Money::ZERO);
    after.quantity = position.quantity;
    after.isolated_wallet = position.isolated_wallet;
    after
}

/// Is it still the position that the loan was made to? One that grew has another entry price.
fn is_same(loan: &Loan, position: &Position) -> bool {
    let apart = (position.entry_price - loan.entry_price).abs();
    position.margin_mode == MarginMode::Isolated
        && position.side == loan.side
        && position.quantity <= loan.quantity
        && apart
            .ratio(loan.entry_price)
            .is_some_and(|apart| apart < SAME_ENTRY)
}

/// The line that would stand at `away` (share of mark).
fn line_at(mark: Price, away: f64, line: &Line) -> Option<Price> {
    let part = rate_up(away);
    let factor = if line.falls_hurt {
        Rate::ONE - part
    } else {
        Rate::ONE + part
    };
    Price::new((mark * factor).get()).ok()
}
