//! What the trader allows beyond adding margin and trimming. Plain data; `config` fills it.

use serde::{Deserialize, Serialize};

use crate::domain::{HOUR_MS, Money};

/// Acts that move the trader's own orders and money around.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Allowance {
    /// The trader's own resting orders that would enlarge exposure may be cancelled where their margin
    /// is needed for a rescue. What closes or protects a position is never touched.
    pub cancel_own_orders: bool,
    pub give_back: GiveBack,
    /// Most that may be moved in from the spot and funding wallets in one UTC day, over all positions;
    /// zero: never.
    pub move_in_per_day: Money,
}

/// When margin that Plimsoll has added may go back into the free balance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GiveBack {
    pub allowed: bool,
    /// The position must have been calm for this long, and nothing given back for this long.
    pub after_ms: i64,
    /// What stays is at least this multiple of the act distance and of the distance at which the
    /// margin was added; at least 2.5, so that giving back alone never ends the calm.
    pub factor: f64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            cancel_own_orders: true,
            move_in_per_day: Money::ZERO,
            give_back: GiveBack {
                allowed: false,
                after_ms: 6 * HOUR_MS,
                factor: 3.0,
            },
        }
    }
}
