//! What can go wrong inside a transaction, before it is known which verb it was.

use rusqlite::ErrorCode;

use crate::StoreError;

/// An error on the way of a statement.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The database refused a statement.
    Sql(rusqlite::Error),
    /// A row says what no row can say, or the file is not whole.
    Corrupt(String),
    /// Whoever asked for it does not want it any more.
    Stopped,
    /// The time for it was over before it was begun.
    TookTooLong,
}

pub(super) type Res<T> = Result<T, Trouble>;

impl Trouble {
    pub(super) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }

    /// Whether the disk, or who else has the file, is the cause, so that the next transaction may meet the same.
    pub(super) fn is_the_disks(&self) -> bool {
        matches!(self.in_verb(""), StoreError::Full { .. } | StoreError::Failed { .. })
    }

    /// As the caller of the verb sees it.
    pub(super) fn in_verb(&self, verb: &'static str) -> StoreError {
        match self {
            Self::Sql(why) => match why.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    StoreError::Corrupt(format!("{why} (found while it was asked to {verb})"))
                }
                // Only a time limit interrupts.
                Some(ErrorCode::OperationInterrupted) => StoreError::TookTooLong { verb },
                Some(ErrorCode::DiskFull) => StoreError::Full { verb, why: why.to_string() },
                _ => StoreError::Failed { verb, why: why.to_string() },
            },
            Self::Corrupt(what) => StoreError::Corrupt(what.clone()),
            Self::TookTooLong => StoreError::TookTooLong { verb },
            Self::Stopped => StoreError::Failed { verb, why: "it was told to stop".into() },
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}
