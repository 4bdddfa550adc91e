//! OKX's tiers: one rate for the whole position, picked by contracts.
//!
//! Source: help page "Position tier" (third-party copies of 2025-05); no table of the venue carries a
//! deduction column.

use super::exposure::Exposure;
use crate::domain::{Quantity, Rate, Symbol, TierTable};

/// The rate for `contracts`: that of the first tier whose largest size is not exceeded.
pub(super) fn rate(tiers: &TierTable, contracts: Quantity) -> Rate {
    let all = tiers.tiers();
    all.iter()
        .find(|tier| tier.cap.is_none_or(|cap| contracts.get() <= cap.get()))
        .or(all.last())
        .map_or(Rate::ZERO, |tier| tier.maintenance_rate)
}

/// Contracts of the family of `leg`, long plus short.
pub(super) fn crowd<'a>(leg: &Exposure<'_>, all: impl Iterator<Item = Exposure<'a>>) -> Quantity {
    all.filter(|other| family(other.symbol) == family(leg.symbol))
        .map(|other| other.contracts)
        .sum()
}

/// What shares one tier count: a perpetual stands alone, dated contracts of one underlying go
/// together (`BTC-USDT-261225` and `BTC-USDT-270326`).
fn family(symbol: &Symbol) -> &str {
    let name = symbol.as_str();
    match name.rsplit_once('-') {
        Some((stem, tail)) if !tail.is_empty() && tail.bytes().all(|b| b.is_ascii_digit()) => stem,
        Some(_) | None => name,
    }
}
