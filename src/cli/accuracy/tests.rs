use super::*;
use crate::domain::{HOUR_MS, MINUTE_MS, PositionSide, Symbol};
use crate::guard::journal::Chance;
use crate::journal::Journal;

/// 2026-11-22T12:00:00Z.
const NOON: Timestamp = Timestamp::from_civil(2026, 11, 22, 12 * HOUR_MS);

fn key() -> PositionKey {
    PositionKey {
        symbol: Symbol::new("BTCUSDT"),
        position_side: PositionSide::Both,
    }
}

fn forecast(made_at: Timestamp, chances: &[(i64, f64)]) -> Entry {
    let chance = |(horizon_ms, chance): &(i64, f64)| Chance {
        horizon_ms: *horizon_ms,
        chance: *chance,
    };
    Entry::Forecast {
        key: key(),
        falls_hurt: true,
        mark: "100000".parse().expect("price"),
        line: "95381.5".parse().expect("price"),
        made_at,
        chances: chances.iter().map(chance).collect(),
    }
}

fn scored(made_at: Timestamp, horizon_ms: i64, chance: f64, verdict: Verdict) -> Entry {
    Entry::Scored {
        key: key(),
        made_at,
        horizon_ms,
        chance,
        verdict,
    }
}

fn written(entries: &[Entry]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("dir");
    let mut journal = Journal::open(dir.path()).expect("journal");
    for entry in entries {
        journal.append(NOON, entry).expect("appended");
    }
    dir
}

fn shown(dir: &tempfile::TempDir, json: bool) -> String {
    let args = AccuracyArgs {
        data_dir: Some(dir.path().to_owned()),
        json,
        ..AccuracyArgs::default()
    };
    let mut out = Vec::new();
    run(&args, &mut out).expect("shown");
    String::from_utf8(out).expect("text")
}

/// Forty 15-minute forecasts of 3 %, one of them touched; one of 40 % touched; one void, one open.
fn story() -> Vec<Entry> {
    let quarter = 15 * MINUTE_MS;
    let mut entries = Vec::new();
    for index in 0..42_i64 {
        let made_at = NOON.plus_ms(index * 31 * MINUTE_MS);
        let chance = if index == 40 { 0.4 } else { 0.03 };
        entries.push(forecast(made_at, &[(quarter, chance), (HOUR_MS, 0.1)]));
        let verdict = match index {
            7 | 40 => Verdict::Touched,
            41 => Verdict::Void,
            _ => Verdict::Untouched,
        };
        entries.push(scored(made_at, quarter, chance, verdict));
        if index < 41 {
            entries.push(scored(made_at, HOUR_MS, 0.1, Verdict::Void));
        }
    }
    entries
}

#[test]
fn a_trader_reads_how_often_what_was_said_came_true() {
    let dir = written(&story());
    let text = shown(&dir, false);
    let expected = format!(
        "41 forecasts scored in {}; 1 still open, 42 not counted (not watched to the end).

Within 15 min: 41 forecasts, the line was touched 2 times.
  Brier score 0.0326 (base rate 0.0584: better), log score 0.1368 (base rate 0.2463: better)
  Of 40 times it said 2–5 % (3.0 % on average), the line was touched 1 time.
  Of 1 time it said 35–50 % (40 % on average), the line was touched 1 time.

Lower scores are better.",
        dir.path().display()
    );
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn json_has_all_horizons_in_order_and_numbers_as_numbers() {
    let text = shown(&written(&story()), true);
    let value: serde_json::Value = serde_json::from_str(&text).expect("json");
    assert_eq!(
        (&value["scored"], &value["void"], &value["open"]),
        (&41.into(), &42.into(), &1.into())
    );
    let horizons = value["horizons"].as_array().expect("horizons");
    let ms: Vec<_> = horizons
        .iter()
        .filter_map(|h| h["horizon_ms"].as_i64())
        .collect();
    assert_eq!(ms, SCORED_HORIZONS_MS);
    assert_eq!(horizons[0]["reliability"][0]["count"], 40);
    assert!(horizons[0]["forecast"]["brier"].is_f64());
    assert!(horizons[3]["forecast"].is_null());
}

#[test]
fn with_nothing_scored_it_says_so() {
    let text = shown(&written(&[]), false);
    assert!(
        text.starts_with("Nothing has been scored yet in "),
        "{text}"
    );
    let open = written(&[forecast(NOON, &[(HOUR_MS, 0.2)])]);
    assert!(shown(&open, false).contains("1 still open"));
}

#[test]
fn a_verdict_whose_forecast_was_lost_counts_all_the_same() {
    let dir = written(&[scored(NOON, HOUR_MS, 0.2, Verdict::Untouched)]);
    assert!(shown(&dir, false).contains("Within 1 h: 1 forecast, the line was touched 0 times."));
}

#[test]
fn shares_and_edges_read_well() {
    let percents = [0.0, 0.00312, 0.042, 0.37].map(percent);
    assert_eq!(percents, ["below 0.01 %", "0.31 %", "4.2 %", "37 %"]);
    assert_eq!(between(0.0, 0.001), "under 0.1 %");
    assert_eq!(between(0.02, 0.05), "2–5 %");
    assert_eq!(between(0.5, 1.0), "50 % or more");
}
