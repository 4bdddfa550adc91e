//! The worked numbers of `docs/math.md` that no other test computes.

use std::collections::BTreeMap;

use plimsoll::domain::{Money, Price, Rate, Symbol};
use plimsoll::margin::{Shock, Venue};
use rust_decimal::dec;

use crate::world::{
    Cross, Isolated, Long, Short, agree, flat, inverse, line, linear, scope, table,
};

#[test]
fn a_coin_wallet_with_two_contracts() {
    let low = flat(dec!(0.004), dec!(0));
    let perpetual = inverse("P", Long, (dec!(100), dec!(100)), dec!(60000), &low);
    let mut dated = inverse("D", Short, (dec!(60), dec!(100)), dec!(61000), &low);
    dated.mark = Price::of(dec!(60500));
    let scope = scope(
        Venue::BinanceCoinm,
        Cross,
        dec!(0.02),
        vec![perpetual, dated],
    );
    agree(line(&scope, "P"), dec!(53666.0571));
}

#[test]
fn a_joint_fall_with_a_beta() {
    let btc = linear(
        "BTC",
        Long,
        dec!(0.5),
        dec!(100000),
        &flat(dec!(0.004), dec!(0)),
    );
    let eth = linear(
        "ETH",
        Long,
        dec!(5),
        dec!(3000),
        &flat(dec!(0.005), dec!(0)),
    );
    let scope = scope(Venue::BinanceUsdm, Cross, dec!(3000), vec![btc, eth]);
    let shock = Shock {
        default_beta: Rate::ONE,
        betas: BTreeMap::from([(Symbol::new("ETH"), Rate::of(dec!(1.2)))]),
    };
    let reach = scope.reach(&shock);
    agree(reach.down.expect("a fall does it").get(), dec!(0.04024516));
    assert_eq!(reach.up, None);
    let alone = scope.reach(&Shock::of(&Symbol::new("BTC")));
    agree(alone.down.expect("a fall does it").get(), dec!(0.05471888));
}

#[test]
fn a_tier_that_the_venue_raises_moves_the_line() {
    let low = flat(dec!(0.004), dec!(0));
    let leg = linear("BTC", Long, dec!(0.5), dec!(100000), &low);
    let before = scope(Venue::BinanceUsdm, Isolated, dec!(2500), vec![leg]);
    let after = before.after_tiers(&Symbol::new("BTC"), &flat(dec!(0.005), dec!(0)));
    agree(line(&after, "BTC"), dec!(95477.386935));
}

#[test]
fn maintenance_is_the_same_from_both_sides_of_a_border() {
    let tiers = table(&[
        (0, dec!(0.004), dec!(0)),
        (300_000, dec!(0.005), dec!(300)),
        (800_000, dec!(0.0065), dec!(1500)),
    ]);
    assert_eq!(tiers.maintenance(Money::of(dec!(800000))).get(), dec!(3700));
    let (below, at) = (dec!(800000) * dec!(0.005) - dec!(300), dec!(3700));
    assert_eq!(below, at);
}
