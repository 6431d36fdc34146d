//! The facade: WeChat's own paths at the root of the host, so that an existing back end moves by changing its host.
//!
//! It hands out *gateway tokens*. The real access token never leaves, so nobody can kill it by fetching another.
//! Everything here answers in WeChat's form: HTTP 200 and `errcode`, `errmsg`, `rid`.
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
//! | `body`, `headers` | of what is passed on |

mod answer;
mod body;
mod headers;
mod login;
mod pass;
mod request;
mod secret;
mod send;
mod token;

use axum::Router;
use axum::routing::{any, get, post};

use crate::service::Context;

/// WeChat's paths.
pub fn router(context: Context) -> Router {
    Router::new()
        .route("/cgi-bin/token", get(token::token))
        .route("/cgi-bin/stable_token", post(token::stable_token))
        .route("/sns/jscode2session", get(login::jscode2session))
        .route("/cgi-bin/message/wxopen/template/send", post(send::template))
        .route("/cgi-bin/message/subscribe/send", post(send::subscribe))
        .route("/cgi-bin/clear_quota/v2", post(secret::clear_quota))
        .route("/sns/oauth2/access_token", get(secret::oauth2))
        .route("/cgi-bin/{*path}", any(pass::pass))
        .route("/wxa/{*path}", any(pass::pass))
        .route("/wxaapi/{*path}", any(pass::pass))
        .route("/sns/{*path}", any(pass::pass))
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(axum::extract::DefaultBodyLimit::max(context.settings.max_body_bytes))
        .with_state(context)
}
