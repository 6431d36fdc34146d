//! Old rows are removed while messages are being sent; open, uncertain and young rows stay.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::world::{PATIENCE, World};

const DAY: Duration = Duration::from_secs(86_400);

impl World {
    /// Starts a round of retention and waits for its end. If the clock was moved just before, a round has begun already;
    /// that round suffices if it looks for rows that are old by now.
    pub async fn round_of_retention(&self) {
        let mut retained_at = self.gateway.retained_at.clone();
        let now = self.clock.now();
        self.advance(Duration::from_secs(6 * 3600 + 1));
        // Between its steps a round rests for four times the duration of a step, so a round takes minutes on a busy machine.
        let done = tokio::time::timeout(PATIENCE * 10, retained_at.wait_for(|&at| at >= now)).await;
        drop(done.expect("the round ends").unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_goes_and_what_is_open_in_doubt_or_young_stays() {
    let world = World::start_with(|settings| settings.retention_days = 7).await;
    world.round_of_retention().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    let keyed = |text: &str| {
        let mut message = world.subscribe(&user, text);
        message["idempotency_key"] = "old".into();
        message
    };
    let old = world.send(keyed("old")).await;
    assert_eq!(old["state"], "sent");
    let failed = world.send(world.subscribe(&user, "no permit")).await;
    assert_eq!(failed["state"], "failed");
    world.grant_subscription(&user).await;
    world
        .wechat
        .chaos(json!({ "path": "/cgi-bin/message/subscribe/send", "kind": "reset_after", "times": 1 }))
        .await;
    let doubtful = world.send(world.subscribe(&user, "perhaps")).await;
    assert_eq!(doubtful["state"], "unknown");
    let mut patient = world.subscribe(&user, "patient");
    patient["permit"] = "wait".into();
    let patient = world.accept(patient).await;

    world.advance(DAY * 6);
    world.round_of_retention().await;
    world.message(old["id"].as_str().unwrap()).await;
    world.advance(DAY);
    let young = world.send(world.subscribe(&user, "young")).await;
    world.round_of_retention().await;
    let gone = async |message: &Value| {
        let path = format!("/v1/messages/{}", message["id"].as_str().unwrap());
        world.get(&path).await.problem(404, "not_found");
    };
    gone(&old).await;
    gone(&failed).await;
    assert_eq!(world.message(doubtful["id"].as_str().unwrap()).await["state"], "unknown");
    assert_eq!(world.message(&patient).await["state"], "waiting");
    assert_eq!(world.message(young["id"].as_str().unwrap()).await["state"], "failed");
    let totals = world.totals(&user).await;
    assert_eq!(
        (&totals["granted"], &totals["spent"], &totals["reserved"]),
        (&json!(2), &json!(1), &json!(1))
    );
    let metrics = world.get("/metrics").await.text;
    assert!(metrics.contains("hongyan_pruned_total{what=\"messages\"} 2"), "{metrics}");

    // The key was removed with its message: the same request makes a new message.
    let again = world.send(keyed("old")).await;
    assert_ne!(again["id"], old["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn zero_days_keep_everything() {
    let world = World::start_with(|settings| settings.retention_days = 0).await;
    let user = world.wechat.user().await;
    let failed = world.send(world.subscribe(&user, "no permit")).await;
    world.advance(DAY * 4_000);
    world.round_of_retention().await;
    assert_eq!(world.message(failed["id"].as_str().unwrap()).await["state"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_out_while_thousands_of_old_ones_are_removed() {
    let world = World::start_with(|settings| settings.retention_days = 1).await;
    let users = join_all((0..20).map(|_| world.wechat.user())).await;
    for _ in 0..4 {
        let batch: Vec<_> =
            users.iter().cycle().take(1_000).map(|user| world.subscribe(user, "no permit")).collect();
        let accepted = world.post("/v1/messages", json!({ "messages": batch })).await.expect(202);
        assert_eq!(accepted["accepted"], 1_000);
    }
    for user in &users {
        world.grant_subscription(user).await;
    }
    world.advance(DAY * 2);
    let removing = world.round_of_retention();
    let sending = join_all(users.iter().map(|user| world.send(world.subscribe(user, "new"))));
    let ((), sent) = tokio::join!(removing, sending);
    assert!(sent.iter().all(|message| message["state"] == "sent"), "{sent:?}");
    let left = world.call(Method::GET, "/v1/messages?limit=100", &[], "").await.expect(200);
    let left = left["messages"].as_array().or_else(|| left["items"].as_array()).unwrap();
    assert_eq!(left.len(), users.len(), "the old messages are removed, the new messages are there");
}
