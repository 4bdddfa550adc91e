//! What an owner moves or sets: margin, leverage, and the tiers a venue sets.

use rust_decimal::Decimal;

use super::{Law, Ledger, Refused, bybit};
use crate::domain::{ContractKind, MarginMode, Money, PositionKey, Rate, Symbol, TierTable};

/// Steps of a venue's own top-up; one step per turn of leverage reaches 1x from any leverage allowed.
const TOP_UPS_MAX: usize = 512;

impl Ledger {
    /// Puts margin into the scope, or takes it out for an amount below zero. Where it comes from is
    /// the caller's ledger.
    ///
    /// # Errors
    /// [`Refused`] when the amount is zero, there is no isolated position, Bybit's four decimals are
    /// exceeded, more than [`Ledger::removable`] is asked for, or its removal would be the end.
    pub fn add_margin(&mut self, amount: Money) -> Result<(), Refused> {
        if amount.is_zero() {
            return Err(Refused::NotPositive);
        }
        if self.mode == MarginMode::Isolated {
            if self.holdings.is_empty() {
                return Err(Refused::NoPosition);
            }
            let fine = amount.get().normalize().scale() > bybit::MARGIN_DECIMALS;
            if self.law == Law::Bybit && fine {
                let most = bybit::MARGIN_DECIMALS;
                return Err(Refused::TooManyDecimals { most });
            }
        }
        let most = self.removable();
        if amount.is_negative() && -amount > most {
            return Err(Refused::NotRemovable { most });
        }
        let mut after = self.clone();
        after.wallet += amount;
        if amount.is_negative() && after.is_liquidated() {
            return Err(Refused::WouldLiquidate);
        }
        after.mirror_extra();
        *self = after;
        Ok(())
    }

    /// Most that may be taken out of the scope now.
    ///
    /// Binance: FAQ 360038447311 (isolated: wallet less maintenance, and equity less initial margin;
    /// cross the same after open orders). Bybit isolated: what was added, as long as the position
    /// lives; cross: equity less initial margin. OKX: wallet and equity less initial margin.
    /// Hyperliquid: equity less the greater of initial margin and a tenth of the notional.
    #[must_use]
    pub fn removable(&self) -> Money {
        let (equity, initial) = (self.equity(), self.initial_margin());
        let most = match (self.law, self.mode) {
            (Law::BinanceUsdm | Law::BinanceCoinm, MarginMode::Isolated | MarginMode::Cross) => {
                let wallet = self.wallet - self.other_margin;
                (wallet - self.maintenance()).min(equity - self.other_margin - initial)
            }
            (Law::Bybit, MarginMode::Isolated) => self.spare_extra(),
            (Law::Bybit, MarginMode::Cross) => equity - initial,
            (Law::Okx, MarginMode::Isolated | MarginMode::Cross) => {
                self.wallet.min(equity) - initial
            }
            (Law::Hyperliquid, MarginMode::Isolated | MarginMode::Cross) => {
                let tenth = self.notional() * Rate::of(Decimal::new(1, 1));
                equity - self.other_margin - initial.max(tenth)
            }
        };
        most.min(self.wallet).max(Money::ZERO)
    }

    /// Bybit: what was added, as far as the position lives without it. Each unit taken out also
    /// raises the fee of closing at the price of ruin, hence the factor.
    fn spare_extra(&self) -> Money {
        let extra: Money = self.holdings.iter().map(|held| held.extra_margin).sum();
        extra.min(self.slack() * (Rate::ONE - self.taker_fee))
    }

    /// The venue's own top-up of an isolated position that is at its end: one initial margin at a
    /// time, or all that is left of `available`, until it lives or is backed in full; returns what
    /// it took. Bybit (linear only; help page "Auto Margin Replenishment", 2023-12-04) and Binance;
    /// elsewhere nothing.
    pub fn top_up(&mut self, available: Money) -> Money {
        let linear = |ledger: &Self| {
            let mut held = ledger.holdings.iter();
            held.all(|held| held.contract == ContractKind::Linear)
        };
        let offered = match self.law {
            Law::BinanceUsdm | Law::BinanceCoinm => true,
            Law::Bybit => linear(self),
            Law::Okx | Law::Hyperliquid => false,
        };
        let mut taken = Money::ZERO;
        if !offered || self.mode != MarginMode::Isolated {
            return taken;
        }
        let value = |held: &super::Holding| held.exposure().value_at(held.entry);
        let full = Money::of(self.holdings.iter().map(value).sum());
        for _ in 0..TOP_UPS_MAX {
            let room = full - self.wallet;
            if !self.is_liquidated() || !room.is_positive() {
                break;
            }
            let step = self.initial_margin().min(available - taken);
            if !step.is_positive() {
                break;
            }
            self.wallet += step;
            taken += step;
        }
        self.mirror_extra();
        taken
    }

    /// Replaces the tiers of a symbol, as venues do without asking.
    pub fn set_tiers(&mut self, symbol: &Symbol, tiers: &TierTable) {
        for held in &mut self.holdings {
            if held.symbol == *symbol {
                held.tiers = tiers.clone();
            }
        }
    }

    /// Sets the leverage of a position; returns the margin the owner puts in from outside, below
    /// zero for what comes back. Bybit re-books an isolated position at its new initial margin and
    /// drops what was added; the other venues leave the wallet alone, and Binance does not lower the
    /// leverage of an open isolated position.
    ///
    /// # Errors
    /// [`Refused`] when the slot is empty, the leverage is not for this size, is lowered where it may
    /// not be, or would end the position.
    pub fn set_leverage(&mut self, key: &PositionKey, leverage: Decimal) -> Result<Money, Refused> {
        let at = self.find(key)?;
        if leverage < Decimal::ONE {
            return Err(Refused::NotPositive);
        }
        let mut after = self.clone();
        let held = after.holdings.get_mut(at).ok_or(Refused::NoPosition)?;
        let isolated = self.mode == MarginMode::Isolated;
        let binance = matches!(self.law, Law::BinanceUsdm | Law::BinanceCoinm);
        if binance && isolated && leverage < held.leverage {
            return Err(Refused::LeverageReduction);
        }
        let most = highest_leverage(self.law, held);
        if leverage > most {
            return Err(Refused::LeverageTooHigh { most });
        }
        held.leverage = leverage;
        let mut moved = Money::ZERO;
        if self.law == Law::Bybit && isolated {
            let leg = held.exposure();
            let wallet = Money::of(self.law.initial(&leg, self.mode, self.taker_fee));
            moved = wallet - after.wallet;
            after.wallet = wallet;
            after.mirror_extra();
        }
        if after.is_liquidated() && !self.is_liquidated() {
            return Err(Refused::WouldLiquidate);
        }
        *self = after;
        Ok(moved)
    }
}

/// Highest leverage of the tier the position is in.
fn highest_leverage(law: Law, held: &super::Holding) -> Decimal {
    let leg = held.exposure();
    let measure = match law {
        Law::Okx => held.contracts.get(),
        Law::BinanceUsdm | Law::BinanceCoinm | Law::Bybit | Law::Hyperliquid => leg.value(),
    };
    let all = held.tiers.tiers();
    all.iter()
        .find(|tier| tier.cap.is_none_or(|cap| measure <= cap.get()))
        .or(all.last())
        .map_or(Decimal::ONE, |tier| tier.max_leverage.get())
}
