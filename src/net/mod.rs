//! The world's edge shared by all venues: time, HTTP, WebSocket, reconnection, rate limits.
//!
//! Purpose: one place that knows sockets and clocks. It must never know a venue, an account or the
//! guard.

pub mod backoff;
pub mod clock;
pub mod http;
pub mod limiter;
pub mod ws;
