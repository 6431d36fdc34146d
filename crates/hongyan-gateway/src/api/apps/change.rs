//! `PATCH /v1/apps/{appid}`.

use axum::extract::State;
use hongyan_ledger::{OnUnknown, WaitingOrder};
use hongyan_wechat::SecretString;
use secrecy::ExposeSecret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{AppWithSecret, shown};
use super::callback::{self, ChangedCallback};
use super::settings::{PaymentUnits, ResendAfter, TokenCall};
use crate::api::bounded::Object;
use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::apps::AppChange;
use crate::context::Context;
use crate::problem::{Json, Path, Problem};
use crate::schemas;

/// Changes to an app. Absent members stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeApp)]
pub(super) struct ChangeRequest {
    /// The new AppSecret, if it was changed at WeChat.
    #[schema(value_type = Option<String>, format = Password, write_only, pattern = r"^\s*[!-~]{1,128}\s*$")]
    secret: Option<SecretString>,
    /// A name for people.
    #[schema(value_type = Option<schemas::AppName>)]
    name: Option<String>,
    token: Option<TokenCall>,
    /// Default for messages that do not set it.
    #[schema(value_type = Option<schemas::OnUnknown>)]
    on_unknown: Option<OnUnknown>,
    /// How many units a payment grants.
    #[schema(inline)]
    payment_units: Option<PaymentUnits>,
    #[schema(value_type = Option<schemas::WaitingOrder>)]
    waiting_order: Option<WaitingOrder>,
    /// Cut text that is too long for its field; applies to messages that do not set it.
    truncate: Option<bool>,
    /// `null`: the gateway takes no more pushes for this app.
    #[serde(default, deserialize_with = "callback::given")]
    #[schema(value_type = Option<ChangedCallback>)]
    #[allow(clippy::option_option, reason = "absent, null and a value are three things")]
    callback: Option<Option<Object<ChangedCallback>>>,
    /// `null`: never.
    #[serde(default, deserialize_with = "callback::given")]
    #[schema(value_type = Option<u32>, minimum = 60, maximum = 604_800)]
    #[allow(clippy::option_option, reason = "absent, null and a value are three things")]
    resend_unknown_after_seconds: Option<Option<ResendAfter>>,
    /// Make a new gateway secret; the old gateway secret stops working at once.
    #[serde(default)]
    rotate_gateway_secret: bool,
}

/// Change an app. A new secret also ends a pause that the old one caused.
///
/// Absent members stay as they are. A new AppSecret is tried at once: the gateway reads the templates with it, and
/// `template_sync` has the result.
#[utoipa::path(
    patch,
    path = "/v1/apps/{appid}",
    operation_id = "change_app",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = schemas::AppId, Path)),
    request_body = ChangeRequest,
    responses((status = 200, description = "The app as it is now; `gateway_secret` if it is new.", body = AppWithSecret), Refusals),
)]
pub(super) async fn change(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
    Json(request): Json<ChangeRequest>,
) -> Result<axum::Json<AppWithSecret>, Problem> {
    let appid = caller.app_at(&context, &appid)?.record.appid.clone();
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
                gateway_secret: None,
                rotate_gateway_secret: request.rotate_gateway_secret,
            },
        )
        .await?;
    let answer = AppWithSecret {
        app: shown(&context, &app).await?,
        gateway_secret: gateway_secret.map(|secret| secret.expose_secret().to_owned()),
        template_sync,
    };
    Ok(axum::Json(answer))
}
