//! The report as text.

use super::{Answer, Split, span};
use crate::replay::calibration::{BucketRow, Gain, Group, HorizonRow};

/// Names of tapes that are printed; the JSON has them all.
const NAMES_MAX: usize = 20;

const SCORES: &str = "                                     Brier score             log score            gain in log score, 95 % band
set    horizon  forecasts touched   model  empir. gauss.   model  empir. gauss.   over empirical             over Gaussian";
const BUCKETS: &str = "horizon  forecast      count touched   mean fc   touched   95 % band";

pub(super) fn text(answer: &Answer) -> String {
    let mut out = String::new();
    if let Some(split) = answer.settings.split {
        let half = match split {
            Split::Odd => "the 1st, 3rd …",
            Split::Even => "the 2nd, 4th …",
        };
        line(&mut out, format!("Only {half} event by date.\n"));
    }
    for groups in answer.groups.chunk_by(|a, b| a.bar_ms == b.bar_ms) {
        length(&mut out, groups);
    }
    let tapes = &answer.tapes;
    for (names, what) in [
        (
            &tapes.without_forecast,
            "tapes are too short for a forecast",
        ),
        (
            &tapes.longer_bars,
            "tapes have longer bars and were not asked for (--all-bars)",
        ),
    ] {
        if !names.is_empty() {
            let text = format!("{} {what}: {}", names.len(), listed(names));
            line(&mut out, text);
        }
    }
    if !tapes.left_out.is_empty() {
        let text = format!(
            "{} files of the folder are not measured (funding, mark prices, other tables); --json names them",
            tapes.left_out.len()
        );
        line(&mut out, text);
    }
    out.push_str("Lower scores are better. `!`: off by more than a fifth and outside the band. docs/calibration.md defines each figure.");
    out
}

/// All sets of one bar length.
fn length(out: &mut String, groups: &[Group]) {
    let Some(all) = groups.first() else {
        return;
    };
    let title = format!(
        "{} of {} bars, {}",
        counted(all.tapes, "tape"),
        span(all.bar_ms),
        counted(all.events, "event")
    );
    line(out, title);
    line(out, SCORES.to_owned());
    for group in groups {
        for row in group.horizons.iter().filter(|row| row.count > 0) {
            line(out, scores(group.set, row));
        }
    }
    line(out, format!("\nReliability of the model\n{BUCKETS}"));
    for row in &all.horizons {
        for bucket in row.reliability.iter().filter(|bucket| bucket.count > 0) {
            line(out, reliability(row.horizon_ms, bucket));
        }
    }
    line(out, String::new());
}

fn scores(set: &str, row: &HorizonRow) -> String {
    let briers = row
        .scores
        .iter()
        .map(|score| format!(" {:.4}", score.brier));
    let logs = row.scores.iter().map(|score| format!(" {:.4}", score.log));
    let gains = row.gains.iter().map(gain);
    format!(
        "{set:<6} {:<8} {:>9} {:>7}  {}  {}  {}",
        span(row.horizon_ms),
        row.count,
        row.touched,
        briers.collect::<String>(),
        logs.collect::<String>(),
        gains.collect::<String>(),
    )
    .trim_end()
    .to_owned()
}

fn gain(gain: &Gain) -> String {
    let band = gain.log_band.map_or_else(String::new, |[low, high]| {
        format!("[{} {}]", signed(low), signed(high))
    });
    format!(" {} {band:<18}", signed(gain.log))
}

/// Four decimals with a sign; what rounds to nothing has none of its own.
pub(super) fn signed(value: f64) -> String {
    let text = format!("{value:+.4}");
    match text.strip_prefix('-') {
        Some("0.0000") => "+0.0000".to_owned(),
        Some(_) | None => text,
    }
}

fn reliability(horizon_ms: i64, bucket: &BucketRow) -> String {
    let band = bucket.band.map_or_else(
        || "-".to_owned(),
        |[low, high]| format!("{} … {}", percent(low), percent(high)),
    );
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), percent);
    format!(
        "{:<8} {:<12} {:>6} {:>7} {:>9} {:>9}   {band}{}",
        span(horizon_ms),
        format!("{} – {}", edge(bucket.from), edge(bucket.to)),
        bucket.count,
        bucket.touched,
        shown(bucket.forecast),
        shown(bucket.frequency),
        if bucket.flagged { "  !" } else { "" },
    )
}

#[allow(clippy::float_arithmetic, reason = "a share shown in percent")]
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 1.0 {
        format!("{percent:.3}%")
    } else {
        format!("{percent:.1}%")
    }
}

#[allow(clippy::float_arithmetic, reason = "a share shown in percent")]
pub(super) fn edge(share: f64) -> String {
    format!("{}%", (share * 1_000.0).round() / 10.0)
}

fn counted(count: usize, what: &str) -> String {
    let many = if count == 1 { "" } else { "s" };
    format!("{count} {what}{many}")
}

fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
    let more = if names.len() > NAMES_MAX { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn line(out: &mut String, text: String) {
    out.push_str(&text);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::signed;

    #[test]
    fn what_rounds_to_nothing_is_not_below_it() {
        assert_eq!(signed(-0.000_01), "+0.0000");
        assert_eq!(signed(-0.012_34), "-0.0123");
        assert_eq!(signed(0.5), "+0.5000");
    }
}
