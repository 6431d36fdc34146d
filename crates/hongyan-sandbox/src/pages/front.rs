//! The page at `/` and `/help`: what the sandbox is, where its pages are, and which calls there are.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;

use super::frame::Frame;
use crate::control::{CALLS, Call};
use crate::state::seed::Seed;
use crate::{complaints, limits, magic, wechat_api};

#[derive(Template)]
#[template(path = "front.html")]
struct FrontPage {
    frame: Frame,
    seed: Seed,
    /// Rows of tables, as HTML that the sandbox itself wrote.
    magic: String,
    complaints: String,
    limits: String,
    calls: &'static [Call],
    wechat_calls: Vec<(&'static Method, &'static str)>,
}

/// `GET /` and `GET /help`.
pub(super) async fn show(address: Uri, headers: HeaderMap) -> Response {
    let frame = Frame::new("/", &address, &headers);
    let language = frame.language;
    let page = FrontPage {
        frame,
        seed: Seed::constant(),
        magic: magic::html(language),
        complaints: complaints::html(language),
        limits: limits::html(language),
        calls: CALLS,
        wechat_calls: wechat_api::calls().collect(),
    };
    let mut response = page.frame.answer(StatusCode::OK, &page);
    // No form of this page needs to say where it stands.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use hongyan_ui::Language;

    use super::*;
    use crate::control;

    async fn asked(path: &str, name: HeaderName, value: &str) -> (String, HeaderMap) {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
        let response = show(path.parse().unwrap(), headers).await;
        let headers = response.headers().clone();
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        (String::from_utf8(body.to_vec()).unwrap(), headers)
    }

    #[tokio::test]
    async fn the_page_is_in_one_language_and_the_choice_is_kept() {
        let is_zh = |page: &str| {
            let zh = page.contains("<html lang=\"zh-CN\">");
            assert_eq!(zh, page.contains("魔法 id"), "{page}");
            assert_eq!(!zh, page.contains("Magic ids") && page.contains("<html lang=\"en\">"));
            zh
        };
        let (page, headers) = asked("/", header::ACCEPT_LANGUAGE, "zh-CN,zh;q=0.9,en;q=0.8").await;
        assert!(is_zh(&page) && !headers.contains_key(header::SET_COOKIE));
        assert!(!is_zh(&asked("/", header::ACCEPT_LANGUAGE, "en-US,zh;q=0.5").await.0));
        assert!(!is_zh(&asked("/", header::ACCEPT_LANGUAGE, "fr").await.0));
        let (page, headers) = asked("/help?lang=en", header::ACCEPT_LANGUAGE, "zh").await;
        assert!(!is_zh(&page));
        let cookie = headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        assert!(!is_zh(&asked("/", header::COOKIE, &format!("other=zh; {cookie}")).await.0));
        assert!(is_zh(&asked("/?lang=zh-CN", header::COOKIE, &cookie).await.0), "what is asked for wins");
    }

    #[tokio::test]
    async fn the_page_has_everything_in_its_place() {
        for language in [Language::Zh, Language::En] {
            has_everything(&asked("/", header::ACCEPT_LANGUAGE, language.code()).await.0);
        }
    }

    fn has_everything(page: &str) {
        for text in [
            "sandbox-43101",
            "sandbox-lost-answer",
            "/cgi-bin/message/subscribe/send",
            "/_sandbox/pushes",
            "token_in_body",
        ] {
            assert!(page.contains(text), "{text}");
        }
        for name in ["{magic}", "{own_calls}", "{wechat_calls}", "{complaints}", "{limits}", "{style}"] {
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
            let wanted = with_table(&wanted, "limits", &limits::markdown(is_chinese));
            if std::env::var_os("HONGYAN_WRITE_PAGES").is_some() {
                std::fs::write(path_of(name), &wanted).unwrap();
            } else {
                assert!(page == wanted, "run the test with HONGYAN_WRITE_PAGES=1 to write docs/{name}");
            }
        }
    }

    #[test]
    fn the_pages_have_every_call_and_every_fault() {
        for (name, _) in PAGES {
            let page = std::fs::read_to_string(path_of(name)).unwrap();
            for control::Call { method, path, .. } in control::CALLS {
                // A page names two methods of one path at once.
                let is_there = page.lines().any(|line| line.contains(method) && line.contains(path));
                assert!(is_there, "{method} {path} is not in docs/{name}");
            }
            for kind in crate::chaos::ChaosKind::ALL {
                let word = serde_json::to_value(kind).unwrap();
                let row = format!("| `{}` |", word.as_str().unwrap());
                assert!(page.contains(&row), "{row} is not in docs/{name}");
            }
        }
    }
}
