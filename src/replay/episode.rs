//! One position from entry to end, and how it fares under a baseline.

use super::holding::Holding;
use super::path::{Path, float};
use super::policy::{Deed, Policy};
use super::{STEP_MS, Settings};
use crate::domain::{DAY_MS, Side, Timestamp};

/// One position: where on its tape it is opened and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Episode {
    pub side: Side,
    /// Entry notional over initial margin.
    pub leverage: u32,
    /// Step of the entry.
    pub(super) entry: usize,
    /// Last step.
    pub(super) end: usize,
}

/// What holds for an episode whatever the policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fate {
    /// Without protection it is liquidated.
    pub at_risk: bool,
    /// Largest share of the position that could have been held to the end with all the money there
    /// was: `min(1, (initial margin + reserve) ÷ (worst adverse move + maintenance rate))`.
    pub best: f64,
    /// Length in days.
    pub days: f64,
}

/// How an episode ended under one policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    pub liquidated: bool,
    /// Share of the position still held, 0 when liquidated.
    pub kept: f64,
    /// Fees, slippage and margin lost in liquidation, as a fraction of the entry notional.
    pub friction: f64,
    /// New margin added over initial margin.
    pub new_money: f64,
    /// Acts that took effect.
    pub actions: u32,
    /// Final margin balance and reserve over those at entry.
    pub wealth: f64,
}

/// How finely an episode is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepping {
    /// Whole stretches that stay clear of line and trigger are passed over: they cannot change anything.
    Sparing,
    /// Every step is looked at.
    Full,
}

/// The episodes of one tape, in order of entry, side and leverage.
#[must_use]
pub fn episodes(path: &Path, settings: &Settings) -> Vec<Episode> {
    let steps = |ms: i64| usize::try_from(ms.max(0) / STEP_MS).unwrap_or(usize::MAX);
    let every = steps(settings.entry_every_ms).max(1);
    let (length, least) = (steps(settings.length_ms), steps(settings.least_ms).max(1));
    let mut found = Vec::new();
    let mut entry = steps(settings.warm_up_ms);
    while entry.saturating_add(least) <= path.steps() {
        let end = entry.saturating_add(length).min(path.steps());
        for side in &settings.sides {
            for leverage in &settings.leverages {
                found.push(Episode {
                    side: *side,
                    leverage: (*leverage).max(1),
                    entry,
                    end,
                });
            }
        }
        entry = entry.saturating_add(every);
    }
    found
}

impl Episode {
    /// When the position is opened.
    #[must_use]
    pub fn entered_at(&self, path: &Path) -> Timestamp {
        path.time(self.entry)
    }

    pub(super) fn sign(&self) -> f64 {
        match self.side {
            Side::Long => 1.0,
            Side::Short => -1.0,
        }
    }

    pub(super) fn initial_margin(&self) -> f64 {
        1.0 / f64::from(self.leverage)
    }

    fn open(&self, path: &Path, settings: &Settings) -> Holding {
        let initial = self.initial_margin();
        let rate = float(path.maintenance_rate().get());
        Holding::open(self.sign(), rate, initial, initial * settings.reserve)
    }
}

/// What holds for `episode` whatever the policy.
#[must_use]
pub fn fate(path: &Path, episode: &Episode, settings: &Settings) -> Fate {
    let unprotected = outcome(path, episode, Policy::Nothing, settings, Stepping::Sparing);
    let entry = path.mark(episode.entry) as f64;
    let marks = path.between(episode.entry, episode.end);
    let worst = match episode.side {
        Side::Long => marks.iter().min(),
        Side::Short => marks.iter().max(),
    };
    let worst = worst.map_or(entry, |mark| *mark as f64) / entry;
    let adverse = (episode.sign() * (1.0 - worst)).max(0.0);
    let holding = episode.open(path, settings);
    let money = holding.margin + holding.reserve;
    let span = i64::try_from(episode.end - episode.entry).unwrap_or(0) * STEP_MS;
    Fate {
        at_risk: unprotected.liquidated,
        best: (money / (adverse + holding.rate)).min(1.0),
        days: span as f64 / DAY_MS as f64,
    }
}

/// Plays `episode` under `policy`; the guard has a stage of its own.
#[must_use]
pub fn outcome(
    path: &Path,
    episode: &Episode,
    policy: Policy,
    settings: &Settings,
    stepping: Stepping,
) -> Outcome {
    if let Policy::Guard(preset) = policy {
        return super::guarded::outcome(path, episode, preset, settings, stepping);
    }
    let mut stage = Stage::open(path, episode, policy, settings);
    let whole = path.block_steps();
    let mut step = episode.entry + 1;
    while step <= episode.end && stage.holding.share > 0.0 {
        let block = path.block(step);
        let last = (step - 1) / whole * whole + whole;
        stage.enter(block.sigma);
        let worst = match episode.side {
            Side::Long => block.low,
            Side::Short => block.high,
        };
        if stepping == Stepping::Sparing && stage.is_clear(worst) {
            stage.before = path.mark(last) as f64 / stage.entry;
            step = last + 1;
            continue;
        }
        let last = last.min(episode.end);
        while step <= last && stage.holding.share > 0.0 {
            stage.step(step, path.mark(step));
            step += 1;
        }
    }
    let at_end = path.mark(episode.end) as f64 / stage.entry;
    stage.outcome(at_end, settings)
}

/// A baseline at work.
struct Stage {
    /// Mark at entry.
    entry: f64,
    holding: Holding,
    policy: Policy,
    /// Whole steps and the part of a step beyond them.
    delay: (usize, f64),
    /// Takes effect at this step, or, where the delay has a part, so far after it.
    pending: Option<(usize, Deed)>,
    /// Price at the step before.
    before: f64,
    sigma: f64,
    line: f64,
    trigger: f64,
    actions: u32,
    liquidated: bool,
}

impl Stage {
    fn open(path: &Path, episode: &Episode, policy: Policy, settings: &Settings) -> Self {
        Self {
            entry: path.mark(episode.entry) as f64,
            holding: episode.open(path, settings),
            policy,
            delay: settings.delay(),
            pending: None,
            before: 1.0,
            sigma: 0.0,
            line: 0.0,
            trigger: 0.0,
            actions: 0,
            liquidated: false,
        }
    }

    fn outcome(&self, at_end: f64, settings: &Settings) -> Outcome {
        let holding = &self.holding;
        let money = holding.initial * (1.0 + settings.reserve);
        Outcome {
            liquidated: self.liquidated,
            kept: holding.share,
            friction: holding.friction,
            new_money: holding.added / holding.initial,
            actions: self.actions,
            wealth: holding.wealth(at_end) / money,
        }
    }

    /// A new block begins: its volatility holds.
    fn enter(&mut self, sigma: f64) {
        self.sigma = sigma;
        self.measure();
    }

    fn measure(&mut self) {
        self.line = self.holding.line();
        self.trigger = self.policy.trigger(&self.holding, self.sigma);
    }

    /// Nothing can happen in a block whose worst mark is this.
    fn is_clear(&self, worst: i64) -> bool {
        let price = worst as f64 / self.entry;
        self.pending.is_none()
            && !self.holding.reached(price, self.line)
            && !self.holding.reached(price, self.trigger)
    }

    /// The price moves; then liquidation; then what was decided before; then a decision. What takes
    /// effect between two steps does so at the price of that moment.
    fn step(&mut self, step: usize, mark: i64) {
        let price = mark as f64 / self.entry;
        let (steps, part) = self.delay;
        if part > 0.0 {
            let between = self.before + part * (price - self.before);
            self.settle(between, step - 1);
        }
        self.before = price;
        self.settle(price, if part > 0.0 { 0 } else { step });
        if self.pending.is_none()
            && self.holding.share > 0.0
            && self.holding.reached(price, self.trigger)
        {
            let deed = self.policy.deed(&self.holding, price, self.sigma);
            self.pending = deed.map(|deed| (step + steps, deed));
            if self.delay == (0, 0.0) {
                self.settle(price, step);
            }
        }
    }

    /// Liquidation at `price`, if it is reached; otherwise what was due by step `due`.
    fn settle(&mut self, price: f64, due: usize) {
        if self.holding.share > 0.0 && self.holding.reached(price, self.line) {
            self.hit(price);
        }
        let Some((_, deed)) = self.pending.take_if(|(step, _)| *step <= due) else {
            return;
        };
        self.actions += deed.apply(&mut self.holding, price, self.sigma);
        self.measure();
    }

    /// Maintenance is hit: the exchange's own addition, then liquidation.
    fn hit(&mut self, price: f64) {
        if self.policy == Policy::AutoMargin {
            while self.holding.reached(price, self.line) && self.holding.reserve > 0.0 {
                self.holding.add(self.holding.initial);
                self.actions += 1;
                self.measure();
            }
        }
        if self.holding.reached(price, self.line) {
            self.holding.liquidate(price);
            self.pending = None;
            self.liquidated = true;
        }
    }
}
