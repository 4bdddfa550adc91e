//! Bybit: captures, worked checks and scenarios of the help pages, as evaluations.

use rust_decimal::{Decimal, dec};

use super::tests::{at, dies_at, flat, linear, money, near, price, shows, sized, table};
use super::*;
use crate::domain::{ContractKind, Side};

const FEE: Rate = Rate::of(dec!(0.00055));
const X: &str = "X";

/// One worked check: what the position is and what it must come to.
struct Check {
    held: Holding,
    extra: Decimal,
    initial: Option<Decimal>,
    line: Decimal,
    ruin: Decimal,
    balance: Decimal,
}

fn isolated(held: Holding, extra: Decimal) -> Ledger {
    let extra_margin = money(extra);
    let held = Holding {
        extra_margin,
        ..held
    };
    Ledger::bybit_isolated(held, FEE)
}

fn set(ledger: &mut Ledger, mark: Decimal) {
    ledger.set_mark(&Symbol::new(X), price(mark));
}

fn run(check: Check) {
    let mut ledger = isolated(check.held, check.extra);
    if let Some(initial) = check.initial {
        shows(ledger.initial_margin(), initial);
        shows(ledger.wallet, initial);
    }
    dies_at(&ledger, X, check.line);
    set(&mut ledger, check.line);
    // The line is printed with eight decimals, so the balance there is known to a few units of them.
    let gap = dec!(0.00000006);
    near(ledger.equity().get(), check.balance, gap);
    near(ledger.maintenance().get(), check.balance, gap);
    // Closed at the bankruptcy price, nothing is left after the fee.
    let key = ledger.holdings[0].key();
    let all = ledger.holdings[0].contracts;
    let end = ledger.close_part(&key, all, price(check.ruin));
    let end = end.expect("closed");
    near((end.freed - end.shortfall).get(), dec!(0), dec!(0.0000001));
}

fn position(side: Side, size: Decimal, entry: Decimal, leverage: Decimal) -> Holding {
    linear(X, side, size, entry, leverage, &flat(dec!(0.005)))
}

#[test]
fn checks_a_to_d_linear() {
    let b = position(Side::Long, dec!(0.5), dec!(60000), dec!(10));
    let c = position(Side::Short, dec!(2), dec!(3000), dec!(25));
    let tiers = table(&[(Some(dec!(300000)), dec!(0.0033)), (None, dec!(0.005))]);
    run(Check {
        held: position(Side::Long, dec!(1), dec!(20000), dec!(50)),
        extra: dec!(0),
        initial: Some(dec!(410.78)),
        line: dec!(19698.49246231),
        ruin: dec!(19600),
        balance: dec!(109.27246231),
    });
    run(Check {
        held: b.clone(),
        extra: dec!(0),
        initial: Some(dec!(3014.85)),
        line: dec!(54271.35678392),
        ruin: dec!(54000),
        balance: dec!(150.52839196),
    });
    run(Check {
        held: b,
        extra: dec!(500),
        initial: None,
        line: dec!(53265.77859028),
        ruin: dec!(52999.44969733),
        balance: dec!(147.73929514),
    });
    run(Check {
        held: c.clone(),
        extra: dec!(0),
        initial: Some(dec!(243.432)),
        line: dec!(3104.47761194),
        ruin: dec!(3120),
        balance: dec!(34.47677612),
    });
    run(Check {
        held: c,
        extra: dec!(120),
        initial: None,
        line: dec!(3164.14628671),
        ruin: dec!(3179.96701814),
        balance: dec!(35.13942659),
    });
    run(Check {
        held: linear(X, Side::Long, dec!(10), dec!(60000), dec!(20), &tiers),
        extra: dec!(0),
        initial: Some(dec!(30313.5)),
        line: dec!(57235.17587940),
        ruin: dec!(57000),
        balance: dec!(2665.25879397),
    });
}

#[test]
fn checks_e_and_f_inverse() {
    let held = |side| {
        let held = position(side, dec!(60000), dec!(50000), dec!(10));
        sized(ContractKind::Inverse, Decimal::ONE, held)
    };
    run(Check {
        held: held(Side::Long),
        extra: dec!(0),
        initial: Some(dec!(0.120726)),
        line: dec!(45681.81818182),
        ruin: dec!(45454.54545455),
        balance: dec!(0.00729316),
    });
    run(Check {
        held: held(Side::Long),
        extra: dec!(0.05),
        initial: None,
        line: dec!(44015.48157692),
        ruin: dec!(43796.49908151),
        balance: dec!(0.00756927),
    });
    run(Check {
        held: held(Side::Short),
        extra: dec!(0),
        initial: Some(dec!(0.120594)),
        line: dec!(55277.77777778),
        ruin: dec!(55555.55555556),
        balance: dec!(0.00602114),
    });
    run(Check {
        held: held(Side::Short),
        extra: dec!(0.05),
        initial: None,
        line: dec!(57962.71344834),
        ruin: dec!(58253.98336516),
        balance: dec!(0.00574223),
    });
}

#[test]
fn the_capture_of_a_small_long_fits_in_both_modes() {
    let tiers = flat(dec!(0.02));
    let held = linear(
        "SNXUSDT",
        Side::Long,
        dec!(25),
        dec!(0.2899),
        dec!(25),
        &tiers,
    );
    let fee = Rate::of(dec!(0.00085));
    let cross = Ledger::new(
        Law::Bybit,
        MarginMode::Cross,
        money(dec!(100)),
        fee,
        vec![held.clone()],
    );
    for ledger in [Ledger::bybit_isolated(held, fee), cross] {
        assert_eq!(ledger.initial_margin(), money(dec!(0.29581396)));
        assert_eq!(ledger.maintenance(), money(dec!(0.15086396)));
    }
}

#[test]
fn the_capture_of_a_cross_short_fits_with_its_fee_on_the_entry() {
    let tiers = flat(dec!(0.005));
    let held = linear(
        "ETHUSDT",
        Side::Short,
        dec!(0.01),
        dec!(3642.075),
        dec!(30),
        &tiers,
    );
    let held = at(dec!(3642.33), held);
    let wallet = money(dec!(100));
    let ledger = Ledger::new(Law::Bybit, MarginMode::Cross, wallet, FEE, vec![held]);
    let apart = ledger.initial_margin() - ledger.maintenance();
    assert_eq!(ledger.notional(), money(dec!(36.4233)));
    shows(apart, dec!(1.0319935));
    assert_eq!(ledger.unrealized(), money(dec!(-0.00255)));
    let fee = ledger.need(&ledger.holdings[0]).fee;
    assert_eq!(fee.round_dp(8), dec!(0.02069913));
    near(fee, dec!(0.02069936), dec!(0.00000024));
}

/// With the fee on the value at mark, as the help page reads, it would be 0.0495 less.
#[test]
fn the_cross_example_comes_out() {
    let tiers = flat(dec!(0.0033));
    let held = linear(X, Side::Long, dec!(0.05), dec!(60000), dec!(10), &tiers);
    let wallet = money(dec!(1000));
    let held = at(dec!(58000), held);
    let mut ledger = Ledger::new(Law::Bybit, MarginMode::Cross, wallet, FEE, vec![held]);
    assert_eq!(ledger.unrealized(), money(dec!(-100)));
    assert_eq!(ledger.equity(), money(dec!(900)));
    assert_eq!(ledger.initial_margin(), money(dec!(291.485)));
    assert_eq!(ledger.maintenance(), money(dec!(11.055)));
    let ratio = ledger.ratio_shown().expect("a ratio").get();
    assert_eq!(ratio.round_dp(8), dec!(0.01228333));
    assert_eq!(ledger.removable(), money(dec!(608.515)));
    dies_at(&ledger, X, dec!(40162.23537674));
    set(&mut ledger, dec!(40162.23537674));
    shows(ledger.equity(), dec!(8.11176884));
    shows(ledger.maintenance(), dec!(8.11176884));
}

#[test]
fn the_isolated_position_row_comes_out_before_and_after_margin_is_added() {
    let tiers = flat(dec!(0.0033));
    let held = linear(X, Side::Long, dec!(0.05), dec!(60000), dec!(10), &tiers);
    let mut ledger = isolated(at(dec!(58000), held), dec!(0));
    shows(ledger.initial_margin(), dec!(301.485));
    shows(ledger.maintenance(), dec!(11.055));
    dies_at(&ledger, X, dec!(54178.79));
    ledger.add_margin(money(dec!(50))).expect("added");
    shows(ledger.wallet, dec!(351.485));
    shows(ledger.maintenance(), dec!(11.0275));
    dies_at(&ledger, X, dec!(53174.9));
    assert_eq!(ledger.holdings[0].extra_margin, money(dec!(50)));
}

#[test]
fn a_new_leverage_rebooks_the_margin_and_drops_what_was_added() {
    let mut ledger = isolated(
        position(Side::Long, dec!(0.5), dec!(60000), dec!(10)),
        dec!(500),
    );
    let key = ledger.holdings[0].key();
    // 20 times: 1500 and 0.00055 of 28,500.
    let moved = ledger.set_leverage(&key, dec!(20)).expect("set");
    assert_eq!(ledger.wallet, money(dec!(1515.675)));
    assert_eq!(moved, money(dec!(1515.675) - dec!(3514.85)));
    assert_eq!(ledger.holdings[0].extra_margin, Money::ZERO);
    set(&mut ledger, dec!(58000));
    assert_eq!(
        ledger.set_leverage(&key, dec!(80)),
        Err(Refused::WouldLiquidate)
    );
    assert_eq!(
        ledger.set_leverage(&key, dec!(101)),
        Err(Refused::LeverageTooHigh { most: dec!(100) })
    );
    assert_eq!(ledger.wallet, money(dec!(1515.675)), "as it was");
}

#[test]
fn more_of_the_same_shares_what_was_added() {
    // The help page's round figures leave out fees and take 5 % as the whole stake.
    let held = linear(
        X,
        Side::Long,
        dec!(1),
        dec!(10000),
        dec!(20),
        &flat(dec!(0)),
    );
    let mut ledger = Ledger::bybit_isolated(held, Rate::ZERO);
    dies_at(&ledger, X, dec!(9500));
    ledger.add_margin(money(dec!(1000))).expect("added");
    dies_at(&ledger, X, dec!(8500));
    let key = ledger.holdings[0].key();
    let one = Quantity::of(dec!(1));
    let filled = ledger
        .fill(&key, Side::Long, one, price(dec!(10000)))
        .expect("filled");
    assert_eq!(filled.staked, money(dec!(500)));
    assert_eq!(ledger.holdings[0].extra_margin, money(dec!(1000)));
    dies_at(&ledger, X, dec!(9000));
}

#[test]
fn a_partial_close_leaves_the_line_where_it_was() {
    let held = position(Side::Long, dec!(0.5), dec!(60000), dec!(10));
    let mut ledger = isolated(held, dec!(500));
    let key = ledger.holdings[0].key();
    ledger
        .close_part(&key, Quantity::of(dec!(0.2)), price(dec!(58000)))
        .expect("closed");
    assert_eq!(ledger.holdings[0].extra_margin, money(dec!(300)));
    dies_at(&ledger, X, dec!(53265.77859028));
}

#[test]
fn a_partial_close_in_the_second_tier_moves_the_line_a_little_away() {
    let tiers = table(&[(Some(dec!(300000)), dec!(0.0033)), (None, dec!(0.005))]);
    let held = linear(X, Side::Long, dec!(10), dec!(60000), dec!(20), &tiers);
    let mut ledger = isolated(held, dec!(0));
    let key = ledger.holdings[0].key();
    ledger
        .close_part(&key, Quantity::of(dec!(2)), price(dec!(60000)))
        .expect("closed");
    set(&mut ledger, dec!(57235.17));
    assert!(!ledger.is_liquidated());
    // 510 of deduction over 8 instead of 10 units: (57,000 - 63.75) / 0.995
    dies_at(&ledger, X, dec!(57222.36));
}

#[test]
fn funding_is_taken_from_the_available_balance_first() {
    let held = position(Side::Long, dec!(0.5), dec!(60000), dec!(10));
    let mut ledger = isolated(held, dec!(0));
    let (symbol, rate) = (Symbol::new(X), Rate::of(dec!(0.001)));
    let mark = price(dec!(60000));
    let paid = ledger.pay_funding_from(&symbol, rate, mark, money(dec!(20)));
    assert_eq!((paid.due, paid.outside), (money(dec!(30)), money(dec!(20))));
    assert_eq!(ledger.wallet, money(dec!(3004.85)));
    assert_eq!(ledger.holdings[0].extra_margin, money(dec!(-10)));
    let got = ledger.pay_funding_from(&symbol, -rate, mark, Money::ZERO);
    assert_eq!(got.outside, money(dec!(-30)), "receipts go outside");
    assert_eq!(ledger.wallet, money(dec!(3004.85)));
}

#[test]
fn the_venue_tops_up_by_one_initial_margin_until_the_position_lives() {
    let held = position(Side::Long, dec!(0.5), dec!(60000), dec!(10));
    let mut ledger = isolated(held, dec!(0));
    assert_eq!(ledger.top_up(money(dec!(99999))), Money::ZERO, "alive");
    set(&mut ledger, dec!(48000));
    let mut poor = ledger.clone();
    assert_eq!(poor.top_up(money(dec!(1000))), money(dec!(1000)));
    assert!(poor.is_liquidated());
    // A loss of 6000 needs one more stake than the first.
    let taken = ledger.top_up(money(dec!(99999)));
    assert_eq!(taken, money(dec!(6029.7)));
    assert!(!ledger.is_liquidated());
}

#[test]
fn margin_moves_in_four_decimals_and_only_what_was_added_comes_out() {
    let held = position(Side::Long, dec!(0.5), dec!(60000), dec!(10));
    let mut ledger = isolated(held, dec!(500));
    let fine = ledger.add_margin(money(dec!(0.00001)));
    assert_eq!(fine, Err(Refused::TooManyDecimals { most: 4 }));
    assert_eq!(ledger.removable(), money(dec!(500)));
    let most = money(dec!(500));
    let greedy = ledger.add_margin(money(dec!(-500.0001)));
    assert_eq!(greedy, Err(Refused::NotRemovable { most }));
    ledger.add_margin(-most).expect("removed");
    shows(ledger.wallet, dec!(3014.85));
    ledger.add_margin(most).expect("added");
    set(&mut ledger, dec!(54000));
    let left = ledger.removable();
    assert!(left < most, "{left} of it keep the position alive");
    let last = left.floor_to(dec!(0.0001));
    ledger.add_margin(-last).expect("removed");
    assert!(!ledger.is_liquidated());
}

#[test]
fn profit_in_coin_counts_beside_discounted_collateral() {
    let tiers = table(&[(Some(dec!(150)), dec!(0.005)), (None, dec!(0.01))]);
    let held = linear(
        "BTCUSD",
        Side::Long,
        dec!(60000),
        dec!(60000),
        dec!(10),
        &tiers,
    );
    let held = Holding {
        settles_in: Some("BTC".to_owned()),
        ..sized(ContractKind::Inverse, Decimal::ONE, held)
    };
    let wallet = Money::ZERO;
    let mut ledger = Ledger::new(Law::Bybit, MarginMode::Cross, wallet, FEE, vec![held]);
    ledger.collateral = vec![Collateral {
        asset: "BTC".to_owned(),
        amount: money(dec!(0.5)),
        index: price(dec!(60000)),
        haircut: vec![(None, Rate::of(dec!(0.95)))],
        debt_share: Rate::ONE,
        follows: Some(Symbol::new("BTCUSD")),
    }];
    assert_eq!(ledger.equity(), money(dec!(28500)));
    // One coin: half a percent, and the fee on 1.1 coins, at 60,000 each.
    assert_eq!(ledger.maintenance(), money(dec!(300) + dec!(36.3)));
    ledger.set_mark(&Symbol::new("BTCUSD"), price(dec!(50000)));
    let profit = dec!(-0.2) * dec!(50000);
    near(
        ledger.equity().get(),
        dec!(0.5) * dec!(0.95) * dec!(50000) + profit,
        dec!(1e-15),
    );
}

#[test]
fn the_low_cap_ladder_agrees_with_its_deductions() {
    let rows = [
        (dec!(5000), dec!(2.50), dec!(0)),
        (dec!(9000), dec!(2.63), dec!(6.5)),
        (dec!(13000), dec!(2.78), dec!(20)),
        (dec!(17000), dec!(2.94), dec!(40.8)),
        (dec!(21000), dec!(3.13), dec!(73.1)),
        (dec!(25000), dec!(3.33), dec!(115.1)),
        (dec!(40000), dec!(3.57), dec!(175.1)),
        (dec!(55000), dec!(3.85), dec!(287.1)),
        (dec!(70000), dec!(4.17), dec!(463.1)),
        (dec!(85000), dec!(4.55), dec!(729.1)),
        (dec!(100000), dec!(5.00), dec!(1111.6)),
        (dec!(110000), dec!(5.26), dec!(1371.6)),
        (dec!(120000), dec!(5.56), dec!(1701.6)),
        (dec!(130000), dec!(5.88), dec!(2085.6)),
        (dec!(140000), dec!(6.25), dec!(2566.6)),
        (dec!(150000), dec!(6.67), dec!(3154.6)),
    ];
    let tiers = table(&rows.map(|(cap, pct, _)| (Some(cap), pct / dec!(100))));
    for (cap, pct, deduction) in rows {
        let quick = cap * pct / dec!(100) - deduction;
        assert_eq!(sliced(&tiers, cap), quick, "{cap}");
    }
    let btc = table(&[
        (Some(dec!(300000)), dec!(0.0033)),
        (Some(dec!(800000)), dec!(0.005)),
        (Some(dec!(2000000)), dec!(0.01)),
    ]);
    assert_eq!(sliced(&btc, dec!(800000)), dec!(4000) - dec!(510));
    assert_eq!(sliced(&btc, dec!(2000000)), dec!(20000) - dec!(4510));
}
