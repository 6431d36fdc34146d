//! `/wxaapi/newtmpl/*`: the templates of subscribe messages.
//!
//! Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_addwxanewtemplate.html>
//! and its neighbours.

use std::sync::Arc;

use hongyan_wechat::{AppId, Errcode};
use serde_json::{Value, json};

use super::call::{Call, Outcome, Refusal};
use super::library::{CATEGORIES, ENUM_VALUES, PublicTemplate, SUBSCRIBE_LIBRARY, find};
use crate::state::State;
use crate::state::templates::{Family, Field, MAX_TEMPLATES, Template, new_template_id};

/// The allowed numbers of keywords of a template.
const KEYWORDS: std::ops::RangeInclusive<usize> = 2..=5;
/// The most characters of the scene's description.
const MAX_SCENE_CHARS: usize = 15;
/// The size of a page of public titles.
const MAX_TITLES: usize = 30;

/// The app's own templates.
pub(super) fn list(state: &mut State, call: &mut Call) -> Outcome {
    let appid = call.app_by_token(state)?;
    let app = state.apps.get(&appid).ok_or(Errcode::INVALID_APPID)?;
    let data: Vec<_> = app.templates.iter().filter_map(|t| t.to_subscribe()).collect();
    Ok(json!({ "errcode": 0, "errmsg": "ok", "data": data }))
}

/// Adds a public template with some of its keywords.
pub(super) fn add(state: &mut State, call: &mut Call) -> Outcome {
    let appid = call.app_by_token(state)?;
    let body = call.members()?;
    let public = public_by_tid(body.get("tid"))?;
    let fields = chosen_fields(public, &body.numbers("kidList"))?;
    let scene = body.text("sceneDesc").unwrap_or_default();
    if !(1..=MAX_SCENE_CHARS).contains(&scene.chars().count()) {
        return Err(Errcode::INVALID_SCENE.into());
    }
    let family = if public.long_term { Family::LongTerm } else { Family::Once };
    let template = Template { id: new_template_id(), family, title: public.title.into(), fields };
    let added = json!({ "errcode": 0, "errmsg": "ok", "priTmplId": template.id });
    add_to_app(state, &appid, template)?;
    Ok(added)
}

/// WeChat accepts the id of a title as text and as a number.
fn public_by_tid(tid: &Value) -> Result<&'static PublicTemplate, Refusal> {
    let tid = tid.as_str().map_or_else(|| tid.to_string(), str::to_owned);
    find(SUBSCRIBE_LIBRARY, &tid).ok_or_else(|| Errcode::INVALID_TID.into())
}

fn chosen_fields(public: &PublicTemplate, kids: &[usize]) -> Result<Vec<Field>, Refusal> {
    let repeated = kids.iter().enumerate().any(|(at, kid)| kids[..at].contains(kid));
    if !KEYWORDS.contains(&kids.len()) || repeated {
        return Err(Errcode::INVALID_KID_LIST.into());
    }
    kids.iter()
        .map(|kid| {
            let keyword = public.keyword(*kid).ok_or(Errcode::INVALID_KID_LIST)?;
            let mut field = Field::new(&format!("{}{kid}", keyword.rule), keyword.name, keyword.example);
            if keyword.rule == "enum" {
                field.enum_values = ENUM_VALUES.iter().map(|v| (*v).to_owned()).collect();
            }
            Ok(field)
        })
        .collect()
}

fn add_to_app(state: &mut State, appid: &AppId, template: Template) -> Result<(), Refusal> {
    let app = state.apps.get_mut(appid).ok_or(Errcode::INVALID_APPID)?;
    let own = || app.templates.iter().filter(|t| t.family != Family::Legacy);
    if own().any(|t| t.title == template.title && t.content() == template.content()) {
        return Err(Errcode::TEMPLATE_EXISTS.into());
    }
    if own().count() >= MAX_TEMPLATES {
        return Err(Errcode::PRIVATE_TEMPLATE_LIMIT.into());
    }
    app.templates.push(Arc::new(template));
    Ok(())
}

/// Deletes a template of the app.
pub(super) fn delete(state: &mut State, call: &mut Call) -> Outcome {
    let appid = call.app_by_token(state)?;
    let body = call.members()?;
    let template_id = body.text("priTmplId").unwrap_or_default();
    let app = state.apps.get_mut(&appid).ok_or(Errcode::INVALID_APPID)?;
    if !app.remove_templates(|t| t.family != Family::Legacy && t.id.as_str() == template_id) {
        return Err(Errcode::INVALID_TEMPLATE.into());
    }
    Ok(json!({ "errcode": 0, "errmsg": "ok" }))
}

/// The keywords of a public template.
pub(super) fn keywords(state: &mut State, call: &mut Call) -> Outcome {
    call.app_by_token(state)?;
    let public = public_by_tid(&call.param("tid").unwrap_or_default().into())?;
    let data: Vec<_> = public
        .keywords
        .iter()
        .zip(1..)
        .map(|(k, kid)| json!({ "kid": kid, "name": k.name, "example": k.example, "rule": k.rule }))
        .collect();
    Ok(json!({ "errcode": 0, "errmsg": "ok", "count": data.len(), "data": data }))
}

/// The app's service categories.
pub(super) fn categories(state: &mut State, call: &mut Call) -> Outcome {
    call.app_by_token(state)?;
    let data: Vec<_> = CATEGORIES.iter().map(|(id, name)| json!({ "id": id, "name": name })).collect();
    Ok(json!({ "errcode": 0, "errmsg": "ok", "data": data }))
}

/// Lists the titles of the public templates of some categories, page by page.
pub(super) fn titles(state: &mut State, call: &mut Call) -> Outcome {
    call.app_by_token(state)?;
    let ids = call.param("ids").ok_or(Errcode::CATEGORY_IDS_MISSING)?;
    let ids: Vec<u32> = ids
        .split(',')
        .map(|id| id.trim().parse().ok().filter(|id| CATEGORIES.iter().any(|(known, _)| known == id)))
        .collect::<Option<_>>()
        .ok_or(Errcode::INVALID_CATEGORY_IDS)?;
    let start: usize = call.param("start").and_then(|t| t.parse().ok()).ok_or(Errcode::INVALID_START)?;
    let limit: usize = call
        .param("limit")
        .and_then(|t| t.parse().ok())
        .filter(|limit| (1..=MAX_TITLES).contains(limit))
        .ok_or(Errcode::INVALID_LIMIT)?;
    let found: Vec<_> = SUBSCRIBE_LIBRARY.iter().filter(|t| ids.contains(&t.category_id)).collect();
    let data: Vec<_> = found
        .iter()
        .skip(start)
        .take(limit)
        .map(|t| {
            let kind = if t.long_term { 3 } else { 2 };
            let tid: u32 = t.id.parse().expect("the library's tids are numbers");
            json!({ "tid": tid, "title": t.title, "type": kind, "categoryId": t.category_id.to_string() })
        })
        .collect();
    Ok(json!({ "errcode": 0, "errmsg": "ok", "count": found.len(), "data": data }))
}
