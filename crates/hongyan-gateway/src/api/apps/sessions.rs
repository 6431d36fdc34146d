//! `DELETE /v1/apps/{appid}/sessions`.

use axum::extract::State;
use hongyan_wechat::OpenId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::{Path, Problem, Query};
use crate::schemas;

/// Whose sessions to end.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionsQuery {
    /// End only the sessions of this user. Absent: of all users.
    #[param(value_type = Option<schemas::OpenId>)]
    openid: Option<String>,
}

/// How many sessions were ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EndedSessions)]
pub(super) struct EndedAnswer {
    ended: u64,
}

/// End the sessions of an app's users, or of one of them, at once.
///
/// They log in again with `wx.login`; the mini program does that by itself.
#[utoipa::path(
    delete,
    path = "/v1/apps/{appid}/sessions",
    operation_id = "end_sessions",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = schemas::AppId, Path), SessionsQuery),
    responses((status = 200, description = "How many there were.", body = EndedAnswer), Refusals),
)]
pub(super) async fn end(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
    Query(query): Query<SessionsQuery>,
) -> Result<axum::Json<EndedAnswer>, Problem> {
    let app = caller.app_at(&context, &appid)?;
    let openid: Option<OpenId> = query.openid.map(|text| parse("openid", &text)).transpose()?;
    let ended = context.apps.end_sessions(&app.record.appid, openid.as_ref()).await?;
    Ok(axum::Json(EndedAnswer { ended }))
}
