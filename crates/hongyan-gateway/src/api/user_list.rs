//! `GET /v1/users`.

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_store::types::{UserFilter, UserView};
use hongyan_wechat::{AppId, OpenId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::listing;
use super::openapi::Refusals;
use crate::api::caller::Caller;
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::{Problem, Query};
use crate::schemas;

/// The longest text that is looked for: a unionid is shorter.
const MAX_SEARCH_CHARS: usize = 128;

/// Which users to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UsersQuery {
    /// The app.
    #[param(value_type = schemas::AppId)]
    app: String,
    /// Users whose openid begins with this, or whose unionid is this.
    #[param(max_length = 128)]
    q: Option<String>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<schemas::OpenId>)]
    cursor: Option<String>,
    /// Entries on the page.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
}

/// A page of users, by openid.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserPage)]
pub(super) struct UsersAnswer {
    users: Vec<UserJson>,
    /// Give this back as `cursor` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::OpenId)]
    next_cursor: Option<OpenId>,
}

/// A user that has logged in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
struct UserJson {
    #[schema(value_type = schemas::OpenId)]
    openid: OpenId,
    /// The same person in all of a company's apps, if WeChat has told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    unionid: Option<String>,
    /// The last login.
    #[schema(value_type = schemas::Time)]
    logged_in_at: UnixMillis,
    /// How many sessions the user has.
    sessions: u32,
}

impl From<UserView> for UserJson {
    fn from(user: UserView) -> Self {
        Self {
            openid: user.openid,
            unionid: user.unionid,
            logged_in_at: user.logged_in_at,
            sessions: user.sessions,
        }
    }
}

/// List an app's users that have logged in through the gateway, by openid.
///
/// Users who only got permits are not in this list: look them up by their openid with `GET /v1/permits`.
#[utoipa::path(
    get,
    path = "/v1/users",
    operation_id = "list_users",
    tag = "permits",
    security(("api_key" = ["permits"])),
    params(UsersQuery),
    responses((status = 200, description = "A page of users.", body = UsersAnswer), Refusals),
)]
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
    Query(query): Query<UsersQuery>,
) -> Result<axum::Json<UsersAnswer>, Problem> {
    let limit = listing::limit(query.limit)?;
    let appid: AppId = parse("app", &query.app)?;
    caller.app(&context, &appid)?;
    let search = query.q.unwrap_or_default();
    if search.chars().count() > MAX_SEARCH_CHARS {
        return Err(Problem::invalid("q", format!("must have at most {MAX_SEARCH_CHARS} characters")));
    }
    let after = query.cursor.map(|text| parse("cursor", &text)).transpose()?;
    let users = context.store.users(UserFilter { appid, search, after, limit: limit + 1 }).await?;
    let page = listing::first(users, limit, |user| user.openid.clone());
    Ok(axum::Json(UsersAnswer {
        users: page.items.into_iter().map(UserJson::from).collect(),
        next_cursor: page.next,
    }))
}
