//! Sealed values, wherever they lie.

use crate::row_error::RowResult;
use crate::types::Reseal;

/// Writes of sealed values.
pub(crate) trait SealedRows {
    /// Writes a sealed value in place of the one that must lie there. `false`: another does. Where the value is a setting of
    /// an app, the app's version is raised: whoever has read the app before must not write back what it has read.
    fn reseal(&self, change: &Reseal) -> RowResult<bool>;
}
