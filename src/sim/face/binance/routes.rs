//! Which endpoint answers which request, what it weighs and who may ask.
//! Weights: docstrings of the venue's official clients, 2026-10.

use serde_json::Value;

use super::auth::Security;
use super::errors::ApiError;
use super::gate::Call;
use super::params::Params;
use super::{rest_account, rest_algo, rest_public, rest_trade, rest_wallet};

/// Answers a request that passed all checks.
pub(super) type Serve = fn(&mut Call<'_>) -> Result<Value, ApiError>;

#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) security: Security,
    pub(super) weight: fn(&Params) -> u32,
    /// Counted against the order limits.
    pub(super) orders: u32,
    pub(super) serve: Serve,
}

/// The route of a request.
pub(super) fn find(method: &str, path: &str) -> Result<Route, ApiError> {
    public(method, path)
        .or_else(|| account(method, path))
        .or_else(|| trade(method, path))
        .or_else(|| algo(method, path))
        .or_else(|| wallet(method, path))
        .ok_or_else(|| ApiError::new(404, -5000, "Path is invalid."))
}

fn route(security: Security, weight: fn(&Params) -> u32, serve: Serve) -> Option<Route> {
    Some(Route {
        security,
        weight,
        orders: 0,
        serve,
    })
}

fn public(method: &str, path: &str) -> Option<Route> {
    if method != "GET" {
        return None;
    }
    let open = |weight, serve| route(Security::Open, weight, serve);
    match path {
        "/fapi/v1/ping" => open(one, rest_public::ping),
        "/fapi/v1/time" => open(one, rest_public::time),
        "/fapi/v1/exchangeInfo" => open(one, rest_public::exchange_info),
        "/fapi/v1/depth" => open(depth_weight, rest_public::depth),
        "/fapi/v1/premiumIndex" => open(one_or_ten, rest_public::premium_index),
        "/fapi/v1/ticker/bookTicker" => open(two_or_five, rest_public::book_ticker),
        "/fapi/v1/ticker/price" | "/fapi/v2/ticker/price" => {
            open(two_or_five, rest_public::price_ticker)
        }
        "/fapi/v1/ticker/24hr" => open(one_or_forty, rest_public::day_ticker),
        "/fapi/v1/klines" => open(kline_weight, rest_public::klines),
        // The exchange has one price: its marks.
        "/fapi/v1/markPriceKlines" => open(kline_weight, rest_public::klines),
        "/fapi/v1/fundingInfo" => open(none, rest_public::funding_info),
        "/fapi/v1/fundingRate" => open(none, rest_public::funding_rate),
        _ => None,
    }
}

fn account(method: &str, path: &str) -> Option<Route> {
    let read = |weight, serve| route(Security::Read, weight, serve);
    let key = |serve| route(Security::Key, one, serve);
    match (method, path) {
        ("GET", "/fapi/v1/leverageBracket") => read(one, rest_account::leverage_bracket),
        ("GET", "/fapi/v3/positionRisk") => read(five, rest_account::position_risk_v3),
        ("GET", "/fapi/v2/positionRisk") => read(five, rest_account::position_risk_v2),
        ("GET", "/fapi/v3/account") => read(five, rest_account::account_v3),
        ("GET", "/fapi/v2/account") => read(five, rest_account::account_v2),
        ("GET", "/fapi/v3/balance" | "/fapi/v2/balance") => read(five, rest_account::balance),
        ("GET", "/fapi/v1/accountConfig") => read(five, rest_account::account_config),
        ("GET", "/fapi/v1/symbolConfig") => read(five, rest_account::symbol_config),
        ("GET", "/fapi/v1/multiAssetsMargin") => read(thirty, rest_account::multi_assets),
        ("GET", "/fapi/v1/positionSide/dual") => read(thirty, rest_account::position_mode),
        ("GET", "/fapi/v1/positionMargin/history") => read(one, rest_account::margin_history),
        ("GET", "/fapi/v1/income") => read(thirty, rest_account::income),
        ("GET", "/fapi/v1/commissionRate") => read(twenty, rest_account::commission_rate),
        ("GET", "/fapi/v1/adlQuantile") => read(five, rest_account::adl_quantile),
        ("GET", "/fapi/v1/rateLimit/order") => read(one, rest_account::order_limits),
        ("POST", "/fapi/v1/listenKey") => key(rest_account::make_listen_key),
        ("PUT", "/fapi/v1/listenKey") => key(rest_account::keep_listen_key),
        ("DELETE", "/fapi/v1/listenKey") => key(rest_account::close_listen_key),
        _ => None,
    }
}

fn trade(method: &str, path: &str) -> Option<Route> {
    let act = |serve| route(Security::Trade, one, serve);
    let read = |weight, serve| route(Security::Read, weight, serve);
    let submit = |weight, orders, serve| {
        let found = route(Security::Trade, weight, serve);
        found.map(|route| Route { orders, ..route })
    };
    match (method, path) {
        ("POST", "/fapi/v1/positionSide/dual") => act(rest_trade::set_position_mode),
        ("POST", "/fapi/v1/leverage") => act(rest_trade::set_leverage),
        ("POST", "/fapi/v1/marginType") => act(rest_trade::set_margin_type),
        ("POST", "/fapi/v1/positionMargin") => act(rest_trade::move_margin),
        ("POST", "/fapi/v1/order") => submit(none, 1, rest_trade::place),
        ("POST", "/fapi/v1/order/test") => submit(none, 0, rest_trade::place_test),
        ("POST", "/fapi/v1/batchOrders") => submit(five, 5, rest_trade::place_batch),
        ("GET", "/fapi/v1/order") => read(one, rest_trade::order),
        ("GET", "/fapi/v1/openOrder") => read(one, rest_trade::open_order),
        ("GET", "/fapi/v1/openOrders") => read(one_or_forty, rest_trade::open_orders),
        ("GET", "/fapi/v1/allOrders") => read(five, rest_trade::all_orders),
        ("GET", "/fapi/v1/userTrades") => read(five, rest_trade::user_trades),
        ("GET", "/fapi/v1/forceOrders") => read(twenty_or_fifty, rest_trade::force_orders),
        ("DELETE", "/fapi/v1/order") => act(rest_trade::cancel),
        ("DELETE", "/fapi/v1/allOpenOrders") => act(rest_trade::cancel_all),
        _ => None,
    }
}

fn algo(method: &str, path: &str) -> Option<Route> {
    let act = |serve| route(Security::Trade, one, serve);
    let read = |weight, serve| route(Security::Read, weight, serve);
    match (method, path) {
        ("POST", "/fapi/v1/algoOrder") => {
            let found = route(Security::Trade, none, rest_algo::place);
            found.map(|route| Route { orders: 1, ..route })
        }
        ("GET", "/fapi/v1/algoOrder") => read(one, rest_algo::order),
        ("GET", "/fapi/v1/openAlgoOrders") => read(one_or_forty, rest_algo::open_orders),
        ("GET", "/fapi/v1/allAlgoOrders") => read(five, rest_algo::all_orders),
        ("DELETE", "/fapi/v1/algoOrder") => act(rest_algo::cancel),
        ("DELETE", "/fapi/v1/algoOpenOrders") => act(rest_algo::cancel_all),
        _ => None,
    }
}

fn wallet(method: &str, path: &str) -> Option<Route> {
    let read = |serve| route(Security::Read, one, serve);
    match (method, path) {
        ("GET", "/sapi/v1/account/apiRestrictions") => read(rest_wallet::restrictions),
        ("GET", "/sapi/v1/asset/transfer") => read(rest_wallet::transfers),
        ("POST", "/sapi/v1/asset/transfer") => {
            route(Security::Transfer, one, rest_wallet::transfer)
        }
        ("POST", "/sapi/v3/asset/getUserAsset") => read(rest_wallet::spot_assets),
        ("POST", "/sapi/v1/asset/get-funding-asset") => read(rest_wallet::funding_assets),
        ("GET", "/sapi/v1/capital/config/getall") => read(rest_wallet::coins),
        _ => None,
    }
}

fn none(_: &Params) -> u32 {
    0
}

fn one(_: &Params) -> u32 {
    1
}

fn five(_: &Params) -> u32 {
    5
}

fn twenty(_: &Params) -> u32 {
    20
}

fn thirty(_: &Params) -> u32 {
    30
}

fn one_or_ten(params: &Params) -> u32 {
    if params.has("symbol") { 1 } else { 10 }
}

fn two_or_five(params: &Params) -> u32 {
    if params.has("symbol") { 2 } else { 5 }
}

fn one_or_forty(params: &Params) -> u32 {
    if params.has("symbol") { 1 } else { 40 }
}

fn twenty_or_fifty(params: &Params) -> u32 {
    if params.has("symbol") { 20 } else { 50 }
}

fn kline_weight(params: &Params) -> u32 {
    match params.get("limit").and_then(|limit| limit.parse().ok()) {
        Some(0..=99_u32) => 1,
        Some(100..=499) => 2,
        None | Some(500..=1_000) => 5,
        Some(1_001..) => 10,
    }
}

fn depth_weight(params: &Params) -> u32 {
    match params.get("limit") {
        None => 1,
        Some("5" | "10" | "20" | "50") => 2,
        Some("100") => 5,
        Some("500") => 10,
        Some(_) => 20,
    }
}
