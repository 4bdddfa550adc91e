//! Secrets: from a file that only its owner can read, otherwise from the environment. Nothing here
//! ever repeats a value in a message.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use secrecy::SecretString;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::reader::{Reader, line_of};
use super::settings::{ExchangeSettings, TelegramSettings};

/// Reads one environment variable.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Longest secrets file, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1_024;
/// Longest secret, in bytes; private keys in PEM form fit.
const SECRET_BYTES_MAX: usize = 8 * 1_024;
const KEYS: [&str; 3] = ["api_key", "api_secret", "telegram_token"];

#[derive(Default)]
struct Found {
    api_key: Option<SecretString>,
    api_secret: Option<SecretString>,
    telegram_token: Option<SecretString>,
}

/// Fills in what was found. What the named file holds wins over the environment.
pub(super) fn load(
    reader: &mut Reader<'_>,
    env: Environment<'_>,
    exchange: &mut ExchangeSettings,
    telegram: &mut TelegramSettings,
) {
    let mut found = Found::default();
    if let Some(path) = &exchange.secrets_file {
        match read_private(path) {
            Ok(text) => {
                let (held, problems) = parse(path, &text);
                found = held;
                for problem in problems {
                    reader.other_file_problem(problem);
                }
            }
            Err(message) => {
                let line = reader.line("exchange", "secrets_file");
                let path = path.display();
                reader.problem(line, format!("secrets_file {path} {message}"));
            }
        }
    }
    let mut from_env = |name: &str| {
        let value = env(name)?;
        match fault(&value) {
            None => Some(SecretString::from(value)),
            Some(fault) => {
                let message = format!("the environment variable {name} {fault}; set it again");
                reader.problem(None, message);
                None
            }
        }
    };
    exchange.api_key = found.api_key.or_else(|| from_env(&exchange.api_key_env));
    exchange.api_secret = found
        .api_secret
        .or_else(|| from_env(&exchange.api_secret_env));
    telegram.token = found
        .telegram_token
        .or_else(|| from_env(&telegram.token_env));
    if telegram.enabled && telegram.token.is_none() {
        let line = reader.line("telegram", "enabled");
        let name = &telegram.token_env;
        reader.problem(
            line,
            format!("telegram is enabled but there is no bot token; set the environment variable {name}, or telegram_token in the secrets file"),
        );
    }
}

/// The text of a file that nobody else can read; otherwise what is wrong and how to mend it.
fn read_private(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        format!(
            "cannot be read: {error}; create it with mode 0600, or remove the line to use the environment"
        )
    };
    let link = std::fs::symlink_metadata(path).map_err(unreadable)?;
    if link.file_type().is_symlink() {
        return Err("is a symbolic link; name the file itself".to_owned());
    }
    if !link.is_file() {
        return Err("is not a plain file; name a file of mode 0600".to_owned());
    }
    let file = File::open(path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if (meta.dev(), meta.ino()) != (link.dev(), link.ino()) {
            return Err("was replaced while it was read; try again".to_owned());
        }
        let mode = meta.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(format!(
                "can be read or written by others (mode {mode:04o}); run: chmod 600 {shown}"
            ));
        }
    }
    if meta.len() > FILE_BYTES_MAX {
        let most = FILE_BYTES_MAX / 1_024;
        return Err(format!(
            "is larger than {most} KiB; it should hold three lines"
        ));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

fn parse(path: &Path, text: &str) -> (Found, Vec<Problem>) {
    let mut found = Found::default();
    let mut problems = Vec::new();
    let mut problem = |line: Option<usize>, message: String| {
        problems.push(Problem {
            file: path.to_owned(),
            line,
            message,
        });
    };
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        // The parser's own words may quote the text, which is secret here.
        Err(error) => {
            let line = error.span().map(|span| line_of(text, span.start));
            problem(
                line,
                "this is not valid TOML; write lines like api_key = \"...\"".to_owned(),
            );
            return (found, problems);
        }
    };
    for (key, value) in document.get_ref() {
        let line = Some(line_of(text, key.span().start));
        let name: &str = key.get_ref();
        let place = match name {
            "api_key" => &mut found.api_key,
            "api_secret" => &mut found.api_secret,
            "telegram_token" => &mut found.telegram_token,
            _ => {
                // A secret without its key would stand here: not repeated.
                let known = KEYS.join(", ");
                problem(
                    line,
                    format!("unknown key; a secrets file holds only {known}"),
                );
                continue;
            }
        };
        let fault = match value.get_ref() {
            DeValue::String(text) => match fault(text) {
                None => {
                    *place = Some(SecretString::from(text.as_ref()));
                    continue;
                }
                Some(fault) => fault,
            },
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => "is not a text in quotes",
        };
        problem(line, format!("{name} {fault}; write {name} = \"...\""));
    }
    (found, problems)
}

/// Why a text cannot be a secret that travels in a header or signs requests.
fn fault(value: &str) -> Option<&'static str> {
    let pem = value.starts_with("-----BEGIN ");
    if value.is_empty() {
        Some("is empty")
    } else if value.len() > SECRET_BYTES_MAX {
        Some("is too long")
    } else if !pem && value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("holds a space, a line break or a control character")
    } else {
        None
    }
}
