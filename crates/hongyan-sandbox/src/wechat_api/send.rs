//! The two sends: `POST /cgi-bin/message/wxopen/template/send` and `POST /cgi-bin/message/subscribe/send`.
//!
//! Both check in WeChat's order: token, template, user, fields, page, and last the right to send. So a request with
//! another mistake does not use up a right.
//!
//! Source of the second: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_sendmessage.html>.
//! WeChat has withdrawn the documentation of the first together with the capability.

use std::sync::Arc;

use hongyan_wechat::{AppId, Errcode, OpenId, check_field};
use serde_json::{Map, Value, json};

use super::call::{Call, Members, Outcome, Overlap, Refusal};
use crate::magic::{Effect, Place};
use crate::state::State;
use crate::state::events;
use crate::state::inbox::{Card, CardField, CardKind, Msgid};
use crate::state::templates::{Family, Template};

pub(super) const SEND_TEMPLATE: &str = "/cgi-bin/message/wxopen/template/send";
pub(super) const SEND_SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";

/// The most characters of a value on a card: fields without a known rule may have any length.
const MAX_VALUE_CHARS: usize = 1_000;
/// The most characters of a colour, `#173177`.
const MAX_COLOR_CHARS: usize = 32;
/// The most characters of a page with its parameters.
const MAX_PAGE_CHARS: usize = 2_048;

/// A member as text: a number counts as its digits, because WeChat accepts numbers as values. Other types are not text.
fn text_of(member: &Value) -> Option<String> {
    match member {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A required member as text; empty if it is missing or not text, so that a later check refuses it as unknown.
fn required(member: &Value) -> String {
    text_of(member).unwrap_or_default()
}

/// An optional member: missing, `null` and empty are treated alike.
fn optional(member: &Value) -> Result<Option<String>, Refusal> {
    match member {
        Value::Null => Ok(None),
        other => Ok(Some(text_of(other).ok_or(Errcode::BAD_JSON)?).filter(|text| !text.is_empty())),
    }
}

/// The template, user and fields of a send, once they are known to exist.
struct Addressed {
    appid: AppId,
    openid: OpenId,
    template: Arc<Template>,
    fields: Vec<CardField>,
    page: Option<String>,
    body: Members,
}

/// The receiver of an unchecked send.
pub(super) fn receiver(call: &Call) -> Option<String> {
    text_of(call.members().ok()?.get("touser"))
}

/// Sends a template message; uses up one use of the form id or prepay id.
pub(super) fn send_template(state: &mut State, call: &mut Call) -> Outcome {
    let sent = address(state, call, |family| family == Family::Legacy)?;
    let form_id = required(sent.body.get("form_id"));
    if form_id.is_empty() {
        // A message to a magic user needs a form id too.
        return Err(Errcode::INVALID_FORM_ID.into());
    }
    match state.forms.spend(&sent.appid, &sent.openid, &form_id, call.now) {
        // Nobody submitted this form id, but it is magic, or belongs to a magic user: it allows one message.
        Err(Errcode::INVALID_FORM_ID) if has_magic(call, &[Place::Openid, Place::FormId]) => {
            let used_by = format!("{} {} {form_id}", sent.appid, sent.openid);
            if !state.is_first_time(&used_by) {
                return Err(Errcode::FORM_ID_USED.into());
            }
        }
        spent => spent?,
    }
    deliver(state, call, sent, CardKind::Legacy)
}

/// Sends a subscribe message; uses up one acceptance of a one-time template.
pub(super) fn send_subscribe(state: &mut State, call: &mut Call) -> Outcome {
    let sent = address(state, call, |family| family != Family::Legacy)?;
    let state_word = optional(sent.body.get("miniprogram_state"))?;
    if !matches!(state_word.as_deref(), None | Some("developer" | "trial" | "formal")) {
        return Err(Refusal::new(Errcode::FIELD_RULE, "argument invalid! miniprogram_state invalid"));
    }
    if !matches!(
        optional(sent.body.get("lang"))?.as_deref(),
        None | Some("zh_CN" | "en_US" | "zh_HK" | "zh_TW")
    ) {
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
    deliver(state, call, sent, CardKind::Subscribe)
}

/// Whether one of these places has a magic id. A refusing magic id does not get here, so this id allows the send.
fn has_magic(call: &Call, places: &[Place]) -> bool {
    call.magic.as_ref().is_some_and(|found| places.contains(&found.place))
}

/// The checks that both sends share.
fn address(
    state: &mut State,
    call: &mut Call,
    is_family: impl Fn(Family) -> bool,
) -> Result<Addressed, Refusal> {
    let appid = call.app_by_token(state)?;
    let body = call.members()?;
    let touser = required(body.get("touser"));
    call.concerns(&touser);
    let app = state.apps.get_mut(&appid).ok_or(Errcode::INVALID_APPID)?;
    let template = app
        .template(&required(body.get("template_id")))
        .filter(|t| is_family(t.family))
        .cloned()
        .ok_or(Errcode::INVALID_TEMPLATE)?;
    let (openid, _) = app.user(&touser, state.limits.users).ok_or(Errcode::INVALID_OPENID)?;
    let fields = match body.get("data") {
        Value::Object(data) => fill(&template, data)?,
        Value::Null => fill(&template, &Map::new())?,
        _ => return Err(Errcode::BAD_JSON.into()),
    };
    let page = optional(body.get("page"))?;
    if let Some(page) = &page
        && !app.pages.has(page)
    {
        return Err(Errcode::INVALID_PAGE.into());
    }
    Ok(Addressed { appid, openid, template, fields, page, body })
}

/// The template's fields with their values. Fields that the template does not have are ignored, as WeChat does.
///
/// A template message without any data is an empty card: WeChat's page says so for `data`.
fn fill(template: &Template, data: &Map<String, Value>) -> Result<Vec<CardField>, Refusal> {
    if template.family == Family::Legacy && data.is_empty() {
        return Ok(Vec::new());
    }
    let mut fields = Vec::with_capacity(template.fields.len());
    for field in &template.fields {
        let invalid = |what: &str| {
            Refusal::new(Errcode::FIELD_RULE, format!("argument invalid! data.{}.value {what}", field.name))
        };
        let datum = data.get(&*field.name).and_then(Value::as_object);
        let value = datum.and_then(|datum| datum.get("value")).ok_or_else(|| invalid("is empty"))?;
        let value = text_of(value).ok_or_else(|| invalid("invalid"))?;
        if value.is_empty() {
            return Err(invalid("is empty"));
        }
        let enum_values = (!field.enum_values.is_empty()).then_some(field.enum_values.as_slice());
        // WeChat decides about a kind without a known rule, as in the gateway.
        check_field(&field.name, &value, enum_values)
            .or_else(|problem| if problem.kind.is_none() { Ok(()) } else { Err(invalid("invalid")) })?;
        let color = datum.and_then(|datum| datum.get("color")).map(optional).transpose()?.flatten();
        fields.push(CardField {
            name: Arc::clone(&field.name),
            label: Arc::clone(&field.label),
            value: beginning(value, MAX_VALUE_CHARS),
            color: color.map(|color| beginning(color, MAX_COLOR_CHARS)),
        });
    }
    Ok(fields)
}

/// The beginning of a text, for a card.
fn beginning(text: String, chars: usize) -> String {
    if text.len() <= chars { text } else { text.chars().take(chars).collect() }
}

fn deliver(state: &mut State, call: &mut Call, sent: Addressed, kind: CardKind) -> Outcome {
    let Addressed { appid, openid, .. } = &sent;
    let (appid, openid, template) = (appid.clone(), openid.clone(), sent.template.id.clone());
    let effect = call.magic.as_ref().map(|found| found.effect);
    let is_lost = effect == Some(Effect::Undelivered);
    let arrives = !is_lost && effect != Some(Effect::UserRefuses) && !is_blocked(state, &appid, &openid);
    let card = card(call, sent, kind)?;
    let id = if arrives { state.inbox.deliver(card, state.limits.cards) } else { state.inbox.skip() };
    call.card = arrives.then_some(id);
    let msgid = Msgid::of_card(id);
    if kind == CardKind::Subscribe && !is_lost {
        let event = || events::sent(&appid, &openid, &template, msgid, arrives, call.now);
        state.push(&appid, &openid, event, call.now);
    }
    Ok(json!({ "errcode": 0, "errmsg": "ok", "msgid": msgid.0 }))
}

/// Whether the user refuses all messages of the app: WeChat accepts the message and reports later that it did not arrive.
fn is_blocked(state: &State, appid: &AppId, openid: &OpenId) -> bool {
    state.apps.get(appid).and_then(|app| app.users.get(openid)).is_some_and(|user| user.is_blocking)
}

fn card(call: &Call, sent: Addressed, kind: CardKind) -> Result<Card, Refusal> {
    let emphasis = optional(sent.body.get("emphasis_keyword"))?.and_then(|keyword| {
        let name = keyword.strip_suffix(".DATA").unwrap_or(&keyword);
        sent.fields.iter().any(|f| &*f.name == name).then(|| name.to_owned())
    });
    Ok(Card {
        id: 0, // the inbox gives it
        msgid: Msgid::default(),
        kind,
        appid: sent.appid,
        openid: sent.openid,
        template_id: sent.template.id.clone(),
        title: Arc::clone(&sent.template.title),
        fields: sent.fields,
        emphasis,
        page: sent.page.map(|page| beginning(page, MAX_PAGE_CHARS)),
        sent_at: call.now,
    })
}
