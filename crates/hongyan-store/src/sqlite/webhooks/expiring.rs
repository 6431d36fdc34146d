//! The search for permits that expire soon.
//!
//! A window of time at a time: all permits are looked at, in the order of their table, and those are told of that end in
//! the window and have units left. How far it has come is stored with what it told, so none is told of twice. A permit
//! that is granted behind the search's back is not missed as long as it lasts longer than the window lies ahead, and
//! those that expire last for days ([`hongyan_ledger::permit`]).

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{LANES, Lane, PermitId, PermitKind};
use hongyan_wechat::{AppId, OpenId, TemplateId};
use rusqlite::{Connection, params};
use serde::Serialize;

use super::super::cells::{change, many, one};
use super::super::memory::Writing;
use super::super::permits;
use super::super::trouble::Res;
use super::filters;
use crate::rows::{About, OutboxRows, User};
use crate::types::{ExpiringOrder, ExpiringStep};
use crate::verbs::outbox;

/// Where the search is.
#[derive(Clone, Copy)]
struct Walk {
    since: UnixMillis,
    until: UnixMillis,
    lane: u8,
    user: i64,
    permit: [u8; 16],
}

impl Walk {
    const fn of_window(since: UnixMillis, until: UnixMillis) -> Self {
        Self { since, until, lane: 0, user: i64::MIN, permit: [0; 16] }
    }
}

/// What a reader found.
pub(in crate::sqlite) struct Found {
    permits: Vec<(User, PermitId)>,
    walk: Walk,
}

/// Looks on from where the search is. An answer at once if there is nothing to look at.
pub(in crate::sqlite) fn look(
    db: &Connection,
    order: &ExpiringOrder,
) -> Res<std::result::Result<Found, ExpiringStep>> {
    let listens = filters(db)?
        .iter()
        .any(|filter| filter.types.as_ref().is_none_or(|types| types.contains(&EventType::PermitExpiring)));
    if !listens {
        return Ok(Err(ExpiringStep::NobodyListens));
    }
    let until = order.now.plus(order.ahead);
    let mut walk = match stored(db)? {
        None => Walk::of_window(order.now, until),
        Some(walk) if walk.lane < LANES => walk,
        Some(done) if until <= done.until => return Ok(Err(ExpiringStep::Done(0))),
        // What has expired meanwhile, because nobody listened or nothing ran, is not about to.
        Some(done) => Walk::of_window(done.until.max(order.now), until),
    };
    let (mut permits, mut left) = (Vec::new(), order.limit.max(1));
    while walk.lane < LANES && left > 0 {
        let looked = many(
            db,
            "SELECT user, id, appid, openid, \
             expires_at > ?4 AND expires_at <= ?5 AND granted > spent + revoked + held FROM permits \
             WHERE lane = ?1 AND (user, id) > (?2, ?3) ORDER BY user, id LIMIT ?6",
            params![walk.lane, walk.user, walk.permit, walk.since.0, walk.until.0, left],
            |cells| {
                let (number, id) = (cells.raw::<i64>()?, cells.permit_id()?);
                let user = User::of(&cells.parsed()?, &cells.parsed()?);
                Ok((number, id, user, cells.raw::<bool>()?))
            },
        )?;
        match looked.last() {
            Some((user, id, ..)) if looked.len() == left as usize => {
                (walk.user, walk.permit) = (*user, *id.as_bytes());
            }
            _ => (walk.lane, walk.user, walk.permit) = (walk.lane + 1, i64::MIN, [0; 16]),
        }
        left -= looked.len() as u32;
        permits.extend(looked.into_iter().filter(|(.., found)| *found).map(|(_, id, user, _)| (user, id)));
    }
    Ok(Ok(Found { permits, walk }))
}

/// What is told of a permit.
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

/// Tells of what was found, unless it has changed, and stores how far the search has come.
pub(in crate::sqlite) fn tell(tx: &Writing<'_>, order: &ExpiringOrder, found: &Found) -> Res<ExpiringStep> {
    let mut told = 0;
    for (user, id) in &found.permits {
        // It may have been cleared away.
        let Some(permit) = permits::find(tx, user, *id)? else { continue };
        let units = &permit.units;
        let available = units.granted.saturating_sub(units.spent + units.revoked + units.held);
        // A walk that was cut short may go on days later.
        let is_ahead = |at: &UnixMillis| available > 0 && *at > order.now;
        let Some(expires_at) = permit.expires_at.filter(is_ahead) else { continue };
        if tx.is_wanted(EventType::PermitExpiring, Some(&user.appid))? {
            told += 1;
        }
        outbox::emit(tx, EventType::PermitExpiring, About::User(user), order.now, || ExpiringData {
            id: *id,
            app: &user.appid,
            openid: &user.openid,
            kind: permit.kind,
            template: permit.template.as_ref(),
            available,
            expires_at,
        })?;
    }
    let walk = &found.walk;
    change(
        tx,
        "INSERT OR REPLACE INTO expiring_walk (one, since, until, lane, user, permit) VALUES (1, ?, ?, ?, ?, ?)",
        params![walk.since.0, walk.until.0, walk.lane, walk.user, walk.permit],
    )?;
    debug_assert!(Lane::new(walk.lane).is_some() || walk.lane == LANES);
    Ok(if walk.lane < LANES { ExpiringStep::More(told) } else { ExpiringStep::Done(told) })
}

fn stored(db: &Connection) -> Res<Option<Walk>> {
    one(db, "SELECT since, until, lane, user, permit FROM expiring_walk WHERE one = 1", [], |cells| {
        Ok(Walk {
            since: cells.moment()?,
            until: cells.moment()?,
            lane: cells.raw()?,
            user: cells.raw()?,
            permit: cells.raw()?,
        })
    })
}
