//! Claims: what is due, and the order of a user's messages.

use hongyan_ledger::{Lane, MessageState as S, PermitPolicy};

use super::check::checks;
use super::world::{START, World, after, appid, user};
use crate::types::{NewMessage, Settlement};

checks![
    what_is_due_is_claimed_earliest_first_up_to_the_limit,
    a_user_has_at_most_one_message_in_flight,
    a_users_messages_keep_their_order_across_a_retry,
    a_message_that_waits_for_a_permit_blocks_nobody,
    when_a_due_message_ends_the_one_behind_it_goes_on,
    a_due_message_without_a_permit_fails_or_waits,
    a_deadline_wakes_a_parked_message,
    what_is_sending_is_listed_for_recovery_and_never_claimed_again,
    acquiring_a_lane_wakes_its_parked_messages,
    who_has_lost_a_lane_writes_nothing_about_its_messages,
    a_backlog_of_a_paused_app_is_worked_off_in_bounded_looks,
    a_scheduled_message_goes_behind_those_that_are_ready,
    what_was_due_once_stays_due,
];

async fn what_is_due_is_claimed_earliest_first_up_to_the_limit(world: World) {
    let lane = Lane::of(&appid(), &user(0));
    let users: Vec<_> = (0..).map(user).filter(|u| Lane::of(&appid(), u) == lane).take(4).collect();
    let mut expected = Vec::new();
    for (user, seconds) in users.iter().zip([40, 10, 30, 20]) {
        world.subscribe(user, 1).await;
        let later = NewMessage { send_at: after(seconds), ..world.message(user, START) };
        expected.push((seconds, world.begin(later).await.id));
    }
    expected.sort_unstable();
    let batch = world.claim_lane(lane, after(100), 3).await;
    let claimed: Vec<_> = batch.claimed.iter().map(|claimed| claimed.id).collect();
    assert_eq!(claimed, expected[..3].iter().map(|(_, id)| *id).collect::<Vec<_>>());
    assert!(batch.next_wake.is_some_and(|wake| wake <= after(100)), "there is more that is due");
    let batch = world.claim_lane(lane, after(100), 3).await;
    assert_eq!((batch.claimed.len(), batch.next_wake), (1, None));
}

async fn a_user_has_at_most_one_message_in_flight(world: World) {
    world.subscribe(&user(1), 3).await;
    for _ in 0..3 {
        world.begin(NewMessage { start: None, ..world.message(&user(1), START) }).await;
    }
    let first = world.claim(&user(1), START).await;
    assert_eq!(first.claimed.len(), 1);
    assert!(world.claim(&user(1), after(5)).await.claimed.is_empty());
    let settled = world.answered(&first.claimed[0], 0, after(5)).await;
    assert!(settled.next.is_some(), "its end hands on to the next message");
}

async fn a_users_messages_keep_their_order_across_a_retry(world: World) {
    world.subscribe(&user(1), 2).await;
    let first = world.send(world.message(&user(1), START)).await;
    let second = world.begin(world.message(&user(1), START)).await;
    assert_eq!(second.state, S::Ready);
    let busy = world.answered(&first, -1, after(1)).await;
    assert_eq!(busy.state, Some(S::Ready));
    assert!(busy.next.is_none(), "the younger message stays behind the message that is tried again");
    let retry_at = busy.wake_at.unwrap();
    assert!(world.claim(&user(1), after(1)).await.claimed.is_empty());
    let again = world.claim(&user(1), retry_at).await.claimed;
    assert_eq!((again[0].id, again[0].attempt), (first.id, 2));
    let sent = world.answered(&again[0], 0, retry_at).await;
    assert_eq!(sent.next.unwrap().id, second.id);
    let attempts = world.detail(first.id).await.attempts;
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    assert!(attempts.iter().all(|attempt| attempt.outcome.is_some() && attempt.permit.is_some()));
}

async fn a_message_that_waits_for_a_permit_blocks_nobody(world: World) {
    let wait = NewMessage {
        policy: PermitPolicy::Wait,
        template: "other".parse().unwrap(),
        ..world.message(&user(1), START)
    };
    assert_eq!(world.begin(wait).await.state, S::Waiting);
    world.subscribe(&user(1), 1).await;
    world.send(world.message(&user(1), START)).await;
}

async fn when_a_due_message_ends_the_one_behind_it_goes_on(world: World) {
    world.subscribe(&user(1), 1).await;
    // The first message will have expired when it is looked at; the second is parked behind it.
    let first = NewMessage { start: None, deadline: Some(after(10)), ..world.message(&user(1), START) };
    let first = world.begin(first).await;
    let second = world.begin(world.message(&user(1), START)).await;
    assert_eq!((second.state, second.wake_at), (S::Ready, None));
    let batch = world.claim(&user(1), after(10)).await;
    assert_eq!(batch.ended.len(), 1);
    assert_eq!((batch.ended[0].id, batch.ended[0].state), (first.id, S::Expired));
    assert_eq!(batch.claimed.len(), 1);
    assert_eq!(batch.claimed[0].id, second.id);
}

async fn a_due_message_without_a_permit_fails_or_waits(world: World) {
    let later = |n, policy| NewMessage { policy, send_at: after(1), ..world.message(&user(n), START) };
    let fails = world.begin(later(1, PermitPolicy::Require)).await;
    assert_eq!(fails.state, S::Scheduled);
    let batch = world.claim(&user(1), after(1)).await;
    assert_eq!((batch.ended[0].id, batch.ended[0].state), (fails.id, S::Failed));
    let waits = world.begin(later(2, PermitPolicy::Wait)).await;
    assert!(world.claim(&user(2), after(1)).await.ended.is_empty());
    assert_eq!(world.state(waits.id).await, S::Waiting);
}

async fn a_deadline_wakes_a_parked_message(world: World) {
    world.subscribe(&user(1), 2).await;
    let first = world.send(world.message(&user(1), START)).await;
    let parked = NewMessage { deadline: Some(after(30)), ..world.message(&user(1), START) };
    let parked = world.begin(parked).await;
    assert_eq!((parked.state, parked.wake_at), (S::Ready, Some(after(30))));
    let batch = world.claim(&user(1), after(30)).await;
    assert_eq!((batch.ended[0].id, batch.ended[0].state), (parked.id, S::Expired));
    assert_eq!(world.state(first.id).await, S::Sending);
}

async fn what_is_sending_is_listed_for_recovery_and_never_claimed_again(world: World) {
    world.subscribe(&user(1), 1).await;
    let claimed = world.send(world.message(&user(1), START)).await;
    let lane = Lane::of(&appid(), &user(1));
    let sending = world.acquire(lane, after(60)).await.sending;
    assert_eq!(sending.len(), 1);
    assert_eq!((sending[0].id, sending[0].attempt, &sending[0].body), (claimed.id, 1, &claimed.body));
    assert_eq!(sending[0].permit, claimed.permit);
    assert!(world.claim(&user(1), after(60)).await.claimed.is_empty());
    // The recovery settles it as unanswered. A late outcome of the old process then changes nothing.
    let lost = world.settle(World::silence(&sending[0], after(60))).await;
    assert_eq!(lost.state, Some(S::Unknown));
    assert_eq!(world.answered(&claimed, 0, after(61)).await.state, None);
    assert_eq!(world.state(claimed.id).await, S::Unknown);
}

async fn acquiring_a_lane_wakes_its_parked_messages(world: World) {
    world.subscribe(&user(1), 2).await;
    world.send(world.message(&user(1), START)).await;
    world.begin(world.message(&user(1), START)).await;
    let lane = Lane::of(&appid(), &user(1));
    assert_eq!(world.acquire(lane, after(9)).await.next_wake, Some(after(9)));
    let batch = world.claim(&user(1), after(9)).await;
    assert!(batch.claimed.is_empty() && batch.next_wake.is_none(), "its user is busy; parked again");
}

async fn who_has_lost_a_lane_writes_nothing_about_its_messages(world: World) {
    world.subscribe(&user(1), 2).await;
    let lane = Lane::of(&appid(), &user(1));
    let before = world.epoch(lane);
    let claimed = world.send(world.message(&user(1), START)).await;
    let new = world.acquire(lane, after(1)).await;
    assert!(new.epoch > before);
    assert_eq!(world.answered(&claimed, 0, after(2)).await.state, None);
    assert_eq!(world.state(claimed.id).await, S::Sending);
    assert!(world.store.claim(lane, before, after(2), 10).await.unwrap().is_none());
    // The old owner may still accept messages, for the new owner to send.
    let neighbour = (2..10_000).map(user).find(|user| Lane::of(&appid(), user) == lane).unwrap();
    world.subscribe(&neighbour, 1).await;
    let late = NewMessage { start: Some(before), ..world.message(&neighbour, after(3)) };
    assert_eq!(world.begin(late).await.state, S::Ready);
    assert_eq!(world.answered(&new.sending[0], 0, after(4)).await.state, Some(S::Sent));
    assert!(!world.store.release(lane, before).await.unwrap());
    assert!(world.store.release(lane, new.epoch).await.unwrap());
    assert!(
        world.store.claim(lane, new.epoch, after(5), 10).await.unwrap().is_none(),
        "the lane is free now"
    );
}

async fn a_backlog_of_a_paused_app_is_worked_off_in_bounded_looks(world: World) {
    let lane = Lane::of(&appid(), &user(0));
    let users: Vec<_> = (0..).map(user).filter(|u| Lane::of(&appid(), u) == lane).take(100).collect();
    let wait = |u| NewMessage { policy: PermitPolicy::Try, send_at: after(1), ..world.message(u, START) };
    world.store.accept(users.iter().map(wait).collect()).await.unwrap();
    super::keeping::pause(&world, None).await;
    let mut looks = 0;
    loop {
        let batch = world.claim_lane(lane, after(1), 1).await;
        assert!(batch.claimed.is_empty());
        looks += 1;
        if batch.next_wake.is_none() {
            break;
        }
    }
    assert!((2..=100).contains(&looks), "{looks}");
    assert!(world.store.resume(appid(), after(2)).await.unwrap());
    let batch = world.claim_lane(lane, after(2), 1000).await;
    assert_eq!(batch.claimed.len(), 100);
}

async fn what_was_due_once_stays_due(world: World) {
    world.subscribe(&user(1), 2).await;
    let first = world.send(world.message(&user(1), START)).await;
    let scheduled = NewMessage { send_at: after(10), ..world.message(&user(1), START) };
    let scheduled = world.begin(scheduled).await;
    assert!(world.claim(&user(1), after(10)).await.claimed.is_empty(), "its user is busy");
    assert_eq!(world.state(scheduled.id).await, S::Ready);
    // The answer was known before the timer rang but is stored after it, or the clock was set back.
    let settled = world.answered(&first, 0, after(9)).await;
    assert_eq!(settled.next.unwrap().id, scheduled.id);
}

async fn a_scheduled_message_goes_behind_those_that_are_ready(world: World) {
    world.subscribe(&user(1), 3).await;
    let scheduled = NewMessage { send_at: after(10), ..world.message(&user(1), START) };
    let scheduled = world.begin(scheduled).await;
    let first = world.send(world.message(&user(1), after(1))).await;
    let second = world.begin(world.message(&user(1), after(2))).await;
    assert!(world.claim(&user(1), after(10)).await.claimed.is_empty(), "its user is busy");
    let end = World::answer(&first, 0, after(11));
    let settled = world.settle(Settlement { room: true, ..end }).await;
    assert_eq!(settled.next.as_ref().unwrap().id, second.id);
    let settled = world.answered(&settled.next.unwrap(), 0, after(12)).await;
    assert_eq!(settled.next.unwrap().id, scheduled.id);
}
