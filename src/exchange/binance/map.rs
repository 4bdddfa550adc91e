//! From the venue's structs about the account to the guard's nouns.
//!
//! Purpose: each number gets its kind and range here; what does not fit is refused as unreadable
//! with the name of the field. It must never do I/O or keep state.

use std::collections::BTreeMap;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::Deserialize;

use super::wire::{
    AccountConfig, AccountInfo, ApiRestrictions, FreeAsset, MarginAck, MarginChange, Num, Order,
    PositionRisk, RestingOrder, ServerTime, SymbolConfig, TransferAck, Transfers,
};
use crate::domain::{
    Balance, MarginMode, Money, NumberError, OpenOrder, Position, PositionKey, PositionMode,
    PositionSide, Price, Quantity, Rate, Side, Symbol, Timestamp,
};
use crate::exchange::{ExchangeError, KeyPermissions};
use crate::guard::intent::FillReport;

/// Settlement assets by the end of a symbol, for rows that do not name theirs.
const QUOTES: [&str; 6] = ["USDT", "USDC", "BUSD", "FDUSD", "USD1", "BTC"];
/// Most resting orders that are passed on.
const RESTING_MAX: usize = 500;
/// Longest piece of an unreadable text that is shown.
const EXCERPT_CHARS_MAX: usize = 40;

/// Why something could not be mapped; becomes [`ExchangeError::Unreadable`] with its endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable(pub String);

impl Unreadable {
    pub(super) fn at(self, endpoint: &str) -> ExchangeError {
        ExchangeError::Unreadable {
            endpoint: endpoint.to_owned(),
            message: self.0,
        }
    }
}

pub(super) type Mapped<T> = Result<T, Unreadable>;

/// Parses a document; the error names line, column and field, never the content.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Mapped<T> {
    serde_json::from_str(text).map_err(|error| unreadable(text, &error))
}

/// Why `text` could not be parsed. Of the parser's own words only names of fields and kinds are
/// passed on: the rest may quote the content.
pub(super) fn unreadable(text: &str, error: &serde_json::Error) -> Unreadable {
    let place = format!("line {}, column {}", error.line(), error.column());
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early".to_owned(),
        serde_json::error::Category::Syntax => "it is not JSON".to_owned(),
        serde_json::error::Category::Data => wrong_kind(text, error),
        serde_json::error::Category::Io => "it cannot be read".to_owned(),
    };
    Unreadable(format!("{what} ({place})"))
}

fn wrong_kind(text: &str, error: &serde_json::Error) -> String {
    let words = error.to_string();
    let missing = words.strip_prefix("missing field `");
    if let Some((field, _)) = missing.and_then(|rest| rest.split_once('`')) {
        return format!("field `{field}` is missing");
    }
    let wanted = words
        .rsplit_once(", expected ")
        .and_then(|(_, rest)| rest.split_once(" at line "))
        .map_or(String::new(), |(wanted, _)| {
            // Words of the language mean nothing to a reader.
            let wanted = match wanted {
                "i64" | "u32" | "u8" => "a whole number",
                "a sequence" => "an array",
                "a map" => "an object",
                own if own.starts_with("struct ") => "an object",
                plain => plain,
            };
            format!(": expected {wanted}")
        });
    match field_before(text, error) {
        Some(field) => format!("field `{field}` is of another kind{wanted}"),
        None => format!("a field is missing or of another kind{wanted}"),
    }
}

/// The last name of a field before the place of the error.
fn field_before<'a>(text: &'a str, error: &serde_json::Error) -> Option<&'a str> {
    let skipped = error.line().checked_sub(1)?;
    let start: usize = text.split_inclusive('\n').take(skipped).map(str::len).sum();
    let mut end = start.saturating_add(error.column()).min(text.len());
    while !text.is_char_boundary(end) {
        end = end.checked_sub(1)?;
    }
    let mut before = text.get(..end)?;
    while let Some((rest, after)) = before.rsplit_once('"') {
        if after.trim_start().starts_with(':') {
            let (_, name) = rest.rsplit_once('"')?;
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let short = (1..=EXCERPT_CHARS_MAX).contains(&name.len());
            return (plain && short).then_some(name);
        }
        before = rest;
    }
    None
}

/// Some endpoints answer an object for one symbol and an array for many.
pub(super) fn parse_many<'a, T: Deserialize<'a>>(text: &'a str) -> Mapped<Vec<T>> {
    if text.trim_start().starts_with('{') {
        parse(text).map(|one| vec![one])
    } else {
        parse(text)
    }
}

/// Maps rows one by one; the error names the row where there are several, from 1.
pub(super) fn each<'r, W, T>(rows: &'r [W], map: impl Fn(&'r W) -> Mapped<T>) -> Mapped<Vec<T>> {
    let place = |at: usize, error: Unreadable| match rows {
        [_] => error,
        _ => Unreadable(format!("row {}: {}", at.saturating_add(1), error.0)),
    };
    let mapped = |(at, row)| map(row).map_err(|error| place(at, error));
    rows.iter().enumerate().map(mapped).collect()
}

/// A number of kind `T`, or the name of the field and an excerpt.
pub(super) fn number<T: FromStr<Err = NumberError>>(field: &str, text: &str) -> Mapped<T> {
    text.parse().map_err(|error: NumberError| {
        let excerpt: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
        Unreadable(match error {
            NumberError::NotANumber { .. } => format!("{field} `{excerpt}` is not a number"),
            NumberError::OutOfRange { kind, bound, .. } => {
                format!("{field} `{excerpt}` is not a {kind} ({bound})")
            }
        })
    })
}

pub(super) fn optional<T: FromStr<Err = NumberError>>(
    field: &str,
    text: Option<Num<'_>>,
) -> Mapped<Option<T>> {
    text.filter(|num| !num.0.is_empty())
        .map(|num| number(field, num.0))
        .transpose()
}

/// A price where the venue writes zero, or nothing, for "none".
pub(super) fn price_or_none(field: &str, text: Option<Num<'_>>) -> Mapped<Option<Price>> {
    match text {
        None => Ok(None),
        Some(num) if num.0.is_empty() || num.is_zero() => Ok(None),
        Some(num) => number(field, num.0).map(Some),
    }
}

pub(super) fn position_side(text: &str) -> Mapped<PositionSide> {
    match text {
        "BOTH" => Ok(PositionSide::Both),
        "LONG" => Ok(PositionSide::Long),
        "SHORT" => Ok(PositionSide::Short),
        _ => Err(Unreadable("position side is of another kind".to_owned())),
    }
}

/// Side and absolute size of a signed amount; `None` for zero. In hedge mode the slot rules.
pub(super) fn direction(slot: PositionSide, amount: Quantity) -> Mapped<(Option<Side>, Quantity)> {
    let side = if amount.is_zero() {
        None
    } else if amount.is_negative() {
        Some(Side::Short)
    } else {
        Some(Side::Long)
    };
    match (slot, side) {
        (PositionSide::Long, Some(Side::Short)) | (PositionSide::Short, Some(Side::Long)) => {
            let text = "the sign of a position contradicts its side";
            Err(Unreadable(text.to_owned()))
        }
        (PositionSide::Both | PositionSide::Long | PositionSide::Short, side) => {
            Ok((side, amount.abs()))
        }
    }
}

pub(super) fn server_time(text: &str) -> Mapped<Timestamp> {
    let wire: ServerTime = parse(text)?;
    Ok(Timestamp::from_millis(wire.server_time))
}

/// Is this the venue's word that margin was moved (code 200)?
pub(super) fn margin_moved(text: &str) -> Mapped<bool> {
    let wire: MarginAck = parse(text)?;
    Ok(wire.code == 200)
}

pub(super) fn permissions(text: &str) -> Mapped<KeyPermissions> {
    let wire: ApiRestrictions = parse(text)?;
    Ok(KeyPermissions {
        reading: wire.enable_reading,
        futures: wire.enable_futures,
        withdrawals: wire.enable_withdrawals,
        universal_transfer: wire.permits_universal_transfer,
        wallet_transfer: wire.permits_universal_transfer || wire.enable_internal_transfer,
        ip_restricted: wire.ip_restrict,
        portfolio_margin: wire.enable_portfolio_margin_trading,
    })
}

/// Settings of the whole account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountSettings {
    pub position_mode: PositionMode,
    pub multi_assets: bool,
    pub can_trade: bool,
}

pub(super) fn account_settings(text: &str) -> Mapped<AccountSettings> {
    let wire: AccountConfig = parse(text)?;
    Ok(AccountSettings {
        position_mode: if wire.dual_side_position {
            PositionMode::Hedge
        } else {
            PositionMode::OneWay
        },
        multi_assets: wire.multi_assets_margin,
        can_trade: wire.can_trade,
    })
}

/// Settings of one symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SymbolSettings {
    pub margin_mode: MarginMode,
    pub leverage: u32,
    pub auto_add_margin: bool,
}

pub(super) fn symbol_settings(text: &str) -> Mapped<BTreeMap<Symbol, SymbolSettings>> {
    let rows: Vec<SymbolConfig<'_>> = parse_many(text)?;
    let all = each(&rows, |row| {
        let settings = SymbolSettings {
            margin_mode: margin_mode(&row.margin_type)?,
            leverage: row.leverage,
            auto_add_margin: row.is_auto_add_margin,
        };
        Ok((Symbol::new(&row.symbol), settings))
    })?;
    Ok(all.into_iter().collect())
}

pub(super) fn margin_mode(text: &str) -> Mapped<MarginMode> {
    if text.eq_ignore_ascii_case("isolated") {
        Ok(MarginMode::Isolated)
    } else if text.eq_ignore_ascii_case("cross") || text.eq_ignore_ascii_case("crossed") {
        Ok(MarginMode::Cross)
    } else {
        Err(Unreadable("margin type is of another kind".to_owned()))
    }
}

/// A position as `positionRisk` shows it, with what the row itself says about its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskRow {
    /// Margin mode, leverage and auto-add are the row's own words where it has them; else isolated
    /// when it holds an isolated wallet.
    pub position: Position,
    /// True when the row names its margin mode, as version 2 does.
    pub settled: bool,
}

/// Open positions only: rows with a quantity of zero say nothing.
pub(super) fn positions(text: &str) -> Mapped<Vec<RiskRow>> {
    let rows: Vec<PositionRisk<'_>> = parse_many(text)?;
    let open = each(&rows, |row| {
        let slot = position_side(&row.position_side)?;
        let amount: Quantity = number("positionAmt", row.position_amt.0)?;
        match direction(slot, amount)? {
            (Some(side), quantity) => position(row, slot, side, quantity).map(Some),
            (None, _) => Ok(None),
        }
    })?;
    Ok(open.into_iter().flatten().collect())
}

fn position(
    row: &PositionRisk<'_>,
    position_side: PositionSide,
    side: Side,
    quantity: Quantity,
) -> Mapped<RiskRow> {
    let isolated_wallet = isolated_wallet(row)?.unwrap_or(Money::ZERO);
    let margin_mode = match &row.margin_type {
        Some(word) => margin_mode(word)?,
        None if isolated_wallet.is_zero() => MarginMode::Cross,
        None => MarginMode::Isolated,
    };
    let margin_asset = match &row.margin_asset {
        Some(asset) => asset.to_string(),
        None => quote_of(&row.symbol)?.to_owned(),
    };
    let position = Position {
        key: PositionKey {
            symbol: Symbol::new(&row.symbol),
            position_side,
        },
        side,
        quantity,
        entry_price: number("entryPrice", row.entry_price.0)?,
        margin_mode,
        margin_asset,
        leverage: row.leverage.and_then(|num| num.0.parse().ok()),
        isolated_wallet,
        mark_price: number("markPrice", row.mark_price.0)?,
        venue_liquidation: price_or_none("liquidationPrice", row.liquidation_price)?,
        venue_maintenance: optional("maintMargin", row.maint_margin)?,
        auto_add_margin: row.is_auto_add_margin.is_some_and(|num| num.0 == "true"),
        updated_at: Timestamp::from_millis(row.update_time.unwrap_or(0)),
    };
    Ok(RiskRow {
        position,
        settled: row.margin_type.is_some(),
    })
}

/// The wallet of an isolated position. Some schemas leave it out; the isolated margin is the wallet
/// with the unrealised profit. Source: positionRisk answers of versions 2 and 3, read 2026-11.
fn isolated_wallet(row: &PositionRisk<'_>) -> Mapped<Option<Money>> {
    if let Some(wallet) = optional("isolatedWallet", row.isolated_wallet)? {
        return Ok(Some(wallet));
    }
    let margin: Option<Money> = optional("isolatedMargin", row.isolated_margin)?;
    match (margin, row.un_realized_profit) {
        // A cross position has a profit, and an isolated margin of zero.
        (Some(margin), Some(profit)) if !margin.is_zero() => {
            let profit: Money = number("unRealizedProfit", profit.0)?;
            Ok(Some(margin - profit))
        }
        (Some(_) | None, Some(_) | None) => Ok(None),
    }
}

fn quote_of(symbol: &str) -> Mapped<&'static str> {
    // Dated contracts carry their date after an underscore.
    let pair = symbol.split('_').next().unwrap_or(symbol);
    QUOTES
        .into_iter()
        .find(|quote| pair.ends_with(quote))
        .ok_or_else(|| Unreadable("a position names no margin asset".to_owned()))
}

pub(super) fn balances(text: &str) -> Mapped<BTreeMap<String, Balance>> {
    let wire: AccountInfo<'_> = parse(text)?;
    let all = each(&wire.assets, |row| {
        let balance = Balance {
            cross_wallet: number("crossWalletBalance", row.cross_wallet_balance.0)?,
            available: number("availableBalance", row.available_balance.0)?,
        };
        Ok((row.asset.to_string(), balance))
    })?;
    Ok(all.into_iter().collect())
}

/// Where an order of ours stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Working,
    /// Final; the fill may be anything from nothing to all.
    Final,
}

/// An order as an answer shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderState {
    pub client_id: Option<String>,
    pub stage: Stage,
    pub fill: FillReport,
}

pub(super) fn order(text: &str) -> Mapped<OrderState> {
    order_state(&parse(text)?)
}

pub(super) fn orders(text: &str) -> Mapped<Vec<OrderState>> {
    let rows: Vec<Order<'_>> = parse_many(text)?;
    each(&rows, order_state)
}

fn order_state(wire: &Order<'_>) -> Mapped<OrderState> {
    let quantity: Quantity = number("executedQty", wire.executed_qty.0)?;
    let average_price = match price_or_none("avgPrice", wire.avg_price)? {
        Some(price) => Some(price),
        None => optional::<Money>("cumQuote", wire.cum_quote)?
            .filter(|quote| quote.is_positive())
            .and_then(|quote| quote.per(quantity)),
    };
    Ok(OrderState {
        client_id: wire.client_order_id.as_ref().map(|id| id.to_string()),
        stage: stage(&wire.status),
        fill: FillReport {
            quantity,
            average_price,
            fee: None,
        },
    })
}

/// Resting limit orders that would open or enlarge a position. What may close or protect one is left
/// out, and so is what does not say that it is no such thing. Source: developers.binance.com,
/// current all open orders, read 2026-11.
pub(super) fn resting_orders(
    text: &str,
    leverage: impl Fn(&Symbol) -> Option<u32>,
) -> Mapped<Vec<OpenOrder>> {
    let rows: Vec<RestingOrder<'_>> = parse_many(text)?;
    let found = each(&rows, |row| {
        let quantity: Quantity = number("origQty", row.orig_qty.0)?;
        let filled: Quantity = number("executedQty", row.executed_qty.0)?;
        let quantity = quantity - filled;
        let price = price_or_none("price", Some(row.price))?;
        let opens = row.reduce_only == Some(false) && row.close_position == Some(false);
        let position_side = position_side(&row.position_side)?;
        let side = super::decode::order_side(&row.side)?;
        let closes = matches!(
            (position_side, side),
            (PositionSide::Long, Side::Short) | (PositionSide::Short, Side::Long)
        );
        let (Some(price), true) = (price, &*row.kind == "LIMIT" && opens && !closes) else {
            return Ok(None);
        };
        let symbol = Symbol::new(&row.symbol);
        let Ok(asset) = quote_of(&row.symbol) else {
            return Ok(None);
        };
        let leverage = leverage(&symbol).filter(|leverage| *leverage > 0);
        let margin = leverage.and_then(|leverage| {
            let share = Decimal::ONE.checked_div(Decimal::from(leverage))?;
            Some((price * quantity) * Rate::of(share))
        });
        Ok(quantity.is_positive().then(|| OpenOrder {
            id: row.order_id.to_string(),
            client_id: row.client_order_id.to_string(),
            symbol,
            position_side,
            side,
            quantity,
            price,
            margin_asset: asset.to_owned(),
            margin,
        }))
    })?;
    Ok(found.into_iter().flatten().take(RESTING_MAX).collect())
}

/// The numbers of all orders that rest, of whatever kind.
pub(super) fn resting_ids(text: &str) -> Mapped<Vec<String>> {
    let rows: Vec<RestingOrder<'_>> = parse_many(text)?;
    Ok(rows.iter().map(|row| row.order_id.to_string()).collect())
}

/// Where a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransferStage {
    Confirmed,
    Failed,
    Pending,
}

/// One transfer of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TransferRow {
    pub id: u64,
    pub asset: String,
    pub amount: Money,
    pub stage: TransferStage,
    pub at: Timestamp,
}

pub(super) fn transfer_id(text: &str) -> Mapped<u64> {
    let wire: TransferAck = parse(text)?;
    Ok(wire.tran_id)
}

/// The history of transfers; a word that is not known counts as pending.
pub(super) fn transfers(text: &str) -> Mapped<Vec<TransferRow>> {
    let wire: Transfers<'_> = parse(text)?;
    each(&wire.rows, |row| {
        Ok(TransferRow {
            id: row.tran_id,
            asset: row.asset.to_string(),
            amount: number("amount", row.amount.0)?,
            stage: match &*row.status {
                "CONFIRMED" => TransferStage::Confirmed,
                "FAILED" => TransferStage::Failed,
                _ => TransferStage::Pending,
            },
            at: Timestamp::from_millis(row.timestamp),
        })
    })
}

/// What is free of each asset.
pub(super) fn free_assets(text: &str) -> Mapped<BTreeMap<String, Money>> {
    let rows: Vec<FreeAsset<'_>> = parse_many(text)?;
    let all = each(&rows, |row| {
        Ok((row.asset.to_string(), number("free", row.free.0)?))
    })?;
    Ok(all.into_iter().collect())
}

/// A word that is not known counts as working: nothing is concluded from it.
pub(super) fn stage(status: &str) -> Stage {
    match status {
        "FILLED" | "CANCELED" | "EXPIRED" | "EXPIRED_IN_MATCH" | "REJECTED" => Stage::Final,
        _ => Stage::Working,
    }
}

/// One change of an isolated margin by the account's owner or a program of his.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarginRow {
    pub symbol: Symbol,
    /// 1: into the position, 2: out of it.
    pub direction: u8,
    /// `None` where the venue does not say.
    pub position_side: Option<PositionSide>,
    pub amount: Money,
    pub at: Timestamp,
}

/// Margin that was added by request; removals and the venue's own changes are left out.
pub(super) fn margin_added(text: &str) -> Mapped<Vec<MarginRow>> {
    margin_moves(text, 1)
}

/// Margin that was moved by request in `direction` (1: in, 2: out); the venue's own changes are left
/// out.
pub(super) fn margin_moves(text: &str, direction: u8) -> Mapped<Vec<MarginRow>> {
    let rows: Vec<MarginChange<'_>> = parse_many(text)?;
    rows.iter()
        .filter(|row| row.direction.0.parse() == Ok(direction))
        .filter(|row| {
            row.delta_type
                .as_deref()
                .is_none_or(|kind| kind == "USER_ADJUST")
        })
        .map(|row| {
            let side = row.position_side.as_deref().map(position_side);
            Ok(MarginRow {
                symbol: Symbol::new(&row.symbol),
                direction,
                position_side: side.transpose()?,
                amount: number::<Money>("amount", row.amount.0)?.abs(),
                at: Timestamp::from_millis(row.time),
            })
        })
        .collect()
}
