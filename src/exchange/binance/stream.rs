//! The three kept connections: books, marks, and the account's own events.
//!
//! Purpose: what is followed stays followed, and the private stream stays open. Inputs: symbols.
//! It must never read a frame beyond its name; that is the decoder's.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::decode::leading_name;
use super::errors::Play;
use super::map;
use super::rest::{Failure, Host, Rest};
use super::sign::encode;
use super::wire::Head;
use crate::domain::Symbol;
use crate::exchange::Incoming;
use crate::guard::event::Link;
use crate::net::clock::Busy;
use crate::net::ws::{Command, Connection, QUEUE_COMMANDS_MAX, QUEUE_FRAMES_MAX, Received, Source};

/// Best twenty levels, each half second. Source: USDⓈ-M partial book depth streams, 2026-11.
const BOOK_STREAM: &str = "@depth20@500ms";
/// Mark price, index and funding, each second.
const MARK_STREAM: &str = "@markPrice@1s";
/// Streams named in an address; the rest is subscribed once the connection stands.
const STREAMS_IN_ADDRESS_MAX: usize = 50;
/// Streams named in one subscription; the venue takes 200.
const STREAMS_IN_FRAME_MAX: usize = 100;
/// Streams per connection. Source: USDⓈ-M WebSocket limits, 2026-11.
const STREAMS_MAX: usize = 1_024;
/// Longest silence of marks, which come each second.
const MARK_AGE_MS: i64 = 20_000;
/// Longest silence of books, which need not change in a quiet market.
const BOOK_AGE_MS: i64 = 300_000;
/// A listen key lives an hour; it is prolonged well before half of it.
const KEEP_ALIVE_MS: i64 = 25 * 60_000;
/// Pause before prolonging again after a failure.
const KEEP_ALIVE_RETRY_MS: i64 = 60_000;
/// Wall-clock limit of closing all connections.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// All connections of one adapter.
pub(super) struct Streams {
    rest: Arc<Rest>,
    queue: mpsc::Sender<Received<Link>>,
    frames: tokio::sync::Mutex<mpsc::Receiver<Received<Link>>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    books: Option<Feed>,
    marks: Option<Feed>,
    private: Option<mpsc::Sender<Command>>,
    tasks: Vec<JoinHandle<()>>,
    /// The only task that does not end with its connection.
    keep_alive: Option<JoinHandle<()>>,
}

/// A market connection seen from outside.
struct Feed {
    wanted: Arc<Mutex<BTreeSet<String>>>,
    commands: mpsc::Sender<Command>,
}

impl Streams {
    pub(super) fn new(rest: Arc<Rest>) -> Self {
        let (queue, frames) = mpsc::channel(QUEUE_FRAMES_MAX);
        Self {
            rest,
            queue,
            frames: tokio::sync::Mutex::new(frames),
            state: Mutex::default(),
        }
    }

    /// Opens what is not open yet and extends what is. Must be called within a runtime.
    pub(super) fn follow(&self, symbols: &[Symbol]) {
        if tokio::runtime::Handle::try_current().is_err() {
            tracing::error!("streams can only be opened within the runtime");
            return;
        }
        let mut state = lock(&self.state);
        if state.private.is_none() {
            self.open_private(&mut state);
        }
        if symbols.is_empty() {
            return;
        }
        let books = names(symbols, BOOK_STREAM);
        match &state.books {
            Some(feed) => feed.extend(books, self.rest.clock.busy()),
            None => state.books = Some(self.open_feed(Link::Public, books, &mut state.tasks)),
        }
        let marks = names(symbols, MARK_STREAM);
        match &state.marks {
            Some(feed) => feed.extend(marks, self.rest.clock.busy()),
            None => state.marks = Some(self.open_feed(Link::Market, marks, &mut state.tasks)),
        }
    }

    fn open_feed(
        &self,
        link: Link,
        streams: BTreeSet<String>,
        tasks: &mut Vec<JoinHandle<()>>,
    ) -> Feed {
        let settings = &self.rest.settings;
        let (base, data_age_ms) = match link {
            Link::Public => (&settings.ws_public, BOOK_AGE_MS),
            Link::Market | Link::Private => (&settings.ws_market, MARK_AGE_MS),
        };
        let wanted = Arc::new(Mutex::new(streams));
        let source = MarketSource {
            base: base.clone(),
            wanted: Arc::clone(&wanted),
            asked: BTreeSet::new(),
            requests: 0,
        };
        let (connection, commands) = self.connection(link, Some(data_age_ms));
        tasks.push(tokio::spawn(connection.run(source, self.rest.clock.busy())));
        Feed { wanted, commands }
    }

    fn open_private(&self, state: &mut State) {
        let (connection, commands) = self.connection(Link::Private, None);
        let rest = Arc::clone(&self.rest);
        let source = PrivateSource { rest };
        let busy = self.rest.clock.busy();
        state.tasks.push(tokio::spawn(connection.run(source, busy)));
        let rest = Arc::clone(&self.rest);
        let renew = commands.clone();
        state.keep_alive = Some(tokio::spawn(keep_alive(rest, renew)));
        state.private = Some(commands);
    }

    fn connection(
        &self,
        link: Link,
        data_age_ms: Option<i64>,
    ) -> (Connection<Link>, mpsc::Sender<Command>) {
        let (sender, commands) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let connection = Connection {
            tag: link,
            clock: self.rest.clock.clone(),
            queue: self.queue.clone(),
            commands,
            data_age_ms,
            seed: match link {
                Link::Public => 1,
                Link::Market => 2,
                Link::Private => 3,
            },
        };
        (connection, sender)
    }

    /// The next thing that arrived. May be dropped and called again without losing anything.
    pub(super) async fn next(&self) -> Incoming {
        match self.frames.lock().await.recv().await {
            Some(Received::Text { tag: link, text }) => Incoming::Frame { link, text },
            Some(Received::Up { tag: link, busy }) => Incoming::Up { link, busy },
            Some(Received::Down {
                tag: link,
                message,
                busy,
            }) => Incoming::Down {
                link,
                message,
                busy,
            },
            // Unreachable while this struct holds a sender.
            None => std::future::pending().await,
        }
    }

    /// Closes all connections. The listen key stays: other programs of the trader may use it.
    pub(super) async fn close(&self) {
        let (tasks, commands) = {
            let mut state = lock(&self.state);
            let feeds = [state.books.take(), state.marks.take()];
            let mut commands: Vec<_> = feeds.into_iter().flatten().map(|f| f.commands).collect();
            commands.extend(state.private.take());
            if let Some(keep_alive) = state.keep_alive.take() {
                keep_alive.abort();
            }
            (std::mem::take(&mut state.tasks), commands)
        };
        for command in &commands {
            let _ = command.try_send(Command::Close);
        }
        let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
        let finished = async {
            for task in tasks {
                let _ = task.await;
            }
        };
        let drained = async {
            loop {
                if let Incoming::Frame { .. } = self.next().await {
                    self.rest.clock.frame_consumed();
                }
            }
        };
        tokio::select! {
            biased;
            _ = tokio::time::timeout(CLOSE_TIMEOUT, finished) => {}
            () = drained => {}
        }
        aborts.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        let state = lock(&self.state);
        let tasks = state.tasks.iter().chain(&state.keep_alive);
        tasks.for_each(JoinHandle::abort);
    }
}

impl Feed {
    fn extend(&self, streams: BTreeSet<String>, busy: Busy) {
        lock(&self.wanted).extend(streams);
        // A full queue holds a request for the same already.
        let _ = self.commands.try_send(Command::Refresh(busy));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn names(symbols: &[Symbol], stream: &str) -> BTreeSet<String> {
    symbols
        .iter()
        .map(|symbol| format!("{}{stream}", symbol.as_str().to_lowercase()))
        .collect()
}

/// Public and market connections: streams named in the address, later ones subscribed.
struct MarketSource {
    base: String,
    wanted: Arc<Mutex<BTreeSet<String>>>,
    /// Asked for on the present connection.
    asked: BTreeSet<String>,
    requests: u64,
}

#[derive(Serialize)]
struct Subscription<'a> {
    method: &'static str,
    params: &'a [&'a String],
    id: u64,
}

impl Source for MarketSource {
    async fn address(&mut self) -> Result<String, String> {
        let wanted = lock(&self.wanted);
        self.asked = wanted
            .iter()
            .take(STREAMS_IN_ADDRESS_MAX)
            .cloned()
            .collect();
        drop(wanted);
        let mut address = format!("{}/ws", self.base);
        for name in &self.asked {
            address.push('/');
            // `@` separates name and stream and is legal in a path.
            let parts: Vec<String> = name
                .split('@')
                .map(|part| encode(part).to_string())
                .collect();
            address.push_str(&parts.join("@"));
        }
        Ok(address)
    }

    fn pending(&mut self) -> Vec<String> {
        let wanted = lock(&self.wanted);
        let room = STREAMS_MAX.saturating_sub(self.asked.len());
        let fresh: Vec<String> = wanted.difference(&self.asked).take(room).cloned().collect();
        drop(wanted);
        let mut frames = Vec::new();
        for chunk in fresh.chunks(STREAMS_IN_FRAME_MAX) {
            self.requests += 1;
            let params: Vec<&String> = chunk.iter().collect();
            let subscription = Subscription {
                method: "SUBSCRIBE",
                params: &params,
                id: self.requests,
            };
            frames.extend(serde_json::to_string(&subscription).ok());
        }
        self.asked.extend(fresh);
        frames
    }

    fn outdated(&mut self, _text: &str) -> Option<&'static str> {
        None
    }
}

/// The account's own events: each connection begins with a listen key that stands.
struct PrivateSource {
    rest: Arc<Rest>,
}

impl Source for PrivateSource {
    async fn address(&mut self) -> Result<String, String> {
        let key = self.rest.open_listen_key().await.map_err(|failure| {
            let host = self.rest.host_name(Host::Futures);
            failure.into_error(host).to_string()
        })?;
        let base = &self.rest.settings.ws_private;
        Ok(format!("{base}/ws?listenKey={}", encode(&key)))
    }

    fn pending(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn outdated(&mut self, text: &str) -> Option<&'static str> {
        const NAME: &str = "listenKeyExpired";
        let expired = match leading_name(text) {
            Some(name) => name == NAME,
            None if !text.contains(NAME) => false,
            None => map::parse::<Head<'_>>(text).is_ok_and(|head| match (&head.e, head.data) {
                (Some(name), _) => &**name == NAME,
                (None, Some(data)) => leading_name(data.get()) == Some(NAME),
                (None, None) => false,
            }),
        };
        expired.then_some("the listen key expired")
    }
}

/// Prolongs the listen key; a key that is gone is replaced together with its connection.
async fn keep_alive(rest: Arc<Rest>, commands: mpsc::Sender<Command>) {
    let mut pause_ms = KEEP_ALIVE_MS;
    loop {
        rest.clock.sleep_ms(pause_ms).await;
        let busy = rest.clock.busy();
        pause_ms = match rest.prolong_listen_key().await {
            Ok(()) => KEEP_ALIVE_MS,
            Err(Failure::Refused {
                play: Play::NewListenKey,
                ..
            }) => {
                let renewal = Command::Reconnect("the listen key is gone");
                let _ = commands.try_send(renewal);
                KEEP_ALIVE_MS
            }
            Err(_) => KEEP_ALIVE_RETRY_MS,
        };
        drop(busy);
    }
}
