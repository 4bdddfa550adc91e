//! Baselines in the world: they read the exchange's own numbers, act at the market, and never look
//! back. Several positions are trimmed by the same part.

use rust_decimal::Decimal;

use super::stand::Stand;
use crate::domain::{MarginMode, Money, PositionKey, Quantity, Rate};
use crate::replay::policy::Policy;
use crate::sim::PositionView;

/// `stop-buffer` closes when this share of the room at the start is left.
const STOP_BUFFER: Decimal = Decimal::from_parts(5, 0, 0, false, 2);
/// `ratio-trim` acts when maintenance over balance reaches this …
const RATIO_TRIGGER: Decimal = Decimal::from_parts(5, 0, 0, false, 1);
/// … and restores this.
const RATIO_TARGET: Decimal = Decimal::from_parts(3, 0, 0, false, 1);
/// `trim-2pct` acts when the room is this share of what is held …
const TRIM_WITHIN: Decimal = Decimal::from_parts(2, 0, 0, false, 2);
/// … and closes this part of each position per pass.
const TRIM_PART: Decimal = Decimal::from_parts(2, 0, 0, false, 2);
/// Slippage that `ratio-trim` reckons with.
const SLIPPAGE: Decimal = Decimal::from_parts(5, 0, 0, false, 4);

/// While maintenance takes less of a cross balance than this no trigger is near: at any leverage
/// from 1 on, and where a position needs at least 0.12 %.
const CALM: Rate = Rate::of(Decimal::from_parts(5, 0, 0, false, 2));

/// A baseline at work.
pub(super) struct Baseline {
    policy: Policy,
    /// Room of each scope at the start: balance above maintenance.
    rooms: Vec<(Scope, Money)>,
    /// An act is on its way.
    waits: bool,
}

/// What is liquidated together.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Isolated(PositionKey),
    Cross,
}

/// Parts of positions to close, decided.
pub(super) struct Close {
    parts: Vec<(PositionKey, Quantity)>,
    /// What the close frees goes back into the position.
    recycles: bool,
}

/// A scope as the exchange shows it.
struct State {
    scope: Scope,
    positions: Vec<PositionView>,
    balance: Money,
    need: Money,
    notional: Money,
}

impl Baseline {
    pub(super) fn open(policy: Policy, stand: &mut Stand) -> Self {
        if policy == Policy::AutoMargin {
            stand.set_auto_add();
        }
        let rooms = states(stand).into_iter();
        Self {
            policy,
            rooms: rooms
                .map(|state| (state.scope, state.balance - state.need))
                .collect(),
            waits: false,
        }
    }

    /// What is to be done now, if anything.
    pub(super) fn decide(&mut self, stand: &Stand, fee: Rate) -> Option<Close> {
        if self.waits || stand.is_calm(CALM) {
            return None;
        }
        let found = match self.policy {
            Policy::Nothing | Policy::AutoMargin | Policy::Naive | Policy::Guard(_) => None,
            Policy::StopBuffer | Policy::RatioTrim | Policy::TrimTwoPercent => states(stand)
                .into_iter()
                .find_map(|state| self.part(&state, fee).map(|part| (state, part))),
        };
        let (state, part) = found?;
        self.waits = true;
        let lot = |view: &PositionView| {
            let wanted = Quantity::of(view.quantity.get() * part);
            let quantity = if part >= Decimal::ONE {
                view.quantity
            } else {
                stand.lots(&view.symbol, wanted).min(view.quantity)
            };
            (key(view), quantity)
        };
        let isolated = matches!(state.scope, Scope::Isolated(_));
        Some(Close {
            parts: state.positions.iter().map(lot).collect(),
            recycles: self.policy == Policy::RatioTrim && isolated,
        })
    }

    pub(super) fn carry_out(&mut self, close: &Close, stand: &mut Stand) {
        self.waits = false;
        for (key, quantity) in &close.parts {
            let before = stand.wallets().map(|wallets| wallets.cross_wallet);
            let closed = stand.close(key, *quantity);
            let after = stand.wallets().map(|wallets| wallets.cross_wallet);
            if let (true, true, Some(before), Some(after)) = (closed, close.recycles, before, after)
            {
                stand.put_back(key, after - before);
            }
        }
    }

    /// Part of every position of the scope to close, above zero.
    fn part(&self, state: &State, fee: Rate) -> Option<Decimal> {
        let room = state.balance - state.need;
        match self.policy {
            Policy::Nothing | Policy::AutoMargin | Policy::Naive | Policy::Guard(_) => None,
            Policy::StopBuffer => {
                let known = self.rooms.iter().find(|(scope, _)| *scope == state.scope);
                let limit = known.map_or(Money::ZERO, |(_, room)| *room) * Rate::of(STOP_BUFFER);
                (room <= limit).then_some(Decimal::ONE)
            }
            Policy::RatioTrim => {
                let reached = state.need >= state.balance * Rate::of(RATIO_TRIGGER);
                reached.then(|| ratio_part(state, fee))
            }
            Policy::TrimTwoPercent => {
                let reached = room <= state.notional * Rate::of(TRIM_WITHIN);
                reached.then_some(TRIM_PART)
            }
        }
    }
}

/// Part to close so that maintenance over balance becomes the target:
/// `(1 − x)·need = target·(balance − x·cost)`.
fn ratio_part(state: &State, fee: Rate) -> Decimal {
    let cost = state.notional.get() * (fee.get() + SLIPPAGE);
    let slope = state.need.get() - RATIO_TARGET * cost;
    let over = state.need.get() - RATIO_TARGET * state.balance.get();
    let part = over.checked_div(slope).filter(|_| slope > Decimal::ZERO);
    part.unwrap_or(Decimal::ONE)
        .clamp(Decimal::ZERO, Decimal::ONE)
}

/// Every scope with a position.
fn states(stand: &Stand) -> Vec<State> {
    let mut states = Vec::new();
    let mut crosses = Vec::new();
    for view in stand.positions() {
        match view.margin_mode {
            MarginMode::Isolated => states.push(State {
                scope: Scope::Isolated(key(&view)),
                balance: view.isolated_wallet + view.unrealized,
                need: view.maintenance_margin,
                notional: view.notional,
                positions: vec![view],
            }),
            MarginMode::Cross => crosses.push(view),
        }
    }
    if let (false, Some(wallets)) = (crosses.is_empty(), stand.wallets()) {
        states.push(State {
            scope: Scope::Cross,
            balance: wallets.cross_wallet + wallets.cross_unrealized,
            need: wallets.cross_maintenance,
            notional: crosses.iter().map(|view| view.notional).sum(),
            positions: crosses,
        });
    }
    states
}

fn key(view: &PositionView) -> PositionKey {
    PositionKey {
        symbol: view.symbol.clone(),
        position_side: view.position_side,
    }
}
