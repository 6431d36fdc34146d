//! `POST /v1/apps`.

use axum::extract::State;
use axum::http::StatusCode;
use hongyan_ledger::{OnUnknown, WaitingOrder};
use hongyan_store::types::Subject;
use hongyan_wechat::{AppId, SecretString};
use secrecy::ExposeSecret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{AppWithSecret, shown};
use super::callback::NewCallback;
use super::settings::{PaymentUnits, ResendAfter, TokenCall};
use crate::api::bounded::Object;
use crate::api::caller::Caller;
use crate::api::guard::looks_like_credential;
use crate::api::openapi::Refusals;
use crate::apps::{AppChange, NewApp};
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::{Json, Problem};
use crate::schemas;

/// An app to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateApp)]
pub(super) struct RegisterRequest {
    /// Its appid.
    #[schema(value_type = schemas::AppId)]
    appid: String,
    /// Its AppSecret: 1 to 128 visible ASCII characters; spaces around it are left out. Encrypted in the database,
    /// never shown again.
    #[schema(value_type = String, format = Password, write_only, pattern = r"^\s*[!-~]{1,128}\s*$")]
    secret: SecretString,
    /// A name for people.
    #[schema(value_type = Option<schemas::AppName>)]
    name: Option<String>,
    /// How tokens are fetched. Default: `stable`.
    token: Option<TokenCall>,
    /// Default for messages that do not set it.
    #[schema(value_type = Option<schemas::OnUnknown>)]
    on_unknown: Option<OnUnknown>,
    /// How many units a payment grants. Default: 1.
    #[schema(inline)]
    payment_units: Option<PaymentUnits>,
    /// Default: `oldest_first`.
    #[schema(value_type = Option<schemas::WaitingOrder>)]
    waiting_order: Option<WaitingOrder>,
    /// Cut text that is too long for its field instead of refusing it; applies to messages that do not set it.
    /// Default: false.
    truncate: Option<bool>,
    /// What is entered on WeChat's page for pushes. Absent: the gateway takes no pushes for this app.
    #[schema(value_type = Option<NewCallback>)]
    callback: Option<Object<NewCallback>>,
    /// A message of unknown outcome is sent again if WeChat reports nothing about the message for this many seconds.
    /// Absent: never. The user may see such a message twice.
    #[schema(inline)]
    resend_unknown_after_seconds: Option<ResendAfter>,
}

/// Register an app; its templates are synchronised at once.
///
/// The AppSecret is stored encrypted. The app is registered even if WeChat refuses the secret: then the app is paused, and `paused`
/// says why.
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
        // The name of an app appears in lists, logs and the audit trail.
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
        app: shown(&context, &app).await?,
        gateway_secret: Some(gateway_secret.expose_secret().to_owned()),
        template_sync: Some(report),
    };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}
