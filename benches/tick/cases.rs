//! The cases. Each prepares its input beforehand, so that an operation is only what it says.

use std::hint::black_box;

use plimsoll::domain::{
    MarginMode, Money, PositionKey, PositionMode, PositionSide, Price, Quantity, Side, Symbol,
    Timestamp,
};
use plimsoll::exchange::Port;
use plimsoll::exchange::binance::{BinanceUsdm, Signer};
use plimsoll::guard::Guard;
use plimsoll::guard::action::Action;
use plimsoll::guard::event::{Event, Link, Refresh};
use plimsoll::guard::intent::{Before, Intent, IntentId, IntentKind, Scope};
use plimsoll::margin::Tally;
use rust_decimal::{Decimal, dec};

use crate::world::{self, Backing, START};
use crate::{Case, Operation};

/// Liquidation price of the first position, as a share of its mark: far, and just above the floor.
const FAR: Decimal = dec!(0.90);
const NEAR: Decimal = dec!(0.9835);
/// A mark that brings [`NEAR`] under the floor.
const DANGEROUS: Decimal = dec!(99700);

pub(crate) const ALL: &[Case] = &[
    Case {
        name: "decode-mark",
        about: "mark frame to event",
        size: 2_000,
        prepare: decode_mark,
    },
    Case {
        name: "tick",
        about: "P1: mark frame to decision, one isolated position, nothing to do",
        size: 2_000,
        prepare: |most| tick(Backing::Isolated, most),
    },
    Case {
        name: "tick-cross5",
        about: "the same with five cross positions, whose lines move with every mark",
        size: 500,
        prepare: |most| tick(Backing::Cross, most),
    },
    Case {
        name: "tick-kept",
        about: "as `tick`, one a second, with freshness checks and a re-read account each 30 s",
        size: 600,
        prepare: tick_kept,
    },
    Case {
        name: "book",
        about: "book frame of 20 x 20 levels to knowledge",
        size: 500,
        prepare: book,
    },
    Case {
        name: "danger",
        about: "P2: dangerous frame, full plan, intent, signed bytes; one isolated position",
        size: 20,
        prepare: |most| danger(Backing::Isolated, most),
    },
    Case {
        name: "danger-cross5",
        about: "the same with five cross positions",
        size: 10,
        prepare: |most| danger(Backing::Cross, most),
    },
    Case {
        name: "request",
        about: "P2: intent to signed bytes",
        size: 1_000,
        prepare: request,
    },
    Case {
        name: "sign",
        about: "P2: the signature in it",
        size: 1_000,
        prepare: sign,
    },
    Case {
        name: "health-cross5",
        about: "P3: are five cross positions above their line?",
        size: 2_000,
        prepare: health,
    },
    Case {
        name: "tally-cross5",
        about: "P3: the same after one mark, by the running sum of the tick path",
        size: 5_000,
        prepare: tally,
    },
    Case {
        name: "line-cross5",
        about: "P3: liquidation price of one of five cross positions",
        size: 1_000,
        prepare: line,
    },
    Case {
        name: "health-cross1000",
        about: "health of a thousand positions in one wallet",
        size: 20,
        prepare: health_of_many,
    },
    Case {
        name: "line-cross1000",
        about: "and one liquidation price among them",
        size: 20,
        prepare: line_of_many,
    },
];

/// Positions of the large wallet.
const MANY: usize = 1_000;

fn decode_mark(most: usize) -> Operation {
    let port = world::port();
    let frames = frames(START, most);
    let mut events = Vec::new();
    Box::new(move |index| {
        let (_, text) = &frames[index];
        port.decode(Link::Market, text, &mut events).expect("mark");
        black_box(&events);
        events.clear();
    })
}

/// Marks of the first symbol, one a second, after `now`.
fn frames(now: Timestamp, most: usize) -> Vec<(Timestamp, String)> {
    let frame = |step: i64| {
        let at = now.plus_ms((step + 1) * 1_000);
        (at, world::mark_frame(0, step, at))
    };
    (0..).map(frame).take(most).collect()
}

fn tick(backing: Backing, most: usize) -> Operation {
    let port = world::port();
    let (mut guard, now) = world::guard(backing, FAR, world::timeless(), &port);
    let frames = frames(now, most);
    let mut events = Vec::new();
    Box::new(move |index| {
        let (at, text) = &frames[index];
        port.decode(Link::Market, text, &mut events).expect("mark");
        for event in events.drain(..) {
            guard.handle(event, *at);
        }
        // A forecast is written down now and then.
        while let Some(action) = guard.next_action() {
            assert!(matches!(action, Action::Record(_)), "a quiet mark");
        }
    })
}

fn tick_kept(most: usize) -> Operation {
    let port = world::port();
    let (mut guard, now) = world::guard(Backing::Isolated, FAR, world::policy(), &port);
    let frames = frames(now, most);
    let mut events = Vec::new();
    Box::new(move |index| {
        let (at, text) = &frames[index];
        port.decode(Link::Market, text, &mut events).expect("mark");
        for event in events.drain(..) {
            guard.handle(event, *at);
        }
        while let Some(action) = guard.next_action() {
            if matches!(action, Action::Record(_)) {
                continue;
            }
            let Action::Refresh(what) = action else {
                panic!("a quiet mark made the guard want {action:?}");
            };
            let answer = match what {
                Refresh::Account => Event::Account(world::account(Backing::Isolated, FAR, *at)),
                Refresh::Rules => Event::Instruments(Vec::new()),
                Refresh::History => Event::RefreshFailed {
                    what: Refresh::History,
                    message: String::new(),
                },
            };
            guard.handle(answer, *at);
        }
    })
}

fn book(most: usize) -> Operation {
    let port = world::port();
    let (mut guard, now) = world::guard(Backing::Isolated, FAR, world::timeless(), &port);
    let frame = |step: i64| world::book_frame(0, now.plus_ms(step * 500));
    let frames: Vec<String> = (0..).map(frame).take(most).collect();
    let mut events = Vec::new();
    Box::new(move |index| {
        let text = &frames[index];
        port.decode(Link::Public, text, &mut events).expect("book");
        for event in events.drain(..) {
            guard.handle(event, now);
        }
        assert!(guard.next_action().is_none(), "a book alone");
    })
}

fn danger(backing: Backing, most: usize) -> Operation {
    let port = world::port();
    let guards = (0..most).map(|_| world::guard(backing, NEAR, world::policy(), &port));
    let mut guards: Vec<(Guard, Timestamp)> = guards.collect();
    let mut events = Vec::new();
    let frame_at = guards[0].1.plus_ms(1_000);
    let text = world::mark_frame_at(0, DANGEROUS, frame_at);
    Box::new(move |index| {
        let (guard, _) = &mut guards[index];
        port.decode(Link::Market, &text, &mut events).expect("mark");
        for event in events.drain(..) {
            guard.handle(event, frame_at);
        }
        assert!(signed(guard, &port, frame_at) > 0, "danger must be met");
    })
}

/// Drains the guard and makes the bytes of what is to be sent; their number.
fn signed(guard: &mut Guard, port: &BinanceUsdm, at: Timestamp) -> usize {
    let mut bytes = 0;
    while let Some(action) = guard.next_action() {
        if let Action::Send(intent) = &action {
            bytes += black_box(port.order_request(intent, at)).query.len();
        }
        black_box(&action);
    }
    bytes
}

fn trim() -> Intent {
    let key = PositionKey {
        symbol: Symbol::new("BTCUSDT"),
        position_side: PositionSide::Both,
    };
    Intent {
        id: IntentId::new("k3f9", 17),
        plan: 9,
        scope: Scope::Isolated(key.clone()),
        key,
        side: Side::Long,
        margin_mode: MarginMode::Isolated,
        position_mode: PositionMode::OneWay,
        margin_asset: "USDT".to_owned(),
        kind: IntentKind::Reduce {
            quantity: Quantity::of(dec!(0.125)),
            bound: Some(Price::of(dec!(96712.4))),
            recycle: true,
        },
        recycled: false,
        before: Before {
            quantity: Quantity::of(dec!(0.5)),
            isolated_wallet: Money::of(dec!(1021.7)),
            cross_wallet: Money::of(dec!(5000)),
        },
        cost: Money::of(dec!(6.25)),
        reason: "distance 1.35 % is below the floor of 1.50 %".to_owned(),
        planned_at: START,
    }
}

fn request(_most: usize) -> Operation {
    let (port, intent) = (world::port(), trim());
    Box::new(move |_| {
        black_box(port.order_request(black_box(&intent), START));
    })
}

fn sign(_most: usize) -> Operation {
    let query = world::port().order_request(&trim(), START).query;
    let (payload, _) = query.split_once("&signature=").expect("signed");
    let (payload, signer) = (payload.to_owned(), Signer::new(&world::SECRET.into()));
    Box::new(move |_| {
        black_box(signer.sign(black_box(&payload)));
    })
}

fn health(_most: usize) -> Operation {
    let scope = world::scope(Backing::Cross, FAR);
    Box::new(move |_| {
        black_box(black_box(&scope).is_healthy());
    })
}

fn tally(_most: usize) -> Operation {
    let scope = world::scope(Backing::Cross, FAR);
    let mut tally = Tally::of(&scope).expect("one wallet");
    let symbol = Symbol::new("BTCUSDT");
    let mark = scope.legs[0].mark;
    let nudged = Price::of(mark.get() - Decimal::new(1, 1));
    Box::new(move |index| {
        let mark = if index.is_multiple_of(2) {
            mark
        } else {
            nudged
        };
        black_box(tally.on_mark(black_box(&symbol), mark));
    })
}

fn health_of_many(_most: usize) -> Operation {
    let scope = world::crowd(MANY);
    Box::new(move |_| {
        black_box(black_box(&scope).is_healthy());
    })
}

fn line_of_many(_most: usize) -> Operation {
    let scope = world::crowd(MANY);
    let symbol = scope.legs[0].key.symbol.clone();
    Box::new(move |_| {
        black_box(black_box(&scope).liquidation_price(&symbol));
    })
}

fn line(_most: usize) -> Operation {
    let scope = world::scope(Backing::Cross, FAR);
    let symbol = Symbol::new("BTCUSDT");
    Box::new(move |_| {
        black_box(black_box(&scope).liquidation_price(&symbol));
    })
}
