//! `POST`, `GET /v1/webhooks` and `GET /v1/webhooks/{id}`.

use axum::extract::State;
use axum::http::StatusCode;
use hongyan_store::types::{MAX_WEBHOOKS, Subject, WebhookRecord};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{WebhookJson, WebhookWithSecret, shown};
use super::request::{Description, MAX_APPS, MAX_TYPES, checked_url, filter, for_caller, is_callers, known};
use crate::api::bounded::Few;
use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::problem::{Json, Path, Problem};
use crate::schemas;
use crate::vault::Purpose;
use crate::webhooks::new_secret;

/// A webhook to set up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateWebhook)]
pub(super) struct CreateRequest {
    /// The URL that events are posted to: `https`, at a public address, without a user or a password.
    #[schema(value_type = schemas::WebhookUrl)]
    url: String,
    /// The event types that the webhook receives. Absent or empty: all types.
    #[serde(default)]
    #[schema(value_type = Vec<schemas::WantedEventType>, max_items = 64)]
    types: Few<String, MAX_TYPES>,
    /// The apps whose events the webhook receives. Absent or empty: all apps. Events that concern no app are always sent.
    #[serde(default)]
    #[schema(value_type = Vec<schemas::AppId>, max_items = 100)]
    apps: Few<String, MAX_APPS>,
    /// What the webhook is for, for people.
    #[schema(inline)]
    description: Option<Description>,
}

/// Every webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookList)]
pub(super) struct WebhooksAnswer {
    webhooks: Vec<WebhookJson>,
}

/// Set up a webhook. It receives the events from now on.
///
/// Deliveries are signed as the Standard Webhooks specification says. The section `webhooks` of this description has the
/// requests.
#[utoipa::path(
    post,
    path = "/v1/webhooks",
    operation_id = "create_webhook",
    tag = "webhooks",
    security(("api_key" = ["webhooks"])),
    request_body = CreateRequest,
    responses((status = 201, description = "Set up. `secret` is shown only in this answer.", body = WebhookWithSecret), Refusals),
)]
pub(super) async fn create(
    State(context): State<Context>,
    caller: Caller,
    Json(request): Json<CreateRequest>,
) -> Result<(StatusCode, axum::Json<WebhookWithSecret>), Problem> {
    let now = context.clock.now();
    let (id, secret) = (context.ids.webhook(now), new_secret());
    let url = checked_url(&context, &request.url)?;
    let filter = for_caller(&caller, filter(&request.types, &request.apps)?)?;
    let sealed = context.vault.seal_of(Purpose::WebhookSecret, &id.to_string(), &secret);
    let record = WebhookRecord {
        description: request.description.map(|text| text.0).unwrap_or_default(),
        ..WebhookRecord::new(id, url, filter, sealed, now)
    };
    caller.is_about(Subject { appid: None, object: Some(id.to_string()) });
    if !context.store.add_webhook(record).await? {
        let detail =
            format!("there are {MAX_WEBHOOKS} webhooks already; remove a webhook that is not needed");
        return Err(Problem::conflict("too_many_webhooks", detail));
    }
    let answer =
        WebhookWithSecret { webhook: shown(&context, id).await?, secret: secret.expose_secret().to_owned() };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// List the webhooks.
///
/// At most 64, each with its backlog.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    operation_id = "list_webhooks",
    tag = "webhooks",
    security(("api_key" = ["webhooks"])),
    responses((status = 200, description = "Every webhook, oldest first.", body = WebhooksAnswer), Refusals),
)]
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
) -> Result<axum::Json<WebhooksAnswer>, Problem> {
    let mut webhooks = Vec::new();
    let all = context.store.webhooks().await?;
    for start in all.into_iter().filter(|start| is_callers(&caller, &start.record.filter)) {
        webhooks.push(shown(&context, start.record.id).await?);
    }
    Ok(axum::Json(WebhooksAnswer { webhooks }))
}

/// Show a webhook: its settings, its last answer, its backlog.
///
/// `pending` counts the events that are not delivered yet.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{id}",
    operation_id = "show_webhook",
    tag = "webhooks",
    security(("api_key" = ["webhooks"])),
    params(("id" = schemas::WebhookId, Path)),
    responses((status = 200, description = "The webhook.", body = WebhookJson), Refusals),
)]
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<WebhookJson>, Problem> {
    Ok(axum::Json(shown(&context, known(&context, &caller, &id).await?.id).await?))
}
