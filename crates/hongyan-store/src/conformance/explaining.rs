//! Why a message found no permit.

use hongyan_ledger::explain::{Because, BecauseCode as B};
use hongyan_ledger::{MessageId, MessageState as S, PermitPolicy};

use super::check::checks;
use super::world::{START, World, after, template, user};
use crate::types::{NewMessage, NewPermit};

checks![
    a_user_without_permits_was_never_granted_one,
    a_spent_permit_names_the_message_that_spent_it,
    an_expired_permit_says_since_when,
    a_withdrawn_permit_names_the_message_that_found_out,
    a_kept_unit_names_its_keeper_while_it_is_kept_and_afterwards,
    a_permit_for_another_template_is_named,
    a_waiting_message_is_explained_by_what_is_true_now,
    a_message_that_expired_for_want_of_a_permit_is_explained_too,
    a_code_that_was_used_before_explains_a_message_that_came_with_it,
    what_was_sent_needs_no_explanation,
];

async fn explain(world: &World, id: MessageId, seconds: u64) -> Vec<Because> {
    world.store.explain(id, after(seconds)).await.unwrap()
}

fn codes(because: &[Because]) -> Vec<B> {
    because.iter().map(|because| because.code).collect()
}

/// A message to the first user that fails for want of a permit.
async fn fail(world: &World, message: NewMessage) -> MessageId {
    let failed = world.begin(message).await;
    assert_eq!(failed.state, S::Failed);
    failed.id
}

async fn a_user_without_permits_was_never_granted_one(world: World) {
    world.subscribe(&user(2), 1).await;
    world.grant(world.form(&user(1), "form", START), START).await;
    let failed = fail(&world, world.message(&user(1), START)).await;
    assert_eq!(codes(&explain(&world, failed, 1).await), [B::NeverGranted], "a form does not serve it");
}

async fn a_spent_permit_names_the_message_that_spent_it(world: World) {
    world.subscribe(&user(1), 2).await;
    for seconds in [1, 2] {
        let claimed = world.send(world.message(&user(1), after(seconds))).await;
        world.answered(&claimed, 0, after(seconds)).await;
    }
    let last =
        world.send(NewMessage { policy: PermitPolicy::Try, ..world.message(&user(1), after(3)) }).await;
    world.answered(&last, 0, after(3)).await;
    let failed = fail(&world, world.message(&user(1), after(4))).await;
    let because = explain(&world, failed, 5).await;
    assert_eq!(codes(&because), [B::Spent]);
    assert_eq!(because[0].at, Some(after(2)), "the message at second 3 used no permit");
    // A later grant does not change what was true at the time.
    world.grant(world.subscription(&user(1), 1), after(10)).await;
    let later = explain(&world, failed, 20).await;
    assert_eq!((codes(&later), later[0].at), (vec![B::Spent], Some(after(2))));
}

async fn an_expired_permit_says_since_when(world: World) {
    let eight_days = 8 * 24 * 3600;
    let form = world.form(&user(1), "form", START);
    let expires_at = form.expires_at;
    let granted = world.grant(form, START).await;
    let failed = fail(&world, world.legacy(&user(1), after(eight_days))).await;
    let because = explain(&world, failed, eight_days).await;
    assert_eq!((codes(&because), because[0].at), (vec![B::Expired], expires_at));
    assert_eq!(because[0].permit, Some(granted.id));
}

async fn a_withdrawn_permit_names_the_message_that_found_out(world: World) {
    // One message finds the permit dead and is tried with another permit. Only an earlier attempt of it shows that.
    world.grant(world.form(&user(1), "dead", START), START).await;
    world.grant(world.form(&user(1), "good", after(1)), after(1)).await;
    let claimed = world.send(world.legacy(&user(1), after(2))).await;
    let again = world.answered(&claimed, 41028, after(3)).await.next.unwrap();
    world.answered(&again, 0, after(4)).await;
    let failed = fail(&world, world.legacy(&user(1), after(5))).await;
    let because = explain(&world, failed, 5).await;
    assert_eq!(codes(&because), [B::Spent, B::Revoked], "what happened last comes first");
    assert_eq!((because[1].at, because[1].message), (Some(after(3)), Some(claimed.id)));
    assert_eq!(because[1].errcode.unwrap().0, 41028);

    // Another message fails because it finds the permit dead.
    world.subscribe(&user(1), 3).await;
    let claimed = world.send(world.message(&user(1), after(6))).await;
    world.answered(&claimed, 43101, after(7)).await;
    let because = explain(&world, claimed.id, 8).await;
    assert_eq!(codes(&because), [B::Revoked]);
    assert_eq!((because[0].at, because[0].message), (Some(after(7)), Some(claimed.id)));
}

async fn a_kept_unit_names_its_keeper_while_it_is_kept_and_afterwards(world: World) {
    world.subscribe(&user(1), 1).await;
    let keeper = world.send(world.message(&user(1), START)).await;
    world.settle(World::silence(&keeper, after(1))).await;
    let failed = fail(&world, world.message(&user(1), after(2))).await;
    let because = explain(&world, failed, 3).await;
    assert_eq!(codes(&because), [B::Reserved]);
    assert_eq!((because[0].message, because[0].message_state), (Some(keeper.id), Some(S::Unknown)));

    world.grant(world.form(&user(2), "form", START), START).await;
    let reserved = NewMessage { reserve_now: true, send_at: after(60), ..world.legacy(&user(2), START) };
    let keeper = world.begin(reserved).await.id;
    let failed = fail(&world, world.legacy(&user(2), after(2))).await;
    let claimed = world.claim(&user(2), after(60)).await.claimed.remove(0);
    world.answered(&claimed, 0, after(61)).await;
    let because = explain(&world, failed, 62).await;
    assert_eq!((codes(&because), because[0].message), (vec![B::Reserved], Some(keeper)), "not spent by then");
}

async fn a_permit_for_another_template_is_named(world: World) {
    let other = NewPermit { template: Some(template("other")), ..world.subscription(&user(1), 1) };
    world.grant(other, START).await;
    let failed = fail(&world, world.message(&user(1), after(1))).await;
    let because = explain(&world, failed, 2).await;
    assert_eq!(codes(&because), [B::NeverGranted, B::OtherTemplate]);
    assert_eq!(because[1].template, Some(template("other")));
}

async fn a_waiting_message_is_explained_by_what_is_true_now(world: World) {
    let wait = NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(1), START) };
    let waiting = world.begin(wait).await.id;
    assert_eq!(codes(&explain(&world, waiting, 1).await), [B::NeverGranted]);
    world.subscribe(&user(1), 1).await;
    let claimed = world.claim(&user(1), after(2)).await.claimed.remove(0);
    assert_eq!(claimed.id, waiting);
    world.answered(&claimed, 43101, after(3)).await;
    assert_eq!(world.state(waiting).await, S::Waiting);
    assert_eq!(codes(&explain(&world, waiting, 4).await), [B::Revoked]);
}

async fn a_message_that_expired_for_want_of_a_permit_is_explained_too(world: World) {
    let wait = || NewMessage {
        policy: PermitPolicy::Wait,
        deadline: Some(after(60)),
        ..world.message(&user(1), START)
    };
    let expired = world.begin(wait()).await.id;
    world.claim(&user(1), after(60)).await;
    assert_eq!(world.state(expired).await, S::Expired);
    assert_eq!(codes(&explain(&world, expired, 61).await), [B::NeverGranted]);
}

async fn a_code_that_was_used_before_explains_a_message_that_came_with_it(world: World) {
    let own = || NewMessage {
        own_permit: Some(world.form(&user(1), "own", START)),
        ..world.legacy(&user(1), START)
    };
    let first = world.send(own()).await;
    world.answered(&first, 0, after(1)).await;
    let second = fail(&world, own()).await;
    assert_eq!(codes(&explain(&world, second, 2).await), [B::OwnPermitUsed]);
}

async fn what_was_sent_needs_no_explanation(world: World) {
    world.subscribe(&user(1), 1).await;
    let claimed = world.send(world.message(&user(1), START)).await;
    assert!(explain(&world, claimed.id, 1).await.is_empty());
    world.answered(&claimed, 0, after(1)).await;
    assert!(explain(&world, claimed.id, 2).await.is_empty());
    assert!(explain(&world, MessageId::from_bytes([0xee; 16]), 2).await.is_empty());
}
