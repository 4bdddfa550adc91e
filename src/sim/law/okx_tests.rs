//! OKX: two recorded positions and the worked numbers, as evaluations.

use rust_decimal::{Decimal, dec};

use super::tests::{at, dies_at, flat, linear, money, near, price, shows, sized, table};
use super::*;
use crate::domain::{ContractKind, Side, TierTable};

const FEE: Rate = Rate::of(dec!(0.0005));
const SWAP: &str = "BTC-USDT-SWAP";

/// Tiers of BTC-USDT-SWAP by contracts.
fn tiers() -> TierTable {
    table(&[
        (Some(dec!(1000)), dec!(0.004)),
        (Some(dec!(2000)), dec!(0.006)),
    ])
}

fn swap(side: Side, contracts: Decimal, tiers: &TierTable) -> Holding {
    let held = linear(SWAP, side, contracts, dec!(60000), dec!(20), tiers);
    sized(ContractKind::Linear, dec!(0.01), held)
}

fn coin(side: Side) -> Holding {
    let tiers = flat(dec!(0.004));
    let held = linear(
        "BTC-USD-SWAP",
        side,
        dec!(1000),
        dec!(60000),
        dec!(10),
        &tiers,
    );
    sized(ContractKind::Inverse, dec!(100), held)
}

fn scope(mode: MarginMode, wallet: Decimal, holdings: Vec<Holding>) -> Ledger {
    Ledger::new(Law::Okx, mode, money(wallet), FEE, holdings)
}

fn isolated(wallet: Decimal, held: Holding) -> Ledger {
    scope(MarginMode::Isolated, wallet, vec![held])
}

fn set(ledger: &mut Ledger, symbol: &str, mark: Decimal) {
    ledger.set_mark(&Symbol::new(symbol), price(mark));
}

fn ratio(ledger: &Ledger) -> Decimal {
    ledger.ratio_shown().expect("a ratio").get()
}

#[test]
fn the_recorded_linear_long_shows_its_ratio_and_dies_one_tick_below_its_printed_price() {
    let symbol = "BIGTIME-USDT-SWAP";
    let tiers = flat(dec!(0.02));
    let held = linear(
        symbol,
        Side::Long,
        dec!(613),
        dec!(0.01305),
        dec!(8),
        &tiers,
    );
    let held = at(dec!(0.01304), sized(ContractKind::Linear, dec!(10), held));
    let ledger = isolated(dec!(9.9995625), held);
    near(ratio(&ledger), dec!(6.064828669759086), dec!(1e-14));
    dies_at(&ledger, symbol, dec!(0.0116577335375191));
    dies_at(&ledger, symbol, dec!(0.0116677335375191) - dec!(0.00001));
}

#[test]
fn the_recorded_inverse_short_shows_its_ratio_and_profit() {
    let symbol = "ETH-USD-SWAP";
    let tiers = flat(dec!(0.005));
    let entry = dec!(4778.8384462538659751);
    let held = linear(symbol, Side::Short, dec!(9374), entry, dec!(10), &tiers);
    let held = sized(ContractKind::Inverse, dec!(10), held);
    let ledger = isolated(dec!(11.2907226596551759), at(dec!(4631.350432786379), held));
    near(
        ledger.unrealized().get(),
        dec!(0.6246714868620558),
        dec!(1e-15),
    );
    near(ratio(&ledger), dec!(107.03564178926794), dec!(2e-14));
    dies_at(&ledger, symbol, dec!(11198.23376279407));
}

#[test]
fn linear_long_with_margin_added_for_a_lower_line() {
    let mut ledger = isolated(dec!(6000), swap(Side::Long, dec!(200), &tiers()));
    dies_at(&ledger, SWAP, dec!(57257.6595));
    set(&mut ledger, SWAP, dec!(58500));
    assert_eq!(ledger.unrealized(), money(dec!(-3000)));
    assert_eq!(ledger.maintenance_shown(), money(dec!(468)));
    assert_eq!(ledger.maintenance(), money(dec!(526.5)));
    assert_eq!(ratio(&ledger).round_dp(4), dec!(5.6980));
    ledger.add_margin(money(dec!(4495.00))).expect("added");
    set(&mut ledger, SWAP, dec!(55000));
    assert_eq!(ledger.equity(), ledger.maintenance());
    assert!(ledger.is_liquidated());
}

#[test]
fn linear_short() {
    let ledger = isolated(dec!(6000), swap(Side::Short, dec!(200), &tiers()));
    dies_at(&ledger, SWAP, dec!(62717.7700));
}

#[test]
fn inverse_long_and_short() {
    // A tenth of the entry value, 1/6 of a coin, which the figures print as 0.1666667.
    let stake = Decimal::ONE / dec!(6);
    let symbol = "BTC-USD-SWAP";
    let mut long = isolated(stake, coin(Side::Long));
    dies_at(&long, symbol, dec!(54790.9091));
    set(&mut long, symbol, dec!(58000));
    shows(long.unrealized(), dec!(-0.05747126));
    assert_eq!(ratio(&long).round_dp(4), dec!(14.0741));
    long.add_margin(money(dec!(0.09839744))).expect("added");
    dies_at(&long, symbol, dec!(52000.00));
    let short = isolated(stake, coin(Side::Short));
    dies_at(&short, symbol, dec!(66366.6667));
}

#[test]
fn a_backed_inverse_short_never_dies() {
    let mut short = isolated(dec!(1.7), coin(Side::Short));
    set(&mut short, "BTC-USD-SWAP", dec!(999999999));
    assert!(!short.is_liquidated());
}

#[test]
fn the_second_tier_takes_the_whole_position() {
    let ledger = isolated(dec!(45000), swap(Side::Long, dec!(1500), &tiers()));
    dies_at(&ledger, SWAP, dec!(57372.9240));
    let first = flat(dec!(0.004));
    let naive = isolated(dec!(45000), swap(Side::Long, dec!(1500), &first));
    dies_at(&naive, SWAP, dec!(57257.6595));
}

#[test]
fn a_tier_holds_its_largest_size() {
    let shown = |contracts| {
        let ledger = isolated(dec!(45000), swap(Side::Long, contracts, &tiers()));
        ledger.maintenance_shown()
    };
    assert_eq!(shown(dec!(1000)), money(dec!(2400)));
    assert_eq!(shown(dec!(1001)), money(dec!(3603.6)));
    assert_eq!(shown(dec!(2000)), money(dec!(7200)));
    assert_eq!(
        shown(dec!(3000)),
        money(dec!(10800)),
        "the last rate goes on"
    );
}

#[test]
fn cross_counts_the_contracts_of_a_family_together() {
    let dated = |name: &str, side, contracts| Holding {
        symbol: Symbol::new(name),
        ..swap(side, contracts, &tiers())
    };
    let legs = vec![
        dated("BTC-USDT-261225", Side::Long, dec!(600)),
        dated("BTC-USDT-270326", Side::Short, dec!(600)),
        swap(Side::Long, dec!(1000), &tiers()),
    ];
    let cross = scope(MarginMode::Cross, dec!(100000), legs);
    let rates: Vec<Decimal> = cross
        .holdings
        .iter()
        .map(|held| cross.need(held).tiers / held.exposure().value())
        .collect();
    assert_eq!(rates, [dec!(0.006), dec!(0.006), dec!(0.004)]);
}

fn pair() -> Ledger {
    let leg =
        |symbol, size, entry, rate| linear(symbol, Side::Long, size, entry, dec!(20), &flat(rate));
    let legs = vec![
        at(dec!(59000), leg(SWAP, dec!(2), dec!(60000), dec!(0.004))),
        at(
            dec!(2950),
            leg("ETH-USDT-SWAP", dec!(20), dec!(3000), dec!(0.005)),
        ),
    ];
    scope(MarginMode::Cross, dec!(5000), legs)
}

#[test]
fn two_cross_positions_share_one_ratio() {
    let mut ledger = pair();
    assert_eq!(ledger.equity(), money(dec!(2000)));
    assert_eq!(ledger.maintenance_shown(), money(dec!(767)));
    assert_eq!(ledger.maintenance(), money(dec!(767) + dec!(88.5)));
    assert_eq!(ratio(&ledger).round_dp(6), dec!(2.337814));
    dies_at(&ledger, SWAP, dec!(58425.1632));
    dies_at(&ledger, "ETH-USDT-SWAP", dec!(2892.4585));
    ledger.other_margin = money(dec!(500));
    assert_eq!(ledger.equity(), money(dec!(1500)), "orders come off");
}

#[test]
fn discounted_collateral_moves_with_the_mark_or_stands_still() {
    let tiers = flat(dec!(0.004));
    let held = linear(SWAP, Side::Long, dec!(2), dec!(60000), dec!(20), &tiers);
    let mut ledger = scope(MarginMode::Cross, dec!(2000), vec![at(dec!(59000), held)]);
    ledger.collateral = vec![Collateral {
        asset: "BTC".to_owned(),
        amount: money(dec!(0.1)),
        index: price(dec!(59000)),
        haircut: vec![
            (Some(money(dec!(20))), Rate::of(dec!(0.98))),
            (None, Rate::of(dec!(0.9))),
        ],
        debt_share: Rate::ONE,
        follows: Some(Symbol::new(SWAP)),
    }];
    assert_eq!(ledger.equity(), money(dec!(5782)));
    assert_eq!(ratio(&ledger).round_dp(4), dec!(10.8889));
    dies_at(&ledger, SWAP, dec!(56486.3571));
    ledger.collateral[0].follows = None;
    dies_at(&ledger, SWAP, dec!(56362.6318));
    let row = &ledger.collateral[0];
    let marginal = dec!(20) * dec!(0.98) + dec!(5) * dec!(0.9);
    assert_eq!(row.worth(dec!(25)), marginal * dec!(59000));
}

#[test]
fn funding_comes_out_of_the_margin() {
    let mut ledger = isolated(dec!(6000), swap(Side::Long, dec!(200), &tiers()));
    set(&mut ledger, SWAP, dec!(59000));
    let paid = ledger.pay_funding(&Symbol::new(SWAP), Rate::of(dec!(0.0001)));
    assert_eq!(paid, money(dec!(11.80)));
    assert_eq!(ledger.wallet, money(dec!(5988.20)));
}
