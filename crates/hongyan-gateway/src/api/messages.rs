//! `/v1/messages`.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::Outcome;
use hongyan_ledger::{Channel, MessageId, MessageState, OnUnknown, PermitId, PermitPolicy, ReasonCode};
use hongyan_store::types::{Accepted, AttemptView, Cancelled, MessageDetail, MessageFilter, MessageView};
use hongyan_wechat::{AppId, Errcode, Fields, Lang, MiniprogramState, OpenId, TemplateId};
use serde::{Deserialize, Serialize};

use crate::intake::body::BodyView;
use crate::intake::idempotency;
use crate::intake::request::{Checked, MessageRequest, Warning, parse};
use crate::keys::Scope;
use crate::problem::{Path, Problem, Query, RawJson};
use crate::service::Context;

use super::batch::{Items, items};

/// The longest wait that a caller may ask for.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The longest idempotency key.
const MAX_KEY_LENGTH: usize = 255;

/// The most messages on a page.
const MAX_PAGE: u32 = 1_000;

/// How many messages a page has unless asked otherwise.
const DEFAULT_PAGE: u32 = 50;

// ---------------------------------------------------------------- POST /v1/messages

/// How to answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendQuery {
    /// Seconds to wait for the message to be settled.
    wait: Option<f64>,
}

/// What became of one message of a request.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum SendAnswer {
    Accepted(AcceptedJson),
    Refused { error: Problem },
}

/// An accepted message.
#[derive(Debug, Serialize)]
struct AcceptedJson {
    id: MessageId,
    state: MessageState,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonJson>,
    /// The same request was accepted before; this is that message.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// `POST /v1/messages`: one message, or `{"messages":[…]}`.
pub(super) async fn send(
    State(context): State<Context>,
    headers: HeaderMap,
    Query(query): Query<SendQuery>,
    RawJson(body): RawJson,
) -> Result<Response, Problem> {
    context.keys.authorize(&headers, Scope::Messages).await?;
    let key = idempotency_key(&headers)?;
    let wait = wait(query.wait)?;
    match items("messages", &body)? {
        Items::One(request) => {
            let checked = check(&context, request).await?;
            let answer = accept(&context, vec![Ok(checked)], key, wait).await?.pop();
            match answer.ok_or_else(Problem::internal)? {
                SendAnswer::Refused { error } => Err(error),
                accepted @ SendAnswer::Accepted(_) => {
                    Ok((StatusCode::ACCEPTED, axum::Json(accepted)).into_response())
                }
            }
        }
        Items::Many(requests) => {
            let mut checked = Vec::with_capacity(requests.len());
            for request in requests {
                checked.push(match request {
                    Ok(request) => check(&context, request).await,
                    Err(problem) => Err(problem),
                });
            }
            let answers = accept(&context, checked, key, wait).await?;
            let refused =
                answers.iter().filter(|answer| matches!(answer, SendAnswer::Refused { .. })).count();
            let body = serde_json::json!({
                "accepted": answers.len() - refused,
                "refused": refused,
                "messages": answers,
            });
            Ok((StatusCode::ACCEPTED, axum::Json(body)).into_response())
        }
    }
}

async fn check(context: &Context, request: MessageRequest) -> Result<Checked, Problem> {
    request.check(&context.apps, &context.ids, context.clock.now()).await
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=MAX_KEY_LENGTH).contains(&key.len()) => Ok(Some(key)),
        _ => Err(Problem::invalid(
            "Idempotency-Key",
            format!("1 to {MAX_KEY_LENGTH} visible ASCII characters"),
        )),
    }
}

fn wait(seconds: Option<f64>) -> Result<Duration, Problem> {
    let problem = || Problem::invalid("wait", format!("seconds from 0 to {}", MAX_WAIT.as_secs()));
    let wait = Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).map_err(|_| problem())?;
    if wait > MAX_WAIT { Err(problem()) } else { Ok(wait) }
}

/// Accepts what passed its checks, in one transaction; one answer each, in order.
async fn accept(
    context: &Context,
    checked: Vec<Result<Checked, Problem>>,
    key: Option<&str>,
    wait: Duration,
) -> Result<Vec<SendAnswer>, Problem> {
    let mut messages = Vec::with_capacity(checked.len());
    let mut places = Vec::with_capacity(checked.len());
    for (index, checked) in checked.into_iter().enumerate() {
        places.push(match checked {
            Ok(Checked { mut message, warnings }) => {
                message.idempotency = key.map(|key| idempotency(&message, key, index));
                messages.push(message);
                Ok(warnings)
            }
            Err(problem) => Err(problem),
        });
    }
    let ids: Vec<MessageId> = messages.iter().map(|message| message.id).collect();
    let accepted = if messages.is_empty() { Vec::new() } else { context.intake.accept(messages).await? };
    let mut accepted = ids.into_iter().zip(accepted);
    let mut answers = Vec::with_capacity(places.len());
    for place in places {
        answers.push(match place {
            Err(error) => SendAnswer::Refused { error },
            Ok(warnings) => {
                let (id, accepted) = accepted.next().ok_or_else(Problem::internal)?;
                answer(id, &accepted, warnings)
            }
        });
    }
    if !wait.is_zero() {
        wait_until_settled(context, &mut answers, wait).await?;
    }
    Ok(answers)
}

fn answer(id: MessageId, accepted: &Accepted, warnings: Vec<Warning>) -> SendAnswer {
    let (id, state, reason, replayed) = match *accepted {
        Accepted::New { state, reason, .. } => (id, state, reason, false),
        Accepted::Replayed { id, state, reason } => (id, state, reason, true),
        Accepted::KeyReused { id } => return SendAnswer::Refused { error: key_reused(id) },
    };
    let reason = reason.map(|code| ReasonJson::new(code, None));
    SendAnswer::Accepted(AcceptedJson { id, state, reason, replayed, warnings })
}

fn key_reused(id: MessageId) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        "this Idempotency-Key was used for a different request; a new request needs a new key",
    )
    .with("message", id)
}

/// Waits until every accepted message is settled or the time is up, and brings the answers up to date.
async fn wait_until_settled(
    context: &Context,
    answers: &mut [SendAnswer],
    wait: Duration,
) -> Result<(), Problem> {
    let until = tokio::time::Instant::now() + wait;
    for answer in answers {
        let SendAnswer::Accepted(accepted) = answer else { continue };
        let mut listener = context.report.listen(accepted.id);
        let mut detail = context.store.message(accepted.id).await?;
        if detail.as_ref().is_some_and(|detail| !detail.message.state.is_settled()) {
            let patience = until.saturating_duration_since(tokio::time::Instant::now());
            listener.settled(patience).await;
            detail = context.store.message(accepted.id).await?;
        }
        if let Some(MessageDetail { message, .. }) = detail {
            accepted.state = message.state;
            accepted.reason = reason(&message);
        }
    }
    Ok(())
}

// ---------------------------------------------------------------- one message, many messages

/// Why a message is where it is.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ReasonJson {
    /// Stable.
    code: ReasonCode,
    /// WeChat's errcode, if it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    errcode: Option<Errcode>,
    /// WeChat's words, or the network's.
    #[serde(skip_serializing_if = "Option::is_none")]
    errmsg: Option<String>,
    /// In words, with what to do.
    explanation: String,
    /// The same in Chinese.
    explanation_zh: String,
}

impl ReasonJson {
    fn new(code: ReasonCode, outcome: Option<&Outcome>) -> Self {
        let errcode = outcome.and_then(Outcome::errcode).filter(|errcode| *errcode != Errcode::OK);
        let (mut explanation, mut explanation_zh) = {
            let (en, zh) = explain(code);
            (en.to_owned(), zh.to_owned())
        };
        if let Some(info) = errcode.and_then(Errcode::info) {
            explanation = format!(
                "{explanation} WeChat says {}: {} {}",
                info.errcode.0, info.meaning_en, info.advice_en
            );
            explanation_zh =
                format!("{explanation_zh}微信返回 {}：{}{}", info.errcode.0, info.meaning_zh, info.advice_zh);
        }
        let errmsg = outcome.map(|outcome| outcome.text().to_owned()).filter(|text| !text.is_empty());
        Self { code, errcode, errmsg, explanation, explanation_zh }
    }
}

/// What each reason means, in English and Chinese.
const fn explain(code: ReasonCode) -> (&'static str, &'static str) {
    match code {
        ReasonCode::NoPermit => (
            "The user has no permit that serves this message: none was granted, or all are spent, expired or revoked.",
            "该用户没有可用的下发额度：从未授予，或均已消耗、过期或被撤销。",
        ),
        ReasonCode::WechatRefused => ("WeChat refused the message.", "微信拒绝了这条消息。"),
        ReasonCode::WechatUnavailable => (
            "WeChat could not be reached or was busy. The message is tried again by itself.",
            "微信无法访问或繁忙，消息会自动重试。",
        ),
        ReasonCode::NoAnswer => (
            "The request was written and no answer came, so nobody knows whether the user has it.",
            "请求已发出但没有收到应答，无法确定用户是否已收到。",
        ),
        ReasonCode::AppPaused => (
            "The app is paused. The message is kept and goes out when the pause ends.",
            "小程序已暂停下发，消息会保留，恢复后继续发送。",
        ),
        ReasonCode::UserBusy => (
            "WeChat is working on another message to this user. It is tried again shortly.",
            "微信正在处理发给该用户的另一条消息，稍后自动重试。",
        ),
        ReasonCode::DeadlinePassed => {
            ("Its deadline passed before it could be sent.", "在截止时间之前未能发送。")
        }
        ReasonCode::Cancelled => ("It was cancelled before it was sent.", "消息在发送前被取消。"),
    }
}

fn reason(message: &MessageView) -> Option<ReasonJson> {
    message.reason.map(|code| ReasonJson::new(code, message.last_outcome.as_ref()))
}

/// A message, as a list shows it.
#[derive(Debug, Serialize)]
pub(super) struct MessageJson {
    id: MessageId,
    app: AppId,
    to: OpenId,
    template: TemplateId,
    channel: Channel,
    state: MessageState,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonJson>,
    attempt_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    permit: Option<PermitId>,
    permit_policy: PermitPolicy,
    on_unknown: OnUnknown,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    accepted_at: UnixMillis,
    send_at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<UnixMillis>,
    /// When the gateway will look at it again, if a timer is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_look_at: Option<UnixMillis>,
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
            accepted_at: message.accepted_at,
            send_at: message.send_at,
            deadline: message.deadline,
            next_look_at: message.wake_at,
            updated_at: message.updated_at,
        }
    }
}

/// A message with everything.
#[derive(Debug, Serialize)]
pub(super) struct DetailJson {
    #[serde(flatten)]
    message: MessageJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    data: Fields,
    #[serde(skip_serializing_if = "Option::is_none")]
    emphasis_keyword: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<Lang>,
    #[serde(skip_serializing_if = "Option::is_none")]
    miniprogram_state: Option<MiniprogramState>,
    attempts: Vec<AttemptJson>,
}

/// One attempt.
#[derive(Debug, Serialize)]
struct AttemptJson {
    number: u32,
    started_at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permit: Option<PermitId>,
    #[serde(flatten)]
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

/// `GET /v1/messages/{id}`
pub(super) async fn show(
    State(context): State<Context>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<axum::Json<DetailJson>, Problem> {
    context.keys.authorize(&headers, Scope::Messages).await?;
    let id = message_id(&id)?;
    let MessageDetail { message, body, attempts } =
        context.store.message(id).await?.ok_or_else(|| no_such_message(id))?;
    let body: BodyView = serde_json::from_slice(&body).map_err(|error| {
        tracing::error!(message = %id, %error, "a stored body cannot be read");
        Problem::internal()
    })?;
    Ok(axum::Json(DetailJson {
        message: message.into(),
        page: body.page,
        data: body.data,
        emphasis_keyword: body.emphasis_keyword,
        lang: body.lang,
        miniprogram_state: body.miniprogram_state,
        attempts: attempts.into_iter().map(AttemptJson::from).collect(),
    }))
}

fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse().map_err(|_| {
        Problem::not_found(format!(
            "{} is not a message id; those look like msg_ and 32 digits",
            shorten(text)
        ))
    })
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

fn no_such_message(id: MessageId) -> Problem {
    Problem::not_found(format!("there is no message {id}"))
}

/// Which messages to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    app: Option<String>,
    to: Option<String>,
    state: Option<String>,
    template: Option<String>,
    reference: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

/// A page of messages, newest first.
#[derive(Debug, Serialize)]
pub(super) struct ListAnswer {
    messages: Vec<MessageJson>,
    /// Give this back as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<MessageId>,
}

/// `GET /v1/messages`
pub(super) async fn list(
    State(context): State<Context>,
    headers: HeaderMap,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<ListAnswer>, Problem> {
    context.keys.authorize(&headers, Scope::Messages).await?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::invalid("limit", format!("1 to {MAX_PAGE}")));
    }
    let appid = query.app.map(|text| parse("app", &text)).transpose()?;
    if query.to.is_some() && appid.is_none() {
        return Err(Problem::invalid("to", "an openid belongs to one app: name it with app="));
    }
    let filter = MessageFilter {
        appid,
        openid: query.to.map(|text| parse("to", &text)).transpose()?,
        state: query.state.map(|name| state(&name)).transpose()?,
        template: query.template.map(|text| parse("template", &text)).transpose()?,
        reference: query.reference,
        before: query.cursor.map(|text| parse("cursor", &text)).transpose()?,
        // One more than the page has, to know whether there is another page.
        limit: limit + 1,
    };
    let mut messages = context.store.messages(filter).await?;
    let more = messages.len() > limit as usize;
    messages.truncate(limit as usize);
    let next_cursor = if more { messages.last().map(|message| message.id) } else { None };
    Ok(axum::Json(ListAnswer {
        messages: messages.into_iter().map(MessageJson::from).collect(),
        next_cursor,
    }))
}

fn state(name: &str) -> Result<MessageState, Problem> {
    MessageState::from_name(name).ok_or_else(|| {
        let known = MessageState::ALL.map(MessageState::name).join(", ");
        Problem::invalid("state", format!("one of {known}"))
    })
}

/// A message that will not be sent.
#[derive(Debug, Serialize)]
pub(super) struct CancelAnswer {
    id: MessageId,
    state: MessageState,
}

/// `DELETE /v1/messages/{id}`
pub(super) async fn cancel(
    State(context): State<Context>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<axum::Json<CancelAnswer>, Problem> {
    context.keys.authorize(&headers, Scope::Messages).await?;
    let id = message_id(&id)?;
    match context.intake.cancel(id).await? {
        Cancelled::Done => Ok(axum::Json(CancelAnswer { id, state: MessageState::Cancelled })),
        Cancelled::NotFound => Err(no_such_message(id)),
        Cancelled::TooLate(state) => {
            let detail = match state {
                MessageState::Ready => {
                    "an earlier attempt got no answer, so the user may have it already".to_owned()
                }
                state => format!("the message is {state} already"),
            };
            Err(Problem::conflict("too_late_to_cancel", detail).with("state", state))
        }
    }
}
