//! `plimsoll plan`: what lies ahead of each position and what would be done, once.

use clap::Args;
use serde::Serialize;

use super::connect::{self, ConfigArg};
use super::exit::Exit;
use super::status;
use super::terminal::{print, warn};
use crate::exchange::Port;
use crate::guard::outlook::Outlook;
use crate::net::clock::Clock;
use crate::telegram;

pub(super) const EXAMPLES: &str = "Examples:
  plimsoll plan
  plimsoll plan --config my.toml --json

Costs are in the settlement asset: fees and slippage at the prices expected, then the same there and
back with the loss in a liquidation and the cost of acting again by their chances. Above the act price
the rescue is worked out for the moment at which that is reached.";

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Print one JSON object; exact decimals are strings.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct PlanJson<'a> {
    exchange: &'a str,
    at_ms: i64,
    mode: String,
    preset: &'a str,
    blind: &'a [String],
    positions: Vec<Outlook>,
}

pub(super) async fn run(args: PlanArgs) -> anyhow::Result<Exit> {
    let (path, config) = args.config.load()?;
    let clock = Clock::wall();
    let port = connect::port(&path, &config, &clock)?;
    let offset = port.sync_clock().await?;
    let (guard, now) = status::look(&port, &config, &clock, offset).await?;
    let (view, positions) = (guard.view(now), guard.outlook(now));
    if args.json {
        let plan = PlanJson {
            exchange: &config.exchange.name,
            at_ms: now.as_millis(),
            mode: view.mode.to_string(),
            preset: config.policy.triggers.preset.name(),
            blind: &view.blind,
            positions,
        };
        print(serde_json::to_string(&plan)?)?;
        return Ok(Exit::Success);
    }
    for reason in &view.blind {
        warn(format!("plimsoll: {reason}"));
    }
    print(telegram::ahead(&positions))?;
    Ok(Exit::Success)
}
