//! Verdicts on unknown outcomes.

use hongyan_ledger::resolve::{Then, Verdict, Witness};
use hongyan_ledger::{MessageId, MessageState as S, PermitPolicy, ReasonCode};

use super::check::checks;
use super::world::{START, World, after, appid, user};
use crate::types::{Claimed, NewMessage, ResolutionView, ResolveOrder, Resolved};

checks![
    a_message_that_was_sent_spends_the_unit_that_it_kept,
    a_message_that_was_not_sent_goes_out_by_the_same_permit,
    a_message_that_was_not_sent_expires_if_its_deadline_has_passed,
    a_message_that_is_given_up_frees_its_unit_for_who_waits,
    a_message_that_was_not_sent_waits_for_its_turn_and_keeps_its_place,
    a_message_whose_permit_was_revoked_in_doubt_looks_for_another,
    after_the_doubt_it_may_be_cancelled_and_expire_again,
    the_same_word_twice_is_one_and_another_is_refused,
    a_word_about_an_earlier_attempt_does_not_touch_a_later_one,
    a_message_of_an_app_that_was_removed_is_not_sent_again,
    only_an_unknown_message_can_be_resolved,
];

const SENT: Verdict = Verdict::Sent;
const SEND: Verdict = Verdict::NotSent { then: Then::Send };
const FAIL: Verdict = Verdict::NotSent { then: Then::Fail };

async fn resolve(world: &World, id: MessageId, verdict: Verdict, seconds: u64) -> Resolved {
    let order = ResolveOrder {
        id,
        verdict,
        attempt: None,
        listened: None,
        now: after(seconds),
        witness: Witness::Operator,
    };
    world.store.resolve(order).await.unwrap()
}

const fn done(state: S, reason: Option<ReasonCode>) -> Resolved {
    Resolved::Done { state, reason }
}

/// A message to the first user whose answer is lost in the first second.
async fn lose(world: &World, message: NewMessage) -> Claimed {
    let claimed = world.send(message).await;
    let settled = world.settle(World::silence(&claimed, after(1))).await;
    assert_eq!(settled.state, Some(S::Unknown));
    claimed
}

async fn a_message_that_was_sent_spends_the_unit_that_it_kept(world: World) {
    world.subscribe(&user(1), 2).await;
    let lost = lose(&world, world.message(&user(1), START)).await;
    assert_eq!(resolve(&world, lost.id, SENT, 60).await, done(S::Sent, None));
    let totals = world.totals(&user(1), after(60)).await;
    assert_eq!((totals.available, totals.reserved, totals.spent), (1, 0, 1));
    let detail = world.detail(lost.id).await;
    assert_eq!((detail.message.state, detail.message.reason), (S::Sent, None));
    assert_eq!(detail.message.permit, Some(lost.permit.unwrap().id), "the permit whose unit it spent");
    assert_eq!(
        detail.resolutions,
        [ResolutionView { attempt: 1, verdict: SENT, at: after(60), witness: Witness::Operator }]
    );
}

async fn a_message_that_was_not_sent_goes_out_by_the_same_permit(world: World) {
    world.subscribe(&user(1), 1).await;
    let lost = lose(&world, world.message(&user(1), START)).await;
    assert_eq!(resolve(&world, lost.id, SEND, 60).await, done(S::Ready, None));
    assert_eq!(world.totals(&user(1), after(60)).await.reserved, 1, "its unit stays kept");
    let again = world.claim(&user(1), after(60)).await.claimed.remove(0);
    assert_eq!((again.id, again.attempt, again.maybe_delivered), (lost.id, 2, false));
    assert_eq!(again.permit.as_ref().unwrap().id, lost.permit.unwrap().id);
    world.answered(&again, 0, after(61)).await;
    assert_eq!(world.totals(&user(1), after(61)).await.spent, 1);
    let attempts = world.detail(lost.id).await.attempts;
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0].permit, attempts[1].permit);
}

async fn a_message_that_was_not_sent_expires_if_its_deadline_has_passed(world: World) {
    world.subscribe(&user(1), 1).await;
    let message = NewMessage { deadline: Some(after(60)), ..world.message(&user(1), START) };
    let lost = lose(&world, message).await;
    let expired = done(S::Expired, Some(ReasonCode::DeadlinePassed));
    assert_eq!(resolve(&world, lost.id, SEND, 60).await, expired);
    assert_eq!(world.totals(&user(1), after(60)).await.available, 1);
}

async fn a_message_that_is_given_up_frees_its_unit_for_who_waits(world: World) {
    world.subscribe(&user(1), 1).await;
    let lost = lose(&world, world.message(&user(1), START)).await;
    let waiting = NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(1), after(2)) };
    let waiting = world.begin(waiting).await;
    assert_eq!(waiting.state, S::Waiting);
    assert_eq!(resolve(&world, lost.id, FAIL, 60).await, done(S::Failed, Some(ReasonCode::GivenUp)));
    assert_eq!(world.claim(&user(1), after(60)).await.claimed[0].id, waiting.id);
    let attempts = world.detail(lost.id).await.attempts;
    assert_eq!(attempts[0].permit, Some(lost.permit.unwrap().id), "history keeps its permit");
}

async fn a_message_that_was_not_sent_waits_for_its_turn_and_keeps_its_place(world: World) {
    world.subscribe(&user(1), 3).await;
    let lost = lose(&world, world.message(&user(1), START)).await;
    let in_flight = world.send(world.message(&user(1), after(2))).await;
    let behind = world.begin(world.message(&user(1), after(3))).await;
    assert_eq!(resolve(&world, lost.id, SEND, 60).await, done(S::Ready, None));
    assert!(world.claim(&user(1), after(60)).await.claimed.is_empty(), "one message of a user at a time");
    let next = world.answered(&in_flight, 0, after(61)).await.next.unwrap();
    assert_eq!(next.id, lost.id, "it is older than the message that waits behind");
    let next = world.answered(&next, 0, after(62)).await.next.unwrap();
    assert_eq!(next.id, behind.id);
}

/// A form message whose answer was lost, and whose form WeChat then did not know.
async fn lose_with_its_permit(world: &World) -> Claimed {
    world.grant(world.form(&user(1), "form", START), START).await;
    let lost = world.send(world.legacy(&user(1), START)).await;
    let wake = world.settle(World::silence(&lost, after(1))).await.wake_at.unwrap();
    let again = world.claim(&user(1), wake).await.claimed.remove(0);
    assert_eq!(world.answered(&again, 41028, wake).await.state, Some(S::Unknown));
    lost
}

async fn a_message_whose_permit_was_revoked_in_doubt_looks_for_another(world: World) {
    let lost = lose_with_its_permit(&world).await;
    assert_eq!(resolve(&world, lost.id, SEND, 60).await, done(S::Ready, None));
    world.grant(world.form(&user(1), "second", after(60)), after(60)).await;
    let again = world.claim(&user(1), after(60)).await.claimed.remove(0);
    assert_eq!(again.permit.as_ref().unwrap().code.as_deref(), Some("second"));
    world.settle(World::silence(&again, after(61))).await;

    // A message that was sent by it spends nothing: its unit is counted as revoked.
    let claimed = world.claim(&user(1), after(700)).await.claimed.remove(0);
    assert_eq!(world.answered(&claimed, 41028, after(701)).await.state, Some(S::Unknown));
    assert_eq!(resolve(&world, lost.id, SENT, 800).await, done(S::Sent, None));
    let totals = world.totals(&user(1), after(800)).await;
    assert_eq!((totals.spent, totals.revoked), (0, 2));
    let detail = world.detail(lost.id).await;
    assert_eq!(detail.message.permit, None);
    assert_eq!(detail.resolutions.iter().map(|said| said.attempt).collect::<Vec<_>>(), [2, 4]);
}

async fn after_the_doubt_it_may_be_cancelled_and_expire_again(world: World) {
    world.subscribe(&user(1), 1).await;
    let message = NewMessage { deadline: Some(after(600)), ..world.message(&user(1), START) };
    let lost = lose(&world, message.clone()).await;
    resolve(&world, lost.id, SEND, 60).await;
    let cancelled = world.store.cancel(lost.id, after(60)).await.unwrap();
    assert_eq!(cancelled, crate::types::Cancelled::Done);

    let id = world.ids.message(lost.id.lane().unwrap(), after(61));
    let lost = lose(&world, NewMessage { id, ..message }).await;
    resolve(&world, lost.id, SEND, 62).await;
    let ended = world.claim(&user(1), after(600)).await.ended.remove(0);
    assert_eq!((ended.id, ended.state), (lost.id, S::Expired), "it does not become unknown again");
    assert_eq!(world.totals(&user(1), after(600)).await.available, 1);
}

async fn the_same_word_twice_is_one_and_another_is_refused(world: World) {
    world.subscribe(&user(1), 1).await;
    let lost = lose(&world, world.message(&user(1), START)).await;
    resolve(&world, lost.id, SEND, 60).await;
    let repeated = |state| Resolved::Repeated { state, reason: None };
    assert_eq!(resolve(&world, lost.id, SEND, 61).await, repeated(S::Ready));
    assert_eq!(resolve(&world, lost.id, FAIL, 61).await, Resolved::NotUnknown(S::Ready));
    assert_eq!(resolve(&world, lost.id, SENT, 61).await, Resolved::NotUnknown(S::Ready));
    let again = world.claim(&user(1), after(62)).await.claimed.remove(0);
    world.answered(&again, 0, after(62)).await;
    assert_eq!(
        resolve(&world, lost.id, SEND, 63).await,
        repeated(S::Sent),
        "repeated, with the state that it led to"
    );
    assert_eq!(world.totals(&user(1), after(63)).await.spent, 1);
}

async fn a_word_about_an_earlier_attempt_does_not_touch_a_later_one(world: World) {
    world.subscribe(&user(1), 1).await;
    let lost = lose(&world, world.message(&user(1), START)).await;
    let say = |verdict, attempt| {
        let order = ResolveOrder {
            id: lost.id,
            verdict,
            attempt: Some(attempt),
            listened: None,
            now: after(60),
            witness: Witness::Operator,
        };
        world.store.resolve(order)
    };
    assert_eq!(say(SEND, 2).await.unwrap(), Resolved::AnotherAttempt(1), "there is no second attempt yet");
    assert_eq!(say(SEND, 1).await.unwrap(), done(S::Ready, None));
    let again = world.claim(&user(1), after(60)).await.claimed.remove(0);
    world.settle(World::silence(&again, after(61))).await;
    let unknown = Resolved::Repeated { state: S::Unknown, reason: Some(ReasonCode::NoAnswer) };
    assert_eq!(say(SEND, 1).await.unwrap(), unknown, "a second operator was told of the first attempt");
    assert_eq!(say(SENT, 1).await.unwrap(), Resolved::AnotherAttempt(2));
    assert_eq!(say(SENT, 2).await.unwrap(), done(S::Sent, None));
}

async fn a_message_of_an_app_that_was_removed_is_not_sent_again(world: World) {
    world.subscribe(&user(1), 1).await;
    let lost = lose(&world, world.message(&user(1), START)).await;
    assert!(world.store.remove_app(appid(), after(2)).await.unwrap());
    let cancelled = done(S::Cancelled, Some(ReasonCode::Cancelled));
    assert_eq!(resolve(&world, lost.id, SEND, 60).await, cancelled);
    assert_eq!(world.totals(&user(1), after(60)).await.available, 1);
}

async fn only_an_unknown_message_can_be_resolved(world: World) {
    world.subscribe(&user(1), 1).await;
    let claimed = world.send(world.message(&user(1), START)).await;
    assert_eq!(resolve(&world, claimed.id, SENT, 1).await, Resolved::NotUnknown(S::Sending));
    world.answered(&claimed, 0, after(1)).await;
    assert_eq!(resolve(&world, claimed.id, SENT, 2).await, Resolved::NotUnknown(S::Sent));
    let never_made = MessageId::from_bytes([0xee; 16]);
    assert_eq!(resolve(&world, never_made, SENT, 2).await, Resolved::NotFound);
    // A message with a form repeats itself safely. It is in doubt, but no operator decides about it.
    world.grant(world.form(&user(2), "form", START), START).await;
    let repeating = world.send(world.legacy(&user(2), START)).await;
    world.settle(World::silence(&repeating, after(1))).await;
    assert_eq!(resolve(&world, repeating.id, SEND, 2).await, Resolved::NotUnknown(S::Ready));
}
