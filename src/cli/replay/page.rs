//! The report as a page with pictures.

use std::path::Path;

use anyhow::Context;

use super::Answer;
use super::table::{self, span};
use crate::chart::{Figure, GroupedBars, Page, Section, Series, Table, Unit};
use crate::domain::HOUR_MS;
use crate::replay::Row;

const BPS: f64 = 10_000.0;

/// Writes the page; an existing file is replaced.
pub(super) fn write(path: &Path, answer: &Answer) -> anyhow::Result<()> {
    std::fs::write(path, page(answer).html())
        .with_context(|| format!("the report cannot be written to {}", path.display()))
}

fn page(answer: &Answer) -> Page {
    let said = &answer.settings;
    let partial = if answer.partial {
        format!(
            "PARTIAL: stopped after {} of {} episodes. ",
            answer.episodes, answer.episodes_all
        )
    } else {
        String::new()
    };
    let lead = format!(
        "{partial}{} positions were opened on recorded prices and left to each policy. Shares are means over the \
         positions that would have been liquidated without protection; docs/benchmark.md defines every figure.",
        answer.episodes
    );
    let lengths = answer.tapes.by_bar_ms.iter();
    let sections = lengths.flat_map(|(bar_ms, count)| {
        let rows: Vec<&Row> = answer
            .rows
            .iter()
            .filter(|row| row.bar_ms == *bar_ms)
            .collect();
        sections(&rows, &format!("{count} tapes of {} bars", span(*bar_ms)))
    });
    Page {
        title: "What would each policy have kept?".to_owned(),
        lead,
        sections: sections.collect(),
        footer: format!(
            "plimsoll {} replay. An entry every {} h, reserve {} % of the initial margin, {} ms from decision to effect, \
             fee {} bps, slippage {} bps and {} times the one-minute volatility.",
            env!("CARGO_PKG_VERSION"),
            hours(said.entry_every_ms),
            said.reserve_pct,
            said.delay_ms,
            bps(said.fee),
            bps(said.slippage),
            said.slippage_per_sigma,
        ),
    }
}

/// Whole hours, or with one decimal.
fn hours(ms: i64) -> String {
    let tenths = ms * 10 / HOUR_MS;
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        tenth => format!("{}.{tenth}", tenths / 10),
    }
}

fn bps(share: f64) -> String {
    #[allow(clippy::float_arithmetic, reason = "a setting of the benchmark, shown")]
    let bps = share * BPS;
    format!("{bps:.1}")
}

fn sections(rows: &[&Row], data: &str) -> Vec<Section> {
    let bars = |heading: &str, text: &str, unit: Unit, value: fn(&Row) -> Option<f64>| Section {
        heading: format!("{heading} ({data})"),
        text: text.to_owned(),
        figure: Some(Figure::Bars(grouped(heading, unit, rows, value))),
    };
    vec![
        bars(
            "Saved",
            "Share of the endangered positions that were not liquidated.",
            Unit::Percent,
            |row| row.figures.saved,
        ),
        bars(
            "Kept efficiency",
            "How much of the position was still there at the end, over the most that the money there was could have held.",
            Unit::Percent,
            |row| row.figures.kept_efficiency,
        ),
        bars(
            "Friction",
            "Fees, slippage and margin lost in liquidation, of the notional at entry.",
            Unit::BasisPoints,
            |row| {
                #[allow(clippy::float_arithmetic, reason = "the chart takes fractions")]
                row.figures.friction_bps.map(|bps| bps / BPS)
            },
        ),
        bars(
            "Needless acts in calm",
            "Acts per position and day on calm tapes, in positions that were never in danger.",
            Unit::Plain,
            |row| row.needless_per_day_calm,
        ),
        Section {
            heading: format!("All figures ({data})"),
            text: String::new(),
            figure: Some(Figure::Table(Table {
                caption: String::new(),
                header: table::COLUMNS.map(str::to_owned).to_vec(),
                rows: rows.iter().map(|row| table::cells(row).to_vec()).collect(),
            })),
        },
    ]
}

fn grouped(title: &str, unit: Unit, rows: &[&Row], value: fn(&Row) -> Option<f64>) -> GroupedBars {
    let mut leverages: Vec<u32> = rows.iter().map(|row| row.leverage).collect();
    leverages.sort_unstable();
    leverages.dedup();
    let mut policies: Vec<String> = Vec::new();
    for row in rows {
        let name = row.name();
        if !policies.contains(&name) {
            policies.push(name);
        }
    }
    let of = |policy: &str, leverage: u32| {
        let row = rows
            .iter()
            .find(|row| row.name() == policy && row.leverage == leverage);
        row.and_then(|row| value(row)).unwrap_or(f64::NAN)
    };
    GroupedBars {
        title: title.to_owned(),
        caption: "By leverage and policy.".to_owned(),
        unit,
        groups: leverages
            .iter()
            .map(|leverage| format!("{leverage}×"))
            .collect(),
        series: policies
            .iter()
            .map(|policy| Series {
                name: policy.clone(),
                values: leverages
                    .iter()
                    .map(|leverage| of(policy, *leverage))
                    .collect(),
            })
            .collect(),
        reference: None,
    }
}
