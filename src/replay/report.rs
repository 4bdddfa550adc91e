//! Figures over many episodes: one row per policy, leverage and bar length.

use std::collections::BTreeMap;

use serde::Serialize;

use super::episode::{Fate, Outcome};
use super::mean::{BPS, Mean, Quiet};
use super::path::Path;
use super::policy::Policy;
use super::run::{Played, Trial};
use crate::domain::Side;

/// Most lost episodes that are named in one row.
const LOST_MAX: usize = 20;

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
    pub episodes: usize,
    /// Episodes in which the unprotected position is liquidated.
    pub at_risk: usize,
    /// Share of those that is not liquidated.
    pub saved: Option<f64>,
    /// Mean share of the position still held at their end; liquidated counts 0.
    pub kept: Option<f64>,
    /// Mean of that share over the largest one that the money there was could have held.
    pub kept_efficiency: Option<f64>,
    /// Mean of fees, slippage and margin lost in liquidation, in hundredths of a percent of the entry
    /// notional.
    pub friction_bps: Option<f64>,
    /// Mean of new margin over initial margin.
    pub new_money: Option<f64>,
    /// Mean of final equity and reserve over those at entry.
    pub wealth: Option<f64>,
    /// Acts per position and day in episodes that were never at risk.
    pub needless_per_day: Option<f64>,
    /// Mean share of the position given up in them.
    pub needless_trimmed: Option<f64>,
    /// The same acts on calm tapes alone.
    pub needless_per_day_calm: Option<f64>,
    /// The same share on calm tapes alone.
    pub needless_trimmed_calm: Option<f64>,
    /// Episodes never at risk that the policy itself brought to liquidation.
    pub made_worse: usize,
    /// Lowest kept efficiency of an episode at risk.
    pub worst: Option<f64>,
    /// Which one that was; of equals the one with the highest friction.
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
    episodes: usize,
    at_risk: usize,
    saved: usize,
    made_worse: usize,
    kept: Mean,
    efficiency: Mean,
    friction: Mean,
    new_money: Mean,
    wealth: Mean,
    quiet: Quiet,
    calm: Quiet,
    worst: Option<(f64, &'a Path, Trial, Outcome)>,
    lost: Vec<WorstCase>,
}

impl<'a> Sum<'a> {
    fn take(&mut self, path: &'a Path, trial: &Trial, fate: &Fate, outcome: &Outcome) {
        self.episodes += 1;
        if !fate.at_risk {
            self.made_worse += usize::from(outcome.liquidated);
            self.quiet.take(fate.days, outcome.actions, outcome.kept);
            if path.calm {
                self.calm.take(fate.days, outcome.actions, outcome.kept);
            }
            return;
        }
        let efficiency = outcome.kept / fate.best;
        self.at_risk += 1;
        self.saved += usize::from(!outcome.liquidated);
        self.kept.take(outcome.kept);
        self.efficiency.take(efficiency);
        self.friction.take(outcome.friction);
        self.new_money.take(outcome.new_money);
        self.wealth.take(outcome.wealth);
        if outcome.liquidated && self.lost.len() < LOST_MAX {
            self.lost.push(case(path, trial, outcome));
        }
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
        let saved = (self.at_risk > 0).then(|| self.saved as f64 / self.at_risk as f64);
        Row {
            policy: policy.name(),
            preset: policy.preset(),
            leverage,
            bar_ms,
            episodes: self.episodes,
            at_risk: self.at_risk,
            saved,
            kept: self.kept.get(),
            kept_efficiency: self.efficiency.get(),
            friction_bps: self.friction.get().map(|friction| friction * BPS),
            new_money: self.new_money.get(),
            wealth: self.wealth.get(),
            needless_per_day: self.quiet.per_day(),
            needless_trimmed: self.quiet.trimmed(),
            needless_per_day_calm: self.calm.per_day(),
            needless_trimmed_calm: self.calm.trimmed(),
            made_worse: self.made_worse,
            worst: self.worst.as_ref().map(|(least, ..)| *least),
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
