//! Frames of the streams.
//!
//! Purpose: each frame goes through the agent's decoder; what it takes is listed with the fields beside
//! it, what it leaves is counted with the reason. It must never take a frame that the agent refuses.

use serde_json::value::RawValue;

use super::super::CLIENT_ID_PREFIX;
use super::super::decode::{Decoder, Names, Taken};
use super::super::map::{self, Mapped, Unreadable};
use super::catalogue::{EVENTS, StreamEvent};
use super::fields::Fields;
use super::rows::{bare_position, captured_book, mark};
use super::{is_plain, object, orders, placed};
use crate::domain::{MarginMode, Symbol};
use crate::exchange::ExchangeError;
use crate::exchange::capture::{
    AccountFacts, Capture, CapturedBalance, CapturedEvent, CapturedPosition, Refusal, Row,
    SymbolFacts,
};
use crate::guard::event::{AccountChange, Event, OrderUpdate};

const BOOK_CHANGES: &str = "changes of a book are not followed; its best levels are";
const COIN_MARGINED: &str = "it is about a COIN-margined contract";
const REPLY: &str = "the exchange's reply to a subscription";
const UNKNOWN: &str = "the agent has no use for an event that it does not know";

/// What the frames should be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stream {
    /// `None`: any.
    pub event: Option<&'static StreamEvent>,
    pub book_changes: bool,
}

/// One frame of the file.
struct Frame<'a> {
    /// As it stands in the file, with its envelope.
    whole: &'a str,
    /// The event.
    inner: &'a str,
}

/// Reads all frames of a file.
pub(super) fn read(stream: &Stream, text: &str, documents: &[&str]) -> Mapped<Capture> {
    let mut frames = Vec::new();
    for document in documents {
        placed(text, document, |part| split(part).map(drop))?;
        frames.extend(split(document)?);
    }
    let mut reading = Reading {
        out: Capture {
            frames: Some(frames.len()),
            ..Capture::default()
        },
        several: frames.len() > 1,
        frame: 0,
    };
    for (at, frame) in frames.iter().enumerate() {
        reading.frame = at.saturating_add(1);
        reading.one(stream, text, frame).map_err(|error| {
            if reading.several {
                Unreadable(format!("frame {}: {}", reading.frame, error.0))
            } else {
                error
            }
        })?;
    }
    let mut out = reading.out;
    out.kind = if out.events.is_some() {
        "events"
    } else if out.orders.is_some() {
        "orders"
    } else if out.refusals.is_empty() {
        "unused"
    } else {
        "refusal"
    };
    Ok(out)
}

/// Arrays of frames, also within an envelope, become frames.
fn split(document: &str) -> Mapped<Vec<Frame<'_>>> {
    let mut found = Vec::new();
    for whole in elements(document)? {
        let head = object(whole)?;
        match (head.e, head.data) {
            (None, Some(data)) if data.get().starts_with('[') => {
                for inner in elements(data.get())? {
                    found.push(Frame {
                        whole: inner,
                        inner,
                    });
                }
            }
            (None, Some(data)) => found.push(Frame {
                whole,
                inner: data.get(),
            }),
            (Some(_), _) | (None, None) => found.push(Frame {
                whole,
                inner: whole,
            }),
        }
    }
    Ok(found)
}

fn elements(text: &str) -> Mapped<Vec<&str>> {
    if !text.trim_start().starts_with('[') {
        return Ok(vec![text]);
    }
    let all: Vec<&RawValue> = map::parse(text)?;
    Ok(all.into_iter().map(RawValue::get).collect())
}

struct Reading {
    out: Capture,
    several: bool,
    /// Number of the frame, from 1.
    frame: usize,
}

impl Reading {
    fn one(&mut self, stream: &Stream, text: &str, frame: &Frame<'_>) -> Mapped<()> {
        let Some(name) = placed(text, frame.inner, event_name)? else {
            return self.reply(frame.inner);
        };
        self.check_event(stream, &name)?;
        let known = EVENTS.iter().find(|event| event.name == name);
        let mut events = Vec::new();
        let taken = take(text, frame, &mut events)?;
        let fields = Fields::of(frame.inner)?;
        let Some(known) = known else {
            self.out.ignore(&name, UNKNOWN);
            return Ok(());
        };
        if known.name == "ALGO_UPDATE" {
            let report = fields.raw("o").unwrap_or("{}");
            let at = fields.millis("T");
            let order = placed(text, report, |part| {
                orders::conditional_report(&Fields::of(part)?, at)
            })?;
            let row = self.row(order);
            self.out.orders.get_or_insert_default().push(row);
        }
        let expired = known.name == "listenKeyExpired";
        let changes = known.name == "depthUpdate" && stream.book_changes;
        if !known.unused.is_empty() {
            self.out.ignore(&name, known.unused);
        } else if changes || (taken == Taken::Ignored && !expired) {
            let coin = fields.text("st").is_some_and(|product| product == "2");
            self.out
                .ignore(&name, if coin { COIN_MARGINED } else { BOOK_CHANGES });
        } else {
            self.used(known, &fields, &events)?;
        }
        Ok(())
    }

    fn row<T>(&self, row: T) -> Row<T> {
        Row {
            frame: self.several.then_some(self.frame),
            row,
        }
    }

    fn check_event(&self, stream: &Stream, name: &str) -> Mapped<()> {
        match stream.event {
            Some(wanted) if wanted.name != name => {
                let shown = if is_plain(name) {
                    name
                } else {
                    "another event"
                };
                Err(Unreadable(format!(
                    "this is `{shown}` and not `{}`",
                    wanted.name
                )))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A frame that is no event: the reply to a subscription.
    fn reply(&mut self, text: &str) -> Mapped<()> {
        let fields = Fields::of(text)?;
        let error = fields.raw("error").unwrap_or(text);
        let code: Option<i64> = match error.starts_with('{') {
            true => Fields::of(error)?.text("code"),
            false => None,
        }
        .and_then(|code| code.parse().ok());
        if code.is_some_and(|code| code != 0) || fields.raw("error").is_some() {
            let row = self.row(Refusal {
                code,
                meaning: Some("the exchange refused a subscription"),
            });
            self.out.refusals.push(row);
            Ok(())
        } else if fields.raw("id").is_some() {
            self.out.ignore("reply", REPLY);
            Ok(())
        } else {
            Err(Unreadable(
                "neither an event (field `e` is missing) nor a reply (field `id` is missing)"
                    .to_owned(),
            ))
        }
    }

    fn used(&mut self, known: &StreamEvent, fields: &Fields<'_>, events: &[Event]) -> Mapped<()> {
        let mut row = CapturedEvent {
            event: known.name,
            symbol: fields.text("s").map(|name| Symbol::new(&name)),
            at_ms: fields.millis("E"),
            reason: None,
            flat: Vec::new(),
            effect: known.effect,
        };
        for event in events {
            // Of the rest only `ConfigChanged` comes from a frame; the effect tells it.
            if let Event::Mark(one) = event {
                let mark = self.row(mark(one));
                self.out.marks.get_or_insert_default().push(mark);
            } else if let Event::Book(book) = event {
                let book = self.row(captured_book(book));
                self.out.books.get_or_insert_default().push(book);
            } else if let Event::Change(change) = event {
                row.reason = Some(change.reason.clone());
                self.change(fields, change, &mut row.flat)?;
            } else if let Event::Order(update) = event {
                row.symbol = Some(update.symbol.clone());
                self.order(fields, update)?;
            }
        }
        match known.name {
            "MARGIN_CALL" => self.margin_call(fields)?,
            "ACCOUNT_CONFIG_UPDATE" => self.config_update(fields, &mut row)?,
            _ => {}
        }
        let row = self.row(row);
        self.out.events.get_or_insert_default().push(row);
        Ok(())
    }

    fn change(
        &mut self,
        fields: &Fields<'_>,
        change: &AccountChange,
        flat: &mut Vec<String>,
    ) -> Mapped<()> {
        let body = Fields::of(fields.raw("a").unwrap_or("{}"))?;
        let balances = Fields::many(body.raw("B").unwrap_or("[]"))?;
        for ((asset, cross_wallet), row) in change.balances.iter().zip(&balances) {
            let row = self.row(CapturedBalance {
                asset: asset.clone(),
                wallet: row.number("wb")?,
                cross_wallet: Some(*cross_wallet),
                available: None,
            });
            self.out.balances.get_or_insert_default().push(row);
        }
        let positions = Fields::many(body.raw("P").unwrap_or("[]"))?;
        for (read, row) in change.positions.iter().zip(&positions) {
            let Some(side) = read.side else {
                let slot = super::super::decode::slot_word(read.position_side);
                flat.push(format!("{}/{slot}", read.symbol));
                self.flat();
                continue;
            };
            let position = CapturedPosition {
                symbol: read.symbol.clone(),
                entry_price: read.entry_price,
                margin_mode: Some(mode(read.isolated)),
                isolated_margin: row.raw("iw").map(|_| read.isolated_wallet),
                unrealized_pnl: row.number("up")?,
                updated_at_ms: Some(change.at.as_millis()),
                ..bare_position(read.position_side, side, read.quantity)
            };
            self.position(position);
        }
        Ok(())
    }

    fn position(&mut self, position: CapturedPosition) {
        let row = self.row(position);
        self.out.positions.get_or_insert_default().push(row);
        self.out.flat_rows.get_or_insert(0);
    }

    fn flat(&mut self) {
        self.out.positions.get_or_insert_default();
        let known = self.out.flat_rows.get_or_insert(0);
        *known = known.saturating_add(1);
    }

    fn order(&mut self, fields: &Fields<'_>, update: &OrderUpdate) -> Mapped<()> {
        let report = Fields::of(fields.raw("o").unwrap_or("{}"))?;
        let row = self.row(orders::report(&report, update)?);
        self.out.orders.get_or_insert_default().push(row);
        Ok(())
    }

    /// Shown only: the agent reads the account instead of believing a call that may be old.
    fn margin_call(&mut self, fields: &Fields<'_>) -> Mapped<()> {
        if let Some(cross_wallet) = fields.number("cw")? {
            let facts = AccountFacts {
                cross_wallet: Some(cross_wallet),
                ..AccountFacts::default()
            };
            let row = self.row(facts);
            self.out.account.push(row);
        }
        for row in Fields::many(fields.raw("p").unwrap_or("[]"))? {
            let slot = row.position_side("ps")?;
            let (side, quantity) = map::direction(slot, row.required_number("pa")?)?;
            let Some(side) = side else {
                self.flat();
                continue;
            };
            let margin_mode = row.text("mt").map(|word| map::margin_mode(&word));
            self.position(CapturedPosition {
                symbol: Symbol::new(&row.required("s")?),
                mark_price: row.price("mp")?,
                margin_mode: margin_mode.transpose()?,
                isolated_margin: row.number("iw")?,
                unrealized_pnl: row.number("up")?,
                maintenance_margin: row.number("mm")?,
                ..bare_position(slot, side, quantity)
            });
        }
        Ok(())
    }

    fn config_update(&mut self, fields: &Fields<'_>, event: &mut CapturedEvent) -> Mapped<()> {
        if let Some(body) = fields.raw("ac") {
            let body = Fields::of(body)?;
            let symbol = Symbol::new(&body.required("s")?);
            event.symbol = Some(symbol.clone());
            let row = self.row(SymbolFacts {
                symbol,
                margin_mode: None,
                leverage: body.whole("l"),
                auto_add_margin: None,
            });
            self.out.symbol_settings.get_or_insert_default().push(row);
        }
        if let Some(body) = fields.raw("ai") {
            let facts = AccountFacts {
                multi_assets: Fields::of(body)?.flag("j"),
                ..AccountFacts::default()
            };
            let row = self.row(facts);
            self.out.account.push(row);
        }
        Ok(())
    }
}

/// The agent's reading, with places of the file in its messages.
fn take(text: &str, frame: &Frame<'_>, events: &mut Vec<Event>) -> Mapped<Taken> {
    let names = Names::default();
    let decoder = Decoder {
        names: &names,
        own_prefix: CLIENT_ID_PREFIX,
    };
    let read = |part: &str, events: &mut Vec<Event>| {
        decoder.frame(part, events).map_err(|error| match error {
            ExchangeError::Unreadable { message, .. } => Unreadable(message),
            ExchangeError::Unauthorised { .. }
            | ExchangeError::Throttled { .. }
            | ExchangeError::Unreachable { .. }
            | ExchangeError::Refused { .. }
            | ExchangeError::Unsupported(_) => Unreadable("it cannot be read".to_owned()),
        })
    };
    match read(frame.whole, events) {
        Ok(taken) => Ok(taken),
        Err(error) => {
            let at_place = placed(text, frame.inner, |part| read(part, &mut Vec::new()));
            at_place.and(Err(error))
        }
    }
}

/// Name of an event; `None` for a reply.
fn event_name(text: &str) -> Mapped<Option<String>> {
    let head: super::Head<'_> = match text.trim_start().starts_with('{') {
        true => map::parse(text)?,
        false => return Err(Unreadable("a frame is no object".to_owned())),
    };
    match head.e {
        Some(name) if is_plain(&name) => Ok(Some(name.to_string())),
        Some(_) => Err(Unreadable(
            "field `e` is not the name of an event".to_owned(),
        )),
        None => Ok(None),
    }
}

const fn mode(isolated: bool) -> MarginMode {
    if isolated {
        MarginMode::Isolated
    } else {
        MarginMode::Cross
    }
}
