//! Why the venue refuses a request; a face turns each reason into its venue's code.

use crate::domain::{Money, Price};

/// A refused request; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Invalid symbol.")]
    UnknownSymbol,
    #[error("Symbol is not in trading status.")]
    SymbolClosed,
    #[error("Margin is insufficient.")]
    MarginInsufficient,
    #[error("ReduceOnly Order is rejected.")]
    ReduceOnlyRejected,
    #[error("ReduceOnly Order Failed. Please check your existing position and open orders")]
    ReduceOnlyConflict,
    #[error("Parameter 'reduceonly' sent when not required.")]
    ReduceOnlyInHedge,
    #[error("Order's position side does not match user's setting.")]
    PositionSideMismatch,
    #[error("ClientOrderId is duplicated.")]
    DuplicateClientId,
    #[error("Client order id is not valid.")]
    BadClientId,
    #[error("Quantity less than or equal to zero.")]
    QuantityNotPositive,
    #[error("Quantity less than min quantity.")]
    QuantityTooSmall,
    #[error("Quantity greater than max quantity.")]
    QuantityTooLarge,
    #[error("Precision is over the maximum defined for this asset.")]
    Precision,
    #[error("Qty not increased by step size.")]
    QuantityStep,
    #[error("Price less than 0.")]
    PriceMissing,
    #[error("Price not increased by tick size.")]
    PriceTick,
    #[error("Limit price can't be higher than {limit}.")]
    PriceTooHigh { limit: Price },
    #[error("Limit price can't be lower than {limit}.")]
    PriceTooLow { limit: Price },
    #[error("Order's notional must be no smaller than {limit} (unless you choose reduce only).")]
    MinNotional { limit: Money },
    #[error("The counterparty's best price does not meet the PERCENT_PRICE filter limit.")]
    MarketBound,
    #[error("Due to the order could not be filled immediately, the FOK order has been rejected.")]
    NotFillable,
    #[error(
        "Due to the order could not be executed as maker, the Post Only order will be rejected."
    )]
    WouldTake,
    #[error("Reach max stop order limit.")]
    TooManyStops,
    #[error("Parameter 'closePosition' does not go with quantity, reduceOnly or an opening side.")]
    ClosePositionConflict,
    #[error("Reach max open order limit.")]
    TooManyOrders,
    #[error("Exceeded the maximum allowable position at current leverage.")]
    MaxPosition,
    #[error("Unknown order sent.")]
    NothingToCancel,
    #[error("Order does not exist.")]
    UnknownOrder,
    #[error("Order would immediately trigger.")]
    WouldTrigger,
    #[error("Leverage {leverage} is not valid.")]
    InvalidLeverage { leverage: u32 },
    #[error("Leverage reduction is not supported in Isolated Margin Mode with open positions.")]
    LeverageReduction,
    #[error("No need to change margin type.")]
    SameMarginType,
    #[error("Margin type cannot be changed if there exists open orders.")]
    MarginTypeOrders,
    #[error("Margin type cannot be changed if there exists position.")]
    MarginTypePosition,
    #[error("Add margin only support for isolated position.")]
    NotIsolated,
    #[error("Cross balance insufficient.")]
    CrossInsufficient,
    #[error("Isolated balance insufficient.")]
    IsolatedInsufficient,
    #[error("Cannot add position margin: position is 0.")]
    NoPosition,
    #[error("Amount must be positive.")]
    AmountNotPositive,
    #[error("No need to change position side.")]
    SamePositionMode,
    #[error("Position side cannot be changed if there exists open orders.")]
    PositionModeOrders,
    #[error("Position side cannot be changed if there exists position.")]
    PositionModePosition,
    #[error("Asset transfer failed: insufficient balance.")]
    TransferInsufficient,
}
