//! `POST /v1/messages/{id}/resolve`.

use std::borrow::Cow;

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_ledger::resolve::{Then, Verdict, Witness};
use hongyan_ledger::{MessageId, MessageState};
use hongyan_store::types::{ResolutionView, Resolved};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::id::{message_id, must_see, no_such_message};
use super::reason::ReasonJson;
use crate::api::bounded::Whole;
use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::problem::{Json, Path, Problem};
use crate::schemas;

/// More attempts than any message has.
const MAX_ATTEMPT: u32 = i32::MAX as u32;

/// The number of an attempt.
type AttemptNumber = Whole<1, MAX_ATTEMPT>;

/// What an operator found out about a message of unknown outcome. [`WasSent`] and [`WasNotSent`] are its OpenAPI schemas.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResolveRequest {
    /// Whether the user has the message.
    outcome: FoundOut,
    /// What to do with a message that was not sent. Default: `send`.
    then: Option<Then>,
    /// The number of the attempt in doubt, from `attempts[]`. If a later attempt exists, the call is refused and changes
    /// nothing. Default: the last attempt.
    attempt: Option<AttemptNumber>,
}

impl PartialSchema for ResolveRequest {
    fn schema() -> RefOr<Schema> {
        schemas::one_of::<WasSent, WasNotSent>("What was found out about a message of unknown outcome.")
    }
}

impl ToSchema for ResolveRequest {
    fn name() -> Cow<'static, str> {
        "ResolveMessage".into()
    }

    fn schemas(schemas: &mut schemas::Schemas) {
        schemas::with_parts::<WasSent>(schemas);
        schemas::with_parts::<WasNotSent>(schemas);
    }
}

/// The user has the message.
#[derive(ToSchema)]
#[schema(as = ResolveSent)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes one form of ResolveRequest")]
struct WasSent {
    #[schema(inline)]
    outcome: OnlySent,
    /// The number of the attempt in doubt, from `attempts[]`. If a later attempt exists, the call is refused and changes
    /// nothing. Default: the last attempt.
    #[schema(inline)]
    attempt: Option<AttemptNumber>,
}

/// The user does not have the message.
#[derive(ToSchema)]
#[schema(as = ResolveNotSent)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes one form of ResolveRequest")]
struct WasNotSent {
    #[schema(inline)]
    outcome: OnlyNotSent,
    /// What to do with the message. Default: `send`.
    #[schema(value_type = Option<schemas::NotSentAction>)]
    then: Option<Then>,
    /// The number of the attempt in doubt, from `attempts[]`. If a later attempt exists, the call is refused and changes
    /// nothing. Default: the last attempt.
    #[schema(inline)]
    attempt: Option<AttemptNumber>,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes a word")]
enum OnlySent {
    Sent,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes a word")]
enum OnlyNotSent {
    NotSent,
}

/// Whether the user got the message of a request whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FoundOutcome)]
enum FoundOut {
    /// The user has the message.
    Sent,
    /// The user does not have the message.
    NotSent,
}

/// The message after it was resolved.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResolvedMessage)]
pub(super) struct ResolveAnswer {
    #[schema(value_type = schemas::MessageId)]
    id: MessageId,
    #[schema(value_type = schemas::MessageState)]
    state: MessageState,
    /// Why the message is in this state, if there is a reason to give.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<ReasonJson>,
    /// The message was resolved like this before; nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

/// What was found out about an attempt that got no answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Resolution)]
pub(super) struct ResolutionJson {
    /// The attempt's number.
    attempt: u32,
    outcome: FoundOut,
    /// What was to be done with a message that was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::NotSentAction)]
    then: Option<Then>,
    #[schema(value_type = schemas::Time)]
    resolved_at: UnixMillis,
    /// Who found it out.
    #[schema(value_type = schemas::ResolvedBy)]
    by: Witness,
}

impl From<ResolutionView> for ResolutionJson {
    fn from(resolution: ResolutionView) -> Self {
        let (outcome, then) = match resolution.verdict {
            Verdict::Sent => (FoundOut::Sent, None),
            Verdict::NotSent { then } => (FoundOut::NotSent, Some(then)),
        };
        Self {
            attempt: resolution.attempt,
            outcome,
            then,
            resolved_at: resolution.at,
            by: resolution.witness,
        }
    }
}

/// Resolve a message of unknown outcome: say whether the user has it.
///
/// A message that was sent has spent its permit. A message that was not sent is sent again with the permit that it kept,
/// expires if its deadline has passed, or fails with `"then": "fail"`. The same request may be repeated; it takes effect
/// once.
#[utoipa::path(
    post,
    path = "/v1/messages/{id}/resolve",
    operation_id = "resolve_message",
    tag = "messages",
    security(("api_key" = ["messages"])),
    params(("id" = schemas::MessageId, Path)),
    request_body = ResolveRequest,
    responses(
        (status = 200, description = "The message's state now.", body = ResolveAnswer),
        (
            status = 409, description = "The message is not unknown, or a different attempt is in doubt.", body = Problem,
            content_type = "application/problem+json",
        ),
        Refusals,
    ),
)]
pub(super) async fn resolve(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<ResolveRequest>,
) -> Result<axum::Json<ResolveAnswer>, Problem> {
    let id = message_id(&id)?;
    must_see(&context, &caller, id).await?;
    let verdict = match (request.outcome, request.then) {
        (FoundOut::Sent, None) => Verdict::Sent,
        (FoundOut::Sent, Some(_)) => {
            return Err(Problem::invalid("then", "only for a message that was not sent"));
        }
        (FoundOut::NotSent, then) => Verdict::NotSent { then: then.unwrap_or_default() },
    };
    let (state, reason, repeated) = match context
        .intake
        .resolve(id, verdict, request.attempt.map(|attempt| attempt.0), Witness::Operator, None)
        .await?
    {
        Resolved::Done { state, reason } => {
            let by = caller.actor();
            tracing::info!(message_id = %id, ?verdict, %state, by = by.id, name = by.name, "unknown outcome resolved");
            (state, reason, false)
        }
        Resolved::Repeated { state, reason } => (state, reason, true),
        // Only the silence watch gets these; an operator's verdict is not held up.
        Resolved::EventPending | Resolved::MayHaveMissed => {
            return Err(Problem::unavailable("an event from WeChat about this user is being processed"));
        }
        Resolved::NotFound => return Err(no_such_message(id)),
        Resolved::NotUnknown(state) => {
            let detail = match state {
                MessageState::Ready | MessageState::Sending => {
                    format!("the message is {state}; the gateway is about to find out by itself")
                }
                state => format!("the message is {state}; only an unknown message can be resolved"),
            };
            return Err(Problem::conflict("not_unknown", detail).with("state", state));
        }
        Resolved::AnotherAttempt(attempt) => {
            let detail = format!("the attempt in doubt is number {attempt}; look at the message again");
            return Err(Problem::conflict("another_attempt", detail).with("attempt", attempt));
        }
    };
    let reason = reason.map(|code| ReasonJson::new(code, None));
    Ok(axum::Json(ResolveAnswer { id, state, reason, repeated }))
}

#[cfg(test)]
mod tests {
    use hongyan_ledger::ids::IdMaker;
    use hongyan_ledger::{Lane, ReasonCode};

    use super::*;
    use crate::api::openapi::tests::description;
    use crate::problem::from_bytes;

    #[test]
    fn every_member_of_request_and_answer_is_described() {
        let answer = ResolveAnswer {
            id: IdMaker::new().message(Lane::all().next().unwrap(), UnixMillis(1_700_000_000_000)),
            state: MessageState::Failed,
            reason: Some(ReasonJson::new(ReasonCode::GivenUp, None)),
            repeated: true,
        };
        let description = description();
        description.check("ResolvedMessage", &serde_json::to_value(answer).unwrap());
        let request = serde_json::json!({ "outcome": "not_sent", "then": "fail", "attempt": 1 });
        description.check("ResolveMessage", &request);
        from_bytes::<ResolveRequest>(request.to_string().as_bytes()).unwrap();
    }
}
