use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::SandboxError;
use crate::testing::Platform;

const SEND: &str = "/cgi-bin/message/subscribe/send";

/// A sandbox on a real listener, with one token and ten accepted messages.
struct Served {
    platform: Platform,
    address: SocketAddr,
    token: String,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), SandboxError>>,
}

impl Served {
    async fn start() -> Self {
        let platform = Platform::new();
        let token = platform.token().await;
        let accepted = json!({ "template_id": platform.seed.subscribe_template, "count": 10 });
        platform.user_does("/_sandbox/subscriptions", accepted).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(platform.sandbox.clone().serve(listener, async {
            let _ = stopped.await;
        }));
        Self { platform, address, token, stop, server }
    }

    async fn rule(&self, rule: Value) {
        assert!(self.platform.post("/_sandbox/chaos", rule).await["id"].is_number());
    }

    /// Writes a send on a connection of its own.
    async fn write_send(&self) -> TcpStream {
        let body = self.platform.subscribe_message().to_string();
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "POST {SEND}?access_token={} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        stream
    }

    /// What came back until the connection ended.
    async fn send(&self) -> std::io::Result<String> {
        let mut text = String::new();
        self.write_send().await.read_to_string(&mut text).await?;
        Ok(text)
    }

    async fn delivered(&self) -> usize {
        self.platform.inbox().await.len()
    }

    async fn last_logged(&self) -> Value {
        self.platform.get("/_sandbox/requests?limit=1").await[0].clone()
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_reset_before_delivers_nothing_and_a_reset_after_delivers() {
    let served = Served::start().await;
    served.rule(json!({ "path": SEND, "kind": "reset_before", "times": 1 })).await;
    served.rule(json!({ "path": SEND, "kind": "reset_after", "times": 1 })).await;
    assert_eq!(served.send().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(served.delivered().await, 0);
    assert_eq!(
        (&served.last_logged().await["errcode"], &served.last_logged().await["chaos"]),
        (&Value::Null, &json!("reset_before"))
    );

    assert_eq!(served.send().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(served.delivered().await, 1);
    assert_eq!(
        (&served.last_logged().await["errcode"], &served.last_logged().await["chaos"]),
        (&json!(0), &json!("reset_after"))
    );

    assert!(served.send().await.unwrap().contains(r#""errcode":0"#), "both rules are used up");
    served.end().await;
}

#[tokio::test]
async fn a_5xx_delivers_nothing_and_garbage_delivers() {
    let served = Served::start().await;
    served.rule(json!({ "path": "/cgi-bin/message/*", "kind": "http_5xx", "times": 1 })).await;
    served.rule(json!({ "path": "/cgi-bin/message/*", "kind": "garbage", "times": 1 })).await;
    assert!(served.send().await.unwrap().starts_with("HTTP/1.1 502 "));
    assert_eq!(served.delivered().await, 0);
    let garbage = served.send().await.unwrap();
    assert!(garbage.starts_with("HTTP/1.1 200 ") && garbage.ends_with(r#"{"errcode":"#), "{garbage}");
    assert_eq!(served.delivered().await, 1);
    served.end().await;
}

#[tokio::test]
async fn half_an_answer_delivers_and_ends_in_the_middle() {
    let served = Served::start().await;
    served.rule(json!({ "path": SEND, "kind": "half_answer", "times": 1 })).await;
    let mut stream = served.write_send().await;
    let mut read = Vec::new();
    let error = stream.read_to_end(&mut read).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let text = String::from_utf8(read).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let announced = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && body.starts_with(r#"{"errcode":"#), "{text}");
    assert_eq!(announced.parse::<usize>().unwrap() / 2, body.len());
    assert_eq!(served.delivered().await, 1);
    served.end().await;
}

#[tokio::test]
async fn a_hanging_request_is_delivered_and_ends_with_the_server() {
    let served = Served::start().await;
    served.rule(json!({ "kind": "hang" })).await;
    let mut arrived = served.platform.inner().signal.subscribe();
    arrived.mark_unchanged();
    let mut hanging = served.write_send().await;
    arrived.changed().await.unwrap();
    assert_eq!(served.delivered().await, 1);
    served.end().await;
    let mut text = String::new();
    assert!(hanging.read_to_string(&mut text).await.is_err() && text.is_empty(), "never an answer: {text}");
}

#[tokio::test]
async fn an_errcode_comes_as_often_as_the_rule_says_and_delivers_nothing() {
    let platform = Platform::new();
    let token = platform.token().await;
    platform.accept(&platform.seed.subscribe_template).await;
    platform
        .post("/_sandbox/chaos", json!({ "path": SEND, "kind": "errcode", "errcode": 45011, "times": 2 }))
        .await;
    for expected in [45011, 45011, 0] {
        let answer = platform.send_subscribe(&token, platform.subscribe_message()).await;
        assert_eq!(answer["errcode"], expected);
    }
}

#[tokio::test]
async fn two_sends_to_one_user_at_once_are_a_conflict() {
    let platform = Platform::new();
    let token = platform.token().await;
    let accepted = json!({ "template_id": platform.seed.subscribe_template, "count": 5 });
    platform.user_does("/_sandbox/subscriptions", accepted).await;
    // An hour: the sends end because the sandbox stops, not because the time is up.
    platform
        .post("/_sandbox/chaos", json!({ "path": SEND, "kind": "latency", "millis": 3_600_000, "times": 2 }))
        .await;

    let slow = |platform: &Platform| {
        let request = http::Request::post(format!("{SEND}?access_token={token}"))
            .body(axum::body::Body::from(platform.subscribe_message().to_string()))
            .unwrap();
        tokio::spawn(tower::ServiceExt::oneshot(platform.router.clone(), request))
    };
    let first = slow(&platform);
    while platform.inner().state().flights.is_empty() {
        tokio::task::yield_now().await;
    }
    let second = slow(&platform);
    while platform.get("/_sandbox/chaos").await["rules"][0]["hits"] != 2 {
        tokio::task::yield_now().await;
    }
    let instant = platform.send_subscribe(&token, platform.subscribe_message()).await;
    assert_eq!(instant["errcode"], 43108);

    platform.inner().stopping.send_replace(true);
    let errcode = async |task: JoinHandle<Result<axum::response::Response, _>>| {
        let Ok(response) = task.await.unwrap();
        crate::testing::json_of(response).await.1["errcode"].clone()
    };
    assert_eq!(errcode(first).await, 0);
    assert_eq!(errcode(second).await, 43108);
    let after = platform.send_subscribe(&token, platform.subscribe_message()).await;
    assert_eq!(after["errcode"], 0, "nothing is under way any more");
}

#[tokio::test]
async fn a_slow_send_is_delivered_even_when_its_sender_has_gone() {
    let served = Served::start().await;
    served.rule(json!({ "path": SEND, "kind": "latency", "millis": 3_600_000 })).await;
    let mut delivered = served.platform.inner().signal.subscribe();
    let stream = served.write_send().await;
    while served.platform.inner().state().flights.is_empty() {
        tokio::task::yield_now().await;
    }
    drop(stream);
    delivered.mark_unchanged();
    let inner = served.platform.inner().clone();
    served.end().await;
    delivered.changed().await.unwrap();
    assert_eq!(inner.state().inbox.len(), 1);
}
