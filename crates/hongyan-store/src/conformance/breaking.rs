//! The breaker: while WeChat does not answer, messages rest without a timer, and one message goes now and then.

use hongyan_clock::UnixMillis;
use hongyan_ledger::gate::PROBE_PATIENCE;
use hongyan_ledger::settle::{AppPause, PauseCode};
use hongyan_ledger::{MessageState, ReasonCode};
use hongyan_wechat::OpenId;

use super::check::checks;
use super::world::{START, World, after, appid, user};
use crate::types::{Claimed, NewMessage, PauseOrder, Probing};

checks![
    behind_an_open_breaker_a_message_rests_without_a_timer,
    the_first_message_after_the_pause_is_the_probe_and_closes_the_gate_behind_it,
    a_search_for_a_probe_wakes_the_first_message_of_every_user_in_turn,
    an_outage_has_one_beginning_and_gives_way_to_any_other_pause,
    what_was_kept_goes_out_when_the_breaker_closes,
];

/// Opens the breaker until this moment.
async fn open_until(world: &World, probe_at: UnixMillis, now: UnixMillis) {
    pause(world, PauseCode::WechatUnavailable, Some(probe_at), now).await;
}

async fn pause(world: &World, code: PauseCode, until: Option<UnixMillis>, now: UnixMillis) {
    let pause = AppPause { code, until };
    let order = PauseOrder { appid: appid(), pause, errcode: None, detail: "it is silent".into(), now };
    world.store.pause(order).await.unwrap();
}

async fn message(world: &World, openid: &OpenId, now: UnixMillis) -> NewMessage {
    world.subscribe(openid, 1).await;
    world.message(openid, now)
}

/// Claims what is due in all lanes.
async fn claim_all(world: &World, now: UnixMillis) -> Vec<Claimed> {
    let mut claimed = Vec::new();
    for lane in hongyan_ledger::Lane::all() {
        claimed.extend(world.claim_lane(lane, now, 100).await.claimed);
    }
    claimed
}

async fn behind_an_open_breaker_a_message_rests_without_a_timer(world: World) {
    open_until(&world, after(10), START).await;
    let begun = world.begin(message(&world, &user(1), START).await).await;
    assert_eq!((begun.state, begun.wake_at), (MessageState::Ready, None));
    let reason = world.detail(begun.id).await.message.reason;
    assert_eq!(reason, Some(ReasonCode::WechatUnavailable));
    let dying = NewMessage { deadline: Some(after(5)), ..message(&world, &user(2), START).await };
    let begun = world.begin(dying).await;
    assert_eq!(begun.wake_at, Some(after(5)), "no timer but its deadline");
    let batch = world.claim(&user(2), after(5)).await;
    assert_eq!(batch.ended[0].state, MessageState::Expired);
}

async fn the_first_message_after_the_pause_is_the_probe_and_closes_the_gate_behind_it(world: World) {
    open_until(&world, after(10), START).await;
    let kept = world.begin(message(&world, &user(1), after(1)).await).await;
    let probe = world.send(message(&world, &user(2), after(10)).await).await;
    assert!(probe.is_probe);
    let next = world.begin(message(&world, &user(3), after(10)).await).await;
    assert_eq!(next.state, MessageState::Ready, "only one message goes at a time");
    let given_up = after(10).plus(PROBE_PATIENCE);
    let search = world.store.probe(appid(), None, after(11)).await.unwrap();
    assert_eq!(search, Probing::NotBefore(given_up));
    // The process of the probe died: the next message goes.
    let Probing::Woken { users, .. } = world.store.probe(appid(), None, given_up).await.unwrap() else {
        panic!("two messages are ready");
    };
    assert_eq!(users.len(), 2);
    let claimed = claim_all(&world, given_up).await;
    assert_eq!(claimed.len(), 1);
    assert!(claimed[0].is_probe && [kept.id, next.id].contains(&claimed[0].id));
}

async fn a_search_for_a_probe_wakes_the_first_message_of_every_user_in_turn(world: World) {
    open_until(&world, after(10), START).await;
    for number in 0..20 {
        let first = world.begin(message(&world, &user(number), after(1)).await).await;
        world.begin(message(&world, &user(number), after(2)).await).await;
        assert_eq!(first.state, MessageState::Ready);
    }
    let (mut seen, mut next) = (Vec::new(), None);
    while seen.len() < 20 {
        let search = world.store.probe(appid(), next, after(10)).await.unwrap();
        let Probing::Woken { users, walk } = search else { panic!("forty messages are ready: {search:?}") };
        next = Some(walk);
        seen.extend(users);
    }
    seen.truncate(20);
    seen.sort_unstable();
    assert_eq!(seen, (0..20).map(user).collect::<Vec<_>>(), "no user comes twice before each user came once");
    assert_eq!(claim_all(&world, after(10)).await.len(), 1, "and one of them is the probe");
}

async fn an_outage_has_one_beginning_and_gives_way_to_any_other_pause(world: World) {
    let paused = async || world.store.app(appid()).await.unwrap().unwrap().paused.unwrap();
    open_until(&world, after(10), START).await;
    open_until(&world, after(40), after(11)).await;
    assert_eq!((paused().await.since, paused().await.until), (START, Some(after(40))));
    let kept = world.begin(message(&world, &user(1), after(12)).await).await;
    assert_eq!(kept.wake_at, None);
    // WeChat answers that the minute's quota is used up. Messages that rested are woken when that pause ends.
    pause(&world, PauseCode::MinuteQuota, Some(after(30)), after(13)).await;
    assert_eq!(paused().await.code, PauseCode::MinuteQuota);
    assert!(world.claim(&user(1), after(13)).await.claimed.is_empty());
    assert_eq!(world.claim(&user(1), after(30)).await.claimed.len(), 1);
    assert_eq!(world.store.probe(appid(), None, after(30)).await.unwrap(), Probing::Closed);
}

async fn what_was_kept_goes_out_when_the_breaker_closes(world: World) {
    open_until(&world, after(10), START).await;
    assert_eq!(world.store.probe(appid(), None, after(10)).await.unwrap(), Probing::NoneReady);
    for number in 0..5 {
        world.begin(message(&world, &user(number), after(1)).await).await;
    }
    assert!(world.store.resume(appid(), after(11)).await.unwrap());
    let claimed = claim_all(&world, after(11)).await;
    assert_eq!(claimed.len(), 5);
    assert!(claimed.iter().all(|claimed| !claimed.is_probe));
}
