//! The result of `wx.getUserInfo` and similar calls: user data, encrypted and signed with the session key of the user's
//! last login.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hongyan_wechat::{AppId, OpenId, SecretString, user_data};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{ControlError, parse};
use super::look_up::user;
use crate::inner::Inner;
use crate::random;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Encrypt {
    appid: AppId,
    openid: OpenId,
    /// The data to encrypt; the user's openid and a watermark are added.
    #[serde(default)]
    data: Map<String, Value>,
}

/// `POST /_sandbox/encrypted`: makes `encrypted_data`, `iv`, `raw_data` and `signature` for a logged-in user.
pub(super) async fn encrypt(
    Shared(inner): Shared<Arc<Inner>>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let Encrypt { appid, openid, data } = parse(&body)?;
    let mut state = inner.state();
    let Some(key) = user(&mut state, &appid, &openid)?.session_key.clone().map(SecretString::from) else {
        let text = "the user has not logged in, so there is no session key; get a login code with POST /_sandbox/login";
        return Err(ControlError::new(StatusCode::CONFLICT, "not_logged_in", text));
    };
    let raw_data = Value::Object(data.clone()).to_string();
    let mut plain = data;
    plain.insert("openId".into(), json!(openid));
    plain.insert("watermark".into(), json!({ "appid": appid, "timestamp": inner.clock.now().0 / 1_000 }));
    let iv = STANDARD.encode(random::bytes::<16>());
    let sealed = user_data::seal(&key, &iv, Value::Object(plain).to_string().as_bytes())
        .expect("the sandbox's session keys and vectors have 16 bytes");
    let signature = user_data::signature(&raw_data, &key);
    Ok(Json(json!({ "encrypted_data": sealed, "iv": iv, "raw_data": raw_data, "signature": signature })))
}
