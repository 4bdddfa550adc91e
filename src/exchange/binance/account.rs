//! Reading the account and the trading rules.
//!
//! Purpose: several answers become one picture with one time. Inputs: symbols. It must never guess
//! a setting that the venue can be asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;

use super::errors::Play;
use super::map::{self, AccountSettings, Mapped, RiskRow, SymbolSettings};
use super::market;
use super::rest::{Call, Failure, Host, Rest};
use super::sign::Query;
use crate::domain::{
    Account, Book, MINUTE_MS, MarginMode, OpenOrder, Position, PositionMode, PositionSide, Symbol,
    Timestamp,
};
use crate::exchange::{ExchangeError, KeyPermissions};
use crate::guard::event::{Event, Mark};
use crate::net::limiter::{Cost, Lane};

/// Settings are read again after this long even when nothing seems to have changed them.
const SETTINGS_AGE_MS: i64 = 10 * 60_000;
/// Levels per side of a book that is read once; weight 5.
const DEPTH_LEVELS: u32 = 100;

/// Symbols whose rules are read at the same time: three requests each.
const SYMBOLS_AT_ONCE: usize = 20;
pub(super) const OPEN_ORDERS_PATH: &str = "/fapi/v1/openOrders";
/// Of all symbols at once.
const OPEN_ORDERS_WEIGHT: u32 = 40;
/// Resting orders are dear to read: a reading is used again for this long, unless we cancelled some.
const OPEN_ORDERS_AGE_MS: i64 = 20_000;
/// They are not read when more than this is used of the minute: the account itself comes first.
const OPEN_ORDERS_CEILING: u32 = 600;
const POSITIONS_PATH: &str = "/fapi/v3/positionRisk";
const BALANCES_PATH: &str = "/fapi/v3/account";
const ACCOUNT_SETTINGS_PATH: &str = "/fapi/v1/accountConfig";
const SYMBOL_SETTINGS_PATH: &str = "/fapi/v1/symbolConfig";
const PERMISSIONS_PATH: &str = "/sapi/v1/account/apiRestrictions";
const RULES_PATH: &str = "/fapi/v1/exchangeInfo";
const TIERS_PATH: &str = "/fapi/v1/leverageBracket";
const FEES_PATH: &str = "/fapi/v1/commissionRate";
const MARK_PATH: &str = "/fapi/v1/premiumIndex";
const DEPTH_PATH: &str = "/fapi/v1/depth";
const HISTORY_PATH: &str = "/fapi/v1/markPriceKlines";
/// A day of minutes and the one under way.
const HISTORY_BARS: u32 = 1_441;
/// Of more than a thousand bars.
const HISTORY_WEIGHT: u32 = 10;

/// Reads the account and remembers its settings, which change rarely.
#[derive(Default)]
pub(super) struct Reader {
    settings: Mutex<Option<Arc<Settings>>>,
    /// Something said that settings changed since they were read.
    stale: AtomicBool,
    portfolio_margin: AtomicBool,
    /// The last picture showed a position beside which resting orders matter.
    needs_orders: AtomicBool,
    /// Some may have been cancelled since they were read.
    orders_stale: AtomicBool,
    orders: Mutex<Option<(Timestamp, Vec<OpenOrder>)>>,
}

struct Settings {
    read_at: Timestamp,
    account: AccountSettings,
    symbols: BTreeMap<Symbol, SymbolSettings>,
    /// Symbols with a position when they were read: for others they may have changed unseen.
    held: BTreeSet<Symbol>,
}

impl Reader {
    pub(super) fn forget_settings(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    pub(super) async fn permissions(&self, rest: &Rest) -> Result<KeyPermissions, ExchangeError> {
        let call = Call {
            host: Host::Wallet,
            cost: Cost::weight(1),
            ..Call::get(PERMISSIONS_PATH, 1, Lane::Ordinary)
        };
        let answer = read(rest, call, Query::new()).await?;
        let permissions = map::permissions(&answer).map_err(|error| error.at(PERMISSIONS_PATH))?;
        self.portfolio_margin
            .store(permissions.portfolio_margin, Ordering::Relaxed);
        Ok(permissions)
    }

    pub(super) async fn account(&self, rest: &Rest) -> Result<Vec<Event>, ExchangeError> {
        if self.portfolio_margin.load(Ordering::Relaxed) {
            return Err(ExchangeError::Unsupported(
                "this key trades a portfolio margin account, which is not supported".to_owned(),
            ));
        }
        let lane = rest.read_lane();
        rest.ensure_clock()
            .await
            .map_err(|failure| failure.into_error(rest.host_name(Host::Futures)))?;
        let taken_at = rest.venue_now();
        let positions = Call::get(POSITIONS_PATH, 5, lane);
        let balances = Call::get(BALANCES_PATH, 5, lane);
        let orders = Call::get(OPEN_ORDERS_PATH, OPEN_ORDERS_WEIGHT, lane);
        let expected = self.needs_orders.load(Ordering::Relaxed) && self.may_read_orders(rest);
        let (rows, balances, early, settings) = tokio::join!(
            read(rest, positions, Query::new()),
            read(rest, balances, Query::new()),
            async {
                match expected {
                    true => Some(self.read_orders(rest, orders).await),
                    false => None,
                }
            },
            async {
                match self.known(rest) {
                    Some(settings) => Ok(settings),
                    None => self.read_settings(rest, lane).await,
                }
            },
        );
        let rows = map::positions(&rows?).map_err(|error| error.at(POSITIONS_PATH))?;
        let balances = map::balances(&balances?).map_err(|error| error.at(BALANCES_PATH))?;
        let mut settings = settings?;
        let fresh = settings.read_at >= taken_at;
        if !fresh && rows.iter().any(|row| !settings.explains(row)) {
            settings = self.read_settings(rest, lane).await?;
        }
        self.keep(&settings, &rows);
        let positions = rows
            .into_iter()
            .map(|row| settings.apply(row))
            .collect::<Mapped<Vec<_>>>()
            .map_err(|error| error.at(SYMBOL_SETTINGS_PATH))?;
        let open_orders = self
            .open_orders(rest, early, &positions, &settings, lane)
            .await;
        // A clock that was corrected meanwhile must not make a picture of the future.
        let taken_at = taken_at.min(rest.venue_now());
        let account = Account {
            position_mode: settings.account.position_mode,
            multi_assets: settings.account.multi_assets,
            can_trade: settings.account.can_trade,
            balances,
            positions,
            open_orders,
            taken_at,
        };
        Ok(events(account))
    }

    /// Resting orders, which only matter beside an isolated position: read together with the rest
    /// once one is known, and in a round of its own when the first one shows. A picture without them
    /// is a picture all the same.
    async fn open_orders(
        &self,
        rest: &Rest,
        early: Option<Result<String, ExchangeError>>,
        positions: &[Position],
        settings: &Settings,
        lane: Lane,
    ) -> Option<Vec<OpenOrder>> {
        let isolated = |held: &Position| held.margin_mode == MarginMode::Isolated;
        let needed = rest.settings.open_orders && positions.iter().any(isolated);
        self.needs_orders.store(needed, Ordering::Relaxed);
        if !needed {
            return None;
        }
        let answer = match early {
            Some(answer) => answer,
            None if self.may_read_orders(rest) => {
                let call = Call::get(OPEN_ORDERS_PATH, OPEN_ORDERS_WEIGHT, lane);
                self.read_orders(rest, call).await
            }
            None => return self.known_orders(rest),
        };
        let leverage = |symbol: &Symbol| settings.symbols.get(symbol).map(|known| known.leverage);
        let orders = answer.and_then(|text| {
            map::resting_orders(&text, leverage).map_err(|error| error.at(OPEN_ORDERS_PATH))
        });
        match orders {
            Ok(orders) => {
                let kept = (rest.venue_now(), orders.clone());
                *self.orders.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
                Some(orders)
            }
            Err(error) => {
                tracing::warn!(%error, "open orders not read");
                None
            }
        }
    }

    /// What was read a short while ago.
    fn known_orders(&self, rest: &Rest) -> Option<Vec<OpenOrder>> {
        let known = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, orders) = known.as_ref()?;
        let age = rest.venue_now().since(*read_at);
        let fresh = (0..OPEN_ORDERS_AGE_MS).contains(&age);
        let stale = self.orders_stale.load(Ordering::Relaxed);
        (fresh && !stale).then(|| orders.clone())
    }

    /// Are they to be read now? What we cancelled must be seen, whatever it costs.
    fn may_read_orders(&self, rest: &Rest) -> bool {
        let affordable = rest.weight_used() < OPEN_ORDERS_CEILING;
        let stale = self.orders_stale.load(Ordering::Relaxed);
        stale || (affordable && self.known_orders(rest).is_none())
    }

    async fn read_orders(&self, rest: &Rest, call: Call) -> Result<String, ExchangeError> {
        // Cleared first: what is cancelled while we read must be read again.
        let stale = self.orders_stale.swap(false, Ordering::Relaxed);
        let answer = read(rest, call, Query::new()).await;
        if answer.is_err() && stale {
            self.forget_orders();
        }
        answer
    }

    /// Some may have been cancelled: what was read of them is no longer true.
    pub(super) fn forget_orders(&self) {
        self.orders_stale.store(true, Ordering::Relaxed);
    }

    /// Settings that may still be used.
    fn known(&self, rest: &Rest) -> Option<Arc<Settings>> {
        let settings = self.settings.lock();
        let settings = settings.unwrap_or_else(PoisonError::into_inner).clone()?;
        let age = rest.venue_now().since(settings.read_at);
        let usable = (0..SETTINGS_AGE_MS).contains(&age) && !self.stale.load(Ordering::Relaxed);
        usable.then_some(settings)
    }

    async fn read_settings(&self, rest: &Rest, lane: Lane) -> Result<Arc<Settings>, ExchangeError> {
        // Cleared first: what changes while we read must be read again.
        self.stale.store(false, Ordering::Relaxed);
        let read_at = rest.venue_now();
        let (account, symbols) = tokio::join!(
            read(
                rest,
                Call::get(ACCOUNT_SETTINGS_PATH, 5, lane),
                Query::new()
            ),
            read(rest, Call::get(SYMBOL_SETTINGS_PATH, 5, lane), Query::new()),
        );
        let settings = account.and_then(|text| {
            map::account_settings(&text).map_err(|error| error.at(ACCOUNT_SETTINGS_PATH))
        });
        let symbols = symbols.and_then(|text| {
            map::symbol_settings(&text).map_err(|error| error.at(SYMBOL_SETTINGS_PATH))
        });
        match (settings, symbols) {
            (Ok(account), Ok(symbols)) => Ok(Arc::new(Settings {
                read_at,
                account,
                symbols,
                held: BTreeSet::new(),
            })),
            (Err(error), _) | (_, Err(error)) => {
                self.forget_settings();
                Err(error)
            }
        }
    }

    fn keep(&self, settings: &Arc<Settings>, rows: &[RiskRow]) {
        let held = rows.iter().map(|row| row.position.key.symbol.clone());
        let kept = Settings {
            read_at: settings.read_at,
            account: settings.account,
            symbols: settings.symbols.clone(),
            held: held.collect(),
        };
        let mut slot = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let unchanged = slot
            .as_ref()
            .is_some_and(|old| old.read_at == kept.read_at && old.held == kept.held);
        if !unchanged {
            *slot = Some(Arc::new(kept));
        }
    }
}

impl Settings {
    /// False when the row shows that these settings are out of date.
    fn explains(&self, row: &RiskRow) -> bool {
        let position = &row.position;
        let mode_fits = match position.key.position_side {
            PositionSide::Both => self.account.position_mode == PositionMode::OneWay,
            PositionSide::Long | PositionSide::Short => {
                self.account.position_mode == PositionMode::Hedge
            }
        };
        let symbol = &position.key.symbol;
        let margin_fits = self
            .symbols
            .get(symbol)
            .is_some_and(|known| known.margin_mode == position.margin_mode);
        mode_fits && margin_fits && self.held.contains(symbol)
    }

    /// Completes a row. A wallet of its own proves an isolated position, whatever the settings say.
    fn apply(&self, row: RiskRow) -> Mapped<Position> {
        let RiskRow {
            mut position,
            settled,
        } = row;
        let symbol = &position.key.symbol;
        match self.symbols.get(symbol) {
            Some(known) => {
                let proven = settled || !position.isolated_wallet.is_zero();
                if !proven {
                    position.margin_mode = known.margin_mode;
                }
                position.leverage = Some(known.leverage);
                position.auto_add_margin =
                    known.auto_add_margin && position.margin_mode == MarginMode::Isolated;
            }
            None if settled => {}
            None => {
                let text = format!("no margin settings for {symbol}");
                return Err(map::Unreadable(text));
            }
        }
        Ok(position)
    }
}

/// The account, and the marks that came with its positions.
fn events(account: Account) -> Vec<Event> {
    let mut marks: BTreeMap<Symbol, Event> = BTreeMap::new();
    for position in &account.positions {
        let mark = Mark {
            symbol: position.key.symbol.clone(),
            price: position.mark_price,
            funding_rate: None,
            next_funding_at: None,
            at: account.taken_at,
        };
        marks.insert(position.key.symbol.clone(), Event::Mark(mark));
    }
    std::iter::once(Event::Account(account))
        .chain(marks.into_values())
        .collect()
}

/// Instruments, tiers, fees and marks of `symbols`. What the venue does not list is left out.
pub(super) async fn rules(rest: &Rest, symbols: &[Symbol]) -> Result<Vec<Event>, ExchangeError> {
    let wanted: BTreeSet<Symbol> = symbols.iter().cloned().collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    rest.ensure_clock()
        .await
        .map_err(|failure| failure.into_error(rest.host_name(Host::Futures)))?;
    let call = Call::get(RULES_PATH, 1, Lane::Ordinary);
    let query = Query::default();
    let each = futures_util::stream::iter(&wanted)
        .map(|symbol| rules_of(rest, symbol))
        .buffered(SYMBOLS_AT_ONCE)
        .collect::<Vec<_>>();
    let (answer, each) = tokio::join!(rest.plain(call, &query, false), each);
    let text = answer.map_err(|failure| failure.into_error(rest.host_name(Host::Futures)))?;
    let instruments =
        market::instruments(&text, Some(&wanted)).map_err(|error| error.at(RULES_PATH))?;
    let mut events = Vec::new();
    for (symbol, found) in wanted.iter().zip(each) {
        if instruments.iter().any(|listed| listed.symbol == *symbol) {
            events.extend(found?);
        }
    }
    // Last, because it says that the rules are whole.
    events.push(Event::Instruments(instruments));
    Ok(events)
}

/// Tiers, fee and mark of one symbol.
async fn rules_of(rest: &Rest, symbol: &Symbol) -> Result<Vec<Event>, ExchangeError> {
    let query = || Query::new().with("symbol", symbol.as_str());
    let tiers = Call::get(TIERS_PATH, 1, Lane::Ordinary);
    let fees = Call::get(FEES_PATH, 20, Lane::Ordinary);
    let (tiers, fee, mark) = tokio::join!(
        read(rest, tiers, query()),
        rest.signed(fees, query()),
        mark(rest, symbol),
    );
    let tables = market::tiers(&tiers?).map_err(|error| error.at(TIERS_PATH))?;
    let tables = tables.into_iter().filter(|(name, _)| name == symbol);
    let mut events: Vec<Event> = tables
        .map(|(symbol, table)| Event::Tiers { symbol, table })
        .collect();
    events.extend(fee_event(rest, fee)?);
    events.extend(mark?);
    Ok(events)
}

/// A fee that the venue does not tell, or that the budget does not allow to ask for (it is dear), is
/// not worth losing the tiers for. A key that is refused is.
fn fee_event(rest: &Rest, answer: Result<String, Failure>) -> Result<Option<Event>, ExchangeError> {
    match answer {
        Ok(text) => {
            let (symbol, rate) = market::taker_fee(&text).map_err(|error| error.at(FEES_PATH))?;
            let symbol = Some(symbol);
            Ok(Some(Event::TakerFee { symbol, rate }))
        }
        Err(
            failure @ Failure::Refused {
                play: Play::Unauthorised,
                ..
            },
        ) => Err(failure.into_error(rest.host_name(Host::Futures))),
        Err(_) => Ok(None),
    }
}

/// Mark prices of `symbols` over the last day. One that the venue does not tell is left out: it is
/// asked for again later.
pub(super) async fn history(rest: &Rest, symbols: &[Symbol]) -> Result<Vec<Event>, ExchangeError> {
    let call = Call::get(HISTORY_PATH, HISTORY_WEIGHT, Lane::Ordinary);
    let each = futures_util::stream::iter(symbols)
        .map(async |symbol: &Symbol| {
            let query = Query::new()
                .with("symbol", symbol.as_str())
                .with("interval", "1m")
                .with("limit", &HISTORY_BARS.to_string());
            rest.plain(call, &query, false).await
        })
        .buffered(SYMBOLS_AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let now = rest.venue_now();
    let mut events = Vec::new();
    let mut failed = None;
    for (symbol, answer) in symbols.iter().zip(each) {
        match answer {
            Ok(text) => {
                let mut bars = market::bars(&text).map_err(|error| error.at(HISTORY_PATH))?;
                // The minute under way is still growing.
                bars.retain(|bar| bar.start.plus_ms(MINUTE_MS) <= now);
                let symbol = symbol.clone();
                events.push(Event::History { symbol, bars });
            }
            Err(failure) => failed = Some(failure),
        }
    }
    match failed {
        Some(failure) if events.is_empty() => {
            Err(failure.into_error(rest.host_name(Host::Futures)))
        }
        Some(_) | None => Ok(events),
    }
}

/// Mark and coming funding. A closed contract has none that could be read.
async fn mark(rest: &Rest, symbol: &Symbol) -> Result<Vec<Event>, ExchangeError> {
    let query = Query::new().with("symbol", symbol.as_str());
    let call = Call::get(MARK_PATH, 1, Lane::Ordinary);
    match rest.plain(call, &query, false).await {
        Ok(text) => {
            let marks = market::premium_marks(&text).unwrap_or_default();
            let marks = marks.into_iter().filter(|mark| mark.symbol == *symbol);
            Ok(marks.map(Event::Mark).collect())
        }
        Err(Failure::Refused { .. }) => Ok(Vec::new()),
        Err(failure) => Err(failure.into_error(rest.host_name(Host::Futures))),
    }
}

/// The best levels of one book.
pub(super) async fn depth(rest: &Rest, symbol: &Symbol) -> Result<Book, ExchangeError> {
    let query = Query::new()
        .with("symbol", symbol.as_str())
        .with_plain("limit", DEPTH_LEVELS);
    let call = Call::get(DEPTH_PATH, 5, Lane::Ordinary);
    let answer = rest.plain(call, &query, false).await;
    let text = answer.map_err(|failure| failure.into_error(rest.host_name(Host::Futures)))?;
    market::depth(symbol, &text).map_err(|error| error.at(DEPTH_PATH))
}

/// A signed read.
async fn read(rest: &Rest, call: Call, query: Query) -> Result<String, ExchangeError> {
    let answer = rest.signed(call, query).await;
    answer.map_err(|failure| failure.into_error(rest.host_name(call.host)))
}
