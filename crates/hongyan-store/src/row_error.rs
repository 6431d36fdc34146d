//! What can go wrong inside a transaction, before it is known which verb it was.

use crate::StoreError;

/// An error on the way of a statement.
#[derive(Debug)]
pub(crate) enum RowError {
    /// The database refused a statement.
    Refused {
        /// What kind of refusal it is.
        kind: Refusal,
        /// The database's words.
        why: String,
    },
    /// A row says what no row can say, or the file is not whole.
    Corrupt(String),
    /// Whoever asked for it does not want it any more.
    Stopped,
    /// The time for it was over before it was begun.
    TookTooLong,
}

/// Why a database refuses a statement, as far as somebody acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The database is damaged, or is none.
    Damaged,
    /// A time limit broke it off.
    Interrupted,
    /// There is no space.
    Full,
    /// Anything else.
    Failed,
}

/// What a verb, or a question of one, comes to.
pub(crate) type RowResult<T> = Result<T, RowError>;

impl RowError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }

    /// Whether the disk, or who else has the database, is the cause, so that the next transaction may meet the same.
    pub(crate) fn is_the_disks(&self) -> bool {
        matches!(self.in_verb(""), StoreError::Full { .. } | StoreError::Failed { .. })
    }

    /// As the caller of the verb sees it.
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
