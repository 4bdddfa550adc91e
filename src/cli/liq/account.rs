//! What is asked: an account with its positions, as flags or a file state it. Nothing is derived yet.

use rust_decimal::Decimal;

use crate::domain::{
    ContractKind, Leverage, MarginMode, Money, Price, Quantity, Rate, Side, TierTable,
};
use crate::margin::{Collateral, Venue};

/// An account as stated.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) venue: Venue,
    /// Cross wallet of the settlement asset, without isolated wallets and unrealised profit.
    pub(super) wallet: Option<Money>,
    /// The same for several settlement assets.
    pub(super) wallets: Vec<(String, Money)>,
    pub(super) taker_fee: Option<Rate>,
    pub(super) hedge: bool,
    /// The venue's word for how the account shares its margin.
    pub(super) mode: Option<String>,
    pub(super) collateral: Vec<Collateral>,
    pub(super) reserved: Money,
    pub(super) other_maintenance: Money,
    pub(super) positions: Vec<Stated>,
    /// An isolated position without a margin has its initial margin.
    pub(super) opens_with_initial_margin: bool,
}

/// A position as stated.
#[derive(Debug, Clone)]
pub(super) struct Stated {
    pub(super) symbol: String,
    pub(super) contract: Option<ContractKind>,
    pub(super) margin_mode: MarginMode,
    pub(super) side: Side,
    pub(super) quantity: Quantity,
    pub(super) contract_size: Option<Decimal>,
    pub(super) entry: Price,
    pub(super) mark: Option<Price>,
    /// Isolated wallet without unrealised profit.
    pub(super) margin: Option<Money>,
    pub(super) leverage: Option<Leverage>,
    pub(super) tiers: Option<TierTable>,
    pub(super) family: Option<String>,
    pub(super) settle: Option<String>,
    pub(super) tick: Option<Decimal>,
    pub(super) funding: Option<Rate>,
}
