//! `plimsoll demo`: a crash on a simulated exchange, the real agent against it over sockets, and an
//! unprotected twin beside it.

mod account;
mod lockstep;
mod story;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rust_decimal::Decimal;

use super::exit::{Exit, UsageError};
use super::tapes::parse_leverage;
use super::terminal::print;
use crate::domain::{MarginMode, Money, Side, Timestamp};
use crate::sim::Tape;
use crate::sim::{market, scenario, tape};
use story::Story;

/// A whole play takes about this long on the wall unless `--speed` says otherwise.
const DEFAULT_WALL_MS: i64 = 40_000;

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// A built-in scenario: flash-crash, grind, squeeze or calm.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "flash-crash",
        conflicts_with = "tape"
    )]
    scenario: String,
    /// Real prices instead: a kline CSV (.csv, .csv.gz or .zip), played for 24 h starting 12 h before
    /// its worst hour against the side.
    #[arg(long, value_name = "FILE")]
    tape: Option<PathBuf>,
    /// Side of the position; a scenario's dangerous side, otherwise long.
    #[arg(long)]
    side: Option<SideArg>,
    /// Leverage of the position.
    #[arg(long, value_name = "N", default_value_t = 10, allow_negative_numbers = true, value_parser = parse_leverage)]
    leverage: u32,
    /// Margin mode of the position.
    #[arg(long, value_name = "MODE", default_value = "isolated")]
    margin_mode: ModeArg,
    /// Free balance beside the position's 1000 USDT of initial margin; also the budget for added margin.
    #[arg(long, value_name = "USDT", default_value = "1000")]
    reserve_usdt: Decimal,
    /// Start of the play (UTC): milliseconds, 2025-10-10 or 2025-10-10T21:00.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    enter_at: Option<Timestamp>,
    /// Virtual time per wall time, or `max`; without it a play takes about 40 s.
    #[arg(long, value_name = "X|max", value_parser = parse_speed)]
    speed: Option<Speed>,
    /// Seed of scenario noise and order book.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object at the end and nothing else.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SideArg {
    Long,
    Short,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeArg {
    Isolated,
    Cross,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Speed {
    Max,
    Times(f64),
}

/// One play, fully decided.
struct Play {
    tape: Tape,
    title: String,
    side: Side,
    leverage: u32,
    mode: MarginMode,
    reserve: Money,
    /// Wall milliseconds per virtual millisecond; `None`: as fast as possible.
    pace: Option<f64>,
    seed: u64,
}

pub(super) async fn run(args: DemoArgs) -> anyhow::Result<Exit> {
    let json = args.json;
    let play = decide(args)?;
    let story = Story::new(&play, json);
    let ended = lockstep::play(&play, story).await?;
    print(if json {
        serde_json::to_string(&ended.summary)?
    } else {
        ended.summary.text()
    })?;
    Ok(if ended.summary.protected.liquidated {
        Exit::Lost
    } else {
        Exit::Success
    })
}

fn decide(args: DemoArgs) -> anyhow::Result<Play> {
    let asked = args.side.map(|side| match side {
        SideArg::Long => Side::Long,
        SideArg::Short => Side::Short,
    });
    let reserve = Money::new(args.reserve_usdt)
        .ok()
        .filter(|money| !money.is_negative());
    let Some(reserve) = reserve else {
        return Err(
            UsageError::new("--reserve-usdt must be zero or more, for example 1000").into(),
        );
    };
    let (tape, title, side) = match &args.tape {
        Some(path) => {
            let side = asked.unwrap_or(Side::Long);
            let loaded = tape::load(path)?;
            let window = tape::Window {
                enter_at: args.enter_at,
                ..tape::Window::default()
            };
            let mut tape = loaded.play(side, window)?;
            tape.notes.extend(generic_note(&tape));
            let title = format!("tape {}", tape.name);
            (tape, title, side)
        }
        None => {
            if args.enter_at.is_some() {
                return Err(UsageError::new("--enter-at goes with --tape").into());
            }
            let found = scenario::by_name(&args.scenario, args.seed)?;
            let title = format!("scenario {}", args.scenario);
            (found.tape, title, asked.unwrap_or(found.side))
        }
    };
    let pace = pace(args.speed, tape.end().since(tape.start), args.json);
    Ok(Play {
        tape,
        title,
        side,
        leverage: args.leverage,
        mode: match args.margin_mode {
            ModeArg::Isolated => MarginMode::Isolated,
            ModeArg::Cross => MarginMode::Cross,
        },
        reserve,
        pace,
        seed: args.seed,
    })
}

/// A sentence when the contract of a tape is not one whose rules are known.
fn generic_note(tape: &Tape) -> Option<String> {
    let first = tape.marks.first().copied()?;
    market::for_symbol(&tape.symbol, first).generic.then(|| {
        format!(
            "the rules of {} are not known here: a generic table of price and size filters and risk tiers is used",
            tape.symbol
        )
    })
}

/// Wall milliseconds per virtual millisecond. Nobody watches a play that only prints JSON.
#[allow(
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "a pace, not money"
)]
fn pace(speed: Option<Speed>, length_ms: i64, json: bool) -> Option<f64> {
    match speed {
        Some(Speed::Max) => None,
        Some(Speed::Times(times)) => Some(1.0 / times),
        None => (!json).then_some(DEFAULT_WALL_MS as f64 / length_ms.max(1) as f64),
    }
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    match text.parse::<f64>() {
        Ok(times) if times.is_finite() && times > 0.0 => Ok(Speed::Times(times)),
        Ok(_) | Err(_) => Err("a number above 0, or max".to_owned()),
    }
}

/// `1760131200000`, `2025-10-10`, `2025-10-10T21:00` or `2025-10-10T21:00:30Z`, all UTC.
fn parse_time(text: &str) -> Result<Timestamp, String> {
    let wrong = || "a UTC time such as 2025-10-10T21:00, or milliseconds".to_owned();
    if let Ok(ms) = text.parse::<i64>() {
        return Ok(Timestamp::from_millis(ms));
    }
    let (date, clock) = text
        .trim_end_matches('Z')
        .split_once('T')
        .unwrap_or((text, "00:00"));
    let numbers = |text: &str, split: char| -> Result<Vec<i64>, String> {
        text.split(split)
            .map(|part| part.parse().map_err(|_| wrong()))
            .collect()
    };
    let (date, clock) = (numbers(date, '-')?, numbers(clock, ':')?);
    let ([year, month @ 1..=12, day @ 1..=31], [hour @ 0..=23, minute @ 0..=59, rest @ ..]) =
        (date.as_slice(), clock.as_slice())
    else {
        return Err(wrong());
    };
    let second = match rest {
        [] => 0,
        [second @ 0..=59] => *second,
        _ => return Err(wrong()),
    };
    let ms = ((hour * 60 + minute) * 60 + second) * 1_000;
    Ok(Timestamp::from_civil(*year, *month, *day, ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_promised_form() {
        for text in ["1760131200000", "2025-10-10T21:20", "2025-10-10T21:20:00Z"] {
            assert_eq!(
                parse_time(text),
                Ok(Timestamp::from_millis(1_760_131_200_000)),
                "{text}"
            );
        }
        for text in [
            "",
            "yesterday",
            "2025-13-01",
            "2025-10-10T25:00",
            "2025-10-10T1:2:3:4",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn speeds_are_positive_or_max() {
        assert_eq!(parse_speed("max"), Ok(Speed::Max));
        assert_eq!(parse_speed("60"), Ok(Speed::Times(60.0)));
        for text in ["0", "-1", "fast", "inf", "NaN"] {
            assert!(parse_speed(text).is_err(), "{text}");
        }
    }
}
