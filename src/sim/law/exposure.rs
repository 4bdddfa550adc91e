//! One position as a judge sees it: what it is worth and what it has gained at a given price.

use rust_decimal::Decimal;

use crate::domain::{
    ContractKind, Money, PositionKey, PositionSide, Price, Quantity, Side, Symbol, TierTable,
};

/// One position of a [`Ledger`](super::Ledger).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    pub symbol: Symbol,
    pub position_side: PositionSide,
    pub contract: ContractKind,
    pub side: Side,
    /// Absolute size in contracts, above zero.
    pub contracts: Quantity,
    /// Base units per contract (linear) or face value in quote currency per contract (inverse).
    pub contract_size: Decimal,
    /// Average entry price: of the money paid for linear contracts, of the coin for inverse ones.
    pub entry: Price,
    pub mark: Price,
    /// Initial leverage the owner has set, at least one.
    pub leverage: Decimal,
    /// Bybit isolated only: margin beyond the initial one. The ledger's wallet holds it already;
    /// events keep this figure in step with the wallet.
    pub extra_margin: Money,
    /// Bounds in the unit the venue picks its tier by: position value in the settlement asset, or
    /// contracts on OKX.
    pub tiers: TierTable,
    /// Name of the collateral row its profit is booked to and its needs are counted in; `None`, or
    /// a row that does not exist, for the ledger's own wallet.
    pub settles_in: Option<String>,
}

impl Holding {
    /// The slot it lives in.
    #[must_use]
    pub fn key(&self) -> PositionKey {
        PositionKey {
            symbol: self.symbol.clone(),
            position_side: self.position_side,
        }
    }

    /// The same position for arithmetic.
    #[must_use]
    pub const fn exposure(&self) -> Exposure<'_> {
        Exposure {
            symbol: &self.symbol,
            contract: self.contract,
            side: self.side,
            contracts: self.contracts,
            contract_size: self.contract_size,
            entry: self.entry,
            mark: self.mark,
            leverage: self.leverage,
            tiers: &self.tiers,
        }
    }
}

/// A position borrowed from wherever it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Exposure<'a> {
    pub symbol: &'a Symbol,
    pub contract: ContractKind,
    pub side: Side,
    pub contracts: Quantity,
    pub contract_size: Decimal,
    pub entry: Price,
    pub mark: Price,
    pub leverage: Decimal,
    pub tiers: &'a TierTable,
}

impl Exposure<'_> {
    /// Plus one for a long, minus one for a short.
    #[must_use]
    pub const fn sign(&self) -> Decimal {
        match self.side {
            Side::Long => Decimal::ONE,
            Side::Short => Decimal::NEGATIVE_ONE,
        }
    }

    /// Base units (linear) or face value in quote currency (inverse).
    #[must_use]
    pub fn size(&self) -> Decimal {
        self.contracts.get() * self.contract_size
    }

    /// Absolute value at `price`, in the settlement asset.
    #[must_use]
    pub fn value_at(&self, price: Price) -> Decimal {
        match self.contract {
            ContractKind::Linear => self.size() * price.get(),
            ContractKind::Inverse => quotient(self.size(), price.get()),
        }
    }

    /// Absolute value at the mark.
    #[must_use]
    pub fn value(&self) -> Decimal {
        self.value_at(self.mark)
    }

    /// Profit if everything were closed at `price`, before fees, in the settlement asset.
    #[must_use]
    pub fn profit_at(&self, price: Price) -> Decimal {
        let gain = match self.contract {
            ContractKind::Linear => (price.get() - self.entry.get()) * self.size(),
            ContractKind::Inverse => self.value_at(self.entry) - self.value_at(price),
        };
        gain * self.sign()
    }

    /// Profit not yet realised at the mark.
    #[must_use]
    pub fn profit(&self) -> Decimal {
        self.profit_at(self.mark)
    }

    /// What opening it at `price` would put at stake.
    #[must_use]
    pub fn stake_at(&self, price: Price) -> Stake {
        Stake {
            contract: self.contract,
            side: self.side,
            value: self.value_at(price),
            leverage: self.leverage,
        }
    }
}

/// A position about to be opened, as far as its initial margin depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stake {
    pub contract: ContractKind,
    pub side: Side,
    /// Absolute value in the settlement asset.
    pub value: Decimal,
    /// At least one.
    pub leverage: Decimal,
}

impl Stake {
    /// Value divided by the leverage.
    #[must_use]
    pub fn margin(&self) -> Decimal {
        quotient(self.value, self.leverage)
    }

    /// Value of the position at the price where that margin is lost.
    #[must_use]
    pub fn value_at_loss(&self) -> Decimal {
        let falls = match (self.contract, self.side) {
            (ContractKind::Linear, Side::Long) | (ContractKind::Inverse, Side::Short) => true,
            (ContractKind::Linear, Side::Short) | (ContractKind::Inverse, Side::Long) => false,
        };
        if falls {
            self.value - self.margin()
        } else {
            self.value + self.margin()
        }
    }
}

/// Each slice of `value` at the rate of the tier the slice lies in; beyond the last cap the last rate.
/// Sources: Binance "Leverage and Margin of USDⓈ-M Futures", Bybit "Maintenance Margin Calculation",
/// Hyperliquid docs "Margin tiers" (all three progressive), 2026-11. The tables' deduction columns
/// are not read.
#[must_use]
pub fn sliced(tiers: &TierTable, value: Decimal) -> Decimal {
    let mut total = Decimal::ZERO;
    let mut last_rate = Decimal::ZERO;
    let mut covered = Decimal::ZERO;
    for tier in tiers.tiers() {
        let top = tier.cap.map_or(value, |cap| cap.get().min(value));
        last_rate = tier.maintenance_rate.get();
        if top > covered {
            total += (top - covered) * last_rate;
            covered = top;
        }
        if covered >= value {
            return total;
        }
    }
    total + (value - covered) * last_rate
}

/// `a / b`; zero for `b` zero, which prices and leverages above zero never are.
pub(super) fn quotient(a: Decimal, b: Decimal) -> Decimal {
    a.checked_div(b).unwrap_or_default()
}
