//! `GET /v1/backlog`.

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_ledger::MessageState;
use hongyan_wechat::AppId;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::openapi::Refusals;
use crate::context::Context;
use crate::problem::Problem;
use crate::schemas;

/// The open messages of all apps.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Backlog)]
pub(super) struct BacklogAnswer {
    /// What is not listed is zero.
    open: Vec<OpenJson>,
}

/// The open messages of an app in one state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenMessages)]
struct OpenJson {
    #[schema(value_type = schemas::AppId)]
    app: AppId,
    #[schema(value_type = schemas::MessageState)]
    state: MessageState,
    #[schema(minimum = 1)]
    count: u64,
    /// When the oldest of them is or was due. A message that is to be tried again later is due then.
    #[schema(value_type = schemas::Time)]
    oldest_due_at: UnixMillis,
    /// There are more of this state: 20,000 were counted.
    more: bool,
}

/// Count open messages.
///
/// By app and state: scheduled, ready, waiting, sending and unknown. A `ready` message whose `oldest_due_at` lies far back
/// says how far the gateway is behind.
#[utoipa::path(
    get,
    path = "/v1/backlog",
    operation_id = "show_backlog",
    tag = "messages",
    security(("api_key" = ["messages"])),
    responses((status = 200, description = "The open messages.", body = BacklogAnswer), Refusals),
)]
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
) -> Result<axum::Json<BacklogAnswer>, Problem> {
    let open = context.store.open_messages().await?;
    let open = open.into_iter().filter(|open| caller.sees(&open.appid)).map(|open| OpenJson {
        app: open.appid,
        state: open.state,
        count: open.count,
        oldest_due_at: open.oldest_due_at,
        more: open.is_cut,
    });
    Ok(axum::Json(BacklogAnswer { open: open.collect() }))
}
