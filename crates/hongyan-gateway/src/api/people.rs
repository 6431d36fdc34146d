//! `/v1/people`: who may use the console.

use axum::extract::State;
use axum::http::StatusCode;
use hongyan_clock::UnixMillis;
use hongyan_ledger::PersonId;
use hongyan_store::types::{PersonRecord, Subject};
use hongyan_wechat::AppId;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bounded::Few;
use super::caller::Caller;
use super::openapi::Refusals;
use crate::context::Context;
use crate::intake::request::parse;
use crate::people::Role;
use crate::people::admin::{self, NewPerson, PeopleError};
use crate::problem::{Json, Path, Problem};
use crate::schemas;

/// The most apps that one person is limited to.
const MAX_APPS: usize = 100;

/// A person to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AddPerson)]
pub(super) struct AddRequest {
    /// What the person logs in with: letters, digits, and . _ @ + -
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    #[schema(value_type = schemas::Role)]
    role: Role,
    /// The apps that the person may see; absent: all.
    #[schema(value_type = Option<Vec<schemas::AppId>>, min_items = 1, max_items = 100)]
    apps: Option<Few<String, MAX_APPS>>,
}

/// What to change about a person. What is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangePerson)]
pub(super) struct ChangeRequest {
    #[schema(value_type = Option<schemas::Role>)]
    role: Option<Role>,
    /// The apps that the person may see.
    #[schema(value_type = Option<Vec<schemas::AppId>>, min_items = 1, max_items = 100)]
    apps: Option<Few<String, MAX_APPS>>,
    /// The person may see all apps. Not together with `apps`.
    #[serde(default)]
    all_apps: bool,
}

/// A person; the password is not stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Person)]
pub(super) struct PersonJson {
    #[schema(value_type = schemas::PersonId)]
    id: PersonId,
    name: String,
    #[schema(value_type = schemas::Role)]
    role: String,
    /// The apps that the person may see; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<schemas::AppId>)]
    apps: Option<Vec<AppId>>,
    /// Somebody else has made the password: the person must choose another one first.
    must_change_password: bool,
    /// The person's login also asks for a code of an authenticator app.
    second_factor: bool,
    #[schema(value_type = schemas::Time)]
    created_at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    logged_in_at: Option<UnixMillis>,
}

/// A person, and the password for the first login.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PersonWithPassword)]
pub(super) struct WithPassword {
    #[serde(flatten)]
    person: PersonJson,
    /// Shown this once. It must be changed at the first login.
    password: String,
}

/// All people, by name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PersonList)]
pub(super) struct PeopleAnswer {
    people: Vec<PersonJson>,
}

/// List the people who may use the console.
///
/// Ordered by name. Passwords are not stored and not shown.
#[utoipa::path(
    get,
    path = "/v1/people",
    operation_id = "list_people",
    tag = "people",
    security(("api_key" = ["people"])),
    responses((status = 200, description = "All people.", body = PeopleAnswer), Refusals),
)]
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
) -> Result<axum::Json<PeopleAnswer>, Problem> {
    must_see_all(&caller)?;
    let people = context.store.people().await?.into_iter().map(person_json).collect();
    Ok(axum::Json(PeopleAnswer { people }))
}

/// Add a person.
///
/// The answer has a password, once. The person must choose another one at the first login.
#[utoipa::path(
    post,
    path = "/v1/people",
    operation_id = "add_person",
    tag = "people",
    security(("api_key" = ["people"])),
    request_body = AddRequest,
    responses((status = 201, description = "Added. `password` is shown this once.", body = WithPassword), Refusals),
)]
pub(super) async fn add(
    State(context): State<Context>,
    caller: Caller,
    Json(request): Json<AddRequest>,
) -> Result<(StatusCode, axum::Json<WithPassword>), Problem> {
    must_see_all(&caller)?;
    let apps = request.apps.as_ref().map(apps).transpose()?;
    let new = NewPerson { name: &request.name, role: request.role, apps, must_change_password: true };
    let added = admin::add(&*context.store, &context.ids, &context.clock, new).await;
    let (record, password) = added.map_err(problem)?;
    caller.is_about(Subject { appid: None, object: Some(record.id.to_string()) });
    let answer = WithPassword { person: person_json(record), password: password.expose_secret().to_owned() };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// Change what a person may do and see.
///
/// The change holds from the person's next request. The last admin for all apps stays one.
#[utoipa::path(
    patch,
    path = "/v1/people/{id}",
    operation_id = "change_person",
    tag = "people",
    security(("api_key" = ["people"])),
    params(("id" = schemas::PersonId, Path)),
    request_body = ChangeRequest,
    responses((status = 200, description = "The person now.", body = PersonJson), Refusals),
)]
pub(super) async fn change(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<ChangeRequest>,
) -> Result<axum::Json<PersonJson>, Problem> {
    must_see_all(&caller)?;
    let id = parse("id", &id)?;
    let apps = match (request.apps, request.all_apps) {
        (Some(_), true) => return Err(Problem::invalid("all_apps", "not together with apps")),
        (Some(appids), false) => Some(Some(apps(&appids)?)),
        (None, true) => Some(None),
        (None, false) => None,
    };
    let changed = admin::change(&*context.store, id, request.role, apps).await.map_err(problem)?;
    Ok(axum::Json(person_json(changed)))
}

/// Give a person another password.
///
/// It is for a person who has lost it. The person's sessions end, and a second factor is taken away.
#[utoipa::path(
    post,
    path = "/v1/people/{id}/password",
    operation_id = "reset_password",
    tag = "people",
    security(("api_key" = ["people"])),
    params(("id" = schemas::PersonId, Path)),
    responses((status = 200, description = "The password, shown this once.", body = PasswordAnswer), Refusals),
)]
pub(super) async fn reset_password(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<PasswordAnswer>, Problem> {
    must_see_all(&caller)?;
    let password = admin::reset_password(&*context.store, parse("id", &id)?).await.map_err(problem)?;
    Ok(axum::Json(PasswordAnswer { password: password.expose_secret().to_owned() }))
}

/// A password for the next login.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewPassword)]
pub(super) struct PasswordAnswer {
    /// Shown this once. It must be changed at the next login.
    password: String,
}

/// Remove a person.
///
/// The person's sessions end at once. The last admin for all apps cannot be removed.
#[utoipa::path(
    delete,
    path = "/v1/people/{id}",
    operation_id = "remove_person",
    tag = "people",
    security(("api_key" = ["people"])),
    params(("id" = schemas::PersonId, Path)),
    responses((status = 204, description = "Removed."), Refusals),
)]
pub(super) async fn remove(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    must_see_all(&caller)?;
    admin::remove(&*context.store, parse("id", &id)?).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

/// People are nobody's app: who sees a few apps alone does not decide who sees which.
fn must_see_all(caller: &Caller) -> Result<(), Problem> {
    if caller.apps().is_none() {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        "only who may see all apps may see and change people",
    ))
}

fn apps(appids: &Few<String, MAX_APPS>) -> Result<Vec<AppId>, Problem> {
    if appids.0.is_empty() {
        return Err(Problem::invalid("apps", format!("1 to {MAX_APPS} apps; leave it out for all")));
    }
    appids.0.iter().enumerate().map(|(place, appid)| parse(&format!("apps[{place}]"), appid)).collect()
}

fn problem(error: PeopleError) -> Problem {
    match error {
        PeopleError::Name => Problem::invalid("name", error.to_string()),
        PeopleError::Taken(_) => Problem::conflict("name_taken", error.to_string()).field("name"),
        PeopleError::Unknown(_) => Problem::not_found(error.to_string()),
        PeopleError::LastAdmin(_) => Problem::conflict("last_admin", error.to_string()),
        PeopleError::TooMany(_) => Problem::unavailable(error.to_string()),
        PeopleError::Store(error) => error.into(),
    }
}

fn person_json(person: PersonRecord) -> PersonJson {
    PersonJson {
        id: person.id,
        name: person.name,
        role: person.role,
        apps: person.apps,
        must_change_password: person.must_change_password,
        second_factor: person.totp.is_some(),
        created_at: person.created_at,
        logged_in_at: person.logged_in_at,
    }
}
