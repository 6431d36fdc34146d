//! The two sends: `POST /cgi-bin/message/wxopen/template/send` and `POST /cgi-bin/message/subscribe/send`.
//!
//! Both check in WeChat's order: token, template, user, fields, page, and the right to send last, so that a
//! request with another mistake never costs one.
//!
//! Source of the second: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_sendmessage.html>.
//! WeChat has withdrawn the documentation of the first together with the capability.

use std::collections::HashMap;
use std::sync::Arc;

use hongyan_wechat::{AppId, Errcode, OpenId, check_field};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, Outcome, Overlap, Refusal};
use crate::magic::{Effect, Place};
use crate::state::State;
use crate::state::events;
use crate::state::inbox::{Card, CardField, CardKind};
use crate::state::templates::{Family, Template};

pub(super) const SEND_TEMPLATE: &str = "/cgi-bin/message/wxopen/template/send";
pub(super) const SEND_SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";

/// The body of either send. Everything may be missing, so that each mistake gets its own errcode.
#[derive(Deserialize)]
struct SendBody {
    touser: Option<String>,
    template_id: Option<String>,
    page: Option<String>,
    form_id: Option<String>,
    #[serde(default)]
    data: HashMap<String, Datum>,
    emphasis_keyword: Option<String>,
    miniprogram_state: Option<String>,
    lang: Option<String>,
}

#[derive(Deserialize)]
struct Datum {
    #[serde(default)]
    value: Value,
    color: Option<String>,
}

/// What every send names, once it is known to exist.
struct Addressed {
    appid: AppId,
    openid: OpenId,
    template: Arc<Template>,
    fields: Vec<CardField>,
    body: SendBody,
}

/// The receiver of a send that has not been checked yet.
pub(super) fn receiver(call: &Call) -> Option<String> {
    call.json::<SendBody>().ok()?.touser
}

/// Sends a template message; costs one use of the form id or prepay id.
pub(super) fn send_template(state: &mut State, call: &mut Call) -> Outcome {
    let sent = address(state, call, |family| family == Family::Legacy)?;
    let form_id = sent.body.form_id.as_deref().unwrap_or_default();
    match state.forms.spend(&sent.appid, &sent.openid, form_id, call.now) {
        // Nobody submitted it, but it is a magic one, or a magic user's: good for one message, as any.
        Err(Errcode::INVALID_FORM_ID) if has_magic(call, &[Place::Openid, Place::FormId]) => {
            let used_by = format!("{} {} {form_id}", sent.appid, sent.openid);
            if !state.is_first_time(&used_by) {
                return Err(Errcode::FORM_ID_USED.into());
            }
        }
        spent => spent?,
    }
    Ok(deliver(state, call, sent, CardKind::Legacy))
}

/// Sends a subscribe message; costs one acceptance of a one-time template.
pub(super) fn send_subscribe(state: &mut State, call: &mut Call) -> Outcome {
    let sent = address(state, call, |family| family != Family::Legacy)?;
    if !matches!(sent.body.miniprogram_state.as_deref(), None | Some("" | "developer" | "trial" | "formal")) {
        return Err(Refusal::new(Errcode::FIELD_RULE, "argument invalid! miniprogram_state invalid"));
    }
    if !matches!(sent.body.lang.as_deref(), None | Some("" | "zh_CN" | "en_US" | "zh_HK" | "zh_TW")) {
        return Err(Refusal::new(Errcode::FIELD_RULE, "argument invalid! lang invalid"));
    }
    let overlaps = match call.overlap {
        Overlap::Instant => state.flights.contains(sent.openid.as_str()),
        Overlap::First => false,
        Overlap::Second => true,
    };
    if overlaps {
        return Err(Errcode::SEND_CONFLICT.into());
    }
    if !has_magic(call, &[Place::Openid]) {
        state
            .apps
            .get_mut(&sent.appid)
            .and_then(|app| app.users.get_mut(&sent.openid))
            .and_then(|user| user.subscriptions.get_mut(&sent.template.id))
            .ok_or(Errcode::NOT_ACCEPTED)?
            .take(sent.template.family)?;
    }
    Ok(deliver(state, call, sent, CardKind::Subscribe))
}

/// Whether a magic id stands in one of these places. One that refuses does not come so far, so it allows.
fn has_magic(call: &Call, places: &[Place]) -> bool {
    call.magic.as_ref().is_some_and(|found| places.contains(&found.place))
}

/// Everything that both sends check in the same way.
fn address(
    state: &mut State,
    call: &mut Call,
    is_family: impl Fn(Family) -> bool,
) -> Result<Addressed, Refusal> {
    let appid = call.app_by_token(state)?;
    let body: SendBody = call.json()?;
    let touser = body.touser.as_deref().unwrap_or_default();
    call.concerns(touser);
    let app = state.apps.get_mut(&appid).ok_or(Errcode::INVALID_APPID)?;
    let template = app
        .template(body.template_id.as_deref().unwrap_or_default())
        .filter(|t| is_family(t.family))
        .cloned()
        .ok_or(Errcode::INVALID_TEMPLATE)?;
    let (openid, _) = app.user(touser).ok_or(Errcode::INVALID_OPENID)?;
    let fields = fill(&template, &body.data)?;
    if !body.page.as_deref().is_none_or(is_page) {
        return Err(Errcode::INVALID_PAGE.into());
    }
    Ok(Addressed { appid, openid, template, fields, body })
}

/// The template's fields with their values. What the template does not name is ignored, as WeChat does.
fn fill(template: &Template, data: &HashMap<String, Datum>) -> Result<Vec<CardField>, Refusal> {
    let mut fields = Vec::with_capacity(template.fields.len());
    for field in &template.fields {
        let invalid = |what: &str| {
            Refusal::new(Errcode::FIELD_RULE, format!("argument invalid! data.{}.value {what}", field.name))
        };
        let datum = data.get(&*field.name).ok_or_else(|| invalid("is empty"))?;
        let value = datum.value.as_str().ok_or_else(|| invalid("invalid"))?;
        if value.is_empty() {
            return Err(invalid("is empty"));
        }
        let enum_values = (!field.enum_values.is_empty()).then_some(field.enum_values.as_slice());
        check_field(&field.name, value, enum_values).map_err(|_| invalid("invalid"))?;
        fields.push(CardField {
            name: Arc::clone(&field.name),
            label: Arc::clone(&field.label),
            value: value.to_owned(),
            color: datum.color.clone(),
        });
    }
    Ok(fields)
}

/// A page of a mini program, `pages/index/index?from=card`; empty for none.
fn is_page(page: &str) -> bool {
    let path = page.split_once('?').map_or(page, |(path, _)| path);
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/' | b'.');
    let no_spaces = !page.chars().any(|c| c.is_whitespace() || c.is_control());
    page.is_empty()
        || (no_spaces
            && path.strip_prefix("pages/").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(legal)))
}

fn deliver(state: &mut State, call: &Call, sent: Addressed, kind: CardKind) -> Value {
    let Addressed { appid, openid, .. } = &sent;
    let (appid, openid, template) = (appid.clone(), openid.clone(), sent.template.id.clone());
    let effect = call.magic.as_ref().map(|found| found.effect);
    let is_lost = effect == Some(Effect::Undelivered);
    let arrives = !is_lost && effect != Some(Effect::UserRefuses) && !is_blocked(state, &appid, &openid);
    let msgid = if arrives { state.inbox.deliver(card(call, sent, kind)) } else { state.inbox.skip() };
    if kind == CardKind::Subscribe && !is_lost {
        let event = || events::sent(&appid, &openid, &template, msgid, arrives, call.now);
        state.push(&appid, &openid, event, call.now);
    }
    json!({ "errcode": 0, "errmsg": "ok", "msgid": msgid })
}

/// Whether the user wants nothing from the app: WeChat takes the message and tells later that it did not arrive.
fn is_blocked(state: &State, appid: &AppId, openid: &OpenId) -> bool {
    state.apps.get(appid).and_then(|app| app.users.get(openid)).is_some_and(|user| user.is_blocking)
}

fn card(call: &Call, sent: Addressed, kind: CardKind) -> Card {
    let emphasis = sent.body.emphasis_keyword.and_then(|keyword| {
        let name = keyword.strip_suffix(".DATA").unwrap_or(&keyword);
        sent.fields.iter().any(|f| &*f.name == name).then(|| name.to_owned())
    });
    Card {
        id: 0, // the inbox gives it
        kind,
        appid: sent.appid,
        openid: sent.openid,
        template_id: sent.template.id.clone(),
        title: Arc::clone(&sent.template.title),
        fields: sent.fields,
        emphasis,
        page: sent.body.page.filter(|p| !p.is_empty()),
        sent_at: call.now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_path_of_the_mini_program_with_an_optional_query() {
        for good in ["", "pages/index/index", "pages/index/index?from=card&x=1", "pages/a_b/c-d"] {
            assert!(is_page(good), "{good}");
        }
        for bad in
            ["/pages/index/index", "index", "pages/", "pages/a b", "pages/index?x=a\nb", "http://x/pages/a"]
        {
            assert!(!is_page(bad), "{bad}");
        }
    }
}
