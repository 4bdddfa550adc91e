//! The Bot API calls that are used, and what a failure asks of us.
//!
//! Inputs: token, address, texts. Must never let the token out: the library's errors carry request
//! addresses, which hold it, so every error is worded anew here.

use std::error::Error;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use teloxide::payloads::{
    AnswerCallbackQuerySetters, EditMessageTextSetters, GetUpdatesSetters, SendMessageSetters,
};
use teloxide::requests::{Request, Requester};
use teloxide::types::{
    AllowedUpdate, CallbackQueryId, ChatId, InlineKeyboardButton, InlineKeyboardMarkup,
    LinkPreviewOptions, MessageId, Update,
};
use teloxide::{ApiError, Bot, RequestError};

use super::TelegramError;
use super::command::{Choice, button_data};
use super::render;
use crate::domain::SECOND_MS;
use crate::guard::intent::IntentId;

/// How long Telegram may hold a poll open.
const POLL_SECS: u32 = 25;
/// A poll without an answer after this is dead.
const POLL_TIMEOUT: Duration = Duration::from_secs(40);
/// Any other call without an answer after this is dead.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause where Telegram says "too many requests" without saying how long.
const THROTTLE_DEFAULT_MS: i64 = 5 * SECOND_MS;
/// Longest answer to a button. Source: core.telegram.org/bots/api#answercallbackquery.
const PRESS_UNITS_MAX: usize = 200;
/// Most UTF-16 units of an error text.
const ERROR_UNITS_MAX: usize = 200;

/// Why a call failed; the variant says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// Wait this long, then repeat.
    #[error("Telegram asks for a pause of {wait_ms} ms")]
    Throttled { wait_ms: i64 },
    /// No answer, or one that says nothing: repeat with back-off.
    #[error("Telegram cannot be reached: {0}")]
    Unreachable(String),
    /// Somebody else polls with this token, or a web hook is set.
    #[error("this bot token is in use elsewhere: {0}")]
    Conflict(String),
    /// Unknown token: stop, or wait long.
    #[error("Telegram does not know this bot token")]
    TokenRefused,
    /// The chat shows this already: as good as done.
    #[error("the message says this already")]
    NotModified,
    /// The message to edit is gone: send a new one.
    #[error("the message is gone")]
    MessageGone,
    /// The paired user has blocked the bot or is gone: tell it locally.
    #[error("the paired chat takes no messages: {0}")]
    ChatRefuses(String),
    /// Refused for what it says: do not repeat it.
    #[error("Telegram refuses this: {0}")]
    Refused(String),
}

/// The bot behind one token.
#[derive(Clone)]
pub(super) struct Api {
    poll: Bot,
    call: Bot,
    token: SecretString,
}

impl Api {
    /// Checks token and address without using them.
    ///
    /// # Errors
    /// [`TelegramError::Settings`]: name the key and stop.
    pub(super) fn new(token: &SecretString, address: Option<&str>) -> Result<Self, TelegramError> {
        let settings = |message: &str| TelegramError::Settings(message.to_owned());
        let text = token.expose_secret().trim();
        let well_formed = text.split_once(':').is_some_and(|(number, word)| {
            !number.is_empty()
                && number.chars().all(|c| c.is_ascii_digit())
                && !word.is_empty()
                && word
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        });
        if !well_formed {
            return Err(settings(
                "the bot token is not of the form 123456:ABC-def; copy it again from @BotFather",
            ));
        }
        let url = address
            .map(|address| {
                reqwest::Url::parse(address)
                    .ok()
                    .filter(|url| !url.cannot_be_a_base())
                    .ok_or_else(|| settings("the Bot API address is not a web address"))
            })
            .transpose()?;
        let loopback = url.as_ref().is_some_and(is_loopback);
        if url.as_ref().is_some_and(|url| url.scheme() != "https") && !loopback {
            return Err(settings(
                "the Bot API address must begin with https:// unless it is on this machine, \
                 because the token is part of every request",
            ));
        }
        let bot = |timeout: Duration| {
            let mut builder = reqwest::Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(timeout)
                .tcp_nodelay(true)
                .redirect(reqwest::redirect::Policy::none());
            if loopback {
                builder = builder.no_proxy();
            }
            let client = builder
                .build()
                .map_err(|_| settings("cannot set up a secure connection on this machine"))?;
            let bot = Bot::with_client(text, client);
            Ok::<Bot, TelegramError>(match &url {
                Some(url) => bot.set_api_url(url.clone()),
                None => bot,
            })
        };
        Ok(Self {
            poll: bot(POLL_TIMEOUT)?,
            call: bot(CALL_TIMEOUT)?,
            token: SecretString::from(text),
        })
    }

    /// The bot's own name, without the at sign.
    pub(super) async fn name(&self) -> Result<String, Failure> {
        let me = self.call.get_me().send().await;
        me.map(|me| me.user.username.unwrap_or_default())
            .map_err(|error| self.failure(&error))
    }

    /// What arrived since `offset`; `wait` holds the call open until something does.
    pub(super) async fn updates(
        &self,
        offset: Option<i32>,
        wait: bool,
    ) -> Result<Vec<Update>, Failure> {
        let mut request = self
            .poll
            .get_updates()
            .timeout(if wait { POLL_SECS } else { 0 })
            .allowed_updates([AllowedUpdate::Message, AllowedUpdate::CallbackQuery]);
        if let Some(offset) = offset {
            request = request.offset(offset);
        }
        request.send().await.map_err(|error| self.failure(&error))
    }

    /// A new message; returns its id.
    pub(super) async fn send(
        &self,
        chat: i64,
        text: String,
        sound: bool,
        buttons: Option<&IntentId>,
    ) -> Result<i32, Failure> {
        let mut request = self
            .call
            .send_message(ChatId(chat), text)
            .link_preview_options(no_preview())
            .disable_notification(!sound);
        if let Some(keyboard) = buttons.and_then(keyboard) {
            request = request.reply_markup(keyboard);
        }
        let sent = request.send().await;
        sent.map(|message| message.id.0)
            .map_err(|error| self.failure(&error))
    }

    /// Replaces text and buttons of a message.
    pub(super) async fn edit(
        &self,
        chat: i64,
        message: i32,
        text: String,
        buttons: Option<&IntentId>,
    ) -> Result<i32, Failure> {
        let mut request = self
            .call
            .edit_message_text(ChatId(chat), MessageId(message), text)
            .link_preview_options(no_preview());
        if let Some(keyboard) = buttons.and_then(keyboard) {
            request = request.reply_markup(keyboard);
        }
        let sent = request.send().await;
        sent.map(|message| message.id.0)
            .map_err(|error| self.failure(&error))
    }

    /// Ends the waiting circle on a pressed button with a short text.
    pub(super) async fn answer(&self, query: String, text: &str) -> Result<(), Failure> {
        let sent = self
            .call
            .answer_callback_query(CallbackQueryId(query))
            .text(render::shorten(text, PRESS_UNITS_MAX))
            .send()
            .await;
        sent.map(|_| ()).map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &RequestError) -> Failure {
        match error {
            RequestError::RetryAfter(wait) => Failure::Throttled {
                wait_ms: i64::from(wait.seconds()).saturating_mul(SECOND_MS),
            },
            RequestError::Network(error) => Failure::Unreachable(self.hide(&network_text(error))),
            RequestError::InvalidJson { .. } => {
                Failure::Unreachable("the answer is not of the Bot API".to_owned())
            }
            RequestError::Io(_) => Failure::Unreachable("input or output failed".to_owned()),
            RequestError::MigrateToChatId(_) => {
                Failure::ChatRefuses("the chat has moved".to_owned())
            }
            RequestError::Api(error) => self.api_failure(error),
        }
    }

    fn api_failure(&self, error: &ApiError) -> Failure {
        let unknown = if let ApiError::Unknown(text) = error {
            Some(text)
        } else {
            None
        };
        let text = unknown.map_or_else(|| self.hide(&error.to_string()), |text| self.hide(text));
        let is = |kinds: &[ApiError]| kinds.contains(error);
        if is(&[ApiError::InvalidToken]) {
            Failure::TokenRefused
        } else if is(&[
            ApiError::TerminatedByOtherGetUpdates,
            ApiError::CantGetUpdates,
        ]) || text.starts_with("Conflict")
        {
            Failure::Conflict(text)
        } else if is(&[ApiError::MessageNotModified])
            || text.starts_with("Bad Request: message is not modified")
        {
            Failure::NotModified
        } else if is(&[
            ApiError::MessageToEditNotFound,
            ApiError::MessageCantBeEdited,
            ApiError::MessageIdInvalid,
        ]) {
            Failure::MessageGone
        } else if is(&[ApiError::ChatNotFound])
            || text.starts_with("Forbidden")
            || text.starts_with("Unauthorized: ")
        {
            Failure::ChatRefuses(text)
        } else if text.starts_with("Too Many Requests") {
            Failure::Throttled {
                wait_ms: THROTTLE_DEFAULT_MS,
            }
        } else if unknown.is_some() && !text.starts_with("Bad Request") {
            Failure::Unreachable(text)
        } else {
            Failure::Refused(text)
        }
    }

    /// Cuts the token out of a text that came from outside, and the text to a sane length.
    fn hide(&self, text: &str) -> String {
        let token = self.token.expose_secret();
        let mut hidden = text.replace(token, "<token>");
        if let Some((_, word)) = token.split_once(':') {
            hidden = hidden.replace(word, "<token>");
        }
        render::shorten(&render::clean(&hidden), ERROR_UNITS_MAX)
    }
}

/// The innermost cause of a network error. The outer layers name the address and are left out.
fn network_text(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    let mut innermost: Option<&dyn Error> = None;
    let mut next = error.source();
    while let Some(cause) = next {
        innermost = Some(cause);
        next = cause.source();
    }
    match innermost {
        Some(cause) => format!("{kind} ({cause})"),
        None => kind.to_owned(),
    }
}

fn is_loopback(url: &reqwest::Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || bare
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

fn keyboard(intent: &IntentId) -> Option<InlineKeyboardMarkup> {
    let approve = button_data(Choice::Approve, intent)?;
    let decline = button_data(Choice::Decline, intent)?;
    Some(InlineKeyboardMarkup::new([[
        InlineKeyboardButton::callback("Approve", approve),
        InlineKeyboardButton::callback("Decline", decline),
    ]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "12345:canary-Secret_token";

    fn api(address: Option<&str>) -> Result<Api, TelegramError> {
        Api::new(&SecretString::from(TOKEN), address)
    }

    #[test]
    fn an_address_outside_this_machine_needs_https() {
        for good in [
            None,
            Some("https://api.telegram.org"),
            Some("http://127.0.0.1:8081"),
            Some("http://localhost:8081"),
            Some("http://[::1]:8081"),
        ] {
            assert!(api(good).is_ok(), "{good:?}");
        }
        for bad in [
            "http://example.org",
            "http://10.0.0.1:8081",
            "mailto:a@b",
            "x",
        ] {
            assert!(api(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_malformed_token_is_named_without_showing_it() {
        for bad in ["", "canary", "12:a/b", "12: a", ":x", "12:", "12:a?b"] {
            let error = Api::new(&SecretString::from(bad), None)
                .err()
                .expect("refused");
            assert!(error.to_string().contains("@BotFather"));
            assert!(!error.to_string().contains("canary"));
        }
        assert!(Api::new(&SecretString::from(" 12:ab\n"), None).is_ok());
    }

    #[test]
    fn failures_say_what_to_do() {
        let api = api(None).expect("api");
        let of = |text: &str| {
            let error: ApiError = serde_json::from_value(text.into()).expect("error");
            api.failure(&RequestError::Api(error))
        };
        assert_eq!(of("Unauthorized"), Failure::TokenRefused);
        assert_eq!(of("Not Found"), Failure::TokenRefused);
        assert_eq!(
            of("Bad Request: message to edit not found"),
            Failure::MessageGone
        );
        assert_eq!(
            of(
                "Bad Request: message is not modified: specified new message content and reply \
                 markup are exactly the same as a current content and reply markup of the message"
            ),
            Failure::NotModified
        );
        assert!(matches!(of("Bad Gateway"), Failure::Unreachable(_)));
        assert!(matches!(
            of("Internal Server Error: restart"),
            Failure::Unreachable(_)
        ));
        assert!(matches!(
            of("Bad Request: chat not found"),
            Failure::ChatRefuses(_)
        ));
        assert!(matches!(
            of("Forbidden: bot was blocked by the user"),
            Failure::ChatRefuses(_)
        ));
        assert!(matches!(
            of("Bad Request: message text is empty"),
            Failure::Refused(_)
        ));
        assert!(matches!(
            of("Bad Request: something new"),
            Failure::Refused(_)
        ));
        for conflict in [
            "Conflict: terminated by other getUpdates request; make sure that only one bot \
             instance is running",
            "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to \
             delete the webhook first",
        ] {
            assert!(matches!(of(conflict), Failure::Conflict(_)), "{conflict}");
        }
    }

    #[test]
    fn foreign_error_texts_lose_the_token() {
        let api = api(None).expect("api");
        let text = format!("see http://x/bot{TOKEN}/getMe or canary-Secret_token");
        let failure = api.api_failure(&ApiError::Unknown(text));
        assert!(!failure.to_string().contains("canary"), "{failure}");
    }
}
