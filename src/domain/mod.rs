//! The nouns of the trade: exact numbers, time, instruments, risk tiers, positions, accounts, books.
//!
//! Purpose: one vocabulary for every other module. Inputs: none. This module must never know a
//! clock, a socket, a venue's wire format or a policy.

mod account;
mod book;
mod instrument;
mod number;
mod order;
mod position;
mod tier;
mod time;

pub use account::{Account, Balance, OutsideBalance, OutsideWallet, PositionMode};
pub use book::{Book, BookLevel, Fill, Ladder};
pub use instrument::{ContractKind, Instrument, InstrumentStatus, LotLimits, Symbol};
pub use number::{Leverage, Money, NumberError, Price, Quantity, Rate};
pub use order::OpenOrder;
pub use position::{MarginMode, Position, PositionKey, PositionSide, Side};
pub use tier::{Tier, TierError, TierTable};
pub use time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};
