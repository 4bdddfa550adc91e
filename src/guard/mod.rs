//! The heart: events and time in, actions out. Deterministic; knows no clock, socket, file,
//! environment, random source or log.

pub mod action;
pub mod event;
pub mod intent;
pub mod journal;
pub mod level;
pub mod policy;
