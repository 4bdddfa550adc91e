//! `plimsoll replay`: recorded prices through protection policies, with figures that can be compared.

mod gather;
mod page;
mod table;
mod world;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::exit::{Exit, UsageError};
use super::report_file::ReportFile;
use super::signal;
use super::tapes::{
    parse_delay, parse_leverage, parse_span as span, parse_threads, parse_whole, threads,
};
use super::terminal::{print, warn};
use super::worlds::{DepthArg, FaultsArg};
use crate::domain::{DAY_MS, HOUR_MS, MINUTE_MS, Rate, Side};
use crate::guard::policy::Preset;
use crate::replay::{
    FEE, HALF_LIFE_MIN, Policy, Report, Row, SLIPPAGE, SLIPPAGE_PER_SIGMA, STEP_MS, Settings,
    Watcher, play, trials,
};
use gather::{Gathered, Tapes};

/// Most episodes of one run: a minute-long grid over years would only fill the memory.
const EPISODES_MAX: usize = 2_000_000;
/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

pub(super) const LONG: &str = "Play recorded prices through protection policies and a simulated isolated position, in \
virtual time, and say what each would have kept and at what price.

A standard episode: one isolated linear position, entered every 4 h after 24 h of tape, long and short, \
at 10, 20 and 50 times leverage, with its initial margin once more in reserve; it ends after 24 h, or with \
the tape if at least 12 h are left. `guard` is the real guard with its default limits in auto mode. \
Tapes of different bar lengths get rows of their own. docs/benchmark.md defines every figure.

With --world the same position stands on the simulated exchange instead, with its book, its risk tiers, funding \
and, if wanted, faults. --margin cross plays two and three positions of one account there: neighbouring tapes of one \
date, 40,000 of notional each, all long, all short and hedged, at the leverage given and with the reserve in the cross \
wallet.";

pub(super) const EXAMPLES: &str = "Examples:
  plimsoll replay --tape BTCUSDT-1m-2025-10.zip
  plimsoll replay --tape tapes/ --policy none --policy naive --leverage 20 --json
  plimsoll replay --tape tapes/ --policy guard --guard-episodes 200 --report kept.html
  plimsoll replay --tape tapes/ --margin cross --entry-every 24h --faults api

Exit codes: 0 played (also when Ctrl-C cut it short: the report then says that it is partial);
2 wrong command line; 65 broken tape, or none long enough; 66 no such tape.";

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Price tape, or a folder of tapes; may be given more than once
    #[arg(long, value_name = "FILE", required = true)]
    tape: Vec<PathBuf>,
    /// Policy to play; may be given more than once [default: all that there are: on the simulated exchange
    /// there is no naive, and with cross margin no auto-margin either]
    #[arg(long, value_name = "NAME")]
    policy: Vec<PolicyName>,
    /// Preset of the guard; may be given more than once [default: all; on the simulated exchange balanced
    /// alone]
    #[arg(long, value_name = "NAME")]
    preset: Vec<Preset>,
    /// Side of the positions
    #[arg(long, value_name = "SIDE", default_value = "both")]
    side: Sides,
    /// Leverages, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "10,20,50",
          allow_negative_numbers = true, value_parser = parse_leverage)]
    leverage: Vec<u32>,
    /// Time between entries, such as 4h or 30m
    #[arg(long, value_name = "TIME", default_value = "4h", allow_hyphen_values = true, value_parser = parse_span)]
    entry_every: i64,
    /// Reserve in percent of the initial margin
    #[arg(long, value_name = "PCT", default_value_t = 100, allow_negative_numbers = true, value_parser = parse_reserve)]
    reserve_pct: u32,
    /// Time from a decision to its effect; prices are known every 5 s and straight in between
    #[arg(long, value_name = "MS", default_value_t = STEP_MS, allow_negative_numbers = true, value_parser = parse_delay)]
    delay_ms: i64,
    /// Play the guard in at most this many episodes, evenly spread [default: all]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_episodes)]
    guard_episodes: Option<usize>,
    /// Play on the simulated exchange, with its book, tiers, funding and faults
    #[arg(long)]
    world: bool,
    /// Margin mode; cross plays accounts of two and three positions, always on the simulated exchange
    #[arg(long, value_name = "MODE", default_value = "isolated")]
    margin: Margins,
    /// What goes wrong between guard and exchange, on the simulated exchange [default: none]
    #[arg(long, value_name = "KIND")]
    faults: Option<FaultsArg>,
    /// Depth of the made-up order book of the simulated exchange [default: collapse]
    #[arg(long, value_name = "KIND")]
    depth: Option<DepthArg>,
    /// Funding on the simulated exchange in percent per eight hours, paid by longs; 0: none [default: 0.01]
    #[arg(long, value_name = "PCT", allow_hyphen_values = true, value_parser = parse_funding)]
    funding_rate: Option<Rate>,
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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sides {
    Long,
    Short,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Margins {
    Isolated,
    Cross,
}

/// A policy as the command line names it: the guard once, its presets apart.
#[derive(Debug, Clone, Copy, PartialEq)]
struct PolicyName(Policy);

impl PolicyName {
    const ALL: [Self; 7] = [
        Self(Policy::Nothing),
        Self(Policy::AutoMargin),
        Self(Policy::StopBuffer),
        Self(Policy::RatioTrim),
        Self(Policy::TrimTwoPercent),
        Self(Policy::Naive),
        Self(Policy::Guard(Preset::Balanced)),
    ];
}

impl ValueEnum for PolicyName {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
}

impl ValueEnum for Preset {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

/// What is printed.
#[derive(Serialize)]
struct Answer {
    /// True when it was stopped before all episodes were played.
    partial: bool,
    /// Episodes played, of all that there are.
    episodes: usize,
    episodes_all: usize,
    rows: Vec<Row>,
    settings: Said,
    tapes: Tapes,
}

/// The settings that a reader needs to compare two reports.
#[derive(Serialize)]
struct Said {
    policies: Vec<&'static str>,
    sides: Vec<Side>,
    leverages: Vec<u32>,
    entry_every_ms: i64,
    warm_up_ms: i64,
    length_ms: i64,
    least_ms: i64,
    reserve_pct: u32,
    step_ms: i64,
    delay_ms: i64,
    fee: f64,
    slippage: f64,
    slippage_per_sigma: f64,
    half_life_min: f64,
    /// Most episodes the guard was played in; none: all.
    guard_episodes: Option<usize>,
}

/// The work, decided and loaded.
struct Job {
    gathered: Gathered,
    policies: Vec<Policy>,
    settings: Settings,
    guarded: usize,
    threads: usize,
}

pub(super) async fn run(args: ReplayArgs) -> anyhow::Result<Exit> {
    if args.world || args.margin == Margins::Cross {
        return world::run(args).await;
    }
    world::unused(&args)?;
    let (settings, policies, threads) = decide(&args)?;
    let page = report(&args)?;
    let watcher = Arc::new(Watcher::default());
    // Listens before the tapes are read, which may take a while.
    let stopped = signal::stopped();
    let gathered = gather::gather(&args.tape, threads, &settings)?;
    let found = trials(&gathered.paths, &settings);
    if found.is_empty() {
        return Err(UsageError::bad_input(format!(
            "no tape is long enough: an episode needs {} h before it and at least {} h of its own",
            settings.warm_up_ms / HOUR_MS,
            settings.least_ms / HOUR_MS
        ))
        .into());
    }
    check_count(found.len())?;
    let all = found.len();
    let job = Job {
        gathered,
        policies,
        settings,
        guarded: args.guard_episodes.unwrap_or(usize::MAX),
        threads,
    };
    let seen = Arc::clone(&watcher);
    let work = tokio::task::spawn_blocking(move || {
        let played = play(
            &job.gathered.paths,
            &found,
            &job.policies,
            &job.settings,
            job.guarded,
            job.threads,
            &seen,
        );
        let report = Report::of(&job.gathered.paths, &job.policies, &played);
        let mut job = job;
        let reached = played.iter().map(|played| played.trial.path);
        job.gathered.reached(reached);
        (job, report, played.len())
    });
    let (job, report, played) = watch(work, stopped, &watcher, all).await?;
    let answer = Answer {
        partial: played < all,
        episodes: played,
        episodes_all: all,
        rows: report.rows,
        settings: said(&args, &job),
        tapes: job.gathered.tapes,
    };
    if let Some(page) = page {
        page.write(&page::of(&answer).html())?;
    }
    print(if args.json {
        serde_json::to_string(&answer)?
    } else {
        table::text(&answer)
    })?;
    Ok(Exit::Success)
}

/// Where the page goes: never over what is read.
fn report(args: &ReplayArgs) -> Result<Option<ReportFile>, UsageError> {
    let tapes = args.tape.iter().map(PathBuf::as_path);
    ReportFile::asked(args.report.as_deref(), tapes)
}

/// Are these few enough episodes for one run?
fn check_count(episodes: usize) -> Result<(), UsageError> {
    if episodes <= EPISODES_MAX {
        return Ok(());
    }
    Err(UsageError::new(format!(
        "{episodes} episodes are more than the {EPISODES_MAX} that one run may have; use a longer --entry-every or fewer tapes"
    )))
}

fn decide(args: &ReplayArgs) -> anyhow::Result<(Settings, Vec<Policy>, usize)> {
    let mut leverages = args.leverage.clone();
    leverages.sort_unstable();
    leverages.dedup();
    let policies = policies(&args.policy, &args.preset);
    if !args.preset.is_empty() && policies.iter().all(|policy| policy.preset().is_none()) {
        return Err(UsageError::new(
            "--preset is one of the guard, which is not among the policies; add --policy guard, or leave --preset out",
        )
        .into());
    }
    let threads = threads(args.threads);
    let settings = Settings {
        sides: match args.side {
            Sides::Long => vec![Side::Long],
            Sides::Short => vec![Side::Short],
            Sides::Both => vec![Side::Long, Side::Short],
        },
        leverages,
        entry_every_ms: args.entry_every,
        reserve: reserve(args.reserve_pct),
        delay_ms: args.delay_ms,
        ..Settings::default()
    };
    Ok((settings, policies, threads))
}

/// The wanted policies, each once, the guard with each wanted preset.
fn policies(named: &[PolicyName], presets: &[Preset]) -> Vec<Policy> {
    let all = PolicyName::ALL;
    let named = if named.is_empty() { &all } else { named };
    let presets = if presets.is_empty() {
        &Preset::ALL
    } else {
        presets
    };
    let mut policies: Vec<Policy> = named
        .iter()
        .flat_map(|PolicyName(policy)| match policy.preset() {
            Some(_) => presets
                .iter()
                .map(|preset| Policy::Guard(*preset))
                .collect(),
            None => vec![*policy],
        })
        .collect();
    policies.sort_unstable();
    policies.dedup();
    policies
}

#[allow(
    clippy::float_arithmetic,
    reason = "a setting of a benchmark, not money"
)]
fn reserve(pct: u32) -> f64 {
    f64::from(pct) / 100.0
}

fn said(args: &ReplayArgs, job: &Job) -> Said {
    let settings = &job.settings;
    Said {
        policies: job.policies.iter().map(|policy| policy.name()).collect(),
        sides: settings.sides.clone(),
        leverages: settings.leverages.clone(),
        entry_every_ms: settings.entry_every_ms,
        warm_up_ms: settings.warm_up_ms,
        length_ms: settings.length_ms,
        least_ms: settings.least_ms,
        reserve_pct: args.reserve_pct,
        step_ms: STEP_MS,
        delay_ms: settings.delay_ms,
        fee: FEE,
        slippage: SLIPPAGE,
        slippage_per_sigma: SLIPPAGE_PER_SIGMA,
        half_life_min: HALF_LIFE_MIN,
        guard_episodes: args.guard_episodes,
    }
}

/// Waits for the work, shows progress on a terminal, and passes the wish to stop on.
async fn watch<T>(
    mut work: tokio::task::JoinHandle<T>,
    stopped: impl Future<Output = ()>,
    watcher: &Watcher,
    all: usize,
) -> anyhow::Result<T> {
    let shown = std::io::stderr().is_terminal();
    let mut stopped = std::pin::pin!(stopped);
    let mut asked = false;
    let mut beat = tokio::time::interval(PROGRESS_EVERY);
    let ended = loop {
        tokio::select! {
            biased;
            ended = &mut work => break ended,
            () = &mut stopped, if !asked => {
                asked = true;
                watcher.stop.store(true, Ordering::Relaxed);
                warn("stopping: episodes under way are finished, the report will be partial");
            }
            _ = beat.tick(), if shown => progress(watcher, all),
        }
    };
    if shown {
        // Clears the line.
        show("\r\x1b[K");
    }
    ended.context("the replay broke down")
}

fn progress(watcher: &Watcher, all: usize) {
    let done = watcher.done.load(Ordering::Relaxed);
    show(&format!("\r{done} of {all} episodes"));
}

/// Progress that nobody takes is no loss.
fn show(text: &str) {
    let mut out = std::io::stderr().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// `0.01`, `-0.02%`: at most 5 % either way, as a fraction.
fn parse_funding(text: &str) -> Result<Rate, String> {
    let limit = rust_decimal::Decimal::from(5);
    text.trim_end_matches('%')
        .parse::<rust_decimal::Decimal>()
        .ok()
        .filter(|pct| pct.abs() <= limit)
        .map(Rate::from_pct)
        .ok_or_else(|| "a rate in percent from -5 to 5, such as 0.01".to_owned())
}

fn parse_reserve(text: &str) -> Result<u32, String> {
    parse_whole(
        text,
        0..=10_000,
        "a whole percentage from 0 to 10000, such as 100",
    )
}

fn parse_episodes(text: &str) -> Result<usize, String> {
    let what = "a whole number of at least 1; to leave the guard out name the other policies with --policy";
    parse_whole(text, 1..=usize::MAX, what)
}

/// `4h`, `30m`, `90s`, `1d`: at least a minute, at most a year, in milliseconds.
fn parse_span(text: &str) -> Result<i64, String> {
    span(text)
        .filter(|ms| (MINUTE_MS..=365 * DAY_MS).contains(ms))
        .ok_or_else(|| "a time from 1m to 365d, such as 4h or 30m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit_and_a_range() {
        for (text, ms) in [
            ("4h", 14_400_000),
            ("30m", 1_800_000),
            ("90s", 90_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse_span(text), Ok(ms), "{text}");
        }
        for text in [
            "",
            "h",
            "4",
            "4x",
            "-4h",
            "0h",
            "59s",
            "366d",
            "4 h",
            "9999999999999999999h",
            "4ħ",
        ] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }
}
