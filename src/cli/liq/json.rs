//! JSON read by key path, so that every complaint can name its place. Numbers stay the text that was
//! written: no digit is lost on the way.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::domain::NumberError;

/// Longest piece of the input that is repeated in a message.
const ECHO_CHARS_MAX: usize = 40;
/// Below this likeness (0 to 1) an unknown key is not explained by a known one.
const LIKENESS_MIN: f64 = 0.84;

/// Where something stands: `positions[1].tiers[0].cap`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// What is wrong, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(super) struct Wrong {
    pub(super) place: Place,
    pub(super) what: String,
}

impl Place {
    pub(super) fn top(key: &str) -> Self {
        Self::default().key(key)
    }

    pub(super) fn position(index: usize) -> Self {
        Self::top("positions").index(index)
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The last key on the way.
    pub(super) fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    pub(super) fn wrong(self, what: impl Into<String>) -> Wrong {
        Wrong {
            place: self,
            what: what.into(),
        }
    }

    /// Line and column in `text`, from 1, of the value here or of the nearest one around it.
    pub(super) fn locate(&self, text: &str) -> Option<(usize, usize)> {
        let mut raw: &RawValue = serde_json::from_str(text).ok()?;
        for step in &self.0 {
            let next = match step {
                Step::Key(key) => entries(raw).and_then(|entries| {
                    let found = entries.into_iter().rev().find(|(name, _)| name == key);
                    found.map(|(_, value)| value)
                }),
                Step::Index(index) => items(raw).and_then(|items| items.get(*index).copied()),
            };
            match next {
                Some(next) => raw = next,
                None => break,
            }
        }
        let offset = (raw.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let before = text.get(..offset)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next()?.chars().count() + 1;
        Some((line, column))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(&clip(key))?,
                Step::Key(key) => write!(f, ".{}", clip(key))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// One object; a value of `null` counts as missing.
pub(super) struct Object<'a> {
    entries: Vec<(String, &'a RawValue)>,
    pub(super) place: Place,
}

impl<'a> Object<'a> {
    /// Reads the keys; each must be one of `known` and stand there once. `meant` translates other
    /// people's names.
    pub(super) fn read(
        raw: &'a RawValue,
        place: Place,
        known: &[&str],
        meant: &[(&str, &str)],
    ) -> Result<Self, Wrong> {
        let Some(entries) = entries(raw) else {
            let what = format!("must be an object {{…}}, found {}", kind(raw));
            return Err(place.wrong(what));
        };
        for (at, (key, _)) in entries.iter().enumerate() {
            if !known.contains(&key.as_str()) {
                return Err(place.key(key).wrong(unknown(key, known, meant)));
            }
            if entries.iter().take(at).any(|(earlier, _)| earlier == key) {
                return Err(place
                    .key(key)
                    .wrong("stands here twice; keep one of the two"));
            }
        }
        Ok(Self { entries, place })
    }

    /// Reads whatever keys there are.
    pub(super) fn open(
        raw: &'a RawValue,
        place: Place,
    ) -> Result<Vec<(String, &'a RawValue)>, Wrong> {
        entries(raw).ok_or_else(|| {
            let what = format!("must be an object {{…}}, found {}", kind(raw));
            place.wrong(what)
        })
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a RawValue> {
        let found = self.entries.iter().find(|(name, _)| name == key);
        found.map(|(_, raw)| *raw).filter(|raw| raw.get() != "null")
    }

    pub(super) fn at(&self, key: &str) -> Place {
        self.place.key(key)
    }

    /// The elements of a list; none where the key is missing.
    pub(super) fn list(&self, key: &str, most: usize) -> Result<Option<Vec<&'a RawValue>>, Wrong> {
        let Some(raw) = self.get(key) else {
            return Ok(None);
        };
        let Some(items) = items(raw) else {
            let what = format!("must be a list […], found {}", kind(raw));
            return Err(self.at(key).wrong(what));
        };
        if items.len() > most {
            let what = format!("has {} entries; at most {most} are read", items.len());
            return Err(self.at(key).wrong(what));
        }
        Ok(Some(items))
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, Wrong> {
        let Some(raw) = self.get(key) else {
            return Ok(None);
        };
        let text: String = serde_json::from_str(raw.get()).map_err(|_| {
            self.at(key)
                .wrong(format!("must be a text in quotes, found {}", kind(raw)))
        })?;
        let text = text.trim();
        if text.is_empty()
            || text.chars().count() > ECHO_CHARS_MAX
            || text.contains(char::is_control)
        {
            let what = format!("must be a text of 1 to {ECHO_CHARS_MAX} characters");
            return Err(self.at(key).wrong(what));
        }
        Ok(Some(text.to_owned()))
    }

    /// A decimal number, in quotes or not.
    pub(super) fn number<T>(&self, key: &str) -> Result<Option<T>, Wrong>
    where
        T: FromStr<Err = NumberError>,
    {
        self.get(key)
            .map(|raw| number(raw).map_err(|what| self.at(key).wrong(what)))
            .transpose()
    }

    /// A number that must be there.
    pub(super) fn needed<T>(&self, key: &str, fix: &str) -> Result<T, Wrong>
    where
        T: FromStr<Err = NumberError>,
    {
        self.number(key)?
            .ok_or_else(|| self.at(key).wrong(missing(fix)))
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, Wrong> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let found = words
            .iter()
            .find(|(word, _)| text.eq_ignore_ascii_case(word));
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let words: Vec<String> = words
                .iter()
                .map(|(word, _)| format!("\"{word}\""))
                .collect();
            let what = format!("must be {}, found {}", words.join(" or "), echo(&text));
            self.at(key).wrong(what)
        })
    }
}

/// The exact decimal that was written.
pub(super) fn number<T>(raw: &RawValue) -> Result<T, String>
where
    T: FromStr<Err = NumberError>,
{
    let text = raw.get();
    let inner: String;
    let digits = if text.starts_with('"') {
        inner = serde_json::from_str(text).map_err(|_| "is not readable".to_owned())?;
        if inner.trim().is_empty() {
            return Err("is empty; write a number, or leave the key out".to_owned());
        }
        inner.trim()
    } else if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        text
    } else {
        return Err(format!("must be a decimal number, found {}", kind(raw)));
    };
    digits.parse::<T>().map_err(|error| match error {
        NumberError::NotANumber { .. }
            if digits.bytes().all(|c| b"0123456789.eE+-".contains(&c)) =>
        {
            format!(
                "{} cannot be taken exactly; write at most 28 digits",
                echo(digits)
            )
        }
        NumberError::NotANumber { .. } => format!(
            "{} is not a decimal number; write digits with a point, such as \"1234.5\"",
            echo(digits)
        ),
        NumberError::OutOfRange { kind, bound, .. } => {
            format!(
                "{} is outside the range of a {kind} ({bound})",
                echo(digits)
            )
        }
    })
}

/// The sentence for a key that must be there.
pub(super) fn missing(fix: &str) -> String {
    format!("is missing; {fix}")
}

/// `text` as a message may repeat it.
pub(super) fn echo(text: &str) -> String {
    format!("`{}`", clip(text))
}

fn clip(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = text.chars().map(plain).take(ECHO_CHARS_MAX).collect();
    if text.chars().nth(ECHO_CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

fn unknown(key: &str, known: &[&str], meant: &[(&str, &str)]) -> String {
    let bare = |name: &str| {
        let letters = name
            .chars()
            .filter(|c| c.is_alphanumeric())
            .take(ECHO_CHARS_MAX);
        letters.flat_map(char::to_lowercase).collect::<String>()
    };
    let plain = bare(key);
    let by_name = meant.iter().find(|(name, _)| bare(name) == plain);
    let likeness = |name: &&str| strsim::jaro_winkler(&plain, &bare(name));
    let nearest = known
        .iter()
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
        .filter(|name| likeness(name) >= LIKENESS_MIN);
    let guess = by_name.map(|(_, name)| *name).or(nearest.copied());
    match guess {
        Some(name) => format!("is not a known key; did you mean \"{name}\"?"),
        None => format!("is not a known key; known here are {}", known.join(", ")),
    }
}

fn kind(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(_) | None => "a number",
    }
}

fn entries(raw: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    let mut reader = serde_json::Deserializer::from_str(raw.get());
    reader.deserialize_map(Entries).ok()
}

fn items(raw: &RawValue) -> Option<Vec<&RawValue>> {
    let mut reader = serde_json::Deserializer::from_str(raw.get());
    reader.deserialize_seq(Items).ok()
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(items)
    }
}
