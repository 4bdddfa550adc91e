//! How much to give up at which distance: the rule between the need for room and the wish to hold.
//!
//! Adding margin costs nothing but needs money that ends; so it waits until it must be, and is done at
//! once. A trim costs position: between the need and [`INNER`] of it a little is given up, in
//! proportion to how deep the price has come; below that enough to restore a wide distance, because a
//! price that came so far fast goes on. `docs/decisions/0007` holds the benchmark behind the numbers.

/// Margin is added at this share of the distance needed.
pub const ADD_AT: f64 = 0.8;
/// Between the distance needed and this share of it trims are small.
pub const INNER: f64 = 0.6;
/// Share of the position that is given up at the inner end of that band.
const BAND_MOST: f64 = 0.55;
/// A smaller share is not worth an order.
const LEAST_SHARE: f64 = 0.05;
/// First trim: where the share that grows from zero at the distance needed has become worth an order.
pub const TRIM_AT: f64 = 1.0 - (1.0 - INNER) * LEAST_SHARE / BAND_MOST;
/// On top of the multiple of the distance needed a restored distance has room for the costs of the
/// next trim: a flat part and a part of the maintenance rate.
const ROOM_FLAT: f64 = 0.000_7;
const ROOM_PER_RATE: f64 = 0.1;
/// No rescue aims at more distance than this share of the price.
pub const FARTHEST: f64 = 0.9;

/// What a trim should do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Want {
    /// Give up this share of the position, 0..1.
    Share(f64),
    /// Restore this distance, as a fraction of the price.
    Distance(f64),
}

/// What a trim should do at `distance` when `needed` is needed; `restore` is the multiple of the
/// distance needed that is restored, `rate` the maintenance rate. Above [`TRIM_AT`] the least share.
#[must_use]
pub fn want(distance: f64, needed: f64, restore: f64, rate: f64) -> Want {
    let depth = (needed - distance) / (needed * (1.0 - INNER));
    if depth >= 1.0 {
        return Want::Distance(restored(needed, restore, rate));
    }
    Want::Share((BAND_MOST * depth).max(LEAST_SHARE))
}

/// The distance that a rescue restores.
#[must_use]
pub fn restored(needed: f64, restore: f64, rate: f64) -> f64 {
    (restore * needed + ROOM_FLAT + ROOM_PER_RATE * rate).min(FARTHEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_begin_small_grow_with_depth_and_end_in_a_restored_distance() {
        let share = |distance: f64| match want(distance, 0.02, 2.28, 0.004) {
            Want::Share(share) => share,
            Want::Distance(far) => panic!("{distance}: {far}"),
        };
        assert_eq!(share(0.02), LEAST_SHARE);
        assert!((share(TRIM_AT * 0.02 - 1e-9) - LEAST_SHARE).abs() < 1e-6);
        assert!((share(0.016) - BAND_MOST / 2.0).abs() < 1e-12);
        let restored = 2.28 * 0.02 + 0.000_7 + 0.000_4;
        for distance in [INNER * 0.02 - 1e-12, 0.0, -0.01] {
            assert_eq!(want(distance, 0.02, 2.28, 0.004), Want::Distance(restored));
        }
    }
}
