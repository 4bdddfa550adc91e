//! The account on its exchange: what happens there, and what the guard can read of it.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use secrecy::SecretString;

use super::carry::{self, Request};
use super::ended::{Act, Deed, LegEnd};
use super::news::{self, FORCED};
use super::{Scene, World};
use crate::domain::{
    Account, Balance, Book, MarginMode, Money, Position, PositionKey, PositionMode, Price,
    Quantity, Rate, SECOND_MS, Side, Symbol, Timestamp,
};
use crate::guard::event::{Event, Mark};
use crate::guard::intent::{Intent, IntentId, Outcome, Resolution};
use crate::sim::{
    AccountId, Exchange, ExchangeSpec, Execution, Notice, Order, OrderRequest, OrderSide,
    PositionView, PrivateNotice, Seat, WalletView,
};

/// Settlement asset where a scene has no market.
const ASSET: &str = "USDT";
/// Levels of a book that the stream carries.
const LEVELS: usize = 20;
/// How far before the sending of an intent its row in the margin history may be stamped.
const HISTORY_SLACK_MS: i64 = SECOND_MS;

/// An account on an exchange of its own.
pub(super) struct Stand {
    pub(super) exchange: Exchange,
    account: AccountId,
    asset: String,
    hedge: bool,
    seats: Vec<Seat>,
    funded: bool,
    /// Rows of the margin history that are known to belong to an intent.
    credits: Vec<(IntentId, PositionKey, Timestamp)>,
    pub(super) acts: Vec<Act>,
    pub(super) slippage: Money,
    /// New margin that did not come out of a trim.
    pub(super) added: Money,
    /// What trims of isolated positions freed and nobody has put back yet.
    freed: Money,
    /// Fees of orders that filled; those of liquidations are apart.
    pub(super) trading_fees: Money,
    liquidated: BTreeMap<PositionKey, (Timestamp, Price)>,
    equity_start: Money,
}

impl Stand {
    /// Opens the exchange at its first mark and lets it come to `scene.start`; then the positions
    /// are there.
    pub(super) fn open(scene: &Scene, world: &World) -> Self {
        let first = scene.markets.iter().map(|(_, tape)| tape.start).min();
        let begins = first.unwrap_or(scene.start).min(scene.start);
        let mut spec = ExchangeSpec::new(scene.markets.clone(), begins);
        spec.taker_fee = world.taker_fee;
        spec.funding_rate = world.funding_rate.unwrap_or(Rate::ZERO);
        spec.book = world.book;
        spec.seed = world.seed;
        let asset = scene.markets.first();
        let asset = asset.map_or(ASSET, |(market, _)| &market.instrument.margin_asset);
        let mut exchange = Exchange::new(spec);
        let account = exchange.add_account("world", SecretString::from(""), scene.wallet);
        if scene.hedge {
            // A fresh account has nothing that could stand against it.
            drop(exchange.set_hedge(account, true));
        }
        exchange.advance_to(scene.start);
        exchange.take_notices();
        let mut stand = Self {
            exchange,
            account,
            asset: asset.to_owned(),
            hedge: scene.hedge,
            seats: Vec::new(),
            funded: world.funding_rate.is_some(),
            credits: Vec::new(),
            acts: Vec::new(),
            slippage: Money::ZERO,
            added: Money::ZERO,
            freed: Money::ZERO,
            trading_fees: Money::ZERO,
            liquidated: BTreeMap::new(),
            equity_start: Money::ZERO,
        };
        for seat in &scene.seats {
            if stand.exchange.seat(account, seat).is_ok() {
                stand.seats.push(seat.clone());
            }
        }
        stand.equity_start = stand.equity();
        stand
    }

    /// Plays everything due until `at`.
    pub(super) fn advance(&mut self, at: Timestamp) {
        self.exchange.advance_to(at);
    }

    pub(super) fn positions(&self) -> Vec<PositionView> {
        self.exchange.positions(self.account)
    }

    pub(super) fn wallets(&self) -> Option<WalletView> {
        self.exchange.wallets(self.account)
    }

    pub(super) fn is_flat(&self) -> bool {
        self.exchange.is_flat(self.account)
    }

    fn equity(&self) -> Money {
        let summary = self.exchange.account_summary(self.account);
        summary.map_or(Money::ZERO, |summary| summary.equity)
    }

    /// What the owner was told since the last call; forced closes are noted.
    pub(super) fn news(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for notice in self.exchange.take_notices() {
            let Notice::Private { at, notice, .. } = notice else {
                continue;
            };
            if let PrivateNotice::Order { execution, .. } = &*notice
                && let Execution::Trade(trade) = execution
            {
                self.trading_fees += trade.fee;
            }
            if let PrivateNotice::Order { order, .. } = &*notice
                && order.client_id.starts_with(FORCED)
            {
                let price = order.price.unwrap_or(Price::ZERO);
                self.liquidated.entry(order.key()).or_insert((at, price));
            }
            events.extend(news::event(&notice, &self.asset, at));
        }
        events
    }

    /// The marks of all symbols.
    pub(super) fn marks(&self) -> Vec<Event> {
        let (at, exchange) = (self.exchange.now(), &self.exchange);
        let mark = |symbol: &Symbol| {
            let price = exchange.mark(symbol)?;
            Some(self.mark_event(symbol, price, at))
        };
        let markets = exchange.markets();
        markets
            .filter_map(|market| mark(&market.instrument.symbol))
            .collect()
    }

    pub(super) fn mark_event(&self, symbol: &Symbol, price: Price, at: Timestamp) -> Event {
        let funding = self.funded.then(|| self.exchange.spec().funding_rate);
        Event::Mark(Mark {
            symbol: symbol.clone(),
            price,
            funding_rate: funding,
            next_funding_at: self.funded.then(|| self.exchange.next_funding()),
            at,
        })
    }

    /// The visible books of all symbols.
    pub(super) fn books(&mut self) -> Vec<Event> {
        let symbols: Vec<Symbol> = self
            .exchange
            .markets()
            .map(|market| market.instrument.symbol.clone())
            .collect();
        let mut events = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            if let Some((book, _)) = self.exchange.book(&symbol) {
                events.push(Event::Book(Book {
                    symbol: book.symbol.clone(),
                    bids: book.bids.iter().take(LEVELS).copied().collect(),
                    asks: book.asks.iter().take(LEVELS).copied().collect(),
                    at: book.at,
                }));
            }
        }
        events
    }

    /// Contracts, tiers and fee, as a read of the rules gives them.
    pub(super) fn rules(&self) -> Vec<Event> {
        let markets = || self.exchange.markets();
        let instruments = markets().map(|market| market.instrument.clone());
        let mut events = vec![
            Event::Instruments(instruments.collect()),
            Event::TakerFee {
                symbol: None,
                rate: self.exchange.spec().taker_fee,
            },
        ];
        events.extend(markets().map(|market| Event::Tiers {
            symbol: market.instrument.symbol.clone(),
            table: market.tiers.clone(),
        }));
        events
    }

    /// The account as a read of it gives it.
    pub(super) fn picture(&self) -> Account {
        let wallets = self.wallets();
        let balance = wallets.map_or_else(Balance::default, |wallets| Balance {
            cross_wallet: wallets.cross_wallet,
            available: wallets.available,
        });
        Account {
            position_mode: if self.hedge {
                PositionMode::Hedge
            } else {
                PositionMode::OneWay
            },
            multi_assets: false,
            open_orders: None,
            can_trade: true,
            balances: [(self.asset.clone(), balance)].into(),
            positions: self
                .positions()
                .into_iter()
                .map(|view| self.position(view))
                .collect(),
            taken_at: self.exchange.now(),
        }
    }

    fn position(&self, view: PositionView) -> Position {
        Position {
            key: PositionKey {
                symbol: view.symbol,
                position_side: view.position_side,
            },
            side: view.side,
            quantity: view.quantity,
            entry_price: view.entry_price,
            margin_mode: view.margin_mode,
            margin_asset: self.asset.clone(),
            leverage: Some(view.leverage),
            isolated_wallet: view.isolated_wallet,
            mark_price: view.mark_price,
            venue_liquidation: view.liquidation_price,
            venue_maintenance: Some(view.maintenance_margin),
            auto_add_margin: view.auto_add,
            updated_at: view.updated_at,
        }
    }

    /// Carries an intent out and keeps its account.
    pub(super) fn carry_out(&mut self, intent: &Intent) -> Outcome {
        let mark = self.exchange.mark(&intent.key.symbol);
        let nearest = self.nearest();
        let before = self.cross_wallet();
        let (outcome, order) = carry::carry_out(&mut self.exchange, self.account, intent);
        let price = mark.unwrap_or(Price::ZERO);
        let deed = match (carry::request(intent), &outcome, order) {
            (Request::Margin(amount), Outcome::Done { .. }, _) => {
                self.note_margin(amount, intent.recycled);
                Some(Deed::AddMargin(amount))
            }
            (Request::Order(_), _, Some(order)) => {
                if intent.margin_mode == MarginMode::Isolated {
                    self.freed += (self.cross_wallet() - before).max(Money::ZERO);
                }
                self.note_order(&order, price)
            }
            (Request::Margin(_) | Request::Order(_) | Request::Elsewhere, _, _) => None,
        };
        if let Some(deed) = deed {
            self.acts.push(Act {
                at: self.exchange.now(),
                intent: Some(intent.id.as_str().to_owned()),
                nearest: nearest.as_ref() == Some(&intent.key),
                key: intent.key.clone(),
                deed,
                price,
                recycled: intent.recycled,
            });
        }
        outcome
    }

    /// Margin that a trim freed is no new money when it comes back, be it as the second half of that
    /// trim or, where that was lost on the way, with a later addition.
    fn note_margin(&mut self, amount: Money, recycled: bool) {
        let back = amount.min(self.freed).max(Money::ZERO);
        self.freed -= back;
        if !recycled {
            self.added += amount - back;
        }
    }

    fn cross_wallet(&self) -> Money {
        self.wallets()
            .map_or(Money::ZERO, |wallets| wallets.cross_wallet)
    }

    fn note_order(&mut self, order: &Order, mark: Price) -> Option<Deed> {
        let average = order.average()?;
        self.slippage += (average - mark).abs() * order.executed;
        Some(Deed::Trim(order.executed))
    }

    /// An acknowledged addition: its row in the history is taken.
    pub(super) fn credit(&mut self, intent: &Intent) {
        let at = self.exchange.now();
        if matches!(carry::request(intent), Request::Margin(_)) {
            self.credits
                .push((intent.id.clone(), intent.key.clone(), at));
        }
    }

    /// What became of an intent that was sent at `sent_at`: an order has an id, an addition of
    /// margin only its amount in the history.
    pub(super) fn resolve(&mut self, intent: &Intent, sent_at: Timestamp) -> Resolution {
        let amount = match carry::request(intent) {
            Request::Elsewhere => return Resolution::NotExecuted,
            Request::Order(_) => return carry::find_order(&self.exchange, self.account, intent),
            Request::Margin(amount) => amount,
        };
        if self.credits.iter().any(|(id, _, _)| *id == intent.id) {
            return Resolution::Executed { fill: None };
        }
        let since = sent_at.plus_ms(-HISTORY_SLACK_MS);
        let rows = self.exchange.margin_changes(self.account);
        let own = rows.iter().find(|row| {
            let taken = |(_, key, at): &(IntentId, PositionKey, Timestamp)| {
                *key == row.key && *at == row.at
            };
            !row.automatic
                && row.key == intent.key
                && row.amount == amount
                && row.at >= since
                && !self.credits.iter().any(taken)
        });
        let Some(row) = own else {
            return Resolution::NotFound;
        };
        self.credits
            .push((intent.id.clone(), intent.key.clone(), row.at));
        Resolution::Executed { fill: None }
    }

    /// Closes `quantity` at the market for a baseline; true when something was closed.
    pub(super) fn close(&mut self, key: &PositionKey, quantity: Quantity) -> bool {
        let Some(view) = self.exchange.position(self.account, key) else {
            return false;
        };
        let side = match view.side {
            Side::Long => OrderSide::Sell,
            Side::Short => OrderSide::Buy,
        };
        let mut request = OrderRequest::market(&key.symbol, side, quantity.min(view.quantity));
        if self.hedge {
            request = request.in_slot(key.position_side);
        } else {
            request = request.reducing();
        }
        let nearest = self.nearest();
        let Ok(order) = self.exchange.place(self.account, &request) else {
            return false;
        };
        let Some(deed) = self.note_order(&order, view.mark_price) else {
            return false;
        };
        self.acts.push(Act {
            at: self.exchange.now(),
            intent: None,
            nearest: nearest.as_ref() == Some(key),
            key: key.clone(),
            deed,
            price: view.mark_price,
            recycled: false,
        });
        true
    }

    /// Puts `amount`, or what there is of it, from the cross wallet into an isolated position.
    pub(super) fn put_back(&mut self, key: &PositionKey, amount: Money) {
        let free = self.wallets().map_or(Money::ZERO, |wallets| {
            wallets.available.min(wallets.cross_wallet)
        });
        let amount = amount.min(free);
        if amount.is_positive() {
            // Where the exchange does not take it back the position has just less margin.
            drop(self.exchange.move_margin(self.account, key, amount));
        }
    }

    pub(super) fn set_auto_add(&mut self) {
        for seat in &self.seats {
            self.exchange
                .set_auto_add(self.account, &seat.key.symbol, true);
        }
    }

    /// Margin that the exchange itself has added.
    pub(super) fn automatic(&self) -> (Money, usize) {
        let rows = self.exchange.margin_changes(self.account);
        let automatic = rows.iter().filter(|row| row.automatic);
        let (mut sum, mut count) = (Money::ZERO, 0);
        for row in automatic {
            sum += row.amount;
            count += 1;
        }
        (sum, count)
    }

    /// Floors a quantity to what a market order of `symbol` may have, at least one step.
    pub(super) fn lots(&self, symbol: &Symbol, quantity: Quantity) -> Quantity {
        let Some(market) = self.exchange.market(symbol) else {
            return quantity;
        };
        let lot = market.instrument.market_lot;
        quantity.floor_to(lot.step).max(lot.min).min(lot.max)
    }

    /// The position whose liquidation price is nearest.
    fn nearest(&self) -> Option<PositionKey> {
        let away = |view: &PositionView| {
            let line = view.liquidation_price?;
            (line - view.mark_price).abs().ratio(view.mark_price)
        };
        let positions = self.positions();
        let nearest = positions
            .iter()
            .min_by_key(|view| away(view).unwrap_or(Rate::of(Decimal::MAX)))?;
        Some(PositionKey {
            symbol: nearest.symbol.clone(),
            position_side: nearest.position_side,
        })
    }

    /// How each position ended, in the order of the seats.
    pub(super) fn legs(&self) -> Vec<LegEnd> {
        let leg = |seat: &Seat| {
            let view = self.exchange.position(self.account, &seat.key);
            LegEnd {
                key: seat.key.clone(),
                start: seat.quantity,
                end: view.map_or(Quantity::ZERO, |view| view.quantity),
                liquidated: self.liquidated.get(&seat.key).copied(),
            }
        };
        self.seats.iter().map(leg).collect()
    }

    /// Equity at the start and now, fees and funding paid.
    pub(super) fn money(&self) -> [Money; 4] {
        let summary = self.exchange.account_summary(self.account);
        summary.map_or([Money::ZERO; 4], |summary| {
            [
                self.equity_start,
                summary.equity,
                summary.fees_paid,
                summary.funding_paid,
            ]
        })
    }

    /// Are all positions cross, and does maintenance take less than `limit` of their balance? Costs
    /// less than a look at each position.
    pub(super) fn is_calm(&self, limit: Rate) -> bool {
        let cross = |seat: &Seat| seat.mode == MarginMode::Cross;
        self.seats.iter().all(cross)
            && self.wallets().is_some_and(|wallets| {
                let balance = wallets.cross_wallet + wallets.cross_unrealized;
                wallets.cross_maintenance < balance * limit
            })
    }

    /// Share of the balance that maintenance takes, of the worst scope.
    pub(super) fn worst_ratio(&self) -> Rate {
        let Some(wallets) = self.wallets() else {
            return Rate::ZERO;
        };
        let over = Rate::ONE;
        let of = |need: Money, balance: Money| {
            if balance.is_positive() {
                need.ratio(balance).unwrap_or(over)
            } else {
                over
            }
        };
        let balance = wallets.cross_wallet + wallets.cross_unrealized;
        let cross = if wallets.cross_maintenance.is_positive() {
            of(wallets.cross_maintenance, balance)
        } else {
            Rate::ZERO
        };
        let isolated = self.positions().into_iter().filter_map(|view| {
            let alone = view.margin_mode == MarginMode::Isolated;
            alone.then(|| {
                of(
                    view.maintenance_margin,
                    view.isolated_wallet + view.unrealized,
                )
            })
        });
        isolated.fold(cross, Rate::max)
    }
}
