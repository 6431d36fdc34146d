//! What people ask about stories of messages, users and nodes.

use async_trait::async_trait;
use hongyan_clock::UnixMillis;
use hongyan_ledger::{Lane, MessageId};
use hongyan_wechat::AppId;
use rusqlite::{Connection, params};

use super::cells::{Cells, many};
use super::row_error::RowResult;
use super::verb::Verb;
use super::{SqliteStore, events, figures, lanes, messages, webhooks};
use crate::rows::User;
use crate::rows::lanes::{NodeRow, Owner};
use crate::types::{
    MessageDetail, MessageStory, NodeView, OpenMessages, ReachParts, UsablePermits, UserFilter, UserView,
};
use crate::{Reads, Result};

/// Behind every text that begins like another one.
const LAST: char = char::MAX;

#[async_trait]
impl Reads for SqliteStore {
    async fn story(&self, id: MessageId) -> Result<Option<MessageStory>> {
        self.read_for_people(Verb::ReadStory, move |db| story(db, id)).await
    }

    async fn users(&self, filter: UserFilter) -> Result<Vec<UserView>> {
        self.read_for_people(Verb::ListUsers, move |db| users(db, &filter)).await
    }

    async fn open_messages(&self) -> Result<Vec<OpenMessages>> {
        self.read_for_people(Verb::CountOpen, figures::open_messages).await
    }

    async fn usable_permits(&self, now: UnixMillis) -> Result<UsablePermits> {
        self.read_for_people(Verb::CountPermits, move |db| figures::usable_permits(db, now)).await
    }

    async fn reach_parts(&self, appid: AppId, now: UnixMillis) -> Result<ReachParts> {
        self.count(Verb::CountParts, move |db| figures::reach_parts(db, &appid, now)).await
    }

    async fn nodes(&self) -> Result<Vec<NodeView>> {
        self.read_for_people(Verb::ListNodes, nodes).await
    }
}

/// A message's webhook events are found by their time, for no index knows their message: each is written when the message
/// comes to a state. These moments are the ends of attempts, the verdicts, the work on events, and the last change.
fn story(db: &Connection, id: MessageId) -> RowResult<Option<MessageStory>> {
    let Some(detail) = messages::read::message(db, id)? else { return Ok(None) };
    let message = &detail.message;
    let user = User::of(&message.appid, &message.openid);
    let events = events::about(db, &user, message)?;
    let replaced = messages::read::replaced(db, &user, message)?;
    let mut moments = moments(&detail);
    moments.extend(events.iter().flat_map(|event| [Some(event.received_at), event.worked_at]).flatten());
    let deliveries = webhooks::deliveries::about(db, &user, id, moments)?;
    Ok(Some(MessageStory { detail, events, deliveries, replaced }))
}

/// When a message may have come to a state that webhooks are told of.
fn moments(detail: &MessageDetail) -> Vec<UnixMillis> {
    let attempts = detail.attempts.iter().filter_map(|attempt| attempt.ended_at);
    let resolutions = detail.resolutions.iter().map(|resolution| resolution.at);
    attempts.chain(resolutions).chain([detail.message.updated_at]).collect()
}

/// What is read of a user, in the order in which [`read_user`] takes it.
macro_rules! users {
    ($where:literal) => {
        concat!(
            "SELECT openid, unionid, logged_in_at, (SELECT COUNT(*) FROM sessions s WHERE s.lane = u.lane \
             AND s.appid = u.appid AND s.openid = u.openid) FROM users u ",
            $where
        )
    };
}

/// Users lie in lanes, by openid. The walk keeps the first users of the lanes so far, and reads of the next lane only users
/// that come before the last of them. So it reads some times as many users as the list has, and not as many of each lane.
fn users(db: &Connection, filter: &UserFilter) -> RowResult<Vec<UserView>> {
    let UserFilter { appid, search, after, limit } = filter;
    let after = after.as_ref().map_or("", |openid| openid.as_str());
    let mut behind = format!("{search}{LAST}");
    let mut found = Vec::new();
    for lane in Lane::all() {
        let of_lane = many(
            db,
            users!(
                "WHERE lane = ?1 AND appid = ?2 AND openid >= ?3 AND openid < ?4 AND openid > ?5 \
                 ORDER BY openid LIMIT ?6"
            ),
            params![lane.number(), appid.as_str(), search, behind, after, limit],
            read_user,
        )?;
        found.extend(of_lane);
        keep_first(&mut found, *limit);
        if let Some(last) = found.last().filter(|_| found.len() >= *limit as usize) {
            last.openid.as_str().clone_into(&mut behind);
        }
    }
    if !search.is_empty() {
        let same_person = many(
            db,
            users!(
                "INDEXED BY users_of_unionid WHERE unionid = ?1 AND appid = ?2 AND openid > ?3 ORDER BY openid LIMIT ?4"
            ),
            params![search, appid.as_str(), after, limit],
            read_user,
        )?;
        found.extend(same_person);
        keep_first(&mut found, *limit);
    }
    Ok(found)
}

/// Sorts users by openid and keeps the first of them, each once.
fn keep_first(users: &mut Vec<UserView>, limit: u32) {
    users.sort_unstable_by(|one, other| one.openid.as_str().cmp(other.openid.as_str()));
    users.dedup_by(|one, other| one.openid == other.openid);
    users.truncate(limit as usize);
}

fn read_user(cells: &mut Cells<'_>) -> RowResult<UserView> {
    Ok(UserView {
        openid: cells.parsed()?,
        unionid: cells.raw()?,
        logged_in_at: cells.moment()?,
        sessions: cells.raw()?,
    })
}

fn nodes(db: &Connection) -> RowResult<Vec<NodeView>> {
    let view =
        |node: NodeRow| NodeView { name: Some(node.name), seen_at: Some(node.seen_at), lanes: Vec::new() };
    let mut nodes: Vec<NodeView> = lanes::nodes(db)?.into_iter().map(view).collect();
    for Owner { lane, epoch, node: owner } in lanes::owners(db)? {
        match nodes.iter_mut().find(|node| node.name == owner) {
            Some(node) => node.lanes.push((lane, epoch)),
            // An owner that is no node any more, or nobody.
            None => nodes.push(NodeView { name: owner, seen_at: None, lanes: vec![(lane, epoch)] }),
        }
    }
    Ok(nodes)
}
