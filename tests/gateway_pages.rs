//! The gateway's own pages: which language, what is kept, and who gets a page where there is nothing.

use http::Method;
use serde_json::json;

use crate::world::{Answer, Http, World};

/// What browsers send.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

async fn get(world: &World, path: &str, headers: &[(&str, &str)]) -> Answer {
    Http::new().send(Method::GET, &format!("{}{path}", world.url), headers, "").await
}

/// The paths of the style sheet, the script and the icon of a page.
fn loaded(page: &str) -> Vec<String> {
    let assets = page.split(['"', '\'']).filter(|part| part.starts_with("/assets/"));
    let mut assets: Vec<String> = assets.map(str::to_owned).collect();
    assets.sort_unstable();
    assets.dedup();
    assets
}

#[tokio::test(flavor = "multi_thread")]
async fn the_language_that_is_asked_for_is_kept_on_all_pages() {
    let world = World::start().await;
    for path in ["/", "/errcodes", "/errcodes/43101", "/problems", "/problems/not_found"] {
        let asked = get(&world, &format!("{path}?lang=zh"), &[("accept-language", "en")]).await;
        assert!(asked.status == 200 && asked.text.contains("<html lang=\"zh-CN\">"), "{path}");
        let cookie = asked.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let headers = [("accept-language", "en"), ("cookie", cookie.as_str())];
        for next in ["/", "/errcodes?q=quota", "/problems", "/console/login"] {
            let kept = get(&world, next, &headers).await;
            assert!(kept.text.contains("<html lang=\"zh-CN\">"), "{path}, then {next}");
            assert!(!kept.headers.contains_key("set-cookie"));
        }
        let english = get(&world, path, &[("accept-language", "fr, en;q=0.5")]).await;
        assert!(english.text.contains("<html lang=\"en\">"), "{path}");
        assert_eq!(english.headers["vary"], "accept-language, cookie");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_loads_files_that_are_kept_for_ever_and_is_light() {
    let world = World::start().await;
    for path in ["/", "/errcodes", "/problems"] {
        let page = get(&world, path, &[("accept", BROWSER)]).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert_eq!(page.headers["cache-control"], "no-cache");
        assert!(!page.text.contains("style=") && !page.text.contains("<style"), "{path}");
        let mut bytes = page.text.len();
        let files = loaded(&page.text);
        assert_eq!(files.len(), 3, "{files:?}");
        for file in files {
            let file = get(&world, &file, &[]).await;
            assert_eq!(file.status, 200);
            assert_eq!(file.headers["cache-control"], "public, max-age=31536000, immutable");
            bytes += file.text.len();
        }
        assert!(bytes <= 150_000, "{path} is {bytes} bytes with what it loads");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_nothing_a_browser_gets_a_page_and_a_program_a_problem() {
    let world = World::start().await;
    for path in ["/robots.txt", "/errcodes/12", "/problems/nothing", "/errcodes/43101/x", "/assets/old.css"] {
        let page = get(&world, path, &[("accept", BROWSER), ("accept-language", "zh")]).await;
        assert_eq!(page.status, 404);
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert!(page.text.contains("<html lang=\"zh-CN\">") && page.text.contains("href=\"/console\""));
        let problem = json!({
            "type": "urn:hongyan:problem:not_found", "title": "There is nothing with this id or path", "status": 404,
            "code": "not_found", "detail": format!("there is nothing at {path}"),
        });
        for accept in [None, Some("*/*"), Some("application/json"), Some("application/json, text/plain, */*")]
        {
            let headers: Vec<_> = accept.map(|accept| ("accept", accept)).into_iter().collect();
            let answer = get(&world, path, &headers).await;
            assert_eq!((answer.status.as_u16(), &answer.body), (404, &problem), "{path} {accept:?}");
            assert_eq!(answer.headers["content-type"], "application/problem+json");
        }
    }
    // The API answers with a problem whatever is accepted; so does a method that changes something.
    get(&world, "/v1/nothing", &[("accept", BROWSER)]).await.problem(404, "not_found");
    get(&world, "/mp/nothing", &[("accept", BROWSER)]).await.problem(404, "not_found");
    let url = format!("{}/robots.txt", world.url);
    Http::new().send(Method::DELETE, &url, &[("accept", BROWSER)], "").await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_page_shows_its_path_as_text() {
    let world = World::start().await;
    let page = get(&world, "/errcodes/x/%3Cb%3E%22?lang=en", &[("accept", BROWSER)]).await;
    assert!(page.status == 404 && !page.text.contains("<b>"), "{}", page.text);
}
