//! Parameters of a request: query string and form body.

use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::errors::ApiError;

/// One request as it came over the wire.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) body: String,
    pub(super) api_key: Option<String>,
}

impl Request {
    /// Everything that was signed: query, then body, both without the signature itself.
    pub(super) fn signed_payload(&self) -> String {
        let mut payload = without_signature(&self.query);
        payload.push_str(&without_signature(&self.body));
        payload
    }

    /// Query (and body) for the record, without the signature.
    pub(super) fn public_query(&self) -> String {
        let mut parts = vec![
            without_signature(&self.query),
            without_signature(&self.body),
        ];
        parts.retain(|part| !part.is_empty());
        parts.join("&")
    }

    pub(super) fn params(&self) -> Params {
        let pairs = [self.query.as_str(), self.body.as_str()]
            .iter()
            .flat_map(|text| text.split('&'))
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name), decode(value))
            })
            .collect();
        Params(pairs)
    }
}

fn without_signature(text: &str) -> String {
    let kept: Vec<&str> = text
        .split('&')
        .filter(|pair| !pair.starts_with("signature="))
        .collect();
    kept.join("&")
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// Decoded names and values, in the order sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(pub(super) Vec<(String, String)>);

impl Params {
    /// A parameter with a value; empty ones count as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A parameter that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| ApiError::missing(name))
    }

    /// A parameter that must be readable where it is there.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(ApiError::illegal(name)),
            },
        }
    }

    /// A parameter that must be there and readable.
    pub(super) fn needed<T: FromStr>(&self, name: &str) -> Result<T, ApiError> {
        self.parsed(name)?.ok_or_else(|| ApiError::missing(name))
    }

    /// `true` or `false` in any letter case.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::illegal(name)),
        }
    }
}
