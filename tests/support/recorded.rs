//! Recorded answers and frames of the venue, and what a correct decoder finds in them.
#![allow(
    dead_code,
    reason = "each test file that includes this uses a part of it"
)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a broken recording must stop the test at once"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rust_decimal::Decimal;

use crate::shared::shared;

/// Files that the adapter has no use for, and why.
pub(crate) const NO_USE: &[(&str, &str)] = &[
    ("fapi-v1-adlQuantile__jkorf.json", "ADL rank is not read"),
    (
        "fapi-v1-assetIndex__jkorf.json",
        "haircuts of collateral are not read",
    ),
    (
        "fapi-v1-fundingInfo__gct.json",
        "funding comes with the mark",
    ),
    ("fapi-v1-fundingRate__gct.json", "past funding is not read"),
    (
        "fapi-v1-fundingRate__nautilus.json",
        "past funding is not read",
    ),
    (
        "fapi-v1-insuranceBalance__jkorf.json",
        "the insurance fund is not read",
    ),
    (
        "fapi-v1-multiAssetsMargin__jkorf.json",
        "accountConfig tells the same for less weight",
    ),
    (
        "fapi-v1-rateLimit-order__jkorf.json",
        "headers tell what is used",
    ),
    (
        "fapi-v1-userTrades__jkorf.json",
        "fills come with the order",
    ),
    (
        "ws-AlgoOrderUpdate__jkorf.json",
        "the trader's own stops are not touched",
    ),
    (
        "ws-SymbolUpdates__jkorf.json",
        "tiers are read again each hour",
    ),
    (
        "ws-algo-update-finished__nautilus.json",
        "the trader's own stops are not touched",
    ),
    (
        "ws-bookTicker-sequence__cryptofeed.json",
        "twenty levels are followed instead",
    ),
    (
        "ws-depthUpdate.2__tardis.json",
        "changes of a book are not followed",
    ),
    (
        "ws-ticker-stream__nautilus.json",
        "day statistics are not followed",
    ),
    (
        "ws-user-algo-update-new__nautilus.json",
        "the trader's own stops are not touched",
    ),
    (
        "ws-user-trade-lite__nautilus.json",
        "ORDER_TRADE_UPDATE tells it again and better",
    ),
];

pub(crate) type Fields = BTreeMap<String, String>;

/// One group of the `expect` column: `pos[BTCUSDT/LONG] qty=1` has the head `pos[BTCUSDT/LONG]`.
struct Group {
    head: String,
    fields: Fields,
}

fn groups(expect: &str) -> Vec<Group> {
    let group = |text: &str| {
        let (mut head, mut fields) = (String::new(), Fields::new());
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some((key, value)) => drop(fields.insert(key.to_owned(), value.to_owned())),
                None if head.is_empty() => head = word.to_owned(),
                None => {}
            }
        }
        Group { head, fields }
    };
    expect.split(" | ").map(group).collect()
}

pub(crate) fn folder() -> Option<PathBuf> {
    shared("recorded/binance-usdm")
}

/// One row of the index.
pub(crate) struct Recorded {
    pub(crate) file: String,
    pub(crate) endpoint: String,
    pub(crate) expect: String,
}

pub(crate) fn index(folder: &Path) -> Vec<Recorded> {
    let text = std::fs::read_to_string(folder.join("index.tsv")).expect("index");
    let row = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        Recorded {
            file: columns[0].to_owned(),
            endpoint: columns[3].to_owned(),
            expect: columns[6].to_owned(),
        }
    };
    text.lines().skip(1).map(row).collect()
}

pub(crate) fn fields<const N: usize>(pairs: [(&str, String); N]) -> Fields {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

pub(crate) fn same(expected: &str, found: &str) -> bool {
    match (expected.parse::<Decimal>(), found.parse::<Decimal>()) {
        (Ok(expected), Ok(found)) => expected == found,
        (Ok(_) | Err(_), Ok(_) | Err(_)) => expected.eq_ignore_ascii_case(found),
    }
}

/// Compares all keys that both sides know; returns how many those were.
pub(crate) fn compare(file: &str, expect: &str, facts: &[(String, Fields)]) -> usize {
    let mut compared = 0;
    for Group { head, fields } in groups(expect) {
        let symbol = fields
            .get("symbol")
            .or(fields.get("s"))
            .cloned()
            .unwrap_or_default();
        let time = fields
            .get("time")
            .map(|at| format!("time {at}"))
            .unwrap_or_default();
        let found = facts
            .iter()
            .find(|(name, _)| [&head, &symbol, &time].contains(&name));
        if fields.get("qty").is_some_and(|qty| same(qty, "0")) && file.starts_with("fapi") {
            assert!(
                found.is_none(),
                "{file}: {head} is flat and must be left out"
            );
            compared += 1;
            continue;
        }
        let Some((_, found)) = found else {
            assert!(!head.contains('['), "{file}: {head} was not found");
            continue;
        };
        for (key, expected) in &fields {
            if key == "deliveryDate" && found.get(key).is_some_and(|at| at == "4133404800000") {
                assert!(expected.starts_with("41334048"), "{file}: {expected}");
            } else if let Some(found) = found.get(key) {
                assert!(
                    same(expected, found),
                    "{file}: {head} {key}: {expected} but {found}"
                );
                compared += 1;
            }
        }
    }
    compared
}
