//! Tapes made by hand or by a small generator, for the benchmark's tests.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file that includes this uses another part of it"
)]
#![allow(
    clippy::expect_used,
    clippy::float_arithmetic,
    reason = "test support: a broken tape must fail the test at once; prices are made up"
)]

use plimsoll::domain::{MINUTE_MS, Price, Symbol, Timestamp};
use plimsoll::replay::{Episode, Path, Settings, episodes};
use plimsoll::sim::tape::{Bar, LoadedTape};

/// 2026-11-20T00:00:00Z.
pub const START: i64 = 1_795_132_800_000;

/// One-minute bars of open, high, low and close.
pub fn tape(name: &str, symbol: &str, bars: &[[f64; 4]]) -> LoadedTape {
    tape_of(name, symbol, MINUTE_MS, bars)
}

pub fn tape_of(name: &str, symbol: &str, bar_ms: i64, bars: &[[f64; 4]]) -> LoadedTape {
    let price = |value: f64| format!("{value:.4}").parse::<Price>().expect("price");
    let bar = |(index, [open, high, low, close]): (usize, &[f64; 4])| Bar {
        start: Timestamp::from_millis(START + bar_ms * index as i64),
        open: price(*open),
        high: price(*high),
        low: price(*low),
        close: price(*close),
    };
    LoadedTape {
        name: name.to_owned(),
        symbol: Symbol::new(symbol),
        inverse: false,
        bars: bars.iter().enumerate().map(bar).collect(),
        bar_ms,
        notes: Vec::new(),
    }
}

pub fn path(name: &str, symbol: &str, bars: &[[f64; 4]]) -> Path {
    Path::of(&tape(name, symbol, bars)).expect("a path")
}

/// A fall within one bar: four steps at 100, four down to `low`, four there.
pub fn fall(low: f64) -> [f64; 4] {
    [100.0, 100.0, low, low]
}

/// A rise within one bar: four steps at 100, four up to `high`, four there.
pub fn rise(high: f64) -> [f64; 4] {
    [100.0, high, 100.0, high]
}

/// The standard episode, but entered at once and one bar long.
pub fn one_bar() -> Settings {
    Settings {
        warm_up_ms: 0,
        length_ms: MINUTE_MS,
        least_ms: MINUTE_MS,
        ..Settings::default()
    }
}

/// The first episode with this side and leverage.
pub fn first(path: &Path, settings: &Settings) -> Episode {
    *episodes(path, settings).first().expect("an episode")
}

/// A wandering price with quiet and wild hours; the same `seed` gives the same bars.
pub fn walk(seed: u64, count: usize) -> Vec<[f64; 4]> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let mut close: f64 = 100.0;
    (0..count)
        .map(|minute| {
            let wild = if (minute / 97) % 5 == 0 {
                0.006
            } else {
                0.000_8
            };
            let open = close;
            close = (open * (1.0 + wild * 2.0 * draw())).clamp(20.0, 500.0);
            let high = open.max(close) * (1.0 + wild * (draw() + 0.5));
            let low = open.min(close) * (1.0 - wild * (draw() + 0.5));
            [open, high, low, close]
        })
        .collect()
}
