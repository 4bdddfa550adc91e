//! One open position as the venue reports it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Money, Price, Quantity, Symbol, Timestamp};

/// Direction of exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Long,
    Short,
}

impl Side {
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Long => Self::Short,
            Self::Short => Self::Long,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Long => "long",
            Self::Short => "short",
        })
    }
}

/// The slot a position lives in: one per symbol in one-way mode, two in hedge mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PositionSide {
    Both,
    Long,
    Short,
}

/// Whose money backs the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarginMode {
    Isolated,
    Cross,
}

impl fmt::Display for MarginMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Isolated => "isolated",
            Self::Cross => "cross",
        })
    }
}

/// Identity of a position within an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PositionKey {
    pub symbol: Symbol,
    pub position_side: PositionSide,
}

impl fmt::Display for PositionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position_side {
            PositionSide::Both => write!(f, "{}", self.symbol),
            PositionSide::Long => write!(f, "{} long", self.symbol),
            PositionSide::Short => write!(f, "{} short", self.symbol),
        }
    }
}

/// A position with a quantity above zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub key: PositionKey,
    pub side: Side,
    /// Absolute size, above zero.
    pub quantity: Quantity,
    pub entry_price: Price,
    pub margin_mode: MarginMode,
    pub margin_asset: String,
    /// Configured initial leverage, where the venue tells it.
    pub leverage: Option<u32>,
    /// Isolated wallet *without* unrealised profit; zero for cross.
    pub isolated_wallet: Money,
    /// Mark price at the time of the report.
    pub mark_price: Price,
    /// The venue's own liquidation price; `None` when it reports none.
    pub venue_liquidation: Option<Price>,
    /// The venue's own maintenance margin, where it reports one.
    pub venue_maintenance: Option<Money>,
    /// True when the venue itself tops this isolated position up from the cross wallet.
    pub auto_add_margin: bool,
    pub updated_at: Timestamp,
}

impl Position {
    /// Profit not yet realised at `mark`, in the settlement asset (linear contracts).
    #[must_use]
    pub fn unrealized(&self, mark: Price) -> Money {
        let gain = (mark - self.entry_price) * self.quantity;
        match self.side {
            Side::Long => gain,
            Side::Short => -gain,
        }
    }
}
