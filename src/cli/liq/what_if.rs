//! What would be after a move of prices, a trim, a new leverage, more or less margin: in this order.

use std::collections::BTreeSet;
use std::str::FromStr;

use rust_decimal::Decimal;

use super::super::exit::UsageError;
use super::answer::Number;
use super::book::{Book, Slot, check_range};
use super::json::echo;
use super::tables::near;
use crate::domain::{Leverage, MarginMode, Money, Price, Quantity, Rate, Side, Symbol};
use crate::margin::{FundingFrom, Reduction, ScopeMargin, Shock};

/// Positions that a message names.
const NAMES_MAX: usize = 6;

/// A share of something, or an amount of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Amount {
    /// A fraction: 20 % is 0.2.
    Share(Decimal),
    Plain(Decimal),
}

/// Where a price goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Move {
    /// `None`: every symbol.
    pub(super) symbol: Option<String>,
    pub(super) to: Amount,
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) prices: Vec<Move>,
    pub(super) funding: bool,
    pub(super) trim: Option<Amount>,
    /// The margin that a trim frees is put back.
    pub(super) recycles: bool,
    pub(super) leverage: Option<Leverage>,
    pub(super) add: Option<Money>,
    /// Share by which the trim is filled worse than mark.
    pub(super) slippage: Rate,
    pub(super) position: Option<String>,
}

/// A book after a plan.
pub(super) struct Outcome {
    pub(super) book: Book,
    pub(super) freed: Money,
    pub(super) notes: Vec<String>,
    /// Why the venue would not do it; then the book afterwards is none that there could be.
    pub(super) refused: Option<String>,
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (digits, is_share) = match text.strip_suffix('%') {
            Some(digits) => (digits.trim(), true),
            None => (text, false),
        };
        let number: Quantity = digits
            .trim_start_matches('+')
            .parse()
            .map_err(|_| format!("{} is no decimal number; write 1234.5 or 20%", echo(text)))?;
        Ok(match is_share {
            true => Self::Share(Rate::from_pct(number.get()).get()),
            false => Self::Plain(number.get()),
        })
    }
}

impl FromStr for Move {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (symbol, to) = match text.split_once('=') {
            Some((symbol, to)) => (Some(symbol.trim().to_owned()), to),
            None => (None, text),
        };
        if symbol.as_deref() == Some("") {
            return Err("the symbol before `=` is missing; write BTCUSDT=-8%".to_owned());
        }
        let to: Amount = to.parse()?;
        match to {
            Amount::Share(share) if share <= Decimal::NEGATIVE_ONE => {
                Err("a price cannot fall by 100 % or more".to_owned())
            }
            Amount::Plain(price) if price <= Decimal::ZERO => {
                Err("a price must be above 0; for a fall in percent write -8%".to_owned())
            }
            to @ (Amount::Share(_) | Amount::Plain(_)) => Ok(Self { symbol, to }),
        }
    }
}

impl Plan {
    pub(super) fn is_empty(&self) -> bool {
        self.prices.is_empty()
            && !self.funding
            && self.trim.is_none()
            && self.leverage.is_none()
            && self.add.is_none()
    }

    /// The book afterwards.
    ///
    /// # Errors
    /// When the plan names what is not there, or leaves open which position it means.
    pub(super) fn apply(&self, book: &Book) -> Result<Outcome, UsageError> {
        let mut after = Outcome {
            book: book.clone(),
            freed: Money::ZERO,
            notes: Vec::new(),
            refused: None,
        };
        for step in &self.prices {
            after.shift(step)?;
        }
        if self.funding {
            after.pay_funding()?;
        }
        if let Some(amount) = self.trim {
            let slot = self.slot(
                &after.book,
                if self.recycles { "--recycle" } else { "--trim" },
            )?;
            after.trim(&slot, amount, self)?;
        }
        if let Some(leverage) = self.leverage {
            let slot = self.slot(&after.book, "--leverage-to")?;
            after.lever(&slot, leverage)?;
        }
        if let Some(amount) = self.add {
            let place = self.wallet(&after.book)?;
            after.add(place, amount);
        }
        Ok(after)
    }

    /// The position that is meant.
    fn slot(&self, book: &Book, flag: &str) -> Result<Slot, UsageError> {
        let Some(name) = &self.position else {
            return match book.slots.as_slice() {
                [only] => Ok(only.clone()),
                several => Err(UsageError::new(format!(
                    "{flag} needs --position: there are {} positions ({})",
                    several.len(),
                    listed(book)
                ))),
            };
        };
        let mut parts = name.split('/');
        let symbol = parts.next().unwrap_or_default();
        let words: Vec<&str> = parts.collect();
        for word in &words {
            if !["long", "short", "isolated", "cross"].contains(word) {
                return Err(UsageError::new(format!(
                    "--position {name}: {} is not one of long, short, isolated, cross",
                    echo(word)
                )));
            }
        }
        let fits = |slot: &&Slot| {
            book.leg(slot).is_some_and(|(backed, leg)| {
                let mode = backed.margin.mode.to_string();
                let side = leg.side.to_string();
                same(&leg.key.symbol, symbol)
                    && words.iter().all(|word| *word == side || *word == mode)
            })
        };
        let found: Vec<&Slot> = book.slots.iter().filter(fits).collect();
        match found.as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(unknown(book, "--position", symbol)),
            several => Err(UsageError::new(format!(
                "--position {name} fits {} positions; write {symbol}/long, {symbol}/short, {symbol}/isolated or {symbol}/cross",
                several.len()
            ))),
        }
    }

    /// The scope whose wallet `--add` goes to.
    fn wallet(&self, book: &Book) -> Result<usize, UsageError> {
        match (&self.position, book.scopes.as_slice()) {
            (None, [_]) => Ok(0),
            (None | Some(_), _) => Ok(self.slot(book, "--add")?.scope),
        }
    }
}

impl Outcome {
    fn shift(&mut self, step: &Move) -> Result<(), UsageError> {
        match &step.symbol {
            Some(name) => {
                let found = self
                    .book
                    .slots
                    .iter()
                    .find(|slot| same(&slot.key.symbol, name));
                let Some(found) = found else {
                    return Err(unknown(&self.book, "--price", name));
                };
                let symbol = found.key.symbol.clone();
                self.move_one(&symbol, step.to);
            }
            None => match step.to {
                Amount::Share(share) => self.move_all(&Shock::market(), Rate::of(share)),
                Amount::Plain(_) => {
                    let first = self.book.slots.first().map(|slot| slot.key.symbol.clone());
                    let first = first.unwrap_or_else(|| Symbol::new(""));
                    if self.book.slots.iter().any(|slot| slot.key.symbol != first) {
                        return Err(UsageError::new(format!(
                            "--price as a number needs its symbol, as in --price {first}=95000: there are several ({})",
                            listed(&self.book)
                        )));
                    }
                    self.move_one(&first, step.to);
                }
            },
        }
        self.check("--price")
    }

    fn move_one(&mut self, symbol: &Symbol, to: Amount) {
        match to {
            Amount::Share(share) => self.move_all(&Shock::of(symbol), Rate::of(share)),
            Amount::Plain(price) => {
                for backed in &mut self.book.scopes {
                    backed.margin = backed.margin.at_mark(symbol, Price::of(price));
                }
            }
        }
    }

    fn move_all(&mut self, shock: &Shock, share: Rate) {
        for backed in &mut self.book.scopes {
            backed.margin = backed.margin.after_shock(shock, share);
        }
    }

    /// Is everything still in the range of exact numbers?
    fn check(&self, flag: &str) -> Result<(), UsageError> {
        for leg in self
            .book
            .scopes
            .iter()
            .flat_map(|backed| &backed.margin.legs)
        {
            let is_price = Price::new(leg.mark.get())
                .map(drop)
                .map_err(|error| error.to_string());
            is_price
                .and_then(|()| check_range(leg))
                .map_err(|what| UsageError::new(format!("{flag}: {} {what}", leg.key)))?;
        }
        Ok(())
    }

    fn pay_funding(&mut self) -> Result<(), UsageError> {
        let mut paid: BTreeSet<(usize, Symbol)> = BTreeSet::new();
        for slot in self.book.slots.clone() {
            let Some(rate) = slot.funding else {
                continue;
            };
            if !paid.insert((slot.scope, slot.key.symbol.clone())) {
                continue;
            }
            let Some((backed, leg)) = self.book.leg(&slot) else {
                continue;
            };
            let free = self.free_of(backed.asset.as_ref());
            // The legs concerned are enough, and few.
            let whole = &backed.margin;
            let legs = whole
                .legs
                .iter()
                .filter(|leg| leg.key.symbol == slot.key.symbol);
            let before = ScopeMargin {
                legs: legs.cloned().collect(),
                collateral: whole.collateral.clone(),
                ..*whole
            };
            let after = before.after_funding(&slot.key.symbol, rate, leg.mark, free);
            let Some(backed) = self.book.scopes.get_mut(slot.scope) else {
                continue;
            };
            backed.margin.wallet += after.scope.wallet - before.wallet;
            backed.margin.collateral = after.scope.collateral;
            let asset = backed.asset.clone();
            self.free(asset.as_ref(), after.freed);
        }
        if paid.is_empty() {
            return Err(UsageError::new(
                "--funding needs a funding rate: `funding_rate` of a position, or --funding-rate",
            ));
        }
        Ok(())
    }

    /// Free balance in `asset`, as far as it is known.
    fn free_of(&self, asset: Option<&String>) -> Money {
        if self.book.venue.rules().funding_from == FundingFrom::Wallet {
            return Money::ZERO;
        }
        let cross = self
            .cross_of(asset)
            .and_then(|cross| self.book.scopes.get(cross));
        let free = match cross {
            Some(cross) => cross.margin.free_margin(),
            None => self.book.idle_for(asset),
        };
        free.unwrap_or_default()
    }

    fn trim(&mut self, slot: &Slot, amount: Amount, plan: &Plan) -> Result<(), UsageError> {
        let flag = if plan.recycles { "--recycle" } else { "--trim" };
        let Some((backed, leg)) = self.book.leg(slot) else {
            return Ok(());
        };
        let size = leg.quantity;
        let quantity = match amount {
            Amount::Share(share) => Quantity::of(size.get().saturating_mul(share)),
            Amount::Plain(quantity) => Quantity::of(quantity),
        };
        if !quantity.is_positive() || quantity > size {
            return Err(UsageError::new(format!(
                "{flag}: {} is not a part of the position, which is {size}",
                Number(quantity.get()).text()
            )));
        }
        let worse = match leg.side {
            Side::Long => Decimal::ONE - plan.slippage.get(),
            Side::Short => Decimal::ONE + plan.slippage.get(),
        };
        let cut = Reduction {
            quantity,
            price: Price::of(leg.mark.get().saturating_mul(worse)),
            fee: self.book.taker_fee.unwrap_or_default(),
        };
        let mode = backed.margin.mode;
        let after = if plan.recycles {
            backed.margin.after_recycle(&slot.key, cut)
        } else {
            backed.margin.after_reduce(&slot.key, cut)
        };
        if self.book.taker_fee.is_none() {
            self.notes.push(format!(
                "{flag} is computed without a fee: no taker fee is known."
            ));
        }
        if plan.recycles && mode == MarginMode::Cross {
            self.notes.push(
                "In cross mode what a trim frees stays in the wallet: --recycle does the same as --trim.".to_owned(),
            );
        }
        if !plan.recycles && mode == MarginMode::Isolated && quantity < size {
            self.notes.push(
                "A partial close is assumed to release isolated margin pro rata, which leaves the line where it was; --recycle puts the freed margin back.".to_owned(),
            );
        }
        self.replace(slot.scope, after.scope, after.freed);
        Ok(())
    }

    fn lever(&mut self, slot: &Slot, leverage: Leverage) -> Result<(), UsageError> {
        let Some((backed, leg)) = self.book.leg(slot) else {
            return Err(UsageError::new(
                "--leverage-to: nothing is left of the position",
            ));
        };
        let tier = backed.margin.tier(leg, leg.notional(leg.mark));
        if leverage > tier.max_leverage {
            self.notes.push(format!(
                "The venue allows at most {}x for a position of this size.",
                tier.max_leverage
            ));
        }
        let after = backed.margin.after_leverage(&slot.key, leverage);
        self.replace(slot.scope, after.scope, after.freed);
        Ok(())
    }

    fn add(&mut self, place: usize, amount: Money) {
        let Some(backed) = self.book.scopes.get(place) else {
            return;
        };
        let room = backed.margin.removable_margin();
        let is_isolated = backed.margin.mode == MarginMode::Isolated;
        if amount.is_negative() {
            match room {
                Some(room) if -amount > room => {
                    self.refused = Some(format!(
                        "The venue would not let {} out: at most {} by its rule.",
                        -amount,
                        Number(room.get()).text()
                    ));
                }
                Some(_) => {}
                None => self.notes.push(
                    "How much may be taken out is not known without the leverage.".to_owned(),
                ),
            }
        }
        let after = backed.margin.after_add(amount);
        let freed = if is_isolated { -amount } else { Money::ZERO };
        let asset = backed.asset.clone();
        let short = |free: Money| amount > free;
        if let (true, Some(cross)) = (is_isolated, self.cross_of(asset.as_ref())) {
            let free = self
                .book
                .scopes
                .get(cross)
                .and_then(|cross| cross.margin.free_margin());
            if let Some(free) = free.filter(|free| short(*free)) {
                self.refused = Some(format!(
                    "The venue would refuse to add {amount}: the cross wallet has {} free.",
                    Number(free.get()).text()
                ));
            }
        }
        self.replace(place, after, freed);
    }

    /// Puts a scope back with what it freed.
    fn replace(&mut self, place: usize, scope: ScopeMargin, freed: Money) {
        let Some(backed) = self.book.scopes.get_mut(place) else {
            return;
        };
        backed.margin = scope;
        let asset = backed.asset.clone();
        self.free(asset.as_ref(), freed);
    }

    /// What an isolated scope freed goes to the cross wallet of its asset.
    fn free(&mut self, asset: Option<&String>, freed: Money) {
        self.freed += freed;
        if freed.is_zero() {
            return;
        }
        if let Some(cross) = self.cross_of(asset)
            && let Some(cross) = self.book.scopes.get_mut(cross)
        {
            let name = asset.map(String::as_str).unwrap_or_default();
            let listed =
                (cross.margin.collateral.iter_mut()).find(|held| held.asset.as_str() == name);
            match listed {
                Some(held) => held.amount += freed,
                None => cross.margin.wallet += freed,
            }
        }
    }

    /// The cross scope whose wallet holds `asset`.
    fn cross_of(&self, asset: Option<&String>) -> Option<usize> {
        self.book.scopes.iter().position(|backed| {
            let held = &backed.margin.collateral;
            let lists = |name: &String| held.iter().any(|held| held.asset.as_str() == name);
            backed.margin.mode == MarginMode::Cross
                && (backed.asset.as_ref() == asset || asset.is_some_and(lists))
        })
    }
}

fn same(symbol: &Symbol, name: &str) -> bool {
    symbol.as_str().eq_ignore_ascii_case(name)
}

fn listed(book: &Book) -> String {
    let names: Vec<String> = (book.slots.iter().take(NAMES_MAX))
        .filter_map(|slot| book.leg(slot))
        .map(|(_, leg)| format!("{}/{}", leg.key.symbol, leg.side))
        .collect();
    let more = if book.slots.len() > NAMES_MAX {
        ", …"
    } else {
        ""
    };
    format!("{}{more}", names.join(", "))
}

fn unknown(book: &Book, flag: &str, name: &str) -> UsageError {
    let near = near(name, book.slots.iter().map(|slot| slot.key.symbol.as_str()));
    let hint = match near.first() {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", listed(book)),
    };
    UsageError::new(format!("{flag}: no position fits {}; {hint}", echo(name)))
}
