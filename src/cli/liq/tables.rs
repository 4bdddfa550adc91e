//! The risk tables that are built in, so that common contracts need no network.
//!
//! A table is a hint of the day it names: venues change them. Whoever uses one says so.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Deserialize;

use crate::domain::{ContractKind, Leverage, Money, Rate, Tier, TierError, TierTable};
use crate::margin::Venue;

const TABLES: &str = include_str!("tables.toml");
/// Names that look like the one asked for: so many are told.
const NEAR_MAX: usize = 3;
/// Below this likeness (0 to 1) two names have nothing to do with each other.
const LIKENESS_MIN: f64 = 0.83;

/// One contract as it was on the day of `as_of`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) exchange: Venue,
    pub(super) symbol: String,
    pub(super) contract: ContractKind,
    pub(super) contract_size: Decimal,
    pub(super) settle: String,
    pub(super) taker_fee_rate: Rate,
    pub(super) as_of: String,
    pub(super) source: String,
    pub(super) note: Option<String>,
    /// Floor, cap (empty: open), maintenance rate, deduction, highest leverage.
    tiers: Vec<[String; 5]>,
}

/// All built-in tables.
#[derive(Debug, Deserialize)]
pub(super) struct Tables {
    #[serde(rename = "table")]
    list: Vec<Table>,
}

/// A built-in table that cannot be used: a fault of the program.
#[derive(Debug, thiserror::Error)]
#[error("the built-in table of {symbol} is broken: {reason}")]
pub(super) struct Broken {
    symbol: String,
    reason: String,
}

impl Tables {
    /// Reads what is built in.
    pub(super) fn built_in() -> Result<Self, Broken> {
        toml::from_str(TABLES).map_err(|error| Broken {
            symbol: "every contract".to_owned(),
            reason: error.to_string(),
        })
    }

    /// All tables, of one venue or of every one.
    pub(super) fn of(&self, venue: Option<Venue>) -> impl Iterator<Item = &Table> {
        self.list
            .iter()
            .filter(move |table| venue.is_none_or(|venue| table.exchange == venue))
    }

    /// The table of a contract; capitals do not matter unless two names differ in nothing else.
    pub(super) fn find(&self, venue: Venue, symbol: &str) -> Option<&Table> {
        let same = self.of(Some(venue)).find(|table| table.symbol == symbol);
        same.or_else(|| {
            self.of(Some(venue))
                .find(|table| table.symbol.eq_ignore_ascii_case(symbol))
        })
    }

    /// Names of this venue that look like `symbol`, the nearest first.
    pub(super) fn near(&self, venue: Venue, symbol: &str) -> Vec<&str> {
        near(symbol, self.of(Some(venue)).map(|table| &*table.symbol))
    }
}

/// Of `names` those that look like `wanted`, the nearest first.
pub(super) fn near<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let wanted = bare(wanted);
    let mut found: Vec<(f64, &str)> = names
        .map(|name| (strsim::jaro_winkler(&wanted, &bare(name)), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .collect();
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    found.truncate(NEAR_MAX);
    found.into_iter().map(|(_, name)| name).collect()
}

/// Letters and digits alone: venues write the same contract with different dashes.
fn bare(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric()).take(40);
    letters.flat_map(char::to_uppercase).collect()
}

impl Table {
    /// The tiers, checked.
    pub(super) fn ladder(&self) -> Result<Arc<TierTable>, Broken> {
        let broken = |reason: String| Broken {
            symbol: self.symbol.clone(),
            reason,
        };
        let mut tiers = Vec::with_capacity(self.tiers.len());
        for row in &self.tiers {
            tiers.push(tier(row).map_err(|error| broken(error.to_string()))?);
        }
        let table = TierTable::new(tiers).map_err(|error: TierError| broken(error.to_string()))?;
        Ok(Arc::new(table))
    }
}

fn tier(
    [floor, cap, rate, deduction, most]: &[String; 5],
) -> Result<Tier, crate::domain::NumberError> {
    Ok(Tier {
        floor: floor.parse()?,
        cap: match cap.as_str() {
            "" => None,
            cap => Some(cap.parse::<Money>()?),
        },
        maintenance_rate: rate.parse()?,
        deduction: deduction.parse()?,
        max_leverage: most.parse::<Leverage>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::dec;

    #[test]
    fn every_built_in_table_loads_and_is_continuous() {
        let tables = Tables::built_in().expect("readable");
        assert!(tables.of(None).count() > 100);
        for table in tables.of(None) {
            let name = format!("{} {}", table.exchange, table.symbol);
            let ladder = table.ladder().expect(&name);
            assert!(table.contract_size > Decimal::ZERO, "{name}");
            assert!(table.taker_fee_rate.is_positive(), "{name}");
            assert!(table.taker_fee_rate.get() < dec!(0.002), "{name}");
            assert!(
                !table.source.is_empty() && table.as_of.len() == 10,
                "{name}"
            );
            let tiers = ladder.tiers();
            for (one, next) in tiers.iter().zip(tiers.iter().skip(1)) {
                assert!(next.max_leverage <= one.max_leverage, "{name}");
                if table.exchange == Venue::Okx {
                    assert!(next.deduction.is_zero(), "{name}");
                    continue;
                }
                let step = (next.maintenance_rate - one.maintenance_rate).get();
                let expected = one.deduction.get() + next.floor.get() * step;
                let off = (next.deduction.get() - expected).abs();
                assert!(off <= expected * dec!(0.00001), "{name}: {off}");
            }
            for tier in tiers.iter() {
                let most = tier.max_leverage.get() * tier.maintenance_rate.get();
                assert!(most <= dec!(1), "{name}: liquidated at once at {most}");
            }
        }
    }

    #[test]
    fn no_contract_is_listed_twice() {
        let tables = Tables::built_in().expect("readable");
        let mut names: Vec<_> = tables
            .of(None)
            .map(|table| (table.exchange, table.symbol.to_uppercase()))
            .collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_mistyped_name_finds_its_neighbours() {
        let tables = Tables::built_in().expect("readable");
        assert_eq!(
            tables.near(Venue::BinanceUsdm, "BTCUDST").first(),
            Some(&"BTCUSDT")
        );
        assert_eq!(
            tables.near(Venue::Okx, "BTCUSDTSWAP").first(),
            Some(&"BTC-USDT-SWAP")
        );
        assert!(tables.near(Venue::Okx, "zzz").is_empty());
        assert!(tables.find(Venue::Hyperliquid, "kpepe").is_some());
    }
}
