//! What waits to be sent: bounded, urgent first, paced, patient when Telegram is not.
//!
//! Inputs: parcels and monotonic milliseconds. Must never know the network or what a text says. A
//! thread waits here at most once, whatever happens to it meanwhile: its text is composed when it
//! is taken, so the newest state wins.

use super::threads::ThreadKey;
use crate::domain::{MINUTE_MS, SECOND_MS};

/// Most parcels that wait; beyond it the oldest of the least urgent is dropped and counted.
pub(super) const OUTBOX_MAX: usize = 64;
/// Messages that may go out at once after a quiet time.
const BURST: i64 = 3;
/// Time after which one more message may go out; one per second is what a chat may get.
/// Source: core.telegram.org/bots/faq, "My bot is hitting limits".
const PACE_MS: i64 = SECOND_MS;
/// First pause after a failure; doubles with each further one.
const BACK_OFF_FIRST_MS: i64 = SECOND_MS;
/// Longest pause between tries.
const BACK_OFF_MAX_MS: i64 = 30 * SECOND_MS;
/// Longest pause that Telegram may impose on us before we try anyway.
pub(super) const THROTTLE_MAX_MS: i64 = 15 * MINUTE_MS;
/// An answer to a button is worthless after this.
const PRESS_AGE_MAX_MS: i64 = 30 * SECOND_MS;
/// An answer to a command misleads after this.
const ANSWER_AGE_MAX_MS: i64 = 2 * MINUTE_MS;

/// Urgency, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Alarms, questions, answers to buttons.
    Urgent,
    /// Answers to commands.
    Answer,
    Warning,
    Info,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parcel {
    /// Bring the message of this thread up to date.
    Thread(ThreadKey),
    /// A text of its own.
    Text { text: String, sound: bool },
    /// Tell the presser of a button what came of it.
    Press { query: String, text: String },
    /// Take the buttons off a message that a newer one has replaced.
    Strip { message: i32, text: String },
}

/// A parcel with its place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) lane: Lane,
    pub(super) parcel: Parcel,
    place: u64,
    since_ms: i64,
}

impl Item {
    fn is_press(&self) -> bool {
        matches!(self.parcel, Parcel::Press { .. })
    }
}

/// The queue and its pace.
#[derive(Debug)]
pub(super) struct Outbox {
    items: Vec<Item>,
    next_place: u64,
    dropped: u64,
    /// Monotonic instant at which the burst is full again; each message moves it by [`PACE_MS`].
    full_at_ms: i64,
    /// Telegram asked for a pause until then.
    held_until_ms: i64,
    /// Next try after a failure.
    retry_at_ms: i64,
    failures: u32,
    hurried: bool,
}

impl Outbox {
    pub(super) fn new(now_ms: i64) -> Self {
        Self {
            items: Vec::new(),
            next_place: 0,
            dropped: 0,
            full_at_ms: now_ms,
            held_until_ms: now_ms,
            retry_at_ms: now_ms,
            failures: 0,
            hurried: false,
        }
    }

    /// Queues a parcel; a thread that waits already only becomes more urgent. Returns the parcel
    /// that had to give way.
    #[must_use]
    pub(super) fn push(&mut self, lane: Lane, parcel: Parcel, now_ms: i64) -> Option<Parcel> {
        if matches!(parcel, Parcel::Thread(_))
            && let Some(waiting) = self.items.iter_mut().find(|item| item.parcel == parcel)
        {
            waiting.lane = waiting.lane.min(lane);
            return None;
        }
        let place = self.next_place;
        self.next_place = self.next_place.saturating_add(1);
        self.insert(Item {
            lane,
            parcel,
            place,
            since_ms: now_ms,
        })
    }

    /// Puts back what could not be sent, at its old place. Returns the parcel that had to give way.
    #[must_use]
    pub(super) fn put_back(&mut self, item: Item) -> Option<Parcel> {
        let again = matches!(item.parcel, Parcel::Thread(_));
        if again
            && let Some(waiting) = self
                .items
                .iter_mut()
                .find(|other| other.parcel == item.parcel)
        {
            waiting.lane = waiting.lane.min(item.lane);
            waiting.place = waiting.place.min(item.place);
            return None;
        }
        self.insert(item)
    }

    /// The next parcel, if one may go out now.
    pub(super) fn take(&mut self, now_ms: i64) -> Option<Item> {
        self.forget_worthless(now_ms);
        if self.ready_in(now_ms)? > 0 {
            return None;
        }
        let paced = self.pace_wait_ms(now_ms) <= 0;
        let place = self
            .items
            .iter()
            .enumerate()
            .filter(|(_, item)| paced || item.is_press())
            .min_by_key(|(_, item)| (item.lane, item.place))
            .map(|(at, _)| at)?;
        let item = self.items.swap_remove(place);
        if !item.is_press() && !self.hurried {
            self.full_at_ms = self.full_at_ms.max(now_ms).saturating_add(PACE_MS);
        }
        Some(item)
    }

    /// Milliseconds until something may go out; `None` when nothing waits.
    pub(super) fn ready_in(&self, now_ms: i64) -> Option<i64> {
        if self.items.is_empty() {
            return None;
        }
        let held = self
            .held_until_ms
            .max(self.retry_at_ms)
            .saturating_sub(now_ms);
        let paced = if self.items.iter().any(Item::is_press) {
            0
        } else {
            self.pace_wait_ms(now_ms)
        };
        Some(held.max(paced).max(0))
    }

    /// Something arrived: the way is open.
    pub(super) fn went_through(&mut self) {
        self.failures = 0;
    }

    /// Telegram answers again elsewhere: try at once.
    pub(super) fn reached(&mut self, now_ms: i64) {
        self.failures = 0;
        self.retry_at_ms = now_ms;
    }

    /// How many parcels were dropped since the last call; zero while there is no room to tell.
    pub(super) fn take_dropped(&mut self) -> u64 {
        if self.items.len() >= OUTBOX_MAX / 2 {
            return 0;
        }
        std::mem::take(&mut self.dropped)
    }

    /// Telegram asked for a pause.
    pub(super) fn throttled(&mut self, wait_ms: i64, now_ms: i64) {
        let wait_ms = wait_ms.clamp(SECOND_MS, THROTTLE_MAX_MS);
        self.held_until_ms = self.held_until_ms.max(now_ms.saturating_add(wait_ms));
    }

    /// Telegram was not reached; returns the number of failures in a row.
    pub(super) fn stumbled(&mut self, now_ms: i64) -> u32 {
        let wait_ms = back_off_ms(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.retry_at_ms = now_ms.saturating_add(wait_ms);
        self.failures
    }

    fn pace_wait_ms(&self, now_ms: i64) -> i64 {
        self.full_at_ms
            .saturating_sub(now_ms)
            .saturating_sub(PACE_MS * (BURST - 1))
    }

    /// Forgets all that is not urgent: nobody was there to be told, and it is old news now.
    pub(super) fn keep_urgent(&mut self) {
        self.items.retain(|item| item.lane == Lane::Urgent);
        self.dropped = 0;
    }

    /// No pace from now on: the last words before the end.
    pub(super) fn hurry(&mut self) {
        self.full_at_ms = i64::MIN / 2;
        self.hurried = true;
    }

    fn insert(&mut self, item: Item) -> Option<Parcel> {
        self.items.push(item);
        if self.items.len() <= OUTBOX_MAX {
            return None;
        }
        let least = self
            .items
            .iter()
            .enumerate()
            .max_by_key(|(_, item)| (item.lane, std::cmp::Reverse(item.place)))
            .map(|(at, _)| at)?;
        self.dropped = self.dropped.saturating_add(1);
        Some(self.items.swap_remove(least).parcel)
    }

    fn forget_worthless(&mut self, now_ms: i64) {
        let before = self.items.len();
        self.items.retain(|item| {
            let age_ms = now_ms.saturating_sub(item.since_ms);
            match (&item.parcel, item.lane) {
                (Parcel::Press { .. }, _) => age_ms <= PRESS_AGE_MAX_MS,
                (Parcel::Text { .. }, Lane::Answer) => age_ms <= ANSWER_AGE_MAX_MS,
                (Parcel::Text { .. } | Parcel::Thread(_) | Parcel::Strip { .. }, _) => true,
            }
        });
        let gone = before.saturating_sub(self.items.len());
        self.dropped = self
            .dropped
            .saturating_add(u64::try_from(gone).unwrap_or(u64::MAX));
    }
}

/// Pause after `failures` earlier ones: 1 s, 2 s, 4 s ... 30 s.
pub(super) fn back_off_ms(failures: u32) -> i64 {
    BACK_OFF_FIRST_MS
        .saturating_mul(1_i64 << failures.min(10))
        .min(BACK_OFF_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::intent::Scope;

    fn text(name: &str) -> Parcel {
        Parcel::Text {
            text: name.to_owned(),
            sound: false,
        }
    }

    fn level(asset: &str) -> Parcel {
        Parcel::Thread(ThreadKey::Level(Scope::Cross(asset.to_owned())))
    }

    fn name(item: &Item) -> String {
        match &item.parcel {
            Parcel::Text { text, .. } | Parcel::Press { text, .. } | Parcel::Strip { text, .. } => {
                text.clone()
            }
            Parcel::Thread(key) => format!("{key:?}"),
        }
    }

    fn push(outbox: &mut Outbox, lane: Lane, parcel: Parcel) -> Option<Parcel> {
        outbox.push(lane, parcel, 0)
    }

    /// Takes everything, moving time as needed.
    fn drain(outbox: &mut Outbox, mut now_ms: i64) -> Vec<(String, i64)> {
        let mut out = Vec::new();
        while let Some(wait_ms) = outbox.ready_in(now_ms) {
            now_ms += wait_ms;
            if let Some(item) = outbox.take(now_ms) {
                out.push((name(&item), now_ms));
            }
        }
        out
    }

    #[test]
    fn urgent_parcels_overtake_and_equals_keep_their_order() {
        let mut outbox = Outbox::new(0);
        assert_eq!(push(&mut outbox, Lane::Info, text("info 1")), None);
        assert_eq!(push(&mut outbox, Lane::Info, text("info 2")), None);
        assert_eq!(push(&mut outbox, Lane::Warning, text("warning")), None);
        assert_eq!(push(&mut outbox, Lane::Answer, text("answer")), None);
        assert_eq!(push(&mut outbox, Lane::Urgent, text("alarm 1")), None);
        assert_eq!(push(&mut outbox, Lane::Urgent, text("alarm 2")), None);
        let names: Vec<String> = drain(&mut outbox, 0).into_iter().map(|(n, _)| n).collect();
        let wanted = [
            "alarm 1", "alarm 2", "answer", "warning", "info 1", "info 2",
        ];
        assert_eq!(names, wanted);
    }

    #[test]
    fn after_a_short_burst_one_message_goes_out_per_second() {
        let mut outbox = Outbox::new(0);
        for n in 0..6 {
            assert_eq!(push(&mut outbox, Lane::Info, text(&n.to_string())), None);
        }
        let times: Vec<i64> = drain(&mut outbox, 0)
            .into_iter()
            .map(|(_, at)| at)
            .collect();
        assert_eq!(times, [0, 0, 0, 1_000, 2_000, 3_000]);
    }

    #[test]
    fn answers_to_buttons_do_not_wait_for_the_pace() {
        let mut outbox = Outbox::new(0);
        for n in 0..4 {
            assert_eq!(push(&mut outbox, Lane::Urgent, text(&n.to_string())), None);
            if n < 3 {
                assert!(outbox.take(0).is_some());
            }
        }
        assert!(outbox.take(0).is_none());
        let press = Parcel::Press {
            query: "q".into(),
            text: "done".into(),
        };
        assert_eq!(push(&mut outbox, Lane::Urgent, press), None);
        assert!(outbox.ready_in(0) == Some(0));
    }

    #[test]
    fn the_queue_never_passes_its_bound_and_drops_the_oldest_of_the_least_urgent() {
        let mut outbox = Outbox::new(0);
        assert_eq!(push(&mut outbox, Lane::Urgent, text("alarm")), None);
        for n in 0..OUTBOX_MAX + 9 {
            let gone = push(&mut outbox, Lane::Info, text(&format!("info {n}")));
            let oldest = n.checked_sub(OUTBOX_MAX - 1);
            assert_eq!(gone, oldest.map(|n| text(&format!("info {n}"))));
            assert!(outbox.items.len() <= OUTBOX_MAX);
        }
        assert_eq!(outbox.take_dropped(), 0, "no room yet to tell it");
        let names: Vec<String> = drain(&mut outbox, 0).into_iter().map(|(n, _)| n).collect();
        assert_eq!(names[0], "alarm");
        assert_eq!(names[1], "info 10");
        assert_eq!(names.len(), OUTBOX_MAX);
        assert_eq!(outbox.take_dropped(), 10);
        assert_eq!(outbox.take_dropped(), 0);
    }

    #[test]
    fn a_thread_waits_once_and_takes_the_higher_urgency() {
        let mut outbox = Outbox::new(0);
        assert_eq!(push(&mut outbox, Lane::Warning, text("warning")), None);
        assert_eq!(push(&mut outbox, Lane::Info, level("USDT")), None);
        assert_eq!(push(&mut outbox, Lane::Urgent, level("USDT")), None);
        assert_eq!(push(&mut outbox, Lane::Info, level("USDT")), None);
        let first = outbox.take(0).expect("thread");
        assert_eq!(first.lane, Lane::Urgent);
        assert_eq!(push(&mut outbox, Lane::Info, level("USDT")), None);
        assert_eq!(outbox.put_back(first), None);
        assert_eq!(outbox.items.len(), 2);
        assert_eq!(outbox.take(0).expect("thread").lane, Lane::Urgent);
    }

    #[test]
    fn failures_back_off_and_a_pause_asked_for_is_kept() {
        let mut outbox = Outbox::new(0);
        assert_eq!(push(&mut outbox, Lane::Urgent, text("alarm")), None);
        let mut waits = Vec::new();
        for _ in 0..7 {
            outbox.stumbled(0);
            waits.push(outbox.ready_in(0).expect("waits"));
        }
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        outbox.went_through();
        outbox.throttled(40_000, 0);
        assert_eq!(outbox.ready_in(0), Some(40_000));
        assert!(outbox.take(39_999).is_none());
        assert!(outbox.take(40_000).is_some());
    }

    #[test]
    fn stale_answers_are_dropped_and_alarms_are_not() {
        let mut outbox = Outbox::new(0);
        assert_eq!(push(&mut outbox, Lane::Answer, text("status")), None);
        assert_eq!(push(&mut outbox, Lane::Urgent, text("alarm")), None);
        let press = Parcel::Press {
            query: "q".into(),
            text: "done".into(),
        };
        assert_eq!(push(&mut outbox, Lane::Urgent, press), None);
        let names: Vec<String> = drain(&mut outbox, 3_600_000)
            .into_iter()
            .map(|(n, _)| n)
            .collect();
        assert_eq!(names, ["alarm"]);
        assert_eq!(outbox.take_dropped(), 2);
    }
}
