//! Money from the owner's other wallets: read with the rules, moved once, looked up by the history.

use crate::venue::{Reply, START, Venue, add_margin};
use plimsoll::domain::{OutsideWallet, Symbol, Timestamp};
use plimsoll::exchange::Port;
use plimsoll::exchange::binance::BinanceUsdm;
use plimsoll::guard::event::Event;
use plimsoll::guard::intent::{Intent, IntentKind, Outcome, Reaction, Resolution};

const MOVE: &str = "POST /sapi/v1/asset/transfer";
const HISTORY: &str = "GET /sapi/v1/asset/transfer";
const SPOT: &str = "POST /sapi/v3/asset/getUserAsset";
const FUNDING: &str = "POST /sapi/v1/asset/get-funding-asset";
const DONE: &str = r#"{"tranId":13526853623}"#;

fn moving(sequence: u64, from: OutsideWallet) -> Intent {
    Intent {
        kind: IntentKind::MoveIn {
            amount: "250.5".parse().expect("amount"),
            from,
        },
        ..add_margin(sequence, "1")
    }
}

fn history(status: &str, id: u64) -> Reply {
    Reply::ok(&format!(
        r#"{{"total":1,"rows":[{{"asset":"USDT","amount":"250.50","type":"MAIN_UMFUTURE","status":"{status}","tranId":{id},"timestamp":{START}}}]}}"#
    ))
}

async fn resolved(venue: &Venue, adapter: &BinanceUsdm, reply: Reply, sequence: u64) -> Resolution {
    venue.on(HISTORY, &[reply]);
    let intent = moving(sequence, OutsideWallet::Spot);
    adapter
        .resolve(&intent, Timestamp::from_millis(START))
        .await
}

#[tokio::test]
async fn a_transfer_goes_into_the_futures_wallet_only_and_its_number_is_the_word_for_done() {
    for (from, kind) in [
        (OutsideWallet::Spot, "MAIN_UMFUTURE"),
        (OutsideWallet::Funding, "FUNDING_UMFUTURE"),
    ] {
        let venue = Venue::start().await;
        venue.on(MOVE, &[Reply::ok(DONE)]);
        let outcome = venue.adapter().send(&moving(1, from)).await;
        assert_eq!(outcome, Outcome::Done { fill: None });
        let seen = venue.seen(MOVE);
        assert_eq!(seen.len(), 1);
        seen[0].assert_signed();
        assert_eq!(seen[0].param("type"), Some(kind));
        assert_eq!(seen[0].param("asset"), Some("USDT"));
        assert_eq!(seen[0].param("amount"), Some("250.5"));
    }
}

#[tokio::test]
async fn a_transfer_without_a_clear_answer_is_unknown_and_a_refusal_is_a_refusal() {
    for reply in [
        Reply::hang(),
        Reply::ok("{}"),
        Reply::status(502, ""),
        Reply::code(-1007),
    ] {
        let venue = Venue::start().await;
        venue.on(MOVE, &[reply]);
        let outcome = venue.adapter().send(&moving(1, OutsideWallet::Spot)).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        assert_eq!(venue.seen(MOVE).len(), 1);
    }
    for (code, reaction) in [(-5013, Reaction::Resync), (-1002, Reaction::Powerless)] {
        let venue = Venue::start().await;
        venue.on(MOVE, &[Reply::code(code)]);
        let outcome = venue.adapter().send(&moving(1, OutsideWallet::Spot)).await;
        assert!(
            matches!(&outcome, Outcome::Rejected { reaction: found, .. } if *found == reaction),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn the_history_says_what_became_of_a_transfer_and_a_row_proves_only_one() {
    let venue = Venue::start().await;
    let adapter = venue.adapter();
    let done = Resolution::Executed { fill: None };
    let none = Reply::ok(r#"{"total":0}"#);
    assert_eq!(
        resolved(&venue, &adapter, none, 1).await,
        Resolution::NotFound
    );
    let pending = history("PENDING", 5);
    assert_eq!(
        resolved(&venue, &adapter, pending, 1).await,
        Resolution::Working
    );
    let confirmed = || history("CONFIRMED", 5);
    assert_eq!(resolved(&venue, &adapter, confirmed(), 1).await, done);
    let other = resolved(&venue, &adapter, confirmed(), 2).await;
    assert_eq!(other, Resolution::NotFound, "it belongs to the first");
    let failed = history("FAILED", 6);
    assert_eq!(
        resolved(&venue, &adapter, failed, 2).await,
        Resolution::NotExecuted
    );
    let broken = resolved(&venue, &adapter, Reply::ok("{"), 3).await;
    assert!(matches!(broken, Resolution::Unreachable { .. }));
    assert_eq!(venue.seen(HISTORY)[0].param("type"), Some("MAIN_UMFUTURE"));
}

#[tokio::test]
async fn other_wallets_are_read_with_the_rules_only_where_wanted_and_a_venue_without_them_is_fine()
{
    let asset = |free: &str| {
        Reply::ok(&format!(
            r#"[{{"asset":"USDT","free":"{free}","locked":"0","freeze":"0","withdrawing":"0","btcValuation":"0.0154"}}]"#
        ))
    };
    for (wanted, spot, found) in [
        (true, asset("1500"), true),
        (true, Reply::status(404, "<html></html>"), false),
        (false, asset("1500"), false),
    ] {
        let venue = Venue::start().await;
        venue.on(
            "GET /fapi/v1/exchangeInfo",
            &[Reply::ok(r#"{"symbols":[]}"#)],
        );
        venue.on("GET /fapi/v1/leverageBracket", &[Reply::ok("[]")]);
        venue.on(SPOT, &[spot]);
        venue.on(FUNDING, &[asset("20.5")]);
        let mut settings = venue.settings();
        settings.outside_wallets = wanted;
        let adapter = crate::venue::adapter(settings, venue.clock.clone());
        let rules = adapter.rules(&[Symbol::new("BTCUSDT")]).await;
        let events = rules.expect("rules, whatever the wallets say");
        let outside = events.iter().find_map(|event| match event {
            Event::Outside(wallets) => Some(wallets["USDT"]),
            _ => None,
        });
        let told = outside.map(|usdt| (usdt.spot.to_string(), usdt.funding.to_string()));
        let expected = ("1500".to_owned(), "20.5".to_owned());
        assert_eq!(told, found.then_some(expected));
        assert_eq!(venue.seen(SPOT).len(), usize::from(wanted));
    }
}
