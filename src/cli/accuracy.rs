//! `plimsoll accuracy`: the forecasts that the agent wrote down while it ran, against what happened.
//!
//! Inputs: the journal. It only reads, also beside a running agent, and knows no key and no network.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::calibrate::span;
use super::journal::open;
use crate::domain::{PositionKey, Timestamp};
use crate::forecast::{Means, SCORED_HORIZONS_MS, Score, Verdict};
use crate::guard::journal::Entry;
use crate::journal::{Filter, StoredEntry};

pub(super) const LONG: &str = "Show how often the agent's own forecasts came true.

While it runs, the agent writes down every 31 minutes how likely the line of each position is to be \
touched within 15 minutes, 1 h, 4 h and 24 h, and later whether it was. The line is the liquidation \
price as it was then: a position that was rescued or changed since is judged by the price alone. What was \
not watched to its end (the position closed, prices missing for more than two minutes, a restart) is not \
counted.

Both scores are better when lower. The base rate is a forecast that always says how often lines have been \
touched so far: a forecast that does not beat it knows nothing. Forecasts of one position overlap, so that \
a day of them is little more evidence than one: judge by weeks.";

pub(super) const EXAMPLES: &str = "Examples:
  plimsoll accuracy
  plimsoll accuracy --config plimsoll.toml --json

Exit codes: 0 shown, also when nothing has been scored yet; 66 there is no journal.";

/// Shows how often the forecasts came true.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct AccuracyArgs {
    /// Configuration file that names the data directory
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory; wins over the configuration
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

/// All horizons, rising, and what is not in them.
#[derive(Debug, Serialize)]
struct Accuracy {
    scored: u64,
    /// Not watched to their end.
    void: u64,
    /// Without a verdict so far.
    open: u64,
    horizons: Vec<Horizon>,
}

#[derive(Debug, Serialize)]
struct Horizon {
    horizon_ms: i64,
    count: u64,
    touched: u64,
    mean_forecast: Option<f64>,
    forecast: Option<Means>,
    base_rate: Option<Means>,
    reliability: Vec<Row>,
}

/// Forecasts from `from` to below `to`; rows without any are left out.
#[derive(Debug, Serialize)]
struct Row {
    from: f64,
    to: f64,
    count: u64,
    touched: u64,
    mean_forecast: Option<f64>,
}

/// Prints the accuracy to `out`.
///
/// # Errors
/// When there is no journal, it cannot be read, or `out` fails.
pub(super) fn run(args: &AccuracyArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let (dir, journal) = open(args.config.as_deref(), args.data_dir.as_deref())?;
    let accuracy = sum_up(journal.entries(&Filter::default())?);
    let text = if args.json {
        serde_json::to_string(&accuracy)?
    } else {
        text(&accuracy, &dir)
    };
    writeln!(out, "{text}").context("cannot write")
}

/// Scores in the order in which they were decided.
fn sum_up(entries: Vec<StoredEntry>) -> Accuracy {
    let mut scores: BTreeMap<i64, Score> = SCORED_HORIZONS_MS
        .into_iter()
        .map(|horizon_ms| (horizon_ms, Score::default()))
        .collect();
    let mut open: BTreeMap<(PositionKey, Timestamp), usize> = BTreeMap::new();
    let mut void = 0;
    for stored in entries {
        // What is damaged is shown by `plimsoll journal`.
        let Ok(entry) = stored.entry else {
            continue;
        };
        if let Entry::Forecast {
            key,
            made_at,
            chances,
            ..
        } = entry
        {
            open.insert((key, made_at), chances.len());
        } else if let Entry::Scored {
            key,
            made_at,
            horizon_ms,
            chance,
            verdict,
        } = entry
        {
            if let Some(left) = open.get_mut(&(key, made_at)) {
                *left = left.saturating_sub(1);
            }
            let mut score = |touched| {
                let score = scores.entry(horizon_ms).or_default();
                score.take(chance, touched);
            };
            match verdict {
                Verdict::Touched => score(true),
                Verdict::Untouched => score(false),
                Verdict::Void => void += 1,
            }
        }
    }
    let open = open.into_values().sum::<usize>();
    Accuracy {
        scored: scores.values().map(Score::count).sum(),
        void,
        open: u64::try_from(open).unwrap_or(u64::MAX),
        horizons: scores
            .iter()
            .map(|(ms, score)| horizon(*ms, score))
            .collect(),
    }
}

fn horizon(horizon_ms: i64, score: &Score) -> Horizon {
    let rows = score.buckets().filter(|(.., bucket)| bucket.count > 0);
    Horizon {
        horizon_ms,
        count: score.count(),
        touched: score.touched(),
        mean_forecast: score.mean(),
        forecast: score.own(),
        base_rate: score.base(),
        reliability: rows
            .map(|(from, to, bucket)| Row {
                from,
                to,
                count: bucket.count,
                touched: bucket.touched,
                mean_forecast: bucket.mean(),
            })
            .collect(),
    }
}

fn text(accuracy: &Accuracy, dir: &Path) -> String {
    let beside = beside(accuracy);
    if accuracy.scored == 0 {
        return format!(
            "Nothing has been scored yet in {}: {beside}.\n\
             A running agent writes down a forecast for each position every 31 minutes, after an hour of prices.",
            dir.display()
        );
    }
    let mut out = format!(
        "{} scored in {}; {beside}.\n",
        forecasts(accuracy.scored),
        dir.display()
    );
    for row in accuracy.horizons.iter().filter(|row| row.count > 0) {
        out.push_str(&paragraph(row));
    }
    out.push_str(
        "\nLower scores are better. The base rate always says how often lines were touched so far; a forecast \
         that does not beat it knows nothing.\nForecasts of one position overlap: judge by weeks, not by days.",
    );
    out
}

fn beside(accuracy: &Accuracy) -> String {
    format!(
        "{} still open, {} not counted (not watched to the end)",
        accuracy.open, accuracy.void
    )
}

fn paragraph(row: &Horizon) -> String {
    let mut out = format!(
        "\nWithin {}: {}, the line was touched {}.\n",
        span(row.horizon_ms),
        forecasts(row.count),
        times(row.touched)
    );
    if let Some((own, base)) = row.forecast.zip(row.base_rate) {
        out.push_str(&format!(
            "  Brier score {:.4} (base rate {:.4}: {}), log score {:.4} (base rate {:.4}: {})\n",
            own.brier,
            base.brier,
            than(own.brier, base.brier),
            own.log,
            base.log,
            than(own.log, base.log),
        ));
    }
    for bucket in &row.reliability {
        let said = match bucket.mean_forecast {
            Some(mean) => format!(" ({} on average)", percent(mean)),
            None => String::new(),
        };
        out.push_str(&format!(
            "  Of {} it said {}{said}, the line was touched {}.\n",
            times(bucket.count),
            between(bucket.from, bucket.to),
            times(bucket.touched),
        ));
    }
    out
}

fn than(own: f64, base: f64) -> &'static str {
    if own < base { "better" } else { "no better" }
}

fn forecasts(count: u64) -> String {
    let many = if count == 1 { "" } else { "s" };
    format!("{count} forecast{many}")
}

fn times(count: u64) -> String {
    let many = if count == 1 { "" } else { "s" };
    format!("{count} time{many}")
}

/// `under 0.1 %`, `2–5 %`, `50 % or more`.
fn between(from: f64, to: f64) -> String {
    if from <= 0.0 {
        format!("under {} %", points(to))
    } else if to >= 1.0 {
        format!("{} % or more", points(from))
    } else {
        format!("{}–{} %", points(from), points(to))
    }
}

/// Percent, with as many places as an edge of a bucket has.
#[allow(clippy::float_arithmetic, reason = "a share shown in percent")]
fn points(share: f64) -> String {
    ((share * 1_000.0).round() / 10.0).to_string()
}

/// A chance for people: `below 0.01 %`, `0.31 %`, `4.2 %`, `37 %`.
#[allow(clippy::float_arithmetic, reason = "a share shown in percent")]
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 0.01 {
        "below 0.01 %".to_owned()
    } else if percent < 1.0 {
        format!("{percent:.2} %")
    } else if percent < 10.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

#[cfg(test)]
mod tests;
