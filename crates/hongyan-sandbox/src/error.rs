//! Why a sandbox fails, in words.

use std::path::PathBuf;

/// Why a sandbox cannot start or cannot save its state.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The file cannot be read or written.
    #[error("state file {}: {source}", path.display())]
    StateFile {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The file is not a state file of a sandbox.
    #[error("state file {} cannot be read: {source}; delete the file to start with a new state", path.display())]
    StateFormat {
        /// The file.
        path: PathBuf,
        /// The place and the reason.
        source: serde_json::Error,
    },
    /// The file was written by another version of the sandbox.
    #[error(
        "state file {} has version {found}, this sandbox needs version {expected}; delete the file to start with a new state",
        path.display()
    )]
    StateVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that this sandbox reads.
        expected: u32,
    },
    /// The listener failed.
    #[error("the sandbox cannot accept connections: {0}")]
    Listen(std::io::Error),
}
