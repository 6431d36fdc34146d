//! `/cgi-bin/wxopen/template/*`: the templates of template messages. WeChat has withdrawn their documentation
//! together with the capability.

use std::sync::Arc;

use hongyan_wechat::Errcode;
use serde_json::{Value, json};

use super::call::{Call, Members, Outcome, Refusal};
use super::library::{LEGACY_LIBRARY, PublicTemplate, find};
use crate::state::State;
use crate::state::templates::{Family, Field, MAX_TEMPLATES, Template, new_template_id};

/// The size of a page of these lists.
const MAX_PAGE: usize = 20;
/// The most keywords of a template.
const MAX_KEYWORDS: usize = 10;

/// The offset and the length of a page.
fn page(body: &Members) -> Result<(usize, usize), Refusal> {
    let count = body.number("count");
    if !(1..=MAX_PAGE).contains(&count) {
        return Err(Refusal::new(Errcode::INVALID_ARGUMENT, "invalid args, count: 1 to 20"));
    }
    Ok((body.number("offset"), count))
}

/// Lists the app's own templates, page by page.
pub(super) fn list(state: &mut State, call: &mut Call) -> Outcome {
    let appid = call.app_by_token(state)?;
    let (offset, count) = page(&call.members()?)?;
    let app = state.apps.get(&appid).ok_or(Errcode::INVALID_APPID)?;
    let list: Vec<_> = app.templates.iter().filter_map(|t| t.to_legacy()).skip(offset).take(count).collect();
    Ok(json!({ "errcode": 0, "errmsg": "ok", "list": list }))
}

/// Adds a public template with some of its keywords, which become `keyword1`, `keyword2`, … in this order.
pub(super) fn add(state: &mut State, call: &mut Call) -> Outcome {
    let appid = call.app_by_token(state)?;
    let body = call.members()?;
    let public = public_by_id(&body)?;
    let numbers = body.numbers("keyword_id_list");
    if !(1..=MAX_KEYWORDS).contains(&numbers.len()) {
        return Err(Refusal::new(Errcode::INVALID_ARGUMENT, "invalid args, keyword_id_list: 1 to 10"));
    }
    let fields = numbers
        .iter()
        .zip(1..)
        .map(|(number, place)| {
            let keyword = public
                .keyword(*number)
                .ok_or_else(|| Refusal::new(Errcode::INVALID_ARGUMENT, "invalid args, keyword_id_list"))?;
            Ok(Field::new(&format!("keyword{place}"), keyword.name, keyword.example))
        })
        .collect::<Result<_, Refusal>>()?;
    let app = state.apps.get_mut(&appid).ok_or(Errcode::INVALID_APPID)?;
    if app.templates.iter().filter(|t| t.family == Family::Legacy).count() >= MAX_TEMPLATES {
        return Err(Errcode::TEMPLATE_LIMIT.into());
    }
    let template =
        Template { id: new_template_id(), family: Family::Legacy, title: public.title.into(), fields };
    let added = json!({ "errcode": 0, "errmsg": "ok", "template_id": template.id });
    app.templates.push(Arc::new(template));
    Ok(added)
}

/// Deletes a template of the app.
pub(super) fn delete(state: &mut State, call: &mut Call) -> Outcome {
    let appid = call.app_by_token(state)?;
    let body = call.members()?;
    let template_id = body.text("template_id").unwrap_or_default();
    let app = state.apps.get_mut(&appid).ok_or(Errcode::INVALID_APPID)?;
    if !app.remove_templates(|t| t.family == Family::Legacy && t.id.as_str() == template_id) {
        return Err(Errcode::INVALID_TEMPLATE.into());
    }
    Ok(json!({ "errcode": 0, "errmsg": "ok" }))
}

/// Lists the titles of the public library, page by page.
pub(super) fn library_list(state: &mut State, call: &mut Call) -> Outcome {
    call.app_by_token(state)?;
    let (offset, count) = page(&call.members()?)?;
    let list: Vec<_> = LEGACY_LIBRARY
        .iter()
        .skip(offset)
        .take(count)
        .map(|t| json!({ "id": t.id, "title": t.title }))
        .collect();
    Ok(json!({ "errcode": 0, "errmsg": "ok", "list": list, "total_count": LEGACY_LIBRARY.len() }))
}

/// Lists the keywords of a public template.
pub(super) fn library_get(state: &mut State, call: &mut Call) -> Outcome {
    call.app_by_token(state)?;
    let public = public_by_id(&call.members()?)?;
    let keywords: Vec<Value> = public
        .keywords
        .iter()
        .zip(1..)
        .map(|(k, id)| json!({ "keyword_id": id, "name": k.name, "example": k.example }))
        .collect();
    Ok(json!({
        "errcode": 0, "errmsg": "ok", "id": public.id, "title": public.title, "keyword_list": keywords,
    }))
}

fn public_by_id(body: &Members) -> Result<&'static PublicTemplate, Refusal> {
    find(LEGACY_LIBRARY, body.text("id").unwrap_or_default()).ok_or_else(|| Errcode::INVALID_TEMPLATE.into())
}
