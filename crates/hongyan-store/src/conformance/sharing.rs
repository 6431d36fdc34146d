//! Two stores on one database: each sees, obeys and is told of what the other has committed.

use hongyan_ledger::settle::{AppPause, PauseCode};
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{Lane, MessageState as S, ReasonCode};

use super::check::checks;
use super::heard::{Heard, Heeded};
use super::world::{START, World, after, appid, user};
use crate::types::{
    Accepted, AppChange, AppChanged, Cancelled, FeedCursor, Idempotency, NewMessage, PauseOrder, PermitView,
    WebhookChange,
};

checks![
    what_one_store_has_accepted_the_other_finds,
    what_follows_from_a_commit_of_one_store_a_listener_of_the_other_hears,
    a_lane_that_one_store_has_acquired_is_lost_for_the_other,
    a_pause_that_one_store_has_stored_holds_for_the_other,
    a_webhook_that_one_store_has_set_up_is_told_what_the_other_does,
];

async fn what_one_store_has_accepted_the_other_finds(world: World) {
    let stores = world.two_stores().await;
    for (n, (one, other)) in [(&stores[0], &stores[1]), (&stores[1], &stores[0])].into_iter().enumerate() {
        let openid = user(n as u32);
        one.grant(vec![world.subscription(&openid, 1)], START).await.unwrap();
        let idempotency = Some(Idempotency { key_hash: [1; 8], fingerprint: [1; 8] });
        let keyed = || NewMessage { idempotency, ..world.message(&openid, START) };
        let (first, again) = (keyed(), keyed());
        let id = first.id;
        let new = one.accept(vec![first]).await.unwrap().remove(0);
        assert!(matches!(new, Accepted::New { state: S::Sending, .. }), "{new:?}");
        let repeated = other.accept(vec![again]).await.unwrap().remove(0);
        assert!(matches!(repeated, Accepted::Replayed { id: earlier, .. } if earlier == id), "{repeated:?}");
        assert_eq!(other.message(id).await.unwrap().unwrap().message.state, S::Sending);
        assert_eq!(other.cancel(id, after(1)).await.unwrap(), Cancelled::TooLate(S::Sending));
        let permits: Vec<PermitView> = other.permits(appid(), openid.clone(), after(1)).await.unwrap();
        assert_eq!(permits[0].totals.reserved, 1);
        // The user's next message is behind it, whichever store accepts it.
        let behind = other.accept(vec![world.message(&openid, after(1))]).await.unwrap().remove(0);
        assert!(matches!(behind, Accepted::New { state: S::Ready, wake_at: None, .. }), "{behind:?}");
    }
}

async fn what_follows_from_a_commit_of_one_store_a_listener_of_the_other_hears(world: World) {
    let stores = world.two_stores().await;
    let heard = [Heard::by(&stores[0]), Heard::by(&stores[1])];
    for (n, (store, listener)) in stores.iter().zip([&heard[1], &heard[0]]).enumerate() {
        let openid = user(n as u32);
        let lane = Lane::of(&appid(), &openid);
        listener.take();
        let later = NewMessage { send_at: after(60), ..world.message(&openid, START) };
        let id = later.id;
        store.accept(vec![later]).await.unwrap();
        let is_rung = |heard: &[Heeded]| heard.contains(&Heeded::Scheduled(lane, after(60)));
        listener.wait_until("that a message is scheduled", is_rung).await;
        store.cancel(id, after(1)).await.unwrap();
        let has_moved = |heard: &[Heeded]| {
            let is_it = |heard: &Heeded| matches!(heard, Heeded::Moved(moved) if moved.id == id && moved.state == S::Cancelled);
            heard.iter().any(is_it)
        };
        listener.wait_until("that a message was cancelled", has_moved).await;
        let version = store.app(appid()).await.unwrap().unwrap().version;
        let change = AppChange { name: Some(format!("name {n}")), ..AppChange::default() };
        let changed = store.change_app(appid(), version, change, after(2)).await.unwrap();
        assert!(matches!(changed, AppChanged::Done(_)));
        let is_told = |heard: &[Heeded]| heard.contains(&Heeded::App(appid()));
        listener.wait_until("that the app was changed", is_told).await;
    }
}

async fn a_lane_that_one_store_has_acquired_is_lost_for_the_other(world: World) {
    let stores = world.two_stores().await;
    let (openid, lane) = (user(1), Lane::of(&appid(), &user(1)));
    world.subscribe(&openid, 2).await;
    for (owner, next) in [(&stores[0], &stores[1]), (&stores[1], &stores[0])] {
        let old = world.acquire_by(owner, lane, START).await;
        let in_flight = world.send(world.message(&openid, START)).await;
        let new = world.acquire_by(next, lane, after(1)).await;
        assert_eq!(new.sending.len(), 1);
        assert!(owner.claim(lane, old.epoch, after(2), 10).await.unwrap().is_none());
        let late = World::answer(&in_flight, 0, after(2));
        assert_eq!(owner.settle(vec![late]).await.unwrap()[0].state, None, "the lane has another owner");
        let settled = next.settle(vec![World::answer(&new.sending[0], 0, after(3))]).await.unwrap();
        assert_eq!(settled[0].state, Some(S::Sent));
    }
    assert_eq!(world.totals(&openid, after(3)).await.spent, 2);
}

async fn a_pause_that_one_store_has_stored_holds_for_the_other(world: World) {
    let stores = world.two_stores().await;
    for (n, (one, other)) in [(&stores[0], &stores[1]), (&stores[1], &stores[0])].into_iter().enumerate() {
        let openid = user(n as u32);
        other.grant(vec![world.subscription(&openid, 1)], START).await.unwrap();
        // Let the other store read the app's gate while the app is open.
        other.accept(vec![world.message(&user(9), START)]).await.unwrap();
        let pause = AppPause { code: PauseCode::Operator, until: None };
        let order = PauseOrder { appid: appid(), pause, errcode: None, detail: String::new(), now: START };
        one.pause(order).await.unwrap();
        let held = other.accept(vec![world.message(&openid, after(1))]).await.unwrap().remove(0);
        let Accepted::New { state, reason, .. } = held else { panic!("{held:?}") };
        assert_eq!((state, reason), (S::Ready, Some(ReasonCode::AppPaused)));
        assert!(one.resume(appid(), after(2)).await.unwrap());
        let lane = Lane::of(&appid(), &openid);
        let batch = other.claim(lane, world.epoch(lane), after(2), 10).await.unwrap().unwrap();
        assert_eq!(batch.claimed.len(), 1);
    }
}

async fn a_webhook_that_one_store_has_set_up_is_told_what_the_other_does(world: World) {
    let stores = world.two_stores().await;
    let heard = Heard::by(&stores[0]);
    // Let the second store learn that no webhook listens.
    stores[1].accept(vec![world.message(&user(1), START)]).await.unwrap();
    let id = world.listen(&[EventType::MessageFailed]).await;
    heard.take();
    stores[1].accept(vec![world.message(&user(1), after(1))]).await.unwrap();
    heard
        .wait_until("of an event", |heard| heard.iter().any(|heard| matches!(heard, Heeded::WebhookEvent(_))))
        .await;
    for store in &stores {
        assert_eq!(store.feed(id, FeedCursor::default(), 10).await.unwrap().deliveries.len(), 1);
    }
    heard.take();
    let disable = WebhookChange::Disable(hongyan_ledger::webhook::DisabledReason::Operator);
    stores[1].change_webhook(id, disable, after(2)).await.unwrap().unwrap();
    heard.wait_until("of a changed webhook", |heard| heard.contains(&Heeded::Webhooks)).await;
}
