//! Held permits: reserved from the start, or brought by the message.

use hongyan_ledger::{MessageState as S, PermitPolicy, ReasonCode};

use super::check::checks;
use super::world::{START, World, after, user};
use crate::types::{Cancelled, NewMessage, NewPermit};

/// Longer than a form is valid.
const EIGHT_DAYS: u64 = 8 * 24 * 3600;

checks![
    a_reserved_permit_is_kept_for_its_message,
    reserving_without_a_permit_fails_at_once_if_one_is_required,
    only_a_permit_that_lasts_until_then_is_reserved,
    the_unit_of_a_message_in_flight_cannot_be_reserved,
    an_expired_or_cancelled_message_gives_its_unit_back,
    a_permit_that_comes_with_a_message_is_granted_and_spent_in_one_go,
    a_permit_that_comes_with_a_message_is_its_own_while_it_is_parked,
    a_permit_that_comes_with_a_message_stays_its_own_between_two_attempts,
    a_permit_that_came_with_a_message_that_ends_at_once_serves_one_that_waits,
    a_message_with_its_own_permit_uses_no_other,
    a_code_that_was_used_before_sends_nothing,
    a_unit_that_is_given_back_sets_a_waiting_message_going,
];

fn scheduled(world: &World, seconds: u64) -> NewMessage {
    NewMessage { send_at: after(seconds), reserve_now: true, ..world.message(&user(1), START) }
}

async fn a_reserved_permit_is_kept_for_its_message(world: World) {
    world.subscribe(&user(1), 1).await;
    let kept = world.begin(scheduled(&world, 60)).await;
    assert_eq!(kept.state, S::Scheduled);
    let totals = world.totals(&user(1), START).await;
    assert_eq!((totals.available, totals.reserved), (0, 1));
    assert_eq!(world.begin(world.message(&user(1), after(1))).await.state, S::Failed);
    let claimed = world.claim(&user(1), after(60)).await.claimed.remove(0);
    assert_eq!(claimed.id, kept.id);
    assert!(claimed.permit.as_ref().unwrap().held);
    // WeChat is busy: the message goes back and keeps its unit.
    let wake = world.answered(&claimed, -1, after(61)).await.wake_at.unwrap();
    assert_eq!(world.totals(&user(1), after(61)).await.reserved, 1);
    let claimed = world.claim(&user(1), wake).await.claimed.remove(0);
    world.answered(&claimed, 0, wake).await;
    assert_eq!(world.totals(&user(1), wake).await.spent, 1);
}

async fn reserving_without_a_permit_fails_at_once_if_one_is_required(world: World) {
    let failed = world.begin(scheduled(&world, 60)).await;
    assert_eq!(failed.state, S::Failed);
    assert_eq!(world.detail(failed.id).await.message.reason, Some(ReasonCode::NoPermit));
    let patient = NewMessage { policy: PermitPolicy::Wait, ..scheduled(&world, 60) };
    assert_eq!(world.begin(patient).await.state, S::Scheduled);
}

async fn only_a_permit_that_lasts_until_then_is_reserved(world: World) {
    world.grant(world.form(&user(1), "old", START), START).await;
    let message =
        NewMessage { send_at: after(EIGHT_DAYS), reserve_now: true, ..world.legacy(&user(1), START) };
    assert_eq!(world.begin(message.clone()).await.state, S::Failed, "the form would be void by then");
    let long = NewPermit { expires_at: Some(after(EIGHT_DAYS + 1)), ..world.form(&user(1), "long", START) };
    world.grant(long, START).await;
    let id = world.ids.message(message.id.lane().unwrap(), START);
    assert_eq!(world.begin(NewMessage { id, ..message }).await.state, S::Scheduled);
}

async fn the_unit_of_a_message_in_flight_cannot_be_reserved(world: World) {
    world.subscribe(&user(1), 1).await;
    let claimed = world.send(world.message(&user(1), START)).await;
    assert_eq!(world.begin(scheduled(&world, 60)).await.state, S::Failed);
    world.answered(&claimed, 0, after(1)).await;
    assert_eq!(world.totals(&user(1), after(1)).await.spent, 1);
}

async fn an_expired_or_cancelled_message_gives_its_unit_back(world: World) {
    world.subscribe(&user(1), 2).await;
    let expires = NewMessage { deadline: Some(after(30)), ..scheduled(&world, 60) };
    world.begin(expires).await;
    let cancelled = world.begin(scheduled(&world, 60)).await;
    assert_eq!(world.totals(&user(1), START).await.reserved, 2);
    assert_eq!(world.claim(&user(1), after(30)).await.ended[0].state, S::Expired);
    assert_eq!(world.store.cancel(cancelled.id, after(31)).await.unwrap(), Cancelled::Done);
    assert_eq!(world.totals(&user(1), after(31)).await.available, 2);
}

async fn a_permit_that_comes_with_a_message_is_granted_and_spent_in_one_go(world: World) {
    let own_permit = Some(world.form(&user(1), "own", START));
    let claimed = world.send(NewMessage { own_permit, ..world.legacy(&user(1), START) }).await;
    assert_eq!(claimed.permit.as_ref().unwrap().code.as_deref(), Some("own"));
    assert!(!claimed.permit.as_ref().unwrap().held);
    world.answered(&claimed, 0, after(1)).await;
    let totals = world.totals(&user(1), after(1)).await;
    assert_eq!((totals.granted, totals.spent), (1, 1));
}

async fn a_permit_that_comes_with_a_message_is_its_own_while_it_is_parked(world: World) {
    world.grant(world.form(&user(1), "first", START), START).await;
    let first = world.send(world.legacy(&user(1), START)).await;
    let hungry = NewMessage { policy: PermitPolicy::Wait, ..world.legacy(&user(1), START) };
    let hungry = world.begin(hungry).await;
    let own_permit = Some(world.form(&user(1), "own", START));
    let owner = world.begin(NewMessage { own_permit, ..world.legacy(&user(1), START) }).await;
    assert_eq!(owner.state, S::Ready);
    let settled = world.answered(&first, 0, after(1)).await;
    assert_eq!(world.state(hungry.id).await, S::Waiting, "the form does not serve it");
    let claimed = settled.next.unwrap();
    assert_eq!(claimed.id, owner.id);
    assert_eq!(claimed.permit.unwrap().code.as_deref(), Some("own"));
}

async fn a_permit_that_comes_with_a_message_stays_its_own_between_two_attempts(world: World) {
    let own_permit = Some(world.form(&user(1), "own", START));
    let claimed = world.send(NewMessage { own_permit, ..world.legacy(&user(1), START) }).await;
    let wake = world.answered(&claimed, -1, after(2)).await.wake_at.unwrap();
    let totals = world.totals(&user(1), after(2)).await;
    assert_eq!((totals.available, totals.reserved), (0, 1));
    let again = world.claim(&user(1), wake).await.claimed.remove(0);
    assert_eq!(again.permit.as_ref().unwrap().code.as_deref(), Some("own"));
}

async fn a_message_with_its_own_permit_uses_no_other(world: World) {
    world.grant(world.form(&user(1), "ledger", START), START).await;
    let own_permit = Some(world.form(&user(1), "own", after(1)));
    let claimed = world.send(NewMessage { own_permit, ..world.legacy(&user(1), after(1)) }).await;
    assert_eq!(claimed.permit.as_ref().unwrap().code.as_deref(), Some("own"));
    let settled = world.answered(&claimed, 41028, after(2)).await;
    assert_eq!((settled.state, settled.reason), (Some(S::Failed), Some(ReasonCode::NoPermit)));
    assert_eq!(world.totals(&user(1), after(2)).await.available, 1);
}

async fn a_code_that_was_used_before_sends_nothing(world: World) {
    let own = || NewMessage {
        own_permit: Some(world.form(&user(1), "own", START)),
        ..world.legacy(&user(1), START)
    };
    let first = world.send(own()).await;
    let second = world.begin(own()).await;
    assert_eq!(second.state, S::Failed, "its unit is in flight");
    world.answered(&first, 0, after(1)).await;
    let patient = NewMessage { policy: PermitPolicy::Wait, ..own() };
    assert_eq!(world.begin(patient).await.state, S::Failed, "nothing can bring the code back");
    let totals = world.totals(&user(1), after(1)).await;
    assert_eq!((totals.granted, totals.spent), (1, 1));
}

async fn a_unit_that_is_given_back_sets_a_waiting_message_going(world: World) {
    world.subscribe(&user(1), 1).await;
    let keeper = world.begin(scheduled(&world, 60)).await;
    let waiting = NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(1), START) };
    let waiting = world.begin(waiting).await;
    assert_eq!(waiting.state, S::Waiting);
    world.store.cancel(keeper.id, after(1)).await.unwrap();
    assert_eq!(world.claim(&user(1), after(1)).await.claimed[0].id, waiting.id);
}

async fn a_permit_that_came_with_a_message_that_ends_at_once_serves_one_that_waits(world: World) {
    let wait = NewMessage { policy: PermitPolicy::Wait, ..world.legacy(&user(1), START) };
    let waiting = world.begin(wait).await;
    assert_eq!(waiting.state, S::Waiting);
    // The form expires before its message is to go out, or the message is too late. In both cases no message uses the form.
    let own = |code| Some(world.form(&user(1), code, after(1)));
    let in_eight_days = after(8 * 24 * 3_600);
    let message = world.legacy(&user(1), after(1));
    let begun = world.begin(NewMessage { own_permit: own("a"), send_at: in_eight_days, ..message }).await;
    assert_eq!(begun.state, S::Failed);
    let claimed = world.claim(&user(1), after(2)).await.claimed;
    assert_eq!(claimed.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [waiting.id]);
    world.answered(&claimed[0], 0, after(3)).await;
    let wait = NewMessage { policy: PermitPolicy::Wait, ..world.legacy(&user(1), after(4)) };
    let waiting = world.begin(wait).await;
    let late =
        NewMessage { own_permit: own("b"), deadline: Some(after(5)), ..world.legacy(&user(1), after(5)) };
    assert_eq!(world.begin(late).await.state, S::Expired);
    assert_eq!(world.claim(&user(1), after(6)).await.claimed[0].id, waiting.id);
}
