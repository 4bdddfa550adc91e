//! Orders, plain and conditional, from answers and frames.
//!
//! Purpose: one row per order with the venue's words beside how they are taken. It must never judge
//! an order that the agent does not read.

use super::super::CLIENT_ID_PREFIX;
use super::super::decode::{Decoder, Names, order_side};
use super::super::map::{self, Mapped, OrderState, Stage};
use super::fields::Fields;
use crate::domain::{Side, Symbol};
use crate::exchange::capture::CapturedOrder;
use crate::guard::event::{OrderOrigin, OrderUpdate};

/// A row of an answer, with what the agent made of it.
pub(super) fn plain(row: &Fields<'_>, state: OrderState) -> Mapped<CapturedOrder> {
    let status = row.required("status")?;
    Ok(CapturedOrder {
        symbol: symbol(row, "symbol"),
        origin: state.client_id.as_deref().map(origin),
        client_id: state.client_id,
        order_id: row.text("orderId"),
        side: side(row, "side")?,
        position_side: row
            .raw("positionSide")
            .map(|_| row.position_side("positionSide"))
            .transpose()?,
        order_type: row.text("type"),
        stage: stage(&status, state.stage),
        status,
        quantity: row.number("origQty")?,
        filled: Some(state.fill.quantity),
        price: row.price("price")?,
        average_price: state.fill.average_price,
        trigger_price: row.price("stopPrice")?,
        reduce_only: row.flag("reduceOnly"),
        close_position: row.flag("closePosition"),
        fee: state.fill.fee,
        updated_at_ms: row.millis("updateTime"),
    })
}

/// A row of an answer about conditional orders. Some lists write `type` for `orderType`.
pub(super) fn conditional(row: &Fields<'_>) -> Mapped<CapturedOrder> {
    let client_id = row.text("clientAlgoId");
    let status = row.required("algoStatus")?;
    Ok(CapturedOrder {
        symbol: symbol(row, "symbol"),
        origin: client_id.as_deref().map(origin),
        client_id,
        order_id: Some(row.required("algoId")?),
        side: side(row, "side")?,
        position_side: row
            .raw("positionSide")
            .map(|_| row.position_side("positionSide"))
            .transpose()?,
        order_type: row.text("orderType").or_else(|| row.text("type")),
        stage: conditional_stage(&status),
        status,
        quantity: row.number("quantity")?,
        filled: row.number("actualQty")?,
        price: row.price("price")?,
        average_price: row.price("actualPrice")?,
        trigger_price: row.price("triggerPrice")?,
        reduce_only: row.flag("reduceOnly"),
        close_position: row.flag("closePosition"),
        fee: None,
        updated_at_ms: row.millis("updateTime"),
    })
}

/// `ORDER_TRADE_UPDATE`, with what the agent made of it.
pub(super) fn report(row: &Fields<'_>, update: &OrderUpdate) -> Mapped<CapturedOrder> {
    let status = row.required("X")?;
    Ok(CapturedOrder {
        symbol: Some(update.symbol.clone()),
        client_id: Some(update.client_id.clone()),
        order_id: row.text("i"),
        side: Some(side_word(update.order_side)),
        position_side: Some(update.position_side),
        order_type: row.text("o"),
        stage: stage(&status, map::stage(&status)),
        status,
        origin: Some(update.origin),
        quantity: row.number("q")?,
        filled: Some(update.filled),
        price: row.price("p")?,
        average_price: update.average_price,
        trigger_price: row.price("sp")?,
        reduce_only: row.flag("R"),
        close_position: row.flag("cp"),
        fee: update.fee,
        updated_at_ms: Some(update.at.as_millis()),
    })
}

/// `ALGO_UPDATE`.
pub(super) fn conditional_report(row: &Fields<'_>, at_ms: Option<i64>) -> Mapped<CapturedOrder> {
    let client_id = row.text("caid");
    let status = row.required("X")?;
    Ok(CapturedOrder {
        symbol: Some(Symbol::new(&row.required("s")?)),
        origin: client_id.as_deref().map(origin),
        client_id,
        order_id: row.text("aid"),
        side: side(row, "S")?,
        position_side: Some(row.position_side("ps")?),
        order_type: row.text("o"),
        stage: conditional_stage(&status),
        status,
        quantity: row.number("q")?,
        filled: row.number("aq")?,
        price: row.price("p")?,
        average_price: row.price("ap")?,
        trigger_price: row.price("tp")?,
        reduce_only: row.flag("R"),
        close_position: row.flag("cp"),
        fee: None,
        updated_at_ms: at_ms,
    })
}

fn symbol(row: &Fields<'_>, name: &str) -> Option<Symbol> {
    row.text(name).map(|name| Symbol::new(&name))
}

fn side(row: &Fields<'_>, name: &str) -> Mapped<Option<&'static str>> {
    match row.text(name) {
        Some(word) => Ok(Some(side_word(order_side(&word)?))),
        None => Ok(None),
    }
}

const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Long => "buy",
        Side::Short => "sell",
    }
}

fn stage(status: &str, stage: Stage) -> &'static str {
    match stage {
        Stage::Working => "working",
        Stage::Final if status == "FILLED" => "filled",
        Stage::Final => "ended",
    }
}

/// A conditional order ends with its trigger: what follows is a plain order.
/// Source: developers.binance.com, USDⓈ-M algo orders, read 2026-11.
fn conditional_stage(status: &str) -> &'static str {
    match status {
        "FINISHED" | "CANCELED" | "EXPIRED" | "REJECTED" => "ended",
        _ => "working",
    }
}

fn origin(client_id: &str) -> OrderOrigin {
    let names = Names::default();
    let decoder = Decoder {
        names: &names,
        own_prefix: CLIENT_ID_PREFIX,
    };
    decoder.origin(client_id)
}
