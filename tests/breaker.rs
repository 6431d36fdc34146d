//! An outage of WeChat: it costs a request now and then, loses no message, and makes no caller wait.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hongyan_clock::UnixMillis;
use http::Method;
use serde_json::{Value, json};

use crate::world::World;

pub const SEND: &str = "/cgi-bin/message/wxopen/template/send";

/// The longest pause between two probes.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub fn is_open(app: &Value) -> bool {
    app["paused"]["code"] == "wechat_unavailable"
}

pub fn probe_at(app: &Value) -> UnixMillis {
    UnixMillis::parse_rfc3339(app["paused"]["until"].as_str().unwrap()).unwrap()
}

/// WeChat answers that it is busy to every send until the chaos ends.
pub async fn outage(world: &World, kind: &str) {
    world.wechat.chaos(json!({ "path": "/cgi-bin/message/*", "kind": kind })).await;
}

/// Users with a form each, and a message to each user.
pub async fn messages(world: &World, count: usize) -> (Vec<String>, Vec<String>) {
    let users = join_all((0..count).map(|_| async {
        let user = world.wechat.user().await;
        world.grant_form(&user).await;
        user
    }))
    .await;
    let all: Vec<Value> = users.iter().map(|user| world.legacy(user, "kept")).collect();
    let accepted = world.post("/v1/messages", json!({ "messages": all })).await.expect(202);
    let ids = accepted["messages"].as_array().unwrap().iter();
    (users, ids.map(|message| message["id"].as_str().unwrap().to_owned()).collect())
}

/// The next probe is sent and fails. Returns the app after it.
pub async fn failed_probe(world: &World, app: &Value) -> Value {
    let due = probe_at(app);
    world.clock.set(due);
    world.app_when("paused for longer", |app| is_open(app) && probe_at(app) > due).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_an_hour_costs_a_probe_now_and_then_and_no_message() {
    let world = World::start().await;
    outage(&world, "errcode").await;
    let (users, ids) = messages(&world, 200).await;
    let mut app = world.app_when("paused", is_open).await;
    let since = app["paused"]["since"].clone();
    let end = world.clock.now().plus(Duration::from_secs(3600));
    let mut probes = 0;
    while world.clock.now() < end {
        app = failed_probe(&world, &app).await;
        assert!(probe_at(&app).since(world.clock.now()) <= LONGEST_PAUSE, "{app}");
        assert_eq!(app["paused"]["since"], since, "both failures belong to one outage");
        probes += 1;
    }
    assert!((120..260).contains(&probes), "{probes} probes in an hour");
    let asked = world.wechat.asked(SEND).await;
    // The messages in flight at the beginning, once each, and a few that failed before the fifth failure in a row.
    assert!(asked <= probes + 128 + 10, "{asked} requests, of which {probes} were probes");

    world.wechat.end_chaos().await;
    world.clock.set(probe_at(&app));
    for id in &ids {
        assert_eq!(world.settled(id).await["state"], "sent");
    }
    assert!(world.app().await.get("paused").is_none());
    for user in &users {
        assert_eq!(world.wechat.texts(user).await, ["kept"], "once");
    }
    assert_eq!(world.wechat.asked(SEND).await, asked + 200, "after that, every request succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_die_are_an_outage_too_and_an_operator_may_end_its_pause() {
    let world = World::start().await;
    outage(&world, "reset_before").await;
    let (users, ids) = messages(&world, 30).await;
    world.app_when("paused", is_open).await;
    world.wechat.end_chaos().await;
    // The clock stands still, so only the operator's request can release the messages.
    let resumed = world.resume().await;
    assert!(resumed.get("paused").is_none(), "{resumed}");
    for (id, user) in ids.iter().zip(&users) {
        assert_eq!(world.settled(id).await["state"], "sent");
        assert_eq!(world.wechat.texts(user).await, ["kept"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flaky_answer_among_good_ones_stops_nobody() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    for _ in 0..8 {
        world.wechat.chaos(json!({ "path": SEND, "kind": "errcode", "times": 1 })).await;
        world.grant_form(&user).await;
        let id = world.accept(world.legacy(&user, "x")).await;
        world.settled(&id).await;
        assert!(world.app().await.get("paused").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_prove_that_wechat_works() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.wechat.chaos(json!({ "path": SEND, "kind": "errcode", "errcode": 47003 })).await;
    for _ in 0..8 {
        world.grant_form(&user).await;
        assert_eq!(world.send(world.legacy(&user, "x")).await["state"], "failed");
    }
    assert!(world.app().await.get("paused").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn during_an_outage_messages_are_accepted_shown_cancelled_and_expire() {
    let world = World::start().await;
    outage(&world, "errcode").await;
    messages(&world, 20).await;
    let mut app = world.app_when("paused", is_open).await;
    // A few failed probes make the pause long enough for the rest of the story.
    for _ in 0..6 {
        app = failed_probe(&world, &app).await;
    }
    let asked = world.wechat.asked(SEND).await;

    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let waited = Instant::now();
    let kept = world.post("/v1/messages?wait=20", world.legacy(&user, "kept")).await.expect(202);
    assert!(waited.elapsed() < Duration::from_secs(10), "the waiting caller is answered at once");
    assert_eq!(
        (&kept["state"], &kept["reason"]["code"]),
        (&json!("ready"), &json!("wechat_unavailable")),
        "{kept}"
    );
    let kept = kept["id"].as_str().unwrap();
    assert!(world.message(kept).await["attempts"].as_array().unwrap().is_empty(), "no attempt was counted");

    let mut with_deadline = world.legacy(&user, "late");
    with_deadline["deadline"] = json!(world.clock.now().plus(Duration::from_secs(5)).to_string());
    let late = world.accept(with_deadline).await;
    let withdrawn = world.accept(world.legacy(&user, "withdrawn")).await;
    world.delete(&format!("/v1/messages/{withdrawn}")).await.expect(200);
    world.advance(Duration::from_secs(6));
    assert_eq!(world.settled(&late).await["state"], "expired");

    let metrics = world.get("/metrics").await.text;
    let paused =
        format!("hongyan_app_paused{{app=\"{}\",reason=\"wechat_unavailable\"}} 1", world.wechat.seed.appid);
    assert!(metrics.contains(&paused), "{metrics}");
    assert_eq!(world.wechat.asked(SEND).await, asked, "WeChat was not asked again");

    world.wechat.end_chaos().await;
    world.clock.set(probe_at(&app));
    assert_eq!(world.settled(kept).await["state"], "sent");
    assert_eq!(world.wechat.texts(&user).await, ["kept"]);
    assert_eq!(world.totals(&user).await["spent"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_through_the_facade_is_answered_at_once_with_wechats_busy() {
    let world = World::start().await;
    outage(&world, "errcode").await;
    messages(&world, 20).await;
    let mut app = world.app_when("paused", is_open).await;
    for _ in 0..6 {
        app = failed_probe(&world, &app).await;
    }
    let token = world.facade_token().await;
    let user = world.wechat.user().await;
    world.wechat.subscribe(&user, "accept").await;
    let body = json!({
        "touser": user,
        "template_id": world.wechat.seed.subscribe_template,
        "data": { "thing1": { "value": "x" }, "date2": { "value": "2026-05-01" }, "amount3": { "value": "¥1" } },
    });
    let path = format!("/cgi-bin/message/subscribe/send?access_token={token}");
    let waited = Instant::now();
    let answer = world.call(Method::POST, &path, &[], body.to_string()).await.expect(200);
    assert!(waited.elapsed() < Duration::from_secs(6), "the answer did not wait for the end of the outage");
    assert_eq!(answer["errcode"], -1, "{answer}");
    assert!(answer["errmsg"].as_str().unwrap().contains("WeChat does not answer"), "{answer}");
    // After the answer "not sent", the message must not be sent later.
    world.wechat.end_chaos().await;
    world.clock.set(probe_at(&app));
    world.app_when("free", |app| app.get("paused").is_none()).await;
    let answer = world.call(Method::POST, &path, &[], body.to_string()).await.expect(200);
    assert_eq!(answer["errcode"], 0, "{answer}");
    assert_eq!(world.wechat.inbox(&user).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_messages_keep_their_order_through_an_outage() {
    let world = World::start().await;
    outage(&world, "errcode").await;
    let user = world.wechat.user().await;
    let texts: Vec<String> = (0..12).map(|n| format!("number {n}")).collect();
    let mut ids = Vec::new();
    for text in &texts {
        world.grant_subscription(&user).await;
        ids.push(world.accept(world.subscribe(&user, text)).await);
    }
    // A user has only one message in flight; messages to others make it an outage.
    messages(&world, 10).await;
    let mut app = world.app_when("paused", is_open).await;
    for _ in 0..12 {
        app = failed_probe(&world, &app).await;
    }
    world.wechat.end_chaos().await;
    world.clock.set(probe_at(&app));
    for id in &ids {
        assert_eq!(world.settled(id).await["state"], "sent");
    }
    assert_eq!(world.wechat.texts(&user).await, texts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_an_outage_begins_with_one_probe_and_not_with_a_flood() {
    let world = World::start().await;
    outage(&world, "errcode").await;
    let (users, ids) = messages(&world, 60).await;
    let mut app = world.app_when("paused", is_open).await;
    for _ in 0..6 {
        app = failed_probe(&world, &app).await;
    }
    let asked = world.wechat.asked(SEND).await;
    let world = world.restart().await;
    assert!(is_open(&world.app().await), "the breaker is open after the start");
    let app = failed_probe(&world, &app).await;
    assert_eq!(world.wechat.asked(SEND).await, asked + 1);
    world.wechat.end_chaos().await;
    world.clock.set(probe_at(&app));
    for (id, user) in ids.iter().zip(&users) {
        assert_eq!(world.settled(id).await["state"], "sent");
        assert_eq!(world.wechat.texts(user).await, ["kept"]);
    }
}
