//! Cancelling, and removing an app.

use hongyan_ledger::{Lane, MessageId, MessageState as S, PermitPolicy, ReasonCode};

use super::check::checks;
use super::world::{START, World, after, app, appid, user};
use crate::types::{Cancelled, NewMessage, TokenRecord};

checks![
    what_was_not_sent_can_be_cancelled,
    what_is_sending_or_sent_cannot_be_cancelled,
    a_message_that_maybe_arrived_cannot_be_cancelled,
    cancelling_the_first_lets_the_second_go,
    a_woken_message_that_ends_without_its_unit_passes_it_on_to_the_next_that_waits,
    an_unknown_id_is_not_found,
    removing_an_app_cancels_what_was_not_sent_and_keeps_history,
];

async fn what_was_not_sent_can_be_cancelled(world: World) {
    world.subscribe(&user(1), 1).await;
    let scheduled = NewMessage { send_at: after(60), ..world.message(&user(1), START) };
    let ready = NewMessage { start: None, ..world.message(&user(1), START) };
    let waiting = NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(2), START) };
    for message in [scheduled, ready, waiting] {
        let begun = world.begin(message).await;
        assert_eq!(world.store.cancel(begun.id, after(1)).await.unwrap(), Cancelled::Done);
        let view = world.detail(begun.id).await.message;
        assert_eq!((view.state, view.reason), (S::Cancelled, Some(ReasonCode::Cancelled)));
        assert_eq!(view.wake_at, None);
        let again = world.store.cancel(begun.id, after(1)).await.unwrap();
        assert_eq!(again, Cancelled::TooLate(S::Cancelled));
    }
    let batch = world.claim(&user(1), after(100)).await;
    assert!(batch.claimed.is_empty() && batch.ended.is_empty());
}

async fn what_is_sending_or_sent_cannot_be_cancelled(world: World) {
    world.subscribe(&user(1), 1).await;
    let claimed = world.send(world.message(&user(1), START)).await;
    let cancel = || world.store.cancel(claimed.id, after(1));
    assert_eq!(cancel().await.unwrap(), Cancelled::TooLate(S::Sending));
    world.answered(&claimed, 0, after(1)).await;
    assert_eq!(cancel().await.unwrap(), Cancelled::TooLate(S::Sent));
}

async fn a_message_that_maybe_arrived_cannot_be_cancelled(world: World) {
    world.grant(world.form(&user(1), "form", START), START).await;
    let claimed = world.send(world.legacy(&user(1), START)).await;
    world.settle(World::silence(&claimed, after(1))).await;
    let answer = world.store.cancel(claimed.id, after(2)).await.unwrap();
    assert_eq!(answer, Cancelled::TooLate(S::Ready));
}

async fn cancelling_the_first_lets_the_second_go(world: World) {
    world.subscribe(&user(1), 2).await;
    let busy = world.send(world.message(&user(1), START)).await;
    let wake = world.answered(&busy, -1, START).await.wake_at.unwrap();
    let second = world.begin(world.message(&user(1), START)).await;
    assert_eq!(second.wake_at, None, "parked behind the message that is tried again");
    assert!(wake > START);
    assert_eq!(world.store.cancel(busy.id, START).await.unwrap(), Cancelled::Done);
    assert_eq!(world.claim(&user(1), START).await.claimed[0].id, second.id);
}

async fn an_unknown_id_is_not_found(world: World) {
    let never_made = MessageId::from_bytes([0xee; 16]);
    assert_eq!(world.store.cancel(never_made, START).await.unwrap(), Cancelled::NotFound);
    assert!(world.store.message(never_made).await.unwrap().is_none());
    let other = world.message(&user(1), START).id;
    assert_eq!(world.store.cancel(other, START).await.unwrap(), Cancelled::NotFound);
}

async fn removing_an_app_cancels_what_was_not_sent_and_keeps_history(world: World) {
    world.subscribe(&user(1), 3).await;
    let token = TokenRecord {
        appid: appid(),
        value: vec![9],
        generation: 1,
        fetched_at: START,
        expires_at: after(7200),
    };
    world.store.put_token(token).await.unwrap();
    let sending = world.send(world.message(&user(1), START)).await;
    let open = [
        world.begin(world.message(&user(1), START)).await.id,
        world.begin(NewMessage { send_at: after(60), ..world.message(&user(2), START) }).await.id,
        world.begin(NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(3), START) }).await.id,
        world
            .begin(NewMessage { send_at: after(60), reserve_now: true, ..world.message(&user(1), START) })
            .await
            .id,
    ];
    world.grant(world.form(&user(4), "form", START), START).await;
    let doubtful = world.send(world.legacy(&user(4), START)).await;
    world.settle(World::silence(&doubtful, START)).await;
    assert!(world.store.remove_app(appid(), after(1)).await.unwrap());
    assert!(!world.store.remove_app(appid(), after(1)).await.unwrap());
    for id in open {
        assert_eq!(world.state(id).await, S::Cancelled);
    }
    assert_eq!(
        world.state(doubtful.id).await,
        S::Unknown,
        "the user may have it, so it must not be called cancelled"
    );
    assert!(world.store.app(appid()).await.unwrap().is_none());
    assert!(world.store.token(appid()).await.unwrap().is_none());
    // A message in flight is settled as always.
    assert_eq!(world.answered(&sending, 0, after(2)).await.state, Some(S::Sent));
    let totals = world.totals(&user(1), after(2)).await;
    assert_eq!((totals.spent, totals.reserved), (1, 0));
    // A message that is accepted after the removal waits for the app to come back.
    let orphan = world.begin(world.message(&user(1), after(3))).await;
    assert_eq!((orphan.state, orphan.wake_at), (S::Ready, None));
    assert!(world.store.add_app(app(appid())).await.unwrap());
    let lane = Lane::of(&appid(), &user(1));
    assert_eq!(world.claim_lane(lane, after(4), 10).await.claimed[0].id, orphan.id);
}

async fn a_woken_message_that_ends_without_its_unit_passes_it_on_to_the_next_that_waits(world: World) {
    let waiting =
        |deadline| NewMessage { policy: PermitPolicy::Wait, deadline, ..world.message(&user(1), START) };
    let withdrawn = world.begin(waiting(None)).await;
    let expiring = world.begin(waiting(Some(after(5)))).await;
    let last = world.begin(waiting(None)).await;
    // One unit wakes the first message only.
    assert_eq!(world.subscribe(&user(1), 1).await.woken, 1);
    assert_eq!(world.store.cancel(withdrawn.id, after(1)).await.unwrap(), Cancelled::Done);
    assert_eq!(world.state(expiring.id).await, S::Ready);
    // No claim happened before its deadline.
    let batch = world.claim(&user(1), after(6)).await;
    assert_eq!(batch.ended.iter().map(|ended| ended.id).collect::<Vec<_>>(), [expiring.id]);
    assert_eq!(batch.claimed.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [last.id]);
}
