//! Opens a tape file, unpacks it and hands out its lines one by one, within a size limit.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use super::TapeError;

/// Longest line of a tape in bytes; a kline row takes about 150.
const LINE_BYTES_MAX: u64 = 4_096;

/// Receives the line's number, from 1, and its text without the line end.
pub(super) type OnLine<'a> = dyn FnMut(u64, &str) -> Result<(), TapeError> + 'a;

/// Calls `each` for every line of the file at `path`.
///
/// # Errors
/// What `each` returns, or why the file cannot be read as text of at most `bytes_max` bytes.
pub(super) fn for_each_line(
    path: &Path,
    bytes_max: u64,
    each: &mut OnLine<'_>,
) -> Result<(), TapeError> {
    let name = path.display().to_string();
    let mut file = open(path, &name)?;
    let mut magic = Vec::new();
    let unreadable = |source| TapeError::Unreadable {
        file: name.clone(),
        source,
    };
    (&mut file)
        .take(4)
        .read_to_end(&mut magic)
        .map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;

    let pump = Pump {
        file: &name,
        bytes_max,
    };
    if magic.starts_with(&[0x1f, 0x8b]) {
        let mut text = BufReader::new(MultiGzDecoder::new(BufReader::new(file)));
        pump.run(&mut text, each)
    } else if magic.starts_with(b"PK\x03\x04") || magic.starts_with(b"PK\x05\x06") {
        unzip(file, &pump, each)
    } else {
        pump.run(&mut BufReader::new(file), each)
    }
}

fn open(path: &Path, name: &str) -> Result<File, TapeError> {
    if path.is_dir() {
        return Err(TapeError::Folder {
            file: name.to_owned(),
        });
    }
    File::open(path).map_err(|source| {
        let file = name.to_owned();
        if matches!(
            source.kind(),
            ErrorKind::NotFound | ErrorKind::NotADirectory
        ) {
            TapeError::Missing { file }
        } else {
            TapeError::Unreadable { file, source }
        }
    })
}

fn unzip(file: File, pump: &Pump<'_>, each: &mut OnLine<'_>) -> Result<(), TapeError> {
    let damaged = |error: zip::result::ZipError| TapeError::Damaged {
        file: pump.file.to_owned(),
        reason: error.to_string(),
    };
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let csv: Vec<usize> = (0..archive.len())
        .filter(|index| {
            archive.name_for_index(*index).is_some_and(|name| {
                name.is_ok_and(|name| {
                    name.to_ascii_lowercase().ends_with(".csv") && !name.starts_with("__MACOSX/")
                })
            })
        })
        .collect();
    match csv.as_slice() {
        [] => Err(TapeError::EmptyZip {
            file: pump.file.to_owned(),
        }),
        [index] => {
            let entry = archive.by_index(*index).map_err(damaged)?;
            pump.run(&mut BufReader::new(entry), each)
        }
        [_, _, ..] => Err(TapeError::CrowdedZip {
            file: pump.file.to_owned(),
            count: csv.len(),
        }),
    }
}

/// Reads lines of one text within the size limit.
struct Pump<'a> {
    file: &'a str,
    bytes_max: u64,
}

impl Pump<'_> {
    fn run(&self, text: &mut dyn BufRead, each: &mut OnLine<'_>) -> Result<(), TapeError> {
        let mut line = Vec::new();
        let mut bytes = 0_u64;
        for number in 1_u64.. {
            line.clear();
            let read = text
                .take(LINE_BYTES_MAX + 1)
                .read_until(b'\n', &mut line)
                .map_err(|source| self.failed(source))? as u64;
            if read == 0 {
                break;
            }
            bytes = bytes.saturating_add(read);
            if bytes > self.bytes_max {
                return Err(TapeError::TooLarge {
                    file: self.file.to_owned(),
                    limit_mib: self.bytes_max / (1024 * 1024),
                });
            }
            each(number, self.plain(number, &line, read)?)?;
        }
        Ok(())
    }

    /// The line as text without line end and byte order mark.
    fn plain<'l>(&self, number: u64, line: &'l [u8], read: u64) -> Result<&'l str, TapeError> {
        let binary = || TapeError::Binary {
            file: self.file.to_owned(),
        };
        let text = std::str::from_utf8(line).map_err(|_| binary())?;
        if read > LINE_BYTES_MAX || text.contains('\0') {
            return Err(binary());
        }
        let text = text.trim_end_matches(['\n', '\r']);
        if number == 1 {
            Ok(text.trim_start_matches('\u{feff}'))
        } else {
            Ok(text)
        }
    }

    fn failed(&self, source: std::io::Error) -> TapeError {
        let file = self.file.to_owned();
        if matches!(
            source.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput
        ) {
            TapeError::Damaged {
                file,
                reason: source.to_string(),
            }
        } else {
            TapeError::Unreadable { file, source }
        }
    }
}
