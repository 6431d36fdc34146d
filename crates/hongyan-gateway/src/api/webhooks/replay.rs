//! `POST /v1/webhooks/{id}/replay` and `POST …/test`.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::StatusCode;
use hongyan_clock::UnixMillis;
use hongyan_ledger::WebhookEventId;
use hongyan_store::types::{ReplayOrder, Replayed};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::request::{known, no_such_webhook};
use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::{Json, Path, Problem};
use crate::schemas;

/// Which events to send again: one event, or those of a period. [`ReplayOne`] and [`ReplayTime`] are its OpenAPI schemas.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayRequest {
    event: Option<String>,
    since: Option<UnixMillis>,
    until: Option<UnixMillis>,
}

impl PartialSchema for ReplayRequest {
    fn schema() -> RefOr<Schema> {
        schemas::one_of::<ReplayOne, ReplayTime>(
            "Which events to send again: one event, or those of a period.",
        )
    }
}

impl ToSchema for ReplayRequest {
    fn name() -> Cow<'static, str> {
        "ReplayEvents".into()
    }

    fn schemas(schemas: &mut schemas::Schemas) {
        schemas::with_parts::<ReplayOne>(schemas);
        schemas::with_parts::<ReplayTime>(schemas);
    }
}

/// One event.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes one form of ReplayRequest")]
struct ReplayOne {
    /// The event to send again, even if the filter does not match it.
    #[schema(value_type = schemas::WebhookEventId)]
    event: String,
}

/// The events of a period.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes one form of ReplayRequest")]
struct ReplayTime {
    /// Events at this time or later that match the filter.
    #[schema(value_type = schemas::Time)]
    since: UnixMillis,
    /// Only events before this time. Absent: until now.
    #[schema(value_type = Option<schemas::Time>)]
    until: Option<UnixMillis>,
}

/// The events that are sent again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReplayedEvents)]
pub(super) struct ReplayAnswer {
    /// The number of events.
    events: u32,
    /// Present if more events remain than one call replays: send this as `since` to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    next_since: Option<UnixMillis>,
}

/// A test event that will be sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookTest)]
pub(super) struct TestAnswer {
    /// The event's id, which the header `webhook-id` will have.
    #[schema(value_type = schemas::WebhookEventId)]
    event: WebhookEventId,
}

/// Send events again, as if they had never been sent. One call looks at up to 10,000 events.
///
/// The events have the same `webhook-id` as the first time.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/replay",
    operation_id = "replay_events",
    tag = "webhooks",
    security(("api_key" = ["webhooks"])),
    params(("id" = schemas::WebhookId, Path)),
    request_body = ReplayRequest,
    responses((status = 202, description = "The events will be sent.", body = ReplayAnswer), Refusals),
)]
pub(super) async fn replay(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<ReplayRequest>,
) -> Result<(StatusCode, axum::Json<ReplayAnswer>), Problem> {
    let (id, now) = (known(&context, &caller, &id).await?.id, context.clock.now());
    let order = match (&request.event, request.since, request.until) {
        (Some(event), None, None) => ReplayOrder::Event(parse("event", event)?),
        (None, Some(since), until) => ReplayOrder::Between { since, until: until.unwrap_or(UnixMillis::MAX) },
        (Some(_), ..) => return Err(Problem::invalid("event", "send either event, or since and until")),
        (None, None, _) => return Err(Problem::invalid("since", "send either event, or since and until")),
    };
    match context.store.replay(id, order, now).await? {
        Replayed::NoWebhook => Err(no_such_webhook(id)),
        Replayed::NoEvent => {
            Err(Problem::not_found("there is no such event; old events are deleted").field("event"))
        }
        Replayed::Events { events, next_since } => {
            Ok((StatusCode::ACCEPTED, axum::Json(ReplayAnswer { events, next_since })))
        }
    }
}

/// Send a `webhook.test` to see whether a webhook works.
///
/// The event goes to this webhook alone, whatever its filter says.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/test",
    operation_id = "test_webhook",
    tag = "webhooks",
    security(("api_key" = ["webhooks"])),
    params(("id" = schemas::WebhookId, Path)),
    responses((status = 202, description = "The test will be sent.", body = TestAnswer), Refusals),
)]
pub(super) async fn test(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, axum::Json<TestAnswer>), Problem> {
    let id = known(&context, &caller, &id).await?.id;
    let event = context.store.test_webhook(id, context.clock.now()).await?;
    let event = event.ok_or_else(|| no_such_webhook(id))?;
    Ok((StatusCode::ACCEPTED, axum::Json(TestAnswer { event })))
}
