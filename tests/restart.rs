//! `kill -9` in the middle of 500 messages, twenty times: no message is lost or delivered twice.

use std::collections::HashMap;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use hongyan_clock::Clock;
use http::Method;
use serde_json::{Value, json};

use crate::process::{Gateway, create_key};
use crate::world::{Http, Platform};

const ROUNDS: usize = 20;
const MESSAGES: usize = 500;
const SHARE: usize = MESSAGES / ROUNDS;
const USERS: usize = 60;
const AT_ONCE: usize = 16;

/// A caller that repeats a request until it is answered, as the idempotency key allows.
struct Caller {
    http: Http,
    key: String,
}

impl Caller {
    async fn call(&self, url: &str, idempotency_key: &str, body: &Value) -> Option<Value> {
        let bearer = format!("Bearer {}", self.key);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", idempotency_key),
        ];
        let answer = self.http.try_send(Method::POST, url, &headers, body.to_string()).await?;
        assert!(answer.status.is_success(), "{url}: {answer:?}");
        Some(answer.body)
    }
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap().to_owned()
}

fn numbered(wechat: &Platform, user: &str, n: usize) -> Value {
    json!({
        "app": wechat.seed.appid,
        "to": user,
        "template": wechat.seed.legacy_template,
        "data": { "keyword1": format!("message {n}"), "keyword2": "b", "keyword3": "c" },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_twenty_times_nothing_is_lost_and_nothing_comes_twice() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let key = create_key(dir.path()).await;
    let caller = Caller { http: Http::new(), key };
    let mut process = Gateway::start(dir.path(), &wechat.url).await;
    let app = json!({ "appid": wechat.seed.appid, "secret": wechat.seed.app_secret });
    caller.call(&format!("{}/v1/apps", process.url), "app", &app).await.unwrap();

    let users = join_all((0..USERS).map(|_| wechat.user())).await;
    let (mut permits, mut messages) = (Vec::new(), Vec::new());
    for (n, user) in users.iter().cycle().take(MESSAGES).enumerate() {
        let form = wechat.form(user).await;
        permits.push(json!({ "app": wechat.seed.appid, "openid": user, "kind": "form", "code": form }));
        messages.push(numbered(&wechat, user, n));
    }
    let permits = json!({ "permits": permits });
    caller.call(&format!("{}/v1/permits", process.url), "permits", &permits).await.unwrap();

    // Each request is repeated until the message is accepted, whatever happens to the process meanwhile.
    let mut accepted: HashMap<usize, String> = HashMap::new();
    let mut died_unanswered = 0;
    for round in 0..ROUNDS {
        let share: Vec<usize> = (round * SHARE..(round + 1) * SHARE).collect();
        let url = format!("{}/v1/messages", process.url);
        let mut answers = stream::iter(&share)
            .map(|&n| {
                let (caller, url, message) = (&caller, &url, &messages[n]);
                async move { (n, caller.call(url, &format!("key-{n}"), message).await) }
            })
            .buffer_unordered(AT_ONCE);
        // The process dies after a different number of answers in each round, while other requests are in flight.
        let survives = (round * 7) % SHARE;
        let mut seen = 0;
        while seen < survives
            && let Some((n, answer)) = answers.next().await
        {
            accepted.insert(n, id(&answer.expect("the gateway is alive")));
            seen += 1;
        }
        process.kill().await;
        while let Some((n, answer)) = answers.next().await {
            match answer {
                Some(answer) => drop(accepted.insert(n, id(&answer))),
                None => died_unanswered += 1,
            }
        }
        process = Gateway::start(dir.path(), &wechat.url).await;
        // Requests without an answer are repeated: the key makes each of them one message.
        for &n in &share {
            let url = format!("{}/v1/messages", process.url);
            let answer =
                caller.call(&url, &format!("key-{n}"), &messages[n]).await.expect("the gateway is alive");
            if let Some(before) = accepted.insert(n, id(&answer)) {
                assert_eq!(
                    before, accepted[&n],
                    "message {n}: a message that was accepted before the kill is still the same"
                );
            }
        }
    }
    assert!(died_unanswered > 0, "the kills interrupted requests");

    // Every message ends as sent: a form message can be repeated safely, and WeChat's 41029 shows that it arrived.
    assert_eq!(accepted.len(), MESSAGES);
    for (n, message) in messages.iter().enumerate() {
        let url = format!("{}/v1/messages?wait=30", process.url);
        let answer = caller.call(&url, &format!("key-{n}"), message).await.unwrap();
        assert_eq!(answer["state"], "sent", "message {n}: {answer}");
    }
    let mut delivered: HashMap<String, u32> = HashMap::new();
    for user in &users {
        for text in wechat.texts(user).await {
            *delivered.entry(text).or_default() += 1;
        }
    }
    let twice: Vec<_> = delivered.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "delivered twice: {twice:?}");
    assert_eq!(delivered.len(), MESSAGES, "every message arrived");
    process.kill().await;
}
