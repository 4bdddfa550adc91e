//! Words for the terminal. A closed pipe or a full disk behind it must never stop the guard, so
//! failures to say something are swallowed here, once; only a result that was asked for must arrive.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

/// The result of a command on standard output. A reader that has heard enough is no error.
///
/// # Errors
/// When it cannot be written, for example to a full disk.
pub(super) fn print(result: impl AsRef<str>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", result.as_ref()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write"),
    }
}

/// Did the reader of standard output go away?
pub(super) fn is_unheard(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    })
}

/// A line for standard output.
pub(super) fn say(line: impl AsRef<str>) {
    drop(writeln!(io::stdout(), "{}", line.as_ref()));
}

/// A line for standard error.
pub(super) fn warn(line: impl AsRef<str>) {
    drop(writeln!(io::stderr(), "{}", line.as_ref()));
}
