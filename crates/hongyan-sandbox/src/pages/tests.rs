use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use crate::testing::Platform;

async fn text_of(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn page(platform: &Platform, path: &str) -> String {
    let response = platform.ask(Method::GET, path, Body::empty()).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    text_of(response).await
}

async fn send(platform: &Platform, value: &str) {
    platform.accept(&platform.seed.subscribe_template).await;
    let mut message = platform.subscribe_message();
    message["data"]["thing1"]["value"] = json!(value);
    assert_eq!(platform.send_subscribe(&platform.token().await, message).await["errcode"], 0);
}

#[tokio::test]
async fn an_empty_inbox_says_how_to_send_a_message() {
    let platform = Platform::new();
    let request = Request::get("/inbox").header(header::HOST, "127.0.0.1:9999").body(Body::empty()).unwrap();
    let empty = text_of(platform.router.clone().oneshot(request).await.unwrap()).await;
    assert!(
        empty.contains("No messages yet") && empty.contains("http://127.0.0.1:9999/cgi-bin/token"),
        "{empty}"
    );
    send(&platform, "拿铁").await;
    assert!(!page(&platform, "/inbox").await.contains("No messages yet"));
}

#[tokio::test]
async fn texts_of_a_message_are_never_markup() {
    let platform = Platform::new();
    send(&platform, "<img src=x>").await;
    for path in ["/inbox", "/inbox/1", "/inbox?q=%3Cimg&appid=%22%3E%3Cb%3E"] {
        let page = page(&platform, path).await;
        assert!(!page.contains("<img src=x") && !page.contains("\"><b>"), "{page}");
    }
}

#[tokio::test]
async fn a_complaint_is_told_in_the_language_of_the_page() {
    let platform = Platform::new();
    platform.accept(&platform.seed.subscribe_template).await;
    let mut message = platform.subscribe_message();
    message["page"] = json!("/pages/index");
    assert_eq!(platform.send_subscribe(&platform.token().await, message).await["errcode"], 0);
    let (zh, en) = ("page 不要以斜杠开头", "write page without a leading slash");
    let told = page(&platform, "/inbox/1?lang=zh").await;
    assert!(told.contains(zh) && !told.contains(en), "{told}");
    let told = page(&platform, "/inbox/1?lang=en").await;
    assert!(told.contains(en) && !told.contains(zh), "{told}");
    let opened = platform.get("/_sandbox/inbox/1").await;
    let mut complaints = opened["complaints"].as_array().unwrap().iter();
    let complaint = complaints.find(|complaint| complaint["code"] == "leading_slash").unwrap();
    assert!(complaint["detail"].as_str().unwrap().starts_with(en), "{complaint}");
    assert!(complaint["detail_zh"].as_str().unwrap().starts_with(zh), "{complaint}");
}

#[tokio::test]
async fn a_search_needs_every_word_and_does_not_mind_the_case() {
    let platform = Platform::new();
    for value in ["Latte", "Flat White", "拿铁 Été"] {
        send(&platform, value).await;
    }
    let found = async |q: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", q).finish();
        page(&platform, &format!("/inbox?{query}")).await.matches("data-card=").count()
    };
    assert_eq!(found("LATTE").await, 1);
    assert_eq!(found("white flat").await, 1);
    assert_eq!(found("white latte").await, 0);
    assert_eq!(found("ÉTÉ").await, 1);
    assert_eq!(found("").await, 3);
    assert_eq!(found(&platform.seed.openid).await, 3);
    assert_eq!(found(&platform.seed.subscribe_template).await, 3);
    assert_eq!(page(&platform, "/inbox?kind=legacy").await.matches("data-card=").count(), 0);
    assert_eq!(page(&platform, "/inbox?kind=other").await.matches("data-card=").count(), 0);
}

#[tokio::test]
async fn the_page_of_a_card_that_is_gone_is_not_found() {
    let platform = Platform::new();
    send(&platform, "拿铁").await;
    let deleted = platform.ask(Method::POST, "/inbox/1/delete?q=a", Body::empty()).await;
    assert_eq!(
        (deleted.status(), &deleted.headers()[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/inbox?q=a".parse().unwrap())
    );
    for path in ["/inbox/1", "/inbox/none"] {
        assert_eq!(platform.ask(Method::GET, path, Body::empty()).await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn what_was_found_is_deleted_and_nothing_else() {
    let platform = Platform::new();
    for value in ["Latte", "Mocha", "Latte"] {
        send(&platform, value).await;
    }
    let delete = async |path: &str| {
        assert_eq!(platform.ask(Method::POST, path, Body::empty()).await.status(), StatusCode::SEE_OTHER);
        platform.inbox().await.len()
    };
    assert_eq!(delete("/inbox/delete?kind=unknown").await, 3);
    assert_eq!(delete("/inbox/delete?appid=wx0").await, 3);
    assert_eq!(delete("/inbox/delete?q=latte").await, 1);
    assert_eq!(delete("/inbox/delete").await, 0);
}

#[tokio::test]
async fn a_reader_is_told_at_once_and_after_each_change() {
    let platform = Platform::new();
    let mut ticks = platform.ask(Method::GET, "/inbox/live", Body::empty()).await.into_body();
    let mut next = async || {
        let frame = ticks.frame().await.expect("the stream goes on").unwrap();
        assert_eq!(&frame.into_data().unwrap()[..], b"event: tick\ndata: {}\n\n");
    };
    next().await;
    send(&platform, "拿铁").await;
    next().await;
    platform.delete("/_sandbox/inbox").await;
    next().await;
    platform.post("/_sandbox/reset", json!({})).await;
    next().await;
}

#[tokio::test]
async fn a_new_user_stands_beside_the_phones_that_are_there() {
    let platform = Platform::new();
    let body = Body::from(format!("appid={}", platform.seed.appid));
    let made = platform.ask(Method::POST, "/phones/new?phone=wx1+o1", body).await;
    let to = made.headers()[header::LOCATION].to_str().unwrap().to_owned();
    assert!(to.starts_with(&format!("/phones?phone=wx1+o1&phone={}+o", platform.seed.appid)), "{to}");
    assert_eq!(page(&platform, &to).await.matches("<iframe").count(), 2);
    let unknown = platform.ask(Method::POST, "/phones/new", Body::from("appid=wx0")).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_the_phone_of_a_frame_may_stand_in_a_frame() {
    let platform = Platform::new();
    let policy = async |path: &str| {
        let response = platform.ask(Method::GET, path, Body::empty()).await;
        response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
    };
    assert!(policy("/phones/frame").await.contains("frame-ancestors 'self'"));
    for path in ["/", "/inbox", "/inbox/live", "/phones", "/phone"] {
        assert!(policy(path).await.contains("frame-ancestors 'none'"), "{path}");
    }
}
