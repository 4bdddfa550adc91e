//! Binance USDⓈ-M and COIN-M: examples of the support articles, of the API reference, and worked ones.

use plimsoll::domain::{Money, PositionSide, Price, Rate, Symbol};
use plimsoll::margin::{Collateral, Discount, Fill, Leg, ScopeMargin, Venue};
use rust_decimal::{Decimal, dec};

use crate::world::{
    Cross, Isolated, Long, Said, Short, agree, bankruptcy, cut, flat, inverse, key, line, linear,
    scope, table,
};

fn usdm(wallet: Decimal, leg: Leg) -> ScopeMargin {
    scope(Venue::BinanceUsdm, Isolated, wallet, vec![leg])
}

fn pooled(wallet: Decimal, legs: Vec<Leg>) -> ScopeMargin {
    scope(Venue::BinanceUsdm, Cross, wallet, legs)
}

/// BTCUSDT of 2026-09-29, the first three tiers.
fn btc() -> std::sync::Arc<plimsoll::domain::TierTable> {
    table(&[
        (0, dec!(0.004), dec!(0)),
        (300_000, dec!(0.005), dec!(300)),
        (800_000, dec!(0.0065), dec!(1500)),
    ])
}

/// BTCUSD_PERP, tiers in BTC.
fn btc_coin() -> std::sync::Arc<plimsoll::domain::TierTable> {
    table(&[
        (0, dec!(0.004), dec!(0)),
        (5, dec!(0.005), dec!(0.005)),
        (10, dec!(0.01), dec!(0.055)),
    ])
}

#[test]
fn published_isolated_examples() {
    let eth = flat(dec!(0.1), dec!(135365));
    let leg = linear("ETH", Long, dec!(3683.979), dec!(1456.84), &eth);
    agree(line(&usdm(dec!(1535443.01), leg), "ETH"), dec!(1114.78));
    let table = flat(dec!(0.025), dec!(16300));
    let leg = linear("BTC", Long, dec!(109.488), dec!(32481.98), &table);
    agree(line(&usdm(dec!(1535443.01), leg), "BTC"), dec!(18778.73));
}

#[test]
fn published_cross_example_of_two_symbols() {
    let (rate_btc, rate_eth) = (
        flat(dec!(0.025), dec!(16300)),
        flat(dec!(0.1), dec!(135365)),
    );
    let btc = linear("BTC", Long, dec!(109.488), dec!(32481.98), &rate_btc).marked(dec!(31967.27));
    let eth = linear("ETH", Long, dec!(3683.979), dec!(1456.84), &rate_eth).marked(dec!(1335.18));
    let scope = pooled(dec!(1535443.01), vec![btc.clone(), eth.clone()]);
    agree(line(&scope, "ETH"), dec!(1153.26));
    agree(line(&scope, "BTC"), dec!(26316.89));
    agree(
        scope.leg_maintenance(&btc, btc.mark).get(),
        dec!(71200.81144),
    );
    agree(btc.profit(btc.mark).get(), dec!(-56354.56848));
    agree(
        scope.leg_maintenance(&eth, eth.mark).get(),
        dec!(356512.508122),
    );
    agree(eth.profit(eth.mark).get(), dec!(-448192.88514));
}

#[test]
fn documented_hedge_legs_in_isolated_mode_have_separate_lines() {
    let table = flat(dec!(0.005), dec!(50));
    let long = linear("BTC", Long, dec!(20), dec!(6563.665), &table);
    agree(
        line(&usdm(dec!(13200.70726908), long), "BTC"),
        dec!(5930.78),
    );
    let short = linear("BTC", Short, dec!(10), dec!(6563.86), &table);
    agree(
        line(&usdm(dec!(6570.42511771), short), "BTC"),
        dec!(7189.95),
    );
}

#[test]
fn a_recorded_coin_margined_position() {
    let leg = inverse(
        "BTCUSD_PERP",
        Long,
        (dec!(2), dec!(100)),
        dec!(37643.10000021),
        &btc_coin(),
    );
    let scope = scope(Venue::BinanceCoinm, Isolated, dec!(0.00268058), vec![leg]);
    // The venue printed 25119.97445760: its own inputs have more digits than it shows.
    agree(line(&scope, "BTCUSD_PERP"), dec!(25119.9744576));
}

#[test]
fn first_tier_long_with_bankruptcy_price_and_funding() {
    let leg = linear("BTC", Long, dec!(0.5), dec!(100000), &btc());
    let scope = usdm(dec!(2500), leg);
    agree(line(&scope, "BTC"), dec!(95381.526104));
    assert_eq!(bankruptcy(&scope, "BTC"), dec!(95000));
    // 5 USDT of funding: 0.01 % of 50,000.
    let after = scope.after_funding(
        &Symbol::new("BTC"),
        Rate::of(dec!(0.0001)),
        Price::of(dec!(100000)),
        Money::of(dec!(9999)),
    );
    assert_eq!(after.freed, Money::ZERO);
    agree(line(&after.scope, "BTC"), dec!(95391.566265));
}

#[test]
fn a_short_uses_the_tier_at_its_line_not_at_mark() {
    let leg = linear("BTC", Short, dec!(2.9), dec!(100000), &btc());
    let scope = usdm(dec!(29000), leg);
    agree(line(&scope, "BTC"), dec!(109555.669926));
    let there = scope.at_mark(&Symbol::new("BTC"), Price::of(line(&scope, "BTC")));
    agree(there.equity().get(), dec!(1288.557));
    agree(there.maintenance().get(), dec!(1288.557));
}

#[test]
fn coin_margined_worked_examples() {
    let of = |side| {
        let leg = inverse(
            "BTCUSD_PERP",
            side,
            (dec!(100), dec!(100)),
            dec!(60000),
            &btc_coin(),
        );
        let wallet = dec!(10000) / dec!(60000) / dec!(10);
        scope(Venue::BinanceCoinm, Isolated, wallet, vec![leg])
    };
    agree(line(&of(Long), "BTCUSD_PERP"), dec!(54763.636364));
    agree(line(&of(Short), "BTCUSD_PERP"), dec!(66400.0));
}

#[test]
fn a_coin_margined_long_grows_into_a_higher_tier_as_the_price_falls() {
    // 4.9 BTC at 60,000; at half the price it is worth 9.8 BTC and in the second tier.
    let leg = inverse(
        "BTCUSD_PERP",
        Long,
        (dec!(2940), dec!(100)),
        dec!(60000),
        &btc_coin(),
    );
    let scope = scope(Venue::BinanceCoinm, Isolated, dec!(4.9), vec![leg]);
    let line = line(&scope, "BTCUSD_PERP");
    // 4.9 + 4.9 - V = 0.005 V - 0.005 with V = 294000 / P.
    agree(
        line,
        (dec!(294000) * dec!(1.005) / dec!(9.805)).round_dp(12),
    );
}

#[test]
fn a_coin_wallet_backs_perpetual_and_dated_contracts_together() {
    let perpetual = inverse(
        "BTCUSD_PERP",
        Long,
        (dec!(100), dec!(100)),
        dec!(60000),
        &btc_coin(),
    );
    let dated = inverse(
        "BTCUSD_261225",
        Short,
        (dec!(60), dec!(100)),
        dec!(61000),
        &btc_coin(),
    )
    .marked(dec!(60500));
    let scope = scope(
        Venue::BinanceCoinm,
        Cross,
        dec!(0.02),
        vec![perpetual, dated],
    );
    let line = line(&scope, "BTCUSD_PERP");
    let there = scope.at_mark(&Symbol::new("BTCUSD_PERP"), Price::of(line));
    agree(
        (there.equity() - there.maintenance()).get(),
        Decimal::new(0, 20),
    );
    assert!(line < dec!(60000));
}

#[test]
fn a_cross_hedge_shares_one_line() {
    let mut short = linear("BTC", Short, dec!(0.4), dec!(101000), &btc());
    short.key.position_side = PositionSide::Short;
    let long = linear("BTC", Long, dec!(1), dec!(100000), &btc());
    let scope = pooled(dec!(5000), vec![long, short]);
    agree(line(&scope, "BTC"), dec!(91857.335128));
    let there = scope.at_mark(&Symbol::new("BTC"), Price::of(line(&scope, "BTC")));
    agree(there.equity().get(), dec!(514.401));
}

#[test]
fn a_nearly_even_hedge_is_hurt_by_a_rise_through_maintenance_alone() {
    let mut short = linear("BTC", Short, dec!(0.999), dec!(100000), &btc());
    short.key.position_side = PositionSide::Short;
    let long = linear("BTC", Long, dec!(1), dec!(100000), &btc());
    let scope = pooled(dec!(1200), vec![long, short]);
    let found = scope.line(&Symbol::new("BTC")).expect("a line");
    assert!(!found.falls_hurt);
    assert!(found.price.get() > dec!(100000));
}

#[test]
fn ratio_and_additions() {
    let leg = linear("BTC", Long, dec!(0.5), dec!(100000), &btc())
        .marked(dec!(97000))
        .levered(20);
    let scope = usdm(dec!(2500), leg);
    assert_eq!(scope.maintenance().get(), dec!(194));
    assert_eq!(scope.equity().get(), dec!(1000));
    assert_eq!(scope.margin_ratio(), Some(Rate::of(dec!(0.194))));
    assert_eq!(scope.initial_margin(), Some(Money::of(dec!(2425))));
    let added = scope.after_add(Money::of(dec!(940)));
    assert_eq!(added.margin_ratio(), Some(Rate::of(dec!(0.1))));
    agree(line(&added, "BTC"), dec!(93493.975904));
    let moved = line(&scope.after_add(Money::of(dec!(100))), "BTC") - line(&scope, "BTC");
    agree(moved, dec!(-200.803));
    // min(2500 - 194, 1000 - 2425), not below zero.
    assert_eq!(scope.removable_margin(), Some(Money::ZERO));
    let rich = scope.after_add(Money::of(dec!(2000)));
    assert_eq!(rich.removable_margin(), Some(Money::of(dec!(575))));
    assert_eq!(rich.free_margin(), Some(Money::of(dec!(575))));
}

#[test]
fn a_cross_trim_moves_the_line_by_itself() {
    let scope = pooled(
        dec!(3000),
        vec![linear("BTC", Long, dec!(0.5), dec!(100000), &btc())],
    );
    agree(line(&scope, "BTC"), dec!(94377.510040));
    let after = scope.after_reduce(&key("BTC"), cut(dec!(0.2), dec!(96900), dec!(0.0005)));
    assert_eq!(after.scope.wallet, Money::of(dec!(2370.31)));
    assert_eq!(after.freed, Money::ZERO);
    agree(line(&after.scope, "BTC"), dec!(92468.842035));
}

#[test]
fn an_isolated_pro_rata_trim_moves_the_line_only_when_recycled() {
    let scope = usdm(
        dec!(2500),
        linear("BTC", Long, dec!(0.5), dec!(100000), &btc()),
    );
    let cut = cut(dec!(0.2), dec!(96900), dec!(0.0005));
    let after = scope.after_reduce(&key("BTC"), cut);
    assert_eq!(after.scope.wallet, Money::of(dec!(1500)));
    agree(line(&after.scope, "BTC"), dec!(95381.526104));
    assert_eq!(after.freed, Money::of(dec!(370.31)));
    let recycled = scope.after_recycle(&key("BTC"), cut);
    assert_eq!(recycled.freed, Money::ZERO);
    agree(line(&recycled.scope, "BTC"), dec!(94142.202142));
}

#[test]
fn low_leverage_has_no_line() {
    let leg = linear("BTC", Long, dec!(0.5), dec!(100000), &btc());
    let scope = usdm(dec!(100000), leg);
    assert_eq!(scope.liquidation_price(&Symbol::new("BTC")), None);
}

#[test]
fn fills_average_the_entry_and_can_turn_a_position() {
    let leg = linear("BTC", Long, dec!(1), dec!(100), &flat(dec!(0.01), dec!(0))).levered(10);
    let scope = usdm(dec!(10), leg);
    let fill = |side, quantity, price| {
        let fill = Fill {
            side,
            quantity: plimsoll::domain::Quantity::of(quantity),
            price: Price::of(price),
            fee: Rate::of(dec!(0.001)),
        };
        scope
            .after_fill(&key("BTC"), fill)
            .expect("the slot is held")
    };
    let grown = fill(Long, dec!(1), dec!(120));
    assert_eq!(grown.scope.legs[0].entry, Price::of(dec!(110)));
    assert_eq!(grown.scope.wallet, Money::of(dec!(22)));
    assert_eq!(grown.freed, Money::of(dec!(-12.12)));
    let turned = fill(Short, dec!(3), dec!(90));
    assert_eq!(turned.scope.legs[0].side, Short);
    assert_eq!(turned.scope.legs[0].quantity.get(), dec!(2));
    assert_eq!(turned.scope.wallet, Money::of(dec!(18)));
    // 10 released, 10 lost, 0.09 fee; then 18 margin and 0.18 fee drawn.
    assert_eq!(turned.freed, Money::of(dec!(-18.27)));
}

#[test]
fn an_inverse_entry_averages_by_value_in_coin() {
    let leg = inverse(
        "X",
        Long,
        (dec!(100), dec!(10)),
        dec!(100),
        &flat(dec!(0.01), dec!(0)),
    );
    let scope = scope(Venue::BinanceCoinm, Cross, dec!(5), vec![leg]);
    let fill = Fill {
        side: Long,
        quantity: plimsoll::domain::Quantity::of(dec!(100)),
        price: Price::of(dec!(200)),
        fee: Rate::ZERO,
    };
    let after = scope.after_fill(&key("X"), fill).expect("the slot is held");
    // 10 coins and 5 coins for 2000 of face value.
    agree(after.scope.legs[0].entry.get(), dec!(133.333333));
}

#[test]
fn multi_assets_mode_counts_each_asset_at_its_own_rate() {
    let usd = |asset: &str, amount, price, rate, follows: Option<&str>| Collateral {
        asset: Symbol::new(asset),
        amount: Money::of(amount),
        price: Price::of(price),
        follows: follows.map(Symbol::new),
        discount: Discount::flat(Rate::of(rate)),
    };
    let mut leg = linear("BTCUSDT", Long, dec!(1), dec!(60000), &btc()).marked(dec!(59000));
    leg.asset = Some(Symbol::new("USDT"));
    let mut scope = pooled(Decimal::ZERO, vec![leg]);
    scope.collateral = vec![
        usd("USDT", dec!(2000), dec!(1), dec!(0.9999), None),
        usd("BTC", dec!(0.1), dec!(59000), dec!(0.95), Some("BTCUSDT")),
    ];
    // (2000 - 1000) * 0.9999 + 0.1 * 59000 * 0.95
    assert_eq!(scope.equity().get(), dec!(6604.9));
    assert_eq!(scope.maintenance().get(), dec!(236));
    // At the line USDT is owed and counts in full: 2000 + P - 60000 + 0.095 P = 0.004 P.
    let moving = line(&scope, "BTCUSDT");
    agree(moving, (dec!(58000) / dec!(1.091)).round_dp(15));
    scope.collateral[1].follows = None;
    // 2000 + P - 60000 + 5605 = 0.004 P
    let held = line(&scope, "BTCUSDT");
    agree(held, (dec!(52395) / dec!(0.996)).round_dp(15));
    assert!(
        moving > held,
        "collateral that falls too brings the line nearer"
    );
}
