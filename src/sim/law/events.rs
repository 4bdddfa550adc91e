//! What happens to a ledger: marks, shocks, funding, fills, partial closes.

use rust_decimal::Decimal;

use super::exposure::{Exposure, quotient};
use super::{Holding, Law, Ledger};
use crate::domain::{
    ContractKind, MarginMode, Money, PositionKey, PositionSide, Price, Quantity, Rate, Side, Symbol,
};
use crate::sim::ReleaseModel;

/// Why the venue would not do it. The ledger is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The slot is empty: name another.
    #[error("there is no position in that slot")]
    NoPosition,
    /// Ask for at most what is held.
    #[error("the position holds only {held} contracts")]
    MoreThanHeld { held: Quantity },
    /// Ask for more than nothing.
    #[error("the amount is zero or below")]
    NotPositive,
    /// Round the amount first.
    #[error("an amount of margin may have at most {most} decimals")]
    TooManyDecimals { most: u32 },
    /// Ask for at most `most`.
    #[error("at most {most} may be taken out")]
    NotRemovable { most: Money },
    /// Ask for at most `most`.
    #[error("the tier of this position allows at most {most} times")]
    LeverageTooHigh { most: Decimal },
    /// Close the position first.
    #[error("leverage of an open isolated position may not be lowered")]
    LeverageReduction,
    /// Nothing helps but asking for less.
    #[error("the position would be liquidated at once")]
    WouldLiquidate,
    /// Use a smaller shock.
    #[error("a price would fall to zero or below")]
    NotAPrice,
}

/// Outcome of a partial or whole close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freed {
    /// Part of the isolated wallet that stopped backing the position.
    pub released: Money,
    /// Profit taken, below zero for a loss, before the fee.
    pub realized: Money,
    pub fee: Money,
    /// What the owner has free outside the scope afterwards; zero in cross mode.
    pub freed: Money,
    /// Loss beyond the isolated wallet, which is not the owner's.
    pub shortfall: Money,
}

/// A funding payment; below zero when received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Funding {
    pub due: Money,
    /// The part that the owner's available balance paid; the rest came out of the scope.
    pub outside: Money,
}

/// Outcome of a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filled {
    /// The part that reduced the position.
    pub closed: Freed,
    /// Margin the owner put in from outside the scope for the part that added; isolated only.
    pub staked: Money,
    /// Fee of the part that added.
    pub fee: Money,
}

impl Ledger {
    /// Puts the mark of a symbol at `mark`; collateral that follows it moves in proportion, or to
    /// the mark itself when the symbol is not held.
    ///
    /// # Panics
    /// When `mark` is not above zero, which [`Price::new`] refuses.
    pub fn set_mark(&mut self, symbol: &Symbol, mark: Price) {
        assert!(mark.is_positive(), "a mark is above zero: {mark}");
        let before = self.holding(symbol).map(|held| held.mark);
        for row in &mut self.collateral {
            if row.follows.as_ref() == Some(symbol) {
                row.index = match before {
                    Some(before) => Price::of(quotient(row.index.get() * mark.get(), before.get())),
                    None => mark,
                };
            }
        }
        for held in &mut self.holdings {
            if held.symbol == *symbol {
                held.mark = mark;
            }
        }
    }

    /// Moves every named mark by `lambda` times its beta, as a fraction of where it stands now.
    ///
    /// # Errors
    /// [`Refused::NotAPrice`] when a price would not stay above zero.
    pub fn shock(&mut self, betas: &[(Symbol, Decimal)], lambda: Decimal) -> Result<(), Refused> {
        let mut marks = Vec::with_capacity(betas.len());
        for (symbol, beta) in betas {
            let follower = |row: &&super::Collateral| row.follows.as_ref() == Some(symbol);
            let held = self.holding(symbol).map(|held| held.mark);
            let Some(before) =
                held.or_else(|| self.collateral.iter().find(follower).map(|r| r.index))
            else {
                continue;
            };
            let moved = before.get() * (Decimal::ONE + beta * lambda);
            let mark = Price::new(moved).map_err(|_| Refused::NotAPrice)?;
            marks.push((symbol, mark));
        }
        for (symbol, mark) in marks {
            self.set_mark(symbol, mark);
        }
        Ok(())
    }

    /// Pays funding on all positions of a symbol at their marks, longs to shorts for a rate above
    /// zero, out of the scope; returns what was paid. (Hyperliquid charges on the oracle price: see
    /// [`Ledger::pay_funding_from`].)
    pub fn pay_funding(&mut self, symbol: &Symbol, rate: Rate) -> Money {
        let mark = self.holding(symbol).map(|held| held.mark);
        mark.map_or(Money::ZERO, |mark| {
            self.pay_funding_from(symbol, rate, mark, Money::ZERO).due
        })
    }

    /// Pays funding on the value at `price`. Bybit takes that of an isolated position from the
    /// owner's `available` balance as far as it reaches, and credits it there (source: help page on
    /// funding, classic accounts); the other venues book it in the scope.
    pub fn pay_funding_from(
        &mut self,
        symbol: &Symbol,
        rate: Rate,
        price: Price,
        available: Money,
    ) -> Funding {
        let apart = self.law == Law::Bybit && self.mode == MarginMode::Isolated;
        let mut paid = Funding::default();
        for at in 0..self.holdings.len() {
            let Some(held) = self.holdings.get(at).filter(|h| h.symbol == *symbol) else {
                continue;
            };
            let leg = held.exposure();
            let due = Money::of(leg.sign() * leg.value_at(price) * rate.get());
            let asset = held.settles_in.clone();
            let spared = if apart {
                due.min((available - paid.outside).max(Money::ZERO))
            } else {
                Money::ZERO
            };
            paid.due += due;
            paid.outside += spared;
            self.book(asset.as_deref(), spared - due);
        }
        self.mirror_extra();
        paid
    }

    /// Closes `contracts` of a position at `price` with the taker fee. Cross: profit and fee go to
    /// the wallet. Isolated: the wallet's share leaves with them, or all of it stays, as `release`
    /// says; a loss beyond what is released eats the rest.
    ///
    /// # Errors
    /// [`Refused`] when the slot is empty, or holds less, or `contracts` is not above zero.
    pub fn close_part(
        &mut self,
        key: &PositionKey,
        contracts: Quantity,
        price: Price,
    ) -> Result<Freed, Refused> {
        let at = self.find(key)?;
        let held = self.holdings.get(at).ok_or(Refused::NoPosition)?;
        if !contracts.is_positive() {
            return Err(Refused::NotPositive);
        }
        if contracts > held.contracts {
            let held = held.contracts;
            return Err(Refused::MoreThanHeld { held });
        }
        let whole = contracts == held.contracts;
        let share = quotient(contracts.get(), held.contracts.get());
        let cut = Exposure {
            contracts,
            ..held.exposure()
        };
        let realized = Money::of(cut.profit_at(price));
        let fee = Money::of(cut.value_at(price) * self.taker_fee.get());
        let asset = held.settles_in.clone();
        let freed = match self.mode {
            MarginMode::Cross => {
                self.book(asset.as_deref(), realized - fee);
                Freed {
                    realized,
                    fee,
                    ..Freed::default()
                }
            }
            MarginMode::Isolated => self.release(realized, fee, share, whole),
        };
        if whole {
            self.holdings.remove(at);
        } else if let Some(held) = self.holdings.get_mut(at) {
            held.contracts -= contracts;
        }
        self.mirror_extra();
        Ok(freed)
    }

    fn release(&mut self, realized: Money, fee: Money, share: Decimal, whole: bool) -> Freed {
        let released = match (whole, self.release) {
            (true, ReleaseModel::ProRata | ReleaseModel::KeepsMargin) => self.wallet,
            (false, ReleaseModel::ProRata) => self.wallet * Rate::of(share),
            (false, ReleaseModel::KeepsMargin) => Money::ZERO,
        };
        self.wallet -= released;
        let net = released + realized - fee;
        let stays = !whole && self.release == ReleaseModel::KeepsMargin;
        let mut freed = Freed {
            released,
            realized,
            fee,
            ..Freed::default()
        };
        if whole {
            freed.freed = net.max(Money::ZERO);
            freed.shortfall = (-net).max(Money::ZERO);
        } else if stays || net.is_negative() {
            self.wallet += net;
        } else {
            freed.freed = net;
        }
        freed
    }

    /// Trades `contracts` at `price` in a slot that holds a position: on its side it adds (linear
    /// entries average over size, inverse ones over coin), against it it reduces, and what is left
    /// after a one-way position is gone opens the other way. Isolated additions bring their initial
    /// margin from outside. Whether the owner can pay is not asked.
    ///
    /// # Errors
    /// [`Refused`] when the slot is empty, `contracts` is not above zero, or a hedge slot would turn.
    pub fn fill(
        &mut self,
        key: &PositionKey,
        side: Side,
        contracts: Quantity,
        price: Price,
    ) -> Result<Filled, Refused> {
        let held = self.holdings.get(self.find(key)?);
        let held = held.ok_or(Refused::NoPosition)?.clone();
        if !contracts.is_positive() {
            return Err(Refused::NotPositive);
        }
        if side == held.side {
            return Ok(self.add(key, contracts, price));
        }
        let left = contracts - held.contracts;
        if left.is_positive() && key.position_side != PositionSide::Both {
            let held = held.contracts;
            return Err(Refused::MoreThanHeld { held });
        }
        let closed = self.close_part(key, contracts.min(held.contracts), price)?;
        if !left.is_positive() {
            return Ok(Filled {
                closed,
                ..Filled::default()
            });
        }
        self.holdings.push(Holding {
            side,
            contracts: Quantity::ZERO,
            entry: price,
            extra_margin: Money::ZERO,
            ..held
        });
        Ok(Filled {
            closed,
            ..self.add(key, left, price)
        })
    }

    fn add(&mut self, key: &PositionKey, contracts: Quantity, price: Price) -> Filled {
        let (law, mode, taker_fee) = (self.law, self.mode, self.taker_fee);
        let Some(held) = self.holdings.iter_mut().find(|held| held.key() == *key) else {
            return Filled::default();
        };
        let more = Exposure {
            contracts,
            entry: price,
            mark: price,
            ..held.exposure()
        };
        let fee = Money::of(more.value_at(price) * taker_fee.get());
        let staked = Money::of(law.initial(&more, mode, taker_fee));
        held.entry = average(&held.exposure(), &more);
        held.contracts += contracts;
        let asset = held.settles_in.clone();
        let filled = match (mode, law) {
            (
                MarginMode::Cross,
                Law::BinanceUsdm | Law::BinanceCoinm | Law::Bybit | Law::Okx | Law::Hyperliquid,
            ) => {
                self.book(asset.as_deref(), -fee);
                Filled {
                    fee,
                    ..Filled::default()
                }
            }
            (MarginMode::Isolated, Law::Hyperliquid) => {
                // Every fee there comes out of the position's own dollars.
                self.wallet += staked - fee;
                Filled {
                    staked,
                    fee,
                    ..Filled::default()
                }
            }
            (
                MarginMode::Isolated,
                Law::BinanceUsdm | Law::BinanceCoinm | Law::Bybit | Law::Okx,
            ) => {
                self.wallet += staked;
                Filled {
                    staked,
                    fee,
                    ..Filled::default()
                }
            }
        };
        self.mirror_extra();
        filled
    }

    pub(super) fn find(&self, key: &PositionKey) -> Result<usize, Refused> {
        self.holdings
            .iter()
            .position(|held| held.key() == *key)
            .ok_or(Refused::NoPosition)
    }

    /// Books an amount to the collateral row of that name, else to the wallet.
    fn book(&mut self, asset: Option<&str>, amount: Money) {
        let row = asset.and_then(|asset| self.collateral.iter_mut().find(|r| r.asset == asset));
        match row {
            Some(row) => row.amount += amount,
            None => self.wallet += amount,
        }
    }

    /// Writes what a Bybit isolated wallet holds beyond the initial margin into the holding.
    pub(super) fn mirror_extra(&mut self) {
        if self.law != Law::Bybit || self.mode != MarginMode::Isolated {
            return;
        }
        for held in &mut self.holdings {
            let leg = held.exposure();
            let base = self.law.initial(&leg, self.mode, self.taker_fee);
            held.extra_margin = self.wallet - Money::of(base);
        }
    }
}

/// Entry of two lots together: money over size, or face over coin.
fn average(held: &Exposure<'_>, more: &Exposure<'_>) -> Price {
    let cost = held.value_at(held.entry) + more.value_at(more.entry);
    let size = held.size() + more.size();
    Price::of(match held.contract {
        ContractKind::Linear => quotient(cost, size),
        ContractKind::Inverse => quotient(size, cost),
    })
}
