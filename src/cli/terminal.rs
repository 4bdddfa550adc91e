//! Words for the terminal. A closed pipe, a full disk or a terminal that does not take what is
//! written to it (a pager, Ctrl-S, an SSH session whose other end sleeps) must never stop the guard:
//! failures to say something are swallowed here, once, and `run` lets a thread of its own do the
//! waiting. Only a result that was asked for must arrive.

use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context;

/// Lines that wait for a terminal that does not take them; what comes after is left out.
const LINES_MAX: usize = 4_096;
/// A terminal that does not take the last lines within this time does not get them.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Set once [`unblock`] has run.
static PRINTER: OnceLock<SyncSender<Line>> = OnceLock::new();

enum Line {
    Out(String),
    Err(String),
    /// All lines before this one are out.
    Done(SyncSender<()>),
}

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
    put(Line::Out(format!("{}\n", line.as_ref())));
}

/// A line for standard error.
pub(super) fn warn(line: impl AsRef<str>) {
    put(Line::Err(format!("{}\n", line.as_ref())));
}

/// From now on printing never waits. Without a thread to spare it goes on as before.
pub(super) fn unblock() {
    let (sender, lines) = sync_channel(LINES_MAX);
    let thread = std::thread::Builder::new().name("terminal".to_owned());
    if thread.spawn(move || print_all(&lines)).is_ok() {
        // A second start within one process keeps the first printer.
        drop(PRINTER.set(sender));
    }
}

/// Waits until everything was printed, within reason; for the end of the program.
pub(super) fn finish() {
    if let Some(printer) = PRINTER.get() {
        let (done, told) = sync_channel(1);
        if printer.try_send(Line::Done(done)).is_ok() {
            let _ = told.recv_timeout(LAST_LINES);
        }
    }
}

/// Where log lines go.
pub(super) struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        put(Line::Err(String::from_utf8_lossy(bytes).into_owned()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn put(line: Line) {
    match PRINTER.get() {
        // A full queue: nobody has read for thousands of lines.
        Some(printer) => drop(printer.try_send(line)),
        None => put_now(line),
    }
}

fn print_all(lines: &Receiver<Line>) {
    while let Ok(line) = lines.recv() {
        put_now(line);
    }
}

fn put_now(line: Line) {
    match line {
        Line::Out(text) => {
            let mut out = io::stdout().lock();
            drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
        }
        Line::Err(text) => drop(io::stderr().write_all(text.as_bytes())),
        Line::Done(told) => drop(told.try_send(())),
    }
}
