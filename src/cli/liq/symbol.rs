//! What a contract's name says, venue by venue: its kind, its settlement asset, its family.

use crate::domain::ContractKind;
use crate::margin::Venue;

/// Quote assets of linear contracts, longer names first where one ends with another.
const QUOTES: &[&str] = &["FDUSD", "BFUSD", "USDT", "USDC", "USDE", "BUSD", "USD1"];
/// Assets that are worth about one dollar.
const DOLLARS: &[&str] = &[
    "USD", "USDT", "USDC", "USDE", "BUSD", "FDUSD", "BFUSD", "USD1", "USDG",
];

/// The kind of contract that the name stands for, where the venue's names say it.
pub(super) fn contract(venue: Venue, symbol: &str) -> Option<ContractKind> {
    match venue {
        Venue::BinanceUsdm | Venue::Hyperliquid => Some(ContractKind::Linear),
        Venue::BinanceCoinm => Some(ContractKind::Inverse),
        Venue::Bybit => {
            let upper = symbol.to_uppercase();
            let name = upper.split('-').next().unwrap_or_default();
            if quote(name).is_some() || name.ends_with("PERP") || upper.contains('-') {
                Some(ContractKind::Linear)
            } else {
                name.contains("USD").then_some(ContractKind::Inverse)
            }
        }
        Venue::Okx => match okx(symbol)? {
            (_, quote, _) if quote.eq_ignore_ascii_case("USD") => Some(ContractKind::Inverse),
            (_, _, _) => Some(ContractKind::Linear),
        },
    }
}

/// The asset in which profit is paid, where the name says it.
pub(super) fn settlement(venue: Venue, symbol: &str, contract: ContractKind) -> Option<String> {
    let upper = symbol.to_uppercase();
    match (venue, contract) {
        (Venue::Hyperliquid, _) => Some("USDC".to_owned()),
        (Venue::Okx, _) => {
            let (base, quote, _) = okx(&upper)?;
            let settled = match contract {
                ContractKind::Linear => quote.split('_').next().unwrap_or(quote),
                ContractKind::Inverse => base,
            };
            Some(settled.to_owned())
        }
        (_, ContractKind::Inverse) => {
            let base = upper.split("USD").next().unwrap_or_default();
            (!base.is_empty() && base.len() < upper.len()).then(|| base.to_owned())
        }
        (Venue::Bybit, ContractKind::Linear) => {
            let name = upper.split('-').next().unwrap_or_default();
            match quote(name) {
                Some(quote) => Some(quote.to_owned()),
                None => (name.ends_with("PERP") || upper.contains('-')).then(|| "USDC".to_owned()),
            }
        }
        (Venue::BinanceUsdm | Venue::BinanceCoinm, ContractKind::Linear) => {
            let name = upper.split('_').next().unwrap_or_default();
            quote(name).map(str::to_owned)
        }
    }
}

/// Contracts that the venue counts together to choose the tier; `None`: each alone.
pub(super) fn family(venue: Venue, symbol: &str) -> Option<String> {
    if venue != Venue::Okx {
        return None;
    }
    let upper = symbol.to_uppercase();
    let (base, quote, rest) = okx(&upper)?;
    let kind = if rest == "SWAP" { "SWAP" } else { "FUTURES" };
    Some(format!("{base}-{quote} {kind}"))
}

/// Is one unit worth about a dollar?
pub(super) fn is_dollar(asset: &str) -> bool {
    DOLLARS
        .iter()
        .any(|dollar| dollar.eq_ignore_ascii_case(asset))
}

fn quote(name: &str) -> Option<&'static str> {
    let mut quotes = QUOTES.iter().copied();
    quotes.find(|quote| name.len() > quote.len() && name.ends_with(quote))
}

/// Base, quote and the rest of `BTC-USDT-SWAP`.
fn okx(symbol: &str) -> Option<(&str, &str, &str)> {
    let mut parts = symbol.split('-');
    let found = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ContractKind::{Inverse, Linear};

    #[test]
    fn names_say_their_settlement_asset() {
        let cases = [
            (Venue::BinanceUsdm, "BTCUSDT", Linear, "USDT"),
            (Venue::BinanceUsdm, "BTCUSDT_261225", Linear, "USDT"),
            (Venue::BinanceUsdm, "ETHUSDC", Linear, "USDC"),
            (Venue::BinanceCoinm, "BTCUSD_PERP", Inverse, "BTC"),
            (Venue::BinanceCoinm, "ETHUSD_261225", Inverse, "ETH"),
            (Venue::Bybit, "BTCPERP", Linear, "USDC"),
            (Venue::Bybit, "BTC-26DEC25", Linear, "USDC"),
            (Venue::Bybit, "BTCUSDT-26DEC25", Linear, "USDT"),
            (Venue::Bybit, "BTCUSDZ25", Inverse, "BTC"),
            (Venue::Okx, "BTC-USDT-SWAP", Linear, "USDT"),
            (Venue::Okx, "BTC-USD-261225", Inverse, "BTC"),
            (Venue::Hyperliquid, "kPEPE", Linear, "USDC"),
        ];
        for (venue, symbol, kind, asset) in cases {
            assert_eq!(contract(venue, symbol), Some(kind), "{symbol}");
            let found = settlement(venue, symbol, kind);
            assert_eq!(found.as_deref(), Some(asset), "{symbol}");
        }
        assert_eq!(settlement(Venue::BinanceUsdm, "BTC", Linear), None);
        assert_eq!(contract(Venue::Okx, "BTC"), None);
    }

    #[test]
    fn dated_contracts_of_one_pair_are_a_family_and_swaps_another() {
        let of = |symbol| family(Venue::Okx, symbol);
        assert_eq!(of("BTC-USDT-261225"), of("BTC-USDT-270326"));
        assert_ne!(of("BTC-USDT-261225"), of("BTC-USDT-SWAP"));
        assert_eq!(family(Venue::Bybit, "BTCUSDT"), None);
    }
}
