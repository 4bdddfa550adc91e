//! Reading: the account as one picture, the rules, the key, and the budgets.

use plimsoll::domain::{Account, MarginMode, PositionMode, PositionSide, Side, Symbol, Timestamp};
use plimsoll::exchange::binance::{BinanceSettings, BinanceUsdm, Credentials};
use plimsoll::exchange::{ExchangeError, Port};
use plimsoll::guard::event::{Event, Link};
use plimsoll::net::clock::Clock;
use secrecy::SecretString;

use crate::venue::{Reply, START, Seen, Venue, reduce};

const POSITIONS: &str = "GET /fapi/v3/positionRisk";
pub(crate) const BALANCES: &str = "GET /fapi/v3/account";
const CONFIG: &str = "GET /fapi/v1/accountConfig";
const SYMBOLS: &str = "GET /fapi/v1/symbolConfig";
pub(crate) const KEY_CHECK: &str = "GET /sapi/v1/account/apiRestrictions";
const FEE: &str = "GET /fapi/v1/commissionRate";

pub(crate) const MONEY: &str = r#"{"totalWalletBalance":"10000","assets":[
 {"asset":"USDT","walletBalance":"10000.00000000","crossWalletBalance":"7500.00000000","crossUnPnl":"0","availableBalance":"7400.00000000"},
 {"asset":"BNFCR","walletBalance":"5","crossWalletBalance":"5","crossUnPnl":"0","availableBalance":"4"}],"positions":[]}"#;

fn position(symbol: &str, side: &str, amount: &str, wallet: &str) -> String {
    format!(
        r#"{{"symbol":"{symbol}","positionSide":"{side}","positionAmt":"{amount}","entryPrice":"100000.0","breakEvenPrice":"100050.0","markPrice":"97000.00000000","unRealizedProfit":"-1500","liquidationPrice":"0","isolatedMargin":"1000","notional":"48500","marginAsset":"USDT","isolatedWallet":"{wallet}","initialMargin":"2425","maintMargin":"194.00000000","adl":2,"updateTime":1795219100000}}"#
    )
}

fn setting(symbol: &str, mode: &str, leverage: u32) -> String {
    format!(
        r#"{{"symbol":"{symbol}","marginType":"{mode}","isAutoAddMargin":true,"leverage":{leverage},"maxNotionalValue":"80000000"}}"#
    )
}

fn config(hedge: bool, multi: bool) -> Reply {
    Reply::ok(&format!(
        r#"{{"feeTier":0,"canTrade":true,"canDeposit":true,"canWithdraw":true,"dualSidePosition":{hedge},"updateTime":0,"multiAssetsMargin":{multi},"tradeGroupId":-1}}"#
    ))
}

fn list(rows: &[String]) -> Reply {
    Reply::ok(&format!("[{}]", rows.join(",")))
}

/// One isolated long of 0.5 BTC.
pub(crate) async fn venue() -> Venue {
    let venue = Venue::start().await;
    let flat = position("ETHUSDT", "BOTH", "0.000", "0").replace("100000.0", "0.0");
    venue.on(
        POSITIONS,
        &[list(&[
            position("BTCUSDT", "BOTH", "0.500", "2500.00000000"),
            flat,
        ])],
    );
    venue.on(BALANCES, &[Reply::ok(MONEY)]);
    venue.on(CONFIG, &[config(false, false)]);
    venue.on(
        SYMBOLS,
        &[list(&[
            setting("BTCUSDT", "ISOLATED", 20),
            setting("ETHUSDT", "CROSSED", 10),
        ])],
    );
    venue
}

async fn account(adapter: &BinanceUsdm) -> Account {
    let events = adapter.account().await.expect("an account");
    match events.into_iter().next() {
        Some(Event::Account(account)) => account,
        other => panic!("{other:?}"),
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START + ms)
}

#[tokio::test]
async fn an_account_is_one_picture_stamped_when_the_reading_began() {
    let venue = venue().await;
    venue.on(
        "GET /fapi/v1/time",
        &[Reply::ok(&format!(r#"{{"serverTime":{}}}"#, START + 700))],
    );
    let adapter = venue.adapter();
    assert_eq!(adapter.sync_clock().await, Ok(700));
    let events = adapter.account().await.expect("an account");
    let [Event::Account(account), Event::Mark(mark)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(account.taken_at, at(700));
    assert_eq!(
        (mark.at, mark.price.to_string().as_str()),
        (at(700), "97000")
    );
    assert_eq!(mark.funding_rate, None);
    assert_eq!(account.position_mode, PositionMode::OneWay);
    assert!(account.can_trade && !account.multi_assets);
    let usdt = account.balances["USDT"];
    assert_eq!(
        (usdt.cross_wallet.to_string(), usdt.available.to_string()),
        ("7500".into(), "7400".into())
    );
    assert_eq!(
        account.balances["BNFCR"].available.to_string(),
        "4",
        "its own asset"
    );
    let [position] = account.positions.as_slice() else {
        panic!("a flat row is no position: {:?}", account.positions);
    };
    assert_eq!((position.side, position.leverage), (Side::Long, Some(20)));
    assert_eq!(position.margin_mode, MarginMode::Isolated);
    assert_eq!(
        position.venue_liquidation, None,
        "a liquidation price of 0 is none"
    );
    assert!(position.auto_add_margin);
    for route in [POSITIONS, BALANCES, CONFIG, SYMBOLS] {
        let seen = venue.seen(route);
        seen.iter().for_each(Seen::assert_signed);
        assert_eq!(
            seen[0].param("timestamp"),
            Some((START + 700).to_string().as_str())
        );
    }
}

#[tokio::test]
async fn settings_are_kept_until_they_are_old_or_something_changes_them() {
    let venue = venue().await;
    let adapter = venue.adapter();
    let reads = || {
        (
            venue.seen(POSITIONS).len(),
            venue.seen(SYMBOLS).len(),
            venue.seen(CONFIG).len(),
        )
    };
    account(&adapter).await;
    account(&adapter).await;
    assert_eq!(reads(), (2, 1, 1), "kept");
    let change = r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1,"ac":{"s":"BTCUSDT","l":25}}"#;
    let mut events = Vec::new();
    adapter
        .decode(Link::Private, change, &mut events)
        .expect("decoded");
    assert_eq!(events, [Event::ConfigChanged]);
    account(&adapter).await;
    assert_eq!(reads(), (3, 2, 2), "read again after a change");
    venue.clock.advance_to(at(9 * 60_000));
    account(&adapter).await;
    assert_eq!(reads(), (4, 2, 2), "still young");
    venue.clock.advance_to(at(10 * 60_000));
    account(&adapter).await;
    assert_eq!(reads(), (5, 3, 3), "old");
}

#[tokio::test]
async fn a_row_that_contradicts_the_settings_makes_them_read_again() {
    let long = || position("BTCUSDT", "BOTH", "0.500", "2500");
    for (what, rows, settings) in [
        (
            "a new symbol",
            vec![long(), position("ETHUSDT", "BOTH", "2", "0")],
            config(false, false),
        ),
        (
            "now cross",
            vec![position("BTCUSDT", "BOTH", "0.500", "0")],
            config(false, false),
        ),
        (
            "now hedge",
            vec![position("BTCUSDT", "LONG", "0.500", "2500")],
            config(true, false),
        ),
    ] {
        let venue = venue().await;
        let adapter = venue.adapter();
        account(&adapter).await;
        venue.on(POSITIONS, &[list(&rows)]);
        venue.on(CONFIG, &[settings]);
        venue.clock.advance_to(at(30_000));
        let second = account(&adapter).await;
        assert_eq!(venue.seen(SYMBOLS).len(), 2, "{what}");
        assert_eq!(second.positions.len(), rows.len(), "{what}");
        let hedge = second.positions[0].key.position_side != PositionSide::Both;
        assert_eq!(second.position_mode == PositionMode::Hedge, hedge, "{what}");
        venue.clock.advance_to(at(60_000));
        account(&adapter).await;
        let expected = if what == "now cross" { 3 } else { 2 };
        assert_eq!(
            venue.seen(SYMBOLS).len(),
            expected,
            "{what}: explained by now"
        );
    }
}

#[tokio::test]
async fn a_wallet_of_its_own_proves_an_isolated_position() {
    let venue = venue().await;
    venue.on(SYMBOLS, &[list(&[setting("BTCUSDT", "CROSSED", 20)])]);
    let account = account(&venue.adapter()).await;
    assert_eq!(account.positions[0].margin_mode, MarginMode::Isolated);
}

#[tokio::test]
async fn hedge_mode_and_multi_assets_mode_are_seen() {
    let venue = venue().await;
    let (long, short) = (
        position("BTCUSDT", "LONG", "0.5", "0"),
        position("BTCUSDT", "SHORT", "-0.2", "0"),
    );
    venue.on(POSITIONS, &[list(&[long, short])]);
    venue.on(CONFIG, &[config(true, true)]);
    venue.on(SYMBOLS, &[list(&[setting("BTCUSDT", "CROSSED", 20)])]);
    let events = venue.adapter().account().await.expect("an account");
    let [Event::Account(account), Event::Mark(_)] = events.as_slice() else {
        panic!("one mark per symbol: {events:?}");
    };
    assert!(account.multi_assets && account.position_mode == PositionMode::Hedge);
    let sides: Vec<_> = account
        .positions
        .iter()
        .map(|p| (p.side, p.margin_mode))
        .collect();
    assert_eq!(
        sides,
        [
            (Side::Long, MarginMode::Cross),
            (Side::Short, MarginMode::Cross)
        ]
    );
    assert!(
        account
            .positions
            .iter()
            .all(|p| p.quantity.is_positive() && !p.auto_add_margin)
    );
}

#[tokio::test]
async fn a_reading_that_is_not_whole_is_no_reading() {
    for (route, reply) in [
        (POSITIONS, Reply::ok("[{\"symbol\":\"BTCUSDT\",")),
        (
            POSITIONS,
            Reply::ok(&format!(
                "[{}]",
                position("BTCUSDT", "BOTH", "0.5", "1").replace("97000.00000000", "0")
            )),
        ),
        (
            POSITIONS,
            Reply::ok(&format!("[{}]", position("BTCUSDT", "LONG", "-0.5", "1"))),
        ),
        (BALANCES, Reply::ok("<html>signature=abc</html>")),
        (CONFIG, Reply::ok("{}")),
        (SYMBOLS, Reply::ok("[]")),
    ] {
        let venue = venue().await;
        venue.on(route, std::slice::from_ref(&reply));
        let error = venue.adapter().account().await.expect_err(route);
        // A row whose settings are unknown is as good as unread.
        let unreadable = matches!(error, ExchangeError::Unreadable { .. });
        assert!(unreadable || route == SYMBOLS, "{route} {reply:?}: {error}");
        assert!(!error.to_string().contains("abc"), "{error}");
    }
}

#[tokio::test]
async fn failures_of_a_reading_say_what_to_do() {
    let class = |error: ExchangeError| match error {
        ExchangeError::Unauthorised { .. } => "unauthorised",
        ExchangeError::Throttled { .. } => "throttled",
        ExchangeError::Unreachable { .. } => "unreachable",
        ExchangeError::Refused { .. } => "refused",
        ExchangeError::Unreadable { .. } => "unreadable",
        ExchangeError::Unsupported(_) => "unsupported",
    };
    for (reply, expected) in [
        (Reply::hang(), "unreachable"),
        (Reply::status(502, "<html>"), "unreachable"),
        (Reply::status(503, "Service Unavailable."), "unreachable"),
        (Reply::code(-1001), "unreachable"),
        (Reply::status(429, ""), "throttled"),
        (Reply::code(-1003), "throttled"),
        (Reply::code(-2015), "unauthorised"),
        (Reply::code(-1022), "unauthorised"),
        (Reply::status(451, ""), "unauthorised"),
        (Reply::code(-1121), "refused"),
    ] {
        let venue = venue().await;
        venue.on(BALANCES, std::slice::from_ref(&reply));
        let error = venue.adapter().account().await.expect_err("a failure");
        assert_eq!(class(error), expected, "{reply:?}");
    }
}

#[tokio::test]
async fn a_read_with_a_refused_timestamp_is_mended_once() {
    let venue = venue().await;
    venue.on(BALANCES, &[Reply::code(-1021), Reply::ok(MONEY)]);
    assert_eq!(account(&venue.adapter()).await.balances.len(), 2);
    assert_eq!(venue.seen(BALANCES).len(), 2);
    assert_eq!(
        venue.seen("GET /fapi/v1/time").len(),
        2,
        "once at the start, once to mend"
    );
}

#[tokio::test]
async fn headers_are_believed_and_the_reserve_is_kept_for_protection() {
    let venue = venue().await;
    venue.on(
        BALANCES,
        &[Reply::ok(MONEY).with("x-mbx-used-weight-1m", "1690")],
    );
    venue.on(
        "POST /fapi/v1/order",
        &[Reply::ok(
            r#"{"status":"FILLED","executedQty":"0.2","clientOrderId":"plim-test-1"}"#,
        )],
    );
    let adapter = venue.adapter();
    account(&adapter).await;
    assert!(adapter.weight_used() >= 1_690, "{}", adapter.weight_used());
    let held = adapter.account().await;
    let until = Timestamp::from_millis(START - START.rem_euclid(60_000) + 60_000);
    assert!(
        matches!(held, Err(ExchangeError::Throttled { until: u, .. }) if u == until),
        "{held:?}"
    );
    assert_eq!(venue.seen(BALANCES).len(), 1, "not even asked");
    adapter.send(&reduce(1, "0.2", None)).await;
    assert_eq!(
        venue.seen("POST /fapi/v1/order").len(),
        1,
        "an order may use the reserve"
    );
    account(&adapter).await;
    assert_eq!(
        venue.seen(BALANCES).len(),
        2,
        "and so may the reading that verifies it"
    );
}

const RULES: &str = r#"{"symbols":[{"symbol":"BROKEN"},
 {"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL","deliveryDate":4133404800000,"status":"TRADING","marginAsset":"USDT","liquidationFee":"0.012500","marketTakeBound":"0.05","filters":[
 {"filterType":"PRICE_FILTER","minPrice":"556.80","maxPrice":"4529764","tickSize":"0.10"},
 {"filterType":"LOT_SIZE","minQty":"0.001","maxQty":"1000","stepSize":"0.001"},
 {"filterType":"MARKET_LOT_SIZE","minQty":"0.001","maxQty":"120","stepSize":"0.001"},
 {"filterType":"MAX_NUM_ORDERS","limit":200},{"filterType":"MIN_NOTIONAL","notional":"50"},
 {"filterType":"PERCENT_PRICE","multiplierUp":"1.0500","multiplierDown":"0.9500","multiplierDecimal":4}]}]}"#;

async fn rules_venue() -> Venue {
    let venue = Venue::start().await;
    venue.on("GET /fapi/v1/exchangeInfo", &[Reply::ok(RULES)]);
    let tiers = r#"{"symbol":"BTCUSDT","brackets":[{"bracket":1,"initialLeverage":150,"notionalCap":300000,"notionalFloor":0,"maintMarginRatio":0.004,"cum":0.0}]}"#;
    venue.on("GET /fapi/v1/leverageBracket", &[Reply::ok(tiers)]);
    venue.on(
        FEE,
        &[Reply::ok(
            r#"{"symbol":"BTCUSDT","makerCommissionRate":"0.0002","takerCommissionRate":"0.0005"}"#,
        )],
    );
    venue.on("GET /fapi/v1/premiumIndex", &[Reply::ok(r#"{"symbol":"BTCUSDT","markPrice":"97000.00000000","indexPrice":"97031","lastFundingRate":"0.00010000","interestRate":"0.0001","nextFundingTime":1795248000000,"time":1795219200000}"#)]);
    venue
}

#[tokio::test]
async fn rules_bring_instrument_tiers_fee_and_mark_of_the_symbols_asked_for() {
    let venue = rules_venue().await;
    let symbols = [Symbol::new("BTCUSDT"), Symbol::new("GONEUSDT")];
    let events = venue.adapter().rules(&symbols).await.expect("rules");
    let [
        Event::Tiers { table, .. },
        Event::TakerFee { rate, .. },
        Event::Mark(mark),
        Event::Instruments(all),
    ] = events.as_slice()
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        all.len(),
        1,
        "what is not wanted is not read, what is not listed is left out"
    );
    assert_eq!(
        (
            all[0].market_lot.max.to_string(),
            all[0].limit_lot.max.to_string()
        ),
        ("120".into(), "1000".into())
    );
    assert_eq!(
        all[0].market_take_bound.map(|r| r.to_string()).as_deref(),
        Some("0.05")
    );
    assert_eq!(table.tiers().len(), 1);
    assert_eq!(rate.to_string(), "0.0005");
    assert_eq!(
        mark.funding_rate.map(|r| r.to_string()).as_deref(),
        Some("0.0001")
    );
    assert_eq!(venue.adapter().rules(&[]).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_fee_that_is_refused_does_not_cost_the_tiers() {
    let venue = rules_venue().await;
    venue.on(FEE, &[Reply::code(-4084)]);
    let events = venue
        .adapter()
        .rules(&[Symbol::new("BTCUSDT")])
        .await
        .expect("rules");
    assert_eq!(events.len(), 3);
    venue.on(FEE, &[Reply::code(-2015)]);
    let error = venue.adapter().rules(&[Symbol::new("BTCUSDT")]).await;
    assert!(matches!(
        error,
        Err(ExchangeError::Unauthorised { code: -2015, .. })
    ));
}

fn restrictions(withdrawals: bool, portfolio: bool) -> Reply {
    Reply::ok(&format!(
        r#"{{"ipRestrict":true,"createTime":1780000000000,"enableReading":true,"enableWithdrawals":{withdrawals},"enableInternalTransfer":false,"enableMargin":false,"enableFutures":true,"permitsUniversalTransfer":true,"enablePortfolioMarginTrading":{portfolio}}}"#
    ))
}

#[tokio::test]
async fn permissions_of_the_key_are_read_from_the_wallet_host() {
    let venue = venue().await;
    venue.on(KEY_CHECK, &[restrictions(true, false)]);
    let adapter = venue.adapter();
    let permissions = adapter.permissions().await.expect("permissions");
    assert!(permissions.withdrawals && permissions.futures && permissions.reading);
    assert!(
        permissions.wallet_transfer && permissions.ip_restricted && !permissions.portfolio_margin
    );
    venue.seen(KEY_CHECK)[0].assert_signed();
    venue.on(
        KEY_CHECK,
        &[Reply::ok(
            r#"{"enableReading":true,"enableFutures":true,"ipRestrict":true}"#,
        )],
    );
    let unknown = adapter.permissions().await;
    assert!(
        matches!(unknown, Err(ExchangeError::Unreadable { .. })),
        "silence about withdrawals is no consent"
    );
    assert!(adapter.account().await.is_ok());
}

#[tokio::test]
async fn a_portfolio_margin_key_is_not_supported() {
    let venue = venue().await;
    venue.on(KEY_CHECK, &[restrictions(false, true)]);
    let adapter = venue.adapter();
    assert!(
        adapter
            .permissions()
            .await
            .expect("permissions")
            .portfolio_margin
    );
    assert!(matches!(
        adapter.account().await,
        Err(ExchangeError::Unsupported(_))
    ));
    assert!(venue.seen(POSITIONS).is_empty());
}

#[tokio::test]
async fn a_book_is_read_once_on_request() {
    let venue = Venue::start().await;
    venue.on("GET /fapi/v1/depth", &[Reply::ok(r#"{"lastUpdateId":9,"E":1795219200410,"T":1795219200403,"bids":[["96999.90","3.214"]],"asks":[["97000.00","1.870"]]}"#)]);
    let book = venue
        .adapter()
        .depth(&Symbol::new("BTCUSDT"))
        .await
        .expect("a book");
    assert_eq!(book.symbol.as_str(), "BTCUSDT");
    assert!(!book.is_unusable());
}

#[test]
fn addresses_without_encryption_are_refused_except_on_this_machine() {
    let with = |rest: &str, ws: &str| {
        let settings = BinanceSettings {
            rest: rest.to_owned(),
            ws_private: ws.to_owned(),
            ..BinanceSettings::default()
        };
        let credentials = Credentials {
            api_key: SecretString::from("key"),
            secret: SecretString::from("secret"),
        };
        BinanceUsdm::new(settings, credentials, Clock::wall()).map(|_| ())
    };
    let good = "wss://fstream.binance.com/private";
    assert_eq!(with("https://fapi.binance.com/", good), Ok(()));
    assert_eq!(
        with("http://127.0.0.1:8080", "ws://localhost:1/private"),
        Ok(())
    );
    assert_eq!(with("http://[::1]:8080", good), Ok(()));
    for rest in [
        "http://fapi.binance.com",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example:80",
        "http://127.0.0.1@evil.example",
        "ftp://127.0.0.1",
        "fapi.binance.com",
        "",
    ] {
        assert!(
            matches!(with(rest, good), Err(ExchangeError::Unsupported(_))),
            "{rest}"
        );
    }
    assert!(with("https://fapi.binance.com", "ws://fstream.binance.com").is_err());
}
