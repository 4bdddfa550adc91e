//! An account read as `plimsoll liq` reads it, for a command that plays it.

use std::path::Path;

use super::book::{Backed, Book, BookError};
use super::input::Source;
use super::tables::Tables;
use crate::cli::exit::UsageError;
use crate::domain::{
    Account, Balance, ContractKind, MarginMode, Money, Position, PositionMode, Rate, Symbol,
    TierTable, Timestamp,
};
use crate::margin::{Leg, Venue};

/// An account as it stands in a file, with the tiers of its symbols.
pub(in crate::cli) struct Held {
    pub(in crate::cli) account: Account,
    pub(in crate::cli) tiers: Vec<(Symbol, TierTable)>,
    pub(in crate::cli) taker_fee: Option<Rate>,
    /// What is said beside the numbers.
    pub(in crate::cli) notes: Vec<String>,
}

/// Reads an account of linear Binance positions; `-` is standard input.
///
/// # Errors
/// [`UsageError`] as `plimsoll liq --input` says them, and for what the simulated exchange does not
/// play.
pub(in crate::cli) fn read(path: &Path) -> anyhow::Result<Held> {
    let source = Source::read(path)?;
    let stated = source.account()?;
    let tables = Tables::built_in()?;
    let book = Book::of(&stated, &tables).map_err(|error| match error {
        BookError::Wrong(wrong) => anyhow::Error::new(source.complain(&wrong)),
        BookError::Broken(broken) => anyhow::Error::new(broken),
    })?;
    let refuse = |what: &str| -> anyhow::Error {
        UsageError::bad_input(format!(
            "{}: {what}; `plimsoll liq --input` computes the line of such an account",
            path.display()
        ))
        .into()
    };
    if book.venue != Venue::BinanceUsdm {
        return Err(refuse(
            "the guard plays accounts of binance-usdm only, so far",
        ));
    }
    let extras = !stated.collateral.is_empty()
        || stated.reserved.is_positive()
        || stated.other_maintenance.is_positive();
    if extras {
        return Err(refuse(
            "`collateral`, `reserved` and `other_maintenance` are not played",
        ));
    }
    let legs = || book.scopes.iter().flat_map(|backed| &backed.margin.legs);
    if legs().any(|leg| leg.contract != ContractKind::Linear) {
        return Err(refuse("inverse contracts are not played"));
    }
    let position_mode = if stated.hedge {
        PositionMode::Hedge
    } else {
        PositionMode::OneWay
    };
    Ok(Held::of(&book, position_mode))
}

fn position(backed: &Backed, leg: &Leg) -> Position {
    let mode = backed.margin.mode;
    Position {
        key: leg.key.clone(),
        side: leg.side,
        quantity: leg.quantity,
        entry_price: leg.entry,
        margin_mode: mode,
        margin_asset: name(backed.asset.as_deref()),
        leverage: leg.leverage.map(|leverage| leverage.whole().max(1)),
        isolated_wallet: match mode {
            MarginMode::Isolated => backed.margin.wallet,
            MarginMode::Cross => Money::ZERO,
        },
        mark_price: leg.mark,
        venue_liquidation: None,
        venue_maintenance: None,
        auto_add_margin: false,
        updated_at: Timestamp::ZERO,
    }
}

/// Settlement asset where a name does not say it.
fn name(asset: Option<&str>) -> String {
    asset.unwrap_or("USDT").to_owned()
}

impl Held {
    fn of(book: &Book, position_mode: PositionMode) -> Self {
        let mut held = Self {
            account: Account {
                position_mode,
                can_trade: true,
                ..Account::default()
            },
            tiers: Vec::new(),
            taker_fee: book.taker_fee,
            notes: book.notes.clone(),
        };
        for (asset, amount) in &book.idle {
            held.fund(asset.as_deref(), *amount);
        }
        for backed in &book.scopes {
            if backed.margin.mode == MarginMode::Cross {
                held.fund(backed.asset.as_deref(), backed.margin.wallet);
            }
            for leg in &backed.margin.legs {
                held.tiers
                    .push((leg.key.symbol.clone(), (*leg.tiers).clone()));
                held.account.positions.push(position(backed, leg));
            }
        }
        held
    }

    fn fund(&mut self, asset: Option<&str>, amount: Money) {
        let balance = self.account.balances.entry(name(asset)).or_default();
        *balance = Balance {
            cross_wallet: amount,
            available: amount,
        };
    }
}
