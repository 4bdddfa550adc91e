//! A tiny account that obeys the venue's isolated and cross rules well enough to feed the guard, a
//! driver with virtual time, and a judge that watches every action.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file that includes this uses another part of it"
)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "test support: a broken world must fail the test at once"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use plimsoll::domain::{
    Account, Balance, ContractKind, Instrument, InstrumentStatus, LotLimits, MarginMode, Money,
    OpenOrder, OutsideBalance, OutsideWallet, Position, PositionKey, PositionMode, PositionSide,
    Price, Quantity, Rate, Side, Symbol, Tier, TierTable, Timestamp,
};
use plimsoll::guard::Guard;
use plimsoll::guard::action::{Action, PositionView, Report, ReportKind, View};
use plimsoll::guard::event::{
    AccountChange, Command, Event, Mark, Mode, OrderOrigin, OrderStatus, OrderUpdate,
    PositionChange, Refresh,
};
use plimsoll::guard::intent::{
    CANCELS_MAX, FillReport, Intent, IntentId, IntentKind, Outcome, Reaction, Resolution,
};
use plimsoll::guard::journal::{Entry, Recovered};
use plimsoll::guard::policy::{PartialClose, Policy};
use rust_decimal::{Decimal, dec};

/// 2026-11-20T12:00:00Z.
pub const START: i64 = 1_795_176_000_000;

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START + ms)
}

pub fn money(value: Decimal) -> Money {
    Money::of(value)
}

pub fn price(value: Decimal) -> Price {
    Price::of(value)
}

pub fn key(symbol: &str) -> PositionKey {
    sided(symbol, PositionSide::Both)
}

pub fn sided(symbol: &str, position_side: PositionSide) -> PositionKey {
    PositionKey {
        symbol: Symbol::new(symbol),
        position_side,
    }
}

/// What the venue does with the next intent.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Executes it and says so.
    Do,
    /// Executes this share of a reduction and says so.
    Fill(Decimal),
    /// Says done, but does nothing.
    Pretend,
    /// Executes it; the answer is lost.
    DoUnknown,
    /// The request is lost.
    LoseUnknown,
    Reject(Reaction),
    Throttle(Timestamp),
    /// Executes it, no outcome is ever reported.
    Silence,
}

/// What the venue says when asked about an intent.
#[derive(Debug, Clone)]
pub enum Lookup {
    Truth,
    Say(Resolution),
    /// The question gets no answer.
    Nothing,
}

/// Guard, account and driver.
pub struct World {
    pub guard: Guard,
    pub now: Timestamp,
    pub positions: BTreeMap<PositionKey, Position>,
    pub cross: Money,
    pub position_mode: PositionMode,
    pub partial_close: PartialClose,
    /// Orders that rest on the book.
    pub resting: Vec<OpenOrder>,
    /// The owner's other wallets.
    pub outside: OutsideBalance,
    pub instruments: BTreeMap<Symbol, Instrument>,
    pub marks: BTreeMap<Symbol, Price>,
    /// What was executed, by intent.
    pub executed: BTreeMap<IntentId, Option<FillReport>>,
    /// Answers to the next sends; then `default_answer`.
    pub answers: VecDeque<Answer>,
    pub default_answer: Answer,
    pub lookup: Lookup,
    /// REST answers.
    pub rest_up: bool,
    /// Pictures come from this frozen state instead.
    pub frozen: Option<Account>,
    /// The venue's liquidation price is off by this much.
    pub venue_line: BTreeMap<PositionKey, Price>,
    pub log: Vec<Action>,
    pub judge: Judge,
    policy: Policy,
}

/// Always-on checks of S1, S4 and S5 and of the modes.
#[derive(Default)]
pub struct Judge {
    recorded: BTreeSet<IntentId>,
    sent: BTreeSet<IntentId>,
    out: BTreeSet<IntentId>,
    pub mute: bool,
}

impl Judge {
    pub fn check(&mut self, action: &Action, view: &View) {
        match action {
            Action::Record(Entry::Intent { intent }) => {
                assert!(self.recorded.insert(intent.id.clone()), "an id came twice");
            }
            Action::Record(Entry::Sent { intent }) => {
                assert!(self.recorded.contains(intent), "sent before recorded");
                assert!(self.sent.insert(intent.clone()), "two sent records");
            }
            Action::Send(intent) => self.check_send(intent, view),
            Action::Record(_)
            | Action::Resolve { .. }
            | Action::Refresh(_)
            | Action::Ask(_)
            | Action::Unask { .. }
            | Action::Report(_) => {}
        }
    }

    fn check_send(&mut self, intent: &Intent, view: &View) {
        assert!(!self.mute, "sent although nothing may be: {intent:?}");
        assert!(
            view.mode > Mode::Watch && !view.paused,
            "sent while passive"
        );
        assert!(
            self.sent.contains(&intent.id),
            "sent without a sent record before it"
        );
        assert!(self.out.insert(intent.id.clone()), "sent twice: {intent:?}");
        let held = view.positions.iter().find(|held| {
            held.symbol == intent.key.symbol && held.position_side == intent.key.position_side
        });
        let held = held.expect("a position to act on");
        match &intent.kind {
            IntentKind::Reduce { quantity, .. } => {
                assert_eq!(held.side, intent.side, "S1: other side");
                assert!(
                    quantity.is_positive() && *quantity <= held.quantity,
                    "S1: {quantity} of {}",
                    held.quantity
                );
            }
            IntentKind::AddMargin { amount } | IntentKind::TakeBack { amount } => {
                assert!(amount.is_positive());
                assert_eq!(held.margin_mode, MarginMode::Isolated);
            }
            IntentKind::MoveIn { amount, .. } => assert!(amount.is_positive()),
            IntentKind::CancelOrders { orders, .. } => {
                assert!((1..=CANCELS_MAX).contains(&orders.len()));
                assert_eq!(held.margin_mode, MarginMode::Isolated);
                for order in orders {
                    let slot = view.positions.iter().find(|held| {
                        held.symbol == order.symbol && held.position_side == order.position_side
                    });
                    assert!(
                        slot.is_none_or(|held| held.side == order.side),
                        "only what enlarges: {order:?}"
                    );
                }
            }
        }
    }

    /// An earlier guard has sent these.
    pub fn knows(&mut self, intent: &IntentId) {
        self.out.insert(intent.clone());
    }
}

pub fn instrument(symbol: &str) -> Instrument {
    Instrument {
        symbol: Symbol::new(symbol),
        contract: ContractKind::Linear,
        perpetual: true,
        margin_asset: "USDT".to_owned(),
        status: InstrumentStatus::Trading,
        tick: dec!(0.1),
        limit_lot: lot(dec!(0.001), dec!(1000)),
        market_lot: lot(dec!(0.001), dec!(120)),
        min_notional: money(dec!(100)),
        price_cap_factor: Some(Rate::of(dec!(1.05))),
        price_floor_factor: Some(Rate::of(dec!(0.95))),
        market_take_bound: Some(Rate::of(dec!(0.05))),
        liquidation_fee: Rate::of(dec!(0.0125)),
        delivery_at: None,
    }
}

pub fn lot(min: Decimal, max: Decimal) -> LotLimits {
    LotLimits {
        min: Quantity::of(min),
        max: Quantity::of(max),
        step: dec!(0.001),
    }
}

pub fn tiers() -> TierTable {
    TierTable::new(vec![
        Tier::of(0, Some(300_000), dec!(0.004), dec!(0), 150),
        Tier::of(300_000, Some(800_000), dec!(0.005), dec!(300), 100),
        Tier::of(800_000, None, dec!(0.0065), dec!(1500), 75),
    ])
    .expect("a table")
}

/// A policy with generous budgets in `auto` mode; the floor is 1.5 %.
pub fn policy() -> Policy {
    let mut policy = Policy {
        mode: Mode::Auto,
        instance: "t".to_owned(),
        ..Policy::default()
    };
    policy.budgets.add_per_action = money(dec!(5000));
    policy.budgets.add_per_position_day = money(dec!(20000));
    policy
}

/// 0.5 BTC long from 100,000 with 2,500 isolated: liquidation at 95,381.53.
pub fn isolated_long() -> Position {
    position(
        key("BTCUSDT"),
        Side::Long,
        dec!(0.5),
        MarginMode::Isolated,
        dec!(2500),
    )
}

pub fn position(
    key: PositionKey,
    side: Side,
    quantity: Decimal,
    margin_mode: MarginMode,
    wallet: Decimal,
) -> Position {
    Position {
        key,
        side,
        quantity: Quantity::of(quantity),
        entry_price: price(dec!(100000)),
        margin_mode,
        margin_asset: "USDT".to_owned(),
        leverage: Some(20),
        isolated_wallet: money(wallet),
        mark_price: price(dec!(100000)),
        venue_liquidation: None,
        venue_maintenance: None,
        auto_add_margin: false,
        updated_at: at(0),
    }
}

impl World {
    /// A world before its start; the account holds `positions` and `cross` in the wallet.
    pub fn new(policy: Policy, positions: Vec<Position>, cross: Decimal) -> Self {
        let mut world = Self {
            guard: Guard::new(policy.clone(), at(0)),
            now: at(0),
            positions: BTreeMap::new(),
            cross: money(cross),
            position_mode: PositionMode::OneWay,
            partial_close: policy.partial_close,
            resting: Vec::new(),
            outside: OutsideBalance::default(),
            instruments: BTreeMap::new(),
            marks: BTreeMap::new(),
            executed: BTreeMap::new(),
            answers: VecDeque::new(),
            default_answer: Answer::Do,
            lookup: Lookup::Truth,
            rest_up: true,
            frozen: None,
            venue_line: BTreeMap::new(),
            log: Vec::new(),
            judge: Judge::default(),
            policy,
        };
        for position in positions {
            world.open(position);
        }
        world
    }

    /// One isolated BTC long under `policy`, started and seeing.
    pub fn calm(policy: Policy) -> Self {
        let mut world = Self::new(policy, vec![isolated_long()], dec!(10000));
        world.start(Recovered::default());
        world
    }

    pub fn open(&mut self, position: Position) {
        let symbol = position.key.symbol.clone();
        self.instruments
            .entry(symbol.clone())
            .or_insert_with(|| instrument(symbol.as_str()));
        self.marks.entry(symbol).or_insert(position.mark_price);
        self.positions.insert(position.key.clone(), position);
    }

    /// Recovery, first reads, first marks.
    pub fn start(&mut self, recovered: Recovered) {
        self.event(Event::Recovered(Box::new(recovered)));
        self.stream_marks();
        self.run(1_000);
    }

    /// Forgets the guard and starts a new one from `recovered`.
    pub fn restart(&mut self, recovered: Recovered) {
        self.guard = Guard::new(self.policy.clone(), self.now);
        self.judge = Judge {
            out: std::mem::take(&mut self.judge.out),
            mute: self.judge.mute,
            ..Judge::default()
        };
        self.start(recovered);
    }

    /// Feeds one event and drives everything that follows from it without time passing.
    pub fn event(&mut self, event: Event) {
        self.guard.handle(event, self.now);
        self.drain();
    }

    pub fn command(&mut self, command: Command) {
        self.event(Event::Command(command));
    }

    fn drain(&mut self) {
        let mut rounds = 0;
        while let Some(action) = self.guard.next_action() {
            rounds += 1;
            assert!(rounds < 500, "an endless loop of actions: {action:?}");
            let view = self.guard.view(self.now);
            self.judge.check(&action, &view);
            self.log.push(action.clone());
            for event in self.carry_out(action) {
                self.guard.handle(event, self.now);
            }
        }
        if let Some(deadline) = self.guard.deadline() {
            assert!(deadline > self.now, "a deadline that has passed");
        }
    }

    fn carry_out(&mut self, action: Action) -> Vec<Event> {
        match action {
            Action::Send(intent) => {
                let answer = self.answers.pop_front();
                let answer = answer.unwrap_or_else(|| self.default_answer.clone());
                self.answer(&intent, answer)
            }
            Action::Resolve { intent, .. } => {
                let resolution = match &self.lookup {
                    Lookup::Nothing => return Vec::new(),
                    Lookup::Say(resolution) => resolution.clone(),
                    Lookup::Truth => match self.executed.get(&intent.id) {
                        Some(fill) => Resolution::Executed { fill: *fill },
                        None => Resolution::NotFound,
                    },
                };
                let intent = intent.id;
                vec![Event::Resolved { intent, resolution }]
            }
            Action::Refresh(what) if !self.rest_up => vec![Event::RefreshFailed {
                what,
                message: "down".to_owned(),
            }],
            Action::Refresh(Refresh::Account) => vec![Event::Account(self.picture())],
            Action::Refresh(Refresh::Rules) => self.rules(),
            Action::Refresh(Refresh::History) => vec![Event::RefreshFailed {
                what: Refresh::History,
                message: "no history here".to_owned(),
            }],
            Action::Record(_) | Action::Ask(_) | Action::Unask { .. } | Action::Report(_) => {
                Vec::new()
            }
        }
    }

    fn answer(&mut self, intent: &Intent, answer: Answer) -> Vec<Event> {
        let all = Decimal::ONE;
        let elsewhere = matches!(
            intent.kind,
            IntentKind::MoveIn { .. } | IntentKind::CancelOrders { .. }
        );
        let answer = if !elsewhere && !self.positions.contains_key(&intent.key) {
            // Closed meanwhile, which an old picture does not show.
            Answer::Reject(Reaction::Resync)
        } else {
            answer
        };
        let outcome = match answer {
            Answer::Do => Outcome::Done {
                fill: self.execute(intent, all),
            },
            Answer::Fill(share) => Outcome::Done {
                fill: self.execute(intent, share),
            },
            Answer::Pretend => Outcome::Done { fill: None },
            Answer::DoUnknown => {
                self.execute(intent, all);
                unknown()
            }
            Answer::LoseUnknown => unknown(),
            Answer::Reject(reaction) => Outcome::Rejected {
                reaction,
                code: Some(-1),
                message: "no".to_owned(),
            },
            Answer::Throttle(until) => Outcome::Throttled { until },
            Answer::Silence => {
                self.execute(intent, all);
                return Vec::new();
            }
        };
        let intent = intent.id.clone();
        vec![Event::Outcome { intent, outcome }]
    }

    /// The venue's own arithmetic, at mark, without slippage, fee 0.05 %.
    fn execute(&mut self, intent: &Intent, share: Decimal) -> Option<FillReport> {
        let mark = self.marks.get(&intent.key.symbol).copied().expect("mark");
        let fill = match &intent.kind {
            IntentKind::AddMargin { amount } => {
                let position = self.positions.get_mut(&intent.key).expect("position");
                position.isolated_wallet += *amount;
                self.cross -= *amount;
                None
            }
            IntentKind::MoveIn { amount, from } => {
                let wallet = match from {
                    OutsideWallet::Spot => &mut self.outside.spot,
                    OutsideWallet::Funding => &mut self.outside.funding,
                };
                *wallet -= *amount;
                assert!(!wallet.is_negative(), "more than there was");
                self.cross += *amount;
                None
            }
            IntentKind::CancelOrders { orders, .. } => {
                self.resting
                    .retain(|order| !orders.iter().any(|gone| gone.id == order.id));
                None
            }
            IntentKind::TakeBack { amount } => {
                let position = self.positions.get_mut(&intent.key).expect("position");
                position.isolated_wallet -= *amount;
                self.cross += *amount;
                None
            }
            IntentKind::Reduce { quantity, .. } => {
                let position = self.positions.get_mut(&intent.key).expect("position");
                let closed = (*quantity * Rate::of(share))
                    .floor_to(dec!(0.001))
                    .min(position.quantity);
                let fee = (mark * closed) * Rate::of(dec!(0.0005));
                let mut part = position.clone();
                part.quantity = closed;
                let result = part.unrealized(mark) - fee;
                let part = closed.ratio(position.quantity).expect("a size");
                match (position.margin_mode, self.partial_close) {
                    (MarginMode::Isolated, PartialClose::ReleasesProRata) => {
                        let released = position.isolated_wallet * part;
                        position.isolated_wallet -= released;
                        self.cross += released + result;
                    }
                    (MarginMode::Isolated, PartialClose::KeepsMargin) => {
                        position.isolated_wallet += result;
                    }
                    (MarginMode::Cross, _) => self.cross += result,
                }
                position.quantity -= closed;
                if position.quantity.is_zero() {
                    let rest = position.isolated_wallet;
                    self.cross += rest;
                    self.positions.remove(&intent.key);
                }
                Some(FillReport {
                    quantity: closed,
                    average_price: Some(mark),
                    fee: Some(fee),
                })
            }
        };
        self.executed.insert(intent.id.clone(), fill);
        fill
    }

    /// The account as the venue shows it now.
    pub fn picture(&self) -> Account {
        if let Some(frozen) = &self.frozen {
            let mut frozen = frozen.clone();
            frozen.taken_at = self.now;
            return frozen;
        }
        let mut positions: Vec<Position> = self.positions.values().cloned().collect();
        for position in &mut positions {
            position.mark_price = self.marks[&position.key.symbol];
            position.venue_liquidation = self.venue_line.get(&position.key).copied();
        }
        Account {
            position_mode: self.position_mode,
            multi_assets: false,
            can_trade: true,
            balances: [("USDT".to_owned(), self.balance())].into(),
            positions,
            open_orders: Some(self.resting.clone()),
            taken_at: self.now,
        }
    }

    pub fn balance(&self) -> Balance {
        let cross = self.positions.values();
        let cross = cross.filter(|position| position.margin_mode == MarginMode::Cross);
        let used: Money = cross
            .map(|position| {
                let mark = self.marks[&position.key.symbol];
                let margin = (mark * position.quantity) * Rate::of(dec!(0.05));
                margin - position.unrealized(mark).min(Money::ZERO)
            })
            .sum();
        let locked: Money = self.resting.iter().filter_map(|order| order.margin).sum();
        Balance {
            cross_wallet: self.cross,
            available: (self.cross - used - locked).max(Money::ZERO),
        }
    }

    pub fn rules(&self) -> Vec<Event> {
        let mut events: Vec<Event> = self
            .instruments
            .keys()
            .map(|symbol| Event::Tiers {
                symbol: symbol.clone(),
                table: tiers(),
            })
            .collect();
        let instruments = self.instruments.values().cloned().collect();
        events.push(Event::Instruments(instruments));
        let outside = BTreeMap::from([("USDT".to_owned(), self.outside)]);
        events.push(Event::Outside(outside));
        events
    }

    /// A mark from the stream.
    pub fn mark(&mut self, symbol: &str, value: Decimal) {
        let symbol = Symbol::new(symbol);
        self.marks.insert(symbol.clone(), price(value));
        self.event(Event::Mark(Mark {
            symbol,
            price: price(value),
            funding_rate: None,
            next_funding_at: None,
            at: self.now,
        }));
    }

    /// The present marks once more from the stream.
    pub fn stream_marks(&mut self) {
        let marks: Vec<(Symbol, Price)> = self
            .marks
            .iter()
            .map(|(symbol, mark)| (symbol.clone(), *mark))
            .collect();
        for (symbol, mark) in marks {
            self.mark(symbol.as_str(), mark.get());
        }
    }

    /// Lets time pass without any frame, waking the guard exactly when it wants.
    pub fn idle(&mut self, ms: i64) {
        let until = self.now.plus_ms(ms);
        let mut wakes = 0;
        while let Some(deadline) = self.guard.deadline().filter(|at| *at <= until) {
            wakes += 1;
            assert!(wakes < 20_000, "the guard wakes without end");
            self.now = self.now.max(deadline);
            self.event(Event::Tick);
        }
        self.now = until;
    }

    /// Lets time pass with the present marks streamed each second.
    pub fn run(&mut self, ms: i64) {
        let until = self.now.plus_ms(ms);
        while self.now < until {
            let left = until.since(self.now);
            self.idle(left.min(1_000));
            self.stream_marks();
        }
    }

    /// Quotes that wander by `step` around `value` for `ms`, so that a forecast gets warm.
    pub fn wander(&mut self, symbol: &str, value: Decimal, step: Decimal, ms: i64) {
        let rounds = ms / 1_000;
        for round in 0..rounds {
            let sign = if round % 2 == 0 { step } else { -step };
            self.mark(symbol, value + sign);
            self.idle(1_000);
        }
        self.mark(symbol, value);
    }

    /// The private account event that shows the present state of `key`.
    pub fn change(&self, key: &PositionKey, reason: &str) -> AccountChange {
        let held = self.positions.get(key);
        AccountChange {
            balances: vec![("USDT".to_owned(), self.cross)],
            positions: vec![PositionChange {
                symbol: key.symbol.clone(),
                position_side: key.position_side,
                side: held.map(|held| held.side),
                quantity: held.map_or(Quantity::ZERO, |held| held.quantity),
                entry_price: held.map(|held| held.entry_price),
                isolated: held.is_some_and(|held| held.margin_mode == MarginMode::Isolated),
                isolated_wallet: held.map_or(Money::ZERO, |held| held.isolated_wallet),
            }],
            reason: reason.to_owned(),
            at: self.now,
        }
    }

    /// The private event of an order of ours.
    pub fn own_order(&self, intent: &Intent, status: OrderStatus, filled: Decimal) -> OrderUpdate {
        OrderUpdate {
            client_id: intent.id.to_string(),
            symbol: intent.key.symbol.clone(),
            position_side: intent.key.position_side,
            order_side: intent.side.opposite(),
            origin: OrderOrigin::Own,
            status,
            filled: Quantity::of(filled),
            average_price: self.marks.get(&intent.key.symbol).copied(),
            fee: Some(money(dec!(1))),
            at: self.now,
        }
    }

    pub fn sends(&self) -> Vec<Intent> {
        let sends = self.log.iter().filter_map(|action| match action {
            Action::Send(intent) => Some(intent.clone()),
            _ => None,
        });
        sends.collect()
    }

    pub fn last_send(&self) -> Intent {
        self.sends().last().cloned().expect("something was sent")
    }

    pub fn resolves(&self) -> usize {
        let asked = |action: &&Action| matches!(action, Action::Resolve { .. });
        self.log.iter().filter(asked).count()
    }

    pub fn refreshes(&self, what: Refresh) -> usize {
        let asked = |action: &&Action| **action == Action::Refresh(what);
        self.log.iter().filter(asked).count()
    }

    pub fn reports(&self, kind: ReportKind) -> Vec<Report> {
        let reports = self.log.iter().filter_map(|action| match action {
            Action::Report(report) if report.kind == kind => Some(report.clone()),
            _ => None,
        });
        reports.collect()
    }

    pub fn records(&self) -> Vec<Entry> {
        let records = self.log.iter().filter_map(|action| match action {
            Action::Record(entry) => Some(entry.clone()),
            _ => None,
        });
        records.collect()
    }

    pub fn asks(&self) -> Vec<Intent> {
        let asks = self.log.iter().filter_map(|action| match action {
            Action::Ask(question) => Some(question.intent.clone()),
            _ => None,
        });
        asks.collect()
    }

    pub fn view(&self) -> View {
        self.guard.view(self.now)
    }

    pub fn shown(&self, key: &PositionKey) -> PositionView {
        let view = self.view();
        let held = view
            .positions
            .iter()
            .find(|held| held.symbol == key.symbol && held.position_side == key.position_side);
        held.cloned().expect("a position")
    }
}

pub fn unknown() -> Outcome {
    Outcome::Unknown {
        message: "timeout".to_owned(),
    }
}

pub fn added(intent: &Intent) -> Money {
    match intent.kind {
        IntentKind::AddMargin { amount } => amount,
        IntentKind::Reduce { .. }
        | IntentKind::TakeBack { .. }
        | IntentKind::CancelOrders { .. }
        | IntentKind::MoveIn { .. } => Money::ZERO,
    }
}

pub fn reduced(intent: &Intent) -> Quantity {
    match intent.kind {
        IntentKind::Reduce { quantity, .. } => quantity,
        IntentKind::AddMargin { .. }
        | IntentKind::TakeBack { .. }
        | IntentKind::CancelOrders { .. }
        | IntentKind::MoveIn { .. } => Quantity::ZERO,
    }
}

pub fn taken_back(intent: &Intent) -> Money {
    match intent.kind {
        IntentKind::TakeBack { amount } => amount,
        IntentKind::Reduce { .. }
        | IntentKind::AddMargin { .. }
        | IntentKind::CancelOrders { .. }
        | IntentKind::MoveIn { .. } => Money::ZERO,
    }
}
