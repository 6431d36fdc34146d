//! The JSON of a webhook.

use hongyan_clock::UnixMillis;
use hongyan_ledger::WebhookId;
use hongyan_ledger::webhook::{DisabledReason, EventType};
use hongyan_store::types::{Backlog, WebhookAnswer, WebhookRecord};
use hongyan_wechat::AppId;
use serde::Serialize;
use utoipa::ToSchema;

use super::request::no_such_webhook;
use crate::context::Context;
use crate::problem::Problem;
use crate::schemas;

/// A webhook, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookJson {
    #[schema(value_type = schemas::WebhookId)]
    id: WebhookId,
    url: String,
    description: String,
    /// The event types that the webhook receives. Empty: all types.
    #[schema(value_type = Vec<schemas::EventType>)]
    types: Vec<EventType>,
    /// The apps whose events the webhook receives. Empty: all apps.
    #[schema(value_type = Vec<schemas::AppId>)]
    apps: Vec<AppId>,
    state: WebhookState,
    /// Why the webhook is disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::DisabledReason)]
    disabled_reason: Option<DisabledReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    disabled_at: Option<UnixMillis>,
    /// The first failure since the last success.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    failing_since: Option<UnixMillis>,
    /// After repeated failures: no attempt is made before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    rests_until: Option<UnixMillis>,
    /// The number of events that are not delivered yet; counted up to 100,000.
    pending: u32,
    /// When the oldest pending event happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    oldest_pending_at: Option<UnixMillis>,
    /// The webhook's last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_answer: Option<AnswerJson>,
    /// Until this time, requests are also signed with the secret before the last rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    previous_secret_until: Option<UnixMillis>,
    #[schema(value_type = schemas::Time)]
    created_at: UnixMillis,
    #[schema(value_type = schemas::Time)]
    updated_at: UnixMillis,
}

/// A webhook with its secret, which is shown only once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookWithSecret {
    #[serde(flatten)]
    pub(super) webhook: WebhookJson,
    /// The secret that signs the events: `whsec_` and base64. Not shown again.
    pub(super) secret: String,
}

/// Whether events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WebhookState {
    /// Events are sent.
    Enabled,
    /// Events are kept, and sent when the webhook is enabled.
    Disabled,
}

/// What a webhook answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookAnswer)]
pub(super) struct AnswerJson {
    #[schema(value_type = schemas::Time)]
    at: UnixMillis,
    /// The HTTP status. Absent: the webhook did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 100, maximum = 999, nullable = false)]
    status: Option<u16>,
    /// The beginning of the answer's body if it was not a success, or why there was no answer.
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
}

impl From<WebhookAnswer> for AnswerJson {
    fn from(answer: WebhookAnswer) -> Self {
        let WebhookAnswer { at, status, text } = answer;
        Self { at, status, text }
    }
}

fn webhook_json(record: WebhookRecord, backlog: Backlog, now: UnixMillis) -> WebhookJson {
    let disabled = record.disabled;
    let is_ahead = |at: &UnixMillis| *at > now;
    WebhookJson {
        id: record.id,
        url: record.url,
        description: record.description,
        types: record.filter.types.unwrap_or_default(),
        apps: record.filter.apps.unwrap_or_default(),
        state: if disabled.is_some() { WebhookState::Disabled } else { WebhookState::Enabled },
        disabled_reason: disabled.map(|(reason, _)| reason),
        disabled_at: disabled.map(|(_, at)| at),
        failing_since: record.health.failing_since,
        rests_until: record.health.rest_until.filter(is_ahead),
        pending: backlog.pending,
        oldest_pending_at: backlog.oldest,
        last_answer: record.last.map(AnswerJson::from),
        previous_secret_until: record.previous_secret.map(|(_, until)| until).filter(is_ahead),
        created_at: record.created_at,
        updated_at: record.updated_at,
    }
}

/// A webhook's current JSON.
pub(super) async fn shown(context: &Context, id: WebhookId) -> Result<WebhookJson, Problem> {
    let known = context.store.webhook(id).await?;
    let (record, backlog) = known.ok_or_else(|| no_such_webhook(id))?;
    Ok(webhook_json(record, backlog, context.clock.now()))
}

#[cfg(test)]
mod tests {
    use hongyan_ledger::ids::IdMaker;
    use hongyan_ledger::webhook::Health;

    use super::*;
    use crate::api::openapi::tests::description;
    use crate::api::webhooks::request::filter;

    #[test]
    fn every_member_of_a_webhook_is_described() {
        let moment = UnixMillis(1_700_000_000_000);
        let record = WebhookRecord {
            id: IdMaker::new().webhook(moment),
            url: "https://example.com/".into(),
            description: "shop".into(),
            filter: filter(&["message.sent".into()], &["wx0123456789abcdef".into()]).unwrap(),
            secret: vec![1],
            previous_secret: Some((vec![2], moment)),
            disabled: Some((DisabledReason::Failing, moment)),
            health: Health { failing_since: Some(moment), failures: 5, rest_until: Some(moment) },
            last: Some(WebhookAnswer { at: moment, status: Some(500), text: "oh".into() }),
            created_at: moment,
            updated_at: moment,
        };
        let backlog = Backlog { pending: 3, oldest: Some(moment) };
        let json = serde_json::to_value(webhook_json(record, backlog, UnixMillis(0))).unwrap();
        let description = description();
        description.check("Webhook", &json);
        for name in description.members("Webhook") {
            assert!(json.get(&name).is_some(), "{name} is described but was never seen");
        }
        assert!(!json.to_string().contains("\"secret\""), "{json}");
    }
}
