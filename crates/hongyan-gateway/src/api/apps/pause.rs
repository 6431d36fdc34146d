//! `/v1/apps/{appid}/pause` and `/resume`.

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::{AppPause, PauseCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{AppJson, shown};
use crate::api::bounded::Text;
use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::problem::{Json, Path, Problem};
use crate::schemas;

/// Why an app is paused, in words.
type PauseDetail = Text<0, 512>;

/// Why an operator pauses an app.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PauseApp)]
pub(super) struct PauseRequest {
    /// In words, for whoever asks later.
    #[schema(inline)]
    detail: Option<PauseDetail>,
    /// Absent: until it is resumed.
    #[schema(value_type = Option<schemas::Time>)]
    until: Option<UnixMillis>,
}

/// Pause an app: every message is kept, none goes out.
///
/// Messages are accepted and kept meanwhile. With `until` the pause ends by itself.
#[utoipa::path(
    post,
    path = "/v1/apps/{appid}/pause",
    operation_id = "pause_app",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = schemas::AppId, Path)),
    request_body = PauseRequest,
    responses((status = 200, description = "The app as it is now.", body = AppJson), Refusals),
)]
pub(super) async fn pause(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
    Json(request): Json<PauseRequest>,
) -> Result<axum::Json<AppJson>, Problem> {
    let app = caller.app_at(&context, &appid)?;
    let detail = request.detail.map_or_else(|| "paused by an operator".into(), |detail| detail.0);
    let pause = AppPause { code: PauseCode::Operator, until: request.until };
    context.apps.pause(&app.record.appid, pause, None, detail).await?;
    let app = caller.app_at(&context, &appid)?;
    Ok(axum::Json(shown(&context, &app).await?))
}

/// End any pause of an app: what was kept goes out.
///
/// If the cause is still there, the next message finds it and the app is paused again.
#[utoipa::path(
    post,
    path = "/v1/apps/{appid}/resume",
    operation_id = "resume_app",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = schemas::AppId, Path)),
    responses((status = 200, description = "The app as it is now.", body = AppJson), Refusals),
)]
pub(super) async fn resume(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
) -> Result<axum::Json<AppJson>, Problem> {
    let app = caller.app_at(&context, &appid)?;
    context.apps.resume(&app.record.appid).await?;
    let app = caller.app_at(&context, &appid)?;
    Ok(axum::Json(shown(&context, &app).await?))
}
