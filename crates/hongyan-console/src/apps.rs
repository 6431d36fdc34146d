//! The apps that a person may see, with the titles of their templates: what lists and filters name them by.

use serde::Deserialize;

use crate::api::Address;
use crate::refusal::Refusal;
use crate::visit::Visit;

/// An app.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct App {
    pub(crate) appid: String,
    pub(crate) name: String,
    /// Its templates, by title; in no answer of the list.
    #[serde(skip)]
    pub(crate) templates: Vec<Template>,
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

#[derive(Deserialize)]
struct Apps {
    apps: Vec<App>,
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
    match visit.get::<Template>(&Address::of(&["apps", appid, "templates", template])).await {
        Ok(template) => Ok(Some(template)),
        Err(refusal) if refusal.status.as_u16() == 404 => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// The name of an app; its appid if it is not registered any more.
pub(crate) async fn name_of(visit: &Visit, appid: &str) -> Result<String, Refusal> {
    match visit.get::<App>(&Address::of(&["apps", appid])).await {
        Ok(app) => Ok(app.shown().to_owned()),
        Err(refusal) if refusal.status.as_u16() == 404 => Ok(appid.to_owned()),
        Err(refusal) => Err(refusal),
    }
}

/// The app that a page is about: the one that was asked for if there is such an app, else the first.
pub(crate) fn one_app(apps: &[App], asked: &str) -> String {
    let found = apps.iter().find(|app| app.appid == asked).or_else(|| apps.first());
    found.map(|app| app.appid.clone()).unwrap_or_default()
}
