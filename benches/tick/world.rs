//! Guards that know everything they need, and the frames that reach them.

use std::fmt::Write as _;
use std::sync::Arc;

use plimsoll::domain::{
    Account, Balance, MarginMode, Money, Position, PositionKey, PositionMode, PositionSide, Price,
    Quantity, Rate, Side, Symbol, Timestamp,
};
use plimsoll::exchange::Port;
use plimsoll::exchange::binance::{BinanceSettings, BinanceUsdm, Credentials};
use plimsoll::guard::Guard;
use plimsoll::guard::event::{Bar, Event, Link, Mode};
use plimsoll::guard::policy::Policy;
use plimsoll::margin::{Leg, ScopeMargin};
use plimsoll::net::clock::Clock;
use plimsoll::sim::{Market, market};
use rust_decimal::{Decimal, dec};

/// 2025-10-10T20:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_760_126_400_000);
/// One mark a second for a little more than the forecast needs.
const WARM_MARKS: i64 = 310;
pub(crate) const SECRET: &str = "made-up-secret-of-a-usual-length-made-up-secret-of-a-usual-len00";
/// Free balance beside an isolated position.
const RESERVE: Money = Money::of(dec!(5000));
const LEVELS: i64 = 20;

/// Symbol, mark and size of the positions; an isolated account holds the first one.
const HELD: [(&str, Decimal, Decimal); 5] = [
    ("BTCUSDT", dec!(100000), dec!(0.5)),
    ("ETHUSDT", dec!(4000), dec!(2.5)),
    ("SOLUSDT", dec!(200), dec!(50)),
    ("XRPUSDT", dec!(2.5), dec!(4000)),
    ("DOGEUSDT", dec!(0.2), dec!(50000)),
];

/// Who backs the positions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backing {
    /// One isolated position.
    Isolated,
    /// Five positions on the cross wallet.
    Cross,
}

/// An adapter that knows the symbols and is connected to nothing.
pub(crate) fn port() -> BinanceUsdm {
    let credentials = Credentials {
        api_key: "made-up-key".into(),
        secret: SECRET.into(),
    };
    let port = BinanceUsdm::new(
        BinanceSettings::default(),
        credentials,
        Clock::manual(START),
    )
    .expect("adapter");
    let symbols: Vec<Symbol> = HELD.iter().map(|(name, _, _)| Symbol::new(name)).collect();
    port.follow(&symbols);
    port
}

/// The policy of the cases: `auto`, everything else as delivered.
pub(crate) fn policy() -> Policy {
    Policy {
        mode: Mode::Auto,
        ..Policy::default()
    }
}

/// The same, without anything falling due: a frame is nothing but a frame.
pub(crate) fn timeless() -> Policy {
    let mut policy = policy();
    let freshness = &mut policy.freshness;
    (freshness.mark_ms, freshness.account_ms) = (i64::MAX / 4, i64::MAX / 4);
    (freshness.reconcile_ms, freshness.rules_ms) = (i64::MAX / 4, i64::MAX / 4);
    policy
}

/// Positions whose first one has its liquidation price at `line`, this share of its mark.
pub(crate) fn account(backing: Backing, line: Decimal, taken_at: Timestamp) -> Account {
    let margin = scope(backing, line);
    let position = |leg: &Leg| Position {
        key: leg.key.clone(),
        side: leg.side,
        quantity: leg.quantity,
        entry_price: leg.entry,
        margin_mode: match backing {
            Backing::Isolated => MarginMode::Isolated,
            Backing::Cross => MarginMode::Cross,
        },
        margin_asset: "USDT".to_owned(),
        leverage: Some(20),
        isolated_wallet: match backing {
            Backing::Isolated => margin.wallet,
            Backing::Cross => Money::ZERO,
        },
        mark_price: leg.mark,
        venue_liquidation: margin.liquidation_price(&leg.key.symbol),
        venue_maintenance: Some(leg.tiers.maintenance(leg.notional(leg.mark))),
        auto_add_margin: false,
        updated_at: taken_at,
    };
    let cross_wallet = match backing {
        Backing::Isolated => RESERVE,
        Backing::Cross => margin.wallet,
    };
    let balance = Balance {
        cross_wallet,
        available: RESERVE.min(cross_wallet),
    };
    Account {
        position_mode: PositionMode::OneWay,
        multi_assets: false,
        can_trade: true,
        balances: [("USDT".to_owned(), balance)].into(),
        positions: margin.legs.iter().map(position).collect(),
        open_orders: None,
        taken_at,
    }
}

/// The arithmetic behind [`account`].
pub(crate) fn scope(backing: Backing, line: Decimal) -> ScopeMargin {
    let legs = markets(backing)
        .into_iter()
        .map(|(market, mark, quantity)| {
            let key = PositionKey {
                symbol: market.instrument.symbol.clone(),
                position_side: PositionSide::Both,
            };
            let (quantity, mark) = (Quantity::of(quantity), Price::of(mark));
            Leg::linear(
                key,
                Side::Long,
                quantity,
                mark,
                mark,
                Arc::new(market.tiers),
            )
        });
    let mode = match backing {
        Backing::Isolated => MarginMode::Isolated,
        Backing::Cross => MarginMode::Cross,
    };
    let mut margin = ScopeMargin::binance_usdm(mode, Money::ZERO, legs.collect());
    let (first, mark, _) = HELD[0];
    margin.wallet = margin.wallet_for_line(&Symbol::new(first), Price::of(mark * line));
    margin
}

/// The legs of [`scope`] over and over, each a symbol of its own, in a wallet as much larger.
pub(crate) fn crowd(count: usize) -> ScopeMargin {
    let few = scope(Backing::Cross, dec!(0.5));
    let legs = few.legs.iter().cycle().take(count).enumerate();
    let legs = legs.map(|(index, leg)| {
        let mut leg = leg.clone();
        leg.key.symbol = Symbol::new(&format!("{}{index}", leg.key.symbol));
        leg
    });
    let share = Decimal::from(count / few.legs.len());
    let wallet = few.wallet * Rate::of(share);
    ScopeMargin::binance_usdm(MarginMode::Cross, wallet, legs.collect())
}

/// A guard with a warm forecast, fresh books and nothing left to do, and its present time.
pub(crate) fn guard(
    backing: Backing,
    line: Decimal,
    policy: Policy,
    port: &BinanceUsdm,
) -> (Guard, Timestamp) {
    let mut guard = Guard::new(policy, START);
    let mut feed = |event: Event, now| {
        guard.handle(event, now);
        while guard.next_action().is_some() {}
    };
    feed(Event::Recovered(Box::default()), START);
    for (market, _, _) in markets(backing) {
        let symbol = market.instrument.symbol.clone();
        feed(Event::Instruments(vec![market.instrument]), START);
        feed(
            Event::Tiers {
                symbol: symbol.clone(),
                table: market.tiers,
            },
            START,
        );
        feed(
            Event::TakerFee {
                symbol: Some(symbol),
                rate: Rate::of(dec!(0.0005)),
            },
            START,
        );
    }
    for (symbol, mark, _) in markets_named(backing) {
        feed(past(symbol, mark), START);
    }
    feed(Event::Account(account(backing, line, START)), START);
    let mut events = Vec::new();
    let mut now = START;
    for step in 0..WARM_MARKS {
        now = START.plus_ms(step * 1_000);
        for (index, (market, _, _)) in markets_named(backing).enumerate() {
            let text = mark_frame(index, step, now);
            port.decode(Link::Market, &text, &mut events).expect(market);
        }
        events.drain(..).for_each(|event| feed(event, now));
    }
    for index in 0..markets_named(backing).count() {
        let text = book_frame(index, now);
        port.decode(Link::Public, &text, &mut events).expect("book");
    }
    events.push(Event::Account(account(backing, line, now)));
    events.drain(..).for_each(|event| feed(event, now));
    (guard, now)
}

/// A day of quiet minutes.
fn past(symbol: &str, mark: Decimal) -> Event {
    let bar = |ago: i64| Bar {
        start: START.plus_ms(-ago * 60_000),
        low: Price::of(mark * dec!(0.9998)),
        high: Price::of(mark * dec!(1.0002)),
        close: Price::of(mark),
    };
    Event::History {
        symbol: Symbol::new(symbol),
        bars: (1..=1_440).rev().map(bar).collect(),
    }
}

fn markets_named(backing: Backing) -> impl Iterator<Item = (&'static str, Decimal, Decimal)> {
    HELD.into_iter().take(match backing {
        Backing::Isolated => 1,
        Backing::Cross => HELD.len(),
    })
}

fn markets(backing: Backing) -> Vec<(Market, Decimal, Decimal)> {
    let market = |(name, mark, quantity): (&str, Decimal, Decimal)| {
        let market = market::for_symbol(&Symbol::new(name), Price::of(mark));
        (market, mark, quantity)
    };
    markets_named(backing).map(market).collect()
}

/// A quiet mark of the symbol with this number: its price moves by a hundred thousandth.
pub(crate) fn mark_frame(index: usize, step: i64, at: Timestamp) -> String {
    let (_, mark, _) = HELD[index];
    let ripple = Decimal::new(100_000 + step % 2, 5);
    mark_frame_at(index, mark * ripple, at)
}

/// A mark frame as the venue writes it since 2026.
pub(crate) fn mark_frame_at(index: usize, mark: Decimal, at: Timestamp) -> String {
    let (symbol, _, _) = HELD[index];
    let (at, funding) = (at.as_millis(), START.plus_ms(4 * 3_600_000).as_millis());
    format!(
        r#"{{"e":"markPriceUpdate","E":{at},"s":"{symbol}","p":"{mark:.8}","ap":"{mark:.8}","P":"{mark:.8}","i":"{mark:.8}","r":"0.00010000","T":{funding},"st":1}}"#
    )
}

/// The best twenty levels of both sides, a tenth of the position on each level.
pub(crate) fn book_frame(index: usize, at: Timestamp) -> String {
    let (symbol, mark, quantity) = HELD[index];
    let at = at.as_millis();
    let side = |sign: i64| {
        let mut text = String::new();
        for level in 1..=LEVELS {
            let price = mark * (Decimal::ONE + Decimal::new(sign * level, 5));
            let size = quantity * dec!(0.1);
            let comma = if level > 1 { "," } else { "" };
            write!(text, r#"{comma}["{price:.7}","{size:.3}"]"#).expect("written");
        }
        text
    };
    let (bids, asks) = (side(-1), side(1));
    format!(
        r#"{{"e":"depthUpdate","E":{at},"T":{at},"s":"{symbol}","ps":"{symbol}","U":{at},"u":{at},"pu":{at},"b":[{bids}],"a":[{asks}],"st":1}}"#
    )
}
