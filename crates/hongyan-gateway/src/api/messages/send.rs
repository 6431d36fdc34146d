//! `POST /v1/messages`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use hongyan_ledger::{MessageId, MessageState};
use hongyan_store::types::{Accepted, MessageView, Origin};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::reason::{ReasonJson, reason};
use super::validate::{Outlook, ValidAnswer, ValidBatch, ValidJson};
use crate::api::batch::{Items, MAX_BATCH, RefusedItem, items};
use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::intake::idempotency;
use crate::intake::request::{Checked, MessageRequest, check_idempotency_key};
use crate::intake::warnings::Warning;
use crate::problem::{Problem, Query, RawJson, only_header};
use crate::report::{Listener, is_at_rest};
use crate::request_note::RequestOrigin;
use crate::schemas;

/// The longest wait that a caller may ask for.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// How to answer.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SendQuery {
    /// Seconds to wait until every message is settled. When the time is up, the answer shows the states at that time.
    #[param(minimum = 0, maximum = 30)]
    wait: Option<f64>,
    /// Only check the request: nothing is stored, no permit and no idempotency key is used, and the answer is 200.
    #[serde(default)]
    validate: bool,
}

/// One message, or `{"messages":[…]}`.
pub(super) enum SendRequest {}

impl PartialSchema for SendRequest {
    fn schema() -> RefOr<Schema> {
        schemas::one_of::<MessageRequest, MessageBatch>("A message, or a batch of them.")
    }
}

impl ToSchema for SendRequest {
    fn name() -> Cow<'static, str> {
        "MessageOrBatch".into()
    }

    fn schemas(schemas: &mut schemas::Schemas) {
        schemas::with_parts::<MessageRequest>(schemas);
        schemas::with_parts::<MessageBatch>(schemas);
    }
}

/// Up to 1,000 messages.
pub(super) enum MessageBatch {}

impl PartialSchema for MessageBatch {
    fn schema() -> RefOr<Schema> {
        schemas::batch_of::<MessageRequest>("messages", MAX_BATCH)
    }
}

impl ToSchema for MessageBatch {}

/// The answer to a request.
#[derive(Debug)]
pub(super) enum SendAnswers {
    Sent(SentAnswer),
    Valid(ValidatedAnswer),
}

/// An accepted message, or the answers to a batch. Only the answer to a single message has an `id`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AcceptedMessages)]
#[serde(untagged)]
pub(super) enum SentAnswer {
    One(AcceptedJson),
    Batch(SendBatch),
}

/// The result of the checks of a message or of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ValidatedMessages)]
#[serde(untagged)]
pub(super) enum ValidatedAnswer {
    One(ValidJson),
    Batch(ValidBatch),
}

impl IntoResponse for SendAnswers {
    fn into_response(self) -> Response {
        match self {
            Self::Sent(answer) => (StatusCode::ACCEPTED, axum::Json(answer)).into_response(),
            Self::Valid(answer) => (StatusCode::OK, axum::Json(answer)).into_response(),
        }
    }
}

/// The answers to a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AcceptedBatch)]
pub(super) struct SendBatch {
    /// The number of accepted messages; 0 if every message was refused.
    accepted: usize,
    refused: usize,
    /// One answer for each message, in order. A refused message does not affect the others.
    messages: Vec<SendAnswer>,
}

/// The answer to one message of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AcceptedOrRefused)]
#[serde(untagged)]
pub(super) enum SendAnswer {
    Accepted(AcceptedJson),
    Refused(RefusedItem),
}

/// An accepted message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AcceptedMessage)]
pub(super) struct AcceptedJson {
    #[schema(value_type = schemas::MessageId)]
    id: MessageId,
    #[schema(value_type = schemas::MessageState)]
    state: MessageState,
    /// Why the message is in this state, if there is a reason to give.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<ReasonJson>,
    /// The same request was accepted before; this is the message that it made.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
    /// Things that are allowed but may surprise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// Send a message, or up to 1,000.
///
/// A body with the member `messages` is a batch. Its answer is 202 even if every message was refused, so look at `accepted`.
/// Any other body is one message.
///
/// An accepted message is durable: even after a crash it ends in exactly one final state. The answer does not wait for
/// WeChat unless `wait` is set. With an `Idempotency-Key` the same request may be repeated at will: the answer has the
/// messages that the first request made. With `validate=true` the request is only checked.
#[utoipa::path(
    post,
    path = "/v1/messages",
    operation_id = "send_messages",
    tag = "messages",
    security(("api_key" = ["messages"])),
    params(
        SendQuery,
        (
            "Idempotency-Key" = Option<String>, Header, nullable = false, min_length = 1, max_length = 255,
            pattern = "^[!-~]([ -~]*[!-~])?$",
            description = "1 to 255 visible ASCII characters that the caller chooses. Use a new key for each new request.",
            example = "order-1024-shipped",
        ),
    ),
    request_body = SendRequest,
    responses(
        (status = 202, description = "Accepted. In a batch, some or all messages may be refused.", body = SentAnswer),
        (
            status = 200, description = "Only with `validate=true`: valid. In a batch, each message has its own result.",
            body = ValidatedAnswer,
        ),
        Refusals,
    ),
)]
pub(super) async fn send(
    State(context): State<Context>,
    caller: Caller,
    IdempotencyKey(key): IdempotencyKey,
    Query(query): Query<SendQuery>,
    RequestOrigin(origin): RequestOrigin,
    RawJson(body): RawJson,
) -> Result<SendAnswers, Problem> {
    let key = key.as_deref();
    let wait = wait(query.wait)?;
    if query.validate {
        let answer = validate(&context, &caller, items("messages", &body)?, key.is_some());
        // Boxed on its own, because it is rare and would enlarge the future of every request.
        return Ok(SendAnswers::Valid(Box::pin(answer).await?));
    }
    match items("messages", &body)? {
        Items::One(request) => {
            let checked = check(&context, &caller, request, key.is_some()).await?;
            let appid = caller.is_noted().then(|| checked.message.appid.clone());
            let asked = Asked { key, wait, origin };
            let answer = accept(&context, &caller, vec![Ok(checked)], asked).await?.pop();
            match answer.ok_or_else(Problem::internal)? {
                SendAnswer::Refused(RefusedItem { error }) => Err(error),
                SendAnswer::Accepted(accepted) => {
                    if let Some(appid) = &appid {
                        caller.is_about_one(appid, accepted.id);
                    }
                    Ok(SendAnswers::Sent(SentAnswer::One(accepted)))
                }
            }
        }
        Items::Many(requests) => {
            Box::pin(send_batch(&context, &caller, requests, Asked { key, wait, origin })).await
        }
    }
}

/// What a request says about all of its messages.
struct Asked<'a> {
    key: Option<&'a str>,
    wait: Duration,
    origin: Origin,
}

async fn send_batch(
    context: &Context,
    caller: &Caller,
    requests: Vec<Result<MessageRequest, Problem>>,
    asked: Asked<'_>,
) -> Result<SendAnswers, Problem> {
    let mut checked = Vec::with_capacity(requests.len());
    for request in requests {
        checked.push(match request {
            Ok(request) => check(context, caller, request, asked.key.is_some()).await,
            Err(problem) => Err(problem),
        });
    }
    let messages = accept(context, caller, checked, asked).await?;
    let refused = messages.iter().filter(|answer| matches!(answer, SendAnswer::Refused(_))).count();
    let batch = SendBatch { accepted: messages.len() - refused, refused, messages };
    Ok(SendAnswers::Sent(SentAnswer::Batch(batch)))
}

/// Checks messages as if to send them, and then checks what would keep them from being sent now.
async fn validate(
    context: &Context,
    caller: &Caller,
    items: Items<MessageRequest>,
    has_key: bool,
) -> Result<ValidatedAnswer, Problem> {
    let mut outlook = Outlook::new(context);
    match items {
        Items::One(request) => {
            let checked = check(context, caller, request, has_key).await?;
            Ok(ValidatedAnswer::One(outlook.of(checked).await?))
        }
        Items::Many(requests) => {
            let mut answers = Vec::with_capacity(requests.len());
            for request in requests {
                let checked = match request {
                    Ok(request) => check(context, caller, request, has_key).await,
                    Err(problem) => Err(problem),
                };
                answers.push(match checked {
                    Ok(checked) => ValidAnswer::Valid(outlook.of(checked).await?),
                    Err(error) => ValidAnswer::Refused(RefusedItem { error }),
                });
            }
            Ok(ValidatedAnswer::Batch(ValidBatch::of(answers)))
        }
    }
}

async fn check(
    context: &Context,
    caller: &Caller,
    request: MessageRequest,
    has_key: bool,
) -> Result<Checked, Problem> {
    caller.may_name(&request.app)?;
    request.check(&context.apps, &context.ids, context.clock.now(), has_key).await
}

/// The header `Idempotency-Key`, if there is one.
pub(super) struct IdempotencyKey(Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = only_header(&parts.headers, "Idempotency-Key")? else { return Ok(Self(None)) };
        // A value that is not text becomes the empty key, which is refused.
        let key = value.to_str().unwrap_or_default();
        check_idempotency_key("Idempotency-Key", Some(key))?;
        Ok(Self(Some(key.to_owned())))
    }
}

fn wait(seconds: Option<f64>) -> Result<Duration, Problem> {
    let problem = || Problem::invalid("wait", format!("seconds from 0 to {}", MAX_WAIT.as_secs()));
    let wait = Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).map_err(|_| problem())?;
    if wait > MAX_WAIT { Err(problem()) } else { Ok(wait) }
}

/// Accepts the messages that passed their checks, in one transaction; one answer for each message, in order.
async fn accept(
    context: &Context,
    caller: &Caller,
    checked: Vec<Result<Checked, Problem>>,
    Asked { key, wait, origin }: Asked<'_>,
) -> Result<Vec<SendAnswer>, Problem> {
    let mut messages = Vec::with_capacity(checked.len());
    let mut places = Vec::with_capacity(checked.len());
    for (index, checked) in checked.into_iter().enumerate() {
        places.push(match checked {
            Ok(Checked { mut message, asked_send_at, idempotency_key, warnings }) => {
                // A message's own key counts like the key of a request with only this message.
                let key = idempotency_key.as_deref().map(|own| (own, 0)).or(key.map(|key| (key, index)));
                message.idempotency =
                    key.map(|(key, index)| idempotency(&message, asked_send_at, key, index));
                messages.push(message);
                Ok(warnings)
            }
            Err(problem) => Err(problem),
        });
    }
    if !messages.is_empty() {
        let accepted_by = context.callers.number(caller.id()).await?;
        for message in &mut messages {
            message.accepted_by = Some(accepted_by);
            message.origin = origin.clone();
        }
    }
    let ids: Vec<MessageId> = messages.iter().map(|message| message.id).collect();
    let accepted = if messages.is_empty() { Vec::new() } else { context.intake.accept(messages).await? };
    let mut accepted = ids.into_iter().zip(accepted);
    let mut answers = Vec::with_capacity(places.len());
    for place in places {
        answers.push(match place {
            Err(error) => SendAnswer::Refused(RefusedItem { error }),
            Ok(warnings) => {
                let (id, accepted) = accepted.next().ok_or_else(Problem::internal)?;
                answer(id, &accepted, warnings)
            }
        });
    }
    if !wait.is_zero() {
        Box::pin(wait_until_settled(context, &mut answers, wait)).await?;
    }
    Ok(answers)
}

fn answer(id: MessageId, accepted: &Accepted, warnings: Vec<Warning>) -> SendAnswer {
    let (id, state, reason, replayed) = match *accepted {
        Accepted::New { state, reason, .. } => (id, state, reason, false),
        Accepted::Replayed { id, state, reason } => (id, state, reason, true),
        Accepted::KeyReused { id } => return SendAnswer::Refused(RefusedItem { error: key_reused(id) }),
    };
    let reason = reason.map(|code| ReasonJson::new(code, None));
    SendAnswer::Accepted(AcceptedJson { id, state, reason, replayed, warnings })
}

fn key_reused(id: MessageId) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        "this Idempotency-Key was used for a different request; use a new key for a new request",
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
    // Listen before the store is read, so that no change is missed.
    let mut listeners: HashMap<MessageId, Listener> =
        accepted(answers).map(|answer| (answer.id, context.report.listen(answer.id))).collect();
    bring_up_to_date(context, answers, |id, message| {
        let moves = message.is_some_and(|message| {
            let is_held_back =
                message.state == MessageState::Ready && context.apps.is_breaker_open(&message.appid);
            !is_at_rest(message.state, message.reason) && !is_held_back
        });
        if !moves {
            listeners.remove(&id);
        }
    })
    .await?;
    if listeners.is_empty() {
        return Ok(());
    }
    for listener in listeners.values_mut() {
        let patience = until.saturating_duration_since(tokio::time::Instant::now());
        // A message may never settle, so a stop ends the wait.
        tokio::select! {
            _ = listener.settled(patience) => {}
            () = context.stop.announced() => break,
        }
    }
    bring_up_to_date(context, answers, |_, _| {}).await
}

fn accepted(answers: &mut [SendAnswer]) -> impl Iterator<Item = &mut AcceptedJson> {
    answers.iter_mut().filter_map(|answer| match answer {
        SendAnswer::Accepted(accepted) => Some(accepted),
        SendAnswer::Refused { .. } => None,
    })
}

/// Updates the answers with the messages' states, in one query for all; calls `seen` for each message.
async fn bring_up_to_date(
    context: &Context,
    answers: &mut [SendAnswer],
    mut seen: impl FnMut(MessageId, Option<&MessageView>),
) -> Result<(), Problem> {
    let ids = accepted(answers).map(|answer| answer.id).collect();
    let views = context.store.message_views(ids).await?;
    for (answer, message) in accepted(answers).zip(views) {
        seen(answer.id, message.as_ref());
        if let Some(message) = message {
            answer.state = message.state;
            answer.reason = reason(&message);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hongyan_clock::UnixMillis;
    use hongyan_ledger::ids::IdMaker;
    use hongyan_ledger::{Lane, ReasonCode};
    use hongyan_wechat::Errcode;

    use super::*;
    use crate::api::openapi::tests::description;
    use crate::problem::from_bytes;

    #[test]
    fn every_member_of_an_answer_is_described() {
        let accepted = || AcceptedJson {
            id: IdMaker::new().message(Lane::all().next().unwrap(), UnixMillis(1_700_000_000_000)),
            state: MessageState::Failed,
            reason: Some(ReasonJson::new(ReasonCode::NoPermit, None)),
            replayed: true,
            warnings: vec![Warning {
                field: Some("data.thing1".into()),
                ..Warning::new("shortened", "it was too long", "内容过长")
            }],
        };
        let problem = Problem::invalid("to", "no").errcode(Errcode::INVALID_SECRET, "invalid").retry_after(1);
        let refused = SendAnswer::Refused(RefusedItem { error: problem });
        let messages = vec![SendAnswer::Accepted(accepted()), refused];
        for answer in
            [SentAnswer::One(accepted()), SentAnswer::Batch(SendBatch { accepted: 1, refused: 1, messages })]
        {
            description().check("AcceptedMessages", &serde_json::to_value(answer).unwrap());
        }
    }

    #[test]
    fn every_member_of_a_request_is_described_and_read() {
        let request = serde_json::json!({
            "app": "wx0123456789abcdef",
            "to": "oSandboxUser0000000000000001",
            "template": "template-1",
            "data": { "thing1": "Latte", "number2": 7, "keyword3": { "value": "Latte", "color": "#173177" } },
            "page": "pages/index/index",
            "emphasis_keyword": "keyword3.DATA",
            "lang": "zh_CN",
            "miniprogram_state": "formal",
            "send_at": "2026-05-01T09:30:00+08:00",
            "deadline": "2026-05-01T10:30:00+08:00",
            "permit": "wait",
            "on_unknown": "hold",
            "reserve": "now",
            "reference": "order-1",
            "collapse_key": "order-1",
            "idempotency_key": "order-1-shipped",
            "truncate": true,
        });
        let description = description();
        description.check("MessageRequest", &request);
        description.check("MessageOrBatch", &serde_json::json!({ "messages": [request.clone()] }));
        for name in description.members("MessageRequest") {
            assert!(request.get(&name).is_some(), "{name} is described but not in this request");
        }
        from_bytes::<MessageRequest>(request.to_string().as_bytes()).unwrap();
    }
}
