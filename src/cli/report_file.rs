//! Where a report page goes. What is there already may be somebody's work: only an older page gives way,
//! never a file that the command reads.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::exit::UsageError;
use crate::chart::MADE_BY;

/// So much of a file is read to tell whether it is a page of ours.
const HEAD_BYTES: u64 = 2_048;
/// Endings of pages.
const ENDINGS: [&str; 2] = ["html", "htm"];

/// A place that a page may be written to.
pub(super) struct ReportFile {
    /// As it was named.
    named: PathBuf,
    /// Files that the command reads.
    inputs: Vec<PathBuf>,
}

impl ReportFile {
    /// The place that was asked for, if one was. Asked before the work begins, which may take hours.
    ///
    /// # Errors
    /// A place that is one of `inputs`, holds something else than a page, or is in no folder.
    pub(super) fn asked<'a>(
        named: Option<&Path>,
        inputs: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Option<Self>, UsageError> {
        let Some(named) = named else {
            return Ok(None);
        };
        let file = Self {
            named: named.to_owned(),
            inputs: inputs.into_iter().map(Path::to_owned).collect(),
        };
        file.place().map(|_| Some(file))
    }

    /// Writes the page beside its place and moves it there, so that nothing half written is left.
    ///
    /// # Errors
    /// As [`ReportFile::asked`], and when it cannot be written.
    pub(super) fn write(&self, html: &str) -> anyhow::Result<()> {
        let place = self.place()?;
        let mut name = std::ffi::OsString::from(".");
        name.push(place.file_name().unwrap_or_default());
        name.push(format!(".{}.new", std::process::id()));
        let fresh = place.with_file_name(name);
        let written = fs::File::create_new(&fresh)
            .and_then(|mut file| file.write_all(html.as_bytes()))
            .and_then(|()| fs::rename(&fresh, &place));
        if written.is_err() {
            // What is left of it is of no use to anybody.
            drop(fs::remove_file(&fresh));
        }
        written.with_context(|| format!("the report cannot be written to {}", self.named.display()))
    }

    /// The file behind the name.
    fn place(&self) -> Result<PathBuf, UsageError> {
        let shown = self.named.display();
        let refuse = |why: String| {
            UsageError::cannot_create(format!("the report cannot be written to {shown}: {why}"))
        };
        let place = match self.named.canonicalize() {
            Ok(place) => place,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let folder = self.named.parent().unwrap_or(Path::new(""));
                let is_here = folder.as_os_str().is_empty() || folder.is_dir();
                return match (is_here, self.named.file_name()) {
                    (true, Some(_)) => Ok(self.named.clone()),
                    (false, _) | (_, None) => Err(refuse("there is no such folder".to_owned())),
                };
            }
            Err(error) => return Err(refuse(error.to_string())),
        };
        for input in &self.inputs {
            if is_same(&place, input) {
                return Err(UsageError::new(format!(
                    "--report {shown} is the file that is read ({}); name another",
                    input.display()
                )));
            }
        }
        if !place.is_file() {
            return Err(refuse("it is no file".to_owned()));
        }
        if is_page(&place) {
            Ok(place)
        } else {
            Err(refuse(
                "it exists and is no page (.html); name another, or remove it first".to_owned(),
            ))
        }
    }
}

/// By name, or by what the page says of itself.
fn is_page(place: &Path) -> bool {
    let ending = place.extension().unwrap_or_default();
    if ENDINGS
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
    {
        return true;
    }
    let mut head = Vec::new();
    let read = fs::File::open(place).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    read.is_ok() && String::from_utf8_lossy(&head).contains(MADE_BY)
}

/// One file under two names, links included.
fn is_same(place: &Path, input: &Path) -> bool {
    if input.canonicalize().is_ok_and(|input| input == place) {
        return true;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |path: &Path| {
            let found = fs::metadata(path).ok()?;
            Some((found.dev(), found.ino()))
        };
        id(input).is_some_and(|input| id(place) == Some(input))
    }
    #[cfg(not(unix))]
    false
}
