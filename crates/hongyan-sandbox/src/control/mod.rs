//! `/_sandbox/…`: the hand that moves the simulated world. What a user does, what they saw, time, and faults.

mod clock;
mod encrypted;
mod error;
mod events;
mod faults;
mod inbox;
mod overview;
#[cfg(test)]
mod tests;
mod users;
mod world;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use hongyan_wechat::{AppId, OpenId};
use http::StatusCode;

pub(crate) use self::error::ControlError;
use crate::Inner;
use crate::state::{App, State, User};

/// Every call of this module for the page of help: the call, in Chinese, in English.
pub(crate) const CALLS: &[(&str, &str, &str)] = &[
    (
        "GET /_sandbox/seed",
        "初始的小程序、用户和模板",
        "the app, user and templates that are there from the start",
    ),
    ("POST /_sandbox/apps", "新建小程序", "a new app"),
    ("POST /_sandbox/templates", "新建模板", "a new template"),
    ("POST /_sandbox/users", "新建用户", "a new user"),
    ("POST /_sandbox/login", "相当于 wx.login，得到 code", "as wx.login: a code"),
    (
        "POST /_sandbox/encrypted",
        "相当于 wx.getUserInfo，得到 encryptedData 和签名",
        "as wx.getUserInfo: encryptedData and its signature",
    ),
    ("POST /_sandbox/forms", "相当于提交表单，得到 form_id", "as a submitted form: a form_id"),
    ("POST /_sandbox/payments", "相当于支付，得到 prepay_id", "as a payment: a prepay_id"),
    (
        "POST /_sandbox/subscriptions",
        "用户对 wx.requestSubscribeMessage 的回答",
        "the user's answer to wx.requestSubscribeMessage",
    ),
    ("GET /_sandbox/inbox?appid=&amp;openid=&amp;since=", "用户看到的消息", "what the user saw"),
    (
        "GET /_sandbox/events?appid=&amp;openid=&amp;since=",
        "同上，实时推送",
        "the same, live (server-sent events)",
    ),
    ("GET /_sandbox/requests?path=&amp;limit=", "平台收到的请求", "what the platform was asked"),
    ("GET /_sandbox/state", "概览", "an overview"),
    ("GET /_sandbox/config", "手机页面需要的设置", "what the phone's page needs to know"),
    ("POST /_sandbox/clock", "调整时间", "moves the time"),
    ("POST /_sandbox/quotas", "设置每日调用限额", "sets a day quota"),
    ("POST /_sandbox/tokens/rotate", "让已发出的凭证全部失效", "kills every token that was handed out"),
    (
        "POST /_sandbox/chaos",
        "添加一条故障规则，kind 为 errcode、latency、hang、reset_before、reset_after、http_5xx、garbage、half_answer",
        "adds a fault; its kind is errcode, latency, hang, reset_before, reset_after, http_5xx, garbage, half_answer",
    ),
    ("GET /_sandbox/chaos", "查看故障规则", "lists the faults"),
    ("DELETE /_sandbox/chaos", "清除全部故障规则", "clears all faults"),
    ("POST /_sandbox/reset", "恢复初始状态", "makes everything as new"),
];

/// Everything under `/_sandbox`.
pub(crate) fn routes() -> Router<Arc<Inner>> {
    Router::new()
        .route("/seed", get(world::seed))
        .route("/config", get(world::config))
        .route("/apps", post(world::add_app))
        .route("/templates", post(world::add_template))
        .route("/quotas", post(world::set_quota))
        .route("/tokens/rotate", post(world::rotate_tokens))
        .route("/reset", post(world::reset))
        .route("/users", post(users::add))
        .route("/login", post(users::login))
        .route("/encrypted", post(encrypted::encrypt))
        .route("/forms", post(users::submit_form))
        .route("/payments", post(users::pay))
        .route("/subscriptions", post(users::answer_subscription))
        .route("/inbox", get(inbox::list))
        .route("/events", get(events::stream))
        .route("/requests", get(overview::requests))
        .route("/state", get(overview::state))
        .route("/clock", get(clock::now).post(clock::set))
        .route("/chaos", get(faults::list).post(faults::add).delete(faults::clear))
        .route("/chaos/{id}", delete(faults::remove))
        // A nested router sees the rest of the path only.
        .fallback(async |uri: http::Uri| no_such_path(&format!("/_sandbox{}", uri.path())))
        .method_not_allowed_fallback(async || {
            let text = "this call takes another method, see the list at /";
            ControlError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
        })
}

/// The answer to a path that is neither WeChat's nor the sandbox's.
pub(crate) fn no_such_path(path: &str) -> Response {
    ControlError::unknown("no_such_path", format!("there is no {path} here, see the list at /"))
        .into_response()
}

fn app<'a>(state: &'a mut State, appid: &AppId) -> Result<&'a mut App, ControlError> {
    state.apps.get_mut(appid).ok_or_else(|| {
        ControlError::unknown(
            "unknown_app",
            format!("there is no app {appid}; POST /_sandbox/apps makes one"),
        )
    })
}

fn user<'a>(state: &'a mut State, appid: &AppId, openid: &OpenId) -> Result<&'a mut User, ControlError> {
    app(state, appid)?.users.get_mut(openid).ok_or_else(|| unknown_user(appid, openid))
}

fn unknown_user(appid: &AppId, openid: &OpenId) -> ControlError {
    ControlError::unknown(
        "unknown_user",
        format!("the app {appid} has no user {openid}; POST /_sandbox/users makes one"),
    )
}
