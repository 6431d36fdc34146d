//! A lane changes its owner while its messages are in flight: no message is lost or sent twice.

use std::collections::HashMap;

use futures_util::future::join_all;
use hongyan_ledger::Lane;
use serde_json::json;

use crate::world::World;

const USERS: usize = 40;
const MESSAGES: usize = 400;

/// Takes every lane away and gives it back, again and again, while form messages are accepted and sent.
///
/// Form messages, because their outcome can always be found out: WeChat answers 41029 to the repeat of a form message that
/// arrived.
#[tokio::test(flavor = "multi_thread")]
async fn lanes_are_lost_and_regained_under_load_and_every_message_arrives_once() {
    let world = World::start().await;
    let users = join_all((0..USERS).map(|_| world.wechat.user())).await;
    for user in users.iter().cycle().take(MESSAGES) {
        world.grant_form(user).await;
    }
    let send = async {
        let mut ids = Vec::new();
        for (n, user) in users.iter().cycle().take(MESSAGES).enumerate() {
            ids.push(world.accept(world.legacy(user, &format!("message {n}"))).await);
        }
        ids
    };
    let lanes = &world.gateway.lanes;
    let change_hands = async {
        let mut taken_over = 0;
        for _ in 0..10 {
            for lane in Lane::all() {
                lanes.lose(lane);
                // A message that is accepted now waits in the store; the outcome of a message in flight finds no owner.
                tokio::task::yield_now().await;
                taken_over += lanes.acquire(lane).await.unwrap();
            }
        }
        taken_over
    };
    let (ids, taken_over) = tokio::join!(send, change_hands);
    assert!(taken_over > 0, "no lane was lost with a message in flight");
    for id in &ids {
        assert_eq!(world.settled(id).await["state"], "sent");
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    for user in &users {
        for text in world.wechat.texts(user).await {
            *seen.entry(text).or_default() += 1;
        }
        let totals = world.totals(user).await;
        assert_eq!((&totals["spent"], &totals["reserved"]), (&json!(MESSAGES / USERS), &json!(0)));
    }
    assert_eq!(seen.len(), MESSAGES);
    assert!(seen.values().all(|&count| count == 1), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_for_a_lane_of_another_is_sent_when_the_lane_is_ours() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    Lane::all().for_each(|lane| world.gateway.lanes.lose(lane));
    let id = world.accept(world.legacy(&user, "later")).await;
    assert_eq!(world.message(&id).await["state"], "ready");
    assert!(world.wechat.texts(&user).await.is_empty());
    for acquired in join_all(Lane::all().map(|lane| world.gateway.lanes.acquire(lane))).await {
        acquired.unwrap();
    }
    assert_eq!(world.settled(&id).await["state"], "sent");
    assert_eq!(world.wechat.texts(&user).await, ["later"]);
}
