//! Resting stops: market orders that wait for a trigger.
//! Source: venue pages "New Algo Order" and "Event: Algo Order Update" (USDⓈ-M futures), 2026-11.
//!
//! Triggers are looked at once per tape step, *after* liquidation: where one step passes both the
//! trigger and the liquidation price, the position is liquidated. The real venue sees every price in
//! between and may be quicker; the simulator does not flatter whoever relies on a stop.

use std::fmt;

use super::account::{AccountId, remember};
use super::matching::check_quantity;
use super::model::Exchange;
use super::order::{OrderKind, OrderRequest, OrderSide};
use super::{PrivateNotice, Refusal};
use crate::domain::{MarginMode, PositionKey, PositionSide, Price, Quantity, Symbol, Timestamp};

/// Stops per account over all symbols. Source: venue change log of 2025-12-29.
const ALGO_ORDERS_MAX: usize = 200;

/// What kind of conditional order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlgoKind {
    /// Sells at or below its trigger, buys at or above.
    StopMarket,
    /// Sells at or above its trigger, buys at or below.
    TakeProfitMarket,
}

/// Which price is compared with the trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkingPrice {
    Mark,
    /// The last trade.
    Contract,
}

/// Where a conditional order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlgoStatus {
    New,
    Triggered,
    /// Triggered, and its market order was executed.
    Finished,
    Canceled,
    /// Triggered without anything to close.
    Expired,
    /// Triggered, and its market order was refused.
    Rejected,
}

impl fmt::Display for AlgoStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "NEW",
            Self::Triggered => "TRIGGERED",
            Self::Finished => "FINISHED",
            Self::Canceled => "CANCELED",
            Self::Expired => "EXPIRED",
            Self::Rejected => "REJECTED",
        })
    }
}

/// What a conditional order asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlgoRequest {
    pub symbol: Symbol,
    pub side: OrderSide,
    /// `None` means the one-way slot.
    pub position_side: Option<PositionSide>,
    pub kind: AlgoKind,
    pub trigger: Price,
    pub working: WorkingPrice,
    /// `None` closes the whole position.
    pub quantity: Option<Quantity>,
    /// `None` when the request does not speak of it; in hedge mode it must not.
    pub reduce_only: Option<bool>,
    pub client_id: Option<String>,
}

/// A conditional order as the venue keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlgoOrder {
    pub id: u64,
    pub client_id: String,
    pub request: AlgoRequest,
    pub position_side: PositionSide,
    pub status: AlgoStatus,
    /// The market order it became.
    pub order_id: Option<u64>,
    pub executed: Quantity,
    pub average: Option<Price>,
    /// Why it was rejected; empty otherwise.
    pub reason: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub triggered_at: Option<Timestamp>,
}

impl AlgoOrder {
    /// True when it closes the whole position.
    #[must_use]
    pub const fn closes(&self) -> bool {
        self.request.quantity.is_none()
    }

    /// True when it cannot open anything.
    #[must_use]
    pub fn reduces(&self) -> bool {
        self.closes() || self.request.reduce_only == Some(true)
    }

    fn key(&self) -> PositionKey {
        PositionKey {
            symbol: self.request.symbol.clone(),
            position_side: self.position_side,
        }
    }
}

impl AlgoRequest {
    fn triggered_at_price(&self, price: Price) -> bool {
        match (self.kind, self.side) {
            (AlgoKind::StopMarket, OrderSide::Sell)
            | (AlgoKind::TakeProfitMarket, OrderSide::Buy) => price <= self.trigger,
            (AlgoKind::StopMarket, OrderSide::Buy)
            | (AlgoKind::TakeProfitMarket, OrderSide::Sell) => price >= self.trigger,
        }
    }
}

impl Exchange {
    /// Places a conditional order.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was changed.
    pub fn place_algo(
        &mut self,
        account: AccountId,
        request: &AlgoRequest,
    ) -> Result<AlgoOrder, Refusal> {
        let slot = self.check_algo(account, request)?;
        let price = self.working_price(request).ok_or(Refusal::UnknownSymbol)?;
        if request.triggered_at_price(price) {
            return Err(Refusal::WouldTrigger);
        }
        let (id, now) = (self.fresh_id(), self.now);
        let client_id = request.client_id.clone();
        let order = AlgoOrder {
            id,
            client_id: client_id.unwrap_or_else(|| format!("sim-algo-{id}")),
            request: request.clone(),
            position_side: slot,
            status: AlgoStatus::New,
            order_id: None,
            executed: Quantity::ZERO,
            average: None,
            reason: String::new(),
            created_at: now,
            updated_at: now,
            triggered_at: None,
        };
        let found = self.accounts.get_mut(account.0);
        let found = found.ok_or(Refusal::UnknownOrder)?;
        found.algos.insert(id, order.clone());
        self.tell(account, PrivateNotice::Algo(order.clone()));
        Ok(order)
    }

    /// Cancels a resting conditional order.
    ///
    /// # Errors
    /// [`Refusal::NothingToCancel`] when it does not rest.
    pub fn cancel_algo(&mut self, account: AccountId, id: u64) -> Result<AlgoOrder, Refusal> {
        let found = self.accounts.get(account.0);
        let order = found.and_then(|a| a.algos.get(&id)).cloned();
        let order = order.ok_or(Refusal::NothingToCancel)?;
        Ok(self.end_algo(account, order, AlgoStatus::Canceled))
    }

    /// A conditional order by the venue's id, else by its client id (the youngest of that name).
    #[must_use]
    pub fn find_algo(
        &self,
        account: AccountId,
        id: Option<u64>,
        client_id: Option<&str>,
    ) -> Option<AlgoOrder> {
        let found = self.accounts.get(account.0)?;
        let all = found
            .algos
            .values()
            .rev()
            .chain(found.done_algos.iter().rev());
        all.into_iter()
            .find(|order| match (id, client_id) {
                (Some(id), _) => order.id == id,
                (None, Some(client_id)) => order.client_id == client_id,
                (None, None) => false,
            })
            .cloned()
    }

    /// Resting conditional orders, oldest first.
    #[must_use]
    pub fn open_algos(&self, account: AccountId) -> Vec<AlgoOrder> {
        let found = self.accounts.get(account.0);
        found.map_or_else(Vec::new, |a| a.algos.values().cloned().collect())
    }

    /// Ended conditional orders that are remembered, oldest first.
    #[must_use]
    pub fn done_algos(&self, account: AccountId) -> Vec<AlgoOrder> {
        let found = self.accounts.get(account.0);
        found.map_or_else(Vec::new, |a| a.done_algos.iter().cloned().collect())
    }

    /// Fires every conditional order whose price has come.
    pub(crate) fn trigger_algos(&mut self, account: AccountId) {
        let Some(found) = self.accounts.get(account.0) else {
            return;
        };
        let due: Vec<AlgoOrder> = found
            .algos
            .values()
            .filter(|order| {
                let price = self.working_price(&order.request);
                price.is_some_and(|price| order.request.triggered_at_price(price))
            })
            .cloned()
            .collect();
        for order in due {
            // An order before it may have ended this one.
            if self
                .accounts
                .get(account.0)
                .is_some_and(|a| a.algos.contains_key(&order.id))
            {
                self.fire(account, order);
            }
        }
    }

    /// Cancels conditional orders that a liquidation sweeps away.
    pub(crate) fn cancel_algos_for_liquidation(
        &mut self,
        account: AccountId,
        keys: &[PositionKey],
        mode: MarginMode,
    ) {
        let doomed: Vec<AlgoOrder> = self
            .open_algos(account)
            .into_iter()
            .filter(|order| mode == MarginMode::Cross || keys.contains(&order.key()))
            .collect();
        for order in doomed {
            self.end_algo(account, order, AlgoStatus::Canceled);
        }
    }

    fn check_algo(
        &self,
        account: AccountId,
        request: &AlgoRequest,
    ) -> Result<PositionSide, Refusal> {
        let board = self.boards.get(&request.symbol);
        let instrument = &board.ok_or(Refusal::UnknownSymbol)?.market.instrument;
        let found = self.accounts.get(account.0).ok_or(Refusal::UnknownOrder)?;
        if found.algos.len() >= ALGO_ORDERS_MAX {
            return Err(Refusal::TooManyStops);
        }
        if let Some(client_id) = &request.client_id
            && found
                .algos
                .values()
                .any(|order| order.client_id == *client_id)
        {
            return Err(Refusal::DuplicateClientId);
        }
        let slot = request.position_side.unwrap_or(PositionSide::Both);
        if found.hedge == (slot == PositionSide::Both) {
            return Err(Refusal::PositionSideMismatch);
        }
        if found.hedge && request.reduce_only.is_some() {
            return Err(Refusal::ReduceOnlyInHedge);
        }
        let opens = matches!(
            (slot, request.side),
            (PositionSide::Long, OrderSide::Buy) | (PositionSide::Short, OrderSide::Sell)
        );
        match request.quantity {
            Some(quantity) => check_quantity(instrument, OrderKind::Market, quantity)?,
            None if opens || request.reduce_only.is_some() => {
                return Err(Refusal::ClosePositionConflict);
            }
            None => {}
        }
        if request.trigger.floor_to(instrument.tick) != request.trigger {
            return Err(Refusal::PriceTick);
        }
        Ok(slot)
    }

    fn working_price(&self, request: &AlgoRequest) -> Option<Price> {
        let board = self.boards.get(&request.symbol)?;
        Some(match request.working {
            WorkingPrice::Mark => board.mark,
            WorkingPrice::Contract => board.last,
        })
    }

    fn fire(&mut self, account: AccountId, mut order: AlgoOrder) {
        let now = self.now;
        order.triggered_at = Some(now);
        order.updated_at = now;
        order.status = AlgoStatus::Triggered;
        self.tell(account, PrivateNotice::Algo(order.clone()));
        let held = self.accounts.get(account.0);
        let held = held
            .map(|a| a.slot(&order.key()).amount)
            .unwrap_or_default();
        let request = &order.request;
        let closable = !held.is_zero() && held.is_negative() == (request.side == OrderSide::Buy);
        if order.closes() && !closable {
            self.end_algo(account, order, AlgoStatus::Expired);
            return;
        }
        let hedge = order.position_side != PositionSide::Both;
        let child = OrderRequest {
            position_side: request.position_side,
            reduce_only: (!hedge).then(|| order.reduces()),
            client_id: Some(order.client_id.clone()),
            ..OrderRequest::market(
                &request.symbol,
                request.side,
                request.quantity.unwrap_or_else(|| held.abs()),
            )
        };
        let closes = order.closes();
        let status = match self.place_order(account, &child, closes) {
            Ok(done) => {
                order.order_id = Some(done.id);
                order.executed = done.executed;
                order.average = done.average();
                AlgoStatus::Finished
            }
            Err(refusal) => {
                order.reason = refusal.to_string();
                AlgoStatus::Rejected
            }
        };
        self.end_algo(account, order, status);
    }

    fn end_algo(
        &mut self,
        account: AccountId,
        mut order: AlgoOrder,
        status: AlgoStatus,
    ) -> AlgoOrder {
        order.status = status;
        order.updated_at = self.now;
        if let Some(found) = self.accounts.get_mut(account.0) {
            found.algos.remove(&order.id);
            remember(&mut found.done_algos, order.clone());
        }
        self.tell(account, PrivateNotice::Algo(order.clone()));
        order
    }
}
