//! What a tape's file name tells: the contract, and what kind of price it holds.

use std::path::Path;

use super::error::shown;
use crate::domain::Symbol;

/// Played when a name tells nothing.
const UNKNOWN: &str = "TAPEUSDT";
/// Longest symbol that is believed, in characters.
const SYMBOL_CHARS_MAX: usize = 24;
/// Quote assets a symbol may end with; longer ones first.
const QUOTES: [&str; 6] = ["FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD"];
const ENDINGS: [&str; 3] = [".csv", ".gz", ".zip"];

/// Facts drawn from a file name.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) symbol: Symbol,
    pub(super) inverse: bool,
    pub(super) notes: Vec<String>,
}

/// Reads names like `2025-10-10_BTCUSDT-bybit_5m.csv.gz`, `BTCUSDT-1m-2025-10.zip` and
/// `2025-10-10_ATOMUSD_PERP_1m.csv.gz`.
pub(super) fn read(path: &Path) -> Named {
    let file = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let name = stem(&file).to_owned();
    let (symbol, inverse, mut notes) = symbol(undated(&name));
    if !name.contains("_mark_") {
        notes.push("the last traded price stands in for the mark price".to_owned());
    }
    if name.contains("-spot") {
        notes.push("spot prices stand in for those of the perpetual contract".to_owned());
    }
    Named {
        symbol: Symbol::new(&symbol),
        inverse,
        name,
        notes,
    }
}

fn stem(file: &str) -> &str {
    let mut rest = file;
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| {
        let cut = rest.len().checked_sub(ending.len())?;
        let (stem, end) = rest.split_at_checked(cut)?;
        end.eq_ignore_ascii_case(ending).then_some(stem)
    }) {
        rest = shorter;
    }
    rest
}

/// The name without a leading `2025-10-10_`.
fn undated(name: &str) -> &str {
    let Some((date, rest)) = name.split_once('_') else {
        return name;
    };
    let dated = date.len() == 10 && date.chars().all(|c| c.is_ascii_digit() || c == '-');
    if dated { rest } else { name }
}

/// Symbol, whether the contract is coin-margined, and notes.
fn symbol(name: &str) -> (String, bool, Vec<String>) {
    let mut parts = name.split(['-', '_', '.', ' ']);
    let first = parts.next().unwrap_or_default().to_uppercase();
    let second = parts.next().unwrap_or_default();
    if !is_plausible(&first) {
        let note = format!(
            "the file name `{}` names no contract, so the tape is played as {UNKNOWN}",
            shown(name)
        );
        return (UNKNOWN.to_owned(), false, vec![note]);
    }
    let dated = second.len() == 6 && second.chars().all(|c| c.is_ascii_digit());
    let perpetual = second.eq_ignore_ascii_case("PERP");
    let recorded = if dated || perpetual {
        format!("{first}_{}", second.to_uppercase())
    } else {
        first.clone()
    };
    // Coin-margined contracts are quoted in plain USD and carry a suffix: DOTUSD_PERP,
    // BTCUSD_261225. Without one, DOTUSD might also be DO in TUSD.
    let inverse = (dated || perpetual) && first.ends_with("USD");
    if inverse || in_plain_usd(&first) {
        let linear = format!("{first}T");
        let kind = if inverse { "inverse contract " } else { "" };
        let note = format!("{kind}{recorded} played as linear {linear}");
        return (linear, inverse, vec![note]);
    }
    let notes = if dated {
        vec![format!(
            "dated contract {recorded} played as perpetual {first}"
        )]
    } else {
        Vec::new()
    };
    (first, false, notes)
}

fn is_plausible(symbol: &str) -> bool {
    symbol.chars().count() <= SYMBOL_CHARS_MAX
        && symbol.chars().all(char::is_alphanumeric)
        && QUOTES
            .iter()
            .any(|quote| symbol.len() > quote.len() && symbol.ends_with(quote))
}

fn in_plain_usd(symbol: &str) -> bool {
    QUOTES.iter().find(|quote| symbol.ends_with(**quote)) == Some(&"USD")
}
