//! The audit trail.

use hongyan_clock::UnixMillis;

use crate::row_error::RowResult;
use crate::types::{AuditEnd, NewAudit};

/// Writes into the audit trail.
pub(crate) trait AuditRows {
    /// Writes what is about to be done. Returns the line's number.
    fn insert_audit(&self, new: &NewAudit) -> RowResult<i64>;

    /// Writes how it ended, and what it was about where that was not known.
    fn end_audit(&self, number: i64, end: &AuditEnd) -> RowResult<()>;

    /// Removes the oldest lines from before a moment. Returns how many, at most `limit`.
    fn delete_old_audit(&self, before: UnixMillis, limit: u32) -> RowResult<u32>;
}
