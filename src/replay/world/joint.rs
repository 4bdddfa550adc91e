//! How policies fare with accounts of one to three positions, episode by episode.

use std::sync::atomic::Ordering;

use super::faults::{seed_of, spread};
use super::group::{Group, JointEpisode, JointSettings, JointTrial, members, price_at, scene};
use super::{Act, Deed, Player, Run, Scene, World, play};
use crate::domain::{DAY_MS, MarginMode, Money, Side, Timestamp};
use crate::guard::policy::{Policy as GuardPolicy, Preset};
use crate::replay::STEP_MS;
use crate::replay::path::{Path, float};
use crate::replay::policy::Policy;
use crate::replay::run::{Watcher, chosen, in_parallel};

/// What holds for an episode whatever the policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JointFate {
    /// Without protection a position is liquidated.
    pub at_risk: bool,
    /// Largest share that could have been held to the end with all the money there was:
    /// `min(1, equity ÷ (worst adverse joint loss per unit + maintenance))`.
    pub best: f64,
    pub days: f64,
}

/// How an episode ended under one policy.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct JointOutcome {
    pub liquidated: bool,
    /// Share still held, weighted by notional; 0 for what was liquidated.
    pub kept: f64,
    /// Fees and slippage as a fraction of the entry notional.
    pub friction: f64,
    /// New margin added over initial margin.
    pub new_money: f64,
    /// Acts that took effect.
    pub actions: u32,
    /// Final equity over that at entry.
    pub wealth: f64,
    /// Trims of the position with the nearest liquidation price, and of others.
    pub trims_nearest: u32,
    pub trims_other: u32,
}

/// What became of one trial.
#[derive(Debug, Clone, PartialEq)]
pub struct JointPlayed {
    pub trial: JointTrial,
    pub fate: JointFate,
    /// In the order of the policies; `None` where a policy was not asked to play it.
    pub outcomes: Vec<Option<JointOutcome>>,
}

/// Is there such a policy for positions of this margin mode?
#[must_use]
pub const fn plays_in(policy: Policy, margin: MarginMode) -> bool {
    match policy {
        Policy::Nothing
        | Policy::StopBuffer
        | Policy::RatioTrim
        | Policy::TrimTwoPercent
        | Policy::Guard(_) => true,
        // The exchange tops up isolated positions only.
        Policy::AutoMargin => matches!(margin, MarginMode::Isolated),
        // It knows one position and no book.
        Policy::Naive => false,
    }
}

/// Plays `trials` under `policies`, the guard only in `guarded` of them, evenly spread. Trials that
/// a stop left unplayed are missing in the result, which is in the order of `trials`.
#[must_use]
pub fn play_joint(
    paths: &[Path],
    (groups, trials): (&[Group], &[JointTrial]),
    policies: &[Policy],
    (world, settings): (&World, &JointSettings),
    guarded: usize,
    threads: usize,
    watcher: &Watcher,
) -> Vec<JointPlayed> {
    in_parallel(trials.len(), threads, &watcher.stop, |index| {
        let trial = trials.get(index)?;
        let group = groups.get(trial.group)?;
        let members = members(paths, group);
        let asked =
            |policy: Policy| policy.preset().is_none() || chosen(index, trials.len(), guarded);
        let played = one(&members, trial, policies, (world, settings), asked);
        watcher.done.fetch_add(1, Ordering::Relaxed);
        Some(played)
    })
}

fn one(
    paths: &[&Path],
    trial: &JointTrial,
    policies: &[Policy],
    (world, settings): (&World, &JointSettings),
    asked: impl Fn(Policy) -> bool,
) -> JointPlayed {
    let episode = &trial.episode;
    let scene = scene(paths, episode, world, settings);
    let world = &World {
        seed: seed(paths, episode, world.seed),
        ..world.clone()
    };
    let twin = play(&scene, world, &Player::Baseline(Policy::Nothing), false);
    let span = episode.end.since(episode.entered);
    let fate = JointFate {
        at_risk: twin.is_liquidated(),
        best: best(paths, episode, &scene),
        days: span as f64 / DAY_MS as f64,
    };
    let outcome = |policy: Policy| {
        let player = match policy {
            Policy::Nothing => return ended(&twin, &scene),
            Policy::Guard(preset) => {
                let limits = limits(&scene, settings, preset, world);
                Player::Guard(Box::new(limits))
            }
            Policy::AutoMargin
            | Policy::StopBuffer
            | Policy::RatioTrim
            | Policy::TrimTwoPercent
            | Policy::Naive => Player::Baseline(policy),
        };
        ended(&play(&scene, world, &player, false), &scene)
    };
    let outcomes = policies
        .iter()
        .map(|policy| asked(*policy).then(|| outcome(*policy)));
    JointPlayed {
        trial: *trial,
        fate,
        outcomes: outcomes.collect(),
    }
}

/// The guard acts on its own and may add what is in reserve.
fn limits(scene: &Scene, settings: &JointSettings, preset: Preset, world: &World) -> GuardPolicy {
    let mut policy = settings.policy.clone();
    policy.triggers.preset = preset;
    // Trim and recycle are two requests, one after the other.
    policy.triggers.time_needed_ms = 2 * world.delay_ms.max(0);
    policy.mode = crate::guard::event::Mode::Auto;
    policy.instance = "world".to_owned();
    if settings.margin == MarginMode::Isolated {
        policy.budgets.add_per_action = scene.wallet;
        policy.budgets.add_per_position_day = scene.wallet;
    }
    policy
}

/// The same for the same episode in every run, different for every other.
fn seed(paths: &[&Path], episode: &JointEpisode, seed: u64) -> u64 {
    let mut mixed = spread(seed);
    for path in paths {
        mixed = spread(mixed ^ seed_of(&path.name));
    }
    for number in [
        episode.entered.as_millis().unsigned_abs(),
        u64::from(episode.leverage),
        episode.posture as u64,
    ] {
        mixed = spread(mixed ^ number);
    }
    mixed
}

fn best(paths: &[&Path], episode: &JointEpisode, scene: &Scene) -> f64 {
    let legs: Vec<Weighed<'_>> = paths
        .iter()
        .zip(&scene.seats)
        .zip(&scene.markets)
        .map(|((path, seat), (market, _))| {
            let notional = seat.entry * seat.quantity;
            Weighed {
                path,
                entry: float(seat.entry.get()),
                notional: float(notional.get()),
                need: float(market.tiers.maintenance(notional).get()),
                sign: match seat.side {
                    Side::Long => 1.0,
                    Side::Short => -1.0,
                },
            }
        })
        .collect();
    let margins = scene.seats.iter().map(|seat| match seat.mode {
        MarginMode::Isolated => seat.isolated_wallet,
        MarginMode::Cross => Money::ZERO,
    });
    let equity = float((scene.wallet + margins.sum()).get());
    let need: f64 = legs.iter().map(|leg| leg.need).sum();
    let mut worst: f64 = 0.0;
    let mut at = episode.entered;
    while at <= episode.end {
        worst = worst.max(legs.iter().map(|leg| leg.loss(at)).sum());
        at = at.plus_ms(STEP_MS);
    }
    (equity / (worst + need)).min(1.0)
}

struct Weighed<'a> {
    path: &'a Path,
    entry: f64,
    notional: f64,
    need: f64,
    sign: f64,
}

impl Weighed<'_> {
    fn loss(&self, at: Timestamp) -> f64 {
        let price = float(price_at(self.path, at).get());
        -self.sign * self.notional * (price / self.entry - 1.0)
    }
}

fn ended(run: &Run, scene: &Scene) -> JointOutcome {
    let money = |amount: Money| float(amount.get());
    let (mut held, mut notional, mut margin) = (0.0, 0.0, 0.0);
    for (leg, seat) in run.legs.iter().zip(&scene.seats) {
        let value = money(seat.entry * seat.quantity);
        let share = leg.end.ratio(leg.start);
        let share = share.map_or(0.0, |share| float(share.get()));
        held += value * share;
        notional += value;
        margin += value / f64::from(seat.leverage.max(1));
    }
    let over = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let trims = |nearest: bool| {
        let is = |act: &&Act| matches!(act.deed, Deed::Trim(_)) && act.nearest == nearest;
        u32::try_from(run.acts.iter().filter(is).count()).unwrap_or(u32::MAX)
    };
    // The second half of trim-and-recycle belongs to the trim.
    let acts = run.acts.iter().filter(|act| !act.recycled).count() + run.automatic;
    let (before, after) = run.equity;
    JointOutcome {
        liquidated: run.is_liquidated(),
        kept: over(held, notional),
        friction: over(money(run.friction), notional),
        new_money: over(money(run.added), margin),
        actions: u32::try_from(acts).unwrap_or(u32::MAX),
        wealth: over(money(after), money(before)),
        trims_nearest: trims(true),
        trims_other: trims(false),
    }
}
