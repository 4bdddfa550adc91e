//! Sockets, time and shutdown of the face.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request as HttpRequest, State as Shares};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::any;
use axum::serve::Listener;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::faults::{Effect, Fault};
use super::gate::{Reply, State};
use super::hub::StreamLink;
use super::params::Request;
use super::socket::{Cut, Loopback};
use super::streams;
use crate::domain::{SECOND_MS, Timestamp};
use crate::sim::Exchange;

/// Weight per minute and address. Source: `exchangeInfo.rateLimits`, 2026-10.
const WEIGHT_MAX: u32 = 2_400;
/// Bytes of a request body.
const BODY_MAX: usize = 64 * 1024;

/// Who moves the venue's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaceTime {
    /// The caller, by [`Face::advance_to`].
    Driven,
    /// The machine's clock; tapes must be stamped accordingly. Marks are repeated every second when
    /// the tapes have ended.
    Wall,
}

/// How a face is served.
#[derive(Debug, Clone)]
pub struct FaceOptions {
    /// Must be a loopback address; port 0 picks a free one.
    pub listen: SocketAddr,
    pub time: FaceTime,
    /// Request weight allowed per minute.
    pub weight_per_minute: u32,
    /// Closes stream connections after this long, as the venue does after 24 hours.
    pub connection_life: Option<Duration>,
}

impl FaceOptions {
    /// Any free port of 127.0.0.1, the venue's own limits, no forced closes.
    #[must_use]
    pub fn new(time: FaceTime) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            time,
            weight_per_minute: WEIGHT_MAX,
            connection_life: None,
        }
    }
}

/// Where the face is reached. All share one port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Urls {
    pub rest: String,
    /// Base of the undivided stream paths `/ws` and `/stream`.
    pub ws: String,
    /// Base of wallet requests (`/sapi`).
    pub wallet_rest: String,
    pub ws_public: String,
    pub ws_market: String,
    pub ws_private: String,
}

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    pub method: String,
    pub path: String,
    /// Venue time of arrival.
    pub at: Timestamp,
    /// Query and body, without the signature.
    pub query: String,
}

pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) options: FaceOptions,
    /// Counts releases of held requests.
    released: watch::Sender<u64>,
    pub(super) stop: watch::Sender<bool>,
    /// Set at shutdown: connections that are still open carry nothing any more.
    down: Arc<AtomicBool>,
}

/// A running simulated exchange.
pub struct Face {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Face {
    /// Binds and serves. Call it within a tokio runtime; a current-thread one will do.
    ///
    /// # Errors
    /// When the address is not loopback or cannot be bound.
    pub fn start(exchange: Exchange, options: FaceOptions) -> io::Result<Self> {
        if !options.listen.ip().is_loopback() {
            let text = "the simulated exchange listens on loopback addresses only";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let listener = std::net::TcpListener::bind(options.listen)?;
        listener.set_nonblocking(true)?;
        let down = Arc::new(AtomicBool::new(false));
        let listener = Loopback::new(TcpListener::from_std(listener)?, Arc::clone(&down));
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(exchange, options.weight_per_minute)),
            options,
            released: watch::Sender::new(0),
            stop: watch::Sender::new(false),
            down,
        });
        let mut tasks = vec![tokio::spawn(serve(listener, Arc::clone(&shared)))];
        if shared.options.time == FaceTime::Wall {
            tasks.push(tokio::spawn(play(Arc::clone(&shared))));
        }
        Ok(Self {
            shared,
            address,
            tasks,
        })
    }

    /// Where clients reach it.
    #[must_use]
    pub fn urls(&self) -> Urls {
        let address = self.address;
        Urls {
            rest: format!("http://{address}"),
            ws: format!("ws://{address}"),
            wallet_rest: format!("http://{address}"),
            ws_public: format!("ws://{address}/public"),
            ws_market: format!("ws://{address}/market"),
            ws_private: format!("ws://{address}/private"),
        }
    }

    /// Text frames queued to open WebSocket connections so far, acknowledgements included.
    #[must_use]
    pub fn frames_sent(&self) -> u64 {
        self.shared.lock().hub.frames_sent
    }

    /// Open WebSocket connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.lock().hub.len()
    }

    /// Plays the model until `at` and queues its frames before returning. For driven time.
    pub fn advance_to(&self, at: Timestamp) {
        self.shared.lock().advance_to(at);
    }

    /// When the next mark is due; `None` when all tapes have ended.
    #[must_use]
    pub fn next_tick(&self) -> Option<Timestamp> {
        self.shared.lock().exchange.next_tick()
    }

    /// Direct access to the model; what changes is announced to clients before this returns.
    pub fn with<T>(&self, act: impl FnOnce(&mut Exchange) -> T) -> T {
        let mut state = self.shared.lock();
        let result = act(&mut state.exchange);
        state.publish_notices();
        result
    }

    /// Breaks requests to come.
    pub fn inject(&self, fault: Fault) {
        self.shared.lock().faults.add(fault);
    }

    /// Forgets faults that have not struck yet.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Lets all held requests go on.
    pub fn release(&self) {
        self.shared.released.send_modify(|count| *count += 1);
    }

    /// Streams of `link` stay open and fall silent; what happens meanwhile is not sent later.
    pub fn stall(&self, link: StreamLink) {
        self.shared.lock().hub.stall(link, true);
    }

    /// Ends [`Self::stall`].
    pub fn unstall(&self, link: StreamLink) {
        self.shared.lock().hub.stall(link, false);
    }

    /// Closes all connections of `link` after what is queued.
    pub fn close_streams(&self, link: StreamLink) {
        self.shared.lock().hub.close_link(link);
    }

    /// Ends all listen keys, with the venue's notice.
    pub fn expire_listen_key(&self) {
        self.shared.lock().expire_listen_keys(true);
    }

    /// The last requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.lock().records.iter().cloned().collect()
    }

    /// Stops serving and closes every connection. Dropping the face does the same.
    pub fn shutdown(&self) {
        self.shared.down.store(true, Ordering::Release);
        self.shared.stop.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Face {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl Shared {
    /// The one lock; never held across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.options.time == FaceTime::Wall {
            state.advance_to(wall_now());
        }
        state
    }

    pub(super) fn server_millis(&self) -> i64 {
        self.lock().exchange.now().as_millis()
    }
}

fn wall_now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Plays the tapes on the machine's clock.
async fn play(shared: Arc<Shared>) {
    loop {
        let now = wall_now();
        // Locking plays what is due.
        let next = shared.lock().exchange.next_tick();
        let wait = next.map_or(SECOND_MS, |at| at.since(now).clamp(1, SECOND_MS));
        tokio::time::sleep(Duration::from_millis(wait.unsigned_abs())).await;
        if next.is_none() {
            let mut state = shared.lock();
            state.exchange.repeat_marks(wall_now());
            state.publish_notices();
        }
    }
}

async fn serve(listener: Loopback, shared: Arc<Shared>) {
    let mut router = Router::new().fallback(rest);
    for road in ["", "/public", "/market", "/private"] {
        for end in ["/ws", "/ws/{*streams}", "/stream"] {
            router = router.route(&format!("{road}{end}"), any(streams::connect));
        }
    }
    let router = router.with_state(shared);
    let service = router.into_make_service_with_connect_info::<Cut>();
    // Serving ends only with the task.
    let _ = axum::serve(listener, service).await;
}

async fn rest(
    Shares(shared): Shares<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: HttpRequest,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_MAX)
        .await
        .unwrap_or_default();
    let header = parts.headers.get("X-MBX-APIKEY");
    let request = Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
        api_key: header.and_then(|key| key.to_str().ok()).map(str::to_owned),
    };
    let effect = {
        let mut state = shared.lock();
        state.record(&request);
        state.faults.strike(&request.method, &request.path)
    };
    let reply = match effect {
        None => shared.lock().answer(&request),
        Some(effect) => struck(&shared, &cut, request, effect).await,
    };
    response(reply)
}

/// Answers a request that a fault has struck.
async fn struck(shared: &Arc<Shared>, cut: &Cut, request: Request, effect: Effect) -> Reply {
    let plain = |status: u16, body: String| Reply {
        status,
        body,
        headers: Vec::new(),
    };
    match effect {
        Effect::HoldReplyAfterApply => {
            let released = shared.released.subscribe();
            let reply = shared.lock().answer(&request);
            wait(released).await;
            reply
        }
        Effect::HoldBeforeApply => {
            // A task of its own: the request takes effect even if the client has gone.
            let (send, receive) = oneshot::channel();
            let shared = Arc::clone(shared);
            let released = shared.released.subscribe();
            tokio::spawn(async move {
                wait(released).await;
                let reply = shared.lock().answer(&request);
                // Nobody may be waiting any more.
                let _ = send.send(reply);
            });
            receive.await.unwrap_or_else(|_| plain(500, String::new()))
        }
        Effect::DropConnectionAfterApply => {
            let reply = shared.lock().answer(&request);
            cut.now();
            reply
        }
        Effect::DropConnectionBeforeApply => {
            cut.now();
            plain(500, String::new())
        }
        Effect::Status { code, body } => plain(code, body),
        Effect::ApplyThenStatus { code, body } => {
            shared.lock().answer(&request);
            plain(code, body)
        }
        Effect::Html => {
            let page = "<html><head><title>502 Bad Gateway</title></head><body></body></html>";
            plain(502, page.to_owned())
        }
        Effect::Empty => plain(200, String::new()),
    }
}

async fn wait(mut released: watch::Receiver<u64>) {
    // An error means that the face is gone; then nothing is held any more.
    let _ = released.changed().await;
}

fn response(reply: Reply) -> Response {
    let kind = if reply.body.starts_with('<') {
        "text/html"
    } else {
        "application/json;charset=UTF-8"
    };
    let mut response = Response::new(Body::from(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(kind));
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}
