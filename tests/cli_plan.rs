//! `plimsoll plan` through the real program, against the simulated exchange.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    reason = "a test program: it fails by panicking"
)]

#[path = "support/venue.rs"]
mod venue;

use serde_json::Value;
use venue::{Home, ISOLATED, Venue};

#[test]
fn a_plan_says_where_it_acts_what_it_would_do_and_what_else_would_cost() {
    let venue = Venue::with(ISOLATED);
    let mut home = Home::at(&venue.urls());
    home.set("guard", "preset = \"careful\"");
    let told = home.ask(&["plan"]);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{told:?}");
    for words in [
        "BTCUSDT long",
        "Liquidation at",
        "I act at",
        "I would add",
        "rather than trim and recycle",
        "rather than wait",
        "with risk",
    ] {
        assert!(told.out.contains(words), "{words}: {}", told.out);
    }
    let answer = home.ask(&["plan", "--json"]);
    let plan: Value = serde_json::from_str(&answer.out).expect("json");
    assert_eq!(plan["preset"], "careful");
    let position = &plan["positions"][0];
    let number = |value: &Value| {
        let text = value.as_str().expect("a price in text");
        text.parse::<f64>().expect("a number")
    };
    let (mark, act, line) = (
        number(&position["mark_price"]),
        number(&position["act_price"]),
        number(&position["liquidation_price"]),
    );
    assert!(line < act && act < mark, "{position}");
    // Whole ticks of 0.1, towards the mark.
    let tenths = act * 10.0;
    assert!((tenths - tenths.round()).abs() < 1e-6, "{position}");
    let rescue = &position["rescue"];
    let chosen = &rescue["chosen"];
    assert!(
        number(&chosen["cost_with_risk"]) >= number(&chosen["cost"]),
        "{chosen}"
    );
    assert!(chosen["price"].is_null(), "{chosen}");
    assert!((number(&rescue["at"]) - act).abs() < 1e-6, "{rescue}");
    assert!(!rescue["others"].as_array().expect("others").is_empty());
    let requests = venue.face().requests();
    assert!(requests.iter().all(|request| request.method == "GET"));
}

#[test]
fn a_plan_for_an_empty_account_says_so() {
    let venue = Venue::empty();
    let told = Home::at(&venue.urls()).ask(&["plan"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.out.contains("No open position."), "{told:?}");
}
