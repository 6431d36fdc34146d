use axum::Router;
use axum::body::Body;
use http::{Method, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::testing::{Platform, json_of};

/// Reads events from a body until one has this name; gives its text.
async fn event_named(body: &mut Body, name: &str) -> String {
    loop {
        let frame = body.frame().await.expect("the stream goes on").unwrap();
        let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        if text.contains(&format!("event: {name}\n")) {
            return text;
        }
    }
}

async fn deliver_one(platform: &Platform) {
    let (token, form_id) = (platform.token().await, platform.form_id().await);
    let sent = platform.send_template(&token, platform.template_message(&form_id)).await;
    assert_eq!(sent["errcode"], 0);
}

#[tokio::test]
async fn cards_time_and_resets_arrive_as_events() {
    let platform = Platform::new();
    let path = format!("/_sandbox/events?appid={}&openid={}", platform.seed.appid, platform.seed.openid);
    let mut body = platform.ask(Method::GET, &path, Body::empty()).await.into_body();
    assert!(event_named(&mut body, "clock").await.contains("\"now\""));
    deliver_one(&platform).await;
    let card = event_named(&mut body, "message").await;
    assert!(card.contains("id: 1\n") && card.contains("订单提交成功通知"), "{card}");
    platform.post("/_sandbox/clock", json!({ "set": "2030-01-01T00:00:00Z" })).await;
    assert!(event_named(&mut body, "clock").await.contains("2030-01-01T00:00:00"));
    platform.post("/_sandbox/reset", json!({})).await;
    event_named(&mut body, "reset").await;
    deliver_one(&platform).await;
    assert!(event_named(&mut body, "message").await.contains("id: 2\n"), "ids go on counting");
    platform.inner().stopping.send_replace(true);
    assert!(body.frame().await.is_none(), "the stream ends with the server");
}

#[tokio::test]
async fn a_stream_that_was_cut_goes_on_where_it_was() {
    let platform = Platform::new();
    deliver_one(&platform).await;
    deliver_one(&platform).await;
    let request =
        http::Request::get("/_sandbox/events").header("last-event-id", "1").body(Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(platform.router.clone(), request).await.unwrap();
    assert!(event_named(&mut response.into_body(), "message").await.contains("id: 2\n"));
}

#[tokio::test]
async fn the_inbox_goes_on_from_a_card_or_a_time() {
    let platform = Platform::new();
    deliver_one(&platform).await;
    let moved = platform.post("/_sandbox/clock", json!({ "advance_seconds": 3600 })).await;
    deliver_one(&platform).await;
    let ids = async |query: &str| {
        let cards = platform.get(&format!("/_sandbox/inbox?{query}")).await;
        cards.as_array().unwrap().iter().map(|c| c["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, [1, 2]);
    assert_eq!(ids("appid=&openid=&since=").await, [1, 2]);
    assert_eq!(ids("since=1").await, [2]);
    assert_eq!(ids(&format!("since={}", moved["now"].as_str().unwrap())).await, [2]);
    assert_eq!(ids("limit=1").await, [1]);
    assert_eq!(platform.get("/_sandbox/inbox?appid=wx0").await["code"], "unknown_app");
    assert_eq!(platform.get("/_sandbox/inbox?since=soon").await["code"], "bad_request");
}

#[tokio::test]
async fn what_cannot_be_meant_is_explained() {
    let platform = Platform::new();
    let seed = &platform.seed;
    let wrong = [
        ("/_sandbox/users", json!({ "app_id": seed.appid }), 400, "unknown field `app_id`"),
        ("/_sandbox/users", json!({ "appid": "wx0" }), 404, "there is no app wx0"),
        ("/_sandbox/login", json!({ "appid": seed.appid, "openid": "o0" }), 404, "has no user o0"),
        (
            "/_sandbox/payments",
            json!({ "appid": seed.appid, "openid": seed.openid, "uses": 4 }),
            400,
            "uses: must be from 1 to 3",
        ),
        ("/_sandbox/clock", json!({}), 400, "send either advance_seconds or set"),
        ("/_sandbox/chaos", json!({ "kind": "flood" }), 400, "unknown variant `flood`"),
        ("/_sandbox/apps", json!({ "appid": seed.appid }), 409, "already"),
        ("/_sandbox/nothing", json!({}), 404, "there is no path /_sandbox/nothing"),
        ("/_sandbox/overview", json!({}), 405, "another method"),
        (
            "/_sandbox/subscriptions",
            json!({ "appid": seed.appid, "openid": seed.openid, "template_id": seed.legacy_template }),
            404,
            "no subscribe template",
        ),
        (
            "/_sandbox/subscriptions",
            json!({ "appid": seed.appid, "openid": seed.openid, "template_id": "x", "result": "maybe" }),
            400,
            "unknown variant `maybe`",
        ),
    ];
    for (path, body, status, words) in wrong {
        let (answered, refusal) = platform.try_post(path, body).await;
        let error = refusal["error"].as_str().unwrap();
        assert!(answered.as_u16() == status && error.contains(words), "{path}: {answered} {refusal}");
    }
}

#[tokio::test]
async fn a_new_app_is_complete() {
    let platform = Platform::new();
    let app = platform.post("/_sandbox/apps", json!({})).await;
    let user = platform.post("/_sandbox/users", json!({ "appid": app["appid"], "count": 3 })).await;
    assert_eq!(user["openids"].as_array().unwrap().len(), 3);
    let template = json!({
        "appid": app["appid"], "family": "once", "title": "到货提醒", "content": "商品:{{thing1.DATA}}",
    });
    let template = platform.post("/_sandbox/templates", template).await;
    let tap = async |templates: Value| {
        let asked = json!({
            "appid": app["appid"], "openid": user["openid"], "template_ids": templates,
            "result": "acceptWithAudio",
        });
        platform.post("/_sandbox/subscriptions", asked).await
    };
    assert_eq!(tap(json!([template["template_id"]])).await["subscriptions"][0]["units"], 1);
    assert_eq!(tap(json!([app["long_term_template"]])).await["subscriptions"][0]["unlimited"], true);
    let state = platform.get("/_sandbox/overview").await;
    assert_eq!(state["apps"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_reset_makes_everything_as_new() {
    let platform = Platform::new();
    let token = platform.token().await;
    deliver_one(&platform).await;
    platform.post("/_sandbox/apps", json!({})).await;
    platform.post("/_sandbox/chaos", json!({ "kind": "http_5xx" })).await;
    platform.post("/_sandbox/reset", json!({})).await;
    assert_eq!(platform.get("/_sandbox/inbox").await, json!([]));
    assert_eq!(platform.get("/_sandbox/requests").await, json!([]));
    assert_eq!(platform.get("/_sandbox/overview").await["apps"].as_array().unwrap().len(), 1);
    assert_eq!(platform.send_subscribe(&token, platform.subscribe_message()).await["errcode"], 40001);
}

#[tokio::test]
async fn faults_can_be_listed_and_taken_away() {
    let platform = Platform::new();
    let first = platform.post("/_sandbox/chaos", json!({ "kind": "http_5xx" })).await;
    platform.post("/_sandbox/chaos", json!({ "kind": "garbage" })).await;
    platform.delete(&format!("/_sandbox/chaos/{}", first["id"])).await;
    let rules = platform.get("/_sandbox/chaos").await;
    assert_eq!(rules["rules"].as_array().unwrap().len(), 1);
    assert_eq!(rules["rules"][0]["kind"], "garbage");
    platform.delete("/_sandbox/chaos").await;
    assert_eq!(platform.get("/_sandbox/chaos").await["rules"], json!([]));
}

#[tokio::test]
async fn the_log_of_requests_has_no_secrets() {
    let platform = Platform::new();
    deliver_one(&platform).await;
    let log = platform.get("/_sandbox/requests?path=/cgi-bin/*&limit=9").await;
    assert_eq!(log[0]["path"], "/cgi-bin/token");
    assert_eq!((&log[1]["appid"], &log[1]["openid"]), (&json!(platform.seed.appid), &json!("oSan…01")));
    let text = log.to_string();
    assert!(!text.contains(&platform.seed.app_secret) && !text.contains(&platform.seed.openid), "{text}");
}

#[tokio::test]
async fn the_pages_are_served() {
    let platform = Platform::new();
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/phone", "text/html; charset=utf-8"),
        ("/phone/phone.js", "text/javascript; charset=utf-8"),
    ] {
        let response = platform.ask(Method::GET, path, Body::empty()).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], content_type, "{path}");
    }
    assert_eq!(platform.get("/_sandbox/seed").await["openid"], platform.seed.openid);
}

#[tokio::test]
async fn the_phone_reaches_the_back_end_through_the_sandbox() {
    let platform = Platform::new();
    let post = async |path: &str| platform.try_post(path, json!({ "code": "x" })).await;
    let (status, refusal) = post("/backend/onLogin").await;
    assert_eq!((status, &refusal["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("no_backend")));

    let echo = async |request: axum::extract::Request| {
        let path = request.uri().to_string();
        let body: Value =
            serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
        (StatusCode::CREATED, axum::Json(json!({ "path": path, "body": body })))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(
        axum::serve(listener, Router::new().fallback(echo))
            .with_graceful_shutdown(async { drop(stopped.await) })
            .into_future(),
    );
    platform.sandbox.set_backend(url.parse().unwrap());
    assert_eq!(platform.get("/_sandbox/config").await["backend"], true);
    let (status, answer) = post("/backend/onLogin?x=1").await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(answer, json!({ "path": "/api/onLogin?x=1", "body": { "code": "x" } }));
    server.abort();
    drop(stop);

    platform.sandbox.set_backend("https://127.0.0.1:9/".parse().unwrap());
    let (status, refusal) = post("/backend/onLogin").await;
    assert_eq!((status, &refusal["code"]), (StatusCode::BAD_GATEWAY, &json!("backend_unreachable")));
}

#[tokio::test]
async fn the_memory_outlives_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.json");
    let open = || {
        let config = crate::SandboxConfig {
            state_file: Some(file.clone()),
            ..crate::SandboxConfig::new(hongyan_clock::Clock::system())
        };
        crate::Sandbox::new(config).unwrap()
    };
    let platform = Platform::of(open());
    let form_id = platform.form_id().await;
    deliver_one(&platform).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    platform.sandbox.serve(listener, std::future::ready(())).await.unwrap();

    let platform = Platform::of(open());
    assert_eq!(platform.inbox().await.len(), 1);
    let token = platform.token().await;
    let sent = platform.send_template(&token, platform.template_message(&form_id)).await;
    assert_eq!(sent["errcode"], 0, "the form id of the first run still works");
    let response = platform.ask(Method::GET, "/_sandbox/clock", Body::empty()).await;
    assert_eq!(json_of(response).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_box_asks_for_one_to_three_templates_of_one_type() {
    let platform = Platform::new();
    let (once, long) = (&platform.seed.subscribe_template, &platform.seed.long_term_template);
    let refused = [
        (json!([]), "tmpl_ids_empty"),
        (json!([once, once, once, once]), "too_many_templates"),
        (json!([once, long]), "mixed_template_types"),
    ];
    for (ids, code) in refused {
        let answer = platform.user_does("/_sandbox/subscriptions", json!({ "template_ids": ids })).await;
        assert_eq!(answer["code"], code, "{answer}");
    }
    platform.user_does("/_sandbox/settings", json!({ "receives": false })).await;
    let answer = platform.user_does("/_sandbox/subscriptions", json!({ "template_id": once })).await;
    assert_eq!(answer["code"], "main_switch_off", "{answer}");
}

#[tokio::test]
async fn a_memory_that_was_taken_out_can_be_put_back() {
    let platform = Platform::new();
    let token = platform.token().await;
    platform.accept(&platform.seed.subscribe_template).await;
    deliver_one(&platform).await;
    let document = platform.get("/_sandbox/state").await;
    platform.post("/_sandbox/reset", json!({})).await;
    assert_eq!(platform.inbox().await.len(), 0);
    let put = async |body: String| {
        json_of(platform.ask(Method::PUT, "/_sandbox/state", Body::from(body)).await).await
    };
    let (status, loaded) = put(document.to_string()).await;
    assert_eq!((status, &loaded["loaded"]), (StatusCode::OK, &json!(true)));
    assert_eq!(platform.inbox().await.len(), 1);
    assert_eq!(platform.send_subscribe(&token, platform.subscribe_message()).await["errcode"], 0);

    let mut other = document.clone();
    other["version"] = json!(99);
    let (status, refusal) = put(other.to_string()).await;
    assert_eq!((status, &refusal["code"]), (StatusCode::CONFLICT, &json!("state_version")), "{refusal}");
    assert!(refusal["error"].as_str().unwrap().contains("99"), "{refusal}");
    for damaged in [document.to_string().replace("apps", "appz"), "half a".to_owned(), String::new()] {
        let (status, refusal) = put(damaged).await;
        assert_eq!(
            (status, &refusal["code"]),
            (StatusCode::BAD_REQUEST, &json!("state_format")),
            "{refusal}"
        );
    }
    assert_eq!(platform.inbox().await.len(), 2, "what was refused changed nothing");
}

#[tokio::test]
async fn the_log_says_what_wechat_would_mind() {
    let platform = Platform::new();
    let token = platform.token().await;
    platform.accept(&platform.seed.subscribe_template).await;
    let mut message = platform.subscribe_message();
    message["templateId"] = json!("x");
    message["data"]["thing1"]["value"] = json!("拿铁☕");
    assert_eq!(platform.send_subscribe(&token, message).await["errcode"], 0);
    let log = platform.get("/_sandbox/requests?path=/cgi-bin/message/*").await;
    let codes: Vec<_> =
        log[0]["complaints"].as_array().unwrap().iter().map(|c| c["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["content_type", "unknown_member", "emoji"]);
    assert!(!log.to_string().contains(&token), "{log}");
}

#[tokio::test]
async fn a_rid_finds_the_refused_request_again() {
    let platform = Platform::new();
    let token = platform.token().await;
    let refused = platform.send_subscribe(&token, platform.subscribe_message()).await;
    let rid = refused["errmsg"].as_str().unwrap().rsplit_once("rid: ").unwrap().1;
    let ask = async |token: &str, rid: &str| {
        platform.post(&format!("/cgi-bin/openapi/rid/get?access_token={token}"), json!({ "rid": rid })).await
    };
    let found = ask(&token, rid).await;
    assert_eq!(found["request"]["response_body"], refused.to_string());
    assert_eq!(found["request"]["request_url"], format!("access_token={token}"));
    assert_eq!(found["request"]["request_body"], platform.subscribe_message().to_string());
    assert_eq!(ask(&token, "0a-0b-0c").await["errcode"], 76001);
    assert_eq!(ask(&token, "").await["errcode"], 76002);
}

#[tokio::test]
async fn who_waits_at_the_inbox_is_answered_when_there_are_enough_cards() {
    let platform = Platform::new();
    deliver_one(&platform).await;
    let waiting = platform.get("/_sandbox/inbox?wait=60&count=3");
    let sending = async {
        deliver_one(&platform).await;
        deliver_one(&platform).await;
    };
    let (cards, ()) = tokio::join!(waiting, sending);
    let cards = cards.as_array().unwrap();
    assert_eq!(
        (cards.len(), &cards[2]["openid"]),
        (3, &json!(platform.seed.openid)),
        "all users of all apps"
    );
    let few = platform.get("/_sandbox/inbox?since=3").await;
    assert_eq!(few, json!([]), "who does not wait is answered at once");
    let waiting = platform.get("/_sandbox/inbox?since=3&wait=60");
    let stopping = async { platform.inner().stopping.send_replace(true) };
    let (cards, _) = tokio::join!(waiting, stopping);
    assert_eq!(cards, json!([]), "the end of the server ends the wait");
}
