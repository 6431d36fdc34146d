//! The search for permits that expire soon.
//!
//! The search takes one window of time after the other. It looks at all permits, in the order of their table, and finds
//! those that expire in the window and have units left. How far it has come is stored in the transaction that tells of them,
//! so no permit is told of twice. A permit that is granted behind the search's place is not missed as long as it lasts
//! longer than the window lies ahead; permits that expire last for days ([`hongyan_ledger::permit`]).

use hongyan_clock::UnixMillis;
use hongyan_ledger::LANES;
use hongyan_ledger::webhook::EventType;
use rusqlite::{Connection, params};

use super::super::cells::{many, one};
use super::super::row_error::RowResult;
use super::super::user_entries::permits_behind;
use super::filters;
use crate::rows::User;
use crate::rows::webhooks::ExpiringFound;
use crate::types::{ExpiringOrder, ExpiringStep};

/// Where the search for permits that expire soon is.
#[derive(Debug, Clone, Copy)]
pub(in crate::sqlite) struct ExpiringWalk {
    /// What it looks for: permits that expire behind this moment…
    pub(super) since: UnixMillis,
    /// … and up to this one.
    pub(super) until: UnixMillis,
    /// The lane that it is in; beyond the last: it is done.
    pub(super) lane: u8,
    /// The [`User::key`] that it has come to.
    pub(super) user: i64,
    /// The user's permit that it has come to.
    pub(super) permit: [u8; 16],
}

/// A search in this window of time, at its beginning.
const fn of_window(since: UnixMillis, until: UnixMillis) -> ExpiringWalk {
    ExpiringWalk { since, until, lane: 0, user: i64::MIN, permit: [0; 16] }
}

/// Looks on from the place of the search. `Err` is an answer for the caller: there is nothing to look at.
pub(in crate::sqlite) fn look(
    db: &Connection,
    order: &ExpiringOrder,
) -> RowResult<std::result::Result<ExpiringFound<ExpiringWalk>, ExpiringStep>> {
    let listens = filters(db)?
        .iter()
        .any(|filter| filter.types.as_ref().is_none_or(|types| types.contains(&EventType::PermitExpiring)));
    if !listens {
        return Ok(Err(ExpiringStep::NobodyListens));
    }
    let until = order.now.plus(order.ahead);
    let mut walk = match stored(db)? {
        None => of_window(order.now, until),
        Some(walk) if walk.lane < LANES => walk,
        Some(done) if until <= done.until => return Ok(Err(ExpiringStep::Done(0))),
        // A permit that expired while no webhook listened or no gateway ran does not expire soon any more.
        Some(done) => of_window(done.until.max(order.now), until),
    };
    // Look at one lane at most, so that a step is short even with many users and few permits.
    let looked = many(
        db,
        permits_behind!(
            "user_no, id, appid, openid, expires_at > ?5 AND expires_at <= ?6 AND granted > spent + revoked + held"
        ),
        params![walk.lane, walk.user, walk.permit, order.limit.max(1), walk.since.0, walk.until.0],
        |cells| {
            let (number, id) = (cells.raw::<i64>()?, cells.permit_id()?);
            let user = User::of(&cells.parsed()?, &cells.parsed()?);
            Ok((number, id, user, cells.raw::<bool>()?))
        },
    )?;
    match looked.last() {
        Some((user, id, ..)) if looked.len() == order.limit.max(1) as usize => {
            (walk.user, walk.permit) = (*user, *id.as_bytes());
        }
        _ => (walk.lane, walk.user, walk.permit) = (walk.lane + 1, i64::MIN, [0; 16]),
    }
    let permits =
        looked.into_iter().filter(|(.., found)| *found).map(|(_, id, user, _)| (user, id)).collect();
    Ok(Ok(ExpiringFound { permits, is_over: walk.lane >= LANES, walk }))
}

fn stored(db: &Connection) -> RowResult<Option<ExpiringWalk>> {
    one(db, "SELECT since, until, lane, user_no, permit FROM expiring_walk WHERE one = 1", [], |cells| {
        Ok(ExpiringWalk {
            since: cells.moment()?,
            until: cells.moment()?,
            lane: cells.raw()?,
            user: cells.raw()?,
            permit: cells.raw()?,
        })
    })
}
