//! `GET /v1/events`: the events that WeChat pushed, and their effects.

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
    /// Only events of this app. Default: of all apps that the key is for.
    #[param(value_type = Option<schemas::AppId>)]
    app: Option<String>,
    /// Only events about this user; needs `app`, unless the key is for some apps.
    #[param(value_type = Option<schemas::OpenId>)]
    openid: Option<String>,
    /// Only events with this name at WeChat.
    #[param(value_type = Option<String>, min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "subscribe_msg_sent_event")]
    name: Option<Text<1, 128>>,
    /// Only events received at this moment or later.
    #[param(value_type = Option<schemas::Time>)]
    since: Option<UnixMillis>,
    /// Only events received before this moment.
    #[param(value_type = Option<schemas::Time>)]
    until: Option<UnixMillis>,
    /// `next_cursor` of the previous page.
    #[param(value_type = Option<schemas::EventId>)]
    cursor: Option<String>,
    /// The most entries of the page. Default: 50.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
}

/// An event that WeChat pushed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventJson {
    #[schema(value_type = schemas::EventId)]
    id: EventId,
    #[schema(value_type = schemas::AppId)]
    app: AppId,
    /// The user that the event is about, if it is about a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::OpenId)]
    openid: Option<OpenId>,
    /// WeChat's name of the event; for a message that a user wrote, its `MsgType`.
    #[schema(example = "subscribe_msg_sent_event")]
    name: String,
    #[schema(value_type = schemas::EventState)]
    state: EventState,
    /// What the event did. Empty for an event that the gateway only stores.
    #[schema(value_type = Vec<schemas::EventEffect>)]
    effects: Vec<Effect>,
    /// When the event happened, according to WeChat.
    #[schema(value_type = schemas::Time)]
    created_at: UnixMillis,
    #[schema(value_type = schemas::Time)]
    received_at: UnixMillis,
    /// When the event was processed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    worked_at: Option<UnixMillis>,
    /// The event as WeChat sent it. XML is converted to JSON; its numbers become strings.
    #[schema(value_type = schemas::EventBody)]
    body: Box<RawValue>,
}

/// A page of events, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventPage)]
pub(super) struct EventsAnswer {
    events: Vec<EventJson>,
    /// Send this as `cursor` to get the next page; absent on the last page. A page reads at most
    /// 10,000 events, so a page with this member may have few events, or no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::EventId)]
    next_cursor: Option<EventId>,
}

/// List the events that WeChat pushed, newest first, and what each event did.
///
/// This call is for looking events up. To receive events as they happen, set up a webhook.
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
    let apps = caller.listed_apps(query.app.map(|text| parse("app", &text)).transpose()?)?;
    if query.openid.is_some() && apps.is_none() {
        return Err(Problem::invalid("openid", "an openid belongs to one app; name the app with app="));
    }
    let filter = EventFilter {
        apps,
        openid: query.openid.map(|text| parse("openid", &text)).transpose()?,
        name: query.name.map(|name| name.0),
        since: query.since,
        until: query.until,
        before: query.cursor.map(|text| parse("cursor", &text)).transpose()?,
        limit,
        ..EventFilter::default()
    };
    let page = context.store.events(filter).await?;
    let events = page.items.into_iter().map(event_json).collect::<Result<_, _>>()?;
    Ok(axum::Json(EventsAnswer { events, next_cursor: page.next }))
}

/// The JSON of an event.
pub(super) fn event_json(event: EventView) -> Result<EventJson, Problem> {
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
