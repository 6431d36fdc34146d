//! `/v1/webhooks`: who is told of events.

mod change;
mod deliveries;
mod replay;
mod set_up;

use hongyan_clock::UnixMillis;
use hongyan_ledger::WebhookId;
use hongyan_ledger::webhook::{DisabledReason, EventType, Filter};
use hongyan_store::types::{Backlog, WebhookAnswer, WebhookRecord};
use hongyan_wechat::AppId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::caller::Caller;
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::Problem;
use crate::shapes;

/// The most types in a filter; there are fewer.
const MAX_TYPES: usize = 64;

/// The most apps in a filter.
const MAX_APPS: usize = 100;

/// All calls.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(set_up::create, set_up::list))
        .routes(routes!(set_up::show, change::change, change::remove))
        .routes(routes!(change::rotate))
        .routes(routes!(change::enable))
        .routes(routes!(replay::replay))
        .routes(routes!(replay::test))
        .routes(routes!(deliveries::deliveries))
}

/// A webhook, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
struct WebhookJson {
    #[schema(value_type = shapes::WebhookId)]
    id: WebhookId,
    url: String,
    description: String,
    /// What it wants to hear of; empty: everything.
    #[schema(value_type = Vec<shapes::EventType>)]
    types: Vec<EventType>,
    /// About which apps; empty: all.
    #[schema(value_type = Vec<shapes::AppId>)]
    apps: Vec<AppId>,
    state: WebhookState,
    /// Why it is disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::DisabledReason)]
    disabled_reason: Option<DisabledReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::Time)]
    disabled_at: Option<UnixMillis>,
    /// The first failure since the last success.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::Time)]
    failing_since: Option<UnixMillis>,
    /// It failed and failed: it is not asked before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::Time)]
    rests_until: Option<UnixMillis>,
    /// Events that it has not taken yet; counted up to 100,000.
    pending: u32,
    /// When the oldest of them happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::Time)]
    oldest_pending_at: Option<UnixMillis>,
    /// What it answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_answer: Option<AnswerJson>,
    /// Until then the secret before the last rotation signs, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::Time)]
    previous_secret_until: Option<UnixMillis>,
    #[schema(value_type = shapes::Time)]
    created_at: UnixMillis,
    #[schema(value_type = shapes::Time)]
    updated_at: UnixMillis,
}

/// Whether events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WebhookState {
    /// They are.
    Enabled,
    /// They are kept, and sent when it is enabled.
    Disabled,
}

/// What a webhook answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookAnswer)]
struct AnswerJson {
    #[schema(value_type = shapes::Time)]
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
async fn shown(context: &Context, id: WebhookId) -> Result<WebhookJson, Problem> {
    let known = context.store.webhook(id).await?;
    let (record, backlog) = known.ok_or_else(|| no_such_webhook(id))?;
    Ok(webhook_json(record, backlog, context.clock.now()))
}

/// One webhook that must be there.
async fn known(context: &Context, caller: &Caller, id: &str) -> Result<WebhookRecord, Problem> {
    let id = webhook_id(id)?;
    let known = context.store.webhook(id).await?.map(|(record, _)| record);
    known.filter(|record| is_callers(caller, &record.filter)).ok_or_else(|| no_such_webhook(id))
}

/// Whether a webhook hears of nothing but the apps that the caller's key is for.
fn is_callers(caller: &Caller, filter: &Filter) -> bool {
    caller.key().apps.is_none()
        || filter.apps.as_ref().is_some_and(|apps| apps.iter().all(|appid| caller.sees(appid)))
}

/// What a webhook may hear of: for a key that is for some apps, those, unless it asks for fewer.
fn for_caller(caller: &Caller, filter: Filter) -> Result<Filter, Problem> {
    let apps = filter.apps.or_else(|| caller.key().apps.clone());
    match apps.iter().flatten().find(|appid| !caller.sees(appid)) {
        Some(other) => Err(Problem::other_app(other)),
        None => Ok(Filter { apps, ..filter }),
    }
}

fn webhook_id(text: &str) -> Result<WebhookId, Problem> {
    text.parse().map_err(|_| {
        let text: String = text.chars().take(64).collect();
        Problem::not_found(format!("{text} is not a webhook's id; those look like whk_ and 32 digits"))
    })
}

fn no_such_webhook(id: WebhookId) -> Problem {
    Problem::not_found(format!("there is no webhook {id}"))
}

fn checked_url(context: &Context, url: &str) -> Result<String, Problem> {
    let checked = context.webhook_rules.check(url);
    checked.map(String::from).map_err(|why| Problem::invalid("url", why.to_string()))
}

/// A list in which nothing stands for everything.
fn types(names: &[String]) -> Result<Option<Vec<EventType>>, Problem> {
    if names.len() > MAX_TYPES {
        return Err(Problem::invalid("types", format!("at most {MAX_TYPES}")));
    }
    let mut types = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let kind = EventType::from_name(name).filter(|kind| kind.is_for_all()).ok_or_else(|| {
            let known: Vec<_> =
                EventType::ALL.into_iter().filter(|kind| kind.is_for_all()).map(EventType::name).collect();
            Problem::invalid(format!("types[{place}]"), format!("one of {}", known.join(", ")))
        })?;
        if !types.contains(&kind) {
            types.push(kind);
        }
    }
    Ok((!types.is_empty()).then_some(types))
}

/// The same for apps.
fn apps(appids: &[String]) -> Result<Option<Vec<AppId>>, Problem> {
    if appids.len() > MAX_APPS {
        return Err(Problem::invalid("apps", format!("at most {MAX_APPS}")));
    }
    let mut apps: Vec<AppId> = Vec::new();
    for (place, appid) in appids.iter().enumerate() {
        let appid = parse(&format!("apps[{place}]"), appid)?;
        if !apps.contains(&appid) {
            apps.push(appid);
        }
    }
    Ok((!apps.is_empty()).then_some(apps))
}

fn filter(type_names: &[String], appids: &[String]) -> Result<Filter, Problem> {
    Ok(Filter { types: types(type_names)?, apps: apps(appids)? })
}

#[cfg(test)]
mod tests {
    use hongyan_ledger::ids::IdMaker;
    use hongyan_ledger::webhook::Health;

    use super::*;
    use crate::api::openapi::tests::description;

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

    #[test]
    fn a_filter_names_known_types_once() {
        let names = ["message.sent".to_owned(), "message.sent".to_owned()];
        assert_eq!(types(&names).unwrap(), Some(vec![EventType::MessageSent]));
        assert_eq!(types(&[]).unwrap(), None);
        for name in ["message", "webhook.test", ""] {
            assert_eq!(types(&[name.to_owned()]).unwrap_err().field.as_deref(), Some("types[0]"), "{name}");
        }
        let many: Vec<String> = (0..=MAX_APPS).map(|n| format!("wx{n}")).collect();
        assert_eq!(apps(&many).unwrap_err().code, "invalid_field");
    }
}
