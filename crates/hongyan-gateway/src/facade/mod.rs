//! The facade: WeChat's own paths at the root of the host, so that an existing back end moves by changing its host.
//!
//! It hands out *gateway tokens*. The real access token never leaves, so nobody can kill it by fetching another.
//! Everything here answers in WeChat's form: HTTP 200 and `errcode`, `errmsg`, `rid`. So does every path that is not the
//! gateway's own (`elsewhere`), for an SDK may ask for any.
//!
//! | module | knows |
//! | --- | --- |
//! | `answer` | WeChat's form, and the gateway's own errcodes in it |
//! | `request` | reading calls leniently; what of an address is passed on |
//! | `token` | both token calls, and whose token a call brings |
//! | `login` | `jscode2session` |
//! | `send` | both sends, as messages of the ledger |
//! | `secret` | calls that are made with the AppSecret itself |
//! | `pass` | everything else, passed on with the real token put in |
//! | `rid` | what WeChat knows of a refused request, without the credentials in it |
//! | `refused` | wrong secrets and tokens, in the log |
//! | `body`, `headers`, `clean` | of what is passed on |

mod answer;
mod body;
mod clean;
mod headers;
mod login;
mod pass;
mod refused;
mod request;
mod rid;
mod secret;
mod send;
mod token;

use axum::Router;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use hongyan_wechat::paths::{FAMILIES, is_plain};

use crate::context::Context;
use answer::{INVALID_URL, NOT_PASSED_ON, Refusal};

const TOKEN: &str = "/cgi-bin/token";
const STABLE_TOKEN: &str = "/cgi-bin/stable_token";
const LOGIN: &str = "/sns/jscode2session";
const SEND_TEMPLATE: &str = "/cgi-bin/message/wxopen/template/send";
const SEND_SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";
const CLEAR_QUOTA: &str = "/cgi-bin/clear_quota/v2";
const RID: &str = "/cgi-bin/openapi/rid/get";
const OAUTH2: &str = "/sns/oauth2/access_token";

/// The calls that the gateway makes itself. They are passed on under no other spelling.
const OWN_CALLS: [&str; 8] =
    [TOKEN, STABLE_TOKEN, LOGIN, SEND_TEMPLATE, SEND_SUBSCRIBE, CLEAR_QUOTA, RID, OAUTH2];

/// Those of them that WeChat documents as GET. It takes the others by POST alone.
const GET_CALLS: [&str; 3] = [TOKEN, LOGIN, OAUTH2];

/// The first parts of the gateway's own paths, and of those that browsers and probes ask every host for.
const GATEWAYS: [&str; 12] = [
    "",
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

/// WeChat's paths.
pub fn router(context: Context) -> Router {
    let mut router = Router::new()
        .route(TOKEN, get(token::token).post(token::token))
        .route(STABLE_TOKEN, post(token::stable_token))
        .route(LOGIN, get(login::jscode2session).post(login::jscode2session))
        .route(SEND_TEMPLATE, post(send::template))
        .route(SEND_SUBSCRIBE, post(send::subscribe))
        .route(CLEAR_QUOTA, post(secret::clear_quota))
        .route(RID, post(rid::get))
        .route(OAUTH2, get(secret::oauth2));
    for family in FAMILIES {
        router = router.route(&format!("/{family}/{{*path}}"), any(pass::pass));
    }
    let noter = refused::Noter::new(context.clone());
    router
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(from_fn_with_state(noter, refused::note))
        .with_state(context)
}

/// The answer at a path that nobody serves; `None`: it is one of the gateway's own, which speak another form.
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
    fn the_pages_list_every_family_of_paths() {
        for page in ["facade.md", "facade.zh-CN.md"] {
            let path = format!("{}/../../docs/{page}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            for family in FAMILIES {
                assert!(text.contains(&format!("`/{family}`")), "{page} does not list /{family}");
            }
        }
    }

    #[test]
    fn the_gateways_own_paths_keep_their_form() {
        for path in
            ["/", "/v1/x", "/mp/x", "/console/x", "/callback/x", "/favicon.ico", "/.env", "/robots.txt"]
        {
            assert!(elsewhere(&path.parse().unwrap()).is_none(), "{path}");
        }
        for path in ["/wxb/x", "/cgi-bin", "/cgi-bin/", "//v1/x", "//cgi-bin/x", "/mpx", "/V1/x"] {
            assert!(elsewhere(&path.parse().unwrap()).is_some(), "{path}");
        }
    }
}
