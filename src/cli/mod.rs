//! The commands: the only place that prints, and the only one that knows the agent.

mod accuracy;
mod calibrate;
mod check;
mod connect;
mod decode;
mod demo;
mod exchange;
mod exit;
mod journal;
mod liq;
mod plan;
mod replay;
mod report_file;
mod run;
mod signal;
mod status;
mod stress;
mod tapes;
mod terminal;
mod worlds;

use clap::{Parser, Subcommand};

pub use exit::Exit;
use terminal::warn;

/// Plimsoll guards leveraged positions against liquidation.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, about, long_about = LONG_ABOUT, after_help = EXITS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const LONG_ABOUT: &str = "Plimsoll watches your leveraged futures positions and, before the \
liquidation price, adds margin within your budgets or, where that is not enough, trims the position in the \
cheapest way. It runs on your own machine, takes its settings from one TOML file, and sends nothing in `watch` mode, which is \
the default. Start with `plimsoll demo`: it needs no key and no network.";

const EXITS: &str = "Exit codes:
   0  success; in `demo`: the guarded position survived
   2  wrong command line
   3  `demo`: the guarded position was liquidated
  65  input that cannot be read or is wrong (a broken tape or capture, an account for `liq`)
  66  input that is not there (a missing tape or file)
  69  the exchange cannot be reached or refuses
  70  a fault of Plimsoll itself
  73  the data directory, journal or output cannot be written
  77  the API key is refused or may do too much
  78  the configuration is wrong";

#[derive(Debug, Subcommand)]
enum Command {
    /// Play a crash against the real agent on a simulated exchange; no key, no network.
    Demo(demo::DemoArgs),
    /// Guard a live account until stopped.
    Run(run::RunArgs),
    /// Check configuration, connection and key; say what would be guarded. Never acts.
    Check(check::CheckArgs),
    /// Show accounts and positions once.
    Status(status::StatusArgs),
    /// Show per position the price at which it would be rescued, the odds, and the rescue with its
    /// alternatives. Never acts.
    #[command(after_help = plan::EXAMPLES)]
    Plan(plan::PlanArgs),
    /// Run the simulated exchange alone, on this machine.
    Exchange(exchange::ExchangeArgs),
    /// Show what was done and why.
    Journal(journal::JournalArgs),
    /// Show how often the agent's own forecasts came true, from the journal; offline, no key.
    #[command(long_about = accuracy::LONG, after_help = accuracy::EXAMPLES)]
    Accuracy(accuracy::AccuracyArgs),
    /// Play recorded prices through protection policies and compare what each keeps; no key, no network.
    #[command(long_about = replay::LONG, after_help = replay::EXAMPLES)]
    Replay(replay::ReplayArgs),
    /// Hold the forecast of touching the liquidation price against recorded prices; no key, no network.
    #[command(long_about = calibrate::LONG, after_help = calibrate::EXAMPLES)]
    Calibrate(calibrate::CalibrateArgs),
    /// Show how a captured exchange response is read, for bug reports; offline, no key.
    #[command(long_about = decode::LONG, after_help = decode::EXAMPLES)]
    Decode(decode::DecodeArgs),
    Liq(Box<liq::LiqArgs>),
    /// Play your positions through price shocks and recorded crashes, without and with the guard. Never acts.
    #[command(long_about = stress::LONG, after_help = stress::EXAMPLES)]
    Stress(Box<stress::StressArgs>),
}

/// Parses the command line, runs the command, and says in one sentence what went wrong.
#[must_use]
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are "errors" too, for standard output and success.
            drop(error.print());
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            };
        }
    };
    let worked = std::panic::catch_unwind(|| dispatch(cli.command));
    let exit = exit_of(worked);
    terminal::finish();
    exit
}

fn exit_of(worked: std::thread::Result<anyhow::Result<Exit>>) -> Exit {
    match worked {
        Ok(Ok(exit)) => exit,
        // As with any command whose output is cut by `head`.
        Ok(Err(error)) if terminal::is_unheard(&error) => Exit::Success,
        Ok(Err(error)) => {
            warn(format!("plimsoll: {error:#}"));
            Exit::of(&error)
        }
        Err(_) => {
            warn("plimsoll: stopped by a fault of its own; please report the lines above");
            Exit::Fault
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Journal(args) => {
            journal::run(&args, &mut std::io::stdout().lock())?;
            Ok(Exit::Success)
        }
        Command::Accuracy(args) => {
            accuracy::run(&args, &mut std::io::stdout().lock())?;
            Ok(Exit::Success)
        }
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Liq(args) => liq::run(*args),
        Command::Stress(args) => block_on(stress::run(*args)),
        Command::Replay(args) => block_on(replay::run(args)),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Run(args) => block_on(run::run(args)),
        Command::Check(args) => block_on(check::run(args)),
        Command::Status(args) => block_on(status::run(args)),
        Command::Plan(args) => block_on(plan::run(args)),
        Command::Exchange(args) => block_on(async {
            exchange::run(args).await?;
            Ok(Exit::Success)
        }),
    }
}

/// One thread for everything.
fn block_on(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = tokio::task::LocalSet::new().block_on(&runtime, work);
    runtime.shutdown_background();
    result
}
