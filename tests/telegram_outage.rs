//! What happens to messages when Telegram is slow, away, or in other hands.

#[path = "support/bot_api.rs"]
mod bot_api;
#[path = "support/desk.rs"]
mod desk;

use bot_api::TRADER;
use desk::{Desk, question, report};
use plimsoll::guard::action::{ReportKind, Severity};
use plimsoll::guard::event::Command;
use plimsoll::guard::intent::IntentId;
use plimsoll::telegram::Notice;

const CONFLICT: &str = "Conflict: terminated by other getUpdates request; make sure that only one \
                        bot instance is running";

async fn level(desk: &Desk, severity: Severity, text: &str) {
    desk.tell(report(ReportKind::Level, severity, 0, text))
        .await;
}

async fn foreign(desk: &Desk, text: &str) {
    desk.tell(report(ReportKind::Foreign, Severity::Info, 0, text))
        .await;
}

#[tokio::test]
async fn a_pause_that_telegram_asks_for_is_kept() {
    let desk = Desk::paired().await;
    desk.api.throttle(2, 7);
    desk.tell(report(
        ReportKind::NotKnown,
        Severity::Alarm,
        1,
        "no answer",
    ))
    .await;
    desk.until("the alarm arrives", |desk| desk.texts().len() == 1)
        .await;
    let times: Vec<i64> = desk
        .api
        .calls("sendMessage")
        .iter()
        .map(|call| call.at_ms)
        .collect();
    assert_eq!(times.len(), 3, "two refusals, one success");
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] >= 7_000),
        "{times:?}"
    );
}

#[tokio::test]
async fn a_flood_keeps_within_the_pace_of_a_chat() {
    let desk = Desk::paired().await;
    desk.api.limit(4, 1_000);
    for n in 0..12 {
        foreign(&desk, &format!("change {n}")).await;
    }
    desk.until_long("all arrived", |desk| desk.texts().len() == 12)
        .await;
    assert!(desk.api.refused().is_empty(), "{:?}", desk.api.refused());
    assert!(desk.texts()[11].ends_with("change 11"));
}

#[tokio::test]
async fn after_an_outage_the_newest_state_is_told_and_alarms_come_first() {
    let desk = Desk::paired().await;
    let before = desk.api.calls("getUpdates").len();
    desk.api.cut(true);
    for n in 0..40 {
        level(&desk, Severity::Warning, &format!("state {n}")).await;
    }
    desk.tell(report(
        ReportKind::NotKnown,
        Severity::Alarm,
        1,
        "no answer",
    ))
    .await;
    desk.until_long("six polls have failed", |desk| {
        desk.api.calls("getUpdates").len() >= before + 6
    })
    .await;
    assert!(
        desk.shown().contains("Telegram cannot be reached"),
        "{}",
        desk.shown()
    );
    level(&desk, Severity::Warning, "state 40").await;
    desk.api.cut(false);
    desk.until_long("both arrived", |desk| desk.texts().len() == 2)
        .await;
    let texts = desk.texts();
    assert!(texts[0].ends_with("Not known: no answer"), "{texts:?}");
    assert!(texts[1].ends_with("UTC Level: state 40"), "{texts:?}");
    assert!(!texts[1].contains("state 39"), "{texts:?}");
    desk.until("the terminal tells", |desk| {
        desk.shown().contains("Telegram is reached again")
    })
    .await;
    assert_eq!(desk.ask("/version").await, "Plimsoll 0.1.0 (test)");
    assert!(desk.api.refused().is_empty(), "{:?}", desk.api.refused());
}

#[tokio::test]
async fn an_outage_is_not_hammered() {
    let desk = Desk::paired().await;
    desk.api.cut(true);
    level(&desk, Severity::Warning, "state").await;
    let polls = desk.api.calls("getUpdates").len();
    let sends = desk.api.calls("sendMessage").len();
    let end = desk.clock.now().plus_ms(60_000);
    desk.until_long("a minute has passed", |desk| desk.clock.now() >= end)
        .await;
    let polled = desk.api.calls("getUpdates").len() - polls;
    let sent = desk.api.calls("sendMessage").len() - sends;
    assert!((2..=8).contains(&polled), "{polled} polls in a minute");
    assert!((2..=8).contains(&sent), "{sent} tries in a minute");
}

#[tokio::test]
async fn a_flood_during_an_outage_is_bounded_and_the_loss_is_told() {
    let desk = Desk::paired().await;
    desk.api.cut(true);
    desk.tell(report(
        ReportKind::NotKnown,
        Severity::Alarm,
        1,
        "no answer",
    ))
    .await;
    for n in 0..200 {
        foreign(&desk, &format!("change {n}.")).await;
    }
    desk.pass(1).await;
    desk.api.cut(false);
    desk.until_long("the loss is told", |desk| {
        desk.texts()
            .iter()
            .any(|text| text.contains("older messages were dropped"))
    })
    .await;
    desk.until_long("the newest arrived", |desk| {
        desk.texts().join(" ").contains("change 199.")
    })
    .await;
    let texts = desk.texts();
    assert!(texts[0].contains("no answer"), "{}", texts[0]);
    assert!(!texts.join(" ").contains("change 100."));
    assert!(texts.len() <= 66, "{}", texts.len());
}

#[tokio::test]
async fn a_question_delivered_after_its_deadline_has_no_buttons() {
    let desk = Desk::paired().await;
    desk.api.cut(true);
    desk.tell(Notice::Ask(question(&desk, 1, 20))).await;
    let end = desk.clock.now().plus_ms(25_000);
    desk.until_long("the deadline has passed", |desk| desk.clock.now() >= end)
        .await;
    desk.api.cut(false);
    desk.until("it is told", |desk| desk.texts().len() == 1)
        .await;
    let told = desk.api.chat(TRADER).swap_remove(0);
    assert!(told.buttons.is_empty());
    assert!(
        told.text.ends_with("No answer came; silence means yes."),
        "{}",
        told.text
    );
}

#[tokio::test]
async fn a_press_that_may_be_old_after_an_outage_has_to_be_repeated() {
    let desk = Desk::paired().await;
    desk.tell(Notice::Ask(question(&desk, 1, 3_000))).await;
    desk.until("it is asked", |desk| desk.texts().len() == 1)
        .await;
    desk.api.cut(true);
    let message = desk.api.chat(TRADER)[0].id;
    desk.api.press(TRADER, message, "a:plim-k3f9-1");
    let end = desk.clock.now().plus_ms(65_000);
    desk.until_long("a minute has passed", |desk| desk.clock.now() >= end)
        .await;
    desk.api.cut(false);
    desk.until("the press is answered", |desk| {
        desk.api
            .calls("answerCallbackQuery")
            .iter()
            .any(|call| call.status == 200)
    })
    .await;
    assert_eq!(desk.commands(), []);
    desk.api.press(TRADER, message, "a:plim-k3f9-1");
    desk.until("the new press counts", |desk| !desk.commands().is_empty())
        .await;
    assert_eq!(
        desk.commands(),
        [Command::Approve(IntentId::new("k3f9", 1))]
    );
}

#[tokio::test]
async fn a_second_poller_is_an_alarm_here_and_there_and_told_once() {
    let desk = Desk::paired().await;
    desk.api.conflict(Some(CONFLICT));
    desk.until("the trader is told", |desk| desk.texts().len() == 1)
        .await;
    let told = desk.api.chat(TRADER).swap_remove(0);
    assert!(told.text.contains("in use elsewhere"), "{}", told.text);
    assert!(!told.silent);
    assert!(
        desk.shown()
            .contains("ALARM: The bot token is in use elsewhere")
    );
    let polls = desk.api.calls("getUpdates").len();
    desk.until_long("it was polled again", |desk| {
        desk.api.calls("getUpdates").len() > polls + 1
    })
    .await;
    desk.api.conflict(None);
    assert_eq!(desk.ask("/version").await, "Plimsoll 0.1.0 (test)");
    assert_eq!(desk.texts().len(), 2);
}

#[tokio::test]
async fn a_message_the_trader_deleted_is_sent_anew() {
    let desk = Desk::paired().await;
    desk.tell(report(ReportKind::Sent, Severity::Warning, 1, "500 USDT"))
        .await;
    desk.until("it is sent", |desk| desk.texts().len() == 1)
        .await;
    let message = desk.api.chat(TRADER)[0].id;
    desk.api.delete_message(TRADER, message);
    desk.tell(report(ReportKind::Verified, Severity::Info, 1, "seen"))
        .await;
    desk.until("it is sent anew", |desk| desk.texts().len() == 1)
        .await;
    let text = desk.texts().swap_remove(0);
    assert!(
        text.contains("Sent: 500 USDT") && text.contains("Verified: seen"),
        "{text}"
    );
}

#[tokio::test]
async fn a_chat_that_takes_no_messages_is_told_on_the_terminal_once() {
    let desk = Desk::paired().await;
    desk.api.forget_chat(TRADER);
    for n in 0..3 {
        foreign(&desk, &format!("change {n}")).await;
    }
    desk.until("the terminal tells", |desk| {
        desk.shown().contains("takes no messages")
    })
    .await;
    desk.pass(301_000).await;
    desk.until_long("it is tried again", |desk| {
        desk.api.calls("sendMessage").len() >= 2
    })
    .await;
    assert_eq!(desk.shown().matches("takes no messages").count(), 1);
}

#[tokio::test]
async fn a_token_revoked_later_is_told_and_does_not_end_the_conversation() {
    let desk = Desk::paired().await;
    desk.api.revoke();
    desk.api.write(TRADER, "/version");
    desk.until("the terminal tells", |desk| {
        desk.shown().contains("does not know this bot token")
    })
    .await;
    level(&desk, Severity::Warning, "still taken").await;
    assert_eq!(desk.end().await, Ok(()));
}
