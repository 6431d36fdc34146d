//! `/v1/apps`: registering apps at run time, their pauses and their templates.

mod callback;
mod library;
mod pause;
mod sessions;
mod templates;
mod tokens;

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use hongyan_clock::UnixMillis;
use hongyan_ledger::permit::MAX_PAYMENT_UNITS;
use hongyan_ledger::settle::PauseCode;
use hongyan_ledger::{OnUnknown, WaitingOrder};
use hongyan_store::types::{CallbackStatus, Subject};
use hongyan_wechat::{AppId, Errcode, SecretString};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::callback::{CallbackJson, ChangedCallback, NewCallback};
use super::bounded::{Object, Whole};
use super::openapi::Refusals;
use crate::api::caller::Caller;
use crate::api::guard::looks_like_credential;
use crate::apps::{App, AppChange, NewApp, SyncReport};
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::{Json, Path, Problem};
use crate::shapes;

/// All calls.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(register, list))
        .routes(routes!(show, change, remove))
        .routes(routes!(pause::pause))
        .routes(routes!(pause::resume))
        .routes(routes!(templates::templates, templates::add_template))
        .routes(routes!(templates::show_template, templates::delete_template))
        .routes(routes!(templates::sync_templates))
        .routes(routes!(tokens::tokens, tokens::revoke_all))
        .routes(routes!(tokens::revoke))
        .routes(routes!(sessions::end))
        .routes(routes!(tokens::access_token))
        .routes(routes!(library::library))
}

/// How many messages a payment is good for.
type PaymentUnits = Whole<1, MAX_PAYMENT_UNITS>;

/// After how many seconds of silence a message may go out again.
type ResendAfter = Whole<60, 604_800>;

/// An app to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateApp)]
pub(super) struct RegisterRequest {
    /// Its appid.
    #[schema(value_type = shapes::AppId)]
    appid: String,
    /// Its AppSecret: 1 to 128 visible ASCII characters; spaces around it are left out. Sealed in the database, never
    /// shown again.
    #[schema(value_type = String, format = Password, write_only, pattern = r"^\s*[!-~]{1,128}\s*$")]
    secret: SecretString,
    /// For people.
    #[schema(value_type = Option<shapes::AppName>)]
    name: Option<String>,
    /// How tokens are fetched; `stable` unless said.
    token: Option<TokenCall>,
    /// For messages that do not say themselves.
    #[schema(value_type = Option<shapes::OnUnknown>)]
    on_unknown: Option<OnUnknown>,
    /// How many units a payment grants; 1 unless said.
    #[schema(inline)]
    payment_units: Option<PaymentUnits>,
    /// `oldest_first` unless said.
    #[schema(value_type = Option<shapes::WaitingOrder>)]
    waiting_order: Option<WaitingOrder>,
    /// Cut text that is too long for its field instead of refusing it, in messages that do not say themselves. No
    /// unless said.
    truncate: Option<bool>,
    /// What is entered on WeChat's page for pushes; without it none are taken.
    #[schema(value_type = Option<NewCallback>)]
    callback: Option<Object<NewCallback>>,
    /// After so many seconds in which WeChat has reported nothing about a message of unknown outcome, it counts as not
    /// sent and goes out again. Absent: never, for then the user may see it twice.
    #[schema(inline)]
    resend_unknown_after_seconds: Option<ResendAfter>,
}

/// Which of WeChat's two calls fetches tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TokenSource)]
enum TokenCall {
    /// `/cgi-bin/stable_token`: a fetch elsewhere does not kill ours.
    Stable,
    /// `/cgi-bin/token`: each fetch kills the one before.
    Plain,
}

/// Changes to an app; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeApp)]
pub(super) struct ChangeRequest {
    /// Its AppSecret, if that was changed at WeChat.
    #[schema(value_type = Option<String>, format = Password, write_only, pattern = r"^\s*[!-~]{1,128}\s*$")]
    secret: Option<SecretString>,
    /// For people.
    #[schema(value_type = Option<shapes::AppName>)]
    name: Option<String>,
    token: Option<TokenCall>,
    /// For messages that do not say themselves.
    #[schema(value_type = Option<shapes::OnUnknown>)]
    on_unknown: Option<OnUnknown>,
    /// How many units a payment grants.
    #[schema(inline)]
    payment_units: Option<PaymentUnits>,
    #[schema(value_type = Option<shapes::WaitingOrder>)]
    waiting_order: Option<WaitingOrder>,
    /// Cut text that is too long for its field, in messages that do not say themselves.
    truncate: Option<bool>,
    /// `null`: no pushes are taken any more.
    #[serde(default, deserialize_with = "callback::given")]
    #[schema(value_type = Option<ChangedCallback>)]
    #[allow(clippy::option_option, reason = "absent, null and a value are three things")]
    callback: Option<Option<Object<ChangedCallback>>>,
    /// `null`: never.
    #[serde(default, deserialize_with = "callback::given")]
    #[schema(value_type = Option<u32>, minimum = 60, maximum = 604_800)]
    #[allow(clippy::option_option, reason = "absent, null and a value are three things")]
    resend_unknown_after_seconds: Option<Option<ResendAfter>>,
    /// Make a new gateway secret; the old one stops working at once.
    #[serde(default)]
    rotate_gateway_secret: bool,
}

/// An app as everybody may see it: without its secrets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = App)]
pub(super) struct AppJson {
    #[schema(value_type = shapes::AppId)]
    appid: AppId,
    name: String,
    token: TokenCall,
    #[schema(value_type = shapes::OnUnknown)]
    on_unknown: OnUnknown,
    payment_units: u32,
    #[schema(value_type = shapes::WaitingOrder)]
    waiting_order: WaitingOrder,
    truncate: bool,
    /// How WeChat pushes events; absent: no pushes are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    callback: Option<CallbackJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    resend_unknown_after_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    paused: Option<PausedJson>,
    /// How many templates are known.
    templates: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::Time)]
    templates_synced_at: Option<UnixMillis>,
    /// Why WeChat's list of templates cannot be read at present. Those that are known stay in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    template_sync_failure: Option<SyncFailureJson>,
    #[schema(value_type = shapes::Time)]
    created_at: UnixMillis,
    #[schema(value_type = shapes::Time)]
    updated_at: UnixMillis,
}

/// Why an app's templates cannot be read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TemplateSyncFailure)]
struct SyncFailureJson {
    /// Since which synchronisation; not before the gateway's last start.
    #[schema(value_type = shapes::Time)]
    since: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::Errcode)]
    errcode: Option<Errcode>,
    detail: String,
}

/// Why nothing goes out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pause)]
struct PausedJson {
    #[schema(value_type = shapes::PauseCode)]
    code: PauseCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::Errcode)]
    errcode: Option<Errcode>,
    detail: String,
    #[schema(value_type = shapes::Time)]
    since: UnixMillis,
    /// When it ends by itself, or, of `wechat_unavailable`, when one message is tried next. Absent: until it is
    /// resumed by `POST /v1/apps/{appid}/resume`, or its secret is changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::Time)]
    until: Option<UnixMillis>,
}

/// Every app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AppList)]
pub(super) struct AppsAnswer {
    apps: Vec<AppJson>,
}

/// An app with what is said only once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AppWithSecret {
    #[serde(flatten)]
    app: AppJson,
    /// What clients of the facade use as `secret`. Not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    gateway_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    template_sync: Option<SyncReport>,
}

fn app_json(app: &App, heard: CallbackStatus, now: UnixMillis) -> AppJson {
    let (record, settings) = (&app.record, &app.record.settings);
    let paused = app.pause_in_force(now);
    AppJson {
        appid: record.appid.clone(),
        name: settings.name.clone(),
        token: if settings.stable_token { TokenCall::Stable } else { TokenCall::Plain },
        on_unknown: settings.on_unknown,
        payment_units: settings.payment_units,
        waiting_order: settings.waiting_order,
        truncate: settings.truncate,
        callback: CallbackJson::of(record, heard),
        resend_unknown_after_seconds: settings.resend_unknown_after_seconds,
        paused: paused.map(|paused| PausedJson {
            code: paused.code,
            errcode: paused.errcode,
            detail: paused.detail.clone(),
            since: paused.since,
            until: paused.until,
        }),
        templates: app.templates.len(),
        templates_synced_at: record.templates_synced_at,
        template_sync_failure: app.sync_gate.trouble().map(|trouble| SyncFailureJson {
            since: trouble.since,
            errcode: trouble.errcode,
            detail: trouble.detail,
        }),
        created_at: record.created_at,
        updated_at: record.updated_at,
    }
}

fn known(context: &Context, caller: &Caller, appid: &str) -> Result<Arc<App>, Problem> {
    let appid: AppId = parse("appid", appid)?;
    caller.app(context, &appid)
}

/// Register an app; its templates are synchronised at once.
///
/// The AppSecret is sealed. A secret that WeChat refuses does not hinder the registration: the app is paused,
/// and says why.
#[utoipa::path(
    post,
    path = "/v1/apps",
    operation_id = "register_app",
    tag = "apps",
    security(("api_key" = ["apps"])),
    request_body = RegisterRequest,
    responses((status = 201, description = "Registered. `gateway_secret` is shown this once.", body = AppWithSecret), Refusals),
)]
pub(super) async fn register(
    State(context): State<Context>,
    caller: Caller,
    Json(request): Json<RegisterRequest>,
) -> Result<(StatusCode, axum::Json<AppWithSecret>), Problem> {
    let appid: AppId = parse("appid", &request.appid)?;
    if looks_like_credential(appid.as_str()) {
        // An app's name stands in lists, logs and the audit trail.
        return Err(Problem::invalid(
            "appid",
            "this begins as a key, secret, token or session of this gateway does",
        ));
    }
    if !caller.sees(&appid) {
        return Err(Problem::other_app(&appid));
    }
    caller.is_about(Subject { appid: Some(appid.clone()), object: Some(appid.to_string()) });
    let (app, gateway_secret, report) = context
        .apps
        .register(NewApp {
            appid,
            secret: request.secret,
            change: AppChange {
                name: request.name,
                stable_token: request.token.map(|call| call == TokenCall::Stable),
                on_unknown: request.on_unknown,
                payment_units: request.payment_units.map(|units| units.0),
                waiting_order: request.waiting_order,
                truncate: request.truncate,
                callback: request.callback.map(|callback| callback.0.into_change()),
                resend_unknown_after_seconds: request
                    .resend_unknown_after_seconds
                    .map(|seconds| Some(seconds.0)),
                ..AppChange::default()
            },
        })
        .await?;
    // A failed synchronisation may have paused the app: show it as it is now.
    let app = context.apps.get(&app.record.appid).unwrap_or(app);
    let answer = AppWithSecret {
        app: app_json(&app, callback::heard(&context, &app).await?, context.clock.now()),
        gateway_secret: Some(gateway_secret.expose_secret().to_owned()),
        template_sync: Some(report),
    };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// List the apps.
///
/// Ordered by appid, without their secrets.
#[utoipa::path(
    get,
    path = "/v1/apps",
    operation_id = "list_apps",
    tag = "apps",
    security(("api_key" = ["apps"])),
    responses((status = 200, description = "Every app.", body = AppsAnswer), Refusals),
)]
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
) -> Result<axum::Json<AppsAnswer>, Problem> {
    let now = context.clock.now();
    let heard: HashMap<_, _> = context.store.callback_statuses().await?.into_iter().collect();
    let of = |app: &App| heard.get(&app.record.appid).copied().unwrap_or_default();
    let apps = context.apps.list();
    let apps = apps
        .iter()
        .filter(|app| caller.sees(&app.record.appid))
        .map(|app| app_json(app, of(app), now))
        .collect();
    Ok(axum::Json(AppsAnswer { apps }))
}

/// Show an app: how it is set, whether it is paused and why.
///
/// An app that is paused keeps its messages; `paused` says since when, and what to do.
#[utoipa::path(
    get,
    path = "/v1/apps/{appid}",
    operation_id = "show_app",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = shapes::AppId, Path)),
    responses((status = 200, description = "The app.", body = AppJson), Refusals),
)]
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
) -> Result<axum::Json<AppJson>, Problem> {
    let app = known(&context, &caller, &appid)?;
    Ok(axum::Json(app_json(&app, callback::heard(&context, &app).await?, context.clock.now())))
}

/// Change an app. A new secret also ends a pause that the old one caused.
///
/// What is absent stays as it is. A new AppSecret is tried at once: the templates are read with it, and `template_sync` says
/// how that went.
#[utoipa::path(
    patch,
    path = "/v1/apps/{appid}",
    operation_id = "change_app",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = shapes::AppId, Path)),
    request_body = ChangeRequest,
    responses((status = 200, description = "The app as it is now; `gateway_secret` if it is new.", body = AppWithSecret), Refusals),
)]
pub(super) async fn change(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
    Json(request): Json<ChangeRequest>,
) -> Result<axum::Json<AppWithSecret>, Problem> {
    let appid = known(&context, &caller, &appid)?.record.appid.clone();
    let (app, gateway_secret, template_sync) = context
        .apps
        .change_and_read(
            &appid,
            AppChange {
                name: request.name,
                secret: request.secret,
                stable_token: request.token.map(|call| call == TokenCall::Stable),
                on_unknown: request.on_unknown,
                payment_units: request.payment_units.map(|units| units.0),
                waiting_order: request.waiting_order,
                truncate: request.truncate,
                callback: request.callback.map(|given| callback::change(given.map(|callback| callback.0))),
                resend_unknown_after_seconds: request
                    .resend_unknown_after_seconds
                    .map(|given| given.map(|seconds| seconds.0)),
                rotate_gateway_secret: request.rotate_gateway_secret,
            },
        )
        .await?;
    let answer = AppWithSecret {
        app: app_json(&app, callback::heard(&context, &app).await?, context.clock.now()),
        gateway_secret: gateway_secret.map(|secret| secret.expose_secret().to_owned()),
        template_sync,
    };
    Ok(axum::Json(answer))
}

/// Remove an app: its unsent messages are cancelled, its history stays.
///
/// Its unsent messages are cancelled and its gateway tokens are void. The history stays until it is old.
#[utoipa::path(
    delete,
    path = "/v1/apps/{appid}",
    operation_id = "remove_app",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = shapes::AppId, Path)),
    responses((status = 204, description = "Removed."), Refusals),
)]
pub(super) async fn remove(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
) -> Result<StatusCode, Problem> {
    let app = known(&context, &caller, &appid)?;
    let removed = context.apps.remove(&app.record.appid).await;
    // Its tokens went with it, perhaps also when it failed; an app that is registered anew has none.
    context.gateway_tokens.forget(&app.record.appid, None);
    removed?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi::tests::description;
    use crate::templates::{LibraryReport, LibraryState};

    #[test]
    fn every_member_of_an_app_is_described() {
        let moment = UnixMillis(1_700_000_000_000);
        let library = LibraryReport {
            state: LibraryState::Failed,
            templates: 2,
            errcode: Some(Errcode(-1)),
            detail: Some("busy".into()),
        };
        let app = AppWithSecret {
            app: AppJson {
                appid: "wx0123456789abcdef".parse().unwrap(),
                name: "Coffee".into(),
                token: TokenCall::Stable,
                on_unknown: OnUnknown::Hold,
                payment_units: 1,
                waiting_order: WaitingOrder::NewestFirst,
                truncate: true,
                callback: Some(CallbackJson::example(moment)),
                resend_unknown_after_seconds: Some(3600),
                paused: Some(PausedJson {
                    code: PauseCode::Misconfigured,
                    errcode: Some(Errcode::INVALID_SECRET),
                    detail: "invalid appsecret".into(),
                    since: moment,
                    until: Some(moment),
                }),
                templates: 2,
                templates_synced_at: Some(moment),
                template_sync_failure: Some(SyncFailureJson {
                    since: moment,
                    errcode: Some(Errcode(-1)),
                    detail: "busy".into(),
                }),
                created_at: moment,
                updated_at: moment,
            },
            gateway_secret: Some("secret".into()),
            template_sync: Some(SyncReport {
                subscribe: library.clone(),
                legacy: library,
                changes: Vec::new(),
            }),
        };
        let description = description();
        let app = serde_json::to_value(app).unwrap();
        description.check("AppWithSecret", &app);
        for name in description.members("AppWithSecret") {
            assert!(app.get(&name).is_some(), "{name} is described but was never seen");
        }
    }
}
