//! What became of a scene, as plain data.

use std::collections::BTreeMap;

use crate::domain::{Money, PositionKey, Price, Quantity, Rate, Timestamp};

/// What took effect on a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// So much of it was closed.
    Trim(Quantity),
    /// So much was moved into it.
    AddMargin(Money),
}

/// One act that took effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    pub at: Timestamp,
    pub key: PositionKey,
    pub deed: Deed,
    /// Mark price of the position then.
    pub price: Price,
    /// Id of the guard's intent; `None` for baselines.
    pub intent: Option<String>,
    /// Second half of trim-and-recycle: no new money.
    pub recycled: bool,
    /// The position was the one with the nearest liquidation price.
    pub nearest: bool,
}

/// How a position ended.
#[derive(Debug, Clone, PartialEq)]
pub struct LegEnd {
    pub key: PositionKey,
    pub start: Quantity,
    pub end: Quantity,
    /// When, and at which mark, the exchange took it.
    pub liquidated: Option<(Timestamp, Price)>,
}

/// A look at one position, once a minute.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    pub at: Timestamp,
    pub key: PositionKey,
    pub mark: Price,
    /// The exchange's own number; `None` when the position is gone or has none.
    pub liquidation: Option<Price>,
    /// Where the guard means to act; `None` without a guard.
    pub act: Option<Price>,
}

/// What became of a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// In the order of the scene's seats.
    pub legs: Vec<LegEnd>,
    pub acts: Vec<Act>,
    /// New margin that did not come out of a trim.
    pub added: Money,
    /// Additions that the exchange made by itself.
    pub automatic: usize,
    /// Trading and liquidation fees, and the difference between fills and mark.
    pub friction: Money,
    /// The part of it that the exchange took for liquidations.
    pub liquidation_fees: Money,
    /// Funding paid; below zero when received.
    pub funding: Money,
    /// Wallets and unrealised profit at the start and the end.
    pub equity: (Money, Money),
    /// Where the guard means to act, as it sees it at the start.
    pub act_prices: BTreeMap<PositionKey, Price>,
    /// Empty unless asked for.
    pub course: Vec<Look>,
    /// The position that came nearest to its liquidation price, and how near, as a share of the mark;
    /// `None` unless asked for, for a guard, and where no position had such a price.
    pub nearest: Option<(PositionKey, Rate)>,
    /// Look-ups of unknown outcomes.
    pub lookups: u32,
}

impl Run {
    /// Was any position taken by the exchange?
    #[must_use]
    pub fn is_liquidated(&self) -> bool {
        self.legs.iter().any(|leg| leg.liquidated.is_some())
    }
}
