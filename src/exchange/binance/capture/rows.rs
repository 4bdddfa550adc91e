//! One row of an answer or frame, in the words that all venues share.
//!
//! Purpose: the agent's value where it has one, else what the row carries, else nothing.

use super::super::map::{self, Mapped, RiskRow};
use super::super::market;
use super::super::wire::SymbolInfo;
use super::fields::Fields;
use crate::domain::{
    Book, BookLevel, Instrument, InstrumentStatus, LotLimits, MarginMode, Money, PositionSide,
    Quantity, Side, Symbol, Timestamp,
};
use crate::exchange::capture::{CapturedBook, CapturedInstrument, CapturedMark, CapturedPosition};
use crate::guard::event::Mark;

/// Does the row say its margin mode, or prove it by a wallet of its own?
pub(super) fn is_mode_known(risk: &RiskRow) -> bool {
    mode(risk).is_some()
}

fn mode(risk: &RiskRow) -> Option<MarginMode> {
    let position = &risk.position;
    (risk.settled || !position.isolated_wallet.is_zero()).then_some(position.margin_mode)
}

/// A row of `positionRisk`, with what the agent made of it.
pub(super) fn risk_row(row: &Fields<'_>, risk: RiskRow) -> Mapped<CapturedPosition> {
    let margin_mode = mode(&risk);
    let position = risk.position;
    let told = row.raw("isolatedWallet").is_some() || !position.isolated_wallet.is_zero();
    Ok(CapturedPosition {
        symbol: position.key.symbol,
        position_side: position.key.position_side,
        side: position.side,
        quantity: position.quantity,
        entry_price: Some(position.entry_price),
        mark_price: Some(position.mark_price),
        margin_mode,
        leverage: position.leverage,
        isolated_margin: told.then_some(position.isolated_wallet),
        unrealized_pnl: row.number("unRealizedProfit")?,
        exchange_liquidation_price: position.venue_liquidation,
        maintenance_margin: position.venue_maintenance,
        margin_asset: row.text("marginAsset"),
        auto_add_margin: row.flag("isAutoAddMargin"),
        updated_at_ms: row.millis("updateTime"),
    })
}

/// A position as the account shows it; `None` when it is flat.
pub(super) fn account_row(row: &Fields<'_>) -> Mapped<Option<CapturedPosition>> {
    let position_side = row.position_side("positionSide")?;
    let amount = row.required_number("positionAmt")?;
    let (Some(side), quantity) = map::direction(position_side, amount)? else {
        return Ok(None);
    };
    let wallet = wallet(row)?;
    let margin_mode = match row.flag("isolated") {
        Some(true) => Some(MarginMode::Isolated),
        Some(false) => Some(MarginMode::Cross),
        None => wallet
            .filter(|wallet| !wallet.is_zero())
            .map(|_| MarginMode::Isolated),
    };
    Ok(Some(CapturedPosition {
        symbol: Symbol::new(&row.required("symbol")?),
        leverage: row.whole("leverage"),
        entry_price: row.price("entryPrice")?,
        unrealized_pnl: row.number("unrealizedProfit")?,
        maintenance_margin: row.number("maintMargin")?,
        updated_at_ms: row.millis("updateTime"),
        isolated_margin: wallet,
        margin_mode,
        ..bare_position(position_side, side, quantity)
    }))
}

/// The isolated wallet; where it is left out, the isolated margin without the unrealised profit.
fn wallet(row: &Fields<'_>) -> Mapped<Option<Money>> {
    if let Some(wallet) = row.number("isolatedWallet")? {
        return Ok(Some(wallet));
    }
    let margin: Option<Money> = row.number("isolatedMargin")?;
    let profit: Option<Money> = row.number("unrealizedProfit")?;
    Ok(margin
        .filter(|margin| !margin.is_zero())
        .zip(profit)
        .map(|(margin, profit)| margin - profit))
}

/// A position of which nothing but its size is known.
pub(super) fn bare_position(
    position_side: PositionSide,
    side: Side,
    quantity: Quantity,
) -> CapturedPosition {
    CapturedPosition {
        symbol: Symbol::new(""),
        position_side,
        side,
        quantity,
        entry_price: None,
        mark_price: None,
        margin_mode: None,
        leverage: None,
        isolated_margin: None,
        unrealized_pnl: None,
        exchange_liquidation_price: None,
        maintenance_margin: None,
        margin_asset: None,
        auto_add_margin: None,
        updated_at_ms: None,
    }
}

fn instrument(rules: Instrument, status: String) -> CapturedInstrument {
    CapturedInstrument {
        symbol: rules.symbol,
        perpetual: rules.perpetual,
        status: match rules.status {
            InstrumentStatus::Trading => status,
            InstrumentStatus::Closed(word) => word,
        },
        margin_asset: rules.margin_asset,
        tick: rules.tick.normalize(),
        limit_lot: plain_lot(rules.limit_lot),
        market_lot: plain_lot(rules.market_lot),
        min_notional: rules.min_notional,
        price_cap_factor: rules.price_cap_factor,
        price_floor_factor: rules.price_floor_factor,
        market_take_bound: rules.market_take_bound,
        liquidation_fee: rules.liquidation_fee,
        delivery_at_ms: rules.delivery_at.map(Timestamp::as_millis),
    }
}

/// Without the zeros that end a step as it is written.
fn plain_lot(lot: LotLimits) -> LotLimits {
    LotLimits {
        step: lot.step.normalize(),
        ..lot
    }
}

pub(super) fn mark(mark: &Mark) -> CapturedMark {
    CapturedMark {
        symbol: mark.symbol.clone(),
        mark_price: mark.price,
        funding_rate: mark.funding_rate,
        next_funding_at_ms: mark.next_funding_at.map(Timestamp::as_millis),
        at_ms: mark.at.as_millis(),
    }
}

pub(super) fn captured_book(book: &Book) -> CapturedBook {
    let side = |levels: &[BookLevel]| {
        levels
            .iter()
            .map(|level| (level.price, level.quantity))
            .collect()
    };
    CapturedBook {
        symbol: Some(book.symbol.clone()).filter(|symbol| !symbol.as_str().is_empty()),
        best_bid: book.bids.first().map(|level| level.price),
        best_ask: book.asks.first().map(|level| level.price),
        unusable: book.is_unusable(),
        bids: side(&book.bids),
        asks: side(&book.asks),
        at_ms: book.at.as_millis(),
    }
}

/// One symbol of the trading rules.
pub(super) fn symbol_rules(text: &str) -> Mapped<CapturedInstrument> {
    let wire: SymbolInfo<'_> = map::parse(text)?;
    Ok(instrument(
        market::instrument(&wire)?,
        wire.status.to_string(),
    ))
}
