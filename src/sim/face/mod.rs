//! Faces: servers on loopback that speak a real venue's protocol and are backed by the model.
//!
//! Purpose: let a client, ours or a third party's, talk to the simulated exchange as to the real one.
//! Inputs: an [`Exchange`](super::Exchange) and the client's bytes. A face must never know a client's
//! code: its JSON is written from the venue's documentation.

pub mod binance;

pub use binance::{Effect, Face, FaceOptions, FaceTime, Fault, RequestRecord, StreamLink, Urls};
