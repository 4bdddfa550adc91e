//! The running conversation: polls, judges, asks the agent, and keeps the messages up to date.
//!
//! Inputs: everything of this folder. One future at a time polls, one sends, a few wait for the
//! agent; none of them waits for another, and none holds the guard.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use super::api::Api;
use super::authorise;
use super::command::{self, Choice, Order};
use super::listen::Poll;
use super::outbox::{Lane, Outbox, Parcel};
use super::pair::{self, Attempt, Code, Paired};
use super::render;
use super::speak::{Sending, Sent};
use super::threads::{Standing, ThreadKey, Threads};
use super::{Notice, Request, Settings, TelegramError};
use crate::domain::{MINUTE_MS, SECOND_MS};
use crate::guard::action::View;
use crate::guard::intent::IntentId;
use crate::guard::outlook::Outlook;
use crate::net::clock::Clock;

/// Most questions to the agent that may be unanswered at a time.
const WAITING_MAX: usize = 16;
/// How long the agent may take to answer.
const AGENT_ANSWER_MS: i64 = 5 * SECOND_MS;
/// Most messages that one answer may fill.
const ANSWER_PARTS_MAX: usize = 4;
/// Pause after Telegram refused the token or the chat.
pub(super) const REFUSED_PAUSE_MS: i64 = 5 * MINUTE_MS;
/// How long the last messages may take after the agent has hung up.
const FLUSH_MS: i64 = 3 * SECOND_MS;
/// Longest sleep; bounds the harm of a stepped wall clock.
const NAP_MAX_MS: i64 = MINUTE_MS;

const NOT_ANSWERED: &str =
    "The agent did not answer in time, so it is not known whether this was taken; see /status.";
const BUSY: &str = "The agent is busy; nothing was changed. Try again.";

type Waiting = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// What came of something that was waited for.
pub(super) enum Answered {
    View(Order, Option<Box<View>>),
    Ahead(Option<Vec<Outlook>>),
    Command(Option<Result<String, String>>),
    Press {
        choice: Choice,
        intent: IntentId,
        query: String,
        result: Option<Result<String, String>>,
    },
    Paired(Result<Paired, TelegramError>),
}

pub(super) struct Session<F> {
    pub(super) clock: Clock,
    pub(super) api: Api,
    pub(super) version: String,
    pub(super) pairing_file: PathBuf,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) shown: F,
    pub(super) paired: Option<Paired>,
    pub(super) code: Option<Code>,
    pub(super) threads: Threads,
    pub(super) outbox: Outbox,
    pub(super) waiting: FuturesUnordered<Waiting>,
    pub(super) poll: Poll,
    /// Updates from others, only counted.
    pub(super) ignored: u64,
    pub(super) told_refused: bool,
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

    pub(super) fn put(&mut self, lane: Lane, parcel: Parcel) {
        let gone = self.outbox.push(lane, parcel, self.clock.monotonic_ms());
        self.gave_way(gone);
    }

    pub(super) fn gave_way(&mut self, gone: Option<Parcel>) {
        if let Some(Parcel::Thread(key)) = gone {
            self.threads.given_up(&key);
        }
    }

    /// Answers a command; long answers become several messages.
    pub(super) fn say(&mut self, text: &str) {
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

    // Pairing.

    pub(super) fn offer_code(&mut self, why: &str) {
        let code = Code::new(self.clock.now(), self.clock.monotonic_ms());
        let name = self.bot_name();
        (self.shown)(format!(
            "{why}. Within 10 minutes send  /pair {}  to {name} in a private chat.",
            code.text()
        ));
        self.code = Some(code);
    }

    pub(super) fn try_code(&mut self, user: u64, chat: i64, typed: &str) {
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

    pub(super) fn obey(&mut self, order: Order) {
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
            Order::Plan => match self.ask_agent(Request::Outlook) {
                Some(reply) => self.wait(reply, Answered::Ahead),
                None => self.say(BUSY),
            },
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
    pub(super) fn press(&mut self, query: String, data: &str, late: bool) {
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

    pub(super) fn answer_press(&mut self, query: String, text: &str) {
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
            Answered::Ahead(Some(ahead)) => self.say(&super::ahead(&ahead)),
            Answered::View(_, None) | Answered::Ahead(None) => {
                self.say("The agent did not answer in time.")
            }
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
            | Order::Plan
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
