use super::*;
use crate::domain::{MarginMode, PositionKey, PositionMode, PositionSide, Rate, Symbol};
use crate::guard::action::BalanceView;
use crate::guard::intent::{Before, IntentId, Scope};
use crate::guard::level::Level;

const AT: i64 = 1_760_131_205_000;

fn intent(symbol: &str, kind: IntentKind) -> Intent {
    let key = PositionKey {
        symbol: Symbol::new(symbol),
        position_side: PositionSide::Both,
    };
    Intent {
        id: IntentId::new("k3f9", 7),
        plan: 3,
        scope: Scope::Isolated(key.clone()),
        key,
        side: Side::Long,
        margin_mode: MarginMode::Isolated,
        position_mode: PositionMode::OneWay,
        margin_asset: "USDT".into(),
        kind,
        recycled: false,
        before: Before {
            quantity: Quantity::ZERO,
            isolated_wallet: Money::ZERO,
            cross_wallet: Money::ZERO,
        },
        cost: "0.4312".parse().expect("money"),
        reason: "distance 3.10 % is below the floor of 4.00 %".into(),
        planned_at: Timestamp::from_millis(AT),
    }
}

fn add() -> IntentKind {
    IntentKind::AddMargin {
        amount: "1500".parse().expect("money"),
    }
}

fn reduce(bound: Option<&str>, recycle: bool) -> IntentKind {
    IntentKind::Reduce {
        quantity: "0.015".parse().expect("quantity"),
        bound: bound.map(|text| text.parse().expect("price")),
        recycle,
    }
}

fn position_view() -> PositionView {
    PositionView {
        symbol: Symbol::new("BTCUSDT"),
        position_side: PositionSide::Both,
        side: Side::Long,
        quantity: "1200.5".parse().expect("quantity"),
        entry_price: "57310.5".parse().expect("price"),
        mark_price: "56000".parse().expect("price"),
        margin_mode: MarginMode::Isolated,
        leverage: Some(20),
        isolated_margin: "3000".parse().expect("money"),
        unrealized_pnl: "-1310.5".parse().expect("money"),
        liquidation_price: Some("54712.123456".parse().expect("price")),
        exchange_liquidation_price: Some("54800".parse().expect("price")),
        distance_pct: Some(2.2999),
        margin_ratio: Some(0.4567),
        level: Level::ActSoon,
        cause: "distance is small".into(),
        act_price: Some("55500".parse().expect("price")),
        breach_probability: Some(0.012),
        maintenance_margin: Money::ZERO,
        funding_rate: Some(Rate::ZERO),
    }
}

fn view() -> View {
    View {
        at: Timestamp::from_millis(AT),
        mode: Mode::Ask,
        paused: false,
        blind: Vec::new(),
        balances: vec![BalanceView {
            asset: "USDT".into(),
            cross_wallet: "12345.678".parse().expect("money"),
            available: "900".parse().expect("money"),
        }],
        positions: vec![position_view()],
        open_intents: Vec::new(),
        questions: Vec::new(),
    }
}

#[test]
fn prices_are_grouped_and_keep_what_matters() {
    for (text, shown) in [
        ("57310.5", "57,310.5"),
        ("57310.5049", "57,310.5"),
        ("1000000", "1,000,000"),
        ("999.123456", "999.123"),
        ("100", "100"),
        ("1.50", "1.5"),
        ("0.00001234567", "0.0000123457"),
        ("0.0000001", "0.0000001"),
    ] {
        assert_eq!(price(text.parse().expect("price")), shown, "{text}");
    }
    assert_eq!(optional_price(None), "none");
}

#[test]
fn amounts_have_two_decimals_and_small_ones_do_not_vanish() {
    for (text, shown) in [
        ("500", "500.00"),
        ("-1234567.895", "-1,234,567.90"),
        ("-123.4", "-123.40"),
        ("0", "0.00"),
        ("0.005", "0.01"),
        ("0.00432", "0.0043"),
        ("-0.0012", "-0.0012"),
    ] {
        assert_eq!(money(text.parse().expect("money")), shown, "{text}");
    }
}

#[test]
fn percentages_have_two_decimals_and_no_number_is_none() {
    assert_eq!(optional_pct(Some(8.768)), "8.77 %");
    assert_eq!(optional_pct(Some(f64::NAN)), "none");
    assert_eq!(optional_pct(None), "none");
    assert_eq!(optional_share(Some(0.4567)), "45.67 %");
    assert_eq!(optional_share(Some(1.0)), "100.00 %");
    assert_eq!(optional_share(Some(f64::INFINITY)), "none");
    assert_eq!(optional_share(Some(f64::MAX)), "none");
}

#[test]
fn the_three_honest_states_are_three_different_words() {
    let of = |kind| {
        report(&Report {
            at: Timestamp::from_millis(AT),
            kind,
            severity: Severity::Warning,
            scope: None,
            intent: Some(intent("BTCUSDT", add())),
            text: "500 USDT of margin".into(),
        })
    };
    assert_eq!(
        of(ReportKind::Sent),
        "Warning - BTCUSDT long\n21:20:05 UTC Sent: 500 USDT of margin"
    );
    assert_eq!(
        of(ReportKind::Verified),
        "Warning - BTCUSDT long\n21:20:05 UTC Verified: 500 USDT of margin"
    );
    assert_eq!(
        of(ReportKind::NotKnown),
        "Warning - BTCUSDT long\n21:20:05 UTC Not known: 500 USDT of margin"
    );
}

#[test]
fn a_text_that_says_its_state_is_not_made_to_say_it_twice() {
    let at = Timestamp::from_millis(AT);
    assert_eq!(
        line(at, ReportKind::Sent, "sent an order"),
        "21:20:05 UTC sent an order"
    );
    assert_eq!(
        line(at, ReportKind::Blind, "\u{43a}\u{43e}\u{434}"),
        "21:20:05 UTC Blind: \u{43a}\u{43e}\u{434}"
    );
}

#[test]
fn only_an_alarm_carries_a_symbol() {
    assert_eq!(heading(Severity::Info, "X"), "X");
    assert_eq!(heading(Severity::Warning, "X"), "Warning - X");
    assert_eq!(heading(Severity::Alarm, "X"), "\u{26a0} ALARM - X");
}

#[test]
fn a_question_says_what_why_until_when_and_what_silence_means() {
    let asked = |silence_acts| Question {
        intent: intent("BTCUSDT", add()),
        deadline: Timestamp::from_millis(AT + 118_500),
        silence_acts,
    };
    assert_eq!(
        question(&asked(true), Timestamp::from_millis(AT)),
        "Question - add 1,500.00 USDT margin to BTCUSDT long?\n\
         Why: distance 3.10 % is below the floor of 4.00 %\n\
         Expected cost: 0.43 USDT\n\
         Answer until 21:22:03 UTC (118 s left).\n\
         Silence means: yes, it is done at the deadline."
    );
    let late = question(&asked(false), Timestamp::from_millis(AT + 500_000));
    assert!(late.contains("(0 s left)"), "{late}");
    assert!(
        late.ends_with("Silence means: no, nothing is done."),
        "{late}"
    );
}

#[test]
fn a_trim_names_its_bound_on_the_right_side() {
    assert_eq!(
        act(&intent("BTCUSDT", reduce(Some("56990"), true))),
        "reduce BTCUSDT long by 0.015 at 56,990 or higher, then add back what it freed"
    );
    assert_eq!(
        act(&intent("BTCUSDT", reduce(None, false))),
        "reduce BTCUSDT long by 0.015 at market"
    );
    let mut short = intent("BTCUSDT", reduce(Some("56990"), false));
    short.side = Side::Short;
    assert_eq!(
        act(&short),
        "reduce BTCUSDT short by 0.015 at 56,990 or lower"
    );
}

#[test]
fn the_status_shows_mode_sight_balances_and_each_position() {
    assert_eq!(
        status(&view()),
        "Mode ask: asks before each action\n\
         Sees everything it needs.\n\
         As of 21:20:05 UTC\n\
         \n\
         USDT: wallet 12,345.68, available 900.00\n\
         \n\
         BTCUSDT long - act-soon\n\
         Size 1,200.5, isolated 20x\n\
         Entry 57,310.5, mark 56,000, profit -1,310.50\n\
         Line 54,712.12, distance 2.30 %\n\
         Line by the exchange 54,800\n\
         Margin ratio 45.67 %\n\
         Acts at 55,500\n\
         Chance of touching the line 1.20 %\n\
         Why act-soon: distance is small"
    );
}

#[test]
fn blindness_pause_and_what_is_under_way_are_shown() {
    let mut view = view();
    view.paused = true;
    view.blind = vec!["mark price of BTCUSDT is 12 s old".into()];
    view.positions.clear();
    view.open_intents = vec![intent("BTCUSDT", add())];
    view.questions = vec![Question {
        intent: intent("ETHUSDT", reduce(None, false)),
        deadline: Timestamp::from_millis(AT),
        silence_acts: true,
    }];
    let text = status(&view);
    for part in [
        "Mode ask, PAUSED: sends nothing until /resume",
        "BLIND: mark price of BTCUSDT is 12 s old",
        "No open positions.",
        "Under way:\nadd 1,500.00 USDT margin to BTCUSDT long",
        "Waiting for your answer:\nreduce ETHUSDT long by 0.015 at market until 21:20:05 UTC",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_position_without_a_line_says_none() {
    let mut only = position_view();
    only.liquidation_price = None;
    only.exchange_liquidation_price = None;
    only.distance_pct = None;
    only.margin_ratio = None;
    only.act_price = None;
    only.breach_probability = None;
    only.cause = String::new();
    assert_eq!(
        position(&only),
        "BTCUSDT long - act-soon\nSize 1,200.5, isolated 20x\nEntry 57,310.5, mark 56,000, \
         profit -1,310.50\nLine none, distance none\nMargin ratio none"
    );
    let mut view = view();
    view.positions = vec![only];
    assert_eq!(
        positions(&view),
        "BTCUSDT long 1,200.5 | mark 56,000 | line none | none | act-soon\nAs of 21:20:05 UTC"
    );
}

#[test]
fn foreign_text_loses_control_and_direction_letters() {
    assert_eq!(clean("A\u{202e}B\nC\u{0}\u{200b}D"), "A B C  D");
    assert_eq!(clean_lines("one\u{7}\r\ntwo\u{2066}"), "one\ntwo");
    let nasty = intent("<b>\u{202e}X_*[`]\n/resume", add());
    assert_eq!(intent_title(&nasty), "<b> X_*[`] /resume long");
}

#[test]
fn lengths_are_counted_in_utf16_units_and_cuts_fall_between_characters() {
    let text = "\u{1f600}".repeat(10);
    assert_eq!(units(&text), 20);
    let cut = shorten(&text, 8);
    assert!(units(&cut) <= 8, "{cut}");
    assert_eq!(cut, format!("{}\u{2026}", "\u{1f600}".repeat(3)));
    assert_eq!(shorten("abc", 3), "abc");
}

#[test]
fn long_texts_split_at_line_ends_and_lose_nothing_while_parts_last() {
    let text: String = (0..40).map(|n| format!("line {n}\n")).collect();
    let parts = split(&text, 64, 100);
    assert!(
        parts
            .iter()
            .all(|part| units(part) <= 64 && !part.is_empty())
    );
    assert_eq!(parts.join("\n"), text.trim_end());
    let one_line = "x".repeat(150);
    assert_eq!(split(&one_line, 64, 100).concat(), one_line);
    let few = split(&text, 64, 2);
    assert_eq!(few.len(), 2);
    assert!(few[1].ends_with('\u{2026}'));
    assert!(split("  \n ", 64, 2).is_empty());
}
