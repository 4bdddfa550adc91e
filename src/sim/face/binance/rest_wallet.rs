//! Wallet endpoints of the spot host. Source: venue pages "Wallet Endpoints", 2026-11.

use serde_json::{Value, json};

use super::errors::ApiError;
use super::gate::Call;
use super::rest_account::span;
use super::wire::coins as amount_text;
use crate::domain::Money;
use crate::sim::TransferKind;

pub(super) fn restrictions(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let scopes = call.state.exchange.scopes(account).unwrap_or_default();
    let made_at = call.state.exchange.spec().start.as_millis();
    Ok(json!({
        "ipRestrict": scopes.ip_restrict, "createTime": made_at, "enableReading": scopes.reading,
        "enableWithdrawals": scopes.withdrawals, "enableInternalTransfer": false,
        "enableMargin": false, "enableFutures": scopes.futures,
        "permitsUniversalTransfer": scopes.universal_transfer, "enableVanillaOptions": false,
        "enableFixApiTrade": false, "enableFixReadOnly": false,
        "enableSpotAndMarginTrading": false,
        "enablePortfolioMarginTrading": scopes.portfolio_margin,
    }))
}

fn kind_name(kind: TransferKind) -> &'static str {
    match kind {
        TransferKind::SpotToFutures => "MAIN_UMFUTURE",
        TransferKind::FuturesToSpot => "UMFUTURE_MAIN",
        TransferKind::FundingToFutures => "FUNDING_UMFUTURE",
        TransferKind::FuturesToFunding => "UMFUTURE_FUNDING",
    }
}

fn kind(call: &Call<'_>) -> Result<TransferKind, ApiError> {
    let name = call.params.required("type")?;
    [
        TransferKind::SpotToFutures,
        TransferKind::FuturesToSpot,
        TransferKind::FundingToFutures,
        TransferKind::FuturesToFunding,
    ]
    .into_iter()
    .find(|kind| kind_name(*kind) == name)
    .ok_or_else(|| ApiError::illegal("type"))
}

fn is_usdt(call: &Call<'_>) -> Result<(), ApiError> {
    if call.params.required("asset")? == "USDT" {
        Ok(())
    } else {
        Err(ApiError::illegal("asset"))
    }
}

pub(super) fn transfer(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let kind = kind(call)?;
    is_usdt(call)?;
    let amount: Money = call.params.needed("amount")?;
    let id = call.state.exchange.transfer(account, kind, amount)?;
    Ok(json!({"tranId": id}))
}

pub(super) fn transfers(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let kind = kind(call)?;
    let mut rows = call.state.exchange.transfers(account);
    rows.retain(|row| row.kind == kind);
    let mut rows = span(call, rows, |row| row.at)?;
    rows.reverse();
    let listed: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "asset": "USDT", "amount": row.amount.to_string(), "type": kind_name(row.kind),
                "status": "CONFIRMED", "tranId": row.id, "timestamp": row.at.as_millis(),
            })
        })
        .collect();
    Ok(json!({"total": listed.len(), "rows": listed}))
}

fn asset_rows(free: Money) -> Value {
    if free.is_zero() {
        return json!([]);
    }
    json!([{
        "asset": "USDT", "free": amount_text(free.get()), "locked": "0", "freeze": "0",
        "withdrawing": "0", "ipoable": "0", "btcValuation": "0",
    }])
}

pub(super) fn spot_assets(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    Ok(asset_rows(call.state.exchange.outside_wallets(account).0))
}

pub(super) fn funding_assets(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    Ok(asset_rows(call.state.exchange.outside_wallets(account).1))
}

/// Coins of the wallet, with no network to move them over.
pub(super) fn coins(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.account()?;
    let free = call.state.exchange.outside_wallets(account).0;
    Ok(json!([{
        "coin": "USDT", "depositAllEnable": false, "withdrawAllEnable": false, "name": "TetherUS",
        "free": amount_text(free.get()), "locked": "0", "freeze": "0", "withdrawing": "0",
        "ipoing": "0", "ipoable": "0", "storage": "0", "isLegalMoney": false, "trading": true,
        "networkList": [],
    }]))
}
