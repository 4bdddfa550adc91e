//! What became of the forecasts: each is held against the prices that followed, and scored beside a
//! forecast that knows nothing but how often lines have been touched so far.
//!
//! Inputs: forecasts and prices with their times. What was not seen is not scored: a gap in the prices
//! voids every forecast that was open over it, also one whose line was crossed meanwhile, because a
//! rule that kept only touches would count too many.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{DAY_MS, HOUR_MS, MINUTE_MS, PositionKey, Price, Symbol, Timestamp};

/// Horizons that are asked and scored, rising, in milliseconds.
pub const SCORED_HORIZONS_MS: [i64; 4] = [15 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, DAY_MS];
/// Upper ends of the reliability buckets; the first begins at zero.
pub const EDGES: [f64; 9] = [0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0];
/// Forecasts are clipped into this and its complement for the log score alone: one surprise of a
/// forecast that called it impossible must not outweigh everything.
pub const CLIP: f64 = 1e-4;
/// Forecasts that may be open at once; more are not taken. A position with a forecast per horizon
/// every 31 minutes has about 60.
pub const FORECASTS_OPEN_MAX: usize = 4_096;
/// A longer time without a price voids what is open, in milliseconds.
pub const UNSEEN_MOST_MS: i64 = 2 * MINUTE_MS;
/// Chances are kept to this part.
const CHANCE_PARTS: f64 = 1e6;

/// One open forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Whose line it is.
    pub subject: PositionKey,
    /// Price that touches.
    pub line: Price,
    /// Touched from above.
    pub falls_hurt: bool,
    /// Milliseconds from `made_at`.
    pub horizon_ms: i64,
    /// Chance of a touch, 0..1.
    pub chance: f64,
    /// Venue time of the price that it was made at.
    pub made_at: Timestamp,
}

/// How a forecast ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Touched,
    Untouched,
    /// Not all of its horizon was seen: it does not count.
    Void,
}

/// Open forecasts of all symbols.
#[derive(Debug, Default)]
pub struct Ledger {
    boards: BTreeMap<Symbol, Board>,
    open: usize,
}

/// Forecasts of one symbol, and what a price is compared with before anything else is looked at.
#[derive(Debug)]
struct Board {
    open: Vec<Forecast>,
    /// Highest line that falls touch, and lowest that rises touch.
    low: Option<Price>,
    high: Option<Price>,
    /// First end of a horizon.
    due: Timestamp,
    seen_at: Timestamp,
}

/// A chance in the precision in which it is kept; what is no chance becomes 1.
#[must_use]
pub fn kept_chance(chance: f64) -> f64 {
    if chance.is_nan() {
        return 1.0;
    }
    (chance.clamp(0.0, 1.0) * CHANCE_PARTS).round() / CHANCE_PARTS
}

impl Ledger {
    /// Takes a forecast made at the price of `made_at`; false when [`FORECASTS_OPEN_MAX`] are open.
    pub fn add(&mut self, forecast: Forecast) -> bool {
        if self.open >= FORECASTS_OPEN_MAX {
            return false;
        }
        self.open += 1;
        let symbol = &forecast.subject.symbol;
        if let Some(board) = self.boards.get_mut(symbol) {
            board.open.push(forecast);
            board.survey();
            return true;
        }
        let mut board = Board {
            seen_at: forecast.made_at,
            open: Vec::new(),
            low: None,
            high: None,
            due: Timestamp::MAX,
        };
        let symbol = symbol.clone();
        board.open.push(forecast);
        board.survey();
        self.boards.insert(symbol, board);
        true
    }

    /// Takes a price and returns what it decides. Two comparisons of prices and two of times, unless
    /// it decides something. Prices older than the newest one are ignored.
    pub fn on_price(
        &mut self,
        symbol: &Symbol,
        price: Price,
        at: Timestamp,
    ) -> Vec<(Forecast, Verdict)> {
        let Some(board) = self.boards.get_mut(symbol) else {
            return Vec::new();
        };
        let unseen = at.since(board.seen_at);
        if unseen < 0 {
            return Vec::new();
        }
        board.seen_at = at;
        let decided = if unseen > UNSEEN_MOST_MS {
            board.void()
        } else if board.is_quiet(price, at) {
            return Vec::new();
        } else {
            board.decide(price, at)
        };
        self.close(symbol, decided)
    }

    /// Voids what is open on symbols without a price for too long at `now`, as nothing would end it
    /// if no price came any more.
    pub fn sweep(&mut self, now: Timestamp) -> Vec<(Forecast, Verdict)> {
        let silent = |board: &Board| now.since(board.seen_at) > UNSEEN_MOST_MS;
        let silent = self.boards.iter().filter(|(_, board)| silent(board));
        let silent: Vec<Symbol> = silent.map(|(symbol, _)| symbol.clone()).collect();
        let mut out = Vec::new();
        for symbol in silent {
            let voided = self.boards.get_mut(&symbol).map(Board::void);
            out.append(&mut self.close(&symbol, voided.unwrap_or_default()));
        }
        out
    }

    /// Forecasts that are open.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Counts off what is decided; a symbol with nothing left is forgotten.
    fn close(
        &mut self,
        symbol: &Symbol,
        decided: Vec<(Forecast, Verdict)>,
    ) -> Vec<(Forecast, Verdict)> {
        self.open = self.open.saturating_sub(decided.len());
        if self
            .boards
            .get(symbol)
            .is_some_and(|board| board.open.is_empty())
        {
            self.boards.remove(symbol);
        }
        decided
    }
}

impl Forecast {
    fn is_touched(&self, price: Price) -> bool {
        if self.falls_hurt {
            price <= self.line
        } else {
            price >= self.line
        }
    }

    const fn ends_at(&self) -> Timestamp {
        self.made_at.plus_ms(self.horizon_ms)
    }

    /// A price after the end decides nothing but that the end has come.
    fn verdict(&self, price: Price, at: Timestamp) -> Option<Verdict> {
        let ends_at = self.ends_at();
        if at <= ends_at && self.is_touched(price) {
            return Some(Verdict::Touched);
        }
        (at >= ends_at).then_some(Verdict::Untouched)
    }
}

impl Board {
    fn is_quiet(&self, price: Price, at: Timestamp) -> bool {
        at < self.due
            && self.low.is_none_or(|low| price > low)
            && self.high.is_none_or(|high| price < high)
    }

    fn decide(&mut self, price: Price, at: Timestamp) -> Vec<(Forecast, Verdict)> {
        let mut decided = Vec::new();
        for forecast in std::mem::take(&mut self.open) {
            match forecast.verdict(price, at) {
                Some(verdict) => decided.push((forecast, verdict)),
                None => self.open.push(forecast),
            }
        }
        self.survey();
        decided
    }

    fn void(&mut self) -> Vec<(Forecast, Verdict)> {
        let open = std::mem::take(&mut self.open);
        self.survey();
        open.into_iter()
            .map(|forecast| (forecast, Verdict::Void))
            .collect()
    }

    fn survey(&mut self) {
        let lines = |falls_hurt: bool| {
            let open = self.open.iter();
            open.filter(move |forecast| forecast.falls_hurt == falls_hurt)
                .map(|forecast| forecast.line)
        };
        self.low = lines(true).max();
        self.high = lines(false).min();
        let ends = self.open.iter().map(Forecast::ends_at);
        self.due = ends.min().unwrap_or(Timestamp::MAX);
    }
}

/// Running scores of one horizon; constant memory. Voided forecasts do not belong here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Score {
    count: u64,
    touched: u64,
    forecast: f64,
    own: Sums,
    base: Sums,
    buckets: [Bucket; EDGES.len()],
}

/// Forecasts of one size.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bucket {
    pub count: u64,
    pub touched: u64,
    /// Sum of the chances.
    pub forecast: f64,
}

/// Mean scores; less is better in both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Means {
    /// Mean of (chance − outcome)².
    pub brier: f64,
    /// Mean of −ln of the chance given to what happened, clipped by [`CLIP`].
    pub log: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sums {
    brier: f64,
    log: f64,
}

impl Score {
    /// Counts one forecast that came to an end. The base rate that is scored beside it is the share
    /// touched among those counted before, with half a touch and half a miss added.
    pub fn take(&mut self, chance: f64, touched: bool) {
        let chance = kept_chance(chance);
        let base = (self.touched as f64 + 0.5) / (self.count as f64 + 1.0);
        self.own.take(chance, touched);
        self.base.take(base, touched);
        self.count += 1;
        self.touched += u64::from(touched);
        self.forecast += chance;
        let place = EDGES.iter().take_while(|edge| chance >= **edge).count();
        // A forecast of one belongs to the last bucket.
        if let Some(bucket) = self.buckets.get_mut(place.min(EDGES.len() - 1)) {
            bucket.count += 1;
            bucket.touched += u64::from(touched);
            bucket.forecast += chance;
        }
    }

    /// Forecasts counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Those among them whose line was touched.
    #[must_use]
    pub const fn touched(&self) -> u64 {
        self.touched
    }

    /// Mean chance; `None` before the first, and so below.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.forecast / self.count as f64)
    }

    /// Scores of the forecasts.
    #[must_use]
    pub fn own(&self) -> Option<Means> {
        self.own.over(self.count)
    }

    /// Scores of the running base rate over the same outcomes.
    #[must_use]
    pub fn base(&self) -> Option<Means> {
        self.base.over(self.count)
    }

    /// Chances from, to below, and what came of them; rising.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, f64, Bucket)> {
        let from = std::iter::once(0.0).chain(EDGES);
        from.zip(EDGES)
            .zip(self.buckets)
            .map(|((from, to), bucket)| (from, to, bucket))
    }
}

impl Bucket {
    /// Mean chance; `None` when empty.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.forecast / self.count as f64)
    }
}

impl Sums {
    fn take(&mut self, chance: f64, touched: bool) {
        let outcome = if touched { 1.0 } else { 0.0 };
        let clipped = chance.clamp(CLIP, 1.0 - CLIP);
        self.brier += (chance - outcome).powi(2);
        self.log -= if touched {
            clipped.ln()
        } else {
            (1.0 - clipped).ln()
        };
    }

    fn over(self, count: u64) -> Option<Means> {
        let means = |count: f64| Means {
            brier: self.brier / count,
            log: self.log / count,
        };
        (count > 0).then(|| means(count as f64))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::PositionSide;

    fn price(text: &str) -> Price {
        text.parse().expect("price")
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn btc() -> Symbol {
        Symbol::new("BTCUSDT")
    }

    fn forecast(line: &str, falls_hurt: bool, horizon_ms: i64) -> Forecast {
        Forecast {
            subject: PositionKey {
                symbol: btc(),
                position_side: PositionSide::Both,
            },
            line: price(line),
            falls_hurt,
            horizon_ms,
            chance: 0.1,
            made_at: at(0),
        }
    }

    /// Verdicts in order, for prices at these times.
    fn verdicts(forecast: Forecast, prices: &[(i64, &str)]) -> Vec<Verdict> {
        let mut ledger = Ledger::default();
        assert!(ledger.add(forecast));
        let mut out = Vec::new();
        for (ms, text) in prices {
            let decided = ledger.on_price(&btc(), price(text), at(*ms));
            out.extend(decided.into_iter().map(|(_, verdict)| verdict));
        }
        assert_eq!(ledger.open(), 1 - out.len());
        assert_eq!(ledger.boards.len(), ledger.open());
        out
    }

    /// Prices each minute that stay at 100, the last one as given.
    fn minutes(count: i64, last: (i64, &'static str)) -> Vec<(i64, &'static str)> {
        let calm = (1..=count).map(|minute| (minute * MINUTE_MS, "100"));
        calm.chain([last]).collect()
    }

    #[test]
    fn a_line_is_touched_by_reaching_it_and_only_from_its_side() {
        let long = || forecast("95", true, HOUR_MS);
        let short = || forecast("105", false, HOUR_MS);
        let touched = [Verdict::Touched];
        assert_eq!(verdicts(long(), &[(1, "95")]), touched);
        assert_eq!(verdicts(long(), &[(1, "95.01"), (2, "120")]), []);
        assert_eq!(verdicts(short(), &[(1, "105")]), touched);
        assert_eq!(verdicts(short(), &[(1, "104.99"), (2, "80")]), []);
    }

    #[test]
    fn the_end_of_the_horizon_counts_and_what_comes_after_does_not() {
        let long = || forecast("95", true, 15 * MINUTE_MS);
        let end = 15 * MINUTE_MS;
        assert_eq!(
            verdicts(long(), &minutes(14, (end, "94"))),
            [Verdict::Touched]
        );
        assert_eq!(
            verdicts(long(), &minutes(14, (end + 1, "94"))),
            [Verdict::Untouched]
        );
        assert_eq!(
            verdicts(long(), &minutes(14, (end, "96"))),
            [Verdict::Untouched]
        );
        assert_eq!(verdicts(long(), &minutes(14, (end - 1, "96"))), []);
    }

    #[test]
    fn a_gap_voids_whatever_it_hides() {
        let long = || forecast("95", true, HOUR_MS);
        let gap = UNSEEN_MOST_MS;
        assert_eq!(
            verdicts(long(), &[(gap, "94")]),
            [Verdict::Touched],
            "no gap"
        );
        assert_eq!(verdicts(long(), &[(gap + 1, "94")]), [Verdict::Void]);
        assert_eq!(verdicts(long(), &[(gap + 1, "100")]), [Verdict::Void]);
        assert_eq!(verdicts(long(), &[(2 * HOUR_MS, "100")]), [Verdict::Void]);
    }

    #[test]
    fn a_symbol_that_is_heard_no_more_is_swept() {
        let mut ledger = Ledger::default();
        assert!(ledger.add(forecast("95", true, DAY_MS)));
        assert_eq!(ledger.sweep(at(UNSEEN_MOST_MS)), []);
        let swept = ledger.sweep(at(UNSEEN_MOST_MS + 1));
        assert_eq!(
            swept,
            [(forecast("95", true, DAY_MS), Verdict::Void)],
            "given back whole"
        );
        assert_eq!((ledger.open(), ledger.boards.len()), (0, 0));
    }

    #[test]
    fn prices_of_other_symbols_and_older_ones_decide_nothing() {
        let mut ledger = Ledger::default();
        assert!(ledger.add(forecast("95", true, HOUR_MS)));
        assert_eq!(ledger.on_price(&btc(), price("100"), at(50_000)), []);
        assert_eq!(ledger.on_price(&btc(), price("90"), at(49_999)), []);
        let other = Symbol::new("ETHUSDT");
        assert_eq!(ledger.on_price(&other, price("90"), at(51_000)), []);
        assert_eq!(ledger.open(), 1);
    }

    #[test]
    fn the_number_of_open_forecasts_is_limited() {
        let mut ledger = Ledger::default();
        for _ in 0..FORECASTS_OPEN_MAX {
            assert!(ledger.add(forecast("95", true, HOUR_MS)));
        }
        assert!(!ledger.add(forecast("95", true, HOUR_MS)));
        let decided = ledger.on_price(&btc(), price("90"), at(1));
        assert_eq!(decided.len(), FORECASTS_OPEN_MAX);
        assert!(ledger.add(forecast("95", true, HOUR_MS)));
    }

    #[test]
    fn scores_are_those_of_the_definitions() {
        let mut score = Score::default();
        assert_eq!(
            (score.own(), score.base(), score.mean()),
            (None, None, None)
        );
        score.take(0.8, true);
        score.take(0.4, false);
        let own = score.own().expect("scored");
        assert!((own.brier - (0.04 + 0.16) / 2.0).abs() < 1e-12);
        assert!((own.log + (0.8_f64.ln() + 0.6_f64.ln()) / 2.0).abs() < 1e-12);
        // Base rates: 1/2 before the first outcome, 1.5/2 before the second.
        let base = score.base().expect("scored");
        assert!((base.brier - (0.25 + 0.5625) / 2.0).abs() < 1e-12);
        assert!((base.log + (0.5_f64.ln() + 0.25_f64.ln()) / 2.0).abs() < 1e-12);
        assert_eq!((score.count(), score.touched()), (2, 1));
        let filled: Vec<_> = score.buckets().filter(|(.., b)| b.count > 0).collect();
        assert_eq!(filled.len(), 2);
        assert_eq!((filled[0].0, filled[0].1), (0.35, 0.5));
        assert_eq!((filled[1].0, filled[1].2.touched), (0.5, 1));
    }

    proptest! {
        #[test]
        fn scores_stay_finite_and_every_forecast_is_in_one_bucket(
            outcomes in prop::collection::vec((prop::num::f64::ANY, any::<bool>()), 1..100),
        ) {
            let mut score = Score::default();
            for (chance, touched) in &outcomes {
                score.take(*chance, *touched);
            }
            for means in [score.own(), score.base()].into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&means.brier));
                prop_assert!(means.log.is_finite() && means.log >= 0.0);
            }
            let in_buckets: u64 = score.buckets().map(|(.., bucket)| bucket.count).sum();
            prop_assert_eq!(in_buckets, score.count());
        }

        /// What the ledger decides price by price is what a look at all prices together says.
        #[test]
        fn the_ledger_agrees_with_hindsight(
            steps in prop::collection::vec((1_i64..90_000, 90_u32..111), 1..120),
            line in 91_u32..110,
            falls_hurt in any::<bool>(),
        ) {
            let horizon_ms = HOUR_MS;
            let mut now = 0;
            let prices: Vec<(i64, u32)> = steps
                .into_iter()
                .map(|(step, value)| {
                    now += step;
                    (now, value)
                })
                .collect();
            let hit = |value: u32| if falls_hurt { value <= line } else { value >= line };
            let expected = prices.iter().find_map(|(ms, value)| {
                if *ms <= horizon_ms && hit(*value) {
                    Some(Verdict::Touched)
                } else {
                    (*ms >= horizon_ms).then_some(Verdict::Untouched)
                }
            });
            let texts: Vec<(i64, String)> =
                prices.iter().map(|(ms, value)| (*ms, value.to_string())).collect();
            let shown: Vec<(i64, &str)> =
                texts.iter().map(|(ms, text)| (*ms, text.as_str())).collect();
            let told = verdicts(forecast(&line.to_string(), falls_hurt, horizon_ms), &shown);
            prop_assert_eq!(told, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
