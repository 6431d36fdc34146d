//! A change of the key that seals secrets.

use crate::row_error::RowResult;
use crate::rows::Rows;
use crate::types::{Reseal, SealedKind, SealedOwner};

/// Carries out [`crate::Store::reseal`].
pub(crate) fn reseal(rows: &impl Rows, changes: &[Reseal]) -> RowResult<u32> {
    let mut done = 0;
    for change in changes {
        if !rows.reseal(change)? {
            continue;
        }
        done += 1;
        match &change.was.owner {
            // The token itself is no setting: it is what it was.
            SealedOwner::App(_) if change.was.kind == SealedKind::AccessToken => {}
            SealedOwner::App(appid) => rows.signals().app(appid),
            SealedOwner::Webhook(_) => rows.signals().webhooks(),
            SealedOwner::User(..) => {}
        }
    }
    Ok(done)
}
