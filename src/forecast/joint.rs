//! How far one symbol moves when another one moves: betas from prices at irregular times.
//!
//! One-minute log returns that two symbols have in common make exponentially weighted second moments
//! with half-lives of 24 h and 4 h. From these, `beta = rho * (sigma_of / sigma_to)^0.75`. In the worst
//! hours the prices of crypto contracts run together whatever their correlation was the day before,
//! so that `rho` is held near [`CRASH_CORRELATION`]; and the ratio of their volatilities shrinks.
//! Measured: `docs/calibration.md`, "Betas".

use std::collections::BTreeMap;

use rust_decimal::prelude::ToPrimitive;

use crate::domain::{DAY_MS, MINUTE_MS, Price, Symbol, Timestamp};

/// Symbols that are followed at most; a further one takes the place of one that has been silent for
/// more than 24 h, or else is not followed and has the betas of an unknown symbol.
pub const JOINT_SYMBOLS_MAX: usize = 16;
/// No beta is answered beyond this. Larger moves were realised, but no estimate foresaw them.
pub const BETA_MOST: f64 = 3.0;
/// Correlation that is assumed of a crash, and the beta of symbols never seen together. Fitted to
/// moves of one hour; between returns of one minute 0.85, and of five minutes 0.90, were measured in
/// the worst hours of 15 events each.
pub const CRASH_CORRELATION: f64 = 0.95;
/// Common minutes that [`CRASH_CORRELATION`] counts as much as: three days.
const CORRELATION_PRIOR_MIN: f64 = 4_320.0;
/// Common minutes after which half of the measured ratio of volatilities is believed.
const RATIO_PRIOR_MIN: f64 = 30.0;
/// Power of the ratio of volatilities.
const RATIO_POWER: f64 = 0.75;
const HALF_LIVES_MIN: [f64; 2] = [1_440.0, 240.0];
/// After a longer silence a symbol begins anew.
const FORGET_MIN: i64 = DAY_MS / MINUTE_MS;

/// Follows several symbols at once; constant memory. A price costs one look-up, the first price of a
/// minute the settling of the minute before: one step per symbol and per pair that traded in it.
#[derive(Debug, Clone, Default)]
pub struct Joint {
    /// The minute under way.
    minute: Option<i64>,
    /// Where each symbol is.
    places: BTreeMap<Symbol, usize>,
    tracks: Vec<Track>,
    /// Of places `i > j`: at `i * (i - 1) / 2 + j`.
    pairs: Vec<Pair>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Track {
    /// Logarithm of the last price of the minute under way.
    forming: Option<f64>,
    /// Last minute with a price, and the logarithm of its close.
    before: Option<(i64, f64)>,
    /// Return of the minute that is being settled.
    step: Option<f64>,
}

/// Second moments of two symbols, by half-life.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    minute: i64,
    sums: [Sums; HALF_LIVES_MIN.len()],
}

/// Weighted sums of squares and products; `weight` is the number of minutes that they stand for.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    weight: f64,
    high: f64,
    low: f64,
    both: f64,
}

impl Joint {
    /// Takes one price; O(symbols) on average where every symbol has a price each minute. A price
    /// from before the minute under way is ignored.
    pub fn update(&mut self, symbol: &Symbol, price: Price, at: Timestamp) {
        let Some(log) = price.get().to_f64().map(f64::ln) else {
            return;
        };
        let minute = at.as_millis().div_euclid(MINUTE_MS);
        if !log.is_finite() || self.minute.is_some_and(|known| minute < known) {
            return;
        }
        if self.minute != Some(minute) {
            self.settle();
            self.minute = Some(minute);
        }
        let place = self.places.get(symbol).copied();
        let place = place.or_else(|| self.enrol(symbol, minute));
        if let Some(track) = place.and_then(|place| self.tracks.get_mut(place)) {
            track.forming = Some(log);
        }
    }

    /// Move expected of `of`, in percent, when `to` moves by 1 % in a crash: 0 … [`BETA_MOST`], by
    /// the half-life that gives more. Never negative: no correlation of a day has proved a hedge
    /// against the next crash. [`CRASH_CORRELATION`] for symbols that were never seen together, 1
    /// for a symbol and itself.
    #[must_use]
    pub fn beta(&self, of: &Symbol, to: &Symbol) -> f64 {
        let betas = self.betas(of, to);
        betas.into_iter().fold(0.0, f64::max)
    }

    /// The same by the half-life that gives less: for a leg that is counted on as a hedge.
    #[must_use]
    pub fn least_beta(&self, of: &Symbol, to: &Symbol) -> f64 {
        let betas = self.betas(of, to);
        betas.into_iter().fold(BETA_MOST, f64::min)
    }

    /// Common minutes that an answer about these two stands on, the newest counted most: below an hour
    /// it is little more than what is assumed of any two symbols.
    #[must_use]
    pub fn minutes(&self, of: &Symbol, to: &Symbol) -> f64 {
        let [long, _] = self.sums(of, to);
        long.weight
    }

    fn betas(&self, of: &Symbol, to: &Symbol) -> [f64; HALF_LIVES_MIN.len()] {
        if of == to {
            return [1.0; HALF_LIVES_MIN.len()];
        }
        self.sums(of, to).map(|sums| sums.beta())
    }

    /// With `of` as the higher one; empty when the two are not known together.
    fn sums(&self, of: &Symbol, to: &Symbol) -> [Sums; HALF_LIVES_MIN.len()] {
        let places = self.places.get(of).zip(self.places.get(to));
        let Some((of, to)) = places else {
            return Default::default();
        };
        let known = pair_place(*of, *to).and_then(|place| self.pairs.get(place));
        let sums = known.map_or_else(Default::default, |pair| pair.sums);
        if of > to {
            sums
        } else {
            sums.map(Sums::swapped)
        }
    }

    /// Finishes the minute under way.
    fn settle(&mut self) {
        let Some(minute) = self.minute else {
            return;
        };
        for place in 0..self.tracks.len() {
            let silent = self.tracks.get_mut(place).and_then(|track| {
                let (last, _) = track.before?;
                track.forming.map(|_| minute.saturating_sub(last))
            });
            if silent.is_some_and(|silent| silent > FORGET_MIN) {
                self.forget(place);
            }
        }
        for track in &mut self.tracks {
            track.settle(minute);
        }
        for (high, track) in self.tracks.iter().enumerate() {
            let Some(step) = track.step else {
                continue;
            };
            for (low, other) in self.tracks.iter().enumerate().take(high) {
                let Some(other) = other.step else {
                    continue;
                };
                let pair = pair_place(high, low).and_then(|place| self.pairs.get_mut(place));
                if let Some(pair) = pair {
                    pair.take(minute, step, other);
                }
            }
        }
    }

    /// A place for a new symbol: a free one, or that of the symbol silent longest, if it was silent
    /// for long enough.
    fn enrol(&mut self, symbol: &Symbol, minute: i64) -> Option<usize> {
        if self.tracks.len() < JOINT_SYMBOLS_MAX {
            let place = self.tracks.len();
            self.tracks.push(Track::default());
            self.pairs.resize(place * (place + 1) / 2, Pair::default());
            self.places.insert(symbol.clone(), place);
            return Some(place);
        }
        let heard = |place: &usize| match self.tracks.get(*place)?.forming {
            Some(_) => Some(minute),
            None => Some(self.tracks.get(*place)?.before?.0),
        };
        let silent = self.places.iter().min_by_key(|(_, place)| heard(place))?;
        let (name, place) = (silent.0.clone(), *silent.1);
        if heard(&place).is_some_and(|last| minute.saturating_sub(last) <= FORGET_MIN) {
            return None;
        }
        self.places.remove(&name);
        self.forget(place);
        if let Some(track) = self.tracks.get_mut(place) {
            *track = Track::default();
        }
        self.places.insert(symbol.clone(), place);
        Some(place)
    }

    /// Empties what is known of a place; the price of the minute under way stays.
    fn forget(&mut self, place: usize) {
        if let Some(track) = self.tracks.get_mut(place) {
            track.before = None;
        }
        for other in 0..self.tracks.len() {
            let pair = pair_place(place, other).and_then(|place| self.pairs.get_mut(place));
            if let Some(pair) = pair {
                *pair = Pair::default();
            }
        }
    }
}

/// Where the pair of two different places is.
fn pair_place(one: usize, other: usize) -> Option<usize> {
    let (high, low) = (one.max(other), one.min(other));
    (high > low).then(|| high * (high - 1) / 2 + low)
}

impl Track {
    fn settle(&mut self, minute: i64) {
        self.step = None;
        let Some(close) = self.forming.take() else {
            return;
        };
        let before = self.before.replace((minute, close));
        self.step = before
            .filter(|(last, _)| *last == minute.saturating_sub(1))
            .map(|(_, before)| close - before);
    }
}

impl Pair {
    fn take(&mut self, minute: i64, high: f64, low: f64) {
        let passed = minute.saturating_sub(self.minute) as f64;
        for (sums, half_life) in self.sums.iter_mut().zip(HALF_LIVES_MIN) {
            let keep = (-passed / half_life).exp2();
            sums.weight = keep * sums.weight + 1.0;
            sums.high = keep * sums.high + high * high;
            sums.low = keep * sums.low + low * low;
            sums.both = keep * sums.both + high * low;
        }
        self.minute = minute;
    }
}

impl Sums {
    fn swapped(self) -> Self {
        Self {
            high: self.low,
            low: self.high,
            ..self
        }
    }

    /// Beta of the higher to the lower one.
    fn beta(self) -> f64 {
        let measured = self.both / (self.high * self.low).sqrt();
        let correlation = if measured.is_finite() {
            let evidence = self.weight / (self.weight + CORRELATION_PRIOR_MIN);
            let measured = measured.clamp(-1.0, 1.0);
            evidence * measured + (1.0 - evidence) * CRASH_CORRELATION
        } else {
            CRASH_CORRELATION
        };
        let power = RATIO_POWER * self.weight / (self.weight + RATIO_PRIOR_MIN);
        let ratio = (self.high / self.low).sqrt().powf(power);
        // A price that never moved tells nothing of a ratio.
        let ratio = if ratio.is_finite() && ratio > 0.0 {
            ratio
        } else {
            1.0
        };
        (correlation * ratio).clamp(0.0, BETA_MOST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn symbol(name: &str) -> Symbol {
        Symbol::new(name)
    }

    fn price(value: f64) -> Price {
        format!("{value:.10}").parse().expect("price")
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// Cheap noise of about unit variance, the same in every run.
    struct Noise(u64);

    impl Noise {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
            self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }

        fn next(&mut self) -> f64 {
            (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
        }
    }

    /// `minutes` of A with volatility 0.001 and of B = `beta` times it plus `own` of its own, at
    /// irregular times of the minute and with one B minute in `hole` left out.
    fn market(joint: &mut Joint, minutes: i64, beta: f64, own: f64, hole: i64) {
        let (a, b) = (symbol("A"), symbol("B"));
        let mut noise = Noise(7);
        let (mut of_a, mut of_b) = (0.0_f64, 0.0_f64);
        for minute in 0..minutes {
            let step = 0.001 * noise.next();
            of_a += step;
            of_b += beta * step + own * noise.next();
            let start = minute * MINUTE_MS;
            // An early price of the minute does not count, its last one does.
            let late = start + 30_000 + (minute * 7_919) % 29_000;
            joint.update(&a, price(100.0 * (of_a - 0.5 * step).exp()), at(start + 5));
            joint.update(&a, price(100.0 * of_a.exp()), at(late));
            if hole == 0 || minute % hole > 0 {
                joint.update(&b, price(50.0 * of_b.exp()), at(late - 11_000));
            }
        }
        joint.update(&a, price(100.0), at(minutes * MINUTE_MS));
    }

    /// What the documented formula gives for a correlation, a ratio of volatilities and a weight.
    fn by_the_book(correlation: f64, ratio: f64, weight: f64) -> f64 {
        let evidence = weight / (weight + 4_320.0);
        let correlation = evidence * correlation + (1.0 - evidence) * 0.95;
        correlation * ratio.powf(0.75 * weight / (weight + 30.0))
    }

    #[test]
    fn a_known_beta_comes_back_from_irregular_prices_and_with_holes() {
        for hole in [0, 3, 10] {
            let mut joint = Joint::default();
            market(&mut joint, 4_000, 2.0, 0.0, hole);
            let (a, b) = (symbol("A"), symbol("B"));
            let [long, short] = joint.sums(&b, &a);
            for sums in [long, short] {
                let ratio = (sums.high / sums.low).sqrt();
                assert!((ratio - 2.0).abs() < 1e-3, "{hole}: {ratio}");
                assert!((sums.both / sums.low - 2.0).abs() < 1e-3);
            }
            let expected = by_the_book(1.0, 2.0, joint.minutes(&b, &a));
            let off = joint.beta(&b, &a) / expected - 1.0;
            assert!(off.abs() < 1e-3, "{hole}: {off}");
            assert!(joint.beta(&b, &a) >= joint.least_beta(&b, &a));
            // 2^0.75 = 1.68, and the other way round its inverse.
            assert!((joint.beta(&b, &a) - 1.62).abs() < 0.06);
            assert!((joint.beta(&a, &b) - 0.60).abs() < 0.05);
        }
    }

    #[test]
    fn holes_leave_out_minutes_and_nothing_else() {
        let minutes = |hole: i64| {
            let mut joint = Joint::default();
            market(&mut joint, 300, 1.0, 0.0, hole);
            joint.minutes(&symbol("B"), &symbol("A"))
        };
        // One minute in three is missing: neither it nor the one after it has a return.
        let share = minutes(3) / minutes(0);
        assert!((share - 1.0 / 3.0).abs() < 0.01, "{share}");
    }

    #[test]
    fn without_history_what_is_assumed_is_answered() {
        let mut joint = Joint::default();
        let (a, b) = (symbol("A"), symbol("B"));
        assert_eq!(joint.beta(&a, &b), CRASH_CORRELATION);
        assert_eq!(joint.beta(&a, &a), 1.0);
        assert_eq!(joint.minutes(&a, &b), 0.0);
        market(&mut joint, 10, 3.0, 0.0, 0);
        let early = joint.beta(&b, &a);
        assert!(early > 1.0 && early < 1.25, "{early}");
        assert!(joint.minutes(&a, &b) > 8.0);
    }

    #[test]
    fn independent_and_opposite_symbols_are_not_believed_to_stay_so() {
        let mut joint = Joint::default();
        market(&mut joint, 10_000, 0.0, 0.001, 0);
        let alone = joint.beta(&symbol("B"), &symbol("A"));
        assert!((0.6..1.0).contains(&alone), "{alone}");
        let mut joint = Joint::default();
        market(&mut joint, 10_000, -1.0, 0.0, 0);
        let opposite = joint.least_beta(&symbol("B"), &symbol("A"));
        assert!((0.25..0.4).contains(&opposite), "{opposite}");
    }

    #[test]
    fn a_gap_makes_no_return_and_a_long_one_begins_anew() {
        let (a, b) = (symbol("A"), symbol("B"));
        let after = |gap_min: i64| {
            let mut joint = Joint::default();
            market(&mut joint, 300, 1.0, 0.0005, 0);
            let start = (301 + gap_min) * MINUTE_MS;
            // B has doubled meanwhile, which no minute shows.
            for step in 0..3 {
                let tick = if step % 2 == 0 { 1.0 } else { 1.001 };
                joint.update(&a, price(100.0 * tick), at(start + step * MINUTE_MS));
                joint.update(&b, price(100.0 * tick), at(start + step * MINUTE_MS));
            }
            joint
        };
        let short = after(20);
        assert!(short.minutes(&a, &b) > 200.0);
        assert!(short.beta(&b, &a) < 1.2, "{}", short.beta(&b, &a));
        let long = after(FORGET_MIN + 2);
        assert!(long.minutes(&a, &b) < 3.0, "{}", long.minutes(&a, &b));
    }

    #[test]
    fn a_price_from_an_older_minute_changes_nothing() {
        let mut joint = Joint::default();
        market(&mut joint, 300, 1.0, 0.0005, 0);
        let (a, b) = (symbol("A"), symbol("B"));
        let before = joint.beta(&b, &a);
        joint.update(&b, price(1.0), at(10 * MINUTE_MS));
        assert_eq!(joint.beta(&b, &a), before);
    }

    #[test]
    fn only_so_many_symbols_are_followed_and_silent_ones_make_room() {
        let mut joint = Joint::default();
        let name = |index: usize| symbol(&format!("S{index:02}"));
        let feed = |joint: &mut Joint, from: usize, until: usize, minute: i64| {
            for index in from..until {
                let value = 100.0 + ((minute * 7 + index as i64) % 5) as f64;
                joint.update(&name(index), price(value), at(minute * MINUTE_MS));
            }
        };
        for minute in 0..10 {
            feed(&mut joint, 0, JOINT_SYMBOLS_MAX + 3, minute);
        }
        assert_eq!(joint.tracks.len(), JOINT_SYMBOLS_MAX);
        let late = name(JOINT_SYMBOLS_MAX + 1);
        assert_eq!(joint.beta(&late, &name(0)), CRASH_CORRELATION);
        // Two days later only the newcomers trade.
        for minute in 2_880..2_890 {
            feed(&mut joint, JOINT_SYMBOLS_MAX, JOINT_SYMBOLS_MAX + 3, minute);
        }
        assert_eq!(joint.tracks.len(), JOINT_SYMBOLS_MAX);
        assert!(joint.minutes(&late, &name(JOINT_SYMBOLS_MAX)) > 5.0);
        assert_eq!(joint.minutes(&late, &name(JOINT_SYMBOLS_MAX - 1)), 0.0);
    }

    #[test]
    fn a_price_that_never_moves_has_a_beta_too() {
        let mut joint = Joint::default();
        let (a, b) = (symbol("A"), symbol("B"));
        for minute in 0..200 {
            joint.update(&a, price(100.0), at(minute * MINUTE_MS));
            joint.update(&b, price(1.0), at(minute * MINUTE_MS));
        }
        assert_eq!(joint.beta(&a, &b), CRASH_CORRELATION);
    }

    proptest! {
        #[test]
        fn betas_are_finite_and_within_their_range_whatever_comes(
            prices in prop::collection::vec(
                (0_usize..4, 1e-12..1e15_f64, prop_oneof![
                    -10_i64..200_000, Just(i64::MIN), Just(i64::MAX)
                ]),
                0..200,
            )
        ) {
            let names = ["A", "B", "C", "D"].map(symbol);
            let mut joint = Joint::default();
            let mut now = 0_i64;
            for (index, value, step) in prices {
                now = now.saturating_add(step);
                if let Ok(price) = format!("{value:.12}").parse::<Price>() {
                    joint.update(&names[index], price, at(now));
                }
            }
            for of in &names {
                for to in &names {
                    for beta in [joint.beta(of, to), joint.least_beta(of, to)] {
                        prop_assert!((0.0..=BETA_MOST).contains(&beta), "{}", beta);
                    }
                    prop_assert!(joint.least_beta(of, to) <= joint.beta(of, to));
                    prop_assert_eq!(joint.minutes(of, to), joint.minutes(to, of));
                }
            }
        }

        /// Without the limits a beta and its inverse multiply to the square of the correlation.
        #[test]
        fn a_pair_is_seen_alike_from_both_sides(beta in 0.5..2.0_f64, own in 0.0..0.001_f64) {
            let mut joint = Joint::default();
            market(&mut joint, 500, beta, own, 0);
            let (a, b) = (symbol("A"), symbol("B"));
            let there = joint.sums(&b, &a).map(Sums::beta);
            let back = joint.sums(&a, &b).map(Sums::beta);
            for (there, back) in there.into_iter().zip(back) {
                let product = there * back;
                prop_assert!(product <= 1.0 + 1e-9 && product > 0.5, "{}", product);
            }
        }
    }
}
