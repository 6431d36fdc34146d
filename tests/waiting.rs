//! A missing permit: fail at once, wait for a permit, or try without a permit; and the deadline.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hongyan_clock::UnixMillis;
use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::world::{World, eventually};

fn with(mut message: Value, field: &str, value: impl Into<Value>) -> Value {
    message[field] = value.into();
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_permit_a_message_fails_and_says_why() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let failed = world.send(world.legacy(&user, "x")).await;
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["reason"]["code"], "no_permit");
    assert!(failed["reason"]["explanation"].as_str().unwrap().contains("no permit"));
    assert!(failed["reason"]["explanation_zh"].as_str().unwrap().contains("额度"));
    assert_eq!(world.wechat.asked("/cgi-bin/message/wxopen/template/send").await, 0, "WeChat was not asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_messages_are_served_in_order_by_the_grants_that_come() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let mut ids = Vec::new();
    for text in ["first", "second", "third"] {
        ids.push(world.accept(with(world.legacy(&user, text), "permit", "wait")).await);
    }
    assert_eq!(world.message(&ids[0]).await["state"], "waiting");
    world.grant_form(&user).await;
    world.settled(&ids[0]).await;
    world.grant_form(&user).await;
    world.settled(&ids[1]).await;
    assert_eq!(world.wechat.texts(&user).await, ["first", "second"]);
    assert_eq!(world.message(&ids[2]).await["state"], "waiting");
    // A permit of another kind does not serve the message.
    world.grant_subscription(&user).await;
    assert_eq!(world.message(&ids[2]).await["state"], "waiting");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_message_expires_at_its_deadline() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let deadline = world.clock.now().plus(Duration::from_secs(3600));
    let message = with(with(world.legacy(&user, "late"), "permit", "wait"), "deadline", deadline.to_string());
    let id = world.accept(message).await;
    assert_eq!(world.message(&id).await["state"], "waiting");
    world.advance(Duration::from_secs(3601));
    let expired = world.settled(&id).await;
    assert_eq!(expired["state"], "expired");
    assert_eq!(expired["reason"]["code"], "deadline_passed");
    world.grant_form(&user).await;
    assert_eq!(world.message(&id).await["state"], "expired", "a final state is never left");
    assert!(world.wechat.inbox(&user).await.is_empty());
    assert_eq!(world.totals(&user).await["available"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_may_be_tried_without_a_permit_in_the_ledger() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    // WeChat has a subscription that the gateway does not know about.
    world.wechat.subscribe(&user, "accept").await;
    let sent = world.send(with(world.subscribe(&user, "tried"), "permit", "try")).await;
    assert_eq!(sent["state"], "sent", "{sent}");
    assert!(sent.get("permit").is_none());
    let refused = world.send(with(world.subscribe(&user, "again"), "permit", "try")).await;
    assert_eq!(refused["state"], "failed");
    assert_eq!(refused["reason"]["errcode"], 43101);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let past = UnixMillis(0).to_string();
    let problem = world.post("/v1/messages", with(world.legacy(&user, "x"), "deadline", past)).await;
    assert_eq!(problem.problem(422, "invalid_field")["field"], "deadline");
    let soon = world.clock.now().plus(Duration::from_secs(60)).to_string();
    let later = world.clock.now().plus(Duration::from_secs(90)).to_string();
    let message = with(with(world.legacy(&user, "x"), "deadline", soon), "send_at", json!(later));
    assert_eq!(world.post("/v1/messages", message).await.problem(422, "invalid_field")["field"], "deadline");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_may_have_its_newest_waiting_message_served_first() {
    let world = World::start().await;
    let path = format!("/v1/apps/{}", world.wechat.seed.appid);
    assert_eq!(world.get(&path).await.expect(200)["waiting_order"], "oldest_first");
    let change = json!({ "waiting_order": "newest_first" });
    let changed = world.call(Method::PATCH, &path, &[], change.to_string()).await.expect(200);
    assert_eq!(changed["waiting_order"], "newest_first");
    let user = world.wechat.user().await;
    let mut ids = Vec::new();
    for text in ["old", "newer", "newest"] {
        ids.push(world.accept(with(world.legacy(&user, text), "permit", "wait")).await);
    }
    world.grant_form(&user).await;
    assert_eq!(world.settled(&ids[2]).await["state"], "sent");
    world.grant_form(&user).await;
    assert_eq!(world.settled(&ids[1]).await["state"], "sent");
    assert_eq!(world.message(&ids[0]).await["state"], "waiting");
    assert_eq!(world.wechat.texts(&user).await, ["newest", "newer"]);
    let nonsense = json!({ "waiting_order": "random" });
    let refused = world.call(Method::PATCH, &path, &[], nonsense.to_string()).await;
    assert_eq!(refused.problem(422, "invalid_field")["field"], "waiting_order");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_message_hears_at_once_that_its_app_was_removed() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let message = with(world.legacy(&user, "x"), "permit", "wait");
    let began = Instant::now();
    let waiting = world.post("/v1/messages?wait=30", message);
    let removing = async {
        let is_accepted = |list: &Value| list["messages"][0]["state"] == "waiting";
        eventually(async || world.get("/v1/messages").await.body, is_accepted).await;
        world.delete(&format!("/v1/apps/{}", world.wechat.seed.appid)).await.expect(204);
    };
    let (answer, ()) = tokio::join!(waiting, removing);
    assert_eq!(answer.expect(202)["state"], "cancelled");
    assert!(began.elapsed() < Duration::from_secs(25), "the caller did not wait needlessly");
    let metrics = world.get("/metrics").await.text;
    assert!(metrics.contains("hongyan_messages_total{state=\"cancelled\"} 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_leaves_no_message_on_its_way_for_ever() {
    let world = World::start().await;
    let address = world.url.strip_prefix("http://").unwrap().to_owned();
    let users = join_all((0..100).map(|_| world.wechat.user())).await;
    for user in &users {
        world.grant_subscription(user).await;
    }
    // The complete request arrives, and the caller disconnects at some moment before the answer.
    join_all(users.iter().enumerate().map(async |(n, user)| {
        let mut body = world.subscribe(user, "x");
        body["reference"] = json!(format!("gone-{n}"));
        let body = body.to_string();
        let mut connection = TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            world.key,
            body.len()
        );
        connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        for _ in 0..n * 40 {
            tokio::task::yield_now().await;
        }
        drop(connection);
    }))
    .await;
    let path = format!("/v1/messages?app={}&state=sending", world.wechat.seed.appid);
    let under_way = async || world.get(&path).await.expect(200)["messages"].clone();
    eventually(under_way, |messages| messages.as_array().unwrap().is_empty()).await;
}
