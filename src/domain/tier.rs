//! Risk tiers (leverage brackets) and the table they form.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Leverage, Money, Rate};

/// One bracket: for notional in `[floor, cap)` maintenance is `notional * rate - deduction`.
/// Bounds are in quote currency for linear contracts and in base coin for inverse ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    pub floor: Money,
    /// `None` for the open last tier.
    pub cap: Option<Money>,
    pub maintenance_rate: Rate,
    /// Quick-deduction amount that keeps maintenance continuous over the borders (Binance `cum`).
    pub deduction: Money,
    /// Highest initial leverage the venue allows in this tier.
    pub max_leverage: Leverage,
}

/// Why a tier table cannot be used; the caller keeps the old table and raises an alarm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TierError {
    #[error("the tier table is empty")]
    Empty,
    #[error("tier {index} does not start where the one before it ends")]
    Gap { index: usize },
    #[error("tier {index} has a maintenance rate outside 0..1 or below the tier before it")]
    Rate { index: usize },
}

/// Contiguous tiers in ascending order, at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TierTable(Vec<Tier>);

impl TierTable {
    /// Sorts and validates tiers.
    ///
    /// # Errors
    /// [`TierError`] when the table is empty, has gaps, or rates that are not rising within 0..1.
    pub fn new(mut tiers: Vec<Tier>) -> Result<Self, TierError> {
        tiers.sort_by_key(|tier| tier.floor);
        let mut edge: Option<Money> = Some(Money::ZERO);
        let mut rate = Rate::ZERO;
        for (index, tier) in tiers.iter().enumerate() {
            if edge != Some(tier.floor) || tier.cap.is_some_and(|cap| cap <= tier.floor) {
                return Err(TierError::Gap { index });
            }
            let range = Rate::ZERO..Rate::ONE;
            if tier.maintenance_rate < rate || !range.contains(&tier.maintenance_rate) {
                return Err(TierError::Rate { index });
            }
            edge = tier.cap;
            rate = tier.maintenance_rate;
        }
        if tiers.is_empty() {
            Err(TierError::Empty)
        } else {
            Ok(Self(tiers))
        }
    }

    #[must_use]
    pub fn tiers(&self) -> &[Tier] {
        &self.0
    }

    /// The tier that holds `notional`; beyond the last cap the last tier, below zero the first.
    #[must_use]
    pub fn at(&self, notional: Money) -> &Tier {
        self.first(|cap| notional < cap)
    }

    /// The tier in which `size` is allowed: one that equals a cap still belongs to that tier, as venues
    /// that count contracts print it. Beyond the last cap the last tier.
    #[must_use]
    pub fn allowing(&self, size: Money) -> &Tier {
        self.first(|cap| size <= cap)
    }

    /// The first tier whose cap is `far_enough`, else the last. Looked for from below: most positions
    /// are in the first tiers, and a comparison of decimals costs more than a step.
    fn first(&self, far_enough: impl Fn(Money) -> bool) -> &Tier {
        let last = self.0.len() - 1;
        let found = self
            .0
            .iter()
            .position(|tier| tier.cap.is_none_or(&far_enough));
        #[allow(
            clippy::indexing_slicing,
            reason = "`new` refuses an empty table, so `last` is a valid index"
        )]
        &self.0[found.unwrap_or(last)]
    }

    /// Maintenance margin of `notional`, never below zero.
    #[must_use]
    pub fn maintenance(&self, notional: Money) -> Money {
        let tier = self.at(notional);
        let margin = notional * tier.maintenance_rate - tier.deduction;
        if margin.is_negative() {
            Money::ZERO
        } else {
            margin
        }
    }
}

impl<'de> Deserialize<'de> for TierTable {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tiers = Vec::<Tier>::deserialize(deserializer)?;
        Self::new(tiers).map_err(serde::de::Error::custom)
    }
}

impl Tier {
    /// A tier from plain figures; `cap = None` leaves it open.
    #[must_use]
    pub fn of(floor: i64, cap: Option<i64>, rate: Decimal, deduction: Decimal, max: u32) -> Self {
        Self {
            floor: Money::of(Decimal::from(floor)),
            cap: cap.map(|cap| Money::of(Decimal::from(cap))),
            maintenance_rate: Rate::of(rate),
            deduction: Money::of(deduction),
            max_leverage: max.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::dec;

    fn table() -> TierTable {
        TierTable::new(vec![
            Tier::of(300_000, None, dec!(0.005), dec!(300), 100),
            Tier::of(0, Some(300_000), dec!(0.004), dec!(0), 150),
        ])
        .expect("valid table")
    }

    #[test]
    fn maintenance_is_continuous_at_a_border() {
        let table = table();
        let below = table.maintenance(Money::of(dec!(299999.99)));
        let at = table.maintenance(Money::of(dec!(300000)));
        assert_eq!(at, Money::of(dec!(1200)));
        assert!(at - below < Money::of(dec!(0.001)));
    }

    #[test]
    fn refuses_gaps_and_empty_tables() {
        assert_eq!(TierTable::new(vec![]), Err(TierError::Empty));
        let gap = vec![
            Tier::of(0, Some(10), dec!(0.01), dec!(0), 10),
            Tier::of(20, None, dec!(0.02), dec!(0), 5),
        ];
        assert_eq!(TierTable::new(gap), Err(TierError::Gap { index: 1 }));
    }
}
