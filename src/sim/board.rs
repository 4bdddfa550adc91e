//! One market of the simulated venue: its mark price and the synthetic order book around it.
//!
//! The book is made up, and says so. Its shape, per side, [`LEVELS`] levels, all in integers:
//! - *shock* is an exponential average (weight 1/16 per tape step) of the absolute return of the mark;
//!   *stress* is shock divided by 3 basis points, capped at 20;
//! - half the spread is 0.5 basis points of the mark plus a sixth of shock;
//! - level i lies `gap * (i + i*i/40)` farther out, with a gap of 0.8 basis points times `1 + stress`;
//! - level i holds `(1 + i/10) * jitter / (1 + stress)` times a fiftieth of the depth of the market,
//!   where jitter is 0.5 to 1.5 from a hash of seed, tape step, side and level;
//! - the depth of the market is 0.4 % of the floor of its last tier, at least [`LEAST_DEPTH`].
//!
//! So in calm water a side spans about 1 % and in a crash it is up to twenty times thinner and wider.
//! A [`BookShape::Steady`] book stays as it is in calm water, whatever the price does.
//! What orders take stays taken until the next tape step.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::order::OrderSide;
use super::{Market, Tape};
use crate::domain::{Book, BookLevel, Price, Quantity, Symbol, Timestamp};

/// Levels per side.
pub(crate) const LEVELS: u32 = 50;
/// Least depth of a side in quote currency when calm.
const LEAST_DEPTH: i64 = 200_000;
/// Parts per billion of the mark.
const PPB: i128 = 1_000_000_000;
/// Return per step that counts as one unit of stress: 3 basis points, in parts per billion.
const CALM_PPB: i128 = 300_000;
/// Stress never passes this many units.
const STRESS_MAX: i128 = 20;

/// How the depth of the made-up book follows the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BookShape {
    /// Thinner and wider the faster the price moves, over the last minute or so.
    #[default]
    Collapsing,
    /// Always as deep and as tight as in calm water.
    Steady,
}

pub(crate) type Boards = BTreeMap<Symbol, Board>;

/// Everything the venue knows about one market now.
pub(crate) struct Board {
    pub(crate) market: Market,
    pub(crate) tape: Tape,
    pub(crate) mark: Price,
    /// Exponential average of the mark.
    pub(crate) average: Price,
    /// Price of the last trade on this market, for contract-price triggers and tickers.
    pub(crate) last: Price,
    /// Grows with each change of the book.
    pub(crate) update_id: u64,
    /// Index of the next mark to play.
    cursor: usize,
    shock_ppb: i128,
    seed: u64,
    depth: Decimal,
    shape: BookShape,
    book: Option<Book>,
}

/// Return per step of calm water, in parts per billion.
const STILL_PPB: i128 = CALM_PPB / 3;

/// Each tape step moves the update id by this much, as if several changes had been bundled.
const IDS_PER_STEP: u64 = 16;

impl Board {
    pub(crate) fn new(
        market: Market,
        tape: Tape,
        (seed, shape): (u64, BookShape),
        start: Timestamp,
    ) -> Option<Self> {
        let mark = tape.mark_at(start).or(tape.marks.first().copied())?;
        let cursor = (0..tape.marks.len())
            .find(|index| tape.time_of(*index) > start)
            .unwrap_or(tape.marks.len());
        let last_floor = market
            .tiers
            .tiers()
            .last()
            .map_or(Decimal::ZERO, |t| t.floor.get());
        let depth = (last_floor * Decimal::new(4, 3)).max(Decimal::from(LEAST_DEPTH));
        Some(Self {
            market,
            tape,
            mark,
            average: mark,
            last: mark,
            update_id: 1_000_000,
            cursor,
            shock_ppb: STILL_PPB,
            seed,
            depth,
            shape,
            book: None,
        })
    }

    /// When the next mark is due.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        (self.cursor < self.tape.marks.len()).then(|| self.tape.time_of(self.cursor))
    }

    /// Plays the next mark.
    pub(crate) fn step(&mut self) {
        let Some(mark) = self.tape.marks.get(self.cursor).copied() else {
            return;
        };
        self.cursor += 1;
        self.set_mark(mark);
    }

    /// Replaces the mark and forgets the book.
    pub(crate) fn set_mark(&mut self, mark: Price) {
        let change = (mark - self.mark).get().abs() / self.mark.get();
        let ppb = (change * Decimal::from(1_000_000_000))
            .to_i128()
            .unwrap_or(PPB);
        self.shock_ppb += (ppb - self.shock_ppb) / 16;
        let drift = (mark - self.average).get() / Decimal::from(16);
        self.average = Price::of((self.average.get() + drift).round_dp(8));
        self.mark = mark;
        self.last = mark;
        self.refresh();
    }

    /// A new book around the same mark.
    pub(crate) fn refresh(&mut self) {
        self.update_id += IDS_PER_STEP;
        self.book = None;
    }

    /// The book now, made on first use after a step.
    pub(crate) fn book(&mut self, at: Timestamp) -> &mut Book {
        if self.book.is_none() {
            self.book = Some(self.make_book(at));
        }
        self.book.get_or_insert_with(|| Book {
            symbol: self.market.instrument.symbol.clone(),
            bids: Vec::new(),
            asks: Vec::new(),
            at,
        })
    }

    /// Fills that `quantity` would get, best first, no worse than `limit`. Takes nothing.
    pub(crate) fn walk(
        &mut self,
        side: OrderSide,
        quantity: Quantity,
        limit: Price,
        at: Timestamp,
    ) -> Vec<BookLevel> {
        let book = self.book(at);
        let levels = match side {
            OrderSide::Buy => &book.asks,
            OrderSide::Sell => &book.bids,
        };
        let mut wanted = quantity;
        let mut fills = Vec::new();
        for level in levels {
            let within = match side {
                OrderSide::Buy => level.price <= limit,
                OrderSide::Sell => level.price >= limit,
            };
            if !within || !wanted.is_positive() {
                break;
            }
            let taken = wanted.min(level.quantity);
            fills.push(BookLevel {
                price: level.price,
                quantity: taken,
            });
            wanted -= taken;
        }
        fills
    }

    /// Removes fills that [`Self::walk`] returned from the book.
    pub(crate) fn consume(&mut self, side: OrderSide, fills: &[BookLevel], at: Timestamp) {
        let Some(last) = fills.last() else { return };
        self.last = last.price;
        self.update_id += 1;
        let book = self.book(at);
        let levels = match side {
            OrderSide::Buy => &mut book.asks,
            OrderSide::Sell => &mut book.bids,
        };
        for (level, fill) in levels.iter_mut().zip(fills) {
            level.quantity -= fill.quantity;
        }
        levels.retain(|level| level.quantity.is_positive());
    }

    /// Best opposite price for an order on `side`; `None` when that side is empty.
    pub(crate) fn best(&mut self, side: OrderSide, at: Timestamp) -> Option<Price> {
        let book = self.book(at);
        match side {
            OrderSide::Buy => book.asks.first(),
            OrderSide::Sell => book.bids.first(),
        }
        .map(|level| level.price)
    }

    fn make_book(&self, at: Timestamp) -> Book {
        Book {
            symbol: self.market.instrument.symbol.clone(),
            bids: self.make_side(OrderSide::Sell),
            asks: self.make_side(OrderSide::Buy),
            at,
        }
    }

    /// Levels that an order on `side` would hit.
    fn make_side(&self, side: OrderSide) -> Vec<BookLevel> {
        let instrument = &self.market.instrument;
        let (tick, step) = (instrument.tick, instrument.limit_lot.step);
        let (Some(mark_ticks), Some(unit)) = (
            (self.mark.get() * Decimal::from(1_000))
                .checked_div(tick)
                .and_then(|t| t.to_i128()),
            (self.depth / Decimal::from(LEVELS) / self.mark.get())
                .checked_div(step)
                .and_then(|s| s.to_i128()),
        ) else {
            return Vec::new();
        };
        let shock_ppb = match self.shape {
            BookShape::Collapsing => self.shock_ppb,
            BookShape::Steady => STILL_PPB,
        };
        let stress_milli = (shock_ppb * 1_000 / CALM_PPB).min(STRESS_MAX * 1_000);
        let half_ppb = 50_000 + shock_ppb.min(CALM_PPB * STRESS_MAX) / 6;
        let gap_ppb = 80 * (1_000 + stress_milli);
        let mut levels = Vec::with_capacity(LEVELS as usize);
        let mut last = 0_i128;
        for i in 0..i128::from(LEVELS) {
            let away = half_ppb + gap_ppb * (40 * i + i * i) / 40;
            // Thousandths of a tick, rounded away from the mark.
            let ticks = match side {
                OrderSide::Buy => {
                    let raw = mark_ticks.saturating_mul(PPB + away) / PPB;
                    (raw / 1_000 + 1).max(last + 1)
                }
                OrderSide::Sell => {
                    let raw = mark_ticks.saturating_mul(PPB - away) / PPB / 1_000;
                    if last == 0 { raw } else { raw.min(last - 1) }
                }
            };
            if ticks <= 0 {
                break;
            }
            last = ticks;
            let jitter = 500 + i128::from(self.hash(side, i) % 1_001);
            let steps = (unit * (10 + i) * jitter / (10 * (1_000 + stress_milli))).max(1);
            levels.push(BookLevel {
                price: Price::of(scaled(ticks, tick)),
                quantity: Quantity::of(scaled(steps, step)),
            });
        }
        levels
    }

    /// Well-mixed bits from seed, step, side and level (finaliser of splitmix64).
    fn hash(&self, side: OrderSide, level: i128) -> u64 {
        let side = match side {
            OrderSide::Buy => 1_u64,
            OrderSide::Sell => 2,
        };
        let level = u64::try_from(level).unwrap_or_default();
        mix(self
            .seed
            .wrapping_add((self.cursor as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
            .wrapping_add(level << 2 | side))
    }
}

/// The finaliser of splitmix64 (S. Vigna, public domain): spreads every input bit over the output.
pub(crate) const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn scaled(units: i128, step: Decimal) -> Decimal {
    Decimal::try_from_i128_with_scale(units, 0).map_or(Decimal::MAX, |u| u.saturating_mul(step))
}
