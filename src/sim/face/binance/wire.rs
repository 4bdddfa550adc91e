//! JSON pieces that several endpoints share. Numbers are text with fixed decimals, as the venue
//! writes them.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::domain::{BookLevel, MarginMode, PositionSide, Price, Quantity};
use crate::sim::{AccountReason, IncomeKind, Market, Order, OrderKind, PositionView, Trade};

/// Decimals of prices and quantities of a market.
#[derive(Clone, Copy)]
pub(super) struct Digits {
    pub(super) price: u32,
    pub(super) quantity: u32,
}

impl Digits {
    /// From tick and step; two and three without a market.
    pub(super) fn of(market: Option<&Market>) -> Self {
        market.map_or(
            Self {
                price: 2,
                quantity: 3,
            },
            |market| Self {
                price: market.instrument.tick.normalize().scale(),
                quantity: market.instrument.limit_lot.step.normalize().scale(),
            },
        )
    }

    pub(super) fn price(self, price: Price) -> String {
        fixed(price.get(), self.price)
    }

    pub(super) fn quantity(self, quantity: Quantity) -> String {
        fixed(quantity.get(), self.quantity)
    }

    pub(super) fn level(self, level: &BookLevel) -> [String; 2] {
        [self.price(level.price), self.quantity(level.quantity)]
    }
}

/// A decimal with exactly this many places.
pub(super) fn fixed(value: Decimal, places: u32) -> String {
    let mut rounded = value.round_dp(places);
    rounded.rescale(places);
    rounded.to_string()
}

/// Eight places, as for balances.
pub(super) fn coins(value: Decimal) -> String {
    fixed(value, 8)
}

pub(super) fn slot_name(slot: PositionSide) -> &'static str {
    match slot {
        PositionSide::Both => "BOTH",
        PositionSide::Long => "LONG",
        PositionSide::Short => "SHORT",
    }
}

pub(super) fn mode_name(mode: MarginMode) -> &'static str {
    match mode {
        MarginMode::Cross => "CROSSED",
        MarginMode::Isolated => "ISOLATED",
    }
}

/// Event reason of an account update.
pub(super) fn income_reason(reason: AccountReason) -> &'static str {
    match reason {
        AccountReason::Order => "ORDER",
        AccountReason::Funding => "FUNDING_FEE",
        AccountReason::MarginTransfer => "MARGIN_TRANSFER",
        AccountReason::MarginTypeChange => "MARGIN_TYPE_CHANGE",
        AccountReason::AssetTransfer => "ASSET_TRANSFER",
        AccountReason::InsuranceClear => "INSURANCE_CLEAR",
    }
}

pub(super) fn income_name(kind: IncomeKind) -> &'static str {
    match kind {
        IncomeKind::RealizedPnl => "REALIZED_PNL",
        IncomeKind::Commission => "COMMISSION",
        IncomeKind::FundingFee => "FUNDING_FEE",
        IncomeKind::InsuranceClear => "INSURANCE_CLEAR",
        IncomeKind::Transfer => "TRANSFER",
    }
}

/// An order as order endpoints answer it. `full` adds what only reads carry since 2026-07-15.
pub(super) fn order(order: &Order, digits: Digits, full: bool) -> Value {
    let kind = match order.kind {
        OrderKind::Market => "MARKET",
        OrderKind::Limit => "LIMIT",
    };
    let mut body = json!({
        "clientOrderId": order.client_id, "cumQty": digits.quantity(order.executed),
        "executedQty": digits.quantity(order.executed), "orderId": order.id,
        "origQty": digits.quantity(order.quantity),
        "price": order.price.map_or_else(|| fixed(Decimal::ZERO, digits.price), |p| digits.price(p)),
        "reduceOnly": order.reduce_only, "side": order.side.to_string(),
        "positionSide": slot_name(order.position_side), "status": order.status.to_string(),
        "stopPrice": fixed(Decimal::ZERO, digits.price), "closePosition": order.close_position,
        "symbol": order.symbol, "timeInForce": order.time_in_force.to_string(), "type": kind,
        "origType": kind, "updateTime": order.updated_at.as_millis(),
        "workingType": "CONTRACT_PRICE", "priceProtect": false, "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER", "goodTillDate": 0,
    });
    if let (true, Some(fields)) = (full, body.as_object_mut()) {
        let average = order.average().map_or(Decimal::ZERO, |p| p.get());
        fields.insert("avgPrice".to_owned(), json!(coins(average)));
        fields.insert("cumQuote".to_owned(), json!(coins(order.quote.get())));
        fields.insert("time".to_owned(), json!(order.created_at.as_millis()));
        fields.remove("cumQty");
    }
    body
}

pub(super) fn trade(trade: &Trade, digits: Digits) -> Value {
    let quote = trade.price * trade.quantity;
    json!({
        "buyer": trade.side == crate::sim::OrderSide::Buy, "commission": coins(trade.fee.get()),
        "commissionAsset": "USDT", "id": trade.id, "maker": trade.maker,
        "orderId": trade.order_id, "price": digits.price(trade.price),
        "qty": digits.quantity(trade.quantity), "quoteQty": coins(quote.get()),
        "realizedPnl": coins(trade.realized.get()), "side": trade.side.to_string(),
        "positionSide": slot_name(trade.position_side), "symbol": trade.symbol,
        "time": trade.at.as_millis(),
    })
}

/// A row of positionRisk, version 3.
pub(super) fn position_v3(view: &PositionView, digits: Digits) -> Value {
    let mut row = position_common(view, digits);
    if let Some(fields) = row.as_object_mut() {
        let initial = coins(view.initial_margin.get());
        fields.insert("marginAsset".to_owned(), json!("USDT"));
        fields.insert("initialMargin".to_owned(), json!(initial));
        fields.insert(
            "maintMargin".to_owned(),
            json!(coins(view.maintenance_margin.get())),
        );
        fields.insert("positionInitialMargin".to_owned(), json!(initial));
        fields.insert("openOrderInitialMargin".to_owned(), json!("0"));
        fields.insert("adl".to_owned(), json!(1));
        fields.insert("bidNotional".to_owned(), json!("0"));
        fields.insert("askNotional".to_owned(), json!("0"));
    }
    row
}

/// A row of positionRisk, version 2.
pub(super) fn position_v2(view: &PositionView, digits: Digits, max_notional: Decimal) -> Value {
    let mut row = position_common(view, digits);
    if let Some(fields) = row.as_object_mut() {
        fields.insert("leverage".to_owned(), json!(view.leverage.to_string()));
        fields.insert("marginType".to_owned(), json!(view.margin_mode.to_string()));
        fields.insert(
            "isAutoAddMargin".to_owned(),
            json!(view.auto_add.to_string()),
        );
        fields.insert(
            "maxNotionalValue".to_owned(),
            json!(max_notional.normalize().to_string()),
        );
    }
    row
}

/// Isolated margin as the venue writes it: wallet plus unrealised profit, zero for cross.
pub(super) fn isolated_margin(view: &PositionView) -> Decimal {
    match view.margin_mode {
        MarginMode::Isolated => (view.isolated_wallet + view.unrealized).get(),
        MarginMode::Cross => Decimal::ZERO,
    }
}

/// Notional with the sign of the position.
pub(super) fn signed_notional(view: &PositionView) -> Decimal {
    let value = view.notional.get();
    if view.signed().is_negative() {
        -value
    } else {
        value
    }
}

fn position_common(view: &PositionView, digits: Digits) -> Value {
    let entry = view.entry_price.get().normalize();
    let entry = if entry.scale() == 0 {
        fixed(entry, 1)
    } else {
        entry.to_string()
    };
    let liquidation = view.liquidation_price.map(|p| coins(p.get()));
    json!({
        "symbol": view.symbol, "positionSide": slot_name(view.position_side),
        "positionAmt": digits.quantity(view.signed()), "entryPrice": entry,
        "breakEvenPrice": entry, "markPrice": coins(view.mark_price.get()),
        "unRealizedProfit": coins(view.unrealized.get()),
        "liquidationPrice": liquidation.unwrap_or_else(|| "0".to_owned()),
        "isolatedMargin": coins(isolated_margin(view)), "notional": coins(signed_notional(view)),
        "isolatedWallet": coins(view.isolated_wallet.get()),
        "updateTime": view.updated_at.as_millis(),
    })
}
