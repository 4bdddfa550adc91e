//! From records to what the guard is told after a start. Pure: rows in, [`Recovered`] out.
//!
//! A damaged or missing row (a hole) is read against ourselves: whatever it may have said that makes
//! an act *more* likely to have happened is assumed.

use std::collections::BTreeMap;

use super::row::{Corrupt, StoredEntry};
use crate::domain::{PositionKey, Timestamp};
use crate::guard::intent::{Ending, FillReport, Intent, IntentId, IntentKind, Outcome, Resolution};
use crate::guard::journal::{
    Chance, Entry, Loan, OpenForecast, OpenIntent, Recovered, Spent, spent_key,
};

/// Forecasts without all their verdicts that are kept while reading; older ones are given up. A
/// running agent has fewer: those of the last 24 h.
const OPEN_FORECASTS_MAX: usize = 4_096;

/// Something the journal could not tell; worth an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// Row `id`, or a run of rows from it, cannot be trusted.
    Row { id: u64, why: Corrupt },
    /// Later rows speak of this intent, but its own record is gone: it cannot be looked up.
    Orphan { intent: IntentId },
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Row { id, why } => write!(f, "journal row {id}: {why}"),
            Self::Orphan { intent } => write!(
                f,
                "the journal speaks of {intent} but has lost what it was; look it up at the exchange by that client order id"
            ),
        }
    }
}

/// Reads rows in order, then says what is left open.
pub(super) struct Recovery {
    prefix: String,
    tracks: BTreeMap<IntentId, Track>,
    plans: BTreeMap<u64, Plan>,
    forecasts: BTreeMap<(Timestamp, PositionKey), Vec<Chance>>,
    result: Recovered,
    damage: Vec<Damage>,
    /// Rows that are unreadable or gone; each may have used up one intent id.
    holes: u64,
    last_trusted: Timestamp,
}

struct Track {
    row: u64,
    intent: Intent,
    sent_at: Option<Timestamp>,
    fill: Option<FillReport>,
    ending: Option<Ending>,
    /// Its outcome was unknown, and had to be asked for.
    looked_up: bool,
}

#[derive(Default)]
struct Plan {
    /// Nothing more may follow: ended, second half exists, or a hole may hide either.
    closed: bool,
}

impl Recovery {
    pub(super) fn new(instance: &str) -> Self {
        Self {
            prefix: format!("plim-{instance}-"),
            tracks: BTreeMap::new(),
            plans: BTreeMap::new(),
            forecasts: BTreeMap::new(),
            result: Recovered::default(),
            damage: Vec::new(),
            holes: 0,
            last_trusted: Timestamp::ZERO,
        }
    }

    pub(super) fn read(&mut self, stored: StoredEntry) {
        match stored.entry {
            Ok(entry) => {
                self.apply(stored.id, stored.at, entry);
                self.last_trusted = stored.at;
            }
            Err(why) => self.hole(stored.id, why),
        }
    }

    pub(super) fn finish(mut self, now: Timestamp) -> (Recovered, Vec<Damage>) {
        let mut tracks: Vec<Track> = std::mem::take(&mut self.tracks).into_values().collect();
        tracks.sort_by_key(|track| track.row);
        let today = now.day_start();
        for track in tracks {
            self.spend(&track, today);
            match &track.ending {
                None => self.result.open.push(OpenIntent {
                    intent: track.intent,
                    sent_at: track.sent_at,
                }),
                Some(Ending::Verified { fill } | Ending::Unverified { fill }) => {
                    let fill = fill.or(track.fill);
                    if self.awaits_second_half(&track.intent, fill) {
                        self.result.unfinished.push((track.intent, fill));
                    }
                }
                Some(Ending::NotExecuted { .. } | Ending::Declined { .. }) => {}
            }
        }
        let forecasts = std::mem::take(&mut self.forecasts).into_iter();
        self.result.forecasts = forecasts
            .map(|((made_at, key), chances)| OpenForecast {
                key,
                made_at,
                chances,
            })
            .collect();
        self.result.last_sequence = self.result.last_sequence.saturating_add(self.holes);
        self.result.last_plan = self.result.last_plan.saturating_add(self.holes);
        (self.result, self.damage)
    }

    fn apply(&mut self, row: u64, at: Timestamp, entry: Entry) {
        match entry {
            Entry::Intent { intent } => self.planned(row, intent),
            Entry::Asked { intent, .. } => {
                self.track(&intent);
            }
            Entry::Sent { intent } => {
                if let Some(track) = self.track(&intent) {
                    track.sent_at = Some(at);
                }
            }
            Entry::Outcome { intent, outcome } => {
                let fill = match outcome {
                    Outcome::Done { fill } => fill,
                    Outcome::Rejected { .. }
                    | Outcome::Throttled { .. }
                    | Outcome::Unknown { .. } => None,
                };
                if let Some(track) = self.track(&intent) {
                    track.fill = fill.or(track.fill);
                }
            }
            Entry::Resolved { intent, resolution } => {
                let fill = match resolution {
                    Resolution::Executed { fill } => fill,
                    Resolution::NotExecuted
                    | Resolution::NotFound
                    | Resolution::Working
                    | Resolution::Unreachable { .. } => None,
                };
                if let Some(track) = self.track(&intent) {
                    track.fill = fill.or(track.fill);
                    track.looked_up = true;
                }
            }
            Entry::Ended { intent, ending } => {
                if let Some(track) = self.track(&intent) {
                    track.ending = Some(ending);
                }
            }
            Entry::PlanEnded { plan } => {
                self.result.last_plan = self.result.last_plan.max(plan);
                self.plans.entry(plan).or_default().closed = true;
            }
            Entry::Loan { loan } => self.lent(loan),
            Entry::Mode { mode } => self.result.mode = Some(mode),
            Entry::Paused { paused } => self.result.paused = paused,
            Entry::Forecast {
                key,
                made_at,
                chances,
                ..
            } => {
                self.forecasts.insert((made_at, key), chances);
                if self.forecasts.len() > OPEN_FORECASTS_MAX {
                    self.forecasts.pop_first();
                }
            }
            Entry::Scored {
                key,
                made_at,
                horizon_ms,
                ..
            } => self.scored((made_at, key), horizon_ms),
            Entry::Level { .. }
            | Entry::Blind { .. }
            | Entry::Sighted { .. }
            | Entry::Foreign { .. }
            | Entry::Started { .. }
            | Entry::Stopped { .. } => {}
        }
    }

    fn scored(&mut self, name: (Timestamp, PositionKey), horizon_ms: i64) {
        if let Some(chances) = self.forecasts.get_mut(&name) {
            chances.retain(|chance| chance.horizon_ms != horizon_ms);
            if chances.is_empty() {
                self.forecasts.remove(&name);
            }
        }
    }

    fn planned(&mut self, row: u64, intent: Intent) {
        self.use_sequence(&intent.id);
        self.result.last_plan = self.result.last_plan.max(intent.plan);
        if matches!(intent.kind, IntentKind::AddMargin { .. }) {
            self.plans.entry(intent.plan).or_default().closed = true;
        }
        self.tracks.insert(
            intent.id.clone(),
            Track {
                row,
                intent,
                sent_at: None,
                fill: None,
                ending: None,
                looked_up: false,
            },
        );
    }

    /// The intent a later record speaks of. One without its own record is reported once.
    fn track(&mut self, id: &IntentId) -> Option<&mut Track> {
        if !self.tracks.contains_key(id) {
            self.use_sequence(id);
            let orphan = Damage::Orphan { intent: id.clone() };
            if !self.damage.contains(&orphan) {
                self.damage.push(orphan);
            }
        }
        self.tracks.get_mut(id)
    }

    /// The newest word about a position counts.
    fn lent(&mut self, loan: Loan) {
        let loans = &mut self.result.loans;
        loans.retain(|known| known.key != loan.key);
        if loan.amount.is_positive() {
            loans.push(loan);
        }
    }

    fn hole(&mut self, id: u64, why: Corrupt) {
        // It may say that less of ours is left in a position: what is not sure is the trader's own.
        self.result.loans.clear();
        self.holes = self.holes.saturating_add(match &why {
            Corrupt::Checksum | Corrupt::Unknown { .. } => 1,
            Corrupt::Missing { count } | Corrupt::NotWritten { count } => *count,
        });
        for track in self.tracks.values_mut() {
            match &track.ending {
                // The hole may be its `Sent`: "surely never sent" is no longer known.
                None => track.sent_at = track.sent_at.or(Some(self.last_trusted)),
                // The hole may be the second half or the end of its plan: never add back twice.
                Some(Ending::Verified { .. } | Ending::Unverified { .. }) => {
                    self.plans.entry(track.intent.plan).or_default().closed = true;
                }
                Some(Ending::NotExecuted { .. } | Ending::Declined { .. }) => {}
            }
        }
        self.damage.push(Damage::Row { id, why });
    }

    fn awaits_second_half(&self, intent: &Intent, fill: Option<FillReport>) -> bool {
        let recycle = match intent.kind {
            IntentKind::Reduce { recycle, .. } => recycle,
            IntentKind::AddMargin { .. }
            | IntentKind::TakeBack { .. }
            | IntentKind::CancelOrders { .. }
            | IntentKind::MoveIn { .. } => false,
        };
        let executed = fill.is_none_or(|fill| fill.quantity.is_positive());
        let closed = self.plans.get(&intent.plan).is_some_and(|p| p.closed);
        recycle && executed && !closed
    }

    /// Counts what was sent in the day of `today` or, after a clock step, later.
    fn spend(&mut self, track: &Track, today: Timestamp) {
        let counts = match &track.ending {
            None | Some(Ending::Verified { .. } | Ending::Unverified { .. }) => true,
            Some(Ending::NotExecuted { .. }) => track.looked_up,
            Some(Ending::Declined { .. }) => false,
        };
        if !counts || track.sent_at.is_none_or(|at| at.day_start() < today) {
            return;
        }
        // A second half spends what the first half freed; it was allowed with the first.
        if track.intent.recycled || !track.intent.is_rescue() {
            return;
        }
        let spent = self
            .result
            .spent
            .entry(spent_key(&track.intent.key))
            .or_insert_with(|| Spent {
                day: today,
                ..Spent::default()
            });
        spent.actions = spent.actions.saturating_add(1);
        match track.intent.kind {
            IntentKind::AddMargin { amount } => {
                spent.added += amount;
                spent.top_ups = spent.top_ups.saturating_add(1);
            }
            IntentKind::MoveIn { amount, .. } => spent.moved_in += amount,
            IntentKind::Reduce { .. }
            | IntentKind::TakeBack { .. }
            | IntentKind::CancelOrders { .. } => {}
        }
    }

    fn use_sequence(&mut self, id: &IntentId) {
        let sequence = id
            .as_str()
            .strip_prefix(&self.prefix)
            .and_then(|text| text.parse::<u64>().ok());
        if let Some(sequence) = sequence {
            self.result.last_sequence = self.result.last_sequence.max(sequence);
        }
    }
}
