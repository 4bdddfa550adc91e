//! Made-up price moves: jagged on the way, exact at the end, the same in every run.

use rust_decimal::Decimal;

use super::faults::spread;
use crate::domain::{HOUR_MS, MINUTE_MS, Rate};
use crate::replay::STEP_MS;

/// Parts of a whole.
const PPM: i64 = 1_000_000;
/// How far from the straight way a move strays at most, half way, in parts of the move.
const STRAY_PPM: i64 = 180_000;
/// How far prices stray in calm water, in parts of the price.
const CALM_PPM: i64 = 500;
/// Waves of a move: their length in steps and their share in tenths.
const WAVES: [(i64, i64); 3] = [(60, 5), (16, 3), (4, 2)];
/// Calm water before a move, from which the guard learns how the market moves.
const BEFORE_MS: i64 = 6 * HOUR_MS;
/// From the moment the account is there to the begin of the move.
const PAUSE_MS: i64 = MINUTE_MS;
/// After the move the price rests.
const REST_MS: i64 = 15 * MINUTE_MS;

/// A move of the price by a share within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shock {
    /// −0.1 falls by a tenth.
    pub by: Rate,
    /// Milliseconds, at least one step.
    pub over_ms: i64,
}

/// Prices relative to the present one every [`STEP_MS`], and the index at which the account is there.
#[must_use]
pub fn shock_factors(shock: Shock, seed: u64) -> (Vec<Decimal>, usize) {
    let steps = |ms: i64| (ms / STEP_MS).max(1);
    let enter = steps(BEFORE_MS);
    let begins = enter + steps(PAUSE_MS);
    let over = steps(shock.over_ms);
    let ends = begins + over;
    let last = ends + steps(REST_MS);
    let factor = |step: i64| {
        if step < begins {
            // The account sees exactly the present price when it comes.
            let strays = if step == enter { 0 } else { stray(seed, step) };
            return Decimal::ONE + ppm(CALM_PPM * strays / PPM);
        }
        let way = (step - begins).min(over) * PPM / over;
        let strays = STRAY_PPM * stray(seed ^ 1, step) / PPM;
        let done = if step <= ends {
            way + strays * (4 * way * (PPM - way) / PPM) / PPM
        } else {
            // At rest it never goes beyond the end of the move.
            PPM - strays.abs() / 4
        };
        Decimal::ONE + shock.by.get() * ppm(done.clamp(0, PPM))
    };
    let factors = (0..=last).map(factor).collect();
    (factors, usize::try_from(enter).unwrap_or(0))
}

fn ppm(parts: i64) -> Decimal {
    Decimal::new(parts, 6)
}

/// A value from −1 to 1, in millionths, that wanders in waves of several lengths.
fn stray(seed: u64, step: i64) -> i64 {
    let wave = |(length, share): (i64, i64)| {
        let knot = |index: i64| {
            let draw = spread(seed ^ spread((index * 64 + length).unsigned_abs()));
            i64::try_from(draw % (2 * PPM.unsigned_abs() + 1)).unwrap_or(0) - PPM
        };
        let (index, part) = (step.div_euclid(length), step.rem_euclid(length));
        let (from, to) = (knot(index), knot(index + 1));
        (from + (to - from) * part / length) * share / 10
    };
    WAVES.into_iter().map(wave).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::dec;

    #[test]
    fn a_move_ends_exactly_where_it_should_and_is_jagged_on_the_way() {
        for by in [dec!(-0.5), dec!(-0.05), dec!(0.3)] {
            let shock = Shock {
                by: Rate::of(by),
                over_ms: HOUR_MS,
            };
            let (factors, enter) = shock_factors(shock, 7);
            assert_eq!(factors[enter], Decimal::ONE);
            let end = enter + 12 + 720;
            assert_eq!(factors[end], Decimal::ONE + by);
            let turns = factors[enter..end]
                .windows(3)
                .filter(|w| (w[1] - w[0]) * (w[2] - w[1]) < Decimal::ZERO)
                .count();
            assert!(turns > 30, "{turns} turns");
            assert!(factors.iter().all(|factor| *factor > Decimal::ZERO));
            assert_eq!(factors, shock_factors(shock, 7).0);
        }
    }
}
