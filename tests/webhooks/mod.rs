//! Events out: a back end is told what happens.

mod connections;
mod receiver;
mod secrets;
mod snippets;
#[allow(dead_code, reason = "it is the gateway's own; here only values are held against it")]
#[path = "../../crates/hongyan-gateway/src/api/openapi/validate.rs"]
mod validate;

use std::collections::HashSet;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::world::{World, eventually};
use receiver::{Received, Receiver};

const SEND: &str = "/cgi-bin/message/subscribe/send";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

impl World {
    /// A world in which webhooks may be on this machine.
    async fn with_webhooks() -> Self {
        let world = Self::start_with(|settings| {
            settings.webhook_allow_http = true;
            settings.webhook_allow_private = true;
        })
        .await;
        if receiver::DESCRIPTION.get().is_none() {
            let description = world.get("/openapi.json").await.expect(200);
            receiver::DESCRIPTION.get_or_init(|| validate::Description(description));
        }
        world
    }

    /// Sets up a webhook for some types; its id and secret.
    async fn hook(&self, receiver: &Receiver, types: &[&str]) -> (String, String) {
        let created =
            self.post("/v1/webhooks", json!({ "url": receiver.url, "types": types })).await.expect(201);
        let text = |field: &str| created[field].as_str().unwrap().to_owned();
        (text("id"), text("secret"))
    }

    async fn webhook(&self, id: &str) -> Value {
        self.get(&format!("/v1/webhooks/{id}")).await.expect(200)
    }

    async fn webhook_when(&self, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        eventually(async || self.webhook(id).await, is_so).await
    }

    async fn deliveries(&self, id: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/webhooks/{id}/deliveries")).await.expect(200);
        page["deliveries"].as_array().unwrap().clone()
    }

    async fn do_webhook(&self, id: &str, what: &str, body: Value) -> crate::world::Answer {
        self.post(&format!("/v1/webhooks/{id}/{what}"), body).await
    }

    /// A message that is sent; its id.
    async fn message_to(&self, user: &str, text: &str) -> String {
        self.grant_subscription(user).await;
        let message = self.send(self.subscribe(user, text)).await;
        assert_eq!(message["state"], "sent", "{message}");
        message["id"].as_str().unwrap().to_owned()
    }
}

fn about(received: &[Received], field: &str) -> Vec<String> {
    received.iter().map(|one| one.body["data"][field].as_str().unwrap().to_owned()).collect()
}

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
    assert_ne!(both[0].timestamp, both[1].timestamp, "the time is that of the try");
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
        "the first stands in the way"
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
    // It rests instead of being asked for each event.
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

    // What happens meanwhile is kept for it.
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
    assert_eq!(kinds, expected.map(|(kind, status)| (kind.to_owned(), status)), "and nothing of its own end");
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
    // Others get through, so the webhook itself is well.
    world.message_to(&other, "fine").await;
    world.webhook_when(&hook, |hook| hook.get("failing_since").is_none() && hook["pending"] == 2).await;
    world.advance(DAY * 3 + HOUR);
    // The one behind it has its own three days.
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
    // What came after it is told, too, and nothing twice.
    ids.push(world.message_to(&user, "after").await);
    let received = receiver.when("the fourth", |received| taken(received).len() == 4).await;
    assert_eq!(about(&taken(&received), "id"), ids);
}

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
    // No permit: it fails as it is accepted.
    let id = world.accept(world.subscribe(&user, "no permit")).await;
    told(&id, "message.failed", "failed", Some("no_permit")).await;
    // Refused by WeChat.
    world.grant_subscription(&user).await;
    world.wechat.chaos(json!({ "path": SEND, "kind": "errcode", "errcode": 47003, "times": 1 })).await;
    let id = world.accept(world.subscribe(&user, "refused")).await;
    let data = told(&id, "message.failed", "failed", Some("wechat_refused")).await;
    assert_eq!(data["reason"]["errcode"], 47003);
    // Withdrawn.
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
    // In doubt, and what an operator says of it.
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

    // The same templates once more are no change.
    world.post(&format!("{app}/templates/sync"), json!({})).await.expect(200);
    let template =
        json!({ "appid": appid, "family": "once", "title": "New", "content": "what:{{thing1.DATA}}" });
    let template = world.wechat.control("templates", template).await["template_id"].clone();
    world.post(&format!("{app}/templates/sync"), json!({})).await.expect(200);
    let changed = receiver.first("template.changed").await.body["data"].clone();
    assert_eq!(changed, json!({ "app": appid, "added": [template], "removed": [], "changed": [] }));
    let kinds: Vec<_> = receiver.received().iter().map(|one| one.kind().to_owned()).collect();
    assert_eq!(kinds.len(), 4, "each once: {kinds:?}");
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
    // Something that happens later shows that nothing came between.
    let other = world.wechat.user().await;
    world.grant_form(&other).await;
    world.advance(DAY * 6 + HOUR);
    let all = receiver.count(2).await;
    assert_eq!(about(&all, "openid"), [user, other]);
    world.webhook_when(&hook, |hook| hook["pending"] == 0).await;
}

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
    // A name says only when it is looked up where it leads.
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
    assert!(has("somebody does"), "one looks at the right files");
    assert!(!has(&secret["whsec_".len()..]));
}
