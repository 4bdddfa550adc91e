//! Figures over many episodes of the world: one row per policy, leverage, number of positions, bar
//! length, and whether the positions hedge each other.

use std::collections::BTreeMap;

use serde::Serialize;

use super::group::{Group, Posture};
use super::joint::{JointFate, JointOutcome, JointPlayed};
use crate::replay::mean::{BPS, Mean, Quiet};
use crate::replay::policy::Policy;

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
    pub episodes: usize,
    /// Episodes in which the unprotected account is liquidated.
    pub at_risk: usize,
    /// Share of those in which nothing is liquidated.
    pub saved: Option<f64>,
    /// Mean share of the positions still held at their end, weighted by notional.
    pub kept: Option<f64>,
    /// Mean of that share over the largest one that the money there was could have held.
    pub kept_efficiency: Option<f64>,
    /// Mean of fees and slippage in hundredths of a percent of the entry notional.
    pub friction_bps: Option<f64>,
    /// Mean of new margin over initial margin.
    pub new_money: Option<f64>,
    /// Mean of final equity over that at entry.
    pub wealth: Option<f64>,
    /// Acts per account and day in episodes that were never at risk.
    pub needless_per_day: Option<f64>,
    /// Mean share of the positions given up in them.
    pub needless_trimmed: Option<f64>,
    /// Episodes never at risk that the policy itself brought to liquidation.
    pub made_worse: usize,
    /// Lowest kept efficiency of an episode at risk.
    pub worst: Option<f64>,
    /// Trims in all episodes of the position with the nearest liquidation price, …
    pub trims_nearest: u64,
    /// … and of another one.
    pub trims_other: u64,
}

type Key = (i64, usize, bool, usize, u32);

impl JointReport {
    /// Sums up in the order of `played`, so that the same episodes give the same figures to the bit.
    #[must_use]
    pub fn of(groups: &[Group], policies: &[Policy], played: &[JointPlayed]) -> Self {
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
                sums.entry(key).or_default().take(&episode.fate, outcome);
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
    worst: Option<f64>,
    trims: (u64, u64),
}

impl Sum {
    fn take(&mut self, fate: &JointFate, outcome: &JointOutcome) {
        self.episodes += 1;
        self.trims.0 += u64::from(outcome.trims_nearest);
        self.trims.1 += u64::from(outcome.trims_other);
        if !fate.at_risk {
            self.made_worse += usize::from(outcome.liquidated);
            self.quiet.take(fate.days, outcome.actions, outcome.kept);
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
        self.worst = Some(self.worst.map_or(efficiency, |worst| worst.min(efficiency)));
    }

    fn row(&self, policy: Policy, (bar_ms, legs, hedged, _, leverage): Key) -> JointRow {
        let saved = (self.at_risk > 0).then(|| self.saved as f64 / self.at_risk as f64);
        JointRow {
            policy: policy.name(),
            preset: policy.preset(),
            leverage,
            bar_ms,
            legs,
            hedged,
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
            made_worse: self.made_worse,
            worst: self.worst,
            trims_nearest: self.trims.0,
            trims_other: self.trims.1,
        }
    }
}
