//! Markers of what was done to a position.

use crate::domain::Timestamp;

use super::place::{Area, Room};
use super::sheet::{Anchor, SMALL, Sheet, hint, path, px};
use super::text::{NAME_MAX, clean, fit, width};

/// Markers on one chart at most.
pub const MARKS_MAX: usize = 200;
/// Widest label beside a marker, in pixels.
const LABEL_ROOM: f64 = 170.0;
/// How far from its marker a label may stand, in steps of three quarters of its height.
const LABEL_STEPS: i32 = 7;
/// Half the size of a marker.
const HALF: f64 = 6.5;

/// What happened; each has its own shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkKind {
    /// Margin added: ▲.
    Add,
    /// Position trimmed: ▼.
    Trim,
    /// Trimmed and the freed margin added back: ◆.
    Recycle,
    /// Position closed: ✕.
    Close,
    /// Liquidated by the venue: a heavy ✖.
    Liquidation,
    /// What the venue would have liquidated without protection: a thin ✖.
    Unprotected,
}

impl MarkKind {
    pub(super) const ALL: [Self; 6] = [
        Self::Add,
        Self::Trim,
        Self::Recycle,
        Self::Close,
        Self::Liquidation,
        Self::Unprotected,
    ];

    /// Its words in a legend.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Add => "margin added",
            Self::Trim => "position trimmed",
            Self::Recycle => "trimmed and recycled",
            Self::Close => "closed",
            Self::Liquidation => "liquidated",
            Self::Unprotected => "liquidated without the guard",
        }
    }

    /// The marker with its centre here.
    pub(super) fn drawn(self, (x, y): (f64, f64)) -> String {
        match self {
            Self::Add => closed(
                &[(x, y - HALF), (x + HALF, y + HALF), (x - HALF, y + HALF)],
                "p-add",
            ),
            Self::Trim => closed(
                &[(x, y + HALF), (x + HALF, y - HALF), (x - HALF, y - HALF)],
                "p-trim",
            ),
            Self::Recycle => closed(
                &[
                    (x, y - HALF - 1.0),
                    (x + HALF + 1.0, y),
                    (x, y + HALF + 1.0),
                    (x - HALF - 1.0, y),
                ],
                "p-recycle",
            ),
            Self::Close => cross((x, y), 5.0, ("p-close", 5.5)),
            Self::Liquidation => cross((x, y), HALF, ("p-dead", 7.5)),
            Self::Unprotected => cross((x, y), 5.0, ("p-alone", 4.5)),
        }
    }
}

/// An action at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    pub at: Timestamp,
    pub kind: MarkKind,
    /// Height of the marker; `None`: on the price line.
    pub price: Option<f64>,
    /// A few words beside the marker; dropped where there is no room for them.
    pub label: String,
}

fn closed(points: &[(f64, f64)], class: &str) -> String {
    path(points, class).replace("\"/>", "Z\"/>")
}

fn cross((x, y): (f64, f64), half: f64, (class, under): (&str, f64)) -> String {
    let way = format!(
        "M{} {}L{} {}M{} {}L{} {}",
        px(x - half),
        px(y - half),
        px(x + half),
        px(y + half),
        px(x - half),
        px(y + half),
        px(x + half),
        px(y - half)
    );
    format!(
        "<path class=\"p-under\" stroke-width=\"{}\" d=\"{way}\"/><path class=\"{class}\" d=\"{way}\"/>",
        px(under)
    )
}

/// Markers at their places, then their labels where there is room; first come, first served.
pub(super) fn draw(sheet: &mut Sheet, room: &mut Room, marks: &[(&Mark, (f64, f64))]) {
    for (_, at) in marks {
        room.take(Area::around(*at, 2.0 * HALF + 2.0, 2.0 * HALF + 2.0));
    }
    for (mark, at) in marks {
        let words = fit(&clean(&mark.label, NAME_MAX), SMALL, LABEL_ROOM);
        if words.trim().is_empty() {
            continue;
        }
        let size = (width(&words, SMALL) * 1.06, SMALL + 3.0);
        if let Some(place) = room.claim(*at, &places(*at, size)) {
            label(sheet, *at, &place, &words);
        }
    }
    for (mark, at) in marks {
        let words = format!(
            "{} {}: {}",
            mark.at,
            mark.kind.words(),
            clean(&mark.label, NAME_MAX)
        );
        sheet.raw(&format!("<g>{}{}</g>", mark.kind.drawn(*at), hint(&words)));
    }
}

/// Where a label may stand, best first: close by, then further off with a thin line to it.
fn places((x, y): (f64, f64), (wide, high): (f64, f64)) -> Vec<Area> {
    let beside = HALF + wide / 2.0 + 4.0;
    let over = HALF + high / 2.0 + 3.0;
    let mut shifts = vec![(0.0, -over), (0.0, over), (beside, 0.0), (-beside, 0.0)];
    for step in 0..LABEL_STEPS {
        let away = f64::from(step) * (high + 2.0) * 0.75;
        for (across, up) in [
            (beside + 6.0, away),
            (wide * 0.42, over + away),
            (0.0, over + away),
        ] {
            shifts.extend([(across, -up), (-across, -up), (across, up), (-across, up)]);
        }
        shifts.extend([(beside + 6.0 + away, 0.0), (-beside - 6.0 - away, 0.0)]);
    }
    let at = |(across, up): (f64, f64)| Area::around((x + across, y + up), wide, high);
    shifts.into_iter().map(at).collect()
}

fn label(sheet: &mut Sheet, at: (f64, f64), place: &Area, words: &str) {
    let foot = place.nearest(at);
    let (across, up) = (foot.0 - at.0, foot.1 - at.1);
    if across.hypot(up) > 2.0 * HALF {
        sheet.line(at, foot, "p-lead");
    }
    let middle = (place.left + place.right) / 2.0;
    let base = (middle, place.bottom - 4.0);
    sheet.text(base, "p-label", Anchor::Middle, words);
}
