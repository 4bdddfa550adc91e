//! Sending and looking up, against a venue on loopback that misbehaves in every known way.

use crate::venue::{Reply, START, Seen, Venue, adapter, add_margin, hedged, reduce, take_back};
use plimsoll::domain::{MarginMode, PositionSide, Timestamp};
use plimsoll::exchange::{ExchangeError, Port};
use plimsoll::guard::intent::{Intent, Outcome, Reaction, Resolution};

const ORDER: &str = "POST /fapi/v1/order";
const QUERY: &str = "GET /fapi/v1/order";
const MARGIN: &str = "POST /fapi/v1/positionMargin";
const HISTORY: &str = "GET /fapi/v1/positionMargin/history";
const TIME: &str = "GET /fapi/v1/time";
const ADDED: &str =
    r#"{"amount":940.0,"code":200,"msg":"Successfully modify position margin.","type":1}"#;

fn order(status: &str, executed: &str, sequence: u64) -> String {
    format!(
        r#"{{"clientOrderId":"plim-test-{sequence}","executedQty":"{executed}","status":"{status}","symbol":"BTCUSDT","price":"0.00"}}"#
    )
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START + ms)
}

async fn outcome(reply: Reply) -> Outcome {
    let venue = Venue::start().await;
    venue.on(ORDER, &[reply]);
    let outcome = venue.adapter().send(&reduce(1, "0.2", None)).await;
    assert_eq!(venue.seen(ORDER).len(), 1, "sent once and never again");
    outcome
}

fn is_unknown(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unknown { .. })
}

fn params(seen: &Seen) -> Vec<String> {
    let names = seen.query.split('&').map(str::to_owned);
    names
        .filter(|pair| !pair.starts_with("signature=") && !pair.starts_with("timestamp="))
        .collect()
}

async fn sent(intent: &Intent) -> Vec<String> {
    let venue = Venue::start().await;
    venue.on(ORDER, &[Reply::ok(&order("FILLED", "0.200", 1))]);
    venue.on(MARGIN, &[Reply::ok(ADDED)]);
    let outcome = venue.adapter().send(intent).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    let all = [venue.seen(ORDER), venue.seen(MARGIN)].concat();
    assert_eq!(all.len(), 1);
    all[0].assert_signed();
    let names = ["recvWindow=3000"];
    assert!(names.iter().all(|name| all[0].query.contains(name)));
    params(&all[0])
}

#[tokio::test]
async fn a_reduction_is_reduce_only_in_one_way_mode_and_carries_its_side_in_hedge_mode() {
    let market = sent(&reduce(1, "0.200", None)).await;
    assert_eq!(
        market,
        [
            "symbol=BTCUSDT",
            "side=SELL",
            "reduceOnly=true",
            "type=MARKET",
            "quantity=0.2",
            "newClientOrderId=plim-test-1",
            "newOrderRespType=RESULT",
            "recvWindow=3000",
        ]
    );
    let bounded = sent(&reduce(1, "0.2", Some("96500.10"))).await;
    for wanted in [
        "type=LIMIT",
        "timeInForce=IOC",
        "price=96500.1",
        "reduceOnly=true",
    ] {
        assert!(
            bounded.iter().any(|pair| pair == wanted),
            "{wanted}: {bounded:?}"
        );
    }
    for (slot, side) in [(PositionSide::Long, "SELL"), (PositionSide::Short, "BUY")] {
        let pairs = sent(&hedged(reduce(1, "0.2", None), slot)).await;
        let slot = format!("positionSide={slot:?}")
            .to_uppercase()
            .replace("POSITIONSIDE", "positionSide");
        assert!(
            pairs.contains(&slot) && pairs.contains(&format!("side={side}")),
            "{pairs:?}"
        );
        assert!(!pairs.iter().any(|pair| pair.starts_with("reduceOnly")));
    }
}

#[tokio::test]
async fn margin_is_added_in_plain_decimals_and_never_taken() {
    let pairs = sent(&add_margin(1, "940.1234567899")).await;
    assert_eq!(
        pairs,
        [
            "symbol=BTCUSDT",
            "amount=940.12345678",
            "type=1",
            "recvWindow=3000"
        ]
    );
    let hedge = sent(&hedged(add_margin(1, "0.00000100"), PositionSide::Short)).await;
    assert!(hedge.contains(&"positionSide=SHORT".to_owned()));
    assert!(hedge.contains(&"amount=0.000001".to_owned()));
}

#[tokio::test]
async fn margin_that_goes_back_is_of_the_other_type_and_found_in_its_own_history() {
    let pairs = sent(&take_back(1, "320.25")).await;
    assert_eq!(
        pairs,
        [
            "symbol=BTCUSDT",
            "amount=320.25",
            "type=2",
            "recvWindow=3000"
        ]
    );
    let row = |kind: u8, amount: &str| {
        format!(
            r#"[{{"symbol":"BTCUSDT","type":{kind},"deltaType":"USER_ADJUST","amount":"{amount}","asset":"USDT","time":{START},"positionSide":"BOTH"}}]"#
        )
    };
    for (body, found) in [
        (row(2, "320.25000000"), true),
        (row(2, "-320.25"), true),
        (row(1, "320.25"), false),
        (row(2, "320.24"), false),
        ("[]".to_owned(), false),
    ] {
        let venue = Venue::start().await;
        venue.on(MARGIN, &[Reply::hang()]);
        venue.on(HISTORY, &[Reply::ok(&body)]);
        let adapter = venue.adapter();
        let intent = take_back(1, "320.25");
        assert!(is_unknown(&adapter.send(&intent).await));
        let resolution = adapter.resolve(&intent, at(0)).await;
        let expected = if found {
            Resolution::Executed { fill: None }
        } else {
            Resolution::NotFound
        };
        assert_eq!(resolution, expected, "{body}");
        assert_eq!(venue.seen(MARGIN).len(), 1);
        assert_eq!(venue.seen(HISTORY)[0].param("type"), Some("2"));
    }
}

#[tokio::test]
async fn an_intent_that_contradicts_itself_never_leaves() {
    let venue = Venue::start().await;
    let adapter = venue.adapter();
    let mut cross = add_margin(1, "5");
    cross.margin_mode = MarginMode::Cross;
    let mut flipped = hedged(reduce(1, "0.1", None), PositionSide::Long);
    flipped.side = plimsoll::domain::Side::Short;
    let mut slotless = reduce(1, "0.1", None);
    slotless.position_mode = plimsoll::domain::PositionMode::Hedge;
    let mut slotted = hedged(reduce(1, "0.1", None), PositionSide::Long);
    slotted.position_mode = plimsoll::domain::PositionMode::OneWay;
    let nothing = reduce(1, "0", None);
    let negative = reduce(1, "-1", None);
    let dust = add_margin(1, "0.000000001");
    let taken = add_margin(1, "-5");
    for intent in [
        cross, flipped, slotless, slotted, nothing, negative, dust, taken,
    ] {
        let outcome = adapter.send(&intent).await;
        let expected = matches!(
            &outcome,
            Outcome::Rejected { reaction: Reaction::Resync, message, .. } if message.starts_with("not sent")
        );
        assert!(expected, "{intent:?}: {outcome:?}");
    }
    assert!(venue.seen(ORDER).is_empty() && venue.seen(MARGIN).is_empty());
}

#[tokio::test]
async fn a_final_answer_is_done_with_its_fill_and_any_other_is_unknown() {
    for (status, executed) in [
        ("FILLED", "0.200"),
        ("EXPIRED", "0.05"),
        ("CANCELED", "0"),
        ("EXPIRED_IN_MATCH", "0"),
    ] {
        let Outcome::Done { fill: Some(fill) } =
            outcome(Reply::ok(&order(status, executed, 1))).await
        else {
            panic!("{status}");
        };
        assert_eq!(fill.quantity, executed.parse().unwrap(), "{status}");
        assert_eq!(fill.average_price, None, "the answer names no price");
    }
    for body in [
        order("NEW", "0", 1),
        order("PARTIALLY_FILLED", "0.1", 1),
        order("FILLED", "0.2", 99),
        order("FILLED", "NaN", 1),
        r#"{"orderId":83897"#.to_owned(),
        "<html>signature=abc</html>".to_owned(),
        String::new(),
    ] {
        let outcome = outcome(Reply::ok(&body)).await;
        assert!(is_unknown(&outcome), "{body}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("abc"));
    }
    let with_price =
        order("FILLED", "0.2", 1).replace("\"status\"", "\"avgPrice\":\"96900.5\",\"status\"");
    let Outcome::Done { fill: Some(fill) } = outcome(Reply::ok(&with_price)).await else {
        panic!("not done");
    };
    assert_eq!(
        fill.average_price.map(|p| p.to_string()).as_deref(),
        Some("96900.5")
    );
}

#[tokio::test]
async fn what_may_have_been_executed_is_unknown_and_not_sent_again() {
    let unknown =
        r#"{"code":-1000,"msg":"Unknown error, please check your request or try again later."}"#;
    for reply in [
        Reply::hang(),
        Reply::code(-1007),
        Reply::code(-1006),
        Reply::code(-1001),
        Reply::code(-4116),
        Reply::status(408, ""),
        Reply::status(500, "oops"),
        Reply::status(502, "<html>signature=abc</html>"),
        Reply::status(503, unknown),
        Reply::status(504, ""),
    ] {
        let outcome = outcome(reply.clone()).await;
        assert!(is_unknown(&outcome), "{reply:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn what_was_surely_not_executed_says_so() {
    let rejected = |outcome: Outcome| match outcome {
        Outcome::Rejected { reaction, code, .. } => (reaction, code),
        other => panic!("{other:?}"),
    };
    let away = outcome(Reply::status(503, "Service Unavailable.")).await;
    assert_eq!(rejected(away), (Reaction::RetryLater, None));
    for (code, reaction) in [
        (-2022, Reaction::Resync),
        (-2019, Reaction::NoBalance),
        (-4131, Reaction::BoundPrice),
        (-1111, Reaction::RefreshFilters),
        (-2015, Reaction::Powerless),
        (-2023, Reaction::Powerless),
        (-7777, Reaction::Resync),
    ] {
        assert_eq!(
            rejected(outcome(Reply::code(code)).await),
            (reaction, Some(code))
        );
    }
    let venue = Venue::start().await;
    let mut settings = venue.settings();
    settings.rest = "http://127.0.0.1:1".to_owned();
    let refused = adapter(settings, venue.clock.clone())
        .send(&reduce(1, "0.2", None))
        .await;
    assert_eq!(rejected(refused), (Reaction::RetryLater, None));
}

#[tokio::test]
async fn throttling_names_the_end_and_holds_everything_back_until_then() {
    let overload = r#"{"code":-1008,"msg":"Server is currently overloaded with other requests."}"#;
    let short = outcome(Reply::status(503, overload)).await;
    assert_eq!(short, Outcome::Throttled { until: at(500) });
    let orders = outcome(Reply::status(
        429,
        r#"{"code":-1015,"msg":"Too many new orders."}"#,
    ))
    .await;
    assert_eq!(orders, Outcome::Throttled { until: at(10_000) });
    for (status, pause_ms) in [(429, 7_000), (418, 300_000), (403, 9_000)] {
        let venue = Venue::start().await;
        let seconds = (pause_ms / 1_000).to_string();
        let limit = Reply::status(status, "").with("Retry-After", &seconds);
        venue.on(ORDER, &[limit, Reply::ok(&order("FILLED", "0.2", 2))]);
        let adapter = venue.adapter();
        let held = Outcome::Throttled {
            until: at(pause_ms),
        };
        assert_eq!(
            adapter.send(&reduce(1, "0.2", None)).await,
            held,
            "{status}"
        );
        assert_eq!(
            adapter.send(&reduce(2, "0.2", None)).await,
            held,
            "{status}"
        );
        let account = adapter.account().await;
        assert!(
            matches!(account, Err(ExchangeError::Throttled { until, .. }) if until == at(pause_ms))
        );
        let wallet = adapter.permissions().await;
        assert!(
            matches!(wallet, Err(ExchangeError::Throttled { until, .. }) if until == at(pause_ms))
        );
        assert_eq!(
            venue.seen(ORDER).len(),
            1,
            "nothing may be sent during a ban"
        );
        venue.clock.advance_to(at(pause_ms));
        let after = adapter.send(&reduce(2, "0.2", None)).await;
        assert!(matches!(after, Outcome::Done { .. }), "{after:?}");
    }
}

#[tokio::test]
async fn a_refused_timestamp_is_mended_and_the_same_order_sent_once_more() {
    let venue = Venue::start().await;
    let late = format!(r#"{{"serverTime":{}}}"#, START + 25_000);
    venue.on(TIME, &[Reply::ok(&late)]);
    venue.on(
        ORDER,
        &[Reply::code(-1021), Reply::ok(&order("FILLED", "0.2", 1))],
    );
    let adapter = venue.adapter();
    let outcome = adapter.send(&reduce(1, "0.2", None)).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    let seen = venue.seen(ORDER);
    assert_eq!(seen.len(), 2);
    seen.iter().for_each(Seen::assert_signed);
    assert_eq!(
        params(&seen[0]),
        params(&seen[1]),
        "the same client order id"
    );
    let stamps: Vec<&str> = seen.iter().filter_map(|s| s.param("timestamp")).collect();
    assert_eq!(stamps, [START.to_string(), (START + 25_000).to_string()]);
    assert_eq!(adapter.clock_offset_ms(), 25_000);
}

#[tokio::test]
async fn a_timestamp_refused_twice_is_given_up_as_not_executed() {
    for time in [
        Reply::ok(&format!(r#"{{"serverTime":{START}}}"#)),
        Reply::hang(),
        Reply::ok("{}"),
    ] {
        let venue = Venue::start().await;
        venue.on(TIME, &[time]);
        venue.on(ORDER, &[Reply::code(-1021)]);
        let outcome = venue.adapter().send(&reduce(1, "0.2", None)).await;
        let expected = matches!(
            outcome,
            Outcome::Rejected {
                reaction: Reaction::RetryLater,
                ..
            }
        );
        assert!(expected, "{outcome:?}");
        assert!(venue.seen(ORDER).len() <= 2);
    }
}

#[tokio::test]
async fn the_bytes_of_an_order_are_made_without_the_network() {
    let venue = Venue::start().await;
    let adapter = venue.adapter();
    let one = adapter.order_request(&reduce(1, "0.2", None), at(0));
    let two = adapter.order_request(&reduce(1, "0.2", None), at(0));
    assert_eq!((one.path, &one.query), (two.path, &two.query));
    assert!(one.query.contains(&format!("timestamp={START}&signature=")));
    assert!(venue.seen(ORDER).is_empty());
}

async fn resolution(intent: &Intent, route: &str, reply: Reply) -> Resolution {
    let venue = Venue::start().await;
    venue.on(route, &[reply]);
    let resolution = venue.adapter().resolve(intent, at(0)).await;
    venue.seen(route).iter().for_each(Seen::assert_signed);
    resolution
}

#[tokio::test]
async fn an_order_is_looked_up_by_its_client_id() {
    let intent = reduce(1, "0.2", None);
    let ask = |reply| resolution(&intent, QUERY, reply);
    for (status, executed, expected) in [
        ("NEW", "0", "Working"),
        ("PARTIALLY_FILLED", "0.1", "Working"),
        ("SOMETHING_NEW", "0.1", "Working"),
        ("FILLED", "0.2", "Executed"),
        ("CANCELED", "0.1", "Executed"),
        ("EXPIRED", "0.1", "Executed"),
        ("CANCELED", "0", "NotExecuted"),
        ("EXPIRED", "0", "NotExecuted"),
        ("EXPIRED_IN_MATCH", "0", "NotExecuted"),
        ("REJECTED", "0", "NotExecuted"),
    ] {
        let found = format!("{:?}", ask(Reply::ok(&order(status, executed, 1))).await);
        assert!(found.starts_with(expected), "{status} {executed}: {found}");
    }
    assert_eq!(ask(Reply::code(-2013)).await, Resolution::NotFound);
    for reply in [
        Reply::hang(),
        Reply::status(502, "<html>"),
        Reply::code(-2015),
        Reply::code(-1007),
        Reply::ok("<html>"),
        Reply::ok(&order("FILLED", "0.2", 7)),
        Reply::status(429, ""),
    ] {
        let found = ask(reply.clone()).await;
        assert!(
            matches!(found, Resolution::Unreachable { .. }),
            "{reply:?}: {found:?}"
        );
    }
    let quote = r#"{"clientOrderId":"plim-test-1","executedQty":"0.2","cumQuote":"19380","avgPrice":"0","status":"FILLED"}"#;
    let Resolution::Executed { fill: Some(fill) } = ask(Reply::ok(quote)).await else {
        panic!("not executed");
    };
    assert_eq!(
        fill.average_price.map(|p| p.to_string()).as_deref(),
        Some("96900")
    );
}

fn row(amount: &str, ms: i64, side: &str, kind: &str) -> String {
    format!(
        r#"{{"symbol":"BTCUSDT","type":1,"deltaType":"{kind}","amount":"{amount}","asset":"USDT","time":{},"positionSide":"{side}"}}"#,
        START + ms
    )
}

#[tokio::test]
async fn added_margin_is_found_in_the_history_by_amount_side_and_time() {
    let both = add_margin(1, "940");
    for (rows, expected) in [
        (row("940.00000000", 50, "BOTH", "USER_ADJUST"), true),
        (row("940.00000000", -1_000, "BOTH", "USER_ADJUST"), true),
        (row("940.00000000", -1_001, "BOTH", "USER_ADJUST"), false),
        (row("940.00000001", 50, "BOTH", "USER_ADJUST"), false),
        (row("940", 50, "LONG", "USER_ADJUST"), false),
        (row("940", 50, "BOTH", "TRADE"), false),
        (
            row("940", 50, "BOTH", "USER_ADJUST").replace("\"type\":1", "\"type\":2"),
            false,
        ),
        (
            row("940", 50, "BOTH", "USER_ADJUST").replace("BTCUSDT", "ETHUSDT"),
            false,
        ),
        (String::new(), false),
    ] {
        let found = resolution(&both, HISTORY, Reply::ok(&format!("[{rows}]"))).await;
        let wanted = if expected {
            Resolution::Executed { fill: None }
        } else {
            Resolution::NotFound
        };
        assert_eq!(found, wanted, "{rows}");
    }
    for reply in [Reply::hang(), Reply::ok("{"), Reply::code(-1003)] {
        let found = resolution(&both, HISTORY, reply).await;
        assert!(matches!(found, Resolution::Unreachable { .. }), "{found:?}");
    }
}

#[tokio::test]
async fn one_row_of_the_history_never_proves_two_additions() {
    let venue = Venue::start().await;
    let adapter = venue.adapter();
    let one_row = format!("[{}]", row("940", 20, "BOTH", "USER_ADJUST"));
    let two_rows = format!(
        "[{},{}]",
        row("940", 20, "BOTH", "USER_ADJUST"),
        row("940", 400, "BOTH", "USER_ADJUST")
    );
    venue.on(HISTORY, &[Reply::ok(&one_row)]);
    let executed = Resolution::Executed { fill: None };
    assert_eq!(
        adapter.resolve(&add_margin(1, "940"), at(0)).await,
        executed
    );
    assert_eq!(
        adapter.resolve(&add_margin(1, "940"), at(0)).await,
        executed,
        "asked again"
    );
    assert_eq!(
        adapter.resolve(&add_margin(2, "940"), at(0)).await,
        Resolution::NotFound
    );
    venue.on(HISTORY, &[Reply::ok(&two_rows)]);
    assert_eq!(
        adapter.resolve(&add_margin(2, "940"), at(0)).await,
        executed
    );
    assert_eq!(
        adapter.resolve(&add_margin(3, "940"), at(0)).await,
        Resolution::NotFound
    );
    let history = venue.seen(HISTORY);
    assert_eq!(
        history[0].param("startTime"),
        Some((START - 1_000).to_string().as_str())
    );
    assert_eq!(history[0].param("type"), Some("1"));
}

#[tokio::test]
async fn added_margin_is_done_only_by_the_venues_own_word() {
    let venue = Venue::start().await;
    let adapter = venue.adapter();
    for body in [
        "",
        "<html>ok</html>",
        "{}",
        r#"{"code":-1000,"msg":"?"}"#,
        r#"{"amount":940.0"#,
    ] {
        venue.on(MARGIN, &[Reply::ok(body)]);
        let outcome = adapter.send(&add_margin(1, "940")).await;
        assert!(is_unknown(&outcome), "{body}: {outcome:?}");
    }
}

#[tokio::test]
async fn the_row_of_an_acknowledged_addition_proves_no_other() {
    let venue = Venue::start().await;
    let adapter = venue.adapter();
    venue.on(MARGIN, &[Reply::ok(ADDED), Reply::hang()]);
    let done = adapter.send(&add_margin(1, "940")).await;
    assert_eq!(done, Outcome::Done { fill: None });
    assert!(is_unknown(&adapter.send(&add_margin(2, "940")).await));
    let one_row = format!("[{}]", row("940", 20, "BOTH", "USER_ADJUST"));
    venue.on(HISTORY, &[Reply::ok(&one_row)]);
    assert_eq!(
        adapter.resolve(&add_margin(2, "940"), at(0)).await,
        Resolution::NotFound
    );
}

#[tokio::test]
async fn the_guard_speaks_venue_time_and_so_do_look_ups_and_pauses() {
    const AHEAD: i64 = 7_000;
    let venue = Venue::start().await;
    let time = format!(r#"{{"serverTime":{}}}"#, START + AHEAD);
    venue.on(TIME, &[Reply::ok(&time)]);
    let adapter = venue.adapter();
    assert_eq!(adapter.sync_clock().await, Ok(AHEAD));
    let there = format!("[{}]", row("940", AHEAD + 20, "BOTH", "USER_ADJUST"));
    venue.on(HISTORY, &[Reply::ok(&there)]);
    assert_eq!(
        adapter.resolve(&add_margin(1, "940"), at(AHEAD)).await,
        Resolution::Executed { fill: None },
        "a row stamped right after the sending"
    );
    let since = venue.seen(HISTORY)[0].param("startTime").map(str::to_owned);
    assert_eq!(since, Some((START + AHEAD - 1_000).to_string()));
    venue.on(MARGIN, &[Reply::status(429, "").with("Retry-After", "9")]);
    assert_eq!(
        adapter.send(&add_margin(2, "940")).await,
        Outcome::Throttled {
            until: at(AHEAD + 9_000)
        }
    );
}

#[tokio::test]
async fn an_addition_that_is_answered_without_the_venues_word_stays_unknown() {
    for body in ["", "{}", "<html>ok</html>", r#"{"code":0}"#] {
        let venue = Venue::start().await;
        venue.on(MARGIN, &[Reply::ok(body)]);
        let outcome = venue.adapter().send(&add_margin(1, "940")).await;
        assert!(is_unknown(&outcome), "{body}: {outcome:?}");
    }
}
