//! Market data endpoints. Source: venue pages "Market Data Endpoints" (USDⓈ-M futures), 2026-11.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::errors::ApiError;
use super::frames;
use super::gate::Call;
use super::limits::{ORDERS_1M, ORDERS_10S};
use super::wire::{Digits, coins, fixed};
use crate::domain::{HOUR_MS, InstrumentStatus, Rate, SECOND_MS, Symbol, Timestamp};
use crate::sim::{Market, Tape};

/// Delivery date of a contract that never ends.
const NEVER: i64 = 4_133_404_800_000;
/// Resting orders per symbol, as announced.
const ORDERS_PER_SYMBOL: u32 = 200;
/// Rows of a kline answer when the request names no limit, and at most.
const KLINES: usize = 500;
const KLINES_MAX: usize = 1_500;

pub(super) fn ping(_: &mut Call<'_>) -> Result<Value, ApiError> {
    Ok(json!({}))
}

pub(super) fn time(call: &mut Call<'_>) -> Result<Value, ApiError> {
    Ok(json!({"serverTime": call.now.as_millis()}))
}

pub(super) fn exchange_info(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let symbols: Vec<Value> = call.state.exchange.markets().map(symbol_info).collect();
    let weight = call.state.limits.weight_max();
    Ok(json!({
        "timezone": "UTC", "serverTime": call.now.as_millis(), "futuresType": "U_MARGINED",
        "exchangeFilters": [],
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": weight},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": ORDERS_1M},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": ORDERS_10S},
        ],
        "assets": [{"asset": "USDT", "marginAvailable": true, "autoAssetExchange": "-10000"}],
        "symbols": symbols,
    }))
}

fn symbol_info(market: &Market) -> Value {
    let instrument = &market.instrument;
    let digits = Digits::of(Some(market));
    let quote = instrument.margin_asset.as_str();
    let name = instrument.symbol.as_str();
    let base = name.strip_suffix(quote).unwrap_or(name);
    let status = match &instrument.status {
        InstrumentStatus::Trading => "TRADING",
        InstrumentStatus::Closed(word) => word.as_str(),
    };
    let lot = |kind: &str, lot: &crate::domain::LotLimits| {
        json!({
            "filterType": kind, "minQty": digits.quantity(lot.min), "maxQty": digits.quantity(lot.max),
            "stepSize": lot.step.normalize().to_string(),
        })
    };
    let factor = |rate: Option<Rate>, other: &str| {
        rate.map_or_else(|| other.to_owned(), |rate| fixed(rate.get(), 4))
    };
    let bound = instrument.market_take_bound.unwrap_or(Rate::ONE);
    let delivery = instrument.delivery_at.map_or(NEVER, Timestamp::as_millis);
    let kind = if instrument.perpetual {
        "PERPETUAL"
    } else {
        "CURRENT_QUARTER"
    };
    json!({
        "symbol": name, "pair": name, "contractType": kind, "deliveryDate": delivery,
        "onboardDate": 1_569_398_400_000_i64, "status": status, "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000", "baseAsset": base, "quoteAsset": quote,
        "marginAsset": quote, "pricePrecision": digits.price, "quantityPrecision": digits.quantity,
        "baseAssetPrecision": 8, "quotePrecision": 8, "underlyingType": "COIN",
        "underlyingSubType": [], "triggerProtect": "0.0500",
        "liquidationFee": fixed(instrument.liquidation_fee.get(), 6),
        "marketTakeBound": bound.get().normalize().to_string(), "maxMoveOrderLimit": 10000,
        "permissionSets": [],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": instrument.tick.normalize().to_string(),
             "maxPrice": "1000000000", "tickSize": instrument.tick.normalize().to_string()},
            lot("LOT_SIZE", &instrument.limit_lot),
            lot("MARKET_LOT_SIZE", &instrument.market_lot),
            {"filterType": "MAX_NUM_ORDERS", "limit": ORDERS_PER_SYMBOL},
            {"filterType": "MIN_NOTIONAL", "notional": instrument.min_notional.to_string()},
            {"filterType": "PERCENT_PRICE", "multiplierUp": factor(instrument.price_cap_factor, "10.0000"),
             "multiplierDown": factor(instrument.price_floor_factor, "0.1000"), "multiplierDecimal": "4"},
            {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET",
            "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    })
}

pub(super) fn depth(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let symbol = call.symbol()?;
    let limit = call.params.parsed::<usize>("limit")?.unwrap_or(500);
    if ![5, 10, 20, 50, 100, 500, 1_000].contains(&limit) {
        let text = format!("{limit} is not valid depth limit.");
        return Err(ApiError::new(400, -4021, &text));
    }
    let (digits, at) = (call.digits(&symbol), call.now.as_millis());
    let (book, id) = call
        .state
        .exchange
        .book(&symbol)
        .ok_or_else(ApiError::invalid_symbol)?;
    let [bids, asks] = frames::top(book, limit, digits);
    Ok(json!({"lastUpdateId": id, "E": at, "T": at, "bids": bids, "asks": asks}))
}

/// One object for a named symbol, an array of all without.
fn each(
    call: &mut Call<'_>,
    row: impl Fn(&mut Call<'_>, &Symbol) -> Option<Value>,
) -> Result<Value, ApiError> {
    if let Some(symbol) = call.symbol_if_any()? {
        return row(call, &symbol).ok_or_else(ApiError::invalid_symbol);
    }
    let symbols = symbols(call);
    Ok(symbols
        .iter()
        .filter_map(|symbol| row(call, symbol))
        .collect())
}

fn symbols(call: &Call<'_>) -> Vec<Symbol> {
    let markets = call.state.exchange.markets();
    markets
        .map(|market| market.instrument.symbol.clone())
        .collect()
}

pub(super) fn premium_index(call: &mut Call<'_>) -> Result<Value, ApiError> {
    each(call, |call, symbol| {
        let exchange = &call.state.exchange;
        let mark = coins(exchange.mark(symbol)?.get());
        Some(json!({
            "symbol": symbol, "markPrice": mark, "indexPrice": mark, "estimatedSettlePrice": mark,
            "lastFundingRate": coins(exchange.spec().funding_rate.get()),
            "interestRate": "0.00010000", "nextFundingTime": exchange.next_funding().as_millis(),
            "time": call.now.as_millis(),
        }))
    })
}

pub(super) fn book_ticker(call: &mut Call<'_>) -> Result<Value, ApiError> {
    each(call, |call, symbol| {
        let (digits, at) = (call.digits(symbol), call.now.as_millis());
        let (book, id) = call.state.exchange.book(symbol)?;
        let [bid, bid_quantity] = digits.level(book.bids.first()?);
        let [ask, ask_quantity] = digits.level(book.asks.first()?);
        Some(json!({
            "symbol": symbol, "bidPrice": bid, "bidQty": bid_quantity, "askPrice": ask,
            "askQty": ask_quantity, "time": at, "lastUpdateId": id,
        }))
    })
}

pub(super) fn price_ticker(call: &mut Call<'_>) -> Result<Value, ApiError> {
    each(call, |call, symbol| {
        let price = call.digits(symbol).price(call.state.exchange.last(symbol)?);
        Some(json!({"symbol": symbol, "price": price, "time": call.now.as_millis()}))
    })
}

pub(super) fn day_ticker(call: &mut Call<'_>) -> Result<Value, ApiError> {
    each(call, |call, symbol| {
        let digits = call.digits(symbol);
        let exchange = &call.state.exchange;
        let tape = exchange.tape(symbol)?;
        let last = exchange.last(symbol)?;
        let from = call.now.plus_ms(-24 * HOUR_MS);
        let seen: Vec<_> = marks_between(tape, from, call.now)
            .map(|(_, mark)| mark)
            .collect();
        let open = seen.first().copied().unwrap_or(last);
        let high = seen.iter().copied().max().unwrap_or(last).max(last);
        let low = seen.iter().copied().min().unwrap_or(last).min(last);
        let change = last.get() - open.get();
        let pct = change.checked_div(open.get()).unwrap_or_default() * Decimal::ONE_HUNDRED;
        Some(json!({
            "symbol": symbol, "priceChange": fixed(change, digits.price),
            "priceChangePercent": fixed(pct, 3), "weightedAvgPrice": digits.price(last),
            "lastPrice": digits.price(last), "lastQty": "0", "openPrice": digits.price(open),
            "highPrice": digits.price(high), "lowPrice": digits.price(low), "volume": "0",
            "quoteVolume": "0", "openTime": from.as_millis(), "closeTime": call.now.as_millis(),
            "firstId": 0, "lastId": 0, "count": 0,
        }))
    })
}

/// Marks of the tape with their times, within a span.
fn marks_between(
    tape: &Tape,
    from: Timestamp,
    to: Timestamp,
) -> impl Iterator<Item = (Timestamp, crate::domain::Price)> {
    let marks = tape.marks.iter().enumerate();
    let timed = marks.map(|(index, mark)| (tape.time_of(index), *mark));
    timed.filter(move |(at, _)| (from..=to).contains(at))
}

pub(super) fn klines(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let symbol = call.symbol()?;
    let width = interval_ms(call.params.required("interval")?)
        .ok_or_else(|| ApiError::new(400, -1120, "Invalid interval."))?;
    let limit = call
        .params
        .parsed::<usize>("limit")?
        .unwrap_or(KLINES)
        .min(KLINES_MAX);
    let to = call
        .params
        .parsed::<i64>("endTime")?
        .unwrap_or(i64::MAX)
        .min(call.now.as_millis());
    let from = call.params.parsed::<i64>("startTime")?.unwrap_or(0);
    let digits = call.digits(&symbol);
    let tape = call
        .state
        .exchange
        .tape(&symbol)
        .ok_or_else(ApiError::invalid_symbol)?;
    let span = (Timestamp::from_millis(from), Timestamp::from_millis(to));
    let mut rows: Vec<(i64, [crate::domain::Price; 4])> = Vec::new();
    for (at, mark) in marks_between(tape, span.0, span.1) {
        let open_at = at.as_millis() - at.as_millis().rem_euclid(width);
        match rows.last_mut() {
            Some((known, [_, high, low, close])) if *known == open_at => {
                (*high, *low, *close) = ((*high).max(mark), (*low).min(mark), mark);
            }
            Some(_) | None => rows.push((open_at, [mark; 4])),
        }
    }
    let skip = if call.params.has("startTime") {
        0
    } else {
        rows.len().saturating_sub(limit)
    };
    let rows = rows.into_iter().skip(skip).take(limit);
    Ok(rows
        .map(|(at, [open, high, low, close])| {
            json!([
                at,
                digits.price(open),
                digits.price(high),
                digits.price(low),
                digits.price(close),
                "0",
                at + width - 1,
                "0",
                0,
                "0",
                "0",
                "0"
            ])
        })
        .collect())
}

fn interval_ms(name: &str) -> Option<i64> {
    let minutes = match name {
        "1m" => 1,
        "3m" => 3,
        "5m" => 5,
        "15m" => 15,
        "30m" => 30,
        "1h" => 60,
        "2h" => 120,
        "4h" => 240,
        "6h" => 360,
        "8h" => 480,
        "12h" => 720,
        "1d" => 1_440,
        _ => return None,
    };
    Some(minutes * 60 * SECOND_MS)
}

/// Only symbols that differ from eight hours and default caps are listed: none here.
pub(super) fn funding_info(_: &mut Call<'_>) -> Result<Value, ApiError> {
    Ok(json!([]))
}

pub(super) fn funding_rate(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let named = call.symbol_if_any()?;
    let symbols = named.map_or_else(|| symbols(call), |symbol| vec![symbol]);
    let exchange = &call.state.exchange;
    let last = exchange.next_funding().plus_ms(-8 * HOUR_MS);
    if last < exchange.spec().start {
        return Ok(json!([]));
    }
    let rate = coins(exchange.spec().funding_rate.get());
    let rows = symbols.iter().filter_map(|symbol| {
        let mark = exchange.mark(symbol)?;
        Some(json!({
            "symbol": symbol, "fundingRate": rate, "fundingTime": last.as_millis(),
            "markPrice": coins(mark.get()), "rateType": "SETTLED",
        }))
    });
    Ok(rows.collect())
}
