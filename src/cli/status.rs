//! `plimsoll status`: accounts and positions, once.

use std::collections::BTreeMap;

use clap::Args;
use rust_decimal::Decimal;
use serde::Serialize;

use super::connect::{self, ConfigArg};
use super::exit::Exit;
use super::terminal::{print, warn};
use crate::config::Config;
use crate::domain::{Price, Symbol, Timestamp};
use crate::exchange::Port;
use crate::guard::Guard;
use crate::guard::action::{BalanceView, PositionView};
use crate::guard::event::Event;
use crate::net::clock::Clock;
use crate::telegram::render;

/// Decimal places of computed amounts.
const PLACES: u32 = 8;

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Print one JSON object; exact decimals are strings.
    #[arg(long)]
    json: bool,
}

/// The stable JSON face of a position.
#[derive(Serialize)]
struct PositionJson<'a> {
    symbol: &'a str,
    side: String,
    quantity: String,
    entry_price: String,
    mark_price: String,
    margin_mode: String,
    leverage: Option<u32>,
    isolated_margin: String,
    unrealized_pnl: String,
    liquidation_price: Option<String>,
    exchange_liquidation_price: Option<String>,
    distance_pct: Option<f64>,
    margin_ratio: Option<f64>,
    level: String,
    act_price: Option<String>,
    breach_probability: Option<f64>,
    maintenance_margin: String,
}

#[derive(Serialize)]
struct StatusJson<'a> {
    exchange: &'a str,
    at_ms: i64,
    mode: String,
    blind: &'a [String],
    balances: &'a [BalanceView],
    positions: Vec<PositionJson<'a>>,
}

pub(super) async fn run(args: StatusArgs) -> anyhow::Result<Exit> {
    let (path, config) = args.config.load()?;
    let clock = Clock::wall();
    let port = connect::port(&path, &config, &clock)?;
    let offset = port.sync_clock().await?;
    let Looked { guard, now, .. } = look(&port, &config, &clock, offset).await?;
    let view = guard.view(now);
    if args.json {
        let status = StatusJson {
            exchange: &config.exchange.name,
            at_ms: view.at.as_millis(),
            mode: view.mode.to_string(),
            blind: &view.blind,
            balances: &view.balances,
            positions: view.positions.iter().map(position_json).collect(),
        };
        print(serde_json::to_string(&status)?)?;
    } else {
        print(render::status(&view))?;
    }
    Ok(Exit::Success)
}

/// What was read.
pub(super) struct Looked {
    pub(super) guard: Guard,
    /// The present of the exchange.
    pub(super) now: Timestamp,
    /// Prices are multiples of these.
    pub(super) ticks: BTreeMap<Symbol, Decimal>,
}

/// Reads the account once and lets a guard look at it; nothing can be sent from here.
pub(super) async fn look<P: Port>(
    port: &P,
    config: &Config,
    clock: &Clock,
    offset_ms: i64,
) -> anyhow::Result<Looked> {
    let account = port.account().await?;
    let mut symbols: Vec<Symbol> = Vec::new();
    for event in &account {
        if let Event::Account(account) = event {
            symbols.extend(account.positions.iter().map(|held| held.key.symbol.clone()));
        }
    }
    symbols.sort();
    symbols.dedup();
    let rules = port.rules(&symbols).await?;
    // Without a history there is no forecast, but all else.
    let history = match port.history(&symbols).await {
        Ok(history) => history,
        Err(error) => {
            warn(format!("plimsoll: past prices cannot be read: {error}"));
            Vec::new()
        }
    };
    let now = clock.now().plus_ms(offset_ms);
    let mut guard = Guard::new(config.policy.clone(), now);
    let mut ticks = BTreeMap::new();
    for event in &rules {
        if let Event::Instruments(instruments) = event {
            ticks.extend(
                instruments
                    .iter()
                    .map(|listed| (listed.symbol.clone(), listed.tick)),
            );
        }
    }
    for event in rules.into_iter().chain(history).chain(account) {
        guard.handle(event, now);
    }
    Ok(Looked { guard, now, ticks })
}

fn position_json(view: &PositionView) -> PositionJson<'_> {
    PositionJson {
        symbol: view.symbol.as_str(),
        side: view.side.to_string(),
        quantity: view.quantity.to_string(),
        entry_price: view.entry_price.to_string(),
        mark_price: view.mark_price.to_string(),
        margin_mode: view.margin_mode.to_string(),
        leverage: view.leverage,
        isolated_margin: view.isolated_margin.to_string(),
        unrealized_pnl: view
            .unrealized_pnl
            .round_display(PLACES)
            .normalize()
            .to_string(),
        liquidation_price: view.liquidation_price.map(shown),
        exchange_liquidation_price: view.exchange_liquidation_price.map(shown),
        distance_pct: view.distance_pct,
        margin_ratio: view.margin_ratio,
        level: view.level.to_string(),
        act_price: view.act_price.map(shown),
        breach_probability: view.breach_probability,
        maintenance_margin: view
            .maintenance_margin
            .round_display(PLACES)
            .normalize()
            .to_string(),
    }
}

/// Computed prices are shown with as many places as the exchange gives them.
fn shown(price: Price) -> String {
    price.round_display(PLACES).normalize().to_string()
}
