//! `/_sandbox/callback`: the callback URL of an app, which an operator sets in WeChat's admin console.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use bytes::Bytes;
use hongyan_wechat::AppId;
use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{ControlError, parse, parse_query};
use super::look_up::app;
use crate::inner::Inner;
use crate::pusher;
use crate::state::callbacks::{Callback, Format, Mode, PATIENCE_MS};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetCallback {
    appid: AppId,
    url: String,
    token: String,
    encoding_aes_key: Option<String>,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    format: Format,
    #[serde(default = "patience")]
    timeout_ms: u64,
}

fn patience() -> u64 {
    PATIENCE_MS
}

/// `POST /_sandbox/callback`: stores the callback URL if it answers WeChat's check correctly.
pub(super) async fn set(Shared(inner): Shared<Arc<Inner>>, body: Bytes) -> Result<Json<Value>, ControlError> {
    let SetCallback { appid, url, token, encoding_aes_key, mode, format, timeout_ms } = parse(&body)?;
    let callback = Callback { url, token, encoding_aes_key, mode, format, timeout_ms };
    if let Some(problem) = callback.problem() {
        return Err(ControlError::bad_request(problem));
    }
    app(&mut inner.state(), &appid)?;
    pusher::check_address(&inner, &callback)
        .await
        .map_err(|why| ControlError::new(StatusCode::BAD_REQUEST, "callback_check_failed", why))?;
    let shown = shown(&appid, &callback);
    // The app is looked up again: it may have been removed during the check.
    app(&mut inner.state(), &appid)?.callback = Some(callback);
    Ok(Json(shown))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfApp {
    appid: AppId,
}

/// `GET /_sandbox/callback`.
pub(super) async fn show(Shared(inner): Shared<Arc<Inner>>, uri: Uri) -> Result<Json<Value>, ControlError> {
    let OfApp { appid } = parse_query(&uri)?;
    let mut state = inner.state();
    let callback = app(&mut state, &appid)?.callback.as_ref().ok_or_else(|| no_callback(&appid))?;
    Ok(Json(shown(&appid, callback)))
}

/// `DELETE /_sandbox/callback`: removes the callback; waiting pushes are dropped.
pub(super) async fn remove(Shared(inner): Shared<Arc<Inner>>, uri: Uri) -> Result<Json<Value>, ControlError> {
    let OfApp { appid } = parse_query(&uri)?;
    app(&mut inner.state(), &appid)?.callback.take().ok_or_else(|| no_callback(&appid))?;
    Ok(Json(json!({ "appid": appid, "removed": true })))
}

pub(super) fn no_callback(appid: &AppId) -> ControlError {
    ControlError::unknown(
        "no_callback",
        format!("the app {appid} has no callback; POST /_sandbox/callback sets one"),
    )
}

fn shown(appid: &AppId, callback: &Callback) -> Value {
    json!({
        "appid": appid, "url": callback.url, "mode": callback.mode, "format": callback.format,
        "timeout_ms": callback.timeout_ms, "has_encoding_aes_key": callback.encoding_aes_key.is_some(),
    })
}
