use super::*;
use crate::domain::{
    MarginMode, Money, PositionKey, PositionMode, PositionSide, Quantity, Side, Symbol,
};
use crate::guard::intent::{Before, Intent, IntentKind};

const START: i64 = 1_760_131_200_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START + seconds * 1_000)
}

fn intent(sequence: u64) -> Intent {
    let key = PositionKey {
        symbol: Symbol::new("BTCUSDT"),
        position_side: PositionSide::Both,
    };
    Intent {
        id: IntentId::new("k3f9", sequence),
        plan: 1,
        scope: Scope::Isolated(key.clone()),
        key,
        side: Side::Long,
        margin_mode: MarginMode::Isolated,
        position_mode: PositionMode::OneWay,
        margin_asset: "USDT".into(),
        recycled: false,
        kind: IntentKind::AddMargin {
            amount: "500".parse().expect("money"),
        },
        before: Before {
            quantity: Quantity::ZERO,
            isolated_wallet: Money::ZERO,
            cross_wallet: Money::ZERO,
        },
        cost: Money::ZERO,
        reason: "distance 3.10 %".into(),
        planned_at: at(0),
    }
}

fn rescue(kind: ReportKind, severity: Severity, text: &str, second: i64) -> Report {
    Report {
        at: at(second),
        kind,
        severity,
        scope: Some(intent(1).scope),
        intent: Some(intent(1)),
        text: text.into(),
    }
}

fn level(severity: Severity, text: &str, second: i64) -> Report {
    Report {
        at: at(second),
        kind: ReportKind::Level,
        severity,
        scope: Some(Scope::Cross("USDT".into())),
        intent: None,
        text: text.into(),
    }
}

fn question(second: i64) -> Question {
    Question {
        intent: intent(1),
        deadline: at(second),
        silence_acts: true,
    }
}

/// Delivers what is due of `key` as `message` and returns it.
fn deliver(threads: &mut Threads, key: &ThreadKey, message: i32, second: i64) -> Letter {
    let letter = threads.compose(key, at(second)).expect("something to say");
    let shown = letter.edit.unwrap_or(message);
    threads.delivered(key, &letter, shown, at(second));
    letter
}

#[test]
fn reports_on_one_intent_edit_one_message() {
    let mut threads = Threads::default();
    let sent = rescue(ReportKind::Sent, Severity::Warning, "500 USDT", 0);
    let (key, lane) = threads.report(&sent, at(0)).expect("thread");
    assert_eq!(lane, Lane::Warning);
    let first = deliver(&mut threads, &key, 11, 0);
    assert_eq!((first.edit, first.sound), (None, true));
    let verified = rescue(ReportKind::Verified, Severity::Info, "500 USDT", 2);
    let (key, _) = threads.report(&verified, at(2)).expect("thread");
    let second = deliver(&mut threads, &key, 12, 2);
    assert_eq!((second.edit, second.sound), (Some(11), false));
    assert_eq!(
        second.text,
        "BTCUSDT long\n21:20:00 UTC Sent: 500 USDT\n21:20:02 UTC Verified: 500 USDT"
    );
    assert_eq!(threads.compose(&key, at(3)), None, "it is up to date");
}

#[test]
fn an_alarm_is_always_a_new_message_with_sound_and_heads_the_thread_from_then_on() {
    let mut threads = Threads::default();
    let mut key = None;
    for (message, second) in [(11, 0), (12, 1)] {
        let alarm = rescue(ReportKind::NotKnown, Severity::Alarm, "lost", second);
        let (thread, lane) = threads.report(&alarm, at(second)).expect("thread");
        assert_eq!(lane, Lane::Urgent);
        let letter = deliver(&mut threads, &thread, message, second);
        assert_eq!((letter.edit, letter.sound), (None, true));
        assert_eq!(letter.text.matches("lost").count(), 1, "{}", letter.text);
        key = Some(thread);
    }
    let verified = rescue(ReportKind::Verified, Severity::Info, "found", 5);
    threads.report(&verified, at(5));
    let letter = deliver(&mut threads, &key.expect("key"), 13, 5);
    assert_eq!(letter.edit, Some(12));
}

#[test]
fn a_report_louder_than_its_message_is_heard_as_a_new_one() {
    let mut threads = Threads::default();
    let calm = level(Severity::Info, "calm", 0);
    let (key, _) = threads.report(&calm, at(0)).expect("thread");
    assert!(!deliver(&mut threads, &key, 1, 0).sound);
    threads.report(&level(Severity::Warning, "act-soon", 1), at(1));
    let louder = deliver(&mut threads, &key, 2, 1);
    assert_eq!((louder.edit, louder.sound), (None, true));
    threads.report(&level(Severity::Warning, "acting", 2), at(2));
    let same = deliver(&mut threads, &key, 3, 2);
    assert_eq!(same.edit, Some(2));
}

#[test]
fn of_undelivered_level_reports_only_the_newest_is_told() {
    let mut threads = Threads::default();
    let mut key = None;
    for second in 0..50 {
        let report = level(Severity::Warning, &format!("state {second}"), second);
        key = threads.report(&report, at(second)).map(|(key, _)| key);
    }
    let letter = deliver(&mut threads, &key.expect("key"), 1, 60);
    assert_eq!(
        letter.text,
        "Warning - cross USDT\n21:20:49 UTC Level: state 49"
    );
}

#[test]
fn a_letter_that_did_not_arrive_is_said_again_with_what_came_meanwhile() {
    let mut threads = Threads::default();
    let alarm = rescue(ReportKind::NotKnown, Severity::Alarm, "lost", 0);
    let (key, _) = threads.report(&alarm, at(0)).expect("thread");
    let letter = threads.compose(&key, at(0)).expect("letter");
    let verified = rescue(ReportKind::Verified, Severity::Info, "found", 5);
    threads.report(&verified, at(5));
    threads.failed(&key, &letter);
    let again = deliver(&mut threads, &key, 4, 6);
    assert_eq!((again.edit, again.sound), (None, true));
    assert!(again.text.contains("lost") && again.text.contains("found"));
}

#[test]
fn a_state_message_far_up_the_chat_is_not_edited_any_more() {
    let mut threads = Threads::default();
    let first = level(Severity::Warning, "watch", 0);
    let (key, _) = threads.report(&first, at(0)).expect("thread");
    deliver(&mut threads, &key, 1, 0);
    threads.report(&level(Severity::Info, "calm", 1_801), at(1_801));
    let letter = deliver(&mut threads, &key, 2, 1_801);
    assert_eq!(letter.edit, None);
    assert!(!letter.text.contains("watch"), "{}", letter.text);
}

#[test]
fn a_question_is_answered_once() {
    let mut threads = Threads::default();
    let (key, lane) = threads.ask(question(120), at(0));
    assert_eq!(lane, Lane::Urgent);
    let asked = deliver(&mut threads, &key, 7, 0);
    let id = intent(1).id;
    assert_eq!((asked.sound, asked.buttons), (true, Some(id.clone())));
    assert_eq!(threads.press(&id, at(1)), Standing::Open);
    assert_eq!(threads.press(&id, at(1)), Standing::Deciding);
    threads.decided(&id, Choice::Approve, "It is sent now.", at(2));
    let closed = deliver(&mut threads, &key, 8, 2);
    assert_eq!((closed.edit, closed.buttons), (Some(7), None));
    assert!(
        closed
            .text
            .ends_with("21:20:02 UTC You approved. It is sent now."),
        "{}",
        closed.text
    );
    assert!(matches!(threads.press(&id, at(3)), Standing::Closed(_)));
    assert_eq!(
        threads.press(&IntentId::new("k3f9", 2), at(3)),
        Standing::Unknown
    );
}

#[test]
fn an_answer_that_the_agent_did_not_take_leaves_the_question_open() {
    let mut threads = Threads::default();
    threads.ask(question(120), at(0));
    let id = intent(1).id;
    assert_eq!(threads.press(&id, at(1)), Standing::Open);
    threads.undecided(&id);
    assert_eq!(threads.press(&id, at(1)), Standing::Open);
}

#[test]
fn the_deadline_closes_a_question_and_a_later_word_of_the_guard_is_added() {
    let mut threads = Threads::default();
    let (key, _) = threads.ask(question(120), at(0));
    deliver(&mut threads, &key, 7, 0);
    assert_eq!(threads.next_deadline(), Some(at(120)));
    assert!(threads.expire(at(119)).is_empty());
    assert_eq!(threads.expire(at(120)).len(), 1);
    assert_eq!(threads.next_deadline(), None);
    let closed = deliver(&mut threads, &key, 8, 120);
    assert_eq!(closed.edit, Some(7));
    assert_eq!(closed.buttons, None);
    assert!(
        closed
            .text
            .ends_with("21:22:00 UTC No answer came; silence means yes."),
        "{}",
        closed.text
    );
    let id = intent(1).id;
    assert!(threads.unask(&id, "It was done.").is_some());
    let last = deliver(&mut threads, &key, 9, 121);
    assert!(last.text.ends_with("\nIt was done."), "{}", last.text);
    assert_eq!(threads.unask(&IntentId::new("k3f9", 9), "x"), None);
}

#[test]
fn an_alarm_below_an_open_question_takes_the_buttons_off_the_old_message() {
    let mut threads = Threads::default();
    let (key, _) = threads.ask(question(120), at(0));
    deliver(&mut threads, &key, 7, 0);
    let alarm = rescue(ReportKind::NotKnown, Severity::Alarm, "lost", 1);
    threads.report(&alarm, at(1));
    let letter = deliver(&mut threads, &key, 8, 1);
    assert_eq!(letter.edit, None);
    assert_eq!(letter.strip.map(|(message, _)| message), Some(7));
    assert_eq!(letter.buttons, Some(intent(1).id));
}

#[test]
fn a_message_that_is_gone_is_sent_anew_as_a_whole() {
    let mut threads = Threads::default();
    let sent = rescue(ReportKind::Sent, Severity::Warning, "500 USDT", 0);
    let (key, _) = threads.report(&sent, at(0)).expect("thread");
    deliver(&mut threads, &key, 1, 0);
    let verified = rescue(ReportKind::Verified, Severity::Info, "500 USDT", 1);
    threads.report(&verified, at(1));
    let letter = threads.compose(&key, at(1)).expect("letter");
    threads.failed(&key, &letter);
    threads.lost(&key);
    let again = deliver(&mut threads, &key, 2, 1);
    assert_eq!(again.edit, None);
    assert!(again.text.contains("Sent") && again.text.contains("Verified"));
}

#[test]
fn neither_threads_nor_lines_nor_letters_grow_without_bound() {
    let mut threads = Threads::default();
    for second in 0..500 {
        let mut single = level(Severity::Info, "x", second);
        single.kind = ReportKind::Foreign;
        threads.report(&single, at(second));
        let long = "\u{1f600}".repeat(3_000);
        let report = rescue(ReportKind::NotKnown, Severity::Warning, &long, second);
        threads.report(&report, at(second));
    }
    assert!(threads.map.len() <= THREADS_MAX);
    let key = ThreadKey::Rescue(intent(1).id);
    let letter = deliver(&mut threads, &key, 1, 500);
    assert!(render::units(&letter.text) <= render::MESSAGE_UNITS_MAX);
    assert!(
        letter.text.contains("earlier lines left out"),
        "{}",
        letter.text
    );
}

#[test]
fn watch_mode_repeating_itself_stays_one_message_for_each_scope() {
    let mut threads = Threads::default();
    for sequence in 1..4 {
        let mut report = rescue(ReportKind::WouldDo, Severity::Warning, "add", 0);
        report.intent = Some(intent(sequence));
        threads.report(&report, at(0));
    }
    assert_eq!(threads.map.len(), 1);
}
