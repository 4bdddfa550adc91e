//! Figures over many episodes of the world: one row per policy, leverage, number of positions, bar
//! length, and whether the positions hedge each other.

use std::collections::BTreeMap;

use serde::Serialize;

use super::group::{Group, JointTrial, Posture};
use super::joint::{JointFate, JointOutcome, JointPlayed};
use crate::replay::figures::{BPS, Ending, Figures, Sums};
use crate::replay::path::Path;
use crate::replay::policy::Policy;
use crate::replay::report::LOST_MAX;

/// All rows of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct JointReport {
    /// In the order of bar length, positions, hedging, policy and leverage.
    pub rows: Vec<JointRow>,
}

/// Shares are fractions of 1; `None` where no episode counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JointRow {
    pub policy: &'static str,
    /// Set of limits the guard played with; none for baselines.
    pub preset: Option<&'static str>,
    pub leverage: u32,
    /// Length of the recorded bars in milliseconds.
    pub bar_ms: i64,
    /// Positions of an account.
    pub legs: usize,
    /// Positions of both directions in one account.
    pub hedged: bool,
    #[serde(flatten)]
    pub figures: Figures,
    /// Trims in all episodes of the position with the nearest liquidation price, …
    pub trims_nearest: u64,
    /// … and of another one.
    pub trims_other: u64,
    /// The first twenty episodes at risk that the guard lost; empty for baselines.
    pub lost: Vec<LostAccount>,
}

/// An account in which something was liquidated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LostAccount {
    pub tapes: Vec<String>,
    pub posture: Posture,
    pub entered_ms: i64,
    pub kept: f64,
    pub friction_bps: f64,
}

type Key = (i64, usize, bool, usize, u32);

impl JointReport {
    /// Sums up in the order of `played`, so that the same episodes give the same figures to the bit.
    #[must_use]
    pub fn of(
        paths: &[Path],
        groups: &[Group],
        policies: &[Policy],
        played: &[JointPlayed],
    ) -> Self {
        let mut sums: BTreeMap<Key, Sum> = BTreeMap::new();
        for episode in played {
            let Some(group) = groups.get(episode.trial.group) else {
                continue;
            };
            let hedged = episode.trial.episode.posture == Posture::Hedged;
            let leverage = episode.trial.episode.leverage;
            for (place, outcome) in episode.outcomes.iter().enumerate() {
                let Some(outcome) = outcome else {
                    continue;
                };
                let key = (group.bar_ms, group.paths.len(), hedged, place, leverage);
                let sum = sums.entry(key).or_default();
                sum.take(&episode.fate, outcome);
                if episode.fate.at_risk && outcome.liquidated && sum.lost.len() < LOST_MAX {
                    sum.lost.push(lost(paths, group, &episode.trial, outcome));
                }
            }
        }
        let row = |(key, sum): (Key, Sum)| Some(sum.row(*policies.get(key.3)?, key));
        Self {
            rows: sums.into_iter().filter_map(row).collect(),
        }
    }
}

#[derive(Default)]
struct Sum {
    all: Sums,
    trims: (u64, u64),
    lost: Vec<LostAccount>,
}

impl Sum {
    fn take(&mut self, fate: &JointFate, outcome: &JointOutcome) {
        self.all.take(&Ending {
            at_risk: fate.at_risk,
            days: fate.days,
            best: fate.best,
            liquidated: outcome.liquidated,
            kept: outcome.kept,
            friction: outcome.friction,
            new_money: outcome.new_money,
            wealth: outcome.wealth,
            actions: outcome.actions,
        });
        self.trims.0 += u64::from(outcome.trims_nearest);
        self.trims.1 += u64::from(outcome.trims_other);
    }

    fn row(self, policy: Policy, (bar_ms, legs, hedged, _, leverage): Key) -> JointRow {
        JointRow {
            policy: policy.name(),
            preset: policy.preset(),
            leverage,
            bar_ms,
            legs,
            hedged,
            figures: self.all.figures(),
            trims_nearest: self.trims.0,
            trims_other: self.trims.1,
            lost: if policy.preset().is_some() {
                self.lost
            } else {
                Vec::new()
            },
        }
    }
}

fn lost(paths: &[Path], group: &Group, trial: &JointTrial, outcome: &JointOutcome) -> LostAccount {
    let names = group.paths.iter().filter_map(|path| paths.get(*path));
    LostAccount {
        tapes: names.map(|path| path.name.clone()).collect(),
        posture: trial.episode.posture,
        entered_ms: trial.episode.entered.as_millis(),
        kept: outcome.kept,
        friction_bps: outcome.friction * BPS,
    }
}
