//! The whole guard under arbitrary events: it never panics, never sends what it may not, never
//! sends an id twice, always comes to rest, and time always goes on.

#![allow(
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests: a failure here is a failed test"
)]

#[path = "support/guard_world.rs"]
mod world;

use plimsoll::domain::{
    Account, Balance, Book, BookLevel, MarginMode, Money, OpenOrder, OutsideBalance, Position,
    PositionMode, PositionSide, Price, Quantity, Rate, Side, Symbol, Timestamp,
};
use plimsoll::guard::Guard;
use plimsoll::guard::action::Action;
use plimsoll::guard::event::{
    AccountChange, Command, Event, Link, Mark, Mode, OrderOrigin, OrderStatus, OrderUpdate,
    PositionChange, Refresh,
};
use plimsoll::guard::intent::{FillReport, IntentId, Outcome, Reaction, Resolution};
use plimsoll::guard::policy::{Policy, Silence};
use proptest::prelude::*;
use rust_decimal::Decimal;
use world::*;

/// More actions than this from one event would be a flood.
const MOST_ACTIONS: usize = 200;

fn exact(low: i64, high: i64, scale: std::ops::Range<u32>) -> impl Strategy<Value = Decimal> {
    (low..high, scale).prop_map(|(value, scale)| Decimal::new(value, scale))
}

fn any_price() -> impl Strategy<Value = Price> {
    prop_oneof![
        6 => exact(90_000, 105_000, 0..1),
        1 => exact(1, 1_000_000_001, 0..1),
        1 => exact(1, 1_000_000, 0..28),
    ]
    .prop_map(Price::of)
}

fn any_quantity() -> impl Strategy<Value = Quantity> {
    prop_oneof![
        6 => exact(0, 2_000, 3..4),
        1 => exact(-10_000_000_000_000, 10_000_000_000_001, 0..1),
        1 => exact(-1_000_000, 1_000_000, 0..28),
    ]
    .prop_map(Quantity::of)
}

fn any_money() -> impl Strategy<Value = Money> {
    prop_oneof![
        6 => exact(-1_000, 20_000, 0..1),
        1 => exact(-1_000_000_000_000_000_000, 1_000_000_000_000_000_001, 0..1),
        1 => exact(-1_000_000, 1_000_000, 0..28),
    ]
    .prop_map(Money::of)
}

fn any_rate() -> impl Strategy<Value = Rate> {
    exact(-1_000_000, 1_000_000, 0..9).prop_map(Rate::of)
}

fn any_symbol() -> impl Strategy<Value = Symbol> {
    prop_oneof![Just("BTCUSDT"), Just("ETHUSDT"), Just("币安人生USDT")].prop_map(Symbol::new)
}

fn any_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Long), Just(Side::Short)]
}

fn any_slot() -> impl Strategy<Value = PositionSide> {
    prop_oneof![
        4 => Just(PositionSide::Both),
        1 => Just(PositionSide::Long),
        1 => Just(PositionSide::Short)
    ]
}

/// Milliseconds around now: mostly fresh, sometimes absurd.
fn any_shift() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -200_i64..200, 1 => -100_000_000_i64..100_000_000]
}

fn any_id() -> impl Strategy<Value = IntentId> {
    (0_u64..40).prop_map(|number| IntentId::new("t", number))
}

fn any_fill() -> impl Strategy<Value = Option<FillReport>> {
    prop::option::of((any_quantity(), prop::option::of(any_price())).prop_map(
        |(quantity, average_price)| FillReport {
            quantity,
            average_price,
            fee: None,
        },
    ))
}

fn any_reaction() -> impl Strategy<Value = Reaction> {
    prop::sample::select(vec![
        Reaction::Resync,
        Reaction::AlreadyFlat,
        Reaction::NoBalance,
        Reaction::RefreshFilters,
        Reaction::BoundPrice,
        Reaction::RetryLater,
        Reaction::Powerless,
    ])
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        any_fill().prop_map(|fill| Outcome::Done { fill }),
        any_reaction().prop_map(|reaction| Outcome::Rejected {
            reaction,
            code: None,
            message: "no".to_owned(),
        }),
        any::<i64>().prop_map(|until| Outcome::Throttled {
            until: Timestamp::from_millis(until / 2),
        }),
        Just(unknown()),
    ]
}

fn any_resolution() -> impl Strategy<Value = Resolution> {
    prop_oneof![
        any_fill().prop_map(|fill| Resolution::Executed { fill }),
        Just(Resolution::NotExecuted),
        Just(Resolution::NotFound),
        Just(Resolution::Working),
        Just(Resolution::Unreachable {
            message: String::new(),
        }),
    ]
}

fn any_position() -> impl Strategy<Value = Position> {
    let where_ = (
        any_symbol(),
        any_slot(),
        any_side(),
        any::<bool>(),
        any::<bool>(),
    );
    let numbers = (any_quantity(), any_price(), any_price(), any_money());
    (where_, numbers, prop::option::of(any_price())).prop_map(
        |(
            (symbol, position_side, side, isolated, auto),
            (quantity, entry, mark, wallet),
            venue,
        )| {
            let mut held = isolated_long();
            held.key.symbol = symbol;
            held.key.position_side = position_side;
            held.side = side;
            held.quantity = quantity.abs();
            held.entry_price = entry;
            held.mark_price = mark;
            held.isolated_wallet = wallet;
            held.margin_mode = if isolated {
                MarginMode::Isolated
            } else {
                MarginMode::Cross
            };
            held.auto_add_margin = auto;
            held.venue_liquidation = venue;
            held
        },
    )
}

fn any_open_order() -> impl Strategy<Value = OpenOrder> {
    let margin = prop::option::weighted(0.8, any_money());
    let what = (any_symbol(), any_slot(), any_side());
    (0_u32..30, what, any_quantity(), any_price(), margin).prop_map(
        |(id, (symbol, position_side, side), quantity, price, margin)| OpenOrder {
            id: id.to_string(),
            client_id: format!("web-{id}"),
            symbol,
            position_side,
            side,
            quantity,
            price,
            margin_asset: "USDT".to_owned(),
            margin,
        },
    )
}

fn any_outside() -> impl Strategy<Value = Event> {
    (any_money(), any_money()).prop_map(|(spot, funding)| {
        let outside = OutsideBalance { spot, funding };
        Event::Outside([("USDT".to_owned(), outside)].into())
    })
}

fn any_account() -> impl Strategy<Value = Account> {
    let flags = (any::<bool>(), prop::bool::weighted(0.05));
    let balance = prop::option::weighted(0.9, (any_money(), any_money()));
    let positions = prop::collection::vec(any_position(), 0..4);
    let orders = prop::option::of(prop::collection::vec(any_open_order(), 0..25));
    (flags, balance, positions, orders, any_shift()).prop_map(
        |((hedge, multi_assets), balance, mut positions, open_orders, shift)| {
            positions.retain(|held| held.quantity.is_positive());
            Account {
                position_mode: if hedge {
                    PositionMode::Hedge
                } else {
                    PositionMode::OneWay
                },
                multi_assets,
                can_trade: true,
                balances: balance
                    .map(|(cross_wallet, available)| {
                        let balance = Balance {
                            cross_wallet,
                            available,
                        };
                        ("USDT".to_owned(), balance)
                    })
                    .into_iter()
                    .collect(),
                positions,
                open_orders,
                taken_at: Timestamp::from_millis(shift),
            }
        },
    )
}

fn any_change() -> impl Strategy<Value = AccountChange> {
    let position = (
        (any_symbol(), any_slot(), prop::option::of(any_side())),
        (any_quantity(), prop::option::of(any_price()), any_money()),
        any::<bool>(),
    );
    let positions = prop::collection::vec(position, 0..3);
    (prop::option::of(any_money()), positions, any_shift()).prop_map(|(cross, positions, shift)| {
        AccountChange {
            balances: cross
                .map(|cross| ("USDT".to_owned(), cross))
                .into_iter()
                .collect(),
            positions: positions
                .into_iter()
                .map(
                    |((symbol, slot, side), (quantity, entry, wallet), isolated)| PositionChange {
                        symbol,
                        position_side: slot,
                        side,
                        quantity: quantity.abs(),
                        entry_price: entry,
                        isolated,
                        isolated_wallet: wallet,
                    },
                )
                .collect(),
            reason: "ORDER".to_owned(),
            at: Timestamp::from_millis(shift),
        }
    })
}

fn any_order() -> impl Strategy<Value = OrderUpdate> {
    let origin = prop::sample::select(vec![
        OrderOrigin::Own,
        OrderOrigin::Own,
        OrderOrigin::Own,
        OrderOrigin::Foreign,
        OrderOrigin::Liquidation,
        OrderOrigin::Settlement,
    ]);
    let status = prop::sample::select(vec![
        OrderStatus::Working,
        OrderStatus::Filled,
        OrderStatus::Ended,
    ]);
    (
        any_id(),
        any_symbol(),
        any_side(),
        origin,
        status,
        any_quantity(),
    )
        .prop_map(
            |(id, symbol, order_side, origin, status, filled)| OrderUpdate {
                client_id: id.to_string(),
                symbol,
                position_side: PositionSide::Both,
                order_side,
                origin,
                status,
                filled,
                average_price: None,
                fee: Some(Money::of(Decimal::ONE)),
                at: Timestamp::ZERO,
            },
        )
}

fn any_instruments() -> impl Strategy<Value = Event> {
    let steps = (exact(0, 100, 0..4), any_quantity(), any_quantity());
    (any_symbol(), steps, any_money(), any_rate()).prop_map(
        |(symbol, (step, min, max), min_notional, factor)| {
            let mut rules = instrument(symbol.as_str());
            rules.tick = step;
            rules.market_lot.step = step;
            rules.market_lot.min = min.abs();
            rules.market_lot.max = max.abs();
            rules.limit_lot.max = max.abs();
            rules.min_notional = min_notional;
            rules.price_floor_factor = Some(factor);
            Event::Instruments(vec![rules])
        },
    )
}

fn any_mark() -> impl Strategy<Value = Event> {
    let mark = (
        any_symbol(),
        any_price(),
        prop::option::of(any_rate()),
        any_shift(),
    );
    mark.prop_map(|(symbol, price, funding_rate, shift)| {
        Event::Mark(Mark {
            symbol,
            price,
            funding_rate,
            next_funding_at: None,
            at: Timestamp::from_millis(shift),
        })
    })
}

fn any_book() -> impl Strategy<Value = Event> {
    let level = || {
        (any_price(), any_quantity()).prop_map(|(price, quantity)| BookLevel { price, quantity })
    };
    let side = || prop::collection::vec(level(), 0..3);
    (any_symbol(), side(), side(), any_shift()).prop_map(|(symbol, bids, asks, shift)| {
        Event::Book(Book {
            symbol,
            bids,
            asks,
            at: Timestamp::from_millis(shift),
        })
    })
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Pause),
        Just(Command::Resume),
        Just(Command::Resume),
        Just(Command::Mode(Mode::Watch)),
        Just(Command::Mode(Mode::Ask)),
        Just(Command::Mode(Mode::Auto)),
        any_id().prop_map(Command::Approve),
        any_id().prop_map(Command::Decline),
    ]
}

/// Times inside are shifts from the instant at which the event is fed.
fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => any_mark(),
        2 => any_book(),
        6 => any_account().prop_map(Event::Account),
        4 => any_change().prop_map(Event::Change),
        4 => any_order().prop_map(Event::Order),
        1 => any_instruments(),
        1 => any_symbol().prop_map(|symbol| Event::Tiers { symbol, table: tiers() }),
        1 => any_rate().prop_map(|rate| Event::TakerFee { symbol: None, rate }),
        1 => any_outside(),
        1 => Just(Event::ConfigChanged),
        1 => any::<bool>().prop_map(|up| Event::Link { link: Link::Private, up, message: String::new() }),
        5 => (any_id(), any_outcome()).prop_map(|(intent, outcome)| Event::Outcome { intent, outcome }),
        4 => (any_id(), any_resolution()).prop_map(|(intent, resolution)| Event::Resolved { intent, resolution }),
        1 => Just(Event::RefreshFailed { what: Refresh::Account, message: String::new() }),
        1 => (-100_000_i64..100_000).prop_map(|gap_ms| Event::TimeJump { gap_ms }),
        3 => any_command().prop_map(Event::Command),
        3 => Just(Event::Tick),
    ]
}

fn shifted(event: Event, now: Timestamp) -> Event {
    let at = |shift: Timestamp| now.plus_ms(shift.as_millis());
    match event {
        Event::Mark(mark) => Event::Mark(Mark {
            at: at(mark.at),
            ..mark
        }),
        Event::Book(book) => Event::Book(Book {
            at: at(book.at),
            ..book
        }),
        Event::Account(account) => Event::Account(Account {
            taken_at: at(account.taken_at),
            ..account
        }),
        Event::Change(change) => Event::Change(AccountChange {
            at: at(change.at),
            ..change
        }),
        other => other,
    }
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let mode = prop::sample::select(vec![Mode::Watch, Mode::Ask, Mode::Auto, Mode::Auto]);
    let allowed = (any::<bool>(), any::<bool>(), 0_i64..2_000);
    let plain = (mode, any::<bool>(), 0_u32..6, 1_i64..100);
    (plain, allowed).prop_map(|((mode, holds, actions, floor), (gives, cancels, moves))| {
        let mut policy = policy();
        policy.allowance.give_back.allowed = gives;
        // Sooner than a configuration allows, so that it happens within a few events.
        policy.allowance.give_back.after_ms = 1_000;
        policy.allowance.cancel_own_orders = cancels;
        policy.allowance.move_in_per_day = Money::of(Decimal::from(moves));
        policy.mode = mode;
        policy.silence = if holds { Silence::Hold } else { Silence::Act };
        policy.budgets.actions_per_position_day = actions * 10;
        policy.triggers.floor_distance = Rate::of(Decimal::new(floor, 3));
        policy
    })
}

struct Fuzzed {
    guard: Guard,
    judge: Judge,
    now: Timestamp,
}

impl Fuzzed {
    fn new(policy: Policy) -> Self {
        let mut fuzzed = Self {
            guard: Guard::new(policy, at(0)),
            judge: Judge::default(),
            now: at(0),
        };
        let world = World::new(self::policy(), vec![isolated_long()], Decimal::from(5_000));
        fuzzed.feed(Event::Recovered(Box::default()));
        for event in world.rules() {
            fuzzed.feed(event);
        }
        for symbol in ["ETHUSDT", "币安人生USDT"] {
            let table = tiers();
            let symbol = Symbol::new(symbol);
            fuzzed.feed(Event::Instruments(vec![instrument(symbol.as_str())]));
            fuzzed.feed(Event::Tiers { symbol, table });
        }
        fuzzed.feed(Event::Account(world.picture()));
        fuzzed
    }

    fn feed(&mut self, event: Event) -> Vec<Action> {
        self.guard.handle(event, self.now);
        let mut actions = Vec::new();
        while let Some(action) = self.guard.next_action() {
            let view = self.guard.view(self.now);
            self.judge.check(&action, &view);
            actions.push(action);
            assert!(
                actions.len() < MOST_ACTIONS,
                "a flood: {:?}",
                actions.last()
            );
        }
        let deadline = self.guard.deadline();
        assert!(
            deadline.is_none_or(|at| at > self.now),
            "a deadline that has passed: {deadline:?} at {}",
            self.now
        );
        actions
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_events_never_break_the_guard(
        policy in any_policy(),
        events in prop::collection::vec((0_i64..3_000, any_event()), 1..80),
    ) {
        let mut fuzzed = Fuzzed::new(policy);
        for (gap, event) in events {
            fuzzed.now = fuzzed.now.plus_ms(gap);
            let event = shifted(event, fuzzed.now);
            fuzzed.feed(event);
        }
        // Liveness: nothing but time from here on, and time goes on.
        for _ in 0..1_000 {
            let Some(deadline) = fuzzed.guard.deadline() else { break };
            fuzzed.now = deadline;
            fuzzed.feed(Event::Tick);
        }
        prop_assert!(fuzzed.now.since(at(0)) > 60_000);
    }

    #[test]
    fn a_passive_guard_never_sends_whatever_happens(
        paused in any::<bool>(),
        events in prop::collection::vec((0_i64..2_000, any_event()), 1..60),
    ) {
        let mut policy = policy();
        if !paused {
            policy.mode = Mode::Watch;
        }
        let mut fuzzed = Fuzzed::new(policy);
        fuzzed.feed(Event::Command(Command::Pause));
        fuzzed.judge.mute = true;
        for (gap, event) in events {
            if matches!(event, Event::Command(Command::Resume)) && paused {
                continue;
            }
            fuzzed.now = fuzzed.now.plus_ms(gap);
            let event = shifted(event, fuzzed.now);
            fuzzed.feed(event);
        }
    }
}

/// What goes wrong around one intent.
#[derive(Debug, Clone)]
struct Trouble {
    answer: u8,
    lookup: u8,
    repeats: u8,
    late_event: bool,
    frozen: bool,
    drift: i64,
}

fn any_trouble() -> impl Strategy<Value = Trouble> {
    (
        0_u8..9,
        0_u8..5,
        0_u8..3,
        any::<bool>(),
        prop::bool::weighted(0.2),
        -400_i64..300,
    )
        .prop_map(
            |(answer, lookup, repeats, late_event, frozen, drift)| Trouble {
                answer,
                lookup,
                repeats,
                late_event,
                frozen,
                drift,
            },
        )
}

fn answer(trouble: &Trouble) -> Answer {
    match trouble.answer {
        0 => Answer::Do,
        1 => Answer::Fill(Decimal::new(5, 1)),
        2 => Answer::Pretend,
        3 => Answer::DoUnknown,
        4 => Answer::LoseUnknown,
        5 => Answer::Reject(Reaction::NoBalance),
        6 => Answer::Reject(Reaction::BoundPrice),
        7 => Answer::Silence,
        _ => Answer::Throttle(at(5_000)),
    }
}

fn lookup(trouble: &Trouble) -> Lookup {
    match trouble.lookup {
        0 | 1 => Lookup::Truth,
        2 => Lookup::Nothing,
        3 => Lookup::Say(Resolution::NotFound),
        _ => Lookup::Say(Resolution::Unreachable {
            message: String::new(),
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Safety S1 to S5 hold in a consistent world in which everything goes wrong.
    #[test]
    fn an_id_is_sent_at_most_once_and_budgets_hold_whatever_goes_wrong(
        troubles in prop::collection::vec(any_trouble(), 4..14),
        cross in any::<bool>(),
    ) {
        let mut policy = policy();
        policy.budgets.add_per_action = money(Decimal::from(300));
        policy.budgets.add_per_position_day = money(Decimal::from(700));
        policy.budgets.actions_per_position_day = 9;
        policy.budgets.top_ups_per_position_day = 3;
        let mut held = isolated_long();
        if cross {
            held.margin_mode = MarginMode::Cross;
            held.isolated_wallet = Money::ZERO;
        }
        let mut world = World::new(policy, vec![held], Decimal::from(2_600));
        world.start(Default::default());
        let mut mark = 96_900;
        for trouble in &troubles {
            mark += trouble.drift;
            world.answers.push_back(answer(trouble));
            world.lookup = lookup(trouble);
            world.frozen = trouble.frozen.then(|| world.picture());
            world.mark("BTCUSDT", Decimal::from(mark));
            if let Some(intent) = world.sends().last().cloned() {
                let filled = world.executed.get(&intent.id).copied().flatten();
                let filled = filled.map_or(Decimal::ZERO, |fill| fill.quantity.get());
                if trouble.late_event && !filled.is_zero() {
                    for _ in 0..=trouble.repeats {
                        let update = world.own_order(&intent, OrderStatus::Filled, filled);
                        world.event(Event::Order(update));
                    }
                }
                for _ in 0..trouble.repeats {
                    let change = world.change(&intent.key, "ORDER");
                    world.event(Event::Change(change));
                    let outcome = Outcome::Done { fill: None };
                    if world.executed.contains_key(&intent.id) {
                        world.event(Event::Outcome { intent: intent.id.clone(), outcome });
                    }
                }
            }
            world.run(7_000);
        }
        world.frozen = None;
        world.lookup = Lookup::Truth;
        world.run(120_000);
        let sends = world.sends();
        let counted = |intent: &&plimsoll::guard::intent::Intent| {
            !intent.recycled && world.executed.contains_key(&intent.id)
        };
        let new_money: Money = sends.iter().filter(counted).map(added).sum();
        prop_assert!(new_money <= money(Decimal::from(700)), "S3: {new_money}");
        let executed = sends.iter().filter(counted).count();
        prop_assert!(executed <= 9, "S3: {executed} acts");
        // Nothing stays under way for ever once the venue answers again.
        let stuck = world.view().open_intents;
        let asked_lately = stuck.iter().all(|intent| world.now.since(intent.planned_at) < 60_000);
        prop_assert!(asked_lately, "{stuck:?}");
    }
}
