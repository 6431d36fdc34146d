//! `reach`: how many users can be reached now.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{Channel, Lane, PermitKind};
use hongyan_wechat::{AppId, TemplateId};
use rusqlite::{Connection, params};

use super::cells::{Cells, one};
use super::row_error::RowResult;
use super::user_entries::users_of_lane;
use crate::types::Reach;

/// Carries out [`crate::Store::reach`]: a walk over all of the app's permits, lane by lane. The walk takes long on a long
/// history. But people ask seldom, and an index for it would cost every message a page.
pub(super) fn reach(
    db: &Connection,
    appid: &AppId,
    template: Option<&TemplateId>,
    kind: Option<PermitKind>,
    now: UnixMillis,
) -> RowResult<Reach> {
    // Forms and payments serve any legacy template, so whether they count depends on the template's channel.
    let channel = template.map(|template| channel_of(db, appid, template)).transpose()?.flatten();
    let any_template_counts = template.is_none() || channel == Some(Channel::Legacy);
    let mut sum = Reach::default();
    for lane in Lane::all() {
        let found = one(
            db,
            concat!(
                users_of_lane!("?1", "?7"),
                "SELECT COUNT(DISTINCT user_no), \
             COALESCE(SUM(granted - spent - revoked - held) FILTER (WHERE NOT unlimited), 0), \
             COUNT(*) FILTER (WHERE unlimited) FROM users CROSS JOIN user_entries \
             WHERE lane = ?1 AND user_no = users.number AND entry = 0 AND appid = ?2 AND expires_at > ?3 \
             AND (granted > spent + revoked + held OR unlimited) \
             AND (?4 IS NULL OR template = ?4 OR (?5 AND template IS NULL)) AND (?6 IS NULL OR kind = ?6)"
            ),
            params![
                lane.number(),
                appid.as_str(),
                now.0,
                template.map(TemplateId::as_str),
                any_template_counts,
                kind.map(PermitKind::code),
                i64::MIN,
            ],
            |cells: &mut Cells<'_>| {
                Ok(Reach { users: cells.count()?, units: cells.count()?, unlimited: cells.count()? })
            },
        )?;
        // A user is in one lane, so no user is counted twice.
        if let Some(found) = found {
            sum.users += found.users;
            sum.units += found.units;
            sum.unlimited += found.unlimited;
        }
    }
    Ok(sum)
}

fn channel_of(db: &Connection, appid: &AppId, template: &TemplateId) -> RowResult<Option<Channel>> {
    one(
        db,
        "SELECT channel FROM templates WHERE appid = ? AND template_id = ?",
        params![appid.as_str(), template.as_str()],
        |cells: &mut Cells<'_>| cells.coded(Channel::from_code),
    )
}
