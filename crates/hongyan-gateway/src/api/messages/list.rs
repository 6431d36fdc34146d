//! `GET /v1/messages`.

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_ledger::{MessageId, MessageState, ReasonCode};
use hongyan_store::types::MessageFilter;
use hongyan_wechat::Errcode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::show::MessageJson;
use crate::api::caller::Caller;
use crate::api::listing;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::intake::request::{MAX_REFERENCE_CHARS, parse};
use crate::problem::{Problem, Query};
use crate::schemas;

/// Which messages to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only messages of this app. Default: of all apps that the key is for.
    #[param(value_type = Option<schemas::AppId>)]
    app: Option<String>,
    /// Only messages to this user; needs `app`, unless the key is for some apps.
    #[param(value_type = Option<schemas::OpenId>)]
    to: Option<String>,
    /// Only messages in one of these states, separated by commas.
    #[param(value_type = Option<Vec<schemas::MessageState>>, style = Form, explode = false, min_items = 1, max_items = 11)]
    state: Option<String>,
    /// Only messages for this reason.
    #[param(value_type = Option<schemas::ReasonCode>)]
    reason: Option<String>,
    /// Only messages whose last attempt WeChat answered with this errcode.
    #[param(minimum = -2_147_483_648, maximum = 2_147_483_647)]
    errcode: Option<i32>,
    /// Only messages accepted at this moment or later.
    #[param(value_type = Option<schemas::Time>)]
    since: Option<UnixMillis>,
    /// Only messages accepted before this moment.
    #[param(value_type = Option<schemas::Time>)]
    until: Option<UnixMillis>,
    /// Only messages with this template.
    #[param(value_type = Option<schemas::TemplateId>)]
    template: Option<String>,
    /// Only messages with this reference.
    #[param(value_type = Option<String>, min_length = 1, max_length = 128)]
    reference: Option<String>,
    /// `next_cursor` of the previous page.
    #[param(value_type = Option<schemas::MessageId>)]
    cursor: Option<String>,
    /// The most entries of the page. Default: 50.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
}

/// A page of messages, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessagePage)]
pub(super) struct ListAnswer {
    messages: Vec<MessageJson>,
    /// Send this as `cursor` to get the next page; absent on the last page. A page reads at most
    /// 10,000 messages, so a page with this member may have few messages, or no message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::MessageId)]
    next_cursor: Option<MessageId>,
}

/// List messages, newest first.
///
/// Filters may be combined; `to` needs `app`, unless the key is for some apps. Send `next_cursor` as `cursor` until an answer has no `next_cursor`.
#[utoipa::path(
    get,
    path = "/v1/messages",
    operation_id = "list_messages",
    tag = "messages",
    security(("api_key" = ["messages"])),
    params(ListQuery),
    responses((status = 200, description = "A page of messages.", body = ListAnswer), Refusals),
)]
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<ListAnswer>, Problem> {
    let limit = listing::limit(query.limit)?;
    let apps = caller.listed_apps(query.app.map(|text| parse("app", &text)).transpose()?)?;
    if query.to.is_some() && apps.is_none() {
        return Err(Problem::invalid("to", "an openid belongs to one app; name the app with app="));
    }
    let filter = MessageFilter {
        apps,
        openid: query.to.map(|text| parse("to", &text)).transpose()?,
        states: query.state.map(|names| states(&names)).transpose()?.unwrap_or_default(),
        reason: query.reason.map(|name| reason(&name)).transpose()?,
        errcode: query.errcode.map(Errcode),
        since: query.since,
        until: query.until,
        template: query.template.map(|text| parse("template", &text)).transpose()?,
        reference: query.reference.map(reference).transpose()?,
        before: query.cursor.map(|text| parse("cursor", &text)).transpose()?,
        limit,
        ..MessageFilter::default()
    };
    let page = context.store.messages(filter).await?;
    Ok(axum::Json(ListAnswer {
        messages: page.items.into_iter().map(MessageJson::from).collect(),
        next_cursor: page.next,
    }))
}

fn reference(text: String) -> Result<String, Problem> {
    if (1..=MAX_REFERENCE_CHARS).contains(&text.chars().count()) {
        Ok(text)
    } else {
        Err(Problem::invalid("reference", format!("1 to {MAX_REFERENCE_CHARS} characters")))
    }
}

/// Texts between commas, each the name of a state.
fn states(names: &str) -> Result<Vec<MessageState>, Problem> {
    names.split(',').map(|name| state(name.trim())).collect()
}

fn reason(name: &str) -> Result<ReasonCode, Problem> {
    ReasonCode::from_name(name).ok_or_else(|| {
        let known = ReasonCode::ALL.map(ReasonCode::name).join(", ");
        Problem::invalid("reason", format!("must be one of {known}"))
    })
}

fn state(name: &str) -> Result<MessageState, Problem> {
    MessageState::from_name(name).ok_or_else(|| {
        let known = MessageState::ALL.map(MessageState::name).join(", ");
        Problem::invalid("state", format!("one of {known}"))
    })
}
