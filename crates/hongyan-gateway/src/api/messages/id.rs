//! The message that a path names, and whether its caller may know of it.

use hongyan_ledger::MessageId;

use crate::api::caller::Caller;
use crate::context::Context;
use crate::problem::Problem;

/// The id that a path names.
pub(super) fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse().map_err(|_| {
        Problem::not_found(format!(
            "{} is not a message id; those look like msg_ and 32 digits",
            shorten(text)
        ))
    })
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Refuses a message of an app that the caller's key is not for, as if it were not there.
pub(super) async fn must_see(context: &Context, caller: &Caller, id: MessageId) -> Result<(), Problem> {
    if caller.apps().is_none() {
        return Ok(());
    }
    match context.store.message(id).await? {
        Some(detail) if caller.sees(&detail.message.appid) => Ok(()),
        _ => Err(no_such_message(id)),
    }
}

/// 404: it is not there, or not for this caller.
pub(super) fn no_such_message(id: MessageId) -> Problem {
    Problem::not_found(format!("there is no message {id}"))
}
