//! What eases an account apart from adding margin and trimming: giving back what was added,
//! cancelling resting orders that lock the margin for a rescue, and moving money in.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests: a failure here is a failed test"
)]

#[path = "support/guard_world.rs"]
mod world;

use plimsoll::domain::{
    HOUR_MS, MINUTE_MS, Money, OpenOrder, PositionSide, Quantity, Rate, Side, Symbol,
};
use plimsoll::guard::action::{ReportKind, Severity};
use plimsoll::guard::event::{Command, Event, Mode, OrderOrigin, OrderStatus, OrderUpdate};
use plimsoll::guard::intent::{Ending, Intent, IntentKind, Reaction, Resolution};
use plimsoll::guard::journal::{Entry, Loan, OpenIntent, Recovered};
use plimsoll::guard::level::Level;
use plimsoll::guard::policy::Policy;
use rust_decimal::{Decimal, dec};
use world::*;

/// A mark below the floor of [`isolated_long`].
const DANGER: Decimal = dec!(96800);
/// A mark at which the added margin is no longer needed.
const HIGH: Decimal = dec!(112000);

/// Only additions rescue; what was added goes back after an hour of calm.
fn giving() -> Policy {
    let mut policy = policy();
    policy.budgets.trim_per_action = Rate::ZERO;
    // Acts at 1.5 %, and brings the distance to about 2.25 %.
    policy.triggers.floor_distance = Rate::of(dec!(0.015));
    policy.budgets.add_per_action = money(dec!(380));
    policy.allowance.give_back.allowed = true;
    policy.allowance.give_back.after_ms = HOUR_MS;
    policy
}

/// Moves the mark by `step` each second until it is at `to`: no jump that a forecast would fear.
fn ramp(world: &mut World, to: Decimal, step: Decimal) {
    let mut mark = world.marks[&key("BTCUSDT").symbol].get();
    while mark != to {
        mark = if mark < to {
            (mark + step).min(to)
        } else {
            (mark - step).max(to)
        };
        world.mark("BTCUSDT", mark);
        world.idle(1_000);
    }
}

/// One long that was rescued by an addition.
fn endangered(policy: Policy) -> World {
    let mut world = World::calm(policy);
    world.wander("BTCUSDT", dec!(100000), dec!(2), 30 * MINUTE_MS);
    ramp(&mut world, DANGER, dec!(4));
    if let Some(question) = world.asks().first() {
        world.command(Command::Approve(question.id.clone()));
    }
    world.run(2_000);
    assert!(added(&world.last_send()).is_positive());
    assert!(world.view().open_intents.is_empty());
    world
}

/// The same, now far from any danger; calm for some 25 minutes.
fn rescued(policy: Policy) -> World {
    let mut world = endangered(policy);
    ramp(&mut world, HIGH, dec!(10));
    world
}

fn calm_for(world: &mut World, ms: i64) {
    world.wander("BTCUSDT", HIGH, dec!(2), ms);
}

fn additions(world: &World) -> Money {
    world.sends().iter().map(added).sum()
}

fn returns(world: &World) -> Vec<Intent> {
    let sends = world.sends().into_iter();
    let returns = sends.filter(|intent| matches!(intent.kind, IntentKind::TakeBack { .. }));
    returns.collect()
}

fn loans(world: &World) -> Vec<Loan> {
    let mut loans: Vec<Loan> = Vec::new();
    for entry in world.records() {
        if let Entry::Loan { loan } = entry {
            loans.retain(|known| known.key != loan.key);
            if loan.amount.is_positive() {
                loans.push(loan);
            }
        }
    }
    loans
}

fn wallet(world: &World) -> Money {
    world.positions[&key("BTCUSDT")].isolated_wallet
}

fn last_ending(world: &World) -> Ending {
    let records = world.records().into_iter().rev();
    let mut endings = records.filter_map(|entry| match entry {
        Entry::Ended { ending, .. } => Some(ending),
        _ => None,
    });
    endings.next().expect("an ending")
}

#[test]
fn after_a_long_calm_exactly_what_was_added_goes_back_and_nothing_else() {
    let mut world = rescued(giving());
    let lent = additions(&world);
    assert_eq!(loans(&world)[0].amount, lent);
    calm_for(&mut world, 30 * MINUTE_MS);
    assert!(returns(&world).is_empty(), "calm for less than an hour");
    calm_for(&mut world, 3 * HOUR_MS);
    let given: Money = returns(&world).iter().map(taken_back).sum();
    assert_eq!(given, lent);
    assert_eq!(wallet(&world), money(dec!(2500)), "the trader's own stays");
    assert!(loans(&world).is_empty());
    assert_eq!(last_ending(&world), Ending::Verified { fill: None });
    let told = world.reports(ReportKind::Verified);
    let text = &told.last().expect("told").text;
    assert!(
        text.contains("of the margin that Plimsoll added to BTCUSDT back; the line is now at"),
        "{text}"
    );
    let reason = &returns(&world)[0].reason;
    assert!(
        reason.starts_with("Calm for 1 h: of the ") && reason.contains("more than 3 times"),
        "{reason}"
    );
    assert_eq!(world.shown(&key("BTCUSDT")).level.to_string(), "calm");
}

#[test]
fn giving_back_is_off_unless_it_is_allowed() {
    let mut policy = giving();
    policy.allowance.give_back.allowed = false;
    assert!(!Policy::default().allowance.give_back.allowed);
    let mut world = rescued(policy);
    calm_for(&mut world, 3 * HOUR_MS);
    assert!(returns(&world).is_empty());
    assert!(!loans(&world).is_empty(), "it is remembered all the same");
}

#[test]
fn what_stays_is_far_from_every_line_that_matters() {
    // 3 times 1.5 %: a part can go back.
    let mut world = endangered(giving());
    ramp(&mut world, dec!(99900), dec!(4));
    world.wander("BTCUSDT", dec!(99900), dec!(2), 6 * HOUR_MS);
    let given: Money = returns(&world).iter().map(taken_back).sum();
    assert!(given.is_positive() && given < additions(&world), "{given}");
    let shown = world.shown(&key("BTCUSDT"));
    assert!(shown.distance_pct.expect("a line") >= 4.5, "{shown:?}");
    assert!(wallet(&world) > money(dec!(2500)));
    // Nearer than that nothing goes back at all.
    let mut world = endangered(giving());
    ramp(&mut world, dec!(98200), dec!(4));
    world.wander("BTCUSDT", dec!(98200), dec!(2), 6 * HOUR_MS);
    assert_eq!(world.shown(&key("BTCUSDT")).level.to_string(), "calm");
    assert!(returns(&world).is_empty());
}

#[test]
fn there_is_one_return_in_each_span_of_calm() {
    let mut world = endangered(giving());
    ramp(&mut world, dec!(99900), dec!(4));
    world.wander("BTCUSDT", dec!(99900), dec!(2), 2 * HOUR_MS);
    assert_eq!(returns(&world).len(), 1);
    ramp(&mut world, HIGH, dec!(10));
    calm_for(&mut world, 2 * HOUR_MS);
    let times: Vec<i64> = returns(&world)
        .iter()
        .map(|intent| intent.planned_at.as_millis())
        .collect();
    assert_eq!(times.len(), 2);
    assert!(times[1] - times[0] >= HOUR_MS, "{times:?}");
}

#[test]
fn a_danger_in_between_starts_the_clock_anew() {
    let mut world = rescued(giving());
    calm_for(&mut world, 10 * MINUTE_MS);
    ramp(&mut world, dec!(97100), dec!(20));
    assert!(returns(&world).is_empty());
    assert_ne!(world.shown(&key("BTCUSDT")).level.to_string(), "calm");
    let start = world.now;
    ramp(&mut world, HIGH, dec!(20));
    calm_for(&mut world, 2 * HOUR_MS);
    let first = returns(&world)[0].planned_at;
    assert!(first.since(start) >= HOUR_MS);
}

#[test]
fn blindness_and_a_stopped_clock_are_not_calm() {
    let mut world = rescued(giving());
    calm_for(&mut world, 30 * MINUTE_MS);
    world.event(Event::TimeJump { gap_ms: 60_000 });
    calm_for(&mut world, 55 * MINUTE_MS);
    world.rest_up = false;
    world.idle(2 * MINUTE_MS);
    assert!(!world.view().blind.is_empty());
    world.rest_up = true;
    calm_for(&mut world, 55 * MINUTE_MS);
    assert!(returns(&world).is_empty());
}

#[test]
fn what_the_trader_took_out_was_ours_first() {
    let mut world = rescued(giving());
    let lent = additions(&world);
    let out = money(dec!(30));
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.isolated_wallet -= out;
    calm_for(&mut world, MINUTE_MS);
    assert_eq!(loans(&world)[0].amount, lent - out);
    calm_for(&mut world, 3 * HOUR_MS);
    let given: Money = returns(&world).iter().map(taken_back).sum();
    assert_eq!(given, lent - out);
}

#[test]
fn a_position_that_shrank_keeps_its_share_and_one_that_grew_keeps_all() {
    let mut world = rescued(giving());
    let lent = additions(&world);
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.quantity = Quantity::of(dec!(0.25));
    held.isolated_wallet = held.isolated_wallet * Rate::of(dec!(0.5));
    calm_for(&mut world, MINUTE_MS);
    let half = (lent * Rate::of(dec!(0.5))).floor_to(dec!(0.01));
    assert!(loans(&world)[0].amount <= half);
    assert!(loans(&world)[0].amount >= half - money(dec!(0.02)));
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.quantity = Quantity::of(dec!(0.5));
    held.entry_price = price(dec!(106000));
    held.isolated_wallet += money(dec!(3000));
    calm_for(&mut world, 3 * HOUR_MS);
    assert!(loans(&world).is_empty());
    assert!(returns(&world).is_empty());
}

#[test]
fn a_return_of_unknown_outcome_is_found_out_and_never_repeated() {
    let mut world = rescued(giving());
    let lent = additions(&world);
    world.answers.push_back(Answer::DoUnknown);
    calm_for(&mut world, 90 * MINUTE_MS);
    assert_eq!(returns(&world).len(), 1);
    assert_eq!(last_ending(&world), Ending::Verified { fill: None });
    calm_for(&mut world, 3 * HOUR_MS);
    let given: Money = returns(&world).iter().map(taken_back).sum();
    assert_eq!(given, lent);
    assert_eq!(wallet(&world), money(dec!(2500)));
}

#[test]
fn a_return_that_was_lost_on_the_way_is_still_lent() {
    let mut world = rescued(giving());
    let lent = additions(&world);
    world.answers.push_back(Answer::LoseUnknown);
    calm_for(&mut world, 70 * MINUTE_MS);
    assert!(matches!(last_ending(&world), Ending::NotExecuted { .. }));
    assert_eq!(loans(&world)[0].amount, lent);
    calm_for(&mut world, 3 * HOUR_MS);
    assert_eq!(wallet(&world), money(dec!(2500)));
}

#[test]
fn a_refused_return_is_no_alarm_and_does_not_hold_up_a_rescue() {
    let mut world = rescued(giving());
    world.answers.push_back(Answer::Reject(Reaction::Powerless));
    calm_for(&mut world, 70 * MINUTE_MS);
    assert_eq!(returns(&world).len(), 1);
    assert!(world.reports(ReportKind::Powerless).is_empty());
    let told = world.reports(ReportKind::NotDone);
    assert_eq!(told[0].severity, Severity::Info);
    let sent = world.sends().len();
    let line = world
        .shown(&key("BTCUSDT"))
        .liquidation_price
        .expect("line");
    world.mark("BTCUSDT", line.get() * dec!(1.012));
    assert_eq!(world.sends().len(), sent + 1, "the rescue starts at once");
}

#[test]
fn returns_use_up_no_budget_of_rescues() {
    let mut policy = giving();
    policy.budgets.actions_per_position_day = 3;
    let mut world = rescued(policy);
    calm_for(&mut world, 3 * HOUR_MS);
    assert!(!returns(&world).is_empty());
    let line = world
        .shown(&key("BTCUSDT"))
        .liquidation_price
        .expect("line");
    world.mark("BTCUSDT", line.get() * dec!(1.012));
    assert!(
        added(&world.last_send()).is_positive(),
        "the second of three"
    );
}

#[test]
fn in_ask_mode_silence_means_that_the_margin_stays() {
    let mut policy = giving();
    policy.mode = Mode::Ask;
    let mut world = rescued(policy);
    assert_eq!(world.sends().len(), 1);
    calm_for(&mut world, 70 * MINUTE_MS);
    let asked = world.asks();
    assert!(matches!(
        asked.last().expect("asked").kind,
        IntentKind::TakeBack { .. }
    ));
    assert!(returns(&world).is_empty());
    assert!(matches!(last_ending(&world), Ending::Declined { .. }));
    calm_for(&mut world, 70 * MINUTE_MS);
    let again = world.asks();
    assert!(again.len() > asked.len(), "asked again after another hour");
}

#[test]
fn a_yes_gives_back_and_a_danger_takes_the_question_away() {
    let mut policy = giving();
    policy.mode = Mode::Ask;
    policy.ask_ms = 30 * MINUTE_MS;
    let ask = |policy: &Policy| {
        let mut world = rescued(policy.clone());
        let mut rounds = 0;
        while world.view().questions.is_empty() {
            calm_for(&mut world, MINUTE_MS);
            rounds += 1;
            assert!(rounds < 300, "never asked");
        }
        world
    };
    let mut world = ask(&policy);
    let id = world.view().questions[0].intent.id.clone();
    world.command(Command::Approve(id));
    world.run(2_000);
    assert_eq!(returns(&world).len(), 1);
    let mut world = ask(&policy);
    let line = world
        .shown(&key("BTCUSDT"))
        .liquidation_price
        .expect("line");
    world.mark("BTCUSDT", line.get() * dec!(1.012));
    let questions = world.view().questions;
    assert_eq!(questions.len(), 1);
    assert!(
        matches!(questions[0].intent.kind, IntentKind::AddMargin { .. }),
        "the rescue is asked about at once"
    );
}

#[test]
fn a_restart_knows_the_loan_and_starts_the_clock_anew() {
    let mut world = rescued(giving());
    let lent = additions(&world);
    calm_for(&mut world, 30 * MINUTE_MS);
    let recovered = Recovered {
        loans: loans(&world),
        last_sequence: 50,
        last_plan: 50,
        ..Recovered::default()
    };
    world.restart(recovered);
    calm_for(&mut world, 50 * MINUTE_MS);
    assert!(returns(&world).is_empty());
    calm_for(&mut world, 3 * HOUR_MS);
    let given: Money = returns(&world).iter().map(taken_back).sum();
    assert_eq!(given, lent);
    assert_eq!(wallet(&world), money(dec!(2500)));
}

#[test]
fn a_return_that_a_restart_finds_open_is_looked_up_and_not_sent_again() {
    for executed in [true, false] {
        let mut world = rescued(giving());
        let lent = additions(&world);
        world.answers.push_back(if executed {
            Answer::DoUnknown
        } else {
            Answer::LoseUnknown
        });
        let mut rounds = 0;
        while returns(&world).is_empty() {
            calm_for(&mut world, 1_000);
            rounds += 1;
            assert!(rounds < 20_000);
        }
        let intent = returns(&world)[0].clone();
        let mut held: Vec<Loan> = Vec::new();
        for entry in world.records() {
            match entry {
                Entry::Loan { loan } => held = vec![loan],
                Entry::Sent { intent: sent } if sent == intent.id => break,
                _ => {}
            }
        }
        let sent = world.sends().len();
        let recovered = Recovered {
            open: vec![OpenIntent {
                sent_at: Some(intent.planned_at),
                intent: intent.clone(),
            }],
            loans: held
                .into_iter()
                .filter(|loan| loan.amount.is_positive())
                .collect(),
            last_sequence: 50,
            last_plan: 50,
            ..Recovered::default()
        };
        world.restart(recovered);
        world.run(20_000);
        assert_eq!(world.sends().len(), sent);
        calm_for(&mut world, 4 * HOUR_MS);
        let own = money(dec!(2500));
        assert!(wallet(&world) >= own, "never the trader's own");
        assert!(wallet(&world) <= own + lent);
    }
}

/// A resting order that locks `margin`.
fn order(id: &str, symbol: &str, side: Side, margin: Decimal) -> OpenOrder {
    OpenOrder {
        id: id.to_owned(),
        client_id: format!("web-{id}"),
        symbol: Symbol::new(symbol),
        position_side: PositionSide::Both,
        side,
        quantity: Quantity::of(dec!(0.1)),
        price: price(dec!(90000)),
        margin_asset: "USDT".to_owned(),
        margin: Some(money(margin)),
    }
}

/// Only additions rescue, and the free balance is locked by resting orders.
fn locked(policy: Policy, orders: Vec<OpenOrder>) -> World {
    let mut world = World::new(policy, vec![isolated_long()], dec!(1200));
    world.resting = orders;
    world.start(Recovered::default());
    world
}

fn adding() -> Policy {
    let mut policy = policy();
    policy.budgets.trim_per_action = Rate::ZERO;
    policy
}

fn cancels(world: &World) -> Vec<Vec<String>> {
    let sends = world.sends().into_iter();
    let cancels = sends.filter_map(|intent| match intent.kind {
        IntentKind::CancelOrders { orders, .. } => {
            Some(orders.into_iter().map(|order| order.id).collect())
        }
        _ => None,
    });
    cancels.collect()
}

#[test]
fn resting_orders_that_lock_the_margin_are_cancelled_and_the_addition_follows() {
    let orders = vec![
        order("1", "ETHUSDT", Side::Long, dec!(70)),
        order("2", "BTCUSDT", Side::Long, dec!(1100)),
    ];
    let mut world = locked(adding(), orders);
    world.mark("BTCUSDT", DANGER);
    world.run(3_000);
    assert_eq!(cancels(&world), [["2"]], "the one that frees most suffices");
    assert_eq!(world.resting.len(), 1);
    let sends = world.sends();
    assert_eq!(sends.len(), 2);
    assert!(added(&sends[1]) > money(dec!(100)));
    let told = world.reports(ReportKind::Verified);
    assert!(
        told[0]
            .text
            .contains("cancel 1 resting order of your own (buy 0.1 BTCUSDT at 90000)")
            && told[0].text.ends_with("; 1,130 USDT are free now."),
        "{}",
        told[0].text
    );
    assert_eq!(world.shown(&key("BTCUSDT")).level.to_string(), "calm");
}

#[test]
fn what_closes_or_is_not_to_be_touched_stays() {
    let mut policy = adding();
    policy.symbols = vec!["BTCUSDT".to_owned()];
    let mut unknown = order("4", "BTCUSDT", Side::Long, dec!(0));
    unknown.margin = None;
    let mut foreign = order("5", "BTCUSDT", Side::Long, dec!(300));
    foreign.margin_asset = "USDC".to_owned();
    let orders = vec![
        order("1", "BTCUSDT", Side::Short, dec!(600)),
        order("2", "ETHUSDT", Side::Long, dec!(590)),
        unknown,
        foreign,
    ];
    let mut world = locked(policy, orders);
    world.mark("BTCUSDT", DANGER);
    world.run(3_000);
    assert!(cancels(&world).is_empty());
    assert_eq!(world.resting.len(), 4);
}

#[test]
fn where_nothing_is_held_both_sides_go_together_and_free_the_larger() {
    let orders = vec![
        order("1", "ETHUSDT", Side::Long, dec!(500)),
        order("2", "ETHUSDT", Side::Short, dec!(400)),
        order("3", "ETHUSDT", Side::Short, dec!(300)),
    ];
    let mut world = locked(adding(), orders);
    world.mark("BTCUSDT", DANGER);
    let sent = world.sends();
    let IntentKind::CancelOrders { orders, frees } = &sent[0].kind else {
        panic!("{sent:?}");
    };
    assert_eq!((orders.len(), *frees), (3, money(dec!(700))));
}

#[test]
fn orders_stay_where_the_free_balance_suffices_or_cancelling_is_not_allowed() {
    let orders = || vec![order("1", "BTCUSDT", Side::Long, dec!(1100))];
    let mut rich = locked(adding(), orders());
    rich.cross = money(dec!(5000));
    let picture = rich.picture();
    rich.event(Event::Account(picture));
    rich.mark("BTCUSDT", DANGER);
    rich.run(3_000);
    assert!(cancels(&rich).is_empty());
    let mut policy = adding();
    policy.allowance.cancel_own_orders = false;
    let mut forbidden = locked(policy, orders());
    forbidden.mark("BTCUSDT", DANGER);
    forbidden.run(3_000);
    assert!(cancels(&forbidden).is_empty());
    let cross = position(
        key("BTCUSDT"),
        Side::Long,
        dec!(0.5),
        plimsoll::domain::MarginMode::Cross,
        dec!(0),
    );
    let mut cross = World::new(adding(), vec![cross], dec!(3000));
    cross.resting = orders();
    cross.start(Recovered::default());
    cross.mark("BTCUSDT", dec!(95600));
    cross.run(3_000);
    assert!(cancels(&cross).is_empty(), "in cross mode it moves no line");
}

#[test]
fn an_order_that_a_stream_said_is_gone_is_not_cancelled() {
    let mut world = locked(
        adding(),
        vec![order("1", "BTCUSDT", Side::Long, dec!(1100))],
    );
    world.event(Event::Order(OrderUpdate {
        client_id: "web-1".to_owned(),
        symbol: Symbol::new("BTCUSDT"),
        position_side: PositionSide::Both,
        order_side: Side::Long,
        origin: OrderOrigin::Foreign,
        status: OrderStatus::Ended,
        filled: Quantity::ZERO,
        average_price: None,
        fee: None,
        at: world.now,
    }));
    world.rest_up = false;
    world.mark("BTCUSDT", DANGER);
    world.run(3_000);
    assert!(cancels(&world).is_empty());
}

#[test]
fn an_unknown_cancel_is_found_out_by_reading_and_made_anew_under_a_new_id() {
    for (answer, sent) in [(Answer::DoUnknown, 1), (Answer::LoseUnknown, 2)] {
        let mut world = locked(
            adding(),
            vec![order("1", "BTCUSDT", Side::Long, dec!(1200))],
        );
        world.answers.push_back(answer);
        world.mark("BTCUSDT", DANGER);
        world.run(20_000);
        assert_eq!(cancels(&world).len(), sent);
        assert!(world.resting.is_empty());
        assert!(added(&world.last_send()).is_positive());
        let ids: std::collections::BTreeSet<String> = world
            .sends()
            .iter()
            .map(|intent| intent.id.to_string())
            .collect();
        assert_eq!(ids.len(), world.sends().len());
    }
}

#[test]
fn a_refused_cancel_gives_way_to_what_else_helps() {
    let mut policy = policy();
    policy.budgets.top_ups_per_position_day = 6;
    let mut world = locked(policy, vec![order("1", "BTCUSDT", Side::Long, dec!(1200))]);
    world.default_answer = Answer::Reject(Reaction::Resync);
    world.mark("BTCUSDT", DANGER);
    world.default_answer = Answer::Do;
    world.run(5_000);
    assert!(cancels(&world).len() <= 1);
    assert!(reduced(&world.last_send()).is_positive() || added(&world.last_send()).is_positive());
}

#[test]
fn a_cancel_that_a_restart_finds_open_is_looked_up_and_not_sent_again() {
    let mut world = locked(
        adding(),
        vec![order("1", "BTCUSDT", Side::Long, dec!(1160))],
    );
    world.answers.push_back(Answer::DoUnknown);
    world.lookup = Lookup::Nothing;
    world.mark("BTCUSDT", DANGER);
    let intent = world.last_send();
    world.lookup = Lookup::Truth;
    world.restart(Recovered {
        open: vec![OpenIntent {
            sent_at: Some(world.now),
            intent,
        }],
        last_sequence: 50,
        last_plan: 50,
        ..Recovered::default()
    });
    world.run(10_000);
    assert_eq!(cancels(&world).len(), 1);
    assert!(
        added(&world.last_send()).is_positive(),
        "the addition follows"
    );
}

/// As [`locked`], without orders, with money in other wallets.
fn poor(policy: Policy, spot: Decimal, funding: Decimal) -> World {
    let mut world = World::new(policy, vec![isolated_long()], dec!(0));
    world.outside.spot = money(spot);
    world.outside.funding = money(funding);
    world.start(Recovered::default());
    world
}

fn moving() -> Policy {
    let mut policy = adding();
    policy.allowance.move_in_per_day = money(dec!(1000));
    policy
}

fn moves(world: &World) -> Vec<(String, Money)> {
    let sends = world.sends().into_iter();
    let moves = sends.filter_map(|intent| match intent.kind {
        IntentKind::MoveIn { amount, from } => Some((from.to_string(), amount)),
        _ => None,
    });
    moves.collect()
}

#[test]
fn money_is_moved_in_from_the_wallet_that_has_it_and_the_addition_follows() {
    for (spot, funding, from) in [
        (dec!(5000), dec!(9000), "spot"),
        (dec!(10), dec!(900), "funding"),
        (dec!(600), dec!(10), "spot"),
    ] {
        let mut world = poor(moving(), spot, funding);
        // A little is free: both together reach exactly what is wanted.
        world.cross = money(dec!(3.1459));
        let picture = world.picture();
        world.event(Event::Account(picture));
        world.mark("BTCUSDT", DANGER);
        world.run(3_000);
        let moved = moves(&world);
        assert_eq!(moved.len(), 1);
        assert_eq!(moved[0].0, from);
        let sends = world.sends();
        assert_eq!(sends.len(), 2);
        assert_eq!(added(&sends[1]), moved[0].1 + money(dec!(3.14)));
        let told = &world.reports(ReportKind::Verified)[0].text;
        assert!(
            told.contains(&format!(
                "USDT from the {from} wallet into the futures wallet"
            )),
            "{told}"
        );
        assert!(world.shown(&key("BTCUSDT")).level < Level::ActSoon);
    }
}

#[test]
fn nothing_is_moved_in_without_a_budget_or_beyond_it() {
    assert!(Policy::default().allowance.move_in_per_day.is_zero());
    let mut world = poor(adding(), dec!(5000), dec!(5000));
    world.mark("BTCUSDT", DANGER);
    assert!(moves(&world).is_empty());
    let mut policy = moving();
    policy.allowance.move_in_per_day = money(dec!(450));
    let mut world = poor(policy, dec!(5000), dec!(5000));
    world.mark("BTCUSDT", DANGER);
    world.run(3_000);
    ramp(&mut world, dec!(95500), dec!(10));
    world.run(60_000);
    let sum: Money = moves(&world).iter().map(|(_, amount)| *amount).sum();
    assert!(sum > money(dec!(400)) && sum <= money(dec!(450)), "{sum}");
    assert_eq!(world.outside.spot, money(dec!(5000)) - sum);
}

#[test]
fn what_is_used_of_the_budget_survives_a_restart() {
    let mut policy = moving();
    policy.allowance.move_in_per_day = money(dec!(450));
    let mut world = poor(policy, dec!(5000), dec!(0));
    let spent = plimsoll::guard::journal::Spent {
        day: world.now.day_start(),
        moved_in: money(dec!(449.5)),
        ..plimsoll::guard::journal::Spent::default()
    };
    world.restart(Recovered {
        spent: [("ETHUSDT".to_owned(), spent)].into(),
        ..Recovered::default()
    });
    world.mark("BTCUSDT", DANGER);
    assert!(moves(&world).is_empty());
}

#[test]
fn orders_are_cancelled_before_money_is_moved_and_both_only_where_they_are_needed() {
    let mut world = poor(moving(), dec!(5000), dec!(0));
    world.cross = money(dec!(1000));
    world.resting = vec![order("1", "BTCUSDT", Side::Long, dec!(1000))];
    let picture = world.picture();
    world.event(Event::Account(picture));
    world.mark("BTCUSDT", DANGER);
    world.run(3_000);
    assert_eq!((cancels(&world).len(), moves(&world).len()), (1, 0));
    assert!(added(&world.last_send()).is_positive());
}

#[test]
fn in_cross_mode_money_that_comes_in_is_the_rescue() {
    let mut policy = moving();
    policy.allowance.move_in_per_day = money(dec!(5000));
    let cross = position(
        key("BTCUSDT"),
        Side::Long,
        dec!(0.5),
        plimsoll::domain::MarginMode::Cross,
        dec!(0),
    );
    let mut world = World::new(policy, vec![cross], dec!(2500));
    world.outside.spot = money(dec!(5000));
    world.start(Recovered::default());
    world.mark("BTCUSDT", DANGER);
    world.run(3_000);
    assert_eq!(moves(&world).len(), 1);
    assert_eq!(world.sends().len(), 1);
    let shown = world.shown(&key("BTCUSDT"));
    assert!(shown.distance_pct.expect("a line") >= 2.2, "{shown:?}");
    let told = &world.reports(ReportKind::Verified)[0].text;
    assert!(told.contains("; the line is now at "), "{told}");
}

#[test]
fn an_unknown_transfer_is_looked_up_and_never_sent_again() {
    let mut world = poor(moving(), dec!(5000), dec!(0));
    world.answers.push_back(Answer::DoUnknown);
    world.mark("BTCUSDT", DANGER);
    world.run(20_000);
    assert_eq!(moves(&world).len(), 1);
    assert!(added(&world.last_send()).is_positive());
    // Where the history does not show it but the wallet grew, nobody knows: it is not repeated.
    let mut world = poor(moving(), dec!(5000), dec!(0));
    world.answers.push_back(Answer::DoUnknown);
    world.lookup = Lookup::Say(Resolution::NotFound);
    world.mark("BTCUSDT", DANGER);
    world.run(20_000);
    assert_eq!(moves(&world).len(), 1);
    let told = world.reports(ReportKind::NotKnown);
    let text = &told.last().expect("told").text;
    assert!(text.contains("the wallet grew"), "{text}");
    // One of which the history does not know is made anew under a new id, and both count.
    let mut policy = moving();
    policy.allowance.move_in_per_day = money(dec!(2500));
    let mut world = poor(policy, dec!(5000), dec!(0));
    world.answers.push_back(Answer::LoseUnknown);
    world.mark("BTCUSDT", DANGER);
    world.run(20_000);
    let moved = moves(&world);
    assert_eq!(moved.len(), 2);
    let sum: Money = moved.iter().map(|(_, amount)| *amount).sum();
    assert!(sum <= money(dec!(2500)), "{sum}");
    assert!(added(&world.last_send()).is_positive());
}

#[test]
fn a_refused_transfer_is_no_alarm_and_what_else_helps_follows_at_once() {
    let mut policy = moving();
    policy.budgets.trim_per_action = Rate::ONE;
    let mut world = poor(policy, dec!(5000), dec!(0));
    world.answers.push_back(Answer::Reject(Reaction::Powerless));
    world.mark("BTCUSDT", DANGER);
    assert_eq!(moves(&world).len(), 1);
    assert!(world.reports(ReportKind::Powerless).is_empty());
    let sends = world.sends();
    assert!(reduced(&sends[1]).is_positive(), "{sends:?}");
}

#[test]
fn a_transfer_that_a_restart_finds_open_is_looked_up_and_counted_once() {
    let mut world = poor(moving(), dec!(5000), dec!(0));
    world.answers.push_back(Answer::DoUnknown);
    world.lookup = Lookup::Nothing;
    world.mark("BTCUSDT", DANGER);
    let intent = world.last_send();
    world.lookup = Lookup::Truth;
    world.restart(Recovered {
        open: vec![OpenIntent {
            sent_at: Some(world.now),
            intent,
        }],
        last_sequence: 50,
        last_plan: 50,
        ..Recovered::default()
    });
    world.run(10_000);
    assert_eq!(moves(&world).len(), 1);
    assert!(added(&world.last_send()).is_positive());
}

/// Two isolated longs that come into danger in the same instant, 500 free, money in the spot wallet.
fn both(per_day: Decimal) -> World {
    let mut policy = policy();
    policy.allowance.move_in_per_day = money(per_day);
    let mut other = isolated_long();
    other.key = key("ETHUSDT");
    let mut world = World::new(policy, vec![isolated_long(), other], dec!(500));
    world.outside.spot = money(dec!(5000));
    world.start(Recovered::default());
    world.command(Command::Pause);
    world.mark("BTCUSDT", dec!(96500));
    world.mark("ETHUSDT", dec!(96500));
    world
}

#[test]
fn an_acknowledged_transfer_is_not_hidden_by_our_own_addition_elsewhere() {
    let mut world = both(dec!(400));
    world.command(Command::Resume);
    let began = world.now;
    world.run(40_000);
    assert!(world.reports(ReportKind::NotKnown).is_empty());
    let sends = world.sends();
    let of_other = |intent: &&Intent| intent.key == key("ETHUSDT");
    let second = sends.iter().filter(of_other).nth(1).expect("a second act");
    let after = second.planned_at.since(began);
    assert!(
        after <= 5_000,
        "ETHUSDT stood below its act line for {after} ms"
    );
}

#[test]
fn an_acknowledged_transfer_that_a_loss_hides_holds_nothing_up() {
    let mut world = poor(moving(), dec!(5000), dec!(0));
    world.cross = money(dec!(2000));
    world.answers.push_back(Answer::Silence);
    let mut frozen = world.picture();
    frozen.balances.get_mut("USDT").expect("one").available = money(dec!(0));
    world.frozen = Some(frozen);
    let picture = world.picture();
    world.event(Event::Account(picture));
    world.mark("BTCUSDT", DANGER);
    let intent = world.last_send();
    assert!(intent.moves_in());
    // The trader loses all of the wallet elsewhere at the same time.
    world.cross = money(dec!(1000));
    world.frozen = None;
    let began = world.now;
    world.event(Event::Outcome {
        intent: intent.id,
        outcome: plimsoll::guard::intent::Outcome::Done { fill: None },
    });
    world.run(10_000);
    let next = &world.sends()[1];
    assert!(next.planned_at.since(began) <= 3_000, "{next:?}");
    assert!(added(next).is_positive(), "{next:?}");
    let told = world.reports(ReportKind::NotKnown);
    assert!(told[0].text.contains("has confirmed"), "{told:?}");
    assert_eq!(told[0].severity, Severity::Warning);
}

#[test]
fn a_transfer_of_unknown_outcome_leaves_once_and_stays_on_the_budget() {
    for resolution in [
        Resolution::Unreachable {
            message: "down".to_owned(),
        },
        Resolution::NotFound,
        Resolution::Working,
    ] {
        let mut world = both(dec!(150));
        world.answers = [Answer::Do, Answer::DoUnknown].into();
        world.lookup = Lookup::Say(resolution.clone());
        world.command(Command::Resume);
        world.run(30_000);
        let left = world.outside.spot;
        assert_eq!(left, money(dec!(4850)), "{resolution:?}");
        let told = world.reports(ReportKind::NotKnown);
        let last = &told.last().expect("told").text;
        assert!(last.contains("it counts on the budget"), "{last}");
    }
}

#[test]
fn of_an_addition_to_what_was_sold_in_part_meanwhile_only_the_rest_is_lent() {
    let mut policy = giving();
    policy.budgets.trim_per_action = Rate::ZERO;
    let mut world = World::calm(policy);
    world.answers.push_back(Answer::Silence);
    world.mark("BTCUSDT", DANGER);
    let first = world.last_send();
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.quantity = Quantity::of(dec!(0.25));
    held.isolated_wallet = held.isolated_wallet * Rate::of(dec!(0.5));
    world.event(Event::Outcome {
        intent: first.id.clone(),
        outcome: plimsoll::guard::intent::Outcome::Done { fill: None },
    });
    world.idle(1_000);
    assert_eq!(last_ending(&world), Ending::Verified { fill: None });
    let lent = loans(&world).last().expect("a loan").amount;
    assert!(lent <= added(&first) * Rate::of(dec!(0.5)), "{lent}");
}
