//! `/cgi-bin/wxopen/template/*`: the templates of template messages. WeChat has withdrawn their documentation
//! together with the capability.

use std::sync::Arc;

use hongyan_wechat::Errcode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, Outcome, Refusal};
use super::library::{LEGACY_LIBRARY, PublicTemplate, find};
use crate::state::State;
use crate::state::templates::{Family, Field, MAX_TEMPLATES, Template, new_template_id};

/// One page of any of these lists.
const MAX_PAGE: usize = 20;
/// A template has at most so many keywords.
const MAX_KEYWORDS: usize = 10;

#[derive(Deserialize)]
struct PageBody {
    #[serde(default)]
    offset: usize,
    #[serde(default)]
    count: usize,
}

impl PageBody {
    fn count(&self) -> Result<usize, Refusal> {
        if (1..=MAX_PAGE).contains(&self.count) {
            Ok(self.count)
        } else {
            Err(Refusal::new(Errcode::INVALID_ARGUMENT, "invalid args, count: 1 to 20"))
        }
    }
}

/// The app's own templates, a page at a time.
pub(super) fn list(state: &mut State, call: &mut Call) -> Outcome {
    let appid = call.app_by_token(state)?;
    let page: PageBody = call.json()?;
    let count = page.count()?;
    let app = state.apps.get(&appid).ok_or(Errcode::INVALID_APPID)?;
    let list: Vec<_> =
        app.templates.iter().filter_map(|t| t.to_legacy()).skip(page.offset).take(count).collect();
    Ok(json!({ "errcode": 0, "errmsg": "ok", "list": list }))
}

#[derive(Deserialize)]
struct AddBody {
    #[serde(default)]
    id: String,
    #[serde(default)]
    keyword_id_list: Vec<usize>,
}

/// Chooses a public template with some of its keywords, which become `keyword1`, `keyword2`, … in that order.
pub(super) fn add(state: &mut State, call: &mut Call) -> Outcome {
    let appid = call.app_by_token(state)?;
    let body: AddBody = call.json()?;
    let public = public_by_id(&body.id)?;
    if !(1..=MAX_KEYWORDS).contains(&body.keyword_id_list.len()) {
        return Err(Refusal::new(Errcode::INVALID_ARGUMENT, "invalid args, keyword_id_list: 1 to 10"));
    }
    let fields = body
        .keyword_id_list
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

#[derive(Deserialize)]
struct DeleteBody {
    #[serde(default)]
    template_id: String,
}

/// Takes a template away from the app.
pub(super) fn delete(state: &mut State, call: &mut Call) -> Outcome {
    let appid = call.app_by_token(state)?;
    let body: DeleteBody = call.json()?;
    let app = state.apps.get_mut(&appid).ok_or(Errcode::INVALID_APPID)?;
    if !app.remove_templates(|t| t.family == Family::Legacy && t.id.as_str() == body.template_id) {
        return Err(Errcode::INVALID_TEMPLATE.into());
    }
    Ok(json!({ "errcode": 0, "errmsg": "ok" }))
}

/// The titles of the public library, a page at a time.
pub(super) fn library_list(state: &mut State, call: &mut Call) -> Outcome {
    call.app_by_token(state)?;
    let page: PageBody = call.json()?;
    let list: Vec<_> = LEGACY_LIBRARY
        .iter()
        .skip(page.offset)
        .take(page.count()?)
        .map(|t| json!({ "id": t.id, "title": t.title }))
        .collect();
    Ok(json!({ "errcode": 0, "errmsg": "ok", "list": list, "total_count": LEGACY_LIBRARY.len() }))
}

/// The keywords of one public template.
pub(super) fn library_get(state: &mut State, call: &mut Call) -> Outcome {
    call.app_by_token(state)?;
    let body: AddBody = call.json()?;
    let public = public_by_id(&body.id)?;
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

fn public_by_id(id: &str) -> Result<&'static PublicTemplate, Refusal> {
    find(LEGACY_LIBRARY, id).ok_or_else(|| Errcode::INVALID_TEMPLATE.into())
}
