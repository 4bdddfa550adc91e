//! Room on the picture: which places labels have already taken.

/// A box in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    /// A box of this size around a point.
    pub(super) fn around((x, y): (f64, f64), width: f64, height: f64) -> Self {
        Self {
            left: x - width / 2.0,
            top: y - height / 2.0,
            right: x + width / 2.0,
            bottom: y + height / 2.0,
        }
    }

    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    /// The point of this box that is nearest to another.
    pub(super) fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (
            x.max(self.left).min(self.right),
            y.max(self.top).min(self.bottom),
        )
    }

    fn holds(&self, point: (f64, f64)) -> bool {
        self.nearest(point) == point
    }

    fn touches(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn within(&self, frame: &Self) -> bool {
        self.left >= frame.left
            && self.right <= frame.right
            && self.top >= frame.top
            && self.bottom <= frame.bottom
    }

    /// Whether a straight piece passes through this box.
    fn crossed(&self, (from, to): ((f64, f64), (f64, f64))) -> bool {
        let (start, end) = if from.0 <= to.0 {
            (from, to)
        } else {
            (to, from)
        };
        if end.0 < self.left || start.0 > self.right {
            return false;
        }
        let at = |x: f64| {
            let run = end.0 - start.0;
            if run <= 0.0 {
                return None;
            }
            Some(start.1 + (end.1 - start.1) * (x - start.0) / run)
        };
        let first = at(self.left.max(start.0)).unwrap_or(start.1);
        let last = at(self.right.min(end.0)).unwrap_or(end.1);
        first.min(last) <= self.bottom && first.max(last) >= self.top
    }
}

/// What is taken on a picture: boxes of labels and markers, and lines that are better left free.
pub(super) struct Room {
    frame: Area,
    taken: Vec<Area>,
    lines: Vec<Vec<(f64, f64)>>,
}

impl Room {
    pub(super) fn new(frame: Area) -> Self {
        Self {
            frame,
            taken: Vec::new(),
            lines: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, area: Area) {
        self.taken.push(area);
    }

    pub(super) fn avoid(&mut self, line: Vec<(f64, f64)>) {
        self.lines.push(line);
    }

    /// The first of the places that is free of labels and lines, else of labels alone; taken then.
    /// The straight way to it from `origin` leads over no other label or marker.
    pub(super) fn claim(&mut self, origin: (f64, f64), places: &[Area]) -> Option<Area> {
        let free: Vec<Area> = places
            .iter()
            .filter(|place| place.within(&self.frame))
            .filter(|place| !self.taken.iter().any(|other| place.touches(other)))
            .filter(|place| !self.is_barred((origin, place.nearest(origin))))
            .copied()
            .collect();
        let clear = free.iter().find(|place| !self.crosses_a_line(place));
        let found = clear.or_else(|| free.first()).copied()?;
        self.take(found);
        Some(found)
    }

    fn is_barred(&self, way: ((f64, f64), (f64, f64))) -> bool {
        let mut others = self.taken.iter().filter(|area| !area.holds(way.0));
        others.any(|area| area.crossed(way))
    }

    fn crosses_a_line(&self, place: &Area) -> bool {
        self.lines.iter().any(|line| {
            line.iter()
                .zip(line.iter().skip(1))
                .any(|(from, to)| place.crossed((*from, *to)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_takes_the_first_free_place_and_prefers_no_line() {
        let frame = Area::around((50.0, 50.0), 100.0, 100.0);
        let mut room = Room::new(frame);
        room.avoid(vec![(0.0, 20.0), (100.0, 20.0)]);
        let on_line = Area::around((85.0, 20.0), 20.0, 10.0);
        let clear = Area::around((50.0, 60.0), 20.0, 10.0);
        assert_eq!(room.claim((90.0, 90.0), &[on_line, clear]), Some(clear));
        assert_eq!(room.claim((90.0, 90.0), &[on_line, clear]), Some(on_line));
        assert_eq!(room.claim((90.0, 90.0), &[on_line, clear]), None);
        let outside = Area::around((99.0, 60.0), 20.0, 10.0);
        assert_eq!(room.claim((90.0, 90.0), &[outside]), None);
    }
}
