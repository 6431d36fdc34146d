//! Both sends: each is a message of the ledger like any other, and is answered when it is settled.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hongyan_ledger::permit::FORM_LIFETIME;
use hongyan_ledger::settle::{Outcome, PauseCode};
use hongyan_ledger::{Channel, Lane, MessageId, MessageState, PermitKind, PermitPolicy, ReasonCode};
use hongyan_store::types::{Cancelled, MessageView, NewMessage, NewPermit};
use hongyan_wechat::{Errcode, OpenId, TemplateId};

use super::answer::{APP_PAUSED, GATEWAY_FAILED, OUTCOME_UNKNOWN, Refusal, STILL_ON_ITS_WAY, sent};
use super::request::{Parameters, object, whole};
use super::token::app_of;
use crate::apps::App;
use crate::context::Context;
use crate::members::Members;

/// How long a caller is kept waiting. SDKs give up after 10 to 30 seconds.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long more if the gateway stops meanwhile and the message is with WeChat.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// After this the message must not go out any more: its caller was told, or has gone away.
const DEADLINE: Duration = Duration::from_secs(30);

/// The largest body of a send. WeChat's own largest, all fields at their longest, has some four thousand bytes.
const MAX_SEND_BYTES: usize = 64 * 1024;

/// The longest form id or prepay id; WeChat's have some 40 characters.
const MAX_FORM_ID_BYTES: usize = 256;

/// `POST /cgi-bin/message/wxopen/template/send`: brings its own form id, granted and spent in one go.
pub(super) async fn template(
    State(context): State<Context>,
    parameters: Parameters,
    body: Body,
) -> Result<Response, Refusal> {
    let app = app_of(&context, parameters.access_token()).await?;
    let body = whole(body, MAX_SEND_BYTES).await?;
    let request = Addressed::read(&body)?;
    let form_id = request.members.text("form_id").filter(|text| text.len() <= MAX_FORM_ID_BYTES);
    let form_id = form_id.ok_or_else(|| Refusal::new(Errcode::INVALID_FORM_ID, "invalid form id"))?;
    // Dispatch puts it in again, as the permit's code.
    let mut message = message(&context, &app, &request, Channel::Legacy, &["form_id"]);
    let now = message.accepted_at;
    message.own_permit = Some(NewPermit {
        id: context.ids.permit(Lane::of(&message.appid, &message.openid), now),
        appid: message.appid.clone(),
        openid: message.openid.clone(),
        // WeChat's call does not say whether it is a form's or a payment's; one unit is what both have.
        kind: PermitKind::Form,
        code: Some(form_id),
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
    body: Body,
) -> Result<Response, Refusal> {
    let app = app_of(&context, parameters.access_token()).await?;
    let body = whole(body, MAX_SEND_BYTES).await?;
    let request = Addressed::read(&body)?;
    let mut message = message(&context, &app, &request, Channel::Subscribe, &[]);
    message.policy = PermitPolicy::Try;
    send(&context, message).await
}

/// A send of which the ledger knows enough: for whom it is, and in which layout. All else is WeChat's to judge, and
/// goes to it as it was written: empty members, words and members that nobody here knows, numbers in the place of texts.
struct Addressed<'a> {
    openid: OpenId,
    template: TemplateId,
    members: Members<'a>,
}

impl<'a> Addressed<'a> {
    /// The errcodes are those of the members, in the order in which WeChat looks at them.
    fn read(body: &'a [u8]) -> Result<Self, Refusal> {
        let members = object(body)?;
        let text = |name| members.text(name).unwrap_or_default();
        let template = text("template_id")
            .try_into()
            .map_err(|_| Refusal::new(Errcode::INVALID_TEMPLATE, "invalid template_id"))?;
        let openid =
            text("touser").try_into().map_err(|_| Refusal::new(Errcode::INVALID_OPENID, "invalid openid"))?;
        Ok(Self { openid, template, members })
    }
}

fn message(
    context: &Context,
    app: &Arc<App>,
    request: &Addressed<'_>,
    channel: Channel,
    without: &[&str],
) -> NewMessage {
    let now = context.clock.now();
    let appid = app.record.appid.clone();
    let (openid, template) = (request.openid.clone(), request.template.clone());
    let lane = Lane::of(&appid, &openid);
    NewMessage {
        id: context.ids.message(lane, now),
        appid,
        openid,
        template,
        channel,
        body: request.members.written(without, &[]).into(),
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
        MessageState::Sent | MessageState::Delivered | MessageState::Refused => {
            Ok(sent(message.last_outcome.as_ref().and_then(Outcome::msgid)))
        }
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
