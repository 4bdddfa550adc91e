//! From journal records to rows for people: one per intent with its ending, one per level change,
//! blind period, mode change and the rest.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::accuracy::percent;
use super::super::calibrate::span;
use crate::domain::{Money, PositionKey, Timestamp};
use crate::forecast::Verdict;
use crate::guard::explain;
use crate::guard::intent::{Ending, FillReport, Intent, IntentId, IntentKind, Outcome, Resolution};
use crate::guard::journal::{Chance, Entry};
use crate::journal::StoredEntry;

/// Kind of the rows that are only shown when asked for: there are dozens a day for each position.
pub(super) const FORECAST: &str = "forecast";

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Line {
    /// When it began, UTC.
    #[serde(serialize_with = "as_text")]
    pub(super) at: Timestamp,
    /// When the last record about it was written, UTC.
    #[serde(serialize_with = "as_text")]
    pub(super) last_at: Timestamp,
    pub(super) kind: &'static str,
    pub(super) scope: Option<String>,
    pub(super) what: String,
    /// Number as text, exact.
    pub(super) amount: Option<String>,
    pub(super) unit: Option<String>,
    /// Fee paid where known, otherwise the cost that was expected.
    pub(super) cost: Option<Money>,
    pub(super) cost_is_paid: bool,
    pub(super) state: String,
    pub(super) reason: String,
    pub(super) intent: Option<IntentId>,
    pub(super) plan: Option<u64>,
}

fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// Rows in the order in which they began.
pub(super) fn lines(entries: Vec<StoredEntry>) -> Vec<Line> {
    let mut story = Story::default();
    for stored in entries {
        match stored.entry {
            Ok(entry) => story.add(stored.at, entry),
            Err(why) => {
                let mut line = Line::new(stored.at, "damaged", "damaged record".to_owned());
                line.state = format!("journal row {}", stored.id);
                line.reason = why.to_string();
                story.lines.push(line);
            }
        }
    }
    story.lines
}

#[derive(Default)]
struct Story {
    lines: Vec<Line>,
    /// Where the row of an intent is.
    intents: BTreeMap<IntentId, usize>,
    /// Where the row of the blind period that began then is.
    blind: BTreeMap<Timestamp, usize>,
    /// Where the row of a forecast is.
    forecasts: BTreeMap<ForecastName, usize>,
}

/// Whose line, and when it was made.
type ForecastName = (PositionKey, Timestamp);

impl Line {
    fn new(at: Timestamp, kind: &'static str, what: String) -> Self {
        Self {
            at,
            last_at: at,
            kind,
            scope: None,
            what,
            amount: None,
            unit: None,
            cost: None,
            cost_is_paid: false,
            state: String::new(),
            reason: String::new(),
            intent: None,
            plan: None,
        }
    }

    fn of(at: Timestamp, intent: Intent) -> Self {
        let (what, amount, unit) = match &intent.kind {
            IntentKind::AddMargin { amount } => (
                "add margin".to_owned(),
                amount.to_string(),
                Some(intent.margin_asset),
            ),
            IntentKind::Reduce {
                quantity,
                bound,
                recycle,
            } => {
                let mut what = format!("reduce {}", intent.side);
                if let Some(price) = bound {
                    what.push_str(&format!(" at {price} or better"));
                }
                if *recycle {
                    what.push_str(", recycle");
                }
                (what, quantity.to_string(), None)
            }
            IntentKind::TakeBack { amount } => (
                "take margin back".to_owned(),
                amount.to_string(),
                Some(intent.margin_asset),
            ),
            IntentKind::MoveIn { amount, from } => (
                format!("move in from {from}"),
                amount.to_string(),
                Some(intent.margin_asset),
            ),
            IntentKind::CancelOrders { orders, frees } => (
                format!("cancel {}", explain::listed(orders)),
                frees.to_string(),
                Some(intent.margin_asset),
            ),
        };
        Self {
            scope: Some(intent.scope.to_string()),
            amount: Some(amount),
            unit,
            cost: Some(intent.cost),
            state: "planned, not sent".to_owned(),
            reason: intent.reason,
            intent: Some(intent.id),
            plan: Some(intent.plan),
            ..Self::new(at, "intent", what)
        }
    }

    fn paid(&mut self, fill: Option<FillReport>) {
        if let Some(fee) = fill.and_then(|fill| fill.fee) {
            self.cost = Some(fee);
            self.cost_is_paid = true;
        }
    }
}

impl Story {
    fn add(&mut self, at: Timestamp, entry: Entry) {
        match entry {
            Entry::Intent { intent } => {
                self.intents.insert(intent.id.clone(), self.lines.len());
                self.lines.push(Line::of(at, intent));
            }
            Entry::Asked { intent, deadline } => self.update(at, intent, |line| {
                line.state = format!("asked until {}", deadline.clock());
            }),
            Entry::Sent { intent } => self.update(at, intent, |line| {
                line.state = "sent, outcome not known".to_owned();
            }),
            Entry::Outcome { intent, outcome } => {
                self.update(at, intent, |line| outcome_of(line, outcome));
            }
            Entry::Resolved { intent, resolution } => {
                self.update(at, intent, |line| resolution_of(line, resolution));
            }
            Entry::Ended { intent, ending } => {
                self.update(at, intent, |line| ending_of(line, ending));
            }
            Entry::Level {
                scope,
                from,
                to,
                cause,
            } => {
                let mut line = Line::new(at, "level", "level".to_owned());
                line.scope = Some(scope.to_string());
                line.state = format!("{from} -> {to}");
                line.reason = cause;
                self.lines.push(line);
            }
            Entry::Blind { since, reason } => {
                self.blind.insert(since, self.lines.len());
                let mut line = Line::new(at, "blind", "blind".to_owned());
                line.state = "since then".to_owned();
                line.reason = reason;
                self.lines.push(line);
            }
            Entry::Sighted { since, blind_ms } => self.sighted(at, since, blind_ms),
            Entry::Mode { mode } => self.simple(at, "mode", mode.to_string(), String::new()),
            Entry::Paused { paused } => {
                let state = if paused { "paused" } else { "resumed" };
                self.simple(at, "pause", state.to_owned(), String::new());
            }
            Entry::Foreign { text } => self.simple(at, "foreign", "seen".to_owned(), text),
            Entry::Forecast {
                key,
                mark,
                line,
                made_at,
                chances,
                ..
            } => self.forecast(
                at,
                (key, made_at),
                format!("line {line}, mark {mark}"),
                &chances,
            ),
            Entry::Scored {
                key,
                made_at,
                horizon_ms,
                chance,
                verdict,
            } => {
                let chance = Chance { horizon_ms, chance };
                self.scored(at, (key, made_at), chance, verdict);
            }
            Entry::Started { version } => {
                self.simple(
                    at,
                    "start",
                    "started".to_owned(),
                    format!("version {version}"),
                );
            }
            Entry::Stopped { reason } => self.simple(at, "stop", "stopped".to_owned(), reason),
            // Bookkeeping for recovery; says nothing that the rows of its intents do not.
            Entry::PlanEnded { .. } | Entry::Loan { .. } => {}
        }
    }

    fn forecast(&mut self, at: Timestamp, name: ForecastName, reason: String, chances: &[Chance]) {
        let mut line = Line::new(at, FORECAST, "forecast".to_owned());
        line.scope = Some(name.0.to_string());
        line.reason = reason;
        line.state = chances.iter().map(said).collect::<Vec<_>>().join(", ");
        self.forecasts.insert(name, self.lines.len());
        self.lines.push(line);
    }

    /// Adds a verdict to the row of its forecast; one whose own record is lost gets a row of its own.
    fn scored(&mut self, at: Timestamp, name: ForecastName, chance: Chance, verdict: Verdict) {
        if !self.forecasts.contains_key(&name) {
            let lost = "its own record is lost".to_owned();
            self.forecast(at, name.clone(), lost, &[chance]);
        }
        let index = self.forecasts.get(&name);
        if let Some(line) = index.and_then(|index| self.lines.get_mut(*index)) {
            let verdict = match verdict {
                Verdict::Touched => "touched",
                Verdict::Untouched => "not touched",
                Verdict::Void => "not seen",
            };
            let said = said(&chance);
            let told = format!("{said} ({verdict})");
            line.state = line.state.replacen(&said, &told, 1);
            line.last_at = at;
        }
    }

    fn simple(&mut self, at: Timestamp, kind: &'static str, state: String, reason: String) {
        let mut line = Line::new(at, kind, kind.to_owned());
        line.state = state;
        line.reason = reason;
        self.lines.push(line);
    }

    fn sighted(&mut self, at: Timestamp, since: Timestamp, blind_ms: i64) {
        let index = self.blind.remove(&since).unwrap_or(self.lines.len());
        if self.lines.get(index).is_none() {
            self.lines
                .push(Line::new(since, "blind", "blind".to_owned()));
        }
        if let Some(line) = self.lines.get_mut(index) {
            line.state = format!("for {}", duration(blind_ms));
            line.last_at = at;
        }
    }

    /// Changes the row of an intent; one whose own record is lost gets a row that says so.
    fn update(&mut self, at: Timestamp, id: IntentId, change: impl FnOnce(&mut Line)) {
        let index = *self.intents.entry(id.clone()).or_insert_with(|| {
            let mut line = Line::new(at, "intent", "unknown act".to_owned());
            line.intent = Some(id);
            line.reason = "its own record is lost".to_owned();
            self.lines.push(line);
            self.lines.len().saturating_sub(1)
        });
        if let Some(line) = self.lines.get_mut(index) {
            line.last_at = at;
            change(line);
        }
    }
}

/// `0.3 % in 15 min`.
fn said(chance: &Chance) -> String {
    let chances = percent(chance.chance);
    format!("{chances} in {}", span(chance.horizon_ms))
}

fn outcome_of(line: &mut Line, outcome: Outcome) {
    line.state = match outcome {
        Outcome::Done { fill } => {
            line.paid(fill);
            "acknowledged, not verified yet".to_owned()
        }
        Outcome::Rejected { code, message, .. } => match code {
            Some(code) => format!("refused: {message} ({code})"),
            None => format!("refused: {message}"),
        },
        Outcome::Throttled { until } => format!("held back until {}", until.clock()),
        Outcome::Unknown { message } => format!("outcome not known: {message}"),
    };
}

fn resolution_of(line: &mut Line, resolution: Resolution) {
    line.state = match resolution {
        Resolution::Executed { fill } => {
            line.paid(fill);
            "executed, not verified yet".to_owned()
        }
        Resolution::NotExecuted => "not executed".to_owned(),
        Resolution::NotFound => "outcome not known: the exchange does not know it".to_owned(),
        Resolution::Working => "working".to_owned(),
        Resolution::Unreachable { message } => format!("outcome not known: {message}"),
    };
}

fn ending_of(line: &mut Line, ending: Ending) {
    line.state = match ending {
        Ending::Verified { fill } => {
            line.paid(fill);
            match fill {
                Some(fill) if Some(fill.quantity.to_string()) != line.amount => {
                    format!("verified, filled {}", fill.quantity)
                }
                Some(_) | None => "verified".to_owned(),
            }
        }
        Ending::Unverified { fill } => {
            line.paid(fill);
            "acknowledged, never seen in the account".to_owned()
        }
        Ending::NotExecuted { message } => format!("not done: {message}"),
        Ending::Declined { message } => format!("declined: {message}"),
    };
}

/// `850 ms`, `12 s`, `3 min 5 s`, `2 h 1 min`.
fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}
