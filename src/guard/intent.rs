//! One protective act and what became of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{
    MarginMode, Money, OpenOrder, OutsideWallet, PositionKey, PositionMode, Price, Quantity, Side,
    Timestamp,
};

/// Identity of one act, made before it is journaled and sent. Orders carry it as client order id:
/// at most 36 characters of `[.A-Z:/a-z0-9_-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntentId(String);

impl IntentId {
    /// `plim-<instance>-<sequence>`; the instance is a short word that is unique per journal.
    #[must_use]
    pub fn new(instance: &str, sequence: u64) -> Self {
        Self(format!("plim-{instance}-{sequence}"))
    }

    /// An id read back from a journal, a button or a venue.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is liquidated together: an isolated position, or all cross positions of one asset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Isolated(PositionKey),
    /// The margin asset whose cross wallet backs the positions.
    Cross(String),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Isolated(key) => write!(f, "{key}"),
            Self::Cross(asset) => write!(f, "cross {asset}"),
        }
    }
}

/// The things that are ever done. None can raise exposure; what takes margin away again does so only
/// in calm and never past a multiple of the act distance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum IntentKind {
    /// Move `amount` of the settlement asset from the cross wallet into the isolated position.
    AddMargin { amount: Money },
    /// Close `quantity`: reduce-only in one-way mode, closing position side in hedge mode.
    Reduce {
        quantity: Quantity,
        /// `Some`: LIMIT IOC at this price or better. `None`: MARKET.
        bound: Option<Price>,
        /// Add back, as a second intent under the same plan, at most what the trim freed.
        recycle: bool,
    },
    /// Move `amount` of margin that Plimsoll itself has added back into the cross wallet.
    TakeBack { amount: Money },
    /// Cancel these resting orders of the trader, which would enlarge exposure: at most
    /// [`CANCELS_MAX`]. Money moves nowhere, only `frees` becomes available.
    CancelOrders {
        orders: Vec<OpenOrder>,
        /// About what becomes available.
        frees: Money,
    },
    /// Move `amount` from another wallet of the owner into the futures wallet.
    MoveIn { amount: Money, from: OutsideWallet },
}

/// Most orders that one intent cancels.
pub const CANCELS_MAX: usize = 10;

/// What the account showed when the intent was made; verification compares with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    pub quantity: Quantity,
    pub isolated_wallet: Money,
    pub cross_wallet: Money,
}

/// One act, complete enough to be sent, looked up and verified by a process that knows only it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub id: IntentId,
    /// Groups the intents of one rescue; trim-and-recycle has two.
    pub plan: u64,
    pub scope: Scope,
    pub key: PositionKey,
    /// Side of the position when planned; on any other side the intent is void.
    pub side: Side,
    pub margin_mode: MarginMode,
    pub position_mode: PositionMode,
    pub margin_asset: String,
    pub kind: IntentKind,
    /// Second half of trim-and-recycle: spends what the first half freed, no new money.
    #[serde(default)]
    pub recycled: bool,
    pub before: Before,
    /// Expected cost in the settlement asset: fees and slippage.
    pub cost: Money,
    /// One sentence with the numbers that led here.
    pub reason: String,
    pub planned_at: Timestamp,
}

impl Intent {
    /// Does it only make money available, for a rescue that follows?
    #[must_use]
    pub fn only_frees(&self) -> bool {
        match self.kind {
            IntentKind::CancelOrders { .. } | IntentKind::MoveIn { .. } => true,
            IntentKind::AddMargin { .. }
            | IntentKind::Reduce { .. }
            | IntentKind::TakeBack { .. } => false,
        }
    }

    /// Does it bring money in from another wallet of the owner?
    #[must_use]
    pub fn moves_in(&self) -> bool {
        matches!(self.kind, IntentKind::MoveIn { .. })
    }

    /// Is it a rescue, which counts against the budgets and starts a cool-down?
    #[must_use]
    pub fn is_rescue(&self) -> bool {
        match self.kind {
            IntentKind::AddMargin { .. }
            | IntentKind::Reduce { .. }
            | IntentKind::CancelOrders { .. }
            | IntentKind::MoveIn { .. } => true,
            IntentKind::TakeBack { .. } => false,
        }
    }
}

/// What an executed order did, as far as the venue has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FillReport {
    pub quantity: Quantity,
    pub average_price: Option<Price>,
    pub fee: Option<Money>,
}

/// What a refusal asks of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// The guard's picture was wrong (gone, flipped, other mode): re-read the account, plan anew.
    Resync,
    /// Nothing left to reduce.
    AlreadyFlat,
    /// Not enough free balance to add margin: reduce instead.
    NoBalance,
    /// The size or price broke a filter: re-read the instrument, round again.
    RefreshFilters,
    /// A market order may not trade that far from mark: use a bounded price.
    BoundPrice,
    /// Not accepted now but surely not executed: try again after a pause.
    RetryLater,
    /// Nothing the agent can do (key, permission, account state): tell the trader at once.
    Powerless,
}

/// How sending ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The venue acknowledged and the order is final; `fill` may be less than asked.
    Done { fill: Option<FillReport> },
    /// The venue said no; nothing was executed.
    Rejected {
        reaction: Reaction,
        code: Option<i64>,
        message: String,
    },
    /// Nothing was sent or the venue throttled before execution; `until` is venue time.
    Throttled { until: Timestamp },
    /// It may or may not have been executed.
    Unknown { message: String },
}

/// Answer of the venue to "what became of this intent?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "resolution", rename_all = "kebab-case")]
pub enum Resolution {
    /// It was executed, at least in part, and is final.
    Executed { fill: Option<FillReport> },
    /// The venue knows it and it ended without any execution.
    NotExecuted,
    /// The venue does not know it (yet).
    NotFound,
    /// It is known and still working.
    Working,
    /// The question could not be asked.
    Unreachable { message: String },
}

impl Resolution {
    /// Does it leave open what became of the intent?
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Executed { .. } | Self::NotExecuted => false,
            Self::NotFound | Self::Working | Self::Unreachable { .. } => true,
        }
    }
}

/// How an intent ended for good; written to the journal as its last record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "kebab-case")]
pub enum Ending {
    /// The effect was seen by re-reading the account.
    Verified { fill: Option<FillReport> },
    /// Acknowledged by the venue, but re-reading never showed it.
    Unverified { fill: Option<FillReport> },
    /// Certainly not executed.
    NotExecuted { message: String },
    /// The trader said no, or silence meant hold.
    Declined { message: String },
}
