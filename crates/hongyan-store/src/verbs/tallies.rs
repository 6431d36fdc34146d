//! Counting what happens to messages, and moving old counts into longer steps.
//!
//! A message is counted where its new state is written, in the transaction that writes it: what is counted has happened, and
//! a verb that is repeated counts nothing twice.

use std::collections::HashMap;

use hongyan_clock::UnixMillis;
use hongyan_ledger::tally::{Counted, Lag, TallyCause, TallyStep};
use hongyan_ledger::{MessageState, ReasonCode};

use crate::row_error::RowResult;
use crate::rows::{MessageRow, Rows};
use crate::types::{Settlement, Tally};

/// A message was accepted.
pub(crate) fn accepted(rows: &impl Rows, row: &MessageRow) {
    rows.count(row.accepted_at, &row.user.appid, &row.template, Counted::Accepted);
}

/// A message came to another state.
pub(crate) fn moved(rows: &impl Rows, row: &MessageRow, before: Option<MessageState>) {
    let counted = match row.state {
        MessageState::Sending if row.attempts > 1 => Counted::Retried,
        MessageState::Scheduled | MessageState::Ready | MessageState::Waiting | MessageState::Sending => {
            return;
        }
        // Found out later: nobody knows when.
        MessageState::Sent if before == Some(MessageState::Unknown) => Counted::Sent(None),
        MessageState::Sent => Counted::Sent(Some(Lag::between(row.send_at, row.updated_at))),
        MessageState::Delivered => Counted::Delivered,
        MessageState::Refused => Counted::Refused(cause(row, ReasonCode::NotDelivered)),
        MessageState::Failed => Counted::Failed(cause(row, ReasonCode::WechatRefused)),
        MessageState::Unknown => Counted::Unknown,
        MessageState::Expired => Counted::Expired,
        MessageState::Cancelled => Counted::Cancelled,
    };
    rows.count(row.updated_at, &row.user.appid, &row.template, counted);
}

/// A message was sent, and its row was not read.
pub(crate) fn sent(rows: &impl Rows, settlement: &Settlement) {
    let at = settlement.ended_at;
    let lag = Lag::between(settlement.due_at, at);
    rows.count(at, &settlement.appid, &settlement.template, Counted::Sent(Some(lag)));
}

/// Why a message ended so. Every message that failed or was refused has a reason.
fn cause(row: &MessageRow, otherwise: ReasonCode) -> TallyCause {
    debug_assert!(row.reason.is_some(), "{} is {} for no reason", row.id, row.state);
    let errcode = row.outcome.as_ref().and_then(hongyan_ledger::settle::Outcome::errcode);
    TallyCause { reason: row.reason.unwrap_or(otherwise), errcode: errcode.filter(|code| code.0 != 0) }
}

/// Moves old minutes into their hours, old hours into their days, and forgets old days: one step of that. Returns how many
/// counts it took away, at most `limit`; fewer: nothing more is old.
pub(crate) fn roll_up(rows: &impl Rows, now: UnixMillis, limit: u32) -> RowResult<u32> {
    let mut taken = 0;
    for step in TallyStep::ALL {
        let old = rows.take_tallies(step, step.old_before(now), limit - taken)?;
        taken += old.len() as u32;
        let Some(coarser) = step.coarser() else { break };
        let mut sums: HashMap<Tally, u64> = HashMap::new();
        for (tally, count) in old {
            *sums.entry(Tally { start: coarser.start_of(tally.start), ..tally }).or_default() += count;
        }
        for (tally, count) in sums {
            rows.add_tally(coarser, &tally, count)?;
        }
        if taken >= limit {
            break;
        }
    }
    Ok(taken)
}
