//! One tape: forecasts at regular times, each held against what followed.

use super::baseline::{Empirical, Gaussian};
use super::course::{Course, LogBar, grid, maintenance_rate};
use super::{CLIP, EDGES, Plan};
use crate::domain::{MINUTE_MS, Side, Timestamp};
use crate::forecast::{MinuteBars, Touch};
use crate::sim::tape::LoadedTape;

/// What one tape adds to the figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// The tape's name.
    pub name: String,
    /// The date its name begins with, or the whole name: tapes of one event are not independent.
    pub event: String,
    /// A control tape: its name says calm.
    pub calm: bool,
    /// Length of the recorded bars in milliseconds.
    pub bar_ms: i64,
    /// In the order of the plan's horizons.
    pub(super) horizons: Vec<Horizon>,
}

/// Sums of one horizon.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Horizon {
    /// In the order of the plan's barriers.
    pub(super) barriers: Vec<Sums>,
    /// By the model's forecast.
    pub(super) buckets: [Bucket; EDGES.len()],
}

/// Sums over forecasts; those in threes are in the order of [`super::Forecast::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) count: u64,
    pub(super) touched: u64,
    pub(super) forecast: [f64; 3],
    pub(super) brier: [f64; 3],
    pub(super) log: [f64; 3],
}

/// Sums over the model's forecasts of one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Bucket {
    pub(super) count: u64,
    pub(super) touched: u64,
    pub(super) forecast: f64,
}

impl Tally {
    /// Makes and judges all forecasts on one tape.
    #[must_use]
    pub fn of(tape: &LoadedTape, plan: &Plan) -> Self {
        let course = Course::of(tape);
        let mut judge = Judge::new(&course, maintenance_rate(&tape.symbol), plan);
        let mut sight = Sight::default();
        let first = course.start().saturating_add(plan.warm_up_ms);
        for at in grid(first, course.end(), plan.every_ms) {
            sight.advance(&course, at);
            judge.look(at, &sight);
        }
        Self {
            name: tape.name.clone(),
            event: event(&tape.name).to_owned(),
            calm: tape.name.contains("calm"),
            bar_ms: tape.bar_ms,
            horizons: judge.horizons,
        }
    }

    /// Forecasts made, over all horizons and barriers.
    #[must_use]
    pub fn count(&self) -> u64 {
        let of = |horizon: &Horizon| horizon.barriers.iter().map(|sums| sums.count).sum::<u64>();
        self.horizons.iter().map(of).sum()
    }
}

/// The date that begins a name such as `2025-10-10_BTCUSDT_1m`.
fn event(name: &str) -> &str {
    let date = name.split_once('_').map(|(date, _)| date);
    let is_date = |date: &&str| {
        date.len() == 10
            && date.char_indices().all(|(place, c)| match place {
                4 | 7 => c == '-',
                _ => c.is_ascii_digit(),
            })
    };
    date.filter(is_date).unwrap_or(name)
}

/// What is known at one instant.
#[derive(Default)]
struct Sight {
    /// Bars taken so far.
    taken: usize,
    bars: MinuteBars,
    gaussian: Gaussian,
    last: Option<i64>,
}

impl Sight {
    /// Takes the bars that are complete at `at`.
    fn advance(&mut self, course: &Course, at: i64) {
        let until = course.complete(at);
        for bar in course.bars.get(self.taken..until).unwrap_or_default() {
            self.take(bar, course.bar_ms);
        }
        self.taken = until;
        self.bars.settle(Timestamp::from_millis(at));
    }

    fn take(&mut self, bar: &LogBar, bar_ms: i64) {
        let start = Timestamp::from_millis(bar.start);
        self.bars.take(bar.range, start, bar_ms);
        let end = bar.start + bar_ms;
        let minutes = self.last.map_or(bar_ms, |last| end - last) as f64 / MINUTE_MS as f64;
        self.gaussian.take(bar.close, minutes);
        self.last = Some(end);
    }
}

/// Asks all forecasts and looks up what followed.
struct Judge<'a> {
    course: &'a Course,
    horizons_ms: &'a [i64],
    /// Side and distance of each barrier, with its place in the plan.
    places: Vec<usize>,
    asked: Vec<(Side, f64)>,
    empirical: Vec<Empirical>,
    horizons: Vec<Horizon>,
}

impl<'a> Judge<'a> {
    fn new(course: &'a Course, rate: f64, plan: &'a Plan) -> Self {
        let barriers = plan.barriers();
        let known = barriers.iter().enumerate().filter_map(|(place, barrier)| {
            let distance = barrier.distance(rate)?;
            Some((place, (barrier.side, distance)))
        });
        let (places, asked) = known.unzip();
        let empty = Horizon {
            barriers: vec![Sums::default(); barriers.len()],
            ..Horizon::default()
        };
        let empirical = |horizon: &i64| Empirical::of(course, *horizon);
        Self {
            course,
            horizons_ms: &plan.horizons_ms,
            places,
            asked,
            empirical: plan.horizons_ms.iter().map(empirical).collect(),
            horizons: vec![empty; plan.horizons_ms.len()],
        }
    }

    fn look(&mut self, at: i64, sight: &Sight) {
        let Some(touch) = sight.bars.sigmas().map(Touch::of) else {
            return;
        };
        let horizons = self.horizons_ms.iter().zip(&self.empirical);
        for ((horizon_ms, empirical), sums) in horizons.zip(&mut self.horizons) {
            let Some(reach) = self.course.reach(at, *horizon_ms) else {
                continue;
            };
            let minutes = *horizon_ms as f64 / MINUTE_MS as f64;
            let counted = empirical.chances(at, &self.asked);
            for ((place, (side, distance)), counted) in
                self.places.iter().zip(&self.asked).zip(counted)
            {
                let chances = [
                    touch.chance(*distance, *horizon_ms),
                    counted,
                    sight.gaussian.chance(*distance, minutes),
                ];
                sums.take(*place, chances, reach.touches(*side, *distance));
            }
        }
    }
}

impl Horizon {
    fn take(&mut self, barrier: usize, chances: [f64; 3], touched: bool) {
        if let Some(sums) = self.barriers.get_mut(barrier) {
            sums.take(chances, touched);
        }
        let [model, ..] = chances;
        let place = EDGES.iter().take_while(|edge| model >= **edge).count();
        // A forecast of one belongs to the last bucket.
        if let Some(bucket) = self.buckets.get_mut(place.min(EDGES.len() - 1)) {
            bucket.count += 1;
            bucket.touched += u64::from(touched);
            bucket.forecast += model;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.barriers.resize(
            other.barriers.len().max(self.barriers.len()),
            Sums::default(),
        );
        for (own, other) in self.barriers.iter_mut().zip(&other.barriers) {
            own.add(other);
        }
        for (own, other) in self.buckets.iter_mut().zip(&other.buckets) {
            own.count += other.count;
            own.touched += other.touched;
            own.forecast += other.forecast;
        }
    }

    /// All barriers together.
    pub(super) fn pooled(&self) -> Sums {
        let mut pooled = Sums::default();
        for sums in &self.barriers {
            pooled.add(sums);
        }
        pooled
    }
}

impl Sums {
    fn take(&mut self, chances: [f64; 3], touched: bool) {
        self.count += 1;
        self.touched += u64::from(touched);
        let outcome = if touched { 1.0 } else { 0.0 };
        let scores = self.forecast.iter_mut().zip(&mut self.brier);
        for (((forecast, brier), log), chance) in scores.zip(&mut self.log).zip(chances) {
            let clipped = chance.clamp(CLIP, 1.0 - CLIP);
            *forecast += chance;
            *brier += (chance - outcome).powi(2);
            *log -= if touched {
                clipped.ln()
            } else {
                (1.0 - clipped).ln()
            };
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.touched += other.touched;
        let add = |own: &mut [f64; 3], other: &[f64; 3]| {
            for (own, other) in own.iter_mut().zip(other) {
                *own += other;
            }
        };
        add(&mut self.forecast, &other.forecast);
        add(&mut self.brier, &other.brier);
        add(&mut self.log, &other.log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_the_date_before_the_name() {
        assert_eq!(event("2025-10-10_BTCUSDT_1m"), "2025-10-10");
        for whole in ["BTCUSDT_1m", "2025-10-1x_BTCUSDT", "20251010ab_X", "btc"] {
            assert_eq!(event(whole), whole);
        }
    }

    #[test]
    fn scores_are_those_of_the_definitions() {
        let mut sums = Sums::default();
        sums.take([0.8, 0.0, 1.0], true);
        sums.take([0.4, 0.0, 1.0], false);
        assert_eq!((sums.count, sums.touched), (2, 1));
        assert!((sums.brier[0] - (0.04 + 0.16)).abs() < 1e-12);
        assert!((sums.log[0] + 0.8_f64.ln() + 0.6_f64.ln()).abs() < 1e-12);
        assert!((sums.brier[1] - 1.0).abs() < 1e-12);
        let clipped = -(CLIP.ln() + (1.0 - CLIP).ln());
        assert!((sums.log[1] - clipped).abs() < 1e-9);
        assert!((sums.log[2] - clipped).abs() < 1e-9);
    }

    #[test]
    fn a_forecast_on_an_edge_belongs_to_the_bucket_above_it() {
        let mut horizon = Horizon::default();
        for chance in [0.0, 0.000_99, 0.001, 0.02, 0.5, 1.0] {
            horizon.take(0, [chance, 0.0, 0.0], true);
        }
        let counts = horizon.buckets.map(|bucket| bucket.count);
        assert_eq!(counts, [2, 1, 0, 1, 0, 0, 0, 0, 2]);
    }
}
