//! The contents of the world: apps, templates, quotas, tokens, and the reset.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use bytes::Bytes;
use hongyan_wechat::{AppId, FieldKind, TemplateId};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{ControlError, parse};
use super::look_up::app;
use super::pages::pages_of;
use crate::inner::Inner;
use crate::state::seed::Seed;
use crate::state::templates::{Family, Field, MAX_TEMPLATES, Template, new_template_id};
use crate::{random, wechat_api};

/// The longest AppSecret.
const MAX_SECRET_BYTES: usize = 128;
/// The largest template, including its texts.
const MAX_TEMPLATE_BYTES: usize = 64 * 1024;

/// `GET /_sandbox/seed`.
pub(super) async fn seed() -> Json<Value> {
    let seed = Seed::constant();
    let mut named = json!(seed);
    // The names are those of the readiness lines of `hongyan demo` and `hongyan sandbox`.
    named["templates"] = json!({
        "legacy": seed.legacy_template,
        "subscribe": seed.subscribe_template,
        "long_term": seed.long_term_template,
    });
    Json(named)
}

/// `GET /_sandbox/config`.
pub(super) async fn config(Shared(inner): Shared<Arc<Inner>>) -> Json<Value> {
    Json(json!({
        "backend": inner.backend().is_some(),
        "now": inner.clock.now(),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddApp {
    appid: Option<AppId>,
    app_secret: Option<String>,
    /// The pages of the app; without them any page is accepted.
    pages: Option<Vec<String>>,
}

/// `POST /_sandbox/apps`: makes an app with the usual templates.
pub(super) async fn add_app(
    Shared(inner): Shared<Arc<Inner>>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let asked: AddApp = parse(&body)?;
    let appid = asked.appid.unwrap_or_else(|| {
        AppId::try_from(format!("wx{}", random::hex::<8>())).expect("18 letters and digits are an appid")
    });
    let secret = asked.app_secret.unwrap_or_else(random::hex::<16>);
    if secret.len() > MAX_SECRET_BYTES {
        return Err(ControlError::bad_request(format!(
            "app_secret: must have at most {MAX_SECRET_BYTES} bytes"
        )));
    }
    let pages = asked.pages.as_deref().map(pages_of).transpose()?.unwrap_or_default();
    let mut state = inner.state();
    if state.apps.contains_key(&appid) {
        let text = format!("the app {appid} exists already");
        return Err(ControlError::new(StatusCode::CONFLICT, "app_exists", text));
    }
    if state.apps.len() >= state.limits.apps {
        let text = "the maximum number of apps is reached; POST /_sandbox/reset removes all new apps";
        return Err(ControlError::new(StatusCode::CONFLICT, "too_many_apps", text));
    }
    let app = state.add_app(appid.clone(), secret);
    app.pages = pages;
    let id_of = |family| app.templates.iter().find(|t| t.family == family).map(|t| &t.id);
    Ok(Json(json!({
        "appid": appid,
        "app_secret": app.secret,
        "legacy_template": id_of(Family::Legacy),
        "subscribe_template": id_of(Family::Once),
        "long_term_template": id_of(Family::LongTerm),
        "templates": {
            "legacy": id_of(Family::Legacy),
            "subscribe": id_of(Family::Once),
            "long_term": id_of(Family::LongTerm),
        },
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddTemplate {
    appid: AppId,
    /// `legacy`, `once` or `long_term`.
    family: Family,
    template_id: Option<TemplateId>,
    title: String,
    /// One line `label:{{name.DATA}}` for each field, in WeChat's form.
    content: String,
    /// The allowed values of the fields named `enum…`.
    #[serde(default)]
    enum_values: Vec<String>,
}

/// `POST /_sandbox/templates`: makes a template, as an operator does in the admin console.
pub(super) async fn add_template(
    Shared(inner): Shared<Arc<Inner>>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    if body.len() > MAX_TEMPLATE_BYTES {
        return Err(ControlError::bad_request(format!(
            "the body: must have at most {MAX_TEMPLATE_BYTES} bytes"
        )));
    }
    let asked: AddTemplate = parse(&body)?;
    let fields = fields_of_content(&asked)?;
    let id = asked.template_id.unwrap_or_else(new_template_id);
    let mut state = inner.state();
    let app = app(&mut state, &asked.appid)?;
    if app.template(id.as_str()).is_some() {
        let text = format!("the app has a template with the id {id} already");
        return Err(ControlError::new(StatusCode::CONFLICT, "template_exists", text));
    }
    // Twice the number, because both families have their own limit.
    if app.templates.len() >= 2 * MAX_TEMPLATES {
        let text = "the app has the maximum number of templates";
        return Err(ControlError::new(StatusCode::CONFLICT, "too_many_templates", text));
    }
    app.templates.push(Arc::new(Template {
        id: id.clone(),
        family: asked.family,
        title: asked.title.into(),
        fields,
    }));
    Ok(Json(json!({ "template_id": id })))
}

fn fields_of_content(asked: &AddTemplate) -> Result<Vec<Field>, ControlError> {
    let mut fields = Template::fields_from(&asked.content);
    if fields.is_empty() {
        return Err(ControlError::bad_request(
            "content: must have a line like label:{{thing1.DATA}} for each field",
        ));
    }
    for field in &mut fields {
        // WeChat's own examples have kinds that its table does not list (`site01`), so any name is accepted.
        if FieldKind::of(&field.name) == Some(FieldKind::Enum) {
            field.enum_values.clone_from(&asked.enum_values);
        }
    }
    Ok(fields)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetQuota {
    appid: AppId,
    path: String,
    daily_limit: Option<u64>,
    /// How many calls count as made today.
    used: Option<u64>,
}

/// `POST /_sandbox/quotas`: sets how often the app may make a call each day; further calls get 45009.
pub(super) async fn set_quota(
    Shared(inner): Shared<Arc<Inner>>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let asked: SetQuota = parse(&body)?;
    // Each path is stored, so only WeChat's paths are accepted.
    if !wechat_api::is_known(&asked.path) {
        return Err(ControlError::unknown(
            "unknown_path",
            format!("WeChat has no call {}; see the list at /", asked.path),
        ));
    }
    let mut state = inner.state();
    let quotas = &mut app(&mut state, &asked.appid)?.quotas;
    let now = inner.clock.now();
    if let Some(daily_limit) = asked.daily_limit {
        quotas.set_limit(asked.path.clone(), daily_limit);
    }
    if let Some(used) = asked.used {
        quotas.set_used(&asked.path, used, now);
    }
    let usage = quotas.usage(&asked.path, now);
    Ok(Json(json!({ "path": asked.path, "daily_limit": usage.daily_limit, "used": usage.used })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateTokens {
    appid: AppId,
}

/// `POST /_sandbox/tokens/rotate`: acts as another program that fetched tokens; all tokens issued before are invalid.
pub(super) async fn rotate_tokens(
    Shared(inner): Shared<Arc<Inner>>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let asked: RotateTokens = parse(&body)?;
    let mut state = inner.state();
    app(&mut state, &asked.appid)?;
    let most = state.limits.tokens;
    state.tokens.rotate(&asked.appid, inner.clock.now(), most);
    Ok(Json(json!({ "appid": asked.appid, "rotated": true })))
}

/// `POST /_sandbox/reset`: resets everything to the initial state, including the time.
pub(super) async fn reset(Shared(inner): Shared<Arc<Inner>>) -> Json<Value> {
    inner.state().reset();
    inner.clock.reset();
    inner.signal.send_modify(|signal| {
        signal.resets += 1;
        signal.clock += 1;
    });
    Json(json!({ "reset": true, "now": inner.clock.now() }))
}
