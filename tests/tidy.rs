//! The house rules that a compiler does not check: who may import whom, what the pure rooms must not
//! name, how large a file may grow, and that every dependency has its reason written down.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may stop at once"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Room, rooms it may use besides itself. Source: docs/architecture.md.
const WALLS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("margin", &["domain"]),
    ("forecast", &["domain"]),
    ("guard", &["domain", "margin", "forecast"]),
    ("journal", &["domain", "guard"]),
    ("net", &["domain"]),
    ("exchange", &["domain", "net", "guard"]),
    ("sim", &["domain"]),
    ("replay", &["domain", "margin", "forecast", "guard", "sim"]),
    ("telegram", &["domain", "guard", "net"]),
    ("chart", &["domain"]),
    ("config", &["domain", "guard"]),
    (
        "agent",
        &[
            "domain", "margin", "forecast", "guard", "journal", "net", "exchange", "sim",
            "telegram", "config",
        ],
    ),
    (
        "cli",
        &[
            "domain", "margin", "forecast", "guard", "journal", "net", "exchange", "sim",
            "telegram", "config", "chart", "agent", "replay",
        ],
    ),
];

/// What a pure room must not name: clocks, sockets, files, environment, randomness, logs, and maps
/// whose order is not the same in every run.
const IMPURE: &[&str] = &[
    "tokio",
    "serde_json",
    "tracing",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::io",
    "Instant",
    "SystemTime",
    "RandomState",
    "HashMap",
    "HashSet",
    "reqwest",
    "thread::",
    "println!",
    "eprintln!",
];
const PURE: &[&str] = &["domain", "margin", "forecast", "guard"];
/// Rooms where a float type may not even be named.
const EXACT: &[&str] = &["domain", "margin", "journal"];
/// Longest file, counted without its tests.
const LINES_MAX: usize = 700;

struct Source {
    path: PathBuf,
    room: String,
    /// Code before the tests, without comments.
    code: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable folder") {
        let path = entry.expect("readable entry").path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            out.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    files(&root().join("src"), &mut paths);
    paths.sort();
    let is_test = |path: &Path| {
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name == "tests" || name.ends_with("_tests")
    };
    let read = |path: PathBuf| {
        let inside = path
            .strip_prefix(root().join("src"))
            .expect("in src")
            .to_owned();
        let first = inside.components().next().expect("a name");
        let room = first
            .as_os_str()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_owned();
        let text = fs::read_to_string(&path).expect("readable file");
        let body = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        let code = body
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        Source { path, room, code }
    };
    paths
        .into_iter()
        .filter(|path| !is_test(path))
        .map(read)
        .collect()
}

fn has_word(code: &str, word: &str) -> bool {
    let edge = |letter: Option<char>| !letter.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word).any(|(at, _)| {
        edge(code[..at].chars().next_back()) && edge(code[at + word.len()..].chars().next())
            || !word.chars().all(|c| c.is_alphanumeric() || c == '_')
    })
}

/// Rooms named by `crate::room` or inside `use crate::{room…}`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = group.split("};").next().unwrap_or_default();
            for part in group.split(',') {
                found.push(
                    part.trim()
                        .split("::")
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                );
            }
        } else {
            let name: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            found.push(name);
        }
    }
    found
}

#[test]
fn rooms_import_only_what_the_walls_allow() {
    let rooms: Vec<&str> = WALLS.iter().map(|(room, _)| *room).collect();
    let mut broken = Vec::new();
    for source in sources() {
        let Some((_, allowed)) = WALLS.iter().find(|(room, _)| *room == source.room) else {
            assert!(
                ["lib", "main"].contains(&source.room.as_str()),
                "{} has no wall",
                source.room
            );
            continue;
        };
        for name in imports(&source.code) {
            let is_room = rooms.contains(&name.as_str());
            if is_room && name != source.room && !allowed.contains(&name.as_str()) {
                broken.push(format!("{} uses {name}", source.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn venues_do_not_know_each_other() {
    let venues = ["binance", "bybit", "okx", "hyperliquid"];
    for source in sources().iter().filter(|source| source.room == "exchange") {
        let path = source.path.to_string_lossy();
        let Some(own) = venues
            .iter()
            .find(|venue| path.contains(&format!("exchange/{venue}")))
        else {
            continue;
        };
        for other in venues.iter().filter(|venue| venue != &own) {
            assert!(!has_word(&source.code, other), "{path} names {other}");
        }
    }
}

#[test]
fn pure_rooms_name_nothing_of_the_world() {
    let mut broken = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| PURE.contains(&source.room.as_str()))
    {
        for word in IMPURE.iter().filter(|word| has_word(&source.code, word)) {
            broken.push(format!("{} names {word}", source.path.display()));
        }
        if source.code.contains("async fn") {
            broken.push(format!("{} is asynchronous", source.path.display()));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn exact_rooms_name_no_float() {
    for source in sources()
        .iter()
        .filter(|source| EXACT.contains(&source.room.as_str()))
    {
        for float in ["f64", "f32"] {
            assert!(
                !has_word(&source.code, float),
                "{} names {float}",
                source.path.display()
            );
        }
    }
}

#[test]
fn only_commands_print_and_every_choice_of_the_agent_is_biased() {
    for source in sources() {
        let path = source.path.display();
        if source.room != "cli" && source.room != "main" {
            for word in ["println!", "eprintln!", "print!(", "eprint!("] {
                assert!(!source.code.contains(word), "{path} prints");
            }
        }
        if source.room == "agent" {
            let choices = source.code.matches("select!").count();
            assert_eq!(choices, source.code.matches("biased;").count(), "{path}");
        }
    }
}

#[test]
fn files_stay_rooms_and_nothing_is_left_for_later() {
    let mut broken = Vec::new();
    for source in sources() {
        let lines = source.code.lines().count();
        if lines > LINES_MAX {
            broken.push(format!("{} has {lines} lines", source.path.display()));
        }
        // Spelled apart so that this file does not contain them.
        for word in [
            concat!("to", "do!"),
            concat!("unimple", "mented!"),
            concat!("TO", "DO"),
        ] {
            if has_word(&source.code, word) {
                broken.push(format!("{} says {word}", source.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("manifest");
    let reasons = fs::read_to_string(root().join("docs/decisions/0002-dependencies.md"))
        .expect("docs/decisions/0002-dependencies.md");
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if let (true, Some((name, _))) = (inside, line.split_once(" = ")) {
            assert!(
                reasons.contains(&format!("`{name}`")),
                "no reason for {name}"
            );
        }
    }
}

#[test]
fn the_word_finder_finds_words() {
    assert!(has_word("let x: f64 = 1.0;", "f64"));
    assert!(!has_word("let f64x = 1;", "f64"));
    assert_eq!(
        imports("use crate::{guard::Guard, domain};"),
        ["guard", "domain"]
    );
    assert_eq!(imports("crate::sim::Tape"), ["sim"]);
}
