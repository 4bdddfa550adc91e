//! `plimsoll plan`: what lies ahead of each position and what would be done, once.

use std::collections::BTreeMap;

use clap::Args;
use rust_decimal::Decimal;
use serde::Serialize;

use super::connect::{self, ConfigArg};
use super::exit::Exit;
use super::status;
use super::terminal::{print, warn};
use crate::domain::{Money, PositionKey, Price, Quantity, Side, Symbol};
use crate::exchange::Port;
use crate::guard::intent::Scope;
use crate::guard::outlook::{Choice, Odds, Outlook};
use crate::net::clock::Clock;
use crate::telegram;

pub(super) const EXAMPLES: &str = "Examples:
  plimsoll plan
  plimsoll plan --config my.toml --json

Costs are in the settlement asset: fees and slippage at the prices expected, then the same there and
back with the loss in a liquidation and the cost of acting again by their chances. Above the act price
the rescue is worked out for the moment at which that is reached. In JSON the two are `cost` and
`cost_with_risk`.";

/// Decimal places of a price whose tick is not known.
const PLACES: u32 = 8;

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
    positions: Vec<Ahead<'a>>,
}

/// The stable JSON face of an outlook. Computed prices are whole ticks, rounded towards the mark, so that
/// nobody who goes by them is late.
#[derive(Serialize)]
struct Ahead<'a> {
    key: &'a PositionKey,
    scope: &'a Scope,
    side: Side,
    quantity: Quantity,
    mark_price: Price,
    liquidation_price: Option<Price>,
    distance_pct: Option<f64>,
    act_price: Option<Price>,
    acts_now: bool,
    time_needed_ms: i64,
    odds: &'a [Odds],
    one_in_twenty_ms: Option<i64>,
    bad_day_pct: Option<f64>,
    rescue: Option<RescueJson<'a>>,
}

#[derive(Serialize)]
struct RescueJson<'a> {
    at: Price,
    chosen: Option<ChoiceJson<'a>>,
    others: Vec<ChoiceJson<'a>>,
    waiting: Money,
    target_distance_pct: f64,
    remarks: &'a [String],
}

#[derive(Serialize)]
struct ChoiceJson<'a> {
    label: &'a str,
    /// Fees and slippage.
    cost: Money,
    /// The same there and back, with the chance-weighted loss in a liquidation.
    cost_with_risk: Money,
    new_money: Money,
    liquidation_price: Option<Price>,
    distance_pct: f64,
}

impl<'a> Ahead<'a> {
    fn of(outlook: &'a Outlook, ticks: &BTreeMap<Symbol, Decimal>) -> Self {
        let tick = ticks.get(&outlook.key.symbol).copied();
        let mark = outlook.mark_price;
        let shown = |price: Price| match tick.filter(|tick| tick.is_sign_positive()) {
            Some(tick) if price < mark => price.ceil_to(tick).min(mark),
            Some(tick) if price > mark => price.floor_to(tick).max(mark),
            Some(_) | None => Price::of(price.round_display(PLACES).normalize()),
        };
        let choice = |choice: &'a Choice| ChoiceJson {
            label: &choice.label,
            cost: choice.cost,
            cost_with_risk: choice.price,
            new_money: choice.new_money,
            liquidation_price: choice.liquidation_price.map(shown),
            distance_pct: choice.distance_pct,
        };
        Self {
            key: &outlook.key,
            scope: &outlook.scope,
            side: outlook.side,
            quantity: outlook.quantity,
            mark_price: mark,
            liquidation_price: outlook.liquidation_price.map(shown),
            distance_pct: outlook.distance_pct,
            act_price: outlook.act_price.map(shown),
            acts_now: outlook.acts_now,
            time_needed_ms: outlook.time_needed_ms,
            odds: &outlook.odds,
            one_in_twenty_ms: outlook.one_in_twenty_ms,
            bad_day_pct: outlook.bad_day_pct,
            rescue: outlook.rescue.as_ref().map(|rescue| RescueJson {
                at: shown(rescue.at),
                chosen: rescue.chosen.as_ref().map(choice),
                others: rescue.others.iter().map(choice).collect(),
                waiting: rescue.waiting,
                target_distance_pct: rescue.target_distance_pct,
                remarks: &rescue.remarks,
            }),
        }
    }
}

pub(super) async fn run(args: PlanArgs) -> anyhow::Result<Exit> {
    let (path, config) = args.config.load()?;
    let clock = Clock::wall();
    let port = connect::port(&path, &config, &clock)?;
    let offset = port.sync_clock().await?;
    let looked = status::look(&port, &config, &clock, offset).await?;
    let now = looked.now;
    let (view, positions) = (looked.guard.view(now), looked.guard.outlook(now));
    if args.json {
        let plan = PlanJson {
            exchange: &config.exchange.name,
            at_ms: now.as_millis(),
            mode: view.mode.to_string(),
            preset: config.policy.triggers.preset.name(),
            blind: &view.blind,
            positions: positions
                .iter()
                .map(|outlook| Ahead::of(outlook, &looked.ticks))
                .collect(),
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
