//! Calling a gateway over HTTP, for the commands that are clients and for the tutorial's back end.

use std::time::Duration;

use ::http::header::{AUTHORIZATION, CONTENT_TYPE};
use ::http::{HeaderValue, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::cli::RemoteArgs;
use crate::failure::Failure;
use crate::listen::base;

/// Longer than the longest wait that the gateway grants (30 s).
const PATIENCE: Duration = Duration::from_secs(40);

/// Larger than any answer of the gateway to these calls.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A gateway, and the key to it. Clones share connections.
#[derive(Clone)]
pub(crate) struct Api {
    url: Url,
    key: SecretString,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// What a gateway answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// There was no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    /// In words.
    pub(crate) why: String,
    /// The request may have been read: there was a connection.
    pub(crate) was_written: bool,
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

impl Api {
    /// The gateway at `url`.
    ///
    /// # Errors
    /// When the key cannot stand in a header.
    pub(crate) fn new(url: Url, key: SecretString) -> Result<Self, Failure> {
        if HeaderValue::from_str(key.expose_secret()).is_err() {
            return Err(Failure::usage("the API key has characters that no key has"));
        }
        let provider = rustls::crypto::ring::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .map_err(|error| Failure::run(format!("cannot set up TLS: {error}")))?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self { url, key, client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// The gateway that the flags name, with the key in `HONGYAN_API_KEY`.
    ///
    /// # Errors
    /// When there is no key.
    pub(crate) fn remote(args: &RemoteArgs) -> Result<Self, Failure> {
        let key = std::env::var("HONGYAN_API_KEY").ok().map(|key| key.trim().to_owned());
        let key = key.filter(|key| !key.is_empty()).ok_or_else(|| {
            Failure::usage(
                "set HONGYAN_API_KEY to an API key of the gateway; `hongyan key create --name NAME` makes one",
            )
        })?;
        Self::new(args.url.clone(), key.into())
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// One request, whatever the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, NoAnswer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", base(&self.url)))
            .header(AUTHORIZATION, format!("Bearer {}", self.key.expose_secret()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = request
            .body(Full::new(body))
            .map_err(|error| NoAnswer { why: error.to_string(), was_written: false })?;
        let exchange = async {
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|error| NoAnswer { why: with_causes(&error), was_written: !error.is_connect() })?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
            let body =
                body.map_err(|error| NoAnswer { why: with_causes(&*error), was_written: true })?.to_bytes();
            Ok(Answer { status, body })
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(done) => done,
            Err(_) => {
                Err(NoAnswer { why: format!("no answer within {} s", PATIENCE.as_secs()), was_written: true })
            }
        }
    }

    /// One request that must succeed; its answer's body.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal; the gateway's explanation is in the failure.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let url = &self.url;
        let answer = self.exchange(method, path, headers, body).await.map_err(|why| {
            Failure::run(format!(
                "no answer from the gateway at {url}: {why}; is it running? set --url or HONGYAN_URL"
            ))
        })?;
        let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
        match said {
            Some(said) if answer.status.is_success() => Ok(said),
            Some(problem) if problem["code"].is_string() => Err(Failure::run(explain(&problem))),
            _ => Err(Failure::run(format!(
                "{url} answered {} but not as a Hongyan gateway does; set --url or HONGYAN_URL",
                answer.status
            ))),
        }
    }
}

/// A problem of the gateway's, in lines for people.
pub(crate) fn explain(problem: &Value) -> String {
    let text = |name: &str| problem[name].as_str().filter(|text| !text.is_empty());
    let mut lines = vec![match text("field") {
        Some(field) => format!("{field}: {}", text("detail").unwrap_or_default()),
        None => text("detail").unwrap_or_default().to_owned(),
    }];
    // The first says nothing that the first line does not.
    for error in problem["errors"].as_array().into_iter().flatten().skip(1) {
        let text = |name: &str| error[name].as_str().unwrap_or_default();
        lines.push(format!("  {}: {}", text("field"), text("detail")));
    }
    if let Some(errcode) = problem["errcode"].as_i64() {
        lines.push(format!("  WeChat: {errcode} {}", text("errmsg").unwrap_or_default()));
    }
    lines.extend(text("explanation").map(|text| format!("  {text}")));
    lines.push(format!("  ({})", text("code").unwrap_or_default()));
    lines.join("\n")
}

/// An error and its causes in one line; the outer ones alone ("client error (Connect)") help nobody.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_explained_with_its_field_and_code() {
        let problem =
            json!({ "code": "invalid_field", "field": "data.thing1", "detail": "at most 20 characters" });
        assert_eq!(explain(&problem), "data.thing1: at most 20 characters\n  (invalid_field)");
    }

    #[tokio::test]
    async fn a_gateway_that_is_not_there_is_named() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = crate::listen::url(&free).unwrap();
        drop(free);
        let api = Api::new(url.clone(), "hyk_x".into()).unwrap();
        let error = api.call(Method::GET, "/v1/apps", &[], None).await.unwrap_err().to_string();
        assert!(error.contains(url.as_str()) && error.contains("is it running"), "{error}");
    }
}
