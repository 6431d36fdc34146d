//! `PATCH`, `DELETE /v1/webhooks/{id}`, `POST …/secret` and `POST …/enable`.

use axum::extract::State;
use axum::http::StatusCode;
use hongyan_ledger::webhook::{DisabledReason, Filter, ROTATION_OVERLAP};
use hongyan_store::types::{WebhookChange, WebhookRecord};
use secrecy::ExposeSecret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{WebhookJson, WebhookWithSecret, shown};
use super::request::{
    Description, MAX_APPS, MAX_TYPES, apps, checked_url, for_caller, known, no_such_webhook, types,
};
use crate::api::bounded::Few;
use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::problem::{Json, Path, Problem};
use crate::schemas;
use crate::vault::Purpose;
use crate::webhooks::new_secret;

/// Changes to a webhook. An absent member changes nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeWebhook)]
pub(super) struct ChangeWebhookRequest {
    /// The new URL that events are posted to.
    #[schema(value_type = Option<schemas::WebhookUrl>)]
    url: Option<String>,
    /// The event types that the webhook receives. Empty: all types.
    #[schema(value_type = Option<Vec<schemas::WantedEventType>>, max_items = 64)]
    types: Option<Few<String, MAX_TYPES>>,
    /// The apps whose events the webhook receives. Empty: all apps.
    #[schema(value_type = Option<Vec<schemas::AppId>>, max_items = 100)]
    apps: Option<Few<String, MAX_APPS>>,
    /// What the webhook is for, for people.
    #[schema(inline)]
    description: Option<Description>,
    /// Disable the webhook; its events are kept until it is enabled.
    #[serde(default)]
    disable: bool,
}

/// Stores a change.
async fn changed(
    context: &Context,
    record: &WebhookRecord,
    change: WebhookChange,
) -> Result<WebhookRecord, Problem> {
    let changed = context.store.change_webhook(record.id, change, context.clock.now()).await?;
    changed.ok_or_else(|| no_such_webhook(record.id))
}

/// Change a webhook. A new filter applies to new events and to pending events.
///
/// An absent member changes nothing. `disable` keeps the webhook's events until it is enabled again.
#[utoipa::path(
    patch,
    path = "/v1/webhooks/{id}",
    operation_id = "change_webhook",
    tag = "webhooks",
    security(("api_key" = ["webhooks"])),
    params(("id" = schemas::WebhookId, Path)),
    request_body = ChangeWebhookRequest,
    responses((status = 200, description = "The webhook as it is now.", body = WebhookJson), Refusals),
)]
pub(super) async fn change(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<ChangeWebhookRequest>,
) -> Result<axum::Json<WebhookJson>, Problem> {
    let mut record = known(&context, &caller, &id).await?;
    let settings = WebhookChange::Settings {
        url: match &request.url {
            Some(url) => checked_url(&context, url)?,
            None => record.url.clone(),
        },
        description: match request.description {
            Some(text) => text.0,
            None => record.description.clone(),
        },
        filter: for_caller(
            &caller,
            Filter {
                types: match &request.types {
                    Some(names) => types(names)?,
                    None => record.filter.types.clone(),
                },
                apps: match &request.apps {
                    Some(appids) => apps(appids)?,
                    None => record.filter.apps.clone(),
                },
            },
        )?,
    };
    record = changed(&context, &record, settings).await?;
    if request.disable {
        record = changed(&context, &record, WebhookChange::Disable(DisabledReason::Operator)).await?;
    }
    Ok(axum::Json(shown(&context, record.id).await?))
}

/// Remove a webhook.
///
/// Nothing more is sent to the webhook. Its pending events are deleted.
#[utoipa::path(
    delete,
    path = "/v1/webhooks/{id}",
    operation_id = "remove_webhook",
    tag = "webhooks",
    security(("api_key" = ["webhooks"])),
    params(("id" = schemas::WebhookId, Path)),
    responses((status = 204, description = "Removed."), Refusals),
)]
pub(super) async fn remove(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = known(&context, &caller, &id).await?.id;
    if !context.store.remove_webhook(id).await? {
        return Err(no_such_webhook(id));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Rotate the secret. The old secret signs too for 24 hours.
///
/// During these hours each request has two signatures, so the receiver can switch to the new secret at any time.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/secret",
    operation_id = "rotate_webhook_secret",
    tag = "webhooks",
    security(("api_key" = ["webhooks"])),
    params(("id" = schemas::WebhookId, Path)),
    responses((status = 200, description = "The new `secret`, shown only in this answer.", body = WebhookWithSecret), Refusals),
)]
pub(super) async fn rotate(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<WebhookWithSecret>, Problem> {
    let record = known(&context, &caller, &id).await?;
    let secret = new_secret();
    let sealed = context.vault.seal_of(Purpose::WebhookSecret, &record.id.to_string(), &secret);
    let previous_until = context.clock.now().plus(ROTATION_OVERLAP);
    let record = changed(
        &context,
        &record,
        WebhookChange::Secret { secret: sealed, instead_of: None, previous_until },
    )
    .await?;
    Ok(axum::Json(WebhookWithSecret {
        webhook: shown(&context, record.id).await?,
        secret: secret.expose_secret().to_owned(),
    }))
}

/// Enable a webhook and send the events that were kept for it.
///
/// All pending events are due now, and are tried for another three days.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/enable",
    operation_id = "enable_webhook",
    tag = "webhooks",
    security(("api_key" = ["webhooks"])),
    params(("id" = schemas::WebhookId, Path)),
    responses((status = 200, description = "The webhook as it is now.", body = WebhookJson), Refusals),
)]
pub(super) async fn enable(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<WebhookJson>, Problem> {
    let record = known(&context, &caller, &id).await?;
    let record = changed(&context, &record, WebhookChange::Enable).await?;
    Ok(axum::Json(shown(&context, record.id).await?))
}
