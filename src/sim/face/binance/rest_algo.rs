//! Conditional order endpoints. Source: venue pages "Algo Order" (USDⓈ-M futures), 2026-11.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::errors::ApiError;
use super::gate::Call;
use super::rest_account::span;
use super::rest_trade::{read_side, slot_of};
use super::wire::{Digits, coins, fixed, slot_name};
use crate::domain::Symbol;
use crate::sim::{AlgoKind, AlgoOrder, AlgoRequest, Refusal, WorkingPrice};

pub(super) fn place(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let symbol = call.symbol()?;
    let request = read(call, &symbol)?;
    let order = call.state.exchange.place_algo(account, &request)?;
    Ok(body(&order, call.digits(&symbol)))
}

fn read(call: &Call<'_>, symbol: &Symbol) -> Result<AlgoRequest, ApiError> {
    let params = call.params;
    if params.required("algoType")? != "CONDITIONAL" {
        return Err(ApiError::illegal("algoType"));
    }
    let kind = match params.required("type")? {
        "STOP_MARKET" => AlgoKind::StopMarket,
        "TAKE_PROFIT_MARKET" => AlgoKind::TakeProfitMarket,
        _ => return Err(ApiError::new(400, -1116, "Invalid orderType.")),
    };
    let working = match params.get("workingType") {
        Some("MARK_PRICE") => WorkingPrice::Mark,
        None | Some("CONTRACT_PRICE") => WorkingPrice::Contract,
        Some(_) => return Err(ApiError::illegal("workingType")),
    };
    let closes = params.flag("closePosition")? == Some(true);
    if closes && params.has("quantity") {
        return Err(Refusal::ClosePositionConflict.into());
    }
    Ok(AlgoRequest {
        symbol: symbol.clone(),
        side: read_side(params)?,
        position_side: slot_of(params)?,
        kind,
        trigger: params.needed("triggerPrice")?,
        working,
        quantity: if closes {
            None
        } else {
            Some(params.needed("quantity")?)
        },
        reduce_only: params.flag("reduceOnly")?,
        client_id: params.get("clientAlgoId").map(str::to_owned),
    })
}

fn named(call: &Call<'_>) -> Result<Option<AlgoOrder>, ApiError> {
    let account = call.account()?;
    let id = call.params.parsed::<u64>("algoId")?;
    let client_id = call.params.get("clientAlgoId");
    if id.is_none() && client_id.is_none() {
        return Err(ApiError::missing("algoId"));
    }
    Ok(call.state.exchange.find_algo(account, id, client_id))
}

pub(super) fn order(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let order = named(call)?.ok_or(Refusal::UnknownOrder)?;
    let mut body = body(&order, call.digits(&order.request.symbol));
    if let Some(fields) = body.as_object_mut() {
        let average = order.average.map_or(Decimal::ZERO, |price| price.get());
        let id = order.order_id.map(|id| id.to_string()).unwrap_or_default();
        fields.insert("actualOrderId".to_owned(), json!(id));
        fields.insert("actualPrice".to_owned(), json!(coins(average)));
        fields.insert("actualQty".to_owned(), json!(order.executed.to_string()));
        fields.insert("actualType".to_owned(), json!("MARKET"));
    }
    Ok(body)
}

pub(super) fn open_orders(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let named = call.symbol_if_any()?;
    let orders = call.state.exchange.open_algos(account);
    Ok(orders
        .iter()
        .filter(|order| {
            named
                .as_ref()
                .is_none_or(|named| *named == order.request.symbol)
        })
        .map(|order| body(order, call.digits(&order.request.symbol)))
        .collect())
}

pub(super) fn all_orders(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let symbol = call.symbol()?;
    let mut orders = call.state.exchange.done_algos(account);
    orders.extend(call.state.exchange.open_algos(account));
    orders.retain(|order| order.request.symbol == symbol);
    orders.sort_by_key(|order| order.id);
    let orders = span(call, orders, |order| order.created_at)?;
    let digits = call.digits(&symbol);
    Ok(orders.iter().map(|order| body(order, digits)).collect())
}

pub(super) fn cancel(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let order = named(call)?.ok_or(Refusal::NothingToCancel)?;
    let gone = call.state.exchange.cancel_algo(account, order.id)?;
    Ok(json!({
        "algoId": gone.id, "clientAlgoId": gone.client_id, "code": "200", "msg": "success",
    }))
}

pub(super) fn cancel_all(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let symbol = call.symbol()?;
    for order in call.state.exchange.open_algos(account) {
        if order.request.symbol == symbol {
            call.state.exchange.cancel_algo(account, order.id)?;
        }
    }
    Ok(json!({"code": 200, "msg": "The operation of cancel all open order is done."}))
}

pub(super) fn kind_name(kind: AlgoKind) -> &'static str {
    match kind {
        AlgoKind::StopMarket => "STOP_MARKET",
        AlgoKind::TakeProfitMarket => "TAKE_PROFIT_MARKET",
    }
}

pub(super) fn working_name(working: WorkingPrice) -> &'static str {
    match working {
        WorkingPrice::Mark => "MARK_PRICE",
        WorkingPrice::Contract => "CONTRACT_PRICE",
    }
}

fn body(order: &AlgoOrder, digits: Digits) -> Value {
    let request = &order.request;
    json!({
        "algoId": order.id, "clientAlgoId": order.client_id, "algoType": "CONDITIONAL",
        "orderType": kind_name(request.kind), "symbol": request.symbol,
        "side": request.side.to_string(), "positionSide": slot_name(order.position_side),
        "timeInForce": "GTC", "quantity": digits.quantity(request.quantity.unwrap_or_default()),
        "algoStatus": order.status.to_string(), "triggerPrice": digits.price(request.trigger),
        "price": fixed(Decimal::ZERO, digits.price), "icebergQuantity": null,
        "selfTradePreventionMode": "EXPIRE_MAKER", "workingType": working_name(request.working),
        "priceMatch": "NONE", "closePosition": order.closes(), "priceProtect": false,
        "reduceOnly": order.reduces(), "activatePrice": "", "callbackRate": "",
        "createTime": order.created_at.as_millis(), "updateTime": order.updated_at.as_millis(),
        "triggerTime": order.triggered_at.map_or(0, |at| at.as_millis()), "goodTillDate": 0,
    })
}
