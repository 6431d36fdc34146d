//! WeChat's event about a message: which message it is about, and what it changes.

use hongyan_clock::UnixMillis;
use hongyan_ledger::resolve::{Verdict, Witness};
use hongyan_ledger::sent_report::{Choice, SentReport, choose as decide};
use hongyan_ledger::settle::Outcome;
use hongyan_ledger::units::UnitEffect;
use hongyan_ledger::{MessageId, MessageState};

use super::resolve::apply_unit;
use super::write::{load, save};
use crate::row_error::RowResult;
use crate::rows::{Rows, User};
use crate::types::Ended;

/// Which of the user's messages a report is about. Reads only rows of this user, which are stored together.
pub(crate) fn choose(
    rows: &impl Rows,
    user: &User,
    report: &SentReport,
    received_at: UnixMillis,
    may_wait: bool,
) -> RowResult<Choice> {
    let candidates = rows.report_candidates(user)?;
    Ok(decide(report, &candidates, received_at, may_wait))
}

/// Moves a message to the state that a report gives it. Its unit is spent in any case: WeChat took the message.
pub(crate) fn apply_report(
    rows: &impl Rows,
    id: MessageId,
    report: &SentReport,
    now: UnixMillis,
) -> RowResult<Ended> {
    let mut row = load(rows, id)?;
    let (state, reason) = report.state();
    let was_unknown = row.state == MessageState::Unknown;
    if was_unknown {
        apply_unit(rows, &mut row, UnitEffect::Spend, now)?;
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
    save(rows, &mut row)?;
    if was_unknown && state == MessageState::Delivered {
        rows.insert_resolution(&row, Verdict::Sent, Witness::Event, now)?;
    }
    Ok(ended)
}
