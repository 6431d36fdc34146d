//! "Why did this user get no message?" is answered in words, with times and ids.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::World;

/// A message that fails because there is no permit, as the API shows it.
async fn fail(world: &World, message: Value) -> Value {
    let failed = world.send(message).await;
    assert_eq!(
        (&failed["state"], &failed["reason"]["code"]),
        (&json!("failed"), &json!("no_permit")),
        "{failed}"
    );
    failed
}

/// The codes of all causes, the most direct cause first.
fn codes(message: &Value) -> Vec<&str> {
    message["reason"]["because"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

/// Checks that the texts in both languages contain this.
fn says(message: &Value, what: &str) {
    for name in ["explanation", "explanation_zh"] {
        let words = message["reason"][name].as_str().unwrap();
        assert!(words.contains(what), "{name}: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_never_gave_a_permit_is_told_apart_from_one_who_gave_it_too_late() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    // A permit for the other channel does not help.
    world.grant_subscription(&user).await;
    let failed = fail(&world, world.legacy(&user, "x")).await;
    assert_eq!(codes(&failed), ["never_granted"]);
    world.advance(Duration::from_secs(60));
    world.grant_form(&user).await;
    let failed = world.message(failed["id"].as_str().unwrap()).await;
    assert_eq!(codes(&failed), ["never_granted", "granted_later"]);
    says(&failed, failed["reason"]["because"][1]["at"].as_str().unwrap());
    let listed = world.get("/v1/messages?state=failed").await.expect(200);
    assert!(listed["messages"][0]["reason"].get("because").is_none(), "a list does not contain causes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_permit_names_the_message_that_spent_it() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    let sent = world.send(world.subscribe(&user, "the only one")).await;
    world.advance(Duration::from_secs(60));
    let failed = fail(&world, world.subscribe(&user, "too many")).await;
    assert_eq!(codes(&failed), ["spent"]);
    let because = &failed["reason"]["because"][0];
    assert_eq!((&because["message"], &because["permit"]), (&sent["id"], &sent["permit"]));
    assert_eq!(because["at"], sent["attempts"][0]["ended_at"]);
    says(&failed, sent["id"].as_str().unwrap());
    // A permit that is granted and used afterwards does not change the explanation.
    world.advance(Duration::from_secs(60));
    world.grant_subscription(&user).await;
    world.send(world.subscribe(&user, "later")).await;
    let again = world.message(failed["id"].as_str().unwrap()).await;
    assert_eq!(again["reason"]["because"], failed["reason"]["because"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_permit_says_until_when_it_was_good() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let form = world.wechat.form(&user).await;
    let granted = world.grant(&user, "form", &form).await;
    world.advance(Duration::from_secs(8 * 24 * 3600));
    let failed = fail(&world, world.legacy(&user, "x")).await;
    assert_eq!(codes(&failed), ["expired"]);
    let because = &failed["reason"]["because"][0];
    assert_eq!((&because["at"], &because["permit"]), (&granted["expires_at"], &granted["id"]));
    says(&failed, granted["expires_at"].as_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_permit_says_who_found_out_when() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    world.wechat.chaos(json!({ "path": "/cgi-bin/message/subscribe/send", "kind": "errcode", "errcode": 43101, "times": 1 })).await;
    let finder = fail(&world, world.subscribe(&user, "x")).await;
    world.advance(Duration::from_secs(60));
    let next = fail(&world, world.subscribe(&user, "y")).await;
    for failed in [&finder, &next] {
        assert_eq!(codes(failed), ["revoked"]);
        let because = &failed["reason"]["because"][0];
        assert_eq!((&because["message"], &because["errcode"]), (&finder["id"], &json!(43101)));
        assert_eq!(because["at"], finder["attempts"][0]["ended_at"]);
        says(failed, "43101");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_another_message_keeps_names_that_message() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    world
        .wechat
        .chaos(json!({ "path": "/cgi-bin/message/subscribe/send", "kind": "reset_after", "times": 1 }))
        .await;
    let keeper = world.send(world.subscribe(&user, "perhaps")).await;
    assert_eq!(keeper["state"], "unknown");
    let failed = fail(&world, world.subscribe(&user, "x")).await;
    assert_eq!(codes(&failed), ["reserved"]);
    let because = &failed["reason"]["because"][0];
    assert_eq!((&because["message"], &because["message_state"]), (&keeper["id"], &json!("unknown")));
    says(&failed, keeper["id"].as_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_for_another_template_is_named() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let other = &world.wechat.seed.long_term_template;
    let permit = json!({ "app": world.wechat.seed.appid, "openid": user, "kind": "subscribe_long_term", "template": other });
    world.post("/v1/permits", permit).await.expect(201);
    let failed = fail(&world, world.subscribe(&user, "x")).await;
    assert_eq!(codes(&failed), ["never_granted", "other_template"]);
    assert_eq!(failed["reason"]["because"][1]["template"], json!(other));
    says(&failed, other);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_is_explained_by_what_is_true_now_and_one_that_expired_by_what_was() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let mut message = world.legacy(&user, "patient");
    message["permit"] = json!("wait");
    message["deadline"] = json!(world.clock.now().plus(Duration::from_secs(3600)).to_string());
    let id = world.accept(message).await;
    let waiting = world.message(&id).await;
    assert_eq!((&waiting["state"], codes(&waiting)), (&json!("waiting"), vec!["never_granted"]));
    world.advance(Duration::from_secs(3601));
    let expired = world.settled(&id).await;
    assert_eq!(
        (&expired["reason"]["code"], codes(&expired)),
        (&json!("deadline_passed"), vec!["never_granted"])
    );
    assert!(expired["reason"]["explanation"].as_str().unwrap().contains("no permit"), "{expired}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_id_that_was_used_before_is_said_to_be_used() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let form = world.grant_form(&user).await;
    world.send(world.legacy(&user, "first")).await;
    let token = format!(
        "/cgi-bin/token?grant_type=client_credential&appid={}&secret={}",
        world.wechat.seed.appid, world.gateway_secret
    );
    let token = world.get(&token).await.text("access_token");
    let body = json!({
        "touser": user, "template_id": world.wechat.seed.legacy_template, "form_id": form,
        "data": { "keyword1": { "value": "second" }, "keyword2": { "value": "b" }, "keyword3": { "value": "c" } },
    });
    let path = format!("/cgi-bin/message/wxopen/template/send?access_token={token}");
    assert_eq!(world.post(&path, body).await.body["errcode"], 41029);
    let listed = world.get("/v1/messages?state=failed").await.expect(200);
    let failed = world.message(listed["messages"][0]["id"].as_str().unwrap()).await;
    assert_eq!(codes(&failed), ["own_permit_used"]);
    says(&failed, "form");
}
