//! When the guard acts: the floor, the forecast, hysteresis, and what it does not do when passive.

#[path = "support/guard_world.rs"]
mod world;

use plimsoll::domain::{Book, BookLevel, MINUTE_MS, Quantity, Rate, Symbol};
use plimsoll::guard::action::ReportKind;
use plimsoll::guard::event::{Bar, Command, Event, Mark, Mode};
use plimsoll::guard::journal::{Entry, Recovered};
use plimsoll::guard::level::Level;
use plimsoll::guard::policy::Preset;
use proptest::prelude::*;
use rust_decimal::{Decimal, dec};
use world::*;

/// Mark at which the 1.5 % that hold without a forecast are reached by [`isolated_long`]: 95,381.53 / 0.985.
const FLOOR_MARK: Decimal = dec!(96834.04);

#[test]
fn without_a_forecast_the_wide_floor_acts_before_liquidation() {
    let mut world = World::calm(policy());
    assert_eq!(world.shown(&key("BTCUSDT")).breach_probability, None);
    world.mark("BTCUSDT", FLOOR_MARK + dec!(1));
    assert_eq!(world.sends(), []);
    world.mark("BTCUSDT", FLOOR_MARK - dec!(1));
    assert_eq!(world.sends().len(), 1, "an addition");
    let line = world
        .shown(&key("BTCUSDT"))
        .liquidation_price
        .expect("line");
    assert!(line < price(dec!(95381)), "{line}");
    assert_eq!(world.reports(ReportKind::Verified).len(), 1);
}

#[test]
fn coming_funding_counts_before_it_is_charged() {
    let funded = |rate: Decimal| {
        let mut world = World::calm(policy());
        world.mark("BTCUSDT", dec!(98800));
        world.event(Event::Mark(Mark {
            symbol: Symbol::new("BTCUSDT"),
            price: price(dec!(98800)),
            funding_rate: Some(Rate::of(rate)),
            next_funding_at: Some(world.now.plus_ms(5 * 60_000)),
            at: world.now,
        }));
        world.run(60_000);
        world
    };
    assert_eq!(funded(dec!(0.0001)).sends(), []);
    assert_eq!(
        funded(dec!(-0.02)).sends(),
        [],
        "a long that receives is not nearer"
    );
    let world = funded(dec!(0.02));
    let first = &world.sends()[0];
    assert!(
        first.reason.contains("after the coming funding"),
        "{}",
        first.reason
    );
}

#[test]
fn a_calm_market_emits_nothing_but_reads() {
    let mut world = World::calm(policy());
    world.log.clear();
    world.run(600_000);
    assert!(world.sends().is_empty() && world.records().is_empty());
    assert!(
        world
            .log
            .iter()
            .all(|action| matches!(action, plimsoll::guard::action::Action::Refresh(_)))
    );
    assert!(world.log.len() < 40, "{}", world.log.len());
}

#[test]
fn levels_do_not_flap_on_a_sawtooth_within_the_hysteresis() {
    let mut world = World::calm(policy());
    world.command(Command::Pause);
    // Nearness 0.98 and 1.05, on and on.
    for _ in 0..50 {
        world.mark("BTCUSDT", dec!(96810));
        world.idle(500);
        world.mark("BTCUSDT", dec!(96908));
        world.idle(500);
    }
    let levels = world
        .records()
        .into_iter()
        .filter(|entry| matches!(entry, Entry::Level { .. }));
    assert!(levels.count() <= 2);
    assert_eq!(world.shown(&key("BTCUSDT")).level, Level::Acting);
}

#[test]
fn a_level_below_acting_rises_at_once_and_falls_after_a_minute() {
    let mut world = World::calm(policy());
    let levels = |world: &World| {
        let entries = world.records().into_iter();
        entries
            .filter(|entry| matches!(entry, Entry::Level { .. }))
            .count()
    };
    // 2.97 and 3.46 % away: a watch begins at 3, and ends beyond 3.3.
    for _ in 0..20 {
        world.mark("BTCUSDT", dec!(98300));
        world.idle(5_000);
        world.mark("BTCUSDT", dec!(98800));
        world.idle(5_000);
    }
    assert_eq!(levels(&world), 1);
    assert_eq!(world.shown(&key("BTCUSDT")).level, Level::Watch);
    for _ in 0..13 {
        world.mark("BTCUSDT", dec!(98800));
        world.idle(5_000);
    }
    assert_eq!(world.shown(&key("BTCUSDT")).level, Level::Calm);
    assert_eq!(levels(&world), 2);
}

/// A day of minutes that each reach 0.1 % around 100,000.
fn past(world: &World) -> Event {
    let bars = (1..=1_440)
        .rev()
        .map(|ago| Bar {
            start: world.now.plus_ms(-ago * 60_000),
            low: price(dec!(99950)),
            high: price(dec!(100050)),
            close: price(dec!(100000)),
        })
        .collect();
    let symbol = Symbol::new("BTCUSDT");
    Event::History { symbol, bars }
}

#[test]
fn past_prices_give_a_forecast_at_once_and_it_rules_over_the_wide_floor() {
    let mut world = World::calm(policy());
    assert_eq!(world.guard.outlook(world.now)[0].odds, []);
    let blind = world.shown(&key("BTCUSDT")).act_price.expect("a price");
    let past = past(&world);
    world.event(past);
    let shown = world.shown(&key("BTCUSDT"));
    assert!(shown.breach_probability.is_some());
    // 0.8 of 6.8 times 0.06 % is nearer than 1.5 %.
    assert!(shown.act_price.expect("a price") < blind, "{shown:?}");
    let outlook = &world.guard.outlook(world.now)[0];
    assert_eq!(outlook.odds.len(), 5);
    assert!(outlook.odds.iter().all(|odds| odds.act >= odds.liquidation));
    assert!(!outlook.acts_now && outlook.time_needed_ms == 5_000);
    let rescue = outlook.rescue.as_ref().expect("a rescue");
    assert_eq!(Some(rescue.at), outlook.act_price);
    let chosen = rescue.chosen.as_ref().expect("something to do");
    assert!(chosen.label.starts_with("add "), "{chosen:?}");
    assert!(!rescue.others.is_empty() && rescue.waiting.is_positive());
}

#[test]
fn a_slow_venue_and_a_careful_preset_act_earlier() {
    let act = |needed_ms: i64, preset: Preset| {
        let mut policy = policy();
        policy.triggers.time_needed_ms = needed_ms;
        policy.triggers.preset = preset;
        let mut world = World::calm(policy);
        let past = past(&world);
        world.event(past);
        world.shown(&key("BTCUSDT")).act_price.expect("a price")
    };
    let usual = act(5_000, Preset::Balanced);
    assert!(act(15_000, Preset::Balanced) > usual);
    assert!(act(5_000, Preset::Careful) > usual);
    assert!(act(5_000, Preset::Tight) < usual);
}

#[test]
fn nothing_is_started_inside_the_hysteresis_band() {
    let mut world = World::calm(policy());
    world.command(Command::Pause);
    world.mark("BTCUSDT", FLOOR_MARK - dec!(5));
    world.mark("BTCUSDT", FLOOR_MARK + dec!(50));
    assert_eq!(world.shown(&key("BTCUSDT")).level, Level::Acting);
    world.command(Command::Resume);
    world.run(3_000);
    assert!(world.sends().is_empty());
}

#[test]
fn a_would_do_is_told_once_and_not_flooded() {
    let mut policy = policy();
    policy.mode = Mode::Watch;
    let mut world = World::calm(policy);
    world.judge.mute = true;
    for tick in 0..300 {
        world.mark("BTCUSDT", dec!(96500) + Decimal::from(tick % 7));
        world.idle(1_000);
    }
    assert_eq!(world.reports(ReportKind::WouldDo).len(), 1);
    for tick in 0..600 {
        world.mark("BTCUSDT", dec!(96500) + Decimal::from(tick % 7));
        world.idle(1_000);
    }
    assert_eq!(world.reports(ReportKind::WouldDo).len(), 2);
}

#[test]
fn a_scope_that_cannot_be_helped_is_told_without_a_flood_and_becomes_distress() {
    let mut policy = policy();
    policy.budgets.actions_per_position_day = 0;
    let mut world = World::calm(policy);
    for tick in 0..120 {
        world.mark("BTCUSDT", dec!(96500) + Decimal::from(tick % 3));
        world.idle(1_000);
        world.cross += money(dec!(1));
    }
    assert_eq!(world.reports(ReportKind::Powerless).len(), 1);
    assert_eq!(world.shown(&key("BTCUSDT")).level, Level::Distress);
    world.mark("BTCUSDT", dec!(100000));
    assert_eq!(world.shown(&key("BTCUSDT")).level, Level::Calm);
}

#[test]
fn a_fast_crash_is_not_kept_waiting_by_the_cool_down() {
    let mut policy = policy();
    policy.cooldown_ms = 60_000;
    policy.budgets.top_ups_per_position_day = 0;
    let mut world = World::calm(policy);
    world.mark("BTCUSDT", FLOOR_MARK - dec!(600));
    let first = world.sends().len();
    world.run(2_000);
    world.mark("BTCUSDT", dec!(92900));
    world.run(2_000);
    assert!(world.sends().len() > first, "{:?}", world.log.last());
}

#[test]
fn the_cool_down_holds_back_what_is_not_deep() {
    let mut policy = policy();
    policy.cooldown_ms = 60_000;
    policy.budgets.top_ups_per_position_day = 0;
    let mut world = World::calm(policy);
    world.mark("BTCUSDT", FLOOR_MARK - dec!(1));
    let line = world.shown(&key("BTCUSDT")).liquidation_price;
    assert!(line < Some(price(dec!(95381))), "trimmed");
    // 1.2 % away: nearer than the 1.5 % to act at, farther than what is deep.
    let near = line.expect("a line").get() / dec!(0.988);
    world.mark("BTCUSDT", near.round());
    world.run(50_000);
    assert!(world.shown(&key("BTCUSDT")).level >= Level::Acting);
    assert_eq!(world.shown(&key("BTCUSDT")).liquidation_price, line);
    world.run(20_000);
    assert_ne!(world.shown(&key("BTCUSDT")).liquidation_price, line);
}

fn crash(world: &mut World, marks: &[i64]) -> Option<usize> {
    for (index, mark) in marks.iter().enumerate() {
        world.mark("BTCUSDT", Decimal::from(*mark));
        if !world.sends().is_empty() {
            return Some(index);
        }
        world.idle(1_000);
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_forecast_acts_earlier_than_the_floor_and_never_later(
        steps in prop::collection::vec(-250_i64..200, 30..400),
    ) {
        let mut mark = 100_000;
        let marks: Vec<i64> = steps.iter().map(|step| { mark += step; mark }).collect();
        let with = crash(&mut World::calm(policy()), &marks);
        let mut floor_only = policy();
        // A limit of 1 and no time needed: the forecast never asks for anything.
        floor_only.triggers.breach_limit = 1.0;
        floor_only.triggers.time_needed_ms = 0;
        let without = crash(&mut World::calm(floor_only), &marks);
        if let Some(floor) = without {
            prop_assert!(with.is_some_and(|with| with <= floor), "{with:?} {floor}");
        }
    }

    #[test]
    fn the_act_line_is_never_nearer_than_the_floor(
        share in 1_i64..200,
        steps in prop::collection::vec(-300_i64..300, 1..60),
    ) {
        let mut policy = policy();
        policy.mode = Mode::Watch;
        policy.triggers.floor_distance = Rate::of(Decimal::new(share, 3));
        let mut world = World::calm(policy);
        let mut mark = 100_000;
        for step in steps {
            mark += step;
            world.mark("BTCUSDT", Decimal::from(mark));
            world.idle(15_000);
            let shown = world.shown(&key("BTCUSDT"));
            let line = shown.liquidation_price.expect("line").get();
            let floor = line / (Decimal::ONE - Decimal::new(share, 3));
            let act = shown.act_price.expect("act price").get();
            prop_assert!(act >= floor - dec!(0.01), "{act} {floor}");
        }
    }
}

/// An isolated long whose price has hardly moved for `minutes` minutes: it acts very near its line.
fn quiet(mark: Decimal, minutes: i64) -> World {
    let mut world = World::new(policy(), vec![isolated_long()], dec!(0));
    world.marks.insert(Symbol::new("BTCUSDT"), price(mark));
    world.start(Recovered::default());
    world.wander("BTCUSDT", mark, dec!(2), minutes * MINUTE_MS);
    world
}

/// Next to nothing at `mark`, enough only at `far`.
fn thin_book(world: &World, mark: Decimal, far: Decimal) -> Event {
    let level = |value: Decimal, size: Decimal| BookLevel {
        price: price(value),
        quantity: Quantity::of(size),
    };
    Event::Book(Book {
        symbol: Symbol::new("BTCUSDT"),
        bids: vec![level(mark, dec!(0.01)), level(far, dec!(10))],
        asks: vec![level(mark + dec!(1), dec!(10))],
        at: world.now,
    })
}

#[test]
fn one_thin_book_frame_gives_up_nothing_and_neither_does_it_twice() {
    let mut world = quiet(dec!(98000), 20);
    assert_eq!(world.sends(), []);
    let frame = thin_book(&world, dec!(98000), dec!(93000));
    for _ in 0..2 {
        world.event(frame.clone());
        world.idle(100);
        world.mark("BTCUSDT", dec!(98000));
    }
    assert_eq!(world.sends(), []);
    // Between two thick ones it is an outlier too.
    for far in [97990, 93000, 97990] {
        world.idle(500);
        let frame = thin_book(&world, dec!(98000), Decimal::from(far));
        world.event(frame);
        world.mark("BTCUSDT", dec!(98000));
    }
    assert_eq!(world.sends(), []);
}

#[test]
fn a_thin_book_of_an_hour_ago_says_nothing() {
    let mut world = quiet(dec!(112000), 20);
    for _ in 0..2 {
        let frame = thin_book(&world, dec!(112000), dec!(106000));
        world.event(frame);
        world.idle(500);
    }
    let mut mark = dec!(112000);
    while mark > dec!(98000) {
        mark -= dec!(4);
        world.mark("BTCUSDT", mark);
        world.idle(1_000);
    }
    assert_eq!(world.sends(), [], "2.67 % away, no book since 58 minutes");
}

#[test]
fn a_book_that_stays_thin_raises_alertness_but_never_as_if_the_danger_were_deep() {
    let mut world = quiet(dec!(98000), 20);
    let before = world.shown(&key("BTCUSDT")).level;
    assert_eq!(before, Level::Calm);
    for _ in 0..20 {
        let frame = thin_book(&world, dec!(98000), dec!(93000));
        world.event(frame);
        world.idle(500);
        world.mark("BTCUSDT", dec!(98000));
    }
    // At these prices no trim would help, and it is not yet time to close.
    assert_eq!(world.sends(), []);
    assert!(world.shown(&key("BTCUSDT")).level >= Level::Acting);
    // A book with enough in it ends that at once.
    let frame = thin_book(&world, dec!(98000), dec!(97990));
    world.event(frame);
    world.mark("BTCUSDT", dec!(98000));
    assert!(world.shown(&key("BTCUSDT")).level < Level::Acting);
}
