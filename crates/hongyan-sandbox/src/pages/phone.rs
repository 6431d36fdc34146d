//! The phone: what one user saw. The page is empty until its script has asked for the user's cards (`phone/phone.js`).

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use hongyan_ui::headers::POLICY_IN_A_FRAME;
use hongyan_ui::{Document, Language, public_answer};

use super::words::Words;

#[derive(Template)]
#[template(path = "phone.html")]
struct PhonePage {
    frame: Document,
    words: Words,
}

/// `GET /phone`.
pub(super) async fn show(uri: Uri, headers: HeaderMap) -> Response {
    let language = Language::wanted(uri.query(), &headers);
    let words = Words(language);
    let frame = Document { language, brand: words.sandbox() };
    public_answer(StatusCode::OK, &PhonePage { frame, words })
}

/// `GET /phones/frame`: the same for a phone in a frame. Only a page of the sandbox may hold the frame.
pub(super) async fn show_in_a_frame(uri: Uri, headers: HeaderMap) -> Response {
    let mut response = show(uri, headers).await;
    let policy = HeaderValue::from_static(POLICY_IN_A_FRAME);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}
