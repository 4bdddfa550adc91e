//! From bars to a mark price path: which stretch to play, and how price moves inside a bar.

use std::collections::VecDeque;

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Bar, LoadedTape, TapeError, span};
use crate::domain::{DAY_MS, HOUR_MS, Price, SECOND_MS, Side, Timestamp};
use crate::sim::Tape;

/// Most bars joined into one when bars are too short or too odd for the step.
const JOIN_BARS_MAX: i64 = 60;
/// Steps that a bar must hold so that its high, its low and its close each fall on one.
const BAR_STEPS_MIN: i64 = 3;
/// Decimals beyond the tape's own that the path between two recorded prices may have.
const EXTRA_DECIMALS: u32 = 2;
/// Most decimals of the path, unless the tape itself has more.
const DECIMALS_MAX: u32 = 8;

/// The stretch of a tape to play, and how finely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Where to begin; `None` begins `lead_ms` before the worst hour against the side.
    pub enter_at: Option<Timestamp>,
    /// Quiet time before the worst hour, in milliseconds, at least zero.
    pub lead_ms: i64,
    /// Length of the play in milliseconds, above zero; the tape's end cuts it.
    pub length_ms: i64,
    /// Milliseconds between marks, above zero.
    pub step_ms: i64,
}

impl Default for Window {
    /// Twelve hours before the worst hour, a day long, every five seconds.
    fn default() -> Self {
        Self {
            enter_at: None,
            lead_ms: 12 * HOUR_MS,
            length_ms: DAY_MS,
            step_ms: 5 * SECOND_MS,
        }
    }
}

impl LoadedTape {
    /// The mark price path of `window`, chosen as the worst for a position on `side`.
    ///
    /// Inside a falling bar (close below open) price goes open, high, low, close; inside any other
    /// open, low, high, close; on three straight legs of equal time. High, low and close each fall
    /// on a step exactly. Missing bars hold the close before them. Bars too short for three steps
    /// are joined first. Prices between recorded ones are rounded to two decimals more than the
    /// tape has, at most eight.
    ///
    /// # Errors
    /// [`TapeError::EnterOutside`], [`TapeError::Window`], [`TapeError::Step`] or, for a tape of
    /// less than one joined bar, [`TapeError::TooShort`].
    pub fn play(&self, side: Side, window: Window) -> Result<Tape, TapeError> {
        if window.length_ms <= 0 || window.step_ms <= 0 || window.lead_ms < 0 {
            return Err(TapeError::Window);
        }
        let grid = self.grid(window.step_ms)?;
        let wanted = match window.enter_at {
            Some(at) if at < self.start() || at >= grid.end => {
                return Err(TapeError::EnterOutside {
                    name: self.name.clone(),
                    at,
                    start: self.start(),
                    end: grid.end,
                });
            }
            Some(at) => at,
            None => self.worst_hour(side).plus_ms(-window.lead_ms),
        };
        let first = wanted.since(self.start()).max(0) / window.step_ms;
        let steps = window.length_ms / window.step_ms;
        let last = first.saturating_add(steps.max(1)).min(grid.steps);
        let start = self.start().plus_ms(first * window.step_ms);

        let mut notes = self.notes.clone();
        self.explain(&grid, wanted, &mut notes);
        Ok(Tape {
            name: self.name.clone(),
            symbol: self.symbol.clone(),
            start,
            step_ms: window.step_ms,
            marks: self.marks(&grid, first, last),
            notes,
        })
    }

    /// Start of the worst hour against `side`.
    ///
    /// For every bar the adverse move is measured from the most favourable price of the bars that
    /// began within the hour before it (for a long their highest high, and never less than the
    /// bar's own open) to the bar's own worst price (for a long its low), as a fraction of the
    /// former. The bar with the largest move, the first of equals, completes the worst hour; the
    /// instant returned is one hour before that bar's start, and may lie before the tape's start.
    #[must_use]
    pub fn worst_hour(&self, side: Side) -> Timestamp {
        let mut best: VecDeque<(Timestamp, Price)> = VecDeque::new();
        let mut worst = Decimal::NEGATIVE_ONE;
        let mut completed = self.start();
        for bar in &self.bars {
            let hour = bar.start.plus_ms(-HOUR_MS);
            while best.front().is_some_and(|(start, _)| *start < hour) {
                best.pop_front();
            }
            let earlier = best.front().map_or(bar.open, |(_, price)| *price);
            let (adverse, extreme) = match side {
                Side::Long => {
                    let from = earlier.max(bar.open);
                    (fraction(from - bar.low, from), bar.high)
                }
                Side::Short => {
                    let from = earlier.min(bar.open);
                    (fraction(bar.high - from, from), bar.low)
                }
            };
            if adverse > worst {
                worst = adverse;
                completed = bar.start;
            }
            while best.back().is_some_and(|(_, price)| match side {
                Side::Long => *price <= extreme,
                Side::Short => *price >= extreme,
            }) {
                best.pop_back();
            }
            best.push_back((bar.start, extreme));
        }
        completed.plus_ms(-HOUR_MS)
    }

    fn grid(&self, step_ms: i64) -> Result<Grid, TapeError> {
        let misfit = || TapeError::Step {
            name: self.name.clone(),
            step: span(step_ms),
            bar: span(self.bar_ms),
        };
        let unit_ms = (1..=JOIN_BARS_MAX)
            .map(|joined| self.bar_ms.saturating_mul(joined))
            .find(|unit| unit % step_ms == 0 && unit / step_ms >= BAR_STEPS_MIN)
            .ok_or_else(misfit)?;
        let units = self.end().since(self.start()) / unit_ms;
        if units == 0 {
            return Err(TapeError::TooShort {
                file: self.name.clone(),
            });
        }
        let unit_steps = unit_ms / step_ms;
        Ok(Grid {
            unit_ms,
            unit_steps,
            steps: units * unit_steps,
            end: self.start().plus_ms(units * unit_ms),
            decimals: self.decimals(),
        })
    }

    /// Decimals of the path.
    fn decimals(&self) -> u32 {
        let own = self
            .bars
            .iter()
            .flat_map(|bar| [bar.open, bar.high, bar.low, bar.close])
            .map(|price| price.get().normalize().scale())
            .max()
            .unwrap_or_default();
        own.max((own + EXTRA_DECIMALS).min(DECIMALS_MAX))
    }

    /// Marks at steps `first..=last`, counted from the tape's start.
    fn marks(&self, grid: &Grid, first: i64, last: i64) -> Vec<Price> {
        let mut marks = Vec::with_capacity(usize::try_from(last - first + 1).unwrap_or_default());
        let mut unit = first / grid.unit_steps;
        let mut step = first % grid.unit_steps;
        let mut bar = self.joined(grid, unit);
        for _ in first..=last {
            if step > grid.unit_steps {
                unit += 1;
                step = 1;
                bar = self.joined(grid, unit);
            }
            marks.push(along(&bar, step, grid));
            step += 1;
        }
        marks
    }

    /// The bars of one unit of the grid as a single bar; a unit without bars holds the last close.
    fn joined(&self, grid: &Grid, unit: i64) -> Bar {
        let start = self.start().plus_ms(unit * grid.unit_ms);
        let end = start.plus_ms(grid.unit_ms);
        let from = self.bars.partition_point(|bar| bar.start < start);
        let (before, rest) = self.bars.split_at(from);
        let held = before
            .last()
            .or(rest.first())
            .map_or(Price::ZERO, |bar| bar.close);
        let mut inside = rest.iter().take_while(|bar| bar.start < end);
        let whole = inside.next().map_or(
            Bar {
                start,
                open: held,
                high: held,
                low: held,
                close: held,
            },
            |first| *first,
        );
        inside.fold(whole, |whole, bar| Bar {
            high: whole.high.max(bar.high),
            low: whole.low.min(bar.low),
            close: bar.close,
            ..whole
        })
    }

    fn explain(&self, grid: &Grid, wanted: Timestamp, notes: &mut Vec<String>) {
        if grid.unit_ms != self.bar_ms {
            notes.push(format!(
                "bars of {} are joined to {} so that every high and low falls on a step",
                span(self.bar_ms),
                span(grid.unit_ms)
            ));
        }
        notes.push(format!(
            "the order of high and low inside a {} bar is assumed, not recorded",
            span(grid.unit_ms)
        ));
        if wanted < self.start() {
            notes.push(format!(
                "the tape begins only at {}, so the lead before its worst hour is {} shorter",
                self.start(),
                span(self.start().since(wanted))
            ));
        }
    }
}

/// How a tape is cut into steps.
struct Grid {
    /// One or more whole bars.
    unit_ms: i64,
    unit_steps: i64,
    /// Steps of all whole units.
    steps: i64,
    /// End of the last whole unit.
    end: Timestamp,
    decimals: u32,
}

/// Price after `step` of the bar's steps; 0 is the open.
fn along(bar: &Bar, step: i64, grid: &Grid) -> Price {
    let (second, third) = if bar.close < bar.open {
        (bar.high, bar.low)
    } else {
        (bar.low, bar.high)
    };
    let turn = grid.unit_steps / 3;
    let turn_back = grid.unit_steps * 2 / 3;
    let (from, to, done, of) = if step <= turn {
        (bar.open, second, step, turn)
    } else if step <= turn_back {
        (second, third, step - turn, turn_back - turn)
    } else {
        (
            third,
            bar.close,
            step - turn_back,
            grid.unit_steps - turn_back,
        )
    };
    if done == of {
        return to;
    }
    let way = (to - from)
        .get()
        .checked_mul(Decimal::from(done))
        .and_then(|way| way.checked_div(Decimal::from(of)))
        .unwrap_or_default();
    let price = from.get().saturating_add(way);
    Price::of(price.round_dp_with_strategy(grid.decimals, RoundingStrategy::MidpointAwayFromZero))
}

fn fraction(part: Price, whole: Price) -> Decimal {
    part.ratio(whole).map_or(Decimal::ZERO, |rate| rate.get())
}
