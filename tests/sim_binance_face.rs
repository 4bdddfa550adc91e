//! The Binance USDⓈ-M face over real sockets: what a client sees of it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use plimsoll::domain::{
    MarginMode, Money, PositionKey, PositionSide, Price, Side, Symbol, Timestamp,
};
use plimsoll::sim::face::{Effect, Face, FaceOptions, FaceTime, Fault, StreamLink};
use plimsoll::sim::{AccountId, Exchange, ExchangeSpec, KeyScopes, Tape, market};
use rust_decimal::{Decimal, dec};
use serde_json::Value;
use sha2::Sha256;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const START: Timestamp = Timestamp::from_millis(1_760_126_400_000);
const KEY: &str = "test-key";
const SECRET: &str = "test-secret";
/// How long silence must last to count, and how long a busy machine is waited for.
const QUICK: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(10);

fn btc() -> Symbol {
    Symbol::new("BTCUSDT")
}

fn face(marks: &[Decimal]) -> (Face, AccountId) {
    let tape = Tape {
        name: "test".to_owned(),
        symbol: btc(),
        start: START,
        step_ms: 5_000,
        marks: marks.iter().map(|mark| Price::of(*mark)).collect(),
        notes: Vec::new(),
    };
    let rules = market::for_symbol(&btc(), Price::of(marks[0]));
    let mut exchange = Exchange::new(ExchangeSpec::new(vec![(rules, tape)], START));
    let id = exchange.add_account(KEY, SECRET.into(), Money::of(dec!(10000)));
    let face = Face::start(exchange, FaceOptions::new(FaceTime::Driven)).expect("started");
    (face, id)
}

fn open_long(face: &Face, id: AccountId) {
    let size = Money::of(dec!(50000));
    face.with(|venue| venue.open_position(id, &btc(), Side::Long, size, 20, MarginMode::Isolated))
        .expect("opened");
}

fn key() -> PositionKey {
    PositionKey {
        symbol: btc(),
        position_side: PositionSide::Both,
    }
}

/// A small client of the venue's REST language.
struct Client {
    http: reqwest::Client,
    base: String,
    now: i64,
    secret: String,
    key: Option<String>,
}

impl Client {
    fn new(face: &Face) -> Self {
        Self {
            http: reqwest::Client::new(),
            base: face.urls().rest,
            now: START.as_millis(),
            secret: SECRET.to_owned(),
            key: Some(KEY.to_owned()),
        }
    }

    async fn plain(&self, path: &str) -> (u16, Value) {
        let response = self.http.get(format!("{}{path}", self.base)).send().await;
        read(response.expect("answered")).await
    }

    fn signed_url(&self, path: &str, query: &str) -> String {
        let join = if query.is_empty() { "" } else { "&" };
        let payload = format!("{query}{join}timestamp={}", self.now);
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("key");
        mac.update(payload.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        format!("{}{path}?{payload}&signature={signature}", self.base)
    }

    fn request(&self, method: &str, path: &str, query: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("method");
        let request = self.http.request(method, self.signed_url(path, query));
        match &self.key {
            Some(key) => request.header("X-MBX-APIKEY", key),
            None => request,
        }
    }

    async fn call(&self, method: &str, path: &str, query: &str) -> (u16, Value) {
        let sent = self.request(method, path, query).send().await;
        read(sent.expect("answered")).await
    }

    async fn code(&self, method: &str, path: &str, query: &str) -> i64 {
        let (_, body) = self.call(method, path, query).await;
        body["code"].as_i64().unwrap_or_default()
    }
}

async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.expect("body");
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

async fn socket(url: &str) -> Socket {
    connect_async(url).await.expect("connected").0
}

/// The next text frame; `None` when the stream has ended.
async fn frame(socket: &mut Socket) -> Option<Value> {
    within(PATIENCE, socket).await
}

/// The next text frame; `None` also when nothing comes in a short while.
async fn quick_frame(socket: &mut Socket) -> Option<Value> {
    within(QUICK, socket).await
}

async fn within(wait: Duration, socket: &mut Socket) -> Option<Value> {
    loop {
        match tokio::time::timeout(wait, socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => return serde_json::from_str(&text).ok(),
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(_)) | None) | Err(_) => return None,
        }
    }
}

async fn settled(face: &Face, connections: usize) {
    for _ in 0..2_000 {
        if face.connections() == connections {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!(
        "{} connections instead of {connections}",
        face.connections()
    );
}

async fn user_stream(face: &Face, client: &Client) -> Socket {
    let (_, body) = client.call("POST", "/fapi/v1/listenKey", "").await;
    let key = body["listenKey"].as_str().expect("key").to_owned();
    let urls = face.urls();
    socket(&format!("{}/ws?listenKey={key}", urls.ws_private)).await
}

#[tokio::test]
async fn a_request_is_refused_for_exactly_what_is_wrong_with_it() {
    let (face, _) = face(&[dec!(100000)]);
    let mut client = Client::new(&face);
    let account = "/fapi/v3/account";
    assert_eq!(client.call("GET", account, "").await.0, 200);
    client.secret = "other".to_owned();
    assert_eq!(client.code("GET", account, "").await, -1022);
    client.secret = SECRET.to_owned();
    client.now -= 5_001;
    assert_eq!(client.code("GET", account, "").await, -1021);
    assert_eq!(client.call("GET", account, "recvWindow=6000").await.0, 200);
    client.now += 5_001 + 1_000;
    assert_eq!(client.code("GET", account, "").await, -1021);
    client.now = START.as_millis();
    client.key = None;
    assert_eq!(client.code("GET", account, "").await, -2014);
    client.key = Some("stranger".to_owned());
    assert_eq!(client.code("GET", account, "").await, -2015);
    client.key = Some(KEY.to_owned());
    let order = "/fapi/v1/order";
    assert_eq!(
        client.code("POST", order, "symbol=BTCUSDT&side=BUY").await,
        -1102
    );
    let query = "symbol=NOPEUSDT&side=BUY&type=MARKET&quantity=1";
    assert_eq!(client.code("POST", order, query).await, -1121);
    let query = "symbol=BTCUSDT&side=SELL&type=STOP_MARKET&stopPrice=90000&quantity=1";
    assert_eq!(client.code("POST", order, query).await, -4120);
    assert_eq!(client.plain("/fapi/v9/nothing").await.0, 404);
}

#[tokio::test]
async fn a_signature_over_query_and_body_together_is_accepted() {
    let (face, _) = face(&[dec!(100000)]);
    let client = Client::new(&face);
    let query = "symbol=BTCUSDT";
    let body = format!("leverage=5&timestamp={}", client.now);
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("key");
    mac.update(format!("{query}{body}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let url = format!("{}/fapi/v1/leverage?{query}", client.base);
    let request = client.http.post(url).header("X-MBX-APIKEY", KEY);
    let sent = request
        .body(format!("{body}&signature={signature}"))
        .send()
        .await;
    let (status, answer) = read(sent.expect("answered")).await;
    assert_eq!((status, answer["leverage"].as_i64()), (200, Some(5)));
}

#[tokio::test]
async fn a_key_may_do_what_its_scopes_say() {
    let (face, id) = face(&[dec!(100000)]);
    let client = Client::new(&face);
    let transfer = "type=MAIN_UMFUTURE&asset=USDT&amount=10";
    let path = "/sapi/v1/asset/transfer";
    assert_eq!(client.code("POST", path, transfer).await, -2015);
    face.with(|venue| {
        venue.set_outside_wallets(id, Money::of(dec!(10)), Money::ZERO);
        venue.set_scopes(
            id,
            KeyScopes {
                universal_transfer: true,
                withdrawals: true,
                ..KeyScopes::default()
            },
        );
    });
    assert_eq!(client.call("POST", path, transfer).await.0, 200);
    assert_eq!(client.code("POST", path, transfer).await, -5013);
    let (_, listed) = client.call("GET", path, "type=MAIN_UMFUTURE").await;
    assert_eq!(listed["rows"][0]["amount"], "10");
    let (_, scopes) = client
        .call("GET", "/sapi/v1/account/apiRestrictions", "")
        .await;
    assert_eq!(scopes["enableWithdrawals"], true);
    assert_eq!(scopes["permitsUniversalTransfer"], true);
}

#[tokio::test]
async fn weight_is_counted_per_minute_and_refused_above_the_limit() {
    let (face, _) = face(&vec![dec!(100000); 20]);
    let client = Client::new(&face);
    let url = format!("{}/fapi/v1/depth?symbol=BTCUSDT&limit=1000", client.base);
    let mut last = None;
    for _ in 0..121 {
        last = Some(client.http.get(&url).send().await.expect("answered"));
    }
    let refused = last.expect("asked");
    assert_eq!(refused.status().as_u16(), 429);
    let header = |name| refused.headers().get(name).and_then(|v| v.to_str().ok());
    assert_eq!(header("x-mbx-used-weight-1m"), Some("2420"));
    let wait: i64 = header("retry-after")
        .expect("wait")
        .parse()
        .expect("seconds");
    face.advance_to(START.plus_ms(wait * 1_000));
    assert_eq!(
        client
            .http
            .get(&url)
            .send()
            .await
            .expect("answered")
            .status()
            .as_u16(),
        200
    );
}

#[tokio::test]
async fn an_order_reaches_the_user_stream_before_its_answer_reaches_the_client() {
    let (face, id) = face(&[dec!(100000), dec!(97000)]);
    open_long(&face, id);
    let client = Client::new(&face);
    let mut user = user_stream(&face, &client).await;
    let before = face.frames_sent();
    let query =
        "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.1&reduceOnly=true&newClientOrderId=cut-1";
    let (status, ack) = client.call("POST", "/fapi/v1/order", query).await;
    assert_eq!((status, ack["status"].as_str()), (200, Some("NEW")));
    assert_eq!(ack["executedQty"], "0.000");
    assert!(ack.get("avgPrice").is_none() && ack.get("cumQuote").is_none());
    assert!(face.frames_sent() > before);
    let first = frame(&mut user).await.expect("frame");
    assert_eq!(
        (first["e"].as_str(), first["o"]["x"].as_str()),
        (Some("ORDER_TRADE_UPDATE"), Some("NEW"))
    );
    let mut last = first;
    while last["e"] != "ACCOUNT_UPDATE" {
        last = frame(&mut user).await.expect("frame");
    }
    assert_eq!(last["a"]["m"], "ORDER");
    assert_eq!(last["a"]["P"][0]["pa"], "0.4");
    let (_, order) = client
        .call(
            "GET",
            "/fapi/v1/order",
            "symbol=BTCUSDT&origClientOrderId=cut-1",
        )
        .await;
    assert_eq!(
        (order["status"].as_str(), order["executedQty"].as_str()),
        (Some("FILLED"), Some("0.100"))
    );
    assert!(order["avgPrice"].as_str().expect("price") > "9");
    let missing = "symbol=BTCUSDT&origClientOrderId=cut-2";
    assert_eq!(client.code("GET", "/fapi/v1/order", missing).await, -2013);
    let again = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.5&reduceOnly=true";
    assert_eq!(client.code("POST", "/fapi/v1/order", again).await, -2022);
}

#[tokio::test]
async fn margin_is_added_told_and_listed() {
    let (face, id) = face(&[dec!(100000)]);
    open_long(&face, id);
    let client = Client::new(&face);
    let mut user = user_stream(&face, &client).await;
    let add = "symbol=BTCUSDT&amount=940&type=1";
    let (_, done) = client.call("POST", "/fapi/v1/positionMargin", add).await;
    assert_eq!(
        (done["code"].as_i64(), done["amount"].as_f64()),
        (Some(200), Some(940.0))
    );
    let told = frame(&mut user).await.expect("frame");
    assert_eq!(told["a"]["m"], "MARGIN_TRANSFER");
    let history = "symbol=BTCUSDT&type=1";
    let (_, rows) = client
        .call("GET", "/fapi/v1/positionMargin/history", history)
        .await;
    assert_eq!(rows[0]["amount"], "940.00000000");
    let (_, rows) = client.call("GET", "/fapi/v3/positionRisk", "").await;
    let model = face.with(|venue| venue.position(id, &key())).expect("view");
    let line: Price = rows[0]["liquidationPrice"]
        .as_str()
        .expect("text")
        .parse()
        .expect("price");
    let gap = line - model.liquidation_price.expect("line");
    assert!(gap.abs().get() < dec!(0.00000001));
    let wallet: Money = rows[0]["isolatedWallet"]
        .as_str()
        .expect("text")
        .parse()
        .expect("money");
    assert_eq!(
        wallet.round_display(6),
        model.isolated_wallet.round_display(6)
    );
    for (query, code) in [
        ("symbol=BTCUSDT&amount=0&type=1", -4055),
        ("symbol=BTCUSDT&amount=9000&type=1", -4050),
        ("symbol=BTCUSDT&amount=9000&type=2", -4051),
        ("symbol=BTCUSDT&amount=10&type=1&positionSide=LONG", -4061),
    ] {
        assert_eq!(
            client.code("POST", "/fapi/v1/positionMargin", query).await,
            code,
            "{query}"
        );
    }
}

#[tokio::test]
async fn market_streams_carry_one_frame_per_step_on_their_own_road() {
    let (face, _) = face(&[dec!(100000), dec!(99000), dec!(98000)]);
    let urls = face.urls();
    let marks = format!("{}/ws/btcusdt@markPrice@1s/btcusdt@depth20", urls.ws_market);
    let mut market = socket(&marks).await;
    let books = format!(
        "{}/stream?streams=btcusdt@depth20@100ms/btcusdt@bookTicker",
        urls.ws_public
    );
    let mut public = socket(&books).await;
    face.advance_to(START.plus_ms(10_000));
    assert_eq!(face.frames_sent(), 6);
    for expected in ["99000.00000000", "98000.00000000"] {
        let mark = frame(&mut market).await.expect("frame");
        assert_eq!(
            (mark["e"].as_str(), mark["p"].as_str()),
            (Some("markPriceUpdate"), Some(expected))
        );
        assert_eq!(mark["st"], 1);
    }
    assert!(
        quick_frame(&mut market).await.is_none(),
        "books do not come by this road"
    );
    let ticker = frame(&mut public).await.expect("frame");
    assert_eq!(ticker["stream"], "btcusdt@bookTicker");
    let depth = frame(&mut public).await.expect("frame");
    assert_eq!(depth["stream"], "btcusdt@depth20@100ms");
    assert_eq!(depth["data"]["b"].as_array().map(Vec::len), Some(20));
    assert_eq!(depth["data"]["b"][0][0], ticker["data"]["b"]);
}

#[tokio::test]
async fn a_local_book_kept_from_changes_equals_the_snapshot() {
    let (face, id) = face(&[dec!(100000), dec!(99500), dec!(99600), dec!(99400)]);
    let client = Client::new(&face);
    let mut stream = socket(&format!("{}/ws", face.urls().ws)).await;
    let ask = r#"{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":7}"#;
    stream.send(Message::text(ask)).await.expect("sent");
    let ack = frame(&mut stream).await.expect("ack");
    assert_eq!(
        (ack["id"].as_i64(), ack["result"].is_null()),
        (Some(7), true)
    );
    open_long(&face, id);
    let path = "/fapi/v1/depth?symbol=BTCUSDT&limit=1000";
    let (_, snapshot) = client.plain(path).await;
    let mut last = snapshot["lastUpdateId"].as_u64().expect("id");
    let mut book = Levels::default();
    book.apply(&snapshot, "bids", "asks");
    face.advance_to(START.plus_ms(15_000));
    for step in 0..3 {
        let change = frame(&mut stream).await.expect("change");
        let ids = ["U", "u", "pu"].map(|name| change[name].as_u64().expect("id"));
        if step == 0 {
            assert!(ids[0] <= last && last <= ids[1], "{ids:?} {last}");
        } else {
            assert_eq!(ids[2], last);
        }
        last = ids[1];
        book.apply(&change, "b", "a");
    }
    let (_, snapshot) = client.plain(path).await;
    assert_eq!(snapshot["lastUpdateId"].as_u64(), Some(last));
    let mut fresh = Levels::default();
    fresh.apply(&snapshot, "bids", "asks");
    assert_eq!(book, fresh);
}

/// Price and quantity texts of both sides.
#[derive(Default, PartialEq, Eq, Debug)]
struct Levels([std::collections::BTreeMap<String, String>; 2]);

impl Levels {
    fn apply(&mut self, body: &Value, bids: &str, asks: &str) {
        for (side, name) in self.0.iter_mut().zip([bids, asks]) {
            for row in body[name].as_array().expect("levels") {
                let text = |i: usize| row[i].as_str().expect("text").to_owned();
                if text(1).parse::<Decimal>().expect("size").is_zero() {
                    side.remove(&text(0));
                } else {
                    side.insert(text(0), text(1));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_liquidation_is_told_in_the_venues_words() {
    let (face, id) = face(&[dec!(100000), dec!(95000)]);
    open_long(&face, id);
    let client = Client::new(&face);
    let mut user = user_stream(&face, &client).await;
    face.advance_to(START.plus_ms(5_000));
    let call = frame(&mut user).await.expect("frame");
    assert_eq!(
        (call["e"].as_str(), call["p"][0]["mt"].as_str()),
        (Some("MARGIN_CALL"), Some("ISOLATED"))
    );
    let order = frame(&mut user).await.expect("frame");
    assert!(
        order["o"]["c"]
            .as_str()
            .expect("id")
            .starts_with("autoclose-")
    );
    assert_eq!(
        (order["o"]["x"].as_str(), order["o"]["X"].as_str()),
        (Some("CALCULATED"), Some("FILLED"))
    );
    let account = frame(&mut user).await.expect("frame");
    assert_eq!(account["a"]["P"][0]["pa"], "0");
    let (_, rows) = client
        .call("GET", "/fapi/v1/income", "incomeType=INSURANCE_CLEAR")
        .await;
    assert_eq!(rows.as_array().map(Vec::len), Some(1));
    let (_, rows) = client.call("GET", "/fapi/v3/positionRisk", "").await;
    assert_eq!(rows, serde_json::json!([]));
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_order_was_executed_and_before() {
    let (face, id) = face(&[dec!(100000)]);
    open_long(&face, id);
    let client = Client::new(&face);
    let size = || face.with(|venue| venue.positions(id)[0].quantity.get());
    let order = "/fapi/v1/order";
    let query = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.1&reduceOnly=true";
    face.inject(Fault::once(
        "POST",
        order,
        Effect::DropConnectionBeforeApply,
    ));
    assert!(client.request("POST", order, query).send().await.is_err());
    let whole = size();
    face.inject(Fault::once("POST", order, Effect::DropConnectionAfterApply));
    assert!(client.request("POST", order, query).send().await.is_err());
    assert_eq!(size(), whole - dec!(0.1));
    let unknown = Effect::ApplyThenStatus {
        code: 503,
        body: r#"{"code":-1007,"msg":"Timeout waiting for response from backend server."}"#
            .to_owned(),
    };
    face.inject(Fault::once("POST", order, unknown));
    let (status, body) = client.call("POST", order, query).await;
    assert_eq!((status, body["code"].as_i64()), (503, Some(-1007)));
    assert_eq!(size(), whole - dec!(0.2));
    face.inject(Fault::once("POST", order, Effect::Html));
    let (status, body) = client.call("POST", order, query).await;
    assert_eq!((status, body), (502, Value::Null));
    assert_eq!(size(), whole - dec!(0.2));
    let sent = face
        .requests()
        .into_iter()
        .filter(|r| r.path == order)
        .count();
    assert_eq!(sent, 4);
    assert!(
        face.requests()
            .iter()
            .all(|r| !r.query.contains("signature"))
    );
}

#[tokio::test]
async fn a_held_request_takes_effect_when_released_even_if_the_client_has_gone() {
    let (face, id) = face(&[dec!(100000)]);
    open_long(&face, id);
    let client = Client::new(&face);
    let size = || face.with(|venue| venue.positions(id)[0].quantity.get());
    let whole = size();
    let order = "/fapi/v1/order";
    let query = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.1&reduceOnly=true";
    let hasty = || client.request("POST", order, query).timeout(QUICK).send();
    face.inject(Fault::once("POST", order, Effect::HoldReplyAfterApply));
    assert!(hasty().await.is_err());
    assert_eq!(size(), whole - dec!(0.1));
    face.inject(Fault::once("POST", order, Effect::HoldBeforeApply));
    assert!(hasty().await.is_err());
    assert_eq!(size(), whole - dec!(0.1));
    face.release();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(size(), whole - dec!(0.2));
}

#[tokio::test]
async fn streams_can_fall_silent_close_and_lose_their_listen_key() {
    let (face, id) = face(&[dec!(100000), dec!(99900), dec!(99800), dec!(99700)]);
    let client = Client::new(&face);
    let mut user = user_stream(&face, &client).await;
    let mut market = socket(&format!("{}/ws/btcusdt@markPrice", face.urls().ws_market)).await;
    face.stall(StreamLink::Market);
    face.advance_to(START.plus_ms(5_000));
    assert_eq!(face.frames_sent(), 0);
    face.unstall(StreamLink::Market);
    face.advance_to(START.plus_ms(10_000));
    assert_eq!(
        frame(&mut market).await.expect("frame")["p"],
        "99800.00000000"
    );
    face.close_streams(StreamLink::Market);
    assert!(frame(&mut market).await.is_none());
    settled(&face, 1).await;
    face.expire_listen_key();
    assert_eq!(
        frame(&mut user).await.expect("frame")["e"],
        "listenKeyExpired"
    );
    open_long(&face, id);
    assert!(quick_frame(&mut user).await.is_none());
    assert_eq!(client.code("PUT", "/fapi/v1/listenKey", "").await, -1125);
}

#[tokio::test]
async fn a_listen_key_lives_an_hour_unless_kept_alive() {
    let (face, _) = face(&[dec!(100000)]);
    let mut client = Client::new(&face);
    let mut user = user_stream(&face, &client).await;
    let minutes = |count: i64| START.plus_ms(count * 60_000);
    face.advance_to(minutes(50));
    client.now = minutes(50).as_millis();
    assert_eq!(client.call("PUT", "/fapi/v1/listenKey", "").await.0, 200);
    face.advance_to(minutes(109));
    assert_eq!(face.frames_sent(), 0);
    face.advance_to(minutes(110));
    assert_eq!(
        frame(&mut user).await.expect("frame")["e"],
        "listenKeyExpired"
    );
}

#[tokio::test]
async fn hedge_mode_has_its_own_rules_on_the_wire() {
    let (face, _) = face(&[dec!(100000)]);
    let client = Client::new(&face);
    let mode = "/fapi/v1/positionSide/dual";
    assert_eq!(
        client.code("POST", mode, "dualSidePosition=true").await,
        200
    );
    assert_eq!(
        client.code("POST", mode, "dualSidePosition=true").await,
        -4059
    );
    let order = "/fapi/v1/order";
    let base = "symbol=BTCUSDT&type=MARKET&quantity=0.01&newOrderRespType=RESULT";
    let plain = format!("{base}&side=BUY");
    assert_eq!(client.code("POST", order, &plain).await, -4061);
    let (_, done) = client
        .call("POST", order, &format!("{plain}&positionSide=LONG"))
        .await;
    assert_eq!(
        (done["status"].as_str(), done["positionSide"].as_str()),
        (Some("FILLED"), Some("LONG"))
    );
    let flagged = format!("{base}&side=SELL&positionSide=LONG&reduceOnly=true");
    assert_eq!(client.code("POST", order, &flagged).await, -1106);
    let (_, rows) = client
        .call("GET", "/fapi/v2/positionRisk", "symbol=BTCUSDT")
        .await;
    assert_eq!(rows.as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_consumer_that_falls_too_far_behind_is_closed() {
    let (face, _) = face(&vec![dec!(100000); 20_000]);
    let mut slow = socket(&format!(
        "{}/ws/btcusdt@markPrice@1s",
        face.urls().ws_market
    ))
    .await;
    assert_eq!(face.connections(), 1);
    face.advance_to(START.plus_ms(19_999 * 5_000));
    assert_eq!(face.connections(), 0);
    assert_eq!(face.frames_sent(), 16_384);
    while let Some(Ok(_)) = slow.next().await {}
}

#[tokio::test]
async fn connections_end_after_the_life_they_are_given() {
    let mut options = FaceOptions::new(FaceTime::Driven);
    options.connection_life = Some(Duration::from_millis(30));
    let exchange = Exchange::new(ExchangeSpec::new(Vec::new(), START));
    let face = Face::start(exchange, options).expect("started");
    let mut stream = socket(&format!("{}/ws", face.urls().ws)).await;
    assert!(frame(&mut stream).await.is_none());
    settled(&face, 0).await;
    face.shutdown();
    assert!(
        connect_async(format!("{}/ws", face.urls().ws))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_long_tape_is_played_quickly() {
    let marks: Vec<Decimal> = (0..17_281)
        .map(|i| dec!(100000) + Decimal::from(i % 97))
        .collect();
    let (face, _) = face(&marks);
    let urls = face.urls();
    let mut market = socket(&format!("{}/ws/btcusdt@markPrice@1s", urls.ws_market)).await;
    let mut public = socket(&format!("{}/ws/btcusdt@depth20", urls.ws_public)).await;
    let started = std::time::Instant::now();
    for step in 1..=17_280_i64 {
        face.advance_to(START.plus_ms(step * 5_000));
        assert!(market.next().await.is_some() && public.next().await.is_some());
    }
    assert_eq!(face.frames_sent(), 2 * 17_280);
    println!("17,280 steps with two frames each: {:?}", started.elapsed());
}

#[tokio::test]
async fn a_resting_stop_is_placed_triggered_and_told() {
    let (face, id) = face(&[dec!(100000), dec!(97000)]);
    open_long(&face, id);
    let mut client = Client::new(&face);
    let mut user = user_stream(&face, &client).await;
    let path = "/fapi/v1/algoOrder";
    let query = "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&triggerPrice=98000\
                 &closePosition=true&workingType=MARK_PRICE&clientAlgoId=net-1";
    let (status, placed) = client.call("POST", path, query).await;
    assert_eq!((status, placed["algoStatus"].as_str()), (200, Some("NEW")));
    assert_eq!(frame(&mut user).await.expect("frame")["o"]["X"], "NEW");
    let (_, open) = client.call("GET", "/fapi/v1/openAlgoOrders", "").await;
    assert_eq!(open[0]["clientAlgoId"], "net-1");
    face.advance_to(START.plus_ms(5_000));
    client.now += 5_000;
    let mut seen = Vec::new();
    while let Some(told) = quick_frame(&mut user).await {
        seen.push(match told["e"].as_str() {
            Some("ALGO_UPDATE") => told["o"]["X"].as_str().unwrap_or_default().to_owned(),
            Some(other) => other.to_owned(),
            None => String::new(),
        });
    }
    seen.dedup();
    let order = "ORDER_TRADE_UPDATE";
    assert_eq!(seen, ["TRIGGERED", order, "ACCOUNT_UPDATE", "FINISHED"]);
    assert_eq!(
        client.code("DELETE", path, "clientAlgoId=net-1").await,
        -2011
    );
}
