//! `/_sandbox/…`: the hand that moves the simulated world. What a user does, what they saw, time, and faults.

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

/// Every call of this module for the page of help: the call, in Chinese, in English.
pub(crate) const CALLS: &[(&str, &str, &str)] = &[
    (
        "GET /_sandbox/seed",
        "初始的小程序、用户和模板",
        "the app, user and templates that are there from the start",
    ),
    ("POST /_sandbox/apps", "新建小程序", "a new app"),
    ("POST /_sandbox/templates", "新建模板", "a new template"),
    (
        "POST /_sandbox/pages",
        "告知小程序有哪些页面；此后其他 page 得到 41030",
        "which pages the app has; from then on any other page is 41030",
    ),
    ("GET /_sandbox/pages?appid=", "查看已告知的页面", "the pages that are known"),
    ("DELETE /_sandbox/pages?appid=", "重新接受任意页面", "any page is taken again"),
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
    (
        "POST /_sandbox/settings",
        "用户在微信设置里拒收某个模板，或关闭小程序的全部通知",
        "the user refuses a template in WeChat's settings, or switches all notifications of the app off",
    ),
    (
        "POST /_sandbox/callback",
        "设置消息推送的地址、令牌、加密方式和格式；先像微信一样校验地址",
        "where events are pushed to, in which mode and format; the address is checked first, as WeChat does",
    ),
    ("GET /_sandbox/callback?appid=", "查看推送设置，不含密钥", "the callback, without its secrets"),
    ("DELETE /_sandbox/callback?appid=", "取消推送", "no more pushes"),
    (
        "POST /_sandbox/pushes",
        "推送任意内容，可故意弄坏：signature、timestamp、twice",
        "pushes anything, damaged if you like: signature, timestamp, twice",
    ),
    (
        "GET /_sandbox/pushes?appid=&amp;limit=&amp;idle_within_ms=",
        "推送记录；可等到全部推送结束再返回",
        "what was pushed and how it was answered; waits until all is over if asked",
    ),
    ("POST /_sandbox/pushes/hold", "暂缓推送", "holds pushes back"),
    ("POST /_sandbox/pushes/release", "放行推送", "lets them go"),
    (
        "GET /_sandbox/inbox?appid=&amp;openid=&amp;since=&amp;wait=&amp;count=",
        "用户看到的消息；可等到有若干条再返回",
        "what the users saw; waits until there are enough if asked",
    ),
    (
        "GET /_sandbox/events?appid=&amp;openid=&amp;since=",
        "同上，实时推送",
        "the same, live (server-sent events)",
    ),
    (
        "GET /_sandbox/requests?path=&amp;limit=",
        "平台收到的请求，以及与真实微信不符、上线可能被拒的地方",
        "what the platform was asked, and what WeChat would mind about it",
    ),
    ("GET /_sandbox/overview", "概览", "an overview"),
    ("GET /_sandbox/state", "导出全部状态（JSON）", "the whole memory as a JSON document"),
    ("PUT /_sandbox/state", "恢复导出的状态", "puts such a document back"),
    ("GET /_sandbox/config", "手机页面需要的设置", "what the phone's page needs to know"),
    ("POST /_sandbox/clock", "调整时间", "moves the time"),
    ("POST /_sandbox/quotas", "设置每日调用限额和已用次数", "sets a day quota and what was used of it"),
    ("POST /_sandbox/tokens/rotate", "让已发出的凭证全部失效", "kills every token that was handed out"),
    (
        "POST /_sandbox/chaos",
        "添加一条故障规则，kind 为 errcode、latency、late_answer、hang、reset_before、reset_after、http_5xx、garbage、half_answer",
        "adds a fault; its kind is errcode, latency, late_answer, hang, reset_before, reset_after, http_5xx, garbage, half_answer",
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
