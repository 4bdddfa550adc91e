//! Bars in groups: the same measure for several policies, at several leverages.

use super::place::Area;
use super::scale::{Scale, Unit, brief, drawable};
use super::sheet::{Anchor, EDGE, Entry, Heading, Home, SMALL, Sheet, WIDTH, hint, line, rect};
use super::style::{COLOURS, HATCHINGS};
use super::text::{NAME_MAX, clean, fit, width, wrap};

/// Groups on one chart at most.
pub const GROUPS_MAX: usize = 24;
/// Series on one chart at most.
pub const SERIES_MAX: usize = 12;
const PLOT_HEIGHT: f64 = 320.0;
/// Widest bar, so that a single one is no wall.
const BAR_MAX: f64 = 64.0;
/// Share of a group's width that stays free between groups.
const BETWEEN: f64 = 0.18;
/// Font size of values.
const VALUE_SIZE: f64 = 11.0;
/// Bars narrower than this carry no value.
const VALUE_BAR_MIN: f64 = 10.0;
/// Lines that the name of a group may take before it is turned.
const NAME_LINES: usize = 3;
/// Longest turned name of a group, in pixels.
const TURNED_MAX: f64 = 180.0;

/// One policy's values, one for each group in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    pub name: String,
    /// Not finite: no bar, and a dash in its place. Missing ones at the end count as such.
    pub values: Vec<f64>,
}

/// A value to compare with, for example a goal.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    pub label: String,
    pub value: f64,
}

/// Groups of bars. At most [`GROUPS_MAX`] groups and [`SERIES_MAX`] series are drawn; the caption
/// says what was left out.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupedBars {
    pub title: String,
    /// One line below the title.
    pub caption: String,
    pub unit: Unit,
    /// Names under the axis, for example `20×`.
    pub groups: Vec<String>,
    pub series: Vec<Series>,
    pub reference: Option<Reference>,
}

struct Drawing<'a> {
    chart: &'a GroupedBars,
    plot: Area,
    value: Scale,
    /// Width of a group with the gap beside it.
    slot: f64,
    bar: f64,
    writing: Writing,
}

/// How values are written on their bars.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Writing {
    Level,
    Turned,
    Nowhere,
}

impl GroupedBars {
    /// The chart as a file of its own.
    #[must_use]
    pub fn svg(&self) -> String {
        self.draw(Home::Alone)
    }

    pub(super) fn draw(&self, home: Home) -> String {
        let mut heading = Heading::new(&self.title, &self.caption);
        heading.confess(self.series.len().saturating_sub(SERIES_MAX), "series");
        heading.confess(self.groups.len().saturating_sub(GROUPS_MAX), "groups");
        let groups = self.groups.len().min(GROUPS_MAX);
        let some = self
            .shown()
            .any(|(_, series)| (0..groups).any(|group| self.value(series, group).is_some()));
        if !some {
            return Sheet::empty(home, &heading);
        }
        let (mut sheet, top) = Sheet::begin(home, &heading);
        hatchings(&mut sheet, self.series.len().min(SERIES_MAX));
        let entries = self.entries(&sheet);
        let top = sheet.legend(&entries, (EDGE, WIDTH - EDGE), top) + 4.0;
        let drawing = Drawing::new(self, top);
        drawing.grid(&mut sheet);
        drawing.bars(&mut sheet);
        drawing.reference(&mut sheet);
        drawing.values(&mut sheet);
        let below = drawing.names(&mut sheet);
        sheet.finish(below + 16.0)
    }

    fn shown(&self) -> impl Iterator<Item = (usize, &Series)> {
        self.series.iter().take(SERIES_MAX).enumerate()
    }

    fn value(&self, series: &Series, group: usize) -> Option<f64> {
        let value = series.values.get(group).copied()?;
        drawable(value).and_then(|value| drawable(self.unit.scaled(value)))
    }

    /// A value on its bar; a unit that takes much room is left to the axis.
    fn written(&self, value: f64) -> String {
        match self.unit {
            Unit::Percent => self.unit.brief(value),
            Unit::BasisPoints | Unit::Plain => brief(value),
        }
    }

    fn goal(&self) -> Option<(&Reference, f64)> {
        let goal = self.reference.as_ref()?;
        let value = drawable(self.unit.scaled(drawable(goal.value)?))?;
        Some((goal, value))
    }

    fn entries(&self, sheet: &Sheet) -> Vec<Entry> {
        let area = Area {
            left: 2.0,
            top: -6.5,
            right: 26.0,
            bottom: 6.5,
        };
        let mut out: Vec<Entry> = self
            .shown()
            .map(|(number, series)| Entry {
                swatch: bar(sheet, &area, number),
                text: clean(&series.name, NAME_MAX),
            })
            .collect();
        if let Some((goal, value)) = self.goal() {
            out.push(Entry {
                swatch: line((0.0, 0.0), (28.0, 0.0), "p-goal"),
                text: format!(
                    "{}: {}",
                    clean(&goal.label, NAME_MAX),
                    self.unit.brief(value)
                ),
            });
        }
        out
    }
}

impl<'a> Drawing<'a> {
    fn new(chart: &'a GroupedBars, top: f64) -> Self {
        let count = chart.shown().count().max(1) as f64;
        let groups = chart.groups.len().clamp(1, GROUPS_MAX);
        let values: Vec<f64> = chart
            .shown()
            .flat_map(|(_, series)| (0..groups).filter_map(|group| chart.value(series, group)))
            .collect();
        let goal = chart.goal().map(|(_, value)| value);
        let all = || values.iter().copied().chain(goal).chain([0.0]);
        let low = all().fold(0.0, f64::min);
        let high = all().fold(0.0, f64::max);
        let widest = values
            .iter()
            .map(|value| width(&chart.written(*value), VALUE_SIZE))
            .fold(0.0, f64::max);
        let bottom = top + PLOT_HEIGHT;
        let rough = Scale::linear((low, high), (bottom, top)).ticks(6);
        let margin = rough
            .iter()
            .map(|(_, words)| width(words, SMALL) + width(chart.unit.suffix(), SMALL))
            .fold(0.0, f64::max);
        let plot = Area {
            left: EDGE + margin + 8.0,
            top,
            right: WIDTH - EDGE,
            bottom,
        };
        let slot = plot.width() / groups as f64;
        let bar = (slot * (1.0 - BETWEEN) / count).min(BAR_MAX);
        let writing = if bar >= widest + 4.0 {
            Writing::Level
        } else if bar >= VALUE_BAR_MIN {
            Writing::Turned
        } else {
            Writing::Nowhere
        };
        let air = match writing {
            Writing::Level => 20.0,
            Writing::Turned => widest + 10.0,
            Writing::Nowhere => 8.0,
        };
        let foot = if low < 0.0 { air } else { 0.0 };
        Self {
            value: Scale::linear((low, high), (bottom - foot, top + air)),
            chart,
            plot,
            slot,
            bar,
            writing,
        }
    }

    fn grid(&self, sheet: &mut Sheet) {
        let plot = &self.plot;
        for (value, words) in self.value.ticks(6) {
            let y = self.value.px(value);
            sheet.line((plot.left, y), (plot.right, y), "p-grid");
            let words = format!("{words}{}", self.chart.unit.suffix());
            sheet.text((plot.left - 8.0, y + 4.0), "p-tick", Anchor::End, &words);
        }
        for group in 1..self.chart.groups.len().min(GROUPS_MAX) {
            let x = plot.left + self.slot * group as f64;
            sheet.line((x, plot.top), (x, plot.bottom), "p-grid");
        }
    }

    /// Every bar's number in its series, its group, its value and its middle.
    fn each(&self) -> Vec<(usize, usize, Option<f64>, f64)> {
        let groups = self.chart.groups.len().min(GROUPS_MAX);
        let count = self.chart.shown().count() as f64;
        let mut out = Vec::new();
        for group in 0..groups {
            let centre = self.plot.left + self.slot * (group as f64 + 0.5);
            let start = centre - self.bar * count / 2.0;
            for (number, series) in self.chart.shown() {
                let middle = start + self.bar * (number as f64 + 0.5);
                out.push((number, group, self.chart.value(series, group), middle));
            }
        }
        out
    }

    fn bars(&self, sheet: &mut Sheet) {
        let zero = self.value.px(0.0);
        let half = self.bar * 0.46;
        for (number, group, value, middle) in self.each() {
            let Some(value) = value else { continue };
            let y = self.value.px(value);
            let area = Area {
                left: middle - half,
                top: y.min(zero),
                right: middle + half,
                bottom: y.max(zero),
            };
            let name = |list: Option<&String>| clean(list.map_or("", String::as_str), NAME_MAX);
            let series = self.chart.series.get(number).map(|series| &series.name);
            let words = format!(
                "{}, {}: {}",
                name(self.chart.groups.get(group)),
                name(series),
                self.chart.unit.brief(value)
            );
            let drawn = bar(sheet, &area, number);
            sheet.raw(&format!("<g>{drawn}{}</g>", hint(&words)));
        }
        sheet.line((self.plot.left, zero), (self.plot.right, zero), "p-axis");
    }

    fn reference(&self, sheet: &mut Sheet) {
        if let Some((_, value)) = self.chart.goal() {
            let y = self.value.px(value);
            sheet.line((self.plot.left, y), (self.plot.right, y), "p-goal");
        }
    }

    fn values(&self, sheet: &mut Sheet) {
        for (_, _, value, x) in self.each() {
            let Some(value) = value else {
                let y = self.value.px(0.0) - 5.0;
                sheet.text((x, y), "p-value", Anchor::Middle, "–");
                continue;
            };
            let words = self.chart.written(value);
            let y = self.value.px(value);
            let down = value < 0.0;
            match self.writing {
                Writing::Level => {
                    let y = if down { y + 14.0 } else { y - 5.0 };
                    sheet.text((x, y), "p-value", Anchor::Middle, &words);
                }
                Writing::Turned => {
                    let (y, anchor) = if down {
                        (y + 5.0, Anchor::End)
                    } else {
                        (y - 5.0, Anchor::Start)
                    };
                    sheet.turned((x + 4.0, y), -90.0, "p-value", (anchor, &words));
                }
                Writing::Nowhere => {}
            }
        }
    }

    /// Names of the groups, in a few lines or turned when they are too long to lie; the y below.
    fn names(&self, sheet: &mut Sheet) -> f64 {
        let names = self.chart.groups.iter().take(GROUPS_MAX);
        let names: Vec<String> = names.map(|name| clean(name, NAME_MAX)).collect();
        let lying: Vec<Vec<String>> = names
            .iter()
            .map(|name| wrap(name, SMALL, self.slot - 8.0, NAME_LINES))
            .collect();
        let whole = lying.iter().zip(&names).all(|(lines, name)| {
            lines.join(" ") == name.split_whitespace().collect::<Vec<_>>().join(" ")
        });
        let mut below = self.plot.bottom + 22.0;
        for (index, (name, lines)) in names.iter().zip(&lying).enumerate() {
            let x = self.plot.left + self.slot * (index as f64 + 0.5);
            if whole {
                let mut y = self.plot.bottom + 4.0;
                for line in lines {
                    y += SMALL + 3.0;
                    sheet.text((x, y), "p-text", Anchor::Middle, line);
                }
                below = below.max(y + 6.0);
                continue;
            }
            // A name turned by 35 degrees reaches 0.82 of its length to the left of its group.
            let room = TURNED_MAX.min((x - 6.0) / 0.82);
            let words = fit(name, SMALL, room);
            below = below.max(self.plot.bottom + 24.0 + width(&words, SMALL) * 0.58);
            let at = (x + 4.0, self.plot.bottom + 16.0);
            sheet.turned(at, -35.0, "p-text", (Anchor::End, &words));
        }
        below
    }
}

/// One bar in the colour and the hatching of its series.
fn bar(sheet: &Sheet, area: &Area, number: usize) -> String {
    let colour = format!("p-bar p-f{}", number % COLOURS);
    let plain = rect(area, &colour, "");
    let hatching = number % HATCHINGS;
    if hatching == 0 {
        return plain;
    }
    let fill = format!(" fill=\"url(#{})\"", sheet.id(&format!("h{hatching}")));
    format!("{plain}{}", rect(area, "p-over", &fill))
}

fn hatchings(sheet: &mut Sheet, series: usize) {
    for (hatching, way) in [(1, "M-1 6L6 -1M4 11L11 4"), (2, "M0 2H10M0 7H10")] {
        if series > hatching {
            let id = sheet.id(&format!("h{hatching}"));
            sheet.raw(&format!(
                "<pattern id=\"{id}\" width=\"10\" height=\"10\" patternUnits=\"userSpaceOnUse\">\
                 <path class=\"p-hatch\" d=\"{way}\"/></pattern>"
            ));
        }
    }
}
