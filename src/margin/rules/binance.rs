//! Binance USDⓈ-M and COIN-M.
//!
//! Sources: support articles b3c689c1 (USDⓈ-M liquidation price), ceccfcfb (COIN-M), 360038447311
//! (removable margin), c983a926 (multi-assets mode), read 2026-11. Neither fee nor funding is inside
//! the line. What a partial close does to an isolated wallet is believed, not verified.

use super::{
    CloseFee, FundingFrom, LeverageChange, PartialClose, Ratio, Removal, Rules, ShownLine, TierBy,
    Venue,
};

pub(super) const USDM: Rules = Rules {
    venue: Venue::BinanceUsdm,
    tier_by: TierBy::Value,
    close_fee: CloseFee::None,
    ratio: Ratio::DemandOverEquity,
    alive_at_line: false,
    partial_close: PartialClose::ReleasesProRata,
    leverage_change: LeverageChange::KeepsWallet,
    funding_from: FundingFrom::Wallet,
    removal: Removal::AboveMaintenanceAndInitial,
    fee_from_wallet: false,
    discounts_profit: true,
    shown_line: ShownLine::Exact,
};

pub(super) const COINM: Rules = Rules {
    venue: Venue::BinanceCoinm,
    ..USDM
};
