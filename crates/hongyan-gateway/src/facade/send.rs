//! Both send calls. Each makes a normal message in the ledger and is answered when the message is settled.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hongyan_ledger::permit::FORM_LIFETIME;
use hongyan_ledger::settle::{Outcome, PauseCode};
use hongyan_ledger::{Channel, KeyId, Lane, MessageId, MessageState, PermitKind, PermitPolicy, ReasonCode};
use hongyan_store::types::{CallerId, Cancelled, MessageView, NewMessage, NewPermit, Origin};
use hongyan_wechat::{Errcode, OpenId, TemplateId};

use super::answer::{APP_PAUSED, GATEWAY_FAILED, OUTCOME_UNKNOWN, Refusal, STILL_ON_ITS_WAY, sent};
use super::request::{Parameters, object, whole};
use super::token::sender_of;
use crate::apps::App;
use crate::context::Context;
use crate::members::Members;
use crate::request_note::RequestOrigin;

/// The longest that a caller waits. SDKs give up after 10 to 30 seconds.
const PATIENCE: Duration = Duration::from_secs(8);

/// How much longer to wait if the gateway stops while WeChat has the message.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// The message's deadline. By then the caller has an answer or has disconnected, so the message must not be sent any more.
const DEADLINE: Duration = Duration::from_secs(30);

/// The largest body of a send. The largest valid message has about four thousand bytes.
const MAX_SEND_BYTES: usize = 64 * 1024;

/// The longest form id or prepay id. WeChat's have about 40 characters.
const MAX_FORM_ID_BYTES: usize = 256;

/// `POST /cgi-bin/message/wxopen/template/send`: has its own form id, which is granted and used in one step.
pub(super) async fn template(
    State(context): State<Context>,
    parameters: Parameters,
    RequestOrigin(origin): RequestOrigin,
    body: Body,
) -> Result<Response, Refusal> {
    let (app, key) = sender_of(&context, parameters.access_token()).await?;
    let body = whole(body, MAX_SEND_BYTES).await?;
    let request = Addressed::read(&body)?;
    let form_id = request.members.text("form_id").filter(|text| text.len() <= MAX_FORM_ID_BYTES);
    let form_id = form_id.ok_or_else(|| Refusal::new(Errcode::INVALID_FORM_ID, "invalid form id"))?;
    // Dispatch adds the form_id again, as the permit's code.
    let mut message = message(&context, &app, &request, Channel::Legacy, &["form_id"]);
    message.origin = origin;
    let now = message.accepted_at;
    message.own_permit = Some(NewPermit {
        id: context.ids.permit(Lane::of(&message.appid, &message.openid), now),
        appid: message.appid.clone(),
        openid: message.openid.clone(),
        // The call does not say whether the id is a form id or a prepay id. Both allow at least one message.
        kind: PermitKind::Form,
        code: Some(form_id),
        template: None,
        count: 1,
        expires_at: Some(now.plus(FORM_LIFETIME)),
        reported_by: None,
        claim: None,
    });
    send(&context, key, message).await
}

/// `POST /cgi-bin/message/subscribe/send`: uses a permit of the ledger if there is a permit; otherwise the message is sent
/// without a permit.
pub(super) async fn subscribe(
    State(context): State<Context>,
    parameters: Parameters,
    RequestOrigin(origin): RequestOrigin,
    body: Body,
) -> Result<Response, Refusal> {
    let (app, key) = sender_of(&context, parameters.access_token()).await?;
    let body = whole(body, MAX_SEND_BYTES).await?;
    let request = Addressed::read(&body)?;
    let mut message = message(&context, &app, &request, Channel::Subscribe, &[]);
    message.origin = origin;
    message.policy = PermitPolicy::Try;
    send(&context, key, message).await
}

/// A send with the members that the ledger needs: the user and the template. WeChat judges all other members, which are passed
/// on unchanged, even if they are empty, unknown, or numbers instead of texts.
struct Addressed<'a> {
    openid: OpenId,
    template: TemplateId,
    members: Members<'a>,
}

impl<'a> Addressed<'a> {
    /// Checks the members in WeChat's order and refuses with WeChat's errcodes.
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
        accepted_by: None,
        origin: Origin::default(),
        start: None,
    }
}

/// Accepts the message, waits, answers. A message that was not sent in time is cancelled, so that a refusal is final.
async fn send(context: &Context, key: Option<KeyId>, mut message: NewMessage) -> Result<Response, Refusal> {
    let id = message.id;
    if let Some(key) = key {
        message.accepted_by = Some(context.callers.number(CallerId::Key(key)).await?);
    }
    let mut listener = context.report.listen(id);
    context.intake.accept(vec![message]).await?;
    // The message may never settle, so a stop ends the wait.
    tokio::select! {
        _ = listener.settled(PATIENCE) => {}
        () = context.stop.stopping() => {}
    }
    let mut view = look(context, id).await?;
    if view.state == MessageState::Sending && context.stop.is_stopping() {
        // WeChat's answer is probably on its way, and this caller has no other way to get it.
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

/// The refusal for a message that was not sent in time: WeChat's last refusal, else the cause of the app's pause.
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
            format!("system error; hongyan: {} was not sent in time", message.id),
        ),
    }
}

/// WeChat's refusal of the last attempt, if WeChat refused it.
fn wechats_word(message: &MessageView) -> Option<Refusal> {
    let last = message.last_outcome.as_ref()?;
    let errcode = last.errcode().filter(|errcode| *errcode != Errcode::OK)?;
    Some(Refusal::new(errcode, last.text()))
}

/// The answer for a message that is settled or cannot be cancelled any more.
fn conclude(message: &MessageView) -> Result<Response, Refusal> {
    let id = message.id;
    match message.state {
        MessageState::Sent | MessageState::Delivered | MessageState::Refused => {
            Ok(sent(message.last_outcome.as_ref().and_then(Outcome::msgid)))
        }
        MessageState::Sending => Err(Refusal::own(&STILL_ON_ITS_WAY, id.to_string())),
        // The message is open and cannot be cancelled: an earlier attempt may have delivered it.
        MessageState::Unknown | MessageState::Ready | MessageState::Scheduled | MessageState::Waiting => {
            Err(unknown(id))
        }
        MessageState::Failed | MessageState::Cancelled | MessageState::Expired => Err(wechats_word(message)
            .unwrap_or_else(|| match (message.reason, message.channel) {
                (Some(ReasonCode::NoPermit), Channel::Legacy) => Refusal::new(
                    Errcode::FORM_ID_USED,
                    "form id used; hongyan: another message of this gateway has used it",
                ),
                (Some(ReasonCode::NoPermit), Channel::Subscribe) => {
                    Refusal::new(Errcode::NOT_ACCEPTED, "user refuse to accept the msg")
                }
                _ => Refusal::new(
                    Errcode::SYSTEM_BUSY,
                    format!("system error; hongyan: {id} was not sent in time"),
                ),
            })),
    }
}

fn unknown(id: MessageId) -> Refusal {
    Refusal::own(&OUTCOME_UNKNOWN, id.to_string())
}
