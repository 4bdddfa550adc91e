//! Bands by drawing events anew: what the same figures would be with other crashes in the sample.

use super::{DRAWS, SEED};

/// Share of the draws below and above a band.
const TAIL: f64 = 0.025;

/// The middle 95 % of `DRAWS` draws, or `None` with fewer than two events or where too few draws have
/// a value. `figure` makes one value of the events drawn (indices below `events`, some of them
/// repeated), or `None` where it has no meaning.
pub(super) fn band(
    draws: &[Vec<usize>],
    figure: impl Fn(&[usize]) -> Option<f64>,
) -> Option<[f64; 2]> {
    let mut values: Vec<f64> = draws.iter().filter_map(|draw| figure(draw)).collect();
    if values.len() * 2 < DRAWS {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    let below = (TAIL * last as f64).floor() as usize;
    Some([*values.get(below)?, *values.get(last - below)?])
}

/// The same draws for every figure of a group; none with fewer than two events.
pub(super) fn draws(events: usize) -> Vec<Vec<usize>> {
    if events < 2 {
        return Vec::new();
    }
    let mut source = Source(SEED);
    let mut draw = || (0..events).map(|_| source.below(events)).collect();
    (0..DRAWS).map(|_| draw()).collect()
}

/// SplitMix64 (Steele, Lea and Flood 2014): fixed seed, same draws everywhere.
struct Source(u64);

impl Source {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let scaled = (u128::from(mixed) * count as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_of_a_mean_is_about_two_standard_errors_wide() {
        // 100 events, half zero and half one: standard error of the mean 0.05.
        let draws = draws(100);
        let mean = |draw: &[usize]| {
            Some(draw.iter().map(|i| (i % 2) as f64).sum::<f64>() / draw.len() as f64)
        };
        let [low, high] = band(&draws, mean).expect("a band");
        assert!((0.38..0.42).contains(&low), "{low}");
        assert!((0.58..0.62).contains(&high), "{high}");
        assert_eq!(band(&draws, mean), Some([low, high]));
    }

    #[test]
    fn one_event_has_no_band_and_neither_has_a_figure_that_is_mostly_meaningless() {
        assert_eq!(band(&draws(1), |_| Some(1.0)), None);
        let rare = |draw: &[usize]| (draw.first() == Some(&0)).then_some(1.0);
        assert_eq!(band(&draws(10), rare), None);
    }
}
