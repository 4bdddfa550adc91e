//! The local Bot API server refuses what the real one refuses; otherwise the other tests prove
//! nothing.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests must stop a test at once"
)]

#[path = "support/bot_api.rs"]
mod bot_api;

use bot_api::{BotApi, TRADER};
use plimsoll::domain::Timestamp;
use plimsoll::net::clock::Clock;
use serde_json::{Value, json};

const TOKEN: &str = "123:abc";

async fn server() -> BotApi {
    BotApi::start(TOKEN, Clock::manual(Timestamp::from_millis(1_000_000))).await
}

/// Status and answer of one call.
async fn call(api: &BotApi, token: &str, method: &str, body: &Value) -> (u16, Value) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("client");
    let answer = client
        .post(format!("{}/bot{token}/{method}", api.url()))
        .body(body.to_string())
        .send()
        .await
        .expect("answer");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("text");
    (status, serde_json::from_str(&text).expect("json"))
}

async fn refusal(api: &BotApi, method: &str, body: Value) -> String {
    let (status, answer) = call(api, TOKEN, method, &body).await;
    assert_eq!(status, 400, "{answer}");
    assert_eq!(answer["error_code"], json!(400));
    answer["description"]
        .as_str()
        .expect("description")
        .to_owned()
}

#[tokio::test]
async fn messages_that_the_real_server_refuses_are_refused() {
    let api = server().await;
    let buttons = |data: &str| json!({"inline_keyboard": [[{"text": "A", "callback_data": data}]]});
    for (body, part) in [
        (json!({"chat_id": TRADER, "text": " \n"}), "text is empty"),
        (json!({"chat_id": TRADER}), "text is empty"),
        (json!({"chat_id": 99, "text": "x"}), "chat not found"),
        (json!({"text": "x"}), "chat_id is empty"),
        (
            json!({"chat_id": TRADER, "text": "\u{1f600}".repeat(2_049)}),
            "too long",
        ),
        (
            json!({"chat_id": TRADER, "text": "a <b>", "parse_mode": "HTML"}),
            "can't parse entities",
        ),
        (
            json!({"chat_id": TRADER, "text": "57.5", "parse_mode": "MarkdownV2"}),
            "can't parse entities",
        ),
        (
            json!({"chat_id": TRADER, "text": "x", "reply_markup": buttons(&"x".repeat(65))}),
            "BUTTON_DATA_INVALID",
        ),
        (
            json!({"chat_id": TRADER, "text": "x", "reply_markup": "{"}),
            "can't parse reply keyboard markup",
        ),
    ] {
        let said = refusal(&api, "sendMessage", body.clone()).await;
        assert!(said.contains(part), "{said} for {body}");
    }
    let longest = json!({"chat_id": TRADER, "text": "\u{1f600}".repeat(2_048),
        "reply_markup": buttons(&"x".repeat(64))});
    assert_eq!(call(&api, TOKEN, "sendMessage", &longest).await.0, 200);
}

#[tokio::test]
async fn an_edit_must_change_something_that_exists() {
    let api = server().await;
    let first = json!({"chat_id": TRADER, "text": "one"});
    let (_, answer) = call(&api, TOKEN, "SendMessage", &first).await;
    let id = answer["result"]["message_id"].clone();
    let same = json!({"chat_id": TRADER, "message_id": id, "text": "one"});
    let said = refusal(&api, "editMessageText", same).await;
    assert!(
        said.starts_with("Bad Request: message is not modified"),
        "{said}"
    );
    let lost = json!({"chat_id": TRADER, "message_id": 99, "text": "two"});
    let said = refusal(&api, "editMessageText", lost).await;
    assert!(said.contains("message to edit not found"), "{said}");
}

#[tokio::test]
async fn wrong_tokens_methods_and_queries_are_refused() {
    let api = server().await;
    let none = json!({});
    assert_eq!(call(&api, "123:other", "getMe", &none).await.0, 401);
    assert_eq!(call(&api, "nonsense", "getMe", &none).await.0, 404);
    assert_eq!(call(&api, TOKEN, "sendRocket", &none).await.0, 404);
    let query = api.press(TRADER, 1, "x");
    let answer = json!({"callback_query_id": query});
    assert_eq!(
        call(&api, TOKEN, "answerCallbackQuery", &answer).await.0,
        200
    );
    let said = refusal(&api, "answerCallbackQuery", answer).await;
    assert!(said.contains("query is too old"), "{said}");
}

#[tokio::test]
async fn a_second_poll_ends_the_first_and_an_offset_confirms() {
    let api = server().await;
    let wait = json!({"timeout": 20});
    let first = call(&api, TOKEN, "getUpdates", &wait);
    let second = async {
        while !api.is_polled() {
            tokio::task::yield_now().await;
        }
        call(&api, TOKEN, "getUpdates", &json!({"timeout": 0})).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.0, second.0), (409, 200));
    api.write(TRADER, "/status");
    let (_, answer) = call(&api, TOKEN, "getUpdates", &wait).await;
    assert_eq!(answer["result"].as_array().map(Vec::len), Some(1));
    let confirmed = json!({"timeout": 0, "offset": 2});
    let (_, answer) = call(&api, TOKEN, "getUpdates", &confirmed).await;
    assert_eq!(answer["result"], json!([]));
}
