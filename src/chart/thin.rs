//! Many points made few without losing a high or a low.

/// A connected line in pixels.
pub(super) type Run = Vec<(f64, f64)>;

/// At most four points for each pixel column (first, lowest, highest, last, in their order), so a
/// line has at most four times as many points as the picture is wide. `None` ends a run: the line
/// reaches to that place and stops; a gap that opens and closes within one column is not seen.
///
/// `points` are in pixels, ordered by x.
pub(super) fn thin(points: impl IntoIterator<Item = (f64, Option<f64>)>) -> Vec<Run> {
    let mut runs: Vec<Run> = vec![Run::new()];
    let mut column = Column::default();
    for (x, y) in points {
        if !column.holds(x) {
            column.empty_into(&mut runs);
            column = Column::at(x);
        }
        match y {
            Some(y) => column.add(x, y),
            None => column.gap = Some(x),
        }
    }
    column.empty_into(&mut runs);
    runs.retain(|run| !run.is_empty());
    runs
}

#[derive(Default)]
struct Column {
    number: Option<f64>,
    ends: Option<[(f64, f64); 2]>,
    low: (f64, f64),
    high: (f64, f64),
    gap: Option<f64>,
}

impl Column {
    fn at(x: f64) -> Self {
        Self {
            number: Some(x.floor()),
            ..Self::default()
        }
    }

    fn holds(&self, x: f64) -> bool {
        self.number == Some(x.floor())
    }

    fn add(&mut self, x: f64, y: f64) {
        self.gap = None;
        let point = (x, y);
        let Some([first, _]) = self.ends else {
            self.ends = Some([point, point]);
            (self.low, self.high) = (point, point);
            return;
        };
        self.ends = Some([first, point]);
        if y < self.low.1 {
            self.low = point;
        }
        if y > self.high.1 {
            self.high = point;
        }
    }

    fn empty_into(&self, runs: &mut Vec<Run>) {
        let Some(run) = runs.last_mut() else { return };
        if let Some([first, last]) = self.ends {
            let (one, other) = if self.low.0 <= self.high.0 {
                (self.low, self.high)
            } else {
                (self.high, self.low)
            };
            for point in [first, one, other, last] {
                if run.last() != Some(&point) {
                    run.push(point);
                }
            }
        }
        if let Some(x) = self.gap
            && let Some((_, y)) = run.last().copied()
        {
            run.push((x, y));
            runs.push(Run::new());
        }
    }
}

/// A line that keeps its value until the next point, as corners.
pub(super) fn steps(run: &Run) -> Run {
    let mut out = Run::with_capacity(run.len() * 2);
    for (x, y) in run {
        if let Some((_, before)) = out.last().copied()
            && before != *y
        {
            out.push((*x, before));
        }
        out.push((*x, *y));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_of_one_sample_survives() {
        let points = (0..100_000).map(|index| {
            let y = if index == 51_234 { -7.0 } else { 100.0 };
            (f64::from(index) / 1_000.0, Some(y))
        });
        let runs = thin(points);
        assert_eq!(runs.len(), 1);
        assert!(runs[0].len() <= 400);
        assert!(runs[0].contains(&(51.234, -7.0)));
        assert_eq!(runs[0].last(), Some(&(99.999, 100.0)));
    }

    #[test]
    fn a_gap_ends_the_line_where_it_begins() {
        let runs = thin([
            (0.0, Some(1.0)),
            (5.0, None),
            (9.0, Some(2.0)),
            (12.0, Some(3.0)),
        ]);
        assert_eq!(
            runs,
            [vec![(0.0, 1.0), (5.0, 1.0)], vec![(9.0, 2.0), (12.0, 3.0)]]
        );
    }

    #[test]
    fn steps_turn_at_right_angles() {
        assert_eq!(
            steps(&vec![(0.0, 1.0), (5.0, 2.0), (9.0, 2.0)]),
            [(0.0, 1.0), (5.0, 1.0), (5.0, 2.0), (9.0, 2.0)]
        );
    }
}
