//! Equity, maintenance, liquidation and bankruptcy price, and the exact state after an action.
//!
//! Purpose: the arithmetic of one venue's rules over a *scope*: what is liquidated together.
//! Inputs: wallet, legs, marks, tiers. Must never know clocks, policy or how a number was read.
//!
//! Binance USDⓈ-M (linear): maintenance of a leg is `notional * rate(tier) - deduction(tier)`, with
//! notional at mark; a scope is liquidated when `wallet + unrealised <= maintenance`. Fees and
//! funding are not inside the venue's liquidation price. Source: Binance support article
//! "How to calculate liquidation price of USDⓈ-M futures", read 2026-11.

mod effect;
mod line;
mod scope;

pub use effect::{PartialClose, Reduction};
pub use scope::{Leg, ScopeMargin};
