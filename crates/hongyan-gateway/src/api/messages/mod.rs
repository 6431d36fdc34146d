//! `/v1/messages`: one file per call, and what they share.

mod because;
mod cancel;
mod list;
mod reason;
mod resolve;
mod send;
mod show;
mod validate;

use hongyan_ledger::MessageId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::caller::Caller;
use crate::context::Context;
use crate::problem::Problem;

/// All calls.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(send::send, list::list))
        .routes(routes!(show::show, cancel::cancel))
        .routes(routes!(resolve::resolve))
}

fn message_id(text: &str) -> Result<MessageId, Problem> {
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
async fn must_see(context: &Context, caller: &Caller, id: MessageId) -> Result<(), Problem> {
    if caller.key().apps.is_none() {
        return Ok(());
    }
    match context.store.message(id).await? {
        Some(detail) if caller.sees(&detail.message.appid) => Ok(()),
        _ => Err(no_such_message(id)),
    }
}

fn no_such_message(id: MessageId) -> Problem {
    Problem::not_found(format!("there is no message {id}"))
}
