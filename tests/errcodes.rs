//! The table of docs/reliability.md ("What the outcome of one attempt does"), row by row: the effect of an errcode of WeChat
//! on the message, on its permit's unit and on the app, and what ends that effect.
//!
//! The rows about lost answers are in `lost_answer.rs`, an outage is in `breaker.rs`.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use http::Method;
use serde_json::{Value, json};

use crate::world::World;

const SEND: &str = "/cgi-bin/message/wxopen/template/send";

/// WeChat refuses the fresh token too: the request is repeated once.
const TWICE: u32 = 2;

/// A user with three accepted messages, in this order; WeChat has answered the first message with `errcode`.
struct Story {
    world: World,
    user: String,
    ids: Vec<String>,
}

impl Story {
    async fn begin(errcode: i32, times: u32) -> Self {
        let world = World::start().await;
        // Five minutes and ten seconds past two in the afternoon in Beijing.
        world.clock.set(UnixMillis::parse_rfc3339("2027-03-01T14:05:10+08:00").unwrap());
        let user = world.wechat.user().await;
        for _ in 0..3 {
            world.grant_form(&user).await;
        }
        let rule = json!({ "path": SEND, "kind": "errcode", "errcode": errcode, "times": times });
        world.wechat.chaos(rule).await;
        let mut ids = Vec::new();
        for text in ["first", "second", "third"] {
            let answer = world.post("/v1/messages?wait=10", world.legacy(&user, text)).await.expect(202);
            ids.push(answer["id"].as_str().unwrap().to_owned());
        }
        Self { world, user, ids }
    }

    async fn first(&self) -> Value {
        self.world.message(&self.ids[0]).await
    }

    async fn paused(&self) -> Value {
        self.world.app().await["paused"].clone()
    }

    /// All messages are kept, no message was sent, no unit was used, and the operator sees why.
    async fn is_kept(&self, code: &str, errcode: i32) {
        for id in &self.ids {
            let message = self.world.message(id).await;
            assert_eq!(
                (&message["state"], &message["reason"]["code"]),
                (&json!("ready"), &json!("app_paused")),
                "{errcode}: {message}"
            );
        }
        assert_eq!(self.first().await["reason"]["errcode"], errcode);
        let paused = self.paused().await;
        assert_eq!((&paused["code"], &paused["errcode"]), (&json!(code), &json!(errcode)), "{paused}");
        assert!(paused["detail"].as_str().unwrap().len() > 10, "{paused}");
        assert_eq!(self.world.totals(&self.user).await["available"], 3, "{errcode}: the unit is free again");
        assert!(self.world.wechat.inbox(&self.user).await.is_empty());
    }

    /// All three messages are sent in order, and the app is not paused.
    async fn goes_on(&self) {
        for id in &self.ids {
            let message = self.world.settled(id).await;
            assert_eq!(message["state"], "sent", "{message}");
        }
        assert_eq!(self.world.wechat.texts(&self.user).await, ["first", "second", "third"]);
        assert_eq!(self.world.totals(&self.user).await["spent"], 3);
        assert_eq!(self.paused().await, Value::Null);
    }

    /// No message is sent one second before this moment.
    async fn not_before(&self, moment: &str) {
        let moment = UnixMillis::parse_rfc3339(moment).unwrap();
        assert_eq!(self.paused().await["until"], json!(moment.to_string()));
        for id in &self.ids {
            assert_eq!(self.world.message(id).await["next_look_at"], json!(moment.to_string()));
        }
        self.world.clock.set(moment.minus(Duration::from_secs(1)));
        assert_eq!(self.first().await["state"], "ready");
        self.world.clock.set(moment);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn success_spends_the_unit() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let sent = world.send(world.legacy(&user, "x")).await;
    assert_eq!(sent["state"], "sent");
    assert_eq!(sent["attempts"][0]["errcode"], 0);
    let totals = world.totals(&user).await;
    assert_eq!((&totals["spent"], &totals["available"]), (&json!(1), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_wechat_is_asked_again_after_a_random_pause_that_survives_a_restart() {
    let world = World::start().await;
    let mut pauses = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..4 {
        let user = world.wechat.user().await;
        world.grant_form(&user).await;
        world.wechat.chaos(json!({ "path": SEND, "kind": "errcode", "errcode": -1, "times": 1 })).await;
        let mut message = world.legacy(&user, "x");
        message["deadline"] = json!(world.clock.now().plus(Duration::from_secs(3600)).to_string());
        let id = world.accept(message).await;
        let retried = world.settled(&id).await;
        assert_eq!(retried["state"], "sent");
        let attempts = retried["attempts"].as_array().unwrap();
        assert_eq!((&attempts[0]["errcode"], &attempts[1]["errcode"]), (&json!(-1), &json!(0)));
        let at = |value: &Value| UnixMillis::parse_rfc3339(value.as_str().unwrap()).unwrap();
        let pause = at(&attempts[1]["started_at"]).since(at(&attempts[0]["ended_at"]));
        assert!(pause >= Duration::from_millis(50), "{pause:?}");
        pauses.push(pause);
        ids.push(id);
    }
    pauses.sort_unstable();
    pauses.dedup();
    assert!(pauses.len() > 1, "the pauses differ: {pauses:?}");

    // After the fourth failure the pause is up to 8 s. A restart comes in between.
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    world.wechat.chaos(json!({ "path": SEND, "kind": "errcode", "errcode": -1, "times": 4 })).await;
    let id = world.accept(world.legacy(&user, "patient")).await;
    let mut message = world.message(&id).await;
    while message["attempt_count"].as_u64().unwrap() < 4 || message["state"] != "ready" {
        if let Some(next) = message["next_look_at"].as_str() {
            let next = UnixMillis::parse_rfc3339(next).unwrap();
            world.clock.set(next.max(world.clock.now()));
        }
        message = world.message(&id).await;
    }
    assert_eq!(message["reason"]["code"], "wechat_unavailable");
    assert_eq!(world.totals(&user).await["available"], 1, "the unit is free again");
    let next = message["next_look_at"].clone();
    let world = world.restart().await;
    let after = world.message(&id).await;
    // The pause may have been so short that it is over by now; then the message is in flight.
    if after["state"] == "ready" {
        assert_eq!(after["next_look_at"], next, "the restart does not change the moment");
    }
    world.advance(Duration::from_secs(8));
    assert_eq!(world.settled(&id).await["state"], "sent");
    assert_eq!(world.wechat.texts(&user).await, ["patient"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_another_send_to_this_user_is_under_way_a_message_is_retried_within_a_second() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    world.wechat.chaos(json!({ "path": SEND, "kind": "errcode", "errcode": 43108, "times": 3 })).await;
    let sent = world.send(world.legacy(&user, "x")).await;
    assert_eq!(sent["state"], "sent", "{sent}");
    let attempts = sent["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 4);
    let at = |value: &Value| UnixMillis::parse_rfc3339(value.as_str().unwrap()).unwrap();
    for pair in attempts.windows(2) {
        let pause = at(&pair[1]["started_at"]).since(at(&pair[0]["ended_at"]));
        assert!(pause < Duration::from_secs(5), "{pause:?}: one second, plus the delay of a busy machine");
    }
    assert_eq!(world.wechat.texts(&user).await, ["x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_permit_is_revoked_and_the_next_one_is_used_or_waited_for() {
    for errcode in [41028, 41029, 43101] {
        let world = World::start().await;
        let user = world.wechat.user().await;
        world.grant_form(&user).await;
        world.grant_form(&user).await;
        let once = json!({ "path": SEND, "kind": "errcode", "errcode": errcode, "times": 1 });
        world.wechat.chaos(once.clone()).await;
        let sent = world.send(world.legacy(&user, "by the next")).await;
        assert_eq!(sent["state"], "sent", "{errcode}: {sent}");
        let totals = world.totals(&user).await;
        assert_eq!((&totals["revoked"], &totals["spent"]), (&json!(1), &json!(1)), "{errcode}");

        world.grant_form(&user).await;
        world.wechat.chaos(once.clone()).await;
        let failed = world.send(world.legacy(&user, "none left")).await;
        assert_eq!(
            (&failed["state"], &failed["reason"]["code"], &failed["reason"]["errcode"]),
            (&json!("failed"), &json!("no_permit"), &json!(errcode))
        );

        world.grant_form(&user).await;
        world.wechat.chaos(once).await;
        let mut message = world.legacy(&user, "patient");
        message["permit"] = json!("wait");
        let id = world.accept(message).await;
        while world.message(&id).await["state"] != "waiting" {}
        world.grant_form(&user).await;
        assert_eq!(world.settled(&id).await["state"], "sent", "{errcode}");
        assert_eq!(world.wechat.texts(&user).await, ["by the next", "patient"]);
        assert_eq!(world.totals(&user).await["revoked"], 3);
        assert_eq!(world.app().await.get("paused"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_refused_tokens_in_a_row_pause_the_app_for_a_minute() {
    for errcode in [40001, 40014, 42001] {
        let story = Story::begin(errcode, TWICE).await;
        story.is_kept("token_rejected", errcode).await;
        assert_eq!(story.first().await["attempt_count"], 1, "the repeat is part of the attempt");
        story.world.advance(Duration::from_secs(61));
        story.goes_on().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_day_is_waited_for_until_midnight_in_beijing() {
    let story = Story::begin(45009, 1).await;
    story.is_kept("day_quota", 45009).await;
    story.not_before("2027-03-02T00:00:00+08:00").await;
    story.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_minute_is_waited_for_until_the_next() {
    let story = Story::begin(45011, 1).await;
    story.is_kept("minute_quota", 45011).await;
    // The story itself took a moment; it is still the same minute, or the next minute.
    let until = story.paused().await["until"].as_str().unwrap().to_owned();
    assert!(until.starts_with("2027-03-01T06:0") && until.ends_with(":00.000Z"), "{until}");
    story.not_before(&until).await;
    story.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_ends_by_itself_survives_a_restart_and_may_be_ended_by_an_operator() {
    let story = Story::begin(45009, 1).await;
    let Story { world, user, ids } = story;
    let story = Story { world: world.restart().await, user, ids };
    story.is_kept("day_quota", 45009).await;
    story.world.resume().await;
    story.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_or_a_block_pause_the_app_until_somebody_acts() {
    for errcode in [40013, 40125, 40164, 40243, 50004, 50007, 89503, 89506, 89507] {
        let story = Story::begin(errcode, 1).await;
        story.is_kept("misconfigured", errcode).await;
        assert_eq!(story.paused().await.get("until"), None);
        story.world.advance(Duration::from_secs(3 * 86_400));
        story.is_kept("misconfigured", errcode).await;
        story.world.resume().await;
        story.goes_on().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_ends_the_pause_that_the_old_one_caused() {
    let story = Story::begin(40125, 1).await;
    story.is_kept("misconfigured", 40125).await;
    let world = &story.world;
    let path = format!("/v1/apps/{}", world.wechat.seed.appid);
    let change = json!({ "secret": world.wechat.seed.app_secret });
    world.call(Method::PATCH, &path, &[], change.to_string()).await.expect(200);
    story.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_what_it_says_fails_and_leaves_its_unit_free() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    // The last errcode is in no table.
    for errcode in [41030, 40037, 40003, 47003, 45168, 43107, 47999] {
        world.wechat.chaos(json!({ "path": SEND, "kind": "errcode", "errcode": errcode, "times": 1 })).await;
        let failed = world.send(world.legacy(&user, "x")).await;
        assert_eq!(
            (&failed["state"], &failed["reason"]["code"], &failed["reason"]["errcode"]),
            (&json!("failed"), &json!("wechat_refused"), &json!(errcode)),
            "{failed}"
        );
        assert_eq!(failed["attempt_count"], 1);
        assert_eq!(world.totals(&user).await["available"], 1, "{errcode}: the unit is free again");
        assert_eq!(world.app().await.get("paused"), None, "{errcode}");
    }
    assert_eq!(world.send(world.legacy(&user, "good")).await["state"], "sent");
}
