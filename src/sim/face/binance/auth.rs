//! Who is asking: API key, HMAC-SHA256 signature, time window.
//! Source: venue page "General Info" (SIGNED endpoint security, timing security), 2026-11.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use sha2::Sha256;

use super::errors::ApiError;
use super::params::{Params, Request};
use crate::domain::Timestamp;
use crate::sim::{AccountId, Exchange, KeyScopes};

/// How an endpoint is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    Open,
    /// API key, no signature.
    Key,
    /// Signed; the key must be allowed to read.
    Read,
    /// Signed; the key must be allowed to trade futures.
    Trade,
    /// Signed; the key must be allowed to move money between wallets.
    Transfer,
}

/// Receive window when the request names none, and the longest allowed, in milliseconds.
const WINDOW_MS: i64 = 5_000;
const WINDOW_MAX_MS: i64 = 60_000;
/// A timestamp may run ahead of the venue by less than this.
const AHEAD_MS: i64 = 1_000;

/// Checks a request; `None` for open endpoints.
pub(super) fn check(
    exchange: &Exchange,
    security: Security,
    request: &Request,
    params: &Params,
    now: Timestamp,
) -> Result<Option<AccountId>, ApiError> {
    if security == Security::Open {
        return Ok(None);
    }
    let key = request.api_key.as_deref().unwrap_or_default();
    if key.is_empty() {
        return Err(ApiError::new(401, -2014, "API-key format invalid."));
    }
    let account = exchange
        .account_of(key)
        .ok_or_else(ApiError::not_permitted)?;
    if security == Security::Key {
        return Ok(Some(account));
    }
    check_time(params, now)?;
    let signature = params.required("signature")?;
    if !signed_by(exchange, account, &request.signed_payload(), signature) {
        let text = "Signature for this request is not valid.";
        return Err(ApiError::new(400, -1022, text));
    }
    let scopes = exchange.scopes(account).unwrap_or_default();
    if permitted(security, scopes) {
        Ok(Some(account))
    } else {
        Err(ApiError::not_permitted())
    }
}

fn permitted(security: Security, scopes: KeyScopes) -> bool {
    match security {
        Security::Open | Security::Key => true,
        Security::Read => scopes.reading,
        Security::Trade => scopes.futures,
        Security::Transfer => scopes.universal_transfer,
    }
}

fn check_time(params: &Params, now: Timestamp) -> Result<(), ApiError> {
    let stamp: i64 = params.needed("timestamp")?;
    let window = params.parsed::<i64>("recvWindow")?.unwrap_or(WINDOW_MS);
    if !(0..=WINDOW_MAX_MS).contains(&window) {
        let text = "'recvWindow' must be less than 60000.";
        return Err(ApiError::new(400, -1131, text));
    }
    let now = now.as_millis();
    if stamp >= now.saturating_add(AHEAD_MS) {
        let text = "Timestamp for this request was 1000ms ahead of the server's time.";
        return Err(ApiError::new(400, -1021, text));
    }
    if now.saturating_sub(stamp) > window {
        let text = "Timestamp for this request is outside of the recvWindow.";
        return Err(ApiError::new(400, -1021, text));
    }
    Ok(())
}

fn signed_by(exchange: &Exchange, account: AccountId, payload: &str, signature: &str) -> bool {
    let Some(secret) = exchange.secret(account) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return false;
    };
    mac.update(payload.as_bytes());
    hex::decode(signature).is_ok_and(|bytes| mac.verify_slice(&bytes).is_ok())
}
