//! `plimsoll check`: is everything in place, and what would be guarded? Never acts.

use clap::Args;

use super::connect::{self, ConfigArg};
use super::exit::Exit;
use super::status;
use super::terminal::say;
use crate::agent::{check_key, check_transfer};
use crate::exchange::Port;
use crate::guard::explain;
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
    let (guard, now) = status::look(&port, &config, &clock, offset).await?;
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
        say(format!(
            "ok    would guard {} {}: mark {}, line {}, acts at {}",
            position.symbol,
            position.side,
            explain::price(position.mark_price),
            render::optional_price(
                position
                    .liquidation_price
                    .or(position.exchange_liquidation_price)
            ),
            render::optional_price(position.act_price),
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
