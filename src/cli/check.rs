//! `plimsoll check`: is everything in place, and what would be guarded? Never acts.

use std::time::Duration;

use clap::Args;

use super::connect::{self, ConfigArg};
use super::exit::Exit;
use super::exit::UsageError;
use super::status::{self, Looked};
use super::terminal::say;
use crate::agent::{check_key, check_transfer};
use crate::config::{Config, Urls};
use crate::domain::Symbol;
use crate::exchange::Port;
use crate::guard::action::PositionView;
use crate::guard::event::Event;
use crate::guard::explain;
use crate::journal::{InstanceLock, LockError};
use crate::net::clock::Clock;
use crate::telegram::render;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: CheckArgs) -> anyhow::Result<Exit> {
    let (path, config) = args.config.load()?;
    say(format!("ok    configuration {}", path.display()));
    data_dir(&config)?;
    let clock = Clock::wall();
    let port = connect::port(&path, &config, &clock)?;
    let before = clock.monotonic_ms();
    let offset = port.sync_clock().await?;
    let round_trip = clock.monotonic_ms() - before;
    say(format!(
        "ok    {} answers in {round_trip} ms; its clock is {} ms {} this machine's",
        config.exchange.urls.rest,
        offset.abs(),
        if offset < 0 { "behind" } else { "ahead of" },
    ));
    let permissions = port.permissions().await?;
    let warnings = check_key(permissions, config.exchange.allow_wallet_transfer)?;
    check_transfer(permissions, &config.policy)?;
    say("ok    the key may read and trade futures, and may not withdraw");
    for warning in warnings {
        say(format!("warn  {warning}"));
    }
    streams(&config).await?;
    let Looked { guard, now, .. } = status::look(&port, &config, &clock, offset).await?;
    let view = guard.view(now);
    let budgets = &config.policy.budgets;
    say(format!(
        "ok    mode {}",
        connect::mode_sentence(config.policy.mode)
    ));
    say(format!(
        "ok    budgets: add at most {} per action and {} per position and day, keep {} free, trim at most {} % per action",
        explain::money(budgets.add_per_action),
        explain::money(budgets.add_per_position_day),
        explain::money(budgets.keep_available),
        budgets.trim_per_action.as_pct().normalize(),
    ));
    if view.positions.is_empty() {
        say("ok    no open position; a new one is guarded as soon as it appears");
    }
    for position in &view.positions {
        say(one(position, config.policy.may_touch(&position.symbol)));
    }
    for symbol in unknown(&port, &config).await? {
        say(format!(
            "warn  symbols names {symbol}, but the exchange lists no such contract: write it as the exchange does, like BTCUSDT"
        ));
    }
    for reason in &view.blind {
        say(format!("warn  {reason}"));
    }
    match config.telegram.enabled {
        true => say(
            "ok    Telegram is configured; `plimsoll run` shows the pairing code if none is paired",
        ),
        false => say("warn  Telegram is off: messages appear only where `plimsoll run` runs"),
    }
    if let Some(warning) = connect::unanswerable(&config) {
        say(format!("warn  {warning}"));
    }
    say("Nothing was sent to the exchange but questions.");
    Ok(Exit::Success)
}

/// A stream that does not open within this time is taken to be away.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

fn one(position: &PositionView, may_touch: bool) -> String {
    let line = position
        .liquidation_price
        .or(position.exchange_liquidation_price);
    let standing = format!(
        "{} {}: mark {}, line {}",
        position.symbol,
        position.side,
        explain::price(position.mark_price),
        render::optional_price(line),
    );
    if may_touch {
        let act = render::optional_price(position.act_price);
        format!("ok    would guard {standing}, acts at {act}")
    } else {
        format!("warn  would only watch {standing}; not in symbols, so nothing is done for it")
    }
}

/// Can `run` keep its journal? The same steps as there, without a journal.
fn data_dir(config: &Config) -> anyhow::Result<()> {
    let shown = config.data_dir.display();
    match InstanceLock::acquire(&config.data_dir, &config.exchange.name) {
        Ok(_lock) => say(format!("ok    data directory {shown}")),
        Err(held @ LockError::Held { .. }) => say(format!("warn  {held}")),
        Err(error @ LockError::Unusable { .. }) => return Err(error.into()),
    }
    Ok(())
}

/// Do the streams answer? Whoever refuses a stream without a name is there all the same.
async fn streams(config: &Config) -> anyhow::Result<()> {
    let Urls {
        ws_public,
        ws_market,
        ws_private,
        ..
    } = &config.exchange.urls;
    for (key, url) in [
        ("ws_public", ws_public),
        ("ws_market", ws_market),
        ("ws_private", ws_private),
    ] {
        let address = format!("{url}/ws");
        let connecting = tokio_tungstenite::connect_async(address.as_str());
        let away = match tokio::time::timeout(CONNECT_WITHIN, connecting).await {
            Ok(Ok(_) | Err(tokio_tungstenite::tungstenite::Error::Http(_))) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", CONNECT_WITHIN.as_secs()),
        };
        return Err(UsageError::unavailable(format!(
            "the stream {url} ({key} in [exchange.urls]) cannot be reached: {away}; without it nothing is guarded"
        ))
        .into());
    }
    say("ok    the three streams answer");
    Ok(())
}

/// Configured symbols that the exchange does not list.
async fn unknown<P: Port>(port: &P, config: &Config) -> anyhow::Result<Vec<Symbol>> {
    let wanted = config.policy.symbols.iter();
    let mut unknown: Vec<Symbol> = wanted.map(|name| Symbol::new(name)).collect();
    if unknown.is_empty() {
        return Ok(unknown);
    }
    for event in port.rules(&unknown).await? {
        if let Event::Instruments(listed) = event {
            unknown.retain(|symbol| listed.iter().all(|listed| listed.symbol != *symbol));
        }
    }
    Ok(unknown)
}
