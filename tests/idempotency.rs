//! The same request twice makes one message.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::world::{Answer, World};

async fn post(world: &World, key: &str, body: &serde_json::Value) -> Answer {
    post_to(world, "/v1/messages?wait=10", key, body).await
}

async fn post_to(world: &World, path: &str, key: &str, body: &serde_json::Value) -> Answer {
    world.call(http::Method::POST, path, &[("idempotency-key", key)], body.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_answered_with_the_first_message() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    world.grant_form(&user).await;
    let message = world.legacy(&user, "once");
    let first = post(&world, "order-1", &message).await.expect(202);
    let second = post(&world, "order-1", &message).await.expect(202);
    assert_eq!(first["id"], second["id"]);
    assert_eq!((&second["state"], &second["replayed"]), (&json!("sent"), &json!(true)));
    assert_eq!(world.wechat.texts(&user).await, ["once"]);
    let third = post(&world, "order-2", &message).await.expect(202);
    assert_ne!(first["id"], third["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_at_once_are_one_message() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    for _ in 0..20 {
        world.grant_subscription(&user).await;
    }
    let message = world.subscribe(&user, "once");
    let answers = join_all((0..20).map(|_| post(&world, "same", &message))).await;
    let mut ids: Vec<_> = answers.into_iter().map(|answer| answer.expect(202)["id"].clone()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(world.wechat.texts(&user).await, ["once"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_known_after_its_time_and_after_its_deadline() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let mut message = world.legacy(&user, "at ten");
    message["send_at"] = json!(world.clock.now().plus(Duration::from_secs(600)).to_string());
    message["deadline"] = json!(world.clock.now().plus(Duration::from_secs(1_200)).to_string());
    let first = post_to(&world, "/v1/messages", "order-1", &message).await.expect(202);
    world.advance(Duration::from_secs(601));
    world.settled(first["id"].as_str().unwrap()).await;
    // The caller did not get the first answer, and repeats the request later.
    let second = post(&world, "order-1", &message).await.expect(202);
    world.advance(Duration::from_secs(3_600));
    let third = post(&world, "order-1", &message).await.expect(202);
    for repeat in [second, third] {
        assert_eq!((&repeat["id"], &repeat["replayed"]), (&first["id"], &json!(true)));
        assert_eq!(repeat["state"], "sent");
    }
    let too_late = post(&world, "order-2", &message).await.expect(202);
    assert_eq!(
        (&too_late["state"], &too_late["reason"]["code"]),
        (&json!("expired"), &json!("deadline_passed"))
    );
    assert_eq!(world.wechat.texts(&user).await, ["at ten"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_for_a_different_request_is_refused() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let first = post(&world, "k", &world.legacy(&user, "one")).await.expect(202);
    let problem = post(&world, "k", &world.legacy(&user, "two")).await.problem(422, "idempotency_key_reused");
    assert_eq!(problem["message"], first["id"]);
    assert_eq!(world.wechat.texts(&user).await, ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_a_key_is_repeated_item_by_item() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    world.grant_subscription(&user).await;
    let batch = json!({ "messages": [world.subscribe(&user, "one"), world.subscribe(&user, "one")] });
    let first = post(&world, "batch", &batch).await.expect(202);
    let second = post(&world, "batch", &batch).await.expect(202);
    for n in 0..2 {
        assert_eq!(first["messages"][n]["id"], second["messages"][n]["id"]);
        assert_eq!(second["messages"][n]["replayed"], true);
    }
    assert_ne!(first["messages"][0]["id"], first["messages"][1]["id"], "two items make two messages");
    assert_eq!(world.wechat.texts(&user).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_message_is_the_same_request_also_after_its_time_has_come() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let mut message = world.legacy(&user, "at noon");
    message["send_at"] = world.clock.now().plus(std::time::Duration::from_secs(3600)).to_string().into();
    let first = post(&world, "noon", &message).await.expect(202);
    assert_eq!(first["state"], "scheduled");
    world.advance(std::time::Duration::from_secs(7200));
    assert_eq!(world.settled(first["id"].as_str().unwrap()).await["state"], "sent");
    let second = post(&world, "noon", &message).await.expect(202);
    assert_eq!((&second["id"], &second["replayed"]), (&first["id"], &json!(true)));
    assert_eq!(world.wechat.texts(&user).await, ["at noon"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_a_key_of_its_own_is_one_message_in_whatever_batch_it_comes() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    for _ in 0..3 {
        world.grant_subscription(&user).await;
    }
    let keyed = |text: &str, key: &str| {
        let mut message = world.subscribe(&user, text);
        message["idempotency_key"] = key.into();
        message
    };
    let batch = json!({ "messages": [keyed("one", "k1"), keyed("two", "k2"), keyed("one", "k1")] });
    let first = world.post("/v1/messages?wait=10", batch).await.expect(202);
    assert_eq!(
        first["messages"][2]["id"], first["messages"][0]["id"],
        "the key also counts within one batch: {first}"
    );
    let other = json!({ "messages": [keyed("two", "k2"), keyed("else", "k1"), keyed("x", "")] });
    let second = world.post("/v1/messages?wait=10", other).await.expect(202);
    assert_eq!(second["messages"][0]["id"], first["messages"][1]["id"], "{second}");
    assert_eq!(second["messages"][1]["error"]["code"], "idempotency_key_reused", "{second}");
    assert_eq!(second["messages"][2]["error"]["field"], "idempotency_key", "{second}");
    let alone = post(&world, "k1", &world.subscribe(&user, "one")).await.expect(202);
    assert_eq!(alone["id"], first["messages"][0]["id"], "the header has the same effect: {alone}");
    let mut texts = world.wechat.texts(&user).await;
    texts.sort();
    assert_eq!(texts, ["one", "two"]);
}
