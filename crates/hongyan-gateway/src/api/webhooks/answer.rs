//! How a webhook is shown.

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
    /// What it wants to hear of; empty: everything.
    #[schema(value_type = Vec<schemas::EventType>)]
    types: Vec<EventType>,
    /// About which apps; empty: all.
    #[schema(value_type = Vec<schemas::AppId>)]
    apps: Vec<AppId>,
    state: WebhookState,
    /// Why it is disabled.
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
    /// It failed and failed: it is not asked before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    rests_until: Option<UnixMillis>,
    /// Events that it has not taken yet; counted up to 100,000.
    pending: u32,
    /// When the oldest of them happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    oldest_pending_at: Option<UnixMillis>,
    /// What it answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_answer: Option<AnswerJson>,
    /// Until then the secret before the last rotation signs, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    previous_secret_until: Option<UnixMillis>,
    #[schema(value_type = schemas::Time)]
    created_at: UnixMillis,
    #[schema(value_type = schemas::Time)]
    updated_at: UnixMillis,
}

/// A webhook with what is said only once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookWithSecret {
    #[serde(flatten)]
    pub(super) webhook: WebhookJson,
    /// What signs the events: `whsec_` and base64. Not shown again.
    pub(super) secret: String,
}

/// Whether events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WebhookState {
    /// They are.
    Enabled,
    /// They are kept, and sent when it is enabled.
    Disabled,
}

/// What a webhook answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookAnswer)]
pub(super) struct AnswerJson {
    #[schema(value_type = schemas::Time)]
    at: UnixMillis,
    /// The HTTP status. Absent: there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 100, maximum = 999, nullable = false)]
    status: Option<u16>,
    /// The answer's first words, if it was no success; or why there was no answer.
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

/// A webhook as it is now.
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
