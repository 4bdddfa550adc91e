//! The guard's forecasts, written down and held against what followed. Nothing here decides anything.

use super::Guard;
use super::action::Action;
use super::desk::Feed;
use super::event::Mark;
use super::journal::{Chance, Entry, OpenForecast};
use super::watch::Line;
use crate::domain::{MINUTE_MS, PositionKey, Price, Timestamp};
use crate::forecast::{
    Forecast, Ledger, SCORED_HORIZONS_MS, Touch, UNSEEN_MOST_MS, Verdict, kept_chance, log_distance,
};

/// Forecasts are written down at whole multiples of this. Without a common divisor with an hour, so
/// that all minutes of the hour come up alike: more happens right after full hours than before them.
const EVERY_MS: i64 = 31 * MINUTE_MS;
/// A time that was missed by more is left out, lest times after a wake-up come up more often.
const LATE_MS: i64 = MINUTE_MS;

/// Open forecasts, and when the next ones are due.
#[derive(Debug, Default)]
pub(super) struct Scoring {
    ledger: Ledger,
    due: Timestamp,
}

impl Guard {
    /// Holds a mark against the open forecasts, and makes new ones when it is time. The lines have
    /// been brought up to date with this mark.
    pub(super) fn score_mark(&mut self, mark: &Mark, now: Timestamp) {
        let decided = self
            .scoring
            .ledger
            .on_price(&mark.symbol, mark.price, mark.at);
        self.record_verdicts(decided);
        let wait = self.scoring.due.since(now);
        // A longer wait than the longest there is: the clock was set back.
        if wait > 0 && wait <= EVERY_MS {
            return;
        }
        let late = now.as_millis().rem_euclid(EVERY_MS);
        self.scoring.due = now.plus_ms(EVERY_MS - late);
        let swept = self.scoring.ledger.sweep(now);
        self.record_verdicts(swept);
        if late <= LATE_MS {
            self.make_forecasts(now);
        }
    }

    /// What a stop left open was not watched to its end.
    pub(super) fn void_forecasts(&mut self, open: Vec<OpenForecast>) {
        for forecast in open {
            for chance in forecast.chances {
                self.out.push_back(Action::Record(Entry::Scored {
                    key: forecast.key.clone(),
                    made_at: forecast.made_at,
                    horizon_ms: chance.horizon_ms,
                    chance: chance.chance,
                    verdict: Verdict::Void,
                }));
            }
        }
    }

    fn make_forecasts(&mut self, now: Timestamp) {
        let mut made = Vec::new();
        for (scope, watch) in &self.watches {
            for line in watch.fresh_lines(scope, &self.desk, &self.policy) {
                let feed = self.desk.feeds.get(&line.key.symbol);
                made.extend(feed.and_then(|feed| forecast(&line, feed, now)));
            }
        }
        for (key, forecast) in made {
            self.write_down(key, forecast);
        }
    }

    /// Records what the ledger had room for.
    fn write_down(&mut self, key: PositionKey, said: Said) {
        let ledger = &mut self.scoring.ledger;
        let mut chances = said.chances;
        chances.retain(|chance| {
            ledger.add(Forecast {
                subject: key.clone(),
                line: said.line,
                falls_hurt: said.falls_hurt,
                horizon_ms: chance.horizon_ms,
                chance: chance.chance,
                made_at: said.made_at,
            })
        });
        if chances.is_empty() {
            return;
        }
        self.out.push_back(Action::Record(Entry::Forecast {
            key,
            falls_hurt: said.falls_hurt,
            mark: said.mark,
            line: said.line,
            made_at: said.made_at,
            chances,
        }));
    }

    fn record_verdicts(&mut self, decided: Vec<(Forecast, Verdict)>) {
        for (forecast, verdict) in decided {
            self.out.push_back(Action::Record(Entry::Scored {
                key: forecast.subject,
                made_at: forecast.made_at,
                horizon_ms: forecast.horizon_ms,
                chance: forecast.chance,
                verdict,
            }));
        }
    }
}

/// What is said of one line at one instant.
struct Said {
    mark: Price,
    line: Price,
    falls_hurt: bool,
    made_at: Timestamp,
    chances: Vec<Chance>,
}

/// `None` without a line ahead, a fresh mark or enough history.
fn forecast(line: &Line, feed: &Feed, now: Timestamp) -> Option<(PositionKey, Said)> {
    let (price, mark) = (line.nearest?, feed.mark?);
    let made_at = feed.streamed_at?;
    let distance = log_distance(mark, price, line.falls_hurt);
    if distance <= 0.0 || now.since(made_at) > UNSEEN_MOST_MS {
        return None;
    }
    let touch = Touch::of(feed.bars.sigmas()?);
    let chance = |horizon_ms: i64| Chance {
        horizon_ms,
        chance: kept_chance(touch.chance(distance, horizon_ms)),
    };
    let said = Said {
        mark,
        line: price,
        falls_hurt: line.falls_hurt,
        made_at,
        chances: SCORED_HORIZONS_MS.into_iter().map(chance).collect(),
    };
    Some((line.key.clone(), said))
}
