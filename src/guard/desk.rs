//! What is known: account, rules, prices. Newer beats older, REST and streams are never mixed
//! within one position.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::event::{AccountChange, Bar, Mark, OrderStatus, OrderUpdate, PositionChange};
use super::intent::Scope;
use super::policy::Policy;
use crate::domain::{
    Account, Balance, Book, Instrument, Leverage, MarginMode, Money, OpenOrder, OutsideBalance,
    Position, PositionKey, PositionMode, Price, Quantity, Rate, Side, Symbol, TierTable, Timestamp,
};
use crate::forecast::{
    JOINT_SYMBOLS_MAX, Joint, MinuteBars, Quick, Range, distance, share, thinness,
};
use crate::margin::{Leg, ScopeMargin};
use rust_decimal::Decimal;

/// Trading rules of one symbol, each read on its own.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) instrument: Option<Instrument>,
    pub(super) tiers: Option<Arc<TierTable>>,
    pub(super) fee: Option<Rate>,
}

/// Prices of one symbol.
#[derive(Debug, Default)]
pub(super) struct Feed {
    pub(super) mark: Option<Price>,
    /// Venue time of the mark.
    pub(super) mark_at: Timestamp,
    /// Venue time of the newest mark that came on a stream and not with an account picture.
    pub(super) streamed_at: Option<Timestamp>,
    pub(super) bars: MinuteBars,
    pub(super) quick: Quick,
    pub(super) book: Option<Book>,
    /// Share of the price that half a close would lose to each of the last books, oldest first.
    thins: VecDeque<(Timestamp, f64)>,
    pub(super) funding_rate: Option<Rate>,
    pub(super) next_funding_at: Option<Timestamp>,
}

/// A position and the venue time of the newest news about it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) position: Position,
    pub(super) changed_at: Timestamp,
}

/// A position whose size or side is another one than was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SizeChange {
    pub(super) key: PositionKey,
    pub(super) before: Quantity,
    pub(super) after: Quantity,
    pub(super) flipped: bool,
}

/// An isolated wallet that grew while the size stayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) key: PositionKey,
    pub(super) asset: String,
    pub(super) amount: Money,
    /// The venue tops this position up by itself.
    pub(super) auto_add: bool,
}

/// What news changed on the desk.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) sizes: Vec<SizeChange>,
    pub(super) growths: Vec<Growth>,
}

#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) rules: BTreeMap<Symbol, Rules>,
    pub(super) feeds: BTreeMap<Symbol, Feed>,
    /// How symbols move together.
    pub(super) joint: Joint,
    /// Past minutes of each symbol that are not yet in `joint`, which takes them all at once.
    past: BTreeMap<Symbol, Vec<(Timestamp, Price)>>,
    pub(super) positions: BTreeMap<PositionKey, Held>,
    pub(super) balances: BTreeMap<String, Balance>,
    /// Resting orders of the newest picture, less what streams said is gone; `None`: not read.
    pub(super) open_orders: Option<Vec<OpenOrder>>,
    /// Free in the owner's other wallets, as last read.
    pub(super) outside: BTreeMap<String, OutsideBalance>,
    pub(super) position_mode: PositionMode,
    pub(super) multi_assets: bool,
    pub(super) can_trade: bool,
    /// Venue time of the newest accepted picture.
    pub(super) picture_at: Option<Timestamp>,
    /// Balances of the newest picture: the free balance moves with the wallet from there.
    pictured: BTreeMap<String, Balance>,
    /// Venue time of the newest news about each balance.
    balances_at: BTreeMap<String, Timestamp>,
    /// Stream news about positions that are not on the desk: closed since, or not yet in a picture.
    unseen: BTreeMap<PositionKey, (PositionChange, Timestamp)>,
    fee: Option<Rate>,
}

/// A book is as thin as the thickest one of this last stretch of time, and of two at least: one frame
/// alone may be an outlier.
const THIN_MS: i64 = 3_000;
/// Two books that lie further apart do not confirm each other.
const THIN_APART_MS: i64 = 10_000;
/// Books that are remembered for that.
const THINS_MAX: usize = 32;
/// News about positions that no picture has shown yet are kept for at most this many of them.
const MOST_UNSEEN: usize = 256;
/// A smaller growth of an isolated wallet is not worth a word.
const LEAST_GROWTH: Money = Money::of(Decimal::ONE);

impl Feed {
    fn take(&mut self, mark: Price, at: Timestamp) {
        self.bars.update(mark, at);
        self.quick.update(mark, at);
        self.mark = Some(mark);
        self.mark_at = at;
    }

    /// Share of the price that half a close would lose to a thin book. Zero where no book says so: none
    /// that can be used, none that is as young as the mark by `policy`, or only one.
    pub(super) fn thin(&self, policy: &Policy) -> f64 {
        let young = self.book.as_ref().is_some_and(|book| {
            let age = self.mark_at.since(book.at);
            age <= policy.freshness.mark_ms
        });
        let seen = self.thins.iter().map(|(_, thin)| *thin);
        match seen.min_by(f64::total_cmp) {
            Some(least) if young && self.thins.len() > 1 => least,
            Some(_) | None => 0.0,
        }
    }

    /// Takes what a close would lose to a book of `at`.
    fn take_thin(&mut self, thin: f64, at: Timestamp) {
        // The same frame once more confirms nothing.
        if self.thins.back().is_some_and(|(seen, _)| *seen == at) {
            self.thins.pop_back();
        }
        self.thins.push_back((at, thin));
        let older = |seen: Option<&(Timestamp, f64)>, ms: i64| {
            seen.is_some_and(|(seen, _)| at.since(*seen) > ms)
        };
        while (self.thins.len() > 2 && older(self.thins.front(), THIN_MS))
            || older(self.thins.front(), THIN_APART_MS)
            || self.thins.len() > THINS_MAX
        {
            self.thins.pop_front();
        }
    }
}

impl Desk {
    /// Takes a whole picture. Positions and balances with stream news younger than the picture stay
    /// as they are. Returns what differs from what was known.
    pub(super) fn apply_account(&mut self, account: &Account) -> Changes {
        let first = self.picture_at.is_none();
        let taken_at = account.taken_at;
        if self.picture_at.is_some_and(|at| at > taken_at) {
            return Changes::default();
        }
        self.position_mode = account.position_mode;
        self.multi_assets = account.multi_assets;
        self.can_trade = account.can_trade;
        self.open_orders.clone_from(&account.open_orders);
        self.take_balances(account);
        let mut changes = Changes::default();
        let mut kept = BTreeMap::new();
        for position in &account.positions {
            let key = position.key.clone();
            let known = self.positions.remove(&key);
            let held = match &known {
                Some(held) if held.changed_at > taken_at => Some(held.clone()),
                Some(_) | None => self.pictured(position, taken_at),
            };
            let (before, after) = (known.as_ref(), held.as_ref());
            note(&mut changes, &key, before, after);
            if let Some(held) = held {
                kept.insert(key, held);
            }
        }
        for (key, held) in std::mem::take(&mut self.positions) {
            if held.changed_at > taken_at {
                kept.insert(key, held);
            } else {
                note(&mut changes, &key, Some(&held), None);
            }
        }
        self.positions = kept;
        self.unseen.retain(|_, (_, at)| *at > taken_at);
        self.picture_at = Some(taken_at);
        for position in &account.positions {
            self.take_pictured_mark(position, taken_at);
        }
        self.weigh_books(&changes);
        if first { Changes::default() } else { changes }
    }

    /// Balances without younger stream news; an asset that is gone from the picture is gone.
    fn take_balances(&mut self, account: &Account) {
        let taken_at = account.taken_at;
        let times = &self.balances_at;
        let younger = |asset: &String| times.get(asset).is_some_and(|at| *at > taken_at);
        self.balances.retain(|asset, _| younger(asset));
        for (asset, balance) in &account.balances {
            self.balances.entry(asset.clone()).or_insert(*balance);
        }
        self.balances_at.retain(|_, at| *at > taken_at);
        self.pictured.clone_from(&account.balances);
    }

    /// A position as a picture shows it, with younger stream news about it applied; `None` when
    /// those say that it is gone.
    fn pictured(&mut self, position: &Position, taken_at: Timestamp) -> Option<Held> {
        let mut held = Held {
            position: position.clone(),
            changed_at: taken_at,
        };
        match self.unseen.get(&position.key) {
            Some((change, at)) if *at > taken_at => {
                let open = held.take(change, *at);
                if open {
                    self.unseen.remove(&position.key);
                }
                open.then_some(held)
            }
            Some(_) | None => Some(held),
        }
    }

    /// The mark that came with a picture counts when no stream brought a younger one.
    fn take_pictured_mark(&mut self, position: &Position, taken_at: Timestamp) {
        let feed = self.feeds.entry(position.key.symbol.clone()).or_default();
        if feed.mark.is_none() || feed.mark_at < taken_at {
            feed.take(position.mark_price, taken_at);
        }
    }

    /// Takes a private change: absolute values, only what changed, never older than what is known.
    pub(super) fn apply_change(&mut self, change: &AccountChange) -> Changes {
        for (asset, cross_wallet) in &change.balances {
            let known_at = self.balances_at.get(asset).copied();
            if known_at
                .or(self.picture_at)
                .is_some_and(|at| at > change.at)
            {
                continue;
            }
            self.balances_at.insert(asset.clone(), change.at);
            // The change says nothing of the free balance: move it with the wallet, never above it.
            let base = self.pictured.get(asset).copied().unwrap_or_default();
            let moved = base.available + (*cross_wallet - base.cross_wallet);
            let balance = Balance {
                cross_wallet: *cross_wallet,
                available: moved.min(*cross_wallet),
            };
            self.balances.insert(asset.clone(), balance);
            self.forget_venue_numbers(asset);
        }
        let mut changes = Changes::default();
        for position in &change.positions {
            self.apply_position(position, change.at, &mut changes);
        }
        self.weigh_books(&changes);
        // Funding is the one growth that nobody made.
        if change.reason.contains("FUNDING") {
            changes.growths.clear();
        }
        changes
    }

    /// The venue's numbers of cross positions belong to the state before this change.
    fn forget_venue_numbers(&mut self, asset: &str) {
        for held in self.positions.values_mut() {
            let position = &mut held.position;
            if position.margin_mode == MarginMode::Cross && position.margin_asset == asset {
                position.venue_liquidation = None;
            }
        }
    }

    fn apply_position(&mut self, change: &PositionChange, at: Timestamp, changes: &mut Changes) {
        let key = PositionKey {
            symbol: change.symbol.clone(),
            position_side: change.position_side,
        };
        let Some(held) = self.positions.get_mut(&key) else {
            // Not on the desk: its settings are unknown, a re-read follows. Kept, so that an older
            // picture cannot bring back what this says is gone.
            let newer = self.unseen.get(&key).is_none_or(|(_, known)| *known <= at);
            let pictured = self.picture_at.is_some_and(|picture| picture > at);
            let room = self.unseen.len() < MOST_UNSEEN || self.unseen.contains_key(&key);
            if newer && room && !pictured {
                self.unseen.insert(key, (change.clone(), at));
            }
            return;
        };
        if held.changed_at > at {
            return;
        }
        let before = held.clone();
        let open = held.take(change, at);
        note(changes, &key, Some(&before), open.then_some(&*held));
        let cross = (before.position.margin_mode == MarginMode::Cross)
            .then_some(before.position.margin_asset);
        if !open {
            self.positions.remove(&key);
            if self.unseen.len() < MOST_UNSEEN {
                self.unseen.insert(key, (change.clone(), at));
            }
        }
        if let Some(asset) = cross {
            self.forget_venue_numbers(&asset);
        }
    }

    /// The clock was set back: nothing known may count as news from the future.
    pub(super) fn clamp_times(&mut self, now: Timestamp) {
        self.picture_at = self.picture_at.map(|at| at.min(now));
        for held in self.positions.values_mut() {
            held.changed_at = held.changed_at.min(now);
        }
        for at in self.balances_at.values_mut() {
            *at = now.min(*at);
        }
        for (_, at) in self.unseen.values_mut() {
            *at = now.min(*at);
        }
        for feed in self.feeds.values_mut() {
            feed.mark_at = feed.mark_at.min(now);
            feed.streamed_at = feed.streamed_at.map(|at| at.min(now));
            if let Some(book) = &mut feed.book {
                book.at = book.at.min(now);
            }
            feed.thins.clear();
        }
    }

    /// Takes a mark price; false when it is older than the one known.
    pub(super) fn apply_mark(&mut self, mark: &Mark) -> bool {
        if !self.feeds.contains_key(&mark.symbol) {
            self.feeds.insert(mark.symbol.clone(), Feed::default());
        }
        if !self.past.is_empty() {
            self.join_past();
        }
        // One symbol alone moves with nothing.
        let several = self.feeds.len() > 1;
        let Some(feed) = self.feeds.get_mut(&mark.symbol) else {
            return false;
        };
        if feed.mark.is_some() && mark.at < feed.mark_at {
            return false;
        }
        feed.take(mark.price, mark.at);
        if several {
            self.joint.update(&mark.symbol, mark.price, mark.at);
        }
        feed.streamed_at = Some(mark.at);
        if mark.funding_rate.is_some() {
            feed.funding_rate = mark.funding_rate;
            feed.next_funding_at = mark.next_funding_at;
        }
        true
    }

    /// Takes past mark prices; they change the forecast and nothing else.
    pub(super) fn apply_history(&mut self, symbol: &Symbol, bars: &[Bar]) {
        if self.past.len() < JOINT_SYMBOLS_MAX {
            let closes = bars.iter().map(|bar| (bar.start, bar.close)).collect();
            self.past.insert(symbol.clone(), closes);
        }
        let number = |price: Price| share(Rate::of(price.get()));
        let bars: Vec<(Timestamp, Range)> = bars
            .iter()
            .map(|bar| {
                let range = Range {
                    low: number(bar.low),
                    high: number(bar.high),
                    close: number(bar.close),
                };
                (bar.start, range)
            })
            .collect();
        let feed = self.feeds.entry(symbol.clone()).or_default();
        feed.bars.take_history(&bars);
    }

    /// Takes what the past of several symbols says of how they move together; what was known of that
    /// is forgotten.
    fn join_past(&mut self) {
        if self.past.len() < 2 {
            self.past.clear();
            return;
        }
        let mut past: Vec<(Timestamp, &Symbol, Price)> = Vec::new();
        for (symbol, closes) in &self.past {
            past.extend(closes.iter().map(|(at, close)| (*at, symbol, *close)));
        }
        past.sort_by_key(|(at, symbol, _)| (*at, *symbol));
        let mut joint = Joint::default();
        for (at, symbol, close) in past {
            joint.update(symbol, close, at);
        }
        self.joint = joint;
        self.past.clear();
    }

    /// A stream says that an order was filled in part or ended.
    pub(super) fn apply_order(&mut self, update: &OrderUpdate) {
        let Some(orders) = &mut self.open_orders else {
            return;
        };
        let ended = update.status != OrderStatus::Working;
        orders.retain(|order| {
            !(ended && order.client_id == update.client_id && order.symbol == update.symbol)
        });
    }

    /// Does a picture that shows open orders show none of these?
    pub(super) fn are_gone(&self, orders: &[OpenOrder]) -> bool {
        self.open_orders.as_ref().is_some_and(|open| {
            let mut wanted = orders.iter();
            wanted.all(|gone| !open.iter().any(|order| order.same_as(gone)))
        })
    }

    pub(super) fn apply_book(&mut self, book: Book) {
        let feed = self.feeds.entry(book.symbol.clone()).or_default();
        if feed.book.as_ref().is_some_and(|known| known.at > book.at) {
            return;
        }
        if book.is_unusable() {
            feed.book = None;
            feed.thins.clear();
            return;
        }
        feed.take_thin(thinnest(&self.positions, &book), book.at);
        feed.book = Some(book);
    }

    /// A size has changed: what older books said was said of another one.
    fn weigh_books(&mut self, changes: &Changes) {
        for change in &changes.sizes {
            let Some(feed) = self.feeds.get_mut(&change.key.symbol) else {
                continue;
            };
            feed.thins.clear();
            if let Some(book) = &feed.book {
                let (thin, at) = (thinnest(&self.positions, book), book.at);
                feed.take_thin(thin, at);
            }
        }
    }

    pub(super) fn set_fee(&mut self, symbol: Option<&Symbol>, rate: Rate) {
        match symbol {
            Some(symbol) => self.rules.entry(symbol.clone()).or_default().fee = Some(rate),
            None => self.fee = Some(rate),
        }
    }

    /// Taker fee of `symbol`, as known best.
    pub(super) fn fee(&self, symbol: &Symbol, policy: &Policy) -> Rate {
        let own = self.rules.get(symbol).and_then(|rules| rules.fee);
        own.or(self.fee).unwrap_or(policy.fallback_fee)
    }

    /// The newest mark of a position's symbol.
    pub(super) fn mark(&self, position: &Position) -> Price {
        let fed = self
            .feeds
            .get(&position.key.symbol)
            .and_then(|feed| feed.mark);
        fed.unwrap_or(position.mark_price)
    }

    /// Positions that are liquidated together with `scope`.
    pub(super) fn members<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a Held> {
        self.positions.values().filter(move |held| match scope {
            Scope::Isolated(key) => held.position.key == *key,
            Scope::Cross(asset) => {
                held.position.margin_mode == MarginMode::Cross
                    && held.position.margin_asset == *asset
            }
        })
    }

    /// What the legs of `margin` will pay at funding times within `horizon_ms`; zero when they receive.
    pub(super) fn coming_funding(&self, margin: &ScopeMargin, horizon_ms: i64) -> Money {
        let due = |leg: &Leg| {
            let feed = self.feeds.get(&leg.key.symbol)?;
            let ahead = feed.next_funding_at?.since(feed.mark_at);
            let paid_by_long = leg.notional(leg.mark) * feed.funding_rate?;
            (0..=horizon_ms).contains(&ahead).then_some(match leg.side {
                Side::Long => paid_by_long,
                Side::Short => -paid_by_long,
            })
        };
        let due: Money = margin.legs.iter().filter_map(due).sum();
        if due.is_negative() { Money::ZERO } else { due }
    }

    /// The arithmetic of a scope at the newest marks; `None` while a tier table is missing.
    pub(super) fn margin(&self, scope: &Scope) -> Option<ScopeMargin> {
        self.margin_at(scope, |position| self.mark(position))
    }

    /// The same at the marks that came with the account picture, as the venue's own numbers are.
    pub(super) fn pictured_margin(&self, scope: &Scope) -> Option<ScopeMargin> {
        self.margin_at(scope, |position| position.mark_price)
    }

    fn margin_at(&self, scope: &Scope, mark: impl Fn(&Position) -> Price) -> Option<ScopeMargin> {
        let mut legs = Vec::new();
        let mut wallet = match scope {
            Scope::Isolated(_) => Money::ZERO,
            Scope::Cross(asset) => self.balances.get(asset)?.cross_wallet,
        };
        for held in self.members(scope) {
            let position = &held.position;
            let tiers = self.rules.get(&position.key.symbol)?.tiers.as_ref()?;
            if matches!(scope, Scope::Isolated(_)) {
                wallet = position.isolated_wallet;
            }
            let mut leg = Leg::linear(
                position.key.clone(),
                position.side,
                position.quantity,
                position.entry_price,
                mark(position),
                Arc::clone(tiers),
            );
            leg.leverage = position.leverage.map(Leverage::from);
            legs.push(leg);
        }
        let mode = match scope {
            Scope::Isolated(_) => MarginMode::Isolated,
            Scope::Cross(_) => MarginMode::Cross,
        };
        (!legs.is_empty()).then(|| ScopeMargin::binance_usdm(mode, wallet, legs))
    }
}

/// What `book` would take from a close of half of any position in its symbol, at most.
fn thinnest(positions: &BTreeMap<PositionKey, Held>, book: &Book) -> f64 {
    let held = positions.values().map(|held| &held.position);
    let held = held.filter(|position| position.key.symbol == book.symbol);
    held.map(|position| thin_for(position, book))
        .fold(0.0, f64::max)
}

/// What `book` would take from a close of half of `position`; nothing where it shows nothing.
fn thin_for(position: &Position, book: &Book) -> f64 {
    let half = position.quantity * Rate::of(Decimal::new(5, 1));
    let best = match position.side {
        Side::Long => book.bids.first(),
        Side::Short => book.asks.first(),
    };
    let fill = book.close(position.side, half);
    let (Some(best), Some(fill)) = (best, fill) else {
        return 0.0;
    };
    let average = fill.notional.per(fill.quantity);
    let (Some(average), Some(times)) = (average, half.ratio(fill.quantity)) else {
        return 0.0;
    };
    let gap = distance(best.price, average, position.side == Side::Long);
    thinness(gap, share(times))
}

/// The scope that a position is liquidated in.
pub(super) fn scope_of(position: &Position) -> Scope {
    match position.margin_mode {
        MarginMode::Isolated => Scope::Isolated(position.key.clone()),
        MarginMode::Cross => Scope::Cross(position.margin_asset.clone()),
    }
}

impl Held {
    /// Takes a private change; false when it says that the position is gone.
    fn take(&mut self, change: &PositionChange, at: Timestamp) -> bool {
        self.changed_at = at;
        let (Some(side), Some(entry)) = (change.side, change.entry_price) else {
            return false;
        };
        if !change.quantity.is_positive() {
            return false;
        }
        let position = &mut self.position;
        position.side = side;
        position.quantity = change.quantity;
        position.entry_price = entry;
        position.isolated_wallet = change.isolated_wallet;
        position.margin_mode = if change.isolated {
            MarginMode::Isolated
        } else {
            MarginMode::Cross
        };
        // The venue's own numbers belong to the state before this change.
        position.venue_liquidation = None;
        position.venue_maintenance = None;
        position.updated_at = at;
        true
    }
}

/// Notes what differs between two sights of one position.
fn note(changes: &mut Changes, key: &PositionKey, before: Option<&Held>, after: Option<&Held>) {
    let size = |held: Option<&Held>| held.map_or(Quantity::ZERO, |held| held.position.quantity);
    let flipped = match (before, after) {
        (Some(before), Some(after)) => before.position.side != after.position.side,
        (None, _) | (_, None) => false,
    };
    if size(before) != size(after) || flipped {
        changes.sizes.push(SizeChange {
            key: key.clone(),
            before: size(before),
            after: size(after),
            flipped,
        });
        return;
    }
    let (Some(before), Some(after)) = (before, after) else {
        return;
    };
    let amount = after.position.isolated_wallet - before.position.isolated_wallet;
    let stays_isolated = before.position.margin_mode == MarginMode::Isolated
        && after.position.margin_mode == MarginMode::Isolated;
    if stays_isolated && amount >= LEAST_GROWTH {
        changes.growths.push(Growth {
            key: key.clone(),
            asset: after.position.margin_asset.clone(),
            amount,
            auto_add: after.position.auto_add_margin,
        });
    }
}
