//! The verbs about messages.
//!
//! | module | carries out |
//! | --- | --- |
//! | [`accept`] | `accept` |
//! | [`turn`] | what happens when a message's moment has come (the ledger's `start`) |
//! | [`claim`] | `claim` |
//! | [`settle`] | `settle` |
//! | [`next`] | whose turn is next when a message leaves `ready` or `sending` |
//! | [`wake`] | timers for what rests: permits that arrive, an app that goes on, what a start mends |
//! | [`cancel`] | `cancel`, and cancelling all of an app |
//! | [`collapse`] | what a message with a collapse key does to older ones |
//! | [`resolve`] | `resolve` |
//! | [`write`](mod@write) | writing a message's row, and what follows from that |
//! | [`sent_report`] | what WeChat's event about a message does to it |
//!
//! Two things always hold between transactions. A message that is open but not `sending` names a permit only if it holds a
//! unit of it. And a ready message without a timer (or with a timer only for its deadline) is *parked*: the transaction that
//! makes its turn come gives it a timer.

use hongyan_clock::UnixMillis;
use hongyan_ledger::MessageId;

use super::{outbox, tallies};
use crate::row_error::RowResult;
use crate::rows::Rows;

pub(crate) mod accept;
pub(crate) mod cancel;
pub(crate) mod claim;
mod collapse;
mod next;
pub(crate) mod resolve;
pub(crate) mod sent_report;
pub(crate) mod settle;
pub(crate) mod turn;
pub(crate) mod wake;
mod write;

/// Writes webhook events for all messages that a restore holds back since `now`, in the order of their acceptance. The
/// restore has written their states itself.
pub(crate) fn tell_restored(rows: &impl Rows, now: UnixMillis) -> RowResult<()> {
    /// How many messages are read in one go.
    const PAGE: u32 = 1_000;
    let mut after = MessageId::from_bytes([0; 16]);
    loop {
        let page = rows.restored(after, now, PAGE)?;
        if page.is_empty() {
            return Ok(());
        }
        for row in page {
            after = row.id;
            tallies::moved(rows, &row, None);
            outbox::message_moved(rows, &row)?;
        }
    }
}
