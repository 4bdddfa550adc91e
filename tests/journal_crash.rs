//! What a crash, a torn file or a flipped bit may cost: never an earlier record in silence.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure here is a failed test"
)]

use std::fs;
use std::path::Path;

use plimsoll::domain::Timestamp;
use plimsoll::guard::event::Mode;
use plimsoll::guard::journal::Entry;
use plimsoll::journal::{
    Corrupt, FILE_NAME, Filter, InstanceLock, Journal, JournalError, LockError,
};

/// Records in the journals that get harmed.
const COUNT: i64 = 60;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn note(n: i64) -> Entry {
    Entry::Foreign {
        text: format!("record number {n} with some text to fill a page sooner"),
    }
}

/// The records that can be trusted, and how many places say that something is wrong.
fn good(journal: &Journal) -> Result<(Vec<(u64, Entry)>, usize), JournalError> {
    let all = journal.entries(&Filter::default())?;
    let total = all.len();
    let good: Vec<_> = all
        .into_iter()
        .filter_map(|stored| Some((stored.id, stored.entry.ok()?)))
        .collect();
    let bad = total - good.len();
    Ok((good, bad))
}

fn copy(from: &Path, to: &Path) {
    for item in fs::read_dir(from).expect("dir") {
        let item = item.expect("item");
        fs::copy(item.path(), to.join(item.file_name())).expect("copied");
    }
}

/// A journal of `count` records; `killed`: copied while open, as a killed process leaves it.
fn sample(count: i64, killed: bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("dir");
    let mut journal = Journal::open(dir.path()).expect("journal");
    for n in 0..count {
        journal.append(at(n), &note(n)).expect("written");
    }
    if killed {
        let left = tempfile::tempdir().expect("dir");
        copy(dir.path(), left.path());
        let _gone = fs::remove_file(left.path().join(format!("{FILE_NAME}-shm")));
        return left;
    }
    drop(journal);
    dir
}

/// In memory where the system offers it: hundreds of copies need not wait for a disk.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("dir")
}

/// Harms `file` of a copy of `sample` and reads it. Whatever comes back must be what was written.
/// `all_told`: missing records must be reported; otherwise the records before the damage must be
/// complete. Returns whether anything was noticed.
fn harm(
    sample: &Path,
    file: &str,
    all_told: bool,
    what: &str,
    harm: impl Fn(&mut Vec<u8>),
) -> bool {
    let dir = scratch();
    for item in fs::read_dir(sample).expect("dir") {
        let item = item.expect("item");
        let mut bytes = fs::read(item.path()).expect("file");
        if item.file_name() == file {
            harm(&mut bytes);
        }
        fs::write(dir.path().join(item.file_name()), bytes).expect("copied");
    }
    let Ok(journal) = Journal::open(dir.path()) else {
        return true;
    };
    let Ok((records, bad)) = good(&journal) else {
        return true;
    };
    for (id, entry) in &records {
        let n = i64::try_from(*id).expect("small") - 1;
        assert_eq!(*entry, note(n), "{what}: a wrong record passed");
    }
    let ids: Vec<u64> = records.iter().map(|(id, _)| *id).collect();
    assert!(ids.is_sorted(), "{what}: out of order");
    if all_told {
        let complete = ids.len() as i64 == COUNT;
        assert!(
            complete || bad > 0,
            "{what}: {} records, not a word",
            ids.len()
        );
    } else if bad == 0 {
        let prefix: Vec<u64> = (1..=ids.len() as u64).collect();
        assert_eq!(ids, prefix, "{what}: a gap without a word");
    }
    // The second walk stands for itself: SQLite may judge a page that it holds already more mildly.
    if let (true, Ok((_, damage))) = (all_told, journal.recover_with_damage(at(100))) {
        let complete = ids.len() as i64 == COUNT;
        assert!(
            complete || !damage.is_empty(),
            "{what}: recovered in silence"
        );
    }
    bad > 0
}

fn length(dir: &Path, file: &str) -> usize {
    fs::read(dir.join(file)).expect("file").len()
}

#[test]
fn a_process_that_dies_without_closing_loses_nothing() {
    let left = sample(50, true);
    assert!(left.path().join(format!("{FILE_NAME}-wal")).exists());
    let mut journal = Journal::open(left.path()).expect("journal");
    let (records, bad) = good(&journal).expect("read");
    assert_eq!((records.len(), bad), (50, 0));
    journal.append(at(50), &note(50)).expect("written");
    let (records, _) = good(&journal).expect("read");
    assert_eq!(records.last(), Some(&(51, note(50))));
}

#[test]
fn a_journal_keeps_its_instance_word_and_two_journals_differ() {
    let (one, two) = (sample(0, false), sample(0, false));
    let word = |dir: &Path| Journal::open(dir).expect("journal").instance();
    let first = word(one.path());
    assert_eq!(first.len(), 8);
    assert!(
        first
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    );
    assert_eq!(first, word(one.path()));
    assert_ne!(first, word(two.path()));
}

#[test]
fn no_flipped_byte_of_the_file_loses_a_record_in_silence() {
    let sample = sample(COUNT, false);
    let length = length(sample.path(), FILE_NAME);
    let mut noticed = 0;
    // Dense over the file header, then a stride that visits every part of a page.
    for offset in (0..140).chain((140..length).step_by(61)) {
        for mask in [0x01, 0x80, 0xff] {
            let what = format!("flip {mask:#x} at {offset}");
            noticed += usize::from(harm(sample.path(), FILE_NAME, true, &what, |bytes| {
                bytes[offset] ^= mask;
            }));
        }
    }
    assert!(noticed > 100, "the flips must hit something: {noticed}");
}

#[test]
fn no_truncation_of_the_file_loses_a_record_in_silence() {
    let sample = sample(COUNT, false);
    for keep in (0..length(sample.path(), FILE_NAME)).step_by(509) {
        let what = format!("cut at {keep}");
        let noticed = harm(sample.path(), FILE_NAME, true, &what, |bytes| {
            bytes.truncate(keep)
        });
        assert!(noticed, "{what}");
    }
}

#[test]
fn a_damaged_write_ahead_log_keeps_all_records_before_the_damage() {
    let sample = sample(COUNT, true);
    let wal = format!("{FILE_NAME}-wal");
    let length = length(sample.path(), &wal);
    for offset in (0..length).step_by(length / 24) {
        let what = format!("log harmed at {offset}");
        harm(sample.path(), &wal, false, &what, |bytes| {
            bytes[offset] ^= 0x10
        });
        harm(sample.path(), &wal, false, &what, |bytes| {
            bytes.truncate(offset)
        });
    }
}

#[test]
fn a_journal_that_cannot_be_used_can_be_set_aside() {
    let dir = sample(5, false);
    fs::write(dir.path().join(FILE_NAME), b"not a database at all").expect("harmed");
    let opened = Journal::open(dir.path());
    assert!(matches!(opened, Err(JournalError::Unusable { .. })));
    let kept = Journal::set_aside(dir.path(), at(77)).expect("renamed");
    assert_eq!(kept, dir.path().join("journal.sqlite3.damaged-77"));
    assert!(kept.exists());
    let journal = Journal::open(dir.path()).expect("a new one");
    assert_eq!(journal.entries(&Filter::default()).expect("read"), []);
}

#[test]
fn a_log_without_its_database_is_never_replayed_into_a_new_one() {
    let dir = sample(5, true);
    fs::remove_file(dir.path().join(FILE_NAME)).expect("removed");
    let opened = Journal::open(dir.path());
    assert!(matches!(opened, Err(JournalError::Unusable { .. })));
    Journal::set_aside(dir.path(), at(1)).expect("renamed");
    let journal = Journal::open(dir.path()).expect("a new one");
    assert_eq!(journal.entries(&Filter::default()).expect("read"), []);
}

#[test]
fn a_file_cut_to_nothing_is_damage_and_not_a_new_journal() {
    let dir = sample(5, false);
    fs::write(dir.path().join(FILE_NAME), b"").expect("cut");
    let opened = Journal::open(dir.path());
    assert!(matches!(opened, Err(JournalError::Unusable { .. })));
}

#[test]
fn filters_keep_the_newest_and_never_hide_damage() {
    let dir = sample(10, false);
    let mut journal = Journal::open(dir.path()).expect("journal");
    let mode = Entry::Mode { mode: Mode::Ask };
    journal.append(at(10), &mode).expect("written");
    drop(journal);
    let path = dir.path().join(FILE_NAME);
    let mut bytes = fs::read(&path).expect("file");
    let hit = b"record number 3".as_slice();
    let place = bytes
        .windows(hit.len())
        .position(|w| w == hit)
        .expect("stored");
    bytes[place] = b'R';
    fs::write(&path, bytes).expect("harmed");
    let journal = Journal::open_read_only(dir.path()).expect("journal");
    let since = Filter {
        since: Some(at(8)),
        ..Filter::default()
    };
    let found = journal.entries(&since).expect("read");
    let ids: Vec<u64> = found.iter().map(|stored| stored.id).collect();
    assert_eq!(ids, [4, 9, 10, 11]);
    assert_eq!(found[0].entry, Err(Corrupt::Checksum));
    let newest = Filter {
        limit: Some(2),
        ..Filter::default()
    };
    assert_eq!(journal.entries(&newest).expect("read").len(), 2);
}

#[test]
fn reading_beside_a_running_writer_works_and_a_missing_journal_is_named() {
    let dir = tempfile::tempdir().expect("dir");
    let error = Journal::open_read_only(dir.path()).expect_err("missing");
    let path = dir.path().join(FILE_NAME);
    assert_eq!(
        error.to_string(),
        format!("there is no journal at {}", path.display())
    );
    let mut writer = Journal::open(dir.path()).expect("journal");
    writer.append(at(1), &note(0)).expect("written");
    let reader = Journal::open_read_only(dir.path()).expect("journal");
    writer.append(at(2), &note(1)).expect("written");
    assert_eq!(good(&reader).expect("read").0.len(), 2);
}

#[cfg(unix)]
#[test]
fn directory_and_files_are_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).expect("meta").permissions().mode() & 0o777;
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    };
    let base = tempfile::tempdir().expect("dir");
    let dir = base.path().join("a/b");
    let mut journal = Journal::open(&dir).expect("journal");
    journal.append(at(1), &note(0)).expect("written");
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join(FILE_NAME)), 0o600);
    assert_eq!(mode(&dir.join(format!("{FILE_NAME}-wal"))), 0o600);
    drop(journal);
    set(&dir, 0o755);
    drop(Journal::open(&dir).expect("an own directory is closed again"));
    assert_eq!(mode(&dir), 0o700);
    fs::write(dir.join("holiday.jpg"), b"x").expect("written");
    set(&dir, 0o750);
    assert_eq!(
        Journal::open(&dir).expect_err("shared").to_string(),
        format!(
            "the directory {0} is open to other users (mode 750); run: chmod 700 {0}, or set another data_dir",
            dir.display()
        )
    );
    assert_eq!(
        mode(&dir),
        0o750,
        "a directory with other things is left alone"
    );
}

#[test]
fn a_second_agent_on_the_same_account_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("dir");
    let held = InstanceLock::acquire(dir.path(), "binance-usdm 1a2b").expect("locked");
    let error = InstanceLock::acquire(dir.path(), "binance-usdm 1a2b").expect_err("held");
    let own = std::process::id();
    assert!(matches!(&error, LockError::Held { pid, .. } if *pid == Some(own)));
    assert_eq!(
        error.to_string(),
        format!(
            "another plimsoll (process {own}) already guards this account from {}; stop it first, or give this one its own data_dir and account",
            held.path().display()
        )
    );
    let other = InstanceLock::acquire(dir.path(), "binance-usdm 9z9z").expect("another account");
    assert_ne!(other.path(), held.path());
    drop(held);
    InstanceLock::acquire(dir.path(), "binance-usdm 1a2b").expect("free again");
}
