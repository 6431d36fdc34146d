//! Sealed values, in whichever table.

use crate::row_error::RowResult;
use crate::types::Reseal;

/// Writes of sealed values.
pub(crate) trait SealedRows {
    /// Replaces a sealed value, if the stored value is the expected one; `false`: it is another value. If the value is a
    /// setting of an app, the app's version is raised: a caller that has read the app before must not write the old value
    /// back.
    fn reseal(&self, change: &Reseal) -> RowResult<bool>;
}
