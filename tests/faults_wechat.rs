//! WeChat fails in every way that a network can: no message is lost or sent twice, and the message says what happened.
//!
//! The effect of a lost answer on each kind of permit is in `lost_answer`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::process::{Gateway, create_key};
use crate::world::{Http, Platform, World, eventually};

const TEMPLATE: &str = "/cgi-bin/message/wxopen/template/send";
const SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";
const STABLE: &str = "/cgi-bin/stable_token";

async fn fault(world: &World, path: &str, kind: &str, times: u32) {
    world.wechat.chaos(json!({ "path": path, "kind": kind, "times": times })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_is_waited_for() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    world.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": "latency", "millis": 700, "times": 1 })).await;
    let sent = world.send(world.subscribe(&user, "in its own time")).await;
    assert_eq!((&sent["state"], &sent["attempt_count"]), (&json!("sent"), &json!(1)));
    assert_eq!(world.wechat.texts(&user).await, ["in its own time"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_hang_hold_up_nobody_else() {
    let world = World::start_with(|settings| settings.answer_timeout_ms = 6_000).await;
    let (first, others) = (world.wechat.user().await, join_all((0..20).map(|_| world.wechat.user())).await);
    fault(&world, SUBSCRIBE, "hang", 1).await;
    world.grant_subscription(&first).await;
    let hanging = world.accept(world.subscribe(&first, "perhaps")).await;
    let sent = join_all(others.iter().map(async |user| {
        world.grant_form(user).await;
        world.send(world.legacy(user, "meanwhile")).await
    }))
    .await;
    assert!(sent.iter().all(|message| message["state"] == "sent"));
    assert_eq!(world.message(&hanging).await["state"], "sending", "the gateway still waits for the answer");
    assert_eq!(world.settled(&hanging).await["state"], "unknown");
    assert_eq!(world.wechat.texts(&first).await, ["perhaps"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_message_comes_once_whatever_happens_to_its_answer() {
    // Whether WeChat processed the request before the answer was lost.
    let kinds = [
        ("reset_before", false),
        ("reset_after", true),
        ("http_5xx", false),
        ("garbage", true),
        ("half_answer", true),
    ];
    let world = World::start().await;
    for (kind, was_done) in kinds {
        let user = world.wechat.user().await;
        world.grant_form(&user).await;
        fault(&world, TEMPLATE, kind, 1).await;
        let sent = world.send(world.legacy(&user, "once")).await;
        assert_eq!((&sent["state"], &sent["attempt_count"]), (&json!("sent"), &json!(2)), "{kind}: {sent}");
        assert_eq!(sent["attempts"][0]["outcome"], "unanswered", "{kind}");
        assert_eq!(sent["attempts"][1]["errcode"], if was_done { 41029 } else { 0 }, "{kind}");
        assert_eq!(world.wechat.texts(&user).await, ["once"], "{kind}");
        assert_eq!(world.totals(&user).await["spent"], 1, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscribe_message_is_in_doubt_whatever_happens_to_its_answer() {
    let kinds =
        [("reset_before", 0), ("reset_after", 1), ("http_5xx", 0), ("garbage", 1), ("half_answer", 1)];
    let world = World::start().await;
    for (kind, cards) in kinds {
        let user = world.wechat.user().await;
        world.grant_subscription(&user).await;
        fault(&world, SUBSCRIBE, kind, 1).await;
        let held = world.send(world.subscribe(&user, "perhaps")).await;
        assert_eq!(
            (&held["state"], &held["attempt_count"]),
            (&json!("unknown"), &json!(1)),
            "{kind}: {held}"
        );
        assert_eq!(world.wechat.texts(&user).await.len(), cards, "{kind}");
        assert_eq!(world.totals(&user).await["reserved"], 1, "{kind}: its unit stays reserved");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_sent_and_nothing_lost() {
    let world = World::start_with(|settings| settings.answer_timeout_ms = 500).await;
    for kind in ["hang", "reset_before", "reset_after", "http_5xx", "garbage", "half_answer"] {
        let user = world.wechat.user().await;
        world.grant_subscription(&user).await;
        fault(&world, STABLE, kind, 1).await;
        world.wechat.control("tokens/rotate", json!({})).await;
        let id = world.accept(world.subscribe(&user, kind)).await;
        // A failed fetch is not repeated for a while; by this clock the while is over.
        world.advance(Duration::from_secs(60));
        let sent = world.settled(&id).await;
        assert_eq!(sent["state"], "sent", "{kind}");
        let first = &sent["attempts"][0];
        // A token may be requested twice: after a reset of a kept connection, the request was repeated at once.
        if !(kind.starts_with("reset") && first["outcome"] == "answered") {
            assert_eq!(first["outcome"], "not_sent", "{kind}: {first}");
            assert!(first["why"].as_str().unwrap().contains("no access token"), "{kind}: {first}");
        }
        assert_eq!(world.wechat.texts(&user).await, [kind]);
        let totals = world.totals(&user).await;
        assert_eq!((&totals["granted"], &totals["spent"]), (&json!(1), &json!(1)), "{kind}");
    }
}

/// A server on a free port with an expired certificate. Returns its URL, and a counter of the requests that it read.
pub async fn expired_server() -> (String, tokio::sync::watch::Receiver<usize>) {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (requests, counted) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that checks the certificate disconnects here.
            if acceptor.accept(stream).await.is_ok() {
                requests.send_modify(|count| *count += 1);
            }
        }
    });
    (url, counted)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_sends_nothing_keeps_the_message_and_is_named() {
    let wechat = Platform::start(hongyan_clock::Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let bearer = format!("Bearer {}", create_key(dir.path()).await);
    let http = Http::new();
    let call = async |gateway: &Gateway, method: Method, path: &str, body: Value| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", "order-1"),
        ];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        http.send(method, &format!("{}{path}", gateway.url), &headers, body).await
    };

    // While WeChat works: an app, its templates, a permit.
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let app = json!({ "appid": wechat.seed.appid, "secret": wechat.seed.app_secret });
    call(&gateway, Method::POST, "/v1/apps", app).await.expect(201);
    let user = wechat.user().await;
    wechat.subscribe(&user, "accept").await;
    let template = &wechat.seed.subscribe_template;
    let permit =
        json!({ "app": wechat.seed.appid, "openid": user, "kind": "subscribe_once", "template": template });
    call(&gateway, Method::POST, "/v1/permits", permit).await.expect(201);
    assert!(gateway.signal("TERM").await.success());

    let (url, requests) = expired_server().await;
    let gateway = Gateway::start(dir.path(), &url).await;
    let message = json!({
        "app": wechat.seed.appid, "to": user, "template": template,
        "data": { "thing1": "kept", "date2": "2026-05-01", "amount3": "¥1.00" },
    });
    let accepted = call(&gateway, Method::POST, "/v1/messages", message.clone()).await.expect(202);
    let path = format!("/v1/messages/{}", accepted["id"].as_str().unwrap());
    let is_settled = |message: &Value| message["state"] != "sending";
    let kept =
        eventually(async || call(&gateway, Method::GET, &path, Value::Null).await.expect(200), is_settled)
            .await;
    assert_eq!((&kept["state"], &kept["reason"]["code"]), (&json!("ready"), &json!("wechat_unavailable")));
    for words in [&kept["reason"]["errmsg"], &kept["attempts"][0]["why"]] {
        let words = words.as_str().unwrap();
        assert!(words.contains("certificate") && words.contains("expired"), "{words}");
    }
    assert_eq!(kept["attempts"][0]["outcome"], "not_sent");
    let permits = format!("/v1/permits?app={}&openid={user}", wechat.seed.appid);
    let totals = call(&gateway, Method::GET, &permits, Value::Null).await.expect(200)["totals"].clone();
    assert_eq!((&totals["spent"], &totals["revoked"]), (&json!(0), &json!(0)));
    assert_eq!(*requests.borrow(), 0, "no request was written to a server with an invalid certificate");
    // A graceful stop, because a kill between two attempts has other effects than a kill during an attempt.
    assert!(gateway.signal("TERM").await.success());

    // The certificate was renewed.
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let sent = call(&gateway, Method::POST, "/v1/messages?wait=20", message).await.expect(202);
    assert_eq!((&sent["id"], &sent["state"]), (&accepted["id"], &json!("sent")), "{sent}");
    assert_eq!(wechat.texts(&user).await, ["kept"]);
    assert!(gateway.signal("TERM").await.success());
}
