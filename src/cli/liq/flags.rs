//! One position from flags.

use std::str::FromStr;

use clap::Args;
use rust_decimal::Decimal;

use super::super::exit::UsageError;
use super::account::{Account, Stated};
use super::input::check_taker_fee;
use super::json::{Wrong, echo};
use crate::domain::{
    ContractKind, Leverage, MarginMode, Money, Price, Quantity, Rate, Side, Tier, TierTable,
};
use crate::margin::Venue;

/// A close match in a file of key paths and the flag that says the same.
const FLAGS: &[(&str, &str)] = &[
    ("tiers", "--symbol"),
    ("symbol", "--symbol"),
    ("quantity", "--quantity"),
    ("entry_price", "--entry"),
    ("mark_price", "--mark"),
    ("leverage", "--leverage"),
    ("isolated_margin", "--margin"),
    ("wallet_balance", "--wallet"),
    ("contract", "--contract"),
    ("contract_size", "--contract-size"),
    ("taker_fee_rate", "--taker-fee"),
];

/// The flags that describe one position.
#[derive(Debug, Args)]
pub(super) struct PositionArgs {
    /// binance-usdm, binance-coinm, bybit, okx or hyperliquid.
    #[arg(long, value_name = "NAME", help_heading = "One position")]
    pub(super) exchange: Option<Venue>,
    /// The contract as the exchange names it: BTCUSDT, BTC-USDT-SWAP, BTC.
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "One position",
        requires = "exchange"
    )]
    symbol: Option<String>,
    /// long (gains when the price rises) or short.
    #[arg(long, value_name = "SIDE", value_parser = side, help_heading = "One position", requires = "symbol")]
    side: Option<Side>,
    /// Size without sign: in contracts, which are base coins on binance-usdm, bybit linear and
    /// hyperliquid.
    #[arg(
        long,
        value_name = "SIZE",
        allow_hyphen_values = true,
        help_heading = "One position",
        requires = "symbol"
    )]
    quantity: Option<Quantity>,
    /// Average entry price.
    #[arg(
        long,
        value_name = "PRICE",
        allow_hyphen_values = true,
        help_heading = "One position",
        requires = "symbol"
    )]
    entry: Option<Price>,
    /// Mark price now [default: the entry price].
    #[arg(
        long,
        value_name = "PRICE",
        allow_hyphen_values = true,
        help_heading = "One position",
        requires = "symbol"
    )]
    mark: Option<Price>,
    /// Leverage set for the position.
    #[arg(long, value_name = "TIMES", value_parser = leverage, allow_hyphen_values = true, help_heading = "One position", requires = "symbol")]
    leverage: Option<Leverage>,
    /// isolated or cross [default: cross with --wallet, otherwise isolated].
    #[arg(long, value_name = "MODE", value_parser = margin_mode, help_heading = "One position", requires = "symbol")]
    margin_mode: Option<MarginMode>,
    /// Margin of an isolated position, without unrealised profit [default: the initial margin,
    /// entry value / leverage].
    #[arg(
        long,
        value_name = "AMOUNT",
        allow_hyphen_values = true,
        help_heading = "One position",
        requires = "symbol"
    )]
    margin: Option<Money>,
    /// Wallet balance that backs a cross position, without unrealised profit.
    #[arg(
        long,
        value_name = "AMOUNT",
        allow_hyphen_values = true,
        help_heading = "One position",
        requires = "symbol",
        conflicts_with = "margin"
    )]
    wallet: Option<Money>,
    /// linear (profit in USDT or USDC) or inverse (profit in the coin) [default: from the symbol].
    #[arg(long, value_name = "KIND", value_parser = contract, help_heading = "One position", requires = "symbol")]
    contract: Option<ContractKind>,
    /// Base coins (linear) or dollars (inverse) of one contract [default: built in].
    #[arg(long, value_name = "SIZE", value_parser = positive, allow_hyphen_values = true, help_heading = "One position", requires = "symbol")]
    contract_size: Option<Decimal>,
    /// Your taker fee, such as 0.05% [default: built in].
    #[arg(long, value_name = "RATE", value_parser = taker_fee, allow_hyphen_values = true, help_heading = "One position", requires = "symbol")]
    taker_fee: Option<Rate>,
    /// Maintenance margin rate for any size, such as 0.4%, instead of the built-in table.
    #[arg(long, value_name = "RATE", value_parser = maintenance_rate, allow_hyphen_values = true, help_heading = "One position", requires = "symbol")]
    maintenance_rate: Option<Rate>,
    /// Maintenance deduction that belongs to that rate.
    #[arg(
        long,
        value_name = "AMOUNT",
        allow_hyphen_values = true,
        help_heading = "One position",
        requires = "maintenance_rate"
    )]
    deduction: Option<Money>,
    /// Price tick: shows OKX's own liquidation price, which is a tick off.
    #[arg(long, value_name = "SIZE", value_parser = positive, allow_hyphen_values = true, help_heading = "One position", requires = "symbol")]
    tick: Option<Decimal>,
    /// Next funding rate, such as 0.01% (positive: longs pay): shows the line after it.
    #[arg(long, value_name = "RATE", value_parser = rate, allow_hyphen_values = true, help_heading = "One position", requires = "symbol")]
    funding_rate: Option<Rate>,
}

impl PositionArgs {
    /// The account that the flags state.
    pub(super) fn account(&self) -> Result<Account, UsageError> {
        let lacks = |flag: &str| {
            UsageError::new(format!(
                "{flag} is missing: one position needs --exchange, --symbol, --side, --quantity and --entry; a whole account comes from --input FILE (see `plimsoll liq --help`)"
            ))
        };
        let venue = self.exchange.ok_or_else(|| lacks("--exchange"))?;
        let quantity = self.quantity.ok_or_else(|| lacks("--quantity"))?;
        if !quantity.is_positive() {
            return Err(UsageError::new(
                "--quantity must be above 0; the direction is told by --side",
            ));
        }
        let margin_mode = self.margin_mode.unwrap_or(match self.wallet {
            Some(_) => MarginMode::Cross,
            None => MarginMode::Isolated,
        });
        match (margin_mode, self.margin, self.wallet) {
            (MarginMode::Cross, Some(_), _) => {
                return Err(UsageError::new(
                    "--margin belongs to an isolated position; a cross position is backed by --wallet",
                ));
            }
            (MarginMode::Cross, None, None) => {
                return Err(UsageError::new(
                    "--wallet is missing: a cross position is backed by the wallet balance without unrealised profit",
                ));
            }
            (MarginMode::Isolated, _, Some(_)) => {
                return Err(UsageError::new(
                    "--wallet backs cross positions; an isolated one has its --margin",
                ));
            }
            (MarginMode::Isolated, None, None) if self.leverage.is_none() => {
                return Err(UsageError::new(
                    "--margin or --leverage is missing: without them the margin of an isolated position is not known",
                ));
            }
            (MarginMode::Cross, None, Some(_)) | (MarginMode::Isolated, _, None) => {}
        }
        Ok(Account {
            venue,
            wallet: self.wallet,
            wallets: Vec::new(),
            taker_fee: self.taker_fee,
            hedge: false,
            mode: None,
            collateral: Vec::new(),
            reserved: Money::ZERO,
            other_maintenance: Money::ZERO,
            positions: vec![Stated {
                symbol: self.symbol.clone().ok_or_else(|| lacks("--symbol"))?,
                contract: self.contract,
                margin_mode,
                side: self.side.ok_or_else(|| lacks("--side"))?,
                quantity,
                contract_size: self.contract_size,
                entry: self.entry.ok_or_else(|| lacks("--entry"))?,
                mark: self.mark,
                margin: self.margin,
                leverage: self.leverage,
                tiers: self.tiers()?,
                family: None,
                settle: None,
                tick: self.tick,
                funding: self.funding_rate,
            }],
            opens_with_initial_margin: true,
        })
    }

    fn tiers(&self) -> Result<Option<TierTable>, UsageError> {
        let Some(maintenance_rate) = self.maintenance_rate else {
            return Ok(None);
        };
        let deduction = self.deduction.unwrap_or_default();
        if deduction.is_negative() {
            return Err(UsageError::new("--deduction must be 0 or more"));
        }
        let tier = Tier {
            floor: Money::ZERO,
            cap: None,
            maintenance_rate,
            deduction,
            max_leverage: 1_000.into(),
        };
        let table = TierTable::new(vec![tier]);
        table.map(Some).map_err(|_| {
            UsageError::new("--maintenance-rate must be from 0 to below 100 %, such as 0.4%")
        })
    }
}

/// The complaint in the words of the flags.
pub(super) fn complain(wrong: &Wrong) -> UsageError {
    let key = wrong.place.last_key().unwrap_or_default();
    let flag = FLAGS.iter().find(|(name, _)| *name == key);
    UsageError::new(match (flag, key) {
        (Some(_), "tiers") | (None, _) => wrong.what.clone(),
        (Some((_, flag)), _) => format!("{flag} {}", wrong.what),
    })
}

fn side(text: &str) -> Result<Side, String> {
    match text.to_lowercase().as_str() {
        "long" => Ok(Side::Long),
        "short" => Ok(Side::Short),
        _ => Err("write long or short".to_owned()),
    }
}

fn margin_mode(text: &str) -> Result<MarginMode, String> {
    match text.to_lowercase().as_str() {
        "isolated" => Ok(MarginMode::Isolated),
        "cross" | "crossed" => Ok(MarginMode::Cross),
        _ => Err("write isolated or cross".to_owned()),
    }
}

fn contract(text: &str) -> Result<ContractKind, String> {
    match text.to_lowercase().as_str() {
        "linear" => Ok(ContractKind::Linear),
        "inverse" => Ok(ContractKind::Inverse),
        _ => Err("write linear or inverse".to_owned()),
    }
}

pub(super) fn leverage(text: &str) -> Result<Leverage, String> {
    let digits = text.trim().trim_end_matches(['x', 'X', '×']);
    let found: Leverage = digits
        .parse()
        .map_err(|error| format!("{error}; write 20 or 20x"))?;
    if found < 1.into() {
        return Err("must be 1 or more".to_owned());
    }
    Ok(found)
}

fn positive(text: &str) -> Result<Decimal, String> {
    let number = Quantity::from_str(text).map_err(|error| error.to_string())?;
    if number.is_positive() {
        Ok(number.get())
    } else {
        Err("must be above 0".to_owned())
    }
}

/// A fraction: `0.05%` or `0.0005`.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let text = text.trim();
    match text.strip_suffix('%') {
        Some(digits) => {
            let percent = Rate::from_str(digits).map_err(|error| error.to_string())?;
            Ok(Rate::from_pct(percent.get()))
        }
        None => Rate::from_str(text)
            .map_err(|_| format!("{} is no rate; write 0.05% or 0.0005", echo(text))),
    }
}

fn taker_fee(text: &str) -> Result<Rate, String> {
    check_taker_fee(rate(text)?)
}

fn maintenance_rate(text: &str) -> Result<Rate, String> {
    let found = rate(text)?;
    if !text.contains('%') && found.get() >= Decimal::new(1, 1) {
        let percent = found.as_pct().normalize();
        return Err(format!(
            "means {percent} %; write the percent sign, as in 0.4%"
        ));
    }
    if found.is_negative() || found >= Rate::ONE {
        return Err("must be from 0 to below 100 %".to_owned());
    }
    Ok(found)
}

/// A share below all of it: `0.1%` or `0.001`.
pub(super) fn slippage(text: &str) -> Result<Rate, String> {
    let found = rate(text)?;
    if found.is_negative() || found >= Rate::of(Decimal::new(5, 1)) {
        return Err("must be from 0 to below 50 %, such as 0.1%".to_owned());
    }
    Ok(found)
}
