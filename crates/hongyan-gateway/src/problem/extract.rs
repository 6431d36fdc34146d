//! Extractors that refuse with problems. A problem names the wrong field.

use std::error::Error;

use axum::body::Bytes;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;

use super::Problem;
use super::json::{self, Place};
use crate::audit::Fields;
use crate::door::BodyTooSlow;

/// A JSON body.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

/// A body whose Content-Type is JSON, not parsed: for handlers that must look at the body before they know its type.
#[derive(Debug, Clone, Default)]
pub struct RawJson(pub Bytes);

/// The query's parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<T>(pub T);

/// The path's parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path<T>(pub T);

impl<S: Send + Sync> FromRequest<S> for RawJson {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| unreadable(&rejection))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let fields = request.extensions().get::<Fields>().cloned();
        let RawJson(bytes) = RawJson::from_request(request, state).await?;
        let value = from_bytes(&bytes)?;
        if let Some(fields) = fields {
            fields.note(&bytes);
        }
        Ok(Self(value))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(wrong_field(&words(&rejection))),
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(wrong_path(rejection)),
        }
    }
}

/// Reads a body.
///
/// # Errors
/// When the body is not JSON, or does not have the shape of `T`. The problem names the line or the field.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    from_text(json::text(bytes)?)
}

/// Reads a body's text.
///
/// # Errors
/// Those of [`from_bytes`].
pub(crate) fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    json::walk(text, Place::START)?;
    is_no_list(text)?;
    read(text, |words| words)
}

/// Reads the part of a body that begins at `place`. A problem names the position in the whole body.
///
/// # Errors
/// Those of [`from_bytes`].
pub(crate) fn from_part<T: DeserializeOwned>(text: &str, place: Place) -> Result<T, Problem> {
    json::walk(text, place)?;
    is_no_list(text)?;
    // serde's positions count from the part, not from the body.
    read(text, json::without_position)
}

/// Refuses a list. Everything that is read here is an object, but serde would also read a struct from a list of values.
fn is_no_list(text: &str) -> Result<(), Problem> {
    if text.trim_start().starts_with('[') {
        let detail = "an object is expected here, not a list";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail));
    }
    Ok(())
}

fn read<T: DeserializeOwned>(text: &str, words_of: impl Fn(&str) -> &str) -> Result<T, Problem> {
    serde_json::from_str(text).or_else(|_| {
        // The text is refused. Read it again with axum's slower reader, which knows the path to the field.
        match axum::Json::<T>::from_bytes(text.as_bytes()) {
            Ok(axum::Json(value)) => Ok(value),
            Err(JsonRejection::JsonDataError(error)) => Err(wrong_field(words_of(&words(&error)))),
            // The walk has proved that the text is JSON. serde reports an object in the place of an enum value as a syntax
            // error.
            Err(error) => {
                let problem = wrong_field(words_of(&words(&error)));
                let detail =
                    "a value of this type is not allowed here; see /openapi.json for the types that are";
                Err(match &problem.field {
                    Some(field) => Problem::invalid(field, detail),
                    None => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail),
                })
            }
        }
    })
}

/// The value of a header that may be sent only once.
///
/// # Errors
/// When the header is repeated: the caller and a proxy in between may each use a different value.
pub(crate) fn only_header<'a>(
    headers: &'a HeaderMap,
    name: &str,
) -> Result<Option<&'a HeaderValue>, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        let detail = format!("the header {name} is repeated; send it once");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "duplicate_header", detail).field(name));
    }
    Ok(value)
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = only_header(headers, "Content-Type")?.and_then(|value| value.to_str().ok());
    let essence = given.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let detail = match given {
        Some(_) => "the body must be JSON: send the header Content-Type: application/json",
        None => "the header Content-Type is missing: send Content-Type: application/json",
    };
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail))
}

fn unreadable(rejection: &BytesRejection) -> Problem {
    let status = rejection.status();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = "the body is larger than this call allows (at most max_body_bytes); send fewer items in one request";
        return Problem::new(status, "body_too_large", detail);
    }
    if BodyTooSlow::is_behind(rejection) {
        let detail = "the body stalled, or took longer than the setting body_seconds allows; send it again";
        return Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail);
    }
    Problem::new(
        StatusCode::BAD_REQUEST,
        "body_incomplete",
        "the connection closed before the whole body arrived",
    )
}

/// The text of the reader's error, without axum's: `path.to.field: what is wrong`.
fn words(rejection: &dyn Error) -> String {
    // axum's error puts a sentence about "the target type" before its source's text. That sentence means nothing to a
    // caller, and the source does not have it.
    rejection.source().map_or_else(|| rejection.to_string(), ToString::to_string)
}

/// Makes a problem from the text of the reader's error.
fn wrong_field(words: &str) -> Problem {
    // The text may begin with a path. A path has no spaces; serde's messages have spaces before the first colon.
    let (path, message) = match words.split_once(": ") {
        Some((path, message)) if !path.contains(' ') => (path, message),
        _ => ("", words),
    };
    let named = |prefix: &str| {
        let rest = message.strip_prefix(prefix)?;
        rest.split_once('`').map(|(name, _)| name.to_owned())
    };
    let problem = |code, field: String| {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, message);
        if field.is_empty() { problem } else { problem.field(field) }
    };
    if let Some(name) = named("missing field `") {
        return problem("missing_field", joined(path, &name));
    }
    if let Some(name) = named("duplicate field `") {
        return problem("duplicate_field", joined(path, &name));
    }
    if let Some(name) = named("unknown field `") {
        // The path to an unknown field already ends in its name.
        let whole = path == name || path.ends_with(&format!(".{name}"));
        return problem("unknown_field", if whole { path.to_owned() } else { joined(path, &name) });
    }
    problem("invalid_field", path.to_owned())
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() || path == "." { name.to_owned() } else { format!("{path}.{name}") }
}

fn wrong_path(rejection: PathRejection) -> Problem {
    let PathRejection::FailedToDeserializePathParams(error) = rejection else {
        tracing::error!(%rejection, "a route and its handler disagree about the path's parameters");
        return Problem::internal();
    };
    match error.into_kind() {
        ErrorKind::InvalidUtf8InPathParam { key } => {
            Problem::invalid(key, "this part of the path is not UTF-8 text")
        }
        // A text that is not a valid id cannot name anything that exists: 404, not 422.
        ErrorKind::DeserializeError { key, message, .. } => Problem::not_found(message).field(key),
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
            Problem::not_found(format!("this part of the path is not a {expected_type}")).field(key)
        }
        ErrorKind::Message(message) => Problem::not_found(message),
        ErrorKind::ParseError { .. } | ErrorKind::ParseErrorAtIndex { .. } => {
            Problem::not_found("this path does not exist")
        }
        kind => {
            tracing::error!(error = %kind, "a route and its handler disagree about the path's parameters");
            Problem::internal()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::extract::DefaultBodyLimit;
    use axum::routing::{get, post};
    use hongyan_ledger::MessageId;
    use http_body_util::BodyExt;
    use serde::Deserialize;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[allow(dead_code)]
        items: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[allow(dead_code)]
        count: u32,
        #[allow(dead_code)]
        word: Option<Word>,
    }

    #[derive(Debug, Deserialize)]
    enum Word {
        Good,
    }

    fn router() -> Router {
        Router::new()
            .route("/json", post(|Json(_): Json<Outer>| async {}))
            .route("/query", get(|Query(_): Query<Inner>| async {}))
            .route("/path/{id}", get(|Path(_): Path<MessageId>| async {}))
            .layer(DefaultBodyLimit::max(64))
    }

    async fn ask(request: Request) -> (u16, Value) {
        let response = router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn post_json(body: &'static str) -> (u16, Value) {
        let request = Request::post("/json").header("content-type", "application/json; charset=utf-8");
        ask(request.body(Body::from(body)).unwrap()).await
    }

    async fn get_at(uri: &str) -> (u16, Value) {
        ask(Request::get(uri).body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn a_good_body_is_taken() {
        assert_eq!(post_json(r#"{"items":[{"count":1}]}"#).await.0, 200);
        // A list of the members' values is refused.
        assert_eq!(post_json(r#"[[{"count":1}]]"#).await.0, 422);
    }

    #[tokio::test]
    async fn a_wrong_field_is_named_with_its_path() {
        let cases = [
            (r#"{"items":[{"count":1},{"count":"x"}]}"#, "invalid_field", "items[1].count"),
            (r#"{"items":[{"count":1,"cuont":2}]}"#, "unknown_field", "items[0].cuont"),
            (r#"{"items":[{}]}"#, "missing_field", "items[0].count"),
            ("{}", "missing_field", "items"),
            (r#"{"items":[{"count":1,"word":"bad"}]}"#, "invalid_field", "items[0].word"),
            (r#"{"items":[{"count":1,"word":{}}]}"#, "invalid_field", "items[0].word"),
            (r#"{"items":[{"count":1,"word":[null]}]}"#, "invalid_field", "items[0].word"),
            (r#"{"items":[[]]}"#, "invalid_field", "items[0]"),
            (r#"{"item":[]}"#, "unknown_field", "item"),
        ];
        for (body, code, field) in cases {
            let (status, problem) = post_json(body).await;
            assert_eq!(status, 422, "{body}");
            assert_eq!(
                (&problem["code"], &problem["field"]),
                (&code.into(), &field.into()),
                "{body} {problem}"
            );
            let problem = from_part::<Outer>(body, Place::START).unwrap_err();
            assert_eq!((problem.code, problem.field.as_deref()), (code, Some(field)));
            assert!(!problem.detail.contains("column"), "{}", problem.detail);
        }
    }

    #[tokio::test]
    async fn what_is_not_json_is_located() {
        let (status, problem) = post_json("{\"items\":\n [}").await;
        assert_eq!((status, &problem["code"]), (400, &"malformed_json".into()));
        assert_eq!((&problem["line"], &problem["column"]), (&2.into(), &3.into()));
        let (status, problem) = post_json(r#"{"items":[],"items":[]}"#).await;
        assert_eq!((status, &problem["code"]), (422, &"duplicate_field".into()));
        let (status, problem) = post_json("{\"items\":[]} x").await;
        assert_eq!((status, &problem["code"]), (400, &"malformed_json".into()));
    }

    #[tokio::test]
    async fn a_body_must_say_that_it_is_json_and_keep_the_limit() {
        let form = Request::post("/json").header("content-type", "application/x-www-form-urlencoded");
        let (status, problem) = ask(form.body(Body::from("{}")).unwrap()).await;
        assert_eq!((status, &problem["code"]), (415, &"unsupported_media_type".into()));
        let (status, problem) = post_json(concat!(
            r#"{"items":[{"count":1},{"count":1},{"count":1},"#,
            r#"{"count":1},{"count":1},{"count":1}]}"#
        ))
        .await;
        assert_eq!((status, &problem["code"]), (413, &"body_too_large".into()));
        assert!(problem["detail"].as_str().unwrap().contains("max_body_bytes"));
    }

    #[tokio::test]
    async fn a_wrong_parameter_is_named() {
        let (status, problem) = get_at("/query?count=many").await;
        assert_eq!((status, &problem["field"]), (422, &"count".into()), "{problem}");
        let (status, problem) = get_at("/query?count=1&limit=2").await;
        assert_eq!(
            (status, &problem["code"], &problem["field"]),
            (422, &"unknown_field".into(), &"limit".into())
        );
        let (status, problem) = get_at("/query?count=1&count=2").await;
        assert_eq!(
            (status, &problem["code"], &problem["field"]),
            (422, &"duplicate_field".into(), &"count".into())
        );
        let (status, problem) = get_at("/query").await;
        assert_eq!((status, &problem["code"]), (422, &"missing_field".into()));
    }

    #[tokio::test]
    async fn a_path_that_holds_no_id_leads_nowhere() {
        let (status, problem) = get_at("/path/42").await;
        assert_eq!((status, &problem["code"]), (404, &"not_found".into()));
        assert!(problem["detail"].as_str().unwrap().contains("msg_"), "{problem}");
    }
}
