//! Who asks for a page.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use hongyan_gateway::RequestNote;
use hongyan_gateway::people::{Person, Role};
use hongyan_ui::Language;
use hongyan_ui::language::cookie;
use http::request::Parts;
use http::{HeaderMap, Uri};

use crate::console::Console;
use crate::refusal::Refusal;
use crate::words::Words;

/// The cookie of a session where the browser talks TLS, or to this very machine: no other host and no plain connection
/// can set it.
pub(crate) const SECURE_COOKIE: &str = "__Host-hongyan_session";

/// The cookie of a session where the browser talks plain HTTP to another machine.
pub(crate) const PLAIN_COOKIE: &str = "hongyan_session";

/// A person who is logged in, and what the person asks for.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) console: Console,
    pub(crate) person: Arc<Person>,
    /// The id and the trace of the request for this page.
    pub(crate) note: Option<RequestNote>,
    /// The token of the session; `None`: a proxy has logged the person in.
    pub(crate) session: Option<Arc<str>>,
    /// What a form must bring to be taken for one of ours.
    pub(crate) csrf: Arc<str>,
    /// The words of all pages, in the reader's language.
    pub(crate) words: Words,
    /// The address of this page.
    pub(crate) uri: Uri,
    /// A page that is open already asks for itself once more, after a commit.
    pub(crate) is_refresh: bool,
    /// Somebody else has made the password: nothing but the page that changes it is open.
    pub(crate) must_change_password: bool,
    /// The settings require a second factor of the person, who has none: nothing but the pages that set it up is open.
    pub(crate) must_set_up_factor: bool,
}

impl Visit {
    /// The language of the page.
    pub(crate) fn language(&self) -> Language {
        self.words.0
    }

    /// Whether the person may do what operators do.
    pub(crate) fn is_operator(&self) -> bool {
        self.person.role >= Role::Operator
    }

    /// Whether the person may do what admins do.
    pub(crate) fn is_admin(&self) -> bool {
        self.person.role >= Role::Admin
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Refusal::not_found)
    }
}

/// The token of the session that a request names. Over TLS the cookie of plain HTTP does not count: a host beside this one
/// could have set it.
pub(crate) fn session_token(headers: &HeaderMap) -> Option<&str> {
    let plain = || (!is_secure(headers)).then(|| cookie(headers, PLAIN_COOKIE)).flatten();
    cookie(headers, SECURE_COOKIE).or_else(plain)
}

/// Whether the browser keeps a cookie that only travels in safety: over TLS, and to this very machine. What says so comes
/// from the browser; a lie hurts the liar alone.
pub(crate) fn is_secure(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let origin = text("origin");
    let host = text("host");
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    origin.starts_with("https://")
        || text("x-forwarded-proto").eq_ignore_ascii_case("https")
        || matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}
