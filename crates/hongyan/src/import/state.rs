//! The memory of an import between its runs: a small state file beside the imported file, and a record of the accepted
//! lines.
//!
//! Only accepted lines are remembered. So a repeated command sends all other lines of the file: added lines, corrected
//! lines, and lines that were refused before and may be accepted today.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::known::{Known, Mark, Record, hash, remove};
use crate::beside::{sync_directory, with_suffix};
use crate::failure::Failure;
use crate::output;
use crate::text::say;

/// The version of the state file. The first form had no version: it remembered how far an import had come, and not which
/// lines were refused.
const VERSION: u32 = 2;

/// The version of a file without a version.
const FIRST_VERSION: u32 = 0;

/// The content of the state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    #[serde(default)]
    version: u32,
    /// What was imported: `messages` or `permits`.
    what: String,
    /// The last run has an answer for each line up to this line.
    line: u64,
    /// How many lines were accepted: the record has at least so many.
    #[serde(default)]
    accepted: u64,
    /// Lines that cannot be repeated and may have been accepted: their answer was lost, or a run was interrupted while it
    /// sent them.
    #[serde(default)]
    doubtful: Vec<Mark>,
    /// Only in the first form: lines up to this line were about to be sent.
    #[serde(default, skip_serializing)]
    sending: u64,
    /// Only in the first form: the beginning of the file; absent for standard input.
    #[serde(default, skip_serializing)]
    begins: Option<Beginning>,
    /// The gateway of the last run.
    #[serde(default)]
    gateway: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Beginning {
    bytes: u64,
    hash: String,
}

/// The state of an import by an older version, which remembered only how far it had come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Older {
    /// Lines up to this line had their answers: most were accepted, some may have been refused.
    pub(super) line: u64,
    /// Lines up to this line may have been sent.
    pub(super) sending: u64,
    begins: Option<Beginning>,
}

impl Older {
    /// Whether the state belongs to this file, judged by the beginning of the file.
    pub(super) fn is_of(&self, file: &Path) -> std::io::Result<bool> {
        let Some(Beginning { bytes, hash: expected }) = &self.begins else { return Ok(true) };
        let mut text = Vec::new();
        File::open(file)?.take(*bytes).read_to_end(&mut text)?;
        Ok(hash(&text) == *expected)
    }
}

/// The state of the running import.
pub(super) struct State {
    file: Option<PathBuf>,
    record: Option<Record>,
    stored: Stored,
    /// Lines in flight that cannot be repeated.
    under_way: Vec<Mark>,
    /// Each line of this run up to this line has its answer.
    pub(super) line: u64,
}

/// What earlier runs remembered.
#[derive(Debug, Clone, Default)]
pub(super) struct Earlier {
    /// Accepted lines.
    pub(super) accepted: Known,
    /// Lines that may have been accepted and must not be repeated.
    pub(super) doubtful: Known,
    /// The state of an older version, in place of the other two.
    pub(super) older: Option<Older>,
}

/// The default path of the state for this file.
pub(super) fn beside(imported: &Path) -> PathBuf {
    with_suffix(imported, ".import-state")
}

impl State {
    /// Reads the state, or starts a new state. Without a path nothing is remembered.
    ///
    /// # Errors
    /// When the state cannot be read, or belongs to another kind of import.
    pub(super) fn open(
        file: Option<PathBuf>,
        kind: Kind,
        gateway: &str,
        restart: bool,
    ) -> Result<(Self, Earlier), Failure> {
        let fresh = Stored {
            version: VERSION,
            what: kind.name().to_owned(),
            line: 0,
            accepted: 0,
            doubtful: Vec::new(),
            sending: 0,
            begins: None,
            gateway: gateway.to_owned(),
        };
        let Some(path) = file else {
            let state = Self { file: None, record: None, stored: fresh, under_way: Vec::new(), line: 0 };
            return Ok((state, Earlier::default()));
        };
        let (mut record, marks) = Record::open(with_suffix(&path, ".lines"))?;
        if restart {
            // The state file is removed first: a record without a state file does not count.
            remove(&path)?;
        }
        let Some(stored) = read(&path)? else {
            record.clear()?;
            let (file, record) = (Some(path), Some(record));
            let state = Self { file, record, stored: fresh, under_way: Vec::new(), line: 0 };
            state.write(false)?;
            return Ok((state, Earlier::default()));
        };
        check(&path, &stored, kind, marks.len() as u64)?;
        if stored.version == FIRST_VERSION {
            // The state file stays unchanged until its content is understood.
            record.clear()?;
            let Stored { line, sending, begins, .. } = stored;
            let older = Some(Older { line, sending, begins });
            let state = Self {
                file: Some(path),
                record: Some(record),
                stored: fresh,
                under_way: Vec::new(),
                line: 0,
            };
            return Ok((state, Earlier { older, ..Earlier::default() }));
        }
        if stored.gateway != gateway && !marks.is_empty() {
            output::warn(say!(
                "以前把这个文件导入到 {}，这次导入到 {gateway}；在那里已接受的行，这里会跳过。--restart 会在这里发送它们，\
                 --state FILE 为每个网关各用一个状态文件",
                "earlier runs imported this file to {}, and this run imports it to {gateway}; lines that were accepted \
                 there are skipped here. --restart sends them here, --state FILE keeps a separate state for each gateway",
                stored.gateway
            ));
        }
        // Marks in the record beyond the state's count were accepted just before a run was interrupted.
        let mut accepted_last = Known::new(marks[stored.accepted as usize..].to_vec());
        let doubtful: Vec<Mark> =
            stored.doubtful.iter().copied().filter(|&mark| !accepted_last.take(mark)).collect();
        let stored = Stored {
            accepted: marks.len() as u64,
            doubtful: doubtful.clone(),
            gateway: gateway.to_owned(),
            ..stored
        };
        let earlier = Earlier { accepted: Known::new(marks), doubtful: Known::new(doubtful), older: None };
        let state = Self { file: Some(path), record: Some(record), stored, under_way: Vec::new(), line: 0 };
        Ok((state, earlier))
    }

    /// Takes over the state of an older version, line by line.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub(super) fn take_over(&mut self, accepted: &[Mark], doubtful: &[Mark]) -> Result<Earlier, Failure> {
        self.answered(accepted, doubtful)?;
        self.write(true)?;
        Ok(Earlier {
            accepted: Known::new(accepted.to_vec()),
            doubtful: Known::new(doubtful.to_vec()),
            older: None,
        })
    }

    /// The path of the state file.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Records that these lines are about to be sent and cannot be repeated. Until their answer arrives they are in
    /// doubt, even if the process or the machine stops meanwhile.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub(super) fn about_to_send(&mut self, unrepeatable: Vec<Mark>) -> Result<(), Failure> {
        self.under_way = unrepeatable;
        if self.under_way.is_empty() { Ok(()) } else { self.write(true) }
    }

    /// Records the answers: `accepted` lines were accepted, `doubtful` lines may have been. All other lines were refused.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub(super) fn answered(&mut self, accepted: &[Mark], doubtful: &[Mark]) -> Result<(), Failure> {
        let was_doubtful = !self.under_way.is_empty();
        if let Some(record) = &mut self.record {
            record.add(accepted, was_doubtful)?;
        }
        self.stored.accepted += accepted.len() as u64;
        self.stored.doubtful.extend_from_slice(doubtful);
        self.under_way.clear();
        if was_doubtful { self.write(true) } else { Ok(()) }
    }

    /// Records that each line up to this line has its answer.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub(super) fn passed(&mut self, line: u64) -> Result<(), Failure> {
        self.line = line;
        self.stored.line = line;
        self.write(false)
    }

    /// Replaces the file in one step, so that a crash leaves the old state or the new state.
    fn write(&self, durably: bool) -> Result<(), Failure> {
        let Some(path) = &self.file else { return Ok(()) };
        let mut stored = self.stored.clone();
        stored.doubtful.extend_from_slice(&self.under_way);
        let draft = with_suffix(path, ".new");
        let text = serde_json::to_vec(&stored).map_err(|error| {
            Failure::run(say!("状态不能写成 JSON：{error}", "cannot write the state as JSON: {error}"))
        })?;
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(&text)?;
            if durably {
                file.sync_data()?;
            }
            std::fs::rename(&draft, path)?;
            if durably { sync_directory(path) } else { Ok(()) }
        };
        write().map_err(|error| Failure::cannot_write(path, &error))
    }
}

fn read(path: &Path) -> Result<Option<Stored>, Failure> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::cannot_read(path, &error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        Failure::run(say!(
            "{} 不是导入的状态文件：{error}；请用 --state 指定另一个文件",
            "{} is not the state file of an import: {error}; name another file with --state",
            path.display()
        ))
    })
}

fn check(path: &Path, stored: &Stored, kind: Kind, recorded: u64) -> Result<(), Failure> {
    let restart = say!(
        "--restart 从第一行开始；以前已接受的行不会重复发送，订阅除外",
        "--restart begins at the first line; lines accepted before are not repeated, except subscriptions"
    );
    if stored.what != kind.name() {
        return Err(Failure::run(say!(
            "{} 是导入 {} 的状态文件；--restart 从头开始，--state 把这次导入的状态记在另一个文件",
            "{} is the state file of an import of {}; --restart begins again, --state keeps the state of this import in \
             another file",
            path.display(),
            stored.what
        )));
    }
    if !matches!(stored.version, FIRST_VERSION | VERSION) {
        let path = path.display();
        return Err(Failure::run(say!(
            "{path} 由另一个版本的 hongyan 写成；{restart}",
            "{path} was written by another version of hongyan; {restart}";
            restart
        )));
    }
    if recorded < stored.accepted {
        let (record, accepted) = (with_suffix(path, ".lines"), stored.accepted);
        let (path, record) = (path.display(), record.display());
        return Err(Failure::run(say!(
            "{path} 记有 {accepted} 行已接受，但 {record} 里只有 {recorded} 行；{restart}",
            "{path} counts {accepted} accepted lines, but {record} has only {recorded}; {restart}";
            restart
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mark(text: &str) -> Mark {
        Mark::of(&json!(text))
    }

    struct Dir(tempfile::TempDir);

    impl Dir {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self) -> PathBuf {
            beside(&self.0.path().join("all.ndjson"))
        }

        fn open(&self, kind: Kind, restart: bool) -> Result<(State, Earlier), Failure> {
            State::open(Some(self.file()), kind, "http://127.0.0.1:8780", restart)
        }
    }

    #[test]
    fn accepted_lines_are_known_to_the_next_run_and_to_no_other_import() {
        let dir = Dir::new();
        let (mut state, earlier) = dir.open(Kind::Messages, false).unwrap();
        assert_eq!(earlier.accepted.total(), 0);
        state.answered(&[mark("a"), mark("b")], &[]).unwrap();
        state.passed(3).unwrap();
        drop(state);
        assert!(dir.open(Kind::Permits, false).is_err());
        let (state, mut earlier) = dir.open(Kind::Messages, false).unwrap();
        assert!(earlier.accepted.take(mark("b")) && !earlier.accepted.take(mark("c")));
        drop(state);
        let (state, earlier) = dir.open(Kind::Messages, true).unwrap();
        assert_eq!((state.line, earlier.accepted.total()), (0, 0));
        drop(state);
        assert_eq!(
            dir.open(Kind::Messages, false).unwrap().1.accepted.total(),
            0,
            "the forgotten lines stay forgotten"
        );
    }

    #[test]
    fn a_run_that_was_cut_short_leaves_what_it_sent_in_doubt() {
        let dir = Dir::new();
        let (mut state, _) = dir.open(Kind::Permits, false).unwrap();
        state.about_to_send(vec![mark("a"), mark("b"), mark("c")]).unwrap();
        // The process dies here, before any answer.
        drop(state);
        let (mut state, mut earlier) = dir.open(Kind::Permits, false).unwrap();
        assert_eq!(earlier.doubtful.total(), 3);
        assert!(earlier.doubtful.take(mark("a")));
        // The process dies here: the record has an answer that the state does not have.
        state.record.as_mut().unwrap().add(&[mark("b")], true).unwrap();
        drop(state);
        let (mut state, mut earlier) = dir.open(Kind::Permits, false).unwrap();
        assert_eq!(earlier.doubtful.total(), 2);
        assert!(!earlier.doubtful.take(mark("b")) && earlier.accepted.take(mark("b")));
        // An answered line is not in doubt any more; older doubts stay.
        state.about_to_send(vec![mark("d"), mark("e"), mark("f")]).unwrap();
        state.answered(&[mark("d")], &[mark("e")]).unwrap();
        drop(state);
        let (_, mut earlier) = dir.open(Kind::Permits, false).unwrap();
        let doubtful: Vec<bool> =
            ["a", "c", "d", "e", "f"].map(|text| earlier.doubtful.take(mark(text))).to_vec();
        assert_eq!(doubtful, [true, true, false, true, false]);
    }

    #[test]
    fn a_state_that_cannot_be_trusted_is_refused_with_what_to_do() {
        let dir = Dir::new();
        let older = json!({ "what": "messages", "begins": { "bytes": 3, "hash": "x" }, "line": 151, "offset": 9, "sending": 151 });
        let mut newer = older.clone();
        newer["version"] = 3.into();
        std::fs::write(dir.file(), newer.to_string()).unwrap();
        let error = dir.open(Kind::Messages, false).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("another version") && error.contains("--restart"), "{error}");
        // The state of an older version stays until it is taken over.
        std::fs::write(dir.file(), older.to_string()).unwrap();
        for _ in 0..2 {
            let (_, earlier) = dir.open(Kind::Messages, false).unwrap();
            assert_eq!(earlier.older.map(|older| (older.line, older.sending)), Some((151, 151)));
        }
        let (mut state, _) = dir.open(Kind::Messages, false).unwrap();
        state.take_over(&[mark("a")], &[mark("b")]).unwrap();
        drop(state);
        let (state, mut earlier) = dir.open(Kind::Messages, false).unwrap();
        assert!(
            earlier.accepted.take(mark("a")) && earlier.doubtful.take(mark("b")) && earlier.older.is_none()
        );
        drop(state);
        drop(dir.open(Kind::Messages, true).unwrap());
        let (mut state, _) = dir.open(Kind::Messages, false).unwrap();
        state.answered(&[mark("a")], &[]).unwrap();
        state.passed(1).unwrap();
        drop(state);
        std::fs::remove_file(with_suffix(&dir.file(), ".lines")).unwrap();
        assert!(dir.open(Kind::Messages, false).is_err());
        std::fs::write(dir.file(), "nonsense").unwrap();
        assert!(dir.open(Kind::Messages, false).is_err());
    }
}
