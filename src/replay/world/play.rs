//! The driver: time passes in steps, requests and answers in between, and everything the guard is
//! told or asks for goes through here.

use std::collections::BTreeMap;

use super::baseline::{Baseline, Close};
use super::ended::{Look, Run};
use super::faults::Fate;
use super::stand::Stand;
use super::{Player, Scene, World};
use crate::domain::{MINUTE_MS, Money, PositionKey, Price, Rate, SECOND_MS, Symbol, Timestamp};
use crate::guard::Guard;
use crate::guard::action::Action;
use crate::guard::event::{Bar, Event, Refresh};
use crate::guard::intent::{Intent, Outcome, Resolution};
use crate::replay::STEP_MS;

/// A request without an answer is given up after this long.
const ANSWER_WITHIN_MS: i64 = 5 * SECOND_MS;
/// How long a refused caller is told to wait.
const REFUSED_FOR_MS: i64 = 2 * SECOND_MS;
/// Most acts, answers and wakings within one step; more would be a guard that turns in circles.
const ROUNDS_MAX: usize = 1_000;
/// Books are carried at every step while maintenance takes more than a tenth of a balance, …
const NEAR: Rate = Rate::of(rust_decimal::Decimal::from_parts(1, 0, 0, false, 1));
/// … which is looked at, as the account's course is, once a minute.
const LOOK_STEPS: i64 = MINUTE_MS / STEP_MS;

/// Plays `scene` in `world`; `watched` keeps the course of every position.
#[must_use]
pub fn play(scene: &Scene, world: &World, player: &Player, watched: bool) -> Run {
    let mut stage = Stage::open(scene, world, player, watched);
    stage.begin(scene);
    let mut steps = 0;
    let mut at = scene.start.plus_ms(STEP_MS);
    while at <= scene.end && !stage.stand.is_flat() {
        steps += 1;
        stage.step(at, steps % LOOK_STEPS == 0);
        at = at.plus_ms(STEP_MS);
    }
    stage.end()
}

enum Brain {
    Baseline(Baseline),
    Guard(Box<Guard>),
}

/// Something on its way.
enum Due {
    /// A request reaches the exchange; its answer reaches the guard unless it is lost.
    Reach { intent: Intent, answered: bool },
    /// The guard is told.
    Tell(Event),
    /// The exchange is asked what became of an intent.
    LookUp { intent: Intent, sent_at: Timestamp },
    /// A baseline acts.
    Close(Close),
}

struct Stage<'a> {
    world: &'a World,
    stand: Stand,
    brain: Brain,
    now: Timestamp,
    /// In order of time, then of sending.
    due: BTreeMap<(Timestamp, u64), Due>,
    sent: u64,
    /// Requests so far, for the fault script.
    requests: u64,
    near: bool,
    watched: bool,
    act_prices: BTreeMap<PositionKey, Price>,
    course: Vec<Look>,
    nearest: Option<(PositionKey, Rate)>,
    lookups: u32,
}

impl<'a> Stage<'a> {
    fn open(scene: &Scene, world: &'a World, player: &Player, watched: bool) -> Self {
        let mut stand = Stand::open(scene, world);
        let brain = match player {
            Player::Baseline(policy) => Brain::Baseline(Baseline::open(*policy, &mut stand)),
            Player::Guard(policy) => {
                let first = began(&scene.before, scene.start);
                Brain::Guard(Box::new(Guard::new((**policy).clone(), first)))
            }
        };
        Self {
            world,
            stand,
            brain,
            now: scene.start,
            due: BTreeMap::new(),
            sent: 0,
            requests: 0,
            near: true,
            watched,
            act_prices: BTreeMap::new(),
            course: Vec::new(),
            nearest: None,
            lookups: 0,
        }
    }

    /// What a live agent does at its start, after the guard has watched the market for a while.
    fn begin(&mut self, scene: &Scene) {
        if matches!(self.brain, Brain::Guard(_)) {
            self.watch_market(&scene.before, scene.start);
        }
        self.now = scene.start;
        for event in self.stand.rules() {
            self.feed(event);
        }
        for event in self.stand.marks() {
            self.feed(event);
        }
        for event in self.stand.books() {
            self.feed(event);
        }
        self.feed(Event::Account(self.stand.picture()));
        if let Brain::Guard(guard) = &self.brain {
            for position in guard.view(self.now).positions {
                if let Some(price) = position.act_price {
                    let key = PositionKey {
                        symbol: position.symbol,
                        position_side: position.position_side,
                    };
                    self.act_prices.insert(key, price);
                }
            }
        }
        self.look();
        self.settle();
    }

    fn watch_market(&mut self, before: &BTreeMap<Symbol, Vec<Bar>>, start: Timestamp) {
        self.now = began(before, start);
        self.feed(Event::Recovered(Box::default()));
        self.now = start;
        for (symbol, bars) in before {
            let (symbol, bars) = (symbol.clone(), bars.clone());
            self.feed(Event::History { symbol, bars });
        }
    }

    /// Between two steps requests arrive and the guard is woken where it wants to be; then the price
    /// moves, and with it the exchange liquidates; then everybody sees it.
    fn step(&mut self, at: Timestamp, looks: bool) {
        for _ in 0..ROUNDS_MAX {
            let due = self.due.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = due.into_iter().chain(self.deadline()).min() else {
                break;
            };
            if next >= at {
                break;
            }
            self.now = self.now.max(next);
            self.stand.advance(self.now);
            if due.is_some_and(|due| due <= self.now) {
                self.settle();
            } else {
                self.feed(Event::Tick);
            }
        }
        self.now = at;
        self.stand.advance(at);
        self.hear(true);
        let silent = self.world.faults.is_silent(self.world.seed, at);
        if !silent {
            self.see(looks);
        }
        self.settle();
        self.decide();
        self.settle();
        if looks || self.near {
            self.measure();
        }
        if looks {
            self.near = self.stand.worst_ratio() > NEAR;
            self.look();
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        match &self.brain {
            Brain::Guard(guard) => guard.deadline(),
            Brain::Baseline(_) => None,
        }
    }

    /// Marks, and books where they may matter soon.
    fn see(&mut self, looks: bool) {
        if matches!(self.brain, Brain::Baseline(_)) {
            return;
        }
        if self.near || looks {
            for event in self.stand.books() {
                self.feed(event);
            }
        }
        for event in self.stand.marks() {
            self.feed(event);
        }
    }

    /// What the exchange tells the owner; lost when nobody listens.
    fn hear(&mut self, heard: bool) {
        for event in self.stand.news() {
            if heard {
                self.feed(event);
            }
        }
    }

    /// Everything that is due now.
    fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let first = self.due.first_entry();
            let Some(entry) = first.filter(|entry| entry.key().0 <= self.now) else {
                return;
            };
            match entry.remove() {
                Due::Reach { intent, answered } => self.reach(&intent, answered),
                Due::Tell(event) => self.feed(event),
                Due::LookUp { intent, sent_at } => {
                    let resolution = self.stand.resolve(&intent, sent_at);
                    self.feed(Event::Resolved {
                        intent: intent.id,
                        resolution,
                    });
                }
                Due::Close(close) => {
                    if let Brain::Baseline(baseline) = &mut self.brain {
                        baseline.carry_out(&close, &mut self.stand);
                    }
                    self.hear(false);
                }
            }
        }
    }

    fn reach(&mut self, intent: &Intent, answered: bool) {
        let outcome = self.stand.carry_out(intent);
        if answered && matches!(outcome, Outcome::Done { .. }) {
            self.stand.credit(intent);
        }
        // Whoever does not get the answer does not get the news of it either.
        self.hear(answered);
        if answered {
            self.feed(Event::Outcome {
                intent: intent.id.clone(),
                outcome,
            });
        }
    }

    fn decide(&mut self) {
        let Brain::Baseline(baseline) = &mut self.brain else {
            return;
        };
        if let Some(close) = baseline.decide(&self.stand, self.world.taker_fee) {
            let at = self.now.plus_ms(self.world.delay_ms.max(0));
            self.push(at, Due::Close(close));
        }
    }

    /// Hands one event to the guard and does all that it asks for.
    fn feed(&mut self, event: Event) {
        let Brain::Guard(guard) = &mut self.brain else {
            return;
        };
        guard.handle(event, self.now);
        for _ in 0..ROUNDS_MAX {
            let Brain::Guard(guard) = &mut self.brain else {
                return;
            };
            let Some(action) = guard.next_action() else {
                return;
            };
            for event in self.answer(action) {
                if let Brain::Guard(guard) = &mut self.brain {
                    guard.handle(event, self.now);
                }
            }
        }
    }

    /// What is known at once; the rest is on its way.
    fn answer(&mut self, action: Action) -> Vec<Event> {
        match action {
            Action::Send(intent) => {
                self.send(intent);
                Vec::new()
            }
            Action::Resolve { intent, sent_at } => {
                self.look_up(intent, sent_at);
                Vec::new()
            }
            Action::Refresh(what) => self.read(what),
            Action::Record(_) | Action::Ask(_) | Action::Unask { .. } | Action::Report(_) => {
                Vec::new()
            }
        }
    }

    fn fate(&mut self) -> Fate {
        self.requests += 1;
        self.world.faults.fate(self.world.seed, self.requests)
    }

    fn send(&mut self, intent: Intent) {
        let arrives = self.now.plus_ms(self.world.delay_ms.max(0));
        let given_up = self.now.plus_ms(ANSWER_WITHIN_MS).max(arrives);
        let told = |outcome| Event::Outcome {
            intent: intent.id.clone(),
            outcome,
        };
        let unknown = told(Outcome::Unknown {
            message: "no answer in time".to_owned(),
        });
        match self.fate() {
            Fate::Delivered => {
                let answered = true;
                self.push(arrives, Due::Reach { intent, answered });
            }
            Fate::Lost => self.push(given_up, Due::Tell(unknown)),
            Fate::AnswerLost => {
                let answered = false;
                self.push(arrives, Due::Reach { intent, answered });
                self.push(given_up, Due::Tell(unknown));
            }
            Fate::Refused => {
                let until = arrives.plus_ms(REFUSED_FOR_MS);
                let throttled = told(Outcome::Throttled { until });
                self.push(arrives, Due::Tell(throttled));
            }
        }
    }

    fn look_up(&mut self, intent: Intent, sent_at: Timestamp) {
        self.lookups += 1;
        let at = self.now.plus_ms(self.world.delay_ms.max(0));
        match self.fate() {
            Fate::Delivered => self.push(at, Due::LookUp { intent, sent_at }),
            Fate::Lost | Fate::AnswerLost | Fate::Refused => {
                let resolution = Resolution::Unreachable {
                    message: "no answer in time".to_owned(),
                };
                let intent = intent.id;
                self.push(at, Due::Tell(Event::Resolved { intent, resolution }));
            }
        }
    }

    /// A read is answered at once: what it shows is true at this very moment.
    fn read(&mut self, what: Refresh) -> Vec<Event> {
        match self.fate() {
            Fate::Delivered => match what {
                Refresh::Account => vec![Event::Account(self.stand.picture())],
                Refresh::Rules => self.stand.rules(),
                // All of the past that there is was told at the start.
                Refresh::History => vec![Event::RefreshFailed {
                    what,
                    message: "no older prices".to_owned(),
                }],
            },
            Fate::Lost | Fate::AnswerLost | Fate::Refused => vec![Event::RefreshFailed {
                what,
                message: "no answer in time".to_owned(),
            }],
        }
    }

    fn push(&mut self, at: Timestamp, due: Due) {
        self.sent += 1;
        self.due.insert((at, self.sent), due);
    }

    /// Notes how near an unprotected position has come to its line.
    fn measure(&mut self) {
        if !self.watched || matches!(self.brain, Brain::Guard(_)) {
            return;
        }
        for view in self.stand.positions() {
            let Some(line) = view.liquidation_price else {
                continue;
            };
            let away = (line - view.mark_price).abs().ratio(view.mark_price);
            let known = self.nearest.as_ref().map(|(_, away)| *away);
            if let Some(away) = away
                && known.is_none_or(|known| away < known)
            {
                let key = PositionKey {
                    symbol: view.symbol,
                    position_side: view.position_side,
                };
                self.nearest = Some((key, away));
            }
        }
    }

    /// Notes where everything stands.
    fn look(&mut self) {
        if !self.watched {
            return;
        }
        let acts: BTreeMap<PositionKey, Price> = match &self.brain {
            Brain::Baseline(_) => BTreeMap::new(),
            Brain::Guard(guard) => {
                let view = guard.view(self.now);
                let act = |position: crate::guard::action::PositionView| {
                    let key = PositionKey {
                        symbol: position.symbol,
                        position_side: position.position_side,
                    };
                    position.act_price.map(|price| (key, price))
                };
                view.positions.into_iter().filter_map(act).collect()
            }
        };
        for leg in self.stand.legs() {
            let Some(mark) = self.stand.exchange.mark(&leg.key.symbol) else {
                continue;
            };
            let view = self.stand.positions().into_iter().find(|view| {
                view.symbol == leg.key.symbol && view.position_side == leg.key.position_side
            });
            self.course.push(Look {
                at: self.now,
                mark,
                liquidation: view.and_then(|view| view.liquidation_price),
                act: acts.get(&leg.key).copied(),
                key: leg.key,
            });
        }
    }

    fn end(self) -> Run {
        let [before, after, fees, funding] = self.stand.money();
        let (automatic, count) = self.stand.automatic();
        Run {
            legs: self.stand.legs(),
            added: self.stand.added + automatic,
            automatic: count,
            friction: fees + self.stand.slippage,
            liquidation_fees: (fees - self.stand.trading_fees).max(Money::ZERO),
            funding,
            equity: (before, after),
            act_prices: self.act_prices,
            course: self.course,
            nearest: self.nearest,
            lookups: self.lookups,
            acts: self.stand.acts,
        }
    }
}

/// Start of the oldest of `before`, at the latest `start`.
fn began(before: &BTreeMap<Symbol, Vec<Bar>>, start: Timestamp) -> Timestamp {
    let oldest = before.values().filter_map(|bars| bars.first());
    let oldest = oldest.map(|bar| bar.start).min();
    oldest.map_or(start, |oldest| oldest.min(start))
}
