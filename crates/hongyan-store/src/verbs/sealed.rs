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
            // An access token is not a setting of its app, so its change does not raise the app's version.
            SealedOwner::App(_) if change.was.kind == SealedKind::AccessToken => {}
            SealedOwner::App(appid) => rows.signals().app(appid),
            SealedOwner::Webhook(_) => rows.signals().webhooks(),
            SealedOwner::User(..) | SealedOwner::Person(_) => {}
        }
    }
    Ok(done)
}
