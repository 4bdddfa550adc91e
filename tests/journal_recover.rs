//! What the guard is told after a start, for every stage at which the last run may have ended.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure here is a failed test"
)]

use plimsoll::domain::{
    DAY_MS, MarginMode, Money, PositionKey, PositionMode, PositionSide, Price, Quantity, Side,
    Symbol, Timestamp,
};
use plimsoll::guard::event::Mode;
use plimsoll::guard::intent::{
    Before, Ending, FillReport, Intent, IntentId, IntentKind, Outcome, Reaction, Resolution, Scope,
};
use plimsoll::guard::journal::{Entry, Loan, OpenIntent, Recovered, Spent, spent_key};
use plimsoll::guard::level::Level;
use plimsoll::journal::{Damage, FILE_NAME, Journal};

const NOON: i64 = 20_000 * DAY_MS + DAY_MS / 2;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn quantity(text: &str) -> Quantity {
    text.parse().expect("quantity")
}

fn money(text: &str) -> Money {
    text.parse().expect("money")
}

fn key(symbol: &str) -> PositionKey {
    PositionKey {
        symbol: Symbol::new(symbol),
        position_side: PositionSide::Both,
    }
}

fn intent(id: &str, plan: u64, symbol: &str, kind: IntentKind) -> Intent {
    Intent {
        id: IntentId::from_text(id),
        plan,
        scope: Scope::Isolated(key(symbol)),
        key: key(symbol),
        side: Side::Long,
        margin_mode: MarginMode::Isolated,
        position_mode: PositionMode::OneWay,
        margin_asset: "USDT".to_owned(),
        recycled: false,
        kind,
        before: Before {
            quantity: quantity("0.3"),
            isolated_wallet: money("120"),
            cross_wallet: money("900"),
        },
        cost: money("1.25"),
        reason: "1.4 % to the line, floor 1.5 %".to_owned(),
        planned_at: at(NOON),
    }
}

fn add(amount: &str) -> IntentKind {
    IntentKind::AddMargin {
        amount: money(amount),
    }
}

fn trim(recycle: bool) -> IntentKind {
    IntentKind::Reduce {
        quantity: quantity("0.1"),
        bound: Some("57310.5".parse::<Price>().expect("price")),
        recycle,
    }
}

fn fill(text: &str) -> Option<FillReport> {
    Some(FillReport {
        quantity: quantity(text),
        average_price: Some("57300".parse().expect("price")),
        fee: Some(money("2.865")),
    })
}

fn planned(intent: &Intent) -> Entry {
    Entry::Intent {
        intent: intent.clone(),
    }
}

fn sent(intent: &Intent) -> Entry {
    Entry::Sent {
        intent: intent.id.clone(),
    }
}

fn outcome(intent: &Intent, outcome: Outcome) -> Entry {
    Entry::Outcome {
        intent: intent.id.clone(),
        outcome,
    }
}

fn ended(intent: &Intent, ending: Ending) -> Entry {
    Entry::Ended {
        intent: intent.id.clone(),
        ending,
    }
}

fn not_executed() -> Ending {
    Ending::NotExecuted {
        message: "gone".to_owned(),
    }
}

fn declined() -> Ending {
    Ending::Declined {
        message: "no".to_owned(),
    }
}

/// Appends one record per second from noon.
fn fill_journal(journal: &mut Journal, entries: &[Entry]) {
    for (n, entry) in entries.iter().enumerate() {
        let when = at(NOON + 1_000 * i64::try_from(n).expect("small"));
        journal.append(when, entry).expect("written");
    }
}

/// Through a real file, as a start one minute past noon sees it.
fn recover(entries: &[Entry]) -> Recovered {
    let now = at(NOON + 60_000);
    let dir = tempfile::tempdir().expect("dir");
    fill_journal(&mut Journal::open(dir.path()).expect("journal"), entries);
    let journal = Journal::open(dir.path()).expect("journal");
    let (recovered, damage) = journal.recover_with_damage(now).expect("recovered");
    assert_eq!(damage, []);
    assert_eq!(journal.recover(now).expect("recovered"), recovered);
    recovered
}

/// The same after the byte at the start of `text` in the file has changed.
fn recover_spoiled(entries: &[Entry], text: &str) -> (Recovered, Vec<Damage>) {
    let dir = tempfile::tempdir().expect("dir");
    fill_journal(&mut Journal::open(dir.path()).expect("journal"), entries);
    spoil(&dir.path().join(FILE_NAME), text);
    let journal = Journal::open(dir.path()).expect("journal");
    journal
        .recover_with_damage(at(NOON + 60_000))
        .expect("recovered")
}

fn spoil(path: &std::path::Path, text: &str) {
    let mut bytes = std::fs::read(path).expect("file");
    let place = bytes
        .windows(text.len())
        .position(|window| window == text.as_bytes())
        .expect("the text is stored");
    bytes[place] ^= 0x01;
    std::fs::write(path, bytes).expect("spoiled");
}

#[test]
fn a_first_start_recovers_nothing() {
    assert_eq!(recover(&[]), Recovered::default());
}

#[test]
fn each_stage_of_an_intent_is_open_until_it_has_ended() {
    let one = intent("plim-other-1", 1, "BTCUSDT", add("50"));
    let asked = Entry::Asked {
        intent: one.id.clone(),
        deadline: at(NOON + 90_000),
    };
    let unknown = Outcome::Unknown {
        message: "timeout".to_owned(),
    };
    let rejected = Outcome::Rejected {
        reaction: Reaction::RetryLater,
        code: Some(-1003),
        message: "no".to_owned(),
    };
    let working = Entry::Resolved {
        intent: one.id.clone(),
        resolution: Resolution::Working,
    };
    // Record, whether the intent is open after it, whether it counts as sent then.
    let stages = [
        (planned(&one), true, false),
        (asked, true, false),
        (sent(&one), true, true),
        (outcome(&one, unknown), true, true),
        (
            outcome(&one, Outcome::Throttled { until: at(NOON) }),
            true,
            true,
        ),
        (outcome(&one, rejected), true, true),
        (working, true, true),
        (ended(&one, not_executed()), false, false),
    ];
    for last in 0..stages.len() {
        let entries: Vec<Entry> = stages[..=last].iter().map(|s| s.0.clone()).collect();
        let (entry, open, was_sent) = &stages[last];
        let expected: Vec<OpenIntent> = open
            .then(|| OpenIntent {
                intent: one.clone(),
                sent_at: was_sent.then_some(at(NOON + 2_000)),
            })
            .into_iter()
            .collect();
        assert_eq!(recover(&entries).open, expected, "after {entry:?}");
    }
}

#[test]
fn open_intents_come_oldest_first_whatever_their_ids() {
    let late = intent("plim-a-1", 2, "BTCUSDT", add("1"));
    let early = intent("plim-b-9", 1, "ETHUSDT", add("1"));
    let found = recover(&[planned(&early), planned(&late)]).open;
    let ids: Vec<&str> = found.iter().map(|open| open.intent.id.as_str()).collect();
    assert_eq!(ids, ["plim-b-9", "plim-a-1"]);
}

#[test]
fn a_trim_awaits_its_second_half_only_until_that_exists_or_the_plan_has_ended() {
    let first = intent("plim-x-1", 4, "BTCUSDT", trim(true));
    let second = intent("plim-x-2", 4, "BTCUSDT", add("9"));
    let plain = intent("plim-x-3", 5, "BTCUSDT", trim(false));
    let verified = |fill| ended(&first, Ending::Verified { fill });
    let unverified = |fill| ended(&first, Ending::Unverified { fill });
    let done = outcome(&first, Outcome::Done { fill: fill("0.1") });
    let end_of = |plan| Entry::PlanEnded { plan };
    let plain_end = ended(&plain, Ending::Verified { fill: fill("0.1") });
    let full = fill("0.1");
    type Unfinished = Option<Option<FillReport>>;
    let cases: Vec<(&str, Vec<Entry>, Unfinished)> = vec![
        ("not ended", vec![], None),
        ("verified", vec![verified(full)], Some(full)),
        (
            "verified in part",
            vec![verified(fill("0.04"))],
            Some(fill("0.04")),
        ),
        ("unverified", vec![unverified(full)], Some(full)),
        (
            "fill told before",
            vec![done.clone(), verified(None)],
            Some(full),
        ),
        ("fill never told", vec![verified(None)], Some(None)),
        ("nothing filled", vec![verified(fill("0"))], None),
        (
            "not executed",
            vec![done, ended(&first, not_executed())],
            None,
        ),
        ("declined", vec![ended(&first, declined())], None),
        (
            "second half planned",
            vec![verified(full), planned(&second)],
            None,
        ),
        (
            "second half refused",
            vec![
                verified(full),
                planned(&second),
                ended(&second, not_executed()),
            ],
            None,
        ),
        ("plan ended", vec![verified(full), end_of(4)], None),
        (
            "another plan ended",
            vec![verified(full), end_of(3)],
            Some(full),
        ),
        (
            "a plain trim",
            vec![ended(&first, not_executed()), planned(&plain), plain_end],
            None,
        ),
    ];
    for (name, rest, expected) in cases {
        let start = [planned(&first), sent(&first)];
        let entries: Vec<Entry> = start.into_iter().chain(rest).collect();
        let expected: Vec<_> = expected
            .map(|fill| (first.clone(), fill))
            .into_iter()
            .collect();
        assert_eq!(recover(&entries).unfinished, expected, "{name}");
    }
}

#[test]
fn only_ids_of_this_journal_raise_the_sequence() {
    let mut journal = Journal::in_memory().expect("journal");
    let own = IntentId::new(&journal.instance(), 7);
    for id in [own.as_str(), "plim-zzzzzzzz-900", "plim-x", "manual-12"] {
        let entry = planned(&intent(id, 3, "BTCUSDT", add("1")));
        journal.append(at(NOON), &entry).expect("written");
    }
    let recovered = journal.recover(at(NOON)).expect("recovered");
    assert_eq!(recovered.last_sequence, 7);
    assert_eq!(recovered.last_plan, 3);
}

#[test]
fn budgets_count_what_was_sent_and_not_surely_undone() {
    let one = intent("plim-x-1", 1, "BTCUSDT", add("50"));
    let counted = Spent {
        day: at(NOON).day_start(),
        added: money("50"),
        actions: 1,
        top_ups: 1,
        ..Spent::default()
    };
    let cases = [
        ("planned", vec![planned(&one)], false),
        ("sent", vec![planned(&one), sent(&one)], true),
        (
            "verified",
            vec![
                planned(&one),
                sent(&one),
                ended(&one, Ending::Verified { fill: None }),
            ],
            true,
        ),
        (
            "unverified",
            vec![
                planned(&one),
                sent(&one),
                ended(&one, Ending::Unverified { fill: None }),
            ],
            true,
        ),
        (
            "not executed",
            vec![planned(&one), sent(&one), ended(&one, not_executed())],
            false,
        ),
        (
            "declined",
            vec![planned(&one), ended(&one, declined())],
            false,
        ),
    ];
    for (name, entries, counts) in cases {
        let spent = recover(&entries).spent;
        let expected = counts.then_some(&counted);
        assert_eq!(spent.get(&spent_key(&one.key)), expected, "{name}");
    }
}

#[test]
fn recycled_margin_belongs_to_the_action_that_freed_it() {
    let first = intent("plim-x-1", 1, "BTCUSDT", trim(true));
    let mut second = intent("plim-x-2", 1, "BTCUSDT", add("30"));
    second.recycled = true;
    let mixed = intent("plim-x-3", 2, "BTCUSDT", trim(false));
    let fresh = intent("plim-x-4", 2, "BTCUSDT", add("8"));
    let other = intent("plim-x-5", 3, "ETHUSDT", add("5"));
    let entries: Vec<Entry> = [&first, &second, &mixed, &fresh, &other]
        .into_iter()
        .flat_map(|one| {
            let end = ended(one, Ending::Verified { fill: fill("0.1") });
            [planned(one), sent(one), end]
        })
        .collect();
    let spent = |added, actions| Spent {
        day: at(NOON).day_start(),
        added: money(added),
        actions,
        top_ups: 1,
        ..Spent::default()
    };
    let expected = [
        ("BTCUSDT".to_owned(), spent("8", 3)),
        ("ETHUSDT".to_owned(), spent("5", 1)),
    ];
    assert_eq!(recover(&entries).spent, expected.into());
}

#[test]
fn budgets_begin_anew_at_utc_midnight() {
    let midnight = at(NOON).day_start().plus_ms(DAY_MS);
    let mut journal = Journal::in_memory().expect("journal");
    for (n, sent_at) in [
        (1, midnight.plus_ms(-1)),
        (2, midnight),
        (3, midnight.plus_ms(1)),
    ] {
        let one = intent(&format!("plim-x-{n}"), n, "BTCUSDT", add("10"));
        let plan_at = midnight.plus_ms(-5);
        journal.append(plan_at, &planned(&one)).expect("written");
        journal.append(sent_at, &sent(&one)).expect("written");
    }
    let seen = |now: Timestamp| {
        let spent = journal.recover(now).expect("recovered").spent;
        spent
            .get("BTCUSDT")
            .map(|spent| (spent.day, spent.added, spent.actions))
    };
    let yesterday = midnight.plus_ms(-DAY_MS);
    // Seen from before midnight, what a fast clock sent "tomorrow" counts too.
    assert_eq!(
        seen(midnight.plus_ms(-1)),
        Some((yesterday, money("30"), 3))
    );
    assert_eq!(seen(midnight), Some((midnight, money("20"), 2)));
    let last = midnight.plus_ms(DAY_MS - 1);
    assert_eq!(seen(last), Some((midnight, money("20"), 2)));
    assert_eq!(seen(midnight.plus_ms(DAY_MS)), None);
}

#[test]
fn the_last_mode_and_pause_win() {
    let recovered = recover(&[
        Entry::Mode { mode: Mode::Auto },
        Entry::Paused { paused: true },
        Entry::Mode { mode: Mode::Ask },
        Entry::Level {
            scope: Scope::Cross("USDT".to_owned()),
            from: Level::Calm,
            to: Level::ActSoon,
            cause: "2 %".to_owned(),
        },
    ]);
    assert_eq!((recovered.mode, recovered.paused), (Some(Mode::Ask), true));
    let resumed = recover(&[
        Entry::Paused { paused: true },
        Entry::Paused { paused: false },
    ]);
    assert_eq!((resumed.mode, resumed.paused), (None, false));
}

#[test]
fn a_spoiled_sent_record_leaves_the_intent_possibly_sent() {
    let one = intent("plim-x-1", 1, "BTCUSDT", add("50"));
    let entries = [planned(&one), sent(&one)];
    let (recovered, damage) = recover_spoiled(&entries, "{\"entry\":\"sent\"");
    assert_eq!(recovered.open.len(), 1);
    assert_eq!(recovered.open[0].sent_at, Some(at(NOON)));
    assert_eq!(recovered.spent["BTCUSDT"].added, money("50"));
    assert_eq!(
        damage.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["journal row 2: the stored record does not match its checksum"]
    );
}

#[test]
fn a_spoiled_end_leaves_the_intent_open_and_never_closes_it_by_guess() {
    let one = intent("plim-x-1", 1, "BTCUSDT", add("50"));
    let entries = [planned(&one), sent(&one), ended(&one, not_executed())];
    let (recovered, _) = recover_spoiled(&entries, "{\"entry\":\"ended\"");
    assert_eq!(recovered.open.len(), 1);
    assert_eq!(recovered.open[0].sent_at, Some(at(NOON + 1_000)));
}

#[test]
fn a_spoiled_second_half_is_not_added_back_twice() {
    let first = intent("plim-x-1", 1, "BTCUSDT", trim(true));
    let second = intent("plim-x-2", 1, "BTCUSDT", add("77.5"));
    let verified = ended(&first, Ending::Verified { fill: fill("0.1") });
    let entries = [
        planned(&first),
        sent(&first),
        verified,
        planned(&second),
        sent(&second),
    ];
    let (recovered, damage) = recover_spoiled(&entries, "77.5");
    assert_eq!(recovered.unfinished, []);
    let orphan = Damage::Orphan { intent: second.id };
    assert_eq!(damage.last(), Some(&orphan));
}

#[test]
fn ids_and_plans_of_spoiled_rows_are_not_used_again() {
    let dir = tempfile::tempdir().expect("dir");
    let mut journal = Journal::open(dir.path()).expect("journal");
    let instance = journal.instance();
    for n in 1..=3 {
        let id = IntentId::new(&instance, n);
        let one = intent(id.as_str(), n, "BTCUSDT", add(&format!("{n}0.125")));
        journal.append(at(NOON), &planned(&one)).expect("written");
    }
    drop(journal);
    spoil(&dir.path().join(FILE_NAME), "30.125");
    let journal = Journal::open(dir.path()).expect("journal");
    let recovered = journal.recover(at(NOON)).expect("recovered");
    assert_eq!((recovered.last_sequence, recovered.last_plan), (3, 3));
}

fn loan(symbol: &str, amount: &str) -> Loan {
    Loan {
        key: PositionKey {
            symbol: Symbol::new(symbol),
            position_side: PositionSide::Both,
        },
        side: Side::Long,
        quantity: "0.5".parse().expect("quantity"),
        entry_price: "100000".parse().expect("price"),
        isolated_wallet: "3000".parse().expect("money"),
        amount: amount.parse().expect("money"),
        rescued_at: "0.015".parse().expect("rate"),
    }
}

#[test]
fn the_newest_word_about_a_loan_counts() {
    let entries = ["500", "300"].map(|amount| Entry::Loan {
        loan: loan("BTCUSDT", amount),
    });
    let gone = [
        Entry::Loan {
            loan: loan("ETHUSDT", "20"),
        },
        Entry::Loan {
            loan: loan("ETHUSDT", "0"),
        },
    ];
    let recovered = recover(&[entries.as_slice(), gone.as_slice()].concat());
    assert_eq!(recovered.loans, [loan("BTCUSDT", "300")]);
}

#[test]
fn a_hole_may_hide_that_a_loan_is_smaller_so_what_was_lent_before_it_is_forgotten() {
    let entries = [
        Entry::Loan {
            loan: loan("BTCUSDT", "500"),
        },
        Entry::Blind {
            since: at(NOON),
            reason: "spoil me".to_owned(),
        },
        Entry::Loan {
            loan: loan("ETHUSDT", "20"),
        },
    ];
    let (recovered, damage) = recover_spoiled(&entries, "spoil me");
    assert_eq!(damage.len(), 1);
    assert_eq!(recovered.loans, [loan("ETHUSDT", "20")]);
}

#[test]
fn money_that_was_moved_in_counts_against_its_budget_after_a_restart() {
    let kind = IntentKind::MoveIn {
        amount: money("250"),
        from: plimsoll::domain::OutsideWallet::Spot,
    };
    let moved = intent("plim-x-1", 1, "BTCUSDT", kind);
    let sent = Entry::Sent {
        intent: moved.id.clone(),
    };
    let recovered = recover(&[
        Entry::Intent {
            intent: moved.clone(),
        },
        sent,
    ]);
    assert_eq!(
        recovered.spent[&spent_key(&moved.key)].moved_in,
        money("250")
    );
    assert_eq!(recovered.open.len(), 1, "to be looked up");
}

#[test]
fn a_return_counts_against_no_budget_and_is_looked_up() {
    let kind = IntentKind::TakeBack {
        amount: money("250"),
    };
    let returned = intent("plim-x-1", 1, "BTCUSDT", kind);
    let sent = Entry::Sent {
        intent: returned.id.clone(),
    };
    let recovered = recover(&[Entry::Intent { intent: returned }, sent]);
    assert!(recovered.spent.is_empty());
    assert_eq!(recovered.open.len(), 1);
}
