//! Orders: who may place them, and how they meet the book.
//! Sources: venue pages "New Order", "Filters" and "Error Codes" of the USDⓈ-M futures API, 2026-11.

use rust_decimal::Decimal;

use super::account::{AccountId, remember};
use super::model::Exchange;
use super::order::{
    Execution, Order, OrderKind, OrderRequest, OrderSide, OrderStatus, TimeInForce,
};
use super::settle::fee_of;
use super::{PrivateNotice, Refusal};
use crate::domain::{
    BookLevel, Instrument, InstrumentStatus, LotLimits, Money, PositionKey, PositionSide, Price,
    Quantity, Rate, Symbol,
};

/// Resting orders per account and symbol (the venue's `MAX_NUM_ORDERS`).
pub(crate) const OPEN_ORDERS_MAX: usize = 200;

/// How an order relates to the slot it works on.
struct Intent {
    key: PositionKey,
    reduce_only: bool,
    closes: bool,
    /// Part that adds exposure.
    adding: Quantity,
}

impl Exchange {
    /// Checks and matches an order. Fills and the account change are announced before this returns.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was changed.
    pub fn place(&mut self, account: AccountId, request: &OrderRequest) -> Result<Order, Refusal> {
        self.place_order(account, request, false)
    }

    /// As [`Self::place`]; `closes` marks the market order of a close-position stop, which may take
    /// what resting reductions also wait for.
    pub(crate) fn place_order(
        &mut self,
        account: AccountId,
        request: &OrderRequest,
        closes: bool,
    ) -> Result<Order, Refusal> {
        let board = self.boards.get(&request.symbol);
        let instrument = &board.ok_or(Refusal::UnknownSymbol)?.market.instrument;
        if instrument.status != InstrumentStatus::Trading {
            return Err(Refusal::SymbolClosed);
        }
        self.check_client_id(account, request)?;
        check_quantity(instrument, request.kind, request.quantity)?;
        let intent = self.intent(account, request, closes)?;
        self.check_prices(request, &intent)?;
        let fills = self.take(request)?;
        self.check_margin(account, request, &intent, &fills)?;
        Ok(self.execute(account, request, &intent, &fills))
    }

    /// Cancels a resting order.
    ///
    /// # Errors
    /// [`Refusal::NothingToCancel`] when it does not rest.
    pub fn cancel(&mut self, account: AccountId, id: u64) -> Result<Order, Refusal> {
        self.end_order(account, id, OrderStatus::Canceled)
            .ok_or(Refusal::NothingToCancel)
    }

    /// Cancels all resting orders of a symbol; returns how many.
    pub fn cancel_all(&mut self, account: AccountId, symbol: &Symbol) -> usize {
        let Some(found) = self.accounts.get(account.0) else {
            return 0;
        };
        let ids: Vec<u64> = found
            .open
            .values()
            .filter(|order| order.symbol == *symbol)
            .map(|order| order.id)
            .collect();
        for id in &ids {
            self.end_order(account, *id, OrderStatus::Canceled);
        }
        ids.len()
    }

    /// An order by the venue's id, else by its client id (the youngest of that name).
    #[must_use]
    pub fn find_order(
        &self,
        account: AccountId,
        symbol: &Symbol,
        id: Option<u64>,
        client_id: Option<&str>,
    ) -> Option<Order> {
        let found = self.accounts.get(account.0)?;
        found
            .open
            .values()
            .rev()
            .chain(found.done.iter().rev())
            .find(|order| {
                let named = match (id, client_id) {
                    (Some(id), _) => order.id == id,
                    (None, Some(client_id)) => order.client_id == client_id,
                    (None, None) => false,
                };
                named && order.symbol == *symbol
            })
            .cloned()
    }

    /// Ends a resting order and tells the owner.
    pub(crate) fn end_order(
        &mut self,
        account: AccountId,
        id: u64,
        status: OrderStatus,
    ) -> Option<Order> {
        let now = self.now;
        let order = self.accounts.get_mut(account.0)?.finish(id, status, now)?;
        let execution = if status == OrderStatus::Canceled {
            Execution::Canceled
        } else {
            Execution::Expired
        };
        let told = PrivateNotice::Order {
            order: order.clone(),
            execution,
        };
        self.tell(account, told);
        Some(order)
    }

    fn check_client_id(&self, account: AccountId, request: &OrderRequest) -> Result<(), Refusal> {
        let Some(client_id) = &request.client_id else {
            return Ok(());
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || ".:/_-".contains(c);
        if client_id.is_empty() || client_id.len() > 36 || !client_id.chars().all(legal) {
            return Err(Refusal::BadClientId);
        }
        let found = self.accounts.get(account.0);
        let open = found.is_some_and(|a| a.open.values().any(|o| o.client_id == *client_id));
        if open {
            return Err(Refusal::DuplicateClientId);
        }
        Ok(())
    }

    /// Slot, reduce-only rules and the part that adds exposure.
    fn intent(
        &self,
        account: AccountId,
        request: &OrderRequest,
        closes: bool,
    ) -> Result<Intent, Refusal> {
        let found = self.accounts.get(account.0).ok_or(Refusal::UnknownOrder)?;
        let slot_side = request.position_side.unwrap_or(PositionSide::Both);
        if found.hedge == (slot_side == PositionSide::Both) {
            return Err(Refusal::PositionSideMismatch);
        }
        if found.hedge && request.reduce_only.is_some() {
            return Err(Refusal::ReduceOnlyInHedge);
        }
        let key = PositionKey {
            symbol: request.symbol.clone(),
            position_side: slot_side,
        };
        let held = found.slot(&key).amount;
        let wants = request.side.signed(request.quantity);
        let reduce_only = match slot_side {
            PositionSide::Both => request.reduce_only == Some(true),
            PositionSide::Long => request.side == OrderSide::Sell,
            PositionSide::Short => request.side == OrderSide::Buy,
        };
        let opposed = !held.is_zero() && held.is_negative() != wants.is_negative();
        if reduce_only {
            if !opposed || request.quantity > held.abs() {
                return Err(Refusal::ReduceOnlyRejected);
            }
            let resting = found.resting_reductions(&key, request.side);
            if !closes && resting + request.quantity > held.abs() {
                return Err(Refusal::ReduceOnlyConflict);
            }
        }
        let closing = if opposed { held.abs() } else { Quantity::ZERO };
        Ok(Intent {
            key,
            reduce_only,
            closes,
            adding: (request.quantity - closing).max(Quantity::ZERO),
        })
    }

    fn check_prices(&self, request: &OrderRequest, intent: &Intent) -> Result<(), Refusal> {
        let board = self.boards.get(&request.symbol);
        let board = board.ok_or(Refusal::UnknownSymbol)?;
        let instrument = &board.market.instrument;
        let reference = match request.kind {
            OrderKind::Market => board.mark,
            OrderKind::Limit => {
                let price = request.price.ok_or(Refusal::PriceMissing)?;
                check_price(instrument, board.mark, request.side, price)?;
                price
            }
        };
        if !intent.reduce_only && reference * request.quantity < instrument.min_notional {
            return Err(Refusal::MinNotional {
                limit: instrument.min_notional,
            });
        }
        Ok(())
    }

    /// What the order would get from the book now.
    fn take(&mut self, request: &OrderRequest) -> Result<Vec<BookLevel>, Refusal> {
        let now = self.now;
        let board = self.boards.get_mut(&request.symbol);
        let board = board.ok_or(Refusal::UnknownSymbol)?;
        let bound = market_bound(&board.market.instrument, board.mark, request.side);
        match request.kind {
            OrderKind::Market => {
                let best = board.best(request.side, now);
                let reachable = best.is_some_and(|best| match request.side {
                    OrderSide::Buy => best <= bound,
                    OrderSide::Sell => best >= bound,
                });
                if !reachable {
                    return Err(Refusal::MarketBound);
                }
                Ok(board.walk(request.side, request.quantity, bound, now))
            }
            OrderKind::Limit => {
                let limit = request.price.ok_or(Refusal::PriceMissing)?;
                let fills = board.walk(request.side, request.quantity, limit, now);
                let taken: Quantity = fills.iter().map(|fill| fill.quantity).sum();
                match request.time_in_force {
                    TimeInForce::Fok if taken < request.quantity => Err(Refusal::NotFillable),
                    TimeInForce::Gtx if !fills.is_empty() => Err(Refusal::WouldTake),
                    TimeInForce::Gtc | TimeInForce::Ioc | TimeInForce::Fok | TimeInForce::Gtx => {
                        Ok(fills)
                    }
                }
            }
        }
    }

    /// Initial margin, open loss and fee of what the order adds must be available.
    fn check_margin(
        &self,
        account: AccountId,
        request: &OrderRequest,
        intent: &Intent,
        fills: &[BookLevel],
    ) -> Result<(), Refusal> {
        if !intent.adding.is_positive() {
            return Ok(());
        }
        let (Some(found), Some(board)) = (
            self.accounts.get(account.0),
            self.boards.get(&request.symbol),
        ) else {
            return Err(Refusal::UnknownSymbol);
        };
        let resting = found.open.values().filter(|o| o.symbol == request.symbol);
        if resting.count() >= OPEN_ORDERS_MAX {
            return Err(Refusal::TooManyOrders);
        }
        let taken: Quantity = fills.iter().map(|fill| fill.quantity).sum();
        let quote: Money = fills.iter().map(|fill| fill.price * fill.quantity).sum();
        let price = match (quote.per(taken), request.price) {
            (Some(average), _) => average,
            (None, Some(limit)) => limit,
            (None, None) => board.mark,
        };
        let worse = match request.side {
            OrderSide::Buy => price - board.mark,
            OrderSide::Sell => board.mark - price,
        };
        let config = found.config(&request.symbol, &self.boards);
        let notional = price * intent.adding;
        let side = request.side.opens();
        let needed = found.rules.opening(side, notional, config.leverage)
            + worse.max(Price::ZERO) * intent.adding
            + fee_of(notional, self.spec.taker_fee);
        if needed > found.wallets(&self.boards).available {
            return Err(Refusal::MarginInsufficient);
        }
        let held = found.slot(&intent.key);
        let total = held.notional(board.mark) + notional;
        if total > max_notional(&board.market, config.leverage) {
            return Err(Refusal::MaxPosition);
        }
        Ok(())
    }

    fn execute(
        &mut self,
        account: AccountId,
        request: &OrderRequest,
        intent: &Intent,
        fills: &[BookLevel],
    ) -> Order {
        let id = self.fresh_id();
        let now = self.now;
        let mut order = Order {
            id,
            client_id: request
                .client_id
                .clone()
                .unwrap_or_else(|| format!("sim-{id}")),
            symbol: request.symbol.clone(),
            side: request.side,
            position_side: intent.key.position_side,
            kind: request.kind,
            time_in_force: request.time_in_force,
            quantity: request.quantity,
            price: request.price,
            reduce_only: intent.reduce_only,
            close_position: intent.closes,
            status: OrderStatus::New,
            executed: Quantity::ZERO,
            quote: Money::ZERO,
            created_at: now,
            updated_at: now,
        };
        let told = PrivateNotice::Order {
            order: order.clone(),
            execution: Execution::New,
        };
        self.tell(account, told);
        if let Some(board) = self.boards.get_mut(&request.symbol) {
            board.consume(request.side, fills, now);
        }
        for fill in fills {
            self.book_fill(account, &mut order, *fill, false);
        }
        let rests = match (order.kind, order.time_in_force) {
            (OrderKind::Limit, TimeInForce::Gtc | TimeInForce::Gtx) => true,
            (OrderKind::Limit, TimeInForce::Ioc | TimeInForce::Fok) | (OrderKind::Market, _) => {
                false
            }
        };
        self.keep(account, &mut order, rests);
        if !fills.is_empty() {
            self.after_fills(account, &intent.key);
        }
        order
    }

    /// Files an order where it belongs after its first matching.
    fn keep(&mut self, account: AccountId, order: &mut Order, rests: bool) {
        if order.status.is_open() && !rests {
            order.status = OrderStatus::Expired;
            let told = PrivateNotice::Order {
                order: order.clone(),
                execution: Execution::Expired,
            };
            self.tell(account, told);
        }
        let Some(found) = self.accounts.get_mut(account.0) else {
            return;
        };
        if order.status.is_open() {
            found.open.insert(order.id, order.clone());
        } else {
            remember(&mut found.done, order.clone());
        }
    }
}

/// Highest position value that a leverage allows: the cap of the last tier that still allows it.
pub(crate) fn max_notional(market: &super::Market, leverage: u32) -> Money {
    let allowing = market.tiers.tiers().iter().rev();
    let tier = allowing
        .into_iter()
        .find(|tier| tier.max_leverage >= leverage.into());
    tier.map_or(Money::ZERO, |tier| {
        tier.cap.unwrap_or(Money::of(Decimal::from(i64::MAX)))
    })
}

/// The size filter of an order type.
pub(crate) fn check_quantity(
    instrument: &Instrument,
    kind: OrderKind,
    quantity: Quantity,
) -> Result<(), Refusal> {
    let lot: LotLimits = match kind {
        OrderKind::Market => instrument.market_lot,
        OrderKind::Limit => instrument.limit_lot,
    };
    if !quantity.is_positive() {
        return Err(Refusal::QuantityNotPositive);
    }
    if quantity.get().normalize().scale() > lot.step.normalize().scale() {
        return Err(Refusal::Precision);
    }
    if quantity < lot.min {
        return Err(Refusal::QuantityTooSmall);
    }
    if quantity > lot.max {
        return Err(Refusal::QuantityTooLarge);
    }
    if (quantity - lot.min).floor_to(lot.step) != quantity - lot.min {
        return Err(Refusal::QuantityStep);
    }
    Ok(())
}

fn check_price(
    instrument: &Instrument,
    mark: Price,
    side: OrderSide,
    price: Price,
) -> Result<(), Refusal> {
    if !price.is_positive() {
        return Err(Refusal::PriceMissing);
    }
    if price.floor_to(instrument.tick) != price {
        return Err(Refusal::PriceTick);
    }
    match side {
        OrderSide::Buy => {
            let limit = instrument.price_cap_factor.map(|f| mark * f);
            match limit.filter(|limit| price > *limit) {
                Some(limit) => Err(Refusal::PriceTooHigh { limit }),
                None => Ok(()),
            }
        }
        OrderSide::Sell => {
            let limit = instrument.price_floor_factor.map(|f| mark * f);
            match limit.filter(|limit| price < *limit) {
                Some(limit) => Err(Refusal::PriceTooLow { limit }),
                None => Ok(()),
            }
        }
    }
}

/// Worst price a market order may trade at.
fn market_bound(instrument: &Instrument, mark: Price, side: OrderSide) -> Price {
    let bound = instrument.market_take_bound.unwrap_or(Rate::ONE);
    match side {
        OrderSide::Buy => mark + mark * bound,
        OrderSide::Sell => mark - mark * bound,
    }
}
