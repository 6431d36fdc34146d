//! Paths that nobody serves: which of them get an answer in WeChat's form.

use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use hongyan_wechat::paths::is_plain;

use super::answer::{INVALID_URL, NOT_PASSED_ON, Refusal};

/// The first segments of the gateway's own paths, and of paths that browsers and probes request from every host.
const GATEWAYS: [&str; 13] = [
    "",
    "assets",
    "callback",
    "console",
    "errcodes",
    "favicon.ico",
    "livez",
    "metrics",
    "mp",
    "openapi.json",
    "problems",
    "readyz",
    "v1",
];

/// The answer for a path that nobody serves; `None`: the path belongs to the gateway's own API, which answers with problems.
pub(crate) fn elsewhere(uri: &Uri) -> Option<Response> {
    let path = uri.path();
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let is_gateways = !path.starts_with("//") && (GATEWAYS.contains(&first) || first.contains('.'));
    if is_gateways {
        return None;
    }
    let refusal = if is_plain(path) {
        Refusal::own(&NOT_PASSED_ON, "")
    } else {
        Refusal::new(INVALID_URL, "invalid url")
    };
    Some(refusal.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_own_paths_keep_their_form() {
        for path in [
            "/",
            "/v1/x",
            "/mp/x",
            "/console/x",
            "/callback/x",
            "/assets/x",
            "/favicon.ico",
            "/.env",
            "/robots.txt",
        ] {
            assert!(elsewhere(&path.parse().unwrap()).is_none(), "{path}");
        }
        for path in ["/wxb/x", "/cgi-bin", "/cgi-bin/", "//v1/x", "//cgi-bin/x", "/mpx", "/V1/x"] {
            assert!(elsewhere(&path.parse().unwrap()).is_some(), "{path}");
        }
    }
}
