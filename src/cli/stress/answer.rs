//! What is said of each scenario, in numbers and one sentence.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;

use super::super::worlds::{DepthArg, FaultsArg};
use super::courses::Planned;
use super::present::Ready;
use super::words;
use super::{StressArgs, delay_ms};
use crate::domain::{Money, Position, PositionKey, Price, Quantity, Rate, Side, Symbol, Timestamp};
use crate::replay::world::{Course, LegEnd, Run, Stressed};

/// Decimals of money and of percentages.
const PLACES: u32 = 2;

/// Everything that is printed.
#[derive(Serialize)]
pub(super) struct Answer {
    pub(super) account: String,
    pub(super) positions: usize,
    pub(super) asset: String,
    /// Whose limits the guard has.
    pub(super) limits: &'static str,
    pub(super) depth: DepthArg,
    /// What goes wrong, where that is the same in all scenarios.
    pub(super) faults: Option<FaultsArg>,
    pub(super) delay_ms: i64,
    pub(super) scenarios: Vec<Scenario>,
    pub(super) notes: Vec<String>,
}

/// One scenario.
#[derive(Serialize)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// The tape that each symbol follows; empty: made up.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tapes: BTreeMap<Symbol, String>,
    /// Symbols that follow another one's tape, and whose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) followers: Vec<Symbol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) follow: Option<Symbol>,
    pub(super) faults: FaultsArg,
    /// `null`: no price goes against any position.
    pub(super) worst_move: Option<WorstMove>,
    pub(super) minutes: i64,
    pub(super) unprotected: Unprotected,
    pub(super) guarded: Guarded,
    pub(super) sentence: String,
}

#[derive(Serialize)]
pub(super) struct WorstMove {
    pub(super) symbol: Symbol,
    pub(super) pct: String,
}

/// What is left of an account, or of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// Something is left, and nothing was liquidated.
    Survives,
    /// Nothing is left, and nothing was liquidated: the guard closed it.
    Closed,
    /// The exchange took at least a part.
    Liquidated,
}

/// What became of the account without protection.
#[derive(Serialize)]
pub(super) struct Unprotected {
    pub(super) outcome: Outcome,
    pub(super) liquidated: Vec<Taken>,
    /// Equity before less equity after; below zero for a gain.
    pub(super) lost: String,
    /// Fees of liquidations, a part of what is lost.
    pub(super) liquidation_fees: String,
    /// Funding paid; below zero when received.
    pub(super) funding: String,
    /// The position that came nearest to its line; `null`: none has one.
    pub(super) nearest: Option<Nearest>,
}

/// How near a position came to its line.
#[derive(Serialize)]
pub(super) struct Nearest {
    pub(super) symbol: Symbol,
    pub(super) side: Side,
    pub(super) distance_pct: String,
}

/// What became of it under the guard.
#[derive(Serialize)]
pub(super) struct Guarded {
    pub(super) outcome: Outcome,
    pub(super) liquidated: Vec<Taken>,
    /// Share of the positions still held, weighted by present value, in percent.
    pub(super) kept_pct: String,
    pub(super) positions: Vec<Kept>,
    pub(super) new_money: String,
    /// Fees and slippage of trims.
    pub(super) cost: String,
    /// Fees of liquidations.
    pub(super) liquidation_fees: String,
    /// Funding paid; below zero when received.
    pub(super) funding: String,
    pub(super) actions: usize,
    /// The first act that took effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_act: Option<FirstAct>,
    pub(super) lost: String,
    /// What the guard lost beyond the unprotected account; below zero: what it saved.
    pub(super) lost_more: String,
}

/// What is left of one position.
#[derive(Serialize)]
pub(super) struct Kept {
    pub(super) symbol: Symbol,
    pub(super) side: Side,
    pub(super) quantity: Quantity,
    pub(super) quantity_left: Quantity,
    pub(super) kept_pct: String,
    pub(super) outcome: Outcome,
}

/// Where the guard first did something.
#[derive(Serialize)]
pub(super) struct FirstAct {
    pub(super) symbol: Symbol,
    pub(super) side: Side,
    /// Mark price when it took effect.
    pub(super) price: Price,
    pub(super) after_ms: i64,
}

/// A position that the exchange took.
#[derive(Clone, Serialize)]
pub(super) struct Taken {
    pub(super) symbol: Symbol,
    pub(super) side: Side,
    pub(super) price: Price,
    /// After the account was there.
    pub(super) after_ms: i64,
    pub(super) at_ms: i64,
}

impl Answer {
    pub(super) fn new(
        ready: &Ready,
        scenarios: Vec<Scenario>,
        planned: &Planned,
        args: &StressArgs,
    ) -> Self {
        let positions = &ready.present.account.positions;
        let asset = positions.first().map(|held| held.margin_asset.clone());
        let first = scenarios.first().map(|scenario| scenario.faults);
        let same = scenarios
            .iter()
            .all(|scenario| Some(scenario.faults) == first);
        Self {
            account: ready.origin.clone(),
            positions: positions.len(),
            asset: asset.unwrap_or_default(),
            limits: ready.limits,
            depth: args.depth,
            faults: first.filter(|_| same),
            delay_ms: delay_ms(args, ready),
            scenarios,
            notes: ready.notes.iter().chain(&planned.notes).cloned().collect(),
        }
    }
}

impl Scenario {
    pub(super) fn of(
        ready: &Ready,
        course: &Course,
        stressed: &Stressed,
        faults: FaultsArg,
    ) -> Self {
        let positions = &ready.present.account.positions;
        let (unprotected, guarded) = (&stressed.unprotected, &stressed.guarded);
        let symbols = ready.present.symbols();
        let followers = match course.common_of {
            Some(_) => course.followers(&symbols),
            None => Vec::new(),
        };
        let tape = |symbol: &Symbol| {
            let own = course.tapes.get(symbol).or(course.common_tape.as_ref())?;
            Some((symbol.clone(), own.clone()))
        };
        let mut scenario = Self {
            name: course.name.clone(),
            tapes: symbols.iter().filter_map(tape).collect(),
            follow: course.common_of.clone().filter(|_| !followers.is_empty()),
            followers,
            faults,
            worst_move: stressed
                .worst_move
                .as_ref()
                .map(|(symbol, share)| WorstMove {
                    symbol: symbol.clone(),
                    pct: percent(*share),
                }),
            minutes: stressed.end.since(stressed.start) / 60_000,
            unprotected: alone(unprotected, positions, stressed.start),
            guarded: Guarded {
                lost_more: money(lost(guarded) - lost(unprotected)),
                ..with_guard(guarded, positions, stressed.start)
            },
            sentence: String::new(),
        };
        scenario.sentence = words::sentence(&scenario, lost(guarded) - lost(unprotected));
        scenario
    }
}

fn alone(run: &Run, positions: &[Position], start: Timestamp) -> Unprotected {
    let nearest = |(key, away): &(PositionKey, Rate)| {
        Some(Nearest {
            symbol: key.symbol.clone(),
            side: side_of(key, positions)?,
            distance_pct: percent(away.get()),
        })
    };
    Unprotected {
        outcome: outcome(&run.legs),
        liquidated: taken(run, positions, start),
        lost: money(lost(run)),
        liquidation_fees: money(run.liquidation_fees),
        funding: money(run.funding),
        nearest: run.nearest.as_ref().and_then(nearest),
    }
}

fn with_guard(run: &Run, positions: &[Position], start: Timestamp) -> Guarded {
    let first = run.acts.first().and_then(|act| {
        Some(FirstAct {
            symbol: act.key.symbol.clone(),
            side: side_of(&act.key, positions)?,
            price: act.price,
            after_ms: act.at.since(start),
        })
    });
    let kept_of = |leg: &LegEnd| {
        Some(Kept {
            symbol: leg.key.symbol.clone(),
            side: side_of(&leg.key, positions)?,
            quantity: leg.start,
            quantity_left: leg.end,
            kept_pct: percent(leg.end.ratio(leg.start).map_or(Decimal::ZERO, Rate::get)),
            outcome: outcome(std::slice::from_ref(leg)),
        })
    };
    Guarded {
        outcome: outcome(&run.legs),
        liquidated: taken(run, positions, start),
        kept_pct: percent(kept(run, positions)),
        positions: run.legs.iter().filter_map(kept_of).collect(),
        new_money: money(run.added),
        cost: money(run.friction - run.liquidation_fees),
        liquidation_fees: money(run.liquidation_fees),
        funding: money(run.funding),
        actions: run.acts.len(),
        first_act: first,
        lost: money(lost(run)),
        lost_more: String::new(),
    }
}

fn outcome(legs: &[LegEnd]) -> Outcome {
    if legs.iter().any(|leg| leg.liquidated.is_some()) {
        Outcome::Liquidated
    } else if legs.iter().any(|leg| leg.end.is_positive()) {
        Outcome::Survives
    } else {
        Outcome::Closed
    }
}

fn side_of(key: &PositionKey, positions: &[Position]) -> Option<Side> {
    let held = positions.iter().find(|held| held.key == *key)?;
    Some(held.side)
}

fn taken(run: &Run, positions: &[Position], start: Timestamp) -> Vec<Taken> {
    let of = |leg: &LegEnd| {
        let (at, price) = leg.liquidated?;
        Some(Taken {
            symbol: leg.key.symbol.clone(),
            side: side_of(&leg.key, positions)?,
            price,
            after_ms: at.since(start),
            at_ms: at.as_millis(),
        })
    };
    let mut taken: Vec<Taken> = run.legs.iter().filter_map(of).collect();
    taken.sort_by_key(|taken| taken.after_ms);
    taken
}

/// Share of the positions still held, weighted by their present value.
fn kept(run: &Run, positions: &[Position]) -> Decimal {
    let (mut held, mut all) = (Money::ZERO, Money::ZERO);
    for leg in &run.legs {
        let mark = positions.iter().find(|held| held.key == leg.key);
        let mark = mark.map_or(Price::ZERO, |held| held.mark_price);
        let value = |quantity: Quantity| mark * quantity;
        held += value(leg.end);
        all += value(leg.start);
    }
    held.ratio(all).map_or(Decimal::ZERO, Rate::get)
}

fn lost(run: &Run) -> Money {
    run.equity.0 - run.equity.1
}

pub(super) fn money(amount: Money) -> String {
    format!("{:.2}", amount.round_display(PLACES))
}

/// Two decimals, and never a nothing where there is something.
fn percent(share: Decimal) -> String {
    let pct = Rate::of(share).as_pct();
    let short = pct.round_dp(PLACES);
    let shown = if short.is_zero() {
        pct.round_sf(1).unwrap_or(pct)
    } else {
        short
    };
    shown.normalize().to_string()
}
