//! The handlers, what is around each page, and the words.
//!
//! | module | knows |
//! | --- | --- |
//! | `answer` | a page as an answer that a browser keeps and asks about |
//! | `assets` | the style sheet and the script |
//! | `frame` | what is around each page: the list of pages, the search, the switch of the language |
//! | `written` | the pages of `docs/` |
//! | `found` | `GET /docs/LANGUAGE/search` |
//! | `calls` | the pages about calls |
//! | `missing` | what an address without a page answers |
//! | `words` | the words of all pages |

mod answer;
mod assets;
mod calls;
mod found;
mod frame;
mod missing;
mod words;
mod written;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use hongyan_ui::Language;

use crate::book::Book;
use crate::place;
use assets::{SCRIPT, STYLE};
use frame::Request;

/// All routes of the site.
pub(crate) fn router() -> Router {
    let pages = Router::new()
        .route(place::ROOT, get(front))
        .route("/docs/", get(front))
        .route("/docs/{*path}", get(show));
    STYLE.route(SCRIPT.route(pages))
}

/// `GET /docs`: the start page in the reader's language.
async fn front(address: Uri, headers: HeaderMap) -> Response {
    to_language(&address, &headers, "")
}

/// Leads to a page in the reader's language.
fn to_language(address: &Uri, headers: &HeaderMap, slug: &str) -> Response {
    let language = Language::wanted(address.query(), headers);
    let mut response = Redirect::temporary(&place::address(language, slug)).into_response();
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language, cookie"));
    Language::keep_asked(address.query(), response.headers_mut());
    response
}

/// `GET /docs/…`.
async fn show(address: Uri, headers: HeaderMap) -> Response {
    // As it was sent, still encoded: so it may stand in a redirect.
    let path = address.path().trim_start_matches(place::ROOT).trim_start_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let language = match first {
        "en" => Language::En,
        "zh" => Language::Zh,
        "images" => {
            return answer::picture(path, &headers).unwrap_or_else(|| to_language(&address, &headers, path));
        }
        "reference" if rest.ends_with("/openapi.json") => {
            return calls::description(rest).unwrap_or_else(|| to_language(&address, &headers, path));
        }
        _ => return to_language(&address, &headers, &clean(path)),
    };
    // `/docs/en/api?lang=zh` is the page in Chinese, and the choice is kept.
    if Language::asked(address.query()).is_some_and(|asked| asked != language) {
        return to_language(&address, &headers, rest);
    }
    let cleaned = clean(rest);
    if cleaned != rest || !path.contains('/') {
        return Redirect::permanent(&place::address(language, &cleaned)).into_response();
    }
    let request = Request { language, slug: rest, address: &address, headers: &headers };
    let mut response = if rest == "search" {
        found::show(&request)
    } else if let Some(calls) = rest.strip_prefix("reference/") {
        calls::show(&request, calls)
    } else if let Some((place, page)) = Book::of(language).page(rest) {
        written::show(&request, place, page)
    } else {
        missing::show(&request)
    };
    Language::keep_asked(address.query(), response.headers_mut());
    response
}

/// The address of a page from what somebody may have written instead: the name of its file, or a slash at the end.
fn clean(path: &str) -> String {
    let path = path.trim_matches('/');
    let name = ["README.md", ".zh-CN.md", ".md", ".html"].iter().find_map(|ending| path.strip_suffix(ending));
    name.map_or_else(|| path.to_owned(), |name| name.trim_end_matches('/').to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_becomes_the_address_of_its_page() {
        for (written, address) in [
            ("api.md", "api"),
            ("api.zh-CN.md", "api"),
            ("api/", "api"),
            ("README.md", ""),
            ("decisions/README.md", "decisions"),
            ("ARCHITECTURE.md", "architecture"),
            ("reference/gateway", "reference/gateway"),
        ] {
            assert_eq!(clean(written), address);
        }
    }
}
