//! Stream payloads. Source: venue pages "WebSocket Market Streams" and "User Data Streams"
//! (USDⓈ-M futures), 2026-11.

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};

use super::rest_algo::{kind_name, working_name};
use super::wire::{Digits, fixed, income_reason, slot_name};
use crate::domain::{Book, BookLevel, MarginMode, Money, Timestamp};
use crate::sim::{
    AlgoOrder, Execution, Market, Order, OrderKind, PositionView, PrivateNotice, Trade,
};

/// Decimals of a mark price on the wire.
const MARK_PLACES: u32 = 8;

#[derive(Serialize)]
struct MarkFrame<'a> {
    e: &'static str,
    #[serde(rename = "E")]
    event_at: i64,
    s: &'a str,
    p: &'a str,
    ap: &'a str,
    i: &'a str,
    #[serde(rename = "P")]
    settle: &'a str,
    r: &'a str,
    #[serde(rename = "T")]
    next_funding: i64,
    st: u8,
}

/// What a mark price frame tells.
pub(super) struct MarkFacts<'a> {
    pub(super) symbol: &'a str,
    pub(super) mark: Decimal,
    pub(super) average: Decimal,
    pub(super) funding_rate: Decimal,
    pub(super) next_funding: Timestamp,
    pub(super) at: Timestamp,
}

pub(super) fn mark(facts: &MarkFacts<'_>) -> String {
    let mark = fixed(facts.mark, MARK_PLACES);
    text(&MarkFrame {
        e: "markPriceUpdate",
        event_at: facts.at.as_millis(),
        s: facts.symbol,
        p: &mark,
        ap: &fixed(facts.average, MARK_PLACES),
        i: &mark,
        settle: &mark,
        r: &fixed(facts.funding_rate, MARK_PLACES),
        next_funding: facts.next_funding.as_millis(),
        st: 1,
    })
}

#[derive(Serialize)]
struct TickerFrame<'a> {
    e: &'static str,
    u: u64,
    #[serde(rename = "E")]
    event_at: i64,
    #[serde(rename = "T")]
    at: i64,
    s: &'a str,
    ps: &'a str,
    b: String,
    #[serde(rename = "B")]
    bid_quantity: String,
    a: String,
    #[serde(rename = "A")]
    ask_quantity: String,
    st: u8,
}

pub(super) fn book_ticker(book: &Book, id: u64, digits: Digits, at: Timestamp) -> String {
    let best = |levels: &[BookLevel]| {
        let level = levels.first().copied();
        level.map_or_else(Default::default, |l| digits.level(&l))
    };
    let ([b, bid_quantity], [a, ask_quantity]) = (best(&book.bids), best(&book.asks));
    text(&TickerFrame {
        e: "bookTicker",
        u: id,
        event_at: at.as_millis(),
        at: at.as_millis(),
        s: book.symbol.as_str(),
        ps: book.symbol.as_str(),
        b,
        bid_quantity,
        a,
        ask_quantity,
        st: 1,
    })
}

#[derive(Serialize)]
struct DepthFrame<'a> {
    e: &'static str,
    #[serde(rename = "E")]
    event_at: i64,
    #[serde(rename = "T")]
    at: i64,
    s: &'a str,
    ps: &'a str,
    #[serde(rename = "U")]
    first_id: u64,
    u: u64,
    pu: u64,
    b: Vec<[String; 2]>,
    a: Vec<[String; 2]>,
    st: u8,
}

/// Update ids that a depth frame covers.
#[derive(Clone, Copy)]
pub(super) struct Ids {
    /// Last id of the frame before.
    pub(super) before: u64,
    pub(super) last: u64,
}

/// A depth frame with these levels.
pub(super) fn depth(symbol: &str, ids: Ids, sides: [Vec<[String; 2]>; 2], at: Timestamp) -> String {
    let [b, a] = sides;
    text(&DepthFrame {
        e: "depthUpdate",
        event_at: at.as_millis(),
        at: at.as_millis(),
        s: symbol,
        ps: symbol,
        first_id: ids.before + 1,
        u: ids.last,
        pu: ids.before,
        b,
        a,
        st: 1,
    })
}

/// The best `levels` of both sides.
pub(super) fn top(book: &Book, levels: usize, digits: Digits) -> [Vec<[String; 2]>; 2] {
    let side = |rows: &[BookLevel]| rows.iter().take(levels).map(|l| digits.level(l)).collect();
    [side(&book.bids), side(&book.asks)]
}

/// All levels of `book`, and those of `before` that are gone as zero.
pub(super) fn changes(before: &Book, book: &Book, digits: Digits) -> [Vec<[String; 2]>; 2] {
    let side = |old: &[BookLevel], new: &[BookLevel]| {
        let prices: std::collections::BTreeSet<_> = new.iter().map(|l| l.price).collect();
        let gone = old.iter().filter(|l| !prices.contains(&l.price));
        let gone = gone.map(|l| {
            digits.level(&BookLevel {
                quantity: Default::default(),
                ..*l
            })
        });
        let all = new.iter().map(|l| digits.level(l));
        gone.chain(all).collect()
    };
    [
        side(&before.bids, &book.bids),
        side(&before.asks, &book.asks),
    ]
}

/// The user-data frame of a private notice; `None` when the venue sends none.
pub(super) fn private(notice: &PrivateNotice, market: Option<&Market>, at: Timestamp) -> Value {
    let at = at.as_millis();
    match notice {
        PrivateNotice::Order { order, execution } => json!({
            "e": "ORDER_TRADE_UPDATE", "E": at, "T": at,
            "o": order_update(order, execution, Digits::of(market)),
        }),
        PrivateNotice::Account {
            reason,
            wallet,
            cross_wallet,
            change,
            balance_changed,
            positions,
            symbol,
        } => {
            let balance = json!({
                "a": "USDT", "wb": money(*wallet), "cw": money(*cross_wallet), "bc": money(*change),
            });
            let balances = if *balance_changed {
                vec![balance]
            } else {
                Vec::new()
            };
            let positions: Vec<Value> = positions.iter().map(position_update).collect();
            let mut body = json!({"m": income_reason(*reason), "B": balances, "P": positions});
            if let (Some(symbol), Some(fields)) = (symbol, body.as_object_mut()) {
                fields.insert("S".to_owned(), json!(symbol));
            }
            json!({"e": "ACCOUNT_UPDATE", "E": at, "T": at, "a": body})
        }
        PrivateNotice::MarginCall {
            cross_wallet,
            positions,
        } => {
            let rows: Vec<Value> = positions.iter().map(call_row).collect();
            let mut frame = json!({"e": "MARGIN_CALL", "E": at, "p": rows});
            if let (Some(cross), Some(fields)) = (cross_wallet, frame.as_object_mut()) {
                fields.insert("cw".to_owned(), json!(money(*cross)));
            }
            frame
        }
        PrivateNotice::Leverage { symbol, leverage } => json!({
            "e": "ACCOUNT_CONFIG_UPDATE", "E": at, "T": at, "ac": {"s": symbol, "l": leverage},
        }),
        PrivateNotice::Algo(order) => json!({
            "e": "ALGO_UPDATE", "E": at, "T": at, "o": algo_update(order),
        }),
    }
}

/// Tells a client that its listen key is no longer valid.
pub(super) fn listen_key_expired(key: &str, at: Timestamp) -> String {
    json!({"e": "listenKeyExpired", "E": at.as_millis(), "listenKey": key}).to_string()
}

fn order_update(order: &Order, execution: &Execution, digits: Digits) -> Value {
    let (kind, trade): (&str, Option<&Trade>) = match execution {
        Execution::New => ("NEW", None),
        Execution::Trade(trade) => ("TRADE", Some(trade)),
        Execution::Calculated(trade) => ("CALCULATED", Some(trade)),
        Execution::Canceled => ("CANCELED", None),
        Execution::Expired => ("EXPIRED", None),
    };
    let order_kind = match order.kind {
        OrderKind::Market => "MARKET",
        OrderKind::Limit => "LIMIT",
    };
    let average = order.average().map_or(Decimal::ZERO, |p| p.get());
    let mut body = json!({
        "s": order.symbol, "c": order.client_id, "S": order.side.to_string(), "o": order_kind,
        "f": order.time_in_force.to_string(), "q": digits.quantity(order.quantity),
        "p": order.price.map_or_else(|| "0".to_owned(), |p| digits.price(p)),
        "ap": plain(average), "sp": "0", "x": kind, "X": order.status.to_string(), "i": order.id,
        "l": digits.quantity(trade.map(|t| t.quantity).unwrap_or_default()),
        "z": digits.quantity(order.executed),
        "L": trade.map_or_else(|| "0".to_owned(), |t| digits.price(t.price)),
        "T": order.updated_at.as_millis(), "t": trade.map_or(0, |t| t.id), "b": "0", "a": "0",
        "m": trade.is_some_and(|t| t.maker), "R": order.reduce_only, "wt": "CONTRACT_PRICE",
        "ot": order_kind, "ps": slot_name(order.position_side), "cp": order.close_position,
        "pP": false, "si": 0, "ss": 0, "rp": money(trade.map(|t| t.realized).unwrap_or_default()),
        "V": "EXPIRE_MAKER", "pm": "NONE", "gtd": 0, "er": "0",
    });
    if let (Some(trade), Some(fields)) = (trade, body.as_object_mut()) {
        fields.insert("N".to_owned(), json!("USDT"));
        fields.insert("n".to_owned(), json!(money(trade.fee)));
    }
    body
}

fn algo_update(order: &AlgoOrder) -> Value {
    let request = &order.request;
    json!({
        "caid": order.client_id, "aid": order.id, "at": "CONDITIONAL",
        "o": kind_name(request.kind), "s": request.symbol, "S": request.side.to_string(),
        "ps": slot_name(order.position_side), "f": "GTC",
        "q": request.quantity.unwrap_or_default().to_string(), "X": order.status.to_string(),
        "ai": order.order_id.map(|id| id.to_string()).unwrap_or_default(),
        "ap": order.average.map_or_else(|| "0".to_owned(), |p| plain(p.get())),
        "aq": order.executed.to_string(), "act": "MARKET", "tp": request.trigger.to_string(),
        "p": "0", "V": "EXPIRE_MAKER", "wt": working_name(request.working), "pm": "NONE",
        "cp": order.closes(), "pP": false, "R": order.reduces(),
        "tt": order.triggered_at.map_or(0, Timestamp::as_millis), "gtd": 0, "rm": order.reason,
        "ia": false,
    })
}

fn position_update(view: &PositionView) -> Value {
    json!({
        "s": view.symbol, "pa": plain(view.signed().get()), "ep": plain(view.entry_price.get()),
        "bep": plain(view.entry_price.get()), "cr": "0", "up": money(view.unrealized),
        "mt": view.margin_mode.to_string(), "iw": money(view.isolated_wallet),
        "ps": slot_name(view.position_side),
    })
}

fn call_row(view: &PositionView) -> Value {
    let mode = match view.margin_mode {
        MarginMode::Cross => "CROSSED",
        MarginMode::Isolated => "ISOLATED",
    };
    json!({
        "s": view.symbol, "ps": slot_name(view.position_side), "pa": plain(view.signed().get()),
        "mt": mode, "iw": money(view.isolated_wallet), "mp": plain(view.mark_price.get()),
        "up": money(view.unrealized), "mm": money(view.maintenance_margin),
    })
}

fn money(amount: Money) -> String {
    fixed(amount.get(), 8)
}

fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

fn text<T: Serialize>(frame: &T) -> String {
    // Structs of strings and integers always serialise.
    serde_json::to_string(frame).unwrap_or_default()
}
