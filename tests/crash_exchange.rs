//! The exchange may go away and come back while the program runs: it says that it is blind, sends
//! nothing meanwhile, and sees again by itself.
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
    ADD, Case, MARGIN, POSITIONS, REDUCE, WINDOW_MS, acting, assert_no_id_twice, endings, intents,
    settle, verified,
};
use plimsoll::guard::intent::Ending;
use plimsoll::guard::journal::Entry;
use plimsoll::sim::face::{Effect, Fault, StreamLink};
use venue::{Home, ISOLATED, KEY, SECRET, Venue};

fn watching(venue: &Venue) -> Home {
    let mut home = Home::at(&venue.urls());
    home.set("exchange", "request_timeout_ms = 1000");
    home.set("freshness", "mark_stale_secs = 2");
    home
}

#[test]
fn an_exchange_that_dies_and_comes_back_is_seen_again_without_help() {
    let venue = Venue::with(ISOLATED);
    let mut home = watching(&venue);
    home.set("", "mode = \"auto\"");
    let address = venue.address();
    let mut program = home.run();
    program.until("all streams stand", || venue.face().connections() == 3);
    venue.die();
    program.until_said("BLIND: the mark price of BTCUSDT");
    assert!(
        program.err().contains("ALARM"),
        "an alarm goes to standard error"
    );
    let venue = Venue::start(address, Some(ISOLATED));
    program.until_said("Sight regained");
    program.until("all streams stand again", || {
        venue.face().connections() == 3
    });
    let (status, out, err) = program.stop();
    assert_eq!(status.code(), Some(0), "{out}{err}");
    assert!(venue.acts().is_empty(), "far from the line nothing is done");
    let entries = home.journal();
    let blind = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Blind { .. }));
    let sighted = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Sighted { .. }));
    assert_eq!(blind.count(), sighted.count());
    for text in [out, err] {
        assert!(!text.contains(KEY) && !text.contains(SECRET) && !text.contains("signature="));
    }
}

#[test]
fn a_silent_market_stream_is_replaced_by_reading() {
    let venue = Venue::with(ISOLATED);
    let home = watching(&venue);
    let mut program = home.run();
    program.until("all streams stand", || venue.face().connections() == 3);
    venue.face().stall(StreamLink::Market);
    program.until_said("BLIND: the mark price of BTCUSDT");
    program.until_said("Sight regained");
    program.stop();
}

/// Ways to lose an answer after the exchange has done what it was asked.
fn lost_answers() -> Vec<Effect> {
    let status = |code, body: &str| Effect::ApplyThenStatus {
        code,
        body: body.to_owned(),
    };
    vec![
        Effect::DropConnectionAfterApply,
        status(200, ""),
        status(502, "<html>Bad Gateway</html>"),
        status(
            503,
            r#"{"code":-1000,"msg":"Unknown error, please check your request or try again later."}"#,
        ),
        status(
            408,
            r#"{"code":-1007,"msg":"Timeout waiting for response from backend server."}"#,
        ),
    ]
}

/// Ways to lose a request before the exchange has done anything, without saying so.
fn lost_requests() -> Vec<Effect> {
    vec![
        Effect::DropConnectionBeforeApply,
        Effect::Html,
        Effect::Empty,
    ]
}

fn answer_lost(case: &Case, effect: Effect) {
    let venue = Venue::with(case.opening);
    let home = (case.home)(&venue);
    venue
        .face()
        .inject(Fault::once("POST", case.path, effect.clone()));
    // Nor can it be asked at once what became of it.
    for path in [MARGIN_HISTORY, acting::ORDER] {
        venue.face().inject(Fault {
            times: 2,
            ..Fault::once("GET", path, Effect::Html)
        });
    }
    let mut program = home.run();
    settle(&mut program, &venue, &home);
    program.stop();
    assert_eq!(case.effects(&venue), 1, "{effect:?}");
    assert_eq!(venue.acts().len(), 1, "{effect:?}: {:?}", venue.acts());
    assert_eq!(verified(&home), intents(&home), "{effect:?}");
}

fn request_lost(case: &Case, effect: Effect) {
    let venue = Venue::with(case.opening);
    let home = (case.home)(&venue);
    venue
        .face()
        .inject(Fault::once("POST", case.path, effect.clone()));
    let mut program = home.run();
    settle(&mut program, &venue, &home);
    program.stop();
    assert_eq!(case.effects(&venue), 1, "{effect:?}");
    let acts = venue.acts();
    assert_eq!(acts.len(), 2, "{effect:?}: {acts:?}");
    assert!(
        acts[1].at.since(acts[0].at) > WINDOW_MS,
        "{effect:?}: {acts:?}"
    );
    let ended = endings(&home);
    let [(lost, first), (anew, Ending::Verified { .. })] = ended.as_slice() else {
        panic!("{effect:?}: {ended:?}");
    };
    assert!(
        lost != anew && !matches!(first, Ending::Verified { .. }),
        "{effect:?}: {ended:?}"
    );
    assert_no_id_twice(&venue);
}

const MARGIN_HISTORY: &str = "/fapi/v1/positionMargin/history";

#[test]
fn an_act_whose_answer_is_lost_is_found_and_not_repeated() {
    std::thread::scope(|scope| {
        for effect in lost_answers() {
            for case in [&ADD, &REDUCE] {
                let effect = effect.clone();
                scope.spawn(move || answer_lost(case, effect));
            }
        }
    });
}

#[test]
fn an_act_that_was_lost_on_the_way_is_done_anew_after_its_window() {
    std::thread::scope(|scope| {
        for effect in lost_requests() {
            for case in [&ADD, &REDUCE] {
                let effect = effect.clone();
                scope.spawn(move || request_lost(case, effect));
            }
        }
    });
}

#[test]
fn a_key_that_loses_its_right_to_trade_raises_an_alarm() {
    let venue = Venue::with(ISOLATED);
    let home = acting(&venue);
    let refusal = Effect::Status {
        code: 401,
        body: r#"{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}"#
            .to_owned(),
    };
    for path in [MARGIN, acting::ORDER] {
        venue.face().inject(Fault {
            times: 100,
            ..Fault::once("POST", path, refusal.clone())
        });
    }
    let mut program = home.run();
    program.until_said("CANNOT PROTECT");
    assert!(
        program.err().contains("Act by hand"),
        "an alarm goes to standard error"
    );
    program.stop();
    let tries = [MARGIN, acting::ORDER].map(|path| venue.posts(path).len());
    assert_eq!(tries, [1, 1], "and does not hammer the exchange");
}

#[test]
fn a_chat_that_cannot_be_reached_does_not_stop_the_guard() {
    const TOKEN: &str = "123456:canary-TokenThatMustNotLeak";
    let venue = Venue::with(ISOLATED);
    let mut home = acting(&venue);
    home.set("telegram", "enabled = true");
    home.set("telegram", "api_url = \"http://127.0.0.1:9\"");
    home.set_env("PLIMSOLL_TELEGRAM_TOKEN", TOKEN);
    let mut program = home.run();
    settle(&mut program, &venue, &home);
    let (status, out, err) = program.stop();
    assert_eq!(status.code(), Some(0), "{out}{err}");
    assert_eq!(venue.added().len(), 1);
    for text in [out, err, String::from_utf8_lossy(&home.data()).into_owned()] {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn the_log_level_decides_what_is_logged_and_a_pipe_gets_no_colours() {
    let venue = Venue::with(ISOLATED);
    for (level, logs) in [("trace", true), ("error", false)] {
        let mut home = watching(&venue);
        home.set("log", &format!("level = \"{level}\""));
        let mut program = home.run();
        program.until("all streams stand", || venue.face().connections() == 3);
        venue.face().close_streams(StreamLink::Private);
        let before = venue.reads(POSITIONS);
        program.until("the stream was replaced", || {
            venue.reads(POSITIONS) > before && venue.face().connections() == 3
        });
        let (_, out, err) = program.stop();
        assert_eq!(err.contains("stream down"), logs, "{level}: {err}");
        assert!(
            !out.contains('\u{1b}') && !err.contains('\u{1b}'),
            "{level}"
        );
        if !logs {
            assert_eq!(err, "", "nothing went wrong");
        }
        assert!(
            !out.contains("BLIND"),
            "a stream that comes back is no alarm"
        );
    }
}

#[test]
fn a_closed_terminal_does_not_stop_the_guard() {
    let venue = Venue::with(ISOLATED);
    let home = acting(&venue);
    let mut program = home.run_unheard();
    settle(&mut program, &venue, &home);
    let (status, ..) = program.stop();
    assert_eq!(status.code(), Some(0));
    assert_eq!(venue.added().len(), 1);
}

#[test]
fn a_terminal_that_takes_nothing_does_not_stop_the_guard() {
    let venue = Venue::with(ISOLATED);
    let home = acting(&venue);
    let (mut program, _unread) = home.run_unread();
    settle(&mut program, &venue, &home);
    let (status, ..) = program.stop();
    assert_eq!(status.code(), Some(0));
    assert_eq!(venue.added().len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_guard_without_chat_leaves_the_processor_alone() {
    let venue = Venue::with(ISOLATED);
    let home = watching(&venue);
    let mut program = home.run();
    program.until("all streams stand", || venue.face().connections() == 3);
    let began = std::time::Instant::now();
    let (used, before) = (used_ms(program.id()), venue.face().frames_sent());
    program.until("two seconds pass", || began.elapsed().as_secs() >= 2);
    let used = used_ms(program.id()) - used;
    assert!(venue.face().frames_sent() > before, "it was fed meanwhile");
    assert!(used < 400, "{used} ms of 2000");
    assert!(venue.reads(POSITIONS) < 10);
    program.stop();
}

/// Processor time of a process; the kernel counts hundredths of a second.
#[cfg(target_os = "linux")]
fn used_ms(id: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("alive");
    let (_, rest) = text.rsplit_once(')').expect("name");
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<u64>().ok());
    (ticks(11).expect("user") + ticks(12).expect("system")) * 10
}
