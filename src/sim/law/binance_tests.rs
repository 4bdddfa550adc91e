//! Binance: the worked examples and bracket tables of the margin rules, as evaluations.

use rust_decimal::{Decimal, dec};

use super::tests::{at, dies_at, flat, linear, money, near, price, shows, sized, table};
use super::*;
use crate::domain::{ContractKind, PositionKey, PositionSide, Price, Side, TierTable};

const FEE: Rate = Rate::of(dec!(0.0005));

fn btc() -> TierTable {
    table(&[
        (Some(dec!(300000)), dec!(0.004)),
        (Some(dec!(800000)), dec!(0.005)),
        (Some(dec!(3000000)), dec!(0.0065)),
        (None, dec!(0.01)),
    ])
}

/// A table in which a notional of some size has this rate and this deduction.
fn deducting(rate: Decimal, deduction: Decimal) -> TierTable {
    table(&[(Some(deduction / rate), dec!(0)), (None, rate)])
}

fn scope(mode: MarginMode, wallet: Decimal, holdings: Vec<Holding>) -> Ledger {
    Ledger::new(Law::BinanceUsdm, mode, money(wallet), FEE, holdings)
}

fn isolated(side: Side, size: Decimal, entry: Decimal, wallet: Decimal) -> Ledger {
    let held = linear("BTCUSDT", side, size, entry, dec!(20), &btc());
    scope(MarginMode::Isolated, wallet, vec![held])
}

fn coinm(side: Side, contracts: Decimal, entry: Decimal, wallet: Decimal) -> Ledger {
    let tiers = flat(dec!(0.004));
    let held = linear("BTCUSD_PERP", side, contracts, entry, dec!(10), &tiers);
    let held = sized(ContractKind::Inverse, dec!(100), held);
    let mode = MarginMode::Isolated;
    Ledger::new(Law::BinanceCoinm, mode, money(wallet), FEE, vec![held])
}

fn key(symbol: &str) -> PositionKey {
    PositionKey {
        symbol: Symbol::new(symbol),
        position_side: PositionSide::Both,
    }
}

fn set(ledger: &mut Ledger, symbol: &str, mark: Decimal) {
    ledger.set_mark(&Symbol::new(symbol), price(mark));
}

fn faq_pair() -> (Holding, Holding) {
    let eth = deducting(dec!(0.1), dec!(135365));
    let btc = deducting(dec!(0.025), dec!(16300));
    let long =
        |symbol, size, entry, tiers| linear(symbol, Side::Long, size, entry, dec!(20), tiers);
    (
        long("ETHUSDT", dec!(3683.979), dec!(1456.84), &eth),
        long("BTCUSDT", dec!(109.488), dec!(32481.98), &btc),
    )
}

#[test]
fn examples_1_and_2_isolated_longs_of_the_faq() {
    let (eth, btc) = faq_pair();
    let wallet = dec!(1535443.01);
    let mode = MarginMode::Isolated;
    dies_at(&scope(mode, wallet, vec![eth]), "ETHUSDT", dec!(1114.78));
    dies_at(&scope(mode, wallet, vec![btc]), "BTCUSDT", dec!(18778.73));
}

#[test]
fn examples_3_and_4_the_same_two_positions_in_cross() {
    let (eth, btc) = faq_pair();
    let pair = vec![at(dec!(1335.18), eth), at(dec!(31967.27), btc)];
    let ledger = scope(MarginMode::Cross, dec!(1535443.01), pair);
    let parts: Vec<(Money, Money)> = ledger
        .holdings
        .iter()
        .map(|held| {
            let need = ledger.need(held);
            (money(need.tiers), money(held.exposure().profit()))
        })
        .collect();
    shows(parts[0].0, dec!(356512.508122));
    shows(parts[0].1, dec!(-448192.88514));
    shows(parts[1].0, dec!(71200.81144));
    shows(parts[1].1, dec!(-56354.56848));
    dies_at(&ledger, "ETHUSDT", dec!(1153.26));
    dies_at(&ledger, "BTCUSDT", dec!(26316.89));
}

#[test]
fn examples_5_and_6_isolated_hedge_legs_of_the_documented_sample() {
    let tiers = deducting(dec!(0.005), dec!(50));
    let long = linear(
        "BTCUSDT",
        Side::Long,
        dec!(20),
        dec!(6563.665),
        dec!(20),
        &tiers,
    );
    let short = linear(
        "BTCUSDT",
        Side::Short,
        dec!(10),
        dec!(6563.86),
        dec!(20),
        &tiers,
    );
    let mode = MarginMode::Isolated;
    let long = scope(mode, dec!(13200.70726908), vec![long]);
    let short = scope(mode, dec!(6570.42511771), vec![short]);
    dies_at(&long, "BTCUSDT", dec!(5930.78));
    dies_at(&short, "BTCUSDT", dec!(7189.95));
}

#[test]
fn example_7_a_recorded_coin_margined_long() {
    let ledger = coinm(Side::Long, dec!(2), dec!(37643.10000021), dec!(0.00268058));
    dies_at(&ledger, "BTCUSD_PERP", dec!(25119.97445761));
}

#[test]
fn example_8_isolated_long_before_and_after_funding() {
    let mut ledger = isolated(Side::Long, dec!(0.5), dec!(100000), dec!(2500));
    dies_at(&ledger, "BTCUSDT", dec!(95381.526104));
    let mut ruined = ledger.clone();
    set(&mut ruined, "BTCUSDT", dec!(95000));
    assert_eq!(ruined.equity(), Money::ZERO);
    assert_eq!(ruined.ratio_shown(), None);
    let paid = ledger.pay_funding(&Symbol::new("BTCUSDT"), Rate::of(dec!(0.0001)));
    assert_eq!(paid, money(dec!(5)));
    dies_at(&ledger, "BTCUSDT", dec!(95391.566265));
}

#[test]
fn example_9_a_short_that_grows_into_the_second_tier() {
    let mut ledger = isolated(Side::Short, dec!(2.9), dec!(100000), dec!(29000));
    dies_at(&ledger, "BTCUSDT", dec!(109555.669926));
    set(&mut ledger, "BTCUSDT", dec!(109555.669926));
    shows(ledger.equity(), dec!(1288.557));
    shows(ledger.maintenance(), dec!(1288.557));
    set(&mut ledger, "BTCUSDT", dec!(109561.753));
    assert!(ledger.is_liquidated(), "the first tier's line is too late");
    ledger.set_tiers(&Symbol::new("BTCUSDT"), &flat(dec!(0.004)));
    dies_at(&ledger, "BTCUSDT", dec!(109561.753));
}

#[test]
fn example_10_coin_margined_long_and_short() {
    let wallet = Decimal::ONE / dec!(60);
    let long = coinm(Side::Long, dec!(100), dec!(60000), wallet);
    let short = coinm(Side::Short, dec!(100), dec!(60000), wallet);
    dies_at(&long, "BTCUSD_PERP", dec!(54763.636364));
    dies_at(&short, "BTCUSD_PERP", dec!(66400.0));
}

#[test]
fn example_11_both_legs_of_a_cross_hedge_count() {
    let leg = |side, slot, size, entry| Holding {
        position_side: slot,
        ..linear("BTCUSDT", side, size, entry, dec!(20), &flat(dec!(0.004)))
    };
    let legs = vec![
        leg(Side::Long, PositionSide::Long, dec!(1), dec!(100000)),
        leg(Side::Short, PositionSide::Short, dec!(0.4), dec!(101000)),
    ];
    let mut ledger = scope(MarginMode::Cross, dec!(5000), legs);
    dies_at(&ledger, "BTCUSDT", dec!(91857.335128));
    set(&mut ledger, "BTCUSDT", dec!(91857.335128));
    shows(ledger.equity(), dec!(514.401));
    shows(ledger.maintenance(), dec!(514.401));
}

#[test]
fn example_12_margin_added_at_a_mark() {
    let mut ledger = isolated(Side::Long, dec!(0.5), dec!(100000), dec!(2500));
    set(&mut ledger, "BTCUSDT", dec!(97000));
    assert_eq!(ledger.maintenance(), money(dec!(194)));
    assert_eq!(ledger.equity(), money(dec!(1000)));
    assert_eq!(ledger.initial_margin(), money(dec!(2425)));
    assert_eq!(ledger.ratio_shown(), Some(Rate::of(dec!(0.194))));
    let mut hundred = ledger.clone();
    hundred.add_margin(money(dec!(100))).expect("added");
    // 200.803 below the line before.
    dies_at(&hundred, "BTCUSDT", dec!(95180.723));
    ledger.add_margin(money(dec!(940))).expect("added");
    assert_eq!(ledger.ratio_shown(), Some(Rate::of(dec!(0.1))));
    dies_at(&ledger, "BTCUSDT", dec!(93493.975904));
}

#[test]
fn example_13_a_cross_position_cut() {
    let held = linear(
        "BTCUSDT",
        Side::Long,
        dec!(0.5),
        dec!(100000),
        dec!(20),
        &btc(),
    );
    let mut ledger = scope(MarginMode::Cross, dec!(3000), vec![held]);
    dies_at(&ledger, "BTCUSDT", dec!(94377.510040));
    ledger
        .close_part(&key("BTCUSDT"), Quantity::of(dec!(0.2)), price(dec!(96900)))
        .expect("closed");
    assert_eq!(ledger.wallet, money(dec!(2370.31)));
    dies_at(&ledger, "BTCUSDT", dec!(92468.842035));
}

#[test]
fn example_14_an_isolated_position_cut_and_its_margin_put_back() {
    let mut ledger = isolated(Side::Long, dec!(0.5), dec!(100000), dec!(2500));
    let freed = ledger
        .close_part(&key("BTCUSDT"), Quantity::of(dec!(0.2)), price(dec!(96900)))
        .expect("closed");
    assert_eq!(ledger.wallet, money(dec!(1500)));
    dies_at(&ledger, "BTCUSDT", dec!(95381.526104));
    assert_eq!(freed.released, money(dec!(1000)));
    assert_eq!(freed.freed, money(dec!(370.31)));
    ledger.add_margin(freed.freed).expect("added");
    dies_at(&ledger, "BTCUSDT", dec!(94142.202142));
}

#[test]
fn the_coin_margined_position_row_comes_out() {
    let mut ledger = coinm(Side::Long, dec!(100), dec!(60000), dec!(0.01666667));
    set(&mut ledger, "BTCUSD_PERP", dec!(58000));
    shows(ledger.unrealized(), dec!(-0.00574713));
    shows(ledger.equity(), dec!(0.01091954));
    shows(ledger.notional(), dec!(0.17241379));
}

/// `(cap, rate, deduction)` of a published table; the cap in thousands for linear contracts.
type Row = (Decimal, Decimal, Decimal);

fn holds(rows: &[Row]) {
    let last = rows.len() - 1;
    let caps = rows.iter().enumerate();
    let tiers: Vec<_> = caps
        .map(|(n, row)| ((n < last).then_some(row.0), row.1 / dec!(100)))
        .collect();
    let tiers = table(&tiers);
    let mut floor = dec!(0);
    for (cap, pct, deduction) in rows {
        for value in [floor, (floor + cap) / dec!(2), *cap] {
            let quick = value * pct / dec!(100) - deduction;
            assert_eq!(sliced(&tiers, value), quick, "{value}");
        }
        floor = *cap;
    }
}

#[test]
fn slices_agree_with_the_published_deductions_of_linear_tables() {
    let row = |cap: i64, pct, deduction: i64| (Decimal::from(cap * 1000), pct, deduction.into());
    holds(&[
        row(300, dec!(0.4), 0),
        row(800, dec!(0.5), 300),
        row(3_000, dec!(0.65), 1500),
        row(12_000, dec!(1), 12000),
        row(70_000, dec!(2), 132000),
        row(100_000, dec!(2.5), 482000),
        row(230_000, dec!(5), 2982000),
        row(480_000, dec!(10), 14482000),
        row(600_000, dec!(12.5), 26482000),
        row(800_000, dec!(15), 41482000),
        row(1_200_000, dec!(25), 121482000),
        row(1_800_000, dec!(50), 421482000),
    ]);
    holds(&[
        row(300, dec!(0.4), 0),
        row(800, dec!(0.5), 300),
        row(3_000, dec!(0.65), 1500),
        row(12_000, dec!(1), 12000),
        row(50_000, dec!(2), 132000),
        row(65_000, dec!(2.5), 382000),
        row(150_000, dec!(5), 2007000),
        row(320_000, dec!(10), 9507000),
        row(400_000, dec!(12.5), 17507000),
        row(530_000, dec!(15), 27507000),
        row(800_000, dec!(25), 80507000),
        row(1_200_000, dec!(50), 280507000),
    ]);
    holds(&[
        row(50, dec!(0.5), 0),
        row(400, dec!(0.65), 75),
        row(1_000, dec!(1), 1475),
        row(4_000, dec!(2), 11475),
        row(8_000, dec!(2.5), 31475),
        row(40_000, dec!(5), 231475),
        row(80_000, dec!(10), 2231475),
        row(100_000, dec!(12.5), 4231475),
        row(200_000, dec!(25), 16731475),
        row(400_000, dec!(50), 66731475),
    ]);
    holds(&[
        row(50, dec!(0.4), 0),
        row(500, dec!(0.5), 50),
        row(10_000, dec!(1), 2550),
        row(80_000, dec!(2.5), 152550),
        row(150_000, dec!(5), 2152550),
        row(300_000, dec!(10), 9652550),
        row(450_000, dec!(12.5), 17152550),
        row(600_000, dec!(15), 28402550),
        row(800_000, dec!(25), 88402550),
        row(1_000_000, dec!(50), 288402550),
    ]);
    holds(&[
        row(10, dec!(5), 0),
        row(60, dec!(10), 500),
        row(70, dec!(12.5), 2000),
        row(250, dec!(16.67), 4919),
        row(500, dec!(25), 25744),
        row(800, dec!(50), 150744),
    ]);
}

#[test]
fn slices_agree_with_the_published_deductions_of_the_coin_table() {
    let rows = [
        (dec!(5), dec!(0.4), dec!(0)),
        (dec!(10), dec!(0.5), dec!(0.005)),
        (dec!(20), dec!(1), dec!(0.055)),
        (dec!(50), dec!(2.5), dec!(0.355)),
        (dec!(100), dec!(5), dec!(1.605)),
        (dec!(200), dec!(10), dec!(6.605)),
        (dec!(400), dec!(12.5), dec!(11.605)),
        (dec!(1000), dec!(15), dec!(21.605)),
    ];
    holds(&rows);
    let tiers = table(&rows.map(|(cap, pct, _)| (Some(cap), pct / dec!(100))));
    assert_eq!(sliced(&tiers, dec!(300)), dec!(37.5) - dec!(11.605));
}

#[test]
fn isolated_margin_comes_out_only_down_to_initial_margin_and_maintenance() {
    let mut ledger = isolated(Side::Long, dec!(0.5), dec!(100000), dec!(4000));
    set(&mut ledger, "BTCUSDT", dec!(99000));
    // 4000 - 500 of loss - 49,500 / 20 of initial margin
    assert_eq!(ledger.removable(), money(dec!(1025)));
    assert_eq!(
        ledger.add_margin(money(dec!(-1025.01))),
        Err(Refused::NotRemovable {
            most: money(dec!(1025))
        })
    );
    ledger.add_margin(money(dec!(-1025))).expect("removed");
    assert_eq!(ledger.removable(), Money::ZERO);
    let mut winner = isolated(Side::Long, dec!(0.5), dec!(100000), dec!(2500));
    set(&mut winner, "BTCUSDT", dec!(120000));
    // Profit is no wallet: 2500 - 240 of maintenance, although equity would allow 9500.
    assert_eq!(winner.removable(), money(dec!(2260)));
    // In coin: a mark of 50,000 takes 1/300 of profit away and asks for a stake of 0.02.
    let mut coin = coinm(Side::Long, dec!(100), dec!(60000), dec!(0.03));
    set(&mut coin, "BTCUSD_PERP", dec!(50000));
    assert_eq!(coin.removable(), Money::ZERO);
    set(&mut coin, "BTCUSD_PERP", dec!(60000));
    near(
        coin.removable().get(),
        dec!(0.03) - dec!(1) / dec!(60),
        dec!(1e-20),
    );
}

#[test]
fn cross_money_comes_out_after_open_orders() {
    let held = linear(
        "BTCUSDT",
        Side::Long,
        dec!(0.5),
        dec!(100000),
        dec!(20),
        &btc(),
    );
    let mut ledger = scope(MarginMode::Cross, dec!(5000), vec![held]);
    ledger.other_margin = money(dec!(300));
    assert_eq!(ledger.equity(), money(dec!(5000)), "orders take no equity");
    assert_eq!(ledger.removable(), money(dec!(2200)));
}

#[test]
fn several_assets_back_one_account_at_their_bid_and_ask_rates() {
    let row = |asset: &str, amount, index, share, debt| Collateral {
        asset: asset.to_owned(),
        amount: money(amount),
        index: price(index),
        haircut: vec![(None, Rate::of(share))],
        debt_share: Rate::of(debt),
        follows: None,
    };
    let held = Holding {
        settles_in: Some("USDT".to_owned()),
        ..linear(
            "BTCUSDT",
            Side::Long,
            dec!(0.5),
            dec!(100000),
            dec!(20),
            &btc(),
        )
    };
    let mut ledger = scope(MarginMode::Cross, dec!(0), vec![held]);
    ledger.collateral = vec![
        row("USDT", dec!(1000), dec!(0.999), dec!(0.9999), dec!(1.0001)),
        Collateral {
            follows: Some(Symbol::new("BTCUSDT")),
            ..row("BTC", dec!(0.05), dec!(100100), dec!(0.95), dec!(1.05))
        },
    ];
    let usdt = dec!(1000) * dec!(0.999) * dec!(0.9999);
    let btc = dec!(0.05) * dec!(100100) * dec!(0.95);
    assert_eq!(ledger.equity(), money(usdt + btc));
    assert_eq!(ledger.maintenance(), money(dec!(200) * dec!(0.999)));
    // At 95,000 the wallet with its loss of 2500 is a debt of 1500, and the coin fell as well.
    set(&mut ledger, "BTCUSDT", dec!(95000));
    let usdt = dec!(-1500) * dec!(0.999) * dec!(1.0001);
    let btc = dec!(0.05) * dec!(95095) * dec!(0.95);
    assert_eq!(ledger.equity(), money(usdt + btc));
    let fixed: Price = price(dec!(95095));
    assert_eq!(ledger.collateral[1].index, fixed);
}
