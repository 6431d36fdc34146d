//! What can go wrong inside a transaction, before it is known which verb it was.

use crate::StoreError;

/// An error of a statement or of a row.
#[derive(Debug)]
pub(crate) enum RowError {
    /// The database refused a statement.
    Refused {
        /// What kind of refusal it is.
        kind: Refusal,
        /// The database's error message.
        why: String,
    },
    /// A row has a value that no version of the program writes, or the file is damaged.
    Corrupt(String),
    /// The caller cancelled the work.
    Stopped,
    /// The time limit passed before the query began.
    TookTooLong,
}

/// The kinds of refusal that a caller tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The file is damaged, or is not a database.
    Damaged,
    /// A time limit interrupted the statement.
    Interrupted,
    /// The disk has no space.
    Full,
    /// Any other reason.
    Failed,
}

/// The result of a verb inside its transaction, or of a query.
pub(crate) type RowResult<T> = Result<T, RowError>;

impl RowError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }

    /// Whether the disk or another process that holds the file is the cause, so that the next transaction may fail, too.
    pub(crate) fn is_the_disks(&self) -> bool {
        matches!(self.in_verb(""), StoreError::Full { .. } | StoreError::Failed { .. })
    }

    /// The error as the caller of the verb gets it.
    pub(crate) fn in_verb(&self, verb: &'static str) -> StoreError {
        match self {
            Self::Refused { kind: Refusal::Damaged, why } => {
                StoreError::Corrupt(format!("{why} (found while it was asked to {verb})"))
            }
            Self::Refused { kind: Refusal::Interrupted, .. } | Self::TookTooLong => {
                StoreError::TookTooLong { verb }
            }
            Self::Refused { kind: Refusal::Full, why } => StoreError::Full { verb, why: why.clone() },
            Self::Refused { kind: Refusal::Failed, why } => StoreError::Failed { verb, why: why.clone() },
            Self::Corrupt(what) => StoreError::Corrupt(what.clone()),
            Self::Stopped => StoreError::Failed { verb, why: "it was told to stop".into() },
        }
    }
}
