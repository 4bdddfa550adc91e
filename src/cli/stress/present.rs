//! The account that is put under stress, with the markets it is in.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::connect::{self, ConfigArg};
use super::super::exit::UsageError;
use super::super::liq;
use crate::domain::{Account, Instrument, Rate, Symbol, TierTable};
use crate::exchange::Port;
use crate::guard::event::{Event, Mode};
use crate::guard::policy::Policy;
use crate::net::clock::Clock;
use crate::replay::world::{Present, PresentError, World};
use crate::sim::Market;
use crate::sim::market::for_symbol;

/// Everything that stays the same in all scenarios.
pub(super) struct Ready {
    pub(super) present: Present,
    pub(super) policy: Policy,
    pub(super) taker_fee: Rate,
    /// Where account and limits come from.
    pub(super) origin: String,
    pub(super) limits: &'static str,
    pub(super) notes: Vec<String>,
}

/// An account from a file; the guard has its default limits.
pub(super) fn from_file(file: &Path) -> anyhow::Result<Ready> {
    let held = liq::read(file)?;
    let liq::Held {
        account,
        tiers,
        taker_fee,
        mut notes,
    } = held;
    let mut markets = BTreeMap::new();
    for (symbol, table) in tiers {
        let position = account.positions.iter();
        let Some(position) = position.clone().find(|held| held.key.symbol == symbol) else {
            continue;
        };
        let mut market = for_symbol(&symbol, position.mark_price);
        if market.generic {
            notes.push(format!(
                "price steps and order sizes of {symbol} are typical ones"
            ));
        }
        market.tiers = table;
        market
            .instrument
            .margin_asset
            .clone_from(&position.margin_asset);
        markets.insert(symbol, market);
    }
    Ok(Ready {
        present: Present::new(account, markets).map_err(refuse)?,
        policy: Policy::default(),
        taker_fee: taker_fee.unwrap_or(World::default().taker_fee),
        origin: match file.to_str() {
            Some("-") => "standard input".to_owned(),
            Some(_) | None => file.display().to_string(),
        },
        limits: "the default limits",
        notes,
    })
}

/// The account as the exchange shows it now, read once; the guard has the configured limits.
pub(super) async fn from_exchange(config: &ConfigArg) -> anyhow::Result<Ready> {
    let (path, config) = config.load()?;
    let clock = Clock::wall();
    let port = connect::port(&path, &config, &clock)?;
    port.sync_clock().await?;
    let mut account = Account::default();
    for event in port.account().await? {
        if let Event::Account(picture) = event {
            account = picture;
        }
    }
    let symbols: Vec<Symbol> = account
        .positions
        .iter()
        .map(|held| held.key.symbol.clone())
        .collect();
    let mut rules = Rules::default();
    for event in port.rules(&symbols).await? {
        rules.take(event);
    }
    let mut notes = Vec::new();
    if config.policy.mode != Mode::Auto {
        notes.push(format!(
            "your configuration says mode {}; here the guard acts on its own",
            config.policy.mode
        ));
    }
    Ok(Ready {
        taker_fee: rules.fee.unwrap_or(config.policy.fallback_fee),
        present: Present::new(account, rules.markets()).map_err(refuse)?,
        policy: config.policy,
        origin: config.exchange.name,
        limits: "your limits",
        notes,
    })
}

/// What was read of the rules.
#[derive(Default)]
struct Rules {
    instruments: Vec<Instrument>,
    tiers: BTreeMap<Symbol, TierTable>,
    fee: Option<Rate>,
}

impl Rules {
    fn take(&mut self, event: Event) {
        if let Event::Instruments(instruments) = event {
            self.instruments.extend(instruments);
        } else if let Event::Tiers { symbol, table } = event {
            self.tiers.insert(symbol, table);
        } else if let Event::TakerFee { rate, .. } = event {
            // One fee for all: the highest is the careful one.
            self.fee = self.fee.max(Some(rate));
        }
    }

    fn markets(&self) -> BTreeMap<Symbol, Market> {
        let market = |instrument: &Instrument| {
            let tiers = self.tiers.get(&instrument.symbol)?.clone();
            let market = Market {
                instrument: instrument.clone(),
                tiers,
                generic: false,
            };
            Some((instrument.symbol.clone(), market))
        };
        self.instruments.iter().filter_map(market).collect()
    }
}

fn refuse(error: PresentError) -> UsageError {
    UsageError::bad_input(error.to_string())
}
