//! A newer message about the same subject replaces a message that was not sent yet.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::world::World;

fn about(mut message: Value, key: &str) -> Value {
    message["collapse_key"] = json!(key);
    message
}

fn waiting(mut message: Value) -> Value {
    message["permit"] = json!("wait");
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_of_what_waited_reaches_the_user() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let mut ids = Vec::new();
    for text in ["brewing", "nearly", "ready"] {
        ids.push(world.accept(waiting(about(world.legacy(&user, text), "order-7"))).await);
    }
    let other = world.accept(waiting(about(world.legacy(&user, "another"), "order-8"))).await;
    let replaced = world.message(&ids[0]).await;
    assert_eq!((&replaced["state"], &replaced["reason"]["code"]), (&json!("cancelled"), &json!("replaced")));
    assert_eq!((&replaced["replaced_by"], &replaced["collapse_key"]), (&json!(ids[1]), &json!("order-7")));
    for _ in 0..2 {
        world.grant_form(&user).await;
    }
    assert_eq!(world.settled(&ids[2]).await["state"], "sent");
    assert_eq!(world.settled(&other).await["state"], "sent");
    assert_eq!(world.wechat.texts(&user).await, ["ready", "another"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_older_one_is_told_and_its_permit_goes_to_the_newer() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let mut tomorrow = about(world.legacy(&user, "tomorrow"), "k");
    tomorrow["send_at"] = json!(world.clock.now().plus(Duration::from_secs(86_400)).to_string());
    tomorrow["reserve"] = json!("now");
    let older = world.accept(tomorrow).await;
    let mut listener = world.gateway.report.listen(older.parse().unwrap());
    let newer = world.send(about(world.legacy(&user, "today"), "k")).await;
    assert_eq!(newer["state"], "sent", "the form that the older message had reserved is used: {newer}");
    let told = listener.settled(crate::world::PATIENCE).await.unwrap();
    assert_eq!(told.state.name(), "cancelled");
    world.advance(Duration::from_secs(90_000));
    assert_eq!(world.message(&older).await["replaced_by"], newer["id"]);
    assert_eq!(world.wechat.texts(&user).await, ["today"]);
    assert_eq!(world.totals(&user).await["spent"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_batch_the_last_wins() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    for _ in 0..3 {
        world.grant_form(&user).await;
    }
    let batch: Vec<_> = [("one", "k"), ("two", "k"), ("other", "x"), ("three", "k")]
        .map(|(text, key)| about(world.legacy(&user, text), key))
        .into();
    let answer = world.post("/v1/messages?wait=15", json!({ "messages": batch })).await.expect(202);
    let messages = answer["messages"].as_array().unwrap();
    let states: Vec<_> = messages.iter().map(|message| message["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["cancelled", "cancelled", "sent", "sent"]);
    assert_eq!(messages[0]["reason"]["code"], "replaced");
    assert_eq!(world.message(messages[0]["id"].as_str().unwrap()).await["replaced_by"], messages[1]["id"]);
    assert_eq!(world.wechat.texts(&user).await, ["other", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_wechat_turned_away_for_now_gives_way_to_the_newer() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let path = "/cgi-bin/message/wxopen/template/send";
    world.wechat.chaos(json!({ "path": path, "kind": "errcode", "errcode": -1, "times": 1 })).await;
    world.wechat.chaos(json!({ "path": path, "kind": "latency", "millis": 300, "times": 1 })).await;
    let older = world.accept(about(world.legacy(&user, "older"), "k")).await;
    let newer = world.send(about(world.legacy(&user, "newer"), "k")).await;
    assert_eq!(newer["state"], "sent", "{newer}");
    assert_eq!(world.settled(&older).await["reason"]["code"], "replaced");
    assert_eq!(world.wechat.texts(&user).await, ["newer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_replaces_nothing_and_the_key_is_part_of_the_request() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let post = async |message: Value| {
        let headers = [("idempotency-key", "order-7")];
        world.call(Method::POST, "/v1/messages", &headers, message.to_string()).await
    };
    let message = waiting(about(world.legacy(&user, "x"), "k"));
    let older = post(message.clone()).await.expect(202);
    let newer = world.accept(message.clone()).await;
    let repeated = post(message.clone()).await.expect(202);
    assert_eq!((&repeated["id"], &repeated["replayed"]), (&older["id"], &json!(true)));
    assert_eq!(repeated["state"], "cancelled", "the message was replaced and stays cancelled");
    assert_eq!(world.message(&newer).await["state"], "waiting");
    post(about(message, "other")).await.problem(422, "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_1_to_128_characters() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    for bad in [String::new(), "键".repeat(129)] {
        let refused = world.post("/v1/messages", about(world.legacy(&user, "x"), &bad)).await;
        assert_eq!(refused.problem(422, "invalid_field")["field"], "collapse_key");
    }
    world.post("/v1/messages", about(world.legacy(&user, "x"), &"键".repeat(128))).await.expect(202);
}
