//! A venue on loopback that answers what a test tells it to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use plimsoll::domain::{
    MarginMode, Money, PositionKey, PositionMode, PositionSide, Price, Quantity, Side, Symbol,
    Timestamp,
};
use plimsoll::exchange::binance::{BinanceSettings, BinanceUsdm, Credentials, Signer};
use plimsoll::guard::intent::{Before, Intent, IntentId, IntentKind, Scope};
use plimsoll::net::clock::Clock;
use secrecy::SecretString;
use tokio::sync::mpsc;

pub(crate) const START: i64 = 1_795_219_200_000;
pub(crate) const KEY: &str = "key-of-the-test";
pub(crate) const SECRET: &str = "secret-of-the-test";

/// One request as the venue saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) key: Option<String>,
}

impl Seen {
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// Panics unless the signature is the last parameter and fits everything before it.
    pub(crate) fn assert_signed(&self) {
        let (payload, signature) = self.query.split_once("&signature=").expect("signed");
        let signer = Signer::new(&SecretString::from(SECRET));
        assert_eq!(signer.sign(payload), signature, "{payload}");
        assert_eq!(self.key.as_deref(), Some(KEY));
    }
}

/// What the venue answers.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// Never answer at all.
    pub(crate) hang: bool,
}

impl Reply {
    pub(crate) fn ok(body: &str) -> Self {
        Self::status(200, body)
    }

    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
            hang: false,
        }
    }

    pub(crate) fn code(code: i64) -> Self {
        Self::status(400, &format!(r#"{{"code":{code},"msg":"as told"}}"#))
    }

    pub(crate) fn hang() -> Self {
        Self {
            hang: true,
            ..Self::ok("")
        }
    }

    pub(crate) fn with(mut self, header: &'static str, value: &str) -> Self {
        self.headers.push((header, value.to_owned()));
        self
    }
}

/// One stream connection seen from the venue.
pub(crate) struct Peer {
    /// Path and query it came with.
    pub(crate) address: String,
    pub(crate) say: mpsc::UnboundedSender<Say>,
    pub(crate) heard: mpsc::UnboundedReceiver<String>,
}

pub(crate) enum Say {
    Text(String),
    /// Break the connection without a word.
    Cut,
    /// Close with a frame.
    Close,
}

#[derive(Default)]
struct Script {
    /// Method and path, and the answers to it in order; the last one stays.
    answers: Vec<(String, VecDeque<Reply>)>,
    seen: Vec<Seen>,
}

/// The venue.
pub(crate) struct Venue {
    pub(crate) host: String,
    pub(crate) clock: Clock,
    script: Arc<Mutex<Script>>,
    peers: tokio::sync::Mutex<mpsc::UnboundedReceiver<Peer>>,
}

impl Venue {
    /// Starts on a free port with a clock that stands.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("port");
        let host = listener.local_addr().expect("address").to_string();
        let script = Arc::new(Mutex::new(Script::default()));
        let (arrived, peers) = mpsc::unbounded_channel();
        let shared = Arc::clone(&script);
        let app = Router::new().fallback(move |request: Request| {
            answer(Arc::clone(&shared), arrived.clone(), request)
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        let venue = Self {
            host,
            clock: Clock::manual(Timestamp::from_millis(START)),
            script,
            peers: tokio::sync::Mutex::new(peers),
        };
        venue.on(
            "GET /fapi/v1/time",
            &[Reply::ok(&format!(r#"{{"serverTime":{START}}}"#))],
        );
        venue.on(
            "POST /fapi/v1/listenKey",
            &[Reply::ok(r#"{"listenKey":"first-key"}"#)],
        );
        venue
    }

    /// What to answer to a method and path, in order; the last answer is repeated.
    pub(crate) fn on(&self, route: &str, replies: &[Reply]) {
        let mut script = self.script.lock().expect("script");
        script.answers.retain(|(known, _)| known != route);
        let replies = replies.iter().cloned().collect();
        script.answers.push((route.to_owned(), replies));
    }

    /// Requests to a method and path so far.
    pub(crate) fn seen(&self, route: &str) -> Vec<Seen> {
        let script = self.script.lock().expect("script");
        let fits = |seen: &&Seen| format!("{} {}", seen.method, seen.path) == route;
        script.seen.iter().filter(fits).cloned().collect()
    }

    pub(crate) fn settings(&self) -> BinanceSettings {
        let host = &self.host;
        BinanceSettings {
            rest: format!("http://{host}"),
            wallet_rest: format!("http://{host}/"),
            ws_public: format!("ws://{host}/public"),
            ws_market: format!("ws://{host}/market"),
            ws_private: format!("ws://{host}/private"),
            request_timeout: Duration::from_millis(300),
            connect_timeout: Duration::from_millis(200),
            ..BinanceSettings::default()
        }
    }

    pub(crate) fn adapter(&self) -> BinanceUsdm {
        adapter(self.settings(), self.clock.clone())
    }

    /// The next stream connection whose address begins so; others are dropped.
    pub(crate) async fn peer(&self, prefix: &str) -> Peer {
        loop {
            let peer = self.peers.lock().await.recv().await.expect("a peer");
            if peer.address.starts_with(prefix) {
                return peer;
            }
        }
    }
}

pub(crate) fn adapter(settings: BinanceSettings, clock: Clock) -> BinanceUsdm {
    let credentials = Credentials {
        api_key: SecretString::from(KEY),
        secret: SecretString::from(SECRET),
    };
    BinanceUsdm::new(settings, credentials, clock).expect("adapter")
}

async fn answer(
    script: Arc<Mutex<Script>>,
    arrived: mpsc::UnboundedSender<Peer>,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    let address = parts.uri.to_string();
    if parts.headers.contains_key("upgrade") {
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
        let upgrade = upgrade.expect("a WebSocket handshake");
        return upgrade.on_upgrade(move |socket| talk(socket, address, arrived));
    }
    let seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        key: parts
            .headers
            .get("X-MBX-APIKEY")
            .map(|key| key.to_str().expect("a key").to_owned()),
    };
    let reply = {
        let mut script = script.lock().expect("script");
        let route = format!("{} {}", seen.method, seen.path);
        script.seen.push(seen);
        let answers = script.answers.iter_mut().find(|(known, _)| *known == route);
        match answers {
            Some((_, replies)) if replies.len() > 1 => replies.pop_front(),
            Some((_, replies)) => replies.front().cloned(),
            None => None,
        }
    };
    let reply = reply.unwrap_or_else(|| Reply::status(404, "no such script"));
    if reply.hang {
        std::future::pending::<()>().await;
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response
        .body(Body::from(reply.body))
        .expect("response")
        .into_response()
}

async fn talk(mut socket: WebSocket, address: String, arrived: mpsc::UnboundedSender<Peer>) {
    let (say, mut orders) = mpsc::unbounded_channel();
    let (tell, heard) = mpsc::unbounded_channel();
    let _ = arrived.send(Peer {
        address,
        say,
        heard,
    });
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Say::Text(text)) => {
                    if socket.send(Message::Text(text.into())).await.is_err() {
                        return;
                    }
                }
                Some(Say::Close) => {
                    let _ = socket.send(Message::Close(None)).await;
                    return;
                }
                Some(Say::Cut) => return,
                // The test has lost interest; stay open.
                None => std::future::pending().await,
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => drop(tell.send(text.to_string())),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

/// A one-way isolated long of 0.5 BTC that is to be reduced.
pub(crate) fn reduce(sequence: u64, quantity: &str, bound: Option<&str>) -> Intent {
    Intent {
        id: IntentId::new("test", sequence),
        plan: 1,
        scope: Scope::Isolated(key(PositionSide::Both)),
        key: key(PositionSide::Both),
        side: Side::Long,
        margin_mode: MarginMode::Isolated,
        position_mode: PositionMode::OneWay,
        margin_asset: "USDT".to_owned(),
        kind: IntentKind::Reduce {
            quantity: quantity.parse().expect("quantity"),
            bound: bound.map(|price| price.parse::<Price>().expect("price")),
            recycle: false,
        },
        recycled: false,
        before: Before {
            quantity: "0.5".parse::<Quantity>().expect("quantity"),
            isolated_wallet: Money::ZERO,
            cross_wallet: Money::ZERO,
        },
        cost: Money::ZERO,
        reason: "a test".to_owned(),
        planned_at: Timestamp::from_millis(START),
    }
}

pub(crate) fn add_margin(sequence: u64, amount: &str) -> Intent {
    Intent {
        kind: IntentKind::AddMargin {
            amount: amount.parse().expect("amount"),
        },
        ..reduce(sequence, "0.1", None)
    }
}

/// The same in hedge mode.
pub(crate) fn hedged(mut intent: Intent, slot: PositionSide) -> Intent {
    intent.position_mode = PositionMode::Hedge;
    intent.key = key(slot);
    intent.scope = Scope::Isolated(key(slot));
    intent.side = if slot == PositionSide::Short {
        Side::Short
    } else {
        Side::Long
    };
    intent
}

pub(crate) fn key(position_side: PositionSide) -> PositionKey {
    PositionKey {
        symbol: Symbol::new("BTCUSDT"),
        position_side,
    }
}

pub(crate) fn take_back(sequence: u64, amount: &str) -> Intent {
    Intent {
        kind: IntentKind::TakeBack {
            amount: amount.parse().expect("amount"),
        },
        ..add_margin(sequence, amount)
    }
}
