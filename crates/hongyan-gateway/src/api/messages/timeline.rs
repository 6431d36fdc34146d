//! `GET /v1/messages/{id}/timeline`.

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_ledger::{MessageId, MessageState, WebhookId};
use hongyan_store::types::{
    Actor, AttemptView, EventView, MessageStory, MessageView, Origin, ResolutionView, StoryDelivery,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::id::{message_id, no_such_message};
use super::reason::{ReasonJson, reason};
use super::resolve::ResolutionJson;
use super::show::AttemptJson;
use crate::api::audit::ActorJson;
use crate::api::caller::Caller;
use crate::api::events::{EventJson, event_json};
use crate::api::openapi::Refusals;
use crate::api::webhooks::deliveries::DeliveryJson;
use crate::api::webhooks::request::is_callers;
use crate::context::Context;
use crate::problem::{Path, Problem};
use crate::schemas;

/// What happened to a message, first to last.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Timeline)]
pub(super) struct TimelineAnswer {
    #[schema(value_type = schemas::MessageId)]
    id: MessageId,
    entries: Vec<EntryJson>,
    /// The older messages with the same `collapse_key` that this message replaced, newest first; at most 100.
    #[schema(value_type = Vec<schemas::MessageId>)]
    replaced: Vec<MessageId>,
    /// The newer message with the same `collapse_key` that replaced this message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::MessageId)]
    replaced_by: Option<MessageId>,
}

/// One thing that happened. An entry has the member that is named as its `type`, but for `accepted`, which may have
/// `accepted_by` and `request_id`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineEntry)]
struct EntryJson {
    #[serde(rename = "type")]
    kind: EntryKind,
    /// When it happened. For a delivery: when it was tried last, or the time of its event if it was not tried yet.
    #[schema(value_type = schemas::Time)]
    at: UnixMillis,
    /// Who sent the message that was accepted; as `accepted_by` of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    accepted_by: Option<ActorJson>,
    /// The id of the request that brought the message; as `request_id` of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<String>,
    /// A request to WeChat.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attempt: Option<AttemptJson>,
    /// An event of WeChat's about the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    event: Option<EventJson>,
    /// The delivery of a webhook event about the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    delivery: Option<DeliveryJson>,
    /// The webhook of the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::WebhookId)]
    webhook: Option<WebhookId>,
    /// What was found out about an attempt without an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    resolution: Option<ResolutionJson>,
    /// The message's state now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::MessageState)]
    state: Option<MessageState>,
    /// The reason of the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<ReasonJson>,
}

/// What an entry is about. Of entries of the same time, the first of these comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TimelineEntryType)]
enum EntryKind {
    /// The message was accepted.
    Accepted,
    /// A request was sent to WeChat.
    Attempt,
    /// WeChat reported something about the message.
    Event,
    /// An operator, or the gateway, found out whether a message without an answer was sent.
    Resolution,
    /// The message came to the state in which it is now.
    State,
    /// A webhook was told of the message.
    Delivery,
}

impl EntryJson {
    const fn new(kind: EntryKind, at: UnixMillis) -> Self {
        Self {
            kind,
            at,
            accepted_by: None,
            request_id: None,
            attempt: None,
            event: None,
            delivery: None,
            webhook: None,
            resolution: None,
            state: None,
            reason: None,
        }
    }

    fn accepted(message: &MessageView, by: Option<Actor>, origin: Origin) -> Self {
        let entry = Self::new(EntryKind::Accepted, message.accepted_at);
        Self {
            accepted_by: by.map(ActorJson::from),
            request_id: origin.request_id.map(|id| id.as_ref().to_owned()),
            ..entry
        }
    }

    fn attempt(attempt: AttemptView) -> Self {
        let entry = Self::new(EntryKind::Attempt, attempt.started_at);
        Self { attempt: Some(attempt.into()), ..entry }
    }

    fn event(event: EventView) -> Result<Self, Problem> {
        let entry = Self::new(EntryKind::Event, event.received_at);
        Ok(Self { event: Some(event_json(event)?), ..entry })
    }

    fn resolution(resolution: ResolutionView) -> Self {
        let entry = Self::new(EntryKind::Resolution, resolution.at);
        Self { resolution: Some(resolution.into()), ..entry }
    }

    fn state(message: &MessageView) -> Self {
        Self {
            state: Some(message.state),
            reason: reason(message),
            ..Self::new(EntryKind::State, message.updated_at)
        }
    }

    fn delivery(found: StoryDelivery) -> Self {
        let StoryDelivery { webhook, delivery, .. } = found;
        let at = delivery.last.as_ref().map_or(delivery.created_at, |answer| answer.at);
        Self { webhook: Some(webhook), delivery: Some(delivery.into()), ..Self::new(EntryKind::Delivery, at) }
    }
}

/// Show what happened to a message, first to last.
///
/// The entries are the message's attempts, WeChat's events about it, what was found out about attempts without an answer, the
/// state of the message now, and the deliveries of its webhook events. WeChat's events and the deliveries are those that are still kept, at most 100
/// of each. A caller that is limited to some apps does not see the deliveries to webhooks that receive events of other apps.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}/timeline",
    operation_id = "show_timeline",
    tag = "messages",
    security(("api_key" = ["messages"])),
    params(("id" = schemas::MessageId, Path)),
    responses((status = 200, description = "What happened to the message.", body = TimelineAnswer), Refusals),
)]
pub(super) async fn timeline(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<TimelineAnswer>, Problem> {
    let id = message_id(&id)?;
    let mut story = context.store.story(id).await?.ok_or_else(|| no_such_message(id))?;
    if !caller.sees(&story.detail.message.appid) {
        return Err(no_such_message(id));
    }
    story.detail.accepted_by = story.detail.accepted_by.map(|sender| caller.may_know(sender));
    story.deliveries.retain(|found| is_callers(&caller, &found.filter));
    timeline_json(story).map(axum::Json)
}

fn timeline_json(story: MessageStory) -> Result<TimelineAnswer, Problem> {
    let MessageStory { detail, events, deliveries, replaced } = story;
    let message = &detail.message;
    let accepted = EntryJson::accepted(message, detail.accepted_by, detail.origin);
    let mut entries = vec![accepted, EntryJson::state(message)];
    entries.extend(detail.attempts.into_iter().map(EntryJson::attempt));
    entries.extend(detail.resolutions.into_iter().map(EntryJson::resolution));
    entries.extend(deliveries.into_iter().map(EntryJson::delivery));
    for event in events {
        entries.push(EntryJson::event(event)?);
    }
    // Entries of one kind and time keep their order.
    entries.sort_by_key(|entry| (entry.at, entry.kind));
    Ok(TimelineAnswer { id: message.id, entries, replaced, replaced_by: message.replaced_by })
}

#[cfg(test)]
mod tests {
    use hongyan_ledger::ids::IdMaker;
    use hongyan_ledger::resolve::{Verdict, Witness};
    use hongyan_ledger::settle::Outcome;
    use hongyan_ledger::webhook::{EventType, Filter};
    use hongyan_ledger::{Channel, Lane, OnUnknown, PermitPolicy, ReasonCode};
    use hongyan_store::types::{
        DeliveryState, DeliveryView, Effect, EventState, MessageDetail, WebhookAnswer,
    };
    use hongyan_wechat::{AppId, Errcode, OpenId};

    use super::*;
    use crate::api::openapi::tests::description;

    const START: UnixMillis = UnixMillis(1_700_000_000_000);

    const fn second(number: i64) -> UnixMillis {
        UnixMillis(START.0 + number * 1_000)
    }

    /// A message of unknown outcome, whose event says that its user did not want it.
    fn story() -> MessageStory {
        let (appid, openid): (AppId, OpenId) =
            ("wx0123456789abcdef".parse().unwrap(), "oSandboxUser0000000000000001".parse().unwrap());
        let (ids, lane) = (IdMaker::new(), Lane::of(&appid, &openid));
        let id = ids.message(lane, START);
        let refused = Effect::Refused { message: id, errcode: Errcode(4), errmsg: "user refuse".into() };
        let event = EventView {
            id: ids.event(lane, second(4)),
            appid: appid.clone(),
            openid: Some(openid.clone()),
            name: "subscribe_msg_sent_event".into(),
            create_time: second(4).as_seconds(),
            received_at: second(4),
            state: EventState::Done,
            tries: 0,
            worked_at: Some(second(5)),
            effects: vec![refused],
            body: "{}".into(),
        };
        let delivery = DeliveryView {
            event: ids.webhook_event(1, second(5)),
            kind: EventType::MessageRefused,
            created_at: second(5),
            state: DeliveryState::Taken,
            tries: 1,
            last: Some(WebhookAnswer { at: second(7), status: Some(204), text: String::new() }),
            next_try_at: None,
        };
        let untried =
            DeliveryView { last: None, tries: 0, state: DeliveryState::Pending, ..delivery.clone() };
        let found =
            |delivery| StoryDelivery { webhook: ids.webhook(START), filter: Filter::default(), delivery };
        let lost = Outcome::Unanswered { why: "connection reset".into() };
        let message = MessageView {
            id,
            appid,
            openid,
            template: "template-1".parse().unwrap(),
            channel: Channel::Subscribe,
            state: MessageState::Refused,
            reason: Some(ReasonCode::NotDelivered),
            last_outcome: Some(lost.clone()),
            attempts: 1,
            permit: None,
            reference: None,
            collapse_key: None,
            replaced_by: Some(ids.message(lane, START)),
            maybe_delivered: false,
            policy: PermitPolicy::Require,
            on_unknown: OnUnknown::Hold,
            accepted_at: START,
            send_at: START,
            deadline: None,
            wake_at: None,
            updated_at: second(5),
        };
        let attempt = AttemptView {
            number: 1,
            started_at: START,
            ended_at: Some(second(2)),
            permit: None,
            outcome: Some(lost),
        };
        let resolution =
            ResolutionView { attempt: 1, verdict: Verdict::Sent, at: second(3), witness: Witness::Operator };
        MessageStory {
            detail: MessageDetail {
                message,
                accepted_by: Some(Actor::SYSTEM),
                origin: Origin { request_id: Some("r-1".into()), traceparent: None },
                body: Vec::new(),
                attempts: vec![attempt],
                resolutions: vec![resolution],
            },
            events: vec![event],
            deliveries: vec![found(delivery), found(untried)],
            replaced: vec![ids.message(lane, START)],
        }
    }

    #[test]
    fn entries_come_in_the_order_of_time_and_are_described() {
        let answer = serde_json::to_value(timeline_json(story()).unwrap()).unwrap();
        let kinds: Vec<_> = answer["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["type"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds,
            ["accepted", "attempt", "resolution", "event", "state", "delivery", "delivery"],
            "{answer:#}"
        );
        assert_eq!(answer["entries"][5]["delivery"]["state"], "pending", "at the time of its event");
        let description = description();
        description.check("Timeline", &answer);
        for name in description.members("Timeline") {
            assert!(answer.get(&name).is_some(), "{name} is described but was never seen");
        }
        for name in description.members("TimelineEntry") {
            let is_seen =
                answer["entries"].as_array().unwrap().iter().any(|entry| entry.get(&name).is_some());
            assert!(is_seen, "{name} is described but was never seen");
        }
    }
}
