//! One-minute bars from prices at irregular times, and the volatility that their ranges show.
//!
//! A range tells more about volatility than the two closes do: for a driftless diffusion
//! `ln(high/low)^2 / (4 ln 2)` estimates the variance of the interval (Parkinson 1980, "The Extreme
//! Value Method for Estimating the Variance of the Rate of Return"). Here the range reaches to the
//! close before, so that a jump between two bars counts (true range).

use rust_decimal::prelude::ToPrimitive;

use crate::domain::{DAY_MS, HOUR_MS, MINUTE_MS, Price, Timestamp};

/// Half-lives of the three averages, in minutes.
pub const HALF_LIVES_MIN: [f64; 3] = [5.0, 60.0, 1_440.0];
/// Below this much seen time not even the pace of the last minutes is known.
pub const PACE_LEAST_MS: i64 = 5 * MINUTE_MS;
/// What one more minute leaves of the average with a half-life of an hour: 2^(-1/60).
const HOUR_KEEP: f64 = 0.988_514_020_352_896_2;
/// Below this much seen time there is no volatility.
pub const HISTORY_LEAST_MS: i64 = HOUR_MS;
/// From this much seen time on all three averages are what the touch forecast was fitted with.
pub const HISTORY_FULL_MS: i64 = DAY_MS;
/// Over a longer gap the close before says nothing about the bar after it.
const LONGEST_GAP_MS: i64 = 10 * MINUTE_MS;
/// What was seen longer ago says nothing about the pace of now.
const PACE_WITHIN_MS: i64 = 2 * HOUR_MS;
/// After a longer gap everything starts anew.
const FORGET_MS: i64 = DAY_MS;
/// Volatility of one minute is kept within these limits, so that its logarithm is of use even where
/// a price does not move.
const SIGMA_LIMITS: [f64; 2] = [1e-6, 1.0];

/// Volatility of one minute (standard deviation of the log return) at the half-lives
/// [`HALF_LIVES_MIN`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sigmas([f64; 3]);

impl Sigmas {
    /// Takes standard deviations of one-minute log returns, shortest half-life first, into
    /// 0.0001 % … 100 %; what is not a number becomes the upper limit.
    #[must_use]
    pub fn new(sigmas: [f64; 3]) -> Self {
        let [least, most] = SIGMA_LIMITS;
        Self(sigmas.map(|sigma| {
            if sigma.is_nan() {
                most
            } else {
                sigma.clamp(least, most)
            }
        }))
    }

    /// The three values, shortest half-life first.
    #[must_use]
    pub const fn get(&self) -> [f64; 3] {
        self.0
    }
}

/// Lowest, highest and last price of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    pub low: f64,
    pub high: f64,
    pub close: f64,
}

/// Builds one-minute bars as prices come in and keeps the three averages; constant memory.
#[derive(Debug, Clone, Default)]
pub struct MinuteBars {
    /// The minute under way: its start and its range in logarithms.
    forming: Option<(i64, Range)>,
    /// End of the last finished bar and the logarithm of its close.
    before: Option<(i64, f64)>,
    averages: [Average; 3],
    seen_ms: i64,
    /// What was seen of the last [`PACE_WITHIN_MS`], as of the end of the last finished bar.
    recent_ms: i64,
    /// Seen since a gap that nothing has filled; `None`: there was none, or it is long ago.
    torn_ms: Option<i64>,
    /// Start of the oldest bar.
    since: Option<i64>,
}

impl MinuteBars {
    /// Takes one price. Times before the minute under way are ignored; so is a price whose logarithm
    /// is not finite.
    pub fn update(&mut self, price: Price, at: Timestamp) {
        let log = price.get().to_f64().map(f64::ln);
        if let Some(log) = log.filter(|log| log.is_finite()) {
            let range = Range {
                low: log,
                high: log,
                close: log,
            };
            self.merge(range, at);
        }
    }

    /// Takes a bar that starts at `start` and lasts `span_ms`. Bars of a minute or more stand for
    /// themselves, shorter ones become part of their minute. Bars that begin before the end of the
    /// one before are ignored, and so are ranges whose logarithms are not finite or not in order.
    pub fn take(&mut self, range: Range, start: Timestamp, span_ms: i64) {
        let Some(logs) = logs(range) else {
            return;
        };
        if span_ms < MINUTE_MS {
            self.merge(logs, start);
            return;
        }
        self.settle(start);
        if self.forming.is_none() {
            self.finish(logs, start.as_millis(), span_ms);
        }
    }

    /// Takes one-minute bars in order of time. Where they reach farther back than what is known, or
    /// where that has a gap and they are enough for a volatility, they replace it, all but the minute
    /// under way; otherwise those that follow are added.
    pub fn take_history(&mut self, bars: &[(Timestamp, Range)]) {
        let Some((first, _)) = bars.first() else {
            return;
        };
        let known = self.since.or(self.forming.map(|(start, _)| start));
        let farther = known.is_none_or(|known| first.as_millis() < known);
        let enough = bars.len() as i64 * MINUTE_MS >= HISTORY_LEAST_MS;
        let mut whole = if farther || (self.is_torn() && enough) {
            Self::default()
        } else {
            self.clone()
        };
        for (start, range) in bars {
            whole.take(*range, *start, MINUTE_MS);
        }
        // A gap that they leave is one that the venue has too.
        whole.torn_ms = None;
        if let Some((start, range)) = self.forming
            && whole.forming.is_none()
            && whole.before.is_none_or(|(end, _)| end <= start)
        {
            whole.forming = Some((start, range));
        }
        *self = whole;
    }

    /// Finishes the minute under way if it is over at `now`.
    pub fn settle(&mut self, now: Timestamp) {
        if let Some((start, range)) = self.forming
            && start.saturating_add(MINUTE_MS) <= now.as_millis()
        {
            self.forming = None;
            self.finish(range, start, MINUTE_MS);
        }
    }

    /// Seen time in milliseconds; gaps of more than ten minutes do not count.
    #[must_use]
    pub const fn history_ms(&self) -> i64 {
        self.seen_ms
    }

    /// Is there a gap of more than ten minutes within the last hour that was seen, which a history
    /// could fill?
    #[must_use]
    pub fn is_torn(&self) -> bool {
        self.torn_ms.is_some() || self.gap_ms() > LONGEST_GAP_MS
    }

    /// Time between the last finished bar and the minute under way.
    fn gap_ms(&self) -> i64 {
        match (self.forming, self.before) {
            (Some((start, _)), Some((end, _))) => start.saturating_sub(end),
            (None, _) | (_, None) => 0,
        }
    }

    /// Volatility now; `None` before [`HISTORY_LEAST_MS`]. Until [`HISTORY_FULL_MS`] an average whose
    /// half-life has not been seen is the weighted mean of what there is. The minute under way counts
    /// only where it makes an average larger: its range can still grow, and a fall within a minute
    /// must be felt at once.
    #[must_use]
    pub fn sigmas(&self) -> Option<Sigmas> {
        if self.seen_ms < HISTORY_LEAST_MS {
            return None;
        }
        let known = self.averages.map(|average| average.variance());
        let mut ahead = self.clone();
        if let Some((start, range)) = ahead.forming.take() {
            ahead.finish(range, start, MINUTE_MS);
        }
        let mut largest = ahead.averages.map(|average| average.variance());
        for (largest, known) in largest.iter_mut().zip(known) {
            *largest = largest.max(known).sqrt();
        }
        Some(Sigmas::new(largest))
    }

    /// Volatility of one minute at the half-life of an hour, from [`PACE_LEAST_MS`] on within the last
    /// two hours: what the distance to act at is measured with. The minute under way counts where it makes it larger.
    #[must_use]
    pub fn hour_sigma(&self) -> Option<f64> {
        if recent(self.recent_ms, self.gap_ms()) < PACE_LEAST_MS {
            return None;
        }
        let [_, hour, _] = self.averages;
        let known = hour.variance();
        let ahead = self.forming.map_or(known, |(_, range)| {
            let before = self.before.map_or(range.close, |(_, close)| close);
            let mut hour = hour;
            hour.take(variance_of(range, before), HOUR_KEEP);
            hour.variance()
        });
        let [least, most] = SIGMA_LIMITS;
        Some(known.max(ahead).sqrt().clamp(least, most))
    }

    /// `new` in logarithms.
    fn merge(&mut self, new: Range, at: Timestamp) {
        self.settle(at);
        let ms = at.as_millis();
        let minute = ms.saturating_sub(ms.rem_euclid(MINUTE_MS));
        match &mut self.forming {
            Some((start, range)) if *start == minute => {
                range.low = range.low.min(new.low);
                range.high = range.high.max(new.high);
                range.close = new.close;
            }
            Some(_) => {}
            None => {
                if self.before.is_none_or(|(end, _)| end <= minute) {
                    self.forming = Some((minute, new));
                }
            }
        }
    }

    /// A bar is complete. What passed over a short gap is spread evenly over gap and bar; after a gap
    /// that is too long for the pace, what was before counts by its age.
    fn finish(&mut self, range: Range, start: i64, span_ms: i64) {
        let gap = self
            .before
            .map(|(end, close)| (start.saturating_sub(end), close));
        if gap.is_some_and(|(gap, _)| gap < 0) {
            return;
        }
        if gap.is_some_and(|(gap, _)| gap > FORGET_MS) {
            *self = Self::default();
        }
        let near = gap.filter(|(gap, _)| *gap <= LONGEST_GAP_MS);
        let (gap, before) = near.unwrap_or((0, range.close));
        let took = gap.saturating_add(span_ms);
        let minutes = took as f64 / MINUTE_MS as f64;
        let variance = variance_of(range, before) / minutes;
        let silent = self
            .before
            .map_or(0, |(end, _)| start.saturating_sub(end).max(0));
        let lost_minutes = silent as f64 / MINUTE_MS as f64;
        for (average, half_life) in self.averages.iter_mut().zip(HALF_LIVES_MIN) {
            if silent > PACE_WITHIN_MS {
                average.fade((-lost_minutes / half_life).exp2());
            }
            average.take(variance, (-minutes / half_life).exp2());
        }
        self.seen_ms = self.seen_ms.saturating_add(took);
        let kept = recent(self.recent_ms, silent);
        self.recent_ms = kept.saturating_add(took).min(PACE_WITHIN_MS);
        if silent > LONGEST_GAP_MS {
            self.torn_ms = Some(0);
        }
        let whole = self.torn_ms.map(|seen| seen.saturating_add(took));
        self.torn_ms = whole.filter(|seen| *seen < HISTORY_LEAST_MS);
        self.since = self.since.or(Some(start));
        self.before = Some((start.saturating_add(span_ms), range.close));
    }
}

/// What is left of `seen_ms` within the last two hours after a gap of `gap_ms`; a short gap counts as
/// seen.
fn recent(seen_ms: i64, gap_ms: i64) -> i64 {
    if gap_ms <= LONGEST_GAP_MS {
        return seen_ms;
    }
    let left = PACE_WITHIN_MS.saturating_sub(gap_ms).max(0);
    seen_ms.min(left)
}

/// Exponentially weighted mean whose weights sum to one however little has been seen.
#[derive(Debug, Clone, Copy, Default)]
struct Average {
    sum: f64,
    weight: f64,
}

impl Average {
    fn take(&mut self, value: f64, keep: f64) {
        self.sum = keep * self.sum + (1.0 - keep) * value;
        self.weight = keep * self.weight + (1.0 - keep);
    }

    /// What was taken so far counts for `keep` of what it did.
    fn fade(&mut self, keep: f64) {
        self.sum *= keep;
        self.weight *= keep;
    }

    fn variance(&self) -> f64 {
        if self.weight > 0.0 {
            self.sum / self.weight
        } else {
            0.0
        }
    }
}

/// What a range in logarithms, stretched to the close before it, says of its variance.
fn variance_of(range: Range, before: f64) -> f64 {
    let height = range.high.max(before) - range.low.min(before);
    height * height / (4.0 * std::f64::consts::LN_2)
}

fn logs(range: Range) -> Option<Range> {
    let logs = Range {
        low: range.low.ln(),
        high: range.high.ln(),
        close: range.close.ln(),
    };
    let is_finite = logs.low.is_finite() && logs.high.is_finite();
    let is_ordered = logs.low <= logs.close && logs.close <= logs.high;
    (is_finite && is_ordered).then_some(logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LN_2: f64 = std::f64::consts::LN_2;

    fn price(value: f64) -> Price {
        format!("{value:.8}").parse().expect("price")
    }

    fn range(low: f64, high: f64, close: f64) -> Range {
        Range { low, high, close }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// `minutes` minutes that each reach from 100 to 100·e^height and end at 100.
    fn flat(bars: &mut MinuteBars, from: i64, minutes: i64, height: f64) {
        for minute in from..from + minutes {
            let bar = range(100.0, 100.0 * height.exp(), 100.0);
            bars.take(bar, at(minute * MINUTE_MS), MINUTE_MS);
        }
    }

    #[test]
    fn equal_bars_give_their_own_volatility_at_every_half_life() {
        let mut bars = MinuteBars::default();
        flat(&mut bars, 0, 90, 0.002);
        let expected = 0.002 / (4.0 * LN_2).sqrt();
        for sigma in bars.sigmas().expect("an hour").get() {
            assert!((sigma / expected - 1.0).abs() < 1e-9, "{sigma}");
        }
        assert_eq!(bars.history_ms(), 90 * MINUTE_MS);
    }

    #[test]
    fn marks_at_any_times_make_the_bars_that_their_ranges_make() {
        for step in [1_000, 5_000, 7_300] {
            let (mut marks, mut bars) = (MinuteBars::default(), MinuteBars::default());
            let mut minutes: std::collections::BTreeMap<i64, Range> = Default::default();
            let mut now = 30_000;
            let mut phase = 0_u32;
            while now < 3 * HOUR_MS {
                let value = 100.0 + f64::from(phase * phase % 97) / 100.0;
                marks.update(price(value), at(now));
                let minute = minutes
                    .entry(now / MINUTE_MS)
                    .or_insert(range(value, value, value));
                *minute = range(minute.low.min(value), minute.high.max(value), value);
                phase += 1;
                now += step;
            }
            for (minute, bar) in &minutes {
                bars.take(*bar, at(minute * MINUTE_MS), MINUTE_MS);
            }
            marks.settle(at(3 * HOUR_MS));
            assert_eq!(marks.history_ms(), bars.history_ms(), "{step}");
            let (marks, bars) = (marks.sigmas().expect("warm"), bars.sigmas().expect("warm"));
            for (mark, bar) in marks.get().into_iter().zip(bars.get()) {
                assert!((mark / bar - 1.0).abs() < 1e-9, "{step}: {mark} {bar}");
            }
        }
    }

    #[test]
    fn the_range_reaches_to_the_close_before() {
        let mut bars = MinuteBars::default();
        flat(&mut bars, 0, 60, 0.0);
        bars.take(range(110.0, 110.0, 110.0), at(60 * MINUTE_MS), MINUTE_MS);
        let jump = (110.0_f64 / 100.0).ln().powi(2) / (4.0 * LN_2);
        let keep = (-1.0_f64 / 5.0).exp2();
        let weight = 1.0 - keep.powi(61);
        let expected = ((1.0 - keep) * jump / weight).sqrt();
        let [fast, ..] = bars.sigmas().expect("warm").get();
        assert!((fast / expected - 1.0).abs() < 1e-9, "{fast} {expected}");
    }

    #[test]
    fn a_short_gap_is_spread_over_its_minutes_and_a_long_one_is_left_out() {
        let after = |gap: i64| {
            let mut bars = MinuteBars::default();
            flat(&mut bars, 0, 120, 0.001);
            let bar = range(103.0, 103.0, 103.0);
            bars.take(bar, at((120 + gap) * MINUTE_MS), MINUTE_MS);
            (bars.sigmas().expect("warm").get()[0], bars.history_ms())
        };
        let (none, _) = after(0);
        let (short, seen) = after(5);
        assert!(short < none && short > 0.001, "{short} {none}");
        assert_eq!(seen, 126 * MINUTE_MS);
        let (long, seen) = after(11);
        assert!(long < 0.001, "{long}");
        assert_eq!(seen, 121 * MINUTE_MS);
    }

    #[test]
    fn after_more_than_a_day_of_silence_everything_starts_anew() {
        let mut bars = MinuteBars::default();
        flat(&mut bars, 0, 120, 0.001);
        flat(&mut bars, 120 + 24 * 60 + 1, 59, 0.001);
        assert_eq!(bars.sigmas(), None);
        assert_eq!(bars.history_ms(), 59 * MINUTE_MS);
    }

    #[test]
    fn the_pace_of_long_ago_is_not_believed_until_it_is_seen_again_or_read() {
        let mut bars = MinuteBars::default();
        flat(&mut bars, 0, 120, 0.001);
        assert!(bars.hour_sigma().is_some() && !bars.is_torn());
        // An hour of silence leaves an hour that counts, eight leave nothing.
        for (gap, known) in [(10, true), (60, true), (116, false), (480, false)] {
            let mut after = bars.clone();
            after.update(price(100.0), at((120 + gap) * MINUTE_MS + 1_000));
            assert_eq!(after.hour_sigma().is_some(), known, "{gap}");
            assert_eq!(after.is_torn(), gap > 10, "{gap}");
        }
        let mut slept = bars.clone();
        slept.update(price(100.0), at(600 * MINUTE_MS + 1_000));
        let mut read = slept.clone();
        flat(&mut slept, 600, 4, 0.003);
        assert_eq!(slept.hour_sigma(), None);
        flat(&mut slept, 604, 2, 0.003);
        let pace = slept.hour_sigma().expect("five minutes are enough");
        // What was before the sleep hardly counts: about 0.003 in five of six minutes.
        assert!(pace > 2.0 * bars.hour_sigma().expect("known"), "{pace}");
        assert!(slept.is_torn());
        flat(&mut slept, 606, 55, 0.003);
        assert!(!slept.is_torn(), "an hour was seen since");
        let bar = |minute: i64| (at(minute * MINUTE_MS), range(100.0, 100.4, 100.0));
        let history: Vec<(Timestamp, Range)> = (480..600).map(bar).collect();
        read.take_history(&history);
        assert!(!read.is_torn());
        assert!(read.hour_sigma() > bars.hour_sigma());
    }

    #[test]
    fn there_is_no_volatility_before_an_hour_and_none_from_nonsense() {
        let mut bars = MinuteBars::default();
        flat(&mut bars, 0, 59, 0.001);
        assert_eq!(bars.sigmas(), None);
        for bad in [
            range(0.0, 1.0, 1.0),
            range(f64::NAN, 1.0, 1.0),
            range(2.0, 1.0, 1.0),
            range(1.0, f64::INFINITY, 1.0),
        ] {
            bars.take(bad, at(59 * MINUTE_MS), MINUTE_MS);
            bars.take(bad, at(59 * MINUTE_MS), 1_000);
        }
        assert_eq!(bars.history_ms(), 59 * MINUTE_MS);
        assert_eq!(bars.sigmas(), None);
        flat(&mut bars, 59, 1, 0.001);
        assert!(bars.sigmas().is_some());
    }

    #[test]
    fn a_fall_is_felt_within_its_minute_and_a_quiet_start_of_a_minute_calms_nothing() {
        let mut bars = MinuteBars::default();
        flat(&mut bars, 0, 120, 0.002);
        let before = bars.sigmas().expect("warm").get();
        bars.update(price(100.0), at(120 * MINUTE_MS + 1_000));
        assert_eq!(bars.sigmas().expect("warm").get(), before);
        bars.update(price(97.0), at(120 * MINUTE_MS + 2_000));
        let fallen = bars.sigmas().expect("warm").get();
        assert!(fallen[0] > 3.0 * before[0], "{fallen:?} {before:?}");
    }

    #[test]
    fn older_prices_change_nothing() {
        let mut bars = MinuteBars::default();
        flat(&mut bars, 0, 120, 0.002);
        bars.update(price(100.0), at(125 * MINUTE_MS));
        let (before, seen) = (bars.sigmas(), bars.history_ms());
        bars.update(price(50.0), at(124 * MINUTE_MS));
        bars.take(range(50.0, 50.0, 50.0), at(10 * MINUTE_MS), MINUTE_MS);
        assert_eq!((bars.sigmas(), bars.history_ms()), (before, seen));
    }

    #[test]
    fn times_at_the_ends_of_all_time_break_nothing() {
        for ends in [[i64::MIN, i64::MAX], [i64::MAX, i64::MIN]] {
            let mut bars = MinuteBars::default();
            for ms in ends {
                bars.update(price(100.0), at(ms));
                bars.take(range(99.0, 101.0, 100.0), at(ms), i64::MAX);
                bars.settle(at(ms));
            }
            let finite = |sigmas: Sigmas| sigmas.get().iter().all(|sigma| sigma.is_finite());
            assert!(bars.sigmas().is_none_or(finite), "{bars:?}");
        }
    }

    #[test]
    fn a_price_that_never_moves_has_the_least_volatility() {
        let mut bars = MinuteBars::default();
        flat(&mut bars, 0, 120, 0.0);
        assert_eq!(bars.sigmas().expect("warm").get(), [1e-6; 3]);
        assert_eq!(
            Sigmas::new([f64::NAN, -1.0, f64::INFINITY]).get(),
            [1.0, 1e-6, 1.0]
        );
    }
}
