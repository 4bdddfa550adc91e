//! Every code of the venue's error page has a reaction, and every kind of answer a verdict.

// Helpers of tests may panic: that is how a test fails. Clippy's switch for tests does not reach them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]

use plimsoll::exchange::binance::errors::{PLAYBOOK, Play, Verdict, judge, play, playbook};
use plimsoll::guard::intent::Reaction::{
    self, BoundPrice, NoBalance, Powerless, RefreshFilters, Resync, RetryLater,
};

fn check(codes: &[i64], expected: Play) {
    for code in codes {
        assert!(playbook(*code).is_some(), "{code} has no row of its own");
        assert_eq!(play(*code), expected, "{code}");
    }
}

fn refused(codes: &[i64], reaction: Reaction) {
    check(codes, Play::Refused(reaction));
}

#[test]
fn codes_that_leave_the_outcome_open_are_looked_up() {
    check(&[-1000, -1001, -1006, -1007], Play::LookUp);
    check(&[-4111, -4115, -4116], Play::LookUp);
}

#[test]
fn codes_of_limits_make_it_wait() {
    check(&[-1008], Play::Overloaded);
    check(&[-1003], Play::OverWeight);
    check(&[-1015], Play::OverOrders);
}

#[test]
fn codes_of_keys_and_clocks_are_told_apart() {
    check(
        &[-1002, -2014, -2015, -1022, -1099, -1109],
        Play::Unauthorised,
    );
    check(&[-1021, -5028, -4188], Play::ClockSkew);
    check(&[-1125], Play::NewListenKey);
    check(&[-2011, -2013], Play::NoSuchOrder);
    check(&[-4046, -4059], Play::NoChange);
}

#[test]
fn codes_of_a_wrong_request_are_not_repeated_unchanged() {
    refused(
        &[-1014, -1020, -1100, -1102, -1105, -1116, -1117, -1130],
        Powerless,
    );
    refused(&[-1013, -1111, -1121, -4014, -4023], RefreshFilters);
    refused(&[-1010, -1106], Resync);
    refused(
        &[-4003, -4004, -4005, -4002, -4013, -4016, -4024],
        RefreshFilters,
    );
    refused(&[-4015, -2026, -4120, -4082, -4083], Powerless);
    refused(&[-4164, -4178], RefreshFilters);
}

#[test]
fn codes_of_the_position_make_it_look_again() {
    refused(&[-2010, -2022, -2024, -2021, -4142, -2027, -2028], Resync);
    refused(&[-4049, -4054, -4055, -4061, -4062, -4112, -4118], Resync);
    refused(&[-4167, -4168, -4169, -4170, -4171, -4172], Resync);
    refused(&[-5026, -5027, -5047], Resync);
    refused(&[-2018, -2019, -4050, -4051], NoBalance);
    refused(&[-4131, -4113], BoundPrice);
}

#[test]
fn codes_of_a_service_that_is_away_are_tried_again_later() {
    refused(&[-1016, -4084, -2020, -5021, -5022], RetryLater);
}

#[test]
fn codes_that_nothing_can_be_done_about_are_told() {
    refused(
        &[-2023, -2025, -4045, -4047, -4048, -4067, -4068],
        Powerless,
    );
    refused(
        &[-4087, -4088, -4089, -4090, -4140, -4141, -5024],
        Powerless,
    );
    refused(
        &[-4192, -4202, -4203, -4206, -4400, -4403, -4531],
        Powerless,
    );
    refused(&[-5037, -5038, -5041], Powerless);
}

#[test]
fn rows_do_not_overlap_and_an_unknown_refusal_makes_it_look_again() {
    for code in -6_000..=0_i64 {
        let rows = PLAYBOOK
            .iter()
            .filter(|row| (row.from.min(row.to)..=row.from.max(row.to)).contains(&code));
        assert!(rows.count() <= 1, "{code} is in two rows");
    }
    assert_eq!(playbook(-9_999), None);
    assert_eq!(play(-9_999), Play::Refused(Resync));
}

fn kind(status: u16, retry_after: Option<u32>, body: &str) -> &'static str {
    match judge(status, retry_after, body) {
        Verdict::Accepted => "accepted",
        Verdict::Unclear { .. } => "unclear",
        Verdict::Banned { .. } => "banned",
        Verdict::OverWeight { .. } => "over weight",
        Verdict::OverOrders { .. } => "over orders",
        Verdict::Overloaded { .. } => "overloaded",
        Verdict::Away { .. } => "away",
        Verdict::Refused { .. } => "refused",
    }
}

#[test]
fn answers_are_judged_by_status_and_body() {
    let unknown =
        r#"{"code":-1000,"msg":"Unknown error, please check your request or try again later."}"#;
    for (status, retry, body, expected) in [
        (200, None, "{}", "accepted"),
        (200, None, "[]", "accepted"),
        (
            200,
            None,
            r#"{"amount":940.0,"code":200,"msg":"Successfully modify position margin.","type":1}"#,
            "accepted",
        ),
        (
            200,
            None,
            r#"{"code":-2022,"msg":"ReduceOnly Order is rejected."}"#,
            "refused",
        ),
        (
            400,
            None,
            r#"{"code":-2022,"msg":"ReduceOnly Order is rejected."}"#,
            "refused",
        ),
        (
            400,
            None,
            r#"{"code":-1007,"msg":"Timeout waiting for response from backend server."}"#,
            "unclear",
        ),
        (400, None, "", "unclear"),
        (400, None, "<html>bad request</html>", "unclear"),
        (400, None, r#"{"code":-1121,"#, "unclear"),
        (
            400,
            None,
            r#"{"code":-4116,"msg":"ClientOrderId is duplicated."}"#,
            "unclear",
        ),
        (302, None, "", "unclear"),
        (
            401,
            None,
            r#"{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}"#,
            "refused",
        ),
        (401, None, "", "refused"),
        (403, None, "<html>WAF</html>", "banned"),
        (408, None, "", "unclear"),
        (418, Some(300), "", "banned"),
        (
            418,
            None,
            r#"{"code":-1003,"msg":"Way too many requests; IP banned."}"#,
            "banned",
        ),
        (
            429,
            Some(5),
            r#"{"code":-1003,"msg":"Too many requests."}"#,
            "banned",
        ),
        (
            429,
            None,
            r#"{"code":-1003,"msg":"Too many requests."}"#,
            "over weight",
        ),
        (
            429,
            None,
            r#"{"code":-1015,"msg":"Too many new orders."}"#,
            "over orders",
        ),
        (429, None, "", "over weight"),
        (451, None, "", "refused"),
        (500, None, "", "unclear"),
        (502, None, "<html>Bad Gateway</html>", "unclear"),
        (503, None, unknown, "unclear"),
        (
            503,
            None,
            "Unknown error, please check your request or try again later.",
            "unclear",
        ),
        (
            503,
            None,
            r#"{"code":-1008,"msg":"Server is currently overloaded with other requests."}"#,
            "overloaded",
        ),
        (503, None, "Service Unavailable.", "away"),
        (
            503,
            None,
            r#"{"code":0,"msg":"Service Unavailable."}"#,
            "away",
        ),
        (
            503,
            None,
            "Internal error; unable to process your request. Please try again.",
            "away",
        ),
        (
            503,
            None,
            "<html><h1>503 Service Unavailable</h1></html>",
            "unclear",
        ),
        (503, None, "", "unclear"),
        (504, None, "", "unclear"),
        (599, None, "", "unclear"),
    ] {
        assert_eq!(
            kind(status, retry, body),
            expected,
            "{status} {retry:?} {body}"
        );
    }
}

#[test]
fn a_ban_lasts_as_long_as_told_within_reason() {
    let pause = |status, retry| match judge(status, retry, "") {
        Verdict::Banned { pause_ms, .. } => pause_ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(pause(418, Some(300)), 300_000);
    assert_eq!(pause(418, Some(0)), 1_000);
    assert_eq!(pause(418, Some(u32::MAX)), 3 * 86_400_000);
    assert!(pause(418, None) >= 120_000);
    assert!(pause(403, None) >= 60_000);
}

#[test]
fn a_page_that_repeats_the_address_is_not_quoted() {
    let page = "<html>blocked: /fapi/v1/order?signature=abcdef</html>";
    for status in [200, 400, 403, 500, 503] {
        let text = format!("{:?}", judge(status, None, page));
        assert!(!text.contains("abcdef"), "{text}");
    }
}
