//! `plimsoll replay` as a program: its JSON, its words, its exit codes.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    reason = "a test program: it fails by panicking; prices are made up"
)]

#[path = "support/tapes.rs"]
mod tapes;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tapes::{START, walk};
use tempfile::TempDir;

const MINUTE: i64 = 60_000;

struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// A wandering tape of `bars` bars of `bar_ms`.
    fn tape(&self, name: &str, bar_ms: i64, bars: usize) -> PathBuf {
        let mut text = String::from("ts_ms,open,high,low,close,volume\n");
        for (index, [open, high, low, close]) in walk(7, bars).into_iter().enumerate() {
            let at = START + bar_ms * index as i64;
            writeln!(text, "{at},{open:.4},{high:.4},{low:.4},{close:.4},1").expect("a row");
        }
        self.put(name, &text)
    }
}

fn call(words: &[&str], tapes: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.arg("replay").args(words);
    for tape in tapes {
        command.arg("--tape").arg(tape);
    }
    command.output().expect("the program")
}

/// Standard output of a call that worked and said nothing else.
#[track_caller]
fn told(words: &[&str], tapes: &[&Path]) -> String {
    let output = call(words, tapes);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert_eq!(err, "");
    String::from_utf8(output.stdout).expect("text")
}

#[track_caller]
fn json(words: &[&str], tapes: &[&Path]) -> Value {
    let text = told(&[words, &["--json"]].concat(), tapes);
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    serde_json::from_str(&text).expect("json")
}

#[track_caller]
fn refused(words: &[&str], tapes: &[&Path], code: i32, parts: &[&str]) {
    let output = call(words, tapes);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{err}");
    for part in parts {
        assert!(err.contains(part), "`{part}` in: {err}");
    }
    assert!(
        output.stdout.is_empty() && !err.contains("panicked"),
        "{err}"
    );
}

#[test]
fn the_json_has_a_row_for_each_policy_and_leverage_and_names_its_settings() {
    let bench = Bench::new();
    let tape = bench.tape("BTCUSDT_1m.csv", MINUTE, 4_320);
    let answer = json(&["--leverage", "50,20", "--side", "long"], &[&tape]);
    let rows = answer["rows"].as_array().expect("rows");
    let names: Vec<(&str, u64)> = rows
        .iter()
        .map(|row| {
            let policy = row["policy"].as_str().expect("policy");
            (policy, row["leverage"].as_u64().expect("leverage"))
        })
        .collect();
    assert_eq!(names.len(), 7 * 2);
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
        "balanced".into()
    } else {
        Value::Null
    };
    assert_eq!(row["preset"], preset, "{row}");
    assert!(row["episodes"].is_u64() && row["at_risk"].is_u64() && row["bar_ms"] == MINUTE);
    if row["at_risk"] != 0 {
        assert_eq!(row["worst_case"]["tape"], "BTCUSDT_1m", "{row}");
    }
}

#[test]
fn the_output_does_not_depend_on_the_number_of_threads() {
    let bench = Bench::new();
    let tape = bench.tape("FILUSDT-calm_1m.csv", MINUTE, 2_300);
    let words = ["--guard-episodes", "3", "--json", "--threads"];
    let one = told(&[&words[..], &["1"]].concat(), &[&tape]);
    assert_eq!(told(&[&words[..], &["3"]].concat(), &[&tape]), one);
    let answer: Value = serde_json::from_str(&one).expect("json");
    let guard: u64 = answer["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .filter(|row| row["policy"] == "guard")
        .filter_map(|row| row["episodes"].as_u64())
        .sum();
    assert_eq!(guard, 3);
    assert_eq!(answer["tapes"]["calm"], 1);
}

#[test]
fn a_folder_plays_its_tapes_and_says_what_it_left_out_or_found_too_short() {
    let bench = Bench::new();
    bench.tape("a_BTCUSDT_1m.csv", MINUTE, 2_200);
    bench.tape("b_BTCUSDT_5m.csv", 5 * MINUTE, 440);
    bench.tape("c_SHORTUSDT_1m.csv", MINUTE, 1_440);
    bench.tape("d_BTCUSDT_mark_1m.csv", MINUTE, 2_200);
    bench.put(
        "e_BTCUSDT_funding.csv",
        "ts_ms,funding_rate\n1795132800000,0.0001\n",
    );
    bench.put("README.md", "no tape");
    let words = ["--policy", "none"];
    let answer = json(&words, &[bench.folder.path()]);
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

    let text = told(&words, &[bench.folder.path()]);
    for part in [
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
    assert_eq!(json(&words, &[&marks])["tapes"]["played"], 1);
}

#[test]
fn what_cannot_be_played_is_refused_with_the_reason() {
    let bench = Bench::new();
    let tape = bench.tape("BTCUSDT_1m.csv", MINUTE, 2_200);
    let absent = bench.path("absent.csv");
    refused(&[], &[&absent], 66, &["absent.csv", "no such file"]);
    refused(&[], &[&tape, &absent], 66, &["absent.csv"]);
    let broken = bench.put(
        "broken.csv",
        "ts_ms,open,high,low,close\n1795132800000,1,1,1,1\n1795132860000,1,x,1,1\n",
    );
    refused(&[], &[&broken], 65, &["broken.csv, line 3", "high"]);
    let foreign = bench.put("foreign.csv", "a,b\n1,2\n");
    refused(&[], &[&foreign], 65, &["foreign.csv, line 1"]);
    let short = bench.tape("short.csv", MINUTE, 1_000);
    refused(
        &[],
        &[&short],
        65,
        &["no tape is long enough", "24 h", "12 h"],
    );
    let empty = bench.path("empty");
    fs::create_dir(&empty).expect("a folder");
    refused(&[], &[&empty], 66, &["holds no tape"]);
}

#[test]
fn a_broken_file_in_a_folder_is_not_passed_over() {
    let bench = Bench::new();
    bench.tape("a_BTCUSDT_1m.csv", MINUTE, 2_200);
    bench.put(
        "b.csv",
        "ts_ms,open,high,low,close\n1795132800000,1,1,2,1\n",
    );
    refused(
        &[],
        &[bench.folder.path()],
        65,
        &["b.csv, line 2", "below the low"],
    );
}

#[test]
fn a_wrong_command_line_is_told_what_would_be_right() {
    let bench = Bench::new();
    let tape = bench.tape("BTCUSDT_1m.csv", MINUTE, 2_200);
    refused(&[], &[], 2, &["--tape"]);
    refused(
        &["--policy", "hope"],
        &[&tape],
        2,
        &["hope", "auto-margin", "guard"],
    );
    refused(&["--preset", "tight"], &[&tape], 2, &["tight", "balanced"]);
    refused(&["--leverage", "0"], &[&tape], 2, &["1..=150"]);
    refused(&["--entry-every", "4"], &[&tape], 2, &["4h or 30m"]);
    refused(&["--threads", "0"], &[&tape], 2, &["1 to 1024"]);
    refused(&["--side", "up"], &[&tape], 2, &["long", "both"]);
}

/// Ctrl-C while the guard is at work on more episodes than it could play in minutes.
#[cfg(unix)]
#[test]
fn a_stopped_replay_leaves_a_report_that_says_it_is_partial() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    use std::time::Duration;

    let bench = Bench::new();
    let tape = bench.tape("BTCUSDT_1m.csv", MINUTE, 12_000);
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
    assert_eq!(Some(counted), done);
}

#[test]
fn a_page_with_charts_is_written_where_asked_for() {
    let bench = Bench::new();
    let tape = bench.tape("a_BTCUSDT_1m.csv", MINUTE, 2_600);
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
    let said = told(&[&words[..], &asked].concat(), &[&tape]);
    assert!(said.contains("naive"), "{said}");
    let html = fs::read_to_string(&page).expect("the page");
    assert!(
        html.contains("<svg") && html.contains("Kept efficiency"),
        "no chart"
    );
    assert!(html.contains("naive") && html.contains("50×"), "no rows");
    let nowhere = bench.path("no/such/folder.html");
    let asked = ["--report", nowhere.to_str().expect("a path")];
    refused(
        &[&words[..], &asked].concat(),
        &[&tape],
        73,
        &["folder.html"],
    );
}
