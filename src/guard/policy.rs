//! The trader's limits and the guard's constants. Plain data; `config` fills it.

use serde::{Deserialize, Serialize};

use super::allowance::Allowance;
use super::event::Mode;
use crate::domain::{Money, Rate, Symbol};

pub use crate::margin::PartialClose;

/// What an unanswered question means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Silence {
    #[default]
    Act,
    Hold,
}

/// Caps on what may be spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgets {
    /// Most margin added by one action, in the settlement asset.
    pub add_per_action: Money,
    /// Most new margin added to one position in one UTC day.
    pub add_per_position_day: Money,
    /// Free balance that is never used.
    pub keep_available: Money,
    /// Largest share of a position that one action may close, 0..1.
    pub trim_per_action: Rate,
    /// Most actions on one position in one UTC day.
    pub actions_per_position_day: u32,
    /// After this many top-ups in one UTC day only trims follow.
    pub top_ups_per_position_day: u32,
}

/// How early the guard acts. Earlier keeps less of the position and loses fewer of them;
/// `docs/decisions/0007` has the figures.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// A third more room than balanced.
    Careful,
    #[default]
    Balanced,
    /// A tenth less room: for a line to the exchange that is fast and sure.
    Tight,
}

impl Preset {
    /// All, from early to late.
    pub const ALL: [Self; 3] = [Self::Careful, Self::Balanced, Self::Tight];

    /// Its name in the configuration and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Careful => "careful",
            Self::Balanced => "balanced",
            Self::Tight => "tight",
        }
    }

    /// Factor on every distance that the forecast asks for.
    #[must_use]
    pub const fn caution(self) -> f64 {
        match self {
            Self::Careful => 1.3,
            Self::Balanced => 1.0,
            Self::Tight => 0.9,
        }
    }
}

/// When to act and how far to restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Triggers {
    pub preset: Preset,
    /// Hard floor: act when the distance to liquidation falls below this share of mark.
    pub floor_distance: Rate,
    /// The same while there is no forecast.
    pub blind_distance: Rate,
    /// Act also when the chance of touching the line within `horizon_ms` exceeds this, 0..1; at 1 that
    /// is never the cause.
    pub breach_limit: f64,
    /// Horizon of the breach probability.
    pub horizon_ms: i64,
    /// A rescue restores the distance to this multiple of the distance needed, at least 1.
    pub restore_factor: f64,
    /// Time from a decision to its verified effect until enough of it has been measured.
    pub time_needed_ms: i64,
}

/// How old an input may be before the guard is blind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    pub mark_ms: i64,
    pub account_ms: i64,
    /// Re-read the account this often even when nothing seems to happen.
    pub reconcile_ms: i64,
    /// Re-read trading rules and tiers this often.
    pub rules_ms: i64,
}

/// Everything that the guard may be told about how to decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The highest mode that commands may set.
    pub mode: Mode,
    /// Short word that makes intent ids unique to this journal: 1 to 12 of `[a-z0-9]`.
    pub instance: String,
    /// Only these symbols are acted on; empty means all.
    pub symbols: Vec<String>,
    pub triggers: Triggers,
    pub budgets: Budgets,
    pub allowance: Allowance,
    pub freshness: Freshness,
    /// Pause between two rescues of one scope.
    pub cooldown_ms: i64,
    /// Longest time that a question stays open; time left may shorten it.
    pub ask_ms: i64,
    pub silence: Silence,
    pub partial_close: PartialClose,
    /// Receive window of requests: after it an unknown request can no longer be executed.
    pub receive_window_ms: i64,
    /// Own and venue's liquidation price may differ by this share before an alarm.
    pub mismatch_tolerance: Rate,
    /// Taker fee used until the venue has told the real one.
    pub fallback_fee: Rate,
    /// Slippage used when no fresh book is known.
    pub fallback_slippage: Rate,
}

impl Policy {
    /// May positions in `symbol` be acted on?
    #[must_use]
    pub fn may_touch(&self, symbol: &Symbol) -> bool {
        self.symbols.is_empty() || self.symbols.iter().any(|name| name == symbol.as_str())
    }
}

impl Default for Policy {
    fn default() -> Self {
        use rust_decimal::Decimal;
        let pct = |tenths_of_bp: i64| Rate::of(Decimal::new(tenths_of_bp, 5));
        Self {
            mode: Mode::Watch,
            instance: "local".to_owned(),
            symbols: Vec::new(),
            triggers: Triggers {
                preset: Preset::default(),
                floor_distance: pct(200),
                blind_distance: pct(1_500),
                breach_limit: 1.0,
                horizon_ms: 15 * 60_000,
                restore_factor: 2.28,
                time_needed_ms: 5_000,
            },
            budgets: Budgets {
                add_per_action: Money::of(Decimal::from(500)),
                add_per_position_day: Money::of(Decimal::from(1_000)),
                keep_available: Money::ZERO,
                trim_per_action: pct(100_000),
                actions_per_position_day: 48,
                top_ups_per_position_day: 6,
            },
            allowance: Allowance::default(),
            freshness: Freshness {
                mark_ms: 10_000,
                account_ms: 90_000,
                reconcile_ms: 30_000,
                rules_ms: 3_600_000,
            },
            cooldown_ms: 5_000,
            ask_ms: 120_000,
            silence: Silence::Act,
            partial_close: PartialClose::ReleasesProRata,
            receive_window_ms: 3_000,
            mismatch_tolerance: pct(200),
            fallback_fee: pct(50),
            fallback_slippage: pct(200),
        }
    }
}
