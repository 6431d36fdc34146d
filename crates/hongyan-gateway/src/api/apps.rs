//! `/v1/apps`: registering apps at run time, their pauses and their templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::{AppPause, PauseCode};
use hongyan_ledger::{Channel, OnUnknown};
use hongyan_wechat::{AppId, Errcode, SecretString, TemplateId};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::apps::{App, AppChange, NewApp, SyncReport, Template};
use crate::intake::request::parse;
use crate::keys::Scope;
use crate::problem::{Json, Path, Problem};
use crate::service::Context;

/// An app to register.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterRequest {
    appid: String,
    secret: SecretString,
    name: Option<String>,
    /// How tokens are fetched.
    token: Option<TokenCall>,
    on_unknown: Option<OnUnknown>,
    payment_units: Option<u32>,
}

/// Which of WeChat's two calls fetches tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TokenCall {
    /// `/cgi-bin/stable_token`: a fetch elsewhere does not kill ours.
    Stable,
    /// `/cgi-bin/token`: each fetch kills the one before.
    Plain,
}

/// Changes to an app; what is absent stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeRequest {
    secret: Option<SecretString>,
    name: Option<String>,
    token: Option<TokenCall>,
    on_unknown: Option<OnUnknown>,
    payment_units: Option<u32>,
    /// Make a new gateway secret; the old one stops working at once.
    #[serde(default)]
    rotate_gateway_secret: bool,
}

/// An app as everybody may see it: without its secrets.
#[derive(Debug, Serialize)]
pub(super) struct AppJson {
    appid: AppId,
    name: String,
    token: TokenCall,
    on_unknown: OnUnknown,
    payment_units: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<PausedJson>,
    templates: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    templates_synced_at: Option<UnixMillis>,
    created_at: UnixMillis,
    updated_at: UnixMillis,
}

/// Why nothing goes out.
#[derive(Debug, Serialize)]
struct PausedJson {
    code: PauseCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    errcode: Option<Errcode>,
    detail: String,
    since: UnixMillis,
    /// Absent: until it is resumed by `POST /v1/apps/{appid}/resume`, or its secret is changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<UnixMillis>,
}

/// An app with what is said only once.
#[derive(Debug, Serialize)]
struct AppWithSecret {
    #[serde(flatten)]
    app: AppJson,
    /// What clients of the facade use as `secret`. Not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template_sync: Option<SyncReport>,
}

fn app_json(app: &App, now: UnixMillis) -> AppJson {
    let record = &app.record;
    let paused = record.paused.as_ref().filter(|paused| paused.until.is_none_or(|end| now < end));
    AppJson {
        appid: record.appid.clone(),
        name: record.name.clone(),
        token: if record.stable_token { TokenCall::Stable } else { TokenCall::Plain },
        on_unknown: record.on_unknown,
        payment_units: record.payment_units,
        paused: paused.map(|paused| PausedJson {
            code: paused.code,
            errcode: paused.errcode,
            detail: paused.detail.clone(),
            since: paused.since,
            until: paused.until,
        }),
        templates: app.templates.len(),
        templates_synced_at: record.templates_synced_at,
        created_at: record.created_at,
        updated_at: record.updated_at,
    }
}

fn known(context: &Context, appid: &str) -> Result<Arc<App>, Problem> {
    let appid: AppId = parse("appid", appid)?;
    context.apps.get(&appid).ok_or_else(|| Problem::unknown_app(&appid))
}

/// `POST /v1/apps`
pub(super) async fn register(
    State(context): State<Context>,
    headers: HeaderMap,
    Json(request): Json<RegisterRequest>,
) -> Result<Response, Problem> {
    context.keys.authorize(&headers, Scope::Apps).await?;
    let (app, gateway_secret, report) = context
        .apps
        .register(NewApp {
            appid: parse("appid", &request.appid)?,
            secret: request.secret,
            name: request.name,
            stable_token: request.token.map(|call| call == TokenCall::Stable),
            on_unknown: request.on_unknown,
            payment_units: request.payment_units,
        })
        .await?;
    // Messages of an earlier registration may be ready.
    context.timers.ring_all(context.clock.now());
    // A failed synchronisation may have paused the app: show it as it is now.
    let app = context.apps.get(&app.record.appid).unwrap_or(app);
    let answer = AppWithSecret {
        app: app_json(&app, context.clock.now()),
        gateway_secret: Some(gateway_secret.expose_secret().to_owned()),
        template_sync: Some(report),
    };
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}

/// `GET /v1/apps`
pub(super) async fn list(
    State(context): State<Context>,
    headers: HeaderMap,
) -> Result<axum::Json<BTreeMap<&'static str, Vec<AppJson>>>, Problem> {
    context.keys.authorize(&headers, Scope::Apps).await?;
    let now = context.clock.now();
    let apps = context.apps.list().iter().map(|app| app_json(app, now)).collect();
    Ok(axum::Json(BTreeMap::from([("apps", apps)])))
}

/// `GET /v1/apps/{appid}`
pub(super) async fn show(
    State(context): State<Context>,
    headers: HeaderMap,
    Path(appid): Path<String>,
) -> Result<axum::Json<AppJson>, Problem> {
    context.keys.authorize(&headers, Scope::Apps).await?;
    Ok(axum::Json(app_json(&*known(&context, &appid)?, context.clock.now())))
}

/// `PATCH /v1/apps/{appid}`. A new secret also ends a pause that the old one caused.
pub(super) async fn change(
    State(context): State<Context>,
    headers: HeaderMap,
    Path(appid): Path<String>,
    Json(request): Json<ChangeRequest>,
) -> Result<Response, Problem> {
    context.keys.authorize(&headers, Scope::Apps).await?;
    let appid = known(&context, &appid)?.record.appid.clone();
    let (app, gateway_secret) = context
        .apps
        .change(
            &appid,
            AppChange {
                name: request.name,
                secret: request.secret,
                stable_token: request.token.map(|call| call == TokenCall::Stable),
                on_unknown: request.on_unknown,
                payment_units: request.payment_units,
                rotate_gateway_secret: request.rotate_gateway_secret,
            },
        )
        .await?;
    context.timers.ring_all(context.clock.now());
    let answer = AppWithSecret {
        app: app_json(&app, context.clock.now()),
        gateway_secret: gateway_secret.map(|secret| secret.expose_secret().to_owned()),
        template_sync: None,
    };
    Ok(axum::Json(answer).into_response())
}

/// `DELETE /v1/apps/{appid}`: its unsent messages are cancelled, its history stays.
pub(super) async fn remove(
    State(context): State<Context>,
    headers: HeaderMap,
    Path(appid): Path<String>,
) -> Result<StatusCode, Problem> {
    context.keys.authorize(&headers, Scope::Apps).await?;
    let app = known(&context, &appid)?;
    context.apps.remove(&app.record.appid).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Why an operator pauses an app.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseRequest {
    /// In words, for whoever asks later.
    detail: Option<String>,
    /// Absent: until it is resumed.
    until: Option<UnixMillis>,
}

/// `POST /v1/apps/{appid}/pause`: every message is kept, none goes out.
pub(super) async fn pause(
    State(context): State<Context>,
    headers: HeaderMap,
    Path(appid): Path<String>,
    Json(request): Json<PauseRequest>,
) -> Result<axum::Json<AppJson>, Problem> {
    context.keys.authorize(&headers, Scope::Apps).await?;
    let app = known(&context, &appid)?;
    let detail = request.detail.unwrap_or_else(|| "paused by an operator".into());
    let pause = AppPause { code: PauseCode::Operator, until: request.until };
    context.apps.pause(&app.record.appid, pause, None, detail).await?;
    Ok(axum::Json(app_json(&*known(&context, &appid)?, context.clock.now())))
}

/// `POST /v1/apps/{appid}/resume`: ends any pause; what was kept goes out.
pub(super) async fn resume(
    State(context): State<Context>,
    headers: HeaderMap,
    Path(appid): Path<String>,
) -> Result<axum::Json<AppJson>, Problem> {
    context.keys.authorize(&headers, Scope::Apps).await?;
    let app = known(&context, &appid)?;
    context.apps.resume(&app.record.appid).await?;
    context.timers.ring_all(context.clock.now());
    Ok(axum::Json(app_json(&*known(&context, &appid)?, context.clock.now())))
}

/// A template with its fields.
#[derive(Debug, Serialize)]
struct TemplateJson {
    template: TemplateId,
    channel: Channel,
    /// Subscriptions to it are long-term.
    long_term: bool,
    title: String,
    fields: Vec<FieldJson>,
    example: String,
}

/// One field of a template.
#[derive(Debug, Serialize)]
struct FieldJson {
    name: String,
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_zh: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
}

fn template_json(template: &Template) -> TemplateJson {
    let record = &template.record;
    let fields = template.fields.iter().map(|field| {
        let kind = hongyan_wechat::FieldKind::of(&field.name);
        FieldJson {
            name: field.name.clone(),
            label: field.label.clone(),
            rule: kind.map(hongyan_wechat::FieldKind::rule_en),
            rule_zh: kind.map(hongyan_wechat::FieldKind::rule_zh),
            values: record.enums.get(&field.name).cloned(),
        }
    });
    TemplateJson {
        template: record.template_id.clone(),
        channel: record.channel,
        long_term: record.long_term,
        title: record.title.clone(),
        fields: fields.collect(),
        example: record.example.clone(),
    }
}

/// `GET /v1/apps/{appid}/templates`
pub(super) async fn templates(
    State(context): State<Context>,
    headers: HeaderMap,
    Path(appid): Path<String>,
) -> Result<Response, Problem> {
    context.keys.authorize(&headers, Scope::Messages).await?;
    let app = known(&context, &appid)?;
    let mut templates: Vec<_> = app.templates.values().map(|template| template_json(template)).collect();
    templates.sort_by(|a, b| (&a.title, &a.template).cmp(&(&b.title, &b.template)));
    Ok(axum::Json(serde_json::json!({
        "templates": templates,
        "synced_at": app.record.templates_synced_at,
    }))
    .into_response())
}

/// `POST /v1/apps/{appid}/templates/sync`: asks WeChat again.
pub(super) async fn sync_templates(
    State(context): State<Context>,
    headers: HeaderMap,
    Path(appid): Path<String>,
) -> Result<axum::Json<SyncReport>, Problem> {
    context.keys.authorize(&headers, Scope::Apps).await?;
    let app = known(&context, &appid)?;
    Ok(axum::Json(context.apps.sync_templates(&app.record.appid).await?))
}
