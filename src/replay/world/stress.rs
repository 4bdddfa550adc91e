//! The present account through shocks and recorded crashes, without and with the guard.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::faults::seed_of;
use super::shock::{Shock, shock_factors};
use super::{Player, Run, Scene, World, play};
use crate::domain::{
    Account, DAY_MS, HOUR_MS, MINUTE_MS, MarginMode, Money, Position, PositionMode, Price, Rate,
    SECOND_MS, Side, Symbol, Timestamp,
};
use crate::guard::event::{Bar, Mode};
use crate::guard::policy::Policy as GuardPolicy;
use crate::replay::STEP_MS;
use crate::replay::path::Path;
use crate::replay::policy::Policy;
use crate::sim::tape::{LoadedTape, TapeError};
use crate::sim::{Market, Seat, Tape};

/// Most positions of an account that is put under stress.
const POSITIONS_MAX: usize = 50;
/// Leverage of a position whose own is not known; it decides only what of the wallet is free.
const LEVERAGE_UNSAID: u32 = 20;
/// The exchange runs so long before the account is there, so that its book knows the market.
const LEAD_MS: i64 = 10 * MINUTE_MS;
/// A recorded crash is entered so long before its worst hour, …
const ENTER_BEFORE_MS: i64 = 6 * HOUR_MS;
/// … watched by the guard so long before that, where the tape has it, …
const WATCH_MS: i64 = DAY_MS;
/// … and played for so long, where the tape has it.
const LENGTH_MS: i64 = DAY_MS;
/// Significant digits of a price that follows from a factor.
const PRICE_DIGITS: u32 = 10;
/// When made-up moves begin: 2026-01-01T03:00:00Z. The account comes six hours later, which is seven
/// hours before the next funding.
const SHOCK_BEGIN_MS: i64 = 1_767_236_400 * SECOND_MS;

/// An account as it stands, with the markets it is in.
#[derive(Debug, Clone, PartialEq)]
pub struct Present {
    pub account: Account,
    pub markets: BTreeMap<Symbol, Market>,
}

/// Why an account cannot be played; the caller tells the trader what would help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresentError {
    #[error("there is no open position to put under stress")]
    NoPosition,
    #[error("{0} positions are more than the {POSITIONS_MAX} that can be played")]
    TooMany(usize),
    #[error("positions settle in {0} and {1}; one settlement asset can be played at a time")]
    SeveralAssets(String, String),
    #[error("the rules of {0} are not known")]
    NoMarket(Symbol),
    #[error(
        "multi-assets mode is on: all assets back all cross positions together, which the simulated exchange does not do"
    )]
    MultiAssets,
}

/// Relative prices of one symbol, one every [`STEP_MS`].
pub type Walk = Vec<Decimal>;

/// How prices move: each symbol's own walk, or the common one.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// For people, such as `-10 % in 1h` or `2025-10-10`.
    pub name: String,
    /// Time of the first factor.
    pub begin: Timestamp,
    /// Index at which the account is there; there every price is the present one.
    pub enter: usize,
    /// Symbols with a walk of their own.
    pub own: BTreeMap<Symbol, Walk>,
    /// Everybody else's.
    pub common: Walk,
    /// Whose walk the common one is; `None`: made up.
    pub common_of: Option<Symbol>,
    /// The tape of each symbol of `own`, …
    pub tapes: BTreeMap<Symbol, String>,
    /// … and that of the common walk; `None`: made up.
    pub common_tape: Option<String>,
}

/// What became of the account.
#[derive(Debug, Clone, PartialEq)]
pub struct Stressed {
    /// The largest move against a position, of its symbol's present price; below zero falls. `None`:
    /// no price goes against any.
    pub worst_move: Option<(Symbol, Decimal)>,
    pub unprotected: Run,
    pub guarded: Run,
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Present {
    /// Checks that the account can be played.
    ///
    /// # Errors
    /// [`PresentError`] says what stands in the way.
    pub fn new(account: Account, markets: BTreeMap<Symbol, Market>) -> Result<Self, PresentError> {
        let first = account.positions.first();
        let first = first.ok_or(PresentError::NoPosition)?;
        if account.positions.len() > POSITIONS_MAX {
            return Err(PresentError::TooMany(account.positions.len()));
        }
        let crosses = |held: &Position| held.margin_mode == MarginMode::Cross;
        if account.multi_assets && account.positions.iter().any(crosses) {
            return Err(PresentError::MultiAssets);
        }
        for held in &account.positions {
            if held.margin_asset != first.margin_asset {
                let (one, other) = (first.margin_asset.clone(), held.margin_asset.clone());
                return Err(PresentError::SeveralAssets(one, other));
            }
            if !markets.contains_key(&held.key.symbol) {
                return Err(PresentError::NoMarket(held.key.symbol.clone()));
            }
        }
        Ok(Self { account, markets })
    }

    /// Symbols with a position.
    #[must_use]
    pub fn symbols(&self) -> BTreeSet<Symbol> {
        let positions = self.account.positions.iter();
        positions.map(|held| held.key.symbol.clone()).collect()
    }

    /// The side on which the account holds more at the present marks.
    #[must_use]
    pub fn heavier_side(&self) -> Side {
        let signed = |held: &Position| {
            let notional = held.mark_price * held.quantity;
            match held.side {
                Side::Long => notional,
                Side::Short => -notional,
            }
        };
        let net: Money = self.account.positions.iter().map(signed).sum();
        if net.is_negative() {
            Side::Short
        } else {
            Side::Long
        }
    }

    fn scene(&self, course: &Course) -> Scene {
        let start = course.at(course.enter);
        let positions = &self.account.positions;
        let asset = positions.first().map(|held| held.margin_asset.as_str());
        let balance = asset.and_then(|asset| self.account.balances.get(asset));
        let present: BTreeMap<&Symbol, Price> = positions
            .iter()
            .map(|held| (&held.key.symbol, held.mark_price))
            .collect();
        let mut scene = Scene {
            markets: Vec::new(),
            before: BTreeMap::new(),
            seats: positions.iter().map(seat).collect(),
            wallet: balance.map_or(Money::ZERO, |balance| balance.cross_wallet),
            hedge: self.account.position_mode == PositionMode::Hedge,
            start,
            end: course.at(course.len().saturating_sub(1)),
        };
        for (symbol, mark) in &present {
            let Some(market) = self.markets.get(*symbol) else {
                continue;
            };
            let tape = course.tape(symbol, *mark, &market.instrument.symbol);
            scene.markets.push((market.clone(), tape));
        }
        for (symbol, mark) in &present {
            let marks = (0..course.enter).map(|step| {
                let price = course.price(symbol, *mark, step);
                (course.at(step), price)
            });
            scene.before.insert((*symbol).clone(), minutes_of(marks));
        }
        scene
    }
}

/// Marks in order of time as one-minute bars by the clock.
fn minutes_of(marks: impl Iterator<Item = (Timestamp, Price)>) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for (at, mark) in marks {
        let into = at.as_millis().rem_euclid(MINUTE_MS);
        let start = at.plus_ms(-into);
        match bars.last_mut() {
            Some(bar) if bar.start == start => {
                bar.low = bar.low.min(mark);
                bar.high = bar.high.max(mark);
                bar.close = mark;
            }
            Some(_) | None => bars.push(Bar {
                start,
                low: mark,
                high: mark,
                close: mark,
            }),
        }
    }
    bars
}

fn seat(held: &Position) -> Seat {
    Seat {
        key: held.key.clone(),
        side: held.side,
        quantity: held.quantity,
        entry: held.entry_price,
        mode: held.margin_mode,
        leverage: held.leverage.unwrap_or(LEVERAGE_UNSAID),
        isolated_wallet: held.isolated_wallet,
        auto_add: held.auto_add_margin,
    }
}

impl Course {
    /// All prices move by the same share.
    #[must_use]
    pub fn shock(shock: Shock) -> Self {
        let (common, enter) = shock_factors(shock, seed_of(&shock.by.to_string()));
        let sign = if shock.by.is_negative() { "" } else { "+" };
        let over = match shock.over_ms {
            ms if ms % HOUR_MS == 0 => format!("{} h", ms / HOUR_MS),
            ms if ms % MINUTE_MS == 0 => format!("{} min", ms / MINUTE_MS),
            ms => format!("{} s", ms / SECOND_MS),
        };
        Self {
            name: format!("{sign}{} % in {over}", shock.by.as_pct().normalize()),
            begin: Timestamp::from_millis(SHOCK_BEGIN_MS),
            enter,
            own: BTreeMap::new(),
            common,
            common_of: None,
            tapes: BTreeMap::new(),
            common_tape: None,
        }
    }

    /// A recorded crash: each of `symbols` follows its first tape, the others follow BTC's first, or the
    /// first of all where there is none of BTC. The account comes hours before the hour that was worst
    /// for `side` on that tape. `None` when the tapes have no time in common, or none was given.
    ///
    /// # Errors
    /// [`TapeError`] when a tape cannot be cut into steps.
    pub fn recorded(
        name: &str,
        tapes: &[LoadedTape],
        symbols: &BTreeSet<Symbol>,
        side: Side,
    ) -> Result<Option<Self>, TapeError> {
        let is_btc = |tape: &&LoadedTape| tape.symbol.as_str().starts_with("BTC");
        let Some(lead) = tapes.iter().find(is_btc).or(tapes.first()) else {
            return Ok(None);
        };
        let lead_path = Path::of(lead)?;
        let mut own = BTreeMap::new();
        let mut names = BTreeMap::new();
        for symbol in symbols {
            if let Some(tape) = tapes.iter().find(|tape| tape.symbol == *symbol) {
                own.insert(symbol.clone(), Path::of(tape)?);
                names.insert(symbol.clone(), tape.name.clone());
            }
        }
        let paths = || own.values().chain([&lead_path]);
        let ends = paths().map(|path| path.time(path.steps()));
        let (Some(first), Some(last)) = (paths().map(|path| path.start).max(), ends.min()) else {
            return Ok(None);
        };
        let first = on_grid(first, lead_path.start);
        let worst = lead.worst_hour(side).plus_ms(-ENTER_BEFORE_MS);
        let enter = on_grid(worst.max(first.plus_ms(STEP_MS)), lead_path.start);
        let begin = on_grid(enter.plus_ms(-WATCH_MS).max(first), lead_path.start);
        let end = enter.plus_ms(LENGTH_MS).min(last);
        if end <= enter {
            return Ok(None);
        }
        let steps =
            |from: Timestamp, to: Timestamp| usize::try_from(to.since(from) / STEP_MS).unwrap_or(0);
        let walk = |path: &Path| -> Walk {
            let at = |time: Timestamp| path.price(steps(path.start, time));
            let present = at(enter);
            (0..=steps(begin, end))
                .map(|step| {
                    let time = begin.plus_ms(i64::try_from(step).unwrap_or(0) * STEP_MS);
                    at(time).ratio(present).map_or(Decimal::ONE, Rate::get)
                })
                .collect()
        };
        Ok(Some(Self {
            name: name.to_owned(),
            begin,
            enter: steps(begin, enter),
            common: walk(&lead_path),
            own: own
                .iter()
                .map(|(symbol, path)| (symbol.clone(), walk(path)))
                .collect(),
            common_of: Some(lead.symbol.clone()),
            tapes: names,
            common_tape: Some(lead.name.clone()),
        }))
    }

    /// Symbols that have no walk of their own.
    #[must_use]
    pub fn followers(&self, symbols: &BTreeSet<Symbol>) -> Vec<Symbol> {
        let own = |symbol: &&Symbol| !self.own.contains_key(*symbol);
        symbols.iter().filter(own).cloned().collect()
    }

    fn len(&self) -> usize {
        self.common.len()
    }

    fn at(&self, step: usize) -> Timestamp {
        let steps = i64::try_from(step).unwrap_or(i64::MAX / STEP_MS);
        self.begin.plus_ms(steps.saturating_mul(STEP_MS))
    }

    fn factor(&self, symbol: &Symbol, step: usize) -> Decimal {
        let walk = self.own.get(symbol).unwrap_or(&self.common);
        walk.get(step)
            .or(walk.last())
            .copied()
            .unwrap_or(Decimal::ONE)
    }

    fn price(&self, symbol: &Symbol, present: Price, step: usize) -> Price {
        let price = present.get() * self.factor(symbol, step);
        Price::of(price.round_sf(PRICE_DIGITS).unwrap_or(price))
    }

    fn tape(&self, symbol: &Symbol, present: Price, played: &Symbol) -> Tape {
        let lead = usize::try_from(LEAD_MS / STEP_MS).unwrap_or(0);
        let first = self.enter.saturating_sub(lead);
        Tape {
            name: self.name.clone(),
            symbol: played.clone(),
            start: self.at(first),
            step_ms: STEP_MS,
            marks: (first..self.len())
                .map(|step| self.price(symbol, present, step))
                .collect(),
            notes: Vec::new(),
        }
    }

    /// The largest move against one of the positions.
    fn worst_move(&self, present: &Present) -> Option<(Symbol, Decimal)> {
        let mut worst: Option<(Symbol, Decimal)> = None;
        for held in &present.account.positions {
            for step in self.enter..self.len() {
                let change = self.factor(&held.key.symbol, step) - Decimal::ONE;
                let adverse = match held.side {
                    Side::Long => change < Decimal::ZERO,
                    Side::Short => change > Decimal::ZERO,
                };
                let known = worst.as_ref().map_or(Decimal::ZERO, |(_, worst)| *worst);
                if adverse && change.abs() > known.abs() {
                    worst = Some((held.key.symbol.clone(), change));
                }
            }
        }
        worst
    }
}

/// The last instant not after `at` that lies whole steps after `origin`.
fn on_grid(at: Timestamp, origin: Timestamp) -> Timestamp {
    at.plus_ms(-at.since(origin).rem_euclid(STEP_MS))
}

/// Plays the account through `course`, alone and under a guard with these limits, which acts on its
/// own whatever mode they name.
#[must_use]
pub fn stress(present: &Present, course: &Course, world: &World, policy: &GuardPolicy) -> Stressed {
    let scene = present.scene(course);
    let world = World {
        seed: world.seed ^ seed_of(&course.name),
        ..world.clone()
    };
    let mut policy = policy.clone();
    policy.mode = Mode::Auto;
    policy.instance = "stress".to_owned();
    Stressed {
        worst_move: course.worst_move(present),
        unprotected: play(&scene, &world, &Player::Baseline(Policy::Nothing), true),
        guarded: play(&scene, &world, &Player::Guard(Box::new(policy)), true),
        start: scene.start,
        end: scene.end,
    }
}
