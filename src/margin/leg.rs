//! One position as a function of its mark price.

use std::sync::Arc;

use rust_decimal::Decimal;

use crate::domain::{
    ContractKind, Leverage, Money, PositionKey, Price, Quantity, Side, Symbol, TierTable,
};

/// One position inside a scope.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    pub key: PositionKey,
    pub side: Side,
    pub contract: ContractKind,
    /// Absolute size as the venue counts it, in contracts.
    pub quantity: Quantity,
    /// Base units (linear) or quote face value (inverse) of one contract; 1 where the venue counts in
    /// base units.
    pub contract_size: Decimal,
    pub entry: Price,
    pub mark: Price,
    /// Initial leverage; `None` where the venue does not tell it.
    pub leverage: Option<Leverage>,
    pub tiers: Arc<TierTable>,
    /// Asset in which profit is settled, in a scope with several; `None`: the scope's own.
    pub asset: Option<Symbol>,
    /// Contracts of which family the venue adds up to choose the tier; `None`: this leg alone.
    pub family: Option<Symbol>,
    /// Contracts that other legs of the family hold; kept by the scope.
    pub(super) peers: Quantity,
}

impl Leg {
    /// A linear position counted in base units.
    #[must_use]
    pub fn linear(
        key: PositionKey,
        side: Side,
        quantity: Quantity,
        entry: Price,
        mark: Price,
        tiers: Arc<TierTable>,
    ) -> Self {
        Self {
            key,
            side,
            contract: ContractKind::Linear,
            quantity,
            contract_size: Decimal::ONE,
            entry,
            mark,
            leverage: None,
            tiers,
            asset: None,
            family: None,
            peers: Quantity::ZERO,
        }
    }

    /// An inverse position counted in contracts of `contract_size` quote units.
    #[must_use]
    pub fn inverse(contract_size: Decimal, like: Self) -> Self {
        Self {
            contract: ContractKind::Inverse,
            contract_size,
            ..like
        }
    }

    /// Base units (linear) or quote face value (inverse), without sign.
    #[must_use]
    pub fn face(&self) -> Decimal {
        // By its digits: cheaper than a comparison, and missing a "1.0" costs a product only.
        if self.contract_size.mantissa() == 1 && self.contract_size.scale() == 0 {
            self.quantity.get()
        } else {
            self.quantity.get().saturating_mul(self.contract_size)
        }
    }

    /// Value at `price` in the settlement asset: quote currency (linear) or base coin (inverse).
    #[must_use]
    pub fn notional(&self, price: Price) -> Money {
        match self.contract {
            ContractKind::Linear => Money::of(self.face().saturating_mul(price.get())),
            ContractKind::Inverse => Money::of(value_in_coin(self.face(), price)),
        }
    }

    /// Unrealised profit at `price`, in the settlement asset.
    #[must_use]
    pub fn profit(&self, price: Price) -> Money {
        Money::of(
            self.signed(match self.contract {
                ContractKind::Linear => self
                    .face()
                    .saturating_mul(price.get().saturating_sub(self.entry.get())),
                // Two values are subtracted instead of two reciprocals: fewer digits are lost.
                ContractKind::Inverse => value_in_coin(self.face(), price)
                    .saturating_sub(value_in_coin(self.face(), self.entry)),
            }),
        )
    }

    /// Initial margin at `price`: value over leverage. `None` where the leverage is not known.
    #[must_use]
    pub fn initial_margin(&self, price: Price) -> Option<Money> {
        let leverage = self.leverage?.get();
        let margin = self.notional(price).get().checked_div(leverage)?;
        Some(Money::of(margin))
    }

    /// `x` of a price: health is piecewise straight in it.
    pub(super) fn coordinate(&self, price: Price) -> Decimal {
        match self.contract {
            ContractKind::Linear => price.get(),
            ContractKind::Inverse => Decimal::ONE
                .checked_div(price.get())
                .unwrap_or(Decimal::MAX),
        }
    }

    /// Does profit rise with `x`?
    pub(super) fn rises(&self) -> bool {
        match (self.contract, self.side) {
            (ContractKind::Linear, Side::Long) | (ContractKind::Inverse, Side::Short) => true,
            (ContractKind::Linear, Side::Short) | (ContractKind::Inverse, Side::Long) => false,
        }
    }

    /// `amount` with the sign of the direction of this leg in `x`.
    pub(super) fn signed(&self, amount: Decimal) -> Decimal {
        if self.rises() { amount } else { -amount }
    }

    /// Value at the entry price.
    pub(super) fn entry_value(&self) -> Decimal {
        match self.contract {
            ContractKind::Linear => self.face().saturating_mul(self.entry.get()),
            ContractKind::Inverse => value_in_coin(self.face(), self.entry),
        }
    }

    /// Value at which the initial margin is lost, as a share of the entry value: `1 - d / leverage`
    /// with the direction `d`. Where the leverage is not known, the most it can be.
    pub(super) fn share_at_loss(&self) -> Decimal {
        let share = |leverage: Leverage| {
            let part = Decimal::ONE.checked_div(leverage.get())?;
            Some(Decimal::ONE - self.signed(part))
        };
        let most = if self.rises() {
            Decimal::ONE
        } else {
            Decimal::TWO
        };
        self.leverage.and_then(share).unwrap_or(most)
    }

    /// Contracts that choose the tier where the venue counts contracts.
    pub(super) fn counted(&self) -> Money {
        Money::of((self.quantity + self.peers).get())
    }

    /// Value of `quantity` contracts at `price`, in the settlement asset.
    pub(super) fn value_of(&self, quantity: Quantity, price: Price) -> Money {
        let face = quantity.get().saturating_mul(self.contract_size);
        Money::of(match self.contract {
            ContractKind::Linear => face.saturating_mul(price.get()),
            ContractKind::Inverse => value_in_coin(face, price),
        })
    }

    /// What closing `quantity` at `price` realises, before fees.
    pub(super) fn result_of(&self, quantity: Quantity, price: Price) -> Money {
        let moved = self.value_of(quantity, price) - self.value_of(quantity, self.entry);
        Money::of(self.signed(moved.get()))
    }
}

fn value_in_coin(face: Decimal, price: Price) -> Decimal {
    face.checked_div(price.get()).unwrap_or(Decimal::MAX)
}
