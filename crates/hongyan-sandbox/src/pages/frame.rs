//! What every page of the sandbox has around its content.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use hongyan_ui::Language;
use hongyan_ui::assets::{Asset, ICON, SCRIPT, STYLE};
use hongyan_ui::headers::OF_A_PAGE;

use super::words::Words;
use crate::state::seed::Seed;

/// What the sandbox's pages have beyond the look of all pages.
pub(super) const OWN_STYLE: Asset =
    Asset::new("sandbox", "css", "text/css; charset=utf-8", include_str!("sandbox.css"));

/// What every page has around its content.
pub(super) struct Frame {
    pub(super) language: Language,
    pub(super) words: Words,
    /// The path of the page, for the navigation.
    pub(super) place: &'static str,
    /// The path and query of this request.
    address: Uri,
    /// The host that the browser used.
    host: String,
}

// Templates reach what they need through the frame, and askama passes references.
#[allow(clippy::unused_self)]
impl Frame {
    pub(super) fn new(place: &'static str, address: &Uri, headers: &HeaderMap) -> Self {
        let language = Language::wanted(address.query(), headers);
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or("127.0.0.1:8790").to_owned();
        Self { language, words: Words(language), place, address: address.clone(), host }
    }

    pub(super) fn icon(&self) -> String {
        ICON.path()
    }

    pub(super) fn style(&self) -> String {
        STYLE.path()
    }

    pub(super) fn own_style(&self) -> String {
        OWN_STYLE.path()
    }

    pub(super) fn script(&self) -> String {
        SCRIPT.path()
    }

    pub(super) fn navigation(&self) -> [(&'static str, &'static str); 4] {
        [
            ("/", self.words.front()),
            ("/inbox", self.words.inbox()),
            ("/phone", self.words.phone()),
            ("/phones", self.words.phones()),
        ]
    }

    pub(super) fn is_at(&self, path: &str) -> bool {
        self.place == path
    }

    /// This page in the other language, with everything else as it is.
    pub(super) fn in_other_language(&self) -> String {
        let given = url::form_urlencoded::parse(self.address.query().unwrap_or_default().as_bytes());
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(given.filter(|(name, _)| name != "lang"));
        query.append_pair("lang", self.language.other().code());
        format!("{}?{}", self.address.path(), query.finish())
    }

    /// Commands that send a message to a user who always accepts.
    pub(super) fn sample(&self) -> String {
        let Seed { appid, app_secret, subscribe_template, .. } = Seed::constant();
        let host = &self.host;
        format!(
            "TOKEN=$(curl -s \"http://{host}/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={app_secret}\" \
             | cut -d'\"' -f4)\n\
             curl \"http://{host}/cgi-bin/message/subscribe/send?access_token=$TOKEN\" \\\n  \
             -H 'Content-Type: application/json' \\\n  \
             -d '{{\"touser\":\"sandbox-ok\",\"template_id\":\"{subscribe_template}\",\"data\":{{\"thing1\":{{\"value\":\"拿铁\"}},\
             \"date2\":{{\"value\":\"2026年5月1日 09:30\"}},\"amount3\":{{\"value\":\"￥18.00\"}}}}}}'"
        )
    }

    /// The page as an answer. A language that the address asks for is kept.
    pub(super) fn answer(&self, status: StatusCode, page: &impl Template) -> Response {
        let Ok(html) = page.render() else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut response = (status, OF_A_PAGE, html).into_response();
        if let Some(language) = Language::asked(self.address.query())
            && let Ok(cookie) = HeaderValue::try_from(language.kept())
        {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// A query as a link, without parameters that are empty.
pub(super) fn link(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
