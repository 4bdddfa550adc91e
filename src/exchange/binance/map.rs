//! From the venue's REST structs to the guard's nouns.
//!
//! Purpose: each number gets its kind and range here; what does not fit is refused as unreadable
//! with the name of the field. It must never do I/O or keep state.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::Deserialize;

use super::wire::{
    AccountConfig, AccountInfo, ApiRestrictions, Bracket, CommissionRate, Depth, ExchangeInfo,
    Filter, MarginChange, Named, Num, Order, PositionRisk, PremiumIndex, ServerTime,
    SymbolBrackets, SymbolConfig, SymbolInfo,
};
use crate::domain::{
    Balance, Book, BookLevel, ContractKind, Instrument, InstrumentStatus, LotLimits, MarginMode,
    Money, NumberError, Position, PositionKey, PositionMode, PositionSide, Price, Quantity, Rate,
    Side, Symbol, Tier, TierTable, Timestamp,
};
use crate::exchange::{ExchangeError, KeyPermissions};
use crate::guard::event::Mark;
use crate::guard::intent::FillReport;

/// Delivery dates from here on (25 December 2100) stand for "none".
/// Source: exchangeInfo of live perpetuals, 2026-10.
const NO_DELIVERY_FROM_MS: i64 = 4_133_404_800_000;
/// Settlement assets by the end of a symbol, for rows that do not name theirs.
const QUOTES: [&str; 6] = ["USDT", "USDC", "BUSD", "FDUSD", "USD1", "BTC"];
/// Most book levels kept per side.
const BOOK_LEVELS_MAX: usize = 1_000;
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

/// Parses a document; the error names line and column, never the content.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Mapped<T> {
    serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let what = match error.classify() {
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Syntax => "it is not JSON",
            serde_json::error::Category::Data => "a field is missing or of another kind",
            serde_json::error::Category::Io => "it cannot be read",
        };
        Unreadable(format!("{what} ({place})"))
    })
}

/// Some endpoints answer an object for one symbol and an array for many.
pub(super) fn parse_many<'a, T: Deserialize<'a>>(text: &'a str) -> Mapped<Vec<T>> {
    if text.trim_start().starts_with('{') {
        parse(text).map(|one| vec![one])
    } else {
        parse(text)
    }
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

fn optional<T: FromStr<Err = NumberError>>(
    field: &str,
    text: Option<Num<'_>>,
) -> Mapped<Option<T>> {
    text.filter(|num| !num.0.is_empty())
        .map(|num| number(field, num.0))
        .transpose()
}

/// A tick or step: above zero, and within the range of a rate, which no market's step reaches.
fn step(field: &str, text: &str) -> Mapped<Decimal> {
    let step = number::<Rate>(field, text)?;
    if step.is_positive() {
        Ok(step.get())
    } else {
        Err(Unreadable(format!("{field} is not above zero")))
    }
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

pub(super) fn permissions(text: &str) -> Mapped<KeyPermissions> {
    let wire: ApiRestrictions = parse(text)?;
    Ok(KeyPermissions {
        reading: wire.enable_reading,
        futures: wire.enable_futures,
        withdrawals: wire.enable_withdrawals,
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
    rows.iter()
        .map(|row| {
            let settings = SymbolSettings {
                margin_mode: margin_mode(&row.margin_type)?,
                leverage: row.leverage,
                auto_add_margin: row.is_auto_add_margin,
            };
            Ok((Symbol::new(&row.symbol), settings))
        })
        .collect()
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
    let mut open = Vec::new();
    for row in &rows {
        let slot = position_side(&row.position_side)?;
        let amount: Quantity = number("positionAmt", row.position_amt.0)?;
        if let (Some(side), quantity) = direction(slot, amount)? {
            open.push(position(row, slot, side, quantity)?);
        }
    }
    Ok(open)
}

fn position(
    row: &PositionRisk<'_>,
    position_side: PositionSide,
    side: Side,
    quantity: Quantity,
) -> Mapped<RiskRow> {
    let isolated_wallet: Money =
        optional("isolatedWallet", row.isolated_wallet)?.unwrap_or(Money::ZERO);
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
    wire.assets
        .iter()
        .map(|row| {
            let balance = Balance {
                cross_wallet: number("crossWalletBalance", row.cross_wallet_balance.0)?,
                available: number("availableBalance", row.available_balance.0)?,
            };
            Ok((row.asset.to_string(), balance))
        })
        .collect()
}

/// Trading rules of `wanted` symbols, of all when `None`. Other symbols are not even looked at.
pub(super) fn instruments(
    text: &str,
    wanted: Option<&BTreeSet<Symbol>>,
) -> Mapped<Vec<Instrument>> {
    let wire: ExchangeInfo<'_> = parse(text)?;
    let mut found = Vec::new();
    for raw in wire.symbols {
        if let Some(wanted) = wanted {
            let named: Named<'_> = parse(raw.get())?;
            if !wanted.contains::<str>(&named.symbol) {
                continue;
            }
        }
        found.push(instrument(&parse(raw.get())?)?);
    }
    Ok(found)
}

fn instrument(wire: &SymbolInfo<'_>) -> Mapped<Instrument> {
    let filter = |kind: &str| {
        let found = wire
            .filters
            .iter()
            .find(|filter| &*filter.filter_type == kind);
        found.ok_or_else(|| Unreadable(format!("{} has no {kind}", &*wire.symbol)))
    };
    let limit_lot = lot(filter("LOT_SIZE")?)?;
    let band = filter("PERCENT_PRICE").ok();
    let tick = filter("PRICE_FILTER")?.tick_size;
    let min_notional = filter("MIN_NOTIONAL").ok().and_then(|f| f.notional);
    Ok(Instrument {
        symbol: Symbol::new(&wire.symbol),
        contract: ContractKind::Linear,
        perpetual: wire.contract_type.contains("PERPETUAL"),
        margin_asset: wire.margin_asset.to_string(),
        status: match &*wire.status {
            "TRADING" => InstrumentStatus::Trading,
            other => InstrumentStatus::Closed(other.to_owned()),
        },
        tick: step("tickSize", tick.map_or("", |num| num.0))?,
        limit_lot,
        market_lot: match filter("MARKET_LOT_SIZE") {
            Ok(filter) => lot(filter)?,
            Err(_) => limit_lot,
        },
        min_notional: optional("notional", min_notional)?.unwrap_or(Money::ZERO),
        price_cap_factor: optional("multiplierUp", band.and_then(|f| f.multiplier_up))?,
        price_floor_factor: optional("multiplierDown", band.and_then(|f| f.multiplier_down))?,
        market_take_bound: optional("marketTakeBound", wire.market_take_bound)?,
        liquidation_fee: number("liquidationFee", wire.liquidation_fee.0)?,
        delivery_at: wire
            .delivery_date
            .filter(|at| (1..NO_DELIVERY_FROM_MS).contains(at))
            .map(Timestamp::from_millis),
    })
}

fn lot(filter: &Filter<'_>) -> Mapped<LotLimits> {
    let text = |num: Option<Num<'_>>| num.map_or(String::new(), |num| num.0.to_owned());
    Ok(LotLimits {
        min: number("minQty", &text(filter.min_qty))?,
        max: number("maxQty", &text(filter.max_qty))?,
        step: step("stepSize", &text(filter.step_size))?,
    })
}

/// Risk tiers per symbol. A cap beyond any amount of money means that the tier is open.
pub(super) fn tiers(text: &str) -> Mapped<Vec<(Symbol, TierTable)>> {
    let rows: Vec<SymbolBrackets<'_>> = parse_many(text)?;
    rows.iter()
        .map(|row| {
            let tiers = row.brackets.iter().map(tier).collect::<Mapped<Vec<_>>>()?;
            let table = TierTable::new(tiers)
                .map_err(|error| Unreadable(format!("{}: {error}", &*row.symbol)))?;
            Ok((Symbol::new(&row.symbol), table))
        })
        .collect()
}

fn tier(row: &Bracket<'_>) -> Mapped<Tier> {
    let cap = match row.notional_cap.0.parse::<Money>() {
        Ok(cap) => Some(cap),
        Err(NumberError::OutOfRange { .. }) => None,
        Err(NumberError::NotANumber { .. }) => {
            return Err(Unreadable("notionalCap is not a number".to_owned()));
        }
    };
    Ok(Tier {
        floor: number("notionalFloor", row.notional_floor.0)?,
        cap,
        maintenance_rate: number("maintMarginRatio", row.maint_margin_ratio.0)?,
        deduction: number("cum", row.cum.0)?,
        max_leverage: row
            .initial_leverage
            .0
            .parse()
            .map_err(|_| Unreadable("initialLeverage is not a whole number".to_owned()))?,
    })
}

pub(super) fn taker_fee(text: &str) -> Mapped<(Symbol, Rate)> {
    let wire: CommissionRate<'_> = parse(text)?;
    let rate = number("takerCommissionRate", wire.taker_commission_rate.0)?;
    Ok((Symbol::new(&wire.symbol), rate))
}

pub(super) fn premium_marks(text: &str) -> Mapped<Vec<Mark>> {
    let rows: Vec<PremiumIndex<'_>> = parse_many(text)?;
    rows.iter()
        .map(|row| {
            let next = row.next_funding_time.filter(|at| *at > 0);
            Ok(Mark {
                symbol: Symbol::new(&row.symbol),
                price: number("markPrice", row.mark_price.0)?,
                funding_rate: match next {
                    Some(_) => optional("lastFundingRate", row.last_funding_rate)?,
                    None => None,
                },
                next_funding_at: next.map(Timestamp::from_millis),
                at: Timestamp::from_millis(row.time),
            })
        })
        .collect()
}

pub(super) fn depth(symbol: &Symbol, text: &str) -> Mapped<Book> {
    let wire: Depth<'_> = parse(text)?;
    let pair = |[price, size]: &[Num<'_>; 2]| level(price.0, size.0);
    book(
        symbol.clone(),
        Timestamp::from_millis(wire.transaction_time),
        wire.bids.iter().map(pair),
        wire.asks.iter().map(pair),
    )
}

/// One level; `None` when its size is zero.
pub(super) fn level(price: &str, size: &str) -> Mapped<Option<BookLevel>> {
    let quantity: Quantity = number("book size", size)?;
    if !quantity.is_positive() {
        return Ok(None);
    }
    let price = number("book price", price)?;
    Ok(Some(BookLevel { price, quantity }))
}

/// Sorts both sides, best first.
pub(super) fn book(
    symbol: Symbol,
    at: Timestamp,
    bids: impl Iterator<Item = Mapped<Option<BookLevel>>>,
    asks: impl Iterator<Item = Mapped<Option<BookLevel>>>,
) -> Mapped<Book> {
    let take = |side: &mut dyn Iterator<Item = Mapped<Option<BookLevel>>>| {
        side.take(BOOK_LEVELS_MAX)
            .filter_map(Mapped::transpose)
            .collect::<Mapped<Vec<_>>>()
    };
    let (mut bids, mut asks) = (bids, asks);
    let mut book = Book {
        symbol,
        bids: take(&mut bids)?,
        asks: take(&mut asks)?,
        at,
    };
    book.bids
        .sort_by_key(|level| std::cmp::Reverse(level.price));
    book.asks.sort_by_key(|level| level.price);
    Ok(book)
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
    rows.iter().map(order_state).collect()
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
    /// `None` where the venue does not say.
    pub position_side: Option<PositionSide>,
    pub amount: Money,
    pub at: Timestamp,
}

/// Margin that was added by request; removals and the venue's own changes are left out.
pub(super) fn margin_added(text: &str) -> Mapped<Vec<MarginRow>> {
    let rows: Vec<MarginChange<'_>> = parse_many(text)?;
    rows.iter()
        .filter(|row| row.direction.0 == "1")
        .filter(|row| {
            row.delta_type
                .as_deref()
                .is_none_or(|kind| kind == "USER_ADJUST")
        })
        .map(|row| {
            let side = row.position_side.as_deref().map(position_side);
            Ok(MarginRow {
                symbol: Symbol::new(&row.symbol),
                position_side: side.transpose()?,
                amount: number("amount", row.amount.0)?,
                at: Timestamp::from_millis(row.time),
            })
        })
        .collect()
}
