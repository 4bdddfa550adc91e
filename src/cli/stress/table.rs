//! The answer as text.

use super::answer::{Answer, Scenario};

/// Names of the columns.
pub(super) const COLUMNS: [&str; 9] = [
    "scenario",
    "worst move",
    "unprotected",
    "lost",
    "guarded",
    "kept",
    "new money",
    "cost",
    "acts",
];

pub(super) fn text(answer: &Answer) -> String {
    let mut out = head(answer);
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    rows.extend(answer.scenarios.iter().map(cells));
    let mut widths = [0; COLUMNS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    out.push('\n');
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, width))| match column {
                0 | 2 | 4 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out.push('\n');
    for scenario in &answer.scenarios {
        out.push_str(&format!("{}: {}\n", scenario.name, scenario.sentence));
        if let Some(follow) = followed(scenario) {
            out.push_str(&format!("  {follow}\n"));
        }
    }
    for note in &answer.notes {
        out.push_str(&format!("Note: {}.\n", note.trim_end_matches('.')));
    }
    out.push_str("Lost is equity at the end against now; a minus is a gain. Kept is the share of the positions still held.\n");
    out.push_str("A simulated exchange with a made-up book: the real one may treat you worse. Nothing was sent.");
    out
}

/// What is common to all scenarios.
pub(super) fn head(answer: &Answer) -> String {
    let positions = if answer.positions == 1 {
        "1 position".to_owned()
    } else {
        format!("{} positions", answer.positions)
    };
    let mut out = format!(
        "{positions} of {}, amounts in {}. The guard has {} and acts on its own.\nPlayed with {}, {}, {} ms from decision to effect.\n",
        answer.account,
        answer.asset,
        answer.limits,
        answer.depth.words(),
        answer.faults.words(),
        answer.delay_ms
    );
    for by in &answer.act_by {
        out.push_str(&format!(
            "The guard would act on {} {} at a mark of {}.\n",
            by.symbol, by.side, by.price
        ));
    }
    out
}

/// Who follows whose tape, where that is not their own.
pub(super) fn followed(scenario: &Scenario) -> Option<String> {
    let lead = scenario.follow.as_ref()?;
    let names: Vec<&str> = scenario
        .followers
        .iter()
        .map(crate::domain::Symbol::as_str)
        .collect();
    Some(format!(
        "There is no tape of {} at that date: the relative moves of {lead} stand in.",
        names.join(", ")
    ))
}

/// The figures of a row, worded.
pub(super) fn cells(scenario: &Scenario) -> [String; 9] {
    let fate = |liquidated: &[super::answer::Taken]| match liquidated.first() {
        None => "survives".to_owned(),
        Some(first) => format!("liquidated at {}", first.price),
    };
    let guarded = &scenario.guarded;
    [
        scenario.name.clone(),
        format!("{} %", scenario.worst_move.pct),
        fate(&scenario.unprotected.liquidated),
        scenario.unprotected.lost.clone(),
        fate(&guarded.liquidated),
        format!("{} %", guarded.kept_pct),
        guarded.new_money.clone(),
        guarded.cost.clone(),
        guarded.actions.to_string(),
    ]
}
