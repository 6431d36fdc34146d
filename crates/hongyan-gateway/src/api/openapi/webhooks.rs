//! The requests to webhooks, for the description: one entry for each event type.
//!
//! The store writes these bodies (`hongyan-store`, `outbox.rs` and its callers); the stories about webhooks validate the
//! deliveries against these schemas.

use hongyan_ledger::webhook::EventType;
use serde_json::{Map, Value, json};

use crate::schemas;

/// A member of a schema: its name, its schema, and whether it is required.
struct Member(&'static str, Value, bool);

/// A required member.
fn always(name: &'static str, schema: Value) -> Member {
    Member(name, schema, true)
}

/// An optional member.
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

/// What causes an event of this type.
const fn when(kind: EventType) -> &'static str {
    match kind {
        EventType::MessageSent => "WeChat accepted a message.",
        EventType::MessageDelivered => "WeChat reported that the user got a message.",
        EventType::MessageRefused => {
            "WeChat reported that the user did not get a message that WeChat had accepted."
        }
        EventType::MessageFailed => "A message became failed, expired or cancelled; state says which.",
        EventType::MessageUnknown => {
            "A request was written and no answer came, so nobody knows whether the user has the message."
        }
        EventType::PermitGranted => "A permit was granted.",
        EventType::PermitExpiring => "A permit with units left is about to expire.",
        EventType::AppPaused => "An app was paused, or the cause of its pause changed.",
        EventType::AppResumed => "An app was resumed.",
        EventType::TemplateChanged => "Templates of an app were added, removed or changed.",
        EventType::WebhookDisabled => "Another webhook was disabled.",
        EventType::WechatEvent => "WeChat pushed an event of any kind.",
        EventType::WebhookTest => "Somebody asked for a test. The event goes to that webhook alone.",
    }
}

/// The schema name of the `data` of an event of this type.
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

/// The schema of the `data` of an event of this type.
fn data(kind: EventType) -> Value {
    match kind {
        EventType::MessageSent
        | EventType::MessageDelivered
        | EventType::MessageRefused
        | EventType::MessageFailed
        | EventType::MessageUnknown => object(
            "The message in its new state.",
            &[
                always("id", of::<schemas::MessageId>()),
                always("app", of::<schemas::AppId>()),
                always("to", of::<schemas::OpenId>()),
                always("template", of::<schemas::TemplateId>()),
                always("channel", of::<schemas::Channel>()),
                maybe("reference", text("The caller's own id for the message.")),
                maybe("request_id", text("The id of the request that brought the message (`x-request-id`).")),
                always("state", of::<schemas::MessageState>()),
                maybe(
                    "reason",
                    object(
                        "Why the message is in this state, if there is a reason to give.",
                        &[
                            always("code", of::<schemas::ReasonCode>()),
                            maybe("errcode", of::<schemas::Errcode>()),
                            maybe("errmsg", text("WeChat's error message.")),
                        ],
                    ),
                ),
                always("attempt_count", count("The number of requests to WeChat so far.")),
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
                maybe("count", count("The number of units; absent if unlimited.")),
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
                always("available", count("The number of units left.")),
                always("expires_at", of::<schemas::Time>()),
            ],
        ),
        EventType::AppPaused => object(
            "The pause.",
            &[
                always("app", of::<schemas::AppId>()),
                always("code", of::<schemas::PauseCode>()),
                maybe("errcode", of::<schemas::Errcode>()),
                always("detail", text("The cause, for people.")),
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
            "The changed templates.",
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
                always("url", text("The webhook's URL.")),
                always("description", text("What the webhook is for.")),
                always("reason", of::<schemas::DisabledReason>()),
                maybe("failing_since", of::<schemas::Time>()),
            ],
        ),
        EventType::WechatEvent => object(
            "The event, as GET /v1/events shows it.",
            &[
                always("id", of::<schemas::EventId>()),
                always("app", of::<schemas::AppId>()),
                maybe("openid", of::<schemas::OpenId>()),
                always("name", text("The event's name at WeChat.")),
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

/// The schemas of all events, with their names.
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
            "The event's id. Every attempt and every replay has the same id."
        ),
        header(
            "webhook-timestamp",
            json!({ "type": "integer" }),
            "The time of this attempt, in seconds since 1970."
        ),
        header(
            "webhook-signature",
            json!({ "type": "string" }),
            "`v1,` followed by the base64 of HMAC-SHA-256 over `id.timestamp.body` with the webhook's secret. While a secret \
             is being rotated there are two signatures, separated by a space.",
        ),
    ]);
    let webhook = |kind: EventType| {
        let body = json!({ "$ref": format!("#/components/schemas/{}", event_name(kind)) });
        json!({ "post": {
            "operationId": format!("on_{}", kind.name().replace('.', "_")),
            "tags": ["webhooks"],
            "summary": when(kind),
            "description": "Sent to every webhook whose filter matches. Repeated until the receiver answers 2xx, for up to three \
                            days. Standard Webhooks: verify the signature, answer 2xx within 15 seconds, and expect that \
                            an event may come twice.",
            "security": [],
            "parameters": headers,
            "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
            "responses": {
                "2XX": { "description": "The delivery is done." },
                "410": { "description": "The webhook is disabled at once." },
                "default": { "description": "The delivery is tried again later." },
            },
        } })
    };
    EventType::ALL
        .into_iter()
        .map(|kind| (kind.name().to_owned(), webhook(kind)))
        .collect::<Map<_, _>>()
        .into()
}
