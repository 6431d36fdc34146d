//! The page at `/` and `/help`: what this is, where the phone is, and which calls there are.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::response::Html;
use axum::routing::get;

use crate::state::seed::Seed;
use crate::{Inner, control, magic, wechat_api};

const PAGE: &str = include_str!("help.html");

/// `/` and `/help`.
pub(crate) fn routes() -> Router<Arc<Inner>> {
    Router::new().route("/", get(|| async { Html(page()) })).route("/help", get(|| async { Html(page()) }))
}

fn page() -> String {
    let seed = Seed::constant();
    let mut wechat = String::new();
    for (method, path) in wechat_api::calls() {
        writeln!(wechat, "<li><code>{method} {path}</code></li>").expect("writing to a string cannot fail");
    }
    let mut own = String::new();
    for (call, zh, en) in control::CALLS {
        writeln!(own, "<tr><td><code>{call}</code></td><td>{zh}</td><td>{en}</td></tr>")
            .expect("writing to a string cannot fail");
    }
    PAGE.replace("{appid}", &seed.appid)
        .replace("{app_secret}", &seed.app_secret)
        .replace("{openid}", &seed.openid)
        .replace("{legacy_template}", &seed.legacy_template)
        .replace("{subscribe_template}", &seed.subscribe_template)
        .replace("{long_term_template}", &seed.long_term_template)
        .replace("{wechat_calls}", &wechat)
        .replace("{own_calls}", &own)
        .replace("{magic}", &magic::html())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_everything_in_its_place() {
        let page = page();
        for text in
            ["sandbox-43101", "sandbox-lost-answer", "/cgi-bin/message/subscribe/send", "/_sandbox/pushes"]
        {
            assert!(page.contains(text), "{text}");
        }
        assert!(!page.contains("{magic}") && !page.contains("{own_calls}"));
    }
}
