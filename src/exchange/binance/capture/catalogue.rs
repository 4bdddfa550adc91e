//! The answers and events that are known, and what the agent does with them.
//!
//! Purpose: two tables and nothing else.
//! Source: developers.binance.com, USDⓈ-M REST, market and user data streams, read 2026-11.

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Positions,
    Account,
    Balances,
    Tiers,
    Instruments,
    Marks,
    TakerFee,
    SymbolSettings,
    AccountSettings,
    Modes,
    Orders,
    AlgoOrders,
    MarginHistory,
    Acknowledgement,
    Leverage,
    Book,
    ServerTime,
    Permissions,
    ListenKey,
    Unused,
}

/// One REST endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub path: &'static str,
    /// What it is, and what it must have to be it.
    pub expects: &'static str,
    pub shape: Shape,
    /// Why the agent makes no use of it; empty where it does.
    pub unused: &'static str,
}

const fn row(
    path: &'static str,
    shape: Shape,
    expects: &'static str,
    unused: &'static str,
) -> Answer {
    Answer {
        path,
        expects,
        shape,
        unused,
    }
}

const ORDERS: &str = "orders with status and executedQty";
const ALGO_ORDERS: &str = "conditional orders with algoId and algoStatus";
const ACK: &str = "an acknowledgement with code";
const FOREIGN_ORDERS: &str = "the agent asks for its own orders only, by their client id";
const FOREIGN_STOPS: &str = "the trader's own stops are not touched";
const NEVER_SENT: &str = "the agent never sends this request";

/// Every answer that can be read, with its newest version.
pub(super) const ANSWERS: &[Answer] = &[
    row(
        "/fapi/v3/positionRisk",
        Shape::Positions,
        "positions, each with symbol, positionSide, positionAmt, entryPrice and markPrice",
        "",
    ),
    row(
        "/fapi/v3/account",
        Shape::Account,
        "an account with assets, each with asset, crossWalletBalance and availableBalance",
        "",
    ),
    row(
        "/fapi/v3/balance",
        Shape::Balances,
        "balances, each with asset, crossWalletBalance and availableBalance",
        "the agent reads balances from /fapi/v3/account",
    ),
    row(
        "/fapi/v1/leverageBracket",
        Shape::Tiers,
        "risk tiers, by symbol with brackets, each with notionalFloor, notionalCap, maintMarginRatio, cum and initialLeverage",
        "",
    ),
    row(
        "/fapi/v1/exchangeInfo",
        Shape::Instruments,
        "trading rules with symbols, each with contractType, status, marginAsset, liquidationFee and filters",
        "",
    ),
    row(
        "/fapi/v1/premiumIndex",
        Shape::Marks,
        "mark prices, each with symbol, markPrice and time",
        "",
    ),
    row(
        "/fapi/v1/commissionRate",
        Shape::TakerFee,
        "the fee of a symbol with symbol and takerCommissionRate",
        "",
    ),
    row(
        "/fapi/v1/symbolConfig",
        Shape::SymbolSettings,
        "settings of symbols, each with symbol, marginType and leverage",
        "",
    ),
    row(
        "/fapi/v1/accountConfig",
        Shape::AccountSettings,
        "account settings with canTrade, dualSidePosition and multiAssetsMargin",
        "",
    ),
    row(
        "/fapi/v1/multiAssetsMargin",
        Shape::Modes,
        "the asset mode with multiAssetsMargin",
        "the agent reads /fapi/v1/accountConfig, which tells the same",
    ),
    row(
        "/fapi/v1/positionSide/dual",
        Shape::Modes,
        "the position mode with dualSidePosition",
        "the agent reads /fapi/v1/accountConfig, which tells the same",
    ),
    row("/fapi/v1/order", Shape::Orders, ORDERS, ""),
    row("/fapi/v1/allOrders", Shape::Orders, ORDERS, FOREIGN_ORDERS),
    row("/fapi/v1/openOrders", Shape::Orders, ORDERS, FOREIGN_ORDERS),
    row("/fapi/v1/openOrder", Shape::Orders, ORDERS, FOREIGN_ORDERS),
    row(
        "/fapi/v1/batchOrders",
        Shape::Orders,
        ORDERS,
        FOREIGN_ORDERS,
    ),
    row(
        "/fapi/v1/forceOrders",
        Shape::Orders,
        ORDERS,
        "forced orders arrive as ORDER_TRADE_UPDATE",
    ),
    row(
        "/fapi/v1/algoOrder",
        Shape::AlgoOrders,
        ALGO_ORDERS,
        FOREIGN_STOPS,
    ),
    row(
        "/fapi/v1/openAlgoOrders",
        Shape::AlgoOrders,
        ALGO_ORDERS,
        FOREIGN_STOPS,
    ),
    row(
        "/fapi/v1/allAlgoOrders",
        Shape::AlgoOrders,
        ALGO_ORDERS,
        FOREIGN_STOPS,
    ),
    row(
        "/fapi/v1/algoOpenOrders",
        Shape::Acknowledgement,
        ACK,
        NEVER_SENT,
    ),
    row(
        "/fapi/v1/allOpenOrders",
        Shape::Acknowledgement,
        ACK,
        NEVER_SENT,
    ),
    row("/fapi/v1/positionMargin", Shape::Acknowledgement, ACK, ""),
    row(
        "/fapi/v1/positionMargin/history",
        Shape::MarginHistory,
        "changes of isolated margin, each with symbol, type, amount and time",
        "",
    ),
    row(
        "/fapi/v1/marginType",
        Shape::Acknowledgement,
        ACK,
        NEVER_SENT,
    ),
    row(
        "/fapi/v1/leverage",
        Shape::Leverage,
        "a setting with symbol and leverage",
        NEVER_SENT,
    ),
    row(
        "/fapi/v1/depth",
        Shape::Book,
        "a book with T, bids and asks",
        "",
    ),
    row(
        "/fapi/v1/time",
        Shape::ServerTime,
        "the time with serverTime",
        "",
    ),
    row(
        "/fapi/v1/listenKey",
        Shape::ListenKey,
        "a listen key, which is never shown",
        "",
    ),
    row(
        "/sapi/v1/account/apiRestrictions",
        Shape::Permissions,
        "what a key may do with ipRestrict, enableReading, enableWithdrawals and enableFutures",
        "",
    ),
    unused(
        "/fapi/v1/adlQuantile",
        "the rank for auto-deleveraging is not read",
    ),
    unused("/fapi/v1/assetIndex", "haircuts of collateral are not read"),
    unused("/fapi/v1/fundingInfo", "funding comes with the mark price"),
    unused("/fapi/v1/fundingRate", "past funding is not read"),
    unused(
        "/fapi/v1/insuranceBalance",
        "the insurance fund is not read",
    ),
    unused("/fapi/v1/rateLimit/order", "headers tell what is used up"),
    unused("/fapi/v1/userTrades", "fills come with the order"),
    unused("/fapi/v1/income", "past income is not read"),
    unused(
        "/fapi/v1/klines",
        "past mark prices are read, not last ones",
    ),
    unused(
        "/fapi/v1/markPriceKlines",
        "past mark prices only teach the forecast how fast a price moves",
    ),
    unused("/fapi/v1/ping", "it says nothing"),
    unused("/fapi/v1/ticker/24hr", "day statistics are not read"),
    unused(
        "/fapi/v1/ticker/price",
        "the mark price counts, not the last one",
    ),
    unused("/fapi/v1/ticker/bookTicker", "the book is read instead"),
    unused("/fapi/v1/openInterest", "open interest is not read"),
];

const fn unused(path: &'static str, why: &'static str) -> Answer {
    row(path, Shape::Unused, "any document", why)
}

/// One event of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamEvent {
    /// As the frame's `e` names it.
    pub name: &'static str,
    /// As channels name it; empty for the private stream.
    pub channel: &'static str,
    /// What the agent does with it; empty where it does nothing.
    pub effect: &'static str,
    /// Why the agent makes no use of it; empty where it does.
    pub unused: &'static str,
}

const fn used(name: &'static str, channel: &'static str, effect: &'static str) -> StreamEvent {
    StreamEvent {
        name,
        channel,
        effect,
        unused: "",
    }
}

const fn skipped(name: &'static str, channel: &'static str, why: &'static str) -> StreamEvent {
    StreamEvent {
        name,
        channel,
        effect: "",
        unused: why,
    }
}

/// Every event that is known.
pub(super) const EVENTS: &[StreamEvent] = &[
    used(
        "ACCOUNT_UPDATE",
        "",
        "balances and positions change; the account is read again",
    ),
    used("ORDER_TRADE_UPDATE", "", "an order changes"),
    used(
        "ACCOUNT_CONFIG_UPDATE",
        "",
        "settings and account are read again",
    ),
    used("MARGIN_CALL", "", "settings and account are read again"),
    used(
        "listenKeyExpired",
        "",
        "the private stream is opened anew and the account read again",
    ),
    used("markPriceUpdate", "markPrice", "the mark price changes"),
    used("depthUpdate", "depth", "the book changes"),
    skipped("ALGO_UPDATE", "", FOREIGN_STOPS),
    skipped(
        "TRADE_LITE",
        "",
        "ORDER_TRADE_UPDATE tells the same later and better",
    ),
    skipped("CONDITIONAL_ORDER_TRIGGER_REJECT", "", FOREIGN_STOPS),
    skipped("STRATEGY_UPDATE", "", "the venue's own bots are not read"),
    skipped("GRID_UPDATE", "", "the venue's own bots are not read"),
    skipped("bookTicker", "bookTicker", "the book is followed instead"),
    skipped("24hrTicker", "ticker", "day statistics are not followed"),
    skipped(
        "24hrMiniTicker",
        "miniTicker",
        "day statistics are not followed",
    ),
    skipped("aggTrade", "aggTrade", "trades are not followed"),
    skipped("trade", "trade", "trades are not followed"),
    skipped("kline", "kline", "candles are not followed"),
    skipped(
        "continuous_kline",
        "continuousKline",
        "candles are not followed",
    ),
    skipped(
        "forceOrder",
        "forceOrder",
        "liquidations of others are not followed",
    ),
    skipped(
        "contractInfo",
        "contractInfo",
        "rules and tiers are read again each hour",
    ),
    skipped(
        "compositeIndex",
        "compositeIndex",
        "indices are not followed",
    ),
    skipped(
        "assetIndexUpdate",
        "assetIndex",
        "haircuts of collateral are not followed",
    ),
    skipped(
        "tradingSession",
        "tradingSession",
        "sessions are not followed",
    ),
];
