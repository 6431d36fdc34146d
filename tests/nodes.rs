//! Two gateways on one store: they share the lanes, and callers see one gateway.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hongyan_clock::Clock;
use hongyan_gateway::keys::Scope;
use hongyan_ledger::Lane;
use serde_json::{Value, json};

use crate::webhooks::receiver::Receiver;
use crate::world::{World, eventually};

const LEASE: Duration = Duration::from_secs(3_600);
const SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";
const STABLE: &str = "/cgi-bin/stable_token";
const TEMPLATES: &str = "/wxaapi/newtmpl/gettemplate";

/// Two nodes, and the clock of their leases, which only the stories move.
struct Pair {
    a: World,
    b: World,
    machine: Clock,
}

impl Pair {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts two nodes. Both have their shares of the lanes.
    async fn start_with(adjust: impl FnOnce(&mut hongyan_gateway::config::Settings)) -> Self {
        let machine = Clock::system();
        let a = World::first_node("a", machine.clone(), |settings| {
            settings.lease_seconds = LEASE.as_secs();
            settings.webhook_allow_http = true;
            settings.webhook_allow_private = true;
            adjust(settings);
        })
        .await;
        let b = a.another_node("b", machine.clone()).await;
        shared(&[&a, &b]).await;
        Self { a, b, machine }
    }

    /// The node that has a lane, and the other node.
    fn owner(&self, lane: Lane) -> (&World, &World) {
        if has(&self.a, lane) { (&self.a, &self.b) } else { (&self.b, &self.a) }
    }

    /// The node that has a user's lane, and the other node.
    fn owner_of(&self, user: &str) -> (&World, &World) {
        self.owner(Lane::of(&self.a.wechat.seed.appid.parse().unwrap(), &user.parse().unwrap()))
    }

    fn owner_of_app(&self) -> (&World, &World) {
        self.owner(Lane::of_app(&self.a.wechat.seed.appid.parse().unwrap()))
    }

    async fn users(&self, count: usize) -> Vec<String> {
        join_all((0..count).map(|_| self.a.wechat.user())).await
    }

    /// A user whose lane this node has.
    async fn user_of(&self, node: &World) -> String {
        loop {
            let user = self.a.wechat.user().await;
            if std::ptr::eq(self.owner_of(&user).0, node) {
                return user;
            }
        }
    }
}

fn has(node: &World, lane: Lane) -> bool {
    node.gateway.intake.owned.epoch(lane).is_some()
}

fn count(node: &World) -> usize {
    Lane::all().filter(|&lane| has(node, lane)).count()
}

/// Waits until the lanes are shared evenly.
async fn shared(nodes: &[&World]) {
    let share = 64 / nodes.len();
    let counts = async || nodes.iter().map(|node| count(node)).collect::<Vec<_>>().into();
    let is_even = |counts: &Value| counts.as_array().unwrap().iter().all(|count| *count == share);
    eventually(counts, is_even).await;
    let epochs: Vec<_> =
        Lane::all().filter(|&lane| nodes.iter().filter(|node| has(node, lane)).count() != 1).collect();
    assert_eq!(epochs, [], "each lane belongs to one node");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_one_node_accepts_and_the_other_owns_goes_out_at_once() {
    let pair = Pair::start().await;
    let users = pair.users(24).await;
    for (n, user) in users.iter().enumerate() {
        let (owner, other) = pair.owner_of(user);
        other.grant_subscription(user).await;
        // The caller waits at the node that does not have the lane.
        let sent = other.send(other.subscribe(user, &format!("message {n}"))).await;
        assert_eq!(sent["state"], "sent", "{sent}");
        assert_eq!(owner.message(sent["id"].as_str().unwrap()).await["state"], "sent");
        assert_eq!(pair.a.wechat.texts(user).await, [format!("message {n}")]);
        assert_eq!(owner.totals(user).await, other.totals(user).await);
    }
    let sent = async |node: &World| {
        let metrics = node.get("/metrics").await.text;
        let line = metrics.lines().find(|line| line.starts_with("hongyan_messages_total{state=\"sent\"}"));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
    };
    assert_eq!(sent(&pair.a).await + sent(&pair.b).await, users.len(), "each message is counted by one node");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_through_the_facade_is_answered_by_either_node() {
    let pair = Pair::start().await;
    for user in pair.users(12).await {
        let (_, other) = pair.owner_of(&user);
        other.grant_subscription(&user).await;
        let seed = &other.wechat.seed;
        let asked =
            json!({ "grant_type": "client_credential", "appid": seed.appid, "secret": other.gateway_secret });
        let token = other.post(STABLE, asked).await.text("access_token");
        let message = json!({
            "touser": user,
            "template_id": seed.subscribe_template,
            "data": { "thing1": { "value": "x" }, "date2": { "value": "2026-05-01" }, "amount3": { "value": "¥1" } },
        });
        let answer = other.post(&format!("{SUBSCRIBE}?access_token={token}"), message).await.expect(200);
        assert_eq!(answer["errcode"], 0, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_hands_its_lanes_over_and_nothing_is_lost() {
    let Pair { a, b, .. } = Pair::start().await;
    let users = join_all((0..40).map(|_| a.wechat.user())).await;
    for user in &users {
        a.grant_subscription(user).await;
    }
    let sending =
        join_all(users.iter().map(async |user| a.send(a.subscribe(user, "through the change")).await));
    let (sent, ()) = tokio::join!(sending, b.stop());
    for message in &sent {
        assert_eq!((&message["state"], &message["attempt_count"]), (&json!("sent"), &json!(1)), "{message}");
    }
    shared(&[&a]).await;
    for user in &users {
        assert_eq!(a.wechat.texts(user).await, ["through the change"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_is_given_its_share_while_messages_go_out() {
    let machine = Clock::system();
    let a =
        World::first_node("a", machine.clone(), |settings| settings.lease_seconds = LEASE.as_secs()).await;
    let users = join_all((0..40).map(|_| a.wechat.user())).await;
    for user in &users {
        a.grant_form(user).await;
    }
    let sending = join_all(users.iter().map(async |user| a.send(a.legacy(user, "through the change")).await));
    let (sent, b) = tokio::join!(sending, a.another_node("b", machine.clone()));
    for message in &sent {
        assert_eq!((&message["state"], &message["attempt_count"]), (&json!("sent"), &json!(1)), "{message}");
    }
    shared(&[&a, &b]).await;
}

/// A node on its own thread, which can be frozen like a process that is stopped.
struct OwnThread {
    handle: tokio::runtime::Handle,
    _ends: tokio::sync::oneshot::Sender<()>,
}

impl OwnThread {
    fn start() -> Self {
        let (give, take) = std::sync::mpsc::channel();
        let (ends, ended) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            give.send(runtime.handle().clone()).unwrap();
            // Also when the sender is dropped.
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        });
        Self { handle: take.recv().unwrap(), _ends: ends }
    }

    /// Freezes the thread until the returned value is dropped.
    async fn freeze(&self) -> std::sync::mpsc::Sender<()> {
        let (resume, resumed) = std::sync::mpsc::channel();
        let (tell, is_frozen) = tokio::sync::oneshot::channel();
        self.handle.spawn(async move {
            tell.send(()).unwrap();
            let _ = resumed.recv();
        });
        is_frozen.await.unwrap();
        resume
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stood_still_for_longer_than_its_lease_writes_and_sends_nothing() {
    let machine = Clock::system();
    let a = World::first_node("a", machine.clone(), |settings| {
        settings.lease_seconds = LEASE.as_secs();
        settings.answer_timeout_ms = 3_000;
    })
    .await;
    let thread = OwnThread::start();
    let a = Arc::new(a);
    let b = {
        let (a, machine) = (Arc::clone(&a), machine.clone());
        thread.handle.spawn(async move { a.another_node("b", machine).await }).await.unwrap()
    };
    shared(&[&a, &b]).await;
    let pair = Pair { a: Arc::try_unwrap(a).ok().expect("the thread has returned the node"), b, machine };
    let (a, b) = (&pair.a, &pair.b);
    let user = pair.user_of(b).await;
    a.grant_subscription(&user).await;
    // WeChat takes the message and never answers, so the node's request ends with its timeout.
    a.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": "hang", "times": 1 })).await;
    let id = a.accept(a.subscribe(&user, "once")).await;
    eventually(async || a.wechat.texts(&user).await.into(), |texts| *texts == json!(["once"])).await;
    let frozen = thread.freeze().await;
    pair.machine.advance(LEASE.as_millis() as i64 + 1);
    // The other node sees that the lease has ended, and takes the message for lost.
    let lost = a.settled(&id).await;
    assert_eq!(lost["state"], "unknown", "{lost}");
    eventually(async || count(a).into(), |lanes| *lanes == 64).await;
    // A message that is accepted meanwhile is sent by the other node.
    a.grant_subscription(&user).await;
    assert_eq!(a.send(a.subscribe(&user, "meanwhile")).await["state"], "sent");
    drop(frozen);
    // The frozen node gives up waiting for the answer, its outcome is refused, and it gets its share again.
    shared(&[a, b]).await;
    let after = a.message(&id).await;
    assert_eq!((&after["state"], &after["updated_at"]), (&lost["state"], &lost["updated_at"]), "{after}");
    assert_eq!(a.wechat.texts(&user).await, ["once", "meanwhile"], "no message was sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_at_a_time_asks_for_a_token() {
    let pair = Pair::start().await;
    let users = pair.users(20).await;
    for user in &users {
        pair.a.grant_form(user).await;
    }
    let before = pair.a.wechat.asked(STABLE).await;
    pair.a.wechat.control("tokens/rotate", json!({})).await;
    let sent = join_all(users.iter().enumerate().map(async |(n, user)| {
        let node = if n % 2 == 0 { &pair.a } else { &pair.b };
        node.send(node.legacy(user, "x")).await
    }))
    .await;
    assert!(sent.iter().all(|message| message["state"] == "sent"), "{sent:?}");
    let asked = pair.a.wechat.asked(STABLE).await - before;
    assert!(asked <= 2, "a plain fetch, and a forced fetch if that returned the same token; not {asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_rotated_and_a_key_that_was_revoked_are_dead_on_both_nodes() {
    let Pair { a, b, .. } = Pair::start().await;
    let token_by = async |node: &World, secret: &str| {
        let asked =
            json!({ "grant_type": "client_credential", "appid": node.wechat.seed.appid, "secret": secret });
        node.post(STABLE, asked).await.body
    };
    let token = token_by(&b, &a.gateway_secret).await["access_token"].as_str().unwrap().to_owned();
    let path = format!("/v1/apps/{}", a.wechat.seed.appid);
    a.call(http::Method::PATCH, &path, &[], json!({ "rotate_gateway_secret": true }).to_string())
        .await
        .expect(200);
    eventually(async || token_by(&b, &a.gateway_secret).await, |answer| answer["errcode"] == 40125).await;
    assert!(!token.is_empty());

    let keeper = format!("Bearer {}", a.new_key(Scope::Keys).await);
    let as_keeper = async |method, path: &str, body: Value| {
        a.call(method, path, &[("authorization", keeper.as_str())], body.to_string()).await
    };
    let new = json!({ "name": "short-lived", "scopes": ["keys"] });
    let made = as_keeper(http::Method::POST, "/v1/keys", new).await.expect(201);
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let ask = async || {
        let answer = b.call(http::Method::GET, "/v1/keys", &[("authorization", &bearer)], "").await;
        json!(answer.status.as_u16())
    };
    assert_eq!(ask().await, 200);
    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    assert_eq!(as_keeper(http::Method::DELETE, &path, Value::Null).await.status, 204);
    assert_eq!(ask().await, 401, "although the other node had the key in its cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_told_once_whichever_node_it_happens_on() {
    let pair = Pair::start().await;
    let receivers = join_all((0..6).map(|_| Receiver::start())).await;
    for receiver in &receivers {
        pair.a
            .post("/v1/webhooks", json!({ "url": receiver.url, "types": ["message.sent"] }))
            .await
            .expect(201);
    }
    let mut ids = Vec::new();
    for (n, user) in pair.users(10).await.iter().enumerate() {
        let node = if n % 2 == 0 { &pair.a } else { &pair.b };
        node.grant_subscription(user).await;
        ids.push(node.send(node.subscribe(user, "x")).await["id"].clone());
    }
    for receiver in &receivers {
        let received = receiver.count(ids.len()).await;
        let mut told: HashMap<&Value, usize> = HashMap::new();
        for one in &received {
            *told.entry(&one.body["data"]["id"]).or_default() += 1;
        }
        assert!(ids.iter().all(|id| told.get(id) == Some(&1)) && told.len() == ids.len(), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_templates_of_an_app_are_asked_for_by_one_node_and_known_to_both() {
    let pair = Pair::start_with(|settings| settings.template_sync_seconds = 3_600).await;
    let (owner, other) = pair.owner_of_app();
    let before = owner.wechat.asked(TEMPLATES).await;
    let template = json!({ "family": "once", "title": "新品上架提醒", "content": "物品:{{thing1.DATA}}" });
    let made = owner.wechat.control("templates", template).await;
    pair.a.advance(Duration::from_secs(2 * 3_600));
    let path = format!("/v1/apps/{}/templates", owner.wechat.seed.appid);
    let is_known = |list: &Value| {
        list["templates"]
            .as_array()
            .unwrap()
            .iter()
            .any(|template| template["template"] == made["template_id"])
    };
    for node in [other, owner] {
        eventually(async || node.get(&path).await.expect(200), is_known).await;
    }
    assert_eq!(owner.wechat.asked(TEMPLATES).await - before, 1, "two nodes, one request");
}
