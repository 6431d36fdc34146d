//! What WeChat's answers do.

use hongyan_ledger::settle::Outcome;
use hongyan_ledger::{Channel, MessageState as S, OnUnknown, PermitPolicy, ReasonCode};

use super::check::checks;
use super::world::{START, World, after, user};
use crate::types::{NewMessage, ResolveOrder, Settlement};
use hongyan_ledger::resolve::{Then, Verdict, Witness};

checks![
    an_outcome_that_is_stored_late_lets_go_on_who_came_meanwhile,
    success_spends_one_unit_and_a_second_settlement_nothing,
    a_message_whose_pause_has_ended_before_its_outcome_is_stored_does_not_sleep,
    a_pause_that_has_ended_before_its_outcome_is_stored_holds_nobody_back,
    a_refused_message_fails_and_its_unit_is_free,
    a_second_form_id_is_used_when_the_first_is_dead,
    when_the_last_permit_is_dead_the_message_fails_or_waits,
    a_dead_permit_of_a_message_that_was_tried_without_one_ends_it,
    a_lost_answer_holds_the_unit_and_the_message_is_unknown,
    a_form_whose_answer_was_lost_is_repeated_with_the_same_code,
    a_repeat_that_wechat_calls_used_was_the_first_arriving,
    a_message_in_doubt_ends_as_unknown_when_its_deadline_passes,
    without_room_the_users_next_message_gets_a_timer,
    an_unknown_message_lets_the_next_one_go,
    an_app_that_must_rest_keeps_the_users_next_message_back,
    a_message_that_misses_its_permit_makes_way_in_the_same_commit,
    several_outcomes_are_answered_in_order,
];

async fn success_spends_one_unit_and_a_second_settlement_nothing(world: World) {
    world.subscribe(&user(1), 2).await;
    let claimed = world.send(world.message(&user(1), START)).await;
    assert_eq!(world.answered(&claimed, 0, after(1)).await.state, Some(S::Sent));
    assert_eq!(world.answered(&claimed, 43101, after(2)).await.state, None);
    let totals = world.totals(&user(1), after(2)).await;
    assert_eq!((totals.granted, totals.available, totals.spent), (2, 1, 1));
    let detail = world.detail(claimed.id).await;
    assert_eq!(detail.message.state, S::Sent);
    assert_eq!(detail.attempts.len(), 1);
    assert_eq!(detail.attempts[0].ended_at, Some(after(1)));
    assert_eq!(detail.attempts[0].permit, Some(claimed.permit.unwrap().id));
}

async fn a_refused_message_fails_and_its_unit_is_free(world: World) {
    world.subscribe(&user(1), 1).await;
    let claimed = world.send(world.message(&user(1), START)).await;
    let settled = world.answered(&claimed, 47003, after(1)).await;
    assert_eq!((settled.state, settled.reason), (Some(S::Failed), Some(ReasonCode::WechatRefused)));
    assert_eq!(world.totals(&user(1), after(1)).await.available, 1);
    let view = world.detail(claimed.id).await.message;
    assert_eq!(view.last_outcome.unwrap().errcode().unwrap().0, 47003);
}

async fn a_second_form_id_is_used_when_the_first_is_dead(world: World) {
    world.grant(world.form(&user(1), "first", START), START).await;
    world.grant(world.form(&user(1), "second", after(1)), after(1)).await;
    let claimed = world.send(world.legacy(&user(1), after(1))).await;
    assert_eq!(
        claimed.permit.as_ref().unwrap().code.as_deref(),
        Some("first"),
        "the form that expires first is used"
    );
    let settled = world.answered(&claimed, 41028, after(2)).await;
    assert_eq!(settled.state, Some(S::Sending), "the same commit claims it with the next one");
    let again = settled.next.unwrap();
    assert_eq!((again.id, again.attempt), (claimed.id, 2));
    assert_eq!(again.permit.as_ref().unwrap().code.as_deref(), Some("second"));
    world.answered(&again, 0, after(3)).await;
    let totals = world.totals(&user(1), after(3)).await;
    assert_eq!((totals.spent, totals.revoked, totals.available), (1, 1, 0));
    let attempts = world.detail(claimed.id).await.attempts;
    assert_eq!(attempts.len(), 2);
    assert_ne!(attempts[0].permit, attempts[1].permit);
    assert_eq!(attempts[0].outcome.as_ref().unwrap().errcode().unwrap().0, 41028);
}

async fn when_the_last_permit_is_dead_the_message_fails_or_waits(world: World) {
    for (n, policy, state) in [(1, PermitPolicy::Require, S::Failed), (2, PermitPolicy::Wait, S::Waiting)] {
        world.subscribe(&user(n), 3).await;
        let claimed = world.send(NewMessage { policy, ..world.message(&user(n), START) }).await;
        let settled = world.answered(&claimed, 43101, after(1)).await;
        assert_eq!((settled.state, settled.reason), (Some(state), Some(ReasonCode::NoPermit)));
        assert!(settled.next.is_none());
        assert_eq!(world.totals(&user(n), after(1)).await.revoked, 3, "all that was left is void");
    }
    assert_eq!(world.subscribe(&user(2), 1).await.woken, 1, "a new grant wakes the waiting message");
}

async fn a_dead_permit_of_a_message_that_was_tried_without_one_ends_it(world: World) {
    let tried = NewMessage { policy: PermitPolicy::Try, ..world.message(&user(1), START) };
    let claimed = world.send(tried).await;
    let settled = world.answered(&claimed, 43101, after(1)).await;
    assert_eq!((settled.state, settled.reason), (Some(S::Failed), Some(ReasonCode::NoPermit)));
}

async fn a_lost_answer_holds_the_unit_and_the_message_is_unknown(world: World) {
    world.subscribe(&user(1), 1).await;
    let claimed = world.send(world.message(&user(1), START)).await;
    let settled = world.settle(World::silence(&claimed, after(1))).await;
    assert_eq!((settled.state, settled.reason), (Some(S::Unknown), Some(ReasonCode::NoAnswer)));
    let totals = world.totals(&user(1), after(1)).await;
    assert_eq!((totals.available, totals.reserved), (0, 1));
    let next = world.begin(world.message(&user(1), after(2))).await;
    assert_eq!(next.state, S::Failed, "the unit may be spent, so no other message gets it");
}

async fn a_form_whose_answer_was_lost_is_repeated_with_the_same_code(world: World) {
    world.grant(world.form(&user(1), "first", START), START).await;
    world.grant(world.form(&user(1), "second", START), START).await;
    let claimed = world.send(world.legacy(&user(1), START)).await;
    let code = claimed.permit.as_ref().unwrap().code.clone();
    let settled = world.settle(World::silence(&claimed, after(1))).await;
    assert_eq!(settled.state, Some(S::Ready));
    assert!(settled.next.is_none());
    let again = world.claim(&user(1), settled.wake_at.unwrap()).await.claimed.remove(0);
    assert!(again.maybe_delivered);
    let permit = again.permit.as_ref().unwrap();
    assert!(permit.held);
    assert_eq!(permit.code, code);
}

async fn a_repeat_that_wechat_calls_used_was_the_first_arriving(world: World) {
    world.grant(world.form(&user(1), "form", START), START).await;
    let claimed = world.send(world.legacy(&user(1), START)).await;
    let wake = world.settle(World::silence(&claimed, after(1))).await.wake_at.unwrap();
    let again = world.claim(&user(1), wake).await.claimed.remove(0);
    assert_eq!(world.answered(&again, 41029, wake).await.state, Some(S::Sent));
    let totals = world.totals(&user(1), wake).await;
    assert_eq!((totals.spent, totals.reserved, totals.available), (1, 0, 0));
}

async fn a_message_in_doubt_ends_as_unknown_when_its_deadline_passes(world: World) {
    world.grant(world.form(&user(1), "form", START), START).await;
    let message = NewMessage { deadline: Some(after(10)), ..world.legacy(&user(1), START) };
    let claimed = world.send(message).await;
    world.settle(World::silence(&claimed, after(1))).await;
    let batch = world.claim(&user(1), after(10)).await;
    assert_eq!((batch.ended[0].id, batch.ended[0].state), (claimed.id, S::Unknown));
    assert_eq!(world.totals(&user(1), after(10)).await.reserved, 1, "its unit stays kept");
}

async fn without_room_the_users_next_message_gets_a_timer(world: World) {
    world.subscribe(&user(1), 2).await;
    let claimed = world.send(world.message(&user(1), START)).await;
    let next = world.begin(world.message(&user(1), START)).await;
    let end = World::answer(&claimed, 0, after(1));
    let settled = world.settle(Settlement { room: false, ..end }).await;
    assert!(settled.next.is_none());
    assert_eq!(settled.wake_at, Some(after(1)));
    assert_eq!(world.claim(&user(1), after(1)).await.claimed[0].id, next.id);
}

async fn an_unknown_message_lets_the_next_one_go(world: World) {
    world.subscribe(&user(1), 2).await;
    let claimed = world.send(world.message(&user(1), START)).await;
    let next = world.begin(world.message(&user(1), START)).await;
    let settled = world.settle(World::silence(&claimed, after(1))).await;
    assert_eq!(settled.next.unwrap().id, next.id);
}

async fn an_app_that_must_rest_keeps_the_users_next_message_back(world: World) {
    world.subscribe(&user(1), 2).await;
    let claimed = world.send(world.message(&user(1), START)).await;
    world.begin(world.message(&user(1), START)).await;
    let settled = world.answered(&claimed, 40125, after(1)).await;
    assert_eq!((settled.state, settled.reason), (Some(S::Ready), Some(ReasonCode::AppPaused)));
    assert!(settled.next.is_none(), "neither this message nor the message behind it");
    super::keeping::pause(&world, None).await;
    assert!(world.claim(&user(1), after(1000)).await.claimed.is_empty());
    world.store.resume(super::world::appid(), after(1001)).await.unwrap();
    let claimed_again = world.claim(&user(1), after(1001)).await.claimed;
    assert_eq!(claimed_again.len(), 1);
    assert_eq!(claimed_again[0].id, claimed.id, "in order");
}

async fn a_message_that_misses_its_permit_makes_way_in_the_same_commit(world: World) {
    world.grant(world.form(&user(1), "form", START), START).await;
    let claimed = world.send(world.legacy(&user(1), START)).await;
    let starving = world.begin(world.legacy(&user(1), START)).await;
    world.subscribe(&user(1), 1).await;
    let last = world.begin(world.message(&user(1), START)).await;
    let settled = world.answered(&claimed, 0, after(1)).await;
    assert_eq!(settled.ended.len(), 1);
    assert_eq!((settled.ended[0].id, settled.ended[0].state), (starving.id, S::Failed));
    assert_eq!(settled.next.unwrap().id, last.id);
}

async fn several_outcomes_are_answered_in_order(world: World) {
    let mut settlements = Vec::new();
    for (n, errcode) in [(1, 0), (2, 47003), (3, -1)] {
        let message = NewMessage {
            policy: PermitPolicy::Try,
            on_unknown: OnUnknown::Resend,
            channel: Channel::Subscribe,
            ..world.message(&user(n), START)
        };
        settlements.push(World::answer(&world.send(message).await, errcode, after(1)));
    }
    let lost = world.send(NewMessage {
        policy: PermitPolicy::Try,
        on_unknown: OnUnknown::Resend,
        ..world.message(&user(4), START)
    });
    let lost = lost.await;
    let why = Outcome::Unanswered { why: "reset".into() };
    settlements.push(World::outcome(&lost, why, after(1)));
    let settled = world.store.settle(settlements).await.unwrap();
    let states: Vec<_> = settled.iter().map(|s| s.state.unwrap()).collect();
    assert_eq!(states, [S::Sent, S::Failed, S::Ready, S::Ready]);
    let wake = settled[3].wake_at.unwrap();
    let again = world.claim(&user(4), wake).await.claimed.remove(0);
    assert!(again.maybe_delivered && again.permit.is_none() && again.attempt == 2);
}

async fn an_outcome_that_is_stored_late_lets_go_on_who_came_meanwhile(world: World) {
    world.subscribe(&user(1), 2).await;
    let first = world.send(world.message(&user(1), START)).await;
    let second = world.begin(world.message(&user(1), after(10))).await;
    assert_eq!(second.state, S::Ready, "behind the first");
    // The first message was answered before the second came, but the database could not store the answer until now.
    let settled = world.answered(&first, 0, after(5)).await;
    assert_eq!(settled.next.map(|next| next.id), Some(second.id));
    assert_eq!(world.state(second.id).await, S::Sending);
}

async fn a_message_whose_pause_has_ended_before_its_outcome_is_stored_does_not_sleep(world: World) {
    world.subscribe(&user(1), 1).await;
    for errcode in [40125, 45009] {
        let claimed = match world.claim(&user(1), after(1)).await.claimed.pop() {
            Some(claimed) => claimed,
            None => world.send(world.message(&user(1), START)).await,
        };
        // The pause was stored, and an operator ended it before the outcome was stored.
        let settled = world.answered(&claimed, errcode, START).await;
        assert_eq!(settled.state, Some(S::Ready));
        assert_eq!(settled.wake_at, Some(after(1)), "{errcode}: nothing else would wake the message");
    }
}

async fn a_pause_that_has_ended_before_its_outcome_is_stored_holds_nobody_back(world: World) {
    world.subscribe(&user(1), 2).await;
    let older = world.send(world.message(&user(1), START)).await;
    world.settle(World::silence(&older, after(1))).await;
    let newer = world.send(world.message(&user(1), after(2))).await;
    // The older message was not sent, and is ready again while the newer one is in flight.
    let order = ResolveOrder {
        id: older.id,
        verdict: Verdict::NotSent { then: Then::Send },
        attempt: None,
        witness: Witness::Operator,
        listened: None,
        now: after(3),
    };
    world.store.resolve(order).await.unwrap();
    // The pause was stored, and an operator ended it before the outcome was stored. Nothing else would wake messages that
    // were parked meanwhile.
    let settled = world.answered(&newer, 40125, after(4)).await;
    assert_eq!(settled.next.map(|next| next.id), Some(older.id));
}
