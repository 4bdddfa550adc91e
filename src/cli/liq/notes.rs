//! What is said beside the numbers: what was assumed, and what the venue may see otherwise.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::account::Account;
use super::known::Known;
use crate::domain::{MarginMode, Price, Rate, Side, Symbol, TierTable};
use crate::margin::{Leg, Venue};

/// A deduction may be off by this share of its step, as rounded tables are…
const JUMP: Rate = Rate::of(Decimal::from_parts(1, 0, 0, false, 2));
/// …or by this share of the value at the border.
const JUMP_OF_VALUE: Rate = Rate::of(Decimal::from_parts(1, 0, 0, false, 5));
/// Names in a note before the rest is only counted.
const NAMES_MAX: usize = 5;

/// Everything that is said about an account as stated.
pub(super) fn notes(account: &Account, known: &[Known]) -> Vec<String> {
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
