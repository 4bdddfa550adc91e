//! Pairing, commands and buttons, against a Bot API server that refuses what the real one refuses.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests must stop a test at once"
)]

#[path = "support/bot_api.rs"]
mod bot_api;
#[path = "support/desk.rs"]
mod desk;

use bot_api::{STRANGER, TRADER};
use desk::{Desk, position, question, report};
use plimsoll::domain::Symbol;
use plimsoll::guard::action::{ReportKind, Severity};
use plimsoll::guard::event::{Command, Mode};
use plimsoll::guard::intent::IntentId;
use plimsoll::telegram::{Notice, TelegramError};
use serde_json::json;

fn id(sequence: u64) -> IntentId {
    IntentId::new("k3f9", sequence)
}

/// The message with the question, once it is there.
async fn asked(desk: &Desk, sequence: u64, seconds: i64) -> bot_api::Shown {
    desk.tell(Notice::Ask(question(desk, sequence, seconds)))
        .await;
    let approve = format!("a:{}", id(sequence));
    let has = |shown: &bot_api::Shown| shown.buttons.contains(&approve);
    desk.until("the question is asked", |desk| {
        desk.api.chat(TRADER).iter().any(has)
    })
    .await;
    desk.api
        .chat(TRADER)
        .into_iter()
        .find(has)
        .expect("question")
}

fn shown(desk: &Desk, message: i64) -> bot_api::Shown {
    let chat = desk.api.chat(TRADER);
    chat.into_iter()
        .find(|shown| shown.id == message)
        .expect("message")
}

/// Texts of the answers to pressed buttons.
fn pressed(desk: &Desk) -> Vec<String> {
    desk.api
        .calls("answerCallbackQuery")
        .iter()
        .map(|call| call.body["text"].as_str().expect("text").to_owned())
        .collect()
}

#[tokio::test]
async fn the_code_on_the_terminal_pairs_the_chat_that_sends_it() {
    let desk = Desk::unpaired().await;
    assert!(desk.shown().contains("@plimsoll_bot"), "{}", desk.shown());
    let answer = desk
        .ask(&format!("/pair {}", desk.code().to_lowercase()))
        .await;
    assert!(answer.starts_with("Paired. Only you"), "{answer}");
    assert!(answer.contains("/status"), "{answer}");
    let text = std::fs::read_to_string(&desk.pairing_file).expect("pairing file");
    let stored: serde_json::Value = serde_json::from_str(&text).expect("json");
    assert_eq!(
        (&stored["user_id"], &stored["chat_id"]),
        (&json!(TRADER), &json!(TRADER))
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let found = std::fs::metadata(&desk.pairing_file).expect("metadata");
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(desk.ask("/version").await, "Plimsoll 0.1.0 (test)");
    assert!(desk.api.refused().is_empty());
    assert_eq!(desk.end().await, Ok(()));
}

#[tokio::test]
async fn five_wrong_codes_make_a_new_one_and_nobody_is_answered() {
    let desk = Desk::unpaired().await;
    let first = desk.code();
    for _ in 0..5 {
        desk.api.write(STRANGER, "/pair AAAAAAAA");
    }
    desk.until("a new code is shown", |desk| desk.code() != first)
        .await;
    assert!(desk.shown().contains("1 tries left"), "{}", desk.shown());
    desk.api.write(TRADER, &format!("/pair {first}"));
    desk.until("the old code is refused", |desk| {
        desk.shown().matches("4 tries left").count() == 2
    })
    .await;
    assert!(desk.api.calls("sendMessage").is_empty());
    assert!(!desk.pairing_file.exists());
    let answer = desk.ask(&format!("/pair {}", desk.code())).await;
    assert!(answer.starts_with("Paired"), "{answer}");
}

#[tokio::test]
async fn a_code_older_than_ten_minutes_is_replaced_and_not_taken() {
    let desk = Desk::unpaired().await;
    let first = desk.code();
    desk.pass(600_001).await;
    desk.api.write(TRADER, &format!("/pair {first}"));
    desk.until("a new code is shown", |desk| desk.code() != first)
        .await;
    assert!(!desk.pairing_file.exists());
}

#[tokio::test]
async fn strangers_groups_forwards_edits_and_posts_get_no_answer() {
    let desk = Desk::paired().await;
    desk.api.write(STRANGER, "/status");
    desk.api.write(STRANGER, "/resume");
    let mut group = desk.api.private(TRADER, "/resume", 0);
    group["chat"] = json!({"id": -55, "type": "group", "title": "G"});
    desk.api.push("message", group);
    let mut forwarded = desk.api.private(TRADER, "/resume", 0);
    forwarded["forward_origin"] =
        json!({"type": "hidden_user", "date": 1, "sender_user_name": "x"});
    desk.api.push("message", forwarded);
    desk.api
        .push("edited_message", desk.api.private(TRADER, "/resume", 0));
    let mut post = desk.api.private(TRADER, "/resume", 0);
    post["chat"] = json!({"id": -56, "type": "channel", "title": "C"});
    desk.api.push("channel_post", post);
    desk.api.push("something_new", json!({"a": 1}));
    assert_eq!(desk.ask("/version").await, "Plimsoll 0.1.0 (test)");
    assert_eq!(desk.commands(), []);
    assert_eq!(desk.api.calls("sendMessage").len(), 1);
    let status = desk.ask("/status").await;
    assert!(
        status.contains("Ignored from others or not understood: 7"),
        "{status}"
    );
}

#[tokio::test]
async fn an_old_message_is_not_obeyed_but_its_writer_is_told() {
    let desk = Desk::paired().await;
    desk.api
        .push("message", desk.api.private(TRADER, "/resume", 61));
    desk.until("the answer comes", |desk| !desk.texts().is_empty())
        .await;
    assert!(desk.texts()[0].starts_with("Ignored: your message is 61 s old"));
    assert_eq!(desk.commands(), []);
}

#[tokio::test]
async fn what_came_while_nobody_listened_is_not_obeyed() {
    let desk = Desk::paired_with(|api| {
        api.write(TRADER, "/resume");
        api.write(TRADER, "/mode auto");
        api.write(STRANGER, "/resume");
        api.press(TRADER, 3, "a:plim-k3f9-1");
    })
    .await;
    desk.until("the trader is told", |desk| !desk.texts().is_empty())
        .await;
    assert!(desk.texts()[0].starts_with("Ignored 2 of your messages"));
    assert_eq!(desk.commands(), []);
    assert!(pressed(&desk)[0].contains("Press again"));
    desk.ask("/pause").await;
    assert_eq!(desk.commands(), [Command::Pause]);
}

#[tokio::test]
async fn every_command_does_what_the_help_says() {
    let desk = Desk::paired().await;
    let status = desk.ask("/status").await;
    for part in [
        "Mode ask: asks before each action",
        "USDT: wallet 1,000.00, available 900.00",
        "Entry 57,310.5, mark 56,000, profit -655.25",
        "Line 54,712, distance 2.30 %",
        "Margin ratio 45.67 %",
    ] {
        assert!(status.contains(part), "{part} in {status}");
    }
    assert!(
        desk.ask("/pos")
            .await
            .starts_with("BTCUSDT long 0.5 | mark 56,000")
    );
    assert_eq!(desk.ask("/mode").await, "Mode ask: asks before each action");
    assert_eq!(desk.ask("/pause").await, "Done as you said.");
    assert_eq!(desk.ask("/resume").await, "Done as you said.");
    assert_eq!(desk.ask("/mode watch").await, "Done as you said.");
    desk.agent_says(Some(Err("The configuration file allows ask at most.")));
    assert_eq!(
        desk.ask("/mode auto").await,
        "Refused: The configuration file allows ask at most."
    );
    assert!(desk.ask("/mode fast").await.contains("no such mode"));
    assert!(desk.ask("/help").await.contains("/pause - "));
    assert_eq!(desk.ask("/version").await, "Plimsoll 0.1.0 (test)");
    assert!(desk.ask("/buy BTC").await.contains("/help"));
    assert!(desk.ask("/pair ABCDEFGH").await.contains("paired already"));
    assert_eq!(
        desk.commands(),
        [
            Command::Pause,
            Command::Resume,
            Command::Mode(Mode::Watch),
            Command::Mode(Mode::Auto)
        ]
    );
    assert!(desk.api.refused().is_empty(), "{:?}", desk.api.refused());
}

#[tokio::test]
async fn an_agent_that_does_not_answer_is_not_called_obedient() {
    let desk = Desk::paired().await;
    desk.agent_says(None);
    let answer = desk.ask("/pause").await;
    assert!(
        answer.contains("not known whether this was taken"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_question_is_approved_once_and_a_second_press_has_no_effect() {
    let desk = Desk::paired().await;
    desk.agent_says(Some(Ok("Adding 500 USDT now.")));
    let message = asked(&desk, 1, 3_000).await;
    assert!(!message.silent);
    assert!(
        message
            .text
            .starts_with("Question - add 500.00 USDT margin to BTCUSDT long?")
    );
    assert!(message.text.contains(" UTC ("), "{}", message.text);
    assert!(
        message.text.contains("Silence means: yes"),
        "{}",
        message.text
    );
    assert_eq!(message.buttons, ["a:plim-k3f9-1", "d:plim-k3f9-1"]);

    desk.api.press(STRANGER, message.id, "a:plim-k3f9-1");
    desk.api.press(TRADER, message.id, "a:plim-k3f9-1");
    desk.api.press(TRADER, message.id, "a:plim-k3f9-1");
    desk.api.press(TRADER, message.id, "d:plim-k3f9-1");
    desk.until("all presses are answered", |desk| pressed(desk).len() == 3)
        .await;
    desk.until("the buttons are gone", |desk| {
        shown(desk, message.id).buttons.is_empty()
    })
    .await;
    desk.api.press(TRADER, message.id, "d:plim-k3f9-1");
    desk.until("the late press is answered", |desk| {
        pressed(desk).len() == 4
    })
    .await;

    assert_eq!(desk.commands(), [Command::Approve(id(1))]);
    let answers = pressed(&desk);
    assert!(
        answers.contains(&"Adding 500 USDT now.".to_owned()),
        "{answers:?}"
    );
    assert!(answers[3].starts_with("Already closed:"), "{answers:?}");
    let closed = shown(&desk, message.id).text;
    assert!(
        closed.ends_with("You approved. Adding 500 USDT now."),
        "{closed}"
    );
    assert!(!closed.contains("s left"), "{closed}");
    assert!(desk.api.refused().is_empty(), "{:?}", desk.api.refused());
}

#[tokio::test]
async fn a_question_is_declined_and_the_guards_later_word_is_added() {
    let desk = Desk::paired().await;
    desk.agent_says(Some(Ok("Nothing is done.")));
    let message = asked(&desk, 2, 3_000).await;
    desk.api.press(TRADER, message.id, "d:plim-k3f9-2");
    desk.until("the buttons are gone", |desk| {
        shown(desk, message.id).buttons.is_empty()
    })
    .await;
    assert_eq!(desk.commands(), [Command::Decline(id(2))]);
    desk.tell(Notice::Unask {
        intent: id(2),
        text: "Withdrawn: the price came back.".into(),
    })
    .await;
    desk.until("the guard's word is added", |desk| {
        shown(desk, message.id)
            .text
            .ends_with("the price came back.")
    })
    .await;
    assert!(
        shown(&desk, message.id)
            .text
            .contains("You declined. Nothing is done.")
    );
    assert_eq!(desk.api.chat(TRADER).len(), 1);
}

#[tokio::test]
async fn a_refused_press_leaves_the_question_open() {
    let desk = Desk::paired().await;
    desk.agent_says(Some(Err("The agent is paused.")));
    let message = asked(&desk, 1, 3_000).await;
    desk.api.press(TRADER, message.id, "a:plim-k3f9-1");
    desk.until("the press is answered", |desk| pressed(desk).len() == 1)
        .await;
    assert_eq!(pressed(&desk), ["Refused: The agent is paused."]);
    assert_eq!(shown(&desk, message.id).buttons.len(), 2);
    desk.agent_says(Some(Ok("Done.")));
    desk.api.press(TRADER, message.id, "d:plim-k3f9-1");
    desk.until("the buttons are gone", |desk| {
        shown(desk, message.id).buttons.is_empty()
    })
    .await;
    assert_eq!(
        desk.commands(),
        [Command::Approve(id(1)), Command::Decline(id(1))]
    );
}

#[tokio::test]
async fn the_deadline_takes_the_buttons_away_and_says_what_silence_meant() {
    let desk = Desk::paired().await;
    let message = asked(&desk, 1, 20).await;
    desk.until("the buttons are gone", |desk| {
        shown(desk, message.id).buttons.is_empty()
    })
    .await;
    let closed = shown(&desk, message.id);
    assert!(
        closed
            .text
            .ends_with("UTC No answer came; silence means yes."),
        "{}",
        closed.text
    );
    desk.api.press(TRADER, message.id, "a:plim-k3f9-1");
    desk.until("the late press is answered", |desk| {
        pressed(desk).len() == 1
    })
    .await;
    assert!(pressed(&desk)[0].starts_with("Already closed:"));
    assert_eq!(desk.commands(), []);
    assert!(desk.api.refused().is_empty(), "{:?}", desk.api.refused());
}

#[tokio::test]
async fn buttons_of_another_life_or_of_nonsense_do_nothing() {
    let desk = Desk::paired().await;
    desk.api.press(TRADER, 1, "a:plim-old-9");
    desk.api.press(TRADER, 1, "nonsense");
    desk.until("both are answered", |desk| pressed(desk).len() == 2)
        .await;
    assert_eq!(
        pressed(&desk),
        [
            "This question no longer stands.",
            "This button is not known here."
        ]
    );
    assert_eq!(desk.commands(), []);
}

#[tokio::test]
async fn one_incident_is_one_message_and_an_alarm_is_a_new_one_with_sound() {
    let desk = Desk::paired().await;
    desk.tell(report(
        ReportKind::Sent,
        Severity::Info,
        1,
        "500 USDT to BTCUSDT",
    ))
    .await;
    desk.until("it is sent", |desk| desk.texts().len() == 1)
        .await;
    assert!(desk.api.chat(TRADER)[0].silent);
    desk.tell(report(
        ReportKind::Verified,
        Severity::Info,
        1,
        "margin is 2,000",
    ))
    .await;
    desk.until("it is edited", |desk| desk.api.chat(TRADER)[0].edits == 1)
        .await;
    let text = desk.texts().swap_remove(0);
    assert!(
        text.contains("Sent: 500 USDT") && text.contains("Verified: margin"),
        "{text}"
    );
    desk.tell(report(
        ReportKind::NotKnown,
        Severity::Alarm,
        1,
        "no answer",
    ))
    .await;
    desk.until("the alarm is sent", |desk| desk.texts().len() == 2)
        .await;
    let alarm = desk.api.chat(TRADER).swap_remove(1);
    assert!(!alarm.silent);
    assert_eq!(
        alarm.text,
        "\u{26a0} ALARM - BTCUSDT long\n21:20:00 UTC Not known: no answer"
    );
    assert!(desk.api.refused().is_empty(), "{:?}", desk.api.refused());
}

#[tokio::test]
async fn a_long_status_arrives_whole_in_several_messages() {
    let desk = Desk::paired().await;
    desk.change_view(|view| {
        view.positions = (0..40).map(|n| position(&format!("COIN{n}USDT"))).collect();
    });
    desk.api.write(TRADER, "/status");
    let last = |desk: &Desk| desk.texts().join("\n").contains("COIN39USDT");
    desk.until("the last position is shown", last).await;
    let texts = desk.texts();
    assert!(texts.len() > 1);
    assert!(
        texts
            .iter()
            .all(|text| text.encode_utf16().count() <= 4_096)
    );
    assert_eq!(texts.join("\n").matches("Margin ratio").count(), 40);
    assert!(desk.api.refused().is_empty(), "{:?}", desk.api.refused());
}

#[tokio::test]
async fn nasty_names_are_shown_as_they_are_and_break_nothing() {
    let desk = Desk::paired().await;
    let nasty = "<b>_*[`\\]&\u{202e}\u{0}\u{5e01}\u{1f600}";
    desk.change_view(|view| {
        if let Some(first) = view.positions.first_mut() {
            first.symbol = Symbol::new(nasty);
        }
    });
    let answer = desk.ask("/status").await;
    assert!(
        answer.contains("<b>_*[`\\]&  \u{5e01}\u{1f600} long"),
        "{answer}"
    );
    let mut asked = question(&desk, 1, 3_000);
    asked.intent.key.symbol = Symbol::new(nasty);
    asked.intent.reason = "\u{1f600}".repeat(5_000);
    desk.tell(Notice::Ask(asked)).await;
    desk.until("the question is asked", |desk| desk.texts().len() == 2)
        .await;
    for call in desk.api.calls("sendMessage") {
        assert!(call.body.get("parse_mode").is_none());
        assert_eq!(
            call.body["link_preview_options"]["is_disabled"],
            json!(true)
        );
    }
    assert!(desk.api.refused().is_empty(), "{:?}", desk.api.refused());
}

#[tokio::test]
async fn the_last_words_are_sent_before_the_end() {
    let desk = Desk::paired().await;
    desk.tell(report(
        ReportKind::Powerless,
        Severity::Alarm,
        0,
        "stopping",
    ))
    .await;
    let api = desk.api.clone();
    assert_eq!(desk.end().await, Ok(()));
    assert!(api.chat(TRADER)[0].text.contains("stopping"));
}

#[tokio::test]
async fn an_unknown_token_at_the_first_contact_is_an_error() {
    let desk = Desk::start(true, |api| api.revoke()).await;
    assert_eq!(desk.ended().await, Err(TelegramError::TokenRefused));
}

#[tokio::test]
async fn an_untrustworthy_pairing_file_is_an_error_and_not_a_new_pairing() {
    let desk = Desk::paired().await;
    let path = desk.pairing_file.clone();
    desk::write_private(&path, "{\"user_id\": 7");
    let settings = plimsoll::telegram::Settings {
        token: secrecy::SecretString::from(desk::TOKEN),
        api_url: Some(desk.api.url()),
        pairing_file: path,
        version: String::new(),
    };
    let (_open, notices) = tokio::sync::mpsc::channel(1);
    let (requests, _asked) = tokio::sync::mpsc::channel(1);
    let ended =
        plimsoll::telegram::run(settings, desk.clock.clone(), notices, requests, |_| {}).await;
    assert!(
        matches!(ended, Err(TelegramError::PairingFile { .. })),
        "{ended:?}"
    );
}
