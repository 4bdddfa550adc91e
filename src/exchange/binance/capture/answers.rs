//! Answers to requests.
//!
//! Purpose: the agent's own reading, with the fields beside it that a person wants to see. It must
//! never fill in what the answer does not carry.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::super::errors;
use super::super::map::{self, Mapped, Unreadable};
use super::super::market;
use super::super::wire::ExchangeInfo;
use super::catalogue::{Answer, Shape};
use super::fields::Fields;
use super::rows::{account_row, captured_book, is_mode_known, mark, risk_row, symbol_rules};
use super::{orders, placed};
use crate::domain::{PositionMode, Quantity, Symbol};
use crate::exchange::capture::{
    AccountFacts, Capture, CapturedBalance, MarginAdded, Refusal, Row, SymbolFacts, TakerFee,
};

const UNREADABLE_SYMBOL: &str = "a symbol that cannot be read";

/// Reads every document of a file as an answer of one endpoint.
pub(super) fn read_all(
    answer: &Answer,
    path: &str,
    text: &str,
    documents: &[&str],
) -> Mapped<Capture> {
    let mut capture = Capture {
        kind: kind(answer.shape),
        frames: (documents.len() > 1).then_some(documents.len()),
        ..Capture::default()
    };
    for (at, document) in documents.iter().enumerate() {
        let frame = (documents.len() > 1).then_some(at.saturating_add(1));
        let read = placed(text, document, |text| {
            let mut sheet = Sheet::new(frame);
            sheet.read(answer, text)?;
            Ok(sheet.out)
        });
        merge(&mut capture, read?);
    }
    if !answer.unused.is_empty() {
        capture.ignore(path, answer.unused);
    }
    Ok(capture)
}

const fn kind(shape: Shape) -> &'static str {
    match shape {
        Shape::Positions => "positions",
        Shape::Account => "account",
        Shape::Balances => "balances",
        Shape::Tiers => "tiers",
        Shape::Instruments => "instruments",
        Shape::Marks => "marks",
        Shape::TakerFee => "taker_fees",
        Shape::SymbolSettings | Shape::Leverage => "symbol_settings",
        Shape::AccountSettings | Shape::Modes => "account_settings",
        Shape::Orders | Shape::AlgoOrders => "orders",
        Shape::MarginHistory => "margin_added",
        Shape::Acknowledgement => "acknowledgement",
        Shape::Book => "books",
        Shape::ServerTime => "server_time",
        Shape::Permissions => "permissions",
        Shape::ListenKey => "listen_key",
        Shape::Unused => "unused",
    }
}

/// Adds what one document had.
fn merge(all: &mut Capture, one: Capture) {
    fn join<T>(all: &mut Option<Vec<T>>, one: Option<Vec<T>>) {
        if let Some(one) = one {
            all.get_or_insert_default().extend(one);
        }
    }
    if !one.kind.is_empty() && all.frames.is_none() {
        all.kind = one.kind;
    }
    join(&mut all.positions, one.positions);
    if let Some(flat) = one.flat_rows {
        let known = all.flat_rows.unwrap_or(0);
        all.flat_rows = Some(known.saturating_add(flat));
    }
    join(&mut all.balances, one.balances);
    all.account.extend(one.account);
    join(&mut all.symbol_settings, one.symbol_settings);
    for (symbol, table) in one.tiers.into_iter().flatten() {
        let known = all.tiers.get_or_insert_default();
        if known.insert(symbol.clone(), table).is_some() {
            all.note(&format!(
                "{symbol} has several tables of tiers; the last is shown"
            ));
        }
    }
    join(&mut all.instruments, one.instruments);
    join(&mut all.marks, one.marks);
    join(&mut all.taker_fees, one.taker_fees);
    join(&mut all.orders, one.orders);
    join(&mut all.margin_added, one.margin_added);
    join(&mut all.books, one.books);
    all.permissions.extend(one.permissions);
    all.server_time.extend(one.server_time);
    all.refusals.extend(one.refusals);
    for ignored in one.ignored {
        for _ in 0..ignored.count {
            all.ignore(&ignored.what, &ignored.why);
        }
    }
    for note in one.notes {
        all.note(&note);
    }
}

/// What one document says.
struct Sheet {
    frame: Option<usize>,
    out: Capture,
}

impl Sheet {
    fn new(frame: Option<usize>) -> Self {
        Self {
            frame,
            out: Capture::default(),
        }
    }

    fn row<T>(&self, row: T) -> Row<T> {
        Row {
            frame: self.frame,
            row,
        }
    }

    fn read(&mut self, answer: &Answer, text: &str) -> Mapped<()> {
        if let Some(refusal) = refusal(text) {
            self.out.kind = "refusal";
            self.out.refusals.push(self.row(refusal));
            return Ok(());
        }
        match answer.shape {
            Shape::Positions => self.positions(text),
            Shape::Account => self.account(text),
            Shape::Balances => self.balances(text),
            Shape::Tiers => self.tiers(text),
            Shape::Instruments => self.instruments(text),
            Shape::Marks => self.marks(text),
            Shape::TakerFee => self.taker_fee(text),
            Shape::SymbolSettings => self.symbol_settings(text),
            Shape::Leverage => self.leverage(text),
            Shape::AccountSettings => self.account_settings(text),
            Shape::Modes => self.modes(text),
            Shape::Orders => self.orders(text),
            Shape::AlgoOrders => self.algo_orders(text),
            Shape::MarginHistory => self.margin_history(text),
            Shape::Acknowledgement => self.acknowledgement(text),
            Shape::Book => self.book(text),
            Shape::ServerTime => {
                self.out.server_time.push(map::server_time(text)?);
                Ok(())
            }
            Shape::Permissions => {
                self.out.permissions.push(map::permissions(text)?);
                Ok(())
            }
            Shape::ListenKey => self.listen_key(text),
            Shape::Unused => Ok(()),
        }
    }

    fn positions(&mut self, text: &str) -> Mapped<()> {
        let mut read = map::positions(text)?.into_iter();
        let mut open = Vec::new();
        let mut flat = 0_usize;
        for row in Fields::many(text)? {
            let amount: Quantity = row.required_number("positionAmt")?;
            if amount.is_zero() {
                flat = flat.saturating_add(1);
            } else if let Some(risk) = read.next() {
                if !is_mode_known(&risk) {
                    self.out.note(
                        "the margin mode is not in this answer and nothing proves it; the agent takes it from symbolConfig",
                    );
                }
                open.push(self.row(risk_row(&row, risk)?));
            }
        }
        self.out.positions = Some(open);
        self.out.flat_rows = Some(flat);
        Ok(())
    }

    fn account(&mut self, text: &str) -> Mapped<()> {
        let read = map::balances(text)?;
        let account = Fields::of(text)?;
        let mut balances = Vec::new();
        for row in Fields::many(account.raw("assets").unwrap_or("[]"))? {
            let asset = row.required("asset")?;
            let balance = read.get(&asset);
            balances.push(self.row(CapturedBalance {
                wallet: row.number("walletBalance")?,
                cross_wallet: balance.map(|balance| balance.cross_wallet),
                available: balance.map(|balance| balance.available),
                asset,
            }));
        }
        self.out.balances = Some(balances);
        let facts = AccountFacts {
            multi_assets: account.flag("multiAssetsMargin"),
            can_trade: account.flag("canTrade"),
            wallet_balance: account.number("totalWalletBalance")?,
            cross_wallet: account.number("totalCrossWalletBalance")?,
            margin_balance: account.number("totalMarginBalance")?,
            maintenance_margin: account.number("totalMaintMargin")?,
            initial_margin: account.number("totalInitialMargin")?,
            available: account.number("availableBalance")?,
            unrealized_pnl: account.number("totalUnrealizedProfit")?,
            position_mode: None,
        };
        if facts != AccountFacts::default() {
            self.out.account.push(self.row(facts));
        }
        let Some(rows) = account.raw("positions") else {
            return Ok(());
        };
        let mut open = Vec::new();
        let mut flat = 0_usize;
        for row in Fields::many(rows)? {
            match account_row(&row)? {
                Some(position) => open.push(self.row(position)),
                None => flat = flat.saturating_add(1),
            }
        }
        if !open.is_empty() {
            self.out.ignore(
                "positions of the account",
                "the agent reads positions from /fapi/v3/positionRisk, which has the prices",
            );
        }
        self.out.positions = Some(open);
        self.out.flat_rows = Some(flat);
        Ok(())
    }

    fn balances(&mut self, text: &str) -> Mapped<()> {
        let mut all = Vec::new();
        for row in Fields::many(text)? {
            all.push(self.row(CapturedBalance {
                asset: row.required("asset")?,
                wallet: row.number("balance")?,
                cross_wallet: Some(row.required_number("crossWalletBalance")?),
                available: row.number("availableBalance")?,
            }));
        }
        self.out.balances = Some(all);
        Ok(())
    }

    fn tiers(&mut self, text: &str) -> Mapped<()> {
        let mut tables = BTreeMap::new();
        for (symbol, table) in market::tiers(text)? {
            if tables.insert(symbol.clone(), table).is_some() {
                self.out.note(&format!(
                    "{symbol} has several tables of tiers; the last is shown"
                ));
            }
        }
        self.out.tiers = Some(tables);
        let scaled = |row: &Fields<'_>| row.raw("notionalCoef").is_some();
        if Fields::many(text)?.iter().any(scaled) {
            self.out
                .note("the answer has notionalCoef; the tiers are taken as they stand, without it");
        }
        Ok(())
    }

    /// One by one: the agent looks only at the symbols it needs, so others may be unreadable.
    fn instruments(&mut self, text: &str) -> Mapped<()> {
        let info: ExchangeInfo<'_> = map::parse(text)?;
        let mut found = Vec::new();
        let mut first_problem = None;
        for raw in &info.symbols {
            match symbol_rules(raw.get()) {
                Ok(rules) => found.push(rules),
                Err(problem) if first_problem.is_none() => {
                    let problem = placed(text, raw.get(), symbol_rules)
                        .err()
                        .unwrap_or(problem);
                    self.out.ignore(UNREADABLE_SYMBOL, &problem.0);
                    first_problem = Some(problem);
                }
                Err(_) => self.out.ignore(UNREADABLE_SYMBOL, "as the one before"),
            }
        }
        match first_problem {
            Some(problem) if found.is_empty() => Err(problem),
            Some(_) | None => {
                self.out.instruments = Some(found);
                Ok(())
            }
        }
    }

    fn marks(&mut self, text: &str) -> Mapped<()> {
        let marks = market::premium_marks(text)?;
        self.out.marks = Some(marks.iter().map(|one| self.row(mark(one))).collect());
        Ok(())
    }

    fn taker_fee(&mut self, text: &str) -> Mapped<()> {
        let (symbol, rate) = market::taker_fee(text)?;
        self.out.taker_fees = Some(vec![TakerFee { symbol, rate }]);
        Ok(())
    }

    fn symbol_settings(&mut self, text: &str) -> Mapped<()> {
        let all = map::symbol_settings(text)?.into_iter();
        let row = |(symbol, settings): (Symbol, map::SymbolSettings)| SymbolFacts {
            symbol,
            margin_mode: Some(settings.margin_mode),
            leverage: Some(settings.leverage),
            auto_add_margin: Some(settings.auto_add_margin),
        };
        self.out.symbol_settings = Some(all.map(|one| self.row(row(one))).collect());
        Ok(())
    }

    fn leverage(&mut self, text: &str) -> Mapped<()> {
        let answer = Fields::of(text)?;
        let row = SymbolFacts {
            symbol: Symbol::new(&answer.required("symbol")?),
            margin_mode: None,
            leverage: Some(
                answer
                    .whole("leverage")
                    .ok_or_else(|| Unreadable("field `leverage` is missing".to_owned()))?,
            ),
            auto_add_margin: None,
        };
        self.out.symbol_settings = Some(vec![self.row(row)]);
        Ok(())
    }

    fn account_settings(&mut self, text: &str) -> Mapped<()> {
        let settings = map::account_settings(text)?;
        self.out.account.push(self.row(AccountFacts {
            position_mode: Some(settings.position_mode),
            multi_assets: Some(settings.multi_assets),
            can_trade: Some(settings.can_trade),
            ..AccountFacts::default()
        }));
        Ok(())
    }

    /// The two switches; an answer to setting one of them is an acknowledgement.
    fn modes(&mut self, text: &str) -> Mapped<()> {
        let answer = Fields::of(text)?;
        let facts = AccountFacts {
            multi_assets: answer.flag("multiAssetsMargin"),
            position_mode: answer.flag("dualSidePosition").map(|dual| {
                if dual {
                    PositionMode::Hedge
                } else {
                    PositionMode::OneWay
                }
            }),
            ..AccountFacts::default()
        };
        if facts == AccountFacts::default() {
            return self.acknowledgement(text);
        }
        self.out.account.push(self.row(facts));
        Ok(())
    }

    fn orders(&mut self, text: &str) -> Mapped<()> {
        let mut all = Vec::new();
        for row in rows(text)? {
            if let Some(refusal) = refusal(row) {
                self.out.refusals.push(self.row(refusal));
                continue;
            }
            let state = placed(text, row, map::order)?;
            all.push(self.row(orders::plain(&Fields::of(row)?, state)?));
        }
        self.out.orders = Some(all);
        Ok(())
    }

    fn algo_orders(&mut self, text: &str) -> Mapped<()> {
        if text.trim_start().starts_with('{') {
            let answer = Fields::of(text)?;
            if answer.raw("algoStatus").is_none() && answer.raw("code").is_some() {
                return self.acknowledgement(text);
            }
        }
        let mut all = Vec::new();
        for row in Fields::many(text)? {
            all.push(self.row(orders::conditional(&row)?));
        }
        self.out.orders = Some(all);
        Ok(())
    }

    fn margin_history(&mut self, text: &str) -> Mapped<()> {
        let read = map::margin_added(text)?;
        let all = Fields::many(text)?.len();
        for _ in read.len()..all {
            self.out.ignore(
                "a change of margin",
                "it was not added by request (taken out, or moved by the exchange)",
            );
        }
        let row = |row: map::MarginRow| MarginAdded {
            symbol: row.symbol,
            position_side: row.position_side,
            amount: row.amount,
            at_ms: row.at.as_millis(),
        };
        self.out.margin_added = Some(read.into_iter().map(row).collect());
        Ok(())
    }

    fn acknowledgement(&mut self, text: &str) -> Mapped<()> {
        let answer = Fields::of(text)?;
        let code = answer.required("code")?;
        self.out.kind = "acknowledgement";
        self.out.note(if code == "200" {
            "the exchange says that it was done (code 200)"
        } else {
            "the code is not 200: this counts as an unknown outcome"
        });
        Ok(())
    }

    fn book(&mut self, text: &str) -> Mapped<()> {
        let book = market::depth(&Symbol::new(""), text)?;
        self.out.books = Some(vec![self.row(captured_book(&book))]);
        Ok(())
    }

    fn listen_key(&mut self, text: &str) -> Mapped<()> {
        // The answers to prolonging and deleting are empty objects.
        self.out
            .note(if Fields::of(text)?.raw("listenKey").is_some() {
                "a listen key is there; it is not shown"
            } else {
                "there is no listen key in it"
            });
        Ok(())
    }
}

/// Elements of an array, or the one object.
fn rows(text: &str) -> Mapped<Vec<&str>> {
    let all: Vec<&RawValue> = map::parse_many(text)?;
    Ok(all.into_iter().map(RawValue::get).collect())
}

/// `{"code":-2015,"msg":…}` in place of an answer.
fn refusal(text: &str) -> Option<Refusal> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let answer = Fields::of(text).ok()?;
    let code: i64 = answer.text("code")?.parse().ok()?;
    (code < 0).then(|| Refusal {
        code: Some(code),
        meaning: errors::playbook(code).map(|row| row.meaning),
    })
}
