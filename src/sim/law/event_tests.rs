//! Events that are the same under every law, and where the laws part.

use rust_decimal::{Decimal, dec};

use super::tests::{flat, linear, money, near, price, sized};
use super::*;
use crate::domain::{ContractKind, PositionKey, PositionSide, Price, Side};

const FEE: Rate = Rate::of(dec!(0.0005));

fn long(symbol: &str, size: Decimal, entry: Decimal) -> Holding {
    linear(
        symbol,
        Side::Long,
        size,
        entry,
        dec!(10),
        &flat(dec!(0.005)),
    )
}

fn scope(law: Law, mode: MarginMode, wallet: Decimal, holdings: Vec<Holding>) -> Ledger {
    Ledger::new(law, mode, money(wallet), FEE, holdings)
}

fn key(symbol: &str) -> PositionKey {
    PositionKey {
        symbol: Symbol::new(symbol),
        position_side: PositionSide::Both,
    }
}

fn size(contracts: Decimal) -> Quantity {
    Quantity::of(contracts)
}

#[test]
fn a_shock_moves_each_mark_by_its_beta_and_refuses_to_reach_zero() {
    let held = vec![
        long("BTC", dec!(1), dec!(50000)),
        long("ETH", dec!(1), dec!(2000)),
    ];
    let mut ledger = scope(Law::Okx, MarginMode::Cross, dec!(9000), held);
    ledger.collateral = vec![Collateral {
        asset: "SOL".to_owned(),
        amount: money(dec!(10)),
        index: price(dec!(100)),
        haircut: Vec::new(),
        debt_share: Rate::ONE,
        follows: Some(Symbol::new("SOL")),
    }];
    let betas = [
        (Symbol::new("BTC"), dec!(1)),
        (Symbol::new("ETH"), dec!(1.5)),
        (Symbol::new("SOL"), dec!(2)),
        (Symbol::new("DOGE"), dec!(9)),
    ];
    ledger.shock(&betas, dec!(-0.1)).expect("a small shock");
    let marks: Vec<Price> = ledger.holdings.iter().map(|held| held.mark).collect();
    assert_eq!(marks, [price(dec!(45000)), price(dec!(1700))]);
    assert_eq!(ledger.collateral[0].index, price(dec!(80)));
    let before = ledger.clone();
    assert_eq!(ledger.shock(&betas, dec!(-0.5)), Err(Refused::NotAPrice));
    assert_eq!(ledger, before);
}

#[test]
fn an_isolated_close_that_keeps_its_margin_books_profit_and_fee_in_the_wallet() {
    let held = long("BTC", dec!(0.5), dec!(100000));
    let mut ledger = scope(
        Law::BinanceUsdm,
        MarginMode::Isolated,
        dec!(2500),
        vec![held],
    );
    ledger.release = ReleaseModel::KeepsMargin;
    let freed = ledger.close_part(&key("BTC"), size(dec!(0.2)), price(dec!(96900)));
    assert_eq!(freed.expect("closed").freed, Money::ZERO);
    assert_eq!(ledger.wallet, money(dec!(1870.31)));
    let end = ledger.close_part(&key("BTC"), size(dec!(0.3)), price(dec!(96900)));
    let end = end.expect("closed");
    assert_eq!(end.released, money(dec!(1870.31)));
    assert_eq!(end.freed, money(dec!(1870.31) - dec!(930) - dec!(14.535)));
    assert!(ledger.holdings.is_empty() && ledger.wallet.is_zero());
}

#[test]
fn a_loss_beyond_the_released_share_eats_the_rest_of_the_wallet() {
    let held = long("BTC", dec!(0.5), dec!(100000));
    let mut ledger = scope(
        Law::BinanceUsdm,
        MarginMode::Isolated,
        dec!(2500),
        vec![held],
    );
    let freed = ledger.close_part(&key("BTC"), size(dec!(0.2)), price(dec!(94000)));
    assert_eq!(freed.expect("closed").freed, Money::ZERO);
    assert_eq!(ledger.wallet, money(dec!(1500) - dec!(200) - dec!(9.4)));
    let end = ledger.close_part(&key("BTC"), size(dec!(0.3)), price(dec!(95000)));
    let end = end.expect("closed");
    assert_eq!(
        end.shortfall,
        money(dec!(1500) + dec!(14.25) - dec!(1290.6))
    );
    assert_eq!(end.freed, Money::ZERO);
}

#[test]
fn closing_asks_for_a_position_that_is_there_and_large_enough() {
    let held = long("BTC", dec!(0.5), dec!(100000));
    let mut ledger = scope(Law::Okx, MarginMode::Cross, dec!(2500), vec![held]);
    let mut close =
        |symbol, contracts| ledger.close_part(&key(symbol), size(contracts), price(dec!(100000)));
    assert_eq!(close("ETH", dec!(1)), Err(Refused::NoPosition));
    assert_eq!(close("BTC", dec!(0)), Err(Refused::NotPositive));
    let held = size(dec!(0.5));
    assert_eq!(close("BTC", dec!(0.6)), Err(Refused::MoreThanHeld { held }));
}

#[test]
fn linear_entries_average_over_size_and_inverse_ones_over_coin() {
    let mut linear = scope(
        Law::BinanceUsdm,
        MarginMode::Isolated,
        dec!(5000),
        vec![long("BTC", dec!(0.5), dec!(100000))],
    );
    let filled = linear
        .fill(&key("BTC"), Side::Long, size(dec!(0.5)), price(dec!(90000)))
        .expect("filled");
    assert_eq!(linear.holdings[0].entry, price(dec!(95000)));
    assert_eq!(filled.staked, money(dec!(4500)));
    assert_eq!(filled.fee, money(dec!(22.5)), "from outside the scope");
    assert_eq!(linear.wallet, money(dec!(9500)));
    let coin = sized(
        ContractKind::Inverse,
        dec!(100),
        long("BTC", dec!(100), dec!(50000)),
    );
    let mut inverse = scope(Law::BinanceCoinm, MarginMode::Cross, dec!(1), vec![coin]);
    inverse
        .fill(&key("BTC"), Side::Long, size(dec!(100)), price(dec!(40000)))
        .expect("filled");
    // 0.2 coin and 0.25 coin for 20,000 of face
    near(
        inverse.holdings[0].entry.get(),
        dec!(20000) / dec!(0.45),
        dec!(1e-20),
    );
    assert_eq!(inverse.wallet, money(dec!(1) - dec!(0.000125)));
    // The profit of the two lots at any price is the profit of the whole.
    let profit = inverse.holdings[0].exposure().profit_at(price(dec!(45000)));
    let lots =
        dec!(10000) * (dec!(1) / dec!(50000) + dec!(1) / dec!(40000) - dec!(2) / dec!(45000));
    near(profit, lots, dec!(1e-20));
}

#[test]
fn a_fill_against_the_position_closes_it_and_opens_the_other_way() {
    let held = long("BTC", dec!(0.5), dec!(100000));
    let mut ledger = scope(Law::Okx, MarginMode::Isolated, dec!(5000), vec![held]);
    let filled = ledger
        .fill(
            &key("BTC"),
            Side::Short,
            size(dec!(0.7)),
            price(dec!(101000)),
        )
        .expect("filled");
    assert_eq!(filled.closed.freed, money(dec!(5500) - dec!(25.25)));
    assert_eq!(filled.staked, money(dec!(2020)));
    let held = &ledger.holdings[0];
    assert_eq!((held.side, held.contracts), (Side::Short, size(dec!(0.2))));
    assert_eq!(held.entry, price(dec!(101000)));
    assert_eq!(ledger.wallet, money(dec!(2020)));
}

#[test]
fn a_hedge_slot_does_not_turn() {
    let held = Holding {
        position_side: PositionSide::Long,
        ..long("BTC", dec!(0.5), dec!(100000))
    };
    let slot = held.key();
    let mut ledger = scope(Law::Bybit, MarginMode::Cross, dec!(5000), vec![held]);
    let over = ledger.fill(&slot, Side::Short, size(dec!(0.6)), price(dec!(100000)));
    let held = size(dec!(0.5));
    assert_eq!(over, Err(Refused::MoreThanHeld { held }));
}

#[test]
fn binance_does_not_lower_the_leverage_of_an_isolated_position() {
    let held = long("BTC", dec!(0.5), dec!(100000));
    let mut ledger = scope(
        Law::BinanceUsdm,
        MarginMode::Isolated,
        dec!(5000),
        vec![held],
    );
    let lower = ledger.set_leverage(&key("BTC"), dec!(5));
    assert_eq!(lower, Err(Refused::LeverageReduction));
    assert_eq!(ledger.set_leverage(&key("BTC"), dec!(20)), Ok(Money::ZERO));
    assert_eq!(ledger.wallet, money(dec!(5000)), "nothing is released");
    assert_eq!(ledger.initial_margin(), money(dec!(2500)));
}

#[test]
fn margin_cannot_be_moved_without_a_position_or_an_amount() {
    let held = long("BTC", dec!(0.5), dec!(100000));
    let mut ledger = scope(Law::Okx, MarginMode::Isolated, dec!(6000), vec![held]);
    assert_eq!(ledger.add_margin(Money::ZERO), Err(Refused::NotPositive));
    let most = money(dec!(1000));
    let greedy = ledger.add_margin(money(dec!(-1000.01)));
    assert_eq!(greedy, Err(Refused::NotRemovable { most }));
    ledger.add_margin(-most).expect("removed");
    ledger
        .close_part(&key("BTC"), size(dec!(0.5)), price(dec!(100000)))
        .expect("closed");
    assert_eq!(ledger.add_margin(most), Err(Refused::NoPosition));
}

#[test]
fn a_short_receives_funding_that_longs_pay() {
    let short = Holding {
        side: Side::Short,
        ..long("BTC", dec!(0.5), dec!(100000))
    };
    let mut ledger = scope(Law::BinanceUsdm, MarginMode::Cross, dec!(5000), vec![short]);
    let paid = ledger.pay_funding(&Symbol::new("BTC"), Rate::of(dec!(0.0001)));
    assert_eq!(paid, money(dec!(-5)));
    assert_eq!(ledger.wallet, money(dec!(5005)));
}
