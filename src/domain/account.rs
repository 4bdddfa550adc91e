//! A whole account at one instant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Money, OpenOrder, Position, Timestamp};

/// One settlement asset of a futures account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Balance {
    /// Cross wallet: without isolated wallets and without unrealised profit.
    pub cross_wallet: Money,
    /// What may be moved into an isolated position now, as the venue states it.
    pub available: Money,
}

/// One-way (one slot per symbol) or hedge (a long and a short slot).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PositionMode {
    #[default]
    OneWay,
    Hedge,
}

/// Everything the guard needs to know about an account, read in one go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Account {
    pub position_mode: PositionMode,
    /// True when all assets back all cross positions together.
    pub multi_assets: bool,
    pub can_trade: bool,
    pub balances: BTreeMap<String, Balance>,
    /// Only positions with a quantity above zero.
    pub positions: Vec<Position>,
    /// Resting orders that may lock margin; `None` where they were not read.
    #[serde(default)]
    pub open_orders: Option<Vec<OpenOrder>>,
    /// Venue time at which the reading began: state changes after it may be missing.
    pub taken_at: Timestamp,
}

/// A wallet of the same owner at the same venue, outside the futures account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutsideWallet {
    Spot,
    Funding,
}

impl std::fmt::Display for OutsideWallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Spot => "spot",
            Self::Funding => "funding",
        })
    }
}

/// What is free of one asset in the wallets outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutsideBalance {
    pub spot: Money,
    pub funding: Money,
}
