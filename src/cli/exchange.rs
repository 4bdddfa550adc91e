//! `plimsoll exchange`: a simulated exchange on loopback that plays a tape or a scenario on the
//! machine's clock and speaks a real venue's protocol.
//!
//! The first line on standard output is one JSON object with the addresses; then it serves until it
//! is told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{Args, ValueEnum};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::exit::UsageError;
use super::signal;
use crate::domain::{Money, Side, Timestamp};
use crate::sim::face::{Face, FaceOptions, FaceTime};
use crate::sim::tape::Window;
use crate::sim::{Exchange, ExchangeSpec, Tape, market, scenario, tape};

/// Slowest and fastest play, as multiples of real time.
const SPEED_MIN: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
const SPEED_MAX: Decimal = Decimal::from_parts(5_000, 0, 0, false, 0);
/// Played when neither a tape nor a scenario is named.
const SCENARIO: &str = "calm";

/// Venues that can be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FaceKind {
    /// Binance USDⓈ-M futures.
    BinanceUsdm,
}

/// An account of the simulated exchange. The key and the secret are made up and open nothing else.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct AccountArg {
    key: String,
    secret: String,
    usdt: Money,
}

impl std::fmt::Debug for AccountArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountArg({}, {})", self.key, self.usdt)
    }
}

impl FromStr for AccountArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let [key, secret, usdt] = parts.as_slice() else {
            return Err("write KEY:SECRET:USDT, for example demo-key:demo-secret:10000".to_owned());
        };
        if key.is_empty() || secret.is_empty() {
            return Err("key and secret must not be empty".to_owned());
        }
        let usdt: Money = usdt.parse().map_err(|error| format!("USDT: {error}"))?;
        if usdt.is_negative() {
            return Err("USDT must not be below zero".to_owned());
        }
        Ok(Self {
            key: (*key).to_owned(),
            secret: (*secret).to_owned(),
            usdt,
        })
    }
}

/// Serve a simulated exchange on this machine.
#[derive(Debug, Clone, Args)]
pub(super) struct ExchangeArgs {
    /// Which venue's protocol to speak.
    #[arg(long, value_enum, default_value = "binance-usdm")]
    pub face: FaceKind,
    /// Loopback address to listen on; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Recorded price history to play: the day around its worst hour.
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    pub tape: Option<PathBuf>,
    /// Built-in price history to play [default: calm].
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// How many times faster than real time to play, 0.01 to 5000.
    #[arg(long, value_name = "X", default_value = "1")]
    pub speed: Decimal,
    /// Decides everything that is made up.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// An account to open; repeat for more [default: demo-key:demo-secret:10000].
    #[arg(long, value_name = "KEY:SECRET:USDT")]
    pub account: Vec<AccountArg>,
}

/// Serves until Ctrl-C or a termination signal.
///
/// # Errors
/// When an argument is out of range, the tape cannot be read or the address cannot be bound.
pub(super) async fn run(args: ExchangeArgs) -> anyhow::Result<()> {
    let stopped_by_hand = signal::stopped();
    let face = start(&args)?;
    let line = serde_json::to_string(&face.urls()).context("writing the addresses")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").context("writing the addresses to standard output")?;
    out.flush()
        .context("writing the addresses to standard output")?;
    drop(out);
    stopped_by_hand.await;
    face.shutdown();
    Ok(())
}

fn start(args: &ExchangeArgs) -> anyhow::Result<Face> {
    if !args.listen.ip().is_loopback() {
        let text = format!(
            "--listen {}: the simulated exchange serves this machine only; use an address such as \
             127.0.0.1:0",
            args.listen
        );
        return Err(UsageError::new(text).into());
    }
    if args.speed < SPEED_MIN || args.speed > SPEED_MAX {
        let text = format!("--speed {}: use a number from 0.01 to 5000", args.speed);
        return Err(UsageError::new(text).into());
    }
    let now = wall_now();
    let played = onto_clock(load(args)?, args.speed, now);
    let reference = played.marks.first().copied();
    let reference = reference.context("the tape holds no prices")?;
    let rules = market::for_symbol(&played.symbol, reference);
    let mut spec = ExchangeSpec::new(vec![(rules, played)], now);
    spec.seed = args.seed;
    let mut exchange = Exchange::new(spec);
    let demo = AccountArg {
        key: "demo-key".to_owned(),
        secret: "demo-secret".to_owned(),
        usdt: Money::of(Decimal::from(10_000)),
    };
    let given = !args.account.is_empty();
    let accounts = if given {
        args.account.clone()
    } else {
        vec![demo]
    };
    for account in accounts {
        exchange.add_account(&account.key, account.secret.into(), account.usdt);
    }
    let mut options = FaceOptions::new(FaceTime::Wall);
    options.listen = args.listen;
    let started = match args.face {
        FaceKind::BinanceUsdm => Face::start(exchange, options),
    };
    started.map_err(|error| {
        let text = format!(
            "--listen {}: cannot listen there ({error}); choose another port, or 0 for a free one",
            args.listen
        );
        UsageError::new(text).into()
    })
}

fn load(args: &ExchangeArgs) -> anyhow::Result<Tape> {
    match &args.tape {
        Some(path) => Ok(tape::load(path)?.play(Side::Long, Window::default())?),
        None => {
            let name = args.scenario.as_deref().unwrap_or(SCENARIO);
            Ok(scenario::by_name(name, args.seed)?.tape)
        }
    }
}

/// The same marks, starting now, with steps shortened by `speed`.
fn onto_clock(tape: Tape, speed: Decimal, now: Timestamp) -> Tape {
    let step = Decimal::from(tape.step_ms).checked_div(speed);
    let step_ms = step.and_then(|s| s.round().to_i64()).unwrap_or(1).max(1);
    Tape {
        start: now,
        step_ms,
        ..tape
    }
}

fn wall_now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ExchangeArgs,
    }

    fn parse(words: &[&str]) -> Result<ExchangeArgs, clap::Error> {
        let line = std::iter::once("exchange").chain(words.iter().copied());
        Line::try_parse_from(line).map(|line| line.args)
    }

    #[test]
    fn an_address_that_others_can_reach_is_refused() {
        let args = parse(&["--listen", "0.0.0.0:0"]).expect("parsed");
        let error = start(&args).err().expect("refused").to_string();
        assert!(error.contains("this machine only"), "{error}");
    }

    #[test]
    fn accounts_and_speeds_out_of_range_are_refused_with_the_way_to_write_them() {
        let error = parse(&["--account", "only-a-key"]).expect_err("refused");
        assert!(error.to_string().contains("KEY:SECRET:USDT"));
        assert!(parse(&["--account", "a:b:-1"]).is_err());
        let args = parse(&["--speed", "0"]).expect("parsed");
        assert!(start(&args).is_err());
    }

    #[tokio::test]
    async fn the_named_accounts_and_scenario_are_served() {
        let words = [
            "--scenario",
            "flash-crash",
            "--speed",
            "60",
            "--account",
            "a:b:5",
        ];
        let face = start(&parse(&words).expect("parsed")).expect("started");
        let held = face.with(|venue| {
            let id = venue.account_of("a").expect("account");
            let symbol = crate::domain::Symbol::new("BTCUSDT");
            assert!(venue.mark(&symbol).is_some());
            venue.account_summary(id).expect("summary").equity
        });
        assert_eq!(held, Money::of(Decimal::from(5)));
    }

    #[test]
    fn a_tape_is_compressed_onto_the_clock() {
        let tape = scenario::by_name(SCENARIO, 1).expect("scenario").tape;
        let now = Timestamp::from_millis(1_000);
        let played = onto_clock(tape, Decimal::from(50), now);
        assert_eq!((played.start, played.step_ms), (now, 100));
    }
}
