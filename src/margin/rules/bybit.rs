//! Bybit v5, unified trading account.
//!
//! Sources: help pages "Initial and maintenance margin" (2025-09-18), "Liquidation price of inverse
//! contracts" (2026-05-27), Glossary (2026-03-13), read 2026-11. The linear isolated price is derived
//! in the same way as the published inverse one. In cross mode the value is taken at mark and the
//! close fee at entry: live positions of 2025-10 to 2026-03 show it to the last digit (see the tests
//! of recorded positions). Which tier the venue uses at the line, what its
//! unified account does with an isolated partial close, and the removable margin are not verified.

use super::{
    CloseFee, FundingFrom, LeverageChange, PartialClose, Ratio, Removal, Rules, ShownLine, TierBy,
    Venue,
};

pub(super) const RULES: Rules = Rules {
    venue: Venue::Bybit,
    tier_by: TierBy::Value,
    close_fee: CloseFee::AtBankruptcy,
    ratio: Ratio::DemandOverEquity,
    alive_at_line: false,
    partial_close: PartialClose::ReleasesProRata,
    leverage_change: LeverageChange::BooksAnew,
    funding_from: FundingFrom::FreeBalanceFirst,
    removal: Removal::AddedPart,
    fee_from_wallet: false,
    discounts_profit: false,
    shown_line: ShownLine::Exact,
};
