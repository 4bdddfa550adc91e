//! The report as a page with pictures.

use super::table::{edge, percent, signed};
use super::{Answer, Split, span};
use crate::chart::{Bin, Figure, Page, Reliability, Scaling, Section, Table};
use crate::replay::calibration::{BucketRow, Gain, Group, HorizonRow, TOLERANCE};

/// Buckets that must hold: their edges, and how many forecasts they need to be judged.
const JUDGED: std::ops::Range<f64> = 0.01..0.5;
const JUDGED_COUNT_LEAST: u64 = 100;

const SCORES: [&str; 11] = [
    "Set",
    "Horizon",
    "Forecasts",
    "Touched",
    "Brier: model",
    "empirical",
    "Gaussian",
    "Log: model",
    "empirical",
    "Gaussian",
    "Better than both",
];
const GAINS: [&str; 6] = [
    "Set",
    "Horizon",
    "Brier, empirical",
    "Brier, Gaussian",
    "Log, empirical",
    "Log, Gaussian",
];
const MISSES: [&str; 7] = [
    "Set",
    "Horizon",
    "Forecast",
    "Count",
    "Mean forecast",
    "Touched",
    "95 % band",
];

/// The whole page.
pub(super) fn of(answer: &Answer) -> Page {
    let said = &answer.settings;
    let half = match said.split {
        Some(Split::Odd) => "Only the 1st, 3rd … event by date. ",
        Some(Split::Even) => "Only the 2nd, 4th … event by date. ",
        None => "",
    };
    let leverages = said.leverages.iter().map(|leverage| format!("{leverage}×"));
    let leverages: Vec<String> = leverages.collect();
    let lead = format!(
        "{half}Every {} after {} of tape the forecast was asked how likely the liquidation prices of {} positions, \
         long and short, were to be touched. Here is what it said and what happened. docs/calibration.md \
         defines every figure.",
        span(said.every_ms),
        span(said.warm_up_ms),
        leverages.join(", "),
    );
    let lengths = answer.groups.chunk_by(|a, b| a.bar_ms == b.bar_ms);
    Page {
        title: "How far can the touch forecast be believed?".to_owned(),
        lead,
        sections: lengths.flat_map(sections).collect(),
        footer: format!(
            "plimsoll {} calibrate, {} tapes. Bands: the middle 95 % of {} draws of whole events, seed {}. \
             Chances are clipped to {} for the log score alone.",
            env!("CARGO_PKG_VERSION"),
            answer.tapes.measured,
            said.draws,
            said.seed,
            said.log_clip,
        ),
    }
}

/// All sets of one bar length: verdict, scores, and a picture per set and horizon.
fn sections(groups: &[Group]) -> Vec<Section> {
    let Some(all) = groups.first() else {
        return Vec::new();
    };
    let data = measured(all);
    let mut out = vec![
        verdict(groups, &data),
        Section {
            heading: format!("Scores ({data})"),
            text: "Lower is better. The crash set is every tape that is not calm, rises included.".to_owned(),
            figure: Some(Figure::Table(scores(groups))),
        },
        Section {
            heading: format!("What the model gains over each ({data})"),
            text: "The other score less that of the model: above zero the model is better. In brackets the 95 % \
                   band over events."
                .to_owned(),
            figure: Some(Figure::Table(gains(groups))),
        },
    ];
    for group in groups {
        let pictures = group.horizons.iter().filter(|row| row.count > 0);
        let pictures = pictures.map(|row| picture(group, row));
        let first = out.len();
        out.extend(pictures);
        if let Some(section) = out.get_mut(first) {
            section.heading = format!("Reliability, {} ({})", set(group), measured(group));
            "Each point is a range of forecasts: what was said on average, and how often it came true. On the dashed \
             line both are the same. Where the 95 % band of a point reaches that line, an orange point may be chance."
                .clone_into(&mut section.text);
        }
    }
    out
}

fn rows(groups: &[Group]) -> impl Iterator<Item = (&Group, &HorizonRow)> {
    groups
        .iter()
        .flat_map(|group| group.horizons.iter().map(move |row| (group, row)))
        .filter(|(_, row)| row.count > 0)
}

/// Which of the buckets that must hold do not.
fn verdict(groups: &[Group], data: &str) -> Section {
    let mut judged = 0;
    let mut misses = Vec::new();
    for (group, row) in rows(groups) {
        for bucket in row.reliability.iter().filter(|bucket| is_judged(bucket)) {
            judged += 1;
            if !holds(bucket) {
                misses.push(miss(group, row, bucket));
            }
        }
    }
    let text = format!(
        "{} of {judged} buckets with forecasts from 1 % to 50 %, {JUDGED_COUNT_LEAST} or more of them, hold: the share \
         touched lies within a fifth of the mean forecast, or the mean forecast within the band.",
        judged - misses.len()
    );
    Section {
        heading: format!("Does it keep what it says? ({data})"),
        text,
        figure: (!misses.is_empty()).then(|| {
            Figure::Table(Table {
                caption: "Buckets that do not hold".to_owned(),
                header: MISSES.map(str::to_owned).to_vec(),
                rows: misses,
            })
        }),
    }
}

fn is_judged(bucket: &BucketRow) -> bool {
    bucket.from >= JUDGED.start && bucket.to <= JUDGED.end && bucket.count >= JUDGED_COUNT_LEAST
}

/// Within a fifth, or within the band; without a band only the fifth counts.
#[allow(clippy::float_arithmetic, reason = "shares of a report")]
fn holds(bucket: &BucketRow) -> bool {
    let Some((forecast, frequency)) = bucket.forecast.zip(bucket.frequency) else {
        return true;
    };
    let near = (frequency - forecast).abs() <= TOLERANCE * forecast;
    near || bucket
        .band
        .is_some_and(|[low, high]| (low..=high).contains(&forecast))
}

fn miss(group: &Group, row: &HorizonRow, bucket: &BucketRow) -> Vec<String> {
    let shown = |share: Option<f64>| share.map_or_else(|| "–".to_owned(), percent);
    let band = bucket.band.map_or_else(
        || "too few events".to_owned(),
        |[low, high]| format!("{} … {}", percent(low), percent(high)),
    );
    vec![
        group.set.to_owned(),
        span(row.horizon_ms),
        format!("{} – {}", edge(bucket.from), edge(bucket.to)),
        bucket.count.to_string(),
        shown(bucket.forecast),
        shown(bucket.frequency),
        band,
    ]
}

fn scores(groups: &[Group]) -> Table {
    let line = |(group, row): (&Group, &HorizonRow)| {
        let briers = row.scores.iter().map(|score| format!("{:.4}", score.brier));
        let logs = row.scores.iter().map(|score| format!("{:.4}", score.log));
        let beats = |gain: &Gain| gain.brier > 0.0 && gain.log > 0.0;
        let better = if row.gains.iter().all(beats) {
            "yes"
        } else {
            "no"
        };
        [
            group.set.to_owned(),
            span(row.horizon_ms),
            row.count.to_string(),
            row.touched.to_string(),
        ]
        .into_iter()
        .chain(briers)
        .chain(logs)
        .chain([better.to_owned()])
        .collect()
    };
    Table {
        caption: String::new(),
        header: SCORES.map(str::to_owned).to_vec(),
        rows: rows(groups).map(line).collect(),
    }
}

fn gains(groups: &[Group]) -> Table {
    let cell = |value: f64, band: Option<[f64; 2]>| match band {
        Some([low, high]) => format!("{} [{} {}]", signed(value), signed(low), signed(high)),
        None => signed(value),
    };
    let brier = |gain: &Gain| cell(gain.brier, gain.brier_band);
    let log = |gain: &Gain| cell(gain.log, gain.log_band);
    let line = |(group, row): (&Group, &HorizonRow)| {
        [group.set.to_owned(), span(row.horizon_ms)]
            .into_iter()
            .chain(row.gains.iter().map(brier))
            .chain(row.gains.iter().map(log))
            .collect()
    };
    Table {
        caption: String::new(),
        header: GAINS.map(str::to_owned).to_vec(),
        rows: rows(groups).map(line).collect(),
    }
}

fn measured(group: &Group) -> String {
    format!(
        "{} tapes of {} bars, {} events",
        group.tapes,
        span(group.bar_ms),
        group.events
    )
}

fn set(group: &Group) -> String {
    format!("{} tapes", group.set)
}

fn picture(group: &Group, row: &HorizonRow) -> Section {
    let bins = row.reliability.iter().filter_map(|bucket| {
        Some(Bin {
            predicted: bucket.forecast?,
            observed: bucket.frequency?,
            count: bucket.count,
            interval: bucket.band.map(|[low, high]| (low, high)),
        })
    });
    let set = set(group);
    Section {
        heading: String::new(),
        text: String::new(),
        figure: Some(Figure::Reliability(Reliability {
            title: format!("Within {}, {set}", span(row.horizon_ms)),
            caption: format!(
                "{} forecasts on {} tapes of {} events; {} bars.",
                row.count,
                group.tapes,
                group.events,
                span(group.bar_ms)
            ),
            scaling: Scaling::Log,
            band: TOLERANCE,
            bins: bins.collect(),
        })),
    }
}
