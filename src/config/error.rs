//! What can be wrong with a configuration, in sentences for people.

use std::fmt;
use std::path::PathBuf;

/// Why there is no configuration. None of these can be ignored: the agent does not start, and a
/// running one keeps the configuration it has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No file there: make one.
    #[error(
        "there is no configuration at {}; copy config.example.toml there and edit it, or name another file with --config",
        .path.display()
    )]
    Missing { path: PathBuf },
    /// The file cannot be read: fix it.
    #[error("cannot read {}: {message}", .path.display())]
    Unreadable { path: PathBuf, message: String },
    /// The file says something impossible; all problems that were found, in the order of the file.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Problem>),
}

/// One thing to mend: where, what, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: PathBuf,
    /// From 1; `None` when the fault is something that is not in the file.
    pub line: Option<usize>,
    /// What is wrong and, after a semicolon, what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.message),
            None => write!(f, "{}: {}", self.file.display(), self.message),
        }
    }
}
