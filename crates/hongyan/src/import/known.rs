//! The lines that were accepted already. Lines are identified by their content, not by their position.
//!
//! A file may be edited between two runs: a corrected line becomes longer, lines are added before it, other lines are
//! removed. Line numbers and offsets would then point at the wrong lines; contents do not.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::text::say;

/// How many bytes identify a line. With sixteen bytes, a collision among a billion lines is practically impossible.
const MARK_BYTES: usize = 16;

/// The hash of a line's content. Spaces, the order of members and the line ending do not change the hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Mark([u8; MARK_BYTES]);

impl Mark {
    /// The mark of a message or a permit in the form in which it is sent.
    pub(super) fn of(value: &Value) -> Self {
        // serde_json sorts the members of an object by name.
        let digest = Sha256::digest(value.to_string().as_bytes());
        let mut mark = [0; MARK_BYTES];
        mark.copy_from_slice(&digest[..MARK_BYTES]);
        Self(mark)
    }

    fn from_hex(text: &str) -> Option<Self> {
        let mut mark = [0; MARK_BYTES];
        hex::decode_to_slice(text, &mut mark).ok()?;
        Some(Self(mark))
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Mark {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Mark {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("not 32 hexadecimal digits"))
    }
}

/// Marks, each with the number of lines that it still stands for.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Sorted by mark.
    counted: Vec<(Mark, u32)>,
    total: u64,
}

impl Known {
    pub(super) fn new(mut marks: Vec<Mark>) -> Self {
        marks.sort_unstable();
        let total = marks.len() as u64;
        let mut counted: Vec<(Mark, u32)> = Vec::new();
        for mark in marks {
            match counted.last_mut() {
                Some((last, count)) if *last == mark => *count = count.saturating_add(1),
                _ => counted.push((mark, 1)),
            }
        }
        Self { counted, total }
    }

    /// The number of lines at the beginning.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// Whether a line is known. Each known line counts once.
    pub(super) fn take(&mut self, mark: Mark) -> bool {
        let Ok(at) = self.counted.binary_search_by_key(&mark, |&(mark, _)| mark) else { return false };
        let count = &mut self.counted[at].1;
        let is_left = *count > 0;
        *count = count.saturating_sub(1);
        is_left
    }
}

/// The file with the marks of all accepted lines, one after the other. The file only grows at its end, so recording a
/// batch costs as much as the batch.
pub(super) struct Record {
    path: PathBuf,
    file: File,
}

impl Record {
    /// Opens the record or makes it, and locks it. A half-written mark after a crash is cut off.
    ///
    /// # Errors
    /// When the record cannot be read, or when another import uses it.
    pub(super) fn open(path: PathBuf) -> Result<(Self, Vec<Mark>), Failure> {
        let cannot = |error: std::io::Error| Failure::cannot_read(&path, &error);
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(&path).map_err(cannot)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::run(say!(
                    "另一个导入正在使用 {}；请等它结束，或停止它",
                    "another import uses {}; wait until that import ends, or stop it",
                    path.display()
                )));
            }
            // Some network file systems have no locks. There the user must not run two imports of one file at once.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(cannot)?;
        let (whole, rest) = bytes.as_chunks::<MARK_BYTES>();
        let marks: Vec<Mark> = whole.iter().map(|&mark| Mark(mark)).collect();
        if !rest.is_empty() {
            let end = (bytes.len() - rest.len()) as u64;
            file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end))).map_err(cannot)?;
        }
        Ok((Self { path, file }, marks))
    }

    /// Forgets all lines.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub(super) fn clear(&mut self) -> Result<(), Failure> {
        let cleared = self.file.set_len(0).and_then(|()| self.file.rewind());
        cleared.map_err(|error| Failure::cannot_write(&self.path, &error))
    }

    /// Adds lines; with `durably` the record survives a power cut.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub(super) fn add(&mut self, marks: &[Mark], durably: bool) -> Result<(), Failure> {
        let bytes: Vec<u8> = marks.iter().flat_map(|mark| mark.0).collect();
        let written =
            self.file.write_all(&bytes).and_then(|()| if durably { self.file.sync_data() } else { Ok(()) });
        written.map_err(|error| Failure::cannot_write(&self.path, &error))
    }
}

/// Sixteen hexadecimal digits that identify a text. Idempotency keys contain them, so this function must never change.
pub(super) fn hash(text: &[u8]) -> String {
    let digest = Sha256::digest(text);
    let number = digest.iter().take(8).fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    format!("{number:016x}")
}

/// Removes a file if it exists.
///
/// # Errors
/// When the file exists and cannot be removed.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::cannot_write(path, &error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mark(text: &str) -> Mark {
        Mark::of(&json!(text))
    }

    #[test]
    fn a_line_is_known_by_what_it_says_and_not_by_how_it_is_written() {
        let read = |text: &str| Mark::of(&serde_json::from_str(text).unwrap());
        assert_eq!(read(r#"{"a":1,"b":{"c":2,"d":3}}"#), read(r#" { "b" : {"d":3, "c":2}, "a":1 }"#));
        assert_ne!(read(r#"{"a":1}"#), read(r#"{"a":"1"}"#));
        let one = mark("x");
        assert_eq!(serde_json::from_str::<Mark>(&serde_json::to_string(&one).unwrap()).unwrap(), one);
        for wrong in ["\"\"", "\"0\"", "\"zz\"", "7"] {
            assert!(serde_json::from_str::<Mark>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_line_that_was_accepted_twice_is_known_twice() {
        let mut known = Known::new(vec![mark("a"), mark("b"), mark("a")]);
        assert_eq!(known.total(), 3);
        let taken: Vec<bool> = ["a", "c", "a", "a", "b"].map(|text| known.take(mark(text))).to_vec();
        assert_eq!(taken, [true, false, true, false, true]);
    }

    #[test]
    fn a_record_keeps_what_was_added_and_drops_a_half_written_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        let (mut record, marks) = Record::open(path.clone()).unwrap();
        assert_eq!(marks, []);
        record.add(&[mark("a"), mark("b")], false).unwrap();
        assert!(Record::open(path.clone()).is_err(), "one import at a time");
        drop(record);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"half");
        std::fs::write(&path, bytes).unwrap();
        let (mut record, marks) = Record::open(path.clone()).unwrap();
        assert_eq!(marks, [mark("a"), mark("b")]);
        record.add(&[mark("c")], true).unwrap();
        drop(record);
        let (mut record, marks) = Record::open(path.clone()).unwrap();
        assert_eq!(marks, [mark("a"), mark("b"), mark("c")]);
        record.clear().unwrap();
        record.add(&[mark("d")], false).unwrap();
        drop(record);
        assert_eq!(Record::open(path).unwrap().1, [mark("d")]);
    }
}
