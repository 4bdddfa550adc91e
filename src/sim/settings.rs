//! What an owner may set and move: leverage, margin type, position mode, isolated margin, transfers.

use super::account::{
    AccountId, IncomeKind, MarginChange, SymbolConfig, Transfer, TransferKind, remember,
};
use super::matching::max_notional;
use super::model::Exchange;
use super::{AccountReason, PrivateNotice, Refusal};
use crate::domain::{MarginMode, Money, PositionKey, PositionSide, Symbol};

impl Exchange {
    /// Sets the initial leverage of a symbol; returns the highest position value it allows.
    ///
    /// # Errors
    /// [`Refusal`] for a leverage out of range, too high for the position held, or lowered while an
    /// isolated position is open.
    pub fn set_leverage(
        &mut self,
        account: AccountId,
        symbol: &Symbol,
        leverage: u32,
    ) -> Result<Money, Refusal> {
        let board = self.boards.get(symbol).ok_or(Refusal::UnknownSymbol)?;
        if leverage == 0 || leverage > board.market.max_leverage() {
            return Err(Refusal::InvalidLeverage { leverage });
        }
        let found = self.accounts.get(account.0).ok_or(Refusal::UnknownSymbol)?;
        let config = found.config(symbol, &self.boards);
        let cap = max_notional(&board.market, leverage);
        for (key, slot, board, _) in found.positions(&self.boards) {
            if key.symbol != *symbol {
                continue;
            }
            if slot.notional(board.mark) > cap {
                return Err(Refusal::MaxPosition);
            }
            if config.mode == MarginMode::Isolated && leverage < config.leverage {
                return Err(Refusal::LeverageReduction);
            }
        }
        self.save_config(account, symbol, SymbolConfig { leverage, ..config });
        let told = PrivateNotice::Leverage {
            symbol: symbol.clone(),
            leverage,
        };
        self.tell(account, told);
        Ok(cap)
    }

    /// Sets isolated or cross for a symbol.
    ///
    /// # Errors
    /// [`Refusal`] when already so, or with open orders or a position.
    pub fn set_margin_mode(
        &mut self,
        account: AccountId,
        symbol: &Symbol,
        mode: MarginMode,
    ) -> Result<(), Refusal> {
        self.boards.get(symbol).ok_or(Refusal::UnknownSymbol)?;
        let found = self.accounts.get(account.0).ok_or(Refusal::UnknownSymbol)?;
        let config = found.config(symbol, &self.boards);
        if config.mode == mode {
            return Err(Refusal::SameMarginType);
        }
        let stops = found
            .algos
            .values()
            .any(|order| order.request.symbol == *symbol);
        if stops || found.open.values().any(|order| order.symbol == *symbol) {
            return Err(Refusal::MarginTypeOrders);
        }
        if found.has_position(symbol) {
            return Err(Refusal::MarginTypePosition);
        }
        self.save_config(account, symbol, SymbolConfig { mode, ..config });
        let keys: Vec<PositionKey> = self
            .slots_of(account)
            .iter()
            .map(|slot| PositionKey {
                symbol: symbol.clone(),
                position_side: *slot,
            })
            .collect();
        let reason = AccountReason::MarginTypeChange;
        self.tell_account(account, reason, Money::ZERO, &keys);
        Ok(())
    }

    /// Slots of a symbol in the account's position mode.
    fn slots_of(&self, account: AccountId) -> &'static [PositionSide] {
        if self.is_hedge(account) {
            &[PositionSide::Long, PositionSide::Short]
        } else {
            &[PositionSide::Both]
        }
    }

    /// Switches between one-way and hedge mode.
    ///
    /// # Errors
    /// [`Refusal`] when already so, or with open orders or positions.
    pub fn set_hedge(&mut self, account: AccountId, hedge: bool) -> Result<(), Refusal> {
        let found = self.accounts.get_mut(account.0);
        let found = found.ok_or(Refusal::UnknownOrder)?;
        if found.hedge == hedge {
            return Err(Refusal::SamePositionMode);
        }
        if !found.open.is_empty() || !found.algos.is_empty() {
            return Err(Refusal::PositionModeOrders);
        }
        if found.slots.values().any(|slot| !slot.amount.is_zero()) {
            return Err(Refusal::PositionModePosition);
        }
        found.hedge = hedge;
        Ok(())
    }

    /// Moves margin into (`amount` above zero) or out of an isolated position.
    ///
    /// # Errors
    /// [`Refusal`] when the position is cross or absent, or the money is not there.
    pub fn move_margin(
        &mut self,
        account: AccountId,
        key: &PositionKey,
        amount: Money,
    ) -> Result<(), Refusal> {
        if amount.is_zero() {
            return Err(Refusal::AmountNotPositive);
        }
        self.boards.get(&key.symbol).ok_or(Refusal::UnknownSymbol)?;
        let found = self.accounts.get(account.0).ok_or(Refusal::UnknownSymbol)?;
        if found.config(&key.symbol, &self.boards).mode != MarginMode::Isolated {
            return Err(Refusal::NotIsolated);
        }
        if found.slot(key).amount.is_zero() {
            return Err(Refusal::NoPosition);
        }
        if amount.is_positive() && amount > self.addable(account) {
            return Err(Refusal::CrossInsufficient);
        }
        if amount.is_negative() && -amount > found.removable(key, &self.boards) {
            return Err(Refusal::IsolatedInsufficient);
        }
        self.shift_margin(account, key, amount, false);
        Ok(())
    }

    /// Most that may be moved into isolated positions now.
    /// Source: venue FAQ 360038447311, 2026-11.
    pub(crate) fn addable(&self, account: AccountId) -> Money {
        let Some(found) = self.accounts.get(account.0) else {
            return Money::ZERO;
        };
        let wallets = found.wallets(&self.boards);
        let beyond_cross = wallets.cross_wallet - wallets.order_initial - wallets.cross_maintenance;
        beyond_cross.min(wallets.available).max(Money::ZERO)
    }

    /// Moves margin without asking, books it and tells the owner.
    pub(crate) fn shift_margin(
        &mut self,
        account: AccountId,
        key: &PositionKey,
        amount: Money,
        automatic: bool,
    ) {
        let at = self.now;
        let Some(found) = self.accounts.get_mut(account.0) else {
            return;
        };
        found.cross_wallet -= amount;
        let mut slot = found.slot(key);
        slot.isolated_wallet += amount;
        slot.updated_at = at;
        found.slots.insert(key.clone(), slot);
        let row = MarginChange {
            key: key.clone(),
            amount,
            automatic,
            at,
        };
        remember(&mut found.margin_changes, row);
        let reason = AccountReason::MarginTransfer;
        self.tell_account(account, reason, Money::ZERO, std::slice::from_ref(key));
    }

    /// Moves money between the futures wallet and the owner's other wallets; returns its id.
    ///
    /// # Errors
    /// [`Refusal::TransferInsufficient`] when the source holds less.
    pub fn transfer(
        &mut self,
        account: AccountId,
        kind: TransferKind,
        amount: Money,
    ) -> Result<u64, Refusal> {
        let id = self.fresh_id();
        let at = self.now;
        let available = self
            .wallets(account)
            .map_or(Money::ZERO, |w| w.available.min(w.cross_wallet));
        let found = self.accounts.get_mut(account.0);
        let found = found.ok_or(Refusal::TransferInsufficient)?;
        if !amount.is_positive() {
            return Err(Refusal::AmountNotPositive);
        }
        let (outside, sign) = match kind {
            TransferKind::SpotToFutures => (&mut found.spot, true),
            TransferKind::FundingToFutures => (&mut found.funding, true),
            TransferKind::FuturesToSpot => (&mut found.spot, false),
            TransferKind::FuturesToFunding => (&mut found.funding, false),
        };
        let source = if sign { *outside } else { available };
        if amount > source {
            return Err(Refusal::TransferInsufficient);
        }
        let change = if sign { amount } else { -amount };
        *outside -= change;
        found.cross_wallet += change;
        let row = Transfer {
            kind,
            amount,
            id,
            at,
        };
        remember(&mut found.transfers, row);
        self.book_income(account, IncomeKind::Transfer, None, change, None);
        self.tell_account(account, AccountReason::AssetTransfer, change, &[]);
        Ok(id)
    }

    /// What the owner holds in the spot and the funding wallet.
    #[must_use]
    pub fn outside_wallets(&self, account: AccountId) -> (Money, Money) {
        self.accounts
            .get(account.0)
            .map_or((Money::ZERO, Money::ZERO), |a| (a.spot, a.funding))
    }

    fn save_config(&mut self, account: AccountId, symbol: &Symbol, config: SymbolConfig) {
        if let Some(found) = self.accounts.get_mut(account.0) {
            found.configs.insert(symbol.clone(), config);
        }
    }
}
