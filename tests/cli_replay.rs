//! `plimsoll replay` as a program: its JSON, its words, its exit codes.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    reason = "a test program: it fails by panicking; prices are made up"
)]

#[path = "support/tape_command.rs"]
mod tape_command;
#[path = "support/tapes.rs"]
mod tapes;

use std::fs;
use std::process::Command;

use serde_json::Value;
use tape_command::{Bench, Program};

const MINUTE: i64 = 60_000;

const PROGRAM: Program = Program("replay");

#[test]
fn the_json_has_a_row_for_each_policy_and_leverage_and_names_its_settings() {
    let bench = Bench::new();
    let tape = bench.walk("BTCUSDT_1m.csv", 7, MINUTE, 4_320);
    let answer = PROGRAM.json(&["--leverage", "50,20", "--side", "long"], &[&tape]);
    let rows = answer["rows"].as_array().expect("rows");
    let names: Vec<(&str, u64)> = rows
        .iter()
        .map(|row| {
            let policy = row["policy"].as_str().expect("policy");
            (policy, row["leverage"].as_u64().expect("leverage"))
        })
        .collect();
    assert_eq!(names.len(), 9 * 2, "six baselines, three presets");
    assert_eq!(
        names[..3],
        [("none", 20), ("none", 50), ("auto-margin", 20)]
    );
    for row in rows {
        shape(row);
    }
    let none = &rows[1];
    assert_eq!(none["saved"], 0.0, "{none}");
    assert!(none["at_risk"].as_u64() > Some(0), "{none}");
    assert_eq!(answer["partial"], false);
    assert_eq!(answer["episodes"], answer["episodes_all"]);
    let settings = &answer["settings"];
    assert_eq!(settings["leverages"], serde_json::json!([20, 50]));
    assert_eq!(settings["sides"], serde_json::json!(["long"]));
    assert_eq!(settings["delay_ms"], 5_000);
    assert_eq!(settings["entry_every_ms"], 4 * 60 * MINUTE);
    assert_eq!(answer["tapes"]["by_bar_ms"]["60000"], 1);
}

#[track_caller]
fn shape(row: &Value) {
    let share = |name: &str| {
        let value = &row[name];
        let fits = value
            .as_f64()
            .is_some_and(|share| (0.0..=1.0).contains(&share));
        assert!(fits || value.is_null(), "{name} in {row}");
    };
    for name in [
        "saved",
        "kept",
        "kept_efficiency",
        "worst",
        "needless_trimmed",
    ] {
        share(name);
    }
    for name in ["friction_bps", "new_money", "wealth"] {
        let fits = row[name].as_f64().is_some_and(|value| value >= 0.0);
        assert!(fits || row["at_risk"] == 0, "{name} in {row}");
    }
    assert!(row["needless_per_day"].as_f64() >= Some(0.0), "{row}");
    // The tape does not call itself calm.
    assert!(row["needless_per_day_calm"].is_null(), "{row}");
    let preset = if row["policy"] == "guard" {
        row["preset"].clone()
    } else {
        Value::Null
    };
    assert_eq!(row["preset"], preset, "{row}");
    assert_eq!(row["preset"].is_string(), row["policy"] == "guard", "{row}");
    assert!(row["episodes"].is_u64() && row["at_risk"].is_u64() && row["bar_ms"] == MINUTE);
    if row["at_risk"] != 0 {
        assert_eq!(row["worst_case"]["tape"], "BTCUSDT_1m", "{row}");
    }
}

#[test]
fn the_output_does_not_depend_on_the_number_of_threads() {
    let bench = Bench::new();
    let tape = bench.walk("FILUSDT-calm_1m.csv", 7, MINUTE, 2_300);
    let words = ["--guard-episodes", "3", "--json", "--threads"];
    let one = PROGRAM.told(&[&words[..], &["1"]].concat(), &[&tape]);
    assert_eq!(PROGRAM.told(&[&words[..], &["3"]].concat(), &[&tape]), one);
    let answer: Value = serde_json::from_str(&one).expect("json");
    let guard: u64 = answer["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .filter(|row| row["policy"] == "guard")
        .filter_map(|row| row["episodes"].as_u64())
        .sum();
    assert_eq!(guard, 3 * 3, "with each preset");
    assert_eq!(answer["tapes"]["calm"], 1);
}

#[test]
fn a_folder_plays_its_tapes_and_says_what_it_left_out_or_found_too_short() {
    let bench = Bench::new();
    bench.walk("a_BTCUSDT_1m.csv", 7, MINUTE, 2_200);
    bench.walk("b_BTCUSDT_5m.csv", 7, 5 * MINUTE, 440);
    bench.walk("c_SHORTUSDT_1m.csv", 7, MINUTE, 1_440);
    bench.walk("d_BTCUSDT_mark_1m.csv", 7, MINUTE, 2_200);
    bench.put(
        "e_BTCUSDT_funding.csv",
        "ts_ms,funding_rate\n1795132800000,0.0001\n",
    );
    bench.put("README.md", "no tape");
    let words = ["--policy", "none"];
    let answer = PROGRAM.json(&words, &[bench.folder.path()]);
    let tapes = &answer["tapes"];
    assert_eq!(
        tapes["by_bar_ms"],
        serde_json::json!({"60000": 1, "300000": 1})
    );
    assert_eq!(
        tapes["without_episode"],
        serde_json::json!(["c_SHORTUSDT_1m"])
    );
    let left: Vec<&str> = tapes["left_out"]
        .as_array()
        .expect("list")
        .iter()
        .filter_map(|left| left["file"].as_str())
        .collect();
    assert_eq!(left, ["d_BTCUSDT_mark_1m.csv", "e_BTCUSDT_funding.csv"]);
    assert_eq!(answer["rows"].as_array().expect("rows").len(), 2 * 3);

    let text = PROGRAM.told(&words, &[bench.folder.path()]);
    for part in [
        "Isolated positions, long and short, an entry every 4 h, reserve 100 % of the initial margin, 5000 ms",
        "1 tape of 1-minute bars",
        "1 tape of 5-minute bars",
        "Bar lengths are kept apart",
        "too short for an episode: c_SHORTUSDT_1m",
        "2 files of the folder are not played",
    ] {
        assert!(text.contains(part), "`{part}` in: {text}");
    }
    // Named outright, the marks are played.
    let marks = bench.path("d_BTCUSDT_mark_1m.csv");
    assert_eq!(PROGRAM.json(&words, &[&marks])["tapes"]["played"], 1);
}

#[test]
fn what_cannot_be_played_is_refused_with_the_reason() {
    let bench = Bench::new();
    let tape = bench.walk("BTCUSDT_1m.csv", 7, MINUTE, 2_200);
    let absent = bench.path("absent.csv");
    PROGRAM.refused(&[], &[&absent], 66, &["absent.csv", "no such file"]);
    PROGRAM.refused(&[], &[&tape, &absent], 66, &["absent.csv"]);
    let broken = bench.put(
        "broken.csv",
        "ts_ms,open,high,low,close\n1795132800000,1,1,1,1\n1795132860000,1,x,1,1\n",
    );
    PROGRAM.refused(&[], &[&broken], 65, &["broken.csv, line 3", "high"]);
    let foreign = bench.put("foreign.csv", "a,b\n1,2\n");
    PROGRAM.refused(&[], &[&foreign], 65, &["foreign.csv, line 1"]);
    let short = bench.walk("short.csv", 7, MINUTE, 1_000);
    PROGRAM.refused(
        &[],
        &[&short],
        65,
        &["no tape is long enough", "24 h", "12 h"],
    );
    let empty = bench.path("empty");
    fs::create_dir(&empty).expect("a folder");
    PROGRAM.refused(&[], &[&empty], 66, &["holds no tape"]);
}

#[test]
fn a_broken_file_in_a_folder_is_not_passed_over() {
    let bench = Bench::new();
    bench.walk("a_BTCUSDT_1m.csv", 7, MINUTE, 2_200);
    bench.put(
        "b.csv",
        "ts_ms,open,high,low,close\n1795132800000,1,1,2,1\n",
    );
    PROGRAM.refused(
        &[],
        &[bench.folder.path()],
        65,
        &["b.csv, line 2", "below the low"],
    );
}

#[test]
fn a_wrong_command_line_is_told_what_would_be_right() {
    let bench = Bench::new();
    let tape = bench.walk("BTCUSDT_1m.csv", 7, MINUTE, 2_200);
    PROGRAM.refused(&[], &[], 2, &["--tape"]);
    PROGRAM.refused(
        &["--policy", "hope"],
        &[&tape],
        2,
        &["hope", "auto-margin", "guard"],
    );
    PROGRAM.refused(
        &["--preset", "bold"],
        &[&tape],
        2,
        &["bold", "tight", "balanced"],
    );
    for leverage in ["0", "-10", "ten", "10,151"] {
        PROGRAM.refused(
            &["--leverage", leverage],
            &[&tape],
            2,
            &["from 1 to 150, such as"],
        );
    }
    PROGRAM.refused(&["--delay-ms", "-1"], &[&tape], 2, &["from 0 to 600000"]);
    PROGRAM.refused(&["--guard-episodes", "0"], &[&tape], 2, &["at least 1"]);
    PROGRAM.refused(
        &["--policy", "naive", "--preset", "tight"],
        &[&tape],
        2,
        &["--preset", "--policy guard"],
    );
    PROGRAM.refused(&["--entry-every", "4"], &[&tape], 2, &["4h or 30m"]);
    PROGRAM.refused(&["--threads", "0"], &[&tape], 2, &["1 to 1024"]);
    PROGRAM.refused(&["--side", "up"], &[&tape], 2, &["long", "both"]);
}

/// Ctrl-C while the guard is at work on more episodes than it could play in minutes.
#[cfg(unix)]
#[test]
fn a_stopped_replay_leaves_a_report_that_says_it_is_partial() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    use std::time::Duration;

    let bench = Bench::new();
    let tape = bench.walk("BTCUSDT_1m.csv", 7, MINUTE, 12_000);
    let mut child = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args([
            "replay",
            "--policy",
            "guard",
            "--json",
            "--entry-every",
            "1m",
            "--tape",
        ])
        .arg(&tape)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    std::thread::sleep(Duration::from_millis(1_500));
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.expect("kill").success());
    let out = BufReader::new(child.stdout.take().expect("output"));
    let text: Vec<String> = out.lines().map(|line| line.expect("text")).collect();
    assert_eq!(child.wait().expect("its end").code(), Some(0));
    let answer: Value = serde_json::from_str(&text.concat()).expect("json");
    assert_eq!(answer["partial"], true);
    let (done, all) = (answer["episodes"].as_u64(), answer["episodes_all"].as_u64());
    assert!(done > Some(0) && done < all, "{done:?} of {all:?}");
    let counted: u64 = answer["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["episodes"].as_u64())
        .sum();
    assert_eq!(Some(counted), done.map(|done| 3 * done), "with each preset");
    let tapes = &answer["tapes"];
    assert_eq!(tapes["reached_by_bar_ms"], tapes["by_bar_ms"]);
}

#[test]
fn a_page_with_charts_is_written_where_asked_for() {
    let bench = Bench::new();
    let tape = bench.walk("a_BTCUSDT_1m.csv", 7, MINUTE, 2_600);
    let page = bench.path("report.html");
    let words = [
        "--policy",
        "none",
        "--policy",
        "naive",
        "--leverage",
        "20,50",
    ];
    let asked = ["--report", page.to_str().expect("a path")];
    let said = PROGRAM.told(&[&words[..], &asked].concat(), &[&tape]);
    assert!(said.contains("naive"), "{said}");
    let html = fs::read_to_string(&page).expect("the page");
    assert!(
        html.contains("<svg") && html.contains("Kept efficiency"),
        "no chart"
    );
    assert!(html.contains("naive") && html.contains("50×"), "no rows");
    assert!(
        !html.contains("Needless acts in calm"),
        "a chart of nothing"
    );
    // The tape itself is never written over.
    let asked = ["--report", tape.to_str().expect("a path")];
    PROGRAM.refused(
        &[&words[..], &asked].concat(),
        &[&tape],
        2,
        &["is the file that is read"],
    );
    let nowhere = bench.path("no/such/folder.html");
    let asked = ["--report", nowhere.to_str().expect("a path")];
    PROGRAM.refused(
        &[&words[..], &asked].concat(),
        &[&tape],
        73,
        &["folder.html"],
    );
}
