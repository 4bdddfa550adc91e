//! Exit codes, documented in `plimsoll --help`.

use std::process::ExitCode;

use crate::agent::AgentError;
use crate::config::ConfigError;
use crate::exchange::ExchangeError;
use crate::journal::{JournalError, LockError};
use crate::sim::scenario::ScenarioError;
use crate::sim::tape::TapeError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Success,
    Usage,
    /// `demo`: the guarded position was liquidated.
    Lost,
    BadInput,
    NoInput,
    Unavailable,
    Fault,
    CannotCreate,
    Refused,
    Config,
}

impl Exit {
    /// The code for an error, by its kind.
    pub(super) fn of(error: &anyhow::Error) -> Self {
        for cause in error.chain() {
            if let Some(tape) = cause.downcast_ref::<TapeError>() {
                return Self::of_tape(tape);
            }
            if cause.is::<ScenarioError>() {
                return Self::Usage;
            }
            if cause.is::<ConfigError>() {
                return Self::Config;
            }
            if cause.is::<JournalError>() || cause.is::<LockError>() {
                return Self::CannotCreate;
            }
            match cause.downcast_ref::<AgentError>() {
                Some(AgentError::Key(_)) => return Self::Refused,
                Some(AgentError::Exchange(inner)) => return Self::of_exchange(inner),
                Some(AgentError::Journal(_)) => return Self::CannotCreate,
                None => {}
            }
            if let Some(inner) = cause.downcast_ref::<ExchangeError>() {
                return Self::of_exchange(inner);
            }
            if cause.is::<std::io::Error>() {
                return Self::CannotCreate;
            }
            if let Some(usage) = cause.downcast_ref::<UsageError>() {
                return usage.exit;
            }
        }
        Self::Fault
    }

    /// A tape is missing, asked for a time it does not hold, or broken.
    fn of_tape(error: &TapeError) -> Self {
        if matches!(error, TapeError::Missing { .. }) {
            Self::NoInput
        } else if matches!(error, TapeError::EnterOutside { .. }) {
            Self::Usage
        } else {
            Self::BadInput
        }
    }

    fn of_exchange(error: &ExchangeError) -> Self {
        match error {
            ExchangeError::Unauthorised { .. } => Self::Refused,
            ExchangeError::Throttled { .. }
            | ExchangeError::Unreachable { .. }
            | ExchangeError::Refused { .. }
            | ExchangeError::Unreadable { .. }
            | ExchangeError::Unsupported(_) => Self::Unavailable,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Usage => 2,
            Self::Lost => 3,
            Self::BadInput => 65,
            Self::NoInput => 66,
            Self::Unavailable => 69,
            Self::Fault => 70,
            Self::CannotCreate => 73,
            Self::Refused => 77,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A request that cannot be served as it stands; the sentence says how to change it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct UsageError {
    message: String,
    exit: Exit,
}

impl UsageError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: Exit::Usage,
        }
    }

    pub(super) fn no_input(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: Exit::NoInput,
        }
    }

    pub(super) fn bad_input(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: Exit::BadInput,
        }
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: Exit::Unavailable,
        }
    }

    pub(super) fn cannot_create(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: Exit::CannotCreate,
        }
    }

    pub(super) fn config(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: Exit::Config,
        }
    }
}
