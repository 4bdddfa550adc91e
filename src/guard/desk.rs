//! What is known: account, rules, prices. Newer beats older, REST and streams are never mixed
//! within one position.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::{AccountChange, Mark, PositionChange};
use super::intent::Scope;
use super::policy::Policy;
use crate::domain::{
    Account, Balance, Book, Instrument, MarginMode, Position, PositionKey, PositionMode, Price,
    Quantity, Rate, Symbol, TierTable, Timestamp,
};
use crate::forecast::Volatility;
use crate::margin::{Leg, ScopeMargin};

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
    pub(super) volatility: Volatility,
    pub(super) book: Option<Book>,
    pub(super) funding_rate: Option<Rate>,
    pub(super) next_funding_at: Option<Timestamp>,
}

/// A position and the venue time of the newest news about it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) position: Position,
    pub(super) changed_at: Timestamp,
}

/// A size that changed without an intent of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SizeChange {
    pub(super) key: PositionKey,
    pub(super) before: Quantity,
    pub(super) after: Quantity,
}

#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) rules: BTreeMap<Symbol, Rules>,
    pub(super) feeds: BTreeMap<Symbol, Feed>,
    pub(super) positions: BTreeMap<PositionKey, Held>,
    pub(super) balances: BTreeMap<String, Balance>,
    pub(super) position_mode: PositionMode,
    pub(super) multi_assets: bool,
    pub(super) can_trade: bool,
    /// Venue time of the newest accepted picture.
    pub(super) picture_at: Option<Timestamp>,
    /// Venue time of the newest private change.
    changed_at: Timestamp,
    fee: Option<Rate>,
}

impl Desk {
    /// Takes a whole picture. Positions with stream news younger than the picture stay as they are.
    /// Returns the sizes that differ from what was known.
    pub(super) fn apply_account(&mut self, account: &Account) -> Vec<SizeChange> {
        let first = self.picture_at.is_none();
        if self.picture_at.is_some_and(|at| at > account.taken_at) {
            return Vec::new();
        }
        self.position_mode = account.position_mode;
        self.multi_assets = account.multi_assets;
        self.can_trade = account.can_trade;
        if account.taken_at >= self.changed_at {
            self.balances.clone_from(&account.balances);
        }
        let mut changes = Vec::new();
        let mut kept = BTreeMap::new();
        for position in &account.positions {
            let key = position.key.clone();
            let known = self.positions.remove(&key);
            let before = known
                .as_ref()
                .map_or(Quantity::ZERO, |held| held.position.quantity);
            let held = match known {
                Some(held) if held.changed_at > account.taken_at => held,
                Some(_) | None => Held {
                    position: position.clone(),
                    changed_at: account.taken_at,
                },
            };
            note_size(&mut changes, &key, before, held.position.quantity);
            kept.insert(key, held);
        }
        for (key, held) in std::mem::take(&mut self.positions) {
            if held.changed_at > account.taken_at {
                kept.insert(key, held);
            } else {
                note_size(&mut changes, &key, held.position.quantity, Quantity::ZERO);
            }
        }
        self.positions = kept;
        self.picture_at = Some(account.taken_at);
        if first { Vec::new() } else { changes }
    }

    /// Takes a private change: absolute values, only what changed, never older than what is known.
    pub(super) fn apply_change(&mut self, change: &AccountChange) -> Vec<SizeChange> {
        self.changed_at = self.changed_at.max(change.at);
        for (asset, cross_wallet) in &change.balances {
            let balance = self.balances.entry(asset.clone()).or_default();
            // The change says nothing of the free balance: move it with the wallet, never above it.
            let moved = balance.available + (*cross_wallet - balance.cross_wallet);
            balance.available = moved.min(*cross_wallet);
            balance.cross_wallet = *cross_wallet;
        }
        let mut changes = Vec::new();
        for position in &change.positions {
            self.apply_position(position, change.at, &mut changes);
        }
        changes
    }

    fn apply_position(
        &mut self,
        change: &PositionChange,
        at: Timestamp,
        changes: &mut Vec<SizeChange>,
    ) {
        let key = PositionKey {
            symbol: change.symbol.clone(),
            position_side: change.position_side,
        };
        let Some(held) = self.positions.get_mut(&key) else {
            // A position that no picture has shown yet: its settings are unknown, a re-read follows.
            return;
        };
        if held.changed_at > at {
            return;
        }
        note_size(changes, &key, held.position.quantity, change.quantity);
        held.changed_at = at;
        let (Some(side), Some(entry)) = (change.side, change.entry_price) else {
            self.positions.remove(&key);
            return;
        };
        let position = &mut held.position;
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
    }

    /// Takes a mark price; false when it is older than the one known.
    pub(super) fn apply_mark(&mut self, mark: &Mark) -> bool {
        if !self.feeds.contains_key(&mark.symbol) {
            self.feeds.insert(mark.symbol.clone(), Feed::default());
        }
        let Some(feed) = self.feeds.get_mut(&mark.symbol) else {
            return false;
        };
        if feed.mark.is_some() && mark.at < feed.mark_at {
            return false;
        }
        feed.volatility.update(mark.price, mark.at);
        feed.mark = Some(mark.price);
        feed.mark_at = mark.at;
        if mark.funding_rate.is_some() {
            feed.funding_rate = mark.funding_rate;
            feed.next_funding_at = mark.next_funding_at;
        }
        true
    }

    pub(super) fn apply_book(&mut self, book: Book) {
        let feed = self.feeds.entry(book.symbol.clone()).or_default();
        feed.book = (!book.is_unusable()).then_some(book);
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

    /// The arithmetic of a scope at the newest marks; `None` while a tier table is missing.
    pub(super) fn margin(&self, scope: &Scope) -> Option<ScopeMargin> {
        let mut legs = Vec::new();
        let mut wallet = match scope {
            Scope::Isolated(_) => crate::domain::Money::ZERO,
            Scope::Cross(asset) => self.balances.get(asset)?.cross_wallet,
        };
        for held in self.members(scope) {
            let position = &held.position;
            let tiers = self.rules.get(&position.key.symbol)?.tiers.as_ref()?;
            if matches!(scope, Scope::Isolated(_)) {
                wallet = position.isolated_wallet;
            }
            legs.push(Leg {
                key: position.key.clone(),
                side: position.side,
                quantity: position.quantity,
                entry: position.entry_price,
                mark: self.mark(position),
                tiers: Arc::clone(tiers),
            });
        }
        (!legs.is_empty()).then_some(ScopeMargin { wallet, legs })
    }
}

/// The scope that a position is liquidated in.
pub(super) fn scope_of(position: &Position) -> Scope {
    match position.margin_mode {
        MarginMode::Isolated => Scope::Isolated(position.key.clone()),
        MarginMode::Cross => Scope::Cross(position.margin_asset.clone()),
    }
}

fn note_size(changes: &mut Vec<SizeChange>, key: &PositionKey, before: Quantity, after: Quantity) {
    if before != after {
        changes.push(SizeChange {
            key: key.clone(),
            before,
            after,
        });
    }
}
