//! The facade: WeChat's own paths at the root of the host, so that an existing back end migrates by changing its host.
//!
//! The facade hands out *gateway tokens*. The real access token stays in the gateway, so a back end cannot invalidate it by
//! fetching another. All answers have WeChat's form: HTTP 200 and `errcode`, `errmsg`, `rid`. So have the answers at every
//! path outside the gateway's own API, because an SDK may request any path.
//!
//! | module | knows |
//! | --- | --- |
//! | `calls` | the paths of the calls that the gateway handles itself |
//! | `elsewhere` | paths that nobody serves |
//! | `answer` | WeChat's form, and the gateway's own errcodes in it |
//! | `request` | reading calls leniently; which parts of a URL are passed on |
//! | `token` | both token calls, and the app that a call's token belongs to |
//! | `login` | `jscode2session` |
//! | `send` | both sends, as messages of the ledger |
//! | `secret` | calls that are made with the AppSecret itself |
//! | `pass` | all other calls, passed on with the real token |
//! | `rid` | WeChat's details of a refused request, without credentials |
//! | `refused` | logs wrong secrets and tokens |
//! | `body`, `headers`, `clean` | bodies and headers that are passed on |

mod answer;
mod body;
mod calls;
mod clean;
mod elsewhere;
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
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use hongyan_wechat::paths::FAMILIES;

use crate::context::Context;
use calls::{CLEAR_QUOTA, LOGIN, OAUTH2, RID, SEND_SUBSCRIBE, SEND_TEMPLATE, STABLE_TOKEN, TOKEN};
pub(crate) use elsewhere::elsewhere;

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
}
