//! Accounts on one to three tapes at once: which tapes belong together, when an account is opened,
//! and what it holds.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

use super::{Scene, Tiers, World};
use crate::domain::{
    MINUTE_MS, MarginMode, Money, PositionKey, PositionSide, Price, Rate, Side, Symbol, Tier,
    TierTable, Timestamp,
};
use crate::guard::event::Bar;
use crate::guard::policy::Policy as GuardPolicy;
use crate::replay::path::Path;
use crate::replay::{STEP_MS, Settings};
use crate::sim::market::for_symbol;
use crate::sim::{Market, Seat, Tape};

/// The exchange runs so long before an episode, so that its book knows the market.
const LEAD_MS: i64 = 10 * MINUTE_MS;
/// Highest leverage of a single tier.
const LEVERAGE_MAX: u32 = 1_000;
/// Bases that lead a group.
const MAJORS: [&str; 2] = ["BTC", "ETH"];
/// Length of a date at the beginning of a tape's name.
const DATE_CHARS: usize = 10;

/// Tapes that are played together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Date that all their names begin with; the tape's name where it stands alone.
    pub event: String,
    /// Indexes of the paths.
    pub paths: Vec<usize>,
    pub bar_ms: i64,
}

/// What is fixed for all episodes of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct JointSettings {
    /// Sides, leverages, spacing, length and reserve, as in the standard episode.
    pub base: Settings,
    pub margin: MarginMode,
    /// Tapes per group: one to three.
    pub legs: Vec<usize>,
    /// Notional of each position at entry, in the settlement asset.
    pub notional: Money,
    /// Limits of the guard; the reserve is added as its budget where positions are isolated.
    pub policy: GuardPolicy,
}

impl JointSettings {
    /// Groups of two and three cross positions of 40,000 each, or single isolated ones.
    #[must_use]
    pub fn new(margin: MarginMode, base: Settings) -> Self {
        Self {
            base,
            margin,
            legs: match margin {
                MarginMode::Isolated => vec![1],
                MarginMode::Cross => vec![2, 3],
            },
            notional: Money::of(Decimal::from(40_000)),
            policy: GuardPolicy::default(),
        }
    }
}

/// Directions of the positions of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Posture {
    Long,
    Short,
    /// The first is long, the next short, and so on.
    Hedged,
}

impl Posture {
    fn side(self, leg: usize) -> Side {
        match self {
            Self::Long => Side::Long,
            Self::Short => Side::Short,
            Self::Hedged if leg.is_multiple_of(2) => Side::Long,
            Self::Hedged => Side::Short,
        }
    }
}

/// One account: where on its tapes it is opened and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JointEpisode {
    pub posture: Posture,
    /// Notional of all positions over their initial margin.
    pub leverage: u32,
    pub entered: Timestamp,
    pub end: Timestamp,
}

/// One episode of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JointTrial {
    /// Index of the group.
    pub group: usize,
    pub episode: JointEpisode,
}

/// Neighbouring tapes of one date and bar length, BTC and ETH first, each symbol once; for groups
/// of one every tape.
#[must_use]
pub fn groups(paths: &[Path], legs: &[usize]) -> Vec<Group> {
    let mut found = Vec::new();
    if legs.contains(&1) {
        found.extend(paths.iter().enumerate().map(|(index, path)| Group {
            event: path.name.clone(),
            paths: vec![index],
            bar_ms: path.bar_ms,
        }));
    }
    let mut events: Vec<(&str, i64)> = paths.iter().filter_map(event_of).collect();
    events.sort_unstable();
    events.dedup();
    for event in events {
        let mut members: Vec<(usize, &Path)> = paths
            .iter()
            .enumerate()
            .filter(|(_, path)| event_of(path) == Some(event) && fits_grid(path))
            .collect();
        members.sort_by_key(|(_, path)| (rank(path), path.symbol.clone(), path.name.clone()));
        members.dedup_by(|later, earlier| later.1.symbol == earlier.1.symbol);
        for legs in legs.iter().filter(|legs| **legs > 1) {
            found.extend(members.windows(*legs).map(|window| Group {
                event: event.0.to_owned(),
                paths: window.iter().map(|(index, _)| *index).collect(),
                bar_ms: event.1,
            }));
        }
    }
    found
}

fn event_of(path: &Path) -> Option<(&str, i64)> {
    let date = path.name.get(..DATE_CHARS)?;
    let is_date = date.chars().all(|c| c.is_ascii_digit() || c == '-') && date.contains('-');
    is_date.then_some((date, path.bar_ms))
}

/// Several paths share their steps only where these fall on whole multiples.
fn fits_grid(path: &Path) -> bool {
    path.start.as_millis() % STEP_MS == 0
}

fn rank(path: &Path) -> usize {
    let major = MAJORS
        .iter()
        .position(|base| path.symbol.as_str().starts_with(base));
    major.unwrap_or(MAJORS.len())
}

/// All episodes of all groups, in order.
#[must_use]
pub fn joint_trials(
    paths: &[Path],
    groups: &[Group],
    world: &World,
    settings: &JointSettings,
) -> Vec<JointTrial> {
    let mut found = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let members = members(paths, group);
        let of = |episode| JointTrial {
            group: index,
            episode,
        };
        found.extend(episodes(&members, world, settings).into_iter().map(of));
    }
    found
}

pub(super) fn members<'a>(paths: &'a [Path], group: &Group) -> Vec<&'a Path> {
    let found = group.paths.iter().filter_map(|index| paths.get(*index));
    found.collect()
}

fn end_of(path: &Path) -> Timestamp {
    path.time(path.steps())
}

fn episodes(paths: &[&Path], world: &World, settings: &JointSettings) -> Vec<JointEpisode> {
    let base = &settings.base;
    let start = paths.iter().map(|path| path.start).max();
    let last = paths.iter().map(|path| end_of(path)).min();
    let (Some(start), Some(last)) = (start, last) else {
        return Vec::new();
    };
    let mut postures: Vec<Posture> = base
        .sides
        .iter()
        .map(|side| match side {
            Side::Long => Posture::Long,
            Side::Short => Posture::Short,
        })
        .collect();
    if paths.len() > 1 && postures.len() > 1 {
        postures.push(Posture::Hedged);
    }
    let mut found = Vec::new();
    let mut entered = start.plus_ms(base.warm_up_ms.max(0));
    while last.since(entered) >= base.least_ms.max(STEP_MS) {
        let end = entered.plus_ms(base.length_ms).min(last);
        for posture in &postures {
            for leverage in &base.leverages {
                let leverage = (*leverage).max(1);
                if allows(paths, entered, leverage, world, settings) {
                    found.push(JointEpisode {
                        posture: *posture,
                        leverage,
                        entered,
                        end,
                    });
                }
            }
        }
        entered = entered.plus_ms(base.entry_every_ms.max(STEP_MS));
    }
    found
}

/// Does every market let so large a position have so high a leverage?
fn allows(
    paths: &[&Path],
    entered: Timestamp,
    leverage: u32,
    world: &World,
    settings: &JointSettings,
) -> bool {
    paths.iter().all(|path| {
        let market = market(path, price_at(path, entered), world);
        let tier = market.tiers.allowing(settings.notional);
        leverage <= tier.max_leverage.whole()
    })
}

fn step_at(path: &Path, at: Timestamp) -> usize {
    usize::try_from(at.since(path.start).max(0) / STEP_MS).unwrap_or(usize::MAX)
}

pub(super) fn price_at(path: &Path, at: Timestamp) -> Price {
    path.price(step_at(path, at))
}

fn market(path: &Path, price: Price, world: &World) -> Market {
    let mut market = for_symbol(&path.symbol, price);
    if world.tiers == Tiers::Single {
        let rate = path.maintenance_rate().get();
        let tier = Tier::of(0, None, rate, Decimal::ZERO, LEVERAGE_MAX);
        if let Ok(table) = TierTable::new(vec![tier]) {
            market.tiers = table;
        }
    }
    market
}

/// The account of an episode with its markets.
pub(super) fn scene(
    paths: &[&Path],
    episode: &JointEpisode,
    world: &World,
    settings: &JointSettings,
) -> Scene {
    let start = episode.entered;
    let mut scene = Scene {
        markets: Vec::with_capacity(paths.len()),
        before: BTreeMap::new(),
        seats: Vec::with_capacity(paths.len()),
        wallet: Money::ZERO,
        hedge: false,
        start,
        end: episode.end,
    };
    let reserve = Rate::of(Decimal::from_f64(settings.base.reserve).unwrap_or_default());
    let cent = Decimal::new(1, 2);
    for (leg, path) in paths.iter().enumerate() {
        let entry = price_at(path, start);
        let market = market(path, entry, world);
        let step = market.instrument.market_lot.step;
        let quantity = settings.notional.at(entry).unwrap_or_default();
        let quantity = quantity
            .floor_to(step)
            .max(market.instrument.market_lot.min);
        let margin = (entry * quantity).get() / Decimal::from(episode.leverage);
        let margin = Money::of(margin).floor_to(cent);
        scene.wallet += (margin * reserve).floor_to(cent);
        if settings.margin == MarginMode::Cross {
            scene.wallet += margin;
        }
        scene.seats.push(Seat {
            key: PositionKey {
                symbol: path.symbol.clone(),
                position_side: PositionSide::Both,
            },
            side: episode.posture.side(leg),
            quantity,
            entry,
            mode: settings.margin,
            leverage: episode.leverage,
            isolated_wallet: margin,
            auto_add: false,
        });
        scene.markets.push((market, tape(path, start, episode.end)));
    }
    scene.before = before(paths, start, settings.base.warm_up_ms);
    scene
}

fn tape(path: &Path, start: Timestamp, end: Timestamp) -> Tape {
    let first = step_at(path, start.plus_ms(-LEAD_MS));
    let last = step_at(path, end);
    Tape {
        name: path.name.clone(),
        symbol: path.symbol.clone(),
        start: path.time(first),
        step_ms: STEP_MS,
        marks: (first..=last).map(|step| path.price(step)).collect(),
        notes: Vec::new(),
    }
}

/// The minutes of every path before `start`.
fn before(paths: &[&Path], start: Timestamp, warm_up_ms: i64) -> BTreeMap<Symbol, Vec<Bar>> {
    let minutes = |path: &&Path| {
        let first = step_at(path, start.plus_ms(-warm_up_ms.max(0)));
        let minutes = path.minutes_between(first, step_at(path, start));
        let bars = minutes.iter().map(|minute| minute.bar).collect();
        (path.symbol.clone(), bars)
    };
    paths.iter().map(minutes).collect()
}
