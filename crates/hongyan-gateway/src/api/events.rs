//! `GET /v1/events`: what WeChat pushed, and what that did.

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_ledger::EventId;
use hongyan_store::types::{Effect, EventFilter, EventState, EventView};
use hongyan_wechat::{AppId, OpenId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::bounded::Text;
use super::listing;
use super::openapi::Refusals;
use crate::api::caller::Caller;
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::{Problem, Query};
use crate::schemas;

/// Which events to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// Those of this app.
    #[param(value_type = Option<schemas::AppId>)]
    app: Option<String>,
    /// Those about this user; needs `app`.
    #[param(value_type = Option<schemas::OpenId>)]
    openid: Option<String>,
    /// Those of this name, as WeChat spells it.
    #[param(value_type = Option<String>, min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "subscribe_msg_sent_event")]
    name: Option<Text<1, 128>>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<schemas::EventId>)]
    cursor: Option<String>,
    /// How many; 50 unless said.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
}

/// An event that WeChat pushed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
struct EventJson {
    #[schema(value_type = schemas::EventId)]
    id: EventId,
    #[schema(value_type = schemas::AppId)]
    app: AppId,
    /// The user that it is about, if that is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::OpenId)]
    openid: Option<OpenId>,
    /// As WeChat spells it; of what users write, its `MsgType`.
    #[schema(example = "subscribe_msg_sent_event")]
    name: String,
    #[schema(value_type = schemas::EventState)]
    state: EventState,
    /// What it did. Empty for one that the gateway only keeps.
    #[schema(value_type = Vec<schemas::EventEffect>)]
    effects: Vec<Effect>,
    /// When it happened, as WeChat says.
    #[schema(value_type = schemas::Time)]
    created_at: UnixMillis,
    #[schema(value_type = schemas::Time)]
    received_at: UnixMillis,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    worked_at: Option<UnixMillis>,
    /// All of it, as WeChat sent it; XML as the same in JSON, with texts for numbers.
    #[schema(value_type = schemas::EventBody)]
    body: Box<RawValue>,
}

/// A page of events, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventPage)]
pub(super) struct EventsAnswer {
    events: Vec<EventJson>,
    /// Give this back as `cursor` for the next page; absent on the last one. A page ends after 10,000 events were looked at,
    /// so one with this may have few events, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::EventId)]
    next_cursor: Option<EventId>,
}

/// List what WeChat pushed, newest first, and what each event did.
///
/// For looking things up: to be told of events as they come, set up a webhook.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "list_events",
    tag = "messages",
    security(("api_key" = ["messages"])),
    params(EventsQuery),
    responses((status = 200, description = "A page of events.", body = EventsAnswer), Refusals),
)]
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
    Query(query): Query<EventsQuery>,
) -> Result<axum::Json<EventsAnswer>, Problem> {
    let limit = listing::limit(query.limit)?;
    let appid = caller.one_app(query.app.map(|text| parse("app", &text)).transpose()?)?;
    if query.openid.is_some() && appid.is_none() {
        return Err(Problem::invalid("openid", "an openid belongs to one app: name it with app="));
    }
    let filter = EventFilter {
        appid,
        openid: query.openid.map(|text| parse("openid", &text)).transpose()?,
        name: query.name.map(|name| name.0),
        before: query.cursor.map(|text| parse("cursor", &text)).transpose()?,
        limit,
        ..EventFilter::default()
    };
    let page = context.store.events(filter).await?;
    let events = page.items.into_iter().map(event_json).collect::<Result<_, _>>()?;
    Ok(axum::Json(EventsAnswer { events, next_cursor: page.next }))
}

fn event_json(event: EventView) -> Result<EventJson, Problem> {
    let body = RawValue::from_string(event.body).map_err(|error| {
        tracing::error!(event = %event.id, %error, "a stored event cannot be read");
        Problem::internal()
    })?;
    Ok(EventJson {
        id: event.id,
        app: event.appid,
        openid: event.openid,
        name: event.name,
        state: event.state,
        effects: event.effects,
        created_at: UnixMillis(event.create_time.saturating_mul(1000)),
        received_at: event.received_at,
        worked_at: event.worked_at,
        body,
    })
}

#[cfg(test)]
mod tests {
    use hongyan_ledger::ids::IdMaker;
    use hongyan_ledger::{Lane, PermitKind};
    use hongyan_wechat::Errcode;

    use super::*;
    use crate::api::openapi::tests::description;

    #[test]
    fn every_member_of_an_event_is_described() {
        let (ids, lane, now) = (IdMaker::new(), Lane::new(1).unwrap(), UnixMillis(1_700_000_000_000));
        let (template, permit, message) =
            ("template-1".parse().unwrap(), ids.permit(lane, now), ids.message(lane, now));
        let template = || -> hongyan_wechat::TemplateId { Clone::clone(&template) };
        let kind = PermitKind::SubscribeOnce;
        let event = EventView {
            id: ids.event(lane, now),
            appid: "wx0123456789abcdef".parse().unwrap(),
            openid: Some("oSandboxUser0000000000000001".parse().unwrap()),
            name: "subscribe_msg_popup_event".into(),
            create_time: 1_700_000_000,
            received_at: now,
            state: EventState::Done,
            tries: 0,
            worked_at: Some(now),
            effects: vec![
                Effect::Granted { template: template(), kind, permit, woken: 1 },
                Effect::AlreadyReported { template: template() },
                Effect::Revoked { template: template(), kind, permit, units: 1 },
                Effect::Delivered { message },
                Effect::Refused { message, errcode: Errcode(4), errmsg: "user refuse".into() },
                Effect::AlreadySettled { message },
                Effect::NoMessage { template: template() },
            ],
            body: r#"{"MsgType":"event"}"#.into(),
        };
        let next_cursor = Some(event.id);
        let answer = EventsAnswer { events: vec![event_json(event).unwrap()], next_cursor };
        description().check("EventPage", &serde_json::to_value(answer).unwrap());
    }
}
