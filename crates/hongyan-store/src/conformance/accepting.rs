//! Acceptance: the first state of a message; repeated requests.

use hongyan_ledger::{MessageState as S, PermitPolicy, ReasonCode};

use super::check::checks;
use super::world::{START, World, after, appid, user};
use crate::types::{Accepted, Idempotency, NewMessage};

checks![
    a_message_with_a_permit_is_sending_at_once,
    a_message_without_room_is_ready_and_due_now,
    without_a_permit_require_fails_wait_waits_and_try_goes_out,
    a_message_for_later_is_scheduled_with_a_timer,
    a_message_after_its_deadline_is_expired,
    a_message_of_a_paused_app_is_ready_and_keeps_its_permit_free,
    of_several_messages_to_one_user_only_the_first_is_sending,
    messages_to_different_users_are_all_sending,
    a_repeated_request_is_one_message,
    a_key_that_is_used_for_something_else_is_refused,
    a_key_counts_within_one_call,
    the_key_of_one_lane_is_nothing_to_another,
    all_are_stored_or_none,
];

async fn a_message_with_a_permit_is_sending_at_once(world: World) {
    world.subscribe(&user(1), 1).await;
    let message = world.message(&user(1), START);
    let claimed = world.send(message.clone()).await;
    assert_eq!((claimed.id, claimed.attempt, claimed.claimed_at), (message.id, 1, START));
    assert_eq!(claimed.body, message.body);
    assert!(claimed.permit.is_some());
    let totals = world.totals(&user(1), START).await;
    assert_eq!((totals.available, totals.reserved), (0, 1), "reserved by being in flight");
    let detail = world.detail(claimed.id).await;
    assert_eq!(detail.body, message.body.as_ref());
    assert_eq!(detail.attempts.len(), 1);
    assert_eq!(detail.attempts[0].ended_at, None);
}

async fn a_message_without_room_is_ready_and_due_now(world: World) {
    world.subscribe(&user(1), 1).await;
    let begun = world.begin(NewMessage { start: None, ..world.message(&user(1), START) }).await;
    assert_eq!((begun.state, begun.wake_at), (S::Ready, Some(START)));
    let batch = world.claim(&user(1), START).await;
    assert_eq!(batch.claimed.len(), 1);
    assert_eq!(batch.claimed[0].id, begun.id);
}

async fn without_a_permit_require_fails_wait_waits_and_try_goes_out(world: World) {
    let with = |n, policy| NewMessage { policy, ..world.message(&user(n), START) };
    let failed = world.begin(with(1, PermitPolicy::Require)).await;
    assert_eq!(failed.state, S::Failed);
    assert_eq!(world.detail(failed.id).await.message.reason, Some(ReasonCode::NoPermit));
    let deadline = Some(after(60));
    let waiting = world.begin(NewMessage { deadline, ..with(2, PermitPolicy::Wait) }).await;
    assert_eq!((waiting.state, waiting.wake_at), (S::Waiting, deadline));
    let tried = world.send(with(3, PermitPolicy::Try)).await;
    assert_eq!(tried.permit, None);
}

async fn a_message_for_later_is_scheduled_with_a_timer(world: World) {
    world.subscribe(&user(1), 1).await;
    let begun = world.begin(NewMessage { send_at: after(60), ..world.message(&user(1), START) }).await;
    assert_eq!((begun.state, begun.wake_at), (S::Scheduled, Some(after(60))));
    let early = world.claim(&user(1), after(59)).await;
    assert!(early.claimed.is_empty());
    assert_eq!(early.next_wake, Some(after(60)));
    assert_eq!(world.claim(&user(1), after(60)).await.claimed[0].id, begun.id);
}

async fn a_message_after_its_deadline_is_expired(world: World) {
    world.subscribe(&user(1), 1).await;
    let late = NewMessage { deadline: Some(START), ..world.message(&user(1), START) };
    assert_eq!(world.begin(late).await.state, S::Expired);
    assert_eq!(world.totals(&user(1), START).await.available, 1);
}

async fn a_message_of_a_paused_app_is_ready_and_keeps_its_permit_free(world: World) {
    world.subscribe(&user(1), 1).await;
    super::keeping::pause(&world, Some(after(60))).await;
    let begun = world.begin(world.message(&user(1), START)).await;
    assert_eq!((begun.state, begun.wake_at), (S::Ready, Some(after(60))));
    assert_eq!(world.detail(begun.id).await.message.reason, Some(ReasonCode::AppPaused));
    assert_eq!(world.totals(&user(1), START).await.available, 1);
    assert_eq!(world.claim(&user(1), after(60)).await.claimed.len(), 1, "the pause ended by itself");
}

async fn of_several_messages_to_one_user_only_the_first_is_sending(world: World) {
    world.subscribe(&user(1), 3).await;
    let messages: Vec<_> = (0..3).map(|_| world.message(&user(1), START)).collect();
    let answers = world.store.accept(messages).await.unwrap();
    let states: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Accepted::New { state, wake_at, .. } => (*state, *wake_at),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(states, [(S::Sending, None), (S::Ready, None), (S::Ready, None)]);
    assert!(world.claim(&user(1), after(1)).await.claimed.is_empty(), "they are parked, not due");
}

async fn messages_to_different_users_are_all_sending(world: World) {
    let mut messages = Vec::new();
    for n in 0..200 {
        world.subscribe(&user(n), 1).await;
        messages.push(world.message(&user(n), START));
    }
    let answers = world.store.accept(messages).await.unwrap();
    assert!(answers.iter().all(|a| matches!(a, Accepted::New { state: S::Sending, .. })));
}

fn key(byte: u8, fingerprint: u8) -> Idempotency {
    Idempotency { key_hash: [byte; 8], fingerprint: [fingerprint; 8] }
}

async fn a_repeated_request_is_one_message(world: World) {
    world.subscribe(&user(1), 2).await;
    let keyed = || NewMessage { idempotency: Some(key(1, 1)), ..world.message(&user(1), START) };
    let first = world.send(keyed()).await;
    let answer = world.store.accept(vec![keyed()]).await.unwrap().remove(0);
    assert!(matches!(answer, Accepted::Replayed { id, state: S::Sending, .. } if id == first.id));
    world.answered(&first, 0, START).await;
    let answer = world.store.accept(vec![keyed()]).await.unwrap().remove(0);
    assert!(matches!(answer, Accepted::Replayed { id, state: S::Sent, .. } if id == first.id));
    assert_eq!(world.totals(&user(1), START).await.spent, 1);
}

async fn a_key_that_is_used_for_something_else_is_refused(world: World) {
    world.subscribe(&user(1), 2).await;
    let keyed =
        |fingerprint| NewMessage { idempotency: Some(key(1, fingerprint)), ..world.message(&user(1), START) };
    let first = world.send(keyed(1)).await;
    let second = keyed(2);
    let answer = world.store.accept(vec![second.clone()]).await.unwrap().remove(0);
    assert!(matches!(answer, Accepted::KeyReused { id } if id == first.id));
    assert!(world.store.message(second.id).await.unwrap().is_none());
}

async fn a_key_counts_within_one_call(world: World) {
    world.subscribe(&user(1), 2).await;
    let keyed = || NewMessage { idempotency: Some(key(1, 1)), ..world.message(&user(1), START) };
    let (first, second) = (keyed(), keyed());
    let id = first.id;
    let answers = world.store.accept(vec![first, second]).await.unwrap();
    assert!(matches!(answers[0], Accepted::New { .. }));
    assert!(matches!(answers[1], Accepted::Replayed { id: earlier, .. } if earlier == id));
}

async fn the_key_of_one_lane_is_nothing_to_another(world: World) {
    let lane = |n: u32| hongyan_ledger::Lane::of(&appid(), &user(n));
    let other = (2..1000).find(|&n| lane(n) != lane(1)).unwrap();
    for n in [1, other] {
        world.subscribe(&user(n), 1).await;
        world.send(NewMessage { idempotency: Some(key(1, 1)), ..world.message(&user(n), START) }).await;
    }
}

async fn all_are_stored_or_none(world: World) {
    world.subscribe(&user(1), 5).await;
    let first = world.message(&user(1), START);
    // The same id twice in one call: no store can accept that.
    let twice = first.clone();
    assert!(world.store.accept(vec![first.clone(), twice]).await.is_err());
    assert!(world.store.message(first.id).await.unwrap().is_none());
    assert_eq!(world.totals(&user(1), START).await.available, 5);
}
