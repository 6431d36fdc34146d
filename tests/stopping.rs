//! A graceful stop: waiting callers are answered, requests that come in time are served, and nothing delays the end.

use std::time::Duration;

use hongyan_clock::Clock;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::Instant;

use crate::process::{Server, create_key, serve};
use crate::world::{Answer, Http, Platform, eventually};

/// A stop without waits takes about 20 ms; the rest is an allowance for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A gateway in its own process, with an app and a user.
struct Scene {
    wechat: Platform,
    server: Server,
    url: String,
    bearer: String,
    gateway_secret: String,
    user: String,
    _dir: tempfile::TempDir,
}

impl Scene {
    async fn start(adjust: impl FnOnce(&mut Command)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let wechat = Platform::start(Clock::system()).await;
        let bearer = format!("Bearer {}", create_key(dir.path()).await);
        let mut command = serve(dir.path(), &wechat.url);
        adjust(&mut command);
        let server = Server::start(&mut command).await;
        let (url, user) = (server.url("gateway"), wechat.user().await);
        let mut scene = Self { wechat, server, url, bearer, gateway_secret: String::new(), user, _dir: dir };
        let app = json!({ "appid": scene.wechat.seed.appid, "secret": scene.wechat.seed.app_secret });
        scene.gateway_secret = scene.post("/v1/apps", app).await.text("gateway_secret");
        scene
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        let headers = [("authorization", self.bearer.as_str()), ("content-type", "application/json")];
        Http::new().send(Method::POST, &format!("{}{path}", self.url), &headers, body.to_string()).await
    }

    /// A message that waits for a permit that never comes.
    fn message(&self) -> Value {
        json!({
            "app": self.wechat.seed.appid, "to": self.user, "template": self.wechat.seed.legacy_template,
            "data": { "keyword1": "a", "keyword2": "b", "keyword3": "c" }, "permit": "wait",
        })
    }

    async fn terminate(&self) {
        let pid = self.server.pid().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().await.unwrap().success());
    }

    /// Waits until this many messages are in a state: their senders are waiting then.
    async fn until_there_are(&self, state: &str, count: usize) {
        let list = async || {
            let url = format!("{}/v1/messages?state={state}", self.url);
            Http::new().send(Method::GET, &url, &[("authorization", &self.bearer)], "").await.body
        };
        eventually(list, |list| list["messages"].as_array().is_some_and(|all| all.len() == count)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_answered_at_once_and_the_process_ends() {
    let scene = Scene::start(|_| {}).await;
    // A kept connection, a connection that never sent a byte, and a connection in the middle of a head.
    let address = scene.url.strip_prefix("http://").unwrap();
    let mut kept = TcpStream::connect(address).await.unwrap();
    kept.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(kept.read(&mut [0; 1024]).await.unwrap() > 0);
    let _silent = TcpStream::connect(address).await.unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();

    let waiting = async {
        let answer = scene.post("/v1/messages?wait=30", scene.message()).await;
        (answer, Instant::now())
    };
    let batch = async {
        let messages = json!({ "messages": [scene.message(), scene.message()] });
        scene.post("/v1/messages?wait=30", messages).await
    };
    let stop = async {
        scene.until_there_are("waiting", 3).await;
        scene.terminate().await;
        Instant::now()
    };
    let ((one, answered_at), batch, told_at) = tokio::join!(waiting, batch, stop);
    assert_eq!(one.expect(202)["state"], "waiting");
    assert_eq!(batch.expect(202)["messages"][1]["state"], "waiting");
    assert!(answered_at.duration_since(told_at) < AT_ONCE);
    assert!(scene.server.ended().await.success());
    let took = told_at.elapsed();
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(kept.read(&mut [0; 16]).await.unwrap_or(0), 0, "a kept connection is closed");
    eprintln!("the process ended {took:?} after the signal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_by_wechats_own_path_is_withdrawn_or_answered_and_holds_up_nothing() {
    let scene = Scene::start(|_| {}).await;
    let (appid, secret) = (&scene.wechat.seed.appid, &scene.gateway_secret);
    let token =
        format!("{}/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}", scene.url);
    let token = Http::new().get(&token).await.text("access_token");
    // WeChat is busy, so the message backs off.
    scene
        .wechat
        .chaos(json!({ "path": "/cgi-bin/message/subscribe/send", "kind": "errcode", "errcode": -1 }))
        .await;
    let message = json!({
        "touser": scene.user, "template_id": scene.wechat.seed.subscribe_template,
        "data": { "thing1": { "value": "a" }, "date2": { "value": "2026-05-01" }, "amount3": { "value": "¥1" } },
    });
    let path = format!("/cgi-bin/message/subscribe/send?access_token={token}");
    let send = scene.post(&path, message);
    let stop = async {
        scene.until_there_are("ready", 1).await;
        scene.terminate().await;
        Instant::now()
    };
    let (answer, told_at) = tokio::join!(send, stop);
    assert_eq!(answer.expect(200)["errcode"], -1, "the message was cancelled");
    assert!(scene.server.ended().await.success());
    let took = told_at.elapsed();
    assert!(took < AT_ONCE, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_answered_before_the_end() {
    let scene = Scene::start(|_| {}).await;
    let form = scene.wechat.form(&scene.user).await;
    let permit =
        json!({ "app": scene.wechat.seed.appid, "openid": scene.user, "kind": "form", "code": form });
    scene.post("/v1/permits", permit).await.expect(201);
    // A body of which half has been sent when the signal comes.
    let address = scene.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = scene.message().to_string();
    let (first, second) = body.split_at(body.len() / 2);
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: {}\r\n\
         Content-Length: {}\r\n\r\n{first}",
        scene.bearer,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The gateway is reading the body by now, because requests of other connections are answered later.
    scene.until_there_are("waiting", 0).await;
    scene.terminate().await;
    let refused = async || json!(TcpStream::connect(address).await.is_err());
    eventually(refused, |is_refused| *is_refused == json!(true)).await;
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    assert!(scene.server.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_with_a_delay_is_told_to_the_load_balancer_while_everybody_is_served() {
    let delay = Duration::from_secs(2);
    let scene = Scene::start(|command| {
        command.env("HONGYAN_STOP_DELAY_SECONDS", delay.as_secs().to_string());
    })
    .await;
    let ready = async || Http::new().get(&format!("{}/readyz", scene.url)).await.body;
    assert_eq!(ready().await["ready"], true);
    let told_at = Instant::now();
    scene.terminate().await;
    let not_ready = eventually(ready, |answer| answer["ready"] == false).await;
    assert_eq!(not_ready, json!({ "ready": false, "store": "ok", "stopping": true }));
    // A new connection for each request.
    Http::new().get(&format!("{}/livez", scene.url)).await.expect(200);
    let form = scene.wechat.form(&scene.user).await;
    let permit =
        json!({ "app": scene.wechat.seed.appid, "openid": scene.user, "kind": "form", "code": form });
    scene.post("/v1/permits", permit).await.expect(201);
    scene.post("/v1/messages", scene.message()).await.expect(202);
    let inbox = async || json!(scene.wechat.inbox(&scene.user).await.len());
    eventually(inbox, |count| *count == json!(1)).await;
    assert!(told_at.elapsed() < delay, "all requests ended within the delay");
    assert!(scene.server.ended().await.success());
    let took = told_at.elapsed();
    assert!(took >= delay && took < delay + AT_ONCE, "{took:?}");
}
