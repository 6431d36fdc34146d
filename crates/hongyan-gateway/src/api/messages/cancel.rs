//! `DELETE /v1/messages/{id}`.

use axum::extract::State;
use hongyan_ledger::{MessageId, MessageState};
use hongyan_store::types::Cancelled;
use serde::Serialize;
use utoipa::ToSchema;

use super::id::{message_id, must_see, no_such_message};
use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::problem::{Path, Problem};
use crate::schemas;

/// A message that will not be sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CancelledMessage)]
pub(super) struct CancelAnswer {
    #[schema(value_type = schemas::MessageId)]
    id: MessageId,
    #[schema(value_type = schemas::MessageState)]
    state: MessageState,
}

/// Cancel a message that is not being sent yet.
///
/// The message's reserved permit is free again. If the message is `sending` or later, or its last answer was lost, the call
/// is refused with `too_late_to_cancel` and the message's `state`.
#[utoipa::path(
    delete,
    path = "/v1/messages/{id}",
    operation_id = "cancel_message",
    tag = "messages",
    security(("api_key" = ["messages"])),
    params(("id" = schemas::MessageId, Path)),
    responses(
        (status = 200, description = "The message will not be sent.", body = CancelAnswer),
        (status = 409, description = "It is too late to cancel.", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(super) async fn cancel(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<CancelAnswer>, Problem> {
    let id = message_id(&id)?;
    must_see(&context, &caller, id).await?;
    match context.intake.cancel(id).await? {
        Cancelled::Done => Ok(axum::Json(CancelAnswer { id, state: MessageState::Cancelled })),
        Cancelled::NotFound => Err(no_such_message(id)),
        Cancelled::TooLate(state) => {
            let detail = match state {
                MessageState::Ready => {
                    "an earlier attempt got no answer, so the user may have it already".to_owned()
                }
                state => format!("the message is {state} already"),
            };
            Err(Problem::conflict("too_late_to_cancel", detail).with("state", state))
        }
    }
}
