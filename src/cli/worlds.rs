//! What commands that play the simulated world share: which faults, which book.

use clap::ValueEnum;
use serde::Serialize;

use crate::replay::world::Faults;
use crate::sim::BookShape;

/// What goes wrong between guard and exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FaultsArg {
    /// Nothing.
    None,
    /// Of ten requests one is lost, one is executed without an answer, one is refused.
    Api,
    /// The same, and every ten minutes the marks stop for twenty seconds.
    All,
}

impl FaultsArg {
    pub(super) const fn faults(self) -> Faults {
        match self {
            Self::None => Faults::NONE,
            Self::Api => Faults::API,
            Self::All => Faults::ALL,
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::None => "no faults",
            Self::Api => "API faults (of ten requests one lost, one unanswered, one refused)",
            Self::All => {
                "API faults (of ten requests one lost, one unanswered, one refused) and silent marks (20 s in 10 min)"
            }
        }
    }
}

/// How deep the made-up book is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DepthArg {
    /// Always as in calm water.
    Normal,
    /// Up to twenty times thinner and wider while the price moves fast.
    Collapse,
}

impl DepthArg {
    pub(super) const fn shape(self) -> BookShape {
        match self {
            Self::Normal => BookShape::Steady,
            Self::Collapse => BookShape::Collapsing,
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Normal => "a book as deep as in calm water",
            Self::Collapse => "a book that thins out up to twenty times while the price moves fast",
        }
    }
}
