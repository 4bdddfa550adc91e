//! Episodes on the simulated exchange: one isolated position, or two and three cross ones.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Serialize;

use super::super::exit::{Exit, UsageError};
use super::super::signal;
use super::super::terminal::print;
use super::super::worlds::{DepthArg, FaultsArg};
use super::gather::{self, Tapes};
use super::table::{self, percent, plain, span};
use super::{Margins, ReplayArgs, check_count, decide, page, report, watch};
use crate::chart::{Figure, Page, Section, Table, Unit};
use crate::domain::{MarginMode, Side};
use crate::guard::policy::Preset;
use crate::replay::world::{
    JointReport, JointRow, JointSettings, World, groups, joint_trials, play_joint, plays_in,
};
use crate::replay::{Policy, Watcher, name};

/// What is printed.
#[derive(Serialize)]
struct Answer {
    /// True when it was stopped before all episodes were played.
    partial: bool,
    episodes: usize,
    episodes_all: usize,
    rows: Vec<JointRow>,
    settings: Said,
    tapes: Tapes,
    /// Groups of tapes by their number of positions.
    groups: BTreeMap<usize, usize>,
}

/// The settings that a reader needs to compare two reports.
#[derive(Serialize)]
struct Said {
    margin: MarginMode,
    policies: Vec<String>,
    /// Sides of a single position; accounts of several are played in every posture.
    sides: Vec<Side>,
    notional: String,
    leverages: Vec<u32>,
    entry_every_ms: i64,
    warm_up_ms: i64,
    length_ms: i64,
    least_ms: i64,
    reserve_pct: u32,
    delay_ms: i64,
    depth: DepthArg,
    faults: FaultsArg,
    funding_rate: String,
    taker_fee: String,
    guard_episodes: Option<usize>,
}

pub(super) async fn run(args: ReplayArgs) -> anyhow::Result<Exit> {
    let (base, asked, threads) = decide(&args)?;
    let margin = match args.margin {
        Margins::Isolated => MarginMode::Isolated,
        Margins::Cross => MarginMode::Cross,
    };
    let policies = policies(&args, asked, margin)?;
    let place = report(&args)?;
    let world = world(&args);
    let settings = JointSettings::new(margin, base);
    let watcher = Arc::new(Watcher::default());
    let stopped = signal::stopped();
    let mut gathered = gather::gather(&args.tape, threads, &settings.base)?;
    let groups = groups(&gathered.paths, &settings.legs);
    let found = joint_trials(&gathered.paths, &groups, &world, &settings);
    if found.is_empty() {
        return Err(UsageError::bad_input(match margin {
            MarginMode::Isolated => "no tape is long enough for an episode",
            MarginMode::Cross => "no two tapes of one date and bar length are long enough for an episode: their names must begin with the same date, such as 2025-10-10_BTCUSDT_1m.csv",
        })
        .into());
    }
    check_count(found.len())?;
    let all = found.len();
    let mut counted: BTreeMap<usize, usize> = BTreeMap::new();
    for group in &groups {
        *counted.entry(group.paths.len()).or_default() += 1;
    }
    let said = said(&args, &settings, &world, &policies);
    let seen = Arc::clone(&watcher);
    let guarded = args.guard_episodes.unwrap_or(usize::MAX);
    let work = tokio::task::spawn_blocking(move || {
        let played = play_joint(
            &gathered.paths,
            (&groups, &found),
            &policies,
            (&world, &settings),
            guarded,
            threads,
            &seen,
        );
        let report = JointReport::of(&gathered.paths, &groups, &policies, &played);
        let reached = played.iter().filter_map(|one| groups.get(one.trial.group));
        let reached: Vec<usize> = reached.flat_map(|group| group.paths.clone()).collect();
        gathered.reached(reached.into_iter());
        (gathered.tapes, report, played.len())
    });
    let (tapes, report, episodes) = watch(work, stopped, &watcher, all).await?;
    let answer = Answer {
        partial: episodes < all,
        episodes,
        episodes_all: all,
        rows: report.rows,
        settings: said,
        tapes,
        groups: counted,
    };
    if let Some(place) = place {
        place.write(&sheet(&answer).html())?;
    }
    print(if args.json {
        serde_json::to_string(&answer)?
    } else {
        text(&answer)
    })?;
    Ok(Exit::Success)
}

/// Refuses what the standard episode does not have.
///
/// # Errors
/// A setting of the world without the world.
pub(super) fn unused(args: &ReplayArgs) -> Result<(), UsageError> {
    if args.faults.is_some() || args.depth.is_some() || args.funding_rate.is_some() {
        return Err(UsageError::new(
            "--faults, --depth and --funding-rate need --world or --margin cross: the standard episode has none of them",
        ));
    }
    Ok(())
}

/// Those that were asked for, or all that make sense here.
fn policies(
    args: &ReplayArgs,
    asked: Vec<Policy>,
    margin: MarginMode,
) -> Result<Vec<Policy>, UsageError> {
    let (known, unknown): (Vec<Policy>, Vec<Policy>) = asked
        .into_iter()
        .partition(|policy| plays_in(*policy, margin));
    // The other presets cost as much time again: only where they are asked for.
    let mut known = known;
    if args.preset.is_empty() {
        let default = Some(Preset::default().name());
        known.retain(|policy| policy.preset().is_none() || policy.preset() == default);
    }
    match unknown.first() {
        Some(policy) if !args.policy.is_empty() => Err(UsageError::new(format!(
            "{} is not played with {margin} margin on the simulated exchange",
            policy.name()
        ))),
        Some(_) | None => Ok(known),
    }
}

fn world(args: &ReplayArgs) -> World {
    let default = World::default();
    World {
        delay_ms: args.delay_ms,
        faults: args.faults.unwrap_or(FaultsArg::None).faults(),
        book: args.depth.unwrap_or(DepthArg::Collapse).shape(),
        funding_rate: match args.funding_rate {
            Some(rate) => Some(rate).filter(|rate| !rate.is_zero()),
            None => default.funding_rate,
        },
        ..default
    }
}

fn said(args: &ReplayArgs, settings: &JointSettings, world: &World, policies: &[Policy]) -> Said {
    let base = &settings.base;
    let plain = |value: Decimal| value.normalize().to_string();
    Said {
        margin: settings.margin,
        policies: policies
            .iter()
            .map(|policy| name(policy.name(), policy.preset()))
            .collect(),
        sides: base.sides.clone(),
        notional: plain(settings.notional.get()),
        leverages: base.leverages.clone(),
        entry_every_ms: base.entry_every_ms,
        warm_up_ms: base.warm_up_ms,
        length_ms: base.length_ms,
        least_ms: base.least_ms,
        reserve_pct: args.reserve_pct,
        delay_ms: world.delay_ms,
        depth: args.depth.unwrap_or(DepthArg::Collapse),
        faults: args.faults.unwrap_or(FaultsArg::None),
        funding_rate: world
            .funding_rate
            .map_or_else(|| "0".to_owned(), |rate| plain(rate.get())),
        taker_fee: plain(world.taker_fee.get()),
        guard_episodes: args.guard_episodes,
    }
}

const COLUMNS: [&str; 15] = [
    "policy",
    "lev",
    "episodes",
    "at-risk",
    "saved",
    "kept",
    "effic.",
    "friction",
    "new-money",
    "wealth",
    "needless/day",
    "worse",
    "worst",
    "trims-nearest",
    "other",
];

/// The same on the page, with units.
const HEADER: [&str; 15] = [
    "policy",
    "leverage",
    "episodes",
    "at risk",
    "saved",
    "kept",
    "kept efficiency",
    "friction bps",
    "new money",
    "wealth",
    "needless a day",
    "made worse",
    "worst",
    "trims of the nearest",
    "of others",
];

fn text(answer: &Answer) -> String {
    let mut out = String::new();
    if answer.partial {
        let _ = writeln!(
            out,
            "PARTIAL: stopped after {} of {} episodes; the figures below are of those alone.\n",
            answer.episodes, answer.episodes_all
        );
    }
    let _ = writeln!(
        out,
        "On the simulated exchange with {} and {}; friction in bps of the entry notional.\n{}\n",
        answer.settings.depth.words(),
        answer.settings.faults.words(),
        settings_line(&answer.settings)
    );
    for (heading, rows) in sections(answer) {
        let _ = writeln!(out, "{heading}");
        let mut lines = vec![COLUMNS.map(str::to_owned)];
        lines.extend(rows.into_iter().map(cells));
        for line in lines {
            let [policy, rest @ ..] = &line;
            let _ = write!(out, "{policy:<14}");
            for (cell, name) in rest.iter().zip(COLUMNS.iter().skip(1)) {
                let width = name.len().max(6);
                let _ = write!(out, " {cell:>width$}");
            }
            out.push('\n');
        }
        out.push('\n');
    }
    if !answer.tapes.without_episode.is_empty() {
        let _ = writeln!(
            out,
            "{} tapes are too short for an episode; --json names them",
            answer.tapes.without_episode.len()
        );
    }
    out.push_str("Shares are means over episodes at risk, needless acts over the others; docs/benchmark.md defines each.");
    out
}

/// What two outputs can differ in, and what is played without being asked for.
fn settings_line(said: &Said) -> String {
    let who = match said.margin {
        MarginMode::Isolated => table::sides(&said.sides),
        MarginMode::Cross => "all long, all short and hedged".to_owned(),
    };
    let guard = match said.guard_episodes {
        Some(most) => format!(", the guard in at most {most} episodes"),
        None => String::new(),
    };
    format!(
        "Positions {who}, an entry every {}, reserve {} % of the initial margin, {} ms from decision to effect, funding rate {}{guard}. Played: {}; other policies and presets with --policy and --preset{}.",
        table::time(said.entry_every_ms),
        said.reserve_pct,
        said.delay_ms,
        said.funding_rate,
        said.policies.join(", "),
        match said.margin {
            MarginMode::Isolated => ", but naive is not played here",
            MarginMode::Cross => ", but naive and auto-margin are not played here",
        }
    )
}

/// Rows of one bar length, number of positions and posture, with their heading.
fn sections(answer: &Answer) -> Vec<(String, Vec<&JointRow>)> {
    let mut sections: BTreeMap<(i64, usize, bool), Vec<&JointRow>> = BTreeMap::new();
    for row in &answer.rows {
        let key = (row.bar_ms, row.legs, row.hedged);
        sections.entry(key).or_default().push(row);
    }
    let heading = |(bar_ms, legs, hedged): (i64, usize, bool)| {
        let mode = answer.settings.margin;
        let positions = match (legs, hedged) {
            (1, _) => format!("1 {mode} position"),
            (_, false) => format!("{legs} {mode} positions of one direction"),
            (_, true) => format!("{legs} {mode} positions, long and short in turn"),
        };
        let tapes = answer.tapes.counted(bar_ms);
        format!("{positions}, {} bars, on {tapes}", span(bar_ms))
    };
    sections
        .into_iter()
        .map(|(key, rows)| (heading(key), rows))
        .collect()
}

fn cells(row: &JointRow) -> [String; 15] {
    [
        name(row.policy, row.preset),
        row.leverage.to_string(),
        row.figures.episodes.to_string(),
        row.figures.at_risk.to_string(),
        percent(row.figures.saved),
        percent(row.figures.kept),
        percent(row.figures.kept_efficiency),
        plain(row.figures.friction_bps, 1),
        plain(row.figures.new_money, 2),
        percent(row.figures.wealth),
        plain(row.figures.needless_per_day, 2),
        row.figures.made_worse.to_string(),
        percent(row.figures.worst),
        row.trims_nearest.to_string(),
        row.trims_other.to_string(),
    ]
}

/// The whole page: for each kind of account pictures, then all figures.
fn sheet(answer: &Answer) -> Page {
    let part = |(heading, rows): (String, Vec<&JointRow>)| {
        let mut part = charts(&heading, &rows);
        part.push(Section {
            heading: format!("All figures ({heading})"),
            text: String::new(),
            figure: Some(Figure::Table(Table {
                caption: String::new(),
                header: HEADER.map(str::to_owned).to_vec(),
                rows: rows.into_iter().map(|row| cells(row).to_vec()).collect(),
            })),
        });
        part
    };
    Page {
        title: "What would each policy have kept on the simulated exchange?".to_owned(),
        lead: format!(
            "{}{} accounts were opened on recorded prices and left to each policy, with {} and {}. Shares are means over \
             the accounts that would have been liquidated without protection; docs/benchmark.md defines every figure.",
            if answer.partial {
                format!(
                    "PARTIAL: stopped after {} of {} episodes. ",
                    answer.episodes, answer.episodes_all
                )
            } else {
                String::new()
            },
            answer.episodes,
            answer.settings.depth.words(),
            answer.settings.faults.words()
        ),
        sections: sections(answer).into_iter().flat_map(part).collect(),
        footer: format!(
            "plimsoll {} replay. {}",
            env!("CARGO_PKG_VERSION"),
            settings_line(&answer.settings)
        ),
    }
}

fn charts(data: &str, rows: &[&JointRow]) -> Vec<Section> {
    let bars = |heading: &str, text: &str, unit: Unit, value: fn(&JointRow) -> Option<f64>| {
        let bars = rows
            .iter()
            .map(|row| (name(row.policy, row.preset), row.leverage, value(row)))
            .collect();
        page::chart((heading, data, text), unit, bars)
    };
    let charts = [
        bars(
            "Saved",
            "Share of the endangered accounts in which nothing was liquidated.",
            Unit::Percent,
            |row| row.figures.saved,
        ),
        bars(
            "Kept",
            "Share of the positions that was still held at the end.",
            Unit::Percent,
            |row| row.figures.kept,
        ),
        bars(
            "Friction",
            "Fees, slippage and fees of liquidations, of the notional at entry.",
            Unit::BasisPoints,
            |row| row.figures.friction_bps.map(page::of_bps),
        ),
    ];
    charts.into_iter().flatten().collect()
}
