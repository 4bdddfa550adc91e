//! From values to pixels, and the marks and words on an axis.

use crate::domain::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};

/// Largest magnitude that is drawn; beyond it a value counts as not finite.
const VALUE_MAX: f64 = 1e15;
/// Instants later than this are no dates and are not drawn: 9999-12-31T23:59:59.999Z.
const TIME_MAX_MS: i64 = 253_402_300_799_999;
/// Marks on one axis at most.
const TICKS_MAX: usize = 24;
/// Digits after the point at most.
const DECIMALS_MAX: usize = 12;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The value is a fraction: 0.25 is written 25%.
    Percent,
    /// The value is a fraction: 0.0025 is written 25 bps.
    BasisPoints,
    /// The value as it is.
    Plain,
}

impl Unit {
    /// Shown number for one of the caller's.
    pub(super) fn scaled(self, value: f64) -> f64 {
        match self {
            Self::Percent => value * 100.0,
            Self::BasisPoints => value * 10_000.0,
            Self::Plain => value,
        }
    }

    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Percent => "%",
            Self::BasisPoints => " bps",
            Self::Plain => "",
        }
    }

    /// A value already scaled, in three significant digits with its unit.
    pub(super) fn brief(self, scaled: f64) -> String {
        format!("{}{}", brief(scaled), self.suffix())
    }
}

/// The value if it can be drawn.
pub(super) fn drawable(value: f64) -> Option<f64> {
    (value.is_finite() && value.abs() <= VALUE_MAX).then_some(value)
}

/// Milliseconds of an instant that is a date.
pub(super) fn date_ms(at: Timestamp) -> Option<f64> {
    (0..=TIME_MAX_MS)
        .contains(&at.as_millis())
        .then_some(at.as_millis() as f64)
}

/// A straight or logarithmic way from values to pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// `low..high` in values onto `from..to` in pixels; an empty range is widened.
    pub(super) fn linear((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        let least = (low.abs().max(high.abs()) * 1e-9).max(1e-12);
        let (low, high) = if high - low >= least {
            (low, high)
        } else {
            let half = (low.abs() * 0.005).max(1e-6);
            (low - half, low + half)
        };
        Self {
            low,
            high,
            from,
            to,
            log: false,
        }
    }

    /// As `linear`, for `0 < low < high`.
    pub(super) fn log((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        let low = low.max(f64::MIN_POSITIVE);
        Self {
            low,
            high: high.max(low * 10.0),
            from,
            to,
            log: true,
        }
    }

    /// Pixel of a value, held within a picture's reach so that it stays finite and short.
    pub(super) fn px(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        (self.from + share * (self.to - self.from)).clamp(-10_000.0, 10_000.0)
    }

    /// Smallest round value from zero up that covers this one, for axes that begin at zero.
    pub(super) fn cover(value: f64) -> f64 {
        let (step, _) = step(value, 5);
        (value / step - 1e-9).ceil() * step
    }

    pub(super) fn low(&self) -> f64 {
        self.low
    }

    pub(super) fn high(&self) -> f64 {
        self.high
    }

    /// Round values in the range, about `target` of them, each with its words.
    pub(super) fn ticks(&self, target: usize) -> Vec<(f64, String)> {
        if self.log {
            return self.log_ticks();
        }
        let (step, decimals) = step(self.high - self.low, target);
        let first = (self.low / step - 1e-9).ceil();
        (0..TICKS_MAX)
            .map(|index| (first + index as f64) * step)
            .take_while(|value| *value <= self.high + step * 1e-9)
            .map(|value| (value, fixed(value, decimals)))
            .collect()
    }

    fn log_ticks(&self) -> Vec<(f64, String)> {
        let (first, last) = (self.low.log10().floor(), self.high.log10().ceil());
        let digits: &[f64] = if last - first > 3.0 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        let decades = (last - first).clamp(0.0, TICKS_MAX as f64) as i32;
        (0..=decades)
            .flat_map(|decade| digits.iter().map(move |digit| (decade, *digit)))
            .map(|(decade, digit)| digit * 10f64.powi(first as i32 + decade))
            .filter(|value| *value >= self.low * 0.999 && *value <= self.high * 1.001)
            .take(TICKS_MAX)
            .map(|value| (value, brief(value)))
            .collect()
    }

    /// Round instants in a range of milliseconds, each with its words in UTC.
    pub(super) fn time_ticks(&self, target: usize) -> Vec<(f64, String)> {
        let step = time_step(self.high - self.low, target);
        let first = (self.low / step as f64).ceil() as i64;
        (0..TICKS_MAX as i64)
            .map(|index| (first + index) * step)
            .take_while(|ms| *ms as f64 <= self.high)
            .map(|ms| (ms as f64, moment(ms, step)))
            .collect()
    }
}

/// Step of one, two or five times a power of ten, and the digits its multiples need.
fn step(span: f64, target: usize) -> (f64, usize) {
    let raw = span / target.max(1) as f64;
    let power = raw.log10().floor();
    let unit = 10f64.powi(power as i32);
    let factor = match raw / unit {
        ratio if ratio < 1.5 => 1.0,
        ratio if ratio < 3.5 => 2.0,
        ratio if ratio < 7.5 => 5.0,
        _ => 10.0,
    };
    let step = factor * unit;
    let decimals = (-(step * 1.000_001).log10().floor()).clamp(0.0, DECIMALS_MAX as f64);
    (step, decimals as usize)
}

fn time_step(span_ms: f64, target: usize) -> i64 {
    const STEPS: &[i64] = &[
        1,
        10,
        100,
        SECOND_MS,
        5 * SECOND_MS,
        10 * SECOND_MS,
        30 * SECOND_MS,
        MINUTE_MS,
        2 * MINUTE_MS,
        5 * MINUTE_MS,
        10 * MINUTE_MS,
        15 * MINUTE_MS,
        30 * MINUTE_MS,
        HOUR_MS,
        2 * HOUR_MS,
        3 * HOUR_MS,
        6 * HOUR_MS,
        12 * HOUR_MS,
        DAY_MS,
        2 * DAY_MS,
        5 * DAY_MS,
    ];
    let raw = span_ms / target.max(1) as f64;
    STEPS
        .iter()
        .copied()
        .find(|step| raw <= *step as f64)
        .unwrap_or_else(|| {
            let (days, _) = step(span_ms / DAY_MS as f64, target);
            days.max(1.0) as i64 * DAY_MS
        })
}

/// A tick's words: the time of day, or the date where a day begins.
fn moment(ms: i64, step: i64) -> String {
    let at = Timestamp::from_millis(ms);
    let (year, month, day) = at.civil();
    if step >= 300 * DAY_MS {
        return format!("{year:04}-{month:02}");
    }
    if ms.rem_euclid(DAY_MS) == 0 {
        return format!("{day} {}", month_name(month));
    }
    let clock = at.clock();
    if step < SECOND_MS {
        format!("{clock}.{:03}", ms.rem_euclid(SECOND_MS))
    } else if step < MINUTE_MS {
        clock
    } else {
        clock.chars().take(5).collect()
    }
}

fn month_name(month: i64) -> &'static str {
    const NAMES: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    usize::try_from(month - 1)
        .ok()
        .and_then(|index| NAMES.get(index).copied())
        .unwrap_or("")
}

/// `−1,234.50` with this many digits after the point.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    let digits = format!("{:.*}", decimals.min(DECIMALS_MAX), value.abs());
    let (whole, part) = digits.split_once('.').unwrap_or((&digits, ""));
    let mut out = String::new();
    if value < 0.0 && digits.chars().any(|c| ('1'..='9').contains(&c)) {
        out.push('−');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !part.is_empty() {
        out.push('.');
        out.push_str(part);
    }
    out
}

/// Three significant digits without idle zeros: `12.5`, `0.035`, `12,300`, `1.2e-9`.
pub(super) fn brief(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-6..1e9).contains(&size) {
        return format!("{value:.1e}").replace('-', "−");
    }
    let decimals = (2.0 - size.log10().floor()).clamp(0.0, 8.0) as usize;
    let text = fixed(value, decimals);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(ticks: Vec<(f64, String)>) -> Vec<String> {
        ticks.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_one_two_or_five_times_a_power_of_ten() {
        let ticks = |low, high| words(Scale::linear((low, high), (0.0, 1.0)).ticks(5));
        assert_eq!(ticks(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(ticks(-3.0, 7.0), ["−2", "0", "2", "4", "6"]);
        assert_eq!(
            ticks(108_300.0, 116_500.0),
            ["110,000", "112,000", "114,000", "116,000"]
        );
        assert_eq!(
            ticks(0.1231, 0.1241),
            ["0.1232", "0.1234", "0.1236", "0.1238", "0.1240"]
        );
    }

    #[test]
    fn a_flat_or_tiny_range_still_has_ticks() {
        for (low, high) in [(5.0, 5.0), (0.0, 0.0), (1e-13, 2e-13), (-1e15, 1e15)] {
            let scale = Scale::linear((low, high), (0.0, 100.0));
            let ticks = scale.ticks(5);
            assert!(
                (2..=TICKS_MAX).contains(&ticks.len()),
                "{low} {high} {ticks:?}"
            );
            assert!(scale.px(low).is_finite());
        }
    }

    #[test]
    fn time_ticks_name_the_day_where_it_begins() {
        let start = Timestamp::from_civil(2025, 10, 10, 21 * HOUR_MS).as_millis() as f64;
        let scale = Scale::linear((start, start + 5.0 * HOUR_MS as f64), (0.0, 1.0));
        assert_eq!(
            words(scale.time_ticks(6)),
            ["21:00", "22:00", "23:00", "11 Oct", "01:00", "02:00"]
        );
        let scale = Scale::linear((start, start + 90_000.0), (0.0, 1.0));
        assert_eq!(
            words(scale.time_ticks(6)).get(1).map(String::as_str),
            Some("21:00:30")
        );
    }

    #[test]
    fn logarithmic_ticks_are_decades_when_there_are_many() {
        let scale = Scale::log((0.0001, 1.0), (0.0, 400.0));
        assert_eq!(
            words(scale.ticks(5)),
            ["0.0001", "0.001", "0.01", "0.1", "1"]
        );
        assert!((scale.px(0.01) - 200.0).abs() < 1e-9);
        assert_eq!(
            words(Scale::log((0.01, 0.1), (0.0, 1.0)).ticks(5)),
            ["0.01", "0.02", "0.05", "0.1"]
        );
    }

    #[test]
    fn numbers_are_short_and_never_minus_zero() {
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(-1_234_567.5, 1), "−1,234,567.5");
        for (value, text) in [
            (0.0, "0"),
            (0.035, "0.035"),
            (12.54, "12.5"),
            (100.0, "100"),
            (12_345.0, "12,345"),
            (-0.5, "−0.5"),
            (1.2e-9, "1.2e−9"),
        ] {
            assert_eq!(brief(value), text);
        }
        assert_eq!(Unit::Percent.brief(Unit::Percent.scaled(0.125)), "12.5%");
        assert_eq!(
            Unit::BasisPoints.brief(Unit::BasisPoints.scaled(0.0035)),
            "35 bps"
        );
    }
}
