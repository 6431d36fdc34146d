//! Scheduled messages: they are sent at their time, in order, and can be cancelled before.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);

fn at(world: &World, mut message: Value, after: Duration) -> Value {
    message["send_at"] = json!(world.clock.now().plus(after).to_string());
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_message_goes_out_at_its_time() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let id = world.accept(at(&world, world.legacy(&user, "later"), HOUR)).await;
    assert_eq!(world.message(&id).await["state"], "scheduled");
    assert_eq!(world.totals(&user).await["available"], 1, "the permit is chosen when the message is sent");
    world.advance(HOUR / 2);
    assert_eq!(world.message(&id).await["state"], "scheduled");
    world.advance(HOUR);
    assert_eq!(world.settled(&id).await["state"], "sent");
    assert_eq!(world.wechat.texts(&user).await, ["later"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_user_keep_their_order() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let texts: Vec<String> = (0..12).map(|n| format!("number {n}")).collect();
    let mut ids = Vec::new();
    for text in &texts {
        world.grant_subscription(&user).await;
        ids.push(world.accept(at(&world, world.subscribe(&user, text), HOUR)).await);
    }
    // WeChat is slow and busy in between; no message overtakes another.
    world.wechat.chaos(json!({ "path": "/cgi-bin/message/subscribe/send", "kind": "errcode", "errcode": 43108, "times": 2 })).await;
    world.advance(HOUR + Duration::from_secs(1));
    for id in &ids {
        assert_eq!(world.settled(id).await["state"], "sent");
    }
    assert_eq!(world.wechat.texts(&user).await, texts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_message_can_be_cancelled_and_its_permit_stays() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let mut message = at(&world, world.legacy(&user, "never"), HOUR);
    message["reserve"] = json!("now");
    let id = world.accept(message).await;
    assert_eq!(world.totals(&user).await["reserved"], 1);
    assert_eq!(
        world.send(world.legacy(&user, "other")).await["reason"]["code"],
        "no_permit",
        "the permit is reserved"
    );
    let cancelled = world.delete(&format!("/v1/messages/{id}")).await.expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(world.totals(&user).await["available"], 1);
    world.advance(2 * HOUR);
    assert_eq!(world.send(world.legacy(&user, "other")).await["state"], "sent");
    assert_eq!(world.wechat.texts(&user).await, ["other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_cannot_be_cancelled() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let sent = world.send(world.legacy(&user, "gone")).await;
    let path = format!("/v1/messages/{}", sent["id"].as_str().unwrap());
    let problem = world.delete(&path).await.problem(409, "too_late_to_cancel");
    assert_eq!(problem["state"], "sent");
    world.delete("/v1/messages/msg_00000000000000000000000000000000").await.problem(404, "not_found");
    world.delete("/v1/messages/nonsense").await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_in_the_past_means_now_and_a_far_one_brings_a_warning() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let mut past = world.legacy(&user, "now");
    past["send_at"] = json!("2020-01-01T00:00:00Z");
    assert_eq!(world.send(past).await["state"], "sent");
    let far =
        world.post("/v1/messages", at(&world, world.legacy(&user, "far"), 31 * 24 * HOUR)).await.expect(202);
    assert_eq!(far["state"], "scheduled");
    assert_eq!(far["warnings"][0]["code"], "permit_may_expire");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_app_keeps_its_messages_until_it_is_resumed() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let appid = world.wechat.seed.appid.clone();
    world.grant_form(&user).await;
    world.post(&format!("/v1/apps/{appid}/pause"), json!({ "detail": "campaign stopped" })).await.expect(200);
    let accepted = world.post("/v1/messages?wait=10", world.legacy(&user, "kept")).await.expect(202);
    assert_eq!(accepted["state"], "ready");
    assert_eq!(accepted["reason"]["code"], "app_paused");
    let resumed = world.post(&format!("/v1/apps/{appid}/resume"), json!({})).await.expect(200);
    assert!(resumed.get("paused").is_none());
    assert_eq!(world.settled(accepted["id"].as_str().unwrap()).await["state"], "sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_day_quota_pauses_until_midnight_in_beijing() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    world.wechat.chaos(json!({ "path": "/cgi-bin/message/wxopen/template/send", "kind": "errcode", "errcode": 45009, "times": 1 })).await;
    let accepted = world.post("/v1/messages?wait=10", world.legacy(&user, "tomorrow")).await.expect(202);
    assert_eq!((&accepted["state"], &accepted["reason"]["code"]), (&json!("ready"), &json!("app_paused")));
    assert_eq!(accepted["reason"]["errcode"], 45009);
    let app = world.get(&format!("/v1/apps/{}", world.wechat.seed.appid)).await.expect(200);
    assert_eq!(app["paused"]["code"], "day_quota");
    assert!(app["paused"]["until"].as_str().unwrap().ends_with("T16:00:00.000Z"), "{app}");
    world.advance(24 * HOUR);
    assert_eq!(world.settled(accepted["id"].as_str().unwrap()).await["state"], "sent");
    assert_eq!(world.wechat.texts(&user).await, ["tomorrow"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_claimed_while_the_gateway_stops_goes_out_and_is_never_in_doubt() {
    let mut world = World::start().await;
    let users = join_all((0..40).map(|_| world.wechat.user())).await;
    for round in 0..8 {
        let mut ids = Vec::new();
        for user in &users {
            world.grant_subscription(user).await;
            ids.push(world.accept(at(&world, world.subscribe(user, "at the end"), HOUR)).await);
        }
        // All messages are due at once, in all lanes, and the gateway stops.
        world.advance(HOUR);
        world = world.restart().await;
        for id in &ids {
            let message = world.settled(id).await;
            assert_eq!(
                (&message["state"], &message["attempt_count"]),
                (&json!("sent"), &json!(1)),
                "round {round}: {message}"
            );
        }
    }
}
