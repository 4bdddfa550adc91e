//! `plimsoll journal`: what was done and why, from the journal alone.
//!
//! Inputs: the data directory and a choice of rows. It only reads, also beside a running agent, and
//! knows no secret, no network and no exchange.

mod lines;
mod write;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::exit::UsageError;
use crate::config::{Config, default_config_path, default_data_dir};
use crate::domain::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};
use crate::journal::{Filter, Journal, JournalError};
use crate::net::clock::Clock;

/// Shows what was done and why.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct JournalArgs {
    /// Configuration file that names the data directory
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory; wins over the configuration
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print a JSON array, one object per line
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print CSV with a header
    #[arg(long)]
    pub csv: bool,
    /// Only what happened since: 90m, 24h, 7d or a UTC date like 2026-11-22
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Show the forecasts too, dozens a day for each position
    #[arg(long)]
    pub forecasts: bool,
    /// Only the newest N rows
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// Prints the journal to `out`, oldest first.
///
/// # Errors
/// When there is no journal (the message says where it was looked for), when it cannot be read, when
/// an argument or the configuration is wrong, or when `out` fails.
pub(super) fn run(args: &JournalArgs, out: &mut impl Write) -> anyhow::Result<()> {
    run_at(args, out, Clock::wall().now())
}

fn run_at(args: &JournalArgs, out: &mut impl Write, now: Timestamp) -> anyhow::Result<()> {
    let since = args
        .since
        .as_deref()
        .map(|text| parse_since(text, now))
        .transpose()?;
    let (dir, journal) = open(args.config.as_deref(), args.data_dir.as_deref())?;
    let entries = journal.entries(&Filter::default())?;
    let empty = entries.is_empty();
    let mut lines = lines::lines(entries);
    lines.retain(|line| since.is_none_or(|since| line.last_at >= since));
    let all = lines.len();
    lines.retain(|line| args.forecasts || line.kind != lines::FORECAST);
    let hidden = all - lines.len();
    let surplus = lines.len().saturating_sub(args.limit.unwrap_or(usize::MAX));
    lines.drain(..surplus);
    if args.json {
        write::json(&lines, out)
    } else if args.csv {
        write::csv(&lines, out)
    } else if empty {
        let dir = dir.display();
        writeln!(
            out,
            "The journal in {dir} is empty: nothing has been done yet."
        )
        .context("cannot write")
    } else {
        if lines.is_empty() {
            writeln!(out, "The journal holds nothing for this choice.").context("cannot write")?;
        } else {
            write::table(&lines, out)?;
        }
        if hidden > 0 {
            writeln!(
                out,
                "Forecasts not shown: {hidden}. --forecasts shows them, `plimsoll accuracy` sums them up."
            )
            .context("cannot write")?;
        }
        Ok(())
    }
}

/// The journal in `data_dir`, or else in the directory that the configuration names, for reading.
///
/// # Errors
/// When there is none (the message says where it was looked for) or it cannot be opened.
pub(super) fn open(
    config: Option<&Path>,
    data_dir: Option<&Path>,
) -> anyhow::Result<(PathBuf, Journal)> {
    let dir = find(config, data_dir)?;
    match Journal::open_read_only(&dir) {
        Err(JournalError::Missing { path }) => Err(UsageError::no_input(format!(
            "there is no journal at {}; it begins with the first `plimsoll run`, or name its directory with --data-dir",
            path.display()
        ))
        .into()),
        Err(other) => Err(other.into()),
        Ok(journal) => Ok((dir, journal)),
    }
}

fn find(config: Option<&Path>, data_dir: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(dir) = data_dir {
        return Ok(dir.to_owned());
    }
    let config = config
        .map(Path::to_owned)
        .or_else(|| default_config_path().filter(|path| path.exists()));
    if let Some(path) = config {
        return Ok(Config::load_settings(&path)?.data_dir);
    }
    default_data_dir().context("this user has no home directory; name the journal with --data-dir")
}

/// `90m`, `24h`, `7d` back from `now`, or the start of a UTC day.
fn parse_since(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let units = [
        ('s', SECOND_MS),
        ('m', MINUTE_MS),
        ('h', HOUR_MS),
        ('d', DAY_MS),
    ];
    for (letter, unit) in units {
        let count = text.strip_suffix(letter).map(str::parse::<u32>);
        if let Some(Ok(count)) = count {
            return Ok(now.plus_ms(-unit.saturating_mul(i64::from(count))));
        }
    }
    match parse_date(text) {
        Some(at) => Ok(at),
        None => Err(UsageError::new(format!(
            "--since {text:?} is neither a time span like 24h or 7d nor a UTC date like 2026-11-22"
        ))
        .into()),
    }
}

fn parse_date(text: &str) -> Option<Timestamp> {
    let mut parts = text.split('-');
    let mut next = |digits: usize| {
        let part = parts.next()?;
        let plain = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| part.parse::<i64>().ok()).flatten()
    };
    let (year, month, day) = (next(4)?, next(2)?, next(2)?);
    if parts.next().is_some() {
        return None;
    }
    let at = Timestamp::from_civil(year, month, day, 0);
    // A day that the month does not have comes back as another one.
    (at.civil() == (year, month, day)).then_some(at)
}

#[cfg(test)]
mod tests;
