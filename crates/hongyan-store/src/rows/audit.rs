//! The audit trail.

use hongyan_clock::UnixMillis;

use crate::row_error::RowResult;
use crate::types::{AuditEnd, NewAudit};

/// Writes into the audit trail.
pub(crate) trait AuditRows {
    /// Writes a change that is about to be made. Returns the line's number.
    fn insert_audit(&self, new: &NewAudit) -> RowResult<i64>;

    /// Writes how the change ended, and what it was about if that was not known before.
    fn end_audit(&self, number: i64, end: &AuditEnd) -> RowResult<()>;

    /// Removes the oldest lines from before a moment, at most `limit`. Returns how many.
    fn delete_old_audit(&self, before: UnixMillis, limit: u32) -> RowResult<u32>;
}
