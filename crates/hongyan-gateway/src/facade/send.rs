//! Both sends: each is a message of the ledger like any other, and is answered when it is settled.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use hongyan_ledger::permit::FORM_LIFETIME;
use hongyan_ledger::settle::PauseCode;
use hongyan_ledger::{Channel, Lane, MessageId, MessageState, PermitKind, PermitPolicy, ReasonCode};
use hongyan_store::types::{Cancelled, MessageView, NewMessage, NewPermit};
use hongyan_wechat::{Errcode, OpenId, SubscribeMessage, TemplateId, TemplateMessage};
use serde::de::DeserializeOwned;

use super::answer::{APP_PAUSED, GATEWAY_FAILED, OUTCOME_UNKNOWN, Refusal, STILL_ON_ITS_WAY, ok};
use super::request::{Parameters, WholeBody};
use super::token::app_of;
use crate::apps::App;
use crate::intake::body::{self, TemplateBody};
use crate::service::Context;

/// How long a caller is kept waiting. SDKs give up after 10 to 30 seconds.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long more if the gateway stops meanwhile and the message is with WeChat.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// After this the message must not go out any more: its caller was told, or has gone away.
const DEADLINE: Duration = Duration::from_secs(30);

/// `POST /cgi-bin/message/wxopen/template/send`: brings its own form id, granted and spent in one go.
pub(super) async fn template(
    State(context): State<Context>,
    parameters: Parameters,
    WholeBody(body): WholeBody,
) -> Result<Response, Refusal> {
    let app = app_of(&context, parameters.access_token()).await?;
    let request: TemplateMessage = parse(&body)?;
    if request.form_id.is_empty() {
        return Err(Refusal::new(Errcode::INVALID_FORM_ID, "invalid form id"));
    }
    let body = body::template(&TemplateBody {
        touser: request.touser.clone(),
        template_id: request.template_id.clone(),
        page: request.page,
        data: request.data,
        color: request.color,
        emphasis_keyword: request.emphasis_keyword,
    });
    let mut message = message(&context, &app, request.touser, request.template_id, Channel::Legacy, body);
    let now = message.accepted_at;
    message.own_permit = Some(NewPermit {
        id: context.ids.permit(Lane::of(&message.appid, &message.openid), now),
        appid: message.appid.clone(),
        openid: message.openid.clone(),
        // WeChat's call does not say whether it is a form's or a payment's; one unit is what both have.
        kind: PermitKind::Form,
        code: Some(request.form_id),
        template: None,
        count: 1,
        expires_at: Some(now.plus(FORM_LIFETIME)),
        reported_by: None,
        claim: None,
    });
    send(&context, message).await
}

/// `POST /cgi-bin/message/subscribe/send`: uses a permit of the ledger if there is one, and goes out without one
/// otherwise.
pub(super) async fn subscribe(
    State(context): State<Context>,
    parameters: Parameters,
    WholeBody(body): WholeBody,
) -> Result<Response, Refusal> {
    let app = app_of(&context, parameters.access_token()).await?;
    let request: SubscribeMessage = parse(&body)?;
    let body = body::subscribe(&request);
    let mut message = message(&context, &app, request.touser, request.template_id, Channel::Subscribe, body);
    message.policy = PermitPolicy::Try;
    send(&context, message).await
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        // An openid or template id that cannot be one has its own errcode.
        let errcode = if text.contains("openid") {
            Errcode::INVALID_OPENID
        } else if text.contains("template") {
            Errcode::INVALID_TEMPLATE
        } else {
            Errcode(47_001)
        };
        Refusal::new(errcode, format!("data format error: {text}"))
    })
}

fn message(
    context: &Context,
    app: &Arc<App>,
    openid: OpenId,
    template: TemplateId,
    channel: Channel,
    body: Arc<[u8]>,
) -> NewMessage {
    let now = context.clock.now();
    let appid = app.record.appid.clone();
    let lane = Lane::of(&appid, &openid);
    NewMessage {
        id: context.ids.message(lane, now),
        appid,
        openid,
        template,
        channel,
        body,
        send_at: now,
        deadline: Some(now.plus(DEADLINE)),
        policy: PermitPolicy::Require,
        on_unknown: app.record.settings.on_unknown,
        reserve_now: false,
        reference: None,
        collapse_key: None,
        idempotency: None,
        own_permit: None,
        accepted_at: now,
        start: None,
    }
}

/// Accepts, waits, answers. What did not go out in time is withdrawn, so that "no" means no.
async fn send(context: &Context, message: NewMessage) -> Result<Response, Refusal> {
    let id = message.id;
    let mut listener = context.report.listen(id);
    context.intake.accept(vec![message]).await?;
    // Who waits for what may never come must not hold up a stop.
    tokio::select! {
        _ = listener.settled(PATIENCE) => {}
        () = context.stop.stopping() => {}
    }
    let mut view = look(context, id).await?;
    if view.state == MessageState::Sending && context.stop.is_stopping() {
        // Its answer is probably on its way, and would be missed: this caller has no other way to learn of it.
        listener.settled(LAST_PATIENCE).await;
        view = look(context, id).await?;
    }
    if view.state.is_cancellable() {
        if context.intake.cancel(id).await? == Cancelled::Done {
            return Err(withdrawn(context, &view));
        }
        view = look(context, id).await?;
    }
    conclude(&view)
}

async fn look(context: &Context, id: MessageId) -> Result<MessageView, Refusal> {
    let views = context.store.message_views(vec![id]).await?;
    views
        .into_iter()
        .next()
        .flatten()
        .ok_or_else(|| Refusal::own(&GATEWAY_FAILED, format!("{id} is not in the store")))
}

/// What to say of a message that did not go out in time: WeChat's last word on it, else what paused its app.
fn withdrawn(context: &Context, message: &MessageView) -> Refusal {
    if let Some(refusal) = wechats_word(message) {
        return refusal;
    }
    let app = context.apps.get(&message.appid);
    match app.as_ref().and_then(|app| app.record.paused.as_ref()) {
        Some(paused) if paused.code == PauseCode::WechatUnavailable => {
            Refusal::new(Errcode::SYSTEM_BUSY, format!("system error; hongyan: {}", paused.detail))
        }
        Some(paused) if message.reason == Some(ReasonCode::AppPaused) => match paused.errcode {
            Some(errcode) => {
                Refusal::new(errcode, format!("hongyan: 小程序已暂停 / the app is paused: {}", paused.detail))
            }
            None => Refusal::own(&APP_PAUSED, &paused.detail),
        },
        _ => Refusal::new(
            Errcode::SYSTEM_BUSY,
            format!("system error; hongyan: {} did not go out in time", message.id),
        ),
    }
}

/// The refusal that WeChat gave at the last attempt, if it gave one.
fn wechats_word(message: &MessageView) -> Option<Refusal> {
    let last = message.last_outcome.as_ref()?;
    let errcode = last.errcode().filter(|errcode| *errcode != Errcode::OK)?;
    Some(Refusal::new(errcode, last.text()))
}

/// The answer for a message that has come to rest, or is past withdrawing.
fn conclude(message: &MessageView) -> Result<Response, Refusal> {
    let id = message.id;
    match message.state {
        MessageState::Sent | MessageState::Delivered | MessageState::Refused => Ok(ok()),
        MessageState::Sending => Err(Refusal::own(&STILL_ON_ITS_WAY, id.to_string())),
        // Still open, and could not be withdrawn: an earlier attempt may have delivered it.
        MessageState::Unknown | MessageState::Ready | MessageState::Scheduled | MessageState::Waiting => {
            Err(unknown(id))
        }
        MessageState::Failed | MessageState::Cancelled | MessageState::Expired => Err(wechats_word(message)
            .unwrap_or_else(|| match (message.reason, message.channel) {
                (Some(ReasonCode::NoPermit), Channel::Legacy) => Refusal::new(
                    Errcode::FORM_ID_USED,
                    "form id used; hongyan: by another message of this gateway",
                ),
                (Some(ReasonCode::NoPermit), Channel::Subscribe) => {
                    Refusal::new(Errcode::NOT_ACCEPTED, "user refuse to accept the msg")
                }
                _ => Refusal::new(
                    Errcode::SYSTEM_BUSY,
                    format!("system error; hongyan: {id} did not go out in time"),
                ),
            })),
    }
}

fn unknown(id: MessageId) -> Refusal {
    Refusal::own(&OUTCOME_UNKNOWN, id.to_string())
}
