//! The report as a page with pictures.

use super::Answer;
use super::table::{self, span};
use crate::chart::{Figure, GroupedBars, Page, Section, Series, Table, Unit};
use crate::replay::Row;

const BPS: f64 = 10_000.0;

/// The whole page.
pub(super) fn of(answer: &Answer) -> Page {
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
    let lengths = answer.tapes.by_bar_ms.keys();
    let sections = lengths.flat_map(|bar_ms| {
        let rows: Vec<&Row> = answer
            .rows
            .iter()
            .filter(|row| row.bar_ms == *bar_ms)
            .collect();
        let count = answer.tapes.counted(*bar_ms);
        sections(&rows, &format!("{count} of {} bars", span(*bar_ms)))
    });
    Page {
        title: "What would each policy have kept?".to_owned(),
        lead,
        sections: sections.collect(),
        footer: format!(
            "plimsoll {} replay. Positions {}, an entry every {}, reserve {} % of the initial margin, {} ms from decision to effect, \
             fee {} bps, slippage {} bps and {} times the one-minute volatility.",
            env!("CARGO_PKG_VERSION"),
            table::sides(&said.sides),
            table::time(said.entry_every_ms),
            said.reserve_pct,
            said.delay_ms,
            bps(said.fee),
            bps(said.slippage),
            said.slippage_per_sigma,
        ),
    }
}

fn bps(share: f64) -> String {
    #[allow(clippy::float_arithmetic, reason = "a setting of the benchmark, shown")]
    let bps = share * BPS;
    format!("{bps:.1}")
}

/// A fraction, which charts take.
#[allow(clippy::float_arithmetic, reason = "a figure of the benchmark, drawn")]
pub(super) fn of_bps(bps: f64) -> f64 {
    bps / BPS
}

fn sections(rows: &[&Row], data: &str) -> Vec<Section> {
    let bars = |heading: &str, text: &str, unit: Unit, value: fn(&Row) -> Option<f64>| {
        let bars = rows
            .iter()
            .map(|row| (row.name(), row.leverage, value(row)))
            .collect();
        chart((heading, data, text), unit, bars)
    };
    let charts = [
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
            |row| row.figures.friction_bps.map(of_bps),
        ),
        bars(
            "Needless acts in calm",
            "Acts per position and day on calm tapes, in positions that were never in danger.",
            Unit::Plain,
            |row| row.needless_per_day_calm,
        ),
    ];
    let mut sections: Vec<Section> = charts.into_iter().flatten().collect();
    sections.push(Section {
        heading: format!("All figures ({data})"),
        text: String::new(),
        figure: Some(Figure::Table(Table {
            caption: String::new(),
            header: table::COLUMNS.map(str::to_owned).to_vec(),
            rows: rows.iter().map(|row| table::cells(row).to_vec()).collect(),
        })),
    });
    sections
}

/// Bars by policy and leverage under a heading; `None` where there is nothing to be drawn.
pub(super) fn chart(
    (heading, data, text): (&str, &str, &str),
    unit: Unit,
    bars: Vec<(String, u32, Option<f64>)>,
) -> Option<Section> {
    let drawn = bars.iter().any(|(_, _, value)| value.is_some());
    drawn.then(|| Section {
        heading: format!("{heading} ({data})"),
        text: text.to_owned(),
        figure: Some(Figure::Bars(grouped(heading, unit, &bars))),
    })
}

fn grouped(title: &str, unit: Unit, bars: &[(String, u32, Option<f64>)]) -> GroupedBars {
    let mut leverages: Vec<u32> = bars.iter().map(|(_, leverage, _)| *leverage).collect();
    leverages.sort_unstable();
    leverages.dedup();
    let mut policies: Vec<&str> = Vec::new();
    for (name, _, _) in bars {
        if !policies.contains(&name.as_str()) {
            policies.push(name);
        }
    }
    let of = |policy: &str, wanted: u32| {
        let mut bars = bars.iter();
        let bar = bars.find(|(name, leverage, _)| name == policy && *leverage == wanted);
        bar.and_then(|(_, _, value)| *value).unwrap_or(f64::NAN)
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
                name: (*policy).to_owned(),
                values: leverages
                    .iter()
                    .map(|leverage| of(policy, *leverage))
                    .collect(),
            })
            .collect(),
        reference: None,
    }
}
