//! What Bybit adds to the tiers: the fee of closing at the bankruptcy price.
//!
//! Source: help pages "New Margin Calculation" (2025-09-18) and "Liquidation Price" (isolated,
//! 2026-05-27). In cross the tiers are taken at mark and the fee at the entry: four live positions of
//! 2025-10 to 2026-03 show it to the last digit.

use rust_decimal::Decimal;

use super::exposure::{Exposure, Stake, quotient};
use crate::domain::{ContractKind, Rate};

/// Decimals an amount of added margin may have.
pub(super) const MARGIN_DECIMALS: u32 = 4;

/// Value at which closing leaves nothing of `wallet` once the fee is paid. Closing at value `v` pays
/// `wallet + profit(v) - v * fee`; for a linear long the profit is `v - cost`, for an inverse one it
/// is `cost - v`.
pub(super) fn value_at_ruin(leg: &Exposure<'_>, wallet: Decimal, fee: Rate) -> Decimal {
    let cost = leg.value_at(leg.entry);
    let grows = match leg.contract {
        ContractKind::Linear => leg.sign(),
        ContractKind::Inverse => -leg.sign(),
    };
    quotient(grows * cost - wallet, grows - fee.get()).max(Decimal::ZERO)
}

/// Fee of closing where the initial margin is lost.
pub(super) fn fee_at_loss(stake: &Stake, fee: Rate) -> Decimal {
    stake.value_at_loss() * fee.get()
}
