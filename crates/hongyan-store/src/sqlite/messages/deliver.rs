//! WeChat's event about a message: which message, and what that does to it.

use hongyan_clock::UnixMillis;
use hongyan_ledger::delivery::{Candidate, Choice, Report, choose as decide};
use hongyan_ledger::resolve::{Verdict, Witness};
use hongyan_ledger::settle::{Outcome, UnitEffect};
use hongyan_ledger::{Channel, MessageId, MessageState};
use rusqlite::{Connection, params};

use super::super::memory::Writing;
use super::super::rows::{Cells, many};
use super::super::trouble::Res;
use super::resolve::{apply_unit, insert};
use super::{User, load, save};
use crate::types::Ended;

/// Which of the user's messages a report is about. Reads what lies together of the user.
pub(in crate::sqlite) fn choose(
    db: &Connection,
    user: &User,
    report: &Report,
    received_at: UnixMillis,
    may_wait: bool,
) -> Res<Choice> {
    let candidates = many(
        db,
        "SELECT id, template, state, msgid, claimed_at FROM messages INDEXED BY messages_of_user \
         WHERE lane = ? AND user = ? AND appid = ? AND openid = ? AND channel = ? AND state IN (3, 4, 5, 6, 8) \
         AND claimed_at IS NOT NULL",
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
    )?;
    Ok(decide(report, &candidates, received_at, may_wait))
}

/// Puts a message where a report says that it is. Its unit is spent either way: WeChat took the message.
pub(in crate::sqlite) fn deliver(
    tx: &Writing<'_>,
    id: MessageId,
    report: &Report,
    now: UnixMillis,
) -> Res<Ended> {
    let mut row = load(tx, id)?;
    let (state, reason) = report.state();
    let was_unknown = row.state == MessageState::Unknown;
    if was_unknown {
        apply_unit(tx, &mut row, UnitEffect::Spend, now)?;
        row.maybe_delivered = false;
    }
    let mut ended = Ended { id, state, reason, errcode: None };
    if state == MessageState::Refused {
        row.outcome = Some(Outcome::Answered {
            errcode: report.error_code,
            errmsg: report.error_status.clone(),
            msgid: report.msgid,
        });
        ended.errcode = Some(report.error_code);
    }
    row.enter(state, reason, now);
    save(tx, &mut row)?;
    if was_unknown && state == MessageState::Delivered {
        insert(tx, &row, Verdict::Sent, Witness::Event, now)?;
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use super::*;

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
