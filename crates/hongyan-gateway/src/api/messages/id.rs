//! The message that a path names, and whether the caller may see it.

use hongyan_ledger::MessageId;

use crate::api::caller::Caller;
use crate::context::Context;
use crate::problem::Problem;

/// The id that a path names.
pub(super) fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse().map_err(|_| {
        Problem::not_found(format!(
            "{} is not a message id; a message id is msg_ and 32 hexadecimal digits",
            shorten(text)
        ))
    })
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Refuses a message of an app that the caller may not see, as if the message did not exist. The call's line in the audit
/// trail says the app of the message.
pub(super) async fn must_see(context: &Context, caller: &Caller, id: MessageId) -> Result<(), Problem> {
    if caller.apps().is_none() && !caller.is_noted() {
        return Ok(());
    }
    match context.store.message_views(vec![id]).await?.pop().flatten() {
        Some(message) if caller.sees(&message.appid) => {
            caller.is_about_one(&message.appid, id);
            Ok(())
        }
        _ => Err(no_such_message(id)),
    }
}

/// 404: the message does not exist, or the caller may not see it.
pub(super) fn no_such_message(id: MessageId) -> Problem {
    Problem::not_found(format!("there is no message {id}"))
}
