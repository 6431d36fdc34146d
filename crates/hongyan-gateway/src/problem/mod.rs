//! Refusals: problems by RFC 9457, with a stable `code` to branch on.
//!
//! Every refusal of the gateway's own API is a [`Problem`]; the extractors [`Json`], [`Query`] and [`Path`] refuse
//! with problems too, and name the field. The facade answers in WeChat's form and does not use problems.

use std::ops::Deref;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hongyan_store::StoreError;
use hongyan_wechat::{AppId, Errcode, TemplateId, beginning};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::config::Invalid;
use crate::door::WrongCredential;

mod codes;
pub(crate) mod errcode;
mod extract;
pub(crate) mod json;

pub use codes::{CODES, ProblemCode};
pub use extract::{Json, Path, Query, RawJson, from_bytes};
pub(crate) use extract::{from_part, from_text, only_header};

/// The beginning of a problem's `type`; the code follows.
pub const TYPE_PREFIX: &str = "urn:hongyan:problem:";

/// The media type of a problem. Source: RFC 9457.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The longest path of a field that a problem repeats.
const MAX_FIELD_CHARS: usize = 256;

/// The longest detail. Only a detail that quotes a request can be longer, and is cut.
const MAX_DETAIL_CHARS: usize = 1_024;

/// A refusal. Boxed inside, so that a `Result<_, Problem>` stays small.
#[derive(Debug, Clone)]
pub struct Problem(Box<Details>);

/// The contents of a [`Problem`].
#[derive(Debug, Clone)]
pub struct Details {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable code; [`CODES`] lists them.
    pub code: &'static str,
    /// A summary that is the same for every problem of this code.
    pub title: String,
    /// What happened this time, and what to do.
    pub detail: String,
    /// The field (`messages[3].to`), header or parameter that is at fault.
    pub field: Option<String>,
    /// WeChat's errcode, if WeChat gave one.
    pub errcode: Option<Errcode>,
    /// WeChat's error message.
    pub errmsg: Option<String>,
    /// Seconds to wait before another try.
    pub retry_after_seconds: Option<u64>,
    /// Members beside these.
    pub extra: Map<String, Value>,
}

impl From<Invalid> for Problem {
    fn from(Invalid { field, why }: Invalid) -> Self {
        Self::invalid(field, why.to_string())
    }
}

impl Deref for Problem {
    type Target = Details;
    fn deref(&self) -> &Details {
        &self.0
    }
}

impl Problem {
    /// A problem of this code.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let known = CODES.iter().find(|known| known.code == code);
        let title = known.map_or_else(|| status.canonical_reason().unwrap_or(code), |known| known.title);
        Self(Box::new(Details {
            status,
            code,
            title: title.to_owned(),
            detail: beginning(&detail.into(), MAX_DETAIL_CHARS),
            field: None,
            errcode: None,
            errmsg: None,
            retry_after_seconds: None,
            extra: Map::new(),
        }))
    }

    /// Names the wrong field, header or parameter.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(beginning(&field.into(), MAX_FIELD_CHARS));
        self
    }

    /// Adds WeChat's errcode; the answer then explains the errcode in English and Chinese. `errmsg` may be empty if the
    /// message is no longer known.
    #[must_use]
    pub fn errcode(mut self, errcode: Errcode, errmsg: &str) -> Self {
        self.0.errcode = Some(errcode);
        self.0.errmsg = (!errmsg.is_empty()).then(|| errmsg.to_owned());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => {
                self.0.extra.insert(key.to_owned(), value);
            }
            Err(error) => tracing::error!(%error, key, "a member of a problem cannot be written as JSON"),
        }
        self
    }

    /// The problem for callers without an API key. Unless it is about the request itself, the detail, WeChat's error message
    /// and the extra members go to the log alone.
    #[must_use]
    pub fn for_strangers(mut self) -> Self {
        let is_about_the_request = self.field.is_some() || self.code == "unknown_app";
        if !is_about_the_request || self.errcode.is_some() {
            tracing::info!(
                code = self.code,
                detail = %self.detail,
                errmsg = self.errmsg.as_deref().unwrap_or_default(),
                "a request without an API key was refused"
            );
            self.0.detail = format!("{}.", self.0.title);
            self.0.errmsg = None;
            self.0.extra.clear();
        }
        self
    }

    /// 404: there is nothing with this id or path.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 404: no app is registered under this appid.
    pub fn unknown_app(appid: &AppId) -> Self {
        let detail = format!("the app {appid} is not registered here; register it with POST /v1/apps");
        Self::new(StatusCode::NOT_FOUND, "unknown_app", detail)
    }

    /// 403: the API key is valid, but not for this app. The app need not exist.
    pub fn other_app(appid: &AppId) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", format!("this API key is not for the app {appid}"))
            .field("appid")
    }

    /// 422: the app has no such template; WeChat has been asked too.
    pub fn unknown_template(template: &TemplateId, appid: &AppId) -> Self {
        let detail = format!(
            "the app {appid} has no template {template}; add it on mp.weixin.qq.com, \
             or check that it belongs to this app"
        );
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_template", detail).field("template")
    }

    /// 401: the API key is missing or unknown.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 403: the API key lacks a scope.
    pub fn forbidden(scope: impl std::fmt::Display) -> Self {
        let detail =
            format!("this API key lacks the scope {scope}; make a key with this scope: `hongyan key create`");
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail).with("scope", scope.to_string())
    }

    /// 403: the person's role does not allow this.
    pub fn not_for_role(role: &str) -> Self {
        let detail = format!("a person with the role {role} may not do this; ask an admin");
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail).with("role", role)
    }

    /// 422: a field has an invalid value.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail).field(field)
    }

    /// 422: the field is unknown.
    pub fn unknown_field(field: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_field", detail).field(field)
    }

    /// 422: a field is repeated.
    pub fn duplicate(field: impl Into<String>) -> Self {
        let detail = "this field is repeated; send it once";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "duplicate_field", detail).field(field)
    }

    /// 409: the request conflicts with the current state.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 503: try again in a second.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(1)
    }

    /// 500: an internal error. The caller of this function has logged the cause.
    pub fn internal() -> Self {
        let detail = "an internal error of the gateway; the gateway's log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
}

impl std::fmt::Display for Problem {
    /// The detail.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let details = &*self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("{TYPE_PREFIX}{}", details.code).to_string())?;
        map.serialize_entry("title", &details.title)?;
        map.serialize_entry("status", &details.status.as_u16())?;
        map.serialize_entry("detail", &details.detail)?;
        map.serialize_entry("code", details.code)?;
        if let Some(field) = &details.field {
            map.serialize_entry("field", field)?;
        }
        if let Some(errcode) = details.errcode {
            map.serialize_entry("errcode", &errcode)?;
            if let Some(info) = errcode.info() {
                map.serialize_entry("explanation", &info.explanation_en())?;
                map.serialize_entry("explanation_zh", &info.explanation_zh())?;
            }
            if let Some(help) = errcode::help(errcode) {
                map.serialize_entry("help", &help)?;
            }
        }
        if let Some(errmsg) = &details.errmsg {
            map.serialize_entry("errmsg", errmsg)?;
        }
        if let Some(seconds) = details.retry_after_seconds {
            map.serialize_entry("retry_after_seconds", &seconds)?;
        }
        for (key, value) in &details.extra {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).expect("texts, numbers and JSON values always serialize");
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response.extensions_mut().insert(WrongCredential);
        }
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(AnswerCode(self.code));
        response
    }
}

/// The problem's code, in the answer's extensions: the audit trail reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerCode(pub(crate) &'static str);

impl From<StoreError> for Problem {
    /// Logs the error, because nobody above sees it. The answer does not quote the database.
    fn from(error: StoreError) -> Self {
        let unavailable = |code, detail| Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        if let StoreError::TookTooLong { .. } = error {
            tracing::warn!(%error, "a database query took too long and was cancelled");
            return unavailable(
                "took_too_long",
                "the database query took too long and was cancelled; ask for less",
            );
        }
        tracing::error!(%error, "a request failed because the store failed");
        match error {
            StoreError::Full { .. } => unavailable(
                "store_full",
                "the disk of the gateway's database is full; nothing was changed, try again later",
            )
            .retry_after(30),
            // No retry_after: another try would read the same damaged page.
            StoreError::Corrupt(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "store_damaged",
                "the part of the gateway's database that this request needs is damaged; the gateway's log says what to do",
            ),
            _ => unavailable(
                "store_unavailable",
                "the gateway's database failed; nothing was changed, try again",
            )
            .retry_after(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(problem: &Problem) -> Value {
        serde_json::to_value(problem).unwrap()
    }

    #[test]
    fn a_problem_has_rfc_9457_members_and_a_stable_code() {
        let problem = Problem::invalid("data.thing1", "at most 20 characters").with("kind", "thing");
        assert_eq!(
            json(&problem),
            serde_json::json!({
                "type": "urn:hongyan:problem:invalid_field",
                "title": "A field has an invalid value",
                "status": 422,
                "detail": "at most 20 characters",
                "code": "invalid_field",
                "field": "data.thing1",
                "kind": "thing",
            })
        );
    }

    #[test]
    fn an_errcode_is_explained_in_both_languages() {
        let problem =
            Problem::conflict("app_paused", "…").errcode(Errcode::INVALID_SECRET, "invalid appsecret");
        let json = json(&problem);
        assert_eq!(json["errcode"], 40125);
        assert_eq!(json["errmsg"], "invalid appsecret");
        assert!(!json["explanation"].as_str().unwrap().is_empty());
        assert!(!json["explanation_zh"].as_str().unwrap().is_empty());
        assert_eq!(json["help"], "/errcodes#errcode-40125");
    }

    #[test]
    fn headers_say_how_to_go_on() {
        let response = Problem::unauthorized("no key").into_response();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(response.headers()["content-type"], MEDIA_TYPE);
        let response = Problem::unavailable("later").retry_after(7).into_response();
        assert_eq!(response.headers()["retry-after"], "7");
    }

    #[test]
    fn a_failing_database_is_not_quoted() {
        let error = StoreError::Failed { verb: "accept messages", why: "SELECT secret FROM apps".into() };
        let problem = Problem::from(error);
        assert_eq!((problem.status.as_u16(), problem.code), (503, "store_unavailable"));
        assert!(!json(&problem).to_string().contains("SELECT"));
        let full = StoreError::Full { verb: "accept messages", why: "x".into() };
        assert_eq!(
            (Problem::from(full.clone()).status.as_u16(), Problem::from(full).code),
            (503, "store_full")
        );
        let damaged = Problem::from(StoreError::Corrupt("page 7".into()));
        assert_eq!((damaged.status.as_u16(), damaged.code), (500, "store_damaged"));
        assert!(damaged.retry_after_seconds.is_none() && !json(&damaged).to_string().contains("page 7"));
    }

    #[test]
    fn what_somebody_sent_is_not_repeated_at_length() {
        let problem = Problem::invalid("鸿".repeat(3_000_000), "雁".repeat(3_000_000));
        assert_eq!(problem.detail.chars().count(), MAX_DETAIL_CHARS + 1);
        assert_eq!(problem.field.as_ref().unwrap().chars().count(), MAX_FIELD_CHARS + 1);
    }

    #[test]
    fn codes_are_listed_once() {
        let mut codes: Vec<_> = CODES.iter().map(|known| known.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CODES.len());
    }
}
