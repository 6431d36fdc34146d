//! The site of the docs: which language, that all of its links lead somewhere, what a browser may keep, and the search.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;

use crate::world::{Answer, Http, World};

async fn get(url: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    Http::new().send(Method::GET, &format!("{url}{path}"), headers, "").await
}

/// Where an answer leads.
fn location(answer: &Answer) -> &str {
    assert!(answer.status.is_redirection(), "{answer:?}");
    answer.headers["location"].to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_lead_to_the_readers_language_and_keep_a_choice() {
    let world = World::start().await;
    for url in [&world.url, &world.wechat.url] {
        let zh = get(url, "/docs", &[("accept-language", "zh-CN, en;q=0.5")]).await;
        assert_eq!(location(&zh), "/docs/zh/");
        assert_eq!(zh.headers["vary"], "accept-language, cookie");
        assert_eq!(location(&get(url, "/docs", &[("accept-language", "fr")]).await), "/docs/en/");
        let kept = [("accept-language", "en"), ("cookie", "hongyan_lang=zh")];
        assert_eq!(location(&get(url, "/docs/api.md", &kept).await), "/docs/zh/api");

        let chosen = get(url, "/docs/en/api?lang=zh", &[]).await;
        assert_eq!(location(&chosen), "/docs/zh/api");
        assert!(chosen.headers["set-cookie"].to_str().unwrap().starts_with("hongyan_lang=zh;"));
        let page = get(url, "/docs/zh/api?lang=zh", &[("accept-language", "en")]).await;
        assert!(page.text.contains("<html lang=\"zh-CN\">") && page.headers.contains_key("set-cookie"));
        assert!(page.text.contains("href=\"/docs/en/api?lang=en\""), "the same page in the other language");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_file_leads_to_its_page() {
    let world = World::start().await;
    for (written, page) in [
        ("/docs/en", "/docs/en/"),
        ("/docs/en/api.md", "/docs/en/api"),
        ("/docs/zh/api.zh-CN.md", "/docs/zh/api"),
        ("/docs/en/decisions/README.md", "/docs/en/decisions"),
        ("/docs/en/api/", "/docs/en/api"),
    ] {
        assert_eq!(location(&get(&world.url, written, &[]).await), page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_page_the_site_says_so_in_its_own_look() {
    let world = World::start().await;
    for (path, text) in
        [("/docs/zh/nothing", "没有这个页面"), ("/docs/en/reference/nothing", "There is no such page")]
    {
        let page = get(&world.url, path, &[]).await;
        assert_eq!(page.status, 404);
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert!(page.text.contains(text) && page.text.contains("role=\"search\""), "{}", page.text);
    }
    let lost = get(&world.url, "/docs/%3Cb%3E?lang=en", &[]).await;
    assert!(!get(&world.url, location(&lost), &[]).await.text.contains("<b>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_asks_before_it_shows_its_copy_again() {
    let world = World::start().await;
    for path in ["/docs/en/api", "/docs/zh/search?q=%E9%A2%9D%E5%BA%A6", "/docs/images/phone.png"] {
        let page = get(&world.url, path, &[]).await;
        assert_eq!(
            (page.status.as_u16(), &page.headers["cache-control"]),
            (200, &"no-cache".parse().unwrap())
        );
        let tag = page.headers["etag"].to_str().unwrap().to_owned();
        let again = get(&world.url, path, &[("if-none-match", &tag)]).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
        assert_eq!(again.headers["etag"].to_str().unwrap(), tag);
        assert_eq!(get(&world.url, path, &[("if-none-match", "\"other\"")]).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_finds_chinese_and_english() {
    let world = World::start().await;
    for (path, page) in [
        ("/docs/zh/search?q=%E9%A2%9D%E5%BA%A6", "/docs/zh/api#"),
        ("/docs/zh/search?q=%E6%A8%A1%E6%9D%BF", "/docs/zh/templates"),
        ("/docs/zh/search?q=%E5%B9%82%E7%AD%89", "/docs/zh/api#"),
        ("/docs/en/search?q=idempotency", "/docs/en/api#"),
        ("/docs/en/search?q=permits", "/docs/en/reference/gateway/permits#"),
    ] {
        let found = get(&world.url, path, &[]).await;
        let listed = found.text.split_once("class=\"found\"").unwrap().1;
        assert!(
            listed.contains(&format!("<a href=\"{page}")) && listed.contains("<mark>"),
            "{path}: {listed}"
        );
    }
    let nothing = get(&world.url, "/docs/en/search?q=%3Cscript%3E", &[]).await;
    assert!(!nothing.text.contains("<script>"), "{}", nothing.text);
    let elsewhere = get(&world.url, "/docs/en/search?q=%E9%A2%9D%E5%BA%A6", &[]).await;
    assert!(elsewhere.text.contains("href=\"/docs/zh/search?q=%E9%A2%9D%E5%BA%A6\""), "{}", elsewhere.text);
}

/// The values of an attribute in a page.
fn values<'a>(page: &'a str, attribute: &str) -> BTreeSet<&'a str> {
    let begin = format!(" {attribute}=\"");
    page.split(&begin).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Every link, picture and script of the whole site, in both languages.
#[tokio::test(flavor = "multi_thread")]
async fn every_link_of_the_site_leads_somewhere_and_to_no_other_host_by_itself() {
    let world = World::start().await;
    let mut to_do = vec!["/docs/en/".to_owned(), "/docs/zh/".to_owned()];
    let mut pages = BTreeMap::new();
    // The anchors that links name: the page, the anchor, and where the link is.
    let mut wanted = Vec::new();
    let mut lost = Vec::new();
    while let Some(path) = to_do.pop() {
        if pages.contains_key(&path) {
            continue;
        }
        let answer = get(&world.url, &path, &[("accept", "text/html")]).await;
        if answer.status != 200 {
            lost.push(format!("{path}: {}", answer.status));
        }
        let is_page =
            answer.headers.get("content-type").is_some_and(|kind| kind == "text/html; charset=utf-8");
        // Pages elsewhere have their own stories.
        let text = if is_page && path.starts_with("/docs/") { answer.text } else { String::new() };
        assert!(!text.contains(" style=\"") && !text.contains("<style"), "{path} has a style of its own");
        for link in values(&text, "href").union(&values(&text, "src")) {
            if link.contains("://") {
                assert!(!values(&text, "src").contains(link), "{path} loads {link}");
                continue;
            }
            let (address, anchor) =
                link.split_once('#').map_or((*link, None), |(address, anchor)| (address, Some(anchor)));
            let address = address.split('?').next().unwrap_or_default();
            let address = if address.is_empty() { path.as_str() } else { address };
            if let Some(anchor) = anchor {
                wanted.push((address.to_owned(), anchor.to_owned(), path.clone()));
            }
            to_do.push(address.to_owned());
        }
        let ids: BTreeSet<String> = values(&text, "id").into_iter().map(str::to_owned).collect();
        pages.insert(path, ids);
    }
    for (page, anchor, path) in wanted {
        if page.starts_with("/docs/") && !pages.get(&page).is_some_and(|ids| ids.contains(&anchor)) {
            lost.push(format!("{path}: {page}#{anchor}"));
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
    assert!(pages.len() > 100, "{:?}", pages.keys());
}
