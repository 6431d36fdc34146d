//! Where an import was cut short: a small file beside the imported one.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lines::hash;
use super::{Kind, cannot_write};
use crate::backup::with_suffix;
use crate::failure::Failure;

/// So many bytes of a file's beginning tell it from another.
const BEGINNING: u64 = 4_096;

/// What stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// What was imported: `messages` or `permits`.
    what: String,
    /// The beginning of the imported file, hashed; absent for standard input.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    begins: Option<Beginning>,
    /// All lines up to this one have their answers.
    line: u64,
    /// Where that line ends.
    offset: u64,
    /// Lines up to this one were about to be sent.
    sending: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Beginning {
    bytes: u64,
    hash: String,
}

/// Where the import is.
pub(super) struct State {
    file: Option<PathBuf>,
    stored: Stored,
    /// All lines up to this one have their answers.
    pub(super) line: u64,
    /// Where that line ends.
    pub(super) offset: u64,
    /// Lines up to this one were perhaps sent by a run that was cut short.
    pub(super) in_doubt_up_to: u64,
    /// The size of the imported file, where it is known.
    pub(super) bytes: Option<u64>,
}

/// Where the state of an import of this file is kept.
pub(super) fn beside(imported: &Path) -> PathBuf {
    with_suffix(imported, ".import-state")
}

impl State {
    /// Reads the state, or begins anew. `imported` is `None` for standard input.
    ///
    /// # Errors
    /// When it cannot be read, or is that of another import.
    pub(super) fn open(
        file: Option<PathBuf>,
        imported: Option<&Path>,
        kind: Kind,
        restart: bool,
    ) -> Result<Self, Failure> {
        let cannot = |path: &Path, error: std::io::Error| {
            Failure::run(format!("cannot read {}: {error}", path.display()))
        };
        let known = match &file {
            Some(path) if path.exists() && !restart => {
                let text = std::fs::read(path).map_err(|error| cannot(path, error))?;
                let stored: Stored = serde_json::from_slice(&text).map_err(|error| {
                    Failure::run(format!("{} is no state of an import: {error}", path.display()))
                })?;
                Some(stored)
            }
            _ => None,
        };
        let bytes = match imported {
            None => None,
            Some(path) => {
                let about = std::fs::metadata(path).map_err(|error| cannot(path, error))?;
                // A pipe has no size, and no second beginning.
                about.is_file().then_some(about.len())
            }
        };
        let looked_at = known.as_ref().and_then(|known| known.begins.as_ref()).map(|begins| begins.bytes);
        let begins = match imported.filter(|_| bytes.is_some()) {
            None => None,
            Some(path) => {
                Some(beginning(path, looked_at.unwrap_or(BEGINNING)).map_err(|error| cannot(path, error))?)
            }
        };
        let stored = match known {
            Some(known) if known.what != kind.name() || known.begins != begins => {
                return Err(Failure::run(format!(
                    "{} is the state of another import; say --restart to begin anew, or --state to keep this one's \
                     elsewhere",
                    file.unwrap_or_default().display()
                )));
            }
            Some(known) => known,
            None => Stored { what: kind.name().to_owned(), begins, line: 0, offset: 0, sending: 0 },
        };
        let (line, offset, in_doubt_up_to) = (stored.line, stored.offset, stored.sending);
        Ok(Self { file, stored, line, offset, in_doubt_up_to, bytes })
    }

    /// The state's own file.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Lines up to this one are about to be sent.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub(super) fn about_to_send(&mut self, line: u64) -> Result<(), Failure> {
        self.stored.sending = self.stored.sending.max(line);
        self.write()
    }

    /// What was about to be sent was not.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub(super) fn nothing_was_sent(&mut self) -> Result<(), Failure> {
        self.stored.sending = self.in_doubt_up_to;
        self.write()
    }

    /// Lines up to this one have their answers.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub(super) fn sent(&mut self, line: u64, offset: u64) -> Result<(), Failure> {
        (self.stored.line, self.stored.offset) = (line, offset);
        (self.line, self.offset) = (line, offset);
        self.write()
    }

    /// In one step, so that a crash leaves the old state or the new one.
    fn write(&self) -> Result<(), Failure> {
        let Some(path) = &self.file else { return Ok(()) };
        let draft = with_suffix(path, ".new");
        let text = serde_json::to_vec(&self.stored)
            .map_err(|error| Failure::run(format!("cannot write the state as JSON: {error}")))?;
        std::fs::write(&draft, text)
            .and_then(|()| std::fs::rename(&draft, path))
            .map_err(|error| cannot_write(path, &error))
    }
}

fn beginning(path: &Path, bytes: u64) -> std::io::Result<Beginning> {
    let mut text = Vec::new();
    File::open(path)?.take(bytes).read_to_end(&mut text)?;
    Ok(Beginning { bytes: text.len() as u64, hash: hash(&text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_goes_on_where_it_was_and_not_with_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("all.ndjson");
        std::fs::write(&file, "{}\n{}\n").unwrap();
        let open = |kind, restart| State::open(Some(beside(&file)), Some(&file), kind, restart);
        let mut state = open(Kind::Messages, false).unwrap();
        assert_eq!((state.line, state.bytes), (0, Some(6)));
        state.about_to_send(1).unwrap();
        state.sent(1, 3).unwrap();
        state.about_to_send(2).unwrap();
        // A file to which lines were added is the same one still.
        std::fs::write(&file, "{}\n{}\n{}\n").unwrap();
        let state = open(Kind::Messages, false).unwrap();
        assert_eq!((state.line, state.offset, state.in_doubt_up_to), (1, 3, 2));
        assert!(open(Kind::Permits, false).is_err());
        std::fs::write(&file, "{\"another\":1}\n").unwrap();
        assert!(open(Kind::Messages, false).is_err());
        assert_eq!(open(Kind::Messages, true).unwrap().line, 0);
    }
}
