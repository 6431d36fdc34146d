//! `/mp/{appid}`: the calls of the mini program itself, without an API key.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use hongyan_clock::UnixMillis;
use hongyan_ledger::PermitKind;
use hongyan_ledger::permit::Origin;
use hongyan_wechat::AppId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bounded::Object;
use super::openapi::Refusals;
use super::permits::{GrantAnswer, GrantRequest, checked, grant_all};
use crate::context::Context;
use crate::door::ClientAddress;
use crate::door::outgoing::Behalf;
use crate::intake::request::parse;
use crate::keys::bearer;
use crate::login::session;
use crate::problem::{Json, Path, Problem};
use crate::schemas;

/// The most permits in one report. One tap brings at most a form, a payment and three subscriptions.
const MAX_PERMITS: usize = 20;

/// A login code from `wx.login`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MiniProgramLogin)]
pub(super) struct CodeRequest {
    /// The login code. It works once, within five minutes.
    #[schema(min_length = 1, max_length = 128, pattern = "^[!-~]+$")]
    code: String,
}

/// A session for the mini program.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MiniProgramSession)]
pub(super) struct SessionAnswer {
    /// The session, an opaque text `hys_…`. The session_key stays in the gateway.
    session: String,
    #[schema(value_type = schemas::Time)]
    expires_at: UnixMillis,
}

/// Exchange a login code for a session.
///
/// The mini program keeps the session; the openid and the session_key stay in the gateway.
#[utoipa::path(
    post,
    path = "/mp/{appid}/login",
    operation_id = "mini_program_login",
    tag = "mini program",
    params(("appid" = schemas::AppId, Path)),
    request_body = CodeRequest,
    responses((status = 200, description = "The session.", body = SessionAnswer), Refusals),
)]
pub(super) async fn login(
    State(context): State<Context>,
    Path(appid): Path<String>,
    from: ClientAddress,
    Json(request): Json<CodeRequest>,
) -> Result<axum::Json<SessionAnswer>, Problem> {
    let appid: AppId = parse("appid", &appid)?;
    // Checked before the rate limit, because this refusal costs no call to WeChat.
    context.apps.get(&appid).ok_or_else(|| Problem::unknown_app(&appid))?;
    context.rates.login(from, &appid)?;
    let login = super::login::exchange_code(&context, Behalf::Stranger, &appid, &request.code)
        .await
        .map_err(Problem::for_strangers)?;
    Ok(axum::Json(SessionAnswer {
        session: secrecy::ExposeSecret::expose_secret(&login.session).to_owned(),
        expires_at: login.expires_at,
    }))
}

/// The permits that the user's taps gave.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReportPermits)]
pub(super) struct ReportRequest {
    /// 1 to 20 permits.
    #[schema(value_type = Vec<ReportedPermit>, min_items = 1, max_items = 20)]
    permits: Vec<Object<ReportedPermit>>,
}

/// A form id, a prepay id, or an answer to `wx.requestSubscribeMessage`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportedPermit {
    #[schema(value_type = schemas::PermitKind)]
    kind: PermitKind,
    /// The form id or prepay id, for forms and payments.
    #[schema(max_length = 512)]
    code: Option<String>,
    /// The template, for subscriptions.
    #[schema(value_type = Option<schemas::TemplateId>)]
    template: Option<String>,
    /// The answer of `wx.requestSubscribeMessage` for this template. Absent: accepted.
    result: Option<SubscribeResult>,
}

/// The answers of `wx.requestSubscribeMessage`. Source: its page in WeChat's client documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum SubscribeResult {
    Accept,
    AcceptWithAudio,
    AcceptWithAlert,
    AcceptWithForcePush,
    Reject,
    Ban,
    Filter,
}

impl SubscribeResult {
    const fn grants(self) -> bool {
        matches!(
            self,
            Self::Accept | Self::AcceptWithAudio | Self::AcceptWithAlert | Self::AcceptWithForcePush
        )
    }
}

/// One answer per reported permit, in order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReportedPermits)]
pub(super) struct ReportAnswers {
    permits: Vec<ReportAnswer>,
}

/// The answer to one reported permit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ReportedPermitAnswer)]
pub(super) enum ReportAnswer {
    /// The permit was granted, or refused with a problem.
    Grant(GrantAnswer),
    /// The user's answer grants no permit.
    NotGranting {
        /// Always 0.
        granted: u32,
        /// Why, for people.
        reason: &'static str,
    },
}

/// Report form ids, prepay ids and answers to subscription requests.
///
/// Every answer of the user may be reported; only an acceptance grants a permit.
#[utoipa::path(
    post,
    path = "/mp/{appid}/permits",
    operation_id = "mini_program_permits",
    tag = "mini program",
    security(("session" = [])),
    params(("appid" = schemas::AppId, Path)),
    request_body = ReportRequest,
    responses((status = 202, description = "One answer for each permit.", body = ReportAnswers), Refusals),
)]
pub(super) async fn permits(
    State(context): State<Context>,
    Path(appid): Path<String>,
    headers: HeaderMap,
    Json(request): Json<ReportRequest>,
) -> Result<(StatusCode, axum::Json<ReportAnswers>), Problem> {
    let appid: AppId = parse("appid", &appid)?;
    let token = bearer(&headers).ok_or_else(|| {
        Problem::unauthorized("send the session from the login: Authorization: Bearer hys_…")
    })?;
    let session = session(&*context.store, &context.clock, token).await?;
    if session.appid != appid {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "session_of_another_app",
            format!("this session does not belong to the app {appid}"),
        ));
    }
    if request.permits.is_empty() || request.permits.len() > MAX_PERMITS {
        return Err(Problem::invalid("permits", format!("1 to {MAX_PERMITS} permits in one request")));
    }
    context.rates.permit_reports(&appid, &session.openid, request.permits.len() as u32)?;
    // All grants go to the ledger in one call; refusals by the user keep their places in the answer.
    let mut wanted = Vec::new();
    let mut places = Vec::new();
    for Object(permit) in request.permits {
        let grants = permit.result.is_none_or(SubscribeResult::grants);
        places.push(grants);
        if grants {
            let request = GrantRequest {
                app: appid.to_string(),
                openid: session.openid.to_string(),
                kind: permit.kind,
                code: permit.code,
                template: permit.template,
                count: None,
            };
            wanted.push(checked(&context, request, Origin::MiniProgram).await);
        }
    }
    let mut granted = grant_all(&context, wanted).await?.into_iter();
    let answers = places
        .into_iter()
        .filter_map(|grants| {
            if grants {
                granted.next().map(ReportAnswer::Grant)
            } else {
                Some(ReportAnswer::NotGranting { granted: 0, reason: "the user did not accept" })
            }
        })
        .collect();
    Ok((StatusCode::ACCEPTED, axum::Json(ReportAnswers { permits: answers })))
}
