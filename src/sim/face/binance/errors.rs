//! The venue's error codes. Source: venue page "Error Codes" (USDⓈ-M futures), 2026-11.

use serde_json::json;

use crate::sim::Refusal;

/// A refused request as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) code: i64,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn new(status: u16, code: i64, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
        }
    }

    pub(super) fn missing(name: &str) -> Self {
        let text =
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        Self::new(400, -1102, &text)
    }

    pub(super) fn illegal(name: &str) -> Self {
        let text = format!("Illegal characters found in parameter '{name}'.");
        Self::new(400, -1100, &text)
    }

    pub(super) fn invalid_symbol() -> Self {
        Self::new(400, -1121, "Invalid symbol.")
    }

    pub(super) fn not_permitted() -> Self {
        Self::new(
            401,
            -2015,
            "Invalid API-key, IP, or permissions for action.",
        )
    }

    pub(super) fn body(&self) -> String {
        json!({"code": self.code, "msg": self.message}).to_string()
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::UnknownSymbol => -1121,
            Refusal::SymbolClosed => -4140,
            Refusal::MarginInsufficient => -2019,
            Refusal::ReduceOnlyRejected => -2022,
            Refusal::ReduceOnlyConflict => -4118,
            Refusal::ReduceOnlyInHedge => -1106,
            Refusal::PositionSideMismatch => -4061,
            Refusal::DuplicateClientId => -4116,
            Refusal::BadClientId => -4015,
            Refusal::QuantityNotPositive => -4003,
            Refusal::QuantityTooSmall => -4004,
            Refusal::QuantityTooLarge => -4005,
            Refusal::Precision => -1111,
            Refusal::QuantityStep => -4023,
            Refusal::PriceMissing => -4001,
            Refusal::PriceTick => -4014,
            Refusal::PriceTooHigh { .. } => -4016,
            Refusal::PriceTooLow { .. } => -4024,
            Refusal::MinNotional { .. } => -4164,
            Refusal::MarketBound => -4131,
            Refusal::NotFillable => -5021,
            Refusal::WouldTake => -5022,
            Refusal::TooManyOrders => -2025,
            Refusal::TooManyStops => -4045,
            Refusal::ClosePositionConflict => -4136,
            Refusal::MaxPosition => -2027,
            Refusal::NothingToCancel => -2011,
            Refusal::UnknownOrder => -2013,
            Refusal::WouldTrigger => -2021,
            Refusal::InvalidLeverage { .. } => -4028,
            Refusal::LeverageReduction => -4161,
            Refusal::SameMarginType => -4046,
            Refusal::MarginTypeOrders => -4047,
            Refusal::MarginTypePosition => -4048,
            Refusal::NotIsolated => -4049,
            Refusal::CrossInsufficient => -4050,
            Refusal::IsolatedInsufficient => -4051,
            Refusal::NoPosition => -4054,
            Refusal::AmountNotPositive => -4055,
            Refusal::SamePositionMode => -4059,
            Refusal::PositionModeOrders => -4067,
            Refusal::PositionModePosition => -4068,
            Refusal::TransferInsufficient => -5013,
        };
        Self {
            status: 400,
            code,
            message: refusal.to_string(),
        }
    }
}
