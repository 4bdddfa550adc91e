//! `plimsoll calibrate`: the touch forecast against what happened on price tapes.

mod page;
mod table;
mod tapes;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::exit::{Exit, UsageError};
use super::report_file::ReportFile;
use super::tapes::{parse_span, parse_threads, parse_whole, threads};
use super::terminal::print;
use crate::domain::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::forecast::{HISTORY_LEAST_MS, HORIZON_LEAST_MS, HORIZON_MOST_MS};
use crate::replay::calibration::{CLIP, DRAWS, Group, Plan, SEED, TOLERANCE, report};
use tapes::Tapes;

/// Longest warm-up and longest time between forecasts, in milliseconds.
const SPAN_MS_MAX: i64 = 30 * DAY_MS;

pub(super) const LONG: &str = "Hold the forecast of touching the liquidation price against what happened on recorded \
prices, beside two simpler forecasts.

Every 31 minutes (so that all minutes of the hour come up alike) after 24 h of tape it is asked how likely the liquidation prices of 10, 20 and 50 times \
leverage, long and short, are to be touched within 15 minutes, 1 h, 4 h and 24 h; the bars that follow \
answer. Horizons that the tape does not hold whole are not asked. Only tapes of bars up to a minute \
count unless --all-bars is given. docs/calibration.md defines every figure.";

pub(super) const EXAMPLES: &str = "Examples:
  plimsoll calibrate --tape BTCUSDT-1m-2025-10.zip
  plimsoll calibrate --tape tapes/ --split odd --json
  plimsoll calibrate --tape tapes/ --report calibration.html
  plimsoll calibrate --tape tapes/ --horizon 5m,30m,8h --warm-up 2h

Exit codes: 0 measured; 2 wrong command line; 65 broken tape, or none that can be measured;
66 no such tape.";

#[derive(Debug, Args)]
pub(super) struct CalibrateArgs {
    /// Price tapes, or folders of tapes; may be given more than once
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    tape: Vec<PathBuf>,
    /// Use every second event only, by date: the 1st, 3rd … (odd) or the 2nd, 4th … (even)
    #[arg(long, value_name = "HALF")]
    split: Option<Split>,
    /// Measure tapes of longer bars too, apart
    #[arg(long)]
    all_bars: bool,
    /// Horizons from 5m to 24h, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "15m,1h,4h,24h", value_parser = parse_horizon)]
    horizon: Vec<i64>,
    /// Leverages, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "10,20,50",
          allow_negative_numbers = true, value_parser = parse_leverage)]
    leverage: Vec<u32>,
    /// Time between forecasts, such as 31m; full hours alone are livelier than the rest
    #[arg(long, value_name = "TIME", default_value = "31m", value_parser = parse_every)]
    every: i64,
    /// Tape before the first forecast, such as 24h; at least 1h
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_warm_up)]
    warm_up: i64,
    /// Threads [default: one per processor]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_threads)]
    threads: Option<usize>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
    /// Also write a page with charts, to open in a browser; needs no network
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// Which events count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Split {
    Even,
    Odd,
}

/// What is printed.
#[derive(Serialize)]
struct Answer {
    groups: Vec<Group>,
    settings: Said,
    tapes: Tapes,
}

/// The settings that a reader needs to compare two reports.
#[derive(Serialize)]
struct Said {
    split: Option<Split>,
    all_bars: bool,
    horizons_ms: Vec<i64>,
    leverages: Vec<u32>,
    every_ms: i64,
    warm_up_ms: i64,
    /// Chances are clipped into this and its complement for the log score.
    log_clip: f64,
    draws: usize,
    seed: u64,
    tolerance: f64,
}

pub(super) fn run(args: &CalibrateArgs) -> anyhow::Result<Exit> {
    let threads = threads(args.threads);
    let inputs = args.tape.iter().map(PathBuf::as_path);
    let place = ReportFile::asked(args.report.as_deref(), inputs)?;
    let plan = plan(args);
    let (mut tallies, mut tapes) = tapes::measure(&args.tape, &plan, args.all_bars, threads)?;
    if let Some(split) = args.split {
        tapes::halve(&mut tallies, &mut tapes, split == Split::Odd);
    }
    if tallies.is_empty() {
        return Err(nothing(&tapes, &plan).into());
    }
    let answer = Answer {
        groups: report(&tallies, &plan),
        settings: said(args, plan),
        tapes,
    };
    if let Some(place) = place {
        place.write(&page::of(&answer).html())?;
    }
    print(if args.json {
        serde_json::to_string(&answer)?
    } else {
        table::text(&answer)
    })?;
    Ok(Exit::Success)
}

fn plan(args: &CalibrateArgs) -> Plan {
    let mut plan = Plan {
        horizons_ms: args.horizon.clone(),
        leverages: args.leverage.clone(),
        every_ms: args.every,
        warm_up_ms: args.warm_up,
    };
    plan.horizons_ms.sort_unstable();
    plan.horizons_ms.dedup();
    plan.leverages.sort_unstable();
    plan.leverages.dedup();
    plan
}

fn said(args: &CalibrateArgs, plan: Plan) -> Said {
    Said {
        split: args.split,
        all_bars: args.all_bars,
        horizons_ms: plan.horizons_ms,
        leverages: plan.leverages,
        every_ms: plan.every_ms,
        warm_up_ms: plan.warm_up_ms,
        log_clip: CLIP,
        draws: DRAWS,
        seed: SEED,
        tolerance: TOLERANCE,
    }
}

fn nothing(tapes: &Tapes, plan: &Plan) -> UsageError {
    let why = if !tapes.longer_bars.is_empty() && tapes.without_forecast.is_empty() {
        "their bars are longer than a minute; --all-bars measures them".to_owned()
    } else if tapes.other_half > 0 {
        "all belong to the other half of the events".to_owned()
    } else {
        format!(
            "a tape needs {} before the first forecast and a whole horizon, at least {}, after it",
            span(plan.warm_up_ms),
            span(plan.horizons_ms.first().copied().unwrap_or(0)),
        )
    };
    UsageError::bad_input(format!("no tape can be measured: {why}"))
}

fn parse_leverage(text: &str) -> Result<u32, String> {
    parse_whole(text, 2..=150, "a whole number from 2 to 150, such as 20")
}

fn parse_horizon(text: &str) -> Result<i64, String> {
    parse_span(text)
        .filter(|ms| (HORIZON_LEAST_MS..=HORIZON_MOST_MS).contains(ms))
        .ok_or_else(|| "a time from 5m to 24h, such as 15m or 4h".to_owned())
}

fn parse_every(text: &str) -> Result<i64, String> {
    parse_span(text)
        .filter(|ms| (MINUTE_MS..=SPAN_MS_MAX).contains(ms))
        .ok_or_else(|| "a time from 1m to 30d, such as 30m or 1h".to_owned())
}

fn parse_warm_up(text: &str) -> Result<i64, String> {
    parse_span(text)
        .filter(|ms| (HISTORY_LEAST_MS..=SPAN_MS_MAX).contains(ms))
        .ok_or_else(|| "a time from 1h to 30d, such as 24h".to_owned())
}

/// A length of time in its largest whole unit; a day is 24 hours here.
pub(super) fn span(ms: i64) -> String {
    if ms % HOUR_MS == 0 {
        format!("{} h", ms / HOUR_MS)
    } else if ms % MINUTE_MS == 0 {
        format!("{} min", ms / MINUTE_MS)
    } else {
        format!("{} s", ms / SECOND_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_a_range() {
        assert_eq!(parse_horizon("15m"), Ok(15 * MINUTE_MS));
        assert_eq!(parse_horizon("1d"), Ok(DAY_MS));
        assert_eq!(parse_every("90s"), Ok(90 * SECOND_MS));
        for text in [
            "",
            "h",
            "4",
            "4x",
            "-4h",
            "4m",
            "25h",
            "9999999999999999999h",
            "4ħ",
        ] {
            assert!(parse_horizon(text).is_err(), "{text}");
        }
        assert!(parse_warm_up("59m").is_err() && parse_every("59s").is_err());
        assert_eq!(
            (span(15 * MINUTE_MS), span(DAY_MS)),
            ("15 min".to_owned(), "24 h".to_owned())
        );
    }
}
