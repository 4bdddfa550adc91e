//! The Binance adapter against a venue on loopback that misbehaves in every known way.

// Helpers of tests may panic: that is how a test fails. Clippy's switch for tests does not reach them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]

mod account;
mod clock;
mod orders;
mod send;
mod stream;
mod transfer;
mod venue;
