//! Who gets which frame: connections, subscriptions, the counting of frames.

use std::collections::BTreeMap;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::domain::Symbol;
use crate::sim::AccountId;

/// Frames waiting per connection; a consumer that falls this far behind is closed.
pub(super) const QUEUE_MAX: usize = 16_384;
/// Streams per connection. Source: venue page "WebSocket Market Streams", 2026-11.
pub(super) const STREAMS_MAX: usize = 1_024;

/// The three roads of the venue's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamLink {
    /// Books.
    Public,
    /// Mark prices and trades.
    Market,
    /// User data.
    Private,
}

/// A market stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stream {
    Mark(Symbol),
    AllMarks,
    BookTicker(Symbol),
    /// The best 5, 10 or 20 levels.
    Top(Symbol, u8),
    /// Changes of the whole book.
    Diff(Symbol),
    /// Accepted and never served: misspelt, unknown or on the wrong road.
    Silent,
}

impl Stream {
    /// Reads a stream name such as `btcusdt@markPrice@1s`.
    pub(super) fn parse(name: &str) -> Self {
        let mut parts = name.split('@');
        let head = parts.next().unwrap_or_default();
        let kind = parts.next().unwrap_or_default();
        let speed = parts.next();
        let symbol = Symbol::new(&head.to_uppercase());
        let book_speed = matches!(speed, None | Some("100ms" | "500ms"));
        match kind {
            "arr" if head == "!markPrice" => Self::AllMarks,
            "markPrice" if matches!(speed, None | Some("1s")) => Self::Mark(symbol),
            "bookTicker" if speed.is_none() => Self::BookTicker(symbol),
            "depth" if book_speed => Self::Diff(symbol),
            "depth5" if book_speed => Self::Top(symbol, 5),
            "depth10" if book_speed => Self::Top(symbol, 10),
            "depth20" if book_speed => Self::Top(symbol, 20),
            _ => Self::Silent,
        }
    }

    fn link(&self) -> StreamLink {
        match self {
            Self::Mark(_) | Self::AllMarks => StreamLink::Market,
            Self::BookTicker(_) | Self::Top(..) | Self::Diff(_) | Self::Silent => {
                StreamLink::Public
            }
        }
    }
}

/// One open WebSocket connection.
pub(super) struct Connection {
    /// Dropped to close the connection after what is queued.
    out: mpsc::Sender<Utf8Bytes>,
    /// Fired to cut the connection at once.
    cut: oneshot::Sender<()>,
    /// The road it came by; `None` for the old undivided paths, which carry everything.
    link: Option<StreamLink>,
    /// Payloads are wrapped in an envelope that names the stream.
    combined: bool,
    /// Names in the order subscribed.
    names: Vec<String>,
    user: Option<(AccountId, String)>,
}

/// The two ends that a connection's task holds.
pub(super) struct Ends {
    pub(super) id: u64,
    pub(super) out: mpsc::Receiver<Utf8Bytes>,
    pub(super) cut: oneshot::Receiver<()>,
}

#[derive(Default)]
pub(super) struct Hub {
    connections: BTreeMap<u64, Connection>,
    /// Connection and name per served stream.
    listeners: BTreeMap<Stream, Vec<(u64, String)>>,
    stalled: Vec<StreamLink>,
    next_id: u64,
    pub(super) frames_sent: u64,
}

impl Hub {
    pub(super) fn open(&mut self, link: Option<StreamLink>, combined: bool) -> Ends {
        self.next_id += 1;
        let (out, receiver) = mpsc::channel(QUEUE_MAX);
        let (cut, watch) = oneshot::channel();
        self.connections.insert(
            self.next_id,
            Connection {
                out,
                cut,
                link,
                combined,
                names: Vec::new(),
                user: None,
            },
        );
        Ends {
            id: self.next_id,
            out: receiver,
            cut: watch,
        }
    }

    /// Forgets a connection: its writer closes after what is queued.
    pub(super) fn close(&mut self, id: u64) -> Option<Connection> {
        let gone = self.connections.remove(&id);
        if gone.is_some() {
            for listeners in self.listeners.values_mut() {
                listeners.retain(|(listener, _)| *listener != id);
            }
            self.listeners.retain(|_, listeners| !listeners.is_empty());
        }
        gone
    }

    /// Adds a market stream. False when the connection has too many.
    pub(super) fn subscribe(&mut self, id: u64, name: &str) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else {
            return false;
        };
        if connection.names.iter().any(|known| known == name) {
            return true;
        }
        if connection.names.len() >= STREAMS_MAX {
            return false;
        }
        connection.names.push(name.to_owned());
        let stream = Stream::parse(name);
        let served = connection.link.is_none_or(|link| link == stream.link());
        if served && stream != Stream::Silent {
            let listeners = self.listeners.entry(stream).or_default();
            listeners.push((id, name.to_owned()));
        }
        true
    }

    pub(super) fn unsubscribe(&mut self, id: u64, name: &str) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.names.retain(|known| known != name);
        }
        if let Some(listeners) = self.listeners.get_mut(&Stream::parse(name)) {
            listeners.retain(|(listener, known)| *listener != id || known != name);
        }
        self.listeners.retain(|_, listeners| !listeners.is_empty());
    }

    pub(super) fn names(&self, id: u64) -> Vec<String> {
        self.connections
            .get(&id)
            .map_or_else(Vec::new, |connection| connection.names.clone())
    }

    /// Lets a connection hear an account; only the private road and the old paths carry it.
    pub(super) fn attach_user(&mut self, id: u64, account: AccountId, key: &str) {
        if let Some(connection) = self.connections.get_mut(&id)
            && connection
                .link
                .is_none_or(|link| link == StreamLink::Private)
        {
            connection.user = Some((account, key.to_owned()));
        }
    }

    /// Connections stop hearing the account of this listen key.
    pub(super) fn detach_key(&mut self, key: &str) {
        for connection in self.connections.values_mut() {
            if connection.user.as_ref().is_some_and(|(_, k)| k == key) {
                connection.user = None;
            }
        }
    }

    pub(super) fn wanted(&self, stream: &Stream) -> bool {
        self.listeners.contains_key(stream) && !self.stalled.contains(&stream.link())
    }

    /// Levels of partial books that somebody wants for `symbol`.
    pub(super) fn wanted_tops(&self, symbol: &Symbol) -> Vec<u8> {
        let mut tops = vec![5, 10, 20];
        tops.retain(|levels| self.wanted(&Stream::Top(symbol.clone(), *levels)));
        tops
    }

    /// Sends one payload to all who subscribed to `stream`; serialised once.
    pub(super) fn publish(&mut self, stream: &Stream, payload: String) {
        if !self.wanted(stream) {
            return;
        }
        let listeners = self.listeners.get(stream).cloned().unwrap_or_default();
        let plain = Utf8Bytes::from(payload);
        let mut wrapped: Option<(String, Utf8Bytes)> = None;
        for (id, name) in listeners {
            let combined = self.connections.get(&id).is_some_and(|c| c.combined);
            let frame = if combined {
                let fits = wrapped.as_ref().filter(|(known, _)| *known == name);
                let text = fits.map_or_else(|| envelope(&name, &plain), |(_, text)| text.clone());
                wrapped = Some((name, text.clone()));
                text
            } else {
                plain.clone()
            };
            self.send(id, frame);
        }
    }

    /// Sends user data to every connection that hears `account`.
    pub(super) fn publish_private(&mut self, account: AccountId, payload: &str) {
        if self.stalled.contains(&StreamLink::Private) {
            return;
        }
        let listeners: Vec<(u64, Utf8Bytes)> = self
            .connections
            .iter()
            .filter_map(|(id, connection)| {
                let (owner, key) = connection.user.as_ref()?;
                let frame = if connection.combined {
                    envelope(key, payload)
                } else {
                    Utf8Bytes::from(payload)
                };
                (*owner == account).then_some((*id, frame))
            })
            .collect();
        for (id, frame) in listeners {
            self.send(id, frame);
        }
    }

    /// Queues a frame; a connection that cannot take it is cut.
    pub(super) fn send(&mut self, id: u64, frame: Utf8Bytes) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        if connection.out.try_send(frame).is_ok() {
            self.frames_sent += 1;
        } else if let Some(gone) = self.close(id) {
            // The task may be gone already; then there is nobody to tell.
            let _ = gone.cut.send(());
        }
    }

    pub(super) fn stall(&mut self, link: StreamLink, on: bool) {
        self.stalled.retain(|stalled| *stalled != link);
        if on {
            self.stalled.push(link);
        }
    }

    /// Closes every connection that carries `link`, after what is queued.
    pub(super) fn close_link(&mut self, link: StreamLink) {
        let carries = |connection: &Connection| match connection.link {
            Some(road) => road == link,
            None => {
                let private = connection.user.is_some() && link == StreamLink::Private;
                let mut names = connection.names.iter();
                private || names.any(|name| Stream::parse(name).link() == link)
            }
        };
        let doomed: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, connection)| carries(connection))
            .map(|(id, _)| *id)
            .collect();
        for id in doomed {
            self.close(id);
        }
    }

    /// Open connections.
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }
}

fn envelope(name: &str, payload: &str) -> Utf8Bytes {
    Utf8Bytes::from(format!("{{\"stream\":\"{name}\",\"data\":{payload}}}"))
}
