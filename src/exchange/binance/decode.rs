//! From stream frames to events.
//!
//! Purpose: one frame in, events out, or a reason why not. Inputs: text, the symbols already named.
//! It must never panic, whatever the text, and never do I/O.
//! Source: developers.binance.com, USDⓈ-M WebSocket and user data streams, read 2026-11.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::map::{
    self, AccountSettings, Mapped, MarginRow, OrderState, RiskRow, Stage, SymbolSettings,
    Unreadable, number,
};
use super::market;
use super::wire::{AccountFrame, DepthFrame, Head, MarkFrame, OrderFrame, OrderReport};
use crate::domain::{Balance, Book, OpenOrder, PositionSide, Quantity, Side, Symbol, Timestamp};
use crate::exchange::{ExchangeError, KeyPermissions};
use crate::guard::event::{
    AccountChange, Event, Mark, OrderOrigin, OrderStatus, OrderUpdate, PositionChange,
};

/// Product number of COIN-margined contracts, which share some streams.
const COIN_MARGINED: u8 = 2;
/// Symbols whose names are kept to be shared; more are allocated anew.
const NAMES_MAX: usize = 1_024;

/// Names that were followed, shared so that a frame allocates none.
#[derive(Debug, Clone, Default)]
pub struct Names(Vec<Symbol>);

impl Names {
    /// Keeps a name; beyond the limit it is left out, which costs an allocation per frame.
    pub fn insert(&mut self, symbol: &Symbol) {
        if let Err(place) = self.0.binary_search(symbol)
            && self.0.len() < NAMES_MAX
        {
            self.0.insert(place, symbol.clone());
        }
    }

    fn get(&self, name: &str) -> Symbol {
        let place = self.0.binary_search_by(|symbol| symbol.as_str().cmp(name));
        match place.ok().and_then(|place| self.0.get(place)) {
            Some(symbol) => symbol.clone(),
            None => Symbol::new(name),
        }
    }
}

/// How frames are read.
#[derive(Debug, Clone, Copy)]
pub struct Decoder<'a> {
    pub names: &'a Names,
    /// Client ids that begin so are ours.
    pub own_prefix: &'a str,
}

/// What became of a frame that could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Zero or more events were appended.
    Used,
    /// Nothing in it is for us.
    Ignored,
}

impl Decoder<'_> {
    /// Decodes one frame: bare, wrapped in `{"stream":…,"data":…}`, or an array of either.
    ///
    /// # Errors
    /// [`ExchangeError::Unreadable`]; events of an array before the bad element are kept.
    pub fn frame(&self, text: &str, out: &mut Vec<Event>) -> Result<Taken, ExchangeError> {
        self.any(text, out).map_err(|error| error.at("stream"))
    }

    fn any(&self, text: &str, out: &mut Vec<Event>) -> Mapped<Taken> {
        if !text.trim_start().starts_with('[') {
            return self.one(text, out);
        }
        let mut taken = Taken::Ignored;
        for raw in map::parse::<Vec<&RawValue>>(text)? {
            if self.one(raw.get(), out)? == Taken::Used {
                taken = Taken::Used;
            }
        }
        Ok(taken)
    }

    fn one(&self, text: &str, out: &mut Vec<Event>) -> Mapped<Taken> {
        if let Some(name) = leading_name(text) {
            return self.named(name, text, out);
        }
        let head: Head<'_> = map::parse(text)?;
        match (&head.e, head.data) {
            (Some(name), _) => self.named(name, text, out),
            // The stream of changes to a book looks like the stream of its best levels.
            (None, Some(_)) if head.stream.as_deref().is_some_and(is_book_change) => {
                Ok(Taken::Ignored)
            }
            (None, Some(data)) => {
                let inner: Head<'_> = map::parse(data.get())?;
                match inner.e {
                    Some(name) => self.named(&name, data.get(), out),
                    None => Err(Unreadable("an event without a name".to_owned())),
                }
            }
            (None, None) if head.error.is_some() || head.code.is_some_and(|code| code != 0) => {
                Err(Unreadable("the exchange refused a subscription".to_owned()))
            }
            (None, None) if head.id.is_some() => Ok(Taken::Ignored),
            (None, None) => Err(Unreadable("neither an event nor a reply".to_owned())),
        }
    }

    fn named(&self, name: &str, text: &str, out: &mut Vec<Event>) -> Mapped<Taken> {
        match name {
            "markPriceUpdate" => self.mark(text, out),
            "depthUpdate" => self.book(text, out),
            "ACCOUNT_UPDATE" => self.account(text, out),
            "ORDER_TRADE_UPDATE" => self.order(text, out),
            // A margin call comes late and tells less than a fresh reading of the account.
            "ACCOUNT_CONFIG_UPDATE" | "MARGIN_CALL" => {
                out.push(Event::ConfigChanged);
                Ok(Taken::Used)
            }
            // `listenKeyExpired` is the connection's business; the link goes down and up again.
            // `TRADE_LITE` tells earlier and less of what `ORDER_TRADE_UPDATE` tells again.
            _ => Ok(Taken::Ignored),
        }
    }

    fn mark(&self, text: &str, out: &mut Vec<Event>) -> Mapped<Taken> {
        let wire: MarkFrame<'_> = map::parse(text)?;
        if wire.st == Some(COIN_MARGINED) {
            return Ok(Taken::Ignored);
        }
        // Dated contracts have no funding: the rate is empty or zero and its time zero.
        let next = wire.next_funding.filter(|at| *at > 0);
        let funding_rate = match (&wire.r, next) {
            (Some(rate), Some(_)) if !rate.is_empty() => Some(number("r", rate)?),
            (Some(_) | None, Some(_) | None) => None,
        };
        out.push(Event::Mark(Mark {
            symbol: self.names.get(&wire.s),
            price: number("p", &wire.p)?,
            funding_rate,
            next_funding_at: next.map(Timestamp::from_millis),
            at: Timestamp::from_millis(wire.at),
        }));
        Ok(Taken::Used)
    }

    fn book(&self, text: &str, out: &mut Vec<Event>) -> Mapped<Taken> {
        let wire: DepthFrame<'_> = map::parse(text)?;
        if wire.st == Some(COIN_MARGINED) {
            return Ok(Taken::Ignored);
        }
        let book = market::book(
            self.names.get(&wire.s),
            Timestamp::from_millis(wire.at),
            wire.b
                .iter()
                .map(|[price, size]| market::level(price, size)),
            wire.a
                .iter()
                .map(|[price, size]| market::level(price, size)),
        )?;
        out.push(Event::Book(book));
        Ok(Taken::Used)
    }

    fn account(&self, text: &str, out: &mut Vec<Event>) -> Mapped<Taken> {
        let AccountFrame { at, a } = map::parse(text)?;
        let mut change = AccountChange {
            balances: Vec::with_capacity(a.balances.len()),
            positions: Vec::with_capacity(a.positions.len()),
            reason: a.m.to_string(),
            at: Timestamp::from_millis(at),
        };
        for row in &a.balances {
            let balance = (row.a.to_string(), number("cw", row.cw.0)?);
            change.balances.push(balance);
        }
        for row in &a.positions {
            let position_side = map::position_side(&row.ps)?;
            let (side, quantity) = map::direction(position_side, number("pa", row.pa.0)?)?;
            change.positions.push(PositionChange {
                symbol: self.names.get(&row.s),
                position_side,
                side,
                quantity,
                entry_price: map::price_or_none("ep", Some(row.ep))?,
                isolated: map::margin_mode(&row.mt)? == crate::domain::MarginMode::Isolated,
                isolated_wallet: number("iw", row.iw.map_or("0", |num| num.0))?,
            });
        }
        let settings_changed = change.reason == "MARGIN_TYPE_CHANGE";
        out.push(Event::Change(change));
        if settings_changed {
            out.push(Event::ConfigChanged);
        }
        Ok(Taken::Used)
    }

    fn order(&self, text: &str, out: &mut Vec<Event>) -> Mapped<Taken> {
        let OrderFrame { at, o } = map::parse(text)?;
        out.push(Event::Order(OrderUpdate {
            client_id: o.c.to_string(),
            symbol: self.names.get(&o.s),
            position_side: map::position_side(&o.ps)?,
            order_side: order_side(&o.side)?,
            origin: self.origin(&o.c),
            status: match map::stage(&o.status) {
                Stage::Working => OrderStatus::Working,
                Stage::Final if &*o.status == "FILLED" => OrderStatus::Filled,
                Stage::Final => OrderStatus::Ended,
            },
            filled: number("z", o.z.0)?,
            average_price: map::price_or_none("ap", o.ap)?,
            fee: whole_fee(&o)?,
            at: Timestamp::from_millis(at),
        }));
        Ok(Taken::Used)
    }

    /// Prefixes of forced orders as the venue makes them.
    pub(super) fn origin(&self, client_id: &str) -> OrderOrigin {
        if client_id.starts_with("autoclose-") {
            OrderOrigin::Liquidation
        } else if client_id.starts_with("adl_autoclose") {
            OrderOrigin::AutoDeleveraging
        } else if client_id.starts_with("settlement_autoclose-")
            || client_id.starts_with("delivery_autoclose-")
        {
            OrderOrigin::Settlement
        } else if !self.own_prefix.is_empty() && client_id.starts_with(self.own_prefix) {
            OrderOrigin::Own
        } else {
            OrderOrigin::Foreign
        }
    }
}

/// Name of a bare event as the venue writes it, without parsing the frame.
pub(super) fn leading_name(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("{\"e\":\"")?;
    rest.split_once('"').map(|(name, _)| name)
}

/// `…@depth` and `…@depth@100ms`, but not `…@depth20@100ms`.
fn is_book_change(stream: &str) -> bool {
    stream
        .split_once("@depth")
        .is_some_and(|(_, rest)| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

pub(super) fn order_side(text: &str) -> Mapped<Side> {
    match text {
        "BUY" => Ok(Side::Long),
        "SELL" => Ok(Side::Short),
        _ => Err(Unreadable("order side is of another kind".to_owned())),
    }
}

/// The frame carries the fee of its last fill: told only where that is the only one and the fee is
/// in the settlement asset.
fn whole_fee(o: &OrderReport<'_>) -> Mapped<Option<crate::domain::Money>> {
    let (Some(asset), Some(fee), Some(last)) = (&o.fee_asset, o.n, o.l) else {
        return Ok(None);
    };
    let pair = o.s.split('_').next().unwrap_or_default();
    let last: Quantity = number("l", last.0)?;
    let filled: Quantity = number("z", o.z.0)?;
    if last != filled || asset.is_empty() || !pair.ends_with(&**asset) {
        return Ok(None);
    }
    number("n", fee.0).map(Some)
}

/// What a recorded answer or frame says.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    ServerTime(Timestamp),
    Permissions(KeyPermissions),
    Settings(AccountSettings),
    SymbolSettings(BTreeMap<Symbol, SymbolSettings>),
    Positions(Vec<RiskRow>),
    Balances(BTreeMap<String, Balance>),
    Orders(Vec<OrderState>),
    /// Resting orders that would open or enlarge a position.
    Resting(Vec<OpenOrder>),
    MarginAdded(Vec<MarginRow>),
    Book(Book),
    Events(Vec<Event>),
    /// The adapter has no use for this endpoint or event.
    Unused,
}

/// Reads a whole file as the adapter would read the answer of `endpoint` (`/fapi/v3/account`) or,
/// for any other name, as a stream frame.
///
/// # Errors
/// [`ExchangeError::Unreadable`] when the text is not what the endpoint sends.
pub fn decode_file(endpoint: &str, text: &str) -> Result<Decoded, ExchangeError> {
    rest_answer(endpoint, text).map_err(|error| error.at(endpoint))
}

fn rest_answer(endpoint: &str, text: &str) -> Mapped<Decoded> {
    let versionless = endpoint
        .strip_prefix("/fapi/")
        .and_then(|rest| rest.split_once('/'))
        .map(|(_, name)| name);
    Ok(match versionless {
        Some("time") => Decoded::ServerTime(map::server_time(text)?),
        Some("accountConfig") => Decoded::Settings(map::account_settings(text)?),
        Some("symbolConfig") => Decoded::SymbolSettings(map::symbol_settings(text)?),
        Some("positionRisk") => Decoded::Positions(map::positions(text)?),
        Some("account") => Decoded::Balances(map::balances(text)?),
        Some("openOrders") => Decoded::Resting(map::resting_orders(text, |_| None)?),
        Some("order" | "allOrders") => Decoded::Orders(map::orders(text)?),
        Some("positionMargin/history") => Decoded::MarginAdded(map::margin_added(text)?),
        Some("depth") => Decoded::Book(market::depth(&Symbol::new(""), text)?),
        Some("exchangeInfo") => {
            Decoded::Events(vec![Event::Instruments(market::instruments(text, None)?)])
        }
        Some("leverageBracket") => Decoded::Events(
            market::tiers(text)?
                .into_iter()
                .map(|(symbol, table)| Event::Tiers { symbol, table })
                .collect(),
        ),
        Some("commissionRate") => {
            let (symbol, rate) = market::taker_fee(text)?;
            let symbol = Some(symbol);
            Decoded::Events(vec![Event::TakerFee { symbol, rate }])
        }
        Some("premiumIndex") => {
            let marks = market::premium_marks(text)?;
            Decoded::Events(marks.into_iter().map(Event::Mark).collect())
        }
        Some(_) => Decoded::Unused,
        None if endpoint.ends_with("/account/apiRestrictions") => {
            Decoded::Permissions(map::permissions(text)?)
        }
        None => stream_file(text)?,
    })
}

fn stream_file(text: &str) -> Mapped<Decoded> {
    let names = Names::default();
    let decoder = Decoder {
        names: &names,
        own_prefix: super::CLIENT_ID_PREFIX,
    };
    let mut events = Vec::new();
    Ok(match decoder.any(text, &mut events)? {
        Taken::Used => Decoded::Events(events),
        Taken::Ignored => Decoded::Unused,
    })
}

/// Slot of a position in a query.
pub(super) const fn slot_word(slot: PositionSide) -> &'static str {
    match slot {
        PositionSide::Both => "BOTH",
        PositionSide::Long => "LONG",
        PositionSide::Short => "SHORT",
    }
}
