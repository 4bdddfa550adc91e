//! All episodes under all policies, spread over threads; the result does not depend on how many.

use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::Settings;
use super::episode::{Episode, Fate, Outcome, Stepping, episodes, fate, outcome};
use super::path::Path;
use super::policy::Policy;

/// One episode of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Index of the path.
    pub path: usize,
    pub episode: Episode,
}

/// What became of one trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    pub trial: Trial,
    pub fate: Fate,
    /// In the order of the policies; `None` where a policy was not asked to play it.
    pub outcomes: Vec<Option<Outcome>>,
}

/// What the caller sees and may do while a run goes on.
#[derive(Debug, Default)]
pub struct Watcher {
    /// Set to stop early; episodes under way are finished.
    pub stop: AtomicBool,
    /// Episodes finished so far.
    pub done: AtomicUsize,
}

/// All episodes of all paths, in order.
#[must_use]
pub fn trials(paths: &[Path], settings: &Settings) -> Vec<Trial> {
    let of = |(path, tape): (usize, &Path)| {
        let found = episodes(tape, settings);
        found
            .into_iter()
            .map(move |episode| Trial { path, episode })
    };
    paths.iter().enumerate().flat_map(of).collect()
}

/// Plays `trials` under `policies`, the guard only in `guarded` of them, evenly spread. Trials that a
/// stop left unplayed are missing in the result, which is in the order of `trials`.
#[must_use]
pub fn play(
    paths: &[Path],
    trials: &[Trial],
    policies: &[Policy],
    settings: &Settings,
    guarded: usize,
    threads: usize,
    watcher: &Watcher,
) -> Vec<Played> {
    in_parallel(trials.len(), threads, &watcher.stop, |index| {
        let trial = trials.get(index)?;
        let path = paths.get(trial.path)?;
        let plays =
            |policy: Policy| policy.preset().is_none() || chosen(index, trials.len(), guarded);
        let outcomes = policies
            .iter()
            .map(|policy| {
                plays(*policy)
                    .then(|| outcome(path, &trial.episode, *policy, settings, Stepping::Sparing))
            })
            .collect();
        let played = Played {
            trial: *trial,
            fate: fate(path, &trial.episode, settings),
            outcomes,
        };
        watcher.done.fetch_add(1, Ordering::Relaxed);
        Some(played)
    })
}

/// Is `index` one of `wanted` that are spread evenly over `all`?
pub(super) fn chosen(index: usize, all: usize, wanted: usize) -> bool {
    let share = |index: usize| index as u128 * wanted.min(all) as u128 / all.max(1) as u128;
    share(index + 1) > share(index)
}

/// `work(0)` to `work(count - 1)` on `threads` threads, in order in the result; what `stop` left
/// undone and what gave `None` is missing. A panic of `work` is passed on.
pub fn in_parallel<T: Send>(
    count: usize,
    threads: usize,
    stop: &AtomicBool,
    work: impl Fn(usize) -> Option<T> + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Vec::with_capacity(count));
    let labour = || {
        let mut mine = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            mine.extend(work(index).map(|result| (index, result)));
        }
        if let Ok(mut all) = all.lock() {
            all.append(&mut mine);
        }
    };
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..threads.clamp(1, count.max(1)))
            .map(|_| scope.spawn(labour))
            .collect();
        for hand in hands {
            if let Err(panic) = hand.join() {
                resume_unwind(panic);
            }
        }
    });
    let mut all = all.into_inner().unwrap_or_default();
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_of_the_asked_size_and_spread_evenly() {
        for (all, wanted, expected) in [(10, 5, 5), (10, 3, 3), (7, 100, 7), (9, 0, 0), (1, 1, 1)] {
            let picked: Vec<usize> = (0..all).filter(|i| chosen(*i, all, wanted)).collect();
            assert_eq!(picked.len(), expected, "{all} {wanted}: {picked:?}");
        }
        let picked: Vec<usize> = (0..9).filter(|i| chosen(*i, 9, 3)).collect();
        assert_eq!(picked, [2, 5, 8]);
    }

    #[test]
    fn results_keep_their_order_and_a_stop_leaves_the_rest_out() {
        let stop = AtomicBool::new(false);
        let squares = in_parallel(100, 7, &stop, |index| Some(index * index));
        assert_eq!(squares, (0..100).map(|i| i * i).collect::<Vec<_>>());
        let some = in_parallel(100, 1, &stop, |index| {
            stop.store(index == 4, Ordering::Relaxed);
            Some(index)
        });
        assert_eq!(some, [0, 1, 2, 3, 4]);
    }
}
