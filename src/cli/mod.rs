//! Commands: one file each.

pub mod exchange;
