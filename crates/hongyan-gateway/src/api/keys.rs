//! `/v1/keys`: API keys, for keys with the scope `keys`.
//!
//! A key cannot extend its own rights: a new key gets no scope, no app and no later expiry than the key that makes it. A key
//! cannot revoke a key that it could not have made.

use axum::extract::State;
use axum::http::StatusCode;
use hongyan_clock::UnixMillis;
use hongyan_ledger::KeyId;
use hongyan_store::types::{KeyRecord, Subject};
use hongyan_wechat::AppId;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::ActorJson;
use super::bounded::Few;
use super::caller::Caller;
use super::openapi::Refusals;
use crate::context::Context;
use crate::intake::request::parse;
use crate::keys::{NewKey, Scope, checked_name, create_key};
use crate::problem::{Json, Path, Problem};
use crate::schemas;

/// The most apps that one key names.
const MAX_APPS: usize = 100;

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateKey)]
pub(super) struct CreateKeyRequest {
    /// What the key is for, for people.
    #[schema(value_type = schemas::KeyName)]
    name: String,
    /// The key's scopes.
    #[schema(value_type = Vec<schemas::Scope>, min_items = 1, max_items = 10)]
    scopes: Few<Scope, { Scope::ALL.len() }>,
    /// The apps that the key is for. Absent: all apps; this needs a caller who is for all apps.
    #[schema(value_type = Option<Vec<schemas::AppId>>, min_items = 1, max_items = 100)]
    apps: Option<Few<String, MAX_APPS>>,
    /// When the key expires. Absent: when the caller's own key expires.
    #[schema(value_type = Option<schemas::Time>)]
    expires_at: Option<UnixMillis>,
}

/// An API key; the key itself is not stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
struct KeyJson {
    #[schema(value_type = schemas::KeyId)]
    id: KeyId,
    name: String,
    #[schema(value_type = Vec<schemas::Scope>)]
    scopes: Vec<String>,
    /// The apps that the key is for. Absent: all apps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<schemas::AppId>)]
    apps: Option<Vec<AppId>>,
    #[schema(value_type = schemas::Time)]
    created_at: UnixMillis,
    /// Who made the key. Absent: an older version of the gateway, which did not store it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    created_by: Option<ActorJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    expires_at: Option<UnixMillis>,
    /// When the key was last used, to about an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    last_used_at: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    revoked_at: Option<UnixMillis>,
}

/// A new key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedKey)]
pub(super) struct NewKeyAnswer {
    #[serde(flatten)]
    record: KeyJson,
    /// The key itself, shown only in this answer.
    key: String,
}

/// API keys, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKeyList)]
pub(super) struct KeysAnswer {
    keys: Vec<KeyJson>,
}

/// List the API keys.
///
/// A key that is limited to some apps sees the keys that are limited to the same apps or fewer.
#[utoipa::path(
    get,
    path = "/v1/keys",
    operation_id = "list_keys",
    tag = "keys",
    security(("api_key" = ["keys"])),
    responses((status = 200, description = "The keys, including expired and revoked keys.", body = KeysAnswer), Refusals),
)]
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
) -> Result<axum::Json<KeysAnswer>, Problem> {
    let keys = context.store.keys().await?;
    let keys = keys.into_iter().filter(|key| is_within_apps(key.apps.as_deref(), &caller)).map(key_json);
    Ok(axum::Json(KeysAnswer { keys: keys.collect() }))
}

/// Create an API key.
///
/// The new key cannot have a scope, an app or a later expiry that the caller's own key does not have.
#[utoipa::path(
    post,
    path = "/v1/keys",
    operation_id = "create_key",
    tag = "keys",
    security(("api_key" = ["keys"])),
    request_body = CreateKeyRequest,
    responses((status = 201, description = "Created. `key` is shown only in this answer.", body = NewKeyAnswer), Refusals),
)]
pub(super) async fn create(
    State(context): State<Context>,
    caller: Caller,
    Json(request): Json<CreateKeyRequest>,
) -> Result<(StatusCode, axum::Json<NewKeyAnswer>), Problem> {
    let new = granted(&caller, request, context.clock.now())?;
    let (record, key) = create_key(&*context.store, &context.ids, &context.clock, new).await?;
    caller.is_about(Subject { appid: None, object: Some(record.id.to_string()) });
    let answer = NewKeyAnswer { record: key_json(record), key: key.expose_secret().to_owned() };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// Revoke an API key at once.
///
/// This also revokes the gateway tokens that the key fetched. A key cannot revoke a key that it could not have made.
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    operation_id = "revoke_key",
    tag = "keys",
    security(("api_key" = ["keys"])),
    params(("id" = schemas::KeyId, Path)),
    responses((status = 204, description = "Revoked."), Refusals),
)]
pub(super) async fn revoke(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: KeyId = parse("id", &id)?;
    let not_found = || Problem::not_found(format!("there is no active key {id}"));
    let keys = context.store.keys().await?;
    let key = keys.into_iter().find(|key| key.id == id && is_within_apps(key.apps.as_deref(), &caller));
    let key = key.ok_or_else(not_found)?;
    if let Some(scope) = key.scopes.iter().find(|scope| !has(&caller, scope)) {
        return Err(Problem::forbidden(scope));
    }
    let revoked = context.keys.revoke(id).await;
    context.gateway_tokens.forget_key(id);
    if revoked? { Ok(StatusCode::NO_CONTENT) } else { Err(not_found()) }
}

/// The key to make, if the caller may give it.
fn granted(caller: &Caller, request: CreateKeyRequest, now: UnixMillis) -> Result<NewKey, Problem> {
    let name = checked_name(&request.name)?;
    let mut scopes = request.scopes.0;
    if scopes.is_empty() || scopes.len() > Scope::ALL.len() {
        return Err(Problem::invalid("scopes", format!("1 to {} scopes", Scope::ALL.len())));
    }
    scopes.dedup();
    if let Some(scope) = scopes.iter().find(|scope| !caller.may_give(**scope)) {
        return Err(Problem::forbidden(scope).field("scopes"));
    }
    let apps = match request.apps {
        None => caller.apps().map(<[AppId]>::to_vec),
        Some(appids) if appids.is_empty() || appids.len() > MAX_APPS => {
            return Err(Problem::invalid("apps", format!("1 to {MAX_APPS} apps; leave it out for all")));
        }
        Some(appids) => {
            let mut apps: Vec<AppId> = Vec::with_capacity(appids.len());
            for (place, appid) in appids.iter().enumerate() {
                let appid = parse(&format!("apps[{place}]"), appid)?;
                if !apps.contains(&appid) {
                    apps.push(appid);
                }
            }
            Some(apps)
        }
    };
    if let Some(other) = apps.iter().flatten().find(|appid| !caller.sees(appid)) {
        return Err(Problem::other_app(other).field("apps"));
    }
    if request.expires_at.is_some_and(|end| end <= now) {
        return Err(Problem::invalid("expires_at", "has passed already"));
    }
    let own_end = caller.expires_at();
    let expires_at = match (request.expires_at, own_end) {
        (Some(end), Some(own)) if end > own => {
            return Err(Problem::invalid("expires_at", format!("this API key itself expires at {own}")));
        }
        (end, own) => end.or(own),
    };
    Ok(NewKey { name, scopes, apps, expires_at, created_by: caller.actor() })
}

/// Whether the caller may give a scope by this name; only a caller with `all` may give `all`.
fn has(caller: &Caller, scope: &str) -> bool {
    scope.parse().is_ok_and(|scope| caller.may_give(scope))
}

/// Whether a key is limited to the apps of the caller's own key.
fn is_within_apps(apps: Option<&[AppId]>, caller: &Caller) -> bool {
    caller.apps().is_none() || apps.is_some_and(|apps| apps.iter().all(|appid| caller.sees(appid)))
}

fn key_json(record: KeyRecord) -> KeyJson {
    KeyJson {
        id: record.id,
        name: record.name,
        scopes: record.scopes,
        apps: record.apps,
        created_at: record.created_at,
        created_by: record.created_by.map(ActorJson::from),
        expires_at: record.expires_at,
        last_used_at: record.last_used_at,
        revoked_at: record.revoked_at,
    }
}

#[cfg(test)]
mod tests {
    use hongyan_store::types::Actor;

    use super::*;
    use crate::api::openapi::tests::description;

    #[test]
    fn every_member_of_a_key_is_described() {
        let moment = UnixMillis(1_700_000_000_000);
        let record = KeyJson {
            id: KeyId::from_bytes([7; 16]),
            name: "orders".into(),
            scopes: vec!["messages".into()],
            apps: Some(vec!["wx1".parse().unwrap()]),
            created_at: moment,
            created_by: Some(Actor::SYSTEM.into()),
            expires_at: Some(moment),
            last_used_at: Some(moment),
            revoked_at: Some(moment),
        };
        let answer = NewKeyAnswer { record, key: "hyk_x".into() };
        description().check("CreatedKey", &serde_json::to_value(answer).unwrap());
        description().check("ApiKeyList", &serde_json::json!({ "keys": [] }));
    }
}
