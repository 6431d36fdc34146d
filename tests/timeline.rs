//! The timeline of a message: everything that happened to it, in the order of time.

use hongyan_gateway::keys::Scope;
use hongyan_gateway::people::Role;
use http::Method;
use serde_json::{Value, json};

use crate::console::visitor;
use crate::keys::{call_with, key};
use crate::pusher::{Pusher, as_json, is_success};
use crate::webhooks::receiver::Receiver;
use crate::world::{World, eventually};

async fn timeline(world: &World, id: &str) -> Value {
    world.get(&format!("/v1/messages/{id}/timeline")).await.expect(200)
}

fn kinds(timeline: &Value) -> Vec<&str> {
    timeline["entries"].as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_tells_of_the_attempt_the_event_and_the_deliveries() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let (hook, _) = world.hook(&receiver, &["message.sent", "message.delivered"]).await;
    let pusher = Pusher::of(&world, false).await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    let sent = world.send(world.subscribe(&user, "x")).await;
    let id = sent["id"].as_str().unwrap();
    let msgid = sent["attempts"][0]["msgid"].as_str().map_or(7, |msgid| msgid.parse().unwrap());
    let event = as_json(&world.sent(&user, msgid, 0, "success"));
    is_success(&pusher.push(&world.signed("n"), &event).await);
    world.worked_on().await;
    receiver.first("message.delivered").await;
    world.webhook_when(&hook, |hook| hook["pending"] == 0).await;

    let told = eventually(async || timeline(&world, id).await, |told| kinds(told).len() == 6).await;
    let mut found = kinds(&told);
    assert_eq!(found[..2], ["accepted", "attempt"], "{told:#}");
    found.sort_unstable();
    assert_eq!(found, ["accepted", "attempt", "delivery", "delivery", "event", "state"], "{told:#}");
    let entries = told["entries"].as_array().unwrap();
    assert!(entries.is_sorted_by_key(|entry| entry["at"].as_str().unwrap()), "{told:#}");
    let of = |kind: &str| entries.iter().filter(move |entry| entry["type"] == kind).collect::<Vec<_>>();
    assert_eq!(of("attempt")[0]["attempt"], sent["attempts"][0]);
    let effects = &of("event")[0]["event"]["effects"];
    assert_eq!(*effects, json!([{ "effect": "delivered", "message": id }]));
    assert_eq!(of("state")[0]["state"], "delivered");
    for (delivery, kind) in of("delivery").into_iter().zip(["message.sent", "message.delivered"]) {
        assert_eq!((&delivery["webhook"], &delivery["delivery"]["type"]), (&json!(hook), &json!(kind)));
        assert_eq!(delivery["delivery"]["last_answer"]["status"], 200, "{delivery}");
    }
    assert_eq!((&told["id"], &told["replaced"]), (&json!(id), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_names_what_the_message_replaced() {
    let world = World::start().await;
    let mut message = world.subscribe(&world.wechat.user().await, "x");
    message["permit"] = "wait".into();
    message["collapse_key"] = "cup".into();
    let older = world.accept(message.clone()).await;
    let newer = world.accept(message).await;
    let told = timeline(&world, &newer).await;
    assert_eq!((kinds(&told), &told["replaced"]), (vec!["accepted", "state"], &json!([older])));
    let told = timeline(&world, &older).await;
    assert_eq!((&told["replaced_by"], &told["replaced"]), (&json!(newer), &json!([])));
    assert_eq!(told["entries"][1]["reason"]["code"], "replaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_has_its_entry_and_a_foreign_message_has_no_timeline() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    let chaos = json!({ "path": "/cgi-bin/message/subscribe/send", "kind": "reset_after", "times": 1 });
    world.wechat.chaos(chaos).await;
    let lost = world.send(world.subscribe(&user, "perhaps")).await;
    let id = lost["id"].as_str().unwrap();
    world.post(&format!("/v1/messages/{id}/resolve"), json!({ "outcome": "sent" })).await.expect(200);
    let told = timeline(&world, id).await;
    assert_eq!(kinds(&told), ["accepted", "attempt", "resolution", "state"], "{told:#}");
    assert_eq!(told["entries"][2]["resolution"]["by"], "operator");

    for unknown in ["msg_0", &id.replace("msg_", "msg_f")] {
        world.get(&format!("/v1/messages/{unknown}/timeline")).await.problem(404, "not_found");
    }
    let mut narrow = world;
    narrow.key = narrow.new_key(Scope::Permits).await;
    narrow.get(&format!("/v1/messages/{id}/timeline")).await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_says_who_sent_it_and_the_name_only_to_those_who_may_know_it() {
    let world = World::start().await;
    let (appid, user) = (world.wechat.seed.appid.clone(), world.wechat.user().await);
    let sent_by = async |key: &str| {
        let answer = call_with(&world, key, Method::POST, "/v1/messages", world.subscribe(&user, "x")).await;
        answer.expect(202)["id"].as_str().unwrap().to_owned()
    };
    let (orders, other) =
        (world.new_key(Scope::Messages).await, key(&world, &[Scope::Messages], &[&appid]).await);
    let id = sent_by(&orders).await;
    let seen = async |key: &str, id: &str| {
        let path = format!("/v1/messages/{id}");
        let message = call_with(&world, key, Method::GET, &path, Value::Null).await.expect(200);
        let told =
            call_with(&world, key, Method::GET, &format!("{path}/timeline"), Value::Null).await.expect(200);
        assert_eq!(told["entries"][0]["accepted_by"], message["accepted_by"]);
        message["accepted_by"].clone()
    };
    let own = seen(&orders, &id).await;
    assert_eq!((&own["kind"], &own["name"]), (&json!("key"), &json!("narrow")));
    assert_eq!(
        seen(&other, &id).await,
        json!({ "kind": "key", "id": own["id"] }),
        "it may not read the audit trail"
    );
    let auditor = key(&world, &[Scope::Messages, Scope::Audit], &[&appid]).await;
    assert_eq!(seen(&auditor, &id).await, own);
    assert_ne!(seen(&world.key, &sent_by(&other).await).await["id"], own["id"]);

    // A person at the console, who is removed afterwards.
    let operator = visitor(&world, "operator", Role::Operator, None).await;
    let again = operator.post(&format!("/console/messages/{id}/send"), &[("once", "again")]).await;
    let by_person = again.headers["location"].to_str().unwrap();
    let by_person = by_person.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let person = seen(&auditor, &by_person).await;
    assert_eq!((&person["kind"], &person["name"]), (&json!("person"), &json!("operator")));
    let page = operator.get(&format!("/console/messages/{by_person}")).await.text;
    assert!(page.contains("By operator, at the console"), "{page}");
    let page = operator.get(&format!("/console/messages/{id}")).await.text;
    assert!(page.contains("By the API key narrow"), "{page}");
    let viewer = visitor(&world, "viewer", Role::Viewer, None).await;
    let page = viewer.get(&format!("/console/messages/{id}")).await.text;
    assert!(!page.contains("narrow") && page.contains(own["id"].as_str().unwrap()), "{page}");
    let id = person["id"].as_str().unwrap().parse().unwrap();
    assert!(world.gateway.store.remove_person(id, None).await.unwrap().done().is_some());
    assert_eq!(seen(&auditor, &by_person).await, person);
}
