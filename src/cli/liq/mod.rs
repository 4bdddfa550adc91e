//! `plimsoll liq`: where is the line? Needs no key, no network and no configuration.
//!
//! | file | holds |
//! |---|---|
//! | `flags`, `input` | the two ways to state an [`account`] |
//! | `json` | JSON read by key path, complaints with line and column |
//! | `tables`, `symbol` | built-in risk tables; what a contract's name says |
//! | `known`, `book` | defaults filled in, positions gathered into scopes |
//! | `held` | the account of a file for `plimsoll stress` |
//! | `notes` | what is said beside the numbers |
//! | `what_if` | the book after a move, a trim, an addition |
//! | `answer`, `text` | the numbers, for machines and for people |

mod account;
mod answer;
mod book;
mod flags;
mod held;
mod input;
mod json;
mod known;
mod notes;
mod symbol;
mod tables;
mod text;
mod what_if;

#[cfg(test)]
mod fuzz_tests;

use std::fmt::Write;
use std::path::PathBuf;

pub(super) use self::held::{Held, read};

use clap::Args;
use serde::Serialize;

use self::account::Account;
use self::answer::{After, Answer, Number, State, ratio_meaning};
use self::book::{Book, BookError};
use self::flags::PositionArgs;
use self::input::Source;
use self::json::Wrong;
use self::tables::{Table, Tables};
use self::what_if::{Amount, Move, Plan};
use super::exit::{Exit, UsageError};
use super::terminal::print;
use crate::domain::{Leverage, Money, Rate};
use crate::margin::Venue;

/// Compute where a position is liquidated; no key, no network.
#[derive(Debug, Args)]
#[command(long_about = LONG_ABOUT, after_help = SHORT_EXAMPLES, after_long_help = EXAMPLES)]
pub(super) struct LiqArgs {
    /// A whole account as JSON; `-` is standard input. Answers JSON.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["PositionArgs", "list"],
    )]
    input: Option<PathBuf>,
    /// List the contracts whose risk tiers are built in.
    #[arg(long, conflicts_with_all = ["symbol", "price", "funding", "trim", "recycle", "leverage_to", "add", "position"])]
    list: bool,
    /// Answer in JSON; exact decimals are strings.
    #[arg(long, conflicts_with = "text")]
    json: bool,
    /// Answer for people; what flags do anyway.
    #[arg(long)]
    text: bool,
    #[command(flatten)]
    position: PositionArgs,
    #[command(flatten)]
    what_if: WhatIfArgs,
}

/// What may be tried, in the order in which it is applied.
#[derive(Debug, Args)]
struct WhatIfArgs {
    /// Mark prices move first: -8% (all), BTCUSDT=-8%, BTCUSDT=95000, or 95000 with one symbol.
    #[arg(
        long,
        value_name = "MOVE",
        allow_hyphen_values = true,
        help_heading = "What if"
    )]
    price: Vec<Move>,
    /// Pay one funding at the given funding rate.
    #[arg(long, help_heading = "What if")]
    funding: bool,
    /// Close a part at mark: 20% or a quantity.
    #[arg(
        long,
        value_name = "PART",
        allow_hyphen_values = true,
        help_heading = "What if",
        conflicts_with = "recycle"
    )]
    trim: Option<Amount>,
    /// Close a part and put the margin that this frees back.
    #[arg(
        long,
        value_name = "PART",
        allow_hyphen_values = true,
        help_heading = "What if"
    )]
    recycle: Option<Amount>,
    /// How much worse than mark the part is closed, such as 0.1%.
    #[arg(long, value_name = "RATE", value_parser = flags::slippage, allow_hyphen_values = true, help_heading = "What if")]
    slippage: Option<Rate>,
    /// Change the leverage of the open position.
    #[arg(long, value_name = "TIMES", value_parser = flags::leverage, allow_hyphen_values = true, help_heading = "What if")]
    leverage_to: Option<Leverage>,
    /// Add margin: to the position (isolated) or to the wallet (cross); negative takes out.
    #[arg(
        long,
        value_name = "AMOUNT",
        allow_hyphen_values = true,
        help_heading = "What if"
    )]
    add: Option<Money>,
    /// Which position is meant: SYMBOL, SYMBOL/long or SYMBOL/short.
    #[arg(long, value_name = "NAME", help_heading = "What if")]
    position: Option<String>,
}

const LONG_ABOUT: &str = "Computes where a leveraged position is liquidated, by the exchange's own \
rules: isolated and cross, linear and inverse, with risk tiers, and what adding margin, trimming or a \
move of the price would change. It needs no key, no network and no configuration.

State one position with flags, or a whole account with --input. The line is where the MARK price (not \
the last price) makes the equity equal to the maintenance margin. Funding, fees of orders and further \
trades move it.";

const SHORT_EXAMPLES: &str = "Example:
  plimsoll liq --exchange binance-usdm --symbol BTCUSDT --side long --quantity 0.5 --entry 100000 --leverage 20

`plimsoll liq --help` explains everything, `plimsoll liq --list` shows the built-in contracts.";

const EXAMPLES: &str = "Examples:
  A long of 0.5 BTC at 100,000 with 20x, and what 500 USDT more would change:
    plimsoll liq --exchange binance-usdm --symbol BTCUSDT --side long --quantity 0.5 \\
        --entry 100000 --leverage 20 --mark 97000 --add 500

  A cross account, if everything falls by 8 %:
    plimsoll liq --input account.json --price -8% --text

  account.json:
    {\"exchange\": \"bybit\", \"wallet_balance\": \"5000\", \"taker_fee_rate\": \"0.00055\",
     \"positions\": [
       {\"symbol\": \"BTCUSDT\", \"margin_mode\": \"cross\", \"side\": \"long\", \"quantity\": \"0.2\",
        \"entry_price\": \"60000\", \"mark_price\": \"58000\", \"leverage\": \"10\"}]}

Keys of the account (numbers may stand in quotes; null means missing):
  exchange            binance-usdm, binance-coinm, bybit, okx, hyperliquid
  wallet_balance      cross wallet of the settlement asset, without isolated wallets and
                      unrealised profit (hyperliquid: account value minus unrealised profit)
  wallets             instead of it, with several settlement assets: {\"USDT\": …, \"BTC\": …}
  taker_fee_rate      0.05 % is 0.0005; inside the line at bybit and okx
  position_mode       one-way (default) or hedge (a long and a short of one symbol)
  account_mode        single-currency, multi-currency, multi-assets, unified;
                      portfolio margin has no published formula and is refused
  collateral          other assets that back cross positions: [{\"asset\", \"amount\",
                      \"price\" (in the wallet's unit), \"ratio\" (0 to 1) or
                      \"steps\": [{\"cap\", \"rate\"}], \"debt_factor\", \"follows\": SYMBOL}]
  reserved            taken off the equity for open orders
  other_maintenance   maintenance of open orders and loans
  positions           a list of:
    symbol, side (long, short), margin_mode (isolated, cross)
    quantity          in contracts, without sign
    entry_price, mark_price (default: entry_price)
    isolated_margin   isolated wallet without unrealised profit (bybit: with its close fee;
                      hyperliquid: marginUsed minus unrealised profit)
    leverage          needed for cross positions at bybit; elsewhere for initial, free and
                      removable margin
    contract          linear or inverse (default: from the symbol)
    contract_size     base coins (linear) or dollars (inverse) of one contract
    tiers             [{\"floor\", \"cap\" (last: null), \"maintenance_rate\", \"deduction\",
                      \"max_leverage\"}] in quote currency (linear), coins (inverse) or
                      contracts (okx); default: the built-in table
    family            okx: contracts that are counted together (default: from the symbol)
    settle_asset      default: from the symbol
    tick_size         shows the price as okx displays it
    funding_rate      adds the line after one funding of this symbol

Of a cross position equity, margin ratio, free and removable margin are those of its wallet.
`close_fee` is what the venue sets aside; bybit has it inside `maintenance_margin`, okx beside it.
Limits: 16 MB, 10,000 positions, 200 tiers each.

Exit codes: 0 answered, 2 wrong command line, 65 the input is wrong, 66 there is no such input.";

/// A request as stated: flags or a file.
enum Origin {
    Flags,
    Input(Source),
}

impl Origin {
    fn complain(&self, wrong: &Wrong) -> UsageError {
        match self {
            Self::Flags => flags::complain(wrong),
            Self::Input(source) => source.complain(wrong),
        }
    }
}

pub(super) fn run(args: LiqArgs) -> anyhow::Result<Exit> {
    let tables = Tables::built_in()?;
    if args.list {
        print(list(&tables, args.position.exchange, args.json)?)?;
        return Ok(Exit::Success);
    }
    let plan = args.what_if.plan()?;
    let (origin, account) = match &args.input {
        Some(path) => {
            let source = Source::read(path)?;
            let account = source.account()?;
            (Origin::Input(source), account)
        }
        None => (Origin::Flags, args.position.account()?),
    };
    let as_json = args.json || args.input.is_some() && !args.text;
    let answer = answer(&origin, &account, &tables, &plan)?;
    if as_json {
        print(serde_json::to_string_pretty(&answer)?)?;
    } else {
        print(text::render(&answer))?;
    }
    Ok(Exit::Success)
}

/// The answer to an account, and what a plan would change.
fn answer(
    origin: &Origin,
    account: &Account,
    tables: &Tables,
    plan: &Plan,
) -> anyhow::Result<Answer> {
    let book = Book::of(account, tables).map_err(|error| match error {
        BookError::Wrong(wrong) => anyhow::Error::new(origin.complain(&wrong)),
        BookError::Broken(broken) => anyhow::Error::new(broken),
    })?;
    let mut notes = book.notes.clone();
    let now = State::of(&book).map_err(|wrong| origin.complain(&wrong))?;
    let mut refused = None;
    let after = if plan.is_empty() {
        None
    } else {
        let outcome = plan.apply(&book)?;
        notes.extend(outcome.notes);
        refused = outcome.refused;
        let state = State::of(&outcome.book)
            .map_err(|wrong| UsageError::new(format!("after the what-if, {}", wrong.what)))?;
        Some(After {
            state,
            freed: Number(outcome.freed.get()),
        })
    };
    let after = after.filter(|_| refused.is_none());
    Ok(Answer {
        exchange: book.venue,
        margin_ratio_meaning: ratio_meaning(book.venue),
        refused,
        now,
        after,
        notes,
    })
}

impl WhatIfArgs {
    fn plan(self) -> Result<Plan, UsageError> {
        let trims = self.trim.is_some() || self.recycle.is_some();
        if self.slippage.is_some() && !trims {
            return Err(UsageError::new("--slippage needs --trim or --recycle"));
        }
        let names_one = trims || self.add.is_some() || self.leverage_to.is_some();
        if self.position.is_some() && !names_one {
            return Err(UsageError::new(
                "--position needs --add, --trim, --recycle or --leverage-to; a price is moved with --price SYMBOL=-8%",
            ));
        }
        Ok(Plan {
            prices: self.price,
            funding: self.funding,
            recycles: self.recycle.is_some(),
            trim: self.recycle.or(self.trim),
            leverage: self.leverage_to,
            add: self.add,
            slippage: self.slippage.unwrap_or_default(),
            position: self.position,
        })
    }
}

/// A built-in table in the list.
#[derive(Serialize)]
struct Listed<'a> {
    exchange: Venue,
    symbol: &'a str,
    contract: crate::domain::ContractKind,
    contract_size: String,
    settle_asset: &'a str,
    taker_fee_rate: String,
    tiers: usize,
    ends_at: Option<String>,
    as_of: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

impl<'a> Listed<'a> {
    fn of(table: &'a Table) -> anyhow::Result<Self> {
        let ladder = table.ladder()?;
        let end = ladder.tiers().last().and_then(|tier| tier.cap);
        Ok(Self {
            exchange: table.exchange,
            symbol: &table.symbol,
            contract: table.contract,
            contract_size: table.contract_size.normalize().to_string(),
            settle_asset: &table.settle,
            taker_fee_rate: table.taker_fee_rate.to_string(),
            tiers: ladder.tiers().len(),
            ends_at: end.map(|end| end.to_string()),
            as_of: &table.as_of,
            source: &table.source,
            note: table.note.as_deref(),
        })
    }
}

fn list(tables: &Tables, venue: Option<Venue>, as_json: bool) -> anyhow::Result<String> {
    let listed = tables
        .of(venue)
        .map(Listed::of)
        .collect::<anyhow::Result<Vec<_>>>()?;
    if as_json {
        return Ok(serde_json::to_string_pretty(&listed)?);
    }
    let mut out = String::from(
        "Risk tiers that are built in. Venues change them: compare before money depends on it.\n",
    );
    let mut last = None;
    for table in &listed {
        if last != Some(table.exchange) {
            last = Some(table.exchange);
            let _ = writeln!(out, "\n{}", table.exchange);
        }
        let _ = writeln!(
            out,
            "  {:<15} {}  {:>2} {}  {}",
            table.symbol,
            table.as_of,
            table.tiers,
            if table.tiers == 1 { "tier " } else { "tiers" },
            table.source
        );
        if let Some(note) = table.note {
            let _ = writeln!(out, "  {:<15} {note}", "");
        }
    }
    Ok(out.trim_end().to_owned())
}
