//! The log of requests, and an overview of the state.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use hongyan_wechat::AppId;
use http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::{ControlError, parse_query};
use crate::complaints::{self, Complaint};
use crate::inner::Inner;
use crate::state::requests::LoggedRequest;
use crate::state::{App, User};

/// The most users of an app that the overview lists one by one.
const USERS_SHOWN: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestsQuery {
    path: Option<String>,
    limit: Option<usize>,
}

/// A request with its complaints.
#[derive(Serialize)]
pub(super) struct Reviewed {
    #[serde(flatten)]
    request: LoggedRequest,
    complaints: Vec<Complaint>,
}

/// `GET /_sandbox/requests`: lists the newest requests to WeChat's paths, in the order of arrival.
pub(super) async fn requests(
    Shared(inner): Shared<Arc<Inner>>,
    uri: Uri,
) -> Result<Json<Vec<Reviewed>>, ControlError> {
    let asked: RequestsQuery = parse_query(&uri)?;
    let limit = asked.limit.unwrap_or(usize::MAX);
    let (requests, templates) = {
        let state = inner.state();
        let templates: HashMap<_, _> =
            state.apps.iter().map(|(appid, app)| (appid.clone(), app.templates.clone())).collect();
        (state.requests.newest(asked.path.as_deref(), limit), templates)
    };
    // The lock is released first: examining thousands of bodies takes time.
    let review = |request: LoggedRequest| {
        let own = request.appid.as_ref().and_then(|appid| templates.get(appid));
        let complaints = complaints::of(&request, |id| own?.iter().find(|t| t.id.as_str() == id).cloned());
        Reviewed { request, complaints }
    };
    Ok(Json(requests.into_iter().map(review).collect()))
}

/// `GET /_sandbox/overview`: lists the apps with their templates and users, and some totals.
pub(super) async fn overview(Shared(inner): Shared<Arc<Inner>>) -> Json<Value> {
    let state = inner.state();
    let kept: Map<_, _> = state
        .kept()
        .into_iter()
        .map(|(name, now)| (name.to_owned(), json!({ "now": now, "most": inner.limits.of(name) })))
        .collect();
    let apps: Vec<_> = state.apps.iter().map(|(appid, app)| app_overview(appid, app)).collect();
    Json(json!({
        "now": inner.clock.now(),
        "apps": apps,
        "messages": state.inbox.len(),
        "last_message_id": state.inbox.last_id(),
        "requests": state.requests.total(),
        "slow_sends": state.flights.len(),
        "chaos": state.chaos.list(),
        "kept": kept,
    }))
}

fn app_overview(appid: &AppId, app: &App) -> Value {
    let templates: Vec<_> = app
        .templates
        .iter()
        .map(|t| json!({ "template_id": t.id, "family": t.family, "title": t.title, "content": t.content() }))
        .collect();
    let mut users: Vec<_> = app.users.iter().collect();
    users.sort_unstable_by_key(|(openid, _)| *openid);
    let shown: Vec<_> =
        users.iter().take(USERS_SHOWN).map(|(openid, user)| user_overview(openid.as_str(), user)).collect();
    json!({ "appid": appid, "templates": templates, "user_count": users.len(), "users": shown })
}

fn user_overview(openid: &str, user: &User) -> Value {
    let subscriptions: Vec<_> = user
        .subscriptions
        .iter()
        .map(|(template_id, subscription)| json!({ "template_id": template_id, "units": subscription.units }))
        .collect();
    json!({ "openid": openid, "logged_in": user.session_key.is_some(), "subscriptions": subscriptions })
}
