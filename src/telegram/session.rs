//! The running conversation: polls, judges, asks the agent, and keeps the messages up to date.
//!
//! Inputs: everything of this folder. One future at a time polls, one sends, a few wait for the
//! agent; none of them waits for another, and none holds the guard.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use teloxide::types::Update;
use tokio::sync::{mpsc, oneshot};

use super::api::{Api, Failure};
use super::authorise::{self, Heard};
use super::command::{self, Choice, Order};
use super::outbox::{Item, Lane, Outbox, Parcel, back_off_ms};
use super::pair::{self, Attempt, Code, Paired};
use super::render;
use super::threads::{Letter, Standing, ThreadKey, Threads};
use super::{Notice, Request, Settings, TelegramError};
use crate::domain::{MINUTE_MS, SECOND_MS, Timestamp};
use crate::guard::action::View;
use crate::guard::intent::IntentId;
use crate::net::clock::Clock;

/// Most questions to the agent that may be unanswered at a time.
const WAITING_MAX: usize = 16;
/// How long the agent may take to answer.
const AGENT_ANSWER_MS: i64 = 5 * SECOND_MS;
/// Most messages that one answer may fill.
const ANSWER_PARTS_MAX: usize = 4;
/// Failed polls in a row after which the local terminal is told.
const OUTAGE_POLLS: u32 = 3;
/// Pause after Telegram refused the token or the chat.
const REFUSED_PAUSE_MS: i64 = 5 * MINUTE_MS;
/// A second poller is told at most once in this time.
const CONFLICT_TELL_MS: i64 = 10 * MINUTE_MS;
/// Rounds of the first, unheard polls; each takes up to 100 updates away.
const BACKLOG_ROUNDS_MAX: u32 = 50;
/// How long the last messages may take after the agent has hung up.
const FLUSH_MS: i64 = 3 * SECOND_MS;
/// A waiting poll that ends empty sooner than this did not wait; the next one pauses.
const POLL_EMPTY_MIN_MS: i64 = SECOND_MS / 2;
/// Longest sleep; bounds the harm of a stepped wall clock.
const NAP_MAX_MS: i64 = MINUTE_MS;

const NOT_ANSWERED: &str =
    "The agent did not answer in time, so it is not known whether this was taken; see /status.";
const BUSY: &str = "The agent is busy; nothing was changed. Try again.";

type Waiting = Pin<Box<dyn Future<Output = Answered> + Send>>;
type Sending = Pin<Box<dyn Future<Output = Sent> + Send>>;
type Polling = Pin<Box<dyn Future<Output = Polled> + Send>>;

/// What came of something that was waited for.
enum Answered {
    View(Order, Option<Box<View>>),
    Command(Option<Result<String, String>>),
    Press {
        choice: Choice,
        intent: IntentId,
        query: String,
        result: Option<Result<String, String>>,
    },
    Paired(Result<Paired, TelegramError>),
}

struct Sent {
    item: Item,
    letter: Option<Letter>,
    result: Result<Option<i32>, Failure>,
}

enum Polled {
    Named(Result<String, Failure>),
    Updates(Result<Vec<Update>, Failure>),
}

/// Where polling stands.
#[derive(Default)]
struct Poll {
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

struct Session<F> {
    clock: Clock,
    api: Api,
    version: String,
    pairing_file: PathBuf,
    requests: mpsc::Sender<Request>,
    shown: F,
    paired: Option<Paired>,
    code: Option<Code>,
    threads: Threads,
    outbox: Outbox,
    waiting: FuturesUnordered<Waiting>,
    poll: Poll,
    /// Updates from others, only counted.
    ignored: u64,
    told_refused: bool,
}

/// See [`super::run`].
pub(super) async fn run<F: FnMut(String)>(
    settings: Settings,
    clock: Clock,
    mut notices: mpsc::Receiver<Notice>,
    requests: mpsc::Sender<Request>,
    shown: F,
) -> Result<(), TelegramError> {
    let mut session = Session::open(settings, clock.clone(), requests, shown).await?;
    let mut polling = session.next_poll();
    let mut sending: Option<Sending> = None;
    loop {
        if sending.is_none() {
            sending = session.next_call();
        }
        let nap_ms = session.nap_ms(sending.is_some());
        let nobody_waits = session.waiting.is_empty();
        tokio::select! {
            biased;
            sent = finished(&mut sending) => {
                sending = None;
                session.sent(sent);
            }
            Some(answered) = session.waiting.next(), if !nobody_waits => session.answered(answered),
            polled = &mut polling => {
                session.polled(polled)?;
                polling = session.next_poll();
            }
            notice = notices.recv() => match notice {
                Some(notice) => session.notice(notice),
                None => break,
            },
            () = clock.sleep_ms(nap_ms) => session.expire(),
        }
    }
    drop(polling);
    tokio::select! {
        biased;
        () = session.flush(sending) => {}
        () = clock.sleep_ms(FLUSH_MS) => {}
    }
    Ok(())
}

/// The result of the call under way; never completes when there is none.
async fn finished(sending: &mut Option<Sending>) -> Sent {
    match sending {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

impl<F: FnMut(String)> Session<F> {
    async fn open(
        settings: Settings,
        clock: Clock,
        requests: mpsc::Sender<Request>,
        shown: F,
    ) -> Result<Self, TelegramError> {
        let api = Api::new(&settings.token, settings.api_url.as_deref())?;
        let path = settings.pairing_file.clone();
        let paired = off_thread(&settings.pairing_file, move || pair::load(&path)).await?;
        let outbox = Outbox::new(clock.monotonic_ms());
        Ok(Self {
            clock,
            api,
            version: settings.version,
            pairing_file: settings.pairing_file,
            requests,
            shown,
            paired,
            code: None,
            threads: Threads::default(),
            outbox,
            waiting: FuturesUnordered::new(),
            poll: Poll::default(),
            ignored: 0,
            told_refused: false,
        })
    }

    fn notice(&mut self, notice: Notice) {
        let now = self.clock.now();
        let news = match notice {
            Notice::Report(report) => self.threads.report(&report, now),
            Notice::Ask(question) => Some(self.threads.ask(question, now)),
            Notice::Unask { intent, text } => self.threads.unask(&intent, &text),
        };
        self.bring_up_to_date(news);
    }

    fn bring_up_to_date(&mut self, news: impl IntoIterator<Item = (ThreadKey, Lane)>) {
        for (key, lane) in news {
            self.put(lane, Parcel::Thread(key));
        }
    }

    fn expire(&mut self) {
        let due = self.threads.expire(self.clock.now());
        self.bring_up_to_date(due);
    }

    fn put(&mut self, lane: Lane, parcel: Parcel) {
        self.outbox.push(lane, parcel, self.clock.monotonic_ms());
    }

    /// Answers a command; long answers become several messages.
    fn say(&mut self, text: &str) {
        for text in render::split(text, render::MESSAGE_UNITS_MAX, ANSWER_PARTS_MAX) {
            self.put(Lane::Answer, Parcel::Text { text, sound: false });
        }
    }

    /// Milliseconds until the outbox or a deadline needs attention.
    fn nap_ms(&self, sending: bool) -> i64 {
        let outbox = if sending || self.paired.is_none() {
            None
        } else {
            self.outbox.ready_in(self.clock.monotonic_ms())
        };
        let deadline = self
            .threads
            .next_deadline()
            .map(|deadline| deadline.since(self.clock.now()).max(1));
        let nap_ms = outbox.into_iter().chain(deadline).min();
        nap_ms.unwrap_or(NAP_MAX_MS).clamp(1, NAP_MAX_MS)
    }

    // Polling.

    /// The next poll, after the pause that the last one earned.
    fn next_poll(&mut self) -> Polling {
        let (api, clock) = (self.api.clone(), self.clock.clone());
        let pause_ms = std::mem::take(&mut self.poll.pause_ms);
        self.poll.begun = self.clock.now();
        let (named, offset, live) = (self.poll.name.is_some(), self.poll.offset, self.poll.live);
        Box::pin(async move {
            if pause_ms > 0 {
                clock.sleep_ms(pause_ms).await;
            }
            if named {
                Polled::Updates(api.updates(offset, live).await)
            } else {
                Polled::Named(api.name().await)
            }
        })
    }

    fn polled(&mut self, polled: Polled) -> Result<(), TelegramError> {
        let failure = match polled {
            Polled::Named(Ok(name)) => {
                self.poll.name = Some(render::clean(&name));
                if self.paired.is_none() {
                    self.offer_code("Telegram is not paired yet");
                }
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

    fn poll_answered(&mut self) {
        self.poll.heard_since = Some(self.poll.begun);
        self.poll.failures = 0;
        if std::mem::take(&mut self.poll.told_outage) {
            (self.shown)("Telegram is reached again.".to_owned());
        }
    }

    fn poll_failed(&mut self, failure: &Failure) {
        self.poll.pause_ms = match failure {
            Failure::Throttled { wait_ms } => *wait_ms,
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
                // Without a valid offset these would come again and again.
                None => return,
            }
        }
        let now = self.clock.now();
        if !self.poll.live {
            self.throw_away(updates, now);
            return;
        }
        if updates.is_empty() && now.since(self.poll.begun) < POLL_EMPTY_MIN_MS {
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

    // Pairing.

    fn offer_code(&mut self, why: &str) {
        let code = Code::new(self.clock.now(), self.clock.monotonic_ms());
        let name = self.poll.name.as_deref().unwrap_or("your bot");
        (self.shown)(format!(
            "{why}. Within 10 minutes send  /pair {}  to @{name} in a private chat.",
            code.text()
        ));
        self.code = Some(code);
    }

    fn try_code(&mut self, user: u64, chat: i64, typed: &str) {
        let Some(code) = self.code.as_mut() else {
            return;
        };
        match code.attempt(typed, self.clock.monotonic_ms()) {
            Attempt::Right => {
                self.code = None;
                let paired = Paired {
                    user_id: user,
                    chat_id: chat,
                    paired_at: self.clock.now(),
                };
                let path = self.pairing_file.clone();
                self.waiting.push(Box::pin(async move {
                    let file = path.clone();
                    let write = move || pair::save(&file, &paired).map(|()| paired);
                    Answered::Paired(off_thread(&path, write).await)
                }));
            }
            Attempt::Wrong { left } => (self.shown)(format!(
                "Somebody sent a wrong Telegram pairing code; {left} tries left."
            )),
            Attempt::Burned => self.offer_code("Too many wrong Telegram pairing codes: a new one"),
            Attempt::Expired => self.offer_code("The Telegram pairing code was too old: a new one"),
        }
    }

    fn paired(&mut self, result: Result<Paired, TelegramError>) {
        match result {
            Ok(paired) => {
                self.paired = Some(paired);
                self.outbox.keep_urgent();
                (self.shown)("Telegram is paired.".to_owned());
                self.say(&format!(
                    "Paired. Only you, and only in this chat, are obeyed.\n\n{}",
                    command::HELP
                ));
            }
            Err(error) => {
                (self.shown)(format!("Telegram was not paired: {error}"));
                self.offer_code("Try again");
            }
        }
    }

    // Commands and buttons.

    fn obey(&mut self, order: Order) {
        match order {
            Order::Help => self.say(command::HELP),
            Order::Version => {
                let text = format!("Plimsoll {}", self.version);
                self.say(&text);
            }
            Order::Pair => self.say("This chat is paired already."),
            Order::NoSuchMode => {
                self.say("There is no such mode. Use /mode watch, /mode ask or /mode auto.");
            }
            Order::Unknown => self.say("Not a command that Plimsoll knows. See /help."),
            Order::Status | Order::Positions | Order::Mode => self.ask_view(order),
            Order::Tell(command) => {
                let asked = self.ask_agent(|reply| Request::Command(command, reply));
                match asked {
                    Some(reply) => self.wait(reply, Answered::Command),
                    None => self.say(BUSY),
                }
            }
        }
    }

    fn ask_view(&mut self, order: Order) {
        match self.ask_agent(Request::View) {
            Some(reply) => self.wait(reply, |view| Answered::View(order, view.map(Box::new))),
            None => self.say(BUSY),
        }
    }

    /// A press carries no date. `late`: by the polls alone it may be older than is obeyed; then it
    /// counts only if its question is younger than that.
    fn press(&mut self, query: String, data: &str, late: bool) {
        let Some((choice, intent)) = command::read_button(data) else {
            self.answer_press(query, "This button is not known here.");
            return;
        };
        let now = self.clock.now();
        let young = self
            .threads
            .shown_since(&intent)
            .is_some_and(|since| now.since(since) <= authorise::MESSAGE_AGE_MAX_MS);
        if late && !young {
            let text =
                "Telegram was not reached for a while, so this press may be old. Press again.";
            return self.answer_press(query, text);
        }
        match self.threads.press(&intent, now) {
            Standing::Open => {}
            Standing::Deciding => {
                return self.answer_press(query, "Your earlier answer is being handled.");
            }
            Standing::Closed(how) => {
                return self.answer_press(query, &format!("Already closed: {how}"));
            }
            Standing::Unknown => {
                return self.answer_press(query, "This question no longer stands.");
            }
        }
        let command = choice.command(intent.clone());
        match self.ask_agent(|reply| Request::Command(command, reply)) {
            Some(reply) => self.wait(reply, move |result| Answered::Press {
                choice,
                intent,
                query,
                result,
            }),
            None => {
                self.threads.undecided(&intent);
                self.answer_press(query, BUSY);
            }
        }
    }

    fn answer_press(&mut self, query: String, text: &str) {
        let text = text.to_owned();
        self.put(Lane::Urgent, Parcel::Press { query, text });
    }

    /// Hands the agent a request without waiting; `None` when it takes no more.
    fn ask_agent<T>(
        &mut self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Option<oneshot::Receiver<T>> {
        if self.waiting.len() >= WAITING_MAX {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        self.requests.try_send(request(reply)).ok()?;
        Some(answer)
    }

    fn wait<T: Send + 'static>(
        &mut self,
        answer: oneshot::Receiver<T>,
        then: impl FnOnce(Option<T>) -> Answered + Send + 'static,
    ) {
        let clock = self.clock.clone();
        self.waiting.push(Box::pin(async move {
            then(tokio::select! {
                biased;
                answer = answer => answer.ok(),
                () = clock.sleep_ms(AGENT_ANSWER_MS) => None,
            })
        }));
    }

    fn answered(&mut self, answered: Answered) {
        match answered {
            Answered::View(order, Some(view)) => {
                let text = self.view_text(&order, &view);
                self.say(&text);
            }
            Answered::View(_, None) => self.say("The agent did not answer in time."),
            Answered::Command(Some(Ok(text))) => self.say(&render::clean_lines(&text)),
            Answered::Command(Some(Err(text))) => {
                self.say(&format!("Refused: {}", render::clean_lines(&text)));
            }
            Answered::Command(None) => self.say(NOT_ANSWERED),
            Answered::Press {
                choice,
                intent,
                query,
                result,
            } => self.decided(choice, &intent, query, result),
            Answered::Paired(result) => self.paired(result),
        }
    }

    fn view_text(&self, order: &Order, view: &View) -> String {
        match order {
            Order::Positions => render::positions(view),
            Order::Mode => render::mode(view.mode, view.paused),
            Order::Status
            | Order::Tell(_)
            | Order::Help
            | Order::Version
            | Order::Pair
            | Order::NoSuchMode
            | Order::Unknown => {
                let mut text = render::status(view);
                if self.ignored > 0 {
                    text.push_str(&format!(
                        "\n\nIgnored from others or not understood: {}",
                        self.ignored
                    ));
                }
                text
            }
        }
    }

    fn decided(
        &mut self,
        choice: Choice,
        intent: &IntentId,
        query: String,
        result: Option<Result<String, String>>,
    ) {
        match result {
            Some(Ok(sentence)) => {
                let now = self.clock.now();
                let news = self.threads.decided(intent, choice, &sentence, now);
                self.bring_up_to_date(news);
                self.answer_press(query, &render::clean_lines(&sentence));
            }
            Some(Err(sentence)) => {
                self.threads.undecided(intent);
                self.answer_press(query, &format!("Refused: {}", render::clean(&sentence)));
            }
            None => {
                self.threads.undecided(intent);
                self.answer_press(query, NOT_ANSWERED);
            }
        }
    }

    // Sending.

    /// The next call to make, if anybody is paired and something may go out.
    fn next_call(&mut self) -> Option<Sending> {
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

    fn sent(&mut self, sent: Sent) {
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
                self.outbox.put_back(item);
            }
            Failure::Unreachable(_) | Failure::Conflict(_) | Failure::TokenRefused => {
                self.outbox.stumbled(now_ms);
                self.outbox.put_back(item);
            }
            Failure::ChatRefuses(_) => {
                self.outbox.throttled(REFUSED_PAUSE_MS, now_ms);
                self.outbox.put_back(item);
                if !std::mem::replace(&mut self.told_refused, true) {
                    (self.shown)(format!("Telegram: {failure}. Guarding goes on without it."));
                }
            }
            Failure::MessageGone => {
                if letter.is_some() {
                    self.outbox.put_back(item);
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
    async fn flush(&mut self, mut sending: Option<Sending>) {
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

/// Runs a small file operation where it cannot hold the guard up.
async fn off_thread<T: Send + 'static>(
    path: &std::path::Path,
    work: impl FnOnce() -> Result<T, TelegramError> + Send + 'static,
) -> Result<T, TelegramError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(TelegramError::PairingFile {
            path: path.to_owned(),
            message: error.to_string(),
        }),
    }
}
