//! Where requests go: addresses, names of variables, and the owner's word for real orders.

use rust_decimal::dec;

use super::reader::{Reader, echo, place};
use super::schema::{path_of, span};
use super::settings::{ExchangeSettings, Urls};
use crate::guard::event::Mode;

/// Longest name of an environment variable.
const VARIABLE_CHARS_MAX: usize = 48;

pub(super) fn exchange(reader: &mut Reader<'_>, mode: Mode) -> ExchangeSettings {
    const SECTION: &str = "exchange";
    let name = reader.choice(
        SECTION,
        "name",
        &[("binance-usdm", "binance-usdm")],
        "binance-usdm",
    );
    let live = reader.flag(SECTION, "live", false);
    let api_key_env = variable(reader, SECTION, "api_key_env", "PLIMSOLL_API_KEY");
    let api_secret_env = variable(reader, SECTION, "api_secret_env", "PLIMSOLL_API_SECRET");
    let secrets_file = reader
        .text(SECTION, "secrets_file")
        .and_then(|(text, line)| {
            let path = path_of(reader, &text);
            if path.is_none() {
                reader.problem(
                    line,
                    "secrets_file is empty or needs a home directory; write an absolute path, or remove the line to use the environment".to_owned(),
                );
            }
            path
        });
    let allow_wallet_transfer = reader.flag(SECTION, "allow_wallet_transfer", false);
    let timeout = span(dec!(500), dec!(60_000), "ms", 0);
    let request_timeout_ms = reader.whole(SECTION, "request_timeout_ms", timeout, 5_000);
    let urls = urls(reader);
    check_live(reader, mode, live, &urls);
    ExchangeSettings {
        name: name.to_owned(),
        live,
        api_key_env,
        api_secret_env,
        secrets_file,
        allow_wallet_transfer,
        request_timeout_ms: request_timeout_ms.unsigned_abs(),
        urls,
        api_key: None,
        api_secret: None,
    }
}

fn urls(reader: &mut Reader<'_>) -> Urls {
    let default = Urls::default();
    let mut url =
        |key, default: String, scheme| address(reader, "exchange.urls", key, default, scheme);
    Urls {
        rest: url("rest", default.rest, "http"),
        wallet_rest: url("wallet_rest", default.wallet_rest, "http"),
        ws_public: url("ws_public", default.ws_public, "ws"),
        ws_market: url("ws_market", default.ws_market, "ws"),
        ws_private: url("ws_private", default.ws_private, "ws"),
    }
}

/// Real orders need the owner's word, and prices as real as the orders.
fn check_live(reader: &mut Reader<'_>, mode: Mode, live: bool, urls: &Urls) {
    if is_loopback(&urls.rest) {
        check_streams(reader, urls);
        return;
    }
    let line = |reader: &Reader<'_>, key| reader.line("exchange.urls", key);
    for (key, url) in [
        ("ws_public", &urls.ws_public),
        ("ws_market", &urls.ws_market),
        ("ws_private", &urls.ws_private),
    ] {
        if is_loopback(url) {
            let at = line(reader, key);
            reader.problem(
                at,
                format!("{key} in [exchange.urls] is this machine while rest is {}: a real account would be guarded by simulated prices; let all of them point to the same venue", urls.rest),
            );
        }
    }
    let sends = match mode {
        Mode::Watch => false,
        Mode::Ask | Mode::Auto => true,
    };
    if sends && !live {
        let at = reader.line("", "mode");
        reader.problem(
            at,
            format!("mode = \"{mode}\" sends real orders to {}; set live = true in [exchange] to allow that, or mode = \"watch\"", urls.rest),
        );
    }
}

/// A simulated account needs the prices of its own exchange.
fn check_streams(reader: &mut Reader<'_>, urls: &Urls) {
    const SECTION: &str = "exchange.urls";
    for (key, url) in [
        ("ws_public", &urls.ws_public),
        ("ws_market", &urls.ws_market),
        ("ws_private", &urls.ws_private),
    ] {
        if !is_loopback(url) {
            let at = reader.line(SECTION, key);
            let at = at.or_else(|| reader.line(SECTION, "rest"));
            reader.problem(
                at,
                format!("{key} in [{SECTION}] is {url} while rest is this machine: a simulated account would be guarded by real prices; let all of them point to the same venue"),
            );
        }
    }
}

/// Name of an environment variable. What does not look like one may be the secret itself, so the
/// message does not repeat it.
pub(super) fn variable(
    reader: &mut Reader<'_>,
    section: &'static str,
    key: &'static str,
    default: &str,
) -> String {
    let Some((text, line)) = reader.text(section, key) else {
        return default.to_owned();
    };
    let first = text
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_uppercase() || c == '_');
    let rest = text
        .chars()
        .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if first && rest && text.len() <= VARIABLE_CHARS_MAX {
        return text;
    }
    let place = place(section);
    reader.problem(
        line,
        format!("{key}{place} must be the name of an environment variable in capitals, not a secret itself; write {key} = \"{default}\" and set that variable"),
    );
    default.to_owned()
}

/// A base address with `scheme` (`http` or `ws`), encrypted unless it is this machine.
pub(super) fn address(
    reader: &mut Reader<'_>,
    section: &'static str,
    key: &'static str,
    default: String,
    scheme: &str,
) -> String {
    let Some((text, line)) = reader.text(section, key) else {
        return default;
    };
    let place = place(section);
    let fault = match reqwest::Url::parse(&text) {
        Err(error) => Some(format!("is not an address ({error})")),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Some("holds a user name or password".to_owned())
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            Some("holds more than host and path".to_owned())
        }
        Ok(url) if url.scheme() == format!("{scheme}s") => None,
        Ok(url) if url.scheme() == scheme && is_loopback(&text) => None,
        Ok(url) if url.scheme() == scheme => Some(format!(
            "is not encrypted, which only this machine may be ({scheme}://127.0.0.1:PORT)"
        )),
        Ok(url) => Some(format!("begins with {}", echo(url.scheme()))),
    };
    match fault {
        None => text.trim_end_matches('/').to_owned(),
        Some(fault) => {
            reader.problem(
                line,
                format!("{key}{place} {fault}; write one like {key} = \"{default}\""),
            );
            default
        }
    }
}

fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
