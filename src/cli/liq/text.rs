//! The answer for people: short, aligned, every number with its meaning.

use std::fmt::Write;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::answer::{AccountAnswer, Answer, Number, PositionAnswer, State, Status};
use super::symbol;
use crate::domain::{ContractKind, MarginMode};
use crate::guard::explain::grouped;
use crate::margin::{Ratio, Venue};

/// Digits of a price or a coin amount.
const DIGITS: u32 = 8;
/// Most decimal places of a number for people.
const PLACES_MAX: u32 = 18;
/// Positions are listed as a table from this number on.
const TABLE_FROM: usize = 2;

/// One line of a description: label, value now, value afterwards, what it means.
struct Row {
    label: &'static str,
    now: String,
    after: Option<String>,
    hint: String,
}

/// The whole answer.
pub(super) fn render(answer: &Answer) -> String {
    let mut out = String::new();
    if let Some(refused) = &answer.refused {
        let _ = writeln!(out, "REFUSED: {refused} Here is what is now.\n");
    }
    let after = answer.after.as_ref().map(|after| &after.state);
    if answer.now.positions.len() >= TABLE_FROM {
        table(&mut out, answer, after);
    } else {
        for position in &answer.now.positions {
            single(&mut out, answer.exchange, position, after);
        }
    }
    let others = after.map(|after| after.account.list()).unwrap_or_default();
    for (at, account) in answer.now.account.list().iter().enumerate() {
        out.push('\n');
        let rows = account_rows(answer.exchange, account, others.get(at));
        let asset = account.settlement_asset.as_deref().unwrap_or("all assets");
        let _ = writeln!(out, "Cross wallet ({asset})");
        write_rows(&mut out, &rows);
    }
    if let Some(after) = &answer.after
        && !after.freed.0.is_zero()
    {
        let mut assets = (answer.now.positions.iter()).map(|position| &position.more.asset);
        let first = assets.next().and_then(Option::as_deref);
        // Several assets are not one sum; then none is named.
        let asset = first.filter(|first| assets.all(|asset| asset.as_deref() == Some(first)));
        let amount = amount(after.freed.0.abs(), asset);
        let unit = asset.map_or_else(String::new, |asset| format!(" {asset}"));
        let way = if after.freed.0 > Decimal::ZERO {
            "would return to the free balance"
        } else {
            "would be taken from the free balance"
        };
        let _ = writeln!(out, "\n{amount}{unit} {way}.");
    }
    if !answer.notes.is_empty() {
        out.push('\n');
    }
    for note in &answer.notes {
        let _ = writeln!(out, "Note: {note}");
    }
    out.trim_end().to_owned()
}

fn single(out: &mut String, venue: Venue, position: &PositionAnswer, after: Option<&State>) {
    let asset = position.more.asset.as_deref();
    let leverage = position.more.leverage.map_or_else(String::new, |leverage| {
        format!(", {}x", leverage.normalize())
    });
    let _ = writeln!(
        out,
        "{} {} at {venue}: {} from {}, {}{leverage}\n",
        position.symbol,
        position.side,
        size(position),
        price(position.entry_price),
        position.margin_mode,
    );
    let later = after.map(|state| {
        state
            .positions
            .iter()
            .find(|other| other.more.stated == position.more.stated)
    });
    let mut sheet = Sheet {
        venue,
        position,
        later,
        asset,
        unit: asset.map_or_else(String::new, |asset| format!("{asset}; ")),
        rows: Vec::new(),
    };
    sheet.prices();
    sheet.amounts();
    write_rows(out, &sheet.rows);
}

type Later<'a> = Option<Option<&'a PositionAnswer>>;

/// The rows of one position, one after the other.
struct Sheet<'a> {
    venue: Venue,
    position: &'a PositionAnswer,
    later: Later<'a>,
    asset: Option<&'a str>,
    /// `USDT; `, before a hint.
    unit: String,
    rows: Vec<Row>,
}

impl Sheet<'_> {
    fn row(
        &mut self,
        label: &'static str,
        hint: impl Into<String>,
        of: impl Fn(&PositionAnswer) -> String,
    ) {
        let after = self
            .later
            .map(|later| later.map_or_else(|| "closed".to_owned(), &of));
        self.rows.push(Row {
            label,
            now: of(self.position),
            after,
            hint: hint.into(),
        });
    }

    fn prices(&mut self) {
        let position = self.position;
        if self.later.is_some() {
            self.row("size", "", |p| grouped(p.quantity.0, PLACES_MAX));
        }
        let hint = "liquidation is decided by this price";
        self.row("mark price", hint, |p| price(p.mark_price));
        let passed = self
            .later
            .flatten()
            .filter(|later| later.status != position.status)
            .map(|later| match later.status {
                Status::Liquidatable => "passed afterwards: liquidated on the way".to_owned(),
                Status::Healthy => "passed now, no more afterwards".to_owned(),
            });
        let hint = passed.unwrap_or_else(|| line_hint(position));
        self.row("liquidation price", hint, |p| {
            optional(p.liquidation_price, price)
        });
        if position.liquidation_price_shown.is_some() {
            let hint = "as the venue displays it, a tick nearer";
            self.row("  shown", hint, |p| {
                optional(p.liquidation_price_shown, price)
            });
        }
        if position.liquidation_price_after_funding.is_some() {
            self.row("  after funding", "once the next funding is paid", |p| {
                optional(p.liquidation_price_after_funding.flatten(), price)
            });
        }
        let hint = "from mark to liquidation";
        self.row("distance", hint, |p| optional(p.distance_pct, percent));
        let hint = "here nothing is left";
        self.row("bankruptcy price", hint, |p| {
            optional(p.bankruptcy_price, price)
        });
    }

    fn amounts(&mut self) {
        let (position, asset, unit) = (self.position, self.asset, self.unit.clone());
        let coins = |number: Number| amount(number.0, asset);
        let is_isolated = position.margin_mode == MarginMode::Isolated;
        if is_isolated {
            let hint = format!("{unit}what was put in");
            self.row("margin", hint, |p| optional(p.isolated_margin, coins));
        }
        let hint = unit.trim_end_matches("; ");
        self.row("unrealised profit", hint, |p| coins(p.unrealized_pnl));
        if is_isolated {
            let hint = format!("{unit}margin plus unrealised profit");
            self.row("equity", hint, |p| coins(p.equity));
        }
        let hint = format!("{unit}{}", tier_hint(position, asset));
        self.row("maintenance", hint, |p| coins(p.maintenance_margin));
        if position.close_fee.is_some() {
            let side = match self.venue {
                Venue::Bybit => "inside",
                Venue::BinanceUsdm | Venue::BinanceCoinm | Venue::Okx | Venue::Hyperliquid => {
                    "beside"
                }
            };
            let hint = format!("{unit}set aside for closing, {side} the maintenance");
            self.row("close fee", hint, |p| optional(p.close_fee, coins));
        }
        if is_isolated {
            let hint = ratio_hint(self.venue);
            self.row("margin ratio", hint, |p| used(p.margin_ratio, p.status));
            let hint = format!("{unit}by the venue's rule");
            self.row("may be taken out", hint, |p| {
                known(p.removable_margin, coins)
            });
        }
    }
}

fn tier_hint(position: &PositionAnswer, asset: Option<&str>) -> String {
    let less = match position.more.tier.deduction {
        none if none.is_zero() => String::new(),
        some => format!(" less {}", amount(some.get(), asset)),
    };
    format!(
        "must be covered: {} of the value{less}, tier {} of {}",
        percent(Number(position.more.tier.maintenance_rate.as_pct())),
        position.tier,
        position.more.tiers
    )
}

fn account_rows(venue: Venue, account: &AccountAnswer, later: Option<&AccountAnswer>) -> Vec<Row> {
    let asset = account.settlement_asset.as_deref();
    let both = |of: &dyn Fn(&AccountAnswer) -> String| (of(account), later.map(of));
    let mut rows = Vec::new();
    let mut row = |label, (now, after): (String, Option<String>), hint: &str| {
        rows.push(Row {
            label,
            now,
            after,
            hint: hint.to_owned(),
        });
    };
    let coins = |n: Number| amount(n.0, asset);
    row(
        "wallet",
        both(&|a| coins(a.wallet_balance)),
        "without unrealised profit",
    );
    row(
        "equity",
        both(&|a| coins(a.equity)),
        "with unrealised profit and collateral",
    );
    row(
        "maintenance",
        both(&|a| coins(a.maintenance_margin)),
        "must be covered by the equity",
    );
    row(
        "initial margin",
        both(&|a| known(a.initial_margin, coins)),
        "bound by the leverage",
    );
    row(
        "margin ratio",
        both(&|a| used(a.margin_ratio, a.status)),
        ratio_hint(venue),
    );
    row(
        "free",
        both(&|a| known(a.free_margin, coins)),
        "for new positions",
    );
    row(
        "may be taken out",
        both(&|a| known(a.removable_margin, coins)),
        "by the venue's rule",
    );
    let down =
        |a: &AccountAnswer| optional(a.shock_to_liquidation_pct.down, |n| percent(Number(-n.0)));
    let up = |a: &AccountAnswer| {
        optional(a.shock_to_liquidation_pct.up, |n| {
            format!("+{}", percent(n))
        })
    };
    row(
        "liquidated at",
        both(&down),
        "if all prices fall together by this",
    );
    row(
        "liquidated at",
        both(&up),
        "if all prices rise together by this",
    );
    rows
}

fn table(out: &mut String, answer: &Answer, after: Option<&State>) {
    let mut head = vec![
        "symbol",
        "side",
        "margin",
        "size",
        "entry",
        "mark",
        "liquidation",
        "distance",
    ];
    if after.is_some() {
        head.extend([
            "| size then",
            "mark then",
            "liquidation then",
            "distance then",
        ]);
    }
    let mut lines = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for position in &answer.now.positions {
        let mut cells = vec![
            position.symbol.clone(),
            position.side.to_string(),
            position.margin_mode.to_string(),
            grouped(position.quantity.0, PLACES_MAX),
            price(position.entry_price),
        ];
        cells.extend(standing(position));
        if let Some(after) = after {
            let stated = position.more.stated;
            // Both are in the order in which they were stated.
            let later = after
                .positions
                .binary_search_by_key(&stated, |other| other.more.stated);
            match later.ok().and_then(|at| after.positions.get(at)) {
                Some(later) => {
                    cells.push(format!("| {}", grouped(later.quantity.0, PLACES_MAX)));
                    cells.extend(standing(later));
                }
                None => cells.push("| closed".to_owned()),
            }
        }
        lines.push(cells);
    }
    let _ = writeln!(
        out,
        "{} positions at {}\n",
        answer.now.positions.len(),
        answer.exchange
    );
    write_columns(out, &lines);
}

/// Words of the first three columns to the left, numbers to the right.
fn write_columns(out: &mut String, lines: &[Vec<String>]) {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    for line in lines {
        let cells = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, width))| {
                if at < 3 || cell.starts_with('|') {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

fn standing(position: &PositionAnswer) -> [String; 3] {
    let distance = match position.status {
        Status::Healthy => optional(position.distance_pct, percent),
        Status::Liquidatable => "passed".to_owned(),
    };
    [
        price(position.mark_price),
        optional(position.liquidation_price, price),
        distance,
    ]
}

fn write_rows(out: &mut String, rows: &[Row]) {
    let width = |of: &dyn Fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let label = width(&|row| row.label.chars().count());
    let now = width(&|row| row.now.chars().count()).max(3);
    let after = width(&|row| row.after.as_ref().map_or(0, |text| text.chars().count())).max(5);
    let has_after = rows.iter().any(|row| row.after.is_some());
    if has_after {
        let _ = writeln!(
            out,
            "  {:label$}  {:>now$}    {:>after$}",
            "", "now", "after"
        );
    }
    for row in rows {
        let mut line = format!("  {:label$}  {:>now$}", row.label, row.now);
        if has_after {
            let later = row.after.as_deref().unwrap_or_default();
            let _ = write!(line, " -> {later:>after$}");
        }
        if !row.hint.is_empty() {
            let _ = write!(line, "   {}", row.hint);
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn line_hint(position: &PositionAnswer) -> String {
    let more = &position.more;
    match (position.liquidation_price, position.status) {
        (None, Status::Healthy) => {
            "no price of this contract alone leads to liquidation".to_owned()
        }
        (None, Status::Liquidatable) => "no price of this contract alone would save it".to_owned(),
        (Some(_), Status::Liquidatable) => "already passed: would be liquidated now".to_owned(),
        (Some(_), Status::Healthy) if more.falls_hurt => {
            "liquidated if the mark price falls to it".to_owned()
        }
        (Some(_), Status::Healthy) => "liquidated if the mark price rises to it".to_owned(),
    }
}

fn ratio_hint(venue: Venue) -> &'static str {
    match venue.rules().ratio {
        Ratio::DemandOverEquity => "share of the equity that is needed; liquidated at 100 %",
        Ratio::EquityOverDemand => "equity over what is needed; liquidated at 100 %",
    }
}

fn size(position: &PositionAnswer) -> String {
    let more = &position.more;
    let quantity = grouped(position.quantity.0, PLACES_MAX);
    if more.contract == ContractKind::Linear && more.contract_size == Decimal::ONE {
        return quantity;
    }
    let face = grouped(
        position.quantity.0.saturating_mul(more.contract_size),
        PLACES_MAX,
    );
    let each = more.contract_size.normalize();
    match more.contract {
        ContractKind::Linear => {
            let base = position.symbol.split('-').next().unwrap_or_default();
            format!("{quantity} contracts of {each} {base} ({face} {base})")
        }
        ContractKind::Inverse => format!("{quantity} contracts of {each} USD ({face} USD)"),
    }
}

fn optional(number: Option<Number>, text: impl Fn(Number) -> String) -> String {
    number.map_or_else(|| "none".to_owned(), text)
}

/// Without equity there is no ratio to it.
fn used(number: Option<Number>, status: Status) -> String {
    match (number, status) {
        (Some(number), _) => ratio(number),
        (None, Status::Liquidatable) => "no equity left".to_owned(),
        (None, Status::Healthy) => "none".to_owned(),
    }
}

/// What is missing here needs a leverage that was not given.
fn known(number: Option<Number>, text: impl Fn(Number) -> String) -> String {
    number.map_or_else(|| "unknown".to_owned(), text)
}

fn price(number: Number) -> String {
    significant(number.0, DIGITS)
}

/// An amount of money: cents of a dollar, or eight digits of a coin.
fn amount(amount: Decimal, asset: Option<&str>) -> String {
    let is_coin = asset.is_some_and(|asset| !symbol::is_dollar(asset));
    if is_coin || amount.abs() < Decimal::ONE {
        significant(amount, if is_coin { DIGITS } else { 4 })
    } else {
        grouped(amount, 2)
    }
}

fn percent(number: Number) -> String {
    let places = if number.0.abs() < Decimal::ONE { 4 } else { 2 };
    format!("{} %", grouped(number.0, places))
}

fn ratio(number: Number) -> String {
    percent(Number(number.0.saturating_mul(Decimal::ONE_HUNDRED)))
}

/// Thousands apart, so many significant digits.
fn significant(number: Decimal, digits: u32) -> String {
    let rounded = number.round_sf(digits).unwrap_or(number).normalize();
    // A whole number keeps all its digits.
    if number
        .abs()
        .trunc()
        .to_u64()
        .is_none_or(|whole| whole >= 10_u64.pow(digits))
    {
        return grouped(number, 0);
    }
    grouped(rounded, PLACES_MAX.max(rounded.scale()))
}
