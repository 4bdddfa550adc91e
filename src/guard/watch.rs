//! Danger of one scope: lines, distance, level.

use super::Guard;
use super::action::{ReportKind, Severity};
use super::desk::{Desk, Feed, Held};
use super::explain;
use super::intent::{Intent, Scope};
use super::level::Level;
use super::policy::Policy;
use crate::domain::{Money, PositionKey, Price, Rate, Side, Symbol, Timestamp};
use crate::forecast::schedule::{ADD_AT, INNER, TRIM_AT};
use crate::forecast::{
    Gauge, Joint, beyond, breach, distance, exceeds, nearness, rate_up, scaled, share,
};
use crate::margin::{ScopeMargin, Shock, Tally, Verdict};
use rust_decimal::Decimal;

/// Nearness (distance over act distance) below which a level begins.
const ACT_SOON_BELOW: f64 = 1.3;
const WATCH_BELOW: f64 = 2.0;
/// A level is left downwards only when nearness exceeds its border by this factor.
const HYSTERESIS: f64 = 1.1;

/// A level that is not acted on falls after this much time below it.
const SETTLE_MS: i64 = 60_000;

/// Share of the common health that may move before the lines are computed again, in calm.
const DRIFT: Decimal = Decimal::from_parts(2, 0, 0, false, 2);

/// Most that a thin book may ask for, as a multiple of what is left: well short of [`INNER`].
const THIN_MOST: f64 = 1.33;

/// A no of the trader stands until the distance has shrunk to this share of what it was.
const CLEARLY_WORSE: f64 = 0.5;

/// The line of one position.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) key: PositionKey,
    pub(super) falls_hurt: bool,
    /// Does a move towards the line hurt this position? Not so the smaller side of a hedge.
    pub(super) hurt: bool,
    /// Own number.
    pub(super) own: Option<Price>,
    /// The venue's number, while it belongs to the present state.
    pub(super) venue: Option<Price>,
    /// The more dangerous of both, and of the own number after a funding payment that is near.
    pub(super) alone: Option<Price>,
    /// The same, or the mark at which the scope dies when its other symbols move along.
    pub(super) nearest: Option<Price>,
    /// Mark at which the hard floor is crossed, from `nearest`.
    pub(super) floor: Option<Price>,
}

/// How near one line is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Danger {
    pub(super) distance: f64,
    /// What a rescue needs.
    pub(super) needed: f64,
    /// Where one starts: nearer where margin can be added, which takes no position away.
    pub(super) act_distance: f64,
    /// The hard floor or the trader's own limit of the chance is crossed.
    pub(super) floor_crossed: bool,
}

impl Danger {
    /// Too near for a pause between two rescues.
    pub(super) fn is_deep(&self) -> bool {
        self.floor_crossed || self.distance <= scaled(self.needed, INNER)
    }

    pub(super) fn nearness(&self) -> f64 {
        if self.floor_crossed {
            return nearness(self.distance, self.act_distance).min(1.0);
        }
        nearness(self.distance, self.act_distance)
    }
}

/// Memory about one scope.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) lines: Vec<Line>,
    /// Lines must be computed again before they are used.
    pub(super) stale: bool,
    /// Several symbols: the running health, and what it was when the lines were computed.
    tally: Option<(Tally, Money)>,
    /// A mark of another symbol has moved since the lines were computed, but not by much.
    pub(super) drifted: bool,
    pub(super) level: Level,
    pub(super) cause: String,
    /// Since when a lower level has been measured, below the level to act at.
    lower_since: Option<Timestamp>,
    /// No new rescue before this, unless the danger is urgent.
    pub(super) cooldown_until: Timestamp,
    /// Can margin be added? `None`: not known since the lines were computed.
    pub(super) can_add: Option<bool>,
    /// No new rescue before this, whatever happens.
    pub(super) rest_until: Timestamp,
    /// The trader said no: until when that stands, and at which distance it was said.
    pub(super) declined: Option<(Timestamp, f64)>,
    /// Watch mode: when a would-do was last told.
    pub(super) told_at: Option<Timestamp>,
    /// Why no rescue is possible, when last told.
    pub(super) helpless: Option<String>,
    pub(super) helpless_told_at: Timestamp,
    pub(super) mismatch_told: bool,
    /// The venue refused a market order for its distance from mark: bound the price.
    pub(super) bound_price: bool,
    /// The venue refused an addition for lack of balance: no more additions before this.
    pub(super) add_refused_until: Timestamp,
    /// An addition was refused or lost for another reason: trims come first before this.
    pub(super) add_failed_until: Timestamp,
    /// The addition before was lost on the way: once that may be chance.
    pub(super) addition_lost: bool,
    /// Refusals in a row, for growing pauses.
    pub(super) refusals: u32,
    /// The plan under way and when its first act was sent.
    pub(super) began: Option<(u64, Timestamp)>,
    /// Plan whose lost second half was made anew.
    pub(super) put_back_plan: Option<u64>,
    /// A second half that the venue was too busy for: to be made anew after the pause.
    pub(super) put_back_later: Option<(Intent, bool)>,
    /// The plan of that, and when the venue was first too busy for it.
    pub(super) put_back_since: Option<(u64, Timestamp)>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            stale: true,
            tally: None,
            drifted: false,
            level: Level::Calm,
            cause: "no danger seen yet".to_owned(),
            lower_since: None,
            cooldown_until: Timestamp::ZERO,
            can_add: None,
            rest_until: Timestamp::ZERO,
            declined: None,
            told_at: None,
            helpless: None,
            helpless_told_at: Timestamp::ZERO,
            mismatch_told: false,
            bound_price: false,
            add_refused_until: Timestamp::ZERO,
            add_failed_until: Timestamp::ZERO,
            addition_lost: false,
            refusals: 0,
            began: None,
            put_back_plan: None,
            put_back_later: None,
            put_back_since: None,
        }
    }
}

impl Watch {
    /// May a new rescue be started at this danger?
    pub(super) fn is_free(&self, danger: &Danger, now: Timestamp) -> bool {
        // A price that is deep does not wait for a cool-down: whatever was done has not been enough.
        let cooled = now >= self.cooldown_until || danger.is_deep();
        let answered = self.declined.is_some_and(|(until, distance)| {
            now < until && danger.distance > scaled(distance, CLEARLY_WORSE)
        });
        now >= self.rest_until && cooled && !answered
    }

    /// The level to show for a measured one. It rises at once; where nothing is at stake it falls only
    /// after a while, because the distance needed follows every quick move.
    pub(super) fn settled(&mut self, measured: Level, now: Timestamp) -> Level {
        if measured >= self.level || self.level >= Level::Acting {
            self.lower_since = None;
            return measured;
        }
        let since = *self.lower_since.get_or_insert(now);
        if (0..SETTLE_MS).contains(&now.since(since)) {
            return self.level;
        }
        self.lower_since = None;
        measured
    }

    /// An addition has not come about: what can be trimmed is trimmed before another is tried. Says
    /// whether additions were still trusted until now.
    pub(super) fn distrust_additions(&mut self, until: Timestamp, now: Timestamp) -> bool {
        let trusted = self.add_failed_until <= now;
        self.add_failed_until = until;
        self.can_add = None;
        trusted
    }

    /// The next instant at which a pause ends.
    pub(super) fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let declined = self.declined.map_or(Timestamp::ZERO, |(until, _)| until);
        [self.cooldown_until, self.rest_until, declined]
            .into_iter()
            .filter(|at| *at > now)
            .min()
    }

    /// Brings the lines up to date. Within a scope of one symbol a line does not depend on that
    /// symbol's mark, so a tick alone never makes it stale.
    pub(super) fn refresh_lines(&mut self, scope: &Scope, desk: &Desk, policy: &Policy) {
        if !self.stale {
            return;
        }
        let margin = assessed_margin(scope, desk);
        self.lines = lines_of(scope, desk, policy, margin.as_ref());
        self.stale = false;
        self.drifted = false;
        self.can_add = None;
        let tally = margin.filter(|_| self.is_entangled());
        self.tally = tally.and_then(|margin| {
            let tally = Tally::of(&margin)?;
            let health = tally.health();
            Some((tally, health))
        });
    }

    /// The lines as of now, also where [`Watch::on_mark`] let a little pass.
    pub(super) fn fresh_lines(&self, scope: &Scope, desk: &Desk, policy: &Policy) -> Vec<Line> {
        if self.drifted {
            lines_of(scope, desk, policy, assessed_margin(scope, desk).as_ref())
        } else {
            self.lines.clone()
        }
    }

    /// Takes a tick of a scope with several symbols, where it moves the lines of the others: by the
    /// share by which it moves the health they have in common. In calm a little of that is let pass;
    /// whoever finds less than calm computes the lines again before believing it.
    pub(super) fn on_mark(&mut self, symbol: &Symbol, mark: Price) {
        if !self.is_entangled() {
            return;
        }
        let Some((tally, before)) = &mut self.tally else {
            self.stale = true;
            return;
        };
        let alive = tally.on_mark(symbol, mark) == Verdict::Alive;
        let drift = (tally.health() - *before).abs();
        let little = drift < *before * Rate::of(DRIFT);
        self.drifted = true;
        self.stale |= !(alive && little && self.level == Level::Calm);
    }

    pub(super) fn follows(&self, symbol: &Symbol) -> bool {
        self.lines.iter().any(|line| line.key.symbol == *symbol)
    }

    /// More than one symbol: a tick of one moves the lines of the others.
    pub(super) fn is_entangled(&self) -> bool {
        let mut symbols = self.lines.iter().map(|line| &line.key.symbol);
        let first = symbols.next();
        symbols.any(|symbol| Some(symbol) != first)
    }

    /// The most endangered line, `None` when no position has a line.
    pub(super) fn worst(
        &self,
        desk: &Desk,
        gauge: &Gauge,
        policy: &Policy,
    ) -> Option<(usize, Danger)> {
        let dangers = self.lines.iter().enumerate().filter_map(|(index, line)| {
            let can_add = self.can_add == Some(true);
            Some((index, danger(line, can_add, desk, gauge, policy)?))
        });
        // Both sides of a symbol share one line: it is the side that is hurt there which it endangers.
        let spared = |index: usize| self.lines.get(index).is_some_and(|line| !line.hurt);
        dangers.min_by(|(a, one), (b, other)| {
            let nearer = one.nearness().total_cmp(&other.nearness());
            nearer.then_with(|| spared(*a).cmp(&spared(*b)))
        })
    }
}

impl Guard {
    /// Own liquidation price against the venue's, after each picture.
    pub(super) fn tell_mismatches(&mut self, now: Timestamp) {
        let tolerance = self.policy.mismatch_tolerance;
        let half = tolerance * Rate::of(Decimal::new(5, 1));
        // Without tiers there is no own number that could differ.
        let scopes = self.watches.iter().map(|(scope, _)| scope);
        let seen: Vec<Scope> = scopes
            .filter(|scope| self.sees_scope(scope))
            .cloned()
            .collect();
        let mut told = Vec::new();
        for (scope, watch) in &mut self.watches {
            let apart = watch.lines.iter().find_map(|line| {
                let venue = line.venue?;
                let gap = line.own.and_then(|own| (own - venue).abs().ratio(venue));
                // Once told, it must be clearly gone before it may be told again.
                let limit = if watch.mismatch_told { half } else { tolerance };
                let apart = gap.map_or(seen.contains(scope), |gap| gap > limit);
                apart.then(|| (line.key.clone(), line.own, venue))
            });
            if let (Some((key, own, venue)), false) = (&apart, watch.mismatch_told) {
                let own = own.map_or_else(|| "(none)".to_owned(), explain::price);
                let venue = explain::price(*venue);
                let text = format!(
                    "{key}: own liquidation price {own} and the exchange's {venue} differ. The nearer one counts."
                );
                told.push((scope.clone(), text));
            }
            watch.mismatch_told = apart.is_some();
        }
        for (scope, text) in told {
            self.report(
                now,
                ReportKind::Mismatch,
                Severity::Alarm,
                Some(scope),
                None,
                text,
            );
        }
    }
}

/// The arithmetic of a scope; `None` where there is none of ours.
fn assessed_margin(scope: &Scope, desk: &Desk) -> Option<ScopeMargin> {
    (!desk.multi_assets).then(|| desk.margin(scope)).flatten()
}

fn lines_of(
    scope: &Scope,
    desk: &Desk,
    policy: &Policy,
    margin: Option<&ScopeMargin>,
) -> Vec<Line> {
    let mut symbols = desk.members(scope).map(|held| &held.position.key.symbol);
    let first = symbols.next();
    let entangled = symbols.any(|symbol| Some(symbol) != first);
    let pictured = (entangled && margin.is_some())
        .then(|| desk.pictured_margin(scope))
        .flatten();
    // What a near funding time will take is gone before a rescue planned then could help.
    let funded = margin.and_then(|margin| {
        let due = desk.coming_funding(margin, policy.triggers.horizon_ms);
        due.is_positive().then(|| margin.after_add(-due))
    });
    let line_of = |held: &Held| {
        let position = &held.position;
        let symbol = &position.key.symbol;
        let mark = desk.mark(position);
        let line = margin.and_then(|margin| margin.line(symbol));
        let own = match (line, margin) {
            (Some(line), _) => Some(line.price),
            (None, Some(margin)) => on_line(margin, mark),
            (None, None) => None,
        };
        // The venue's number is as old as the picture: since then it has moved like the own one.
        let moved = pictured.as_ref().and_then(|then| {
            let then = own_line(then, symbol, position.mark_price)?;
            let venue = position.venue_liquidation? + (own? - then);
            Price::new(venue.get()).ok()
        });
        let venue = moved.or(position.venue_liquidation);
        let falls_hurt = line.map(|line| line.falls_hurt);
        let falls_hurt = falls_hurt
            .or_else(|| Some(margin?.net_side(symbol)? == Side::Long))
            .unwrap_or(position.side == Side::Long);
        let funded = funded
            .as_ref()
            .and_then(|margin| own_line(margin, symbol, mark));
        let alone = more_dangerous(own, venue, falls_hurt);
        let alone = more_dangerous(alone, funded, falls_hurt);
        let together = margin
            .filter(|_| entangled)
            .and_then(|margin| line_together(margin, &desk.joint, symbol, mark, falls_hurt));
        let nearest = more_dangerous(alone, together, falls_hurt);
        Line {
            key: position.key.clone(),
            falls_hurt,
            hurt: (position.side == Side::Long) == falls_hurt,
            own,
            venue,
            alone,
            nearest,
            floor: nearest
                .and_then(|line| act_price(line, policy.triggers.floor_distance, falls_hurt)),
        }
    };
    desk.members(scope).map(line_of).collect()
}

/// Mark of `symbol` at which `margin` dies when its other symbols move along as they do in a crash.
pub(super) fn line_together(
    margin: &ScopeMargin,
    joint: &Joint,
    symbol: &Symbol,
    mark: Price,
    falls_hurt: bool,
) -> Option<Price> {
    let crash = crash(margin, joint, symbol, falls_hurt);
    line_under(margin, &crash, mark, falls_hurt)
}

/// How the other symbols of `margin` move along with `symbol` in a crash: those that are hurt by it
/// with the larger beta, those that are counted on with the smaller one.
pub(super) fn crash(
    margin: &ScopeMargin,
    joint: &Joint,
    symbol: &Symbol,
    falls_hurt: bool,
) -> Shock {
    let mut shock = Shock::of(symbol);
    for leg in margin.legs.iter().filter(|leg| leg.key.symbol != *symbol) {
        let other = &leg.key.symbol;
        let hurt = margin.net_side(other).map(|side| side == Side::Long) == Some(falls_hurt);
        let beta = if hurt {
            joint.beta(other, symbol)
        } else {
            joint.least_beta(other, symbol)
        };
        shock.betas.insert(other.clone(), rate_up(beta));
    }
    shock
}

/// Mark of the first symbol of a `crash` at which `margin` dies in it, from its `mark` now.
pub(super) fn line_under(
    margin: &ScopeMargin,
    crash: &Shock,
    mark: Price,
    falls_hurt: bool,
) -> Option<Price> {
    let factor = if falls_hurt {
        Rate::ONE - margin.reach_down(crash)?
    } else {
        Rate::ONE + margin.reach_up(crash)?
    };
    Price::new((mark * factor).get()).ok()
}

/// Danger of one line at the newest mark.
pub(super) fn danger(
    line: &Line,
    can_add: bool,
    desk: &Desk,
    gauge: &Gauge,
    policy: &Policy,
) -> Option<Danger> {
    let nearest = line.nearest?;
    let feed = desk.feeds.get(&line.key.symbol)?;
    let mark = feed.mark?;
    let distance = distance(mark, nearest, line.falls_hurt);
    let falls = line.falls_hurt;
    let mut reach = reach_at(feed, 0.0, can_add, gauge, policy, falls);
    // A thin book widens what is needed, but never so far that it alone makes the danger deep.
    let room = beyond(scaled(distance, THIN_MOST), reach.needed).max(0.0);
    let thin = feed.thin(policy).min(room);
    if thin > 0.0 {
        reach = reach_at(feed, thin, can_add, gauge, policy, falls);
    }
    let limit = policy.triggers.breach_limit;
    let likely = limit < 1.0
        && breach(
            &feed.bars,
            distance,
            line.falls_hurt,
            policy.triggers.horizon_ms,
        )
        .is_some_and(|chance| exceeds(chance, limit, 0.0));
    Some(Danger {
        distance,
        needed: reach.needed,
        act_distance: reach.act,
        floor_crossed: likely
            || line.floor.is_some_and(|floor| match line.falls_hurt {
                true => mark <= floor,
                false => mark >= floor,
            }),
    })
}

/// Distances that a rescue needs and starts at, as shares of the price.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    pub(super) needed: f64,
    pub(super) act: f64,
}

/// What the pace of a price asks for, never less than the hard floor.
pub(super) fn reach(
    feed: &Feed,
    can_add: bool,
    gauge: &Gauge,
    policy: &Policy,
    falls_hurt: bool,
) -> Reach {
    let thin = feed.thin(policy);
    reach_at(feed, thin, can_add, gauge, policy, falls_hurt)
}

fn reach_at(
    feed: &Feed,
    thin: f64,
    can_add: bool,
    gauge: &Gauge,
    policy: &Policy,
    falls_hurt: bool,
) -> Reach {
    let part = if can_add { ADD_AT } else { TRIM_AT };
    let triggers = &policy.triggers;
    let forecast = gauge.needed(&feed.bars, &feed.quick, thin, falls_hurt);
    let act = forecast.map_or_else(
        || share(triggers.blind_distance),
        |needed| scaled(needed, part),
    );
    let act = act.max(share(triggers.floor_distance));
    Reach {
        needed: scaled(act, part.recip()),
        act,
    }
}

/// Mark at which the distance to `line` is exactly `share` of mark.
pub(super) fn act_price(line: Price, share: Rate, falls_hurt: bool) -> Option<Price> {
    let factor = if falls_hurt {
        Rate::ONE - share
    } else {
        Rate::ONE + share
    };
    line.get()
        .checked_div(factor.get())
        .and_then(|price| Price::new(price).ok())
}

/// The own line; a scope that no price of `symbol` would make healthy stands on its line now.
fn own_line(margin: &ScopeMargin, symbol: &Symbol, mark: Price) -> Option<Price> {
    let line = margin.liquidation_price(symbol);
    line.or_else(|| on_line(margin, mark))
}

fn on_line(margin: &ScopeMargin, mark: Price) -> Option<Price> {
    (!margin.is_healthy()).then_some(mark)
}

pub(super) fn more_dangerous(
    own: Option<Price>,
    venue: Option<Price>,
    falls_hurt: bool,
) -> Option<Price> {
    match (own, venue) {
        (Some(own), Some(venue)) if falls_hurt => Some(own.max(venue)),
        (Some(own), Some(venue)) => Some(own.min(venue)),
        (one, other) => one.or(other),
    }
}

/// The level for a nearness, coming from `current`.
pub(super) fn level_for(nearness: f64, current: Level) -> Level {
    let held = |level: Level, border: f64| {
        nearness
            <= if current >= level {
                scaled(border, HYSTERESIS)
            } else {
                border
            }
    };
    if held(Level::Acting, 1.0) {
        Level::Acting
    } else if held(Level::ActSoon, ACT_SOON_BELOW) {
        Level::ActSoon
    } else if held(Level::Watch, WATCH_BELOW) {
        Level::Watch
    } else {
        Level::Calm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::dec;

    #[test]
    fn levels_rise_at_their_border_and_fall_behind_it() {
        assert_eq!(level_for(2.5, Level::Calm), Level::Calm);
        assert_eq!(level_for(1.9, Level::Calm), Level::Watch);
        assert_eq!(level_for(2.1, Level::Watch), Level::Watch);
        assert_eq!(level_for(2.3, Level::Watch), Level::Calm);
        assert_eq!(level_for(1.0, Level::Calm), Level::Acting);
        assert_eq!(level_for(1.05, Level::Acting), Level::Acting);
        assert_eq!(level_for(1.05, Level::ActSoon), Level::ActSoon);
        assert_eq!(level_for(1.2, Level::Distress), Level::ActSoon);
    }

    #[test]
    fn the_floor_price_is_at_the_wished_distance() {
        let line = Price::of(dec!(98));
        let share = Rate::of(dec!(0.02));
        assert_eq!(act_price(line, share, true), Some(Price::of(dec!(100))));
        let line = Price::of(dec!(102));
        assert_eq!(act_price(line, share, false), Some(Price::of(dec!(100))));
    }

    #[test]
    fn the_more_dangerous_number_counts() {
        let (own, venue) = (Some(Price::of(dec!(90))), Some(Price::of(dec!(91))));
        assert_eq!(more_dangerous(own, venue, true), venue);
        assert_eq!(more_dangerous(own, venue, false), own);
        assert_eq!(more_dangerous(None, venue, true), venue);
        assert_eq!(more_dangerous(None, None, true), None);
    }
}
