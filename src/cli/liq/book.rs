//! From what was stated to what can be computed: tables and defaults filled in, positions gathered
//! into the scopes that are liquidated together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rust_decimal::Decimal;

use super::account::{Account, Stated};
use super::json::{self, Place, Wrong};
use super::symbol;
use super::tables::{Broken, Table, Tables};
use crate::domain::{
    ContractKind, MarginMode, Money, PositionKey, PositionSide, Price, Rate, Side, Symbol,
    TierTable,
};
use crate::margin::{CloseFee, Leg, ScopeMargin, Venue};

/// The smallest price that is taken: below it an inverse contract leaves the range of exact numbers.
pub(super) const PRICE_MIN: Decimal = Decimal::from_parts(1, 0, 0, false, 15);
/// A deduction may be off by this share of its step, as rounded tables are…
const JUMP: Rate = Rate::of(Decimal::from_parts(1, 0, 0, false, 2));
/// …or by this share of the value at the border.
const JUMP_OF_VALUE: Rate = Rate::of(Decimal::from_parts(1, 0, 0, false, 5));
/// Names in a note before the rest is only counted.
const NAMES_MAX: usize = 5;

/// Everything that is computed with.
#[derive(Debug, Clone)]
pub(super) struct Book {
    pub(super) venue: Venue,
    pub(super) scopes: Vec<Backed>,
    /// In the order in which they were stated.
    pub(super) slots: Vec<Slot>,
    /// Cross wallets that back no position: free money for isolated ones.
    pub(super) idle: BTreeMap<Option<String>, Money>,
    pub(super) taker_fee: Option<Rate>,
    pub(super) notes: Vec<String>,
}

/// A scope and the asset its wallet is counted in.
#[derive(Debug, Clone)]
pub(super) struct Backed {
    pub(super) asset: Option<String>,
    pub(super) margin: ScopeMargin,
}

/// Where a stated position went.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// Its index among the stated positions.
    pub(super) stated: usize,
    pub(super) key: PositionKey,
    pub(super) scope: usize,
    pub(super) tick: Option<Decimal>,
    pub(super) funding: Option<Rate>,
}

/// The origin of a built-in table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Dated {
    as_of: String,
    note: Option<String>,
}

/// Why there is no book.
#[derive(Debug, thiserror::Error)]
pub(super) enum BookError {
    #[error(transparent)]
    Wrong(#[from] Wrong),
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// A position with everything known about it.
struct Known {
    leg: Leg,
    settle: Option<String>,
    fee: Option<Rate>,
    table: Option<Dated>,
    marked: bool,
}

impl Book {
    /// Fills in what was left out and gathers positions into scopes.
    pub(super) fn of(account: &Account, tables: &Tables) -> Result<Self, BookError> {
        refuse_modes(account)?;
        refuse_twins(account)?;
        let mut ladders = BTreeMap::new();
        let mut known = Vec::with_capacity(account.positions.len());
        for index in 0..account.positions.len() {
            known.push(position(account, index, tables, &mut ladders)?);
        }
        let fees = known.iter().filter_map(|known| known.fee);
        let mut book = Self {
            venue: account.venue,
            scopes: Vec::new(),
            slots: Vec::new(),
            idle: BTreeMap::new(),
            taker_fee: account.taker_fee.or_else(|| fees.max()),
            notes: Vec::new(),
        };
        book.notes = notes(account, &known);
        let crosses = book.place_isolated(account, &known)?;
        book.place_cross(account, &known, crosses)?;
        book.slots.sort_by_key(|slot| slot.stated);
        for (index, known) in known.iter().enumerate() {
            check_range(&known.leg)
                .map_err(|what| Place::position(index).key("quantity").wrong(what))?;
        }
        Ok(book)
    }

    /// The leg of a slot.
    pub(super) fn leg(&self, slot: &Slot) -> Option<(&Backed, &Leg)> {
        let backed = self.scopes.get(slot.scope)?;
        Some((backed, backed.margin.leg(&slot.key)?))
    }

    /// Each isolated position is a scope; returns the places of the others.
    fn place_isolated(&mut self, account: &Account, known: &[Known]) -> Result<Vec<usize>, Wrong> {
        let mut crosses = Vec::new();
        for (index, (stated, known)) in account.positions.iter().zip(known).enumerate() {
            if stated.margin_mode == MarginMode::Cross {
                crosses.push(index);
                continue;
            }
            let legs = vec![known.leg.clone()];
            let rules = self.venue.rules();
            let mut margin = ScopeMargin::new(rules, MarginMode::Isolated, Money::ZERO, legs);
            margin.taker_fee = known.fee.unwrap_or_default();
            margin.wallet = match stated.margin {
                Some(margin) => margin,
                None if account.opens_with_initial_margin => initial(&margin).ok_or_else(|| {
                    let fix = "or give the leverage, from which it follows";
                    Place::position(index)
                        .key("isolated_margin")
                        .wrong(json::missing(fix))
                })?,
                None => {
                    let fix = "write the isolated wallet without unrealised profit";
                    return Err(Place::position(index)
                        .key("isolated_margin")
                        .wrong(json::missing(fix)));
                }
            };
            self.add_slot(stated, known, index, self.scopes.len());
            self.scopes.push(Backed {
                asset: known.settle.clone(),
                margin,
            });
        }
        Ok(crosses)
    }

    fn place_cross(
        &mut self,
        account: &Account,
        known: &[Known],
        crosses: Vec<usize>,
    ) -> Result<(), Wrong> {
        let groups = group(account, known, &crosses, &mut self.notes)?;
        let several = groups.len() > 1;
        for (key, amount) in [
            ("reserved", account.reserved),
            ("other_maintenance", account.other_maintenance),
        ] {
            if several && !amount.is_zero() {
                let what = "cannot be divided among several settlement assets; compute one asset at a time";
                return Err(Place::top(key).wrong(what));
            }
        }
        let free = (account.wallet.map(|wallet| (None, wallet)).into_iter()).chain(
            account
                .wallets
                .iter()
                .map(|(asset, amount)| (Some(asset.clone()), *amount)),
        );
        self.idle = if groups.is_empty() {
            free.collect()
        } else {
            BTreeMap::new()
        };
        for (asset, members) in groups {
            let wallet = wallet(account, asset.as_deref(), several)?;
            let mut legs = Vec::with_capacity(members.len());
            for index in &members {
                let (Some(stated), Some(known)) =
                    (account.positions.get(*index), known.get(*index))
                else {
                    continue;
                };
                let mut leg = known.leg.clone();
                leg.asset = known.settle.as_deref().and_then(|settle| {
                    let listed = account
                        .collateral
                        .iter()
                        .find(|held| held.asset.as_str() == settle);
                    listed.map(|held| held.asset.clone())
                });
                legs.push(leg);
                self.add_slot(stated, known, *index, self.scopes.len());
            }
            let mut margin = ScopeMargin::new(self.venue.rules(), MarginMode::Cross, wallet, legs);
            margin.taker_fee = self.taker_fee.unwrap_or_default();
            margin.reserved = account.reserved;
            margin.other_maintenance = account.other_maintenance;
            margin.collateral.clone_from(&account.collateral);
            self.scopes.push(Backed { asset, margin });
        }
        Ok(())
    }

    fn add_slot(&mut self, stated: &Stated, known: &Known, index: usize, scope: usize) {
        self.slots.push(Slot {
            stated: index,
            key: known.leg.key.clone(),
            scope,
            tick: stated.tick,
            funding: stated.funding,
        });
    }
}

/// Keeps every value in the range in which the arithmetic is exact.
pub(super) fn check_range(leg: &Leg) -> Result<(), String> {
    if leg.mark.get() < PRICE_MIN || leg.entry.get() < PRICE_MIN {
        return Err(format!(
            "has a price below {PRICE_MIN}, which is not computed with"
        ));
    }
    let value = |price: Price| {
        let face = leg.quantity.get().checked_mul(leg.contract_size)?;
        let value = match leg.contract {
            ContractKind::Linear => face.checked_mul(price.get()),
            ContractKind::Inverse => face.checked_div(price.get()),
        };
        Money::new(value?).ok()
    };
    match value(leg.mark).and(value(leg.entry)) {
        Some(_) => Ok(()),
        None => Err(
            "makes a position worth more than 1e18; check size, contract size and price".to_owned(),
        ),
    }
}

fn refuse_modes(account: &Account) -> Result<(), Wrong> {
    let mode = plain(account.mode.as_deref().unwrap_or_default());
    if mode.contains("portfolio") || mode == "pm" {
        return Err(Place::top("account_mode").wrong(
            "is portfolio margin, for which no venue publishes a formula; only the venue's own ratio tells where such an account stands",
        ));
    }
    if account.hedge && account.venue == Venue::Hyperliquid {
        return Err(
            Place::top("position_mode").wrong("is \"hedge\", which Hyperliquid does not have")
        );
    }
    let isolated = account
        .positions
        .iter()
        .position(|stated| stated.margin_mode == MarginMode::Isolated);
    if let (Some(index), "multiassets", Venue::BinanceUsdm) =
        (isolated, mode.as_str(), account.venue)
    {
        let what = "is isolated, which Binance does not allow in multi-assets mode";
        return Err(Place::position(index).key("margin_mode").wrong(what));
    }
    for (index, asset) in account.collateral.iter().enumerate() {
        let place = Place::top("collateral").index(index);
        let worth = asset.amount.get().checked_mul(asset.price.get());
        if worth.is_none_or(|worth| Money::new(worth).is_err()) {
            return Err(place
                .key("amount")
                .wrong("is worth more than 1e18; check amount and price"));
        }
        let earlier = account.collateral.iter().take(index);
        if earlier.into_iter().any(|other| other.asset == asset.asset) {
            return Err(place
                .key("asset")
                .wrong("is listed twice; add the amounts up"));
        }
    }
    Ok(())
}

/// One slot, one position.
fn refuse_twins(account: &Account) -> Result<(), Wrong> {
    let mut taken = BTreeSet::new();
    for (index, stated) in account.positions.iter().enumerate() {
        let side = account.hedge.then_some(stated.side);
        // Tables are found whatever the capitals, so these do not tell two contracts apart.
        let name = stated.symbol.to_lowercase();
        if !taken.insert((name, stated.margin_mode, side)) {
            let fix = if account.hedge {
                "hedge mode holds one long and one short of it"
            } else {
                "add the two up, or write \"position_mode\": \"hedge\""
            };
            let what = format!("{} is there twice; {fix}", json::echo(&stated.symbol));
            return Err(Place::position(index).key("symbol").wrong(what));
        }
    }
    Ok(())
}

type Ladders<'t> = BTreeMap<&'t str, Arc<TierTable>>;

fn position<'t>(
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
    let contract = contract(account.venue, stated, table, &place)?;
    let size = contract_size(account.venue, stated, table, contract, &place)?;
    let tiers = match (&stated.tiers, table) {
        (Some(tiers), _) => Arc::new(tiers.clone()),
        (None, Some(table)) => match ladders.get(table.symbol.as_str()) {
            Some(ladder) => Arc::clone(ladder),
            None => {
                let ladder = table.ladder()?;
                ladders.insert(&table.symbol, Arc::clone(&ladder));
                ladder
            }
        },
        (None, None) => {
            return Err(place
                .key("tiers")
                .wrong(no_table(account, stated, tables))
                .into());
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

fn contract(
    venue: Venue,
    stated: &Stated,
    table: Option<&Table>,
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
    if close_fee == CloseFee::AtBankruptcy && stated.leverage.is_none() {
        let fix = "this venue's close fee follows from it";
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

/// Initial margin of a position just opened.
fn initial(scope: &ScopeMargin) -> Option<Money> {
    let leg = scope.legs.first()?;
    match scope.rules.close_fee {
        CloseFee::None | CloseFee::AtMark => leg.initial_margin(leg.entry),
        CloseFee::AtBankruptcy => scope.leg_initial_margin(leg),
    }
}

type Groups = Vec<(Option<String>, Vec<usize>)>;

/// Cross positions by the wallet that backs them.
fn group(
    account: &Account,
    known: &[Known],
    crosses: &[usize],
    notes: &mut Vec<String>,
) -> Result<Groups, Wrong> {
    let mut by_asset: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
    let held = |asset: &str| {
        account
            .collateral
            .iter()
            .any(|held| held.asset.as_str() == asset)
    };
    for index in crosses {
        let settle = known.get(*index).and_then(|known| known.settle.clone());
        by_asset.entry(settle).or_default().push(*index);
    }
    if crosses.is_empty() {
        return Ok(Vec::new());
    }
    let mode = plain(account.mode.as_deref().unwrap_or_default());
    let pooled = !account.collateral.is_empty()
        || ["multicurrency", "multiassets", "unified"].contains(&mode.as_str());
    let named: Vec<String> = by_asset.keys().flatten().cloned().collect();
    if pooled {
        let own: Vec<&String> = named.iter().filter(|asset| !held(asset)).collect();
        let coin = own.iter().find(|asset| !symbol::is_dollar(asset));
        if let (Some(coin), true) = (coin, own.len() > 1) {
            let what = format!(
                "lacks {coin}, in which a cross position is settled; list it with its price, with amount 0 if there is none"
            );
            return Err(Place::top("collateral").wrong(what));
        }
        if own.len() > 1 {
            let list: Vec<&str> = own.iter().map(|asset| asset.as_str()).collect();
            notes.push(format!(
                "{} are counted one for one; list one of them under \"collateral\" with its price to tell them apart.",
                list.join(" and ")
            ));
        }
        return Ok(vec![(
            own.first().map(|asset| (*asset).clone()),
            crosses.to_vec(),
        )]);
    }
    // Where only one asset is known, a name that says none is taken to be of the same.
    if named.len() <= 1 {
        return Ok(vec![(named.first().cloned(), crosses.to_vec())]);
    }
    if let Some(index) = by_asset.get(&None).and_then(|unnamed| unnamed.first()) {
        let fix = "the name does not say in which of several assets it is settled";
        return Err(Place::position(*index)
            .key("settle_asset")
            .wrong(json::missing(fix)));
    }
    Ok(by_asset.into_iter().collect())
}

/// The wallet of one cross scope.
fn wallet(account: &Account, asset: Option<&str>, several: bool) -> Result<Money, Wrong> {
    let listed = |name: &str| {
        account
            .wallets
            .iter()
            .find(|(held, _)| held.eq_ignore_ascii_case(name))
    };
    if account.wallet.is_some() && !account.wallets.is_empty() {
        let what = "stands beside \"wallet_balance\"; keep one of the two";
        return Err(Place::top("wallets").wrong(what));
    }
    match (account.wallet, asset) {
        (Some(_), Some(asset)) if several => {
            let what = format!(
                "is one number for cross positions of several assets; write \"wallets\": {{\"{asset}\": …}} with one wallet each, or \"collateral\" if they back each other"
            );
            Err(Place::top("wallet_balance").wrong(what))
        }
        (Some(wallet), _) => Ok(wallet),
        (None, asset) => {
            if let Some((_, amount)) = asset.and_then(listed) {
                return Ok(*amount);
            }
            if let ([(_, amount)], None) = (account.wallets.as_slice(), asset) {
                return Ok(*amount);
            }
            if !account.collateral.is_empty() && account.wallets.is_empty() {
                return Ok(Money::ZERO);
            }
            Err(match asset {
                Some(asset) if several || !account.wallets.is_empty() => {
                    Place::top("wallets").key(asset).wrong(json::missing(
                        "each settlement asset of cross positions has a wallet of its own",
                    ))
                }
                Some(_) | None => Place::top("wallet_balance").wrong(json::missing(
                    "a cross position is backed by the wallet without unrealised profit",
                )),
            })
        }
    }
}

fn notes(account: &Account, known: &[Known]) -> Vec<String> {
    let mut notes = Vec::new();
    let unmarked: Vec<&str> = (known.iter().filter(|known| !known.marked))
        .map(|known| known.leg.key.symbol.as_str())
        .collect();
    if !unmarked.is_empty() {
        notes.push(format!(
            "No mark price was given for {}; the entry price is taken for it.",
            names(&unmarked)
        ));
    }
    let mut marks: BTreeMap<&Symbol, Price> = BTreeMap::new();
    let mut torn: BTreeSet<&str> = BTreeSet::new();
    for known in known {
        let leg = &known.leg;
        if *marks.entry(&leg.key.symbol).or_insert(leg.mark) != leg.mark {
            torn.insert(leg.key.symbol.as_str());
        }
    }
    if !torn.is_empty() {
        notes.push(format!(
            "The positions in {} have different mark prices; a contract has one. Each is computed with its own.",
            names(&torn.into_iter().collect::<Vec<_>>())
        ));
    }
    notes.extend(doubts(account));
    notes.extend(about_tables(known));
    let has_cross = account
        .positions
        .iter()
        .any(|stated| stated.margin_mode == MarginMode::Cross);
    if !has_cross && !account.collateral.is_empty() {
        notes.push("Collateral backs cross positions only; there is none.".to_owned());
    }
    if let Some(known) = known.iter().find(|known| exceeds_leverage(&known.leg)) {
        notes.push(format!(
            "The leverage of {} is higher than its table allows for a position of that size.",
            known.leg.key
        ));
    }
    notes
}

/// What was stated and may be computed otherwise by the venue.
fn doubts(account: &Account) -> Vec<String> {
    let mut notes = Vec::new();
    let jumps: Vec<&str> = (account.positions.iter())
        .filter(|stated| account.venue != Venue::Okx && stated.tiers.as_ref().is_some_and(jumps))
        .map(|stated| stated.symbol.as_str())
        .collect();
    if !jumps.is_empty() {
        notes.push(format!(
            "The deductions in the tiers of {} make the maintenance jump from tier to tier, which the exchange's do not; leave them out to have them computed.",
            names(&jumps)
        ));
    }
    let mut long: BTreeSet<&str> = BTreeSet::new();
    let mut short: BTreeSet<&str> = BTreeSet::new();
    for stated in &account.positions {
        let side = match stated.side {
            Side::Long => &mut long,
            Side::Short => &mut short,
        };
        side.insert(&stated.symbol);
    }
    let hedged: Vec<&str> = long.intersection(&short).copied().collect();
    if account.venue == Venue::Bybit && !hedged.is_empty() {
        notes.push(format!(
            "Bybit has rules of its own for a long and a short of one contract ({}) that it does not publish as a formula; here both sides are added up, which asks for more.",
            names(&hedged)
        ));
    }
    notes
}

/// Does the maintenance jump by more than a rounded deduction explains?
fn jumps(table: &TierTable) -> bool {
    let tiers = table.tiers();
    tiers.iter().zip(tiers.iter().skip(1)).any(|(one, next)| {
        let step = next.floor * (next.maintenance_rate - one.maintenance_rate);
        let off = (next.deduction - one.deduction - step).abs();
        off > step * JUMP && off > next.floor * JUMP_OF_VALUE
    })
}

/// Which built-in tables were used, of which day, and what is doubtful about them.
fn about_tables(known: &[Known]) -> Vec<String> {
    let mut days: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut doubts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for known in known {
        let Some(table) = &known.table else {
            continue;
        };
        let symbol = known.leg.key.symbol.as_str();
        days.entry(&table.as_of).or_default().insert(symbol);
        if let Some(note) = &table.note {
            // The whole of it is in the list.
            let first = note.split(". ").next().unwrap_or_default();
            doubts.entry(first).or_default().insert(symbol);
        }
    }
    if days.is_empty() {
        return Vec::new();
    }
    let list = |symbols: &BTreeSet<&str>| names(&symbols.iter().copied().collect::<Vec<_>>());
    let days: Vec<String> = days
        .iter()
        .map(|(day, symbols)| format!("{day} for {}", list(symbols)))
        .collect();
    let mut notes = vec![format!(
        "Built-in risk tiers: as of {}. Exchanges change them without notice, for open positions too: compare before money depends on it (sources: `plimsoll liq --list`).",
        days.join(", ")
    )];
    let doubts = doubts
        .iter()
        .map(|(doubt, symbols)| format!("About the tiers of {}: {doubt}.", list(symbols)));
    notes.extend(doubts);
    notes
}

fn exceeds_leverage(leg: &Leg) -> bool {
    let tier = leg.tiers.at(leg.notional(leg.mark));
    // Where contracts are counted the family decides; left out here.
    leg.family.is_none()
        && leg
            .leverage
            .is_some_and(|leverage| leverage > tier.max_leverage)
}

fn names(symbols: &[&str]) -> String {
    let shown: Vec<&str> = symbols.iter().copied().take(NAMES_MAX).collect();
    match symbols.len().saturating_sub(NAMES_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A word without capitals, dashes and spaces.
fn plain(word: &str) -> String {
    let letters = word.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}
