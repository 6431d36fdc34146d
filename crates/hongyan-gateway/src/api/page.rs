//! `GET /` and `GET /console`: the front page, for people who open the gateway in a browser; `GET /errcodes` and
//! `GET /problems`: the pages to which refusals link.
//!
//! A web console is not part of this version; the page says so, and shows what there is.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, HeaderName, header};
use axum::routing::get;

use crate::reference::Language::{En, Zh};
use crate::reference::{Page, errcodes, problems};

/// Runs no script and loads nothing; its styles and icon stand in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// How the files name their styles; each is a whole page, to be looked at also without the gateway.
const STYLE_LINK: &str = "<link rel=\"stylesheet\" href=\"style.css\">";

/// The page in Chinese.
static ZH: LazyLock<String> = LazyLock::new(|| with_style(include_str!("page/zh.html")));

/// The page in English.
static EN: LazyLock<String> = LazyLock::new(|| with_style(include_str!("page/en.html")));

fn with_style(page: &str) -> String {
    page.replace(STYLE_LINK, concat!("<style>\n", include_str!("page/style.css"), "</style>"))
}

/// The errcodes, in Chinese and English.
static ERRCODES: LazyLock<[String; 2]> =
    LazyLock::new(|| [Zh, En].map(|language| whole(&errcodes(language))));

/// The problems, in Chinese and English.
static PROBLEMS: LazyLock<[String; 2]> =
    LazyLock::new(|| [Zh, En].map(|language| whole(&problems(language))));

/// A page of explanations in the frame of the front page.
fn whole(page: &Page) -> String {
    let frame = if page.language == Zh { &*ZH } else { &*EN };
    let head = frame.split_once("<h1>").map_or("", |(head, _)| head);
    format!("{head}{}</main>\n</body>\n</html>\n", page.html())
}

/// All addresses.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(page))
        .route("/console", get(page))
        .route("/errcodes", get(async |query, headers| answer(query, &headers, &ERRCODES[0], &ERRCODES[1])))
        .route("/problems", get(async |query, headers| answer(query, &headers, &PROBLEMS[0], &PROBLEMS[1])))
}

async fn page(query: RawQuery, headers: HeaderMap) -> Answer {
    answer(query, &headers, &ZH, &EN)
}

/// A page with its headers.
type Answer = ([(HeaderName, &'static str); 5], &'static str);

/// The page, in the language of `?lang=`, else in the one that the browser prefers.
fn answer(RawQuery(query): RawQuery, headers: &HeaderMap, zh: &'static str, en: &'static str) -> Answer {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let page = if is_chinese(query.as_deref().unwrap_or_default(), accepted) { zh } else { en };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::VARY, "accept-language"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, page)
}

/// Browsers list languages by preference, so the first of ours counts. Who names none of them gets English.
fn is_chinese(query: &str, accepted: Option<&str>) -> bool {
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("lang="));
    let accepted = accepted.into_iter().flat_map(|list| list.split(',')).map(str::trim);
    let first = asked.into_iter().chain(accepted).find_map(|language| {
        let language = language.get(..2)?.to_ascii_lowercase();
        match language.as_str() {
            "zh" => Some(true),
            "en" => Some(false),
            _ => None,
        }
    });
    first.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::openapi::tests::described;

    #[test]
    fn the_language_is_the_one_asked_for_or_the_first_that_the_browser_accepts() {
        assert!(is_chinese("lang=zh", Some("en")));
        assert!(!is_chinese("a=b&lang=en", Some("zh-CN")));
        assert!(is_chinese("", Some("zh-CN,zh;q=0.9,en;q=0.8")));
        assert!(!is_chinese("", Some("en-US,en;q=0.9,zh-CN;q=0.8")));
        assert!(is_chinese("lang=xx", Some("fr,zh;q=0.5")));
        assert!(!is_chinese("", None));
    }

    #[test]
    fn both_pages_list_every_call_and_no_other() {
        let described: BTreeSet<String> = described()
            .into_iter()
            .map(|(path, method)| format!("{} {path}", method.to_uppercase()))
            .collect();
        for page in [&*ZH, &*EN] {
            let listed: BTreeSet<String> = page
                .split("<dt data-call>")
                .skip(1)
                .filter_map(|rest| rest.split_once("</dt>"))
                .map(|(call, _)| call.replace("<b>", "").replace("</b>", ""))
                .collect();
            assert_eq!(listed, described);
        }
    }

    #[test]
    fn every_errcode_and_every_problem_has_a_place_on_its_page() {
        for (zh, en) in [(&ERRCODES[0], &ERRCODES[1]), (&PROBLEMS[0], &PROBLEMS[1])] {
            assert!(zh.contains("<html lang=\"zh-CN\">") && en.contains("<html lang=\"en\">"));
        }
        for info in hongyan_wechat::all_errcodes() {
            let help = crate::reference::help(info.errcode).unwrap();
            let anchor = help.strip_prefix("/errcodes#").unwrap();
            for page in &*ERRCODES {
                assert_eq!(page.matches(&format!("<section id=\"{anchor}\">")).count(), 1, "{anchor}");
            }
        }
        for known in crate::problem::CODES {
            for page in &*PROBLEMS {
                assert_eq!(page.matches(&format!("<section id=\"{}\">", known.code)).count(), 1);
            }
        }
    }

    #[test]
    fn the_pages_load_nothing() {
        for page in [&*ZH, &*EN, &ERRCODES[0], &ERRCODES[1], &PROBLEMS[0], &PROBLEMS[1]] {
            for word in
                ["<link rel=\"stylesheet", "<script", "src=", "url(", "@import", "http://", "https://"]
            {
                // The icon is drawn in an address of its own; its namespace is a name, not a place.
                let page = page.replace("http://www.w3.org/2000/svg", "");
                assert!(!page.contains(word), "{word}");
            }
        }
    }
}
