//! What is said of each scenario, in numbers and one sentence.

use rust_decimal::Decimal;
use serde::Serialize;

use super::super::worlds::{DepthArg, FaultsArg};
use super::courses::Planned;
use super::present::Ready;
use super::{StressArgs, span};
use crate::domain::{Money, Position, Price, Quantity, Rate, Side, Symbol, Timestamp};
use crate::guard::explain;
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
    pub(super) faults: FaultsArg,
    pub(super) delay_ms: i64,
    /// Where the guard would begin to act at the present prices.
    pub(super) act_by: Vec<ActBy>,
    pub(super) scenarios: Vec<Scenario>,
    pub(super) notes: Vec<String>,
}

/// A mark price at which a rescue would start.
#[derive(Clone, PartialEq, Serialize)]
pub(super) struct ActBy {
    pub(super) symbol: Symbol,
    pub(super) side: Side,
    pub(super) price: String,
}

/// One scenario.
#[derive(Serialize)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// Symbols that follow another one's tape, and whose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) followers: Vec<Symbol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) follow: Option<Symbol>,
    pub(super) worst_move: WorstMove,
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

/// What became of the account without protection.
#[derive(Serialize)]
pub(super) struct Unprotected {
    pub(super) liquidated: Vec<Taken>,
    /// Equity before less equity after; below zero for a gain.
    pub(super) lost: String,
}

/// What became of it under the guard.
#[derive(Serialize)]
pub(super) struct Guarded {
    pub(super) liquidated: Vec<Taken>,
    /// Share of the positions still held, weighted by present value, in percent.
    pub(super) kept_pct: String,
    pub(super) new_money: String,
    /// Fees and slippage.
    pub(super) cost: String,
    pub(super) actions: usize,
    pub(super) lost: String,
}

/// A position that the exchange took.
#[derive(Clone, Serialize)]
pub(super) struct Taken {
    pub(super) symbol: Symbol,
    pub(super) side: Side,
    pub(super) price: String,
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
        Self {
            account: ready.origin.clone(),
            positions: positions.len(),
            asset: asset.unwrap_or_default(),
            limits: ready.limits,
            depth: args.depth,
            faults: planned.faults,
            delay_ms: args.delay_ms,
            act_by: Vec::new(),
            scenarios,
            notes: ready.notes.iter().chain(&planned.notes).cloned().collect(),
        }
    }

    /// Adds where the guard would act, as the first scenario shows it.
    pub(super) fn with_act_by(mut self, ready: &Ready, played: &[Stressed]) -> Self {
        if let Some(first) = played.first() {
            let by = |held: &Position| {
                let price = first.guarded.act_prices.get(&held.key)?;
                Some(ActBy {
                    symbol: held.key.symbol.clone(),
                    side: held.side,
                    price: explain::price(*price),
                })
            };
            let positions = &ready.present.account.positions;
            self.act_by = positions.iter().filter_map(by).collect();
        }
        self
    }
}

impl Scenario {
    pub(super) fn of(ready: &Ready, course: &Course, stressed: &Stressed) -> Self {
        let positions = &ready.present.account.positions;
        let (unprotected, guarded) = (&stressed.unprotected, &stressed.guarded);
        let followers = if course.common_of.is_some() {
            course.followers(&ready.present.symbols())
        } else {
            Vec::new()
        };
        let mut scenario = Self {
            name: course.name.clone(),
            follow: course.common_of.clone().filter(|_| !followers.is_empty()),
            followers,
            worst_move: WorstMove {
                symbol: stressed.worst_move.0.clone(),
                pct: percent(stressed.worst_move.1),
            },
            minutes: stressed.end.since(stressed.start) / 60_000,
            unprotected: Unprotected {
                liquidated: taken(unprotected, positions, stressed.start),
                lost: money(lost(unprotected)),
            },
            guarded: Guarded {
                liquidated: taken(guarded, positions, stressed.start),
                kept_pct: percent(kept(guarded, positions)),
                new_money: money(guarded.added),
                cost: money(guarded.friction),
                actions: guarded.acts.len(),
                lost: money(lost(guarded)),
            },
            sentence: String::new(),
        };
        scenario.sentence = scenario.sentence();
        scenario
    }

    fn sentence(&self) -> String {
        let guarded = &self.guarded;
        let many = match guarded.actions {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let deeds = format!(
            "acts {many}, keeps {} % of the positions and spends {} on fees and slippage and {} as new margin",
            guarded.kept_pct, guarded.cost, guarded.new_money
        );
        let first = self.unprotected.liquidated.first();
        match (first, guarded.liquidated.first()) {
            (None, None) if guarded.actions == 0 => {
                "No position comes near its line; the guard does nothing.".to_owned()
            }
            (None, None) => format!("It survives without help; the guard {deeds}."),
            (Some(alone), None) => format!(
                "Unprotected, {} and {} is lost; the guard {deeds}, and {} is lost in all.",
                told(alone, self.unprotected.liquidated.len()),
                self.unprotected.lost,
                guarded.lost
            ),
            (Some(alone), Some(with)) => format!(
                "THE GUARD DOES NOT SAVE IT ALL: unprotected, {}; guarded, {}. The guard {deeds}.",
                told(alone, self.unprotected.liquidated.len()),
                told(with, guarded.liquidated.len())
            ),
            (None, Some(with)) => format!(
                "THE GUARD MAKES IT WORSE: unprotected it survives; guarded, {}. The guard {deeds}.",
                told(with, guarded.liquidated.len())
            ),
        }
    }
}

fn told(first: &Taken, all: usize) -> String {
    let more = match all - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!(
        "{} {}{more} is liquidated at {} after {}",
        first.symbol,
        first.side,
        first.price,
        span(first.after_ms)
    )
}

fn taken(run: &Run, positions: &[Position], start: Timestamp) -> Vec<Taken> {
    let of = |leg: &LegEnd| {
        let (at, price) = leg.liquidated?;
        let held = positions.iter().find(|held| held.key == leg.key)?;
        Some(Taken {
            symbol: leg.key.symbol.clone(),
            side: held.side,
            price: explain::price(price),
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

fn money(amount: Money) -> String {
    format!("{:.2}", amount.round_display(PLACES))
}

fn percent(share: Decimal) -> String {
    let pct = Rate::of(share).as_pct().round_dp(PLACES).normalize();
    pct.to_string()
}
