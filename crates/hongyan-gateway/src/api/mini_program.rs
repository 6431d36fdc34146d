//! `/mp/{appid}`: what the mini program itself may call, without an API key.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use hongyan_clock::UnixMillis;
use hongyan_ledger::PermitKind;
use hongyan_wechat::AppId;
use serde::{Deserialize, Serialize};

use super::permits::{GrantAnswer, GrantRequest, checked, grant_all};
use crate::intake::request::parse;
use crate::login::session;
use crate::problem::{Json, Path, Problem};
use crate::service::Context;

/// The most permits that one tap can bring: a form, a payment and three subscriptions leave room to spare.
const MAX_PERMITS: usize = 20;

/// A code that `wx.login` gave.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeRequest {
    code: String,
}

/// What the mini program keeps.
#[derive(Debug, Serialize)]
pub(super) struct SessionAnswer {
    session: String,
    expires_at: UnixMillis,
}

/// `POST /mp/{appid}/login`
pub(super) async fn login(
    State(context): State<Context>,
    Path(appid): Path<String>,
    Json(request): Json<CodeRequest>,
) -> Result<axum::Json<SessionAnswer>, Problem> {
    let appid: AppId = parse("appid", &appid)?;
    let login = super::login::exchange_code(&context, &appid, &request.code).await?;
    Ok(axum::Json(SessionAnswer {
        session: secrecy::ExposeSecret::expose_secret(&login.session).to_owned(),
        expires_at: login.expires_at,
    }))
}

/// What the user's taps brought.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PermitsRequest {
    permits: Vec<ReportedPermit>,
}

/// One form id, prepay id, or answer to `wx.requestSubscribeMessage`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportedPermit {
    kind: PermitKind,
    code: Option<String>,
    template: Option<String>,
    result: Option<SubscribeResult>,
}

/// The words of `wx.requestSubscribeMessage`. Source: its page in WeChat's client documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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
#[derive(Debug, Serialize)]
pub(super) struct PermitsAnswer {
    permits: Vec<ReportAnswer>,
}

/// What became of one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ReportAnswer {
    /// It is a grant now (or was refused for a reason of its own).
    Grant(GrantAnswer),
    /// The user's answer grants nothing.
    NotGranting { granted: u32, reason: &'static str },
}

/// `POST /mp/{appid}/permits`
pub(super) async fn permits(
    State(context): State<Context>,
    Path(appid): Path<String>,
    headers: HeaderMap,
    Json(request): Json<PermitsRequest>,
) -> Result<(StatusCode, axum::Json<PermitsAnswer>), Problem> {
    let appid: AppId = parse("appid", &appid)?;
    let session = session(&*context.store, &context.clock, bearer(&headers)?).await?;
    if session.appid != appid {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "session_of_another_app",
            format!("this session belongs to another app than {appid}"),
        ));
    }
    if request.permits.is_empty() || request.permits.len() > MAX_PERMITS {
        return Err(Problem::invalid("permits", format!("1 to {MAX_PERMITS} permits in one request")));
    }
    // What grants goes to the ledger together; the user's refusals keep their places in the answer.
    let mut wanted = Vec::new();
    let mut places = Vec::new();
    for permit in request.permits {
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
            wanted.push(checked(&context, request).await);
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
    Ok((StatusCode::ACCEPTED, axum::Json(PermitsAnswer { permits: answers })))
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| {
            Problem::unauthorized("send the session that login gave, as: Authorization: Bearer hys_…")
        })
}
