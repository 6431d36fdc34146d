//! Why a message found no permit, concluded from what the ledger keeps anyway.
//!
//! A message that fails for want of a permit writes no explanation: that would cost a write for each message. The
//! explanation is computed from the permits as they are now and from what the user's messages did with them, each with its
//! time. Where this does not suffice (units were granted to a counter since, or history was removed), the explanation says
//! less, never something false.
//!
//! | file | has |
//! | --- | --- |
//! | `mod.rs` | [`explain`]: which causes there are, in which order |
//! | `asked.rs` | [`Subject`], [`Trace`]: what is asked about, and what was done with permits |
//! | `because.rs` | [`Because`]: one cause |
//! | `then.rs` | one permit as it was at a moment |

mod asked;
mod because;
#[cfg(test)]
mod tests;
mod then;

use std::cmp::Reverse;

use hongyan_clock::UnixMillis;

pub use asked::{PermitChange, Subject, Trace};
pub use because::{Because, BecauseCode};
use then::Then;

use crate::message::MessageState;
use crate::permit::Permit;
use crate::settle::{MAX_DEAD_PERMITS, is_doubtful};

/// Why this message lacked a permit at `moment`; the most useful cause first. `permits` and `traces` are all of the user's.
/// An empty answer: the ledger does not show it, or no longer.
pub fn explain(subject: &Subject, permits: &[Permit], traces: &[Trace], moment: UnixMillis) -> Vec<Because> {
    if subject.own_permit {
        return vec![of_own_permit(subject, traces)];
    }
    let mut causes: Vec<Because> = Vec::new();
    let mut was_granted = false;
    for permit in permits.iter().filter(|permit| permit.kind.channel() == subject.channel) {
        let then = Then::of(permit, traces, moment);
        let fits = permit.template.as_ref().is_none_or(|own| *own == subject.template);
        was_granted |= fits && then.was_there;
        let cause = if fits {
            then.cause(subject.send_at.max(moment))
        } else {
            then.was_usable(moment).then(|| Because {
                at: Some(permit.granted_at),
                template: permit.template.clone(),
                ..Because::only(BecauseCode::OtherTemplate)
            })
        };
        if let Some(cause) = cause {
            add(&mut causes, Because { permits: 1, permit: Some(permit.id), ..cause });
        }
    }
    if !was_granted {
        causes.push(Because::only(BecauseCode::NeverGranted));
    }
    causes.extend(gave_up(subject, traces));
    // A message that keeps a unit may still give it back, so that cause comes first. Within a rank the latest cause comes
    // first.
    causes.sort_by_key(|cause| {
        let rank = match cause.code {
            BecauseCode::TooManyVoid | BecauseCode::Reserved => 0,
            BecauseCode::Revoked | BecauseCode::Expired | BecauseCode::Spent => 1,
            BecauseCode::OwnPermitUsed | BecauseCode::NeverGranted => 2,
            BecauseCode::OtherTemplate => 3,
            BecauseCode::GrantedLater => 4,
        };
        (rank, Reverse(cause.at), cause.code)
    });
    causes
}

/// The cause for a message that may use only the permit that it brought: WeChat called this permit void, or it was used
/// already.
fn of_own_permit(subject: &Subject, traces: &[Trace]) -> Because {
    let own = traces.iter().rev().find_map(|trace| match trace.change {
        PermitChange::FoundVoid { at, errcode } if trace.message == Some(subject.id) => {
            Some((trace.permit, at, errcode))
        }
        _ => None,
    });
    match own {
        Some((permit, at, errcode)) => Because {
            permits: 1,
            permit: Some(permit),
            at: Some(at),
            message: Some(subject.id),
            errcode: Some(errcode),
            ..Because::only(BecauseCode::Revoked)
        },
        None => Because::only(BecauseCode::OwnPermitUsed),
    }
}

/// The cause for a message that tried as many permits as it may, all of them void.
fn gave_up(subject: &Subject, traces: &[Trace]) -> Option<Because> {
    let own = |trace: &&Trace| trace.message == Some(subject.id);
    let void = traces.iter().filter(own).filter_map(|trace| match trace.change {
        PermitChange::FoundVoid { at, errcode } => Some((trace.permit, at, errcode)),
        _ => None,
    });
    let found: Vec<_> = void.collect();
    // `replace` counts the refusals in a row at the end, so count the same here.
    let in_a_row = found.iter().rev().take_while(|(.., errcode)| is_doubtful(*errcode)).count() as u32;
    let &(permit, at, errcode) = found.last()?;
    (subject.state == MessageState::Failed && in_a_row >= MAX_DEAD_PERMITS).then(|| Because {
        permits: in_a_row,
        permit: Some(permit),
        at: Some(at),
        message: Some(subject.id),
        errcode: Some(errcode),
        ..Because::only(BecauseCode::TooManyVoid)
    })
}

/// Adds a cause, or merges it with a cause of the same code and template; the later one gives the details.
fn add(causes: &mut Vec<Because>, new: Because) {
    let same = |cause: &&mut Because| cause.code == new.code && cause.template == new.template;
    match causes.iter_mut().find(same) {
        None => causes.push(new),
        Some(cause) => {
            let permits = cause.permits + 1;
            if new.at > cause.at {
                *cause = new;
            }
            cause.permits = permits;
        }
    }
}
