//! Tells of permits that expire soon: the half that writes. A reader of the backend has found them.

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{PermitId, PermitKind};
use hongyan_wechat::{AppId, OpenId, TemplateId};
use serde::Serialize;

use super::super::outbox;
use crate::row_error::RowResult;
use crate::rows::webhooks::ExpiringFound;
use crate::rows::{About, Rows};
use crate::types::{ExpiringOrder, ExpiringStep};

/// The data of an event about a permit that expires soon.
#[derive(Serialize)]
struct ExpiringData<'a> {
    id: PermitId,
    app: &'a AppId,
    openid: &'a OpenId,
    kind: PermitKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'a TemplateId>,
    available: u32,
    expires_at: UnixMillis,
}

/// Tells of the permits that were found, unless they have changed, and stores how far the search has come.
pub(crate) fn tell<R: Rows>(
    rows: &R,
    order: &ExpiringOrder,
    found: &ExpiringFound<R::ExpiringWalk>,
) -> RowResult<ExpiringStep> {
    let mut told = 0;
    for (user, id) in &found.permits {
        // The permit may have been removed meanwhile.
        let Some(permit) = rows.permit(user, *id)? else { continue };
        let units = &permit.units;
        let available = units.granted.saturating_sub(units.spent + units.revoked + units.held);
        // A search that was interrupted may go on days later, when the permit has expired.
        let is_ahead = |at: &UnixMillis| available > 0 && *at > order.now;
        let Some(expires_at) = permit.expires_at.filter(is_ahead) else { continue };
        if rows.is_wanted(EventType::PermitExpiring, Some(&user.appid))? {
            told += 1;
        }
        outbox::emit(rows, EventType::PermitExpiring, About::User(user), order.now, || ExpiringData {
            id: *id,
            app: &user.appid,
            openid: &user.openid,
            kind: permit.kind,
            template: permit.template.as_ref(),
            available,
            expires_at,
        })?;
    }
    rows.put_expiring_walk(&found.walk)?;
    Ok(if found.is_over { ExpiringStep::Done(told) } else { ExpiringStep::More(told) })
}
