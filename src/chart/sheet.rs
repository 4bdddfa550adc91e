//! One SVG being drawn: escaped text, short numbers, legend, frame.

use super::place::Area;
use super::style;
use super::text::{NAME_MAX, clean, escape, fit, width, wrap};

/// Width of every chart in its own units; it scales to the place it is shown in.
pub const WIDTH: f64 = 960.0;
/// Space kept free at the left and right edge.
pub(super) const EDGE: f64 = 24.0;
/// Font size of ticks, legend and labels.
pub(super) const SMALL: f64 = 12.0;
const TITLE_SIZE: f64 = 20.0;
const CAPTION_SIZE: f64 = 13.0;
/// Lines that a title or a caption may take.
const LINES_MAX: usize = 2;
/// Characters of a caption that are read.
const CAPTION_MAX: usize = 400;
const SWATCH_WIDTH: f64 = 28.0;
const LEGEND_ROW: f64 = 20.0;

/// Where a chart will live: in its own file, or as the n-th figure of a page that brings the style.
#[derive(Debug, Clone, Copy)]
pub(super) enum Home {
    Alone,
    Page(usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// An entry of a legend: elements drawn around (14, 0) in a box 28 wide, and its words.
pub(super) struct Entry {
    pub(super) swatch: String,
    pub(super) text: String,
}

/// Title and caption of a chart, already harmless but not yet escaped.
pub(super) struct Heading {
    title: String,
    caption: String,
}

impl Heading {
    pub(super) fn new(title: &str, caption: &str) -> Self {
        Self {
            title: clean(title, NAME_MAX),
            caption: clean(caption, CAPTION_MAX),
        }
    }

    /// Says in the caption what was left out.
    pub(super) fn confess(&mut self, hidden: usize, what: &str) {
        if hidden > 0 {
            let gap = if self.caption.is_empty() { "" } else { " " };
            self.caption = format!("({hidden} more {what} not shown.){gap}{}", self.caption);
        }
    }
}

pub(super) struct Sheet {
    home: Home,
    label: String,
    body: String,
}

impl Sheet {
    /// Title and caption on a new sheet, and the y below them.
    pub(super) fn begin(home: Home, heading: &Heading) -> (Self, f64) {
        let mut sheet = Self {
            home,
            label: heading.title.clone(),
            body: String::new(),
        };
        let room = WIDTH - 2.0 * EDGE;
        let mut y = 10.0;
        for line in wrap(&heading.title, TITLE_SIZE, room, LINES_MAX) {
            y += TITLE_SIZE + 4.0;
            sheet.text((EDGE, y), "p-title", Anchor::Start, &line);
        }
        y += 2.0;
        for line in wrap(&heading.caption, CAPTION_SIZE, room, LINES_MAX) {
            y += CAPTION_SIZE + 5.0;
            sheet.text((EDGE, y), "p-note", Anchor::Start, &line);
        }
        (sheet, y + 12.0)
    }

    /// A sheet that says that there is nothing to draw.
    pub(super) fn empty(home: Home, heading: &Heading) -> String {
        let (mut sheet, y) = Self::begin(home, heading);
        let frame = Area {
            left: EDGE,
            top: y,
            right: WIDTH - EDGE,
            bottom: y + 140.0,
        };
        sheet.rect(&frame, "p-frame");
        let middle = (WIDTH / 2.0, y + 75.0);
        sheet.text(middle, "p-none", Anchor::Middle, "no data");
        sheet.finish(frame.bottom + 20.0)
    }

    /// A name that no other chart of the page has.
    pub(super) fn id(&self, name: &str) -> String {
        match self.home {
            Home::Alone => format!("c-{name}"),
            Home::Page(number) => format!("c{number}-{name}"),
        }
    }

    /// Elements made by this room; every text in them is already escaped.
    pub(super) fn raw(&mut self, elements: &str) {
        self.body.push_str(elements);
        self.body.push('\n');
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.raw(&line(from, to, class));
    }

    pub(super) fn rect(&mut self, area: &Area, class: &str) {
        self.raw(&rect(area, class, ""));
    }

    pub(super) fn text(&mut self, at: (f64, f64), class: &str, anchor: Anchor, words: &str) {
        self.raw(&text(at, class, anchor, 0.0, words));
    }

    /// Text turned by degrees around its place.
    pub(super) fn turned(
        &mut self,
        at: (f64, f64),
        degrees: f64,
        class: &str,
        (anchor, words): (Anchor, &str),
    ) {
        self.raw(&text(at, class, anchor, degrees, words));
    }

    /// Opens a group of which only what lies in the area is seen; `raw("</g>")` closes it.
    pub(super) fn clip(&mut self, area: &Area) {
        let id = self.id("clip");
        let shape = rect(area, "", "");
        self.raw(&format!(
            "<clipPath id=\"{id}\">{shape}</clipPath>\n<g clip-path=\"url(#{id})\">"
        ));
    }

    /// Entries in rows between `left` and `right`; the y below them.
    pub(super) fn legend(&mut self, entries: &[Entry], (left, right): (f64, f64), y: f64) -> f64 {
        let (mut x, mut row) = (left, y + LEGEND_ROW / 2.0);
        for entry in entries {
            let words = fit(&entry.text, SMALL, right - left - SWATCH_WIDTH - 6.0);
            let wide = SWATCH_WIDTH + 6.0 + width(&words, SMALL);
            if x > left && x + wide > right {
                x = left;
                row += LEGEND_ROW;
            }
            let (at, up) = (px(x), px(row));
            self.raw(&format!(
                "<g transform=\"translate({at} {up})\">{}</g>",
                entry.swatch
            ));
            let place = (x + SWATCH_WIDTH + 6.0, row + 4.0);
            self.text(place, "p-text", Anchor::Start, &words);
            x += wide + 18.0;
        }
        row + LEGEND_ROW / 2.0 + 8.0
    }

    /// The whole SVG, this high.
    pub(super) fn finish(self, height: f64) -> String {
        let (wide, high) = (px(WIDTH), px(height));
        let style = match self.home {
            Home::Alone => format!("<style>{}</style>\n", style::CHART),
            Home::Page(_) => String::new(),
        };
        let label = escape(if self.label.is_empty() {
            "chart"
        } else {
            &self.label
        });
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"p-chart\" viewBox=\"0 0 {wide} {high}\" \
             role=\"img\" aria-label=\"{label}\">\n{style}\
             <rect class=\"p-paper\" width=\"{wide}\" height=\"{high}\"/>\n{}</svg>\n",
            self.body
        )
    }
}

/// A length in tenths of a pixel; what is not finite becomes zero, so no picture can break.
pub(super) fn px(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    format!("{}", (value * 10.0).round() / 10.0 + 0.0)
}

pub(super) fn line(from: (f64, f64), to: (f64, f64), class: &str) -> String {
    format!(
        "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
        px(from.0),
        px(from.1),
        px(to.0),
        px(to.1)
    )
}

/// A rectangle; `more` is further attributes.
pub(super) fn rect(area: &Area, class: &str, more: &str) -> String {
    format!(
        "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{more}/>",
        px(area.left),
        px(area.top),
        px(area.width().max(0.0)),
        px(area.height().max(0.0))
    )
}

fn text(at: (f64, f64), class: &str, anchor: Anchor, degrees: f64, words: &str) -> String {
    let (x, y) = (px(at.0), px(at.1));
    let turn = if degrees == 0.0 {
        String::new()
    } else {
        format!(" transform=\"rotate({} {x} {y})\"", px(degrees))
    };
    format!(
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{}\"{turn}>{}</text>",
        anchor.word(),
        escape(words)
    )
}

/// Path through points.
pub(super) fn path(points: &[(f64, f64)], class: &str) -> String {
    let mut way = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        way.push(if index == 0 { 'M' } else { 'L' });
        way.push_str(&format!("{} {}", px(*x), px(*y)));
    }
    format!("<path class=\"{class}\" d=\"{way}\"/>")
}

/// What is told when the pointer rests on an element.
pub(super) fn hint(words: &str) -> String {
    format!("<title>{}</title>", escape(words))
}
