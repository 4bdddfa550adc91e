//! The baselines: simple ways of protecting a position, each a trigger price and a deed.

use super::holding::{Holding, trade_cost};
use crate::guard::policy::Preset;

/// `stop-buffer` closes when this share of the way from entry to liquidation is left.
const STOP_BUFFER: f64 = 0.05;
/// `ratio-trim` acts when maintenance over margin balance reaches this …
const RATIO_TRIGGER: f64 = 0.5;
/// … and restores this.
const RATIO_TARGET: f64 = 0.3;
/// `trim-2pct` acts within this distance of liquidation …
const TRIM_WITHIN: f64 = 0.02;
/// … and closes this part of what is held per pass.
const TRIM_PART: f64 = 0.02;
/// `naive` acts within this many standard deviations …
const NAIVE_SIGMAS: f64 = 3.0;
/// … of the return over this many minutes …
const NAIVE_MINUTES: f64 = 15.0;
/// … and restores this multiple of that distance.
const NAIVE_RESTORE: f64 = 1.3;
/// No deed aims at more distance than this share of the price.
const FARTHEST: f64 = 0.9;

/// A rest below this share of the entry size is closed: no exchange takes orders that small.
const DUST: f64 = 0.001;

/// A way of protecting a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// Nothing is done.
    Nothing,
    /// The exchange adds the initial margin once more each time maintenance is hit, until the reserve
    /// is empty.
    AutoMargin,
    /// A stop shortly before liquidation closes everything.
    StopBuffer,
    /// A fixed margin ratio triggers a trim to another fixed ratio.
    RatioTrim,
    /// Small trims while liquidation is near.
    TrimTwoPercent,
    /// Distance in units of volatility; adds first, then trims and recycles.
    Naive,
    /// The real guard in `auto` mode, with all but the preset at its default.
    Guard(Preset),
}

impl Policy {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 9] = [
        Self::Nothing,
        Self::AutoMargin,
        Self::StopBuffer,
        Self::RatioTrim,
        Self::TrimTwoPercent,
        Self::Naive,
        Self::Guard(Preset::Careful),
        Self::Guard(Preset::Balanced),
        Self::Guard(Preset::Tight),
    ];

    /// The name on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::AutoMargin => "auto-margin",
            Self::StopBuffer => "stop-buffer",
            Self::RatioTrim => "ratio-trim",
            Self::TrimTwoPercent => "trim-2pct",
            Self::Naive => "naive",
            Self::Guard(_) => "guard",
        }
    }

    /// The guard's preset; none for baselines.
    #[must_use]
    pub const fn preset(self) -> Option<&'static str> {
        match self {
            Self::Guard(preset) => Some(preset.name()),
            Self::Nothing
            | Self::AutoMargin
            | Self::StopBuffer
            | Self::RatioTrim
            | Self::TrimTwoPercent
            | Self::Naive => None,
        }
    }

    /// Price at which a baseline acts while nothing of `holding` and `sigma` changes.
    pub(super) fn trigger(self, holding: &Holding, sigma: f64) -> f64 {
        match self {
            Self::Nothing | Self::AutoMargin | Self::Guard(_) => holding.never(),
            Self::StopBuffer => {
                let line = holding.line();
                line + STOP_BUFFER * (1.0 - line)
            }
            Self::RatioTrim => holding.price_at(1.0 / RATIO_TRIGGER),
            Self::TrimTwoPercent => holding.price_at_distance(TRIM_WITHIN),
            Self::Naive => holding.price_at_distance(naive_distance(sigma)),
        }
    }

    /// What a baseline does at its trigger.
    pub(super) fn deed(self, holding: &Holding, price: f64, sigma: f64) -> Option<Deed> {
        match self {
            Self::Nothing | Self::AutoMargin | Self::Guard(_) => None,
            Self::StopBuffer => Some(Deed::Close),
            Self::RatioTrim => Some(Deed::Recycle {
                add: 0.0,
                part: ratio_part(holding, price, sigma),
            }),
            Self::TrimTwoPercent => Some(Deed::Trim { part: TRIM_PART }),
            Self::Naive => naive_deed(holding, price, sigma),
        }
    }
}

/// One act of a baseline; its sizes are fixed when it is decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Deed {
    Close,
    /// A plain trim.
    Trim {
        part: f64,
    },
    /// New margin, then a trim whose margin stays in the position.
    Recycle {
        add: f64,
        part: f64,
    },
}

impl Deed {
    /// Carries it out; an exchange would not let so small a rest stand as [`DUST`]. Returns the
    /// number of acts: new margin and a trim are two.
    pub(super) fn apply(self, holding: &mut Holding, price: f64, sigma: f64) -> u32 {
        let acts = match self {
            Self::Close => {
                holding.close(price, sigma);
                1
            }
            Self::Trim { part } => {
                holding.trim(part, price, sigma);
                1
            }
            Self::Recycle { add, part } => {
                holding.add(add);
                holding.recycle(part, price, sigma);
                u32::from(add > 0.0) + u32::from(part > 0.0)
            }
        };
        if holding.share < DUST {
            holding.close(price, sigma);
        }
        acts
    }
}

fn naive_distance(sigma: f64) -> f64 {
    NAIVE_SIGMAS * sigma * NAIVE_MINUTES.sqrt()
}

/// Part to close so that maintenance over margin balance becomes the target:
/// `(1 − x)·mm = target·(balance − x·cost)`.
fn ratio_part(holding: &Holding, price: f64, sigma: f64) -> f64 {
    let notional = holding.notional(price);
    let maintenance = holding.rate * notional;
    let cost = notional * trade_cost(sigma);
    let slope = maintenance - RATIO_TARGET * cost;
    if slope <= 0.0 {
        return 1.0;
    }
    ((maintenance - RATIO_TARGET * holding.balance(price)) / slope).clamp(0.0, 1.0)
}

/// Adds what is missing to the wished distance; where the reserve does not reach, closes the part `x`
/// with `balance − x·n·cost = (1 − x)·n·need`, `need` being the balance per notional at that distance.
fn naive_deed(holding: &Holding, price: f64, sigma: f64) -> Option<Deed> {
    let distance = (naive_distance(sigma) * NAIVE_RESTORE).min(FARTHEST);
    let notional = holding.notional(price);
    let need = distance + holding.rate * (1.0 - holding.sign * distance);
    let missing = notional * need - holding.balance(price);
    if missing <= 0.0 {
        return None;
    }
    let add = missing.min(holding.reserve).max(0.0);
    let left = missing - add;
    let gain = notional * (need - trade_cost(sigma));
    let part = if left <= 0.0 {
        0.0
    } else if gain <= left {
        1.0
    } else {
        left / gain
    };
    Some(Deed::Recycle { add, part })
}
