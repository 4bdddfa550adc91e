//! Scores and reliability over many tapes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::resample::{band, draws};
use super::tally::{Bucket, Horizon, Sums, Tally};
use super::{EDGES, Forecast, Plan, TOLERANCE};
use crate::domain::Side;

/// Events with a touch, and with none, that a bucket needs for a band.
const BAND_EVENTS_LEAST: usize = 3;

/// Tapes of one bar length: all of them, or the calm or the other ones alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// Length of the recorded bars in milliseconds.
    pub bar_ms: i64,
    /// `all`, `calm` or `crash` (whatever is not calm, rises included).
    pub set: &'static str,
    pub tapes: usize,
    pub events: usize,
    pub horizons: Vec<HorizonRow>,
}

/// One horizon.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HorizonRow {
    pub horizon_ms: i64,
    /// Forecasts, over all times and barriers.
    pub count: u64,
    pub touched: u64,
    /// Model, empirical, Gaussian.
    pub scores: Vec<Score>,
    /// What the model gains on each of the others.
    pub gains: Vec<Gain>,
    pub reliability: Vec<BucketRow>,
    pub barriers: Vec<BarrierRow>,
}

/// Mean scores of one forecast; less is better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    pub forecast: &'static str,
    /// Mean forecast.
    pub mean: f64,
    pub brier: f64,
    pub log: f64,
}

/// Score of a simpler forecast less that of the model, with 95 % bands over events: above zero the
/// model is better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gain {
    pub over: &'static str,
    pub brier: f64,
    pub brier_band: Option<[f64; 2]>,
    pub log: f64,
    pub log_band: Option<[f64; 2]>,
}

/// The model's forecasts from `from` to below `to`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BucketRow {
    pub from: f64,
    pub to: f64,
    pub count: u64,
    pub touched: u64,
    /// Mean forecast; `None` in an empty bucket, and so below.
    pub forecast: Option<f64>,
    /// Share touched.
    pub frequency: Option<f64>,
    /// 95 % band of the frequency over events; `None` where fewer than three events have a touch, or
    /// fewer than three a forecast without: drawing those anew says nothing about the next one.
    pub band: Option<[f64; 2]>,
    /// Forecast and frequency differ by more than a fifth, and the forecast lies outside the band.
    pub flagged: bool,
}

/// All forecasts for one barrier.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BarrierRow {
    pub side: Side,
    pub leverage: u32,
    pub count: u64,
    pub frequency: f64,
    pub scores: Vec<Score>,
}

/// Sums `tallies` up by bar length and set; the order is theirs, so that the same tapes give the same
/// figures to the bit.
#[must_use]
pub fn report(tallies: &[Tally], plan: &Plan) -> Vec<Group> {
    let mut lengths: Vec<i64> = tallies.iter().map(|tally| tally.bar_ms).collect();
    lengths.sort_unstable();
    lengths.dedup();
    // Name, and whether calm tapes belong to it alone, or none of them; `None`: all.
    let sets = [("all", None), ("crash", Some(false)), ("calm", Some(true))];
    let mut groups = Vec::new();
    for bar_ms in lengths {
        for (set, calm) in sets {
            let inside = |tally: &&Tally| {
                tally.bar_ms == bar_ms && calm.is_none_or(|calm| tally.calm == calm)
            };
            let inside: Vec<&Tally> = tallies.iter().filter(inside).collect();
            if !inside.is_empty() {
                groups.push(group(bar_ms, set, &inside, plan));
            }
        }
    }
    groups
}

fn group(bar_ms: i64, set: &'static str, tallies: &[&Tally], plan: &Plan) -> Group {
    let mut events: BTreeMap<&str, Vec<Horizon>> = BTreeMap::new();
    for tally in tallies {
        let sums = events.entry(&tally.event).or_default();
        sums.resize(tally.horizons.len(), Horizon::default());
        for (own, other) in sums.iter_mut().zip(&tally.horizons) {
            own.add(other);
        }
    }
    let draws = draws(events.len());
    let row = |(place, horizon_ms): (usize, &i64)| {
        let by_event: Vec<&Horizon> = events.values().filter_map(|sums| sums.get(place)).collect();
        row(*horizon_ms, &by_event, &draws, plan)
    };
    Group {
        bar_ms,
        set,
        tapes: tallies.len(),
        events: events.len(),
        horizons: plan.horizons_ms.iter().enumerate().map(row).collect(),
    }
}

fn row(horizon_ms: i64, events: &[&Horizon], draws: &[Vec<usize>], plan: &Plan) -> HorizonRow {
    let mut all = Horizon::default();
    for event in events {
        all.add(event);
    }
    let pooled: Vec<Sums> = events.iter().map(|event| event.pooled()).collect();
    let sums = all.pooled();
    let buckets = all.buckets.iter().enumerate().map(|(place, bucket)| {
        let by_event: Vec<Bucket> = events
            .iter()
            .filter_map(|event| event.buckets.get(place).copied())
            .collect();
        bucket_row(place, bucket, &by_event, draws)
    });
    let plans = plan.barriers();
    let barriers = all.barriers.iter().zip(plans);
    let barriers = barriers.filter(|(sums, _)| sums.count > 0);
    HorizonRow {
        horizon_ms,
        count: sums.count,
        touched: sums.touched,
        scores: scores(&sums),
        gains: gains(&sums, &pooled, draws),
        reliability: buckets.collect(),
        barriers: barriers
            .map(|(sums, barrier)| BarrierRow {
                side: barrier.side,
                leverage: barrier.leverage,
                count: sums.count,
                frequency: share(sums.touched, sums.count).unwrap_or(0.0),
                scores: scores(sums),
            })
            .collect(),
    }
}

/// Empty without forecasts.
fn scores(sums: &Sums) -> Vec<Score> {
    if sums.count == 0 {
        return Vec::new();
    }
    let count = sums.count as f64;
    let values = sums.forecast.iter().zip(&sums.brier).zip(&sums.log);
    let score = |(forecast, ((mean, brier), log)): (Forecast, ((&f64, &f64), &f64))| Score {
        forecast: forecast.name(),
        mean: mean / count,
        brier: brier / count,
        log: log / count,
    };
    Forecast::ALL.into_iter().zip(values).map(score).collect()
}

fn gains(sums: &Sums, events: &[Sums], draws: &[Vec<usize>]) -> Vec<Gain> {
    type Pick = fn(&Sums) -> &[f64; 3];
    let gain = |sums: &Sums, pick: Pick, other: usize| {
        let [model, ..] = pick(sums);
        let other = pick(sums).get(other)?;
        (sums.count > 0).then(|| (other - model) / sums.count as f64)
    };
    let banded = |pick: Pick, other: usize| {
        band(draws, |draw| {
            let mut drawn = Sums::default();
            for event in draw.iter().filter_map(|index| events.get(*index)) {
                drawn.add(event);
            }
            gain(&drawn, pick, other)
        })
    };
    let (brier, log): (Pick, Pick) = (|sums| &sums.brier, |sums| &sums.log);
    let others = Forecast::ALL.into_iter().enumerate().skip(1);
    others
        .filter_map(|(place, forecast)| {
            Some(Gain {
                over: forecast.name(),
                brier: gain(sums, brier, place)?,
                brier_band: banded(brier, place),
                log: gain(sums, log, place)?,
                log_band: banded(log, place),
            })
        })
        .collect()
}

fn bucket_row(place: usize, bucket: &Bucket, events: &[Bucket], draws: &[Vec<usize>]) -> BucketRow {
    let edge = |place: Option<usize>| place.and_then(|place| EDGES.get(place)).copied();
    let count = bucket.count as f64;
    let forecast = (bucket.count > 0).then(|| bucket.forecast / count);
    let frequency = share(bucket.touched, bucket.count);
    let touching = events.iter().filter(|event| event.touched > 0).count();
    let sparing = events
        .iter()
        .filter(|event| event.touched < event.count)
        .count();
    let draws = if touching.min(sparing) < BAND_EVENTS_LEAST {
        &[]
    } else {
        draws
    };
    let band = band(draws, |draw| {
        let drawn = draw.iter().filter_map(|index| events.get(*index));
        let (touched, count) = drawn.fold((0, 0), |(touched, count), event| {
            (touched + event.touched, count + event.count)
        });
        share(touched, count)
    });
    let is_off = |forecast: f64, frequency: f64| {
        (frequency - forecast).abs() > TOLERANCE * forecast
            && band.is_some_and(|[low, high]| forecast < low || forecast > high)
    };
    BucketRow {
        from: edge(place.checked_sub(1)).unwrap_or(0.0),
        to: edge(Some(place)).unwrap_or(1.0),
        count: bucket.count,
        touched: bucket.touched,
        forecast,
        frequency,
        band,
        flagged: forecast
            .zip(frequency)
            .is_some_and(|(forecast, frequency)| is_off(forecast, frequency)),
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(count: u64, touched: u64, forecast: f64) -> Bucket {
        Bucket {
            count,
            touched,
            forecast: forecast * count as f64,
        }
    }

    /// Thirty events of a hundred forecasts, each with about the same frequency.
    fn flagged(forecast: f64, touched: u64) -> bool {
        let events: Vec<Bucket> = (0..30)
            .map(|event| bucket(100, touched + event % 2, forecast))
            .collect();
        let mut all = Bucket::default();
        for event in &events {
            all.count += event.count;
            all.touched += event.touched;
            all.forecast += event.forecast;
        }
        bucket_row(4, &all, &events, &draws(events.len())).flagged
    }

    #[test]
    fn a_bucket_is_flagged_only_when_it_is_off_by_a_fifth_and_beyond_chance() {
        assert!(!flagged(0.055, 5), "as forecast");
        assert!(!flagged(0.05, 5), "off by a tenth");
        assert!(flagged(0.055, 8), "touched half as often again");
        assert!(flagged(0.055, 3), "touched far less often");
        let lone = [bucket(100, 50, 0.05)];
        let row = bucket_row(4, &lone[0], &lone, &draws(1));
        assert!(
            !row.flagged && row.band.is_none(),
            "one event proves nothing"
        );
        // Five events that differ as much as can be: the band holds much.
        let touched = [0, 0, 50, 50, 50];
        let five = touched.map(|touched| bucket(100, touched, 0.2));
        let row = bucket_row(5, &bucket(500, 150, 0.2), &five, &draws(5));
        assert!(!row.flagged, "{row:?}");
        assert!(row.band.is_some_and(|[low, high]| low < 0.2 && high > 0.45));
        // Two events with touches are too few for a band.
        let row = bucket_row(5, &bucket(400, 100, 0.2), &five[..4], &draws(4));
        assert_eq!(row.band, None);
    }

    #[test]
    fn an_empty_bucket_has_edges_and_nothing_else() {
        let row = bucket_row(0, &Bucket::default(), &[], &[]);
        assert_eq!((row.from, row.to), (0.0, 0.001));
        assert_eq!(
            (row.forecast, row.frequency, row.flagged),
            (None, None, false)
        );
        let row = bucket_row(8, &Bucket::default(), &[], &[]);
        assert_eq!((row.from, row.to), (0.5, 1.0));
    }
}
