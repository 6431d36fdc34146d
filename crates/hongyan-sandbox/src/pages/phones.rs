//! The phones of several users, side by side. Each phone is the page of `/phone` in a frame of its own.

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use hongyan_ui::Language;
use hongyan_ui::headers::POLICY_WITH_FRAMES;

use super::frame::{Frame, link};
use crate::control::unknown_app;
use crate::inner::Inner;
use crate::state::State;
use crate::state::seed::Seed;

/// Apps, and users of each app, that the form offers.
const OFFERED: usize = 50;
/// Phones on one page.
const MAX_PHONES: usize = 12;

/// A user whose phone is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    appid: String,
    openid: String,
}

impl Shown {
    /// As the address names the user. Neither id has a space.
    fn name(&self) -> String {
        format!("{} {}", self.appid, self.openid)
    }

    fn page(&self, path: &str, language: Language) -> String {
        link(path, &[("appid", &self.appid), ("openid", &self.openid), ("lang", language.code())])
    }
}

#[derive(Template)]
#[template(path = "phones.html")]
struct PhonesPage {
    frame: Frame,
    apps: Vec<(String, Vec<String>)>,
    shown: Vec<Shown>,
}

impl PhonesPage {
    fn without(&self, user: &Shown) -> String {
        address("/phones", self.shown.iter().filter(|other| *other != user))
    }

    fn new_user(&self) -> String {
        address("/phones/new", &self.shown)
    }
}

/// The address with these phones.
fn address<'a>(path: &str, shown: impl IntoIterator<Item = &'a Shown>) -> String {
    let names: Vec<_> = shown.into_iter().map(Shown::name).collect();
    let pairs: Vec<_> = names.iter().map(|name| ("phone", name.as_str())).collect();
    link(path, &pairs)
}

/// The phones that the address names, each once.
fn named(address: &Uri) -> Vec<Shown> {
    let mut shown = Vec::new();
    for (name, value) in url::form_urlencoded::parse(address.query().unwrap_or_default().as_bytes()) {
        if name == "phone"
            && let Some((appid, openid)) = value.split_once(' ')
        {
            let user = Shown { appid: appid.to_owned(), openid: openid.to_owned() };
            if !shown.contains(&user) && shown.len() < MAX_PHONES {
                shown.push(user);
            }
        }
    }
    shown
}

fn offered(state: &State) -> Vec<(String, Vec<String>)> {
    let users_of = |app: &crate::state::App| {
        let mut openids: Vec<_> = app.users.keys().take(OFFERED).map(ToString::to_string).collect();
        openids.sort_unstable();
        openids
    };
    state.apps.iter().take(OFFERED).map(|(appid, app)| (appid.to_string(), users_of(app))).collect()
}

/// `GET /phones`.
pub(super) async fn show(Shared(inner): Shared<Arc<Inner>>, uri: Uri, headers: HeaderMap) -> Response {
    let mut shown = named(&uri);
    if shown.is_empty() {
        let Seed { appid, openid, .. } = Seed::constant();
        shown.push(Shown { appid, openid });
    }
    let apps = offered(&inner.state());
    let page = PhonesPage { frame: Frame::new("/phones", &uri, &headers), apps, shown };
    let mut response = page.frame.answer(StatusCode::OK, &page);
    let policy = HeaderValue::from_static(POLICY_WITH_FRAMES);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// `POST /phones/new`: a new user of the app, whose phone stands beside the others.
pub(super) async fn add_user(Shared(inner): Shared<Arc<Inner>>, uri: Uri, body: Bytes) -> Response {
    let mut fields = url::form_urlencoded::parse(&body);
    let appid =
        fields.find(|(name, _)| name == "appid").map(|(_, value)| value.into_owned()).unwrap_or_default();
    let made = {
        let mut state = inner.state();
        let most = state.limits.users;
        state.apps.get_mut(appid.as_str()).map(|app| app.add_user(most))
    };
    let Some(openid) = made else { return unknown_app(&appid).into_response() };
    let new = Shown { appid, openid: openid.to_string() };
    let shown = named(&uri);
    Redirect::to(&address("/phones", shown.iter().chain([&new]))).into_response()
}
