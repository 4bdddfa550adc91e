//! The one room that draws: price with its lines, bars of a benchmark, calibration, tables, and a
//! whole page of them.
//!
//! Inputs: plain data from any caller; names and texts may come from anywhere and are escaped here.
//! Output: self-contained SVG or one HTML page that needs no network and no script. The same input
//! always gives the same bytes; every output is bounded whatever the input. Values that are not
//! finite never reach it. Must never know the guard, a venue, files or the clock.
#![allow(
    clippy::float_arithmetic,
    reason = "pixels: nothing here flows back into a number that decides"
)]

mod bars;
mod mark;
mod page;
mod place;
mod price;
mod reliability;
mod scale;
mod sheet;
mod style;
mod table;
mod text;
mod thin;

pub use bars::{GROUPS_MAX, GroupedBars, Reference, SERIES_MAX, Series};
pub use mark::{MARKS_MAX, Mark, MarkKind};
pub use page::{Figure, MADE_BY, Page, SECTIONS_MAX, Section};
pub use price::{PriceChart, Sample};
pub use reliability::{BINS_MAX, Bin, Reliability, Scaling};
pub use scale::Unit;
pub use sheet::WIDTH;
pub use table::{COLUMNS_MAX, ROWS_MAX, Table};
pub use text::{NAME_MAX, PARAGRAPH_MAX};
