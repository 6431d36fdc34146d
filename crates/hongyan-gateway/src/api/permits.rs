//! `/v1/permits` and `/v1/reach`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hongyan_clock::UnixMillis;
use hongyan_ledger::permit::{MAX_PAYMENT_UNITS, Totals};
use hongyan_ledger::{Channel, Lane, PermitId, PermitKind};
use hongyan_store::types::{NewPermit, PermitView, Reach};
use hongyan_wechat::{AppId, OpenId, TemplateId, is_mock_form_id};
use serde::{Deserialize, Serialize};

use crate::intake::request::parse;
use crate::keys::Scope;
use crate::problem::{Problem, Query, RawJson};
use crate::service::Context;

use super::batch::{Items, items};

/// The longest form id or prepay id; WeChat's are below 100.
const MAX_CODE_LENGTH: usize = 512;

/// The most units of one grant.
const MAX_COUNT: u32 = 1_000;

/// One grant, as a caller reports it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantRequest {
    /// The appid.
    pub(super) app: String,
    /// The user.
    pub(super) openid: String,
    /// Where the right comes from.
    pub(super) kind: PermitKind,
    /// The form id or prepay id.
    pub(super) code: Option<String>,
    /// The template, for subscriptions.
    pub(super) template: Option<String>,
    /// How many units; absent: one (payments: as the app is set).
    pub(super) count: Option<u32>,
}

/// What became of a grant.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum GrantAnswer {
    /// It is in the ledger.
    Granted {
        id: PermitId,
        kind: PermitKind,
        /// The same code was granted before; nothing changed.
        duplicate: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<UnixMillis>,
        /// Waiting messages that it set going.
        woken: u32,
    },
    /// It is not; the others of the batch are not touched by that.
    Refused { error: Problem },
}

/// `POST /v1/permits`
pub(super) async fn grant(
    State(context): State<Context>,
    headers: HeaderMap,
    RawJson(body): RawJson,
) -> Result<Response, Problem> {
    context.keys.authorize(&headers, Scope::Permits).await?;
    match items("permits", &body)? {
        Items::One(request) => {
            let wanted = checked(&context, request).await?;
            let answer = grant_all(&context, vec![Ok(wanted)]).await?.pop().ok_or_else(Problem::internal)?;
            Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
        }
        Items::Many(requests) => {
            let mut wanted = Vec::with_capacity(requests.len());
            for request in requests {
                wanted.push(match request {
                    Ok(request) => checked(&context, request).await,
                    Err(problem) => Err(problem),
                });
            }
            let answers = grant_all(&context, wanted).await?;
            Ok((StatusCode::CREATED, axum::Json(serde_json::json!({ "permits": answers }))).into_response())
        }
    }
}

/// Checks everything about a grant that can be checked without WeChat.
pub(super) async fn checked(context: &Context, request: GrantRequest) -> Result<NewPermit, Problem> {
    let appid: AppId = parse("app", &request.app)?;
    let openid: OpenId = parse("openid", &request.openid)?;
    let app = context.apps.get(&appid).ok_or_else(|| Problem::unknown_app(&appid))?;
    let kind = request.kind;
    if kind == PermitKind::ServiceCard {
        return Err(Problem::invalid("kind", "service cards cannot be granted yet"));
    }
    let code = check_code(kind, request.code)?;
    let template = match request.template {
        Some(text) if !kind.has_code() => {
            let id: TemplateId = parse("template", &text)?;
            let template = context.apps.template(&appid, &id).await?;
            if template.record.channel != Channel::Subscribe {
                return Err(Problem::invalid(
                    "template",
                    "this is a template of the old kind; it takes forms",
                ));
            }
            Some(id)
        }
        Some(_) => {
            return Err(Problem::invalid(
                "template",
                "forms and payments serve any template of the old kind",
            ));
        }
        None if kind.has_code() => None,
        None => return Err(Problem::invalid("template", "a subscription is for one template: name it")),
    };
    let count = match (kind, request.count) {
        (_, Some(0)) => return Err(Problem::invalid("count", "at least 1")),
        (PermitKind::Form, Some(count)) if count != 1 => {
            return Err(Problem::invalid("count", "a form is good for one message"));
        }
        (PermitKind::Payment, Some(count)) if count > MAX_PAYMENT_UNITS => {
            return Err(Problem::invalid(
                "count",
                format!("a payment is good for at most {MAX_PAYMENT_UNITS}"),
            ));
        }
        (_, Some(count)) if count > MAX_COUNT => {
            return Err(Problem::invalid("count", format!("at most {MAX_COUNT} at once")));
        }
        (PermitKind::Payment, None) => app.record.payment_units,
        (_, count) => count.unwrap_or(1),
    };
    let now = context.clock.now();
    Ok(NewPermit {
        id: context.ids.permit(Lane::of(&appid, &openid), now),
        appid,
        openid,
        kind,
        code,
        template,
        count,
        expires_at: kind.lifetime().map(|lifetime| now.plus(lifetime)),
    })
}

fn check_code(kind: PermitKind, code: Option<String>) -> Result<Option<String>, Problem> {
    match code {
        None if kind.has_code() => Err(Problem::invalid(
            "code",
            "the form id (or prepay id) is what WeChat is shown: send it as code",
        )),
        Some(_) if !kind.has_code() => Err(Problem::invalid("code", "a subscription has no code")),
        Some(code) if is_mock_form_id(&code) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "mock_form_id",
            "this is what developer tools hand out in place of a form id; submit the form on a real phone",
        )
        .field("code")),
        Some(code) if code.len() > MAX_CODE_LENGTH || code.chars().any(|c| c.is_control() || c == ' ') => {
            Err(Problem::invalid("code", format!("1 to {MAX_CODE_LENGTH} visible characters")))
        }
        code => Ok(code),
    }
}

/// Grants what passed its checks, in one transaction; one answer each, in order.
pub(super) async fn grant_all(
    context: &Context,
    wanted: Vec<Result<NewPermit, Problem>>,
) -> Result<Vec<GrantAnswer>, Problem> {
    let now = context.clock.now();
    let good: Vec<NewPermit> = wanted.iter().filter_map(|permit| permit.as_ref().ok().cloned()).collect();
    let lanes: Vec<Option<Lane>> = good.iter().map(|permit| permit.id.lane()).collect();
    let granted = if good.is_empty() { Vec::new() } else { context.store.grant(good, now).await? };
    for (lane, granted) in lanes.into_iter().zip(&granted) {
        if let Some(lane) = lane.filter(|_| granted.woken > 0) {
            context.timers.ring_ready(lane, now);
        }
    }
    let mut granted = granted.into_iter();
    let answers = wanted.into_iter().filter_map(|wanted| match wanted {
        Ok(permit) => granted.next().map(|granted| GrantAnswer::Granted {
            id: granted.id,
            kind: permit.kind,
            duplicate: granted.duplicate,
            expires_at: granted.expires_at,
            woken: granted.woken,
        }),
        Err(error) => Some(GrantAnswer::Refused { error }),
    });
    Ok(answers.collect())
}

/// Whose permits to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserQuery {
    app: String,
    openid: String,
}

/// One permit, with its counts.
#[derive(Debug, Serialize)]
struct PermitJson {
    id: PermitId,
    kind: PermitKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<TemplateId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Serves any number of messages until the user withdraws it.
    unlimited: bool,
    #[serde(flatten)]
    counts: Totals,
    granted_at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<UnixMillis>,
}

/// A user's permits, newest first, and the sum of their counts.
#[derive(Debug, Serialize)]
pub(super) struct PermitsAnswer {
    permits: Vec<PermitJson>,
    totals: Totals,
    /// How many of the permits are unlimited; their units are counted as they are used.
    unlimited: u32,
}

/// `GET /v1/permits?app=&openid=`
pub(super) async fn list(
    State(context): State<Context>,
    headers: HeaderMap,
    Query(query): Query<UserQuery>,
) -> Result<axum::Json<PermitsAnswer>, Problem> {
    context.keys.authorize(&headers, Scope::Permits).await?;
    let appid: AppId = parse("app", &query.app)?;
    let openid: OpenId = parse("openid", &query.openid)?;
    if context.apps.get(&appid).is_none() {
        return Err(Problem::unknown_app(&appid));
    }
    let permits = context.store.permits(appid, openid, context.clock.now()).await?;
    let mut totals = Totals::default();
    for permit in &permits {
        totals += permit.totals;
    }
    let unlimited = permits.iter().filter(|view| view.permit.units.unlimited).count() as u32;
    let permits = permits.into_iter().map(permit_json).collect();
    Ok(axum::Json(PermitsAnswer { permits, totals, unlimited }))
}

fn permit_json(PermitView { permit, totals }: PermitView) -> PermitJson {
    PermitJson {
        id: permit.id,
        kind: permit.kind,
        template: permit.template,
        code: permit.code,
        unlimited: permit.units.unlimited,
        counts: totals,
        granted_at: permit.granted_at,
        expires_at: permit.expires_at,
    }
}

/// Which users to count.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReachQuery {
    app: String,
    template: Option<String>,
    kind: Option<PermitKind>,
}

/// `GET /v1/reach?app=&template=&kind=`
pub(super) async fn reach(
    State(context): State<Context>,
    headers: HeaderMap,
    Query(query): Query<ReachQuery>,
) -> Result<axum::Json<Reach>, Problem> {
    context.keys.authorize(&headers, Scope::Permits).await?;
    let appid: AppId = parse("app", &query.app)?;
    if context.apps.get(&appid).is_none() {
        return Err(Problem::unknown_app(&appid));
    }
    let template = query.template.map(|text| parse("template", &text)).transpose()?;
    Ok(axum::Json(context.store.reach(appid, template, query.kind, context.clock.now()).await?))
}
