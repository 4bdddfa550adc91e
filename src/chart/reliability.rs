//! Whether events happen as often as was forecast.

use super::place::{Area, Room};
use super::scale::{Scale, drawable, fixed};
use super::sheet::{Anchor, EDGE, Entry, Heading, Home, SMALL, Sheet, hint, line, path, px, rect};
use super::text::width;

/// Points on one chart at most.
pub const BINS_MAX: usize = 100;
const PLOT_SIZE: f64 = 420.0;
/// Left edge of the legend beside the square.
const LEGEND_LEFT: f64 = 540.0;
/// Height of a line in the list of bins.
const LIST_ROW: f64 = 18.0;
/// Decades on a logarithmic axis at most.
const DECADES_MAX: i32 = 8;

/// How the axes divide frequencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaling {
    Linear,
    /// For rare events; what was never observed stands on the lower edge.
    Log,
}

/// Forecasts of about the same size, and what came of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Mean forecast, 0 to 1.
    pub predicted: f64,
    /// Share that happened, 0 to 1.
    pub observed: f64,
    /// Number of forecasts.
    pub count: u64,
    /// Confidence interval of `observed`.
    pub interval: Option<(f64, f64)>,
}

/// Predicted against observed frequency. A bin with a number outside 0 to 1 is not drawn, nor one
/// with a forecast of zero on logarithmic axes; the caption says how many.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    pub title: String,
    /// One line below the title.
    pub caption: String,
    pub scaling: Scaling,
    /// Accepted relative error, for example 0.2 for ±20%; 0 draws no band.
    pub band: f64,
    /// The first [`BINS_MAX`] that can be drawn are drawn.
    pub bins: Vec<Bin>,
}

struct Drawing<'a> {
    chart: &'a Reliability,
    plot: Area,
    x: Scale,
    y: Scale,
}

impl Reliability {
    /// The chart as a file of its own.
    #[must_use]
    pub fn svg(&self) -> String {
        self.draw(Home::Alone)
    }

    pub(super) fn draw(&self, home: Home) -> String {
        let bins: Vec<Bin> = self
            .bins
            .iter()
            .filter(|bin| self.fits(bin))
            .take(BINS_MAX)
            .copied()
            .collect();
        let mut heading = Heading::new(&self.title, &self.caption);
        heading.confess(self.bins.len() - bins.len(), "bins");
        if bins.is_empty() {
            return Sheet::empty(home, &heading);
        }
        let (mut sheet, top) = Sheet::begin(home, &heading);
        let top = top + 6.0;
        let drawing = Drawing::new(self, &bins, top);
        drawing.axes(&mut sheet);
        drawing.expectation(&mut sheet);
        drawing.points(&mut sheet, &bins);
        let entries = self.entries(&bins);
        let below = sheet.legend(&entries, (LEGEND_LEFT, LEGEND_LEFT + 260.0), top);
        list(&mut sheet, &bins, (below + 18.0, drawing.plot.bottom));
        sheet.finish(drawing.plot.bottom + 56.0)
    }

    fn fits(&self, bin: &Bin) -> bool {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let possible = match self.scaling {
            Scaling::Linear => true,
            Scaling::Log => bin.predicted >= 10f64.powi(-DECADES_MAX),
        };
        possible && share(bin.predicted) && share(bin.observed)
    }

    /// The accepted error; `None` when there is none to show.
    fn tolerance(&self) -> Option<f64> {
        drawable(self.band).filter(|band| *band > 0.0 && *band < 10.0)
    }

    fn accepts(&self, bin: &Bin) -> bool {
        self.tolerance()
            .is_none_or(|band| (bin.observed - bin.predicted).abs() <= band * bin.predicted + 1e-12)
    }

    fn entries(&self, bins: &[Bin]) -> Vec<Entry> {
        let mut out = vec![Entry {
            swatch: line((0.0, 0.0), (28.0, 0.0), "p-even"),
            text: "observed = predicted".to_owned(),
        }];
        let mut add = |swatch: String, text: String| out.push(Entry { swatch, text });
        let within = self
            .tolerance()
            .map(|band| format!("±{}%", fixed(band * 100.0, 0)));
        if let Some(within) = &within {
            let area = Area::around((14.0, 0.0), 28.0, 14.0);
            add(rect(&area, "p-band", ""), format!("within {within} of it"));
        }
        let accepted = |bin: &&Bin| self.accepts(bin);
        if bins.iter().any(|bin| accepted(&bin)) {
            let words = match &within {
                Some(within) => format!("bin within {within}"),
                None => "bin".to_owned(),
            };
            add(point((14.0, 0.0), true), words);
        }
        if bins.iter().any(|bin| !accepted(&bin) && !self.never(bin)) {
            let within = within.as_deref().unwrap_or_default();
            add(point((14.0, 0.0), false), format!("bin outside {within}"));
        }
        if bins.iter().any(|bin| self.never(bin)) {
            add(nothing((14.0, 0.0)), "never observed".to_owned());
        }
        if bins.iter().any(|bin| bin.interval.is_some()) {
            add(whisker(14.0, (-8.0, 8.0)), "confidence interval".to_owned());
        }
        add(
            String::new(),
            "n: number of forecasts in the bin".to_owned(),
        );
        out
    }

    /// Nothing observed, which a logarithmic axis cannot place.
    fn never(&self, bin: &Bin) -> bool {
        self.scaling == Scaling::Log && bin.observed <= 0.0
    }
}

impl<'a> Drawing<'a> {
    fn new(chart: &'a Reliability, bins: &[Bin], top: f64) -> Self {
        let plot = Area {
            left: EDGE + 76.0,
            top,
            right: EDGE + 76.0 + PLOT_SIZE,
            bottom: top + PLOT_SIZE,
        };
        let ends = |bin: &Bin| {
            let (low, high) = bin.interval.unwrap_or((bin.observed, bin.observed));
            [bin.predicted, bin.observed, low, high]
        };
        let all = || {
            bins.iter()
                .flat_map(ends)
                .filter(|value| (0.0..=1.0).contains(value))
        };
        let most = all().fold(0.0, f64::max);
        let (across, up) = ((plot.left, plot.right), (plot.bottom, plot.top));
        let (x, y) = match chart.scaling {
            Scaling::Linear => {
                let range = (0.0, Scale::cover((most * 1.02).max(1e-6)).min(1.0));
                (Scale::linear(range, across), Scale::linear(range, up))
            }
            Scaling::Log => {
                let main = bins.iter().flat_map(|bin| [bin.predicted, bin.observed]);
                let least = main.filter(|value| *value > 0.0).fold(1.0, f64::min);
                let low = decade(least * 0.8).max(10f64.powi(-DECADES_MAX));
                let high = (decade(most * 1.2) * 10.0).min(1.0);
                let range = (low, high);
                (Scale::log(range, across), Scale::log(range, up))
            }
        };
        Self { chart, plot, x, y }
    }

    fn axes(&self, sheet: &mut Sheet) {
        let plot = self.plot;
        for (value, _) in self.x.ticks(5) {
            let words = percent(value);
            let (x, y) = (self.x.px(value), self.y.px(value));
            sheet.line((x, plot.top), (x, plot.bottom), "p-grid");
            sheet.line((plot.left, y), (plot.right, y), "p-grid");
            sheet.text((x, plot.bottom + 18.0), "p-tick", Anchor::Middle, &words);
            sheet.text((plot.left - 8.0, y + 4.0), "p-tick", Anchor::End, &words);
        }
        sheet.line(
            (plot.left, plot.bottom),
            (plot.right, plot.bottom),
            "p-axis",
        );
        sheet.line((plot.left, plot.top), (plot.left, plot.bottom), "p-axis");
        let middle = (
            (plot.left + plot.right) / 2.0,
            (plot.top + plot.bottom) / 2.0,
        );
        let below = (middle.0, plot.bottom + 40.0);
        sheet.text(below, "p-text", Anchor::Middle, "predicted frequency");
        let beside = (EDGE + 6.0, middle.1);
        let words = (Anchor::Middle, "observed frequency");
        sheet.turned(beside, -90.0, "p-text", words);
    }

    /// The diagonal and the band around it.
    fn expectation(&self, sheet: &mut Sheet) {
        let (low, high) = (self.x.low().max(0.0), self.x.high());
        sheet.clip(&self.plot);
        let at = |value: f64, factor: f64| (self.x.px(value), self.y.px(value * factor));
        if let Some(band) = self.chart.tolerance() {
            let (less, more) = ((1.0 - band).max(0.0), 1.0 + band);
            let corners = [at(low, less), at(low, more), at(high, more), at(high, less)];
            sheet.raw(&path(&corners, "p-band"));
        }
        sheet.raw(&path(&[at(low, 1.0), at(high, 1.0)], "p-even"));
        sheet.raw("</g>");
    }

    fn points(&self, sheet: &mut Sheet, bins: &[Bin]) {
        let mut room = Room::new(Area {
            right: LEGEND_LEFT - 4.0,
            ..self.plot
        });
        room.avoid(vec![
            (self.plot.left, self.plot.bottom),
            (self.plot.right, self.plot.top),
        ]);
        let places: Vec<(&Bin, (f64, f64))> = bins
            .iter()
            .map(|bin| (bin, (self.x.px(bin.predicted), self.height(bin.observed))))
            .collect();
        for (bin, (x, y)) in &places {
            room.take(Area::around((*x, *y), 14.0, 14.0));
            if let Some(ends) = self.interval(bin) {
                room.take(Area {
                    left: x - 5.0,
                    top: ends.0,
                    right: x + 5.0,
                    bottom: ends.1,
                });
                sheet.raw(&whisker(*x, ends));
            }
        }
        for (bin, at) in &places {
            let drawn = if self.chart.never(bin) {
                nothing(*at)
            } else {
                point(*at, self.chart.accepts(bin))
            };
            let words = format!(
                "predicted {}, observed {}, n = {}",
                percent(bin.predicted),
                percent(bin.observed),
                fixed(bin.count as f64, 0)
            );
            sheet.raw(&format!("<g>{drawn}{}</g>", hint(&words)));
            let words = format!("n={}", fixed(bin.count as f64, 0));
            if let Some(place) = room.claim(*at, &around(*at, width(&words, SMALL))) {
                let middle = (place.left + place.right) / 2.0;
                sheet.text(
                    (middle, place.bottom - 3.0),
                    "p-value",
                    Anchor::Middle,
                    &words,
                );
            }
        }
    }

    /// Pixel of an observed share; what lies below a logarithmic axis stands on its edge.
    fn height(&self, share: f64) -> f64 {
        self.y.px(share).clamp(self.plot.top, self.plot.bottom)
    }

    /// Pixels of the upper and lower end.
    fn interval(&self, bin: &Bin) -> Option<(f64, f64)> {
        let (low, high) = bin.interval?;
        let (low, high) = (drawable(low)?, drawable(high)?);
        let share = |value: f64| self.height(value.clamp(0.0, 1.0));
        Some((share(low.max(high)), share(low.min(high))))
    }
}

/// The bins in figures beside the square, as many as there is height for, rarest first.
fn list(sheet: &mut Sheet, bins: &[Bin], (top, bottom): (f64, f64)) {
    let mut bins = bins.to_vec();
    bins.sort_by(|one, other| one.predicted.total_cmp(&other.predicted));
    let columns = [LEGEND_LEFT + 80.0, LEGEND_LEFT + 190.0, LEGEND_LEFT + 290.0];
    let mut row = |y: f64, class: &str, words: [String; 3]| {
        for (x, words) in columns.into_iter().zip(words) {
            sheet.text((x, y), class, Anchor::End, &words);
        }
    };
    row(
        top,
        "p-tick",
        ["predicted", "observed", "n"].map(str::to_owned),
    );
    let rows = ((bottom - top) / LIST_ROW).floor().max(1.0) as usize;
    let shown = if bins.len() <= rows {
        bins.len()
    } else {
        rows - 1
    };
    let mut y = top;
    for bin in bins.iter().take(shown) {
        y += LIST_ROW;
        let count = fixed(bin.count as f64, 0);
        row(
            y,
            "p-text",
            [percent(bin.predicted), percent(bin.observed), count],
        );
    }
    if shown < bins.len() {
        let more = format!("{} more", bins.len() - shown);
        row(y + LIST_ROW, "p-tick", [more, String::new(), String::new()]);
    }
}

/// Largest power of ten that is not above.
fn decade(value: f64) -> f64 {
    10f64.powi(value.max(1e-12).log10().floor() as i32)
}

fn percent(share: f64) -> String {
    super::scale::Unit::Percent.brief(share * 100.0)
}

/// Places for a count, all so close that it is plain whose it is; the list has what finds none.
fn around((x, y): (f64, f64), wide: f64) -> Vec<Area> {
    let (aside, over) = (wide / 2.0 + 10.0, 17.0);
    let shifts = [
        (aside, 0.0),
        (-aside, 0.0),
        (0.0, -over),
        (0.0, over),
        (-aside, -over),
        (aside, over),
    ];
    shifts
        .into_iter()
        .map(|(across, up)| Area::around((x + across, y + up), wide, SMALL + 1.0))
        .collect()
}

/// A disc within the band, a square on its corner outside of it.
fn point((x, y): (f64, f64), accepted: bool) -> String {
    let (cx, cy) = (px(x), px(y));
    if accepted {
        format!("<circle class=\"p-in\" cx=\"{cx}\" cy=\"{cy}\" r=\"5\"/>")
    } else {
        format!(
            "<rect class=\"p-out\" x=\"{}\" y=\"{}\" width=\"9\" height=\"9\" transform=\"rotate(45 {cx} {cy})\"/>",
            px(x - 4.5),
            px(y - 4.5)
        )
    }
}

/// An open triangle that points down: below this axis.
fn nothing((x, y): (f64, f64)) -> String {
    let corners = [(x, y + 5.0), (x + 6.0, y - 5.0), (x - 6.0, y - 5.0)];
    path(&corners, "p-zero").replace("\"/>", "Z\"/>")
}

fn whisker(x: f64, (top, bottom): (f64, f64)) -> String {
    let cap = |y: f64| line((x - 4.0, y), (x + 4.0, y), "p-bar-range");
    let stem = line((x, top), (x, bottom), "p-bar-range");
    format!("{stem}{}{}", cap(top), cap(bottom))
}
