//! From what was stated to what can be computed: tables and defaults filled in, positions gathered
//! into the scopes that are liquidated together.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::account::{Account, Stated};
use super::json::{self, Place, Wrong};
use super::known::{Known, position};
use super::notes::notes;
use super::symbol;
use super::tables::{Broken, Tables};
use crate::domain::{ContractKind, MarginMode, Money, PositionKey, Price, Rate};
use crate::margin::{CloseFee, Leg, ScopeMargin, Venue};

/// The smallest price that is taken: below it an inverse contract leaves the range of exact numbers.
pub(super) const PRICE_MIN: Decimal = Decimal::from_parts(1, 0, 0, false, 15);

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

/// Why there is no book.
#[derive(Debug, thiserror::Error)]
pub(super) enum BookError {
    #[error(transparent)]
    Wrong(#[from] Wrong),
    #[error(transparent)]
    Broken(#[from] Broken),
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

/// A word without capitals, dashes and spaces.
fn plain(word: &str) -> String {
    let letters = word.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}
