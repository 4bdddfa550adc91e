//! Account and risk endpoints. Source: venue pages "Account Endpoints" and "User Data Streams"
//! (USDⓈ-M futures), 2026-11.

use serde_json::{Map, Value, json};

use super::errors::ApiError;
use super::gate::{Call, LISTEN_KEY_MS, ListenKey};
use super::limits::{ORDERS_1M, ORDERS_10S};
use super::wire::{
    coins, income_name, isolated_margin, mode_name, position_v2, position_v3, signed_notional,
    slot_name,
};
use crate::domain::{MarginMode, Money, PositionKey, PositionSide, Symbol, Timestamp};
use crate::sim::{Income, PositionView, WalletView};

/// Rows of a history answer when the request names no limit, and at most.
const ROWS: usize = 100;
const ROWS_MAX: usize = 1_000;

pub(super) fn leverage_bracket(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let named = call.symbol_if_any()?;
    let rows = call.state.exchange.markets().filter(|market| {
        let symbol = &market.instrument.symbol;
        named.as_ref().is_none_or(|named| named == symbol)
    });
    let mut out = Vec::new();
    for market in rows {
        let mut brackets = Vec::new();
        for (index, tier) in market.tiers.tiers().iter().enumerate() {
            brackets.push(json!({
                "bracket": index + 1, "initialLeverage": tier.max_leverage.whole(),
                "notionalCap": tier.cap.map_or_else(|| json!(i64::MAX), number),
                "notionalFloor": number(tier.floor), "maintMarginRatio": decimal(tier.maintenance_rate.get()),
                "cum": number(tier.deduction),
            }));
        }
        out.push(json!({"symbol": market.instrument.symbol, "brackets": brackets}));
    }
    Ok(Value::Array(out))
}

fn number(amount: Money) -> Value {
    decimal(amount.get())
}

/// A decimal as a JSON number with exactly its digits.
fn decimal(value: rust_decimal::Decimal) -> Value {
    serde_json::from_str(&value.normalize().to_string()).unwrap_or(Value::Null)
}

/// Slots the venue lists for a symbol in the account's position mode.
fn slots(hedge: bool, all: bool) -> &'static [PositionSide] {
    match (hedge, all) {
        (false, _) => &[PositionSide::Both],
        (true, false) => &[PositionSide::Long, PositionSide::Short],
        (true, true) => &[PositionSide::Both, PositionSide::Long, PositionSide::Short],
    }
}

/// Slots with a position or resting orders.
fn rows_in_use(call: &Call<'_>) -> Result<Vec<PositionView>, ApiError> {
    let account = call.account()?;
    let exchange = &call.state.exchange;
    let orders = exchange.open_orders(account);
    let mut rows = Vec::new();
    for market in exchange.markets() {
        for slot in slots(exchange.is_hedge(account), false) {
            let key = PositionKey {
                symbol: market.instrument.symbol.clone(),
                position_side: *slot,
            };
            let rests = orders.iter().any(|order| order.key() == key);
            let view = exchange.position(account, &key);
            rows.extend(view.filter(|view| rests || view.quantity.is_positive()));
        }
    }
    Ok(rows)
}

pub(super) fn position_risk_v3(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let named = call.symbol_if_any()?;
    let rows = rows_in_use(call)?;
    Ok(rows
        .iter()
        .filter(|view| named.as_ref().is_none_or(|named| *named == view.symbol))
        .map(|view| position_v3(view, call.digits(&view.symbol)))
        .collect())
}

pub(super) fn position_risk_v2(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let named = call.symbol_if_any()?;
    let exchange = &call.state.exchange;
    let mut rows = Vec::new();
    for market in exchange.markets() {
        let symbol = &market.instrument.symbol;
        if named.as_ref().is_some_and(|named| named != symbol) {
            continue;
        }
        for slot in slots(exchange.is_hedge(account), true) {
            let key = PositionKey {
                symbol: symbol.clone(),
                position_side: *slot,
            };
            if let Some(view) = exchange.position(account, &key) {
                let most = exchange.max_notional(symbol, view.leverage);
                rows.push(position_v2(&view, call.digits(symbol), most.get()));
            }
        }
    }
    Ok(Value::Array(rows))
}

fn wallets(call: &Call<'_>) -> Result<WalletView, ApiError> {
    let account = call.account()?;
    let wallets = call.state.exchange.wallets(account);
    wallets.ok_or_else(ApiError::not_permitted)
}

fn asset_fields(w: &WalletView) -> Vec<(&'static str, Money)> {
    vec![
        ("initialMargin", w.position_initial + w.order_initial),
        ("maintMargin", w.maintenance),
        ("walletBalance", w.wallet),
        ("unrealizedProfit", w.unrealized),
        ("marginBalance", w.wallet + w.unrealized),
        ("positionInitialMargin", w.position_initial),
        ("openOrderInitialMargin", w.order_initial),
        ("crossWalletBalance", w.cross_wallet),
        ("crossUnPnl", w.cross_unrealized),
        ("availableBalance", w.available),
        (
            "maxWithdrawAmount",
            w.available.min(w.cross_wallet).max(Money::ZERO),
        ),
    ]
}

fn account_body(call: &Call<'_>) -> Result<Map<String, Value>, ApiError> {
    let wallets = wallets(call)?;
    let mut body = Map::new();
    let mut asset = Map::new();
    asset.insert("asset".to_owned(), json!("USDT"));
    for (name, amount) in asset_fields(&wallets) {
        let text = json!(coins(amount.get()));
        let total = match name {
            "availableBalance" | "maxWithdrawAmount" => name.to_owned(),
            other => {
                let mut letters = other.chars();
                let first = letters.next().map(|c| c.to_ascii_uppercase());
                let name: String = first.into_iter().chain(letters).collect();
                format!("total{name}")
            }
        };
        body.insert(total, text.clone());
        asset.insert(name.to_owned(), text);
    }
    asset.insert("updateTime".to_owned(), json!(call.now.as_millis()));
    asset.insert("marginAvailable".to_owned(), json!(true));
    body.insert("assets".to_owned(), json!([asset]));
    Ok(body)
}

fn account_position(view: &PositionView) -> Value {
    json!({
        "symbol": view.symbol, "positionSide": slot_name(view.position_side),
        "positionAmt": view.signed().to_string(), "unrealizedProfit": coins(view.unrealized.get()),
        "isolatedMargin": coins(isolated_margin(view)), "notional": coins(signed_notional(view)),
        "isolatedWallet": coins(view.isolated_wallet.get()),
        "initialMargin": coins(view.initial_margin.get()),
        "maintMargin": coins(view.maintenance_margin.get()), "updateTime": view.updated_at.as_millis(),
    })
}

pub(super) fn account_v3(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let mut body = account_body(call)?;
    let rows: Vec<Value> = rows_in_use(call)?.iter().map(account_position).collect();
    body.insert("positions".to_owned(), Value::Array(rows));
    Ok(Value::Object(body))
}

pub(super) fn account_v2(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let mut body = account_body(call)?;
    let exchange = &call.state.exchange;
    let mut rows = Vec::new();
    for market in exchange.markets() {
        for slot in slots(exchange.is_hedge(account), true) {
            let key = PositionKey {
                symbol: market.instrument.symbol.clone(),
                position_side: *slot,
            };
            let Some(view) = exchange.position(account, &key) else {
                continue;
            };
            let mut row = account_position(&view);
            if let Some(fields) = row.as_object_mut() {
                let most = exchange.max_notional(&key.symbol, view.leverage);
                fields.insert("leverage".to_owned(), json!(view.leverage.to_string()));
                fields.insert(
                    "isolated".to_owned(),
                    json!(view.margin_mode == MarginMode::Isolated),
                );
                fields.insert("entryPrice".to_owned(), json!(view.entry_price.to_string()));
                fields.insert("maxNotional".to_owned(), json!(most.to_string()));
                let initial = json!(coins(view.initial_margin.get()));
                fields.insert("positionInitialMargin".to_owned(), initial);
                fields.insert("openOrderInitialMargin".to_owned(), json!("0"));
            }
            rows.push(row);
        }
    }
    body.insert("positions".to_owned(), Value::Array(rows));
    for (name, value) in [
        ("feeTier", json!(0)),
        ("feeBurn", json!(false)),
        ("canTrade", json!(true)),
        ("canDeposit", json!(true)),
        ("canWithdraw", json!(true)),
        ("multiAssetsMargin", json!(false)),
        ("tradeGroupId", json!(-1)),
        ("updateTime", json!(0)),
    ] {
        body.insert(name.to_owned(), value);
    }
    Ok(Value::Object(body))
}

pub(super) fn balance(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let wallets = wallets(call)?;
    Ok(json!([{
        "accountAlias": "sim", "asset": "USDT", "balance": coins(wallets.wallet.get()),
        "crossWalletBalance": coins(wallets.cross_wallet.get()),
        "crossUnPnl": coins(wallets.cross_unrealized.get()),
        "availableBalance": coins(wallets.available.get()),
        "maxWithdrawAmount": coins(wallets.available.min(wallets.cross_wallet).max(Money::ZERO).get()),
        "marginAvailable": true, "updateTime": call.now.as_millis(),
    }]))
}

pub(super) fn account_config(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let hedge = call.state.exchange.is_hedge(call.account()?);
    Ok(json!({
        "feeTier": 0, "canTrade": true, "canDeposit": true, "canWithdraw": true,
        "dualSidePosition": hedge, "updateTime": 0, "multiAssetsMargin": false, "tradeGroupId": -1,
    }))
}

pub(super) fn symbol_config(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let named = call.symbol_if_any()?;
    let exchange = &call.state.exchange;
    let rows = exchange.markets().filter_map(|market| {
        let symbol = &market.instrument.symbol;
        if named.as_ref().is_some_and(|named| named != symbol) {
            return None;
        }
        let config = exchange.config(account, symbol)?;
        let most = exchange.max_notional(symbol, config.leverage);
        Some(json!({
            "symbol": symbol, "marginType": mode_name(config.mode),
            "isAutoAddMargin": config.auto_add, "leverage": config.leverage,
            "maxNotionalValue": most.to_string(),
        }))
    });
    Ok(rows.collect())
}

pub(super) fn multi_assets(_: &mut Call<'_>) -> Result<Value, ApiError> {
    Ok(json!({"multiAssetsMargin": false}))
}

pub(super) fn position_mode(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let hedge = call.state.exchange.is_hedge(call.account()?);
    Ok(json!({"dualSidePosition": hedge}))
}

/// The part of a history that a request asks for: a span of time, the youngest rows up to a limit.
pub(super) fn span<T>(
    call: &Call<'_>,
    rows: Vec<T>,
    at: impl Fn(&T) -> Timestamp,
) -> Result<Vec<T>, ApiError> {
    let from = call.params.parsed::<i64>("startTime")?.unwrap_or(i64::MIN);
    let to = call.params.parsed::<i64>("endTime")?.unwrap_or(i64::MAX);
    let limit = call
        .params
        .parsed::<usize>("limit")?
        .unwrap_or(ROWS)
        .min(ROWS_MAX);
    let mut rows: Vec<T> = rows
        .into_iter()
        .filter(|row| (from..=to).contains(&at(row).as_millis()))
        .collect();
    if call.params.has("startTime") {
        rows.truncate(limit);
    } else {
        rows.drain(..rows.len().saturating_sub(limit));
    }
    Ok(rows)
}

pub(super) fn margin_history(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let symbol = call.symbol()?;
    let wanted = call.params.parsed::<u8>("type")?;
    let rows = call.state.exchange.margin_changes(account);
    let rows = rows.into_iter().filter(|row| {
        let kind = if row.amount.is_positive() { 1 } else { 2 };
        row.key.symbol == symbol && wanted.is_none_or(|wanted| wanted == kind)
    });
    let rows = span(call, rows.collect(), |row| row.at)?;
    Ok(rows
        .iter()
        .map(|row| {
            let kind = if row.amount.is_positive() { 1 } else { 2 };
            let origin = if row.automatic { "AUTO_ADD" } else { "USER_ADJUST" };
            json!({
                "symbol": row.key.symbol, "type": kind, "deltaType": origin,
                "amount": coins(row.amount.abs().get()), "asset": "USDT", "time": row.at.as_millis(),
                "positionSide": slot_name(row.key.position_side),
            })
        })
        .collect())
}

pub(super) fn income(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let named = call.symbol_if_any()?;
    let kind = call.params.get("incomeType").map(str::to_owned);
    let wanted = |row: &Income| {
        let fits = kind
            .as_ref()
            .is_none_or(|kind| kind == income_name(row.kind));
        fits && (named.is_none() || row.symbol == named)
    };
    let rows = call.state.exchange.income(account);
    let rows = span(call, rows.into_iter().filter(wanted).collect(), |row| {
        row.at
    })?;
    Ok(rows
        .iter()
        .map(|row| {
            let symbol = row.symbol.as_ref().map_or("", Symbol::as_str);
            json!({
                "symbol": symbol, "incomeType": income_name(row.kind),
                "income": coins(row.amount.get()), "asset": "USDT", "info": income_name(row.kind),
                "time": row.at.as_millis(), "tranId": row.id,
                "tradeId": row.trade_id.map(|id| id.to_string()).unwrap_or_default(),
            })
        })
        .collect())
}

pub(super) fn commission_rate(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let symbol = call.symbol()?;
    let spec = call.state.exchange.spec();
    Ok(json!({
        "symbol": symbol, "makerCommissionRate": spec.maker_fee.to_string(),
        "takerCommissionRate": spec.taker_fee.to_string(), "rpiCommissionRate": "0.00005",
    }))
}

pub(super) fn adl_quantile(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let named = call.symbol_if_any()?;
    let views = rows_in_use(call)?;
    Ok(views
        .iter()
        .filter(|view| named.as_ref().is_none_or(|named| *named == view.symbol))
        .map(|view| {
            let held = |slot| i32::from(view.position_side == slot);
            let slots = json!({
                "LONG": held(PositionSide::Long), "SHORT": held(PositionSide::Short),
                "BOTH": held(PositionSide::Both),
            });
            json!({"symbol": view.symbol, "adlQuantile": slots})
        })
        .collect())
}

pub(super) fn order_limits(_: &mut Call<'_>) -> Result<Value, ApiError> {
    Ok(json!([
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": ORDERS_10S},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": ORDERS_1M},
    ]))
}

pub(super) fn make_listen_key(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let expires = call.now.plus_ms(LISTEN_KEY_MS);
    let known = call.state.listen_keys.iter_mut();
    if let Some((name, key)) = known.into_iter().find(|(_, key)| key.account == account) {
        key.expires = expires;
        return Ok(json!({"listenKey": name}));
    }
    call.state.keys_made += 1;
    let name = call
        .state
        .exchange
        .listen_key(account, call.state.keys_made);
    let answer = json!({"listenKey": name});
    call.state
        .listen_keys
        .insert(name, ListenKey { account, expires });
    Ok(answer)
}

pub(super) fn keep_listen_key(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let expires = call.now.plus_ms(LISTEN_KEY_MS);
    let known = call.state.listen_keys.iter_mut();
    match known.into_iter().find(|(_, key)| key.account == account) {
        Some((name, key)) => {
            key.expires = expires;
            Ok(json!({"listenKey": name}))
        }
        None => Err(ApiError::new(400, -1125, "This listenKey does not exist.")),
    }
}

pub(super) fn close_listen_key(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let known = call.state.listen_keys.iter();
    let names: Vec<String> = known
        .filter(|(_, key)| key.account == account)
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        call.state.listen_keys.remove(&name);
        call.state.hub.detach_key(&name);
    }
    Ok(json!({}))
}
