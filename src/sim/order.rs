//! Orders, trades and what an order asks for.

use std::fmt;

use crate::domain::{Money, PositionKey, PositionSide, Price, Quantity, Side, Symbol, Timestamp};

/// Direction of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderSide {
    Buy,
    Sell,
}

impl OrderSide {
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// `quantity` with the sign it adds to a signed position.
    #[must_use]
    pub fn signed(self, quantity: Quantity) -> Quantity {
        match self {
            Self::Buy => quantity,
            Self::Sell => -quantity,
        }
    }

    /// The side of a position that such an order opens.
    #[must_use]
    pub const fn opens(self) -> Side {
        match self {
            Self::Buy => Side::Long,
            Self::Sell => Side::Short,
        }
    }
}

impl fmt::Display for OrderSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Buy => "BUY",
            Self::Sell => "SELL",
        })
    }
}

/// Kinds the matching engine takes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderKind {
    Market,
    Limit,
}

/// How long a limit order lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeInForce {
    /// Rests until filled or cancelled.
    Gtc,
    /// Takes what is there, the rest expires.
    Ioc,
    /// Takes everything or nothing.
    Fok,
    /// Rests only; refused when it would take.
    Gtx,
}

impl fmt::Display for TimeInForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gtc => "GTC",
            Self::Ioc => "IOC",
            Self::Fok => "FOK",
            Self::Gtx => "GTX",
        })
    }
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderStatus {
    New,
    PartiallyFilled,
    Filled,
    Canceled,
    Expired,
}

impl OrderStatus {
    /// True while the order can still fill.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::New | Self::PartiallyFilled => true,
            Self::Filled | Self::Canceled | Self::Expired => false,
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "NEW",
            Self::PartiallyFilled => "PARTIALLY_FILLED",
            Self::Filled => "FILLED",
            Self::Canceled => "CANCELED",
            Self::Expired => "EXPIRED",
        })
    }
}

/// What an order asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    pub symbol: Symbol,
    pub side: OrderSide,
    /// `None` means the one-way slot.
    pub position_side: Option<PositionSide>,
    pub kind: OrderKind,
    pub time_in_force: TimeInForce,
    pub quantity: Quantity,
    /// Needed for limit orders only.
    pub price: Option<Price>,
    /// `None` when the request does not speak of it; in hedge mode it must not.
    pub reduce_only: Option<bool>,
    /// The venue makes one up when absent.
    pub client_id: Option<String>,
}

impl OrderRequest {
    /// A market order in the one-way slot.
    #[must_use]
    pub fn market(symbol: &Symbol, side: OrderSide, quantity: Quantity) -> Self {
        Self {
            symbol: symbol.clone(),
            side,
            position_side: None,
            kind: OrderKind::Market,
            time_in_force: TimeInForce::Gtc,
            quantity,
            price: None,
            reduce_only: None,
            client_id: None,
        }
    }

    /// The same order, allowed only to reduce.
    #[must_use]
    pub fn reducing(mut self) -> Self {
        self.reduce_only = Some(true);
        self
    }

    /// The same order for a hedge-mode slot.
    #[must_use]
    pub fn in_slot(mut self, slot: PositionSide) -> Self {
        self.position_side = Some(slot);
        self
    }
}

/// An order as the venue keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub id: u64,
    pub client_id: String,
    pub symbol: Symbol,
    pub side: OrderSide,
    pub position_side: PositionSide,
    pub kind: OrderKind,
    pub time_in_force: TimeInForce,
    pub quantity: Quantity,
    pub price: Option<Price>,
    pub reduce_only: bool,
    /// True for the child of a close-position stop.
    pub close_position: bool,
    pub status: OrderStatus,
    pub executed: Quantity,
    /// Sum of price times quantity of its fills.
    pub quote: Money,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Order {
    /// Slot the order works on.
    #[must_use]
    pub fn key(&self) -> PositionKey {
        PositionKey {
            symbol: self.symbol.clone(),
            position_side: self.position_side,
        }
    }

    /// What is still unfilled.
    #[must_use]
    pub fn remaining(&self) -> Quantity {
        self.quantity - self.executed
    }

    /// Average fill price; `None` without fills.
    #[must_use]
    pub fn average(&self) -> Option<Price> {
        self.quote.per(self.executed)
    }
}

/// One fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade {
    pub id: u64,
    pub order_id: u64,
    pub symbol: Symbol,
    pub side: OrderSide,
    pub position_side: PositionSide,
    pub price: Price,
    pub quantity: Quantity,
    pub realized: Money,
    pub fee: Money,
    pub maker: bool,
    pub at: Timestamp,
}

/// What just happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Execution {
    New,
    Trade(Trade),
    /// A fill forced by the venue.
    Calculated(Trade),
    Canceled,
    Expired,
}
