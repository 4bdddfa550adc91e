//! One account of the simulated venue: wallets, positions, orders, history, and the figures that
//! follow from them at the present marks.

use std::collections::{BTreeMap, VecDeque};

use secrecy::SecretString;
use serde::Serialize;

use super::algo::AlgoOrder;
use super::board::Boards;
use super::health::{Rules, exposure};
use super::liquidation::{Leg, liquidation_price};
use super::order::{Order, OrderSide, OrderStatus, Trade};
use crate::domain::{
    MarginMode, Money, PositionKey, PositionSide, Price, Quantity, Side, Symbol, Timestamp,
};

/// Finished orders, trades, income rows and margin changes kept per account, each.
pub(crate) const HISTORY_MAX: usize = 2_000;

/// Number of an account at this venue, in order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct AccountId(pub(crate) usize);

/// What an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyScopes {
    pub reading: bool,
    pub futures: bool,
    pub withdrawals: bool,
    pub universal_transfer: bool,
    pub ip_restrict: bool,
    pub portfolio_margin: bool,
}

impl Default for KeyScopes {
    /// A key as a careful trader makes it: read and trade futures, tied to an address.
    fn default() -> Self {
        Self {
            reading: true,
            futures: true,
            withdrawals: false,
            universal_transfer: false,
            ip_restrict: true,
            portfolio_margin: false,
        }
    }
}

/// Settings of one symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SymbolConfig {
    pub mode: MarginMode,
    pub leverage: u32,
    /// The venue tops the isolated position up by itself.
    pub auto_add: bool,
}

/// Why money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncomeKind {
    RealizedPnl,
    Commission,
    FundingFee,
    InsuranceClear,
    Transfer,
}

/// One row of the income history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Income {
    pub kind: IncomeKind,
    pub symbol: Option<Symbol>,
    pub amount: Money,
    pub at: Timestamp,
    pub id: u64,
    pub trade_id: Option<u64>,
}

/// One change of an isolated wallet by its owner (or by the venue's own top-up).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarginChange {
    pub key: PositionKey,
    /// Above zero for added, below for removed.
    pub amount: Money,
    pub automatic: bool,
    pub at: Timestamp,
}

/// Wallets a transfer moves between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferKind {
    SpotToFutures,
    FuturesToSpot,
    FundingToFutures,
    FuturesToFunding,
}

/// One transfer between wallets of the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub kind: TransferKind,
    pub amount: Money,
    pub id: u64,
    pub at: Timestamp,
}

/// A position slot. The quantity is signed: below zero for a short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) amount: Quantity,
    pub(crate) entry: Price,
    pub(crate) isolated_wallet: Money,
    pub(crate) updated_at: Timestamp,
    /// A margin call went out and has not been taken back by recovery.
    pub(crate) called: bool,
}

impl Slot {
    pub(crate) const EMPTY: Self = Self {
        amount: Quantity::ZERO,
        entry: Price::ZERO,
        isolated_wallet: Money::ZERO,
        updated_at: Timestamp::ZERO,
        called: false,
    };

    /// Profit not yet realised at `mark`.
    pub(crate) fn unrealized(&self, mark: Price) -> Money {
        Money::of((mark - self.entry).get() * self.amount.get())
    }

    /// Absolute value at `mark`.
    pub(crate) fn notional(&self, mark: Price) -> Money {
        mark * self.amount.abs()
    }
}

/// Wallet figures at the present marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalletView {
    /// Cross wallet plus isolated wallets.
    pub wallet: Money,
    pub cross_wallet: Money,
    pub isolated_wallets: Money,
    pub unrealized: Money,
    pub cross_unrealized: Money,
    /// Maintenance margin of all positions.
    pub maintenance: Money,
    pub cross_maintenance: Money,
    /// Initial margin of all positions at their leverage.
    pub position_initial: Money,
    pub order_initial: Money,
    /// What may be used for new positions or moved into isolated ones.
    pub available: Money,
}

/// One position at the present mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionView {
    pub symbol: Symbol,
    pub position_side: PositionSide,
    pub side: Side,
    /// Absolute size, zero for an empty slot.
    pub quantity: Quantity,
    pub entry_price: Price,
    pub margin_mode: MarginMode,
    pub leverage: u32,
    pub auto_add: bool,
    pub isolated_wallet: Money,
    pub mark_price: Price,
    pub unrealized: Money,
    /// Absolute value at the mark.
    pub notional: Money,
    pub initial_margin: Money,
    pub maintenance_margin: Money,
    /// The venue's own number.
    pub liquidation_price: Option<Price>,
    pub updated_at: Timestamp,
}

impl PositionView {
    /// Size with the sign the venue writes: negative for a short.
    #[must_use]
    pub fn signed(&self) -> Quantity {
        match self.side {
            Side::Long => self.quantity,
            Side::Short => -self.quantity,
        }
    }
}

/// An account at one glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSummary {
    /// Wallets plus unrealised profit.
    pub equity: Money,
    pub cross_wallet: Money,
    pub isolated_wallets: Money,
    /// Trading and liquidation fees paid so far.
    pub fees_paid: Money,
    /// Funding paid so far; below zero when received.
    pub funding_paid: Money,
    /// Time of the first forced close.
    pub liquidated_at: Option<Timestamp>,
    pub positions: Vec<PositionView>,
}

pub(crate) struct Account {
    pub(crate) rules: Rules,
    pub(crate) api_key: String,
    pub(crate) secret: SecretString,
    pub(crate) scopes: KeyScopes,
    pub(crate) hedge: bool,
    pub(crate) cross_wallet: Money,
    pub(crate) spot: Money,
    pub(crate) funding: Money,
    pub(crate) configs: BTreeMap<Symbol, SymbolConfig>,
    pub(crate) slots: BTreeMap<PositionKey, Slot>,
    pub(crate) open: BTreeMap<u64, Order>,
    pub(crate) done: VecDeque<Order>,
    pub(crate) algos: BTreeMap<u64, AlgoOrder>,
    pub(crate) done_algos: VecDeque<AlgoOrder>,
    pub(crate) trades: VecDeque<Trade>,
    pub(crate) income: VecDeque<Income>,
    pub(crate) margin_changes: VecDeque<MarginChange>,
    pub(crate) transfers: VecDeque<Transfer>,
    pub(crate) fees_paid: Money,
    pub(crate) funding_paid: Money,
    pub(crate) liquidated_at: Option<Timestamp>,
    pub(crate) cross_called: bool,
}

/// Adds to a history, dropping the oldest row beyond [`HISTORY_MAX`].
pub(crate) fn remember<T>(history: &mut VecDeque<T>, row: T) {
    if history.len() >= HISTORY_MAX {
        history.pop_front();
    }
    history.push_back(row);
}

impl Account {
    pub(crate) fn new(api_key: &str, secret: SecretString, usdt: Money, rules: Rules) -> Self {
        Self {
            rules,
            api_key: api_key.to_owned(),
            secret,
            scopes: KeyScopes::default(),
            hedge: false,
            cross_wallet: usdt,
            spot: Money::ZERO,
            funding: Money::ZERO,
            configs: BTreeMap::new(),
            slots: BTreeMap::new(),
            open: BTreeMap::new(),
            done: VecDeque::new(),
            algos: BTreeMap::new(),
            done_algos: VecDeque::new(),
            trades: VecDeque::new(),
            income: VecDeque::new(),
            margin_changes: VecDeque::new(),
            transfers: VecDeque::new(),
            fees_paid: Money::ZERO,
            funding_paid: Money::ZERO,
            liquidated_at: None,
            cross_called: false,
        }
    }

    /// Settings of a symbol; cross at 20 times, or the most the symbol allows, until changed.
    pub(crate) fn config(&self, symbol: &Symbol, boards: &Boards) -> SymbolConfig {
        self.configs.get(symbol).copied().unwrap_or_else(|| {
            let most = boards.get(symbol).map_or(1, |b| b.market.max_leverage());
            SymbolConfig {
                mode: MarginMode::Cross,
                leverage: most.min(20),
                auto_add: false,
            }
        })
    }

    pub(crate) fn slot(&self, key: &PositionKey) -> Slot {
        self.slots.get(key).copied().unwrap_or(Slot::EMPTY)
    }

    pub(crate) fn has_position(&self, symbol: &Symbol) -> bool {
        self.slots
            .iter()
            .any(|(key, slot)| key.symbol == *symbol && !slot.amount.is_zero())
    }

    /// Non-empty slots with their board and settings.
    pub(crate) fn positions<'a>(
        &'a self,
        boards: &'a Boards,
    ) -> impl Iterator<
        Item = (
            &'a PositionKey,
            &'a Slot,
            &'a super::board::Board,
            SymbolConfig,
        ),
    > {
        self.slots.iter().filter_map(move |(key, slot)| {
            let board = boards.get(&key.symbol)?;
            (!slot.amount.is_zero()).then(|| (key, slot, board, self.config(&key.symbol, boards)))
        })
    }

    pub(crate) fn wallets(&self, boards: &Boards) -> WalletView {
        let mut view = WalletView {
            wallet: self.cross_wallet,
            cross_wallet: self.cross_wallet,
            isolated_wallets: Money::ZERO,
            unrealized: Money::ZERO,
            cross_unrealized: Money::ZERO,
            maintenance: Money::ZERO,
            cross_maintenance: Money::ZERO,
            position_initial: Money::ZERO,
            order_initial: self.order_initial(boards),
            available: Money::ZERO,
        };
        let mut cross_initial = Money::ZERO;
        for (key, slot, board, config) in self.positions(boards) {
            let unrealized = slot.unrealized(board.mark);
            let leg = exposure(&key.symbol, slot, board, config);
            let need = Money::of(self.need(&leg, slot, config.mode, boards).total());
            let initial = self.initial(&leg, config.mode);
            view.unrealized += unrealized;
            view.maintenance += need;
            view.position_initial += initial;
            match config.mode {
                MarginMode::Cross => {
                    view.cross_unrealized += unrealized;
                    view.cross_maintenance += need;
                    cross_initial += initial;
                }
                MarginMode::Isolated => {
                    view.isolated_wallets += slot.isolated_wallet;
                    view.wallet += slot.isolated_wallet;
                }
            }
        }
        let free = view.cross_wallet + view.cross_unrealized - cross_initial - view.order_initial;
        view.available = free.max(Money::ZERO);
        view
    }

    /// Initial margin locked by resting orders that would add exposure.
    fn order_initial(&self, boards: &Boards) -> Money {
        self.open
            .values()
            .filter(|order| !order.reduce_only)
            .map(|order| {
                let held = self.slot(&order.key()).amount;
                let adds = order.side.signed(order.remaining());
                let opposed = held.is_negative() != adds.is_negative() && !held.is_zero();
                let closing = if opposed { held.abs() } else { Quantity::ZERO };
                let adding = (order.remaining() - closing).max(Quantity::ZERO);
                let price = order.price.unwrap_or(Price::ZERO);
                let leverage = self.config(&order.symbol, boards).leverage;
                self.rules
                    .opening(order.side.opens(), price * adding, leverage)
            })
            .sum()
    }

    /// Everything about one slot; `None` for an unknown symbol.
    pub(crate) fn view(&self, key: &PositionKey, boards: &Boards) -> Option<PositionView> {
        let board = boards.get(&key.symbol)?;
        let slot = self.slot(key);
        let config = self.config(&key.symbol, boards);
        let leg = exposure(&key.symbol, &slot, board, config);
        let need = self.need(&leg, &slot, config.mode, boards);
        Some(PositionView {
            symbol: key.symbol.clone(),
            position_side: key.position_side,
            side: Self::side_in(key, &slot),
            quantity: slot.amount.abs(),
            entry_price: slot.entry,
            margin_mode: config.mode,
            leverage: config.leverage,
            auto_add: config.auto_add,
            isolated_wallet: slot.isolated_wallet,
            mark_price: board.mark,
            unrealized: slot.unrealized(board.mark),
            notional: slot.notional(board.mark),
            initial_margin: self.initial(&leg, config.mode),
            maintenance_margin: Money::of(self.rules.law.shown(need)),
            liquidation_price: self.liquidation(key, boards),
            updated_at: slot.updated_at,
        })
    }

    fn liquidation(&self, key: &PositionKey, boards: &Boards) -> Option<Price> {
        let board = boards.get(&key.symbol)?;
        let own = |slot: &Slot| Leg {
            amount: slot.amount,
            entry: slot.entry,
            tiers: &board.market.tiers,
        };
        let slot = self.slot(key);
        if slot.amount.is_zero() {
            return None;
        }
        match self.config(&key.symbol, boards).mode {
            MarginMode::Isolated => liquidation_price(slot.isolated_wallet, &[own(&slot)]),
            MarginMode::Cross => {
                let mut wallet = self.cross_wallet;
                let mut legs = Vec::new();
                for (other, slot, their, config) in self.positions(boards) {
                    if config.mode == MarginMode::Isolated {
                        continue;
                    }
                    if other.symbol == key.symbol {
                        legs.push(own(slot));
                    } else {
                        wallet += slot.unrealized(their.mark);
                        let leg = exposure(&other.symbol, slot, their, config);
                        let need = self.need(&leg, slot, config.mode, boards);
                        wallet -= Money::of(need.total());
                    }
                }
                liquidation_price(wallet, &legs)
            }
        }
    }

    /// Quantity of resting orders that reduce the slot, other than `except`.
    pub(crate) fn resting_reductions(&self, key: &PositionKey, side: OrderSide) -> Quantity {
        self.open
            .values()
            .filter(|o| o.reduce_only && o.side == side && o.key() == *key)
            .map(Order::remaining)
            .sum()
    }

    /// Moves a finished order to the history.
    pub(crate) fn finish(&mut self, id: u64, status: OrderStatus, at: Timestamp) -> Option<Order> {
        let mut order = self.open.remove(&id)?;
        order.status = status;
        order.updated_at = at;
        remember(&mut self.done, order.clone());
        Some(order)
    }
}
