//! Frames as documented, frames that must be refused, and frames nobody ever wrote.

// Helpers of tests may panic: that is how a test fails. Clippy's switch for tests does not reach them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]

use plimsoll::domain::{PositionSide, Side, Symbol};
use plimsoll::exchange::ExchangeError;
use plimsoll::exchange::binance::{Decoder, Names, Taken, decode_file};
use plimsoll::guard::event::{Event, OrderOrigin, OrderStatus};
use proptest::prelude::*;

const MARK: &str = r#"{"e":"markPriceUpdate","E":1795219201000,"s":"BTCUSDT","p":"97000.00000000","ap":"97004.10000000","i":"97031.12500000","P":"97010.44120000","r":"0.00010000","T":1795248000000,"st":1}"#;
const BOOK: &str = r#"{"e":"depthUpdate","E":1795219201100,"T":1795219201093,"s":"BTCUSDT","ps":"BTCUSDT","U":1,"u":2,"pu":0,"b":[["96999.90","2.000"],["97000.00","0"],["96999.80","1"]],"a":[["97000.20","1.5"],["97000.10","1.000"]],"st":1}"#;
const ACCOUNT: &str = r#"{"e":"ACCOUNT_UPDATE","E":1795219202010,"T":1795219202003,"a":{"m":"ORDER","B":[{"a":"USDT","wb":"9370.31000000","cw":"7870.31000000","bc":"0"}],"P":[{"s":"BTCUSDT","pa":"-0.300","ep":"100000.0","bep":"100050.0","cr":"-620.00000000","up":"-900.00000000","mt":"isolated","iw":"1500.00000000","ps":"BOTH"},{"s":"ETHUSDT","pa":"0","ep":"0.0","mt":"cross","ps":"LONG"}]}}"#;
const ORDER: &str = r#"{"e":"ORDER_TRADE_UPDATE","E":1795219202008,"T":1795219202003,"o":{"s":"BTCUSDT","c":"plim-7f3a-1","S":"SELL","o":"MARKET","f":"GTC","q":"0.200","p":"0","ap":"96900.00","sp":"0","x":"TRADE","X":"FILLED","i":8389765519,"l":"0.200","z":"0.200","L":"96900.00","N":"USDT","n":"9.69000000","T":1795219202003,"t":1234567890,"R":true,"ps":"BOTH","rp":"-620.00000000"}}"#;
const EXPIRED: &str =
    r#"{"e":"listenKeyExpired","E":1795222800000,"listenKey":"pqia91ma19a5s61cv6a81va65sdf19v8"}"#;
const CALL: &str = r#"{"e":"MARGIN_CALL","E":1795219190000,"cw":"3000.00000000","p":[{"s":"BTCUSDT","ps":"BOTH","pa":"0.500","mt":"CROSSED","iw":"0","mp":"94600.0","up":"-2700.00000000","mm":"189.20000000"}]}"#;
const CONFIG: &str = r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1795219000000,"T":1795218999990,"ac":{"s":"BTCUSDT","l":25}}"#;

fn decode(text: &str) -> (Result<Taken, ExchangeError>, Vec<Event>) {
    let mut names = Names::default();
    names.insert(&Symbol::new("BTCUSDT"));
    let decoder = Decoder {
        names: &names,
        own_prefix: "plim-",
    };
    let mut events = Vec::new();
    (decoder.frame(text, &mut events), events)
}

fn one(text: &str) -> Event {
    let (taken, mut events) = decode(text);
    assert_eq!(taken, Ok(Taken::Used), "{text}");
    assert_eq!(events.len(), 1, "{text}");
    events.remove(0)
}

#[test]
fn a_mark_is_read_bare_wrapped_and_in_any_layout() {
    let bare = one(MARK);
    let Event::Mark(mark) = &bare else {
        panic!("{bare:?}");
    };
    assert_eq!(mark.price.to_string(), "97000");
    assert_eq!(mark.at.as_millis(), 1_795_219_201_000);
    assert_eq!(
        mark.funding_rate.map(|r| r.to_string()).as_deref(),
        Some("0.0001")
    );
    assert_eq!(
        mark.next_funding_at.map(|at| at.as_millis()),
        Some(1_795_248_000_000)
    );
    let wrapped = format!(r#"{{"stream":"btcusdt@markPrice@1s","data":{MARK}}}"#);
    let turned = format!(r#"{{"data":{MARK},"stream":"btcusdt@markPrice@1s"}}"#);
    let spaced = MARK.replace("\",", "\" , ").replace('{', "{ \n");
    let array = format!("[{MARK}]");
    for text in [wrapped, turned, spaced, array] {
        assert_eq!(one(&text), bare, "{text}");
    }
}

#[test]
fn names_outside_ascii_and_escaped_names_are_read() {
    for name in ["币安人生USDT", r"\u5e01安人生USDT"] {
        let Event::Mark(mark) = one(&MARK.replace("BTCUSDT", name)) else {
            panic!("not a mark");
        };
        assert_eq!(mark.symbol.as_str(), "币安人生USDT");
    }
}

#[test]
fn a_book_is_sorted_and_empty_levels_are_left_out() {
    let Event::Book(book) = one(BOOK) else {
        panic!("not a book");
    };
    let prices = |levels: &[plimsoll::domain::BookLevel]| {
        levels
            .iter()
            .map(|l| l.price.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(prices(&book.bids), ["96999.9", "96999.8"]);
    assert_eq!(prices(&book.asks), ["97000.1", "97000.2"]);
    assert!(!book.is_unusable());
    assert_eq!(book.at.as_millis(), 1_795_219_201_093);
}

#[test]
fn changes_of_a_book_are_not_taken_for_its_best_levels() {
    for (stream, expected) in [
        ("btcusdt@depth", Taken::Ignored),
        ("btcusdt@depth@100ms", Taken::Ignored),
        ("btcusdt@depth20@500ms", Taken::Used),
        ("btcusdt@depth5", Taken::Used),
    ] {
        let text = format!(r#"{{"stream":"{stream}","data":{BOOK}}}"#);
        assert_eq!(decode(&text).0, Ok(expected), "{stream}");
    }
}

#[test]
fn an_account_change_names_only_what_changed() {
    let Event::Change(change) = one(ACCOUNT) else {
        panic!("not a change");
    };
    assert_eq!(change.reason, "ORDER");
    assert_eq!(change.balances.len(), 1);
    assert_eq!(change.balances[0].1.to_string(), "7870.31");
    let short = &change.positions[0];
    assert_eq!(
        (short.side, short.quantity.to_string().as_str()),
        (Some(Side::Short), "0.3")
    );
    assert!(short.isolated && short.isolated_wallet.is_positive());
    let flat = &change.positions[1];
    assert_eq!((flat.side, flat.entry_price), (None, None));
    assert_eq!(flat.position_side, PositionSide::Long);
}

#[test]
fn a_change_of_margin_type_asks_for_the_settings_too() {
    let (_, events) = decode(&ACCOUNT.replace("ORDER", "MARGIN_TYPE_CHANGE"));
    assert!(matches!(
        events.as_slice(),
        [Event::Change(_), Event::ConfigChanged]
    ));
    for text in [CALL, CONFIG] {
        assert_eq!(one(text), Event::ConfigChanged);
    }
}

#[test]
fn an_order_of_ours_is_recognised_with_its_fee() {
    let Event::Order(order) = one(ORDER) else {
        panic!("not an order");
    };
    assert_eq!(order.origin, OrderOrigin::Own);
    assert_eq!(
        (order.status, order.order_side),
        (OrderStatus::Filled, Side::Short)
    );
    assert_eq!(
        order.fee.map(|fee| fee.to_string()).as_deref(),
        Some("9.69")
    );
    let Event::Order(partial) = one(&ORDER.replace("\"l\":\"0.200\"", "\"l\":\"0.100\"")) else {
        panic!("not an order");
    };
    assert_eq!(
        partial.fee, None,
        "the fee of the last fill is not the whole fee"
    );
    let Event::Order(coin) = one(&ORDER.replace("\"N\":\"USDT\"", "\"N\":\"BNB\"")) else {
        panic!("not an order");
    };
    assert_eq!(
        coin.fee, None,
        "a fee in another coin is not in the settlement asset"
    );
    for (status, expected) in [
        ("NEW", OrderStatus::Working),
        ("PARTIALLY_FILLED", OrderStatus::Working),
        ("NEW_INSURANCE", OrderStatus::Working),
        ("SOMETHING_NEW", OrderStatus::Working),
        ("CANCELED", OrderStatus::Ended),
        ("EXPIRED", OrderStatus::Ended),
        ("EXPIRED_IN_MATCH", OrderStatus::Ended),
    ] {
        let Event::Order(order) = one(&ORDER.replace("FILLED", status)) else {
            panic!("not an order");
        };
        assert_eq!(order.status, expected, "{status}");
    }
}

#[test]
fn what_is_not_for_us_is_ignored() {
    for text in [
        r#"{"result":null,"id":1}"#,
        r#"{"id":3,"result":["btcusdt@markPrice@1s"]}"#,
        r#"{"e":"TRADE_LITE","E":1,"T":1,"s":"BTCUSDT","q":"0.2","c":"plim-7f3a-1"}"#,
        r#"{"e":"SOMETHING_NEW","E":1}"#,
        EXPIRED,
        &MARK.replace("\"st\":1", "\"st\":2"),
        &BOOK.replace("\"st\":1", "\"st\":2"),
        "[]",
    ] {
        assert_eq!(decode(text), (Ok(Taken::Ignored), Vec::new()), "{text}");
    }
}

#[test]
fn numbers_that_no_market_has_make_a_frame_unreadable() {
    for bad in [
        "",
        "0",
        "0.00000000",
        "-1",
        "NaN",
        "Infinity",
        "abc",
        "1e30",
        "1000000001",
    ] {
        let text = MARK.replace("97000.00000000", bad);
        let (taken, events) = decode(&text);
        assert!(
            matches!(taken, Err(ExchangeError::Unreadable { .. })),
            "{bad}"
        );
        assert_eq!(events, Vec::new(), "{bad}");
    }
    for (from, to) in [
        ("\"pa\":\"-0.300\"", "\"pa\":\"\""),
        ("\"cw\":\"7870.31000000\"", "\"cw\":\"NaN\""),
        ("\"mt\":\"isolated\"", "\"mt\":\"\""),
        ("\"ps\":\"LONG\"", "\"ps\":\"SIDEWAYS\""),
        ("\"pa\":\"0\",\"ep\":\"0.0\"", "\"pa\":\"-1\",\"ep\":\"5\""),
        ("\"ep\":\"100000.0\"", "\"ep\":\"-5\""),
    ] {
        assert!(ACCOUNT.contains(from), "{from}");
        let (taken, events) = decode(&ACCOUNT.replace(from, to));
        assert!(
            matches!(taken, Err(ExchangeError::Unreadable { .. })),
            "{to}"
        );
        assert_eq!(events, Vec::new(), "{to}");
    }
}

#[test]
fn what_is_not_the_venues_language_is_unreadable_and_not_quoted() {
    for text in [
        "",
        "   ",
        "hello",
        "null",
        "{}",
        "[1]",
        "<html>token=s3cret</html>",
        r#"{"e":"#,
        r#"{"e":"markPriceUpdate"}"#,
        r#"{"e":5}"#,
        r#"{"stream":"x","data":{"secret":"s3cret"}}"#,
        r#"{"error":{"code":2,"msg":"Invalid request: unknown stream"},"id":1}"#,
        r#"{"code":2,"msg":"Invalid request"}"#,
    ] {
        let (taken, _) = decode(text);
        let Err(error @ ExchangeError::Unreadable { .. }) = taken else {
            panic!("{text}: {taken:?}");
        };
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[test]
fn brackets_are_read_as_object_and_array_with_numbers_as_text_or_not() {
    let plain = r#"{"symbol":"BTCUSDT","notionalCoef":1.5,"brackets":[{"bracket":1,"initialLeverage":150,"notionalCap":300000,"notionalFloor":0,"maintMarginRatio":0.004,"cum":0.0},{"bracket":2,"initialLeverage":"1","notionalCap":"9223372036854775807","notionalFloor":"300000","maintMarginRatio":"5e-3","cum":"300"}]}"#;
    let object = decode_file("/fapi/v1/leverageBracket", plain);
    let array = decode_file("/fapi/v1/leverageBracket", &format!("[{plain}]"));
    assert_eq!(object, array);
    let text = format!("{:?}", object.expect("tiers"));
    assert!(
        text.contains("Rate(0.004)") && text.contains("Rate(0.005)"),
        "{text}"
    );
    assert!(
        text.contains("cap: None"),
        "a cap beyond all money leaves the tier open: {text}"
    );
}

/// Real frames with pieces cut, doubled and swapped.
fn mutated() -> impl Strategy<Value = String> {
    let frames = prop::sample::select(vec![MARK, BOOK, ACCOUNT, ORDER, CALL, CONFIG, EXPIRED]);
    let cuts = prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, ".{0,3}"), 1..6);
    (frames, cuts).prop_map(|(frame, cuts)| {
        let mut chars: Vec<char> = frame.chars().collect();
        for (place, how, text) in cuts {
            if chars.is_empty() {
                break;
            }
            let at = place.index(chars.len());
            match how {
                0 => chars.truncate(at),
                1 => drop(chars.remove(at)),
                2 => drop(chars.splice(at..at, text.chars())),
                _ => {
                    let last = chars.len() - 1;
                    chars.swap(at, last);
                }
            }
        }
        chars.into_iter().collect()
    })
}

const ENDPOINTS: &[&str] = &[
    "stream",
    "/fapi/v1/time",
    "/fapi/v3/positionRisk",
    "/fapi/v3/account",
    "/fapi/v1/accountConfig",
    "/fapi/v1/symbolConfig",
    "/fapi/v1/exchangeInfo",
    "/fapi/v1/leverageBracket",
    "/fapi/v1/commissionRate",
    "/fapi/v1/premiumIndex",
    "/fapi/v1/depth",
    "/fapi/v1/order",
    "/fapi/v1/positionMargin/history",
    "/sapi/v1/account/apiRestrictions",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_the_decoder_panic(text in any::<String>()) {
        let _ = decode(&text);
        for endpoint in ENDPOINTS {
            let _ = decode_file(endpoint, &text);
        }
    }

    #[test]
    fn no_mutated_frame_makes_the_decoder_panic(text in mutated()) {
        let (taken, events) = decode(&text);
        if taken.is_err() && !text.trim_start().starts_with('[') {
            prop_assert!(events.is_empty(), "an unreadable frame left {:?}", events);
        }
        for endpoint in ENDPOINTS {
            let _ = decode_file(endpoint, &text);
        }
    }

    #[test]
    fn a_mark_that_is_taken_has_a_price_above_zero(p in "[-+0-9.eENa]{0,12}") {
        let (_, events) = decode(&MARK.replace("97000.00000000", &p));
        for event in events {
            if let Event::Mark(mark) = event {
                prop_assert!(mark.price.is_positive());
            }
        }
    }
}
