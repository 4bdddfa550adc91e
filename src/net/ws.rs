//! One WebSocket connection that is kept open: connect, read, answer pings, notice silence,
//! reconnect with back-off.
//!
//! Purpose: every text frame that arrives is handed over exactly once, in order, through a bounded
//! queue that slows the reader down instead of dropping. Inputs: a [`Source`] that knows addresses
//! and subscriptions. It must never know what a frame means, and no message of it may show an
//! address: addresses carry keys.

use std::future::Future;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::backoff::Backoff;
use super::clock::{Busy, Clock};

/// Frames that wait for the reader before the socket is slowed down.
pub const QUEUE_FRAMES_MAX: usize = 1_024;
/// Commands that wait for a connection; more of the same kind say nothing new.
pub const QUEUE_COMMANDS_MAX: usize = 16;
/// Largest message accepted; the largest one in use is a few kilobytes.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Wall-clock limit of name look-up, TCP, TLS and WebSocket handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Wall-clock limit of saying goodbye and reading what is still under way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Wall-clock period of the check that anything at all arrives, pings included.
const SILENCE_CHECK: Duration = Duration::from_secs(30);
/// Silent periods after which we ping ourselves.
const SILENT_CHECKS_TO_PING: u32 = 2;
/// Silent periods after which the connection counts as dead.
const SILENT_CHECKS_TO_DIE: u32 = 4;
/// Pause before the first new attempt and the longest one.
const BACKOFF_MS: (i64, i64) = (250, 30_000);
/// A connection that lived this long starts the back-off anew.
const STABLE_MS: i64 = 60_000;
/// Longest failure text that is passed on.
const MESSAGE_CHARS_MAX: usize = 200;

/// What arrived; `tag` says on which connection.
pub enum Received<T> {
    Text { tag: T, text: String },
    Up { tag: T, busy: Busy },
    Down { tag: T, message: String, busy: Busy },
}

/// What the owner of a connection may ask of it.
pub enum Command {
    /// The source has more to say: send [`Source::pending`].
    Refresh(Busy),
    /// Replace the connection for this reason.
    Reconnect(&'static str),
    /// Close and do not come back.
    Close,
}

/// Knows where to connect and what to ask for.
pub trait Source: Send + 'static {
    /// The address for one attempt. An error text must not contain secrets.
    fn address(&mut self) -> impl Future<Output = Result<String, String>> + Send;
    /// Text frames to send on the open connection now, each once.
    fn pending(&mut self) -> Vec<String>;
    /// Looks at a frame; a reason when this connection is of no more use.
    fn outdated(&mut self, text: &str) -> Option<&'static str>;
}

/// One kept connection.
pub struct Connection<T> {
    pub tag: T,
    pub clock: Clock,
    pub queue: mpsc::Sender<Received<T>>,
    pub commands: mpsc::Receiver<Command>,
    /// Longest silence of text frames on the given clock before reconnecting; `None`: a stream that
    /// may rightly be quiet.
    pub data_age_ms: Option<i64>,
    /// Seed of the back-off jitter.
    pub seed: u64,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why a conversation ended.
enum Ended {
    /// To be replaced.
    Broken(String),
    /// Closed by its owner, or nobody listens any more.
    Closed,
}

impl<T: Copy + Send + 'static> Connection<T> {
    /// Keeps the connection until it is told to close or nobody receives any more. `busy` keeps
    /// virtual time from running before the first attempt has begun.
    pub async fn run<S: Source>(mut self, mut source: S, busy: Busy) {
        let mut backoff = Backoff::new(BACKOFF_MS.0, BACKOFF_MS.1, self.seed);
        let mut first = Some(busy);
        let mut told_down = false;
        loop {
            let busy = first.take().unwrap_or_else(|| self.clock.busy());
            let message = match open(&mut source).await {
                Ok(socket) => {
                    told_down = false;
                    let tag = self.tag;
                    if self.queue.send(Received::Up { tag, busy }).await.is_err() {
                        return;
                    }
                    let since = self.clock.monotonic_ms();
                    let (ended, busy) = self.converse(socket, &mut source).await;
                    if self.clock.monotonic_ms() - since >= STABLE_MS {
                        backoff.reset();
                    }
                    match ended {
                        Ended::Broken(message) => Some((message, busy)),
                        Ended::Closed => return,
                    }
                }
                Err(message) => (!told_down).then_some((message, busy)),
            };
            if let Some((message, busy)) = message {
                let tag = self.tag;
                let down = Received::Down { tag, message, busy };
                told_down = true;
                if self.queue.send(down).await.is_err() {
                    return;
                }
            }
            if !self.pause(backoff.next_ms()).await {
                return;
            }
        }
    }

    /// Waits on the given clock; false when told to close meanwhile.
    async fn pause(&mut self, ms: i64) -> bool {
        let until = self.clock.now().plus_ms(ms);
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    // The next attempt asks the source anew, so there is nothing to keep.
                    Some(Command::Refresh(_) | Command::Reconnect(_)) => {}
                    Some(Command::Close) | None => return false,
                },
                () = self.clock.sleep_until(until) => return true,
            }
        }
    }

    /// Talks until the connection ends; the token returned was taken at that moment.
    async fn converse<S: Source>(&mut self, mut socket: Socket, source: &mut S) -> (Ended, Busy) {
        let ended = match self.listen(&mut socket, source).await {
            Stop::Dead(message) => return (Ended::Broken(message), self.clock.busy()),
            Stop::Leave(ended) => ended,
        };
        let busy = self.clock.busy();
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.leave(&mut socket)).await;
        (ended, busy)
    }

    async fn listen<S: Source>(&mut self, socket: &mut Socket, source: &mut S) -> Stop {
        let mut last_text = self.clock.now();
        let mut silent_checks = 0;
        let mut silence = tokio::time::interval(SILENCE_CHECK);
        silence.reset();
        if let Err(message) = say(socket, source.pending()).await {
            return Stop::Dead(message);
        }
        let clock = self.clock.clone();
        let age_limit = self.data_age_ms;
        let mut watch = Box::pin(watchdog(&clock, age_limit.map(|ms| last_text.plus_ms(ms))));
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(Command::Refresh(_busy)) => {
                        if let Err(message) = say(socket, source.pending()).await {
                            return Stop::Dead(message);
                        }
                    }
                    Some(Command::Reconnect(reason)) => {
                        return Stop::Leave(Ended::Broken(reason.to_owned()));
                    }
                    Some(Command::Close) | None => return Stop::Leave(Ended::Closed),
                },
                message = socket.next() => {
                    silent_checks = 0;
                    let text = match read(message) {
                        Read::Text(text) => text,
                        Read::Control => continue,
                        Read::End(message) => return Stop::Dead(message),
                    };
                    last_text = clock.now();
                    let outdated = source.outdated(&text);
                    if !self.hand_over(text).await {
                        return Stop::Leave(Ended::Closed);
                    }
                    if let Some(reason) = outdated {
                        return Stop::Leave(Ended::Broken(reason.to_owned()));
                    }
                }
                () = &mut watch => {
                    let limit = age_limit.unwrap_or(i64::MAX);
                    if clock.now().since(last_text) >= limit {
                        let text = format!("no data for {} s", limit / 1_000);
                        return Stop::Leave(Ended::Broken(text));
                    }
                    watch = Box::pin(watchdog(&clock, Some(last_text.plus_ms(limit))));
                }
                _ = silence.tick() => {
                    silent_checks += 1;
                    if silent_checks >= SILENT_CHECKS_TO_DIE {
                        return Stop::Dead("no byte received for two minutes".to_owned());
                    }
                    if silent_checks >= SILENT_CHECKS_TO_PING {
                        let ping = Message::Ping(Vec::new().into());
                        if let Err(error) = socket.send(ping).await {
                            return Stop::Dead(describe(&error));
                        }
                    }
                }
            }
        }
    }

    /// Says goodbye and hands over what the other side had already sent.
    async fn leave(&mut self, socket: &mut Socket) {
        let _ = socket.close(None).await;
        loop {
            match read(socket.next().await) {
                Read::Text(text) => {
                    if !self.hand_over(text).await {
                        return;
                    }
                }
                Read::Control => {}
                Read::End(_) => return,
            }
        }
    }

    async fn hand_over(&mut self, text: String) -> bool {
        let tag = self.tag;
        self.queue.send(Received::Text { tag, text }).await.is_ok()
    }
}

enum Stop {
    /// The socket is gone.
    Dead(String),
    /// The socket lives, we go.
    Leave(Ended),
}

enum Read {
    Text(String),
    Control,
    End(String),
}

fn read(message: Option<Result<Message, Error>>) -> Read {
    match message {
        Some(Ok(Message::Text(text))) => Read::Text(text.as_str().to_owned()),
        Some(Ok(Message::Binary(bytes))) => {
            Read::Text(String::from_utf8_lossy(&bytes).into_owned())
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Read::Control,
        Some(Ok(Message::Close(frame))) => Read::End(match frame {
            Some(frame) => format!("closed by the exchange with code {}", frame.code),
            None => "closed by the exchange".to_owned(),
        }),
        Some(Err(error)) => Read::End(describe(&error)),
        None => Read::End("the connection ended".to_owned()),
    }
}

async fn open<S: Source>(source: &mut S) -> Result<Socket, String> {
    let address = source.address().await?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let connecting = connect_async_with_config(address.as_str(), Some(config), true);
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok((socket, _answer))) => Ok(socket),
        Ok(Err(error)) => Err(describe(&error)),
        Err(_) => Err("connecting took too long".to_owned()),
    }
}

async fn say(socket: &mut Socket, frames: Vec<String>) -> Result<(), String> {
    for frame in frames {
        let sent = socket.send(Message::text(frame)).await;
        sent.map_err(|error| describe(&error))?;
    }
    Ok(())
}

async fn watchdog(clock: &Clock, at: Option<crate::domain::Timestamp>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Names the failure without the address, which some variants carry.
fn describe(error: &Error) -> String {
    let text = match error {
        Error::Http(answer) => format!("handshake answered with HTTP {}", answer.status()),
        Error::Url(_) | Error::HttpFormat(_) => "the address is unusable".to_owned(),
        Error::Io(error) => error.to_string(),
        Error::Tls(error) => format!("TLS: {error}"),
        Error::Protocol(error) => error.to_string(),
        Error::Capacity(error) => error.to_string(),
        Error::ConnectionClosed | Error::AlreadyClosed => "the connection ended".to_owned(),
        Error::Utf8(_) => "a frame is not text".to_owned(),
        Error::WriteBufferFull(_) => "the other side does not read".to_owned(),
        Error::AttackAttempt => "the handshake looks like an attack".to_owned(),
    };
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}
