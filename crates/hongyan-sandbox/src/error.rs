//! Why a sandbox ends, in words.

use std::path::PathBuf;

/// Why a sandbox cannot start or cannot keep its memory.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The file cannot be read or written.
    #[error("state file {}: {source}", path.display())]
    StateFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not one of a sandbox.
    #[error("state file {} cannot be understood: {source}; delete it to begin anew", path.display())]
    StateFormat {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The file is one of another version of the sandbox.
    #[error(
        "state file {} has version {found}, this sandbox writes version {expected}; delete it to begin anew",
        path.display()
    )]
    StateVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that is understood.
        expected: u32,
    },
    /// The listener failed.
    #[error("the sandbox cannot accept connections: {0}")]
    Listen(std::io::Error),
}
