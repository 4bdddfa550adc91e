//! A Bot API server on loopback that refuses what the real one would refuse.
//!
//! Source of limits and error texts: core.telegram.org/bots/api and the answers of
//! api.telegram.org. It listens on 127.0.0.1, port 0; updates are scripted; every call is recorded.
#![allow(
    dead_code,
    reason = "each test file that includes this uses a part of it"
)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a broken test server must stop the test at once"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use plimsoll::net::clock::Clock;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// The user and private chat that the tests pair with.
pub(crate) const TRADER: i64 = 7;
/// Somebody else.
pub(crate) const STRANGER: i64 = 8;

/// One call as it arrived, and how it was answered.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) body: Value,
    /// HTTP status of the answer; 0 while it is held open, 1 when the connection was cut.
    pub(crate) status: u16,
    /// Time of the shared clock.
    pub(crate) at_ms: i64,
}

/// A message as a chat shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    pub(crate) id: i64,
    pub(crate) text: String,
    /// Hidden data of the buttons, in order.
    pub(crate) buttons: Vec<String>,
    pub(crate) silent: bool,
    pub(crate) edits: u32,
}

/// The server; dropped with its runtime.
#[derive(Clone)]
pub(crate) struct BotApi {
    inner: Arc<Inner>,
    url: String,
}

struct Inner {
    token: String,
    clock: Clock,
    state: Mutex<Script>,
    changed: Notify,
}

#[derive(Default)]
struct Script {
    calls: Vec<Call>,
    updates: VecDeque<Value>,
    last_update: i64,
    last_message: i64,
    messages: BTreeMap<(i64, i64), Shown>,
    chats: BTreeSet<i64>,
    open_queries: BTreeSet<String>,
    /// Every call breaks off.
    cut: bool,
    /// So many sends are refused with this `retry_after`.
    throttle: Option<(u32, i64)>,
    /// At most so many messages in so many milliseconds of the shared clock.
    limit: Option<(usize, i64)>,
    sent_at: Vec<i64>,
    conflict: Option<&'static str>,
    revoked: bool,
    /// Number of the newest open poll; an older one is terminated.
    poll: u64,
}

enum Answer {
    Ok(Value),
    Refuse(u16, String),
    Throttle(i64),
    Cut,
}

impl BotApi {
    /// Starts a server that knows `token` and the chats [`TRADER`] and [`STRANGER`].
    pub(crate) async fn start(token: &str, clock: Clock) -> Self {
        let script = Script {
            chats: BTreeSet::from([TRADER, STRANGER]),
            ..Script::default()
        };
        let inner = Arc::new(Inner {
            token: token.to_owned(),
            clock,
            state: Mutex::new(script),
            changed: Notify::new(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let app = Router::new()
            .route("/{bot}/{method}", any(serve))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { inner, url }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Queues any update; `kind` names its only field besides the id.
    pub(crate) fn push(&self, kind: &str, body: Value) {
        let mut script = self.script();
        script.last_update += 1;
        let id = script.last_update;
        script
            .updates
            .push_back(json!({"update_id": id, kind: body}));
        drop(script);
        self.inner.changed.notify_waiters();
    }

    /// A private message written just now.
    pub(crate) fn write(&self, user: i64, text: &str) {
        self.push("message", self.private(user, text, 0));
    }

    /// A private message that is `age_s` seconds old.
    pub(crate) fn private(&self, user: i64, text: &str, age_s: i64) -> Value {
        json!({
            "message_id": self.next_message(),
            "date": self.inner.clock.now().as_millis() / 1_000 - age_s,
            "from": {"id": user, "is_bot": false, "first_name": "Trader"},
            "chat": {"id": user, "type": "private", "first_name": "Trader"},
            "text": text,
        })
    }

    /// `user` presses a button below a message of the trader's chat; returns the query's id.
    pub(crate) fn press(&self, user: i64, message: i64, data: &str) -> String {
        let mut script = self.script();
        let query = format!("query-{}", script.last_update + 1);
        script.open_queries.insert(query.clone());
        drop(script);
        let mut below = self.private(TRADER, "question", 0);
        below["message_id"] = json!(message);
        below["from"] = json!({"id": 1, "is_bot": true, "first_name": "Bot"});
        self.push(
            "callback_query",
            json!({
                "id": query, "chat_instance": "c", "data": data, "message": below,
                "from": {"id": user, "is_bot": false, "first_name": "Trader"},
            }),
        );
        query
    }

    /// From now on every connection breaks before it is answered (`true`) or works again.
    pub(crate) fn cut(&self, cut: bool) {
        self.script().cut = cut;
        self.inner.changed.notify_waiters();
    }

    /// The next `count` messages are refused with 429 and this pause in seconds.
    pub(crate) fn throttle(&self, count: u32, retry_after_s: i64) {
        self.script().throttle = Some((count, retry_after_s));
    }

    /// At most `count` messages and edits in `window_ms`.
    pub(crate) fn limit(&self, count: usize, window_ms: i64) {
        self.script().limit = Some((count, window_ms));
    }

    /// Polls end with 409: another poller, or a web hook.
    pub(crate) fn conflict(&self, description: Option<&'static str>) {
        self.script().conflict = description;
        self.inner.changed.notify_waiters();
    }

    /// The token is no longer known.
    pub(crate) fn revoke(&self) {
        self.script().revoked = true;
    }

    /// The chat takes no more messages.
    pub(crate) fn forget_chat(&self, chat: i64) {
        self.script().chats.remove(&chat);
    }

    pub(crate) fn delete_message(&self, chat: i64, id: i64) {
        self.script().messages.remove(&(chat, id));
    }

    pub(crate) fn calls(&self, method: &str) -> Vec<Call> {
        let script = self.script();
        let of = script.calls.iter().filter(|call| call.method == method);
        of.cloned().collect()
    }

    /// Calls that were refused although nothing here was scripted to fail them.
    pub(crate) fn refused(&self) -> Vec<Call> {
        let script = self.script();
        let of = script.calls.iter().filter(|call| call.status >= 400);
        of.cloned().collect()
    }

    /// What a chat shows, oldest first.
    pub(crate) fn chat(&self, chat: i64) -> Vec<Shown> {
        let script = self.script();
        let of = script
            .messages
            .iter()
            .filter(|((in_chat, _), _)| *in_chat == chat);
        of.map(|(_, shown)| shown.clone()).collect()
    }

    /// True while a waiting poll is open.
    pub(crate) fn is_polled(&self) -> bool {
        let script = self.script();
        script.calls.iter().any(|call| {
            call.method == "getUpdates" && call.status == 0 && call.body["timeout"] != 0
        })
    }

    fn next_message(&self) -> i64 {
        let mut script = self.script();
        script.last_message += 1;
        script.last_message
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.inner.state.lock().expect("script")
    }
}

async fn serve(
    State(inner): State<Arc<Inner>>,
    Path((bot, method)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let method = canonical(&method);
    let parsed: Option<Value> = if body.is_empty() {
        Some(json!({}))
    } else {
        serde_json::from_slice(&body).ok()
    };
    let place = {
        let mut script = inner.state.lock().expect("script");
        script.calls.push(Call {
            method: method.clone(),
            body: parsed.clone().unwrap_or(Value::Null),
            status: 0,
            at_ms: inner.clock.monotonic_ms(),
        });
        script.calls.len() - 1
    };
    let answer = match (check_token(&inner, &bot), parsed) {
        (Some(refusal), _) => refusal,
        (None, None) => refuse(400, "Bad Request: can't parse JSON object"),
        (None, Some(body)) => route(&inner, &method, &body).await,
    };
    let (status, value) = match answer {
        Answer::Ok(result) => (200, json!({"ok": true, "result": result})),
        Answer::Refuse(code, text) => (
            code,
            json!({"ok": false, "error_code": code, "description": text}),
        ),
        Answer::Throttle(wait_s) => (
            429,
            json!({
                "ok": false, "error_code": 429, "parameters": {"retry_after": wait_s},
                "description": format!("Too Many Requests: retry after {wait_s}"),
            }),
        ),
        Answer::Cut => {
            inner.state.lock().expect("script").calls[place].status = 1;
            return cut_off();
        }
    };
    inner.state.lock().expect("script").calls[place].status = status;
    let headers = [("content-type", "application/json")];
    let code = StatusCode::from_u16(status).expect("status");
    (code, headers, value.to_string()).into_response()
}

/// An answer that breaks off before its first byte of content.
fn cut_off() -> Response {
    let broken = std::io::Error::other("cut");
    let stream = futures_util::stream::iter([Err::<Bytes, _>(broken)]);
    Body::from_stream(stream).into_response()
}

fn refuse(code: u16, text: &str) -> Answer {
    Answer::Refuse(code, text.to_owned())
}

fn check_token(inner: &Inner, bot: &str) -> Option<Answer> {
    let token = bot.strip_prefix("bot").unwrap_or_default();
    let script = inner.state.lock().expect("script");
    if script.cut {
        return Some(Answer::Cut);
    }
    if token == inner.token && !script.revoked {
        return None;
    }
    let number = token.split(':').next().unwrap_or_default();
    let well_formed = token.contains(':') && number.parse::<u64>().is_ok();
    Some(if well_formed {
        refuse(401, "Unauthorized")
    } else {
        refuse(404, "Not Found")
    })
}

/// Method names are case-insensitive (core.telegram.org/bots/api#making-requests).
fn canonical(method: &str) -> String {
    let known = [
        "getMe",
        "getUpdates",
        "sendMessage",
        "editMessageText",
        "answerCallbackQuery",
    ];
    let found = known
        .into_iter()
        .find(|name| name.eq_ignore_ascii_case(method));
    found.unwrap_or(method).to_owned()
}

async fn route(inner: &Inner, method: &str, body: &Value) -> Answer {
    match method {
        "getMe" => Answer::Ok(json!({
            "id": 1, "is_bot": true, "first_name": "Plimsoll", "username": "plimsoll_bot",
            "can_join_groups": false, "can_read_all_group_messages": false,
            "supports_inline_queries": false, "can_connect_to_business": false,
            "has_main_web_app": false,
        })),
        "getUpdates" => get_updates(inner, body).await,
        "sendMessage" => send_message(inner, body),
        "editMessageText" => edit_message(inner, body),
        "answerCallbackQuery" => answer_query(inner, body),
        _ => refuse(404, "Not Found"),
    }
}

async fn get_updates(inner: &Inner, body: &Value) -> Answer {
    let offset = body["offset"].as_i64();
    let wait_s = body["timeout"].as_u64().unwrap_or(0);
    let limit = usize::try_from(body["limit"].as_u64().unwrap_or(100)).unwrap_or(100);
    if !(1..=100).contains(&limit) {
        return refuse(400, "Bad Request: limit must be between 1 and 100");
    }
    let mine = {
        let mut script = inner.state.lock().expect("script");
        script.poll += 1;
        if let Some(offset) = offset {
            script
                .updates
                .retain(|update| update["update_id"].as_i64() >= Some(offset));
        }
        script.poll
    };
    inner.changed.notify_waiters();
    let until = tokio::time::Instant::now() + Duration::from_secs(wait_s);
    loop {
        let changed = inner.changed.notified();
        {
            let script = inner.state.lock().expect("script");
            if script.cut {
                return Answer::Cut;
            }
            if let Some(text) = script.conflict {
                return refuse(409, text);
            }
            if script.poll != mine {
                return refuse(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one \
                     bot instance is running",
                );
            }
            if !script.updates.is_empty() || tokio::time::Instant::now() >= until {
                let batch: Vec<Value> = script.updates.iter().take(limit).cloned().collect();
                return Answer::Ok(json!(batch));
            }
        }
        let _ = tokio::time::timeout_at(until, changed).await;
    }
}

fn send_message(inner: &Inner, body: &Value) -> Answer {
    let mut script = inner.state.lock().expect("script");
    if let Some(refusal) = over_limit(&mut script, inner.clock.monotonic_ms()) {
        return refusal;
    }
    let (chat, text, buttons) = match checked_text(&script, body) {
        Ok(checked) => checked,
        Err(text) => return Answer::Refuse(400, text),
    };
    script.last_message += 1;
    let id = script.last_message;
    let shown = Shown {
        id,
        text,
        buttons,
        silent: body["disable_notification"].as_bool().unwrap_or(false),
        edits: 0,
    };
    script.messages.insert((chat, id), shown.clone());
    Answer::Ok(message(inner, chat, &shown))
}

fn edit_message(inner: &Inner, body: &Value) -> Answer {
    let mut script = inner.state.lock().expect("script");
    if let Some(refusal) = over_limit(&mut script, inner.clock.monotonic_ms()) {
        return refusal;
    }
    let (chat, text, buttons) = match checked_text(&script, body) {
        Ok(checked) => checked,
        Err(text) => return Answer::Refuse(400, text),
    };
    let Some(id) = body["message_id"].as_i64() else {
        return refuse(400, "Bad Request: message identifier is not specified");
    };
    let Some(shown) = script.messages.get_mut(&(chat, id)) else {
        return refuse(400, "Bad Request: message to edit not found");
    };
    if shown.text == text && shown.buttons == buttons {
        return refuse(
            400,
            "Bad Request: message is not modified: specified new message content and reply markup \
             are exactly the same as a current content and reply markup of the message",
        );
    }
    shown.text = text;
    shown.buttons = buttons;
    shown.edits += 1;
    let shown = shown.clone();
    Answer::Ok(message(inner, chat, &shown))
}

fn answer_query(inner: &Inner, body: &Value) -> Answer {
    let mut script = inner.state.lock().expect("script");
    let Some(query) = body["callback_query_id"].as_str() else {
        return refuse(
            400,
            "Bad Request: parameter \"callback_query_id\" is required",
        );
    };
    if body["text"].as_str().is_some_and(|text| units(text) > 200) {
        return refuse(400, "Bad Request: MESSAGE_TOO_LONG");
    }
    if !script.open_queries.remove(query) {
        return refuse(
            400,
            "Bad Request: query is too old and response timeout expired or query ID is invalid",
        );
    }
    Answer::Ok(json!(true))
}

fn message(inner: &Inner, chat: i64, shown: &Shown) -> Value {
    json!({
        "message_id": shown.id, "text": shown.text,
        "date": inner.clock.now().as_millis() / 1_000,
        "from": {"id": 1, "is_bot": true, "first_name": "Plimsoll", "username": "plimsoll_bot"},
        "chat": {"id": chat, "type": "private", "first_name": "Trader"},
    })
}

fn over_limit(script: &mut Script, now_ms: i64) -> Option<Answer> {
    if let Some((left, wait_s)) = script.throttle.take() {
        if left > 1 {
            script.throttle = Some((left - 1, wait_s));
        }
        return Some(Answer::Throttle(wait_s));
    }
    let (count, window_ms) = script.limit?;
    script.sent_at.retain(|at| now_ms - at < window_ms);
    if script.sent_at.len() >= count {
        return Some(Answer::Throttle((window_ms / 1_000).max(1)));
    }
    script.sent_at.push(now_ms);
    None
}

fn checked_text(script: &Script, body: &Value) -> Result<(i64, String, Vec<String>), String> {
    let chat = body["chat_id"]
        .as_i64()
        .ok_or("Bad Request: chat_id is empty")?;
    if !script.chats.contains(&chat) {
        return Err("Bad Request: chat not found".into());
    }
    let text = body["text"].as_str().unwrap_or_default();
    if text.trim().is_empty() {
        return Err("Bad Request: message text is empty".into());
    }
    check_entities(body["parse_mode"].as_str(), text)?;
    if units(text) > 4_096 {
        return Err("Bad Request: message is too long".into());
    }
    let buttons = check_markup(&body["reply_markup"])?;
    Ok((chat, text.trim_end().to_owned(), buttons))
}

/// What the real server says to text that its parse mode cannot read.
fn check_entities(mode: Option<&str>, text: &str) -> Result<(), String> {
    let broken = |what: &str| Err(format!("Bad Request: can't parse entities: {what}"));
    match mode {
        None => Ok(()),
        Some("HTML") => {
            let mut open: Vec<&str> = Vec::new();
            for piece in text.split('<').skip(1) {
                let Some((tag, _)) = piece.split_once('>') else {
                    return broken("Unclosed start tag");
                };
                match tag.strip_prefix('/') {
                    Some(name) if open.pop() != Some(name) => return broken("Unexpected end tag"),
                    Some(_) => {}
                    None if ["b", "i", "u", "s", "code", "pre"].contains(&tag) => open.push(tag),
                    None => return broken("Unsupported start tag"),
                }
            }
            if open.is_empty() {
                Ok(())
            } else {
                broken("Can't find end tag")
            }
        }
        Some("MarkdownV2") => {
            let mut escaped = false;
            for c in text.chars() {
                if !escaped && "[]()>#+-=|{}.!".contains(c) {
                    return broken(&format!("Character '{c}' is reserved and must be escaped"));
                }
                escaped = !escaped && c == '\\';
            }
            Ok(())
        }
        Some(_) => Err("Bad Request: unsupported parse_mode".into()),
    }
}

fn check_markup(markup: &Value) -> Result<Vec<String>, String> {
    if markup.is_null() {
        return Ok(Vec::new());
    }
    let parsed = match markup.as_str() {
        Some(text) => serde_json::from_str(text)
            .map_err(|_| "Bad Request: can't parse reply keyboard markup JSON object")?,
        None => markup.clone(),
    };
    let rows = parsed["inline_keyboard"]
        .as_array()
        .ok_or("Bad Request: object expected as reply markup")?;
    let mut out = Vec::new();
    for row in rows {
        let row = row
            .as_array()
            .ok_or("Bad Request: can't parse inline keyboard")?;
        for button in row {
            if button["text"].as_str().is_none_or(str::is_empty) {
                return Err("Bad Request: can't parse inline keyboard button".into());
            }
            let data = button["callback_data"].as_str().ok_or(
                "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in \
                 the inline keyboard",
            )?;
            if !(1..=64).contains(&data.len()) {
                return Err("Bad Request: BUTTON_DATA_INVALID".into());
            }
            out.push(data.to_owned());
        }
    }
    Ok(out)
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}
