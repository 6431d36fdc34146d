//! Decides who may send requests: programs, and the sandbox's own pages, but not other web pages in a browser on this
//! machine.
//!
//! A browser lets any page send requests to any address, and a page whose host name points to this machine (DNS
//! rebinding) can read the answers too. So a request must name this machine by its address, as `localhost`, or by a
//! configured name; and a request that changes anything must not come from another site's page. Content types are not
//! checked: `curl -d` sends the content type of a form, and no page can leave out `Origin`.
//!
//! Every answer also gets headers that restrict what a browser does with it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State as Shared};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hongyan_wechat::Errcode;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::json;

use crate::control::ControlError;
use crate::hosts::Hosts;
use crate::inner::Inner;
use crate::wechat_api;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// JSON and similar answers load nothing and are not shown in frames, whatever their content type.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// The request names another host.
    Host,
    /// Another site's page sent the request.
    CrossSite,
}

/// Accepts or refuses a request, and adds the headers to its answer.
pub(crate) async fn guard(Shared(inner): Shared<Arc<Inner>>, request: Request, next: Next) -> Response {
    let mut response = match refused(&inner.hosts, &request) {
        None => next.run(request).await,
        Some(why) => refusal(&why, request.uri().path()),
    };
    let defaults = [
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    for (name, value) in defaults {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

fn refused(hosts: &Hosts, request: &Request) -> Option<Refused> {
    let headers = request.headers();
    // A value that is not text is not a configured name.
    let mut named: Vec<&str> =
        headers.get_all(header::HOST).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    named.extend(request.uri().authority().map(Authority::as_str));
    // An HTTP/1.0 program sends no `Host`; every browser does.
    if !named.iter().all(|host| hosts.has(host)) {
        return Some(Refused::Host);
    }
    (changes_something(request.method(), request.uri().path()) && is_from_elsewhere(headers))
        .then_some(Refused::CrossSite)
}

/// Whether the request could change anything: every method that may, and every call of WeChat's, because a GET there
/// invalidates tokens and uses up codes.
fn changes_something(method: &Method, path: &str) -> bool {
    ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
        || wechat_api::is_wechats(path)
        || path.starts_with("/backend/")
}

/// Whether another site's page sent the request. Programs send neither header.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(&header::HOST).unwrap_or_default();
    let is_own = |origin: &str| {
        origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
    };
    text(&header::ORIGIN).is_some_and(|origin| !is_own(origin))
        || text(&SEC_FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none"))
}

/// The refusal, in the form that the path uses.
fn refusal(why: &Refused, path: &str) -> Response {
    let (status, code, errcode, text) = match why {
        Refused::Host => (
            StatusCode::MISDIRECTED_REQUEST,
            "unknown_host",
            wechat_api::INVALID_URL,
            "the sandbox accepts IP addresses, localhost, and host names from its start: --host NAME",
        ),
        Refused::CrossSite => (
            StatusCode::FORBIDDEN,
            "cross_site",
            Errcode::API_UNAUTHORIZED,
            "the sandbox refuses requests from other web pages (Origin, Sec-Fetch-Site)",
        ),
    };
    if wechat_api::is_wechats(path) {
        return (status, Json(json!({ "errcode": errcode, "errmsg": text }))).into_response();
    }
    ControlError::new(status, code, text).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;
    use crate::testing::{Platform, json_of};

    type Headers<'a> = &'a [(&'a str, &'a str)];

    async fn ask(platform: &Platform, method: Method, path: &str, headers: Headers<'_>) -> Response {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        platform.router.clone().oneshot(request.body(Body::from("{}")).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_page_of_somebody_elses_changes_nothing() {
        let platform = Platform::new();
        let token = format!(
            "/cgi-bin/token?grant_type=client_credential&appid={}&secret={}",
            platform.seed.appid, platform.seed.app_secret
        );
        platform.accept(&platform.seed.subscribe_template).await;
        let before = platform.get("/_sandbox/state").await;
        let elsewhere: [Headers<'_>; 5] = [
            &[("host", "127.0.0.1:8790"), ("origin", "http://evil.example"), ("content-type", "text/plain")],
            &[("host", "127.0.0.1:8790"), ("origin", "null")],
            &[("host", "127.0.0.1:8790"), ("sec-fetch-site", "cross-site")],
            &[
                ("host", "localhost:8790"),
                ("origin", "http://localhost:3000"),
                ("sec-fetch-site", "same-site"),
            ],
            &[("origin", "http://evil.example")],
        ];
        for headers in elsewhere {
            for (method, path) in [
                (Method::POST, "/_sandbox/reset"),
                (Method::POST, "/_sandbox/clock"),
                (Method::DELETE, "/_sandbox/chaos"),
                (Method::PUT, "/_sandbox/state"),
                (Method::POST, "/backend/onLogin"),
                (Method::GET, "/backend/onLogin"),
                (Method::POST, "/cgi-bin/stable_token"),
                (Method::GET, &token),
                (Method::GET, "/sns/jscode2session"),
            ] {
                let (status, body) = json_of(ask(&platform, method, path, headers).await).await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{path} {headers:?}");
                assert!(body["code"] == "cross_site" || body["errcode"] == 48001, "{path}: {body}");
            }
        }
        assert_eq!(platform.get("/_sandbox/state").await, before);
    }

    #[tokio::test]
    async fn a_name_that_nobody_gave_is_answered_nothing() {
        let platform = Platform::new();
        let foreign: Headers<'_> = &[("host", "evil.example:8790")];
        for path in
            ["/", "/help", "/phone", "/phone/phone.js", "/_sandbox/state", "/_sandbox/events", "/nothing"]
        {
            let (status, body) = json_of(ask(&platform, Method::GET, path, foreign).await).await;
            assert_eq!((status.as_u16(), &body["code"]), (421, &json!("unknown_host")), "{path}");
        }
        let (status, body) = json_of(ask(&platform, Method::GET, "/cgi-bin/token", foreign).await).await;
        assert_eq!((status.as_u16(), &body["errcode"]), (421, &json!(40066)), "in WeChat's form");
        let two: Headers<'_> = &[("host", "127.0.0.1"), ("host", "evil.example")];
        assert_eq!(ask(&platform, Method::GET, "/", two).await.status().as_u16(), 421);
        let absolute = "http://evil.example/_sandbox/state";
        let local: Headers<'_> = &[("host", "127.0.0.1")];
        assert_eq!(ask(&platform, Method::GET, absolute, local).await.status().as_u16(), 421);
    }

    #[tokio::test]
    async fn programs_and_the_sandboxs_own_pages_are_answered() {
        let platform = Platform::new();
        let fine: [Headers<'_>; 5] = [
            &[],
            &[("host", "127.0.0.1:8790"), ("content-type", "application/x-www-form-urlencoded")], // curl -d
            &[
                ("host", "127.0.0.1:8790"),
                ("origin", "http://127.0.0.1:8790"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("host", "localhost:8790"), ("origin", "http://localhost:8790")],
            &[("host", "api.weixin.qq.com")],
        ];
        for headers in fine {
            let answer = ask(&platform, Method::POST, "/_sandbox/reset", headers).await;
            assert_eq!(answer.status(), StatusCode::OK, "{headers:?}");
        }
        // A link to a page works from every site.
        let link: Headers<'_> = &[("host", "localhost:8790"), ("sec-fetch-site", "cross-site")];
        assert_eq!(ask(&platform, Method::GET, "/phone", link).await.status(), StatusCode::OK);
        assert_eq!(ask(&platform, Method::GET, "/", link).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn every_answer_has_the_headers_that_hold_a_browser_back() {
        let platform = Platform::new();
        for path in
            ["/", "/help", "/phone", "/nothing", "/_sandbox/seed", "/_sandbox/nothing", "/cgi-bin/token"]
        {
            let answer = ask(&platform, Method::GET, path, &[]).await;
            let has = |name: &str, part: &str| {
                answer.headers().get(name).is_some_and(|value| value.to_str().unwrap().contains(part))
            };
            assert!(has("x-content-type-options", "nosniff"), "{path}");
            assert!(has("referrer-policy", "no-referrer"), "{path}");
            assert!(has("content-security-policy", "frame-ancestors 'none'"), "{path}");
            let is_file = path.starts_with("/phone");
            assert!(has("cache-control", if is_file { "no-cache" } else { "no-store" }), "{path}");
        }
        let answer = ask(&platform, Method::GET, "/cgi-bin/token", &[]).await;
        assert_eq!(answer.headers()["content-type"], "application/json; encoding=utf-8", "as WeChat says it");
    }
}
