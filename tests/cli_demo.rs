//! What the program prints is what it promised: the demo, the status, the check, the simulated
//! exchange and the journal.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    reason = "a test program: it fails by panicking; percentages are compared"
)]

#[path = "support/venue.rs"]
mod venue;

use std::io::{Read, Write};
use std::net::TcpStream;

use plimsoll::guard::journal::Entry;
use rust_decimal::{Decimal, dec};
use serde_json::Value;
use venue::{CROSS, Home, ISOLATED, Told, Venue};

fn demo(words: &[&str]) -> Told {
    let mut all = vec!["demo", "--speed", "max"];
    all.extend(words);
    Home::new().call(&all)
}

/// The JSON of a play that ended with `code`.
#[track_caller]
fn played(words: &[&str], code: i32) -> Value {
    let told = demo(&[words, &["--json"]].concat());
    assert_eq!(told.code, Some(code), "{words:?}: {told:?}");
    assert_eq!(told.err, "", "{words:?}");
    assert_eq!(told.out.lines().count(), 1, "one line: {}", told.out);
    let json: Value = serde_json::from_str(&told.out).expect("json");
    shape(&json);
    json
}

/// Keys and kinds as promised.
#[track_caller]
fn shape(json: &Value) {
    let exact = |value: &Value| {
        let text = value
            .as_str()
            .unwrap_or_else(|| panic!("no text: {value} in {json}"));
        let number: Decimal = text.parse().expect("decimal");
        assert_eq!(number.normalize().to_string(), text, "plain and exact");
    };
    let moment = |value: &Value| assert!(value.is_null() || value.is_i64(), "{value}");
    let protected = &json["protected"];
    for side in [protected, &json["unprotected"]] {
        assert!(side["liquidated"].is_boolean(), "{json}");
        moment(&side["liquidated_at_ms"]);
        assert_eq!(
            side["liquidated"] == true,
            side["liquidated_at_ms"].is_i64()
        );
        exact(&side["equity_usdt"]);
        exact(&side["fees_usdt"]);
    }
    let kept = protected["position_kept_pct"].as_f64().expect("number");
    assert!((0.0..=100.0).contains(&kept), "{kept}");
    for action in protected["actions"].as_array().expect("list") {
        let kind = action["kind"].as_str().expect("text");
        assert!(
            ["add-margin", "recycle-margin", "trim", "close"].contains(&kind),
            "{kind}"
        );
        assert!(
            action["at_ms"].as_i64() >= json["start_ms"].as_i64(),
            "{action}"
        );
        assert!(
            action["reason"]
                .as_str()
                .is_some_and(|reason| reason.len() > 20)
        );
        // Only against an exchange that has closed the position already may an act fail.
        let done = action["verified"] == true;
        assert!(done || protected["liquidated"] == true, "{action}");
        assert_eq!(done, action["state"] == "verified", "{action}");
        exact(&action["amount"]);
        exact(&action["cost_usdt"]);
    }
    assert!(json["tape"].is_string() && json["seed"].is_u64() && json["notes"].is_array());
}

fn actions(json: &Value) -> usize {
    json["protected"]["actions"].as_array().expect("list").len()
}

#[test]
fn every_crash_takes_the_twin_and_spares_the_guarded_position() {
    std::thread::scope(|scope| {
        for scenario in ["flash-crash", "grind", "squeeze"] {
            scope.spawn(move || {
                let json = played(&["--scenario", scenario], 0);
                assert_eq!(json["unprotected"]["liquidated"], true, "{scenario}");
                assert_eq!(json["protected"]["liquidated"], false, "{scenario}");
                assert_eq!(json["protected"]["alarms"], 0, "{scenario}");
                assert_eq!(
                    (&json["tape"], &json["seed"]),
                    (&scenario.into(), &1.into())
                );
                assert!(actions(&json) > 0, "{scenario}");
                let equity = |side: &str| {
                    json[side]["equity_usdt"]
                        .as_str()
                        .unwrap()
                        .parse::<Decimal>()
                        .unwrap()
                };
                assert!(equity("protected") > equity("unprotected"), "{scenario}");
            });
        }
    });
}

#[test]
fn an_ordinary_day_is_left_alone() {
    std::thread::scope(|scope| {
        for mode in ["isolated", "cross"] {
            for leverage in ["5", "10", "20"] {
                scope.spawn(move || {
                    let json = played(
                        &[
                            "--scenario",
                            "calm",
                            "--leverage",
                            leverage,
                            "--margin-mode",
                            mode,
                        ],
                        0,
                    );
                    assert_eq!(actions(&json), 0, "{mode} {leverage}");
                    assert_eq!(json["protected"]["position_kept_pct"], 100.0);
                    assert_eq!(
                        json["protected"]["equity_usdt"],
                        json["unprotected"]["equity_usdt"]
                    );
                    assert_eq!(
                        (json["margin_mode"].as_str(), json["leverage"].to_string()),
                        (Some(mode), leverage.to_owned())
                    );
                });
            }
        }
    });
}

#[test]
fn the_same_seed_plays_the_same_and_another_one_differs() {
    let (first, again, other) = std::thread::scope(|scope| {
        let play = |seed: &'static str| {
            scope.spawn(move || demo(&["--scenario", "squeeze", "--seed", seed, "--json"]))
        };
        let (first, again, other) = (play("7"), play("7"), play("8"));
        (
            first.join().unwrap(),
            again.join().unwrap(),
            other.join().unwrap(),
        )
    });
    assert_eq!(first.out, again.out);
    assert!(first.out.contains("\"seed\":7") && other.out.contains("\"seed\":8"));
    let fates = [&first, &other].map(|told| {
        let json: Value = serde_json::from_str(&told.out).expect("json");
        json["unprotected"].clone()
    });
    assert_ne!(fates[0], fates[1]);
}

/// An hour of minutes around `price` that falls by 9 % in its second half, as rows of `columns`.
fn hour(price: i64, micros: bool, klines: bool) -> String {
    let mut rows = String::new();
    for minute in 0..60_i64 {
        let fall = price * (minute - 30).clamp(0, 18) / 200;
        let next = price * (minute - 29).clamp(0, 18) / 200;
        let (open, close) = (price - fall, price - next);
        let start = 1_760_000_040_000 + minute * 60_000;
        let end = start + 59_999;
        let unit = if micros { 1_000 } else { 1 };
        let (start, end) = (start * unit, end * unit + unit - 1);
        rows.push_str(&format!("{start},{open},{open},{close},{close}"));
        if klines {
            rows.push_str(&format!(",1.5,{end},1,10,1,1,0"));
        }
        rows.push('\n');
    }
    rows
}

const HOUSE: &str = "ts_ms,open,high,low,close\n";
const KLINES: &str = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n";

fn zipped(name: &str, text: &str) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    archive.start_file(name, options).expect("entry");
    archive.write_all(text.as_bytes()).expect("written");
    archive.finish().expect("finished").into_inner()
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).expect("written");
    packed.finish().expect("finished")
}

/// Writes a tape and plays it; leverage 10 unless `words` say otherwise.
#[track_caller]
fn tape(name: &str, bytes: &[u8], words: &[&str], code: i32) -> Value {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    let path = path.to_str().expect("text");
    played(&[&["--tape", path], words].concat(), code)
}

#[test]
fn every_container_and_every_shape_of_rows_plays_the_same() {
    let house = HOUSE.to_owned() + &hour(60_000, false, false);
    let klines = KLINES.to_owned() + &hour(60_000, false, true);
    let bare = hour(60_000, false, true);
    let micros = hour(60_000, true, true);
    let mut fates = Vec::new();
    for (name, bytes) in [
        ("BTCUSDT-1m.csv", house.clone().into_bytes()),
        ("BTCUSDT-1m.csv", klines.clone().into_bytes()),
        ("BTCUSDT-1m.csv", bare.into_bytes()),
        ("BTCUSDT-1m.csv", micros.clone().into_bytes()),
        ("BTCUSDT-1m.csv.gz", gzipped(&house)),
        ("BTCUSDT-1m.zip", zipped("BTCUSDT-1m.csv", &klines)),
        ("BTCUSDT-1m.zip", zipped("BTCUSDT-1m.csv", &micros)),
    ] {
        let mut json = tape(name, &bytes, &[], 0);
        assert!(actions(&json) > 0, "{name}: it fell to the line");
        assert_eq!(json["symbol"], "BTCUSDT");
        json["tape"] = Value::Null;
        fates.push(json);
    }
    for fate in &fates {
        assert_eq!(fate, &fates[0]);
    }
}

/// All notes as one text.
fn notes(json: &Value) -> String {
    json["notes"].to_string()
}

#[test]
fn notes_say_what_is_not_as_on_the_real_exchange() {
    let rows = (HOUSE.to_owned() + &hour(60_000, false, false)).into_bytes();
    let known = notes(&tape("BTCUSDT-1m.csv", &rows, &[], 0));
    assert!(
        known.contains("last traded price stands in for the mark price"),
        "{known}"
    );
    assert!(!known.contains("generic"), "{known}");
    let unknown = notes(&tape("XYZUSDT-1m.csv", &rows, &[], 0));
    assert!(
        unknown.contains("generic table") && unknown.contains("XYZUSDT"),
        "{unknown}"
    );
    let inverse = tape("2025-10-10_ATOMUSD_PERP_1m.csv", &rows, &[], 0);
    assert_eq!(inverse["symbol"], "ATOMUSDT");
    let inverse = notes(&inverse);
    assert!(
        inverse.contains("inverse contract ATOMUSD_PERP played as linear ATOMUSDT"),
        "{inverse}"
    );
    assert!(inverse.contains("generic table"), "{inverse}");
    let marks = notes(&tape("BTCUSDT_mark_1m.csv", &rows, &[], 0));
    assert!(!marks.contains("stands in"), "{marks}");
}

#[test]
fn a_gap_through_the_line_is_admitted() {
    let mut rows = HOUSE.to_owned();
    for minute in 0..20_i64 {
        let price = if minute < 10 { 60_000 } else { 48_000 };
        let start = 1_760_000_040_000 + minute * 60_000;
        rows.push_str(&format!("{start},{price},{price},{price},{price}\n"));
    }
    for mode in ["isolated", "cross"] {
        let words = [
            "--leverage",
            "10",
            "--reserve-usdt",
            "0",
            "--margin-mode",
            mode,
        ];
        let json = tape("BTCUSDT-1m.csv", rows.as_bytes(), &words, 3);
        assert_eq!(json["protected"]["liquidated"], true, "{mode}");
        assert_eq!(json["protected"]["position_kept_pct"], 0.0, "{mode}");
        assert_eq!(json["unprotected"]["liquidated"], true, "{mode}");
    }
    // At the highest leverages it trims at once, and still cannot outrun a gap.
    let words = ["--leverage", "100", "--reserve-usdt", "0"];
    let json = tape("BTCUSDT-1m.csv", rows.as_bytes(), &words, 3);
    assert_eq!(json["protected"]["actions"][0]["kind"], "trim");
    assert_eq!(json["protected"]["actions"][0]["verified"], true);
}

#[test]
fn a_person_is_told_the_story_and_its_end() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("XYZUSDT-1m.csv");
    std::fs::write(&path, HOUSE.to_owned() + &hour(60_000, false, false)).expect("written");
    let told = demo(&["--tape", path.to_str().expect("text")]);
    assert_eq!(told.code, Some(0), "{told:?}");
    for words in [
        "Plimsoll demo: tape XYZUSDT-1m",
        "note: ",
        "generic table",
        "Both accounts hold",
        "Sent: add",
        "Verified",
        "protected       unprotected",
        "position",
        "survived",
        "kept",
        "equity",
        "fees",
        "actions",
        "verified)",
    ] {
        assert!(told.out.contains(words), "{words:?}: {}", told.out);
    }
    assert!(!told.out.contains('\u{1b}'), "no colours in a pipe");
}

#[test]
fn the_status_shows_the_position_under_stable_names() {
    for opening in [ISOLATED, CROSS] {
        let venue = Venue::with(opening);
        let home = Home::at(&venue.urls());
        let told = home.ask(&["status", "--json"]);
        assert_eq!(told.code, Some(0), "{told:?}");
        let json: Value = serde_json::from_str(&told.out).expect("json");
        let position = &json["positions"][0];
        let text = |key: &str| {
            position[key]
                .as_str()
                .unwrap_or_else(|| panic!("{key}: {position}"))
        };
        let number = |key: &str| text(key).parse::<Decimal>().expect("decimal");
        assert_eq!((text("symbol"), text("side")), ("BTCUSDT", "long"));
        assert_eq!(text("margin_mode"), opening.mode.to_string());
        assert_eq!(position["leverage"], 20);
        let held = venue.position();
        assert_eq!(number("quantity"), held.quantity.get());
        assert_eq!(
            number("entry_price").round_dp(2),
            held.entry_price.get().round_dp(2)
        );
        assert!((number("mark_price") - dec!(40001)).abs() <= dec!(1));
        let apart = number("liquidation_price") - number("exchange_liquidation_price");
        assert!(apart.abs() <= dec!(0.1), "{position}");
        for key in ["isolated_margin", "unrealized_pnl"] {
            number(key);
        }
        let distance = position["distance_pct"].as_f64().expect("number");
        assert!((4.0..7.0).contains(&distance), "{distance}");
        let ratio = position["margin_ratio"].as_f64().expect("number");
        assert!((0.0..1.0).contains(&ratio), "{ratio}");
        assert_eq!(text("level"), "calm");
        assert_eq!(json["exchange"], "binance-usdm");
        assert!(
            venue
                .face()
                .requests()
                .iter()
                .all(|request| request.method == "GET")
        );
        let plain = home.ask(&["status"]);
        assert!(
            plain.out.contains("BTCUSDT") && plain.code == Some(0),
            "{plain:?}"
        );
    }
}

#[test]
fn a_check_only_asks() {
    let venue = Venue::with(ISOLATED);
    let mut home = Home::at(&venue.urls());
    home.set("", "mode = \"auto\"");
    home.set("guard", "floor_distance_pct = 6");
    let told = home.ask(&["check"]);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{told:?}");
    for words in [
        "ok    configuration",
        "may not withdraw",
        "mode auto",
        "would guard BTCUSDT long",
        "but questions",
    ] {
        assert!(told.out.contains(words), "{words}: {}", told.out);
    }
    let requests = venue.face().requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| request.method == "GET"));
    let empty = Venue::empty();
    let told = Home::at(&empty.urls()).ask(&["check"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.out.contains("no open position"), "{told:?}");
}

#[test]
fn the_simulated_exchange_says_where_it_is_and_answers() {
    let home = Home::new();
    let mut program = home.start(&["exchange", "--scenario", "flash-crash", "--speed", "10"]);
    program.until_said("}");
    let out = program.out();
    let urls: Value = serde_json::from_str(out.lines().next().expect("line")).expect("json");
    let address = urls["rest"]
        .as_str()
        .and_then(|rest| rest.strip_prefix("http://"))
        .expect("address");
    let mut stream = TcpStream::connect(address).expect("connected");
    let request =
        format!("GET /fapi/v1/time HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("serverTime"),
        "{answer}"
    );
    for key in ["wallet_rest", "ws", "ws_public", "ws_market", "ws_private"] {
        assert!(urls[key].is_string(), "{urls}");
    }
    let (status, out, err) = program.stop();
    assert_eq!(
        (status.code(), out.lines().count(), err.as_str()),
        (Some(0), 1, "")
    );
}

#[test]
fn the_journal_tells_what_a_run_did_in_every_form() {
    let venue = Venue::with(ISOLATED);
    let mut home = Home::at(&venue.urls());
    home.set("", "mode = \"auto\"");
    home.set("guard", "floor_distance_pct = 6");
    home.set("budget", "add_per_action_usdt = 2000");
    home.set("budget", "add_per_position_day_usdt = 2000");
    home.set("budget", "trim_per_action_pct = 5");
    let mut program = home.run();
    program.until("the plan ends", || {
        home.journal()
            .iter()
            .any(|entry| matches!(entry, Entry::PlanEnded { .. }))
    });
    let (_, out, _) = program.stop();
    let place = |words: &str| out.find(words).unwrap_or_else(|| panic!("{words}: {out}"));
    assert!(
        place("is watching 1 position(s) in auto mode") < place("Sent: add"),
        "{out}"
    );
    assert!(place("Sent: add") < place("Verified"), "{out}");
    let added = venue.added()[0].amount.get().normalize().to_string();
    let table = home.ask(&["journal"]);
    assert_eq!(table.code, Some(0), "{table:?}");
    assert!(table.out.starts_with("TIME (UTC)"), "{}", table.out);
    assert!(
        table.out.contains("add margin")
            && table.out.contains(&added)
            && table.out.contains("verified"),
        "{}",
        table.out
    );
    let json = home.ask(&["journal", "--json"]);
    let rows: Value = serde_json::from_str(&json.out).expect("json");
    let row = rows
        .as_array()
        .expect("list")
        .iter()
        .find(|row| row["kind"] == "intent")
        .expect("intent");
    assert_eq!(
        row["amount"]
            .as_str()
            .expect("text")
            .parse::<Decimal>()
            .unwrap()
            .normalize()
            .to_string(),
        added
    );
    assert!(
        row["state"]
            .as_str()
            .is_some_and(|state| state.contains("verified")),
        "{row}"
    );
    let csv = home.ask(&["journal", "--csv", "--limit", "50"]);
    let mut reader = csv::Reader::from_reader(csv.out.as_bytes());
    let header = reader.headers().expect("header").clone();
    assert_eq!(header.get(0), Some("at"));
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("row")).collect();
    assert!(
        rows.iter()
            .any(|row| row.iter().any(|cell| cell == "add margin"))
    );
    assert_eq!(
        home.ask(&["journal", "--json", "--since", "2020-01-01", "--limit", "0"])
            .out,
        "[]\n"
    );
}
