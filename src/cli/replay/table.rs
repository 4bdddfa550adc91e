//! The report as text.

use super::Answer;
use crate::domain::{HOUR_MS, MINUTE_MS, SECOND_MS, Side};
use crate::replay::Row;

/// Names of tapes without an episode that are printed; the JSON has them all.
const NAMES_MAX: usize = 40;

pub(super) fn text(answer: &Answer) -> String {
    let mut out = String::new();
    let tapes = &answer.tapes;
    if answer.partial {
        line(
            &mut out,
            format!(
                "PARTIAL: stopped after {} of {} episodes; the figures below are of those alone.\n",
                answer.episodes, answer.episodes_all
            ),
        );
    }
    line(&mut out, format!("{}\n", settings(answer)));
    for bar_ms in tapes.by_bar_ms.keys() {
        let (count, bar) = (tapes.counted(*bar_ms), span(*bar_ms));
        line(&mut out, format!("{count} of {bar} bars"));
        line(&mut out, HEAD.to_owned());
        for row in answer.rows.iter().filter(|row| row.bar_ms == *bar_ms) {
            line(&mut out, shown(row));
        }
        line(&mut out, String::new());
    }
    if tapes.by_bar_ms.len() > 1 {
        line(
            &mut out,
            "Bar lengths are kept apart: the longer the bar, the less of a crash is recorded."
                .to_owned(),
        );
    }
    if !tapes.without_episode.is_empty() {
        let names = listed(&tapes.without_episode);
        line(
            &mut out,
            format!(
                "{} tapes are too short for an episode: {names}",
                tapes.without_episode.len()
            ),
        );
    }
    if !tapes.left_out.is_empty() {
        line(
            &mut out,
            format!(
                "{} files of the folder are not played (funding, mark prices, other tables); --json names them",
                tapes.left_out.len()
            ),
        );
    }
    out.push_str("Shares are means over episodes at risk, needless acts over the others, friction is in bps of the notional; docs/benchmark.md defines each.");
    out
}

/// What two outputs can differ in.
fn settings(answer: &Answer) -> String {
    let said = &answer.settings;
    let guard = match said.guard_episodes {
        Some(most) => format!(", the guard in at most {most} episodes"),
        None => String::new(),
    };
    format!(
        "Isolated positions, {}, an entry every {}, reserve {} % of the initial margin, {} ms from decision to effect{guard}.",
        sides(&said.sides),
        time(said.entry_every_ms),
        said.reserve_pct,
        said.delay_ms
    )
}

pub(super) fn sides(sides: &[Side]) -> String {
    let words: Vec<String> = sides.iter().map(Side::to_string).collect();
    words.join(" and ")
}

/// A length of time in its largest whole unit.
pub(super) fn time(ms: i64) -> String {
    if ms % HOUR_MS == 0 {
        format!("{} h", ms / HOUR_MS)
    } else if ms % MINUTE_MS == 0 {
        format!("{} min", ms / MINUTE_MS)
    } else {
        format!("{} s", ms / SECOND_MS)
    }
}

const HEAD: &str = "policy         lev episodes at-risk  saved   kept effic. friction  new-money wealth needless/day   calm  worst";

/// The columns of [`cells`].
pub(super) const COLUMNS: [&str; 13] = [
    "policy",
    "leverage",
    "episodes",
    "at risk",
    "saved",
    "kept",
    "kept efficiency",
    "friction bps",
    "new money",
    "wealth",
    "needless a day",
    "in calm",
    "worst",
];

/// The figures of a row, worded.
pub(super) fn cells(row: &Row) -> [String; 13] {
    [
        row.name(),
        row.leverage.to_string(),
        row.figures.episodes.to_string(),
        row.figures.at_risk.to_string(),
        percent(row.figures.saved),
        percent(row.figures.kept),
        percent(row.figures.kept_efficiency),
        plain(row.figures.friction_bps, 1),
        plain(row.figures.new_money, 2),
        percent(row.figures.wealth),
        plain(row.figures.needless_per_day, 2),
        plain(row.needless_per_day_calm, 2),
        percent(row.figures.worst),
    ]
}

fn shown(row: &Row) -> String {
    let [policy, leverage, rest @ ..] = cells(row);
    let widths = [8, 7, 6, 6, 6, 8, 10, 6, 12, 6, 6];
    let mut text = format!("{policy:<14} {leverage:>3}");
    for (cell, width) in rest.iter().zip(widths) {
        text.push_str(&format!(" {cell:>width$}"));
    }
    text
}

#[allow(clippy::float_arithmetic, reason = "a share shown in percent")]
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", share * 100.0))
}

pub(super) fn plain(value: Option<f64>, places: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.places$}"))
}

/// A bar length in words.
pub(super) fn span(ms: i64) -> String {
    if ms % 60_000 == 0 {
        format!("{}-minute", ms / 60_000)
    } else {
        format!("{}-second", ms / 1_000)
    }
}

fn listed(names: &[String]) -> String {
    let mut text = names
        .iter()
        .take(NAMES_MAX)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > NAMES_MAX {
        text.push_str(", …");
    }
    text
}

fn line(out: &mut String, text: String) {
    out.push_str(&text);
    out.push('\n');
}
