//! Permits: granting, waking, counting.

use hongyan_ledger::permit::FORM_LIFETIME;
use hongyan_ledger::{MessageState as S, PermitKind, PermitPolicy, WaitingOrder};

use super::check::checks;
use super::world::{START, World, after, appid, template, user};
use crate::types::{AppChange, AppChanged, NewMessage, NewPermit, Reach, TemplateRecord};

checks![
    the_same_code_twice_is_one_permit,
    a_code_is_one_permit_whatever_it_is_called,
    the_same_code_of_two_users_is_two_permits,
    units_of_a_subscription_add_up_and_open_again_after_a_refusal,
    a_grant_wakes_as_many_waiting_messages_as_it_has_units_oldest_first,
    the_app_says_which_waiting_message_a_grant_serves_first,
    a_grant_wakes_nobody_whom_it_does_not_serve,
    what_is_left_of_a_form_after_seven_days_is_expired,
    an_unlimited_permit_serves_until_it_is_refused,
    grants_are_all_stored_or_none,
    reach_counts_users_and_units_that_can_be_used_now,
];

async fn the_same_code_twice_is_one_permit(world: World) {
    let first = world.grant(world.form(&user(1), "code", START), START).await;
    let second = world.grant(world.form(&user(1), "code", after(5)), after(5)).await;
    assert!(!first.duplicate && second.duplicate);
    assert_eq!((first.id, first.expires_at), (second.id, second.expires_at));
    assert_eq!(world.totals(&user(1), after(5)).await.granted, 1);
    let both = vec![world.form(&user(1), "new", START), world.form(&user(1), "new", START)];
    let granted = world.store.grant(both, START).await.unwrap();
    assert_eq!((granted[0].duplicate, granted[1].duplicate), (false, true));
}

async fn a_code_is_one_permit_whatever_it_is_called(world: World) {
    world.grant(world.form(&user(1), "code", START), START).await;
    let payment = NewPermit { kind: PermitKind::Payment, ..world.form(&user(1), "code", START) };
    assert!(world.grant(payment, START).await.duplicate);
    let bound = NewPermit { template: Some(template("legacy")), ..world.form(&user(1), "code", START) };
    assert!(world.grant(bound, START).await.duplicate);
}

async fn the_same_code_of_two_users_is_two_permits(world: World) {
    let first = world.grant(world.form(&user(1), "code", START), START).await;
    let second = world.grant(world.form(&user(2), "code", START), START).await;
    assert!(!second.duplicate);
    assert_ne!(first.id, second.id);
}

async fn units_of_a_subscription_add_up_and_open_again_after_a_refusal(world: World) {
    let first = world.subscribe(&user(1), 1).await;
    let second = world.subscribe(&user(1), 2).await;
    assert_eq!((first.id, second.duplicate), (second.id, false));
    assert_eq!(world.totals(&user(1), START).await.available, 3);
    let claimed = world.send(world.message(&user(1), START)).await;
    world.answered(&claimed, 43101, after(1)).await;
    assert_eq!(world.totals(&user(1), after(1)).await.revoked, 3);
    world.subscribe(&user(1), 1).await;
    let totals = world.totals(&user(1), after(2)).await;
    assert_eq!((totals.granted, totals.available), (4, 1));
    world.send(world.message(&user(1), after(2))).await;
}

async fn a_grant_wakes_as_many_waiting_messages_as_it_has_units_oldest_first(world: World) {
    let mut waiting = Vec::new();
    for second in 0..3 {
        let message = NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(1), after(second)) };
        waiting.push(world.begin(message).await.id);
    }
    let granted = world.grant(world.subscription(&user(1), 2), after(9)).await;
    assert_eq!(granted.woken, 2);
    assert_eq!(world.state(waiting[2]).await, S::Waiting);
    let first = world.claim(&user(1), after(9)).await.claimed.remove(0);
    assert_eq!(first.id, waiting[0]);
    let second = world.answered(&first, 0, after(10)).await.next.unwrap();
    assert_eq!(second.id, waiting[1]);
    assert!(world.answered(&second, 0, after(11)).await.next.is_none());
    assert_eq!(world.grant(world.subscription(&user(1), 1), after(12)).await.woken, 1);
    assert_eq!(world.claim(&user(1), after(12)).await.claimed[0].id, waiting[2]);
}

async fn the_app_says_which_waiting_message_a_grant_serves_first(world: World) {
    let order = |order| AppChange { waiting_order: Some(order), ..AppChange::default() };
    let changed = world.store.change_app(appid(), 0, order(WaitingOrder::NewestFirst), after(0)).await;
    assert_eq!(changed.unwrap(), AppChanged::Done(1));
    let mut waiting = Vec::new();
    for seconds in [0, 1, 2, 3] {
        let message = NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(1), after(seconds)) };
        waiting.push(world.begin(message).await.id);
    }
    assert_eq!(world.subscribe(&user(1), 2).await.woken, 2);
    // The messages that are served go out by `send_at`.
    let first = world.claim(&user(1), after(10)).await.claimed.remove(0);
    assert_eq!(first.id, waiting[2]);
    let second = world.answered(&first, 0, after(11)).await.next.unwrap();
    assert_eq!(second.id, waiting[3]);
    world.answered(&second, 0, after(12)).await;
    assert_eq!((world.state(waiting[0]).await, world.state(waiting[1]).await), (S::Waiting, S::Waiting));
    // The new order counts from the change on.
    let changed = world.store.change_app(appid(), 1, order(WaitingOrder::OldestFirst), after(12)).await;
    assert_eq!(changed.unwrap(), AppChanged::Done(2));
    world.subscribe(&user(1), 1).await;
    assert_eq!(world.claim(&user(1), after(13)).await.claimed[0].id, waiting[0]);
}

async fn a_grant_wakes_nobody_whom_it_does_not_serve(world: World) {
    let policy = PermitPolicy::Wait;
    let other = NewMessage { policy, template: template("other"), ..world.message(&user(1), START) };
    let late = NewMessage { policy, deadline: Some(after(5)), ..world.message(&user(1), START) };
    let (other, late) = (world.begin(other).await, world.begin(late).await);
    assert_eq!(world.grant(world.form(&user(1), "form", START), START).await.woken, 0);
    assert_eq!(world.grant(world.subscription(&user(1), 1), after(5)).await.woken, 0);
    assert_eq!(world.state(other.id).await, S::Waiting);
    assert_eq!(world.claim(&user(1), after(5)).await.ended[0].id, late.id);
}

async fn what_is_left_of_a_form_after_seven_days_is_expired(world: World) {
    world.grant(world.form(&user(1), "form", START), START).await;
    let end = START.plus(FORM_LIFETIME);
    let totals = world.totals(&user(1), end).await;
    assert_eq!((totals.granted, totals.available, totals.expired), (1, 0, 1));
    assert_eq!(world.begin(world.legacy(&user(1), end)).await.state, S::Failed);
}

async fn an_unlimited_permit_serves_until_it_is_refused(world: World) {
    let long_term = || NewPermit { kind: PermitKind::SubscribeLongTerm, ..world.subscription(&user(1), 1) };
    let first = world.grant(long_term(), START).await;
    let second = world.grant(long_term(), START).await;
    assert_eq!((first.id, second.duplicate), (second.id, false));
    for second in 0..3 {
        let claimed = world.send(world.message(&user(1), after(second))).await;
        let totals = world.totals(&user(1), after(second)).await;
        assert_eq!(totals.reserved, 1);
        world.answered(&claimed, 0, after(second)).await;
    }
    let claimed = world.send(world.message(&user(1), after(9))).await;
    world.answered(&claimed, 43101, after(9)).await;
    assert_eq!(world.begin(world.message(&user(1), after(10))).await.state, S::Failed);
    assert_eq!(world.totals(&user(1), after(10)).await.spent, 3);
    world.grant(long_term(), after(11)).await;
    world.send(world.message(&user(1), after(11))).await;
}

async fn grants_are_all_stored_or_none(world: World) {
    let good = world.form(&user(1), "good", START);
    let same_id = NewPermit { code: Some("bad".into()), ..good.clone() };
    assert!(world.store.grant(vec![good, same_id], START).await.is_err());
    assert_eq!(world.totals(&user(1), START).await.granted, 0);
}

async fn reach_counts_users_and_units_that_can_be_used_now(world: World) {
    let record = |id: &str, channel| TemplateRecord {
        appid: appid(),
        template_id: template(id),
        channel,
        long_term: false,
        title: id.into(),
        content: String::new(),
        example: String::new(),
        enums: std::collections::BTreeMap::new(),
    };
    let templates = vec![
        record("sub", hongyan_ledger::Channel::Subscribe),
        record("legacy", hongyan_ledger::Channel::Legacy),
    ];
    world.store.put_templates(appid(), templates, START).await.unwrap();
    world.subscribe(&user(1), 2).await;
    world.subscribe(&user(2), 1).await;
    world.grant(world.form(&user(1), "a", START), START).await;
    world.grant(world.form(&user(3), "b", START), START).await;
    let long_term = NewPermit { kind: PermitKind::SubscribeLongTerm, ..world.subscription(&user(4), 1) };
    world.grant(long_term, START).await;
    let reach = |template, kind, now| world.store.reach(appid(), template, kind, now);
    let is = |users, units, unlimited| Reach { users, units, unlimited };
    assert_eq!(reach(None, None, START).await.unwrap(), is(4, 5, 1));
    assert_eq!(reach(Some(template("sub")), None, START).await.unwrap(), is(3, 3, 1));
    assert_eq!(reach(Some(template("legacy")), None, START).await.unwrap(), is(2, 2, 0));
    assert_eq!(reach(None, Some(PermitKind::Form), START).await.unwrap(), is(2, 2, 0));
    let week = START.plus(FORM_LIFETIME);
    assert_eq!(reach(None, None, week).await.unwrap(), is(3, 3, 1));
}
