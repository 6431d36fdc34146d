//! Messages in SQLite.
//!
//! | module | knows |
//! | --- | --- |
//! | this one | how a row is read |
//! | [`port`] | what the verbs ask and write |
//! | [`explain`], [`mod@read`] | what people ask |

use hongyan_ledger::resolve::{Verdict, Witness};
use hongyan_ledger::{Channel, MessageId, MessageState, OnUnknown, PermitId, PermitPolicy, ReasonCode};
use rusqlite::{Connection, params};

use super::cells::{Cells, many, one};
use super::row_error::{RowError, RowResult};
use crate::rows::{MessageRow, User};
use crate::types::{Origin, ResolutionView};

pub(super) mod explain;
mod port;
pub(super) mod read;

/// The columns of a message, in the order in which [`read()`] takes them.
macro_rules! columns {
    () => {
        "id, lane, user_no, appid, openid, template, channel, policy, on_unknown, own_permit, reference, accepted_at, send_at, \
         deadline, state, reason, wake_at, updated_at, permit_id, permit_held, maybe_delivered, attempts, \
         claimed_at, ended_at, attempt_permit_id, outcome, errcode, outcome_text, msgid, collapse_key, replaced_by"
    };
}
use columns;

pub(super) fn read(cells: &mut Cells<'_>) -> RowResult<MessageRow> {
    let id = cells.message_id()?;
    let (lane, number) = (cells.lane()?, cells.raw::<i64>()?.cast_unsigned());
    let user = User { lane, number, appid: cells.parsed()?, openid: cells.parsed()? };
    let mut row = MessageRow {
        id,
        user,
        template: cells.parsed()?,
        channel: cells.coded(Channel::from_code)?,
        policy: cells.coded(PermitPolicy::from_code)?,
        on_unknown: cells.coded(OnUnknown::from_code)?,
        own_permit: cells.raw()?,
        reference: cells.raw()?,
        accepted_at: cells.moment()?,
        send_at: cells.moment()?,
        deadline: cells.moment_or_none()?,
        state: cells.coded(MessageState::from_code)?,
        stored: None,
        reason: cells.named_or_none(ReasonCode::from_name)?,
        wake_at: cells.moment_or_none()?,
        updated_at: cells.moment()?,
        permit: cells.permit_id_or_none()?,
        permit_held: cells.raw()?,
        maybe_delivered: cells.raw()?,
        attempts: cells.raw()?,
        claimed_at: cells.moment_or_none()?,
        ended_at: cells.moment_or_none()?,
        attempt_permit: cells.permit_id_or_none()?,
        outcome: cells.outcome_with_msgid_or_none()?,
        collapse_key: cells.raw()?,
        replaced_by: cells.message_id_or_none()?,
    };
    row.stored = Some((row.state, row.reason));
    Ok(row)
}

/// One message; `None` also for an id that was never made here.
fn find(db: &Connection, id: MessageId) -> RowResult<Option<MessageRow>> {
    let Some(lane) = id.lane() else { return Ok(None) };
    one(
        db,
        concat!("SELECT ", columns!(), " FROM messages WHERE lane = ? AND id = ?"),
        params![lane.number(), id.as_bytes()],
        read,
    )
}

/// The request body of a message, and where the message comes from.
fn body(db: &Connection, row: &MessageRow) -> RowResult<(Vec<u8>, Origin)> {
    one(
        db,
        "SELECT body, origin FROM messages WHERE lane = ? AND id = ?",
        params![row.user.lane.number(), row.id.as_bytes()],
        |cells| Ok((cells.raw()?, origin(cells)?)),
    )?
    .ok_or_else(|| RowError::corrupt(format!("{} has no body", row.id)))
}

/// Where a message comes from.
fn origin_of(db: &Connection, row: &MessageRow) -> RowResult<Origin> {
    let found = one(
        db,
        "SELECT origin FROM messages WHERE lane = ? AND id = ?",
        params![row.user.lane.number(), row.id.as_bytes()],
        origin,
    )?;
    Ok(found.unwrap_or_default())
}

/// Reads where a message comes from. The column lies behind the body, so that only who asks for it reads it.
fn origin(cells: &mut Cells<'_>) -> RowResult<Origin> {
    Ok(Origin::read(cells.raw::<Option<String>>()?.as_deref()))
}

/// The resolutions of a message, first to last.
fn resolutions(db: &Connection, row: &MessageRow) -> RowResult<Vec<ResolutionView>> {
    many(
        db,
        "SELECT attempt, verdict, resolved_at, witness FROM resolutions WHERE message_id = ? AND lane = ? ORDER BY attempt",
        params![row.id.as_bytes(), row.user.lane.number()],
        |cells: &mut Cells<'_>| {
            Ok(ResolutionView {
                attempt: cells.raw()?,
                verdict: cells.coded(Verdict::from_code)?,
                at: cells.moment()?,
                witness: cells.coded(Witness::from_code)?,
            })
        },
    )
}

/// The permit of which the user's message in flight has spent a unit, if that is not settled yet and there is such a
/// message.
pub(super) fn permit_in_flight(db: &Connection, user: &User) -> RowResult<Option<PermitId>> {
    Ok(one(
        db,
        "SELECT permit_id FROM messages WHERE lane = ? AND user_no = ? AND state = 3 AND permit_held = 0",
        params![user.lane.number(), user.key()],
        |cells| cells.permit_id_or_none(),
    )?
    .flatten())
}

/// The message that a statement finds beside this one, of the same user and collapse key.
fn newest(db: &Connection, row: &MessageRow, key: &str, sql: &str) -> RowResult<Option<MessageId>> {
    let MessageRow { id, user, .. } = row;
    one(
        db,
        sql,
        params![
            user.lane.number(),
            user.key(),
            user.appid.as_str(),
            user.openid.as_str(),
            key,
            id.as_bytes()
        ],
        |cells| cells.message_id(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_in_the_indexes_are_the_states_codes() {
        // Conditions of indexes must be constants, so migrations and statements contain the numbers.
        assert_eq!(MessageState::Scheduled.code(), 0);
        assert_eq!(MessageState::Ready.code(), 1);
        assert_eq!(MessageState::Waiting.code(), 2);
        assert_eq!(MessageState::Sending.code(), 3);
        let schema = include_str!("../../../migrations/V2__lanes.sql");
        for condition in ["WHERE state IN (1, 2);", "WHERE state = 3;"] {
            assert!(schema.contains(condition), "{condition}");
        }
        // `state <= 2` of the collapse keys' index, and the states that its statements exclude as failed, cancelled or
        // expired.
        let open = MessageState::ALL.into_iter().filter(|state| state.code() <= 2);
        assert!(open.eq(MessageState::ALL.into_iter().filter(|state| state.is_cancellable())));
        let schema = include_str!("../../../migrations/V3__messages.sql");
        assert!(schema.contains("WHERE collapse_key IS NOT NULL AND state <= 2;"));
        let nothing = [MessageState::Failed, MessageState::Cancelled, MessageState::Expired];
        assert_eq!(nothing.map(MessageState::code), [7, 9, 10]);
    }

    #[test]
    fn the_states_in_the_statement_are_those_that_an_event_may_be_about() {
        let codes: Vec<u8> = MessageState::ALL
            .into_iter()
            .filter(|state| {
                use MessageState as S;
                matches!(state, S::Sending | S::Sent | S::Delivered | S::Refused | S::Unknown)
            })
            .map(MessageState::code)
            .collect();
        assert_eq!(codes, [3, 4, 5, 6, 8]);
    }
}
