//! Assets that back a cross account beside, or instead of, its settlement asset.

use rust_decimal::Decimal;

use crate::domain::{Money, Price, Rate, Symbol};

/// One asset of a multi-collateral account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collateral {
    pub asset: String,
    /// Units of the asset, without unrealised profit; below zero for a debt.
    pub amount: Money,
    /// Value of one unit in the account's currency.
    pub index: Price,
    /// Share of the value that counts, slice by slice: `(upper bound in units, share)` ascending, the
    /// last without bound. Empty means all of it. Binance: bid rate over index; Bybit: collateral
    /// ratio; OKX: discount rate.
    pub haircut: Vec<(Option<Money>, Rate)>,
    /// Factor on a negative amount: one counts a debt in full, Binance's ask rate over index more.
    pub debt_share: Rate,
    /// The index moves in proportion to this symbol's mark.
    pub follows: Option<Symbol>,
}

impl Collateral {
    /// What `units` of the asset count for, in the account's currency.
    #[must_use]
    pub fn worth(&self, units: Decimal) -> Decimal {
        if units < Decimal::ZERO {
            return units * self.index.get() * self.debt_share.get();
        }
        if self.haircut.is_empty() {
            return units * self.index.get();
        }
        let mut counted = Decimal::ZERO;
        let mut covered = Decimal::ZERO;
        for (bound, share) in &self.haircut {
            let top = bound.map_or(units, |bound| bound.get().min(units));
            if top > covered {
                counted += (top - covered) * share.get();
                covered = top;
            }
        }
        counted * self.index.get()
    }
}
