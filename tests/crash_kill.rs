//! The program may be killed at any moment: a restart neither loses nor repeats an act.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test program: it fails by panicking"
)]

#[path = "support/acting.rs"]
mod acting;
#[path = "support/venue.rs"]
mod venue;

use acting::{
    ADD, ADD_HEDGE, Case, MARGIN, ORDER, POSITIONS, REDUCE, REDUCE_HEDGE, WINDOW_MS, acting,
    assert_no_id_twice, endings, intents, reread, sent, settle, trimming, verified,
};
use plimsoll::domain::Money;
use plimsoll::guard::event::Mode;
use plimsoll::guard::intent::{Ending, IntentKind, Outcome};
use plimsoll::guard::journal::Entry;
use plimsoll::journal::Journal;
use plimsoll::sim::face::{Effect, Fault};
use rust_decimal::dec;
use venue::{Home, ISOLATED, Venue, position_key, wall_now};

fn applied_before_the_kill(case: &Case) {
    let venue = Venue::with(case.opening);
    let home = (case.home)(&venue);
    venue
        .face()
        .inject(Fault::once("POST", case.path, Effect::HoldReplyAfterApply));
    let mut program = home.run();
    program.until("the exchange has applied it", || case.effects(&venue) == 1);
    program.kill();
    assert!(
        endings(&home).is_empty(),
        "killed between sending and answer"
    );
    assert_eq!(sent(&home).len(), 1);
    let mut program = home.run();
    settle(&mut program, &venue, &home);
    let (status, ..) = program.stop();
    assert_eq!(status.code(), Some(0));
    assert_eq!(case.effects(&venue), 1, "one effect");
    assert_eq!(venue.acts().len(), 1, "{:?}", venue.acts());
    assert_eq!(verified(&home), intents(&home));
    assert_eq!(intents(&home).len(), 1);
}

fn not_applied_before_the_kill(case: &Case) {
    let venue = Venue::with(case.opening);
    let home = (case.home)(&venue);
    venue
        .face()
        .inject(Fault::once("POST", case.path, Effect::HoldBeforeApply));
    let mut program = home.run();
    program.until("the request has arrived", || {
        venue.posts(case.path).len() == 1
    });
    program.kill();
    let at = venue.posts(case.path)[0].at;
    let mut program = home.run();
    program.until("the window is over", || {
        wall_now().since(at) > WINDOW_MS + 500
    });
    assert_eq!(
        venue.acts().len(),
        1,
        "nothing is sent while the outcome is unknown"
    );
    venue.face().release();
    settle(&mut program, &venue, &home);
    let (status, ..) = program.stop();
    assert_eq!(status.code(), Some(0));
    assert_eq!(case.effects(&venue), 1, "one effect");
    assert_eq!(venue.acts().len(), 2, "{:?}", venue.acts());
    let ids = intents(&home);
    let [lost, anew] = ids.as_slice() else {
        panic!("{ids:?}")
    };
    assert_ne!(lost, anew);
    let ended = endings(&home);
    assert!(
        matches!(&ended[0], (id, Ending::NotExecuted { .. }) if id == lost),
        "{ended:?}"
    );
    assert!(
        matches!(&ended[1], (id, Ending::Verified { .. }) if id == anew),
        "{ended:?}"
    );
    assert_no_id_twice(&venue);
}

/// The exchange is slow: it applies the request while nobody runs, within its window.
fn applied_after_the_kill(case: &Case) {
    let venue = Venue::with(case.opening);
    let home = (case.home)(&venue);
    venue
        .face()
        .inject(Fault::once("POST", case.path, Effect::HoldBeforeApply));
    let mut program = home.run();
    program.until("the request has arrived", || {
        venue.posts(case.path).len() == 1
    });
    program.kill();
    assert_eq!(case.effects(&venue), 0);
    let mut program = home.run();
    venue.face().release();
    settle(&mut program, &venue, &home);
    program.stop();
    assert_eq!(case.effects(&venue), 1, "one effect");
    assert_eq!(venue.acts().len(), 1, "{:?}", venue.acts());
    assert_eq!(verified(&home).len(), 1);
}

/// Tries the same with an addition and with a reduction, in both position modes.
fn each(attempt: fn(&Case)) {
    std::thread::scope(|scope| {
        for case in [&ADD, &REDUCE, &ADD_HEDGE, &REDUCE_HEDGE] {
            scope.spawn(move || attempt(case));
        }
    });
}

#[test]
fn an_act_that_took_effect_before_the_kill_is_not_repeated() {
    each(applied_before_the_kill);
}

#[test]
fn an_act_that_never_arrived_is_done_anew_once_under_a_new_id() {
    each(not_applied_before_the_kill);
}

#[test]
fn an_act_that_takes_effect_while_the_guard_starts_again_counts() {
    each(applied_after_the_kill);
}

/// Both halves of one plan, each exactly once.
fn assert_recycled_once(venue: &Venue, home: &Home) {
    assert_eq!(venue.orders(), 1, "one trim");
    assert_eq!(venue.added().len(), 1, "one second half");
    assert_eq!(venue.posts(ORDER).len(), 1);
    assert_eq!(venue.posts(MARGIN).len(), 1);
    let halves: Vec<_> = home
        .journal()
        .into_iter()
        .filter_map(|entry| {
            let Entry::Intent { intent } = entry else {
                return None;
            };
            Some(intent)
        })
        .collect();
    let [first, second] = halves.as_slice() else {
        panic!("{halves:?}")
    };
    assert!(matches!(
        first.kind,
        IntentKind::Reduce { recycle: true, .. }
    ));
    assert!(second.recycled && first.plan == second.plan);
    assert_eq!(verified(home), [first.id.clone(), second.id.clone()]);
}

#[test]
fn a_kill_before_the_trim_was_seen_leaves_its_second_half_to_the_restart() {
    let venue = Venue::with(ISOLATED);
    let home = trimming(&venue);
    let face = venue.face();
    face.inject(Fault::once("POST", ORDER, Effect::HoldReplyAfterApply));
    let mut program = home.run();
    program.until("the trim is executed", || venue.orders() == 1);
    let held = venue.reads(POSITIONS);
    face.inject(Fault {
        times: 100,
        ..Fault::once("GET", POSITIONS, Effect::HoldReplyAfterApply)
    });
    face.release();
    program.until("the answer is in the journal", || {
        home.journal().iter().any(|entry| {
            matches!(
                entry,
                Entry::Outcome {
                    outcome: Outcome::Done { .. },
                    ..
                }
            )
        })
    });
    program.until("the account is asked for", || venue.reads(POSITIONS) > held);
    program.kill();
    assert!(venue.added().is_empty());
    face.clear_faults();
    face.release();
    let mut program = home.run();
    settle(&mut program, &venue, &home);
    program.stop();
    assert_recycled_once(&venue, &home);
}

#[test]
fn a_kill_while_the_trim_is_unanswered_leaves_its_second_half_to_the_restart() {
    let venue = Venue::with(ISOLATED);
    let home = trimming(&venue);
    venue
        .face()
        .inject(Fault::once("POST", ORDER, Effect::HoldReplyAfterApply));
    let mut program = home.run();
    program.until("the trim is executed", || venue.orders() == 1);
    program.kill();
    let mut program = home.run();
    settle(&mut program, &venue, &home);
    program.stop();
    assert_recycled_once(&venue, &home);
}

#[test]
fn a_kill_during_the_second_half_does_not_repeat_it() {
    let venue = Venue::with(ISOLATED);
    let home = trimming(&venue);
    venue
        .face()
        .inject(Fault::once("POST", MARGIN, Effect::HoldReplyAfterApply));
    let mut program = home.run();
    program.until("the margin is back", || venue.added().len() == 1);
    program.kill();
    assert_eq!(
        verified(&home).len(),
        1,
        "only the first half is done as far as is known"
    );
    let mut program = home.run();
    settle(&mut program, &venue, &home);
    program.stop();
    assert_recycled_once(&venue, &home);
}

#[test]
fn a_stop_is_clean_and_the_restart_knows_what_was_spent() {
    let attempt = |signal: &str| {
        let venue = Venue::with(ISOLATED);
        let mut home = acting(&venue);
        home.set("budget", "top_ups_per_position_day = 1");
        let mut program = home.run();
        settle(&mut program, &venue, &home);
        assert_eq!((venue.added().len(), venue.orders()), (1, 0));
        program.signal(signal);
        let (status, out, _) = program.ended();
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(
            out.trim_end()
                .ends_with("Stopped. Positions are not watched any more."),
            "{out}"
        );
        assert!(matches!(home.journal().last(), Some(Entry::Stopped { .. })));
        // The trader takes the margin out again: the one addition of the day is spent, so now it trims.
        let amount = venue.added()[0].amount - Money::of(dec!(10));
        let account = venue.account;
        venue
            .face()
            .with(|exchange| exchange.move_margin(account, &position_key(), Money::ZERO - amount))
            .expect("moved");
        home.set("budget", "trim_per_action_pct = 50");
        let mut program = home.run();
        program.until("the restart trims", || venue.orders() == 1);
        settle(&mut program, &venue, &home);
        program.stop();
        let recycled = venue.posts(MARGIN).len() - 1;
        assert!(recycled <= 1, "no new margin");
    };
    std::thread::scope(|scope| {
        for signal in ["TERM", "INT"] {
            scope.spawn(move || attempt(signal));
        }
    });
}

#[test]
fn a_restart_keeps_the_safer_mode_that_was_set_by_chat() {
    let venue = Venue::with(ISOLATED);
    let home = acting(&venue);
    let mut journal = Journal::open(&home.data_dir()).expect("journal");
    journal
        .append(wall_now(), &Entry::Mode { mode: Mode::Watch })
        .expect("written");
    drop(journal);
    let mut program = home.run();
    program.until_said("in watch mode");
    program.until("all streams stand", || venue.face().connections() == 3);
    reread(&mut program, &venue);
    program.stop();
    assert!(venue.acts().is_empty());
}

#[test]
fn a_stop_waits_for_the_answer_that_is_on_its_way() {
    let venue = Venue::with(ISOLATED);
    let home = acting(&venue);
    venue
        .face()
        .inject(Fault::once("POST", MARGIN, Effect::HoldReplyAfterApply));
    let mut program = home.run();
    program.until("the margin is added", || venue.added().len() == 1);
    program.signal("TERM");
    std::thread::sleep(std::time::Duration::from_millis(50));
    venue.face().release();
    let (status, ..) = program.ended();
    assert_eq!(status.code(), Some(0));
    let entries = home.journal();
    let [
        ..,
        Entry::Outcome {
            outcome: Outcome::Done { .. },
            ..
        },
        Entry::Stopped { .. },
    ] = entries.as_slice()
    else {
        panic!("{entries:#?}");
    };
    let mut program = home.run();
    settle(&mut program, &venue, &home);
    program.stop();
    assert_eq!((venue.added().len(), venue.posts(MARGIN).len()), (1, 1));
    assert_eq!(verified(&home).len(), 1);
    assert!(venue.position().isolated_wallet > Money::of(dec!(900)));
}

fn killed_again_and_again(case: &Case) {
    let venue = Venue::with(case.opening);
    let home = (case.home)(&venue);
    for round in 0..12_u64 {
        let program = home.run();
        std::thread::sleep(std::time::Duration::from_millis(4 * round));
        program.kill();
    }
    let mut program = home.run();
    settle(&mut program, &venue, &home);
    program.stop();
    assert_eq!(case.effects(&venue), 1, "{:?}", venue.acts());
    assert_eq!(verified(&home).len(), 1);
    assert_eq!(endings(&home).len(), intents(&home).len());
    assert!(venue.acts().len() <= sent(&home).len());
    assert_no_id_twice(&venue);
}

#[test]
fn a_program_that_is_killed_again_and_again_acts_once() {
    each(killed_again_and_again);
}

#[test]
fn a_second_half_that_never_arrived_is_closed_and_the_danger_met_anew() {
    let venue = Venue::with(ISOLATED);
    let home = trimming(&venue);
    venue
        .face()
        .inject(Fault::once("POST", MARGIN, Effect::HoldBeforeApply));
    let mut program = home.run();
    program.until("the second half has arrived", || {
        venue.posts(MARGIN).len() == 1
    });
    program.kill();
    let at = venue.posts(MARGIN)[0].at;
    let mut program = home.run();
    program.until("the window is over", || {
        wall_now().since(at) > WINDOW_MS + 500
    });
    venue.face().release();
    settle(&mut program, &venue, &home);
    program.stop();
    let ended = endings(&home);
    assert!(
        matches!(
            &ended[..2],
            [
                (_, Ending::Verified { .. }),
                (_, Ending::NotExecuted { .. })
            ]
        ),
        "{ended:?}"
    );
    assert_eq!(venue.added().len(), 1, "the lost half had no effect later");
    assert_no_id_twice(&venue);
    let held = venue.position();
    let line = held.liquidation_price.expect("line");
    let distance = (held.mark_price - line).ratio(held.mark_price);
    assert!(distance.expect("ratio").get() > dec!(0.055), "{held:?}");
}

#[test]
fn a_stop_with_an_answer_outstanding_leaves_the_question_to_the_restart() {
    each(|case| {
        let venue = Venue::with(case.opening);
        let mut home = (case.home)(&venue);
        home.set("exchange", "request_timeout_ms = 600");
        venue
            .face()
            .inject(Fault::once("POST", case.path, Effect::HoldReplyAfterApply));
        let mut program = home.run();
        program.until("the exchange has applied it", || case.effects(&venue) == 1);
        let (status, ..) = program.stop();
        assert_eq!(status.code(), Some(0));
        let entries = home.journal();
        assert!(
            matches!(
                entries.as_slice(),
                [
                    ..,
                    Entry::Outcome {
                        outcome: Outcome::Unknown { .. },
                        ..
                    },
                    Entry::Stopped { .. }
                ]
            ),
            "{entries:#?}"
        );
        let mut program = home.run();
        settle(&mut program, &venue, &home);
        program.stop();
        assert_eq!((case.effects(&venue), venue.acts().len()), (1, 1));
        assert_eq!(verified(&home), intents(&home));
    });
}
