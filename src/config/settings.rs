//! Plain settings that do not belong to the guard's policy.

use std::path::PathBuf;

use secrecy::SecretString;

/// How to reach the exchange.
#[derive(Debug, Clone)]
pub struct ExchangeSettings {
    /// The venue; today only `binance-usdm`.
    pub name: String,
    /// The trader has said that real orders may be sent.
    pub live: bool,
    pub api_key_env: String,
    pub api_secret_env: String,
    pub secrets_file: Option<PathBuf>,
    /// Accept a key that may move funds between the owner's wallets.
    pub allow_wallet_transfer: bool,
    pub request_timeout_ms: u64,
    pub urls: Urls,
    /// `None` when it was found neither in the secrets file nor in the environment.
    pub api_key: Option<SecretString>,
    /// As `api_key`.
    pub api_secret: Option<SecretString>,
}

/// Where the exchange is; without a trailing slash, each `https`/`wss`, or plain on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    pub rest: String,
    pub wallet_rest: String,
    pub ws_public: String,
    pub ws_market: String,
    pub ws_private: String,
}

impl Default for Urls {
    /// Production hosts of Binance USDⓈ-M futures (developers.binance.com, read 2026-11).
    fn default() -> Self {
        Self {
            rest: "https://fapi.binance.com".to_owned(),
            wallet_rest: "https://api.binance.com".to_owned(),
            ws_public: "wss://fstream.binance.com/public".to_owned(),
            ws_market: "wss://fstream.binance.com/market".to_owned(),
            ws_private: "wss://fstream.binance.com/private".to_owned(),
        }
    }
}

/// How to reach Telegram.
#[derive(Debug, Clone)]
pub struct TelegramSettings {
    pub enabled: bool,
    pub token_env: String,
    pub api_url: String,
    /// Always present when `enabled` and loaded with secrets.
    pub token: Option<SecretString>,
}

/// How the journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalSettings {
    pub durability: Durability,
}

/// What a power loss may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// No wait for the disk.
    Normal,
    /// Waits for the disk at each record.
    Full,
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    pub level: LogLevel,
}

/// The least important kind of line that is still logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The word that log filters use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
