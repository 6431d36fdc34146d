//! SQLite's errors, translated into the errors of every backend.

use rusqlite::ErrorCode;

pub(super) use crate::row_error::{Refusal, RowError, RowResult};

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Refusal::Damaged,
            // Only a time limit interrupts statements.
            Some(ErrorCode::OperationInterrupted) => Refusal::Interrupted,
            Some(ErrorCode::DiskFull) => Refusal::Full,
            _ => Refusal::Failed,
        };
        Self::Refused { kind, why: error.to_string() }
    }
}
