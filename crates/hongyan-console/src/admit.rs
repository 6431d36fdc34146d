//! Who is let in, and how a refusal is shown.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use hongyan_gateway::RequestNote;
use hongyan_gateway::config::RequireTotp;
use hongyan_gateway::door::Peer;
use hongyan_gateway::people::{Role, Session};
use hongyan_store::StoreError;
use hongyan_ui::{Document, Language};
use http::{Method, StatusCode};

use crate::console::Console;
use crate::page::{Frame, Place, Told, with_status};
use crate::refusal::Refusal;
use crate::visit::{Visit, session_token};
use crate::words::Words;

/// What is open to somebody whose password must be changed first.
const OPEN_TO_NEW: [&str; 2] = ["/console/account", "/console/logout"];

/// What is open to somebody who must set up a second factor first.
const OPEN_WITHOUT_FACTOR: [&str; 4] =
    ["/console/account", "/console/account/factor", "/console/account/factor/confirm", "/console/logout"];

/// Lets in who is logged in. Others are sent to the login, and from there back to where they wanted to go.
pub(crate) async fn admit(State(console): State<Console>, mut request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let is_refresh = request.headers().contains_key("x-part");
    let language = Language::wanted(uri.query(), request.headers());
    let named = named_by_proxy(&console, &request).map(str::to_owned);
    let token = session_token(request.headers()).filter(|_| named.is_none()).map(Arc::<str>::from);
    let session = match (&named, token.as_deref()) {
        (Some(name), _) => console.gateway.sessions.session_of(name).await,
        (None, Some(token)) => console.gateway.sessions.session(token).await,
        (None, None) => Ok(None),
    };
    let Session { person, csrf, must_change_password, lacks_factor } = match session {
        Ok(Some(session)) => session,
        // The proxy decides who asks: no session and no password overrules it.
        Ok(None) if let Some(name) = named => return person_is_unknown(language, &name),
        Ok(None) => return to_login(&request),
        Err(error) => return store_is_away(language, &error),
    };
    // A password that somebody else has seen opens one page: the one that changes it.
    if must_change_password && !OPEN_TO_NEW.contains(&uri.path()) {
        return Redirect::to("/console/account").into_response();
    }
    let must_set_up_factor =
        !must_change_password && lacks_factor && is_factor_required(&console, person.role);
    if must_set_up_factor && !OPEN_WITHOUT_FACTOR.contains(&uri.path()) {
        return Redirect::to("/console/account").into_response();
    }
    let note = request.extensions().get::<RequestNote>().cloned();
    let visit = Visit {
        console,
        person,
        note,
        session: token,
        csrf,
        words: Words(language),
        uri,
        is_refresh,
        must_change_password,
        must_set_up_factor,
    };
    request.extensions_mut().insert(visit.clone());
    let mut response = draw_refusals(&visit, next.run(request).await);
    Language::keep_asked(visit.uri.query(), response.headers_mut());
    response
}

/// The person whom a proxy names, if the settings trust the proxy.
fn named_by_proxy<'a>(console: &Console, request: &'a Request) -> Option<&'a str> {
    let header = console.gateway.user_header.as_ref()?;
    let peer = request.extensions().get::<Peer>()?;
    header.named(peer.0, request.headers())
}

/// Whether the settings require a second factor of people with this role.
fn is_factor_required(console: &Console, role: Role) -> bool {
    match console.gateway.settings.console_require_totp {
        RequireTotp::None => false,
        RequireTotp::Admin => role >= Role::Admin,
        RequireTotp::All => true,
    }
}

fn to_login(request: &Request) -> Response {
    // What a form wanted to do is lost; where it stood is not.
    let back = match *request.method() {
        Method::GET => request.uri().path_and_query().map_or("/console", |path| path.as_str()),
        _ => "/console",
    };
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", back).finish();
    Redirect::to(&format!("/console/login?{query}")).into_response()
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage {
    frame: Frame,
    told: Told,
}

/// Draws the page of a refusal that no page has shown itself.
fn draw_refusals(visit: &Visit, mut response: Response) -> Response {
    let Some(refusal) = response.extensions_mut().remove::<Refusal>() else { return response };
    let page = RefusalPage { frame: Frame::new(visit, Place::Apart), told: refusal.told(visit.words) };
    with_status(refusal.status, &page)
}

#[derive(Template)]
#[template(path = "away.html")]
struct AwayPage {
    frame: Document,
    heading: &'static str,
    text: String,
}

impl AwayPage {
    fn new(words: Words, heading: &'static str, text: String) -> Self {
        Self { frame: Document { language: words.0, brand: words.hongyan() }, heading, text }
    }
}

/// The store does not answer, so nobody knows who asks.
fn store_is_away(language: Language, error: &StoreError) -> Response {
    tracing::error!(%error, "a session could not be looked up");
    let words = Words(language);
    let page = AwayPage::new(words, words.store_is_away(), words.store_is_away_then().to_owned());
    with_status(StatusCode::SERVICE_UNAVAILABLE, &page)
}

/// A proxy names a person whom nobody has added.
fn person_is_unknown(language: Language, name: &str) -> Response {
    tracing::warn!(name, "the proxy of console_user_header names a person who was not added");
    let words = Words(language);
    let page = AwayPage::new(words, words.person_is_unknown(), words.person_is_unknown_then(name));
    with_status(StatusCode::FORBIDDEN, &page)
}
