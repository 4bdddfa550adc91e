//! Speaking: one call at a time, and what becomes of it.
//!
//! Inputs: the outbox and the threads. Must never repeat what Telegram refused for good, and never
//! lose an alarm or a question.

use std::future::Future;
use std::pin::Pin;

use super::api::Failure;
use super::outbox::{Item, Lane, Parcel};
use super::session::{REFUSED_PAUSE_MS, Session};
use super::threads::Letter;

pub(super) type Sending = Pin<Box<dyn Future<Output = Sent> + Send>>;

pub(super) struct Sent {
    item: Item,
    letter: Option<Letter>,
    result: Result<Option<i32>, Failure>,
}

impl<F: FnMut(String)> Session<F> {
    /// The next call to make, if anybody is paired and something may go out.
    pub(super) fn next_call(&mut self) -> Option<Sending> {
        let chat = self.paired.as_ref()?.chat_id;
        loop {
            let item = self.outbox.take(self.clock.monotonic_ms())?;
            let letter = match &item.parcel {
                Parcel::Thread(key) => match self.threads.compose(key, self.clock.now()) {
                    Some(letter) => Some(letter),
                    None => continue,
                },
                Parcel::Text { .. } | Parcel::Press { .. } | Parcel::Strip { .. } => None,
            };
            return Some(self.call(chat, item, letter));
        }
    }

    fn call(&self, chat: i64, item: Item, letter: Option<Letter>) -> Sending {
        let (api, busy) = (self.api.clone(), self.clock.busy());
        Box::pin(async move {
            let result = match (&item.parcel, &letter) {
                (Parcel::Text { text, sound }, _) => {
                    api.send(chat, text.clone(), *sound, None).await.map(Some)
                }
                (Parcel::Press { query, text }, _) => {
                    api.answer(query.clone(), text).await.map(|()| None)
                }
                (Parcel::Strip { message, text }, _) => {
                    api.edit(chat, *message, text.clone(), None).await.map(Some)
                }
                (Parcel::Thread(_), Some(letter)) => {
                    let (text, buttons) = (letter.text.clone(), letter.buttons.as_ref());
                    match letter.edit {
                        Some(message) => api.edit(chat, message, text, buttons).await,
                        None => api.send(chat, text, letter.sound, buttons).await,
                    }
                    .map(Some)
                }
                (Parcel::Thread(_), None) => Ok(None),
            };
            drop(busy);
            Sent {
                item,
                letter,
                result,
            }
        })
    }

    pub(super) fn sent(&mut self, sent: Sent) {
        let Sent {
            item,
            letter,
            result,
        } = sent;
        let edited = letter.as_ref().and_then(|letter| letter.edit);
        match result {
            Ok(message) => self.arrived(&item, letter, message),
            Err(Failure::NotModified) => self.arrived(&item, letter, edited),
            Err(failure) => self.not_sent(item, letter, failure),
        }
    }

    fn arrived(&mut self, item: &Item, letter: Option<Letter>, message: Option<i32>) {
        self.outbox.went_through();
        self.told_refused = false;
        if let (Parcel::Thread(key), Some(letter), Some(message)) = (&item.parcel, letter, message)
        {
            self.threads
                .delivered(key, &letter, message, self.clock.now());
            if let Some((message, text)) = letter.strip {
                self.put(Lane::Warning, Parcel::Strip { message, text });
            }
        }
        let dropped = self.outbox.take_dropped();
        if dropped > 0 {
            let text = format!("{dropped} older messages were dropped before they could be sent.");
            self.put(Lane::Warning, Parcel::Text { text, sound: false });
        }
    }

    fn put_back(&mut self, item: Item) {
        let gone = self.outbox.put_back(item);
        self.gave_way(gone);
    }

    fn not_sent(&mut self, item: Item, letter: Option<Letter>, failure: Failure) {
        tracing::debug!(%failure, "telegram call failed");
        let now_ms = self.clock.monotonic_ms();
        if let (Parcel::Thread(key), Some(letter)) = (&item.parcel, &letter) {
            self.threads.failed(key, letter);
            if failure == Failure::MessageGone {
                self.threads.lost(key);
            }
        }
        match failure {
            Failure::Throttled { wait_ms } => {
                self.outbox.throttled(wait_ms, now_ms);
                self.put_back(item);
            }
            Failure::Unreachable(_) | Failure::Conflict(_) | Failure::TokenRefused => {
                self.outbox.stumbled(now_ms);
                self.put_back(item);
            }
            Failure::ChatRefuses(_) => {
                self.outbox.throttled(REFUSED_PAUSE_MS, now_ms);
                self.put_back(item);
                if !std::mem::replace(&mut self.told_refused, true) {
                    (self.shown)(format!("Telegram: {failure}. Guarding goes on without it."));
                }
            }
            Failure::MessageGone => {
                if letter.is_some() {
                    self.put_back(item);
                }
            }
            Failure::Refused(_) | Failure::NotModified => {
                if !matches!(item.parcel, Parcel::Press { .. } | Parcel::Strip { .. }) {
                    (self.shown)(format!("Telegram did not take a message: {failure}."));
                }
            }
        }
    }

    /// The last words after the agent has hung up; gives up at the first failure.
    pub(super) async fn flush(&mut self, mut sending: Option<Sending>) {
        self.outbox.hurry();
        loop {
            let Some(call) = sending.take().or_else(|| self.next_call()) else {
                return;
            };
            let sent = call.await;
            let failed = sent.result.is_err();
            self.sent(sent);
            if failed {
                return;
            }
        }
    }
}
