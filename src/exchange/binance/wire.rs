//! The venue's JSON, borrowed from the text it came in.
//!
//! Purpose: field names and optionality, nothing else. Unknown fields are ignored, words of
//! enumerations stay text, numbers stay text until a map gives them a kind.
//! Source: official clients' schemas, read 2026-11.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use rust_decimal::Decimal;
use serde::de::{Error, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A text of the wire: borrowed, and copied only where it holds escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word<'a>(Cow<'a, str>);

impl Deref for Word<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Word<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Word<'de>, E> {
                Ok(Word(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Word<'de>, E> {
                Ok(Word(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// A number as written on the wire, with or without quotes; never passes through binary floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Num<'a>(pub &'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Num<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'a RawValue>::deserialize(deserializer)?.get();
        let text = raw
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(raw);
        Ok(Self(text))
    }
}

impl Num<'_> {
    /// True for zero in any spelling; false for what is no number.
    pub(super) fn is_zero(self) -> bool {
        self.0.parse::<Decimal>().is_ok_and(|value| value.is_zero())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServerTime {
    pub server_time: i64,
}

/// Answer to a change of isolated margin.
#[derive(Deserialize)]
pub(super) struct MarginAck {
    pub code: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListenKey {
    pub listen_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiRestrictions {
    pub ip_restrict: bool,
    pub enable_reading: bool,
    pub enable_withdrawals: bool,
    pub enable_futures: bool,
    #[serde(default)]
    pub enable_internal_transfer: bool,
    #[serde(default)]
    pub permits_universal_transfer: bool,
    #[serde(default)]
    pub enable_portfolio_margin_trading: bool,
}

/// Version 3 of `positionRisk`; the last three fields are of version 2.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PositionRisk<'a> {
    #[serde(borrow)]
    pub symbol: Word<'a>,
    pub position_side: Word<'a>,
    pub position_amt: Num<'a>,
    pub entry_price: Num<'a>,
    pub mark_price: Num<'a>,
    pub liquidation_price: Option<Num<'a>>,
    pub margin_asset: Option<Word<'a>>,
    pub isolated_wallet: Option<Num<'a>>,
    pub isolated_margin: Option<Num<'a>>,
    pub un_realized_profit: Option<Num<'a>>,
    pub maint_margin: Option<Num<'a>>,
    pub update_time: Option<i64>,
    pub margin_type: Option<Word<'a>>,
    pub leverage: Option<Num<'a>>,
    pub is_auto_add_margin: Option<Num<'a>>,
}

#[derive(Deserialize)]
pub(super) struct AccountInfo<'a> {
    #[serde(borrow)]
    pub assets: Vec<AssetRow<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssetRow<'a> {
    #[serde(borrow)]
    pub asset: Word<'a>,
    pub cross_wallet_balance: Num<'a>,
    pub available_balance: Num<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountConfig {
    pub can_trade: bool,
    pub dual_side_position: bool,
    pub multi_assets_margin: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SymbolConfig<'a> {
    #[serde(borrow)]
    pub symbol: Word<'a>,
    pub margin_type: Word<'a>,
    #[serde(default)]
    pub is_auto_add_margin: bool,
    pub leverage: u32,
}

#[derive(Deserialize)]
pub(super) struct ExchangeInfo<'a> {
    #[serde(borrow)]
    pub symbols: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Named<'a> {
    #[serde(borrow)]
    pub symbol: Word<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SymbolInfo<'a> {
    #[serde(borrow)]
    pub symbol: Word<'a>,
    pub contract_type: Word<'a>,
    pub status: Word<'a>,
    pub margin_asset: Word<'a>,
    pub delivery_date: Option<i64>,
    pub liquidation_fee: Num<'a>,
    pub market_take_bound: Option<Num<'a>>,
    pub filters: Vec<Filter<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter<'a> {
    #[serde(borrow)]
    pub filter_type: Word<'a>,
    pub tick_size: Option<Num<'a>>,
    pub min_qty: Option<Num<'a>>,
    pub max_qty: Option<Num<'a>>,
    pub step_size: Option<Num<'a>>,
    pub notional: Option<Num<'a>>,
    pub multiplier_up: Option<Num<'a>>,
    pub multiplier_down: Option<Num<'a>>,
}

#[derive(Deserialize)]
pub(super) struct SymbolBrackets<'a> {
    #[serde(borrow)]
    pub symbol: Word<'a>,
    pub brackets: Vec<Bracket<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bracket<'a> {
    pub initial_leverage: Num<'a>,
    #[serde(borrow)]
    pub notional_cap: Num<'a>,
    pub notional_floor: Num<'a>,
    pub maint_margin_ratio: Num<'a>,
    pub cum: Num<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommissionRate<'a> {
    #[serde(borrow)]
    pub symbol: Word<'a>,
    pub taker_commission_rate: Num<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PremiumIndex<'a> {
    #[serde(borrow)]
    pub symbol: Word<'a>,
    pub mark_price: Num<'a>,
    pub last_funding_rate: Option<Num<'a>>,
    pub next_funding_time: Option<i64>,
    pub time: i64,
}

/// Open time, open, high, low, close; of mark prices the other seven fields say nothing.
#[derive(Deserialize)]
pub(super) struct Kline<'a>(
    pub i64,
    pub IgnoredAny,
    #[serde(borrow)] pub Num<'a>,
    pub Num<'a>,
    pub Num<'a>,
    pub IgnoredAny,
    pub IgnoredAny,
    pub IgnoredAny,
    pub IgnoredAny,
    pub IgnoredAny,
    pub IgnoredAny,
    pub IgnoredAny,
);

#[derive(Deserialize)]
pub(super) struct Depth<'a> {
    #[serde(rename = "T")]
    pub transaction_time: i64,
    #[serde(borrow)]
    pub bids: Vec<[Num<'a>; 2]>,
    pub asks: Vec<[Num<'a>; 2]>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order<'a> {
    #[serde(borrow)]
    pub status: Word<'a>,
    pub executed_qty: Num<'a>,
    pub client_order_id: Option<Word<'a>>,
    pub avg_price: Option<Num<'a>>,
    pub cum_quote: Option<Num<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransferAck {
    pub tran_id: u64,
}

#[derive(Deserialize)]
pub(super) struct Transfers<'a> {
    #[serde(borrow, default)]
    pub rows: Vec<Transfer<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transfer<'a> {
    #[serde(borrow)]
    pub asset: Word<'a>,
    pub amount: Num<'a>,
    pub status: Word<'a>,
    pub tran_id: u64,
    pub timestamp: i64,
}

/// An asset of a spot or funding wallet.
#[derive(Deserialize)]
pub(super) struct FreeAsset<'a> {
    #[serde(borrow)]
    pub asset: Word<'a>,
    pub free: Num<'a>,
}

/// A row of the open orders.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestingOrder<'a> {
    pub order_id: u64,
    #[serde(borrow)]
    pub client_order_id: Word<'a>,
    pub symbol: Word<'a>,
    pub side: Word<'a>,
    pub position_side: Word<'a>,
    #[serde(rename = "type")]
    pub kind: Word<'a>,
    pub orig_qty: Num<'a>,
    pub executed_qty: Num<'a>,
    pub price: Num<'a>,
    /// Where these are not told, the order is not taken for one that may be cancelled.
    pub reduce_only: Option<bool>,
    pub close_position: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MarginChange<'a> {
    #[serde(borrow)]
    pub symbol: Word<'a>,
    #[serde(rename = "type")]
    pub direction: Num<'a>,
    pub delta_type: Option<Word<'a>>,
    pub amount: Num<'a>,
    pub time: i64,
    pub position_side: Option<Word<'a>>,
}

/// What tells frames apart.
#[derive(Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub e: Option<Word<'a>>,
    pub stream: Option<Word<'a>>,
    pub data: Option<&'a RawValue>,
    pub id: Option<&'a RawValue>,
    pub error: Option<&'a RawValue>,
    pub code: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct MarkFrame<'a> {
    #[serde(borrow)]
    pub s: Word<'a>,
    pub p: Word<'a>,
    pub r: Option<Word<'a>>,
    #[serde(rename = "T")]
    pub next_funding: Option<i64>,
    #[serde(rename = "E")]
    pub at: i64,
    pub st: Option<u8>,
}

#[derive(Deserialize)]
pub(super) struct DepthFrame<'a> {
    #[serde(borrow)]
    pub s: Word<'a>,
    #[serde(rename = "T")]
    pub at: i64,
    pub b: Vec<[Word<'a>; 2]>,
    pub a: Vec<[Word<'a>; 2]>,
    pub st: Option<u8>,
}

#[derive(Deserialize)]
pub(super) struct AccountFrame<'a> {
    #[serde(rename = "T")]
    pub at: i64,
    #[serde(borrow)]
    pub a: AccountUpdate<'a>,
}

#[derive(Deserialize)]
pub(super) struct AccountUpdate<'a> {
    #[serde(borrow)]
    pub m: Word<'a>,
    #[serde(rename = "B", default)]
    pub balances: Vec<BalanceUpdate<'a>>,
    #[serde(rename = "P", default)]
    pub positions: Vec<PositionUpdate<'a>>,
}

#[derive(Deserialize)]
pub(super) struct BalanceUpdate<'a> {
    #[serde(borrow)]
    pub a: Word<'a>,
    pub cw: Num<'a>,
}

#[derive(Deserialize)]
pub(super) struct PositionUpdate<'a> {
    #[serde(borrow)]
    pub s: Word<'a>,
    pub pa: Num<'a>,
    pub ep: Num<'a>,
    pub mt: Word<'a>,
    pub iw: Option<Num<'a>>,
    pub ps: Word<'a>,
}

#[derive(Deserialize)]
pub(super) struct OrderFrame<'a> {
    #[serde(rename = "T")]
    pub at: i64,
    #[serde(borrow)]
    pub o: OrderReport<'a>,
}

#[derive(Deserialize)]
pub(super) struct OrderReport<'a> {
    #[serde(borrow)]
    pub s: Word<'a>,
    pub c: Word<'a>,
    #[serde(rename = "S")]
    pub side: Word<'a>,
    #[serde(rename = "X")]
    pub status: Word<'a>,
    pub z: Num<'a>,
    pub l: Option<Num<'a>>,
    pub ap: Option<Num<'a>>,
    #[serde(rename = "N")]
    pub fee_asset: Option<Word<'a>>,
    pub n: Option<Num<'a>>,
    pub ps: Word<'a>,
}
