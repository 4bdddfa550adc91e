//! `plimsoll stress` as a program: its JSON, its words, its exit codes. No key, no network.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test program: it fails by panicking"
)]

#[path = "support/tape_command.rs"]
mod tape_command;
#[path = "support/tapes.rs"]
mod tapes;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tape_command::{Bench, Program};

const PROGRAM: Program = Program("stress");
const MINUTE: i64 = 60_000;

/// A cross long of BTC and an isolated long of ETH, both near their entries.
const ACCOUNT: &str = r#"{"exchange": "binance-usdm", "wallet_balance": "4000", "positions": [
  {"symbol": "BTCUSDT", "margin_mode": "cross", "side": "long", "quantity": "0.3",
   "entry_price": "100000", "mark_price": "101000", "leverage": "10"},
  {"symbol": "ETHUSDT", "margin_mode": "isolated", "side": "long", "quantity": "4",
   "entry_price": "3500", "mark_price": "3450", "isolated_margin": "900", "leverage": "20"}]}"#;

/// A long whose margin the first seconds of a fall leave hardly anything of, with nothing beside it.
const CLOSED: &str = r#"{"exchange": "binance-usdm", "wallet_balance": "0", "positions": [
  {"symbol": "BTCUSDT", "margin_mode": "isolated", "side": "long", "quantity": "0.01",
   "entry_price": "100000", "mark_price": "100000", "isolated_margin": "50", "leverage": "20"}]}"#;

fn account(bench: &Bench, text: &str) -> String {
    let file = bench.put("account.json", text);
    file.to_str().expect("a path").to_owned()
}

fn number(value: &Value) -> f64 {
    let text = value.as_str().expect("a decimal as text");
    text.parse().expect("a decimal")
}

/// Two calm days, a fall by `by` percent within an hour, and a day at rest, from 100.
fn crash(by: f64) -> Vec<[f64; 4]> {
    let mut bars: Vec<[f64; 4]> = (0..2_880)
        .map(|index| {
            let (open, close) = if index % 2 == 0 {
                (100.0, 100.02)
            } else {
                (100.02, 100.0)
            };
            [open, 100.02, 100.0, close]
        })
        .collect();
    #[allow(clippy::float_arithmetic, reason = "prices of a made-up tape")]
    let price = |minute: u32| 100.0 - by * f64::from(minute) / 60.0;
    bars.extend((0..60).map(|minute| {
        let (open, close) = (price(minute), price(minute + 1));
        [open, open, close, close]
    }));
    bars.extend([[price(60); 4]; 1_440]);
    bars
}

#[test]
fn an_account_in_a_file_is_played_through_all_standard_shocks() {
    let bench = Bench::new();
    let input = account(&bench, ACCOUNT);
    let answer = PROGRAM.json(&["--input", &input], &[]);
    let scenarios = answer["scenarios"].as_array().expect("scenarios");
    let names: Vec<&str> = scenarios
        .iter()
        .map(|scenario| scenario["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names.len(), 10);
    assert_eq!((names[0], names[9]), ("-5 % in 1 h", "+50 % in 1 h"));
    assert_eq!(answer["faults"], "none");
    assert_eq!(answer["depth"], "collapse");
    assert_eq!(
        answer["delay_ms"], 5_000,
        "as the default limits reckon with"
    );

    let deep = &scenarios[2];
    assert_eq!(deep["worst_move"]["pct"], "-20");
    let taken = deep["unprotected"]["liquidated"]
        .as_array()
        .expect("a list");
    assert_eq!(taken.len(), 2, "{deep}");
    assert_eq!(taken[0]["symbol"], "ETHUSDT");
    // Machines read plain decimals.
    assert!(number(&taken[0]["price"]) > 3_000.0, "{taken:?}");
    assert_eq!(deep["unprotected"]["outcome"], "liquidated");
    assert!(number(&deep["unprotected"]["liquidation_fees"]) > 0.0);
    assert!(number(&deep["unprotected"]["lost"]) > 4_000.0);
    let guarded = &deep["guarded"];
    assert_eq!(guarded["liquidated"].as_array().map(Vec::len), Some(0));
    assert!(guarded["actions"].as_u64() > Some(0), "{guarded}");
    assert!(number(&guarded["kept_pct"]) > 0.0 && number(&guarded["cost"]) > 0.0);

    let up = &scenarios[9];
    assert!(number(&up["unprotected"]["lost"]) < 0.0, "a gain: {up}");
    assert_eq!(up["guarded"]["actions"], 0);
    assert_eq!(up["worst_move"], Value::Null);
    let nearest = &up["unprotected"]["nearest"];
    let away = nearest["distance_pct"].as_str().expect("a share");
    let symbol = nearest["symbol"].as_str().expect("a symbol");
    assert_eq!(
        up["sentence"],
        format!("The guard does nothing; {symbol} long comes nearest to its line, {away} % away.")
    );
    for scenario in scenarios {
        let each = scenario["guarded"]["positions"].as_array().expect("a list");
        assert_eq!(each.len(), 2, "what is kept of each: {scenario}");
        assert!(number(&each[0]["kept_pct"]) <= 100.0);
    }
}

#[test]
fn what_was_only_just_missed_is_told_with_its_distance() {
    let bench = Bench::new();
    // Liquidated at about 50,200; a fall by 40 % ends at 60,000.
    let near = r#"{"exchange": "binance-usdm", "wallet_balance": "0", "positions": [
      {"symbol": "BTCUSDT", "margin_mode": "isolated", "side": "long", "quantity": "0.1",
       "entry_price": "100000", "mark_price": "100000", "isolated_margin": "5000", "leverage": "2"}]}"#;
    let input = account(&bench, near);
    let answer = PROGRAM.json(&["--input", &input, "--shock", "-40", "--over", "1d"], &[]);
    let scenario = &answer["scenarios"][0];
    let away = &scenario["unprotected"]["nearest"]["distance_pct"];
    assert!((15.0..17.5).contains(&number(away)), "{scenario}");
}

#[test]
fn a_liquidation_fee_is_not_what_the_guard_spends() {
    let bench = Bench::new();
    let input = account(&bench, ACCOUNT);
    let words = [
        "--input",
        &input,
        "--shock",
        "-30",
        "--delay-ms",
        "600000",
        "--over",
        "5m",
    ];
    let answer = PROGRAM.json(&words, &[]);
    let guarded = &answer["scenarios"][0]["guarded"];
    assert_eq!(guarded["outcome"], "liquidated", "{guarded}");
    assert_eq!(guarded["actions"], 0, "{guarded}");
    assert_eq!(number(&guarded["cost"]), 0.0, "{guarded}");
    assert!(number(&guarded["liquidation_fees"]) > 0.0, "{guarded}");
    let text = PROGRAM.told(&words, &[]);
    for part in [
        "comes too late to act",
        "Fees of liquidations, within what is lost",
        "-30 % in 5 min: ",
    ] {
        assert!(text.contains(part), "`{part}` in: {text}");
    }
}

#[test]
fn a_closed_position_is_called_closed_and_its_loss_is_told() {
    let bench = Bench::new();
    let input = account(&bench, CLOSED);
    let words = ["--input", &input, "--shock", "-3", "--over", "5s"];
    let answer = PROGRAM.json(&words, &[]);
    let scenario = &answer["scenarios"][0];
    assert_eq!(scenario["name"], "-3 % in 5 s");
    let guarded = &scenario["guarded"];
    assert_eq!(guarded["outcome"], "closed", "{scenario}");
    assert_eq!(guarded["kept_pct"], "0");
    assert!(number(&guarded["lost_more"]) > 0.0, "{scenario}");
    let text = PROGRAM.told(&words, &[]);
    for part in [
        "closed",
        "Nothing is left of the positions.",
        "HERE THE GUARD LOSES",
        "MORE THAN DOING NOTHING.",
        guarded["lost"].as_str().expect("a sum"),
    ] {
        assert!(text.contains(part), "`{part}` in: {text}");
    }
}

#[test]
fn a_report_never_takes_the_place_of_what_is_read_or_of_other_work() {
    let bench = Bench::new();
    let input = account(&bench, ACCOUNT);
    let words = ["--input", &input, "--shock", "-5", "--report"];
    fn report<'a>(words: &[&'a str], place: &'a str) -> Vec<&'a str> {
        [words, &[place]].concat()
    }
    PROGRAM.refused(
        &report(&words, &input),
        &[],
        2,
        &["is the file that is read"],
    );
    let link = bench.path("link.html");
    fs::hard_link(&input, &link).expect("a link");
    let link = link.to_str().expect("a path");
    PROGRAM.refused(&report(&words, link), &[], 2, &["is the file that is read"]);
    assert_eq!(fs::read_to_string(&input).expect("the account"), ACCOUNT);
    let note = bench.put("note.txt", "milk");
    let note = note.to_str().expect("a path");
    PROGRAM.refused(&report(&words, note), &[], 73, &["note.txt", "is no page"]);
    assert_eq!(fs::read_to_string(note).expect("the note"), "milk");
    let nowhere = bench.path("no/page.html");
    let nowhere = nowhere.to_str().expect("a path");
    PROGRAM.refused(&report(&words, nowhere), &[], 73, &["no such folder"]);
    // An older page gives way, whatever its name.
    let page = bench.path("page");
    let page = page.to_str().expect("a path");
    PROGRAM.told(&report(&words, page), &[]);
    PROGRAM.told(&report(&words, page), &[]);
    let left = fs::read_dir(bench.folder.path()).expect("the folder");
    assert_eq!(left.count(), 4, "nothing half written is left");
}

#[test]
fn the_same_call_gives_the_same_answer_whatever_the_number_of_threads() {
    let bench = Bench::new();
    let input = account(&bench, ACCOUNT);
    let words = [
        "--input",
        &input,
        "--faults",
        "all",
        "--shock",
        "-10,-20,+10%",
    ];
    let told = |threads: &str| PROGRAM.told(&[&words[..], &["--threads", threads]].concat(), &[]);
    let text = told("1");
    assert_eq!(text, told("3"));
    for part in [
        "2 positions of",
        "default limits",
        "thins out",
        "API faults",
        "silent marks",
        "times, first on ETHUSDT long at a mark of",
        "Kept with the guard: ETHUSDT long",
        "-20 % in 1 h: ",
        "Nothing was sent.",
    ] {
        assert!(text.contains(part), "`{part}` in: {text}");
    }
}

#[test]
fn a_recorded_crash_is_rescaled_and_who_has_no_tape_follows_btc() {
    let bench = Bench::new();
    let input = account(&bench, ACCOUNT);
    bench.bars("2026-11-20_BTCUSDT_1m.csv", MINUTE, &crash(12.0));
    bench.bars("2026-11-20_SOLUSDT_1m.csv", MINUTE, &crash(40.0));
    bench.bars("2026-11-21_BTCUSDT_1m.csv", MINUTE, &crash(3.0));
    let folder = bench.path("");
    let folder = folder.to_str().expect("a path");
    let words = [
        "--input",
        &input,
        "--event",
        "2026-11-20",
        "--tapes",
        folder,
    ];
    let answer = PROGRAM.json(&words, &[]);
    let scenarios = answer["scenarios"].as_array().expect("scenarios");
    assert_eq!(scenarios.len(), 1, "shocks are not played beside tapes");
    let scenario = &scenarios[0];
    assert_eq!(scenario["name"], "2026-11-20");
    assert_eq!(scenario["follow"], "BTCUSDT");
    assert_eq!(scenario["followers"], serde_json::json!(["ETHUSDT"]));
    let worst = number(&scenario["worst_move"]["pct"]);
    assert!((-12.1..-11.9).contains(&worst), "{worst}");
    assert_eq!(answer["faults"], "api");
    assert_eq!(scenario["tapes"]["BTCUSDT"], "2026-11-20_BTCUSDT_1m");
    let text = PROGRAM.told(&words, &[]);
    assert!(text.contains("no tape of ETHUSDT at that date"), "{text}");
    assert!(
        text.contains("BTCUSDT follows 2026-11-20_BTCUSDT_1m"),
        "{text}"
    );
    // The tape of another exchange does not come before the own one.
    bench.bars("2026-11-20_BTCUSDT-bybit_1m.csv", MINUTE, &crash(30.0));
    let again = PROGRAM.json(&words, &[]);
    assert_eq!(again["scenarios"], answer["scenarios"]);
    fs::remove_file(bench.path("2026-11-20_BTCUSDT-bybit_1m.csv")).expect("removed");

    // All dates of a folder, and shocks where they are asked for.
    let answer = PROGRAM.json(&["--input", &input, "--shock", "-10"], &[Path::new(folder)]);
    let names: Vec<&Value> = answer["scenarios"]
        .as_array()
        .expect("scenarios")
        .iter()
        .map(|scenario| &scenario["name"])
        .collect();
    assert_eq!(names, ["-10 % in 1 h", "2026-11-20", "2026-11-21"]);
    // As the help says: none in shocks, api on tapes.
    assert_eq!(answer["faults"], Value::Null);
    let faults = |index: usize| &answer["scenarios"][index]["faults"];
    assert_eq!((faults(0), faults(1)), (&"none".into(), &"api".into()));
}

#[test]
fn a_page_with_a_picture_per_position_can_be_had() {
    let bench = Bench::new();
    let input = account(&bench, ACCOUNT);
    let page = bench.path("stress.html");
    let words = ["--input", &input, "--shock", "-20", "--report"];
    PROGRAM.told(
        &[&words[..], &[page.to_str().expect("a path")]].concat(),
        &[],
    );
    let html = fs::read_to_string(page).expect("the page");
    for part in [
        "All scenarios",
        "-20 % in 1 h: ETHUSDT",
        "<svg",
        "position trimmed",
        "liquidated without the guard",
        "lost guarded",
        "Kept is the share",
    ] {
        assert!(html.contains(part), "`{part}`");
    }
}

#[test]
fn what_cannot_be_played_is_refused_with_a_sentence() {
    let bench = Bench::new();
    let input = account(&bench, ACCOUNT);
    PROGRAM.refused(&["--input", "nothing.json"], &[], 66, &["no such file"]);
    let bybit = bench.put(
        "bybit.json",
        &ACCOUNT.replace("binance-usdm", "bybit").replacen(
            '{',
            "{\"taker_fee_rate\": \"0.0005\", ",
            1,
        ),
    );
    let bybit = bybit.to_str().expect("a path");
    PROGRAM.refused(&["--input", bybit], &[], 65, &["binance-usdm only"]);
    let reserved = ACCOUNT.replacen('{', "{\"reserved\": \"1\", ", 1);
    let reserved = bench.put("reserved.json", &reserved);
    let reserved = reserved.to_str().expect("a path");
    PROGRAM.refused(
        &["--input", reserved],
        &[],
        65,
        &["`reserved`", "not played"],
    );
    for shock in ["0", "-100", "x"] {
        let words = ["--input", &input, "--shock", shock];
        PROGRAM.refused(&words, &[], 2, &["such as -20"]);
    }
    for wrong in [["--delay-ms", "-1"], ["--delay-ms", "soon"]] {
        let words = [&["--input", &input][..], &wrong].concat();
        PROGRAM.refused(&words, &[], 2, &["from 0 to 600000"]);
    }
    let folder = bench.path("");
    let folder = folder.to_str().expect("a path");
    let words = [
        "--input",
        &input,
        "--event",
        "2020-01-01",
        "--tapes",
        folder,
    ];
    PROGRAM.refused(&words, &[], 66, &[]);
    PROGRAM.refused(
        &["--input", &input, "--event", "2020-01-01"],
        &[],
        2,
        &["--tapes"],
    );
    PROGRAM.refused(
        &["--input", &input],
        &[Path::new("none.csv")],
        66,
        &["none.csv"],
    );
}

#[test]
fn without_an_account_and_without_a_configuration_it_says_what_to_name() {
    let bench = Bench::new();
    let missing = bench.path("none.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .arg("stress")
        .arg("--config")
        .arg(&missing)
        .output()
        .expect("the program");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{err}");
    assert!(err.contains("none.toml"), "{err}");
    assert!(output.stdout.is_empty());
}
