//! Control from Telegram: one paired user in one private chat sees the account, pauses, resumes,
//! lowers the mode and answers questions.
//!
//! Inputs: notices from the agent, updates from the Bot API. It speaks to the guard only through
//! [`Request`]s and never waits for it while it should listen; nothing here can hold the guard up.
//! Must never know an exchange, and must never show the bot token.

mod ahead;
mod api;
mod authorise;
mod command;
mod listen;
mod outbox;
mod pair;
pub mod render;
mod session;
mod speak;
mod threads;

pub use ahead::ahead;

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot};

use crate::guard::action::{Report, View};
use crate::guard::event::{Command, Question};
use crate::guard::intent::IntentId;
use crate::guard::outlook::Outlook;
use crate::net::clock::Clock;

/// From the agent to the trader.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Tell this.
    Report(Report),
    /// Ask this, with buttons.
    Ask(Question),
    /// The question about this intent no longer stands; the text says why.
    Unask { intent: IntentId, text: String },
}

/// From the trader to the agent. A dropped sender means that nobody answered.
#[derive(Debug)]
pub enum Request {
    /// Show the guard as it is now.
    View(oneshot::Sender<View>),
    /// Show what lies ahead of each position.
    Outlook(oneshot::Sender<Vec<Outlook>>),
    /// Do this; the answer is one sentence, the error one sentence of refusal.
    Command(Command, oneshot::Sender<Result<String, String>>),
}

/// What is needed to speak for a bot.
pub struct Settings {
    /// From @BotFather.
    pub token: SecretString,
    /// Address of another Bot API server; `None`: Telegram's own.
    pub api_url: Option<String>,
    /// Where the paired user is remembered; readable by its owner only.
    pub pairing_file: PathBuf,
    /// Shown by `/version`.
    pub version: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("api_url", &self.api_url)
            .field("pairing_file", &self.pairing_file)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Why there is no control from Telegram. Guarding goes on without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TelegramError {
    /// A setting cannot work: correct it and start again.
    #[error("telegram settings: {0}")]
    Settings(String),
    /// The pairing file cannot be trusted, read or written: look at it.
    #[error("pairing file {}: {message}", path.display())]
    PairingFile { path: PathBuf, message: String },
    /// Telegram does not know the token, on the first contact already.
    #[error("Telegram does not know this bot token; copy it again from @BotFather")]
    TokenRefused,
}

/// Serves the bot until `notices` closes. `shown` takes lines for the local terminal, such as the
/// pairing code; they never hold the token.
///
/// # Errors
/// [`TelegramError`], before anything is sent; the guard goes on alone.
pub async fn run(
    settings: Settings,
    clock: Clock,
    notices: mpsc::Receiver<Notice>,
    requests: mpsc::Sender<Request>,
    shown: impl FnMut(String),
) -> Result<(), TelegramError> {
    session::run(settings, clock, notices, requests, shown).await
}
