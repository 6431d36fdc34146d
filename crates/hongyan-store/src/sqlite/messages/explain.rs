//! `explain`: why a message found no permit. It only reads, and only when a person asks about one message.

use hongyan_clock::UnixMillis;
use hongyan_ledger::explain::{Because, PermitChange, Subject, Trace, explain as decide};
use hongyan_ledger::settle::is_permit_refusal;
use hongyan_ledger::{MessageId, MessageState};
use hongyan_wechat::Errcode;
use rusqlite::{Connection, params};

use super::super::cells::{Cells, many};
use super::super::row_error::RowResult;
use super::super::user_entries::is_of_user;
use super::super::{events, permits};
use super::find;
use crate::rows::{MessageRow, User};

/// Carries out [`crate::Store::explain`].
pub(in crate::sqlite) fn explain(db: &Connection, id: MessageId, now: UnixMillis) -> RowResult<Vec<Because>> {
    let Some(row) = find(db, id)? else { return Ok(Vec::new()) };
    let subject = subject(&row);
    let Some(moment) = subject.moment(now) else { return Ok(Vec::new()) };
    // Earlier attempts come first: of two traces of one message, the last must be its latest.
    let mut traces = earlier_attempts(db, &row.user)?;
    traces.extend(last_deeds(db, &row.user)?);
    traces.extend(events::withdrawals(db, &row.user)?);
    Ok(decide(&subject, &permits::all(db, &row.user)?, &traces, moment))
}

fn subject(row: &MessageRow) -> Subject {
    Subject {
        id: row.id,
        channel: row.channel,
        template: row.template.clone(),
        state: row.state,
        reason: row.reason,
        policy: row.policy,
        own_permit: row.own_permit,
        send_at: row.send_at,
        updated_at: row.updated_at,
        errcode: row.outcome.as_ref().and_then(hongyan_ledger::settle::Outcome::errcode),
    }
}

/// What each of the user's messages does with a permit, or did with it last.
fn last_deeds(db: &Connection, user: &User) -> RowResult<Vec<Trace>> {
    let changes = many(
        db,
        concat!(
            "SELECT id, state, permit_id, permit_held, attempt_permit_id, errcode, accepted_at, claimed_at, ended_at \
             FROM messages WHERE lane = ?1 AND appid = ?3 AND openid = ?4 \
             AND (permit_id IS NOT NULL OR attempt_permit_id IS NOT NULL) AND ",
            is_of_user!("?1", "?2")
        ),
        params![user.lane.number(), user.key(), user.appid.as_str(), user.openid.as_str()],
        |cells: &mut Cells<'_>| {
            let (message, state) = (cells.message_id()?, cells.coded(MessageState::from_code)?);
            let (permit, held) = (cells.permit_id_or_none()?, cells.raw::<bool>()?);
            let tried = cells.permit_id_or_none()?.or(permit);
            let errcode = cells.raw::<Option<i32>>()?.map(Errcode);
            let (accepted_at, claimed_at) = (cells.moment()?, cells.moment_or_none()?);
            let (began, ended) = (claimed_at.unwrap_or(accepted_at), cells.moment_or_none()?);
            let change = match (state, ended) {
                _ if held => Some((permit, PermitChange::Keeps { from: accepted_at, held, state })),
                (MessageState::Sending, _) => {
                    Some((permit, PermitChange::Keeps { from: began, held, state }))
                }
                (MessageState::Sent | MessageState::Delivered | MessageState::Refused, Some(at)) => {
                    Some((permit, PermitChange::Spent { from: began, at }))
                }
                (_, Some(at)) => errcode
                    .filter(|&errcode| is_permit_refusal(errcode))
                    .map(|errcode| (tried, PermitChange::FoundVoid { at, errcode })),
                (_, None) => None,
            };
            Ok(change
                .and_then(|(permit, change)| Some(Trace { permit: permit?, message: Some(message), change })))
        },
    )?;
    Ok(changes.into_iter().flatten().collect())
}

/// The permits that the user's messages found void before their last attempt.
fn earlier_attempts(db: &Connection, user: &User) -> RowResult<Vec<Trace>> {
    let attempts = many(
        db,
        concat!(
            "SELECT attempts.message_id, attempts.permit_id, attempts.errcode, attempts.ended_at \
             FROM messages JOIN attempts ON attempts.message_id = messages.id AND attempts.lane = messages.lane \
             WHERE messages.lane = ?1 AND messages.appid = ?3 AND messages.openid = ?4 AND messages.attempts > 1 \
             AND attempts.permit_id IS NOT NULL AND attempts.errcode IS NOT NULL AND attempts.ended_at IS NOT NULL \
             AND messages.",
            is_of_user!("?1", "?2")
        ),
        params![user.lane.number(), user.key(), user.appid.as_str(), user.openid.as_str()],
        |cells: &mut Cells<'_>| {
            let (message, permit) = (cells.message_id()?, cells.permit_id()?);
            let (errcode, at) = (Errcode(cells.raw()?), cells.moment()?);
            Ok(is_permit_refusal(errcode).then_some(Trace {
                permit,
                message: Some(message),
                change: PermitChange::FoundVoid { at, errcode },
            }))
        },
    )?;
    Ok(attempts.into_iter().flatten().collect())
}
