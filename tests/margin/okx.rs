//! OKX: two live positions and the worked numbers.

use plimsoll::domain::{Money, Price, Rate, Symbol};
use plimsoll::margin::{Collateral, Discount, Leg, ScopeMargin, Venue};
use rust_decimal::{Decimal, dec};

use crate::world::{
    Cross, Isolated, Long, Said, Short, agree, flat, inverse, line, linear, scope, table, with_fee,
};

const FEE: Decimal = dec!(0.0005);
const SWAP: &str = "BTC-USDT-SWAP";

fn isolated(margin: Decimal, leg: Leg) -> ScopeMargin {
    with_fee(scope(Venue::Okx, Isolated, margin, vec![leg]), FEE)
}

/// Contracts of 0.01 BTC.
fn swap(side: plimsoll::domain::Side, contracts: Decimal, rate: Decimal) -> Leg {
    linear(SWAP, side, contracts, dec!(60000), &flat(rate, dec!(0))).sized(dec!(0.01))
}

fn shown(scope: &ScopeMargin, name: &str, tick: Decimal) -> Decimal {
    let line = scope.line(&Symbol::new(name)).expect("a line");
    scope.shown_line(line, tick).get()
}

/// ccxt issue #28121, 2026-03.
#[test]
fn a_live_linear_position_agrees_in_ratio_and_price() {
    let leg = linear(
        "BIGTIME",
        Long,
        dec!(613),
        dec!(0.01305),
        &flat(dec!(0.02), dec!(0)),
    )
    .sized(dec!(10))
    .marked(dec!(0.01304));
    let scope = isolated(dec!(9.9995625), leg);
    agree(
        scope.margin_ratio().expect("known").get(),
        dec!(6.064828669759),
    );
    agree(
        shown(&scope, "BIGTIME", dec!(0.00001)),
        dec!(0.0116677335375191),
    );
}

/// ccxt pull request #10547, 2021.
#[test]
fn a_live_inverse_position_agrees_in_ratio_profit_and_price() {
    let entry = dec!(4778.8384462538659751);
    let leg = inverse(
        "ETH",
        Short,
        (dec!(9374), dec!(10)),
        entry,
        &flat(dec!(0.005), dec!(0)),
    )
    .marked(dec!(4631.350432786379));
    let scope = isolated(dec!(11.2907226596551759), leg);
    agree(
        scope.margin_ratio().expect("known").get(),
        dec!(107.0356417893),
    );
    agree(scope.unrealized().get(), dec!(0.624671486862));
    agree(shown(&scope, "ETH", dec!(0.01)), dec!(11198.22376279407));
}

#[test]
fn linear_isolated_worked_numbers() {
    let scope = isolated(dec!(6000), swap(Long, dec!(200), dec!(0.004)));
    agree(line(&scope, SWAP), dec!(57257.6595));
    agree(shown(&scope, SWAP, dec!(0.1)), dec!(57257.7595));
    let fallen = scope.at_mark(&Symbol::new(SWAP), Price::of(dec!(58500)));
    assert_eq!(fallen.unrealized().get(), dec!(-3000));
    agree(fallen.margin_ratio().expect("known").get(), dec!(5.6980));
    assert_eq!(fallen.maintenance().get(), dec!(468));
    let wallet = scope.wallet_for_line(&Symbol::new(SWAP), Price::of(dec!(55000)));
    agree((wallet - scope.wallet).get(), dec!(4495.00));
    let short = isolated(dec!(6000), swap(Short, dec!(200), dec!(0.004)));
    agree(line(&short, SWAP), dec!(62717.7700));
    agree(shown(&short, SWAP, dec!(0.1)), dec!(62717.6700));
}

#[test]
fn inverse_isolated_worked_numbers() {
    let of = |side| {
        let leg = inverse(
            "BTC-USD-SWAP",
            side,
            (dec!(1000), dec!(100)),
            dec!(60000),
            &flat(dec!(0.004), dec!(0)),
        );
        isolated(dec!(100000) / dec!(60000) / dec!(10), leg)
    };
    let symbol = Symbol::new("BTC-USD-SWAP");
    agree(line(&of(Long), "BTC-USD-SWAP"), dec!(54790.9091));
    agree(line(&of(Short), "BTC-USD-SWAP"), dec!(66366.6667));
    let fallen = of(Long).at_mark(&symbol, Price::of(dec!(58000)));
    agree(fallen.unrealized().get(), dec!(-0.05747126));
    agree(fallen.margin_ratio().expect("known").get(), dec!(14.0741));
    let wallet = of(Long).wallet_for_line(&symbol, Price::of(dec!(52000)));
    agree((wallet - of(Long).wallet).get(), dec!(0.09839744));
}

#[test]
fn the_number_of_contracts_chooses_the_rate_of_the_whole_position() {
    let tiers = table(&[(0, dec!(0.004), dec!(0)), (1000, dec!(0.006), dec!(0))]);
    let leg = |contracts| linear(SWAP, Long, contracts, dec!(60000), &tiers).sized(dec!(0.01));
    agree(
        line(&isolated(dec!(45000), leg(dec!(1500))), SWAP),
        dec!(57372.9240),
    );
    // The cap itself still belongs to the lower tier.
    agree(
        line(&isolated(dec!(30000), leg(dec!(1000))), SWAP),
        dec!(57257.6595),
    );
}

#[test]
fn a_cross_family_is_counted_together() {
    let tiers = table(&[(0, dec!(0.004), dec!(0)), (1000, dec!(0.006), dec!(0))]);
    let leg = |name: &str, side| {
        let mut leg = linear(name, side, dec!(600), dec!(60000), &tiers).sized(dec!(0.01));
        leg.family = Some(Symbol::new("BTC-USDT futures"));
        leg
    };
    let legs = vec![leg("BTC-USDT-261225", Long), leg("BTC-USDT-270326", Short)];
    let both = with_fee(scope(Venue::Okx, Cross, dec!(10000), legs.clone()), FEE);
    assert_eq!(
        both.maintenance().get(),
        dec!(6) * dec!(60000) * dec!(0.006) * dec!(2)
    );
    let alone = with_fee(
        scope(Venue::Okx, Cross, dec!(10000), legs[..1].to_vec()),
        FEE,
    );
    assert_eq!(
        alone.maintenance().get(),
        dec!(6) * dec!(60000) * dec!(0.004)
    );
    let trimmed = both.after_reduce(&legs[1].key, crate::world::cut(dec!(300), dec!(60000), FEE));
    assert_eq!(
        trimmed.scope.maintenance().get(),
        dec!(9) * dec!(60000) * dec!(0.004)
    );
}

#[test]
fn cross_worked_numbers() {
    let btc = swap(Long, dec!(200), dec!(0.004)).marked(dec!(59000));
    let eth = linear(
        "ETH-USDT-SWAP",
        Long,
        dec!(200),
        dec!(3000),
        &flat(dec!(0.005), dec!(0)),
    )
    .sized(dec!(0.1))
    .marked(dec!(2950));
    let scope = with_fee(scope(Venue::Okx, Cross, dec!(5000), vec![btc, eth]), FEE);
    assert_eq!(scope.equity().get(), dec!(2000));
    assert_eq!(scope.maintenance().get(), dec!(767));
    assert_eq!((scope.demand() - scope.maintenance()).get(), dec!(88.5));
    agree(scope.margin_ratio().expect("known").get(), dec!(2.337814));
    agree(line(&scope, SWAP), dec!(58425.1632));
    agree(line(&scope, "ETH-USDT-SWAP"), dec!(2892.4585));
}

#[test]
fn multi_currency_worked_numbers() {
    let btc = swap(Long, dec!(200), dec!(0.004)).marked(dec!(59000));
    let mut scope = with_fee(scope(Venue::Okx, Cross, dec!(2000), vec![btc]), FEE);
    scope.collateral = vec![Collateral {
        asset: Symbol::new("BTC"),
        amount: Money::of(dec!(0.1)),
        price: Price::of(dec!(59000)),
        follows: Some(Symbol::new(SWAP)),
        discount: Discount::flat(Rate::of(dec!(0.98))),
    }];
    assert_eq!(scope.equity().get(), dec!(5782));
    agree(scope.margin_ratio().expect("known").get(), dec!(10.8889));
    agree(line(&scope, SWAP), dec!(56486.3571));
    scope.collateral[0].follows = None;
    agree(line(&scope, SWAP), dec!(56362.6318));
}

#[test]
fn funding_is_paid_on_the_value_at_mark() {
    let scope = isolated(dec!(6000), swap(Long, dec!(200), dec!(0.004)));
    let after = scope.after_funding(
        &Symbol::new(SWAP),
        Rate::of(dec!(0.0001)),
        Price::of(dec!(59000)),
        Money::ZERO,
    );
    assert_eq!((scope.wallet - after.scope.wallet).get(), dec!(11.80));
}

#[test]
fn an_inverse_short_with_margin_above_its_value_has_no_line() {
    let leg = inverse(
        "BTC-USD-SWAP",
        Short,
        (dec!(10), dec!(100)),
        dec!(60000),
        &flat(dec!(0.004), dec!(0)),
    );
    let scope = isolated(dec!(0.02), leg);
    assert_eq!(scope.liquidation_price(&Symbol::new("BTC-USD-SWAP")), None);
}
