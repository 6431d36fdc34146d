//! `GET /v1/apps` and `GET /v1/apps/{appid}`.

use std::collections::HashMap;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{AppJson, app_json, shown};
use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::apps::App;
use crate::context::Context;
use crate::problem::{Path, Problem};
use crate::schemas;

/// Every app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AppList)]
pub(super) struct AppsAnswer {
    apps: Vec<AppJson>,
}

/// List the apps.
///
/// Ordered by appid, without their secrets.
#[utoipa::path(
    get,
    path = "/v1/apps",
    operation_id = "list_apps",
    tag = "apps",
    security(("api_key" = ["apps"])),
    responses((status = 200, description = "Every app.", body = AppsAnswer), Refusals),
)]
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
) -> Result<axum::Json<AppsAnswer>, Problem> {
    let tokens = context.store.tokens().await?.into_iter().map(|token| (token.appid.clone(), token));
    let tokens: HashMap<_, _> = tokens.collect();
    let heard: HashMap<_, _> = context.store.callback_statuses().await?.into_iter().collect();
    let of = |app: &App| heard.get(&app.record.appid).copied().unwrap_or_default();
    let apps = context.apps.list();
    let apps = apps
        .iter()
        .filter(|app| caller.sees(&app.record.appid))
        .map(|app| app_json(&context, app, of(app), tokens.get(&app.record.appid)))
        .collect();
    Ok(axum::Json(AppsAnswer { apps }))
}

/// Show an app: how it is set, how its access token stands, whether it is paused and why.
///
/// An app that is paused keeps its messages; `paused` says since when, and what to do.
#[utoipa::path(
    get,
    path = "/v1/apps/{appid}",
    operation_id = "show_app",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = schemas::AppId, Path)),
    responses((status = 200, description = "The app.", body = AppJson), Refusals),
)]
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
) -> Result<axum::Json<AppJson>, Problem> {
    let app = caller.app_at(&context, &appid)?;
    Ok(axum::Json(shown(&context, &app).await?))
}
