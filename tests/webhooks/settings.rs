//! The URL of a webhook, the events that it gets, and who may change it.

use http::Method;
use serde_json::json;

use super::receiver::Receiver;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn addresses_inside_are_refused_when_set_up_and_when_connected_to() {
    let world = World::start().await;
    for url in [
        "http://example.com/hook",
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://10.0.0.7/hook",
        "https://169.254.169.254/latest",
        "https://[::ffff:192.168.0.1]/",
        "https://user:secret@example.com/",
        "nonsense",
    ] {
        let refused = world.post("/v1/webhooks", json!({ "url": url })).await.problem(422, "invalid_field");
        assert_eq!(refused["field"], "url", "{url}");
        assert!(!refused.to_string().contains("secret@"), "{refused}");
    }
    // The address behind a name is known only after the name is resolved.
    let hook = json!({ "url": "https://localhost:9/hook", "types": ["message.sent"] });
    let hook = world.post("/v1/webhooks", hook).await.expect(201)["id"].as_str().unwrap().to_owned();
    world.do_webhook(&hook, "test", json!({})).await.expect(202);
    let shown = world.webhook_when(&hook, |hook| hook.get("last_answer").is_some()).await;
    assert!(shown["last_answer"]["text"].as_str().unwrap().contains("not public"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let (hook, _) = world.hook(&receiver, &["message.sent"]).await;
    receiver.answers_next(307);
    world.do_webhook(&hook, "test", json!({})).await.expect(202);
    let shown = world.webhook_when(&hook, |hook| hook.get("last_answer").is_some()).await;
    assert_eq!(shown["last_answer"]["status"], 307, "{shown}");
    assert_eq!((&shown["pending"], receiver.received().len()), (&json!(1), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_to_its_webhook_alone_whatever_the_filter() {
    let world = World::with_webhooks().await;
    let (mine, other) = (Receiver::start().await, Receiver::start().await);
    let (hook, _) = world.hook(&mine, &["app.paused"]).await;
    let (bystander, _) = world.hook(&other, &[]).await;
    let answer = world.do_webhook(&hook, "test", json!({})).await.expect(202);
    let told = mine.first("webhook.test").await;
    assert_eq!((&json!(told.id), &told.body["data"]["webhook"]), (&answer["event"], &json!(hook)));
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    other.first("permit.granted").await;
    world.webhook_when(&bystander, |hook| hook["pending"] == 0).await;
    assert_eq!(other.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_changed_and_a_removed_webhook_hears_nothing() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let (hook, _) = world.hook(&receiver, &["app.paused"]).await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    let change = json!({ "types": ["permit.granted"], "description": "shop" });
    let path = format!("/v1/webhooks/{hook}");
    let changed = world.call(Method::PATCH, &path, &[], change.to_string()).await.expect(200);
    assert_eq!(
        (&changed["types"], &changed["description"], &changed["url"]),
        (&json!(["permit.granted"]), &json!("shop"), &json!(receiver.url))
    );
    world.grant_subscription(&user).await;
    receiver.first("permit.granted").await;
    world.webhook_when(&hook, |hook| hook["pending"] == 0).await;
    let elsewhere = json!({ "apps": ["wxffffffffffffffff"] });
    world.call(Method::PATCH, &path, &[], elsewhere.to_string()).await.expect(200);
    world.grant_subscription(&user).await;
    world.delete(&path).await.expect(204);
    world.delete(&path).await.problem(404, "not_found");
    world.get(&path).await.problem(404, "not_found");
    world.grant_subscription(&user).await;
    assert_eq!(world.get("/v1/webhooks").await.expect(200), json!({ "webhooks": [] }));
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_key_with_the_scope_may_touch_webhooks() {
    let world = World::start().await;
    let narrow = world.new_key(hongyan_gateway::keys::Scope::Messages).await;
    let bearer = format!("Bearer {narrow}");
    let headers = [("authorization", bearer.as_str())];
    let refused = world.call(Method::GET, "/v1/webhooks", &headers, "").await.problem(403, "forbidden");
    assert_eq!(refused["scope"], "webhooks");
    let wide = world.new_key(hongyan_gateway::keys::Scope::Webhooks).await;
    let bearer = format!("Bearer {wide}");
    world.call(Method::GET, "/v1/webhooks", &[("authorization", bearer.as_str())], "").await.expect(200);
    let many = json!({ "url": "https://example.com/", "types": ["message.sent", "no.such"] });
    let refused = world.post("/v1/webhooks", many).await.problem(422, "invalid_field");
    assert_eq!(refused["field"], "types[1]");
}
