//! The answer as a page with pictures.

use std::path::Path;

use anyhow::Context;
use rust_decimal::prelude::ToPrimitive;

use super::answer::{Answer, Scenario};
use super::courses::Planned;
use super::table::{self, COLUMNS};
use crate::chart::{Figure, Mark, MarkKind, Page, PriceChart, Sample, Section, Table};
use crate::domain::PositionKey;
use crate::replay::world::{Act, Deed, Run, Stressed};

/// Writes the page; an existing file is replaced.
pub(super) fn write(
    path: &Path,
    answer: &Answer,
    planned: &Planned,
    played: &[Stressed],
) -> anyhow::Result<()> {
    let mut sections = vec![Section {
        heading: "All scenarios".to_owned(),
        text: String::new(),
        figure: Some(Figure::Table(Table {
            caption: String::new(),
            header: COLUMNS.map(str::to_owned).to_vec(),
            rows: answer
                .scenarios
                .iter()
                .map(|scenario| table::cells(scenario).to_vec())
                .collect(),
        })),
    }];
    let scenarios = answer.scenarios.iter().zip(played).zip(&planned.courses);
    for ((scenario, stressed), course) in scenarios {
        sections.extend(pictures(scenario, stressed, &course.name));
    }
    let page = Page {
        title: "What would become of your positions?".to_owned(),
        lead: format!("{}\n\n{}", table::head(answer), answer.notes.join(". ")),
        sections,
        footer: format!(
            "plimsoll {} stress. A simulated exchange with a made-up book: the real one may treat you worse.",
            env!("CARGO_PKG_VERSION")
        ),
    };
    std::fs::write(path, page.html())
        .with_context(|| format!("the report cannot be written to {}", path.display()))
}

/// One picture per position; the sentence stands above the first.
fn pictures(scenario: &Scenario, stressed: &Stressed, name: &str) -> Vec<Section> {
    let run = &stressed.guarded;
    let mut sections = Vec::new();
    for (index, leg) in run.legs.iter().enumerate() {
        let text = if index == 0 {
            let follow = table::followed(scenario).unwrap_or_default();
            format!("{}\n\n{follow}", scenario.sentence)
        } else {
            String::new()
        };
        sections.push(Section {
            heading: format!("{name}: {}", leg.key),
            text,
            figure: Some(Figure::Price(chart(run, &stressed.unprotected, &leg.key))),
        });
    }
    sections
}

fn chart(run: &Run, alone: &Run, key: &PositionKey) -> PriceChart {
    let looks = || run.course.iter().filter(|look| look.key == *key);
    // The unprotected course goes on where the guard has closed all.
    let longest = if alone.course.len() > run.course.len() {
        alone
    } else {
        run
    };
    let line = |price: Option<crate::domain::Price>, at| match price {
        Some(price) => Sample::price(at, price),
        None => Sample::end(at),
    };
    PriceChart {
        title: format!("{key} under the guard"),
        caption: "Mark price, liquidation price, and where the guard means to act.".to_owned(),
        unit: String::new(),
        price: longest
            .course
            .iter()
            .filter(|look| look.key == *key)
            .map(|look| Sample::price(look.at, look.mark))
            .collect(),
        liquidation: looks()
            .map(|look| line(look.liquidation, look.at))
            .collect(),
        act: looks().map(|look| line(look.act, look.at)).collect(),
        marks: marks(run, key),
    }
}

fn marks(run: &Run, key: &PositionKey) -> Vec<Mark> {
    let of = |act: &Act| Mark {
        at: act.at,
        kind: match act.deed {
            Deed::Trim(_) => MarkKind::Trim,
            Deed::AddMargin(_) if act.recycled => MarkKind::Recycle,
            Deed::AddMargin(_) => MarkKind::Add,
        },
        price: act.price.get().to_f64(),
        label: String::new(),
    };
    let acts = run.acts.iter().filter(|act| act.key == *key);
    let mut marks: Vec<Mark> = acts.map(of).collect();
    let leg = run.legs.iter().find(|leg| leg.key == *key);
    if let Some((at, price)) = leg.and_then(|leg| leg.liquidated) {
        marks.push(Mark {
            at,
            kind: MarkKind::Liquidation,
            price: price.get().to_f64(),
            label: "liquidated".to_owned(),
        });
    }
    marks
}
