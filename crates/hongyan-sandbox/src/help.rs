//! The help page at `/` and `/help`: what the sandbox is, where the phone is, and which calls exist. In one language at a
//! time.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use crate::inner::Inner;
use crate::lang::Lang;
use crate::state::seed::Seed;
use crate::{complaints, control, limits, magic, wechat_api};

const ZH: &str = include_str!("help.zh.html");
const EN: &str = include_str!("help.en.html");
const STYLE: &str = include_str!("help.css");

/// The page runs no script and loads nothing; its style is inline.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// The cookie that remembers `?lang=`.
const COOKIE: &str = "hongyan_lang";
const COOKIE_DAYS: u32 = 365;

/// `/` and `/help`.
pub(crate) fn routes() -> Router<Arc<Inner>> {
    Router::new().route("/", get(answer)).route("/help", get(answer))
}

async fn answer(uri: Uri, headers: HeaderMap) -> Response {
    let asked = asked_language(&uri);
    let lang = asked.or_else(|| kept_language(&headers)).unwrap_or_else(|| browsers_language(&headers));
    let fixed: [(HeaderName, &str); 2] =
        [(header::CONTENT_SECURITY_POLICY, POLICY), (header::VARY, "accept-language, cookie")];
    let mut response = (fixed, Html(page(lang))).into_response();
    if let Some(lang) = asked {
        let seconds = COOKIE_DAYS * 86_400;
        let cookie = format!("{COOKIE}={}; Path=/; Max-Age={seconds}; SameSite=Lax; HttpOnly", lang.word());
        let cookie = HeaderValue::try_from(cookie).expect("the words are letters");
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn asked_language(uri: &Uri) -> Option<Lang> {
    let query = uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "lang")
        .and_then(|(_, v)| Lang::of(&v))
}

fn kept_language(headers: &HeaderMap) -> Option<Lang> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .and_then(|(_, word)| Lang::of(word))
}

/// The first language of the browser that the page has. Browsers list the preferred language first.
fn browsers_language(headers: &HeaderMap) -> Lang {
    let wanted =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    wanted.split(',').find_map(|part| Lang::of(part.split(';').next()?)).unwrap_or(Lang::En)
}

fn page(lang: Lang) -> String {
    let seed = Seed::constant();
    let mut wechat = String::new();
    for (method, path) in wechat_api::calls() {
        writeln!(wechat, "<li><code>{method} {path}</code></li>").expect("writing to a string cannot fail");
    }
    let mut own = String::new();
    for call in control::CALLS {
        let shown = call.shown().replace('&', "&amp;");
        writeln!(own, "<tr><td><code>{shown}</code></td><td>{}</td></tr>", lang.of_both(call.zh, call.en))
            .expect("writing to a string cannot fail");
    }
    lang.of_both(ZH, EN)
        .replace("{style}", STYLE)
        .replace("{appid}", &seed.appid)
        .replace("{app_secret}", &seed.app_secret)
        .replace("{openid}", &seed.openid)
        .replace("{legacy_template}", &seed.legacy_template)
        .replace("{subscribe_template}", &seed.subscribe_template)
        .replace("{long_term_template}", &seed.long_term_template)
        .replace("{wechat_calls}", &wechat)
        .replace("{own_calls}", &own)
        .replace("{magic}", &magic::html(lang))
        .replace("{complaints}", &complaints::html(lang))
        .replace("{limits}", &limits::html(lang))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(path: &str, name: HeaderName, value: &str) -> (String, HeaderMap) {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
        let response = answer(path.parse().unwrap(), headers).await;
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

    #[test]
    fn the_page_has_everything_in_its_place() {
        for lang in [Lang::Zh, Lang::En] {
            has_everything(&page(lang));
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
