use super::*;
use crate::domain::{
    MarginMode, Money, PositionKey, PositionMode, PositionSide, Quantity, Side, Symbol,
};
use crate::guard::event::Mode;
use crate::guard::intent::{
    Before, Ending, FillReport, Intent, IntentId, IntentKind, Outcome, Reaction, Scope,
};
use crate::guard::journal::Entry;
use crate::guard::level::Level;
use crate::journal::FILE_NAME;

/// 2026-11-22T12:00:00Z.
const NOON: Timestamp = Timestamp::from_civil(2026, 11, 22, 12 * HOUR_MS);

fn money(text: &str) -> Money {
    text.parse().expect("money")
}

fn intent(id: &str, plan: u64, kind: IntentKind) -> Intent {
    let key = PositionKey {
        symbol: Symbol::new("BTCUSDT"),
        position_side: PositionSide::Both,
    };
    Intent {
        id: IntentId::from_text(id),
        plan,
        scope: Scope::Isolated(key.clone()),
        key,
        side: Side::Long,
        margin_mode: MarginMode::Isolated,
        position_mode: PositionMode::OneWay,
        margin_asset: "USDT".to_owned(),
        kind,
        recycled: false,
        before: Before {
            quantity: "0.3".parse::<Quantity>().expect("quantity"),
            isolated_wallet: money("120"),
            cross_wallet: money("900"),
        },
        cost: money("1.25"),
        reason: "1.4 % to the line, floor 1.5 %".to_owned(),
        planned_at: NOON,
    }
}

fn story() -> Vec<Entry> {
    let trim = intent(
        "plim-x-1",
        1,
        IntentKind::Reduce {
            quantity: "0.1".parse().expect("quantity"),
            bound: Some("57310.5".parse().expect("price")),
            recycle: true,
        },
    );
    let add = intent(
        "plim-x-2",
        1,
        IntentKind::AddMargin {
            amount: money("37.5"),
        },
    );
    let late = intent("plim-x-3", 2, IntentKind::AddMargin { amount: money("5") });
    let fill = Some(FillReport {
        quantity: "0.08".parse().expect("quantity"),
        average_price: None,
        fee: Some(money("2.3")),
    });
    let scope = trim.scope.clone();
    let (trim_id, add_id, late_id) = (trim.id.clone(), add.id.clone(), late.id.clone());
    vec![
        Entry::Started {
            version: "0.1.0".to_owned(),
        },
        Entry::Mode { mode: Mode::Auto },
        Entry::Level {
            scope,
            from: Level::Watch,
            to: Level::Acting,
            cause: "distance 1.4 %".to_owned(),
        },
        Entry::Intent { intent: trim },
        Entry::Sent {
            intent: trim_id.clone(),
        },
        Entry::Outcome {
            intent: trim_id.clone(),
            outcome: Outcome::Done { fill },
        },
        Entry::Blind {
            since: NOON,
            reason: "no mark price".to_owned(),
        },
        Entry::Ended {
            intent: trim_id,
            ending: Ending::Verified { fill },
        },
        Entry::Intent { intent: add },
        Entry::Sent {
            intent: add_id.clone(),
        },
        Entry::Sighted {
            since: NOON,
            blind_ms: 65_000,
        },
        Entry::Outcome {
            intent: add_id.clone(),
            outcome: Outcome::Rejected {
                reaction: Reaction::NoBalance,
                code: Some(-2019),
                message: "Margin is insufficient.\u{1b}[2J".to_owned(),
            },
        },
        Entry::Ended {
            intent: add_id,
            ending: Ending::NotExecuted {
                message: "refused\u{1b}[2J".to_owned(),
            },
        },
        Entry::PlanEnded { plan: 1 },
        Entry::Intent { intent: late },
        Entry::Sent { intent: late_id },
    ]
}

/// One record per minute from noon.
fn written(entries: &[Entry]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("dir");
    let mut journal = Journal::open(dir.path()).expect("journal");
    for (n, entry) in (0..).zip(entries) {
        journal
            .append(NOON.plus_ms(n * MINUTE_MS), entry)
            .expect("written");
    }
    dir
}

fn shown(dir: &tempfile::TempDir, change: impl FnOnce(&mut JournalArgs)) -> String {
    let mut args = JournalArgs {
        data_dir: Some(dir.path().to_owned()),
        ..JournalArgs::default()
    };
    change(&mut args);
    let mut out = Vec::new();
    run_at(&args, &mut out, NOON.plus_ms(HOUR_MS)).expect("shown");
    String::from_utf8(out).expect("text")
}

#[test]
fn the_table_has_one_row_per_act_with_its_ending() {
    let text = shown(&written(&story()), |_| {});
    let expected = "\
TIME (UTC)           SCOPE    WHAT                                       AMOUNT     COST   STATE                    REASON
2026-11-22 12:00:00           start                                                        started                  version 0.1.0
2026-11-22 12:01:00           mode                                                         auto
2026-11-22 12:02:00  BTCUSDT  level                                                        watch -> acting          distance 1.4 %
2026-11-22 12:03:00  BTCUSDT  reduce long at 57310.5 or better, recycle  0.1        2.3    verified, filled 0.08    1.4 % to the line, floor 1.5 %
2026-11-22 12:06:00           blind                                                        for 1 min 5 s            no mark price
2026-11-22 12:08:00  BTCUSDT  add margin                                 37.5 USDT  ~1.25  not done: refused [2J    1.4 % to the line, floor 1.5 %
2026-11-22 12:14:00  BTCUSDT  add margin                                 5 USDT     ~1.25  sent, outcome not known  1.4 % to the line, floor 1.5 %
";
    assert_eq!(text, expected);
}

#[test]
fn json_is_one_array_with_one_object_per_line() {
    let text = shown(&written(&story()), |args| args.json = true);
    assert_eq!(text.lines().count(), 9);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&text).expect("json");
    assert_eq!(
        rows[3],
        serde_json::json!({
            "at": "2026-11-22T12:03:00Z",
            "last_at": "2026-11-22T12:07:00Z",
            "kind": "intent",
            "scope": "BTCUSDT",
            "what": "reduce long at 57310.5 or better, recycle",
            "amount": "0.1",
            "unit": null,
            "cost": "2.3",
            "cost_is_paid": true,
            "state": "verified, filled 0.08",
            "reason": "1.4 % to the line, floor 1.5 %",
            "intent": "plim-x-1",
            "plan": 1,
        })
    );
}

#[test]
fn csv_has_the_same_columns_with_and_without_rows() {
    let text = shown(&written(&story()), |args| args.csv = true);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(write::HEADER.join(",").as_str()));
    assert_eq!(
        lines.nth(3),
        Some(
            "2026-11-22T12:03:00Z,2026-11-22T12:07:00Z,intent,BTCUSDT,\"reduce long at 57310.5 or better, recycle\",0.1,,2.3,true,\"verified, filled 0.08\",\"1.4 % to the line, floor 1.5 %\",plim-x-1,1"
        )
    );
    let empty = shown(&written(&[]), |args| args.csv = true);
    assert_eq!(empty, format!("{}\n", write::HEADER.join(",")));
}

#[test]
fn since_keeps_what_was_still_going_on_and_limit_the_newest() {
    let dir = written(&story());
    let count = |since: &str| {
        let text = shown(&dir, |args| {
            args.csv = true;
            args.since = Some(since.to_owned());
        });
        text.lines().count() - 1
    };
    // Noon plus one hour is now; the trim of 12:03 ended at 12:07.
    assert_eq!(count("53m"), 4);
    assert_eq!(count("1h"), 7);
    assert_eq!(count("7d"), 7);
    assert_eq!(count("2026-11-22"), 7);
    assert_eq!(count("2026-11-23"), 0);
    let limited = shown(&dir, |args| args.limit = Some(2));
    assert_eq!(limited.lines().count(), 3);
    assert!(limited.contains("5 USDT"));
    let nothing = shown(&dir, |args| args.since = Some("1m".to_owned()));
    assert_eq!(nothing, "The journal holds nothing for this choice.\n");
}

#[test]
fn a_wrong_since_says_what_is_understood() {
    for text in ["yesterday", "24", "2026-02-30", "2026-1-2", "-5h", ""] {
        assert_eq!(
            parse_since(text, NOON).expect_err("refused").to_string(),
            format!(
                "--since {text:?} is neither a time span like 24h or 7d nor a UTC date like 2026-11-22"
            )
        );
    }
}

#[test]
fn an_empty_journal_says_so_and_a_missing_one_says_where_it_looked() {
    let dir = written(&[]);
    assert_eq!(
        shown(&dir, |_| {}),
        format!(
            "The journal in {} is empty: nothing has been done yet.\n",
            dir.path().display()
        )
    );
    assert_eq!(shown(&dir, |args| args.json = true), "[]\n");
    let nowhere = tempfile::tempdir().expect("dir");
    let args = JournalArgs {
        data_dir: Some(nowhere.path().to_owned()),
        ..JournalArgs::default()
    };
    let error = run(&args, &mut Vec::new()).expect_err("missing");
    let path = nowhere.path().join(FILE_NAME);
    assert_eq!(
        error.to_string(),
        format!(
            "there is no journal at {}; it begins with the first `plimsoll run`, or name its directory with --data-dir",
            path.display()
        )
    );
    assert!(!path.exists(), "looking must not create it");
}

#[test]
fn the_configuration_names_the_directory_even_when_its_secrets_are_not_there() {
    let dir = written(&story());
    let place = tempfile::tempdir().expect("dir");
    let file = place.path().join("config.toml");
    let text = format!(
        "data_dir = {:?}\n[exchange]\nsecrets_file = \"gone.toml\"\n",
        dir.path()
    );
    std::fs::write(&file, text).expect("written");
    let args = JournalArgs {
        config: Some(file),
        ..JournalArgs::default()
    };
    let mut out = Vec::new();
    run(&args, &mut out).expect("shown");
    assert!(!out.is_empty());
}

#[test]
fn damage_is_a_row_of_its_own_and_lost_acts_are_named() {
    let dir = written(&story());
    let path = dir.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&path).expect("file");
    let hit = b"57310.5";
    let place = bytes
        .windows(hit.len())
        .position(|w| w == hit)
        .expect("stored");
    bytes[place] = b'6';
    std::fs::write(&path, bytes).expect("spoiled");
    let text = shown(&dir, |_| {});
    assert!(text.contains("damaged record"), "{text}");
    assert!(text.contains("journal row 4"), "{text}");
    assert!(text.contains("its own record is lost"), "{text}");
}

#[test]
fn arguments_are_understood_and_two_formats_at_once_are_not() {
    use clap::{Args, FromArgMatches};
    let parse = |line: &str| {
        JournalArgs::augment_args(clap::Command::new("journal"))
            .try_get_matches_from(line.split(' '))
            .and_then(|found| JournalArgs::from_arg_matches(&found))
    };
    let args = parse("journal --data-dir /d --since 7d --limit 3 --json").expect("understood");
    assert_eq!(args.data_dir, Some(PathBuf::from("/d")));
    assert_eq!((args.since.as_deref(), args.limit), (Some("7d"), Some(3)));
    assert!(args.json && !args.csv);
    assert!(parse("journal --json --csv").is_err());
}
