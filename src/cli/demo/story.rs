//! What a person sees of a play while it runs, and the account of it afterwards.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;

use super::super::terminal::say;
use super::Play;
use super::account::MARGIN;
use crate::domain::{MINUTE_MS, Money, Price, Quantity, Side, Timestamp};
use crate::forecast::{exceeds, share};
use crate::guard::action::{Report, ReportKind, Severity, View};
use crate::guard::explain;
use crate::guard::intent::{Intent, IntentKind};
use crate::sim::AccountSummary;
use crate::telegram::{Notice, render};

/// A price line is shown at least this often in virtual time.
const LINE_EVERY_MS: i64 = 30 * MINUTE_MS;
/// And when the price has moved by this share since the last line, at most once per minute.
const LINE_MOVE: f64 = 0.01;
const LINE_GAP_MS: i64 = MINUTE_MS;

/// Listens to a play.
pub(super) struct Story {
    quiet: bool,
    start: Timestamp,
    side: Side,
    shown_at: Timestamp,
    shown_mark: Option<Price>,
    twin_gone: bool,
    actions: Vec<ActionRow>,
    by_intent: BTreeMap<String, usize>,
    alarms: u32,
}

/// How a play ended.
pub(super) struct Ended {
    pub(super) summary: Summary,
}

/// The whole play in one object; decimals are strings, `_pct` means 0..100.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) protected: Protected,
    unprotected: Unprotected,
    tape: String,
    symbol: String,
    side: String,
    leverage: u32,
    margin_mode: String,
    start_ms: i64,
    end_ms: i64,
    seed: u64,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Protected {
    pub(super) liquidated: bool,
    liquidated_at_ms: Option<i64>,
    equity_usdt: String,
    position_kept_pct: f64,
    actions: Vec<ActionRow>,
    fees_usdt: String,
    funding_usdt: String,
    alarms: u32,
}

#[derive(Debug, Serialize)]
struct Unprotected {
    liquidated: bool,
    liquidated_at_ms: Option<i64>,
    equity_usdt: String,
    fees_usdt: String,
}

/// One act of the agent.
#[derive(Debug, Clone, Serialize)]
struct ActionRow {
    kind: &'static str,
    at_ms: i64,
    /// USDT for additions, base units for reductions.
    amount: String,
    reason: String,
    cost_usdt: String,
    verified: bool,
    state: &'static str,
}

impl Story {
    pub(super) fn new(play: &Play, quiet: bool) -> Self {
        Self {
            quiet,
            start: play.tape.start,
            side: play.side,
            shown_at: play.tape.start,
            shown_mark: None,
            twin_gone: false,
            actions: Vec::new(),
            by_intent: BTreeMap::new(),
            alarms: 0,
        }
        .titled(play)
    }

    fn titled(self, play: &Play) -> Self {
        self.say(&format!(
            "Plimsoll demo: {}, {} → {}.",
            play.title,
            play.tape.start,
            play.tape.end()
        ));
        for note in &play.tape.notes {
            self.say(&format!("  note: {note}"));
        }
        self
    }

    /// Both accounts as they stand before the agent starts; `one` is either of them.
    pub(super) fn open(&self, one: &AccountSummary, free: Money) {
        for position in &one.positions {
            self.say(&format!(
                "Both accounts hold {} {} {} at {}× {}, entered at {}; liquidation at {}.",
                explain::grouped(position.quantity.get(), 8),
                position.symbol,
                position.side,
                position.leverage,
                position.margin_mode,
                explain::price(position.entry_price),
                render::optional_price(position.liquidation_price),
            ));
        }
        self.say(&format!(
            "Free beside it: {} USDT. One of the two is guarded.\n",
            explain::money(free)
        ));
    }

    /// One instant has passed; true when a price line is wanted.
    pub(super) fn tick(&mut self, at: Timestamp, mark: Price, twin: Option<Timestamp>) -> bool {
        if let (Some(gone), false) = (twin, self.twin_gone) {
            self.twin_gone = true;
            let text = format!(
                "the unprotected twin is LIQUIDATED near {}",
                explain::price(mark)
            );
            self.say(&format!("{}  ✗ {text}", self.clock(gone)));
        }
        if self.quiet {
            return false;
        }
        let passed = at.since(self.shown_at);
        let moved = self
            .shown_mark
            .and_then(|shown| (mark - shown).abs().ratio(shown));
        let moved = moved.is_some_and(|moved| exceeds(share(moved), LINE_MOVE, 0.0));
        passed >= LINE_EVERY_MS || (moved && passed >= LINE_GAP_MS)
    }

    /// A price line.
    pub(super) fn show(&mut self, view: &View) {
        self.shown_at = view.at;
        let Some(position) = view.positions.first() else {
            self.shown_mark = None;
            self.say(&format!("{}  no position", self.clock(view.at)));
            return;
        };
        self.shown_mark = Some(position.mark_price);
        let twin = if self.twin_gone {
            "liquidated"
        } else {
            "alive"
        };
        self.say(&format!(
            "{}  price {:>11}  line {:>11}  distance {:>7}  {:<8}  size {}  twin {twin}",
            self.clock(view.at),
            explain::price(position.mark_price),
            render::optional_price(position.liquidation_price),
            render::optional_pct(position.distance_pct),
            position.level.to_string(),
            explain::grouped(position.quantity.get(), 8),
        ));
    }

    /// The agent speaks: shown as Telegram would show it.
    pub(super) fn hear(&mut self, notice: &Notice) {
        match notice {
            Notice::Report(report) => {
                self.note(report);
                let heading = match report.severity {
                    Severity::Info => "»",
                    Severity::Warning => "»»",
                    Severity::Alarm => "»» ALARM:",
                };
                self.say(&format!(
                    "{}  {heading} {}",
                    self.clock(report.at),
                    report.text
                ));
            }
            Notice::Ask(question) => {
                self.say(&render::question(question, question.intent.planned_at))
            }
            Notice::Unask { text, .. } => self.say(text),
        }
    }

    fn note(&mut self, report: &Report) {
        if report.severity == Severity::Alarm {
            self.alarms = self.alarms.saturating_add(1);
        }
        let Some(intent) = &report.intent else { return };
        let state = match report.kind {
            ReportKind::Sent => {
                self.by_intent
                    .insert(intent.id.to_string(), self.actions.len());
                self.actions.push(row(intent, report.at));
                return;
            }
            ReportKind::Verified => "verified",
            ReportKind::NotKnown => "not-known",
            ReportKind::NotDone => "not-done",
            ReportKind::Started
            | ReportKind::Level
            | ReportKind::Asked
            | ReportKind::WouldDo
            | ReportKind::Blind
            | ReportKind::Sighted
            | ReportKind::Mismatch
            | ReportKind::Foreign
            | ReportKind::Powerless
            | ReportKind::Mode => return,
        };
        let place = self.by_intent.get(intent.id.as_str()).copied();
        if let Some(row) = place.and_then(|place| self.actions.get_mut(place)) {
            row.state = state;
            row.verified = state == "verified";
        }
    }

    /// The account of the play.
    pub(super) fn end(
        &mut self,
        play: &Play,
        guarded: &AccountSummary,
        twin: &AccountSummary,
    ) -> Ended {
        let held = |account: &AccountSummary| -> Quantity {
            account
                .positions
                .iter()
                .map(|position| position.quantity.abs())
                .sum()
        };
        let opened = self.opened(play);
        let kept = opened.and_then(|opened| held(guarded).ratio(opened));
        let kept_pct = kept
            .and_then(|kept| kept.as_pct().round_dp(2).to_f64())
            .unwrap_or(0.0);
        let protected = Protected {
            liquidated: guarded.liquidated_at.is_some(),
            liquidated_at_ms: guarded.liquidated_at.map(Timestamp::as_millis),
            equity_usdt: exact(guarded.equity),
            position_kept_pct: kept_pct,
            actions: std::mem::take(&mut self.actions),
            fees_usdt: exact(guarded.fees_paid),
            funding_usdt: exact(guarded.funding_paid),
            alarms: self.alarms,
        };
        let unprotected = Unprotected {
            liquidated: twin.liquidated_at.is_some(),
            liquidated_at_ms: twin.liquidated_at.map(Timestamp::as_millis),
            equity_usdt: exact(twin.equity),
            fees_usdt: exact(twin.fees_paid),
        };
        let summary = Summary {
            protected,
            unprotected,
            tape: play.tape.name.clone(),
            symbol: play.tape.symbol.to_string(),
            side: self.side.to_string(),
            leverage: play.leverage,
            margin_mode: play.mode.to_string(),
            start_ms: play.tape.start.as_millis(),
            end_ms: play.tape.end().as_millis(),
            seed: play.seed,
            notes: play.tape.notes.clone(),
        };
        Ended { summary }
    }

    /// Size of the position at the start, from the money that opened it.
    fn opened(&self, play: &Play) -> Option<Quantity> {
        let first = play.tape.marks.first()?;
        let market = crate::sim::market::for_symbol(&play.tape.symbol, *first);
        let notional = MARGIN * crate::domain::Rate::of(Decimal::from(play.leverage));
        Some(
            notional
                .at(*first)?
                .floor_to(market.instrument.market_lot.step),
        )
    }

    fn clock(&self, at: Timestamp) -> String {
        let passed = Timestamp::from_millis(at.since(self.start));
        let day = passed.as_millis().div_euclid(crate::domain::DAY_MS);
        if day > 0 {
            format!("+{day}d {}", passed.clock())
        } else {
            passed.clock()
        }
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }
}

impl Summary {
    /// The end of the story for a person.
    pub(super) fn text(&self) -> String {
        let fate = |liquidated: bool| if liquidated { "LIQUIDATED" } else { "survived" };
        let kept = if self.protected.liquidated {
            0.0
        } else {
            self.protected.position_kept_pct
        };
        let twin_kept = if self.unprotected.liquidated {
            "0"
        } else {
            "100"
        };
        let verified = self
            .protected
            .actions
            .iter()
            .filter(|action| action.verified)
            .count();
        let mut text = format!(
            "\n              {:>16}  {:>16}\n",
            "protected", "unprotected"
        );
        let mut line = |name: &str, left: String, right: String| {
            text.push_str(&format!("  {name:<11} {left:>16}  {right:>16}\n"));
        };
        line(
            "position",
            fate(self.protected.liquidated).into(),
            fate(self.unprotected.liquidated).into(),
        );
        line("kept", format!("{kept} %"), format!("{twin_kept} %"));
        line(
            "equity",
            money(&self.protected.equity_usdt),
            money(&self.unprotected.equity_usdt),
        );
        line(
            "fees",
            money(&self.protected.fees_usdt),
            money(&self.unprotected.fees_usdt),
        );
        line(
            "actions",
            format!("{} ({verified} verified)", self.protected.actions.len()),
            "0".into(),
        );
        text
    }
}

fn row(intent: &Intent, at: Timestamp) -> ActionRow {
    let (kind, amount) = match &intent.kind {
        IntentKind::AddMargin { amount } if intent.recycled => ("recycle-margin", exact(*amount)),
        IntentKind::AddMargin { amount } => ("add-margin", exact(*amount)),
        IntentKind::Reduce { quantity, .. } if *quantity >= intent.before.quantity => {
            ("close", quantity.to_string())
        }
        IntentKind::Reduce { quantity, .. } => ("trim", quantity.to_string()),
        IntentKind::TakeBack { amount } => ("take-back", exact(*amount)),
        IntentKind::MoveIn { amount, .. } => ("move-in", exact(*amount)),
        IntentKind::CancelOrders { frees, .. } => ("cancel-orders", exact(*frees)),
    };
    ActionRow {
        kind,
        at_ms: at.as_millis(),
        amount,
        reason: intent.reason.clone(),
        cost_usdt: exact(intent.cost),
        verified: false,
        state: "sent",
    }
}

/// Exact money as text, at most eight places.
fn exact(money: Money) -> String {
    money.round_display(8).normalize().to_string()
}

fn money(text: &str) -> String {
    let amount = text.parse::<Money>().unwrap_or(Money::ZERO);
    format!("{} USDT", explain::money(amount))
}
