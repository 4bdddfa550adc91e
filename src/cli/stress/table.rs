//! The answer as text.

use super::answer::{Answer, Outcome, Scenario};
use super::words::fate;

/// Names of the columns.
pub(super) const COLUMNS: [&str; 10] = [
    "scenario",
    "against you",
    "unprotected",
    "lost",
    "guarded",
    "lost",
    "kept",
    "new money",
    "cost",
    "acts",
];

/// What the columns mean.
pub(super) const LEGEND: &str = "Lost is equity at the end against now, whatever became of the positions; a minus is a gain. Kept is the share of the positions still held: 0 % is closed or liquidated. Cost is fees and slippage of trims.";

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
        for line in beside(scenario) {
            out.push_str(&format!("  {line}\n"));
        }
    }
    for note in &answer.notes {
        out.push_str(&format!("Note: {}.\n", note.trim_end_matches('.')));
    }
    out.push_str(LEGEND);
    out.push_str("\nA simulated exchange with a made-up book: the real one may treat you worse. Nothing was sent.");
    out
}

/// What is common to all scenarios.
pub(super) fn head(answer: &Answer) -> String {
    let positions = if answer.positions == 1 {
        "1 position".to_owned()
    } else {
        format!("{} positions", answer.positions)
    };
    let faults = match (answer.faults, answer.scenarios.last()) {
        (Some(faults), _) => faults.words().to_owned(),
        (None, Some(last)) => format!("no faults in shocks and {} on tapes", last.faults.words()),
        (None, None) => String::new(),
    };
    format!(
        "{positions} of {}, amounts in {}. The guard has {} and acts on its own.\nPlayed with {}, {faults}, {} ms from decision to effect.\n",
        answer.account,
        answer.asset,
        answer.limits,
        answer.depth.words(),
        answer.delay_ms
    )
}

/// What a reader needs beside the sentence: what is kept of each position, fees of liquidations,
/// funding, whose tape was followed.
pub(super) fn beside(scenario: &Scenario) -> Vec<String> {
    let (alone, guarded) = (&scenario.unprotected, &scenario.guarded);
    let mut lines = Vec::new();
    if guarded.positions.len() > 1 && (guarded.actions > 0 || !guarded.liquidated.is_empty()) {
        let kept: Vec<String> = guarded
            .positions
            .iter()
            .map(|kept| {
                let why = match kept.outcome {
                    Outcome::Survives => "",
                    Outcome::Closed => " (closed)",
                    Outcome::Liquidated => " (liquidated)",
                };
                format!("{} {} {} %{why}", kept.symbol, kept.side, kept.kept_pct)
            })
            .collect();
        lines.push(format!("Kept with the guard: {}.", kept.join(", ")));
    }
    let both = |what: &str, alone: &str, guarded: &str| {
        format!("{what}: {alone} unprotected, {guarded} with the guard.")
    };
    let is_nothing = |amount: &str| amount.trim_matches(['0', '.', '-']).is_empty();
    if !is_nothing(&alone.liquidation_fees) || !is_nothing(&guarded.liquidation_fees) {
        lines.push(both(
            "Fees of liquidations, within what is lost",
            &alone.liquidation_fees,
            &guarded.liquidation_fees,
        ));
    }
    if !is_nothing(&alone.funding) || !is_nothing(&guarded.funding) {
        lines.push(both(
            "Funding at 0.01 % every eight hours, within what is lost",
            &alone.funding,
            &guarded.funding,
        ));
    }
    lines.extend(followed(scenario));
    lines
}

/// Which tape each symbol followed, and who followed another's.
pub(super) fn followed(scenario: &Scenario) -> Vec<String> {
    if scenario.tapes.is_empty() {
        return Vec::new();
    }
    let each: Vec<String> = scenario
        .tapes
        .iter()
        .map(|(symbol, tape)| format!("{symbol} follows {tape}"))
        .collect();
    let mut lines = vec![format!("Tapes: {}.", each.join(", "))];
    if let Some(lead) = &scenario.follow {
        let names: Vec<&str> = scenario
            .followers
            .iter()
            .map(crate::domain::Symbol::as_str)
            .collect();
        lines.push(format!(
            "There is no tape of {} at that date: the relative moves of {lead} stand in.",
            names.join(", ")
        ));
    }
    lines
}

/// The figures of a row, worded.
pub(super) fn cells(scenario: &Scenario) -> [String; 10] {
    let (alone, guarded) = (&scenario.unprotected, &scenario.guarded);
    let worst = scenario.worst_move.as_ref().map(|worst| {
        let sign = if worst.pct.starts_with('-') { "" } else { "+" };
        format!("{sign}{} %", worst.pct)
    });
    [
        scenario.name.clone(),
        worst.unwrap_or_else(|| "nothing".to_owned()),
        fate(alone.outcome, &alone.liquidated),
        alone.lost.clone(),
        fate(guarded.outcome, &guarded.liquidated),
        guarded.lost.clone(),
        format!("{} %", guarded.kept_pct),
        guarded.new_money.clone(),
        guarded.cost.clone(),
        guarded.actions.to_string(),
    ]
}
