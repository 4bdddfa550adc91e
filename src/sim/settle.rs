//! What a fill does to wallets and positions.

use rust_decimal::Decimal;

use super::account::{Account, AccountId, IncomeKind, Slot, SymbolConfig, remember};
use super::model::{Exchange, ReleaseModel};
use super::order::{Execution, Order, OrderSide, Trade};
use super::{AccountReason, PrivateNotice};
use crate::domain::{BookLevel, MarginMode, Money, PositionKey, Price, Quantity, Rate, Timestamp};

/// A fill about to be booked.
struct Fill {
    /// Signed: below zero sells.
    amount: Quantity,
    price: Price,
    fee_rate: Rate,
    config: SymbolConfig,
    release: ReleaseModel,
    at: Timestamp,
}

/// What a fill realised and cost.
struct Booked {
    realized: Money,
    fee: Money,
}

impl Exchange {
    /// Books one fill of `order`, remembers the trade and tells the owner. The account notice is the
    /// caller's, once per order.
    pub(crate) fn book_fill(
        &mut self,
        account: AccountId,
        order: &mut Order,
        level: BookLevel,
        maker: bool,
    ) {
        let id = self.fresh_id();
        let at = self.now;
        let fee_rate = if maker {
            self.spec.maker_fee
        } else {
            self.spec.taker_fee
        };
        let release = self.spec.partial_close;
        let Some(found) = self.accounts.get_mut(account.0) else {
            return;
        };
        let config = found.config(&order.symbol, &self.boards);
        let fill = Fill {
            amount: order.side.signed(level.quantity),
            price: level.price,
            fee_rate,
            config,
            release,
            at,
        };
        let booked = found.apply(&order.key(), &fill);
        found.fees_paid += booked.fee;
        order.executed += level.quantity;
        order.quote += level.price * level.quantity;
        order.updated_at = at;
        order.status = if order.remaining().is_positive() {
            super::OrderStatus::PartiallyFilled
        } else {
            super::OrderStatus::Filled
        };
        let trade = Trade {
            id,
            order_id: order.id,
            symbol: order.symbol.clone(),
            side: order.side,
            position_side: order.position_side,
            price: level.price,
            quantity: level.quantity,
            realized: booked.realized,
            fee: booked.fee,
            maker,
            at,
        };
        remember(&mut found.trades, trade.clone());
        let symbol = order.symbol.clone();
        self.book_income(
            account,
            IncomeKind::Commission,
            Some(&symbol),
            -booked.fee,
            Some(id),
        );
        let kind = IncomeKind::RealizedPnl;
        self.book_income(account, kind, Some(&symbol), booked.realized, Some(id));
        self.tell(
            account,
            PrivateNotice::Order {
                order: order.clone(),
                execution: Execution::Trade(trade),
            },
        );
    }

    /// After the fills of an order: drops reduce-only orders that have nothing left to reduce, tells
    /// the account.
    pub(crate) fn after_fills(&mut self, account: AccountId, key: &PositionKey) {
        self.expire_idle_reductions(account, key);
        self.tell_account(
            account,
            AccountReason::Order,
            Money::ZERO,
            std::slice::from_ref(key),
        );
    }

    fn expire_idle_reductions(&mut self, account: AccountId, key: &PositionKey) {
        let Some(found) = self.accounts.get(account.0) else {
            return;
        };
        if !found.slot(key).amount.is_zero() {
            return;
        }
        let idle: Vec<u64> = found
            .open
            .values()
            .filter(|order| order.reduce_only && order.key() == *key)
            .map(|order| order.id)
            .collect();
        for id in idle {
            self.end_order(account, id, super::OrderStatus::Expired);
        }
    }
}

impl Account {
    fn apply(&mut self, key: &PositionKey, fill: &Fill) -> Booked {
        let mut slot = self.slot(key);
        let held = slot.amount;
        let same_way = held.is_zero() || held.is_negative() == fill.amount.is_negative();
        let fee = fee_of(fill.price * fill.amount.abs(), fill.fee_rate);
        let mut realized = Money::ZERO;
        if same_way {
            self.cross_wallet -= fee;
            self.enlarge(&mut slot, fill.amount, fill);
        } else {
            let closing = held.abs().min(fill.amount.abs());
            let opening = fill.amount.abs() - closing;
            let share = fee_of(fill.price * closing, fill.fee_rate);
            realized = self.shrink(&mut slot, closing, share, fill);
            if opening.is_positive() {
                self.cross_wallet -= fee - share;
                let amount = if fill.amount.is_negative() {
                    -opening
                } else {
                    opening
                };
                self.enlarge(&mut slot, amount, fill);
            }
        }
        slot.updated_at = fill.at;
        self.slots.insert(key.clone(), slot);
        self.cover_bankruptcy();
        Booked { realized, fee }
    }

    fn enlarge(&mut self, slot: &mut Slot, amount: Quantity, fill: &Fill) {
        let before = slot.amount.abs();
        let total = before + amount.abs();
        let cost = slot.entry * before + fill.price * amount.abs();
        slot.entry = cost.per(total).unwrap_or(fill.price);
        slot.entry = Price::of(slot.entry.get().round_dp(12));
        slot.amount += amount;
        if fill.config.mode == MarginMode::Isolated {
            let side = closing_side(amount).opposite().opens();
            let notional = fill.price * amount.abs();
            let margin = self.rules.opening(side, notional, fill.config.leverage);
            self.cross_wallet -= margin;
            slot.isolated_wallet += margin;
        }
    }

    /// Closes `quantity` of the slot; returns the realised profit. A loss beyond an isolated wallet
    /// is not the owner's.
    fn shrink(&mut self, slot: &mut Slot, quantity: Quantity, fee: Money, fill: &Fill) -> Money {
        let gain = (fill.price - slot.entry).get() * quantity.get();
        let realized = Money::of(if slot.amount.is_negative() {
            -gain
        } else {
            gain
        });
        let whole = quantity == slot.amount.abs();
        let share = quantity.ratio(slot.amount.abs()).unwrap_or(Rate::ONE);
        match fill.config.mode {
            MarginMode::Cross => self.cross_wallet += realized - fee,
            MarginMode::Isolated => {
                let released = match (whole, fill.release) {
                    (true, ReleaseModel::ProRata | ReleaseModel::KeepsMargin) => {
                        slot.isolated_wallet
                    }
                    (false, ReleaseModel::ProRata) => {
                        (slot.isolated_wallet * share).floor_to(Decimal::new(1, 8))
                    }
                    (false, ReleaseModel::KeepsMargin) => Money::ZERO,
                };
                slot.isolated_wallet -= released;
                let net = released + realized - fee;
                let stays = !whole && fill.release == ReleaseModel::KeepsMargin;
                if stays || net.is_negative() {
                    slot.isolated_wallet = (slot.isolated_wallet + net).max(Money::ZERO);
                } else {
                    self.cross_wallet += net;
                }
                if whole {
                    slot.isolated_wallet = Money::ZERO;
                }
            }
        }
        slot.amount += if slot.amount.is_negative() {
            quantity
        } else {
            -quantity
        };
        if slot.amount.is_zero() {
            *slot = Slot {
                updated_at: fill.at,
                ..Slot::EMPTY
            };
        }
        realized
    }

    /// Without cross positions nothing can win a negative wallet back: the insurance fund pays.
    fn cover_bankruptcy(&mut self) {
        let cross_open = self.slots.iter().any(|(key, slot)| {
            let mode = self.configs.get(&key.symbol).map(|c| c.mode);
            !slot.amount.is_zero() && mode != Some(MarginMode::Isolated)
        });
        if self.cross_wallet.is_negative() && !cross_open {
            self.cross_wallet = Money::ZERO;
        }
    }
}

/// A fee at the asset's eight decimals, rounded up.
pub(crate) fn fee_of(notional: Money, rate: Rate) -> Money {
    (notional * rate).ceil_to(Decimal::new(1, 8))
}

/// The side that closes a slot holding `amount`.
pub(crate) fn closing_side(amount: Quantity) -> OrderSide {
    if amount.is_negative() {
        OrderSide::Buy
    } else {
        OrderSide::Sell
    }
}
