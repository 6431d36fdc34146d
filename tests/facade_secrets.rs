//! The app's secrets stay in the gateway, whatever WeChat or a proxy in between writes into an answer; and a call goes where
//! its path says, in one spelling.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{PATIENCE, World, eventually};

const REAL: &str = "REALTOKEN_85_abcdefghijklmnopqrstuvwxyz_";

/// A WeChat that repeats the URL of the request in every form.
#[derive(Clone, Default)]
struct Echo {
    seen: Arc<Mutex<Vec<String>>>,
    fetched: Arc<Mutex<u32>>,
    /// The refused request that `rid/get` returns.
    refused: Arc<Mutex<(String, String)>>,
}

async fn answer(State(echo): State<Echo>, request: Request) -> Response {
    let address = request.uri().to_string();
    // With or without the path of the base URL.
    let path = request.uri().path();
    let path = path.strip_prefix("/wx/").map_or_else(|| path.to_owned(), |rest| format!("/{rest}"));
    let query = request.uri().query().unwrap_or_default().to_owned();
    if path == "/cgi-bin/stable_token" {
        let mut fetched = echo.fetched.lock().unwrap();
        *fetched += 1;
        let token = format!("{REAL}{}", *fetched);
        return axum::Json(json!({ "access_token": token, "expires_in": 7200 })).into_response();
    }
    if path == "/cgi-bin/wxopen/template/list" || path == "/wxaapi/newtmpl/gettemplate" {
        return axum::Json(json!({ "errcode": 0, "list": [], "data": [] })).into_response();
    }
    echo.seen.lock().unwrap().push(format!("{} {address}", request.method()));
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    let escaped = address.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect::<Vec<_>>().concat();
    let percent = address.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    let kind = |kind: &'static str| [(header::CONTENT_TYPE, kind)];
    match path.rsplit('/').next().unwrap() {
        "html" => (StatusCode::BAD_GATEWAY, kind("text/html"), format!("<p>{address}</p>")).into_response(),
        "big" => axum::Json(json!({ "errmsg": address, "pad": "x".repeat(70_000), "again": address }))
            .into_response(),
        "xml" => (kind("text/xml"), format!("<a>{address}</a>")).into_response(),
        "octets" => (kind("application/octet-stream"), format!("\0{address}\0")).into_response(),
        "escaped" => (kind("application/json"), format!("{{\"errmsg\":\"{escaped}\"}}")).into_response(),
        "percent" => (kind("text/html"), percent).into_response(),
        "pieces" => {
            let pieces =
                address.into_bytes().into_iter().map(|byte| Ok::<_, std::io::Error>(Bytes::from(vec![byte])));
            (kind("image/jpeg"), Body::from_stream(stream::iter(pieces))).into_response()
        }
        "headers" => {
            let head = [
                ("x-request-url", address.as_str()),
                ("set-cookie", &address),
                ("x-kept", "1"),
                ("access-control-allow-origin", "*"),
                ("set-cookie2", "a"),
            ];
            (head, "ok").into_response()
        }
        "packed" => ([("content-encoding", "gzip")], address).into_response(),
        "redirect" => {
            (StatusCode::FOUND, [("location", address.replace("redirect", "small"))]).into_response()
        }
        "away" => (StatusCode::FOUND, [("location", format!("https://elsewhere.example/x?{query}"))])
            .into_response(),
        "away_clean" => {
            (StatusCode::FOUND, [("location", "https://elsewhere.example/x?a=1")]).into_response()
        }
        "v2" | "msg_sec_check" => {
            *echo.refused.lock().unwrap() = (query, body);
            axum::Json(json!({ "errcode": 48006, "errmsg": "no rid: a-b-c" })).into_response()
        }
        "get" => {
            let (request_url, request_body) = echo.refused.lock().unwrap().clone();
            let request =
                json!({ "request_url": request_url, "request_body": request_body, "cost_in_ms": 5 });
            axum::Json(json!({ "errcode": 0, "errmsg": "ok", "request": request })).into_response()
        }
        _ => axum::Json(json!({ "errmsg": address })).into_response(),
    }
}

struct Set {
    world: World,
    echo: Echo,
    token: String,
}

impl Set {
    async fn start(base: &str) -> Self {
        let echo = Echo::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{base}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(echo.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let world = World::start_with(|settings| settings.wechat_base_url = url.parse().unwrap()).await;
        let token = world.facade_token().await;
        let set = Self { world, echo, token };
        set.get("/wxa/small").await;
        set
    }

    async fn get(&self, path: &str) -> crate::world::Answer {
        self.world.get(&format!("{path}?access_token={}", self.token)).await
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.echo.seen.lock().unwrap())
    }

    /// A request line as written, without a client that normalises it.
    async fn raw(&self, method: &str, path: &str) -> String {
        let address = self.world.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let token = &self.token;
        let head = format!(
            "{method} {path}?access_token={token} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
            .await
            .expect("the gateway answers")
            .unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Whether a text contains the secret in any form that can be decoded.
fn has_secret(text: &str, secret: &str) -> bool {
    let unescaped = text.replace("\\u00", "%");
    let plain = percent_encoding_off(&unescaped);
    text.contains(secret) || plain.contains(secret)
}

fn percent_encoding_off(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match hex {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_token_reaches_nobody_whatever_repeats_it() {
    let set = Set::start("").await;
    for what in
        ["small", "html", "big", "xml", "octets", "escaped", "percent", "pieces", "headers", "packed", "away"]
    {
        let answer = set.get(&format!("/wxa/{what}")).await;
        let all = format!("{:?} {}", answer.headers, answer.text);
        assert!(!has_secret(&all, REAL), "{what}: {all}");
        if !matches!(what, "headers" | "packed" | "away") {
            assert!(answer.text.contains("****"), "{what}: {}", answer.text);
            assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{what}");
            assert_eq!(answer.headers["content-security-policy"], "sandbox", "{what}");
        }
    }
    assert!(
        set.asked().iter().all(|line| line.contains(REAL)),
        "every request to the stub had the real token"
    );
    let answer = set.get("/wxa/headers").await;
    assert_eq!(answer.headers["x-kept"], "1");
    for gone in ["x-request-url", "set-cookie", "access-control-allow-origin"] {
        assert!(!answer.headers.contains_key(gone), "{gone}");
    }
    // The length of an answer does not change.
    let answer = set.get("/wxa/html").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(answer.headers["content-length"], answer.text.len().to_string());
    assert_eq!(set.get("/wxa/packed").await.expect(200)["errcode"], 880_009);
    assert_eq!(set.get("/wxa/away").await.expect(200)["errcode"], 880_003);
    assert_eq!(set.get("/wxa/away_clean").await.headers["location"], "https://elsewhere.example/x?a=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_before_the_present_one_is_hidden_too_and_so_is_the_appsecret() {
    let set = Set::start("").await;
    set.world.advance(std::time::Duration::from_secs(7_100));
    let token = set.world.facade_token().await;
    let old = format!("{REAL}1");
    let path = format!("/wxa/small?access_token={token}&old={old}&mine={}", set.world.wechat.seed.app_secret);
    // The newer token is fetched ahead of the older token's end, beside the calls.
    let newer = eventually(
        async || {
            set.world.get(&path).await;
            json!(set.asked().iter().any(|line| line.contains(&format!("{REAL}2"))))
        },
        |is_asked_with_it| *is_asked_with_it == true,
    );
    newer.await;
    let answer = set.world.get(&path).await;
    assert!(
        !answer.text.contains(REAL) && !answer.text.contains(&set.world.wechat.seed.app_secret),
        "{answer:?}"
    );
    assert!(answer.text.contains("&old=****"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_at_wechats_host_leads_to_the_gateway_by_the_callers_own_token() {
    for base in ["", "/wx/"] {
        let set = Set::start(base).await;
        let answer = set.get("/wxa/redirect").await;
        assert_eq!(answer.status, StatusCode::FOUND);
        let location = answer.headers["location"].to_str().unwrap().to_owned();
        assert_eq!(location, format!("/wxa/small?access_token={}", set.token), "{base}");
        let followed = set.world.get(&location).await.expect(200);
        assert!(followed["errmsg"].as_str().unwrap().contains("****"), "{followed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wechat_knows_of_a_request_is_told_without_its_credentials() {
    let set = Set::start("").await;
    let (appid, secret) = (&set.world.wechat.seed.appid, &set.world.gateway_secret);
    let rid = format!("/cgi-bin/openapi/rid/get?access_token={}", set.token);
    let clear = json!({ "appid": appid, "appsecret": secret });
    assert_eq!(set.world.post("/cgi-bin/clear_quota/v2", clear).await.expect(200)["errcode"], 48006);
    let told = set.world.post(&rid, json!({ "rid": "a-b-c" })).await.expect(200);
    let body: Value = serde_json::from_str(told["request"]["request_body"].as_str().unwrap()).unwrap();
    assert_eq!(body, json!({ "appid": appid, "appsecret": "***" }));
    let check = format!("/wxa/msg_sec_check?access_token={}", set.token);
    set.world.post(&check, json!({ "content": "x".repeat(4_500) })).await.expect(200);
    let told = set.world.post(&rid, json!({ "rid": "a-b-c" })).await.expect(200);
    assert_eq!(told["request"]["request_url"], "access_token=***");
    assert_eq!(told["request"]["cost_in_ms"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_has_one_spelling_and_nothing_leaves_wechats_families() {
    for base in ["", "/wx/"] {
        let set = Set::start(base).await;
        set.asked();
        for path in [
            "/cgi-bin/../datacube/x",
            "/cgi-bin/../../internal/admin",
            "/cgi-bin/..%2fdatacube/x",
            "/cgi-bin/%2e%2e/datacube/x",
            "/cgi-bin/%2E%2E%2Fx",
            "/cgi-bin/\\..\\x",
            "/cgi-bin/..;/x",
            "/cgi-bin/x;y",
            "/cgi-bin/x%00",
            "/cgi-bin/%5c..%5cx",
            "/cgi-bin//x",
            "//cgi-bin/x",
            "/cgi-bin/./x",
            "/cgi-bin/x/",
            "/cgi-bin/message/subscribe/send/",
            "/cgi-bin/message/subscribe//send",
            "/cgi-bin/message/subscribe/%73end",
            "/cgi-bin/message/subscribe/SEND",
            "/cgi-bin/message/wxopen/template/Send",
            "/cgi-bin/Token",
        ] {
            let answer = set.raw("POST", path).await;
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.contains("\"errcode\":40066"),
                "{path}: {answer}"
            );
        }
        for path in ["/internal/admin", "/wxb/x", "/CGI-BIN/x", "/wx/cgi-bin/x"] {
            let answer = set.raw("POST", path).await;
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.contains("\"errcode\":880008"),
                "{path}: {answer}"
            );
        }
        assert_eq!(set.asked(), Vec::<String>::new());
        // The path families that SDKs of mini programs call.
        for family in
            ["datacube", "cv", "shop", "customservice", "tcb", "product", "union", "intp", "channels"]
        {
            set.get(&format!("/{family}/x")).await.expect(200);
            let line = set.asked().remove(0);
            assert!(line.contains(&format!("/{family}/x?access_token={REAL}")), "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_repeat_a_request_or_are_unknown_are_refused() {
    let set = Set::start("").await;
    set.asked();
    for method in ["TRACE", "BREW", "PROPFIND"] {
        let answer = set.raw(method, "/cgi-bin/x").await;
        assert!(answer.contains("\"errcode\":43001"), "{method}: {answer}");
    }
    assert_eq!(set.asked(), Vec::<String>::new());
    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
        let path = format!("/wxa/x?access_token={}", set.token);
        set.world.call(method.clone(), &path, &[], "").await.expect(200);
        assert!(set.asked()[0].starts_with(method.as_str()));
    }
}
