//! The actions of users: they appear, log in, submit forms, pay, and answer the subscription box.
//!
//! Calls that make something accept a `count`, for tests that need thousands at once.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use bytes::Bytes;
use hongyan_wechat::{AppId, OpenId, TemplateId};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{ControlError, parse};
use super::look_up::{app, user};
use crate::inner::Inner;
use crate::pusher;
use crate::state::events;
use crate::state::subscriptions::Answered;
use crate::state::templates::Family;

/// The largest `count`.
const MAX_COUNT: u32 = 100_000;
/// WeChat's box asks for at most three templates at once.
const MAX_TEMPLATES_A_TAP: usize = 3;
/// The most sends of a payment.
const MAX_PAYMENT_USES: u32 = 3;

fn one() -> u32 {
    1
}

fn check_count(count: u32) -> Result<(), ControlError> {
    if (1..=MAX_COUNT).contains(&count) {
        Ok(())
    } else {
        Err(ControlError::bad_request(format!("count: must be from 1 to {MAX_COUNT}")))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddUsers {
    appid: AppId,
    #[serde(default = "one")]
    count: u32,
}

/// `POST /_sandbox/users`: makes users; `openid` is the first of `openids`.
pub(super) async fn add(Shared(inner): Shared<Arc<Inner>>, body: Bytes) -> Result<Json<Value>, ControlError> {
    let asked: AddUsers = parse(&body)?;
    check_count(asked.count)?;
    let mut state = inner.state();
    let most = state.limits.users;
    let app = app(&mut state, &asked.appid)?;
    let openids: Vec<OpenId> = (0..asked.count).map(|_| app.add_user(most)).collect();
    Ok(Json(json!({ "appid": asked.appid, "openid": openids[0], "openids": openids })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneUser {
    appid: AppId,
    openid: OpenId,
}

/// `POST /_sandbox/login`: `wx.login`.
pub(super) async fn login(
    Shared(inner): Shared<Arc<Inner>>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let asked: OneUser = parse(&body)?;
    let mut state = inner.state();
    user(&mut state, &asked.appid, &asked.openid)?;
    let most = state.limits.codes;
    let code = state.codes.make(asked.appid, asked.openid, inner.clock.now(), most);
    Ok(Json(json!({ "code": code })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubmitForms {
    appid: AppId,
    openid: OpenId,
    #[serde(default = "one")]
    count: u32,
}

/// `POST /_sandbox/forms`: submits a form; `form_id` is the first of `form_ids`.
pub(super) async fn submit_form(
    Shared(inner): Shared<Arc<Inner>>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let asked: SubmitForms = parse(&body)?;
    check_count(asked.count)?;
    let mut state = inner.state();
    user(&mut state, &asked.appid, &asked.openid)?;
    let (now, most) = (inner.clock.now(), state.limits.forms);
    let form_ids: Vec<_> = (0..asked.count)
        .map(|_| state.forms.submit(asked.appid.clone(), asked.openid.clone(), now, most))
        .collect();
    Ok(Json(json!({ "form_id": form_ids[0], "form_ids": form_ids })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pay {
    appid: AppId,
    openid: OpenId,
    #[serde(default = "one")]
    uses: u32,
}

/// `POST /_sandbox/payments`: pays; the `prepay_id` allows `uses` sends.
pub(super) async fn pay(Shared(inner): Shared<Arc<Inner>>, body: Bytes) -> Result<Json<Value>, ControlError> {
    let asked: Pay = parse(&body)?;
    if !(1..=MAX_PAYMENT_USES).contains(&asked.uses) {
        return Err(ControlError::bad_request(format!("uses: must be from 1 to {MAX_PAYMENT_USES}")));
    }
    let mut state = inner.state();
    user(&mut state, &asked.appid, &asked.openid)?;
    let most = state.limits.forms;
    let prepay_id = state.forms.pay(asked.appid, asked.openid, asked.uses, inner.clock.now(), most);
    Ok(Json(json!({ "prepay_id": prepay_id, "uses": asked.uses })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerSubscription {
    appid: AppId,
    openid: OpenId,
    template_id: Option<TemplateId>,
    #[serde(default)]
    template_ids: Vec<TemplateId>,
    #[serde(default)]
    result: Answered,
    /// Answers that differ from `result`, by template.
    #[serde(default)]
    results: HashMap<TemplateId, Answered>,
    /// How often the user is asked and gives this answer.
    #[serde(default = "one")]
    count: u32,
}

/// A failure of `wx.requestSubscribeMessage` on the phone, with WeChat's number and words.
///
/// Source: the table of errors of
/// <https://developers.weixin.qq.com/miniprogram/dev/api/open-api/subscribe-message/wx.requestSubscribeMessage.html>.
fn box_refused(code: &'static str, number: u32, words: &str) -> ControlError {
    let text = format!("requestSubscribeMessage:fail {words} ({number})");
    ControlError::new(StatusCode::BAD_REQUEST, code, text)
}

/// `POST /_sandbox/subscriptions`: the user answers `wx.requestSubscribeMessage`. `results` is the answer that the mini
/// program gets; `subscriptions` is what may be sent from now on.
pub(super) async fn answer_subscription(
    Shared(inner): Shared<Arc<Inner>>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let asked: AnswerSubscription = parse(&body)?;
    check_count(asked.count)?;
    let ids: Vec<_> = asked.template_id.into_iter().chain(asked.template_ids).collect();
    if ids.is_empty() {
        return Err(box_refused("tmpl_ids_empty", 10001, "TmplIds can't be empty"));
    }
    if ids.len() > MAX_TEMPLATES_A_TAP {
        return Err(box_refused("too_many_templates", 20003, "Templates count out of max bounds"));
    }
    if let Some(other) = asked.results.keys().find(|id| !ids.contains(id)) {
        return Err(ControlError::bad_request(format!("results: the box does not ask for {other}")));
    }
    let mut state = inner.state();
    let app = app(&mut state, &asked.appid)?;
    let mut templates = Vec::new();
    for id in ids {
        let template = app.template(id.as_str()).filter(|t| t.family != Family::Legacy).ok_or_else(|| {
            ControlError::unknown("unknown_template", format!("the app has no subscribe template {id}"))
        })?;
        templates.push((id, template.family));
    }
    if templates.iter().any(|(_, family)| *family != templates[0].1) {
        return Err(box_refused("mixed_template_types", 20002, "Templates type must be same"));
    }
    let user = user(&mut state, &asked.appid, &asked.openid)?;
    if user.is_blocking {
        let text = "The main switch is switched off, notifications can't be received";
        return Err(box_refused("main_switch_off", 20004, text));
    }
    let mut results = Map::new();
    let mut subscriptions = Vec::new();
    let mut answers = Vec::new();
    for (id, family) in templates {
        let subscription = user.subscriptions.entry(id.clone()).or_default();
        let result = asked.results.get(&id).copied().unwrap_or(asked.result);
        for _ in 0..asked.count {
            subscription.answer(family, result);
        }
        let unlimited = family == Family::LongTerm && subscription.units > 0;
        subscriptions.push(json!({
            "template_id": id, "units": (!unlimited).then_some(subscription.units), "unlimited": unlimited,
        }));
        results.insert(id.to_string(), json!(result));
        answers.push((id, result.word()));
    }
    let (appid, openid, now) = (&asked.appid, &asked.openid, inner.clock.now());
    for _ in 0..asked.count {
        state.push(appid, openid, || events::popup(appid, openid, &answers, now), now);
    }
    drop(state);
    pusher::start(&inner);
    Ok(Json(json!({
        "errMsg": "requestSubscribeMessage:ok", "results": results, "subscriptions": subscriptions,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeSetting {
    appid: AppId,
    openid: OpenId,
    template_id: Option<TemplateId>,
    /// `reject`; in WeChat's settings the user cannot accept more messages of a one-time template.
    result: Option<Answered>,
    /// False: all notifications of the app are off. WeChat accepts messages and does not deliver them.
    receives: Option<bool>,
}

/// `POST /_sandbox/settings`: the user changes WeChat's settings. Refusing a template revokes earlier acceptances.
pub(super) async fn change_setting(
    Shared(inner): Shared<Arc<Inner>>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let asked: ChangeSetting = parse(&body)?;
    let (appid, openid) = (&asked.appid, &asked.openid);
    let mut state = inner.state();
    if let Some(id) = &asked.template_id
        && app(&mut state, appid)?.template(id.as_str()).is_none_or(|t| t.family == Family::Legacy)
    {
        let text = format!("the app has no subscribe template {id}");
        return Err(ControlError::unknown("unknown_template", text));
    }
    let user = user(&mut state, appid, openid)?;
    match (&asked.template_id, asked.result, asked.receives) {
        (Some(template), Some(Answered::Reject), None) => {
            let subscription = user.subscriptions.entry(template.clone()).or_default();
            // Only an acceptance uses the family.
            subscription.answer(Family::Once, Answered::Reject);
            let now = inner.clock.now();
            state.push(appid, openid, || events::change(appid, openid, template, now), now);
        }
        (None, None, Some(receives)) => user.is_blocking = !receives,
        _ => {
            return Err(ControlError::bad_request(
                "send either template_id with result \"reject\", or receives with true or false",
            ));
        }
    }
    drop(state);
    pusher::start(&inner);
    Ok(Json(json!({ "appid": appid, "openid": openid })))
}
