//! What callers may read of an account.

use super::account::{
    AccountId, AccountSummary, Income, MarginChange, PositionView, SymbolConfig, Transfer,
    WalletView,
};
use super::model::Exchange;
use super::order::{Order, Trade};
use crate::domain::{PositionKey, Symbol};

impl Exchange {
    /// An account at one glance; `None` for an unknown one.
    #[must_use]
    pub fn account_summary(&self, account: AccountId) -> Option<AccountSummary> {
        let found = self.accounts.get(account.0)?;
        let wallets = found.wallets(&self.boards);
        Some(AccountSummary {
            equity: wallets.wallet + wallets.unrealized,
            cross_wallet: wallets.cross_wallet,
            isolated_wallets: wallets.isolated_wallets,
            fees_paid: found.fees_paid,
            funding_paid: found.funding_paid,
            liquidated_at: found.liquidated_at,
            positions: self.positions(account),
        })
    }

    /// Wallet figures of an account.
    #[must_use]
    pub fn wallets(&self, account: AccountId) -> Option<WalletView> {
        Some(self.accounts.get(account.0)?.wallets(&self.boards))
    }

    /// Positions with a quantity, in order of symbol and slot.
    #[must_use]
    pub fn positions(&self, account: AccountId) -> Vec<PositionView> {
        let Some(found) = self.accounts.get(account.0) else {
            return Vec::new();
        };
        found
            .positions(&self.boards)
            .filter_map(|(key, _, _, _)| found.view(key, &self.boards))
            .collect()
    }

    /// True when the account holds no position.
    #[must_use]
    pub fn is_flat(&self, account: AccountId) -> bool {
        let found = self.accounts.get(account.0);
        found.is_none_or(|a| a.slots.values().all(|slot| slot.amount.is_zero()))
    }

    /// One slot, empty or not; `None` for an unknown account or symbol.
    #[must_use]
    pub fn position(&self, account: AccountId, key: &PositionKey) -> Option<PositionView> {
        self.accounts.get(account.0)?.view(key, &self.boards)
    }

    /// Settings of a symbol.
    #[must_use]
    pub fn config(&self, account: AccountId, symbol: &Symbol) -> Option<SymbolConfig> {
        let found = self.accounts.get(account.0)?;
        self.boards.get(symbol)?;
        Some(found.config(symbol, &self.boards))
    }

    /// True when the account holds long and short slots apart.
    #[must_use]
    pub fn is_hedge(&self, account: AccountId) -> bool {
        self.accounts.get(account.0).is_some_and(|a| a.hedge)
    }

    /// Resting orders, oldest first.
    #[must_use]
    pub fn open_orders(&self, account: AccountId) -> Vec<Order> {
        let found = self.accounts.get(account.0);
        found.map_or_else(Vec::new, |a| a.open.values().cloned().collect())
    }

    /// Finished orders that are remembered, oldest first.
    #[must_use]
    pub fn done_orders(&self, account: AccountId) -> Vec<Order> {
        let found = self.accounts.get(account.0);
        found.map_or_else(Vec::new, |a| a.done.iter().cloned().collect())
    }

    /// Trades that are remembered, oldest first.
    #[must_use]
    pub fn trades(&self, account: AccountId) -> Vec<Trade> {
        let found = self.accounts.get(account.0);
        found.map_or_else(Vec::new, |a| a.trades.iter().cloned().collect())
    }

    /// Income rows that are remembered, oldest first.
    #[must_use]
    pub fn income(&self, account: AccountId) -> Vec<Income> {
        let found = self.accounts.get(account.0);
        found.map_or_else(Vec::new, |a| a.income.iter().cloned().collect())
    }

    /// Changes of isolated wallets that are remembered, oldest first.
    #[must_use]
    pub fn margin_changes(&self, account: AccountId) -> Vec<MarginChange> {
        let found = self.accounts.get(account.0);
        found.map_or_else(Vec::new, |a| a.margin_changes.iter().cloned().collect())
    }

    /// Transfers that are remembered, oldest first.
    #[must_use]
    pub fn transfers(&self, account: AccountId) -> Vec<Transfer> {
        let found = self.accounts.get(account.0);
        found.map_or_else(Vec::new, |a| a.transfers.iter().cloned().collect())
    }
}
