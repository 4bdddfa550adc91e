//! The trader's say: questions, modes, restarts.

#![allow(
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests: a failure here is a failed test"
)]

#[path = "support/guard_world.rs"]
mod world;

use plimsoll::domain::{Quantity, Rate, Side, Timestamp};
use plimsoll::guard::action::{Action, ReportKind};
use plimsoll::guard::event::{Command, Event, Mode, Question};
use plimsoll::guard::intent::{Ending, FillReport, Intent};
use plimsoll::guard::journal::{Entry, OpenIntent, Recovered, Spent, spent_key};
use plimsoll::guard::policy::{Policy, Silence};
use rust_decimal::{Decimal, dec};
use world::*;

const DANGER: Decimal = dec!(96800);

fn asking() -> Policy {
    let mut policy = policy();
    policy.mode = Mode::Ask;
    policy
}

fn question(world: &World) -> Question {
    world.view().questions.first().cloned().expect("a question")
}

fn unasked(world: &World) -> usize {
    let taken_back = |action: &&Action| matches!(action, Action::Unask { .. });
    world.log.iter().filter(taken_back).count()
}

fn declined(world: &World) -> usize {
    let records = world.records().into_iter();
    let ended = records.filter(|entry| {
        matches!(
            entry,
            Entry::Ended {
                ending: Ending::Declined { .. },
                ..
            }
        )
    });
    ended.count()
}

/// One reduction that was sent and whose fate is not known, with the world it happened in.
fn cut_off(answer: Answer) -> (World, Intent, Timestamp) {
    let mut policy = policy();
    policy.budgets.top_ups_per_position_day = 0;
    let mut world = World::calm(policy);
    world.answers.push_back(answer);
    world.lookup = Lookup::Nothing;
    world.mark("BTCUSDT", DANGER);
    let intent = world.last_send();
    let sent_at = world.now;
    world.lookup = Lookup::Truth;
    world.now = world.now.plus_ms(2_000);
    (world, intent, sent_at)
}

fn open(intent: &Intent, sent_at: Option<Timestamp>) -> Recovered {
    Recovered {
        open: vec![OpenIntent {
            intent: intent.clone(),
            sent_at,
        }],
        last_sequence: 1,
        last_plan: intent.plan,
        ..Recovered::default()
    }
}

#[test]
fn a_yes_sends_the_asked_intent() {
    let mut world = World::calm(asking());
    world.mark("BTCUSDT", DANGER);
    assert!(world.sends().is_empty());
    let id = question(&world).intent.id;
    world.command(Command::Approve(id.clone()));
    assert_eq!(world.sends()[0].id, id);
    assert_eq!(unasked(&world), 1);
    world.command(Command::Approve(id.clone()));
    world.command(Command::Decline(id));
    let sends = world.sends().into_iter().filter(|intent| !intent.recycled);
    assert_eq!(sends.count(), 1);
}

#[test]
fn a_no_holds_until_the_danger_is_clearly_greater() {
    let mut world = World::calm(asking());
    world.mark("BTCUSDT", DANGER);
    let id = question(&world).intent.id;
    world.command(Command::Decline(id));
    assert_eq!((declined(&world), unasked(&world)), (1, 1));
    world.run(120_000);
    assert_eq!(world.asks().len(), 1, "the owner is not pestered");
    world.mark("BTCUSDT", dec!(96000));
    assert_eq!(world.asks().len(), 2, "half of the distance is gone");
}

#[test]
fn a_no_wears_off() {
    let mut world = World::calm(asking());
    world.mark("BTCUSDT", DANGER);
    let id = question(&world).intent.id;
    world.command(Command::Decline(id));
    world.run(301_000);
    assert_eq!(world.asks().len(), 2);
}

#[test]
fn silence_acts_exactly_at_the_deadline() {
    let mut world = World::calm(asking());
    world.mark("BTCUSDT", DANGER);
    let deadline = question(&world).deadline;
    assert_eq!(world.guard.deadline().map(|at| at <= deadline), Some(true));
    let left = deadline.since(world.now);
    world.run(left - 1);
    assert!(world.sends().is_empty());
    world.idle(1);
    assert!(!world.sends().is_empty());
}

#[test]
fn a_question_that_a_mark_has_raised_is_woken_for_in_time() {
    let mut policy = asking();
    policy.ask_ms = 5_000;
    policy.freshness.mark_ms = 3_600_000;
    policy.freshness.account_ms = 3_600_000;
    policy.freshness.reconcile_ms = 1_800_000;
    let mut world = World::calm(policy);
    world.run(20_000);
    world.mark("BTCUSDT", DANGER);
    assert_eq!(world.guard.deadline(), Some(world.now.plus_ms(5_000)));
}

#[test]
fn silence_that_means_hold_sends_nothing() {
    let mut policy = asking();
    policy.silence = Silence::Hold;
    policy.ask_ms = 10_000;
    let mut world = World::calm(policy);
    world.mark("BTCUSDT", DANGER);
    world.run(60_000);
    assert!(world.sends().is_empty());
    assert_eq!((declined(&world), world.asks().len()), (1, 1));
    assert!(world.view().questions.is_empty());
}

#[test]
fn a_change_of_the_position_voids_the_question_at_once() {
    let flip = |world: &mut World| {
        let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
        held.side = Side::Short;
    };
    let shrink = |world: &mut World| {
        let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
        held.quantity = Quantity::of(dec!(0.4));
    };
    let close = |world: &mut World| world.positions.clear();
    let changes: [fn(&mut World); 3] = [flip, shrink, close];
    for change in changes {
        let mut world = World::calm(asking());
        world.mark("BTCUSDT", DANGER);
        let id = question(&world).intent.id;
        world.idle(10);
        change(&mut world);
        let news = world.change(&key("BTCUSDT"), "ORDER");
        world.event(Event::Change(news));
        assert!(
            world
                .view()
                .questions
                .iter()
                .all(|open| open.intent.id != id)
        );
        assert_eq!(declined(&world), 1);
        world.command(Command::Approve(id.clone()));
        assert!(world.sends().iter().all(|intent| intent.id != id));
        assert!(!world.reports(ReportKind::Foreign).is_empty());
    }
}

#[test]
fn a_recovered_market_makes_a_yes_void() {
    let mut world = World::calm(asking());
    world.mark("BTCUSDT", DANGER);
    let id = question(&world).intent.id;
    world.mark("BTCUSDT", dec!(100500));
    world.command(Command::Approve(id));
    assert!(world.sends().is_empty());
    assert_eq!(declined(&world), 1);
}

#[test]
fn a_lower_mode_and_a_pause_take_questions_back() {
    for command in [Command::Mode(Mode::Watch), Command::Pause] {
        let mut world = World::calm(asking());
        world.mark("BTCUSDT", DANGER);
        world.command(command);
        assert_eq!((declined(&world), unasked(&world)), (1, 1));
        assert!(world.view().questions.is_empty());
        world.judge.mute = true;
        world.run(200_000);
    }
}

#[test]
fn the_same_mode_once_more_leaves_the_question_standing() {
    let mut world = World::calm(asking());
    world.mark("BTCUSDT", DANGER);
    let before = question(&world);
    world.command(Command::Mode(Mode::Ask));
    assert_eq!(question(&world), before);
}

#[test]
fn chat_cannot_lift_the_mode_above_the_configuration() {
    let mut world = World::calm(asking());
    world.command(Command::Mode(Mode::Auto));
    assert_eq!(world.view().mode, Mode::Ask);
    world.command(Command::Mode(Mode::Watch));
    world.command(Command::Mode(Mode::Ask));
    assert_eq!(world.view().mode, Mode::Ask);
}

#[test]
fn the_deadline_shrinks_with_the_time_left() {
    let patience = |step: Decimal| {
        let mut policy = asking();
        policy.ask_ms = 3_600_000;
        policy.triggers.floor_distance = Rate::of(dec!(0.05));
        let mut world = World::calm(policy);
        world.command(Command::Pause);
        world.wander("BTCUSDT", dec!(99000), step, 330_000);
        world.command(Command::Resume);
        world.run(1_000);
        let asked = question(&world);
        asked.deadline.since(asked.intent.planned_at)
    };
    let (calm, wild) = (patience(dec!(300)), patience(dec!(600)));
    assert!(wild < calm / 2, "{wild} {calm}");
    assert!(wild >= 5_000);
}

#[test]
fn an_open_question_waits_less_when_the_danger_grows() {
    let mut policy = asking();
    policy.ask_ms = 600_000;
    let mut world = World::calm(policy);
    world.wander("BTCUSDT", dec!(98500), dec!(2), 330_000);
    world.mark("BTCUSDT", DANGER);
    let first = question(&world).deadline;
    world.idle(1_000);
    world.mark("BTCUSDT", dec!(95600));
    assert!(question(&world).deadline < first);
    assert_eq!(world.asks().len(), 1);
    world.run(10_000);
    assert!(!world.sends().is_empty());
}

#[test]
fn an_open_sent_intent_is_asked_about_and_never_sent_again() {
    for answer in [Answer::DoUnknown, Answer::LoseUnknown] {
        let (mut world, intent, sent_at) = cut_off(answer);
        world.log.clear();
        world.judge.knows(&intent.id);
        world.restart(open(&intent, Some(sent_at)));
        assert!(world.resolves() >= 1);
        world.run(10_000);
        let again = world.sends();
        assert!(again.iter().all(|sent| sent.id != intent.id));
        let ended = Entry::Ended {
            intent: intent.id.clone(),
            ending: Ending::Unverified { fill: None },
        };
        assert!(!world.records().contains(&ended));
    }
}

#[test]
fn while_a_former_intent_is_unknown_its_scope_rests() {
    let (mut world, intent, sent_at) = cut_off(Answer::LoseUnknown);
    world.log.clear();
    world.lookup = Lookup::Nothing;
    world.restart(open(&intent, Some(sent_at)));
    world.run(20_000);
    assert!(world.sends().is_empty(), "S2");
}

#[test]
fn an_open_intent_that_was_never_sent_is_closed() {
    let (mut world, intent, _) = cut_off(Answer::LoseUnknown);
    world.log.clear();
    world.restart(open(&intent, None));
    let records = world.records();
    let closed = |entry: &Entry| matches!(entry, Entry::Ended { intent: id, ending: Ending::NotExecuted { .. } } if *id == intent.id);
    assert!(records.iter().any(closed));
    assert!(records.contains(&Entry::PlanEnded { plan: intent.plan }));
    assert_eq!(world.resolves(), 0);
    let next = world.sends();
    assert!(
        world.reports(ReportKind::Powerless).is_empty(),
        "rules half read"
    );
    assert!(!next.is_empty() && next.iter().all(|sent| sent.id != intent.id));
}

#[test]
fn several_open_intents_of_one_scope_are_resolved_one_after_the_other() {
    let (mut world, intent, sent_at) = cut_off(Answer::LoseUnknown);
    world.log.clear();
    let mut other = intent.clone();
    other.id = plimsoll::guard::intent::IntentId::new("t", 2);
    let mut recovered = open(&intent, Some(sent_at));
    recovered.last_sequence = 2;
    recovered.open.push(OpenIntent {
        intent: other,
        sent_at: Some(sent_at),
    });
    world.restart(recovered);
    world.run(20_000);
    let ended = world.records().into_iter().filter(|entry| {
        matches!(
            entry,
            Entry::Ended {
                ending: Ending::NotExecuted { .. },
                ..
            }
        )
    });
    assert!(ended.count() >= 2);
    assert!(!world.sends().is_empty(), "and then guarding goes on");
}

fn unfinished(intent: &Intent, fill: Option<FillReport>) -> Recovered {
    Recovered {
        unfinished: vec![(intent.clone(), fill)],
        last_sequence: 1,
        last_plan: intent.plan,
        ..Recovered::default()
    }
}

#[test]
fn an_unfinished_first_half_gets_its_second_half_exactly_once() {
    let (mut world, intent, _) = cut_off(Answer::DoUnknown);
    let fill = world.executed[&intent.id];
    world.log.clear();
    world.restart(unfinished(&intent, fill));
    world.run(30_000);
    let halves: Vec<Intent> = world
        .sends()
        .into_iter()
        .filter(|sent| sent.recycled)
        .collect();
    assert_eq!(halves.len(), 1);
    assert_eq!(halves[0].plan, intent.plan);
}

#[test]
fn a_first_half_of_long_ago_is_not_put_back() {
    let (mut world, intent, _) = cut_off(Answer::DoUnknown);
    let fill = world.executed[&intent.id];
    world.log.clear();
    world.mark("BTCUSDT", dec!(100000));
    world.now = world.now.plus_ms(3_600_000);
    world.restart(unfinished(&intent, fill));
    world.run(5_000);
    assert!(world.sends().is_empty());
    assert!(
        world
            .records()
            .contains(&Entry::PlanEnded { plan: intent.plan })
    );
}

#[test]
fn what_the_trader_took_out_meanwhile_is_not_put_back_as_recycled() {
    let (mut world, intent, _) = cut_off(Answer::DoUnknown);
    let fill = world.executed[&intent.id];
    world.log.clear();
    let held = world.positions.get_mut(&key("BTCUSDT")).expect("held");
    held.isolated_wallet -= money(dec!(500));
    world.cross += money(dec!(500));
    world.restart(unfinished(&intent, fill));
    let half = world
        .sends()
        .into_iter()
        .find(|sent| sent.recycled)
        .expect("a half");
    assert!(added(&half) < money(dec!(300)), "{half:?}");
}

#[test]
fn spent_budgets_survive_a_restart() {
    let mut policy = policy();
    policy.budgets.add_per_position_day = money(dec!(1000));
    policy.budgets.trim_per_action = Rate::ZERO;
    let mut world = World::new(policy, vec![isolated_long()], dec!(10000));
    let spent = Spent {
        day: at(0).day_start(),
        added: money(dec!(900)),
        actions: 2,
        top_ups: 2,
        ..Spent::default()
    };
    let mut recovered = Recovered::default();
    recovered.spent.insert(spent_key(&key("BTCUSDT")), spent);
    recovered.last_sequence = 7;
    world.start(recovered);
    world.mark("BTCUSDT", DANGER);
    let first = &world.sends()[0];
    assert!(added(first) <= money(dec!(100)), "{first:?}");
    assert_eq!(first.id.as_str(), "plim-t-8");
}

#[test]
fn mode_and_pause_survive_a_restart_and_never_exceed_the_configuration() {
    let mut world = World::new(policy(), vec![isolated_long()], dec!(1000));
    let recovered = Recovered {
        mode: Some(Mode::Watch),
        paused: true,
        ..Recovered::default()
    };
    world.start(recovered);
    assert_eq!(
        (world.view().mode, world.view().paused),
        (Mode::Watch, true)
    );
    let mut world = World::new(asking(), vec![isolated_long()], dec!(1000));
    let recovered = Recovered {
        mode: Some(Mode::Auto),
        ..Recovered::default()
    };
    world.start(recovered);
    assert_eq!(world.view().mode, Mode::Ask);
}
