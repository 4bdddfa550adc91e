//! What differs between venues: one [`Rules`] value each, side by side.
//!
//! | | Binance | Bybit | OKX | Hyperliquid |
//! |---|---|---|---|---|
//! | tier chosen by | value at the price | value at the price | number of contracts | value at the price |
//! | close fee inside the line | no | at the bankruptcy value | at mark | no |
//! | ratio shown | maintenance / equity | maintenance / equity | equity / (maintenance + fee) | maintenance / equity |
//! | liquidated when equity | ≤ maintenance | ≤ maintenance | ≤ maintenance + fee | < maintenance |
//! | profit of a pooled asset | discounted | in full | discounted | in full |
//! | funding of isolated | isolated wallet | free balance first | isolated wallet | isolated wallet |
//! | fee of growing isolated | free balance | free balance | free balance | isolated wallet |
//! | leverage change of isolated | wallet stays | wallet booked anew | wallet stays | wallet stays |
//! | line displayed | exact | exact | isolated: a tick nearer | exact |
//! | removable from isolated | above maintenance and initial | the added part | above initial | above initial and 10 % |

mod binance;
mod bybit;
mod hyperliquid;
mod okx;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A venue whose rules are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Venue {
    /// Binance USDⓈ-M: linear contracts.
    BinanceUsdm,
    /// Binance COIN-M: inverse contracts.
    BinanceCoinm,
    /// Bybit v5 unified trading account.
    Bybit,
    /// OKX v5.
    Okx,
    /// Hyperliquid perpetuals.
    Hyperliquid,
}

/// A name that is no [`Venue`]; the caller shows the names that are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a known exchange; known are {}", Venue::names())]
pub struct UnknownVenue {
    pub name: String,
}

/// What chooses the risk tier of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TierBy {
    /// Its value at the price in question, so the tier can change on the way to the line.
    Value,
    /// Its number of contracts, in cross mode of its whole family; the same at every price.
    Contracts,
}

/// The estimated fee of closing that the venue sets aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseFee {
    /// Not part of the line.
    None,
    /// Taker fee on the value at mark, beside the maintenance margin.
    AtMark,
    /// Taker fee on the value at the bankruptcy price, inside the maintenance margin. In cross mode
    /// that price is taken to be one initial margin away from the entry.
    AtBankruptcy,
}

/// The number that the venue's pages call margin ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ratio {
    /// Demanded over equity: liquidation at 1, danger rises with it.
    DemandOverEquity,
    /// Equity over demanded: liquidation at 1, danger rises as it falls.
    EquityOverDemand,
}

/// What the venue does with the margin of an isolated position that is partly closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartialClose {
    /// The isolated wallet shrinks with the quantity; the rest returns to the cross wallet together
    /// with the realised result. Believed of all four venues, not verified on a live account.
    #[default]
    ReleasesProRata,
    /// The isolated wallet stays and takes the realised result.
    KeepsMargin,
}

/// What a new leverage does to the wallet of an open isolated position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeverageChange {
    /// Nothing: only the initial margin that is asked for changes.
    KeepsWallet,
    /// The wallet becomes initial margin and close fee at the new leverage; margin added earlier
    /// returns to the free balance.
    BooksAnew,
}

/// Which money pays the funding of an isolated position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FundingFrom {
    Wallet,
    /// The free balance while there is any, then the wallet.
    FreeBalanceFirst,
}

/// How much margin may be taken out of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// The wallet must stay above maintenance and equity above initial margin at mark.
    AboveMaintenanceAndInitial,
    /// Isolated: only what was added beyond initial margin and close fee, and equity must stay above
    /// the initial margin. Cross: equity above initial margin.
    AddedPart,
    /// Wallet and equity must stay above initial margin at mark.
    AboveInitial,
    /// Equity must stay above the larger of initial margin and a tenth of the notional.
    AboveInitialAndTenth,
}

/// How the venue displays the liquidation price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownLine {
    Exact,
    /// Isolated: one price tick nearer to mark than the exact solution. Cross: exact.
    IsolatedTickTowardMark,
}

/// The rules of one venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    pub venue: Venue,
    pub tier_by: TierBy,
    pub close_fee: CloseFee,
    pub ratio: Ratio,
    /// Is a scope whose equity equals the demand still alive?
    pub alive_at_line: bool,
    pub partial_close: PartialClose,
    pub leverage_change: LeverageChange,
    pub funding_from: FundingFrom,
    pub removal: Removal,
    /// Does the fee of a fill that grows an isolated position come out of its wallet, or out of the
    /// free balance?
    pub fee_from_wallet: bool,
    /// Does the discount of a pooled asset apply to unrealised profit too, or to its wallet alone?
    pub discounts_profit: bool,
    pub shown_line: ShownLine,
}

impl Venue {
    pub const ALL: [Self; 5] = [
        Self::BinanceUsdm,
        Self::BinanceCoinm,
        Self::Bybit,
        Self::Okx,
        Self::Hyperliquid,
    ];

    /// The rules of this venue.
    #[must_use]
    pub const fn rules(self) -> Rules {
        match self {
            Self::BinanceUsdm => binance::USDM,
            Self::BinanceCoinm => binance::COINM,
            Self::Bybit => bybit::RULES,
            Self::Okx => okx::RULES,
            Self::Hyperliquid => hyperliquid::RULES,
        }
    }

    /// The name used in files and flags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BinanceUsdm => "binance-usdm",
            Self::BinanceCoinm => "binance-coinm",
            Self::Bybit => "bybit",
            Self::Okx => "okx",
            Self::Hyperliquid => "hyperliquid",
        }
    }

    /// All names, for messages.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for Venue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Venue {
    type Err = UnknownVenue;

    fn from_str(name: &str) -> Result<Self, UnknownVenue> {
        let found = Self::ALL.into_iter().find(|venue| venue.name() == name);
        found.ok_or_else(|| UnknownVenue {
            name: name.chars().take(40).collect(),
        })
    }
}
