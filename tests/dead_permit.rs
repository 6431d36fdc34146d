//! A permit that WeChat does not accept is revoked, and the next permit is used.

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_form_id_is_used_when_the_first_is_dead() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    // A form id that WeChat never issued, granted first so that it is tried first.
    world.grant(&user, "form", "made-up-form-id").await;
    world.grant_form(&user).await;
    let sent = world.send(world.legacy(&user, "second")).await;
    assert_eq!(sent["state"], "sent", "{sent}");
    let attempts = sent["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    assert_eq!((&attempts[0]["errcode"], &attempts[1]["errcode"]), (&json!(41028), &json!(0)));
    assert_ne!(attempts[0]["permit"], attempts[1]["permit"]);
    let totals = world.totals(&user).await;
    assert_eq!((&totals["revoked"], &totals["spent"]), (&json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_other_permit_it_fails_or_waits_as_asked() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant(&user, "form", "made-up-1").await;
    let failed = world.send(world.legacy(&user, "x")).await;
    assert_eq!((&failed["state"], &failed["reason"]["code"]), (&json!("failed"), &json!("no_permit")));
    assert_eq!(failed["reason"]["errcode"], 41028, "WeChat's errcode about the permit is kept");

    world.grant(&user, "form", "made-up-2").await;
    let mut message = world.legacy(&user, "patient");
    message["permit"] = json!("wait");
    let id = world.accept(message).await;
    world.grant_form(&user).await;
    assert_eq!(world.settled(&id).await["state"], "sent");
    assert_eq!(world.wechat.texts(&user).await, ["patient"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_subscription_is_revoked_with_all_its_units() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    for _ in 0..3 {
        world.grant_subscription(&user).await;
    }
    world.wechat.subscribe(&user, "reject").await;
    world.wechat.chaos(json!({ "path": "/cgi-bin/message/subscribe/send", "kind": "errcode", "errcode": 43101, "times": 1 })).await;
    let failed = world.send(world.subscribe(&user, "x")).await;
    assert_eq!(failed["reason"]["errcode"], 43101, "{failed}");
    assert_eq!(world.totals(&user).await["revoked"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_what_it_says_leaves_the_permit_alone() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    world.wechat.chaos(json!({ "path": "/cgi-bin/message/wxopen/template/send", "kind": "errcode", "errcode": 45168, "times": 1 })).await;
    let failed = world.send(world.legacy(&user, "x")).await;
    assert_eq!((&failed["state"], &failed["reason"]["code"]), (&json!("failed"), &json!("wechat_refused")));
    assert_eq!(failed["reason"]["errcode"], 45168);
    assert_eq!(world.send(world.legacy(&user, "y")).await["state"], "sent");
}
