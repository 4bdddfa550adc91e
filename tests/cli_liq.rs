//! `plimsoll liq` as the installed program: the exchanges' own figures, both ways to ask, what-ifs,
//! and one clear sentence for everything that is wrong.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at once"
)]

use std::fs;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use rust_decimal::{Decimal, dec};
use serde_json::{Value, json};

const USAGE: i32 = 2;
const BAD_INPUT: i32 = 65;
const NO_INPUT: i32 = 66;

/// How a call ended.
#[derive(Debug)]
struct Told {
    code: i32,
    out: String,
    err: String,
}

fn liq(words: &[&str], input: &str) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    let output = command
        .arg("liq")
        .args(words)
        .write_stdin(input)
        .output()
        .expect("the program starts");
    Told {
        code: output.status.code().expect("no signal"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

fn said(line: &str) -> Told {
    liq(&line.split_whitespace().collect::<Vec<_>>(), "")
}

/// The JSON answer to flags.
#[track_caller]
fn flags(line: &str) -> Value {
    let told = said(&format!("{line} --json"));
    assert_eq!(told.code, 0, "{told:?}");
    serde_json::from_str(&told.out).expect("JSON")
}

/// The JSON answer to an account, with more flags.
#[track_caller]
fn asked(account: &Value, more: &str) -> Value {
    let mut words = vec!["--input", "-"];
    words.extend(more.split_whitespace());
    let told = liq(&words, &account.to_string());
    assert_eq!(told.code, 0, "{told:?}");
    serde_json::from_str(&told.out).expect("JSON")
}

/// The decimal behind a path such as `/positions/0/equity`.
#[track_caller]
fn number(answer: &Value, path: &str) -> Decimal {
    let found = answer
        .pointer(path)
        .unwrap_or_else(|| panic!("{path} is missing: {answer:#}"));
    let text = found
        .as_str()
        .unwrap_or_else(|| panic!("{path} is {found}: {answer:#}"));
    text.parse().expect("a decimal")
}

/// Panics unless the number agrees to the digits printed.
#[track_caller]
fn agree(answer: &Value, path: &str, printed: Decimal) {
    let found = number(answer, path);
    assert_eq!(
        found.round_dp(printed.scale()),
        printed,
        "{path} is {found}"
    );
}

/// The call must fail with this code and one line that contains all of this.
#[track_caller]
fn refused(told: &Told, code: i32, words: &[&str]) {
    assert_eq!(told.code, code, "{told:?}");
    assert!(told.out.is_empty(), "{told:?}");
    for word in words {
        assert!(told.err.contains(word), "{word:?} is missing: {told:?}");
    }
    if told.err.starts_with("plimsoll: ") {
        assert_eq!(told.err.lines().count(), 1, "{told:?}");
    }
    for odd in [
        "panicked",
        "Some(",
        "None",
        "Err(",
        "Error {",
        "::",
        "src/",
        "a fault of its own",
    ] {
        assert!(!told.err.contains(odd), "{odd:?}: {told:?}");
    }
}

#[track_caller]
fn refused_input(account: &str, words: &[&str]) {
    refused(&liq(&["--input", "-"], account), BAD_INPUT, words);
}

fn one_tier(rate: &str, deduction: &str) -> Value {
    json!([{"floor": "0", "cap": null, "maintenance_rate": rate, "deduction": deduction, "max_leverage": "100"}])
}

/// An account with one position; `more` adds keys to it.
fn account(exchange: &str, position: Value, more: Value) -> Value {
    let mut account = json!({"exchange": exchange, "positions": [position]});
    for (key, value) in more.as_object().expect("an object") {
        account[key] = value.clone();
    }
    account
}

// Worked and published figures, per exchange and mode.

#[test]
fn binance_isolated_long_through_flags_and_through_a_file() {
    let line = "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 0.5 --entry 100000 --leverage 20 --mark 97000";
    let by_flags = flags(line);
    let by_file = asked(
        &account(
            "binance-usdm",
            json!({"symbol": "BTCUSDT", "margin_mode": "isolated", "side": "long", "quantity": 0.5,
                "entry_price": 100000, "mark_price": "97000", "isolated_margin": "2500", "leverage": 20}),
            json!({}),
        ),
        "",
    );
    for answer in [by_flags, by_file] {
        agree(
            &answer,
            "/positions/0/liquidation_price",
            dec!(95381.526104),
        );
        agree(&answer, "/positions/0/bankruptcy_price", dec!(95000));
        assert_eq!(
            number(&answer, "/positions/0/maintenance_margin"),
            dec!(194)
        );
        assert_eq!(number(&answer, "/positions/0/equity"), dec!(1000));
        assert_eq!(number(&answer, "/positions/0/margin_ratio"), dec!(0.194));
        assert_eq!(number(&answer, "/positions/0/initial_margin"), dec!(2425));
        assert_eq!(number(&answer, "/positions/0/unrealized_pnl"), dec!(-1500));
        agree(&answer, "/positions/0/distance_pct", dec!(1.668529789));
        assert_eq!(answer["positions"][0]["tier"], 1);
        assert_eq!(answer["positions"][0]["tier_at_liquidation"], 1);
        assert_eq!(answer["positions"][0]["status"], "healthy");
        assert_eq!(answer["account"], Value::Null);
        assert!(answer["positions"][0].get("close_fee").is_none());
    }
}

#[test]
fn binance_short_is_liquidated_by_the_tier_at_its_line() {
    let answer = flags(
        "--exchange binance-usdm --symbol BTCUSDT --side short --quantity 2.9 --entry 100000 --margin 29000",
    );
    agree(
        &answer,
        "/positions/0/liquidation_price",
        dec!(109555.669926),
    );
    assert_eq!(answer["positions"][0]["tier"], 1);
    assert_eq!(answer["positions"][0]["tier_at_liquidation"], 2);
    assert_eq!(answer["positions"][0]["initial_margin"], Value::Null);
    assert_eq!(answer["positions"][0]["removable_margin"], Value::Null);
}

#[test]
fn binance_published_isolated_examples_of_one_tier() {
    let eth = flags(
        "--exchange binance-usdm --symbol ETHUSDT --side long --quantity 3683.979 --entry 1456.84 --margin 1535443.01 --maintenance-rate 10% --deduction 135365",
    );
    agree(&eth, "/positions/0/liquidation_price", dec!(1114.78));
    let btc = flags(
        "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 109.488 --entry 32481.98 --margin 1535443.01 --maintenance-rate 2.5% --deduction 16300",
    );
    agree(&btc, "/positions/0/liquidation_price", dec!(18778.73));
}

#[test]
fn binance_published_cross_example_of_two_symbols() {
    let position = |symbol, quantity, entry, mark, rate, deduction| {
        json!({"symbol": symbol, "margin_mode": "cross", "side": "long", "quantity": quantity,
            "entry_price": entry, "mark_price": mark, "tiers": one_tier(rate, deduction)})
    };
    let answer = asked(
        &json!({"exchange": "binance-usdm", "wallet_balance": "1535443.01", "positions": [
            position("BTCUSDT", "109.488", "32481.98", "31967.27", "0.025", "16300"),
            position("ETHUSDT", "3683.979", "1456.84", "1335.18", "0.1", "135365"),
        ]}),
        "",
    );
    agree(&answer, "/positions/0/liquidation_price", dec!(26316.89));
    agree(&answer, "/positions/1/liquidation_price", dec!(1153.26));
    agree(
        &answer,
        "/positions/0/maintenance_margin",
        dec!(71200.81144),
    );
    agree(&answer, "/positions/1/unrealized_pnl", dec!(-448192.88514));
    let (maintenance, equity) = (
        number(&answer, "/account/maintenance_margin"),
        number(&answer, "/account/equity"),
    );
    assert_eq!(maintenance.round_dp(5), dec!(427713.31957));
    assert_eq!(equity.round_dp(5), dec!(1030895.55638));
    assert_eq!(answer["account"]["settlement_asset"], "USDT");
    assert_eq!(
        answer["account"]["margin_ratio"],
        answer["positions"][1]["margin_ratio"]
    );
    // Both fall by s: equity - maintenance = 0 with both tiers unchanged.
    let (btc, eth) = (
        dec!(109.488) * dec!(31967.27),
        dec!(3683.979) * dec!(1335.18),
    );
    let share = (equity - maintenance) / (btc * dec!(0.975) + eth * dec!(0.9));
    agree(
        &answer,
        "/account/shock_to_liquidation_pct/down",
        (share * dec!(100)).round_dp(10),
    );
    assert_eq!(
        answer["account"]["shock_to_liquidation_pct"]["up"],
        Value::Null
    );
}

#[test]
fn binance_hedge_legs_share_one_line_in_cross_and_have_two_in_isolated() {
    let leg = |mode, side, quantity, entry, margin: Value| {
        json!({"symbol": "BTCUSDT", "margin_mode": mode, "side": side, "quantity": quantity,
            "entry_price": entry, "mark_price": entry, "isolated_margin": margin})
    };
    let answer = asked(
        &json!({"exchange": "binance-usdm", "position_mode": "hedge", "wallet_balance": 5000, "positions": [
            leg("cross", "long", "1", "100000", Value::Null),
            leg("cross", "short", "0.4", "101000", Value::Null),
        ]}),
        "",
    );
    agree(
        &answer,
        "/positions/0/liquidation_price",
        dec!(91857.335128),
    );
    agree(
        &answer,
        "/positions/1/liquidation_price",
        dec!(91857.335128),
    );
    let mut long = leg(
        "isolated",
        "long",
        "20",
        "6563.665",
        json!("13200.70726908"),
    );
    long["tiers"] = one_tier("0.005", "50");
    let mut short = leg("isolated", "short", "10", "6563.86", json!("6570.42511771"));
    short["tiers"] = one_tier("0.005", "50");
    let answer = asked(
        &json!({"exchange": "binance-usdm", "position_mode": "hedge", "positions": [long, short]}),
        "",
    );
    agree(&answer, "/positions/0/liquidation_price", dec!(5930.78));
    agree(&answer, "/positions/1/liquidation_price", dec!(7189.95));
}

#[test]
fn binance_coin_margined_examples() {
    for (side, line) in [("long", dec!(54763.636364)), ("short", dec!(66400.0))] {
        let answer = flags(&format!(
            "--exchange binance-coinm --symbol BTCUSD_PERP --side {side} --quantity 100 --entry 60000 --leverage 10"
        ));
        agree(&answer, "/positions/0/liquidation_price", line);
    }
    let recorded = flags(
        "--exchange binance-coinm --symbol BTCUSD_PERP --side long --quantity 2 --entry 37643.10000021 --margin 0.00268058",
    );
    agree(
        &recorded,
        "/positions/0/liquidation_price",
        dec!(25119.97445761),
    );
    let dated = |symbol, side, quantity, entry| {
        json!({"symbol": symbol, "margin_mode": "cross", "side": side, "quantity": quantity,
            "contract_size": "100", "entry_price": entry, "tiers": one_tier("0.004", "0")})
    };
    let answer = asked(
        &json!({"exchange": "binance-coinm", "wallet_balance": "0.02", "positions": [
            dated("BTCUSD_PERP", "long", 100, 60000),
            dated("BTCUSD_261225", "short", 60, 61000),
        ]}),
        "",
    );
    assert_eq!(answer["account"]["settlement_asset"], "BTC");
    // W - TMM + UPNL of the dated leg, then the closed form of the perpetual.
    let held = dec!(0.02) - dec!(6000) / dec!(61000) * dec!(0.004);
    let line = dec!(10000) * dec!(1.004) / (held + dec!(10000) / dec!(60000));
    agree(&answer, "/positions/0/liquidation_price", line.round_dp(8));
}

#[test]
fn bybit_isolated_books_its_close_fee_through_flags() {
    let base = "--exchange bybit --symbol XUSDT --taker-fee 0.055% --maintenance-rate 0.5%";
    let cases = [
        (
            "--side long --quantity 1 --entry 20000 --leverage 50",
            dec!(410.78),
            dec!(19698.49246231),
            dec!(19600),
        ),
        (
            "--side long --quantity 0.5 --entry 60000 --leverage 10x",
            dec!(3014.85),
            dec!(54271.35678392),
            dec!(54000),
        ),
        (
            "--side short --quantity 2 --entry 3000 --leverage 25",
            dec!(243.432),
            dec!(3104.47761194),
            dec!(3120),
        ),
    ];
    for (position, margin, line, bust) in cases {
        let answer = flags(&format!("{base} {position}"));
        assert_eq!(number(&answer, "/positions/0/isolated_margin"), margin);
        agree(&answer, "/positions/0/liquidation_price", line);
        agree(&answer, "/positions/0/bankruptcy_price", bust);
    }
    let added = flags(&format!(
        "{base} --side long --quantity 0.5 --entry 60000 --leverage 10 --margin 3514.85"
    ));
    agree(
        &added,
        "/positions/0/liquidation_price",
        dec!(53265.77859028),
    );
    agree(
        &added,
        "/positions/0/bankruptcy_price",
        dec!(52999.44969733),
    );
    assert_eq!(number(&added, "/positions/0/removable_margin"), dec!(500));
}

#[test]
fn an_isolated_position_at_bybit_needs_its_margin_and_not_its_leverage() {
    let answer = flags(
        "--exchange bybit --symbol BTCUSDT --side long --quantity 0.5 --entry 60000 --margin 3014.85 --maintenance-rate 0.5%",
    );
    agree(
        &answer,
        "/positions/0/liquidation_price",
        dec!(54271.35678392),
    );
    assert!(answer["positions"][0]["initial_margin"].is_null());
}

#[test]
fn bybit_isolated_inverse() {
    let base = "--exchange bybit --symbol BTCUSD --taker-fee 0.055% --quantity 60000 --entry 50000 --leverage 10";
    let long = flags(&format!("{base} --side long"));
    assert_eq!(
        number(&long, "/positions/0/isolated_margin"),
        dec!(0.120726)
    );
    agree(
        &long,
        "/positions/0/liquidation_price",
        dec!(45681.81818182),
    );
    agree(&long, "/positions/0/bankruptcy_price", dec!(45454.54545455));
    let short = flags(&format!("{base} --side short"));
    agree(
        &short,
        "/positions/0/liquidation_price",
        dec!(55277.77777778),
    );
}

#[test]
fn bybit_cross_takes_the_fee_on_the_entry_value() {
    let answer = asked(
        &account(
            "bybit",
            json!({"symbol": "BTCUSDT", "margin_mode": "cross", "side": "long", "quantity": "0.05",
                "entry_price": "60000", "mark_price": "58000", "leverage": "10", "isolated_margin": "0",
                "tiers": [{"floor": 0, "cap": null, "maintenance_rate": 0.0033}]}),
            json!({"wallet_balance": "1000", "taker_fee_rate": "0.00055", "account_mode": "unified"}),
        ),
        "",
    );
    agree(
        &answer,
        "/positions/0/liquidation_price",
        dec!(40162.23537674),
    );
    assert_eq!(number(&answer, "/account/equity"), dec!(900));
    assert_eq!(number(&answer, "/account/initial_margin"), dec!(291.485));
    assert_eq!(number(&answer, "/account/maintenance_margin"), dec!(11.055));
    assert_eq!(number(&answer, "/positions/0/close_fee"), dec!(1.485));
    assert_eq!(number(&answer, "/account/free_margin"), dec!(608.515));
}

#[test]
fn bybit_cross_sets_the_close_fees_of_all_positions_aside() {
    let position = |symbol, side, quantity, entry| {
        json!({"symbol": symbol, "margin_mode": "cross", "side": side, "quantity": quantity,
            "entry_price": entry, "leverage": 10, "tiers": one_tier("0.005", "0")})
    };
    let answer = asked(
        &json!({"exchange": "bybit", "wallet_balance": "5000", "taker_fee_rate": "0.00055", "positions": [
            position("BTCUSDT", "long", "0.2", 60000),
            position("ETHUSDT", "short", "2", 3000),
        ]}),
        "",
    );
    // 0.2 * 60000 * 0.9 * fee, and 2 * 3000 * 1.1 * fee with the maintenance of 30.
    let (fee, other) = (dec!(5.94), dec!(3.63) + dec!(30));
    let line = (dec!(12000) - dec!(5000) + fee + other) / (dec!(0.2) * dec!(0.995));
    agree(&answer, "/positions/0/liquidation_price", line.round_dp(9));
    assert_eq!(number(&answer, "/account/close_fee"), dec!(9.57));
}

#[test]
fn okx_isolated_linear_and_inverse() {
    let swap = "--exchange okx --symbol BTC-USDT-SWAP --quantity 200 --entry 60000 --leverage 20 --taker-fee 0.05% --tick 0.1";
    for (side, line, shown) in [
        ("long", dec!(57257.6595), dec!(57257.7595)),
        ("short", dec!(62717.7700), dec!(62717.6700)),
    ] {
        let answer = flags(&format!("{swap} --side {side} --maintenance-rate 0.4%"));
        agree(&answer, "/positions/0/liquidation_price", line);
        agree(&answer, "/positions/0/liquidation_price_shown", shown);
    }
    let fallen = flags(&format!(
        "{swap} --side long --maintenance-rate 0.4% --mark 58500"
    ));
    agree(&fallen, "/positions/0/margin_ratio", dec!(5.6980));
    assert_eq!(
        number(&fallen, "/positions/0/maintenance_margin"),
        dec!(468)
    );
    assert_eq!(number(&fallen, "/positions/0/close_fee"), dec!(58.5));
    let inverse = "--exchange okx --symbol BTC-USD-SWAP --contract-size 100 --quantity 1000 --entry 60000 --leverage 10 --taker-fee 0.05% --maintenance-rate 0.4%";
    let long = flags(&format!("{inverse} --side long --mark 58000"));
    agree(&long, "/positions/0/liquidation_price", dec!(54790.9091));
    agree(&long, "/positions/0/margin_ratio", dec!(14.0741));
    let short = flags(&format!("{inverse} --side short"));
    agree(&short, "/positions/0/liquidation_price", dec!(66366.6667));
}

#[test]
fn okx_live_positions_agree_in_ratio_and_shown_price() {
    let answer = asked(
        &account(
            "okx",
            json!({"symbol": "BIGTIME-USDT-SWAP", "margin_mode": "isolated", "side": "long", "quantity": "613",
                "contract_size": "10", "entry_price": "0.01305", "mark_price": "0.01304",
                "isolated_margin": "9.9995625", "tick_size": "0.00001",
                "tiers": one_tier("0.02", "0")}),
            json!({"taker_fee_rate": "0.0005"}),
        ),
        "",
    );
    agree(&answer, "/positions/0/margin_ratio", dec!(6.064828669759));
    agree(
        &answer,
        "/positions/0/liquidation_price_shown",
        dec!(0.0116677335375191),
    );
}

#[test]
fn okx_tiers_count_contracts_and_may_begin_one_above_the_last() {
    let tiers = json!([
        {"floor": "0", "cap": "1000", "maintenance_rate": "0.004", "max_leverage": "100"},
        {"floor": "1001", "cap": null, "maintenance_rate": "0.006", "max_leverage": "57.14"},
    ]);
    let position = |symbol: &str, mode: &str, quantity, margin: Value| {
        json!({"symbol": symbol, "margin_mode": mode, "side": "long", "quantity": quantity,
            "contract_size": "0.01", "entry_price": "60000", "isolated_margin": margin, "tiers": tiers})
    };
    let one = |quantity, margin| {
        let position = position("BTC-USDT-SWAP", "isolated", quantity, json!(margin));
        asked(
            &account("okx", position, json!({"taker_fee_rate": "0.0005"})),
            "",
        )
    };
    let second = one(1500, 45000);
    agree(&second, "/positions/0/liquidation_price", dec!(57372.9240));
    assert_eq!(second["positions"][0]["tier"], 2);
    let border = one(1000, 30000);
    agree(&border, "/positions/0/liquidation_price", dec!(57257.6595));
    assert_eq!(border["positions"][0]["tier"], 1);
    // Two dated contracts of 600 are one family; the swap is another.
    let family = asked(
        &json!({"exchange": "okx", "wallet_balance": 50000, "taker_fee_rate": 0.0005, "positions": [
            position("BTC-USDT-261225", "cross", 600, Value::Null),
            position("BTC-USDT-270326", "cross", 600, Value::Null),
            position("BTC-USDT-SWAP", "cross", 600, Value::Null),
        ]}),
        "",
    );
    assert_eq!(family["positions"][0]["tier"], 2);
    assert_eq!(family["positions"][1]["tier"], 2);
    assert_eq!(family["positions"][2]["tier"], 1);
    assert_eq!(
        number(&family, "/positions/1/maintenance_margin"),
        dec!(2160)
    );
}

#[test]
fn okx_cross_of_one_currency_and_of_several() {
    let swap = |symbol, size, entry, mark, rate| {
        json!({"symbol": symbol, "margin_mode": "cross", "side": "long", "quantity": "200",
            "contract_size": size, "entry_price": entry, "mark_price": mark, "tiers": one_tier(rate, "0")})
    };
    let btc = swap("BTC-USDT-SWAP", "0.01", "60000", "59000", "0.004");
    let answer = asked(
        &json!({"exchange": "okx", "wallet_balance": "5000", "taker_fee_rate": "0.0005", "positions": [
            btc, swap("ETH-USDT-SWAP", "0.1", "3000", "2950", "0.005"),
        ]}),
        "",
    );
    assert_eq!(number(&answer, "/account/equity"), dec!(2000));
    assert_eq!(number(&answer, "/account/maintenance_margin"), dec!(767));
    assert_eq!(number(&answer, "/account/close_fee"), dec!(88.5));
    agree(&answer, "/account/margin_ratio", dec!(2.337814));
    agree(&answer, "/positions/0/liquidation_price", dec!(58425.1632));
    agree(&answer, "/positions/1/liquidation_price", dec!(2892.4585));
    let pooled = |follows: Value| {
        asked(
            &json!({"exchange": "okx", "wallet_balance": "2000", "taker_fee_rate": "0.0005",
                "account_mode": "multi-currency", "positions": [btc],
                "collateral": [{"asset": "BTC", "amount": "0.1", "price": "59000", "ratio": "0.98", "follows": follows}]}),
            "",
        )
    };
    let moving = pooled(json!("BTC-USDT-SWAP"));
    assert_eq!(number(&moving, "/account/equity"), dec!(5782));
    agree(&moving, "/account/margin_ratio", dec!(10.8889));
    agree(&moving, "/positions/0/liquidation_price", dec!(56486.3571));
    agree(
        &pooled(Value::Null),
        "/positions/0/liquidation_price",
        dec!(56362.6318),
    );
}

#[test]
fn hyperliquid_isolated_and_cross() {
    let flag = "--exchange hyperliquid --symbol XYZ --maintenance-rate 2% --quantity 4 --entry 2500 --leverage 10";
    agree(
        &flags(&format!("{flag} --side long")),
        "/positions/0/liquidation_price",
        dec!(2295.9184),
    );
    agree(
        &flags(&format!("{flag} --side short")),
        "/positions/0/liquidation_price",
        dec!(2696.0784),
    );
    let position = |coin, side, size, mark, rate: &str| {
        json!({"symbol": coin, "margin_mode": "cross", "side": side, "quantity": size,
            "entry_price": mark, "tiers": one_tier(rate, "0")})
    };
    let answer = asked(
        &json!({"exchange": "hyperliquid", "wallet_balance": "6000", "positions": [
            position("BTC", "long", "0.5", "95000", "0.0125"),
            position("ETH", "short", "10", "2500", "0.02"),
        ]}),
        "",
    );
    assert_eq!(
        number(&answer, "/account/maintenance_margin"),
        dec!(1093.75)
    );
    agree(&answer, "/positions/0/liquidation_price", dec!(85063.2911));
    agree(&answer, "/positions/1/liquidation_price", dec!(2981.0049));
    // rawUsd + size * entry
    let captured = asked(
        &account(
            "hyperliquid",
            json!({"symbol": "ETH", "margin_mode": "isolated", "side": "long", "quantity": "0.0335",
                "entry_price": "3000", "isolated_margin": "5.440176", "tiers": one_tier("0.01", "0")}),
            json!({}),
        ),
        "",
    );
    agree(
        &captured,
        "/positions/0/liquidation_price",
        dec!(2866.26938),
    );
}

#[test]
fn deductions_that_are_left_out_keep_the_maintenance_continuous() {
    let answer = asked(
        &account(
            "hyperliquid",
            json!({"symbol": "BTC", "margin_mode": "isolated", "side": "long", "quantity": 2000,
                "entry_price": 100000, "isolated_margin": 10000000, "tiers": [
                    {"floor": 0, "cap": 150000000, "maintenance_rate": 0.0125},
                    {"floor": 150000000, "cap": null, "maintenance_rate": 0.025}]}),
            json!({}),
        ),
        "",
    );
    assert_eq!(
        number(&answer, "/positions/0/maintenance_margin"),
        dec!(3125000)
    );
    agree(&answer, "/positions/0/liquidation_price", dec!(96474.3590));
}

#[test]
fn multi_assets_mode_adds_assets_up_at_their_rates() {
    let answer = asked(
        &json!({"exchange": "binance-usdm", "account_mode": "multi-assets",
            "collateral": [
                {"asset": "USDT", "amount": "2000", "price": "1", "ratio": "0.9999"},
                {"asset": "BTC", "amount": "0.1", "price": "59000", "ratio": "0.95", "follows": "BTCUSDT"}],
            "positions": [{"symbol": "BTCUSDT", "margin_mode": "cross", "side": "long", "quantity": "1",
                "entry_price": "60000", "mark_price": "59000"}]}),
        "",
    );
    assert_eq!(number(&answer, "/account/equity"), dec!(6604.9));
    agree(
        &answer,
        "/positions/0/liquidation_price",
        (dec!(58000) / dec!(1.091)).round_dp(9),
    );
    assert_eq!(answer["positions"][0]["bankruptcy_price"], Value::Null);
}

#[test]
fn stepwise_collateral_and_what_is_reserved_count() {
    let answer = asked(
        &json!({"exchange": "okx", "wallet_balance": 0, "taker_fee_rate": "0.0005",
            "reserved": "100", "other_maintenance": "10",
            "collateral": [{"asset": "ETH", "amount": "60", "price": "100",
                "steps": [{"cap": 50, "rate": 0.95}, {"cap": 100, "rate": 0.9}]}],
            "positions": [{"symbol": "BTC-USDT-SWAP", "margin_mode": "cross", "side": "long", "quantity": 1,
                "entry_price": 60000}]}),
        "",
    );
    assert_eq!(number(&answer, "/account/equity"), dec!(5550));
    assert_eq!(number(&answer, "/account/maintenance_margin"), dec!(12.4));
}

#[test]
fn wallets_of_several_settlement_assets_are_several_scopes() {
    let position = |symbol| {
        json!({"symbol": symbol, "margin_mode": "cross", "side": "long", "quantity": "0.5",
            "entry_price": "100000", "mark_price": "97000", "leverage": 20})
    };
    let positions = json!([
        position("BTCUSDT"),
        position("BTCUSDC"),
        position("BTCUSDT_261225")
    ]);
    let mut account = json!({"exchange": "binance-usdm", "positions": positions,
        "wallets": {"USDT": "6000", "USDC": "2500"}});
    account["positions"][2]["tiers"] = one_tier("0.004", "0");
    let answer = asked(&account, "");
    let accounts = answer["account"].as_array().expect("a list");
    assert_eq!(accounts.len(), 2);
    assert_eq!(accounts[0]["settlement_asset"], "USDC");
    assert_eq!(number(&answer, "/account/0/equity"), dec!(1000));
    assert_eq!(number(&answer, "/account/1/equity"), dec!(3000));
    assert_eq!(answer["positions"][1]["equity"], "1000");
    assert_eq!(answer["positions"][2]["equity"], "3000");
    account["wallets"] = Value::Null;
    account["wallet_balance"] = json!(5000);
    refused_input(
        &account.to_string(),
        &["wallet_balance", "\"wallets\"", "USDC"],
    );
}

// What is shown.

#[test]
fn a_position_that_cannot_be_liquidated_has_no_line() {
    let line = "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 0.5 --entry 100000 --leverage 1 --margin 60000";
    let answer = flags(line);
    assert_eq!(answer["positions"][0]["liquidation_price"], Value::Null);
    assert_eq!(answer["positions"][0]["distance_pct"], Value::Null);
    assert_eq!(answer["positions"][0]["tier_at_liquidation"], Value::Null);
    let told = said(line);
    assert!(told.out.contains("none"), "{told:?}");
    assert!(
        told.out.contains("no price of this contract alone"),
        "{told:?}"
    );
}

#[test]
fn a_line_that_was_passed_is_told_with_a_negative_distance() {
    let line = "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 0.5 --entry 100000 --leverage 20 --mark 95000";
    let answer = flags(line);
    assert_eq!(answer["positions"][0]["status"], "liquidatable");
    assert!(number(&answer, "/positions/0/distance_pct") < dec!(0));
    assert_eq!(answer["positions"][0]["margin_ratio"], Value::Null);
    assert!(said(line).out.contains("already passed"));
}

#[test]
fn prices_of_tiny_coins_keep_their_digits() {
    let answer = flags(
        "--exchange binance-usdm --symbol PEPEUSDT --side long --quantity 123456789012 --entry 0.00000000123456789 --leverage 10 --maintenance-rate 0.5%",
    );
    let expected = dec!(0.00000000123456789) * dec!(0.9) / dec!(0.995);
    let found = number(&answer, "/positions/0/liquidation_price");
    assert!(
        (found / expected - dec!(1)).abs() < dec!(0.000000000001),
        "{found}"
    );
    let text = answer["positions"][0]["liquidation_price"]
        .as_str()
        .expect("text");
    assert!(!text.contains('e') && !text.ends_with('0'), "{text}");
}

#[test]
fn numbers_and_texts_give_the_same_exact_answer() {
    let position = |quantity: &str, entry: &str| {
        format!(
            r#"{{"exchange":"binance-usdm","positions":[{{"symbol":"BTCUSDT","margin_mode":"isolated","side":"long","quantity":{quantity},"entry_price":{entry},"isolated_margin":2500.000000000000001}}]}}"#
        )
    };
    let of = |quantity, entry| {
        let told = liq(&["--input", "-"], &position(quantity, entry));
        assert_eq!(told.code, 0, "{told:?}");
        told.out
    };
    // As a binary float both would be rounded.
    let text = of("\"0.5\"", "\"100000.000000000000001\"");
    assert_eq!(of("5e-1", "100000.000000000000001"), text);
    assert!(text.contains("\"2500\""), "16 digits are shown: {text}");
}

#[test]
fn funding_moves_the_line_as_told() {
    let answer = flags(
        "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 0.5 --entry 100000 --leverage 20 --funding-rate 0.01%",
    );
    agree(
        &answer,
        "/positions/0/liquidation_price",
        dec!(95381.526104),
    );
    agree(
        &answer,
        "/positions/0/liquidation_price_after_funding",
        dec!(95391.566265),
    );
    let paid = flags(
        "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 0.5 --entry 100000 --leverage 20 --funding-rate 0.01% --funding",
    );
    agree(
        &paid,
        "/after/positions/0/liquidation_price",
        dec!(95391.566265),
    );
}

#[test]
fn the_text_names_the_table_and_its_day() {
    let told = said(
        "--exchange binance-usdm --symbol btcusdt --side long --quantity 0.5 --entry 100000 --leverage 20",
    );
    assert_eq!(told.code, 0, "{told:?}");
    for word in [
        "BTCUSDT long at binance-usdm",
        "95,381.526",
        "2026-09-29",
        "change",
        "tier 1 of 12",
    ] {
        assert!(told.out.contains(word), "{word}: {}", told.out);
    }
    let own = said(
        "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 0.5 --entry 100000 --leverage 20 --mark 99000 --maintenance-rate 0.4%",
    );
    assert!(!own.out.contains("Note"), "{}", own.out);
}

#[test]
fn the_list_has_every_table_with_day_and_source() {
    let told = said("--list");
    assert_eq!(told.code, 0);
    for word in [
        "binance-usdm",
        "BTC-USDT-SWAP",
        "kPEPE",
        "2026-09-29",
        "freqtrade",
    ] {
        assert!(told.out.contains(word), "{word}");
    }
    let told = said("--list --exchange okx --json");
    let list: Value = serde_json::from_str(&told.out).expect("JSON");
    assert!(
        list.as_array()
            .expect("a list")
            .iter()
            .all(|table| table["exchange"] == "okx")
    );
    assert_eq!(list[0]["contract_size"], "0.01");
    assert_eq!(list[0]["as_of"].as_str().map(str::len), Some(10));
}

/// The commands in the section of the README, each with what it shows as the answer.
#[test]
fn the_readme_shows_what_the_program_answers() {
    let readme = include_str!("../README.md");
    let section = readme
        .split("## What is my liquidation price?")
        .nth(1)
        .expect("the section");
    let section = section.split("\n## ").next().expect("an end");
    let blocks = |fence: &str| {
        let parts = section.split(fence).skip(1);
        parts
            .map(|rest| rest.split("\n```").next().expect("an end").to_owned())
            .collect::<Vec<_>>()
    };
    let (commands, answers) = (blocks("```sh\n"), blocks("```text\n"));
    assert_eq!(commands.len(), 2);
    for (command, answer) in commands.iter().zip(answers) {
        let (line, input) = command.split_once(" <<'END'\n").unwrap_or((command, ""));
        let input = input.trim_end_matches("END");
        let line = line.replace("\\\n", " ");
        let words: Vec<&str> = line.split_whitespace().skip(2).collect();
        let told = liq(&words, input);
        assert_eq!(told.code, 0, "{told:?}");
        assert_eq!(told.out.trim_end(), answer);
    }
}

// What if.

const ISOLATED: &str = "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 0.5 --entry 100000 --leverage 20";

#[test]
fn adding_margin_moves_the_line_and_too_much_cannot_be_taken_out() {
    let answer = flags(&format!("{ISOLATED} --mark 97000 --add 940"));
    agree(
        &answer,
        "/after/positions/0/liquidation_price",
        dec!(93493.975904),
    );
    assert_eq!(
        number(&answer, "/after/positions/0/margin_ratio"),
        dec!(0.1)
    );
    assert_eq!(number(&answer, "/after/freed"), dec!(-940));
    agree(
        &answer,
        "/positions/0/liquidation_price",
        dec!(95381.526104),
    );
    let taken = flags(&format!("{ISOLATED} --margin 4500 --mark 97000 --add -600"));
    let why = taken["refused"].as_str().expect("a refusal");
    assert!(why.contains("would not let 600 out: at most 575"), "{why}");
    assert!(taken["after"].is_null(), "{taken:#}");
    let allowed = flags(&format!("{ISOLATED} --margin 4500 --mark 97000 --add -575"));
    assert!(allowed["refused"].is_null(), "{allowed:#}");
    // People read the refusal before any number, and no state that cannot be.
    let told = said(&format!("{ISOLATED} --mark 97000 --add=-200"));
    assert!(
        told.out
            .starts_with("REFUSED: The venue would not let 200 out"),
        "{told:?}"
    );
    assert!(
        !told.out.contains("after") && !told.out.contains("would return"),
        "{told:?}"
    );
    let poor = json!({
        "exchange": "binance-usdm", "wallet_balance": "3000", "positions": [
            {"symbol": "BTCUSDT", "margin_mode": "isolated", "side": "long", "quantity": "0.5",
             "entry_price": "100000", "isolated_margin": "5000", "leverage": "10"},
            {"symbol": "ETHUSDT", "margin_mode": "cross", "side": "long", "quantity": "1",
             "entry_price": "3000", "leverage": "10"}]});
    let words = [
        "--input",
        "-",
        "--text",
        "--add",
        "5000",
        "--position",
        "BTCUSDT",
    ];
    let told = liq(&words, &poor.to_string());
    assert!(
        told.out
            .starts_with("REFUSED: The venue would refuse to add 5000: the cross wallet has"),
        "{told:?}"
    );
    assert!(!told.out.contains("-2,000"), "{told:?}");
}

#[test]
fn a_move_past_the_line_is_told_as_a_liquidation() {
    let told = said(&format!("{ISOLATED} --price=-8%"));
    assert!(
        told.out
            .contains("passed afterwards: liquidated on the way"),
        "{told:?}"
    );
    assert!(told.out.contains("no equity left"), "{told:?}");
    assert!(
        !told.out.contains("if the mark price falls to it"),
        "{told:?}"
    );
}

#[test]
fn a_name_of_another_venue_is_met_with_the_right_one() {
    refused(
        &said(
            "--exchange okx --symbol BTCUSDT --side long --quantity 1 --entry 60000 --leverage 10",
        ),
        USAGE,
        &["--symbol `BTCUSDT` is not how okx names its contracts; did you mean BTC-USDT-SWAP?"],
    );
}

#[test]
fn an_isolated_trim_leaves_the_line_and_a_recycled_one_moves_it() {
    let base = format!("{ISOLATED} --price 96900");
    let trimmed = flags(&format!("{base} --trim 0.2"));
    agree(
        &trimmed,
        "/after/positions/0/liquidation_price",
        dec!(95381.526104),
    );
    assert_eq!(number(&trimmed, "/after/freed"), dec!(370.31));
    assert_eq!(number(&trimmed, "/after/positions/0/quantity"), dec!(0.3));
    let recycled = flags(&format!("{base} --recycle 40%"));
    agree(
        &recycled,
        "/after/positions/0/liquidation_price",
        dec!(94142.202142),
    );
    assert_eq!(number(&recycled, "/after/freed"), dec!(0));
    let worse = flags(&format!("{base} --trim 0.2 --slippage 0.1%"));
    // 0.2 * 96.9 lost on the price, a little less fee.
    assert_eq!(
        number(&worse, "/after/freed"),
        dec!(370.31) - dec!(19.38) + dec!(0.00969)
    );
    let closed = flags(&format!("{base} --trim 100%"));
    assert_eq!(closed["after"]["positions"], json!([]));
    assert!(said(&format!("{base} --trim 100%")).out.contains("closed"));
}

#[test]
fn a_cross_trim_moves_the_line_by_itself() {
    let base = "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 0.5 --entry 100000 --wallet 3000";
    let answer = flags(&format!("{base} --price 96900 --trim 0.2"));
    agree(
        &answer,
        "/positions/0/liquidation_price",
        dec!(94377.510040),
    );
    agree(
        &answer,
        "/after/positions/0/liquidation_price",
        dec!(92468.842035),
    );
    assert_eq!(
        number(&answer, "/after/account/wallet_balance"),
        dec!(2370.31)
    );
    let recycled = flags(&format!("{base} --recycle 10%"));
    assert!(recycled["notes"].to_string().contains("same as --trim"));
}

#[test]
fn steps_are_applied_in_their_order() {
    let answer = flags(&format!("{ISOLATED} --add 200 --price -2% --trim 20%"));
    // Trimmed at 98,000: 2500 * 0.8, then 200 more.
    assert_eq!(
        number(&answer, "/after/positions/0/isolated_margin"),
        dec!(2200)
    );
    assert_eq!(
        number(&answer, "/after/positions/0/mark_price"),
        dec!(98000)
    );
    // 500 released, 200 lost, 4.9 fee; 200 put in.
    assert_eq!(number(&answer, "/after/freed"), dec!(95.1));
}

#[test]
fn a_new_leverage_books_a_bybit_position_anew() {
    let answer = flags(
        "--exchange bybit --symbol XUSDT --taker-fee 0.055% --maintenance-rate 0.5% --side long --quantity 0.5 --entry 60000 --leverage 10 --margin 3514.85 --leverage-to 20",
    );
    assert_eq!(
        number(&answer, "/after/positions/0/isolated_margin"),
        dec!(1515.675)
    );
    assert_eq!(
        number(&answer, "/after/freed"),
        dec!(3514.85) - dec!(1515.675)
    );
}

fn two() -> Value {
    let position = |symbol, mode, entry, margin: Value| {
        json!({"symbol": symbol, "margin_mode": mode, "side": "long", "quantity": "1",
            "entry_price": entry, "leverage": 10, "isolated_margin": margin})
    };
    json!({"exchange": "binance-usdm", "wallet_balance": "10000", "positions": [
        position("BTCUSDT", "cross", "60000", Value::Null),
        position("ETHUSDT", "isolated", "3000", json!("300")),
    ]})
}

#[test]
fn a_what_if_names_its_position_among_several() {
    let moved = asked(&two(), "--price ETHUSDT=-5%");
    assert_eq!(number(&moved, "/after/positions/1/mark_price"), dec!(2850));
    assert_eq!(number(&moved, "/after/positions/0/mark_price"), dec!(60000));
    let all = asked(&two(), "--price -5% --price BTCUSDT=50000");
    assert_eq!(number(&all, "/after/positions/0/mark_price"), dec!(50000));
    assert_eq!(number(&all, "/after/positions/1/mark_price"), dec!(2850));
    // What an isolated position takes comes from the cross wallet.
    let added = asked(&two(), "--add 200 --position ethusdt/long");
    assert_eq!(
        number(&added, "/after/positions/1/isolated_margin"),
        dec!(500)
    );
    assert_eq!(number(&added, "/after/account/wallet_balance"), dec!(9800));
    let wallet = asked(&two(), "--add 200 --position BTCUSDT");
    assert_eq!(
        number(&wallet, "/after/account/wallet_balance"),
        dec!(10200)
    );
    let told = liq(
        &["--input", "-", "--text", "--price", "-5%"],
        &two().to_string(),
    );
    assert!(
        told.out.contains("liquidation then") && told.out.contains("Cross wallet (USDT)"),
        "{told:?}"
    );
    for (more, words) in [
        ("--add 200", ["--position", "BTCUSDT/long"]),
        ("--trim 20%", ["--trim needs --position", "ETHUSDT/long"]),
        ("--price 50000", ["BTCUSDT=95000", "several"]),
        ("--price BTCUDST=5%", ["did you mean BTCUSDT", "--price"]),
        (
            "--trim 20% --position ETHUSDT/short",
            ["--position", "no position fits"],
        ),
        ("--trim 2 --position ETHUSDT", ["--trim", "not a part"]),
        ("--trim 0 --position ETHUSDT", ["--trim", "not a part"]),
        ("--trim 120% --position ETHUSDT", ["--trim", "not a part"]),
        ("--funding", ["--funding", "funding_rate"]),
        ("--position ETHUSDT", ["--position needs", "--add"]),
        ("--slippage 1%", ["--slippage", "--trim"]),
    ] {
        let mut all = vec!["--input", "-"];
        all.extend(more.split_whitespace());
        refused(&liq(&all, &two().to_string()), USAGE, &words);
    }
}

// What is wrong.

#[test]
fn wrong_flags_are_told_with_the_fix() {
    let cases: &[(&str, &[&str])] = &[
        ("", &["--exchange", "--input FILE"]),
        ("--exchange binance", &["binance-usdm", "hyperliquid"]),
        (
            "--exchange binance-usdm --symbol BTCUDST --side long --quantity 1 --entry 1 --leverage 2",
            &["did you mean BTCUSDT", "--maintenance-rate", "--list"],
        ),
        (
            "--exchange binance-usdm --symbol BTCUSDT --side up --quantity 1 --entry 1",
            &["long or short"],
        ),
        (
            "--exchange binance-usdm --symbol BTCUSDT --side long --quantity -1 --entry 1 --leverage 2",
            &["--quantity", "--side"],
        ),
        (
            "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 1 --entry 0 --leverage 2",
            &["--entry", "above 0"],
        ),
        (
            "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 1 --entry 1,5 --leverage 2",
            &["--entry", "1,5"],
        ),
        (
            "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 1 --entry 1",
            &["--margin or --leverage"],
        ),
        (
            "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 1 --entry 1 --leverage 2 --margin-mode cross",
            &["--wallet is missing"],
        ),
        (
            "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 1 --entry 1 --margin 2 --margin-mode cross",
            &["--margin belongs"],
        ),
        (
            "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 1 --entry 1 --wallet 2 --margin-mode isolated",
            &["--wallet backs cross"],
        ),
        (
            "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 1 --entry 1 --wallet 2 --margin 3",
            &["--wallet", "--margin"],
        ),
        (
            "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 1 --entry 1 --leverage 2 --contract inverse",
            &["--contract", "linear"],
        ),
        (
            "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 1 --entry 1 --leverage 2 --taker-fee 0.05",
            &["--taker-fee", "5 %"],
        ),
        (
            "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 1 --entry 1 --leverage 2 --maintenance-rate 0.4",
            &["40 %", "0.4%"],
        ),
        (
            "--exchange binance-usdm --symbol BTCUSDT --side long --quantity 1 --entry 1 --leverage 2 --deduction 4",
            &["--maintenance-rate"],
        ),
        (
            "--exchange bybit --symbol BTCUSDT --side long --quantity 1 --entry 60000 --wallet 5000",
            &["--leverage is missing", "close fee"],
        ),
        (
            "--exchange okx --symbol X-USDT-SWAP --side long --quantity 1 --entry 1 --leverage 2 --maintenance-rate 1%",
            &["--contract-size is missing"],
        ),
        (
            "--exchange okx --symbol X-USDT-SWAP --side long --quantity 1 --entry 1 --leverage 2 --maintenance-rate 1% --contract-size 1",
            &["--taker-fee is missing"],
        ),
        (
            "--exchange bybit --symbol ADAUSDT --side long --quantity 1000000 --entry 1 --leverage 2",
            &["risk tiers end at 200000"],
        ),
        (
            "--exchange bybit --symbol ADAUSDT --side short --quantity 190000 --entry 1 --leverage 2",
            &["liquidation price cannot be known", "200000"],
        ),
        ("--list --trim 20%", &["--list", "--trim"]),
        ("--input x --symbol BTCUSDT", &["--input", "--symbol"]),
        ("--input x --exchange okx", &["--input", "--exchange"]),
        ("--input x --trim 5% --recycle 5%", &["--trim", "--recycle"]),
        ("--input x --json --text", &["--json", "--text"]),
        ("--input x --price -100%", &["cannot fall"]),
        ("--input x --price -5", &["-8%"]),
        ("--input x --price x=y", &["no decimal number"]),
    ];
    for (line, words) in cases {
        refused(&said(line), USAGE, words);
    }
}

#[test]
fn a_wrong_file_is_told_with_place_and_fix() {
    let whole = |position: &str, more: &str| {
        format!("{{\"exchange\": \"binance-usdm\"{more},\n \"positions\": [\n  {position}\n ]}}")
    };
    let base = r#""symbol": "BTCUSDT", "side": "long", "quantity": "1", "entry_price": "60000""#;
    let isolated = format!(r#"{{{base}, "margin_mode": "isolated", "isolated_margin": "6000"}}"#);
    let cross = format!(r#"{{{base}, "margin_mode": "cross"}}"#);
    let with = |more: &str| whole(&isolated.replace('}', &format!(", {more}}}")), "");
    let tiers = |rows: &str| with(&format!("\"tiers\": [{rows}]"));
    let cases: Vec<(String, Vec<&str>)> = vec![
        ("{".to_owned(), vec!["standard input:1:1", "not JSON"]),
        ("  ".to_owned(), vec!["empty", "JSON object"]),
        (
            "[]".to_owned(),
            vec!["standard input:1:1", "must be an object"],
        ),
        ("{}".to_owned(), vec!["exchange", "binance-usdm"]),
        (
            "{\"exchange\": \"ftx\"}".to_owned(),
            vec!["standard input:1:14", "ftx", "hyperliquid"],
        ),
        (
            "{\"exchange\": \"okx\"}".to_owned(),
            vec!["positions: is missing"],
        ),
        (
            "{\"exchange\": \"okx\", \"positions\": []}".to_owned(),
            vec!["positions: is empty"],
        ),
        (
            "{\"exchange\": \"okx\", \"positions\": {}}".to_owned(),
            vec!["must be a list"],
        ),
        (
            "{\"exchange\": \"okx\", \"positions\": [3]}".to_owned(),
            vec!["positions[0]: must be an object"],
        ),
        (
            "{\"exchange\": \"okx\", \"exchange\": \"okx\"}".to_owned(),
            vec!["exchange: stands here twice"],
        ),
        (
            with("\"qty\": 1"),
            vec![
                "standard input:3:",
                "positions[0].qty",
                "did you mean \"quantity\"",
            ],
        ),
        (
            with("\"entryPrice\": 1"),
            vec!["did you mean \"entry_price\""],
        ),
        (
            with("\"zzz\": 1"),
            vec!["positions[0].zzz", "known here are symbol"],
        ),
        (
            with("\"leverage\": \"abc\""),
            vec!["positions[0].leverage", "`abc`", "not a decimal number"],
        ),
        (
            with("\"leverage\": true"),
            vec!["positions[0].leverage", "found true or false"],
        ),
        (
            with("\"leverage\": 0"),
            vec!["positions[0].leverage", "above 0"],
        ),
        (
            with("\"leverage\": \"\""),
            vec!["positions[0].leverage", "empty"],
        ),
        (
            with("\"mark_price\": 1e30"),
            vec!["positions[0].mark_price"],
        ),
        (
            with("\"contract\": \"inverse\""),
            vec!["positions[0].contract", "linear"],
        ),
        (
            with("\"contract_size\": 0"),
            vec!["positions[0].contract_size", "above 0"],
        ),
        (
            whole(&isolated.replace("\"1\"", "\"-1\""), ""),
            vec!["positions[0].quantity", "\"side\""],
        ),
        (
            whole(&isolated.replace("\"1\"", "0"), ""),
            vec!["positions[0].quantity", "closed"],
        ),
        (
            whole(&isolated.replace("long", "up"), ""),
            vec!["positions[0].side", "\"long\" or \"short\""],
        ),
        (
            whole(&isolated.replace("BTCUSDT", "BTCUDST"), ""),
            vec!["positions[0].tiers", "did you mean BTCUSDT"],
        ),
        (
            whole(
                &isolated.replace("isolated_margin\": \"6000", "leverage\": \"6"),
                "",
            ),
            vec!["positions[0].isolated_margin: is missing"],
        ),
        (whole(&cross, ""), vec!["wallet_balance: is missing"]),
        (
            whole(
                &cross,
                ", \"wallet_balance\": 5, \"wallets\": {\"USDT\": 5}",
            ),
            vec!["wallets", "keep one"],
        ),
        (
            whole(&cross, ", \"wallets\": {\"USDC\": 5}"),
            vec!["wallets.USDT: is missing"],
        ),
        (
            whole(
                &cross.replace('}', ", \"isolated_margin\": 5}"),
                ", \"wallet_balance\": 5",
            ),
            vec!["positions[0].isolated_margin", "cross"],
        ),
        (
            whole(&format!("{isolated}, {isolated}"), ""),
            vec!["positions[1].symbol", "hedge"],
        ),
        (
            whole(&isolated, ", \"account_mode\": \"Portfolio Margin\""),
            vec!["account_mode", "formula"],
        ),
        (
            whole(&isolated, ", \"account_mode\": \"multi-assets\""),
            vec!["positions[0].margin_mode", "multi-assets"],
        ),
        (
            whole(&isolated, ", \"position_mode\": \"both\""),
            vec!["position_mode", "\"one-way\" or \"hedge\""],
        ),
        (
            whole(&isolated, ", \"taker_fee_rate\": 0.05"),
            vec!["taker_fee_rate", "5 %"],
        ),
        (
            whole(&isolated, ", \"reserved\": -1"),
            vec!["reserved", "negative"],
        ),
        (tiers(""), vec!["positions[0].tiers: is empty"]),
        (
            tiers("{\"floor\": 0, \"cap\": \"x\", \"maintenance_rate\": 0.01}"),
            vec!["positions[0].tiers[0].cap", "`x`"],
        ),
        (
            tiers(
                "{\"floor\": 0, \"cap\": 10, \"maintenance_rate\": 0.01}, {\"floor\": 11, \"maintenance_rate\": 0.02}",
            ),
            vec!["positions[0].tiers[1].floor", "ends at 10"],
        ),
        (
            tiers(
                "{\"floor\": 0, \"maintenance_rate\": 0.01}, {\"floor\": 11, \"maintenance_rate\": 0.02}",
            ),
            vec!["positions[0].tiers[1]", "only the last"],
        ),
        (
            tiers(
                "{\"floor\": 0, \"cap\": 10, \"maintenance_rate\": 0.02}, {\"floor\": 10, \"maintenance_rate\": 0.01}",
            ),
            vec!["positions[0].tiers[1].maintenance_rate"],
        ),
        (
            tiers("{\"floor\": 0, \"maintenance_rate\": 0.4, \"mmr\": 1}"),
            vec!["did you mean \"maintenance_rate\""],
        ),
        (
            tiers("{\"floor\": 0, \"maintenance_rate\": 4}"),
            vec!["positions[0].tiers[0].maintenance_rate", "0.004"],
        ),
        (
            tiers("{\"floor\": 0, \"cap\": 100, \"maintenance_rate\": 0.01}"),
            vec!["positions[0].tiers", "end at 100"],
        ),
        (
            whole(
                &isolated.replace("60000", "1e9").replace("\"1\"", "1e13"),
                "",
            ),
            vec!["positions[0].quantity", "1e18"],
        ),
    ];
    for (text, words) in cases {
        refused_input(&text, &words);
    }
    let mut bybit: Value =
        serde_json::from_str(&whole(&cross, ", \"wallet_balance\": 5")).expect("JSON");
    bybit["exchange"] = json!("bybit");
    refused_input(&bybit.to_string(), &["positions[0].leverage: is missing"]);
    bybit["collateral"] = json!([{"asset": "BTC", "amount": 1, "price": 60000, "ratio": 95}]);
    refused_input(&bybit.to_string(), &["collateral[0].ratio", "0.95"]);
    let mut coins = json!({"exchange": "bybit", "account_mode": "unified", "wallet_balance": 100, "positions": []});
    for symbol in ["BTCUSD", "BTCUSDT"] {
        let position = json!({"symbol": symbol, "margin_mode": "cross", "side": "long", "quantity": 1,
            "entry_price": 60000, "leverage": 2});
        coins["positions"]
            .as_array_mut()
            .expect("a list")
            .push(position);
    }
    refused_input(&coins.to_string(), &["collateral", "BTC", "price"]);
}

#[test]
fn a_file_is_read_and_named_and_a_missing_one_has_its_own_code() {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("account.json");
    fs::write(&path, format!("\u{feff}{}", two())).expect("written");
    let name = path.to_str().expect("text");
    let told = liq(&["--input", name, "--text"], "");
    assert_eq!(told.code, 0, "{told:?}");
    assert!(
        told.out.contains("2 positions at binance-usdm"),
        "{}",
        told.out
    );
    fs::write(&path, "{\n  \"exchang\": \"okx\"}").expect("written");
    refused(
        &liq(&["--input", name], ""),
        BAD_INPUT,
        &["account.json:2:14", "did you mean \"exchange\""],
    );
    fs::write(&path, b"{\"exchange\": \"\xff\"}").expect("written");
    refused(
        &liq(&["--input", name], ""),
        BAD_INPUT,
        &["account.json", "UTF-8"],
    );
    let large = fs::File::create(&path).expect("created");
    large.set_len(17 * 1024 * 1024).expect("long");
    refused(
        &liq(&["--input", name], ""),
        BAD_INPUT,
        &["longer than 16 MB"],
    );
    refused(
        &liq(&["--input", "nowhere.json"], ""),
        NO_INPUT,
        &["nowhere.json", "no such file"],
    );
    refused(
        &liq(&["--input", home.path().to_str().expect("text")], ""),
        NO_INPUT,
        &["cannot be read"],
    );
}

#[test]
fn doubtful_statements_are_answered_with_a_note() {
    let mut position = json!({"symbol": "X1USDT", "margin_mode": "isolated", "side": "long", "quantity": 1,
        "entry_price": 100, "mark_price": 100, "isolated_margin": 10, "leverage": 10, "tiers": [
            {"floor": 0, "cap": 1000, "maintenance_rate": 0.01},
            {"floor": 1000, "cap": null, "maintenance_rate": 0.02, "deduction": 0}]});
    let answer = asked(&account("binance-usdm", position.clone(), json!({})), "");
    assert!(
        answer["notes"]
            .to_string()
            .contains("X1USDT make the maintenance jump"),
        "{answer:#}"
    );
    position["tiers"][1]["deduction"] = json!("10");
    let answer = asked(&account("binance-usdm", position.clone(), json!({})), "");
    assert_eq!(answer["notes"], json!([]));
    let mut short = position.clone();
    short["side"] = json!("short");
    let hedged = json!({"exchange": "bybit", "position_mode": "hedge", "taker_fee_rate": "0.00055",
        "positions": [position, short]});
    let answer = asked(&hedged, "");
    assert!(
        answer["notes"]
            .to_string()
            .contains("both sides are added up"),
        "{answer:#}"
    );
}

#[test]
fn a_thousand_positions_are_answered_quickly() {
    let position = |index: usize| {
        json!({"symbol": format!("C{index}USDT"), "margin_mode": "cross", "side": if index.is_multiple_of(3) {"short"} else {"long"},
            "quantity": "1.5", "entry_price": format!("{}", 100 + index), "mark_price": format!("{}", 101 + index),
            "leverage": 10, "tiers": one_tier("0.01", "0")})
    };
    let positions: Vec<Value> = (0..1000).map(position).collect();
    let mut account =
        json!({"exchange": "binance-usdm", "wallet_balance": "200000", "positions": positions});
    for pooled in [false, true] {
        if pooled {
            account["collateral"] =
                json!([{"asset": "BTC", "amount": 1, "price": 60000, "follows": "C5USDT"}]);
        }
        let start = Instant::now();
        let answer = asked(&account, "--price -1%");
        assert_eq!(
            answer["after"]["positions"].as_array().map(Vec::len),
            Some(1000)
        );
        // Without optimisation and on a busy machine; the release build needs a fraction.
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?}",
            start.elapsed()
        );
    }
}
