//! Who is heard. Every update passes here first; what this returns is all the rest ever sees of it.
//!
//! Inputs: one update, the pairing, how old the update may be. Must never answer anybody.

use teloxide::types::{Message, Update, UpdateKind};

use super::pair::Paired;
use crate::domain::{MINUTE_MS, Timestamp};

/// Messages older than this are not obeyed, nor such from so far in the future.
pub(super) const MESSAGE_AGE_MAX_MS: i64 = MINUTE_MS;

/// What an update turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// Fresh text from the paired user in the paired chat.
    Text(String),
    /// The paired user pressed a button below one of our messages in the paired chat.
    Press { query: String, data: String },
    /// Somebody in a private chat offers a pairing code while nobody is paired.
    Offer { user: u64, chat: i64, code: String },
    /// From the paired user, but too old to be obeyed; the age is in milliseconds.
    Late { age_ms: i64 },
    /// From anybody else, or of a kind that is never obeyed.
    Nothing,
}

/// Judges one update at `now`.
pub(super) fn hear(update: &Update, paired: Option<&Paired>, now: Timestamp) -> Heard {
    if let UpdateKind::Message(message) = &update.kind {
        return hear_message(message, paired, now);
    }
    if let UpdateKind::CallbackQuery(query) = &update.kind {
        let (Some(paired), Some(message), Some(data)) = (paired, &query.message, &query.data)
        else {
            return Heard::Nothing;
        };
        let chat = message.chat();
        if query.from.id.0 != paired.user_id
            || query.from.is_bot
            || chat.id.0 != paired.chat_id
            || !chat.is_private()
        {
            return Heard::Nothing;
        }
        return Heard::Press {
            query: query.id.0.clone(),
            data: data.clone(),
        };
    }
    Heard::Nothing
}

fn hear_message(message: &Message, paired: Option<&Paired>, now: Timestamp) -> Heard {
    let (Some(from), Some(text)) = (&message.from, message.text()) else {
        return Heard::Nothing;
    };
    let second_hand = message.forward_origin().is_some() || message.via_bot.is_some();
    if from.is_bot || second_hand || !message.chat.is_private() {
        return Heard::Nothing;
    }
    let age_ms = now.since(Timestamp::from_millis(message.date.timestamp_millis()));
    let fresh = age_ms.abs() <= MESSAGE_AGE_MAX_MS;
    match paired {
        Some(paired) if from.id.0 == paired.user_id && message.chat.id.0 == paired.chat_id => {
            if fresh {
                Heard::Text(text.to_owned())
            } else {
                Heard::Late { age_ms }
            }
        }
        Some(_) => Heard::Nothing,
        None => {
            let mut words = text.split_whitespace();
            let offers = words
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case("/pair"));
            if offers && fresh {
                Heard::Offer {
                    user: from.id.0,
                    chat: message.chat.id.0,
                    code: words.collect(),
                }
            } else {
                Heard::Nothing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: i64 = 1_760_131_200_000;

    fn paired() -> Paired {
        Paired {
            user_id: 7,
            chat_id: 7,
            paired_at: Timestamp::ZERO,
        }
    }

    fn message(user: u64, chat: i64, kind: &str, text: &str, age_s: i64) -> Value {
        let name = if kind == "private" {
            "first_name"
        } else {
            "title"
        };
        json!({
            "message_id": 1, "date": NOW / 1_000 - age_s, "text": text,
            "from": {"id": user, "is_bot": false, "first_name": "T"},
            "chat": {"id": chat, "type": kind, name: "T"},
        })
    }

    fn judge(kind: &str, body: Value, paired: Option<&Paired>) -> Heard {
        let text = json!({"update_id": 5, kind: body}).to_string();
        let update: Update = serde_json::from_str(&text).expect("update");
        hear(&update, paired, Timestamp::from_millis(NOW))
    }

    #[test]
    fn only_the_paired_user_in_the_paired_private_chat_is_heard() {
        let me = paired();
        let of = |user, chat, kind, age| {
            judge(
                "message",
                message(user, chat, kind, "/status", age),
                Some(&me),
            )
        };
        assert_eq!(of(7, 7, "private", 0), Heard::Text("/status".into()));
        assert_eq!(of(8, 8, "private", 0), Heard::Nothing);
        assert_eq!(of(7, 9, "private", 0), Heard::Nothing);
        assert_eq!(of(8, 7, "private", 0), Heard::Nothing);
        assert_eq!(of(7, -100, "group", 0), Heard::Nothing);
        assert_eq!(of(7, 7, "private", 61), Heard::Late { age_ms: 61_000 });
        assert_eq!(of(7, 7, "private", -61), Heard::Late { age_ms: -61_000 });
    }

    #[test]
    fn edited_forwarded_and_second_hand_messages_are_not_heard() {
        let me = paired();
        let plain = message(7, 7, "private", "/resume", 0);
        assert_eq!(
            judge("edited_message", plain.clone(), Some(&me)),
            Heard::Nothing
        );
        let post = message(7, 7, "channel", "/resume", 0);
        assert_eq!(judge("channel_post", post, Some(&me)), Heard::Nothing);
        let mut forwarded = plain.clone();
        forwarded["forward_origin"] = json!({"type": "user", "date": NOW / 1_000,
            "sender_user": {"id": 7, "is_bot": false, "first_name": "T"}});
        assert_eq!(judge("message", forwarded, Some(&me)), Heard::Nothing);
        let mut via = plain;
        via["via_bot"] = json!({"id": 9, "is_bot": true, "first_name": "B", "username": "b"});
        assert_eq!(judge("message", via, Some(&me)), Heard::Nothing);
    }

    #[test]
    fn a_button_is_heard_only_from_the_paired_user() {
        let me = paired();
        let press = |user: u64, chat: i64| {
            judge(
                "callback_query",
                json!({
                    "id": "q1", "chat_instance": "c", "data": "a:plim-x-1",
                    "from": {"id": user, "is_bot": false, "first_name": "T"},
                    "message": message(1, chat, "private", "question", 300),
                }),
                Some(&me),
            )
        };
        let heard = Heard::Press {
            query: "q1".into(),
            data: "a:plim-x-1".into(),
        };
        assert_eq!(press(7, 7), heard);
        assert_eq!(press(8, 7), Heard::Nothing);
        assert_eq!(press(7, 8), Heard::Nothing);
    }

    #[test]
    fn before_pairing_only_a_fresh_code_in_a_private_chat_is_heard() {
        let of = |kind, text, age| judge("message", message(7, 7, kind, text, age), None);
        let offer = Heard::Offer {
            user: 7,
            chat: 7,
            code: "ABCDEFGH".into(),
        };
        assert_eq!(of("private", "/pair ABCD EFGH", 0), offer);
        assert_eq!(of("private", "/pair ABCDEFGH", 61), Heard::Nothing);
        assert_eq!(of("group", "/pair ABCDEFGH", 0), Heard::Nothing);
        assert_eq!(of("private", "/status", 0), Heard::Nothing);
    }

    #[test]
    fn an_update_of_an_unknown_shape_is_nothing() {
        let me = paired();
        assert_eq!(
            judge("something_new", json!({"a": 1}), Some(&me)),
            Heard::Nothing
        );
        assert_eq!(
            judge("message", json!({"broken": true}), Some(&me)),
            Heard::Nothing
        );
    }
}
