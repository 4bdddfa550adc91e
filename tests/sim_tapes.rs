//! Holds the tape reader against every recorded tape and the facts known about each.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of a test stop at the first surprise and say when they skip"
)]

#[path = "support/shared.rs"]
mod shared;

use plimsoll::domain::{HOUR_MS, Rate, Side, Timestamp};
use plimsoll::sim::tape::{LoadedTape, TapeError, Window, load};
use shared::shared;

/// One row of the index.
struct Known {
    file: String,
    symbol: String,
    inverse: bool,
    bar_ms: i64,
    rows: usize,
    start: Timestamp,
    /// First instant of the bar that completed the worst fall.
    worst_at: Timestamp,
    gaps: usize,
}

fn index(tapes: &std::path::Path) -> Vec<Known> {
    let mut reader = csv::Reader::from_path(tapes.join("index.csv")).expect("index");
    let head = reader.headers().expect("header").clone();
    reader
        .records()
        .map(|record| {
            let record = record.expect("row");
            let cell = |name: &str| {
                let column = head.iter().position(|h| h == name).expect(name);
                record[column].to_owned()
            };
            Known {
                file: cell("file"),
                symbol: cell("symbol"),
                inverse: cell("inverse") == "1",
                bar_ms: cell("step_s").parse::<i64>().expect("step") * 1_000,
                rows: cell("rows").parse().expect("rows"),
                start: instant(&cell("start_utc")),
                worst_at: instant(&cell("t_worst_1h_dd_utc")),
                gaps: cell("gaps").parse().expect("gaps"),
            }
        })
        .collect()
}

/// `2025-10-10 21:20`.
fn instant(text: &str) -> Timestamp {
    let part = |range| -> i64 { str::parse(&text[range]).expect("digits") };
    let ms_of_day = (part(11..13) * 60 + part(14..16)) * 60_000;
    Timestamp::from_civil(part(0..4), part(5..7), part(8..10), ms_of_day)
}

/// The worst hour found the plain way: every bar against every bar of the hour before it.
fn worst_hour(tape: &LoadedTape, side: Side) -> Timestamp {
    let mut worst = (Rate::ZERO, tape.start());
    for (index, bar) in tape.bars.iter().enumerate() {
        let hour = bar.start.plus_ms(-HOUR_MS);
        let earlier = tape.bars[..index].iter().rev();
        let earlier = earlier.take_while(|earlier| earlier.start >= hour);
        let moved = match side {
            Side::Long => {
                let from = earlier.map(|bar| bar.high).fold(bar.open, Ord::max);
                (from - bar.low).ratio(from)
            }
            Side::Short => {
                let from = earlier.map(|bar| bar.low).fold(bar.open, Ord::min);
                (bar.high - from).ratio(from)
            }
        };
        let moved = moved.expect("positive");
        if moved > worst.0 {
            worst = (moved, hour);
        }
    }
    worst.1
}

#[test]
fn every_recorded_tape_loads_and_agrees_with_the_index() {
    let Some(tapes) = shared("tapes") else { return };
    let known = index(&tapes);
    assert!(known.len() > 100, "the index is incomplete");
    for known in known {
        let file = &known.file;
        let tape = load(&tapes.join(file)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(tape.bars.len(), known.rows, "{file}");
        assert_eq!(tape.bar_ms, known.bar_ms, "{file}");
        assert_eq!(tape.start(), known.start, "{file}");
        assert_eq!(tape.inverse, known.inverse, "{file}");
        let symbol = known.symbol.replace("USD_PERP", "USDT");
        assert_eq!(tape.symbol.as_str(), symbol, "{file}");
        let bridged = tape.notes.iter().any(|note| note.contains("missing"));
        assert_eq!(bridged, known.gaps > 0, "{file}");
        let long = tape.worst_hour(Side::Long);
        assert_eq!(long.plus_ms(HOUR_MS), known.worst_at, "{file}");
        for side in [Side::Long, Side::Short] {
            assert_eq!(
                tape.worst_hour(side),
                worst_hour(&tape, side),
                "{file}, {side}"
            );
        }
    }
}

#[test]
fn every_recorded_tape_plays_through_its_worst_hour_for_both_sides() {
    let Some(tapes) = shared("tapes") else { return };
    for known in index(&tapes) {
        let file = &known.file;
        let tape = load(&tapes.join(file)).unwrap_or_else(|error| panic!("{error}"));
        for side in [Side::Long, Side::Short] {
            let played = tape.play(side, Window::default()).expect(file);
            let (start, end) = (played.start, played.end());
            assert!(start >= tape.start() && end <= tape.end(), "{file}");
            assert!(played.marks.iter().all(|mark| mark.is_positive()), "{file}");
            let last = tape.bars.iter().rfind(|bar| bar.start < end).expect(file);
            assert_eq!(played.marks.last(), Some(&last.close), "{file}");

            let hour = tape.worst_hour(side);
            assert!(end >= hour.plus_ms(HOUR_MS), "{file}");
            let inside: Vec<_> = tape
                .bars
                .iter()
                .filter(|bar| bar.start >= start && bar.start < end)
                .collect();
            let lowest = inside.iter().map(|bar| bar.low).min();
            let highest = inside.iter().map(|bar| bar.high).max();
            assert_eq!(played.marks.iter().min().copied(), lowest, "{file}");
            assert_eq!(played.marks.iter().max().copied(), highest, "{file}");
            if side == Side::Long {
                let contained = start <= known.worst_at && known.worst_at < end;
                assert!(
                    contained,
                    "{file}: {} not in {start}..{end}",
                    known.worst_at
                );
            }
        }
    }
}

#[test]
fn files_beside_the_tapes_load_as_mark_tapes_or_are_refused_by_their_columns() {
    let Some(tapes) = shared("tapes") else { return };
    let (mut marks, mut refused) = (0, 0);
    for entry in std::fs::read_dir(&tapes).expect("folder") {
        let path = entry.expect("entry").path();
        let name = path
            .file_name()
            .expect("name")
            .to_string_lossy()
            .into_owned();
        if name.contains("_mark_") {
            let tape = load(&path).unwrap_or_else(|error| panic!("{error}"));
            let note = "the last traded price stands in for the mark price";
            assert!(!tape.notes.iter().any(|n| n == note), "{name}");
            let played = tape.play(Side::Long, Window::default()).expect(&name);
            assert!(played.marks.len() > 12 * 60, "{name}");
            marks += 1;
        } else if name.contains("_funding") || name.contains("_depth") || name.contains("_liq") {
            let refusal = load(&path).expect_err(&name);
            assert!(
                matches!(refusal, TapeError::Columns { line: 1, .. }),
                "{refusal}"
            );
            refused += 1;
        }
    }
    assert!(
        marks >= 4 && refused >= 40,
        "{marks} mark tapes, {refused} others"
    );
}
