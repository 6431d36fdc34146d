//! `/_sandbox/…`: controls the simulated world: the actions of users, the cards that they saw, time, and faults.

mod callback;
mod clock;
mod encrypted;
mod error;
mod events;
mod faults;
mod inbox;
#[cfg(test)]
mod limit_tests;
mod look_up;
mod memory;
mod overview;
mod pages;
#[cfg(test)]
mod push_tests;
mod pushes;
#[cfg(test)]
mod tests;
mod users;
mod world;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use http::StatusCode;

pub(crate) use self::error::ControlError;
use crate::inner::Inner;

/// Every call of this module for the help page: the call, in Chinese, in English.
pub(crate) const CALLS: &[(&str, &str, &str)] = &[
    (
        "GET /_sandbox/seed",
        "初始的小程序、用户和模板",
        "shows the app, user and templates that exist from the start",
    ),
    ("POST /_sandbox/apps", "新建小程序", "makes an app"),
    ("POST /_sandbox/templates", "新建模板", "makes a template"),
    (
        "POST /_sandbox/pages",
        "告知小程序有哪些页面；此后其他 page 得到 41030",
        "sets the pages of the app; from then on any other page is refused with 41030",
    ),
    ("GET /_sandbox/pages?appid=", "查看已告知的页面", "shows the pages that were set"),
    ("DELETE /_sandbox/pages?appid=", "重新接受任意页面", "accepts any page again"),
    ("POST /_sandbox/users", "新建用户", "makes a user"),
    ("POST /_sandbox/login", "相当于 wx.login，得到 code", "acts as wx.login: returns a code"),
    (
        "POST /_sandbox/encrypted",
        "相当于 wx.getUserInfo，得到 encryptedData 和签名",
        "acts as wx.getUserInfo: returns encryptedData and its signature",
    ),
    ("POST /_sandbox/forms", "相当于提交表单，得到 form_id", "submits a form: returns a form_id"),
    ("POST /_sandbox/payments", "相当于支付，得到 prepay_id", "makes a payment: returns a prepay_id"),
    (
        "POST /_sandbox/subscriptions",
        "用户对 wx.requestSubscribeMessage 的回答",
        "sets the user's answer to wx.requestSubscribeMessage",
    ),
    (
        "POST /_sandbox/settings",
        "用户在微信设置里拒收某个模板，或关闭小程序的全部通知",
        "changes WeChat's settings as the user: refuses a template, or turns all notifications of the app off",
    ),
    (
        "POST /_sandbox/callback",
        "设置消息推送的地址、令牌、加密方式和格式；先像微信一样校验地址",
        "sets the URL, token, mode and format of pushes; first checks the URL, as WeChat does",
    ),
    ("GET /_sandbox/callback?appid=", "查看推送设置，不含密钥", "shows the callback without its secrets"),
    ("DELETE /_sandbox/callback?appid=", "取消推送", "removes the callback"),
    (
        "POST /_sandbox/pushes",
        "推送任意内容，可故意弄坏：signature、timestamp、twice",
        "pushes any message, optionally damaged: signature, timestamp, twice",
    ),
    (
        "GET /_sandbox/pushes?appid=&amp;limit=&amp;idle_within_ms=",
        "推送记录；可等到全部推送结束再返回",
        "lists the pushes and their answers; can wait until all pushes are finished",
    ),
    ("POST /_sandbox/pushes/hold", "暂缓推送", "holds pushes back"),
    ("POST /_sandbox/pushes/release", "放行推送", "releases held pushes"),
    (
        "GET /_sandbox/inbox?appid=&amp;openid=&amp;since=&amp;wait=&amp;count=",
        "用户看到的消息；可等到有若干条再返回",
        "lists the cards that the users saw; can wait until there are enough cards",
    ),
    (
        "GET /_sandbox/events?appid=&amp;openid=&amp;since=",
        "同上，实时推送",
        "streams the same cards (server-sent events)",
    ),
    (
        "GET /_sandbox/requests?path=&amp;limit=",
        "平台收到的请求，以及与真实微信不符、上线可能被拒的地方",
        "lists the requests, and what the real WeChat would refuse or ignore in them",
    ),
    ("GET /_sandbox/overview", "概览", "shows an overview"),
    ("GET /_sandbox/state", "导出全部状态（JSON）", "saves the whole state as a JSON document"),
    ("PUT /_sandbox/state", "恢复导出的状态", "restores a saved state"),
    ("GET /_sandbox/config", "手机页面需要的设置", "shows the settings for the phone's page"),
    ("POST /_sandbox/clock", "调整时间", "moves the time"),
    (
        "POST /_sandbox/quotas",
        "设置每日调用限额和已用次数",
        "sets the daily quota of a call and how much of it is used",
    ),
    ("POST /_sandbox/tokens/rotate", "让已发出的凭证全部失效", "invalidates all access tokens"),
    (
        "POST /_sandbox/chaos",
        "添加一条故障规则，kind 为 errcode、latency、late_answer、hang、reset_before、reset_after、http_5xx、garbage、half_answer",
        "adds a fault; its kind is errcode, latency, late_answer, hang, reset_before, reset_after, http_5xx, garbage, half_answer",
    ),
    ("GET /_sandbox/chaos", "查看故障规则", "lists the faults"),
    ("DELETE /_sandbox/chaos", "清除全部故障规则", "clears all faults"),
    ("POST /_sandbox/reset", "恢复初始状态", "resets everything to the initial state"),
];

/// Everything under `/_sandbox`.
pub(crate) fn routes() -> Router<Arc<Inner>> {
    Router::new()
        .route("/seed", get(world::seed))
        .route("/config", get(world::config))
        .route("/apps", post(world::add_app))
        .route("/templates", post(world::add_template))
        .route("/pages", get(pages::show).post(pages::set).delete(pages::forget))
        .route("/quotas", post(world::set_quota))
        .route("/tokens/rotate", post(world::rotate_tokens))
        .route("/reset", post(world::reset))
        .route("/users", post(users::add))
        .route("/login", post(users::login))
        .route("/encrypted", post(encrypted::encrypt))
        .route("/forms", post(users::submit_form))
        .route("/payments", post(users::pay))
        .route("/subscriptions", post(users::answer_subscription))
        .route("/settings", post(users::change_setting))
        .route("/callback", get(callback::show).post(callback::set).delete(callback::remove))
        .route("/pushes", get(pushes::list).post(pushes::push))
        .route("/pushes/hold", post(pushes::hold))
        .route("/pushes/release", post(pushes::release))
        .route("/inbox", get(inbox::list))
        .route("/events", get(events::stream))
        .route("/requests", get(overview::requests))
        .route("/overview", get(overview::overview))
        .route(
            "/state",
            get(memory::get).put(memory::put).layer(DefaultBodyLimit::max(memory::MAX_STATE_BYTES)),
        )
        .route("/clock", get(clock::now).post(clock::set))
        .route("/chaos", get(faults::list).post(faults::add).delete(faults::clear))
        .route("/chaos/{id}", delete(faults::remove))
        // A nested router sees only the rest of the path.
        .fallback(async |uri: http::Uri| no_such_path(&format!("/_sandbox{}", uri.path())))
        .method_not_allowed_fallback(async || {
            let text = "this call needs another method; see the list at /";
            ControlError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
        })
}

/// The answer to a path that neither WeChat nor the sandbox has.
pub(crate) fn no_such_path(path: &str) -> Response {
    ControlError::unknown("no_such_path", format!("there is no path {path}; see the list at /"))
        .into_response()
}
