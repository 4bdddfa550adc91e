//! Bybit unified account: two captured frames and the worked table.

use plimsoll::domain::{Leverage, Money, Symbol};
use plimsoll::margin::{Leg, ScopeMargin, Venue};
use rust_decimal::{Decimal, dec};

use crate::world::{
    Cross, Isolated, Long, Said, Short, agree, bankruptcy, cut, flat, inverse, key, line, linear,
    scope, with_fee,
};

const FEE: Decimal = dec!(0.00055);

/// A position opened at its leverage, with `added` on top: the wallet is what the venue books.
fn isolated(leg: Leg, added: Decimal) -> ScopeMargin {
    let empty = with_fee(scope(Venue::Bybit, Isolated, Decimal::ZERO, vec![leg]), FEE);
    let booked = empty.initial_margin().expect("a leverage is set");
    empty.after_add(booked + Money::of(added))
}

fn low() -> std::sync::Arc<plimsoll::domain::TierTable> {
    flat(dec!(0.005), dec!(0))
}

/// Margin booked, liquidation price, bankruptcy price, balance at the line.
#[track_caller]
fn check(scope: &ScopeMargin, booked: Option<Decimal>, expected: [Decimal; 3]) {
    if let Some(booked) = booked {
        assert_eq!(scope.wallet.get().normalize(), booked);
    }
    let [price, bust, balance] = expected;
    agree(line(scope, "X"), price);
    agree(bankruptcy(scope, "X"), bust);
    let at = plimsoll::domain::Price::of(line(scope, "X"));
    let there = scope.at_mark(&Symbol::new("X"), at);
    agree(there.equity().get(), balance);
    agree(there.maintenance().get(), balance);
}

#[test]
fn linear_isolated_worked_table() {
    let a = linear("X", Long, dec!(1), dec!(20000), &low()).levered(50);
    let expected = [dec!(19698.49246231), dec!(19600), dec!(109.27246231)];
    check(&isolated(a, dec!(0)), Some(dec!(410.78)), expected);
    let b = linear("X", Long, dec!(0.5), dec!(60000), &low()).levered(10);
    let expected = [dec!(54271.35678392), dec!(54000), dec!(150.52839196)];
    check(&isolated(b.clone(), dec!(0)), Some(dec!(3014.85)), expected);
    let expected = [
        dec!(53265.77859028),
        dec!(52999.44969733),
        dec!(147.73929514),
    ];
    check(&isolated(b, dec!(500)), None, expected);
    let c = linear("X", Short, dec!(2), dec!(3000), &low()).levered(25);
    let expected = [dec!(3104.47761194), dec!(3120), dec!(34.47677612)];
    check(&isolated(c.clone(), dec!(0)), Some(dec!(243.432)), expected);
    let expected = [dec!(3164.14628671), dec!(3179.96701814), dec!(35.13942659)];
    check(&isolated(c, dec!(120)), None, expected);
    let second = flat(dec!(0.005), dec!(510));
    let d = linear("X", Long, dec!(10), dec!(60000), &second).levered(20);
    let expected = [dec!(57235.17587940), dec!(57000), dec!(2665.25879397)];
    check(&isolated(d, dec!(0)), Some(dec!(30313.5)), expected);
}

#[test]
fn inverse_isolated_worked_table() {
    let of = |side| inverse("X", side, (dec!(60000), dec!(1)), dec!(50000), &low()).levered(10);
    let expected = [dec!(45681.81818182), dec!(45454.54545455), dec!(0.00729316)];
    check(&isolated(of(Long), dec!(0)), Some(dec!(0.120726)), expected);
    let expected = [dec!(44015.48157692), dec!(43796.49908151), dec!(0.00756927)];
    check(&isolated(of(Long), dec!(0.05)), None, expected);
    let expected = [dec!(55277.77777778), dec!(55555.55555556), dec!(0.00602114)];
    check(
        &isolated(of(Short), dec!(0)),
        Some(dec!(0.120594)),
        expected,
    );
    let expected = [dec!(57962.71344834), dec!(58253.98336516), dec!(0.00574223)];
    check(&isolated(of(Short), dec!(0.05)), None, expected);
}

/// SNXUSDT, captured 2025-12-27: `positionIM` and `positionMM` to the last digit.
#[test]
fn a_captured_position_has_the_margins_the_venue_printed() {
    let leg = linear(
        "SNXUSDT",
        Long,
        dec!(25),
        dec!(0.2899),
        &flat(dec!(0.02), dec!(0)),
    )
    .levered(25);
    for mode in [Isolated, Cross] {
        let empty = scope(Venue::Bybit, mode, Decimal::ZERO, vec![leg.clone()]);
        let mut scope = with_fee(empty, dec!(0.00085));
        if mode == Isolated {
            scope.wallet = scope.initial_margin().expect("a leverage is set");
        }
        agree(
            scope.initial_margin().expect("known").get(),
            dec!(0.29581396),
        );
        agree(scope.maintenance().get(), dec!(0.15086396));
    }
}

/// ETHUSDT, captured 2025-11-03, cross: the value is taken at mark exactly, the fee within 2.4e-7.
#[test]
fn a_captured_cross_short_fits_within_its_printed_digits() {
    let leg = linear("ETHUSDT", Short, dec!(0.01), dec!(3642.075), &low())
        .marked(dec!(3642.33))
        .levered(30);
    let scope = with_fee(scope(Venue::Bybit, Cross, dec!(100), vec![leg]), FEE);
    let fee = scope
        .leg_close_fee(&scope.legs[0], scope.legs[0].mark)
        .get();
    agree(fee, dec!(0.02069913));
    assert!((fee - dec!(0.02069936)).abs() < dec!(0.00000024));
    let margins = scope.initial_margin().expect("known") - scope.maintenance();
    let value = dec!(36.4233);
    agree(
        margins.get(),
        (value / dec!(30) - value * dec!(0.005)).round_dp(15),
    );
}

/// Live cross positions of 2025-10 to 2026-03: initial and maintenance margin, value at mark and
/// close fee at entry. Their taker fees differ by account and country.
#[test]
fn live_cross_positions_have_their_fee_on_the_entry_value() {
    // Size, entry, mark, leverage, maintenance rate, taker fee; initial and maintenance printed.
    let cases = [
        // SOLUSDT, 2025-10-02, fee with 18 % tax: the fields by mark price.
        (
            [dec!(0.2), dec!(233.02), dec!(233.029)],
            10,
            dec!(0.005),
            dec!(0.000649),
            [dec!(4.68780140), dec!(0.26025040)],
        ),
        // BTCPERP, 2026-03-29.
        (
            [dec!(0.001), dec!(66473.5), dec!(66472.02)],
            10,
            dec!(0.004),
            dec!(0.001),
            [dec!(6.70702815), dec!(0.32571423)],
        ),
        // BTCUSDT, 2025-11-08.
        (
            [dec!(0.001), dec!(101890), dec!(101910.23)],
            10,
            dec!(0.005),
            FEE,
            [dec!(10.24145855), dec!(0.55998670)],
        ),
    ];
    for ([size, entry, mark], leverage, rate, fee, [initial, maintenance]) in cases {
        let leg = linear("X", Long, size, entry, &flat(rate, dec!(0)))
            .marked(mark)
            .levered(leverage);
        let scope = with_fee(scope(Venue::Bybit, Cross, dec!(100), vec![leg]), fee);
        agree(scope.initial_margin().expect("known").get(), initial);
        agree(scope.maintenance().get(), maintenance);
    }
}

/// The isolated position of a unified account of 2025-09-18: margins and the price by mark.
#[test]
fn a_live_isolated_position_agrees_in_margins_and_price() {
    let leg = linear(
        "X",
        Long,
        dec!(10000),
        dec!(0.8184),
        &flat(dec!(0.01), dec!(0)),
    )
    .marked(dec!(0.8107))
    .levered(10);
    let scope = isolated(leg, dec!(0));
    assert_eq!(scope.wallet.get(), dec!(822.45108));
    assert_eq!(scope.maintenance().get(), dec!(85.12108));
    assert_eq!(line(&scope, "X"), dec!(0.744));
}

/// A cross account: equity, margins and the line. The fee is the one on the entry value, 1.485; on
/// the value at mark it would be 1.4355 and the line 40152.38.
#[test]
fn cross_worked_example() {
    let leg = linear(
        "X",
        Long,
        dec!(0.05),
        dec!(60000),
        &flat(dec!(0.0033), dec!(0)),
    )
    .marked(dec!(58000))
    .levered(10);
    let scope = with_fee(scope(Venue::Bybit, Cross, dec!(1000), vec![leg]), FEE);
    assert_eq!(scope.equity().get(), dec!(900));
    assert_eq!(scope.initial_margin().expect("known").get(), dec!(291.485));
    assert_eq!(scope.maintenance().get(), dec!(11.055));
    agree(scope.margin_ratio().expect("known").get(), dec!(0.01228333));
    assert_eq!(scope.free_margin().expect("known").get(), dec!(608.515));
    // (3000 - 1000 + 1.485) / (0.05 * 0.9967)
    agree(line(&scope, "X"), dec!(40162.23537674));
}

#[test]
fn the_published_price_from_before_mark_based_margin_is_not_ours() {
    // Help page of before 2025-09: 20,000 at 50x is liquidated at 19,700, by entry-based maintenance.
    let leg = linear("X", Long, dec!(1), dec!(20000), &low()).levered(50);
    let gap = dec!(19700) - line(&isolated(leg, dec!(0)), "X");
    assert!(gap > dec!(1) && gap < dec!(2), "{gap}");
}

#[test]
fn added_margin_leaves_with_a_new_leverage() {
    let leg = linear("X", Long, dec!(0.5), dec!(60000), &low()).levered(10);
    let scope = isolated(leg, dec!(500));
    assert_eq!(scope.removable_margin(), Some(Money::of(dec!(500))));
    let after = scope.after_leverage(&key("X"), Leverage::of(dec!(20)));
    // 1500 and the close fee on 0.5 * 57,000.
    assert_eq!(after.scope.wallet, Money::of(dec!(1515.675)));
    assert_eq!(after.freed, Money::of(dec!(3514.85) - dec!(1515.675)));
}

#[test]
fn funding_takes_the_free_balance_first() {
    let leg = linear("X", Long, dec!(0.5), dec!(60000), &low()).levered(10);
    let scope = isolated(leg, dec!(0));
    let rate = plimsoll::domain::Rate::of(dec!(0.001));
    let price = plimsoll::domain::Price::of(dec!(60000));
    let after = scope.after_funding(&Symbol::new("X"), rate, price, Money::of(dec!(20)));
    assert_eq!(after.freed, Money::of(dec!(-20)));
    assert_eq!(after.scope.wallet, scope.wallet - Money::of(dec!(10)));
}

#[test]
fn an_isolated_partial_close_leaves_the_line_where_it_was() {
    let leg = linear("X", Long, dec!(0.5), dec!(60000), &low()).levered(10);
    let scope = isolated(leg, dec!(500));
    let after = scope.after_reduce(&key("X"), cut(dec!(0.2), dec!(58000), FEE));
    agree(line(&after.scope, "X"), line(&scope, "X").round_dp(15));
}

#[test]
fn an_unknown_leverage_sets_the_most_fee_aside() {
    for side in [Long, Short] {
        let of = |leverage: Option<i64>| {
            let leg = linear("X", side, dec!(1), dec!(100), &low());
            let leg = match leverage {
                Some(leverage) => leg.levered(leverage),
                None => leg,
            };
            let scope = with_fee(scope(Venue::Bybit, Cross, dec!(50), vec![leg]), FEE);
            scope.leg_close_fee(&scope.legs[0], scope.legs[0].mark)
        };
        for leverage in [1, 2, 50] {
            assert!(of(None) >= of(Some(leverage)), "{side} at {leverage}");
        }
    }
}
