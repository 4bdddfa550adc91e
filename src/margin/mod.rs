//! Exact margin arithmetic: equity, maintenance, the line at which a scope is liquidated, and the
//! state after an action, as each venue defines them.
//!
//! Purpose: one arithmetic for every venue; what differs between venues is data in [`Rules`], one
//! page per venue. Inputs: positions, wallets and tier tables, passed in. It must never know time,
//! an order, a policy or a wire format.
//!
//! The health of a scope (equity minus what the venue demands) is a concave, piecewise straight
//! function of `x`, where `x` is the mark price of a linear contract and the reciprocal of the mark
//! price of an inverse one. Everything here is built on that; `docs/math.md` writes it out.
//!
//! | file | holds |
//! |---|---|
//! | `rules` | [`Venue`], [`Rules`]: what differs between venues, side by side |
//! | `leg` | [`Leg`]: one position as a function of its mark price |
//! | `scope` | [`ScopeMargin`]: equity, maintenance, ratio, free and removable margin |
//! | `collateral` | [`Collateral`]: other assets that back a cross scope, with their discounts |
//! | `line` | liquidation and bankruptcy price, the wallet a wished line needs |
//! | `folded` | [`Folded`]: all lines of a large scope at a cost that grows with its size |
//! | `shock` | [`Shock`]: all symbols moved together, each by its beta |
//! | `tally` | [`Tally`]: the health test of the tick path |
//! | `trial` | [`Trial`]: health at imagined marks after cuts of any size |
//! | `effect` | the exact state after an action |

mod collateral;
mod effect;
mod folded;
mod leg;
mod line;
mod rules;
mod scope;
mod shock;
mod tally;
mod trial;

pub use collateral::{Collateral, Discount, DiscountStep};
pub use effect::{After, Fill, Reduction};
pub use folded::Folded;
pub use leg::Leg;
pub use line::Line;
pub use rules::{
    CloseFee, FundingFrom, LeverageChange, PartialClose, Ratio, Removal, Rules, ShownLine, TierBy,
    UnknownVenue, Venue,
};
pub use scope::ScopeMargin;
pub use shock::{Reach, Shock};
pub use tally::{Tally, Verdict};
pub use trial::Trial;
