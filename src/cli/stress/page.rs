//! The answer as a page with pictures.

use rust_decimal::prelude::ToPrimitive;

use super::answer::{Answer, Scenario};
use super::courses::Planned;
use super::table;
use crate::chart::{Figure, Mark, MarkKind, Page, PriceChart, Sample, Section, Table};
use crate::domain::{PositionKey, Symbol};
use crate::replay::world::{Act, Deed, Run, Stressed};

/// The columns, without two of one name.
const HEADER: [&str; 10] = [
    "scenario",
    "worst move against you",
    "unprotected",
    "lost unprotected",
    "guarded",
    "lost guarded",
    "kept",
    "new money",
    "cost",
    "acts",
];

/// The whole page.
pub(super) fn of(answer: &Answer, planned: &Planned, played: &[Stressed]) -> Page {
    let mut sections = vec![Section {
        heading: "All scenarios".to_owned(),
        text: table::LEGEND.to_owned(),
        figure: Some(Figure::Table(Table {
            caption: String::new(),
            header: HEADER.map(str::to_owned).to_vec(),
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
    Page {
        title: "What would become of your positions?".to_owned(),
        lead: format!("{}\n\n{}", table::head(answer), answer.notes.join(". ")),
        sections,
        footer: format!(
            "plimsoll {} stress. A simulated exchange with a made-up book: the real one may treat you worse.",
            env!("CARGO_PKG_VERSION")
        ),
    }
}

/// One picture per position; the sentence stands above the first.
fn pictures(scenario: &Scenario, stressed: &Stressed, name: &str) -> Vec<Section> {
    let run = &stressed.guarded;
    let mut sections = Vec::new();
    for (index, leg) in run.legs.iter().enumerate() {
        let text = if index == 0 {
            format!(
                "{}\n\n{}",
                scenario.sentence,
                table::beside(scenario).join("\n\n")
            )
        } else {
            String::new()
        };
        let stands_in = scenario.follow.as_ref().filter(|_| {
            let mut followers = scenario.followers.iter();
            followers.any(|symbol| *symbol == leg.key.symbol)
        });
        sections.push(Section {
            heading: format!("{name}: {}", leg.key),
            text,
            figure: Some(Figure::Price(PriceChart {
                caption: caption(stands_in),
                ..chart(run, &stressed.unprotected, &leg.key)
            })),
        });
    }
    sections
}

fn caption(stands_in: Option<&Symbol>) -> String {
    let lines = "Mark price, liquidation price, and where the guard means to act.";
    match stands_in {
        Some(lead) => format!("{lines} Without a tape of its own it moves as {lead} did."),
        None => lines.to_owned(),
    }
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
        caption: String::new(),
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
        marks: marks(run, alone, key),
    }
}

fn marks(run: &Run, alone: &Run, key: &PositionKey) -> Vec<Mark> {
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
    for (run, kind, label) in [
        (alone, MarkKind::Unprotected, "liquidated unguarded"),
        (run, MarkKind::Liquidation, "liquidated"),
    ] {
        let leg = run.legs.iter().find(|leg| leg.key == *key);
        if let Some((at, price)) = leg.and_then(|leg| leg.liquidated) {
            marks.push(Mark {
                at,
                kind,
                price: price.get().to_f64(),
                label: label.to_owned(),
            });
        }
    }
    marks
}
