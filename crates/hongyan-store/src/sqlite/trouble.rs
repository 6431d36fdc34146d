//! What can go wrong inside a transaction, before it is known which verb it was.

use crate::StoreError;

/// An error on the way of a statement.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The database refused a statement.
    Sql(rusqlite::Error),
    /// A row says what no row can say.
    Corrupt(String),
}

pub(super) type Res<T> = Result<T, Trouble>;

impl Trouble {
    pub(super) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }

    /// As the caller of the verb sees it.
    pub(super) fn in_verb(&self, verb: &'static str) -> StoreError {
        match self {
            Self::Sql(why) => StoreError::Failed { verb, why: why.to_string() },
            Self::Corrupt(what) => StoreError::Corrupt(what.clone()),
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}
