//! The command line at gateways of other versions.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;

use crate::daily::{at, stderr};
use crate::process::run;

/// Something that serves only a description with this version, and one call, which refuses.
async fn gateway_of(version: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let problem = |status: StatusCode, code: &str, detail: &str| {
        (status, json!({ "code": code, "detail": detail, "status": status.as_u16() }).to_string())
    };
    let description = json!({ "info": { "version": version }, "paths": { "/v1/stats": { "get": {} } } });
    let router = Router::new()
        .route("/openapi.json", get(async move || description.to_string()))
        .route(
            "/v1/stats",
            get(async move || problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", "by is unknown")),
        )
        .fallback(async move || problem(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path"));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_an_older_gateway_does_not_have_is_named_with_both_versions() {
    let url = gateway_of("0.0.1").await;
    let refused = run(&mut at(&url, "hyk_x", &["quota"])).await;
    assert_eq!(refused.status.code(), Some(1));
    let said = stderr(&refused);
    for words in ["version 0.0.1", "has no call GET /v1/quotas", env!("CARGO_PKG_VERSION")] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // A call that the gateway has: its own words come first.
    let refused = run(&mut at(&url, "hyk_x", &["stats", "--by", "app"])).await;
    let said = stderr(&refused);
    assert!(said.contains("by is unknown") && said.contains("older than this command line"), "{said}");
    let newer = gateway_of("99.0.0").await;
    let refused = run(&mut at(&newer, "hyk_x", &["stats"])).await;
    assert!(stderr(&refused).contains("newer than this command line"), "{}", stderr(&refused));
    let same = gateway_of(env!("CARGO_PKG_VERSION")).await;
    let refused = run(&mut at(&same, "hyk_x", &["stats"])).await;
    assert!(!stderr(&refused).contains("this command line"), "{}", stderr(&refused));
}
