//! Recorded price history: reads bar files and turns them into a mark price path.
//!
//! Purpose: let a trader play a real day. Inputs: one CSV file, plain, gzipped or zipped, in the
//! house format (`ts_ms,open,high,low,close[,volume]`) or as a kline file of Binance's public
//! archive (twelve columns, with or without header, milliseconds or microseconds). It must never
//! know positions, orders or the network.

mod container;
mod error;
mod name;
mod play;
mod rows;

use std::path::Path;

use crate::domain::{Price, Symbol, Timestamp};

pub use error::TapeError;
pub use play::Window;

/// Largest tape after unpacking, in bytes. A year of one-minute klines takes about 60 MB.
pub const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Most bars in one tape: more than nine years of one-minute bars.
pub const ROWS_MAX: usize = 5_000_000;

/// One bar of trade prices; `high` and `low` enclose `open` and `close`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// First instant of the bar.
    pub start: Timestamp,
    pub open: Price,
    pub high: Price,
    pub low: Price,
    pub close: Price,
}

/// A tape as it stands in its file; [`LoadedTape::play`] makes a mark price path of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedTape {
    /// The file's name without its endings.
    pub name: String,
    /// The linear contract the prices are played for, taken from the file's name.
    pub symbol: Symbol,
    /// True when the recorded contract is a coin-margined one.
    pub inverse: bool,
    /// The file's bars in rising order, at least two; bars missing in the file are missing here.
    pub bars: Vec<Bar>,
    /// Length of a bar in milliseconds; every start lies a multiple of it after the first.
    pub bar_ms: i64,
    /// What a reader must know about these prices, one sentence each.
    pub notes: Vec<String>,
}

impl LoadedTape {
    /// First instant of the tape.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.bars.first().map_or(Timestamp::ZERO, |bar| bar.start)
    }

    /// Instant at which the last bar closes.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.bars
            .last()
            .map_or(Timestamp::ZERO, |bar| bar.start.plus_ms(self.bar_ms))
    }
}

/// Reads a tape. The container is told by its first bytes, not by its name.
///
/// # Errors
/// [`TapeError`] when the file is missing, is no tape, is broken or passes a limit; each message
/// names the file, where it applies the line and column, and the remedy.
pub fn load(path: &Path) -> Result<LoadedTape, TapeError> {
    load_within(path, FILE_BYTES_MAX, ROWS_MAX)
}

fn load_within(path: &Path, bytes_max: u64, rows_max: usize) -> Result<LoadedTape, TapeError> {
    let file = path.display().to_string();
    let mut reader = rows::Reader::new(&file, rows_max);
    container::for_each_line(path, bytes_max, &mut |number, line| {
        reader.line(number, line)
    })?;
    let rows::Rows {
        bars,
        bar_ms,
        missing,
    } = reader.finish()?;

    let named = name::read(path);
    let mut notes = named.notes;
    if missing > 0 {
        let bars = if missing == 1 { "bar is" } else { "bars are" };
        notes.push(format!(
            "{missing} missing {} {bars} bridged by holding the close before",
            span(bar_ms)
        ));
    }
    Ok(LoadedTape {
        name: named.name,
        symbol: named.symbol,
        inverse: named.inverse,
        bars,
        bar_ms,
        notes,
    })
}

/// A length of time in the largest units that hold it exactly: `5m`, `1h30m`, `15s`, `250ms`.
fn span(ms: i64) -> String {
    if ms <= 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    let mut rest = ms;
    for (unit_ms, unit) in [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
        (1, "ms"),
    ] {
        if rest >= unit_ms {
            text.push_str(&format!("{}{unit}", rest / unit_ms));
            rest %= unit_ms;
        }
    }
    text
}

#[cfg(test)]
mod tests;
