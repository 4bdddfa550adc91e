//! What becomes of an intent: verified, unknown, refused, recycled, counted.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests: a failure here is a failed test"
)]

#[path = "support/guard_world.rs"]
mod world;

use plimsoll::domain::{DAY_MS, Money, PositionSide, Quantity, Rate, Side, Timestamp};
use plimsoll::guard::action::{Action, ReportKind, Severity};
use plimsoll::guard::event::{Command, Event, Mode, OrderStatus, Refresh};
use plimsoll::guard::intent::{
    Ending, FillReport, Intent, IntentKind, Outcome, Reaction, Resolution,
};
use plimsoll::guard::journal::{Entry, Recovered, Spent};
use plimsoll::guard::policy::{PartialClose, Policy};
use rust_decimal::{Decimal, dec};
use world::*;

/// A mark below the floor of [`isolated_long`].
const DANGER: Decimal = dec!(96800);

/// Only additions are possible.
fn adding() -> Policy {
    let mut policy = policy();
    policy.budgets.trim_per_action = Rate::ZERO;
    policy
}

/// Only reductions are possible.
fn trimming() -> Policy {
    let mut policy = policy();
    policy.budgets.top_ups_per_position_day = 0;
    policy
}

fn endings(world: &World) -> Vec<Ending> {
    let records = world.records().into_iter();
    let endings = records.filter_map(|entry| match entry {
        Entry::Ended { ending, .. } => Some(ending),
        _ => None,
    });
    endings.collect()
}

fn text_of(world: &World, kind: ReportKind) -> String {
    let reports = world.reports(kind);
    let texts: Vec<String> = reports.into_iter().map(|report| report.text).collect();
    texts.join("\n")
}

#[test]
fn an_addition_that_is_done_and_seen_is_verified() {
    let mut world = World::calm(adding());
    world.mark("BTCUSDT", DANGER);
    assert_eq!(endings(&world), [Ending::Verified { fill: None }]);
    assert_eq!(world.reports(ReportKind::Sent).len(), 1);
    assert_eq!(world.reports(ReportKind::Verified).len(), 1);
    let shown = world.shown(&key("BTCUSDT"));
    assert!(shown.distance_pct.expect("a line") >= 2.24, "{shown:?}");
}

#[test]
fn an_addition_that_is_done_but_never_visible_ends_as_not_known() {
    let mut world = World::calm(adding());
    world.answers.push_back(Answer::Pretend);
    world.mark("BTCUSDT", DANGER);
    world.run(10_000);
    assert_eq!(
        world.sends().len(),
        1,
        "nothing more while it may be coming"
    );
    world.run(20_000);
    assert_eq!(endings(&world)[0], Ending::Unverified { fill: None });
    let told = world.reports(ReportKind::NotKnown);
    assert_eq!(told[0].severity, Severity::Alarm);
}

#[test]
fn many_pictures_in_a_row_do_not_use_up_the_patience_for_a_late_one() {
    let mut world = World::calm(adding());
    world.answers.push_back(Answer::Pretend);
    world.mark("BTCUSDT", DANGER);
    for _ in 0..50 {
        world.idle(10);
        let picture = world.picture();
        world.event(Event::Account(picture));
    }
    assert!(world.reports(ReportKind::NotKnown).is_empty());
    let amount = added(&world.last_send());
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.isolated_wallet += amount;
    world.idle(3_000);
    assert_eq!(endings(&world), [Ending::Verified { fill: None }]);
}

#[test]
fn an_unknown_addition_that_was_executed_is_found_and_not_repeated() {
    let mut world = World::calm(adding());
    world.answers.push_back(Answer::DoUnknown);
    world.mark("BTCUSDT", DANGER);
    world.run(30_000);
    assert_eq!(world.sends().len(), 1);
    assert_eq!(endings(&world), [Ending::Verified { fill: None }]);
    assert_eq!(world.reports(ReportKind::NotKnown).len(), 1);
}

#[test]
fn an_unknown_act_waits_for_its_receive_window_and_is_planned_anew_under_a_new_id() {
    let mut world = World::calm(trimming());
    world.answers.push_back(Answer::LoseUnknown);
    world.mark("BTCUSDT", DANGER);
    world.run(4_900);
    assert_eq!(world.sends().len(), 1, "S2: no second reduction yet");
    assert!(endings(&world).is_empty());
    world.run(200);
    assert!(matches!(endings(&world)[0], Ending::NotExecuted { .. }));
    let sends = world.sends();
    assert!(sends.len() >= 2 && sends[0].id != sends[1].id);
    assert!(sends[0].plan < sends[1].plan);
}

#[test]
fn the_receive_window_counts_from_when_the_answer_was_missed() {
    // The request may have left long after the intent was handed over.
    let mut world = World::calm(trimming());
    world.answers.push_back(Answer::Silence);
    world.mark("BTCUSDT", DANGER);
    world.executed.clear();
    world.frozen = Some(World::calm(trimming()).picture());
    world.run(20_000);
    let intent = world.last_send();
    world.event(Event::Outcome {
        intent: intent.id,
        outcome: unknown(),
    });
    world.run(4_000);
    assert!(endings(&world).is_empty());
    assert_eq!(world.sends().len(), 1);
}

#[test]
fn not_found_after_the_window_needs_a_picture_that_is_younger_than_it() {
    let mut world = World::calm(trimming());
    world.answers.push_back(Answer::LoseUnknown);
    world.rest_up = false;
    world.mark("BTCUSDT", DANGER);
    world.run(20_000);
    assert!(endings(&world).is_empty());
    world.rest_up = true;
    world.run(12_000);
    assert!(matches!(endings(&world)[0], Ending::NotExecuted { .. }));
}

#[test]
fn an_outcome_that_stays_unreachable_is_given_up_with_an_alarm() {
    let mut world = World::calm(adding());
    world.answers.push_back(Answer::DoUnknown);
    world.lookup = Lookup::Say(Resolution::Unreachable {
        message: "down".to_owned(),
    });
    world.mark("BTCUSDT", DANGER);
    world.run(100_000);
    assert_eq!(world.sends().len(), 1);
    world.run(150_000);
    assert_eq!(endings(&world)[0], Ending::Unverified { fill: None });
    assert_eq!(world.resolves(), 40);
    let told = world.reports(ReportKind::NotKnown);
    assert!(
        told.iter()
            .any(|report| report.text.contains("check it by hand"))
    );
}

#[test]
fn where_look_ups_fail_an_untouched_account_after_the_window_decides() {
    let mut world = World::calm(trimming());
    world.answers.push_back(Answer::LoseUnknown);
    world.lookup = Lookup::Say(Resolution::Unreachable {
        message: "down".to_owned(),
    });
    world.mark("BTCUSDT", DANGER);
    world.run(20_000);
    assert!(matches!(endings(&world)[0], Ending::NotExecuted { .. }));
    assert!(world.sends().len() >= 2);
}

#[test]
fn a_look_up_or_an_outcome_that_never_comes_does_not_hold_a_scope_for_ever() {
    let mut world = World::calm(adding());
    world.answers.push_back(Answer::Silence);
    world.lookup = Lookup::Nothing;
    world.mark("BTCUSDT", DANGER);
    world.run(29_000);
    assert_eq!(world.resolves(), 0);
    world.run(3_000);
    assert_eq!(world.resolves(), 1, "the missing outcome counts as unknown");
    world.run(60_000);
    assert!(world.resolves() > 2, "a lost question is asked again");
    world.lookup = Lookup::Truth;
    world.run(30_000);
    assert_eq!(endings(&world), [Ending::Verified { fill: None }]);
}

#[test]
fn a_private_event_resolves_an_unknown_before_the_look_up_does() {
    let mut world = World::calm(trimming());
    world.answers.push_back(Answer::DoUnknown);
    world.lookup = Lookup::Nothing;
    world.mark("BTCUSDT", DANGER);
    let intent = world.last_send();
    let filled = reduced(&intent).get();
    let update = world.own_order(&intent, OrderStatus::Filled, filled);
    world.event(Event::Order(update));
    assert!(
        matches!(endings(&world)[0], Ending::Verified { fill: Some(fill) } if fill.quantity.get() == filled)
    );
}

#[test]
fn a_private_event_that_came_before_the_lost_answer_counts_too() {
    let mut world = World::calm(trimming());
    world.answers.push_back(Answer::Silence);
    world.lookup = Lookup::Nothing;
    world.mark("BTCUSDT", DANGER);
    let intent = world.last_send();
    // Ended without a fill: the answer is awaited, then not needed.
    world.frozen = Some(World::calm(trimming()).picture());
    let update = world.own_order(&intent, OrderStatus::Ended, dec!(0));
    world.event(Event::Order(update));
    assert!(endings(&world).is_empty());
    world.event(Event::Outcome {
        intent: intent.id,
        outcome: unknown(),
    });
    assert!(matches!(endings(&world)[0], Ending::NotExecuted { .. }));
}

#[test]
fn a_late_answer_beats_the_look_up() {
    let mut world = World::calm(adding());
    world.answers.push_back(Answer::DoUnknown);
    world.lookup = Lookup::Nothing;
    world.mark("BTCUSDT", DANGER);
    let intent = world.last_send().id;
    let outcome = Outcome::Done { fill: None };
    world.event(Event::Outcome { intent, outcome });
    assert_eq!(endings(&world), [Ending::Verified { fill: None }]);
}

#[test]
fn a_refusal_of_what_was_filled_is_no_refusal() {
    let mut world = World::calm(trimming());
    world.answers.push_back(Answer::Silence);
    world.mark("BTCUSDT", DANGER);
    let intent = world.last_send();
    let update = world.own_order(&intent, OrderStatus::Working, dec!(0.01));
    world.event(Event::Order(update));
    world.event(Event::Outcome {
        intent: intent.id,
        outcome: Outcome::Rejected {
            reaction: Reaction::RetryLater,
            code: None,
            message: "expired".to_owned(),
        },
    });
    assert!(matches!(endings(&world)[0], Ending::Verified { .. }));
}

#[test]
fn a_repeated_fill_event_counts_its_fee_once() {
    let mut world = World::calm(trimming());
    world.answers.push_back(Answer::Silence);
    world.mark("BTCUSDT", DANGER);
    let intent = world.last_send();
    let half = reduced(&intent).get() / dec!(2);
    for (status, filled) in [
        (OrderStatus::Working, half),
        (OrderStatus::Working, half),
        (OrderStatus::Filled, half * dec!(2)),
        (OrderStatus::Working, half),
    ] {
        let update = world.own_order(&intent, status, filled);
        world.event(Event::Order(update));
    }
    let Ending::Verified { fill: Some(fill) } = endings(&world)[0].clone() else {
        panic!("not verified")
    };
    assert_eq!(fill.fee, Some(money(dec!(2))));
    assert_eq!(fill.quantity.get(), half * dec!(2));
}

#[test]
fn the_second_half_puts_back_at_most_what_the_first_freed_and_only_after_it_was_seen() {
    let mut world = World::calm(trimming());
    let before = world.cross;
    world.answers.push_back(Answer::Silence);
    world.mark("BTCUSDT", DANGER);
    let first = world.last_send();
    assert!(matches!(
        first.kind,
        IntentKind::Reduce { recycle: true, .. }
    ));
    let gained = world.cross - before;
    let fill = world.executed[&first.id];
    let frozen = World::calm(trimming()).picture();
    world.frozen = Some(frozen);
    world.event(Event::Outcome {
        intent: first.id.clone(),
        outcome: Outcome::Done { fill },
    });
    world.idle(2_000);
    assert_eq!(world.sends().len(), 1, "not before it is verified");
    world.frozen = None;
    world.idle(3_000);
    let second = world.last_send();
    assert!(second.recycled && second.plan == first.plan);
    assert!(added(&second) <= gained, "{} of {gained}", added(&second));
    assert!(gained - added(&second) < money(dec!(0.02)));
    world.idle(60_000);
    assert_eq!(world.sends().len(), 2);
}

#[test]
fn a_fill_that_was_not_reported_is_read_from_the_account() {
    let mut world = World::calm(trimming());
    world.answers.push_back(Answer::Silence);
    world.mark("BTCUSDT", DANGER);
    let first = world.last_send();
    world.event(Event::Outcome {
        intent: first.id,
        outcome: Outcome::Done { fill: None },
    });
    assert!(world.last_send().recycled);
}

#[test]
fn a_venue_that_keeps_the_margin_gets_no_second_half() {
    let mut world = World::calm(trimming());
    world.partial_close = PartialClose::KeepsMargin;
    world.mark("BTCUSDT", DANGER);
    assert!(world.sends().iter().all(|intent| !intent.recycled));
    let mut policy = trimming();
    policy.partial_close = PartialClose::KeepsMargin;
    let mut world = World::calm(policy);
    world.mark("BTCUSDT", DANGER);
    assert_eq!(world.sends().len(), 1);
    assert!(world.shown(&key("BTCUSDT")).distance_pct.expect("a line") > 1.5);
}

#[test]
fn a_partial_fill_frees_its_part_and_the_rest_is_planned_anew() {
    let mut world = World::calm(trimming());
    world.answers.push_back(Answer::Fill(dec!(0.1)));
    world.mark("BTCUSDT", DANGER);
    world.run(15_000);
    let sends = world.sends();
    assert!(sends[1].recycled);
    assert!(sends.len() >= 3 && !sends[2].recycled, "{sends:?}");
    assert!(world.shown(&key("BTCUSDT")).distance_pct.expect("a line") >= 1.5);
}

#[test]
fn a_fill_of_nothing_is_not_executed_and_tried_at_a_growing_pace() {
    let mut world = World::calm(trimming());
    world.default_answer = Answer::Fill(dec!(0));
    world.mark("BTCUSDT", DANGER);
    assert!(matches!(endings(&world)[0], Ending::NotExecuted { .. }));
    world.run(60_000);
    assert!(
        (5..20).contains(&world.sends().len()),
        "{}",
        world.sends().len()
    );
}

#[test]
fn a_second_half_that_was_lost_on_the_way_is_made_anew_once() {
    let lost = |times: usize| {
        let mut world = World::calm(trimming());
        world.answers.push_back(Answer::Do);
        for _ in 0..times {
            world.answers.push_back(Answer::LoseUnknown);
        }
        world.mark("BTCUSDT", DANGER);
        world.run(30_000);
        world.sends()
    };
    let sends = lost(1);
    let (first, second) = (&sends[1], &sends[2]);
    assert!(first.recycled && second.recycled && first.id != second.id);
    assert_eq!((first.plan, added(first)), (second.plan, added(second)));
    let sends = lost(2);
    let halves = sends.iter().filter(|intent| intent.plan == sends[0].plan);
    assert_eq!(halves.count(), 3, "a trim and two tries to put back");
}

#[test]
fn a_second_half_that_the_venue_is_too_busy_for_is_made_anew_after_the_pause() {
    for throttled in [true, false] {
        let mut world = World::calm(trimming());
        world.answers.push_back(Answer::Do);
        for _ in 0..2 {
            let until = world.now.plus_ms(3_000);
            world.answers.push_back(if throttled {
                Answer::Throttle(until)
            } else {
                Answer::Reject(Reaction::RetryLater)
            });
        }
        let before = world.positions[&key("BTCUSDT")].isolated_wallet;
        world.mark("BTCUSDT", DANGER);
        world.run(15_000);
        let sends = world.sends();
        let halves: Vec<&Intent> = sends.iter().filter(|intent| intent.recycled).collect();
        assert_eq!(halves.len(), 3, "{sends:?}");
        let trims = sends.iter().filter(|intent| reduced(intent).is_positive());
        assert_eq!(
            trims.count(),
            1,
            "nothing is sold for what lies free: {sends:?}"
        );
        let after = world.positions[&key("BTCUSDT")].isolated_wallet;
        assert!(after > before * Rate::of(dec!(0.9)), "{before} {after}");
    }
}

#[test]
fn a_second_half_that_waits_in_vain_is_told() {
    let mut world = World::calm(trimming());
    world.answers.push_back(Answer::Do);
    let until = world.now.plus_ms(3_000);
    world.answers.push_back(Answer::Throttle(until));
    world.mark("BTCUSDT", DANGER);
    world.command(Command::Pause);
    world.run(10_000);
    assert_eq!(world.sends().len(), 2, "a trim and a half that met a limit");
    let told = world.reports(ReportKind::NotDone);
    let last = told.last().expect("told");
    assert!(
        last.text
            .contains("Not put back into BTCUSDT: nothing is sent while paused"),
        "{}",
        last.text
    );
}

#[test]
fn a_second_half_without_balance_is_dropped_and_trims_follow() {
    let mut world = World::calm(trimming());
    world.answers.push_back(Answer::Do);
    world.answers.push_back(Answer::Reject(Reaction::NoBalance));
    world.mark("BTCUSDT", DANGER);
    world.run(2_500);
    let sends = world.sends();
    assert!(sends[1].recycled);
    assert!(reduced(&sends[2]).is_positive(), "{sends:?}");
}

#[test]
fn no_balance_switches_to_a_trim_at_once() {
    let mut policy = policy();
    policy.fallback_slippage = Rate::of(dec!(0.05));
    let mut world = World::calm(policy);
    world.wander("BTCUSDT", dec!(100000), dec!(10), 400_000);
    world.answers.push_back(Answer::Reject(Reaction::NoBalance));
    world.mark("BTCUSDT", DANGER);
    let sends = world.sends();
    assert!(added(&sends[0]).is_positive(), "{sends:?}");
    assert!(reduced(&sends[1]).is_positive());
    assert!(world.records().iter().all(|entry| !matches!(
        entry,
        Entry::Ended {
            ending: Ending::Unverified { .. },
            ..
        }
    )));
}

#[test]
fn a_price_bound_follows_at_once_but_only_once() {
    let mut world = World::calm(trimming());
    world.default_answer = Answer::Reject(Reaction::BoundPrice);
    world.mark("BTCUSDT", DANGER);
    let sends = world.sends();
    assert_eq!(sends.len(), 2, "no loop of refusals");
    let bound = |intent: &Intent| match intent.kind {
        IntentKind::Reduce { bound, .. } => bound,
        IntentKind::AddMargin { .. }
        | IntentKind::TakeBack { .. }
        | IntentKind::CancelOrders { .. }
        | IntentKind::MoveIn { .. } => None,
    };
    assert_eq!(bound(&sends[0]), None);
    // 4.5 % below mark: nine tenths of the venue's band, on a tick.
    assert_eq!(bound(&sends[1]), Some(price(dec!(92444))));
    world.run(60_000);
    assert!(world.sends().len() < 25);
}

#[test]
fn a_reduction_refused_for_balance_does_not_spin() {
    let mut world = World::calm(trimming());
    world.default_answer = Answer::Reject(Reaction::NoBalance);
    world.mark("BTCUSDT", DANGER);
    world.run(60_000);
    assert!(world.sends().len() < 25, "{}", world.sends().len());
}

#[test]
fn powerless_is_an_alarm_and_a_slow_retry_once_the_other_way_is_refused_too() {
    let mut world = World::calm(policy());
    world.default_answer = Answer::Reject(Reaction::Powerless);
    world.mark("BTCUSDT", DANGER);
    world.run(59_000);
    let sends = world.sends();
    assert_eq!(sends.len(), 2);
    assert!(added(&sends[0]).is_positive() && reduced(&sends[1]) > Quantity::ZERO);
    let told = world.reports(ReportKind::Powerless);
    assert_eq!((told.len(), told[0].severity), (1, Severity::Alarm));
    world.run(3_000);
    assert_eq!(world.sends().len(), 3);
}

#[test]
fn a_throttle_is_waited_for_and_an_absurd_one_is_not_believed_for_ever() {
    let mut world = World::calm(policy());
    let until = world.now.plus_ms(8_000);
    world.answers.push_back(Answer::Throttle(until));
    world.mark("BTCUSDT", DANGER);
    world.run(7_900);
    assert_eq!(world.sends().len(), 1);
    world.run(200);
    assert!(world.sends().len() > 1);
    let mut world = World::calm(policy());
    world.answers.push_back(Answer::Throttle(Timestamp::MAX));
    world.mark("BTCUSDT", DANGER);
    assert_eq!(
        world.reports(ReportKind::NotDone)[0].severity,
        Severity::Alarm
    );
    world.run(301_000);
    assert!(world.sends().len() > 1);
}

#[test]
fn every_refusal_is_paused_longer_than_the_one_before() {
    let mut world = World::calm(trimming());
    world.default_answer = Answer::Reject(Reaction::RetryLater);
    world.mark("BTCUSDT", DANGER);
    world.run(60_000);
    assert!(
        (8..25).contains(&world.sends().len()),
        "{}",
        world.sends().len()
    );
}

#[test]
fn additions_keep_to_the_budget_of_one_action_and_of_the_day() {
    let mut policy = adding();
    policy.budgets.add_per_action = money(dec!(100));
    policy.budgets.add_per_position_day = money(dec!(260));
    policy.budgets.actions_per_position_day = 100;
    let mut world = World::calm(policy);
    world.mark("BTCUSDT", dec!(95800));
    world.run(60_000);
    let amounts: Vec<Money> = world.sends().iter().map(added).collect();
    let adds: Vec<Money> = amounts
        .into_iter()
        .filter(|amount| amount.is_positive())
        .collect();
    assert_eq!(adds, [money(dec!(100)), money(dec!(100)), money(dec!(60))]);
}

#[test]
fn after_the_last_top_up_only_trims_follow_each_no_larger_than_allowed() {
    let mut policy = policy();
    policy.budgets.add_per_action = money(dec!(20));
    policy.budgets.trim_per_action = Rate::of(dec!(0.1));
    policy.budgets.top_ups_per_position_day = 2;
    policy.budgets.actions_per_position_day = 4;
    let mut world = World::calm(policy);
    // The market falls on, whatever is done.
    for step in 0..200 {
        world.mark("BTCUSDT", dec!(96800) - Decimal::from(step * 40));
        world.idle(1_000);
        if world.positions.is_empty() {
            break;
        }
    }
    let sends = world.sends();
    let acts: Vec<&Intent> = sends.iter().filter(|intent| !intent.recycled).collect();
    assert_eq!(acts.len(), 4, "{acts:?}");
    let adds = acts
        .iter()
        .filter(|intent| added(intent).is_positive())
        .count();
    assert!(adds <= 2);
    let most = Some(Rate::of(dec!(0.1)));
    for act in &acts {
        assert!(reduced(act).ratio(act.before.quantity) <= most, "{act:?}");
    }
    assert!(reduced(acts[3]).is_positive() && !world.positions.is_empty());
    let told = world.reports(ReportKind::Powerless);
    let last = told.last().expect("an alarm");
    assert!(last.text.contains("all 4 actions"), "{}", last.text);
}

#[test]
fn budgets_start_anew_at_midnight_utc_and_never_leak_over_it() {
    let mut policy = adding();
    policy.budgets.top_ups_per_position_day = 1;
    policy.budgets.add_per_action = money(dec!(300));
    policy.budgets.add_per_position_day = money(dec!(300));
    let mut world = World::new(policy, vec![isolated_long()], dec!(10000));
    // 23:59:58
    world.now = at(DAY_MS / 2 - 2_000);
    world.start(Default::default());
    world.answers.push_back(Answer::LoseUnknown);
    world.mark("BTCUSDT", dec!(95900));
    assert_eq!(world.sends().len(), 1);
    // Its refund comes after midnight and must not enlarge the new day.
    world.run(60_000);
    let today: Money = world.sends()[1..].iter().map(added).sum();
    assert_eq!(today, money(dec!(300)));
}

#[test]
fn an_addition_is_still_seen_when_funding_was_taken_meanwhile() {
    let mut world = World::calm(adding());
    world.answers.push_back(Answer::Silence);
    world.event(Event::Mark(plimsoll::guard::event::Mark {
        symbol: key("BTCUSDT").symbol,
        price: price(dec!(97500)),
        funding_rate: Some(Rate::of(dec!(0.001))),
        next_funding_at: None,
        at: world.now.plus_ms(1),
    }));
    world.idle(10);
    world.mark("BTCUSDT", DANGER);
    let intent = world.last_send();
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.isolated_wallet -= money(dec!(48));
    world.event(Event::Outcome {
        intent: intent.id,
        outcome: Outcome::Done { fill: None },
    });
    assert_eq!(endings(&world), [Ending::Verified { fill: None }]);
}

#[test]
fn texts_say_what_was_sent_verified_and_not_known() {
    let mut world = World::calm(adding());
    world.answers.push_back(Answer::DoUnknown);
    world.mark("BTCUSDT", DANGER);
    let amount = added(&world.last_send());
    assert!(text_of(&world, ReportKind::Sent).starts_with("Sent: add "));
    assert!(text_of(&world, ReportKind::NotKnown).contains("it is not sent again"));
    let verified = text_of(&world, ReportKind::Verified);
    assert!(
        verified.contains(&plimsoll::guard::explain::money(amount)),
        "{verified}"
    );
}

#[test]
fn a_reduction_in_hedge_mode_closes_its_own_side() {
    let long = position(
        sided("BTCUSDT", PositionSide::Long),
        Side::Long,
        dec!(0.5),
        plimsoll::domain::MarginMode::Isolated,
        dec!(2500),
    );
    let mut short = position(
        sided("BTCUSDT", PositionSide::Short),
        Side::Short,
        dec!(0.2),
        plimsoll::domain::MarginMode::Isolated,
        dec!(4000),
    );
    short.entry_price = price(dec!(100000));
    let mut world = World::new(trimming(), vec![long, short], dec!(100));
    world.position_mode = plimsoll::domain::PositionMode::Hedge;
    world.start(Default::default());
    world.mark("BTCUSDT", DANGER);
    let first = &world.sends()[0];
    assert_eq!(
        (first.side, first.key.position_side),
        (Side::Long, PositionSide::Long)
    );
    assert!(
        reduced(first) * price(DANGER) >= money(dec!(100)),
        "min notional"
    );
    assert_eq!(
        world.positions[&sided("BTCUSDT", PositionSide::Short)].quantity,
        Quantity::of(dec!(0.2))
    );
}

#[test]
fn nothing_is_ever_sent_in_watch_mode_or_while_paused() {
    let mut watching = policy();
    watching.mode = Mode::Watch;
    let mut world = World::calm(watching);
    world.judge.mute = true;
    world.mark("BTCUSDT", dec!(95500));
    world.run(30_000);
    let mut world = World::calm(policy());
    world.command(Command::Pause);
    world.judge.mute = true;
    world.mark("BTCUSDT", dec!(95500));
    world.run(30_000);
    assert!(
        world
            .log
            .iter()
            .any(|action| matches!(action, Action::Report(_)))
    );
}

#[test]
fn a_pause_between_the_halves_ends_the_plan_without_the_second() {
    let mut world = World::calm(trimming());
    world.answers.push_back(Answer::Silence);
    world.mark("BTCUSDT", DANGER);
    let first = world.last_send();
    world.command(Command::Pause);
    world.judge.mute = true;
    let fill: Option<FillReport> = world.executed[&first.id];
    world.event(Event::Outcome {
        intent: first.id,
        outcome: Outcome::Done { fill },
    });
    world.run(5_000);
    let plan_ended = |entry: &Entry| *entry == Entry::PlanEnded { plan: first.plan };
    assert!(world.records().iter().any(plan_ended));
}

/// Most look-ups, and most reads of the account, that were asked for in one and the same instant. Here
/// answers take no time; where they take a round trip each, this is what follows without any pause.
fn burst(world: &mut World, ms: i64) -> (usize, usize) {
    let until = world.now.plus_ms(ms);
    let (mut resolves, mut reads) = (0, 0);
    while world.now < until {
        let before = (world.resolves(), world.refreshes(Refresh::Account));
        world.idle(100);
        resolves = resolves.max(world.resolves() - before.0);
        reads = reads.max(world.refreshes(Refresh::Account) - before.1);
        world.stream_marks();
    }
    (resolves, reads)
}

/// A deep danger in which only a reduction helps, whose outcome is unknown.
fn working() -> World {
    let mut world = World::new(policy(), vec![isolated_long()], dec!(0));
    world.start(Recovered::default());
    world.answers.push_back(Answer::LoseUnknown);
    world.lookup = Lookup::Say(Resolution::Working);
    world.mark("BTCUSDT", dec!(95900));
    world
}

fn asked(world: &World) -> Quantity {
    world.sends().iter().map(reduced).sum()
}

#[test]
fn look_ups_of_a_working_order_keep_their_pauses() {
    let mut world = working();
    let (resolves, reads) = burst(&mut world, 20_000);
    assert!(resolves <= 3 && reads <= 3, "{resolves} {reads}");
    assert!(world.resolves() < 12, "{}", world.resolves());
    assert_eq!(world.sends().len(), 1);
}

#[test]
fn what_an_order_without_a_final_word_may_still_take_is_not_sold_again() {
    let mut world = working();
    let first = world.last_send();
    world.run(280_000);
    assert!(world.resolves() > 40, "asked on after it was given up");
    assert!(
        asked(&world) <= Quantity::of(dec!(0.5)),
        "{}",
        asked(&world)
    );
    assert!(world.sends().len() > 1, "what is surely left is guarded on");
    let told = text_of(&world, ReportKind::NotKnown);
    assert!(told.contains("not sold once more"), "{told}");
    let told = text_of(&world, ReportKind::Powerless);
    assert!(told.contains("may still be filled"), "{told}");
    // The final word ends the doubt.
    let left = world.positions[&key("BTCUSDT")].quantity;
    world.lookup = Lookup::Say(Resolution::NotExecuted);
    world.run(60_000);
    let ended = world.records().into_iter().any(|entry| {
        matches!(entry, Entry::Ended { intent, ending: Ending::NotExecuted { .. } } if intent == first.id)
    });
    assert!(ended);
    let now = world.positions.get(&key("BTCUSDT"));
    assert!(now.is_none_or(|held| held.quantity < left), "trimmed again");
}

#[test]
fn an_order_that_a_private_event_ends_late_is_seen_in_the_position() {
    let mut world = working();
    let first = world.last_send();
    world.run(230_000);
    let sent = world.sends().len();
    let update = world.own_order(&first, OrderStatus::Filled, reduced(&first).get());
    // It is filled after all, of what was left of the position.
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.quantity = Quantity::of(dec!(0.05));
    held.isolated_wallet = money(dec!(250));
    world.event(Event::Order(update));
    let told = text_of(&world, ReportKind::NotKnown);
    assert!(
        told.contains("Known now: the exchange has carried this out"),
        "{told}"
    );
    world.run(45_000);
    assert!(world.sends().len() > sent, "guarded on");
}

#[test]
fn a_position_that_grows_while_a_trim_is_verified_is_guarded_on() {
    let mut world = World::new(policy(), vec![isolated_long()], dec!(0));
    world.start(Recovered::default());
    world.rest_up = false;
    world.mark("BTCUSDT", dec!(95900));
    assert_eq!(world.sends().len(), 1);
    // The trader's resting buy fills: same average, same margin per coin, the line stays.
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    let before = held.quantity;
    held.quantity = Quantity::of(dec!(0.7));
    let part = held.quantity.ratio(before).expect("a size");
    held.isolated_wallet = held.isolated_wallet * part;
    let change = world.change(&key("BTCUSDT"), "ORDER");
    world.rest_up = true;
    let began = world.now;
    world.event(Event::Change(change));
    world.run(60_000);
    let next = world.sends()[1].planned_at.since(began);
    assert!(next <= 6_000, "next act after {next} ms");
    assert_eq!(endings(&world).len(), world.sends().len());
    assert!(matches!(
        endings(&world)[0],
        Ending::Unverified { fill: Some(_) }
    ));
    let told = world.reports(ReportKind::NotKnown);
    assert!(told[0].text.contains("has confirmed") && told[0].severity == Severity::Warning);
}

#[test]
fn an_addition_to_what_was_sold_in_part_meanwhile_is_seen_by_its_share() {
    let mut world = World::calm(adding());
    world.answers.push_back(Answer::Silence);
    world.mark("BTCUSDT", DANGER);
    let first = world.last_send();
    // A take-profit of the trader closes a half, and takes half of the wallet along.
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.quantity = Quantity::of(dec!(0.25));
    held.isolated_wallet = held.isolated_wallet * Rate::of(dec!(0.5));
    world.event(Event::Outcome {
        intent: first.id,
        outcome: Outcome::Done { fill: None },
    });
    world.idle(1_000);
    assert_eq!(endings(&world), [Ending::Verified { fill: None }]);
}

#[test]
fn in_deep_danger_an_act_that_stays_invisible_is_not_waited_for_nor_sold_twice() {
    let mut world = World::new(policy(), vec![isolated_long()], dec!(0));
    world.start(Recovered::default());
    let mut frozen = world.picture();
    frozen.positions[0].mark_price = plimsoll::domain::Price::of(dec!(95900));
    world.frozen = Some(frozen);
    let began = world.now;
    world.mark("BTCUSDT", dec!(95900));
    world.run(8_000);
    let sends = world.sends();
    assert!(sends.len() > 1);
    assert!(sends[1].planned_at.since(began) <= 3_000, "{sends:?}");
    assert!(
        asked(&world) <= Quantity::of(dec!(0.5)),
        "{}",
        asked(&world)
    );
}

/// A trim under way whose position has had all its top-ups, beside `free` in the wallet.
fn trim_under_way(free: Decimal) -> (World, Intent, Option<FillReport>) {
    let mut world = World::new(trimming(), vec![isolated_long()], free);
    world.start(Recovered::default());
    world.answers.push_back(Answer::Silence);
    world.mark("BTCUSDT", DANGER);
    let first = world.last_send();
    let fill = world.executed[&first.id];
    (world, first, fill)
}

#[test]
fn what_a_trim_freed_is_put_back_although_something_else_took_more_from_the_wallet() {
    let (mut world, first, fill) = trim_under_way(dec!(1000));
    let before = world.shown(&key("BTCUSDT")).liquidation_price;
    let freed = world.cross - money(dec!(1000));
    // A cross position of the trader is closed at a loss.
    world.cross -= money(dec!(900));
    world.event(Event::Outcome {
        intent: first.id,
        outcome: Outcome::Done { fill },
    });
    world.idle(1_000);
    let second = world.last_send();
    assert!(second.recycled, "trimmed for nothing");
    assert!(freed - added(&second) < money(dec!(0.02)));
    let after = world.shown(&key("BTCUSDT")).liquidation_price;
    assert!(after < before, "{before:?} {after:?}");
}

#[test]
fn a_second_half_for_which_nothing_is_left_is_told() {
    let (mut world, first, fill) = trim_under_way(dec!(1000));
    world.cross = money(dec!(0));
    world.event(Event::Outcome {
        intent: first.id,
        outcome: Outcome::Done { fill },
    });
    world.idle(500);
    assert!(world.sends().iter().all(|intent| !intent.recycled));
    let told = text_of(&world, ReportKind::NotDone);
    assert!(told.contains("Not put back into BTCUSDT"), "{told}");
    assert!(told.contains("something else has taken it"), "{told}");
}

#[test]
fn what_a_trim_freed_is_put_back_although_another_position_was_added_to() {
    let used = Spent {
        day: at(0).day_start(),
        top_ups: 6,
        ..Spent::default()
    };
    let mut other = isolated_long();
    other.key = key("ETHUSDT");
    let mut world = World::new(policy(), vec![isolated_long(), other], dec!(500));
    world.start(Recovered {
        spent: [("BTCUSDT".to_owned(), used)].into(),
        ..Recovered::default()
    });
    world.command(Command::Pause);
    world.mark("BTCUSDT", dec!(96500));
    world.mark("ETHUSDT", dec!(96500));
    world.command(Command::Resume);
    world.run(500);
    let sends = world.sends();
    let trims = sends
        .iter()
        .filter(|intent| intent.key == key("BTCUSDT") && reduced(intent).is_positive());
    let halves = sends.iter().filter(|intent| intent.recycled);
    assert_eq!(trims.count(), 1);
    assert_eq!(halves.count(), 1);
    assert!(sends.iter().any(|intent| intent.key == key("ETHUSDT")));
}

#[test]
fn a_trim_that_was_seen_to_move_no_line_is_not_repeated_while_the_wallet_is_short() {
    let mut short = isolated_long();
    short.key = key("ETHUSDT");
    short.margin_mode = plimsoll::domain::MarginMode::Cross;
    short.isolated_wallet = Money::ZERO;
    let mut world = World::new(policy(), vec![isolated_long(), short], dec!(2500));
    world.start(Recovered::default());
    world.command(Command::Pause);
    world.mark("BTCUSDT", DANGER);
    world.mark("ETHUSDT", DANGER);
    world.command(Command::Resume);
    world.run(60_000);
    let trims = |world: &World| {
        let sends = world.sends().into_iter();
        sends
            .filter(|intent| intent.key == key("BTCUSDT") && reduced(intent).is_positive())
            .count()
    };
    assert_eq!(
        trims(&world),
        1,
        "0 is free: what is freed backs the cross account"
    );
    let told = text_of(&world, ReportKind::NotDone);
    assert!(told.contains("Not put back into BTCUSDT"), "{told}");
    // In deep danger it is trimmed all the same.
    world.mark("BTCUSDT", dec!(95600));
    world.run(2_000);
    assert!(trims(&world) > 1);
}
