//! The apps that a person may see, with the titles of their templates: what lists and filters name them by.

use serde::Deserialize;

use crate::api::Address;
use crate::format::At;
use crate::refusal::Refusal;
use crate::visit::Visit;

/// An app.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct App {
    pub(crate) appid: String,
    pub(crate) name: String,
    pub(crate) paused: Option<Paused>,
    pub(crate) template_sync_failure: Option<SyncFailure>,
    pub(crate) access_token: AccessToken,
    /// Its templates, by title; in no answer of the list.
    #[serde(skip)]
    pub(crate) templates: Vec<Template>,
}

/// Why an app is paused.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Paused {
    pub(crate) code: String,
    pub(crate) errcode: Option<i64>,
    pub(crate) detail: String,
    pub(crate) since: At,
    pub(crate) until: Option<At>,
}

/// How an app's access token stands.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AccessToken {
    pub(crate) fetched_at: Option<At>,
    pub(crate) expires_at: Option<At>,
    pub(crate) refresh_at: Option<At>,
    pub(crate) failure: Option<TokenFailure>,
}

/// Why no access token can be fetched.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TokenFailure {
    pub(crate) detail: String,
    pub(crate) until: Option<At>,
}

/// Since when an app's templates cannot be read, and why.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SyncFailure {
    pub(crate) since: At,
    pub(crate) detail: String,
}

impl App {
    /// The name that people know it by.
    pub(crate) fn shown(&self) -> &str {
        if self.name.is_empty() { &self.appid } else { &self.name }
    }

    /// The title of one of its templates.
    pub(crate) fn title_of(&self, template: &str) -> Option<&str> {
        self.templates.iter().find(|known| known.id == template).map(|known| known.title.as_str())
    }
}

/// A template.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Template {
    #[serde(rename = "template")]
    pub(crate) id: String,
    pub(crate) channel: String,
    pub(crate) kind: String,
    pub(crate) title: String,
    pub(crate) content: String,
    pub(crate) example: String,
    pub(crate) fields: Vec<Field>,
}

/// One field of a template.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) rule: Option<String>,
    pub(crate) rule_zh: Option<String>,
    pub(crate) example: String,
}

/// The list of apps.
#[derive(Deserialize)]
pub(crate) struct Apps {
    pub(crate) apps: Vec<App>,
}

#[derive(Deserialize)]
struct Templates {
    templates: Vec<Template>,
}

/// All apps that the person may see, with their templates.
pub(crate) async fn apps(visit: &Visit) -> Result<Vec<App>, Refusal> {
    let mut apps = visit.get::<Apps>(&Address::of(&["apps"])).await?.apps;
    for app in &mut apps {
        app.templates = templates(visit, &app.appid).await?;
    }
    Ok(apps)
}

/// The templates of an app.
pub(crate) async fn templates(visit: &Visit, appid: &str) -> Result<Vec<Template>, Refusal> {
    Ok(visit.get::<Templates>(&Address::of(&["apps", appid, "templates"])).await?.templates)
}

/// One template of an app; `None`: the app has no such template any more.
pub(crate) async fn template(
    visit: &Visit,
    appid: &str,
    template: &str,
) -> Result<Option<Template>, Refusal> {
    visit.get_if_there(&Address::of(&["apps", appid, "templates", template])).await
}

/// The name of an app; its appid if it is not registered any more.
pub(crate) async fn name_of(visit: &Visit, appid: &str) -> Result<String, Refusal> {
    let app: Option<App> = visit.get_if_there(&Address::of(&["apps", appid])).await?;
    Ok(app.map_or_else(|| appid.to_owned(), |app| app.shown().to_owned()))
}

/// The app that a page is about: the one that was asked for if there is such an app, else the first.
pub(crate) fn one_app(apps: &[App], asked: &str) -> String {
    let found = apps.iter().find(|app| app.appid == asked).or_else(|| apps.first());
    found.map(|app| app.appid.clone()).unwrap_or_default()
}

/// The name that people know an app by; its appid if the person sees no such app.
pub(crate) fn shown<'a>(apps: &'a [App], appid: &'a str) -> &'a str {
    apps.iter().find(|app| app.appid == appid).map_or(appid, App::shown)
}

/// The title of a template; its id if the app has no such template any more.
pub(crate) fn title<'a>(apps: &'a [App], appid: &str, template: &'a str) -> &'a str {
    let app = apps.iter().find(|app| app.appid == appid);
    app.and_then(|app| app.title_of(template)).unwrap_or(template)
}
