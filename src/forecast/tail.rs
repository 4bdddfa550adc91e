//! A fat-tailed distribution of moves: Student's t with three degrees of freedom, scaled to the
//! measured variance. Its distribution function has a closed form, so that no table is needed.
//! First passage uses the reflection principle: the chance of touching a line within a horizon is
//! twice the chance of being beyond it at the end.

/// Chance, 0..1, of touching a line at `distance` (fraction of the price) when the standard
/// deviation over the horizon is `sigma`.
#[must_use]
pub fn breach_probability(distance: f64, sigma: f64) -> f64 {
    if distance <= 0.0 {
        return 1.0;
    }
    if sigma <= 0.0 {
        return 0.0;
    }
    (2.0 * upper_tail(distance / sigma)).clamp(0.0, 1.0)
}

/// Distance, as a fraction of the price, that is touched with chance `probability` when the standard
/// deviation over the horizon is `sigma`.
#[must_use]
pub fn distance_for(probability: f64, sigma: f64) -> f64 {
    sigma.max(0.0) * quantile(probability.clamp(1e-9, 1.0) / 2.0)
}

/// Time after which a line at `distance` has been touched with chance `probability`, given the
/// standard deviation over one hour. `None` without movement.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "bounded to 1e15 before")]
pub fn time_to_breach_ms(distance: f64, sigma_hour: f64, probability: f64) -> Option<i64> {
    let unit = distance_for(probability, sigma_hour);
    let hours = (distance.max(0.0) / unit).powi(2);
    hours
        .is_finite()
        .then(|| (hours * 3_600_000.0).min(1e15) as i64)
}

/// P(X > x) of a unit-variance t with three degrees of freedom. For that distribution
/// `F(t) = 1/2 + (atan(u) + u / (1 + u^2)) / pi` with `u = t / sqrt(3)`; unit variance makes `u = x`.
fn upper_tail(x: f64) -> f64 {
    0.5 - (x.atan() + x / (1.0 + x * x)) / std::f64::consts::PI
}

/// The `x >= 0` with `upper_tail(x) = tail`, by bisection.
fn quantile(tail: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1_000.0_f64);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if upper_tail(middle) > tail {
            low = middle
        } else {
            high = middle
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles of Student's t with 3 degrees of freedom (standard tables), over sqrt(3).
    #[test]
    fn matches_the_published_quantiles() {
        for (tail, t) in [
            (0.05, 2.353_363),
            (0.01, 4.540_703),
            (0.005, 5.840_909),
            (0.0005, 12.923_98),
        ] {
            let expected = t / 3.0_f64.sqrt();
            assert!((quantile(tail) - expected).abs() < 1e-5, "{tail}");
        }
    }

    #[test]
    fn probability_and_distance_are_inverse() {
        for probability in [0.001, 0.02, 0.3] {
            let distance = distance_for(probability, 0.01);
            assert!((breach_probability(distance, 0.01) - probability).abs() < 1e-6);
        }
        assert_eq!(breach_probability(0.0, 0.01), 1.0);
        assert_eq!(breach_probability(0.05, 0.0), 0.0);
    }

    #[test]
    fn time_left_grows_with_the_square_of_the_distance() {
        let near = time_to_breach_ms(0.01, 0.01, 0.05).expect("moves");
        let far = time_to_breach_ms(0.02, 0.01, 0.05).expect("moves");
        assert!((far - 4 * near).abs() <= 4);
        assert_eq!(time_to_breach_ms(0.01, 0.0, 0.05), None);
    }
}
