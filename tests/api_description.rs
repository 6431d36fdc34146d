//! The promises of the API description about every answer, checked from outside.

use http::Method;
use serde_json::json;

use crate::process::{Gateway, create_key};
use crate::world::{Http, World};

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_names_its_request() {
    let world = World::start_with(|settings| settings.max_body_bytes = 20_000).await;
    let large = format!("{{\"app\":\"{}\"}}", "x".repeat(30_000));
    let asked = [
        (Method::GET, "/v1/messages", "", 200),
        (Method::POST, "/v1/messages", "{", 400),
        (Method::GET, "/v1/nothing", "", 404),
        (Method::PUT, "/v1/messages", "", 405),
        (Method::POST, "/v1/messages", large.as_str(), 413),
        (Method::POST, "/v1/messages", "{}", 422),
        (Method::POST, "/mp/wx0123456789abcdef/permits", "{\"permits\":[]}", 401),
    ];
    let mut names = std::collections::HashSet::new();
    for (method, path, body, status) in asked {
        let answer = world.call(method.clone(), path, &[], body.to_owned()).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {answer:?}");
        let name = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        assert!(names.insert(name), "{method} {path}: the same request id twice");
    }
    let stranger = world.call(Method::GET, "/v1/messages", &[("authorization", "")], "").await;
    assert_eq!(stranger.status, 401);
    assert!(stranger.headers.contains_key("x-request-id"));

    let own = world.call(Method::GET, "/v1/apps", &[("x-request-id", "order-7/try.2")], "").await;
    assert_eq!(own.headers["x-request-id"], "order-7/try.2");
    let long = "x".repeat(129);
    for bad in ["a b", "{\"x\":1}", long.as_str()] {
        let answer = world.call(Method::GET, "/v1/apps", &[("x-request-id", bad)], "").await;
        assert_ne!(answer.headers["x-request-id"], bad);
    }
    // The facade answers as WeChat does.
    assert!(!world.get("/cgi-bin/token").await.headers.contains_key("x-request-id"));
}

/// The peak memory of a process, in KiB.
fn peak_of(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_full_of_tiny_items_costs_little_memory() {
    const MOST_KIB: u64 = 16 * 1024;
    const BODY: usize = 4 * 1024 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let key = create_key(dir.path()).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let filled = |begin: &str, item: &str, end: &str| {
        let count = (BODY - begin.len() - end.len() - 16) / item.len();
        format!("{begin}{}{end}", item.repeat(count))
    };
    let http = Http::new();
    for path in ["/v1/messages", "/v1/permits"] {
        let name = path.trim_start_matches("/v1/");
        let bodies = [
            (filled(&format!("{{\"{name}\":["), "{\"\":0},", "{\"\":0}]}"), 422),
            (filled(&format!("{{\"{name}\":["), "0,", "0]}"), 422),
            (filled(&format!("{{\"{name}\":"), "[", ""), 400),
            (filled("{\"data\":{", "\"\":0,", "\"\":0}}"), 422),
            (filled("{\"data\":[", "{\"\":0},", "{\"\":0}]}"), 422),
        ];
        for (body, status) in bodies {
            // Each body gets its own process, so that the memory of one body does not hide the memory of the next body.
            let gateway = Gateway::start(dir.path(), "http://127.0.0.1:1").await;
            let before = peak_of(gateway.pid());
            let begin: String = body.chars().take(24).collect();
            let answer = http.send(Method::POST, &format!("{}{path}", gateway.url), &headers, body).await;
            assert_eq!(answer.status.as_u16(), status, "{path} {begin}: {}", answer.text);
            assert!(answer.text.len() < 4_096, "{path} {begin}: an answer of {} bytes", answer.text.len());
            let grown = peak_of(gateway.pid()) - before;
            println!("{path} {begin}: {grown} KiB more");
            assert!(grown <= MOST_KIB, "{path} {begin}: {grown} KiB more");
            assert!(gateway.signal("TERM").await.success());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_writes_has_a_bound() {
    let world = World::start().await;
    let pause = format!("/v1/apps/{}/pause", world.wechat.seed.appid);
    for detail in ["x".repeat(513), "a\u{1b}[31mRED".to_owned(), "a\u{7}".to_owned()] {
        let problem = world.post(&pause, json!({ "detail": detail })).await.problem(422, "invalid_field");
        assert_eq!(problem["field"], "detail");
    }
    let longest = "鸿".repeat(512);
    let paused = world.post(&pause, json!({ "detail": longest })).await.expect(200);
    assert_eq!(paused["paused"]["detail"], longest);
}
