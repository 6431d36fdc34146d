//! A page as an answer.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::headers::OF_A_PAGE;

/// The page with [`OF_A_PAGE`].
pub fn answer(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, OF_A_PAGE, html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be drawn");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The same for a page that everybody may see: a browser may keep the page, and asks before it shows the page again.
pub fn public_answer(status: StatusCode, page: &impl Template) -> Response {
    let mut response = answer(status, page);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // No form of such a page needs to say where it stands.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
