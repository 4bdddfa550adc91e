//! The arithmetic against the simulator's ledger, which shares nothing with it but the nouns: at the
//! price the one returns, the health test of the other must flip; and the state the one predicts after
//! an action must be the state the other is in after performing it.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll::domain::{
    ContractKind, Leverage, MarginMode, Money, PositionKey, PositionSide, Price, Quantity, Rate,
    Side, Symbol, Tier, TierTable,
};
use plimsoll::margin::{
    Collateral, Discount, DiscountStep, Fill, Leg, Reduction, ScopeMargin, Shock, Tally, Venue,
    Verdict,
};
use plimsoll::sim::law::{self, Law, Ledger};
use proptest::prelude::*;
use rust_decimal::{Decimal, dec};

const CASES: u32 = 10_000;
/// How far from the line, as a share of the price, health must have flipped.
const NEAR: Decimal = dec!(0.00000001);
/// Rounding that both sides may differ by, as a share of what is compared.
const DIGITS: Decimal = dec!(0.000000000000001);

/// The same account for both sides.
#[derive(Debug, Clone)]
struct Twin {
    scope: ScopeMargin,
    ledger: Ledger,
}

#[derive(Debug, Clone)]
struct Slot {
    side: Side,
    contracts: i64,
    entry: i64,
    moved_permille: i64,
    leverage: i64,
    tiers: Vec<(i64, i64)>,
}

fn slot() -> impl Strategy<Value = Slot> {
    let side = prop_oneof![Just(Side::Long), Just(Side::Short)];
    let tier = (1_i64..400, 1_i64..80);
    let tiers = prop::collection::vec(tier, 1..6);
    (
        side,
        1_i64..5_000,
        50_i64..200_000,
        -60_i64..60,
        1_i64..50,
        tiers,
    )
        .prop_map(
            |(side, contracts, entry, moved_permille, leverage, tiers)| Slot {
                side,
                contracts,
                entry,
                moved_permille,
                leverage,
                tiers,
            },
        )
}

fn venue() -> impl Strategy<Value = Venue> {
    prop::sample::select(Venue::ALL.to_vec())
}

fn law_of(venue: Venue) -> Law {
    match venue {
        Venue::BinanceUsdm => Law::BinanceUsdm,
        Venue::BinanceCoinm => Law::BinanceCoinm,
        Venue::Bybit => Law::Bybit,
        Venue::Okx => Law::Okx,
        Venue::Hyperliquid => Law::Hyperliquid,
    }
}

/// Tiers by width and growth of the rate, in the unit by which the venue chooses them.
fn tiers(rows: &[(i64, i64)], unit: Decimal, deducts: bool) -> TierTable {
    let (mut floor, mut rate, mut deduction) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
    let mut out = Vec::new();
    for (index, (width, growth)) in rows.iter().enumerate() {
        let next = rate + Decimal::new(*growth, 4);
        if deducts {
            deduction += floor * (next - rate);
        }
        rate = next;
        let top = floor + Decimal::from(*width) * unit;
        let last = index + 1 == rows.len();
        out.push(Tier {
            floor: Money::of(floor),
            cap: (!last).then(|| Money::of(top)),
            maintenance_rate: Rate::of(rate),
            deduction: Money::of(deduction),
            max_leverage: Leverage::of(dec!(1000)),
        });
        floor = top;
    }
    TierTable::new(out).expect("a table")
}

/// Two slots of one symbol, a dated one of the same family, and another symbol.
const NAMES: [(&str, PositionSide); 4] = [
    ("AAA-USD-SWAP", PositionSide::Long),
    ("AAA-USD-SWAP", PositionSide::Short),
    ("BBB-USD-261225", PositionSide::Both),
    ("BBB-USD-270326", PositionSide::Both),
];

fn twin(venue: Venue, mode: MarginMode, inverse: bool, cushion: i64, slots: &[Slot]) -> Twin {
    let contract = match venue {
        Venue::BinanceUsdm | Venue::Hyperliquid => ContractKind::Linear,
        Venue::BinanceCoinm => ContractKind::Inverse,
        Venue::Bybit | Venue::Okx if inverse => ContractKind::Inverse,
        Venue::Bybit | Venue::Okx => ContractKind::Linear,
    };
    let size = match contract {
        ContractKind::Linear => dec!(0.01),
        ContractKind::Inverse => dec!(100),
    };
    let fee = Rate::of(dec!(0.0007));
    let first = slots.first().expect("a slot").clone();
    let mut held = Vec::new();
    for (index, slot) in slots.iter().enumerate() {
        let (name, position_side) = NAMES[index];
        // Legs of one symbol share its price.
        let (entry, moved) = if index == 1 {
            (first.entry, first.moved_permille)
        } else {
            (slot.entry, slot.moved_permille)
        };
        let side = match position_side {
            PositionSide::Long => Side::Long,
            PositionSide::Short => Side::Short,
            PositionSide::Both => slot.side,
        };
        let (side, position_side) = match mode {
            MarginMode::Cross => (side, position_side),
            MarginMode::Isolated => (slot.side, PositionSide::Both),
        };
        let entry = Decimal::from(entry);
        let mark = entry * (Decimal::ONE + Decimal::new(moved, 3));
        let contracts = Decimal::from(slot.contracts);
        let value = match contract {
            ContractKind::Linear => contracts * size * entry,
            ContractKind::Inverse => contracts * size / entry,
        };
        let unit = match venue {
            Venue::Okx => dec!(25),
            Venue::BinanceUsdm | Venue::BinanceCoinm | Venue::Bybit | Venue::Hyperliquid => {
                (value / dec!(100)).round_sf(6).expect("not too large")
            }
        };
        let table = tiers(&slot.tiers, unit, venue != Venue::Okx);
        held.push(law::Holding {
            symbol: Symbol::new(name),
            position_side,
            contract,
            side,
            contracts: Quantity::of(contracts),
            contract_size: size,
            entry: Price::of(entry),
            mark: Price::of(mark),
            leverage: Decimal::from(slot.leverage),
            extra_margin: Money::ZERO,
            tiers: table,
            settles_in: None,
        });
    }
    let legs = held.iter().map(|held| leg(held, venue)).collect();
    let mut scope = ScopeMargin::new(venue.rules(), mode, Money::ZERO, legs);
    scope.taker_fee = fee;
    let booked = scope.initial_margin().expect("leverage is known");
    // From half to three times the initial margin.
    let wallet = (booked * Rate::of(Decimal::new(cushion, 2))).floor_to(dec!(0.0001));
    scope.wallet = wallet;
    let mut ledger = Ledger::new(law_of(venue), mode, wallet, fee, held);
    if (venue, mode) == (Venue::Bybit, MarginMode::Isolated) {
        let base = Ledger::bybit_isolated(ledger.holdings[0].clone(), fee);
        ledger.holdings[0].extra_margin = wallet - base.wallet;
    }
    Twin { scope, ledger }
}

fn leg(held: &law::Holding, venue: Venue) -> Leg {
    let mut leg = Leg::linear(
        held.key(),
        held.side,
        held.contracts,
        held.entry,
        held.mark,
        Arc::new(held.tiers.clone()),
    );
    leg.contract = held.contract;
    leg.contract_size = held.contract_size;
    leg.leverage = Some(Leverage::of(held.leverage));
    leg.asset = held.settles_in.as_deref().map(Symbol::new);
    let family = held
        .symbol
        .as_str()
        .trim_end_matches(|c: char| c.is_ascii_digit());
    leg.family = (venue == Venue::Okx).then(|| Symbol::new(family));
    leg
}

fn any_twin() -> impl Strategy<Value = Twin> {
    let mode = prop_oneof![Just(MarginMode::Isolated), Just(MarginMode::Cross)];
    let slots = prop::collection::vec(slot(), 1..=4);
    (venue(), mode, any::<bool>(), 50_i64..300, slots).prop_map(
        |(venue, mode, inverse, cushion, mut slots)| {
            if mode == MarginMode::Isolated {
                slots.truncate(1);
            }
            twin(venue, mode, inverse, cushion, &slots)
        },
    )
}

fn close(a: Decimal, b: Decimal) -> bool {
    (a - b).abs() <= DIGITS * (dec!(1) + a.abs().max(b.abs()))
}

fn scaled(price: Price, by: Decimal) -> Price {
    Price::of(price.get() * (Decimal::ONE + by))
}

/// The ledger with one symbol at another mark: is it over?
fn over_at(ledger: &Ledger, symbol: &Symbol, mark: Price) -> bool {
    let mut there = ledger.clone();
    there.set_mark(symbol, mark);
    there.is_liquidated()
}

fn agrees(scope: &ScopeMargin, ledger: &Ledger) -> Result<(), TestCaseError> {
    let pairs = [
        ("wallet", scope.wallet, ledger.wallet),
        ("equity", scope.equity(), ledger.equity()),
        ("demand", scope.demand(), ledger.maintenance()),
        (
            "maintenance",
            scope.maintenance(),
            ledger.maintenance_shown(),
        ),
        ("profit", scope.unrealized(), ledger.unrealized()),
        (
            "initial margin",
            scope.initial_margin().expect("leverage is known"),
            ledger.initial_margin(),
        ),
    ];
    for (what, own, judged) in pairs {
        prop_assert!(close(own.get(), judged.get()), "{what}: {own} {judged}");
    }
    prop_assert_eq!(scope.legs.len(), ledger.holdings.len());
    for held in &ledger.holdings {
        let leg = scope.leg(&held.key()).expect("the same slot");
        prop_assert_eq!(leg.side, held.side);
        prop_assert!(close(leg.quantity.get(), held.contracts.get()));
        prop_assert!(close(leg.entry.get(), held.entry.get()));
    }
    let gap = (ledger.equity() - ledger.maintenance()).abs();
    if !ledger.holdings.is_empty() && gap.get() > DIGITS * ledger.equity().abs().get() {
        prop_assert_eq!(scope.is_healthy(), !ledger.is_liquidated());
    }
    Ok(())
}

/// At the line of `symbol` the ledger dies; without one it is the same everywhere.
fn line_is_right(twin: &Twin, symbol: &Symbol) -> Result<(), TestCaseError> {
    let mark = twin.ledger.holding(symbol).expect("held").mark;
    let Some(line) = twin.scope.line(symbol) else {
        let now = over_at(&twin.ledger, symbol, mark);
        for factor in [
            dec!(0.0001),
            dec!(0.1),
            dec!(0.7),
            dec!(1.4),
            dec!(10),
            dec!(1000),
        ] {
            let there = Price::of(mark.get() * factor);
            prop_assert_eq!(over_at(&twin.ledger, symbol, there), now, "at {}", there);
        }
        return Ok(());
    };
    let toward = if line.falls_hurt { -NEAR } else { NEAR };
    let dead = scaled(line.price, toward);
    let alive = scaled(line.price, -toward);
    prop_assert!(over_at(&twin.ledger, symbol, dead), "alive beyond {line:?}");
    prop_assert!(
        !over_at(&twin.ledger, symbol, alive),
        "dead before {line:?}"
    );
    Ok(())
}

fn symbols(twin: &Twin) -> Vec<Symbol> {
    let mut all: Vec<Symbol> = twin
        .scope
        .legs
        .iter()
        .map(|leg| leg.key.symbol.clone())
        .collect();
    all.dedup();
    all
}

fn first_key(twin: &Twin) -> PositionKey {
    twin.scope.legs[0].key.clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn the_ledgers_health_flips_at_every_line(twin in any_twin()) {
        agrees(&twin.scope, &twin.ledger)?;
        for symbol in symbols(&twin) {
            line_is_right(&twin, &symbol)?;
        }
    }

    #[test]
    fn nothing_is_left_at_the_bankruptcy_price(twin in any_twin()) {
        let symbol = first_key(&twin).symbol;
        let Some(price) = twin.scope.bankruptcy_price(&symbol) else { return Ok(()) };
        let mut there = twin.ledger.clone();
        there.set_mark(&symbol, price);
        let fee = match (twin.ledger.law, twin.ledger.mode) {
            (Law::Bybit, MarginMode::Isolated) => {
                there.notional().get() * there.taker_fee.get()
            }
            _ => Decimal::ZERO,
        };
        let scale = there.notional().get() + dec!(1);
        let left = (there.equity().get() - fee).abs();
        prop_assert!(left < scale * dec!(0.000000000001), "{left} of {scale}");
    }

    #[test]
    fn a_shock_of_all_marks_ends_where_the_ledger_ends(
        twin in any_twin(),
        betas in prop::collection::vec(20_i64..250, 4),
    ) {
        let betas: Vec<(Symbol, Decimal)> = symbols(&twin)
            .into_iter()
            .zip(betas)
            .map(|(symbol, beta)| (symbol, Decimal::new(beta, 2)))
            .collect();
        let shock = Shock {
            default_beta: Rate::ZERO,
            betas: betas.iter().map(|(symbol, beta)| (symbol.clone(), Rate::of(*beta))).collect(),
        };
        let alive = twin.scope.is_healthy();
        let reach = twin.scope.reach(&shock);
        let ends = [(reach.down, dec!(-1)), (reach.up, dec!(1))];
        for (share, sign) in ends.into_iter().filter_map(|(share, sign)| Some((share?.get(), sign))) {
            let over = |share: Decimal| {
                let mut there = twin.ledger.clone();
                there.shock(&betas, sign * share).ok()?;
                Some(there.is_liquidated())
            };
            let Some(beyond) = over(share + NEAR) else { continue };
            prop_assert_eq!(beyond, alive, "beyond {}", share);
            if share > NEAR {
                prop_assert_eq!(over(share - NEAR), Some(!alive), "before {}", share);
            }
        }
    }

    #[test]
    fn the_running_health_says_what_the_ledger_says(
        twin in any_twin(),
        ticks in prop::collection::vec((0_usize..4, -300_i64..300), 1..20),
    ) {
        let (mut scope, mut ledger) = (twin.scope.clone(), twin.ledger.clone());
        let mut tally = Tally::of(&scope).expect("one asset");
        let symbols = symbols(&twin);
        for (index, permille) in ticks {
            let symbol = &symbols[index % symbols.len()];
            let before = ledger.holding(symbol).expect("held").mark;
            let mark = scaled(before, Decimal::new(permille, 4));
            ledger.set_mark(symbol, mark);
            scope = scope.at_mark(symbol, mark);
            match tally.on_mark(symbol, mark) {
                Verdict::Outdated => tally = Tally::of(&scope).expect("one asset"),
                verdict @ (Verdict::Alive | Verdict::Liquidated) => {
                    let gap = (ledger.equity() - ledger.maintenance()).abs().get();
                    if gap > dec!(0.000000000001) * (ledger.equity().abs().get() + dec!(1)) {
                        prop_assert_eq!(verdict == Verdict::Liquidated, ledger.is_liquidated());
                    }
                }
                Verdict::Foreign => prop_assert!(false, "{symbol} is held"),
            }
        }
    }

    #[test]
    fn adding_margin_never_brings_a_line_nearer(twin in any_twin(), amount in 1_i64..100_000) {
        let amount = Money::of(Decimal::from(amount));
        let after = twin.scope.after_add(amount);
        for symbol in symbols(&twin) {
            let (Some(before), Some(after)) = (twin.scope.line(&symbol), after.line(&symbol))
            else { continue };
            if before.falls_hurt == after.falls_hurt {
                let farther = if before.falls_hurt {
                    after.price < before.price
                } else {
                    after.price > before.price
                };
                prop_assert!(farther, "{before:?} {after:?}");
            }
        }
        let mut ledger = twin.ledger;
        ledger.add_margin(amount).expect("taken");
        agrees(&after, &ledger)?;
    }

    #[test]
    fn a_trim_never_raises_maintenance_and_ends_in_the_ledgers_state(
        twin in any_twin(),
        percent in 1_i64..=100,
        slipped in -30_i64..=0,
        keeps in any::<bool>(),
    ) {
        let mut twin = twin;
        if keeps {
            twin.scope.rules.partial_close = plimsoll::margin::PartialClose::KeepsMargin;
            twin.ledger.release = plimsoll::sim::ReleaseModel::KeepsMargin;
        }
        let leg = &twin.scope.legs[0];
        let quantity = leg.quantity * Rate::of(Decimal::new(percent, 2));
        let worse = match leg.side { Side::Long => slipped, Side::Short => -slipped };
        let price = scaled(leg.mark, Decimal::new(worse, 4));
        let cut = Reduction { quantity, price, fee: twin.scope.taker_fee };
        let key = leg.key.clone();
        let after = twin.scope.after_reduce(&key, cut);
        prop_assert!(after.scope.demand() <= twin.scope.demand());
        let freed = twin.ledger.close_part(&key, quantity, price).expect("held");
        // A loss beyond the released margin is a debt of the account here, of the rest there.
        let whole = percent == 100;
        if after.freed.is_negative() {
            prop_assert!(!freed.freed.is_positive());
            return Ok(());
        }
        prop_assert!(close(after.freed.get(), freed.freed.get()), "{} {}", after.freed, freed.freed);
        if !(whole && twin.scope.mode == MarginMode::Isolated) {
            agrees(&after.scope, &twin.ledger)?;
        }
        let recycled = twin.scope.after_recycle(&key, cut);
        if after.freed.is_positive() && !whole {
            twin.ledger.wallet += freed.freed;
            prop_assert_eq!(recycled.freed, Money::ZERO);
            prop_assert!(close(recycled.scope.equity().get(), twin.ledger.equity().get()));
        }
    }

    #[test]
    fn a_fill_ends_in_the_ledgers_state(
        twin in any_twin(),
        buys in any::<bool>(),
        percent in 1_i64..250,
        moved in -50_i64..50,
    ) {
        let mut twin = twin;
        let leg = &twin.scope.legs[0];
        let quantity = leg.quantity * Rate::of(Decimal::new(percent, 2));
        let side = if buys { Side::Long } else { Side::Short };
        let price = scaled(leg.mark, Decimal::new(moved, 3));
        let key = leg.key.clone();
        let fill = Fill { side, quantity, price, fee: twin.scope.taker_fee };
        let Ok(done) = twin.ledger.fill(&key, side, quantity, price) else { return Ok(()) };
        let after = twin.scope.after_fill(&key, fill).expect("held");
        if done.closed.shortfall.is_positive() || done.closed.released.get() + done.closed.realized.get() < done.closed.fee.get() {
            return Ok(());
        }
        if !after.scope.legs.is_empty() {
            agrees(&after.scope, &twin.ledger)?;
        }
    }

    #[test]
    fn funding_leverage_and_tiers_end_in_the_ledgers_state(
        twin in any_twin(),
        rate in -300_i64..300,
        free in 0_i64..500,
        leverage in 1_i64..50,
        rows in prop::collection::vec((1_i64..400, 1_i64..80), 1..6),
    ) {
        let mut twin = twin;
        let leg = twin.scope.legs[0].clone();
        let symbol = &leg.key.symbol;
        let (rate, free) = (Rate::of(Decimal::new(rate, 5)), Money::of(Decimal::from(free)));
        let paid = twin.ledger.pay_funding_from(symbol, rate, leg.mark, free);
        let after = twin.scope.after_funding(symbol, rate, leg.mark, free);
        prop_assert!(close(after.freed.get(), -paid.outside.get()));
        agrees(&after.scope, &twin.ledger)?;
        let mut scope = after.scope;
        let before = twin.ledger.wallet;
        if let Ok(put) = twin.ledger.set_leverage(&leg.key, Decimal::from(leverage)) {
            let after = scope.after_leverage(&leg.key, Leverage::of(Decimal::from(leverage)));
            // Where the venue asks for margin on a lower leverage, the caller adds it.
            let asked = twin.ledger.wallet - before;
            prop_assert!(close(put.get(), asked.get()));
            scope = after.scope;
            if scope.rules.leverage_change == plimsoll::margin::LeverageChange::KeepsWallet {
                scope.wallet = twin.ledger.wallet;
            }
            agrees(&scope, &twin.ledger)?;
        }
        let deducts = scope.rules.venue != Venue::Okx;
        let table = tiers(&rows, dec!(1000), deducts);
        twin.ledger.set_tiers(symbol, &table);
        let scope = scope.after_tiers(symbol, &Arc::new(table));
        agrees(&scope, &twin.ledger)?;
    }

    #[test]
    fn the_wallet_for_a_wished_line_gives_that_line(twin in any_twin(), permille in 5_i64..400) {
        let symbol = first_key(&twin).symbol;
        let Some(line) = twin.scope.line(&symbol) else { return Ok(()) };
        let mark = twin.scope.legs[0].mark;
        let share = Decimal::new(if line.falls_hurt { -permille } else { permille }, 3);
        let wished = scaled(mark, share);
        let mut there = twin.ledger.clone();
        there.wallet = twin.scope.wallet_for_line(&symbol, wished);
        there.set_mark(&symbol, wished);
        let scale = there.notional().get() + dec!(1);
        let slack = there.slack().abs().get();
        // A wallet that more than pays for the position has no closing fee to set aside.
        let paid_up = there.law == Law::Bybit && there.wallet.get() > there.notional().get();
        prop_assert!(paid_up || slack < scale * dec!(0.000000000001), "{slack} of {scale}");
    }

    #[test]
    fn a_pool_dies_at_its_line(
        twin in any_twin(),
        coins in -20_i64..100,
        share in 50_i64..=100,
        follows in any::<bool>(),
        settles in any::<bool>(),
    ) {
        let mut twin = twin;
        if twin.scope.mode == MarginMode::Isolated { return Ok(()) }
        let symbol = first_key(&twin).symbol;
        let index = twin.scope.legs[0].mark;
        let value = twin.scope.initial_margin().expect("known").get() / index.get();
        let amount = Money::of((value * Decimal::new(coins, 2)).round_dp(12));
        let cap = Money::of((value * dec!(0.4)).round_dp(12));
        let rate = Rate::of(Decimal::new(share, 2));
        let half = rate * Rate::of(dec!(0.5));
        let follow = follows.then(|| symbol.clone());
        twin.scope.collateral = vec![Collateral {
            asset: Symbol::new("COIN"),
            amount,
            price: index,
            follows: follow.clone(),
            discount: Discount {
                steps: vec![
                    DiscountStep { cap: Some(cap), rate },
                    DiscountStep { cap: None, rate: half },
                ],
                debt: Rate::of(dec!(1.02)),
            },
        }];
        twin.ledger.collateral = vec![law::Collateral {
            asset: "COIN".to_owned(),
            amount,
            index,
            haircut: vec![(Some(cap), rate), (None, half)],
            debt_share: Rate::of(dec!(1.02)),
            follows: follow,
        }];
        if settles && twin.scope.legs[0].contract == ContractKind::Inverse {
            for leg in &mut twin.scope.legs { leg.asset = Some(Symbol::new("COIN")); }
            for held in &mut twin.ledger.holdings { held.settles_in = Some("COIN".to_owned()); }
        }
        prop_assert!(close(twin.scope.equity().get(), twin.ledger.equity().get()));
        prop_assert!(close(twin.scope.demand().get(), twin.ledger.maintenance().get()));
        if !twin.scope.is_healthy() { return Ok(()) }
        if let Some(line) = twin.scope.line(&symbol) {
            let toward = if line.falls_hurt { -NEAR } else { NEAR };
            prop_assert!(over_at(&twin.ledger, &symbol, scaled(line.price, toward)));
            prop_assert!(!over_at(&twin.ledger, &symbol, scaled(line.price, -toward)));
        }
    }
}

#[test]
fn every_venue_mode_and_contract_comes_up() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<(Venue, bool, bool, usize), usize> = BTreeMap::new();
    let mut lines = 0;
    for _ in 0..2_000 {
        let twin = any_twin().new_tree(&mut runner).expect("a case").current();
        let leg = &twin.scope.legs[0];
        let linear = leg.contract == ContractKind::Linear;
        let cross = twin.scope.mode == MarginMode::Cross;
        let sort = (twin.scope.rules.venue, cross, linear, twin.scope.legs.len());
        *seen.entry(sort).or_default() += 1;
        lines += usize::from(twin.scope.line(&leg.key.symbol).is_some());
    }
    // Seven venue and contract pairs, isolated with one leg and cross with one to four.
    assert_eq!(seen.len(), 7 * 5, "{seen:?}");
    assert!(lines > 1_200, "{lines} of 2000 have a line");
}
