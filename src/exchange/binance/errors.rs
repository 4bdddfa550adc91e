//! What an answer of the venue means for the request that was sent.
//!
//! Purpose: one table from error code to reaction, one function from HTTP answer to verdict.
//! Inputs: status, headers and body. It must never decide about positions.
//! Source: developers.binance.com, derivatives error codes, and the official clients, read 2026-11.

use serde::Deserialize;

use crate::guard::intent::Reaction;

/// Longest text of the venue that is passed on.
const MESSAGE_CHARS_MAX: usize = 200;
/// Longest pause a `Retry-After` can ask for: the longest ban, three days.
const RETRY_AFTER_MS_MAX: i64 = 3 * 86_400_000;
/// Pause after overload protection refused a request that it does not exempt.
pub const OVERLOAD_PAUSE_MS: i64 = 500;
/// Pause after a firewall answer that names no time.
const FIREWALL_PAUSE_MS: i64 = 60_000;
/// Shortest ban, for an answer that names no time.
const BAN_PAUSE_MS: i64 = 120_000;

/// What a code asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Play {
    /// It may have been executed: look it up, never send it again.
    LookUp,
    /// Not executed: overload protection; again after a short pause.
    Overloaded,
    /// Not executed: request weight used up.
    OverWeight,
    /// Not executed: order count used up.
    OverOrders,
    /// Not executed: measure the clock, sign again, send once more at once.
    ClockSkew,
    /// The listen key is gone: make a new one, reconnect, read everything again.
    NewListenKey,
    /// The venue does not know this order.
    NoSuchOrder,
    /// The setting is as wanted already.
    NoChange,
    /// Key, signature, address or permission: stop and tell the trader.
    Unauthorised,
    /// Refused for good; this is what the guard should do.
    Refused(Reaction),
}

/// Codes from `from` down to `to`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub from: i64,
    pub to: i64,
    pub play: Play,
    /// What it means, for the trader.
    pub meaning: &'static str,
}

const fn row(from: i64, to: i64, play: Play, meaning: &'static str) -> Row {
    Row {
        from,
        to,
        play,
        meaning,
    }
}

const fn one(code: i64, play: Play, meaning: &'static str) -> Row {
    row(code, code, play, meaning)
}

use Play::{
    ClockSkew, LookUp, NewListenKey, NoChange, NoSuchOrder, OverOrders, OverWeight, Overloaded,
    Refused, Unauthorised,
};
use Reaction::{BoundPrice, NoBalance, Powerless, RefreshFilters, Resync, RetryLater};

/// Every code with a reaction of its own; ranges do not overlap.
pub const PLAYBOOK: &[Row] = &[
    row(-1000, -1001, LookUp, "internal error, execution unknown"),
    one(-1002, Unauthorised, "the key may not do this"),
    one(-1003, OverWeight, "too many requests"),
    row(-1006, -1007, LookUp, "time-out, execution unknown"),
    one(-1008, Overloaded, "overload protection"),
    one(-1010, Refused(Resync), "rejected by the matching engine"),
    one(-1013, Refused(RefreshFilters), "breaks a filter"),
    one(-1014, Refused(Powerless), "unknown composition of an order"),
    one(-1015, OverOrders, "too many orders"),
    one(-1016, Refused(RetryLater), "this service is shut down"),
    one(-1020, Refused(Powerless), "operation not supported"),
    one(-1021, ClockSkew, "timestamp outside the receive window"),
    one(-1022, Unauthorised, "signature not valid"),
    one(-1099, Unauthorised, "account not found"),
    row(-1105, -1100, Refused(Powerless), "parameter not accepted"),
    one(-1106, Refused(Resync), "parameter not wanted in this mode"),
    one(-1109, Unauthorised, "account not valid"),
    one(-1111, Refused(RefreshFilters), "more decimals than allowed"),
    one(-1112, Refused(RetryLater), "no orders on the book"),
    row(-1120, -1114, Refused(Powerless), "parameter not accepted"),
    one(-1121, Refused(RefreshFilters), "symbol not valid"),
    one(-1125, NewListenKey, "listen key gone"),
    row(-1199, -1126, Refused(Powerless), "parameter not accepted"),
    one(-2010, Refused(Resync), "new order rejected"),
    one(-2011, NoSuchOrder, "order unknown"),
    one(-2013, NoSuchOrder, "order does not exist"),
    row(
        -2015,
        -2014,
        Unauthorised,
        "key, address or permission refused",
    ),
    row(
        -2019,
        -2018,
        Refused(NoBalance),
        "balance or margin insufficient",
    ),
    one(-2020, Refused(RetryLater), "unable to fill"),
    one(-2021, Refused(Resync), "would trigger immediately"),
    one(-2022, Refused(Resync), "reduce-only order rejected"),
    one(-2023, Refused(Powerless), "the account is being liquidated"),
    one(-2024, Refused(Resync), "position not sufficient"),
    one(-2025, Refused(Powerless), "too many open orders"),
    one(
        -2026,
        Refused(Powerless),
        "order type not allowed as reduce-only",
    ),
    row(
        -2028,
        -2027,
        Refused(Resync),
        "taken for an increase of the position",
    ),
    one(-4002, Refused(RefreshFilters), "price above the limit"),
    row(
        -4005,
        -4003,
        Refused(RefreshFilters),
        "quantity outside the limits",
    ),
    row(
        -4014,
        -4013,
        Refused(RefreshFilters),
        "price breaks a filter",
    ),
    one(-4015, Refused(Powerless), "client order id not valid"),
    one(
        -4016,
        Refused(RefreshFilters),
        "price too high against mark",
    ),
    row(
        -4024,
        -4023,
        Refused(RefreshFilters),
        "price or quantity breaks a filter",
    ),
    one(-4045, Refused(Powerless), "too many stop orders"),
    one(-4046, NoChange, "margin type is so already"),
    row(
        -4048,
        -4047,
        Refused(Powerless),
        "margin type cannot change now",
    ),
    one(-4049, Refused(Resync), "margin added to a cross position"),
    row(-4051, -4050, Refused(NoBalance), "balance insufficient"),
    row(-4055, -4054, Refused(Resync), "no such position or amount"),
    one(-4059, NoChange, "position mode is so already"),
    row(
        -4062,
        -4061,
        Refused(Resync),
        "position side or reduce-only against the mode",
    ),
    row(-4068, -4067, Refused(Powerless), "mode cannot change now"),
    row(-4083, -4082, Refused(Powerless), "batch not accepted"),
    one(-4084, Refused(RetryLater), "method closed"),
    row(
        -4090,
        -4087,
        Refused(Powerless),
        "the account may not trade freely",
    ),
    one(-4111, LookUp, "client order id used already"),
    one(-4112, Refused(Resync), "reduce-only order rejected"),
    one(-4113, Refused(BoundPrice), "market order too far from mark"),
    row(-4116, -4115, LookUp, "client order id used already"),
    one(
        -4118,
        Refused(Resync),
        "reduce-only order conflicts with open orders",
    ),
    one(
        -4120,
        Refused(Powerless),
        "order type belongs to another endpoint",
    ),
    one(-4131, Refused(BoundPrice), "market order too far from mark"),
    row(-4141, -4140, Refused(Powerless), "symbol is closed"),
    one(-4142, Refused(Resync), "would trigger immediately"),
    one(-4164, Refused(RefreshFilters), "notional below the minimum"),
    row(
        -4172,
        -4167,
        Refused(Resync),
        "conflicts with multi-assets mode",
    ),
    one(-4178, Refused(RefreshFilters), "notional below the minimum"),
    one(-4188, ClockSkew, "timestamp outside the receive window"),
    one(-4192, Refused(Powerless), "cooling-off period"),
    row(
        -4206,
        -4202,
        Refused(Powerless),
        "restriction of the account",
    ),
    row(
        -4403,
        -4400,
        Refused(Powerless),
        "restriction of the account or region",
    ),
    one(-4531, Refused(Powerless), "account kind not supported"),
    row(
        -5022,
        -5021,
        Refused(RetryLater),
        "order cannot be filled as asked",
    ),
    one(-5024, Refused(Powerless), "symbol is closed"),
    row(-5027, -5026, Refused(Resync), "amendment not accepted"),
    one(-5028, ClockSkew, "timestamp outside the receive window"),
    row(-5041, -5037, Refused(Powerless), "price match not accepted"),
    one(-5047, Refused(Resync), "not a reduce-only order"),
];

/// The row of a code, `None` for a code without a reaction of its own.
#[must_use]
pub fn playbook(code: i64) -> Option<&'static Row> {
    PLAYBOOK
        .iter()
        .find(|row| row.from.min(row.to) <= code && code <= row.from.max(row.to))
}

/// The reaction to a code. A definite refusal that is not in the table means that the picture was
/// wrong somewhere: read the account again, plan anew.
#[must_use]
pub fn play(code: i64) -> Play {
    playbook(code).map_or(Refused(Resync), |row| row.play)
}

/// What an HTTP answer says about the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// It may have been executed.
    Unclear {
        code: Option<i64>,
        message: String,
    },
    /// Surely not executed: the whole address must be quiet for this long.
    Banned {
        pause_ms: i64,
        message: String,
    },
    /// Surely not executed: wait for the next minute.
    OverWeight {
        message: String,
    },
    /// Surely not executed: wait for the next ten seconds.
    OverOrders {
        message: String,
    },
    /// Surely not executed: the venue is overloaded.
    Overloaded {
        message: String,
    },
    /// Surely not executed: the service is away.
    Away {
        message: String,
    },
    /// Surely not executed.
    Refused {
        code: i64,
        message: String,
        play: Play,
    },
}

/// Judges an answer. `retry_after_s` is the header of that name.
#[must_use]
pub fn judge(status: u16, retry_after_s: Option<u32>, body: &str) -> Verdict {
    let told = Told::read(body);
    let pause = |default_ms: i64| {
        retry_after_s
            .map_or(default_ms, |s| i64::from(s.max(1)) * 1_000)
            .min(RETRY_AFTER_MS_MAX)
    };
    let message = told.text(status);
    match (status, told.code) {
        (418, _) => Verdict::Banned {
            pause_ms: pause(BAN_PAUSE_MS),
            message,
        },
        (429, _) if retry_after_s.is_some() => Verdict::Banned {
            pause_ms: pause(BAN_PAUSE_MS),
            message,
        },
        (429, Some(code)) if play(code) == OverOrders => Verdict::OverOrders { message },
        (429, _) => Verdict::OverWeight { message },
        (403, None) => Verdict::Banned {
            pause_ms: pause(FIREWALL_PAUSE_MS),
            message,
        },
        (451, code) => Verdict::Refused {
            code: code.unwrap_or(451),
            message: "the exchange does not serve this location".to_owned(),
            play: Unauthorised,
        },
        (401, None) => Verdict::Refused {
            code: 401,
            message,
            play: Unauthorised,
        },
        (503, Some(-1008)) => Verdict::Overloaded { message },
        (503, _) if told.is_away(body) => Verdict::Away { message },
        (408 | 500.., code) => Verdict::Unclear { code, message },
        (200..=299, None) => Verdict::Accepted,
        (200..=299, Some(code)) if code >= 0 => Verdict::Accepted,
        (_, Some(code)) if code < 0 => by_code(code, message),
        (_, code) => Verdict::Unclear { code, message },
    }
}

fn by_code(code: i64, message: String) -> Verdict {
    match play(code) {
        LookUp => Verdict::Unclear {
            code: Some(code),
            message,
        },
        Overloaded => Verdict::Overloaded { message },
        OverWeight => Verdict::OverWeight { message },
        OverOrders => Verdict::OverOrders { message },
        play @ (ClockSkew | NewListenKey | NoSuchOrder | NoChange | Unauthorised | Refused(_)) => {
            Verdict::Refused {
                code,
                message,
                play,
            }
        }
    }
}

/// The venue's error object, where the body is one.
struct Told {
    code: Option<i64>,
    message: Option<String>,
}

impl Told {
    fn read(body: &str) -> Self {
        #[derive(Deserialize)]
        struct Wire {
            code: Option<i64>,
            msg: Option<String>,
        }
        // Big answers are never error objects; do not parse them twice.
        let small = body.len() <= 4_096 && body.trim_start().starts_with('{');
        let wire = small.then(|| serde_json::from_str::<Wire>(body).ok());
        match wire.flatten() {
            Some(wire) => Self {
                code: wire.code,
                message: wire.msg,
            },
            None => Self {
                code: None,
                message: None,
            },
        }
    }

    /// Texts of plain failures; the same status with other texts leaves the outcome open.
    fn is_away(&self, body: &str) -> bool {
        const AWAY: [&str; 2] = [
            "Service Unavailable",
            "Internal error; unable to process your request. Please try again",
        ];
        let text = self.message.as_deref().unwrap_or(body);
        let is_page = text.trim_start().starts_with('<');
        !is_page && AWAY.iter().any(|away| text.contains(away))
    }

    /// Wording for the trader. A body that is not the venue's is not quoted: a page of a proxy may
    /// repeat the address with its signature.
    fn text(&self, status: u16) -> String {
        let code = self.code.and_then(playbook).map(|row| row.meaning);
        let text = match (&self.message, code) {
            (Some(message), Some(meaning)) => format!("{meaning}: {message}"),
            (Some(message), None) => message.clone(),
            (None, Some(meaning)) => meaning.to_owned(),
            (None, None) => format!("HTTP {status} without a message"),
        };
        text.chars()
            .filter(|c| !c.is_control())
            .take(MESSAGE_CHARS_MAX)
            .collect()
    }
}
