//! The state file: read when the sandbox starts, written when it stops.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::SandboxError;
use crate::state::State;

/// The version of the file's form. A file of another version is refused.
const VERSION: u32 = 2;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    state: &'a State,
}

#[derive(Deserialize)]
struct Read {
    state: State,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The state in the file; `None` if the file does not exist yet.
pub(crate) fn load(path: &Path) -> Result<Option<State>, SandboxError> {
    let io_error = |source| SandboxError::StateFile { path: path.to_owned(), source };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(error)),
    };
    from_bytes(&bytes).map(Some).map_err(|why| match why {
        NotAState::Version { found, expected } => {
            SandboxError::StateVersion { path: path.to_owned(), found, expected }
        }
        NotAState::Format(source) => SandboxError::StateFormat { path: path.to_owned(), source },
    })
}

/// Why a document is not a state.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAState {
    /// The document was written by another version of the sandbox.
    #[error("the document has version {found}, this sandbox reads version {expected}")]
    Version {
        /// Its version.
        found: u32,
        /// The version that this sandbox reads.
        expected: u32,
    },
    /// The document is damaged, or is something else.
    #[error("the document cannot be read: {0}")]
    Format(#[from] serde_json::Error),
}

/// Reads a state from a document.
pub(crate) fn from_bytes(bytes: &[u8]) -> Result<State, NotAState> {
    let Version { version } = serde_json::from_slice(bytes)?;
    if version != VERSION {
        return Err(NotAState::Version { found: version, expected: VERSION });
    }
    let Read { state } = serde_json::from_slice(bytes)?;
    Ok(state)
}

/// The state in the form of the file.
pub(crate) fn to_bytes(state: &State) -> Vec<u8> {
    serde_json::to_vec(&Written { version: VERSION, state })
        .expect("every key of the state's maps is a text, so it can be written as JSON")
}

/// Replaces the file so that a crash at any moment leaves the old file or the new file, whole.
pub(crate) fn save(path: &Path, bytes: &[u8]) -> Result<(), SandboxError> {
    let io_error = |source| SandboxError::StateFile { path: path.to_owned(), source };
    let mut new_name = path.as_os_str().to_owned();
    new_name.push(".new");
    let mut file = File::create(&new_name).map_err(io_error)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_error)?;
    fs::rename(&new_name, path).map_err(io_error)?;
    // Syncing the directory makes the rename durable.
    let directory = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|d| d.sync_all()).map_err(io_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_the_same_after_it_was_saved_and_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.json");
        assert!(load(&path).unwrap().is_none());
        let bytes = to_bytes(&State::fresh());
        save(&path, &bytes).unwrap();
        save(&path, &bytes).unwrap();
        let loaded = load(&path).unwrap().unwrap();
        let compare = |b: &[u8]| serde_json::from_slice::<serde_json::Value>(b).unwrap();
        assert_eq!(compare(&to_bytes(&loaded)), compare(&bytes));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_file_of_another_version_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.json");
        fs::write(&path, r#"{"version":99,"anything":true}"#).unwrap();
        assert!(matches!(load(&path), Err(SandboxError::StateVersion { found: 99, .. })));
        fs::write(&path, "half a fi").unwrap();
        assert!(matches!(load(&path), Err(SandboxError::StateFormat { .. })));
    }
}
