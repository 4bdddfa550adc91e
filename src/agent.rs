//! The live driver: streams to the guard, actions to the venue, records to the journal.
//!
//! Purpose: carry, never decide. One task; after each input the guard is drained before the next
//! input is taken. Inputs: a venue adapter, a clock, a journal, requests of the trader. This is the
//! only file that selects between sources, always biased: answers first, then streams, then people,
//! then time.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, watch};

use crate::domain::{MINUTE_MS, SECOND_MS, Symbol, Timestamp};
use crate::exchange::{ExchangeError, Incoming, KeyPermissions, Port};
use crate::guard::Guard;
use crate::guard::action::{Action, Report, ReportKind, Severity, View};
use crate::guard::event::{Event, Link, Mode, Refresh};
use crate::guard::intent::{IntentId, Outcome, Reaction, Resolution};
use crate::guard::journal::Entry;
use crate::guard::policy::Policy;
use crate::journal::{Journal, JournalError};
use crate::net::clock::{Busy, Clock};
use crate::telegram::{Notice, Request};

/// The venue's clock is measured again this often.
const RESYNC_MS: i64 = 15 * MINUTE_MS;
/// Venue time may drift from monotonic time by this much between two inputs.
const TOLERATED_JUMP_MS: i64 = SECOND_MS;
/// Attempts to reach the venue at start, one second apart.
const START_TRIES: u32 = 3;
/// Requests in flight that a stop waits for, at most this long.
const FAREWELL: Duration = Duration::from_secs(6);

/// Why the agent cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The key may do what it must not: make a narrower one.
    #[error("this API key is refused: {0}")]
    Key(String),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Everything an agent is made of.
pub struct Setup<P> {
    pub port: P,
    pub clock: Clock,
    pub policy: Policy,
    pub journal: Journal,
    /// A key that may move money between the owner's wallets is accepted.
    pub allow_wallet_transfer: bool,
    /// Version told to the journal.
    pub version: String,
}

/// The agent's links to people.
pub struct Channels {
    pub requests: mpsc::Receiver<Request>,
    /// Set to true: stop cleanly.
    pub stop: watch::Receiver<bool>,
    /// Hears every notice at once, in order; must not block.
    pub listener: Box<dyn FnMut(&Notice)>,
}

/// Is a key acceptable? Returns warnings.
///
/// # Errors
/// [`AgentError::Key`] with what to change.
pub fn check_key(
    key: KeyPermissions,
    allow_wallet_transfer: bool,
) -> Result<Vec<String>, AgentError> {
    let refuse = |text: &str| Err(AgentError::Key(text.to_owned()));
    if key.withdrawals {
        return refuse("it may withdraw; switch withdrawals off for it on the exchange");
    }
    if key.portfolio_margin {
        return refuse("portfolio margin accounts are not supported");
    }
    if !key.reading {
        return refuse("it may not read; switch reading on for it on the exchange");
    }
    if !key.futures {
        return refuse("it may not trade futures; switch futures on for it on the exchange");
    }
    if key.wallet_transfer && !allow_wallet_transfer {
        return refuse(
            "it may transfer between wallets; switch that off, or set allow_wallet_transfer = true in [exchange]",
        );
    }
    let mut warnings = Vec::new();
    if !key.ip_restricted {
        warnings.push("the key is not bound to an IP address; bind it on the exchange".to_owned());
    }
    Ok(warnings)
}

/// Can a key move money in, where the trader has set a budget for that?
///
/// # Errors
/// [`AgentError::Key`] with what to change.
pub fn check_transfer(key: KeyPermissions, policy: &Policy) -> Result<(), AgentError> {
    let wanted = policy.allowance.move_in_per_day.is_positive();
    if wanted && !key.universal_transfer {
        return Err(AgentError::Key(
            "it may not transfer between wallets (\"Permits Universal Transfer\"); switch that on, or set move_in_per_day_usdt = 0 in [budget]".to_owned(),
        ));
    }
    Ok(())
}

/// Runs until told to stop.
///
/// # Errors
/// [`AgentError`] when the start fails; afterwards trouble is reported and lived with.
pub async fn run<P: Port + 'static>(setup: Setup<P>, channels: Channels) -> Result<(), AgentError> {
    let mut stop = channels.stop.clone();
    let mut agent = tokio::select! {
        biased;
        // Nothing was sent yet, so there is nothing to wait for.
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
        started = Agent::start(setup, channels) => started?,
    };
    agent.serve().await;
    agent.farewell().await;
    Ok(())
}

enum Answer {
    Outcome(IntentId, Outcome),
    Resolved(IntentId, Resolution),
    Read(Refresh, Result<Vec<Event>, ExchangeError>),
    Synced(Result<i64, ExchangeError>),
}

type Pending = FuturesUnordered<LocalBoxFuture<'static, (Answer, Busy)>>;

struct Agent<P> {
    port: Rc<P>,
    clock: Clock,
    guard: Guard,
    journal: Journal,
    armed: bool,
    pending: Pending,
    channels: Channels,
    /// Venue clock minus ours.
    offset_ms: i64,
    resync_at: Timestamp,
    seen_wall: Timestamp,
    seen_mono: i64,
    decoded: Vec<Event>,
    followed: Vec<Symbol>,
    unreadable: u64,
    reply: Option<String>,
}

impl<P: Port + 'static> Agent<P> {
    async fn start(setup: Setup<P>, channels: Channels) -> Result<Self, AgentError> {
        let Setup {
            port,
            clock,
            mut policy,
            journal,
            allow_wallet_transfer,
            version,
        } = setup;
        let _busy = clock.busy();
        let offset_ms = first_contact(&port).await?;
        let (permissions, account) =
            futures_util::future::join(port.permissions(), port.account()).await;
        let permissions = permissions?;
        let mut warnings = check_key(permissions, allow_wallet_transfer)?;
        check_transfer(permissions, &policy)?;
        let account = account?;
        let symbols = symbols_of(&account);
        let rules = port.rules(&symbols).await?;
        policy.instance = journal.instance();
        let armed = policy.mode > Mode::Watch;
        let now = clock.now();
        let (recovered, damage) = journal.recover_with_damage(now.plus_ms(offset_ms))?;
        let mut agent = Self {
            guard: Guard::new(policy, now.plus_ms(offset_ms)),
            port: Rc::new(port),
            journal,
            armed,
            pending: FuturesUnordered::new(),
            channels,
            offset_ms,
            resync_at: now.plus_ms(RESYNC_MS),
            seen_wall: now,
            seen_mono: clock.monotonic_ms(),
            decoded: Vec::new(),
            followed: Vec::new(),
            unreadable: 0,
            reply: None,
            clock,
        };
        warnings.extend(damage.iter().map(|damage| format!("journal: {damage}")));
        agent.record(&Entry::Started { version });
        // The greeting comes before the first act, but in the mode that was recovered.
        let now = agent.now();
        agent
            .guard
            .handle(Event::Recovered(Box::new(recovered)), now);
        agent.greet(positions_of(&account), &warnings);
        agent.drain();
        for event in rules.into_iter().chain(account) {
            agent.feed(event);
        }
        Ok(agent)
    }

    fn greet(&mut self, positions: usize, warnings: &[String]) {
        let mode = self.view().mode;
        let text = format!("Plimsoll is watching {positions} position(s) in {mode} mode.");
        self.say(ReportKind::Started, Severity::Info, text);
        for warning in warnings {
            self.say(
                ReportKind::Started,
                Severity::Warning,
                format!("Warning: {warning}."),
            );
        }
    }

    async fn serve(&mut self) {
        loop {
            let wake = self
                .guard
                .deadline()
                .map_or(Timestamp::MAX, |at| at.plus_ms(-self.offset_ms));
            let wake = wake.min(self.resync_at);
            tokio::select! {
                biased;
                stopped = self.channels.stop.changed() => {
                    if stopped.is_err() || *self.channels.stop.borrow() {
                        return;
                    }
                }
                Some((answer, busy)) = self.pending.next(), if !self.pending.is_empty() => {
                    self.answered(answer);
                    drop(busy);
                }
                incoming = self.port.next() => self.arrived(incoming),
                Some(request) = self.channels.requests.recv() => self.requested(request),
                () = self.clock.sleep_until(wake) => self.woken(),
            }
        }
    }

    /// Lets requests in flight end, so that their outcome is in the journal.
    async fn farewell(&mut self) {
        let deadline = tokio::time::sleep(FAREWELL);
        tokio::pin!(deadline);
        while !self.pending.is_empty() {
            tokio::select! {
                biased;
                Some((answer, _busy)) = self.pending.next() => {
                    // Outcomes are recorded; whatever the guard would do next is left to the next start.
                    if let Answer::Outcome(intent, outcome) = answer {
                        self.record(&Entry::Outcome { intent, outcome });
                    }
                }
                () = &mut deadline => break,
            }
        }
        self.record(&Entry::Stopped {
            reason: "asked to stop".to_owned(),
        });
        self.port.close().await;
    }

    /// The venue's time as well as it is known.
    fn now(&self) -> Timestamp {
        self.clock.now().plus_ms(self.offset_ms)
    }

    fn view(&self) -> View {
        self.guard.view(self.now())
    }

    /// Venue time moves with our clock and with what is known of the venue's. A step of either is
    /// told to the guard before anything that came after it.
    fn watch_clock(&mut self) {
        let (wall, mono) = (self.clock.now(), self.clock.monotonic_ms());
        let offset_ms = self.port.clock_offset_ms();
        let stepped_ms = wall.since(self.seen_wall) - (mono - self.seen_mono);
        let gap_ms = stepped_ms + (offset_ms - self.offset_ms);
        (self.seen_wall, self.seen_mono) = (wall, mono);
        self.offset_ms = offset_ms;
        if stepped_ms.abs() > TOLERATED_JUMP_MS {
            self.resync_at = wall;
        }
        if gap_ms.abs() > TOLERATED_JUMP_MS {
            self.take(Event::TimeJump { gap_ms });
        }
    }

    fn woken(&mut self) {
        if self.clock.now() >= self.resync_at {
            self.resync_at = self.clock.now().plus_ms(RESYNC_MS);
            let port = Rc::clone(&self.port);
            self.push(async move { Answer::Synced(port.sync_clock().await) });
        }
        self.feed(Event::Tick);
    }

    fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Outcome(intent, outcome) => self.feed(Event::Outcome { intent, outcome }),
            Answer::Resolved(intent, resolution) => {
                self.feed(Event::Resolved { intent, resolution });
            }
            Answer::Read(_, Ok(events)) => events.into_iter().for_each(|event| self.feed(event)),
            Answer::Read(what, Err(error)) => {
                tracing::warn!(?what, %error, "read failed");
                self.feed(Event::RefreshFailed {
                    what,
                    message: error.to_string(),
                });
            }
            Answer::Synced(Ok(_)) => self.watch_clock(),
            Answer::Synced(Err(error)) => tracing::warn!(%error, "clock not measured"),
        }
    }

    fn arrived(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Frame { link, text } => {
                self.frame(link, &text);
                self.clock.frame_consumed();
            }
            Incoming::Up { link, busy } => {
                self.feed(Event::Link {
                    link,
                    up: true,
                    message: String::new(),
                });
                drop(busy);
            }
            Incoming::Down {
                link,
                message,
                busy,
            } => {
                tracing::warn!(?link, message, "stream down");
                self.feed(Event::Link {
                    link,
                    up: false,
                    message,
                });
                drop(busy);
            }
        }
    }

    fn frame(&mut self, link: Link, text: &str) {
        let mut events = std::mem::take(&mut self.decoded);
        if let Err(error) = self.port.decode(link, text, &mut events) {
            self.unreadable = self.unreadable.saturating_add(1);
            tracing::warn!(?link, %error, count = self.unreadable, "frame dropped");
        }
        for event in events.drain(..) {
            self.feed(event);
        }
        self.decoded = events;
    }

    fn requested(&mut self, request: Request) {
        match request {
            // A dropped receiver means that nobody waits any more.
            Request::View(reply) => drop(reply.send(self.view())),
            Request::Outlook(reply) => drop(reply.send(self.guard.outlook(self.now()))),
            Request::Command(command, reply) => {
                self.reply = None;
                self.feed(Event::Command(command));
                let text = self.reply.take().unwrap_or_default();
                let refused = text.starts_with("Refused") || text.starts_with("Not sent");
                drop(reply.send(if refused { Err(text) } else { Ok(text) }));
            }
        }
    }

    fn feed(&mut self, event: Event) {
        self.watch_clock();
        self.take(event);
    }

    /// One input, then drain.
    fn take(&mut self, event: Event) {
        let pictures = matches!(event, Event::Account(_));
        let now = self.now();
        self.guard.handle(event, now);
        self.drain();
        if pictures {
            self.follow();
        }
    }

    fn drain(&mut self) {
        while let Some(action) = self.guard.next_action() {
            self.act(action);
        }
    }

    fn follow(&mut self) {
        let symbols = self.guard.symbols();
        if symbols.iter().any(|symbol| !self.followed.contains(symbol)) || self.followed.is_empty()
        {
            self.port.follow(&symbols);
            self.followed = symbols;
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Record(entry) => self.record(&entry),
            Action::Send(intent) if self.armed => {
                let port = Rc::clone(&self.port);
                self.push(async move {
                    let outcome = port.send(&intent).await;
                    Answer::Outcome(intent.id, outcome)
                });
            }
            Action::Send(intent) => {
                // The guard never asks for this; should it, nothing leaves in watch mode.
                let message = "not sent: the configuration says watch".to_owned();
                let outcome = Outcome::Rejected {
                    reaction: Reaction::Powerless,
                    code: None,
                    message,
                };
                self.push(async move { Answer::Outcome(intent.id, outcome) });
            }
            Action::Resolve { intent, sent_at } => {
                let port = Rc::clone(&self.port);
                self.push(async move {
                    let resolution = port.resolve(&intent, sent_at).await;
                    Answer::Resolved(intent.id, resolution)
                });
            }
            Action::Refresh(what) => self.refresh(what),
            Action::Ask(question) => self.notify(&Notice::Ask(question)),
            Action::Unask { intent, text } => self.notify(&Notice::Unask { intent, text }),
            Action::Report(report) => {
                if report.kind == ReportKind::Mode {
                    self.reply.get_or_insert_with(|| report.text.clone());
                }
                self.notify(&Notice::Report(report));
            }
        }
    }

    fn refresh(&mut self, what: Refresh) {
        let port = Rc::clone(&self.port);
        let symbols = self.guard.symbols();
        self.push(async move {
            let events = match what {
                Refresh::Account => port.account().await,
                Refresh::Rules => port.rules(&symbols).await,
                Refresh::History => port.history(&symbols).await,
            };
            Answer::Read(what, events)
        });
    }

    fn push(&self, work: impl Future<Output = Answer> + 'static) {
        let busy = self.clock.busy();
        self.pending
            .push(Box::pin(async move { (work.await, busy) }));
    }

    fn record(&mut self, entry: &Entry) {
        let at = self.now();
        if let Err(error) = self.journal.append(at, entry) {
            tracing::error!(%error, "journal");
            self.say(
                ReportKind::Powerless,
                Severity::Alarm,
                format!("JOURNAL: {error}. Guarding goes on."),
            );
        }
    }

    fn say(&mut self, kind: ReportKind, severity: Severity, text: String) {
        let at = self.now();
        let report = Report {
            at,
            kind,
            severity,
            scope: None,
            intent: None,
            text,
        };
        self.notify(&Notice::Report(report));
    }

    fn notify(&mut self, notice: &Notice) {
        (self.channels.listener)(notice);
    }
}

/// Measures the venue's clock; a few tries, because a start often meets a network that is not up yet.
async fn first_contact<P: Port>(port: &P) -> Result<i64, ExchangeError> {
    let mut tries = 1;
    loop {
        match port.sync_clock().await {
            Err(ExchangeError::Unreachable { .. }) if tries < START_TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            other => return other,
        }
    }
}

fn positions_of(events: &[Event]) -> usize {
    let mut positions = 0;
    for event in events {
        if let Event::Account(account) = event {
            positions += account.positions.len();
        }
    }
    positions
}

fn symbols_of(events: &[Event]) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    for event in events {
        if let Event::Account(account) = event {
            symbols.extend(
                account
                    .positions
                    .iter()
                    .map(|position| position.key.symbol.clone()),
            );
        }
    }
    symbols.sort();
    symbols.dedup();
    symbols
}
