//! Hyperliquid: two captured positions and the worked numbers.

use plimsoll::domain::{Money, Price, Symbol, TierTable};
use plimsoll::margin::{Leg, ScopeMargin, Venue};
use rust_decimal::{Decimal, dec};

use crate::world::{Cross, Isolated, Long, Short, agree, flat, line, linear, scope, table};

/// A table with the one rate of a coin: half the inverse of its highest leverage.
fn max_leverage(most: i64) -> std::sync::Arc<TierTable> {
    flat(Decimal::ONE / Decimal::from(2 * most), dec!(0))
}

fn isolated(margin: Decimal, leg: Leg) -> ScopeMargin {
    scope(Venue::Hyperliquid, Isolated, margin, vec![leg])
}

/// `rawUsd` of a long is its wallet less what the position cost.
fn from_raw(raw: Decimal, size: Decimal) -> ScopeMargin {
    let entry = dec!(3000);
    isolated(
        raw + size * entry,
        linear("ETH", Long, size, entry, &max_leverage(50)),
    )
}

#[test]
fn captured_isolated_longs_agree_to_the_digits_of_their_raw_value() {
    agree(
        line(&from_raw(dec!(-95.059824), dec!(0.0335)), "ETH"),
        dec!(2866.26938),
    );
    agree(
        line(&from_raw(dec!(-475.23904), dec!(0.2259)), "ETH"),
        dec!(2125.008563),
    );
}

#[test]
fn isolated_worked_numbers() {
    let long = isolated(
        dec!(1000),
        linear("ETH", Long, dec!(4), dec!(2500), &max_leverage(25)),
    );
    agree(line(&long, "ETH"), dec!(2295.9184));
    let fallen = long.at_mark(&Symbol::new("ETH"), Price::of(dec!(2400)));
    assert_eq!(fallen.equity().get(), dec!(600));
    assert_eq!(fallen.maintenance().get(), dec!(192));
    assert_eq!(fallen.margin_ratio().expect("known").get(), dec!(0.32));
    agree(line(&fallen, "ETH"), dec!(2295.9184));
    agree(
        line(&long.after_add(Money::of(dec!(200))), "ETH"),
        dec!(2244.8980),
    );
    let wallet = long.wallet_for_line(&Symbol::new("ETH"), Price::of(dec!(2100)));
    agree((wallet - long.wallet).get(), dec!(768));
    let short = isolated(
        dec!(1000),
        linear("ETH", Short, dec!(4), dec!(2500), &max_leverage(25)),
    );
    agree(line(&short, "ETH"), dec!(2696.0784));
}

#[test]
fn cross_worked_numbers() {
    let btc = linear("BTC", Long, dec!(0.5), dec!(95000), &max_leverage(40));
    let eth = linear("ETH", Short, dec!(10), dec!(2500), &max_leverage(25));
    let scope = scope(Venue::Hyperliquid, Cross, dec!(6000), vec![btc, eth]);
    assert_eq!(scope.maintenance().get(), dec!(1093.75));
    agree(line(&scope, "BTC"), dec!(85063.2911));
    agree(line(&scope, "ETH"), dec!(2981.0049));
}

#[test]
fn a_large_position_uses_the_tier_and_deduction_at_its_line() {
    let tiers = table(&[
        (0, dec!(0.0125), dec!(0)),
        (150_000_000, dec!(0.025), dec!(1875000)),
    ]);
    let leg = linear("BTC", Long, dec!(2000), dec!(100000), &tiers);
    let scope = isolated(dec!(10000000), leg);
    assert_eq!(scope.maintenance().get(), dec!(3125000));
    agree(line(&scope, "BTC"), dec!(96474.3590));
}

#[test]
fn equity_equal_to_maintenance_is_still_alive() {
    let leg = linear("ETH", Long, dec!(1), dec!(100), &flat(dec!(0.02), dec!(0)));
    let mut scope = isolated(dec!(2), leg);
    assert!(scope.is_healthy());
    scope.wallet = Money::of(dec!(1.999999));
    assert!(!scope.is_healthy());
}

#[test]
fn a_tenth_of_the_notional_must_stay() {
    let mut leg = linear("ETH", Long, dec!(4), dec!(2500), &max_leverage(25));
    leg.leverage = Some(25_u32.into());
    let scope = isolated(dec!(1500), leg);
    // max(10000 / 25, 10000 / 10)
    assert_eq!(scope.removable_margin(), Some(Money::of(dec!(500))));
}
