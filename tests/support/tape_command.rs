//! Calls of the commands that play tapes, and tapes in a folder that is gone with the test.
#![allow(
    dead_code,
    reason = "each test file that includes this uses another part of it"
)]
#![allow(
    clippy::expect_used,
    reason = "test support: a surprise must fail the test at once"
)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::tapes::{START, walk};

pub(crate) struct Bench {
    pub(crate) folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        path
    }

    pub(crate) fn bars(&self, name: &str, bar_ms: i64, bars: &[[f64; 4]]) -> PathBuf {
        let mut text = String::from("ts_ms,open,high,low,close,volume\n");
        for (index, [open, high, low, close]) in bars.iter().enumerate() {
            let at = START + bar_ms * index as i64;
            writeln!(text, "{at},{open:.4},{high:.4},{low:.4},{close:.4},1").expect("a row");
        }
        self.put(name, &text)
    }

    /// A wandering tape of `count` bars of `bar_ms`.
    pub(crate) fn walk(&self, name: &str, seed: u64, bar_ms: i64, count: usize) -> PathBuf {
        self.bars(name, bar_ms, &walk(seed, count))
    }
}

/// One command of the program.
#[derive(Clone, Copy)]
pub(crate) struct Program(pub(crate) &'static str);

impl Program {
    pub(crate) fn call(self, words: &[&str], tapes: &[&Path]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.arg(self.0).args(words);
        for tape in tapes {
            command.arg("--tape").arg(tape);
        }
        command.output().expect("the program")
    }

    /// Standard output of a call that worked and said nothing else.
    #[track_caller]
    pub(crate) fn told(self, words: &[&str], tapes: &[&Path]) -> String {
        let output = self.call(words, tapes);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{err}");
        assert_eq!(err, "");
        String::from_utf8(output.stdout).expect("text")
    }

    #[track_caller]
    pub(crate) fn json(self, words: &[&str], tapes: &[&Path]) -> Value {
        let text = self.told(&[words, &["--json"]].concat(), tapes);
        assert_eq!(text.lines().count(), 1, "one line: {text}");
        serde_json::from_str(&text).expect("json")
    }

    #[track_caller]
    pub(crate) fn refused(self, words: &[&str], tapes: &[&Path], code: i32, parts: &[&str]) {
        let output = self.call(words, tapes);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{err}");
        for part in parts {
            assert!(err.contains(part), "`{part}` in: {err}");
        }
        assert!(
            output.stdout.is_empty() && !err.contains("panicked"),
            "{err}"
        );
    }
}
