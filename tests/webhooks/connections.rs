//! The way to a webhook: connections that are kept, closed, broken, or not trusted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::faults_wechat::expired_server;
use crate::world::{PATIENCE, World};

/// How a [`Raw`] server treats a request.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// Answers, and keeps the connection.
    Answer,
    /// Answers and keeps the connection, but only on command.
    AnswerWhenTold,
    /// Answers as if it would keep the connection, and closes it.
    AnswerAndHangUp,
    /// Answers with a page longer than the gateway reads.
    AnswerAtLength,
    /// Closes the connection in the middle of the answer's body.
    AnswerHalf,
    /// Closes the connection without an answer.
    HangUp,
}

/// A back end that speaks HTTP by hand.
struct Raw {
    url: String,
    does: Arc<Mutex<Does>>,
    told: Arc<Notify>,
    connections: Arc<AtomicUsize>,
    requests: watch::Sender<usize>,
}

impl Raw {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?from=hongyan", listener.local_addr().unwrap());
        let raw = Self {
            url,
            does: Arc::new(Mutex::new(Does::Answer)),
            told: Arc::default(),
            connections: Arc::default(),
            requests: watch::Sender::default(),
        };
        let (does, connections) = (Arc::clone(&raw.does), Arc::clone(&raw.connections));
        let (told, requests) = (Arc::clone(&raw.told), raw.requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (does, told, requests) = (Arc::clone(&does), Arc::clone(&told), requests.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Some(body) = request(&mut stream).await {
                        assert!(body.contains("webhook.test"), "{body}");
                        requests.send_modify(|count| *count += 1);
                        let now = *does.lock().unwrap();
                        if matches!(now, Does::AnswerWhenTold) {
                            told.notified().await;
                        }
                        if !answer(stream.get_mut(), now).await {
                            return;
                        }
                    }
                });
            }
        });
        raw
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The body of the next request; `None`: the other end has closed the connection.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut line, mut length) = (String::new(), 0);
    stream.read_line(&mut line).await.ok().filter(|&read| read > 0)?;
    assert_eq!(line, "POST /hook?from=hongyan HTTP/1.1\r\n");
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    String::from_utf8(body).ok()
}

/// Answers. Returns whether the connection goes on.
async fn answer(stream: &mut TcpStream, does: Does) -> bool {
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    let text = match does {
        Does::Answer | Does::AnswerWhenTold | Does::AnswerAndHangUp => head(2) + "ok",
        Does::AnswerAtLength => head(1_000_000) + &"long ".repeat(200_000),
        Does::AnswerHalf => head(100) + "half",
        Does::HangUp => String::new(),
    };
    // A client that stops reading closes the connection.
    let is_written = stream.write_all(text.as_bytes()).await.is_ok();
    is_written && matches!(does, Does::Answer | Does::AnswerWhenTold | Does::AnswerAtLength)
}

impl World {
    async fn raw_hook(&self, raw: &Raw) -> String {
        let hook = json!({ "url": raw.url, "types": ["message.sent"] });
        self.post("/v1/webhooks", hook).await.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Sends a test event and waits until it is accepted. Returns the number of attempts.
    async fn test_taken(&self, hook: &str) -> u64 {
        let event = self.do_webhook(hook, "test", json!({})).await.expect(202)["event"].clone();
        self.webhook_when(hook, |hook| hook["pending"] == 0).await;
        let deliveries = self.deliveries(hook).await;
        let delivery = deliveries.iter().find(|delivery| delivery["event"] == event).unwrap();
        assert_eq!(delivery["state"], "taken", "{delivery}");
        delivery["attempts"].as_u64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_for_the_next_event() {
    let world = World::with_webhooks().await;
    let raw = Raw::start().await;
    let hook = world.raw_hook(&raw).await;
    for _ in 0..5 {
        assert_eq!(world.test_taken(&hook).await, 1);
    }
    assert_eq!(raw.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_closed_meanwhile_is_replaced_and_nothing_fails() {
    let world = World::with_webhooks().await;
    let raw = Raw::start().await;
    let hook = world.raw_hook(&raw).await;
    *raw.does.lock().unwrap() = Does::AnswerAndHangUp;
    for n in 1..=5 {
        assert_eq!(world.test_taken(&hook).await, 1);
        assert_eq!(raw.connections(), n);
    }
    let shown = world.webhook(&hook).await;
    assert!(shown.get("failing_since").is_none(), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_to_where_the_webhook_was_before_is_used_again() {
    let world = World::with_webhooks().await;
    let (before, after) = (Raw::start().await, Raw::start().await);
    let hook = world.raw_hook(&before).await;
    *before.does.lock().unwrap() = Does::AnswerWhenTold;
    world.do_webhook(&hook, "test", json!({})).await.expect(202);
    let mut requests = before.requests.subscribe();
    timeout(PATIENCE, requests.wait_for(|count| *count == 1))
        .await
        .expect("the webhook gets a request")
        .unwrap();
    // The URL changes during the request.
    let path = format!("/v1/webhooks/{hook}");
    world.call(Method::PATCH, &path, &[], json!({ "url": after.url }).to_string()).await.expect(200);
    before.told.notify_one();
    world.webhook_when(&hook, |hook| hook["pending"] == 0).await;
    assert_eq!(world.test_taken(&hook).await, 1);
    assert_eq!((*before.requests.borrow(), *after.requests.borrow()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_the_answer_whatever_becomes_of_its_body() {
    let world = World::with_webhooks().await;
    let raw = Raw::start().await;
    let hook = world.raw_hook(&raw).await;
    for does in [Does::AnswerAtLength, Does::AnswerHalf, Does::Answer] {
        *raw.does.lock().unwrap() = does;
        assert_eq!(world.test_taken(&hook).await, 1, "{does:?}");
    }
    assert_eq!(raw.connections(), 3, "neither connection was used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_up_without_an_answer_is_asked_again_later() {
    let world = World::with_webhooks().await;
    let raw = Raw::start().await;
    let hook = world.raw_hook(&raw).await;
    *raw.does.lock().unwrap() = Does::HangUp;
    world.do_webhook(&hook, "test", json!({})).await.expect(202);
    let shown = world.webhook_when(&hook, |hook| hook.get("failing_since").is_some()).await;
    assert!(shown["last_answer"].get("status").is_none(), "{shown}");
    assert_ne!(shown["last_answer"]["text"], "", "{shown}");
    *raw.does.lock().unwrap() = Does::Answer;
    world.advance(super::hooks::MINUTE);
    world.webhook_when(&hook, |hook| hook["pending"] == 0).await;
    assert_eq!(world.deliveries(&hook).await[0]["attempts"], json!(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_is_told_nothing() {
    let world = World::with_webhooks().await;
    let (url, requests) = expired_server().await;
    let hook = json!({ "url": url, "types": ["message.sent"] });
    let hook: Value = world.post("/v1/webhooks", hook).await.expect(201);
    let hook = hook["id"].as_str().unwrap();
    world.do_webhook(hook, "test", json!({})).await.expect(202);
    let shown = world.webhook_when(hook, |hook| hook.get("last_answer").is_some()).await;
    assert!(shown["last_answer"]["text"].as_str().unwrap().contains("certificate"), "{shown}");
    assert_eq!((*requests.borrow(), &shown["pending"]), (0, &json!(1)));
}
