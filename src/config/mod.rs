//! The trader's configuration: one TOML file, and secrets from elsewhere.
//!
//! Purpose: turn a file into a [`Policy`] and plain settings, or say exactly what is wrong and how to
//! mend it. Inputs: a path and a function that reads environment variables. This module must never
//! know an exchange's or Telegram's language, and no secret may leave it except as
//! [`SecretString`](secrecy::SecretString).
//!
//! Invariants: an unknown key is an error; every number has a range; a loaded configuration with
//! `ask` or `auto` and a venue that is not on this machine has `live = true`.

mod error;
mod reader;
mod rescue;
mod schema;
mod secrets;
mod settings;
mod venue;

use std::path::{Path, PathBuf};

pub use error::{ConfigError, Problem};
pub use settings::{
    Durability, ExchangeSettings, JournalSettings, LogLevel, LogSettings, TelegramSettings, Urls,
};

use crate::guard::policy::Policy;

/// Longest configuration or secrets file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1_024;

/// Everything that the trader has set; what was left out has its default.
#[derive(Debug, Clone)]
pub struct Config {
    /// How the guard decides. `instance` is left at its default: the journal knows it.
    pub policy: Policy,
    /// Where the journal and the lock lie.
    pub data_dir: PathBuf,
    pub exchange: ExchangeSettings,
    pub telegram: TelegramSettings,
    pub journal: JournalSettings,
    pub log: LogSettings,
}

impl Config {
    /// Reads the file and the secrets: from `secrets_file` where it is named and holds them,
    /// otherwise from the environment.
    ///
    /// # Errors
    /// [`ConfigError`] with all problems found, each with file, line, key and fix.
    pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = read(path)?;
        schema::parse(path, &text, Some(env)).map(|(config, _)| config)
    }

    /// Reads the file without looking for any secret, for commands that only need settings.
    ///
    /// # Errors
    /// As [`Self::load`], but never about secrets.
    pub fn load_settings(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        schema::parse(path, &text, None).map(|(config, _)| config)
    }

    /// All keys of the file, as `section.key` or `key`, in the order of the sections.
    #[must_use]
    pub fn keys() -> Vec<String> {
        schema::keys()
    }
}

/// `config.toml` in this user's configuration directory; `None` without a home directory.
#[must_use]
pub fn default_config_path() -> Option<PathBuf> {
    project_dirs().map(|dirs| dirs.config_dir().join("config.toml"))
}

/// This user's data directory of Plimsoll; `None` without a home directory.
#[must_use]
pub fn default_data_dir() -> Option<PathBuf> {
    project_dirs().map(|dirs| dirs.data_local_dir().to_owned())
}

fn project_dirs() -> Option<directories::ProjectDirs> {
    directories::ProjectDirs::from("", "", "plimsoll")
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |message: String| ConfigError::Unreadable {
        path: path.to_owned(),
        message,
    };
    let meta = std::fs::metadata(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            ConfigError::Missing {
                path: path.to_owned(),
            }
        } else {
            unreadable(error.to_string())
        }
    })?;
    if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
        return Err(unreadable(format!(
            "it must be a plain file of at most {} KiB",
            FILE_BYTES_MAX / 1_024
        )));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))
}
