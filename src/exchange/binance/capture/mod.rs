//! Reading a captured file as the adapter would read it on the wire.
//!
//! Purpose: evidence for a report: what was sent, and what Plimsoll makes of it. Whatever the agent
//! reads is read by the agent's own code first; what it refuses is refused here. Inputs: the name of an
//! endpoint or channel and the text of a file. It must never do I/O and never repeat a key.
//!
//! | file | holds |
//! |---|---|
//! | `catalogue` | the endpoints and events that are known |
//! | `endpoint` | how they are spelled |
//! | `answers` | answers to requests |
//! | `orders` | orders, plain and conditional |
//! | `frames` | stream frames |
//! | `rows` | positions, instruments, marks, books |
//! | `fields` | objects looked at field by field |

mod answers;
mod catalogue;
mod endpoint;
mod fields;
mod frames;
mod orders;
mod rows;

use serde_json::value::RawValue;

use self::catalogue::{ANSWERS, EVENTS};
use self::endpoint::Target;
use super::map::{self, Mapped, Unreadable};
use super::wire::Head;
use crate::exchange::capture::Capture;

/// Why a captured file could not be read; the variant says what its owner must do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// Nothing known has this name: choose another one.
    #[error("`{shown}` is no endpoint or channel that is known")]
    UnknownEndpoint {
        /// What was asked for, without what could be secret.
        shown: String,
        /// Names that look like it, best first.
        near: Vec<&'static str>,
    },
    /// There is no document: capture it again.
    #[error("it is empty")]
    Empty,
    /// The text is broken at the place that the message names: capture it again.
    #[error("{0}")]
    NotJson(String),
    /// It is another document than the endpoint sends, or one that Plimsoll cannot read: name the
    /// right endpoint, or report it.
    #[error("{message}; {endpoint} promises {expects}")]
    Mismatch {
        endpoint: String,
        message: String,
        expects: String,
    },
}

/// One row of the list of what can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supported {
    /// Path of the request, or name of the event.
    pub name: &'static str,
    /// Name of the channel that carries the event; empty for others.
    pub channel: &'static str,
    /// What is read from it, or what the agent does with it.
    pub what: &'static str,
    /// Why the agent makes no use of it; empty where it does.
    pub unused: &'static str,
}

/// Every answer and every event that [`read_capture`] knows.
pub fn supported() -> impl Iterator<Item = Supported> {
    let answers = ANSWERS.iter().map(|answer| Supported {
        name: answer.path,
        channel: "",
        what: answer.expects,
        unused: answer.unused,
    });
    let events = EVENTS.iter().map(|event| Supported {
        name: event.name,
        channel: event.channel,
        what: event.effect,
        unused: event.unused,
    });
    answers.chain(events)
}

/// Reads a file that holds one document, or several one after the other, of `endpoint`: a path, a URL,
/// the name of an event or of a channel. Returns the name that was understood, and what was read.
///
/// # Errors
/// [`CaptureError`]; its messages quote no key, no signature and no query.
pub fn read_capture(endpoint: &str, text: &str) -> Result<(String, Capture), CaptureError> {
    let target = endpoint::target(endpoint).map_err(|unknown| CaptureError::UnknownEndpoint {
        shown: unknown.shown,
        near: unknown.near,
    })?;
    let documents = documents(text).map_err(|Unreadable(what)| CaptureError::NotJson(what))?;
    let first = documents.first().ok_or(CaptureError::Empty)?;
    let looks_like = frame_name(first);
    let (shown, read, expects) = match target {
        // `depth` alone is an answer and a channel: the document decides.
        Target::Answer {
            is_channel: true, ..
        } if looks_like.is_some() => {
            let shown = "ws".to_owned();
            let stream = frames::Stream::default();
            let read = frames::read(&stream, text, &documents);
            (shown, read, "frames of a stream".to_owned())
        }
        Target::Answer { answer, path, .. } => {
            let read = answers::read_all(answer, &path, text, &documents);
            (path, read, answer.expects.to_owned())
        }
        Target::Stream {
            shown,
            event,
            book_changes,
        } => {
            let stream = frames::Stream {
                event,
                book_changes,
            };
            let read = frames::read(&stream, text, &documents);
            let expects = match event {
                Some(event) => format!("frames with \"e\":\"{}\"", event.name),
                None => "frames of a stream, each with its name in \"e\"".to_owned(),
            };
            (shown, read, expects)
        }
    };
    match read {
        Ok(capture) => Ok((shown, capture)),
        Err(Unreadable(message)) => Err(CaptureError::Mismatch {
            message: match looks_like {
                Some(name) if shown.starts_with('/') => {
                    format!("this is a `{name}` frame of a stream: {message}")
                }
                Some(_) | None => message,
            },
            endpoint: shown,
            expects,
        }),
    }
}

/// Documents one after the other, on lines of their own or not.
fn documents(text: &str) -> Mapped<Vec<&str>> {
    let mut found = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        match document {
            Ok(raw) => found.push(raw.get()),
            Err(error) => return Err(map::unreadable(text, &error)),
        }
    }
    Ok(found)
}

/// Name of the event if `document` is a frame of a stream, or several.
fn frame_name(document: &str) -> Option<String> {
    let first = if document.starts_with('[') {
        *map::parse::<Vec<&RawValue>>(document).ok()?.first()?
    } else {
        map::parse::<&RawValue>(document).ok()?
    };
    let head: Head<'_> = object(first.get()).ok()?;
    let name = match (head.e, head.data) {
        (Some(name), _) => name.to_string(),
        (None, Some(data)) => object(data.get()).ok()?.e?.to_string(),
        (None, None) => return None,
    };
    is_plain(&name).then_some(name)
}

/// The head of an object; nothing else has one.
fn object(text: &str) -> Mapped<Head<'_>> {
    if text.starts_with('{') {
        map::parse(text)
    } else {
        Err(Unreadable("an object was expected".to_owned()))
    }
}

/// Longest name of an event that is repeated.
const NAME_CHARS_MAX: usize = 40;

/// Can it be the name of an event, and nothing that should not be repeated?
fn is_plain(name: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reads `part` of `text`; if that fails, places in the message are those of the whole text.
fn placed<T>(text: &str, part: &str, read: impl Fn(&str) -> Mapped<T>) -> Mapped<T> {
    let first = read(part);
    let offset = part.as_ptr().addr().checked_sub(text.as_ptr().addr());
    let (Err(_), Some(before)) = (&first, offset.and_then(|offset| text.get(..offset))) else {
        return first;
    };
    let lines = before.matches('\n').count();
    let columns = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
    let moved = format!("{}{}{part}", "\n".repeat(lines), " ".repeat(columns));
    // The same text with space before it reads the same; if not, the first message stands.
    match read(&moved) {
        Err(error) => Err(error),
        Ok(_) => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_file() {
        let text = "{\"serverTime\":1}\n  {\"serverTime\":\"x\"}";
        let error = read_capture("/fapi/v1/time", text).expect_err("a text is no time");
        let words = error.to_string();
        assert!(words.contains("field `serverTime`"), "{words}");
        assert!(words.contains("line 2, column 19"), "{words}");
    }

    #[test]
    fn documents_are_found_on_one_line_or_many() {
        for text in ["{} {}", "{}\n{}\n", "\n\n{}{}", "[]\r\n{\n}"] {
            assert_eq!(documents(text).map(|all| all.len()), Ok(2), "{text}");
        }
        let error = documents("{}\n{]").expect_err("broken");
        assert!(error.0.contains("line 2, column 2"), "{error:?}");
    }
}
