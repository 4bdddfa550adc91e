//! Contract rules and risk tiers of the simulated exchange.
//!
//! Purpose: give every tape a contract to trade. Inputs: a symbol and a reference price. Known
//! contracts carry their published figures; any other gets typical ones, marked as generic. It
//! must never know an account or how maintenance margin is computed elsewhere.

use rust_decimal::{Decimal, dec};

use super::Market;
use crate::domain::{
    ContractKind, Instrument, InstrumentStatus, LotLimits, Money, Price, Quantity, Rate, Symbol,
    Tier, TierTable,
};

/// Farthest order price from mark, as a fraction (Binance PERCENT_PRICE of BTCUSDT, 2026-10).
const PRICE_BAND: Decimal = dec!(0.05);
/// Farthest a market order may trade from mark (Binance `marketTakeBound` of BTCUSDT, 2026-10).
const TAKE_BOUND: Decimal = dec!(0.05);

/// One published bracket: notional cap, maintenance rate in hundredths of a percent, highest
/// leverage, quick-deduction amount.
struct Bracket(i64, i64, u32, i64);

/// A contract whose figures are known.
struct Known {
    symbol: &'static str,
    tick: Decimal,
    /// Also the smallest order.
    step: Decimal,
    limit_max: i64,
    market_max: i64,
    min_notional: i64,
    liquidation_fee: Decimal,
    brackets: &'static [Bracket],
}

/// Brackets: `leverageBracket` data of Binance USDⓈ-M as of 2026-09-29. Ticks and steps:
/// exchangeInfo, 2025 and 2026-10; the largest orders and liquidation fees of contracts other than
/// BTCUSDT are typical of their class.
const KNOWN: [Known; 5] = [
    Known {
        symbol: "BTCUSDT",
        tick: dec!(0.1),
        step: dec!(0.001),
        limit_max: 1_000,
        market_max: 120,
        min_notional: 50,
        liquidation_fee: dec!(0.0125),
        brackets: &[
            Bracket(300_000, 40, 150, 0),
            Bracket(800_000, 50, 100, 300),
            Bracket(3_000_000, 65, 75, 1_500),
            Bracket(12_000_000, 100, 50, 12_000),
            Bracket(70_000_000, 200, 25, 132_000),
            Bracket(100_000_000, 250, 20, 482_000),
            Bracket(230_000_000, 500, 10, 2_982_000),
            Bracket(480_000_000, 1_000, 5, 14_482_000),
            Bracket(600_000_000, 1_250, 4, 26_482_000),
            Bracket(800_000_000, 1_500, 3, 41_482_000),
            Bracket(1_200_000_000, 2_500, 2, 121_482_000),
            Bracket(1_800_000_000, 5_000, 1, 421_482_000),
        ],
    },
    Known {
        symbol: "ETHUSDT",
        tick: dec!(0.01),
        step: dec!(0.001),
        limit_max: 10_000,
        market_max: 2_000,
        min_notional: 5,
        liquidation_fee: dec!(0.0125),
        brackets: &[
            Bracket(300_000, 40, 150, 0),
            Bracket(800_000, 50, 100, 300),
            Bracket(3_000_000, 65, 75, 1_500),
            Bracket(12_000_000, 100, 50, 12_000),
            Bracket(50_000_000, 200, 25, 132_000),
            Bracket(65_000_000, 250, 20, 382_000),
            Bracket(150_000_000, 500, 10, 2_007_000),
            Bracket(320_000_000, 1_000, 5, 9_507_000),
            Bracket(400_000_000, 1_250, 4, 17_507_000),
            Bracket(530_000_000, 1_500, 3, 27_507_000),
            Bracket(800_000_000, 2_500, 2, 80_507_000),
            Bracket(1_200_000_000, 5_000, 1, 280_507_000),
        ],
    },
    Known {
        symbol: "SOLUSDT",
        tick: dec!(0.01),
        step: dec!(0.01),
        limit_max: 1_000_000,
        market_max: 80_000,
        min_notional: 5,
        liquidation_fee: dec!(0.015),
        brackets: &[
            Bracket(50_000, 50, 100, 0),
            Bracket(400_000, 65, 75, 75),
            Bracket(1_000_000, 100, 50, 1_475),
            Bracket(4_000_000, 200, 25, 11_475),
            Bracket(8_000_000, 250, 20, 31_475),
            Bracket(40_000_000, 500, 10, 231_475),
            Bracket(80_000_000, 1_000, 5, 2_231_475),
            Bracket(100_000_000, 1_250, 4, 4_231_475),
            Bracket(200_000_000, 2_500, 2, 16_731_475),
            Bracket(400_000_000, 5_000, 1, 66_731_475),
        ],
    },
    Known {
        symbol: "BTCUSDC",
        tick: dec!(0.1),
        step: dec!(0.001),
        limit_max: 1_000,
        market_max: 50,
        min_notional: 5,
        liquidation_fee: dec!(0.0125),
        brackets: &[
            Bracket(50_000, 40, 125, 0),
            Bracket(500_000, 50, 100, 50),
            Bracket(10_000_000, 100, 50, 2_550),
            Bracket(80_000_000, 250, 20, 152_550),
            Bracket(150_000_000, 500, 10, 2_152_550),
            Bracket(300_000_000, 1_000, 5, 9_652_550),
            Bracket(450_000_000, 1_250, 4, 17_152_550),
            Bracket(600_000_000, 1_500, 3, 28_402_550),
            Bracket(800_000_000, 2_500, 2, 88_402_550),
            Bracket(1_000_000_000, 5_000, 1, 288_402_550),
        ],
    },
    Known {
        symbol: "STORJUSDT",
        tick: dec!(0.0001),
        step: dec!(1),
        limit_max: 10_000_000,
        market_max: 1_000_000,
        min_notional: 5,
        liquidation_fee: dec!(0.015),
        brackets: &[
            Bracket(10_000, 500, 10, 0),
            Bracket(60_000, 1_000, 5, 500),
            Bracket(70_000, 1_250, 4, 2_000),
            Bracket(250_000, 1_667, 3, 4_919),
            Bracket(500_000, 2_500, 2, 25_744),
            Bracket(800_000, 5_000, 1, 150_744),
        ],
    },
];

/// Typical tiers of a middling contract: notional cap, maintenance rate in hundredths of a
/// percent, highest leverage. The deduction follows from continuity.
const GENERIC_TIERS: [(i64, i64, u32); 8] = [
    (50_000, 100, 50),
    (250_000, 200, 25),
    (1_000_000, 250, 20),
    (3_000_000, 500, 10),
    (10_000_000, 1_000, 5),
    (15_000_000, 1_250, 4),
    (30_000_000, 2_500, 2),
    (60_000_000, 5_000, 1),
];
const GENERIC_MIN_NOTIONAL: i64 = 5;
const GENERIC_LIQUIDATION_FEE: Decimal = dec!(0.015);

/// The contract `symbol` with its tiers.
///
/// Known are BTCUSDT, ETHUSDT, SOLUSDT, BTCUSDC and STORJUSDT. Any other symbol gets a generic
/// contract fitted to `reference`, a typical price of it: prices of five digits, size steps worth
/// between 0.1 and 1 USDT (never above one unit), market orders of 1 to 10 million USDT, and tiers
/// that begin at 1 % maintenance and 50x up to 50,000 USDT.
#[must_use]
pub fn for_symbol(symbol: &Symbol, reference: Price) -> Market {
    match KNOWN.iter().find(|known| known.symbol == symbol.as_str()) {
        Some(known) => known.market(symbol),
        None => generic(symbol, reference),
    }
}

impl Known {
    fn market(&self, symbol: &Symbol) -> Market {
        let lot = |max| LotLimits {
            min: Quantity::of(self.step),
            max: Quantity::of(Decimal::from(max)),
            step: self.step,
        };
        let mut floor = 0;
        let mut tiers = Vec::with_capacity(self.brackets.len());
        for Bracket(cap, rate, leverage, cum) in self.brackets {
            let rate = Decimal::new(*rate, 4);
            tiers.push(Tier::of(
                floor,
                Some(*cap),
                rate,
                Decimal::from(*cum),
                *leverage,
            ));
            floor = *cap;
        }
        Market {
            instrument: instrument(
                symbol,
                Filters {
                    tick: self.tick,
                    limit_lot: lot(self.limit_max),
                    market_lot: lot(self.market_max),
                    min_notional: self.min_notional,
                    liquidation_fee: self.liquidation_fee,
                },
            ),
            tiers: table(tiers),
            generic: false,
        }
    }
}

/// Decimal exponents of prices that a generic contract is fitted to; beyond them the nearest.
const EXPONENTS: std::ops::RangeInclusive<i32> = -6..=8;

fn generic(symbol: &Symbol, reference: Price) -> Market {
    let exponent = exponent_of(reference);
    let step = power_of_ten(-1 - exponent).min(Decimal::ONE);
    let lot = |max| LotLimits {
        min: Quantity::of(step),
        max: Quantity::of(max),
        step,
    };
    let mut floor = 0;
    let (mut rate_before, mut cum) = (Decimal::ZERO, Decimal::ZERO);
    let mut tiers = Vec::with_capacity(GENERIC_TIERS.len());
    for (cap, rate, leverage) in GENERIC_TIERS {
        let rate = Decimal::new(rate, 4);
        cum += Decimal::from(floor) * (rate - rate_before);
        tiers.push(Tier::of(floor, Some(cap), rate, cum, leverage));
        floor = cap;
        rate_before = rate;
    }
    Market {
        instrument: instrument(
            symbol,
            Filters {
                tick: power_of_ten(exponent - 4),
                limit_lot: lot(power_of_ten(7 - exponent)),
                market_lot: lot(power_of_ten(6 - exponent)),
                min_notional: GENERIC_MIN_NOTIONAL,
                liquidation_fee: GENERIC_LIQUIDATION_FEE,
            },
        ),
        tiers: table(tiers),
        generic: true,
    }
}

struct Filters {
    tick: Decimal,
    limit_lot: LotLimits,
    market_lot: LotLimits,
    min_notional: i64,
    liquidation_fee: Decimal,
}

fn instrument(symbol: &Symbol, filters: Filters) -> Instrument {
    let margin_asset = if symbol.as_str().ends_with("USDC") {
        "USDC"
    } else {
        "USDT"
    };
    Instrument {
        symbol: symbol.clone(),
        contract: ContractKind::Linear,
        perpetual: true,
        margin_asset: margin_asset.to_owned(),
        status: InstrumentStatus::Trading,
        tick: filters.tick,
        limit_lot: filters.limit_lot,
        market_lot: filters.market_lot,
        min_notional: Money::of(Decimal::from(filters.min_notional)),
        price_cap_factor: Some(Rate::of(Decimal::ONE + PRICE_BAND)),
        price_floor_factor: Some(Rate::of(Decimal::ONE - PRICE_BAND)),
        market_take_bound: Some(Rate::of(TAKE_BOUND)),
        liquidation_fee: Rate::of(filters.liquidation_fee),
        delivery_at: None,
    }
}

/// The table of built-in tiers.
fn table(tiers: Vec<Tier>) -> TierTable {
    match TierTable::new(tiers) {
        Ok(table) => table,
        Err(error) => unreachable!("a test checks every built-in tier table: {error}"),
    }
}

/// The exponent of the leading digit: 4 for 60000, -1 for 0.5.
fn exponent_of(price: Price) -> i32 {
    let mut exponent = *EXPONENTS.start();
    while exponent < *EXPONENTS.end() && price.get() >= power_of_ten(exponent + 1) {
        exponent += 1;
    }
    exponent
}

/// Ten to the power of an exponent between -16 and 16.
fn power_of_ten(exponent: i32) -> Decimal {
    let digits = exponent.unsigned_abs().min(16);
    if exponent < 0 {
        Decimal::new(1, digits)
    } else {
        Decimal::from(10_i64.pow(digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        text.parse().expect("price")
    }

    fn every_market() -> Vec<Market> {
        let known = KNOWN.iter().map(|known| known.symbol);
        known
            .chain(["XYZUSDT"])
            .map(|name| for_symbol(&Symbol::new(name), price("10")))
            .collect()
    }

    #[test]
    fn every_table_has_equal_maintenance_on_both_sides_of_each_border() {
        for market in every_market() {
            let name = &market.instrument.symbol;
            let tiers = market.tiers.tiers();
            assert!(tiers.len() >= 6, "{name}");
            for pair in tiers.windows(2) {
                let border = pair[1].floor;
                let below = border * pair[0].maintenance_rate - pair[0].deduction;
                let above = border * pair[1].maintenance_rate - pair[1].deduction;
                // Published amounts are whole numbers.
                assert!(
                    (above - below).abs() < Money::of(dec!(1)),
                    "{name} at {border}"
                );
                assert!(
                    pair[0].max_leverage > pair[1].max_leverage,
                    "{name} at {border}"
                );
            }
        }
    }

    #[test]
    fn published_deductions_follow_from_floors_and_rates() {
        for market in every_market() {
            let (mut cum, mut rate) = (Money::ZERO, Rate::ZERO);
            for tier in market.tiers.tiers() {
                cum += tier.floor * (tier.maintenance_rate - rate);
                rate = tier.maintenance_rate;
                assert_eq!(tier.deduction, cum, "{}", market.instrument.symbol);
            }
        }
    }

    #[test]
    fn every_tier_admits_its_leverage() {
        for market in every_market() {
            for tier in market.tiers.tiers() {
                let initial = Decimal::ONE / tier.max_leverage.get();
                assert!(tier.maintenance_rate.get() < initial);
            }
        }
    }

    #[test]
    fn known_contracts_carry_their_published_filters() {
        let btc = for_symbol(&Symbol::new("BTCUSDT"), price("60000"));
        assert!(!btc.generic);
        let instrument = &btc.instrument;
        assert_eq!(instrument.tick, dec!(0.1));
        assert_eq!(instrument.market_lot.max, Quantity::of(dec!(120)));
        assert_eq!(instrument.min_notional, Money::of(dec!(50)));
        assert_eq!(instrument.liquidation_fee, Rate::of(dec!(0.0125)));
        assert_eq!(instrument.price_cap_factor, Some(Rate::of(dec!(1.05))));
        assert_eq!(instrument.price_floor_factor, Some(Rate::of(dec!(0.95))));
        // 1,000,000 USDT: 0.65 % less 1500.
        let maintenance = btc.tiers.maintenance(Money::of(dec!(1000000)));
        assert_eq!(maintenance, Money::of(dec!(5000)));

        let usdc = for_symbol(&Symbol::new("BTCUSDC"), price("60000"));
        assert_eq!(usdc.instrument.margin_asset, "USDC");
    }

    #[test]
    fn a_generic_contract_fits_its_reference_price() {
        for (reference, tick, step, market_max, off_tick, rounded) in [
            (
                "0.00001",
                "0.000000001",
                "1",
                "100000000000",
                "0.0000123456",
                "0.000012345",
            ),
            ("0.5", "0.00001", "1", "10000000", "0.4567891", "0.45678"),
            ("30", "0.001", "0.01", "100000", "31.23456", "31.234"),
            ("60000", "1", "0.00001", "100", "60123.45", "60123"),
        ] {
            let market = for_symbol(&Symbol::new("XYZUSDT"), price(reference));
            assert!(market.generic);
            let instrument = &market.instrument;
            assert_eq!(instrument.tick.to_string(), tick, "{reference}");
            assert_eq!(instrument.market_lot.step.to_string(), step, "{reference}");
            assert_eq!(
                instrument.market_lot.max.to_string(),
                market_max,
                "{reference}"
            );
            assert_eq!(
                price(off_tick).floor_to(instrument.tick).to_string(),
                rounded
            );
            assert_eq!(price(reference).floor_to(instrument.tick), price(reference));
            let smallest = price(reference) * instrument.market_lot.min;
            assert!(smallest < instrument.min_notional, "{reference}");
        }
    }

    #[test]
    fn a_generic_contract_of_an_extreme_price_stays_within_bounds() {
        for reference in ["0.000000000001", "1000000000"] {
            let market = for_symbol(&Symbol::new("XYZUSDT"), price(reference));
            let lot = market.instrument.limit_lot;
            assert!(Quantity::new(lot.max.get()).is_ok() && lot.min <= lot.max);
            assert!(market.instrument.tick > Decimal::ZERO);
        }
    }
}
