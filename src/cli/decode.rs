//! `plimsoll decode`: how a captured response of an exchange is read.
//!
//! Inputs: a file or standard input, and the name of what it is. It needs no configuration and no key,
//! uses no network, and repeats nothing that could be secret.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use serde::Serialize;

use super::exit::{Exit, UsageError};
use super::terminal::{print, warn};
use crate::exchange::binance::{CaptureError, Supported, read_capture, supported};
use crate::exchange::capture::Capture;

/// Largest file that is read: far above any answer, and small enough for any machine.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most reasons that are said beside the JSON, which has them all.
const REASONS_MAX: usize = 3;
/// Exchanges whose responses can be read.
const SUPPORTED: &str = "binance-usdm";
/// Exchanges that are known and not read yet.
const COMING: [&str; 4] = ["binance-coinm", "bybit", "okx", "hyperliquid"];

pub(super) const LONG: &str = "Show how Plimsoll reads a captured exchange response, as one JSON object: what a \
bug report needs. Works offline, without configuration and without keys.

FILE holds one JSON document, one per line, or an array of stream frames. What the response does not \
carry is null; decimals are strings. Rows with a quantity of zero are counted in `flat_rows`. `ignored` \
says what the guarding agent makes no use of, and why. Keys, signatures and listen keys are never \
printed.

ENDPOINT is a path, with or without the leading slash, a method, a query or a host in front of it; or \
the name of an event or channel (ACCOUNT_UPDATE, markPrice, btcusdt@depth20@100ms); or `ws` for frames \
that say themselves what they are.";

pub(super) const EXAMPLES: &str = "Examples:
  plimsoll decode --exchange binance-usdm --endpoint /fapi/v3/positionRisk positions.json
  plimsoll decode --exchange binance-usdm --endpoint ws-user frames.jsonl
  curl -s 'https://fapi.binance.com/fapi/v1/premiumIndex?symbol=BTCUSDT' \\
    | plimsoll decode --exchange binance-usdm --endpoint premiumIndex -
  plimsoll decode --list

Exit codes: 0 read (also when it is of no use, which is then said); 2 unknown exchange or endpoint;
65 not JSON, empty, too large, or not what the endpoint sends; 66 no such file.";

#[derive(Debug, clap::Args)]
pub(super) struct DecodeArgs {
    /// Exchange that sent it; today binance-usdm
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    exchange: Option<String>,
    /// What was asked or subscribed to: a path, an event or a channel
    #[arg(long, value_name = "PATH_OR_CHANNEL", required_unless_present = "list")]
    endpoint: Option<String>,
    /// File with the response; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "list")]
    file: Option<String>,
    /// Print the endpoints and events that can be read
    #[arg(long, conflicts_with_all = ["endpoint", "file"])]
    list: bool,
}

/// What is printed.
#[derive(Serialize)]
struct Answer<'a> {
    exchange: &'a str,
    endpoint: &'a str,
    #[serde(flatten)]
    capture: &'a Capture,
}

pub(super) fn run(args: &DecodeArgs) -> anyhow::Result<Exit> {
    let exchange = known_exchange(args.exchange.as_deref().unwrap_or(SUPPORTED))?;
    if args.list {
        print(list().trim_end())?;
        return Ok(Exit::Success);
    }
    let (Some(endpoint), Some(file)) = (&args.endpoint, &args.file) else {
        return Err(UsageError::new("--endpoint and FILE are needed").into());
    };
    // A wrong name is told before a file is read or standard input waited for.
    if let Err(error @ CaptureError::UnknownEndpoint { .. }) = read_capture(endpoint, "") {
        return Err(refused(file, error).into());
    }
    let text = read(file)?;
    let (shown, capture) = read_capture(endpoint, &text).map_err(|error| refused(file, error))?;
    let answer = Answer {
        exchange,
        endpoint: &shown,
        capture: &capture,
    };
    print(serde_json::to_string_pretty(&answer)?)?;
    if capture.kind == "unused" {
        let whys: Vec<String> = capture
            .ignored
            .iter()
            .take(REASONS_MAX)
            .map(|ignored| format!("{}: {}", ignored.what, ignored.why))
            .collect();
        warn(format!(
            "plimsoll: nothing in {} is of use to Plimsoll ({})",
            name(file),
            whys.join("; ")
        ));
    }
    Ok(Exit::Success)
}

fn known_exchange(name: &str) -> Result<&'static str, UsageError> {
    if name.eq_ignore_ascii_case(SUPPORTED) {
        return Ok(SUPPORTED);
    }
    let coming = COMING.into_iter().find(|c| c.eq_ignore_ascii_case(name));
    Err(UsageError::new(match coming {
        Some(known) => {
            format!("responses of {known} cannot be decoded yet; supported today: {SUPPORTED}")
        }
        None => format!("--exchange names no exchange that is known; supported: {SUPPORTED}"),
    }))
}

/// The whole file as text.
fn read(file: &str) -> Result<String, UsageError> {
    let mut bytes = Vec::new();
    let limit = FILE_BYTES_MAX.saturating_add(1);
    let read = if file == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        if Path::new(file).is_dir() {
            let text = format!("{file} is a folder; name a file");
            return Err(UsageError::bad_input(text));
        }
        File::open(file).and_then(|open| open.take(limit).read_to_end(&mut bytes))
    };
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(UsageError::no_input(format!("{file}: no such file")));
        }
        Err(error) => {
            let text = format!("{} cannot be read: {}", name(file), error.kind());
            return Err(UsageError::bad_input(text));
        }
        Ok(count) if u64::try_from(count).map_or(true, |count| count > FILE_BYTES_MAX) => {
            return Err(UsageError::bad_input(format!(
                "{} is larger than {} MB; cut out what matters",
                name(file),
                FILE_BYTES_MAX / (1024 * 1024)
            )));
        }
        Ok(_) => {}
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        UsageError::bad_input(format!(
            "{} is not text in UTF-8 (byte {}); is it packed?",
            name(file),
            good.saturating_add(1)
        ))
    })?;
    // Editors of one system put a byte order mark before the text.
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

fn name(file: &str) -> &str {
    if file == "-" { "standard input" } else { file }
}

fn refused(file: &str, error: CaptureError) -> UsageError {
    let file = name(file);
    match error {
        CaptureError::UnknownEndpoint { shown, near } => {
            let near = match near.as_slice() {
                [] => String::new(),
                near => format!(" Did you mean {}?", near.join(" or ")),
            };
            let known: Vec<&str> = supported().map(|row| row.name).collect();
            UsageError::new(format!(
                "`{shown}` is no endpoint or channel that is known.{near} Supported (explained by `plimsoll decode --list`): {}",
                known.join(", ")
            ))
        }
        CaptureError::Empty => {
            UsageError::bad_input(format!("{file} is empty; capture the response again"))
        }
        CaptureError::NotJson(what) => {
            UsageError::bad_input(format!("{file} cannot be read: {what}"))
        }
        CaptureError::Mismatch {
            endpoint,
            message,
            expects,
        } => UsageError::bad_input(format!(
            "{file} is not what {endpoint} sends: {message}; expected {expects}"
        )),
    }
}

/// What can be read, for people.
fn list() -> String {
    let (used, unused): (Vec<Supported>, Vec<Supported>) =
        supported().partition(|row| row.unused.is_empty());
    let mut out = format!("{SUPPORTED}: read and used by the agent\n");
    for row in used {
        out.push_str(&line(&row, row.what));
    }
    out.push_str("\nread or recognised; the agent makes no use of it\n");
    for row in unused {
        out.push_str(&line(&row, row.unused));
    }
    out.push_str("\nws, ws-…: stream frames of any of the events above\n");
    out
}

fn line(row: &Supported, what: &str) -> String {
    let channel = match row.channel {
        "" => String::new(),
        channel => format!(" (@{channel})"),
    };
    format!("  {:<34} {what}\n", format!("{}{channel}", row.name))
}
