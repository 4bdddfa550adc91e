//! Which answer or stream a person means, however it is spelled.
//!
//! Purpose: from what was copied out of a log, a browser or a client library to one row of the catalogue.
//! It must never repeat a query, nor a piece of a path long enough to be a key.

use super::catalogue::{ANSWERS, Answer, EVENTS, StreamEvent};

/// What `--endpoint` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Answer {
        answer: &'static Answer,
        /// With the version that was asked for.
        path: String,
        /// Only its name was given, and a channel has the same.
        is_channel: bool,
    },
    /// Frames of any event, or of one.
    Stream {
        shown: String,
        event: Option<&'static StreamEvent>,
        /// The channel carries changes of a book and not its best levels.
        book_changes: bool,
    },
}

/// Nothing that is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unknown {
    /// What was asked for, without what could be secret.
    pub shown: String,
    /// Names that look like it, best first.
    pub near: Vec<&'static str>,
}

/// Longest piece of a name that is repeated; keys of all kinds are longer.
const PIECE_CHARS_MAX: usize = 32;
/// Most names that are offered instead.
const NEAR_MAX: usize = 3;
/// Likeness from which a name is offered.
const NEAR_FROM: f64 = 0.8;
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];
/// Names of whole streams, whose frames say what they are.
const STREAMS: [&str; 8] = [
    "ws", "stream", "streams", "user", "userdata", "private", "public", "market",
];

/// Finds what is meant by a path, a URL, the name of an event or of a channel.
pub(super) fn target(text: &str) -> Result<Target, Unknown> {
    let text = text.replace("%40", "@").replace("%2F", "/");
    let text = without_method(text.trim());
    let (address, query) = match text.split_once(['?', '#']) {
        Some((address, query)) => (address, query),
        None => (text, ""),
    };
    let is_url = address.contains("://");
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => address,
    };
    let pieces: Vec<&str> = path.split('/').filter(|piece| !piece.is_empty()).collect();
    if let Some(found) = answer(&pieces) {
        return Ok(found);
    }
    if let Some(found) = stream(&pieces, query, is_url) {
        return Ok(found);
    }
    Err(Unknown {
        near: near(pieces.last().copied().unwrap_or_default()),
        shown: harmless(&pieces),
    })
}

fn without_method(text: &str) -> &str {
    for method in METHODS {
        if let Some((first, rest)) = text.split_once(char::is_whitespace)
            && first.eq_ignore_ascii_case(method)
        {
            return rest.trim_start();
        }
    }
    text
}

fn answer(pieces: &[&str]) -> Option<Target> {
    // Proxies put names of their own before the path.
    let host = |piece: &&str| {
        ["fapi", "sapi"]
            .iter()
            .any(|h| piece.eq_ignore_ascii_case(h))
    };
    let start = pieces.iter().position(host);
    let (pieces, bare) = match start {
        Some(start) => (pieces.get(start.saturating_add(1)..)?, false),
        None => (pieces, true),
    };
    let is_version = |piece: &&str| {
        let digit = piece.strip_prefix(['v', 'V'])?;
        (digit.len() == 1 && digit.chars().all(|c| c.is_ascii_digit())).then_some(())
    };
    let (version, name) = match pieces.split_first() {
        Some((first, rest)) if is_version(first).is_some() => (Some(*first), rest.join("/")),
        Some(_) | None => (None, pieces.join("/")),
    };
    let answer = ANSWERS
        .iter()
        .find(|answer| name_of(answer).eq_ignore_ascii_case(&name))?;
    let path = match version {
        Some(version) => with_version(answer, version),
        None => answer.path.to_owned(),
    };
    Some(Target::Answer {
        answer,
        path,
        is_channel: bare && version.is_none() && channel(&name).is_some(),
    })
}

/// `positionMargin/history` of `/fapi/v1/positionMargin/history`.
fn name_of(answer: &Answer) -> &'static str {
    let (_, rest) = answer.path.split_at_checked(1).unwrap_or_default();
    let mut pieces = rest.splitn(3, '/');
    pieces.nth(2).unwrap_or_default()
}

fn with_version(answer: &Answer, version: &str) -> String {
    let host = answer.path.split('/').nth(1).unwrap_or_default();
    format!("/{host}/{}/{}", version.to_lowercase(), name_of(answer))
}

fn stream(pieces: &[&str], query: &str, is_url: bool) -> Option<Target> {
    let many = |shown: &str| {
        Some(Target::Stream {
            shown: shown.to_owned(),
            event: None,
            book_changes: false,
        })
    };
    let place = pieces
        .iter()
        .position(|piece| ["ws", "stream"].contains(piece));
    if let Some(place) = place
        && (is_url || pieces.len() > 1)
    {
        let named = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("streams="));
        let after = pieces.get(place.saturating_add(1)..)?;
        // Anything else after `ws` is a listen key or several channels.
        return match (named, after) {
            (Some(one), _) | (None, &[one]) => channel(one).or_else(|| many("ws")),
            (None, _) => many("ws"),
        };
    }
    let [word] = pieces else {
        return None;
    };
    let lower = word.to_lowercase();
    if STREAMS.contains(&lower.as_str()) || is_stream_label(&lower) {
        return many(word);
    }
    if let Some(event) = EVENTS.iter().find(|e| e.name.eq_ignore_ascii_case(word)) {
        return Some(Target::Stream {
            shown: event.name.to_owned(),
            event: Some(event),
            book_changes: false,
        });
    }
    channel(word)
}

/// `ws-` and a label of the one who recorded it.
fn is_stream_label(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let pieces_short = |rest: &str| rest.split(['-', '_']).all(|p| p.len() <= PIECE_CHARS_MAX);
    word.strip_prefix("ws-")
        .is_some_and(|rest| rest.chars().all(plain) && pieces_short(rest))
}

/// `btcusdt@markPrice@1s`, `!markPrice@arr`, or the name alone.
fn channel(word: &str) -> Option<Target> {
    let mut pieces = word.split('@');
    let first = pieces.next()?;
    let name = match first.strip_prefix('!') {
        Some(name) => name,
        None => pieces.next().unwrap_or(first),
    };
    let base = name.split('_').next().unwrap_or(name);
    let base = base.trim_end_matches(|c: char| c.is_ascii_digit());
    let event = EVENTS
        .iter()
        .find(|event| !event.channel.is_empty() && event.channel.eq_ignore_ascii_case(base))?;
    let levels = name.ends_with(|c: char| c.is_ascii_digit());
    let short = word.chars().count() <= PIECE_CHARS_MAX.saturating_mul(2);
    Some(Target::Stream {
        shown: if short { word } else { event.channel }.to_owned(),
        event: Some(event),
        book_changes: event.channel == "depth" && word.contains('@') && !levels,
    })
}

fn near(word: &str) -> Vec<&'static str> {
    let word = word.to_lowercase();
    let word = word
        .rsplit('@')
        .find(|piece| piece.len() > 3)
        .unwrap_or(&word);
    let likeness = |name: &str| strsim::jaro_winkler(word, &name.to_lowercase());
    let answers = ANSWERS.iter().map(|answer| {
        let name = name_of(answer);
        let last = name.rsplit('/').next().unwrap_or(name);
        (likeness(name).max(likeness(last)), answer.path)
    });
    let events = EVENTS.iter().map(|event| {
        (
            likeness(event.name).max(likeness(event.channel)),
            event.name,
        )
    });
    let mut all: Vec<(f64, &'static str)> = answers.chain(events).collect();
    all.retain(|(score, _)| *score >= NEAR_FROM);
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.into_iter()
        .take(NEAR_MAX)
        .map(|(_, name)| name)
        .collect()
}

/// What may be repeated: pieces that are too long to be a name may be a key.
fn harmless(pieces: &[&str]) -> String {
    let shown = |piece: &&str| {
        let short = piece.chars().count() <= PIECE_CHARS_MAX;
        let plain = !piece.contains(['=', '&']) && !piece.chars().any(char::is_control);
        if short && plain { *piece } else { "…" }.to_owned()
    };
    let kept: Vec<String> = pieces.iter().take(8).map(shown).collect();
    kept.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::Shape;
    use super::*;

    fn path(text: &str) -> String {
        match target(text) {
            Ok(Target::Answer { path, .. }) => path,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn event(text: &str) -> (String, Option<&'static str>, bool) {
        match target(text) {
            Ok(Target::Stream {
                shown,
                event,
                book_changes,
            }) => (shown, event.map(|event| event.name), book_changes),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_answer_is_found_however_its_path_is_spelled() {
        for text in [
            "/fapi/v2/positionRisk",
            "fapi/v2/positionRisk",
            "/fapi/v2/positionRisk/",
            "/fapi/v2/positionrisk",
            "GET /fapi/v2/positionRisk",
            "get  /fapi/v2/positionRisk?symbol=BTCUSDT&signature=abc",
            "https://fapi.binance.com/fapi/v2/positionRisk?timestamp=1&signature=abc",
            "http://127.0.0.1:8080/proxy/fapi/v2/positionRisk#top",
            "v2/positionRisk",
        ] {
            assert_eq!(path(text), "/fapi/v2/positionRisk", "{text}");
        }
        assert_eq!(path("positionRisk"), "/fapi/v3/positionRisk");
        assert_eq!(path("POST /fapi/v1/order"), "/fapi/v1/order");
        assert_eq!(
            path("https://api.binance.com/sapi/v1/account/apiRestrictions"),
            "/sapi/v1/account/apiRestrictions"
        );
        assert_eq!(
            path("/fapi/v1/positionMargin/history"),
            "/fapi/v1/positionMargin/history"
        );
        assert_eq!(
            path("/fapi/v1/positionSide/dual"),
            "/fapi/v1/positionSide/dual"
        );
    }

    #[test]
    fn a_stream_is_found_by_event_channel_address_or_label() {
        for (text, name) in [
            ("ACCOUNT_UPDATE", "ACCOUNT_UPDATE"),
            ("account_update", "ACCOUNT_UPDATE"),
            ("markPrice", "markPriceUpdate"),
            ("markPriceUpdate", "markPriceUpdate"),
            ("btcusdt@markPrice@1s", "markPriceUpdate"),
            ("!markPrice@arr@1s", "markPriceUpdate"),
            ("btcusdt@kline_1m", "kline"),
            ("btcusdt@ticker", "24hrTicker"),
            (
                "wss://fstream.binance.com/market/ws/btcusdt%40markPrice",
                "markPriceUpdate",
            ),
            (
                "wss://fstream.binance.com/stream?streams=btcusdt@depth20",
                "depthUpdate",
            ),
        ] {
            assert_eq!(event(text).1, Some(name), "{text}");
        }
        for text in ["ws", "ws-user", "ws-user-account_update_bnfcr", "stream"] {
            assert_eq!(event(text), (text.to_owned(), None, false));
        }
        assert!(event("btcusdt@depth@100ms").2 && !event("btcusdt@depth5@100ms").2);
        assert!(!event("depthUpdate").2);
    }

    #[test]
    fn what_could_be_a_key_is_not_repeated() {
        let key = "pqia91ma19a5s61cv6a81va65sdf19v8a2a65a1a5s61cv6a81va65sdf19v8a2a65a1";
        for text in [
            format!("wss://fstream.binance.com/private/ws/{key}"),
            format!("wss://fstream.binance.com/private/ws?listenKey={key}"),
            format!("wss://fstream.binance.com/stream?streams={key}"),
        ] {
            assert_eq!(event(&text), ("ws".to_owned(), None, false));
        }
        for text in [
            format!("/fapi/v1/nothing/{key}"),
            format!("/fapi/v1/nothing?signature={key}"),
            format!("signature={key}"),
            format!("ws-{key}"),
            key.to_owned(),
        ] {
            let unknown = target(&text).expect_err("nothing");
            assert!(!unknown.shown.contains("pqia"), "{unknown:?}");
        }
    }

    #[test]
    fn names_that_look_alike_are_offered() {
        let near = |text: &str| target(text).expect_err("unknown").near;
        assert_eq!(
            near("/fapi/v2/positionRisks").first(),
            Some(&"/fapi/v3/positionRisk")
        );
        assert_eq!(near("ACOUNT_UPDATE").first(), Some(&"ACCOUNT_UPDATE"));
        assert_eq!(near("btcusdt@markPrices").first(), Some(&"markPriceUpdate"));
        assert_eq!(near("zzzz"), Vec::<&str>::new());
    }

    #[test]
    fn no_two_rows_share_a_name() {
        for (at, row) in ANSWERS.iter().enumerate() {
            let name = name_of(row);
            assert!(!name.is_empty(), "{}", row.path);
            assert!(
                ANSWERS[..at].iter().all(|other| name_of(other) != name),
                "{name}"
            );
            let used = row.unused.is_empty();
            assert!(row.shape != Shape::Unused || !used, "{name}");
        }
        for event in EVENTS {
            assert!(
                event.effect.is_empty() != event.unused.is_empty(),
                "{}",
                event.name
            );
        }
    }
}
