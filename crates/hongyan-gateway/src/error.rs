//! Why the gateway did not start, or failed.

use hongyan_store::StoreError;
use hongyan_wechat::ClientError;

use crate::config::ConfigError;
use crate::setup::StepName;
use crate::webhooks;

/// Why the gateway did not start, or failed.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be opened, or fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The client to WeChat cannot be created.
    #[error(transparent)]
    Wechat(#[from] ClientError),
    /// The client to webhooks cannot be created.
    #[error(transparent)]
    Webhooks(#[from] webhooks::ClientError),
    /// The database was not copied before an upgrade of its schema. It was not changed.
    #[error(
        "the schema of the database must be upgraded, and the database could not be copied to {path} before: {why}; make \
         space on the disk, or make a backup elsewhere and set copy_before_upgrade = false"
    )]
    Copy {
        /// The path of the copy.
        path: String,
        /// Why it was not made.
        why: String,
    },
    /// A step of the set-up failed.
    #[error("the configuration could not be applied: {step}: {why}")]
    Setup {
        /// The step.
        step: StepName,
        /// Why it failed.
        why: String,
    },
    /// Traces cannot be exported.
    #[error("otlp_endpoint: traces cannot be exported: {0}")]
    Traces(String),
    /// The data directory cannot be used.
    #[error(
        "cannot use the data directory {path}: {why}; create the directory, or set data_dir to \
         a directory that this user may write"
    )]
    DataDir {
        /// The path of the data directory.
        path: String,
        /// The error of the system.
        why: String,
    },
    /// The listener failed.
    #[error("the HTTP listener failed: {0}")]
    Listen(#[from] std::io::Error),
}
