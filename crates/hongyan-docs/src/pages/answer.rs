//! A page as an answer that a browser keeps, and asks about before it shows the page again.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hongyan_ui::headers::OF_A_PAGE;
use sha2::{Digest, Sha256};

use crate::sources;

/// A browser asks before it shows its copy again.
const ASK: HeaderValue = HeaderValue::from_static("no-cache");

/// The page, or 304 if the browser has it.
pub(super) fn page(request: &HeaderMap, page: &impl Template) -> Response {
    with_status(StatusCode::OK, request, page)
}

/// The page with a status.
pub(super) fn with_status(status: StatusCode, request: &HeaderMap, page: &impl Template) -> Response {
    let html = match page.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "a page could not be drawn");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let tag = tag(html.as_bytes());
    let mut response = if status == StatusCode::OK && is_known(request, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        (status, html).into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in OF_A_PAGE {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CACHE_CONTROL, ASK);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::ETAG, tag);
    response
}

/// A picture, by its path below `docs/`.
pub(super) fn picture(path: &str, request: &HeaderMap) -> Option<Response> {
    let content = sources::picture(path)?;
    let content_type = match path.rsplit_once('.') {
        Some((_, "svg")) => "image/svg+xml",
        _ => "image/png",
    };
    let tag = tag(content);
    let mut response = if is_known(request, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        content.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, ASK);
    headers.insert(header::ETAG, tag);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Some(response)
}

/// The tag of a content.
fn tag(content: &[u8]) -> HeaderValue {
    let hash = hex::encode(&Sha256::digest(content)[..12]);
    HeaderValue::try_from(format!("\"{hash}\"")).expect("hexadecimal digits in quotes")
}

/// Whether the browser has the content with this tag.
fn is_known(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let lists = request.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|list| list.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',')).map(|known| known.trim().trim_start_matches("W/"));
    tags.any(|known| known == "*" || known.as_bytes() == tag.as_bytes())
}
