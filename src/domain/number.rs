//! Exact decimal newtypes. Each parse checks a bound so wide that no market reaches it and so
//! narrow that sums and products of bounded values cannot overflow the decimal type.

use std::cmp::Ordering;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};
use std::str::FromStr;

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// Why a text is not a usable number. The caller drops the frame or names the field to the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The text is empty, not decimal, NaN or infinite.
    #[error("`{text}` is not a decimal number")]
    NotANumber { text: String },
    /// The value lies outside what this kind of number may hold.
    #[error("{value} is outside the range of a {kind} ({bound})")]
    OutOfRange {
        kind: &'static str,
        value: Decimal,
        bound: &'static str,
    },
}

fn parse_decimal(text: &str) -> Result<Decimal, NumberError> {
    let trimmed = text.trim();
    let parsed = if trimmed.contains(['e', 'E']) {
        Decimal::from_scientific(trimmed)
    } else {
        Decimal::from_str(trimmed)
    };
    parsed.map_err(|_| NumberError::NotANumber {
        text: trimmed.chars().take(40).collect(),
    })
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $bound:literal, |$v:ident| $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(Decimal);

        impl $name {
            /// Zero of this kind.
            pub const ZERO: Self = Self(Decimal::ZERO);

            /// Checks the range of this kind.
            ///
            /// # Errors
            /// [`NumberError::OutOfRange`] when the value is outside it.
            pub fn new($v: Decimal) -> Result<Self, NumberError> {
                if $check {
                    Ok(Self($v))
                } else {
                    Err(NumberError::OutOfRange { kind: $kind, value: $v, bound: $bound })
                }
            }

            /// The bare decimal, for formulas that leave this kind.
            #[must_use]
            pub const fn get(self) -> Decimal {
                self.0
            }

            /// Wraps the result of a formula over bounded values; no range check.
            #[must_use]
            pub const fn of(value: Decimal) -> Self {
                Self(value)
            }

            #[must_use]
            pub fn is_zero(self) -> bool {
                self.0.is_zero()
            }

            #[must_use]
            pub fn is_positive(self) -> bool {
                // By sign and digits: a comparison of decimals is much dearer.
                self.0.is_sign_positive() && !self.0.is_zero()
            }

            #[must_use]
            pub fn is_negative(self) -> bool {
                self.0.is_sign_negative() && !self.0.is_zero()
            }

            #[must_use]
            pub fn abs(self) -> Self {
                Self(self.0.abs())
            }

            /// `self / other` as a rate, `None` when `other` is zero.
            #[must_use]
            pub fn ratio(self, other: Self) -> Option<Rate> {
                self.0.checked_div(other.0).map(Rate)
            }

            /// Rounds to a multiple of `step` towards minus infinity; `step <= 0` leaves the value.
            #[must_use]
            pub fn floor_to(self, step: Decimal) -> Self {
                Self(round_to(self.0, step, RoundingStrategy::ToNegativeInfinity))
            }

            /// Rounds to a multiple of `step` towards plus infinity; `step <= 0` leaves the value.
            #[must_use]
            pub fn ceil_to(self, step: Decimal) -> Self {
                Self(round_to(self.0, step, RoundingStrategy::ToPositiveInfinity))
            }

            /// Half-away-from-zero rounding to `places` decimals, for display only.
            #[must_use]
            pub fn round_display(self, places: u32) -> Decimal {
                self.0.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
            }
        }

        impl FromStr for $name {
            type Err = NumberError;

            fn from_str(text: &str) -> Result<Self, NumberError> {
                Self::new(parse_decimal(text)?)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.normalize(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.normalize())
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, rhs: Self) -> Self {
                Self(self.0.saturating_add(rhs.0))
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, rhs: Self) -> Self {
                Self(self.0.saturating_sub(rhs.0))
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, rhs: Self) {
                *self = *self + rhs;
            }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, rhs: Self) {
                *self = *self - rhs;
            }
        }

        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
                iter.fold(Self::ZERO, Add::add)
            }
        }

        impl Mul<Rate> for $name {
            type Output = Self;
            fn mul(self, rhs: Rate) -> Self {
                Self(self.0.saturating_mul(rhs.get()))
            }
        }
    };
}

fn round_to(value: Decimal, step: Decimal, strategy: RoundingStrategy) -> Decimal {
    // Nearly all steps are 0.01, 0.001 and the like: digits are cut off, nothing is divided.
    if step.mantissa() == 1 {
        return value.round_dp_with_strategy(step.scale(), strategy);
    }
    if step <= Decimal::ZERO {
        return value;
    }
    match value.checked_div(step) {
        Some(units) => units
            .round_dp_with_strategy(0, strategy)
            .saturating_mul(step),
        None => value,
    }
}

number!(
    /// A price in quote currency per base unit. Range: 0 < p <= 1e9.
    Price, "price", "above 0, at most 1e9",
    |v| v > Decimal::ZERO && v <= Decimal::from(1_000_000_000_u64)
);
number!(
    /// A size in base units (linear) or contracts (inverse); the sign is carried by the side.
    /// Range: -1e13 <= q <= 1e13.
    Quantity, "quantity", "between -1e13 and 1e13",
    |v| v.abs() <= Decimal::from(10_000_000_000_000_u64)
);
number!(
    /// An amount of the settlement asset. Range: -1e18 <= m <= 1e18.
    Money, "money amount", "between -1e18 and 1e18",
    |v| v.abs() <= Decimal::from(1_000_000_000_000_000_000_u64)
);
number!(
    /// A dimensionless fraction: 0.004 means 0.4 %. Range: -1e6 <= r <= 1e6.
    Rate, "rate", "between -1e6 and 1e6",
    |v| v.abs() <= Decimal::from(1_000_000_u64)
);

number!(
    /// A multiple of the margin, as in 20x; venues allow fractions such as 57.14. Range: 0 < l <= 1000.
    Leverage, "leverage", "above 0, at most 1000",
    |v| v > Decimal::ZERO && v <= Decimal::ONE_THOUSAND
);

impl Leverage {
    /// The multiple without its fraction.
    #[must_use]
    pub fn whole(self) -> u32 {
        self.0.trunc().to_u32().unwrap_or(0)
    }
}

impl From<u32> for Leverage {
    fn from(whole: u32) -> Self {
        Self(Decimal::from(whole))
    }
}

impl Mul<Quantity> for Price {
    type Output = Money;
    fn mul(self, rhs: Quantity) -> Money {
        Money(self.0.saturating_mul(rhs.0))
    }
}

impl Mul<Price> for Quantity {
    type Output = Money;
    fn mul(self, rhs: Price) -> Money {
        rhs * self
    }
}

impl Money {
    /// `self / quantity` as a price, `None` for a zero quantity or a result that is no price.
    #[must_use]
    pub fn per(self, quantity: Quantity) -> Option<Price> {
        self.0
            .checked_div(quantity.0)
            .and_then(|p| Price::new(p).ok())
    }

    /// `self / price` as a quantity, `None` for a zero price.
    #[must_use]
    pub fn at(self, price: Price) -> Option<Quantity> {
        self.0.checked_div(price.0).map(Quantity)
    }
}

impl Rate {
    /// One, the neutral factor.
    pub const ONE: Self = Self(Decimal::ONE);

    /// The same fraction in percent, for display.
    #[must_use]
    pub fn as_pct(self) -> Decimal {
        self.0.saturating_mul(Decimal::ONE_HUNDRED)
    }

    /// A fraction from a percentage: 5 gives 0.05.
    #[must_use]
    pub fn from_pct(pct: Decimal) -> Self {
        Self(pct / Decimal::ONE_HUNDRED)
    }

    #[must_use]
    pub fn clamp_to(self, low: Self, high: Self) -> Self {
        if self.cmp(&low) == Ordering::Less {
            low
        } else if self.cmp(&high) == Ordering::Greater {
            high
        } else {
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        text.parse().expect("price")
    }

    #[test]
    fn parses_plain_and_exponent_text() {
        assert_eq!(price("2.8E-4"), price("0.00028"));
        assert_eq!(price("97000.00000000").to_string(), "97000");
    }

    #[test]
    fn refuses_what_is_not_a_number() {
        for text in ["", "NaN", "inf", "abc", "1,5", "0x10"] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
        for text in ["0", "-1", "1000000001"] {
            assert!(text.parse::<Price>().is_err(), "{text}");
        }
    }

    #[test]
    fn rounds_in_the_named_direction() {
        let step = Decimal::new(1, 3);
        let q: Quantity = "0.20049".parse().expect("quantity");
        assert_eq!(q.floor_to(step).to_string(), "0.2");
        assert_eq!(q.ceil_to(step).to_string(), "0.201");
        assert_eq!((-q).floor_to(step).to_string(), "-0.201");
    }

    #[test]
    fn digits_cut_off_are_a_division_by_the_step() {
        for text in [
            "0",
            "0.2",
            "0.20049",
            "-0.20049",
            "-0.2",
            "7",
            "123456.7899999",
            "1e-28",
        ] {
            let q: Quantity = text.parse().expect("quantity");
            for places in 0..6 {
                let step = Decimal::new(1, places);
                let by_division = |strategy| {
                    let units = q.get() / step;
                    units.round_dp_with_strategy(0, strategy) * step
                };
                let (down, up) = (q.floor_to(step).get(), q.ceil_to(step).get());
                assert_eq!(down, by_division(RoundingStrategy::ToNegativeInfinity));
                assert_eq!(up, by_division(RoundingStrategy::ToPositiveInfinity));
            }
        }
    }

    #[test]
    fn products_of_extreme_values_do_not_panic() {
        let q: Quantity = "10000000000000".parse().expect("quantity");
        let notional = price("1000000000") * q;
        let total: Money = std::iter::repeat_n(notional, 1000).sum();
        assert!(total.is_positive());
        assert_eq!(Money::ZERO.ratio(Money::ZERO), None);
    }

    #[test]
    fn serialises_as_text() {
        let text = serde_json::to_string(&price("57310.50")).expect("json");
        assert_eq!(text, "\"57310.5\"");
        assert!(serde_json::from_str::<Price>("\"-3\"").is_err());
    }
}
