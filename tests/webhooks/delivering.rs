//! Delivery of events to a webhook: the order, the number of attempts, the time limit, and the end of a webhook.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::hooks::{DAY, HOUR, MINUTE, about};
use super::receiver::{Received, Receiver};
use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_sent_is_told_of_once_and_signed() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let (hook, secret) = world.hook(&receiver, &["message.sent"]).await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    let mut message = world.subscribe(&user, "coffee");
    message["reference"] = "order 7".into();
    let id = world.send(message).await["id"].as_str().unwrap().to_owned();

    let told = receiver.first("message.sent").await;
    assert!(told.id.starts_with("whe_"), "{told:?}");
    assert_eq!(told.signature, told.signed_by(&secret));
    assert_eq!(told.content_type, "application/json");
    let data = &told.body["data"];
    let members: HashSet<&str> = told.body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, HashSet::from(["type", "timestamp", "data"]));
    assert_eq!((&data["id"], &data["to"], &data["state"]), (&json!(id), &json!(user), &json!("sent")));
    assert_eq!((&data["reference"], &data["attempt_count"]), (&json!("order 7"), &json!(1)));
    assert_eq!(told.body["timestamp"], world.message(&id).await["updated_at"]);

    // The webhook, as an operator sees it.
    let shown = world.webhook_when(&hook, |hook| hook["pending"] == 0).await;
    assert_eq!(
        (&shown["state"], &shown["last_answer"]["status"]),
        (&json!("enabled"), &json!(200)),
        "{shown}"
    );
    assert!(shown.get("secret").is_none());
    let deliveries = world.deliveries(&hook).await;
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    assert_eq!(
        (&deliveries[0]["event"], &deliveries[0]["state"], &deliveries[0]["attempts"]),
        (&json!(told.id), &json!("taken"), &json!(1))
    );
    assert_eq!(receiver.received().len(), 1);
    let metrics = world.get("/metrics").await.text;
    assert!(metrics.contains("hongyan_webhook_deliveries_total{result=\"taken\"} 1"), "{metrics}");
    assert!(metrics.contains("hongyan_webhook_events_pending 0"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_later_with_the_same_id_and_body() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let (hook, secret) = world.hook(&receiver, &["message.sent"]).await;
    receiver.answers_next(500);
    let user = world.wechat.user().await;
    world.message_to(&user, "coffee").await;
    receiver.count(1).await;
    let failing = world.webhook_when(&hook, |hook| hook.get("failing_since").is_some()).await;
    assert_eq!((&failing["pending"], &failing["last_answer"]["status"]), (&json!(1), &json!(500)));
    assert_eq!(failing["last_answer"]["text"], "so be it");
    let delivery = &world.deliveries(&hook).await[0];
    assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("pending"), &json!(1)));
    assert!(delivery["next_try_at"].is_string(), "{delivery}");

    world.advance(MINUTE);
    let both = receiver.count(2).await;
    assert_eq!((&both[0].id, &both[0].text), (&both[1].id, &both[1].text));
    assert!(both.iter().all(|one| one.is_signed_by(&secret)));
    assert_ne!(both[0].timestamp, both[1].timestamp, "the timestamp is the time of the attempt");
    let well = world.webhook_when(&hook, |hook| hook["pending"] == 0).await;
    assert!(well.get("failing_since").is_none(), "{well}");
    assert_eq!(world.deliveries(&hook).await[0]["attempts"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_events_keep_their_order_and_others_go_on() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let (hook, _) = world.hook(&receiver, &["message.sent"]).await;
    let (unlucky, other) = (world.wechat.user().await, world.wechat.user().await);
    let poison = unlucky.clone();
    receiver.answers(move |body| Some(if body["data"]["to"] == poison.as_str() { 500 } else { 200 }));
    let mut expected = Vec::new();
    for n in 0..4 {
        expected.push(world.message_to(&unlucky, &format!("number {n}")).await);
        world.message_to(&other, &format!("number {n}")).await;
    }
    let to = |received: &[Received], user: &str| {
        received.iter().filter(|one| one.body["data"]["to"] == user).cloned().collect::<Vec<_>>()
    };
    let received = receiver.when("all of the other user", |received| to(received, &other).len() == 4).await;
    assert!(
        about(&to(&received, &unlucky), "id").iter().all(|id| *id == expected[0]),
        "the first event blocks the second event"
    );
    world.webhook_when(&hook, |hook| hook["pending"] == 4).await;

    receiver.answers(|_| Some(200));
    world.advance(HOUR);
    let taken = |received: &[Received]| -> Vec<String> {
        let taken: Vec<_> = to(received, &unlucky).into_iter().filter(|one| one.status == 200).collect();
        about(&taken, "id")
    };
    let received = receiver.when("the rest", |received| taken(received).len() == 4).await;
    assert_eq!(taken(&received), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_webhook_and_one_that_hangs_hold_up_nobody() {
    let world = World::with_webhooks().await;
    let (well, hanging) = (Receiver::start().await, Receiver::start().await);
    hanging.answers(|_| None);
    let dead = json!({ "url": "http://127.0.0.1:1/", "types": ["message.sent"] });
    let dead = world.post("/v1/webhooks", dead).await.expect(201)["id"].as_str().unwrap().to_owned();
    world.hook(&hanging, &["message.sent"]).await;
    let (well_id, _) = world.hook(&well, &["message.sent"]).await;
    for n in 0..30 {
        let user = world.wechat.user().await;
        world.message_to(&user, &format!("number {n}")).await;
    }
    well.count(30).await;
    world.webhook_when(&well_id, |hook| hook["pending"] == 0).await;
    let shown = world.webhook_when(&dead, |hook| hook.get("failing_since").is_some()).await;
    assert_eq!(shown["pending"], 30, "{shown}");
    assert!(shown["last_answer"].get("status").is_none(), "{shown}");
    assert!(shown["last_answer"]["text"].as_str().unwrap().contains("refused"), "{shown}");
    // The webhook rests instead of getting an attempt for each event.
    world.webhook_when(&dead, |hook| hook.get("rests_until").is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_sent_again_on_request_one_or_those_of_a_time() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let (hook, _) = world.hook(&receiver, &["message.sent"]).await;
    let user = world.wechat.user().await;
    let begin = world.clock.now().to_string();
    for n in 0..3 {
        world.message_to(&user, &format!("number {n}")).await;
    }
    let first = receiver.count(3).await;
    world.webhook_when(&hook, |hook| hook["pending"] == 0).await;

    let answer = world.do_webhook(&hook, "replay", json!({ "event": first[1].id })).await.expect(202);
    assert_eq!(answer, json!({ "events": 1 }));
    assert_eq!(receiver.count(4).await[3].id, first[1].id);
    world.webhook_when(&hook, |hook| hook["pending"] == 0).await;

    let answer = world.do_webhook(&hook, "replay", json!({ "since": begin })).await.expect(202);
    assert_eq!(answer["events"], 3);
    let ids = |received: &[Received]| received.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&receiver.count(7).await[4..]), ids(&first), "in order");

    let nothing = json!({ "since": begin, "until": begin });
    assert_eq!(world.do_webhook(&hook, "replay", nothing).await.expect(202)["events"], 0);
    world.do_webhook(&hook, "replay", json!({})).await.problem(422, "invalid_field");
    let both = json!({ "event": first[0].id, "since": begin });
    world.do_webhook(&hook, "replay", both).await.problem(422, "invalid_field");
    let unknown = json!({ "event": format!("whe_{}", "0".repeat(32)) });
    world.do_webhook(&hook, "replay", unknown).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_gone_is_disabled_at_once_and_the_others_hear_of_it() {
    let world = World::with_webhooks().await;
    let (gone, other) = (Receiver::start().await, Receiver::start().await);
    let (hook, _) = world.hook(&gone, &[]).await;
    world.hook(&other, &["webhook.disabled"]).await;
    gone.answers(|_| Some(410));
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    let told = other.first("webhook.disabled").await;
    assert_eq!((&told.body["data"]["webhook"], &told.body["data"]["reason"]), (&json!(hook), &json!("gone")));
    let shown = world.webhook(&hook).await;
    assert_eq!((&shown["state"], &shown["disabled_reason"]), (&json!("disabled"), &json!("gone")), "{shown}");

    // Events that happen meanwhile are kept for the webhook.
    let asked = gone.received().len();
    world.send(world.subscribe(&user, "kept")).await;
    assert_eq!(world.webhook(&hook).await["pending"], 2);
    assert_eq!(gone.received().len(), asked);
    gone.answers(|_| Some(204));
    let enabled = world.do_webhook(&hook, "enable", json!({})).await.expect(200);
    assert_eq!(enabled["state"], "enabled");
    gone.first("message.sent").await;
    world.webhook_when(&hook, |hook| hook["pending"] == 0).await;
    let kinds: Vec<_> = gone.received().iter().map(|one| (one.kind().to_owned(), one.status)).collect();
    let expected = [("permit.granted", 410), ("permit.granted", 204), ("message.sent", 204)];
    assert_eq!(
        kinds,
        expected.map(|(kind, status)| (kind.to_owned(), status)),
        "there is no event about the end of the webhook itself"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn three_days_without_a_success_disable_a_webhook() {
    let world = World::with_webhooks().await;
    let (bad, other) = (Receiver::start().await, Receiver::start().await);
    bad.answers(|_| Some(503));
    let (hook, _) = world.hook(&bad, &["message.sent"]).await;
    world.hook(&other, &["webhook.disabled"]).await;
    let user = world.wechat.user().await;
    world.message_to(&user, "x").await;
    bad.count(1).await;
    world.webhook_when(&hook, |hook| hook.get("failing_since").is_some()).await;
    world.advance(DAY * 2);
    bad.count(2).await;
    assert_eq!(world.webhook(&hook).await["state"], "enabled");
    world.advance(DAY + HOUR);
    let told = other.first("webhook.disabled").await;
    assert_eq!(told.body["data"]["reason"], "failing");
    let shown = world.webhook(&hook).await;
    assert_eq!((&shown["state"], &shown["disabled_reason"]), (&json!("disabled"), &json!("failing")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_one_webhook_never_takes_is_given_up_after_three_days() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let (hook, _) = world.hook(&receiver, &["message.sent"]).await;
    let (poison, other) = (world.wechat.user().await, world.wechat.user().await);
    let bad = poison.clone();
    receiver.answers(move |body| Some(if body["data"]["to"] == bad.as_str() { 400 } else { 200 }));
    world.message_to(&poison, "x").await;
    receiver.count(1).await;
    let next = world.message_to(&poison, "next").await;
    world.webhook_when(&hook, |hook| hook.get("failing_since").is_some()).await;
    // Other events are accepted, so the webhook itself works.
    world.message_to(&other, "fine").await;
    world.webhook_when(&hook, |hook| hook.get("failing_since").is_none() && hook["pending"] == 2).await;
    world.advance(DAY * 3 + HOUR);
    // The event behind it has its own three days.
    receiver.when("the next", |received| about(received, "id").contains(&next)).await;
    let deliveries = eventually(
        async || Value::from(world.deliveries(&hook).await),
        |all| all.as_array().unwrap().iter().any(|one| one["state"] == "given_up"),
    )
    .await;
    let states: Vec<_> = deliveries.as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["taken", "pending", "given_up"]);
    assert_eq!(world.webhook(&hook).await["state"], "enabled");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_survives_a_restart() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let (hook, secret) = world.hook(&receiver, &["message.sent"]).await;
    receiver.answers(|_| Some(500));
    let mut ids = Vec::new();
    let user = world.wechat.user().await;
    for n in 0..3 {
        ids.push(world.message_to(&user, &format!("number {n}")).await);
    }
    receiver.count(1).await;
    world.webhook_when(&hook, |hook| hook["pending"] == 3).await;
    let world = world.restart().await;
    assert_eq!(world.webhook(&hook).await["pending"], 3);
    receiver.answers(|_| Some(200));
    world.advance(HOUR);
    let taken = |received: &[Received]| -> Vec<Received> {
        received.iter().filter(|one| one.status == 200).cloned().collect()
    };
    let received = receiver.when("all three", |received| taken(received).len() == 3).await;
    assert_eq!(about(&taken(&received), "id"), ids);
    assert!(received.iter().all(|one| one.is_signed_by(&secret)));
    // Later events are delivered too, and no event twice.
    ids.push(world.message_to(&user, "after").await);
    let received = receiver.when("the fourth", |received| taken(received).len() == 4).await;
    assert_eq!(about(&taken(&received), "id"), ids);
}
