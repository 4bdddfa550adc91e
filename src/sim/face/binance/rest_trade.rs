//! Trading endpoints. Source: venue pages "Trade Endpoints" (USDⓈ-M futures), 2026-11.

use serde_json::{Value, json};

use super::errors::ApiError;
use super::gate::Call;
use super::params::Params;
use super::rest_account::span;
use super::wire;
use crate::domain::{MarginMode, Money, PositionKey, PositionSide, Price, Quantity, Symbol};
use crate::sim::{
    AccountId, Order, OrderKind, OrderRequest, OrderSide, OrderStatus, Refusal, TimeInForce,
};

/// Orders in one batch.
const BATCH_MAX: usize = 5;

pub(super) fn set_position_mode(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let hedge = call.params.flag("dualSidePosition")?;
    let hedge = hedge.ok_or_else(|| ApiError::missing("dualSidePosition"))?;
    call.state.exchange.set_hedge(account, hedge)?;
    Ok(success())
}

pub(super) fn set_leverage(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let symbol = call.symbol()?;
    let leverage: u32 = call.params.needed("leverage")?;
    let most = call
        .state
        .exchange
        .set_leverage(account, &symbol, leverage)?;
    Ok(json!({"leverage": leverage, "maxNotionalValue": most.to_string(), "symbol": symbol}))
}

pub(super) fn set_margin_type(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let symbol = call.symbol()?;
    let mode = match call.params.required("marginType")? {
        "ISOLATED" => MarginMode::Isolated,
        "CROSSED" => MarginMode::Cross,
        _ => return Err(ApiError::illegal("marginType")),
    };
    call.state
        .exchange
        .set_margin_mode(account, &symbol, mode)?;
    Ok(success())
}

pub(super) fn move_margin(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let symbol = call.symbol()?;
    let amount: Money = call.params.needed("amount")?;
    let kind: u8 = call.params.needed("type")?;
    let slot = slot_of(call.params)?.unwrap_or(PositionSide::Both);
    if call.state.exchange.is_hedge(account) == (slot == PositionSide::Both) {
        return Err(Refusal::PositionSideMismatch.into());
    }
    if !amount.is_positive() {
        return Err(Refusal::AmountNotPositive.into());
    }
    let signed = match kind {
        1 => amount,
        2 => -amount,
        _ => return Err(ApiError::illegal("type")),
    };
    let key = PositionKey {
        symbol,
        position_side: slot,
    };
    call.state.exchange.move_margin(account, &key, signed)?;
    let number: Value = serde_json::from_str(&amount.to_string()).unwrap_or(Value::Null);
    let text = "Successfully modify position margin.";
    Ok(json!({"amount": number, "code": 200, "msg": text, "type": kind}))
}

pub(super) fn place(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let params = call.params;
    place_one(call, account, params)
}

/// Checks the parameters only.
pub(super) fn place_test(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let symbol = call.symbol()?;
    read_order(call.params, &symbol)?;
    Ok(json!({}))
}

pub(super) fn place_batch(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let text = call.params.required("batchOrders")?;
    let items: Vec<serde_json::Map<String, Value>> =
        serde_json::from_str(text).map_err(|_| ApiError::illegal("batchOrders"))?;
    if items.is_empty() || items.len() > BATCH_MAX {
        let text = "Max batchOrders size is 5.";
        return Err(ApiError::new(400, -4082, text));
    }
    let mut answers = Vec::new();
    for item in items {
        let pairs = item.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, text),
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_)) => (name, other.to_string()),
        });
        let params = Params(pairs.collect());
        answers.push(match place_one(call, account, &params) {
            Ok(answer) => answer,
            Err(error) => json!({"code": error.code, "msg": error.message}),
        });
    }
    Ok(Value::Array(answers))
}

fn place_one(call: &mut Call<'_>, account: AccountId, params: &Params) -> Result<Value, ApiError> {
    let symbol = Symbol::new(params.required("symbol")?);
    if call.state.exchange.market(&symbol).is_none() {
        return Err(ApiError::invalid_symbol());
    }
    let request = read_order(params, &symbol)?;
    let digits = call.digits(&symbol);
    let order = call.state.exchange.place(account, &request)?;
    let shown = match params.get("newOrderRespType") {
        Some("RESULT") => order,
        Some(_) | None => acknowledged(order),
    };
    Ok(wire::order(&shown, digits, false))
}

/// The default answer: accepted, before any matching.
fn acknowledged(order: Order) -> Order {
    Order {
        status: OrderStatus::New,
        executed: Quantity::ZERO,
        quote: Money::ZERO,
        updated_at: order.created_at,
        ..order
    }
}

fn read_order(params: &Params, symbol: &Symbol) -> Result<OrderRequest, ApiError> {
    let side = read_side(params)?;
    let kind = match params.required("type")? {
        "MARKET" => OrderKind::Market,
        "LIMIT" => OrderKind::Limit,
        "STOP" | "STOP_MARKET" | "TAKE_PROFIT" | "TAKE_PROFIT_MARKET" | "TRAILING_STOP_MARKET" => {
            let text = "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.";
            return Err(ApiError::new(400, -4120, text));
        }
        _ => return Err(ApiError::new(400, -1116, "Invalid orderType.")),
    };
    let (price, time_in_force) = match kind {
        OrderKind::Market => (None, TimeInForce::Gtc),
        OrderKind::Limit => {
            let force = match params.required("timeInForce")? {
                "GTC" => TimeInForce::Gtc,
                "IOC" => TimeInForce::Ioc,
                "FOK" => TimeInForce::Fok,
                "GTX" => TimeInForce::Gtx,
                _ => return Err(ApiError::new(400, -1115, "Invalid timeInForce.")),
            };
            (Some(params.needed::<Price>("price")?), force)
        }
    };
    Ok(OrderRequest {
        symbol: symbol.clone(),
        side,
        position_side: slot_of(params)?,
        kind,
        time_in_force,
        quantity: params.needed("quantity")?,
        price,
        reduce_only: params.flag("reduceOnly")?,
        client_id: params.get("newClientOrderId").map(str::to_owned),
    })
}

pub(super) fn read_side(params: &Params) -> Result<OrderSide, ApiError> {
    match params.required("side")? {
        "BUY" => Ok(OrderSide::Buy),
        "SELL" => Ok(OrderSide::Sell),
        _ => Err(ApiError::new(400, -1117, "Invalid side.")),
    }
}

pub(super) fn slot_of(params: &Params) -> Result<Option<PositionSide>, ApiError> {
    match params.get("positionSide") {
        None => Ok(None),
        Some("BOTH") => Ok(Some(PositionSide::Both)),
        Some("LONG") => Ok(Some(PositionSide::Long)),
        Some("SHORT") => Ok(Some(PositionSide::Short)),
        Some(_) => Err(ApiError::illegal("positionSide")),
    }
}

/// The order that the request names by one of its ids.
fn named(call: &Call<'_>) -> Result<Option<Order>, ApiError> {
    let account = call.account()?;
    let symbol = call.symbol()?;
    let id = call.params.parsed::<u64>("orderId")?;
    let client_id = call.params.get("origClientOrderId");
    if id.is_none() && client_id.is_none() {
        let text = "Either orderId or origClientOrderId must be sent.";
        return Err(ApiError::new(400, -1102, text));
    }
    Ok(call
        .state
        .exchange
        .find_order(account, &symbol, id, client_id))
}

pub(super) fn order(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let order = named(call)?.ok_or(Refusal::UnknownOrder)?;
    Ok(wire::order(&order, call.digits(&order.symbol), true))
}

pub(super) fn open_order(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let order = named(call)?.filter(|order| order.status.is_open());
    let order = order.ok_or(Refusal::UnknownOrder)?;
    Ok(wire::order(&order, call.digits(&order.symbol), true))
}

pub(super) fn cancel(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let order = named(call)?.filter(|order| order.status.is_open());
    let order = order.ok_or(Refusal::NothingToCancel)?;
    let gone = call.state.exchange.cancel(account, order.id)?;
    Ok(wire::order(&gone, call.digits(&gone.symbol), false))
}

pub(super) fn cancel_all(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let symbol = call.symbol()?;
    call.state.exchange.cancel_all(account, &symbol);
    Ok(json!({"code": 200, "msg": "The operation of cancel all open order is done."}))
}

pub(super) fn open_orders(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let named = call.symbol_if_any()?;
    let orders = call.state.exchange.open_orders(account);
    Ok(orders
        .iter()
        .filter(|order| named.as_ref().is_none_or(|named| *named == order.symbol))
        .map(|order| wire::order(order, call.digits(&order.symbol), true))
        .collect())
}

pub(super) fn all_orders(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let symbol = call.symbol()?;
    let mut orders = call.state.exchange.done_orders(account);
    orders.extend(call.state.exchange.open_orders(account));
    orders.retain(|order| order.symbol == symbol);
    orders.sort_by_key(|order| order.id);
    let orders = span(call, orders, |order| order.created_at)?;
    let digits = call.digits(&symbol);
    Ok(orders
        .iter()
        .map(|order| wire::order(order, digits, true))
        .collect())
}

/// Orders by which the venue closed positions itself.
pub(super) fn force_orders(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let named = call.symbol_if_any()?;
    let mut orders = call.state.exchange.done_orders(account);
    orders.retain(|order| {
        let forced = order.client_id.starts_with("autoclose-");
        forced && named.as_ref().is_none_or(|named| *named == order.symbol)
    });
    let orders = span(call, orders, |order| order.created_at)?;
    Ok(orders
        .iter()
        .map(|order| wire::order(order, call.digits(&order.symbol), true))
        .collect())
}

pub(super) fn user_trades(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let symbol = call.symbol()?;
    let order_id = call.params.parsed::<u64>("orderId")?;
    let mut trades = call.state.exchange.trades(account);
    trades.retain(|trade| trade.symbol == symbol && order_id.is_none_or(|id| id == trade.order_id));
    let trades = span(call, trades, |trade| trade.at)?;
    let digits = call.digits(&symbol);
    Ok(trades
        .iter()
        .map(|trade| wire::trade(trade, digits))
        .collect())
}

fn success() -> Value {
    json!({"code": 200, "msg": "success"})
}
