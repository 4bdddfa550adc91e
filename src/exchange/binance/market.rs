//! From the venue's structs about markets to the guard's nouns: rules, tiers, fees, marks, books.
//!
//! Purpose: each number gets its kind and range here. It must never do I/O or keep state.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::map::{Mapped, Unreadable, each, number, optional, parse, parse_many};
use super::wire::{
    Bracket, CommissionRate, Depth, ExchangeInfo, Filter, Kline, Named, Num, PremiumIndex,
    SymbolBrackets, SymbolInfo,
};
use crate::domain::{
    Book, BookLevel, ContractKind, Instrument, InstrumentStatus, LotLimits, Money, NumberError,
    Quantity, Rate, Symbol, Tier, TierTable, Timestamp,
};
use crate::guard::event::{Bar, Mark};

/// Delivery dates from here on (25 December 2100) stand for "none".
/// Source: exchangeInfo of live perpetuals, 2026-10.
const NO_DELIVERY_FROM_MS: i64 = 4_133_404_800_000;
/// Most book levels kept per side.
const BOOK_LEVELS_MAX: usize = 1_000;

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

pub(super) fn instrument(wire: &SymbolInfo<'_>) -> Mapped<Instrument> {
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
            let tiers = each(&row.brackets, tier)
                .map_err(|Unreadable(why)| Unreadable(format!("brackets, {why}")))?;
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
        max_leverage: number("initialLeverage", row.initial_leverage.0)?,
    })
}

pub(super) fn taker_fee(text: &str) -> Mapped<(Symbol, Rate)> {
    let wire: CommissionRate<'_> = parse(text)?;
    let rate = number("takerCommissionRate", wire.taker_commission_rate.0)?;
    Ok((Symbol::new(&wire.symbol), rate))
}

pub(super) fn premium_marks(text: &str) -> Mapped<Vec<Mark>> {
    let rows: Vec<PremiumIndex<'_>> = parse_many(text)?;
    each(&rows, |row| {
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
}

/// One-minute bars of mark prices. Source: "Mark Price Kline/Candlestick Data" of the venue's API
/// documentation, read 2026-11: arrays that begin with open time, open, high, low, close.
pub(super) fn bars(text: &str) -> Mapped<Vec<Bar>> {
    let rows: Vec<Kline<'_>> = parse(text)?;
    each(&rows, |Kline(start, _, high, low, close, ..)| {
        Ok(Bar {
            start: Timestamp::from_millis(*start),
            low: number("low", low.0)?,
            high: number("high", high.0)?,
            close: number("close", close.0)?,
        })
    })
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

/// A tick or step: above zero, and within the range of a rate, which no market's step reaches.
fn step(field: &str, text: &str) -> Mapped<Decimal> {
    let step = number::<Rate>(field, text)?;
    if step.is_positive() {
        Ok(step.get())
    } else {
        Err(Unreadable(format!("{field} is not above zero")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of the venue's documentation page, with a second row of our own.
    #[test]
    fn mark_price_bars_are_read_and_a_broken_row_is_named() {
        let text = r#"[[1591256400000,"9653.29201333","9654.56401333","9653.07367333","9653.07367333","0 ",1591256459999,"0",60,"0","0","0"],
            [1591256460000,"9653.1","9660","9650.5","9655","0",1591256519999,"0",60,"0","0","0"]]"#;
        let found = bars(text).expect("bars");
        let [first, second] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(first.start.as_millis(), 1_591_256_400_000);
        assert_eq!(first.high.to_string(), "9654.56401333");
        assert_eq!(
            [second.low, second.high, second.close].map(|price| price.to_string()),
            ["9650.5", "9660", "9655"]
        );
        let broken = text.replace("\"9660\"", "\"-\"");
        let error = bars(&broken).expect_err("a dash is no price");
        assert!(
            error.0.contains("row 2") && error.0.contains("high"),
            "{}",
            error.0
        );
    }
}
