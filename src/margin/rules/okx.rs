//! OKX v5.
//!
//! Sources: help pages on margin ratio and tiers (copies of 2025-05), and live positions of 2021 to
//! 2026 whose ratio and liquidation price follow from these rules to the last digit (isolated linear
//! and inverse, cross inverse; see the tests of recorded positions), read 2026-11. A partial close of an isolated position and
//! the removable margin are not verified.

use super::{
    CloseFee, FundingFrom, LeverageChange, PartialClose, Ratio, Removal, Rules, ShownLine, TierBy,
    Venue,
};

pub(super) const RULES: Rules = Rules {
    venue: Venue::Okx,
    tier_by: TierBy::Contracts,
    close_fee: CloseFee::AtMark,
    ratio: Ratio::EquityOverDemand,
    alive_at_line: false,
    partial_close: PartialClose::ReleasesProRata,
    leverage_change: LeverageChange::KeepsWallet,
    funding_from: FundingFrom::Wallet,
    removal: Removal::AboveInitial,
    fee_from_wallet: false,
    discounts_profit: true,
    shown_line: ShownLine::IsolatedTickTowardMark,
};
