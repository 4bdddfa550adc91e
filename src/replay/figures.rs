//! The figures of a row, summed up over its episodes.

use serde::Serialize;

/// Hundredths of a percent in a whole.
pub(super) const BPS: f64 = 10_000.0;

/// What every row says. Shares are fractions of 1; `None` where no episode counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    pub episodes: usize,
    /// Episodes in which the unprotected position or account is liquidated.
    pub at_risk: usize,
    /// Share of those in which nothing is liquidated.
    pub saved: Option<f64>,
    /// Mean share still held at their end, by notional; liquidated counts 0.
    pub kept: Option<f64>,
    /// Mean of that share over the largest one that the money there was could have held.
    pub kept_efficiency: Option<f64>,
    /// Mean of fees and slippage in hundredths of a percent of the entry notional; for single
    /// positions the margin lost in liquidation as well.
    pub friction_bps: Option<f64>,
    /// Mean of new margin over initial margin.
    pub new_money: Option<f64>,
    /// Mean of final equity, with the reserve where there is one, over that at entry.
    pub wealth: Option<f64>,
    /// Acts per position or account and day in episodes that were never at risk.
    pub needless_per_day: Option<f64>,
    /// Mean share given up in them.
    pub needless_trimmed: Option<f64>,
    /// Episodes never at risk that the policy itself brought to liquidation.
    pub made_worse: usize,
    /// Lowest kept efficiency of an episode at risk.
    pub worst: Option<f64>,
}

/// How one episode ended for one policy.
pub(super) struct Ending {
    pub(super) at_risk: bool,
    /// Length of the episode in days.
    pub(super) days: f64,
    /// Largest share that the money there was could have held.
    pub(super) best: f64,
    pub(super) liquidated: bool,
    pub(super) kept: f64,
    /// Fraction of the entry notional.
    pub(super) friction: f64,
    pub(super) new_money: f64,
    pub(super) wealth: f64,
    pub(super) actions: u32,
}

impl Ending {
    /// Share kept over the one that could have been.
    pub(super) fn efficiency(&self) -> f64 {
        self.kept / self.best
    }
}

/// [`Figures`] in the making.
#[derive(Default)]
pub(super) struct Sums {
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
}

impl Sums {
    pub(super) fn take(&mut self, ending: &Ending) {
        self.episodes += 1;
        if !ending.at_risk {
            self.made_worse += usize::from(ending.liquidated);
            self.quiet.take(ending);
            return;
        }
        let efficiency = ending.efficiency();
        self.at_risk += 1;
        self.saved += usize::from(!ending.liquidated);
        self.kept.take(ending.kept);
        self.efficiency.take(efficiency);
        self.friction.take(ending.friction);
        self.new_money.take(ending.new_money);
        self.wealth.take(ending.wealth);
        self.worst = Some(self.worst.map_or(efficiency, |worst| worst.min(efficiency)));
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            episodes: self.episodes,
            at_risk: self.at_risk,
            saved: (self.at_risk > 0).then(|| self.saved as f64 / self.at_risk as f64),
            kept: self.kept.get(),
            kept_efficiency: self.efficiency.get(),
            friction_bps: self.friction.get().map(|friction| friction * BPS),
            new_money: self.new_money.get(),
            wealth: self.wealth.get(),
            needless_per_day: self.quiet.per_day(),
            needless_trimmed: self.quiet.trimmed(),
            made_worse: self.made_worse,
            worst: self.worst,
        }
    }
}

/// A mean; none of nothing.
#[derive(Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn take(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn get(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// Episodes that were never at risk: whatever was done in them was needless.
#[derive(Default)]
pub(super) struct Quiet {
    actions: f64,
    days: f64,
    trimmed: Mean,
}

impl Quiet {
    pub(super) fn take(&mut self, ending: &Ending) {
        self.actions += f64::from(ending.actions);
        self.days += ending.days;
        self.trimmed.take(1.0 - ending.kept);
    }

    /// Acts per day.
    pub(super) fn per_day(&self) -> Option<f64> {
        (self.days > 0.0).then(|| self.actions / self.days)
    }

    /// Mean share given up.
    pub(super) fn trimmed(&self) -> Option<f64> {
        self.trimmed.get()
    }
}
