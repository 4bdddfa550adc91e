//! Rows as a table for people, as JSON and as CSV for machines.

use std::io::Write;

use anyhow::Context;

use super::lines::Line;
use crate::guard::explain;

/// Widest cell of the table but the last, in characters; longer ones push the row to the right.
const CELL_CHARS_MAX: usize = 48;

/// Columns separated by two spaces; the reason, which may be long, comes last.
pub(super) fn table(lines: &[Line], out: &mut impl Write) -> anyhow::Result<()> {
    let head = [
        "TIME (UTC)",
        "SCOPE",
        "WHAT",
        "AMOUNT",
        "COST",
        "STATE",
        "REASON",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(lines.iter().map(cells));
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().min(CELL_CHARS_MAX).max(*width);
        }
    }
    for row in &rows {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", text.trim_end()).context("cannot write")?;
    }
    Ok(())
}

/// A JSON array with one object per line.
pub(super) fn json(lines: &[Line], out: &mut impl Write) -> anyhow::Result<()> {
    out.write_all(b"[").context("cannot write")?;
    for (index, line) in lines.iter().enumerate() {
        let start = if index == 0 { "\n" } else { ",\n" };
        let object = serde_json::to_string(line).context("cannot encode a row")?;
        write!(out, "{start}{object}").context("cannot write")?;
    }
    let end = if lines.is_empty() { "]" } else { "\n]" };
    writeln!(out, "{end}").context("cannot write")
}

/// CSV with a header, the columns of the JSON objects.
pub(super) fn csv(lines: &[Line], out: &mut impl Write) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    if lines.is_empty() {
        writer.write_record(HEADER).context("cannot write")?;
    }
    for line in lines {
        writer.serialize(line).context("cannot write")?;
    }
    writer.flush().context("cannot write")
}

/// Header of an empty CSV; with rows the field names write themselves.
pub(super) const HEADER: [&str; 13] = [
    "at",
    "last_at",
    "kind",
    "scope",
    "what",
    "amount",
    "unit",
    "cost",
    "cost_is_paid",
    "state",
    "reason",
    "intent",
    "plan",
];

fn cells(line: &Line) -> [String; 7] {
    let amount = match (&line.amount, &line.unit) {
        (Some(amount), Some(unit)) => format!("{amount} {unit}"),
        (Some(amount), None) => amount.clone(),
        (None, _) => String::new(),
    };
    let cost = line.cost.map_or_else(String::new, |cost| {
        let about = if line.cost_is_paid { "" } else { "~" };
        format!("{about}{}", explain::money(cost))
    });
    let at = line.at.to_string();
    [
        at.trim_end_matches('Z').replace('T', " "),
        line.scope.clone().unwrap_or_default(),
        line.what.clone(),
        amount,
        cost,
        line.state.clone(),
        line.reason.clone(),
    ]
    .map(|cell| plain(&cell))
}

/// Texts come from the exchange too: nothing in them may steer a terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
