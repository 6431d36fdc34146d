//! Messages: the port's questions and writes in SQLite.

use hongyan_clock::UnixMillis;
use hongyan_ledger::resolve::{Verdict, Witness};
use hongyan_ledger::sent_report::Candidate;
use hongyan_ledger::settle::Outcome;
use hongyan_ledger::{Channel, Lane, MessageId, MessageState, PermitId, ReasonCode};
use hongyan_wechat::{AppId, Errcode};
use rusqlite::params;

use super::super::cells::{Cells, change, many, one, outcome_code};
use super::super::memory::Transaction;
use super::super::row_error::{RowError, RowResult};
use super::super::user_entries::{self, is_of_user};
use super::{body, columns, find, newest, origin, origin_of, read, resolutions};
use crate::rows::messages::{KnownKey, SentMessage};
use crate::rows::{MessageRow, MessageRows, User};
use crate::types::{AttemptView, CallerNumber, Idempotency, Origin, ResolutionView, Settlement};

impl MessageRows for Transaction<'_> {
    fn key_of(&self, user: &User, key: &Idempotency) -> RowResult<Option<KnownKey>> {
        one(
            self,
            "SELECT messages.id, fingerprint, state, reason FROM user_entries AS entries CROSS JOIN messages \
             ON messages.id = entries.id AND messages.lane = entries.lane \
             WHERE entries.lane = ? AND entries.user_no = ? AND entries.entry = ? AND messages.appid = ? AND messages.openid = ?",
            params![user.lane.number(), user.key(), key.key_hash, user.appid.as_str(), user.openid.as_str()],
            |cells: &mut Cells<'_>| {
                Ok(KnownKey {
                    id: cells.message_id()?,
                    fingerprint: cells.raw()?,
                    state: cells.coded(MessageState::from_code)?,
                    reason: cells.named_or_none(ReasonCode::from_name)?,
                })
            },
        )
    }

    fn message(&self, id: MessageId) -> RowResult<Option<MessageRow>> {
        find(self, id)
    }

    fn body(&self, row: &MessageRow) -> RowResult<(Vec<u8>, Origin)> {
        body(self, row)
    }

    fn origin(&self, row: &MessageRow) -> RowResult<Origin> {
        origin_of(self, row)
    }

    fn insert_message(
        &self,
        row: &MessageRow,
        key: Option<&Idempotency>,
        accepted_by: Option<CallerNumber>,
        origin: &Origin,
        body: &[u8],
    ) -> RowResult<()> {
        change(
            self,
            concat!(
                "INSERT INTO messages (",
                columns!(),
                ", key_hash, fingerprint, body, accepted_by, origin) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
                 ?, ?, ?, ?, NULL, NULL, NULL, NULL, NULL, NULL, ?, NULL, ?, ?, ?, ?, ?)"
            ),
            params![
                row.id.as_bytes(),
                row.user.lane.number(),
                row.user.key(),
                row.user.appid.as_str(),
                row.user.openid.as_str(),
                row.template.as_str(),
                row.channel.code(),
                row.policy.code(),
                row.on_unknown.code(),
                row.own_permit,
                row.reference,
                row.accepted_at.0,
                row.send_at.0,
                row.deadline.map(|at| at.0),
                row.state.code(),
                row.reason.map(ReasonCode::name),
                row.wake_at.map(|at| at.0),
                row.updated_at.0,
                row.permit.as_ref().map(PermitId::as_bytes),
                row.permit_held,
                row.maybe_delivered,
                row.attempts,
                row.claimed_at.map(|at| at.0),
                row.collapse_key,
                key.map(|key| &key.key_hash[..]),
                key.map(|key| &key.fingerprint[..]),
                body,
                accepted_by.map(|caller| caller.0),
                origin.stored(),
            ],
        )?;
        user_entries::insert(self, row, key)?;
        self.count(row);
        Ok(())
    }

    fn update_message(&self, row: &MessageRow) -> RowResult<()> {
        let changed = change(
            self,
            "UPDATE messages SET state = ?3, reason = ?4, wake_at = ?5, updated_at = ?6, permit_id = ?7, \
             permit_held = ?8, maybe_delivered = ?9, attempts = ?10, claimed_at = ?11, ended_at = ?12, \
             attempt_permit_id = ?13, outcome = ?14, errcode = ?15, outcome_text = ?16, msgid = ?17 \
             WHERE lane = ?1 AND id = ?2",
            params![
                row.user.lane.number(),
                row.id.as_bytes(),
                row.state.code(),
                row.reason.map(ReasonCode::name),
                row.wake_at.map(|at| at.0),
                row.updated_at.0,
                row.permit.as_ref().map(PermitId::as_bytes),
                row.permit_held,
                row.maybe_delivered,
                row.attempts,
                row.claimed_at.map(|at| at.0),
                row.ended_at.map(|at| at.0),
                row.attempt_permit.as_ref().map(PermitId::as_bytes),
                row.outcome.as_ref().map(outcome_code),
                row.outcome.as_ref().and_then(|outcome| outcome.errcode().map(|code| code.0)),
                row.outcome.as_ref().map(Outcome::text),
                row.outcome.as_ref().and_then(Outcome::msgid),
            ],
        )?;
        if changed != 1 {
            return Err(RowError::corrupt(format!("{} is not there any more", row.id)));
        }
        self.count(row);
        Ok(())
    }

    fn set_replaced_by(&self, user: &User, id: MessageId, successor: MessageId) -> RowResult<()> {
        change(
            self,
            "UPDATE messages SET replaced_by = ?3 WHERE lane = ?1 AND id = ?2",
            params![user.lane.number(), id.as_bytes(), successor.as_bytes()],
        )?;
        Ok(())
    }

    fn insert_attempt(&self, row: &MessageRow, attempt: &AttemptView) -> RowResult<()> {
        change(
            self,
            "INSERT INTO attempts (message_id, lane, number, started_at, ended_at, permit_id, outcome, errcode, \
             outcome_text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                row.id.as_bytes(),
                row.user.lane.number(),
                attempt.number,
                attempt.started_at.0,
                attempt.ended_at.map(|at| at.0),
                attempt.permit.as_ref().map(PermitId::as_bytes),
                attempt.outcome.as_ref().map(outcome_code),
                attempt.outcome.as_ref().and_then(|outcome| outcome.errcode().map(|code| code.0)),
                attempt.outcome.as_ref().map(Outcome::text),
            ],
        )?;
        Ok(())
    }

    fn errcodes_of_attempts(&self, row: &MessageRow, limit: u32) -> RowResult<Vec<Option<Errcode>>> {
        many(
            self,
            "SELECT errcode FROM attempts WHERE message_id = ? AND lane = ? ORDER BY number DESC LIMIT ?",
            params![row.id.as_bytes(), row.user.lane.number(), limit],
            |cells: &mut Cells<'_>| Ok(cells.raw::<Option<i32>>()?.map(Errcode)),
        )
    }

    fn first_due(&self, lane: Lane, now: UnixMillis) -> RowResult<Option<MessageRow>> {
        one(
            self,
            concat!(
                "SELECT ",
                columns!(),
                " FROM messages WHERE lane = ? AND wake_at <= ? ORDER BY wake_at, send_at, id LIMIT 1"
            ),
            params![lane.number(), now.0],
            read,
        )
    }

    fn next_wake(&self, lane: Lane) -> RowResult<Option<UnixMillis>> {
        one(
            self,
            "SELECT wake_at FROM messages WHERE lane = ? AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1",
            params![lane.number()],
            |cells| cells.moment(),
        )
    }

    fn first_ready(&self, user: &User) -> RowResult<Option<MessageRow>> {
        one(
            self,
            concat!(
                "SELECT ",
                columns!(),
                " FROM messages WHERE lane = ? AND user_no = ? AND state = 1 AND state IN (1, 2) AND appid = ? \
                 ORDER BY send_at, id LIMIT 1"
            ),
            params![user.lane.number(), user.key(), user.appid.as_str()],
            read,
        )
    }

    fn first_ready_of_next_user(
        &self,
        lane: Lane,
        appid: &AppId,
        behind: Option<&User>,
    ) -> RowResult<Option<MessageRow>> {
        one(
            self,
            concat!(
                "SELECT ",
                columns!(),
                " FROM messages INDEXED BY messages_queued WHERE lane = ? AND state = 1 AND state IN (1, 2) \
                 AND appid = ? AND user_no > ? ORDER BY user_no, send_at, id LIMIT 1"
            ),
            params![lane.number(), appid.as_str(), behind.map_or(i64::MIN, User::key)],
            read,
        )
    }

    fn waiting(&self, user: &User) -> RowResult<Vec<MessageRow>> {
        many(
            self,
            concat!(
                "SELECT ",
                columns!(),
                " FROM messages WHERE lane = ? AND user_no = ? AND state = 2 AND state IN (1, 2) AND appid = ? \
                 AND openid = ? \
                 ORDER BY send_at, id"
            ),
            params![user.lane.number(), user.key(), user.appid.as_str(), user.openid.as_str()],
            read,
        )
    }

    fn has_waiting(&self, user: &User) -> RowResult<bool> {
        let waits = one(
            self,
            "SELECT 1 FROM messages INDEXED BY messages_queued \
             WHERE lane = ? AND state = 2 AND state IN (1, 2) AND appid = ? AND user_no = ? LIMIT 1",
            params![user.lane.number(), user.appid.as_str(), user.key()],
            |cells| cells.raw::<i64>(),
        )?;
        Ok(waits.is_some())
    }

    fn may_have_open(&self, user: &User) -> bool {
        !self.memory.open.at_most(0, user.lane, user.number)
    }

    fn is_behind_another(&self, row: &MessageRow) -> RowResult<bool> {
        // The count contains this message, too, if it was stored as ready.
        let own = u16::from(row.stored.is_some_and(|(state, _)| state == MessageState::Ready));
        if self.memory.open.at_most(own, row.user.lane, row.user.number) {
            return Ok(false);
        }
        let busy = one(
            self,
            "SELECT EXISTS (SELECT 1 FROM messages WHERE lane = ?1 AND user_no = ?2 AND state = 3) \
             OR EXISTS (SELECT 1 FROM messages WHERE lane = ?1 AND user_no = ?2 AND state = 1 AND state IN (1, 2) \
             AND appid = ?5 AND (send_at, id) < (?3, ?4))",
            params![
                row.user.lane.number(),
                row.user.key(),
                row.send_at.0,
                row.id.as_bytes(),
                row.user.appid.as_str()
            ],
            |cells| cells.raw(),
        )?;
        Ok(busy.unwrap_or(false))
    }

    /// One statement, where the general way would need four. (`RETURNING` is avoided: SQLite would make a temporary table
    /// each time.)
    fn settle_plainly(&self, user: &User, settlement: &Settlement) -> RowResult<bool> {
        if !self.memory.open.at_most(1, user.lane, user.number) {
            return Ok(false);
        }
        // A `sending` message has neither a reason nor a timer.
        let changed = change(
            self,
            "UPDATE messages SET state = 4, updated_at = ?4, ended_at = ?4, outcome = ?5, errcode = ?6, \
             outcome_text = ?7, msgid = ?8 WHERE lane = ?1 AND id = ?2 AND attempts = ?3 AND state = 3 AND permit_held = 0",
            params![
                user.lane.number(),
                settlement.id.as_bytes(),
                settlement.attempt,
                settlement.ended_at.0,
                outcome_code(&settlement.outcome),
                settlement.outcome.errcode().map(|code| code.0),
                settlement.outcome.text(),
                settlement.outcome.msgid(),
            ],
        )?;
        if changed == 0 {
            return Ok(false);
        }
        self.memory.open.moved(user.lane, user.number, Some(MessageState::Sending), MessageState::Sent);
        Ok(true)
    }

    fn sent_message(&self, user: &User, id: MessageId) -> RowResult<Option<SentMessage>> {
        one(
            self,
            "SELECT template, channel, reference, accepted_at, origin FROM messages WHERE lane = ? AND id = ?",
            params![user.lane.number(), id.as_bytes()],
            |cells: &mut Cells<'_>| {
                Ok(SentMessage {
                    template: cells.raw()?,
                    channel: cells.coded(Channel::from_code)?,
                    reference: cells.raw()?,
                    accepted_at: cells.moment()?,
                    origin: origin(cells)?,
                })
            },
        )
    }

    fn unsent_with_key(&self, user: &User, key: &str) -> RowResult<Vec<MessageId>> {
        many(
            self,
            "SELECT id FROM messages INDEXED BY messages_collapse WHERE lane = ? AND user_no = ? \
             AND collapse_key = ? AND state <= 2 AND appid = ? AND openid = ? ORDER BY id",
            params![user.lane.number(), user.key(), key, user.appid.as_str(), user.openid.as_str()],
            |cells| cells.message_id(),
        )
    }

    fn newest_unsent_with_key(&self, row: &MessageRow, key: &str) -> RowResult<Option<MessageId>> {
        newest(
            self,
            row,
            key,
            "SELECT id FROM messages INDEXED BY messages_collapse WHERE lane = ?1 AND user_no = ?2 AND collapse_key = ?5 \
             AND state <= 2 AND appid = ?3 AND openid = ?4 AND maybe_delivered = 0 AND id <> ?6 \
             ORDER BY id DESC LIMIT 1",
        )
    }

    fn newest_later_with_key(&self, row: &MessageRow, key: &str) -> RowResult<Option<MessageId>> {
        newest(
            self,
            row,
            key,
            // The states failed, cancelled and expired are excluded.
            concat!(
                "SELECT id FROM messages WHERE lane = ?1 AND ",
                is_of_user!("?1", "?2"),
                " AND appid = ?3 AND openid = ?4 AND collapse_key = ?5 AND state NOT IN (7, 9, 10) AND id > ?6 \
                 ORDER BY id DESC LIMIT 1"
            ),
        )
    }

    fn mend_timers(&self, lane: Lane, now: UnixMillis) -> RowResult<()> {
        change(
            self,
            // Without `INDEXED BY` SQLite walks all of the lane's history by another index.
            "UPDATE messages INDEXED BY messages_queued SET wake_at = ?2 \
             WHERE lane = ?1 AND state = 1 AND state IN (1, 2) \
             AND (wake_at IS NULL OR wake_at = deadline)",
            params![lane.number(), now.0],
        )?;
        Ok(())
    }

    fn wake_ready(&self, lane: Lane, appid: &AppId, now: UnixMillis) -> RowResult<bool> {
        let woken = change(
            self,
            "UPDATE messages INDEXED BY messages_queued SET wake_at = ?3 \
             WHERE lane = ?1 AND state = 1 AND state IN (1, 2) AND appid = ?2 \
             AND (wake_at IS NULL OR wake_at > ?3)",
            params![lane.number(), appid.as_str(), now.0],
        )?;
        Ok(woken > 0)
    }

    fn of_app_in(&self, lane: Lane, appid: &AppId, state: MessageState) -> RowResult<Vec<MessageId>> {
        // Without `INDEXED BY` SQLite may walk the whole history.
        let sql = match state {
            MessageState::Waiting => {
                "SELECT id FROM messages INDEXED BY messages_queued \
                 WHERE lane = ?1 AND state = 2 AND state IN (1, 2) AND appid = ?2"
            }
            MessageState::Ready => {
                "SELECT id FROM messages INDEXED BY messages_queued \
                 WHERE lane = ?1 AND state = 1 AND state IN (1, 2) AND appid = ?2"
            }
            // Every scheduled message has a timer, and only open messages have a timer.
            MessageState::Scheduled => {
                "SELECT id FROM messages INDEXED BY messages_due \
                 WHERE lane = ?1 AND wake_at IS NOT NULL AND appid = ?2 AND state = 0"
            }
            other => {
                return Err(RowError::corrupt(format!("nobody asks for an app's messages that are {other}")));
            }
        };
        many(self, sql, params![lane.number(), appid.as_str()], |cells| cells.message_id())
    }

    fn sending(&self, lane: Lane) -> RowResult<Vec<MessageRow>> {
        many(
            self,
            concat!(
                "SELECT ",
                columns!(),
                " FROM messages INDEXED BY messages_sending WHERE lane = ? AND state = 3"
            ),
            params![lane.number()],
            read,
        )
    }

    fn report_candidates(&self, user: &User) -> RowResult<Vec<Candidate>> {
        many(
            self,
            concat!(
                "SELECT id, template, state, msgid, claimed_at FROM messages WHERE lane = ?1 AND ",
                is_of_user!("?1", "?2"),
                " AND appid = ?3 AND openid = ?4 AND channel = ?5 AND state IN (3, 4, 5, 6, 8) AND claimed_at IS NOT NULL"
            ),
            params![
                user.lane.number(),
                user.key(),
                user.appid.as_str(),
                user.openid.as_str(),
                Channel::Subscribe.code()
            ],
            |cells: &mut Cells<'_>| {
                Ok(Candidate {
                    id: cells.message_id()?,
                    template: cells.parsed()?,
                    state: cells.coded(MessageState::from_code)?,
                    msgid: cells.raw()?,
                    attempted_at: cells.moment()?,
                })
            },
        )
    }

    fn resolutions(&self, row: &MessageRow) -> RowResult<Vec<ResolutionView>> {
        resolutions(self, row)
    }

    fn insert_resolution(
        &self,
        row: &MessageRow,
        verdict: Verdict,
        witness: Witness,
        now: UnixMillis,
    ) -> RowResult<()> {
        change(
            self,
            "INSERT INTO resolutions (message_id, lane, attempt, verdict, resolved_at, witness) VALUES (?, ?, ?, ?, ?, ?)",
            params![
                row.id.as_bytes(),
                row.user.lane.number(),
                row.attempts,
                verdict.code(),
                now.0,
                witness.code()
            ],
        )?;
        Ok(())
    }

    fn restored(&self, after: MessageId, at: UnixMillis, limit: u32) -> RowResult<Vec<MessageRow>> {
        many(
            self,
            concat!(
                "SELECT ",
                columns!(),
                " FROM messages WHERE id > ? AND state = ? AND reason = ? AND updated_at = ? ORDER BY id LIMIT ?"
            ),
            params![after.as_bytes(), MessageState::Unknown.code(), ReasonCode::Restored.name(), at.0, limit],
            read,
        )
    }
}

impl Transaction<'_> {
    /// Counts a message that was just written as it is: it is open, or no longer.
    fn count(&self, row: &MessageRow) {
        let before = row.stored.map(|(state, _)| state);
        self.memory.open.moved(row.user.lane, row.user.number, before, row.state);
    }
}
