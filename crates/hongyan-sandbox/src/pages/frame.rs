//! What every page of the sandbox has around its content.

use std::ops::Deref;

use askama::Template;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use hongyan_ui::assets::Asset;
use hongyan_ui::{Language, Link, Shell};

use super::words::Words;
use crate::state::seed::Seed;

/// What the sandbox's pages have beyond the look of all pages.
pub(super) const OWN_STYLE: Asset =
    Asset::new("sandbox", "css", "text/css; charset=utf-8", include_str!("sandbox.css"));

/// What every page has around its content.
pub(super) struct Frame {
    shell: Shell,
    pub(super) words: Words,
    /// The host that the browser used.
    host: String,
}

impl Deref for Frame {
    type Target = Shell;
    fn deref(&self) -> &Shell {
        &self.shell
    }
}

// Templates reach what they need through the frame, and askama passes references.
#[allow(clippy::unused_self)]
impl Frame {
    pub(super) fn new(place: &str, address: &Uri, headers: &HeaderMap) -> Self {
        let language = Language::wanted(address.query(), headers);
        let words = Words(language);
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or("127.0.0.1:8790").to_owned();
        let link = |path, name| Link::new(path, name, place);
        let navigation = vec![
            vec![
                link("/", words.front()),
                link("/inbox", words.inbox()),
                link("/phone", words.phone()),
                link("/phones", words.phones()),
            ],
            vec![link("/docs", words.docs()), link("/_sandbox/openapi.json", "OpenAPI")],
        ];
        let shell = Shell::new(language, ("/", words.sandbox()), navigation, address.clone());
        Self { shell, words, host }
    }

    /// A page that is drawn anew when something happens.
    pub(super) fn live(mut self, stream: &'static str) -> Self {
        self.shell.live = Some(stream);
        self
    }

    pub(super) fn own_style(&self) -> String {
        OWN_STYLE.path()
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
        let mut response = hongyan_ui::answer(status, page);
        Language::keep_asked(self.address.query(), response.headers_mut());
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
