//! Collapse keys: a newer message takes the place of an unsent older one.

use hongyan_ledger::resolve::{Then, Verdict, Witness};
use hongyan_ledger::{MessageId, MessageState as S, PermitPolicy, ReasonCode};
use hongyan_wechat::OpenId;

use super::check::checks;
use super::world::{START, World, after, user};
use crate::types::{Accepted, Ended, Idempotency, NewMessage, ResolveOrder, Resolved};

checks![
    a_newer_message_replaces_one_that_is_scheduled_ready_or_waiting,
    other_keys_other_users_and_no_key_are_left_alone,
    the_newer_message_has_the_permit_that_the_older_one_held,
    what_is_sending_or_in_doubt_is_not_replaced,
    one_that_comes_back_unsent_gives_way_to_the_newer,
    one_that_was_not_sent_after_all_gives_way_to_the_newer_even_if_that_was_sent,
    replacing_the_first_lets_the_next_go,
    of_one_batch_the_last_wins_and_no_earlier_one_is_started,
    a_repeated_request_replaces_nothing,
];

fn about(world: &World, openid: &OpenId, key: &str, seconds: u64) -> NewMessage {
    NewMessage { collapse_key: Some(key.into()), ..world.message(openid, after(seconds)) }
}

/// Accepts a message. Returns its id, its state, and the messages that it replaced.
async fn accept(world: &World, message: NewMessage) -> (MessageId, S, Vec<MessageId>) {
    let id = message.id;
    let Accepted::New { state, replaced, .. } = world.store.accept(vec![message]).await.unwrap().remove(0)
    else {
        panic!("{id} is not new");
    };
    for ended in &replaced {
        let expected =
            Ended { id: ended.id, state: S::Cancelled, reason: Some(ReasonCode::Replaced), errcode: None };
        assert_eq!(*ended, expected);
    }
    (id, state, replaced.into_iter().map(|ended| ended.id).collect())
}

async fn assert_replaced(world: &World, id: MessageId, by: MessageId) {
    let view = world.detail(id).await.message;
    assert_eq!((view.state, view.reason), (S::Cancelled, Some(ReasonCode::Replaced)));
    assert_eq!((view.replaced_by, view.wake_at), (Some(by), None));
}

async fn a_newer_message_replaces_one_that_is_scheduled_ready_or_waiting(world: World) {
    world.subscribe(&user(1), 9).await;
    let scheduled = NewMessage { send_at: after(60), ..about(&world, &user(1), "k", 0) };
    let ready = NewMessage { start: None, ..about(&world, &user(1), "k", 1) };
    let (scheduled, state, _) = accept(&world, scheduled).await;
    assert_eq!(state, S::Scheduled);
    let (ready, state, replaced) = accept(&world, ready).await;
    assert_eq!((state, replaced), (S::Ready, vec![scheduled]));
    let (last, state, replaced) = accept(&world, about(&world, &user(1), "k", 2)).await;
    assert_eq!((state, replaced), (S::Sending, vec![ready]));
    assert_replaced(&world, scheduled, ready).await;
    assert_replaced(&world, ready, last).await;

    let waiting = NewMessage { policy: PermitPolicy::Wait, ..about(&world, &user(2), "k", 0) };
    let (waiting, state, _) = accept(&world, waiting).await;
    assert_eq!(state, S::Waiting);
    let newer = NewMessage { policy: PermitPolicy::Wait, ..about(&world, &user(2), "k", 1) };
    let (newer, _, replaced) = accept(&world, newer).await;
    assert_eq!(replaced, [waiting]);
    world.subscribe(&user(2), 2).await;
    let claimed = world.claim(&user(2), after(3)).await.claimed;
    assert_eq!(claimed.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [newer]);
    assert_eq!(world.detail(newer).await.message.collapse_key.as_deref(), Some("k"));
}

async fn other_keys_other_users_and_no_key_are_left_alone(world: World) {
    let wait = |message| NewMessage { policy: PermitPolicy::Wait, ..message };
    let kept = [
        accept(&world, wait(about(&world, &user(1), "k", 0))).await.0,
        accept(&world, wait(about(&world, &user(2), "other", 0))).await.0,
        accept(&world, wait(world.message(&user(2), START))).await.0,
    ];
    let (_, _, replaced) = accept(&world, wait(about(&world, &user(2), "k", 1))).await;
    assert!(replaced.is_empty());
    for id in kept {
        assert_eq!(world.state(id).await, S::Waiting);
    }
}

async fn the_newer_message_has_the_permit_that_the_older_one_held(world: World) {
    world.subscribe(&user(1), 1).await;
    let reserved = NewMessage { send_at: after(60), reserve_now: true, ..about(&world, &user(1), "k", 0) };
    let (reserved, _, _) = accept(&world, reserved).await;
    assert_eq!(world.totals(&user(1), START).await.available, 0);
    let (newer, state, replaced) = accept(&world, about(&world, &user(1), "k", 1)).await;
    assert_eq!((state, replaced), (S::Sending, vec![reserved]));
    assert!(world.detail(newer).await.message.permit.is_some());
    assert_eq!(world.totals(&user(1), after(1)).await.reserved, 1);

    // The newer message gets the unit before messages that wait for a permit; they get the units that it leaves.
    world.subscribe(&user(2), 1).await;
    let reserved = || NewMessage { send_at: after(60), reserve_now: true, ..about(&world, &user(2), "k", 0) };
    accept(&world, reserved()).await;
    let waiting = NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(2), START) };
    let (waiting, state, _) = accept(&world, waiting).await;
    assert_eq!(state, S::Waiting);
    let (_, state, _) = accept(&world, reserved()).await;
    assert_eq!(state, S::Scheduled);
    assert_eq!((world.state(waiting).await, world.totals(&user(2), START).await.reserved), (S::Waiting, 1));
    let at_send = NewMessage { reserve_now: false, ..reserved() };
    accept(&world, at_send).await;
    assert_eq!(world.claim(&user(2), after(1)).await.claimed[0].id, waiting);
}

async fn what_is_sending_or_in_doubt_is_not_replaced(world: World) {
    world.subscribe(&user(1), 3).await;
    let sending = world.send(about(&world, &user(1), "k", 0)).await;
    let (second, state, replaced) = accept(&world, about(&world, &user(1), "k", 1)).await;
    assert_eq!((state, replaced.len()), (S::Ready, 0));
    let settled = world.settle(World::silence(&sending, after(2))).await;
    assert_eq!(settled.state, Some(S::Unknown));
    assert_eq!(settled.next.unwrap().id, second, "the message waited for its turn");

    world.grant(world.form(&user(2), "form", START), START).await;
    let form = NewMessage { collapse_key: Some("k".into()), ..world.legacy(&user(2), START) };
    let in_doubt = world.send(form).await;
    let settled = world.settle(World::silence(&in_doubt, after(1))).await;
    assert_eq!(settled.state, Some(S::Ready));
    let newer = NewMessage { collapse_key: Some("k".into()), ..world.legacy(&user(2), after(2)) };
    let (_, _, replaced) = accept(&world, newer).await;
    assert!(replaced.is_empty(), "the user may have it already");
    assert_eq!(world.state(in_doubt.id).await, S::Ready);
}

async fn one_that_comes_back_unsent_gives_way_to_the_newer(world: World) {
    world.subscribe(&user(1), 1).await;
    let reserved = NewMessage { reserve_now: true, ..about(&world, &user(1), "k", 0) };
    let older = world.send(reserved).await;
    let (newer, ..) = accept(&world, about(&world, &user(1), "k", 1)).await;
    let settled = world.answered(&older, -1, after(2)).await;
    assert_eq!((settled.state, settled.reason), (Some(S::Cancelled), Some(ReasonCode::Replaced)));
    assert_eq!(settled.next.unwrap().id, newer, "with its permit, at once");
    assert_replaced(&world, older.id, newer).await;

    // The same happens if its permit was dead and it is to wait for another permit. It does not happen if the newer message
    // was cancelled.
    world.subscribe(&user(2), 1).await;
    let wait = |message| NewMessage { policy: PermitPolicy::Wait, ..message };
    let older = world.send(wait(about(&world, &user(2), "k", 0))).await;
    let (newer, ..) = accept(&world, wait(about(&world, &user(2), "k", 1))).await;
    let settled = world.answered(&older, 43101, after(2)).await;
    assert_eq!(settled.state, Some(S::Cancelled));
    assert_replaced(&world, older.id, newer).await;
    assert_eq!(world.state(newer).await, S::Waiting);

    world.subscribe(&user(3), 1).await;
    let older = world.send(about(&world, &user(3), "k", 0)).await;
    let (newer, ..) = accept(&world, about(&world, &user(3), "k", 1)).await;
    world.store.cancel(newer, after(1)).await.unwrap();
    assert_eq!(world.answered(&older, -1, after(2)).await.state, Some(S::Ready));
}

async fn one_that_was_not_sent_after_all_gives_way_to_the_newer_even_if_that_was_sent(world: World) {
    world.subscribe(&user(1), 2).await;
    let older = world.send(about(&world, &user(1), "k", 0)).await;
    world.settle(World::silence(&older, after(1))).await;
    let newer = world.send(about(&world, &user(1), "k", 2)).await;
    world.answered(&newer, 0, after(3)).await;
    let verdict = Verdict::NotSent { then: Then::Send };
    let order = ResolveOrder {
        id: older.id,
        verdict,
        attempt: None,
        listened: None,
        now: after(4),
        witness: Witness::Operator,
    };
    let resolved = world.store.resolve(order).await.unwrap();
    assert_eq!(resolved, Resolved::Done { state: S::Cancelled, reason: Some(ReasonCode::Replaced) });
    assert_replaced(&world, older.id, newer.id).await;
    let totals = world.totals(&user(1), after(4)).await;
    assert_eq!((totals.spent, totals.available), (1, 1));
}

async fn replacing_the_first_lets_the_next_go(world: World) {
    world.subscribe(&user(1), 3).await;
    let first = world.send(about(&world, &user(1), "k", 0)).await;
    assert_eq!(world.answered(&first, -1, START).await.state, Some(S::Ready));
    let second = world.begin(world.message(&user(1), START)).await;
    assert_eq!(second.wake_at, None, "parked behind the message that is tried again");
    let (last, state, replaced) = accept(&world, about(&world, &user(1), "k", 0)).await;
    assert_eq!((state, replaced), (S::Ready, vec![first.id]));
    let claimed = world.claim(&user(1), START).await.claimed.remove(0);
    assert_eq!(claimed.id, second.id);
    assert_eq!(world.answered(&claimed, 0, START).await.next.unwrap().id, last);
}

async fn of_one_batch_the_last_wins_and_no_earlier_one_is_started(world: World) {
    world.subscribe(&user(1), 3).await;
    let batch: Vec<_> = [("k", 1), ("other", 1), ("k", 2), ("k", 1)]
        .map(|(key, number)| about(&world, &user(number), key, 0))
        .into();
    let ids: Vec<_> = batch.iter().map(|new| new.id).collect();
    let answers = world.store.accept(batch).await.unwrap();
    let states: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Accepted::New { state, reason, replaced, .. } => {
                assert!(replaced.is_empty(), "what the batch replaced of itself is in its own answer");
                (*state, *reason)
            }
            other => panic!("not new: {other:?}"),
        })
        .collect();
    assert_eq!(states[0], (S::Cancelled, Some(ReasonCode::Replaced)));
    assert_eq!(states[1].0, S::Ready, "behind the first, while that was there");
    assert_eq!(states[2].0, S::Failed, "another user's, who has no permit");
    assert_eq!(states[3].0, S::Ready);
    assert_replaced(&world, ids[0], ids[3]).await;
    let Accepted::New { wake_at, .. } = &answers[0] else { panic!("it is new") };
    assert_eq!(*wake_at, Some(START), "the lane is to be looked at");
    let claimed = world.claim(&user(1), START).await.claimed.remove(0);
    assert_eq!(claimed.id, ids[1]);
    assert_eq!(world.answered(&claimed, 0, after(1)).await.next.unwrap().id, ids[3]);
}

async fn a_repeated_request_replaces_nothing(world: World) {
    let wait = |message| NewMessage { policy: PermitPolicy::Wait, ..message };
    let idempotency = Some(Idempotency { key_hash: [1; 8], fingerprint: [1; 8] });
    let first = NewMessage { idempotency, ..wait(about(&world, &user(1), "k", 0)) };
    let (older, ..) = accept(&world, first.clone()).await;
    let (newer, _, replaced) = accept(&world, wait(about(&world, &user(1), "k", 1))).await;
    assert_eq!(replaced, [older]);
    let id = world.ids.message(first.id.lane().unwrap(), after(2));
    let again = world.store.accept(vec![NewMessage { id, ..first }]).await.unwrap().remove(0);
    assert!(matches!(again, Accepted::Replayed { id, state: S::Cancelled, .. } if id == older), "{again:?}");
    assert_eq!(world.state(newer).await, S::Waiting);
}
