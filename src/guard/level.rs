//! How close to the line a scope is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Danger of one scope, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Calm,
    Watch,
    ActSoon,
    /// The act line is crossed: a rescue is due or under way.
    Acting,
    /// The act line is crossed and nothing allowed would help.
    Distress,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calm => "calm",
            Self::Watch => "watch",
            Self::ActSoon => "act-soon",
            Self::Acting => "acting",
            Self::Distress => "distress",
        })
    }
}
