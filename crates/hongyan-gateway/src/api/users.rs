//! `POST /v1/users/decrypt`: decrypts the user data that a mini program got from WeChat.

use std::time::Duration;

use axum::extract::State;
use hongyan_wechat::{AppId, OpenId};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::bounded::Whole;
use super::openapi::Refusals;
use crate::api::caller::Caller;
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::{Json, Problem};
use crate::schemas;
use crate::user_data::{Sealed, open};

/// The longest `encrypted_data` and `raw_data`; WeChat's have some hundred characters, run data a few thousand.
const MAX_DATA_CHARS: usize = 64 * 1024;

/// The longest `iv` and `signature`; they have 24 and 40 characters.
const MAX_SHORT_CHARS: usize = 64;

/// How old the data may be if the request does not set it.
const DEFAULT_AGE_SECONDS: u32 = 3_600;

/// The oldest that a request may allow.
const MAX_AGE_SECONDS: u32 = 30 * 86_400;

/// How old the data may be, in seconds.
type MaxAge = Whole<1, MAX_AGE_SECONDS>;

/// User data as `wx.getUserInfo`, `wx.getWeRunData` and the like give it to the mini program.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DecryptUserData)]
pub(super) struct DecryptRequest {
    /// The app.
    #[schema(value_type = schemas::AppId)]
    app: String,
    /// The user, who has logged in through this gateway.
    #[schema(value_type = schemas::OpenId)]
    openid: String,
    /// `encryptedData`.
    #[schema(min_length = 1, max_length = 65_536, pattern = "^[!-~]+$")]
    encrypted_data: String,
    /// `iv`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    iv: String,
    /// `signature`. If it is set, it is checked and `raw_data` is required.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    signature: Option<String>,
    /// `rawData`, byte for byte; at most 65,536 bytes.
    #[schema(min_length = 1, max_length = 65_536)]
    raw_data: Option<String>,
    /// The data must not be older than this. Default: 3600.
    #[schema(inline)]
    max_age_seconds: Option<MaxAge>,
}

/// The decrypted object. Its members depend on the WeChat call that made it; `watermark` is always there.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is passed on as it is; this is its description")]
pub(super) struct UserData {
    watermark: Value,
    /// The user, in the data of `wx.getUserInfo`.
    #[schema(nullable = false)]
    #[serde(rename = "openId")]
    open_id: Option<String>,
}

/// Decrypt user data (`encryptedData`). Any failure gives the same refusal: `undecipherable`.
///
/// The user must have logged in through this gateway, which then has the session_key.
#[utoipa::path(
    post,
    path = "/v1/users/decrypt",
    operation_id = "decrypt_user_data",
    tag = "logins",
    security(("api_key" = ["permits"])),
    request_body = DecryptRequest,
    responses((status = 200, description = "The decrypted data, as WeChat made it.", body = UserData), Refusals),
)]
pub(super) async fn decrypt(
    State(context): State<Context>,
    caller: Caller,
    Json(request): Json<DecryptRequest>,
) -> Result<axum::Json<Map<String, Value>>, Problem> {
    let appid: AppId = parse("app", &request.app)?;
    let openid: OpenId = parse("openid", &request.openid)?;
    caller.app(&context, &appid)?;
    bounded("encrypted_data", &request.encrypted_data, MAX_DATA_CHARS)?;
    bounded("iv", &request.iv, MAX_SHORT_CHARS)?;
    let signed = match (&request.raw_data, &request.signature) {
        (Some(raw), Some(signature)) => {
            bounded("raw_data", raw, MAX_DATA_CHARS)?;
            bounded("signature", signature, MAX_SHORT_CHARS)?;
            Some((raw.as_str(), signature.as_str()))
        }
        (None, None) => None,
        (None, Some(_)) => return Err(together("raw_data")),
        (Some(_), None) => return Err(together("signature")),
    };
    let age = request.max_age_seconds.map_or(DEFAULT_AGE_SECONDS, |age| age.0);
    let sealed = Sealed {
        appid: &appid,
        openid: &openid,
        encrypted_data: &request.encrypted_data,
        iv: &request.iv,
        signed,
        max_age: Duration::from_secs(age.into()),
    };
    Ok(axum::Json(open(&*context.store, &context.vault, &context.clock, &sealed).await?))
}

fn bounded(field: &str, text: &str, most: usize) -> Result<(), Problem> {
    if text.is_empty() || text.len() > most {
        return Err(Problem::invalid(field, format!("must have 1 to {most} bytes")));
    }
    Ok(())
}

fn together(missing: &str) -> Problem {
    let code = "missing_field";
    let detail = "signature and raw_data are checked together: send both or none";
    Problem::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, code, detail).field(missing)
}
