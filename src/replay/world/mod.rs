//! The real guard against the simulated exchange, in process and in virtual time: accounts with
//! several positions, isolated or cross, on a market with a book, tiers, funding and faults.
//!
//! Purpose: what the exact account of the standard episode leaves out. Inputs: a [`Scene`], a
//! [`World`], a [`Player`]. The guard is driven as the live agent drives it: one event, then drain,
//! then wait for the next event or its deadline; it learns the account only from what it reads and
//! is told. It must never know a venue adapter, the network, a clock or the screen; the same scene
//! and world give the same [`Run`], whatever else runs beside it.
//!
//! | file | holds |
//! |---|---|
//! | `faults` | [`Faults`]: which requests go wrong, and when the mark stream is silent |
//! | `stand` | the account on its exchange, and what the guard can read of it |
//! | `carry` | intents to requests, refusals to reactions |
//! | `news` | what the exchange tells the owner, as events |
//! | `play` | [`play()`]: the driver |
//! | `ended` | [`Run`]: what became of a scene |
//! | `baseline` | what baselines do, read off the exchange's own numbers |
//! | `group` | [`JointEpisode`]: accounts on one to three tapes at once, and their scenes |
//! | `joint` | [`play_joint`]: how policies fare with them |
//! | `tally` | [`JointReport`]: rows of figures over them |
//! | `shock` | made-up price moves |
//! | `stress` | [`stress()`]: the present account through shocks and recorded crashes |

mod baseline;
mod carry;
mod ended;
mod faults;
mod group;
mod joint;
mod news;
mod play;
mod shock;
mod stand;
mod stress;
mod tally;

use crate::domain::{Money, Rate, Symbol, Timestamp};
use std::collections::BTreeMap;

use crate::guard::event::Bar;
use crate::guard::policy::Policy as GuardPolicy;
use crate::sim::{BookShape, Market, Seat, Tape};

use super::policy::Policy;

pub use ended::{Act, Deed, LegEnd, Look, Run};
pub use faults::{Fate as RequestFate, Faults};
pub use group::{Group, JointEpisode, JointSettings, JointTrial, Posture, groups, joint_trials};
pub use joint::{JointFate, JointOutcome, JointPlayed, play_joint, plays_in};
pub use play::play;
pub use shock::{Shock, shock_factors};
pub use stress::{Course, Present, PresentError, Stressed, Walk, stress};
pub use tally::{JointReport, JointRow, LostAccount};

/// Which risk tiers hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tiers {
    /// Those of the market: the venue's where they are known, typical ones otherwise.
    #[default]
    Market,
    /// One tier with the maintenance rate of the standard episode.
    Single,
}

/// What is fixed for a world. Plain data; the default is a market without faults whose book
/// collapses with the price.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// From a decision to its effect, in milliseconds, at least zero.
    pub delay_ms: i64,
    /// Paid by longs to shorts every eight hours; `None`: no funding.
    pub funding_rate: Option<Rate>,
    pub tiers: Tiers,
    pub book: BookShape,
    pub faults: Faults,
    /// Taker fee as a fraction of the traded notional.
    pub taker_fee: Rate,
    /// Decides the made-up book and, with what is played, which requests go wrong.
    pub seed: u64,
}

impl Default for World {
    fn default() -> Self {
        use rust_decimal::Decimal;
        Self {
            delay_ms: super::STEP_MS,
            funding_rate: Some(Rate::of(Decimal::new(1, 4))),
            tiers: Tiers::Market,
            book: BookShape::Collapsing,
            faults: Faults::NONE,
            taker_fee: Rate::of(Decimal::new(5, 4)),
            seed: 1,
        }
    }
}

/// What is played: markets with their marks, and what the account holds at the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Marks every [`super::STEP_MS`]; they may begin before `start`, so that the book knows the market.
    pub markets: Vec<(Market, Tape)>,
    /// Minutes before `start`, oldest first, from which the guard learns how each market moves.
    pub before: BTreeMap<Symbol, Vec<Bar>>,
    pub seats: Vec<Seat>,
    /// Cross wallet at the start.
    pub wallet: Money,
    pub hedge: bool,
    /// When the positions are there; a mark falls on it.
    pub start: Timestamp,
    /// The last instant.
    pub end: Timestamp,
}

/// Who looks after the account.
#[derive(Debug, Clone, PartialEq)]
pub enum Player {
    /// A baseline; [`Policy::Nothing`] is the unprotected twin.
    Baseline(Policy),
    /// The real guard with these limits.
    Guard(Box<GuardPolicy>),
}
