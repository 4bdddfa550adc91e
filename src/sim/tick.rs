//! Time: tape steps, funding, resting orders, margin calls, liquidation sweeps.

use rust_decimal::Decimal;

use super::account::{AccountId, IncomeKind, Slot, remember};
use super::health::Health;
use super::matching::max_notional;
use super::model::{Exchange, Notice, following_funding};
use super::order::{Execution, Order, OrderKind, OrderSide, OrderStatus, TimeInForce, Trade};
use super::settle::{closing_side, fee_of};
use super::{AccountReason, PrivateNotice};
use crate::domain::{
    BookLevel, MarginMode, Money, PositionKey, Price, Quantity, Rate, Symbol, Timestamp,
};

/// A margin call goes out when maintenance reaches this share of the balance, in hundredths.
const CALL_PCT: i64 = 80;
/// It may go out again after the share fell below this, in hundredths.
const CALM_PCT: i64 = 70;
/// The venue's own top-ups per position and tape step.
const AUTO_ADDS_MAX: u32 = 16;

impl Exchange {
    /// When the next mark is due; `None` when all tapes have ended.
    #[must_use]
    pub fn next_tick(&self) -> Option<Timestamp> {
        self.boards
            .values()
            .filter_map(super::board::Board::next_at)
            .min()
    }

    /// Plays everything due until `at` and sets the venue's time to it. Never goes back.
    pub fn advance_to(&mut self, at: Timestamp) {
        while let Some(due) = self.next_tick().filter(|due| *due <= at) {
            self.pay_funding_until(due);
            self.now = self.now.max(due);
            let symbols: Vec<Symbol> = self
                .boards
                .iter_mut()
                .filter(|(_, board)| board.next_at() == Some(due))
                .map(|(symbol, board)| {
                    board.step();
                    symbol.clone()
                })
                .collect();
            self.after_marks(symbols);
        }
        self.pay_funding_until(at);
        self.now = self.now.max(at);
    }

    /// Announces all marks again with fresh books, for a venue that stays open after its tapes.
    pub fn repeat_marks(&mut self, at: Timestamp) {
        self.now = self.now.max(at);
        let symbols: Vec<Symbol> = self.boards.keys().cloned().collect();
        for board in self.boards.values_mut() {
            board.refresh();
        }
        self.after_marks(symbols);
    }

    /// Puts the mark of a symbol at `mark` now, with all consequences.
    pub fn force_mark(&mut self, symbol: &Symbol, mark: Price) {
        if let Some(board) = self.boards.get_mut(symbol) {
            board.set_mark(mark);
            self.after_marks(vec![symbol.clone()]);
        }
    }

    fn after_marks(&mut self, symbols: Vec<Symbol>) {
        let at = self.now;
        for symbol in symbols {
            self.announce(Notice::Mark { symbol, at });
        }
        for account in self.accounts() {
            let Some(found) = self.accounts.get(account.0) else {
                continue;
            };
            if !found.open.is_empty() {
                self.fill_resting(account);
            }
            self.sweep(account);
            let stops = self.accounts.get(account.0);
            if stops.is_some_and(|a| !a.algos.is_empty()) {
                self.trigger_algos(account);
            }
        }
    }

    fn pay_funding_until(&mut self, at: Timestamp) {
        while self.next_funding <= at {
            self.now = self.now.max(self.next_funding);
            for account in self.accounts() {
                self.pay_funding(account);
                self.sweep(account);
            }
            self.next_funding = following_funding(self.next_funding);
        }
    }

    fn pay_funding(&mut self, account: AccountId) {
        let rate = self.spec.funding_rate;
        let Some(found) = self.accounts.get(account.0) else {
            return;
        };
        let due: Vec<(PositionKey, Money, MarginMode)> = found
            .positions(&self.boards)
            .map(|(key, slot, board, config)| {
                let signed = board.mark.get() * slot.amount.get() * rate.get();
                (key.clone(), Money::of(signed.round_dp(8)), config.mode)
            })
            .collect();
        for (key, amount, mode) in due {
            let Some(found) = self.accounts.get_mut(account.0) else {
                continue;
            };
            found.funding_paid += amount;
            match mode {
                MarginMode::Cross => found.cross_wallet -= amount,
                MarginMode::Isolated => {
                    if let Some(slot) = found.slots.get_mut(&key) {
                        slot.isolated_wallet -= amount;
                    }
                }
            }
            let kind = IncomeKind::FundingFee;
            self.book_income(account, kind, Some(&key.symbol), -amount, None);
            let told = std::slice::from_ref(&key);
            self.tell_account(account, AccountReason::Funding, Money::ZERO, told);
        }
    }

    /// Resting orders whose price the mark has reached fill at their price, as makers.
    fn fill_resting(&mut self, account: AccountId) {
        let Some(found) = self.accounts.get(account.0) else {
            return;
        };
        let reached: Vec<Order> = found
            .open
            .values()
            .filter(|order| {
                let mark = self.boards.get(&order.symbol).map(|board| board.mark);
                match (order.side, order.price, mark) {
                    (OrderSide::Buy, Some(price), Some(mark)) => mark <= price,
                    (OrderSide::Sell, Some(price), Some(mark)) => mark >= price,
                    (OrderSide::Buy | OrderSide::Sell, _, _) => false,
                }
            })
            .cloned()
            .collect();
        for order in reached {
            self.fill_one(account, order);
        }
    }

    fn fill_one(&mut self, account: AccountId, mut order: Order) {
        let (Some(found), Some(price)) = (self.accounts.get(account.0), order.price) else {
            return;
        };
        if !found.open.contains_key(&order.id) {
            return;
        }
        let key = order.key();
        let held = found.slot(&key).amount;
        let adds = order.side.signed(order.remaining());
        let opposed = !held.is_zero() && held.is_negative() != adds.is_negative();
        let quantity = if order.reduce_only {
            let closable = if opposed { held.abs() } else { Quantity::ZERO };
            order.remaining().min(closable)
        } else {
            order.remaining()
        };
        let config = found.config(&order.symbol, &self.boards);
        let adding = if opposed {
            quantity - held.abs()
        } else {
            quantity
        };
        let opened = price * adding.max(Quantity::ZERO);
        let side = order.side.opens();
        let needed = found.rules.opening(side, opened, config.leverage);
        let over = self.boards.get(&order.symbol).is_some_and(|board| {
            let total = found.slot(&key).notional(board.mark) + price * adding;
            adding.is_positive() && total > max_notional(&board.market, config.leverage)
        });
        if !quantity.is_positive() || needed > found.cross_wallet || over {
            self.end_order(account, order.id, OrderStatus::Expired);
            return;
        }
        let id = order.id;
        self.book_fill(account, &mut order, BookLevel { price, quantity }, true);
        if let Some(found) = self.accounts.get_mut(account.0) {
            if order.status.is_open() {
                found.open.insert(id, order);
            } else {
                found.open.remove(&id);
                remember(&mut found.done, order);
            }
        }
        self.after_fills(account, &key);
    }

    /// Looks after every scope of an account: top-ups, calls, forced closes.
    fn sweep(&mut self, account: AccountId) {
        let Some(found) = self.accounts.get(account.0) else {
            return;
        };
        let mut any_cross = false;
        let mut isolated = Vec::new();
        for (key, _, _, config) in found.positions(&self.boards) {
            match config.mode {
                MarginMode::Cross => any_cross = true,
                MarginMode::Isolated => isolated.push(key.clone()),
            }
        }
        for key in isolated {
            self.sweep_isolated(account, &key);
        }
        if any_cross {
            self.sweep_cross(account);
        }
    }

    fn isolated_health(&self, account: AccountId, key: &PositionKey) -> Option<Health> {
        let found = self.accounts.get(account.0)?;
        found.isolated_health(key, &self.boards)
    }

    fn sweep_isolated(&mut self, account: AccountId, key: &PositionKey) {
        let Some(mut health) = self.isolated_health(account, key) else {
            return;
        };
        if health.over && self.auto_add(account, key) {
            health = self.isolated_health(account, key).unwrap_or(health);
        }
        let called = self
            .accounts
            .get(account.0)
            .is_some_and(|a| a.slot(key).called);
        let calls = calls_now(called, health);
        if calls && !called {
            let view = self.position(account, key);
            let told = PrivateNotice::MarginCall {
                cross_wallet: None,
                positions: view.into_iter().collect(),
            };
            self.tell(account, told);
        }
        if let Some(slot) = self
            .accounts
            .get_mut(account.0)
            .and_then(|a| a.slots.get_mut(key))
        {
            slot.called = calls;
        }
        if health.over {
            self.liquidate(account, std::slice::from_ref(key), MarginMode::Isolated);
        }
    }

    fn sweep_cross(&mut self, account: AccountId) {
        let Some(found) = self.accounts.get(account.0) else {
            return;
        };
        let health = found.cross_health(&self.boards);
        let called = found.cross_called;
        let calls = calls_now(called, health);
        let keys: Vec<PositionKey> = found
            .positions(&self.boards)
            .filter(|(_, _, _, config)| config.mode == MarginMode::Cross)
            .map(|(key, _, _, _)| key.clone())
            .collect();
        if calls && !called {
            let told = PrivateNotice::MarginCall {
                cross_wallet: Some(found.cross_wallet),
                positions: keys
                    .iter()
                    .filter_map(|key| found.view(key, &self.boards))
                    .collect(),
            };
            self.tell(account, told);
        }
        if let Some(found) = self.accounts.get_mut(account.0) {
            found.cross_called = calls;
        }
        if health.over {
            self.liquidate(account, &keys, MarginMode::Cross);
        }
    }

    /// The venue tops an isolated position up, one initial margin at a time, until it is healthy or
    /// the balance is gone. True when anything was added.
    fn auto_add(&mut self, account: AccountId, key: &PositionKey) -> bool {
        let Some(view) = self.position(account, key).filter(|view| view.auto_add) else {
            return false;
        };
        let mut added = false;
        for _ in 0..AUTO_ADDS_MAX {
            let amount = view.initial_margin.min(self.addable(account));
            if !amount.is_positive() {
                break;
            }
            self.shift_margin(account, key, amount, true);
            added = true;
            let healthy = self.isolated_health(account, key);
            if healthy.is_some_and(|health| !health.over) {
                break;
            }
        }
        added
    }

    /// Takes whole positions over at their marks: resting orders first, then fees capped at what the
    /// scope still holds; a shortfall is the insurance fund's.
    fn liquidate(&mut self, account: AccountId, keys: &[PositionKey], mode: MarginMode) {
        let now = self.now;
        self.cancel_for_liquidation(account, keys, mode);
        self.cancel_algos_for_liquidation(account, keys, mode);
        let mut clear = Money::ZERO;
        for key in keys {
            clear += self.take_over(account, key, mode);
        }
        let Some(found) = self.accounts.get_mut(account.0) else {
            return;
        };
        found.liquidated_at = found.liquidated_at.or(Some(now));
        if mode == MarginMode::Cross {
            found.cross_called = false;
            if found.cross_wallet.is_negative() {
                clear -= found.cross_wallet;
                found.cross_wallet = Money::ZERO;
            }
        }
        let symbol = keys.first().map(|key| key.symbol.clone());
        let kind = IncomeKind::InsuranceClear;
        self.book_income(account, kind, symbol.as_ref(), clear, None);
        self.tell_account(account, AccountReason::Order, Money::ZERO, keys);
        if !clear.is_zero() {
            self.tell_account(account, AccountReason::InsuranceClear, clear, &[]);
        }
    }

    fn cancel_for_liquidation(
        &mut self,
        account: AccountId,
        keys: &[PositionKey],
        mode: MarginMode,
    ) {
        let Some(found) = self.accounts.get(account.0) else {
            return;
        };
        let doomed: Vec<u64> = found
            .open
            .values()
            .filter(|order| mode == MarginMode::Cross || keys.contains(&order.key()))
            .map(|order| order.id)
            .collect();
        for id in doomed {
            self.end_order(account, id, OrderStatus::Canceled);
        }
    }

    /// Closes one position at its mark; returns what the insurance fund gave (above zero) or took.
    fn take_over(&mut self, account: AccountId, key: &PositionKey, mode: MarginMode) -> Money {
        let (id, trade_id, now) = (self.fresh_id(), self.fresh_id(), self.now);
        let taker = self.spec.taker_fee;
        let (Some(found), Some(board)) = (
            self.accounts.get_mut(account.0),
            self.boards.get(&key.symbol),
        ) else {
            return Money::ZERO;
        };
        let slot = found.slot(key);
        let mark = board.mark;
        let notional = slot.notional(mark);
        let realized = slot.unrealized(mark);
        let scope = match mode {
            MarginMode::Isolated => slot.isolated_wallet,
            MarginMode::Cross => found.cross_wallet,
        };
        let left = (scope + realized).max(Money::ZERO);
        let fee = fee_of(notional, taker).min(left);
        let penalty = fee_of(notional, board.market.instrument.liquidation_fee).min(left - fee);
        let after = scope + realized - fee - penalty;
        let shortfall = match mode {
            MarginMode::Isolated => {
                found.cross_wallet += after.max(Money::ZERO);
                (-after).max(Money::ZERO)
            }
            MarginMode::Cross => {
                found.cross_wallet = after;
                Money::ZERO
            }
        };
        found.fees_paid += fee + penalty;
        let empty = Slot {
            updated_at: now,
            ..Slot::EMPTY
        };
        found.slots.insert(key.clone(), empty);
        let order = forced_order(key, &slot, id, mark, now);
        let trade = forced_trade(&order, trade_id, realized, fee);
        remember(&mut found.done, order.clone());
        remember(&mut found.trades, trade.clone());
        let symbol = Some(&key.symbol);
        self.book_income(
            account,
            IncomeKind::RealizedPnl,
            symbol,
            realized,
            Some(trade_id),
        );
        self.book_income(
            account,
            IncomeKind::Commission,
            symbol,
            -fee,
            Some(trade_id),
        );
        let execution = Execution::Calculated(trade);
        self.tell(account, PrivateNotice::Order { order, execution });
        shortfall - penalty
    }
}

fn forced_order(key: &PositionKey, slot: &Slot, id: u64, mark: Price, now: Timestamp) -> Order {
    let quantity = slot.amount.abs();
    Order {
        id,
        client_id: format!("autoclose-{id}"),
        symbol: key.symbol.clone(),
        side: closing_side(slot.amount),
        position_side: key.position_side,
        kind: OrderKind::Limit,
        time_in_force: TimeInForce::Ioc,
        quantity,
        price: Some(mark),
        reduce_only: false,
        close_position: false,
        status: OrderStatus::Filled,
        executed: quantity,
        quote: mark * quantity,
        created_at: now,
        updated_at: now,
    }
}

fn forced_trade(order: &Order, id: u64, realized: Money, fee: Money) -> Trade {
    Trade {
        id,
        order_id: order.id,
        symbol: order.symbol.clone(),
        side: order.side,
        position_side: order.position_side,
        price: order.price.unwrap_or(Price::ZERO),
        quantity: order.quantity,
        realized,
        fee,
        maker: false,
        at: order.updated_at,
    }
}

/// Whether a margin call stands, given whether one stood before.
fn calls_now(called: bool, health: Health) -> bool {
    let pct = if called { CALM_PCT } else { CALL_PCT };
    health.need >= health.balance * Rate::of(Decimal::new(pct, 2))
}
