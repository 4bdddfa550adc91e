//! Hyperliquid perpetuals.
//!
//! Sources: hyperliquid.gitbook.io, "Liquidations" and "Margin tiers" (undated copies), and live
//! account states whose liquidation price follows from these rules, read 2026-11. No fee is inside
//! the line. The release of margin on a partial close is not verified.

use super::{
    CloseFee, FundingFrom, LeverageChange, PartialClose, Ratio, Removal, Rules, ShownLine, TierBy,
    Venue,
};

pub(super) const RULES: Rules = Rules {
    venue: Venue::Hyperliquid,
    tier_by: TierBy::Value,
    close_fee: CloseFee::None,
    ratio: Ratio::DemandOverEquity,
    alive_at_line: true,
    partial_close: PartialClose::ReleasesProRata,
    leverage_change: LeverageChange::KeepsWallet,
    funding_from: FundingFrom::Wallet,
    removal: Removal::AboveInitialAndTenth,
    fee_from_wallet: true,
    discounts_profit: false,
    shown_line: ShownLine::Exact,
};
