//! The order of a user's messages: by `send_at`, then by acceptance, whatever happens meanwhile.

use std::time::Duration;

use futures_util::future::join_all;
use hongyan_clock::UnixMillis;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::world::{PATIENCE, World};

const SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";

fn after(world: &World, mut message: Value, seconds: u64) -> Value {
    message["send_at"] = json!(world.clock.now().plus(Duration::from_secs(seconds)).to_string());
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_message_that_is_due_is_not_overtaken_while_there_is_no_place_to_send_it() {
    let world = World::start_with(|settings| settings.max_in_flight = 1).await;
    let user = world.wechat.user().await;
    for _ in 0..3 {
        world.grant_subscription(&user).await;
    }
    let scheduled = world.accept(after(&world, world.subscribe(&user, "second"), 3600)).await;
    // The only slot is taken while the scheduled message becomes due and a newer message comes.
    world.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": "latency", "millis": 1500, "times": 1 })).await;
    let first = world.accept(world.subscribe(&user, "first")).await;
    let on_its_way = async { while world.message(&first).await["state"] != "sending" {} };
    tokio::time::timeout(PATIENCE, on_its_way).await.expect("the message is sent");
    world.advance(Duration::from_secs(3601));
    let newer = world.accept(world.subscribe(&user, "third")).await;
    for id in [&first, &scheduled, &newer] {
        assert_eq!(world.settled(id).await["state"], "sent");
    }
    assert_eq!(world.wechat.texts(&user).await, ["first", "second", "third"]);
}

/// splitmix64: the same stories in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Repeats the requests until all messages are sent; the clock moves to the next retry.
async fn all_sent(world: &World, ids: &[String]) {
    loop {
        let messages = join_all(ids.iter().map(|id| world.message(id))).await;
        if messages.iter().all(|message| message["state"] == "sent") {
            return;
        }
        let now = world.clock.now();
        let rests = messages.iter().filter(|message| message["state"] == "ready");
        let looks = rests.filter_map(|message| UnixMillis::deserialize(&message["next_look_at"]).ok());
        if let Some(next) = looks.filter(|&look| look > now).min() {
            world.clock.set(next);
        }
        // Requests without a pause would take the processors from the gateway.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_times_go_by_acceptance_and_retries_hold_their_place() {
    for seed in 0..2 {
        let mut dice = Dice(seed);
        // Few slots, so that messages also wait for slots.
        let world = World::start_with(|settings| settings.max_in_flight = 4).await;
        let users = join_all((0..4).map(|_| world.wechat.user())).await;
        let start = world.clock.now();
        // For each user: the `send_at` and the text of each message, in the order of acceptance.
        let mut wanted: Vec<Vec<(u64, String)>> = vec![Vec::new(); users.len()];
        let mut ids = Vec::new();
        for n in 0..28 {
            let place = dice.below(users.len() as u64) as usize;
            let seconds = 100 + 10 * dice.below(3);
            let text = format!("number {n}");
            world.grant_subscription(&users[place]).await;
            let mut message = world.subscribe(&users[place], &text);
            message["send_at"] = json!(start.plus(Duration::from_secs(seconds)).to_string());
            ids.push(world.accept(message).await);
            wanted[place].push((seconds, text));
        }
        for errcode in [43108, -1] {
            let rule =
                json!({ "path": SUBSCRIBE, "kind": "errcode", "errcode": errcode, "probability": 0.15 });
            world.wechat.chaos(rule).await;
        }
        // All are due at once, and some are accepted while others are being sent.
        world.clock.set(start.plus(Duration::from_secs(200)));
        for (n, (user, wanted)) in users.iter().zip(&mut wanted).enumerate() {
            let text = format!("late {n}");
            world.grant_subscription(user).await;
            ids.push(world.accept(world.subscribe(user, &text)).await);
            wanted.push((200, text));
        }
        tokio::time::timeout(PATIENCE, all_sent(&world, &ids)).await.expect("all are sent in time");
        for (user, mut wanted) in users.iter().zip(wanted) {
            // A stable sort: messages with equal times keep the order of acceptance.
            wanted.sort_by_key(|(seconds, _)| *seconds);
            let wanted: Vec<String> = wanted.into_iter().map(|(_, text)| text).collect();
            assert_eq!(world.wechat.texts(user).await, wanted, "seed {seed}");
        }
    }
}
