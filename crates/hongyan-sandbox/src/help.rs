//! The page at `/` and `/help`: what this is, where the phone is, and which calls there are.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::response::Html;
use axum::routing::get;

use crate::state::seed::Seed;
use crate::{Inner, complaints, control, magic, wechat_api};

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
        .replace("{complaints}", &complaints::html())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_everything_in_its_place() {
        let page = page();
        for text in [
            "sandbox-43101",
            "sandbox-lost-answer",
            "/cgi-bin/message/subscribe/send",
            "/_sandbox/pushes",
            "token_in_body",
        ] {
            assert!(page.contains(text), "{text}");
        }
        for name in ["{magic}", "{own_calls}", "{wechat_calls}", "{complaints}"] {
            assert!(!page.contains(name), "{name}");
        }
    }

    /// Both pages in `docs/`.
    const PAGES: [(&str, bool); 2] = [("sandbox.md", false), ("sandbox.zh-CN.md", true)];

    fn path_of(page: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page)
    }

    /// The page with the table between its marks.
    fn with_table(page: &str, mark: &str, table: &str) -> String {
        let begin = format!("<!-- {mark} -->\n");
        let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
        let (_, after) = rest.split_once("<!-- end -->").expect("a table has its end");
        format!("{before}{begin}{table}<!-- end -->{after}")
    }

    #[test]
    fn the_tables_of_the_pages_are_those_of_the_code() {
        for (name, is_chinese) in PAGES {
            let page = std::fs::read_to_string(path_of(name)).unwrap();
            let wanted = with_table(&page, "magic ids", &magic::markdown(is_chinese));
            let wanted = with_table(&wanted, "complaints", &complaints::markdown(is_chinese));
            if std::env::var_os("HONGYAN_WRITE_PAGES").is_some() {
                std::fs::write(path_of(name), &wanted).unwrap();
            } else {
                assert!(page == wanted, "run the test with HONGYAN_WRITE_PAGES=1 to write docs/{name} anew");
            }
        }
    }

    #[test]
    fn the_pages_have_every_call_and_every_fault() {
        for (name, _) in PAGES {
            let page = std::fs::read_to_string(path_of(name)).unwrap();
            for (call, _, _) in control::CALLS {
                // Parameters may be fewer here, and a page names two methods of one path at once.
                let (method, rest) = call.split_once(' ').unwrap();
                let path = rest.split('?').next().unwrap();
                let is_there = page.lines().any(|line| line.contains(method) && line.contains(path));
                assert!(is_there, "{call} is not in docs/{name}");
            }
            for kind in crate::chaos::ChaosKind::ALL {
                let word = serde_json::to_value(kind).unwrap();
                let row = format!("| `{}` |", word.as_str().unwrap());
                assert!(page.contains(&row), "{row} is not in docs/{name}");
            }
        }
    }
}
