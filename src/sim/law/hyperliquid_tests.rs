//! Hyperliquid: recorded positions and worked numbers, as evaluations.

use rust_decimal::{Decimal, dec};

use super::tests::{dies_at, flat, linear, money, near, price, sized, table};
use super::*;
use crate::domain::{ContractKind, Side, TierTable};

fn scope(mode: MarginMode, wallet: Decimal, holdings: Vec<Holding>) -> Ledger {
    let fee = Rate::of(dec!(0.00045));
    Ledger::new(Law::Hyperliquid, mode, money(wallet), fee, holdings)
}

fn isolated(side: Side, size: Decimal, entry: Decimal, wallet: Decimal, rate: Decimal) -> Ledger {
    let held = linear("ETH", side, size, entry, dec!(10), &flat(rate));
    scope(MarginMode::Isolated, wallet, vec![held])
}

/// A position known by its dollars: at an entry of `entry` its margin is `raw + size * entry`.
fn raw(raw_usd: Decimal, size: Decimal, entry: Decimal) -> Ledger {
    let wallet = raw_usd + size * entry;
    isolated(Side::Long, size, entry, wallet, dec!(0.01))
}

fn set(ledger: &mut Ledger, symbol: &str, mark: Decimal) {
    ledger.set_mark(&Symbol::new(symbol), price(mark));
}

#[test]
fn recorded_isolated_longs_die_at_the_printed_price() {
    // The dollars are printed with six decimals, which is 1.5e-5 of a price here.
    let first = raw(dec!(-95.059824), dec!(0.0335), dec!(2900));
    dies_at(&first, "ETH", dec!(2866.26938));
    dies_at(&first, "ETH", dec!(2866.2694));
    let second = raw(dec!(-475.23904), dec!(0.2259), dec!(2500));
    dies_at(&second, "ETH", dec!(2125.008563));
    for (ledger, printed) in [(first, dec!(2866.26936529)), (second, dec!(2125.00856238))] {
        let mut there = ledger;
        set(&mut there, "ETH", printed);
        near(there.slack().get(), dec!(0), dec!(0.000001));
    }
}

#[test]
fn example_1_isolated_long_with_margin_added() {
    let mut ledger = isolated(Side::Long, dec!(4), dec!(2500), dec!(1000), dec!(0.02));
    dies_at(&ledger, "ETH", dec!(2295.9184));
    set(&mut ledger, "ETH", dec!(2400));
    assert_eq!(ledger.equity(), money(dec!(600)));
    assert_eq!(ledger.maintenance(), money(dec!(192)));
    assert_eq!(ledger.ratio_shown(), Some(Rate::of(dec!(0.32))));
    let mut more = ledger.clone();
    more.add_margin(money(dec!(200))).expect("added");
    dies_at(&more, "ETH", dec!(2244.8980));
    ledger.add_margin(money(dec!(768))).expect("added");
    set(&mut ledger, "ETH", dec!(2100));
    assert_eq!(ledger.equity(), ledger.maintenance());
    assert!(!ledger.is_liquidated(), "only below maintenance");
    set(&mut ledger, "ETH", dec!(2099.999));
    assert!(ledger.is_liquidated());
}

#[test]
fn example_2_isolated_short() {
    let ledger = isolated(Side::Short, dec!(4), dec!(2500), dec!(1000), dec!(0.02));
    dies_at(&ledger, "ETH", dec!(2696.0784));
}

#[test]
fn example_3_a_cross_account_and_its_second_line() {
    let (btc, eth) = (flat(dec!(0.0125)), flat(dec!(0.02)));
    let legs = vec![
        linear("BTC", Side::Long, dec!(0.5), dec!(95000), dec!(20), &btc),
        linear("ETH", Side::Short, dec!(10), dec!(2500), dec!(20), &eth),
    ];
    let mut ledger = scope(MarginMode::Cross, dec!(6000), legs);
    assert_eq!(ledger.maintenance(), money(dec!(1093.75)));
    assert_eq!(ledger.slack(), money(dec!(4906.25)));
    dies_at(&ledger, "BTC", dec!(85063.2911));
    dies_at(&ledger, "ETH", dec!(2981.0049));
    ledger.wallet = money(dec!(729.17));
    assert!(ledger.is_liquidated() && !ledger.is_backstopped());
    ledger.wallet = money(dec!(729.16));
    assert!(ledger.is_backstopped());
}

#[test]
fn example_4_margin_tiers() {
    let tiers = table(&[(Some(dec!(150000000)), dec!(0.0125)), (None, dec!(0.025))]);
    let held =
        |tiers: &TierTable| linear("BTC", Side::Long, dec!(2000), dec!(100000), dec!(20), tiers);
    let mode = MarginMode::Isolated;
    let ledger = scope(mode, dec!(10000000), vec![held(&tiers)]);
    assert_eq!(ledger.maintenance(), money(dec!(3125000)));
    dies_at(&ledger, "BTC", dec!(96474.3590));
    let first = scope(mode, dec!(10000000), vec![held(&flat(dec!(0.0125)))]);
    let second = scope(mode, dec!(10000000), vec![held(&flat(dec!(0.025)))]);
    dies_at(&first, "BTC", dec!(96202.53));
    dies_at(&second, "BTC", dec!(97435.90));
}

#[test]
fn margin_comes_out_down_to_initial_margin_or_a_tenth_of_the_notional() {
    let mut low = isolated(Side::Long, dec!(4), dec!(2500), dec!(1500), dec!(0.02));
    low.holdings[0].leverage = dec!(25);
    // 10,000 at 25 times needs 400, but a tenth is 1000.
    assert_eq!(low.removable(), money(dec!(500)));
    low.holdings[0].leverage = dec!(8);
    assert_eq!(low.removable(), money(dec!(250)));
    assert_eq!(
        low.add_margin(money(dec!(-251))),
        Err(Refused::NotRemovable {
            most: money(dec!(250))
        })
    );
}

#[test]
fn funding_is_charged_on_the_oracle_price_and_fees_on_the_position() {
    let mut ledger = isolated(Side::Long, dec!(4), dec!(2500), dec!(1000), dec!(0.02));
    let rate = Rate::of(dec!(0.0000125));
    let oracle = price(dec!(2510));
    let paid = ledger.pay_funding_from(&Symbol::new("ETH"), rate, oracle, money(dec!(99)));
    assert_eq!(paid.due, money(dec!(0.1255)));
    assert_eq!(paid.outside, Money::ZERO);
    assert_eq!(ledger.wallet, money(dec!(999.8745)));
    let key = ledger.holdings[0].key();
    let one = Quantity::of(dec!(1));
    let filled = ledger
        .fill(&key, Side::Long, one, price(dec!(2500)))
        .expect("filled");
    assert_eq!(filled.staked, money(dec!(250)));
    assert_eq!(
        ledger.wallet,
        money(dec!(999.8745) + dec!(250) - dec!(1.125))
    );
}

#[test]
fn contracts_of_another_size_are_the_same_position() {
    let ledger = isolated(Side::Long, dec!(4), dec!(2500), dec!(1000), dec!(0.02));
    let mut held = ledger.holdings[0].clone();
    held.contracts = Quantity::of(dec!(400));
    let held = sized(ContractKind::Linear, dec!(0.01), held);
    let same = scope(MarginMode::Isolated, dec!(1000), vec![held]);
    assert_eq!(same.maintenance(), ledger.maintenance());
    dies_at(&same, "ETH", dec!(2295.9184));
}
