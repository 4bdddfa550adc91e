//! One position with everything known about it: what was stated, the built-in table, the defaults.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::account::{Account, Stated};
use super::book::{BookError, check_range};
use super::json::{self, Place, Wrong};
use super::symbol;
use super::tables::{Broken, Table, Tables};
use crate::domain::{
    ContractKind, MarginMode, PositionKey, PositionSide, Rate, Side, Symbol, TierTable,
};
use crate::margin::{CloseFee, Leg, Venue};

/// A position with everything known about it.
pub(super) struct Known {
    pub(super) leg: Leg,
    pub(super) settle: Option<String>,
    pub(super) fee: Option<Rate>,
    pub(super) table: Option<Dated>,
    pub(super) marked: bool,
}

/// The origin of a built-in table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Dated {
    pub(super) as_of: String,
    pub(super) note: Option<String>,
}

/// Tables already checked, by symbol.
pub(super) type Ladders<'t> = BTreeMap<&'t str, Arc<TierTable>>;

/// Fills in what was left out of the position at `index`.
pub(super) fn position<'t>(
    account: &Account,
    index: usize,
    tables: &'t Tables,
    ladders: &mut Ladders<'t>,
) -> Result<Known, BookError> {
    let place = Place::position(index);
    let Some(stated) = account.positions.get(index) else {
        return Err(place.wrong("is not there").into());
    };
    let table = tables.find(account.venue, &stated.symbol);
    let near = tables.near(account.venue, &stated.symbol);
    let contract = contract(account.venue, stated, table, &near, &place)?;
    let size = contract_size(account.venue, stated, table, contract, &place)?;
    let tiers = match (&stated.tiers, table) {
        (Some(tiers), _) => Arc::new(tiers.clone()),
        (None, Some(table)) => built_in(table, ladders)?,
        (None, None) => {
            let what = no_table(account, stated, tables);
            return Err(place.key("tiers").wrong(what).into());
        }
    };
    let fee = account
        .taker_fee
        .or_else(|| table.map(|table| table.taker_fee_rate));
    needs(account, stated, fee, &place)?;
    let position_side = match (account.hedge, stated.side) {
        (false, _) => PositionSide::Both,
        (true, Side::Long) => PositionSide::Long,
        (true, Side::Short) => PositionSide::Short,
    };
    // The venue's own spelling, where a table knows it.
    let name = table.map_or(stated.symbol.as_str(), |table| &table.symbol);
    let key = PositionKey {
        symbol: Symbol::new(name),
        position_side,
    };
    let mark = stated.mark.unwrap_or(stated.entry);
    let mut leg = Leg::linear(key, stated.side, stated.quantity, stated.entry, mark, tiers);
    leg.contract = contract;
    leg.contract_size = size;
    leg.leverage = stated.leverage;
    let family = match &stated.family {
        Some(family) => Some(family.clone()),
        None => symbol::family(account.venue, name),
    };
    leg.family = family.map(|family| Symbol::new(&family));
    check_range(&leg).map_err(|what| place.key("quantity").wrong(what))?;
    let settle = match &stated.settle {
        Some(settle) => Some(settle.clone()),
        None => symbol::settlement(account.venue, name, contract),
    };
    Ok(Known {
        leg,
        settle,
        fee,
        table: table.filter(|_| stated.tiers.is_none()).map(|table| Dated {
            as_of: table.as_of.clone(),
            note: table.note.clone(),
        }),
        marked: stated.mark.is_some(),
    })
}

/// The tiers of a table, checked once.
fn built_in<'t>(table: &'t Table, ladders: &mut Ladders<'t>) -> Result<Arc<TierTable>, Broken> {
    if let Some(ladder) = ladders.get(table.symbol.as_str()) {
        return Ok(Arc::clone(ladder));
    }
    let ladder = table.ladder()?;
    ladders.insert(&table.symbol, Arc::clone(&ladder));
    Ok(ladder)
}

fn contract(
    venue: Venue,
    stated: &Stated,
    table: Option<&Table>,
    near: &[&str],
    place: &Place,
) -> Result<ContractKind, Wrong> {
    let named = table
        .map(|table| table.contract)
        .or_else(|| symbol::contract(venue, &stated.symbol));
    let fixed = match venue {
        Venue::BinanceUsdm | Venue::BinanceCoinm | Venue::Hyperliquid => true,
        Venue::Bybit | Venue::Okx => table.is_some(),
    };
    match (stated.contract, named) {
        (Some(said), Some(named)) if fixed && said != named => {
            let kind = |kind| match kind {
                ContractKind::Linear => "linear",
                ContractKind::Inverse => "inverse",
            };
            let what = format!(
                "is {}, but {} at {venue} is {}",
                kind(said),
                json::echo(&stated.symbol),
                kind(named)
            );
            Err(place.key("contract").wrong(what))
        }
        (Some(said), _) => Ok(said),
        (None, Some(named)) => Ok(named),
        (None, None) if venue == Venue::Okx || !near.is_empty() => {
            let meant = match near.first() {
                Some(near) => format!("did you mean {near}?"),
                None => "write it like BTC-USDT-SWAP".to_owned(),
            };
            let name = json::echo(&stated.symbol);
            let what = format!("{name} is not how {venue} names its contracts; {meant}");
            Err(place.key("symbol").wrong(what))
        }
        (None, None) => {
            let fix = "the name does not say it; write \"linear\" or \"inverse\"";
            Err(place.key("contract").wrong(json::missing(fix)))
        }
    }
}

fn contract_size(
    venue: Venue,
    stated: &Stated,
    table: Option<&Table>,
    contract: ContractKind,
    place: &Place,
) -> Result<Decimal, Wrong> {
    if let Some(size) = stated.contract_size {
        return Ok(size);
    }
    if let Some(table) = table.filter(|table| table.contract == contract) {
        return Ok(table.contract_size);
    }
    match venue {
        Venue::BinanceUsdm | Venue::Bybit | Venue::Hyperliquid => Ok(Decimal::ONE),
        Venue::BinanceCoinm | Venue::Okx => {
            let fix = match contract {
                ContractKind::Linear => "write how much base coin one contract is",
                ContractKind::Inverse => "write the face value of one contract in US dollars",
            };
            Err(place.key("contract_size").wrong(json::missing(fix)))
        }
    }
}

/// What the venue's formula cannot do without.
fn needs(
    account: &Account,
    stated: &Stated,
    fee: Option<Rate>,
    place: &Place,
) -> Result<(), Wrong> {
    let close_fee = account.venue.rules().close_fee;
    if close_fee != CloseFee::None && fee.is_none() {
        let fix = "this venue's liquidation price contains it; write your rate as a fraction (0.05 % is 0.0005)";
        return Err(Place::top("taker_fee_rate").wrong(json::missing(fix)));
    }
    // That of an isolated position follows from its margin.
    let follows = close_fee == CloseFee::AtBankruptcy && stated.margin_mode == MarginMode::Cross;
    if follows && stated.leverage.is_none() {
        let fix = "this venue's close fee of a cross position follows from it";
        return Err(place.key("leverage").wrong(json::missing(fix)));
    }
    if let (MarginMode::Cross, Some(margin)) = (stated.margin_mode, stated.margin)
        && !margin.is_zero()
    {
        let what = "stands at a cross position, which has no margin of its own; leave it out, or write \"isolated\"";
        return Err(place.key("isolated_margin").wrong(what));
    }
    Ok(())
}

fn no_table(account: &Account, stated: &Stated, tables: &Tables) -> String {
    let near = tables.near(account.venue, &stated.symbol);
    let near = if near.is_empty() {
        String::new()
    } else {
        format!("did you mean {}? ", near.join(", "))
    };
    let fix = if account.opens_with_initial_margin {
        "Otherwise give the maintenance rate yourself, as in --maintenance-rate 0.5%"
    } else {
        "Otherwise write the exchange's risk tiers here"
    };
    format!(
        "there is no built-in risk table of {} at {}; {near}{fix} (`plimsoll liq --list` shows what is built in)",
        json::echo(&stated.symbol),
        account.venue
    )
}
