//! The signals of a commit: each once, and after the commit.

use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::{AppPause, PauseCode};
use hongyan_ledger::webhook::Filter;
use hongyan_ledger::{Lane, MessageId, MessageState as S, PermitPolicy, ReasonCode, WebhookId};
use hongyan_wechat::OpenId;

use super::check::checks;
use super::heard::Heeded;
use super::world::{START, World, after, app, appid, user};
use crate::signals::Moved;
use crate::types::{
    AppChange, AppChanged, FeedCursor, NewMessage, PauseOrder, Probing, WebhookChange, WebhookRecord,
};

checks![
    of_a_plain_send_is_told_that_it_moved_and_nothing_else,
    a_message_with_a_timer_rings_its_lane_and_says_whether_it_is_scheduled,
    a_grant_rings_for_the_messages_that_it_serves,
    a_pause_that_replaces_an_outage_rings_every_lane_where_messages_rest,
    an_app_that_is_resumed_rings_every_lane_where_messages_rest,
    a_search_for_a_probe_rings_for_whom_it_wakes,
    of_an_app_that_is_removed_every_cancelled_message_is_told,
    a_withdrawal_rings_for_who_was_behind_it,
    a_message_that_is_parked_says_so,
    every_change_of_an_app_is_told,
    every_change_of_a_webhook_is_told,
];

fn lane(openid: &OpenId) -> Lane {
    Lane::of(&appid(), openid)
}

async fn pause(world: &World, code: PauseCode, until: Option<UnixMillis>, now: UnixMillis) {
    let pause = AppPause { code, until };
    let order = PauseOrder { appid: appid(), pause, errcode: None, detail: "a story".into(), now };
    world.store.pause(order).await.unwrap();
}

/// The messages that moved, in order.
fn moved(heard: &[Heeded]) -> Vec<(MessageId, S, Option<ReasonCode>)> {
    let moves = heard.iter().filter_map(|heard| match heard {
        Heeded::Moved(Moved { id, state, reason, .. }) => Some((*id, *state, *reason)),
        _ => None,
    });
    moves.collect()
}

/// The lanes of the signals, with the earliest moment of each.
fn rung(heard: &[Heeded]) -> Vec<(Lane, UnixMillis)> {
    let mut rung: Vec<(Lane, UnixMillis)> = heard
        .iter()
        .filter_map(|heard| match heard {
            Heeded::Wake(lane, at) | Heeded::Scheduled(lane, at) => Some((*lane, *at)),
            _ => None,
        })
        .collect();
    rung.sort_unstable();
    rung.dedup_by_key(|(lane, _)| *lane);
    rung
}

/// Messages that rest without a timer, of users in as many lanes as possible.
async fn resting(world: &World, users: u32) -> Vec<(Lane, UnixMillis)> {
    pause(world, PauseCode::WechatUnavailable, Some(after(10)), START).await;
    let mut lanes: Vec<Lane> = Vec::new();
    for number in 0..users {
        world.subscribe(&user(number), 1).await;
        let begun = world.begin(world.message(&user(number), after(1))).await;
        assert_eq!((begun.state, begun.wake_at), (S::Ready, None));
        lanes.push(lane(&user(number)));
    }
    lanes.sort_unstable();
    lanes.dedup();
    world.heard();
    lanes.into_iter().map(|lane| (lane, after(5))).collect()
}

async fn of_a_plain_send_is_told_that_it_moved_and_nothing_else(world: World) {
    world.subscribe(&user(1), 1).await;
    world.heard();
    let claimed = world.send(world.message(&user(1), START)).await;
    let is = |state| {
        let (id, reason) = (claimed.id, None);
        [Heeded::Moved(Moved { id, state, reason, is_new_state: true, is_parked: false })]
    };
    assert_eq!(world.heard(), is(S::Sending));
    world.answered(&claimed, 0, after(1)).await;
    assert_eq!(world.heard(), is(S::Sent));
    world.answered(&claimed, 0, after(1)).await;
    assert_eq!(world.heard(), [], "an outcome that comes again changes nothing");
}

async fn a_message_with_a_timer_rings_its_lane_and_says_whether_it_is_scheduled(world: World) {
    world.heard();
    let later = NewMessage { send_at: after(60), ..world.message(&user(1), START) };
    world.begin(later).await;
    assert!(world.heard().contains(&Heeded::Scheduled(lane(&user(1)), after(60))));
    let waiting = NewMessage {
        policy: PermitPolicy::Wait,
        deadline: Some(after(90)),
        ..world.message(&user(2), START)
    };
    world.begin(waiting).await;
    assert!(world.heard().contains(&Heeded::Wake(lane(&user(2)), after(90))));
    world.subscribe(&user(3), 1).await;
    world.heard();
    let claimed = world.send(world.message(&user(3), START)).await;
    let settled = world.answered(&claimed, -1, after(1)).await;
    assert_eq!(rung(&world.heard()), [(lane(&user(3)), settled.wake_at.unwrap())], "the message backs off");
}

async fn a_grant_rings_for_the_messages_that_it_serves(world: World) {
    let waiting = NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(1), START) };
    let begun = world.begin(waiting).await;
    world.heard();
    world.subscribe(&user(1), 1).await;
    let heard = world.heard();
    assert_eq!(rung(&heard), [(lane(&user(1)), START)]);
    assert_eq!(moved(&heard), [(begun.id, S::Ready, None)]);
}

async fn a_pause_that_replaces_an_outage_rings_every_lane_where_messages_rest(world: World) {
    let lanes = resting(&world, 40).await;
    pause(&world, PauseCode::Operator, Some(after(30)), after(5)).await;
    assert_eq!(rung(&world.heard()), lanes);
    // A look gives such a message the end of the pause as its timer, and that is a signal, too.
    for (lane, _) in &lanes {
        assert_eq!(world.claim_lane(*lane, after(6), 100).await.next_wake, Some(after(30)));
    }
    let until: Vec<_> = lanes.iter().map(|(lane, _)| (*lane, after(30))).collect();
    assert_eq!(rung(&world.heard()), until);
}

async fn an_app_that_is_resumed_rings_every_lane_where_messages_rest(world: World) {
    let lanes = resting(&world, 40).await;
    assert!(world.store.resume(appid(), after(5)).await.unwrap());
    assert_eq!(rung(&world.heard()), lanes);
}

async fn a_search_for_a_probe_rings_for_whom_it_wakes(world: World) {
    resting(&world, 3).await;
    let Probing::Woken { users, .. } = world.store.probe(appid(), None, after(11)).await.unwrap() else {
        panic!("three messages rest")
    };
    let mut lanes: Vec<_> = users.iter().map(|openid| (Lane::of(&appid(), openid), after(11))).collect();
    lanes.sort_unstable();
    lanes.dedup();
    assert_eq!(rung(&world.heard()), lanes);
}

async fn of_an_app_that_is_removed_every_cancelled_message_is_told(world: World) {
    world.subscribe(&user(1), 1).await;
    let mut open = vec![
        world.begin(NewMessage { send_at: after(60), ..world.message(&user(1), START) }).await.id,
        world.begin(NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(2), START) }).await.id,
    ];
    pause(&world, PauseCode::Operator, None, START).await;
    open.push(world.begin(world.message(&user(1), START)).await.id);
    world.heard();
    assert!(world.store.remove_app(appid(), after(1)).await.unwrap());
    let heard = world.heard();
    let mut cancelled = moved(&heard);
    cancelled.retain(|(_, state, _)| *state == S::Cancelled);
    cancelled.sort_unstable_by_key(|(id, ..)| *id);
    open.sort_unstable();
    let expected: Vec<_> =
        open.into_iter().map(|id| (id, S::Cancelled, Some(ReasonCode::Cancelled))).collect();
    assert_eq!(cancelled, expected);
    assert!(heard.contains(&Heeded::App(appid())));
}

async fn a_withdrawal_rings_for_who_was_behind_it(world: World) {
    world.subscribe(&user(1), 2).await;
    let first = NewMessage { start: None, ..world.message(&user(1), START) };
    let first = world.begin(first).await;
    let second = world.begin(world.message(&user(1), START)).await;
    assert_eq!(second.wake_at, None, "behind the first");
    world.heard();
    world.store.cancel(first.id, after(1)).await.unwrap();
    let heard = world.heard();
    assert_eq!(rung(&heard), [(lane(&user(1)), after(1))]);
    assert_eq!(moved(&heard), [(first.id, S::Cancelled, Some(ReasonCode::Cancelled))]);
}

async fn a_message_that_is_parked_says_so(world: World) {
    world.subscribe(&user(1), 1).await;
    // The message is due, but no slot is free yet.
    let begun = world.begin(NewMessage { start: None, ..world.message(&user(1), START) }).await;
    pause(&world, PauseCode::Operator, None, after(1)).await;
    world.heard();
    world.claim(&user(1), after(2)).await;
    let (id, reason) = (begun.id, Some(ReasonCode::AppPaused));
    let parked = Moved { id, state: S::Ready, reason, is_new_state: false, is_parked: true };
    assert_eq!(world.heard(), [Heeded::Moved(parked)], "its state is the same, but its reason is new");
}

async fn every_change_of_an_app_is_told(world: World) {
    let told = || world.heard().contains(&Heeded::App(appid()));
    world.heard();
    let version = world.store.app(appid()).await.unwrap().unwrap().version;
    let change = AppChange { name: Some("another name".into()), ..AppChange::default() };
    let changed = world.store.change_app(appid(), version, change.clone(), START).await.unwrap();
    assert!(matches!(changed, AppChanged::Done(_)));
    assert!(told(), "changed");
    let stale = world.store.change_app(appid(), version, change, START).await.unwrap();
    assert!(matches!(stale, AppChanged::Stale(_)));
    assert!(!told(), "the app was not changed");
    pause(&world, PauseCode::Operator, Some(after(9)), START).await;
    assert!(told(), "paused");
    pause(&world, PauseCode::MinuteQuota, Some(after(5)), START).await;
    assert!(!told(), "the longer pause stays: nothing was changed");
    assert!(world.store.resume(appid(), START).await.unwrap());
    assert!(told(), "resumed");
    world.store.put_templates(appid(), Vec::new(), START).await.unwrap();
    assert!(told(), "its templates were read");
    assert!(world.store.remove_app(appid(), START).await.unwrap());
    assert!(told(), "removed");
    assert!(!world.store.remove_app(appid(), START).await.unwrap());
    assert!(!told(), "the app was gone already");
    assert!(world.store.add_app(app(appid())).await.unwrap());
    assert!(told(), "added");
    assert!(!world.store.add_app(app(appid())).await.unwrap());
    assert!(!told(), "the app was there already");
}

async fn every_change_of_a_webhook_is_told(world: World) {
    let told = || world.heard().contains(&Heeded::Webhooks);
    let id = WebhookId::from_bytes([3; 16]);
    let url = "https://example.com/hook".into();
    let record = WebhookRecord::new(id, url, Filter::default(), vec![1], START);
    world.heard();
    assert!(world.store.add_webhook(record).await.unwrap());
    assert!(told(), "the webhook was added");
    world.store.test_webhook(id, START).await.unwrap().unwrap();
    let heard = world.heard();
    let first = Heeded::WebhookEvent(FeedCursor::behind_number(1));
    assert!(heard.contains(&Heeded::Webhooks) && heard.contains(&first), "{heard:?}");
    let disable = WebhookChange::Disable(hongyan_ledger::webhook::DisabledReason::Operator);
    world.store.change_webhook(id, disable, START).await.unwrap().unwrap();
    assert!(told(), "changed");
    assert!(world.store.remove_webhook(id).await.unwrap());
    assert!(told(), "forgotten");
}
