//! A pause begins during an outage of WeChat: messages that rest because of the outage then rest because of the pause, and
//! are sent when the pause ends, no matter who began the pause and how it ends.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use http::Method;
use serde_json::{Value, json};

use crate::breaker::{failed_probe, is_open, messages, outage, probe_at};
use crate::world::{World, eventually};

const TOKEN: &str = "/cgi-bin/stable_token";

/// Messages that rest during an outage, one for each of their users.
struct Resting {
    world: World,
    users: Vec<String>,
    ids: Vec<String>,
}

impl Resting {
    /// Eight messages rest without a timer: only the app's gate can release them. Only a message that was a probe backs off.
    async fn begin() -> Self {
        let world = World::start().await;
        outage(&world, "errcode").await;
        let (users, ids) = messages(&world, 8).await;
        let mut app = world.app_when("paused", is_open).await;
        // Messages that were tried before the breaker opened back off for this long.
        for _ in 0..8 {
            app = failed_probe(&world, &app).await;
        }
        let resting = Self { world, users, ids };
        for id in &resting.ids {
            let rests = |message: &Value| {
                let was_probe = message["attempt_count"].as_u64() > Some(1);
                message["state"] == "ready" && (was_probe || message["next_look_at"].is_null())
            };
            eventually(|| resting.world.message(id), rests).await;
        }
        resting
    }

    /// An operator's pause, with or without an end.
    async fn pause(&self, until: Option<UnixMillis>) {
        let path = format!("/v1/apps/{}/pause", self.world.wechat.seed.appid);
        let until = until.map(|until| until.to_string());
        let paused = self.world.post(&path, json!({ "until": until })).await.expect(200);
        assert_eq!(paused["paused"]["code"], "operator", "{paused}");
    }

    /// Waits until the app is paused for this reason. Returns when the pause ends.
    async fn paused_for(&self, code: &str) -> Option<UnixMillis> {
        let app = self.world.app_when(code, |app| app["paused"]["code"] == code).await;
        app["paused"]["until"].as_str().map(|_| probe_at(&app))
    }

    /// Every message is sent, and no user got a message twice.
    async fn all_go_out(&self) {
        for (id, user) in self.ids.iter().zip(&self.users) {
            assert_eq!(self.world.settled(id).await["state"], "sent");
            assert_eq!(self.world.wechat.texts(user).await, ["kept"], "once");
        }
    }

    /// WeChat works again, but the pause is in force: no user has a message yet.
    async fn nothing_goes_out(&self) {
        for (id, user) in self.ids.iter().zip(&self.users) {
            // A probe that met the pause becomes ready again.
            eventually(|| self.world.message(id), |message| message["state"] == "ready").await;
            assert!(self.world.wechat.inbox(user).await.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rests_in_an_outage_goes_out_when_an_operators_pause_over_it_ends() {
    let resting = Resting::begin().await;
    let until = resting.world.clock.now().plus(Duration::from_secs(15));
    resting.pause(Some(until)).await;
    resting.world.wechat.end_chaos().await;
    resting.nothing_goes_out().await;
    resting.world.clock.set(until);
    resting.all_go_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rests_in_an_outage_goes_out_when_an_operator_resumes_the_app() {
    let resting = Resting::begin().await;
    resting.pause(None).await;
    resting.world.wechat.end_chaos().await;
    resting.world.advance(Duration::from_secs(3600));
    resting.nothing_goes_out().await;
    resting.world.resume().await;
    resting.all_go_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_pause_that_replaces_a_shorter_one_over_an_outage_is_kept_to_its_own_end() {
    let resting = Resting::begin().await;
    let now = resting.world.clock.now();
    let (first, last) = (now.plus(Duration::from_secs(15)), now.plus(Duration::from_secs(600)));
    resting.pause(Some(first)).await;
    resting.pause(Some(last)).await;
    resting.world.wechat.end_chaos().await;
    resting.world.clock.set(first);
    resting.nothing_goes_out().await;
    resting.world.clock.set(last);
    resting.all_go_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_tokens_that_is_used_up_in_an_outage_holds_messages_back_until_it_is_renewed() {
    let resting = Resting::begin().await;
    resting.world.wechat.chaos(json!({ "path": TOKEN, "kind": "errcode", "errcode": 45009 })).await;
    // The token has expired: the next fetch meets the quota.
    resting.world.advance(Duration::from_secs(7_200));
    let midnight = resting.paused_for("day_quota").await.expect("a day's quota is renewed");
    resting.world.wechat.end_chaos().await;
    resting.nothing_goes_out().await;
    resting.world.clock.set(midnight);
    resting.all_go_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_fails_in_an_outage_holds_messages_back_until_there_is_a_new_one() {
    let resting = Resting::begin().await;
    resting.world.wechat.chaos(json!({ "path": TOKEN, "kind": "errcode", "errcode": 40125 })).await;
    resting.world.advance(Duration::from_secs(7_200));
    assert_eq!(resting.paused_for("misconfigured").await, None);
    resting.world.wechat.end_chaos().await;
    resting.nothing_goes_out().await;
    let seed = &resting.world.wechat.seed;
    let change = json!({ "secret": seed.app_secret }).to_string();
    let path = format!("/v1/apps/{}", seed.appid);
    let app = resting.world.call(Method::PATCH, &path, &[], change).await.expect(200);
    assert!(app.get("paused").is_none(), "the answer already shows the change: {app}");
    resting.all_go_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_shows_a_fault_in_an_outage_holds_messages_back_until_an_operator_acts() {
    let resting = Resting::begin().await;
    let world = &resting.world;
    let code = world.wechat.login_code(&resting.users[0]).await;
    world.wechat.chaos(json!({ "path": "/sns/jscode2session", "kind": "errcode", "errcode": 40164 })).await;
    let login = json!({ "app": world.wechat.seed.appid, "code": code });
    let refused = world.post("/v1/login", login).await;
    assert!(!refused.status.is_success(), "{refused:?}");
    assert_eq!(resting.paused_for("misconfigured").await, None);
    world.wechat.end_chaos().await;
    resting.nothing_goes_out().await;
    world.resume().await;
    resting.all_go_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_meets_the_days_quota_ends_the_outage_and_waits_for_midnight() {
    let resting = Resting::begin().await;
    let world = &resting.world;
    let app = world.app().await;
    world.wechat.end_chaos().await;
    world.wechat.chaos(json!({ "path": "/cgi-bin/message/*", "kind": "errcode", "errcode": 45009 })).await;
    world.clock.set(probe_at(&app));
    let midnight = resting.paused_for("day_quota").await.expect("a day's quota is renewed");
    // The messages that were sent after the outage become ready again before the day is over.
    for id in &resting.ids {
        eventually(|| world.message(id), |message| message["state"] != "sending").await;
    }
    world.wechat.end_chaos().await;
    world.clock.set(midnight);
    resting.all_go_out().await;
}
