//! `GET /v1/audit`.

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_store::types::{Actor, AuditEntry, AuditFilter};
use hongyan_wechat::AppId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::listing;
use super::openapi::Refusals;
use crate::context::Context;
use crate::problem::{Problem, Query};
use crate::schemas;

/// Which lines to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    /// Only changes at this time or later.
    #[param(value_type = Option<schemas::Time>)]
    since: Option<UnixMillis>,
    /// Only changes before this time.
    #[param(value_type = Option<schemas::Time>)]
    until: Option<UnixMillis>,
    /// `next_cursor` of the previous page.
    #[param(min_length = 1, max_length = 18, pattern = "^[0-9]+$")]
    cursor: Option<String>,
    /// The most entries of the page. Default: 50.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
}

/// Who made a change or an API key, or sent a message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditActor)]
pub(super) struct ActorJson {
    /// `key`: an API key. `cli`: the command line. `system`: the gateway itself. `person`: a person at the console.
    /// `configuration`: the set-up that the gateway applies at its start.
    kind: &'static str,
    /// The key's or the person's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
}

impl From<Actor> for ActorJson {
    fn from(Actor { kind, id, name }: Actor) -> Self {
        Self { kind: kind.name(), id, name }
    }
}

/// A change, or an attempted change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditLine)]
struct LineJson {
    #[schema(value_type = schemas::Time)]
    at: UnixMillis,
    actor: ActorJson,
    /// The method and the path with its placeholders, or the command.
    call: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::AppId)]
    app: Option<AppId>,
    /// The id of what was changed: an app, key, webhook, token, message, …
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    object: Option<String>,
    /// The names of the fields that the call set, never their values; `callback.token` is the member `token` of `callback`.
    /// Absent: the call set no field, sent messages or granted permits, or the process ended during the call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, example = json!(["name", "callback.token"]))]
    fields: Vec<String>,
    /// `ok`, or the code of the problem that refused the change. Absent: the process ended before the outcome was
    /// recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    result: Option<String>,
}

/// A page of the audit trail, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditPage)]
pub(super) struct AuditAnswer {
    audit: Vec<LineJson>,
    /// Send this as `cursor` to get the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}

/// List who changed what, newest first.
///
/// A key that is limited to some apps sees the changes that concern those apps.
#[utoipa::path(
    get,
    path = "/v1/audit",
    operation_id = "list_audit",
    tag = "keys",
    security(("api_key" = ["audit"])),
    params(AuditQuery),
    responses((status = 200, description = "A page of the audit trail.", body = AuditAnswer), Refusals),
)]
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
    Query(query): Query<AuditQuery>,
) -> Result<axum::Json<AuditAnswer>, Problem> {
    let limit = listing::limit(query.limit)?;
    let before = query.cursor.map(|text| parse_cursor(&text)).transpose()?;
    let filter = AuditFilter {
        since: query.since,
        until: query.until,
        apps: caller.apps().map(<[_]>::to_vec),
        before,
        // One more than the page has, to know whether there is another page.
        limit: limit + 1,
    };
    let lines = context.store.audit(filter).await?;
    let page = listing::first(lines, limit, |line| line.number.to_string());
    Ok(axum::Json(AuditAnswer {
        audit: page.items.into_iter().map(line_json).collect(),
        next_cursor: page.next,
    }))
}

/// Reads a `next_cursor`: at most 18 digits, which always fit into 64 bits.
fn parse_cursor(text: &str) -> Result<i64, Problem> {
    let is_cursor = text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_cursor { text.parse().ok() } else { None };
    number.ok_or_else(|| Problem::invalid("cursor", "must be the next_cursor of a page"))
}

fn line_json(AuditEntry { entry, fields, result, .. }: AuditEntry) -> LineJson {
    LineJson {
        at: entry.at,
        actor: entry.actor.into(),
        call: entry.call,
        app: entry.subject.appid,
        object: entry.subject.object,
        fields,
        result,
    }
}

#[cfg(test)]
mod tests {
    use hongyan_store::types::{ActorKind, NewAudit, Subject};

    use super::*;
    use crate::api::openapi::tests::description;

    #[test]
    fn every_member_of_a_line_is_described() {
        let entry = NewAudit {
            at: UnixMillis(1_700_000_000_000),
            actor: Actor { kind: ActorKind::Key, id: Some("key_1".into()), name: Some("orders".into()) },
            call: "POST /v1/apps".into(),
            subject: Subject { appid: Some("wx1".parse().unwrap()), object: Some("wx1".into()) },
        };
        let line = line_json(AuditEntry {
            number: 7,
            entry,
            fields: vec!["secret".into()],
            result: Some("ok".into()),
        });
        let answer = AuditAnswer { audit: vec![line], next_cursor: Some("7".into()) };
        description().check("AuditPage", &serde_json::to_value(answer).unwrap());
    }
}
