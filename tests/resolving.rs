//! An operator finds out the real outcome of a message with unknown outcome.

use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{hongyan, run};
use crate::world::{Answer, World};

const SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";

/// A subscribe message whose answer is lost; `kind` decides whether the user gets it.
async fn lose(world: &World, user: &str, kind: &str, text: &str) -> String {
    world.grant_subscription(user).await;
    world.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": kind, "times": 1 })).await;
    let lost = world.send(world.subscribe(user, text)).await;
    assert_eq!(lost["state"], "unknown", "{lost}");
    lost["id"].as_str().unwrap().to_owned()
}

async fn resolve(world: &World, id: &str, body: Value) -> Answer {
    world.post(&format!("/v1/messages/{id}/resolve"), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_user_has_counts_as_sent_and_spends_its_permit() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let id = lose(&world, &user, "reset_after", "arrived").await;
    let resolved = resolve(&world, &id, json!({ "outcome": "sent" })).await.expect(200);
    assert_eq!((&resolved["id"], &resolved["state"]), (&json!(id), &json!("sent")));
    let totals = world.totals(&user).await;
    assert_eq!((&totals["reserved"], &totals["spent"]), (&json!(0), &json!(1)));
    let message = world.message(&id).await;
    assert_eq!(message["attempts"][0]["outcome"], "unanswered", "history is not rewritten");
    assert_eq!(
        (&message["resolutions"][0]["attempt"], &message["resolutions"][0]["outcome"]),
        (&json!(1), &json!("sent"))
    );

    let again = resolve(&world, &id, json!({ "outcome": "sent" })).await.expect(200);
    assert_eq!((&again["state"], &again["repeated"]), (&json!("sent"), &json!(true)));
    let other = resolve(&world, &id, json!({ "outcome": "not_sent" })).await.problem(409, "not_unknown");
    assert_eq!(other["state"], "sent");
    assert_eq!(world.wechat.texts(&user).await, ["arrived"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_user_does_not_have_is_sent_once_by_the_permit_that_it_kept() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let id = lose(&world, &user, "reset_before", "at last").await;
    // Two operators report the same outcome at the same time.
    let say = || resolve(&world, &id, json!({ "outcome": "not_sent", "attempt": 1 }));
    let (one, other) = tokio::join!(say(), say());
    let repeated =
        [one.expect(200), other.expect(200)].iter().filter(|said| said["repeated"] == true).count();
    assert_eq!(repeated, 1);
    let sent = world.settled(&id).await;
    assert_eq!((&sent["state"], &sent["attempt_count"]), (&json!("sent"), &json!(2)));
    assert_eq!(world.wechat.texts(&user).await, ["at last"]);
    assert_eq!(world.totals(&user).await["spent"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_hands_its_permit_to_who_waits_for_it() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let id = lose(&world, &user, "reset_before", "stale").await;
    let mut waiting = world.subscribe(&user, "fresh");
    waiting["permit"] = json!("wait");
    let waiting = world.accept(waiting).await;
    assert_eq!(world.message(&waiting).await["state"], "waiting");
    let given_up = resolve(&world, &id, json!({ "outcome": "not_sent", "then": "fail" })).await.expect(200);
    assert_eq!((&given_up["state"], &given_up["reason"]["code"]), (&json!("failed"), &json!("given_up")));
    assert_eq!(world.settled(&waiting).await["state"], "sent");
    assert_eq!(world.wechat.texts(&user).await, ["fresh"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_late_to_send_again_expires() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    world.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": "reset_before", "times": 1 })).await;
    let mut message = world.subscribe(&user, "late");
    message["deadline"] = json!(world.clock.now().plus(Duration::from_secs(3600)).to_string());
    let id = world.send(message).await["id"].as_str().unwrap().to_owned();
    world.advance(Duration::from_secs(3601));
    let expired = resolve(&world, &id, json!({ "outcome": "not_sent" })).await.expect(200);
    assert_eq!(
        (&expired["state"], &expired["reason"]["code"]),
        (&json!("expired"), &json!("deadline_passed"))
    );
    assert!(world.wechat.inbox(&user).await.is_empty());
    assert_eq!(world.totals(&user).await["available"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let id = lose(&world, &user, "reset_after", "x").await;
    let then = resolve(&world, &id, json!({ "outcome": "sent", "then": "fail" })).await;
    assert_eq!(then.problem(422, "invalid_field")["field"], "then");
    assert_eq!(
        resolve(&world, &id, json!({ "outcome": "perhaps" })).await.problem(422, "invalid_field")["field"],
        "outcome"
    );
    let later = resolve(&world, &id, json!({ "outcome": "sent", "attempt": 2 }))
        .await
        .problem(409, "another_attempt");
    assert_eq!(later["attempt"], 1);
    assert_eq!(world.message(&id).await["state"], "unknown", "the message did not change");
    let never_made = "msg_00000000000000000000000000000000";
    resolve(&world, never_made, json!({ "outcome": "sent" })).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_it_too() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let id = lose(&world, &user, "reset_before", "typed").await;
    let say = async |flags: &[&str]| {
        let mut command = hongyan(&[&["resolve", &id], flags].concat());
        run(command.env("HONGYAN_URL", &world.url).env("HONGYAN_API_KEY", &world.key)).await
    };
    assert_eq!(say(&[]).await.status.code(), Some(2), "which?");
    let said = say(&["--not-sent"]).await;
    assert!(said.status.success(), "{said:?}");
    assert_eq!(String::from_utf8(said.stdout).unwrap(), format!("{id}  ready\n"));
    assert_eq!(world.settled(&id).await["state"], "sent");
    let refused = say(&["--sent"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("unknown"));
    assert_eq!(world.wechat.texts(&user).await, ["typed"]);
}
