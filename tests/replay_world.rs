//! The real guard against the simulated exchange in virtual time: several positions, faults, and the
//! same answers as the exact account where both can be asked.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    reason = "a test program: it fails by panicking; expected figures are computed"
)]

#[path = "support/tapes.rs"]
mod tapes;

use std::collections::BTreeSet;

use plimsoll::domain::{
    Account, Balance, HOUR_MS, MarginMode, Money, Position, PositionKey, PositionMode,
    PositionSide, Price, Quantity, Rate, Side, Symbol, Timestamp,
};
use plimsoll::guard::policy::Policy as Limits;
use plimsoll::guard::policy::Preset;
use plimsoll::replay::world::{
    Course, Deed, Faults, JointOutcome, JointPlayed, JointSettings, Posture, Present, PresentError,
    Shock, Tiers, World, groups, joint_trials, play_joint, stress,
};
use plimsoll::replay::{Path, Policy, Settings, Stepping, Watcher, fate, outcome};
use plimsoll::sim::market::for_symbol;
use rust_decimal::{Decimal, dec};
use tapes::{first, path, walk};

/// Two hours of small waves around `at`, then `minutes` of an even move to `last` times that, then
/// three hours there.
fn drift(name: &str, symbol: &str, at: f64, minutes: usize, last: f64) -> Path {
    let mut bars = Vec::new();
    let up = at * 1.000_2;
    for index in 0..120 {
        let (open, close) = if index % 2 == 0 { (at, up) } else { (up, at) };
        bars.push([open, up, at, close]);
    }
    let price = |step: usize| at * (1.0 + (last - 1.0) * step as f64 / minutes as f64);
    for step in 0..minutes {
        let (open, close) = (price(step), price(step + 1));
        bars.push([open, open.max(close), open.min(close), close]);
    }
    bars.extend([[at * last; 4]; 180]);
    path(name, symbol, &bars)
}

fn settings(margin: MarginMode, sides: &[Side], leverage: u32) -> JointSettings {
    let base = Settings {
        sides: sides.to_vec(),
        leverages: vec![leverage],
        warm_up_ms: HOUR_MS,
        entry_every_ms: 24 * HOUR_MS,
        length_ms: 12 * HOUR_MS,
        least_ms: HOUR_MS,
        ..Settings::default()
    };
    JointSettings::new(margin, base)
}

const BOTH: [Side; 2] = [Side::Long, Side::Short];

fn played(
    paths: &[Path],
    settings: &JointSettings,
    world: &World,
    policies: &[Policy],
    threads: usize,
) -> Vec<JointPlayed> {
    let groups = groups(paths, &settings.legs);
    let trials = joint_trials(paths, &groups, world, settings);
    play_joint(
        paths,
        (&groups, &trials),
        policies,
        (world, settings),
        usize::MAX,
        threads,
        &Watcher::default(),
    )
}

#[track_caller]
fn one(played: &[JointPlayed], posture: Posture) -> &JointPlayed {
    let mut found = played
        .iter()
        .filter(|played| played.trial.episode.posture == posture);
    let one = found.next().expect("an episode");
    assert!(found.next().is_none(), "one episode");
    one
}

#[track_caller]
fn outcomes(played: &JointPlayed) -> Vec<JointOutcome> {
    played
        .outcomes
        .iter()
        .map(|outcome| outcome.expect("played"))
        .collect()
}

fn crash_pair() -> Vec<Path> {
    vec![
        drift("2026-11-20_BTCUSDT_1m", "BTCUSDT", 60_000.0, 90, 0.90),
        drift("2026-11-20_ETHUSDT_1m", "ETHUSDT", 3_000.0, 90, 0.89),
    ]
}

#[test]
fn the_guard_saves_a_cross_pair_in_a_crash_that_liquidates_its_twin() {
    let settings = settings(MarginMode::Cross, &BOTH, 20);
    let played = played(
        &crash_pair(),
        &settings,
        &World::default(),
        &[Policy::Nothing, Policy::Guard(Preset::Balanced)],
        2,
    );
    let long = one(&played, Posture::Long);
    assert!(long.fate.at_risk);
    let [twin, guarded] = outcomes(long)[..] else {
        panic!("two policies")
    };
    assert!(twin.liquidated && twin.kept == 0.0, "{twin:?}");
    assert!(!guarded.liquidated, "{guarded:?}");
    assert!(guarded.kept > 0.1 && guarded.kept < 1.0, "{guarded:?}");
    assert!(
        guarded.kept <= long.fate.best + 0.02,
        "{guarded:?} {:?}",
        long.fate
    );
    assert_eq!(guarded.new_money, 0.0, "a cross wallet has it all already");
    assert!(guarded.trims_nearest + guarded.trims_other == guarded.actions);
    let short = one(&played, Posture::Short);
    assert!(!short.fate.at_risk);
    for outcome in outcomes(short) {
        assert!(outcome.kept == 1.0 && outcome.actions == 0, "{outcome:?}");
    }
}

#[test]
fn baselines_act_on_all_positions_of_a_cross_account() {
    let settings = settings(MarginMode::Cross, &[Side::Long], 20);
    let policies = [
        Policy::StopBuffer,
        Policy::RatioTrim,
        Policy::TrimTwoPercent,
    ];
    let played = played(&crash_pair(), &settings, &World::default(), &policies, 2);
    let [stop, ratio, small] = outcomes(one(&played, Posture::Long))[..] else {
        panic!("three policies")
    };
    assert!(
        !stop.liquidated && stop.kept == 0.0 && stop.actions == 2,
        "{stop:?}"
    );
    assert!(!ratio.liquidated && ratio.kept > 0.0, "{ratio:?}");
    // Both positions in each pass.
    assert!(
        ratio.actions > 0 && ratio.actions.is_multiple_of(2),
        "{ratio:?}"
    );
    assert!(small.actions > 2, "{small:?}");
}

#[test]
fn positions_that_hedge_each_other_are_left_alone() {
    let paths = vec![
        drift("2026-11-20_BTCUSDT_1m", "BTCUSDT", 60_000.0, 90, 0.8),
        drift("2026-11-20_ETHUSDT_1m", "ETHUSDT", 3_000.0, 90, 0.8),
    ];
    let settings = settings(MarginMode::Cross, &BOTH, 10);
    let played = played(
        &paths,
        &settings,
        &World::default(),
        &[Policy::Guard(Preset::Balanced)],
        2,
    );
    let hedged = one(&played, Posture::Hedged);
    assert!(!hedged.fate.at_risk);
    let guarded = outcomes(hedged)[0];
    assert!(guarded.kept == 1.0 && guarded.actions == 0, "{guarded:?}");
}

#[test]
fn three_positions_are_played_together_and_their_tapes_are_found_by_date() {
    let mut paths = crash_pair();
    paths.push(drift("2026-11-20_SOLUSDT_1m", "SOLUSDT", 150.0, 90, 0.8));
    paths.push(drift("2026-11-21_SOLUSDT_1m", "SOLUSDT", 150.0, 90, 0.8));
    // Another recording of the same contract is no second position.
    paths.push(drift(
        "2026-11-20_BTCUSDT-bybit_1m",
        "BTCUSDT",
        60_000.0,
        90,
        0.86,
    ));
    let found = groups(&paths, &[2, 3]);
    let members: Vec<Vec<usize>> = found.iter().map(|group| group.paths.clone()).collect();
    assert_eq!(members, [vec![4, 1], vec![1, 2], vec![4, 1, 2]]);
    assert!(found.iter().all(|group| group.event == "2026-11-20"));
    let settings = settings(MarginMode::Cross, &[Side::Long], 20);
    let played = played(
        &paths,
        &settings,
        &World::default(),
        &[Policy::Guard(Preset::Balanced)],
        2,
    );
    let guarded = outcomes(&played[2])[0];
    assert!(played[2].fate.at_risk && !guarded.liquidated, "{guarded:?}");
}

#[test]
fn the_number_of_threads_and_faults_change_no_figure() {
    let paths = crash_pair();
    let settings = settings(MarginMode::Cross, &BOTH, 20);
    let world = World {
        faults: Faults::ALL,
        ..World::default()
    };
    let policies = [
        Policy::Nothing,
        Policy::RatioTrim,
        Policy::Guard(Preset::Balanced),
    ];
    let alone = played(&paths, &settings, &world, &policies, 1);
    assert_eq!(alone, played(&paths, &settings, &world, &policies, 3));
    let other = World { seed: 2, ..world };
    assert_ne!(alone, played(&paths, &settings, &other, &policies, 3));
}

/// An account of one position at `mark`, with a tenth of its value as margin and as much beside it.
fn present(margin_mode: MarginMode, mark: Decimal) -> Present {
    let symbol = Symbol::new("BTCUSDT");
    let quantity = Quantity::of(dec!(1));
    let margin = Money::of(mark / Decimal::TEN);
    let position = Position {
        key: PositionKey {
            symbol: symbol.clone(),
            position_side: PositionSide::Both,
        },
        side: Side::Long,
        quantity,
        entry_price: Price::of(mark),
        margin_mode,
        margin_asset: "USDT".to_owned(),
        leverage: Some(10),
        isolated_wallet: match margin_mode {
            MarginMode::Isolated => margin,
            MarginMode::Cross => Money::ZERO,
        },
        mark_price: Price::of(mark),
        venue_liquidation: None,
        venue_maintenance: None,
        auto_add_margin: false,
        updated_at: Timestamp::ZERO,
    };
    let wallet = match margin_mode {
        MarginMode::Isolated => margin,
        MarginMode::Cross => margin + margin,
    };
    let balance = Balance {
        cross_wallet: wallet,
        available: wallet,
    };
    let account = Account {
        position_mode: PositionMode::OneWay,
        can_trade: true,
        balances: [("USDT".to_owned(), balance)].into(),
        positions: vec![position],
        ..Account::default()
    };
    let market = for_symbol(&symbol, Price::of(mark));
    Present::new(account, [(symbol, market)].into()).expect("an account")
}

fn fall(by: Decimal) -> Course {
    Course::shock(Shock {
        by: Rate::of(by),
        over_ms: HOUR_MS,
    })
}

#[test]
fn lost_answers_never_make_the_guard_act_twice() {
    let course = fall(dec!(-0.25));
    for margin_mode in [MarginMode::Isolated, MarginMode::Cross] {
        let present = present(margin_mode, dec!(60000));
        let (mut lookups, mut acts) = (0, 0);
        for seed in 0..12 {
            let world = World {
                faults: Faults {
                    answer_lost: 600,
                    ..Faults::NONE
                },
                delay_ms: 500,
                seed,
                ..World::default()
            };
            let stressed = stress(&present, &course, &world, &Limits::default());
            let run = &stressed.guarded;
            lookups += run.lookups;
            acts += run.acts.len();
            let mut seen = BTreeSet::new();
            let mut closed = Quantity::ZERO;
            let mut added = Money::ZERO;
            for act in &run.acts {
                let id = act.intent.clone().expect("an intent of the guard");
                assert!(seen.insert(id), "seed {seed}: {act:?} took effect twice");
                match act.deed {
                    Deed::Trim(quantity) => closed += quantity,
                    Deed::AddMargin(amount) if act.recycled => assert!(amount.is_positive()),
                    Deed::AddMargin(amount) => added += amount,
                }
            }
            let leg = &run.legs[0];
            if leg.liquidated.is_none() {
                assert_eq!(leg.start - closed, leg.end, "seed {seed}");
            }
            assert_eq!(run.added, added, "seed {seed}");
            let limit = Limits::default().budgets.add_per_position_day;
            assert!(added <= limit, "seed {seed}: {added}");
        }
        assert!(lookups > 12 && acts > 12, "{lookups} look-ups, {acts} acts");
    }
}

#[test]
fn the_exact_account_and_the_world_agree_on_calm_and_on_a_crash() {
    let world = World {
        tiers: Tiers::Single,
        funding_rate: None,
        book: plimsoll::sim::BookShape::Steady,
        ..World::default()
    };
    let crash = drift("2026-11-20_BTCUSDT_1m", "BTCUSDT", 60_000.0, 90, 0.88);
    let mut quiet = walk(3, 12 * 60);
    for bar in &mut quiet {
        *bar = bar.map(|price| 60_000.0 + (price - 100.0));
    }
    let calm = path("2026-11-21_BTCUSDT-calm_1m", "BTCUSDT", &quiet);
    for (path, at_risk) in [(crash, true), (calm, false)] {
        let joint = settings(MarginMode::Isolated, &[Side::Long], 10);
        let episode = first(&path, &joint.base);
        let exact_fate = fate(&path, &episode, &joint.base);
        let exact = outcome(
            &path,
            &episode,
            Policy::Guard(Preset::Balanced),
            &joint.base,
            Stepping::Sparing,
        );
        let paths = [path];
        let played = played(
            &paths,
            &joint,
            &world,
            &[Policy::Nothing, Policy::Guard(Preset::Balanced)],
            1,
        );
        let ours = &played[0];
        assert_eq!(exact_fate.at_risk, at_risk, "{}", paths[0].name);
        assert_eq!(ours.fate.at_risk, at_risk, "{}", paths[0].name);
        assert!((ours.fate.best - exact_fate.best).abs() < 0.01);
        let world = outcomes(ours)[1];
        assert_eq!(world.liquidated, exact.liquidated, "{world:?} {exact:?}");
        assert!((world.kept - exact.kept).abs() < 0.1, "{world:?} {exact:?}");
        assert!(
            (world.new_money - exact.new_money).abs() < 0.2,
            "{world:?} {exact:?}"
        );
    }
}

#[test]
fn a_thin_book_and_silent_marks_make_a_rescue_dearer_but_a_collapse_is_survived() {
    let settings = settings(MarginMode::Cross, &[Side::Long], 20);
    let steady = World {
        book: plimsoll::sim::BookShape::Steady,
        ..World::default()
    };
    let friction = |world: &World| {
        let played = played(&crash_pair(), &settings, world, &[Policy::StopBuffer], 1);
        outcomes(&played[0])[0].friction
    };
    assert!(friction(&World::default()) > friction(&steady));
    let silent = World {
        faults: Faults::ALL,
        ..World::default()
    };
    let played = played(
        &crash_pair(),
        &settings,
        &silent,
        &[Policy::Guard(Preset::Balanced)],
        1,
    );
    let guarded = outcomes(&played[0])[0];
    assert!(!guarded.liquidated, "{guarded:?}");
}

#[test]
fn a_shock_takes_the_unprotected_account_and_the_guard_keeps_some_of_it() {
    let present = present(MarginMode::Isolated, dec!(60000));
    let course = fall(dec!(-0.2));
    let stressed = stress(&present, &course, &World::default(), &Limits::default());
    let worst = stressed.worst_move.as_ref().expect("a fall");
    assert_eq!(worst.1, dec!(-0.2));
    assert!(stressed.unprotected.is_liquidated());
    let guarded = &stressed.guarded;
    assert!(!guarded.is_liquidated(), "{:?}", guarded.legs);
    assert!(guarded.legs[0].end.is_positive() && !guarded.acts.is_empty());
    let key = &guarded.legs[0].key;
    let act = guarded.act_prices[key];
    assert!(
        act < Price::of(dec!(60000)) && act > Price::of(dec!(54000)),
        "{act}"
    );
    assert!(guarded.course.iter().any(|look| look.act.is_some()));
    // A small move costs nothing and nothing is done.
    let small = stress(
        &present,
        &fall(dec!(-0.005)),
        &World::default(),
        &Limits::default(),
    );
    assert!(!small.unprotected.is_liquidated() && !small.guarded.is_liquidated());
}

#[test]
fn an_account_that_cannot_be_played_says_why() {
    let ready = present(MarginMode::Cross, dec!(60000));
    let mut account = ready.account.clone();
    let refused = |account: &Account| {
        Present::new(account.clone(), ready.markets.clone()).expect_err("a refusal")
    };
    let mut unknown = account.clone();
    unknown.positions[0].key.symbol = Symbol::new("XYZUSDT");
    assert!(matches!(refused(&unknown), PresentError::NoMarket(_)));
    account.multi_assets = true;
    assert_eq!(refused(&account), PresentError::MultiAssets);
    account.positions.clear();
    assert_eq!(refused(&account), PresentError::NoPosition);
}
