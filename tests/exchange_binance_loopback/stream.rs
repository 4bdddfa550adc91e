//! Streams: what is followed stays followed, and every frame arrives once.

use std::time::Duration;

use plimsoll::domain::Symbol;
use plimsoll::exchange::binance::BinanceUsdm;
use plimsoll::exchange::{Incoming, Port};
use plimsoll::guard::event::Link;
use plimsoll::net::clock::Clock;

use crate::venue::{Peer, Reply, Say, Venue, adapter};

const KEEP_ALIVE: &str = "PUT /fapi/v1/listenKey";
const OPEN_KEY: &str = "POST /fapi/v1/listenKey";
const EXPIRED: &str = r#"{"e":"listenKeyExpired","E":1795222800000,"listenKey":"first-key"}"#;

/// Next thing that arrives; virtual time moves on whenever nothing happens for a moment.
async fn next(adapter: &BinanceUsdm, clock: &Clock) -> Incoming {
    loop {
        match tokio::time::timeout(Duration::from_millis(30), adapter.next()).await {
            Ok(incoming) => return incoming,
            Err(_) if !clock.is_quiet(0) => {}
            Err(_) => {
                let deadline = clock.next_deadline().expect("somebody waits");
                clock.advance_to(deadline);
            }
        }
    }
}

/// Next thing that arrives without any time passing.
async fn now(adapter: &BinanceUsdm) -> Incoming {
    tokio::time::timeout(Duration::from_secs(2), adapter.next())
        .await
        .expect("nothing arrived")
}

fn describe(incoming: &Incoming) -> String {
    match incoming {
        Incoming::Frame { link, text } => format!("{link:?} {text}"),
        Incoming::Up { link, .. } => format!("{link:?} up"),
        Incoming::Down { link, message, .. } => format!("{link:?} down: {message}"),
    }
}

async fn ups(adapter: &BinanceUsdm, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(describe(&now(adapter).await));
    }
    all.sort();
    all
}

fn say(peer: &Peer, text: &str) {
    peer.say
        .send(Say::Text(text.to_owned()))
        .expect("a listener");
}

/// An adapter with its private stream up.
async fn private(venue: &Venue) -> (BinanceUsdm, Peer) {
    let adapter = venue.adapter();
    adapter.follow(&[]);
    let peer = venue.peer("/private").await;
    assert_eq!(ups(&adapter, 1).await, ["Private up"]);
    (adapter, peer)
}

#[tokio::test]
async fn following_opens_three_streams_and_following_more_subscribes() {
    let venue = Venue::start().await;
    let adapter = venue.adapter();
    adapter.follow(&[Symbol::new("BTCUSDT"), Symbol::new("币安人生USDT")]);
    assert_eq!(
        ups(&adapter, 3).await,
        ["Market up", "Private up", "Public up"]
    );
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(venue.peer("/").await);
    }
    peers.sort_by(|a, b| a.address.cmp(&b.address));
    let addresses: Vec<&str> = peers.iter().map(|peer| peer.address.as_str()).collect();
    assert_eq!(
        addresses,
        [
            "/market/ws/btcusdt@markPrice@1s/%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@markPrice@1s",
            "/private/ws?listenKey=first-key",
            "/public/ws/btcusdt@depth20@500ms/%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@depth20@500ms",
        ]
    );
    adapter.follow(&[Symbol::new("BTCUSDT"), Symbol::new("ETHUSDT")]);
    let market = peers[0].heard.recv().await.expect("a subscription");
    assert_eq!(
        market,
        r#"{"method":"SUBSCRIBE","params":["ethusdt@markPrice@1s"],"id":1}"#
    );
    let public = peers[2].heard.recv().await.expect("a subscription");
    assert_eq!(
        public,
        r#"{"method":"SUBSCRIBE","params":["ethusdt@depth20@500ms"],"id":1}"#
    );
    peers[0].say.send(Say::Cut).expect("a listener");
    let down = describe(&next(&adapter, &venue.clock).await);
    assert!(down.starts_with("Market down"), "{down}");
    assert_eq!(describe(&next(&adapter, &venue.clock).await), "Market up");
    let again = venue.peer("/market").await;
    assert!(
        again.address.contains("ethusdt@markPrice@1s"),
        "{}",
        again.address
    );
    adapter.close().await;
}

#[tokio::test]
async fn many_symbols_are_subscribed_in_pieces() {
    let venue = Venue::start().await;
    let adapter = venue.adapter();
    let symbols: Vec<Symbol> = (0..260)
        .map(|n| Symbol::new(&format!("S{n:03}USDT")))
        .collect();
    adapter.follow(&symbols);
    let mut market = venue.peer("/market").await;
    assert_eq!(market.address.matches("@markPrice@1s").count(), 50);
    let mut subscribed = 0;
    for expected in [100, 100, 10] {
        let frame = market.heard.recv().await.expect("a subscription");
        assert_eq!(frame.matches("@markPrice@1s").count(), expected);
        subscribed += expected;
    }
    assert_eq!(subscribed + 50, symbols.len());
}

#[tokio::test]
async fn every_frame_arrives_once_in_order_even_when_nobody_reads_for_a_while() {
    let venue = Venue::start().await;
    let (adapter, peer) = private(&venue).await;
    for n in 0..5_000 {
        say(&peer, &format!("{{\"n\":{n}}}"));
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    for n in 0..5_000 {
        assert_eq!(
            describe(&now(&adapter).await),
            format!("Private {{\"n\":{n}}}")
        );
    }
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let venue = Venue::start().await;
    let (adapter, peer) = private(&venue).await;
    for n in 0..20 {
        let gone = tokio::time::timeout(Duration::from_millis(1), adapter.next()).await;
        assert!(gone.is_err());
        say(&peer, &n.to_string());
        assert_eq!(describe(&now(&adapter).await), format!("Private {n}"));
    }
}

#[tokio::test]
async fn a_link_that_changes_holds_virtual_time_until_it_was_handed_over() {
    let venue = Venue::start().await;
    let adapter = venue.adapter();
    adapter.follow(&[]);
    assert!(!venue.clock.is_quiet(0), "connecting is under way");
    let peer = venue.peer("/private").await;
    let up = now(&adapter).await;
    assert!(!venue.clock.is_quiet(0), "the guard has not been told yet");
    drop(up);
    assert!(venue.clock.is_quiet(0));
    peer.say.send(Say::Close).expect("a listener");
    let down = now(&adapter).await;
    assert!(matches!(
        down,
        Incoming::Down {
            link: Link::Private,
            ..
        }
    ));
    assert!(!venue.clock.is_quiet(0));
    drop(down);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(
        venue.clock.is_quiet(0),
        "waiting for the next attempt is not work"
    );
    assert_eq!(describe(&next(&adapter, &venue.clock).await), "Private up");
}

#[tokio::test]
async fn an_expired_listen_key_is_replaced_with_its_connection() {
    let venue = Venue::start().await;
    let (adapter, peer) = private(&venue).await;
    venue.on(OPEN_KEY, &[Reply::ok(r#"{"listenKey":"second key"}"#)]);
    say(&peer, EXPIRED);
    say(&peer, "{\"last\":\"words\"}");
    assert_eq!(describe(&now(&adapter).await), format!("Private {EXPIRED}"));
    assert_eq!(
        describe(&now(&adapter).await),
        "Private {\"last\":\"words\"}",
        "not lost"
    );
    let down = describe(&now(&adapter).await);
    assert_eq!(down, "Private down: the listen key expired");
    assert_eq!(describe(&next(&adapter, &venue.clock).await), "Private up");
    assert_eq!(
        venue.peer("/private").await.address,
        "/private/ws?listenKey=second%20key"
    );
}

#[tokio::test]
async fn the_listen_key_is_prolonged_and_a_lost_one_replaced() {
    let venue = Venue::start().await;
    let (adapter, _peer) = private(&venue).await;
    venue.on(
        KEEP_ALIVE,
        &[Reply::ok("{}"), Reply::status(502, ""), Reply::code(-1125)],
    );
    let begin = venue.clock.now();
    let incoming = next(&adapter, &venue.clock).await;
    assert_eq!(describe(&incoming), "Private down: the listen key is gone");
    let minutes = venue.clock.now().since(begin) / 60_000;
    assert_eq!(
        minutes,
        25 + 25 + 1,
        "twice by the clock, and sooner after a failure"
    );
    drop(incoming);
    let keyed = venue.seen(KEEP_ALIVE);
    assert_eq!(keyed.len(), 3);
    assert!(
        keyed
            .iter()
            .all(|seen| seen.key.is_some() && !seen.query.contains("signature"))
    );
    assert_eq!(describe(&next(&adapter, &venue.clock).await), "Private up");
    assert_eq!(venue.seen(OPEN_KEY).len(), 2);
}

#[tokio::test]
async fn a_key_that_cannot_be_made_is_told_once_and_tried_with_growing_pauses() {
    let venue = Venue::start().await;
    venue.on(
        OPEN_KEY,
        &[
            Reply::code(-2015),
            Reply::code(-2015),
            Reply::status(502, ""),
            Reply::ok(r#"{"listenKey":"k"}"#),
        ],
    );
    let adapter = venue.adapter();
    adapter.follow(&[]);
    let down = describe(&now(&adapter).await);
    assert!(
        down.starts_with("Private down") && down.contains("-2015"),
        "{down}"
    );
    assert_eq!(
        describe(&next(&adapter, &venue.clock).await),
        "Private up",
        "told once"
    );
    assert_eq!(venue.seen(OPEN_KEY).len(), 4);
}

#[tokio::test]
async fn marks_that_stop_while_the_line_stays_open_bring_a_new_connection() {
    let venue = Venue::start().await;
    let adapter = venue.adapter();
    adapter.follow(&[Symbol::new("BTCUSDT")]);
    ups(&adapter, 3).await;
    let peer = venue.peer("/market").await;
    let begin = venue.clock.now();
    for n in 1..=4 {
        venue.clock.advance_to(begin.plus_ms(n * 15_000));
        say(&peer, "{}");
        assert_eq!(
            describe(&now(&adapter).await),
            "Market {}",
            "fresh data keeps it"
        );
    }
    let down = describe(&next(&adapter, &venue.clock).await);
    assert_eq!(down, "Market down: no data for 20 s");
    assert_eq!(venue.clock.now().since(begin), 80_000);
    assert_eq!(describe(&next(&adapter, &venue.clock).await), "Market up");
}

#[tokio::test]
async fn a_host_that_is_no_venue_is_told_without_the_key() {
    let venue = Venue::start().await;
    let mut settings = venue.settings();
    for base in [
        format!("wss://{}/private", venue.host),
        "ws://127.0.0.1:1/private".to_owned(),
        "ws://localhost:notaport/private".to_owned(),
    ] {
        settings.ws_private = base;
        let adapter = adapter(settings.clone(), venue.clock.clone());
        adapter.follow(&[]);
        let down = describe(&now(&adapter).await);
        assert!(down.starts_with("Private down"), "{down}");
        assert!(!down.contains("first-key"), "{down}");
    }
}

#[tokio::test]
async fn closing_ends_all_streams_and_leaves_the_listen_key() {
    let venue = Venue::start().await;
    let adapter = venue.adapter();
    adapter.follow(&[Symbol::new("BTCUSDT")]);
    ups(&adapter, 3).await;
    let mut peer = venue.peer("/private").await;
    adapter.close().await;
    assert_eq!(peer.heard.recv().await, None, "the venue saw the end");
    assert!(venue.seen("DELETE /fapi/v1/listenKey").is_empty());
    assert_eq!(venue.clock.next_deadline(), None, "nobody waits any more");
    assert!(venue.clock.is_quiet(0));
}
