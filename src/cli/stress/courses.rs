//! The ways that prices go: shocks and recorded crashes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rust_decimal::Decimal;

use super::super::exit::UsageError;
use super::super::tapes::wanted;
use super::StressArgs;
use super::present::Ready;
use crate::domain::{MINUTE_MS, Rate};
use crate::replay::world::{Course, Shock};
use crate::sim::tape::{self, LoadedTape, TapeError};

/// Shocks without a word from the trader, in percent.
const SHOCKS: [i64; 10] = [-5, -10, -20, -30, -50, 5, 10, 20, 30, 50];
/// Most scenarios of one run.
const SCENARIOS_MAX: usize = 100;
/// Words in the name of a tape that was not recorded on Binance's futures, the only market whose accounts
/// are played.
const OTHERS: [&str; 14] = [
    "spot",
    "bybit",
    "okx",
    "ftx",
    "bitmex",
    "deribit",
    "kraken",
    "coinbase",
    "bitfinex",
    "bitget",
    "gate",
    "hyperliquid",
    "binanceus",
    "coinm",
];
/// Length of a date at the beginning of a tape's name.
const DATE_CHARS: usize = 10;

/// What is played.
pub(super) struct Planned {
    pub(super) courses: Vec<Course>,
    /// What must be said of the tapes.
    pub(super) notes: Vec<String>,
}

/// Decides what is played.
///
/// # Errors
/// Tapes that are missing or broken, no tape of a date, too many scenarios.
pub(super) fn plan(args: &StressArgs, ready: &Ready) -> anyhow::Result<Planned> {
    let mut notes = Vec::new();
    let mut courses: Vec<Course> = Vec::new();
    let recorded = !args.tape.is_empty() || !args.event.is_empty();
    let shocks = if args.shock.is_empty() && !recorded {
        let pct = |pct: i64| Rate::from_pct(Decimal::from(pct));
        SHOCKS.into_iter().map(pct).collect()
    } else {
        args.shock.clone()
    };
    courses.extend(shocks.into_iter().map(|by| {
        Course::shock(Shock {
            by,
            over_ms: args.over,
        })
    }));
    let mut tapes = load(&args.tape, None)?;
    if let Some(folder) = &args.tapes {
        for event in &args.event {
            let of_event = load(std::slice::from_ref(folder), Some(event))?;
            if of_event.is_empty() {
                return Err(UsageError::no_input(format!(
                    "{} holds no tape whose name begins with {event}",
                    folder.display()
                ))
                .into());
            }
            tapes.extend(of_event);
        }
    }
    let symbols = ready.present.symbols();
    let side = ready.present.heavier_side();
    for (event, tapes) in by_event(tapes) {
        match Course::recorded(&event, &tapes, &symbols, side)? {
            Some(course) => courses.push(course),
            None => notes.push(format!("{event}: its tapes have no time in common")),
        }
    }
    if courses.is_empty() {
        return Err(UsageError::bad_input("no tape can be played").into());
    }
    if courses.len() > SCENARIOS_MAX {
        return Err(UsageError::new(format!(
            "{} scenarios are more than the {SCENARIOS_MAX} of one run; name fewer tapes",
            courses.len()
        ))
        .into());
    }
    Ok(Planned { courses, notes })
}

/// Loads tapes; of a folder those that hold bars, are no calm control, and begin with `event`.
fn load(named: &[PathBuf], event: Option<&str>) -> anyhow::Result<Vec<LoadedTape>> {
    let (files, _) = wanted(named)?;
    let mut tapes = Vec::new();
    for wanted in files {
        let name = wanted.file.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        let fits = event.map_or(!name.contains("calm"), |event| name.starts_with(event));
        if wanted.found && !fits {
            continue;
        }
        match tape::load(&wanted.file) {
            Ok(tape) => tapes.push(tape),
            Err(TapeError::Columns { .. }) if wanted.found => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(tapes)
}

/// Tapes of one date together: those of the account's exchange first, then the finer ones. Bars of more
/// than a minute hide most of a crash and come last, whoever's they are.
fn by_event(tapes: Vec<LoadedTape>) -> BTreeMap<String, Vec<LoadedTape>> {
    let mut events: BTreeMap<String, Vec<LoadedTape>> = BTreeMap::new();
    for tape in tapes {
        let date = tape.name.get(..DATE_CHARS).filter(|date| {
            date.contains('-') && date.chars().all(|c| c.is_ascii_digit() || c == '-')
        });
        let event = date.unwrap_or(&tape.name).to_owned();
        events.entry(event).or_default().push(tape);
    }
    for tapes in events.values_mut() {
        tapes.sort_by_cached_key(|tape| {
            let coarse = tape.bar_ms > MINUTE_MS;
            (coarse, is_foreign(tape), tape.bar_ms, tape.name.clone())
        });
    }
    events
}

/// Is it the tape of another market than Binance's futures? Its name says so behind the symbol, as in
/// `2025-10-10_BTCUSDT-bybit_1m`.
fn is_foreign(tape: &LoadedTape) -> bool {
    let name = tape.name.to_ascii_lowercase();
    if tape.inverse {
        return true;
    }
    let mut words = name.split(['-', '_', '.']);
    words.any(|word| OTHERS.contains(&word))
}
