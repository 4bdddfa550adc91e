//! WebSocket connections: roads, subscriptions, control frames, one task per connection.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{RawQuery, State};
use axum::http::Uri;
use axum::response::Response;
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::hub::{Ends, Stream, StreamLink};
use super::server::{FaceTime, Shared};

/// Between two pings of ours, on the wall clock. Source: venue page "Connect", 2026-11.
const PING_EVERY: Duration = Duration::from_secs(180);
/// Frames written to the socket before it is flushed.
const BATCH_MAX: usize = 64;
/// Bytes of one incoming frame.
const INCOMING_MAX: usize = 64 * 1024;

/// What the path and query of a connection ask for.
struct Wish {
    link: Option<StreamLink>,
    combined: bool,
    streams: Vec<String>,
    listen_key: Option<String>,
}

impl Wish {
    fn read(path: &str, query: &str) -> Self {
        let (link, rest) = match path.trim_start_matches('/').split_once('/') {
            Some(("public", rest)) => (Some(StreamLink::Public), rest),
            Some(("market", rest)) => (Some(StreamLink::Market), rest),
            Some(("private", rest)) => (Some(StreamLink::Private), rest),
            Some(_) | None => (None, path.trim_start_matches('/')),
        };
        let combined = rest == "stream" || rest.starts_with("stream/");
        let mut wish = Self {
            link,
            combined,
            streams: Vec::new(),
            listen_key: None,
        };
        if let Some(names) = rest.strip_prefix("ws/") {
            wish.add(names);
        }
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "listenKey" => wish.listen_key = Some(value.to_owned()),
                "streams" => wish.add(value),
                _ => {}
            }
        }
        wish
    }

    fn add(&mut self, names: &str) {
        let decoded = percent_encoding::percent_decode_str(names).decode_utf8_lossy();
        let names = decoded.split('/').filter(|name| !name.is_empty());
        self.streams.extend(names.map(str::to_owned));
    }
}

/// Takes a WebSocket connection on any of the venue's paths. It hears its streams from before the
/// client learns that it is connected, so that nothing between the two is missed.
pub(super) async fn connect(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    upgrade: WebSocketUpgrade,
) -> Response {
    let wish = Wish::read(uri.path(), query.as_deref().unwrap_or_default());
    let ends = open(&mut shared.lock(), &wish);
    let (id, failed) = (ends.id, Arc::clone(&shared));
    upgrade
        .max_message_size(INCOMING_MAX)
        .on_failed_upgrade(move |_| drop(failed.lock().hub.close(id)))
        .on_upgrade(move |socket| async move {
            run(&shared, socket, ends).await;
            shared.lock().hub.close(id);
        })
}

fn open(state: &mut super::gate::State, wish: &Wish) -> Ends {
    let ends = state.hub.open(wish.link, wish.combined);
    for name in wish.streams.iter().chain(wish.listen_key.iter()) {
        follow(state, ends.id, name);
    }
    ends
}

/// Subscribes to a stream name, which may be a listen key. False when there are too many.
fn follow(state: &mut super::gate::State, id: u64, name: &str) -> bool {
    if let Some(key) = state.listen_keys.get(name) {
        let account = key.account;
        state.hub.attach_user(id, account, name);
        return true;
    }
    state.remember_baseline(&Stream::parse(name));
    state.hub.subscribe(id, name)
}

/// Serves one connection until either side closes it.
async fn run(shared: &Arc<Shared>, mut socket: WebSocket, ends: Ends) {
    let Ends {
        id,
        mut out,
        mut cut,
    } = ends;
    let wall = matches!(shared.options.time, FaceTime::Wall);
    let mut ping = tokio::time::interval_at(tokio::time::Instant::now() + PING_EVERY, PING_EVERY);
    let mut stop = shared.stop.subscribe();
    let life = shared.options.connection_life;
    let end_of_life = async move {
        match life {
            Some(life) => tokio::time::sleep(life).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end_of_life);
    let mut watch_cut = true;
    loop {
        tokio::select! {
            biased;
            was_cut = &mut cut, if watch_cut => match was_cut {
                Ok(()) => return,
                Err(_) => watch_cut = false,
            },
            () = stopped(&mut stop) => return,
            frame = out.recv() => match frame {
                Some(frame) => if write(&mut socket, frame, &mut out).await.is_err() { return },
                None => { close(&mut socket).await; return }
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => control(shared, id, &text),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {}
            },
            _ = ping.tick(), if wall => {
                let payload = Message::Ping(shared.server_millis().to_string().into());
                if socket.send(payload).await.is_err() { return }
            },
            () = &mut end_of_life => { close(&mut socket).await; return }
        }
    }
}

/// Completes when the face shuts down.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the face is gone.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// Writes a frame and what is queued behind it, then flushes once.
async fn write(
    socket: &mut WebSocket,
    first: Utf8Bytes,
    out: &mut mpsc::Receiver<Utf8Bytes>,
) -> Result<(), axum::Error> {
    socket.feed(Message::Text(first)).await?;
    for _ in 0..BATCH_MAX {
        let Ok(frame) = out.try_recv() else { break };
        socket.feed(Message::Text(frame)).await?;
    }
    socket.flush().await
}

async fn close(socket: &mut WebSocket) {
    let frame = CloseFrame {
        code: 1000,
        reason: Utf8Bytes::from_static(""),
    };
    // The peer may be gone already; closing is all that is left to do.
    let _ = socket.send(Message::Close(Some(frame))).await;
}

/// Answers SUBSCRIBE and its kin.
fn control(shared: &Arc<Shared>, id: u64, text: &str) {
    let mut state = shared.lock();
    let answer = match serde_json::from_str::<Value>(text) {
        Ok(request) => respond(&mut state, id, &request),
        Err(_) => json!({"error": {"code": 3, "msg": "Invalid JSON: expected value"}}),
    };
    state.hub.send(id, Utf8Bytes::from(answer.to_string()));
}

fn respond(state: &mut super::gate::State, id: u64, request: &Value) -> Value {
    let number = request.get("id").cloned().unwrap_or(Value::Null);
    let names: Vec<&str> = request
        .get("params")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    match request.get("method").and_then(Value::as_str) {
        Some("SUBSCRIBE") => {
            let all = names.iter().all(|name| follow(state, id, name));
            if !all {
                let error = json!({"code": 2, "msg": "Too many streams."});
                return json!({"error": error, "id": number});
            }
            json!({"result": null, "id": number})
        }
        Some("UNSUBSCRIBE") => {
            for name in names {
                state.hub.unsubscribe(id, name);
            }
            json!({"result": null, "id": number})
        }
        Some("LIST_SUBSCRIPTIONS") => json!({"result": state.hub.names(id), "id": number}),
        Some("SET_PROPERTY" | "GET_PROPERTY") => json!({"result": null, "id": number}),
        Some(_) | None => {
            let error = json!({"code": 2, "msg": "Invalid request: unknown method"});
            json!({"error": error, "id": number})
        }
    }
}
