//! `plimsoll replay` on the simulated exchange, as a program: its JSON, its words, its exit codes.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test program: it fails by panicking"
)]

#[path = "support/shared.rs"]
mod shared;
#[path = "support/tape_command.rs"]
mod tape_command;
#[path = "support/tapes.rs"]
mod tapes;

use serde_json::{Value, json};
use tape_command::{Bench, Program};

const PROGRAM: Program = Program("replay");
const MINUTE: i64 = 60_000;

/// Rows of one number of positions, hedged or not.
fn rows(answer: &Value, legs: u64, hedged: bool) -> Vec<&Value> {
    answer["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .filter(|row| row["legs"] == legs && row["hedged"] == hedged)
        .collect()
}

#[test]
fn tapes_of_one_date_are_played_as_cross_accounts_of_two_and_three() {
    let bench = Bench::new();
    for (seed, symbol) in [(1, "BTCUSDT"), (2, "ETHUSDT"), (3, "SOLUSDT")] {
        bench.walk(&format!("2026-11-20_{symbol}_1m.csv"), seed, MINUTE, 2_400);
    }
    bench.walk("2026-11-21_BTCUSDT_1m.csv", 4, MINUTE, 2_400);
    let words = [
        "--margin",
        "cross",
        "--leverage",
        "50",
        "--entry-every",
        "1d",
        "--faults",
        "api",
        "--policy",
        "none",
        "--policy",
        "guard",
    ];
    let folder = bench.path("");
    let answer = PROGRAM.json(&words, &[&folder]);
    assert_eq!(answer["groups"], json!({"2": 2, "3": 1}));
    for (legs, episodes) in [(2, 4), (3, 2)] {
        let joint = rows(&answer, legs, false);
        assert_eq!(joint.len(), 2, "a row per policy");
        assert!(joint.iter().all(|row| row["episodes"] == episodes));
        assert_eq!(rows(&answer, legs, true)[0]["episodes"], episodes / 2);
    }
    let pairs = rows(&answer, 2, false);
    assert!(pairs[0]["at_risk"].as_u64() > Some(0), "{answer}");
    assert_eq!(pairs[0]["saved"], 0.0);
    assert!(pairs[1]["saved"].as_f64() > Some(0.0), "{answer}");
    assert!(pairs[1]["trims_nearest"].as_u64() > Some(0), "{answer}");
    let settings = &answer["settings"];
    assert_eq!(settings["margin"], "cross");
    assert_eq!(settings["notional"], "40000");
    assert_eq!(
        (&settings["depth"], &settings["faults"]),
        (&json!("collapse"), &json!("api"))
    );
    let text = PROGRAM.told(&words, &[&folder]);
    for part in [
        "2 cross positions of one direction",
        "3 cross positions, long and short",
        "API faults",
    ] {
        assert!(text.contains(part), "`{part}` in: {text}");
    }
}

#[test]
fn one_isolated_position_can_stand_on_the_simulated_exchange() {
    let bench = Bench::new();
    let tape = bench.walk("BTCUSDT_1m.csv", 7, MINUTE, 2_400);
    let words = [
        "--world",
        "--leverage",
        "50",
        "--funding-rate",
        "0",
        "--depth",
        "normal",
    ];
    let answer = PROGRAM.json(&words, &[&tape]);
    let names: Vec<&str> = rows(&answer, 1, false)
        .iter()
        .map(|row| row["policy"].as_str().expect("a name"))
        .collect();
    let all = [
        "none",
        "auto-margin",
        "stop-buffer",
        "ratio-trim",
        "trim-2pct",
        "guard",
    ];
    assert_eq!(names, all);
    let settings = &answer["settings"];
    assert_eq!(settings["margin"], "isolated");
    assert_eq!(settings["funding_rate"], "0");
    let report = bench.path("world.html");
    let report = report.to_str().expect("a path");
    let words = [&words[..], &["--policy", "none", "--report", report]].concat();
    PROGRAM.told(&words, &[&tape]);
    let html = std::fs::read_to_string(report).expect("the page");
    assert!(
        html.contains("1 isolated position, 1-minute bars"),
        "{html}"
    );
    for part in ["<svg", "Saved (", "Kept (", "Friction (", "friction bps"] {
        assert!(html.contains(part), "`{part}`");
    }
    let text = PROGRAM.told(
        &["--world", "--leverage", "50", "--policy", "none"],
        &[&tape],
    );
    for part in [
        "Played: none",
        "an entry every 4 h",
        "naive is not played here",
    ] {
        assert!(text.contains(part), "`{part}` in: {text}");
    }
}

#[test]
fn what_does_not_go_together_is_refused_with_a_sentence() {
    let bench = Bench::new();
    let tape = bench.walk("BTCUSDT_1m.csv", 7, MINUTE, 2_400);
    let tape = [tape.as_path()];
    PROGRAM.refused(&["--faults", "api"], &tape, 2, &["need --world"]);
    PROGRAM.refused(
        &["--margin", "cross", "--policy", "auto-margin"],
        &tape,
        2,
        &["auto-margin is not played with cross margin"],
    );
    PROGRAM.refused(
        &["--margin", "cross"],
        &tape,
        65,
        &["no two tapes of one date"],
    );
    PROGRAM.refused(
        &["--world", "--funding-rate", "6"],
        &tape,
        2,
        &["from -5 to 5"],
    );
}

/// The second half of a trim may be lost on the way; what it would have put back is put in a day later.
#[test]
fn margin_that_a_trim_freed_is_no_new_money_when_it_comes_back_later() {
    let Some(tapes) = shared::shared("tapes") else {
        return;
    };
    let tape = tapes.join("2021-12-04_XRPUSDT-spot_1m.csv.gz");
    let words = [
        "--world",
        "--faults",
        "api",
        "--policy",
        "guard",
        "--preset",
        "tight",
        "--leverage",
        "20",
        "--entry-every",
        "24h",
    ];
    let answer = PROGRAM.json(&words, &[&tape]);
    let new_money = answer["rows"][0]["new_money"].as_f64().expect("a share");
    assert!((0.5..=1.0).contains(&new_money), "{answer}");
}
