//! The clock jumps ahead, goes back, or stands still: no message is sent twice or too early, and every timer fires in the
//! end.

use std::time::Duration;

use futures_util::future::join_all;
use hongyan_clock::{Clock, UnixMillis};
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::world::{World, eventually};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";
const STABLE: &str = "/cgi-bin/stable_token";

fn with(mut message: Value, field: &str, value: impl Into<Value>) -> Value {
    message[field] = value.into();
    message
}

fn back(world: &World, by: Duration) {
    world.clock.advance(-(by.as_millis() as i64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_of_an_hour_or_a_day_rings_every_timer_at_once() {
    for jump in [HOUR, DAY] {
        let world = World::start().await;
        let after = |by| json!(world.clock.now().plus(by).to_string());
        let mut scheduled = Vec::new();
        for n in 1..=10_u32 {
            let user = world.wechat.user().await;
            world.grant_subscription(&user).await;
            let message =
                with(world.subscribe(&user, &format!("number {n}")), "send_at", after(jump / 20 * n));
            scheduled.push((world.accept(message).await, user));
        }
        let poor = world.wechat.user().await;
        let waiting =
            with(with(world.legacy(&poor, "too late"), "permit", "wait"), "deadline", after(jump / 2));
        let waiting = world.accept(waiting).await;
        let tokens = world.wechat.asked(STABLE).await;
        world.advance(jump);
        for (n, (id, user)) in scheduled.iter().enumerate() {
            let sent = world.settled(id).await;
            assert_eq!((&sent["state"], &sent["attempt_count"]), (&json!("sent"), &json!(1)), "{sent}");
            assert_eq!(world.wechat.texts(user).await, [format!("number {}", n + 1)]);
        }
        assert_eq!(world.settled(&waiting).await["state"], "expired");
        if jump == DAY {
            assert!(
                world.wechat.asked(STABLE).await > tokens,
                "the token had expired, and a new token was fetched"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_ahead_ends_permits_and_sends_nothing_twice() {
    let world = World::start().await;
    let (form, flying) = (world.wechat.user().await, world.wechat.user().await);
    world.grant_form(&form).await;
    world.grant_subscription(&flying).await;
    // In flight while the clock jumps.
    world.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": "latency", "millis": 1_000, "times": 1 })).await;
    let id = world.accept(world.subscribe(&flying, "under way")).await;
    eventually(async || world.message(&id).await, |message| message["state"] == "sending").await;
    world.advance(DAY * 8);
    let sent = world.settled(&id).await;
    assert_eq!((&sent["state"], &sent["attempt_count"]), (&json!("sent"), &json!(1)), "{sent}");
    assert_eq!(world.wechat.texts(&flying).await, ["under way"]);
    let totals = world.totals(&form).await;
    assert_eq!(
        (&totals["expired"], &totals["available"]),
        (&json!(1), &json!(0)),
        "a form is good for 7 days"
    );
    let refused = world.send(world.legacy(&form, "too late")).await;
    assert_eq!(refused["reason"]["code"], "no_permit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_back_sends_nothing_twice_and_nothing_early() {
    let world = World::start().await;
    let (user, other) = (world.wechat.user().await, world.wechat.user().await);
    for _ in 0..3 {
        world.grant_subscription(&user).await;
    }
    world.grant_subscription(&other).await;
    assert_eq!(world.send(world.subscribe(&user, "before")).await["state"], "sent");
    let in_ten = json!(world.clock.now().plus(Duration::from_secs(600)).to_string());
    let scheduled = world.accept(with(world.subscribe(&other, "at ten"), "send_at", in_ten)).await;

    back(&world, HOUR);
    assert_eq!(world.send(world.subscribe(&user, "after")).await["state"], "sent", "new messages are sent");
    world.advance(Duration::from_secs(700));
    assert_eq!(world.send(world.subscribe(&user, "later")).await["state"], "sent");
    assert_eq!(world.message(&scheduled).await["state"], "scheduled", "its time is in the future again");
    assert!(world.wechat.texts(&other).await.is_empty());

    world.advance(HOUR);
    assert_eq!(world.settled(&scheduled).await["state"], "sent");
    assert_eq!(world.wechat.texts(&other).await, ["at ten"]);
    assert_eq!(world.wechat.texts(&user).await, ["before", "after", "later"]);
    assert_eq!(world.totals(&user).await["spent"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_time_had_come_goes_out_although_the_clock_went_back() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    for _ in 0..2 {
        world.grant_subscription(&user).await;
    }
    let in_ten = json!(world.clock.now().plus(Duration::from_secs(600)).to_string());
    let second = world.accept(with(world.subscribe(&user, "second"), "send_at", in_ten)).await;
    world.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": "latency", "millis": 700, "times": 1 })).await;
    let first = world.accept(world.subscribe(&user, "first")).await;
    // The message becomes due while the first message is in flight; then the clock goes back before that.
    world.advance(Duration::from_secs(601));
    eventually(async || world.message(&second).await, |message| message["state"] != "scheduled").await;
    back(&world, HOUR);
    for id in [&first, &second] {
        assert_eq!(world.settled(id).await["state"], "sent");
    }
    assert_eq!(world.wechat.texts(&user).await, ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_to_be_tried_again_is_tried_when_the_clock_has_caught_up() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    world.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": "errcode" })).await;
    let id = world.accept(world.subscribe(&user, "in the end")).await;
    let is_resting = |message: &Value| message["reason"]["code"] == "wechat_unavailable";
    eventually(async || world.message(&id).await, is_resting).await;
    back(&world, HOUR);
    let chaos = format!("{}/_sandbox/chaos", world.wechat.url);
    world.wechat.http.send(Method::DELETE, &chaos, &[], "").await.expect(200);
    world.advance(HOUR);
    // The longest pause between two attempts, and more.
    world.advance(Duration::from_secs(700));
    assert_eq!(world.settled(&id).await["state"], "sent");
    assert_eq!(world.wechat.texts(&user).await, ["in the end"]);
}

/// Holds the clock at one moment, as well as that is possible while others read the clock, until the task is aborted.
fn hold_still(clock: Clock, moment: UnixMillis) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            clock.set(moment);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_out_while_the_clock_stands_still() {
    let world = World::start().await;
    let users = join_all((0..10).map(|_| world.wechat.user())).await;
    for user in &users {
        for _ in 0..3 {
            world.grant_subscription(user).await;
        }
    }
    let now = world.clock.now();
    let soon = with(world.subscribe(&users[0], "soon"), "send_at", json!(now.plus(HOUR).to_string()));
    let soon = world.accept(soon).await;
    let still = hold_still(world.clock.clone(), now);
    // Two messages to each user, so that the second waits for its turn and not for a moment.
    let accepted = join_all(
        users.iter().flat_map(|user| ["one", "two"].map(|text| world.accept(world.subscribe(user, text)))),
    )
    .await;
    for id in &accepted {
        assert_eq!(world.settled(id).await["state"], "sent");
    }
    assert_eq!(world.message(&soon).await["state"], "scheduled");
    still.abort();
    world.advance(HOUR);
    assert_eq!(world.settled(&soon).await["state"], "sent");
    for (n, user) in users.iter().enumerate() {
        assert_eq!(world.wechat.texts(user).await.len(), if n == 0 { 3 } else { 2 });
    }
}
