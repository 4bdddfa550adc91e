//! `plimsoll stress`: the present positions through shocks and recorded crashes. Never acts.
//!
//! | file | holds |
//! |---|---|
//! | `present` | the account, from a file or from the exchange |
//! | `courses` | the ways that prices go |
//! | `answer`, `words` | what is said of each, in numbers and in a sentence |
//! | `table`, `page` | the same for people |

mod answer;
mod courses;
mod page;
mod present;
mod table;
mod words;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::Args;
use rust_decimal::Decimal;

use self::answer::{Answer, Scenario};
use self::courses::Planned;
use self::present::Ready;
use super::connect::ConfigArg;
use super::exit::{Exit, UsageError};
use super::report_file::ReportFile;
use super::tapes::{parse_delay, parse_span, parse_threads, threads};
use super::terminal::print;
use super::worlds::{DepthArg, FaultsArg};
use crate::domain::{DAY_MS, MINUTE_MS, Rate, SECOND_MS};
use crate::replay::in_parallel;
use crate::replay::world::{Course, Stressed, World, stress};

pub(super) const LONG: &str = "Play your present positions through price shocks and recorded crashes on a simulated \
exchange, once without protection and once under the guard, and say what would be left. Nothing is ever sent \
to an exchange but questions.

The account comes from --input (the JSON of `plimsoll liq --input`, binance-usdm only; no key, no network), \
or from the exchange as `plimsoll check` reads it. With a configuration the guard has your limits, with --input \
the default ones; it always acts on its own here, whatever mode the configuration names.

A shock moves all prices by the same share, along a jagged path that is the same in every run. A tape is \
rescaled to the present prices: a symbol with a tape of that date follows it, that of the account's exchange \
where there are several; the others follow BTC's, or the first tape where there is none of BTC.";

pub(super) const EXAMPLES: &str = "Examples:
  plimsoll stress --input account.json
  plimsoll stress --shock -15,+15 --over 10m
  plimsoll stress --input account.json --event 2025-10-10 --tapes tapes/ --report stress.html
  plimsoll stress --config plimsoll.toml --tape BTCUSDT-1m-2025-10.zip --faults all --json

Unless --depth and --faults say otherwise the book collapses with the price, and on tapes (not in shocks) three
requests in ten go wrong.

Exit codes: 0 played, whatever came of it; 2 wrong command line; 65 the input or a tape is wrong; 66 there is
no such input or tape; 69 the exchange cannot be reached; 77 the key is refused; 78 no usable configuration.";

#[derive(Debug, Args)]
pub(super) struct StressArgs {
    /// An account as JSON instead of the exchange; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    input: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
    /// Moves of all prices in percent, separated by commas [default: -5 to -50 and +5 to +50, where no tape is given]
    #[arg(long, value_name = "LIST", value_delimiter = ',', allow_hyphen_values = true, value_parser = parse_shock)]
    shock: Vec<Rate>,
    /// Time that a move takes, such as 1h or 10m
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_over)]
    over: i64,
    /// Recorded crash: a tape, or a folder of tapes by date; may be given more than once
    #[arg(long, value_name = "FILE")]
    tape: Vec<PathBuf>,
    /// Date of a recorded crash among --tapes, such as 2025-10-10
    #[arg(long, value_name = "DATE", requires = "tapes")]
    event: Vec<String>,
    /// Folder in which --event looks
    #[arg(long, value_name = "DIR", requires = "event")]
    tapes: Option<PathBuf>,
    /// Depth of the made-up order book
    #[arg(long, value_name = "KIND", default_value = "collapse")]
    depth: DepthArg,
    /// What goes wrong between guard and exchange [default: none for shocks, api for tapes]
    #[arg(long, value_name = "KIND")]
    faults: Option<FaultsArg>,
    /// Time from a decision to its effect [default: time_needed_ms of the configuration, 5000 with --input]
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = parse_delay)]
    delay_ms: Option<i64>,
    /// Threads [default: one per processor]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_threads)]
    threads: Option<usize>,
    /// Print one JSON object and nothing else; exact decimals are strings
    #[arg(long)]
    json: bool,
    /// Also write a page with charts, to open in a browser; needs no network
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

pub(super) async fn run(args: StressArgs) -> anyhow::Result<Exit> {
    let threads = threads(args.threads);
    let report = report(&args)?;
    let ready = match &args.input {
        Some(file) => present::from_file(file)?,
        None => present::from_exchange(&args.config).await?,
    };
    let planned = courses::plan(&args, &ready)?;
    let work = move || {
        let played = played(&args, &ready, &planned, threads);
        (args, ready, planned, played)
    };
    let (args, ready, planned, played) = tokio::task::spawn_blocking(work).await?;
    let scenarios = planned
        .courses
        .iter()
        .zip(&played)
        .map(|(course, stressed)| Scenario::of(&ready, course, stressed, faults(&args, course)));
    let answer = Answer::new(&ready, scenarios.collect(), &planned, &args);
    if let Some(report) = report {
        report.write(&page::of(&answer, &planned, &played).html())?;
    }
    print(if args.json {
        serde_json::to_string(&answer)?
    } else {
        table::text(&answer)
    })?;
    Ok(Exit::Success)
}

/// Where the page goes: never over what is read.
fn report(args: &StressArgs) -> Result<Option<ReportFile>, UsageError> {
    let config = args
        .config
        .config
        .clone()
        .or_else(crate::config::default_config_path);
    let inputs = args.tape.iter().chain(&args.input).chain(&config);
    ReportFile::asked(args.report.as_deref(), inputs.map(PathBuf::as_path))
}

/// What goes wrong in a scenario: nothing in shocks and the bad hour of an exchange on tapes, unless it
/// was asked for otherwise.
fn faults(args: &StressArgs, course: &Course) -> FaultsArg {
    args.faults.unwrap_or(match course.common_of {
        Some(_) => FaultsArg::Api,
        None => FaultsArg::None,
    })
}

/// From a decision to its effect: as asked, else as the limits reckon with.
fn delay_ms(args: &StressArgs, ready: &Ready) -> i64 {
    args.delay_ms
        .unwrap_or(ready.policy.triggers.time_needed_ms)
}

fn played(args: &StressArgs, ready: &Ready, planned: &Planned, threads: usize) -> Vec<Stressed> {
    let world = World {
        delay_ms: delay_ms(args, ready),
        book: args.depth.shape(),
        taker_fee: ready.taker_fee,
        ..World::default()
    };
    let never = AtomicBool::new(false);
    in_parallel(planned.courses.len(), threads, &never, |index| {
        let course = planned.courses.get(index)?;
        let world = World {
            faults: faults(args, course).faults(),
            ..world.clone()
        };
        Some(stress(&ready.present, course, &world, &ready.policy))
    })
}

/// `-20`, `+10%`: above −100 and at most +1000, not 0.
fn parse_shock(text: &str) -> Result<Rate, String> {
    let plain = text.trim().trim_end_matches('%').trim_start_matches('+');
    let range = Decimal::from(-99)..=Decimal::from(1_000);
    plain
        .parse::<Decimal>()
        .ok()
        .filter(|pct| range.contains(pct) && !pct.is_zero())
        .map(Rate::from_pct)
        .ok_or_else(|| "a move in percent from -99 to +1000, such as -20".to_owned())
}

/// At least five seconds, at most a day, in milliseconds.
fn parse_over(text: &str) -> Result<i64, String> {
    parse_span(text)
        .filter(|ms| (5 * SECOND_MS..=DAY_MS).contains(ms))
        .ok_or_else(|| "a time from 5s to 1d, such as 1h or 10m".to_owned())
}

/// A length of time in words.
fn span(ms: i64) -> String {
    let minutes = ms / MINUTE_MS;
    if minutes < 1 {
        format!("{} s", ms / SECOND_MS)
    } else if minutes < 60 {
        format!("{minutes} min")
    } else {
        format!("{} h {:02} min", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::dec;

    #[test]
    fn moves_and_times_have_a_range() {
        assert_eq!(parse_shock("-20"), Ok(Rate::of(dec!(-0.2))));
        assert_eq!(parse_shock("+7.5%"), Ok(Rate::of(dec!(0.075))));
        for text in ["", "0", "-100", "1001", "x", "--5"] {
            assert!(parse_shock(text).is_err(), "{text}");
        }
        assert_eq!(parse_over("10m"), Ok(10 * MINUTE_MS));
        for text in ["", "4s", "2d", "h"] {
            assert!(parse_over(text).is_err(), "{text}");
        }
    }
}
