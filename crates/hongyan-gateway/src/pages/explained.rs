//! `GET /errcodes` and `GET /problems`: what each errcode and each problem means. `?q=` searches, without a script.

use std::sync::LazyLock;

use askama::Template;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use hongyan_ui::{Language, Shell};

use super::frame::{answer, frame};
use super::marked;
use super::missing::missing;
use super::words::Words;
use crate::reference::{self, Entry, Page};

/// The longest search text. No entry contains a longer text.
const MAX_SOUGHT_BYTES: usize = 100;

/// A page in Chinese and English.
type Pages = LazyLock<[Page; 2]>;

static ERRCODES: Pages = LazyLock::new(|| [Language::Zh, Language::En].map(reference::errcodes));
static PROBLEMS: Pages = LazyLock::new(|| [Language::Zh, Language::En].map(reference::problems));

#[derive(Template)]
#[template(path = "explained.html")]
struct ExplainedPage {
    frame: Shell,
    words: Words,
    page: &'static Page,
    /// The path of the page with all entries.
    path: &'static str,
    sought: String,
    entries: Vec<&'static Entry>,
    /// The page is about its only entry.
    is_single: bool,
}

impl ExplainedPage {
    fn marked(&self, text: &str) -> String {
        marked::html(text)
    }

    fn nothing_found(&self) -> &'static str {
        if self.path == "/errcodes" { self.words.nothing_found() } else { self.words.no_such_problem() }
    }
}

pub(super) async fn errcodes(address: Uri, headers: HeaderMap) -> Response {
    list("/errcodes", &ERRCODES, &address, &headers)
}

pub(super) async fn problems(address: Uri, headers: HeaderMap) -> Response {
    list("/problems", &PROBLEMS, &address, &headers)
}

/// `GET /errcodes/{code}`.
pub(super) async fn errcode(method: Method, address: Uri, headers: HeaderMap) -> Response {
    single("/errcodes", &ERRCODES, &method, &address, &headers)
}

/// `GET /problems/{code}`.
pub(super) async fn problem(method: Method, address: Uri, headers: HeaderMap) -> Response {
    single("/problems", &PROBLEMS, &method, &address, &headers)
}

fn of(pages: &'static Pages, language: Language) -> &'static Page {
    let [zh, en] = &**pages;
    language.pick(zh, en)
}

/// The entries that contain what `?q=` seeks.
fn list(path: &'static str, pages: &'static Pages, address: &Uri, headers: &HeaderMap) -> Response {
    let frame = frame(path, address, headers);
    let page = of(pages, frame.language);
    let query = address.query().unwrap_or_default();
    let sought = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "q");
    let sought = sought.map(|(_, text)| text.trim().to_owned()).unwrap_or_default();
    let sought = if sought.len() > MAX_SOUGHT_BYTES { String::new() } else { sought };
    let entries = page.find(&sought);
    let words = Words(frame.language);
    let page = ExplainedPage { frame, words, page, path, sought, entries, is_single: false };
    answer(&page.frame, &page)
}

/// The entry that the last part of the path names.
fn single(
    path: &'static str,
    pages: &'static Pages,
    method: &Method,
    address: &Uri,
    headers: &HeaderMap,
) -> Response {
    let frame = frame(path, address, headers);
    let page = of(pages, frame.language);
    let name = address.path().rsplit('/').next().unwrap_or_default();
    let Some(entry) = page.entries.iter().find(|entry| entry.name == name) else {
        return missing(method, address, headers);
    };
    let (words, sought) = (Words(frame.language), String::new());
    let page = ExplainedPage { frame, words, page, path, sought, entries: vec![entry], is_single: true };
    answer(&page.frame, &page)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn text(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    async fn errcodes_at(address: &'static str) -> String {
        text(errcodes(Uri::from_static(address), HeaderMap::new()).await).await
    }

    async fn problems_at(address: &'static str) -> String {
        text(problems(Uri::from_static(address), HeaderMap::new()).await).await
    }

    #[tokio::test]
    async fn every_errcode_and_every_problem_has_a_place_on_its_page() {
        for lang in ["zh", "en"] {
            let (errcodes, problems) = match lang {
                "zh" => (errcodes_at("/errcodes?lang=zh").await, problems_at("/problems?lang=zh").await),
                _ => (errcodes_at("/errcodes?lang=en").await, problems_at("/problems?lang=en").await),
            };
            for info in hongyan_wechat::all_errcodes() {
                let help = crate::problem::errcode::help(info.errcode).unwrap();
                let anchor = help.strip_prefix("/errcodes#").unwrap();
                assert_eq!(errcodes.matches(&format!("<section id=\"{anchor}\"")).count(), 1, "{anchor}");
                assert_eq!(errcodes.matches(&format!("href=\"#{anchor}\"")).count(), 1, "in the index");
            }
            for known in crate::problem::CODES {
                assert_eq!(problems.matches(&format!("<section id=\"{}\"", known.code)).count(), 1);
            }
        }
    }

    #[tokio::test]
    async fn what_is_looked_for_is_shown_alone_and_never_as_markup() {
        let page = errcodes_at("/errcodes?lang=en&q=43101").await;
        assert!(
            page.contains("<section id=\"errcode-43101\"") && !page.contains("<section id=\"errcode-40001\"")
        );
        assert!(page.contains("value=\"43101\"") && page.contains("?q=43101&#38;lang=zh"), "{page}");
        let word = problems_at("/problems?q=Too_Late_To_CANCEL").await;
        assert!(word.contains("<section id=\"too_late_to_cancel\""), "upper and lower case are the same");
        let nothing = errcodes_at("/errcodes?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await;
        assert!(!nothing.contains("<script>") && !nothing.contains("<section id="), "{nothing}");
    }

    #[test]
    fn every_word_counts_and_the_exact_name_comes_first() {
        let page = of(&ERRCODES, Language::En);
        let names =
            |sought: &str| page.find(sought).iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>();
        assert_eq!(names("-1")[0], "-1");
        assert_eq!(names("quota midnight"), names("midnight QUOTA"));
        assert!(names("quota midnight").contains(&"45009") && !names("quota midnight").contains(&"43101"));
        assert_eq!(names("").len(), page.entries.len());
    }
}
