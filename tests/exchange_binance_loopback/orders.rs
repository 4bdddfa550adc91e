//! Resting orders: read beside isolated positions, cancelled one by one, looked up by what rests.

use crate::account::venue;
use crate::venue::{Reply, Venue, add_margin};
use plimsoll::domain::{Money, OpenOrder};
use plimsoll::exchange::Port;
use plimsoll::exchange::binance::BinanceUsdm;
use plimsoll::guard::event::Event;
use plimsoll::guard::intent::{CANCELS_MAX, Intent, IntentKind, Outcome, Reaction, Resolution};

const RESTING: &str = "GET /fapi/v1/openOrders";
const CANCEL: &str = "DELETE /fapi/v1/order";
const GONE: &str = r#"{"orderId":1,"status":"CANCELED"}"#;

fn row(id: u64, side: &str, change: (&str, &str)) -> String {
    format!(
        r#"{{"avgPrice":"0.00000","clientOrderId":"web_{id}","cumQuote":"0","executedQty":"0.100","orderId":{id},"origQty":"0.600","origType":"LIMIT","price":"90000.00","reduceOnly":false,"side":"{side}","positionSide":"BOTH","status":"NEW","stopPrice":"0","closePosition":false,"symbol":"BTCUSDT","time":1579276756075,"timeInForce":"GTC","type":"LIMIT","updateTime":1579276756075,"workingType":"CONTRACT_PRICE","priceProtect":false}}"#
    )
    .replace(change.0, change.1)
}

async fn open_orders(adapter: &BinanceUsdm) -> Option<Vec<OpenOrder>> {
    let events = adapter.account().await.expect("an account");
    match events.into_iter().next() {
        Some(Event::Account(account)) => account.open_orders,
        other => panic!("{other:?}"),
    }
}

fn cancelling(orders: Vec<OpenOrder>) -> Intent {
    Intent {
        kind: IntentKind::CancelOrders {
            orders,
            frees: Money::ZERO,
        },
        ..add_margin(1, "1")
    }
}

async fn two_orders() -> (Venue, BinanceUsdm, Intent) {
    let venue = venue().await;
    let none = ("web", "web");
    let rows = [row(7, "BUY", none), row(8, "BUY", none)].join(",");
    venue.on(RESTING, &[Reply::ok(&format!("[{rows}]"))]);
    let adapter = venue.adapter();
    let orders = open_orders(&adapter).await.expect("read");
    assert_eq!(orders.len(), 2);
    (venue, adapter, cancelling(orders))
}

#[tokio::test]
async fn resting_orders_are_read_beside_an_isolated_position_with_what_they_lock() {
    let venue = venue().await;
    let rows = [
        row(7, "BUY", ("web", "web")),
        row(8, "SELL", (r#""reduceOnly":false"#, r#""reduceOnly":true"#)),
        row(
            9,
            "SELL",
            (r#""closePosition":false"#, r#""closePosition":true"#),
        ),
        row(10, "BUY", (r#""type":"LIMIT""#, r#""type":"STOP""#)),
        row(11, "BUY", (r#""reduceOnly":false,"#, "")),
        row(
            12,
            "SELL",
            (r#""positionSide":"BOTH""#, r#""positionSide":"LONG""#),
        ),
        row(13, "BUY", ("BTCUSDT", "SOLUSDT")),
    ];
    venue.on(RESTING, &[Reply::ok(&format!("[{}]", rows.join(",")))]);
    let adapter = venue.adapter();
    let orders = open_orders(&adapter).await.expect("read");
    let ids: Vec<&str> = orders.iter().map(|order| order.id.as_str()).collect();
    assert_eq!(
        ids,
        ["7", "13"],
        "closing, protecting and unclear ones are left out"
    );
    let margin = orders[0].margin.map(|margin| margin.to_string());
    assert_eq!(
        margin.as_deref(),
        Some("2250"),
        "0.5 at 90,000 with leverage 20"
    );
    assert_eq!(orders[0].quantity.to_string(), "0.5");
    assert_eq!(orders[0].margin_asset, "USDT");
    assert_eq!(orders[1].margin, None, "no leverage is known");
    assert_eq!(venue.seen(RESTING).len(), 1);
    venue.seen(RESTING)[0].assert_signed();
}

#[tokio::test]
async fn a_reading_is_used_again_for_a_while_and_makes_way_for_the_account_itself() {
    let (venue, adapter, intent) = two_orders().await;
    let again = open_orders(&adapter).await.expect("known");
    assert_eq!((again.len(), venue.seen(RESTING).len()), (2, 1));
    // What we cancelled must be seen.
    venue.on(CANCEL, &[Reply::ok(GONE)]);
    venue.on(RESTING, &[Reply::ok("[]")]);
    adapter.send(&intent).await;
    assert_eq!(open_orders(&adapter).await, Some(Vec::new()));
    assert_eq!(venue.seen(RESTING).len(), 2);
    let later = plimsoll::domain::Timestamp::from_millis(crate::venue::START + 20_000);
    venue.clock.advance_to(later);
    assert_eq!(open_orders(&adapter).await, Some(Vec::new()));
    assert_eq!(venue.seen(RESTING).len(), 3);
}

#[tokio::test]
async fn with_much_of_the_minute_used_the_account_is_read_without_resting_orders() {
    let venue = venue().await;
    venue.on(RESTING, &[Reply::ok("[]")]);
    let busy = Reply::ok(crate::account::MONEY).with("x-mbx-used-weight-1m", "700");
    venue.on(crate::account::BALANCES, &[busy]);
    assert_eq!(open_orders(&venue.adapter()).await, None);
    assert!(venue.seen(RESTING).is_empty());
}

#[tokio::test]
async fn a_picture_without_resting_orders_is_still_a_picture_and_they_cost_nothing_when_not_wanted()
{
    for reply in [Reply::ok("{"), Reply::status(503, ""), Reply::code(-1003)] {
        let venue = venue().await;
        venue.on(RESTING, &[reply]);
        assert_eq!(open_orders(&venue.adapter()).await, None);
    }
    let venue = venue().await;
    let mut settings = venue.settings();
    settings.open_orders = false;
    let adapter = crate::venue::adapter(settings, venue.clock.clone());
    assert_eq!(open_orders(&adapter).await, None);
    venue.on("GET /fapi/v3/positionRisk", &[Reply::ok("[]")]);
    assert_eq!(open_orders(&venue.adapter()).await, None);
    assert!(venue.seen(RESTING).is_empty());
}

#[tokio::test]
async fn each_order_is_cancelled_once_and_one_that_is_gone_counts_as_cancelled() {
    let (venue, adapter, intent) = two_orders().await;
    venue.on(CANCEL, &[Reply::ok(GONE), Reply::code(-2011)]);
    assert_eq!(adapter.send(&intent).await, Outcome::Done { fill: None });
    let mut ids: Vec<String> = venue
        .seen(CANCEL)
        .iter()
        .filter_map(|seen| seen.param("orderId").map(str::to_owned))
        .collect();
    ids.sort();
    assert_eq!(ids, ["7", "8"]);
    venue
        .seen(CANCEL)
        .iter()
        .for_each(crate::venue::Seen::assert_signed);
}

#[tokio::test]
async fn a_cancel_that_failed_in_part_or_without_an_answer_is_unknown_and_decided_by_what_rests() {
    for reply in [Reply::code(-2022), Reply::hang(), Reply::code(-1007)] {
        let (venue, adapter, intent) = two_orders().await;
        venue.on(CANCEL, &[Reply::ok(GONE), reply]);
        let outcome = adapter.send(&intent).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        let at = plimsoll::domain::Timestamp::ZERO;
        assert_eq!(adapter.resolve(&intent, at).await, Resolution::NotExecuted);
        venue.on(RESTING, &[Reply::ok("[]")]);
        let gone = Resolution::Executed { fill: None };
        assert_eq!(adapter.resolve(&intent, at).await, gone);
        venue.on(RESTING, &[Reply::status(500, "")]);
        let resolution = adapter.resolve(&intent, at).await;
        assert!(matches!(resolution, Resolution::Unreachable { .. }));
        assert_eq!(venue.seen(CANCEL).len(), 2, "never sent again");
    }
}

#[tokio::test]
async fn no_order_and_too_many_never_leave() {
    let (venue, adapter, intent) = two_orders().await;
    let IntentKind::CancelOrders { orders, .. } = &intent.kind else {
        panic!("{intent:?}");
    };
    let many = orders.iter().cycle().take(CANCELS_MAX + 1).cloned();
    for orders in [Vec::new(), many.collect()] {
        let outcome = adapter.send(&cancelling(orders)).await;
        let refused = matches!(
            &outcome,
            Outcome::Rejected { reaction: Reaction::Resync, message, .. } if message.starts_with("not sent")
        );
        assert!(refused, "{outcome:?}");
    }
    assert!(venue.seen(CANCEL).is_empty());
}
