//! Typed access to a TOML document that collects every problem with its line instead of stopping
//! at the first, and learns the known keys from what is asked for.

use std::path::{Path, PathBuf};

use rust_decimal::Decimal;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Problem};

/// Words in a key that mean it was going to hold a secret.
const SECRET_WORDS: [&str; 7] = [
    "secret",
    "token",
    "password",
    "passphrase",
    "api_key",
    "apikey",
    "private_key",
];
/// Longest text of the file that a message repeats; anything longer may be a misplaced secret.
const ECHO_CHARS_MAX: usize = 20;
/// Least likeness of two keys (Jaro-Winkler, 0..1) for a "did you mean".
const LIKENESS_MIN: f64 = 0.85;

/// The document being read and what was wrong with it so far.
pub(super) struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    root: Option<&'a DeTable<'a>>,
    problems: Vec<Problem>,
    /// Known keys: section and name, in the order they were asked for.
    known: Vec<(&'static str, &'static str)>,
}

/// What a number may be.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) min: Decimal,
    pub(super) max: Decimal,
    /// Word after the number in messages; `%` also asks for a hint when a fraction was written.
    pub(super) unit: &'static str,
    /// Decimal places allowed.
    pub(super) places: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str, root: Option<&'a DeTable<'a>>) -> Self {
        Self {
            file,
            text,
            root,
            problems: Vec::new(),
            known: Vec::new(),
        }
    }

    /// A syntax error as a problem; the text of the file is not repeated.
    pub(super) fn syntax(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        ConfigError::Invalid(vec![Problem {
            file: file.to_owned(),
            line: error.span().map(|span| line_of(text, span.start)),
            message: format!(
                "this is not valid TOML: {message}; check quotes, brackets and the line before"
            ),
        }])
    }

    pub(super) fn keys(&self) -> &[(&'static str, &'static str)] {
        &self.known
    }

    /// A number within `span`, exactly as written.
    pub(super) fn number(
        &mut self,
        section: &'static str,
        key: &'static str,
        span: Span,
        default: Decimal,
    ) -> Decimal {
        let Some((value, line)) = self.value(section, key) else {
            return default;
        };
        let found = match value {
            DeValue::Integer(number) if number.radix() == 10 => {
                number.as_str().parse::<Decimal>().ok()
            }
            DeValue::Float(number) => {
                let text = number.as_str();
                if text.contains(['e', 'E']) {
                    Decimal::from_scientific(text).ok()
                } else {
                    text.parse().ok()
                }
            }
            DeValue::Integer(_)
            | DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        };
        let Some(found) = found else {
            let example = format!("{key} = {default}");
            self.mistyped(section, key, line, value, "a plain number", &example);
            return default;
        };
        let place = place(section);
        if found < span.min || found > span.max {
            let unit = unit_text(span.unit);
            let hint = fraction_hint(found, span).unwrap_or_else(|| {
                format!(
                    "write {} to {}{unit}, or leave it out for {default}",
                    span.min, span.max
                )
            });
            let side = if found < span.min {
                format!("below {}", span.min)
            } else {
                format!("above {}", span.max)
            };
            self.problem(line, format!("{key} = {found}{place} is {side}; {hint}"));
            return default;
        }
        if found.normalize().scale() > span.places {
            let rule = match span.places {
                0 => "must be a whole number".to_owned(),
                places => format!("has more than {places} decimal places"),
            };
            let fix = found.trunc_with_scale(span.places).normalize();
            self.problem(line, format!("{key} = {found}{place} {rule}; write {fix}"));
            return default;
        }
        found
    }

    /// A whole number within `span`.
    pub(super) fn whole(
        &mut self,
        section: &'static str,
        key: &'static str,
        span: Span,
        default: i64,
    ) -> i64 {
        let number = self.number(section, key, span, Decimal::from(default));
        i64::try_from(number).unwrap_or(default)
    }

    pub(super) fn flag(&mut self, section: &'static str, key: &'static str, default: bool) -> bool {
        let Some((value, line)) = self.value(section, key) else {
            return default;
        };
        if let DeValue::Boolean(flag) = value {
            return *flag;
        }
        let example = format!("{key} = {default}");
        self.mistyped(section, key, line, value, "true or false", &example);
        default
    }

    /// A text with its line.
    pub(super) fn text(
        &mut self,
        section: &'static str,
        key: &'static str,
    ) -> Option<(String, usize)> {
        let (value, line) = self.value(section, key)?;
        if let DeValue::String(text) = value {
            return Some((text.to_string(), line));
        }
        let example = format!("{key} = \"...\"");
        self.mistyped(section, key, line, value, "a text in quotes", &example);
        None
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        section: &'static str,
        key: &'static str,
        words: &[(&'static str, T)],
        default: T,
    ) -> T {
        let Some((text, line)) = self.text(section, key) else {
            return default;
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return *value;
        }
        let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let fix = match closest(&text.to_lowercase(), allowed.iter().copied()) {
            Some(word) => format!("did you mean \"{word}\"?"),
            None => format!("write {}", quoted(&allowed)),
        };
        let place = place(section);
        let found = echo(&text);
        self.problem(line, format!("{key}{place} cannot be {found}; {fix}"));
        default
    }

    /// A list of texts with their lines.
    pub(super) fn texts(
        &mut self,
        section: &'static str,
        key: &'static str,
    ) -> Vec<(String, usize)> {
        let Some((value, line)) = self.value(section, key) else {
            return Vec::new();
        };
        let mut texts = Vec::new();
        let example = format!("{key} = [\"BTCUSDT\", \"ETHUSDT\"]");
        if let DeValue::Array(items) = value {
            for item in items {
                let line = line_of(self.text, item.span().start);
                if let DeValue::String(text) = item.get_ref() {
                    texts.push((text.to_string(), line));
                } else {
                    let item = item.get_ref();
                    self.mistyped(section, key, line, item, "a list of texts", &example);
                }
            }
        } else {
            self.mistyped(section, key, line, value, "a list of texts", &example);
        }
        texts
    }

    /// Line of a key that may be absent.
    pub(super) fn line(&self, section: &str, key: &str) -> Option<usize> {
        let (name, _) = self.table(section)?.get_key_value(key)?;
        Some(line_of(self.text, name.span().start))
    }

    pub(super) fn problem(&mut self, line: impl Into<Option<usize>>, message: String) {
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line: line.into(),
            message,
        });
    }

    pub(super) fn other_file_problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn file_dir(&self) -> PathBuf {
        self.file.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// Reports what was never asked for, then all problems in the order of the file.
    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        if let Some(root) = self.root {
            self.unknown("", root);
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems
            .sort_by_key(|problem| (problem.line.is_none(), problem.line));
        Err(ConfigError::Invalid(self.problems))
    }

    fn unknown(&mut self, section: &str, table: &'a DeTable<'a>) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let line = line_of(self.text, key.span().start);
            let path = if section.is_empty() {
                name.to_owned()
            } else {
                format!("{section}.{name}")
            };
            let is_section = self.known.iter().any(|(known, _)| {
                *known == path
                    || known
                        .strip_prefix(&path)
                        .is_some_and(|r| r.starts_with('.'))
            });
            if is_section {
                if let DeValue::Table(inner) = value.get_ref() {
                    self.unknown(&path, inner);
                } else {
                    let found = kind(value.get_ref());
                    let fix = format!("write [{path}] on a line of its own");
                    self.problem(line, format!("{path} is a section, found {found}; {fix}"));
                }
                continue;
            }
            if self.known.iter().any(|(s, k)| *s == section && *k == name) {
                continue;
            }
            let message = self.unknown_message(section, name, value.get_ref());
            self.problem(line, message);
        }
    }

    fn unknown_message(&self, section: &str, name: &str, value: &DeValue<'_>) -> String {
        let lower = name.to_lowercase().replace('-', "_");
        if SECRET_WORDS.iter().any(|word| lower.contains(word)) {
            return format!(
                "\"{}\"{} looks like a secret, and secrets never go into this file; set the environment variable {}, or put it into a file of mode 0600 and name that with secrets_file in [exchange]",
                clip(name),
                place(section),
                secret_variable(&lower)
            );
        }
        if let DeValue::Table(_) = value {
            let mut sections: Vec<&str> = self.known.iter().map(|(s, _)| *s).collect();
            sections.retain(|s| !s.is_empty());
            sections.sort_unstable();
            sections.dedup();
            let path = match section {
                "" => lower,
                section => format!("{section}.{lower}"),
            };
            let fix = match closest(&path, sections.iter().copied()) {
                Some(near) => format!("did you mean [{near}]?"),
                None => format!("known are [{}]", sections.join("], [")),
            };
            return format!("unknown section [{}]; {fix}", clip(&path));
        }
        let here = || self.known.iter().filter(|(s, _)| *s == section);
        let fix = if let Some(near) = closest(&lower, here().map(|(_, k)| *k)) {
            format!("did you mean \"{near}\"?")
        } else if let Some((home, _)) = self.known.iter().find(|(_, k)| *k == lower) {
            match *home {
                "" => "it belongs at the top, before the first [section]".to_owned(),
                home => format!("it belongs in [{home}]"),
            }
        } else {
            let keys: Vec<&str> = here().map(|(_, k)| *k).collect();
            format!("known here are {}", keys.join(", "))
        };
        format!("unknown key \"{}\"{}; {fix}", clip(name), place(section))
    }

    fn value(
        &mut self,
        section: &'static str,
        key: &'static str,
    ) -> Option<(&'a DeValue<'a>, usize)> {
        self.known.push((section, key));
        let value = self.table(section)?.get(key)?;
        Some((value.get_ref(), line_of(self.text, value.span().start)))
    }

    fn table(&self, section: &str) -> Option<&'a DeTable<'a>> {
        let mut table = self.root?;
        for part in section.split('.').filter(|part| !part.is_empty()) {
            match table.get(part)?.get_ref() {
                DeValue::Table(inner) => table = inner,
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_) => return None,
            }
        }
        Some(table)
    }

    fn mistyped(
        &mut self,
        section: &str,
        key: &str,
        line: usize,
        found: &DeValue<'_>,
        wanted: &str,
        example: &str,
    ) {
        let place = place(section);
        let found = kind(found);
        self.problem(
            line,
            format!("{key}{place} must be {wanted}, found {found}; write {example}"),
        );
    }
}

/// `name` as a message may repeat it: short, without control characters.
pub(super) fn echo(text: &str) -> String {
    let count = text.chars().count();
    if count <= ECHO_CHARS_MAX && !text.chars().any(char::is_control) {
        format!("\"{text}\"")
    } else {
        format!("a text of {count} characters")
    }
}

/// ` in [section]`, or nothing for the top.
pub(super) fn place(section: &str) -> String {
    if section.is_empty() {
        String::new()
    } else {
        format!(" in [{section}]")
    }
}

/// Line of a byte offset, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count() + 1
}

fn clip(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(2 * ECHO_CHARS_MAX)
        .collect()
}

fn closest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|key| (strsim::jaro_winkler(name, key), key))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, key)| key)
}

fn quoted(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    quoted.join(" or ")
}

fn unit_text(unit: &str) -> String {
    if unit.is_empty() {
        String::new()
    } else {
        format!(" {unit}")
    }
}

/// Somebody who writes 0.015 for a percentage means 1.5.
fn fraction_hint(found: Decimal, span: Span) -> Option<String> {
    let meant = found.checked_mul(Decimal::ONE_HUNDRED)?.normalize();
    let plausible = span.unit == "%" && found > Decimal::ZERO && found < span.min;
    (plausible && meant >= span.min && meant <= span.max)
        .then(|| format!("that is {found} %, did you mean {meant}?"))
}

fn secret_variable(lower: &str) -> &'static str {
    if lower.contains("token") {
        "PLIMSOLL_TELEGRAM_TOKEN"
    } else if lower.contains("key") && !lower.contains("secret") && !lower.contains("private") {
        "PLIMSOLL_API_KEY"
    } else {
        "PLIMSOLL_API_SECRET"
    }
}

fn kind(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {}", echo(text)),
        DeValue::Integer(number) => format!("the number {}", clip(&number.to_string())),
        DeValue::Float(number) => format!("the number {}", clip(&number.to_string())),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a section".to_owned(),
    }
}
