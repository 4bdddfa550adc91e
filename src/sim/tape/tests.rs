use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::domain::{HOUR_MS, MINUTE_MS, Side};

/// 2025-10-10T21:20:00Z.
const T0: i64 = 1_760_131_200_000;

const HOUSE_HEADER: &str = "ts_ms,open,high,low,close,volume\n";
const KLINE_HEADER: &str = "open_time,open,high,low,close,volume,close_time,quote_volume,count,\
                            taker_buy_volume,taker_buy_quote_volume,ignore\n";

/// A folder of tapes written by a test.
struct Shelf(TempDir);

impl Shelf {
    fn new() -> Self {
        Self(TempDir::new().expect("temporary folder"))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }

    fn gz(&self, name: &str, text: &str) -> PathBuf {
        self.put(name, &gzipped(text))
    }

    fn zip(&self, name: &str, entries: &[(&str, &str)]) -> PathBuf {
        let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (entry, text) in entries {
            zip.start_file(*entry, SimpleFileOptions::default())
                .expect("entry");
            zip.write_all(text.as_bytes()).expect("text");
        }
        self.put(name, zip.finish().expect("zip").get_ref())
    }

    /// The message for a tape that must not load, with the folder's name taken out.
    fn refusal(&self, path: &Path) -> String {
        self.refusal_within(path, FILE_BYTES_MAX, ROWS_MAX)
    }

    fn refusal_within(&self, path: &Path, bytes_max: u64, rows_max: usize) -> String {
        let error = load_within(path, bytes_max, rows_max).expect_err("must not load");
        let folder = format!("{}/", self.0.path().display());
        error.to_string().replace(&folder, "")
    }
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(text.as_bytes()).expect("text");
    gz.finish().expect("gzip")
}

fn price(text: &str) -> Price {
    text.parse().expect("price")
}

/// `minute,open,high,low,close` rows to house rows.
fn house<R: AsRef<str>>(rows: &[R]) -> String {
    let mut text = HOUSE_HEADER.to_owned();
    for row in rows {
        let (minute, prices) = row.as_ref().split_once(',').expect("minute");
        let minute: i64 = minute.parse().expect("minute");
        text.push_str(&format!("{},{prices},1.5\n", T0 + minute * MINUTE_MS));
    }
    text
}

const THREE: [&str; 3] = [
    "0,100,102,99,101",
    "1,101,101.5,97.25,98",
    "2,98,98.75,98,98.5",
];

fn three_bars() -> Vec<Bar> {
    let bar = |minute: i64, [open, high, low, close]: [&str; 4]| Bar {
        start: Timestamp::from_millis(T0 + minute * MINUTE_MS),
        open: price(open),
        high: price(high),
        low: price(low),
        close: price(close),
    };
    vec![
        bar(0, ["100", "102", "99", "101"]),
        bar(1, ["101", "101.5", "97.25", "98"]),
        bar(2, ["98", "98.75", "98", "98.5"]),
    ]
}

fn klines(header: &str, per_ms: i64) -> String {
    let mut text = header.to_owned();
    for (minute, row) in THREE.iter().enumerate() {
        let open = (T0 + minute as i64 * MINUTE_MS) * per_ms;
        let close = open + MINUTE_MS * per_ms - 1;
        let prices: Vec<String> = row
            .split(',')
            .skip(1)
            .map(|p| format!("{:.8}", p.parse::<rust_decimal::Decimal>().expect("price")))
            .collect();
        let prices = prices.join(",");
        text.push_str(&format!("{open},{prices},12.5,{close},1250.0,42,6,600,0\n"));
    }
    text
}

#[test]
fn every_format_in_every_container_gives_the_same_bars() {
    let shelf = Shelf::new();
    let house_text = house(&THREE);
    let without_volume = house_text.replace(",volume", "").replace(",1.5\n", "\n");
    let windows = format!(
        "\u{feff}{}\r\n\r\n",
        house_text.trim_end().replace('\n', "\r\n")
    );
    let texts = [
        ("house", house_text),
        ("no-volume", without_volume),
        ("windows", windows),
        ("kline-header-ms", klines(KLINE_HEADER, 1)),
        ("kline-header-us", klines(KLINE_HEADER, 1_000)),
        ("kline-bare-ms", klines("", 1)),
        ("kline-bare-us", klines("", 1_000)),
    ];
    for (kind, text) in &texts {
        let paths = [
            shelf.put(&format!("BTCUSDT-{kind}.csv"), text.as_bytes()),
            shelf.gz(&format!("BTCUSDT-{kind}.csv.gz"), text),
            shelf.zip(&format!("BTCUSDT-{kind}.zip"), &[("BTCUSDT-1m.csv", text)]),
            // The container is told by its bytes, whatever the name says.
            shelf.gz(&format!("BTCUSDT-{kind}-misnamed.csv"), text),
            shelf.zip(
                &format!("BTCUSDT-{kind}-crowded.zip"),
                &[
                    ("README.txt", "hello"),
                    ("__MACOSX/x.csv", ""),
                    ("a.CSV", text),
                ],
            ),
        ];
        for path in paths {
            let tape = load(&path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(tape.bars, three_bars(), "{}", path.display());
            assert_eq!(tape.bar_ms, MINUTE_MS);
            assert_eq!(tape.symbol.as_str(), "BTCUSDT");
            assert!(!tape.inverse);
        }
    }
}

#[test]
fn missing_bars_are_bridged_and_counted() {
    let shelf = Shelf::new();
    let rows = [
        "0,100,102,99,101",
        "1,101,103,100,102",
        "4,90,91,89,90",
        "5,90,90,90,90",
    ];
    let tape = load(&shelf.put("ETHUSDT-1m.csv", house(&rows).as_bytes())).expect("loads");
    assert_eq!(tape.bars.len(), 4);
    assert!(
        tape.notes
            .contains(&"2 missing 1m bars are bridged by holding the close before".to_owned()),
        "{:?}",
        tape.notes
    );
    let played = tape.play(Side::Long, Window::default()).expect("plays");
    assert_eq!(played.marks.len(), 6 * 12 + 1);
    let held = &played.marks[24..=48];
    assert!(held.iter().all(|mark| *mark == price("102")));
    assert_eq!(played.marks[72], price("90"));
}

#[test]
fn file_names_tell_contract_and_kind() {
    let last = "the last traded price stands in for the mark price";
    let cases: [(&str, &str, bool, &[&str]); 14] = [
        (
            "2025-10-10_BTCUSDT-bybit_5m.csv.gz",
            "BTCUSDT",
            false,
            &[last],
        ),
        ("BTCUSDT-1m-2025-10.zip", "BTCUSDT", false, &[last]),
        (
            "1000PEPEUSDT-5m-2025-10.zip",
            "1000PEPEUSDT",
            false,
            &[last],
        ),
        (
            "2025-10-10_ATOMUSD_PERP_1m.csv.gz",
            "ATOMUSDT",
            true,
            &[
                "inverse contract ATOMUSD_PERP played as linear ATOMUSDT",
                last,
            ],
        ),
        (
            "BTCUSD_261225-1m-2026-10.zip",
            "BTCUSDT",
            true,
            &[
                "inverse contract BTCUSD_261225 played as linear BTCUSDT",
                last,
            ],
        ),
        (
            "BTCUSDT_261225-1m-2026-10.zip",
            "BTCUSDT",
            false,
            &[
                "dated contract BTCUSDT_261225 played as perpetual BTCUSDT",
                last,
            ],
        ),
        (
            "2025-10-10_BTCUSD_PERP_mark_1m.csv.gz",
            "BTCUSDT",
            true,
            &["inverse contract BTCUSD_PERP played as linear BTCUSDT"],
        ),
        (
            "2025-10-10_ADAUSDT-bybit_mark_1h.csv.gz",
            "ADAUSDT",
            false,
            &[],
        ),
        (
            "2021-01-11_ETHUSDT-spot_5m.csv.gz",
            "ETHUSDT",
            false,
            &[
                last,
                "spot prices stand in for those of the perpetual contract",
            ],
        ),
        (
            "2025-10-10_DOTUSD_PERP_1m.csv.gz",
            "DOTUSDT",
            true,
            &[
                "inverse contract DOTUSD_PERP played as linear DOTUSDT",
                last,
            ],
        ),
        (
            "BTCUSD_1h.csv",
            "BTCUSDT",
            false,
            &["BTCUSD played as linear BTCUSDT", last],
        ),
        ("BTCFDUSD-1m-2025-10.zip", "BTCFDUSD", false, &[last]),
        ("btcusdt.csv", "BTCUSDT", false, &[last]),
        (
            "my tape.csv",
            "TAPEUSDT",
            false,
            &[
                "the file name `my tape` names no contract, so the tape is played as TAPEUSDT",
                last,
            ],
        ),
    ];
    for (file, symbol, inverse, notes) in cases {
        let named = name::read(Path::new(file));
        assert_eq!(named.symbol.as_str(), symbol, "{file}");
        assert_eq!(named.inverse, inverse, "{file}");
        assert_eq!(named.notes, notes, "{file}");
    }
    let named = name::read(Path::new("/x/2025-10-10_BTCUSDT-bybit_5m.csv.gz"));
    assert_eq!(named.name, "2025-10-10_BTCUSDT-bybit_5m");
}

#[test]
fn what_is_no_tape_is_refused_in_one_clear_sentence() {
    let shelf = Shelf::new();
    let check = |path: PathBuf, expected: &str| assert_eq!(shelf.refusal(&path), expected);
    check(
        shelf.0.path().join("nothing.csv"),
        "nothing.csv: there is no such file",
    );
    std::fs::create_dir(shelf.0.path().join("folder")).expect("folder");
    check(
        shelf.0.path().join("folder"),
        "folder is a folder; name one tape inside it",
    );
    let binary =
        "is not a tape: it holds binary data; expected a CSV of price bars, plain, .gz or .zip";
    check(
        shelf.put("picture.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),
        &format!("picture.png {binary}"),
    );
    check(
        shelf.put("long.csv", "1".repeat(100_000).as_bytes()),
        &format!("long.csv {binary}"),
    );
    let empty = "is empty: it holds no price rows";
    check(shelf.put("a.csv", b""), &format!("a.csv {empty}"));
    check(
        shelf.put("b.csv", HOUSE_HEADER.as_bytes()),
        &format!("b.csv {empty}"),
    );
    check(shelf.gz("c.csv.gz", "\n\n"), &format!("c.csv.gz {empty}"));
    check(
        shelf.put("one.csv", house(&THREE[..1]).as_bytes()),
        "one.csv holds only one price row; a tape needs at least two",
    );
    check(
        shelf.gz(
            "f_funding.csv.gz",
            "ts_ms,funding_rate\n1760131200000,0.0001\n",
        ),
        "f_funding.csv.gz, line 1: unknown columns `ts_ms,funding_rate`; expected \
         `ts_ms,open,high,low,close[,volume]` or the twelve columns of a Binance kline file",
    );
}

#[test]
fn broken_containers_are_refused_with_the_remedy() {
    let shelf = Shelf::new();
    let check = |path: PathBuf, expected: &str| assert_eq!(shelf.refusal(&path), expected);
    check(
        shelf.zip("none.zip", &[]),
        "none.zip holds no .csv file; expected a zip with exactly one",
    );
    check(
        shelf.zip("text.zip", &[("README.txt", "hello")]),
        "text.zip holds no .csv file; expected a zip with exactly one",
    );
    let text = house(&THREE);
    check(
        shelf.zip("two.zip", &[("a.csv", &text), ("b.csv", &text)]),
        "two.zip holds 2 .csv files; expected exactly one, unpack it and name the one to play",
    );
    let whole = gzipped(&house(&THREE));
    let cut = shelf.refusal(&shelf.put("cut.csv.gz", &whole[..whole.len() - 12]));
    assert!(cut.starts_with("cut.csv.gz cannot be unpacked ("), "{cut}");
    assert!(
        cut.ends_with("it may be cut short, fetch it again"),
        "{cut}"
    );
    let cut = shelf.refusal(&shelf.put("cut.zip", b"PK\x03\x04 and then nothing"));
    assert!(cut.starts_with("cut.zip cannot be unpacked ("), "{cut}");
}

#[test]
fn broken_rows_are_refused_with_file_line_and_column() {
    let shelf = Shelf::new();
    let check = |row: &str, expected: &str| {
        let text = format!("{}{row}\n", house(&THREE));
        let refusal = shelf.refusal(&shelf.put("t.csv", text.as_bytes()));
        assert_eq!(refusal, expected, "{row}");
    };
    check(
        "1760131380000,98,99,97",
        "t.csv, line 5: the row has 4 columns, expected 6",
    );
    check(
        "1760131380000,98,99,x9\u{7},98,1",
        "t.csv, line 5, column `low`: `x9\u{fffd}` is not a decimal price such as 60123.4",
    );
    check(
        "1760131380000,,99,97,98,1",
        "t.csv, line 5, column `open`: `` is not a decimal price such as 60123.4",
    );
    check(
        "1760131380000,98,99,97,NaN,1",
        "t.csv, line 5, column `close`: `NaN` is not a decimal price such as 60123.4",
    );
    for bad in ["0", "-98", "1e10"] {
        check(
            &format!("1760131380000,98,{bad},97,98,1"),
            &format!(
                "t.csv, line 5, column `high`: the price `{bad}` must be above 0 and at most 1e9"
            ),
        );
    }
    for bad in [
        "yesterday",
        "1760131380",
        "1760131380000.5",
        "-1760131380000",
    ] {
        check(
            &format!("{bad},98,99,97,98,1"),
            &format!(
                "t.csv, line 5, column `ts_ms`: `{bad}` is not a time in whole milliseconds or \
                 microseconds since 1970"
            ),
        );
    }
    check(
        "1760131380000,98,97,99,98,1",
        "t.csv, line 5: the high 97 is below the low 99",
    );
    check(
        "1760131380000,99.5,99,97,98,1",
        "t.csv, line 5: the open 99.5 lies outside the bar's range from 97 to 99",
    );
    check(
        "1760131380000,98,99,97,96.5,1",
        "t.csv, line 5: the close 96.5 lies outside the bar's range from 97 to 99",
    );
}

#[test]
fn broken_time_grids_are_refused_with_file_and_line() {
    let shelf = Shelf::new();
    let check = |rows: &[String], expected: &str| {
        let refusal = shelf.refusal(&shelf.put("t.csv", house(rows).as_bytes()));
        assert_eq!(refusal, expected);
    };
    let with = |minute: i64| -> Vec<String> {
        let rows = THREE.iter().map(|row| (*row).to_owned());
        rows.chain([format!("{minute},98,98,98,98")]).collect()
    };
    check(
        &with(2),
        "t.csv, line 5: the time 2025-10-10T21:22:00Z does not come after 2025-10-10T21:22:00Z of \
         the row before; rows must be in rising order without doubles",
    );
    check(
        &with(1),
        "t.csv, line 5: the time 2025-10-10T21:21:00Z does not come after 2025-10-10T21:22:00Z of \
         the row before; rows must be in rising order without doubles",
    );
    check(
        &with(3 + 6 * 60 + 1),
        "t.csv, line 5: no rows for 6h1m before 2025-10-11T03:24:00Z; a tape may miss at most 6h \
         in a row",
    );
    let off = house(&THREE) + &format!("{},98,98,98,98,1\n", T0 + 3 * MINUTE_MS + 500);
    assert_eq!(
        shelf.refusal(&shelf.put("t.csv", off.as_bytes())),
        "t.csv, line 5: the time 2025-10-10T21:23:00Z is not a whole number of 1m bars after the \
         first row; a tape must keep one bar length"
    );
}

#[test]
fn limits_hold_for_rows_and_for_unpacked_bytes() {
    let shelf = Shelf::new();
    let text = house(&THREE);
    let path = shelf.gz("t.csv.gz", &text);
    let bytes = text.len() as u64;
    assert!(load_within(&path, bytes, 3).is_ok());
    assert_eq!(
        shelf.refusal_within(&path, bytes, 2),
        "t.csv.gz has more than 2 rows; cut it to the days of interest"
    );
    assert!(matches!(
        load_within(&path, bytes - 1, 3),
        Err(TapeError::TooLarge { .. })
    ));
    // A small archive that unpacks to far more than the limit stops at the limit.
    let bomb = shelf.zip("bomb.zip", &[("a.csv", &"\n".repeat(3 << 20))]);
    assert_eq!(
        shelf.refusal_within(&bomb, 1 << 20, 10),
        "bomb.zip is larger than 1 MiB unpacked; cut it to the days of interest"
    );
}

fn tape<R: AsRef<str>>(rows: &[R]) -> LoadedTape {
    let shelf = Shelf::new();
    load(&shelf.put("BTCUSDT-1m.csv", house(rows).as_bytes())).expect("loads")
}

fn texts(marks: &[Price]) -> Vec<String> {
    marks.iter().map(ToString::to_string).collect()
}

#[test]
fn price_moves_inside_a_bar_on_three_equal_legs() {
    let played = tape(&THREE)
        .play(Side::Long, Window::default())
        .expect("plays");
    assert_eq!(played.start, Timestamp::from_millis(T0));
    assert_eq!(played.step_ms, 5_000);
    assert_eq!(played.marks.len(), 37);
    // Rising: open 100, low 99, high 102, close 101.
    let rising = [
        "100", "99.75", "99.5", "99.25", "99", "99.75", "100.5", "101.25", "102", "101.75",
        "101.5", "101.25", "101",
    ];
    assert_eq!(texts(&played.marks[..13]), rising);
    // Falling: open 101, high 101.5, low 97.25, close 98.
    let falling = [
        "101.125", "101.25", "101.375", "101.5", "100.4375", "99.375", "98.3125", "97.25",
        "97.4375", "97.625", "97.8125", "98",
    ];
    assert_eq!(texts(&played.marks[13..25]), falling);
    assert_eq!(played.marks[36], price("98.5"));
}

#[test]
fn prices_between_recorded_ones_keep_two_decimals_more_than_the_tape_at_most_eight() {
    let first_marks = |rows: &[&str]| {
        // 48 steps a bar, 16 a leg.
        let window = Window {
            step_ms: 1_250,
            ..Window::default()
        };
        let played = tape(rows).play(Side::Long, window).expect("plays");
        texts(&played.marks[..3])
    };
    assert_eq!(
        first_marks(&["0,1,1.1,0.9,1", "1,1,1.1,0.9,1"]),
        ["1", "0.994", "0.988"]
    );
    assert_eq!(
        first_marks(&[
            "0,0.0000010,0.0000011,0.0000009,0.000001",
            "1,0.000001,0.000001,0.000001,0.000001"
        ]),
        ["0.000001", "0.00000099", "0.00000099"]
    );
    assert_eq!(
        first_marks(&[
            "0,0.000000010,0.000000011,0.000000009,0.00000001",
            "1,0.00000001,0.00000001,0.00000001,0.00000001"
        ]),
        ["0.00000001", "0.00000001", "0.00000001"]
    );
}

#[test]
fn enter_at_decides_the_start_and_must_lie_inside() {
    let tape = tape(&THREE);
    let enter = |offset_ms: i64| {
        tape.play(
            Side::Long,
            Window {
                enter_at: Some(Timestamp::from_millis(T0 + offset_ms)),
                length_ms: 30_000,
                ..Window::default()
            },
        )
    };
    // 21:21:22.5 falls to the step of 21:21:20, where the second bar's high stands.
    let played = enter(82_500).expect("plays");
    assert_eq!(played.start, Timestamp::from_millis(T0 + 80_000));
    assert_eq!(played.marks.len(), 7);
    assert_eq!(played.marks[0], price("101.5"));
    assert_eq!(played.marks[4], price("97.25"));
    assert_eq!(
        played.mark_at(Timestamp::from_millis(T0 + 100_000)),
        Some(price("97.25"))
    );
    // On a bar's first instant the path begins with that bar's open.
    assert_eq!(enter(60_000).expect("plays").marks[0], price("101"));
    // The tape's end cuts the play.
    let played = enter(170_000).expect("plays");
    assert_eq!(played.end(), tape.end());
    assert_eq!(played.marks.len(), 3);

    for outside in [-1, 180_000] {
        let message = enter(outside).expect_err("outside").to_string();
        assert!(
            message.ends_with(
                "lies outside the tape BTCUSDT-1m, which runs from 2025-10-10T21:20:00Z to \
                 2025-10-10T21:23:00Z"
            ),
            "{message}"
        );
    }
}

/// A flat tape of one-minute bars at 100 with a few other rows.
fn flat_but(minutes: i64, other: &[(i64, &str)]) -> LoadedTape {
    let rows: Vec<String> = (0..minutes)
        .map(|minute| {
            let prices = other
                .iter()
                .find(|(at, _)| *at == minute)
                .map_or("100,100,100,100", |(_, prices)| prices);
            format!("{minute},{prices}")
        })
        .collect();
    tape(&rows)
}

#[test]
fn play_begins_twelve_hours_before_the_worst_hour_against_the_side() {
    let tape = flat_but(
        48 * 60,
        &[
            // A fall of 10 % spread over 60 minutes, a fall of 12 % over 61, a rise of 8 %.
            (1_000, "100,104,100,100"),
            (1_060, "100,100,93.6,100"),
            (2_000, "100,106,100,100"),
            (2_061, "100,100,93.28,100"),
            (1_500, "100,108,100,100"),
        ],
    );
    let at = |minute: i64| Timestamp::from_millis(T0 + minute * MINUTE_MS);
    assert_eq!(tape.worst_hour(Side::Long), at(1_000));
    assert_eq!(tape.worst_hour(Side::Short), at(1_440));
    let played = tape.play(Side::Long, Window::default()).expect("plays");
    assert_eq!(played.start, at(1_000 - 720));
    assert_eq!(played.end(), at(1_000 + 720));
    assert_eq!(played.marks.len(), 24 * 60 * 12 + 1);
    let played = tape.play(Side::Short, Window::default()).expect("plays");
    assert_eq!(played.start, at(1_440 - 720));
}

#[test]
fn a_lead_that_reaches_before_the_tape_is_cut_and_noted() {
    let tape = flat_but(300, &[(100, "100,100,90,95")]);
    let played = tape.play(Side::Long, Window::default()).expect("plays");
    assert_eq!(played.start, tape.start());
    assert_eq!(played.end(), tape.end());
    let note = "the tape begins only at 2025-10-10T21:20:00Z, so the lead before its worst hour is \
                11h20m shorter";
    assert!(played.notes.iter().any(|n| n == note), "{:?}", played.notes);
}

#[test]
fn bars_shorter_than_three_steps_are_joined_so_that_no_extreme_is_lost() {
    let shelf = Shelf::new();
    let mut text = HOUSE_HEADER.to_owned();
    for second in 0..60 {
        let at = T0 + second * 1_000;
        let row = if second == 17 {
            "100,107,93,100"
        } else {
            "100,100,100,100"
        };
        text.push_str(&format!("{at},{row},1\n"));
    }
    let tape = load(&shelf.put("BTCUSDT-1s.csv", text.as_bytes())).expect("loads");
    let played = tape.play(Side::Long, Window::default()).expect("plays");
    assert_eq!(texts(&played.marks[3..=6]), ["100", "93", "107", "100"]);
    let note = "bars of 1s are joined to 15s so that every high and low falls on a step";
    assert!(played.notes.iter().any(|n| n == note), "{:?}", played.notes);
}

#[test]
fn windows_that_make_no_sense_are_refused() {
    let tape = tape(&THREE);
    let with = |change: fn(&mut Window)| {
        let mut window = Window::default();
        change(&mut window);
        tape.play(Side::Long, window)
    };
    for change in [
        (|w| w.length_ms = 0) as fn(&mut Window),
        |w| w.step_ms = 0,
        |w| w.lead_ms = -1,
    ] {
        assert!(matches!(with(change), Err(TapeError::Window)));
    }
    assert_eq!(
        with(|w| w.step_ms = 7_001)
            .expect_err("odd step")
            .to_string(),
        "BTCUSDT-1m cannot be played in steps of 7s1ms: its 1m bars do not divide into them"
    );
}

#[test]
fn spans_are_named_in_their_largest_units() {
    for (ms, text) in [
        (0, "0s"),
        (5_000, "5s"),
        (60_000, "1m"),
        (HOUR_MS + 30 * MINUTE_MS, "1h30m"),
        (26 * HOUR_MS, "1d2h"),
        (1_001, "1s1ms"),
    ] {
        assert_eq!(span(ms), text);
    }
}
