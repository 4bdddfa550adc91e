//! Means over episodes.

/// Hundredths of a percent in a whole.
pub(super) const BPS: f64 = 10_000.0;

/// A mean; none of nothing.
#[derive(Default)]
pub(super) struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    pub(super) fn take(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    pub(super) fn get(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// Episodes that were never at risk: whatever was done in them was needless.
#[derive(Default)]
pub(super) struct Quiet {
    actions: f64,
    days: f64,
    trimmed: Mean,
}

impl Quiet {
    pub(super) fn take(&mut self, days: f64, actions: u32, kept: f64) {
        self.actions += f64::from(actions);
        self.days += days;
        self.trimmed.take(1.0 - kept);
    }

    /// Acts per day.
    pub(super) fn per_day(&self) -> Option<f64> {
        (self.days > 0.0).then(|| self.actions / self.days)
    }

    /// Mean share given up.
    pub(super) fn trimmed(&self) -> Option<f64> {
        self.trimmed.get()
    }
}
