//! Query strings and their HMAC-SHA256 signatures.
//!
//! Purpose: the bytes that are signed are the bytes that are sent. Inputs: parameters, the secret,
//! a timestamp. It must never print the secret, a signature, or a query that holds one.
//! Source: developers.binance.com, derivatives general info, signed endpoints, read 2026-11.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// RFC 3986 unreserved characters stay, everything else is encoded before signing.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Hexadecimal characters of a SHA-256 digest.
const SIGNATURE_CHARS: usize = 64;

/// Percent-encodes one value.
pub(super) fn encode(value: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(value, ENCODED)
}

/// A query string under construction; values are encoded as they are added.
#[derive(Clone, Default)]
pub struct Query(String);

impl Query {
    /// Room for an order with all its parameters and the signature, so that it never grows.
    const CAPACITY: usize = 384;

    #[must_use]
    pub fn new() -> Self {
        Self(String::with_capacity(Self::CAPACITY))
    }

    /// Adds `name=value`; the value is percent-encoded.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.open(name);
        self.0.extend(encode(value));
        self
    }

    /// Adds a value whose text is plain: a number, a word.
    #[must_use]
    pub fn with_plain(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.open(name);
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{value}");
        self
    }

    /// The text so far.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn open(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
    }
}

/// Signs with a key whose HMAC state is prepared once.
#[derive(Clone)]
pub struct Signer {
    keyed: Hmac<Sha256>,
}

impl Signer {
    #[must_use]
    pub fn new(secret: &SecretString) -> Self {
        let key = secret.expose_secret().as_bytes();
        // HMAC takes keys of any length; longer ones are hashed first.
        let keyed = Hmac::<Sha256>::new_from_slice(key)
            .unwrap_or_else(|_| Hmac::<Sha256>::new(&hmac::digest::Key::<Hmac<Sha256>>::default()));
        Self { keyed }
    }

    /// Lower-case hexadecimal HMAC-SHA256 of `payload`.
    #[must_use]
    pub fn sign(&self, payload: &str) -> String {
        let mut text = String::with_capacity(SIGNATURE_CHARS);
        self.append(payload, &mut text);
        text
    }

    /// Ends `query` with `recvWindow`, `timestamp` and the signature over all before it.
    #[must_use]
    pub fn seal(&self, query: Query, receive_window_ms: i64, timestamp_ms: i64) -> String {
        let mut text = query
            .with_plain("recvWindow", receive_window_ms)
            .with_plain("timestamp", timestamp_ms)
            .0;
        let payload = text.len();
        text.push_str("&signature=");
        let mut mac = self.keyed.clone();
        mac.update(text.get(..payload).unwrap_or_default().as_bytes());
        push_hex(&mac.finalize().into_bytes(), &mut text);
        text
    }

    fn append(&self, payload: &str, text: &mut String) {
        let mut mac = self.keyed.clone();
        mac.update(payload.as_bytes());
        push_hex(&mac.finalize().into_bytes(), text);
    }
}

fn push_hex(bytes: &[u8], text: &mut String) {
    let mut buffer = [0_u8; SIGNATURE_CHARS];
    if hex::encode_to_slice(bytes, &mut buffer).is_ok() {
        text.push_str(std::str::from_utf8(&buffer).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Samples of the venue's public documentation, not credentials of anybody.
    const SPOT_SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
    const SPOT_KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
    const FUTURES_SECRET: &str = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";

    fn check(secret: &str, payload: &str, expected: &str) {
        let signer = Signer::new(&SecretString::from(secret));
        assert_eq!(signer.sign(payload), expected, "{payload}");
    }

    /// The WebSocket API signs its parameters sorted by name.
    fn sorted(params: &[(&str, &str)]) -> String {
        let mut params = params.to_vec();
        params.sort_unstable();
        let joined: Vec<String> = params.iter().map(|(k, v)| format!("{k}={v}")).collect();
        joined.join("&")
    }

    #[test]
    fn published_rest_vectors_are_reproduced() {
        check(
            FUTURES_SECRET,
            "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943",
            "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
        );
        check(
            SPOT_SECRET,
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        );
        check(
            SPOT_SECRET,
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
            "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77",
        );
    }

    #[test]
    fn published_websocket_vectors_are_reproduced() {
        let order = sorted(&[
            ("symbol", "BTCUSDT"),
            ("side", "SELL"),
            ("type", "LIMIT"),
            ("timeInForce", "GTC"),
            ("quantity", "0.01000000"),
            ("price", "52000.00"),
            ("newOrderRespType", "ACK"),
            ("recvWindow", "100"),
            ("timestamp", "1645423376532"),
            ("apiKey", SPOT_KEY),
        ]);
        check(
            SPOT_SECRET,
            &order,
            "cc15477742bd704c29492d96c7ead9414dfd8e0ec4a00f947bb5bb454ddbd08a",
        );
        let logon = sorted(&[("timestamp", "1649729878532"), ("apiKey", SPOT_KEY)]);
        check(
            SPOT_SECRET,
            &logon,
            "1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed",
        );
    }

    #[test]
    fn a_sealed_query_carries_the_signature_of_everything_before_it() {
        let signer = Signer::new(&SecretString::from(FUTURES_SECRET));
        let query = Query::new()
            .with("symbol", "BTCUSDT")
            .with_plain("side", "BUY")
            .with_plain("type", "LIMIT")
            .with_plain("quantity", 1)
            .with_plain("price", 9000)
            .with_plain("timeInForce", "GTC");
        let sealed = signer.seal(query, 5_000, 1_591_702_613_943);
        let (payload, signature) = sealed.split_once("&signature=").expect("signed");
        assert!(payload.ends_with("recvWindow=5000&timestamp=1591702613943"));
        assert_eq!(
            signature,
            "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
        );
    }

    #[test]
    fn values_are_percent_encoded_before_signing() {
        let query = Query::new()
            .with("symbol", "币安人生USDT")
            .with("id", "a:/b.c-d_e");
        assert_eq!(
            query.as_str(),
            "symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT&id=a%3A%2Fb.c-d_e"
        );
    }

    #[test]
    fn a_key_of_any_length_is_taken() {
        for secret in ["", "a", &"x".repeat(500)] {
            let signer = Signer::new(&SecretString::from(secret));
            assert_eq!(signer.sign("payload").len(), SIGNATURE_CHARS);
        }
        check(
            "",
            "payload",
            &Signer::new(&SecretString::from("")).sign("payload"),
        );
    }
}
