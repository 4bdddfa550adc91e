//! The margin law of five rule sets, as a ledger.
//!
//! Purpose: judge any claim about a liquidation price or about what an action does, by putting an
//! account into the claimed state and looking. A [`Ledger`] evaluates equity and maintenance at given
//! marks and performs events; it never solves for a price. Inputs: positions, wallets, tiers, marks.
//! It must never know the margin module: its arithmetic is written a second time, by another road
//! (tiers slice by slice instead of deductions, fees from the price of ruin instead of closed forms).
//!
//! | file | holds |
//! |---|---|
//! | here | [`Law`], [`Ledger`], evaluation |
//! | `exposure` | one position: value, profit, progressive tiers |
//! | `collateral` | further assets with discounts |
//! | `bybit` `okx` | the close fee; whole-position tiers |
//! | `events` `moves` | marks, funding, fills, closes; margin, leverage |

mod bybit;
mod collateral;
mod events;
mod exposure;
mod moves;
mod okx;

use rust_decimal::Decimal;

use super::ReleaseModel;
use crate::domain::{MarginMode, Money, Quantity, Rate, Symbol};

pub use collateral::Collateral;
pub use events::{Filled, Freed, Funding, Refused};
pub use exposure::{Exposure, Holding, Stake, sliced};

/// Whose rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Law {
    /// Binance USDⓈ-M: progressive tiers on mark value; 100 % is the end.
    #[default]
    BinanceUsdm,
    /// Binance COIN-M: the same in coin.
    BinanceCoinm,
    /// Bybit UTA 2.0: progressive tiers on mark value plus the fee to close.
    Bybit,
    /// OKX: one rate by contracts for the whole position plus the taker fee on mark value.
    Okx,
    /// Hyperliquid: progressive tiers on mark value, liquidated strictly below.
    Hyperliquid,
}

/// What a position needs, in its settlement asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Need {
    /// The part that comes from the tiers.
    pub tiers: Decimal,
    /// The part that pays the way out.
    pub fee: Decimal,
}

impl Need {
    /// Both parts: what equity is compared with.
    #[must_use]
    pub fn total(self) -> Decimal {
        self.tiers + self.fee
    }
}

/// Where a position stands when its need is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footing {
    pub mode: MarginMode,
    /// The isolated wallet; not read in cross mode.
    pub backing: Money,
    /// Contracts that pick the tier on OKX; not read elsewhere.
    pub crowd: Quantity,
    pub taker_fee: Rate,
}

impl Law {
    /// Maintenance of one position at its mark.
    /// Sources: Binance FAQ b3c689c1 and ceccfcfb; Bybit "New Margin Calculation" (2025-09-18); OKX
    /// position-tier help page (2025-05) and two recorded positions; Hyperliquid docs "Margining".
    #[must_use]
    pub fn need(self, leg: &Exposure<'_>, footing: &Footing) -> Need {
        let value = leg.value();
        match self {
            Self::BinanceUsdm | Self::BinanceCoinm | Self::Hyperliquid => Need {
                tiers: sliced(leg.tiers, value),
                fee: Decimal::ZERO,
            },
            Self::Bybit => Need {
                tiers: sliced(leg.tiers, value),
                fee: match footing.mode {
                    MarginMode::Isolated => {
                        let fee = footing.taker_fee;
                        bybit::value_at_ruin(leg, footing.backing.get(), fee) * fee.get()
                    }
                    MarginMode::Cross => {
                        bybit::fee_at_loss(&leg.stake_at(leg.entry), footing.taker_fee)
                    }
                },
            },
            Self::Okx => Need {
                tiers: value * okx::rate(leg.tiers, footing.crowd).get(),
                fee: value * footing.taker_fee.get(),
            },
        }
    }

    /// The part of a need that the venue writes into its maintenance field: OKX leaves the fee out.
    #[must_use]
    pub fn shown(self, need: Need) -> Decimal {
        match self {
            Self::Okx => need.tiers,
            Self::BinanceUsdm | Self::BinanceCoinm | Self::Bybit | Self::Hyperliquid => {
                need.total()
            }
        }
    }

    /// Contracts that pick the tier of `leg` among `all` positions of its scope: on OKX in cross
    /// those of its family, else its own.
    pub fn crowd<'a>(
        self,
        mode: MarginMode,
        leg: &Exposure<'_>,
        all: impl Iterator<Item = Exposure<'a>>,
    ) -> Quantity {
        match (self, mode) {
            (Self::Okx, MarginMode::Cross) => okx::crowd(leg, all),
            (Self::Okx, MarginMode::Isolated)
            | (
                Self::BinanceUsdm | Self::BinanceCoinm | Self::Bybit | Self::Hyperliquid,
                MarginMode::Isolated | MarginMode::Cross,
            ) => leg.contracts,
        }
    }

    /// Margin that a position asks for at its opening: value over leverage, on Bybit with the fee of
    /// closing where it is lost.
    #[must_use]
    pub fn opening(self, stake: &Stake, taker_fee: Rate) -> Decimal {
        match self {
            Self::Bybit => stake.margin() + bybit::fee_at_loss(stake, taker_fee),
            Self::BinanceUsdm | Self::BinanceCoinm | Self::Okx | Self::Hyperliquid => {
                stake.margin()
            }
        }
    }

    /// Initial margin of a held position: its value at mark over its leverage; on Bybit with the fee
    /// as booked at the entry, and all of it at the entry where it is held isolated.
    #[must_use]
    pub fn initial(self, leg: &Exposure<'_>, mode: MarginMode, taker_fee: Rate) -> Decimal {
        let at_mark = leg.stake_at(leg.mark).margin();
        match (self, mode) {
            (Self::Bybit, MarginMode::Isolated) => {
                self.opening(&leg.stake_at(leg.entry), taker_fee)
            }
            (Self::Bybit, MarginMode::Cross) => {
                at_mark + bybit::fee_at_loss(&leg.stake_at(leg.entry), taker_fee)
            }
            (
                Self::BinanceUsdm | Self::BinanceCoinm | Self::Okx | Self::Hyperliquid,
                MarginMode::Isolated | MarginMode::Cross,
            ) => at_mark,
        }
    }

    /// Whether a scope that holds positions is over: at maintenance, or below it on Hyperliquid.
    #[must_use]
    pub fn is_over(self, equity: Money, maintenance: Money) -> bool {
        match self {
            Self::BinanceUsdm | Self::BinanceCoinm | Self::Bybit | Self::Okx => {
                equity <= maintenance
            }
            Self::Hyperliquid => equity < maintenance,
        }
    }
}

/// One scope of an account: an isolated position with its wallet, or everything cross.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    pub law: Law,
    pub mode: MarginMode,
    /// What backs the scope without unrealised profit, in the settlement asset: the isolated wallet
    /// (OKX `margin`; Hyperliquid account value less profit; Bybit initial margin with its close fee
    /// plus what was added, see [`Ledger::bybit_isolated`]) or the cross wallet.
    pub wallet: Money,
    /// Further assets, cross only.
    pub collateral: Vec<Collateral>,
    /// One in isolated mode.
    pub holdings: Vec<Holding>,
    pub taker_fee: Rate,
    /// What open orders and other scopes need. OKX and Bybit take it off a cross scope's equity; all
    /// venues take it off what may be moved out.
    pub other_margin: Money,
    /// What a partial close of an isolated position does to its wallet.
    pub release: ReleaseModel,
}

impl Ledger {
    /// A scope without further collateral and orders; partial closes release pro rata.
    #[must_use]
    pub fn new(
        law: Law,
        mode: MarginMode,
        wallet: Money,
        taker_fee: Rate,
        holdings: Vec<Holding>,
    ) -> Self {
        Self {
            law,
            mode,
            wallet,
            collateral: Vec::new(),
            holdings,
            taker_fee,
            other_margin: Money::ZERO,
            release: ReleaseModel::ProRata,
        }
    }

    /// A Bybit isolated position whose wallet is its initial margin, the fee of closing at the
    /// bankruptcy price and the holding's `extra_margin`.
    #[must_use]
    pub fn bybit_isolated(holding: Holding, taker_fee: Rate) -> Self {
        let mode = MarginMode::Isolated;
        let base = Law::Bybit.initial(&holding.exposure(), mode, taker_fee);
        let wallet = Money::of(base) + holding.extra_margin;
        Self::new(Law::Bybit, mode, wallet, taker_fee, vec![holding])
    }

    /// Profit not yet realised, in the account's currency, before any discount.
    #[must_use]
    pub fn unrealized(&self) -> Money {
        self.total(|_, holding| holding.exposure().profit())
    }

    /// What the venue compares with maintenance: wallet, profit and discounted collateral.
    #[must_use]
    pub fn equity(&self) -> Money {
        let own = self.settled_in(None);
        let rows = self.collateral.iter().map(|row| {
            let profit = self.settled_in(Some(&row.asset));
            match self.law {
                // Bybit counts profit in full, beside the discounted wallet.
                Law::Bybit => row.worth(row.amount.get()) + profit * row.index.get(),
                Law::BinanceUsdm | Law::BinanceCoinm | Law::Okx | Law::Hyperliquid => {
                    row.worth(row.amount.get() + profit)
                }
            }
        });
        let all = Money::of(self.wallet.get() + own + rows.sum::<Decimal>());
        match (self.law, self.mode) {
            (Law::Okx | Law::Bybit, MarginMode::Cross) => all - self.other_margin,
            (Law::Okx | Law::Bybit, MarginMode::Isolated)
            | (
                Law::BinanceUsdm | Law::BinanceCoinm | Law::Hyperliquid,
                MarginMode::Isolated | MarginMode::Cross,
            ) => all,
        }
    }

    /// What equity may not fall to, with the way out where the venue counts it.
    #[must_use]
    pub fn maintenance(&self) -> Money {
        self.total(|ledger, holding| ledger.need(holding).total())
    }

    /// The venue's own maintenance field: OKX shows `mmr` without the fee it compares with.
    #[must_use]
    pub fn maintenance_shown(&self) -> Money {
        self.total(|ledger, holding| ledger.law.shown(ledger.need(holding)))
    }

    /// Initial margin of all positions at their leverage.
    #[must_use]
    pub fn initial_margin(&self) -> Money {
        self.total(|ledger, holding| {
            let leg = holding.exposure();
            ledger.law.initial(&leg, ledger.mode, ledger.taker_fee)
        })
    }

    /// Absolute value of all positions at their marks.
    #[must_use]
    pub fn notional(&self) -> Money {
        self.total(|_, holding| holding.exposure().value())
    }

    /// Equity minus maintenance: above zero is health.
    #[must_use]
    pub fn slack(&self) -> Money {
        self.equity() - self.maintenance()
    }

    /// The venue's own comparison; never true without a position.
    #[must_use]
    pub fn is_liquidated(&self) -> bool {
        !self.holdings.is_empty() && self.law.is_over(self.equity(), self.maintenance())
    }

    /// Hyperliquid's second line: below two thirds of maintenance a vault takes the position with
    /// all of its margin. Source: Hyperliquid docs "Liquidations". Elsewhere never.
    #[must_use]
    pub fn is_backstopped(&self) -> bool {
        match self.law {
            Law::Hyperliquid => {
                let thirds = |money: Money, n: i64| money.get() * Decimal::from(n);
                self.is_liquidated() && thirds(self.equity(), 3) < thirds(self.maintenance(), 2)
            }
            Law::BinanceUsdm | Law::BinanceCoinm | Law::Bybit | Law::Okx => false,
        }
    }

    /// The ratio as the venue writes it, as a fraction: maintenance over equity (1 is the end, `None`
    /// without equity); OKX equity over maintenance (1 is the end, `None` without a need).
    #[must_use]
    pub fn ratio_shown(&self) -> Option<Rate> {
        let (equity, need) = (self.equity(), self.maintenance());
        match self.law {
            Law::BinanceUsdm | Law::BinanceCoinm | Law::Bybit | Law::Hyperliquid => {
                if equity.is_positive() {
                    need.ratio(equity)
                } else {
                    None
                }
            }
            Law::Okx => equity.ratio(need),
        }
    }

    /// What one position needs, in its settlement asset.
    #[must_use]
    pub fn need(&self, holding: &Holding) -> Need {
        let leg = holding.exposure();
        let all = self.holdings.iter().map(Holding::exposure);
        let footing = Footing {
            mode: self.mode,
            backing: self.wallet,
            crowd: self.law.crowd(self.mode, &leg, all),
            taker_fee: self.taker_fee,
        };
        self.law.need(&leg, &footing)
    }

    /// Sum over all positions, converted to the account's currency.
    fn total(&self, part: impl Fn(&Self, &Holding) -> Decimal) -> Money {
        let converted = self.holdings.iter().map(|holding| {
            let index = self
                .row_of(holding)
                .map_or(Decimal::ONE, |row| row.index.get());
            part(self, holding) * index
        });
        Money::of(converted.sum())
    }

    /// Profit of the positions settled in one collateral row, or in the ledger's own wallet.
    fn settled_in(&self, asset: Option<&str>) -> Decimal {
        self.holdings
            .iter()
            .filter(|holding| self.row_of(holding).map(|row| row.asset.as_str()) == asset)
            .map(|holding| holding.exposure().profit())
            .sum()
    }

    fn row_of(&self, holding: &Holding) -> Option<&Collateral> {
        let asset = holding.settles_in.as_deref()?;
        self.collateral.iter().find(|row| row.asset == asset)
    }

    /// Position of a symbol, long slot before short.
    #[must_use]
    pub fn holding(&self, symbol: &Symbol) -> Option<&Holding> {
        self.holdings.iter().find(|held| held.symbol == *symbol)
    }
}

#[cfg(test)]
mod binance_tests;
#[cfg(test)]
mod bybit_tests;
#[cfg(test)]
mod event_tests;
#[cfg(test)]
mod hyperliquid_tests;
#[cfg(test)]
mod okx_tests;
#[cfg(test)]
mod tests;
