//! What the guard knows, how old that is, and what somebody else has done.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests: a failure here is a failed test"
)]

#[path = "support/guard_world.rs"]
mod world;

use plimsoll::domain::{
    HOUR_MS, MINUTE_MS, MarginMode, Money, Price, Quantity, Rate, Side, Symbol,
};
use plimsoll::guard::action::{Action, ReportKind, Severity, View};
use plimsoll::guard::event::{Bar, Event, Link, Mark, OrderOrigin, OrderStatus, Refresh};
use plimsoll::guard::journal::Entry;
use plimsoll::guard::level::Level;
use proptest::prelude::*;
use rust_decimal::{Decimal, dec};
use world::*;

const DANGER: Decimal = dec!(96800);

fn second(symbol: &str) -> plimsoll::domain::Position {
    let mut other = isolated_long();
    other.key = key(symbol);
    other
}

fn two() -> World {
    let positions = vec![isolated_long(), second("ETHUSDT")];
    let mut world = World::new(policy(), positions, dec!(10000));
    world.start(Default::default());
    world
}

fn foreign(world: &World) -> Vec<String> {
    let reports = world.reports(ReportKind::Foreign).into_iter();
    reports.map(|report| report.text).collect()
}

fn on_symbol(world: &World, symbol: &str) -> usize {
    let sends = world.sends().into_iter();
    sends.filter(|intent| intent.key == key(symbol)).count()
}

#[test]
fn reads_are_asked_for_at_once_after_a_start() {
    let mut world = World::new(policy(), vec![isolated_long()], dec!(1000));
    world.event(Event::Recovered(Box::default()));
    assert_eq!(world.refreshes(Refresh::Account), 1);
    assert!(world.refreshes(Refresh::Rules) >= 1);
    world.start(Default::default());
    assert!(world.view().blind.is_empty(), "{:?}", world.view().blind);
    assert!(
        world.reports(ReportKind::Blind).is_empty(),
        "no false alarm"
    );
}

#[test]
fn inputs_that_never_come_are_called_missing_after_a_grace() {
    let mut world = World::new(policy(), vec![isolated_long()], dec!(1000));
    world.rest_up = false;
    world.event(Event::Recovered(Box::default()));
    world.idle(10_000);
    assert!(world.reports(ReportKind::Blind).is_empty());
    world.idle(10_000);
    let told = world.reports(ReportKind::Blind);
    assert_eq!((told.len(), told[0].severity), (1, Severity::Alarm));
    world.idle(600_000);
    assert_eq!(world.reports(ReportKind::Blind).len(), 1, "once");
}

#[test]
fn a_read_wanted_while_another_is_under_way_is_neither_lost_nor_a_busy_loop() {
    let mut world = World::calm(policy());
    let mut guard = plimsoll::guard::Guard::new(policy(), world.now);
    std::mem::swap(&mut world.guard, &mut guard);
    let now = world.now;
    let drain = |world: &mut World| {
        let mut asked = 0;
        while let Some(action) = world.guard.next_action() {
            asked += usize::from(action == Action::Refresh(Refresh::Account));
        }
        asked
    };
    world.guard.handle(Event::Tick, now);
    assert_eq!(drain(&mut world), 1);
    let up = Event::Link {
        link: Link::Private,
        up: true,
        message: String::new(),
    };
    world.guard.handle(up, now.plus_ms(10));
    assert_eq!(drain(&mut world), 0, "one is under way");
    assert!(world.guard.deadline().expect("a deadline") > now.plus_ms(10));
    let picture = world.picture();
    world.guard.handle(Event::Account(picture), now.plus_ms(50));
    assert_eq!(
        drain(&mut world),
        1,
        "that one began before the link was up"
    );
}

#[test]
fn a_stale_mark_blocks_only_its_own_scope() {
    let mut world = two();
    world.rest_up = false;
    for _ in 0..12 {
        world.idle(1_000);
        world.mark("BTCUSDT", dec!(99000));
    }
    let told = world.reports(ReportKind::Blind);
    assert!(told.iter().any(|report| report.text.contains("ETHUSDT")));
    world.mark("BTCUSDT", DANGER);
    assert!(on_symbol(&world, "BTCUSDT") > 0);
    assert_eq!(on_symbol(&world, "ETHUSDT"), 0);
}

#[test]
fn a_late_mark_in_danger_acts_at_once_when_sight_returns_and_tells_it() {
    let mut world = World::calm(policy());
    world.rest_up = false;
    world.idle(15_000);
    assert_eq!(world.reports(ReportKind::Blind).len(), 1);
    world.mark("BTCUSDT", DANGER);
    assert!(!world.sends().is_empty(), "no wait for the next check");
    assert_eq!(world.reports(ReportKind::Sighted).len(), 1);
}

#[test]
fn a_mark_from_before_a_sleep_is_not_acted_on() {
    let mut world = World::calm(policy());
    let before = world.now;
    world.rest_up = false;
    // Ten minutes pass unnoticed; a frame from before arrives first.
    world.now = world.now.plus_ms(600_000);
    let frozen = Mark {
        symbol: Symbol::new("BTCUSDT"),
        price: price(DANGER),
        funding_rate: None,
        next_funding_at: None,
        at: before.plus_ms(1),
    };
    world.event(Event::Mark(frozen));
    assert!(world.sends().is_empty());
    assert!(!world.view().blind.is_empty());
}

#[test]
fn a_silent_price_stream_is_bridged_by_rest_and_told() {
    let mut world = World::calm(policy());
    world.log.clear();
    world.idle(60_000);
    let told = world.reports(ReportKind::Blind);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].text.starts_with("Half blind"));
    assert!((8..20).contains(&world.refreshes(Refresh::Account)));
    world.marks.insert(Symbol::new("BTCUSDT"), price(DANGER));
    world.idle(6_000);
    assert!(!world.sends().is_empty(), "REST marks are acted on");
    world.stream_marks();
    world.idle(1);
    assert_eq!(world.reports(ReportKind::Sighted).len(), 1);
}

#[test]
fn a_stale_account_blocks_everything_and_says_so_once() {
    let mut world = two();
    world.rest_up = false;
    world.run(100_000);
    assert_eq!(world.reports(ReportKind::Blind).len(), 1);
    world.mark("BTCUSDT", DANGER);
    assert!(world.sends().is_empty());
    world.rest_up = true;
    world.run(6_000);
    assert_eq!(world.reports(ReportKind::Sighted).len(), 1);
    assert!(!world.sends().is_empty());
}

#[test]
fn without_tiers_nothing_is_sent_and_rules_are_asked_for() {
    let mut world = World::calm(policy());
    let mut odd = second("ODDUSDT");
    odd.venue_liquidation = Some(price(dec!(95000)));
    world.open(odd);
    world.venue_line.insert(key("ODDUSDT"), price(dec!(95000)));
    // The venue never tells the tiers of this one.
    let mut guard = plimsoll::guard::Guard::new(policy(), world.now);
    let picture = world.picture();
    guard.handle(Event::Account(picture), world.now);
    let mark = Mark {
        symbol: Symbol::new("ODDUSDT"),
        price: price(dec!(95500)),
        funding_rate: None,
        next_funding_at: None,
        at: world.now,
    };
    guard.handle(Event::Mark(mark), world.now);
    let mut rules = 0;
    while let Some(action) = guard.next_action() {
        assert!(!matches!(action, Action::Send(_)));
        rules += usize::from(action == Action::Refresh(Refresh::Rules));
    }
    assert_eq!(rules, 1);
    let view = guard.view(world.now);
    assert!(
        view.blind
            .iter()
            .any(|text| text.contains("risk tiers of ODDUSDT"))
    );
}

#[test]
fn a_symbol_that_was_opened_gets_its_rules_and_its_guard() {
    let mut world = World::calm(policy());
    let asked = world.refreshes(Refresh::Rules);
    world.run(60_000);
    world.open(second("ETHUSDT"));
    let change = world.change(&key("ETHUSDT"), "ORDER");
    world.event(Event::Change(change));
    world.run(1_000);
    assert!(world.refreshes(Refresh::Rules) > asked);
    assert!(foreign(&world)[0].contains("ETHUSDT was opened"));
    world.mark("ETHUSDT", DANGER);
    assert!(on_symbol(&world, "ETHUSDT") > 0);
    assert!(world.reports(ReportKind::Blind).is_empty());
}

#[test]
fn a_jump_of_the_clock_reads_again_before_anything_is_done() {
    let mut world = World::calm(policy());
    world.rest_up = false;
    world.now = world.now.plus_ms(6_000);
    world.event(Event::TimeJump { gap_ms: 6_000 });
    world.mark("BTCUSDT", DANGER);
    assert!(world.sends().is_empty());
    world.rest_up = true;
    world.run(6_000);
    assert!(!world.sends().is_empty());
}

#[test]
fn a_clock_set_back_does_not_stop_the_guard() {
    let mut world = World::calm(policy());
    world.now = at(-3_600_000);
    world.event(Event::TimeJump { gap_ms: -3_601_000 });
    world.run(2_000);
    world.mark("BTCUSDT", DANGER);
    assert!(!world.sends().is_empty());
}

#[test]
fn a_mismatch_is_told_once_and_the_nearer_number_counts() {
    let mut world = World::calm(policy());
    world.venue_line.insert(key("BTCUSDT"), price(dec!(96500)));
    world.run(40_000);
    let told = world.reports(ReportKind::Mismatch);
    assert_eq!((told.len(), told[0].severity), (1, Severity::Alarm));
    world.run(120_000);
    assert_eq!(world.reports(ReportKind::Mismatch).len(), 1);
    // 1.5 % above the venue's line, but well above the own one.
    world.mark("BTCUSDT", dec!(97900));
    let sends = world.sends();
    assert!(!sends.is_empty());
    let effect: Money = sends.iter().map(added).sum();
    let closed: Quantity = sends.iter().map(reduced).sum();
    assert!(
        effect > money(dec!(100)) || closed >= Quantity::of(dec!(0.1)),
        "an act must move the nearer line: {sends:?}"
    );
}

#[test]
fn a_number_of_the_venue_where_we_have_none_is_a_mismatch_too() {
    let mut rich = isolated_long();
    rich.isolated_wallet = money(dec!(60000));
    let mut world = World::new(policy(), vec![rich], dec!(0));
    world.venue_line.insert(key("BTCUSDT"), price(dec!(90000)));
    world.start(Default::default());
    world.run(40_000);
    let told = world.reports(ReportKind::Mismatch);
    assert_eq!(told.len(), 1);
    assert!(told[0].text.contains("(none)"));
}

#[test]
fn a_manual_close_is_told_as_foreign_and_ends_the_watch() {
    let mut world = World::calm(policy());
    world.positions.clear();
    let change = world.change(&key("BTCUSDT"), "ORDER");
    world.event(Event::Change(change.clone()));
    assert!(foreign(&world)[0].contains("was closed"));
    world.event(Event::Change(change));
    world.run(5_000);
    assert_eq!(foreign(&world).len(), 1, "told once");
    world.mark("BTCUSDT", dec!(95000));
    assert!(world.sends().is_empty());
}

#[test]
fn a_picture_older_than_the_stream_does_not_bring_back_what_is_gone() {
    let mut world = World::calm(policy());
    let old = world.picture();
    world.idle(100);
    world.positions.clear();
    let change = world.change(&key("BTCUSDT"), "ORDER");
    world.guard.handle(Event::Change(change), world.now);
    while world.guard.next_action().is_some() {}
    world.guard.handle(Event::Account(old), world.now);
    assert!(world.view().positions.is_empty());
}

#[test]
fn a_picture_older_than_the_stream_does_not_undo_a_change_or_a_balance() {
    let mut world = World::calm(policy());
    let old = world.picture();
    world.idle(100);
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.isolated_wallet = money(dec!(2000));
    world.cross = money(dec!(1));
    let change = world.change(&key("BTCUSDT"), "MARGIN_TRANSFER");
    world.guard.handle(Event::Change(change), world.now);
    world.guard.handle(Event::Account(old), world.now);
    assert_eq!(
        world.shown(&key("BTCUSDT")).isolated_margin,
        money(dec!(2000))
    );
    assert_eq!(world.view().balances[0].cross_wallet, money(dec!(1)));
}

#[test]
fn news_before_the_first_picture_beats_that_picture() {
    let mut world = World::calm(policy());
    let old = world.picture();
    let mut guard = plimsoll::guard::Guard::new(policy(), world.now);
    world.idle(100);
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.quantity = Quantity::of(dec!(0.1));
    let change = world.change(&key("BTCUSDT"), "ORDER");
    guard.handle(Event::Change(change), world.now);
    guard.handle(Event::Account(old), world.now);
    let view = guard.view(world.now);
    assert_eq!(view.positions[0].quantity, Quantity::of(dec!(0.1)));
    let known = view.balances.iter().map(|balance| balance.available);
    assert!(known.sum::<Money>() <= money(dec!(10000)));
}

#[test]
fn the_venues_own_top_up_is_told_as_such_and_not_as_a_trade() {
    let mut helped = isolated_long();
    helped.auto_add_margin = true;
    let mut world = World::new(policy(), vec![helped], dec!(1000));
    world.start(Default::default());
    world.mark("BTCUSDT", dec!(97100));
    world.idle(500);
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.isolated_wallet += money(dec!(200));
    world.cross -= money(dec!(200));
    let change = world.change(&key("BTCUSDT"), "MARGIN_TRANSFER");
    world.event(Event::Change(change));
    let told = foreign(&world);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("The exchange itself added 200 USDT"),
        "{told:?}"
    );
    assert!(world.sends().is_empty());
}

#[test]
fn a_top_up_seen_only_by_a_picture_and_one_by_hand_are_told_differently() {
    let mut helped = second("ETHUSDT");
    helped.auto_add_margin = true;
    let mut world = World::new(policy(), vec![isolated_long(), helped], dec!(1000));
    world.start(Default::default());
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        let held = world.positions.get_mut(&key(symbol)).expect("held");
        held.isolated_wallet += money(dec!(50));
    }
    world.run(40_000);
    let told = foreign(&world);
    assert_eq!(told.len(), 2);
    assert!(told[0].contains("BTCUSDT grew by 50 USDT, not by Plimsoll"));
    assert!(told[1].contains("The exchange itself added 50 USDT to ETHUSDT"));
}

#[test]
fn an_own_addition_is_not_told_as_a_top_up_of_the_venue() {
    let mut policy = policy();
    policy.budgets.trim_per_action = Rate::ZERO;
    let mut helped = isolated_long();
    helped.auto_add_margin = true;
    let mut world = World::new(policy, vec![helped], dec!(10000));
    world.start(Default::default());
    world.mark("BTCUSDT", DANGER);
    world.run(40_000);
    assert_eq!(world.sends().len(), 1);
    assert!(world.sends()[0].reason.contains("auto-add margin is on"));
    assert!(foreign(&world).is_empty());
}

#[test]
fn an_unknown_addition_is_not_called_verified_by_a_top_up_of_the_venue() {
    let mut policy = policy();
    policy.budgets.trim_per_action = Rate::ZERO;
    policy.budgets.add_per_action = money(dec!(100));
    let mut helped = isolated_long();
    helped.auto_add_margin = true;
    let mut world = World::new(policy, vec![helped], dec!(10000));
    world.start(Default::default());
    world.answers.push_back(Answer::LoseUnknown);
    world.mark("BTCUSDT", DANGER);
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.isolated_wallet += money(dec!(5000));
    world.run(20_000);
    assert!(world.reports(ReportKind::Verified).is_empty());
    let told = world.reports(ReportKind::NotKnown);
    assert!(told.iter().any(|report| report.text.contains("auto-add")));
}

#[test]
fn liquidation_and_adl_are_alarms_and_read_again() {
    let mut world = World::calm(policy());
    for origin in [OrderOrigin::Liquidation, OrderOrigin::AutoDeleveraging] {
        let asked = world.refreshes(Refresh::Account);
        let update = plimsoll::guard::event::OrderUpdate {
            client_id: "autoclose-1".to_owned(),
            symbol: Symbol::new("BTCUSDT"),
            position_side: plimsoll::domain::PositionSide::Both,
            order_side: Side::Short,
            origin,
            status: OrderStatus::Working,
            filled: Quantity::ZERO,
            average_price: None,
            fee: None,
            at: world.now,
        };
        world.event(Event::Order(update));
        assert!(world.refreshes(Refresh::Account) > asked);
    }
    let told = world.reports(ReportKind::Foreign);
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|report| report.severity == Severity::Alarm));
}

#[test]
fn what_the_trader_does_while_an_act_is_under_way_is_still_told() {
    let mut policy = policy();
    policy.budgets.top_ups_per_position_day = 0;
    let mut world = World::calm(policy);
    world.answers.push_back(Answer::LoseUnknown);
    world.lookup = Lookup::Nothing;
    world.mark("BTCUSDT", DANGER);
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.quantity = Quantity::of(dec!(0.9));
    world.idle(10);
    let change = world.change(&key("BTCUSDT"), "ORDER");
    world.event(Event::Change(change));
    assert_eq!(
        foreign(&world),
        ["BTCUSDT went from 0.5 to 0.9, not by Plimsoll."]
    );
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.side = Side::Short;
    world.idle(10);
    let change = world.change(&key("BTCUSDT"), "ORDER");
    world.event(Event::Change(change));
    assert!(foreign(&world)[1].contains("changed its side"));
}

#[test]
fn an_old_book_is_not_used_for_prices() {
    use plimsoll::domain::{Book, BookLevel};
    let mut policy = policy();
    policy.budgets.top_ups_per_position_day = 0;
    let mut world = World::calm(policy);
    let level = |value| BookLevel {
        price: price(value),
        quantity: Quantity::of(dec!(100)),
    };
    world.event(Event::Book(Book {
        symbol: Symbol::new("BTCUSDT"),
        bids: vec![level(dec!(50000))],
        asks: vec![level(dec!(50001))],
        at: world.now,
    }));
    world.run(60_000);
    world.mark("BTCUSDT", DANGER);
    // Half of the position at half of the price would cost more than ten thousand.
    assert!(
        world.sends()[0].cost < money(dec!(200)),
        "{:?}",
        world.sends()[0]
    );
}

#[test]
fn a_scope_without_any_healthy_price_is_on_its_line() {
    // A perfect hedge whose wallet is gone has no price that would save it.
    let legs = [
        (plimsoll::domain::PositionSide::Long, Side::Long),
        (plimsoll::domain::PositionSide::Short, Side::Short),
    ]
    .map(|(slot, side)| {
        position(
            sided("BTCUSDT", slot),
            side,
            dec!(0.5),
            MarginMode::Cross,
            dec!(0),
        )
    });
    let mut world = World::new(policy(), legs.to_vec(), dec!(-100));
    world.position_mode = plimsoll::domain::PositionMode::Hedge;
    world.start(Default::default());
    let shown = world.view().positions;
    assert!(
        shown.iter().all(|held| held.level >= Level::Acting),
        "{shown:?}"
    );
}

#[test]
fn an_account_that_may_not_trade_is_an_alarm() {
    let mut world = World::calm(policy());
    for may in [false, false, true] {
        world.idle(1_000);
        let mut picture = world.picture();
        picture.can_trade = may;
        world.event(Event::Account(picture));
    }
    let told = world.reports(ReportKind::Powerless).into_iter();
    let loud: Vec<Severity> = told.map(|report| report.severity).collect();
    assert_eq!(loud, [Severity::Alarm, Severity::Info]);
}

#[test]
fn a_cross_scope_without_a_known_balance_says_that_it_cannot_be_protected() {
    let mut held = isolated_long();
    held.margin_mode = MarginMode::Cross;
    held.venue_liquidation = Some(price(dec!(96000)));
    let mut world = World::calm(policy());
    world.run(10_000);
    let mut picture = world.picture();
    picture.balances.clear();
    picture.positions = vec![held];
    world.event(Event::Account(picture));
    world.mark("BTCUSDT", DANGER);
    let told = world.reports(ReportKind::Powerless);
    assert!(told[0].text.contains("balance"), "{told:?}");
}

fn settled(view: &View) -> Vec<(Symbol, Price, Quantity, Money, Money)> {
    let cross = view.balances[0].cross_wallet;
    let held = view.positions.iter();
    held.map(|held| {
        (
            held.symbol.clone(),
            held.entry_price,
            held.quantity,
            held.isolated_margin,
            cross,
        )
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_repetition_of_private_events_gives_the_same_view(
        sizes in prop::collection::vec((0_u8..2, 0_i64..5, 1_i64..4000), 1..8),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..40),
    ) {
        let mut policy = policy();
        policy.mode = plimsoll::guard::event::Mode::Watch;
        let base = || {
            let positions = vec![isolated_long(), second("ETHUSDT")];
            let mut world = World::new(policy.clone(), positions, dec!(10000));
            world.start(Default::default());
            world.rest_up = false;
            world
        };
        let mut source = base();
        let mut changes = Vec::new();
        for (symbol, size, wallet) in sizes {
            source.now = source.now.plus_ms(10);
            let name = if symbol == 0 { "BTCUSDT" } else { "ETHUSDT" };
            source.cross = money(Decimal::from(wallet));
            let mut held = second(name);
            held.quantity = Quantity::of(Decimal::new(size, 1));
            held.isolated_wallet = money(Decimal::from(wallet));
            source.positions.insert(key(name), held);
            if size == 0 {
                source.positions.remove(&key(name));
            }
            changes.push(source.change(&key(name), "ORDER"));
        }
        let mut straight = base();
        for change in &changes {
            straight.guard.handle(Event::Change(change.clone()), straight.now);
        }
        let mut mixed = base();
        let drawn = order.iter().map(|index| index.get(&changes));
        for change in drawn.chain(changes.iter().rev()) {
            mixed.guard.handle(Event::Change(change.clone()), mixed.now);
        }
        // A position that closed and opened again comes back with the next picture.
        let picture = source.picture();
        for world in [&mut straight, &mut mixed] {
            let mut late = picture.clone();
            late.taken_at = late.taken_at.plus_ms(-1);
            world.guard.handle(Event::Account(late), world.now);
        }
        prop_assert_eq!(settled(&straight.view()), settled(&mixed.view()));
        let record = |entry: &Entry| matches!(entry, Entry::Intent { .. });
        prop_assert!(!mixed.records().iter().any(record));
    }
}

#[test]
fn a_sleep_is_not_taken_for_the_time_that_a_rescue_needs() {
    let mut world = World::calm(policy());
    world.answers.push_back(Answer::DoUnknown);
    world.lookup = Lookup::Nothing;
    world.mark("BTCUSDT", DANGER);
    world.now = world.now.plus_ms(10 * MINUTE_MS);
    world.lookup = Lookup::Truth;
    world.event(Event::TimeJump {
        gap_ms: 10 * MINUTE_MS,
    });
    world.run(20_000);
    let needed = world.guard.outlook(world.now)[0].time_needed_ms;
    assert_eq!(needed, 5_000, "what is assumed");
}

#[test]
fn after_a_long_sleep_the_pace_is_not_believed_and_past_prices_are_asked_for() {
    let mut world = World::new(policy(), vec![isolated_long()], dec!(0));
    world
        .marks
        .insert(Symbol::new("BTCUSDT"), Price::of(dec!(98000)));
    world.start(Default::default());
    world.wander("BTCUSDT", dec!(98000), dec!(2), 65 * MINUTE_MS);
    let act_pct = |world: &World| {
        let ahead = &world.guard.outlook(world.now)[0];
        let act = ahead.act_price.expect("one").get();
        let line = ahead.liquidation_price.expect("one").get();
        (act - line) / act * dec!(100)
    };
    assert!(act_pct(&world) < dec!(0.3), "{}", act_pct(&world));
    let asked = world.refreshes(Refresh::History);
    world.now = world.now.plus_ms(8 * HOUR_MS);
    world.event(Event::TimeJump {
        gap_ms: 8 * HOUR_MS,
    });
    world.run(61_000);
    assert!(act_pct(&world) > dec!(1.49), "{}", act_pct(&world));
    assert!(world.refreshes(Refresh::History) > asked);
    // Past prices fill the gap: the pace is known again.
    let start = world.now.as_millis() / MINUTE_MS * MINUTE_MS - 120 * MINUTE_MS;
    let bar = |minute: i64| Bar {
        start: plimsoll::domain::Timestamp::from_millis(start + minute * MINUTE_MS),
        low: Price::of(dec!(97990)),
        high: Price::of(dec!(98010)),
        close: Price::of(dec!(98000)),
    };
    world.event(Event::History {
        symbol: Symbol::new("BTCUSDT"),
        bars: (0..120).map(bar).collect(),
    });
    let asked = world.refreshes(Refresh::History);
    world.run(5 * MINUTE_MS);
    assert!(act_pct(&world) < dec!(0.3), "{}", act_pct(&world));
    assert_eq!(world.refreshes(Refresh::History), asked);
}
