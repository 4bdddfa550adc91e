//! What the tests of all laws share: building a scope and asking where it dies.

use rust_decimal::{Decimal, dec};

use super::*;
use crate::domain::{ContractKind, PositionSide, Price, Side, Tier, TierTable};

pub(super) fn money(value: Decimal) -> Money {
    Money::of(value)
}

pub(super) fn price(value: Decimal) -> Price {
    Price::new(value).expect("a price")
}

/// One tier at one rate, without end.
pub(super) fn flat(rate: Decimal) -> TierTable {
    table(&[(None, rate)])
}

/// Tiers from `(cap, rate)`; the deduction column is left at a value that nobody may use.
pub(super) fn table(rows: &[(Option<Decimal>, Decimal)]) -> TierTable {
    let mut floor = Money::ZERO;
    let tiers = rows.iter().map(|(cap, rate)| {
        let tier = Tier {
            floor,
            cap: cap.map(Money::of),
            maintenance_rate: Rate::of(*rate),
            deduction: Money::of(dec!(-987654321)),
            max_leverage: 100.into(),
        };
        floor = tier.cap.unwrap_or_default();
        tier
    });
    TierTable::new(tiers.collect()).expect("valid tiers")
}

/// A linear position of contracts of one base unit, marked at its entry.
pub(super) fn linear(
    symbol: &str,
    side: Side,
    size: Decimal,
    entry: Decimal,
    leverage: Decimal,
    tiers: &TierTable,
) -> Holding {
    Holding {
        symbol: Symbol::new(symbol),
        position_side: PositionSide::Both,
        contract: ContractKind::Linear,
        side,
        contracts: Quantity::of(size),
        contract_size: Decimal::ONE,
        entry: price(entry),
        mark: price(entry),
        leverage,
        extra_margin: Money::ZERO,
        tiers: tiers.clone(),
        settles_in: None,
    }
}

/// The same position as contracts of `contract_size` units or quote of face value.
pub(super) fn sized(contract: ContractKind, contract_size: Decimal, held: Holding) -> Holding {
    Holding {
        contract,
        contract_size,
        ..held
    }
}

pub(super) fn at(mark: Decimal, held: Holding) -> Holding {
    Holding {
        mark: price(mark),
        ..held
    }
}

/// The scope dies between half a printed unit below and half a unit above the printed mark.
pub(super) fn dies_at(ledger: &Ledger, symbol: &str, printed: Decimal) {
    let half = Decimal::new(5, printed.scale() + 1);
    let dead = |mark| {
        let mut there = ledger.clone();
        there.set_mark(&Symbol::new(symbol), price(mark));
        (there.is_liquidated(), there.slack())
    };
    let (below, above) = (dead(printed - half), dead(printed + half));
    assert!(
        below.0 != above.0,
        "{printed}: slack {} and {}",
        below.1,
        above.1
    );
    let (alive, gone) = if below.0 {
        (above.1, below.1)
    } else {
        (below.1, above.1)
    };
    assert!(alive > gone, "{printed}: {alive} and {gone}");
}

/// Equal at the printed number of decimals.
pub(super) fn shows(value: Money, printed: Decimal) {
    assert_eq!(
        value.round_display(printed.scale()),
        printed.normalize(),
        "{value}"
    );
}

/// Within `gap` of each other.
pub(super) fn near(value: Decimal, expected: Decimal, gap: Decimal) {
    assert!((value - expected).abs() <= gap, "{value} for {expected}");
}

#[test]
fn slices_do_not_read_the_deduction_column() {
    let tiers = table(&[
        (Some(dec!(300000)), dec!(0.004)),
        (Some(dec!(800000)), dec!(0.005)),
        (None, dec!(0.0065)),
    ]);
    assert_eq!(sliced(&tiers, dec!(0)), dec!(0));
    assert_eq!(sliced(&tiers, dec!(300000)), dec!(1200));
    assert_eq!(sliced(&tiers, dec!(317711)), dec!(1288.555));
    assert_eq!(sliced(&tiers, dec!(1000000)), dec!(5000));
}

#[test]
fn a_scope_without_positions_is_never_liquidated() {
    for law in [
        Law::BinanceUsdm,
        Law::BinanceCoinm,
        Law::Bybit,
        Law::Okx,
        Law::Hyperliquid,
    ] {
        let empty = Ledger::new(law, MarginMode::Cross, Money::ZERO, Rate::ZERO, Vec::new());
        assert!(!empty.is_liquidated());
        assert_eq!(empty.maintenance(), Money::ZERO);
    }
}

#[test]
fn equality_ends_a_scope_everywhere_but_on_hyperliquid() {
    let tiers = flat(dec!(0.01));
    let held = linear("X", Side::Long, dec!(1), dec!(1000), dec!(10), &tiers);
    for (law, over) in [
        (Law::BinanceUsdm, true),
        (Law::BinanceCoinm, true),
        (Law::Bybit, true),
        (Law::Okx, true),
        (Law::Hyperliquid, false),
    ] {
        let wallet = money(dec!(10));
        let holdings = vec![held.clone()];
        let ledger = Ledger::new(law, MarginMode::Cross, wallet, Rate::ZERO, holdings);
        assert_eq!(ledger.equity(), ledger.maintenance());
        assert_eq!(ledger.is_liquidated(), over, "{law:?}");
    }
}
