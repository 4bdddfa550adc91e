//! Lines to bars: tells the format by the first line, checks every row and the time grid.

use std::collections::BTreeMap;

use super::error::shown;
use super::{Bar, TapeError, span};
use crate::domain::{HOUR_MS, NumberError, Price, Timestamp};

/// Longest stretch without rows that is bridged, in milliseconds. A longer one would show a market
/// that stands still for most of a trading day.
const GAP_MS_MAX: i64 = 6 * HOUR_MS;

/// Below this a time is taken for seconds or nonsense: 1973 in milliseconds.
const TIME_MS_MIN: i64 = 100_000_000_000;
/// From here on a time is in microseconds (1973), below it in milliseconds (up to the year 5138).
const TIME_US_MIN: i64 = 100_000_000_000_000;
/// Beyond this a time is nonsense: the year 5138 in microseconds.
const TIME_US_MAX: i64 = 100_000_000_000_000_000;

const HOUSE: [&str; 6] = ["ts_ms", "open", "high", "low", "close", "volume"];
/// Header of kline files, Binance public data archive (data.binance.vision), since 2022.
const KLINE: [&str; 12] = [
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
];

/// All rows of a tape, checked.
pub(super) struct Rows {
    pub(super) bars: Vec<Bar>,
    pub(super) bar_ms: i64,
    /// Bars that the grid has and the file has not.
    pub(super) missing: i64,
}

/// Takes the lines of a file in order.
pub(super) struct Reader<'a> {
    file: &'a str,
    rows_max: usize,
    layout: Option<Layout>,
    bars: Vec<Bar>,
    /// Line number of each bar.
    lines: Vec<u64>,
    /// How often each distance between neighbouring rows occurs.
    distances: BTreeMap<i64, usize>,
}

/// The first five columns are always time, open, high, low and close.
#[derive(Clone, Copy)]
struct Layout {
    columns: usize,
    time: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, rows_max: usize) -> Self {
        Self {
            file,
            rows_max,
            layout: None,
            bars: Vec::new(),
            lines: Vec::new(),
            distances: BTreeMap::new(),
        }
    }

    /// Takes one line; blank lines are skipped.
    pub(super) fn line(&mut self, number: u64, text: &str) -> Result<(), TapeError> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let layout = match self.layout {
            Some(layout) => layout,
            None => {
                let (layout, is_header) = self.first_line(number, text)?;
                self.layout = Some(layout);
                if is_header {
                    return Ok(());
                }
                layout
            }
        };
        let row = Row {
            file: self.file,
            line: number,
            layout,
        };
        let bar = row.bar(text)?;
        if self.bars.len() >= self.rows_max {
            return Err(TapeError::TooManyRows {
                file: self.file.to_owned(),
                limit: self.rows_max,
            });
        }
        if let Some(before) = self.bars.last() {
            let distance = bar.start.since(before.start);
            if distance <= 0 {
                return Err(TapeError::NotIncreasing {
                    file: self.file.to_owned(),
                    line: number,
                    at: bar.start,
                    before: before.start,
                });
            }
            *self.distances.entry(distance).or_default() += 1;
        }
        self.bars.push(bar);
        self.lines.push(number);
        Ok(())
    }

    /// Checks the time grid. The bar length is the most frequent distance between rows.
    pub(super) fn finish(self) -> Result<Rows, TapeError> {
        let file = self.file;
        let Some(first) = self.bars.first().copied() else {
            return Err(TapeError::Empty {
                file: file.to_owned(),
            });
        };
        let mut bar_ms = None;
        let mut most = 0;
        for (distance, count) in &self.distances {
            if *count > most {
                most = *count;
                bar_ms = Some(*distance);
            }
        }
        let Some(bar_ms) = bar_ms else {
            return Err(TapeError::TooShort {
                file: file.to_owned(),
            });
        };

        let mut before = first.start;
        let mut missing = 0;
        for (bar, line) in self.bars.iter().zip(&self.lines).skip(1) {
            if bar.start.since(first.start) % bar_ms != 0 {
                return Err(TapeError::OffGrid {
                    file: file.to_owned(),
                    line: *line,
                    at: bar.start,
                    bar: span(bar_ms),
                });
            }
            let gap = bar.start.since(before) - bar_ms;
            if gap > GAP_MS_MAX {
                return Err(TapeError::Gap {
                    file: file.to_owned(),
                    line: *line,
                    at: bar.start,
                    gap: span(gap),
                    limit: span(GAP_MS_MAX),
                });
            }
            missing += gap / bar_ms;
            before = bar.start;
        }
        Ok(Rows {
            bars: self.bars,
            bar_ms,
            missing,
        })
    }

    /// The layout, and whether this line is a header and not a row.
    fn first_line(&self, number: u64, text: &str) -> Result<(Layout, bool), TapeError> {
        let names: Vec<String> = cells(text).map(str::to_ascii_lowercase).collect();
        let is = |known: &[&str]| names.iter().map(String::as_str).eq(known.iter().copied());
        let time_first = names
            .first()
            .is_some_and(|cell| cell.parse::<i64>().is_ok());
        let house = Layout {
            columns: names.len(),
            time: "ts_ms",
        };
        let kline = Layout {
            columns: KLINE.len(),
            time: "open_time",
        };
        if is(&HOUSE) || HOUSE.split_last().is_some_and(|(_, mark)| is(mark)) {
            Ok((house, true))
        } else if is(&KLINE) {
            Ok((kline, true))
        } else if time_first && names.len() == KLINE.len() {
            Ok((kline, false))
        } else {
            Err(TapeError::Columns {
                file: self.file.to_owned(),
                line: number,
                found: shown(text),
            })
        }
    }
}

fn cells(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(|cell| cell.trim().trim_matches('"').trim())
}

/// Where a row stands, for messages.
struct Row<'a> {
    file: &'a str,
    line: u64,
    layout: Layout,
}

impl Row<'_> {
    fn bar(&self, text: &str) -> Result<Bar, TapeError> {
        let found = cells(text).count();
        if found != self.layout.columns {
            return Err(TapeError::RowLength {
                file: self.file.to_owned(),
                line: self.line,
                found,
                expected: self.layout.columns,
            });
        }
        let mut cells = cells(text);
        let mut next = || cells.next().unwrap_or_default();
        let bar = Bar {
            start: self.time(next())?,
            open: self.price("open", next())?,
            high: self.price("high", next())?,
            low: self.price("low", next())?,
            close: self.price("close", next())?,
        };
        self.check_range(&bar)?;
        Ok(bar)
    }

    fn time(&self, text: &str) -> Result<Timestamp, TapeError> {
        let stamp = match text.parse::<i64>() {
            Ok(time) if (TIME_MS_MIN..TIME_US_MIN).contains(&time) => Some(time),
            Ok(time) if (TIME_US_MIN..TIME_US_MAX).contains(&time) => Some(time / 1_000),
            Ok(_) | Err(_) => None,
        };
        stamp
            .map(Timestamp::from_millis)
            .ok_or_else(|| TapeError::BrokenRow {
                file: self.file.to_owned(),
                line: self.line,
                column: self.layout.time,
                text: shown(text),
                expected: "a time in whole milliseconds or microseconds since 1970",
            })
    }

    fn price(&self, column: &'static str, text: &str) -> Result<Price, TapeError> {
        text.parse::<Price>().map_err(|error| match error {
            NumberError::NotANumber { .. } => TapeError::BrokenRow {
                file: self.file.to_owned(),
                line: self.line,
                column,
                text: shown(text),
                expected: "a decimal price such as 60123.4",
            },
            NumberError::OutOfRange { .. } => TapeError::PriceRange {
                file: self.file.to_owned(),
                line: self.line,
                column,
                text: shown(text),
            },
        })
    }

    fn check_range(&self, bar: &Bar) -> Result<(), TapeError> {
        if bar.high < bar.low {
            return Err(TapeError::HighBelowLow {
                file: self.file.to_owned(),
                line: self.line,
                high: bar.high.to_string(),
                low: bar.low.to_string(),
            });
        }
        for (column, price) in [("open", bar.open), ("close", bar.close)] {
            if price < bar.low || price > bar.high {
                return Err(TapeError::OutsideRange {
                    file: self.file.to_owned(),
                    line: self.line,
                    column,
                    price: price.to_string(),
                    low: bar.low.to_string(),
                    high: bar.high.to_string(),
                });
            }
        }
        Ok(())
    }
}
