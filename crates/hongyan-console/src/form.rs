//! How a form is read.

use axum::extract::{FromRequest, Request};
use http::{StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;

use crate::refusal::Refusal;
use crate::visit::Visit;

/// The largest form. The largest is a message's data.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// The name of the field that a form brings its token in.
pub(crate) const TOKEN: &str = "csrf";

/// A form that was sent from one of our pages: it brings the token of the session, which no other site can read.
pub(crate) struct Form<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Form<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let visit = request.extensions().get::<Visit>().cloned().ok_or_else(Refusal::not_found)?;
        let bytes = bytes_of(request).await?;
        let token = url::form_urlencoded::parse(&bytes).find(|(name, _)| name == TOKEN);
        if token.is_none_or(|(_, token)| *token != *visit.csrf) {
            let detail = "the form does not belong to this session: load its page once more";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "foreign_form", detail));
        }
        read(&bytes)
    }
}

/// The bytes of a form.
pub(crate) async fn bytes_of(request: Request) -> Result<bytes::Bytes, Refusal> {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if !is_form {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "this is no form",
        ));
    }
    let body = Limited::new(request.into_body(), MAX_FORM_BYTES).collect().await;
    let body = body.map_err(|_| {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the form is too large")
    })?;
    Ok(body.to_bytes())
}

/// The fields of a form.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Form<T>, Refusal> {
    serde_html_form::from_bytes(bytes)
        .map(Form)
        .map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", error.to_string()))
}

/// A form that has nothing but its token.
#[derive(serde::Deserialize)]
pub(crate) struct Nothing {}

/// A name for what a form does, so that a form that is sent twice does it once.
pub(crate) fn once(id: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("console:{id}:{}", now.as_millis())
}
