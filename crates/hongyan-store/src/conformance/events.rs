//! Events that WeChat pushes: each is stored once, and what it does.

use hongyan_clock::UnixMillis;
use hongyan_ledger::acceptance::{PAIRING_WINDOW, Source};
use hongyan_ledger::explain::BecauseCode;
use hongyan_ledger::resolve::{Then, Verdict, Witness};
use hongyan_ledger::sent_report::{PATIENCE, SentReport};
use hongyan_ledger::settle::Outcome;
use hongyan_ledger::{EventId, Lane, MessageState as S, PermitKind, PermitPolicy, ReasonCode};
use hongyan_wechat::{AppId, Errcode, OpenId};

use super::check::checks;
use super::world::{START, World, after, appid, template, user};
use crate::types::{
    AddressCheck, Applied, ApplyOrder, CallbackAction, Claimed, Effect, EventFilter, EventState, Listened,
    NewEvent, NewMessage, NewPermit, PruneOrder, PruneWalk, Received, ResolveOrder, Resolved, TemplateRecord,
};

checks![
    an_event_is_stored_once_however_often_it_comes,
    a_nonce_that_was_used_for_another_content_is_refused,
    an_event_about_no_user_is_kept_in_the_lane_of_its_app,
    events_of_some_apps_are_listed_together_and_no_others,
    events_of_a_time_are_listed_from_its_beginning_and_without_its_end,
    an_accepted_template_grants_a_unit_once_and_wakes_who_waits,
    an_acceptance_that_both_sides_report_counts_once,
    a_long_term_template_is_granted_without_number,
    a_user_who_wants_no_more_loses_what_is_left,
    a_message_is_found_by_its_number_and_ends,
    a_message_whose_answer_was_lost_ends_by_its_event,
    an_event_that_overtakes_the_answer_is_looked_at_again_but_not_for_ever,
    a_message_that_the_user_did_not_get_keeps_its_unit_spent_and_says_why,
    an_event_of_another_senders_message_changes_nothing,
    silence_is_no_word_while_an_event_is_waiting,
    old_events_are_removed_and_with_them_that_they_came,
    what_was_heard_of_a_callback_is_kept,
];

/// An event about a user with this digest and a fresh nonce.
fn event(world: &World, openid: Option<&OpenId>, digest: u8, now: UnixMillis) -> NewEvent {
    let lane = openid.map_or_else(|| Lane::of_app(&appid()), |openid| Lane::of(&appid(), openid));
    NewEvent {
        id: world.ids.event(lane, now),
        appid: appid(),
        openid: openid.cloned(),
        name: "an_event".into(),
        digest: [digest; 32],
        nonce_hash: [digest; 32],
        nonce_expires_at: after(300),
        create_time: now.as_seconds(),
        received_at: now,
        is_sent_report: false,
        body: r#"{"Event":"an_event"}"#.into(),
    }
}

async fn receive(world: &World, event: NewEvent) -> Received {
    world.store.receive_event(event).await.unwrap()
}

async fn apply(world: &World, id: EventId, actions: Vec<CallbackAction>, now: UnixMillis) -> Option<Applied> {
    world
        .store
        .apply_event(ApplyOrder { id, epoch: world.epoch(id.lane().unwrap()), actions, now })
        .await
        .unwrap()
}

/// Receives an event with a fresh digest, and works on it.
pub(super) async fn happens(
    world: &World,
    openid: &OpenId,
    digest: u8,
    actions: Vec<CallbackAction>,
    now: UnixMillis,
) -> Applied {
    let event = event(world, Some(openid), digest, now);
    let id = event.id;
    assert_eq!(receive(world, event).await, Received::New);
    apply(world, id, actions, now).await.unwrap()
}

fn accept(world: &World, openid: &OpenId) -> CallbackAction {
    CallbackAction::Accept {
        template: template("sub"),
        permit: world.ids.permit(Lane::of(&appid(), openid), START),
    }
}

pub(super) fn report(msgid: Option<i64>, code: i32) -> CallbackAction {
    CallbackAction::Report(SentReport {
        template: template("sub"),
        msgid,
        error_code: Errcode(code),
        error_status: if code == 0 { "success".into() } else { "user refuse".into() },
    })
}

/// WeChat takes the message, with this msgid.
pub(super) async fn taken(world: &World, claimed: &Claimed, msgid: Option<i64>, now: UnixMillis) {
    let outcome = Outcome::Answered { errcode: Errcode::OK, errmsg: "ok".into(), msgid };
    let settled = world.settle(World::outcome(claimed, outcome, now)).await;
    assert_eq!(settled.state, Some(S::Sent));
}

async fn an_event_is_stored_once_however_often_it_comes(world: World) {
    let first = event(&world, Some(&user(1)), 1, START);
    assert_eq!(receive(&world, first.clone()).await, Received::New);
    assert_eq!(
        receive(&world, first.clone()).await,
        Received::Repeated { id: first.id },
        "under the same nonce"
    );
    let repeat = NewEvent { nonce_hash: [9; 32], ..event(&world, Some(&user(1)), 1, after(5)) };
    assert_eq!(receive(&world, repeat).await, Received::Repeated { id: first.id }, "and under another");
    let open = world.store.open_events(Lane::of(&appid(), &user(1)), after(5), 10).await.unwrap();
    assert_eq!(open.due.iter().map(|event| event.id).collect::<Vec<_>>(), [first.id]);
    assert_eq!(apply(&world, first.id, vec![], after(5)).await.unwrap().state, EventState::Done);
    assert_eq!(
        apply(&world, first.id, vec![accept(&world, &user(1))], after(5)).await,
        None,
        "an event is applied once"
    );
    assert_eq!(receive(&world, first.clone()).await, Received::Repeated { id: first.id });
    let open = world.store.open_events(Lane::of(&appid(), &user(1)), after(5), 10).await.unwrap();
    assert!(open.due.is_empty() && open.next_wake.is_none());
}

async fn a_nonce_that_was_used_for_another_content_is_refused(world: World) {
    receive(&world, event(&world, Some(&user(1)), 1, START)).await;
    let forged = NewEvent { nonce_hash: [1; 32], ..event(&world, Some(&user(2)), 2, START) };
    assert_eq!(receive(&world, forged).await, Received::NonceReused);
    let all = world.store.events(EventFilter { limit: 10, ..EventFilter::default() }).await.unwrap().items;
    assert_eq!(all.len(), 1);
}

async fn an_event_about_no_user_is_kept_in_the_lane_of_its_app(world: World) {
    let event = event(&world, None, 1, START);
    receive(&world, event.clone()).await;
    let open = world.store.open_events(Lane::of_app(&appid()), START, 10).await.unwrap();
    assert_eq!((open.due[0].id, &open.due[0].openid), (event.id, &None));
    assert_eq!(apply(&world, event.id, vec![], after(1)).await.unwrap().effects, []);
    let filter = EventFilter {
        apps: Some(vec![appid()]),
        name: Some("an_event".into()),
        limit: 9,
        ..EventFilter::default()
    };
    let listed = world.store.events(filter).await.unwrap().items.remove(0);
    assert_eq!((listed.state, listed.worked_at, listed.body), (EventState::Done, Some(after(1)), event.body));
}

async fn events_of_some_apps_are_listed_together_and_no_others(world: World) {
    let [second, third] =
        ["wx0000000000000008", "wx0000000000000009"].map(|app| app.parse::<AppId>().unwrap());
    let mut ids = Vec::new();
    for (n, app) in (1..).zip([appid(), second.clone(), third, second.clone()]) {
        let id = world.ids.event(Lane::of(&app, &user(1)), after(n));
        let event = NewEvent { id, appid: app, ..event(&world, Some(&user(1)), n as u8, after(n)) };
        receive(&world, event).await;
        ids.push(id);
    }
    let two =
        || EventFilter { apps: Some(vec![appid(), second.clone()]), limit: 9, ..EventFilter::default() };
    for filter in [two(), EventFilter { openid: Some(user(1)), ..two() }] {
        let page = world.store.events(EventFilter { limit: 2, ..filter.clone() }).await.unwrap();
        assert_eq!(page.items.iter().map(|event| event.id).collect::<Vec<_>>(), [ids[3], ids[1]]);
        let rest = world.store.events(EventFilter { before: page.next, ..filter }).await.unwrap();
        assert_eq!(rest.items.iter().map(|event| event.id).collect::<Vec<_>>(), [ids[0]]);
        assert_eq!(rest.next, None);
    }
}

async fn events_of_a_time_are_listed_from_its_beginning_and_without_its_end(world: World) {
    let mut ids = Vec::new();
    for n in 1..=4 {
        // An event of another user, and one of no user.
        let users = [user(1), user(2)];
        let about = [Some(&users[0]), Some(&users[1]), Some(&users[0]), None][usize::from(n) - 1];
        let event = event(&world, about, n, after(u64::from(n)));
        ids.push(event.id);
        receive(&world, event).await;
    }
    let any = || EventFilter { apps: Some(vec![appid()]), limit: 9, ..EventFilter::default() };
    let of_user = || EventFilter { openid: Some(user(1)), ..any() };
    let [since, until] = [2, 4].map(|n| Some(after(n)));
    for (filter, expected) in [
        (EventFilter { since, ..any() }, vec![ids[3], ids[2], ids[1]]),
        (EventFilter { until, ..any() }, vec![ids[2], ids[1], ids[0]]),
        (EventFilter { since, until, ..any() }, vec![ids[2], ids[1]]),
        (EventFilter { since, until, before: Some(ids[2]), ..any() }, vec![ids[1]]),
        (EventFilter { since: until, until: since, ..any() }, vec![]),
        (EventFilter { since, until, ..of_user() }, vec![ids[2]]),
        (EventFilter { until: since, ..of_user() }, vec![ids[0]]),
        (EventFilter { since: Some(after(5)), ..of_user() }, vec![]),
    ] {
        let page = world.store.events(filter.clone()).await.unwrap();
        assert_eq!(page.items.iter().map(|event| event.id).collect::<Vec<_>>(), expected, "{filter:?}");
        assert_eq!(page.next, None);
    }
    let newest = world.store.events(EventFilter { since, limit: 1, ..any() }).await.unwrap();
    let rest = world.store.events(EventFilter { since, before: newest.next, ..any() }).await.unwrap();
    assert_eq!(rest.items.iter().map(|event| event.id).collect::<Vec<_>>(), [ids[2], ids[1]]);
}

async fn an_accepted_template_grants_a_unit_once_and_wakes_who_waits(world: World) {
    let waits = NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(1), START) };
    assert_eq!(world.begin(waits.clone()).await.state, S::Waiting);
    let applied = happens(&world, &user(1), 1, vec![accept(&world, &user(1))], after(1)).await;
    assert!(matches!(
        applied.effects[..],
        [Effect::Granted { kind: PermitKind::SubscribeOnce, woken: 1, .. }]
    ));
    assert_eq!((applied.state, applied.woken), (EventState::Done, 1));
    assert_eq!(world.claim(&user(1), after(1)).await.claimed[0].id, waits.id);
    assert_eq!(world.totals(&user(1), after(1)).await.granted, 1);
    let listed = world.store.events(EventFilter {
        apps: Some(vec![appid()]),
        openid: Some(user(1)),
        limit: 1,
        ..EventFilter::default()
    });
    assert_eq!(listed.await.unwrap().items[0].effects, applied.effects, "what it did is kept with it");
}

async fn an_acceptance_that_both_sides_report_counts_once(world: World) {
    let caller =
        |count| NewPermit { reported_by: Some(Source::Caller), ..world.subscription(&user(1), count) };
    let wechat = || vec![accept(&world, &user(1))];
    let granted = async |now| world.totals(&user(1), now).await.granted;
    // The caller reports first.
    assert!(!world.grant(caller(1), START).await.duplicate);
    let applied = happens(&world, &user(1), 1, wechat(), after(1)).await;
    assert_eq!(applied.effects, [Effect::AlreadyReported { template: template("sub") }]);
    assert_eq!(granted(after(1)).await, 1);
    // WeChat reports twice first; then the caller reports both.
    happens(&world, &user(1), 2, wechat(), after(2)).await;
    happens(&world, &user(1), 3, wechat(), after(3)).await;
    assert_eq!(granted(after(3)).await, 3);
    let both = world.grant(caller(2), after(4)).await;
    assert!(both.duplicate);
    assert_eq!(granted(after(4)).await, 3);
    // Another tap, much later.
    world.grant(caller(1), after(10)).await;
    let late = after(11).plus(PAIRING_WINDOW);
    happens(&world, &user(1), 4, wechat(), late).await;
    assert_eq!(granted(late).await, 5);
    // Grants that are not reports of an acceptance add up.
    world.grant(world.subscription(&user(1), 1), late).await;
    assert_eq!(granted(late).await, 6);
}

async fn a_long_term_template_is_granted_without_number(world: World) {
    let record = TemplateRecord {
        appid: appid(),
        template_id: template("sub"),
        channel: hongyan_ledger::Channel::Subscribe,
        long_term: true,
        title: "t".into(),
        content: String::new(),
        example: String::new(),
        enums: std::collections::BTreeMap::new(),
    };
    world.store.put_templates(appid(), vec![record], START).await.unwrap();
    let applied = happens(&world, &user(1), 1, vec![accept(&world, &user(1))], START).await;
    assert!(matches!(applied.effects[..], [Effect::Granted { kind: PermitKind::SubscribeLongTerm, .. }]));
    for seconds in 1..4 {
        let sent = world.send(world.message(&user(1), after(seconds))).await;
        world.answered(&sent, 0, after(seconds)).await;
    }
    let applied =
        happens(&world, &user(1), 2, vec![CallbackAction::Withdraw { template: template("sub") }], after(9))
            .await;
    assert!(matches!(
        applied.effects[..],
        [Effect::Revoked { kind: PermitKind::SubscribeLongTerm, units: 0, .. }]
    ));
    assert_eq!(world.begin(world.message(&user(1), after(10))).await.state, S::Failed);
}

async fn a_user_who_wants_no_more_loses_what_is_left(world: World) {
    world.subscribe(&user(1), 3).await;
    let sent = world.send(world.message(&user(1), START)).await;
    world.answered(&sent, 0, START).await;
    let withdraw = || vec![CallbackAction::Withdraw { template: template("sub") }];
    let other = happens(
        &world,
        &user(1),
        1,
        vec![CallbackAction::Withdraw { template: template("other") }],
        after(1),
    )
    .await;
    assert_eq!(other.effects, []);
    let applied = happens(&world, &user(1), 2, withdraw(), after(2)).await;
    assert!(matches!(applied.effects[..], [Effect::Revoked { units: 2, .. }]), "{applied:?}");
    let totals = world.totals(&user(1), after(2)).await;
    assert_eq!((totals.spent, totals.revoked, totals.available), (1, 2, 0));
    assert_eq!(happens(&world, &user(1), 3, withdraw(), after(3)).await.effects, [], "there is nothing left");
    let failed = world.begin(world.message(&user(1), after(4))).await;
    let because = world.store.explain(failed.id, after(4)).await.unwrap().remove(0);
    assert_eq!((because.code, because.at), (BecauseCode::Revoked, Some(after(2))), "and that is why");
}

async fn a_message_is_found_by_its_number_and_ends(world: World) {
    world.subscribe(&user(1), 2).await;
    let mut ids = Vec::new();
    for msgid in [71, 72] {
        let sent = world.send(world.message(&user(1), START)).await;
        taken(&world, &sent, Some(msgid), after(1)).await;
        ids.push(sent.id);
    }
    assert_eq!(world.detail(ids[1]).await.attempts[0].outcome.as_ref().unwrap().msgid(), Some(72));
    let applied = happens(&world, &user(1), 1, vec![report(Some(72), 0)], after(2)).await;
    assert_eq!(applied.effects, [Effect::Delivered { message: ids[1] }]);
    assert_eq!((applied.ended[0].id, applied.ended[0].state), (ids[1], S::Delivered));
    assert_eq!((world.state(ids[0]).await, world.state(ids[1]).await), (S::Sent, S::Delivered));
    assert_eq!(world.totals(&user(1), after(2)).await.spent, 2);
    let again = happens(&world, &user(1), 2, vec![report(Some(72), 1)], after(3)).await;
    assert_eq!(again.effects, [Effect::AlreadySettled { message: ids[1] }], "a final state is never left");
    assert_eq!(world.state(ids[1]).await, S::Delivered);
}

async fn a_message_whose_answer_was_lost_ends_by_its_event(world: World) {
    world.subscribe(&user(1), 1).await;
    let lost = world.send(world.message(&user(1), START)).await;
    world.settle(World::silence(&lost, after(1))).await;
    assert_eq!(world.totals(&user(1), after(1)).await.reserved, 1);
    let applied = happens(&world, &user(1), 1, vec![report(Some(71), 0)], after(2)).await;
    assert_eq!(applied.effects, [Effect::Delivered { message: lost.id }]);
    let detail = world.detail(lost.id).await;
    assert_eq!((detail.message.state, detail.message.maybe_delivered), (S::Delivered, false));
    let found = detail.resolutions[0];
    assert_eq!((found.attempt, found.verdict, found.witness), (1, Verdict::Sent, Witness::Event));
    let totals = world.totals(&user(1), after(2)).await;
    assert_eq!((totals.spent, totals.reserved), (1, 0));
}

async fn an_event_that_overtakes_the_answer_is_looked_at_again_but_not_for_ever(world: World) {
    world.subscribe(&user(1), 2).await;
    let sending = world.send(world.message(&user(1), START)).await;
    let actions = || vec![report(Some(71), 0), accept(&world, &user(1))];
    let early = event(&world, Some(&user(1)), 1, after(1));
    receive(&world, early.clone()).await;
    let parked = apply(&world, early.id, actions(), after(1)).await.unwrap();
    assert_eq!((parked.state, parked.effects), (EventState::Parked, vec![]), "nothing of it is done yet");
    let lane = Lane::of(&appid(), &user(1));
    let open = world.store.open_events(lane, after(1), 10).await.unwrap();
    assert_eq!((open.due.len(), open.next_wake), (0, parked.wake_at));
    taken(&world, &sending, Some(71), after(2)).await;
    let again = parked.wake_at.unwrap();
    let due = world.store.open_events(lane, again, 10).await.unwrap().due.remove(0);
    assert_eq!((due.id, due.tries, due.state), (early.id, 1, EventState::Parked));
    let applied = apply(&world, early.id, actions(), again).await.unwrap();
    assert_eq!(applied.effects[0], Effect::Delivered { message: sending.id });
    assert_eq!(applied.effects.len(), 2);

    let stuck = world.send(world.message(&user(1), after(10))).await;
    let event = event(&world, Some(&user(1)), 2, after(11));
    receive(&world, event.clone()).await;
    let end = after(11).plus(PATIENCE);
    let applied = apply(&world, event.id, vec![report(Some(72), 0)], end).await.unwrap();
    assert_eq!(applied.effects, [Effect::NoMessage { template: template("sub") }]);
    assert_eq!(world.state(stuck.id).await, S::Sending);
}

async fn a_message_that_the_user_did_not_get_keeps_its_unit_spent_and_says_why(world: World) {
    world.subscribe(&user(1), 2).await;
    let sent = world.send(world.message(&user(1), START)).await;
    taken(&world, &sent, Some(71), after(1)).await;
    let lost = world.send(world.message(&user(1), after(2))).await;
    world.settle(World::silence(&lost, after(3))).await;
    let both = vec![report(Some(71), 4), report(Some(72), 5)];
    let applied = happens(&world, &user(1), 1, both, after(4)).await;
    assert_eq!(applied.ended.iter().map(|ended| ended.id).collect::<Vec<_>>(), [sent.id, lost.id]);
    for (id, code, msgid) in [(sent.id, 4, 71), (lost.id, 5, 72)] {
        let message = world.detail(id).await.message;
        assert_eq!((message.state, message.reason), (S::Refused, Some(ReasonCode::NotDelivered)));
        let outcome =
            Outcome::Answered { errcode: Errcode(code), errmsg: "user refuse".into(), msgid: Some(msgid) };
        assert_eq!(message.last_outcome, Some(outcome));
    }
    let totals = world.totals(&user(1), after(4)).await;
    assert_eq!((totals.spent, totals.reserved, totals.available), (2, 0, 0));
}

async fn an_event_of_another_senders_message_changes_nothing(world: World) {
    world.subscribe(&user(1), 1).await;
    let sent = world.send(world.message(&user(1), START)).await;
    taken(&world, &sent, Some(71), after(1)).await;
    let applied = happens(&world, &user(1), 1, vec![report(Some(9), 0)], after(2)).await;
    assert_eq!(applied.effects, [Effect::NoMessage { template: template("sub") }]);
    assert_eq!((applied.state, world.state(sent.id).await), (EventState::Done, S::Sent));
}

async fn silence_is_no_word_while_an_event_is_waiting(world: World) {
    world.subscribe(&user(1), 1).await;
    let lost = world.send(world.message(&user(1), START)).await;
    world.settle(World::silence(&lost, after(1))).await;
    let event = event(&world, Some(&user(1)), 1, after(2));
    receive(&world, event.clone()).await;
    let silence = || {
        let verdict = Verdict::NotSent { then: Then::Send };
        let order = ResolveOrder {
            id: lost.id,
            verdict,
            attempt: Some(1),
            witness: Witness::Silence,
            listened: Some(Listened { node: "world".into(), from: START, to: after(1) }),
            now: after(60),
        };
        world.store.resolve(order)
    };
    assert_eq!(silence().await.unwrap(), Resolved::EventPending);
    assert_eq!(world.state(lost.id).await, S::Unknown);
    apply(&world, event.id, vec![], after(60)).await.unwrap();
    assert_eq!(silence().await.unwrap(), Resolved::Done { state: S::Ready, reason: None });
    assert_eq!(world.detail(lost.id).await.resolutions[0].witness, Witness::Silence);
}

async fn old_events_are_removed_and_with_them_that_they_came(world: World) {
    let old = event(&world, Some(&user(1)), 1, START);
    let open = event(&world, Some(&user(2)), 2, START);
    let young = event(&world, Some(&user(3)), 3, after(1000));
    for event in [&old, &open, &young] {
        receive(&world, event.clone()).await;
    }
    let caller = NewPermit { reported_by: Some(Source::Caller), ..world.subscription(&user(1), 1) };
    world.grant(caller, START).await;
    for event in [&old, &young] {
        apply(&world, event.id, vec![], after(1000)).await.unwrap();
    }
    let order = PruneOrder { audit_before: None, before: Some(after(900)), now: after(1000), limit: 1 };
    let (mut next, mut events, mut leftovers) = (Some(PruneWalk::START), 0, 0);
    while let Some(walk) = next {
        let step = world.store.prune(walk, order).await.unwrap();
        (events, leftovers, next) = (events + step.events, leftovers + step.leftovers, step.next);
    }
    assert_eq!((events, leftovers), (1, 4), "three nonces and an acceptance without a partner");
    let all = world.store.events(EventFilter { limit: 10, ..EventFilter::default() }).await.unwrap().items;
    assert_eq!(all.iter().map(|event| event.id).collect::<Vec<_>>(), [young.id, open.id]);
    assert_eq!(receive(&world, old).await, Received::New);
}

async fn what_was_heard_of_a_callback_is_kept(world: World) {
    let status = async || {
        let all = world.store.callback_statuses().await.unwrap();
        let listed = all.into_iter().find(|(known, _)| *known == appid()).map(|(_, status)| status);
        let own = world.store.callback_status(appid()).await.unwrap();
        assert_eq!(own, listed.unwrap_or_default(), "both ways of asking agree");
        listed
    };
    assert_eq!(status().await, None);
    let check = AddressCheck { at: after(1), nonce_hash: [7; 32], nonce_expires_at: after(9) };
    for _ in 0..2 {
        world.store.callback_verified(appid(), check.clone()).await.unwrap();
    }
    let forged = NewEvent { nonce_hash: [7; 32], ..event(&world, None, 9, after(1)) };
    assert_eq!(receive(&world, forged).await, Received::NonceReused);
    receive(&world, NewEvent { is_sent_report: true, ..event(&world, None, 1, after(2)) }).await;
    receive(&world, event(&world, None, 2, after(3))).await;
    let heard = status().await.unwrap();
    assert_eq!(heard.verified_at, Some(after(1)));
    assert_eq!((heard.last_event_at, heard.last_sent_event_at), (Some(after(3)), Some(after(2))));
    assert!(world.store.remove_app(appid(), after(4)).await.unwrap());
    assert_eq!(status().await, None);
}
