//! A price over time with the lines it must not touch and what was done about them.

use rust_decimal::prelude::ToPrimitive;

use crate::domain::{Price, Timestamp};

use super::mark::{self, MARKS_MAX, Mark, MarkKind};
use super::place::{Area, Room};
use super::scale::{Scale, date_ms, drawable};
use super::sheet::{Anchor, EDGE, Entry, Heading, Home, SMALL, Sheet, WIDTH, line, path};
use super::text::{NAME_MAX, clean, fit, width};
use super::thin::{Run, steps, thin};

const PLOT_HEIGHT: f64 = 340.0;
/// A line further from the price than this share of the price is not worth squeezing the price for.
const REACH: f64 = 0.6;

/// A value at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub at: Timestamp,
    /// `None`, and everything not finite: no value. A stepped line ends there; a price goes on.
    pub value: Option<f64>,
}

impl Sample {
    #[must_use]
    pub fn new(at: Timestamp, value: f64) -> Self {
        Self {
            at,
            value: drawable(value),
        }
    }

    /// A price of the domain, rounded to what a picture can show.
    #[must_use]
    pub fn price(at: Timestamp, price: Price) -> Self {
        Self {
            at,
            value: price.get().to_f64().and_then(drawable),
        }
    }

    /// From here on there is no such line.
    #[must_use]
    pub fn end(at: Timestamp) -> Self {
        Self { at, value: None }
    }
}

/// Price, liquidation line and act line over time, with markers. Samples may come unordered; each
/// line is drawn with at most four points for each pixel of width, its highs and lows kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PriceChart {
    pub title: String,
    /// One line below the title.
    pub caption: String,
    /// What the price is counted in, for example `USDT`.
    pub unit: String,
    pub price: Vec<Sample>,
    /// Each value holds until the next sample, the last one to the end of the chart.
    pub liquidation: Vec<Sample>,
    /// As `liquidation`: where the guard means to act.
    pub act: Vec<Sample>,
    /// The first [`MARKS_MAX`] are drawn.
    pub marks: Vec<Mark>,
}

/// A line's points in time order: milliseconds and value.
type Points = Vec<(f64, Option<f64>)>;

struct Drawing {
    plot: Area,
    time: Scale,
    value: Scale,
}

impl PriceChart {
    /// The chart as a file of its own.
    #[must_use]
    pub fn svg(&self) -> String {
        self.draw(Home::Alone)
    }

    pub(super) fn draw(&self, home: Home) -> String {
        let price: Points = ordered(&self.price)
            .into_iter()
            .filter(|(_, value)| value.is_some())
            .collect();
        let liquidation = ordered(&self.liquidation);
        let act = ordered(&self.act);
        let mut heading = Heading::new(&self.title, &self.caption);
        heading.confess(self.marks.len().saturating_sub(MARKS_MAX), "markers");
        let marks = placed_marks(&self.marks, &price);
        let Some(span) = time_span(&price, &marks, [&liquidation, &act]) else {
            return Sheet::empty(home, &heading);
        };
        let lines = [held(&liquidation, span), held(&act, span)];
        let Some(range) = value_range(&price, &marks, &lines) else {
            return Sheet::empty(home, &heading);
        };
        let (mut sheet, top) = Sheet::begin(home, &heading);
        let entries = entries(&price, &lines, range, &marks);
        let top = sheet.legend(&entries, (EDGE, WIDTH - EDGE), top) + 8.0;
        let drawing = Drawing::new(span, range, top);
        drawing.axes(&mut sheet, &clean(&self.unit, NAME_MAX));
        let room = drawing.lines(&mut sheet, &price, &lines);
        drawing.marks(&mut sheet, room, &marks);
        sheet.finish(drawing.plot.bottom + 52.0)
    }
}

impl Drawing {
    fn new(span: (f64, f64), range: (f64, f64), top: f64) -> Self {
        let bottom = top + PLOT_HEIGHT;
        let value = Scale::linear(range, (bottom, top));
        let widest = value
            .ticks(6)
            .iter()
            .map(|(_, words)| width(words, SMALL))
            .fold(0.0, f64::max);
        let plot = Area {
            left: EDGE + widest + 8.0,
            top,
            right: WIDTH - EDGE,
            bottom,
        };
        Self {
            time: Scale::linear(span, (plot.left, plot.right)),
            value,
            plot,
        }
    }

    fn axes(&self, sheet: &mut Sheet, unit: &str) {
        let plot = &self.plot;
        for (value, words) in self.value.ticks(6) {
            let y = self.value.px(value);
            sheet.line((plot.left, y), (plot.right, y), "p-grid");
            sheet.text((plot.left - 8.0, y + 4.0), "p-tick", Anchor::End, &words);
        }
        for (value, words) in self.time.time_ticks(8) {
            let x = self.time.px(value);
            sheet.line((x, plot.bottom), (x, plot.bottom + 5.0), "p-axis");
            let half = width(&words, SMALL) / 2.0;
            if x + half <= WIDTH - 2.0 && x - half >= 2.0 {
                sheet.text((x, plot.bottom + 19.0), "p-tick", Anchor::Middle, &words);
            }
        }
        sheet.line(
            (plot.left, plot.bottom),
            (plot.right, plot.bottom),
            "p-axis",
        );
        let words = |ms: f64| {
            let text = Timestamp::from_millis(ms as i64).to_string();
            text.replace('T', " ").trim_end_matches('Z').to_owned()
        };
        let low = words(self.time.low());
        let high = words(self.time.high());
        let below = plot.bottom + 38.0;
        let range = format!("{low} to {high} UTC");
        sheet.text((plot.right, below), "p-tick", Anchor::End, &range);
        if !unit.is_empty() {
            let room = plot.right - plot.left - width(&range, SMALL) - 40.0;
            let words = fit(&format!("price in {unit}"), SMALL, room);
            sheet.text((plot.left, below), "p-tick", Anchor::Start, &words);
        }
    }

    /// The three lines; what a label should keep clear of them.
    fn lines(&self, sheet: &mut Sheet, price: &Points, lines: &[Points; 2]) -> Room {
        let mut room = Room::new(Area {
            right: WIDTH - 4.0,
            top: self.plot.top - 6.0,
            ..self.plot
        });
        sheet.clip(&self.plot);
        let [liquidation, act] = lines;
        for (points, class) in [(act, "p-act"), (liquidation, "p-liq")] {
            for run in self.thinned(points) {
                let corners = steps(&run);
                sheet.raw(&path(&corners, class));
                room.avoid(corners);
            }
        }
        for run in self.thinned(price) {
            sheet.raw(&path(&run, "p-price"));
            room.avoid(run);
        }
        sheet.raw("</g>");
        room
    }

    fn thinned(&self, points: &Points) -> Vec<Run> {
        thin(
            points
                .iter()
                .map(|(ms, value)| (self.time.px(*ms), value.map(|value| self.value.px(value)))),
        )
    }

    fn marks(&self, sheet: &mut Sheet, mut room: Room, marks: &[(&Mark, f64, f64)]) {
        let places: Vec<(&Mark, (f64, f64))> = marks
            .iter()
            .map(|(mark, ms, value)| {
                let y = self.value.px(*value).clamp(self.plot.top, self.plot.bottom);
                (*mark, (self.time.px(*ms), y))
            })
            .collect();
        mark::draw(sheet, &mut room, &places);
    }
}

fn entries(
    price: &Points,
    lines: &[Points; 2],
    range: (f64, f64),
    marks: &[(&Mark, f64, f64)],
) -> Vec<Entry> {
    let mut out = Vec::new();
    let named = [
        (price, "p-price", "price"),
        (&lines[0], "p-liq", "liquidation line"),
        (&lines[1], "p-act", "act line"),
    ];
    for (points, class, words) in named {
        let mut values = points.iter().filter_map(|(_, value)| *value).peekable();
        if values.peek().is_none() {
            continue;
        }
        let seen = values.any(|value| (range.0..=range.1).contains(&value));
        let far = if seen { "" } else { " (far off this chart)" };
        out.push(Entry {
            swatch: line((0.0, 0.0), (28.0, 0.0), class),
            text: format!("{words}{far}"),
        });
    }
    for kind in MarkKind::ALL {
        if marks.iter().any(|(mark, _, _)| mark.kind == kind) {
            out.push(Entry {
                swatch: kind.drawn((14.0, 0.0)),
                text: kind.words().to_owned(),
            });
        }
    }
    out
}

fn ordered(samples: &[Sample]) -> Points {
    let mut out: Points = samples
        .iter()
        .filter_map(|sample| Some((date_ms(sample.at)?, sample.value.and_then(drawable))))
        .collect();
    out.sort_by(|one, other| one.0.total_cmp(&other.0));
    out
}

/// Marks that have a place: their own price, or the last one before them.
fn placed_marks<'a>(marks: &'a [Mark], price: &Points) -> Vec<(&'a Mark, f64, f64)> {
    marks
        .iter()
        .take(MARKS_MAX)
        .filter_map(|mark| {
            let ms = date_ms(mark.at)?;
            let before = price.partition_point(|(at, _)| *at <= ms);
            let near = price
                .get(before.saturating_sub(1))
                .and_then(|(_, value)| *value);
            let value = mark.price.and_then(drawable).or(near)?;
            Some((mark, ms, value))
        })
        .collect()
}

/// From the first to the last price or mark; without them, of the lines.
fn time_span(
    price: &Points,
    marks: &[(&Mark, f64, f64)],
    lines: [&Points; 2],
) -> Option<(f64, f64)> {
    let own = price.iter().map(|(ms, _)| *ms);
    let span = bounds(own.chain(marks.iter().map(|(_, ms, _)| *ms)));
    let (low, high) = span.or_else(|| bounds(lines.into_iter().flatten().map(|(ms, _)| *ms)))?;
    if high - low >= 1.0 {
        Some((low, high))
    } else {
        Some(((low - 30_000.0).max(0.0), high + 30_000.0))
    }
}

/// A stepped line within a span: it begins with what held before, and ends at the chart's end.
fn held(points: &Points, (start, end): (f64, f64)) -> Points {
    let before = points.iter().rev().find(|(ms, _)| *ms <= start);
    let mut out: Points = before
        .map(|(_, value)| (start, *value))
        .into_iter()
        .collect();
    let inside = points.iter().filter(|(ms, _)| *ms > start && *ms <= end);
    out.extend(inside.copied());
    if let Some((_, last)) = out.last().copied() {
        out.push((end, last));
    }
    out
}

/// The price and the marks, and of the lines what is within reach of them, with some air.
fn value_range(
    price: &Points,
    marks: &[(&Mark, f64, f64)],
    lines: &[Points; 2],
) -> Option<(f64, f64)> {
    let values =
        |points: &Points| -> Vec<f64> { points.iter().filter_map(|(_, value)| *value).collect() };
    let far: Vec<f64> = lines.iter().flat_map(values).collect();
    let main = values(price)
        .into_iter()
        .chain(marks.iter().map(|(_, _, value)| *value));
    let (low, high) = bounds(main).or_else(|| bounds(far.iter().copied()))?;
    let reach = low.abs().max(high.abs()) * REACH;
    let near = far
        .into_iter()
        .filter(|value| *value >= low - reach && *value <= high + reach);
    let (low, high) = bounds(near.chain([low, high]))?;
    let air = ((high - low) * 0.06).max(high.abs() * 1e-6);
    Some((low - air, high + air))
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |found, value| {
        let (low, high) = found.unwrap_or((value, value));
        Some((value.min(low), value.max(high)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(list: &[(f64, Option<f64>)]) -> Points {
        list.to_vec()
    }

    #[test]
    fn a_line_known_before_the_chart_begins_at_its_left_edge() {
        let line = points(&[
            (0.0, Some(1.0)),
            (5.0, Some(2.0)),
            (20.0, Some(3.0)),
            (99.0, None),
        ]);
        assert_eq!(
            held(&line, (10.0, 30.0)),
            [(10.0, Some(2.0)), (20.0, Some(3.0)), (30.0, Some(3.0))]
        );
        assert!(held(&points(&[]), (0.0, 1.0)).is_empty());
    }

    #[test]
    fn a_line_far_away_does_not_squeeze_the_price() {
        let price = points(&[(0.0, Some(100.0)), (1.0, Some(110.0))]);
        let near = value_range(&price, &[], &[points(&[(0.0, Some(80.0))]), points(&[])]);
        assert!(near.is_some_and(|(low, _)| low < 80.0));
        let far = value_range(&price, &[], &[points(&[(0.0, Some(1.0))]), points(&[])]);
        assert!(far.is_some_and(|(low, _)| low > 95.0));
    }
}
