//! What would cost money if it failed: a venue that refuses, hedges, shared wallets, late answers, small
//! positions.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests: a failure here is a failed test"
)]

#[path = "support/guard_world.rs"]
mod world;

use plimsoll::domain::{
    MINUTE_MS, MarginMode, Money, Position, PositionMode, PositionSide, Quantity, Rate, Side,
};
use plimsoll::guard::event::{Command, Mode};
use plimsoll::guard::intent::{Intent, IntentKind, Reaction};
use plimsoll::guard::journal::Recovered;
use plimsoll::guard::policy::Policy;
use rust_decimal::{Decimal, dec};
use world::*;

const DANGER: Decimal = dec!(96800);

fn named(symbol: &str, wallet: Decimal) -> Position {
    position(
        key(symbol),
        Side::Long,
        dec!(0.5),
        MarginMode::Isolated,
        wallet,
    )
}

fn cross(symbol: &str, side: Side, quantity: Decimal) -> Position {
    position(key(symbol), side, quantity, MarginMode::Cross, dec!(0))
}

fn adding() -> Policy {
    let mut policy = policy();
    policy.budgets.trim_per_action = Rate::ZERO;
    policy
}

fn moving(per_day: Decimal) -> Policy {
    let mut policy = policy();
    policy.allowance.move_in_per_day = money(per_day);
    policy
}

fn moved(intent: &Intent) -> Money {
    match intent.kind {
        IntentKind::MoveIn { amount, .. } => amount,
        _ => Money::ZERO,
    }
}

/// The venue refuses additions, but would take a reduction.
#[test]
fn a_refused_addition_gives_way_to_a_trim() {
    let mut stuck = Vec::new();
    for reaction in [
        Reaction::RetryLater,
        Reaction::Resync,
        Reaction::RefreshFilters,
        Reaction::Powerless,
    ] {
        let mut world = World::calm(policy());
        world.default_answer = Answer::Reject(reaction);
        let mut mark = DANGER;
        while mark > dec!(95400) {
            world.mark("BTCUSDT", mark);
            world.run(5_000);
            mark -= dec!(50);
        }
        let sends = world.sends();
        if sends.iter().all(|intent| reduced(intent).is_zero()) {
            stuck.push((reaction, sends.len(), world.now.since(at(0)) / 1_000));
        }
    }
    assert!(
        stuck.is_empty(),
        "down to 0.02 % from the line only additions, by (reaction, sends, seconds): {stuck:?}"
    );
}

/// Additions are lost each time.
#[test]
fn an_addition_that_is_lost_again_and_again_gives_way_to_a_trim() {
    let mut world = World::calm(policy());
    world.default_answer = Answer::LoseUnknown;
    let mut mark = DANGER;
    while mark > dec!(95400) {
        world.mark("BTCUSDT", mark);
        world.run(5_000);
        mark -= dec!(50);
    }
    let sends = world.sends();
    assert!(
        sends.iter().any(|intent| reduced(intent).is_positive()),
        "{} sends, all additions",
        sends.len()
    );
}

fn hedged(policy: Policy) -> World {
    let leg = |slot, side, quantity| {
        position(
            sided("BTCUSDT", slot),
            side,
            quantity,
            MarginMode::Cross,
            dec!(0),
        )
    };
    let legs = vec![
        leg(PositionSide::Long, Side::Long, dec!(0.6)),
        leg(PositionSide::Short, Side::Short, dec!(1)),
    ];
    let mut world = World::new(policy, legs, dec!(2500));
    world.position_mode = PositionMode::Hedge;
    world.start(Recovered::default());
    world
}

/// Net short in one symbol: the long leg is the hedge.
#[test]
fn a_net_short_hedge_is_trimmed_on_its_short_side() {
    let mut world = hedged(policy());
    world.mark("BTCUSDT", dec!(103050));
    world.run(MINUTE_MS);
    let first = world.sends().first().cloned();
    let share = first.map(|intent| reduced(&intent));
    assert!(
        share.is_some_and(|share| share >= Quantity::of(dec!(0.05))),
        "{share:?}"
    );
    // A minute in the band and the budget of the day is not yet gone.
    assert!(world.sends().len() < 10, "{}", world.sends().len());
}

/// The last act of the day closes the leg that hedges.
#[test]
fn the_hedging_leg_is_never_closed() {
    let mut policy = policy();
    policy.budgets.actions_per_position_day = 1;
    let mut world = hedged(policy);
    // 0.5 % away, in two steps of which the first is too far for any act.
    world.command(Command::Pause);
    world.mark("BTCUSDT", dec!(104050));
    world.command(Command::Resume);
    world.idle(500);
    let longs = world
        .sends()
        .into_iter()
        .filter(|intent| intent.key.position_side == PositionSide::Long);
    assert_eq!(longs.count(), 0, "net short 0.4 became net short 1.0");
}

/// What leaves the cross wallet for an isolated position.
#[test]
fn an_isolated_addition_leaves_a_cross_account_of_three_longs_above_its_act_line() {
    let mut policy = policy();
    policy.budgets.add_per_action = money(dec!(20000));
    policy.triggers.blind_distance = Rate::of(dec!(0.06));
    let legs = vec![
        cross("ETHUSDT", Side::Long, dec!(0.5)),
        cross("SOLUSDT", Side::Long, dec!(0.5)),
        cross("XRPUSDT", Side::Long, dec!(0.5)),
        named("BTCUSDT", dec!(5500)),
    ];
    let mut world = World::new(policy, legs, dec!(24000));
    world.start(Recovered::default());
    world.mark("BTCUSDT", dec!(93000));
    world.run(10_000);
    let cross_acts = world
        .sends()
        .into_iter()
        .filter(|intent| intent.margin_mode == MarginMode::Cross);
    assert_eq!(cross_acts.count(), 0, "no mark of theirs has moved");
}

/// Two questions at once.
#[test]
fn two_answers_do_not_move_in_more_than_the_budget_of_the_day() {
    let mut policy = moving(dec!(450));
    policy.mode = Mode::Ask;
    policy.budgets.trim_per_action = Rate::ZERO;
    let legs = vec![named("BTCUSDT", dec!(2500)), named("ETHUSDT", dec!(2500))];
    let mut world = World::new(policy, legs, dec!(0));
    world.outside.spot = money(dec!(5000));
    world.start(Recovered::default());
    world.mark("BTCUSDT", DANGER);
    world.mark("ETHUSDT", DANGER);
    for question in world.asks() {
        world.command(Command::Approve(question.id));
    }
    world.run(5_000);
    let sum: Money = world.sends().iter().map(moved).sum();
    assert!(sum <= money(dec!(450)), "{sum}");
}

/// What was free when the question was asked is not when the answer comes. The venue would do it:
/// its free balance is larger than the amount, before and after.
#[test]
fn a_yes_does_not_drain_a_cross_account_that_has_come_nearer_to_its_line_meanwhile() {
    let mut policy = adding();
    policy.mode = Mode::Ask;
    policy.symbols = vec!["BTCUSDT".to_owned()];
    policy.triggers.blind_distance = Rate::of(dec!(0.06));
    policy.budgets.add_per_action = money(dec!(6000));
    let legs = vec![
        cross("ETHUSDT", Side::Long, dec!(0.5)),
        named("BTCUSDT", dec!(5500)),
    ];
    let mut world = World::new(policy, legs, dec!(14000));
    world.start(Recovered::default());
    world.mark("BTCUSDT", dec!(93000));
    let question = world.asks().pop().expect("a question");
    let asked = added(&question);
    world.mark("ETHUSDT", dec!(89500));
    world.idle(1_000);
    assert!(world.balance().available > asked, "the venue would refuse");
    world.command(Command::Approve(question.id));
    world.idle(500);
    let after = world.shown(&key("ETHUSDT"));
    assert!(
        after.distance_pct.expect("a line") > 6.0,
        "the answer has carried the cross account to its act line"
    );
}

/// Deep, and nothing free.
#[test]
fn in_deep_danger_a_trim_comes_before_a_transfer_that_helps_nothing_by_itself() {
    let mut world = World::new(moving(dec!(5000)), vec![isolated_long()], dec!(0));
    world.outside.spot = money(dec!(5000));
    world.start(Recovered::default());
    world.answers = [Answer::LoseUnknown, Answer::LoseUnknown].into();
    world.mark("BTCUSDT", dec!(95900));
    let began = world.now;
    world.run(30_000);
    let helps = world
        .sends()
        .into_iter()
        .find(|intent| moved(intent).is_zero());
    let after = helps.map(|intent| intent.planned_at.since(began));
    assert!(
        after.is_some_and(|ms| ms <= 1_000),
        "0.54 % from the line, first act that moves it after {after:?} ms"
    );
}

/// An ordinary small position: 0.002 BTC.
#[test]
fn a_small_position_is_not_closed_at_the_first_act_line() {
    let mut small = named("BTCUSDT", dec!(10));
    small.quantity = Quantity::of(dec!(0.002));
    let mut world = World::new(policy(), vec![small], dec!(0));
    world.start(Recovered::default());
    world.mark("BTCUSDT", dec!(96820));
    assert!(
        !world.positions.is_empty(),
        "all of it, in the band of small trims"
    );
}

/// The most that one action may close.
#[test]
fn no_action_closes_more_than_its_share() {
    let mut policy = policy();
    policy.budgets.trim_per_action = Rate::of(dec!(0.25));
    let mut world = World::new(policy, vec![isolated_long()], dec!(0));
    world.start(Recovered::default());
    world.mark("BTCUSDT", dec!(95600));
    for intent in world.sends() {
        let share = reduced(&intent).ratio(intent.before.quantity);
        assert!(share <= Some(Rate::of(dec!(0.25))), "{share:?}");
    }
}

/// Money for a cross account is measured on the line of one symbol alone.
#[test]
fn what_money_from_outside_is_said_to_do_is_what_it_does() {
    let legs = vec![
        cross("BTCUSDT", Side::Long, dec!(0.5)),
        cross("ETHUSDT", Side::Long, dec!(0.5)),
    ];
    let mut world = World::new(moving(dec!(5000)), legs, dec!(6000));
    world.outside.spot = money(dec!(5000));
    world.start(Recovered::default());
    let mut mark = dec!(100000);
    while world.sends().is_empty() {
        mark -= dec!(20);
        world.mark("BTCUSDT", mark);
        world.mark("ETHUSDT", mark);
        world.idle(1_000);
    }
    world.run(3_000);
    let shown = world.shown(&key("BTCUSDT"));
    assert!(
        moved(&world.sends()[0]).is_zero() || shown.distance_pct.expect("a line") > 4.0,
        "said 4.39 % away, is {:?} %",
        shown.distance_pct
    );
}
