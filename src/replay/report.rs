//! Figures over many episodes: one row per policy, leverage and bar length.

use std::collections::BTreeMap;

use serde::Serialize;

use super::episode::{Fate, Outcome};
use super::figures::{BPS, Ending, Figures, Quiet, Sums};
use super::path::Path;
use super::policy::Policy;
use super::run::{Played, Trial};
use crate::domain::Side;

/// Most lost episodes that are named in one row.
pub(super) const LOST_MAX: usize = 20;

/// All rows of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Report {
    /// In the order of bar length, policy and leverage.
    pub rows: Vec<Row>,
}

/// One policy at one leverage on tapes of one bar length. Shares are fractions of 1; `None` where no
/// episode counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub policy: &'static str,
    /// Set of limits the guard played with; none for baselines.
    pub preset: Option<&'static str>,
    pub leverage: u32,
    /// Length of the recorded bars in milliseconds.
    pub bar_ms: i64,
    #[serde(flatten)]
    pub figures: Figures,
    /// Needless acts per position and day on calm tapes alone.
    pub needless_per_day_calm: Option<f64>,
    /// Mean share given up in episodes that were never at risk, on calm tapes alone.
    pub needless_trimmed_calm: Option<f64>,
    /// The episode at risk with the lowest kept efficiency; of equals the one with the highest friction.
    pub worst_case: Option<WorstCase>,
    /// The first twenty episodes at risk that the guard lost; empty for baselines.
    pub lost: Vec<WorstCase>,
}

/// The episode at risk that ended worst.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorstCase {
    pub tape: String,
    pub side: Side,
    pub entered_ms: i64,
    pub liquidated: bool,
    pub kept: f64,
    pub friction_bps: f64,
}

impl Row {
    /// The policy, with its preset where it has one.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.policy, self.preset)
    }
}

/// A policy, with its preset where it has one.
#[must_use]
pub fn name(policy: &str, preset: Option<&str>) -> String {
    match preset {
        Some(preset) => format!("{policy} {preset}"),
        None => policy.to_owned(),
    }
}

impl Report {
    /// Sums up in the order of `played`, so that the same episodes give the same figures to the bit.
    #[must_use]
    pub fn of(paths: &[Path], policies: &[Policy], played: &[Played]) -> Self {
        let mut sums: BTreeMap<(i64, usize, u32), Sum<'_>> = BTreeMap::new();
        for episode in played {
            let Some(path) = paths.get(episode.trial.path) else {
                continue;
            };
            for (place, outcome) in episode.outcomes.iter().enumerate() {
                let Some(outcome) = outcome else {
                    continue;
                };
                let key = (path.bar_ms, place, episode.trial.episode.leverage);
                let sum = sums.entry(key).or_default();
                sum.take(path, &episode.trial, &episode.fate, outcome);
            }
        }
        let row = |((bar_ms, place, leverage), sum): ((i64, usize, u32), Sum<'_>)| {
            let policy = policies.get(place)?;
            Some(sum.row(*policy, leverage, bar_ms))
        };
        Self {
            rows: sums.into_iter().filter_map(row).collect(),
        }
    }
}

#[derive(Default)]
struct Sum<'a> {
    all: Sums,
    calm: Quiet,
    worst: Option<(f64, &'a Path, Trial, Outcome)>,
    lost: Vec<WorstCase>,
}

impl<'a> Sum<'a> {
    fn take(&mut self, path: &'a Path, trial: &Trial, fate: &Fate, outcome: &Outcome) {
        let ending = Ending {
            at_risk: fate.at_risk,
            days: fate.days,
            best: fate.best,
            liquidated: outcome.liquidated,
            kept: outcome.kept,
            friction: outcome.friction,
            new_money: outcome.new_money,
            wealth: outcome.wealth,
            actions: outcome.actions,
        };
        self.all.take(&ending);
        if !fate.at_risk {
            if path.calm {
                self.calm.take(&ending);
            }
            return;
        }
        if outcome.liquidated && self.lost.len() < LOST_MAX {
            self.lost.push(case(path, trial, outcome));
        }
        let efficiency = ending.efficiency();
        let worse = |(least, _, _, known): &(f64, &Path, Trial, Outcome)| {
            let by_efficiency = efficiency.total_cmp(least);
            by_efficiency
                .then(known.friction.total_cmp(&outcome.friction))
                .is_lt()
        };
        if self.worst.as_ref().is_none_or(worse) {
            self.worst = Some((efficiency, path, *trial, *outcome));
        }
    }

    fn row(self, policy: Policy, leverage: u32, bar_ms: i64) -> Row {
        Row {
            policy: policy.name(),
            preset: policy.preset(),
            leverage,
            bar_ms,
            figures: self.all.figures(),
            needless_per_day_calm: self.calm.per_day(),
            needless_trimmed_calm: self.calm.trimmed(),
            worst_case: self
                .worst
                .map(|(_, path, trial, outcome)| case(path, &trial, &outcome)),
            lost: if policy.preset().is_some() {
                self.lost
            } else {
                Vec::new()
            },
        }
    }
}

fn case(path: &Path, trial: &Trial, outcome: &Outcome) -> WorstCase {
    WorstCase {
        tape: path.name.clone(),
        side: trial.episode.side,
        entered_ms: trial.episode.entered_at(path).as_millis(),
        liquidated: outcome.liquidated,
        kept: outcome.kept,
        friction_bps: outcome.friction * BPS,
    }
}
