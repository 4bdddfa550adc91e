//! From a configuration file to an adapter: shared by `run`, `check` and `status`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::exit::UsageError;
use crate::config::{self, Config};
use crate::exchange::binance::{BinanceSettings, BinanceUsdm, Credentials};
use crate::guard::event::Mode;
use crate::guard::policy::Silence;
use crate::net::clock::Clock;

#[derive(Debug, Args)]
pub(super) struct ConfigArg {
    /// Configuration file; without it the one in your configuration directory.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

impl ConfigArg {
    /// Reads file and secrets.
    pub(super) fn load(&self) -> anyhow::Result<(PathBuf, Config)> {
        let path = match &self.config {
            Some(path) => path.clone(),
            None => config::default_config_path().ok_or_else(|| {
                UsageError::config("no home directory: name the configuration with --config FILE")
            })?,
        };
        let config = Config::load(&path, &|name| std::env::var(name).ok())?;
        Ok((path, config))
    }
}

/// The adapter of the configured venue.
pub(super) fn port(path: &Path, config: &Config, clock: &Clock) -> anyhow::Result<BinanceUsdm> {
    let exchange = &config.exchange;
    let needed = |value: &Option<SecretString>, env: &str| {
        value.clone().ok_or_else(|| {
            UsageError::config(format!(
                "{}: no API key: set the environment variable {env}, or name a secrets_file in [exchange]",
                path.display()
            ))
        })
    };
    let credentials = Credentials {
        api_key: needed(&exchange.api_key, &exchange.api_key_env)?,
        secret: needed(&exchange.api_secret, &exchange.api_secret_env)?,
    };
    let urls = &exchange.urls;
    let timeout = Duration::from_millis(exchange.request_timeout_ms);
    let settings = BinanceSettings {
        rest: urls.rest.clone(),
        wallet_rest: urls.wallet_rest.clone(),
        ws_public: urls.ws_public.clone(),
        ws_market: urls.ws_market.clone(),
        ws_private: urls.ws_private.clone(),
        receive_window_ms: config.policy.receive_window_ms,
        request_timeout: timeout,
        connect_timeout: timeout.mul_f64(0.6),
        open_orders: config.policy.allowance.cancel_own_orders,
        outside_wallets: config.policy.allowance.move_in_per_day.is_positive(),
        ..BinanceSettings::default()
    };
    Ok(BinanceUsdm::new(settings, credentials, clock.clone())?)
}

/// Questions that nobody can answer: what that means, `None` when somebody can.
pub(super) fn unanswerable(config: &Config) -> Option<&'static str> {
    if config.policy.mode != Mode::Ask || config.telegram.enabled {
        return None;
    }
    Some(match config.policy.silence {
        Silence::Act => {
            "mode ask without Telegram: nobody can answer, so every question waits for its deadline and is then acted on (silence = \"act\")"
        }
        Silence::Hold => {
            "mode ask without Telegram: nobody can answer, so nothing is ever done (silence = \"hold\")"
        }
    })
}

/// One sentence on how far the agent may go.
pub(super) fn mode_sentence(mode: Mode) -> &'static str {
    match mode {
        Mode::Watch => "watch: it tells, and sends nothing",
        Mode::Ask => "ask: it asks before each action",
        Mode::Auto => "auto: it acts within the budgets",
    }
}
