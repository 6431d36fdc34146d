//! `GET /v1/messages/{id}`, and the JSON of a message.

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::Outcome;
use hongyan_ledger::{Channel, MessageId, MessageState, OnUnknown, PermitId, PermitPolicy, ReasonCode};
use hongyan_store::types::{AttemptView, MessageDetail, MessageView};
use hongyan_wechat::{AppId, Fields, Lang, MiniprogramState, OpenId, TemplateId};
use serde::Serialize;
use utoipa::ToSchema;

use super::id::{message_id, no_such_message};
use super::reason::{ReasonJson, reason};
use super::resolve::ResolutionJson;
use crate::api::audit::ActorJson;
use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::intake::body::BodyView;
use crate::problem::{Path, Problem};
use crate::schemas;

/// A message, as a list shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(super) struct MessageJson {
    #[schema(value_type = schemas::MessageId)]
    id: MessageId,
    #[schema(value_type = schemas::AppId)]
    app: AppId,
    #[schema(value_type = schemas::OpenId)]
    to: OpenId,
    #[schema(value_type = schemas::TemplateId)]
    template: TemplateId,
    #[schema(value_type = schemas::Channel)]
    channel: Channel,
    #[schema(value_type = schemas::MessageState)]
    state: MessageState,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<ReasonJson>,
    /// The number of requests to WeChat so far.
    attempt_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::PermitId)]
    permit: Option<PermitId>,
    /// What to do if the ledger has no permit for the message.
    #[schema(value_type = schemas::PermitPolicy)]
    permit_policy: PermitPolicy,
    #[schema(value_type = schemas::OnUnknown)]
    on_unknown: OnUnknown,
    /// The caller's own id for the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reference: Option<String>,
    /// What the message is about; a newer message with the same key replaces it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    collapse_key: Option<String>,
    /// The newer message with the same `collapse_key` that replaced this message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::MessageId)]
    replaced_by: Option<MessageId>,
    #[schema(value_type = schemas::Time)]
    accepted_at: UnixMillis,
    #[schema(value_type = schemas::Time)]
    send_at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    deadline: Option<UnixMillis>,
    /// When the gateway will look at the message again, if a timer is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    next_look_at: Option<UnixMillis>,
    #[schema(value_type = schemas::Time)]
    updated_at: UnixMillis,
}

impl From<MessageView> for MessageJson {
    fn from(message: MessageView) -> Self {
        Self {
            reason: reason(&message),
            id: message.id,
            app: message.appid,
            to: message.openid,
            template: message.template,
            channel: message.channel,
            state: message.state,
            attempt_count: message.attempts,
            permit: message.permit,
            permit_policy: message.policy,
            on_unknown: message.on_unknown,
            reference: message.reference,
            collapse_key: message.collapse_key,
            replaced_by: message.replaced_by,
            accepted_at: message.accepted_at,
            send_at: message.send_at,
            deadline: message.deadline,
            next_look_at: message.wake_at,
            updated_at: message.updated_at,
        }
    }
}

/// A message with all details.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageDetail)]
pub(super) struct DetailJson {
    #[serde(flatten)]
    message: MessageJson,
    /// Who sent the message; the name only if the caller may read the audit trail, or is the sender. Absent: a client of the
    /// facade with the gateway secret, or an older version of the gateway, which did not store it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    accepted_by: Option<ActorJson>,
    /// The id of the request that brought the message (`x-request-id`). Absent: an older version of the gateway accepted the
    /// message, and did not store it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 128, example = "019a3c5e7b9170018a2b3c4d5e6f7081")]
    request_id: Option<String>,
    /// The id of the trace that the message belongs to, as in W3C's `traceparent`. Absent: the message is not traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        min_length = 32,
        max_length = 32,
        example = "4bf92f3577b34da6a3ce929d0e0e4736"
    )]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    page: Option<String>,
    #[schema(value_type = schemas::MessageFields)]
    data: Fields,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    emphasis_keyword: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Lang)]
    lang: Option<Lang>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::MiniprogramState)]
    miniprogram_state: Option<MiniprogramState>,
    attempts: Vec<AttemptJson>,
    /// What was found out about attempts without an answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resolutions: Vec<ResolutionJson>,
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(super) struct AttemptJson {
    /// The attempt's number, counted from 1.
    number: u32,
    #[schema(value_type = schemas::Time)]
    started_at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    ended_at: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::PermitId)]
    permit: Option<PermitId>,
    #[serde(flatten)]
    #[schema(value_type = schemas::AttemptOutcome)]
    outcome: Option<Outcome>,
}

impl From<AttemptView> for AttemptJson {
    fn from(attempt: AttemptView) -> Self {
        Self {
            number: attempt.number,
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            permit: attempt.permit,
            outcome: attempt.outcome,
        }
    }
}

/// Show a message: its state, the reason in words, every attempt.
///
/// If the message lacks a permit, the reason says why: never granted, spent, expired, revoked, or kept by another message.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}",
    operation_id = "show_message",
    tag = "messages",
    security(("api_key" = ["messages"])),
    params(("id" = schemas::MessageId, Path)),
    responses((status = 200, description = "The message.", body = DetailJson), Refusals),
)]
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<DetailJson>, Problem> {
    let id = message_id(&id)?;
    let MessageDetail { message, accepted_by, origin, body, attempts, resolutions } =
        context.store.message(id).await?.ok_or_else(|| no_such_message(id))?;
    if !caller.sees(&message.appid) {
        return Err(no_such_message(id));
    }
    let body = BodyView::read(&body).map_err(|error| {
        tracing::error!(message_id = %id, %error, "a stored body cannot be read");
        Problem::internal()
    })?;
    let causes = match message.reason {
        Some(ReasonCode::NoPermit | ReasonCode::DeadlinePassed) => {
            context.store.explain(id, context.clock.now()).await?
        }
        _ => Vec::new(),
    };
    let reason = ReasonJson::because(&message, &causes);
    Ok(axum::Json(DetailJson {
        message: MessageJson { reason, ..message.into() },
        accepted_by: accepted_by.map(|sender| caller.may_know(sender).into()),
        trace_id: origin.trace_id().map(str::to_owned),
        request_id: origin.request_id.map(|id| id.as_ref().to_owned()),
        page: body.page,
        data: body.data,
        emphasis_keyword: body.emphasis_keyword,
        lang: body.lang,
        miniprogram_state: body.miniprogram_state,
        attempts: attempts.into_iter().map(AttemptJson::from).collect(),
        resolutions: resolutions.into_iter().map(ResolutionJson::from).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use hongyan_ledger::Lane;
    use hongyan_ledger::explain::BecauseCode;
    use hongyan_ledger::ids::IdMaker;
    use hongyan_ledger::resolve::{Then, Verdict, Witness};
    use hongyan_store::types::{Actor, ResolutionView};
    use hongyan_wechat::Errcode;

    use super::super::because::full;
    use super::*;
    use crate::api::openapi::tests::description;

    /// A message with every member that a message can have.
    fn detail() -> DetailJson {
        let (appid, openid): (AppId, OpenId) =
            ("wx0123456789abcdef".parse().unwrap(), "oSandboxUser0000000000000001".parse().unwrap());
        let (ids, lane, now) = (IdMaker::new(), Lane::of(&appid, &openid), UnixMillis(1_700_000_000_000));
        let permit = Some(ids.permit(lane, now));
        let refused = Outcome::Answered {
            errcode: Errcode(43_101),
            errmsg: "user refuse".into(),
            msgid: Some(1_864_323_726_461_255_680),
        };
        let verdict = Verdict::NotSent { then: Then::Send };
        let lost = Outcome::Unanswered { why: "connection reset".into() };
        let attempt =
            |number, outcome| AttemptView { number, started_at: now, ended_at: Some(now), permit, outcome };
        let message = MessageView {
            id: ids.message(lane, now),
            appid,
            openid,
            template: "template-1".parse().unwrap(),
            channel: Channel::Subscribe,
            state: MessageState::Failed,
            reason: Some(ReasonCode::WechatRefused),
            last_outcome: Some(refused.clone()),
            attempts: 3,
            permit,
            reference: Some("order-1".into()),
            collapse_key: Some("order-1".into()),
            replaced_by: Some(ids.message(lane, now)),
            maybe_delivered: true,
            policy: PermitPolicy::Require,
            on_unknown: OnUnknown::Hold,
            accepted_at: now,
            send_at: now,
            deadline: Some(now),
            wake_at: Some(now),
            updated_at: now,
        };
        let mut data = Fields::default();
        data.set("thing1", "Latte");
        let because = full(BecauseCode::Revoked);
        let reason = ReasonJson::because(&message, &[because]);
        DetailJson {
            message: MessageJson { reason, ..message.into() },
            accepted_by: Some(Actor::SYSTEM.into()),
            request_id: Some("r-1".into()),
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
            page: Some("pages/index/index".into()),
            data,
            emphasis_keyword: Some("keyword1.DATA".into()),
            lang: Some(Lang::ZhCn),
            miniprogram_state: Some(MiniprogramState::Formal),
            attempts: [Some(lost), Some(refused), None]
                .into_iter()
                .zip(1..)
                .map(|(outcome, number)| attempt(number, outcome).into())
                .collect(),
            resolutions: vec![
                ResolutionView { attempt: 1, verdict, at: now, witness: Witness::Operator }.into(),
            ],
        }
    }

    #[test]
    fn every_member_of_a_message_is_described() {
        let description = description();
        let detail = serde_json::to_value(detail()).unwrap();
        description.check("MessageDetail", &detail);
        // The other direction: every described member occurs in this message.
        for name in description.members("MessageDetail") {
            assert!(detail.get(&name).is_some(), "{name} is described but was never seen");
        }
    }
}
