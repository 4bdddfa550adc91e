//! The one source of time outside the guard.
//!
//! `Clock::wall()` is the machine's clock. `Clock::manual(start)` stands still until its owner moves
//! it: then the whole agent, keep-alives, limiter, back-off and signing included, runs on virtual
//! time in lock-step with whoever moves the clock. The owner moves it only while
//! [`Clock::is_quiet`]: no sleeper has been woken without having run, no request is in flight, and
//! every frame that was sent has been consumed.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use crate::domain::Timestamp;

/// A cheap handle on a source of time.
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    Wall { started: Instant },
    Manual(Arc<Manual>),
}

struct Manual {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    now: Timestamp,
    next_id: u64,
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
    /// Sleepers woken whose futures have not run yet.
    woken: u64,
    /// Requests in flight and other work that time must not overtake.
    busy: u64,
    /// Stream frames fully handled.
    consumed: u64,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn wall() -> Self {
        Self(Kind::Wall {
            started: Instant::now(),
        })
    }

    /// A clock that stands at `start` until moved.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual(Arc::new(Manual {
            state: Mutex::new(State {
                now: start,
                next_id: 0,
                sleepers: BTreeMap::new(),
                woken: 0,
                busy: 0,
                consumed: 0,
            }),
            changed: Notify::new(),
        })))
    }

    /// Milliseconds of UTC now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::Wall { .. } => {
                let since = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Kind::Manual(manual) => manual.lock().now,
        }
    }

    /// Milliseconds that never jump, for durations.
    #[must_use]
    pub fn monotonic_ms(&self) -> i64 {
        match &self.0 {
            Kind::Wall { started } => {
                i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX)
            }
            Kind::Manual(manual) => manual.lock().now.as_millis(),
        }
    }

    /// Completes at `at`, at once if that is past.
    pub async fn sleep_until(&self, at: Timestamp) {
        match &self.0 {
            Kind::Wall { .. } => {
                let ms = u64::try_from(at.since(self.now())).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(ms.min(86_400_000))).await;
            }
            Kind::Manual(manual) => {
                Sleep {
                    manual: Arc::clone(manual),
                    at,
                    place: None,
                }
                .await;
            }
        }
    }

    /// Completes after `ms` milliseconds.
    pub async fn sleep_ms(&self, ms: i64) {
        self.sleep_until(self.now().plus_ms(ms)).await;
    }

    /// Marks work in flight until the returned guard is dropped. Costs nothing on a wall clock.
    #[must_use]
    pub fn busy(&self) -> Busy {
        match &self.0 {
            Kind::Wall { .. } => Busy(None),
            Kind::Manual(manual) => {
                manual.lock().busy += 1;
                Busy(Some(Arc::clone(manual)))
            }
        }
    }

    /// Counts one stream frame as fully handled.
    pub fn frame_consumed(&self) {
        if let Kind::Manual(manual) = &self.0 {
            manual.lock().consumed += 1;
            manual.changed.notify_one();
        }
    }

    /// For the owner of a manual clock: may time move on, given that `frames_sent` were sent so far?
    #[must_use]
    pub fn is_quiet(&self, frames_sent: u64) -> bool {
        match &self.0 {
            Kind::Wall { .. } => true,
            Kind::Manual(manual) => {
                let state = manual.lock();
                state.woken == 0 && state.busy == 0 && state.consumed >= frames_sent
            }
        }
    }

    /// For the owner: what keeps time from moving, in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.0 {
            Kind::Wall { .. } => "wall clock".to_owned(),
            Kind::Manual(manual) => {
                let state = manual.lock();
                format!(
                    "{} woken, {} in flight, {} frames consumed",
                    state.woken, state.busy, state.consumed
                )
            }
        }
    }

    /// For the owner: completes when something that [`Self::is_quiet`] looks at has changed.
    pub async fn changed(&self) {
        match &self.0 {
            Kind::Wall { .. } => std::future::pending().await,
            Kind::Manual(manual) => manual.changed.notified().await,
        }
    }

    /// For the owner: the earliest instant anybody sleeps until.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        match &self.0 {
            Kind::Wall { .. } => None,
            Kind::Manual(manual) => manual.lock().sleepers.keys().next().map(|(at, _)| *at),
        }
    }

    /// For the owner: moves time forward to `at` and wakes who slept until then. Never moves back.
    pub fn advance_to(&self, at: Timestamp) {
        if let Kind::Manual(manual) = &self.0 {
            let mut state = manual.lock();
            state.now = state.now.max(at);
            let later = state.sleepers.split_off(&(at.plus_ms(1), 0));
            let due = std::mem::replace(&mut state.sleepers, later);
            state.woken += due.len() as u64;
            drop(state);
            due.into_values().for_each(Waker::wake);
        }
    }
}

impl Manual {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work in flight; see [`Clock::busy`].
pub struct Busy(Option<Arc<Manual>>);

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(manual) = &self.0 {
            manual.lock().busy -= 1;
            manual.changed.notify_one();
        }
    }
}

struct Sleep {
    manual: Arc<Manual>,
    at: Timestamp,
    place: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let manual = Arc::clone(&self.manual);
        let mut state = manual.lock();
        if state.now >= self.at {
            if self.place.take().is_some() {
                state.woken -= 1;
                drop(state);
                manual.changed.notify_one();
            }
            return Poll::Ready(());
        }
        let id = self.place.unwrap_or(state.next_id);
        if self.place.is_none() {
            state.next_id += 1;
            self.place = Some(id);
        }
        state.sleepers.insert((self.at, id), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some(id) = self.place else { return };
        let mut state = self.manual.lock();
        if state.sleepers.remove(&(self.at, id)).is_none() {
            state.woken -= 1;
            drop(state);
            self.manual.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn manual_time_moves_only_by_its_owner() {
        let clock = Clock::manual(Timestamp::from_millis(1_000));
        let sleeper = clock.clone();
        let task = tokio::spawn(async move {
            sleeper.sleep_ms(500).await;
            sleeper.now().as_millis()
        });
        tokio::task::yield_now().await;
        assert_eq!(clock.next_deadline(), Some(Timestamp::from_millis(1_500)));
        clock.advance_to(Timestamp::from_millis(1_499));
        assert!(clock.is_quiet(0));
        clock.advance_to(Timestamp::from_millis(1_500));
        assert!(!clock.is_quiet(0), "a woken sleeper has not run yet");
        assert_eq!(task.await.expect("joined"), 1_500);
        assert!(clock.is_quiet(0));
    }

    #[tokio::test]
    async fn requests_and_unread_frames_hold_time() {
        let clock = Clock::manual(Timestamp::ZERO);
        let busy = clock.busy();
        assert!(!clock.is_quiet(0));
        drop(busy);
        assert!(clock.is_quiet(0));
        assert!(!clock.is_quiet(1));
        clock.frame_consumed();
        assert!(clock.is_quiet(1));
    }

    #[tokio::test]
    async fn a_dropped_sleeper_leaves_nothing_behind() {
        let clock = Clock::manual(Timestamp::ZERO);
        tokio::select! {
            biased;
            () = clock.sleep_ms(10) => unreachable!(),
            () = std::future::ready(()) => {}
        }
        assert_eq!(clock.next_deadline(), None);
        assert!(clock.is_quiet(0));
    }
}
