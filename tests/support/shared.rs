//! Recorded answers and price tapes, which stand outside the repository.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot say that it skips must stop"
)]

use std::io::Write;
use std::path::PathBuf;

/// The folder `part` of what is recorded; `None` after a visible line when it is missing outside CI.
pub(crate) fn shared(part: &str) -> Option<PathBuf> {
    let all = std::env::var_os("PLIMSOLL_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let folder = all.join(part);
    if folder.is_dir() {
        return Some(folder);
    }
    let text = format!(
        "{}: {} is missing",
        env!("CARGO_CRATE_NAME"),
        folder.display()
    );
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{text}");
    // Written past the test harness, which would swallow it.
    writeln!(std::io::stderr(), "SKIPPED {text}").expect("standard error");
    None
}
