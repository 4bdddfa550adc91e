//! The guard as seen from outside.

use rust_decimal::prelude::ToPrimitive;

use super::Guard;
use super::action::{BalanceView, PositionView, View};
use super::desk::{Held, scope_of};
use super::event::Question;
use super::flight::{Flight, Stage};
use super::watch::{self, Line};
use crate::domain::{Rate, Timestamp};
use crate::forecast::{rate_up, share};

pub(super) fn view(guard: &Guard, now: Timestamp) -> View {
    let blind = guard
        .sight
        .missing
        .keys()
        .map(|what| what.describe(&guard.desk, now));
    let balances = guard
        .desk
        .balances
        .iter()
        .map(|(asset, balance)| BalanceView {
            asset: asset.clone(),
            cross_wallet: balance.cross_wallet,
            available: balance.available,
        });
    let positions = guard
        .desk
        .positions
        .values()
        .map(|held| position_view(guard, held));
    View {
        at: now,
        mode: guard.mode,
        paused: guard.paused,
        blind: blind.collect(),
        balances: balances.collect(),
        positions: positions.collect(),
        open_intents: guard
            .flights
            .values()
            .map(|flight| flight.intent.clone())
            .collect(),
        questions: guard.flights.values().filter_map(question).collect(),
    }
}

fn question(flight: &Flight) -> Option<Question> {
    let Stage::Asking {
        deadline,
        silence_acts,
    } = flight.stage
    else {
        return None;
    };
    Some(Question {
        intent: flight.intent.clone(),
        deadline,
        silence_acts,
    })
}

fn position_view(guard: &Guard, held: &Held) -> PositionView {
    let position = &held.position;
    let scope = scope_of(position);
    let mark = guard.desk.mark(position);
    let found = guard
        .watches
        .iter()
        .enumerate()
        .find(|(_, (known, _))| *known == scope);
    let lines = found.map_or_else(Vec::new, |(_, (_, watch))| {
        watch.fresh_lines(&scope, &guard.desk, &guard.policy)
    });
    let at = lines.iter().position(|line| line.key == position.key);
    let line = at.and_then(|at| lines.get(at));
    let danger = line.and_then(|line| {
        let can_add = found.is_some_and(|(_, (_, watch))| watch.can_add == Some(true));
        let danger = watch::danger(line, can_add, &guard.desk, &guard.gauge, &guard.policy)?;
        Some((at?, line, danger))
    });
    let margin = guard.desk.margin(&scope);
    let act_price = danger.as_ref().and_then(|(_, line, danger)| {
        watch::act_price(line.nearest?, rate_up(danger.act_distance), line.falls_hurt)
    });
    let cause = match (found, danger.as_ref()) {
        (Some((index, _)), Some((at, _, danger))) => guard.cause(index, Some((*at, *danger))),
        (Some((index, _)), None) => guard.cause(index, None),
        (None, _) => "not assessed yet".to_owned(),
    };
    let of_line = |pick: fn(&Line) -> Option<crate::domain::Price>| line.and_then(pick);
    let feed = guard.desk.feeds.get(&position.key.symbol);
    let leg = margin.as_ref().and_then(|margin| {
        margin
            .legs
            .iter()
            .find(|leg| leg.key == position.key)
            .map(|leg| margin.leg_maintenance(leg, mark))
    });
    PositionView {
        symbol: position.key.symbol.clone(),
        position_side: position.key.position_side,
        side: position.side,
        quantity: position.quantity,
        entry_price: position.entry_price,
        mark_price: mark,
        margin_mode: position.margin_mode,
        leverage: position.leverage,
        isolated_margin: position.isolated_wallet,
        unrealized_pnl: position.unrealized(mark),
        liquidation_price: of_line(|line| line.own),
        exchange_liquidation_price: of_line(|line| line.venue).or(position.venue_liquidation),
        distance_pct: danger
            .as_ref()
            .and_then(|(_, _, danger)| rate_up(danger.distance).as_pct().round_dp(4).to_f64()),
        margin_ratio: margin
            .as_ref()
            .and_then(|margin| margin.margin_ratio())
            .map(rounded),
        level: found.map_or(super::level::Level::Calm, |(_, (_, watch))| watch.level),
        cause,
        act_price,
        breach_probability: danger
            .as_ref()
            .and_then(|(_, line, danger)| guard.chance(line, danger)),
        maintenance_margin: leg
            .or(position.venue_maintenance)
            .unwrap_or(crate::domain::Money::ZERO),
        funding_rate: feed.and_then(|feed| feed.funding_rate),
    }
}

fn rounded(rate: Rate) -> f64 {
    share(Rate::of(rate.round_display(6)))
}
