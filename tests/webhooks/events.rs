//! The types of events.

use serde_json::json;

use super::hooks::{DAY, HOUR, MINUTE, about};
use super::receiver::{Received, Receiver};
use crate::world::World;

const SEND: &str = "/cgi-bin/message/subscribe/send";

#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_a_message_has_its_event() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let types = ["message.sent", "message.failed", "message.unknown"];
    world.hook(&receiver, &types).await;
    let user = world.wechat.user().await;
    let told = async |id: &str, kind: &str, state: &str, reason: Option<&str>| {
        let is_it = |one: &Received| one.body["data"]["id"] == id && one.kind() == kind;
        let received = receiver.when(&format!("{kind} of {id}"), |all| all.iter().any(is_it)).await;
        let one = received.iter().find(|one| is_it(one)).unwrap();
        assert_eq!(one.body["data"]["state"], state, "{one:?}");
        assert_eq!(one.body["data"]["reason"]["code"].as_str(), reason, "{one:?}");
        one.body["data"].clone()
    };
    // There is no permit: the message fails when it is accepted.
    let id = world.accept(world.subscribe(&user, "no permit")).await;
    told(&id, "message.failed", "failed", Some("no_permit")).await;
    // Refused by WeChat.
    world.grant_subscription(&user).await;
    world.wechat.chaos(json!({ "path": SEND, "kind": "errcode", "errcode": 47003, "times": 1 })).await;
    let id = world.accept(world.subscribe(&user, "refused")).await;
    let data = told(&id, "message.failed", "failed", Some("wechat_refused")).await;
    assert_eq!(data["reason"]["errcode"], 47003);
    // Cancelled.
    let mut message = world.subscribe(&user, "withdrawn");
    message["send_at"] = json!(world.clock.now().plus(HOUR).to_string());
    let id = world.accept(message.clone()).await;
    world.delete(&format!("/v1/messages/{id}")).await.expect(200);
    told(&id, "message.failed", "cancelled", Some("cancelled")).await;
    // Replaced.
    message["collapse_key"] = "cup".into();
    let older = world.accept(message.clone()).await;
    world.accept(message.clone()).await;
    told(&older, "message.failed", "cancelled", Some("replaced")).await;
    // Expired.
    let mut message = world.subscribe(&world.wechat.user().await, "late");
    message["permit"] = "wait".into();
    message["deadline"] = json!(world.clock.now().plus(MINUTE).to_string());
    let id = world.accept(message).await;
    world.advance(MINUTE * 2);
    told(&id, "message.failed", "expired", Some("deadline_passed")).await;
    // In doubt, and then resolved by an operator.
    world.wechat.chaos(json!({ "path": SEND, "kind": "reset_after", "times": 1 })).await;
    let id = world.accept(world.subscribe(&user, "perhaps")).await;
    told(&id, "message.unknown", "unknown", Some("no_answer")).await;
    world.post(&format!("/v1/messages/{id}/resolve"), json!({ "outcome": "sent" })).await.expect(200);
    told(&id, "message.sent", "sent", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_permits_and_templates_have_events_too() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    world.hook(&receiver, &["permit.granted", "app.paused", "app.resumed", "template.changed"]).await;
    let appid = world.wechat.seed.appid.clone();
    let user = world.wechat.user().await;
    let form = world.grant_form(&user).await;
    world.grant(&user, "form", &form).await;
    let granted = receiver.first("permit.granted").await.body["data"].clone();
    assert_eq!(
        (&granted["app"], &granted["openid"], &granted["kind"], &granted["count"]),
        (&json!(appid), &json!(user), &json!("form"), &json!(1))
    );
    let app = format!("/v1/apps/{appid}");
    world.post(&format!("{app}/pause"), json!({ "detail": "moving" })).await.expect(200);
    let paused = receiver.first("app.paused").await.body["data"].clone();
    assert_eq!((&paused["code"], &paused["detail"]), (&json!("operator"), &json!("moving")));
    world.resume().await;
    receiver.first("app.resumed").await;
    world.resume().await;

    // Another synchronisation of the same templates is not a change.
    world.post(&format!("{app}/templates/sync"), json!({})).await.expect(200);
    let template =
        json!({ "appid": appid, "family": "once", "title": "New", "content": "what:{{thing1.DATA}}" });
    let template = world.wechat.control("templates", template).await["template_id"].clone();
    world.post(&format!("{app}/templates/sync"), json!({})).await.expect(200);
    let changed = receiver.first("template.changed").await.body["data"].clone();
    assert_eq!(changed, json!({ "app": appid, "added": [template], "removed": [], "changed": [] }));
    let kinds: Vec<_> = receiver.received().iter().map(|one| one.kind().to_owned()).collect();
    assert_eq!(kinds.len(), 4, "each event once: {kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_expires_soon_is_told_of_once_also_across_a_restart() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let (hook, _) = world.hook(&receiver, &["permit.expiring"]).await;
    let (user, spender) = (world.wechat.user().await, world.wechat.user().await);
    world.grant_form(&user).await;
    world.grant_form(&spender).await;
    assert_eq!(world.send(world.legacy(&spender, "x")).await["state"], "sent");
    world.advance(DAY * 5 + HOUR * 20);
    world.advance(HOUR * 5);
    let told = receiver.first("permit.expiring").await.body["data"].clone();
    assert_eq!(
        (&told["openid"], &told["kind"], &told["available"]),
        (&json!(user), &json!("form"), &json!(1))
    );
    let world = world.restart().await;
    world.advance(HOUR * 2);
    // A later event shows that no event came in between.
    let other = world.wechat.user().await;
    world.grant_form(&other).await;
    world.advance(DAY * 6 + HOUR);
    let all = receiver.count(2).await;
    assert_eq!(about(&all, "openid"), [user, other]);
    world.webhook_when(&hook, |hook| hook["pending"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_webhook_no_event_is_stored_and_with_one_its_secret_lies_sealed() {
    let world = World::with_webhooks().await;
    let path = world.gateway.settings.sqlite_path().unwrap();
    let rows = || {
        let db = rusqlite::Connection::open(&path).unwrap();
        db.query_row("SELECT COUNT(*) FROM webhook_events", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let user = world.wechat.user().await;
    world.message_to(&user, "nobody listens").await;
    assert_eq!(rows(), 0);
    let receiver = Receiver::start().await;
    let (_, secret) = world.hook(&receiver, &[]).await;
    world.message_to(&user, "somebody does").await;
    receiver.first("message.sent").await;
    assert_eq!(rows(), 2, "a permit and a message");
    let log = path.with_file_name("hongyan.db-wal");
    let bytes = [std::fs::read(&path).unwrap(), std::fs::read(log).unwrap()].concat();
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("somebody does"), "the test reads the right files");
    assert!(!has(&secret["whsec_".len()..]));
}
