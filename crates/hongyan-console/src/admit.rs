//! Who is let in, and how a refusal is shown.

use askama::Template;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use hongyan_gateway::people::Session;
use hongyan_store::StoreError;
use hongyan_ui::{Language, assets};
use http::{Method, StatusCode, header};

use crate::console::Console;
use crate::page::{Frame, Place, Told, with_status};
use crate::refusal::Refusal;
use crate::visit::{Visit, session_token};
use crate::words::Words;

/// What is open to somebody whose password must be changed first.
const OPEN_TO_NEW: [&str; 2] = ["/console/account", "/console/logout"];

/// Lets in who is logged in. Others are sent to the login, and from there back to where they wanted to go.
pub(crate) async fn admit(State(console): State<Console>, mut request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let language = Language::wanted(uri.query(), request.headers());
    let session = match session_token(request.headers()) {
        Some(token) => console.gateway.sessions.session(token).await,
        None => Ok(None),
    };
    let Session { person, csrf, must_change_password } = match session {
        Ok(Some(session)) => session,
        Ok(None) => return to_login(&request),
        Err(error) => return store_is_away(language, &error),
    };
    // A password that somebody else has seen opens one page: the one that changes it.
    if must_change_password && !OPEN_TO_NEW.contains(&uri.path()) {
        return Redirect::to("/console/account").into_response();
    }
    let visit = Visit { console, person, csrf, words: Words(language), uri, must_change_password };
    request.extensions_mut().insert(visit.clone());
    let mut response = draw_refusals(&visit, next.run(request).await);
    if let Some(asked) = Language::asked(visit.uri.query())
        && let Ok(kept) = asked.kept().parse()
    {
        response.headers_mut().append(header::SET_COOKIE, kept);
    }
    response
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
    words: Words,
    style: String,
}

/// The store does not answer, so nobody knows who asks.
fn store_is_away(language: Language, error: &StoreError) -> Response {
    tracing::error!(%error, "a session could not be looked up");
    let page = AwayPage { words: Words(language), style: assets::STYLE.path() };
    with_status(StatusCode::SERVICE_UNAVAILABLE, &page)
}
