//! What the guard wants remembered, and what it wants to be told after a restart. Storage itself
//! lives in the `journal` module; these are only the records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::Mode;
use super::intent::{Ending, FillReport, Intent, IntentId, Outcome, Resolution, Scope};
use super::level::Level;
use crate::domain::{Money, PositionKey, Price, Quantity, Rate, Side, Timestamp};
use crate::forecast::Verdict;

/// One durable record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    /// Written before anything is asked or sent.
    Intent {
        intent: Intent,
    },
    /// The trader was asked.
    Asked {
        intent: IntentId,
        deadline: Timestamp,
    },
    /// Written directly before the bytes leave: from here on the outcome may be unknown.
    Sent {
        intent: IntentId,
    },
    Outcome {
        intent: IntentId,
        outcome: Outcome,
    },
    Resolved {
        intent: IntentId,
        resolution: Resolution,
    },
    /// Last record of an intent.
    Ended {
        intent: IntentId,
        ending: Ending,
    },
    /// Last record of a plan: nothing more will follow under this number.
    PlanEnded {
        plan: u64,
    },
    Level {
        scope: Scope,
        from: Level,
        to: Level,
        cause: String,
    },
    Blind {
        since: Timestamp,
        reason: String,
    },
    Sighted {
        since: Timestamp,
        blind_ms: i64,
    },
    /// What of Plimsoll's own additions is in a position now; replaces what was said before.
    Loan {
        loan: Loan,
    },
    Mode {
        mode: Mode,
    },
    Paused {
        paused: bool,
    },
    /// Something the agent saw that it did not cause.
    Foreign {
        text: String,
    },
    /// How likely the line of a position was to be touched, by horizon.
    Forecast {
        key: PositionKey,
        falls_hurt: bool,
        mark: Price,
        line: Price,
        /// Venue time of the mark; with the key it names the forecast.
        made_at: Timestamp,
        chances: Vec<Chance>,
    },
    /// What became of one horizon of a forecast.
    Scored {
        key: PositionKey,
        made_at: Timestamp,
        horizon_ms: i64,
        /// As it was said.
        chance: f64,
        verdict: Verdict,
    },
    Started {
        version: String,
    },
    Stopped {
        reason: String,
    },
}

/// Chance, 0..1, of a touch within a horizon.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    pub horizon_ms: i64,
    pub chance: f64,
}

/// Horizons of a forecast that have no verdict yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenForecast {
    pub key: PositionKey,
    pub made_at: Timestamp,
    pub chances: Vec<Chance>,
}

/// What survived a restart. An empty one is the truth for a first start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Recovered {
    /// Intents without an `Ended` record, oldest first, with whether `Sent` was written.
    pub open: Vec<OpenIntent>,
    /// Executed first halves of trim-and-recycle whose plan has neither a second half nor an end.
    pub unfinished: Vec<(Intent, Option<FillReport>)>,
    /// Highest sequence used in an intent id.
    pub last_sequence: u64,
    /// Highest plan number.
    pub last_plan: u64,
    /// What each position has had in the current UTC day.
    pub spent: BTreeMap<String, Spent>,
    /// Margin of ours that is still in positions, as last recorded.
    pub loans: Vec<Loan>,
    /// Last mode set by command, if any.
    pub mode: Option<Mode>,
    pub paused: bool,
    /// Forecasts that the stop left without a verdict, oldest first.
    #[serde(default)]
    pub forecasts: Vec<OpenForecast>,
}

/// An intent that a restart found without an end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenIntent {
    pub intent: Intent,
    /// When it was sent; `None`: journaled but surely never sent.
    pub sent_at: Option<Timestamp>,
}

/// Budget use of one position within one UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spent {
    pub day: Timestamp,
    /// New margin added, recycled margin not counted.
    pub added: Money,
    pub actions: u32,
    pub top_ups: u32,
    /// Moved into the futures wallet from other wallets.
    #[serde(default)]
    pub moved_in: Money,
}

/// Margin that Plimsoll has added to an isolated position and that is still there, with the position
/// as it was when this was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loan {
    pub key: PositionKey,
    pub side: Side,
    pub quantity: Quantity,
    pub entry_price: Price,
    pub isolated_wallet: Money,
    /// What is left of it, in the settlement asset; zero: nothing any more.
    pub amount: Money,
    /// Widest distance to the line, as a share of mark, at which any of it was added.
    pub rescued_at: Rate,
}

/// Key of [`Recovered::spent`].
#[must_use]
pub fn spent_key(key: &PositionKey) -> String {
    key.to_string()
}
