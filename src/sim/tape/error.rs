//! Why a tape cannot be read or played, in sentences for people.

use crate::domain::Timestamp;

/// What is wrong with a tape and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// Correct the path.
    #[error("{file}: there is no such file")]
    Missing { file: String },
    /// Name a file.
    #[error("{file} is a folder; name one tape inside it")]
    Folder { file: String },
    /// Correct the permissions or the disk.
    #[error("{file} cannot be read: {source}")]
    Unreadable {
        file: String,
        source: std::io::Error,
    },
    /// Name a price file.
    #[error(
        "{file} is not a tape: it holds binary data; expected a CSV of price bars, plain, .gz or .zip"
    )]
    Binary { file: String },
    /// Fetch the file again.
    #[error("{file} cannot be unpacked ({reason}); it may be cut short, fetch it again")]
    Damaged { file: String, reason: String },
    /// Name another archive.
    #[error("{file} holds no .csv file; expected a zip with exactly one")]
    EmptyZip { file: String },
    /// Unpack and choose.
    #[error(
        "{file} holds {count} .csv files; expected exactly one, unpack it and name the one to play"
    )]
    CrowdedZip { file: String, count: usize },
    /// Cut the file.
    #[error("{file} is larger than {limit_mib} MiB unpacked; cut it to the days of interest")]
    TooLarge { file: String, limit_mib: u64 },
    /// Cut the file.
    #[error("{file} has more than {limit} rows; cut it to the days of interest")]
    TooManyRows { file: String, limit: usize },
    /// Fetch the file again or name another.
    #[error("{file} is empty: it holds no price rows")]
    Empty { file: String },
    /// Name a longer tape.
    #[error("{file} holds only one price row; a tape needs at least two")]
    TooShort { file: String },
    /// Name a file of a known shape.
    #[error(
        "{file}, line {line}: unknown columns `{found}`; expected `ts_ms,open,high,low,close[,volume]` \
         or the twelve columns of a Binance kline file"
    )]
    Columns {
        file: String,
        line: u64,
        found: String,
    },
    /// Repair the row.
    #[error("{file}, line {line}: the row has {found} columns, expected {expected}")]
    RowLength {
        file: String,
        line: u64,
        found: usize,
        expected: usize,
    },
    /// Repair the row.
    #[error("{file}, line {line}, column `{column}`: `{text}` is not {expected}")]
    BrokenRow {
        file: String,
        line: u64,
        column: &'static str,
        text: String,
        expected: &'static str,
    },
    /// Repair the row.
    #[error(
        "{file}, line {line}, column `{column}`: the price `{text}` must be above 0 and at most 1e9"
    )]
    PriceRange {
        file: String,
        line: u64,
        column: &'static str,
        text: String,
    },
    /// Repair the row.
    #[error("{file}, line {line}: the high {high} is below the low {low}")]
    HighBelowLow {
        file: String,
        line: u64,
        high: String,
        low: String,
    },
    /// Repair the row.
    #[error(
        "{file}, line {line}: the {column} {price} lies outside the bar's range from {low} to {high}"
    )]
    OutsideRange {
        file: String,
        line: u64,
        column: &'static str,
        price: String,
        low: String,
        high: String,
    },
    /// Sort the file and drop doubled rows.
    #[error(
        "{file}, line {line}: the time {at} does not come after {before} of the row before; \
         rows must be in rising order without doubles"
    )]
    NotIncreasing {
        file: String,
        line: u64,
        at: Timestamp,
        before: Timestamp,
    },
    /// Use a file with one bar length.
    #[error(
        "{file}, line {line}: the time {at} is not a whole number of {bar} bars after the first row; \
         a tape must keep one bar length"
    )]
    OffGrid {
        file: String,
        line: u64,
        at: Timestamp,
        bar: String,
    },
    /// Use a file without the hole.
    #[error(
        "{file}, line {line}: no rows for {gap} before {at}; a tape may miss at most {limit} in a row"
    )]
    Gap {
        file: String,
        line: u64,
        at: Timestamp,
        gap: String,
        limit: String,
    },
    /// Choose an instant inside the tape.
    #[error("{at} lies outside the tape {name}, which runs from {start} to {end}")]
    EnterOutside {
        name: String,
        at: Timestamp,
        start: Timestamp,
        end: Timestamp,
    },
    /// Correct the window.
    #[error("a play window needs a length and a step above zero and a lead of at least zero")]
    Window,
    /// Choose another step.
    #[error("{name} cannot be played in steps of {step}: its {bar} bars do not divide into them")]
    Step {
        name: String,
        step: String,
        bar: String,
    },
}

/// A text from a file as a message may show it: at most 40 characters, none of them a control.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .take(40)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
