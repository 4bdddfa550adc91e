//! `plimsoll decode`: the installed program over every recorded file, over frames of our own, and over
//! what is no response at all.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test program: it fails by panicking"
)]

#[path = "support/recorded.rs"]
mod recorded;
#[path = "support/shared.rs"]
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use plimsoll::exchange::binance::{CaptureError, read_capture, supported};
use proptest::prelude::*;
use recorded::{Fields, NO_USE, compare, fields, folder, index};
use serde_json::Value;

const USAGE: i32 = 2;
const BAD_INPUT: i32 = 65;
const NO_INPUT: i32 = 66;
/// A key that must never be said.
const KEY: &str = "pqia91ma19a5s61cv6a81va65sdf19v8a2a65a1a5s61cv6a81va65sdf19v8a2a";

const LONG: &str = r#"[{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"0.500","entryPrice":"100000.0","breakEvenPrice":"100050.0","markPrice":"97000.00000000","unRealizedProfit":"-1500.00000000","liquidationPrice":"95381.52610442","isolatedMargin":"1000.00000000","notional":"48500.00000000","marginAsset":"USDT","isolatedWallet":"2500.00000000","maintMargin":"194.00000000","updateTime":1795219100000},{"symbol":"ETHUSDT","positionSide":"BOTH","positionAmt":"0.000","entryPrice":"0.0","markPrice":"3000","unRealizedProfit":"0","liquidationPrice":"0","isolatedMargin":"0","isolatedWallet":"0","updateTime":0}]"#;
const MARK: &str = r#"{"e":"markPriceUpdate","E":1795219201000,"s":"BTCUSDT","p":"97000.00000000","r":"0.00010000","T":1795248000000,"st":1}"#;
const ACCOUNT: &str = r#"{"e":"ACCOUNT_UPDATE","E":1795219202010,"T":1795219202003,"a":{"m":"ORDER","B":[{"a":"USDT","wb":"9370.31000000","cw":"7870.31000000","bc":"0"}],"P":[{"s":"BTCUSDT","pa":"-0.300","ep":"100000.0","up":"-900.00000000","mt":"isolated","iw":"1500.00000000","ps":"BOTH"},{"s":"ETHUSDT","pa":"0","ep":"0.0","mt":"cross","ps":"LONG"}]}}"#;
const CALL: &str = r#"{"e":"MARGIN_CALL","E":1795219190000,"cw":"3000.00000000","p":[{"s":"BTCUSDT","ps":"BOTH","pa":"0.500","mt":"CROSSED","iw":"0","mp":"94600.0","up":"-2700.00000000","mm":"189.20000000"}]}"#;
const ORDER: &str = r#"{"orderId":1,"symbol":"BTCUSDT","status":"FILLED","clientOrderId":"plim-7f3a-1","price":"0","avgPrice":"96900.0","origQty":"0.200","executedQty":"0.200","cumQuote":"19380","type":"MARKET","side":"SELL","positionSide":"BOTH","reduceOnly":true,"updateTime":1795219202003}"#;

/// What the program said.
#[derive(Debug)]
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the program as a user without any configuration does.
fn call(words: &[&str], input: &str) -> Told {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("plimsoll"))
        .args(words)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    // A refused command line closes the pipe unread.
    let _ = child
        .stdin
        .take()
        .expect("stdin")
        .write_all(input.as_bytes());
    let output = child.wait_with_output().expect("ended");
    let told = Told {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    };
    for text in [&told.out, &told.err] {
        assert!(
            !text.contains(KEY) && !text.contains("panicked"),
            "{told:?}"
        );
    }
    told
}

fn decode(endpoint: &str, input: &str) -> Told {
    let words = [
        "decode",
        "--exchange",
        "binance-usdm",
        "--endpoint",
        endpoint,
        "-",
    ];
    call(&words, input)
}

/// The object of a response that could be read.
#[track_caller]
fn read(endpoint: &str, input: &str) -> Value {
    let told = decode(endpoint, input);
    assert_eq!(told.code, Some(0), "{told:?}");
    serde_json::from_str(&told.out).expect("JSON")
}

#[track_caller]
fn refused(told: &Told, code: i32, words: &[&str]) {
    assert_eq!(told.code, Some(code), "{told:?}");
    assert!(told.out.is_empty(), "{told:?}");
    assert_eq!(told.err.lines().count(), 1, "{told:?}");
    for word in words {
        assert!(told.err.contains(word), "{word:?} is missing: {told:?}");
    }
}

/// The spelling of a value in the `expect` column; `none` where there is no value.
fn word(value: &Value, none: &str) -> String {
    match value {
        Value::Null => none.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn rows<'v>(answer: &'v Value, name: &str) -> Vec<&'v Value> {
    match &answer[name] {
        Value::Null => Vec::new(),
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    }
}

/// What was printed, in the words of the `expect` column, by head or by symbol.
fn facts(answer: &Value) -> Vec<(String, Fields)> {
    let mut all: BTreeMap<String, Fields> = BTreeMap::new();
    let mut add = |head: &str, more: Fields| all.entry(head.to_owned()).or_default().extend(more);
    if let Some(at) = answer["server_time_ms"].as_i64() {
        add("", fields([("serverTime", at.to_string())]));
    }
    if let Some(count) = answer["frames"].as_u64() {
        add("", fields([("items", count.to_string())]));
    }
    for one in rows(answer, "account") {
        for (theirs, ours) in [
            ("totalWalletBalance", "wallet_balance"),
            ("totalMarginBalance", "margin_balance"),
            ("totalMaintMargin", "maintenance_margin"),
            ("totalInitialMargin", "initial_margin"),
            ("availableBalance", "available"),
            ("totalUnrealizedProfit", "unrealized_pnl"),
            ("multiAssetsMargin", "multi_assets"),
        ] {
            if !one[ours].is_null() {
                add("", fields([(theirs, word(&one[ours], ""))]));
            }
        }
    }
    for one in rows(answer, "positions") {
        let slot = word(&one["position_side"], "").to_uppercase();
        let sign = if one["side"] == "short" { "-" } else { "" };
        let text = |name: &str| word(&one[name], "null");
        let head = format!("pos[{}/{slot}]", text("symbol"));
        add(
            &head,
            fields([
                ("qty", format!("{sign}{}", text("quantity"))),
                ("entry", text("entry_price")),
                ("mark", text("mark_price")),
                ("liq", word(&one["exchange_liquidation_price"], "none")),
                ("upnl", text("unrealized_pnl")),
                ("iso_margin", text("isolated_margin")),
                ("iso", text("isolated_margin")),
                ("mode", text("margin_mode")),
                ("lev", text("leverage")),
            ]),
        );
    }
    for one in rows(answer, "balances") {
        let head = format!("bal[{}]", word(&one["asset"], ""));
        let text = |name: &str| word(&one[name], "null");
        add(
            &head,
            fields([("wallet", text("wallet")), ("cross", text("cross_wallet"))]),
        );
    }
    for one in rows(answer, "symbol_settings") {
        let mode = match one["margin_mode"].as_str() {
            Some("cross") => "CROSSED".to_owned(),
            other => other.unwrap_or_default().to_owned(),
        };
        add(
            &word(&one["symbol"], ""),
            fields([
                ("marginType", mode),
                ("leverage", word(&one["leverage"], "")),
                ("isAutoAddMargin", word(&one["auto_add_margin"], "")),
            ]),
        );
    }
    for one in rows(answer, "taker_fees") {
        add(
            &word(&one["symbol"], ""),
            fields([("takerCommissionRate", word(&one["rate"], ""))]),
        );
    }
    for one in rows(answer, "margin_added") {
        let at = word(&one["at_ms"], "");
        add(
            &format!("time {at}"),
            fields([
                ("symbol", word(&one["symbol"], "")),
                ("amount", word(&one["amount"], "")),
                ("positionSide", word(&one["position_side"], "")),
                ("time", at),
            ]),
        );
    }
    market_facts(answer, &mut add);
    order_and_event_facts(answer, &mut add);
    // What has no name of its own comes last: the name decides where there is one.
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|(head, _)| head.is_empty());
    all
}

fn market_facts(answer: &Value, add: &mut dyn FnMut(&str, Fields)) {
    for (symbol, tiers) in answer["tiers"].as_object().into_iter().flatten() {
        let tiers = tiers.as_array().expect("tiers");
        let (first, last) = (tiers.first().expect("first"), tiers.last().expect("last"));
        add(
            symbol,
            fields([
                ("tiers", tiers.len().to_string()),
                ("first_mmr", word(&first["maintenance_rate"], "")),
                ("last_mmr", word(&last["maintenance_rate"], "")),
                ("last_cum", word(&last["deduction"], "")),
            ]),
        );
    }
    for one in rows(answer, "instruments") {
        add(
            &word(&one["symbol"], ""),
            fields([
                ("status", word(&one["status"], "")),
                ("marginAsset", word(&one["margin_asset"], "")),
                ("liquidationFee", word(&one["liquidation_fee"], "")),
                (
                    "deliveryDate",
                    word(&one["delivery_at_ms"], "4133404800000"),
                ),
            ]),
        );
    }
    for one in rows(answer, "marks") {
        let price = word(&one["mark_price"], "");
        let rate = word(&one["funding_rate"], "0");
        let next = word(&one["next_funding_at_ms"], "0");
        add(
            &word(&one["symbol"], ""),
            fields([
                ("markPrice", price.clone()),
                ("p", price),
                ("lastFundingRate", rate.clone()),
                ("r", rate),
                ("nextFundingTime", next.clone()),
                ("T", next),
            ]),
        );
    }
    for one in rows(answer, "books") {
        let symbol = word(&one["symbol"], "");
        add(
            &symbol,
            fields([
                ("s", symbol.clone()),
                ("best_bid", word(&one["best_bid"], "")),
                ("best_ask", word(&one["best_ask"], "")),
            ]),
        );
    }
}

fn order_and_event_facts(answer: &Value, add: &mut dyn FnMut(&str, Fields)) {
    for one in rows(answer, "orders") {
        let side = if one["side"] == "buy" { "BUY" } else { "SELL" };
        for (head, names) in [
            (
                "order",
                ["s", "c", "S", "o", "X", "q", "z", "ap", "R", "ps"],
            ),
            (
                "",
                [
                    "symbol",
                    "clientOrderId",
                    "side",
                    "type",
                    "status",
                    "origQty",
                    "executedQty",
                    "avgPrice",
                    "reduceOnly",
                    "positionSide",
                ],
            ),
        ] {
            let values = [
                word(&one["symbol"], ""),
                word(&one["client_id"], ""),
                side.to_owned(),
                word(&one["type"], ""),
                word(&one["status"], ""),
                word(&one["quantity"], ""),
                word(&one["filled"], ""),
                word(&one["average_price"], "0"),
                word(&one["reduce_only"], ""),
                word(&one["position_side"], ""),
            ];
            add(
                head,
                names
                    .iter()
                    .map(|name| (*name).to_owned())
                    .zip(values)
                    .collect(),
            );
        }
        add("", fields([("orderId", word(&one["order_id"], ""))]));
    }
    for one in rows(answer, "events") {
        add(
            "",
            fields([
                ("e", word(&one["event"], "")),
                ("E", word(&one["at_ms"], "")),
                ("reason", word(&one["reason"], "")),
            ]),
        );
        for flat in rows(one, "flat") {
            add(
                &format!("pos[{}]", word(flat, "")),
                fields([("qty", "0".to_owned())]),
            );
        }
    }
    for one in rows(answer, "ignored") {
        if !word(&one["what"], "").starts_with('/') {
            add("", fields([("e", word(&one["what"], ""))]));
        }
    }
}

#[test]
fn every_recorded_file_is_shown_as_it_is_or_said_to_be_of_no_use() {
    let Some(folder) = folder() else { return };
    let no_use: BTreeSet<&str> = NO_USE.iter().map(|(file, _)| *file).collect();
    let mut compared_all = 0;
    let rows = index(&folder);
    for row in &rows {
        let path = folder.join(&row.file);
        let words = [
            "decode",
            "--exchange",
            "binance-usdm",
            "--endpoint",
            &row.endpoint,
        ];
        let told = call(&[&words[..], &[path.to_str().expect("text")]].concat(), "");
        assert_eq!(told.code, Some(0), "{}: {told:?}", row.file);
        let answer: Value = serde_json::from_str(&told.out).expect("JSON");
        assert_eq!(answer["endpoint"], row.endpoint.as_str(), "{}", row.file);
        if no_use.contains(row.file.as_str()) {
            assert!(
                answer["ignored"][0]["why"].is_string() || answer["account"].is_object(),
                "{told:?}"
            );
        }
        if answer["kind"] == "unused" {
            assert!(no_use.contains(row.file.as_str()), "{} has a use", row.file);
            assert!(told.err.contains("of use to Plimsoll"), "{told:?}");
            continue;
        }
        assert!(told.err.is_empty(), "{told:?}");
        let compared = compare(&row.file, &row.expect, &facts(&answer));
        assert!(
            compared > 0,
            "{}: nothing of `{}` is in {told:?}",
            row.file,
            row.expect
        );
        compared_all += compared;
        let flat = row.expect.matches("qty=0 ").count() + row.expect.matches("qty=0.000 ").count();
        if row.expect.contains("pos[") {
            assert_eq!(answer["flat_rows"], flat, "{}", row.file);
        }
    }
    assert!(rows.len() >= 48, "only {} files", rows.len());
    assert!(
        compared_all > 190,
        "only {compared_all} values were compared"
    );
}

#[test]
fn positions_have_the_names_of_the_status_and_null_for_what_is_not_there() {
    let answer = read("GET /fapi/v3/positionRisk?signature=abc", LONG);
    assert_eq!(answer["endpoint"], "/fapi/v3/positionRisk");
    assert_eq!(answer["flat_rows"], 1);
    let expected = serde_json::json!([{
        "symbol": "BTCUSDT", "position_side": "both", "side": "long", "quantity": "0.5",
        "entry_price": "100000", "mark_price": "97000", "margin_mode": "isolated", "leverage": null,
        "isolated_margin": "2500", "unrealized_pnl": "-1500",
        "exchange_liquidation_price": "95381.52610442", "maintenance_margin": "194",
        "margin_asset": "USDT", "auto_add_margin": null, "updated_at_ms": 1_795_219_100_000_i64
    }]);
    assert_eq!(answer["positions"], expected);
    // A liquidation price of zero is none; a cross position is not proven by an empty wallet.
    let cross = LONG
        .replace("95381.52610442", "0")
        .replace("2500.00000000", "0")
        .replace("\"0.500\"", "\"-0.500\"");
    let row = &read("positionRisk", &cross)["positions"][0];
    assert_eq!(
        (&row["side"], &row["quantity"]),
        (&"short".into(), &"0.5".into())
    );
    assert!(row["exchange_liquidation_price"].is_null() && row["margin_mode"].is_null());
    // The wallet of a schema without it is the margin without the profit.
    let without = LONG.replace(r#""isolatedWallet":"2500.00000000","#, "");
    assert_eq!(
        read("positionRisk", &without)["positions"][0]["isolated_margin"],
        "2500"
    );
}

#[test]
fn an_account_shows_its_assets_and_its_positions_without_prices() {
    let text = r#"{"totalWalletBalance":"10000","totalMaintMargin":"194","availableBalance":"7500","multiAssetsMargin":false,"assets":[{"asset":"USDT","walletBalance":"10000","crossWalletBalance":"7500.0","availableBalance":"7400"}],"positions":[{"symbol":"BTCUSDT","positionSide":"LONG","positionAmt":"0.5","unrealizedProfit":"-1500","isolatedMargin":"1000","isolatedWallet":"2500","maintMargin":"194","updateTime":1795219100000},{"symbol":"BTCUSDT","positionSide":"SHORT","positionAmt":"0","unrealizedProfit":"0"}]}"#;
    let answer = read("https://fapi.binance.com/fapi/v3/account?timestamp=1", text);
    let row = &answer["positions"][0];
    assert!(
        row["entry_price"].is_null() && row["mark_price"].is_null() && row["leverage"].is_null()
    );
    assert_eq!(
        (&row["isolated_margin"], &row["margin_mode"]),
        (&"2500".into(), &"isolated".into())
    );
    assert_eq!(
        (&answer["flat_rows"], &answer["balances"][0]["cross_wallet"]),
        (&1.into(), &"7500".into())
    );
    assert_eq!(answer["account"]["maintenance_margin"], "194");
    let balance = r#"[{"accountAlias":"SgsR","asset":"USDT","balance":"10","crossWalletBalance":"7.5","availableBalance":"7"}]"#;
    let answer = read("/fapi/v2/balance", balance);
    assert_eq!(answer["balances"][0]["available"], "7");
    assert_eq!(answer["ignored"][0]["what"], "/fapi/v2/balance");
    assert!(!answer.to_string().contains("SgsR"));
}

#[test]
fn tiers_are_read_as_object_or_array_and_the_last_may_be_open() {
    let one = r#"{"symbol":"BTCUSDT","brackets":[{"initialLeverage":150,"notionalCap":300000,"notionalFloor":0,"maintMarginRatio":0.00400,"cum":0.0},{"initialLeverage":"1","notionalCap":"9223372036854775807","notionalFloor":"300000","maintMarginRatio":"5e-3","cum":"300"}]}"#;
    let expected = serde_json::json!({"BTCUSDT": [
        {"floor": "0", "cap": "300000", "maintenance_rate": "0.004", "deduction": "0", "max_leverage": "150"},
        {"floor": "300000", "cap": null, "maintenance_rate": "0.005", "deduction": "300", "max_leverage": "1"}
    ]});
    for text in [one.to_owned(), format!("[{one}]")] {
        assert_eq!(read("fapi/v1/leverageBracket", &text)["tiers"], expected);
    }
}

#[test]
fn settings_orders_and_requests_are_read() {
    assert_eq!(
        read("/fapi/v1/positionSide/dual", r#"{"dualSidePosition":true}"#)["account"]["position_mode"],
        "hedge"
    );
    assert_eq!(
        read("multiAssetsMargin", r#"{"multiAssetsMargin":false}"#)["account"]["multi_assets"],
        false
    );
    let config = r#"{"canTrade":true,"dualSidePosition":false,"multiAssetsMargin":true}"#;
    assert_eq!(
        read("accountConfig", config)["account"]["position_mode"],
        "one-way"
    );
    for (endpoint, refusal) in [
        ("POST /fapi/v1/order", ""),
        ("openOrders", ""),
        ("/fapi/v1/batchOrders", r#",{"code":-2022,"msg":"x"}"#),
    ] {
        let answer = read(endpoint, &format!("[{ORDER}{refusal}]"));
        let order = &answer["orders"][0];
        assert_eq!(order["side"], "sell");
        assert_eq!(order["origin"], "own");
        assert_eq!(order["stage"], "filled");
        let code = answer["refusals"]["code"].as_i64();
        assert_eq!(code, (!refusal.is_empty()).then_some(-2022), "{endpoint}");
    }
    let algo = r#"[{"algoId":3000000000123456,"clientAlgoId":"stop-1","algoType":"CONDITIONAL","type":"STOP_MARKET","symbol":"BTCUSDT","side":"SELL","positionSide":"BOTH","quantity":"0.000","algoStatus":"NEW","triggerPrice":"95800.00","price":"0.00","closePosition":true,"reduceOnly":true}]"#;
    let order = &read("/fapi/v1/openAlgoOrders", algo)["orders"][0];
    assert_eq!(
        (&order["type"], &order["trigger_price"], &order["price"]),
        (&"STOP_MARKET".into(), &"95800".into(), &Value::Null)
    );
    let cancelled = r#"{"algoId":3,"clientAlgoId":"stop-1","code":"200","msg":"success"}"#;
    assert_eq!(
        read("DELETE /fapi/v1/algoOrder", cancelled)["kind"],
        "acknowledgement"
    );
    let margin =
        r#"{"amount":940.0,"code":200,"msg":"Successfully modify position margin.","type":1}"#;
    assert_eq!(
        read("POST /fapi/v1/positionMargin", margin)["kind"],
        "acknowledgement"
    );
    let leverage = r#"{"leverage":10,"maxNotionalValue":"230000000","symbol":"BTCUSDT"}"#;
    assert_eq!(
        read("leverage", leverage)["symbol_settings"][0]["leverage"],
        10
    );
}

#[test]
fn frames_are_read_by_event_by_channel_and_in_sequences() {
    for endpoint in [
        "markPrice",
        "markPriceUpdate",
        "btcusdt@markPrice@1s",
        "ws",
        "wss://fstream.binance.com/market/ws/btcusdt@markPrice",
    ] {
        assert_eq!(
            read(endpoint, MARK)["marks"][0]["mark_price"],
            "97000",
            "{endpoint}"
        );
    }
    let wrapped = format!(r#"{{"stream":"!markPrice@arr@1s","data":[{MARK},{MARK}]}}"#);
    assert_eq!(read("!markPrice@arr@1s", &wrapped)["frames"], 2);
    for several in [
        format!("{MARK}\n{ACCOUNT}\n\n{CALL}\n"),
        format!("[{MARK},{ACCOUNT},{CALL}]"),
    ] {
        let answer = read("ws-user", &several);
        assert_eq!(
            (&answer["frames"], &answer["flat_rows"]),
            (&3.into(), &1.into())
        );
        let frames: Vec<_> = rows(&answer, "positions")
            .iter()
            .map(|row| row["frame"].as_u64())
            .collect();
        assert_eq!(frames, [Some(2), Some(3)]);
        assert_eq!(answer["events"][1]["flat"][0], "ETHUSDT/LONG");
        let called = &answer["positions"][1];
        assert_eq!(
            (&called["mark_price"], &called["maintenance_margin"]),
            (&"94600".into(), &"189.2".into())
        );
        assert!(called["entry_price"].is_null() && called["exchange_liquidation_price"].is_null());
    }
    let reply = r#"{"result":null,"id":1}"#;
    assert_eq!(
        read("ws", &format!("{reply}\n{MARK}"))["ignored"][0]["what"],
        "reply"
    );
    let unknown = r#"{"e":"SOMETHING_NEW","E":1}"#;
    assert_eq!(read("ws", unknown)["ignored"][0]["what"], "SOMETHING_NEW");
    let book = r#"{"e":"depthUpdate","E":2,"T":1,"s":"BTCUSDT","b":[["96999.90","2.000"]],"a":[["97000.20","1.5"]]}"#;
    assert_eq!(read("btcusdt@depth@100ms", book)["kind"], "unused");
    assert_eq!(
        read("btcusdt@depth20@100ms", book)["books"][0]["best_bid"],
        "96999.9"
    );
    assert_eq!(read("depth", book)["books"][0]["symbol"], "BTCUSDT");
    // Documents of a request on lines of their own are told apart, too.
    let answer = read("/fapi/v1/time", "{\"serverTime\":1}\n{\"serverTime\":2}");
    assert_eq!(answer["server_time_ms"], serde_json::json!([1, 2]));
}

#[test]
fn nothing_secret_is_said() {
    let key = format!(r#"{{"listenKey":"{KEY}"}}"#);
    assert_eq!(read("POST /fapi/v1/listenKey", &key)["kind"], "listen_key");
    let expired = format!(r#"{{"e":"listenKeyExpired","E":1795222800000,"listenKey":"{KEY}"}}"#);
    for endpoint in [
        "ws-user".to_owned(),
        "listenKeyExpired".to_owned(),
        format!("wss://fstream.binance.com/private/ws/{KEY}"),
    ] {
        assert_eq!(
            read(&endpoint, &expired)["events"][0]["event"],
            "listenKeyExpired"
        );
    }
    let refusal =
        format!(r#"{{"code":-2015,"msg":"Invalid API-key {KEY}, request ip: 203.0.113.7"}}"#);
    let answer = read(
        &format!("https://fapi.binance.com/fapi/v3/account?signature={KEY}"),
        &refusal,
    );
    assert_eq!(
        (&answer["kind"], &answer["refusals"]["code"]),
        (&"refusal".into(), &(-2015).into())
    );
    assert!(!answer.to_string().contains("203.0.113"));
    // Each of these is refused; `call` looks for the key in what is said.
    for (endpoint, text) in [
        (format!("/fapi/v1/nothing?signature={KEY}"), MARK.to_owned()),
        (format!("/fapi/v1/nothing/{KEY}"), MARK.to_owned()),
        (KEY.to_owned(), MARK.to_owned()),
        ("positionRisk".to_owned(), key),
        ("positionRisk".to_owned(), format!("\"{KEY}\"")),
        ("ws".to_owned(), format!("apiKey={KEY}")),
        ("ws".to_owned(), format!(r#"{{"e":"{KEY}"}}"#)),
        ("time".to_owned(), format!(r#"{{"serverTime":"{KEY}"}}"#)),
    ] {
        let told = decode(&endpoint, &text);
        assert_ne!(told.code, Some(0), "{told:?}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place_and_what_was_expected() {
    let told = decode(
        "positionRisk",
        "[{\"symbol\":\"BTCUSDT\",\n \"positionSide\":}]",
    );
    refused(
        &told,
        BAD_INPUT,
        &["standard input", "not JSON", "line 2, column 17"],
    );
    let told = decode(
        "positionRisk",
        r#"[{"symbol":"BTCUSDT","positionAmt":"1"}]"#,
    );
    refused(
        &told,
        BAD_INPUT,
        &[
            "field `positionSide` is missing",
            "line 1",
            "expected positions",
        ],
    );
    let told = decode("positionRisk", &LONG.replace("97000.00000000", "-1"));
    refused(
        &told,
        BAD_INPUT,
        &["row 1", "markPrice `-1` is not a price"],
    );
    let told = decode("/fapi/v3/positionRisk", MARK);
    refused(
        &told,
        BAD_INPUT,
        &["`markPriceUpdate` frame of a stream", "expected positions"],
    );
    let told = decode("ACCOUNT_UPDATE", MARK);
    refused(
        &told,
        BAD_INPUT,
        &["this is `markPriceUpdate` and not `ACCOUNT_UPDATE`"],
    );
    let told = decode("ws", LONG);
    refused(&told, BAD_INPUT, &["field `e` is missing"]);
    let broken = format!("{MARK}\n{}", MARK.replace("1795219201000", "true"));
    refused(
        &decode("ws", &broken),
        BAD_INPUT,
        &["frame 2", "field `E`", "a whole number", "line 2"],
    );
    for empty in ["", " \n\t\n"] {
        refused(&decode("ws", empty), BAD_INPUT, &["empty"]);
    }
}

#[test]
fn a_wrong_command_line_and_a_wrong_file_have_their_own_codes() {
    let told = decode("/fapi/v2/positionRisks", MARK);
    refused(
        &told,
        USAGE,
        &[
            "/fapi/v3/positionRisk",
            "Did you mean",
            "ACCOUNT_UPDATE",
            "--list",
        ],
    );
    for name in ["binance-coinm", "bybit", "okx", "hyperliquid"] {
        let told = call(&["decode", "--exchange", name, "--endpoint", "ws", "-"], "");
        refused(&told, USAGE, &[name, "binance-usdm"]);
    }
    let told = call(
        &["decode", "--exchange", "elsewhere", "--endpoint", "ws", "-"],
        "",
    );
    refused(&told, USAGE, &["binance-usdm"]);
    let folder = tempfile::tempdir().expect("folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path.to_str().expect("text").to_owned()
    };
    let of = |path: &str| {
        call(
            &[
                "decode",
                "--exchange",
                "binance-usdm",
                "--endpoint",
                "ws",
                path,
            ],
            "",
        )
    };
    let none = folder.path().join("none.json");
    refused(
        &of(none.to_str().expect("text")),
        NO_INPUT,
        &["none.json", "no such file"],
    );
    refused(
        &of(folder.path().to_str().expect("text")),
        BAD_INPUT,
        &["folder"],
    );
    refused(
        &of(&file("packed.gz", &[0x1f, 0x8b, 8, 0])),
        BAD_INPUT,
        &["packed.gz", "UTF-8"],
    );
    let large = file("large.json", b"");
    let grown = std::fs::OpenOptions::new()
        .write(true)
        .open(&large)
        .expect("open");
    // A hole: it takes no room on the disk.
    grown.set_len(64 * 1024 * 1024 + 1).expect("grown");
    refused(&of(&large), BAD_INPUT, &["large.json", "larger than 64 MB"]);
    let marked = file("marked.json", format!("\u{feff}{MARK}").as_bytes());
    assert_eq!(of(&marked).code, Some(0));
    assert_eq!(call(&["decode"], "").code, Some(USAGE));
}

#[test]
fn the_list_and_the_help_say_what_can_be_read() {
    let list = call(&["decode", "--list"], "");
    assert_eq!(list.code, Some(0), "{list:?}");
    for row in supported() {
        assert!(list.out.contains(row.name), "{} is missing", row.name);
    }
    let help = call(&["decode", "--help"], "");
    assert_eq!(help.code, Some(0));
    for word in [
        "Examples:",
        "--endpoint /fapi/v3/positionRisk",
        "null",
        "Exit codes",
    ] {
        assert!(help.out.contains(word), "{word} is missing: {}", help.out);
    }
}

/// Names that are read, and some that are not.
fn endpoint() -> impl Strategy<Value = String> {
    let known: Vec<String> = supported()
        .map(|row| row.name.to_owned())
        .chain(["ws", "depth", "btcusdt@depth5", "btcusdt@depth"].map(str::to_owned))
        .collect();
    prop_oneof![9 => prop::sample::select(known), 1 => any::<String>()]
}

/// JSON with the names that are looked for.
fn json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "e",
        "E",
        "T",
        "s",
        "a",
        "o",
        "p",
        "B",
        "P",
        "pa",
        "ps",
        "mt",
        "iw",
        "code",
        "msg",
        "data",
        "stream",
        "id",
        "error",
        "symbol",
        "positionAmt",
        "positionSide",
        "assets",
        "positions",
        "symbols",
        "brackets",
        "status",
        "filters",
        "serverTime",
    ]);
    let events = prop::sample::select(vec![
        "ACCOUNT_UPDATE",
        "MARGIN_CALL",
        "ALGO_UPDATE",
        "BOTH",
        "0",
        "-1.5",
        "9e99",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        events.prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|pairs| {
                Value::Object(
                    pairs
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

/// Whatever comes out, it can be printed, and a document that is none is never an answer.
fn check(endpoint: &str, text: &str) -> Result<(), TestCaseError> {
    match read_capture(endpoint, text) {
        Ok((_, capture)) => {
            prop_assert!(serde_json::to_string(&capture).is_ok());
            prop_assert!(!capture.kind.is_empty());
        }
        Err(CaptureError::UnknownEndpoint { shown, .. }) => {
            prop_assert!(shown.chars().count() < 300)
        }
        Err(error) => prop_assert!(!error.to_string().is_empty()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn no_bytes_make_it_panic(endpoint in endpoint(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&endpoint, &String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn no_json_makes_it_panic(endpoint in endpoint(), value in json(), more in json()) {
        check(&endpoint, &value.to_string())?;
        check(&endpoint, &format!("{value}\n{more:#}"))?;
    }

    #[test]
    fn no_damage_to_a_response_makes_it_panic(
        endpoint in endpoint(),
        text in prop::sample::select(vec![LONG, MARK, ACCOUNT, CALL, ORDER]),
        at in any::<prop::sample::Index>(),
        put in ".{0,3}",
    ) {
        let mut chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());
        drop(chars.splice(at..at + 1, put.chars()));
        check(&endpoint, &chars.into_iter().collect::<String>())?;
    }
}
