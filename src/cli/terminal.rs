//! Words for the terminal. A closed pipe or a full disk behind it must never stop the guard, so
//! failures to print are swallowed here, once.

use std::io::Write;

/// A line for standard output.
pub(super) fn say(line: impl AsRef<str>) {
    drop(writeln!(std::io::stdout(), "{}", line.as_ref()));
}

/// A line for standard error.
pub(super) fn warn(line: impl AsRef<str>) {
    drop(writeln!(std::io::stderr(), "{}", line.as_ref()));
}
