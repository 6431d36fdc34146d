//! The answer is lost after WeChat delivered: no user may get a second card, and no message may be forgotten.

use serde_json::{Value, json};

use crate::world::World;

async fn lose_answers(world: &World, path: &str, kind: &str, times: u32) {
    world.wechat.chaos(json!({ "path": path, "kind": kind, "times": times })).await;
}

const TEMPLATE: &str = "/cgi-bin/message/wxopen/template/send";
const SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";

#[tokio::test(flavor = "multi_thread")]
async fn a_form_message_is_repeated_safely_and_seen_once() {
    for kind in ["reset_after", "hang"] {
        // How long the gateway waits for the answer that hangs.
        let world = World::start_with(|settings| settings.answer_timeout_ms = 1_500).await;
        let user = world.wechat.user().await;
        world.grant_form(&user).await;
        lose_answers(&world, TEMPLATE, kind, 1).await;
        let sent = world.send(world.legacy(&user, "once")).await;
        assert_eq!(sent["state"], "sent", "{kind}: {sent}");
        let attempts = sent["attempts"].as_array().unwrap();
        assert_eq!(attempts[0]["outcome"], "unanswered", "{kind}");
        assert_eq!(attempts[1]["errcode"], 41029, "{kind}: WeChat says that the first request arrived");
        assert_eq!(world.wechat.texts(&user).await, ["once"], "{kind}");
        assert_eq!(world.totals(&user).await["spent"], 1, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscribe_message_is_held_as_unknown_with_its_permit() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    lose_answers(&world, SUBSCRIBE, "reset_after", 1).await;
    let held = world.send(world.subscribe(&user, "perhaps")).await;
    assert_eq!((&held["state"], &held["reason"]["code"]), (&json!("unknown"), &json!("no_answer")));
    assert_eq!(world.wechat.texts(&user).await, ["perhaps"]);
    let totals = world.totals(&user).await;
    assert_eq!(
        (&totals["reserved"], &totals["available"]),
        (&json!(1), &json!(0)),
        "no other message may use the unit"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn resend_sends_again_because_the_caller_chose_so() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    lose_answers(&world, SUBSCRIBE, "reset_before", 1).await;
    let mut message = world.subscribe(&user, "surely");
    message["on_unknown"] = json!("resend");
    assert_eq!(world.send(message).await["state"], "sent");
    assert_eq!(world.wechat.texts(&user).await, ["surely"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_reached_wechat_is_simply_sent_again() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    world.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": "errcode", "errcode": -1, "times": 2 })).await;
    let sent = world.send(world.subscribe(&user, "third time lucky")).await;
    assert_eq!(sent["state"], "sent");
    let errcodes: Vec<Value> =
        sent["attempts"].as_array().unwrap().iter().map(|a| a["errcode"].clone()).collect();
    assert_eq!(errcodes, [json!(-1), json!(-1), json!(0)]);
    assert_eq!(world.wechat.texts(&user).await, ["third time lucky"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_wechats_is_no_answer() {
    for kind in ["http_5xx", "garbage"] {
        let world = World::start().await;
        let user = world.wechat.user().await;
        world.grant_subscription(&user).await;
        lose_answers(&world, SUBSCRIBE, kind, 1).await;
        let held = world.send(world.subscribe(&user, "perhaps")).await;
        assert_eq!(held["state"], "unknown", "{kind}: {held}");
    }
}
