//! The surface of the simulated exchange: set-up, accounts, notices and views.

use std::collections::{BTreeMap, VecDeque};

use rust_decimal::Decimal;
use secrecy::SecretString;

use super::account::{Account, AccountId, Income, IncomeKind, KeyScopes, PositionView, remember};
use super::algo::AlgoOrder;
use super::board::{Board, Boards, BookShape, mix};
use super::health::Rules;
use super::law::Law;
use super::matching::max_notional;
use super::order::{Execution, Order, OrderRequest, OrderSide};
use super::{Market, Refusal, Tape};
use crate::domain::{
    Book, HOUR_MS, MarginMode, Money, PositionKey, PositionSide, Price, Rate, Side, Symbol,
    Timestamp,
};

/// Notices kept for a caller that does not take them; older ones are dropped.
const NOTICES_MAX: usize = 100_000;
/// Milliseconds between funding payments: 00, 08 and 16 UTC.
pub(crate) const FUNDING_EVERY_MS: i64 = 8 * HOUR_MS;

/// What a partial close of an isolated position does to its wallet. Which of the two the real venue
/// does is not verified, so both exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReleaseModel {
    /// The wallet shrinks with the quantity; the released part and the realised profit, less the
    /// fee, go to the cross wallet.
    #[default]
    ProRata,
    /// The wallet stays and books realised profit and fee.
    KeepsMargin,
}

/// How a simulated exchange is set up.
#[derive(Debug, Clone)]
pub struct ExchangeSpec {
    pub markets: Vec<(Market, Tape)>,
    pub taker_fee: Rate,
    pub maker_fee: Rate,
    /// Paid by longs to shorts every eight hours, as a fraction of notional.
    pub funding_rate: Rate,
    pub partial_close: ReleaseModel,
    /// Whose margin rules hold: what positions need, when they are over, what may be taken out.
    pub law: Law,
    /// How the book follows the market.
    pub book: BookShape,
    /// Decides everything that is made up: depth of the book and listen keys.
    pub seed: u64,
    pub start: Timestamp,
}

impl ExchangeSpec {
    /// The venue's usual fees and funding, partial closes pro rata, Binance's law, seed 1.
    #[must_use]
    pub fn new(markets: Vec<(Market, Tape)>, start: Timestamp) -> Self {
        Self {
            markets,
            taker_fee: Rate::of(Decimal::new(5, 4)),
            maker_fee: Rate::of(Decimal::new(2, 4)),
            funding_rate: Rate::of(Decimal::new(1, 4)),
            partial_close: ReleaseModel::ProRata,
            law: Law::BinanceUsdm,
            book: BookShape::default(),
            seed: 1,
            start,
        }
    }
}

/// Why an account changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountReason {
    Order,
    Funding,
    /// The owner moved margin, or the venue topped a position up.
    MarginTransfer,
    MarginTypeChange,
    AssetTransfer,
    /// The insurance fund covered a loss or took a fee.
    InsuranceClear,
}

/// Something only the owner of an account is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateNotice {
    Order {
        order: Order,
        execution: Execution,
    },
    Account {
        reason: AccountReason,
        wallet: Money,
        cross_wallet: Money,
        /// Change of the balance other than by profit and fees.
        change: Money,
        /// False when only positions changed.
        balance_changed: bool,
        positions: Vec<PositionView>,
        /// Symbol a funding payment is for.
        symbol: Option<Symbol>,
    },
    MarginCall {
        /// Present when the cross scope is meant.
        cross_wallet: Option<Money>,
        positions: Vec<PositionView>,
    },
    Leverage {
        symbol: Symbol,
        leverage: u32,
    },
    Algo(AlgoOrder),
}

/// Something the venue announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A tape step: a new mark, and with it a new book.
    Mark { symbol: Symbol, at: Timestamp },
    Private {
        account: AccountId,
        at: Timestamp,
        notice: Box<PrivateNotice>,
    },
}

/// The simulated exchange. Deterministic: the same calls at the same times give the same notices.
pub struct Exchange {
    pub(crate) spec: ExchangeSpec,
    pub(crate) boards: Boards,
    pub(crate) accounts: Vec<Account>,
    pub(crate) now: Timestamp,
    pub(crate) next_funding: Timestamp,
    notices: VecDeque<Notice>,
    next_id: u64,
    by_key: BTreeMap<String, AccountId>,
}

impl Exchange {
    /// Opens the venue at `spec.start`. A market whose tape is empty is left out.
    #[must_use]
    pub fn new(mut spec: ExchangeSpec) -> Self {
        let mut boards = BTreeMap::new();
        for (market, tape) in std::mem::take(&mut spec.markets) {
            let symbol = market.instrument.symbol.clone();
            if let Some(board) = Board::new(market, tape, (spec.seed, spec.book), spec.start) {
                boards.insert(symbol, board);
            }
        }
        Self {
            now: spec.start,
            next_funding: following_funding(spec.start),
            spec,
            boards,
            accounts: Vec::new(),
            notices: VecDeque::new(),
            next_id: 1_000,
            by_key: BTreeMap::new(),
        }
    }

    /// Adds an account with `usdt` in its cross wallet.
    pub fn add_account(&mut self, api_key: &str, secret: SecretString, usdt: Money) -> AccountId {
        let id = AccountId(self.accounts.len());
        let rules = Rules {
            law: self.spec.law,
            taker_fee: self.spec.taker_fee,
        };
        self.accounts
            .push(Account::new(api_key, secret, usdt, rules));
        self.by_key.insert(api_key.to_owned(), id);
        id
    }

    /// Replaces what the key of an account may do.
    pub fn set_scopes(&mut self, account: AccountId, scopes: KeyScopes) {
        if let Some(found) = self.accounts.get_mut(account.0) {
            found.scopes = scopes;
        }
    }

    /// Sets what the owner holds outside the futures wallet.
    pub fn set_outside_wallets(&mut self, account: AccountId, spot: Money, funding: Money) {
        if let Some(found) = self.accounts.get_mut(account.0) {
            found.spot = spot;
            found.funding = funding;
        }
    }

    /// Switches the venue's own top-up of an isolated position on or off.
    pub fn set_auto_add(&mut self, account: AccountId, symbol: &Symbol, on: bool) {
        let boards = &self.boards;
        if let Some(found) = self.accounts.get_mut(account.0) {
            let mut config = found.config(symbol, boards);
            config.auto_add = on;
            found.configs.insert(symbol.clone(), config);
        }
    }

    /// Sets the funding rate of the payments to come.
    pub fn set_funding_rate(&mut self, rate: Rate) {
        self.spec.funding_rate = rate;
    }

    /// Venue time.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Time of the next funding payment.
    #[must_use]
    pub const fn next_funding(&self) -> Timestamp {
        self.next_funding
    }

    /// How this exchange is set up; the markets were moved into [`Self::markets`].
    #[must_use]
    pub const fn spec(&self) -> &ExchangeSpec {
        &self.spec
    }

    /// Mark price of a symbol now.
    #[must_use]
    pub fn mark(&self, symbol: &Symbol) -> Option<Price> {
        self.boards.get(symbol).map(|board| board.mark)
    }

    /// Mark price and its moving average.
    #[must_use]
    pub fn mark_and_average(&self, symbol: &Symbol) -> Option<(Price, Price)> {
        self.boards.get(symbol).map(|b| (b.mark, b.average))
    }

    /// Price of the last trade, or the mark when nobody traded since the last step.
    #[must_use]
    pub fn last(&self, symbol: &Symbol) -> Option<Price> {
        self.boards.get(symbol).map(|board| board.last)
    }

    /// The tape that a symbol plays.
    #[must_use]
    pub fn tape(&self, symbol: &Symbol) -> Option<&Tape> {
        self.boards.get(symbol).map(|board| &board.tape)
    }

    /// Highest position value that a leverage allows.
    #[must_use]
    pub fn max_notional(&self, symbol: &Symbol, leverage: u32) -> Money {
        let board = self.boards.get(symbol);
        board.map_or(Money::ZERO, |b| max_notional(&b.market, leverage))
    }

    /// A made-up listen key: 64 hexadecimal digits from seed, account and number.
    pub(crate) fn listen_key(&self, account: AccountId, number: u64) -> String {
        let seed = mix(self.spec.seed ^ mix(account.0 as u64) ^ mix(number << 16));
        (1..=4_u64)
            .map(|part| format!("{:016x}", mix(seed.wrapping_add(part))))
            .collect()
    }

    /// Markets in order of their names.
    pub fn markets(&self) -> impl Iterator<Item = &Market> {
        self.boards.values().map(|board| &board.market)
    }

    /// The market of a symbol.
    #[must_use]
    pub fn market(&self, symbol: &Symbol) -> Option<&Market> {
        self.boards.get(symbol).map(|board| &board.market)
    }

    /// The synthetic book of a symbol now, with its update id.
    pub fn book(&mut self, symbol: &Symbol) -> Option<(&Book, u64)> {
        let now = self.now;
        let board = self.boards.get_mut(symbol)?;
        let id = board.update_id;
        Some((board.book(now), id))
    }

    /// Accounts in order of creation.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> + use<> {
        (0..self.accounts.len()).map(AccountId)
    }

    /// Account of an API key.
    #[must_use]
    pub fn account_of(&self, api_key: &str) -> Option<AccountId> {
        self.by_key.get(api_key).copied()
    }

    /// What the key of an account may do.
    #[must_use]
    pub fn scopes(&self, account: AccountId) -> Option<KeyScopes> {
        self.accounts.get(account.0).map(|a| a.scopes)
    }

    /// The secret of an account, for a face to check signatures with.
    pub(crate) fn secret(&self, account: AccountId) -> Option<&SecretString> {
        self.accounts.get(account.0).map(|a| &a.secret)
    }

    /// The API key of an account.
    #[must_use]
    pub fn api_key(&self, account: AccountId) -> Option<&str> {
        self.accounts.get(account.0).map(|a| a.api_key.as_str())
    }

    /// Everything queued since the last call, oldest first.
    pub fn take_notices(&mut self) -> VecDeque<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Sets margin mode and leverage, then opens by a market order of about `notional` (the quantity
    /// is floored to the step). In hedge mode the slot of `side` is used.
    ///
    /// # Errors
    /// [`Refusal`] when any of the steps is refused; the steps before it stay done.
    pub fn open_position(
        &mut self,
        account: AccountId,
        symbol: &Symbol,
        side: Side,
        notional: Money,
        leverage: u32,
        mode: MarginMode,
    ) -> Result<Order, Refusal> {
        match self.set_margin_mode(account, symbol, mode) {
            Ok(()) | Err(Refusal::SameMarginType) => {}
            Err(refusal) => return Err(refusal),
        }
        self.set_leverage(account, symbol, leverage)?;
        let board = self.boards.get(symbol).ok_or(Refusal::UnknownSymbol)?;
        let quantity = notional
            .at(board.mark)
            .ok_or(Refusal::QuantityNotPositive)?
            .floor_to(board.market.instrument.market_lot.step);
        let order_side = match side {
            Side::Long => OrderSide::Buy,
            Side::Short => OrderSide::Sell,
        };
        let mut request = OrderRequest::market(symbol, order_side, quantity);
        if self.is_hedge(account) {
            request = request.in_slot(match side {
                Side::Long => PositionSide::Long,
                Side::Short => PositionSide::Short,
            });
        }
        self.place(account, &request)
    }

    pub(crate) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn announce(&mut self, notice: Notice) {
        if self.notices.len() >= NOTICES_MAX {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }

    pub(crate) fn tell(&mut self, account: AccountId, notice: PrivateNotice) {
        let at = self.now;
        self.announce(Notice::Private {
            account,
            at,
            notice: Box::new(notice),
        });
    }

    /// Tells the owner that the balance and these slots changed.
    pub(crate) fn tell_account(
        &mut self,
        account: AccountId,
        reason: AccountReason,
        change: Money,
        keys: &[PositionKey],
    ) {
        let Some(found) = self.accounts.get(account.0) else {
            return;
        };
        let wallets = found.wallets(&self.boards);
        let positions = keys
            .iter()
            .filter_map(|key| found.view(key, &self.boards))
            // Funding of a cross position changes the balance only.
            .filter(|view| {
                reason != AccountReason::Funding || view.margin_mode == MarginMode::Isolated
            })
            .collect();
        let symbol = match reason {
            AccountReason::Funding => keys.first().map(|key| key.symbol.clone()),
            AccountReason::Order
            | AccountReason::MarginTransfer
            | AccountReason::MarginTypeChange
            | AccountReason::AssetTransfer
            | AccountReason::InsuranceClear => None,
        };
        self.tell(
            account,
            PrivateNotice::Account {
                reason,
                wallet: wallets.wallet,
                cross_wallet: wallets.cross_wallet,
                change,
                balance_changed: reason != AccountReason::MarginTypeChange,
                positions,
                symbol,
            },
        );
    }

    pub(crate) fn book_income(
        &mut self,
        account: AccountId,
        kind: IncomeKind,
        symbol: Option<&Symbol>,
        amount: Money,
        trade_id: Option<u64>,
    ) {
        let id = self.fresh_id();
        let at = self.now;
        if let Some(found) = self.accounts.get_mut(account.0)
            && !amount.is_zero()
        {
            let row = Income {
                kind,
                symbol: symbol.cloned(),
                amount,
                at,
                id,
                trade_id,
            };
            remember(&mut found.income, row);
        }
    }
}

/// First funding time after `at`.
pub(crate) fn following_funding(at: Timestamp) -> Timestamp {
    let periods = at.as_millis().div_euclid(FUNDING_EVERY_MS) + 1;
    Timestamp::from_millis(periods.saturating_mul(FUNDING_EVERY_MS))
}
