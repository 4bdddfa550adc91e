//! Everything the guard can want, and what it shows of itself.

use serde::{Deserialize, Serialize};

use super::event::{Mode, Question, Refresh};
use super::intent::{Intent, IntentId, Scope};
use super::journal::Entry;
use super::level::Level;
use crate::domain::{
    MarginMode, Money, PositionSide, Price, Quantity, Rate, Side, Symbol, Timestamp,
};

/// One output of the guard, drained by `Guard::next_action()` in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Write this down. Comes before the action it belongs to.
    Record(Entry),
    /// Send this intent, exactly once. Its `Sent` record has been emitted before.
    Send(Intent),
    /// Ask the venue what became of this intent, which was sent at `sent_at`.
    Resolve { intent: Intent, sent_at: Timestamp },
    /// Read this again.
    Refresh(Refresh),
    /// Ask the trader.
    Ask(Question),
    /// The question no longer stands.
    Unask { intent: IntentId, text: String },
    /// Tell the trader.
    Report(Report),
}

/// How loud a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Alarm,
}

/// What a report is about. `Sent`, `Verified` and `NotKnown` are the three honest states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportKind {
    Started,
    Level,
    Asked,
    /// The request left; nothing more is known.
    Sent,
    /// The effect was seen by re-reading the account.
    Verified,
    /// It may or may not have happened; being looked up, or given up looking.
    NotKnown,
    /// The venue refused, or it surely did not happen.
    NotDone,
    /// Watch mode: what would have been done.
    WouldDo,
    Blind,
    Sighted,
    Mismatch,
    Foreign,
    Powerless,
    Mode,
}

/// One message for the trader, already worded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub at: Timestamp,
    pub kind: ReportKind,
    pub severity: Severity,
    pub scope: Option<Scope>,
    /// Set when the report is about an intent.
    pub intent: Option<Intent>,
    /// Plain text without markup; numbers included.
    pub text: String,
}

/// The guard as seen from outside, at one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    pub at: Timestamp,
    pub mode: Mode,
    pub paused: bool,
    /// Why the guard is blind; empty when it sees.
    pub blind: Vec<String>,
    pub balances: Vec<BalanceView>,
    pub positions: Vec<PositionView>,
    pub open_intents: Vec<Intent>,
    pub questions: Vec<Question>,
}

/// One settlement asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceView {
    pub asset: String,
    pub cross_wallet: Money,
    pub available: Money,
}

/// One position with its line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PositionView {
    pub symbol: Symbol,
    pub position_side: PositionSide,
    pub side: Side,
    pub quantity: Quantity,
    pub entry_price: Price,
    pub mark_price: Price,
    pub margin_mode: MarginMode,
    pub leverage: Option<u32>,
    /// Isolated wallet without unrealised profit; zero for cross.
    pub isolated_margin: Money,
    pub unrealized_pnl: Money,
    pub liquidation_price: Option<Price>,
    pub exchange_liquidation_price: Option<Price>,
    /// From mark to the nearer of both liquidation prices, or to where the account dies with its other
    /// positions moving along, in percent of mark.
    pub distance_pct: Option<f64>,
    /// Maintenance margin over margin balance; 1 is liquidation.
    pub margin_ratio: Option<f64>,
    pub level: Level,
    /// One sentence: why this level.
    pub cause: String,
    /// Mark price at which a rescue starts.
    pub act_price: Option<Price>,
    /// Chance of touching the line within the action horizon, 0..1.
    pub breach_probability: Option<f64>,
    pub maintenance_margin: Money,
    pub funding_rate: Option<Rate>,
}
