//! `DELETE /v1/apps/{appid}`.

use axum::extract::State;
use axum::http::StatusCode;

use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::problem::{Path, Problem};
use crate::schemas;

/// Remove an app: its unsent messages are cancelled, its history stays.
///
/// Its unsent messages are cancelled and its gateway tokens are void. The history stays until it is old.
#[utoipa::path(
    delete,
    path = "/v1/apps/{appid}",
    operation_id = "remove_app",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = schemas::AppId, Path)),
    responses((status = 204, description = "Removed."), Refusals),
)]
pub(super) async fn remove(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
) -> Result<StatusCode, Problem> {
    let app = caller.app_at(&context, &appid)?;
    let removed = context.apps.remove(&app.record.appid).await;
    // The app's gateway tokens are void, perhaps also after a failure. The cache must not keep them for an app that is
    // registered again.
    context.gateway_tokens.forget(&app.record.appid, None);
    removed?;
    Ok(StatusCode::NO_CONTENT)
}
