//! `GET /`: the front page, for people who open the gateway in a browser; `GET /errcodes` and
//! `GET /problems`: the pages to which refusals link.

use std::borrow::Cow;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, HeaderName, header};
use axum::routing::get;

use crate::reference::Language::{self, En, Zh};
use crate::reference::{Page, errcodes, problems};

/// The pages run no script and load nothing; styles and icon are inline. Their only form asks this host.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// The link to the styles in the page files. With the link, each file can be opened without the gateway.
const STYLE_LINK: &str = "<link rel=\"stylesheet\" href=\"style.css\">";

/// The longest search text. No entry contains a longer text.
const MAX_SOUGHT_BYTES: usize = 100;

/// The page in Chinese.
static ZH: LazyLock<String> = LazyLock::new(|| front(include_str!("zh.html"), Zh));

/// The page in English.
static EN: LazyLock<String> = LazyLock::new(|| front(include_str!("en.html"), En));

/// A page with its styles, and with links that keep its language.
fn front(page: &str, language: Language) -> String {
    let styled = page.replace(STYLE_LINK, concat!("<style>\n", include_str!("style.css"), "</style>"));
    ["/errcodes", "/problems"].iter().fold(styled, |page, path| {
        page.replace(&format!("href=\"{path}\""), &format!("href=\"{path}?lang={}\"", language.code()))
    })
}

/// The errcodes, in Chinese and English.
static ERRCODES: LazyLock<[Page; 2]> = LazyLock::new(|| [Zh, En].map(errcodes));

/// The problems, in Chinese and English.
static PROBLEMS: LazyLock<[Page; 2]> = LazyLock::new(|| [Zh, En].map(problems));

/// A page of explanations in the frame of the front page: its own title, a link to the front page, and the entries that
/// contain `sought`.
fn whole(page: &Page, sought: &str) -> String {
    let frame = if page.language == Zh { &*ZH } else { &*EN };
    let head = frame.split_once("<h1>").map_or("", |(head, _)| head);
    let (before, rest) = head.split_once("<title>").unwrap_or((head, ""));
    let after = rest.split_once("</title>").map_or("", |(_, after)| after);
    let other = page.language.pick("zh", "en");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("lang", other)
        .extend_pairs((!sought.is_empty()).then_some(("q", sought)))
        .finish()
        .replace('&', "&amp;");
    let after = after.replace(&format!("href=\"?lang={other}\""), &format!("href=\"?{query}\""));
    let title = page.title;
    let site = page.language.pick("Hongyan", "鸿雁 Hongyan");
    format!("{before}<title>{title} - {site}</title>{after}{}</main>\n</body>\n</html>\n", page.html(sought))
}

/// All routes.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(page))
        .route("/errcodes", get(async |query, headers| explained(query, &headers, &ERRCODES)))
        .route("/problems", get(async |query, headers| explained(query, &headers, &PROBLEMS)))
}

async fn page(RawQuery(query): RawQuery, headers: HeaderMap) -> Answer {
    let zh = wants_chinese(query.as_deref(), &headers);
    answer(Cow::Borrowed(if zh { &**ZH } else { &**EN }))
}

/// One of the two pages, filtered by `?q=`.
fn explained(RawQuery(query): RawQuery, headers: &HeaderMap, pages: &[Page; 2]) -> Answer {
    let query = query.unwrap_or_default();
    let page = &pages[usize::from(!wants_chinese(Some(&query), headers))];
    let sought = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "q");
    let sought = sought.map(|(_, text)| text.trim().to_owned()).unwrap_or_default();
    let sought = if sought.len() > MAX_SOUGHT_BYTES { "" } else { &sought };
    answer(Cow::Owned(whole(page, sought)))
}

/// A page with its headers.
type Answer = ([(HeaderName, &'static str); 5], Cow<'static, str>);

fn answer(page: Cow<'static, str>) -> Answer {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::VARY, "accept-language"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, page)
}

/// The language of `?lang=`, else the browser's preferred language.
fn wants_chinese(query: Option<&str>, headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    is_chinese(query.unwrap_or_default(), accepted)
}

/// Browsers list languages by preference, so the first language that we have counts. The default is English.
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
        let [errcodes, problems] =
            [&*ERRCODES, &*PROBLEMS].map(|pages| pages.each_ref().map(|page| whole(page, "")));
        for [zh, en] in [&errcodes, &problems] {
            assert!(zh.contains("<html lang=\"zh-CN\">") && en.contains("<html lang=\"en\">"));
        }
        for info in hongyan_wechat::all_errcodes() {
            let help = crate::problem::errcode::help(info.errcode).unwrap();
            let anchor = help.strip_prefix("/errcodes#").unwrap();
            for page in &errcodes {
                assert_eq!(page.matches(&format!("<section id=\"{anchor}\">")).count(), 1, "{anchor}");
                assert_eq!(page.matches(&format!("href=\"#{anchor}\"")).count(), 1, "in the index");
            }
        }
        for known in crate::problem::CODES {
            for page in &problems {
                assert_eq!(page.matches(&format!("<section id=\"{}\">", known.code)).count(), 1);
            }
        }
    }

    #[test]
    fn each_page_has_its_own_title_and_the_way_home_and_keeps_the_language() {
        for (pages, language, other) in [(&*ERRCODES, "en", "zh"), (&*PROBLEMS, "en", "zh")] {
            let page = whole(&pages[1], "");
            assert!(page.contains(&format!("<title>{} - Hongyan</title>", pages[1].title)), "{page:.900}");
            assert_eq!(page.matches("<title>").count(), 1);
            assert!(page.contains(&format!("href=\"/?lang={language}\"")));
            assert!(page.contains(&format!("href=\"?lang={other}\"")));
        }
        assert!(EN.contains("href=\"/errcodes?lang=en\"") && ZH.contains("href=\"/problems?lang=zh\""));
    }

    #[test]
    fn what_is_looked_for_is_shown_alone_and_never_as_markup() {
        let page = whole(&ERRCODES[1], "43101");
        assert!(
            page.contains("<section id=\"errcode-43101\">")
                && !page.contains("<section id=\"errcode-40001\">")
        );
        assert!(page.contains("value=\"43101\"") && page.contains("?lang=zh&amp;q=43101"));
        let word = whole(&PROBLEMS[1], "Too_Late_To_CANCEL");
        assert!(word.contains("<section id=\"too_late_to_cancel\">"), "upper and lower case are the same");
        let nothing = whole(&ERRCODES[0], "\"><script>alert(1)</script>");
        assert!(!nothing.contains("<script") && !nothing.contains("<section id="), "{nothing}");
    }

    #[test]
    fn the_pages_load_nothing() {
        let explained = ERRCODES.iter().chain(&*PROBLEMS).map(|page| whole(page, ""));
        for page in explained.chain([ZH.clone(), EN.clone()]) {
            for word in
                ["<link rel=\"stylesheet", "<script", "src=", "url(", "@import", "http://", "https://"]
            {
                // The icon is a data URL; its XML namespace looks like a URL but is never loaded.
                let page = page.replace("http://www.w3.org/2000/svg", "");
                assert!(!page.contains(word), "{word}");
            }
        }
    }
}
