//! What webhooks are sent, for the description: one entry for each type of event.
//!
//! The store writes these bodies (`hongyan-store`, `outbox.rs` and who calls it); the stories about webhooks hold what
//! arrives against these schemas.

use hongyan_ledger::webhook::EventType;
use serde_json::{Map, Value, json};

use crate::schemas;

/// The member of a schema: its name, what it is, and whether it is always there.
struct Member(&'static str, Value, bool);

/// It is always there.
fn always(name: &'static str, schema: Value) -> Member {
    Member(name, schema, true)
}

/// It may be absent.
fn maybe(name: &'static str, schema: Value) -> Member {
    Member(name, schema, false)
}

fn of<T: utoipa::ToSchema>() -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn object(description: &str, members: &[Member]) -> Value {
    let required: Vec<&str> = members.iter().filter(|member| member.2).map(|member| member.0).collect();
    let properties: Map<String, Value> =
        members.iter().map(|Member(name, schema, _)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "description": description, "required": required, "properties": properties })
}

/// When an event of this type comes.
const fn when(kind: EventType) -> &'static str {
    match kind {
        EventType::MessageSent => "WeChat took a message.",
        EventType::MessageDelivered => "WeChat reported that the user has a message.",
        EventType::MessageRefused => "WeChat reported that the user did not get a message that it had taken.",
        EventType::MessageFailed => "A message became failed, expired or cancelled; state says which.",
        EventType::MessageUnknown => {
            "A request was written and no answer came, so that nobody knows whether the user has it."
        }
        EventType::PermitGranted => "A right to send was granted.",
        EventType::PermitExpiring => "A permit with units left is about to expire.",
        EventType::AppPaused => "An app's pause begins, or has another cause.",
        EventType::AppResumed => "An app's pause was ended.",
        EventType::TemplateChanged => "Templates of an app came, went or changed.",
        EventType::WebhookDisabled => "Another webhook was disabled.",
        EventType::WechatEvent => "WeChat pushed something, whatever it is.",
        EventType::WebhookTest => "A test was asked for. It goes to that webhook alone.",
    }
}

/// The name of the schema of what an event of this type is about.
const fn data_name(kind: EventType) -> &'static str {
    match kind {
        EventType::MessageSent
        | EventType::MessageDelivered
        | EventType::MessageRefused
        | EventType::MessageFailed
        | EventType::MessageUnknown => "MessageEventData",
        EventType::PermitGranted => "PermitGrantedData",
        EventType::PermitExpiring => "PermitExpiringData",
        EventType::AppPaused => "AppPausedData",
        EventType::AppResumed => "AppResumedData",
        EventType::TemplateChanged => "TemplateChangedData",
        EventType::WebhookDisabled => "WebhookDisabledData",
        EventType::WechatEvent => "WechatEventData",
        EventType::WebhookTest => "WebhookTestData",
    }
}

/// What an event of this type is about.
fn data(kind: EventType) -> Value {
    match kind {
        EventType::MessageSent
        | EventType::MessageDelivered
        | EventType::MessageRefused
        | EventType::MessageFailed
        | EventType::MessageUnknown => object(
            "The message, where it is now.",
            &[
                always("id", of::<schemas::MessageId>()),
                always("app", of::<schemas::AppId>()),
                always("to", of::<schemas::OpenId>()),
                always("template", of::<schemas::TemplateId>()),
                always("channel", of::<schemas::Channel>()),
                maybe("reference", text("The caller's own id.")),
                always("state", of::<schemas::MessageState>()),
                maybe(
                    "reason",
                    object(
                        "Why it is there, where that needs saying.",
                        &[
                            always("code", of::<schemas::ReasonCode>()),
                            maybe("errcode", of::<schemas::Errcode>()),
                            maybe("errmsg", text("WeChat's words.")),
                        ],
                    ),
                ),
                always("attempt_count", count("How many requests to WeChat there were.")),
                always("accepted_at", of::<schemas::Time>()),
            ],
        ),
        EventType::PermitGranted => object(
            "The permit.",
            &[
                always("id", of::<schemas::PermitId>()),
                always("app", of::<schemas::AppId>()),
                always("openid", of::<schemas::OpenId>()),
                always("kind", of::<schemas::PermitKind>()),
                maybe("template", of::<schemas::TemplateId>()),
                maybe("count", count("How many units. Absent: unlimited.")),
                maybe("expires_at", of::<schemas::Time>()),
            ],
        ),
        EventType::PermitExpiring => object(
            "The permit.",
            &[
                always("id", of::<schemas::PermitId>()),
                always("app", of::<schemas::AppId>()),
                always("openid", of::<schemas::OpenId>()),
                always("kind", of::<schemas::PermitKind>()),
                maybe("template", of::<schemas::TemplateId>()),
                always("available", count("How many units are left.")),
                always("expires_at", of::<schemas::Time>()),
            ],
        ),
        EventType::AppPaused => object(
            "The pause.",
            &[
                always("app", of::<schemas::AppId>()),
                always("code", of::<schemas::PauseCode>()),
                maybe("errcode", of::<schemas::Errcode>()),
                always("detail", text("In words.")),
                maybe("until", of::<schemas::Time>()),
            ],
        ),
        EventType::AppResumed => object(
            "The pause that was ended.",
            &[
                always("app", of::<schemas::AppId>()),
                always("code", of::<schemas::PauseCode>()),
                always("since", of::<schemas::Time>()),
            ],
        ),
        EventType::TemplateChanged => object(
            "What is different.",
            &[
                always("app", of::<schemas::AppId>()),
                always("added", list(&of::<schemas::TemplateId>())),
                always("removed", list(&of::<schemas::TemplateId>())),
                always("changed", list(&of::<schemas::TemplateId>())),
            ],
        ),
        EventType::WebhookDisabled => object(
            "The webhook.",
            &[
                always("webhook", of::<schemas::WebhookId>()),
                always("url", text("Where it is.")),
                always("description", text("What it is for.")),
                always("reason", of::<schemas::DisabledReason>()),
                maybe("failing_since", of::<schemas::Time>()),
            ],
        ),
        EventType::WechatEvent => object(
            "The event, as GET /v1/events has it.",
            &[
                always("id", of::<schemas::EventId>()),
                always("app", of::<schemas::AppId>()),
                maybe("openid", of::<schemas::OpenId>()),
                always("name", text("As WeChat spells it.")),
                always("body", of::<schemas::EventBody>()),
            ],
        ),
        EventType::WebhookTest => object("The webhook.", &[always("webhook", of::<schemas::WebhookId>())]),
    }
}

/// `message.sent` → `MessageSentEvent`.
fn event_name(kind: EventType) -> String {
    let words = kind.name().split('.').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect::<String>() + "Event"
}

/// Every schema of an event, by its name.
pub(super) fn schemas() -> impl Iterator<Item = (String, Value)> {
    EventType::ALL.into_iter().flat_map(|kind| {
        let event = object(
            when(kind),
            &[
                always("type", json!({ "type": "string", "enum": [kind.name()] })),
                always("timestamp", of::<schemas::Time>()),
                always("data", json!({ "$ref": format!("#/components/schemas/{}", data_name(kind)) })),
            ],
        );
        [(data_name(kind).to_owned(), data(kind)), (event_name(kind), event)]
    })
}

/// The section `webhooks`.
pub(super) fn all() -> Value {
    let header = |name: &str, schema: Value, description: &str| json!({ "name": name, "in": "header", "required": true, "description": description, "schema": schema });
    let headers = json!([
        header(
            "webhook-id",
            of::<schemas::WebhookEventId>(),
            "The event's id: the same in every try and in a replay."
        ),
        header(
            "webhook-timestamp",
            json!({ "type": "integer" }),
            "When this try was made, in seconds since 1970."
        ),
        header(
            "webhook-signature",
            json!({ "type": "string" }),
            "v1, and the base64 of HMAC-SHA-256 over `id.timestamp.body` under the webhook's secret; while a secret is \
             rotated two of them, with a space between.",
        ),
    ]);
    let webhook = |kind: EventType| {
        let body = json!({ "$ref": format!("#/components/schemas/{}", event_name(kind)) });
        json!({ "post": {
            "operationId": format!("on_{}", kind.name().replace('.', "_")),
            "tags": ["webhooks"],
            "summary": when(kind),
            "description": "Sent to every webhook whose filter lets it through, until it is taken, for three days. Standard \
                            Webhooks: verify the signature, answer 2xx within 15 seconds, and expect an event twice.",
            "security": [],
            "parameters": headers,
            "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
            "responses": {
                "2XX": { "description": "Taken." },
                "410": { "description": "The webhook is disabled at once." },
                "default": { "description": "Tried again later." },
            },
        } })
    };
    EventType::ALL
        .into_iter()
        .map(|kind| (kind.name().to_owned(), webhook(kind)))
        .collect::<Map<_, _>>()
        .into()
}
