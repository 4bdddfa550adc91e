//! Reports, views and questions as plain text for people.
//!
//! Inputs: guard types only; pure functions, also used to print the same messages in a terminal.
//! Must never know Telegram's wire format or send anything. No markup is produced, so nothing that
//! a venue or a trader named can be taken for markup.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::domain::{Money, Price, Quantity, SECOND_MS, Side, Timestamp};
use crate::guard::action::{PositionView, Report, ReportKind, Severity, View};
use crate::guard::event::{Mode, Question};
use crate::guard::explain;
use crate::guard::intent::{Intent, IntentKind};

/// Longest message text in UTF-16 units. Source: core.telegram.org/bots/api#sendmessage.
pub const MESSAGE_UNITS_MAX: usize = 4_096;
/// Significant digits shown of a price below 1,000 that has more of them.
const PRICE_DIGITS: u32 = 6;

/// A report as one message: a heading with severity and scope, then the time, the state and the text.
#[must_use]
pub fn report(report: &Report) -> String {
    let title = report_title(report);
    format!(
        "{}\n{}",
        heading(report.severity, &title),
        line(report.at, report.kind, &report.text)
    )
}

/// What a report is about, as a heading: the position, the scope or the agent itself.
#[must_use]
pub fn report_title(report: &Report) -> String {
    match (&report.intent, &report.scope) {
        (Some(intent), _) => intent_title(intent),
        (None, Some(scope)) => clean(&scope.to_string()),
        (None, None) => "Plimsoll".to_owned(),
    }
}

/// The position that an intent touches.
#[must_use]
pub fn intent_title(intent: &Intent) -> String {
    format!("{} {}", clean(intent.key.symbol.as_str()), intent.side)
}

/// First line of a message; only an alarm carries a symbol.
#[must_use]
pub fn heading(severity: Severity, title: &str) -> String {
    match severity {
        Severity::Info => title.to_owned(),
        Severity::Warning => format!("Warning - {title}"),
        Severity::Alarm => format!("\u{26a0} ALARM - {title}"),
    }
}

/// One dated line: time of day in UTC, the state in words, the text.
#[must_use]
pub fn line(at: Timestamp, kind: ReportKind, text: &str) -> String {
    let text = clean_lines(text);
    let word = state_word(kind);
    let said = text
        .get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word));
    if said {
        format!("{} UTC {text}", at.clock())
    } else {
        format!("{} UTC {word}: {text}", at.clock())
    }
}

/// The state of a report in words. Sent, Verified and Not known are never mixed up.
#[must_use]
pub const fn state_word(kind: ReportKind) -> &'static str {
    match kind {
        ReportKind::Started => "Started",
        ReportKind::Level => "Level",
        ReportKind::Asked => "Asked",
        ReportKind::Sent => "Sent",
        ReportKind::Verified => "Verified",
        ReportKind::NotKnown => "Not known",
        ReportKind::NotDone => "Not done",
        ReportKind::WouldDo => "Would do",
        ReportKind::Blind => "Blind",
        ReportKind::Sighted => "Sees again",
        ReportKind::Mismatch => "Mismatch",
        ReportKind::Foreign => "Changed by others",
        ReportKind::Powerless => "Powerless",
        ReportKind::Mode => "Mode",
    }
}

/// A question as it stands at `now`: what, why, until when, and what silence means.
#[must_use]
pub fn question(question: &Question, now: Timestamp) -> String {
    let left_s = question.deadline.since(now).max(0) / SECOND_MS;
    format!(
        "{}\nWhy: {}\nExpected cost: {} {}\nAnswer until {} UTC ({left_s} s left).\n{}",
        question_head(question),
        clean_lines(&question.intent.reason),
        money(question.intent.cost),
        clean(&question.intent.margin_asset),
        question.deadline.clock(),
        silence(question),
    )
}

/// A question that no longer stands: what was asked, without a countdown.
#[must_use]
pub fn closed_question(question: &Question) -> String {
    format!(
        "{}\nWhy: {}",
        question_head(question),
        clean_lines(&question.intent.reason)
    )
}

fn question_head(question: &Question) -> String {
    format!("Question - {}?", act(&question.intent))
}

fn silence(question: &Question) -> &'static str {
    if question.silence_acts {
        "Silence means: yes, it is done at the deadline."
    } else {
        "Silence means: no, nothing is done."
    }
}

/// What an intent does, in a few words.
#[must_use]
pub fn act(intent: &Intent) -> String {
    let title = intent_title(intent);
    match &intent.kind {
        IntentKind::AddMargin { amount } => format!(
            "add {} {} margin to {title}",
            money(*amount),
            clean(&intent.margin_asset)
        ),
        IntentKind::Reduce {
            quantity: size,
            bound,
            recycle,
        } => {
            let bounded = match (bound, intent.side) {
                (Some(bound), Side::Long) => format!(" at {} or higher", price(*bound)),
                (Some(bound), Side::Short) => format!(" at {} or lower", price(*bound)),
                (None, _) => " at market".to_owned(),
            };
            let back = if *recycle {
                ", then add back what it freed"
            } else {
                ""
            };
            format!("reduce {title} by {}{bounded}{back}", quantity(*size))
        }
        IntentKind::TakeBack { amount } => format!(
            "take {} {} of the margin that Plimsoll added to {title} back",
            money(*amount),
            clean(&intent.margin_asset)
        ),
        IntentKind::MoveIn { amount, from } => format!(
            "move {} {} from the {from} wallet into the futures wallet for {title}",
            money(*amount),
            clean(&intent.margin_asset)
        ),
        IntentKind::CancelOrders { orders, frees } => format!(
            "cancel {}, which would free about {} {} for {title}",
            clean(&explain::listed(orders)),
            money(*frees),
            clean(&intent.margin_asset)
        ),
    }
}

/// The whole account: mode, sight, balances, one block for each position, what is under way.
#[must_use]
pub fn status(view: &View) -> String {
    let mut blocks = vec![format!(
        "{}\n{}\n{}",
        mode(view.mode, view.paused),
        sight(view),
        as_of(view.at)
    )];
    if !view.balances.is_empty() {
        let rows: Vec<String> = view
            .balances
            .iter()
            .map(|balance| {
                format!(
                    "{}: wallet {}, available {}",
                    clean(&balance.asset),
                    money(balance.cross_wallet),
                    money(balance.available)
                )
            })
            .collect();
        blocks.push(rows.join("\n"));
    }
    if view.positions.is_empty() {
        blocks.push("No open positions.".to_owned());
    }
    blocks.extend(view.positions.iter().map(position));
    if !view.open_intents.is_empty() {
        let rows: Vec<String> = view.open_intents.iter().map(act).collect();
        blocks.push(format!("Under way:\n{}", rows.join("\n")));
    }
    if !view.questions.is_empty() {
        let rows: Vec<String> = view
            .questions
            .iter()
            .map(|asked| {
                format!(
                    "{} until {} UTC",
                    act(&asked.intent),
                    asked.deadline.clock()
                )
            })
            .collect();
        blocks.push(format!("Waiting for your answer:\n{}", rows.join("\n")));
    }
    blocks.join("\n\n")
}

/// The positions, one line each.
#[must_use]
pub fn positions(view: &View) -> String {
    let mut rows: Vec<String> = view.positions.iter().map(position_row).collect();
    if rows.is_empty() {
        rows.push("No open positions.".to_owned());
    }
    if !view.blind.is_empty() {
        rows.push(sight(view));
    }
    rows.push(as_of(view.at));
    rows.join("\n")
}

/// The mode in one line.
#[must_use]
pub fn mode(mode: Mode, paused: bool) -> String {
    let meaning = match mode {
        Mode::Watch => "sends nothing",
        Mode::Ask => "asks before each action",
        Mode::Auto => "acts within the budgets",
    };
    if paused {
        format!("Mode {mode}, PAUSED: sends nothing until /resume")
    } else {
        format!("Mode {mode}: {meaning}")
    }
}

fn sight(view: &View) -> String {
    if view.blind.is_empty() {
        "Sees everything it needs.".to_owned()
    } else {
        let reasons: Vec<String> = view.blind.iter().map(|reason| clean(reason)).collect();
        format!("BLIND: {}", reasons.join("; "))
    }
}

fn as_of(at: Timestamp) -> String {
    format!("As of {} UTC", at.clock())
}

/// One position as a block of lines.
#[must_use]
pub fn position(view: &PositionView) -> String {
    let leverage = view
        .leverage
        .map(|times| format!(" {times}x"))
        .unwrap_or_default();
    let mut rows = vec![
        format!(
            "{} {} - {}",
            clean(view.symbol.as_str()),
            view.side,
            view.level
        ),
        format!(
            "Size {}, {}{leverage}",
            quantity(view.quantity),
            view.margin_mode
        ),
        format!(
            "Entry {}, mark {}, profit {}",
            price(view.entry_price),
            price(view.mark_price),
            money(view.unrealized_pnl)
        ),
        format!(
            "Line {}, distance {}",
            optional_price(view.liquidation_price),
            optional_pct(view.distance_pct)
        ),
    ];
    if view.exchange_liquidation_price != view.liquidation_price {
        rows.push(format!(
            "Line by the exchange {}",
            optional_price(view.exchange_liquidation_price)
        ));
    }
    rows.push(format!(
        "Margin ratio {}",
        optional_share(view.margin_ratio)
    ));
    if let Some(at) = view.act_price {
        rows.push(format!("Acts at {}", price(at)));
    }
    if view.breach_probability.is_some() {
        rows.push(format!(
            "Chance of touching the line {}",
            optional_share(view.breach_probability)
        ));
    }
    if !view.cause.is_empty() {
        rows.push(format!("Why {}: {}", view.level, clean_lines(&view.cause)));
    }
    rows.join("\n")
}

fn position_row(view: &PositionView) -> String {
    format!(
        "{} {} {} | mark {} | line {} | {} | {}",
        clean(view.symbol.as_str()),
        view.side,
        quantity(view.quantity),
        price(view.mark_price),
        optional_price(view.liquidation_price),
        optional_pct(view.distance_pct),
        view.level
    )
}

/// A price: thousands separated, at most 2 decimals from 1,000 on, else 6 significant digits.
#[must_use]
pub fn price(price: Price) -> String {
    let value = price.get();
    let shown = if value.abs() >= Decimal::ONE_THOUSAND {
        price.round_display(2)
    } else {
        significant(value, PRICE_DIGITS)
    };
    grouped(&shown.normalize().to_string())
}

/// An amount with two decimals; a smaller one than a cent with two significant digits.
#[must_use]
pub fn money(amount: Money) -> String {
    let rounded = amount.round_display(2);
    if rounded.is_zero() && !amount.is_zero() {
        return significant(amount.get(), 2).normalize().to_string();
    }
    grouped(&format!("{rounded:.2}"))
}

/// A size, all its digits.
#[must_use]
pub fn quantity(quantity: Quantity) -> String {
    grouped(&quantity.to_string())
}

/// A percentage with two decimals, or "none".
#[must_use]
pub fn optional_pct(pct: Option<f64>) -> String {
    match pct {
        Some(pct) if pct.is_finite() => format!("{pct:.2} %"),
        Some(_) | None => "none".to_owned(),
    }
}

/// A fraction as a percentage with two decimals, or "none".
#[must_use]
pub fn optional_share(share: Option<f64>) -> String {
    share
        .and_then(|share| Decimal::try_from(share).ok())
        .and_then(|share| share.checked_mul(Decimal::ONE_HUNDRED))
        .map_or_else(
            || "none".to_owned(),
            |pct| {
                let pct = pct.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
                format!("{pct:.2} %")
            },
        )
}

/// A price, or "none".
#[must_use]
pub fn optional_price(value: Option<Price>) -> String {
    value.map_or_else(|| "none".to_owned(), price)
}

fn significant(value: Decimal, digits: u32) -> Decimal {
    value
        .round_sf_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)
        .unwrap_or(value)
}

/// Puts commas between the thousands of a decimal text.
fn grouped(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let mut out = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len().saturating_sub(place)).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// One line of foreign text: without control characters and without letters that turn the reading
/// direction or cannot be seen.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || is_invisible(c) {
                ' '
            } else {
                c
            }
        })
        .collect::<String>()
        .trim()
        .to_owned()
}

/// Like [`clean`], but line ends stay.
#[must_use]
pub fn clean_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(clean).collect();
    lines.join("\n").trim().to_owned()
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Length as Telegram counts it: UTF-16 units.
#[must_use]
pub fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The text itself, or its beginning and an ellipsis if it is longer than `limit` units.
#[must_use]
pub fn shorten(text: &str, limit: usize) -> String {
    if units(text) <= limit {
        return text.to_owned();
    }
    let mut room = limit.saturating_sub(1);
    let mut out = String::new();
    for c in text.chars() {
        match room.checked_sub(c.len_utf16()) {
            Some(rest) => room = rest,
            None => break,
        }
        out.push(c);
    }
    out.push('\u{2026}');
    out
}

/// Splits a text into at most `parts_max` messages of at most `limit` units, at line ends where
/// possible; what does not fit ends in an ellipsis.
#[must_use]
pub fn split(text: &str, limit: usize, parts_max: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim_end();
    while units(rest) > limit && parts.len().saturating_add(1) < parts_max {
        let cut = cut_at(rest, limit);
        let (head, tail) = rest.split_at_checked(cut).unwrap_or((rest, ""));
        if !head.trim().is_empty() {
            parts.push(head.trim_end().to_owned());
        }
        rest = tail.trim_start_matches('\n');
    }
    if !rest.trim().is_empty() {
        parts.push(shorten(rest, limit));
    }
    parts
}

/// Byte offset of the last line end within `limit` units, or of the last whole character.
fn cut_at(text: &str, limit: usize) -> usize {
    let mut room = limit;
    let mut line_end = None;
    for (at, c) in text.char_indices() {
        if c == '\n' && at > 0 {
            line_end = Some(at);
        }
        match room.checked_sub(c.len_utf16()) {
            Some(rest) => room = rest,
            None => return line_end.unwrap_or(at),
        }
    }
    text.len()
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
