//! Whatever is wrong, the program ends with one clear sentence and the documented exit code, and never
//! says a secret.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test program: it fails by panicking"
)]

#[path = "support/venue.rs"]
mod venue;

use std::fs::Permissions;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use plimsoll::sim::KeyScopes;
use plimsoll::sim::face::{Effect, Fault};
use venue::{Home, ISOLATED, KEY, SECRET, Told, Venue};

const USAGE: i32 = 2;
const BAD_INPUT: i32 = 65;
const NO_INPUT: i32 = 66;
const UNAVAILABLE: i32 = 69;
const CANNOT_CREATE: i32 = 73;
const REFUSED: i32 = 77;
const CONFIG: i32 = 78;

/// Checks the end of a command that could not do its work.
#[track_caller]
fn refused(home: &Home, told: &Told, code: i32, words: &[&str]) {
    assert_eq!(told.code, Some(code), "{told:?}");
    let reason = told.reason();
    for word in words {
        assert!(reason.contains(word), "{word:?} is missing: {told:?}");
    }
    let problems = reason
        .lines()
        .filter(|line| line.starts_with("plimsoll: ") || line.starts_with("error: "));
    assert_eq!(problems.count(), 1, "{told:?}");
    if !reason.starts_with("error: ") {
        assert_eq!(reason.lines().count(), 1, "{told:?}");
    }
    no_internals(told);
    no_secrets(home, &[&told.out, &told.err]);
}

#[track_caller]
fn no_internals(told: &Told) {
    for odd in [
        "panicked",
        "BACKTRACE",
        "Some(",
        "None",
        "Err(",
        "Ok(",
        "Error {",
        "Os {",
        "\\\"",
        "src/",
        "::",
    ] {
        assert!(!told.reason().contains(odd), "{odd:?}: {told:?}");
    }
}

#[track_caller]
fn no_secrets(home: &Home, texts: &[&str]) {
    let data = String::from_utf8_lossy(&home.data()).into_owned();
    for text in texts.iter().copied().chain([data.as_str()]) {
        for secret in [KEY, SECRET, "canary", "signature="] {
            assert!(!text.contains(secret), "{secret} is said: {text}");
        }
    }
}

fn demo(home: &Home, words: &[&str]) -> Told {
    let mut all = vec!["demo", "--speed", "max", "--json"];
    all.extend(words);
    home.call(&all)
}

fn write(home: &Home, name: &str, bytes: &[u8]) -> String {
    let path = home.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    path.to_str().expect("text").to_owned()
}

#[test]
fn tapes_that_cannot_be_played_are_named_with_the_reason() {
    let home = Home::new();
    let told = demo(&home, &["--tape", "no-such.csv"]);
    refused(&home, &told, NO_INPUT, &["no-such.csv", "no such file"]);
    let binary = write(&home, "BTCUSDT.csv", &[0, 159, 146, 150, 0, 1, 2, 3]);
    let told = demo(&home, &["--tape", &binary]);
    refused(&home, &told, BAD_INPUT, &["BTCUSDT.csv", "binary"]);
    let mut rows = "ts_ms,open,high,low,close\n".to_owned();
    rows.push_str("1760000000000,100,101,99,100\n1760000060000,100,high,99,100\n");
    let broken = write(&home, "ETHUSDT.csv", rows.as_bytes());
    let told = demo(&home, &["--tape", &broken]);
    refused(&home, &told, BAD_INPUT, &["ETHUSDT.csv, line 3", "`high`"]);
    let gz = write(&home, "BTCUSDT.csv.gz", &[0x1f, 0x8b, 8, 0, 0, 0]);
    let told = demo(&home, &["--tape", &gz]);
    refused(&home, &told, BAD_INPUT, &["BTCUSDT.csv.gz", "unpacked"]);
    let folder = home.path().to_str().expect("text");
    let told = demo(&home, &["--tape", folder]);
    refused(&home, &told, BAD_INPUT, &["folder"]);
    let empty = write(&home, "SOLUSDT.csv", b"");
    let told = demo(&home, &["--tape", &empty]);
    refused(&home, &told, BAD_INPUT, &["SOLUSDT.csv", "empty"]);
    let told = home.call(&["exchange", "--tape", "no-such.csv"]);
    refused(&home, &told, NO_INPUT, &["no-such.csv"]);
}

#[test]
fn a_demo_that_cannot_be_is_refused_as_a_wrong_command_line() {
    let home = Home::new();
    let rows: String = (0..60)
        .map(|minute| {
            format!(
                "{},100,101,99,100\n",
                1_760_000_000_000_i64 + minute * 60_000
            )
        })
        .collect();
    let tape = write(
        &home,
        "BTCUSDT.csv",
        format!("ts_ms,open,high,low,close\n{rows}").as_bytes(),
    );
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["--scenario", "flashcrash"],
            &["flashcrash", "flash-crash"],
        ),
        (&["--leverage", "0"], &["--leverage"]),
        (&["--leverage", "151"], &["--leverage", "150"]),
        (&["--leverage", "ten"], &["--leverage", "from 1 to 150"]),
        (&["--leverage", "-10"], &["--leverage", "from 1 to 150"]),
        (
            &["--enter-at", "yesterday"],
            &["--enter-at", "2025-10-10T21:00"],
        ),
        (&["--enter-at", "2025-10-10"], &["--enter-at", "--tape"]),
        (&["--speed", "0"], &["--speed", "above 0"]),
        (&["--reserve-usdt=-1"], &["--reserve-usdt"]),
        (&["--margin-mode", "crossed"], &["--margin-mode", "cross"]),
        (&["--side", "up"], &["--side", "long"]),
        (&["--no-such-flag"], &["--no-such-flag"]),
        (
            &["--scenario", "grind", "--tape", &tape],
            &["--scenario", "--tape"],
        ),
    ];
    for (words, reasons) in cases {
        let mut all = vec!["demo", "--json"];
        all.extend(*words);
        let told = home.call(&all);
        refused(&home, &told, USAGE, reasons);
    }
    // A tape of a contract with generic tiers allows 50.
    let generic = write(
        &home,
        "XYZUSDT.csv",
        format!("ts_ms,open,high,low,close\n{rows}").as_bytes(),
    );
    let told = demo(&home, &["--tape", &generic, "--leverage", "60"]);
    refused(&home, &told, USAGE, &["--leverage 60", "50"]);
    let told = demo(&home, &["--tape", &tape, "--enter-at", "2020-01-01"]);
    refused(&home, &told, USAGE, &["2020-01-01", "outside"]);
    for words in [
        &["exchange", "--speed", "0"][..],
        &["exchange", "--listen", "0.0.0.0:0"],
        &["exchange", "--account", "x"],
        &["frobnicate"],
        &["journal", "--since", "soon", "--data-dir", "."],
    ] {
        let told = home.call(words);
        refused(&home, &told, USAGE, &[]);
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let taken = listener.local_addr().expect("address").to_string();
    let told = home.call(&["exchange", "--listen", &taken]);
    refused(&home, &told, USAGE, &[&taken, "another port"]);
    let told = home.call(&["exchange", "--scenario", "clam"]);
    refused(&home, &told, USAGE, &["clam", "calm"]);
}

#[test]
fn a_configuration_that_is_wrong_is_named_with_its_line() {
    let commands: [&[&str]; 3] = [&["run"], &["check"], &["status", "--json"]];
    for words in commands {
        let home = Home::new();
        let told = home.call(&[words, &["--config", "no-such.toml"]].concat());
        refused(&home, &told, CONFIG, &["no-such.toml", "--config"]);
        let told = home.call(words);
        refused(
            &home,
            &told,
            CONFIG,
            &["there is no configuration", "config.toml"],
        );
        let mut home = Home::new();
        home.set("guard", "flor_distance_pct = 2");
        refused(
            &home,
            &home.ask(words),
            CONFIG,
            &["config.toml:", "flor_distance_pct", "floor_distance_pct"],
        );
        let mut home = Home::new();
        home.set("guard", "floor_distance_pct = \"two\"");
        refused(
            &home,
            &home.ask(words),
            CONFIG,
            &["config.toml:", "floor_distance_pct"],
        );
        let mut home = Home::new();
        home.set("guard", "floor_distance_pct = 99");
        refused(
            &home,
            &home.ask(words),
            CONFIG,
            &["config.toml:", "floor_distance_pct", "50"],
        );
        let mut home = Home::new();
        home.set("", "mode = ");
        refused(&home, &home.ask(words), CONFIG, &["config.toml:"]);
        let mut home = Home::new();
        home.set("", "mode = \"auto\"");
        refused(
            &home,
            &home.ask(words),
            CONFIG,
            &["config.toml:", "live = true"],
        );
    }
}

#[test]
fn secrets_in_the_wrong_place_are_refused_and_not_repeated() {
    for words in [&["run"][..], &["check"], &["status"]] {
        let mut home = Home::new();
        home.set("exchange", &format!("api_key = \"{KEY}\""));
        refused(
            &home,
            &home.ask(words),
            CONFIG,
            &["config.toml:", "api_key"],
        );
        let mut home = Home::new();
        home.set("exchange", &format!("api_key_env = \"{KEY}\""));
        refused(
            &home,
            &home.ask(words),
            CONFIG,
            &["config.toml:", "api_key_env"],
        );
        let mut home = Home::new();
        home.set("exchange", "secrets_file = \"secrets.toml\"");
        let text = format!("api_key = \"{KEY}\"\napi_secret = \"{SECRET}\"\n");
        let path = write(&home, "secrets.toml", text.as_bytes());
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("mode");
        refused(
            &home,
            &home.ask(words),
            CONFIG,
            &["secrets.toml", "chmod 600"],
        );
        let mut home = Home::new();
        home.unset_env("PLIMSOLL_API_KEY");
        refused(
            &home,
            &home.ask(words),
            CONFIG,
            &["config.toml", "PLIMSOLL_API_KEY", "secrets_file"],
        );
        let mut home = Home::new();
        home.unset_env("PLIMSOLL_API_SECRET");
        refused(&home, &home.ask(words), CONFIG, &["PLIMSOLL_API_SECRET"]);
        let mut home = Home::new();
        home.set_env("PLIMSOLL_API_KEY", &format!("{KEY} {SECRET}"));
        refused(&home, &home.ask(words), CONFIG, &["PLIMSOLL_API_KEY"]);
        let mut home = Home::new();
        home.set("telegram", "enabled = true");
        refused(
            &home,
            &home.ask(words),
            CONFIG,
            &["PLIMSOLL_TELEGRAM_TOKEN"],
        );
    }
}

#[test]
fn a_key_that_the_exchange_refuses_ends_the_start() {
    let venue = Venue::with(ISOLATED);
    for words in [&["run"][..], &["check"], &["status"]] {
        let mut home = Home::at(&venue.urls());
        home.set_env("PLIMSOLL_API_KEY", "canary-AnotherKey");
        refused(
            &home,
            &home.ask(words),
            REFUSED,
            &["refuses this key", "-2015"],
        );
        let mut home = Home::at(&venue.urls());
        home.set_env("PLIMSOLL_API_SECRET", "canary-AnotherSecret");
        refused(
            &home,
            &home.ask(words),
            REFUSED,
            &["refuses this key", "-1022"],
        );
    }
}

#[test]
fn a_key_that_may_do_too_much_or_too_little_is_refused() {
    let venue = Venue::with(ISOLATED);
    let account = venue.account;
    let give = |scopes: KeyScopes| {
        venue
            .face()
            .with(|exchange| exchange.set_scopes(account, scopes))
    };
    let home = Home::at(&venue.urls());
    let usual = KeyScopes::default();
    for words in [&["run"][..], &["check"]] {
        give(KeyScopes {
            withdrawals: true,
            ..usual
        });
        refused(&home, &home.ask(words), REFUSED, &["withdraw", "switch"]);
        give(KeyScopes {
            portfolio_margin: true,
            ..usual
        });
        refused(&home, &home.ask(words), REFUSED, &["portfolio margin"]);
        give(KeyScopes {
            futures: false,
            ..usual
        });
        refused(&home, &home.ask(words), REFUSED, &["futures"]);
        give(KeyScopes {
            universal_transfer: true,
            ..usual
        });
        refused(
            &home,
            &home.ask(words),
            REFUSED,
            &["allow_wallet_transfer = true"],
        );
    }
    let mut home = Home::at(&venue.urls());
    home.set("exchange", "allow_wallet_transfer = true");
    let told = home.ask(&["check"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    let mut program = home.run();
    program.until_said("is watching 1 position(s)");
    let (status, out, err) = program.stop();
    assert_eq!(status.code(), Some(0));
    no_secrets(&home, &[&out, &err]);
    give(KeyScopes {
        ip_restrict: false,
        ..usual
    });
    let told = home.ask(&["check"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.out.contains("not bound to an IP address"), "{told:?}");
    assert!(venue.acts().is_empty());
}

#[test]
fn an_exchange_that_is_away_is_said_to_be_away() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = gone.local_addr().expect("address");
    drop(gone);
    let away = |address: SocketAddr, words: &[&str]| {
        let home = Home::at_host(address);
        let told = home.ask(words);
        refused(&home, &told, UNAVAILABLE, &[&address.to_string()]);
    };
    std::thread::scope(|scope| {
        for words in [&["run"][..], &["check"], &["status"]] {
            scope.spawn(move || away(address, words));
        }
    });
}

#[test]
fn an_exchange_that_accepts_and_says_nothing_does_not_hold_the_program() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = silent.local_addr().expect("address");
    std::thread::scope(|scope| {
        for words in [&["run"][..], &["check"], &["status"]] {
            scope.spawn(move || {
                let mut home = Home::at_host(address);
                home.set("exchange", "request_timeout_ms = 500");
                let began = Instant::now();
                let told = home.ask(words);
                refused(&home, &told, UNAVAILABLE, &[&address.to_string()]);
                assert!(
                    began.elapsed() < Duration::from_secs(8),
                    "{:?}",
                    began.elapsed()
                );
            });
        }
    });
}

#[test]
fn a_stop_is_heard_while_the_exchange_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("bound");
    let home = Home::at_host(silent.local_addr().expect("address"));
    let mut program = home.run();
    program.until_said("starts for");
    let began = Instant::now();
    let (status, out, _) = program.stop();
    assert_eq!(status.code(), Some(0), "{out}");
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn an_exchange_that_answers_with_a_web_page_is_said_to_be_away() {
    let pages = [
        Effect::Html,
        Effect::Empty,
        Effect::Status {
            code: 200,
            body: "<html>Sign in to this network</html>".to_owned(),
        },
        Effect::Status {
            code: 200,
            body: "{}".to_owned(),
        },
    ];
    std::thread::scope(|scope| {
        for page in pages {
            scope.spawn(move || {
                let venue = Venue::with(ISOLATED);
                let every = Fault {
                    times: 1_000,
                    ..Fault::once("", "", page)
                };
                venue.face().inject(every);
                let home = Home::at(&venue.urls());
                for words in [&["run"][..], &["check"], &["status"]] {
                    let told = home.ask(words);
                    refused(&home, &told, UNAVAILABLE, &[]);
                    assert!(!told.reason().contains('<'), "{told:?}");
                }
            });
        }
    });
}

#[test]
fn a_data_directory_that_cannot_be_used_is_named() {
    let venue = Venue::with(ISOLATED);
    let home = Home::at(&venue.urls());
    std::fs::write(home.data_dir(), "a file").expect("written");
    refused(&home, &home.ask(&["run"]), CANNOT_CREATE, &["data"]);
    let home = Home::at(&venue.urls());
    std::fs::create_dir(home.data_dir()).expect("folder");
    std::fs::write(home.data_dir().join("holiday.txt"), "x").expect("written");
    std::fs::set_permissions(home.data_dir(), Permissions::from_mode(0o755)).expect("mode");
    refused(&home, &home.ask(&["run"]), CANNOT_CREATE, &["chmod 700"]);
    assert!(venue.acts().is_empty());
}

#[test]
fn a_second_guard_of_the_same_account_does_not_start() {
    let venue = Venue::with(ISOLATED);
    let home = Home::at(&venue.urls());
    let mut first = home.run();
    first.until_said("is watching 1 position(s)");
    let told = home.ask(&["run"]);
    let process = format!("process {}", first.id());
    refused(&home, &told, CANNOT_CREATE, &["another plimsoll", &process]);
    // Looking is allowed beside it.
    for words in [&["check"][..], &["status"], &["journal"]] {
        assert_eq!(home.ask(words).code, Some(0));
    }
    let (status, out, err) = first.stop();
    assert_eq!(status.code(), Some(0));
    no_secrets(&home, &[&out, &err]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_no_success() {
    let venue = Venue::with(ISOLATED);
    let home = Home::at(&venue.urls());
    let mut program = home.run();
    program.until_said("is watching 1 position(s)");
    program.stop();
    for words in [
        &["status", "--json"][..],
        &["status"],
        &["journal", "--json"],
        &["journal", "--csv"],
        &["journal"],
    ] {
        let told = home.ask_into_full_disk(words);
        refused(&home, &told, CANNOT_CREATE, &["cannot write", "No space"]);
        let told = home.ask_unheard(words);
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn a_journal_that_is_not_there_is_said_to_be_missing() {
    let home = Home::new();
    let told = home.ask(&["journal"]);
    refused(
        &home,
        &told,
        NO_INPUT,
        &["there is no journal", "--data-dir"],
    );
}

#[test]
fn a_damaged_journal_is_set_aside_and_guarding_goes_on() {
    let venue = Venue::with(ISOLATED);
    let home = Home::at(&venue.urls());
    let mut program = home.run();
    program.until_said("is watching 1 position(s)");
    program.stop();
    let journal = home.data_dir().join("journal.sqlite3");
    overwrite(&journal);
    let mut program = home.run();
    program.until_said("is watching 1 position(s)");
    let (status, out, err) = program.stop();
    assert_eq!(status.code(), Some(0), "{out}{err}");
    assert!(err.contains("ALARM") && err.contains("set aside"), "{err}");
}

fn overwrite(path: &Path) {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(path)
        .expect("open");
    file.write_all(&[7; 4096]).expect("written");
}

#[test]
fn help_and_version_are_no_errors() {
    let home = Home::new();
    for words in [
        &["--help"][..],
        &["--version"],
        &["demo", "--help"],
        &["run", "--help"],
        &["exchange", "--help"],
    ] {
        let told = home.call(words);
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{words:?}");
        assert!(!told.out.is_empty());
    }
    let help = home.call(&["--help"]).out;
    for code in [
        USAGE,
        BAD_INPUT,
        NO_INPUT,
        UNAVAILABLE,
        CANNOT_CREATE,
        REFUSED,
        CONFIG,
    ] {
        assert!(help.contains(&format!("  {code}  ")), "{code}: {help}");
    }
    assert_eq!(home.call(&[]).code, Some(USAGE));
}
