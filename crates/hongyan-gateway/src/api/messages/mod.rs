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

use crate::problem::Problem;
use crate::service::Context;

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

fn no_such_message(id: MessageId) -> Problem {
    Problem::not_found(format!("there is no message {id}"))
}
