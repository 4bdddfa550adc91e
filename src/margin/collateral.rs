//! Other assets that back a cross scope, each with its discount.
//!
//! Binance multi-assets mode, the cross mode of Bybit's unified account and OKX's multi-currency
//! margin add up several assets in one unit. The scope's own settlement asset is that unit here; a
//! venue that adds up in US dollars is described by giving the settlement asset a price of its own
//! as one more [`Collateral`].

use rust_decimal::Decimal;

use crate::domain::{Money, Price, Rate, Symbol};

/// One step of a discount: the part of the amount up to `cap` counts with `rate`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiscountStep {
    /// Amount of the asset up to which this step goes; `None` for the open last one.
    pub cap: Option<Money>,
    /// Share that counts, 0 to 1.
    pub rate: Rate,
}

/// How much of an asset counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Discount {
    /// Ascending; an amount beyond the last cap does not count.
    pub steps: Vec<DiscountStep>,
    /// Factor on a negative amount, at least 1 (an asset owed costs its ask price).
    pub debt: Rate,
}

/// One more asset of a cross wallet.
#[derive(Debug, Clone, PartialEq)]
pub struct Collateral {
    pub asset: Symbol,
    /// Wallet without unrealised profit; negative when owed.
    pub amount: Money,
    /// Value of one unit in the scope's own asset.
    pub price: Price,
    /// The price moves with the mark of this symbol; `None`: it is held.
    pub follows: Option<Symbol>,
    pub discount: Discount,
}

impl Discount {
    /// The same share for every amount.
    #[must_use]
    pub fn flat(rate: Rate) -> Self {
        Self {
            steps: vec![DiscountStep { cap: None, rate }],
            debt: Rate::ONE,
        }
    }

    /// The part of `amount` that counts, in units of the asset.
    #[must_use]
    pub fn counted(&self, amount: Money) -> Money {
        if amount.is_negative() {
            return amount * self.debt;
        }
        let mut from = Money::ZERO;
        let mut counted = Money::ZERO;
        for step in &self.steps {
            let to = step.cap.map_or(amount, |cap| cap.min(amount));
            if to > from {
                counted += (to - from) * step.rate;
                from = to;
            }
        }
        counted
    }
}

impl Collateral {
    /// Worth in the scope's own asset at `price`: the wallet and the `profit` settled in this asset.
    /// `discounts_profit` is the venue's rule on whether profit is discounted too.
    pub(super) fn worth(&self, profit: Money, price: Decimal, discounts_profit: bool) -> Decimal {
        let counted = if discounts_profit {
            self.discount.counted(self.amount + profit)
        } else {
            self.discount.counted(self.amount) + profit
        };
        counted.get().saturating_mul(price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::dec;

    #[test]
    fn each_slice_counts_with_its_own_rate_and_a_debt_in_full() {
        let discount = Discount {
            steps: vec![
                DiscountStep {
                    cap: Some(Money::of(dec!(50))),
                    rate: Rate::of(dec!(0.95)),
                },
                DiscountStep {
                    cap: Some(Money::of(dec!(100))),
                    rate: Rate::of(dec!(0.9)),
                },
            ],
            debt: Rate::of(dec!(1.05)),
        };
        let counted = |amount| discount.counted(Money::of(amount)).get();
        assert_eq!(counted(dec!(40)), dec!(38));
        assert_eq!(counted(dec!(60)), dec!(56.5));
        assert_eq!(counted(dec!(500)), dec!(92.5));
        assert_eq!(counted(dec!(-10)), dec!(-10.5));
    }
}
