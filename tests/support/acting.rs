//! Guards that act at once, and what their journals and the exchange say about it afterwards.
#![allow(
    dead_code,
    reason = "each test file that includes this uses a part of it"
)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken bench must stop the test at once"
)]

use plimsoll::guard::intent::{Ending, Intent, IntentId, IntentKind};
use plimsoll::guard::journal::Entry;

use super::venue::{CROSS, Home, ISOLATED, Opening, Program, Venue, position_key, wall_now};

pub(crate) const MARGIN: &str = "/fapi/v1/positionMargin";
pub(crate) const ORDER: &str = "/fapi/v1/order";
pub(crate) const POSITIONS: &str = "/fapi/v3/positionRisk";
/// How long a request may be executed after it was signed, milliseconds.
pub(crate) const WINDOW_MS: i64 = 1_000;
/// Pause between two rescues, milliseconds.
pub(crate) const COOLDOWN_MS: i64 = 1_000;

/// A configuration that acts at once on what `venue` holds.
pub(crate) fn acting(venue: &Venue) -> Home {
    let mut home = Home::at(&venue.urls());
    home.set("", "mode = \"auto\"");
    home.set("exchange", &format!("receive_window_ms = {WINDOW_MS}"));
    home.set("guard", "floor_distance_pct = 6");
    home.set("guard", "cooldown_secs = 1");
    home.set("budget", "add_per_action_usdt = 2000");
    home.set("budget", "add_per_position_day_usdt = 4000");
    // Too little to restore the distance: margin it is.
    home.set("budget", "trim_per_action_pct = 5");
    home.set("freshness", "reconcile_secs = 5");
    home
}

/// The same with no margin to add: only the position can be reduced.
pub(crate) fn trimming(venue: &Venue) -> Home {
    let mut home = acting(venue);
    home.set("guard", "floor_distance_pct = 5.5");
    home.set("budget", "add_per_action_usdt = 0");
    home.set("budget", "add_per_position_day_usdt = 0");
    home.set("budget", "trim_per_action_pct = 50");
    home
}

pub(crate) fn endings(home: &Home) -> Vec<(IntentId, Ending)> {
    let entries = home.journal().into_iter();
    entries
        .filter_map(|entry| {
            let Entry::Ended { intent, ending } = entry else {
                return None;
            };
            Some((intent, ending))
        })
        .collect()
}

pub(crate) fn verified(home: &Home) -> Vec<IntentId> {
    let endings = endings(home).into_iter();
    endings
        .filter_map(|(intent, ending)| matches!(ending, Ending::Verified { .. }).then_some(intent))
        .collect()
}

/// Ids of all intents, oldest first.
pub(crate) fn intents(home: &Home) -> Vec<IntentId> {
    let entries = home.journal().into_iter();
    entries
        .filter_map(|entry| {
            let Entry::Intent { intent } = entry else {
                return None;
            };
            Some(intent.id)
        })
        .collect()
}

pub(crate) fn sent(home: &Home) -> Vec<IntentId> {
    let entries = home.journal().into_iter();
    entries
        .filter_map(|entry| {
            let Entry::Sent { intent } = entry else {
                return None;
            };
            Some(intent)
        })
        .collect()
}

/// Nothing is under way: every plan has ended, or all that belongs to it has. A kill may fall between
/// the end of its last act and its own.
pub(crate) fn at_rest(home: &Home) -> bool {
    let entries = home.journal();
    let ended = |id: &IntentId| {
        entries
            .iter()
            .any(|entry| matches!(entry, Entry::Ended { intent, .. } if intent == id))
    };
    let closed = |plan: u64| {
        entries
            .iter()
            .any(|entry| matches!(entry, Entry::PlanEnded { plan: other } if *other == plan))
    };
    let planned: Vec<&Intent> = entries
        .iter()
        .filter_map(|entry| {
            let Entry::Intent { intent } = entry else {
                return None;
            };
            Some(intent)
        })
        .collect();
    let halves = |plan| planned.iter().filter(|intent| intent.plan == plan).count();
    let done = |intent: &&Intent| {
        let first_half = matches!(intent.kind, IntentKind::Reduce { recycle: true, .. });
        let whole = !first_half || halves(intent.plan) == 2;
        ended(&intent.id) && (whole || closed(intent.plan))
    };
    !planned.is_empty() && planned.iter().all(done)
}

/// Waits until all is done, the pause after it is over and the account was read twice more, so that
/// a repetition would show.
pub(crate) fn settle(program: &mut Program, venue: &Venue, home: &Home) {
    program.until("the plan ends well", || {
        at_rest(home) && !verified(home).is_empty()
    });
    program.until("all streams stand", || venue.face().connections() == 3);
    let (count, rested) = (intents(home).len(), wall_now());
    program.until("the pause is over", || {
        wall_now().since(rested) > COOLDOWN_MS + 100
    });
    for _ in 0..2 {
        reread(program, venue);
    }
    assert_eq!(intents(home).len(), count, "nothing more was planned");
    assert!(at_rest(home));
}

/// A setting that the trader touches makes the guard read the account again.
pub(crate) fn reread(program: &mut Program, venue: &Venue) {
    let before = venue.reads(POSITIONS);
    let account = venue.account;
    let touched = venue
        .face()
        .with(|exchange| exchange.set_leverage(account, &position_key().symbol, 20));
    touched.expect("touched");
    program.until("the account is read again", || {
        venue.reads(POSITIONS) > before
    });
}

/// Client order ids never repeat, whatever was refused.
pub(crate) fn assert_no_id_twice(venue: &Venue) {
    let mut ids: Vec<String> = venue
        .posts(ORDER)
        .iter()
        .filter_map(|request| {
            let id = request
                .query
                .split('&')
                .find(|pair| pair.starts_with("newClientOrderId="));
            id.map(str::to_owned)
        })
        .collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "an order was sent twice");
}

pub(crate) struct Case {
    pub(crate) opening: Opening,
    pub(crate) home: fn(&Venue) -> Home,
    pub(crate) path: &'static str,
}

pub(crate) const ADD: Case = Case {
    opening: ISOLATED,
    home: acting,
    path: MARGIN,
};
/// As [`ADD`] with long and short apart.
pub(crate) const ADD_HEDGE: Case = Case {
    opening: Opening {
        hedge: true,
        ..ISOLATED
    },
    ..ADD
};

/// As [`REDUCE`] with long and short apart.
pub(crate) const REDUCE_HEDGE: Case = Case {
    opening: Opening {
        hedge: true,
        ..CROSS
    },
    ..REDUCE
};

pub(crate) const REDUCE: Case = Case {
    opening: CROSS,
    home: |venue| {
        let mut home = trimming(venue);
        home.set("guard", "floor_distance_pct = 7");
        home
    },
    path: ORDER,
};

impl Case {
    pub(crate) fn effects(&self, venue: &Venue) -> usize {
        venue.added().len() + venue.orders()
    }
}
