//! Listening: long polls, their pauses, and what of the updates is heard at all.
//!
//! Inputs: the Bot API's answers to polls. Must never act on anything that [`super::authorise`] did
//! not let through, nor on what came while nobody listened.

use std::future::Future;
use std::pin::Pin;

use teloxide::types::Update;

use super::TelegramError;
use super::api::Failure;
use super::authorise::{self, Heard};
use super::command;
use super::outbox::{Lane, Parcel, THROTTLE_MAX_MS, back_off_ms};
use super::render;
use super::session::{REFUSED_PAUSE_MS, Session};
use crate::domain::{MINUTE_MS, SECOND_MS, Timestamp};

/// Failed polls in a row after which the local terminal is told.
const OUTAGE_POLLS: u32 = 3;
/// A second poller is told at most once in this time.
const CONFLICT_TELL_MS: i64 = 10 * MINUTE_MS;
/// Rounds of the first, unheard polls; each takes up to 100 updates away.
const BACKLOG_ROUNDS_MAX: u32 = 50;
/// A waiting poll that ends empty sooner than this did not wait; the next one pauses.
const POLL_EMPTY_MIN_MS: i64 = SECOND_MS / 2;

pub(super) type Polling = Pin<Box<dyn Future<Output = Polled> + Send>>;

pub(super) enum Polled {
    Named(Result<String, Failure>),
    Updates(Result<Vec<Update>, Failure>),
}

/// Where polling stands.
#[derive(Default)]
pub(super) struct Poll {
    offset: Option<i32>,
    name: Option<String>,
    /// False until the backlog has been thrown away.
    live: bool,
    backlog_rounds: u32,
    /// Messages of the paired user that were in the backlog.
    missed: u32,
    failures: u32,
    /// When the poll under way was begun.
    begun: Timestamp,
    /// When the last answered poll was begun: nothing that comes now was sent before that.
    heard_since: Option<Timestamp>,
    told_outage: bool,
    told_conflict_ms: Option<i64>,
    pause_ms: i64,
}

impl Poll {
    fn waits(&self) -> bool {
        self.live && self.failures == 0
    }
}

impl<F: FnMut(String)> Session<F> {
    /// The next poll, after the pause that the last one earned.
    pub(super) fn next_poll(&mut self) -> Polling {
        let (api, clock) = (self.api.clone(), self.clock.clone());
        let pause_ms = std::mem::take(&mut self.poll.pause_ms);
        self.poll.begun = self.clock.now();
        let (named, offset) = (self.poll.name.is_some(), self.poll.offset);
        // The first poll after a failure comes back at once and so tells that the way is open.
        let wait = self.poll.waits();
        Box::pin(async move {
            if pause_ms > 0 {
                clock.sleep_ms(pause_ms).await;
            }
            if named {
                Polled::Updates(api.updates(offset, wait).await)
            } else {
                Polled::Named(api.name().await)
            }
        })
    }

    pub(super) fn polled(&mut self, polled: Polled) -> Result<(), TelegramError> {
        let failure = match polled {
            Polled::Named(Ok(name)) => {
                self.named(&name);
                None
            }
            Polled::Updates(Ok(updates)) => {
                self.updates(&updates);
                None
            }
            Polled::Named(Err(failure)) | Polled::Updates(Err(failure)) => Some(failure),
        };
        match failure {
            None => self.poll_answered(),
            Some(Failure::TokenRefused) if self.poll.heard_since.is_none() => {
                return Err(TelegramError::TokenRefused);
            }
            Some(failure) => self.poll_failed(&failure),
        }
        Ok(())
    }

    fn named(&mut self, name: &str) {
        self.poll.name = Some(render::clean(name));
        if self.paired.is_none() {
            self.offer_code("Telegram is not paired yet");
        }
    }

    /// How the local terminal names the bot.
    pub(super) fn bot_name(&self) -> String {
        match self.poll.name.as_deref() {
            Some(name) if !name.is_empty() => format!("@{name}"),
            Some(_) | None => "your bot".to_owned(),
        }
    }

    fn poll_answered(&mut self) {
        self.poll.heard_since = Some(self.poll.begun);
        if std::mem::take(&mut self.poll.failures) > 0 {
            self.outbox.reached(self.clock.monotonic_ms());
        }
        if std::mem::take(&mut self.poll.told_outage) {
            (self.shown)("Telegram is reached again.".to_owned());
        }
    }

    fn poll_failed(&mut self, failure: &Failure) {
        self.poll.pause_ms = match failure {
            Failure::Throttled { wait_ms } => (*wait_ms).clamp(SECOND_MS, THROTTLE_MAX_MS),
            Failure::TokenRefused => REFUSED_PAUSE_MS,
            Failure::Unreachable(_)
            | Failure::Conflict(_)
            | Failure::NotModified
            | Failure::MessageGone
            | Failure::ChatRefuses(_)
            | Failure::Refused(_) => back_off_ms(self.poll.failures),
        };
        self.poll.failures = self.poll.failures.saturating_add(1);
        tracing::debug!(failures = self.poll.failures, %failure, "telegram poll failed");
        // The name is a courtesy: a bot that cannot tell it is polled all the same.
        if self.poll.name.is_none() && self.poll.failures >= OUTAGE_POLLS {
            self.named("");
        }
        if let Failure::Conflict(_) = failure {
            self.tell_conflict(failure);
        }
        let refused = matches!(failure, Failure::TokenRefused);
        if (refused || self.poll.failures >= OUTAGE_POLLS) && !self.poll.told_outage {
            self.poll.told_outage = true;
            (self.shown)(format!("Telegram: {failure}. Guarding goes on without it."));
        }
    }

    fn tell_conflict(&mut self, failure: &Failure) {
        let now_ms = self.clock.monotonic_ms();
        let told = self.poll.told_conflict_ms;
        if told.is_some_and(|told| now_ms.saturating_sub(told) < CONFLICT_TELL_MS) {
            return;
        }
        self.poll.told_conflict_ms = Some(now_ms);
        let text = "The bot token is in use elsewhere: another program reads this bot's messages. \
                    If that is not a second Plimsoll of yours, revoke the token at @BotFather \
                    now. Commands and buttons may get lost meanwhile; guarding goes on.";
        (self.shown)(format!("ALARM: {text} ({failure})"));
        let text = format!("\u{26a0} ALARM - Telegram\n{text}");
        self.put(Lane::Urgent, Parcel::Text { text, sound: true });
    }

    fn updates(&mut self, updates: &[Update]) {
        if let Some(last) = updates.iter().map(|update| update.id.0).max() {
            match i32::try_from(last).ok().and_then(|id| id.checked_add(1)) {
                Some(next) => self.poll.offset = Some(next),
                // Without a valid offset these would be obeyed again and again.
                None => {
                    self.poll.pause_ms = SECOND_MS;
                    return;
                }
            }
        }
        let now = self.clock.now();
        if !self.poll.live {
            self.throw_away(updates, now);
            return;
        }
        if updates.is_empty() && self.poll.waits() && now.since(self.poll.begun) < POLL_EMPTY_MIN_MS
        {
            self.poll.pause_ms = SECOND_MS;
        }
        let late = self
            .poll
            .heard_since
            .is_none_or(|since| now.since(since) > authorise::MESSAGE_AGE_MAX_MS);
        for update in updates {
            let heard = authorise::hear(update, self.paired.as_ref(), now);
            self.heard(heard, late);
        }
    }

    /// What waited while nobody listened is not obeyed.
    fn throw_away(&mut self, updates: &[Update], now: Timestamp) {
        for update in updates {
            match authorise::hear(update, self.paired.as_ref(), now) {
                Heard::Text(_) | Heard::Late { .. } => {
                    self.poll.missed = self.poll.missed.saturating_add(1);
                }
                Heard::Press { query, .. } => self.answer_press(
                    query,
                    "This came while Plimsoll was not listening and was ignored. Press again.",
                ),
                Heard::Offer { .. } | Heard::Nothing => {
                    self.ignored = self.ignored.saturating_add(1);
                }
            }
        }
        self.poll.backlog_rounds = self.poll.backlog_rounds.saturating_add(1);
        if !updates.is_empty() && self.poll.backlog_rounds < BACKLOG_ROUNDS_MAX {
            return;
        }
        self.poll.live = true;
        let missed = std::mem::take(&mut self.poll.missed);
        if missed > 0 {
            self.say(&format!(
                "Ignored {missed} of your messages: they came while Plimsoll was not listening. \
                 Send them again if they still hold."
            ));
        }
    }

    fn heard(&mut self, heard: Heard, late: bool) {
        match heard {
            Heard::Text(text) => self.obey(command::parse(&text)),
            Heard::Press { query, data } => self.press(query, &data, late),
            Heard::Offer { user, chat, code } => self.try_code(user, chat, &code),
            Heard::Late { age_ms } if age_ms > 0 => self.say(&format!(
                "Ignored: your message is {} s old. Send it again if it still holds.",
                age_ms / SECOND_MS
            )),
            Heard::Late { age_ms } => self.say(&format!(
                "Ignored: by this machine's clock your message comes {} s from the future. Set \
                 the clock.",
                age_ms.saturating_neg() / SECOND_MS
            )),
            Heard::Nothing => self.ignored = self.ignored.saturating_add(1),
        }
    }
}
